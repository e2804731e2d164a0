//! A broker, the tap before it, a node behind the tap, and a host by the command line.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

use jiff::Timestamp;
use taktgate::publish::{
    Broker, BrokerSettings, Connection, HealthPayload, Outgoing, PLC_BLOCK_LENGTH, SCHEMA,
    Sparkplug, SparkplugSettings, StatePayload, StationState, VerdictPayload,
};
use tempfile::TempDir;

use crate::payload::{Metric, Payload, rebirth_command};
use crate::tap::{Kind, PATIENCE, Packet, Tap};

pub(crate) const HOST: &str = "scada";

/// What a host says of itself.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum HostIs {
    Online,
    Offline,
}

pub(crate) struct Scene {
    folder: TempDir,
    pub(crate) broker: Broker,
    pub(crate) tap: Tap,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::start(BrokerSettings::local(folder.path())).unwrap();
        let tap = Tap::start(broker.port());
        Self {
            folder,
            broker,
            tap,
        }
    }

    pub(crate) fn bd_seq_file(&self) -> PathBuf {
        self.folder.path().join("bdseq")
    }

    pub(crate) fn node(&self, host: Option<&str>) -> Sparkplug {
        let settings = SparkplugSettings::new("Ulm", "st-07", "gate", host).unwrap();
        let connection = Connection::plain("127.0.0.1", self.tap.port, "taktgate-st-07");
        Sparkplug::start(connection, settings, &self.bd_seq_file()).unwrap()
    }

    pub(crate) fn publish(&self, topic: &str, payload: &[u8], arguments: &[&str]) {
        publish(self.broker.port(), topic, payload, arguments);
    }

    pub(crate) fn ask_for_rebirth(&self) {
        self.publish("spBv1.0/Ulm/NCMD/st-07", &rebirth_command(), &[]);
    }

    /// A host says whether it is there, and the node has acknowledged that it heard it.
    pub(crate) fn host_says(&self, host: &str, is: HostIs, timestamp: u64) {
        let n_acks = |log: &[Packet]| {
            let acks = log
                .iter()
                .filter(|packet| matches!(packet.kind, Kind::PubAck));
            acks.count()
        };
        let before = n_acks(&self.tap.log());
        let online = is == HostIs::Online;
        let payload = format!(r#"{{"online":{online},"timestamp":{timestamp}}}"#);
        self.publish(
            &format!("spBv1.0/STATE/{host}"),
            payload.as_bytes(),
            &["-r"],
        );
        if host == HOST {
            self.tap.wait("acknowledgement", |log| {
                (before < n_acks(log)).then_some(())
            });
        }
    }
}

fn publish(port: u16, topic: &str, payload: &[u8], arguments: &[&str]) {
    let mut child = Command::new("mosquitto_pub")
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-q",
            "1",
            "-t",
            topic,
            "-s",
        ])
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(payload).unwrap();
    assert!(child.wait().unwrap().success());
}

/// What a host knows of the aliases: births, then data by alias.
#[derive(Default)]
pub(crate) struct Names(BTreeMap<u64, String>);

impl Names {
    pub(crate) fn of(birth: &Payload) -> Self {
        let named = |metric: &Metric| Some((metric.alias?, metric.name.clone()?));
        Self(birth.metrics.iter().filter_map(named).collect())
    }

    /// The metrics of this name in a data message.
    pub(crate) fn find_all<'p>(
        &self,
        data: &'p Payload,
        name: &str,
    ) -> impl Iterator<Item = &'p Metric> {
        let alias = self
            .0
            .iter()
            .find(|(_, found)| *found == name)
            .map(|(alias, _)| *alias);
        let of_alias = move |metric: &&Metric| alias.is_some() && metric.alias == alias;
        data.metrics.iter().filter(of_alias)
    }
}

pub(crate) fn state(state: StationState) -> Outgoing {
    let reason = "golden vectors passed";
    let payload = StatePayload::new("st-07", state, reason, Timestamp::now());
    Outgoing::State(Box::new(payload))
}

pub(crate) fn health(triggers: u64) -> Outgoing {
    Outgoing::Health(Box::new(HealthPayload {
        schema: SCHEMA,
        station: "st-07".to_owned(),
        triggers,
        ok: triggers / 2,
        ng: triggers - triggers / 2,
        // More than 32 bits, which not every library brings over.
        frames_lost: u64::from(u32::MAX) + triggers,
        at_utc: Timestamp::now(),
        ..HealthPayload::default()
    }))
}

pub(crate) fn verdict(sequence: u32) -> Outgoing {
    verdict_at(sequence, Timestamp::now())
}

pub(crate) fn verdict_at(sequence: u32, now: Timestamp) -> Outgoing {
    let payload = VerdictPayload {
        schema: SCHEMA,
        station: "st-07".to_owned(),
        sequence,
        part_id: format!("Türblatt {sequence}"),
        part_id_read: None,
        part_type: "bracket".to_owned(),
        verdict: "indeterminate".to_owned(),
        result_code: 3,
        reason: Some("doubtful".to_owned()),
        findings_count: 0,
        findings: Vec::new(),
        decided_at_utc: now,
        expires_at_utc: now,
        remaining_ms: 100,
        repeated: false,
        record_id: "0193".to_owned(),
        total_ms: 187,
        clock_stepped_s: None,
    };
    Outgoing::Verdict {
        payload: Box::new(payload),
        plc: [0; PLC_BLOCK_LENGTH],
        expires_at: Instant::now(),
    }
}

/// `mosquitto_sub`: a reader that shares no code with us. One line a message: topic, `QoS`, retain, hex.
pub(crate) struct Witness {
    child: Child,
    lines: Receiver<String>,
}

impl Witness {
    /// Subscribed when this returns.
    pub(crate) fn start(port: u16) -> Self {
        let port_text = port.to_string();
        let mut child = Command::new("mosquitto_sub")
            .args([
                "-V",
                "mqttv5",
                "--retain-as-published",
                "-h",
                "127.0.0.1",
                "-p",
                &port_text,
            ])
            .args([
                "-q",
                "1",
                "-t",
                "spBv1.0/#",
                "-t",
                "ready",
                "-F",
                "%t %q %r %x",
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sink, lines) = sync_channel(10_000);
        let out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sink.send(line).is_err() {
                    return;
                }
            }
        });
        publish(port, "ready", b"\x08\x01", &["-r"]);
        let witness = Self { child, lines };
        witness.next("ready");
        witness
    }

    /// The next message on `topic`: `QoS`, retain, payload.
    pub(crate) fn next(&self, topic: &str) -> (String, String, Payload) {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap();
            let words: Vec<&str> = line.rsplitn(4, ' ').collect();
            if let [hex, retain, qos, found] = words[..]
                && found == topic
            {
                let payload = Payload::read(&from_hex(hex)).unwrap();
                return (qos.to_owned(), retain.to_owned(), payload);
            }
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn from_hex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}
