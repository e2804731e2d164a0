//! Holds: records that retention must not touch, whatever their age, until somebody releases them.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::chain::column_time;
use super::open::{open_beside, sql};
use super::{OutboxId, RecordError, RecordReader};

/// Why a record and its images are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The record's row.
    pub row: OutboxId,
    /// The words of whoever put it on hold.
    pub reason: String,
    /// Since when.
    pub held_at_utc: Timestamp,
}

/// Puts records on hold and releases them, beside a running station.
#[derive(Debug)]
pub struct Holds {
    path: PathBuf,
    connection: Connection,
}

impl Holds {
    /// Opens the store at `path` beside its station.
    ///
    /// # Errors
    /// [`RecordError`] if there is no store of today's schema.
    pub fn open(path: &Path) -> Result<Self, RecordError> {
        Ok(Self {
            path: path.to_owned(),
            connection: open_beside(path)?,
        })
    }

    /// Keeps the record and its images from now on; a second hold only changes the reason.
    ///
    /// # Errors
    /// [`RecordError::Unknown`] if there is no such record.
    pub fn hold(&mut self, id: &str, reason: &str, now: Timestamp) -> Result<(), RecordError> {
        let failed = |error| sql(&self.path, "put a record on hold", error);
        let changed = self
            .connection
            .execute(
                "INSERT INTO hold (row, reason, held_at) SELECT row, ?, ? FROM record WHERE id = ?
                 ON CONFLICT DO UPDATE SET reason = excluded.reason",
                params![reason, column_time(now), id],
            )
            .map_err(failed)?;
        if changed == 0 {
            return Err(self.unknown(id));
        }
        Ok(())
    }

    /// Gives the record back to retention; false if it was not on hold.
    ///
    /// # Errors
    /// [`RecordError::Unknown`] if there is no such record.
    pub fn release(&mut self, id: &str) -> Result<bool, RecordError> {
        let failed = |error| sql(&self.path, "release a record", error);
        let row: Option<i64> = self
            .connection
            .query_row("SELECT row FROM record WHERE id = ?", [id], |row| {
                row.get(0)
            })
            .optional()
            .map_err(failed)?;
        let row = row.ok_or_else(|| self.unknown(id))?;
        self.connection
            .execute("DELETE FROM hold WHERE row = ?", [row])
            .map(|changed| changed == 1)
            .map_err(failed)
    }

    fn unknown(&self, id: &str) -> RecordError {
        RecordError::Unknown {
            path: self.path.clone(),
            id: id.to_owned(),
        }
    }
}

impl RecordReader {
    /// All holds, in the order of their records.
    ///
    /// # Errors
    /// [`RecordError`] if the store cannot be read.
    pub fn holds(&self) -> Result<Vec<Hold>, RecordError> {
        self.rows(
            "SELECT row, reason, held_at FROM hold ORDER BY row",
            [],
            |row| {
                let held_at: String = row.get(2)?;
                Ok(Hold {
                    row: row.get::<_, i64>(0)?.cast_unsigned(),
                    reason: row.get(1)?,
                    // The column was written by us; a changed one shows as the oldest time there is.
                    held_at_utc: held_at.parse().unwrap_or(Timestamp::MIN),
                })
            },
        )
    }

    /// Whether the record in this row waits for delivery.
    ///
    /// # Errors
    /// [`RecordError`] if the store cannot be read.
    pub fn is_undelivered(&self, row: OutboxId) -> Result<bool, RecordError> {
        let found: Vec<i64> = self.rows(
            "SELECT row FROM outbox WHERE row = ?",
            [row.cast_signed()],
            |found| found.get(0),
        )?;
        Ok(!found.is_empty())
    }
}
