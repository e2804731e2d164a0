//! The live station: one loop over a closed set of events, the only place that owns gate, records and counters.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{error, info, warn};

use crate::domain::{ItemVersion, Trigger, Verdict};
use crate::gate::{ANSWERED_KEPT, Admission, Gate, Outcome};
use crate::inspect::{Inspection, Inspector, with_causes};
use crate::model::LoadReport;
use crate::publish::{
    Broker, BrokerSettings, DeadlineLimits, EventPayload, Incoming, Minded, Outgoing, Publisher,
    StatePayload, StationState, VerdictPayload,
};
use crate::record::{ImageArchive, RecordStore};

use super::config::Station;
use super::counters::Counters;
use super::outbox::Outbox;
use super::ready::{Files, StationError, files_of};
use super::worker::{Inspected, Worker};

/// Events that wait for the station's loop; a trigger beyond is missed and counted.
const EVENTS_MAX: usize = 256;
const HEALTH_FIRST: Duration = Duration::from_secs(1);
const HEALTH_EVERY: Duration = Duration::from_secs(5);
const DEADLINE_MIN_MS: u64 = 5;
const DEADLINE_MAX_MS: u64 = 60_000;
const PUBLISHER_STOP_MAX: Duration = Duration::from_secs(3);

/// Everything that can happen to a station.
pub(super) enum Event {
    Incoming(Incoming),
    Inspected(Box<Inspected>),
    Stop,
}

/// A started station.
pub struct Handle {
    events: SyncSender<Event>,
    thread: JoinHandle<()>,
    /// What the tests of each model said.
    pub reports: Vec<(String, LoadReport)>,
    /// The broker's port, where the station minds a broker of its own.
    pub broker_port: Option<u16>,
}

impl Handle {
    /// Asks the station to finish its open parts, to say that it halts, and to end.
    pub fn stop(self) {
        // The loop may have ended by itself; then there is nobody to tell.
        if self.events.send(Event::Stop).is_err() {
            warn!("the station had ended before it was stopped");
        }
        if self.thread.join().is_err() {
            error!("the station's thread had panicked");
        }
    }

    /// A closure that stops the station from a signal handler, without waiting for its end.
    pub fn stopper(&self) -> impl Fn() + Send + 'static {
        let events = self.events.clone();
        move || {
            if events.send(Event::Stop).is_err() {
                warn!("the station had ended before it was stopped");
            }
        }
    }

    /// Waits until the station has ended.
    pub fn wait(self) {
        drop(self.events);
        if self.thread.join().is_err() {
            error!("the station's thread had panicked");
        }
    }
}

/// The state of the loop.
pub(super) struct Live {
    pub(super) station: Station,
    pub(super) gate: Gate,
    pub(super) store: RecordStore,
    pub(super) archive: ImageArchive,
    pub(super) outbox: Outbox,
    publisher: Publisher,
    broker: Option<Broker>,
    triggers: Option<SyncSender<Trigger>>,
    pub(super) counters: Counters,
    pub(super) used: BTreeMap<String, Used>,
    // The payloads of the latest answers, for triggers that come again.
    pub(super) said: VecDeque<VerdictPayload>,
    next_health: Instant,
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

/// Makes a station ready and starts it.
///
/// # Errors
/// [`StationError`] naming what keeps it from being ready; nothing is left running.
pub fn start(mut station: Station) -> Result<Handle, StationError> {
    let files = files_of(&station)?;
    make_folder(&station.data)?;
    let (events, to_handle) = sync_channel(EVENTS_MAX);
    let (triggers, to_inspect) = sync_channel(station.deadlines.open_parts_max);
    let Loaded { used, reports } = start_inspecting(&station, files, to_inspect, events.clone())?;
    let store = RecordStore::open(&station.data.join("records.sqlite"))?;
    let archive = ImageArchive::start(&station.data.join("images"), station.archive)?;
    let broker = start_broker(&mut station)?;
    let broker_port = broker.as_ref().map(Broker::port);
    let mut gate = Gate::new(station.deadlines.open_parts_max);
    for answered in store.read().answered(ANSWERED_KEPT)? {
        gate.remember(answered.sequence, answered.part, answered.verdict);
    }
    let live = Live {
        publisher: start_publisher(&station, events.clone())?,
        outbox: Outbox::new(&store)?,
        gate,
        store,
        archive,
        broker,
        triggers: Some(triggers),
        counters: Counters::new(Instant::now()),
        used,
        said: VecDeque::new(),
        next_health: Instant::now() + HEALTH_FIRST,
        station,
    };
    let thread = spawn("station", move || live.run(&to_handle))?;
    Ok(Handle {
        events,
        thread,
        reports,
        broker_port,
    })
}

struct Loaded {
    used: BTreeMap<String, Used>,
    reports: Vec<(String, LoadReport)>,
}

/// Starts the inspecting thread, which opens the cameras and loads the models itself: a model runs
/// on the thread that loaded it.
fn start_inspecting(
    station: &Station,
    files: Files,
    to_inspect: Receiver<Trigger>,
    events: SyncSender<Event>,
) -> Result<Loaded, StationError> {
    let station = station.clone();
    let (loaded, is_loaded) = sync_channel(1);
    let thread = spawn("inspect", move || {
        let (worker, outcome) = match Worker::load(&station, files) {
            Ok((worker, reports)) => {
                let used = worker
                    .inspectors
                    .iter()
                    .map(|one| (one.recipe().part_type.to_string(), Used::from(one)))
                    .collect();
                (Some(worker), Ok(Loaded { used, reports }))
            }
            Err(error) => (None, Err(error)),
        };
        if let (Ok(()), Some(worker)) = (loaded.send(outcome), worker) {
            worker.run(&to_inspect, &events);
        }
    })?;
    is_loaded.recv().unwrap_or_else(|_| {
        // It hung up without a word: it panicked, and the panic is on standard error.
        drop(thread);
        Err(StationError::Thread {
            name: "inspect",
            cause: std::io::Error::other("it ended while it loaded the models"),
        })
    })
}

// Only the folder itself: a missing parent is rather a disk that is not mounted.
fn make_folder(data: &Path) -> Result<(), StationError> {
    if data.is_dir() {
        return Ok(());
    }
    std::fs::create_dir(data).map_err(|cause| StationError::Data {
        path: data.to_owned(),
        cause,
    })
}

fn start_broker(station: &mut Station) -> Result<Option<Broker>, StationError> {
    if !station.broker_embedded {
        return Ok(None);
    }
    let settings = BrokerSettings {
        port: Some(station.connection.port),
        ..BrokerSettings::local(&station.data.join("broker"))
    };
    let broker = Broker::start(settings)?;
    station.connection.port = broker.port();
    Ok(Some(broker))
}

fn start_publisher(
    station: &Station,
    events: SyncSender<Event>,
) -> Result<Publisher, StationError> {
    let limits = DeadlineLimits {
        default_ms: u64::try_from(station.deadlines.deadline.as_millis()).unwrap_or(u64::MAX),
        min_ms: DEADLINE_MIN_MS,
        max_ms: DEADLINE_MAX_MS,
    };
    Ok(Publisher::start(
        station.connection.clone(),
        station.topics.clone(),
        StatePayload::last_will(&station.name, Timestamp::now()),
        limits,
        move |incoming| events.try_send(Event::Incoming(incoming)).is_ok(),
    )?)
}

fn spawn(
    name: &'static str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StationError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|cause| StationError::Thread { name, cause })
}

impl Live {
    fn run(mut self, events: &Receiver<Event>) {
        info!(station = self.station.name, "ready");
        let state = self.ready_state();
        self.publish(Outgoing::State(Box::new(state)));
        loop {
            let now = Instant::now();
            let wake = self
                .gate
                .next_deadline()
                .unwrap_or(self.next_health)
                .min(self.next_health);
            match events.recv_timeout(wake.saturating_duration_since(now)) {
                Ok(Event::Incoming(incoming)) => self.incoming(incoming),
                Ok(Event::Inspected(inspected)) => self.inspected(*inspected),
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.tick();
        }
        self.finish(events);
    }

    fn ready_state(&self) -> StatePayload {
        let used = |items: fn(&Used) -> &[ItemVersion]| {
            let mut items: Vec<_> = self.used.values().flat_map(items).collect();
            items.sort();
            items.dedup();
            items.into_iter().map(Into::into).collect()
        };
        let text = "golden vectors, warm-up and latency test passed";
        StatePayload {
            recipes: used(|used| std::slice::from_ref(&used.recipe)),
            models: used(|used| &used.models),
            calibrations: used(|used| &used.calibrations),
            ..StatePayload::new(
                &self.station.name,
                StationState::Ready,
                text,
                Timestamp::now(),
            )
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        for answer in self.gate.tick(now) {
            self.answer(answer, Inspection::without_views(Verdict::Ok), Vec::new());
        }
        if self.next_health <= now {
            self.next_health = now + HEALTH_EVERY;
            self.mind();
        }
        if let Err(error) = self.outbox.feed(&self.store, &self.publisher) {
            self.event("storage", &with_causes(&error));
        }
    }

    fn mind(&mut self) {
        match self.broker.as_mut().map(Broker::mind) {
            Some(Ok(Minded::Restarted)) => {
                self.event("broker", "the embedded broker was restarted")
            }
            Some(Err(error)) => {
                error!(error = with_causes(&error), "the embedded broker is down");
            }
            Some(Ok(Minded::Alive)) | None => {}
        }
        let pending = self.store.pending_count().unwrap_or_else(|error| {
            error!(error = with_causes(&error), "cannot count pending records");
            0
        });
        let health = self.counters.payload(
            &self.station.name,
            pending,
            Instant::now(),
            Timestamp::now(),
        );
        self.publish(Outgoing::Health(Box::new(health)));
    }

    fn incoming(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Trigger(trigger) => self.trigger(trigger),
            Incoming::BadTrigger { error } => {
                self.counters.bad_triggers += 1;
                self.event("bad_trigger", &error);
            }
            Incoming::Ack { .. } => {}
            Incoming::Connected => {
                info!(station = self.station.name, "connected to the broker");
                self.outbox.connected();
            }
            Incoming::Disconnected { error } => {
                warn!(station = self.station.name, error, "no broker");
                self.outbox.disconnected();
            }
            Incoming::RecordRefused { outbox_id, error } => {
                self.event("record_refused", &format!("record {outbox_id}: {error}"));
            }
            Incoming::VerdictExpired { sequence } => {
                self.counters.missed += 1;
                self.event(
                    "verdict_expired",
                    &format!("verdict {sequence} was never sent"),
                );
            }
            Incoming::VerdictUnheard { sequence } => {
                self.event(
                    "verdict_unheard",
                    &format!("nobody listens for verdict {sequence}"),
                );
            }
            Incoming::RecordDelivered { outbox_id } => {
                if let Err(error) = self.outbox.delivered(outbox_id, &mut self.store) {
                    self.event("storage", &with_causes(&error));
                }
            }
        }
    }

    fn trigger(&mut self, mut trigger: Trigger) {
        self.counters.triggers += 1;
        // The answer leaves a little before the deadline, so that it is there in time.
        let margin = self.station.deadlines.answer_margin;
        trigger.deadline = trigger
            .deadline
            .checked_sub(margin)
            .unwrap_or(trigger.arrived_at);
        match self.gate.trigger(&trigger) {
            Admission::Pending => self.counters.repeated += 1,
            Admission::Answer(answers) => {
                for answer in answers {
                    self.answer(answer, Inspection::without_views(Verdict::Ok), Vec::new());
                }
            }
            Admission::Inspect => {
                let sent = self
                    .triggers
                    .as_ref()
                    .map(|triggers| triggers.try_send(trigger));
                // A part that the worker cannot take keeps its place in the gate: its deadline answers it.
                if let Some(Err(TrySendError::Disconnected(_))) | None = sent {
                    self.event(
                        "worker",
                        "the inspecting thread has ended; restart the station",
                    );
                } else if let Some(Err(TrySendError::Full(trigger))) = sent {
                    self.event(
                        "overload",
                        &format!("part `{}` found no free worker", trigger.part),
                    );
                }
            }
        }
    }

    fn inspected(&mut self, inspected: Inspected) {
        let Inspected {
            trigger,
            inspection,
            frames,
        } = inspected;
        for view in &inspection.views {
            if let Some(count) = view.camera_frame {
                self.counters.camera_frame(&view.camera, count);
            }
        }
        match self
            .gate
            .result(&trigger, inspection.verdict, Instant::now())
        {
            Outcome::Answer(answer) => self.answer(answer, inspection, frames),
            Outcome::Late => {
                self.counters.late += 1;
                warn!(sequence = trigger.sequence, part = %trigger.part, "inspected too late");
                let verdict = inspection.verdict;
                let mut record = self.record(trigger, verdict, inspection);
                record.late = true;
                match self.store.append(&record) {
                    Ok(outbox_id) => self.outbox.appended(outbox_id),
                    Err(error) => self.event("storage", &with_causes(&error)),
                }
            }
            Outcome::Unknown => {
                error!(sequence = trigger.sequence, part = %trigger.part, "nobody asked for this part");
            }
        }
    }

    pub(super) fn event(&mut self, kind: &str, text: &str) {
        warn!(station = self.station.name, kind, text, "event");
        self.publish(Outgoing::Event(EventPayload::new(
            kind,
            text,
            Timestamp::now(),
        )));
    }

    pub(super) fn publish(&mut self, outgoing: Outgoing) {
        if let Err(error) = self.publisher.try_send(outgoing) {
            self.counters.missed += 1;
            error!(
                station = self.station.name,
                error = with_causes(&error),
                "a message is lost"
            );
        }
    }

    /// Open parts still get their answers; then the station says that it halts.
    fn finish(mut self, events: &Receiver<Event>) {
        info!(
            station = self.station.name,
            n_open = self.gate.n_open(),
            "stopping"
        );
        drop(self.triggers.take());
        while let Some(deadline) = self.gate.next_deadline() {
            match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::Incoming(Incoming::Trigger(_))) => self.counters.missed += 1,
                Ok(Event::Incoming(incoming)) => self.incoming(incoming),
                Ok(Event::Inspected(inspected)) => self.inspected(*inspected),
                Ok(Event::Stop) | Err(_) => {}
            }
            self.tick();
        }
        self.mind();
        let name = self.station.name;
        if let Err(error) = self.publisher.stop("stopped", PUBLISHER_STOP_MAX) {
            warn!(
                station = name,
                error = with_causes(&error),
                "the broker was not told everything"
            );
        }
        let counts = self.archive.stop();
        info!(
            station = name,
            stored = counts.stored,
            dropped = counts.dropped,
            failed = counts.failed,
            "stopped"
        );
    }
}
