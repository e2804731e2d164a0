//! `taktgate calibrate flat-field`: pictures of a grey card into the flat field of a calibration.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use taktgate::calibrate::add_flat_field;
use taktgate::source::pictures_below;

use super::{now, read_draft, write_draft, write_whole};
use crate::app::Outcome;
use crate::app::print::{note, progress, say, table};

#[derive(Args)]
#[command(after_help = "\
Examples:
  taktgate calibrate flat-field calibration/cam-1.toml grey-cards/

Eight or more pictures of a card that fills the picture, out of focus, lit as parts are, no value burnt out.
A recipe uses it with \"flat_field\" in `prepare`.")]
pub(crate) struct FlatFieldArgs {
    /// The camera's calibration file.
    #[arg(value_name = "FILE")]
    calibration: PathBuf,
    /// Pictures of an evenly lit grey card.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Where the report goes; beside the calibration if not given.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn flat_field(args: &FlatFieldArgs) -> anyhow::Result<Outcome> {
    let draft = read_draft(&args.calibration)?;
    let n_pictures = pictures_below(&draft.camera, &args.folder)?.len();
    let bar = progress(n_pictures, "adding up");
    let study = add_flat_field(draft, &args.folder, now(), &|| bar.inc(1));
    bar.finish_and_clear();
    let study = study?;
    let name = study
        .draft
        .flat_field
        .as_ref()
        .context("the flat field has no name")?;
    let picture = args.calibration.with_file_name(name);
    write_whole(&picture, &study.png)?;
    let report = args.report.clone();
    let report = report.unwrap_or_else(|| args.calibration.with_extension("flat-field.html"));
    write_whole(&report, study.page().as_bytes())?;
    write_draft(&args.calibration, &study.draft)?;
    if study.has_dropped_colour {
        note(
            "the calibration's colours were measured in another light and are no longer in it; `taktgate calibrate colour` measures them anew",
        );
    }
    let [darkest, brightest] = study.levels;
    if args.json {
        say(serde_json::json!({
            "calibration": args.calibration.display().to_string(),
            "flat_field": picture.display().to_string(),
            "report": report.display().to_string(),
            "n_pictures": study.n_pictures,
            "levels": study.levels,
            "dropped_colour": study.has_dropped_colour,
        }));
        return Ok(Outcome::Good);
    }
    let mut facts = table(&[]);
    facts.add_row(["pictures", &study.n_pictures.to_string()]);
    facts.add_row(["levels", &format!("{darkest} to {brightest}")]);
    facts.add_row(["flat field", &picture.display().to_string()]);
    facts.add_row(["report", &report.display().to_string()]);
    facts.add_row(["calibration", &args.calibration.display().to_string()]);
    say(facts);
    Ok(Outcome::Good)
}
