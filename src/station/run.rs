//! The live station: one loop over a closed set of events, the only place that owns gate, records and counters.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{error, info, warn};

use crate::domain::{ItemVersion, Trigger};
use crate::gate::{Admission, Gate, Outcome};
use crate::inspect::{Inspector, with_causes};
use crate::publish::{
    Broker, EventPayload, Incoming, Minded, Outgoing, Publisher, Sparkplug, StatePayload,
    StationState, VerdictPayload,
};
use crate::record::{ImageArchive, RecordStore};

use super::config::Station;
use super::counters::Counters;
use super::outbox::Outbox;
use super::worker::Inspected;

const HEALTH_EVERY: Duration = Duration::from_secs(5);
const PUBLISHER_STOP_MAX: Duration = Duration::from_secs(3);
const SPARKPLUG_STOP_MAX: Duration = Duration::from_secs(1);

/// Everything that can happen to a station.
pub(super) enum Event {
    Incoming(Incoming),
    Inspected(Box<Inspected>),
    /// The inspecting thread has ended: every part will be answered by its deadline.
    WorkerGone,
    Stop,
}

/// The state of the loop.
pub(super) struct Live {
    pub(super) station: Station,
    pub(super) gate: Gate,
    pub(super) store: RecordStore,
    pub(super) archive: ImageArchive,
    pub(super) outbox: Outbox,
    pub(super) publisher: Publisher,
    pub(super) sparkplug: Option<Sparkplug>,
    pub(super) broker: Option<Broker>,
    pub(super) triggers: Option<SyncSender<Trigger>>,
    pub(super) counters: Counters,
    pub(super) used: BTreeMap<String, Used>,
    // The payloads of the latest answers, for triggers that come again.
    pub(super) said: VecDeque<VerdictPayload>,
    pub(super) next_health: Instant,
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

impl Live {
    /// Runs until it is told to stop.
    pub(super) fn run(mut self, events: &Receiver<Event>) {
        info!(station = self.station.name, "ready");
        let text = "golden vectors, warm-up and latency test passed";
        let state = self.state(StationState::Ready, text);
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
                Ok(Event::WorkerGone) => self.worker_gone(),
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.tick();
        }
        self.finish(events);
    }

    fn worker_gone(&mut self) {
        let text = "the inspecting thread has ended; restart the station";
        error!(station = self.station.name, text);
        let state = self.state(StationState::Error, text);
        self.publish(Outgoing::State(Box::new(state)));
    }

    fn state(&self, state: StationState, reason: &str) -> StatePayload {
        let used = |items: fn(&Used) -> &[ItemVersion]| {
            let mut items: Vec<_> = self.used.values().flat_map(items).collect();
            items.sort();
            items.dedup();
            items.into_iter().map(Into::into).collect()
        };
        StatePayload {
            recipes: used(|used| std::slice::from_ref(&used.recipe)),
            models: used(|used| &used.models),
            calibrations: used(|used| &used.calibrations),
            ..StatePayload::new(&self.station.name, state, reason, Timestamp::now())
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        for answer in self.gate.tick(now) {
            self.answer_unseen(answer);
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
                self.event("broker", "the embedded broker was restarted");
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
                    self.answer_unseen(answer);
                }
            }
            Admission::Inspect => {
                let part = trigger.part.clone();
                let sent = self
                    .triggers
                    .as_ref()
                    .map(|worker| worker.try_send(trigger).is_ok());
                // A part that the worker cannot take keeps its place in the gate: its deadline answers it.
                if sent != Some(true) {
                    let text =
                        format!("part `{part}` cannot be inspected: the worker is gone or full");
                    self.event("worker", &text);
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
        if let Some(plane) = &self.sparkplug {
            plane.hear(&outgoing);
        }
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
                Ok(Event::Stop | Event::WorkerGone) | Err(_) => {}
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
        if let Some(Err(error)) = self.sparkplug.map(|plane| plane.stop(SPARKPLUG_STOP_MAX)) {
            warn!(
                station = name,
                error = with_causes(&error),
                "no goodbye on the Sparkplug plane"
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
