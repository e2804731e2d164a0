//! `taktgate replay`: recorded pictures through a station's recipe, findings drawn onto them, a summary.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use comfy_table::Table;
use serde_json::Value;
use taktgate::domain::StageTimings;
use taktgate::station::{Replay, Replayed, draw_inspection, files_of, make_ready, stable_line};

use super::print::{ms, note, progress, say, table};
use super::{Outcome, StationArg};

#[derive(Args)]
#[command(after_help = "\
Examples:
  taktgate replay samples/stamping
  taktgate replay samples/stamping --expect samples/stamping/expected.jsonl
  taktgate replay samples/stamping --images ../shared/data/steel-boxes/images --mm-per-px 0.5")]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    station: StationArg,
    /// The pictures, with those in folders below; left out, the station's `frames` folder.
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Where verdicts, pictures and the summary go.
    #[arg(long, value_name = "DIR", default_value = "out/replay")]
    out: PathBuf,
    /// Judges pictures of any size from any camera: a bare scale instead of the calibration.
    #[arg(long)]
    mm_per_px: Option<f64>,
    /// The part type, for stations with several recipes.
    #[arg(long)]
    part_type: Option<String>,
    /// Compares with the verdicts of an earlier replay; exit code 3 if they differ.
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
    /// Draws no pictures: only verdicts and summary.
    #[arg(long)]
    no_pictures: bool,
    /// Prints each verdict and the summary as JSON.
    #[arg(long)]
    json: bool,
}

/// Lengths and scores may differ this much between machines: ONNX Runtime picks other instructions.
const FIGURES_DIFFER_MAX: f64 = 0.05;

const VERDICT_WORDS: [&str; 3] = ["ok", "ng", "indeterminate"];

pub(crate) fn replay(args: &ReplayArgs) -> anyhow::Result<Outcome> {
    let station = args.station.read()?;
    let mut files = files_of(&station)?;
    if let Some(mm_per_px) = args.mm_per_px {
        anyhow::ensure!(
            mm_per_px.is_finite() && 0.0 < mm_per_px,
            "`--mm-per-px {mm_per_px}` is no scale; write for example 0.1"
        );
        for left_out in files.without_calibration(mm_per_px) {
            note(format!("without calibration: left out of {left_out}"));
        }
    }
    let images = match &args.images {
        Some(images) => images.clone(),
        None => args.station.path().with_file_name("frames"),
    };
    // Before anything is written: the file may be the one that this replay writes anew.
    let expected = args.expect.as_deref().map(read_expected).transpose()?;
    let ready = make_ready(&station, files)?;
    let replay = Replay::new(&station.name, ready, args.part_type.as_deref(), &images)?;
    fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make `{}`", args.out.display()))?;
    let (lines, summary) = judge_all(args, replay, &images)?;
    write_summary(args, &summary)?;
    Ok(match expected {
        Some(expected) => compare(&expected, &lines),
        None => Outcome::Good,
    })
}

#[derive(Default)]
struct Summary {
    by_folder: BTreeMap<String, BTreeMap<String, u64>>,
    by_class: BTreeMap<String, u64>,
    timings: Vec<StageTimings>,
}

fn judge_all(
    args: &ReplayArgs,
    replay: Replay,
    images: &Path,
) -> anyhow::Result<(Vec<Value>, Summary)> {
    let path = args.out.join("verdicts.jsonl");
    let file =
        fs::File::create(&path).with_context(|| format!("cannot write `{}`", path.display()))?;
    let mut file = BufWriter::new(file);
    let bar = progress(replay.n_pictures(), "replay");
    let (mut lines, mut summary) = (Vec::new(), Summary::default());
    for replayed in replay {
        let line = stable_line(&replayed);
        writeln!(file, "{line}").with_context(|| format!("cannot write `{}`", path.display()))?;
        if args.json {
            say(&line);
        }
        if !args.no_pictures {
            draw(args, &replayed, images)?;
        }
        for drift in &replayed.drifts {
            bar.suspend(|| note(drift));
        }
        summary.count(&replayed, images);
        lines.push(line);
        bar.inc(1);
    }
    bar.finish_and_clear();
    file.flush()
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok((lines, summary))
}

fn draw(args: &ReplayArgs, replayed: &Replayed, images: &Path) -> anyhow::Result<()> {
    let Some(frame) = &replayed.frame else {
        return Ok(());
    };
    let record = &replayed.record;
    let banner = format!("{} {}", record.trigger.part, record.verdict);
    let jpeg = draw_inspection(
        frame,
        &replayed.view,
        &record.findings,
        record.verdict,
        &banner,
    )?;
    let below = replayed.path.strip_prefix(images).unwrap_or(&replayed.path);
    let below = drawing_of(below);
    let pictures = args.out.join("pictures");
    // An earlier replay may have come to another verdict about this picture.
    for word in VERDICT_WORDS {
        let earlier = pictures.join(word).join(&below);
        if earlier.exists() {
            fs::remove_file(&earlier)
                .with_context(|| format!("cannot replace `{}`", earlier.display()))?;
        }
    }
    let path = pictures.join(record.verdict.word()).join(&below);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make `{}`", folder.display()))?;
    }
    fs::write(&path, jpeg).with_context(|| format!("cannot write `{}`", path.display()))
}

/// The name of a drawing: `a.png` becomes `a.png.jpg`, so that it stands beside that of `a.jpg`.
fn drawing_of(picture: &Path) -> PathBuf {
    let mut name = picture.as_os_str().to_owned();
    if picture.extension().is_none_or(|ending| ending != "jpg") {
        name.push(".jpg");
    }
    name.into()
}

impl Summary {
    fn count(&mut self, replayed: &Replayed, images: &Path) {
        let below = replayed.path.strip_prefix(images).unwrap_or(&replayed.path);
        let folder = below
            .parent()
            .map(|folder| folder.display().to_string())
            .unwrap_or_default();
        let folder = if folder.is_empty() {
            ".".to_owned()
        } else {
            folder
        };
        let verdict = replayed.record.verdict.to_string();
        *self
            .by_folder
            .entry(folder)
            .or_default()
            .entry(verdict)
            .or_default() += 1;
        for finding in &replayed.record.findings {
            let key = format!("{} {}", finding.detection.class.name, finding.grade);
            *self.by_class.entry(key).or_default() += 1;
        }
        self.timings.push(replayed.record.timings);
    }

    fn json(&self) -> Value {
        let stages: serde_json::Map<_, _> = StageTimings::spreads(&self.timings)
            .into_iter()
            .map(|(name, times)| {
                let [median, p95, max] = times.map(|time| time.as_secs_f64() * 1e3);
                (
                    name.to_owned(),
                    serde_json::json!({"median": median, "p95": p95, "max": max}),
                )
            })
            .collect();
        serde_json::json!({
            "pictures": self.timings.len(),
            "verdicts": self.by_folder,
            "findings": self.by_class,
            "stages_ms": stages,
        })
    }

    fn tables(&self) -> [Table; 3] {
        let mut verdicts = table(&["folder", "verdict", "pictures"]);
        for (folder, counts) in &self.by_folder {
            for (verdict, count) in counts {
                verdicts.add_row([folder.clone(), verdict.clone(), count.to_string()]);
            }
        }
        let mut findings = table(&["finding", "count"]);
        for (class, count) in &self.by_class {
            findings.add_row([class.clone(), count.to_string()]);
        }
        let mut stages = table(&["stage", "median ms", "p95 ms", "max ms"]);
        for (name, times) in StageTimings::spreads(&self.timings) {
            let [median, p95, max] = times.map(ms);
            stages.add_row([name.to_owned(), median, p95, max]);
        }
        [verdicts, findings, stages]
    }
}

fn write_summary(args: &ReplayArgs, summary: &Summary) -> anyhow::Result<()> {
    let path = args.out.join("summary.json");
    let json = summary.json();
    fs::write(&path, format!("{json:#}\n"))
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    if args.json {
        say(json);
    } else {
        for table in summary.tables() {
            say(table);
        }
    }
    let pictures = if args.no_pictures {
        ""
    } else {
        ", pictures with the findings in `pictures/`"
    };
    note(format!(
        "verdicts and summary in `{}`{pictures}",
        args.out.display()
    ));
    Ok(())
}

fn read_expected(path: &Path) -> anyhow::Result<Vec<Value>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    text.lines()
        .enumerate()
        .map(|(index, line)| {
            serde_json::from_str(line)
                .with_context(|| format!("`{}` line {} is no JSON", path.display(), index + 1))
        })
        .collect()
}

fn compare(expected_lines: &[Value], found: &[Value]) -> Outcome {
    let mut n_different = expected_lines.len().abs_diff(found.len());
    if 0 < n_different {
        note(format!(
            "{} pictures, but {} were expected",
            found.len(),
            expected_lines.len()
        ));
    }
    for (expected, found) in expected_lines.iter().zip(found) {
        if !alike(expected, found) {
            n_different += 1;
            note(format!("expected {expected}\n   found {found}"));
        }
    }
    if n_different == 0 {
        note(format!("all {} verdicts are as expected", found.len()));
        return Outcome::Good;
    }
    note(format!(
        "{n_different} verdicts are not those that were expected"
    ));
    Outcome::Bad
}

/// Words must be equal; figures may differ by [`FIGURES_DIFFER_MAX`] of themselves.
fn alike(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (
                a.as_f64().unwrap_or(f64::NAN),
                b.as_f64().unwrap_or(f64::NAN),
            );
            (a - b).abs() <= FIGURES_DIFFER_MAX * a.abs().max(1.0)
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| alike(a, b)))
        }
        (a, b) => a == b,
    }
}
