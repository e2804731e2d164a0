//! Parts that the station announces itself, because a timer or the presence of a part says so. They walk
//! the same way as those of the line controller.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::debug;

use crate::domain::{Name, Sequence, Trigger};

use super::config::TriggerConfig;
use super::presence::Look;
use super::run::Live;

/// What a station that triggers itself counts.
pub(super) struct OwnTrigger {
    part_type: Name,
    // The number of the next part: it goes on where the records end.
    sequence: Sequence,
    timer: Option<Timer>,
}

struct Timer {
    every: Duration,
    next: Instant,
}

impl OwnTrigger {
    /// None where the line controller triggers.
    pub(super) fn new(config: &TriggerConfig, newest: Option<Sequence>) -> Option<Self> {
        let (part_type, every) = match config {
            TriggerConfig::Mqtt => return None,
            TriggerConfig::Timer(part_type, every) => (part_type, Some(*every)),
            TriggerConfig::Presence(part_type, _) => (part_type, None),
        };
        let next = Instant::now();
        Some(Self {
            part_type: part_type.clone(),
            sequence: newest.map_or(1, |newest| newest.wrapping_add(1)),
            timer: every.map(|every| Timer { every, next }),
        })
    }

    /// When the timer is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.timer.as_ref().map(|timer| timer.next)
    }

    /// Whether the timer is due; a beat that was slept through is not made up for.
    fn beats(&mut self, now: Instant) -> bool {
        let Some(timer) = self.timer.as_mut().filter(|timer| timer.next <= now) else {
            return false;
        };
        timer.next += timer.every;
        if timer.next <= now {
            timer.next = now + timer.every;
        }
        true
    }

    /// The next part: its id is the date, the time and the number.
    fn part(&mut self, deadline: Duration) -> Option<Trigger> {
        let (arrived_at, arrived_at_utc) = (Instant::now(), Timestamp::now());
        let sequence = self.sequence;
        let id = arrived_at_utc.strftime("%Y%m%d-%H%M%S");
        let part = Name::new(&format!("{id}-{sequence}")).ok()?;
        self.sequence = sequence.wrapping_add(1);
        Some(Trigger {
            sequence,
            part,
            part_type: self.part_type.clone(),
            lot: None,
            supplier: None,
            arrived_at,
            arrived_at_utc,
            deadline: arrived_at + deadline,
        })
    }
}

impl Live {
    /// Announces a part where the timer is due.
    pub(super) fn mind_timer(&mut self, now: Instant) {
        if self.own.as_mut().is_some_and(|own| own.beats(now)) {
            self.announce_own();
        }
    }

    /// What the inspecting thread saw at the place where parts come.
    pub(super) fn seen(&mut self, look: Result<Look, String>) {
        match look {
            Ok(Look::Nothing) => {}
            Ok(Look::Came) => self.announce_own(),
            Ok(Look::Stuck) => self.event(
                "presence",
                "the place where parts come has not been empty for a minute: take away what lies there, or take the picture of the empty place anew",
            ),
            Err(text) => self.event("presence", &format!("no part can be seen coming: {text}")),
        }
    }

    fn announce_own(&mut self) {
        if !self.control.takes_parts() {
            debug!("a part is there, and the station takes none");
            return;
        }
        let deadline = self.station.deadlines.deadline;
        let part = self.own.as_mut().and_then(|own| own.part(deadline));
        if let Some(trigger) = part {
            self.trigger(trigger);
        }
    }
}
