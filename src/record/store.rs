//! The one writer of a record store: a record and its place in the outbox in one transaction.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};

use super::chain::{Columns, chain_sha256, head};
use super::open::{Lock, open_for_writing, sql};
use super::{RecordError, RecordForm, RecordReader, images};
use crate::domain::InspectionRecord;

/// A place in the outbox: the record's row, rising by one from 1.
pub type OutboxId = u64;

/// A record that waits for delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxItem {
    /// Its place; goes back into [`RecordStore::mark_delivered`].
    pub outbox_id: OutboxId,
    /// The record, as stored.
    pub json: String,
}

/// The durable records of one station, opened for writing.
#[derive(Debug)]
pub struct RecordStore {
    reader: RecordReader,
    deliveries: Connection,
    // Unlocks the store when it is dropped, after the connections.
    _lock: Lock,
}

impl RecordStore {
    /// Opens the store at `path`, makes it if there is none, and keeps every other writer out.
    ///
    /// All pages are checked, which reads the whole file once.
    ///
    /// # Errors
    /// [`RecordError`]: the station must not start. Nothing that was there is changed.
    pub fn open(path: &Path) -> Result<Self, RecordError> {
        let writing = open_for_writing(path)?;
        Ok(Self {
            reader: RecordReader::new(path, writing.records),
            deliveries: writing.deliveries,
            _lock: writing.lock,
        })
    }

    /// Reading back.
    pub fn read(&self) -> &RecordReader {
        &self.reader
    }

    /// Writes `record` and puts it into the outbox; when this returns, it survives a power cut.
    ///
    /// # Errors
    /// [`RecordError`]: nothing was written; the station answers `Storage` and never `Ok`.
    pub fn append(&mut self, record: &InspectionRecord) -> Result<OutboxId, RecordError> {
        let RecordReader { path, connection } = &mut self.reader;
        let failed = |error| sql(path, "take a record", error);
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        let (_, previous) = head(&transaction).map_err(failed)?;
        let form = RecordForm::from_record(record, &previous);
        let json = form.to_json().map_err(|source| RecordError::Form {
            path: path.clone(),
            doing: "take a record",
            source,
        })?;
        let sha256 = chain_sha256(&previous, &json);
        let columns = Columns::of(&form);
        transaction
            .prepare_cached(
                "INSERT INTO record (id, sequence, part, part_read, part_type, lot, supplier, decided_at,
                 verdict, reason, late, json, sha256)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .and_then(|mut insert| {
                insert.execute(params![
                    columns.id,
                    columns.sequence,
                    columns.part,
                    columns.part_read,
                    columns.part_type,
                    columns.lot,
                    columns.supplier,
                    columns.decided_at,
                    columns.verdict,
                    columns.reason,
                    columns.late,
                    json,
                    sha256,
                ])
            })
            .map_err(|error| match error.sqlite_error_code() {
                Some(ErrorCode::ConstraintViolation) => RecordError::Duplicate {
                    path: path.clone(),
                    id: record.id.clone(),
                },
                _ => failed(error),
            })?;
        let row = transaction.last_insert_rowid();
        transaction
            .prepare_cached("INSERT INTO outbox (row) VALUES (?)")
            .and_then(|mut insert| insert.execute([row]))
            .map_err(failed)?;
        let images = form
            .views
            .iter()
            .filter_map(|view| view.image_path.as_deref());
        images::plan(&transaction, row, images).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(row.cast_unsigned())
    }

    /// Accounts for images that are kept although their record does not name them: those around an incident.
    ///
    /// # Errors
    /// [`RecordError`]: do not write these images, retention would not know them.
    pub fn add_images(&mut self, images: &[(OutboxId, String)]) -> Result<(), RecordError> {
        let RecordReader { path, connection } = &mut self.reader;
        let failed = |error| sql(path, "take note of an image", error);
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        for (row, image) in images {
            images::plan(&transaction, row.cast_signed(), [image.as_str()]).map_err(failed)?;
        }
        transaction.commit().map_err(failed)
    }

    /// The oldest records that were not delivered yet, behind `after` if it is given.
    ///
    /// # Errors
    /// [`RecordError`]: try again later; the records stay in the outbox.
    pub fn undelivered(
        &self,
        after: Option<OutboxId>,
        limit: usize,
    ) -> Result<Vec<OutboxItem>, RecordError> {
        let after = after.map_or(0, u64::cast_signed);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.reader.rows(
            "SELECT outbox.row, json FROM outbox JOIN record USING (row)
             WHERE ? < outbox.row ORDER BY outbox.row LIMIT ?",
            params![after, limit],
            |row| {
                Ok(OutboxItem {
                    outbox_id: row.get::<_, i64>(0)?.cast_unsigned(),
                    json: row.get(1)?,
                })
            },
        )
    }

    /// The number of the newest record; 0 if there is none.
    ///
    /// # Errors
    /// [`RecordError`] if the store cannot be read.
    pub fn newest(&self) -> Result<OutboxId, RecordError> {
        self.reader
            .count("SELECT coalesce(max(row), 0) FROM record")
    }

    /// How many records wait for delivery.
    ///
    /// # Errors
    /// [`RecordError`] if the store cannot be read.
    pub fn pending_count(&self) -> Result<u64, RecordError> {
        self.reader.count("SELECT count(*) FROM outbox")
    }

    /// Takes a delivered record out of the outbox; the record stays. A second time does nothing.
    ///
    /// # Errors
    /// [`RecordError`]: the record is delivered once more later, which does no harm.
    pub fn mark_delivered(&mut self, outbox_id: OutboxId) -> Result<(), RecordError> {
        self.deliveries
            .prepare_cached("DELETE FROM outbox WHERE row = ?")
            .and_then(|mut delete| delete.execute([outbox_id.cast_signed()]))
            .map(|_| ())
            .map_err(|error| sql(&self.reader.path, "mark a record as delivered", error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_synced_and_deliveries_are_not() {
        let home = tempfile::tempdir().unwrap();
        let store = RecordStore::open(&home.path().join("records.db")).unwrap();
        let setting = |connection: &Connection, pragma: &str| -> i64 {
            let read = connection.pragma_query_value(None, pragma, |row| row.get(0));
            read.unwrap()
        };
        // SQLite: 1 is NORMAL, 2 is FULL.
        assert_eq!(setting(&store.reader.connection, "synchronous"), 2);
        assert_eq!(setting(&store.reader.connection, "foreign_keys"), 1);
        assert_eq!(setting(&store.deliveries, "synchronous"), 1);
    }
}
