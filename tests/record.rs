//! The record store against what happens to it: restarts, kill -9, damage, a second station, forgery.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::Timestamp;
use rusqlite::Connection;
use taktgate::domain::{InspectionRecord, Reason, Verdict, ViewRecord};
use taktgate::record::{
    ArchiveRules, ImageArchive, RecordError, RecordFilter, RecordReader, RecordStore, VerdictWord,
};
use tempfile::TempDir;

#[path = "record/damage.rs"]
mod damage;
#[path = "record/forgery.rs"]
mod forgery;
#[path = "record/interleaving.rs"]
mod interleaving;
#[path = "record/killed.rs"]
mod killed;
#[path = "record/migration.rs"]
mod migration;
#[path = "record/retention.rs"]
mod retention;
#[path = "record/sample.rs"]
mod sample;

use sample::record;

const CHILD_STORE: &str = "TAKTGATE_TEST_CHILD_STORE";

fn home() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("records.db");
    (home, path)
}

/// A record whose view names an image, and where that image lies.
fn record_with_image(n: u32, verdict: Verdict) -> (InspectionRecord, String) {
    let mut record = record(n, verdict);
    let path = ImageArchive::path_for(&record.id, "top", record.decided_at_utc);
    record.views = vec![ViewRecord {
        view: "top".into(),
        camera: "cam".into(),
        camera_frame: Some(n.into()),
        origin: None,
        image_sha256: None,
        image_path: Some(path.clone()),
        verdict,
        note: String::new(),
        placement: None,
    }];
    (record, path)
}

/// A closed store with records 1 to `n`.
fn filled(n: u32) -> (TempDir, PathBuf) {
    let (home, path) = home();
    let mut store = RecordStore::open(&path).unwrap();
    for n in 1..=n {
        store.append(&record(n, Verdict::Ok)).unwrap();
    }
    (home, path)
}

/// The error with its causes, as the operator reads it.
fn told(home: &Path, error: &RecordError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}\n  because {error}");
        cause = error.source();
    }
    text.replace(home.to_str().unwrap(), "HOME")
}

/// What opening says; both ways of opening must refuse, and leave the file as it is.
fn refusal(home: &Path, path: &Path) -> String {
    let before = fs::read(path).ok();
    let error = RecordStore::open(path).unwrap_err();
    assert_eq!(fs::read(path).ok(), before, "the file was changed");
    told(home, &error)
}

/// Changes the closed store as somebody with a database tool would.
fn tamper(path: &Path, statements: &str) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(statements).unwrap();
    connection.close().unwrap();
}

fn skip(why: &str) {
    // Not `eprintln`, which the test harness would swallow.
    let mut aloud = io::stderr().lock();
    writeln!(aloud, "SKIPPED: {why}").unwrap();
}

fn ids(store: &RecordStore) -> Vec<u64> {
    let waiting = store.undelivered(None, 1000).unwrap();
    waiting.iter().map(|item| item.outbox_id).collect()
}

// ---- the outbox ----

#[test]
fn the_outbox_keeps_its_order_over_a_restart_and_forgets_only_what_was_delivered() {
    let (_home, path) = filled(5);
    let mut store = RecordStore::open(&path).unwrap();
    assert_eq!(ids(&store), [1, 2, 3, 4, 5]);
    store.mark_delivered(2).unwrap();
    store.mark_delivered(2).unwrap();
    store.mark_delivered(77).unwrap();
    drop(store);

    let mut store = RecordStore::open(&path).unwrap();
    assert_eq!(ids(&store), [1, 3, 4, 5]);
    assert_eq!(store.pending_count().unwrap(), 4);
    let page = store.undelivered(Some(1), 2).unwrap();
    assert_eq!(page.iter().map(|i| i.outbox_id).collect::<Vec<_>>(), [3, 4]);
    let stored = store.read().get("id-0003").unwrap().unwrap();
    assert_eq!(page.first().unwrap().json, stored.json);
    for id in 1..=5 {
        store.mark_delivered(id).unwrap();
    }
    assert_eq!(store.pending_count().unwrap(), 0);
    assert_eq!(store.append(&record(6, Verdict::Ng)).unwrap(), 6);
    assert_eq!(ids(&store), [6]);
    assert_eq!(store.read().len().unwrap(), 6, "delivered records stay");
}

#[test]
fn an_id_is_taken_once_and_the_refused_record_leaves_nothing() {
    let (home, path) = filled(2);
    let mut store = RecordStore::open(&path).unwrap();
    let error = store.append(&record(2, Verdict::Ng)).unwrap_err();
    insta::assert_snapshot!(told(home.path(), &error), @"the record store `HOME/records.db` has record `id-0002` already; give each inspection its own id");
    assert_eq!(ids(&store), [1, 2]);
    assert_eq!(store.append(&record(3, Verdict::Ng)).unwrap(), 3);
    assert_eq!(store.read().verify().unwrap().fault, None);
}

// ---- reading back ----

#[test]
fn records_are_found_by_what_a_person_asks_for() {
    let (_home, path) = filled(4);
    let mut store = RecordStore::open(&path).unwrap();
    store.append(&record(5, Verdict::Ng)).unwrap();
    let doubt = Verdict::Indeterminate(Reason::NoFrame);
    store.append(&record(6, doubt)).unwrap();
    let mut late = record(7, Verdict::Ok);
    late.late = true;
    late.trigger.sequence = 6;
    store.append(&late).unwrap();

    let found = |filter: RecordFilter| -> Vec<u64> {
        let found = store.read().find(&filter, 3).unwrap();
        found.iter().map(|stored| stored.row).collect()
    };
    let all = RecordFilter::default;
    assert_eq!(found(all()), [7, 6, 5]);
    assert_eq!(
        found(RecordFilter {
            before: Some(5),
            ..all()
        }),
        [4, 3, 2]
    );
    assert_eq!(
        found(RecordFilter {
            sequence: Some(6),
            ..all()
        }),
        [7, 6]
    );
    assert_eq!(
        found(RecordFilter {
            part: Some("part-3".into()),
            ..all()
        }),
        [3]
    );
    assert_eq!(
        found(RecordFilter {
            lot: Some("even".into()),
            ..all()
        }),
        [6, 4, 2]
    );
    let verdict = Some(VerdictWord::Ng);
    assert_eq!(found(RecordFilter { verdict, ..all() }), [5]);
    let since = Some(record(6, Verdict::Ok).decided_at_utc);
    assert_eq!(found(RecordFilter { since, ..all() }), [7, 6]);

    let latest = store.read().latest(2).unwrap();
    assert_eq!(latest.first().unwrap().form().unwrap().id, "id-0007");
    assert!(store.read().get("nobody").unwrap().is_none());
    let counts = [(Verdict::Ok, 4), (Verdict::Ng, 1), (doubt, 1)];
    assert_eq!(store.read().count_by_verdict(None).unwrap(), counts);
    assert_eq!(store.read().count_by_verdict(since).unwrap(), [(doubt, 1)]);

    let answered = store.read().answered(2).unwrap();
    let told: Vec<_> = answered.iter().map(|a| (a.sequence, a.verdict)).collect();
    assert_eq!(
        told,
        [(5, Verdict::Ng), (6, doubt)],
        "the late one was no answer"
    );
    let newest = answered.last().unwrap();
    assert_eq!(newest.part.as_str(), "part-6");
    assert_eq!(newest.record_id, "id-0006");
    assert_eq!(newest.decided_at_utc, record(6, doubt).decided_at_utc);
}

// ---- one writer, many readers ----

#[test]
fn a_store_has_one_writer_and_readers_beside_it() {
    let (home, path) = filled(1);
    let mut store = RecordStore::open(&path).unwrap();
    insta::assert_snapshot!(told(home.path(), &RecordStore::open(&path).unwrap_err()), @"the record store `HOME/records.db` is in use; stop the other taktgate, or give each station its own store");
    let reader = RecordReader::open(&path).unwrap();
    store.append(&record(2, Verdict::Ng)).unwrap();
    assert_eq!(reader.len().unwrap(), 2);
    assert_eq!(reader.verify().unwrap().n_records, 2);
    drop(store);
    RecordStore::open(&path)
        .unwrap()
        .append(&record(3, Verdict::Ok))
        .unwrap();
    assert_eq!(reader.len().unwrap(), 3);
}

// ---- kill -9 ----

/// Not a test by itself: what [`nothing_that_was_appended_is_lost_by_kill_9`] runs and kills.
#[test]
fn child_that_appends_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD_STORE) else {
        return;
    };
    let mut store = RecordStore::open(Path::new(&path)).unwrap();
    let first = u32::try_from(store.read().len().unwrap()).unwrap() + 1;
    let mut out = io::stdout().lock();
    for n in first.. {
        let outbox_id = store.append(&record(n, Verdict::Ok)).unwrap();
        writeln!(out, "\nappended {outbox_id} id-{n:04}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn nothing_that_was_appended_is_lost_by_kill_9() {
    let (_home, path) = home();
    let mut promised = Vec::new();
    for kill_after in [1, 7, 40, 3] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "child_that_appends_until_it_is_killed",
                "--nocapture",
            ])
            .env(CHILD_STORE, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        let mut note = |line: io::Result<String>| {
            if let Some(promise) = line.unwrap().strip_prefix("appended ") {
                promised.push(promise.to_owned());
                seen += 1;
            }
            seen
        };
        while lines.next().is_some_and(|line| note(line) < kill_after) {}
        child.kill().unwrap();
        child.wait().unwrap();
        // What was still in the pipe was promised too.
        lines.for_each(|line| {
            note(line);
        });
        assert!(kill_after <= seen, "the child stopped by itself");

        let store = RecordStore::open(&path).unwrap();
        for promise in &promised {
            let (outbox_id, id) = promise.split_once(' ').unwrap();
            let stored = store.read().get(id).unwrap();
            assert_eq!(stored.unwrap().row.to_string(), outbox_id);
            assert!(
                ids(&store).contains(&outbox_id.parse().unwrap()),
                "{promise}"
            );
        }
        let report = store.read().verify().unwrap();
        assert_eq!(report.fault, None);
        // At most the one that was durable but not yet said is more.
        assert!(report.n_records - promised.len() as u64 <= 4);
    }
}

// ---- a full disk ----

/// A file system of 1 MiB, if this user may mount one.
#[cfg(target_os = "linux")]
struct SmallDisk(TempDir);

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "taktgate-test"]);
        let mounted = mount.arg(dir.path()).stderr(Stdio::null()).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(dir));
        }
        skip("a small disk needs the right to mount one");
        None
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazy: a child that another test is just starting may still hold our open files.
        let unmounted = Command::new("umount")
            .arg("--lazy")
            .arg(self.0.path())
            .status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_refuses_the_record_and_keeps_those_before_it() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let path = disk.0.path().join("records.db");
    let mut store = RecordStore::open(&path).unwrap();
    let ballast = disk.0.path().join("ballast");
    fs::write(&ballast, vec![0; 300_000]).unwrap();
    let mut kept = 0;
    let error = loop {
        match store.append(&record(kept + 1, Verdict::Ok)) {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    insta::assert_snapshot!(told(disk.0.path(), &error), @r#"
no space is left for the record store `HOME/records.db`; free space on its disk
  because database or disk is full
  because Error code 13: database or disk is full
"#);
    assert_eq!(store.pending_count().unwrap(), u64::from(kept));
    fs::remove_file(&ballast).unwrap();
    store.append(&record(kept + 1, Verdict::Ok)).unwrap();
    drop(store);
    let store = RecordStore::open(&path).unwrap();
    let report = store.read().verify().unwrap();
    assert_eq!(
        (report.n_records, report.fault),
        (u64::from(kept) + 1, None)
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_fails_the_image_and_leaves_its_space() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let rules = ArchiveRules {
        ok_share: 1.0,
        ng_and_indeterminate: true,
    };
    let archive = ImageArchive::start(&disk.0.path().join("images"), rules).unwrap();
    for (id, length) in [("big", 2_000_000), ("small", 1_000)] {
        let path = ImageArchive::path_for(id, "top", Timestamp::UNIX_EPOCH);
        assert!(archive.try_store(path, Box::new(move || Ok(vec![0; length]))));
    }
    let counts = archive.stop();
    assert_eq!((counts.stored, counts.failed), (1, 1));
}
