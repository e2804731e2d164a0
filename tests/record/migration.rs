//! A store that an earlier taktgate wrote: brought up to date whole, with nothing lost.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use taktgate::domain::{Name, Verdict};
use taktgate::record::{
    CHAIN_START, Holds, ImageState, RecordFilter, RecordForm, RecordReader, RecordStore, Retention,
};

use super::{home, record, record_with_image, refusal, tamper, told};

/// What taktgate of 22 November 2026 made: schema 1.
const SCHEMA_1: &str = "
    PRAGMA journal_mode = WAL;
    BEGIN;
    CREATE TABLE record (
        row        INTEGER PRIMARY KEY AUTOINCREMENT,
        id         TEXT NOT NULL UNIQUE,
        sequence   INTEGER NOT NULL,
        part       TEXT NOT NULL,
        part_type  TEXT NOT NULL,
        lot        TEXT,
        supplier   TEXT,
        decided_at TEXT NOT NULL,
        verdict    TEXT NOT NULL,
        reason     TEXT,
        late       INTEGER NOT NULL,
        json       TEXT NOT NULL,
        sha256     TEXT NOT NULL
    ) STRICT;
    CREATE INDEX record_sequence ON record (sequence);
    CREATE INDEX record_part ON record (part);
    CREATE INDEX record_lot ON record (lot) WHERE lot IS NOT NULL;
    CREATE INDEX record_supplier ON record (supplier) WHERE supplier IS NOT NULL;
    CREATE INDEX record_decided_at ON record (decided_at);
    CREATE INDEX record_verdict ON record (verdict, reason, late);
    CREATE TABLE outbox (
        row INTEGER PRIMARY KEY REFERENCES record (row)
    ) STRICT;
    PRAGMA application_id = 0x74616B74;
    PRAGMA user_version = 1;
    COMMIT;
";

/// A store of schema 1 with records 1 to `n`, each with an image, of which the first two are delivered.
fn old(path: &Path, n: u32) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(SCHEMA_1).unwrap();
    let mut previous = CHAIN_START.to_owned();
    for n in 1..=n {
        let (record, _) = record_with_image(n, Verdict::Ok);
        let form = RecordForm::from_record(&record, &previous);
        let json = form.to_json().unwrap();
        let sha256 = taktgate::config::sha256_hex(format!("{previous}{json}").as_bytes());
        connection
            .execute(
                "INSERT INTO record (id, sequence, part, part_type, lot, supplier, decided_at,
                 verdict, reason, late, json, sha256)
                 VALUES (?, ?, ?, ?, ?, NULL, ?, 'ok', NULL, 0, ?, ?)",
                rusqlite::params![
                    form.id,
                    form.sequence,
                    form.part_id,
                    form.part_type,
                    form.lot,
                    format!("{:.6}", form.decided_at_utc),
                    json,
                    sha256
                ],
            )
            .unwrap();
        connection
            .execute("INSERT INTO outbox (row) VALUES (?)", [n])
            .unwrap();
        previous = sha256;
    }
    connection
        .execute_batch("DELETE FROM outbox WHERE row <= 2")
        .unwrap();
    connection.close().unwrap();
}

#[test]
fn a_store_of_schema_1_keeps_every_record_and_goes_on() {
    let (_home, path) = home();
    old(&path, 5);
    let before = RecordReader::open(&path).unwrap();
    let texts = before.latest(9).unwrap();
    assert_eq!((texts.len(), before.verify().unwrap().n_records), (5, 5));
    drop(before);

    let mut store = RecordStore::open(&path).unwrap();
    assert_eq!(store.read().latest(9).unwrap(), texts);
    assert_eq!(super::ids(&store), [3, 4, 5]);
    let images = store.read().images(4).unwrap();
    assert_eq!(images.len(), 1);
    assert_eq!(images[0].path, record_with_image(4, Verdict::Ok).1);
    assert_eq!(images[0].state, ImageState::Planned);
    assert_eq!(store.append(&record(6, Verdict::Ng)).unwrap(), 6);
    let report = store.read().verify().unwrap();
    assert_eq!((report.n_records, report.fault), (6, None));
    drop(store);
    // The second start finds today's schema.
    assert_eq!(RecordStore::open(&path).unwrap().read().len().unwrap(), 6);
}

/// Gives a store back the tables of schema 2, which taktgate made later on the same day.
fn to_schema_2(path: &Path) {
    tamper(
        path,
        "DROP INDEX record_part_read; ALTER TABLE record DROP COLUMN part_read;
         PRAGMA user_version = 2;",
    );
}

#[test]
fn a_store_of_schema_2_is_read_as_it_is_and_gets_the_part_that_was_read() {
    let (_home, path) = home();
    let mut store = RecordStore::open(&path).unwrap();
    store.append(&record(1, Verdict::Ng)).unwrap();
    store.append(&record(2, Verdict::Ok)).unwrap();
    drop(store);
    to_schema_2(&path);
    let named = |part: &str| RecordFilter {
        part: Some(part.to_owned()),
        ..RecordFilter::default()
    };
    let reader = RecordReader::open(&path).unwrap();
    assert_eq!(reader.find(&named("part-2"), 9).unwrap().len(), 1);
    assert_eq!(reader.find(&named("part-9"), 9).unwrap().len(), 0);
    assert_eq!(reader.verify().unwrap().fault, None);
    drop(reader);

    let mut store = RecordStore::open(&path).unwrap();
    let mut third = record(3, Verdict::Ok);
    third.part_read = Some(Name::new("part-9").unwrap());
    assert_eq!(store.append(&third).unwrap(), 3);
    let rows = |part: &str| {
        let found = store.read().find(&named(part), 9).unwrap();
        found.iter().map(|record| record.row).collect::<Vec<_>>()
    };
    assert_eq!((rows("part-3"), rows("part-9")), (vec![3], vec![3]));
    assert_eq!(rows("part-2"), [2]);
    assert_eq!(store.read().verify().unwrap().fault, None);
}

#[test]
fn an_old_store_is_read_and_proved_as_it_is_and_written_by_its_station_only() {
    let (home, path) = home();
    old(&path, 3);
    let bytes = fs::read(&path).unwrap();
    let reader = RecordReader::open(&path).unwrap();
    assert_eq!(reader.verify().unwrap().n_records, 3);
    assert!(reader.holds().unwrap().is_empty());
    assert!(reader.images(1).unwrap().is_empty());
    drop(reader);
    let holds = Holds::open(&path).unwrap_err();
    let retention = Retention::open(&path, home.path()).unwrap_err();
    assert_eq!(holds.to_string(), retention.to_string());
    insta::assert_snapshot!(told(home.path(), &holds), @"the record store `HOME/records.db` has schema 1, this program writes 3; start its station once with this taktgate");
    assert_eq!(fs::read(&path).unwrap(), bytes, "the file was changed");
}

#[test]
fn a_changed_record_of_an_old_store_is_taken_over_as_it_is_and_still_found() {
    let (_home, path) = home();
    old(&path, 4);
    tamper(&path, "UPDATE record SET json = 'rotten' WHERE row = 2");
    let store = RecordStore::open(&path).unwrap();
    assert_eq!(store.read().len().unwrap(), 4);
    let fault = store.read().verify().unwrap().fault.unwrap();
    insta::assert_snapshot!(fault, @"record `id-0002` (row 2) was changed");
    assert_eq!(store.read().images(3).unwrap().len(), 1);
}

#[test]
fn a_migration_that_cannot_be_done_leaves_the_old_store() {
    let (home, path) = home();
    old(&path, 2);
    // Somebody's own table stands where ours should be.
    tamper(&path, "CREATE TABLE gap (mine TEXT)");
    let told = refusal(home.path(), &path);
    let (message, cause) = told.split_once('\n').unwrap();
    insta::assert_snapshot!(message, @"the record store `HOME/records.db` could not get the tables of this version; look at its disk and the system log");
    assert!(cause.contains("table gap already exists"), "{cause}");
    let connection = Connection::open(&path).unwrap();
    let tables: i64 = connection
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE name IN ('hold', 'image', 'removal')",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(tables, 0, "half of it was done");
}
