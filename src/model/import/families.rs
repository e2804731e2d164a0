//! Which exporter wrote a graph, by its metadata, the names and shapes of its outputs, and its numbers.

use std::fmt;
use std::str::FromStr;

use super::super::graph::Port;
use super::super::layout::{LayoutFile, OutputFile, Range, Task, ThresholdsFile};
use super::super::output::Role;
use super::super::tensors::Tensors;
use super::Signature;
use super::anomalib::{anomalib, anomalib1};
use super::classes;
use super::detectors::{detr, detr_deploy, torchvision_detector};
use super::metadata::{self, ModelInfo, Ultralytics};
use super::preparation::{Color, IMAGENET_MEAN, IMAGENET_SCALE, Preparation, ResizeWord};
use crate::vision::{Arithmetic, Filter, Interpolation};

/// Exporters that are known by more than a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Ultralytics `YOLOv5`, v8, v11: detect, segment, classify.
    Ultralytics,
    /// YOLOX, decoded or not.
    Yolox,
    /// DETR, RT-DETR: logits and boxes of queries.
    Detr,
    /// RT-DETR, D-FINE made for deployment: labels, boxes, scores.
    DetrDeploy,
    /// torchvision's detectors.
    TorchvisionDetector,
    /// torchvision, timm and all others with one number for each class.
    Classifier,
    /// A map for each class, as `segmentation_models_pytorch` writes it.
    Segmentation,
    /// anomalib 2.
    Anomalib,
    /// anomalib 1.
    Anomalib1,
    /// Whatever wrote OpenVINO's `model_info`.
    OpenVino,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Ultralytics,
        Self::Yolox,
        Self::Detr,
        Self::DetrDeploy,
        Self::TorchvisionDetector,
        Self::Classifier,
        Self::Segmentation,
        Self::Anomalib,
        Self::Anomalib1,
        Self::OpenVino,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Ultralytics => "ultralytics",
            Self::Yolox => "yolox",
            Self::Detr => "detr",
            Self::DetrDeploy => "detr-deploy",
            Self::TorchvisionDetector => "torchvision-detector",
            Self::Classifier => "classifier",
            Self::Segmentation => "segmentation",
            Self::Anomalib => "anomalib",
            Self::Anomalib1 => "anomalib1",
            Self::OpenVino => "openvino",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Family {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let word = match word {
            "yolov5" | "yolov8" | "yolo11" | "yolov11" => "ultralytics",
            "rt-detr" => "detr",
            "d-fine" => "detr-deploy",
            other => other,
        };
        let found = Self::ALL.into_iter().find(|family| family.word() == word);
        found.ok_or_else(|| {
            let words = Self::ALL.map(Self::word).join(", ");
            format!(
                "`{}` is no family; write auto or one of {words}",
                word.escape_debug()
            )
        })
    }
}

/// What a graph turned out to be.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) family: Family,
    /// Why.
    pub(super) because: String,
    pub(super) task: Task,
    pub(super) output: OutputFile,
    /// Other readings of the same numbers, to be tried where this one fails.
    pub(super) others: Vec<OutputFile>,
    pub(super) fixed: Tensors,
    /// Labels that the file itself says.
    pub(super) labels: Vec<String>,
    /// How many labels the outputs have room for, where that is known.
    pub(super) n_labels: Option<usize>,
    /// What the file says of its preparation.
    pub(super) said: Preparation,
    /// What this family does as a rule.
    pub(super) usual: Preparation,
    /// Thresholds that the file says, then those that its framework has.
    pub(super) thresholds: [ThresholdsFile; 2],
    /// What a user should know.
    pub(super) notes: Vec<String>,
    /// Whether its numbers are distances that nothing makes scores of.
    pub(super) are_distances: bool,
}

impl Reading {
    pub(super) fn new(
        family: Family,
        because: impl Into<String>,
        task: Task,
        output: OutputFile,
    ) -> Self {
        Self {
            family,
            because: because.into(),
            task,
            output,
            others: Vec::new(),
            fixed: Tensors::new(),
            labels: Vec::new(),
            n_labels: None,
            said: Preparation::default(),
            usual: Preparation::default(),
            thresholds: [ThresholdsFile::default(); 2],
            notes: Vec::new(),
            are_distances: false,
        }
    }
}

/// Recognises a family by the names of its outputs.
type ByNames = fn(&Signature) -> Option<Reading>;

/// What the graph is; the message says what was looked for.
pub(super) fn recognise(
    signature: &Signature,
    family: Option<Family>,
    task: Option<Task>,
    n_labels: Option<usize>,
) -> Result<Reading, String> {
    let asked = |one: Family| family.is_none_or(|family| family == one);
    if asked(Family::Ultralytics)
        && let Some(said) = metadata::ultralytics(&signature.metadata)
    {
        return ultralytics(signature, &said);
    }
    if asked(Family::OpenVino)
        && let Some(said) = metadata::model_info(&signature.metadata)
    {
        return openvino(signature, said, n_labels);
    }
    let by_names: [(Family, ByNames); 5] = [
        (Family::Anomalib, anomalib),
        (Family::Anomalib1, anomalib1),
        (Family::DetrDeploy, detr_deploy),
        (Family::TorchvisionDetector, torchvision_detector),
        (Family::Detr, detr),
    ];
    for (one, read) in by_names {
        if asked(one)
            && let Some(reading) = read(signature)
        {
            return Ok(reading);
        }
    }
    if let Some(reading) = classes::by_shape(signature, (family, task), n_labels) {
        return Ok(reading);
    }
    let outputs: Vec<_> = signature.outputs.iter().map(ToString::to_string).collect();
    Err(format!(
        "its outputs ({}) are none of a known exporter{}; describe them by hand: give `--describe \
         FILE` with `task`, `[input]`, `[output]` (`layout = \"axes\"`), `[thresholds]` and \
         `[[labels]]`, see models/README.md",
        outputs.join(", "),
        family.map_or_else(String::new, |family| format!(" of the family {family}"))
    ))
}

/// Letterbox, red first, 0 to 1: what Ultralytics feeds.
fn yolo_usual() -> Preparation {
    Preparation {
        resize: Some(ResizeWord::Letterbox),
        interpolation: Some(Interpolation::Linear),
        pad_value: Some(114),
        ..zero_to_one()
    }
}

/// Red first, 0 to 1, stretched with Pillow's or torchvision's filter.
pub(super) fn zero_to_one() -> Preparation {
    Preparation {
        resize: Some(ResizeWord::Standard),
        interpolation: Some(Interpolation::Antialias(Filter::Linear, Arithmetic::Pillow)),
        mean: Some(vec![0.0]),
        scale: Some(vec![255.0]),
        color: Some(Color::Rgb),
        ..Preparation::default()
    }
}

/// The same with `ImageNet`'s mean and spread.
pub(super) fn imagenet() -> Preparation {
    Preparation {
        mean: Some(IMAGENET_MEAN.to_vec()),
        scale: Some(IMAGENET_SCALE.to_vec()),
        ..zero_to_one()
    }
}

pub(super) fn boxes_thresholds(confidence: f32, iou: f32) -> ThresholdsFile {
    ThresholdsFile {
        confidence_threshold: Some(confidence),
        iou_threshold: Some(iou),
        ..ThresholdsFile::default()
    }
}

fn ultralytics(signature: &Signature, said: &Ultralytics) -> Result<Reading, String> {
    let n_labels = said.labels.len();
    let because = format!(
        "its metadata says `task = {}`, `stride` and `names`",
        said.task
    );
    let outputs: Vec<&Port> = signature.outputs.iter().collect();
    let args = signature.metadata.get("args").map_or("", String::as_str);
    let end2end = signature.metadata.get("end2end").map_or("", String::as_str);
    let suppresses = args.contains("'nms': True") || end2end.eq_ignore_ascii_case("true");
    let first = *outputs.first().ok_or("the graph has no output")?;
    let sides = signature.sides(first);
    let (task, output) = match (said.task.as_str(), sides.as_slice(), outputs.as_slice()) {
        ("detect", [_, _, 6], _) if suppresses => (
            Task::Detect,
            OutputFile::one(LayoutFile::BoxesScoresClasses, &first.name),
        ),
        ("detect", [_, values, _], _) if *values == 4 + n_labels => {
            (Task::Detect, OutputFile::one(LayoutFile::Yolo, &first.name))
        }
        ("detect", [_, _, values], _) if *values == 5 + n_labels => (
            Task::Detect,
            OutputFile::one(LayoutFile::YoloObjectness, &first.name),
        ),
        ("segment", [_, values, _], [_, prototypes]) if *values > 4 + n_labels && !suppresses => {
            let names = [
                (Role::Values, first.name.as_str()),
                (Role::Prototypes, prototypes.name.as_str()),
            ];
            (
                Task::Detect,
                OutputFile::several(LayoutFile::YoloMasks, names),
            )
        }
        ("classify", [_, classes], _) if *classes == n_labels => (
            Task::Classify,
            OutputFile::one(LayoutFile::ClassScores, &first.name),
        ),
        (task, sides, _) => {
            return Err(format!(
                "it is an Ultralytics model for the task `{task}` whose output has the sides \
                 {sides:?} for {n_labels} labels, which is not known; detect, segment (without nms) \
                 and classify are"
            ));
        }
    };
    let classify = Preparation {
        resize: Some(ResizeWord::Crop),
        crop_fraction: Some(1.0),
        ..zero_to_one()
    };
    Ok(Reading {
        labels: said.labels.clone(),
        n_labels: Some(n_labels),
        said: Preparation {
            size: said.size,
            ..Preparation::default()
        },
        usual: if task == Task::Classify {
            classify
        } else {
            yolo_usual()
        },
        thresholds: [ThresholdsFile::default(), boxes_thresholds(0.25, 0.7)],
        ..Reading::new(Family::Ultralytics, because, task, output)
    })
}

fn openvino(
    signature: &Signature,
    said: ModelInfo,
    n_labels: Option<usize>,
) -> Result<Reading, String> {
    let because = format!(
        "its metadata has `model_info model_type` = {}",
        said.model_type
    );
    let kind = said.model_type.to_lowercase();
    let n_labels = n_labels.or((!said.labels.is_empty()).then_some(said.labels.len()));
    let (family, task) = match kind.as_str() {
        "classification" => (Some(Family::Classifier), Some(Task::Classify)),
        "segmentation" => (Some(Family::Segmentation), Some(Task::Segment)),
        "yolox" => (Some(Family::Yolox), Some(Task::Detect)),
        kind if kind.starts_with("yolo") => (Some(Family::Ultralytics), Some(Task::Detect)),
        kind if kind.starts_with("anomaly") => (None, Some(Task::Anomaly)),
        _ => (None, None),
    };
    let reading = classes::by_shape(signature, (family, task), n_labels).ok_or_else(|| {
        format!(
            "it has `model_info` of a `{}`, and its outputs are not known for that; give `--describe`",
            said.model_type
        )
    })?;
    let mut output = reading.output.clone();
    if let (Some(scale), Task::Anomaly) = (said.normalization_scale, reading.task) {
        let range = |threshold: Option<f32>| {
            threshold.map(|middle| Range {
                low: middle - scale / 2.0,
                high: middle + scale / 2.0,
            })
        };
        output.map_range = range(said.pixel_threshold.or(said.image_threshold));
        output.score_range = range(said.image_threshold);
    }
    let are_distances = output.map_range.is_some();
    let threshold = |value: Option<f32>| if are_distances { Some(0.5) } else { value };
    Ok(Reading {
        family: Family::OpenVino,
        because,
        output,
        labels: said.labels,
        said: said.preparation,
        thresholds: [
            ThresholdsFile {
                confidence_threshold: said.confidence_threshold,
                iou_threshold: said.iou_threshold,
                image_threshold: threshold(said.image_threshold),
                pixel_threshold: threshold(said.pixel_threshold),
                vote_iou_threshold: None,
                area_min_px: None,
            },
            reading.thresholds[1],
        ],
        notes: said.strange,
        ..reading
    })
}
