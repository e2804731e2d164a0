//! From a map of scores to regions: connected cells over a threshold, with their outlines.
//!
//! An outline follows the outer edges of the cells, not their centres: a defect of two cells is two
//! cells long, and the outline's area is the cells' area, holes filled in.

use ndarray::ArrayView2;
use opencv::core::{CV_32S, Mat};
use opencv::imgproc;
use opencv::prelude::*;

use super::VisionError;
use crate::domain::PointPx;

/// Most regions of one map; more are noise, and each costs a measurement.
pub const REGIONS_MAX: usize = 1000;

/// Cells of a map that hang together, corners included.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// Mean of the map over the region's cells.
    pub mean: f32,
    /// Greatest value of the map in the region.
    pub max: f32,
    /// Number of cells.
    pub area_cells: f64,
    /// The outer outline, closed, clockwise, at least four points, in cells: (0, 0) is the centre of
    /// the first cell, so the outline of that cell alone runs from -0.5 to 0.5.
    pub outline: Vec<PointPx>,
}

/// Finds the regions of at least `area_min_cells` where the map reaches the threshold; the largest
/// comes first.
///
/// # Errors
/// [`VisionError::NotFinite`] if a value is no number, [`VisionError::TooManyRegions`] over
/// [`REGIONS_MAX`]; the view is answered `Model`.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a view is passed by value, as a slice is"
)]
pub fn regions(
    map: ArrayView2<'_, f32>,
    threshold: f32,
    area_min_cells: u32,
) -> Result<Vec<Region>, VisionError> {
    let n_cells = map.iter().filter(|value| !value.is_finite()).count();
    if 0 < n_cells || !threshold.is_finite() {
        return Err(VisionError::NotFinite { n_cells });
    }
    // Most maps of good parts end here.
    if !map.iter().any(|value| threshold <= *value) {
        return Ok(Vec::new());
    }
    let grid =
        Grid::label(&map, threshold).map_err(VisionError::opencv("label the regions of a map"))?;
    let mut found: Vec<Sum> = grid.sums(&map);
    found.retain(|sum| u64::from(area_min_cells) <= sum.n_cells);
    if REGIONS_MAX < found.len() {
        return Err(VisionError::TooManyRegions {
            found: found.len(),
            max: REGIONS_MAX,
        });
    }
    // Equal areas keep the order of their first cells.
    found.sort_by_key(|sum| std::cmp::Reverse(sum.n_cells));
    Ok(found.iter().map(|sum| sum.region(&grid)).collect())
}

/// Which region each cell belongs to; 0 is none.
struct Grid {
    labels: Vec<i32>,
    n_labels: usize,
    width: usize,
}

/// What is added up over one region.
#[derive(Clone)]
struct Sum {
    label: i32,
    first_cell: usize,
    n_cells: u64,
    total: f64,
    max: f32,
}

impl Grid {
    fn label(map: &ArrayView2<'_, f32>, threshold: f32) -> opencv::Result<Self> {
        let (height, width) = map.dim();
        let over: Vec<u8> = map
            .iter()
            .map(|value| u8::from(threshold <= *value))
            .collect();
        let rows = i32::try_from(height).unwrap_or(i32::MAX);
        let columns = i32::try_from(width).unwrap_or(i32::MAX);
        let mask = Mat::new_rows_cols_with_data(rows, columns, &over)?;
        let mut labels = Mat::default();
        let n_labels = imgproc::connected_components(&mask, &mut labels, 8, CV_32S)?;
        Ok(Self {
            labels: labels.data_typed::<i32>()?.to_vec(),
            n_labels: usize::try_from(n_labels).unwrap_or_default(),
            width,
        })
    }

    fn sums(&self, map: &ArrayView2<'_, f32>) -> Vec<Sum> {
        let empty = Sum {
            label: 0,
            first_cell: 0,
            n_cells: 0,
            total: 0.0,
            max: f32::NEG_INFINITY,
        };
        let mut sums = vec![empty; self.n_labels];
        for (cell, (label, value)) in self.labels.iter().zip(map.iter()).enumerate() {
            let slot = usize::try_from(*label).ok().filter(|index| 0 < *index);
            let Some(sum) = slot.and_then(|index| sums.get_mut(index)) else {
                continue;
            };
            if sum.n_cells == 0 {
                sum.label = *label;
                sum.first_cell = cell;
            }
            sum.n_cells += 1;
            sum.total += f64::from(*value);
            sum.max = sum.max.max(*value);
        }
        sums.retain(|sum| 0 < sum.n_cells);
        sums
    }

    /// Whether the cell is in the region; cells beyond the edge are in none.
    fn has(&self, label: i32, column: i64, row: i64) -> bool {
        let inside = usize::try_from(column)
            .ok()
            .filter(|column| *column < self.width)
            .zip(usize::try_from(row).ok());
        inside.and_then(|(column, row)| self.labels.get(row * self.width + column)) == Some(&label)
    }

    /// Walks along the outer edges of the region's cells, the region always at the right hand.
    fn outline(&self, sum: &Sum) -> Vec<PointPx> {
        // The first cell of a region has nothing above it: start on its upper edge, eastwards.
        let start = (
            i64::try_from(sum.first_cell % self.width).unwrap_or_default(),
            i64::try_from(sum.first_cell / self.width).unwrap_or_default(),
        );
        let mut corner = start;
        let mut heading = (1, 0);
        let mut outline = Vec::new();
        // Each cell has four edges, and each edge is walked once.
        for _ in 0..4 * sum.n_cells {
            corner = (corner.0 + heading.0, corner.1 + heading.1);
            let (dx, dy) = heading;
            let left = cell_ahead(corner, heading, (dy, -dx));
            let right = cell_ahead(corner, heading, (-dy, dx));
            let turned = if self.has(sum.label, left.0, left.1) {
                // Left also where only corners touch: corners hang together.
                (dy, -dx)
            } else if self.has(sum.label, right.0, right.1) {
                heading
            } else {
                (-dy, dx)
            };
            if turned != heading {
                outline.push(PointPx {
                    x: corner.0 as f64 - 0.5,
                    y: corner.1 as f64 - 0.5,
                });
                heading = turned;
            }
            if corner == start && heading == (1, 0) {
                break;
            }
        }
        outline
    }
}

/// The cell that touches `corner` ahead of `heading` on `side`; corner (0, 0) is the upper left one
/// of cell (0, 0).
fn cell_ahead(corner: (i64, i64), heading: (i64, i64), side: (i64, i64)) -> (i64, i64) {
    // One of heading and side goes along columns, the other along rows: each sum is 1 or -1.
    let (right, down) = (heading.0 + side.0, heading.1 + side.1);
    (corner.0 + (right - 1) / 2, corner.1 + (down - 1) / 2)
}

impl Sum {
    fn region(&self, grid: &Grid) -> Region {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the mean of f32 values lies between them"
        )]
        let mean = (self.total / self.n_cells as f64) as f32;
        Region {
            mean,
            max: self.max,
            area_cells: self.n_cells as f64,
            outline: grid.outline(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::*;

    /// A map as drawn: `.` is 0, a digit is itself.
    fn map(rows: &[&str]) -> Array2<f32> {
        let values = rows.iter().flat_map(|row| row.chars());
        let values = values.map(|c| c.to_digit(10).unwrap_or(0) as f32);
        Array2::from_shape_vec((rows.len(), rows[0].len()), values.collect()).unwrap()
    }

    fn area(outline: &[PointPx]) -> f64 {
        let following = outline.iter().cycle().skip(1);
        outline
            .iter()
            .zip(following)
            .map(|(a, b)| a.x * b.y - b.x * a.y)
            .sum::<f64>()
            / 2.0
    }

    fn corners(outline: &[PointPx]) -> Vec<(f64, f64)> {
        outline.iter().map(|p| (p.x, p.y)).collect()
    }

    #[test]
    fn a_hand_made_map_falls_into_its_regions() {
        let drawn = map(&[
            "....5....", //
            ".33......", //
            ".33....6.", //
            "...3..6.6", //
            "......666", //
            "2........",
        ]);
        let found = regions(drawn.view(), 3.0, 1).unwrap();
        let figures: Vec<_> = found
            .iter()
            .map(|r| (r.area_cells, r.mean, r.max, area(&r.outline)))
            .collect();
        assert_eq!(
            figures,
            [
                // A ring of six around a hole: the outline fills the hole in.
                (6.0, 6.0, 6.0, 7.0),
                // A square and a cell that touches it at a corner.
                (5.0, 3.0, 3.0, 5.0),
                (1.0, 5.0, 5.0, 1.0),
            ]
        );
        assert_eq!(
            corners(&found[2].outline),
            [(4.5, -0.5), (4.5, 0.5), (3.5, 0.5), (3.5, -0.5)]
        );
        assert_eq!(regions(drawn.view(), 3.0, 5).unwrap().len(), 2);
        assert_eq!(regions(drawn.view(), 7.0, 1).unwrap().len(), 0);
        assert_eq!(regions(drawn.view(), 0.0, 1).unwrap().len(), 1);
    }

    #[test]
    fn two_cells_are_two_cells_long() {
        let found = regions(map(&["....", ".99.", "...."]).view(), 9.0, 1).unwrap();
        assert_eq!(
            corners(&found[0].outline),
            [(2.5, 0.5), (2.5, 1.5), (0.5, 1.5), (0.5, 0.5)]
        );
        let diagonal = regions(map(&["9.", ".9"]).view(), 9.0, 1).unwrap();
        assert_eq!(diagonal.len(), 1);
        assert!((area(&diagonal[0].outline) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn noise_is_an_error_and_not_cut_short() {
        let noise = Array2::from_shape_fn((80, 80), |(y, x)| f32::from(x % 2 == 0 && y % 2 == 0));
        assert_eq!(
            regions(noise.view(), 0.5, 1).unwrap_err().to_string(),
            "the map has 1600 regions, more than 1000; raise the pixel threshold or the least area"
        );
        assert_eq!(regions(noise.view(), 0.5, 2).unwrap().len(), 0);
    }

    #[test]
    fn values_that_are_no_numbers_are_an_error() {
        let mut broken = map(&["123", "456"]);
        broken[[1, 1]] = f32::NAN;
        broken[[0, 0]] = f32::INFINITY;
        assert_eq!(
            regions(broken.view(), 9.0, 1).unwrap_err().to_string(),
            "the map has 2 values that are not finite; the model is broken or badly fed"
        );
        assert!(regions(map(&["1"]).view(), f32::NAN, 1).is_err());
        assert!(
            regions(Array2::zeros((0, 0)).view(), 0.5, 1)
                .unwrap()
                .is_empty()
        );
    }

    proptest! {
        #[test]
        fn outlines_hold_all_cells_and_are_simple(cells in proptest::collection::vec(0u8..3, 56)) {
            let map = Array2::from_shape_vec((7, 8), cells.iter().map(|c| f32::from(*c == 0)).collect()).unwrap();
            let found = regions(map.view(), 0.5, 1).unwrap();
            let n_cells: f64 = found.iter().map(|r| r.area_cells).sum();
            prop_assert!((n_cells - f64::from(map.sum())).abs() < 1e-6);
            for region in &found {
                prop_assert!(4 <= region.outline.len());
                // Holes are filled in, nothing is lost.
                prop_assert!(region.area_cells <= area(&region.outline) + 1e-9);
                // Clockwise on the screen, and each edge is upright or level.
                let following = region.outline.iter().cycle().skip(1);
                for (a, b) in region.outline.iter().zip(following) {
                    prop_assert!(((a.x - b.x).abs() < 1e-9) != ((a.y - b.y).abs() < 1e-9));
                }
            }
        }
    }
}
