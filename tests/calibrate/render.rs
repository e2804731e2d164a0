//! Boards as a camera with a known lens would see them: every pixel is the mean of points of its area,
//! each traced through the lens to the board's plane. Nothing is interpolated, so the truth is exact.

use taktgate::calibration::{Board, Chance, Lens, Pattern};
use taktgate::domain::{PixelFormat, PointMm, PointPx, SizePx};
use taktgate::vision::Picture;

/// Samples along each side of a pixel.
const FINE: u32 = 3;
const BLACK: f64 = 30.0;
const WHITE: f64 = 215.0;

/// A camera whose rays are known.
pub(crate) struct Camera {
    pub(crate) size: SizePx,
    /// The ray of each sample, pixel by pixel.
    rays: Vec<[f64; 2]>,
}

/// Where the board is: turned about its own x, y and z axes, then moved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pose {
    pub(crate) turn_deg: [f64; 3],
    /// Of the board's middle, from the camera.
    pub(crate) middle_mm: [f64; 3],
}

impl Camera {
    pub(crate) fn new(lens: Lens, size: SizePx) -> Self {
        let fine = f64::from(FINE);
        let offsets: Vec<f64> = (0..FINE)
            .map(|i| (f64::from(i) + 0.5) / fine - 0.5)
            .collect();
        let mut rays = Vec::new();
        for (y, x) in (0..size.height_px).flat_map(|y| (0..size.width_px).map(move |x| (y, x))) {
            for (v, u) in offsets
                .iter()
                .flat_map(|v| offsets.iter().map(move |u| (v, u)))
            {
                let seen = PointPx {
                    x: f64::from(x) + u,
                    y: f64::from(y) + v,
                };
                let flat = lens.undistort(seen);
                rays.push([
                    (flat.x - lens.center_px.x) / lens.focal_px[0],
                    (flat.y - lens.center_px.y) / lens.focal_px[1],
                ]);
            }
        }
        Self { size, rays }
    }

    /// The board in this pose, a little noisy, with a white border of one and a half squares.
    pub(crate) fn picture(&self, board: &Board, pose: &Pose, noise: f64, seed: u64) -> Picture {
        let placed = Placed::new(board, pose);
        self.seen(&placed, |at| placed.light_at(at), noise, seed)
    }

    /// What lies on the plane of the board in this pose, told in the board's own millimetres.
    pub(crate) fn on_plane(
        &self,
        (board, pose): (&Board, &Pose),
        light: impl Fn(PointMm) -> f64,
        noise: f64,
        seed: u64,
    ) -> Picture {
        self.seen(&Placed::new(board, pose), light, noise, seed)
    }

    fn seen(
        &self,
        placed: &Placed,
        light: impl Fn(PointMm) -> f64,
        noise: f64,
        seed: u64,
    ) -> Picture {
        let mut chance = Chance::new(seed);
        let samples = usize::try_from(FINE * FINE).unwrap();
        let pixels = self.rays.chunks_exact(samples).map(|rays| {
            let seen = rays.iter().map(|ray| light(placed.meets(*ray)));
            let level = seen.sum::<f64>() / samples as f64 + noise * chance.normal();
            level.round().clamp(0.0, 255.0) as u8
        });
        Picture {
            size: self.size,
            format: PixelFormat::Gray8,
            pixels: pixels.collect(),
        }
    }
}

/// Where a lens sees a place of the board.
pub(crate) fn sees(lens: &Lens, board: &Board, pose: &Pose, at: PointMm) -> PointPx {
    let [x, y, z] = Placed::new(board, pose).in_camera(at);
    lens.distort(PointPx {
        x: lens.focal_px[0] * x / z + lens.center_px.x,
        y: lens.focal_px[1] * y / z + lens.center_px.y,
    })
}

/// A board in its pose; its own coordinates are those of [`Board::points_mm`].
struct Placed {
    pattern: Pattern,
    /// Pitch and the middle of the points.
    pitch: f64,
    middle: PointMm,
    extent: PointMm,
    /// Circles of a row, and their distance in pitches.
    columns: f64,
    step: f64,
    axes: [[f64; 3]; 3],
    origin: [f64; 3],
}

impl Placed {
    fn new(board: &Board, pose: &Pose) -> Self {
        let points = board.points_mm();
        let step = match board.pattern() {
            Pattern::Chessboard | Pattern::Circles => 1.0,
            Pattern::AsymmetricCircles => 2.0,
        };
        let pitch = (points[1].x - points[0].x) / step;
        let far = |of: fn(&PointMm) -> f64| points.iter().map(of).fold(0.0, f64::max);
        let extent = PointMm {
            x: far(|p| p.x),
            y: far(|p| p.y),
        };
        let [a, b, c] = pose.turn_deg.map(f64::to_radians);
        let about_x = [
            [1., 0., 0.],
            [0., a.cos(), -a.sin()],
            [0., a.sin(), a.cos()],
        ];
        let about_y = [
            [b.cos(), 0., b.sin()],
            [0., 1., 0.],
            [-b.sin(), 0., b.cos()],
        ];
        let about_z = [
            [c.cos(), -c.sin(), 0.],
            [c.sin(), c.cos(), 0.],
            [0., 0., 1.],
        ];
        Self {
            pattern: board.pattern(),
            pitch,
            middle: PointMm {
                x: extent.x / 2.0,
                y: extent.y / 2.0,
            },
            extent,
            columns: board.columns().into(),
            step,
            axes: times(&about_y, &times(&about_x, &about_z)),
            origin: pose.middle_mm,
        }
    }

    fn in_camera(&self, at: PointMm) -> [f64; 3] {
        let (x, y) = (at.x - self.middle.x, at.y - self.middle.y);
        let mut place = self.origin;
        for (value, [along_x, along_y, _]) in place.iter_mut().zip(self.axes) {
            *value += along_x * x + along_y * y;
        }
        place
    }

    /// The place of the board's plane that a ray meets.
    fn meets(&self, [x, y]: [f64; 2]) -> PointMm {
        let column = |at: usize| [self.axes[0][at], self.axes[1][at], self.axes[2][at]];
        let (along_x, along_y, normal) = (column(0), column(1), column(2));
        let ray = [x, y, 1.0];
        let far = dot(&normal, &self.origin) / dot(&normal, &ray);
        let mut on_board = [0.0; 3];
        for ((value, ray), origin) in on_board.iter_mut().zip(ray).zip(self.origin) {
            *value = far * ray - origin;
        }
        PointMm {
            x: dot(&along_x, &on_board) + self.middle.x,
            y: dot(&along_y, &on_board) + self.middle.y,
        }
    }

    /// How bright the board is at a place; grey beside it.
    fn light_at(&self, PointMm { x, y }: PointMm) -> f64 {
        let is_within = |over: f64| {
            (-over..=self.extent.x + over).contains(&x)
                && (-over..=self.extent.y + over).contains(&y)
        };
        let is_black = match self.pattern {
            // Black and white squares reach one square around the inner corners.
            Pattern::Chessboard => {
                let square = (x / self.pitch).floor() + (y / self.pitch).floor();
                is_within(self.pitch) && square.rem_euclid(2.0) < 0.5
            }
            Pattern::Circles | Pattern::AsymmetricCircles => {
                let (step, row) = (self.step, (y / self.pitch).round());
                let moved = (step - 1.0) * row.rem_euclid(2.0);
                let column = ((x / self.pitch - moved) / step).round();
                let off = (x - (step * column + moved) * self.pitch).hypot(y - row * self.pitch);
                let is_there = (0.0..self.columns).contains(&column);
                is_there && is_within(0.45 * self.pitch) && off < 0.3 * step.sqrt() * self.pitch
            }
        };
        if is_black {
            BLACK
        } else if is_within(2.5 * self.pitch) {
            WHITE
        } else {
            0.5 * (BLACK + WHITE)
        }
    }
}

fn dot(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn times(a: &[[f64; 3]; 3], b: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    a.map(|row| [0, 1, 2].map(|at| dot(&row, &[b[0][at], b[1][at], b[2][at]])))
}

pub(crate) const SIZE: SizePx = SizePx {
    width_px: 1024,
    height_px: 768,
};

/// The lens of the tests: 0.1 mm a pixel at 120 mm, and it bends straight lines by some pixels.
pub(crate) const LENS: Lens = Lens {
    focal_px: [1200.0, 1196.0],
    center_px: PointPx { x: 524.0, y: 371.0 },
    distortion: [-0.18, 0.09, 0.0006, -0.0004, 0.0],
};

pub(crate) fn camera() -> Camera {
    Camera::new(LENS, SIZE)
}

/// What lies on the plane: larger, so that it fills the picture.
pub(crate) fn plane_board() -> Board {
    Board::new(Pattern::Chessboard, 11, 8, 8.0).unwrap()
}

/// Flat on the plane, at 0.1 mm a pixel, a little turned as boards lie.
pub(crate) const ON_PLANE: Pose = Pose {
    turn_deg: [0.6, -0.4, 2.0],
    middle_mm: [0.5, -0.3, 120.0],
};

pub(crate) fn chessboard() -> Board {
    Board::new(Pattern::Chessboard, 9, 6, 8.0).unwrap()
}

/// Fourteen poses as a person would hold a board: flat and tilted, in the middle and in the corners.
pub(crate) fn poses() -> Vec<Pose> {
    let held = [
        ([0.0, 0.0, 0.0], [0.0, 0.0, 130.0]),
        ([25.0, 0.0, 5.0], [0.0, 4.0, 135.0]),
        ([-25.0, 5.0, -5.0], [2.0, -5.0, 140.0]),
        ([0.0, 28.0, 10.0], [5.0, 0.0, 135.0]),
        ([4.0, -28.0, 0.0], [-5.0, 2.0, 138.0]),
        ([20.0, 20.0, 30.0], [0.0, 0.0, 165.0]),
        ([-20.0, 22.0, -30.0], [0.0, 0.0, 165.0]),
        ([22.0, -20.0, 90.0], [0.0, 0.0, 170.0]),
        ([10.0, 10.0, 0.0], [-26.0, -18.0, 165.0]),
        ([-10.0, -12.0, 8.0], [26.0, -18.0, 165.0]),
        ([12.0, -10.0, -6.0], [-26.0, 20.0, 168.0]),
        ([-14.0, 10.0, 3.0], [25.0, 20.0, 168.0]),
        ([30.0, 8.0, 180.0], [0.0, -10.0, 150.0]),
        ([-8.0, -30.0, 175.0], [8.0, 6.0, 150.0]),
    ];
    let pose = |(turn_deg, middle_mm)| Pose {
        turn_deg,
        middle_mm,
    };
    held.map(pose).to_vec()
}
