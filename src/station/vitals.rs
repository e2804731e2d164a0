//! What others may see of a running station without asking its loop: state, counters, heartbeat.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::publish::{HealthPayload, StatePayload};

/// The loop looks around at least every five seconds; three times that and it hangs.
const BEAT_MAX: Duration = Duration::from_secs(15);

/// A view of a running station; clones see the same.
#[derive(Debug, Clone)]
pub struct Vitals(Arc<Mutex<Seen>>);

/// What was seen last.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The state as it was published.
    pub state: StatePayload,
    /// The counters as they were published.
    pub health: HealthPayload,
    beat_at: Instant,
    has_given_up: bool,
}

impl Seen {
    /// Whether parts are inspected.
    pub fn takes_parts(&self) -> bool {
        self.state.state.takes_parts() && self.is_alive(Instant::now())
    }

    /// Whether the loop runs and has not given up: a supervisor need not step in.
    pub fn is_alive(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.beat_at) < BEAT_MAX && !self.has_given_up
    }
}

impl Vitals {
    pub(super) fn new(state: StatePayload, now: Instant) -> Self {
        Self(Arc::new(Mutex::new(Seen {
            state,
            health: HealthPayload::default(),
            beat_at: now,
            has_given_up: false,
        })))
    }

    /// What was seen last.
    pub fn seen(&self) -> Seen {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn beat(&self, now: Instant) {
        self.change(|seen| seen.beat_at = now);
    }

    pub(super) fn state(&self, state: &StatePayload) {
        self.change(|seen| {
            seen.has_given_up = false;
            seen.state = state.clone();
        });
    }

    pub(super) fn health(&self, health: &HealthPayload) {
        self.change(|seen| seen.health = health.clone());
    }

    pub(super) fn given_up(&self) {
        self.change(|seen| seen.has_given_up = true);
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::publish::StationState;

    #[test]
    fn a_loop_that_hangs_or_gave_up_is_not_alive() {
        let start = Instant::now();
        let state = |state| StatePayload::new("st", state, "", Timestamp::UNIX_EPOCH);
        let vitals = Vitals::new(state(StationState::Preoperational), start);
        assert!(!vitals.seen().takes_parts());
        vitals.state(&state(StationState::ContinuousExecution));
        assert!(vitals.seen().takes_parts());
        assert!(!vitals.seen().is_alive(start + BEAT_MAX));
        vitals.beat(start + BEAT_MAX);
        assert!(vitals.seen().is_alive(start + BEAT_MAX));
        vitals.given_up();
        assert!(!vitals.seen().is_alive(start + BEAT_MAX));
        // Somebody has sent `reset`.
        vitals.state(&state(StationState::Preoperational));
        assert!(vitals.seen().is_alive(start + BEAT_MAX));
    }
}
