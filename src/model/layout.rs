//! What a graph's outputs mean: tasks, the forms of outputs, and the thresholds that belong to each.
//!
//! A layout is a name for a form that many exporters write; `axes` describes any other by hand. Both
//! end in the same few types here, so that decoding knows five kinds of answers and no exporter.

mod axes;
mod check;
mod file;
mod form;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::graph::Sides;
use super::output::Role;

pub(super) use check::check_layout;
pub use file::{Coordinates, LayoutFile, OutputFile, ThresholdsFile};
#[cfg(test)]
pub(super) use form::box_form;

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
    /// How unlike the good parts each place is.
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

/// What makes probabilities of the graph's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// They are probabilities already.
    None,
    /// Each for itself.
    Sigmoid,
    /// All classes of a place together, so that they add up to 1.
    Softmax,
}

/// For numbers that are no probabilities: the one that counts as 0 and the one that counts as 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f32; 2]", into = "[f32; 2]")]
pub struct Range {
    /// This and all below is 0.
    pub low: f32,
    /// This and all above is 1.
    pub high: f32,
}

impl From<[f32; 2]> for Range {
    fn from([low, high]: [f32; 2]) -> Self {
        Self { low, high }
    }
}

impl From<Range> for [f32; 2] {
    fn from(range: Range) -> Self {
        [range.low, range.high]
    }
}

impl Range {
    pub(super) fn share(self, value: f32) -> f32 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// How the outputs are read, with the thresholds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Layout {
    /// A map for each class.
    ClassMaps {
        /// A region whose mean is below is no detection.
        confidence_threshold: f32,
        /// A cell belongs to a region of its class from here.
        pixel_threshold: f32,
        /// Regions with fewer output cells are noise.
        area_min_cells: u32,
        /// What the numbers mean.
        form: MapForm,
    },
    /// One score for each label; `good` is the index of the label that means no defect.
    ClassScores {
        /// Any other class from here on is a detection of the whole input.
        confidence_threshold: f32,
        /// Index of the label that means no defect.
        good: usize,
        /// What the numbers mean.
        form: ScoreForm,
    },
    /// Boxes with a score and a class each.
    Boxes {
        /// A box below is no detection.
        confidence_threshold: f32,
        /// Of two boxes of one class that overlap more, the weaker goes; `None` where the graph does it.
        iou_threshold: Option<f32>,
        /// Boxes of one class that overlap a kept one more have a say in where it lies; `None`: it stays.
        vote_iou_threshold: Option<f32>,
        /// What the numbers mean.
        form: BoxForm,
    },
    /// How unlike the good parts each cell is.
    AnomalyMap {
        /// From here on the picture is a defect, however small the place is.
        image_threshold: f32,
        /// A cell belongs to a region from here.
        pixel_threshold: f32,
        /// Regions with fewer output cells are noise.
        area_min_cells: u32,
        /// What the numbers mean.
        form: AnomalyForm,
    },
    /// How unlike the good parts the whole input is.
    AnomalyScore {
        /// From here on the picture is a defect.
        image_threshold: f32,
        /// Where the numbers are no probabilities.
        range: Option<Range>,
    },
}

/// Where the axes with a meaning are; all others have one element. Without the first axis, which is
/// the batch, an output is as good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axes<const N: usize> {
    pub(super) rank: usize,
    pub(super) at: [usize; N],
}

impl<const N: usize> Axes<N> {
    pub(super) const fn new(rank: usize, at: [usize; N]) -> Self {
        Self { rank, at }
    }

    /// The shapes that an output with these sides may have.
    fn shapes(self, sides: [Option<usize>; N]) -> Vec<Sides> {
        let mut whole = vec![Some(1); self.rank];
        for (at, side) in self.at.into_iter().zip(sides) {
            if let Some(place) = whole.get_mut(at) {
                *place = side;
            }
        }
        let mut shapes = vec![whole.clone()];
        if !self.at.contains(&0) {
            shapes.push(whole.split_off(1));
        }
        shapes
    }
}

/// A map for each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapForm {
    /// Classes, rows, columns.
    pub(super) axes: Axes<3>,
    /// Whether class 0 is "good", before the labels.
    pub(super) has_good: bool,
    pub(super) activation: Activation,
}

/// A score for each label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScoreForm {
    pub(super) axes: Axes<1>,
    pub(super) activation: Activation,
}

/// A map of anomalies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnomalyForm {
    /// Rows, columns.
    pub(super) axes: Axes<2>,
    pub(super) range: Option<Range>,
    pub(super) image_score: ImageScore,
    /// The part of the input that the map shows: x, y, width, height; `None` for all of it.
    pub(super) region_px: Option<[u32; 4]>,
}

/// What judges the whole picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ImageScore {
    /// The greatest value of the map.
    OfMap,
    /// The greatest number of the map, in a range of its own.
    OfMapInRange(Range),
    /// An output of its own; the range is for numbers that are no probabilities.
    Own(Option<Range>),
}

/// Boxes: a table with a row for each, put together from the columns of one or more outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoxForm {
    pub(super) source: BoxSource,
    pub(super) n_columns: usize,
    /// The columns of the four numbers of the place.
    pub(super) place: [usize; 4],
    pub(super) corners: Corners,
    pub(super) coordinates: Coordinates,
    /// Columns that every score is multiplied with.
    pub(super) factors: [Option<usize>; 2],
    pub(super) classes: ClassColumns,
    pub(super) activation: Activation,
}

/// Which outputs the table comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BoxSource {
    /// One output: detections, values.
    Table(Axes<2>),
    /// One output, whose last values weigh the prototypes of masks.
    TableAndPrototypes(Axes<2>),
    /// `[1, n, 4]` and `[1, n, classes]`.
    BoxesAndScores,
    /// `[1, n, 4]`, `[1, n]` and `[1, n]`.
    BoxesScoresLabels,
}

/// What the four numbers of a place are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Corners {
    /// Left, top, right, bottom.
    LeftTopRightBottom,
    /// Centre x, centre y, width, height.
    CentreAndSize,
    /// Left, top, width, height.
    CornerAndSize,
    /// Centre and size as the last layer of YOLOX gives them, for cells of 8, 16 and 32 px.
    YoloxCells,
}

/// Where the class of a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClassColumns {
    /// A number from `first` on.
    Index { column: usize, first: usize },
    /// One column for each label; the best of them counts.
    Best { first: usize, none: Option<usize> },
    /// One column for each label; each of them may be found.
    All { first: usize },
    /// There is one label.
    One,
}

impl Layout {
    /// The shapes that an output may have for `n_labels` labels; `None` is free, at least 1 for maps.
    pub(super) fn shapes(self, role: Role, n_labels: usize) -> Vec<Sides> {
        let either = |sides: &[Option<usize>]| {
            let whole = [&[Some(1)], sides].concat();
            vec![whole, sides.to_vec()]
        };
        match (self, role) {
            (_, Role::Score) | (Self::AnomalyScore { .. }, _) => {
                vec![vec![Some(1)], vec![Some(1), Some(1)], vec![]]
            }
            (Self::ClassMaps { form, .. }, _) => {
                let n_classes = n_labels + usize::from(form.has_good);
                form.axes.shapes([Some(n_classes), None, None])
            }
            (Self::ClassScores { form, .. }, _) => form.axes.shapes([Some(n_labels)]),
            (Self::AnomalyMap { form, .. }, _) => form.axes.shapes([None, None]),
            (Self::Boxes { .. }, Role::Boxes) => either(&[None, Some(4)]),
            (Self::Boxes { .. }, Role::Labels) => either(&[None]),
            (Self::Boxes { .. }, Role::Prototypes) => either(&[None, None, None]),
            (Self::Boxes { form, .. }, role) => match (form.source, role) {
                (BoxSource::BoxesAndScores, _) => either(&[None, Some(form.n_columns - 4)]),
                (BoxSource::BoxesScoresLabels, _) => either(&[None]),
                (BoxSource::Table(axes), _) => axes.shapes([None, Some(form.n_columns)]),
                (BoxSource::TableAndPrototypes(axes), _) => axes.shapes([None, None]),
            },
        }
    }

    /// Whether the graph itself chooses and orders what it finds, so that the same answer may come in
    /// another order.
    pub(super) fn is_list(self) -> bool {
        match self {
            Self::Boxes { form, .. } => match form.source {
                BoxSource::BoxesAndScores | BoxSource::BoxesScoresLabels => true,
                BoxSource::Table(_) => matches!(form.classes, ClassColumns::Index { .. }),
                BoxSource::TableAndPrototypes(_) => false,
            },
            Self::ClassMaps { .. }
            | Self::ClassScores { .. }
            | Self::AnomalyMap { .. }
            | Self::AnomalyScore { .. } => false,
        }
    }

    /// A detection below is none, where the layout has one number for that.
    pub(super) fn confidence_threshold(self) -> Option<f32> {
        match self {
            Self::ClassMaps {
                confidence_threshold,
                ..
            }
            | Self::ClassScores {
                confidence_threshold,
                ..
            }
            | Self::Boxes {
                confidence_threshold,
                ..
            } => Some(confidence_threshold),
            Self::AnomalyMap { .. } | Self::AnomalyScore { .. } => None,
        }
    }

    /// Whether a range makes scores of its numbers.
    pub(super) fn has_range(self) -> bool {
        match self {
            Self::AnomalyMap { form, .. } => {
                let own = match form.image_score {
                    ImageScore::OfMap => false,
                    ImageScore::OfMapInRange(_) => true,
                    ImageScore::Own(range) => range.is_some(),
                };
                own || form.range.is_some()
            }
            Self::AnomalyScore { range, .. } => range.is_some(),
            Self::ClassMaps { .. } | Self::ClassScores { .. } | Self::Boxes { .. } => false,
        }
    }

    /// Whether an output must have at least one cell.
    pub(super) fn is_map(self) -> bool {
        matches!(self, Self::ClassMaps { .. } | Self::AnomalyMap { .. })
    }
}
