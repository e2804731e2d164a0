//! The hash chain names the first record that was changed, removed or inserted.

use std::fs;

use taktgate::record::{RecordReader, RecordStore, StoredRecord};

use super::{filled, tamper};

/// What the chain says after that was done to records 1 to 6.
fn found(statements: &str) -> String {
    let (_home, path) = filled(6);
    tamper(&path, statements);
    let store = RecordStore::open(&path).unwrap();
    let report = store.read().verify().unwrap();
    let fault = report
        .fault
        .map_or("whole".into(), |fault| fault.to_string());
    format!("{} good, then: {fault}", report.n_records)
}

#[test]
fn the_first_changed_record_is_named() {
    insta::assert_snapshot!(found(""), @"6 good, then: whole");
    let verdict = "UPDATE record SET json = replace(json, '\"ok\"', '\"ng\"') WHERE row = 3";
    insta::assert_snapshot!(found(verdict), @"2 good, then: record `id-0003` (row 3) was changed");
    insta::assert_snapshot!(found("UPDATE record SET verdict = 'ng' WHERE row = 4"), @"3 good, then: record `id-0004` (row 4) was changed");
    insta::assert_snapshot!(found("UPDATE record SET part = 'x' WHERE row = 6"), @"5 good, then: record `id-0006` (row 6) was changed");
    insta::assert_snapshot!(found("UPDATE record SET part_read = 'x' WHERE row = 5"), @"4 good, then: record `id-0005` (row 5) was changed");
    insta::assert_snapshot!(found("UPDATE record SET json = '{}' WHERE row = 1"), @"0 good, then: record `id-0001` (row 1) was changed");
    insta::assert_snapshot!(found("UPDATE record SET sha256 = 'ab' WHERE row = 2"), @"1 good, then: record `id-0002` (row 2) was changed");
}

#[test]
fn a_removed_record_is_named_by_the_one_behind_it() {
    let off = "PRAGMA foreign_keys = OFF;";
    insta::assert_snapshot!(found(&format!("{off} DELETE FROM record WHERE row = 3")), @"2 good, then: a record is missing before record `id-0004` (row 4)");
    insta::assert_snapshot!(found(&format!("{off} DELETE FROM record WHERE row = 1")), @"0 good, then: a record is missing before record `id-0002` (row 2)");
    insta::assert_snapshot!(found(&format!("{off} DELETE FROM record WHERE 4 < row")), @"4 good, then: the records from row 5 on are missing");
    let hidden = "DELETE FROM record WHERE row = 3; UPDATE record SET row = row - 1 WHERE 3 < row";
    insta::assert_snapshot!(found(&format!("{off} {hidden}")), @"2 good, then: a record is missing before record `id-0004` (row 3)");
}

#[test]
fn an_inserted_record_is_named() {
    let copy = |row: &str, from: u32| {
        format!(
            "INSERT INTO record SELECT {row}, 'forged', sequence, part, part_type, lot, supplier,
             decided_at, verdict, reason, late, json, sha256, part_read FROM record WHERE row = {from}"
        )
    };
    let off = "PRAGMA foreign_keys = OFF;";
    let apart = "UPDATE record SET row = row + 10 WHERE 3 < row;
                 UPDATE record SET row = row - 9 WHERE 3 < row;";
    insta::assert_snapshot!(found(&format!("{off} {apart} {}", copy("4", 2))), @"3 good, then: record `forged` (row 4) was inserted");
    insta::assert_snapshot!(found(&copy("0", 5)), @"0 good, then: record `forged` (row 0) was inserted");
    insta::assert_snapshot!(found(&copy("7", 5)), @"6 good, then: record `forged` (row 7) was inserted");
}

#[test]
fn a_bit_that_rotted_inside_a_record_is_found_and_the_others_are_read() {
    let (_home, path) = filled(6);
    // Pages that were split keep the old text too, so every copy of it rots.
    let bytes = fs::read(&path).unwrap();
    let text = b"\"part_id\":\"part-3\"";
    let mut rotten = bytes.clone();
    for (at, window) in bytes.windows(text.len()).enumerate() {
        if window == text {
            rotten[at + 3] ^= 1;
        }
    }
    assert_ne!(rotten, bytes);
    fs::write(&path, rotten).unwrap();
    let reader = RecordReader::open(&path).unwrap();
    let fault = reader.verify().unwrap().fault.unwrap();
    insta::assert_snapshot!(fault, @"record `id-0003` (row 3) was changed");
    let latest = reader.latest(6).unwrap();
    let intact: Vec<_> = latest.iter().rev().map(StoredRecord::is_intact).collect();
    assert_eq!(intact, [true, true, false, true, true, true]);
    let rotten = reader.get("id-0003").unwrap().unwrap();
    insta::assert_snapshot!(rotten.form().unwrap_err(), @"this is no inspection record of schema 1; was it changed by hand?");
}
