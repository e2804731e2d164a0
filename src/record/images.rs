//! What became of each image that was to be kept: its state in the store, and its files on the disk.
//!
//! An image is noted before its file is written, and its removal is noted before its file goes. So
//! no kill leaves a file that nobody accounts for, nor a record that names an image which is gone
//! without saying so.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Component, Path};

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::archive::drawn_path;
use super::chain::column_time;
use super::open::sync_directory;
use super::{RecordError, RecordReader};

/// What became of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImageState {
    /// It is to be written, or has just been.
    Planned,
    /// It is on the disk.
    Stored,
    /// It was never written: the queue or the disk was full.
    Absent,
    /// Retention has decided to remove it, and removes its files.
    Removing,
    /// Retention removed it.
    Removed,
}

/// An image of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptImage {
    /// Where it lies, relative to the archive; the drawn one lies beside it.
    pub path: String,
    /// What became of it.
    pub state: ImageState,
    /// The bytes of both of its files, while it is stored.
    pub bytes: u64,
    /// When it was removed.
    pub removed_at_utc: Option<Timestamp>,
}

impl ImageState {
    const ALL: [Self; 5] = [
        Self::Planned,
        Self::Stored,
        Self::Absent,
        Self::Removing,
        Self::Removed,
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Stored => "stored",
            Self::Absent => "absent",
            Self::Removing => "removing",
            Self::Removed => "removed",
        }
    }
}

impl RecordReader {
    /// The images that were kept of the record in this row.
    ///
    /// # Errors
    /// [`RecordError`] if the store cannot be read.
    pub fn images(&self, row: u64) -> Result<Vec<KeptImage>, RecordError> {
        self.rows(
            "SELECT path, state, bytes, removed_at FROM image WHERE row = ? ORDER BY path",
            [row.cast_signed()],
            |row| {
                let word: String = row.get(1)?;
                let state = ImageState::ALL
                    .into_iter()
                    .find(|state| state.word() == word);
                let removed_at: Option<String> = row.get(3)?;
                Ok(KeptImage {
                    path: row.get(0)?,
                    state: state.unwrap_or(ImageState::Absent),
                    bytes: row.get::<_, i64>(2)?.cast_unsigned(),
                    removed_at_utc: removed_at.and_then(|at| at.parse().ok()),
                })
            },
        )
    }
}

/// Notes that images of the record in `row` are going to be written.
pub(super) fn plan<'p>(
    connection: &Connection,
    row: i64,
    paths: impl IntoIterator<Item = &'p str>,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT OR IGNORE INTO image (row, path, decided_at, state, bytes)
         SELECT row, ?, decided_at, 'planned', 0 FROM record WHERE row = ?",
    )?;
    for path in paths {
        insert.execute(params![path, row])?;
    }
    Ok(())
}

/// An image by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) row: i64,
    pub(super) path: String,
    pub(super) bytes: i64,
}

impl Image {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            row: row.get("row")?,
            path: row.get("path")?,
            bytes: row.get("bytes")?,
        })
    }

    /// Sets its state; nothing happens to an image that is on its way out.
    pub(super) fn settle(
        &self,
        connection: &Connection,
        found: Option<u64>,
    ) -> rusqlite::Result<()> {
        let state = match found {
            Some(_) => ImageState::Stored,
            None => ImageState::Absent,
        };
        let bytes = found.map_or(0, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        connection
            .prepare_cached(
                "UPDATE image SET state = ?, bytes = ? WHERE row = ? AND path = ? AND state = 'planned'",
            )?
            .execute(params![state.word(), bytes, self.row, self.path])
            .map(|_| ())
    }

    /// Decides its removal, unless its record is on hold or undelivered; whether it was decided.
    pub(super) fn doom(&self, connection: &Connection, now: Timestamp) -> rusqlite::Result<bool> {
        connection
            .prepare_cached(
                "UPDATE image SET state = 'removing', removed_at = ?3
                 WHERE row = ?1 AND path = ?2 AND state NOT IN ('removing', 'removed')
                 AND NOT EXISTS (SELECT 1 FROM hold WHERE hold.row = ?1)
                 AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.row = ?1)",
            )?
            .execute(params![self.row, self.path, column_time(now)])
            .map(|changed| changed == 1)
    }

    /// Notes that its files are gone.
    pub(super) fn gone(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection
            .prepare_cached(
                "UPDATE image SET state = 'removed', bytes = 0
                 WHERE row = ? AND path = ? AND state = 'removing'",
            )?
            .execute(params![self.row, self.path])
            .map(|_| ())
    }

    /// The bytes of its files; `None` if it has none.
    pub(super) fn size(&self, archive: &Path) -> io::Result<Option<u64>> {
        let mut total = None;
        for path in [self.path.clone(), drawn_path(&self.path)] {
            match fs::metadata(archive.join(path)) {
                Ok(file) => total = Some(total.unwrap_or(0) + file.len()),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }
}

/// Removes the files of `images`; when this returns, a power cut does not bring them back.
pub(super) fn remove_files(archive: &Path, images: &[Image]) -> io::Result<()> {
    let mut days = BTreeSet::new();
    // A path that leads out of the archive was not written by us: nothing is removed there.
    for image in images.iter().filter(|image| is_inside(&image.path)) {
        for path in [image.path.clone(), drawn_path(&image.path)] {
            let path = archive.join(path);
            match fs::remove_file(&path) {
                Ok(()) => days.extend(path.parent().map(Path::to_owned)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    for day in days {
        sync_directory(&day)?;
    }
    Ok(())
}

/// Removes the folders of the days of `images` if they are empty; never that of a day that images still come to.
pub(super) fn remove_empty_days(archive: &Path, images: &[Image], now: Timestamp) {
    let in_use = [now, now - jiff::SignedDuration::from_hours(24)]
        .map(|day| day.strftime("%Y/%m/%d").to_string());
    let days: BTreeSet<&Path> = images
        .iter()
        .filter(|image| is_inside(&image.path))
        .filter_map(|image| Path::new(&image.path).parent())
        .filter(|day| !in_use.iter().any(|used| Path::new(used) == *day))
        .collect();
    for day in days {
        let folders = day
            .ancestors()
            .take_while(|folder| *folder != Path::new(""));
        // The first folder that is not empty stays, and all above it.
        let removed = |folder: &Path| fs::remove_dir(archive.join(folder)).is_ok();
        let n_removed = folders.take_while(|folder| removed(folder)).count();
        if n_removed > 0 {
            tracing::debug!(day = %day.display(), n_removed, "empty folder of the archive removed");
        }
    }
}

fn is_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}
