//! What comes in as JSON: the trigger and the acknowledgement; how any payload is read and written.
//!
//! Whoever reads here trusts nothing: size, UTF-8, schema number, unknown fields and ranges are
//! checked before a word of it reaches the gate.

use std::error::Error;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::{Name, NameError, Sequence, Trigger};
use crate::record::fields::NameText;

/// The schema number of all payloads; a changed payload has a new number.
pub const SCHEMA: u32 = 1;

/// The shortest deadline that a trigger may ask for.
pub const DEADLINE_MIN_MS: u64 = 5;

/// The longest.
pub const DEADLINE_MAX_MS: u64 = 60_000;

/// Largest trigger or acknowledgement in bytes.
pub const PAYLOAD_MAX: usize = 16 * 1024;

/// Largest payload of any kind in bytes, the record's envelope included.
pub const RECORD_MAX: usize = 1024 * 1024;

/// Why a payload cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// Too many bytes.
    #[error("the {what} has {found} bytes; send at most {max}")]
    TooLarge {
        /// Which payload.
        what: &'static str,
        /// Its size.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// Not UTF-8.
    #[error("the {what} is not UTF-8 from byte {at} on; send JSON in UTF-8")]
    NotUtf8 {
        /// Which payload.
        what: &'static str,
        /// How many bytes were good.
        at: usize,
        /// The cause.
        source: std::str::Utf8Error,
    },
    /// Not the JSON of this payload.
    #[error("the {what} cannot be read; compare it with docs/wire.md")]
    Json {
        /// Which payload.
        what: &'static str,
        /// The cause, with line and column.
        source: serde_json::Error,
    },
    /// Another schema, or none.
    #[error("the {what} has schema {found}; write `\"schema\": {SCHEMA}`")]
    Schema {
        /// Which payload.
        what: &'static str,
        /// The number found, or `none`.
        found: String,
    },
    /// A name that is none.
    #[error("`{field}` of the trigger cannot be used")]
    Name {
        /// The field.
        field: &'static str,
        /// The cause.
        source: NameError,
    },
    /// A deadline that the station does not accept.
    #[error("`deadline_ms = {found}` is out of range; write {min} to {max}")]
    Deadline {
        /// The number found.
        found: u64,
        /// The smallest accepted.
        min: u64,
        /// The largest accepted.
        max: u64,
    },
    /// Fields that contradict each other.
    #[error(
        "{what}: `{field} = {found}` does not fit the verdict `{verdict}`; discard the message"
    )]
    Contradiction {
        /// Which payload.
        what: &'static str,
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// The verdict's word.
        verdict: String,
    },
}

/// A part is there: `cmd/trigger`.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriggerPayload {
    /// The number of this payload's schema.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: u32,
    /// The controller's count; the answer carries it back.
    pub sequence: Sequence,
    /// The part.
    #[schemars(with = "NameText")]
    pub part_id: String,
    /// Its type; chooses the recipe.
    #[schemars(with = "NameText")]
    pub part_type: String,
    /// The lot it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<NameText>")]
    pub lot: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<NameText>")]
    pub supplier: Option<String>,
    /// How long the line waits for the answer; without it the station's own limit holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = DEADLINE_MIN_MS, max = DEADLINE_MAX_MS))]
    pub deadline_ms: Option<u64>,
}

/// Which deadlines a station accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadlineLimits {
    /// For triggers that name none.
    pub default_ms: u64,
    /// The smallest accepted.
    pub min_ms: u64,
    /// The largest accepted.
    pub max_ms: u64,
}

/// When a message came, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// On the clock that never jumps.
    pub at: Instant,
    /// The same for people.
    pub at_utc: Timestamp,
}

impl TriggerPayload {
    /// Reads the bytes of `cmd/trigger`.
    ///
    /// # Errors
    /// [`PayloadError`] says what to write instead; the station reports it and starts no inspection.
    pub fn parse(bytes: &[u8]) -> Result<Self, PayloadError> {
        parse("trigger", bytes, PAYLOAD_MAX)
    }

    /// The trigger that arrived at `arrival`; its deadline counts from there.
    ///
    /// # Errors
    /// [`PayloadError`] for names and deadlines that the station does not accept.
    pub fn into_trigger(
        self,
        arrival: Arrival,
        limits: &DeadlineLimits,
    ) -> Result<Trigger, PayloadError> {
        let deadline_ms = self.deadline_ms.unwrap_or(limits.default_ms);
        let out_of_range = || PayloadError::Deadline {
            found: deadline_ms,
            min: limits.min_ms,
            max: limits.max_ms,
        };
        if deadline_ms < limits.min_ms || limits.max_ms < deadline_ms {
            return Err(out_of_range());
        }
        let deadline = arrival
            .at
            .checked_add(Duration::from_millis(deadline_ms))
            .ok_or_else(out_of_range)?;
        Ok(Trigger {
            sequence: self.sequence,
            part: name("part_id", &self.part_id)?,
            part_type: name("part_type", &self.part_type)?,
            lot: self
                .lot
                .as_deref()
                .map(|lot| name("lot", lot))
                .transpose()?,
            supplier: self
                .supplier
                .as_deref()
                .map(|text| name("supplier", text))
                .transpose()?,
            arrived_at: arrival.at,
            arrived_at_utc: arrival.at_utc,
            deadline,
        })
    }
}

fn name(field: &'static str, text: &str) -> Result<Name, PayloadError> {
    Name::new(text).map_err(|source| PayloadError::Name { field, source })
}

/// What the controller did with a verdict: `ack`.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AckPayload {
    /// The number of this payload's schema.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: u32,
    /// The part's count.
    pub sequence: Sequence,
    /// In the line's own words: `passed`, `ejected`, `stopped`.
    pub action: String,
}

impl AckPayload {
    /// Reads the bytes of `ack`.
    ///
    /// # Errors
    /// [`PayloadError`] says what to write instead.
    pub fn parse(bytes: &[u8]) -> Result<Self, PayloadError> {
        parse("ack", bytes, PAYLOAD_MAX)
    }
}

#[derive(Deserialize)]
struct SchemaOnly {
    schema: Option<serde_json::Value>,
}

/// Reads `bytes` as the payload called `what`, checking size, UTF-8 and schema first.
pub(super) fn parse<T: DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
    max: usize,
) -> Result<T, PayloadError> {
    if bytes.len() > max {
        return Err(PayloadError::TooLarge {
            what,
            found: bytes.len(),
            max,
        });
    }
    let text = std::str::from_utf8(bytes).map_err(|source| PayloadError::NotUtf8 {
        what,
        at: source.valid_up_to(),
        source,
    })?;
    let json = |source| PayloadError::Json { what, source };
    let found: SchemaOnly = serde_json::from_str(text).map_err(json)?;
    match found.schema {
        Some(schema) if schema == SCHEMA => serde_json::from_str(text).map_err(json),
        Some(other) => Err(PayloadError::Schema {
            what,
            found: other.to_string(),
        }),
        None => Err(PayloadError::Schema {
            what,
            found: "none".to_owned(),
        }),
    }
}

/// Writes a payload as JSON on one line.
pub(super) fn to_json<T: Serialize>(
    what: &'static str,
    payload: &T,
) -> Result<String, PayloadError> {
    serde_json::to_string(payload).map_err(|source| PayloadError::Json { what, source })
}

/// An error and its causes on one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a String cannot fail.
        write!(text, ": {cause}").ok();
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: DeadlineLimits = DeadlineLimits {
        default_ms: 500,
        min_ms: 5,
        max_ms: 60_000,
    };

    fn read(bytes: &[u8]) -> Result<Trigger, String> {
        let arrival = Arrival {
            at: Instant::now(),
            at_utc: Timestamp::UNIX_EPOCH,
        };
        TriggerPayload::parse(bytes)
            .and_then(|payload| payload.into_trigger(arrival, &LIMITS))
            .map_err(|error| chain(&error))
    }

    fn trigger(more: &str) -> Result<Trigger, String> {
        read(
            format!(r#"{{"schema":1,"sequence":7,"part_id":"P-1","part_type":"bracket"{more}}}"#)
                .as_bytes(),
        )
    }

    #[test]
    fn a_trigger_becomes_one_with_a_deadline() {
        let plain = trigger("").unwrap();
        assert_eq!(
            plain.deadline - plain.arrived_at,
            Duration::from_millis(500)
        );
        let full = trigger(r#","lot":"L7","supplier":"ACME","deadline_ms":60000"#).unwrap();
        assert_eq!(full.lot.unwrap().as_str(), "L7");
        assert_eq!(full.deadline - full.arrived_at, Duration::from_mins(1));
    }

    #[test]
    fn a_bad_trigger_says_what_to_write() {
        insta::assert_snapshot!(trigger(r#","deadline_ms":60001"#).unwrap_err(), @"`deadline_ms = 60001` is out of range; write 5 to 60000");
        insta::assert_snapshot!(trigger(r#","deadline_ms":-1"#).unwrap_err(), @"the trigger cannot be read; compare it with docs/wire.md: invalid value: integer `-1`, expected u64 at line 1 column 79");
        insta::assert_snapshot!(trigger(r#","lot":" L7""#).unwrap_err(), @"`lot` of the trigger cannot be used: ` L7` is no name; write 1 to 64 printable characters");
        insta::assert_snapshot!(trigger(r#","colour":"red""#).unwrap_err(), @"the trigger cannot be read; compare it with docs/wire.md: unknown field `colour`, expected one of `schema`, `sequence`, `part_id`, `part_type`, `lot`, `supplier`, `deadline_ms` at line 1 column 71");
        insta::assert_snapshot!(trigger(r#","sequence":8"#).unwrap_err(), @"the trigger cannot be read; compare it with docs/wire.md: duplicate field `sequence` at line 1 column 73");
        insta::assert_snapshot!(read(br#"{"schema":2,"new":true}"#).unwrap_err(), @r#"the trigger has schema 2; write `"schema": 1`"#);
        insta::assert_snapshot!(read(b"{}").unwrap_err(), @r#"the trigger has schema none; write `"schema": 1`"#);
        insta::assert_snapshot!(read(b"go!").unwrap_err(), @"the trigger cannot be read; compare it with docs/wire.md: expected value at line 1 column 1");
        insta::assert_snapshot!(read(b"{\"schema\":1,\"part_id\":\"\xff\"}").unwrap_err(), @"the trigger is not UTF-8 from byte 23 on; send JSON in UTF-8: invalid utf-8 sequence of 1 bytes from index 23");
        insta::assert_snapshot!(read(&vec![b' '; PAYLOAD_MAX + 1]).unwrap_err(), @"the trigger has 16385 bytes; send at most 16384");
    }

    #[test]
    fn a_sequence_never_wraps_in_silence() {
        let text = r#"{"schema":1,"sequence":4294967296,"part_id":"P","part_type":"t"}"#;
        assert!(read(text.as_bytes()).unwrap_err().contains("expected u32"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            proptest::prop_assert!(read(&bytes).is_err());
            proptest::prop_assert!(AckPayload::parse(&bytes).is_err());
        }

        #[test]
        fn what_is_written_is_read_again(
            sequence: u32,
            part_id in "[^\\s\\pC]{1,64}",
            lot in proptest::option::of("[^\\s\\pC]{1,64}"),
            deadline_ms in proptest::option::of(5_u64..=60_000),
        ) {
            let payload = TriggerPayload {
                schema: SCHEMA, sequence, part_id, part_type: "t".to_owned(), lot,
                supplier: None, deadline_ms,
            };
            let text = to_json("trigger", &payload).unwrap();
            proptest::prop_assert_eq!(&TriggerPayload::parse(text.as_bytes()).unwrap(), &payload);
            proptest::prop_assert_eq!(read(text.as_bytes()).unwrap().sequence, sequence);
        }
    }
}
