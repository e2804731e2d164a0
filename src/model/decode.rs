//! From a graph's numbers to detections in pixels of the frame as the camera gave it.

mod box_scores;
mod boxes;
mod maps;
mod masks;
mod overlap;
mod scores;

use ndarray::{ArrayViewD, Axis};

use crate::domain::{Detection, PointPx, RectPx, Score};

use super::graph::shape_text;
use super::layout::{Activation, Axes, Layout};
use super::manifest::Manifest;
use super::output::{RawOutput, Role, all};

pub(super) use boxes::places_apart_px;
pub(super) use maps::{probabilities_of_map, score_map};
pub(super) use overlap::iou;
pub(super) use scores::{image_score, label_scores};

/// Most detections of one picture; more is an error of the model or the picture.
pub const DETECTIONS_MAX: usize = 1000;
/// How far a probability may be outside 0 to 1 by rounding.
const ROUNDING: f32 = 1e-3;

/// Which detections are wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wanted {
    /// Those that the thresholds of the manifest let through.
    ByThresholds,
    /// Boxes, classes and regions of classes from this score on, the best [`DETECTIONS_MAX`] of them:
    /// for curves over all thresholds.
    From(f32),
    /// Those over the thresholds, boxes as the graph says them: neither cut at the input's edges nor
    /// with the outlines of masks. To be held against what another framework says.
    AsSaid,
}

impl Wanted {
    fn or(self, threshold: f32) -> f32 {
        match self {
            Self::ByThresholds | Self::AsSaid => threshold,
            Self::From(score_min) => score_min,
        }
    }
}

/// The detections in `raw`; the message says why they cannot be trusted.
pub(super) fn decode(
    manifest: &Manifest,
    raw: &RawOutput,
    original_from_input: &dyn Fn(PointPx) -> PointPx,
    wanted: Wanted,
) -> Result<Vec<Detection>, String> {
    check_shapes(manifest, raw)?;
    let mut found = match manifest.layout {
        Layout::ClassMaps { .. } => maps::class_maps(manifest, raw, wanted)?,
        Layout::AnomalyMap { .. } => maps::anomaly_map(manifest, raw)?,
        Layout::AnomalyScore { .. } => scores::anomaly(manifest, raw)?,
        Layout::ClassScores { .. } => scores::classes(manifest, raw, wanted)?,
        Layout::Boxes { .. } => boxes::detect(manifest, raw, wanted)?,
    };
    if found.len() > DETECTIONS_MAX {
        if !matches!(wanted, Wanted::From(_)) {
            return Err(too_many());
        }
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(DETECTIONS_MAX);
    }
    found
        .into_iter()
        .map(|found| found.into_detection(manifest, original_from_input))
        .collect()
}

/// The message for a model that finds something everywhere.
fn too_many() -> String {
    format!("there are more than {DETECTIONS_MAX} detections in one picture")
}

/// Whether each output has the layout's shape.
pub(super) fn check_shapes(manifest: &Manifest, raw: &RawOutput) -> Result<(), String> {
    let is_map = manifest.layout.is_map();
    for (role, values) in raw.tensors() {
        let shape = values.shape();
        let shapes = manifest.layout.shapes(role, manifest.labels.len());
        let fits = |expected: &Vec<Option<usize>>| {
            let mut sides = shape.iter().zip(expected);
            shape.len() == expected.len()
                && sides.all(|(found, expected)| match expected {
                    Some(expected) => found == expected,
                    None => !is_map || *found > 0,
                })
        };
        if !shapes.iter().any(fits) {
            return Err(format!(
                "its shape is {shape:?} where the layout has {}",
                shapes
                    .first()
                    .map_or_else(String::new, |shape| shape_text(shape))
            ));
        }
    }
    Ok(())
}

/// Every probability that the answer is made of, in an order of its own: what parity compares.
pub(super) fn probabilities(manifest: &Manifest, raw: &RawOutput) -> Result<Vec<f32>, String> {
    match manifest.layout {
        Layout::ClassMaps { .. } => maps::probabilities(manifest, raw),
        Layout::AnomalyMap { .. } => {
            let mut all = probabilities_of_map(manifest, raw)?;
            all.extend(image_score(manifest, raw));
            Ok(all)
        }
        Layout::AnomalyScore { .. } => Ok(image_score(manifest, raw).into_iter().collect()),
        Layout::ClassScores { .. } => Ok(label_scores(manifest, raw).unwrap_or_default()),
        Layout::Boxes { .. } => box_scores::probabilities(manifest, raw),
    }
}

fn output(raw: &RawOutput, role: Role) -> Result<ArrayViewD<'_, f32>, String> {
    raw.tensor(role)
        .ok_or_else(|| format!("the run gave no {role}"))
}

/// The axes with a meaning, in the layout's order; the others have one element and go.
fn pick<const N: usize>(mut view: ArrayViewD<'_, f32>, axes: Axes<N>) -> ArrayViewD<'_, f32> {
    if view.ndim() < axes.rank {
        view = view.insert_axis(Axis(0));
    }
    let others = (0..axes.rank).filter(|axis| !axes.at.contains(axis));
    let order: Vec<_> = others.chain(axes.at).collect();
    let mut view = view.permuted_axes(order);
    while view.ndim() > N {
        view = view.index_axis_move(Axis(0), 0);
    }
    view
}

/// A probability, moved into 0 to 1 if rounding put it just outside.
fn checked_score(value: f32) -> Result<f32, String> {
    if (-ROUNDING..=1.0 + ROUNDING).contains(&value) {
        Ok(value.clamp(0.0, 1.0))
    } else {
        Err(format!("the score {value} is outside 0 to 1"))
    }
}

fn check_probabilities(values: &ArrayViewD<'_, f32>) -> Result<(), String> {
    let good = |value: f32| (-ROUNDING..=1.0 + ROUNDING).contains(&value);
    let all_good = match values.as_slice() {
        Some(values) => all(values, good),
        None => values.iter().all(|value| good(*value)),
    };
    if all_good {
        return Ok(());
    }
    let n_bad = values.iter().filter(|value| !good(**value)).count();
    Err(format!(
        "{n_bad} of {} probabilities are outside 0 to 1; is a softmax or sigmoid missing?",
        values.len()
    ))
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

/// Makes probabilities of the numbers of one place.
fn activate(values: &mut [f32], activation: Activation) {
    match activation {
        Activation::None => {}
        Activation::Sigmoid => {
            for value in values {
                *value = sigmoid(*value);
            }
        }
        Activation::Softmax => {
            let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let mut sum = 0.0;
            for value in &mut *values {
                *value = (*value - largest).exp();
                sum += *value;
            }
            for value in values {
                *value /= sum;
            }
        }
    }
}

/// A detection on the input, before it goes back to the frame.
struct Found {
    class: usize,
    score: f32,
    outline: Vec<PointPx>,
    has_mask: bool,
    /// Width and height of a cell of the outline.
    cell: [f64; 2],
}

impl Found {
    /// An upright box, edges at 0 and width.
    fn boxed(class: usize, score: f32, region: RectPx) -> Self {
        // A box counts from the picture's edge, a point from the centre of the first pixel.
        let region = RectPx {
            x: region.x - 0.5,
            y: region.y - 0.5,
            ..region
        };
        Self {
            class,
            score,
            outline: region.corners().to_vec(),
            has_mask: false,
            cell: [1.0, 1.0],
        }
    }

    /// The whole input.
    fn whole(manifest: &Manifest, class: usize, score: f32) -> Self {
        let region = RectPx {
            x: 0.0,
            y: 0.0,
            width: f64::from(manifest.input.width_px),
            height: f64::from(manifest.input.height_px),
        };
        Self::boxed(class, score, region)
    }

    fn into_detection(
        self,
        manifest: &Manifest,
        original_from_input: &dyn Fn(PointPx) -> PointPx,
    ) -> Result<Detection, String> {
        let class = manifest
            .labels
            .get(self.class)
            .ok_or_else(|| format!("class {} has no label", self.class))?;
        let cell_px = cell_px(&self.outline, self.cell, original_from_input);
        let outline_px: Vec<_> = self.outline.into_iter().map(original_from_input).collect();
        let places = || outline_px.iter().flat_map(|point| [point.x, point.y]);
        if !places().chain([cell_px]).all(f64::is_finite) {
            return Err("a detection has no finite place in the camera's picture".to_owned());
        }
        let region_px = RectPx::around(&outline_px).ok_or("a detection has no outline")?;
        Ok(Detection {
            class: class.clone(),
            score: Score::new(checked_score(self.score)?).map_err(|error| error.to_string())?,
            region_px,
            outline_px,
            has_mask: self.has_mask,
            cell_px,
        })
    }
}

/// The longer side in the frame of a cell in the middle of an outline.
fn cell_px(
    outline: &[PointPx],
    [width, height]: [f64; 2],
    original_from_input: &dyn Fn(PointPx) -> PointPx,
) -> f64 {
    let middle = RectPx::around(outline).unwrap_or_default().center();
    let side = |dx: f64, dy: f64| {
        let [from, to] = [-0.5, 0.5].map(|half| {
            original_from_input(PointPx {
                x: middle.x + half * dx,
                y: middle.y + half * dy,
            })
        });
        (to.x - from.x).hypot(to.y - from.y)
    };
    side(width, 0.0).max(side(0.0, height))
}
