//! The hash chain: each link, a record or a removal, carries the hash of the one before it, so that
//! a change shows.
//!
//! It shows what was done to the middle. Someone who rewrites everything behind his change shows
//! only against a hash kept elsewhere: each record that was delivered carries one.

use std::fmt;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::RecordForm;
use crate::config::hex;

/// What the first record of a store has for the hash of the record before it.
pub const CHAIN_START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

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
    /// What retention noted about the records that it removed is not as it was written.
    RemovalChanged,
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
            (_, ChainFaultKind::RemovalChanged) => write!(
                f,
                "what retention noted about removed records was changed, or does not fit (near row {row})"
            ),
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
    pub(super) part_read: Option<String>,
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
            part_read: form.part_id_read.clone(),
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

/// The end of the chain: the row of the newest record, and the hash of the newest link.
pub(super) fn head(connection: &Connection) -> rusqlite::Result<(i64, String)> {
    // A removal is a link of its own behind the record that was the newest then.
    connection
        .prepare_cached(
            "SELECT row, coalesce(
                 (SELECT sha256 FROM removal WHERE after_row = row ORDER BY number DESC LIMIT 1),
                 sha256)
             FROM record ORDER BY row DESC LIMIT 1",
        )?
        .query_row([], |found| Ok((found.get(0)?, found.get(1)?)))
        .optional()
        .map(|found| found.unwrap_or_else(|| (0, CHAIN_START.to_owned())))
}

/// The hash that a link says the one before it has.
pub(super) fn claim(json: &str) -> Option<String> {
    let claim: Result<Claim, _> = serde_json::from_str(json);
    claim.ok().map(|claim| claim.previous_sha256)
}

#[derive(Deserialize)]
struct Claim {
    previous_sha256: String,
}
