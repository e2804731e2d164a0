//! `record verify`: the proof that nobody touched the records, or where somebody did.

use std::collections::BTreeSet;

use clap::Args;
use taktgate::record::{Place, VerifyReport};

use super::{Outcome, StoreArg, say};
use crate::app::print::{failed, progress, table};

#[derive(Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    store: StoreArg,
    /// A hash that must be in the chain, noted earlier or from a delivered record; may stand several times.
    #[arg(long, value_name = "SHA256")]
    expect: Vec<String>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// How often the bar moves: moving it for each record would take longer than checking it.
const ROWS_A_STEP: u64 = 1_000;

pub(super) fn verify(args: &VerifyArgs) -> anyhow::Result<Outcome> {
    let (path, reader) = args.store.read()?;
    let n_records = reader.len()?;
    let bar = progress(usize::try_from(n_records).unwrap_or(usize::MAX), "records");
    let mut expected: BTreeSet<&str> = args.expect.iter().map(String::as_str).collect();
    let mut n_seen = 0;
    let report = reader.verify_seen(|_, sha256| {
        expected.remove(sha256);
        n_seen += 1;
        if n_seen % ROWS_A_STEP == 0 {
            bar.set_position(n_seen);
        }
    })?;
    bar.finish_and_clear();
    let missing: Vec<String> = expected
        .into_iter()
        .map(|sha256| {
            format!("no record or removal has the hash {sha256}: the store was rewritten, or is another one")
        })
        .collect();
    let faults: Vec<String> = report
        .fault
        .iter()
        .map(ToString::to_string)
        .chain(missing)
        .collect();
    if args.json {
        say(serde_json::json!({
            "good": faults.is_empty(),
            "store": path,
            "records": n_records,
            "records_intact": report.n_records,
            "records_removed": report.n_removed,
            "intact_from": report.first.as_ref().map(place_json),
            "intact_until": report.last.as_ref().map(place_json),
            "head_sha256": report.head_sha256,
            "faults": faults,
        }));
    } else {
        print(&report, n_records);
        for fault in &faults {
            failed(&anyhow::Error::msg(fault.clone()));
        }
    }
    Ok(if faults.is_empty() {
        Outcome::Good
    } else {
        Outcome::Bad
    })
}

fn print(report: &VerifyReport, n_records: u64) {
    let place = |place: &Option<Place>| {
        place.as_ref().map_or("-".to_owned(), |place| {
            format!("row {}, {}, {}", place.row, place.decided_at_utc, place.id)
        })
    };
    let mut table = table(&[]);
    table.add_row([
        "records".to_owned(),
        format!("{n_records}, of them {} intact", report.n_records),
    ]);
    table.add_row([
        "removed by retention".to_owned(),
        report.n_removed.to_string(),
    ]);
    table.add_row(["intact from".to_owned(), place(&report.first)]);
    table.add_row(["intact until".to_owned(), place(&report.last)]);
    table.add_row(["last hash".to_owned(), report.head_sha256.clone()]);
    say(table);
    if report.fault.is_none() {
        say("the chain is whole");
    }
}

fn place_json(place: &Place) -> serde_json::Value {
    serde_json::json!({"row": place.row, "id": place.id, "decided_at_utc": place.decided_at_utc})
}
