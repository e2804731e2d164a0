//! `taktgate calibrate plane`: the plane that parts lie on, and what a length on it is uncertain by.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use taktgate::calibrate::{PlaneFrom, PlaneStudy, Tolerances, add_plane};
use taktgate::calibration::{COVERAGE_FACTOR, LengthParts};

use super::{BoardArgs, now, read_draft, write_draft, write_whole};
use crate::app::Outcome;
use crate::app::print::{note, say, table};

/// Lengths whose uncertainty is told.
const LENGTHS_TOLD_MM: [f64; 3] = [1.0, 10.0, 100.0];

#[derive(Args)]
#[command(after_help = "\
Examples:
  taktgate calibrate plane calibration/cam-1.toml --picture flat.png --corners 9x6 --square-mm 10 --plane \"door surface\"
  taktgate calibrate plane calibration/cam-1.toml --points points.csv --plane \"door surface\" --height-tolerance-mm 0.5

A table of points has the header x_px,y_px,x_mm,y_mm and at least four lines.")]
pub(crate) struct PlaneArgs {
    /// The camera's calibration file, with its lens.
    #[arg(value_name = "FILE")]
    calibration: PathBuf,
    /// One picture of the board lying where the parts' surface lies.
    #[arg(long, value_name = "FILE", required_unless_present = "points")]
    picture: Option<PathBuf>,
    /// A table of points that are known in the picture and on the plane, instead of a board.
    #[arg(long, value_name = "CSV", conflicts_with_all = ["picture", "corners", "square_mm"])]
    points: Option<PathBuf>,
    #[command(flatten)]
    board: BoardArgs,
    /// What the plane is, in words.
    #[arg(long, value_name = "NAME")]
    plane: String,
    /// By what share the board's squares, or the distances of the points, may be wrong: 0.0005 is half a millimetre a metre.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0005, value_parser = share)]
    board_tolerance: f64,
    /// How far the surface of a part may lie above or below the plane.
    #[arg(long, value_name = "MM", default_value_t = 0.0, value_parser = height)]
    height_tolerance_mm: f64,
    /// Where the report goes; beside the calibration if not given.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn plane(args: &PlaneArgs) -> anyhow::Result<Outcome> {
    let draft = read_draft(&args.calibration)?;
    let from = match &args.points {
        Some(table) => PlaneFrom::Points {
            table: table.clone(),
        },
        None => PlaneFrom::Board {
            picture: args
                .picture
                .clone()
                .context("write `--picture` or `--points`")?,
            board: args.board.board()?,
        },
    };
    let tolerances = Tolerances {
        board_share: args.board_tolerance,
        height_mm: args.height_tolerance_mm,
    };
    let study = add_plane(draft, &args.plane, &from, tolerances, now())?;
    let report = args.report.clone();
    let report = report.unwrap_or_else(|| args.calibration.with_extension("plane.html"));
    write_whole(&report, study.page().as_bytes())?;
    write_draft(&args.calibration, &study.draft)?;
    if args.json {
        say(json(args, &study, &report));
    } else {
        tell(args, &study, &report);
    }
    Ok(Outcome::Good)
}

fn tell(args: &PlaneArgs, study: &PlaneStudy, report: &Path) {
    let mut facts = table(&[]);
    facts.add_row(["points", &study.points.len().to_string()]);
    facts.add_row([
        "miss, root of mean square",
        &format!(
            "{:.4} mm, {:.3} px",
            study.fit.residual_rms_mm, study.residual_rms_px
        ),
    ]);
    match &study.parts {
        None => note(
            "no uncertainty is stated: the file does not say how well its lens is known; `taktgate calibrate lens` does",
        ),
        Some(parts) => {
            let stated = parts.expanded();
            facts.add_row([
                "largest pixel in the picture",
                &format!("{:.4} mm", parts.mm_per_px_max),
            ]);
            facts.add_row([
                "lens and plane, of any length (k = 1)",
                &format!("{:.4} mm", parts.fit_mm),
            ]);
            for (name, share) in shares(parts) {
                facts.add_row([name, &format!("{share:.5} of the length")]);
            }
            for length_mm in LENGTHS_TOLD_MM {
                facts.add_row([
                    format!("{length_mm} mm are known to (k = {COVERAGE_FACTOR})"),
                    format!("± {:.3} mm", stated.of(length_mm)),
                ]);
            }
        }
    }
    facts.add_row(["report", &report.display().to_string()]);
    facts.add_row(["calibration", &args.calibration.display().to_string()]);
    say(facts);
}

/// What makes a length uncertain in proportion to it, as it stands in [`LengthParts`].
fn shares(parts: &LengthParts) -> [(&'static str, f64); 3] {
    [
        ("lens and plane, growing (k = 1)", parts.fit_share),
        ("board, tolerance", parts.board_tolerance),
        ("height of the part, tolerance", parts.height_tolerance),
    ]
}

fn json(args: &PlaneArgs, study: &PlaneStudy, report: &Path) -> serde_json::Value {
    let parts = study.parts.map(|parts| {
        serde_json::json!({
            "mm_per_px_max": parts.mm_per_px_max,
            "lens_and_plane_mm": parts.fit_mm,
            "lens_and_plane_share": parts.fit_share,
            "board_tolerance": parts.board_tolerance,
            "height_tolerance": parts.height_tolerance,
            "constant_mm": parts.expanded().constant_mm,
            "relative": parts.expanded().relative,
        })
    });
    serde_json::json!({
        "calibration": args.calibration.display().to_string(),
        "report": report.display().to_string(),
        "n_points": study.points.len(),
        "mm_from_px": study.fit.mm_from_px,
        "residual_rms_mm": study.fit.residual_rms_mm,
        "residual_rms_px": study.residual_rms_px,
        "length_uncertainty": parts,
    })
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok();
    share
        .filter(|share| (0.0..=0.1).contains(share))
        .ok_or_else(|| "write a share from 0 to 0.1, for example 0.0005".to_owned())
}

fn height(text: &str) -> Result<f64, String> {
    let height = text.parse().ok();
    height
        .filter(|height| (0.0..=1000.0).contains(height))
        .ok_or_else(|| "write millimetres from 0 to 1000, for example 0.5".to_owned())
}
