//! `taktgate init`: a commented station folder to start from.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use taktgate::station::Station;

use super::Outcome;
use super::print::say;

#[derive(Args)]
#[command(after_help = "\
Examples:
  taktgate init st-07
  taktgate init st-07 --model models/stamping-surface/0.1.0")]
pub(crate) struct InitArgs {
    /// The folder to make; it must not be there yet.
    folder: PathBuf,
    /// The model package that the first recipe uses; its labels become the limits.
    #[arg(
        long,
        value_name = "PACKAGE",
        default_value = "models/stamping-surface/0.1.0"
    )]
    model: PathBuf,
}

const SCORE_REJECT: f64 = 0.7;
const DOUBT_BAND: f64 = 0.15;

pub(crate) fn init(args: &InitArgs) -> anyhow::Result<Outcome> {
    let folder = &args.folder;
    anyhow::ensure!(
        !folder.exists(),
        "`{}` is there already; name a new folder, nothing is overwritten",
        folder.display()
    );
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .context("the folder needs a name")?;
    taktgate::domain::Name::new(name)?;
    let package = taktgate::model::ModelPackage::open(&args.model)?;
    let version = package.item_version();
    let reference = format!("{}/{}", version.name, version.version);
    let models = models_above(package.dir(), &reference)?;
    let labels: Vec<String> = package
        .manifest()
        .labels
        .iter()
        .map(|label| label.name.to_string())
        .collect();
    // The package's operating point, where it tells it; else doubt begins a little below rejection.
    let metric = |name: &str| package.manifest().metrics.get(name).copied();
    let reject = metric("score_reject").unwrap_or(SCORE_REJECT);
    let doubtful = metric("score_doubtful").unwrap_or((reject - DOUBT_BAND).max(0.0));
    let values = [
        ("@REJECT@", figure(reject)),
        ("@DOUBTFUL@", figure(doubtful)),
        ("@STATION@", toml::Value::from(name).to_string()),
        (
            "@MODELS@",
            toml::Value::from(models.display().to_string()).to_string(),
        ),
        ("@MODEL@", reference),
        ("@LABELS@", labels.join(", ")),
    ];
    let fill = |template: &str| {
        values
            .iter()
            .fold(template.to_owned(), |text, (key, value)| {
                text.replace(key, value)
            })
    };
    let station = (
        folder.join("station.toml"),
        fill(include_str!("init/station.toml")),
    );
    // Read once before anything is written: a name may not fit the topics.
    Station::parse(&station.0, &station.1)?;
    let write = |path: PathBuf, text: String| {
        fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))
    };
    fs::create_dir_all(folder.join("calibration"))
        .and_then(|()| fs::create_dir_all(folder.join("data")))
        .with_context(|| format!("cannot make `{}`", folder.display()))?;
    write(station.0, station.1)?;
    write(
        folder.join("recipe.toml"),
        fill(include_str!("init/recipe.toml")),
    )?;
    write(folder.join("calibration/cam-1.toml"), calibration(&fill))?;
    say(format!(
        "wrote `{0}`; try it with\n  taktgate check {0}\n  taktgate run {0}",
        folder.display()
    ));
    Ok(Outcome::Good)
}

/// A score with at least two and at most four digits.
fn figure(score: f64) -> String {
    let text = format!("{score:.4}");
    text.strip_suffix("00").map_or(text.clone(), str::to_owned)
}

/// The folder in which a recipe finds the package under its `name/version`.
fn models_above<'p>(package: &'p Path, reference: &str) -> anyhow::Result<&'p Path> {
    let models = package.ancestors().nth(2);
    models
        .filter(|models| models.join(reference) == package)
        .with_context(|| {
            format!(
                "`{}` has the package {reference}; put it into a folder `{reference}`, where recipes look for it",
                package.display()
            )
        })
}

fn calibration(fill: &impl Fn(&str) -> String) -> String {
    let now = jiff::Timestamp::now();
    let year = jiff::SignedDuration::from_hours(365 * 24);
    fill(include_str!("init/calibration.toml"))
        .replace("@NOW@", &now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        .replace(
            "@NEXT_YEAR@",
            &(now + year).strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        )
}
