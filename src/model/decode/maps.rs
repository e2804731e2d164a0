//! Maps into regions: of classes, and of what is unlike the good parts.

use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis, CowArray, Ix2, Ix3};

use crate::config::with_causes;
use crate::domain::{PointPx, RectPx};
use crate::vision::{Region, regions};

use super::super::layout::{Activation, AnomalyForm, ImageScore, Layout, MapForm};
use super::super::manifest::Manifest;
use super::super::output::{RawOutput, Role};
use super::scores::picture_score;
use super::{Found, Wanted, check_probabilities, check_shapes, output, pick, sigmoid};

/// How the cells of a map lie on the input.
#[expect(
    clippy::struct_field_names,
    reason = "places on the input carry their unit"
)]
pub(super) struct Cells {
    left_px: f64,
    top_px: f64,
    width_px: f64,
    height_px: f64,
}

impl Cells {
    /// Cells of a map of the whole input.
    pub(super) fn of(manifest: &Manifest, cells: (usize, usize)) -> Self {
        let input = &manifest.input;
        Self::of_region([0, 0, input.width_px, input.height_px], cells)
    }

    /// Cells of a map of a part of the input: x, y, width, height.
    fn of_region(region_px: [u32; 4], (rows, columns): (usize, usize)) -> Self {
        let [left_px, top_px, width_px, height_px] = region_px.map(f64::from);
        Self {
            left_px,
            top_px,
            width_px: width_px / columns as f64,
            height_px: height_px / rows as f64,
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

    /// Width and height of a cell.
    pub(super) fn size(&self) -> [f64; 2] {
        [self.width_px, self.height_px]
    }

    /// An outline along the cells' edges; both grids have (0, 0) in the centre of their first square.
    pub(super) fn on_input(&self, outline: &[PointPx]) -> Vec<PointPx> {
        let point = |point: &PointPx| PointPx {
            x: self.left_px + (point.x + 0.5) * self.width_px - 0.5,
            y: self.top_px + (point.y + 0.5) * self.height_px - 0.5,
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
                    cell: cells.size(),
                });
            }
        }
    }
    Ok(found)
}

/// Every class in every cell.
pub(super) fn probabilities(manifest: &Manifest, raw: &RawOutput) -> Result<Vec<f32>, String> {
    let Layout::ClassMaps { form, .. } = manifest.layout else {
        return Err("this is no class map".to_owned());
    };
    Ok(class_probabilities(raw, form)?.iter().copied().collect())
}

/// Every cell of an anomaly map.
pub(in crate::model) fn probabilities_of_map(
    manifest: &Manifest,
    raw: &RawOutput,
) -> Result<Vec<f32>, String> {
    let Layout::AnomalyMap { form, .. } = manifest.layout else {
        return Ok(Vec::new());
    };
    Ok(anomalies(raw, form)?.iter().copied().collect())
}

/// The anomaly map, 0 to 1.
fn anomalies(raw: &RawOutput, form: AnomalyForm) -> Result<CowArray<'_, f32, Ix2>, String> {
    let role = match form.image_score {
        ImageScore::OfMap | ImageScore::OfMapInRange(_) => Role::Values,
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
    let cells = match form.region_px {
        None => Cells::of(manifest, map.dim()),
        Some(region_px) => Cells::of_region(region_px, map.dim()),
    };
    let places = || find_regions(map.view(), pixel_threshold, area_min_cells);
    let found = |score, outline: &[PointPx]| Found {
        class: 0,
        score,
        outline: cells.on_input(outline),
        has_mask: true,
        cell: cells.size(),
    };
    if let Some(score) = picture_score(raw, form)? {
        // It judges; the map only shows the place.
        if score < image_threshold {
            return Ok(Vec::new());
        }
        let regions = places()?;
        if regions.is_empty() {
            return Ok(vec![Found::whole(manifest, 0, score)]);
        }
        return Ok(regions
            .iter()
            .map(|region| found(score, &region.outline))
            .collect());
    }
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

/// A map of a part of the input, on one of the whole input with cells of the same size; 0 around it.
fn on_whole_input(
    manifest: &Manifest,
    map: &ArrayView2<'_, f32>,
    region_px: [u32; 4],
) -> Array2<f32> {
    let cells = Cells::of_region(region_px, map.dim());
    let input = &manifest.input;
    let count = |length: f64, cell: f64| whole(length / cell);
    let (top, left) = (
        count(cells.top_px, cells.height_px),
        count(cells.left_px, cells.width_px),
    );
    let size = (
        count(f64::from(input.height_px), cells.height_px).max(top + map.nrows()),
        count(f64::from(input.width_px), cells.width_px).max(left + map.ncols()),
    );
    Array2::from_shape_fn(size, |(row, column)| {
        let inside = row.checked_sub(top).zip(column.checked_sub(left));
        inside
            .and_then(|cell| map.get(cell).copied())
            .unwrap_or(0.0)
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an input has at most some thousand cells a side"
)]
fn whole(cells: f64) -> usize {
    cells.round().max(0.0) as usize
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
        Layout::AnomalyMap { form, .. } => {
            let map = anomalies(raw, form).ok()?;
            Some(match form.region_px {
                None => map.into_owned(),
                Some(region_px) => on_whole_input(manifest, &map.view(), region_px),
            })
        }
        Layout::AnomalyScore { .. } | Layout::ClassScores { .. } | Layout::Boxes { .. } => None,
    }
}
