//! How many may pass in a second: saved up while nobody comes, spent at once, filled again evenly.

use std::time::{Duration, Instant};

/// A limit of so many a second (a token bucket). It starts full, and knows the time only when it is told.
#[derive(Debug)]
pub struct Rate {
    per_s: f64,
    saved_max: f64,
    left: f64,
    filled_at: Instant,
}

impl Rate {
    /// At most `saved_max` at once (at least one), and `per_s` a second after that.
    pub fn new(per_s: u32, saved_max: u32, now: Instant) -> Self {
        let saved_max = f64::from(saved_max.max(1));
        Self {
            per_s: f64::from(per_s.max(1)),
            saved_max,
            left: saved_max,
            filled_at: now,
        }
    }

    /// Tells it the time.
    pub fn fill(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.left = (self.left + since * self.per_s).min(self.saved_max);
        self.filled_at = now;
    }

    /// Whether one more may pass now.
    pub fn take(&mut self) -> bool {
        let may = 1.0 <= self.left;
        if may {
            self.left -= 1.0;
        }
        may
    }

    /// When the next one may pass.
    pub fn next(&self) -> Instant {
        let missing = (1.0 - self.left).max(0.0) / self.per_s;
        self.filled_at + Duration::from_secs_f64(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_goes_at_once_and_the_rest_at_its_rate() {
        let start = Instant::now();
        let mut rate = Rate::new(10, 5, start);
        let mut n_passed = 0;
        for ms in 0..=2_000 {
            rate.fill(start + Duration::from_millis(ms));
            while rate.take() {
                n_passed += 1;
            }
        }
        assert_eq!(n_passed, 25);
        assert!(rate.next() <= start + Duration::from_millis(2_101));
        rate.fill(start + Duration::from_hours(1));
        let n_passed = std::iter::from_fn(|| rate.take().then_some(())).count();
        assert_eq!(n_passed, 5);
    }
}
