//! Reads an export and puts together what its package says, from the file, the golden directory and
//! the command line.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::Class;
use crate::vision::Resize;

use super::super::graph::Port;
use super::super::layout::{LayoutFile, OutputFile, Range, Task, ThresholdsFile};
use super::super::manifest::ProvedBy;
use super::super::tensors::Tensors;
use super::super::write::PackageDraft;
use super::export::last_three;
use super::families::{self, Family, Reading};
use super::golden_dir::GoldenDir;
use super::preparation::{Preparation, Settled, settle};
use super::{Export, ImportError};

/// What a user says of an export; what is not said is taken from the golden directory, from the file,
/// or from what its family does as a rule.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    /// Which exporter wrote it.
    pub family: Option<Family>,
    /// What it does.
    pub task: Option<Task>,
    /// The labels, without the background.
    pub labels: Vec<String>,
    /// A classifier's label that means no defect.
    pub good_label: Option<String>,
    /// How pictures are prepared.
    pub preparation: Preparation,
    /// Thresholds.
    pub thresholds: ThresholdsFile,
    /// Which number of an anomaly map counts as 0 and which as 1.
    pub map_range: Option<Range>,
    /// The same of the score of the picture.
    pub score_range: Option<Range>,
    /// How the outputs are read, where the graph does not show it.
    pub layout: Option<LayoutFile>,
    /// The class number of the first label.
    pub first_label: Option<u32>,
    /// Inputs besides the picture.
    pub fixed: Tensors,
}

/// A line of what was found: what, its value, where it comes from.
pub type Row = (String, String, String);

/// What an export turned out to be: everything but golden vectors and names.
#[derive(Debug, Clone)]
pub struct Recognised {
    /// Which exporter wrote it.
    pub family: Family,
    /// The package so far.
    pub draft: PackageDraft,
    /// What was found, and where.
    pub rows: Vec<Row>,
    /// What a user should know.
    pub notes: Vec<String>,
    /// Other readings of the outputs.
    pub others: Vec<OutputFile>,
}

/// Everything that is known of an export.
struct Known<'k> {
    reading: Reading,
    hints: &'k Hints,
    golden: Option<&'k GoldenDir>,
    labels: Option<Vec<String>>,
}

impl Known<'_> {
    /// The preparation, each part from the surest place that says it.
    fn settled(&self, picture: &Port) -> Result<Settled, Vec<String>> {
        let [channels, rows, columns] = last_three(picture).unwrap_or_default();
        let channels = channels.map_or(3, |side| if side == 1 { 1 } else { 3 });
        let size = |side: Option<usize>| side.and_then(|side| u32::try_from(side).ok());
        let graph = Preparation {
            size: size(columns).zip(size(rows)),
            ..Preparation::default()
        };
        let nothing = Preparation::default();
        let golden = self.golden.map_or(&nothing, |golden| &golden.preparation);
        let places = [
            ("the graph", &graph),
            ("the command line", &self.hints.preparation),
            ("golden.json", golden),
            ("the file's metadata", &self.reading.said),
            ("assumed: what this family does", &self.reading.usual),
        ];
        settle(&places, channels)
    }

    /// How the outputs are read: as recognised, but for what a user says.
    fn output(&self) -> OutputFile {
        let hints = self.hints;
        let mut output = self.reading.output.clone();
        output.map_range = hints.map_range.or(output.map_range);
        output.score_range = hints.score_range.or(output.score_range);
        output.layout = hints.layout.unwrap_or(output.layout);
        if output.first_label.is_some() {
            output.first_label = hints.first_label.or(output.first_label);
        }
        output
    }

    /// Distances need a scale, or nothing says which of them is a defect.
    fn check_ranges(&self, output: &OutputFile, missing: &mut Vec<String>) {
        let has_both = output.map_range.is_some() && output.score_range.is_some();
        if self.reading.are_distances && !has_both {
            missing.push(
                "it was exported without anomalib's post-processor: its numbers are distances, and \
                 a package must know which distance counts as 0 and which as 1: give `--score-range \
                 LOW,HIGH` and `--map-range LOW,HIGH`, or export it with the post-processor"
                    .to_owned(),
            );
        }
    }

    fn notes(&self, resize: Resize) -> Vec<String> {
        let mut notes = self.reading.notes.clone();
        if matches!(resize, Resize::Crop { .. }) {
            notes.push(
                "only the middle of the picture is fed to the model: a defect outside it is never \
                 seen; take a square region of the recipe, or a model without the crop"
                    .to_owned(),
            );
        }
        notes
    }
}

impl Export {
    /// Says what it is, and puts a package together from everything that is known.
    ///
    /// # Errors
    /// [`ImportError::Missing`] with everything that must be given.
    pub fn recognise(
        &self,
        hints: &Hints,
        golden: Option<&GoldenDir>,
    ) -> Result<Recognised, ImportError> {
        let signature = &self.signature;
        let missing = |missing| ImportError::Missing { missing };
        let Some(picture) = signature.picture() else {
            let inputs: Vec<_> = signature.inputs.iter().map(ToString::to_string).collect();
            return Err(missing(vec![format!(
                "none of the graph's inputs ({}) takes pictures: float, [1, 1 or 3, height, width]",
                inputs.join(", ")
            )]));
        };
        if let Some(Some(batch)) = picture.sides.first().filter(|_| picture.sides.len() == 4)
            && *batch != 1
        {
            return Err(missing(vec![format!(
                "the graph takes {batch} pictures at a time; export it for one (anomalib: \
                 `onnx_kwargs={{\"dynamic_axes\": None}}`, others: a batch of 1 or a free one)"
            )]));
        }
        let golden_labels = golden
            .map(|golden| golden.labels.as_slice())
            .unwrap_or_default();
        let labels = [hints.labels.as_slice(), golden_labels]
            .into_iter()
            .find(|labels| !labels.is_empty());
        let n_labels = labels.map(<[String]>::len);
        let reading = families::recognise(signature, hints.family, hints.task, n_labels)
            .map_err(|problem| missing(vec![problem]))?;
        let known = Known {
            reading,
            hints,
            golden,
            labels: labels.map(<[String]>::to_vec),
        };
        self.put_together(picture, &known)
    }

    fn put_together(&self, picture: &Port, known: &Known<'_>) -> Result<Recognised, ImportError> {
        let (reading, hints) = (&known.reading, known.hints);
        let mut missing = Vec::new();
        let settled = known
            .settled(picture)
            .map_err(|more| missing.extend(more))
            .ok();
        let labels = known.labels.as_ref().unwrap_or(&reading.labels);
        check_labels(labels, reading, hints, &mut missing);
        let output = known.output();
        known.check_ranges(&output, &mut missing);
        let fixed = self.fixed(reading, hints, &mut missing);
        let Some(settled) = settled.filter(|_| missing.is_empty()) else {
            return Err(ImportError::Missing { missing });
        };
        let (thresholds, threshold_rows) = thresholds(reading, hints, known.golden, &output);
        let mut rows = vec![
            row("family", &reading.family, &reading.because),
            row("task", &reading.task, "the outputs"),
            row("layout", &output.layout, "the outputs"),
            row("labels", &labels.join(", "), ""),
        ];
        rows.extend(
            settled
                .rows
                .iter()
                .map(|(key, value, from)| row(key, value, from)),
        );
        rows.extend(threshold_rows);
        let class = |label: &String| Class {
            name: Arc::from(label.as_str()),
            code: Arc::from(""),
        };
        let mut notes = known.notes(settled.input.resize);
        if self.signature.is_float16() {
            notes.push(
                "it calculates in float16, which keeps three digits: of a deep network scores may move \
                 by 1e-2; if it is refused for that, export it in float32"
                    .to_owned(),
            );
        }
        let draft = PackageDraft {
            name: String::new(),
            version: String::new(),
            task: reading.task,
            description: String::new(),
            trained_on: String::new(),
            proved_by: ProvedBy::Graph,
            onnx: self.onnx.clone(),
            fixed,
            input_name: picture.name.clone(),
            input: settled.input,
            output,
            thresholds,
            good_label: hints
                .good_label
                .clone()
                .filter(|_| reading.task == Task::Classify),
            labels: labels.iter().map(class).collect(),
            metrics: BTreeMap::new(),
            golden: Vec::new(),
            card: String::new(),
        };
        Ok(Recognised {
            family: reading.family,
            draft,
            rows,
            notes,
            others: reading.others.clone(),
        })
    }

    /// The graph's other inputs: from the command line, else what the family puts there.
    fn fixed(&self, reading: &Reading, hints: &Hints, missing: &mut Vec<String>) -> Tensors {
        let mut fixed = reading.fixed.clone();
        fixed.extend(hints.fixed.clone());
        let picture = self.signature.picture().map(|port| port.name.clone());
        for input in &self.signature.inputs {
            if Some(&input.name) != picture.as_ref() && !fixed.contains_key(&input.name) {
                missing.push(format!(
                    "the graph has the further input {input}: give its tensor with `--fixed \
                     FILE.safetensors`"
                ));
            }
        }
        fixed
    }
}

fn row(key: &str, value: &dyn ToString, from: &str) -> Row {
    (key.to_owned(), value.to_string(), from.to_owned())
}

fn check_labels(labels: &[String], reading: &Reading, hints: &Hints, missing: &mut Vec<String>) {
    // A class more, "nothing", is what softmax needs.
    let softmax = reading
        .others
        .iter()
        .any(|other| other.layout == LayoutFile::DetrSoftmax);
    match reading.n_labels {
        Some(n) if labels.is_empty() => missing.push(format!(
            "the graph knows {n} classes and nobody says their names: give `--labels A,B,...`"
        )),
        None if labels.is_empty() => {
            missing.push("the names of the classes: give `--labels A,B,...`".to_owned());
        }
        Some(n) if n != labels.len() && !(softmax && n == labels.len() + 1) => {
            missing.push(format!(
                "the graph knows {n} classes and there are {} labels ({}): give `--labels` again",
                labels.len(),
                labels.join(", ")
            ));
        }
        Some(_) | None => {}
    }
    let good = hints.good_label.as_deref().unwrap_or("good");
    if reading.task == Task::Classify
        && !labels.is_empty()
        && !labels.iter().any(|label| label == good)
    {
        missing.push(format!(
            "none of the labels ({}) is \"{good}\": give the one that means no defect with \
             `--good-label`",
            labels.join(", ")
        ));
    }
}

/// Thresholds from the command line, the golden directory, the file, its framework; then plain ones.
fn thresholds(
    reading: &Reading,
    hints: &Hints,
    golden: Option<&GoldenDir>,
    output: &OutputFile,
) -> (ThresholdsFile, Vec<Row>) {
    const PLAIN: ThresholdsFile = ThresholdsFile {
        confidence_threshold: Some(0.5),
        pixel_threshold: Some(0.5),
        image_threshold: Some(0.5),
        iou_threshold: Some(0.5),
        vote_iou_threshold: None,
        area_min_px: Some(4),
    };
    let places = [
        ("the command line", hints.thresholds),
        (
            "golden.json",
            golden.map(|golden| golden.thresholds).unwrap_or_default(),
        ),
        ("the file's metadata", reading.thresholds[0]),
        ("assumed: this framework's own", reading.thresholds[1]),
        ("assumed", PLAIN),
    ];
    let mut rows = Vec::new();
    let needed = output.needed_thresholds(reading.task);
    let mut share = |key: &'static str, get: fn(&ThresholdsFile) -> Option<f32>| {
        if !needed.contains(&key) {
            return None;
        }
        let found = places
            .iter()
            .find_map(|(from, place)| Some((get(place)?, *from)));
        rows.extend(found.map(|(value, from)| row(key, &value, from)));
        found.map(|(value, _)| value)
    };
    let mut settled = ThresholdsFile {
        confidence_threshold: share("confidence_threshold", |file| file.confidence_threshold),
        pixel_threshold: share("pixel_threshold", |file| file.pixel_threshold),
        image_threshold: share("image_threshold", |file| file.image_threshold),
        iou_threshold: share("iou_threshold", |file| file.iou_threshold),
        // No framework has it in its file.
        vote_iou_threshold: None,
        area_min_px: None,
    };
    if needed.contains(&"area_min_px") {
        let found = places
            .iter()
            .find_map(|(from, place)| Some((place.area_min_px?, *from)));
        rows.extend(found.map(|(value, from)| row("area_min_px", &value, from)));
        settled.area_min_px = found.map(|(value, _)| value);
    }
    (settled, rows)
}
