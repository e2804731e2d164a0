//! What happens to the disk and the files that the station keeps its records in.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::account::{Row, as_seen, as_seen_or};
use crate::bench::{Bench, SETTLE_MAX, Scale, refuses_to_start};
use crate::disk::{Disk, NO_MOUNT, fill, overwrite};
use crate::house::Settings;
use crate::proxy::pause;

const PAGE_BYTES: usize = 4_096;
const DAMAGE: [u8; PAGE_BYTES] = [0xA5; PAGE_BYTES];

/// A station that goes on until a record does not fit: the guard before that has tests of its own.
fn small_disk() -> Settings {
    Settings {
        storage: "warn_free_mb = 3\nimages_free_mb = 2\nstop_free_mb = 1\nwhen_full = \"go_on\"",
        ..Settings::default()
    }
}

pub(crate) fn disk_full(scale: Scale) -> Row {
    const FAULT: &str = "disk full";
    const CORRECT: &str =
        "`storage`, whatever was found; records before it stay; goes on when there is room";
    let mut bench = Bench::stopped(&small_disk());
    let data = bench.house.path("data");
    let Some(disk) = Disk::mount(data.clone(), "6m") else {
        return Row::skipped(FAULT, CORRECT, NO_MOUNT);
    };
    bench.start();
    let n_times = scale.of(1, 10);
    let filler = data.join("filler");
    let mut n_before = 0;
    for _ in 0..n_times {
        bench.one_by_one(3);
        fill(&filler);
        // Good parts cannot be proved any more, so they do not pass.
        for _ in 0..3 {
            bench.announce("good");
            n_before += 1;
        }
        bench.wait_for_storage(n_before);
        fs::remove_file(&filler).unwrap();
        bench.one_by_one(3);
    }
    let row = bench.account(FAULT, CORRECT, n_times, as_seen_or("storage"));
    drop(disk);
    row.all_answered()
}

pub(crate) fn disk_read_only(scale: Scale) -> Row {
    const FAULT: &str = "read-only disk";
    const CORRECT: &str = "does not start, says where; nothing that was there is changed";
    let mut bench = Bench::stopped(&small_disk());
    let Some(disk) = Disk::mount(bench.house.path("data"), "16m") else {
        return Row::skipped(FAULT, CORRECT, NO_MOUNT);
    };
    bench.start();
    let n_times = scale.of(1, 10);
    for round in 0..n_times {
        bench.one_by_one(2);
        bench.kill("-TERM");
        disk.remount("ro");
        let (code, said) = refuses_to_start(&bench.house);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("data"), "{said}");
        disk.remount("rw");
        bench.start();
        bench.one_by_one(2 + round % 2);
    }
    let row = bench.account(FAULT, CORRECT, n_times, as_seen);
    drop(disk);
    row.all_answered()
}

pub(crate) fn damaged_page(scale: Scale) -> Row {
    let mut bench = Bench::new(&Settings::default());
    let n_times = scale.of(2, 10);
    let path = bench.house.path("data/records.sqlite");
    for round in 0..n_times {
        bench.one_by_one(12);
        bench.kill("-TERM");
        let offset = 4_096 * u64::from(1 + round % 4);
        let before = overwrite(&path, offset, &DAMAGE);
        let damaged = fs::read(&path).unwrap();
        let (code, said) = refuses_to_start(&bench.house);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("records.sqlite"), "{said}");
        assert_eq!(fs::read(&path).unwrap(), damaged, "evidence was touched");
        overwrite(&path, offset, &before);
        bench.start();
    }
    bench.one_by_one(2);
    let correct = "does not start, names the file, touches nothing; goes on with a good copy";
    let row = bench.account("a page of the database damaged", correct, n_times, as_seen);
    row.all_answered()
}

/// The kernel makes a disk read-only when it finds an error on it, whoever is writing.
pub(crate) fn disk_fails_while_running(scale: Scale) -> Row {
    const FAULT: &str = "the disk becomes read-only while the station runs";
    const CORRECT: &str =
        "`storage`, whatever was found, and said on `event`; records before it stay";
    let mut bench = Bench::stopped(&small_disk());
    let (data, image) = (bench.house.path("data"), bench.house.path("disk.img"));
    let Some(mut disk) = Disk::mount_file(data.clone(), &image) else {
        return Row::skipped(FAULT, CORRECT, NO_MOUNT);
    };
    let n_times = scale.of(1, 10);
    for _ in 0..n_times {
        bench.start();
        bench.one_by_one(3);
        disk.fail();
        for part in ["good", "bad", "good"] {
            bench.announce(part);
            let verdict = bench.wait_for_last();
            assert_eq!(verdict["reason"], "storage", "{verdict}");
            bench.wait_for_event("storage");
        }
        bench.kill("-TERM");
        drop(disk);
        disk = Disk::mount_file(data.clone(), &image).unwrap();
    }
    bench.start();
    bench.one_by_one(2);
    let row = bench.account(FAULT, CORRECT, n_times, as_seen_or("storage"));
    drop(disk);
    row.all_answered()
}

/// A page that the next record needs, and one after the other of all: what is not needed is not
/// noticed before the next start, and what is said meanwhile is recorded all the same.
pub(crate) fn damaged_while_running(scale: Scale) -> Row {
    let mut bench = Bench::new(&Settings::default());
    let n_times = scale.of(2, 20);
    let path = bench.house.path("data/records.sqlite");
    for round in 0..n_times {
        bench.one_by_one(12);
        let (record_root, n_pages) = fold(&path);
        let is_needed = round % 2 == 0;
        let others = 7 * u64::from(round) % n_pages;
        let page = if is_needed { record_root } else { others };
        let offset = page * PAGE_BYTES as u64;
        let before = overwrite(&path, offset, &DAMAGE);
        let damaged = fs::read(&path).unwrap();
        let mut n_refused = 0;
        for part in ["good", "bad", "good"] {
            bench.announce(part);
            if bench.wait_for_last()["reason"] == "storage" {
                bench.wait_for_event("storage");
                n_refused += 1;
            }
        }
        assert!(!is_needed || n_refused == 3, "page {page}: {n_refused}");
        assert_eq!(fs::read(&path).unwrap(), damaged, "page {page}");
        bench.kill("-TERM");
        let (code, said) = refuses_to_start(&bench.house);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("records.sqlite"), "{said}");
        // Records that went into the log beside the damage are folded in at the end.
        let is_same = fs::read(&path).unwrap() == damaged;
        assert!(
            is_same || n_refused < 3,
            "page {page}: written after the damage"
        );
        let evidence = overwrite(&path, offset, &before);
        assert_eq!(evidence, DAMAGE, "evidence was touched");
        bench.start();
    }
    bench.one_by_one(2);
    let correct = "`storage` and said where a record needs it, recorded where not; does not start again, \
                   touches nothing";
    let fault = "a page of the database damaged while the station runs";
    let row = bench.account(fault, correct, n_times, as_seen_or("storage"));
    row.all_answered()
}

/// Folds the write-ahead log into the file, as the station does it every thousand pages, when all
/// is delivered: from here on the station reads from the file and has nothing to write. Returns the
/// page where the table of records begins, counted from 0, and how many there are.
fn fold(path: &Path) -> (u64, u64) {
    let beside = Connection::open(path).unwrap();
    let number = |query: &str| -> i64 { beside.query_row(query, [], |row| row.get(0)).unwrap() };
    let until = Instant::now() + SETTLE_MAX;
    while number("SELECT count(*) FROM outbox") != 0 {
        assert!(Instant::now() < until, "records are not delivered");
        pause(Duration::from_millis(5));
    }
    let held = number("PRAGMA wal_checkpoint(TRUNCATE)");
    assert_eq!(held, 0, "somebody holds the log");
    let root = number("SELECT rootpage FROM sqlite_schema WHERE name = 'record'");
    let n_pages = number("PRAGMA page_count");
    (root.cast_unsigned() - 1, n_pages.cast_unsigned())
}
