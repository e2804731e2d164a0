//! Retention: what is too old or too much is removed, in small bites beside the running station.
//!
//! Never removed is a record that nobody has taken yet or that is on hold, nor an image of one; and
//! the newest records stay. Pages of removed records are used again; the file does not shrink.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, Params, Transaction, TransactionBehavior, params};

use super::chain::column_time;
use super::images::{Image, remove_empty_days, remove_files};
use super::open::{open_beside, sql};
use super::removal::{self, Because};
use super::{OutboxId, RecordError};

/// Most images of one bite.
const IMAGES_AT_ONCE: usize = 64;
/// The same for SQL, which counts in 64 bits.
const LIMIT: i64 = 64;
/// By then an image is on the disk, or will never be: the archive's queue is short.
const SETTLE_AFTER: Duration = Duration::from_mins(1);

/// What images may go, and in which order.
const FREE_IMAGE: &str = "NOT EXISTS (SELECT 1 FROM hold WHERE hold.row = image.row)
    AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.row = image.row)
    ORDER BY decided_at LIMIT ?";
/// Which records may go.
const FREE_RECORD: &str = "row <= (SELECT max(row) FROM record) - ?
    AND NOT EXISTS (SELECT 1 FROM hold WHERE hold.row = record.row)
    AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.row = record.row)";

/// How long and how much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionRules {
    /// Of records.
    pub records: Keep,
    /// Of images.
    pub images: Keep,
    /// So many of the newest records stay, whatever their age and size; at least one.
    pub newest_kept: u64,
    /// Records that are removed together, with one entry in the chain; fewer are waited for.
    pub records_at_once: u64,
}

/// The limits of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// How long they are kept.
    pub age_max: Duration,
    /// How many bytes they may have together.
    pub bytes_max: u64,
}

/// What one bite did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bite {
    /// Images that were removed.
    pub n_images: u64,
    /// Their bytes.
    pub image_bytes: u64,
    /// Records that were removed.
    pub records: Option<RemovedRecords>,
    /// Limits that are exceeded by what may not be removed.
    pub stuck: Vec<Stuck>,
}

/// Records that were removed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedRecords {
    /// How many.
    pub n_records: u64,
    /// Why.
    pub because: Because,
    /// The last of them.
    pub last_row: OutboxId,
    /// The hash of the link that stands for them in the chain.
    pub link_sha256: String,
}

/// More bytes than allowed, and all of it undelivered, on hold or new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stuck {
    /// The records have so many bytes.
    Records(u64),
    /// The images have so many bytes.
    Images(u64),
}

impl Bite {
    /// Whether it removed anything, so that the next one may find more.
    pub fn removed_any(&self) -> bool {
        self.n_images > 0 || self.records.is_some()
    }
}

/// Retention of one store and its archive.
#[derive(Debug)]
pub struct Retention {
    path: PathBuf,
    archive: PathBuf,
    connection: Connection,
}

impl Retention {
    /// Opens the store at `path`, beside the one that appends to it, with its archive of images.
    ///
    /// # Errors
    /// [`RecordError`] if there is no store of today's schema.
    pub fn open(path: &Path, archive: &Path) -> Result<Self, RecordError> {
        Ok(Self {
            path: path.to_owned(),
            archive: archive.to_owned(),
            connection: open_beside(path)?,
        })
    }

    /// Removes a little of what `rules` say, oldest first; call it again as long as it removed anything.
    ///
    /// A kill at any moment is made good by the next bite.
    ///
    /// # Errors
    /// [`RecordError`]: try again later.
    pub fn bite(&mut self, rules: &RetentionRules, now: Timestamp) -> Result<Bite, RecordError> {
        let mut bite = Bite::default();
        let unfinished = self.images(
            "WHERE state = 'removing' ORDER BY decided_at LIMIT ?",
            [LIMIT],
        )?;
        self.finish(&unfinished, now, &mut bite)?;
        self.settle(now)?;
        self.images_by_rule(&rules.images, now, &mut bite)?;
        self.records_by_rule(rules, now, &mut bite)?;
        Ok(bite)
    }

    /// Looks up what became of images that were planned a while ago.
    fn settle(&mut self, now: Timestamp) -> Result<(), RecordError> {
        // Those from the future are of a clock that was set back.
        let planned = self.images(
            "WHERE state = 'planned' AND decided_at NOT BETWEEN ? AND ? ORDER BY decided_at LIMIT ?",
            params![
                column_time(now - SETTLE_AFTER),
                column_time(now),
                LIMIT
            ],
        )?;
        let found: Result<Vec<_>, _> = planned
            .iter()
            .map(|image| image.size(&self.archive))
            .collect();
        let found = found.map_err(|source| self.archive_error(source))?;
        if planned.is_empty() {
            return Ok(());
        }
        self.write("take note of images", |transaction| {
            planned
                .iter()
                .zip(&found)
                .try_for_each(|(image, size)| image.settle(transaction, *size))
        })
    }

    fn images_by_rule(
        &mut self,
        keep: &Keep,
        now: Timestamp,
        bite: &mut Bite,
    ) -> Result<(), RecordError> {
        let old = self.images(
            &format!("WHERE state IN ('stored', 'absent') AND decided_at < ? AND {FREE_IMAGE}"),
            params![oldest(now, keep.age_max), LIMIT],
        )?;
        self.doom(&old, now, bite)?;
        let stored =
            self.count("SELECT coalesce(sum(bytes), 0) FROM image WHERE state = 'stored'")?;
        if stored <= keep.bytes_max {
            return Ok(());
        }
        let mut over = i64::try_from(stored - keep.bytes_max).unwrap_or(i64::MAX);
        let oldest = self.images(&format!("WHERE state = 'stored' AND {FREE_IMAGE}"), [LIMIT])?;
        if oldest.is_empty() {
            bite.stuck.push(Stuck::Images(stored));
        }
        let enough: Vec<Image> = oldest
            .into_iter()
            .take_while(|image| {
                let is_over = 0 < over;
                over -= image.bytes;
                is_over
            })
            .collect();
        self.doom(&enough, now, bite)
    }

    fn records_by_rule(
        &mut self,
        rules: &RetentionRules,
        now: Timestamp,
        bite: &mut Bite,
    ) -> Result<(), RecordError> {
        let at_once = i64::try_from(rules.records_at_once.max(1)).unwrap_or(i64::MAX);
        let newest_kept = i64::try_from(rules.newest_kept.max(1)).unwrap_or(i64::MAX);
        let used = self.count(
            "SELECT (pages.page_count - free.freelist_count) * size.page_size
             FROM pragma_page_count AS pages, pragma_freelist_count AS free,
             pragma_page_size AS size",
        )?;
        if rules.records.bytes_max < used {
            let rows = self.rows(
                &format!("SELECT row FROM record WHERE {FREE_RECORD} ORDER BY row LIMIT ?"),
                params![newest_kept, at_once],
            )?;
            if rows.is_empty() {
                bite.stuck.push(Stuck::Records(used));
                return Ok(());
            }
            return self.remove(&rows, Because::Bytes, now, bite);
        }
        let rows = self.rows(
            &format!(
                "SELECT row FROM record INDEXED BY record_decided_at
                 WHERE decided_at < ? AND {FREE_RECORD} ORDER BY decided_at LIMIT ?"
            ),
            params![oldest(now, rules.records.age_max), newest_kept, at_once],
        )?;
        if i64::try_from(rows.len()).is_ok_and(|n_rows| n_rows < at_once) {
            return Ok(());
        }
        self.remove(&rows, Because::Age, now, bite)
    }

    /// Removes these records: first their images, then, in one transaction, all that is in the store.
    fn remove(
        &mut self,
        rows: &[i64],
        because: Because,
        now: Timestamp,
        bite: &mut Bite,
    ) -> Result<(), RecordError> {
        let mut images = Vec::new();
        for row in rows {
            images.extend(self.images("WHERE row = ? AND state <> 'removed'", [row])?);
        }
        for images in images.chunks(IMAGES_AT_ONCE) {
            self.doom(images, now, bite)?;
        }
        bite.records = self.write("remove records", |transaction| {
            let mut removed = None;
            let mut n_records = 0;
            for row in rows {
                // It may have been put on hold meanwhile.
                let is_free: bool = transaction
                    .prepare_cached(
                        "SELECT NOT EXISTS (SELECT 1 FROM hold WHERE row = ?1)
                         AND NOT EXISTS (SELECT 1 FROM outbox WHERE row = ?1)
                         AND NOT EXISTS (SELECT 1 FROM image WHERE row = ?1 AND state <> 'removed')",
                    )?
                    .query_row([row], |found| found.get(0))?;
                if is_free {
                    transaction
                        .prepare_cached("DELETE FROM image WHERE row = ?")?
                        .execute([row])?;
                    removal::remove(transaction, *row)?;
                    n_records += 1;
                    removed = removed.max(Some(*row));
                }
            }
            let Some(last_row) = removed else {
                return Ok(None);
            };
            Ok(Some(RemovedRecords {
                n_records,
                because,
                last_row: last_row.cast_unsigned(),
                link_sha256: removal::note(transaction, n_records, because, now)?,
            }))
        })?;
        Ok(())
    }

    /// Notes that these images are to go, and then removes their files.
    fn doom(
        &mut self,
        images: &[Image],
        now: Timestamp,
        bite: &mut Bite,
    ) -> Result<(), RecordError> {
        if images.is_empty() {
            return Ok(());
        }
        let doomed: Vec<Image> = self.write("take note of images", |transaction| {
            let mut doomed = Vec::new();
            for image in images {
                if image.doom(transaction, now)? {
                    doomed.push(image.clone());
                }
            }
            Ok(doomed)
        })?;
        self.finish(&doomed, now, bite)
    }

    /// Removes the files of images whose removal is noted, and notes that they are gone.
    fn finish(
        &mut self,
        images: &[Image],
        now: Timestamp,
        bite: &mut Bite,
    ) -> Result<(), RecordError> {
        if images.is_empty() {
            return Ok(());
        }
        remove_files(&self.archive, images).map_err(|source| self.archive_error(source))?;
        remove_empty_days(&self.archive, images, now);
        bite.n_images += images.len() as u64;
        bite.image_bytes += images
            .iter()
            .map(|image| image.bytes.max(0).cast_unsigned())
            .sum::<u64>();
        self.write("take note of images", |transaction| {
            images.iter().try_for_each(|image| image.gone(transaction))
        })
    }

    fn write<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, RecordError> {
        let done = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .and_then(|transaction| {
                let done = work(&transaction)?;
                transaction.commit()?;
                Ok(done)
            });
        done.map_err(|error| sql(&self.path, doing, error))
    }

    fn images(&self, condition: &str, values: impl Params) -> Result<Vec<Image>, RecordError> {
        self.connection
            .prepare_cached(&format!("SELECT row, path, bytes FROM image {condition}"))
            .and_then(|mut found| found.query_map(values, Image::read)?.collect())
            .map_err(|error| sql(&self.path, "be read", error))
    }

    fn rows(&self, statement: &str, values: impl Params) -> Result<Vec<i64>, RecordError> {
        self.connection
            .prepare_cached(statement)
            .and_then(|mut found| found.query_map(values, |row| row.get(0))?.collect())
            .map_err(|error| sql(&self.path, "be read", error))
    }

    fn count(&self, statement: &str) -> Result<u64, RecordError> {
        self.connection
            .query_row(statement, [], |row| row.get::<_, i64>(0))
            .map(i64::cast_unsigned)
            .map_err(|error| sql(&self.path, "be read", error))
    }

    fn archive_error(&self, source: std::io::Error) -> RecordError {
        RecordError::Archive {
            path: self.archive.clone(),
            source,
        }
    }
}

/// The time before which everything is too old, as its column has it.
fn oldest(now: Timestamp, age_max: Duration) -> String {
    column_time(now.checked_sub(age_max).unwrap_or(Timestamp::MIN))
}
