//! The pause before the next try to connect.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// A connection that held so long was a good one: the next loss starts with a short pause again.
const PROVEN_AFTER: Duration = Duration::from_secs(2);

/// Doubles from try to try.
#[derive(Debug)]
pub(super) struct Backoff {
    pause: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { pause: PAUSE_MIN }
    }
}

impl Backoff {
    /// The pause after a connection that held for `held`: half to one and a half of the doubled
    /// one, so that a line's stations do not all come back at once.
    pub(super) fn after(&mut self, held: Duration) -> Duration {
        if PROVEN_AFTER <= held {
            self.pause = PAUSE_MIN;
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSE_MAX);
        let random = RandomState::new().build_hasher().finish() % 1024;
        pause / 2 + pause * u32::try_from(random).unwrap_or(512) / 1024
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_until_a_connection_holds() {
        let mut backoff = Backoff::default();
        for middle_ms in [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000] {
            let pause = backoff.after(Duration::ZERO);
            let middle = Duration::from_millis(middle_ms);
            assert!(
                middle / 2 <= pause && pause < middle * 3 / 2,
                "{pause:?} for {middle:?}"
            );
        }
        assert!(backoff.after(PROVEN_AFTER) < PAUSE_MIN * 2);
    }
}
