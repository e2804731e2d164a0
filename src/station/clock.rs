//! The wall clock beside the clock that never jumps: when it was stepped, and what time it would be
//! without that. Pure; the times are arguments.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// Clocks that are steered gently differ by less between two looks.
const STEP_MIN: Duration = Duration::from_millis(250);

/// The two clocks side by side.
#[derive(Debug)]
pub(super) struct Wall {
    looked_at: Instant,
    looked_at_utc: Timestamp,
    /// How often the wall clock jumped.
    pub(super) n_steps: u64,
    /// The last jump.
    pub(super) last: Option<Step>,
}

/// A jump of the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// By how much; positive is forward.
    pub(super) by_ms: i64,
    /// When it was noticed.
    pub(super) noticed_at: Instant,
    /// The same on the wall clock after the jump.
    pub(super) noticed_at_utc: Timestamp,
}

impl Step {
    /// The jump in seconds, as it is told.
    pub(super) fn by_s(self) -> f64 {
        self.by_ms as f64 / 1e3
    }
}

impl Wall {
    pub(super) fn new(now: Instant, now_utc: Timestamp) -> Self {
        Self {
            looked_at: now,
            looked_at_utc: now_utc,
            n_steps: 0,
            last: None,
        }
    }

    /// Looks at both clocks; a jump since the last look is remembered and returned.
    pub(super) fn look(&mut self, now: Instant, now_utc: Timestamp) -> Option<Step> {
        let expected = now.saturating_duration_since(self.looked_at);
        let found = now_utc.duration_since(self.looked_at_utc);
        self.looked_at = now;
        self.looked_at_utc = now_utc;
        let expected = SignedDuration::try_from(expected).unwrap_or(SignedDuration::MAX);
        let by = found.saturating_sub(expected);
        if by.unsigned_abs() < STEP_MIN {
            return None;
        }
        let step = Step {
            by_ms: i64::try_from(by.as_millis()).unwrap_or(i64::MAX),
            noticed_at: now,
            noticed_at_utc: now_utc,
        };
        self.n_steps += 1;
        self.last = Some(step);
        Some(step)
    }

    /// By how much the clock jumped after `since`, if it did.
    pub(super) fn stepped_s_since(&self, since: Instant) -> Option<f64> {
        let step = self.last.filter(|step| since <= step.noticed_at);
        step.map(Step::by_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_told_from_a_clock_that_is_steered() {
        let (start, start_utc) = (Instant::now(), Timestamp::UNIX_EPOCH);
        let mut wall = Wall::new(start, start_utc);
        let at = |s: u64, wall_ms: i64| {
            let utc = Timestamp::from_millisecond(wall_ms).unwrap();
            (start + Duration::from_secs(s), utc)
        };
        let (now, utc) = at(5, 5_200);
        assert_eq!(wall.look(now, utc), None);
        let (now, utc) = at(10, 3_600_000);
        let step = wall.look(now, utc).unwrap();
        assert_eq!((step.by_ms, wall.n_steps), (3_589_800, 1));
        assert_eq!(wall.stepped_s_since(start), Some(3_589.8));
        let (later, utc) = at(15, 3_605_000);
        assert_eq!(wall.look(later, utc), None);
        assert_eq!(wall.stepped_s_since(later), None);
        let (now, utc) = at(16, 0);
        assert_eq!(wall.look(now, utc).unwrap().by_ms, -3_606_000);
    }
}
