//! A broker, a station, a line and an independent witness for the tests of the wire.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use taktgate::domain::{InspectionRecord, Name, Sequence, StageTimings, Trigger, Verdict};
use taktgate::publish::{
    Broker, BrokerSettings, Connection, Controller, ControllerEvent, DeadlineLimits, InboxLimits,
    Incoming, Outgoing, PlcBlock, Protocol, Publisher, SCHEMA, StatePayload, StationState, Topics,
    TriggerPayload, Validity, VerdictPayload,
};
use tempfile::TempDir;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const BOTH: [Protocol; 2] = [Protocol::V5, Protocol::V311];

pub(crate) struct Scene {
    pub(crate) folder: TempDir,
    pub(crate) broker: Broker,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(|_| Vec::new())
    }

    /// With more lines of configuration, which may name files in the folder.
    pub(crate) fn with(lines: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lines = lines(folder.path());
        let settings = BrokerSettings {
            lines,
            ..BrokerSettings::local(folder.path())
        };
        let broker = Broker::start(settings).unwrap();
        Self { folder, broker }
    }

    pub(crate) fn connection(&self, client_id: &str) -> Connection {
        Connection::plain("127.0.0.1", self.broker.port(), client_id)
    }

    pub(crate) fn station(&self, protocol: Protocol) -> Station {
        Station::start(Connection {
            protocol,
            ..self.connection("station")
        })
    }

    /// Connected.
    pub(crate) fn ready_station(&self, protocol: Protocol) -> Station {
        let station = self.station(protocol);
        station.connected();
        station.send(Outgoing::State(Box::new(state(StationState::Ready))));
        station
    }

    pub(crate) fn line(&self, protocol: Protocol) -> Line {
        let (sink, events) = sync_channel(10_000);
        let connection = Connection {
            protocol,
            ..self.connection("line")
        };
        let sink = move |event| sink.try_send(event).is_ok();
        let controller = Controller::start(connection, topics(), sink).unwrap();
        let line = Line { controller, events };
        line.wait(|event| matches!(event, ControllerEvent::Connected).then_some(()));
        line
    }

    pub(crate) fn publish(&self, topic: &str, payload: &[u8], arguments: &[&str]) {
        let port = self.broker.port().to_string();
        let mut child = Command::new("mosquitto_pub")
            .args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic, "-s"])
            .args(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(payload).unwrap();
        assert!(child.wait().unwrap().success());
    }

    pub(crate) fn kill_broker(&self) {
        let pid = self.broker.pid().to_string();
        assert!(
            Command::new("kill")
                .args(["-KILL", &pid])
                .status()
                .unwrap()
                .success()
        );
    }
}

pub(crate) struct Station {
    pub(crate) publisher: Publisher,
    pub(crate) news: Receiver<Incoming>,
}

impl Station {
    pub(crate) fn start(connection: Connection) -> Self {
        let (sink, news) = sync_channel(10_000);
        let will = StatePayload::last_will("st-07", Timestamp::now());
        let limits = InboxLimits {
            deadlines: DeadlineLimits {
                default_ms: 500,
                min_ms: 5,
                max_ms: 60_000,
            },
            per_s_max: 10_000,
        };
        let sink = move |news| sink.try_send(news).is_ok();
        let publisher = Publisher::start(connection, topics(), will, limits, sink).unwrap();
        Self { publisher, news }
    }

    pub(crate) fn wait<T>(&self, find: impl FnMut(Incoming) -> Option<T>) -> T {
        wait(&self.news, find)
    }

    pub(crate) fn connected(&self) {
        self.wait(|news| matches!(news, Incoming::Connected).then_some(()));
    }

    pub(crate) fn refusal(&self) -> String {
        self.wait(|news| match news {
            Incoming::Disconnected { error } => Some(error),
            Incoming::Connected => panic!("connected"),
            _ => None,
        })
    }

    pub(crate) fn trigger(&self) -> Trigger {
        self.wait(|news| match news {
            Incoming::Trigger(trigger) => Some(trigger),
            _ => None,
        })
    }

    pub(crate) fn send(&self, outgoing: Outgoing) {
        self.publisher.try_send(outgoing).unwrap();
    }

    pub(crate) fn answer(&self, trigger: Trigger, verdict: Verdict, valid_for: Duration) {
        let decided_at_utc = Timestamp::now();
        let record = InspectionRecord {
            id: "0192".to_owned(),
            station: "st-07".to_owned(),
            trigger,
            verdict,
            part_read: None,
            late: false,
            findings: Vec::new(),
            views: Vec::new(),
            recipe: None,
            models: Vec::new(),
            calibrations: Vec::new(),
            timings: StageTimings::default(),
            decided_at_utc,
            clock_stepped_s: None,
            software_version: "0.1.0".to_owned(),
        };
        let expires_at_utc = decided_at_utc + jiff::SignedDuration::try_from(valid_for).unwrap();
        let payload = VerdictPayload::new(
            &record,
            Validity {
                remaining: valid_for,
                expires_at_utc,
                clock_stepped_s: None,
            },
        );
        let plc = PlcBlock::new(&payload, valid_for).unwrap().encode();
        let expires_at = Instant::now() + valid_for;
        self.send(Outgoing::Verdict {
            payload: Box::new(payload),
            plc,
            expires_at,
        });
    }
}

pub(crate) struct Line {
    pub(crate) controller: Controller,
    pub(crate) events: Receiver<ControllerEvent>,
}

impl Line {
    pub(crate) fn wait<T>(&self, find: impl FnMut(ControllerEvent) -> Option<T>) -> T {
        wait(&self.events, find)
    }

    pub(crate) fn verdict(&self) -> VerdictPayload {
        self.wait(|event| match event {
            ControllerEvent::Verdict { payload, .. } => Some(*payload),
            ControllerEvent::Unreadable { topic, error } => panic!("{topic}: {error}"),
            _ => None,
        })
    }

    pub(crate) fn state(&self) -> StatePayload {
        self.wait(|event| match event {
            ControllerEvent::State(state) => Some(*state),
            _ => None,
        })
    }
}

pub(crate) fn wait<E, T>(events: &Receiver<E>, mut find: impl FnMut(E) -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if let Some(found) = find(events.recv_timeout(left).unwrap()) {
            return found;
        }
    }
}

/// A reader that shares no code with us; one line a message: topic, retain, `QoS`, expiry, hex.
pub(crate) struct Witness {
    pub(crate) child: Child,
    pub(crate) lines: Receiver<String>,
}

impl Witness {
    pub(crate) fn of(scene: &Scene, topic: &str) -> Self {
        let port = scene.broker.port().to_string();
        let mut child = Command::new("mosquitto_sub")
            .args([
                "-V",
                "mqttv5",
                "-h",
                "127.0.0.1",
                "-p",
                &port,
                "-q",
                "1",
                "-t",
                topic,
            ])
            .args(["-F", "%t %r %q %E %x"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sink, lines) = sync_channel(1000);
        let out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sink.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// The next message on `topic`: retain, `QoS`, expiry in seconds, payload.
    pub(crate) fn next(&self, topic: &str) -> (String, String, Option<u32>, Vec<u8>) {
        wait(&self.lines, |line| {
            let mut words = line.split(' ');
            let mut word = || words.next().unwrap_or_default().to_owned();
            let (found, retain, qos, expiry, hex) = (word(), word(), word(), word(), word());
            (found == topic).then(|| (retain, qos, expiry.parse().ok(), from_hex(&hex)))
        })
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

pub(crate) fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .chars()
        .map(|digit| digit.to_digit(16).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair.iter().fold(0, |n, d| n * 16 + d)).unwrap())
        .collect()
}

pub(crate) fn topics() -> Topics {
    Topics::new("taktgate", "acme", "ulm", "body", "line-3", "st-07").unwrap()
}

pub(crate) fn state(state: StationState) -> StatePayload {
    StatePayload::new("st-07", state, "", Timestamp::now())
}

pub(crate) fn part(sequence: Sequence) -> TriggerPayload {
    TriggerPayload {
        schema: SCHEMA,
        sequence,
        part_id: format!("P-{sequence}"),
        part_type: "bracket".to_owned(),
        lot: None,
        supplier: None,
        deadline_ms: Some(5000),
    }
}

pub(crate) fn domain_trigger(sequence: Sequence) -> Trigger {
    let now = Instant::now();
    Trigger {
        sequence,
        part: Name::new("P").unwrap(),
        part_type: Name::new("bracket").unwrap(),
        lot: None,
        supplier: None,
        arrived_at: now,
        arrived_at_utc: Timestamp::now(),
        deadline: now + Duration::from_secs(5),
    }
}
