//! A study as a model package: graph, lesson, thresholds, golden vectors and the card.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::config::hex;
use crate::domain::{Class, ItemVersion};
use crate::model::{
    GoldenDraft, LayoutFile, LoadReport, OutputFile, PackageDraft, ProvedBy, Task, ThresholdsFile,
    WhenThere, write_package,
};
use crate::vision::{Picture, encode_png};

use super::defect::scratched;
use super::error::TeachError;
use super::features::Engine;
use super::method::{AREA_MIN_CELLS, GOLDEN_GOOD, GOLDEN_TOLERANCE};
use super::study::Study;

/// The one label of a taught model.
pub const LABEL: &str = "anomaly";
/// Contrasts of the scratch on the golden vector, the mildest first.
const CONTRASTS: [f32; 3] = [0.4, 0.7, 1.0];

/// What a package is called and where it goes.
#[derive(Debug, Clone)]
pub struct Title {
    /// Name of the package.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Writes the package to `folder`.
///
/// # Errors
/// [`TeachError::Package`] if it cannot be written or does not prove itself; nothing was changed then.
pub fn write(
    study: &Study,
    title: &Title,
    engine: &Engine,
    folder: &Path,
    when_there: WhenThere,
) -> Result<(ItemVersion, LoadReport), TeachError> {
    let backbone = &engine.backbone;
    let [doubtful, reject] = [study.score_doubtful(), study.score_reject()];
    let draft = PackageDraft {
        name: title.name.clone(),
        version: title.version.clone(),
        task: Task::Anomaly,
        description: format!(
            "What is unlike {} good parts, taught with {} {}",
            study.parts.len(),
            backbone.name,
            backbone.version
        ),
        trained_on: trained_on(study),
        proved_by: ProvedBy::Teach,
        onnx: backbone.onnx.clone(),
        fixed: backbone.fixed(&study.lesson),
        input_name: backbone.input_name.clone(),
        input: study.look.input.clone(),
        output: OutputFile::one(LayoutFile::AnomalyMap, &backbone.anomaly_map_name),
        thresholds: ThresholdsFile {
            image_threshold: Some(doubtful),
            pixel_threshold: Some(doubtful),
            area_min_px: Some(AREA_MIN_CELLS),
            ..ThresholdsFile::default()
        },
        good_label: None,
        labels: vec![Class {
            name: Arc::from(LABEL),
            code: Arc::from(""),
        }],
        metrics: metrics(study, doubtful, reject),
        golden: golden(study, engine)?,
        card: card(study, title, engine),
    };
    let options = Engine::options();
    let written = write_package(folder, &draft, (&engine.runtime, &options), when_there);
    let (package, report) = written.map_err(|source| TeachError::Package(Box::new(source)))?;
    Ok((package.item_version(), report))
}

fn trained_on(study: &Study) -> String {
    let folder = study.parts.first().and_then(|part| part.path.parent());
    let folder = folder
        .map(|folder| folder.display().to_string())
        .unwrap_or_default();
    format!(
        "{} pictures of good parts in `{folder}`; their hashes stand in README.md",
        study.parts.len()
    )
}

fn metrics(study: &Study, doubtful: f32, reject: f32) -> BTreeMap<String, f64> {
    let good = study.good_scores();
    let bad = study.bad_scores();
    let share = |scores: &[f32], from: f32| {
        let n_over = scores.iter().filter(|score| from <= **score).count();
        n_over as f64 / scores.len().max(1) as f64
    };
    let mut metrics = BTreeMap::from([
        ("n_good", good.len() as f64),
        ("bank_rows", study.lesson.bank.nrows() as f64),
        ("score_doubtful", f64::from(doubtful)),
        ("score_reject", f64::from(reject)),
        (
            "held_out_score_max",
            good.iter().copied().fold(0.0, f32::max).into(),
        ),
        ("held_out_overkill", share(&good, reject)),
        ("held_out_review", share(&good, doubtful)),
    ]);
    if !bad.is_empty() {
        metrics.insert("n_bad", bad.len() as f64);
        metrics.insert("known_bad_rejected", share(&bad, reject));
        metrics.insert("known_bad_not_passed", share(&bad, doubtful));
    }
    let named = metrics
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    named.collect()
}

/// The easiest good parts, and one of them with a scratch that the model finds: pictures whose scores
/// lie far from the thresholds, so that rounding on another machine changes no detection.
fn golden(study: &Study, engine: &Engine) -> Result<Vec<GoldenDraft>, TeachError> {
    let mut easiest: Vec<_> = study.parts.iter().zip(&study.distances).collect();
    easiest.sort_by(|(_, a), (_, b)| a.peak.total_cmp(&b.peak));
    let good = easiest
        .iter()
        .take(GOLDEN_GOOD)
        .map(|(part, _)| &part.input);
    let mut pictures: Vec<Picture> = good.cloned().collect();
    if let Some((part, _)) = easiest.first() {
        let contrasts = CONTRASTS.map(|contrast| scratched(&part.input, [0.5, 0.5], contrast));
        let inputs: Vec<_> = contrasts.iter().collect();
        let found = engine.distances(&study.look, &study.lesson, &inputs, &|| {})?;
        let clear = study.thresholds.reject * 1.1;
        let sure = contrasts
            .iter()
            .zip(&found)
            .find(|(_, found)| clear < found.peak);
        pictures.extend(sure.map(|(picture, _)| picture.clone()));
    }
    let draft = |picture: &Picture| {
        let frame = picture.clone().into_frame("golden", Instant::now());
        Ok(GoldenDraft {
            picture: encode_png(&frame.map_err(crate::vision::VisionError::from)?)?,
            original: false,
            outputs: None,
            tolerance: GOLDEN_TOLERANCE,
        })
    };
    pictures.iter().map(draft).collect()
}

/// The model card.
fn card(study: &Study, title: &Title, engine: &Engine) -> String {
    let mut card = format!("# {} {}\n\n", title.name, title.version);
    let mut say = |line: &str| {
        card.push_str(line);
        card.push('\n');
    };
    say(
        "An anomaly model that was taught on the station from pictures of good parts only. It marks what is",
    );
    say(
        "unlike them; it cannot name a defect. It has seen nothing else: a new lamp, lens or supplier looks",
    );
    say("like a defect to it, and then it is taught anew.\n");
    for warning in study.warnings() {
        say(&format!("> **{warning}**\n"));
    }
    say("| what | |\n| --- | --- |");
    for (key, value) in study.facts(engine) {
        say(&format!("| {key} | {} |", value.replace('|', "\\|")));
    }
    say("\n## Scores\n\nEach good part (o) held against a bank that had not seen it");
    say("and each known-bad part (x) against the whole bank.\n\n```text");
    say(study.scores().text().trim_end());
    say(
        "```\n\n## Pictures\n\nFingerprints of the pixels (SHA-256 of size, format and pixels).\n\n```text",
    );
    for (part, score) in study.parts.iter().zip(study.good_scores()) {
        say(&format!(
            "{} {score:.4} {}",
            hex(&part.fingerprint),
            part.path.display()
        ));
    }
    say("```");
    card
}
