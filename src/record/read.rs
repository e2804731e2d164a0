//! Reading records back: by id, by filter, in counts; also beside a running station.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Params, Row, ToSql, params};

use super::chain::{column_time, is_intact};
use super::open::{open_for_reading, sql};
use super::{FormError, OutboxId, ReasonWord, RecordError, RecordForm, VerdictWord};
use crate::domain::{Name, Sequence, Verdict};

/// Which records are wanted; an empty filter wants all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordFilter {
    /// Only this sequence number.
    pub sequence: Option<Sequence>,
    /// Only this part, announced or read from its code.
    pub part: Option<String>,
    /// Only this lot.
    pub lot: Option<String>,
    /// Only of this supplier.
    pub supplier: Option<String>,
    /// Only this verdict.
    pub verdict: Option<VerdictWord>,
    /// Only those decided then or later, to the microsecond.
    pub since: Option<Timestamp>,
    /// Only those decided before then.
    pub until: Option<Timestamp>,
    /// Only those on hold.
    pub held: bool,
    /// Only rows before this one: the last row of the page before.
    pub before: Option<u64>,
    /// Only rows after this one.
    pub after: Option<u64>,
}

/// A record that was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its row, which is its place in the outbox too.
    pub row: OutboxId,
    /// Its place in the hash chain.
    pub sha256: String,
    /// The text as it was written and is sent.
    pub json: String,
}

impl StoredRecord {
    /// What it says.
    ///
    /// # Errors
    /// [`FormError`] if the text is no record any more; show it as it is, it is evidence.
    pub fn form(&self) -> Result<RecordForm, FormError> {
        RecordForm::parse(&self.json)
    }

    /// Whether the text fits its hash; [`RecordReader::verify`] looks at its neighbours too.
    pub fn is_intact(&self) -> bool {
        is_intact(&self.json, &self.sha256)
    }
}

/// What a trigger was answered, so that the same trigger gets the same answer again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The line controller's count.
    pub sequence: Sequence,
    /// The part.
    pub part: Name,
    /// What was found.
    pub verdict: Verdict,
    /// The record of it.
    pub record_id: String,
    /// When it was decided, to the microsecond.
    pub decided_at_utc: Timestamp,
}

/// A record store opened for reading.
#[derive(Debug)]
pub struct RecordReader {
    pub(super) path: PathBuf,
    pub(super) connection: Connection,
}

impl RecordReader {
    /// Opens the store at `path` for reading; a station may be writing to it.
    ///
    /// # Errors
    /// [`RecordError`] if there is no readable store of a known schema.
    pub fn open(path: &Path) -> Result<Self, RecordError> {
        Ok(Self::new(path, open_for_reading(path)?))
    }

    pub(super) fn new(path: &Path, connection: Connection) -> Self {
        Self {
            path: path.to_owned(),
            connection,
        }
    }

    /// The record with this id.
    ///
    /// # Errors
    /// [`RecordError`] if the store cannot be read.
    pub fn get(&self, id: &str) -> Result<Option<StoredRecord>, RecordError> {
        let found = self.stored("SELECT row, sha256, json FROM record WHERE id = ?", [id])?;
        Ok(found.into_iter().next())
    }

    /// The `n` newest records, newest first.
    ///
    /// # Errors
    /// [`RecordError`] if the store cannot be read.
    pub fn latest(&self, n: usize) -> Result<Vec<StoredRecord>, RecordError> {
        self.find(&RecordFilter::default(), n)
    }

    /// Records that pass `filter`, newest first, at most `limit`; `filter.before` turns the page.
    ///
    /// # Errors
    /// [`RecordError`] if the store cannot be read.
    pub fn find(
        &self,
        filter: &RecordFilter,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, RecordError> {
        self.select(filter, "DESC", limit)
    }

    /// Records that pass `filter`, oldest first, at most `limit`; `filter.after` turns the page.
    ///
    /// # Errors
    /// [`RecordError`] if the store cannot be read.
    pub fn find_oldest(
        &self,
        filter: &RecordFilter,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, RecordError> {
        self.select(filter, "ASC", limit)
    }

    fn select(
        &self,
        filter: &RecordFilter,
        order: &str,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, RecordError> {
        let verdict = filter.verdict.map(VerdictWord::as_str);
        let [since, until] = [filter.since, filter.until].map(|time| time.map(column_time));
        let [before, after] = [filter.before, filter.after].map(|row| row.map(u64::cast_signed));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let wanted: [(&str, Option<&dyn ToSql>); 9] = [
            ("sequence = ?", some(filter.sequence.as_ref())),
            ("(part = ? OR part_read = ?)", some(filter.part.as_ref())),
            ("lot = ?", some(filter.lot.as_ref())),
            ("supplier = ?", some(filter.supplier.as_ref())),
            ("verdict = ?", some(verdict.as_ref())),
            ("? <= decided_at", some(since.as_ref())),
            ("decided_at < ?", some(until.as_ref())),
            ("row < ?", some(before.as_ref())),
            ("? < row", some(after.as_ref())),
        ];
        let mut statement = String::from("SELECT row, sha256, json FROM record WHERE 1");
        let mut values: Vec<&dyn ToSql> = Vec::new();
        for (condition, value) in wanted {
            if let Some(value) = value {
                statement.push_str(" AND ");
                statement.push_str(condition);
                let n_places = condition.matches('?').count();
                values.extend(std::iter::repeat_n(value, n_places));
            }
        }
        if filter.held {
            statement.push_str(" AND row IN (SELECT row FROM hold)");
        }
        for end in [" ORDER BY row ", order, " LIMIT ?"] {
            statement.push_str(end);
        }
        values.push(&limit);
        self.stored(&statement, values.as_slice())
    }

    /// The last `limit` answers that went to the line, oldest first; late inspections were none.
    ///
    /// # Errors
    /// [`RecordError`] if the store cannot be read; the station must not start.
    pub fn answered(&self, limit: usize) -> Result<Vec<Answered>, RecordError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut answers = self.rows(
            "SELECT sequence, part, verdict, reason, id, decided_at FROM record
             WHERE late = 0 ORDER BY row DESC LIMIT ?",
            params![limit],
            |row| {
                let part: String = row.get(1)?;
                let decided_at: String = row.get(5)?;
                Ok(Answered {
                    sequence: row.get(0)?,
                    part: Name::new(&part).map_err(|error| unreadable(1, error))?,
                    verdict: verdict(row, 2)?,
                    record_id: row.get(4)?,
                    decided_at_utc: decided_at.parse().map_err(|error| unreadable(5, error))?,
                })
            },
        )?;
        answers.reverse();
        Ok(answers)
    }

    /// How often each verdict was answered since then; late inspections were no answers.
    ///
    /// # Errors
    /// [`RecordError`] if the store cannot be read.
    pub fn count_by_verdict(
        &self,
        since: Option<Timestamp>,
    ) -> Result<Vec<(Verdict, u64)>, RecordError> {
        let since = since.map_or_else(String::new, column_time);
        self.rows(
            "SELECT verdict, reason, count(*) FROM record WHERE late = 0 AND ? <= decided_at
             GROUP BY verdict, reason ORDER BY verdict DESC, reason",
            [since],
            |row| Ok((verdict(row, 0)?, row.get::<_, i64>(2)?.cast_unsigned())),
        )
    }

    /// How many records there are.
    ///
    /// # Errors
    /// [`RecordError`] if the store cannot be read.
    pub fn len(&self) -> Result<u64, RecordError> {
        self.count("SELECT count(*) FROM record")
    }

    /// Whether there is no record yet.
    ///
    /// # Errors
    /// [`RecordError`] if the store cannot be read.
    pub fn is_empty(&self) -> Result<bool, RecordError> {
        Ok(self.len()? == 0)
    }

    pub(super) fn count(&self, statement: &str) -> Result<u64, RecordError> {
        self.connection
            .query_row(statement, [], |row| row.get::<_, i64>(0))
            .map(i64::cast_unsigned)
            .map_err(|error| sql(&self.path, "be read", error))
    }

    pub(super) fn rows<T>(
        &self,
        statement: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, RecordError> {
        self.connection
            .prepare_cached(statement)
            .and_then(|mut statement| statement.query_map(values, read)?.collect())
            .map_err(|error| sql(&self.path, "be read", error))
    }

    fn stored(&self, sql: &str, values: impl Params) -> Result<Vec<StoredRecord>, RecordError> {
        self.rows(sql, values, |row| {
            Ok(StoredRecord {
                row: row.get::<_, i64>(0)?.cast_unsigned(),
                sha256: row.get(1)?,
                json: row.get(2)?,
            })
        })
    }
}

fn some<T: ToSql>(value: Option<&T>) -> Option<&dyn ToSql> {
    value.map(|value| value as &dyn ToSql)
}

fn verdict(row: &Row<'_>, column: usize) -> rusqlite::Result<Verdict> {
    let word: String = row.get(column)?;
    let reason: Option<String> = row.get(column + 1)?;
    let known = match &reason {
        None => VerdictWord::from_word(&word).and_then(|verdict| verdict.with(None)),
        Some(reason) => ReasonWord::from_word(reason).and_then(|reason| {
            VerdictWord::from_word(&word).and_then(|verdict| verdict.with(Some(reason)))
        }),
    };
    known.ok_or_else(|| unreadable(column, format!("`{word}` with {reason:?} is no verdict")))
}

fn unreadable(column: usize, error: impl Into<super::Cause>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
}
