//! The bench: a station behind the proxy, a line controller and a subscriber that are not ours
//! (mosquitto's own clients) before it, and the account of what was answered and recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use taktgate::record::{RecordFilter, RecordReader};

use crate::house::{House, Running, Settings, Witness, taktgate};
use crate::proxy::{Proxy, pause};

/// How long it may take until everything is delivered after a fault.
const SETTLE_MAX: Duration = Duration::from_mins(1);
const QUIET: Duration = Duration::from_millis(400);

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

/// One line of the table.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) fault: &'static str,
    /// What has to happen.
    pub(crate) correct: &'static str,
    pub(crate) injected: u32,
    pub(crate) triggers: usize,
    /// Exactly one answer, in time, and the right one.
    pub(crate) right: usize,
    /// No answer: the line's own timer rejects. Right only where the fault cut the line off.
    pub(crate) silent: usize,
    pub(crate) records: usize,
    pub(crate) lost: usize,
    /// Delivered more than once; the receiver drops them by their id.
    pub(crate) repeated: usize,
}

pub(crate) struct Bench {
    pub(crate) house: House,
    pub(crate) proxy: Proxy,
    pub(crate) witness: Witness,
    pub(crate) running: Option<Running>,
    heard: Heard,
    sent: BTreeMap<u32, (&'static str, Instant)>,
    next: u32,
}

/// What the subscriber has heard so far.
#[derive(Default)]
struct Heard {
    verdicts: Vec<(Instant, Value)>,
    record_ids: Vec<String>,
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
        let file = house.path("station.toml");
        let text = fs::read_to_string(&file).unwrap();
        let broker = format!("port = {}\n", house.broker.port());
        assert!(text.contains(&broker));
        fs::write(
            &file,
            text.replace(&broker, &format!("port = {}\n", proxy.port)),
        )
        .unwrap();
        Self {
            witness: Witness::start(house.broker.port()),
            house,
            proxy,
            running: None,
            heard: Heard::default(),
            sent: BTreeMap::new(),
            next: 1,
        }
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
        let is_taken = self.house.try_publish("cmd/trigger", payload.as_bytes());
        if is_taken {
            self.sent.entry(sequence).or_insert((part, Instant::now()));
        }
        is_taken
    }

    /// Announces many at full speed over one connection; every one counts.
    pub(crate) fn storm(&mut self, part: &'static str, n_parts: u32) {
        let mut lines = String::new();
        for sequence in self.next..self.next + n_parts {
            writeln!(lines, "{}", trigger(sequence, part)).unwrap();
            self.sent.insert(sequence, (part, Instant::now()));
        }
        self.next += n_parts;
        self.house.publish_lines("cmd/trigger", &lines);
    }

    /// One part after the other, each answered before the next.
    pub(crate) fn one_by_one(&mut self, n_parts: u32) {
        for number in 0..n_parts {
            let part = if number % 3 == 0 { "bad" } else { "good" };
            assert!(self.announce(part), "the broker is gone");
            self.wait_for_verdict(self.next - 1);
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

    /// The first answer to the newest part.
    pub(crate) fn wait_for_last(&mut self) -> Value {
        self.wait_for_verdict(self.next - 1)
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
    fn listen(&mut self, until: Instant) -> Option<(String, Value)> {
        let (leaf, payload) = self.witness.listen(until)?;
        let heard = &mut self.heard;
        match leaf.as_str() {
            "verdict" => heard.verdicts.push((Instant::now(), payload.clone())),
            "record" => {
                let id = payload["record"]["id"].as_str().unwrap().to_owned();
                heard.record_ids.push(id);
            }
            "event" => heard.events.push(payload.clone()),
            _ => {}
        }
        Some((leaf, payload))
    }

    /// Waits until every record has been heard and nothing more comes.
    fn settle(&mut self) -> Vec<String> {
        let until = Instant::now() + SETTLE_MAX;
        loop {
            while self.listen(Instant::now() + QUIET).is_some() {}
            let stored = self.stored_ids();
            let heard: BTreeSet<&String> = self.heard.record_ids.iter().collect();
            if stored.iter().all(|id| heard.contains(id)) || until < Instant::now() {
                return stored;
            }
        }
    }

    /// The ids in the station's store, in their order; its chain holds.
    fn stored_ids(&self) -> Vec<String> {
        let path = self.house.path("data/records.sqlite");
        let store = RecordReader::open(&path).unwrap();
        let verified = store.verify().unwrap();
        assert!(verified.fault.is_none(), "{:?}", verified.fault);
        let records = store.find(&RecordFilter::default(), usize::MAX).unwrap();
        let ids = records.iter().rev().map(|record| {
            let value: Value = serde_json::from_str(&record.json).unwrap();
            value["id"].as_str().unwrap().to_owned()
        });
        ids.collect()
    }

    /// The account, when all is quiet: `is_right` looks at the part and its first answer.
    pub(crate) fn account(
        mut self,
        fault: &'static str,
        correct: &'static str,
        injected: u32,
        is_right: impl Fn(&str, &Value) -> bool,
    ) -> Row {
        let stored = self.settle();
        let mut answers: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
        for (_, verdict) in &self.heard.verdicts {
            let sequence = verdict["sequence"].as_u64().unwrap();
            answers.entry(sequence).or_default().push(verdict);
        }
        let mut row = Row {
            fault,
            correct,
            injected,
            triggers: self.sent.len(),
            records: stored.len(),
            ..Row::default()
        };
        for (sequence, (part, _)) in &self.sent {
            let said = answers.remove(&u64::from(*sequence)).unwrap_or_default();
            let first = said.iter().filter(|verdict| verdict["repeated"] == false);
            let is_one = first.count() <= 1;
            let is_same = said
                .iter()
                .all(|verdict| verdict["verdict"] == said[0]["verdict"]);
            match said.first() {
                None => row.silent += 1,
                Some(verdict) => {
                    let all_right = is_one && is_same && is_right(part, verdict);
                    assert!(all_right, "{fault}: part {sequence} `{part}`: {said:#?}");
                    row.right += 1;
                }
            }
        }
        assert!(
            answers.is_empty(),
            "{fault}: answers that nobody asked for: {answers:?}"
        );
        let heard: BTreeSet<&String> = self.heard.record_ids.iter().collect();
        row.lost = stored.iter().filter(|id| !heard.contains(id)).count();
        row.repeated = self.heard.record_ids.len() - heard.len();
        self.check_order(fault, &stored);
        row
    }

    /// First deliveries come in the order of the store.
    fn check_order(&self, fault: &str, stored: &[String]) {
        let mut seen = BTreeSet::new();
        let first = self.heard.record_ids.iter().filter(|id| seen.insert(*id));
        let first: Vec<&String> = first.collect();
        let known: BTreeSet<&String> = stored.iter().collect();
        assert!(
            first.iter().all(|id| known.contains(id)),
            "{fault}: a record that is not stored"
        );
        let places: BTreeMap<&String, usize> = stored.iter().zip(0..).collect();
        let places: Vec<usize> = first.iter().map(|id| places[*id]).collect();
        assert!(
            places.is_sorted(),
            "{fault}: records out of order: {places:?}"
        );
    }

    pub(crate) fn kill(&mut self, signal: &str) {
        let mut running = self.running.take().unwrap();
        running.signal(signal);
        running.wait();
    }
}

impl Row {
    /// Every trigger was answered, and every record was delivered.
    pub(crate) fn all_answered(self) -> Self {
        assert_eq!(self.silent, 0, "{self:#?}");
        self.nothing_lost()
    }

    /// Every record was delivered; `silent` parts were rejected by the line's own timer.
    pub(crate) fn nothing_lost(self) -> Self {
        assert_eq!(self.right + self.silent, self.triggers, "{self:#?}");
        assert!(0 < self.right && self.lost == 0, "{self:#?}");
        self
    }
}

/// `good` is OK, `bad` is NG.
pub(crate) fn as_seen(part: &str, verdict: &Value) -> bool {
    verdict["verdict"] == if part == "bad" { "ng" } else { "ok" }
}

/// As seen, or not decidable for this reason.
pub(crate) fn as_seen_or(reason: &str) -> impl Fn(&str, &Value) -> bool + '_ {
    move |part, verdict| as_seen(part, verdict) || is_for(reason)(part, verdict)
}

/// Not decidable for this reason.
pub(crate) fn is_for(reason: &str) -> impl Fn(&str, &Value) -> bool + '_ {
    move |_, verdict| verdict["verdict"] == "indeterminate" && verdict["reason"] == reason
}

fn trigger(sequence: u32, part: &str) -> String {
    serde_json::json!({
        "schema": 1, "sequence": sequence, "part_id": part, "part_type": "plate", "lot": "L-7",
    })
    .to_string()
}

/// A small disk of its own for the station's data; needs root, and is gone with the test.
pub(crate) struct Disk {
    path: PathBuf,
}

impl Disk {
    /// `None`, said aloud, where this user may not mount.
    pub(crate) fn mount(path: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir_all(&path).unwrap();
        let options = format!("size={size}");
        let mounted = run(
            "mount",
            &["-t", "tmpfs", "-o", &options, "tmpfs", path.to_str()?],
        );
        if !mounted {
            eprintln!("SKIPPED: this user may not mount a small disk");
        }
        mounted.then_some(Self { path })
    }

    pub(crate) fn remount(&self, how: &str) {
        let options = format!("remount,{how}");
        assert!(run("mount", &["-o", &options, self.path.to_str().unwrap()]));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The station's process may still be on its way out.
        let until = Instant::now() + Duration::from_secs(10);
        while !run("umount", &[self.path.to_str().unwrap()]) && Instant::now() < until {
            pause(Duration::from_millis(50));
        }
    }
}

pub(crate) fn run(program: &str, words: &[&str]) -> bool {
    let status = Command::new(program).args(words).status();
    status.is_ok_and(|status| status.success())
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
