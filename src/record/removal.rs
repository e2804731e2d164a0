//! What retention leaves behind: a gap for the rows that are gone, and a link in the chain that says so.
//!
//! The link, a *removal*, is chained like a record: the next record names its hash. So whoever
//! widens a gap or changes a removal must rewrite every record behind it, which shows against the
//! records that were delivered.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::chain::{chain_sha256, head};
use super::form::FormError;
use crate::config::hex;

/// The number of [`RemovalForm`]; a changed form gets the next one.
const REMOVAL_SCHEMA: u32 = 1;

/// Why records were removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// They were older than the station keeps them.
    Age,
    /// The store was larger than it may be.
    Bytes,
}

/// The link that is written when records are removed, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemovalForm {
    /// Its schema: 1.
    pub schema: u32,
    /// When.
    pub removed_at_utc: Timestamp,
    /// Why.
    pub because: Because,
    /// How many records with this removal.
    pub n_records: u64,
    /// How many records are gone from the store since its beginning.
    pub n_records_in_all: u64,
    /// SHA-256 of the list of all gaps: first row, last row and the hash of the last link in each.
    pub gaps_sha256: String,
    /// The newest record then.
    pub after_row: u64,
    /// SHA-256 of the link before this one.
    pub previous_sha256: String,
}

/// A run of rows that are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) first_row: i64,
    pub(super) last_row: i64,
    /// The hash of the last link in it, which the row behind it names.
    pub(super) sha256: String,
}

/// A removal as stored.
#[derive(Debug)]
pub(super) struct Removed {
    pub(super) number: i64,
    pub(super) after_row: i64,
    pub(super) json: String,
    pub(super) sha256: String,
}

impl RemovalForm {
    /// Reads the JSON text.
    ///
    /// # Errors
    /// [`FormError`] if the text is no removal of this schema.
    pub fn parse(json: &str) -> Result<Self, FormError> {
        let form: Self = serde_json::from_str(json)?;
        let found = form.schema;
        (found == REMOVAL_SCHEMA)
            .then_some(form)
            .ok_or(FormError::Schema { found })
    }
}

impl Gap {
    /// How many rows; rows are what the store says, so they may be any numbers.
    pub(super) fn n_records(&self) -> u64 {
        let behind = self.last_row.saturating_add(1);
        behind.saturating_sub(self.first_row).max(0).cast_unsigned()
    }
}

impl Removed {
    /// All of them, in the order of the chain.
    pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Self>> {
        connection
            .prepare("SELECT number, after_row, json, sha256 FROM removal ORDER BY number")?
            .query_map([], |row| {
                Ok(Self {
                    number: row.get(0)?,
                    after_row: row.get(1)?,
                    json: row.get(2)?,
                    sha256: row.get(3)?,
                })
            })?
            .collect()
    }
}

/// All gaps, in order.
pub(super) fn gaps(connection: &Connection) -> rusqlite::Result<Vec<Gap>> {
    connection
        .prepare_cached("SELECT first_row, last_row, sha256 FROM gap ORDER BY first_row")?
        .query_map([], |row| {
            Ok(Gap {
                first_row: row.get(0)?,
                last_row: row.get(1)?,
                sha256: row.get(2)?,
            })
        })?
        .collect()
}

/// How many rows are in all gaps.
pub(super) fn n_records_of(gaps: &[Gap]) -> u64 {
    gaps.iter().map(Gap::n_records).fold(0, u64::saturating_add)
}

/// What a removal says of all gaps.
pub(super) fn digest_of(gaps: &[Gap]) -> String {
    let mut digest = Sha256::new();
    for gap in gaps {
        let line = format!("{} {} {}\n", gap.first_row, gap.last_row, gap.sha256);
        digest.update(line);
    }
    hex(&digest.finalize())
}

/// Removes one record, which nobody refers to any more, and widens the gap that it joins.
pub(super) fn remove(connection: &Connection, row: i64) -> rusqlite::Result<()> {
    let hash_at: String = connection
        .prepare_cached(
            "SELECT coalesce(
                 (SELECT sha256 FROM removal WHERE after_row = ?1 ORDER BY number DESC LIMIT 1),
                 (SELECT sha256 FROM record WHERE row = ?1))",
        )?
        .query_row([row], |found| found.get(0))?;
    connection
        .prepare_cached("DELETE FROM record WHERE row = ?")?
        .execute([row])?;
    // A removal that stood behind this record is a part of the gap now; the newest one never is,
    // because it stands behind the newest record, which stays.
    connection
        .prepare_cached("DELETE FROM removal WHERE after_row = ?")?
        .execute([row])?;
    let before: Option<i64> = connection
        .prepare_cached("SELECT first_row FROM gap WHERE last_row = ? - 1")?
        .query_row([row], |found| found.get(0))
        .optional()?;
    let behind: Option<(i64, String)> = connection
        .prepare_cached("DELETE FROM gap WHERE first_row = ? + 1 RETURNING last_row, sha256")?
        .query_row([row], |found| Ok((found.get(0)?, found.get(1)?)))
        .optional()?;
    let (last_row, sha256) = behind.unwrap_or((row, hash_at));
    connection
        .prepare_cached(
            "INSERT INTO gap (first_row, last_row, sha256) VALUES (?, ?, ?)
             ON CONFLICT DO UPDATE SET last_row = excluded.last_row, sha256 = excluded.sha256",
        )?
        .execute(params![before.unwrap_or(row), last_row, sha256])?;
    Ok(())
}

/// Writes the link that says what has just been removed; its hash.
pub(super) fn note(
    connection: &Connection,
    n_records: u64,
    because: Because,
    now: Timestamp,
) -> rusqlite::Result<String> {
    let (after_row, previous_sha256) = head(connection)?;
    let gaps = gaps(connection)?;
    let form = RemovalForm {
        schema: REMOVAL_SCHEMA,
        removed_at_utc: now,
        because,
        n_records,
        n_records_in_all: n_records_of(&gaps),
        gaps_sha256: digest_of(&gaps),
        after_row: after_row.cast_unsigned(),
        previous_sha256,
    };
    let json = serde_json::to_string(&form)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let sha256 = chain_sha256(&form.previous_sha256, &json);
    connection
        .prepare_cached("INSERT INTO removal (after_row, json, sha256) VALUES (?, ?, ?)")?
        .execute(params![after_row, json, sha256])?;
    Ok(sha256)
}
