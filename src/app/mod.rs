//! The command line: one file a command, printing, exit status.

mod broker;
mod calibrate;
mod camera;
mod check;
mod command;
mod completions;
mod demo;
mod evaluate;
mod init;
mod line;
mod model;
mod print;
mod recipe;
mod record;
mod replay;
mod run;
mod schema;
mod supervisor;
mod teach;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};
use taktgate::publish::Connection;
use tracing_subscriber::EnvFilter;

use print::failed;

/// How a command ended, for whoever called it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 0: done, and all is well.
    Good,
    /// 3: done, and the answer is no: a check failed, a verdict differs, a part got no answer.
    Bad,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done, and all is well
  1  could not be done (the reason is on standard error)
  2  the command line is wrong
  3  done, and the answer is no: a file has mistakes, a model fails its test,
     a replay differs from what was expected, a part got no answer in time,
     a figure misses what `--require` asks, a record store was tampered with,
     a lens would not hold";

/// The quality gate of stamping, welding and paint stations: one verdict for every part, over MQTT,
/// before the takt runs out.
#[derive(Parser)]
#[command(name = "taktgate", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    task: Task,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Args)]
struct LogArgs {
    /// What is logged to standard error, in the words of tracing's `EnvFilter`.
    #[arg(
        long,
        global = true,
        env = "TAKTGATE_LOG",
        value_name = "FILTER",
        help_heading = "Logging"
    )]
    log: Option<String>,
    /// How it is logged.
    #[arg(long, global = true, default_value = "text", help_heading = "Logging")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Subcommand)]
enum Task {
    /// Runs a station until it is stopped with Ctrl-C or SIGTERM.
    Run(run::RunArgs),
    /// Judges recorded pictures and draws the findings onto them.
    Replay(replay::ReplayArgs),
    /// Measures a package or a recipe on labelled pictures, and writes a report.
    Evaluate(evaluate::EvaluateArgs),
    /// Plays the line controller: announces parts, expects verdicts, keeps the account.
    Line(line::LineArgs),
    /// Tells a running station what to do: start, stop, prepare, reset.
    Command(command::CommandArgs),
    /// Says every mistake in a station's files, and tests its models.
    Check(check::CheckArgs),
    /// Looks at cameras: lists them, takes a picture, shows the live rate.
    #[command(subcommand)]
    Camera(camera::CameraCommand),
    /// Teaches an anomaly model from pictures of good parts only.
    Teach(teach::TeachArgs),
    /// Looks at a station's recipes.
    #[command(subcommand)]
    Recipe(recipe::RecipeCommand),
    /// Makes a camera's calibration from pictures of a board, known points or a grey card.
    #[command(subcommand)]
    Calibrate(calibrate::CalibrateCommand),
    /// Looks into a record store: proves its chain, finds, exports and holds records.
    #[command(subcommand)]
    Record(record::RecordCommand),
    /// Looks at model packages.
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// Runs a broker for this machine only, until it is stopped.
    Broker(broker::BrokerArgs),
    /// Runs three stations, their lines and a broker on the samples.
    Demo(demo::DemoArgs),
    /// Writes a commented station folder to start from.
    Init(init::InitArgs),
    /// Prints the wire contract for machines: JSON Schemas, AsyncAPI, Structured Text.
    Schema(schema::SchemaArgs),
    /// Writes the completions of a shell to standard output.
    Completions(completions::CompletionsArgs),
}

/// The station of a command.
#[derive(Args)]
pub(crate) struct StationArg {
    /// The station's file, or the folder that has its `station.toml`.
    #[arg(value_name = "STATION")]
    station: PathBuf,
}

/// Where the broker is, for those that speak with a station.
#[derive(Args)]
struct BrokerArg {
    /// The broker's host, instead of the station file's.
    #[arg(long)]
    host: Option<String>,
    /// The broker's port, instead of the station file's.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
}

impl BrokerArg {
    /// The way to the broker of `station` under a name of its own.
    fn connection(&self, station: &taktgate::station::Station, client_id: String) -> Connection {
        let theirs = station.connection.clone();
        Connection {
            host: self.host.clone().unwrap_or(theirs.host),
            port: self.port.unwrap_or(theirs.port),
            client_id,
            ..theirs
        }
    }
}

impl StationArg {
    fn path(&self) -> PathBuf {
        if self.station.is_dir() {
            self.station.join("station.toml")
        } else {
            self.station.clone()
        }
    }

    fn read(&self) -> anyhow::Result<taktgate::station::Station> {
        Ok(taktgate::station::read_station(&self.path())?)
    }
}

/// Parses the command line and does what it says.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let quiet = if matches!(cli.task, Task::Run(_) | Task::Broker(_)) {
        "info,ort=warn"
    } else {
        "warn,ort=error"
    };
    if let Err(error) = start_log(&cli.log, quiet) {
        failed(&error);
        return ExitCode::from(2);
    }
    if let Err(error) = taktgate::vision::init(VISION_THREADS) {
        failed(&error.into());
        return ExitCode::FAILURE;
    }
    let done = match cli.task {
        Task::Run(args) => run::run(args),
        Task::Replay(args) => replay::replay(&args),
        Task::Evaluate(args) => evaluate::evaluate(&args),
        Task::Line(args) => line::line(&args),
        Task::Command(args) => command::command(&args),
        Task::Check(args) => Ok(check::check(&args)),
        Task::Camera(command) => camera::camera(&command),
        Task::Teach(args) => teach::teach(&args),
        Task::Recipe(command) => recipe::recipe(&command),
        Task::Calibrate(command) => calibrate::calibrate(&command),
        Task::Record(command) => record::record(&command),
        Task::Model(command) => model::model(&command),
        Task::Broker(args) => broker::broker(&args),
        Task::Demo(args) => demo::demo(&args),
        Task::Init(args) => init::init(&args),
        Task::Schema(args) => schema::schema(&args),
        Task::Completions(args) => completions::completions(&args),
    };
    match done {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::Bad) => ExitCode::from(3),
        Err(error) => {
            failed(&error);
            ExitCode::FAILURE
        }
    }
}

/// Frames are small and the model has the cores: one thread of `OpenCV` is the fastest on two cores.
const VISION_THREADS: i32 = 1;

fn start_log(log: &LogArgs, quiet: &str) -> anyhow::Result<()> {
    let filter = log.log.as_deref().unwrap_or(quiet);
    let filter = EnvFilter::try_new(filter).with_context(|| {
        format!("`--log {filter}` is no filter; write for example `info,ort=warn`")
    })?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match log.log_format {
        LogFormat::Text => {
            subscriber
                .with_target(false)
                .with_ansi(std::io::stderr().is_terminal())
                .init();
        }
        LogFormat::Json => subscriber.json().init(),
    }
    Ok(())
}
