//! Events at the pace of a reader: the first of a kind go out, the rest of a flood is counted into the next.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::publish::Rate;

/// Events of one kind that may go out at once, and in a second after that.
const AT_ONCE: u32 = 20;
const PER_S: u32 = 2;

#[derive(Debug, Default)]
pub(super) struct Throttle {
    // There are as many kinds as the station has words.
    kinds: BTreeMap<String, (Rate, u64)>,
}

impl Throttle {
    /// How many of this kind were withheld before this one; `None` if this one is withheld too.
    pub(super) fn pass(&mut self, kind: &str, now: Instant) -> Option<u64> {
        let (rate, n_withheld) = self
            .kinds
            .entry(kind.to_owned())
            .or_insert_with(|| (Rate::new(PER_S, AT_ONCE, now), 0));
        rate.fill(now);
        if rate.take() {
            return Some(std::mem::take(n_withheld));
        }
        *n_withheld += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_of_one_kind_is_counted_and_holds_no_other_back() {
        let start = Instant::now();
        let mut throttle = Throttle::default();
        let passed = (0..100).filter(|_| throttle.pass("bad_trigger", start).is_some());
        assert_eq!(passed.count(), 20);
        assert_eq!(throttle.pass("storage_full", start), Some(0));
        let later = start + Duration::from_millis(500);
        assert_eq!(throttle.pass("bad_trigger", later), Some(80));
        assert_eq!(throttle.pass("bad_trigger", later), None);
    }
}
