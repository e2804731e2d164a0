//! Feeds durable records to the broker: in order, a few in flight, delivered only on the broker's PUBACK.

use std::collections::BTreeSet;

use crate::publish::{Outgoing, Publisher, RECORDS_IN_FLIGHT_MAX};
use crate::record::{RecordError, RecordStore};

/// What has been handed over on this connection.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    connected: bool,
    last_sent: Option<u64>,
    // Records up to here were made before this connection: back-fill.
    historical_until: u64,
    newest: u64,
    in_flight: BTreeSet<u64>,
}

impl Outbox {
    /// An outbox for what the store still holds from before the start.
    pub(super) fn new(store: &RecordStore) -> Result<Self, RecordError> {
        Ok(Self::unsent(store.newest()?))
    }

    fn unsent(newest: u64) -> Self {
        Self {
            newest,
            ..Self::default()
        }
    }

    pub(super) fn appended(&mut self, outbox_id: u64) {
        self.newest = outbox_id;
    }

    pub(super) fn connected(&mut self) {
        *self = Self {
            connected: true,
            historical_until: self.newest,
            ..Self::unsent(self.newest)
        };
    }

    /// What was in flight is sent again after the next connect.
    pub(super) fn disconnected(&mut self) {
        *self = Self::unsent(self.newest);
    }

    pub(super) fn delivered(
        &mut self,
        outbox_id: u64,
        store: &mut RecordStore,
    ) -> Result<(), RecordError> {
        self.in_flight.remove(&outbox_id);
        store.mark_delivered(outbox_id)
    }

    /// Hands over as many records as may be in flight.
    pub(super) fn feed(
        &mut self,
        store: &RecordStore,
        publisher: &Publisher,
    ) -> Result<(), RecordError> {
        let room = RECORDS_IN_FLIGHT_MAX.saturating_sub(self.in_flight.len());
        if !self.connected || room == 0 || self.last_sent == Some(self.newest) {
            return Ok(());
        }
        for item in store.undelivered(self.last_sent, room)? {
            let record = Outgoing::Record {
                outbox_id: item.outbox_id,
                payload: item.json,
                is_historical: item.outbox_id <= self.historical_until,
            };
            // A full queue is no loss: the record stays in the store and is fed after the next event.
            if publisher.try_send(record).is_err() {
                break;
            }
            self.last_sent = Some(item.outbox_id);
            self.in_flight.insert(item.outbox_id);
        }
        Ok(())
    }
}
