//! Output and thresholds as they are written, the named layouts, and how all of it fits together.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};

use crate::domain::Class;

use super::super::manifest::Mistakes;
use super::super::output::Role;
use super::form::{Given, build};
use super::{Activation, Layout, Range, Task};

/// The label that means "no defect" where the manifest names no other.
const GOOD_LABEL: &str = "good";

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
    fn thresholds(self, task: Task, thresholds: &ThresholdsFile) -> &'static [&'static str] {
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
    fn shares(&self) -> [(&'static str, Option<f32>); 4] {
        [
            ("confidence_threshold", self.confidence_threshold),
            ("pixel_threshold", self.pixel_threshold),
            ("image_threshold", self.image_threshold),
            ("iou_threshold", self.iou_threshold),
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

/// Joins output, thresholds and labels; `None` after a mistake was noted.
pub(in crate::model) fn check_layout(
    task: Task,
    output: &OutputFile,
    thresholds: &ThresholdsFile,
    (labels, good_label): (&[Class], Option<&str>),
    mistakes: &mut Mistakes,
) -> Option<Layout> {
    let layout = output.layout;
    if let Some(of_layout) = layout.task()
        && of_layout != task
    {
        mistakes.note(format_args!(
            "`output.layout = \"{layout}\"` is no layout of `task = \"{task}\"`, it is one of \"{of_layout}\""
        ));
    }
    check_thresholds(layout, task, thresholds, mistakes);
    check_keys(output, task, mistakes);
    let good = match layout.task().unwrap_or(task) {
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
    let given = Given {
        thresholds,
        n_labels: labels.len(),
        good,
    };
    build(output, task, given, mistakes)
}

fn check_thresholds(
    layout: LayoutFile,
    task: Task,
    thresholds: &ThresholdsFile,
    mistakes: &mut Mistakes,
) {
    for (key, value) in thresholds.shares() {
        if let Some(value) = value {
            mistakes.share(&format!("thresholds.{key}"), value);
        }
    }
    let needed = layout.thresholds(layout.task().unwrap_or(task), thresholds);
    let there = thresholds
        .shares()
        .map(|(key, value)| (key, value.is_some()))
        .into_iter()
        .chain([("area_min_px", thresholds.area_min_px.is_some())]);
    for (key, there) in there {
        match (needed.contains(&key), there) {
            (true, false) => mistakes.note(format_args!(
                "`thresholds.{key}` is missing; the layout \"{layout}\" needs it"
            )),
            (false, true) => mistakes.note(format_args!(
                "`thresholds.{key}` means nothing for the layout \"{layout}\"; remove it"
            )),
            (true, true) | (false, false) => {}
        }
    }
}

/// Keys of `[output]` that belong to some layouts only.
fn check_keys(output: &OutputFile, task: Task, mistakes: &mut Mistakes) {
    let layout = output.layout;
    let by_hand = layout == LayoutFile::Axes;
    let boxes_by_hand = by_hand && task == Task::Detect;
    let has_values = boxes_by_hand || by_hand && task == Task::Segment;
    let has_map = [LayoutFile::AnomalyMap, LayoutFile::AnomalyMapScore].contains(&layout)
        || by_hand && task == Task::Anomaly;
    let has_score = has_map || layout == LayoutFile::AnomalyScore;
    let has_labels = layout == LayoutFile::BoxesScoresLabels;
    let may_have_first = has_labels || boxes_by_hand;
    // (key, whether it is there, whether it must be, whether it may be)
    let keys = [
        (
            "first_label",
            output.first_label.is_some(),
            has_labels,
            may_have_first,
        ),
        ("map_range", output.map_range.is_some(), false, has_map),
        (
            "score_range",
            output.score_range.is_some(),
            false,
            has_score,
        ),
        (
            "map_region_px",
            output.map_region_px.is_some(),
            false,
            has_map,
        ),
        ("axes", !output.axes.is_empty(), by_hand, by_hand),
        ("values", !output.values.is_empty(), has_values, has_values),
        (
            "coordinates",
            output.coordinates.is_some(),
            boxes_by_hand,
            boxes_by_hand,
        ),
        ("activation", output.activation.is_some(), by_hand, by_hand),
    ];
    for (key, is_there, must_be, may_be) in keys {
        if must_be && !is_there {
            mistakes.note(format_args!(
                "`output.{key}` is missing; the layout \"{layout}\" needs it"
            ));
        } else if is_there && !may_be {
            mistakes.note(format_args!(
                "`output.{key}` means nothing for the layout \"{layout}\"; remove it"
            ));
        }
    }
    if let Some([x, y, width, height]) = output.map_region_px
        && (width == 0 || height == 0)
    {
        mistakes.note(format_args!(
            "`output.map_region_px = [{x}, {y}, {width}, {height}]` is empty; write x, y, width, \
             height on the input"
        ));
    }
    for (key, range) in [
        ("map_range", output.map_range),
        ("score_range", output.score_range),
    ] {
        let wrong = |range: &Range| {
            !(range.low.is_finite() && range.high.is_finite() && range.low < range.high)
        };
        if let Some(Range { low, high }) = range.filter(wrong) {
            mistakes.note(format_args!(
                "`output.{key} = [{low}, {high}]` is no range; write the number that counts as 0 \
                 and a greater one that counts as 1"
            ));
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
