//! What a station says about itself: `state`, `health`, `event`; and the envelope of a `record`.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::domain::ItemVersion;
use crate::record::RecordForm;

use super::payload::{PayloadError, RECORD_MAX, SCHEMA, parse, to_json};

/// The states of OPC 40100-1, and `offline` for a station that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StationState {
    /// Not connected; said by the broker in the station's name, or by the station when it stops.
    Offline,
    /// Starting.
    Preoperational,
    /// Stopped by an operator.
    Halted,
    /// Unable to work.
    Error,
    /// Tested, with no recipe prepared.
    Initialized,
    /// Prepared; waits to be started.
    Ready,
    /// Takes one part.
    SingleExecution,
    /// Takes part after part.
    ContinuousExecution,
}

impl StationState {
    /// Its word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Preoperational => "preoperational",
            Self::Halted => "halted",
            Self::Error => "error",
            Self::Initialized => "initialized",
            Self::Ready => "ready",
            Self::SingleExecution => "single_execution",
            Self::ContinuousExecution => "continuous_execution",
        }
    }

    /// Whether triggers are inspected.
    pub fn takes_parts(self) -> bool {
        matches!(self, Self::SingleExecution | Self::ContinuousExecution)
    }
}

impl fmt::Display for StationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A recipe, model package or calibration in use.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct ItemPayload {
    /// Its name.
    pub name: String,
    /// Version, revision or date.
    pub version: String,
    /// SHA-256 of the file, lower-case hexadecimal.
    pub sha256: String,
}

impl From<&ItemVersion> for ItemPayload {
    fn from(item: &ItemVersion) -> Self {
        Self {
            name: item.name.clone(),
            version: item.version.clone(),
            sha256: item.sha256.clone(),
        }
    }
}

/// The station's state: `state`, retained.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct StatePayload {
    /// The number of this payload's schema.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: u32,
    /// The station.
    pub station: String,
    /// Its state.
    pub state: StationState,
    /// Why, for a person.
    pub reason: String,
    /// The recipes that are ready.
    pub recipes: Vec<ItemPayload>,
    /// The models that are ready.
    pub models: Vec<ItemPayload>,
    /// The calibrations in use.
    pub calibrations: Vec<ItemPayload>,
    /// The version of this program.
    pub software_version: String,
    /// Since when; for the last will, when the connection was made.
    pub at_utc: Timestamp,
}

impl StatePayload {
    /// A state without items.
    pub fn new(station: &str, state: StationState, reason: &str, at_utc: Timestamp) -> Self {
        Self {
            schema: SCHEMA,
            station: station.to_owned(),
            state,
            reason: reason.to_owned(),
            recipes: Vec::new(),
            models: Vec::new(),
            calibrations: Vec::new(),
            software_version: env!("CARGO_PKG_VERSION").to_owned(),
            at_utc,
        }
    }

    /// What the broker says when the station vanishes without a word.
    pub fn last_will(station: &str, at_utc: Timestamp) -> Self {
        Self::new(
            station,
            StationState::Offline,
            "the connection broke off",
            at_utc,
        )
    }

    /// Reads the bytes of `state`.
    ///
    /// # Errors
    /// [`PayloadError`] says what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, PayloadError> {
        parse("state", bytes, RECORD_MAX)
    }

    /// The JSON to send.
    ///
    /// # Errors
    /// [`PayloadError`] if it cannot be written.
    pub fn to_json(&self) -> Result<String, PayloadError> {
        to_json("state", self)
    }
}

/// Counters since the station started: `health`, retained.
#[derive(Debug, Clone, PartialEq, Default, JsonSchema, Serialize, Deserialize)]
pub struct HealthPayload {
    /// The number of this payload's schema.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: u32,
    /// The station.
    pub station: String,
    /// Triggers taken.
    pub triggers: u64,
    /// Answered OK.
    pub ok: u64,
    /// Answered NG.
    pub ng: u64,
    /// Answered indeterminate, by reason.
    pub indeterminate: BTreeMap<String, u64>,
    /// Answers that never left the station in time.
    pub missed: u64,
    /// Inspections that ended after their answer.
    pub late: u64,
    /// Answers sent again.
    pub repeated: u64,
    /// Triggers beyond the parts that may be open.
    pub overrun: u64,
    /// Triggers that could not be read.
    pub bad_triggers: u64,
    /// Messages that came faster than is taken.
    pub messages_dropped: u64,
    /// Triggers that came while the station took no parts.
    pub not_ready: u64,
    /// Parts that were never announced: gaps in the sequence.
    pub sequence_missing: u64,
    /// Triggers that came after one with a higher number.
    pub out_of_order: u64,
    /// Verdicts that the controller acknowledged.
    pub acks: u64,
    /// Verdicts that it did not acknowledge in time.
    pub acks_missing: u64,
    /// Acknowledgements of no open verdict, and those that cannot be read.
    pub acks_unknown: u64,
    /// Parts that were passed although their verdict was not OK.
    pub passed_against_verdict: u64,
    /// Commands that were refused or could not be read.
    pub commands_refused: u64,
    /// How often the inspecting thread was started anew after a failure.
    pub recoveries: u64,
    /// How often the wall clock jumped.
    pub clock_steps: u64,
    /// By how much at the last jump; positive is forward.
    pub clock_step_s: f64,
    /// When that was noticed, on the clock after the jump.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_stepped_at_utc: Option<Timestamp>,
    /// Records that no broker has taken yet.
    pub records_pending: u64,
    /// Shortest time from trigger to verdict.
    pub min_ms: f64,
    /// The mean.
    pub mean_ms: f64,
    /// 99 of 100 were at least as fast.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// Frames that cameras lost.
    pub frames_lost: u64,
    /// The disk, and what is kept on it.
    pub storage: StoragePayload,
    /// How long the station has been running.
    pub uptime_s: u64,
    /// When this was counted.
    pub at_utc: Timestamp,
}

/// The disk and what is kept on it: `storage` in `health`.
#[derive(Debug, Clone, PartialEq, Eq, Default, JsonSchema, Serialize, Deserialize)]
pub struct StoragePayload {
    /// `enough`, `low`, `no_images` or `full`; empty before the first look.
    pub level: String,
    /// What this station may still write, in megabytes of 1000000 bytes.
    pub free_mb: u64,
    /// How often the level changed.
    pub level_changes: u64,
    /// Images on the disk.
    pub images_stored: u64,
    /// Images not taken because the archive was behind.
    pub images_dropped: u64,
    /// Images that could not be encoded or written.
    pub images_failed: u64,
    /// Parts whose images were not kept because the disk is nearly full.
    pub images_withheld: u64,
    /// Images that retention removed.
    pub images_removed: u64,
    /// Records that retention removed.
    pub records_removed: u64,
}

impl HealthPayload {
    /// Reads the bytes of `health`.
    ///
    /// # Errors
    /// [`PayloadError`] says what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, PayloadError> {
        parse("health", bytes, RECORD_MAX)
    }

    /// The JSON to send.
    ///
    /// # Errors
    /// [`PayloadError`] if it cannot be written.
    pub fn to_json(&self) -> Result<String, PayloadError> {
        to_json("health", self)
    }
}

/// What a person should know: `event`.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct EventPayload {
    /// The number of this payload's schema.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: u32,
    /// One word for machines: `camera_lost`, `disk_full`.
    pub kind: String,
    /// One sentence for people.
    pub text: String,
    /// When it happened.
    pub at_utc: Timestamp,
}

impl EventPayload {
    /// An event.
    pub fn new(kind: &str, text: &str, at_utc: Timestamp) -> Self {
        Self {
            schema: SCHEMA,
            kind: kind.to_owned(),
            text: text.to_owned(),
            at_utc,
        }
    }

    /// Reads the bytes of `event`.
    ///
    /// # Errors
    /// [`PayloadError`] says what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, PayloadError> {
        parse("event", bytes, RECORD_MAX)
    }

    /// The JSON to send.
    ///
    /// # Errors
    /// [`PayloadError`] if it cannot be written.
    pub fn to_json(&self) -> Result<String, PayloadError> {
        to_json("event", self)
    }
}

/// An inspection record on its way: `record`.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct RecordEnvelope {
    /// The number of this payload's schema.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: u32,
    /// Whether it was delivered later than its verdict because the broker was away.
    pub is_historical: bool,
    /// The record in its own schema.
    #[schemars(with = "RecordForm")]
    pub record: serde_json::Value,
}

impl RecordEnvelope {
    /// Reads the bytes of `record`.
    ///
    /// # Errors
    /// [`PayloadError`] says what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, PayloadError> {
        parse("record", bytes, RECORD_MAX)
    }
}

/// A record's own JSON on its way into the envelope.
pub(super) struct Enclosure<'a> {
    pub(super) record: &'a str,
    pub(super) is_historical: bool,
}

impl Enclosure<'_> {
    /// The envelope with the record in it byte for byte, so that hashes over it still fit.
    pub(super) fn to_json(&self) -> Result<String, PayloadError> {
        let what = "record";
        serde_json::from_str::<IgnoredAny>(self.record)
            .map_err(|source| PayloadError::Json { what, source })?;
        let text = format!(
            r#"{{"schema":{SCHEMA},"is_historical":{},"record":{}}}"#,
            self.is_historical, self.record
        );
        if text.len() <= RECORD_MAX {
            Ok(text)
        } else {
            Err(PayloadError::TooLarge {
                what,
                found: text.len(),
                max: RECORD_MAX,
            })
        }
    }
}
