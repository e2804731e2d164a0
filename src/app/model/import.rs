//! `taktgate model import`: from an exported ONNX file to a package that is proved.

mod card;
mod hints;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use taktgate::model::import::{
    Alternative, Export, GoldenDir, Parity, Recognised, SCORE_DIFFERENCE_MAX, prove, search,
};
use taktgate::model::{
    GoldenDraft, PackageDraft, ProvedBy, Runtime, SessionOptions, WhenThere, write_package,
};

use super::super::Outcome;
use super::super::print::{note, progress, say, table};

pub(super) const EXAMPLES: &str = "\
Examples:
  # What is it, and what is missing?
  taktgate model import best.onnx
  # Proved with what the training framework made of a folder of pictures
  python models/train/record_golden.py anomalib --arch Patchcore --weights model.ckpt --onnx best.onnx \\
      --pictures pictures --out golden
  taktgate model import best.onnx --golden golden --out models/seam/1.0.0
  # A classifier that says nothing of itself
  taktgate model import net.onnx --labels good,torn --golden golden --out models/torn/1.0.0
  # YOLOX, exported without --decode_in_inference
  taktgate model import yolox.onnx --family yolox --labels dent,scratch --golden golden

How each tool exports and records: docs/import.md";

/// Difference in grey values that no rounding explains.
const GREY_DIFFERENCE_MAX: f32 = 0.6;

#[derive(Args)]
pub(crate) struct ImportArgs {
    /// The exported ONNX file; weights in a file beside it are taken in.
    #[arg(value_name = "FILE.onnx")]
    file: PathBuf,
    /// The package's folder, models/NAME/VERSION; without it nothing is written.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// What the exporter's own framework made of original pictures; proves the package.
    #[arg(long, value_name = "FOLDER")]
    golden: Option<PathBuf>,
    /// Writes a package without that proof: the station warns of it at each start.
    #[arg(long, conflicts_with = "golden")]
    unproved: bool,
    /// Replaces a package that is there already.
    #[arg(long)]
    force: bool,
    /// One sentence: what the model finds.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// What the model saw in training.
    #[arg(long, value_name = "TEXT")]
    trained_on: Option<String>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    /// ONNX Runtime's shared library, instead of the one that is found.
    #[arg(long, value_name = "FILE")]
    library: Option<PathBuf>,
    #[command(flatten)]
    hints: hints::HintArgs,
}

/// What came of it, for printing.
#[derive(Default)]
struct Told {
    parity: Option<Parity>,
    alternative: Option<Alternative>,
    package: Option<PathBuf>,
}

pub(super) fn import(args: &ImportArgs) -> anyhow::Result<Outcome> {
    let runtime = Runtime::load(args.library.as_deref())?;
    let options = SessionOptions::default();
    let hints = args.hints.hints()?;
    let golden = args.golden.as_deref().map(GoldenDir::open).transpose()?;
    let export = Export::read(&args.file, &runtime, &options, &hints, golden.as_ref())?;
    let mut recognised = export.recognise(&hints, golden.as_ref())?;
    name(&mut recognised.draft, args)?;
    if !args.json {
        tell_recognised(&recognised, golden.as_ref());
    }
    let mut told = Told::default();
    let mut good = true;
    if let Some(golden) = &golden {
        let engine = (&runtime, &options);
        let bar = progress(golden.n_pictures(), "comparing");
        let proved = prove(&recognised.draft, golden, engine, &mut |done| {
            bar.set_position(done as u64);
        });
        bar.finish_and_clear();
        let (parity, kept) = proved?;
        good = parity.refusals().is_empty();
        if good {
            recognised.draft.golden = kept;
            recognised.draft.proved_by = ProvedBy::Exporter;
        } else {
            told.alternative = search(
                &recognised.draft,
                &recognised.others,
                (golden, &parity),
                engine,
            )?;
        }
        told.parity = Some(parity);
    } else if args.unproved {
        recognised.draft.golden = vec![of_the_graph(&recognised.draft)?];
    } else if args.out.is_some() {
        bail!(
            "nobody knows yet whether it scores here as where it was trained: give `--golden FOLDER` \
             (models/train/record_golden.py records it), or `--unproved` to go without"
        );
    }
    if let (true, Some(out)) = (good, &args.out) {
        recognised.draft.card = card::card(&args.file, &recognised, told.parity.as_ref());
        let when_there = if args.force {
            WhenThere::Replace
        } else {
            WhenThere::Refuse
        };
        write_package(out, &recognised.draft, (&runtime, &options), when_there)
            .with_context(|| format!("`{}` was not written", out.display()))?;
        told.package = Some(out.clone());
    }
    if args.json {
        say(as_json(&recognised, &told));
    } else {
        tell_end(&told, args);
    }
    if let Some(parity) = told.parity.as_ref().filter(|_| !good) {
        tell_refusal(parity, told.alternative.as_ref());
    }
    Ok(if good { Outcome::Good } else { Outcome::Bad })
}

/// Name and version are the folder's, and the texts those of the command line.
fn name(draft: &mut PackageDraft, args: &ImportArgs) -> anyhow::Result<()> {
    let part = |path: Option<&Path>| {
        let name = path.and_then(Path::file_name)?;
        name.to_str().map(str::to_owned)
    };
    let stem = args.file.file_stem().unwrap_or_default().to_string_lossy();
    (draft.name, draft.version) = match &args.out {
        None => (stem.into_owned(), "0".to_owned()),
        Some(out) => part(out.parent()).zip(part(Some(out))).with_context(|| {
            format!(
                "`--out {}` is no folder of a package; write models/NAME/VERSION",
                out.display()
            )
        })?,
    };
    draft.description = args
        .description
        .clone()
        .unwrap_or_else(|| format!("imported from {}", file_name(&args.file)));
    draft.trained_on = args
        .trained_on
        .clone()
        .unwrap_or_else(|| "not said at its import".to_owned());
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// A golden vector without an exporter: noise, and what the graph makes of it here.
fn of_the_graph(draft: &PackageDraft) -> anyhow::Result<GoldenDraft> {
    use taktgate::domain::{Frame, PixelFormat, SizePx};

    let size = SizePx {
        width_px: draft.input.width_px,
        height_px: draft.input.height_px,
    };
    let format = if draft.input.channels == 1 {
        PixelFormat::Gray8
    } else {
        PixelFormat::Rgb8
    };
    let n_pixels = u64::from(size.width_px) * u64::from(size.height_px);
    let length = usize::try_from(n_pixels)? * format.channels();
    let mut state = 1_u32;
    let pixels = (0..length).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    let frame = Frame::new(
        "noise",
        size,
        format,
        pixels.collect(),
        std::time::Instant::now(),
    )?;
    Ok(GoldenDraft {
        picture: taktgate::vision::encode_png(&frame)?,
        original: false,
        outputs: None,
        tolerance: SCORE_DIFFERENCE_MAX,
    })
}

fn tell_recognised(recognised: &Recognised, golden: Option<&GoldenDir>) {
    let mut found = table(&["what", "value", "from"]);
    for (key, value, from) in &recognised.rows {
        found.add_row([key, value, from]);
    }
    say(found);
    for line in &recognised.notes {
        note(format!("note: {line}"));
    }
    for key in golden.map(GoldenDir::unknown).unwrap_or_default() {
        note(format!(
            "note: `golden.json` has the key `{key}`, which means nothing here"
        ));
    }
}

fn tell_end(told: &Told, args: &ImportArgs) {
    if let Some(parity) = &told.parity {
        tell_parity(parity);
        if !parity.refusals().is_empty() {
            return;
        }
    }
    match &told.package {
        Some(package) => {
            let folder = package.display();
            say(format!("written: {folder}"));
            say(format!("next: taktgate model verify {folder}"));
        }
        None if args.golden.is_some() => say("good; give `--out models/NAME/VERSION` to write it"),
        None => {
            say("give `--golden FOLDER` to prove it, and `--out models/NAME/VERSION` to write it");
        }
    }
}

fn tell_refusal(parity: &Parity, alternative: Option<&Alternative>) {
    note("refused: this model scores differently here than where it was trained");
    for refusal in parity.refusals() {
        note(format!("  - {refusal}"));
    }
    for line in causes(parity, alternative) {
        note(format!("hint: {line}"));
    }
}

fn tell_parity(parity: &Parity) {
    let mut compared = table(&["output", "largest difference"]);
    for output in &parity.outputs {
        compared.add_row([output.output.clone(), format!("{:.2e}", output.largest)]);
    }
    compared.add_row(["any score".to_owned(), format!("{:.2e}", parity.score)]);
    compared.add_row([
        "any place".to_owned(),
        format!("{:.2e} px", parity.place_px),
    ]);
    say(compared);
    let against = if parity.with_answers {
        "the framework's outputs and its own final answers"
    } else {
        "the framework's outputs"
    };
    say(format!(
        "{} pictures, {} with findings, against {against}; verdicts flipped: {}",
        parity.n_pictures,
        parity.n_found,
        parity.flips.len()
    ));
}

/// What is likely wrong, and what to give.
fn causes(parity: &Parity, alternative: Option<&Alternative>) -> Vec<String> {
    let mut causes = Vec::new();
    match parity.prepared_grey {
        Some(grey) if grey > GREY_DIFFERENCE_MAX => causes.push(format!(
            "the prepared pictures differ by up to {grey:.1} grey values from those that the framework \
             recorded, so the preparation is the cause, not the graph"
        )),
        Some(grey) => causes.push(format!(
            "the prepared pictures agree with those that the framework recorded (within {grey:.2} grey \
             values), so the graph or the reading of its outputs is the cause"
        )),
        None => {}
    }
    match alternative {
        Some(best) if best.fits => causes.push(format!(
            "this fits (largest difference of a score {:.1e}): {}",
            best.score,
            best.flags.join(" ")
        )),
        Some(best) => causes.push(format!(
            "of other resizes, interpolations, colour orders, means and scales none fits; the best is \
             {} with {:.1e}",
            best.flags.join(" "),
            best.score
        )),
        None => causes.push(
            "no other resize, interpolation, colour order, mean or scale fits; was the golden directory \
             recorded with these weights?"
                .to_owned(),
        ),
    }
    causes
}

fn as_json(recognised: &Recognised, told: &Told) -> serde_json::Value {
    let found = recognised
        .rows
        .iter()
        .map(|(key, value, from)| serde_json::json!({"what": key, "value": value, "from": from}));
    let draft = &recognised.draft;
    let mut all = serde_json::json!({
        "package": told.package.as_ref().map(|path| path.display().to_string()),
        "family": recognised.family.to_string(),
        "task": draft.task.to_string(),
        "proved_by": if draft.proved_by == ProvedBy::Exporter { "exporter" } else { "graph" },
        "found": found.collect::<Vec<_>>(),
        "notes": recognised.notes,
    });
    let Some(parity) = &told.parity else {
        return all;
    };
    let outputs = parity.outputs.iter();
    let outputs = outputs.map(|one| (one.output.clone(), one.largest.into()));
    let flips = parity
        .flips
        .iter()
        .map(|flip| serde_json::json!({"picture": flip.picture, "why": flip.why}));
    let alternative = told.alternative.as_ref().map(|best| {
        serde_json::json!({"flags": best.flags, "score_difference": best.score, "fits": best.fits})
    });
    let compared = serde_json::json!({
        "pictures": parity.n_pictures,
        "pictures_with_findings": parity.n_found,
        "against_answers": parity.with_answers,
        "outputs": outputs.collect::<serde_json::Map<String, serde_json::Value>>(),
        "largest_score_difference": parity.score,
        "largest_place_difference_px": parity.place_px,
        "largest_prepared_difference_grey": parity.prepared_grey,
        "worst_picture": parity.worst,
        "verdicts_flipped": parity.flips.len(),
        "flips": flips.collect::<Vec<_>>(),
        "refusals": parity.refusals(),
        "alternative": alternative,
    });
    if let (Some(all), serde_json::Value::Object(compared)) = (all.as_object_mut(), compared) {
        all.extend(compared);
    }
    all
}
