//! The live station: one loop over a closed set of events, the only place that owns gate, records and counters.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{error, info, warn};

use crate::domain::{ItemVersion, Reason, Trigger, Verdict};
use crate::gate::{Admission, Gate, Outcome};
use crate::inspect::{Inspection, with_causes};
use crate::publish::{
    Broker, Command, EventPayload, HealthPayload, Incoming, Minded, Outgoing, Publisher, Sparkplug,
    StatePayload, StationState, VerdictPayload,
};
use crate::record::{ImageArchive, RecordStore};

use super::clock::{Step, Wall};
use super::config::Station;
use super::control::Control;
use super::counters::Counters;
use super::error::StationError;
use super::handshake::{Acks, Sequences};
use super::outbox::Outbox;
use super::own_trigger::OwnTrigger;
use super::presence::Look;
use super::storage::Storage;
use super::supervise::Recovery;
use super::throttle::Throttle;
use super::vitals::Vitals;
use super::worker::{Evidence, Inspected, Loaded, Used, WorkerLink};

const HEALTH_EVERY: Duration = Duration::from_secs(5);

/// Everything that can happen to a station.
pub(super) enum Event {
    Incoming(Incoming),
    /// The inspecting thread is done with its oldest part; nothing was seen of a part whose deadline
    /// had passed before.
    Inspected {
        generation: u32,
        inspected: Option<Box<Inspected>>,
    },
    /// An inspecting thread has loaded and tested everything, or could not.
    Loaded {
        generation: u32,
        outcome: Box<Result<Loaded, StationError>>,
    },
    /// An inspecting thread has ended.
    WorkerGone {
        generation: u32,
    },
    /// An inspecting thread has looked at the place where parts come.
    Looked {
        generation: u32,
        look: Result<Look, String>,
    },
    Stop,
}

/// The state of the loop.
pub(super) struct Live {
    pub(super) station: Station,
    pub(super) gate: Gate,
    pub(super) store: RecordStore,
    pub(super) archive: ImageArchive,
    pub(super) storage: Storage,
    pub(super) outbox: Outbox,
    pub(super) publisher: Publisher,
    pub(super) sparkplug: Option<Sparkplug>,
    pub(super) broker: Option<Broker>,
    // Where the station announces its parts itself.
    pub(super) own: Option<OwnTrigger>,
    pub(super) worker: Option<WorkerLink>,
    // The thread before it, on its way out: the next one waits for its cameras.
    pub(super) retired: Option<JoinHandle<()>>,
    // How many inspecting threads were started after the first.
    pub(super) generation: u32,
    // For the inspecting threads that are started later.
    pub(super) events: SyncSender<Event>,
    pub(super) control: Control,
    pub(super) recovery: Recovery,
    // The command that is answered when models are loaded.
    pub(super) pending: Option<Command>,
    pub(super) acks: Acks,
    pub(super) sequences: Sequences,
    pub(super) wall: Wall,
    pub(super) counters: Counters,
    pub(super) vitals: Vitals,
    pub(super) used: BTreeMap<String, Used>,
    // The payloads of the latest answers and how long they hold, for what has to be said again.
    pub(super) said: VecDeque<(VerdictPayload, Instant)>,
    pub(super) throttle: Throttle,
    pub(super) next_health: Instant,
}

impl Live {
    /// Runs until it is told to stop.
    pub(super) fn run(mut self, events: &Receiver<Event>) {
        if let Err(error) = self.is_ready() {
            self.not_loaded(&error);
        }
        loop {
            let event = self.next_event(events);
            self.vitals.beat(Instant::now());
            // Before anything else, so that a verdict says what happened to the clock before it.
            self.look_at_clocks(Instant::now());
            match event {
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(event) => self.handle(event),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.tick();
        }
        self.finish(events);
    }

    /// The next event, or none when it is time to look at something. Only when nothing waits to be handled
    /// can a thread be told to hang: its answer might be what waits, behind a disk that stalled.
    fn next_event(&mut self, events: &Receiver<Event>) -> Result<Event, RecvTimeoutError> {
        match events.try_recv() {
            Ok(event) => return Ok(event),
            Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
            Err(TryRecvError::Empty) => {}
        }
        self.supervise(Instant::now());
        let wait = self.wake().saturating_duration_since(Instant::now());
        events.recv_timeout(wait)
    }

    pub(super) fn handle(&mut self, event: Event) {
        match event {
            Event::Incoming(incoming) => self.incoming(incoming),
            Event::Inspected {
                generation,
                inspected,
            } => {
                if let Some(worker) = self.worker_of(generation) {
                    worker.is_done_with_one();
                }
                if let Some(inspected) = inspected {
                    self.inspected(*inspected);
                }
            }
            Event::Loaded {
                generation,
                outcome,
            } => self.loaded(generation, *outcome),
            Event::WorkerGone { generation } => self.worker_gone(generation),
            Event::Looked { generation, look } => {
                if self.worker_of(generation).is_some() {
                    self.seen(look);
                }
            }
            Event::Stop => {}
        }
    }

    /// When to look again if nothing happens.
    pub(super) fn wake(&self) -> Instant {
        let next = [
            self.gate.next_deadline(),
            self.acks.next(),
            self.outbox.next(),
            self.hung_at(),
            self.recovery.next(),
            self.own.as_ref().and_then(OwnTrigger::next),
        ];
        let next = next.into_iter().flatten().min();
        next.map_or(self.next_health, |next| next.min(self.next_health))
    }

    /// Says the state to the line.
    pub(super) fn say_state(&mut self, reason: &str) {
        let state = self.state(self.control.state(), reason);
        info!(station = self.station.name, state = %state.state, reason, "state");
        self.vitals.state(&state);
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

    pub(super) fn tick(&mut self) {
        let now = Instant::now();
        self.mind_timer(now);
        for answer in self.gate.tick(now) {
            self.answer_unseen(answer);
        }
        for sequence in self.acks.missing(now) {
            self.ack_missing(sequence);
        }
        if self.control.parts_open(self.gate.n_open()) {
            self.say_state("the job is done");
        }
        if self.next_health <= now {
            self.next_health = now + HEALTH_EVERY;
            self.mind();
        }
        if let Err(error) = self.outbox.feed(&self.store, &self.publisher) {
            self.event("storage", &with_causes(&error));
        }
    }

    pub(super) fn mind(&mut self) {
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
        let storage = self.mind_storage();
        let (now, now_utc) = (Instant::now(), Timestamp::now());
        let health = HealthPayload {
            storage,
            clock_steps: self.wall.n_steps,
            clock_step_s: self.wall.last.map_or(0.0, Step::by_s),
            clock_stepped_at_utc: self.wall.last.map(|step| step.noticed_at_utc),
            ..self
                .counters
                .payload(&self.station.name, pending, now, now_utc)
        };
        self.vitals.health(&health);
        self.publish(Outgoing::Health(Box::new(health)));
    }

    fn incoming(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Trigger(trigger) if self.own.is_none() => self.trigger(trigger),
            Incoming::Trigger(trigger) => {
                self.counters.bad_triggers += 1;
                let text = format!(
                    "part `{}` was announced, but this station announces its parts itself; leave `[trigger]` out of the station file",
                    trigger.part
                );
                self.event("bad_trigger", &text);
            }
            Incoming::BadTrigger { error } => {
                self.counters.bad_triggers += 1;
                self.event("bad_trigger", &error);
            }
            Incoming::Command(command) => self.command(command),
            Incoming::BadCommand { error } => {
                self.counters.commands_refused += 1;
                self.event("bad_command", &error);
            }
            Incoming::Ack { sequence, action } => self.ack(sequence, &action),
            Incoming::BadAck { error } => {
                self.counters.acks_unknown += 1;
                self.event("bad_ack", &error);
            }
            Incoming::Flood { n_dropped } => {
                self.counters.messages_dropped += n_dropped;
                let text = format!(
                    "{n_dropped} messages came faster than `inbox.per_s_max` allows and were dropped"
                );
                self.event("flood", &text);
            }
            Incoming::Connected => {
                info!(station = self.station.name, "connected to the broker");
                self.outbox.connected();
            }
            Incoming::Disconnected { error } => {
                warn!(station = self.station.name, error, "no broker");
                self.outbox.disconnected();
            }
            Incoming::RecordRefused { outbox_id, error } => {
                self.outbox.refused(outbox_id);
                self.event("record_refused", &format!("record {outbox_id}: {error}"));
            }
            Incoming::VerdictExpired { sequence } => {
                self.counters.missed += 1;
                self.event(
                    "verdict_expired",
                    &format!("verdict {sequence} was never sent"),
                );
            }
            Incoming::VerdictUnacknowledged { sequence } => self.say_unacknowledged(sequence),
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

    pub(super) fn trigger(&mut self, mut trigger: Trigger) {
        self.counters.triggers += 1;
        // The answer leaves a little before the deadline, so that it is there in time.
        let margin = self.station.deadlines.answer_margin;
        trigger.deadline = trigger
            .deadline
            .checked_sub(margin)
            .unwrap_or(trigger.arrived_at);
        let admission = if !self.control.takes_parts() {
            self.gate.refuse(&trigger, Reason::NotReady)
        } else if !self.used.contains_key(trigger.part_type.as_str()) {
            self.gate.refuse(&trigger, Reason::NoRecipe)
        } else {
            self.gate.trigger(&trigger)
        };
        self.follow(&trigger, &admission);
        match admission {
            Admission::Pending => self.counters.repeated += 1,
            Admission::Answer(answers) => {
                for answer in answers {
                    self.answer_unseen(answer);
                }
            }
            Admission::Inspect => {
                self.control.took_part();
                let part = trigger.part.clone();
                let worker = self.worker.as_mut();
                // A part that the worker cannot take keeps its place in the gate: its deadline answers it.
                if !worker.is_some_and(|worker| worker.try_send(trigger)) {
                    let text =
                        format!("part `{part}` cannot be inspected: the worker is gone or full");
                    self.event("worker", &text);
                }
            }
        }
    }

    fn inspected(&mut self, inspected: Inspected) {
        let Inspected { trigger, evidence } = inspected;
        for (_, frame) in &evidence.frames {
            self.counters.frames_lost += frame.frames_lost;
        }
        self.say_unmatched(&trigger, &evidence.inspection);
        let verdict = evidence.inspection.verdict;
        match self.gate.result(&trigger, verdict, Instant::now()) {
            Outcome::Answer(answer) => self.answer(answer, evidence),
            Outcome::Late => {
                self.counters.late += 1;
                warn!(sequence = trigger.sequence, part = %trigger.part, "inspected too late");
                let Evidence {
                    inspection, used, ..
                } = evidence;
                let mut record = self.record(trigger, verdict, inspection, used);
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

    /// Frames and parts do not go together: somebody should look at the light barrier.
    fn say_unmatched(&mut self, trigger: &Trigger, inspection: &Inspection) {
        let unmatched = Verdict::Indeterminate(Reason::Sequence);
        for view in &inspection.views {
            if view.verdict == unmatched {
                let text = format!(
                    "part `{}`, view `{}`: {}",
                    trigger.part, view.view, view.note
                );
                self.event("unmatched_frame", &text);
            }
        }
    }

    pub(super) fn event(&mut self, kind: &str, text: &str) {
        let Some(n_withheld) = self.throttle.pass(kind, Instant::now()) else {
            return;
        };
        let text = match n_withheld {
            0 => text.to_owned(),
            _ => format!("{text} (and {n_withheld} more of this kind before)"),
        };
        warn!(station = self.station.name, kind, text, "event");
        let event = EventPayload::new(kind, &text, Timestamp::now());
        self.publish(Outgoing::Event(event));
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
}
