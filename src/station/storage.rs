//! What the station does about its disk: no OK when it is full, images around incidents, and what
//! people are told of it.

use std::collections::VecDeque;

use jiff::Timestamp;
use tracing::info;

use crate::domain::{Frame, InspectionRecord, Reason, Verdict};
use crate::inspect::with_causes;
use crate::publish::StoragePayload;
use crate::record::{
    Bite, ImageArchive, Keeper, KeeperSettings, News, OutboxId, RecordError, SpaceLevel, Stuck,
};

use super::config::{Station, WhenFull};
use super::error::StationError;
use super::run::Live;

/// Most parts before and after an incident whose images are kept.
pub(super) const AROUND_MAX: usize = 8;
/// Most bytes of frames that wait in case the next part is an incident.
const AROUND_BYTES_MAX: usize = 256 << 20;

/// The station's side of its storage.
pub(super) struct Storage {
    keeper: Keeper,
    when_full: WhenFull,
    around: Around,
    counts: StoragePayload,
}

/// Frames of the latest good parts, in case that the next one is an incident.
#[derive(Default)]
struct Around {
    n_parts: usize,
    before: VecDeque<GoodPart>,
    /// Parts behind the last incident whose images are still to be kept.
    after_left: usize,
}

struct GoodPart {
    row: OutboxId,
    id: String,
    decided_at_utc: Timestamp,
    /// None if they are in the archive anyway.
    frames: Vec<(String, Frame)>,
}

impl Storage {
    pub(super) fn start(station: &Station) -> Result<Self, RecordError> {
        let keeper = Keeper::start(&KeeperSettings {
            store: station.data.join("records.sqlite"),
            archive: station.data.join("images"),
            rules: station.storage.rules,
            limits: station.storage.limits,
        })?;
        Ok(Self {
            keeper,
            when_full: station.storage.when_full,
            around: Around {
                n_parts: station.archive_around,
                ..Around::default()
            },
            counts: StoragePayload::default(),
        })
    }

    /// What may be said while the disk is as it is: a full one stops OK before records are lost.
    pub(super) fn allowed(&self, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Ok if self.is_stopped() => Verdict::Indeterminate(Reason::Storage),
            Verdict::Ok | Verdict::Ng | Verdict::Indeterminate(_) => verdict,
        }
    }

    /// Whether the disk is so full that nothing is OK.
    fn is_stopped(&self) -> bool {
        self.when_full == WhenFull::Stop && self.keeper.level() == SpaceLevel::Full
    }

    /// Whether there is room to begin: a station that could say OK of nothing is not ready.
    ///
    /// # Errors
    /// [`StationError::DiskFull`].
    pub(super) fn check_room(&self) -> Result<(), StationError> {
        if self.is_stopped() {
            let free_mb = self.keeper.free_bytes() / 1_000_000;
            return Err(StationError::DiskFull { free_mb });
        }
        Ok(())
    }

    /// Whether the images of this part are kept.
    pub(super) fn keeps(&mut self, archive: &ImageArchive, id: &str, verdict: Verdict) -> bool {
        let is_wanted = archive.rules().keeps(id, verdict)
            || (verdict == Verdict::Ok && 0 < self.around.after_left);
        let has_room = self.keeper.level() < SpaceLevel::NoImages;
        if is_wanted && !has_room {
            self.counts.images_withheld += 1;
        }
        is_wanted && has_room
    }
}

impl Around {
    fn remember(&mut self, part: GoodPart) {
        self.before.push_back(part);
        let bytes = |part: &GoodPart| -> usize {
            part.frames
                .iter()
                .map(|(_, frame)| frame.pixels().len())
                .sum()
        };
        while self.n_parts < self.before.len()
            || AROUND_BYTES_MAX < self.before.iter().map(bytes).sum()
        {
            self.before.pop_front();
        }
    }
}

impl Live {
    /// Takes note of a part that was answered and recorded: `unkept` are its frames that the archive did not get.
    pub(super) fn answered_around(
        &mut self,
        row: OutboxId,
        record: &InspectionRecord,
        unkept: Vec<(String, Frame)>,
    ) {
        let around = &mut self.storage.around;
        if record.verdict == Verdict::Ok {
            around.after_left = around.after_left.saturating_sub(1);
            around.remember(GoodPart {
                row,
                id: record.id.clone(),
                decided_at_utc: record.decided_at_utc,
                frames: unkept,
            });
            return;
        }
        around.after_left = around.n_parts;
        let parts: Vec<GoodPart> = around.before.drain(..).collect();
        if SpaceLevel::NoImages <= self.storage.keeper.level() {
            return;
        }
        let images: Vec<(OutboxId, String, Frame)> = parts
            .into_iter()
            .flat_map(|part| {
                let GoodPart {
                    row,
                    id,
                    decided_at_utc,
                    frames,
                } = part;
                frames.into_iter().map(move |(view, frame)| {
                    (
                        row,
                        ImageArchive::path_for(&id, &view, decided_at_utc),
                        frame,
                    )
                })
            })
            .collect();
        let noted: Vec<_> = images
            .iter()
            .map(|(row, path, _)| (*row, path.clone()))
            .collect();
        if noted.is_empty() {
            return;
        }
        if let Err(error) = self.store.add_images(&noted) {
            return self.event("storage", &with_causes(&error));
        }
        for (_, path, frame) in images {
            self.archive_plain(&path, frame);
        }
    }

    /// Tells what has happened to the storage, and what `health` says of it.
    pub(super) fn mind_storage(&mut self) -> StoragePayload {
        for news in self.storage.keeper.news() {
            self.tell_storage(news);
        }
        StoragePayload {
            level: self.storage.keeper.level().word().to_owned(),
            free_mb: self.storage.keeper.free_bytes() / 1_000_000,
            images_stored: self.archive.stored(),
            images_dropped: self.archive.dropped(),
            images_failed: self.archive.failed(),
            ..self.storage.counts.clone()
        }
    }

    fn tell_storage(&mut self, news: News) {
        match news {
            News::Space {
                from,
                to,
                free_bytes,
            } => {
                self.storage.counts.level_changes += 1;
                let free_mb = free_bytes / 1_000_000;
                let text = format!(
                    "{free_mb} MB of the disk are free (before: {}); {}",
                    from.word(),
                    self.storage.consequence(to)
                );
                self.event(&format!("storage_{}", to.word()), &text);
                self.room_has_changed(to);
            }
            News::Removed(bite) => self.removed(&bite),
            News::Stuck(stuck) => {
                let (what, bytes) = match stuck {
                    Stuck::Records(bytes) => ("records", bytes),
                    Stuck::Images(bytes) => ("images", bytes),
                };
                let text = format!(
                    "{} MB of {what} are more than `storage.{what}_mb_max`, and all of them are undelivered, on hold or new: nothing can be removed",
                    bytes / 1_000_000
                );
                self.event("retention_stuck", &text);
            }
            News::ClockStepped { step } => {
                let text = format!(
                    "the clock was set forward by {} s; until the next start, ages count as if it had not been",
                    step.as_secs()
                );
                self.event("retention_clock", &text);
            }
            News::Failed(text) => self.event("storage", &text),
            News::Ended => {
                self.event(
                    "storage",
                    "nobody watches the disk any more; restart the station",
                );
            }
        }
    }

    fn removed(&mut self, bite: &Bite) {
        let counts = &mut self.storage.counts;
        counts.images_removed += bite.n_images;
        info!(
            station = self.station.name,
            images = bite.n_images,
            image_bytes = bite.image_bytes,
            records = bite.records.as_ref().map_or(0, |records| records.n_records),
            "removed by retention"
        );
        if let Some(records) = &bite.records {
            counts.records_removed += records.n_records;
            let text = format!(
                "{} records up to row {} were removed; the link {} stands for them in the chain",
                records.n_records, records.last_row, records.link_sha256
            );
            self.event("retention", &text);
        }
    }
}

impl Storage {
    fn consequence(&self, level: SpaceLevel) -> &'static str {
        match (level, self.when_full) {
            (SpaceLevel::Enough, _) => "all is well again",
            (SpaceLevel::Low, _) => "free some space",
            (SpaceLevel::NoImages, _) => "no images are kept; free some space",
            (SpaceLevel::Full, WhenFull::Stop) => {
                "no part is OK any more, no images are kept; free some space now"
            }
            (SpaceLevel::Full, WhenFull::GoOn) => {
                "no images are kept, and records only as long as they fit; free some space now"
            }
        }
    }
}
