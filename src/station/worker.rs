//! The thread that takes frames and inspects them, one part after the other; and the station's end of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tracing::{debug, error};

use crate::domain::{Frame, ItemVersion, Reason, Trigger, Verdict};
use crate::inspect::{Inspection, Inspector};
use crate::model::LoadReport;
use crate::source::Announced;

use super::config::Station;
use super::doubt::{Doubt, second_look};
use super::error::StationError;
use super::presence::{Look, Presence};
use super::ready::{Files, make_ready};
use super::run::Event;
use super::sources::open_source;

mod look;

use look::{Sources, look, look_once};

/// A part may be with the inspecting thread for so long after its deadline before the thread counts as hung.
const HUNG_AFTER: Duration = Duration::from_secs(10);

/// How often the place where parts come is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A second look needs the time of the first and this share of it more.
const SPARE_SHARE: u32 = 4;

/// Cameras and models may take so long to be ready; engines for accelerators are built then.
const LOAD_MAX: Duration = Duration::from_mins(10);

/// The station's end of one inspecting thread.
pub(super) struct WorkerLink {
    /// Tells its news from those of the threads before it.
    pub(super) generation: u32,
    announced: Announced,
    triggers: SyncSender<Trigger>,
    // The deadlines of the parts that it has, in their order.
    due: VecDeque<Instant>,
    // Until everything is loaded.
    loads_until: Option<Instant>,
    thread: JoinHandle<()>,
}

/// What a thread was given to inspect with.
pub(super) struct Loaded {
    /// By part type.
    pub(super) used: BTreeMap<String, Used>,
    /// What the tests of each model said.
    pub(super) reports: Vec<(String, LoadReport)>,
}

/// What a part type is judged with, as records name it.
#[derive(Clone)]
pub(super) struct Used {
    pub(super) recipe: ItemVersion,
    pub(super) models: Vec<ItemVersion>,
    pub(super) calibrations: Vec<ItemVersion>,
}

impl From<&Inspector> for Used {
    fn from(inspector: &Inspector) -> Self {
        Self {
            recipe: inspector.recipe().version(),
            models: inspector.models(),
            calibrations: inspector.calibrations(),
        }
    }
}

impl WorkerLink {
    /// Starts an inspecting thread, which waits for `before` to end (it has the cameras), opens the
    /// cameras, loads and tests the models itself (a model runs on the thread that loaded it), and
    /// says [`Event::Loaded`].
    ///
    /// # Errors
    /// [`StationError::Thread`] if the system gives none.
    pub(super) fn start(
        generation: u32,
        station: &Station,
        files: impl FnOnce() -> Result<Files, StationError> + Send + 'static,
        before: Option<JoinHandle<()>>,
        events: SyncSender<Event>,
    ) -> Result<Self, StationError> {
        let (triggers, to_inspect) = sync_channel(station.deadlines.open_parts_max);
        let (station, announced) = (station.clone(), Announced::default());
        let to_match = announced.clone();
        let work = move || {
            if let Some(before) = before {
                wait_for(&before);
            }
            let _leaving = Leaving(generation, events.clone());
            let (worker, outcome) =
                match files().and_then(|files| Worker::load(&station, files, &to_match)) {
                    Ok((worker, loaded)) => (Some(worker), Ok(loaded)),
                    Err(error) => (None, Err(error)),
                };
            let outcome = Box::new(outcome);
            let said = events.send(Event::Loaded {
                generation,
                outcome,
            });
            if let (Ok(()), Some(worker)) = (said, worker) {
                worker.run(&to_inspect, generation, &events);
            }
        };
        let thread = std::thread::Builder::new()
            .name("inspect".to_owned())
            .spawn(work)
            .map_err(|cause| StationError::Thread {
                name: "inspect",
                cause,
            })?;
        Ok(Self {
            generation,
            announced,
            triggers,
            due: VecDeque::new(),
            loads_until: Some(Instant::now() + LOAD_MAX),
            thread,
        })
    }

    /// A part passes the cameras, whether it will be inspected or not.
    pub(super) fn announce(&self, arrived_at: Instant) {
        self.announced.push(arrived_at);
    }

    /// Hands a part over; false if the thread is gone or full.
    pub(super) fn try_send(&mut self, trigger: Trigger) -> bool {
        let deadline = trigger.deadline;
        let is_taken = self.triggers.try_send(trigger).is_ok();
        if is_taken {
            self.due.push_back(deadline);
        }
        is_taken
    }

    /// The thread is done with its oldest part.
    pub(super) fn is_done_with_one(&mut self) {
        self.due.pop_front();
    }

    /// Everything is loaded.
    pub(super) fn has_loaded(&mut self) {
        self.loads_until = None;
    }

    /// When the thread counts as hung: over a part, or over loading.
    pub(super) fn hung_at(&self) -> Option<Instant> {
        let part = self.due.front().map(|due| *due + HUNG_AFTER);
        self.loads_until.or(part)
    }

    /// Lets the thread finish its part and end, by itself.
    pub(super) fn end(self) -> JoinHandle<()> {
        self.thread
    }
}

/// Waits for the thread before to let go of the cameras; one that hangs is left alone.
fn wait_for(before: &JoinHandle<()>) {
    let until = Instant::now() + HUNG_AFTER;
    while !before.is_finished() {
        if until <= Instant::now() {
            error!("the inspecting thread before this one does not end; it is left alone");
            return;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Tells the station when the inspecting thread ends, by a panic too.
struct Leaving(u32, SyncSender<Event>);

impl Drop for Leaving {
    fn drop(&mut self) {
        let Self(generation, events) = self;
        let generation = *generation;
        // A station that has ended itself needs no telling.
        if events.try_send(Event::WorkerGone { generation }).is_err() {
            debug!("the station ended before its inspecting thread");
        }
    }
}

/// A part that has been inspected.
pub(super) struct Inspected {
    pub(super) trigger: Trigger,
    pub(super) evidence: Evidence,
}

/// What a verdict rests on.
pub(super) struct Evidence {
    pub(super) inspection: Inspection,
    /// What it was judged with, which may be other files by now; none without a recipe.
    pub(super) used: Option<Used>,
    /// View and frame, for the views that gave one.
    pub(super) frames: Vec<(String, Frame)>,
}

/// Cameras and inspectors of a station.
pub(super) struct Worker {
    pub(super) sources: Sources,
    pub(super) inspectors: Vec<Inspector>,
    /// What becomes of a doubtful part.
    pub(super) doubt: Doubt,
    /// What tells that a part is there, where nobody announces parts.
    pub(super) presence: Option<Presence>,
    // Frames that were lost while it looked.
    pub(super) frames_lost: u64,
    /// When it was loaded, on both clocks: calibrations age by the one that never jumps.
    pub(super) loaded_at: (Instant, Timestamp),
}

impl Worker {
    /// Opens the cameras, loads and tests the models.
    fn load(
        station: &Station,
        files: Files,
        announced: &Announced,
    ) -> Result<(Self, Loaded), StationError> {
        let loaded_at = (Instant::now(), Timestamp::now());
        for calibration in files.calibrations() {
            calibration.check_date(loaded_at.1)?;
        }
        let ready = make_ready(station, files)?;
        ready.check_latency(station.deadlines.deadline)?;
        let mut sources = Sources::new();
        for camera in &station.cameras {
            sources.insert(camera.name.clone(), open_source(camera, Some(announced))?);
        }
        let used = ready.inspectors.iter();
        let used = used.map(|one| (one.recipe().part_type.to_string(), Used::from(one)));
        let loaded = Loaded {
            used: used.collect(),
            reports: ready.reports,
        };
        let worker = Self {
            sources,
            inspectors: ready.inspectors,
            doubt: ready.doubt,
            presence: ready.presence,
            frames_lost: 0,
            loaded_at,
        };
        Ok((worker, loaded))
    }

    /// Works until the station hangs up.
    fn run(mut self, triggers: &Receiver<Trigger>, generation: u32, events: &SyncSender<Event>) {
        while let Some(trigger) = self.next_trigger(triggers, generation, events) {
            // Its deadline has answered it; the time belongs to the parts that can still be saved.
            let inspected = if trigger.deadline <= Instant::now() {
                None
            } else {
                Some(Box::new(self.inspect(trigger)))
            };
            let event = Event::Inspected {
                generation,
                inspected,
            };
            if events.send(event).is_err() {
                return;
            }
        }
    }

    /// The next part; until it is announced, the place where parts come is looked at, if that is wanted.
    fn next_trigger(
        &mut self,
        triggers: &Receiver<Trigger>,
        generation: u32,
        events: &SyncSender<Event>,
    ) -> Option<Trigger> {
        loop {
            let Some(presence) = &mut self.presence else {
                return triggers.recv().ok();
            };
            match triggers.recv_timeout(LOOK_EVERY) {
                Ok(trigger) => return Some(trigger),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let look = match look_once(&mut self.sources, &presence.camera) {
                Ok(frame) => {
                    self.frames_lost += frame.frames_lost;
                    presence.look(&frame, Instant::now())
                }
                Err(text) => Err(text),
            };
            if look != Ok(Look::Nothing) && events.send(Event::Looked { generation, look }).is_err()
            {
                return None;
            }
        }
    }

    /// What the time would be if nobody had touched the clock: a jump must change no verdict.
    fn now_utc(&self) -> Timestamp {
        let (at, at_utc) = self.loaded_at;
        let since = SignedDuration::try_from(at.elapsed()).unwrap_or(SignedDuration::MAX);
        at_utc.saturating_add(since).unwrap_or(Timestamp::MAX)
    }

    /// Takes the frames of one part and judges it.
    pub(super) fn inspect(&mut self, trigger: Trigger) -> Inspected {
        let now_utc = self.now_utc();
        let fits = |inspector: &&mut Inspector| inspector.recipe().part_type == trigger.part_type;
        let Some(inspector) = self.inspectors.iter_mut().find(fits) else {
            return Inspected {
                trigger,
                evidence: Evidence {
                    inspection: no_recipe(),
                    used: None,
                    frames: Vec::new(),
                },
            };
        };
        let used = Some(Used::from(&*inspector));
        let sources = &mut self.sources;
        let began = Instant::now();
        let (captures, mut frames) = look(
            sources,
            &inspector.recipe().views,
            &trigger,
            capture_until(&trigger),
        );
        let mut inspection = inspector.inspect(captures, Some(&trigger.part), now_utc);
        let took = began.elapsed();
        // A second look takes as long as the first; one that would come too late is not begun.
        let has_time = Instant::now() + took + took / SPARE_SHARE < trigger.deadline;
        if self.doubt.looks_again(&inspection) && has_time {
            let again = look(
                sources,
                &inspector.recipe().views,
                &trigger,
                trigger.deadline,
            );
            let second = inspector.inspect(again.0, Some(&trigger.part), now_utc);
            inspection = second_look(&inspection, second);
            frames = again.1;
        }
        if let Some((_, frame)) = frames.first_mut() {
            frame.frames_lost += std::mem::take(&mut self.frames_lost);
        }
        Inspected {
            trigger,
            evidence: Evidence {
                inspection: self.doubt.settle(inspection),
                used,
                frames,
            },
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

#[cfg(test)]
mod tests;
