//! Feeds durable records to the broker: in order, a few in flight, delivered only on the broker's
//! PUBACK; those from before the connection at a limited rate, so that the line never waits for history.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::publish::{Outgoing, Publisher, RECORDS_IN_FLIGHT_MAX};
use crate::record::{RecordError, RecordStore};

/// What has been handed over on this connection.
#[derive(Debug)]
pub(super) struct Outbox {
    backfill: Backfill,
    connected: bool,
    last_sent: Option<u64>,
    // Records up to here were made before this connection: back-fill.
    historical_until: u64,
    newest: u64,
    in_flight: BTreeSet<u64>,
}

/// How many historical records may still go: a second's worth at most, filled up again evenly.
#[derive(Debug)]
struct Backfill {
    per_s: u32,
    left: f64,
    filled_at: Instant,
}

impl Backfill {
    fn new(per_s: u32, now: Instant) -> Self {
        Self {
            per_s,
            left: 1.0,
            filled_at: now,
        }
    }

    fn fill(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.filled_at);
        let per_s = f64::from(self.per_s);
        self.left = (self.left + since.as_secs_f64() * per_s).min(per_s.max(1.0));
        self.filled_at = now;
    }

    /// Whether one more may go now.
    fn take(&mut self) -> bool {
        let may = 1.0 <= self.left;
        if may {
            self.left -= 1.0;
        }
        may
    }

    fn next(&self) -> Instant {
        let missing = (1.0 - self.left).max(0.0) / f64::from(self.per_s);
        self.filled_at + Duration::from_secs_f64(missing)
    }
}

impl Outbox {
    /// An outbox for what the store still holds from before the start.
    pub(super) fn new(store: &RecordStore, backfill_per_s: u32) -> Result<Self, RecordError> {
        Ok(Self {
            backfill: Backfill::new(backfill_per_s, Instant::now()),
            connected: false,
            last_sent: None,
            historical_until: 0,
            newest: store.newest()?,
            in_flight: BTreeSet::new(),
        })
    }

    pub(super) fn appended(&mut self, outbox_id: u64) {
        self.newest = outbox_id;
    }

    pub(super) fn connected(&mut self) {
        self.disconnected();
        self.connected = true;
        self.historical_until = self.newest;
    }

    /// What was in flight is sent again after the next connect.
    pub(super) fn disconnected(&mut self) {
        self.connected = false;
        self.last_sent = None;
        self.in_flight.clear();
    }

    pub(super) fn delivered(
        &mut self,
        outbox_id: u64,
        store: &mut RecordStore,
    ) -> Result<(), RecordError> {
        self.in_flight.remove(&outbox_id);
        store.mark_delivered(outbox_id)
    }

    /// The broker does not take this record: it stays in the store for the next connection, and
    /// those behind it do not wait for it.
    pub(super) fn refused(&mut self, outbox_id: u64) {
        self.in_flight.remove(&outbox_id);
    }

    /// When [`Self::feed`] has to be called though nothing happened.
    pub(super) fn next(&self) -> Option<Instant> {
        let is_behind = self.connected
            && self.last_sent.unwrap_or(0) < self.historical_until
            && self.in_flight.len() < RECORDS_IN_FLIGHT_MAX;
        is_behind.then(|| self.backfill.next())
    }

    /// Hands over as many records as may be in flight.
    pub(super) fn feed(
        &mut self,
        store: &RecordStore,
        publisher: &Publisher,
    ) -> Result<(), RecordError> {
        self.backfill.fill(Instant::now());
        let room = RECORDS_IN_FLIGHT_MAX.saturating_sub(self.in_flight.len());
        if !self.connected || room == 0 || self.last_sent == Some(self.newest) {
            return Ok(());
        }
        let items = store.undelivered(self.last_sent, room)?;
        let is_all = items.len() < room;
        for item in items {
            let is_historical = item.outbox_id <= self.historical_until;
            if is_historical && !self.backfill.take() {
                return Ok(());
            }
            let record = Outgoing::Record {
                outbox_id: item.outbox_id,
                payload: item.json,
                is_historical,
            };
            // A full queue is no loss: the record stays in the store and is fed after the next event.
            if publisher.try_send(record).is_err() {
                return Ok(());
            }
            self.last_sent = Some(item.outbox_id);
            self.in_flight.insert(item.outbox_id);
        }
        if is_all {
            self.last_sent = Some(self.newest);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_goes_at_its_rate_and_no_faster() {
        let start = Instant::now();
        let mut backfill = Backfill::new(10, start);
        let mut n_sent = 0;
        for ms in 0..=2_000 {
            backfill.fill(start + Duration::from_millis(ms));
            while backfill.take() {
                n_sent += 1;
            }
        }
        assert_eq!(n_sent, 21, "one at once, then ten a second");
        assert!(backfill.next() <= start + Duration::from_millis(2_101));
        // A long pause saves up one second's worth.
        backfill.fill(start + Duration::from_hours(1));
        let n_sent = std::iter::from_fn(|| backfill.take().then_some(())).count();
        assert_eq!(n_sent, 10);
    }
}
