//! Maps into regions: of classes, and of what is unlike the good parts.

use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis, CowArray, Ix2, Ix3};

use crate::domain::{PointPx, RectPx};
use crate::vision::{Region, regions};

use super::super::error::with_causes;
use super::super::layout::{Activation, AnomalyForm, ImageScore, Layout, MapForm};
use super::super::manifest::Manifest;
use super::super::output::{RawOutput, Role};
use super::scores::own_score;
use super::{Found, Wanted, check_probabilities, check_shapes, output, pick, sigmoid};

/// How the cells of a map lie on the input.
pub(super) struct Cells {
    width_px: f64,
    height_px: f64,
}

impl Cells {
    pub(super) fn of(manifest: &Manifest, (rows, columns): (usize, usize)) -> Self {
        Self {
            width_px: f64::from(manifest.input.width_px) / columns as f64,
            height_px: f64::from(manifest.input.height_px) / rows as f64,
        }
    }

    /// Whether a cell's centre lies in a region of the input.
    pub(super) fn within(&self, region: &RectPx) -> impl Fn(usize, usize) -> bool {
        let region = *region;
        let (width_px, height_px) = (self.width_px, self.height_px);
        move |row, column| {
            let x = (column as f64 + 0.5) * width_px - region.x;
            let y = (row as f64 + 0.5) * height_px - region.y;
            (0.0..region.width).contains(&x) && (0.0..region.height).contains(&y)
        }
    }

    /// An outline along the cells' edges; both grids have (0, 0) in the centre of their first square.
    pub(super) fn on_input(&self, outline: &[PointPx]) -> Vec<PointPx> {
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
pub(super) fn find_regions(
    map: ArrayView2<'_, f32>,
    threshold: f32,
    area_min_cells: u32,
) -> Result<Vec<Region>, String> {
    regions(map, threshold, area_min_cells)
        .map_err(|error| format!("its regions cannot be found: {}", with_causes(&error)))
}

/// Classes, rows, columns; probabilities.
fn class_probabilities(raw: &RawOutput, form: MapForm) -> Result<CowArray<'_, f32, Ix3>, String> {
    let view = pick(output(raw, Role::Values)?, form.axes);
    if form.activation == Activation::None {
        check_probabilities(&view)?;
    }
    let view = view
        .into_dimensionality::<Ix3>()
        .map_err(|error| error.to_string())?;
    Ok(match form.activation {
        Activation::None => CowArray::from(view),
        Activation::Sigmoid => CowArray::from(view.mapv(sigmoid)),
        Activation::Softmax => CowArray::from(softmax(&view)),
    })
}

/// Softmax over the first axis, plane by plane, so that the processor's wide registers are used.
fn softmax(logits: &ArrayView3<'_, f32>) -> Array3<f32> {
    let mut planes = logits.to_owned();
    let largest = planes.fold_axis(Axis(0), f32::NEG_INFINITY, |most, value| most.max(*value));
    planes -= &largest;
    planes.mapv_inplace(f32::exp);
    let sum = planes.sum_axis(Axis(0));
    planes /= &sum;
    planes
}

pub(super) fn class_maps(
    manifest: &Manifest,
    raw: &RawOutput,
    wanted: Wanted,
) -> Result<Vec<Found>, String> {
    let Layout::ClassMaps {
        confidence_threshold,
        pixel_threshold,
        area_min_cells,
        form,
    } = manifest.layout
    else {
        return Err("this is no class map".to_owned());
    };
    let threshold = wanted.or(confidence_threshold);
    let classes = class_probabilities(raw, form)?;
    let mut found = Vec::new();
    let labels = classes.axis_iter(Axis(0)).skip(usize::from(form.has_good));
    for (class, map) in labels.enumerate() {
        let cells = Cells::of(manifest, map.dim());
        for region in find_regions(map, pixel_threshold, area_min_cells)? {
            if region.mean >= threshold {
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

/// The anomaly map, 0 to 1.
fn anomalies(raw: &RawOutput, form: AnomalyForm) -> Result<CowArray<'_, f32, Ix2>, String> {
    let role = match form.image_score {
        ImageScore::OfMap => Role::Values,
        ImageScore::Own(_) => Role::Map,
    };
    let view = pick(output(raw, role)?, form.axes);
    if form.range.is_none() {
        check_probabilities(&view)?;
    }
    let view = view
        .into_dimensionality::<Ix2>()
        .map_err(|error| error.to_string())?;
    Ok(match form.range {
        None => CowArray::from(view),
        Some(range) => CowArray::from(view.mapv(|value| range.share(value))),
    })
}

pub(super) fn anomaly_map(manifest: &Manifest, raw: &RawOutput) -> Result<Vec<Found>, String> {
    let Layout::AnomalyMap {
        image_threshold,
        pixel_threshold,
        area_min_cells,
        form,
    } = manifest.layout
    else {
        return Err("this is no anomaly map".to_owned());
    };
    let map = anomalies(raw, form)?;
    let cells = Cells::of(manifest, map.dim());
    let places = || find_regions(map.view(), pixel_threshold, area_min_cells);
    let found = |score, outline: &[PointPx]| Found {
        class: 0,
        score,
        outline: cells.on_input(outline),
        has_mask: true,
    };
    match form.image_score {
        ImageScore::OfMap => {
            let regions = places()?;
            let mut all: Vec<_> = regions
                .iter()
                .map(|region| found(region.max, &region.outline))
                .collect();
            // A place too small for a region, or under `pixel_threshold`, is a defect all the same.
            if let Some((cell, value)) = peak(&map.view())
                && value >= image_threshold
                && !all.iter().any(|found| found.score >= image_threshold)
            {
                all.push(found(value, &cell.corners()));
            }
            Ok(all)
        }
        ImageScore::Own(range) => {
            let score = own_score(raw, Role::Score, range)?;
            if score < image_threshold {
                return Ok(Vec::new());
            }
            let regions = places()?;
            if regions.is_empty() {
                return Ok(vec![Found::whole(manifest, 0, score)]);
            }
            Ok(regions
                .iter()
                .map(|region| found(score, &region.outline))
                .collect())
        }
    }
}

/// The cell with the greatest value.
fn peak(map: &ArrayView2<'_, f32>) -> Option<(RectPx, f32)> {
    let ((row, column), value) = map.indexed_iter().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let cell = RectPx {
        x: column as f64 - 0.5,
        y: row as f64 - 0.5,
        width: 1.0,
        height: 1.0,
    };
    Some((cell, *value))
}

/// How bad each cell looks, 0 to 1; `None` for layouts without maps, or if it cannot be trusted.
pub(in crate::model) fn score_map(manifest: &Manifest, raw: &RawOutput) -> Option<Array2<f32>> {
    check_shapes(manifest, raw).ok()?;
    match manifest.layout {
        Layout::ClassMaps { form, .. } => {
            let classes = class_probabilities(raw, form).ok()?;
            if form.has_good {
                return Some(1.0 - &classes.index_axis(Axis(0), 0));
            }
            Some(classes.fold_axis(Axis(0), 0.0, |most, value| most.max(*value)))
        }
        Layout::AnomalyMap { form, .. } => Some(anomalies(raw, form).ok()?.into_owned()),
        Layout::AnomalyScore { .. } | Layout::ClassScores { .. } | Layout::Boxes { .. } => None,
    }
}
