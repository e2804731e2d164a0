//! The lens that explains where a board's points are seen: Zhang's method (2000) as OpenCV has it, with the
//! full covariance of what was fitted.
//!
//! OpenCV tells standard deviations only, but the parameters of a lens hang together: what one has too
//! much another makes good. So the covariance is worked out here from the same derivatives: the poses of the views
//! are eliminated from the normal equations (Schur complement).

use ndarray::{Array2, Axis, Slice};
use opencv::calib3d;
use opencv::core::{Mat, Point2f, Point3f, Size, TermCriteria, TermCriteria_Type, Vector};
use opencv::prelude::*;

use super::algebra::invert;
use super::{VisionError, view};
use crate::calibration::{Board, Lens};
use crate::domain::{PointPx, SizePx};

/// Columns of OpenCV's derivatives: rotation and translation of the board, then the lens.
const POSE: usize = 6;
const LENS: usize = 9;

/// Above so many standard deviations from 0 a third radial term is worth its freedom at the edges.
const K3_SDS_MIN: f64 = 3.0;

/// How well undistorting and distorting again must come back at the picture's corners.
const FOLD_MAX_PX: f64 = 0.05;

/// A fitted lens.
#[derive(Debug, Clone, PartialEq)]
pub struct LensFit {
    /// The lens.
    pub lens: Lens,
    /// Of fx, fy, cx, cy, k1, k2, p1, p2, k3; zeros for k3 where it was not worth fitting.
    pub covariance: [[f64; LENS]; LENS],
    /// Root of the mean squared distance between points found and projected.
    pub rms_px: f64,
    /// Each view, in the order given.
    pub views: Vec<FittedView>,
}

/// One view under the fitted lens.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedView {
    /// Root of the mean squared distance between its points found and projected.
    pub residual_rms_px: f64,
    /// Angle between the board's normal and the optical axis.
    pub tilt_deg: f64,
    /// How far the board's right side comes nearer to the camera than its left, and its lower than its upper.
    pub nearer_deg: [f64; 2],
    /// Where the lens puts its points.
    pub projected: Vec<PointPx>,
}

impl LensFit {
    /// Standard deviations of fx, fy, cx, cy, k1, k2, p1, p2, k3.
    pub fn sd(&self) -> [f64; LENS] {
        let mut sd = [0.0; LENS];
        for (index, (sd, row)) in sd.iter_mut().zip(&self.covariance).enumerate() {
            *sd = row.get(index).copied().unwrap_or_default().max(0.0).sqrt();
        }
        sd
    }

    /// Whether the model turns back on itself within the picture, so that places have no way back.
    pub fn folds(&self, size: SizePx) -> bool {
        let (right, bottom) = (
            f64::from(size.width_px) - 1.0,
            f64::from(size.height_px) - 1.0,
        );
        let corners = [(0.0, 0.0), (right, 0.0), (0.0, bottom), (right, bottom)];
        corners.into_iter().any(|(x, y)| {
            let back = self.lens.distort(self.lens.undistort(PointPx { x, y }));
            let off_px = (back.x - x).hypot(back.y - y);
            // Written so that NaN folds.
            !(..=FOLD_MAX_PX).contains(&off_px)
        })
    }
}

/// Fits a lens to the board's points in several views, in the order of [`Board::points_mm`].
///
/// # Errors
/// [`VisionError::NoFit`] if the views do not settle the lens, [`VisionError::OpenCv`] if OpenCV refuses them.
pub fn fit_lens(
    board: &Board,
    views: &[Vec<PointPx>],
    size: SizePx,
) -> Result<LensFit, VisionError> {
    let whole = fit(board, views, size, 0)?;
    let [.., k3] = whole.lens.distortion;
    let [.., k3_sd] = whole.sd();
    if K3_SDS_MIN * k3_sd < k3.abs() && !whole.folds(size) {
        return Ok(whole);
    }
    fit(board, views, size, calib3d::CALIB_FIX_K3)
}

fn fit(
    board: &Board,
    views: &[Vec<PointPx>],
    size: SizePx,
    flags: i32,
) -> Result<LensFit, VisionError> {
    let failed = || VisionError::opencv("fit a lens to the board's points");
    let solved = Solved::new(board, views, size, flags).map_err(failed())?;
    let lens = solved.lens().map_err(failed())?;
    let mut normal = Array2::<f64>::zeros((LENS, LENS));
    let mut fitted = Vec::new();
    let mut squares = 0.0;
    for (index, found) in views.iter().enumerate() {
        let (projected, jacobian) = solved.project(index).map_err(failed())?;
        let square: f64 = found
            .iter()
            .zip(&projected)
            .map(|(found, there)| (found.x - there.x).powi(2) + (found.y - there.y).powi(2))
            .sum();
        squares += square;
        normal += &without_pose(&jacobian).ok_or(VisionError::NoFit)?;
        fitted.push(FittedView {
            residual_rms_px: (square / found.len().max(1) as f64).sqrt(),
            tilt_deg: solved.tilt_deg(index).map_err(failed())?,
            nearer_deg: solved.nearer_deg(index).map_err(failed())?,
            projected,
        });
    }
    let n_lens = if flags == 0 { LENS } else { LENS - 1 };
    let n_points: usize = views.iter().map(Vec::len).sum();
    let n_free = n_lens + POSE * views.len();
    if 2 * n_points <= n_free {
        return Err(VisionError::NoFit);
    }
    let variance_px2 = squares / (2 * n_points - n_free) as f64;
    let free = normal.slice_axis(Axis(0), Slice::from(..n_lens));
    let free = free.slice_axis(Axis(1), Slice::from(..n_lens)).to_owned();
    let inverse = invert(&free).ok_or(VisionError::NoFit)?;
    let mut covariance = [[0.0; LENS]; LENS];
    for (row, values) in covariance.iter_mut().zip(inverse.outer_iter()) {
        for (to, value) in row.iter_mut().zip(values) {
            *to = value * variance_px2;
        }
    }
    Ok(LensFit {
        lens,
        covariance,
        rms_px: (squares / n_points as f64).sqrt(),
        views: fitted,
    })
}

/// The lens's part of a view's normal equations, with the view's own pose eliminated.
fn without_pose(jacobian: &Array2<f64>) -> Option<Array2<f64>> {
    let pose = jacobian.slice_axis(Axis(1), Slice::from(..POSE));
    let lens = jacobian.slice_axis(Axis(1), Slice::from(POSE..));
    let mixed = lens.t().dot(&pose);
    let pose_inverse = invert(&pose.t().dot(&pose))?;
    Some(lens.t().dot(&lens) - mixed.dot(&pose_inverse).dot(&mixed.t()))
}

/// What OpenCV found.
struct Solved {
    board_mm: Vector<Point3f>,
    matrix: Mat,
    distortion: Mat,
    rotations: Vector<Mat>,
    translations: Vector<Mat>,
    /// Standard deviations of the lens as OpenCV works them out.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "tests hold the covariance against it")
    )]
    sd: Mat,
}

impl Solved {
    fn new(
        board: &Board,
        views: &[Vec<PointPx>],
        size: SizePx,
        flags: i32,
    ) -> opencv::Result<Self> {
        let board_mm = points_of(board);
        let (width, height) = view::dimensions(size)?;
        let objects: Vector<Vector<Point3f>> = views.iter().map(|_| board_mm.clone()).collect();
        let seen: Vector<Vector<Point2f>> = views
            .iter()
            .map(|points| points.iter().map(|point| single(*point)).collect())
            .collect();
        let stop = TermCriteria {
            typ: TermCriteria_Type::COUNT as i32 | TermCriteria_Type::EPS as i32,
            max_count: 100,
            epsilon: 1e-9,
        };
        let (mut matrix, mut distortion) = (Mat::default(), Mat::default());
        let (mut rotations, mut translations) = (Vector::new(), Vector::new());
        let mut sd = Mat::default();
        let (mut sd_of_poses, mut each) = (Mat::default(), Mat::default());
        calib3d::calibrate_camera_extended(
            &objects,
            &seen,
            Size::new(width, height),
            &mut matrix,
            &mut distortion,
            &mut rotations,
            &mut translations,
            &mut sd,
            &mut sd_of_poses,
            &mut each,
            flags,
            stop,
        )?;
        Ok(Self {
            board_mm,
            matrix,
            distortion,
            rotations,
            translations,
            sd,
        })
    }

    fn lens(&self) -> opencv::Result<Lens> {
        let matrix = |row, column| self.matrix.at_2d::<f64>(row, column).copied();
        let mut terms = [0.0; 5];
        for (term, value) in terms.iter_mut().zip(self.distortion.data_typed::<f64>()?) {
            *term = *value;
        }
        Ok(Lens {
            focal_px: [matrix(0, 0)?, matrix(1, 1)?],
            center_px: PointPx {
                x: matrix(0, 2)?,
                y: matrix(1, 2)?,
            },
            distortion: terms,
        })
    }

    /// Where a view's points are under the fitted lens, with the derivatives of x and y of each point.
    fn project(&self, index: usize) -> opencv::Result<(Vec<PointPx>, Array2<f64>)> {
        let (mut places, mut jacobian) = (Vector::<Point2f>::new(), Mat::default());
        calib3d::project_points(
            &self.board_mm,
            &self.rotations.get(index)?,
            &self.translations.get(index)?,
            &self.matrix,
            &self.distortion,
            &mut places,
            &mut jacobian,
            0.0,
        )?;
        let places = places.iter().map(|place| PointPx {
            x: place.x.into(),
            y: place.y.into(),
        });
        let rows = jacobian.data_typed::<f64>()?;
        let wide = rows.len() / (2 * self.board_mm.len()).max(1);
        let jacobian =
            Array2::from_shape_fn((2 * self.board_mm.len(), POSE + LENS), |(row, at)| {
                rows.get(row * wide + at).copied().unwrap_or(f64::NAN)
            });
        Ok((places.collect(), jacobian))
    }

    fn tilt_deg(&self, index: usize) -> opencv::Result<f64> {
        let mut turned = Mat::default();
        calib3d::rodrigues_def(&self.rotations.get(index)?, &mut turned)?;
        let cosine = turned.at_2d::<f64>(2, 2)?.abs().min(1.0);
        Ok(cosine.acos().to_degrees())
    }

    fn nearer_deg(&self, index: usize) -> opencv::Result<[f64; 2]> {
        let mut turned = Mat::default();
        calib3d::rodrigues_def(&self.rotations.get(index)?, &mut turned)?;
        // On the board's plane the depth falls by these towards the right and downwards.
        let away = *turned.at_2d::<f64>(2, 2)?;
        let falls = [*turned.at_2d::<f64>(0, 2)?, *turned.at_2d::<f64>(1, 2)?];
        Ok(falls.map(|normal| (normal / away).atan().to_degrees()))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "OpenCV's points have 32 bits: a ten-thousandth of a pixel or millimetre"
)]
fn single(point: PointPx) -> Point2f {
    Point2f::new(point.x as f32, point.y as f32)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "OpenCV's points have 32 bits: a ten-thousandth of a pixel or millimetre"
)]
fn points_of(board: &Board) -> Vector<Point3f> {
    let points = board.points_mm().into_iter();
    points
        .map(|point| Point3f::new(point.x as f32, point.y as f32, 0.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibration::{Chance, Pattern};

    /// A board seen by a known lens from some places, each point with noise.
    fn seen(board: &Board, lens: &Lens, chance: &mut Chance) -> Vec<Vec<PointPx>> {
        let tilts = [
            (0.3, 0.1),
            (-0.3, 0.2),
            (0.1, 0.4),
            (0.0, -0.4),
            (0.2, -0.2),
            (0.0, 0.0),
        ];
        let view = |(a, b): (f64, f64)| {
            let points = board.points_mm();
            let seen = points.iter().map(|at| {
                let (x, y) = (at.x - 40.0, at.y - 25.0);
                // Turned about x by a and about y by b, then moved.
                let (across, down) = (b.cos() * x + b.sin() * a.sin() * y, a.cos() * y);
                let z = 150.0 + 50.0 * a - b.sin() * x + b.cos() * a.sin() * y;
                let flat = PointPx {
                    x: lens.focal_px[0] * (across / z + 0.2 * b) + lens.center_px.x,
                    y: lens.focal_px[1] * (down / z - 0.2 * a) + lens.center_px.y,
                };
                let PointPx { x, y } = lens.distort(flat);
                PointPx {
                    x: x + 0.1 * chance.normal(),
                    y: y + 0.1 * chance.normal(),
                }
            });
            seen.collect()
        };
        tilts.into_iter().map(view).collect()
    }

    #[test]
    fn the_covariance_has_opencvs_standard_deviations() {
        let board = Board::new(Pattern::Chessboard, 9, 6, 10.0).unwrap();
        let lens = Lens {
            focal_px: [800.0, 805.0],
            center_px: PointPx { x: 320.0, y: 240.0 },
            distortion: [-0.2, 0.1, 0.001, -0.0005, 0.0],
        };
        let size = SizePx {
            width_px: 640,
            height_px: 480,
        };
        let views = seen(&board, &lens, &mut Chance::new(5));
        for flags in [0, calib3d::CALIB_FIX_K3] {
            let ours = fit(&board, &views, size, flags).unwrap();
            let solved = Solved::new(&board, &views, size, flags).unwrap();
            let theirs = solved.sd.data_typed::<f64>().unwrap();
            // OpenCV 4.6 takes the number of points for the number of measured coordinates; later versions do not.
            let n_lens = if flags == 0 { 9.0 } else { 8.0 };
            let (n_points, n_free): (f64, f64) = (6.0 * 54.0, n_lens + 6.0 * 6.0);
            let factors = [
                1.0,
                ((2.0 * n_points - n_free) / (n_points - n_free)).sqrt(),
            ];
            let is_like = |factor: f64| {
                let mut pairs = ours.sd().into_iter().zip(theirs);
                pairs.all(|(ours, theirs)| (factor * ours - theirs).abs() <= 0.005 * theirs)
            };
            let sd = ours.sd();
            assert!(factors.into_iter().any(is_like), "{sd:?}, not {theirs:?}");
            let correlation = ours.covariance[0][1] / (ours.sd()[0] * ours.sd()[1]);
            assert!(0.5 < correlation, "fx and fy rise together: {correlation}");
        }
    }

    #[test]
    fn two_views_straight_on_settle_no_focal_length() {
        let board = Board::new(Pattern::Chessboard, 9, 6, 10.0).unwrap();
        let flat = |far: f64| -> Vec<PointPx> {
            let points = board.points_mm();
            points
                .iter()
                .map(|at| PointPx {
                    x: far * at.x + 100.0,
                    y: far * at.y + 90.0,
                })
                .collect()
        };
        let size = SizePx {
            width_px: 640,
            height_px: 480,
        };
        let said = fit_lens(&board, &[flat(4.0), flat(4.5)], size);
        let is_settled = said.is_ok_and(|fit| fit.sd()[0] < 0.01 * fit.lens.focal_px[0]);
        assert!(!is_settled);
    }
}
