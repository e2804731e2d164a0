//! `taktgate demo`: a broker, three stations and their lines on the samples, in one process.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use taktgate::line::{Account, PartResult, Plan};
use taktgate::publish::{Broker, BrokerSettings, Connection};
use taktgate::station::{self, Station, read_station};

use super::Outcome;
use super::line::{
    TIME_MAX_MS, account_table, only_part_type, part_line, run_line, sequence_from_clock,
    unique_prefix,
};
use super::print::{ms, note, say};

#[derive(Args)]
#[command(after_help = "\
Examples:
  taktgate demo
  taktgate demo --parts 60 --takt-ms 250")]
pub(crate) struct DemoArgs {
    /// The folder of the scenes.
    #[arg(long, value_name = "DIR", default_value = "samples")]
    samples: PathBuf,
    /// Where records and pictures go; what an earlier demo left there is replaced.
    #[arg(long, value_name = "DIR", default_value = "out/demo")]
    out: PathBuf,
    /// How many parts each line announces.
    #[arg(long, default_value_t = 12)]
    parts: u32,
    /// From one part to the next.
    #[arg(long, default_value_t = 800, value_parser = clap::value_parser!(u64).range(..=TIME_MAX_MS))]
    takt_ms: u64,
}

const SCENES: [&str; 3] = ["stamping", "welding", "paint"];
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Results of all lines that wait to be printed.
const RESULTS_MAX: usize = 1_024;

pub(crate) fn demo(args: &DemoArgs) -> anyhow::Result<Outcome> {
    if args.out.exists() {
        fs::remove_dir_all(&args.out)
            .with_context(|| format!("cannot replace `{}`", args.out.display()))?;
    }
    let broker = Broker::start(BrokerSettings::local(&args.out.join("broker")))?;
    note(format!(
        "broker (mosquitto) on 127.0.0.1:{}, for this demo only",
        broker.port()
    ));
    let mut handles = Vec::new();
    let mut lines = Vec::new();
    for scene in SCENES {
        let started = Instant::now();
        let mut station = read_station(&args.samples.join(scene).join("station.toml"))?;
        station.data = args.out.join(scene);
        fs::create_dir_all(&station.data)
            .with_context(|| format!("cannot make `{}`", station.data.display()))?;
        station.broker_embedded = false;
        station.connection =
            Connection::plain("127.0.0.1", broker.port(), &station.connection.client_id);
        let (plan, line) = plan_of(args, &station)?;
        lines.push((station.name.clone(), line, station.topics.clone(), plan));
        let name = station.name.clone();
        handles.push(station::start(station).with_context(|| format!("scene `{scene}`"))?);
        note(format!(
            "station {name} is ready after {} ms",
            ms(started.elapsed())
        ));
    }
    let accounts = play_all(lines)?;
    for handle in handles {
        handle.stop();
    }
    let rows: Vec<_> = accounts
        .iter()
        .map(|(name, account)| (name.clone(), account))
        .collect();
    say(account_table(&rows));
    say(format!(
        "pictures with the findings drawn in: {}",
        args.out
            .join("<scene>/images/<year>/<month>/<day>/*-drawn.jpg")
            .display()
    ));
    say(format!(
        "records: {}",
        args.out.join("<scene>/records.sqlite").display()
    ));
    let complete = accounts.iter().all(|(_, account)| account.is_complete());
    Ok(if complete {
        Outcome::Good
    } else {
        Outcome::Bad
    })
}

fn plan_of(args: &DemoArgs, station: &Station) -> anyhow::Result<(Plan, Connection)> {
    let plan = Plan {
        n_parts: args.parts,
        takt: Duration::from_millis(args.takt_ms),
        deadline: station.deadlines.deadline,
        first_sequence: sequence_from_clock(),
        part_type: only_part_type(station)?,
        part_prefix: unique_prefix(),
        lot: Some("LOT-2026-47".to_owned()),
        supplier: Some("taktgate samples".to_owned()),
        ready_within: READY_WITHIN,
    };
    let line = Connection {
        client_id: format!("demo-line-{}", station.name),
        ..station.connection.clone()
    };
    Ok((plan, line))
}

type Line = (String, Connection, taktgate::publish::Topics, Plan);

fn play_all(lines: Vec<Line>) -> anyhow::Result<Vec<(String, Account)>> {
    let (results, to_print) = sync_channel::<(String, PartResult)>(RESULTS_MAX);
    let mut threads = Vec::new();
    for (name, connection, topics, plan) in lines {
        let results = results.clone();
        let thread = std::thread::Builder::new()
            .name(format!("line {name}"))
            .spawn(move || {
                let mut printed = true;
                let account = run_line(connection, topics, &plan, |result, _| {
                    printed &= results.send((name.clone(), result.clone())).is_ok();
                });
                account.map(|account| (name, account))
            })?;
        threads.push(thread);
    }
    drop(results);
    for (name, result) in to_print {
        say(part_line(&name, &result));
    }
    threads
        .into_iter()
        .map(|thread| match thread.join() {
            Ok(account) => account,
            // The panic itself is on standard error.
            Err(_) => anyhow::bail!("a line's thread panicked"),
        })
        .collect()
}
