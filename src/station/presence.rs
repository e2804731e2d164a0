//! Whether a part lies before a camera, for stations that nobody tells: the picture is compared with one of
//! the empty place. A part is announced once, when it has come, and the next one after it has left.

use std::time::{Duration, Instant};

use crate::config::with_causes;
use crate::domain::{Frame, RectPx};
use crate::source::read_frame;
use crate::vision::{VisionError, thumbnail};

use super::config::{Motion, PresenceSettings};
use super::error::StationError;

/// Pictures are compared as squares of so many cells: noise is averaged away.
const SIDE: u32 = 32;

/// A cell looks otherwise when its grey level differs by more than this, of 255.
const LEVELS_MIN: u8 = 16;

/// A part has come, or left, when so many looks one after the other say so.
const LOOKS: u32 = 3;

/// The place is empty again below this share of `changed_share`.
const EMPTY_BELOW: f64 = 0.5;

/// A part lies still when no more than this share of the cells looks otherwise than a look before.
const STILL_SHARE: f64 = 0.01;

/// When a place that does not get empty is told.
const STUCK_AFTER: Duration = Duration::from_mins(1);

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing new.
    Nothing,
    /// A part has come.
    Came,
    /// What was announced has been there for too long.
    Stuck,
}

/// The place before a camera.
pub struct Presence {
    pub(super) camera: String,
    region: Option<RectPx>,
    empty: Vec<u8>,
    before: Vec<u8>,
    place: Place,
}

/// What is known of the place: pure.
#[derive(Debug)]
struct Place {
    changed_share: f64,
    motion: Motion,
    // Since when a part that was announced is there.
    here_since: Option<Instant>,
    is_told: bool,
    // Looks one after the other that speak for a change.
    n_looks: u32,
}

impl Presence {
    /// Reads the picture of the empty place.
    ///
    /// # Errors
    /// [`StationError::Source`] if it is no picture, [`StationError::Vision`] if the region does not lie
    /// in it.
    pub(super) fn load(settings: &PresenceSettings) -> Result<Self, StationError> {
        let empty = read_frame(&settings.camera, &settings.empty)?;
        let empty = cells(&empty, settings.region).map_err(|cause| StationError::Empty {
            path: settings.empty.clone(),
            cause,
        })?;
        Ok(Self {
            camera: settings.camera.clone(),
            region: settings.region,
            before: empty.clone(),
            empty,
            place: Place {
                changed_share: settings.changed_share,
                motion: settings.motion,
                here_since: None,
                is_told: false,
                n_looks: 0,
            },
        })
    }

    /// Looks at a frame.
    ///
    /// # Errors
    /// Says why it cannot be compared.
    pub(super) fn look(&mut self, frame: &Frame, now: Instant) -> Result<Look, String> {
        let seen = cells(frame, self.region).map_err(|error| with_causes(&error))?;
        let changed = changed_share(&self.empty, &seen);
        let moved = changed_share(&self.before, &seen);
        self.before = seen;
        Ok(self.place.look(changed, moved, now))
    }
}

impl Place {
    fn look(&mut self, changed: f64, moved: f64, now: Instant) -> Look {
        let is_changing = match (self.here_since, self.motion) {
            (Some(_), _) => changed < self.changed_share * EMPTY_BELOW,
            (None, Motion::Pass) => self.changed_share <= changed,
            (None, Motion::Stop) => self.changed_share <= changed && moved <= STILL_SHARE,
        };
        self.n_looks = if is_changing { self.n_looks + 1 } else { 0 };
        if self.n_looks == LOOKS {
            self.n_looks = 0;
            self.is_told = false;
            let came = self.here_since.is_none();
            self.here_since = came.then_some(now);
            return if came { Look::Came } else { Look::Nothing };
        }
        let is_stuck = |since| STUCK_AFTER <= now.saturating_duration_since(since);
        if !self.is_told && self.here_since.is_some_and(is_stuck) {
            self.is_told = true;
            return Look::Stuck;
        }
        Look::Nothing
    }
}

fn cells(frame: &Frame, region: Option<RectPx>) -> Result<Vec<u8>, VisionError> {
    thumbnail(frame, region.unwrap_or(frame.size().whole()), SIDE)
}

fn changed_share(from: &[u8], to: &[u8]) -> f64 {
    let changed = from.iter().zip(to);
    let n_changed = changed.filter(|(from, to)| LEVELS_MIN < from.abs_diff(**to));
    f64::from(u32::try_from(n_changed.count()).unwrap_or(u32::MAX)) / f64::from(SIDE * SIDE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(motion: Motion, shown: &[(f64, f64)]) -> Vec<Look> {
        let mut place = Place {
            changed_share: 0.2,
            motion,
            here_since: None,
            is_told: false,
            n_looks: 0,
        };
        let start = Instant::now();
        let look = |(at, (changed, moved)): (u64, &(f64, f64))| {
            place.look(*changed, *moved, start + Duration::from_secs(at))
        };
        (0..).zip(shown).map(look).collect()
    }

    fn came_at(motion: Motion, shown: &[(f64, f64)]) -> Vec<usize> {
        let found = looks(motion, shown).into_iter().enumerate();
        found
            .filter(|(_, look)| *look == Look::Came)
            .map(|(at, _)| at)
            .collect()
    }

    const EMPTY: (f64, f64) = (0.0, 0.0);
    const MOVES: (f64, f64) = (0.5, 0.3);
    const LIES: (f64, f64) = (0.5, 0.0);

    #[test]
    fn a_part_is_announced_once_when_it_lies_still_and_the_next_after_it_has_left() {
        let one = [EMPTY, MOVES, MOVES, MOVES, LIES, LIES, LIES, LIES, LIES];
        assert_eq!(came_at(Motion::Stop, &one), [6]);
        assert_eq!(came_at(Motion::Pass, &one), [3]);
        let gone = [MOVES, EMPTY, EMPTY, EMPTY];
        let two = [&one[..], &gone, &one].concat();
        assert_eq!(came_at(Motion::Stop, &two), [6, 19]);
        // A flash, or a hand that passes over the empty place, is no part; nor does a part leave by one.
        assert!(came_at(Motion::Pass, &[EMPTY, LIES, LIES, EMPTY, LIES]).is_empty());
        let dark = [LIES, LIES, LIES, EMPTY, EMPTY, LIES, LIES, LIES, LIES];
        assert_eq!(came_at(Motion::Stop, &dark), [2]);
        // Between the two shares nothing changes.
        let half = [LIES, LIES, LIES, (0.15, 0.0), (0.15, 0.0), (0.15, 0.0)];
        assert_eq!(
            came_at(Motion::Stop, &[&half[..], &[LIES; 4]].concat()),
            [2]
        );
    }

    #[test]
    fn a_place_that_does_not_get_empty_is_told_once() {
        let found = looks(Motion::Stop, &[LIES; 200]);
        let told = found.iter().enumerate();
        let told = told.filter(|(_, look)| **look == Look::Stuck);
        assert_eq!(told.map(|(at, _)| at).collect::<Vec<_>>(), [62]);
    }
}
