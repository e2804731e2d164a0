//! From a graph's numbers to detections in pixels of the frame as the camera gave it.

use ndarray::{ArrayD, ArrayView2, ArrayView3, ArrayViewD, Axis, Ix2, Ix4};

use crate::domain::{Detection, PointPx, RectPx, Score};
use crate::vision::{Region, regions};

use super::boxes::{self, BoxRules, Candidate, too_many};
use super::error::{ModelError, with_causes};
use super::layout::Layout;
use super::manifest::Manifest;

/// Most detections of one picture; more is an error of the model or the picture.
pub const DETECTIONS_MAX: usize = 1000;
/// How far a probability may be outside 0 to 1 by rounding.
const ROUNDING: f32 = 1e-3;

/// A graph's output: every number is finite.
#[derive(Debug, Clone, PartialEq)]
pub struct RawOutput(ArrayD<f32>);

impl RawOutput {
    /// Takes the numbers that `model` (name and version) gave, as they are.
    ///
    /// # Errors
    /// [`ModelError::Output`] if any is NaN or infinite; the part is `Indeterminate(Model)`.
    pub fn new(model: &str, values: ArrayD<f32>) -> Result<Self, ModelError> {
        let finite = match values.as_slice() {
            Some(values) => all(values, f32::is_finite),
            None => values.iter().all(|value| value.is_finite()),
        };
        if finite {
            return Ok(Self(values));
        }
        let n_bad = values.iter().filter(|value| !value.is_finite()).count();
        Err(ModelError::Output {
            model: model.to_owned(),
            problem: format!("{n_bad} of {} numbers are NaN or infinite", values.len()),
        })
    }

    /// The numbers in the manifest's layout.
    pub fn values(&self) -> ArrayViewD<'_, f32> {
        self.0.view()
    }
}

/// Whether `good` holds everywhere; in blocks without an early end, so that the compiler can use
/// the processor's wide registers.
fn all(values: &[f32], good: impl Fn(f32) -> bool) -> bool {
    values
        .chunks(4096)
        .all(|block| block.iter().fold(true, |all, value| all & good(*value)))
}

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

/// Whether `shape` is the layout's.
pub(super) fn check_shape(manifest: &Manifest, shape: &[usize]) -> Result<(), String> {
    let expected = manifest.layout.shape(manifest.labels.len());
    let is_map = matches!(
        manifest.layout,
        Layout::ClassMaps { .. } | Layout::AnomalyMap { .. }
    );
    let fits = shape.len() == expected.len()
        && shape
            .iter()
            .zip(&expected)
            .all(|(found, expected)| match expected {
                Some(expected) => found == expected,
                None => !is_map || *found > 0,
            });
    if fits {
        return Ok(());
    }
    Err(format!(
        "its shape is {shape:?} where the layout has {}",
        shape_text(&expected)
    ))
}

/// A shape for a message, free sides as `n`.
pub(super) fn shape_text(shape: &[Option<usize>]) -> String {
    let sides: Vec<_> = shape
        .iter()
        .map(|side| side.map_or_else(|| "n".to_owned(), |side| side.to_string()))
        .collect();
    format!("[{}]", sides.join(", "))
}

/// The detections in `raw`; the message says why they cannot be trusted.
pub(super) fn decode(
    manifest: &Manifest,
    raw: &RawOutput,
    original_from_input: &dyn Fn(PointPx) -> PointPx,
) -> Result<Vec<Detection>, String> {
    check_shape(manifest, raw.0.shape())?;
    let view = raw.0.view();
    let found = match manifest.layout {
        Layout::ClassMaps { .. } => class_maps(manifest, view)?,
        Layout::AnomalyMap { .. } => anomaly_map(manifest, view)?,
        Layout::ClassScores {
            confidence_threshold,
            good,
            logits,
        } => class_scores(manifest, &view, (confidence_threshold, good, logits))?,
        Layout::BoxesScoresClasses { .. } | Layout::Yolo { .. } => detect(manifest, view)?,
    };
    if found.len() > DETECTIONS_MAX {
        return Err(too_many());
    }
    found
        .into_iter()
        .map(|found| found.into_detection(manifest, original_from_input))
        .collect()
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

fn class_scores(
    manifest: &Manifest,
    view: &ArrayViewD<'_, f32>,
    (confidence_threshold, good, logits): (f32, usize, bool),
) -> Result<Vec<Found>, String> {
    let scores: Vec<f32> = if logits {
        softmax(view.iter().copied())
    } else {
        check_probabilities(view)?;
        view.iter().copied().collect()
    };
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
        (Some(best), Some(good)) if sure.is_empty() && best.1 >= *good => Ok(vec![found(best)]),
        _ => Ok(sure),
    }
}

fn softmax(logits: impl Iterator<Item = f32> + Clone) -> Vec<f32> {
    let largest = logits.clone().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.map(|logit| (logit - largest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

fn detect(manifest: &Manifest, view: ArrayViewD<'_, f32>) -> Result<Vec<Found>, String> {
    let rows = view
        .index_axis_move(Axis(0), 0)
        .into_dimensionality::<Ix2>()
        .map_err(|error| error.to_string())?;
    let rules = |confidence_threshold| BoxRules {
        confidence_threshold,
        n_labels: manifest.labels.len(),
        width_px: f64::from(manifest.input.width_px),
        height_px: f64::from(manifest.input.height_px),
    };
    let found = match manifest.layout {
        Layout::BoxesScoresClasses {
            confidence_threshold,
        } => boxes::boxes_scores_classes(&rows, &rules(confidence_threshold))?,
        Layout::Yolo {
            confidence_threshold,
            iou_threshold,
        } => boxes::yolo(&rows, &rules(confidence_threshold), iou_threshold)?,
        Layout::ClassMaps { .. } | Layout::ClassScores { .. } | Layout::AnomalyMap { .. } => {
            return Err("this is no list of boxes".to_owned());
        }
    };
    Ok(found.into_iter().map(Found::boxed).collect())
}
