//! `taktgate calibrate colour`: pictures of a chart of 24 patches into the colours of a calibration, with a report.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use taktgate::calibrate::{ChartSetting, ColourStudy, Reference, add_colour};
use taktgate::calibration::{Curve, Difference, Draft};
use taktgate::domain::PointPx;
use taktgate::source::{pictures_below, read_picture};
use taktgate::vision::FlatField;

use super::{now, read_draft, write_draft};
use crate::app::Outcome;
use crate::app::print::{progress, say, table};

#[derive(Args)]
#[command(after_help = "\
Examples:
  taktgate calibrate colour calibration/cam-1.toml chart.png --corners 210,180 890,175 895,590 205,600
  taktgate calibrate colour calibration/cam-1.toml charts/ --corners 210,180 890,175 895,590 205,600 --reference my-chart.csv

The chart lies where parts lie and is lit as they are, white not burnt out; the camera's white balance, gain and
exposure are fixed. Corners are the middles of the corner patches, in this order: dark skin, bluish green, black, white.
A table of colours has the header patch,L,a,b (CIELAB for D50) or patch,red,green,blue (sRGB, 0 to 255) and a line for
each patch, counted from 1, row by row from dark skin to black.
A recipe uses the colours with \"colour\" in `prepare`.")]
pub(crate) struct ColourArgs {
    /// The camera's calibration file.
    #[arg(value_name = "FILE")]
    calibration: PathBuf,
    /// A picture of the chart, or a folder of pictures of it that are averaged: neither camera nor chart moves between them.
    #[arg(value_name = "PICTURE|DIR")]
    pictures: PathBuf,
    /// The middles of the corner patches in the picture: dark skin, bluish green, black, white.
    #[arg(long, value_name = "X,Y", num_args = 4, required = true, value_parser = point)]
    corners: Vec<PointPx>,
    /// A table of the chart's own colours; if not given, those that the maker has published.
    #[arg(long, value_name = "CSV")]
    reference: Option<PathBuf>,
    /// How the camera's values follow the light.
    #[arg(long, value_enum, default_value = "srgb")]
    curve: CurveArg,
    /// Where the report goes; beside the calibration if not given.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum CurveArg {
    /// As sRGB has it: cameras that make pictures to look at.
    Srgb,
    /// In proportion: industrial cameras with gamma 1.
    Linear,
}

pub(crate) fn colour(args: &ColourArgs) -> anyhow::Result<Outcome> {
    let draft = read_draft(&args.calibration)?;
    let corners =
        <[PointPx; 4]>::try_from(args.corners.as_slice()).context("write four `--corners`")?;
    let setting = ChartSetting {
        corners,
        reference: match &args.reference {
            Some(path) => Reference::read(path)?,
            None => Reference::default(),
        },
        curve: match args.curve {
            CurveArg::Srgb => Curve::Srgb,
            CurveArg::Linear => Curve::Linear,
        },
    };
    let flat_field = flat_field_of(&args.calibration, &draft)?;
    let n_pictures = if args.pictures.is_dir() {
        pictures_below(&draft.camera, &args.pictures)?.len()
    } else {
        1
    };
    let bar = progress(n_pictures, "reading the chart");
    let study = add_colour(
        draft,
        &args.pictures,
        flat_field.as_ref(),
        &setting,
        now(),
        &|| bar.inc(1),
    );
    bar.finish_and_clear();
    let study = study?;
    let report = args
        .report
        .clone()
        .unwrap_or_else(|| args.calibration.with_extension("colour.html"));
    fs::write(&report, study.page(&study.draft.camera))
        .with_context(|| format!("cannot write `{}`", report.display()))?;
    write_draft(&args.calibration, &study.draft)?;
    if args.json {
        say(json(args, &study, &report));
    } else {
        tell(args, &study, &report);
    }
    Ok(Outcome::Good)
}

/// The flat field that the calibration names: recipes even the light before they correct the colours.
fn flat_field_of(path: &Path, draft: &Draft) -> anyhow::Result<Option<FlatField>> {
    let Some(name) = &draft.flat_field else {
        return Ok(None);
    };
    let picture = read_picture(&draft.camera, &path.with_file_name(name))?;
    draft.check_size(picture.size)?;
    Ok(Some(FlatField::new(picture)?))
}

fn tell(args: &ColourArgs, study: &ColourStudy, report: &Path) {
    let figures = &study.figures;
    let said =
        |difference: Difference| format!("{:.2}, {:.2} at worst", difference.mean, difference.max);
    let mut facts = table(&[]);
    facts.add_row(["pictures", &figures.n_pictures.to_string()]);
    facts.add_row(["chart", &figures.reference]);
    facts.add_row([
        "light",
        if study.draft.flat_field.is_some() {
            "evened by the flat field"
        } else {
            "as it is"
        },
    ]);
    facts.add_row(["difference (CIEDE2000) before", &said(figures.before)]);
    facts.add_row(["after", &said(figures.after)]);
    facts.add_row(["after, patch left out of the fit", &said(figures.held_out)]);
    facts.add_row(["report", &report.display().to_string()]);
    facts.add_row(["calibration", &args.calibration.display().to_string()]);
    say(facts);
}

fn json(args: &ColourArgs, study: &ColourStudy, report: &Path) -> serde_json::Value {
    let figures = &study.figures;
    let said = |difference: Difference| serde_json::json!({ "mean": difference.mean, "max": difference.max });
    let patches: Vec<_> = study
        .patches()
        .map(|patch| {
            serde_json::json!({
                "levels": patch.levels,
                "before_ciede2000": patch.before,
                "after_ciede2000": patch.after,
                "held_out_ciede2000": patch.held_out,
            })
        })
        .collect();
    serde_json::json!({
        "calibration": args.calibration.display().to_string(),
        "report": report.display().to_string(),
        "reference": figures.reference,
        "curve": study.colour.curve.name(),
        "n_pictures": figures.n_pictures,
        "srgb_from_camera": study.colour.srgb_from_camera,
        "before_ciede2000": said(figures.before),
        "after_ciede2000": said(figures.after),
        "held_out_ciede2000": said(figures.held_out),
        "patches": patches,
    })
}

fn point(text: &str) -> Result<PointPx, String> {
    let finite = |text: &str| {
        text.trim()
            .parse::<f64>()
            .ok()
            .filter(|value| value.is_finite())
    };
    text.split_once(',')
        .and_then(|(x, y)| {
            Some(PointPx {
                x: finite(x)?,
                y: finite(y)?,
            })
        })
        .ok_or_else(|| "write a column and a row of the picture, for example 210,180".to_owned())
}
