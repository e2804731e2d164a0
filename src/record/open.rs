//! Opening a store: made whole or not at all, locked, of a known schema, undamaged.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use tracing::warn;

use super::RecordError;

/// The number of the tables below; a changed table gets the next one.
pub const STORE_SCHEMA: i64 = 1;

/// `takt` in ASCII: tells our databases from those of other programs.
const APPLICATION_ID: i64 = 0x7461_6B74;
/// How long a writer waits for a reader that holds the file for a moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// How far the write-ahead log may stay grown after a long read, in bytes.
const WAL_BYTES_MAX: i64 = 16 << 20;

// `AUTOINCREMENT` never gives a row number twice, so that cut-off last rows are noticed.
const TABLES: &str = "
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
";

/// Pages in the write-ahead log that are too many for [`Writing::deliveries`], in the pause between
/// two parts, and for [`Writing::records`], while a part waits: the second is for a dead broker.
const CHECKPOINT_PAGES: i64 = 1000;
const CHECKPOINT_PAGES_NO_DELIVERY: i64 = 4000;

/// A store opened for writing.
pub(super) struct Writing {
    /// Every commit is durable when it returns.
    pub(super) records: Connection,
    /// A commit may be lost by a power cut (never by a kill): a delivery that is forgotten is only
    /// repeated, and not syncing halves the work of the disk.
    pub(super) deliveries: Connection,
    /// Keeps other writers out as long as it is open; it dies with the process.
    pub(super) lock: Lock,
}

/// The lock on a store.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // A child process that is just being started shares the open file: closing it is not enough.
        if let Err(error) = self.0.unlock() {
            warn!(%error, "record store not unlocked");
        }
    }
}

/// Takes the lock, makes the store if there is none, and checks it.
pub(super) fn open_for_writing(path: &Path) -> Result<Writing, RecordError> {
    let directory = directory_of(path);
    if !directory.is_dir() {
        let path = path.to_owned();
        return Err(RecordError::NoDirectory { path });
    }
    if path.is_dir() {
        let path = path.to_owned();
        return Err(RecordError::NoFile { path });
    }
    let lock = lock(path)?;
    let wal = beside(path, "-wal");
    match (fs::metadata(path), fs::metadata(&wal)) {
        (Ok(file), _) if file.len() == 0 => return Err(damaged(path, "the file is empty")),
        (Ok(_), _) => {}
        // SQLite would take the log of the lost file for rubbish and delete it.
        (Err(_), Ok(_)) => return Err(damaged(path, "its `-wal` file is there without it")),
        (Err(_), Err(_)) => create(path, directory)?,
    }
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    check_pages(path, &connection)?;
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(|error| sql(path, "switch to durable writing", error))?;
    if mode != "wal" {
        return Err(damaged(path, "its file system has no write-ahead log"));
    }
    let deliveries = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    tune(path, &connection, "FULL", CHECKPOINT_PAGES_NO_DELIVERY)?;
    tune(path, &deliveries, "NORMAL", CHECKPOINT_PAGES)?;
    Ok(Writing {
        records: connection,
        deliveries,
        lock,
    })
}

fn tune(
    path: &Path,
    connection: &Connection,
    synchronous: &str,
    checkpoint_pages: i64,
) -> Result<(), RecordError> {
    let script = format!(
        "PRAGMA fullfsync = ON; PRAGMA wal_autocheckpoint = {checkpoint_pages};
         PRAGMA journal_size_limit = {WAL_BYTES_MAX}; PRAGMA synchronous = {synchronous};"
    );
    connection
        .execute_batch(&script)
        .map_err(|error| sql(path, "switch to durable writing", error))
}

/// Opens beside a running station, without its lock and without a change.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, RecordError> {
    if path.is_dir() {
        let path = path.to_owned();
        return Err(RecordError::NoFile { path });
    }
    match fs::metadata(path) {
        Ok(file) if file.len() == 0 => return Err(damaged(path, "the file is empty")),
        Ok(_) => {}
        Err(source) => {
            let path = path.to_owned();
            return Err(RecordError::Open { path, source });
        }
    }
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// Says what SQLite refused, and sorts out damage and a full disk.
pub(super) fn sql(path: &Path, doing: &'static str, error: rusqlite::Error) -> RecordError {
    let code = error.sqlite_error_code();
    let (path, source) = (path.to_owned(), Box::new(error));
    match code {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            RecordError::Damaged { path, source }
        }
        Some(ErrorCode::DiskFull) => RecordError::Full { path, source },
        _ => RecordError::Sql {
            path,
            doing,
            source,
        },
    }
}

fn damaged(path: &Path, what: &str) -> RecordError {
    RecordError::Damaged {
        path: path.to_owned(),
        source: what.into(),
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent()
        .filter(|directory| !directory.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn lock(path: &Path) -> Result<Lock, RecordError> {
    let lock_path = beside(path, ".lock");
    let opened = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path);
    let refused = |source| RecordError::Open {
        path: lock_path.clone(),
        source,
    };
    let file = opened.map_err(refused)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(RecordError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(refused(source)),
    }
}

/// Makes the store under another name first: a file with the right name is never half made, so an
/// empty one is damage and not a beginning.
fn create(path: &Path, directory: &Path) -> Result<(), RecordError> {
    let unfinished = beside(path, ".new");
    let refused = |source| RecordError::Open {
        path: path.to_owned(),
        source,
    };
    if unfinished.exists() {
        fs::remove_file(&unfinished).map_err(refused)?;
    }
    let failed = |error| sql(path, "be made", error);
    let connection = Connection::open(&unfinished).map_err(failed)?;
    let script = format!(
        "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; BEGIN; {TABLES}
         PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {STORE_SCHEMA}; COMMIT;"
    );
    connection.execute_batch(&script).map_err(failed)?;
    connection.close().map_err(|(_, error)| failed(error))?;
    fs::rename(&unfinished, path).map_err(refused)?;
    sync_directory(directory).map_err(refused)
}

/// Makes a rename in `directory` survive a power cut.
#[cfg(unix)]
pub(super) fn sync_directory(directory: &Path) -> std::io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Windows writes directory entries through by itself and cannot sync them.
#[cfg(not(unix))]
pub(super) fn sync_directory(_: &Path) -> std::io::Result<()> {
    Ok(())
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, RecordError> {
    let failed = |error| sql(path, "be opened", error);
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    for (pragma, value) in [
        ("foreign_keys", "ON"),
        ("trusted_schema", "OFF"),
        ("cell_size_check", "ON"),
    ] {
        connection
            .pragma_update(None, pragma, value)
            .map_err(failed)?;
    }
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    if number("application_id").map_err(failed)? != APPLICATION_ID {
        let path = path.to_owned();
        return Err(RecordError::Foreign { path });
    }
    let found = number("user_version").map_err(failed)?;
    if STORE_SCHEMA < found {
        let path = path.to_owned();
        return Err(RecordError::Newer { path, found });
    }
    if found != STORE_SCHEMA {
        return Err(damaged(
            path,
            &format!("it says that it has schema {found}"),
        ));
    }
    Ok(connection)
}

fn check_pages(path: &Path, connection: &Connection) -> Result<(), RecordError> {
    let told: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| sql(path, "be checked", error))?;
    if told == "ok" {
        Ok(())
    } else {
        Err(damaged(path, &told))
    }
}
