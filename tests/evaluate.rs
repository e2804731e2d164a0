//! `taktgate evaluate`: its figures against the reference libraries, its sets, its runs.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "evaluate/figures.rs"]
mod figures;
