//! What happens to the disk and the files that the station keeps its records in.

use std::fs;

use crate::account::{Row, as_seen, as_seen_or};
use crate::bench::{Bench, Scale, refuses_to_start};
use crate::disk::{Disk, NO_MOUNT, fill, overwrite};
use crate::house::Settings;

const DAMAGE: [u8; 4_096] = [0xA5; 4_096];

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
