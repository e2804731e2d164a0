//! The thread that takes frames and inspects them, one part after the other.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Instant;

use jiff::Timestamp;

use crate::domain::{Frame, Reason, Trigger, Verdict};
use crate::inspect::{Capture, Inspection, Inspector, with_causes};
use crate::model::LoadReport;
use crate::source::FrameSource;

use super::config::Station;
use super::ready::{Files, StationError, make_ready, open_source};
use super::run::Event;

/// A part that has been inspected, with the frames for the archive.
pub(super) struct Inspected {
    pub(super) trigger: Trigger,
    pub(super) inspection: Inspection,
    /// View and frame, for the views that gave one.
    pub(super) frames: Vec<(String, Frame)>,
}

/// Cameras and inspectors of a station.
pub(super) struct Worker {
    pub(super) sources: BTreeMap<String, Box<dyn FrameSource>>,
    pub(super) inspectors: Vec<Inspector>,
}

impl Worker {
    /// Opens the cameras, loads and tests the models.
    pub(super) fn load(
        station: &Station,
        files: Files,
    ) -> Result<(Self, Vec<(String, LoadReport)>), StationError> {
        let ready = make_ready(station, files)?;
        ready.check_latency(station.deadlines.deadline)?;
        let mut sources = BTreeMap::new();
        for camera in &station.cameras {
            sources.insert(camera.name.clone(), open_source(camera)?);
        }
        Ok((
            Self {
                sources,
                inspectors: ready.inspectors,
            },
            ready.reports,
        ))
    }

    /// Works until the station hangs up.
    pub(super) fn run(mut self, triggers: &Receiver<Trigger>, events: &SyncSender<Event>) {
        while let Ok(trigger) = triggers.recv() {
            // Its deadline has answered it; the time belongs to the parts that can still be saved.
            if trigger.deadline <= Instant::now() {
                continue;
            }
            let inspected = self.inspect(trigger);
            if events.send(Event::Inspected(Box::new(inspected))).is_err() {
                return;
            }
        }
    }

    /// Takes the frames of one part and judges it.
    pub(super) fn inspect(&mut self, trigger: Trigger) -> Inspected {
        let fits = |inspector: &&mut Inspector| inspector.recipe().part_type == trigger.part_type;
        let Some(inspector) = self.inspectors.iter_mut().find(fits) else {
            return Inspected {
                inspection: no_recipe(),
                trigger,
                frames: Vec::new(),
            };
        };
        let latest = capture_until(&trigger);
        let mut captures = Vec::new();
        let mut frames = Vec::new();
        for view in &inspector.recipe().views {
            let started = Instant::now();
            let frame = match self.sources.get_mut(&view.camera) {
                None => Err((Reason::NoFrame, format!("no camera `{}`", view.camera))),
                Some(source) => source
                    .capture(&trigger, latest)
                    .map_err(|error| (error.reason(), with_causes(&error))),
            };
            if let Ok(frame) = &frame {
                frames.push((view.name.clone(), frame.clone()));
            }
            captures.push(Capture {
                frame,
                took: started.elapsed(),
            });
        }
        let inspection = inspector.inspect(captures, Timestamp::now());
        Inspected {
            trigger,
            inspection,
            frames,
        }
    }
}

/// A camera may take three quarters of the part's time, so that its silence is answered as such.
fn capture_until(trigger: &Trigger) -> Instant {
    let time = trigger
        .deadline
        .saturating_duration_since(trigger.arrived_at);
    trigger.arrived_at + time / 4 * 3
}

fn no_recipe() -> Inspection {
    Inspection::without_views(Verdict::Indeterminate(Reason::NoRecipe))
}
