//! From a graph's numbers to detections in pixels of the frame as the camera gave it.

use ndarray::{Array2, ArrayView2, ArrayView3, ArrayViewD, Axis, Ix2, Ix4};

use crate::domain::{Detection, PointPx, RectPx, Score};
use crate::vision::{Region, regions};

use super::boxes::{self, BoxRules, Candidate, too_many};
use super::error::with_causes;
use super::graph::shape_text;
use super::layout::Layout;
use super::manifest::Manifest;
use super::output::{RawOutput, Role, all};

/// Most detections of one picture; more is an error of the model or the picture.
pub const DETECTIONS_MAX: usize = 1000;
/// How far a probability may be outside 0 to 1 by rounding.
const ROUNDING: f32 = 1e-3;

/// A probability, moved into 0 to 1 if rounding put it just outside.
pub(super) fn checked_score(value: f32) -> Result<f32, String> {
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

/// Whether each output has the layout's shape.
pub(super) fn check_shapes(manifest: &Manifest, raw: &RawOutput) -> Result<(), String> {
    let is_map = matches!(
        manifest.layout,
        Layout::ClassMaps { .. } | Layout::AnomalyMap { .. }
    );
    for (role, values) in raw.tensors() {
        let (shape, shapes) = (
            values.shape(),
            manifest.layout.shapes(role, manifest.labels.len()),
        );
        let fits = |expected: &Vec<Option<usize>>| {
            let sides = shape.iter().zip(expected);
            shape.len() == expected.len()
                && sides
                    .map(|(found, expected)| match expected {
                        Some(expected) => found == expected,
                        None => !is_map || *found > 0,
                    })
                    .all(|fits| fits)
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

/// Which detections are wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wanted {
    /// Those that the thresholds of the manifest let through.
    ByThresholds,
    /// Boxes and classes from this score on, the best [`DETECTIONS_MAX`] of them: for curves over
    /// all thresholds. Regions of maps stay those of the manifest.
    From(f32),
}

/// The detections in `raw`; the message says why they cannot be trusted.
pub(super) fn decode(
    manifest: &Manifest,
    raw: &RawOutput,
    original_from_input: &dyn Fn(PointPx) -> PointPx,
    wanted: Wanted,
) -> Result<Vec<Detection>, String> {
    check_shapes(manifest, raw)?;
    let view = values(raw)?;
    let threshold = |confidence_threshold| match wanted {
        Wanted::ByThresholds => confidence_threshold,
        Wanted::From(score_min) => score_min,
    };
    let found = match manifest.layout {
        Layout::ClassMaps { .. } => class_maps(manifest, view)?,
        Layout::AnomalyMap { .. } => anomaly_map(manifest, view)?,
        Layout::ClassScores {
            confidence_threshold,
            good,
            logits,
        } => {
            let scores = scores(&view, logits)?;
            let found = class_scores(manifest, &scores, (threshold(confidence_threshold), good));
            keep_best(found, wanted)
        }
        Layout::BoxesScoresClasses {
            confidence_threshold,
        }
        | Layout::Yolo {
            confidence_threshold,
            ..
        } => keep_best(
            detect(manifest, view, (threshold(confidence_threshold), wanted))?,
            wanted,
        ),
    };
    if found.len() > DETECTIONS_MAX {
        return Err(too_many());
    }
    found
        .into_iter()
        .map(|found| found.into_detection(manifest, original_from_input))
        .collect()
}

fn values(raw: &RawOutput) -> Result<ArrayViewD<'_, f32>, String> {
    raw.tensor(Role::Values)
        .ok_or_else(|| "the run gave no values".to_owned())
}

fn keep_best(mut found: Vec<Found>, wanted: Wanted) -> Vec<Found> {
    if wanted != Wanted::ByThresholds && found.len() > DETECTIONS_MAX {
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(DETECTIONS_MAX);
    }
    found
}

/// How bad each cell looks, 0 to 1; `None` for layouts without maps, or if it cannot be trusted.
pub(super) fn score_map(manifest: &Manifest, raw: &RawOutput) -> Option<Array2<f32>> {
    check_shapes(manifest, raw).ok()?;
    let is_segment = match manifest.layout {
        Layout::ClassMaps { .. } => true,
        Layout::AnomalyMap { .. } => false,
        Layout::ClassScores { .. } | Layout::BoxesScoresClasses { .. } | Layout::Yolo { .. } => {
            return None;
        }
    };
    let maps = maps(values(raw).ok()?).ok()?;
    let first = maps
        .index_axis(Axis(0), 0)
        .index_axis_move(Axis(0), 0)
        .to_owned();
    // Channel 0 of class maps is good.
    Some(if is_segment { 1.0 - first } else { first })
}

/// The probability of each label; `None` for layouts that are no classifiers, or if they cannot be
/// trusted.
pub(super) fn label_scores(manifest: &Manifest, raw: &RawOutput) -> Option<Vec<f32>> {
    check_shapes(manifest, raw).ok()?;
    match manifest.layout {
        Layout::ClassScores { logits, .. } => scores(&values(raw).ok()?, logits).ok(),
        Layout::ClassMaps { .. }
        | Layout::AnomalyMap { .. }
        | Layout::BoxesScoresClasses { .. }
        | Layout::Yolo { .. } => None,
    }
}

/// A detection on the input, before it goes back to the frame.
struct Found {
    class: usize,
    score: f32,
    outline: Vec<PointPx>,
    has_mask: bool,
}

impl Found {
    fn boxed(candidate: Candidate) -> Self {
        // A box counts from the picture's edge, a point from the centre of the first pixel.
        let region = RectPx {
            x: candidate.region.x - 0.5,
            y: candidate.region.y - 0.5,
            ..candidate.region
        };
        Self {
            class: candidate.class,
            score: candidate.score,
            outline: region.corners().to_vec(),
            has_mask: false,
        }
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
        let outline_px: Vec<_> = self.outline.into_iter().map(original_from_input).collect();
        if !outline_px
            .iter()
            .all(|point| point.x.is_finite() && point.y.is_finite())
        {
            return Err("a detection has no finite place in the camera's picture".to_owned());
        }
        let region_px = RectPx::around(&outline_px).ok_or("a detection has no outline")?;
        Ok(Detection {
            class: class.clone(),
            score: Score::new(checked_score(self.score)?).map_err(|error| error.to_string())?,
            region_px,
            outline_px,
            has_mask: self.has_mask,
        })
    }
}

/// How the cells of a map lie on the input.
struct Cells {
    width_px: f64,
    height_px: f64,
}

impl Cells {
    fn of(manifest: &Manifest, map: &ArrayView2<'_, f32>) -> Self {
        let (rows, columns) = map.dim();
        Self {
            width_px: f64::from(manifest.input.width_px) / columns as f64,
            height_px: f64::from(manifest.input.height_px) / rows as f64,
        }
    }

    /// An outline along the cells' edges; both grids have (0, 0) in the centre of their first square.
    fn on_input(&self, outline: &[PointPx]) -> Vec<PointPx> {
        let point = |point: &PointPx| PointPx {
            x: (point.x + 0.5) * self.width_px - 0.5,
            y: (point.y + 0.5) * self.height_px - 0.5,
        };
        outline.iter().map(point).collect()
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a view is a borrow, and `regions` takes it so"
)]
fn find_regions(
    map: ArrayView2<'_, f32>,
    threshold: f32,
    area_min_cells: u32,
) -> Result<Vec<Region>, String> {
    regions(map, threshold, area_min_cells)
        .map_err(|error| format!("its regions cannot be found: {}", with_causes(&error)))
}

fn maps(view: ArrayViewD<'_, f32>) -> Result<ndarray::ArrayView4<'_, f32>, String> {
    check_probabilities(&view)?;
    view.into_dimensionality::<Ix4>()
        .map_err(|error| error.to_string())
}

fn class_maps(manifest: &Manifest, view: ArrayViewD<'_, f32>) -> Result<Vec<Found>, String> {
    let Layout::ClassMaps {
        confidence_threshold,
        pixel_threshold,
        area_min_cells,
    } = manifest.layout
    else {
        return Err("this is no class map".to_owned());
    };
    let maps = maps(view)?;
    let classes: ArrayView3<'_, f32> = maps.index_axis_move(Axis(0), 0);
    let mut found = Vec::new();
    // Channel 0 is good.
    for (class, map) in classes.axis_iter(Axis(0)).skip(1).enumerate() {
        let cells = Cells::of(manifest, &map);
        for region in find_regions(map, pixel_threshold, area_min_cells)? {
            if region.mean >= confidence_threshold {
                found.push(Found {
                    class,
                    score: region.mean,
                    outline: cells.on_input(&region.outline),
                    has_mask: true,
                });
            }
        }
    }
    Ok(found)
}

fn anomaly_map(manifest: &Manifest, view: ArrayViewD<'_, f32>) -> Result<Vec<Found>, String> {
    let Layout::AnomalyMap {
        image_threshold,
        pixel_threshold,
        area_min_cells,
    } = manifest.layout
    else {
        return Err("this is no anomaly map".to_owned());
    };
    let maps = maps(view)?;
    let map = maps.index_axis_move(Axis(0), 0).index_axis_move(Axis(0), 0);
    let cells = Cells::of(manifest, &map);
    let mut found = Vec::new();
    for region in find_regions(map, pixel_threshold, area_min_cells)? {
        found.push(Found {
            class: 0,
            score: region.max,
            outline: cells.on_input(&region.outline),
            has_mask: true,
        });
    }
    let peak = map
        .indexed_iter()
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
        .map(|((row, column), value)| (row, column, *value));
    // A place too small for a region, or under `pixel_threshold`, is still a defect if the picture is.
    if let Some((row, column, value)) = peak
        && value >= image_threshold
        && !found.iter().any(|found| found.score >= image_threshold)
    {
        let cell = RectPx {
            x: column as f64 - 0.5,
            y: row as f64 - 0.5,
            width: 1.0,
            height: 1.0,
        };
        found.push(Found {
            class: 0,
            score: value,
            outline: cells.on_input(&cell.corners()),
            has_mask: true,
        });
    }
    Ok(found)
}

/// The probabilities of a classifier.
fn scores(view: &ArrayViewD<'_, f32>, logits: bool) -> Result<Vec<f32>, String> {
    if logits {
        return Ok(softmax(view.iter().copied()));
    }
    check_probabilities(view)?;
    Ok(view.iter().copied().collect())
}

fn class_scores(
    manifest: &Manifest,
    scores: &[f32],
    (confidence_threshold, good): (f32, usize),
) -> Vec<Found> {
    let whole = RectPx {
        x: 0.0,
        y: 0.0,
        width: f64::from(manifest.input.width_px),
        height: f64::from(manifest.input.height_px),
    };
    let found = |(class, score): (usize, f32)| {
        Found::boxed(Candidate {
            class,
            score,
            region: whole,
        })
    };
    let others = scores
        .iter()
        .copied()
        .enumerate()
        .filter(|(class, _)| *class != good);
    let sure: Vec<_> = others
        .clone()
        .filter(|(_, score)| *score >= confidence_threshold)
        .map(found)
        .collect();
    let best = others.max_by(|(_, a), (_, b)| a.total_cmp(b));
    match (best, scores.get(good)) {
        // Nothing is sure, yet "good" is not the answer either: that is no pass in silence.
        (Some(best), Some(good)) if sure.is_empty() && best.1 >= *good => vec![found(best)],
        _ => sure,
    }
}

fn softmax(logits: impl Iterator<Item = f32> + Clone) -> Vec<f32> {
    let largest = logits.clone().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.map(|logit| (logit - largest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

fn detect(
    manifest: &Manifest,
    view: ArrayViewD<'_, f32>,
    (confidence_threshold, wanted): (f32, Wanted),
) -> Result<Vec<Found>, String> {
    let rows = view
        .index_axis_move(Axis(0), 0)
        .into_dimensionality::<Ix2>()
        .map_err(|error| error.to_string())?;
    let rules = BoxRules {
        confidence_threshold,
        n_labels: manifest.labels.len(),
        width_px: f64::from(manifest.input.width_px),
        height_px: f64::from(manifest.input.height_px),
        leaves_out_empty: wanted != Wanted::ByThresholds,
    };
    let found = match manifest.layout {
        Layout::BoxesScoresClasses { .. } => boxes::boxes_scores_classes(&rows, &rules)?,
        Layout::Yolo { iou_threshold, .. } => boxes::yolo(&rows, &rules, iou_threshold)?,
        Layout::ClassMaps { .. } | Layout::ClassScores { .. } | Layout::AnomalyMap { .. } => {
            return Err("this is no list of boxes".to_owned());
        }
    };
    Ok(found.into_iter().map(Found::boxed).collect())
}
