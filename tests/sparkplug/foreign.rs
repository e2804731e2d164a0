//! Two readers that others wrote, from the Python package index and from npm.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};
use taktgate::config::hex;

use crate::payload::{Metric, Payload, Value};
use crate::tap::{Packet, publishes};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.deps/sparkplug");
const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sparkplug");

/// Whether both readers are there. Without them a test says aloud that it skips, and fails where
/// `TAKTGATE_SPARKPLUG_TOOLS=required`, as `.ci/run` has it.
fn are_there() -> bool {
    // The installation writes its stamp last.
    if Path::new(FOLDER).join("stamp").is_file() {
        return true;
    }
    let missing = format!("no readers in {FOLDER}; `make sparkplug-tools` puts them there");
    let required = std::env::var_os("TAKTGATE_SPARKPLUG_TOOLS");
    assert!(
        required.is_none_or(|value| value != "required"),
        "{missing}"
    );
    eprintln!("skipped: {missing}");
    false
}

/// pysparkplug finds in every message what we put into it.
pub(crate) fn python_reads(log: &[Packet]) {
    if are_there() {
        let mut python = Command::new(format!("{FOLDER}/python/bin/python"));
        compare(log, python.arg(format!("{HERE}/read.py")));
    }
}

/// sparkplug-payload finds in every message what we put into it.
pub(crate) fn node_reads(log: &[Packet]) {
    if are_there() {
        let mut node = Command::new("node");
        node.env("NODE_PATH", format!("{FOLDER}/node/node_modules"));
        compare(log, node.arg(format!("{HERE}/read.js")));
    }
}

fn compare(log: &[Packet], reader: &mut Command) {
    let lines: Vec<String> = publishes(log)
        .map(|publish| format!("{} {}\n", publish.topic, hex(&publish.bytes)))
        .collect();
    let mut child = reader
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // Both readers take all lines before their answers fill a pipe, or answer line by line.
    let all = lines.concat();
    let writer = std::thread::spawn(move || input.write_all(all.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let answers = String::from_utf8(output.stdout).unwrap();
    let found: Vec<Json> = answers
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let expected = expected(log);
    assert!(100 < expected.len(), "only {} messages", expected.len());
    assert_eq!(found.len(), expected.len());
    for ((found, expected), line) in found.iter().zip(&expected).zip(&lines) {
        assert_eq!(found, expected, "{line}");
    }
}

/// What a host knows after each message: births give names and types to the aliases of data.
fn expected(log: &[Packet]) -> Vec<Json> {
    let mut births = [Payload::default(), Payload::default()];
    let mut all = Vec::new();
    for publish in publishes(log) {
        let birth = &mut births[usize::from(publish.verb().starts_with('D'))];
        if publish.verb().ends_with("BIRTH") {
            *birth = publish.payload.clone();
        }
        let known = |metric: &Metric| {
            let told = birth.metrics.iter().find(|told| told.alias == metric.alias);
            told.filter(|_| metric.name.is_none())
                .unwrap_or(metric)
                .clone()
        };
        let metrics: Vec<Json> = publish
            .payload
            .metrics
            .iter()
            .map(|metric| as_json(metric, &known(metric)))
            .collect();
        all.push(json!({"seq": publish.payload.seq, "metrics": metrics}));
    }
    all
}

fn as_json(metric: &Metric, known: &Metric) -> Json {
    let value = match &metric.value {
        None => Json::Null,
        Some(Value::Int(value) | Value::Long(value)) => json!(value),
        Some(Value::Boolean(value)) => json!(value),
        Some(Value::Text(value)) => json!(value),
    };
    json!({
        "name": known.name,
        "alias": metric.alias,
        "type": known.datatype,
        "value": value,
        "timestamp": metric.timestamp,
        "is_historical": metric.is_historical,
        "is_null": metric.is_null,
    })
}
