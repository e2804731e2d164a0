//! The free space of the disk, in levels: a warning, then no images, then no more OK.

use std::io;
use std::path::Path;

/// How much more than its limit must be free again before a level is left: one part in so many.
const HYSTERESIS: u64 = 10;

/// How much of the disk is left; the larger, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpaceLevel {
    /// Enough.
    Enough,
    /// A person should free some.
    Low,
    /// Images are not written any more, so that records still can be.
    NoImages,
    /// Next to nothing: what happens to OK says the station file.
    Full,
}

/// The free bytes under which each level begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceLimits {
    /// Of [`SpaceLevel::Low`].
    pub warn_bytes: u64,
    /// Of [`SpaceLevel::NoImages`].
    pub images_bytes: u64,
    /// Of [`SpaceLevel::Full`].
    pub stop_bytes: u64,
}

impl SpaceLevel {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Enough => "enough",
            Self::Low => "low",
            Self::NoImages => "no_images",
            Self::Full => "full",
        }
    }
}

impl SpaceLimits {
    /// The level that follows `before` when so many bytes are free.
    ///
    /// A worse one begins at its limit; a better one only a tenth above, so that it does not flutter.
    pub fn level(&self, before: SpaceLevel, free_bytes: u64) -> SpaceLevel {
        let level = self.at(free_bytes);
        if before <= level {
            return level;
        }
        self.at(free_bytes - free_bytes / (HYSTERESIS + 1))
            .min(before)
    }

    fn at(&self, free_bytes: u64) -> SpaceLevel {
        if free_bytes < self.stop_bytes {
            SpaceLevel::Full
        } else if free_bytes < self.images_bytes {
            SpaceLevel::NoImages
        } else if free_bytes < self.warn_bytes {
            SpaceLevel::Low
        } else {
            SpaceLevel::Enough
        }
    }
}

/// The bytes that this user may still write to the disk with the least space among those of `paths`.
///
/// # Errors
/// What the system says, for example that the path is gone.
pub fn free_bytes(paths: &[&Path]) -> io::Result<u64> {
    paths.iter().try_fold(u64::MAX, |least, path| {
        Ok(least.min(fs4::available_space(path)?))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: SpaceLimits = SpaceLimits {
        warn_bytes: 4000,
        images_bytes: 2000,
        stop_bytes: 500,
    };

    #[test]
    fn a_level_begins_at_its_limit_and_ends_a_tenth_above() {
        let steps = [
            5000, 3999, 4100, 4390, 4400, 1999, 499, 500, 540, 551, 2190, 2201, 9000,
        ];
        let mut level = SpaceLevel::Enough;
        let told: Vec<String> = steps
            .into_iter()
            .map(|free| {
                level = LIMITS.level(level, free);
                format!("{free} {}", level.word())
            })
            .collect();
        insta::assert_snapshot!(told.join(", "), @"5000 enough, 3999 low, 4100 low, 4390 low, 4400 enough, 1999 no_images, 499 full, 500 full, 540 full, 551 no_images, 2190 no_images, 2201 low, 9000 enough");
    }

    proptest! {
        #[test]
        fn a_level_is_never_better_than_the_space_and_left_only_with_a_tenth_to_spare(
            steps in prop::collection::vec(0..6000_u64, 1..40),
        ) {
            let begins = [
                (SpaceLevel::Low, 4000),
                (SpaceLevel::NoImages, 2000),
                (SpaceLevel::Full, 500),
            ];
            let mut level = SpaceLevel::Enough;
            for free in steps {
                let next = LIMITS.level(level, free);
                for (worse, limit) in begins {
                    prop_assert!(limit <= free || worse <= next, "{free}: {next:?}");
                    let is_left = next < worse && worse <= level;
                    // Whole numbers: one more or less.
                    prop_assert!(!is_left || limit * 11 <= free * 10 + 11, "{free}: {level:?}");
                    let is_kept = worse <= next && worse <= level && limit <= free;
                    prop_assert!(!is_kept || free * 10 <= limit * 11 + 11, "{free}: {level:?}");
                }
                level = next;
            }
        }
    }

    #[test]
    fn the_space_of_a_real_disk_is_told_and_a_missing_path_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        assert!(0 < free_bytes(&[home.path(), Path::new("/")]).unwrap());
        assert!(free_bytes(&[&home.path().join("gone")]).is_err());
    }
}
