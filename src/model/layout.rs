//! What a graph's output means: tasks, output layouts and the thresholds that belong to each.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::Class;

use super::graph::Sides;
use super::manifest::Mistakes;
use super::output::Role;

/// The label that means "no defect" where the manifest names no other.
const GOOD_LABEL: &str = "good";

/// What kind of answer a model gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// One class for the whole input.
    Classify,
    /// Boxes.
    Detect,
    /// A map for each class.
    Segment,
    /// One map: how unlike the good parts each place is.
    Anomaly,
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Classify => "classify",
            Self::Detect => "detect",
            Self::Segment => "segment",
            Self::Anomaly => "anomaly",
        })
    }
}

/// The layout as written; [`Layout`] says what each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayoutFile {
    /// Probabilities of each class in each cell.
    ClassMaps,
    /// A probability for each class.
    ClassScores,
    /// A number for each class, before softmax.
    Logits,
    /// Rows of corners, score and class.
    BoxesScoresClasses,
    /// Columns of centre, size and a score for each class.
    Yolo,
    /// How unlike the good parts each cell is.
    AnomalyMap,
}

impl LayoutFile {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::ClassMaps => "class_maps",
            Self::ClassScores => "class_scores",
            Self::Logits => "logits",
            Self::BoxesScoresClasses => "boxes_scores_classes",
            Self::Yolo => "yolo",
            Self::AnomalyMap => "anomaly_map",
        }
    }

    fn task(self) -> Task {
        match self {
            Self::ClassMaps => Task::Segment,
            Self::ClassScores | Self::Logits => Task::Classify,
            Self::BoxesScoresClasses | Self::Yolo => Task::Detect,
            Self::AnomalyMap => Task::Anomaly,
        }
    }

    /// The outputs that it needs.
    pub(super) fn roles(self) -> &'static [Role] {
        match self {
            Self::ClassMaps
            | Self::ClassScores
            | Self::Logits
            | Self::BoxesScoresClasses
            | Self::Yolo
            | Self::AnomalyMap => &[Role::Values],
        }
    }

    /// The largest tolerance of a golden vector: of probabilities, or of pixels and logits.
    pub(super) fn tolerance_max(self) -> f32 {
        match self {
            Self::ClassMaps | Self::ClassScores | Self::AnomalyMap => 0.05,
            Self::Logits | Self::BoxesScoresClasses | Self::Yolo => 1.0,
        }
    }

    /// The thresholds that the layout needs; any other is a mistake.
    fn thresholds(self) -> &'static [&'static str] {
        match self {
            Self::ClassMaps => &["confidence_threshold", "pixel_threshold", "area_min_px"],
            Self::ClassScores | Self::Logits | Self::BoxesScoresClasses => {
                &["confidence_threshold"]
            }
            Self::Yolo => &["confidence_threshold", "iou_threshold"],
            Self::AnomalyMap => &["image_threshold", "pixel_threshold", "area_min_px"],
        }
    }
}

/// The thresholds as written; the layout says which of them must be there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdsFile {
    /// A box, a class or a region below is no detection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence_threshold: Option<f32>,
    /// A cell belongs to a region from here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixel_threshold: Option<f32>,
    /// From here on a cell makes the picture a defect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_threshold: Option<f32>,
    /// Of two boxes of one class that overlap more, the weaker goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iou_threshold: Option<f32>,
    /// Regions with fewer output cells are noise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area_min_px: Option<u32>,
}

/// How the output is read, with its thresholds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Layout {
    /// `[1, 1 + labels, rows, columns]`: probabilities that add up to 1 in each cell; channel 0 is good.
    ClassMaps {
        /// A region whose mean is below is no detection.
        confidence_threshold: f32,
        /// A cell belongs to a region of its class from here.
        pixel_threshold: f32,
        /// Regions with fewer output cells are noise.
        area_min_cells: u32,
    },
    /// `[1, labels]`: one score for each label; `good` is the index of the label that means no defect.
    ClassScores {
        /// Any other class from here on is a detection of the whole input.
        confidence_threshold: f32,
        /// Index of the label that means no defect.
        good: usize,
        /// Whether the numbers still need a softmax.
        logits: bool,
    },
    /// `[1, n, 6]`: x1, y1, x2, y2 (input pixels, edges), score, class; the graph has suppressed doubles.
    BoxesScoresClasses {
        /// A box below is no detection.
        confidence_threshold: f32,
    },
    /// `[1, 4 + labels, n]`: centre x, centre y, width, height (input pixels), then a score for each label.
    Yolo {
        /// A box below is no detection.
        confidence_threshold: f32,
        /// Of two boxes of one class that overlap more, the weaker goes.
        iou_threshold: f32,
    },
    /// `[1, 1, rows, columns]`: 0 to 1, how unlike the good parts each cell is.
    AnomalyMap {
        /// From here on a cell makes the picture a defect, however small the place is.
        image_threshold: f32,
        /// A cell belongs to a region from here.
        pixel_threshold: f32,
        /// Regions with fewer output cells are noise.
        area_min_cells: u32,
    },
}

impl Layout {
    /// The shapes that the output may have for `n_labels` labels; `None` is free, at least 1 for maps.
    pub(super) fn shapes(self, _role: Role, n_labels: usize) -> Vec<Sides> {
        vec![match self {
            Self::ClassMaps { .. } => vec![Some(1), Some(1 + n_labels), None, None],
            Self::ClassScores { .. } => vec![Some(1), Some(n_labels)],
            Self::BoxesScoresClasses { .. } => vec![Some(1), None, Some(6)],
            Self::Yolo { .. } => vec![Some(1), Some(4 + n_labels), None],
            Self::AnomalyMap { .. } => vec![Some(1), Some(1), None, None],
        }]
    }
}

/// Joins layout, thresholds and labels; `None` after a mistake was noted.
pub(super) fn check_layout(
    task: Task,
    layout: LayoutFile,
    thresholds: &ThresholdsFile,
    (labels, good_label): (&[Class], Option<&str>),
    mistakes: &mut Mistakes,
) -> Option<Layout> {
    if layout.task() != task {
        mistakes.note(format_args!(
            "`output.layout = \"{}\"` is no layout of `task = \"{task}\"`, it is one of \"{}\"",
            layout.word(),
            layout.task()
        ));
    }
    check_thresholds(layout, thresholds, mistakes);
    let good = match layout.task() {
        Task::Classify => find_good(labels, good_label.unwrap_or(GOOD_LABEL), mistakes),
        Task::Detect | Task::Segment | Task::Anomaly => {
            if let Some(label) = good_label {
                mistakes.note(format_args!(
                    "`good_label = \"{}\"` belongs to `task = \"classify\"`; remove it",
                    label.escape_debug()
                ));
            }
            None
        }
    };
    if task == Task::Anomaly && labels.len() != 1 {
        mistakes.note(format_args!(
            "there are {} `[[labels]]`; an anomaly map has exactly one",
            labels.len()
        ));
    }
    build(layout, thresholds, good)
}

fn check_thresholds(layout: LayoutFile, thresholds: &ThresholdsFile, mistakes: &mut Mistakes) {
    let shares = [
        ("confidence_threshold", thresholds.confidence_threshold),
        ("pixel_threshold", thresholds.pixel_threshold),
        ("image_threshold", thresholds.image_threshold),
        ("iou_threshold", thresholds.iou_threshold),
    ];
    for (key, value) in shares {
        if let Some(value) = value {
            mistakes.share(&format!("thresholds.{key}"), value);
        }
    }
    let there = shares
        .map(|(key, value)| (key, value.is_some()))
        .into_iter()
        .chain([("area_min_px", thresholds.area_min_px.is_some())]);
    for (key, there) in there {
        match (layout.thresholds().contains(&key), there) {
            (true, false) => mistakes.note(format_args!(
                "`thresholds.{key}` is missing; the layout \"{}\" needs it",
                layout.word()
            )),
            (false, true) => mistakes.note(format_args!(
                "`thresholds.{key}` means nothing for the layout \"{}\"; remove it",
                layout.word()
            )),
            (true, true) | (false, false) => {}
        }
    }
}

fn find_good(labels: &[Class], good_label: &str, mistakes: &mut Mistakes) -> Option<usize> {
    let good = labels.iter().position(|label| &*label.name == good_label);
    if good.is_none() {
        mistakes.note(format_args!(
            "no label is \"{}\"; name the label that means no defect with `good_label`",
            good_label.escape_debug()
        ));
    } else if labels.len() < 2 {
        mistakes.note("the good label is the only one; a classifier has a label for defects too");
    }
    good
}

fn build(layout: LayoutFile, file: &ThresholdsFile, good: Option<usize>) -> Option<Layout> {
    Some(match layout {
        LayoutFile::ClassMaps => Layout::ClassMaps {
            confidence_threshold: file.confidence_threshold?,
            pixel_threshold: file.pixel_threshold?,
            area_min_cells: file.area_min_px?,
        },
        LayoutFile::ClassScores | LayoutFile::Logits => Layout::ClassScores {
            confidence_threshold: file.confidence_threshold?,
            good: good?,
            logits: layout == LayoutFile::Logits,
        },
        LayoutFile::BoxesScoresClasses => Layout::BoxesScoresClasses {
            confidence_threshold: file.confidence_threshold?,
        },
        LayoutFile::Yolo => Layout::Yolo {
            confidence_threshold: file.confidence_threshold?,
            iou_threshold: file.iou_threshold?,
        },
        LayoutFile::AnomalyMap => Layout::AnomalyMap {
            image_threshold: file.image_threshold?,
            pixel_threshold: file.pixel_threshold?,
            area_min_cells: file.area_min_px?,
        },
    })
}
