//! What is damaged, foreign or newer is refused at open, told clearly, and left as it is.

use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};

use rusqlite::Connection;
use taktgate::record::{CHAIN_START, RecordReader, RecordStore};

use super::{filled, home, refusal, skip, tamper, told};

#[test]
fn bytes_flipped_in_the_middle_are_noticed_at_open() {
    let (home, path) = filled(200);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let middle = file.metadata().unwrap().len() / 2 / 4096 * 4096;
    let mut page = vec![0; 4096];
    file.seek(SeekFrom::Start(middle)).unwrap();
    file.read_exact(&mut page).unwrap();
    let page: Vec<u8> = page.iter().map(|byte| !byte).collect();
    file.seek(SeekFrom::Start(middle)).unwrap();
    file.write_all(&page).unwrap();
    let told = refusal(home.path(), &path);
    let (message, cause) = told.split_once('\n').unwrap();
    insta::assert_snapshot!(message, @"the record store `HOME/records.db` is damaged; stop, move it away together with its `-wal` file, keep both, and start again (nothing was overwritten)");
    assert!(cause.contains("page"), "{cause}");
}

#[test]
fn a_cut_off_store_is_noticed_at_open() {
    let (home, path) = filled(200);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    insta::assert_snapshot!(refusal(home.path(), &path), @r#"
the record store `HOME/records.db` is damaged; stop, move it away together with its `-wal` file, keep both, and start again (nothing was overwritten)
  because database disk image is malformed
  because Error code 11: database disk image is malformed
"#);
    file.set_len(0).unwrap();
    insta::assert_snapshot!(refusal(home.path(), &path), @r#"
the record store `HOME/records.db` is damaged; stop, move it away together with its `-wal` file, keep both, and start again (nothing was overwritten)
  because the file is empty
"#);
    let error = RecordReader::open(&path).unwrap_err();
    insta::assert_snapshot!(told(home.path(), &error), @r#"
the record store `HOME/records.db` is damaged; stop, move it away together with its `-wal` file, keep both, and start again (nothing was overwritten)
  because the file is empty
"#);
}

#[test]
fn what_is_no_store_is_refused() {
    let (home, path) = home();
    fs::write(&path, "no database\n".repeat(1000)).unwrap();
    insta::assert_snapshot!(refusal(home.path(), &path), @r#"
the record store `HOME/records.db` is damaged; stop, move it away together with its `-wal` file, keep both, and start again (nothing was overwritten)
  because file is not a database
  because Error code 26: file is not a database
"#);
    fs::remove_file(&path).unwrap();
    let foreign = Connection::open(&path).unwrap();
    foreign
        .execute_batch("CREATE TABLE coffee (cups INTEGER)")
        .unwrap();
    foreign.close().unwrap();
    insta::assert_snapshot!(refusal(home.path(), &path), @"`HOME/records.db` is no record store but the database of another program; name another file");
    insta::assert_snapshot!(refusal(home.path(), home.path()), @"the record store `HOME` is a directory; name a file in it");
    let missing = home.path().join("not-mounted/records.db");
    insta::assert_snapshot!(refusal(home.path(), &missing), @"there is no directory for `HOME/not-mounted/records.db`; mount its disk, or make the directory");
    let error = RecordReader::open(&missing).unwrap_err();
    insta::assert_snapshot!(told(home.path(), &error), @r#"
cannot open `HOME/not-mounted/records.db`; is the disk mounted, and may taktgate write there?
  because No such file or directory (os error 2)
"#);
}

#[test]
fn a_store_whose_file_was_lost_but_not_its_log_is_not_begun_anew() {
    let (home, path) = home();
    let log = home.path().join("records.db-wal");
    fs::write(&log, "the last parts").unwrap();
    insta::assert_snapshot!(refusal(home.path(), &path), @r#"
the record store `HOME/records.db` is damaged; stop, move it away together with its `-wal` file, keep both, and start again (nothing was overwritten)
  because its `-wal` file is there without it
"#);
    assert_eq!(fs::read_to_string(&log).unwrap(), "the last parts");
}

#[test]
fn an_empty_directory_and_a_half_made_store_give_a_new_one() {
    let (home, path) = home();
    fs::write(home.path().join("records.db.new"), "half made").unwrap();
    let store = RecordStore::open(&path).unwrap();
    assert!(store.read().is_empty().unwrap());
    let report = store.read().verify().unwrap();
    assert_eq!(
        (report.n_records, report.head_sha256.as_str()),
        (0, CHAIN_START)
    );
}

#[test]
fn a_newer_schema_is_refused() {
    let (home, path) = filled(1);
    tamper(&path, "PRAGMA user_version = 4");
    insta::assert_snapshot!(refusal(home.path(), &path), @"the record store `HOME/records.db` has schema 4, this program knows 3; use the newer taktgate (nothing was changed)");
}

#[cfg(unix)]
#[test]
fn a_read_only_directory_is_said() {
    use std::os::unix::fs::PermissionsExt;
    let (home, path) = home();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let probe = fs::write(home.path().join("probe"), "");
    if probe.is_ok() {
        skip("root writes into read-only directories");
        return;
    }
    insta::assert_snapshot!(refusal(home.path(), &path), @r"
cannot open `HOME/records.db.lock`; is the disk mounted, and may taktgate write there?
  because Permission denied (os error 13)
");
}
