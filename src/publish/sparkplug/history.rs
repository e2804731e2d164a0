//! Changes that wait until the host is there, and those that were sent so lately that they may be lost.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::proto::Value;
use super::tag::Tag;

/// At most so many changes of tags wait while the broker or the host is away: at a part a second with
/// five changes each three and a half hours. More are dropped, the oldest first, and counted.
pub const HISTORY_MAX: usize = 65_536;

/// Data is sent at most once, and a dead connection is noticed only after two keep-alives: what was sent
/// since then is kept, and sent again as history.
pub(super) const UNPROVEN_FOR: Duration = Duration::from_secs(15);

/// At most so many of them are kept.
const UNPROVEN_MAX: usize = 4_096;

/// A tag's new value, since when.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    pub(super) tag: Tag,
    pub(super) value: Value,
    /// Milliseconds since 1970 UTC.
    pub(super) at_ms: u64,
}

/// What waits, oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    waiting: VecDeque<Change>,
    unproven: VecDeque<(Instant, Change)>,
    n_dropped: u64,
}

impl History {
    pub(super) fn n_waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn has(&self, may_go: impl Fn(&Change) -> bool) -> bool {
        self.waiting.iter().any(may_go)
    }

    pub(super) fn n_dropped(&self) -> u64 {
        self.n_dropped
    }

    /// Counts changes that were lost before they came here.
    pub(super) fn lost_before(&mut self, n_lost: u64) {
        self.n_dropped += n_lost;
    }

    fn keep(&mut self, change: Change) {
        if self.waiting.len() == HISTORY_MAX {
            self.waiting.pop_front();
            self.n_dropped += 1;
        }
        self.waiting.push_back(change);
    }

    pub(super) fn keep_all(&mut self, changes: Vec<Change>) {
        for change in changes {
            self.keep(change);
        }
    }

    /// Notes what was handed to the network.
    pub(super) fn sent(&mut self, changes: impl IntoIterator<Item = Change>, now: Instant) {
        self.unproven
            .extend(changes.into_iter().map(|change| (now, change)));
        while self.unproven.len() > UNPROVEN_MAX
            || (self.unproven.front())
                .is_some_and(|(at, _)| UNPROVEN_FOR <= now.duration_since(*at))
        {
            self.unproven.pop_front();
        }
    }

    /// The connection is gone: what was sent lately waits again, before all that came later.
    pub(super) fn take_back(&mut self, now: Instant) {
        for (at, change) in std::mem::take(&mut self.unproven).into_iter().rev() {
            if UNPROVEN_FOR <= now.duration_since(at) {
                break;
            }
            if self.waiting.len() < HISTORY_MAX {
                self.waiting.push_front(change);
            } else {
                self.n_dropped += 1;
            }
        }
    }

    /// Births say current values with their times: those need no history.
    pub(super) fn forget(&mut self, is_said: impl Fn(&Change) -> bool) {
        self.waiting.retain(|change| !is_said(change));
    }

    /// The oldest changes that `may_go`, at most `limit`, no tag twice at the same time.
    pub(super) fn take(&mut self, limit: usize, may_go: impl Fn(&Change) -> bool) -> Vec<Change> {
        let mut taken: Vec<Change> = Vec::new();
        let mut index = 0;
        while taken.len() < limit {
            let Some(change) = self.waiting.get(index) else {
                break;
            };
            let same = |other: &Change| other.tag == change.tag && other.at_ms == change.at_ms;
            if !may_go(change) {
                index += 1;
            } else if taken.iter().any(same) {
                break;
            } else {
                taken.extend(self.waiting.remove(index));
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(at_ms: u64) -> Change {
        Change {
            tag: Tag::Triggers,
            value: Value::Long(at_ms),
            at_ms,
        }
    }

    fn times(changes: &[Change]) -> Vec<u64> {
        changes.iter().map(|change| change.at_ms).collect()
    }

    #[test]
    fn the_oldest_changes_are_dropped_and_counted() {
        let mut history = History::default();
        let limit = u64::try_from(HISTORY_MAX).unwrap();
        history.keep_all((0..limit + 3).map(change).collect());
        assert_eq!((history.n_waiting(), history.n_dropped()), (HISTORY_MAX, 3));
        history.sent([change(0)], Instant::now());
        history.take_back(Instant::now());
        assert_eq!((history.n_waiting(), history.n_dropped()), (HISTORY_MAX, 4));
        assert_eq!(times(&history.take(2, |_| true)), [3, 4]);
    }

    #[test]
    fn what_was_sent_lately_comes_back_first_and_in_order() {
        let (mut history, start) = (History::default(), Instant::now());
        history.sent([change(1)], start);
        history.sent([change(2), change(3)], start + UNPROVEN_FOR / 2);
        history.keep(change(4));
        history.take_back(start + UNPROVEN_FOR);
        assert_eq!(times(&history.take(9, |_| true)), [2, 3, 4]);
        history.take_back(start + UNPROVEN_FOR);
        assert_eq!(history.n_waiting(), 0);
    }

    #[test]
    fn a_batch_has_no_tag_twice_at_the_same_time() {
        let mut history = History::default();
        history.keep_all([5, 6, 6, 7].map(change).into());
        assert_eq!(times(&history.take(9, |_| true)), [5, 6]);
        assert_eq!(times(&history.take(9, |_| true)), [6, 7]);
    }
}
