//! `record`: the proof of the chain on good and on forged stores, beside a station that writes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use jiff::Timestamp;
use rusqlite::Connection;
use taktgate::domain::{InspectionRecord, Name, Reason, StageTimings, Trigger, Verdict};
use taktgate::record::{Keep, RecordFilter, RecordReader, RecordStore, Retention, RetentionRules};

use crate::scene::{Scene, filters};

const STORE: &str = "st-07/data/records.sqlite";

/// A station with eight records a minute apart: the third is bad, the fifth in doubt, the seventh of another lot.
struct Recorded {
    scene: Scene,
    store: RecordStore,
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn record(n: u32) -> InspectionRecord {
    let at = Timestamp::from_second(1_795_000_000 + 60 * i64::from(n)).unwrap();
    InspectionRecord {
        id: format!("id-{n}"),
        station: "st-07".into(),
        trigger: Trigger {
            sequence: n,
            part: name(&format!("part-{n}")),
            part_type: name("bracket"),
            lot: Some(name(if n == 7 { "L-2" } else { "L-1" })),
            supplier: Some(name("Stahl AG")),
            arrived_at: Instant::now(),
            arrived_at_utc: at,
            deadline: Instant::now(),
        },
        verdict: match n {
            3 => Verdict::Ng,
            5 => Verdict::Indeterminate(Reason::Doubtful),
            _ => Verdict::Ok,
        },
        part_read: None,
        late: false,
        findings: vec![],
        views: vec![],
        recipe: None,
        models: vec![],
        calibrations: vec![],
        timings: StageTimings::default(),
        decided_at_utc: at,
        clock_stepped_s: None,
        software_version: "0.1.0".into(),
    }
}

impl Recorded {
    fn new() -> Self {
        let scene = Scene::with_station();
        scene.write("st-07/data/note.txt", "the folder of the records");
        let mut store = RecordStore::open(&scene.path(STORE)).unwrap();
        for n in 1..=8 {
            store.append(&record(n)).unwrap();
        }
        for delivered in 1..=6 {
            store.mark_delivered(delivered).unwrap();
        }
        Self { scene, store }
    }

    fn path(&self) -> PathBuf {
        self.scene.path(STORE)
    }

    /// Removes all that may go, and appends two more.
    fn retained() -> Self {
        let mut recorded = Self::new();
        let keep = Keep {
            age_max: Duration::ZERO,
            bytes_max: u64::MAX,
        };
        let rules = RetentionRules {
            records: keep,
            images: keep,
            newest_kept: 4,
            records_at_once: 4,
        };
        let path = recorded.path();
        let mut retention =
            Retention::open(&path, &recorded.scene.path("st-07/data/images")).unwrap();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let bite = retention.bite(&rules, now).unwrap();
        assert_eq!(bite.records.unwrap().n_records, 4);
        for n in 9..=10 {
            recorded.store.append(&record(n)).unwrap();
        }
        recorded
    }

    fn taktgate(&self, args: &[&str]) -> String {
        self.scene.taktgate(&[&["record"], args].concat())
    }

    /// What `verify` says after somebody had his hands on the closed store.
    fn forged(self, statements: &str) -> String {
        let Self { scene, store } = self;
        drop(store);
        let connection = Connection::open(scene.path(STORE)).unwrap();
        let statements = format!("PRAGMA foreign_keys = OFF; {statements}");
        connection.execute_batch(&statements).unwrap();
        connection.close().unwrap();
        scene.taktgate(&["record", "verify", "st-07"])
    }
}

#[test]
fn a_whole_chain_is_proved_beside_the_station_that_writes_it() {
    let recorded = Recorded::new();
    assert_snapshot!(recorded.taktgate(&["verify", "st-07"]), @"
    exit 0
    --- stdout
    ┌─┬─┐
    │ records ┆ 8, of them 8 intact │
    │ removed by retention ┆ 0 │
    │ intact from ┆ row 1, [TIME], id-1 │
    │ intact until ┆ row 8, [TIME], id-8 │
    │ last hash ┆ [SHA256] │
    └─┴─┘
    the chain is whole
    ");
    assert_snapshot!(recorded.taktgate(&["verify", STORE, "--json"]), @r#"
    exit 0
    --- stdout
    {"faults":[],"good":true,"head_sha256":"[SHA256]","intact_from":{"decided_at_utc":"[TIME]","id":"id-1","row":1},"intact_until":{"decided_at_utc":"[TIME]","id":"id-8","row":8},"records":8,"records_intact":8,"records_removed":0,"store":"st-07/data/records.sqlite"}
    "#);
    // The data folder and the station's file name the same store.
    for same in ["st-07/data", "st-07/station.toml"] {
        assert!(recorded.taktgate(&["verify", same]).starts_with("exit 0"));
    }
    assert_snapshot!(recorded.taktgate(&["verify", "nowhere.sqlite"]), @"
    exit 1
    --- stderr
    error: cannot open `nowhere.sqlite`; is the disk mounted, and may taktgate write there?
      because No such file or directory (os error 2)
    ");
}

#[test]
fn forged_stores_are_found_and_the_place_is_named() {
    let _filters = filters();
    assert_snapshot!(Recorded::new().forged("UPDATE record SET verdict = 'ok' WHERE row = 3"), @"
    exit 3
    --- stdout
    ┌─┬─┐
    │ records ┆ 8, of them 2 intact │
    │ removed by retention ┆ 0 │
    │ intact from ┆ row 1, [TIME], id-1 │
    │ intact until ┆ row 2, [TIME], id-2 │
    │ last hash ┆ [SHA256] │
    └─┴─┘
    --- stderr
    error: record `id-3` (row 3) was changed
    ");
    assert_snapshot!(Recorded::new().forged("DELETE FROM record WHERE row = 3"), @"
    exit 3
    --- stdout
    ┌─┬─┐
    │ records ┆ 7, of them 2 intact │
    │ removed by retention ┆ 0 │
    │ intact from ┆ row 1, [TIME], id-1 │
    │ intact until ┆ row 2, [TIME], id-2 │
    │ last hash ┆ [SHA256] │
    └─┴─┘
    --- stderr
    error: a record is missing before record `id-4` (row 4)
    ");
    assert_snapshot!(Recorded::new().forged("INSERT INTO record SELECT 9, 'forged', sequence, part, part_type, lot, supplier, decided_at, verdict, reason, late, json, sha256, part_read FROM record WHERE row = 2"), @"
    exit 3
    --- stdout
    ┌─┬─┐
    │ records ┆ 9, of them 8 intact │
    │ removed by retention ┆ 0 │
    │ intact from ┆ row 1, [TIME], id-1 │
    │ intact until ┆ row 8, [TIME], id-8 │
    │ last hash ┆ [SHA256] │
    └─┴─┘
    --- stderr
    error: record `forged` (row 9) was inserted
    ");
    assert_snapshot!(Recorded::retained().forged("DELETE FROM record WHERE row = 8; UPDATE record SET row = row - 1 WHERE 8 < row"), @"
    exit 3
    --- stdout
    ┌─┬─┐
    │ records ┆ 5, of them 3 intact │
    │ removed by retention ┆ 4 │
    │ intact from ┆ row 5, [TIME], id-5 │
    │ intact until ┆ row 7, [TIME], id-7 │
    │ last hash ┆ [SHA256] │
    └─┴─┘
    --- stderr
    error: a record is missing before record `id-9` (row 8)
    ");
    assert_snapshot!(Recorded::retained().forged("DELETE FROM record WHERE row = 5; UPDATE gap SET last_row = 5"), @"
    exit 3
    --- stdout
    ┌─┬─┐
    │ records ┆ 5, of them 0 intact │
    │ removed by retention ┆ 0 │
    │ intact from ┆ - │
    │ intact until ┆ - │
    │ last hash ┆ [SHA256] │
    └─┴─┘
    --- stderr
    error: what retention noted about removed records was changed, or does not fit (near row 1)
    ");
}

#[test]
fn what_retention_removed_is_said_and_a_delivered_hash_proves_the_rest() {
    let recorded = Recorded::retained();
    assert_snapshot!(recorded.taktgate(&["verify", "st-07"]), @"
    exit 0
    --- stdout
    ┌─┬─┐
    │ records ┆ 6, of them 6 intact │
    │ removed by retention ┆ 4 │
    │ intact from ┆ row 5, [TIME], id-5 │
    │ intact until ┆ row 10, [TIME], id-10 │
    │ last hash ┆ [SHA256] │
    └─┴─┘
    the chain is whole
    ");
    let reader = RecordReader::open(&recorded.path()).unwrap();
    for delivered in ["id-5", "id-9", "id-10"] {
        let noted = reader
            .get(delivered)
            .unwrap()
            .unwrap()
            .form()
            .unwrap()
            .previous_sha256;
        let told = recorded.taktgate(&["verify", "st-07", "--expect", &noted]);
        assert!(told.starts_with("exit 0"), "{told}");
    }
    let unknown = "ab".repeat(32);
    assert_snapshot!(recorded.taktgate(&["verify", "st-07", "--expect", &unknown]), @"
    exit 3
    --- stdout
    ┌─┬─┐
    │ records ┆ 6, of them 6 intact │
    │ removed by retention ┆ 4 │
    │ intact from ┆ row 5, [TIME], id-5 │
    │ intact until ┆ row 10, [TIME], id-10 │
    │ last hash ┆ [SHA256] │
    └─┴─┘
    the chain is whole
    --- stderr
    error: no record or removal has the hash [SHA256]: the store was rewritten, or is another one
    ");
}

#[test]
fn records_are_listed_by_what_a_person_asks_for() {
    let recorded = Recorded::new();
    assert_snapshot!(recorded.taktgate(&["list", "st-07", "--limit", "4"]), @"
    exit 0
    --- stdout
    ┌─┬─┬─┬─┬─┬─┬─┬─┬─┐
    │ decided at ┆ sequence ┆ part ┆ type ┆ lot ┆ supplier ┆ verdict ┆ record ┆ │
    ╞═╪═╪═╪═╪═╪═╪═╪═╪═╡
    │ [TIME] ┆ 8 ┆ part-8 ┆ bracket ┆ L-1 ┆ Stahl AG ┆ ok ┆ id-8 ┆ │
    │ [TIME] ┆ 7 ┆ part-7 ┆ bracket ┆ L-2 ┆ Stahl AG ┆ ok ┆ id-7 ┆ │
    │ [TIME] ┆ 6 ┆ part-6 ┆ bracket ┆ L-1 ┆ Stahl AG ┆ ok ┆ id-6 ┆ │
    │ [TIME] ┆ 5 ┆ part-5 ┆ bracket ┆ L-1 ┆ Stahl AG ┆ indeterminate (doubtful) ┆ id-5 ┆ │
    └─┴─┴─┴─┴─┴─┴─┴─┴─┘
    --- stderr
    the newest 4; `--limit` shows more
    ");
    let ids = |filter: &[&str]| {
        let told = recorded.taktgate(&[&["list", "st-07", "--json"], filter].concat());
        let ids = told
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        ids.map(|line| line["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(ids(&["--verdict", "NG"]), "id-3");
    assert_eq!(ids(&["--lot", "L-2"]), "id-7");
    assert_eq!(ids(&["--part", "part-6", "--supplier", "Stahl AG"]), "id-6");
    assert_eq!(ids(&["--supplier", "nobody"]), "");
    let time = |n| record(n).decided_at_utc.to_string();
    assert_eq!(
        ids(&["--since", &time(4), "--until", &time(6)]),
        "id-5 id-4"
    );
    assert_eq!(ids(&["--until", "2000-01-01"]), "");
    assert_snapshot!(recorded.taktgate(&["list", "st-07", "--since", "yesterday"]), @"
    exit 2
    --- stderr
    error: invalid value 'yesterday' for '--since <TIME>': `yesterday` is no time; write 2026-11-22 (UTC) or 2026-11-22T06:00:00+01:00

    For more information, try '--help'.
    ");
    assert_snapshot!(recorded.taktgate(&["list", "st-07", "--verdict", "bad"]), @"
    exit 2
    --- stderr
    error: invalid value 'bad' for '--verdict <VERDICT>': write ok, ng or indeterminate

    For more information, try '--help'.
    ");
}

#[test]
fn a_record_is_shown_whole_and_its_holds_come_and_go() {
    let recorded = Recorded::new();
    assert_snapshot!(recorded.taktgate(&["hold", "st-07", "id-3", "id-7", "--reason", "claim 4711"]), @"
    exit 0
    --- stdout
    id-3 is on hold
    id-7 is on hold
    ");
    assert_snapshot!(recorded.taktgate(&["list", "st-07", "--on-hold"]), @"
    exit 0
    --- stdout
    ┌─┬─┬─┬─┬─┬─┬─┬─┬─┐
    │ decided at ┆ sequence ┆ part ┆ type ┆ lot ┆ supplier ┆ verdict ┆ record ┆ │
    ╞═╪═╪═╪═╪═╪═╪═╪═╪═╡
    │ [TIME] ┆ 7 ┆ part-7 ┆ bracket ┆ L-2 ┆ Stahl AG ┆ ok ┆ id-7 ┆ on hold │
    │ [TIME] ┆ 3 ┆ part-3 ┆ bracket ┆ L-1 ┆ Stahl AG ┆ ng ┆ id-3 ┆ on hold │
    └─┴─┴─┴─┴─┴─┴─┴─┴─┘
    ");
    let told = recorded.taktgate(&["show", "st-07", "id-3"]);
    assert!(told.contains("\"part_id\": \"part-3\""), "{told}");
    let table = told.split_once("\n}\n").unwrap().1;
    assert_snapshot!(table, @"
    ┌─┬─┐
    │ row ┆ 3 │
    │ hash ┆ [SHA256] │
    │ text ┆ fits its hash │
    │ outbox ┆ delivered │
    │ on hold ┆ claim 4711 (since [TIME]) │
    └─┴─┘
    ");
    assert_snapshot!(recorded.taktgate(&["release", "st-07", "id-3", "id-4"]), @"
    exit 0
    --- stdout
    id-3 is released
    id-4 was not on hold
    ");
    assert_snapshot!(recorded.taktgate(&["hold", "st-07", "id-99", "--reason", "x"]), @"
    exit 1
    --- stderr
    error: the record store `st-07/data/records.sqlite` has no record `id-99`; `taktgate record list` shows them
    ");
    assert_snapshot!(recorded.taktgate(&["hold", "st-07", "id-1", "--reason", " "]), @"
    exit 1
    --- stderr
    error: `--reason` is empty; write why the records are kept, for whoever wonders later
    ");
    assert_snapshot!(recorded.taktgate(&["show", "st-07", "id-99"]), @"
    exit 1
    --- stderr
    error: `st-07/data/records.sqlite` has no record `id-99`; `taktgate record list` shows them
    ");
    let told = recorded.taktgate(&["show", "st-07", "id-7", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(told.lines().nth(2).unwrap()).unwrap();
    assert_eq!(shown["hold"]["reason"], "claim 4711");
    assert_eq!(
        (&shown["intact"], &shown["undelivered"]),
        (&true.into(), &true.into())
    );
}

#[test]
fn an_export_has_the_records_as_they_were_sent() {
    let recorded = Recorded::new();
    assert_snapshot!(recorded.taktgate(&["export", "st-07", "--lot", "L-1", "--out", "lot.jsonl"]), @"
    exit 0
    --- stderr
    7 records
    ");
    let exported = recorded.scene.read("lot.jsonl");
    let stored = recorded
        .store
        .read()
        .find_oldest(&RecordFilter::default(), 100)
        .unwrap();
    let expected: Vec<&str> = stored
        .iter()
        .filter(|record| record.row != 7)
        .map(|record| record.json.as_str())
        .collect();
    assert_eq!(exported.lines().collect::<Vec<_>>(), expected);
    assert_snapshot!(recorded.taktgate(&["export", "st-07", "--out", "lot.jsonl"]), @"
    exit 1
    --- stderr
    error: cannot write `lot.jsonl`; is it there already?
      because File exists (os error 17)
    ");
    let told = recorded.taktgate(&["export", "st-07", "--verdict", "ng"]);
    assert!(told.contains("\"part_id\":\"part-3\""), "{told}");
}
