//! What all commands print with: data to standard output, errors to standard error, colours on terminals only.

use std::time::Duration;

use anstream::{eprintln, println};
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use indicatif::{ProgressBar, ProgressStyle};
use owo_colors::OwoColorize;
use taktgate::domain::Verdict;

/// A line of data.
pub(crate) fn say(line: impl std::fmt::Display) {
    println!("{line}");
}

/// A line beside the data.
pub(crate) fn note(line: impl std::fmt::Display) {
    eprintln!("{line}");
}

/// An error with its causes; some causes only repeat themselves.
pub(crate) fn failed(error: &anyhow::Error) {
    eprintln!("{} {error}", "error:".red().bold());
    let mut causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
    causes.dedup();
    for cause in causes {
        eprintln!("  {} {cause}", "because".red());
    }
}

/// A verdict in its colour, padded to a column.
pub(crate) fn verdict_cell(verdict: Option<Verdict>) -> String {
    match verdict {
        Some(Verdict::Ok) => format!("{:<28}", "OK").green().to_string(),
        Some(Verdict::Ng) => format!("{:<28}", "NG").red().bold().to_string(),
        Some(Verdict::Indeterminate(reason)) => {
            format!("{:<28}", format!("INDETERMINATE ({})", reason.word()))
                .yellow()
                .to_string()
        }
        None => format!("{:<28}", "no answer").magenta().bold().to_string(),
    }
}

/// A progress bar on standard error; hidden where that is no terminal.
pub(crate) fn progress(length: usize, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(length as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar
}

/// A duration in milliseconds with one digit.
pub(crate) fn ms(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1e3)
}

/// An empty table; without a header where none is given.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    if !header.is_empty() {
        table.set_header(header.iter().copied());
    }
    table
}
