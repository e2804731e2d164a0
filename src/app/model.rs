//! `taktgate model`: what a package says of itself, whether it is true, and how one is made.

mod import;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use taktgate::model::{ModelPackage, OnnxDetector, Provider, Runtime, SessionOptions};

use super::Outcome;
use super::print::{failed, say, table};

#[derive(Subcommand)]
pub(crate) enum ModelCommand {
    /// Shows a package: task, input, labels, thresholds, what it was trained on, what it scores.
    #[command(after_help = "Example:\n  taktgate model inspect models/stamping-surface/0.2.0")]
    Inspect(PackageArgs),
    /// Loads a package, runs its golden vectors and measures its latency.
    #[command(after_help = "Example:\n  taktgate model verify models/*/0.1.0 --threads 1 --json")]
    Verify(VerifyArgs),
    /// Makes a package from an exported ONNX file, and proves that it scores here as it did there.
    #[command(after_help = import::EXAMPLES)]
    Import(Box<import::ImportArgs>),
}

#[derive(Args)]
pub(crate) struct PackageArgs {
    /// The package's folder, the one with `manifest.toml`.
    #[arg(required = true, value_name = "PACKAGE")]
    packages: Vec<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    packages: PackageArgs,
    /// Threads of the model's run.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Execution provider: cpu, cuda, tensorrt, openvino, directml, cann, …
    #[arg(long, default_value = "cpu")]
    provider: Provider,
    /// ONNX Runtime's shared library, instead of the one that is found.
    #[arg(long, value_name = "FILE")]
    library: Option<PathBuf>,
}

pub(crate) fn model(command: &ModelCommand) -> anyhow::Result<Outcome> {
    match command {
        ModelCommand::Inspect(args) => inspect(args),
        ModelCommand::Verify(args) => verify(args),
        ModelCommand::Import(args) => import::import(args),
    }
}

fn inspect(args: &PackageArgs) -> anyhow::Result<Outcome> {
    for folder in &args.packages {
        let package = ModelPackage::open(folder)?;
        let rows = package.describe();
        if args.json {
            let object: serde_json::Map<_, _> = rows
                .into_iter()
                .map(|(key, value)| (key.to_owned(), serde_json::Value::String(value)))
                .collect();
            say(serde_json::Value::Object(object));
            continue;
        }
        let mut table = table(&[]);
        for (key, value) in rows {
            table.add_row([key.to_owned(), value]);
        }
        say(table);
    }
    Ok(Outcome::Good)
}

fn verify(args: &VerifyArgs) -> anyhow::Result<Outcome> {
    let runtime = Runtime::load(args.library.as_deref())?;
    let options = SessionOptions {
        threads: args.threads.into(),
        provider: args.provider,
        ..SessionOptions::default()
    };
    let mut outcome = Outcome::Good;
    for folder in &args.packages.packages {
        let loaded = ModelPackage::open(folder)
            .map_err(anyhow::Error::from)
            .and_then(|package| Ok(OnnxDetector::load(package, &runtime, &options)?));
        let name = folder.display();
        match loaded {
            Ok((_, report)) if args.packages.json => say(serde_json::json!({
                "package": name.to_string(),
                "good": true,
                "golden_largest_difference": report.golden_largest_difference,
                "latency_ms": report.latency_median.as_secs_f64() * 1e3,
            })),
            Ok((_, report)) => say(format!("{name}: good; {report}")),
            Err(error) => {
                outcome = Outcome::Bad;
                if args.packages.json {
                    let text = format!("{error:#}");
                    say(
                        serde_json::json!({"package": name.to_string(), "good": false, "error": text}),
                    );
                } else {
                    failed(&error.context(format!("`{name}` is not fit for the line")));
                }
            }
        }
    }
    Ok(outcome)
}
