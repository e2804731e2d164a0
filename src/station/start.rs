//! Makes a station ready, starts its threads, and stops them again.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{debug, error, warn};

use crate::domain::Trigger;
use crate::gate::{ANSWERED_KEPT, Gate};
use crate::model::LoadReport;
use crate::publish::{
    Broker, BrokerSettings, DEADLINE_MAX_MS, DEADLINE_MIN_MS, DeadlineLimits, Publisher,
    StatePayload,
};
use crate::record::{ImageArchive, RecordStore};

use super::config::Station;
use super::counters::Counters;
use super::outbox::Outbox;
use super::ready::{Files, StationError, files_of};
use super::run::{Event, Live, Used};
use super::worker::Worker;

/// Events that wait for the station's loop; more are held back by the network's thread, which has a limit of its own.
const EVENTS_MAX: usize = 256;
const HEALTH_FIRST: Duration = Duration::from_secs(1);

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

/// Tells the station when the inspecting thread ends, by a panic too.
struct Leaving(SyncSender<Event>);

impl Drop for Leaving {
    fn drop(&mut self) {
        // A station that has ended itself needs no telling.
        if self.0.try_send(Event::WorkerGone).is_err() {
            debug!("the station ended before its inspecting thread");
        }
    }
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
            let leaving = Leaving(events);
            worker.run(&to_inspect, &leaving.0);
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
