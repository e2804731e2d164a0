//! `taktgate calibrate lens`: pictures of a board in, a lens out, with a report.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use jiff::SignedDuration;
use taktgate::calibrate::{LensStudy, study_lens};
use taktgate::source::pictures_below;

use super::live::{LiveArgs, take_views};
use super::{BoardArgs, check_name, now, write_draft};
use crate::app::Outcome;
use crate::app::print::{note, progress, say, table};

#[derive(Args)]
#[command(after_help = "\
Examples:
  taktgate calibrate lens boards/ --corners 9x6 --square-mm 10 --camera cam-1 --out calibration/cam-1.toml
  taktgate calibrate lens boards/ --station st-07 --camera cam-1 --corners 9x6 --square-mm 10 --out calibration/cam-1.toml
  taktgate calibrate lens boards/ --board asymmetric-circles --corners 4x11 --square-mm 20 --camera cam-1 --out cam-1.toml

Fifteen to twenty pictures: the board in the middle, at every edge and in every corner of the picture, flat and
tilted by 20 to 40 degrees to all sides, sharp, at about the distance of the parts. With `--station` they are taken
now: it says of each look whether it was taken and where to hold the board next, and ends when nothing is missing.
Exit code 3: the lens would not hold; what is missing is told, and the report shows it.")]
pub(crate) struct LensArgs {
    /// Pictures of the board, with those in folders below; with `--station` they are taken into it.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    live: LiveArgs,
    #[command(flatten)]
    board: BoardArgs,
    /// The camera, as stations name it.
    #[arg(long)]
    camera: String,
    /// The calibration file to write, named like the camera: `cam-1.toml`.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// For how long the calibration is trusted.
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=3650))]
    valid_days: u16,
    /// Where the report goes; beside the calibration if not given.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Replaces a calibration that is there.
    #[arg(long)]
    force: bool,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn lens(args: &LensArgs) -> anyhow::Result<Outcome> {
    let board = args.board.board()?;
    check_name(&args.out, &args.camera)?;
    anyhow::ensure!(
        args.force || !args.out.exists(),
        "`{}` is there already; replace it with `--force`",
        args.out.display()
    );
    if let Some(station) = &args.live.station {
        let (seen_by, into) = (
            (args.camera.as_str(), board),
            (args.folder.as_path(), args.json),
        );
        take_views(&args.live, station, seen_by, into)?;
    }
    let n_pictures = pictures_below(&args.camera, &args.folder)?.len();
    let bar = progress(n_pictures, "looking for the board");
    let study = study_lens(&args.camera, &args.folder, board, &|| bar.inc(1));
    bar.finish_and_clear();
    let study = study?;
    let report = args
        .report
        .clone()
        .unwrap_or_else(|| args.out.with_extension("lens.html"));
    fs::write(&report, study.page(&args.camera))
        .with_context(|| format!("cannot write `{}`", report.display()))?;
    let made = now();
    let valid_until = made + SignedDuration::from_hours(24 * i64::from(args.valid_days));
    let draft = study.draft(&args.camera, [made, valid_until]);
    if let Some(draft) = &draft {
        write_draft(&args.out, draft)?;
    }
    if args.json {
        say(json(
            &study,
            draft.as_ref().map(|_| args.out.as_path()),
            &report,
        ));
    } else {
        tell(args, &study, &report);
    }
    Ok(if draft.is_some() {
        Outcome::Good
    } else {
        Outcome::Bad
    })
}

fn tell(args: &LensArgs, study: &LensStudy, report: &Path) {
    for view in &study.views {
        if let Err(why) = &view.seen {
            note(format!("not used: `{}`: {why}", view.path.display()));
        }
    }
    for refusal in &study.refusals {
        note(format!("refused: {refusal}"));
    }
    for text in &study.guidance {
        note(format!("better: {text}"));
    }
    let mut facts = table(&[]);
    facts.add_row([
        "pictures used",
        &format!("{} of {}", study.n_used(), study.views.len()),
    ]);
    facts.add_row([
        "ninths of the picture with points",
        &study.coverage.n_covered().to_string(),
    ]);
    if let Some(fit) = &study.fit {
        let (lens, sd) = (fit.lens, fit.sd());
        let [fx, fy] = lens.focal_px;
        facts.add_row([
            "miss, root of mean square",
            &format!("{:.3} px", fit.rms_px),
        ]);
        facts.add_row([
            "focal length",
            &format!("{fx:.1} ± {:.1}, {fy:.1} ± {:.1} px", sd[0], sd[1]),
        ]);
        facts.add_row([
            "centre",
            &format!(
                "{:.1} ± {:.1}, {:.1} ± {:.1} px",
                lens.center_px.x, sd[2], lens.center_px.y, sd[3]
            ),
        ]);
        let terms: Vec<String> = lens
            .distortion
            .iter()
            .map(|term| format!("{term:.5}"))
            .collect();
        facts.add_row(["k1, k2, p1, p2, k3", &terms.join(", ")]);
    }
    facts.add_row(["report", &report.display().to_string()]);
    if study.refusals.is_empty() {
        facts.add_row(["calibration", &args.out.display().to_string()]);
    }
    say(facts);
    if study.refusals.is_empty() {
        say(format!(
            "next, with the board lying where parts lie:\n  taktgate calibrate plane {} --picture FILE --corners CxR \
             --square-mm MM --plane NAME",
            args.out.display()
        ));
    } else {
        say("no calibration was written");
    }
}

fn json(study: &LensStudy, out: Option<&Path>, report: &Path) -> serde_json::Value {
    let mut fitted = study.used().map(|(_, fitted)| fitted);
    let views: Vec<_> = study
        .views
        .iter()
        .map(|view| {
            let fitted = view.seen.as_ref().ok().and_then(|_| fitted.next());
            serde_json::json!({
                "picture": view.path.display().to_string(),
                "rejected": view.seen.as_ref().err().map(ToString::to_string),
                "residual_rms_px": fitted.map(|fitted| fitted.residual_rms_px),
                "tilt_deg": fitted.map(|fitted| fitted.tilt_deg),
            })
        })
        .collect();
    let lens = study.fit.as_ref().map(|fit| {
        serde_json::json!({
            "reprojection_error_rms_px": fit.rms_px,
            "parameters": fit.lens.parameters(),
            "standard_deviations": fit.sd(),
        })
    });
    serde_json::json!({
        "calibration": out.map(|out| out.display().to_string()),
        "report": report.display().to_string(),
        "board": study.board.to_string(),
        "image_size_px": [study.size.width_px, study.size.height_px],
        "n_used": study.n_used(),
        "coverage": study.coverage.cells,
        "lens": lens,
        "views": views,
        "refused": study.refusals,
        "better": study.guidance,
    })
}
