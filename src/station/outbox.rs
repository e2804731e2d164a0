//! Feeds durable records to the broker: in order, a few in flight, delivered only on the broker's
//! PUBACK; those from before the connection at a limited rate, so that the line never waits for history.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::publish::{Outgoing, Publisher, RECORDS_IN_FLIGHT_MAX, Rate};
use crate::record::{RecordError, RecordStore};

/// What has been handed over on this connection.
#[derive(Debug)]
pub(super) struct Outbox {
    // Historical records that may go: a second's worth at once.
    backfill: Rate,
    connected: bool,
    last_sent: Option<u64>,
    // Records up to here were made before this connection: back-fill.
    historical_until: u64,
    newest: u64,
    in_flight: BTreeSet<u64>,
}

impl Outbox {
    /// An outbox for what the store still holds from before the start.
    pub(super) fn new(store: &RecordStore, backfill_per_s: u32) -> Result<Self, RecordError> {
        Ok(Self {
            backfill: Rate::new(backfill_per_s, backfill_per_s, Instant::now()),
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

    /// Whether there are records that the broker could still get now.
    pub(super) fn owes(&self) -> bool {
        let is_behind = self.last_sent.unwrap_or(0) < self.newest;
        self.connected && (is_behind || !self.in_flight.is_empty())
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
