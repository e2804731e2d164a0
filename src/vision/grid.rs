//! The map to a part that lies elsewhere, worked out anew for every part.
//!
//! The places of every so many pixels are exact; lens and plane bend so little in between that straight
//! lines are true to a hundredth of a pixel, at a hundredth of the work. They are drawn in whole numbers,
//! as the maps with which `cv::remap` is quickest.

use opencv::core::Vec2s;

use super::sampling::Map;
use crate::domain::{PointPx, SizePx};

/// Pixels between two places.
pub(super) const GRID: u32 = 16;
/// `cv::remap` takes one of 32 places between two pixels.
const PLACE_BITS: u32 = 5;
/// Steps are counted in parts of such a place, so that sixteen of them still end where they should.
const PART_BITS: u32 = 11;

/// The places of every so many pixels of a map of this size.
pub(super) struct Grid {
    size: SizePx,
    columns: usize,
    places: Vec<PointPx>,
}

/// A coordinate along some pixels of a row, in parts of a place.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    first: i32,
    step: i32,
}

impl Grid {
    pub(super) fn new(size: SizePx, place: impl Fn(PointPx) -> PointPx) -> Self {
        // One more than the last pixel needs, so that every pixel has a neighbour on both sides.
        let [columns, rows] = [size.width_px, size.height_px].map(|side| side.div_ceil(GRID) + 1);
        let nodes = (0..rows).flat_map(|y| (0..columns).map(move |x| (x, y)));
        let places = nodes.map(|(x, y)| {
            place(PointPx {
                x: f64::from(x * GRID),
                y: f64::from(y * GRID),
            })
        });
        Self {
            size,
            columns: columns as usize,
            places: places.collect(),
        }
    }

    /// Draws the map, in the memory of the one before.
    pub(super) fn draw(&self, map: &mut Map) {
        let (whole, fraction) = map.resized(self.size);
        let width = self.size.width_px.max(1) as usize;
        let rows = whole
            .chunks_exact_mut(width)
            .zip(fraction.chunks_exact_mut(width));
        for (y, (whole, fraction)) in rows.enumerate() {
            let pixels = whole
                .chunks_mut(GRID as usize)
                .zip(fraction.chunks_mut(GRID as usize));
            for (stretches, (whole, fraction)) in self.row(y).zip(pixels) {
                draw(stretches, whole, fraction);
            }
        }
    }

    /// From place to place along a row: both coordinates.
    fn row(&self, y: usize) -> impl Iterator<Item = [Stretch; 2]> {
        let grid = GRID as usize;
        let share = (y % grid) as f64 / f64::from(GRID);
        let mut rows = self.places.chunks_exact(self.columns).skip(y / grid);
        let [upper, lower] = [rows.next(), rows.next()].map(Option::unwrap_or_default);
        let between = move |upper: f64, lower: f64| parts(upper + share * (lower - upper));
        let nodes = upper
            .iter()
            .zip(lower)
            .map(move |(upper, lower)| [between(upper.x, lower.x), between(upper.y, lower.y)]);
        let following = nodes.clone().skip(1);
        nodes.zip(following).map(|([x, y], [x_end, y_end])| {
            [(x, x_end), (y, y_end)].map(|(first, end)| Stretch {
                first,
                step: end.wrapping_sub(first) / GRID.cast_signed(),
            })
        })
    }
}

impl Stretch {
    // No place of a frame is farther from another than the numbers reach, so nothing wraps.
    fn at(self, pixel: i32) -> i32 {
        self.first.wrapping_add(self.step.wrapping_mul(pixel))
    }

    /// The nearest place between pixels.
    fn place(self, pixel: i32) -> i32 {
        self.at(pixel).wrapping_add(1 << (PART_BITS - 1)) >> PART_BITS
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a place beyond the reach of `cv::remap`, which is 32767 px, is as far as it goes"
)]
fn parts(px: f64) -> i32 {
    (px * f64::from(1 << (PLACE_BITS + PART_BITS))) as i32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole pixels have 16 bits left, a fraction has five for each coordinate"
)]
fn draw([across, down]: [Stretch; 2], whole: &mut [Vec2s], fraction: &mut [u16]) {
    let within = (1 << PLACE_BITS) - 1;
    for ((pixel, whole), fraction) in (0..).zip(whole).zip(fraction) {
        let (x, y) = (across.place(pixel), down.place(pixel));
        *whole = Vec2s::from_array([(x >> PLACE_BITS) as i16, (y >> PLACE_BITS) as i16]);
        *fraction = (((y & within) << PLACE_BITS) | (x & within)) as u16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibration::{Lens, Placed, Projection};
    use crate::domain::{Placement, PointMm, RectPx};
    use crate::vision::sampling::Geometry;
    use crate::vision::view::PixelRect;
    use crate::vision::window::Window;

    #[test]
    fn straight_lines_between_the_grids_places_are_true_to_a_hundredth_of_a_pixel() {
        let lens = Lens {
            focal_px: [1650.0, 1640.0],
            center_px: PointPx { x: 511.5, y: 383.5 },
            distortion: [-0.2, 0.08, 0.001, -0.0007, 0.0],
        };
        let plane = [[0.2, 0.01, -3.0], [-0.008, 0.21, 4.0], [4e-5, 8e-5, 1.0]];
        let placement = Placement {
            pivot: PointMm { x: 90.0, y: 70.0 },
            shift: PointMm { x: 4.0, y: -3.0 },
            turn_deg: 4.0,
            score: 1.0,
        };
        let frame_size = SizePx {
            width_px: 1024,
            height_px: 768,
        };
        let region = RectPx {
            x: 100.0,
            y: 80.0,
            width: 801.0,
            height: 607.0,
        };
        let geometry = Geometry {
            region: PixelRect::within(region, frame_size).unwrap(),
            window: Window {
                x: 0,
                y: 0,
                width: 400,
                height: 300,
            },
            lens: Some(lens),
            placed: Some(Placed {
                projection: Projection::new(Some(lens), plane),
                placement,
            }),
        };
        let size = geometry.region.size();
        let scaled = geometry.scaled(size);
        let grid = Grid::new(size, |place| scaled.original_from_input(place));
        let mut map = Map::default();
        grid.draw(&mut map);
        let mut drawn = map.places();
        let (mut most_px, mut most_drawn_px): (f64, f64) = (0.0, 0.0);
        for y in 0..size.height_px {
            let pixels = grid
                .row(y as usize)
                .flat_map(|stretches| (0..GRID.cast_signed()).map(move |at| (stretches, at)));
            for (x, ([across, down], at)) in (0..size.width_px).zip(pixels) {
                // There and back through the lens, as the region's own way does not go.
                let straight = PointPx {
                    x: f64::from(x) + region.x,
                    y: f64::from(y) + region.y,
                };
                let home = geometry.lens.unwrap().distort(straight);
                let exact = geometry.placed.unwrap().now_from_home(home);
                let whole = f64::from(1 << (PLACE_BITS + PART_BITS));
                let [column, row] = [across, down].map(|axis| f64::from(axis.at(at)) / whole);
                most_px = most_px.max((exact.x - column).hypot(exact.y - row));
                let drawn = drawn.next().unwrap();
                let off_px = (drawn.x - column).abs().max((drawn.y - row).abs());
                most_drawn_px = most_drawn_px.max(off_px);
            }
        }
        assert!(most_px < 0.01, "{most_px} px");
        assert!(most_drawn_px < 0.51 / 32.0, "{most_drawn_px} px");
        assert_eq!(drawn.next(), None);
    }
}
