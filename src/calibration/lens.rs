//! The lens: pinhole and Brown-Conrady distortion (Brown 1966, Conrady 1919), in `OpenCV`'s order of terms.

use crate::domain::PointPx;

/// Most steps of the fixed-point iteration that takes distortion out; mild lenses need 5.
const UNDISTORT_STEPS: usize = 20;
/// A step so small is the last one: a thousandth of a millionth of a pixel.
const UNDISTORT_STEP_MIN: f64 = 1e-12;

/// A camera matrix and its distortion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lens {
    /// Focal lengths along columns and rows.
    pub focal_px: [f64; 2],
    /// The principal point.
    pub center_px: PointPx,
    /// `k1, k2, p1, p2, k3`.
    pub distortion: [f64; 5],
}

impl Lens {
    /// fx, fy, cx, cy, k1, k2, p1, p2, k3.
    pub fn parameters(&self) -> [f64; 9] {
        let [fx, fy] = self.focal_px;
        let [k1, k2, p1, p2, k3] = self.distortion;
        let PointPx { x: cx, y: cy } = self.center_px;
        [fx, fy, cx, cy, k1, k2, p1, p2, k3]
    }

    /// The way back of [`Self::parameters`].
    pub fn from_parameters([fx, fy, cx, cy, k1, k2, p1, p2, k3]: [f64; 9]) -> Self {
        Self {
            focal_px: [fx, fy],
            center_px: PointPx { x: cx, y: cy },
            distortion: [k1, k2, p1, p2, k3],
        }
    }

    /// Where a point of the undistorted image lies in the image as the camera gave it.
    pub fn distort(&self, undistorted: PointPx) -> PointPx {
        let x = (undistorted.x - self.center_px.x) / self.focal_px[0];
        let y = (undistorted.y - self.center_px.y) / self.focal_px[1];
        let (x, y) = self.distort_ray(x, y);
        self.project(x, y)
    }

    /// Where a point of the image as the camera gave it lies in the undistorted image.
    pub fn undistort(&self, distorted: PointPx) -> PointPx {
        let x0 = (distorted.x - self.center_px.x) / self.focal_px[0];
        let y0 = (distorted.y - self.center_px.y) / self.focal_px[1];
        let (mut x, mut y) = (x0, y0);
        for _ in 0..UNDISTORT_STEPS {
            let (xd, yd) = self.distort_ray(x, y);
            x += x0 - xd;
            y += y0 - yd;
            if (x0 - xd).abs().max((y0 - yd).abs()) < UNDISTORT_STEP_MIN {
                break;
            }
        }
        self.project(x, y)
    }

    fn project(&self, x: f64, y: f64) -> PointPx {
        PointPx {
            x: x * self.focal_px[0] + self.center_px.x,
            y: y * self.focal_px[1] + self.center_px.y,
        }
    }

    fn distort_ray(&self, x: f64, y: f64) -> (f64, f64) {
        let [k1, k2, p1, p2, k3] = self.distortion;
        let r2 = x * x + y * y;
        let radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3));
        (
            x * radial + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x),
            y * radial + p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y,
        )
    }
}
