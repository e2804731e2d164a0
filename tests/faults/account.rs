//! The account of a row: what was answered, when, and whether what was said is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use taktgate::record::{RecordFilter, RecordReader};

use crate::bench::{Bench, SETTLE_MAX};

/// How long nothing more must come until all is said.
const QUIET: Duration = Duration::from_millis(400);

/// What the line's publisher takes to start and to connect, and the subscriber to print: processes
/// of their own, which no station answers for.
const CLIENTS_MAX: Duration = Duration::from_millis(250);

/// What of a part is in a network that stalls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum HeldUp {
    /// The broker has sent it, so its expiry is over; the station cannot know how old it is.
    Trigger,
    /// The station has sent it; what it says about its expiry stays true.
    Verdict,
}

/// One line of the table.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) fault: &'static str,
    /// What has to happen.
    pub(crate) correct: &'static str,
    /// Why this machine could not do it.
    pub(crate) skipped: Option<&'static str>,
    pub(crate) injected: u32,
    pub(crate) triggers: usize,
    /// Exactly one answer, in time, and the right one.
    pub(crate) right: usize,
    /// The right answer, after the line's own timer has rejected the part. Right only where the
    /// network held it up.
    pub(crate) late: usize,
    /// No answer: the line's own timer rejects. Right only where the fault cut the line off.
    pub(crate) silent: usize,
    /// Parts that were announced while the fault had the line cut off.
    pub(crate) silent_max: usize,
    /// The longest time from a trigger's sending to its answer.
    pub(crate) slowest: Duration,
    pub(crate) records: usize,
    pub(crate) lost: usize,
    /// Delivered more than once; the receiver drops them by their id.
    pub(crate) repeated: usize,
}

impl HeldUp {
    fn explains(self, heard_at: Instant, verdict: &Value) -> bool {
        let expires_at: Timestamp = verdict["expires_at_utc"].as_str().unwrap().parse().unwrap();
        let has_expired = expires_at < Timestamp::now() - heard_at.elapsed();
        self == Self::Trigger || has_expired
    }
}

impl Row {
    /// A row that this machine cannot do; it must be able to where `TAKTGATE_FAULTS=required`, as
    /// `.ci/run` has it.
    pub(crate) fn skipped(fault: &'static str, correct: &'static str, why: &'static str) -> Self {
        let required = std::env::var_os("TAKTGATE_FAULTS");
        assert!(
            required.is_none_or(|value| value != "required"),
            "{fault}: {why}"
        );
        eprintln!("skipped: {fault}: {why}");
        Self {
            fault,
            correct,
            skipped: Some(why),
            ..Self::default()
        }
    }

    /// Every trigger was answered, and every record was delivered.
    pub(crate) fn all_answered(self) -> Self {
        assert_eq!(self.silent_max, 0, "{self:#?}");
        self.nothing_lost()
    }

    /// Every record was delivered; only parts that were cut off were rejected by the line's own timer.
    pub(crate) fn nothing_lost(self) -> Self {
        assert!(self.silent <= self.silent_max, "{self:#?}");
        assert!(0 < self.right && self.lost == 0, "{self:#?}");
        self
    }
}

/// The station's store, when all is quiet.
#[derive(Default)]
struct Stored {
    ids: Vec<String>,
    by_id: BTreeMap<String, Value>,
}

impl Bench {
    /// The account, when all is quiet: `is_right` looks at the part and its first answer.
    pub(crate) fn account(
        mut self,
        fault: &'static str,
        correct: &'static str,
        injected: u32,
        is_right: impl Fn(&str, &Value) -> bool,
    ) -> Row {
        let stored = self.settle();
        let mut answers: BTreeMap<u64, Vec<&(Instant, Value)>> = BTreeMap::new();
        for said in &self.heard.verdicts {
            let sequence = said.1["sequence"].as_u64().unwrap();
            answers.entry(sequence).or_default().push(said);
        }
        let is_cut_off = |sequence: &u32| self.cut_off.contains(sequence);
        let mut row = Row {
            fault,
            correct,
            injected,
            triggers: self.sent.len(),
            silent_max: self.sent.keys().filter(|key| is_cut_off(key)).count(),
            records: stored.ids.len(),
            ..Row::default()
        };
        for (sequence, (part, sent_at)) in &self.sent {
            let said = answers.remove(&u64::from(*sequence)).unwrap_or_default();
            let Some((heard_at, first)) = said.first() else {
                assert!(is_cut_off(sequence), "{fault}: no answer to {sequence}");
                row.silent += 1;
                continue;
            };
            let n_first = said
                .iter()
                .filter(|(_, verdict)| verdict["repeated"] == false);
            let is_one = n_first.count() <= 1;
            let is_same = said
                .iter()
                .all(|(_, verdict)| verdict["verdict"] == first["verdict"]);
            let all_right = is_one && is_same && is_right(part, first);
            assert!(all_right, "{fault}: part {sequence} `{part}`: {said:#?}");
            let waited = heard_at.saturating_duration_since(*sent_at);
            if waited <= self.deadline + CLIENTS_MAX {
                row.slowest = row.slowest.max(waited);
                row.right += 1;
            } else {
                let held_up = self.held_up.get(sequence);
                assert!(
                    held_up.is_some_and(|what| what.explains(*heard_at, first)),
                    "{fault}: part {sequence} had {:?} and was answered after {waited:?}: {first:#?}",
                    self.deadline
                );
                row.late += 1;
            }
        }
        assert!(
            answers.is_empty(),
            "{fault}: answers that nobody asked for: {answers:?}"
        );
        for (_, verdict) in &self.heard.verdicts {
            stored.has_what_was_said(fault, verdict);
        }
        let heard: BTreeSet<&String> = self.heard.record_ids.iter().collect();
        row.lost = stored.ids.iter().filter(|id| !heard.contains(id)).count();
        row.repeated = self.heard.record_ids.len() - heard.len();
        self.check_order(fault, &stored.ids);
        row
    }

    /// Waits until every record has been heard and nothing more comes.
    fn settle(&mut self) -> Stored {
        let until = Instant::now() + SETTLE_MAX;
        loop {
            while self.listen(Instant::now() + QUIET).is_some() {}
            let stored = self.stored();
            let heard: BTreeSet<&String> = self.heard.record_ids.iter().collect();
            if stored.ids.iter().all(|id| heard.contains(id)) || until < Instant::now() {
                return stored;
            }
        }
    }

    /// What is in the station's store, in its order; its chain holds.
    fn stored(&self) -> Stored {
        let path = self.house.path("data/records.sqlite");
        let store = RecordReader::open(&path).unwrap();
        let verified = store.verify().unwrap();
        assert!(verified.fault.is_none(), "{:?}", verified.fault);
        let records = store.find(&RecordFilter::default(), usize::MAX).unwrap();
        let mut stored = Stored::default();
        for record in records.iter().rev() {
            let value: Value = serde_json::from_str(&record.json).unwrap();
            let id = value["id"].as_str().unwrap().to_owned();
            stored.ids.push(id.clone());
            stored.by_id.insert(id, value);
        }
        stored
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
}

impl Stored {
    /// What was said is recorded, and the record says the same. Only `storage` says that there is no
    /// record, and only an answer from before a restart, said again, does not name it.
    fn has_what_was_said(&self, fault: &str, verdict: &Value) {
        let id = verdict["record_id"].as_str().unwrap();
        if verdict["reason"] == "storage" {
            let passed = self
                .by_id
                .get(id)
                .filter(|record| record["verdict"] == "ok");
            assert!(
                passed.is_none(),
                "{fault}: refused, and recorded as passed: {verdict}"
            );
            return;
        }
        if id.is_empty() {
            assert_eq!(
                verdict["repeated"], true,
                "{fault}: names no record: {verdict}"
            );
            return;
        }
        let Some(record) = self.by_id.get(id) else {
            panic!("{fault}: said, and not recorded: {verdict}");
        };
        let is_same = ["sequence", "part_id", "verdict"]
            .iter()
            .all(|key| record[key] == verdict[key])
            && record["reason"] == verdict["reason"]
            && record["late"] == false;
        assert!(is_same, "{fault}: said {verdict}, and recorded {record}");
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
