//! The bench: a station behind the proxy, a line controller and a subscriber that are not ours
//! (mosquitto's own clients) before it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::account::HeldUp;
use crate::house::{House, Running, Settings, Witness, taktgate};
use crate::proxy::{Proxy, pause};

/// How long it may take until everything is delivered after a fault.
pub(crate) const SETTLE_MAX: Duration = Duration::from_mins(1);

/// The file that names the port of the broker's TLS listener.
pub(crate) const TLS_PORT: &str = "tls-port";

/// How much is injected: a look in CI, or the whole of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    Quick,
    Long,
}

impl Scale {
    pub(crate) fn of(self, quick: u32, long: u32) -> u32 {
        match self {
            Self::Quick => quick,
            Self::Long => long,
        }
    }
}

pub(crate) struct Bench {
    pub(crate) house: House,
    pub(crate) proxy: Proxy,
    pub(crate) witness: Witness,
    pub(crate) running: Option<Running>,
    pub(crate) heard: Heard,
    /// What was announced first under a number, and when it was sent.
    pub(crate) sent: BTreeMap<u32, (&'static str, Instant)>,
    /// Parts that the fault may keep from their answer.
    pub(crate) cut_off: BTreeSet<u32>,
    /// Parts whose trigger or verdict is in a network that stalls.
    pub(crate) held_up: BTreeMap<u32, HeldUp>,
    /// What the station has for an answer.
    pub(crate) deadline: Duration,
    pub(crate) next: u32,
}

/// What the subscriber has heard so far.
#[derive(Default)]
pub(crate) struct Heard {
    /// With the moment when the subscriber had them.
    pub(crate) verdicts: Vec<(Instant, Value)>,
    pub(crate) record_ids: Vec<String>,
    /// When the broker passed each number's trigger on.
    triggers: BTreeMap<u64, Instant>,
    events: Vec<Value>,
}

impl Bench {
    /// A bench whose station takes parts.
    pub(crate) fn new(settings: &Settings) -> Self {
        let mut bench = Self::stopped(settings);
        bench.start();
        bench
    }

    /// A bench whose station does not run yet.
    pub(crate) fn stopped(settings: &Settings) -> Self {
        let house = House::new(settings);
        // A broker with a door of its own for the station says where it is.
        let port = fs::read_to_string(house.path(TLS_PORT));
        let port = port.map_or(house.broker.port(), |port| port.parse().unwrap());
        let proxy = Proxy::start(port);
        let bench = Self {
            witness: Witness::start(house.broker.port()),
            house,
            proxy,
            running: None,
            heard: Heard::default(),
            sent: BTreeMap::new(),
            cut_off: BTreeSet::new(),
            held_up: BTreeMap::new(),
            deadline: Duration::from_millis(settings.deadline_ms),
            next: 1,
        };
        let port = |port: u16| format!("port = {port}\n");
        bench.rewrite(&port(bench.house.broker.port()), &port(bench.proxy.port));
        bench
    }

    /// Changes the station file, which must have these words.
    pub(crate) fn rewrite(&self, from: &str, to: &str) {
        let file = self.house.path("station.toml");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "no `{from}` in {text}");
        fs::write(&file, text.replace(from, to)).unwrap();
    }

    pub(crate) fn start(&mut self) {
        self.running = Some(self.house.run());
        self.wait_for_state("continuous_execution");
    }

    pub(crate) fn wait_for_state(&mut self, expected: &str) {
        let until = Instant::now() + SETTLE_MAX;
        loop {
            let Some((leaf, payload)) = self.listen(until) else {
                let log = self.running.as_ref().map(Running::log).unwrap_or_default();
                panic!("the station did not come to `{expected}`: {log}");
            };
            if leaf == "state" && payload["state"] == expected {
                return;
            }
        }
    }

    /// Until the station has logged these words.
    pub(crate) fn wait_for_log(&mut self, words: &str) {
        let until = Instant::now() + SETTLE_MAX;
        let running = self.running.as_ref().unwrap();
        while !running.log().contains(words) {
            assert!(
                Instant::now() < until,
                "not a word of `{words}`: {}",
                running.log()
            );
            pause(Duration::from_millis(50));
        }
    }

    /// Until the station's counters are as they should be.
    pub(crate) fn wait_for_health(&mut self, fits: impl Fn(&Value) -> bool) {
        let until = Instant::now() + SETTLE_MAX;
        loop {
            let Some((leaf, payload)) = self.listen(until) else {
                panic!("the counters did not get there");
            };
            if leaf == "health" && fits(&payload) {
                return;
            }
        }
    }

    pub(crate) fn wait_for_event(&mut self, kind: &str) -> Value {
        let until = Instant::now() + SETTLE_MAX;
        loop {
            if let Some(place) = self
                .heard
                .events
                .iter()
                .position(|event| event["kind"] == kind)
            {
                return self.heard.events.remove(place);
            }
            assert!(self.listen(until).is_some(), "no event `{kind}`");
        }
    }

    /// Announces a part under the next number; false if no broker takes it.
    pub(crate) fn announce(&mut self, part: &'static str) -> bool {
        let sequence = self.next;
        self.next += 1;
        self.announce_again(sequence, part)
    }

    pub(crate) fn announce_again(&mut self, sequence: u32, part: &'static str) -> bool {
        let payload = trigger(sequence, part);
        // The line's timer starts when it sends.
        let sent_at = Instant::now();
        let is_taken = self.house.try_publish("cmd/trigger", payload.as_bytes());
        if is_taken {
            self.sent.entry(sequence).or_insert((part, sent_at));
        }
        is_taken
    }

    /// Announces a part that the fault may keep from its answer: silence is right for it.
    pub(crate) fn announce_cut_off(&mut self, part: &'static str) {
        self.cut_off.insert(self.next);
        assert!(self.announce(part), "the broker is gone");
    }

    /// Announces a part that the fault holds up: its answer may come late, or not at all.
    pub(crate) fn announce_held_up(&mut self, part: &'static str, what: HeldUp) {
        self.held_up.insert(self.next, what);
        self.announce_cut_off(part);
    }

    /// Announces many at full speed over one connection; every one counts from when the broker
    /// passed it on, for the publisher queues them.
    pub(crate) fn storm(&mut self, part: &'static str, n_parts: u32) {
        let numbers = self.next..self.next + n_parts;
        self.next = numbers.end;
        let mut lines = String::new();
        for sequence in numbers.clone() {
            writeln!(lines, "{}", trigger(sequence, part)).unwrap();
        }
        let mut publisher = self.house.open_publisher("cmd/trigger");
        let mut input = publisher.stdin.take().unwrap();
        let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
        let until = Instant::now() + SETTLE_MAX;
        for sequence in numbers {
            // The subscriber must not wait for us: what it prints late looks answered late.
            while !self.heard.triggers.contains_key(&u64::from(sequence)) {
                assert!(self.listen(until).is_some(), "no trigger {sequence}");
            }
            let sent_at = self.heard.triggers[&u64::from(sequence)];
            self.sent.insert(sequence, (part, sent_at));
        }
        writer.join().unwrap();
        assert!(publisher.wait().unwrap().success(), "no broker");
    }

    /// One part after the other, each answered before the next.
    pub(crate) fn one_by_one(&mut self, n_parts: u32) {
        for number in 0..n_parts {
            let part = if number % 3 == 0 { "bad" } else { "good" };
            assert!(self.announce(part), "the broker is gone");
            self.wait_for_last();
        }
    }

    pub(crate) fn wait_for_verdict(&mut self, sequence: u32) -> Value {
        let until = Instant::now() + SETTLE_MAX;
        loop {
            let found = self.heard.verdicts.iter().rev();
            let mut found = found.map(|(_, verdict)| verdict);
            if let Some(verdict) = found.find(|verdict| verdict["sequence"] == sequence) {
                return verdict.clone();
            }
            assert!(self.listen(until).is_some(), "no verdict {sequence}");
        }
    }

    /// The number of the newest part.
    pub(crate) fn last(&self) -> u32 {
        self.next - 1
    }

    /// The answer to the newest part.
    pub(crate) fn wait_for_last(&mut self) -> Value {
        self.wait_for_verdict(self.last())
    }

    /// So many parts have been answered `storage`.
    pub(crate) fn wait_for_storage(&mut self, n_parts: usize) {
        let until = Instant::now() + SETTLE_MAX;
        let is_storage = |(_, verdict): &&(Instant, Value)| verdict["reason"] == "storage";
        while self.heard.verdicts.iter().filter(is_storage).count() < n_parts {
            assert!(self.listen(until).is_some(), "no verdict `storage`");
        }
    }

    /// Until so many records have been heard.
    pub(crate) fn wait_for_records(&mut self, n_records: usize) {
        let until = Instant::now() + SETTLE_MAX;
        while self.heard.record_ids.len() < n_records {
            assert!(self.listen(until).is_some(), "not {n_records} records");
        }
    }

    /// After a restart of the broker: until the subscriber is back.
    pub(crate) fn wait_for_witness(&mut self) {
        let until = Instant::now() + SETTLE_MAX;
        loop {
            assert!(Instant::now() < until, "the subscriber does not come back");
            if self.house.try_publish("ping", b"{}") {
                let soon = Instant::now() + Duration::from_millis(200);
                while let Some((leaf, _)) = self.listen(soon) {
                    if leaf == "ping" {
                        return;
                    }
                }
            }
        }
    }

    /// A subscriber to everything that is stopped in the middle of its life.
    pub(crate) fn sleeping_subscriber(&mut self) -> Running {
        let port = self.house.broker.port().to_string();
        let child = Command::new("mosquitto_sub")
            .args([
                "-h",
                "127.0.0.1",
                "-p",
                &port,
                "-q",
                "1",
                "-t",
                "taktgate/#",
            ])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let sleeper = Running::of(child);
        self.one_by_one(1);
        sleeper.signal("-STOP");
        sleeper
    }

    /// The next thing that the subscriber hears.
    pub(crate) fn listen(&mut self, until: Instant) -> Option<(String, Value)> {
        let (at, leaf, payload) = self.witness.listen(until)?;
        let heard = &mut self.heard;
        match leaf.as_str() {
            "verdict" => heard.verdicts.push((at, payload.clone())),
            "cmd/trigger" => {
                // Rubbish has no number.
                if let Some(sequence) = payload["sequence"].as_u64() {
                    heard.triggers.entry(sequence).or_insert(at);
                }
            }
            "record" => {
                let id = payload["record"]["id"].as_str().unwrap().to_owned();
                heard.record_ids.push(id);
            }
            "event" => heard.events.push(payload.clone()),
            _ => {}
        }
        Some((leaf, payload))
    }

    /// What was logged until now is no news any more.
    pub(crate) fn forget_log(&self) {
        fs::write(self.house.path("run.log"), "").unwrap();
    }

    pub(crate) fn kill(&mut self, signal: &str) {
        let mut running = self.running.take().unwrap();
        running.signal(signal);
        running.wait();
    }
}

fn trigger(sequence: u32, part: &str) -> String {
    serde_json::json!({
        "schema": 1, "sequence": sequence, "part_id": part, "part_type": "plate", "lot": "L-7",
    })
    .to_string()
}

/// A station that must not start: its exit code and what it says.
pub(crate) fn refuses_to_start(house: &House) -> (Option<i32>, String) {
    let output = taktgate()
        .arg("run")
        .arg(house.folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}
