//! Output and thresholds as they are written, the named layouts, and how all of it fits together.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};

use super::super::output::Role;
use super::{Activation, Range, Task};

/// `[output]` as written: how the graph's outputs are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputFile {
    /// The output's name, where the layout needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the numbers mean.
    pub layout: LayoutFile,
    /// The class number that the first label has, where labels are numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_label: Option<u32>,
    /// For an anomaly map whose numbers are no probabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map_range: Option<Range>,
    /// For a score of the whole picture that is no probability; with `anomaly_map` for the map's
    /// maximum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_range: Option<Range>,
    /// For an anomaly map that shows a part of the input only: x, y, width, height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map_region_px: Option<[u32; 4]>,
    /// For the layout `axes`: what each axis is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub axes: Vec<String>,
    /// For the layout `axes`: what each number of a box is, or which classes maps have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// For the layout `axes` and boxes: what places are measured in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coordinates: Option<Coordinates>,
    /// For the layout `axes`: what makes probabilities of the numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// The outputs' names by role, where the layout needs several.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<Role, String>,
}

/// What places are measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coordinates {
    /// Pixels of the model's input.
    Px,
    /// Shares of the input's width and height.
    Share,
}

/// The layout as written; the manual, `models/README.md`, says what each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayoutFile {
    /// `[1, 1 + labels, rows, columns]`: probabilities that add up to 1; channel 0 is good.
    ClassMaps,
    /// The same before softmax.
    ClassMapLogits,
    /// `[1, labels, rows, columns]`: a probability for each label by itself.
    Masks,
    /// The same before sigmoid.
    MaskLogits,
    /// `[1, labels]`: a probability for each label.
    ClassScores,
    /// The same before softmax.
    Logits,
    /// `[1, n, 6]`: x1, y1, x2, y2, score, class; doubles are suppressed already.
    BoxesScoresClasses,
    /// Three outputs: `[n, 4]` corners, `[n]` scores, `[n]` labels; doubles are suppressed already.
    BoxesScoresLabels,
    /// `[1, 4 + labels, n]`: centre, size, a score for each label.
    Yolo,
    /// `[1, n, 5 + labels]`: centre, size, objectness, a score for each label.
    YoloObjectness,
    /// Two outputs: as `yolo`, then a weight for each prototype; and `[1, prototypes, rows, columns]`.
    YoloMasks,
    /// As `yolo_objectness`, but places as the last layer of YOLOX gives them.
    YoloxCells,
    /// Two outputs: `[1, n, 4]` centre and size as shares, `[1, n, labels]` before sigmoid.
    DetrSigmoid,
    /// The same with one class more, "nothing", and softmax.
    DetrSoftmax,
    /// `[1, 1, rows, columns]`: how unlike the good parts each cell is.
    AnomalyMap,
    /// Two outputs: the map, and a score for the whole picture.
    AnomalyMapScore,
    /// `[1]`: how unlike the good parts the picture is.
    AnomalyScore,
    /// Described by hand.
    Axes,
}

impl fmt::Display for LayoutFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for LayoutFile {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::deserialize(StrDeserializer::<serde::de::value::Error>::new(word));
        found.map_err(|error| error.to_string())
    }
}

impl LayoutFile {
    fn word(self) -> &'static str {
        match self {
            Self::ClassMaps => "class_maps",
            Self::ClassMapLogits => "class_map_logits",
            Self::Masks => "masks",
            Self::MaskLogits => "mask_logits",
            Self::ClassScores => "class_scores",
            Self::Logits => "logits",
            Self::BoxesScoresClasses => "boxes_scores_classes",
            Self::BoxesScoresLabels => "boxes_scores_labels",
            Self::Yolo => "yolo",
            Self::YoloObjectness => "yolo_objectness",
            Self::YoloMasks => "yolo_masks",
            Self::YoloxCells => "yolox_cells",
            Self::DetrSigmoid => "detr_sigmoid",
            Self::DetrSoftmax => "detr_softmax",
            Self::AnomalyMap => "anomaly_map",
            Self::AnomalyMapScore => "anomaly_map_score",
            Self::AnomalyScore => "anomaly_score",
            Self::Axes => "axes",
        }
    }

    /// The task it belongs to; `None` for any.
    pub(super) fn task(self) -> Option<Task> {
        Some(match self {
            Self::ClassMaps | Self::ClassMapLogits | Self::Masks | Self::MaskLogits => {
                Task::Segment
            }
            Self::ClassScores | Self::Logits => Task::Classify,
            Self::BoxesScoresClasses
            | Self::BoxesScoresLabels
            | Self::Yolo
            | Self::YoloObjectness
            | Self::YoloMasks
            | Self::YoloxCells
            | Self::DetrSigmoid
            | Self::DetrSoftmax => Task::Detect,
            Self::AnomalyMap | Self::AnomalyMapScore | Self::AnomalyScore => Task::Anomaly,
            Self::Axes => return None,
        })
    }

    /// The outputs that it needs.
    pub(in crate::model) fn roles(self) -> &'static [Role] {
        match self {
            Self::BoxesScoresLabels => &[Role::Boxes, Role::Scores, Role::Labels],
            Self::YoloMasks => &[Role::Values, Role::Prototypes],
            Self::DetrSigmoid | Self::DetrSoftmax => &[Role::Boxes, Role::Scores],
            Self::AnomalyMapScore => &[Role::Map, Role::Score],
            Self::ClassMaps
            | Self::ClassMapLogits
            | Self::Masks
            | Self::MaskLogits
            | Self::ClassScores
            | Self::Logits
            | Self::BoxesScoresClasses
            | Self::Yolo
            | Self::YoloObjectness
            | Self::YoloxCells
            | Self::AnomalyMap
            | Self::AnomalyScore
            | Self::Axes => &[Role::Values],
        }
    }

    /// The thresholds that it needs; any other is a mistake.
    pub(super) fn thresholds(
        self,
        task: Task,
        thresholds: &ThresholdsFile,
    ) -> &'static [&'static str] {
        match (self, task) {
            (
                Self::BoxesScoresClasses
                | Self::BoxesScoresLabels
                | Self::DetrSigmoid
                | Self::DetrSoftmax,
                _,
            ) => &["confidence_threshold"],
            (Self::AnomalyScore, _) => &["image_threshold"],
            // By hand: doubles are suppressed where a threshold says so.
            (Self::Axes, Task::Detect) if thresholds.iou_threshold.is_none() => {
                &["confidence_threshold"]
            }
            (_, Task::Detect) => &["confidence_threshold", "iou_threshold"],
            (_, Task::Segment) => &["confidence_threshold", "pixel_threshold", "area_min_px"],
            (_, Task::Classify) => &["confidence_threshold"],
            (_, Task::Anomaly) => &["image_threshold", "pixel_threshold", "area_min_px"],
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
    /// A kept box moves to the mean of the boxes of its class that overlap it more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vote_iou_threshold: Option<f32>,
    /// Regions with fewer output cells are noise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area_min_px: Option<u32>,
}

impl fmt::Display for ThresholdsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shares = self
            .shares()
            .map(|(key, value)| (key, value.map(|v| v.to_string())));
        let area = self.area_min_px.map(|area| area.to_string());
        let there = shares
            .into_iter()
            .chain([("area_min_px", area)])
            .filter_map(|(key, value)| Some(format!("{key} {}", value?)));
        f.write_str(&there.collect::<Vec<_>>().join(", "))
    }
}

impl ThresholdsFile {
    pub(super) fn shares(&self) -> [(&'static str, Option<f32>); 5] {
        [
            ("confidence_threshold", self.confidence_threshold),
            ("pixel_threshold", self.pixel_threshold),
            ("image_threshold", self.image_threshold),
            ("iou_threshold", self.iou_threshold),
            ("vote_iou_threshold", self.vote_iou_threshold),
        ]
    }
}

impl OutputFile {
    /// A layout that needs one output.
    pub fn one(layout: LayoutFile, name: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            ..Self::several(layout, [])
        }
    }

    /// A layout that needs several outputs.
    pub fn several<const N: usize>(layout: LayoutFile, names: [(Role, &str); N]) -> Self {
        let names = names.map(|(role, name)| (role, name.to_owned()));
        Self {
            name: None,
            layout,
            first_label: None,
            map_range: None,
            score_range: None,
            map_region_px: None,
            axes: Vec::new(),
            values: Vec::new(),
            coordinates: None,
            activation: None,
            names: BTreeMap::from(names),
        }
    }

    /// The thresholds that it needs.
    pub(in crate::model) fn needed_thresholds(&self, task: Task) -> &'static [&'static str] {
        self.layout.thresholds(task, &ThresholdsFile::default())
    }

    /// The largest tolerance of a golden vector: of probabilities, or of pixels and logits.
    pub(in crate::model) fn tolerance_max(&self) -> f32 {
        const PROBABILITIES: f32 = 0.05;
        const OTHER_NUMBERS: f32 = 1.0;
        let by_hand = self.layout == LayoutFile::Axes
            && self.activation == Some(Activation::None)
            && self.coordinates.is_none();
        let are_probabilities = matches!(
            self.layout,
            LayoutFile::ClassMaps
                | LayoutFile::Masks
                | LayoutFile::ClassScores
                | LayoutFile::AnomalyMap
                | LayoutFile::AnomalyMapScore
                | LayoutFile::AnomalyScore
        );
        let are_shares = self.map_range.is_none() && self.score_range.is_none();
        if (are_probabilities || by_hand) && are_shares {
            PROBABILITIES
        } else {
            OTHER_NUMBERS
        }
    }
}
