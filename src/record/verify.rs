//! Walking the whole chain of a store: each record and each removal follows from the link before.

use jiff::Timestamp;
use rusqlite::{Connection, Row};

use super::chain::{Columns, chain_sha256, claim, is_intact};
use super::open::sql;
use super::removal::{Gap, RemovalForm, Removed, digest_of, gaps, n_records_of};
use super::{CHAIN_START, ChainFault, ChainFaultKind, RecordError, RecordForm, RecordReader};

/// What [`RecordReader::verify`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Records that follow one from the other, before the first fault.
    pub n_records: u64,
    /// Records that retention removed before them and said so.
    pub n_removed: u64,
    /// The first of those that follow.
    pub first: Option<Place>,
    /// The last of them: until there the chain is intact.
    pub last: Option<Place>,
    /// The hash of the last link: note it elsewhere to notice a rewritten store.
    pub head_sha256: String,
    /// The first fault; `None` if the chain is whole.
    pub fault: Option<ChainFault>,
}

/// A record in its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its row.
    pub row: u64,
    /// Its id.
    pub id: String,
    /// When it was decided.
    pub decided_at_utc: Timestamp,
}

struct Link {
    row: i64,
    json: String,
    sha256: String,
    columns: Columns,
}

/// Where a walk stands: the row that comes next, and the hash that it must name.
struct Walk<'g> {
    row: i64,
    gaps: std::iter::Peekable<std::slice::Iter<'g, Gap>>,
    report: VerifyReport,
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
                part_read: row.get("part_read")?,
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

    /// Its place, if it is what was written after `previous` at `row`.
    fn follows(&self, previous: &str, row: i64) -> Option<Place> {
        if self.row != row || chain_sha256(previous, &self.json) != self.sha256 {
            return None;
        }
        let form = RecordForm::parse(&self.json).ok()?;
        let is_same = form.previous_sha256 == previous && Columns::of(&form) == self.columns;
        is_same.then_some(Place {
            row: self.row.cast_unsigned(),
            id: form.id,
            decided_at_utc: form.decided_at_utc,
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

impl Walk<'_> {
    /// Steps over the gap that begins here, if one does.
    fn cross_gap(&mut self, seen: &mut impl FnMut(u64, &str)) {
        if let Some(gap) = self.gaps.next_if(|gap| gap.first_row == self.row) {
            seen(gap.last_row.cast_unsigned(), &gap.sha256);
            self.report.n_removed = self.report.n_removed.saturating_add(gap.n_records());
            self.report.head_sha256.clone_from(&gap.sha256);
            self.row = gap.last_row.saturating_add(1);
        }
    }

    /// Takes the removals that were written behind the record before this row; false if one does not follow.
    fn take_removals(
        &mut self,
        removals: &mut std::iter::Peekable<std::vec::IntoIter<Removed>>,
        seen: &mut impl FnMut(u64, &str),
    ) -> bool {
        while let Some(removed) = removals.next_if(|removed| removed.after_row < self.row) {
            let follows = removed.after_row + 1 == self.row
                && chain_sha256(&self.report.head_sha256, &removed.json) == removed.sha256
                && RemovalForm::parse(&removed.json).is_ok_and(|form| {
                    form.previous_sha256 == self.report.head_sha256
                        && form.after_row.cast_signed() == removed.after_row
                });
            if !follows {
                return false;
            }
            seen(removed.after_row.cast_unsigned(), &removed.sha256);
            self.report.head_sha256 = removed.sha256;
        }
        true
    }

    fn removal_fault(mut self) -> VerifyReport {
        self.report.fault = Some(ChainFault {
            row: self.row,
            id: None,
            kind: ChainFaultKind::RemovalChanged,
        });
        self.report
    }
}

impl RecordReader {
    /// Walks the whole chain and names the first record that was changed, removed or inserted.
    ///
    /// # Errors
    /// [`RecordError`] if the store cannot be read to its end.
    pub fn verify(&self) -> Result<VerifyReport, RecordError> {
        self.verify_seen(|_, _| {})
    }

    /// Like [`Self::verify`]; `seen` hears the hash of each link that follows, and the row it belongs to.
    ///
    /// # Errors
    /// [`RecordError`] if the store cannot be read to its end.
    pub fn verify_seen(&self, seen: impl FnMut(u64, &str)) -> Result<VerifyReport, RecordError> {
        // One transaction, so that a station may go on writing.
        self.connection
            .unchecked_transaction()
            .and_then(|transaction| walk(&transaction, seen))
            .map_err(|error| sql(&self.path, "be verified", error))
    }
}

fn walk(
    connection: &Connection,
    mut seen: impl FnMut(u64, &str),
) -> rusqlite::Result<VerifyReport> {
    let gaps = gaps(connection)?;
    let removals = Removed::all(connection)?;
    let mut walk = Walk {
        row: 1,
        gaps: gaps.iter().peekable(),
        report: VerifyReport {
            n_records: 0,
            n_removed: 0,
            first: None,
            last: None,
            head_sha256: CHAIN_START.to_owned(),
            fault: None,
        },
    };
    if !are_noted(connection, &gaps, removals.last())? {
        return Ok(walk.removal_fault());
    }
    let mut removals = removals.into_iter().peekable();
    let mut statement = connection.prepare("SELECT * FROM record ORDER BY row")?;
    let mut links = statement.query_map([], Link::read)?;
    while let Some(link) = links.next().transpose()? {
        if !walk.take_removals(&mut removals, &mut seen) {
            return Ok(walk.removal_fault());
        }
        walk.cross_gap(&mut seen);
        let Some(place) = link.follows(&walk.report.head_sha256, walk.row) else {
            let next = links.next().transpose()?;
            walk.report.fault = Some(ChainFault {
                row: link.row,
                kind: link.kind(&walk.report.head_sha256, walk.row, next.as_ref()),
                id: Some(link.columns.id),
            });
            return Ok(walk.report);
        };
        seen(place.row, &link.sha256);
        walk.report.n_records += 1;
        walk.report.first.get_or_insert_with(|| place.clone());
        walk.report.last = Some(place);
        walk.report.head_sha256 = link.sha256;
        walk.row = walk.row.saturating_add(1);
    }
    if !walk.take_removals(&mut removals, &mut seen) || removals.peek().is_some() {
        return Ok(walk.removal_fault());
    }
    walk.cross_gap(&mut seen);
    if walk.row <= last_given(connection, "record")? {
        walk.report.fault = Some(ChainFault {
            row: walk.row,
            id: None,
            kind: ChainFaultKind::MissingBefore,
        });
    }
    Ok(walk.report)
}

/// Whether the newest removal says just these gaps: none is wider than what it removed.
fn are_noted(
    connection: &Connection,
    gaps: &[Gap],
    newest: Option<&Removed>,
) -> rusqlite::Result<bool> {
    let given = last_given(connection, "removal")?;
    let Some(newest) = newest else {
        return Ok(gaps.is_empty() && given == 0);
    };
    Ok(newest.number == given
        && RemovalForm::parse(&newest.json).is_ok_and(|form| {
            form.gaps_sha256 == digest_of(gaps) && form.n_records_in_all == n_records_of(gaps)
        }))
}

/// The last number that `table` gave to a row, whether it is still there or not.
fn last_given(connection: &Connection, table: &str) -> rusqlite::Result<i64> {
    connection.query_row(
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?",
        [table],
        |found| found.get(0),
    )
}
