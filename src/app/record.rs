//! `taktgate record`: what a station has recorded, whether it was tampered with, and what must be kept.

mod find;
mod verify;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use taktgate::record::{Holds, RecordReader};

use super::Outcome;
use super::print::say;

#[derive(Subcommand)]
pub(crate) enum RecordCommand {
    /// Walks the whole hash chain: names the first record that was changed, removed or inserted.
    #[command(after_help = "\
Exit code 0: the chain is whole. 3: it is not, or an expected hash is not in it.
Examples:
  taktgate record verify st-07
  taktgate record verify /var/lib/taktgate/records.sqlite --json
  taktgate record verify st-07 --expect HASH    # `previous_sha256` of a record that was delivered")]
    Verify(verify::VerifyArgs),
    /// Lists records, newest first.
    #[command(after_help = "\
Examples:
  taktgate record list st-07 --verdict ng --since 2026-11-01
  taktgate record list st-07 --lot L-2231 --limit 500 --json")]
    List(find::ListArgs),
    /// Shows one record whole, and what became of its images.
    #[command(
        after_help = "Example:\n  taktgate record show st-07 0193a5c0-7d5e-7b31-8f5c-0d9c3a1e2f40"
    )]
    Show(find::ShowArgs),
    /// Writes records as they were sent, one a line, oldest first.
    #[command(after_help = "\
Examples:
  taktgate record export st-07 --supplier 'Stahl AG' --out stahl.jsonl
  taktgate record export st-07 --since 2026-11-22T06:00:00Z --until 2026-11-22T14:00:00Z")]
    Export(find::ExportArgs),
    /// Keeps records and their images until they are released, whatever their age.
    #[command(
        after_help = "Example:\n  taktgate record hold st-07 0193a5c0-7d5e-7b31-8f5c-0d9c3a1e2f40 --reason 'claim 4711'"
    )]
    Hold(HoldArgs),
    /// Gives records back to retention.
    #[command(
        after_help = "Example:\n  taktgate record release st-07 0193a5c0-7d5e-7b31-8f5c-0d9c3a1e2f40"
    )]
    Release(ReleaseArgs),
}

/// The store of a command; its station may be running.
#[derive(Args)]
pub(crate) struct StoreArg {
    /// The station (file or folder), its data folder, or the store itself (`records.sqlite`).
    #[arg(value_name = "STORE")]
    store: PathBuf,
}

#[derive(Args)]
pub(crate) struct HoldArgs {
    #[command(flatten)]
    store: StoreArg,
    /// The records.
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Why, for whoever wonders later.
    #[arg(long)]
    reason: String,
}

#[derive(Args)]
pub(crate) struct ReleaseArgs {
    #[command(flatten)]
    store: StoreArg,
    /// The records.
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

impl StoreArg {
    fn path(&self) -> anyhow::Result<PathBuf> {
        const STORE: &str = "records.sqlite";
        let given = &self.store;
        let station = if given.is_dir() {
            let file = given.join("station.toml");
            if !file.is_file() {
                return Ok(given.join(STORE));
            }
            file
        } else if given
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            given.clone()
        } else {
            return Ok(given.clone());
        };
        Ok(taktgate::station::read_station(&station)?.data.join(STORE))
    }

    fn read(&self) -> anyhow::Result<(PathBuf, RecordReader)> {
        let path = self.path()?;
        let reader = RecordReader::open(&path)?;
        Ok((path, reader))
    }
}

pub(crate) fn record(command: &RecordCommand) -> anyhow::Result<Outcome> {
    match command {
        RecordCommand::Verify(args) => verify::verify(args),
        RecordCommand::List(args) => find::list(args),
        RecordCommand::Show(args) => find::show(args),
        RecordCommand::Export(args) => find::export(args),
        RecordCommand::Hold(args) => hold(args),
        RecordCommand::Release(args) => release(args),
    }
}

fn hold(args: &HoldArgs) -> anyhow::Result<Outcome> {
    anyhow::ensure!(
        !args.reason.trim().is_empty(),
        "`--reason` is empty; write why the records are kept, for whoever wonders later"
    );
    let mut holds = Holds::open(&args.store.path()?)?;
    for id in &args.ids {
        holds.hold(id, args.reason.trim(), Timestamp::now())?;
        say(format!("{id} is on hold"));
    }
    Ok(Outcome::Good)
}

fn release(args: &ReleaseArgs) -> anyhow::Result<Outcome> {
    let mut holds = Holds::open(&args.store.path()?)?;
    for id in &args.ids {
        let was_held = holds.release(id)?;
        say(format!(
            "{id} {}",
            if was_held {
                "is released"
            } else {
                "was not on hold"
            }
        ));
    }
    Ok(Outcome::Good)
}

/// Where the images of a store lie.
fn archive_of(store: &Path) -> PathBuf {
    store.parent().unwrap_or(Path::new("")).join("images")
}

/// A point in time as people write it: with time and zone, or a day, which begins at midnight UTC.
fn time(text: &str) -> anyhow::Result<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    text.parse::<jiff::civil::Date>()
        .and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC))
        .map(|day| day.timestamp())
        .with_context(|| {
            format!("`{text}` is no time; write 2026-11-22 (UTC) or 2026-11-22T06:00:00+01:00")
        })
}
