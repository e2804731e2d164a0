//! What hosts say to a node, read from any bytes: the primary host's STATE, and commands.

use prost::Message as _;
use serde::Deserialize;

use crate::publish::payload::PAYLOAD_MAX;

use super::proto::{Metric, Payload, Value};
use super::tag::Tag;

/// The JSON on `spBv1.0/STATE/<host>`; other keys are the host's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct HostState {
    /// Whether it is there.
    pub online: bool,
    /// Since when, in milliseconds since 1970 UTC by the host's clock.
    pub timestamp: u64,
}

/// What an NCMD asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeCommand {
    /// All births again.
    pub asks_for_rebirth: bool,
}

/// Why a host's message counts for nothing.
#[derive(Debug, thiserror::Error)]
pub enum HostMessageError {
    /// Too many bytes.
    #[error("the host's {what} has {found} bytes; send at most {PAYLOAD_MAX}")]
    TooLarge {
        /// Which message.
        what: &'static str,
        /// Its size.
        found: usize,
    },
    /// Not the JSON of a STATE.
    #[error(
        r#"the host's STATE cannot be read; send `{{"online":true,"timestamp":MILLISECONDS}}`"#
    )]
    State {
        /// The cause, with line and column.
        source: serde_json::Error,
    },
    /// Not Protocol Buffers.
    #[error("the host's NCMD cannot be read; send a payload of Sparkplug B")]
    Command {
        /// The cause.
        source: prost::DecodeError,
    },
}

impl HostState {
    /// Reads a STATE.
    ///
    /// # Errors
    /// [`HostMessageError`]: what is known of the host stays as it is.
    pub fn parse(bytes: &[u8]) -> Result<Self, HostMessageError> {
        fits("STATE", bytes)?;
        serde_json::from_slice(bytes).map_err(|source| HostMessageError::State { source })
    }
}

impl NodeCommand {
    /// Reads an NCMD.
    ///
    /// # Errors
    /// [`HostMessageError`]: nothing is done.
    pub fn parse(bytes: &[u8]) -> Result<Self, HostMessageError> {
        fits("NCMD", bytes)?;
        let payload =
            Payload::decode(bytes).map_err(|source| HostMessageError::Command { source })?;
        Ok(Self {
            asks_for_rebirth: payload.metrics.iter().any(is_rebirth),
        })
    }
}

fn fits(what: &'static str, bytes: &[u8]) -> Result<(), HostMessageError> {
    let found = bytes.len();
    if found <= PAYLOAD_MAX {
        Ok(())
    } else {
        Err(HostMessageError::TooLarge { what, found })
    }
}

fn is_rebirth(metric: &Metric) -> bool {
    metric.name.as_deref() == Some(Tag::Rebirth.name())
        && metric.value == Some(Value::Boolean(true))
}

#[cfg(test)]
mod tests {
    use crate::publish::payload::chain;

    use super::*;

    #[test]
    fn what_cannot_be_read_says_what_to_send() {
        let state = |bytes: &[u8]| chain(&HostState::parse(bytes).unwrap_err());
        insta::assert_snapshot!(
            state(b"OFFLINE"),
            @r#"the host's STATE cannot be read; send `{"online":true,"timestamp":MILLISECONDS}`: expected value at line 1 column 1"#
        );
        let large = vec![b' '; PAYLOAD_MAX + 1];
        insta::assert_snapshot!(state(&large), @"the host's STATE has 16385 bytes; send at most 16384");
        insta::assert_snapshot!(
            chain(&NodeCommand::parse(&large).unwrap_err()),
            @"the host's NCMD has 16385 bytes; send at most 16384"
        );
        let broken = chain(&NodeCommand::parse(&[0xff; 9]).unwrap_err());
        assert!(
            broken.starts_with("the host's NCMD cannot be read; send a payload of Sparkplug B: "),
            "{broken}"
        );
    }

    #[test]
    fn a_state_may_be_as_large_as_a_message_and_no_larger() {
        let padded = |n_bytes: usize| {
            let state = br#"{"online":true,"timestamp":7}"#;
            let blanks = vec![b' '; n_bytes - state.len()];
            HostState::parse(&[state, blanks.as_slice()].concat())
        };
        let expected = HostState {
            online: true,
            timestamp: 7,
        };
        assert_eq!(padded(PAYLOAD_MAX).unwrap(), expected);
        assert!(padded(PAYLOAD_MAX + 1).is_err());
    }
}
