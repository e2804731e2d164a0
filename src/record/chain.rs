//! The hash chain: each record carries the hash of the one before it, so that a change shows.
//!
//! It shows what was done to the middle. Someone who rewrites everything behind his change shows
//! only against a hash kept elsewhere: each record that was delivered carries one.

use std::fmt;

use jiff::Timestamp;
use rusqlite::Row;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::open::sql;
use super::{RecordError, RecordForm, RecordReader};
use crate::config::hex;

/// What the first record of a store has for the hash of the record before it.
pub const CHAIN_START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What [`RecordReader::verify`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Records that follow one from the other, before the first fault.
    pub n_records: u64,
    /// The hash of the last of them: note it elsewhere to notice a rewritten store.
    pub head_sha256: String,
    /// The first fault; `None` if the chain is whole.
    pub fault: Option<ChainFault>,
}

/// The first place where the chain breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainFault {
    /// The row it was found at.
    pub row: i64,
    /// The record there; `None` if the last records are missing.
    pub id: Option<String>,
    /// What was done.
    pub kind: ChainFaultKind,
}

/// What was done to a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChainFaultKind {
    /// The record is not as it was written.
    Changed,
    /// One or more records before this one are gone.
    MissingBefore,
    /// The record was put in between.
    Inserted,
}

impl fmt::Display for ChainFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { row, id, kind } = self;
        match (id, kind) {
            (Some(id), ChainFaultKind::Changed) => {
                write!(f, "record `{id}` (row {row}) was changed")
            }
            (Some(id), ChainFaultKind::Inserted) => {
                write!(f, "record `{id}` (row {row}) was inserted")
            }
            (Some(id), ChainFaultKind::MissingBefore) => {
                write!(f, "a record is missing before record `{id}` (row {row})")
            }
            (None, _) => write!(f, "the records from row {row} on are missing"),
        }
    }
}

/// The hash of a record: of the hash before it and its text.
pub(super) fn chain_sha256(previous: &str, json: &str) -> String {
    let digest = Sha256::new()
        .chain_update(previous)
        .chain_update(json)
        .finalize();
    hex(&digest)
}

/// A time as its column has it: all of one length, so that text order is time order.
pub(super) fn column_time(time: Timestamp) -> String {
    format!("{time:.6}")
}

/// What is stored beside the JSON, to be searched.
#[derive(PartialEq)]
pub(super) struct Columns {
    pub(super) id: String,
    pub(super) sequence: u32,
    pub(super) part: String,
    pub(super) part_type: String,
    pub(super) lot: Option<String>,
    pub(super) supplier: Option<String>,
    pub(super) decided_at: String,
    pub(super) verdict: String,
    pub(super) reason: Option<String>,
    pub(super) late: bool,
}

impl Columns {
    pub(super) fn of(form: &RecordForm) -> Self {
        Self {
            id: form.id.clone(),
            sequence: form.sequence,
            part: form.part_id.clone(),
            part_type: form.part_type.clone(),
            lot: form.lot.clone(),
            supplier: form.supplier.clone(),
            decided_at: column_time(form.decided_at_utc),
            verdict: form.verdict.as_str().to_owned(),
            reason: form.reason.map(|reason| reason.0.word().to_owned()),
            late: form.late,
        }
    }
}

/// Whether the text fits its own hash.
pub(super) fn is_intact(json: &str, sha256: &str) -> bool {
    claim(json).is_some_and(|previous| chain_sha256(&previous, json) == sha256)
}

/// The hash that a record says the one before it has.
fn claim(json: &str) -> Option<String> {
    let claim: Result<Claim, _> = serde_json::from_str(json);
    claim.ok().map(|claim| claim.previous_sha256)
}

struct Link {
    row: i64,
    json: String,
    sha256: String,
    columns: Columns,
}

#[derive(Deserialize)]
struct Claim {
    previous_sha256: String,
}

impl Link {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            row: row.get("row")?,
            json: row.get("json")?,
            sha256: row.get("sha256")?,
            columns: Columns {
                id: row.get("id")?,
                sequence: row.get("sequence")?,
                part: row.get("part")?,
                part_type: row.get("part_type")?,
                lot: row.get("lot")?,
                supplier: row.get("supplier")?,
                decided_at: row.get("decided_at")?,
                verdict: row.get("verdict")?,
                reason: row.get("reason")?,
                late: row.get("late")?,
            },
        })
    }

    /// Whether it is what was written after `previous` at `row`.
    fn follows(&self, previous: &str, row: i64) -> bool {
        self.row == row
            && chain_sha256(previous, &self.json) == self.sha256
            && RecordForm::parse(&self.json).is_ok_and(|form| {
                form.previous_sha256 == previous && Columns::of(&form) == self.columns
            })
    }

    /// What was done to it, known that it does not follow `previous` at `row`.
    fn kind(&self, previous: &str, row: i64, next: Option<&Self>) -> ChainFaultKind {
        let next_claim = next.and_then(|next| claim(&next.json));
        let claim = claim(&self.json);
        let intact = is_intact(&self.json, &self.sha256);
        if next_claim.as_deref() == Some(previous) {
            ChainFaultKind::Inserted
        } else if claim.as_deref() == Some(previous) {
            ChainFaultKind::Changed
        } else if row < self.row {
            ChainFaultKind::MissingBefore
        } else if intact && next_claim.as_ref() == Some(&self.sha256) {
            // The rows were numbered anew to hide the gap.
            ChainFaultKind::MissingBefore
        } else if intact {
            ChainFaultKind::Inserted
        } else {
            ChainFaultKind::Changed
        }
    }
}

impl RecordReader {
    /// Walks the whole chain and names the first record that was changed, removed or inserted.
    ///
    /// # Errors
    /// [`RecordError`] if the store cannot be read to its end.
    pub fn verify(&self) -> Result<VerifyReport, RecordError> {
        self.walk()
            .map_err(|error| sql(&self.path, "be verified", error))
    }

    fn walk(&self) -> rusqlite::Result<VerifyReport> {
        // One transaction, so that a station may go on writing.
        let transaction = self.connection.unchecked_transaction()?;
        let mut statement = transaction.prepare("SELECT * FROM record ORDER BY row")?;
        let mut links = statement.query_map([], Link::read)?;
        let mut report = VerifyReport {
            n_records: 0,
            head_sha256: CHAIN_START.to_owned(),
            fault: None,
        };
        let mut row = 1;
        while let Some(link) = links.next().transpose()? {
            if !link.follows(&report.head_sha256, row) {
                let next = links.next().transpose()?;
                report.fault = Some(ChainFault {
                    row: link.row,
                    kind: link.kind(&report.head_sha256, row, next.as_ref()),
                    id: Some(link.columns.id),
                });
                return Ok(report);
            }
            report.n_records += 1;
            report.head_sha256 = link.sha256;
            row += 1;
        }
        let given: i64 = transaction.query_row(
            "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'record'",
            [],
            |found| found.get(0),
        )?;
        if row <= given {
            report.fault = Some(ChainFault {
                row,
                id: None,
                kind: ChainFaultKind::MissingBefore,
            });
        }
        Ok(report)
    }
}
