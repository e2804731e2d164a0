//! `taktgate init`: a commented station folder to start from.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

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
    let model = fs::canonicalize(&args.model)?;
    let models = model
        .parent()
        .and_then(Path::parent)
        .context("a package lies in models/NAME/VERSION")?;
    let version = package.item_version();
    let labels: Vec<String> = package
        .manifest()
        .labels
        .iter()
        .map(|label| label.name.to_string())
        .collect();
    let values = [
        ("@STATION@", name.to_owned()),
        ("@MODELS@", models.display().to_string()),
        ("@MODEL@", format!("{}/{}", version.name, version.version)),
        ("@LABELS@", labels.join(", ")),
    ];
    let fill = |template: &str| {
        values
            .iter()
            .fold(template.to_owned(), |text, (key, value)| {
                text.replace(key, value)
            })
    };
    let write = |path: PathBuf, text: String| {
        fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))
    };
    fs::create_dir_all(folder.join("calibration"))
        .and_then(|()| fs::create_dir_all(folder.join("data")))
        .with_context(|| format!("cannot make `{}`", folder.display()))?;
    write(
        folder.join("station.toml"),
        fill(include_str!("init/station.toml")),
    )?;
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
