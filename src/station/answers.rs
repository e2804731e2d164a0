//! How a station answers: the record durable first, then the verdict, then the images.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{error, info};
use uuid::Uuid;

use crate::domain::{Frame, InspectionRecord, Reason, Sequence, Trigger, Verdict, ViewRecord};
use crate::gate::{ANSWERED_KEPT, Answer};
use crate::inspect::{Inspection, with_causes};
use crate::publish::{Outgoing, PlcBlock, Validity, VerdictPayload};
use crate::record::{ImageArchive, drawn_path};
use crate::vision::{self, VisionError};

use super::pictures::{JPEG_QUALITY, draw_inspection};
use super::run::Live;
use super::worker::{Evidence, Used};

/// A frame that the archive gets.
struct Kept {
    view: String,
    frame: Frame,
    path: String,
}

/// Writes into the record where its images will be.
fn name_images(record: &mut InspectionRecord, frames: Vec<(String, Frame)>) -> Vec<Kept> {
    let mut kept = Vec::new();
    for (view, frame) in frames {
        let path = ImageArchive::path_for(&record.id, &view, record.decided_at_utc);
        let of_view = |entry: &&mut ViewRecord| entry.view == view;
        if let Some(entry) = record.views.iter_mut().find(of_view) {
            entry.image_path = Some(path.clone());
        }
        kept.push(Kept { view, frame, path });
    }
    kept
}

impl Live {
    /// Answers a part that nothing was seen of.
    pub(super) fn answer_unseen(&mut self, answer: Answer) {
        let evidence = Evidence {
            inspection: Inspection::without_views(answer.verdict),
            used: self.used_for(&answer.trigger),
            frames: Vec::new(),
        };
        self.answer(answer, evidence);
    }

    /// Makes the record durable, then says the verdict, then keeps the images.
    pub(super) fn answer(&mut self, answer: Answer, evidence: Evidence) {
        let Answer {
            trigger,
            mut verdict,
            repeated,
        } = answer;
        if repeated {
            self.counters.repeated += 1;
            self.say_again(&trigger, verdict);
            return;
        }
        let deadline = trigger.deadline + self.station.deadlines.answer_margin;
        let allowed = self.storage.allowed(verdict);
        if allowed != verdict {
            verdict = allowed;
            self.gate.said(&trigger, verdict, Instant::now());
        }
        let Evidence {
            inspection,
            used,
            frames,
        } = evidence;
        for drift in &inspection.drifts {
            self.event("drift", drift);
        }
        let mut record = self.record(trigger, verdict, inspection, used);
        let is_kept = !frames.is_empty() && self.storage.keeps(&self.archive, &record.id, verdict);
        let (frames, unkept) = if is_kept {
            (frames, Vec::new())
        } else {
            (Vec::new(), frames)
        };
        let kept = name_images(&mut record, frames);
        let appended = self.store.append(&record);
        match &appended {
            Ok(outbox_id) => self.outbox.appended(*outbox_id),
            Err(error) => {
                // Without evidence nothing passes; the gate must say the same if it is asked again.
                verdict = Verdict::Indeterminate(Reason::Storage);
                record.verdict = verdict;
                self.gate.said(&record.trigger, verdict, Instant::now());
                self.event("storage", &with_causes(error));
            }
        }
        self.say(&record, deadline);
        let sequence = record.trigger.sequence;
        if let Some(dropped) = self.acks.said(sequence, verdict, Instant::now()) {
            self.ack_missing(dropped);
        }
        self.counters.answered(verdict, record.timings.total);
        info!(
            station = self.station.name,
            sequence = record.trigger.sequence,
            part = %record.trigger.part,
            verdict = %record.verdict,
            total_ms = record.timings.total.as_secs_f64() * 1e3,
            "answered"
        );
        // Without a record nobody would account for its images.
        if let Ok(row) = appended {
            self.keep_images(&record, kept);
            self.answered_around(row, &record, unkept);
        }
    }

    fn say(&mut self, record: &InspectionRecord, deadline: Instant) {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let expires_at_utc = record.decided_at_utc + remaining;
        let payload = VerdictPayload::new(
            record,
            Validity {
                remaining,
                expires_at_utc,
                clock_stepped_s: record.clock_stepped_s,
            },
        );
        if self.said.len() == ANSWERED_KEPT {
            self.said.pop_front();
        }
        self.said.push_back((payload.clone(), deadline));
        self.send_verdict(payload, deadline);
    }

    fn say_again(&mut self, trigger: &Trigger, verdict: Verdict) {
        let deadline = trigger.deadline + self.station.deadlines.answer_margin;
        let same = |(said, _): &&(VerdictPayload, Instant)| {
            said.sequence == trigger.sequence && said.part_id == trigger.part.as_str()
        };
        let payload = if let Some((said, _)) = self.said.iter().rev().find(same) {
            said.clone()
        } else {
            // Answered before a restart: the verdict is known, its details are in the record.
            let empty = Inspection::without_views(verdict);
            let used = self.used_for(trigger);
            let record = self.record(trigger.clone(), verdict, empty, used);
            let validity = Validity {
                remaining: Duration::ZERO,
                expires_at_utc: record.decided_at_utc,
                clock_stepped_s: record.clock_stepped_s,
            };
            VerdictPayload {
                record_id: String::new(),
                ..VerdictPayload::new(&record, validity)
            }
        };
        self.send_again(payload, deadline);
    }

    /// The connection ended with a verdict under way: it is said again as long as it holds.
    pub(super) fn say_unacknowledged(&mut self, sequence: Sequence) {
        let same = |(said, _): &&(VerdictPayload, Instant)| said.sequence == sequence;
        let said = self.said.iter().rev().find(same).cloned();
        match said {
            Some((payload, deadline)) if Instant::now() < deadline => {
                self.send_again(payload, deadline);
            }
            _ => {
                self.counters.missed += 1;
                let text = format!(
                    "the broker went away before it acknowledged verdict {sequence}, which holds no more"
                );
                self.event("verdict_unacknowledged", &text);
            }
        }
    }

    fn send_again(&mut self, payload: VerdictPayload, deadline: Instant) {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let payload = VerdictPayload {
            remaining_ms: u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX),
            expires_at_utc: Timestamp::now() + remaining,
            ..payload.again()
        };
        self.send_verdict(payload, deadline);
    }

    fn send_verdict(&mut self, payload: VerdictPayload, expires_at: Instant) {
        let valid_for = expires_at.saturating_duration_since(Instant::now());
        match PlcBlock::new(&payload, valid_for) {
            Ok(block) => {
                let payload = Box::new(payload);
                self.publish(Outgoing::Verdict {
                    payload,
                    plc: block.encode(),
                    expires_at,
                });
            }
            Err(error) => error!(error = with_causes(&error), "no PLC block, so no verdict"),
        }
    }

    fn keep_images(&mut self, record: &InspectionRecord, kept: Vec<Kept>) {
        let banner = format!(
            "{} {} {}",
            record.station, record.trigger.part, record.verdict
        );
        for Kept { view, frame, path } in kept {
            self.archive_plain(&path, frame.clone());
            if self.station.archive_drawn {
                let (findings, verdict) = (record.findings.clone(), record.verdict);
                let banner = banner.clone();
                let draw = move || draw_inspection(&frame, &view, &findings, verdict, &banner);
                self.archive(&drawn_path(&path), draw);
            }
        }
    }

    /// Keeps the frame as it is.
    pub(super) fn archive_plain(&mut self, path: &str, frame: Frame) {
        self.archive(path, move || vision::encode_jpeg(&frame, JPEG_QUALITY));
    }

    fn archive(
        &mut self,
        path: &str,
        encode: impl FnOnce() -> Result<Vec<u8>, VisionError> + Send + 'static,
    ) {
        let encode = move || encode().map_err(|error| with_causes(&error));
        if !self.archive.try_store(path.to_owned(), Box::new(encode)) {
            let text = format!("the archive is behind; no image of `{path}`");
            self.event("archive", &text);
        }
    }

    /// What parts like this one are judged with now.
    fn used_for(&self, trigger: &Trigger) -> Option<Used> {
        self.used.get(trigger.part_type.as_str()).cloned()
    }

    pub(super) fn record(
        &self,
        trigger: Trigger,
        verdict: Verdict,
        inspection: Inspection,
        used: Option<Used>,
    ) -> InspectionRecord {
        let (recipe, models, calibrations) = used.map_or_else(Default::default, |used| {
            (Some(used.recipe), used.models, used.calibrations)
        });
        let mut timings = inspection.timings;
        timings.total = trigger.arrived_at.elapsed();
        InspectionRecord {
            part_read: inspection.part_read,
            id: Uuid::now_v7().to_string(),
            station: self.station.name.clone(),
            clock_stepped_s: self.wall.stepped_s_since(trigger.arrived_at),
            trigger,
            verdict,
            late: false,
            findings: inspection.findings,
            views: inspection.views,
            recipe,
            models,
            calibrations,
            timings,
            decided_at_utc: Timestamp::now(),
            software_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
