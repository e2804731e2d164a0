//! How often hosts get the births that they ask for: whoever asks without end floods nobody.

use std::time::{Duration, Instant};

/// From one rebirth that a host asked for to the next; all that ask meanwhile get that one together.
pub const REBIRTH_EVERY: Duration = Duration::from_secs(1);

/// The rebirth that was asked for last, and the one that is owed.
#[derive(Debug, Default)]
pub(super) struct Rebirths {
    last: Option<Instant>,
    is_owed: bool,
}

impl Rebirths {
    /// A host asks; whether it gets the births now. Otherwise they are owed.
    pub(super) fn asked(&mut self, at: Instant) -> bool {
        self.is_owed = true;
        self.take_due(at)
    }

    pub(super) fn is_owed(&self) -> bool {
        self.is_owed
    }

    /// When the owed one is due.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let last = self.last.filter(|_| self.is_owed)?;
        Some(last + REBIRTH_EVERY)
    }

    /// Whether the owed one is due; the caller sends it.
    pub(super) fn take_due(&mut self, at: Instant) -> bool {
        let is_early = self.last.is_some_and(|last| at < last + REBIRTH_EVERY);
        if is_early || !self.is_owed {
            return false;
        }
        self.last = Some(at);
        self.is_owed = false;
        true
    }

    /// All births go out, for whatever cause: nothing is owed any more.
    pub(super) fn born(&mut self) {
        self.is_owed = false;
    }
}
