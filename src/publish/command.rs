//! Commands: the verbs of OPC 40100-1 on `cmd/<verb>`, and what became of them on `cmd/response`, or
//! on the response topic that an MQTT 5 client asks for.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{Name, NameError};
use crate::record::fields::NameText;

use super::payload::{PAYLOAD_MAX, PayloadError, SCHEMA, parse, to_json};
use super::post::{Delivery, Message};
use super::status::StationState;
use super::topics::Topics;

/// Longest response topic in bytes, most correlation data, longest id of a command.
pub const RESPONSE_TOPIC_MAX: usize = 256;
/// Most bytes of correlation data.
pub const CORRELATION_MAX: usize = 64;

/// What a station can be told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Read recipes, calibrations and models anew, prove the models, open the cameras.
    PrepareRecipe,
    /// Let go of a recipe; with the last one of models and cameras too.
    UnprepareRecipe,
    /// Take one part.
    StartSingleJob,
    /// Take part after part.
    StartContinuous,
    /// Take no more parts; those that are open are finished.
    Stop,
    /// Take no more parts; those that are open are answered at once.
    Abort,
    /// Stop everything and let go of models and cameras, until `reset`.
    Halt,
    /// From `halted` or `error` through all tests to `ready`.
    Reset,
}

impl Verb {
    /// All verbs.
    pub const ALL: [Self; 8] = [
        Self::PrepareRecipe,
        Self::UnprepareRecipe,
        Self::StartSingleJob,
        Self::StartContinuous,
        Self::Stop,
        Self::Abort,
        Self::Halt,
        Self::Reset,
    ];

    /// The last level of its topic.
    pub fn word(self) -> &'static str {
        match self {
            Self::PrepareRecipe => "prepare_recipe",
            Self::UnprepareRecipe => "unprepare_recipe",
            Self::StartSingleJob => "start_single_job",
            Self::StartContinuous => "start_continuous",
            Self::Stop => "stop",
            Self::Abort => "abort",
            Self::Halt => "halt",
            Self::Reset => "reset",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What comes on `cmd/<verb>`.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandPayload {
    /// The number of this payload's schema.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: u32,
    /// Comes back in the response; tells answers apart where MQTT 5 correlation data is not at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<NameText>")]
    pub id: Option<String>,
    /// Which recipe, for `prepare_recipe` and `unprepare_recipe`; all of them without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<NameText>")]
    pub part_type: Option<String>,
}

/// What became of a command: `cmd/response`.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct ResponsePayload {
    /// The number of this payload's schema.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: u32,
    /// The station.
    pub station: String,
    /// The verb.
    pub verb: Verb,
    /// The command's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whether it was done.
    pub done: bool,
    /// Why it was not, or what it did.
    pub text: String,
    /// The station's state after it.
    pub state: StationState,
    /// When it was answered.
    pub at_utc: Timestamp,
}

/// Where a response goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// The topic that the client asked for; `cmd/response` without it.
    pub(super) topic: Option<String>,
    /// Comes back as it came.
    pub(super) correlation: Option<Vec<u8>>,
}

/// A command that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What to do.
    pub verb: Verb,
    /// The client's own mark.
    pub id: Option<String>,
    /// The recipe it is about.
    pub part_type: Option<Name>,
    /// Where the response goes.
    pub reply: Reply,
}

/// Why a command cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The payload.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A command that the broker repeats at every connect.
    #[error("`{verb}` was retained by the broker; publish commands without `retain`")]
    Retained {
        /// The verb.
        verb: Verb,
    },
    /// A name that is none.
    #[error("`{field}` of the command cannot be used")]
    Name {
        /// The field.
        field: &'static str,
        /// The cause.
        source: NameError,
    },
    /// A field that the verb does not have.
    #[error(
        "`{verb}` takes no `part_type`; leave it out, or send `prepare_recipe` or `unprepare_recipe`"
    )]
    NoPartType {
        /// The verb.
        verb: Verb,
    },
    /// A response topic that the station does not write to.
    #[error(
        "the response topic cannot be used; name a topic of your own without wildcards, not one of the station's, of at most {RESPONSE_TOPIC_MAX} bytes"
    )]
    ResponseTopic,
    /// Too much correlation data.
    #[error("the correlation data has {found} bytes; send at most {CORRELATION_MAX}")]
    Correlation {
        /// Its size.
        found: usize,
    },
}

impl Command {
    /// Reads what came on the topic of `verb`.
    pub(super) fn read(
        verb: Verb,
        delivery: Delivery,
        topics: &Topics,
    ) -> Result<Self, CommandError> {
        if delivery.is_retained {
            return Err(CommandError::Retained { verb });
        }
        let payload = CommandPayload::parse(&delivery.payload)?;
        let part_type = payload.part_type.as_deref();
        let part_type = part_type.map(|text| name("part_type", text)).transpose()?;
        if part_type.is_some() && !matches!(verb, Verb::PrepareRecipe | Verb::UnprepareRecipe) {
            return Err(CommandError::NoPartType { verb });
        }
        let reply = delivery.reply;
        if reply
            .topic
            .as_ref()
            .is_some_and(|topic| !topics.may_answer_on(topic, RESPONSE_TOPIC_MAX))
        {
            return Err(CommandError::ResponseTopic);
        }
        let found = reply.correlation.as_ref().map_or(0, Vec::len);
        if CORRELATION_MAX < found {
            return Err(CommandError::Correlation { found });
        }
        Ok(Self {
            verb,
            id: payload.id,
            part_type,
            reply,
        })
    }
}

impl CommandPayload {
    /// Reads the bytes of `cmd/<verb>`.
    ///
    /// # Errors
    /// [`CommandError`] says what to write instead.
    pub fn parse(bytes: &[u8]) -> Result<Self, CommandError> {
        let payload: Self = parse("command", bytes, PAYLOAD_MAX)?;
        let texts = [("id", &payload.id), ("part_type", &payload.part_type)];
        for (field, text) in texts {
            text.as_deref().map(|text| name(field, text)).transpose()?;
        }
        Ok(payload)
    }
}

fn name(field: &'static str, text: &str) -> Result<Name, CommandError> {
    Name::new(text).map_err(|source| CommandError::Name { field, source })
}

impl ResponsePayload {
    /// The response to `command`.
    pub fn new(
        station: &str,
        command: &Command,
        outcome: Result<String, String>,
        state: StationState,
        at_utc: Timestamp,
    ) -> Self {
        let done = outcome.is_ok();
        Self {
            schema: SCHEMA,
            station: station.to_owned(),
            verb: command.verb,
            id: command.id.clone(),
            done,
            text: outcome.unwrap_or_else(|refused| refused),
            state,
            at_utc,
        }
    }

    /// Reads the bytes of `cmd/response`.
    ///
    /// # Errors
    /// [`PayloadError`] says what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, PayloadError> {
        parse("response", bytes, PAYLOAD_MAX)
    }

    pub(super) fn message(&self, reply: Reply, topics: &Topics) -> Result<Message, PayloadError> {
        let topic = reply.topic.unwrap_or_else(|| topics.cmd_response());
        Ok(Message {
            correlation: reply.correlation,
            ..Message::at_least_once(topic, to_json("response", self)?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::payload::chain;

    fn topics() -> Topics {
        Topics::new("taktgate", "acme", "ulm", "body", "line-3", "st-07").unwrap()
    }

    fn delivery(payload: &str) -> Delivery {
        Delivery {
            topic: topics().cmd(Verb::PrepareRecipe),
            payload: payload.into(),
            is_retained: false,
            reply: Reply::default(),
        }
    }

    fn refused(verb: Verb, delivery: Delivery) -> String {
        chain(&Command::read(verb, delivery, &topics()).unwrap_err())
    }

    #[test]
    fn a_command_says_which_recipe_and_who_asked() {
        let asked = delivery(r#"{"schema":1,"id":"hmi-3","part_type":"bracket"}"#);
        let command = Command::read(Verb::PrepareRecipe, asked, &topics()).unwrap();
        assert_eq!(command.id.as_deref(), Some("hmi-3"));
        assert_eq!(command.part_type.unwrap().as_str(), "bracket");
    }

    #[test]
    fn a_bad_command_says_what_to_write() {
        let part_type = delivery(r#"{"schema":1,"part_type":"bracket"}"#);
        insta::assert_snapshot!(refused(Verb::Stop, part_type), @"`stop` takes no `part_type`; leave it out, or send `prepare_recipe` or `unprepare_recipe`");
        insta::assert_snapshot!(refused(Verb::Stop, delivery(r#"{"schema":2}"#)), @"the command has schema 2; write `\"schema\": 1`");
        let retained = Delivery {
            is_retained: true,
            ..delivery(r#"{"schema":1}"#)
        };
        insta::assert_snapshot!(refused(Verb::Reset, retained), @"`reset` was retained by the broker; publish commands without `retain`");
        let correlation = Delivery {
            reply: Reply {
                topic: None,
                correlation: Some(vec![0; CORRELATION_MAX + 1]),
            },
            ..delivery(r#"{"schema":1}"#)
        };
        insta::assert_snapshot!(refused(Verb::Halt, correlation), @"the correlation data has 65 bytes; send at most 64");
    }

    #[test]
    fn a_response_never_goes_where_the_station_speaks_itself() {
        let on = |topic: &str| {
            let asked = Delivery {
                reply: Reply {
                    topic: Some(topic.to_owned()),
                    correlation: None,
                },
                ..delivery(r#"{"schema":1}"#)
            };
            Command::read(Verb::Stop, asked, &topics()).is_ok()
        };
        assert!(on("hmi/7/answers"));
        assert!(on(&format!("{}/hmi-7", topics().cmd_response())));
        let long = "x".repeat(RESPONSE_TOPIC_MAX + 1);
        for bad in [
            &topics().verdict(),
            &topics().cmd_trigger(),
            "",
            "a/#",
            "a/+/b",
            "$SYS/a",
            "a\0",
            &long,
        ] {
            assert!(!on(bad), "{bad:?}");
        }
    }
}
