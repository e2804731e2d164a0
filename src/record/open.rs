//! Opening a store: made whole or not at all, locked, of a known schema, undamaged.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use tracing::{info, warn};

use super::RecordError;
use super::tables::{self, STORE_SCHEMA};

/// `takt` in ASCII: tells our databases from those of other programs.
const APPLICATION_ID: i64 = 0x7461_6B74;
/// How long a writer waits for a reader that holds the file for a moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// How far the write-ahead log may stay grown after a long read, in bytes.
const WAL_BYTES_MAX: i64 = 16 << 20;

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
    let (mut connection, found) = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    check_pages(path, &connection)?;
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(|error| sql(path, "switch to durable writing", error))?;
    if mode != "wal" {
        return Err(damaged(path, "its file system has no write-ahead log"));
    }
    if found < STORE_SCHEMA {
        tables::migrate(&connection, found)
            .map_err(|error| sql(path, "get the tables of this version", error))?;
        info!(path = %path.display(), from = found, to = STORE_SCHEMA, "record store migrated");
    }
    let (mut deliveries, _) = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    tune(path, &connection, "FULL", CHECKPOINT_PAGES_NO_DELIVERY)?;
    // SQLite's own pauses grow to 100 ms; the line has no time for that.
    for connection in [&mut connection, &mut deliveries] {
        connection
            .busy_handler(Some(wait_a_little))
            .map_err(|error| sql(path, "be opened", error))?;
    }
    tune(path, &deliveries, "NORMAL", CHECKPOINT_PAGES)?;
    Ok(Writing {
        records: connection,
        deliveries,
        lock,
    })
}

/// Waits for the bite of retention that holds the file; false when [`BUSY_TIMEOUT`] is over.
fn wait_a_little(n_waits: i32) -> bool {
    const PAUSE: Duration = Duration::from_millis(1);
    thread::park_timeout(PAUSE);
    PAUSE.saturating_mul(n_waits.unsigned_abs()) < BUSY_TIMEOUT
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

/// Opens beside the one that appends: for retention and holds, which never touch a record's text.
pub(super) fn open_beside(path: &Path) -> Result<Connection, RecordError> {
    must_be_there(path)?;
    let (connection, found) = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    if found < STORE_SCHEMA {
        let path = path.to_owned();
        return Err(RecordError::Older { path, found });
    }
    tune(path, &connection, "FULL", CHECKPOINT_PAGES)?;
    Ok(connection)
}

/// Opens beside a running station, without its lock and without a change.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, RecordError> {
    must_be_there(path)?;
    let (connection, found) = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    if found < STORE_SCHEMA {
        tables::stand_in(&connection, found).map_err(|error| sql(path, "be opened", error))?;
    }
    Ok(connection)
}

fn must_be_there(path: &Path) -> Result<(), RecordError> {
    if path.is_dir() {
        let path = path.to_owned();
        return Err(RecordError::NoFile { path });
    }
    match fs::metadata(path) {
        Ok(file) if file.len() == 0 => Err(damaged(path, "the file is empty")),
        Ok(_) => Ok(()),
        Err(source) => {
            let path = path.to_owned();
            Err(RecordError::Open { path, source })
        }
    }
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
        "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; BEGIN; {}
         PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {STORE_SCHEMA}; COMMIT;",
        tables::all()
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

/// A checked connection, and the schema that the store has: [`STORE_SCHEMA`] or an older one.
fn connect(path: &Path, access: OpenFlags) -> Result<(Connection, i64), RecordError> {
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
    if found < 1 {
        return Err(damaged(
            path,
            &format!("it says that it has schema {found}"),
        ));
    }
    Ok((connection, found))
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
