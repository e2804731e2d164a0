//! What the station notices by itself: an inspecting thread that died or hangs, a wall clock that was
//! stepped, a controller that does not answer, numbers that are missing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::error;

use crate::domain::{Sequence, Trigger};
use crate::gate::Admission;
use crate::publish::{StationState, Verb};
use crate::record::SpaceLevel;

use super::config::Start;
use super::handshake::{Heard, Order};
use super::run::Live;

/// A station that starts by itself tries so often within [`RECOVERY_WINDOW`]; then a person, or the
/// supervisor above, has to look.
const RECOVERIES_MAX: usize = 3;
const RECOVERY_WINDOW: Duration = Duration::from_mins(10);
/// What failed gets a moment to come back.
const RECOVERY_PAUSE: Duration = Duration::from_secs(2);

/// New tries after a failure of the inspecting thread.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    due: Option<Instant>,
    tries: VecDeque<Instant>,
}

impl Recovery {
    /// Plans a try, if there may be one more.
    fn plan(&mut self, now: Instant) -> bool {
        self.tries.retain(|tried| now < *tried + RECOVERY_WINDOW);
        let may = self.tries.len() < RECOVERIES_MAX;
        if may {
            self.tries.push_back(now);
            self.due = Some(now + RECOVERY_PAUSE);
        }
        may
    }

    /// When the next try is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due
    }

    fn take_due(&mut self, now: Instant) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }
}

impl Live {
    /// When the inspecting thread counts as hung.
    pub(super) fn hung_at(&self) -> Option<Instant> {
        let worker = self.worker.as_ref();
        worker.and_then(super::worker::WorkerLink::hung_at)
    }

    /// Finds a hung thread, and tries again after a failure.
    pub(super) fn supervise(&mut self, now: Instant) {
        if self.hung_at().is_some_and(|at| at <= now) {
            // It cannot be ended from outside; it is left alone with its camera and its models.
            self.worker = None;
            self.failed(
                now,
                "a camera or model has not come back; the inspecting thread is given up",
            );
        }
        if self.recovery.take_due(now)
            && self.control.state() == StationState::Error
            && self.control.ask(Verb::Reset, 0).is_ok()
        {
            self.counters.recoveries += 1;
            self.say_state("tries again by itself: models are loaded and tested");
            self.load(None);
        }
    }

    /// An inspecting thread has ended; the one in use must not.
    pub(super) fn worker_gone(&mut self, generation: u32) {
        if self.worker_of(generation).is_some() {
            self.worker = None;
            self.failed(Instant::now(), "the inspecting thread has ended by itself");
        }
    }

    fn failed(&mut self, now: Instant, text: &str) {
        error!(station = self.station.name, text);
        self.control.failed();
        self.abort_parts();
        self.say_state(text);
        self.event("worker", text);
        self.respond_pending(Err(text.to_owned()));
        self.recover(now);
    }

    /// Plans a new try where nobody is there to command one.
    pub(super) fn recover(&mut self, now: Instant) {
        if self.station.start == Start::Automatic && !self.recovery.plan(now) {
            self.vitals.given_up();
            self.event(
                "gave_up",
                "too many failures in a row; look at the log, then send `reset` or restart the station",
            );
        }
    }

    /// The disk has another level: what failed for want of room may succeed now.
    pub(super) fn room_has_changed(&mut self, level: SpaceLevel) {
        if level < SpaceLevel::Full && self.control.state() == StationState::Error {
            self.recovery = Recovery::default();
            self.recover(Instant::now());
        }
    }

    /// Notices a stepped wall clock.
    pub(super) fn look_at_clocks(&mut self, now: Instant) {
        if let Some(step) = self.wall.look(now, Timestamp::now()) {
            let text = format!(
                "the wall clock jumped by {} ms; deadlines do not follow it, times in UTC do",
                step.by_ms
            );
            self.event("clock_stepped", &text);
        }
    }

    /// Looks at the number of a part that is new.
    pub(super) fn follow(&mut self, trigger: &Trigger, admission: &Admission) {
        let is_known = match admission {
            Admission::Inspect => false,
            Admission::Pending => true,
            Admission::Answer(answers) => answers.iter().any(|answer| answer.repeated),
        };
        if is_known {
            return;
        }
        if let Some(worker) = &self.worker {
            worker.announce(trigger.arrived_at);
        }
        let sequence = trigger.sequence;
        match self.sequences.take(sequence) {
            Order::Next => {}
            Order::Gap { n_missing } => {
                self.counters.sequence_missing += u64::from(n_missing);
                let text = format!("{n_missing} parts before {sequence} were never announced");
                self.event("sequence_gap", &text);
            }
            Order::Old => {
                self.counters.out_of_order += 1;
                let text = format!("part {sequence} was announced after one with a higher number");
                self.event("out_of_order", &text);
            }
        }
    }

    /// The controller says what it did with a verdict.
    pub(super) fn ack(&mut self, sequence: Sequence, action: &str) {
        match self.acks.heard(sequence, action) {
            Heard::Known => self.counters.acks += 1,
            Heard::Unknown => self.counters.acks_unknown += 1,
            Heard::PassedAgainst(verdict) => {
                self.counters.acks += 1;
                self.counters.passed_against_verdict += 1;
                let text =
                    format!("the line let part {sequence} pass, its verdict was `{verdict}`");
                self.event("passed_against_verdict", &text);
            }
        }
    }

    /// The controller did not say in time what it did.
    pub(super) fn ack_missing(&mut self, sequence: Sequence) {
        self.counters.acks_missing += 1;
        let text = format!("the line did not acknowledge the verdict of part {sequence}");
        self.event("ack_missing", &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_few_and_forgotten_after_a_while() {
        let start = Instant::now();
        let mut recovery = Recovery::default();
        for _ in 0..RECOVERIES_MAX {
            assert!(recovery.plan(start));
            assert!(!recovery.take_due(start));
            assert!(recovery.take_due(start + RECOVERY_PAUSE));
        }
        assert!(!recovery.plan(start));
        assert_eq!(recovery.next(), None);
        assert!(recovery.plan(start + RECOVERY_WINDOW));
    }
}
