//! All messages of the wire in one table, and the documents made from it: a JSON Schema for each
//! payload, the AsyncAPI document, the Structured Text of the PLC block.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use crate::record::RecordForm;

use super::asyncapi;
use super::command::{CommandPayload, ResponsePayload};
use super::payload::{AckPayload, TriggerPayload};
use super::plc::structured_text;
use super::status::{EventPayload, HealthPayload, RecordEnvelope, StatePayload};
use super::topics::Topics;
use super::verdict::VerdictPayload;

/// Every message; a new payload is a new line here.
pub(super) const MESSAGES: [Message; 10] = [
    Message::heard::<TriggerPayload>("trigger", Topics::cmd_trigger, "a part is there").expiring(),
    Message::heard::<CommandPayload>("command", Topics::cmd_of_verb, "what the station is to do"),
    Message::said::<ResponsePayload>("response", Topics::cmd_response, "what became of a command"),
    Message::heard::<AckPayload>("ack", Topics::ack, "what the line did with a verdict"),
    Message::said::<VerdictPayload>("verdict", Topics::verdict, "the answer for one part")
        .expiring(),
    Message::said_in_bytes("verdict-plc", Topics::verdict_plc, "the answer in 32 bytes").expiring(),
    Message::said::<StatePayload>("state", Topics::state, "the station's state").retained(),
    Message::said::<HealthPayload>("health", Topics::health, "the station's counters")
        .retained()
        .at_most_once(),
    Message::said::<EventPayload>("event", Topics::event, "what a person should know"),
    Message::said::<RecordEnvelope>("record", Topics::record, "an inspection record on its way"),
];

/// A kind of message.
#[derive(Clone, Copy)]
pub(super) struct Message {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) topic: fn(&Topics) -> String,
    pub(super) direction: Direction,
    pub(super) qos: u8,
    pub(super) is_retained: bool,
    pub(super) is_expiring: bool,
    /// `None` for the PLC block.
    pub(super) payload: Option<Payload>,
}

/// Who says it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    ToStation,
    FromStation,
}

/// What the schema of a payload is made by.
#[derive(Clone, Copy)]
pub(super) struct Payload {
    whole: fn(&mut SchemaGenerator) -> Schema,
    pub(super) part: fn(&mut SchemaGenerator) -> Schema,
}

impl Payload {
    const fn of<T: JsonSchema>() -> Self {
        Self {
            whole: SchemaGenerator::root_schema_for::<T>,
            part: SchemaGenerator::subschema_for::<T>,
        }
    }
}

impl Message {
    const fn said_in_bytes(
        name: &'static str,
        topic: fn(&Topics) -> String,
        about: &'static str,
    ) -> Self {
        Self {
            name,
            about,
            topic,
            direction: Direction::FromStation,
            qos: 1,
            is_retained: false,
            is_expiring: false,
            payload: None,
        }
    }

    const fn said<T: JsonSchema>(
        name: &'static str,
        topic: fn(&Topics) -> String,
        about: &'static str,
    ) -> Self {
        Self {
            payload: Some(Payload::of::<T>()),
            ..Self::said_in_bytes(name, topic, about)
        }
    }

    const fn heard<T: JsonSchema>(
        name: &'static str,
        topic: fn(&Topics) -> String,
        about: &'static str,
    ) -> Self {
        Self {
            direction: Direction::ToStation,
            ..Self::said::<T>(name, topic, about)
        }
    }

    const fn expiring(self) -> Self {
        Self {
            is_expiring: true,
            ..self
        }
    }

    const fn retained(self) -> Self {
        Self {
            is_retained: true,
            ..self
        }
    }

    const fn at_most_once(self) -> Self {
        Self { qos: 0, ..self }
    }
}

/// A document for whoever programs the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What it is asked for by.
    pub name: &'static str,
    /// Its file in `docs/schema`.
    pub file: String,
    /// What it describes.
    pub about: &'static str,
    /// The whole of it.
    pub text: String,
}

/// All documents.
pub fn documents() -> Vec<Document> {
    let json = |name, about, direction, payload: Payload| Document {
        name,
        file: format!("{name}.schema.json"),
        about,
        text: text(
            (payload.whole)(&mut generator(direction, SchemaSettings::draft2020_12())).as_value(),
        ),
    };
    let payloads = MESSAGES.into_iter().filter_map(|message| {
        let Message {
            name,
            about,
            direction,
            ..
        } = message;
        message
            .payload
            .map(|payload| json(name, about, direction, payload))
    });
    payloads
        .chain([
            json(
                "inspection-record",
                "an inspection record as it is stored, and within `record`",
                Direction::FromStation,
                Payload::of::<RecordForm>(),
            ),
            Document {
                name: "asyncapi",
                file: "asyncapi.json".to_owned(),
                about: "topics, directions, QoS and messages as AsyncAPI 3.0",
                text: text(&asyncapi::document()),
            },
            Document {
                name: "iec",
                file: "taktgate.st".to_owned(),
                about: "the PLC block in Structured Text (IEC 61131-3)",
                text: structured_text(),
            },
        ])
        .collect()
}

fn text(json: &Value) -> String {
    format!("{json:#}\n")
}

/// What is heard is described as the station reads it, what is said as the station writes it.
pub(super) fn generator(direction: Direction, settings: SchemaSettings) -> SchemaGenerator {
    let settings = settings.with_transform(RecursiveTransform(plainly));
    match direction {
        Direction::ToStation => settings.for_deserialize(),
        Direction::FromStation => settings.for_serialize(),
    }
    .into_generator()
}

/// Rust's number formats become ranges, and times say that they are in UTC.
fn plainly(schema: &mut Schema) {
    let format = schema
        .get("format")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let max = match format.as_deref() {
        Some("uint8") => Some(u64::from(u8::MAX)),
        Some("uint16") => Some(u64::from(u16::MAX)),
        Some("uint32") => Some(u64::from(u32::MAX)),
        Some("uint" | "uint64") => Some(u64::MAX),
        _ => None,
    };
    if schema.get("const").is_some() {
        schema.remove("minimum");
    } else if let (Some(max), None) = (max, schema.get("maximum")) {
        schema.insert("maximum".to_owned(), max.into());
    }
    match format.as_deref() {
        Some("date-time") => {
            let utc = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$";
            schema.insert("pattern".to_owned(), utc.into());
        }
        Some(_) => {
            schema.remove("format");
        }
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_have_no_links_of_rustdoc() {
        for document in documents() {
            assert!(!document.text.contains("[`"), "{}", document.file);
        }
    }
}
