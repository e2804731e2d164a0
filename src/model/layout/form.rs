//! The forms that the named layouts stand for.

use super::super::manifest::Mistakes;
use super::axes;
use super::file::{Coordinates, LayoutFile, OutputFile, ThresholdsFile};
use super::{
    Activation, AnomalyForm, Axes, BoxForm, BoxSource, ClassColumns, Corners, ImageScore, Layout,
    MapForm, ScoreForm, Task,
};

const ROWS: Axes<2> = Axes::new(3, [1, 2]);
const COLUMNS: Axes<2> = Axes::new(3, [2, 1]);
const CLASSES: Axes<1> = Axes::new(2, [1]);
const CLASSES_ROWS_COLUMNS: Axes<3> = Axes::new(4, [1, 2, 3]);
const ROWS_COLUMNS: Axes<2> = Axes::new(4, [2, 3]);

/// Rows of centre, size, objectness, and a score for each label.
const OBJECTNESS_ROWS: BoxForm = BoxForm {
    source: BoxSource::Table(ROWS),
    n_columns: 5,
    place: [0, 1, 2, 3],
    corners: Corners::CentreAndSize,
    coordinates: Coordinates::Px,
    factors: [Some(4), None],
    classes: ClassColumns::best_from(5),
    activation: Activation::None,
};

/// Thresholds and labels, which the form is joined with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given<'g> {
    pub(super) thresholds: &'g ThresholdsFile,
    pub(super) n_labels: usize,
    /// A classifier's label that means no defect.
    pub(super) good: Option<usize>,
}

/// Joins form, thresholds and labels; `None` where something is missing or wrong, which was noted.
pub(super) fn build(
    output: &OutputFile,
    task: Task,
    given: Given<'_>,
    mistakes: &mut Mistakes,
) -> Option<Layout> {
    use Activation::{None as AsTheyAre, Sigmoid, Softmax};
    let map_form = |has_good, activation| MapForm {
        axes: CLASSES_ROWS_COLUMNS,
        has_good,
        activation,
    };
    let score_form = |activation| ScoreForm {
        axes: CLASSES,
        activation,
    };
    let anomaly_form = |image_score| AnomalyForm {
        axes: ROWS_COLUMNS,
        range: output.map_range,
        image_score,
        region_px: output.map_region_px,
    };
    let of_map = output
        .score_range
        .map_or(ImageScore::OfMap, ImageScore::OfMapInRange);
    match output.layout {
        LayoutFile::ClassMaps => given.maps(map_form(true, AsTheyAre)),
        LayoutFile::ClassMapLogits => given.maps(map_form(true, Softmax)),
        LayoutFile::Masks => given.maps(map_form(false, AsTheyAre)),
        LayoutFile::MaskLogits => given.maps(map_form(false, Sigmoid)),
        LayoutFile::ClassScores => given.scores(score_form(AsTheyAre)),
        LayoutFile::Logits => given.scores(score_form(Softmax)),
        LayoutFile::BoxesScoresClasses
        | LayoutFile::BoxesScoresLabels
        | LayoutFile::Yolo
        | LayoutFile::YoloObjectness
        | LayoutFile::YoloMasks
        | LayoutFile::YoloxCells
        | LayoutFile::DetrSigmoid
        | LayoutFile::DetrSoftmax => {
            given.boxes(box_form(output.layout, given.n_labels, output.first_label)?)
        }
        LayoutFile::AnomalyMap => given.anomaly(anomaly_form(of_map)),
        LayoutFile::AnomalyMapScore => {
            given.anomaly(anomaly_form(ImageScore::Own(output.score_range)))
        }
        LayoutFile::AnomalyScore => Some(Layout::AnomalyScore {
            image_threshold: given.thresholds.image_threshold?,
            range: output.score_range,
        }),
        LayoutFile::Axes => match task {
            Task::Segment => given.maps(axes::maps(output, mistakes)?),
            Task::Classify => given.scores(axes::scores(output, mistakes)?),
            Task::Detect => given.boxes(axes::boxes(output, given.n_labels, mistakes)?),
            Task::Anomaly => given.anomaly(AnomalyForm {
                axes: axes::anomaly(output, mistakes)?,
                ..anomaly_form(of_map)
            }),
        },
    }
}

impl Given<'_> {
    fn maps(self, form: MapForm) -> Option<Layout> {
        Some(Layout::ClassMaps {
            confidence_threshold: self.thresholds.confidence_threshold?,
            pixel_threshold: self.thresholds.pixel_threshold?,
            area_min_cells: self.thresholds.area_min_px?,
            form,
        })
    }

    fn scores(self, form: ScoreForm) -> Option<Layout> {
        Some(Layout::ClassScores {
            confidence_threshold: self.thresholds.confidence_threshold?,
            good: self.good?,
            form,
        })
    }

    fn boxes(self, form: BoxForm) -> Option<Layout> {
        Some(Layout::Boxes {
            confidence_threshold: self.thresholds.confidence_threshold?,
            iou_threshold: self.thresholds.iou_threshold,
            vote_iou_threshold: self.thresholds.vote_iou_threshold,
            form,
        })
    }

    fn anomaly(self, form: AnomalyForm) -> Option<Layout> {
        Some(Layout::AnomalyMap {
            image_threshold: self.thresholds.image_threshold?,
            pixel_threshold: self.thresholds.pixel_threshold?,
            area_min_cells: self.thresholds.area_min_px?,
            form,
        })
    }
}

impl ClassColumns {
    const fn best_from(first: usize) -> Self {
        Self::Best { first, none: None }
    }
}

/// The named layouts of boxes; `None` for the others, and where `first_label` is missing.
pub(in crate::model) fn box_form(
    layout: LayoutFile,
    n_labels: usize,
    first_label: Option<u32>,
) -> Option<BoxForm> {
    let rows = BoxForm {
        n_columns: 5 + n_labels,
        ..OBJECTNESS_ROWS
    };
    let columns = BoxForm {
        source: BoxSource::Table(COLUMNS),
        n_columns: 4 + n_labels,
        factors: [None; 2],
        classes: ClassColumns::best_from(4),
        ..rows
    };
    let corners = BoxForm {
        n_columns: 6,
        corners: Corners::LeftTopRightBottom,
        classes: ClassColumns::Index {
            column: 5,
            first: 0,
        },
        ..rows
    };
    let detr = BoxForm {
        source: BoxSource::BoxesAndScores,
        coordinates: Coordinates::Share,
        ..columns
    };
    Some(match layout {
        LayoutFile::Yolo => columns,
        LayoutFile::YoloMasks => BoxForm {
            source: BoxSource::TableAndPrototypes(COLUMNS),
            ..columns
        },
        LayoutFile::YoloObjectness => rows,
        LayoutFile::YoloxCells => BoxForm {
            corners: Corners::YoloxCells,
            ..rows
        },
        LayoutFile::BoxesScoresClasses => corners,
        LayoutFile::BoxesScoresLabels => BoxForm {
            source: BoxSource::BoxesScoresLabels,
            classes: ClassColumns::Index {
                column: 5,
                first: usize::try_from(first_label?).ok()?,
            },
            ..corners
        },
        LayoutFile::DetrSigmoid => BoxForm {
            classes: ClassColumns::All { first: 4 },
            activation: Activation::Sigmoid,
            ..detr
        },
        LayoutFile::DetrSoftmax => BoxForm {
            n_columns: 5 + n_labels,
            classes: ClassColumns::Best {
                first: 4,
                none: Some(4 + n_labels),
            },
            activation: Activation::Softmax,
            ..detr
        },
        LayoutFile::ClassMaps
        | LayoutFile::ClassMapLogits
        | LayoutFile::Masks
        | LayoutFile::MaskLogits
        | LayoutFile::ClassScores
        | LayoutFile::Logits
        | LayoutFile::AnomalyMap
        | LayoutFile::AnomalyMapScore
        | LayoutFile::AnomalyScore
        | LayoutFile::Axes => return None,
    })
}
