//! `record list`, `show` and `export`: records by what a person asks for.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use jiff::Timestamp;
use taktgate::record::{
    Hold, ImageState, KeptImage, RecordFilter, RecordForm, RecordReader, StoredRecord, VerdictWord,
};

use super::{Outcome, StoreArg, archive_of, say, time};
use crate::app::print::{note, table};

/// Which records.
#[derive(Args)]
struct FilterArgs {
    /// Only this part, announced or read from its code.
    #[arg(long, value_name = "PART_ID")]
    part: Option<String>,
    /// Only this lot.
    #[arg(long)]
    lot: Option<String>,
    /// Only of this supplier.
    #[arg(long)]
    supplier: Option<String>,
    /// Only this verdict: ok, ng or indeterminate.
    #[arg(long, value_parser = verdict)]
    verdict: Option<VerdictWord>,
    /// Only those decided then or later: a day (UTC) or a time with its zone.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Only those decided before then.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Only those on hold.
    #[arg(long)]
    on_hold: bool,
}

#[derive(Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    filter: FilterArgs,
    /// At most so many.
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    /// Prints one JSON object a record.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    store: StoreArg,
    /// The record.
    id: String,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    filter: FilterArgs,
    /// The file to write, which must not be there yet; standard output otherwise.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

const PAGE: usize = 1_000;

impl FilterArgs {
    fn filter(&self) -> RecordFilter {
        RecordFilter {
            part: self.part.clone(),
            lot: self.lot.clone(),
            supplier: self.supplier.clone(),
            verdict: self.verdict,
            since: self.since,
            until: self.until,
            held: self.on_hold,
            ..RecordFilter::default()
        }
    }
}

fn verdict(word: &str) -> Result<VerdictWord, String> {
    VerdictWord::from_word(&word.to_ascii_lowercase())
        .ok_or_else(|| "write ok, ng or indeterminate".to_owned())
}

pub(super) fn list(args: &ListArgs) -> anyhow::Result<Outcome> {
    let (_, reader) = args.store.read()?;
    let held: BTreeSet<u64> = reader.holds()?.into_iter().map(|hold| hold.row).collect();
    let found = reader.find(&args.filter.filter(), args.limit)?;
    if args.json {
        for record in &found {
            say(line(record, &held));
        }
        return Ok(Outcome::Good);
    }
    let mut table = table(&[
        "decided at",
        "sequence",
        "part",
        "type",
        "lot",
        "supplier",
        "verdict",
        "record",
        "",
    ]);
    for record in &found {
        let mark = if held.contains(&record.row) {
            "on hold"
        } else {
            ""
        };
        match record.form() {
            Ok(form) => table.add_row([
                form.decided_at_utc.to_string(),
                form.sequence.to_string(),
                part_of(&form),
                form.part_type.clone(),
                form.lot.clone().unwrap_or_default(),
                form.supplier.clone().unwrap_or_default(),
                verdict_of(&form),
                form.id,
                mark.to_owned(),
            ]),
            Err(error) => table.add_row([format!("row {}: {error}", record.row)]),
        };
    }
    say(table);
    if found.len() == args.limit {
        note(format!("the newest {}; `--limit` shows more", args.limit));
    }
    Ok(Outcome::Good)
}

/// The record in short, for programs.
fn line(record: &StoredRecord, held: &BTreeSet<u64>) -> serde_json::Value {
    match record.form() {
        Ok(form) => serde_json::json!({
            "row": record.row,
            "id": form.id,
            "decided_at_utc": form.decided_at_utc,
            "sequence": form.sequence,
            "part_id": form.part_id,
            "part_id_read": form.part_id_read,
            "part_type": form.part_type,
            "lot": form.lot,
            "supplier": form.supplier,
            "verdict": form.verdict,
            "reason": form.reason,
            "late": form.late,
            "on_hold": held.contains(&record.row),
        }),
        Err(error) => serde_json::json!({"row": record.row, "error": error.to_string()}),
    }
}

/// The part that was announced, and the one on it where that is another.
fn part_of(form: &RecordForm) -> String {
    match &form.part_id_read {
        Some(read) if *read != form.part_id => format!("{}, on it {read}", form.part_id),
        _ => form.part_id.clone(),
    }
}

fn verdict_of(form: &RecordForm) -> String {
    let late = if form.late { ", late" } else { "" };
    match form.reason {
        Some(reason) => format!("{} ({}){late}", form.verdict.as_str(), reason.0.word()),
        None => format!("{}{late}", form.verdict.as_str()),
    }
}

pub(super) fn show(args: &ShowArgs) -> anyhow::Result<Outcome> {
    let (path, reader) = args.store.read()?;
    let record = reader.get(&args.id)?.with_context(|| {
        format!(
            "`{}` has no record `{}`; `taktgate record list` shows them",
            path.display(),
            args.id
        )
    })?;
    let beside = Beside::read(&reader, &record)?;
    let is_intact = record.is_intact();
    // What is no JSON any more is shown as it is: it is evidence.
    let text = serde_json::from_str::<serde_json::Value>(&record.json);
    let text = text.unwrap_or_else(|_| record.json.clone().into());
    if args.json {
        say(serde_json::json!({
            "row": record.row,
            "sha256": record.sha256,
            "intact": is_intact,
            "undelivered": beside.is_undelivered,
            "hold": beside.hold.as_ref().map(|hold| serde_json::json!({
                "reason": hold.reason, "held_at_utc": hold.held_at_utc,
            })),
            "images": beside.images.iter().map(|image| serde_json::json!({
                "path": image.path, "state": image.state.word(), "bytes": image.bytes,
                "removed_at_utc": image.removed_at_utc,
            })).collect::<Vec<_>>(),
            "record": text,
        }));
    } else {
        say(serde_json::to_string_pretty(&text)?);
        let mut table = table(&[]);
        table.add_row(["row".to_owned(), record.row.to_string()]);
        table.add_row(["hash".to_owned(), record.sha256.clone()]);
        let word = |is: bool, yes: &str, no: &str| (if is { yes } else { no }).to_owned();
        table.add_row([
            "text".to_owned(),
            word(is_intact, "fits its hash", "was changed"),
        ]);
        table.add_row([
            "outbox".to_owned(),
            word(beside.is_undelivered, "waits", "delivered"),
        ]);
        if let Some(hold) = &beside.hold {
            table.add_row([
                "on hold".to_owned(),
                format!("{} (since {})", hold.reason, hold.held_at_utc),
            ]);
        }
        let archive = archive_of(&path);
        for image in &beside.images {
            let at = archive.join(&image.path);
            table.add_row([
                "image".to_owned(),
                format!("{}: {}", at.display(), told(image)),
            ]);
        }
        say(table);
    }
    Ok(if is_intact {
        Outcome::Good
    } else {
        Outcome::Bad
    })
}

/// What the store knows of a record beside its text.
struct Beside {
    is_undelivered: bool,
    hold: Option<Hold>,
    images: Vec<KeptImage>,
}

impl Beside {
    fn read(reader: &RecordReader, record: &StoredRecord) -> anyhow::Result<Self> {
        let hold = reader
            .holds()?
            .into_iter()
            .find(|hold| hold.row == record.row);
        Ok(Self {
            is_undelivered: reader.is_undelivered(record.row)?,
            hold,
            images: reader.images(record.row)?,
        })
    }
}

fn told(image: &KeptImage) -> String {
    let at = image
        .removed_at_utc
        .map_or(String::new(), |at| format!(" at {at}"));
    match image.state {
        ImageState::Planned => "just being written".to_owned(),
        ImageState::Stored => format!("{} bytes", image.bytes),
        ImageState::Absent => "was never written".to_owned(),
        ImageState::Removing | ImageState::Removed => format!("removed by retention{at}"),
    }
}

pub(super) fn export(args: &ExportArgs) -> anyhow::Result<Outcome> {
    let (_, reader) = args.store.read()?;
    let mut out: Box<dyn Write> = match &args.out {
        Some(path) => {
            let file = File::create_new(path).with_context(|| {
                format!("cannot write `{}`; is it there already?", path.display())
            })?;
            Box::new(BufWriter::new(file))
        }
        None => Box::new(BufWriter::new(io::stdout().lock())),
    };
    let mut filter = args.filter.filter();
    let mut n_records = 0;
    loop {
        let page = reader.find_oldest(&filter, PAGE)?;
        let Some(last) = page.last() else {
            break;
        };
        filter.after = Some(last.row);
        n_records += page.len();
        for record in page {
            writeln!(out, "{}", record.json)?;
        }
    }
    out.flush()?;
    note(format!("{n_records} records"));
    Ok(Outcome::Good)
}
