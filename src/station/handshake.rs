//! What the line does with its numbers and our answers: gaps in the sequence, acknowledgements. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::domain::{Sequence, Verdict};

/// Verdicts that wait for their acknowledgement; more and the oldest counts as missing.
pub(super) const ACKS_WAITING_MAX: usize = 256;
/// A larger jump of the count is a controller that started anew, not so many lost parts.
const GAP_MAX: u32 = 1_000;
/// The one action that is checked against the verdict.
const PASSED: &str = "passed";

/// The newest number of the line.
#[derive(Debug, Default)]
pub(super) struct Sequences {
    newest: Option<Sequence>,
}

/// How a number follows the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// As it should, or nothing is known before it.
    Next,
    /// So many parts between them were never announced.
    Gap { n_missing: u32 },
    /// After a higher one.
    Old,
}

impl Sequences {
    /// Takes the number of a part that was not announced before. The count wraps, so a number is
    /// higher if the way up to it is the shorter one.
    pub(super) fn take(&mut self, sequence: Sequence) -> Order {
        let Some(newest) = self.newest else {
            self.newest = Some(sequence);
            return Order::Next;
        };
        let ahead = sequence.wrapping_sub(newest);
        if ahead == 0 || u32::MAX / 2 < ahead {
            return Order::Old;
        }
        self.newest = Some(sequence);
        match ahead - 1 {
            0 => Order::Next,
            n_missing if n_missing <= GAP_MAX => Order::Gap { n_missing },
            _ => Order::Next,
        }
    }
}

/// Verdicts that the controller should acknowledge.
#[derive(Debug)]
pub(super) struct Acks {
    window: Option<Duration>,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    sequence: Sequence,
    verdict: Verdict,
    until: Instant,
}

/// What an acknowledgement is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The line did what it was told.
    Known,
    /// It let a part pass that was not OK.
    PassedAgainst(Verdict),
    /// No verdict of that number waits: late, doubled or mistyped.
    Unknown,
}

impl Acks {
    /// Without a window nothing is expected; what comes is looked at all the same.
    pub(super) fn new(window: Option<Duration>) -> Self {
        Self {
            window,
            waiting: VecDeque::new(),
        }
    }

    /// A verdict was sent; returns one that had to make room and so counts as missing.
    pub(super) fn said(
        &mut self,
        sequence: Sequence,
        verdict: Verdict,
        now: Instant,
    ) -> Option<Sequence> {
        let until = now + self.window.unwrap_or(Duration::ZERO);
        let is_full = self.waiting.len() == ACKS_WAITING_MAX;
        let oldest = is_full.then(|| self.waiting.pop_front()).flatten();
        self.waiting.push_back(Waiting {
            sequence,
            verdict,
            until,
        });
        oldest
            .filter(|_| self.window.is_some())
            .map(|waiting| waiting.sequence)
    }

    /// The controller says what it did.
    pub(super) fn heard(&mut self, sequence: Sequence, action: &str) -> Heard {
        // The newest of that number: after a wrap an older one may still wait.
        let place = self
            .waiting
            .iter()
            .rposition(|waiting| waiting.sequence == sequence);
        match place.and_then(|place| self.waiting.remove(place)) {
            None => Heard::Unknown,
            Some(waiting) if action == PASSED && waiting.verdict != Verdict::Ok => {
                Heard::PassedAgainst(waiting.verdict)
            }
            Some(_) => Heard::Known,
        }
    }

    /// Verdicts whose window has closed.
    pub(super) fn missing(&mut self, now: Instant) -> Vec<Sequence> {
        if self.window.is_none() {
            return Vec::new();
        }
        let is_closed = |waiting: &&Waiting| waiting.until <= now;
        let n_missing = self.waiting.iter().take_while(is_closed).count();
        let missing = self.waiting.drain(..n_missing);
        missing.map(|waiting| waiting.sequence).collect()
    }

    /// When [`Self::missing`] has to be asked next.
    pub(super) fn next(&self) -> Option<Instant> {
        let front = self.waiting.front().filter(|_| self.window.is_some());
        front.map(|waiting| waiting.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Reason;

    #[test]
    fn gaps_and_old_numbers_are_told_apart_over_the_wrap() {
        let mut sequences = Sequences::default();
        let orders = [7, 8, 11, 9, u32::MAX, 12].map(|sequence| sequences.take(sequence));
        let gap = |n_missing| Order::Gap { n_missing };
        // The highest number is just before 0, so seen from 11 it is an old one.
        assert_eq!(
            orders,
            [
                Order::Next,
                Order::Next,
                gap(2),
                Order::Old,
                Order::Old,
                Order::Next
            ]
        );
        let mut sequences = Sequences::default();
        let orders = [u32::MAX, 0, 3, 5_000_000].map(|sequence| sequences.take(sequence));
        assert_eq!(orders, [Order::Next, Order::Next, gap(2), Order::Next]);
    }

    #[test]
    fn an_acknowledgement_is_missing_when_its_window_closes() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut acks = Acks::new(Some(Duration::from_millis(100)));
        acks.said(1, Verdict::Ok, start);
        acks.said(2, Verdict::Ng, after(10));
        assert_eq!(acks.heard(1, "passed"), Heard::Known);
        assert_eq!(acks.heard(1, "passed"), Heard::Unknown);
        assert_eq!(acks.next(), Some(after(110)));
        assert_eq!(acks.missing(after(109)), [0; 0]);
        assert_eq!(acks.missing(after(110)), [2]);
        assert_eq!(acks.heard(2, "ejected"), Heard::Unknown);
    }

    #[test]
    fn a_part_that_passes_against_its_verdict_is_noticed() {
        let now = Instant::now();
        let mut acks = Acks::new(None);
        let doubt = Verdict::Indeterminate(Reason::Doubtful);
        for (sequence, verdict) in [(1, Verdict::Ng), (2, doubt), (3, Verdict::Ng)] {
            acks.said(sequence, verdict, now);
        }
        assert_eq!(acks.heard(1, "passed"), Heard::PassedAgainst(Verdict::Ng));
        assert_eq!(acks.heard(2, "passed"), Heard::PassedAgainst(doubt));
        assert_eq!(acks.heard(3, "ejected"), Heard::Known);
        assert_eq!((acks.next(), acks.missing(now)), (None, vec![]));
    }

    #[test]
    fn what_waits_is_bounded() {
        let now = Instant::now();
        let mut acks = Acks::new(Some(Duration::from_secs(1)));
        let max = u32::try_from(ACKS_WAITING_MAX).unwrap();
        let dropped: Vec<_> = (0..max + 2)
            .filter_map(|sequence| acks.said(sequence, Verdict::Ok, now))
            .collect();
        assert_eq!(dropped, [0, 1]);
    }
}
