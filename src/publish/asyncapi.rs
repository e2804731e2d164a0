//! The AsyncAPI 3.0 document of a station: who says what on which topic, and how.
//!
//! It holds its schemas itself, in JSON Schema draft 7, the one that every AsyncAPI tool knows; they
//! come from the same types as those of `taktgate schema`.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::command::Verb;
use super::payload::{DEADLINE_MAX_MS, PAYLOAD_MAX, SCHEMA};
use super::plc::{PLC_BLOCK_LENGTH, PlcBlock};
use super::schema::{Direction, MESSAGES, Message, generator};
use super::topics::Topics;

/// What stands in braces in a topic.
const VERB: &str = "verb";
const PARAMETERS: [(&str, &str); 7] = [
    (VERB, "what the station is to do"),
    ("prefix", "the namespace, `taktgate` unless configured"),
    ("enterprise", "ISA-95: the company"),
    ("site", "ISA-95: the plant"),
    ("area", "ISA-95: the shop"),
    ("line", "ISA-95: the line"),
    ("station", "the station"),
];

/// The whole document.
pub(super) fn document() -> Value {
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "taktgate station",
            "version": SCHEMA.to_string(),
            "description": format!(
                "One verdict for every part, before the takt runs out. Silence is a reject: \
                 docs/wire.md has the rules that no schema can say. What a station hears has at \
                 most {PAYLOAD_MAX} bytes of UTF-8, without retain.",
            ),
            "license": {"name": "Apache-2.0 OR MIT"},
        },
        "defaultContentType": "application/json",
        "channels": channels(),
        "operations": operations(),
        "components": {
            "messages": messages(),
            "schemas": schemas(),
            "parameters": parameters(),
        },
    })
}

fn map(entries: impl IntoIterator<Item = (String, Value)>) -> Map<String, Value> {
    entries.into_iter().collect()
}

/// The topic with its levels as parameters.
fn address(message: &Message) -> String {
    Topics::new(
        "{prefix}",
        "{enterprise}",
        "{site}",
        "{area}",
        "{line}",
        "{station}",
    )
    .map(|topics| (message.topic)(&topics))
    .unwrap_or_default()
}

fn channels() -> Map<String, Value> {
    map(MESSAGES.iter().map(|message| {
        let name = message.name;
        let address = address(message);
        let parameters = PARAMETERS
            .iter()
            .filter(|(parameter, _)| address.contains(&format!("{{{parameter}}}")))
            .map(|(parameter, _)| {
                let reference = json!({"$ref": format!("#/components/parameters/{parameter}")});
                ((*parameter).to_owned(), reference)
            });
        let channel = json!({
            "summary": message.about,
            "messages": {name: {"$ref": format!("#/components/messages/{name}")}},
            "parameters": map(parameters),
            "address": address,
        });
        (name.to_owned(), channel)
    }))
}

fn operations() -> Map<String, Value> {
    map(MESSAGES.iter().map(|message| {
        let name = message.name;
        let action = match message.direction {
            Direction::ToStation => "receive",
            Direction::FromStation => "send",
        };
        let mut mqtt = json!({
            "qos": message.qos,
            "retain": message.is_retained,
            "bindingVersion": "0.2.0",
        });
        if let (true, Some(binding)) = (message.is_expiring, mqtt.as_object_mut()) {
            let expiry = json!({
                "description": "What is left of the deadline, in seconds, rounded up.",
                "type": "integer",
                "minimum": 1,
                "maximum": DEADLINE_MAX_MS.div_ceil(1000),
            });
            binding.insert("messageExpiryInterval".to_owned(), expiry);
        }
        let operation = json!({
            "action": action,
            "summary": message.about,
            "channel": {"$ref": format!("#/channels/{name}")},
            "messages": [{"$ref": format!("#/channels/{name}/messages/{name}")}],
            "bindings": {"mqtt": mqtt},
        });
        (format!("{action}-{name}"), operation)
    }))
}

fn settings() -> SchemaSettings {
    SchemaSettings::draft07().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    })
}

fn messages() -> Map<String, Value> {
    map(MESSAGES.iter().map(|message| {
        let (payload, content_type) = match message.payload {
            Some(payload) => {
                let schema = (payload.part)(&mut generator(message.direction, settings()));
                (schema.to_value(), "application/json")
            }
            None => (
                json!({"$ref": "#/components/schemas/PlcBlock"}),
                "application/octet-stream",
            ),
        };
        let entry = json!({
            "name": message.name,
            "title": message.about,
            "contentType": content_type,
            "payload": payload,
        });
        (message.name.to_owned(), entry)
    }))
}

fn schemas() -> Map<String, Value> {
    let mut schemas = Map::new();
    for direction in [Direction::ToStation, Direction::FromStation] {
        let mut generator = generator(direction, settings());
        let payloads = MESSAGES
            .iter()
            .filter(|message| message.direction == direction)
            .filter_map(|message| message.payload);
        for payload in payloads {
            (payload.part)(&mut generator);
        }
        schemas.extend(generator.take_definitions(true));
    }
    let example = PlcBlock::EXAMPLE.encode().map(|byte| format!("{byte:02x}"));
    let block = json!({
        "description": format!(
            "The verdict in bytes, as docs/wire.md and docs/schema/taktgate.st lay them out; \
             for example, in hexadecimal: {}",
            example.join(" "),
        ),
        "type": "string",
        "format": "binary",
        "minLength": PLC_BLOCK_LENGTH,
        "maxLength": PLC_BLOCK_LENGTH,
    });
    schemas.insert("PlcBlock".to_owned(), block);
    schemas
}

fn parameters() -> Map<String, Value> {
    map(PARAMETERS.map(|(level, about)| {
        let description = format!(
            "{about}; 1 to {} characters without `/`, `+`, `#`, control characters or a `$` in front",
            Topics::LEVEL_MAX
        );
        let parameter = if level == VERB {
            json!({"description": about, "enum": Verb::ALL.map(Verb::word)})
        } else {
            json!({"description": description})
        };
        (level.to_owned(), parameter)
    }))
}
