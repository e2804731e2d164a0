//! From pixels to the part's plane and back, and where a part that lies elsewhere is seen.

use super::Lens;
use crate::domain::{Placement, PointMm, PointPx};

/// How a camera sees the part's plane, both ways.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Projection {
    lens: Option<Lens>,
    mm_from_px: [[f64; 3]; 3],
    px_from_mm: [[f64; 3]; 3],
}

impl Projection {
    /// From the lens and the homography that takes undistorted pixels to the plane.
    pub fn new(lens: Option<Lens>, mm_from_px: [[f64; 3]; 3]) -> Self {
        Self {
            lens,
            mm_from_px,
            px_from_mm: inverse_up_to_scale(mm_from_px),
        }
    }

    /// Where a pixel of the frame as the camera gave it lies on the part's plane.
    pub fn mm_from_px(&self, point: PointPx) -> PointMm {
        self.mm_from_straight_px(self.lens.map_or(point, |lens| lens.undistort(point)))
    }

    /// The same for a pixel with the lens taken out.
    pub fn mm_from_straight_px(&self, straight: PointPx) -> PointMm {
        let [x, y] = through(self.mm_from_px, [straight.x, straight.y]);
        PointMm { x, y }
    }

    /// Millimetres of a pixel at a place of the frame: the longer of its sides.
    pub fn mm_per_px(&self, place: PointPx) -> f64 {
        let side = |dx: f64, dy: f64| {
            let [from, to] = [-0.5, 0.5].map(|half| {
                self.mm_from_px(PointPx {
                    x: place.x + half * dx,
                    y: place.y + half * dy,
                })
            });
            (to.x - from.x).hypot(to.y - from.y)
        };
        side(1.0, 0.0).max(side(0.0, 1.0))
    }

    /// Where the camera sees a place of the part's plane; the way back of [`Self::mm_from_px`].
    pub fn px_from_mm(&self, point: PointMm) -> PointPx {
        let [x, y] = through(self.px_from_mm, [point.x, point.y]);
        let flat = PointPx { x, y };
        self.lens.map_or(flat, |lens| lens.distort(flat))
    }
}

/// A part that lies elsewhere than that of the reference picture, as the camera sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed {
    /// The camera.
    pub projection: Projection,
    /// Where the part lies.
    pub placement: Placement,
}

impl Placed {
    /// Where in this frame the place is seen that the reference picture shows at `home`.
    pub fn now_from_home(&self, home: PointPx) -> PointPx {
        let place = self.projection.mm_from_px(home);
        self.projection
            .px_from_mm(self.placement.now_from_home(place))
    }

    /// The same, told by a pixel of the reference picture with its lens taken out.
    pub fn now_from_straight_home(&self, home: PointPx) -> PointPx {
        let place = self.projection.mm_from_straight_px(home);
        self.projection
            .px_from_mm(self.placement.now_from_home(place))
    }

    /// Where the reference picture shows the place that is seen here now.
    pub fn home_from_now(&self, now: PointPx) -> PointPx {
        let place = self.projection.mm_from_px(now);
        self.projection
            .px_from_mm(self.placement.home_from_now(place))
    }
}

fn through(homography: [[f64; 3]; 3], point: [f64; 2]) -> [f64; 2] {
    let [x, y, scale] = homography.map(|row| row[0] * point[0] + row[1] * point[1] + row[2]);
    [x / scale, y / scale]
}

/// The adjugate: for a homography as good as the inverse, and never a division by nothing.
#[expect(
    clippy::many_single_char_names,
    reason = "the textbook's inverse of a 3 x 3 matrix"
)]
fn inverse_up_to_scale([[a, b, c], [d, e, f], [g, h, i]]: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    [
        [e * i - f * h, c * h - b * i, b * f - c * e],
        [f * g - d * i, a * i - c * g, c * d - a * f],
        [d * h - e * g, b * g - a * h, a * e - b * d],
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A camera that looks down askew through a lens.
    fn tilted() -> Projection {
        let lens = Lens {
            focal_px: [1650.0, 1640.0],
            center_px: PointPx { x: 511.5, y: 383.5 },
            distortion: [-0.12, 0.05, 0.0004, -0.0003, 0.0],
        };
        let plane = [[0.2, 0.01, -3.0], [-0.008, 0.21, 4.0], [1e-5, 2e-5, 1.0]];
        Projection::new(Some(lens), plane)
    }

    proptest! {
        #[test]
        fn px_to_mm_and_back_is_the_same_pixel(x in 0.0..1024.0f64, y in 0.0..768.0f64) {
            let back = tilted().px_from_mm(tilted().mm_from_px(PointPx { x, y }));
            prop_assert!((back.x - x).hypot(back.y - y) < 1e-6, "({x}, {y}) came back as {back:?}");
        }

        #[test]
        fn a_placed_part_is_found_and_brought_back(
            x in 200.0..800.0f64, y in 200.0..600.0f64,
            dx in -8.0..8.0f64, dy in -8.0..8.0f64, turn_deg in -5.0..5.0f64,
        ) {
            let placement = Placement {
                pivot: PointMm { x: 100.0, y: 80.0 },
                shift: PointMm { x: dx, y: dy },
                turn_deg,
                score: 1.0,
            };
            let placed = Placed { projection: tilted(), placement };
            let home = PointPx { x, y };
            let now = placed.now_from_home(home);
            let moved = placement.now_from_home(tilted().mm_from_px(home));
            let seen = tilted().mm_from_px(now);
            prop_assert!((seen.x - moved.x).hypot(seen.y - moved.y) < 1e-6);
            let back = placed.home_from_now(now);
            prop_assert!((back.x - x).hypot(back.y - y) < 1e-5, "({x}, {y}) came back as {back:?}");
        }
    }
}
