//! Makes a station ready, starts its threads, and stops them again.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{error, warn};

use crate::gate::{ANSWERED_KEPT, Answered, Gate, REPEATED_WITHIN};
use crate::model::LoadReport;
use crate::publish::{
    Broker, BrokerSettings, DEADLINE_MAX_MS, DEADLINE_MIN_MS, DeadlineLimits, InboxLimits,
    Publisher, Sparkplug, SparkplugSettings, StatePayload, StationState,
};
use crate::record::{ImageArchive, RecordStore};

use super::clock::Wall;
use super::config::Station;
use super::control::Control;
use super::counters::Counters;
use super::error::StationError;
use super::handshake::{Acks, Sequences};
use super::outbox::Outbox;
use super::own_trigger::OwnTrigger;
use super::ready::files_of;
use super::run::{Event, Live};
use super::storage::Storage;
use super::supervise::Recovery;
use super::throttle::Throttle;
use super::vitals::Vitals;
use super::worker::{Loaded, WorkerLink};

/// Events that wait for the station's loop; more are held back by the network's thread, which has a limit of its own.
const EVENTS_MAX: usize = 256;
const HEALTH_FIRST: Duration = Duration::from_secs(1);

/// A started station.
pub struct Handle {
    events: SyncSender<Event>,
    thread: JoinHandle<()>,
    /// What the tests of each model said.
    pub reports: Vec<(String, LoadReport)>,
    /// What can be seen of it from outside its loop.
    pub vitals: Vitals,
    /// The broker's port, where the station minds a broker of its own.
    pub broker_port: Option<u16>,
}

impl Handle {
    /// Asks the station to finish its open parts, to say that it halts, and to end.
    pub fn stop(self) {
        self.stopper()();
        self.wait();
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

/// Makes a station ready and starts it.
///
/// # Errors
/// [`StationError`] naming what keeps it from being ready; nothing is left running.
pub fn start(mut station: Station) -> Result<Handle, StationError> {
    let files = files_of(&station)?;
    make_folder(&station.data)?;
    let (events, to_handle) = sync_channel(EVENTS_MAX);
    let mut worker = WorkerLink::start(0, &station, || Ok(files), None, events.clone())?;
    let Loaded { used, reports } = first_loaded(&to_handle)?;
    worker.has_loaded();
    let store = RecordStore::open(&station.data.join("records.sqlite"))?;
    let archive = ImageArchive::start(&station.data.join("images"), station.archive)?;
    let storage = Storage::start(&station)?;
    let broker = start_broker(&mut station)?;
    let broker_port = broker.as_ref().map(Broker::port);
    let mut gate = Gate::new(station.deadlines.open_parts_max);
    let answered = store.read().answered(ANSWERED_KEPT)?;
    let newest = answered.last().map(|answered| answered.sequence);
    for answered in answered {
        gate.remember(Answered {
            at: at(answered.decided_at_utc),
            sequence: answered.sequence,
            part: answered.part,
            verdict: answered.verdict,
        });
    }
    let starting = StatePayload::new(
        &station.name,
        StationState::Preoperational,
        "starting",
        Timestamp::now(),
    );
    let vitals = Vitals::new(starting, Instant::now());
    let live = Live {
        vitals: vitals.clone(),
        publisher: start_publisher(&station, events.clone())?,
        sparkplug: start_sparkplug(&station)?,
        outbox: Outbox::new(&store, station.backfill_per_s)?,
        control: Control::starting(),
        recovery: Recovery::default(),
        pending: None,
        acks: Acks::new(station.ack_window),
        sequences: Sequences::default(),
        wall: Wall::new(Instant::now(), Timestamp::now()),
        gate,
        store,
        archive,
        storage,
        broker,
        own: OwnTrigger::new(&station.trigger, newest),
        worker: Some(worker),
        retired: None,
        generation: 0,
        events: events.clone(),
        counters: Counters::new(Instant::now()),
        used,
        said: VecDeque::new(),
        throttle: Throttle::default(),
        next_health: Instant::now() + HEALTH_FIRST,
        station,
    };
    let thread = spawn("station", move || live.run(&to_handle))?;
    Ok(Handle {
        events,
        thread,
        reports,
        vitals,
        broker_port,
    })
}

/// When that was on the clock that never jumps; what seems to lie in the future was just now.
fn at(utc: Timestamp) -> Instant {
    let now = Instant::now();
    let ago = Duration::try_from(Timestamp::now().duration_since(utc)).unwrap_or_default();
    // Before the machine was started there was no such clock.
    now.checked_sub(ago)
        .unwrap_or_else(|| now.checked_sub(REPEATED_WITHIN).unwrap_or(now))
}

/// Waits for the inspecting thread to be ready; nothing else speaks yet.
fn first_loaded(events: &Receiver<Event>) -> Result<Loaded, StationError> {
    match events.recv() {
        Ok(Event::Loaded { outcome, .. }) => *outcome,
        // It left without a word: it panicked, and the panic is on standard error.
        _ => Err(StationError::Thread {
            name: "inspect",
            cause: std::io::Error::other("it ended while it loaded the models"),
        }),
    }
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
    let limits = InboxLimits {
        deadlines: DeadlineLimits {
            default_ms: u64::try_from(station.deadlines.deadline.as_millis()).unwrap_or(u64::MAX),
            min_ms: DEADLINE_MIN_MS,
            max_ms: DEADLINE_MAX_MS,
        },
        per_s_max: station.inbox_per_s_max,
    };
    Ok(Publisher::start(
        station.connection.clone(),
        station.topics.clone(),
        StatePayload::last_will(&station.name, Timestamp::now()),
        limits,
        move |incoming| events.try_send(Event::Incoming(incoming)).is_ok(),
    )?)
}

/// The second plane, where the station file has its table.
fn start_sparkplug(station: &Station) -> Result<Option<Sparkplug>, StationError> {
    let bd_seq_file = station.data.join("sparkplug-bdseq");
    let start = |settings: &SparkplugSettings| {
        Sparkplug::start(station.connection.clone(), settings.clone(), &bd_seq_file)
    };
    Ok(station.sparkplug.as_ref().map(start).transpose()?)
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
