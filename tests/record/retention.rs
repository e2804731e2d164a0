//! Retention on real stores and files: what goes, what stays, and what the chain says of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use taktgate::domain::Verdict;
use taktgate::record::{
    Because, Holds, ImageState, Keep, Keeper, KeeperSettings, News, RecordFilter, RecordReader,
    RecordStore, Retention, RetentionRules, SpaceLevel, SpaceLimits, Stuck, drawn_path,
};
use tempfile::TempDir;

use super::{ids, record, record_with_image, tamper};

pub(super) const FOREVER: Keep = Keep {
    age_max: Duration::from_hours(24 * 36_500),
    bytes_max: u64::MAX,
};
pub(super) const NOTHING: Keep = Keep {
    age_max: Duration::ZERO,
    bytes_max: u64::MAX,
};

/// Later than every record of these tests.
pub(super) fn later() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

pub(super) fn rules(records: Keep, images: Keep) -> RetentionRules {
    RetentionRules {
        records,
        images,
        newest_kept: 1,
        records_at_once: 1,
    }
}

/// A station's data folder: store, archive and retention.
pub(super) struct Data {
    home: TempDir,
    pub(super) path: PathBuf,
    pub(super) archive: PathBuf,
    pub(super) store: RecordStore,
    pub(super) retention: Retention,
}

impl Data {
    pub(super) fn new() -> Self {
        let (home, path) = super::home();
        let archive = home.path().join("images");
        let store = RecordStore::open(&path).unwrap();
        let retention = Retention::open(&path, &archive).unwrap();
        Self {
            home,
            path,
            archive,
            store,
            retention,
        }
    }

    /// As after a restart of the station.
    pub(super) fn restarted(self) -> Self {
        let Self {
            home,
            path,
            archive,
            store,
            retention,
        } = self;
        drop((store, retention));
        Self {
            store: RecordStore::open(&path).unwrap(),
            retention: Retention::open(&path, &archive).unwrap(),
            home,
            path,
            archive,
        }
    }

    /// Appends a record with an image of 1000 bytes and its drawn one of 500.
    pub(super) fn append(&mut self, n: u32) {
        let (record, image) = record_with_image(n, Verdict::Ng);
        self.store.append(&record).unwrap();
        write_images(&self.archive, &image);
    }

    fn delivered(n: u32) -> Self {
        let mut data = Self::new();
        for n in 1..=n {
            data.append(n);
            data.store.mark_delivered(n.into()).unwrap();
        }
        data
    }

    pub(super) fn hold(&self, n: u32) {
        let mut holds = Holds::open(&self.path).unwrap();
        holds
            .hold(&format!("id-{n:04}"), "a claim", later())
            .unwrap();
    }

    /// Bites until nothing is left to remove; how many records and images went.
    pub(super) fn retain(&mut self, rules: &RetentionRules) -> (u64, u64) {
        let (mut n_records, mut n_images) = (0, 0);
        loop {
            let bite = self.retention.bite(rules, later()).unwrap();
            n_records += bite.records.as_ref().map_or(0, |records| records.n_records);
            n_images += bite.n_images;
            if !bite.removed_any() {
                return (n_records, n_images);
            }
        }
    }

    pub(super) fn rows(&self) -> Vec<u64> {
        let found = self
            .store
            .read()
            .find_oldest(&RecordFilter::default(), 10_000)
            .unwrap();
        found.iter().map(|record| record.row).collect()
    }

    fn whole(&self) -> (u64, u64) {
        let report = self.store.read().verify().unwrap();
        assert_eq!(report.fault, None);
        (report.n_records, report.n_removed)
    }
}

/// In the order of the archive: a kill in between leaves the frame without its drawing.
pub(super) fn write_images(archive: &Path, image: &str) {
    let plain = archive.join(image);
    fs::create_dir_all(plain.parent().unwrap()).unwrap();
    fs::write(plain, vec![0; 1000]).unwrap();
    fs::write(archive.join(drawn_path(image)), vec![0; 500]).unwrap();
}

/// All files of the archive, relative to it.
pub(super) fn files(archive: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![archive.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let inside = path.strip_prefix(archive).unwrap();
                found.insert(inside.to_str().unwrap().to_owned());
            }
        }
    }
    found
}

/// Every file belongs to an image that is not said to be removed; every stored image has its file.
pub(super) fn check_files(reader: &RecordReader, archive: &Path) {
    let mut allowed = BTreeSet::new();
    let found = files(archive);
    for record in reader
        .find_oldest(&RecordFilter::default(), 10_000)
        .unwrap()
    {
        for image in reader.images(record.row).unwrap() {
            match image.state {
                ImageState::Removed => {}
                ImageState::Stored => {
                    assert!(found.contains(&image.path), "{} is not there", image.path);
                    allowed.extend([drawn_path(&image.path), image.path]);
                }
                ImageState::Planned | ImageState::Absent | ImageState::Removing => {
                    allowed.extend([drawn_path(&image.path), image.path]);
                }
            }
        }
    }
    let orphans: Vec<_> = found.difference(&allowed).collect();
    assert!(orphans.is_empty(), "nobody accounts for {orphans:?}");
}

#[test]
fn old_records_go_with_their_images_and_the_chain_says_so() {
    let mut data = Data::delivered(6);
    let head = data.store.read().verify().unwrap().head_sha256;
    assert_eq!(data.retain(&rules(NOTHING, FOREVER)), (5, 5));
    assert_eq!(data.rows(), [6], "the newest stays");
    assert_eq!(data.whole(), (1, 5));
    assert_eq!(files(&data.archive).len(), 2);
    let report = data.store.read().verify().unwrap();
    assert_ne!(
        report.head_sha256, head,
        "the removals are links of the chain"
    );
    // The next record names the newest removal.
    data.append(7);
    let newest = data.store.read().get("id-0007").unwrap().unwrap();
    assert_eq!(newest.form().unwrap().previous_sha256, report.head_sha256);
    assert_eq!(data.whole(), (2, 5));
}

#[test]
fn what_waits_or_is_on_hold_stays_with_its_images_whatever_its_age() {
    let mut data = Data::new();
    for n in 1..=8 {
        data.append(n);
    }
    for delivered in [1, 2, 4, 5, 7] {
        data.store.mark_delivered(delivered).unwrap();
    }
    data.hold(4);
    let none = Keep {
        bytes_max: 0,
        ..NOTHING
    };
    assert_eq!(data.retain(&rules(none, none)), (4, 4));
    assert_eq!(data.rows(), [3, 4, 6, 8]);
    assert_eq!(ids(&data.store), [3, 6, 8]);
    assert_eq!(data.whole(), (4, 4));
    for row in [3, 4, 6, 8] {
        assert_eq!(
            data.store.read().images(row).unwrap()[0].state,
            ImageState::Stored
        );
    }
    check_files(data.store.read(), &data.archive);

    let mut holds = Holds::open(&data.path).unwrap();
    assert!(holds.release("id-0004").unwrap());
    assert!(!holds.release("id-0004").unwrap());
    for delivered in [3, 6, 8] {
        data.store.mark_delivered(delivered).unwrap();
    }
    // The image of the newest record is no record: it may go.
    assert_eq!(data.retain(&rules(none, none)), (3, 4));
    assert_eq!((data.rows(), data.whole()), (vec![8], (1, 7)));
    assert!(files(&data.archive).is_empty());
}

#[test]
fn sqlite_itself_refuses_to_remove_what_is_held_undelivered_or_has_images() {
    let mut data = Data::delivered(2);
    data.append(3);
    data.hold(1);
    let direct = rusqlite::Connection::open(&data.path).unwrap();
    direct.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    for row in 1..=3 {
        let refused = direct
            .execute("DELETE FROM record WHERE row = ?", [row])
            .unwrap_err();
        assert_eq!(refused.to_string(), "FOREIGN KEY constraint failed");
    }
}

#[test]
fn the_oldest_images_go_first_until_the_rest_fits_and_their_records_say_so() {
    let mut data = Data::delivered(5);
    let keep = Keep {
        bytes_max: 3500,
        ..FOREVER
    };
    assert_eq!(data.retain(&rules(FOREVER, keep)), (0, 3));
    let states: Vec<_> = (1..=5)
        .map(|row| data.store.read().images(row).unwrap()[0].state)
        .collect();
    let [gone, there] = [ImageState::Removed, ImageState::Stored];
    assert_eq!(states, [gone, gone, gone, there, there]);
    let removed = &data.store.read().images(1).unwrap()[0];
    assert_eq!(removed.removed_at_utc, Some(later()));
    assert_eq!((data.rows().len(), files(&data.archive).len()), (5, 4));
    check_files(data.store.read(), &data.archive);
}

#[test]
fn an_image_that_never_came_is_said_and_the_folders_of_old_days_go() {
    let mut data = Data::delivered(2);
    let (lost, _) = record_with_image(3, Verdict::Ng);
    data.store.append(&lost).unwrap();
    data.store.mark_delivered(3).unwrap();
    data.retain(&rules(FOREVER, FOREVER));
    let image = &data.store.read().images(3).unwrap()[0];
    assert_eq!((image.state, image.bytes), (ImageState::Absent, 0));
    assert_eq!(data.store.read().images(1).unwrap()[0].bytes, 1500);
    data.retain(&rules(FOREVER, NOTHING));
    assert_eq!(
        fs::read_dir(&data.archive).unwrap().count(),
        0,
        "empty years are left"
    );
}

#[test]
fn a_store_over_its_bytes_gets_smaller_and_says_when_it_cannot() {
    let mut data = Data::new();
    for n in 1..=400 {
        data.store.append(&record(n, Verdict::Ok)).unwrap();
    }
    let half = Keep {
        bytes_max: 300_000,
        ..FOREVER
    };
    let rules = RetentionRules {
        records_at_once: 16,
        ..rules(half, FOREVER)
    };
    let stuck = data.retention.bite(&rules, later()).unwrap().stuck;
    assert!(
        matches!(stuck[..], [Stuck::Records(bytes)] if 300_000 < bytes),
        "{stuck:?}"
    );
    for n in 1..=400 {
        data.store.mark_delivered(n).unwrap();
    }
    let first = data.retention.bite(&rules, later()).unwrap();
    assert!(first.stuck.is_empty());
    assert_eq!(first.records.unwrap().because, Because::Bytes);
    let (removed, _) = data.retain(&rules);
    assert!((50..390).contains(&removed), "{removed} of 400 removed");
    assert_eq!(data.whole(), (384 - removed, 16 + removed));
    assert!(
        data.retention
            .bite(&rules, later())
            .unwrap()
            .stuck
            .is_empty()
    );
    // The pages are used again: as many records as went need no larger file.
    let size = || fs::metadata(&data.path).unwrap().len();
    let before = size();
    for n in 401..=400 + u32::try_from(removed).unwrap() {
        data.store.append(&record(n, Verdict::Ok)).unwrap();
    }
    assert!(
        size() <= before + before / 4,
        "{before} bytes became {}",
        size()
    );
}

#[test]
fn retention_never_disturbs_a_station_that_writes() {
    let mut data = Data::new();
    let (path, archive) = (data.path.clone(), data.archive.clone());
    let (done, removed) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let retaining = scope.spawn(|| {
            let mut retention = Retention::open(&path, &archive).unwrap();
            let rules = RetentionRules {
                newest_kept: 40,
                ..rules(NOTHING, NOTHING)
            };
            while !done.load(Ordering::Relaxed) {
                let bite = retention.bite(&rules, later()).unwrap();
                let n_records = bite.records.map_or(0, |records| records.n_records);
                removed.fetch_add(n_records, Ordering::Relaxed);
            }
        });
        let reading = scope.spawn(|| {
            let reader = RecordReader::open(&path).unwrap();
            while !done.load(Ordering::Relaxed) {
                assert_eq!(reader.verify().unwrap().fault, None);
            }
        });
        let until = Instant::now() + Duration::from_secs(30);
        for n in 1..=300 {
            // The second half meets a retention at work, however the threads are scheduled.
            while n == 150 && removed.load(Ordering::Relaxed) <= 10 {
                assert!(Instant::now() < until, "nothing is removed");
                std::thread::yield_now();
            }
            data.append(n);
            if !n.is_multiple_of(10) {
                data.store.mark_delivered(n.into()).unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
        reading.join().unwrap();
        retaining.join().unwrap();
    });
    let removed = removed.into_inner();
    assert_eq!(data.whole(), (300 - removed, removed));
    assert_eq!(ids(&data.store).len(), 30);
}

/// Whoever can write the store must not be able to let the station delete files elsewhere.
#[test]
fn a_path_that_leads_out_of_the_archive_removes_nothing_there() {
    let mut data = Data::delivered(2);
    let victim = data.path.with_file_name("victim.jpg");
    fs::write(&victim, "somebody's").unwrap();
    let absolute = victim.to_str().unwrap().to_owned();
    let direct = rusqlite::Connection::open(&data.path).unwrap();
    for (row, path) in [(1, "../victim.jpg"), (2, absolute.as_str())] {
        direct
            .execute("UPDATE image SET path = ? WHERE row = ?", (path, row))
            .unwrap();
    }
    drop(direct);
    assert_eq!(data.retain(&rules(FOREVER, NOTHING)), (0, 2));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "somebody's");
}

#[test]
fn the_keeper_removes_by_itself_and_says_so() {
    let data = Data::delivered(4);
    let mut keeper = Keeper::start(&KeeperSettings {
        store: data.path.clone(),
        archive: data.archive.clone(),
        rules: rules(NOTHING, NOTHING),
        limits: SpaceLimits {
            warn_bytes: u64::MAX,
            images_bytes: 1,
            stop_bytes: 1,
        },
    })
    .unwrap();
    assert_eq!(keeper.level(), SpaceLevel::Low);
    assert!(0 < keeper.free_bytes());
    let until = Instant::now() + Duration::from_secs(30);
    let mut told = Vec::new();
    while data.store.read().len().unwrap() > 1 || told.len() < 4 {
        assert!(Instant::now() < until, "{told:?}");
        std::thread::park_timeout(Duration::from_millis(20));
        told.extend(keeper.news());
    }
    let is_low = |news: &News| {
        matches!(
            news,
            News::Space {
                to: SpaceLevel::Low,
                ..
            }
        )
    };
    assert!(told.first().is_some_and(is_low), "{told:?}");
    let removed: u64 = told
        .iter()
        .filter_map(|news| match news {
            News::Removed(bite) => bite.records.as_ref(),
            News::Space { .. }
            | News::Stuck(_)
            | News::ClockStepped { .. }
            | News::Failed(_)
            | News::Ended => None,
        })
        .map(|records| records.n_records)
        .sum();
    assert_eq!((removed, data.rows(), data.whole()), (3, vec![4], (1, 3)));
}

// ---- forged removals ----

/// What the chain says of a store of which records 1 to 3 were removed and 4 to 8 are there.
fn found(statements: &str) -> String {
    let mut data = Data::delivered(4);
    data.retain(&rules(NOTHING, FOREVER));
    for n in 5..=8 {
        data.append(n);
        data.store.mark_delivered(n.into()).unwrap();
    }
    let Data {
        home: _home,
        path,
        store,
        retention,
        ..
    } = data;
    drop((store, retention));
    tamper(&path, &format!("PRAGMA foreign_keys = OFF; {statements}"));
    let report = RecordReader::open(&path).unwrap().verify().unwrap();
    let fault = report
        .fault
        .map_or("whole".into(), |fault| fault.to_string());
    format!(
        "{} removed, {} good, then: {fault}",
        report.n_removed, report.n_records
    )
}

#[test]
fn a_forged_removal_is_found() {
    insta::assert_snapshot!(found(""), @"3 removed, 5 good, then: whole");
    // One more record is removed, and the gap widened over it.
    let hash = "(SELECT sha256 FROM record WHERE row = 5)";
    insta::assert_snapshot!(found(&format!("UPDATE gap SET last_row = 5, sha256 = {hash}; DELETE FROM record WHERE row IN (4, 5)")), @"0 removed, 0 good, then: what retention noted about removed records was changed, or does not fit (near row 1)");
    // A record in the middle is removed, and a gap made up for it.
    let hash = "(SELECT sha256 FROM record WHERE row = 6)";
    insta::assert_snapshot!(found(&format!("INSERT INTO gap VALUES (6, 6, {hash}); DELETE FROM record WHERE row = 6")), @"0 removed, 0 good, then: what retention noted about removed records was changed, or does not fit (near row 1)");
    insta::assert_snapshot!(found("DELETE FROM removal; DELETE FROM gap"), @"0 removed, 0 good, then: what retention noted about removed records was changed, or does not fit (near row 1)");
    insta::assert_snapshot!(found("DELETE FROM removal WHERE number = 3"), @"0 removed, 0 good, then: what retention noted about removed records was changed, or does not fit (near row 1)");
    insta::assert_snapshot!(found("UPDATE removal SET json = replace(json, '\"age\"', '\"bytes\"')"), @"3 removed, 1 good, then: what retention noted about removed records was changed, or does not fit (near row 5)");
    insta::assert_snapshot!(found("UPDATE removal SET after_row = 5"), @"3 removed, 1 good, then: a record is missing before record `id-0005` (row 5)");
    insta::assert_snapshot!(found("DELETE FROM gap"), @"0 removed, 0 good, then: what retention noted about removed records was changed, or does not fit (near row 1)");
    insta::assert_snapshot!(found("DELETE FROM record WHERE row = 4"), @"3 removed, 0 good, then: a record is missing before record `id-0005` (row 5)");
    insta::assert_snapshot!(found("DELETE FROM record WHERE row = 8"), @"3 removed, 4 good, then: the records from row 8 on are missing");
}

/// A removal is rewritten so that it fits a wider gap: the records behind it name the old one.
#[test]
fn a_removal_that_was_rewritten_with_its_gap_is_found_by_the_record_behind_it() {
    let mut data = Data::delivered(4);
    data.retain(&rules(NOTHING, FOREVER));
    for n in 5..=7 {
        data.append(n);
        data.store.mark_delivered(n.into()).unwrap();
    }
    let honest = RecordReader::open(&data.path).unwrap().verify().unwrap();
    assert_eq!(honest.fault, None);
    let Data {
        home: _home,
        path,
        store,
        retention,
        ..
    } = data;
    let first = store.read().get("id-0004").unwrap().unwrap();
    drop((store, retention));
    // All that the forger can compute without touching the records behind: digest, count and hash.
    let connection = rusqlite::Connection::open(&path).unwrap();
    let (number, json): (i64, String) = connection
        .query_row(
            "SELECT number, json FROM removal ORDER BY number DESC LIMIT 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    let gaps = format!("1 4 {}\n", first.sha256);
    let mut removal: serde_json::Value = serde_json::from_str(&json).unwrap();
    removal["n_records_in_all"] = 4.into();
    removal["gaps_sha256"] = taktgate::config::sha256_hex(gaps.as_bytes()).into();
    removal["previous_sha256"] = first.sha256.clone().into();
    let mut form: taktgate::record::RemovalForm = serde_json::from_value(removal).unwrap();
    form.n_records = 4;
    let json = serde_json::to_string(&form).unwrap();
    let sha256 = taktgate::config::sha256_hex(format!("{}{json}", first.sha256).as_bytes());
    connection
        .execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM record WHERE row = 4")
        .unwrap();
    connection
        .execute("DELETE FROM removal WHERE number <> ?", [number])
        .unwrap();
    connection
        .execute("UPDATE removal SET json = ?, sha256 = ?", [&json, &sha256])
        .unwrap();
    connection
        .execute("UPDATE gap SET last_row = 4, sha256 = ?", [&first.sha256])
        .unwrap();
    connection.close().unwrap();
    let report = RecordReader::open(&path).unwrap().verify().unwrap();
    insta::assert_snapshot!(report.fault.unwrap(), @"a record is missing before record `id-0005` (row 5)");
}

#[test]
fn a_gap_that_goes_to_the_last_number_there_is_is_a_fault_and_no_crash() {
    for (first_row, last_row) in [(1, i64::MAX), (i64::MIN, i64::MAX), (i64::MIN, i64::MIN)] {
        let mut data = Data::delivered(2);
        data.retain(&rules(NOTHING, FOREVER));
        let Data {
            home: _home,
            path,
            store,
            retention,
            ..
        } = data;
        drop((store, retention));
        let connection = rusqlite::Connection::open(&path).unwrap();
        let json: String = connection
            .query_row(
                "SELECT json FROM removal ORDER BY number DESC LIMIT 1",
                [],
                |row| row.get(0),
            )
            .unwrap();
        // The digest is right, so that what the gap says is counted.
        let gaps = format!("{first_row} {last_row} ab\n");
        let mut removal: serde_json::Value = serde_json::from_str(&json).unwrap();
        removal["gaps_sha256"] = taktgate::config::sha256_hex(gaps.as_bytes()).into();
        for n_records in [i64::MAX.cast_unsigned(), u64::MAX, 0] {
            removal["n_records_in_all"] = n_records.into();
            connection
                .execute("UPDATE removal SET json = ?", [removal.to_string()])
                .unwrap();
            connection
                .execute(
                    "UPDATE gap SET first_row = ?, last_row = ?, sha256 = 'ab'",
                    [first_row, last_row],
                )
                .unwrap();
            let report = RecordReader::open(&path).unwrap().verify().unwrap();
            assert!(report.fault.is_some(), "{first_row} to {last_row}");
        }
    }
}
