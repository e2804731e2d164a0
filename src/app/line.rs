//! `taktgate line`: the line controller's side, with a live table and a final account.

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use comfy_table::Table;
use taktgate::domain::spread;
use taktgate::line::{Account, Action, PartResult, Plan, play};
use taktgate::publish::{Connection, Topics};

use super::print::{ms, note, say, table, verdict_cell};
use super::{BrokerArg, Outcome, StationArg};

#[derive(Args)]
#[command(after_help = "\
Examples:
  taktgate line samples/stamping --parts 12 --takt-ms 500
  taktgate line st-07/station.toml --host 10.0.0.5 --parts 1000 --takt-ms 2000 --json")]
pub(crate) struct LineArgs {
    /// The station that judges: topics, part type and broker are read from its file.
    #[command(flatten)]
    station: StationArg,
    /// How many parts are announced.
    #[arg(long, default_value_t = 12)]
    parts: u32,
    /// From one part to the next.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(..=TIME_MAX_MS))]
    takt_ms: u64,
    /// How long the line waits for a verdict, instead of the station's `deadline_ms`.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=TIME_MAX_MS))]
    deadline_ms: Option<u64>,
    /// The count of the first part; left out, the seconds since 1970, so that no count comes twice.
    #[arg(long)]
    first_sequence: Option<u32>,
    /// The part type, for stations with several recipes.
    #[arg(long)]
    part_type: Option<String>,
    /// The parts' lot.
    #[arg(long)]
    lot: Option<String>,
    /// The parts' supplier.
    #[arg(long)]
    supplier: Option<String>,
    #[command(flatten)]
    broker: BrokerArg,
    /// How long the line waits for a station that is ready.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=TIME_MAX_MS / 1_000))]
    ready_within_s: u64,
    /// Prints one JSON object a part and one for the account.
    #[arg(long)]
    json: bool,
}

/// An hour: what is longer is mistyped, and added to the clock it must not run over.
pub(super) const TIME_MAX_MS: u64 = 3_600_000;

pub(crate) fn line(args: &LineArgs) -> anyhow::Result<Outcome> {
    let station = args.station.read()?;
    let part_type = match &args.part_type {
        Some(part_type) => part_type.clone(),
        None => only_part_type(&station)?,
    };
    let client_id = format!("taktgate-line-{}-{}", station.name, std::process::id());
    let connection = args.broker.connection(&station, client_id);
    let deadline = args
        .deadline_ms
        .map_or(station.deadlines.deadline, Duration::from_millis);
    let plan = Plan {
        n_parts: args.parts,
        takt: Duration::from_millis(args.takt_ms),
        deadline,
        first_sequence: args.first_sequence.unwrap_or_else(sequence_from_clock),
        part_type,
        part_prefix: unique_prefix(),
        lot: args.lot.clone(),
        supplier: args.supplier.clone(),
        ready_within: Duration::from_secs(args.ready_within_s),
    };
    let account = run_line(connection, station.topics, &plan, |result, _| {
        if args.json {
            say(part_json(&plan, result));
        } else {
            say(part_line(&station.name, result));
        }
    })?;
    if args.json {
        say(account_json(&account));
    } else {
        say(account_table(&[(station.name.clone(), &account)]));
    }
    Ok(if account.is_complete() {
        Outcome::Good
    } else {
        Outcome::Bad
    })
}

/// Plays a line, telling the causes of a failure.
pub(crate) fn run_line(
    connection: Connection,
    topics: Topics,
    plan: &Plan,
    seen: impl FnMut(&PartResult, &Account),
) -> anyhow::Result<Account> {
    let broker = format!("{}:{}", connection.host, connection.port);
    note(format!(
        "{} parts for `{}` over {broker}",
        plan.n_parts,
        topics.station()
    ));
    play(connection, topics, plan, seen)
        .with_context(|| format!("the line could not run over {broker}"))
}

/// The seconds since 1970: larger at every start, for some 80 years.
pub(crate) fn sequence_from_clock() -> u32 {
    u32::try_from(jiff::Timestamp::now().as_second()).unwrap_or(1)
}

/// A prefix that no earlier run had, so that no part is ever taken for one of before.
pub(crate) fn unique_prefix() -> String {
    format!("P{:x}", jiff::Timestamp::now().as_millisecond())
}

/// The part type of a station with one recipe.
pub(crate) fn only_part_type(station: &taktgate::station::Station) -> anyhow::Result<String> {
    let types = taktgate::station::part_types_of(station)?;
    match types.as_slice() {
        [only] => Ok(only.clone()),
        several => anyhow::bail!("choose one with `--part-type`: {}", several.join(", ")),
    }
}

/// One part as a line of the live table.
pub(crate) fn part_line(station: &str, result: &PartResult) -> String {
    let action = match result.action {
        Action::Pass => "passes",
        Action::Reject => "is rejected",
    };
    format!(
        "{station:<12} {:<18} {} {:>8} ms  {action}",
        result.part,
        verdict_cell(result.verdict),
        ms(result.after)
    )
}

fn part_json(plan: &Plan, result: &PartResult) -> serde_json::Value {
    serde_json::json!({
        "sequence": result.sequence,
        "part_id": result.part,
        "part_type": plan.part_type,
        "verdict": result.verdict.map_or("none", taktgate::domain::Verdict::word),
        "reason": result.verdict.and_then(taktgate::domain::Verdict::reason).map(taktgate::domain::Reason::word),
        "after_ms": result.after.as_secs_f64() * 1e3,
        "rejected": result.action == Action::Reject,
    })
}

fn account_json(account: &Account) -> serde_json::Value {
    let [median, p95, max] = spread(&account.answered_after).map(|time| time.as_secs_f64() * 1e3);
    serde_json::json!({
        "announced": account.announced,
        "ok": account.ok,
        "ng": account.ng,
        "indeterminate": account.indeterminate,
        "late": account.late,
        "missing": account.missing,
        "repeated": account.repeated,
        "unknown": account.unknown,
        "unreadable": account.unreadable,
        "rejected": account.rejected(),
        "answered_after_ms": {"median": median, "p95": p95, "max": max},
        "complete": account.is_complete(),
    })
}

/// The accounts of one or more lines side by side.
pub(crate) fn account_table(accounts: &[(String, &Account)]) -> Table {
    let header = [
        "station",
        "parts",
        "OK",
        "NG",
        "INDETERMINATE",
        "late",
        "missing",
        "repeated",
        "rejected",
        "answer ms: median / p95 / max",
    ];
    let mut table = table(&header);
    for (station, account) in accounts {
        let doubts: u64 = account.indeterminate.values().sum();
        let times = spread(&account.answered_after).map(ms).join(" / ");
        let counts = [
            account.announced,
            account.ok,
            account.ng,
            doubts,
            account.late,
            account.missing,
            account.repeated,
            account.rejected(),
        ];
        let cells = counts.iter().map(ToString::to_string);
        table.add_row([station.clone()].into_iter().chain(cells).chain([times]));
    }
    table
}
