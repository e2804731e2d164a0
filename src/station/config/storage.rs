//! `[storage]` of the station file: how long records and images are kept, and what happens when the disk fills up.

use std::time::Duration;

use serde::Deserialize;

use crate::config::Checks;
use crate::gate::ANSWERED_KEPT;
use crate::record::{Keep, RetentionRules, SpaceLimits};

/// Records that retention removes together: each removal is a link of some 400 bytes in the chain.
const RECORDS_AT_ONCE: u64 = 128;
const DAY: Duration = Duration::from_hours(24);
const MB: u64 = 1_000_000;
const DAYS_MAX: u32 = 36_500;
const MB_MAX: u64 = 1_000_000_000;
/// The newest records stay in any case, and need some room.
const RECORDS_MB_MIN: u64 = 64;

/// How a station keeps what it has recorded.
#[derive(Debug, Clone, Copy)]
pub struct StorageConfig {
    /// How long and how much.
    pub rules: RetentionRules,
    /// When the disk counts as full.
    pub limits: SpaceLimits,
    /// What happens to OK then.
    pub when_full: WhenFull,
}

/// What happens to OK when the disk is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// It becomes `indeterminate (storage)` while records can still be written.
    Stop,
    /// It is said as long as its record can be written.
    GoOn,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StorageFile {
    records_days_max: u32,
    records_mb_max: u64,
    images_days_max: u32,
    images_mb_max: u64,
    warn_free_mb: u64,
    images_free_mb: u64,
    stop_free_mb: u64,
    when_full: WhenFull,
}

impl Default for StorageFile {
    fn default() -> Self {
        Self {
            records_days_max: 3650,
            records_mb_max: 20_000,
            images_days_max: 90,
            images_mb_max: 50_000,
            warn_free_mb: 4_000,
            images_free_mb: 2_000,
            stop_free_mb: 500,
            when_full: WhenFull::Stop,
        }
    }
}

impl StorageFile {
    pub(super) fn check(&self, checks: &mut Checks) -> StorageConfig {
        let mut days = |key, days| {
            let days = checks.range(format!("storage.{key}"), days, 1, DAYS_MAX);
            DAY * days.min(DAYS_MAX)
        };
        let records_age = days("records_days_max", self.records_days_max);
        let images_age = days("images_days_max", self.images_days_max);
        let mut bytes = |key, mb: u64, min| {
            let mb = checks.range(format!("storage.{key}"), mb, min, MB_MAX);
            mb.min(MB_MAX) * MB
        };
        let records_bytes = bytes("records_mb_max", self.records_mb_max, RECORDS_MB_MIN);
        let images_bytes = bytes("images_mb_max", self.images_mb_max, 1);
        let limits = SpaceLimits {
            warn_bytes: bytes("warn_free_mb", self.warn_free_mb, 1),
            images_bytes: bytes("images_free_mb", self.images_free_mb, 1),
            stop_bytes: bytes("stop_free_mb", self.stop_free_mb, 1),
        };
        if self.records_days_max < self.images_days_max {
            checks.say(format!(
                "`storage.images_days_max = {}` is longer than `records_days_max = {}`; images go with their records, so write at most that",
                self.images_days_max, self.records_days_max
            ));
        }
        for (larger, large, smaller, small) in [
            (
                "warn_free_mb",
                self.warn_free_mb,
                "images_free_mb",
                self.images_free_mb,
            ),
            (
                "images_free_mb",
                self.images_free_mb,
                "stop_free_mb",
                self.stop_free_mb,
            ),
        ] {
            if large < small {
                checks.say(format!(
                    "`storage.{larger} = {large}` is less than `{smaller} = {small}`; the disk fills up in the order warn, images, stop"
                ));
            }
        }
        StorageConfig {
            rules: RetentionRules {
                records: Keep {
                    age_max: records_age,
                    bytes_max: records_bytes,
                },
                images: Keep {
                    age_max: images_age,
                    bytes_max: images_bytes,
                },
                // The latest answers are read back after a restart.
                newest_kept: ANSWERED_KEPT as u64,
                records_at_once: RECORDS_AT_ONCE,
            },
            limits,
            when_full: self.when_full,
        }
    }
}
