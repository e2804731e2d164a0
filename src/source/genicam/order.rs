//! Whether a frame is the next one: frames that are missing are counted, and a frame that is older than
//! the trigger that it would answer is told. Pure.

use std::time::{Duration, Instant};

use crate::source::matching::missing_between;

/// What the clocks of camera and computer may drift apart between two frames, beside a thousandth.
const CLOCK_SLACK: Duration = Duration::from_millis(2);

/// The frames of one acquisition, in their order.
#[derive(Debug, Default)]
pub(super) struct Order {
    before: Option<Seen>,
}

/// A frame as the camera numbers and dates it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) frame_id: u64,
    /// The camera's own clock; 0 where it has none.
    pub(super) camera_ns: u64,
    pub(super) arrived_at: Instant,
}

impl Order {
    /// How many frames are missing between the frame before and this one.
    pub(super) fn missing_before(&self, frame_id: u64) -> u64 {
        self.before
            .map_or(0, |before| missing_between(before.frame_id, frame_id))
    }

    /// Whether the frame cannot have been taken for a trigger that was fired at `fired_at`. The frame
    /// before had been taken when it arrived; so on the camera's clock at least the time from then to
    /// the trigger lies between the two.
    pub(super) fn is_older_than_trigger(&self, seen: &Seen, fired_at: Instant) -> bool {
        let Some(before) = self.before else {
            return false;
        };
        if before.camera_ns == 0 || seen.camera_ns == 0 {
            return false;
        }
        let between = fired_at.saturating_duration_since(before.arrived_at);
        let least = between.saturating_sub(between / 1000 + CLOCK_SLACK);
        let between_ns = u128::from(seen.camera_ns.saturating_sub(before.camera_ns));
        between_ns < least.as_nanos()
    }

    /// Takes the frame for the latest one.
    pub(super) fn accept(&mut self, seen: Seen) {
        self.before = Some(seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_from_before_the_trigger_is_told_by_the_cameras_own_clock() {
        let start = Instant::now();
        let ms = |ms: u64| start + Duration::from_millis(ms);
        let seen = |camera_ms: u64, arrived: u64| Seen {
            frame_id: 1,
            camera_ns: camera_ms * 1_000_000,
            arrived_at: ms(arrived),
        };
        let mut order = Order::default();
        assert!(
            !order.is_older_than_trigger(&seen(5_000, 10), ms(5)),
            "nothing before it"
        );
        order.accept(seen(5_000, 30));
        // Triggered 100 ms after the frame before had come.
        assert!(!order.is_older_than_trigger(&seen(5_110, 160), ms(130)));
        assert!(
            !order.is_older_than_trigger(&seen(5_099, 160), ms(130)),
            "within the slack"
        );
        assert!(order.is_older_than_trigger(&seen(5_020, 160), ms(130)));
        assert!(
            !order.is_older_than_trigger(&seen(0, 160), ms(130)),
            "a camera without clock"
        );
    }
}
