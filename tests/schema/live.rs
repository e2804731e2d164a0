//! What a running station and its line really send, over a real mosquitto, held against the schemas and
//! the AsyncAPI document: payload, topic, `QoS`, retain and expiry.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use jsonschema::Validator;
use serde_json::{Value, json};
use taktgate::publish::PlcBlock;

use super::house::{self, House, Settings};
use super::{schema, shipped};

const LEVELS: [(&str, &str); 7] = [
    ("{verb}", "stop"),
    ("{prefix}", "taktgate"),
    ("{enterprise}", "acme"),
    ("{site}", "site"),
    ("{area}", "area"),
    ("{line}", "line"),
    ("{station}", "st"),
];

/// One message as `mosquitto_sub` saw it.
struct Seen {
    topic: String,
    is_retained: bool,
    qos: u64,
    expiry_s: Option<u64>,
    payload: Vec<u8>,
}

/// A reader that shares no code with us and sees each message as it was published.
struct Listener {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Listener {
    fn start(port: u16) -> Self {
        let mut child = Command::new("mosquitto_sub")
            .args([
                "-V",
                "mqttv5",
                "-h",
                "127.0.0.1",
                "-p",
                &port.to_string(),
                "-q",
                "1",
            ])
            .args([
                "--retain-as-published",
                "-W",
                "50",
                "-t",
                "taktgate/#",
                "-F",
                "%t %r %q %E %x",
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next message; none when the reader's time (`-W`) has passed.
    fn next(&mut self) -> Option<Seen> {
        let line = self.lines.next()?.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let [topic, retain, qos, expiry, hex] = words[..] else {
            panic!("{line}")
        };
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        Some(Seen {
            topic: topic.to_owned(),
            is_retained: retain == "1",
            qos: qos.parse().unwrap(),
            expiry_s: expiry.parse().ok(),
            payload: (0..hex.len()).step_by(2).map(byte).collect(),
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = killed {
            eprintln!("the reader was gone already: {error}");
        }
    }
}

/// What the documents say about the messages of one channel.
struct Channel {
    name: String,
    topic: String,
    mqtt: Value,
    /// The JSON Schema, and the schema within the AsyncAPI document; none for the PLC block.
    validators: Vec<Validator>,
}

fn channels() -> Vec<Channel> {
    let document: Value = serde_json::from_str(&shipped("asyncapi.json")).unwrap();
    let operations = document["operations"].as_object().unwrap();
    let channel = |(name, channel): (&String, &Value)| {
        let reference = json!({"$ref": format!("#/channels/{name}")});
        let (_, operation) = operations
            .iter()
            .find(|(_, o)| o["channel"] == reference)
            .unwrap();
        let address = channel["address"].as_str().unwrap().to_owned();
        let payload = &document["components"]["messages"][name]["payload"];
        let within = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "allOf": [payload],
            "components": document["components"],
        });
        let validators = if name == "verdict-plc" {
            Vec::new()
        } else {
            vec![schema(name).1, jsonschema::validator_for(&within).unwrap()]
        };
        Channel {
            name: name.clone(),
            topic: LEVELS
                .iter()
                .fold(address, |topic, (level, text)| topic.replace(level, text)),
            mqtt: operation["bindings"]["mqtt"].clone(),
            validators,
        }
    };
    document["channels"]
        .as_object()
        .unwrap()
        .iter()
        .map(channel)
        .collect()
}

/// Holds a message against the documents; says in a word or two what it was.
fn check(channels: &[Channel], seen: &Seen) -> String {
    let channel = channels
        .iter()
        .find(|channel| channel.topic == seen.topic)
        .unwrap_or_else(|| panic!("{} is no topic of asyncapi.json", seen.topic));
    let name = &channel.name;
    let mqtt = &channel.mqtt;
    assert_eq!(seen.qos, mqtt["qos"], "QoS of {name}");
    if channel.validators.is_empty() {
        let block = PlcBlock::decode(&seen.payload).unwrap();
        assert_eq!(
            seen.expiry_s.is_some(),
            mqtt.get("messageExpiryInterval").is_some()
        );
        return format!("{name} {}", block.verdict.word());
    }
    let payload: Value = serde_json::from_slice(&seen.payload).unwrap();
    // What the test itself sends with `mosquitto_pub` shows nothing about our own side.
    let is_ours = !["good", "bad"]
        .map(Value::from)
        .contains(&payload["part_id"])
        || name != "trigger";
    if is_ours {
        assert_eq!(seen.is_retained, mqtt["retain"], "retain of {name}");
        match mqtt.get("messageExpiryInterval") {
            Some(limits) => assert!(
                (limits["minimum"].as_u64()..=limits["maximum"].as_u64()).contains(&seen.expiry_s),
                "expiry of {name}: {:?}",
                seen.expiry_s
            ),
            None => assert_eq!(seen.expiry_s, None, "expiry of {name}"),
        }
    }
    for validator in &channel.validators {
        let errors: Vec<String> = validator
            .iter_errors(&payload)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}\n{payload:#}");
    }
    let word = ["verdict", "state"]
        .into_iter()
        .find_map(|key| payload[key].as_str());
    format!("{name} {}", word.unwrap_or_default())
        .trim_end()
        .to_owned()
}

#[test]
fn messages_really_sent_fit_the_documents() {
    let house = House::new(&Settings::default());
    let channels = channels();
    retained_trigger(&house);
    let mut listener = Listener::start(house.broker.port());
    let running = house.run();
    let mut kinds = BTreeSet::new();
    let mut until = |wanted: &[&str]| {
        while !wanted.iter().all(|kind| kinds.contains(*kind)) {
            let Some(seen) = listener.next() else {
                panic!("not all of {wanted:?} came in time, only {kinds:?}")
            };
            kinds.insert(check(&channels, &seen));
        }
    };
    until(&["state continuous_execution"]);
    house.trigger(1, "good");
    house.trigger(2, "bad");
    until(&[
        "verdict ok",
        "verdict-plc ok",
        "verdict ng",
        "verdict-plc ng",
        "record",
        "event",
        "health",
    ]);
    // The program's own line; its parts have no picture here.
    let line = house::taktgate()
        .arg("line")
        .arg(house.folder.path())
        .args(["--parts", "2", "--takt-ms", "30"])
        .status()
        .unwrap();
    assert!(line.success());
    until(&[
        "trigger",
        "ack",
        "verdict indeterminate",
        "verdict-plc indeterminate",
    ]);
    let stop = house::taktgate()
        .arg("command")
        .arg(house.folder.path())
        .arg("stop")
        .status()
        .unwrap();
    assert!(stop.success());
    until(&["command", "response ready", "state ready"]);
    running.signal("-KILL");
    until(&["state offline"]);
}

/// Good in itself, but the station refuses what the broker kept for it, and says so on `event`.
fn retained_trigger(house: &House) {
    let payload = json!({"schema": 1, "sequence": 3, "part_id": "good", "part_type": "plate"});
    let status = Command::new("mosquitto_pub")
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &house.broker.port().to_string(),
            "-q",
            "1",
            "-r",
        ])
        .args([
            "-t",
            "taktgate/acme/site/area/line/st/cmd/trigger",
            "-m",
            &payload.to_string(),
        ])
        .status()
        .unwrap();
    assert!(status.success());
}
