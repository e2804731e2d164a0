//! A station that is killed while retention removes: nothing is left that nobody accounts for.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use taktgate::domain::Verdict;
use taktgate::record::{Holds, ImageState, RecordFilter, RecordStore, Retention, RetentionRules};

use super::retention::{FOREVER, NOTHING, check_files, later, rules, write_images};
use super::{ids, record_with_image};

const CHILD_DATA: &str = "TAKTGATE_TEST_RETENTION";

/// Not a test by itself: what [`a_kill_9_in_the_middle_leaves_nothing_unaccounted_for`] runs and kills.
#[test]
fn child_that_appends_and_removes_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD_DATA) else {
        return;
    };
    let path = PathBuf::from(path);
    let archive = path.parent().unwrap().join("images");
    let mut store = RecordStore::open(&path).unwrap();
    let mut retention = Retention::open(&path, &archive).unwrap();
    let mut holds = Holds::open(&path).unwrap();
    let rules = RetentionRules {
        newest_kept: 3,
        records_at_once: 2,
        ..rules(NOTHING, NOTHING)
    };
    let first = u32::try_from(store.newest().unwrap()).unwrap() + 1;
    let mut out = io::stdout().lock();
    for n in first.. {
        let (record, image) = record_with_image(n, Verdict::Ng);
        let row = store.append(&record).unwrap();
        write_images(&archive, &image);
        match n % 7 {
            0 => {}
            1 => {
                holds.hold(&record.id, "a claim", later()).unwrap();
                store.mark_delivered(row).unwrap();
            }
            _ => store.mark_delivered(row).unwrap(),
        }
        writeln!(out, "\nappended {n}").unwrap();
        out.flush().unwrap();
        retention.bite(&rules, later()).unwrap();
    }
}

#[test]
fn a_kill_9_in_the_middle_leaves_nothing_unaccounted_for() {
    let (home, path) = super::home();
    let archive = home.path().join("images");
    let mut newest = 0;
    for round in 0..12_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "killed::child_that_appends_and_removes_until_it_is_killed",
            ])
            .arg("--nocapture")
            .env(CHILD_DATA, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        while seen < 5 + round {
            let line = lines.next().expect("the child stopped by itself").unwrap();
            if let Some(n) = line.strip_prefix("appended ") {
                newest = n.parse().unwrap();
                seen += 1;
            }
        }
        // Anywhere in the bite that has just begun.
        let moment = Instant::now() + Duration::from_micros(round * 731 % 6000);
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();

        check_store(&path, &archive, newest);
    }
}

fn check_store(path: &Path, archive: &Path, newest: u64) {
    let store = RecordStore::open(path).unwrap();
    let report = store.read().verify().unwrap();
    assert_eq!(report.fault, None, "after {newest}");
    assert!(newest <= report.n_records + report.n_removed);
    check_files(store.read(), archive);
    // What was begun is ended by the next bite.
    let mut retention = Retention::open(path, archive).unwrap();
    retention.bite(&rules(FOREVER, FOREVER), later()).unwrap();
    for record in store
        .read()
        .find_oldest(&RecordFilter::default(), 10_000)
        .unwrap()
    {
        for image in store.read().images(record.row).unwrap() {
            assert_ne!(image.state, ImageState::Removing);
            let is_there = archive.join(&image.path).exists();
            assert_eq!(
                is_there,
                image.state == ImageState::Stored,
                "{}",
                image.path
            );
        }
    }
    check_owed(&store);
}

/// What nobody has taken and what is on hold is there.
fn check_owed(store: &RecordStore) {
    let waiting = ids(store);
    let held = store.read().holds().unwrap();
    for n in 1..store.newest().unwrap() {
        let is_there = store.read().get(&format!("id-{n:04}")).unwrap().is_some();
        assert!(
            is_there || !waiting.contains(&n),
            "record {n} was never delivered"
        );
        assert!(
            is_there || !held.iter().any(|hold| hold.row == n),
            "record {n} is on hold"
        );
        // By its number the child left it undelivered or put it on hold.
        assert!(is_there || 1 < n % 7, "record {n} had to stay");
    }
}
