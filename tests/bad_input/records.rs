//! A record store that is damaged when the station starts: refused by name, and left as it was.

use std::fs;

use insta::assert_snapshot;
use taktgate::record::RecordStore;

use crate::scene::Scene;

const STORE: &str = "st-07/data/records.sqlite";

/// What `run` says of a store that `spoil` had its hands on.
fn refused(spoil: impl Fn(&mut Vec<u8>)) -> String {
    let scene = Scene::with_station();
    let path = scene.path(STORE);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    drop(RecordStore::open(&path).unwrap());
    let mut bytes = fs::read(&path).unwrap();
    spoil(&mut bytes);
    fs::write(&path, &bytes).unwrap();
    let told = scene.taktgate(&["run", "st-07", "--log", "error"]);
    assert!(
        fs::read(&path).unwrap() == bytes,
        "the store was changed: {told}"
    );
    let beside: Vec<_> = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !["records.sqlite", "records.sqlite.lock"].contains(&name.as_str()))
        .collect();
    assert!(beside.is_empty(), "left behind: {beside:?}");
    told
}

#[test]
fn a_store_that_is_none_is_refused_and_left_as_it_was() {
    assert_snapshot!(refused(|bytes| *bytes = b"no database at all".repeat(300)), @"
    exit 1
    --- stderr
    error: the record store `st-07/data/records.sqlite` is damaged; stop, move it away together with its `-wal` file, keep both, and start again (nothing was overwritten)
      because file is not a database
      because Error code 26: file is not a database
    ");
    assert_snapshot!(refused(Vec::clear), @"
    exit 1
    --- stderr
    error: the record store `st-07/data/records.sqlite` is damaged; stop, move it away together with its `-wal` file, keep both, and start again (nothing was overwritten)
      because the file is empty
    ");
}

#[test]
fn a_store_that_is_cut_off_is_refused_and_left_as_it_was() {
    assert_snapshot!(refused(|bytes| bytes.truncate(bytes.len() / 2)), @"
    exit 1
    --- stderr
    error: the record store `st-07/data/records.sqlite` is damaged; stop, move it away together with its `-wal` file, keep both, and start again (nothing was overwritten)
      because database disk image is malformed
      because Error code 11: database disk image is malformed
    ");
}

#[test]
fn a_store_with_a_page_overwritten_is_refused_and_left_as_it_was() {
    assert_snapshot!(refused(|bytes| {
        let middle = bytes.len() / 2;
        bytes[middle..middle + 4096].fill(0xA5);
    }), @"
    exit 1
    --- stderr
    error: the record store `st-07/data/records.sqlite` is damaged; stop, move it away together with its `-wal` file, keep both, and start again (nothing was overwritten)
      because *** in database main ***
    Tree 10 page 10: btreeInitPage() returns error code 11
    ");
    assert_snapshot!(refused(|bytes| bytes[..16].fill(0)), @"
    exit 1
    --- stderr
    error: the record store `st-07/data/records.sqlite` is damaged; stop, move it away together with its `-wal` file, keep both, and start again (nothing was overwritten)
      because file is not a database
      because Error code 26: file is not a database
    ");
}

#[test]
fn a_store_of_another_program_or_of_a_later_taktgate_is_refused_and_left_as_it_was() {
    // Bytes 60 to 63 hold SQLite's `user_version`, 68 to 71 its `application_id`.
    assert_snapshot!(refused(|bytes| bytes[60..64].copy_from_slice(&9_u32.to_be_bytes())), @"
    exit 1
    --- stderr
    error: the record store `st-07/data/records.sqlite` has schema 9, this program knows 3; use the newer taktgate (nothing was changed)
    ");
    assert_snapshot!(refused(|bytes| bytes[68..72].fill(0)), @"
    exit 1
    --- stderr
    error: `st-07/data/records.sqlite` is no record store but the database of another program; name another file
    ");
}
