//! How a station leaves: open parts get their answers, new ones are refused, the broker gets what is owed.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::inspect::with_causes;
use crate::publish::Incoming;

use super::run::{Event, Live};
use super::supervise::Recovery;

const PUBLISHER_STOP_MAX: Duration = Duration::from_secs(3);
/// How long a station that leaves waits for the broker to take its records; the store keeps the rest.
const DRAIN_MAX: Duration = Duration::from_secs(3);
const SPARKPLUG_STOP_MAX: Duration = Duration::from_secs(1);

impl Live {
    fn finish_one(&mut self, events: &Receiver<Event>, until: Instant) {
        let wait = until.min(self.wake());
        let wait = wait.saturating_duration_since(Instant::now());
        if let Ok(event) = events.recv_timeout(wait) {
            self.handle_last(event);
        }
        self.tick();
    }

    fn handle_last(&mut self, event: Event) {
        match event {
            Event::Incoming(Incoming::Command(command)) => {
                self.respond(command, Err("the station is leaving".to_owned()));
            }
            event @ (Event::Incoming(_)
            | Event::Inspected { .. }
            | Event::Loaded { .. }
            | Event::WorkerGone { .. }
            | Event::Looked { .. }
            | Event::Stop) => self.handle(event),
        }
    }

    /// Open parts still get their answers, new ones are refused, and the broker gets what the outbox owes it;
    /// then the station says that it leaves.
    pub(super) fn finish(mut self, events: &Receiver<Event>) {
        info!(
            station = self.station.name,
            n_open = self.gate.n_open(),
            "stopping"
        );
        // No recovery any more: the station leaves.
        self.recovery = Recovery::default();
        self.control.leaves();
        while let Some(deadline) = self.gate.next_deadline() {
            self.finish_one(events, deadline);
        }
        let until = Instant::now() + DRAIN_MAX;
        while self.outbox.owes() && Instant::now() < until {
            self.finish_one(events, until);
        }
        while let Ok(event) = events.try_recv() {
            self.handle_last(event);
        }
        self.mind();
        let name = self.station.name;
        if let Err(error) = self.publisher.stop("stopped", PUBLISHER_STOP_MAX) {
            warn!(
                station = name,
                error = with_causes(&error),
                "the broker was not told everything"
            );
        }
        if let Some(Err(error)) = self.sparkplug.map(|plane| plane.stop(SPARKPLUG_STOP_MAX)) {
            warn!(
                station = name,
                error = with_causes(&error),
                "no goodbye on the Sparkplug plane"
            );
        }
        let counts = self.archive.stop();
        info!(
            station = name,
            stored = counts.stored,
            dropped = counts.dropped,
            failed = counts.failed,
            "stopped"
        );
    }
}
