//! `taktgate evaluate`: a package or a station's recipe on a labelled set, with figures and a report.

mod require;
mod tables;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use taktgate::evaluate::{
    Comparison, Format, Matching, Method, Report, RunForm, SetQuery, compare, figures,
    inspector_of, read_run, read_set, report, run,
};
use taktgate::inspect::Inspector;
use taktgate::model::{
    Detector, MANIFEST, ModelPackage, OnnxDetector, Runtime, SessionOptions, Task,
};
use taktgate::recipe::Limit;
use taktgate::station::{files_of, make_ready, read_station};

use super::Outcome;
use super::print::{note, progress, say};
use require::Requirement;

#[derive(Args)]
#[command(after_help = "\
Examples:
  taktgate evaluate models/stamping-surface/0.2.0 samples/stamping
  taktgate evaluate samples/stamping samples/stamping --out out/recipe
  taktgate evaluate models/welding-seam/0.2.0 WELDS --good good_weld --map defect=crack
  taktgate evaluate PACKAGE DATA --against out/before --require 'escape<=0.01'
  taktgate evaluate PACKAGE --all-bad ANOTHER_WORLD")]
pub(crate) struct EvaluateArgs {
    /// A model package (the folder with `manifest.toml`), or a station (file or folder).
    #[arg(value_name = "PACKAGE_OR_STATION")]
    subject: PathBuf,
    /// The labelled set: a folder, or its `.json`, `.csv` or `data.yaml`.
    #[arg(value_name = "DATA")]
    data: PathBuf,
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    view: ViewArgs,
    #[command(flatten)]
    results: ResultArgs,
}

#[derive(Args)]
#[command(next_help_heading = "What comes out")]
struct ResultArgs {
    /// Where `run.json` and `report.html` go.
    #[arg(long, value_name = "DIR", default_value = "out/evaluate")]
    out: PathBuf,
    /// Compares with an earlier run on the same pictures: its folder or `run.json`.
    #[arg(long, value_name = "RUN")]
    against: Option<PathBuf>,
    /// A figure that must hold, else exit code 3: `image_auroc>=0.95`, `escape<=0.01`.
    #[arg(long, value_name = "FIGURE<=VALUE")]
    require: Vec<Requirement>,
    /// Prints the figures (and the comparison) as JSON.
    #[arg(long)]
    json: bool,
    /// Writes no `report.html`.
    #[arg(long)]
    no_report: bool,
}

#[derive(Args)]
#[command(next_help_heading = "The set")]
struct SetArgs {
    /// How the set is laid out.
    #[arg(long, default_value = "auto")]
    format: FormatArg,
    /// Which part of the set; `test` where it has parts.
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// Every picture in DATA counts as bad: what another world looks like.
    #[arg(long, conflicts_with_all = ["format", "all_good"])]
    all_bad: bool,
    /// Every picture in DATA counts as good.
    #[arg(long, conflicts_with = "format")]
    all_good: bool,
    /// A class that means "no defect", beside good, ok and normal.
    #[arg(long, value_name = "CLASS")]
    good: Vec<String>,
    /// A class of the set and the model's label for it.
    #[arg(long, value_name = "THEIRS=OURS", value_parser = pair)]
    map: Vec<(String, String)>,
    /// At most this many pictures, evenly over the set.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

#[derive(Args)]
#[command(next_help_heading = "What is evaluated")]
struct ViewArgs {
    /// Judges pictures of any size: a bare scale instead of the station's calibration.
    #[arg(long)]
    mm_per_px: Option<f64>,
    /// The part type, for stations with several recipes.
    #[arg(long)]
    part_type: Option<String>,
    /// The view, for recipes with several.
    #[arg(long)]
    view: Option<String>,
    /// The model whose scores rank the pictures, for views with two; the first one otherwise.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Threads of a package's run; a station has its own setting.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum FormatArg {
    Auto,
    Mvtec,
    Coco,
    Yolo,
    Voc,
    Masks,
    Csv,
}

/// Most things that are named one by one on the terminal; all are in `run.json`.
const NAMED_MAX: usize = 5;

pub(crate) fn evaluate(args: &EvaluateArgs) -> anyhow::Result<Outcome> {
    // An earlier run that cannot be read is said before the work, not after it.
    let before = args.results.against.as_deref().map(read_run).transpose()?;
    let mut inspector = inspector(args)?;
    let detectors = inspector.first_detectors();
    let index = chosen_model(&detectors, args.view.model.as_deref())?;
    let Some(detector) = detectors.get(index) else {
        bail!("the view has no model");
    };
    let query = query(args, detector.as_ref());
    let mut set = read_set(&query)?;
    if let Some(limit) = args.set.limit {
        ensure!(
            0 < limit,
            "`--limit 0` leaves nothing to measure; write 1 or more"
        );
        set.thin_out(limit);
    }
    let manifest = detector.package().manifest();
    let is_good = |name: &str| query.is_good(name);
    let matching = Matching::new(&manifest.labels, &set.classes, &args.set.map, &is_good)?;
    let method = Method {
        model: index,
        matching: &matching,
        pixel_threshold: manifest.layout.pixel_threshold(),
    };
    let bar = progress(set.pictures.len(), "evaluate");
    let done = run(&mut inspector, &set, &method, &mut || bar.inc(1));
    bar.finish_and_clear();
    let ranked_by = format!("{} {}", manifest.name, manifest.version);
    let measured = figures(&set, &done, &matching);
    let form = RunForm::new(&inspector, &ranked_by, &set, &done, measured);
    let comparison = before
        .as_ref()
        .map(|before| compare(before, &form))
        .transpose()?;
    write_run(&args.results.out, &form)?;
    if !args.results.no_report {
        let page = report(&Report {
            set: &set,
            run: &done,
            matching: &matching,
            form: &form,
            comparison: comparison.as_ref(),
            thresholds: thresholds(&inspector),
        });
        write(&args.results.out.join("report.html"), &page)?;
    }
    if args.results.json {
        say(json(&form, comparison.as_ref()));
    } else {
        tables::print(&form, comparison.as_ref());
        // An anomaly has no name to be matched.
        if manifest.task != Task::Anomaly {
            tables::say_what_does_not_fit(&matching);
        }
    }
    say_left_out(&form);
    let files = if args.results.no_report {
        "`run.json`"
    } else {
        "`run.json` and `report.html`"
    };
    note(format!(
        "written to `{}`: {files}",
        args.results.out.display()
    ));
    require::check(&args.results.require, &form.figures)
}

fn pair(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').map(|(a, b)| (a.trim(), b.trim()));
    match parts {
        Some((theirs, ours)) if !theirs.is_empty() && !ours.is_empty() => {
            Ok((theirs.to_owned(), ours.to_owned()))
        }
        _ => Err(
            "write the set's class, `=` and the model's label, for example `defect=pore`"
                .to_owned(),
        ),
    }
}

/// The package or the station, ready to judge.
fn inspector(args: &EvaluateArgs) -> anyhow::Result<Inspector> {
    if let Some(mm_per_px) = args.view.mm_per_px {
        ensure!(
            mm_per_px.is_finite() && 0.0 < mm_per_px,
            "`--mm-per-px {mm_per_px}` is no scale; write for example 0.1"
        );
    }
    if args.subject.join(MANIFEST).is_file() {
        return of_package(args);
    }
    let station = if args.subject.is_dir() {
        args.subject.join("station.toml")
    } else {
        args.subject.clone()
    };
    ensure!(
        station.is_file(),
        "`{}` is neither a model package (no `manifest.toml`) nor a station (no `station.toml`)",
        args.subject.display()
    );
    of_station(args, &station)
}

fn of_package(args: &EvaluateArgs) -> anyhow::Result<Inspector> {
    for (flag, value) in [
        ("--part-type", &args.view.part_type),
        ("--view", &args.view.view),
    ] {
        ensure!(
            value.is_none(),
            "`{flag}` belongs to a station; `{}` is a package",
            args.subject.display()
        );
    }
    let runtime = Runtime::load(None)?;
    let options = SessionOptions {
        threads: args.view.threads.into(),
        ..SessionOptions::default()
    };
    let package = ModelPackage::open(&args.subject)?;
    let (detector, _) = OnnxDetector::load(package, &runtime, &options)
        .with_context(|| format!("`{}` is not fit for the line", args.subject.display()))?;
    let query = query(args, &detector);
    let is_good = |name: &str| query.is_good(name);
    let mm_per_px = args.view.mm_per_px.unwrap_or(1.0);
    Ok(inspector_of(Arc::new(detector), &is_good, mm_per_px)?)
}

fn of_station(args: &EvaluateArgs, path: &Path) -> anyhow::Result<Inspector> {
    let station = read_station(path)?;
    let mut files = files_of(&station)?;
    files.keep_view(args.view.part_type.as_deref(), args.view.view.as_deref())?;
    if let Some(mm_per_px) = args.view.mm_per_px {
        for left_out in files.without_calibration(mm_per_px) {
            note(format!("without calibration: left out of {left_out}"));
        }
    }
    let ready = make_ready(&station, files)?;
    ready
        .inspectors
        .into_iter()
        .next()
        .context("the station has no recipe")
}

fn chosen_model(detectors: &[Arc<dyn Detector>], wanted: Option<&str>) -> anyhow::Result<usize> {
    let names: Vec<String> = detectors
        .iter()
        .map(|detector| detector.package().manifest().name.clone())
        .collect();
    let Some(wanted) = wanted else {
        if let [first, _, ..] = names.as_slice() {
            note(format!(
                "pictures are ranked by `{first}`; `--model` takes another"
            ));
        }
        return Ok(0);
    };
    let found = names.iter().position(|name| name == wanted);
    found.with_context(|| {
        format!(
            "the view has no model `{wanted}`; it has `{}`",
            names.join("`, `")
        )
    })
}

fn query(args: &EvaluateArgs, detector: &dyn Detector) -> SetQuery {
    let set = &args.set;
    let format = match (set.all_bad, set.all_good, set.format) {
        (true, _, _) => Some(Format::AllBad),
        (_, true, _) => Some(Format::AllGood),
        (_, _, FormatArg::Auto) => None,
        (_, _, FormatArg::Mvtec) => Some(Format::Mvtec),
        (_, _, FormatArg::Coco) => Some(Format::Coco),
        (_, _, FormatArg::Yolo) => Some(Format::Yolo),
        (_, _, FormatArg::Voc) => Some(Format::Voc),
        (_, _, FormatArg::Masks) => Some(Format::Masks),
        (_, _, FormatArg::Csv) => Some(Format::Csv),
    };
    let manifest = detector.package().manifest();
    let good = manifest.layout.good_label();
    let good = good.and_then(|label| manifest.labels.get(label));
    let good = good.map(|label| label.name.to_string());
    SetQuery {
        path: args.data.clone(),
        format,
        split: set.split.clone(),
        good: set.good.iter().cloned().chain(good).collect(),
    }
}

fn write_run(out: &Path, form: &RunForm) -> anyhow::Result<()> {
    fs::create_dir_all(out).with_context(|| format!("cannot make `{}`", out.display()))?;
    let path = out.join("run.json");
    write(&path, &(serde_json::to_string_pretty(form)? + "\n"))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}

/// The smallest scores from which a finding is doubtful, and from which it is rejected.
fn thresholds(inspector: &Inspector) -> Option<(f64, f64)> {
    let view = inspector.recipe().views.first()?;
    let limits = || view.zones.iter().flat_map(|zone| &zone.limits);
    // Limits of 0 are those of classes that mean "no defect".
    let smallest = |of: fn(&Limit) -> f32| {
        let scores = limits().map(|(_, limit)| f64::from(of(limit)));
        scores.filter(|score| 0.0 < *score).reduce(f64::min)
    };
    smallest(|limit| limit.score_doubtful).zip(smallest(|limit| limit.score_reject))
}

fn json(form: &RunForm, comparison: Option<&Comparison>) -> serde_json::Value {
    let by_name: serde_json::Map<_, _> = form
        .figures
        .by_name()
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    serde_json::json!({
        "subject": form.subject,
        "set": form.set,
        "pictures": form.pictures.len(),
        "figures": by_name,
        "details": form.figures,
        "left_out": form.left_out,
        "against": comparison,
    })
}

fn say_left_out(form: &RunForm) {
    let n = form.left_out.len();
    if n == 0 {
        return;
    }
    note(format!("{n} not measured, or not wholly:"));
    for one in form.left_out.iter().take(NAMED_MAX) {
        note(format!("  `{}`: {}", one.what, one.why));
    }
    if NAMED_MAX < n {
        note(format!("  and {} more, all in `run.json`", n - NAMED_MAX));
    }
}
