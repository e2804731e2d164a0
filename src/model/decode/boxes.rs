//! Boxes: reading them from the graph's table, suppressing doubles, and their masks.

use ndarray::{ArrayView1, ArrayView2, Axis, Ix2};

use crate::domain::RectPx;

use super::super::layout::{Axes, BoxForm, BoxSource, Coordinates, Corners, Layout};
use super::super::manifest::Manifest;
use super::super::output::{RawOutput, Role};
use super::box_scores::scored;
use super::masks::Masks;
use super::overlap::{suppress, vote};
use super::{Found, Wanted, output, pick};

/// How far beside the input a box may lie, as a share of the side.
const BESIDE_SHARE_MAX: f64 = 0.05;
/// The cells of YOLOX's last layer.
const YOLOX_CELLS_PX: [u32; 3] = [8, 16, 32];

/// A box on the input, edges at 0 and width; the class is an index into the labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) row: usize,
    pub(super) class: usize,
    pub(super) score: f32,
    pub(super) region: RectPx,
}

/// What is asked of a box.
#[derive(Debug, Clone, Copy)]
pub(super) struct BoxRules {
    pub(super) confidence_threshold: f32,
    iou_threshold: Option<f32>,
    votes: Option<Votes>,
    pub(super) n_labels: usize,
    width_px: f64,
    height_px: f64,
    wanted: Wanted,
}

/// Which boxes say where one lies that was kept.
#[derive(Debug, Clone, Copy)]
struct Votes {
    overlap_min: f32,
    score_min: f32,
}

/// The numbers of all boxes: a row for each, the columns of several outputs side by side.
pub(super) struct Table<'v>(Vec<ArrayView2<'v, f32>>);

impl<'v> Table<'v> {
    /// # Errors
    /// If the outputs have different numbers of boxes.
    fn new(parts: Vec<ArrayView2<'v, f32>>) -> Result<Self, String> {
        let n_rows: Vec<_> = parts.iter().map(ArrayView2::nrows).collect();
        if n_rows.windows(2).all(|pair| pair.first() == pair.last()) {
            return Ok(Self(parts));
        }
        Err(format!("its outputs have {n_rows:?} boxes"))
    }

    pub(super) fn n_rows(&self) -> usize {
        self.0.first().map_or(0, ArrayView2::nrows)
    }

    pub(super) fn n_columns(&self) -> usize {
        self.0.iter().map(ArrayView2::ncols).sum()
    }

    pub(super) fn column(&self, mut index: usize) -> Result<ArrayView1<'_, f32>, String> {
        for part in &self.0 {
            if index < part.ncols() {
                return Ok(part.column(index));
            }
            index -= part.ncols();
        }
        Err("a box has too few numbers".to_owned())
    }
}

/// The boxes that an output says.
pub(super) fn detect(
    manifest: &Manifest,
    raw: &RawOutput,
    wanted: Wanted,
) -> Result<Vec<Found>, String> {
    let Layout::Boxes {
        confidence_threshold,
        iou_threshold,
        vote_iou_threshold,
        form,
    } = manifest.layout
    else {
        return Err("this is no list of boxes".to_owned());
    };
    let votes = vote_iou_threshold.map(|overlap_min| Votes {
        overlap_min,
        score_min: confidence_threshold,
    });
    let rules = BoxRules {
        iou_threshold,
        votes,
        ..BoxRules::new(manifest, wanted.or(confidence_threshold), wanted)
    };
    let table = table(raw, form.source)?;
    let candidates = candidates(&table, &form, &rules)?;
    let masks = match form.source {
        BoxSource::TableAndPrototypes(_) if wanted != Wanted::AsSaid => {
            Some(Masks::new(manifest, raw, &table, &form)?)
        }
        BoxSource::Table(_)
        | BoxSource::TableAndPrototypes(_)
        | BoxSource::BoxesAndScores
        | BoxSource::BoxesScoresLabels => None,
    };
    let found = candidates.into_iter().map(|candidate| {
        let boxed = Found::boxed(candidate.class, candidate.score, candidate.region);
        match &masks {
            None => Ok(boxed),
            Some(masks) => masks.put_on(boxed, &candidate),
        }
    });
    found.collect()
}

pub(super) fn table(raw: &RawOutput, source: BoxSource) -> Result<Table<'_>, String> {
    const ROWS: Axes<2> = Axes::new(3, [1, 2]);
    const ONE_EACH: Axes<1> = Axes::new(2, [1]);
    let rows = |role, axes: Axes<2>| {
        let view = pick(output(raw, role)?, axes).into_dimensionality::<Ix2>();
        view.map_err(|error| error.to_string())
    };
    let one_each = |role| {
        let view = pick(output(raw, role)?, ONE_EACH).insert_axis(Axis(1));
        view.into_dimensionality::<Ix2>()
            .map_err(|error| error.to_string())
    };
    Table::new(match source {
        BoxSource::Table(axes) | BoxSource::TableAndPrototypes(axes) => {
            vec![rows(Role::Values, axes)?]
        }
        BoxSource::BoxesAndScores => vec![rows(Role::Boxes, ROWS)?, rows(Role::Scores, ROWS)?],
        BoxSource::BoxesScoresLabels => vec![
            rows(Role::Boxes, ROWS)?,
            one_each(Role::Scores)?,
            one_each(Role::Labels)?,
        ],
    })
}

/// How far the places of rows are apart that count for something: the largest distance of an edge.
pub(in crate::model) fn places_apart_px(
    manifest: &Manifest,
    expected: &RawOutput,
    found: &RawOutput,
) -> Result<f32, String> {
    let Layout::Boxes {
        confidence_threshold,
        form,
        ..
    } = manifest.layout
    else {
        return Ok(0.0);
    };
    let rules = BoxRules::new(
        manifest,
        confidence_threshold,
        Wanted::From(confidence_threshold),
    );
    let rows = scored(&table(expected, form.source)?, &form, &rules)?;
    let places = |raw| -> Result<Vec<RectPx>, String> {
        let table = table(raw, form.source)?;
        let cells = cells(&table, &form, &rules)?;
        let place = |(row, _, _): &(usize, usize, f32)| {
            place(&table, &form, &rules, (*row, cells.get(*row)))
        };
        rows.iter().map(place).collect()
    };
    let edges = |region: &RectPx| {
        let (right, bottom) = (region.x + region.width, region.y + region.height);
        [region.x, region.y, right, bottom]
    };
    let pairs = places(expected)?.into_iter().zip(places(found)?);
    let apart = pairs.flat_map(|(a, b)| {
        let pairs = edges(&a).into_iter().zip(edges(&b));
        pairs.map(|(a, b)| (a - b).abs()).collect::<Vec<_>>()
    });
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a distance within a picture needs few digits"
    )]
    Ok(apart.fold(0.0, f64::max) as f32)
}

/// The boxes over the threshold, doubles suppressed, on the input.
fn candidates(
    table: &Table<'_>,
    form: &BoxForm,
    rules: &BoxRules,
) -> Result<Vec<Candidate>, String> {
    let mut found = Vec::new();
    let cells = cells(table, form, rules)?;
    for (row, class, score) in scored(table, form, rules)? {
        let region = place(table, form, rules, (row, cells.get(row)))?;
        found.push(Candidate {
            row,
            class,
            score,
            region,
        });
    }
    if let Some(iou_threshold) = rules.iou_threshold {
        let all = rules.votes.map(|votes| (votes, found.clone()));
        found = suppress(found, iou_threshold, rules.wanted)?;
        if let Some((votes, all)) = all {
            found = vote(found, &all, votes.overlap_min, votes.score_min);
        }
    }
    let clipped = found.into_iter().filter_map(|candidate| {
        let region = rules.clip(&candidate.region).transpose()?;
        Some(region.map(|region| Candidate {
            region,
            ..candidate
        }))
    });
    clipped.collect()
}

/// The place of a row, as the graph says it.
fn place(
    table: &Table<'_>,
    form: &BoxForm,
    rules: &BoxRules,
    (row, cell): (usize, Option<&[f64; 3]>),
) -> Result<RectPx, String> {
    let mut numbers = [0.0; 4];
    for (number, column) in numbers.iter_mut().zip(form.place) {
        let column = table.column(column)?;
        *number = column.get(row).copied().map_or(f64::NAN, f64::from);
    }
    if form.coordinates == Coordinates::Share {
        let sides = [rules.width_px, rules.height_px];
        for (number, side) in numbers.iter_mut().zip(sides.iter().cycle()) {
            *number *= side;
        }
    }
    let [a, b, c, d] = numbers;
    let around = |x: f64, y: f64, width: f64, height: f64| RectPx {
        x: x - width / 2.0,
        y: y - height / 2.0,
        width,
        height,
    };
    let region = match (form.corners, cell) {
        (Corners::LeftTopRightBottom, _) => RectPx {
            x: a,
            y: b,
            width: c - a,
            height: d - b,
        },
        (Corners::CornerAndSize, _) => RectPx {
            x: a,
            y: b,
            width: c,
            height: d,
        },
        (Corners::YoloxCells, Some([column, row, side])) => around(
            (a + column) * side,
            (b + row) * side,
            c.exp() * side,
            d.exp() * side,
        ),
        (Corners::CentreAndSize | Corners::YoloxCells, _) => around(a, b, c, d),
    };
    let is_finite = [
        region.x,
        region.y,
        region.x + region.width,
        region.y + region.height,
    ]
    .iter()
    .all(|number| number.is_finite());
    if is_finite {
        return Ok(region);
    }
    Err("a box has no finite place".to_owned())
}

/// The cells of the boxes, for places that are told from them.
fn cells(table: &Table<'_>, form: &BoxForm, rules: &BoxRules) -> Result<Vec<[f64; 3]>, String> {
    match form.corners {
        Corners::YoloxCells => yolox_cells(table.n_rows(), rules),
        Corners::LeftTopRightBottom | Corners::CentreAndSize | Corners::CornerAndSize => {
            Ok(Vec::new())
        }
    }
}

/// Column, row and side of the cell of each box: the finest cells first.
fn yolox_cells(n_rows: usize, rules: &BoxRules) -> Result<Vec<[f64; 3]>, String> {
    let mut cells = Vec::with_capacity(n_rows);
    for side in YOLOX_CELLS_PX.map(f64::from) {
        let [columns, rows] = [rules.width_px, rules.height_px].map(|px| whole_cells(px / side));
        for row in 0..rows {
            cells.extend((0..columns).map(|column| [f64::from(column), f64::from(row), side]));
        }
    }
    if cells.len() == n_rows {
        return Ok(cells);
    }
    Err(format!(
        "it has {n_rows} boxes where cells of {YOLOX_CELLS_PX:?} px make {}",
        cells.len()
    ))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an input has at most some thousand pixels a side"
)]
fn whole_cells(cells: f64) -> u32 {
    cells.floor().max(0.0) as u32
}

impl BoxRules {
    fn new(manifest: &Manifest, confidence_threshold: f32, wanted: Wanted) -> Self {
        Self {
            confidence_threshold,
            iou_threshold: None,
            votes: None,
            n_labels: manifest.labels.len(),
            width_px: f64::from(manifest.input.width_px),
            height_px: f64::from(manifest.input.height_px),
            wanted,
        }
    }

    /// The part of a box that lies on the input; `None` where an empty one is left out.
    ///
    /// A box just beside the input becomes a strip at its edge: nets say such boxes now and then, and
    /// no finding is lost. One that is further away is an error of the model.
    fn clip(&self, region: &RectPx) -> Result<Option<RectPx>, String> {
        if self.wanted == Wanted::AsSaid {
            return Ok(Some(*region));
        }
        let x = side(region.x, region.width, self.width_px);
        let y = side(region.y, region.height, self.height_px);
        if let (Some((x, width)), Some((y, height))) = (x, y) {
            return Ok(Some(RectPx {
                x,
                y,
                width,
                height,
            }));
        }
        if self.wanted != Wanted::ByThresholds {
            return Ok(None);
        }
        let (x2, y2) = (region.x + region.width, region.y + region.height);
        Err(format!(
            "the box ({}, {}) to ({x2}, {y2}) has no area on the input of {} x {} px",
            region.x, region.y, self.width_px, self.height_px
        ))
    }
}

/// Start and length of what lies on a side of the input.
fn side(start: f64, length: f64, side: f64) -> Option<(f64, f64)> {
    let (from, to) = (start.max(0.0), (start + length).min(side));
    if from < to {
        return Some((from, to - from));
    }
    let beside = BESIDE_SHARE_MAX * side;
    if 0.0 < length && side <= start && start < side + beside {
        return Some((side - 1.0, 1.0));
    }
    if 0.0 < length && start + length <= 0.0 && -beside < start + length {
        return Some((0.0, 1.0));
    }
    None
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::super::super::layout::{LayoutFile, box_form};
    use super::*;

    const RULES: BoxRules = BoxRules {
        confidence_threshold: 0.5,
        iou_threshold: None,
        votes: None,
        n_labels: 2,
        width_px: 100.0,
        height_px: 50.0,
        wanted: Wanted::ByThresholds,
    };

    fn read(row: [f32; 6]) -> Result<Vec<Candidate>, String> {
        let rows = Array2::from_shape_vec((1, 6), row.to_vec()).unwrap();
        let form = box_form(LayoutFile::BoxesScoresClasses, 2, None).unwrap();
        candidates(&Table(vec![rows.view()]), &form, &RULES)
    }

    #[test]
    fn a_box_is_kept_left_out_or_an_error() {
        let kept = read([-5.0, 10.0, 30.0, 60.0, 0.5, 1.0]).unwrap();
        let region = kept[0].region;
        assert_eq!(
            (region.x, region.y, region.width, region.height),
            (0.0, 10.0, 30.0, 40.0)
        );
        for left_out in [
            [0.0, 0.0, 9.0, 9.0, 0.49, 1.0],
            // Padding.
            [0.0, 0.0, 0.0, 0.0, 0.0, -1.0],
        ] {
            assert_eq!(read(left_out), Ok(vec![]), "{left_out:?}");
        }
        for (wrong, why) in [
            ([0.0, 0.0, 9.0, 9.0, 0.1, 2.0], "class 2 is none of the 2"),
            ([0.0, 0.0, 9.0, 9.0, 0.9, 0.5], "class 0.5 is none of the 2"),
            ([0.0, 0.0, 9.0, 9.0, 0.9, -1.0], "class -1 is none of the 2"),
            ([0.0, 0.0, 9.0, 9.0, 1.01, 1.0], "outside 0 to 1"),
            ([0.0, 0.0, 9.0, 9.0, -0.01, 1.0], "outside 0 to 1"),
            ([9.0, 0.0, 9.0, 9.0, 0.9, 1.0], "has no area"),
            ([9.0, 9.0, 0.0, 0.0, 0.9, 1.0], "has no area"),
            ([200.0, 0.0, 300.0, 9.0, 0.9, 1.0], "has no area"),
        ] {
            assert!(read(wrong).unwrap_err().contains(why), "{wrong:?}");
        }
    }

    #[test]
    fn a_box_just_beside_the_input_is_a_finding_at_its_edge() {
        let region = |row| read(row).unwrap()[0].region;
        let right = region([100.5, 10.0, 120.0, 20.0, 0.9, 1.0]);
        assert_eq!(
            (right.x, right.width, right.y, right.height),
            (99.0, 1.0, 10.0, 10.0)
        );
        let above = region([10.0, -8.0, 20.0, -2.0, 0.9, 1.0]);
        assert_eq!((above.y, above.height), (0.0, 1.0));
        assert!(read([106.0, 0.0, 120.0, 9.0, 0.9, 1.0]).is_err());
    }

    #[test]
    fn yolo_takes_the_best_class_of_each_column() {
        let columns = array![[50.0], [25.0], [20.0], [10.0], [0.6], [0.7]];
        let form = box_form(LayoutFile::Yolo, 2, None).unwrap();
        let found = candidates(&Table(vec![columns.t()]), &form, &RULES).unwrap();
        assert_eq!((found.len(), found[0].class), (1, 1));
        assert_eq!((found[0].region.x, found[0].region.y), (40.0, 20.0));
    }
}
