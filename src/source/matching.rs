//! Whose frame it is, where something else than us makes the camera take it: a light barrier at its
//! line, a foreign system that writes files. Pure.
//!
//! Three witnesses must agree: the time (the frame began within a window around the part's
//! announcement, and within no other part's), the order (one frame a part) and the camera's own numbers
//! (as many frames are missing as parts went without one). Where they do not, the part is a doubt, and
//! the matching goes on from the newest frame: a missing or additional frame shifts no later part.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Announcements that are remembered; more than a window can hold on any line.
const ANNOUNCED_KEPT: usize = 256;

/// A frame takes at most so much longer than the one before it, beside its half, to come to us.
const TRANSFER_SLACK: Duration = Duration::from_millis(5);

/// When the frame of a part begins, seen from the moment at which its announcement came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameWindow {
    /// So long before it at the earliest.
    pub before: Duration,
    /// So long after it at the latest.
    pub after: Duration,
}

/// When parts were announced: all of them, those too that nobody inspects, for each passes the camera.
#[derive(Debug, Clone, Default)]
pub struct Announced(Arc<Mutex<VecDeque<Instant>>>);

impl Announced {
    /// A part was announced.
    pub fn push(&self, arrived_at: Instant) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == ANNOUNCED_KEPT {
            kept.pop_front();
        }
        kept.push_back(arrived_at);
    }

    /// Those that were announced up to now.
    fn all(&self) -> Vec<Instant> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().copied().collect()
    }
}

/// A frame that came, as the matching sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrival {
    /// Our own count of what came.
    pub(super) count: u64,
    /// The camera's number; our count where it has none.
    pub(super) number: u64,
    /// When its exposure can have begun at the earliest.
    pub(super) began_at: Instant,
    /// When it was here.
    pub(super) came_at: Instant,
}

/// What is known of a part's frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Match {
    /// Nothing yet: look again then, or when a frame comes.
    Wait(Instant),
    /// It is the frame of this count.
    Frame(u64),
    /// None came.
    None,
    /// It cannot be told, and why.
    Doubt(String),
}

/// The matching of one camera's frames.
#[derive(Debug)]
pub(super) struct Matching {
    window: FrameWindow,
    frame_timeout: Duration,
    announced: Announced,
    // The newest frame that was looked at: its count and number.
    newest: Option<(u64, u64)>,
    // Parts since then that got none.
    n_without: u64,
}

impl Matching {
    pub(super) fn new(window: FrameWindow, frame_timeout: Duration, announced: Announced) -> Self {
        Self {
            window,
            frame_timeout,
            announced,
            newest: None,
            n_without: 0,
        }
    }

    /// Which of the frames that came is that of the part announced at `part_at`, which can wait until
    /// `latest`. The parts come here in the order of their announcements.
    pub(super) fn of_part(
        &mut self,
        part_at: Instant,
        came: &[Arrival],
        (now, latest): (Instant, Instant),
    ) -> Match {
        let (opens, closes) = self.window_of(part_at);
        let is_inside = |one: &&Arrival| (opens..=closes).contains(&one.began_at);
        let mut inside = came.iter().filter(is_inside);
        let Some(first) = inside.next() else {
            // A part that cannot wait so long went without one too: a frame that comes later is not the next part's.
            let until = latest.min(closes + self.frame_timeout);
            if now < until {
                return Match::Wait(until);
            }
            self.n_without += 1;
            return Match::None;
        };
        // By then a second frame of the window would be here, and its part announced.
        let transfer = first.came_at.saturating_duration_since(first.began_at);
        let announced_by = first.began_at + self.window.before;
        let until = announced_by.max(closes) + transfer * 3 / 2 + TRANSFER_SLACK;
        if now < until {
            return Match::Wait(until);
        }
        let n_more = inside.count();
        let expected = self.n_without;
        let n_missing = self.n_missing(first, came);
        let last = came.iter().rfind(is_inside).unwrap_or(first);
        self.newest = Some((last.count, last.number));
        self.n_without = 0;
        if 0 < n_more {
            return Match::Doubt(format!(
                "{} frames began within this part's window; is the camera triggered twice?",
                n_more + 1
            ));
        }
        if self.is_of_another(first, part_at) {
            return Match::Doubt(
                "its frame lies in the windows of two parts; make the window narrower, or the distance of the parts larger".to_owned(),
            );
        }
        match n_missing {
            Some(n_missing) if n_missing != expected => Match::Doubt(format!(
                "before frame {} of the camera {n_missing} are missing, and the parts that went without one are {expected}; resynchronised with this frame",
                first.number
            )),
            _ => Match::Frame(first.count),
        }
    }

    fn window_of(&self, part_at: Instant) -> (Instant, Instant) {
        let opens = part_at.checked_sub(self.window.before).unwrap_or(part_at);
        (opens, part_at + self.window.after)
    }

    fn is_of_another(&self, frame: &Arrival, part_at: Instant) -> bool {
        let mut others = self.announced.all().into_iter();
        others.any(|other| {
            let (opens, closes) = self.window_of(other);
            other != part_at && (opens..=closes).contains(&frame.began_at)
        })
    }

    /// How many frames the camera took between the newest one that was looked at and this one that
    /// never came; none before the first.
    fn n_missing(&self, frame: &Arrival, came: &[Arrival]) -> Option<u64> {
        let (count, number) = self.newest?;
        let between = came.iter().filter(|one| count < one.count);
        let numbers = between.take_while(|one| one.count <= frame.count);
        let (n_missing, _) = numbers.fold((0, number), |(n_missing, before), one| {
            (n_missing + missing_between(before, one.number), one.number)
        });
        Some(n_missing)
    }
}

/// How many numbers lie between two frames. `GigE` Vision 1 counts from 1 to 65535 and begins anew at 1;
/// version 2 and USB3 Vision count on. A camera that does not number its frames has nothing missing.
pub(super) fn missing_between(before: u64, number: u64) -> u64 {
    const ROUND: u64 = 65_535;
    let next = before + 1;
    if next <= number {
        number - next
    } else if before <= ROUND && number < before {
        (number + ROUND).saturating_sub(next)
    } else {
        0
    }
}

#[cfg(test)]
mod tests;
