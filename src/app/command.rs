//! `taktgate command`: tells a running station what to do, and prints what it says.

use std::time::Duration;

use clap::{Args, ValueEnum};
use taktgate::line::command as send;
use taktgate::publish::Verb;
use uuid::Uuid;

use super::print::say;
use super::{BrokerArg, Outcome, StationArg};

#[derive(Args)]
#[command(after_help = "\
Examples:
  taktgate command samples/stamping stop
  taktgate command st-07/station.toml prepare-recipe --part-type bracket-left
  taktgate command st-07/station.toml reset --host 10.0.0.5 --json

The station answers when the verb is done: `prepare-recipe` and `reset` load and test all models first.
Exit code 3: the station refused; it says why, and what is possible.")]
pub(crate) struct CommandArgs {
    /// The station: topics and broker are read from its file.
    #[command(flatten)]
    station: StationArg,
    /// What it is to do (the verbs of OPC 40100-1).
    verb: VerbArg,
    /// The recipe, for `prepare-recipe` and `unprepare-recipe`; all of them without it.
    #[arg(long)]
    part_type: Option<String>,
    #[command(flatten)]
    broker: BrokerArg,
    /// How long to wait for the station.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    within_s: u64,
    /// Prints the response as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum VerbArg {
    /// Read recipes, calibrations and models anew, prove the models, open the cameras.
    PrepareRecipe,
    /// Let go of a recipe; with the last one of models and cameras too.
    UnprepareRecipe,
    /// Take one part.
    StartSingleJob,
    /// Take part after part.
    StartContinuous,
    /// Take no more parts; those that are open are finished.
    Stop,
    /// Take no more parts; those that are open are answered at once.
    Abort,
    /// Stop everything and let go of models and cameras, until `reset`.
    Halt,
    /// From `halted` or `error` through all tests to `ready`.
    Reset,
}

impl From<VerbArg> for Verb {
    fn from(verb: VerbArg) -> Self {
        match verb {
            VerbArg::PrepareRecipe => Self::PrepareRecipe,
            VerbArg::UnprepareRecipe => Self::UnprepareRecipe,
            VerbArg::StartSingleJob => Self::StartSingleJob,
            VerbArg::StartContinuous => Self::StartContinuous,
            VerbArg::Stop => Self::Stop,
            VerbArg::Abort => Self::Abort,
            VerbArg::Halt => Self::Halt,
            VerbArg::Reset => Self::Reset,
        }
    }
}

pub(crate) fn command(args: &CommandArgs) -> anyhow::Result<Outcome> {
    let station = args.station.read()?;
    let id = format!("cli-{}", Uuid::now_v7().simple());
    let client_id = format!("taktgate-command-{}-{id}", station.name);
    let connection = args.broker.connection(&station, client_id);
    let within = Duration::from_secs(args.within_s);
    let verb = args.verb.into();
    let part_type = args.part_type.clone();
    let response = send(connection, station.topics, verb, part_type, &id, within)?;
    if args.json {
        say(serde_json::to_string(&response)?);
    } else {
        let done = if response.done { "done" } else { "refused" };
        let text = if response.text.is_empty() {
            String::new()
        } else {
            format!(": {}", response.text)
        };
        say(format!("{} {done}{text}", response.verb));
        say(format!("{} is now `{}`", response.station, response.state));
    }
    Ok(if response.done {
        Outcome::Good
    } else {
        Outcome::Bad
    })
}
