//! The plane that known points lie on: from undistorted pixels to millimetres, and how far lengths on it may
//! be wrong because lens and points are known only so well.

use ndarray::Array2;
use opencv::calib3d;
use opencv::core::{Mat, Point2f, Vector};
use opencv::prelude::*;

use super::VisionError;
use super::algebra::cholesky;
use crate::calibration::{Chance, Lens, Projection};
use crate::domain::{PointMm, PointPx, SizePx};

/// The fewest points that settle a homography.
const POINTS_MIN: usize = 4;

/// Trials of the Monte Carlo method (JCGM 101:2008): enough for a standard deviation to within 4 %.
const TRIALS: u32 = 400;
/// Any number; always the same, so that the same pictures state the same uncertainty.
const SEED: u64 = 20_261_122;

/// From this share of the longest length on, one counts as long.
const LONG: f64 = 0.5;

/// Places along each side of the picture between which lengths are tried.
const GRID: u32 = 7;

/// A point whose place is known in the picture and on the plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KnownPoint {
    /// In the picture as the camera gave it.
    pub px: PointPx,
    /// On the plane.
    pub mm: PointMm,
}

/// A fitted plane.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaneFit {
    /// From undistorted pixels to millimetres.
    pub mm_from_px: [[f64; 3]; 3],
    /// Where each point comes to lie.
    pub places_mm: Vec<PointMm>,
    /// Root of the mean squared distance from where it should.
    pub residual_rms_mm: f64,
}

/// Standard uncertainty of a length that lens and plane bring along: a part that every length has and a part that
/// grows with it, to be added as squares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitScatter {
    /// The part that every length has.
    pub constant_mm: f64,
    /// The part that grows, as a share of the length.
    pub relative: f64,
}

/// What is known of lens and points only so well.
#[derive(Debug, Clone, Copy)]
pub struct Scatter<'a> {
    /// The fitted lens.
    pub lens: &'a Lens,
    /// Of its nine parameters.
    pub covariance: &'a [[f64; 9]; 9],
    /// Standard deviation of a point's column and of its row.
    pub point_px: f64,
}

/// Fits a homography to the points, the lens's distortion taken out.
///
/// # Errors
/// [`VisionError::NoPlane`] if they do not settle one.
pub fn fit_plane(lens: &Lens, points: &[KnownPoint]) -> Result<PlaneFit, VisionError> {
    if points.len() < POINTS_MIN {
        return Err(VisionError::NoPlane);
    }
    let seen: Vec<PointPx> = points
        .iter()
        .map(|point| lens.undistort(point.px))
        .collect();
    let wanted: Vec<PointMm> = points.iter().map(|point| point.mm).collect();
    let mm_from_px = homography(&seen, &wanted)
        .map_err(VisionError::opencv("fit a plane to points"))?
        .ok_or(VisionError::NoPlane)?;
    let plane = Projection::new(None, mm_from_px);
    let places_mm: Vec<PointMm> = seen.iter().map(|flat| plane.mm_from_px(*flat)).collect();
    let squares: f64 = places_mm
        .iter()
        .zip(&wanted)
        .map(|(is, should)| (is.x - should.x).powi(2) + (is.y - should.y).powi(2))
        .sum();
    if !squares.is_finite() {
        return Err(VisionError::NoPlane);
    }
    Ok(PlaneFit {
        mm_from_px,
        places_mm,
        residual_rms_mm: (squares / points.len() as f64).sqrt(),
    })
}

impl PlaneFit {
    /// The largest millimetres of a pixel in the picture, in the direction in which they are largest.
    pub fn mm_per_px_max(&self, lens: &Lens, size: SizePx) -> f64 {
        let steps = grid(size).into_iter().map(|at| {
            let [[a, b], [c, d]] = self.step(lens, at);
            // The larger singular value of [[a, b], [c, d]].
            f64::midpoint((a + d).hypot(b - c), (a - d).hypot(b + c))
        });
        steps.fold(0.0, f64::max)
    }

    /// Millimetres of a pixel at a place, as the root of a pixel's area.
    pub fn mm_per_px(&self, lens: &Lens, at: PointPx) -> f64 {
        let [[a, b], [c, d]] = self.step(lens, at);
        (a * d - b * c).abs().sqrt()
    }

    /// How the place on the plane moves with a column and with a row of the picture.
    fn step(&self, lens: &Lens, PointPx { x, y }: PointPx) -> [[f64; 2]; 2] {
        let place = |x, y| self.place(lens, PointPx { x, y });
        let [left, right] = [place(x - 0.5, y), place(x + 0.5, y)];
        let [above, below] = [place(x, y - 0.5), place(x, y + 0.5)];
        [
            [right.x - left.x, below.x - above.x],
            [right.y - left.y, below.y - above.y],
        ]
    }

    /// The standard uncertainty of lengths all over the picture: lens and points are drawn anew in each trial, the
    /// plane is fitted to them, and the same lengths are measured.
    ///
    /// # Errors
    /// [`VisionError::NoPlane`] if a trial has no plane: then nothing can be said of lengths.
    pub fn length_scatter(
        &self,
        scatter: &Scatter<'_>,
        points: &[KnownPoint],
        size: SizePx,
    ) -> Result<FitScatter, VisionError> {
        let entries: Vec<f64> = scatter.covariance.iter().flatten().copied().collect();
        let factor = Array2::from_shape_vec((9, 9), entries)
            .ok()
            .and_then(|covariance| cholesky(&covariance))
            .ok_or(VisionError::NoPlane)?;
        let places = grid(size);
        let truth = lengths(&places, |point| self.place(scatter.lens, point));
        let mut squares = vec![0.0; truth.len()];
        let mut chance = Chance::new(SEED);
        for _ in 0..TRIALS {
            let lens = drawn(scatter.lens, &factor, &mut chance);
            let mut off = || scatter.point_px * chance.normal();
            let moved = points.iter().map(|point| KnownPoint {
                px: PointPx {
                    x: point.px.x + off(),
                    y: point.px.y + off(),
                },
                mm: point.mm,
            });
            let fit = fit_plane(&lens, &moved.collect::<Vec<_>>())?;
            let tried = lengths(&places, |point| fit.place(&lens, point));
            for ((square, length), tried) in squares.iter_mut().zip(&truth).zip(tried) {
                *square += (tried - length).powi(2);
            }
        }
        let sds: Vec<f64> = squares
            .iter()
            .map(|square| (square / f64::from(TRIALS)).sqrt())
            .collect();
        if sds.iter().all(|sd| sd.is_finite()) {
            Ok(FitScatter::over(&truth, &sds))
        } else {
            Err(VisionError::NoPlane)
        }
    }

    fn place(&self, lens: &Lens, point: PointPx) -> PointMm {
        Projection::new(Some(*lens), self.mm_from_px).mm_from_px(point)
    }
}

impl FitScatter {
    /// The scatter of a length anywhere in the picture, as the mean of the variances over all places: the share
    /// is that of the long lengths, which small local errors hardly reach; the constant is what short ones have
    /// beyond it.
    fn over(lengths: &[f64], sds: &[f64]) -> Self {
        let longest = lengths.iter().copied().fold(0.0, f64::max);
        let is_long = |length: f64| LONG * longest <= length;
        let both = || lengths.iter().copied().zip(sds.iter().copied());
        let long = both().filter(|(length, _)| is_long(*length));
        let relative = mean(long.map(|(length, sd)| (sd / length).powi(2))).sqrt();
        let short = both().filter(|(length, _)| !is_long(*length));
        let beyond = mean(short.map(|(length, sd)| sd.powi(2) - (relative * length).powi(2)));
        Self {
            constant_mm: beyond.max(0.0).sqrt(),
            relative,
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    sum / f64::max(n, 1.0)
}

/// Places all over the picture, row by row.
fn grid(size: SizePx) -> Vec<PointPx> {
    let along = |side: u32, step: u32| {
        f64::from(side.saturating_sub(1)) * f64::from(step) / f64::from(GRID - 1)
    };
    let rows = 0..GRID;
    rows.flat_map(|row| (0..GRID).map(move |column| (column, row)))
        .map(|(column, row)| PointPx {
            x: along(size.width_px, column),
            y: along(size.height_px, row),
        })
        .collect()
}

/// The lengths between all pairs of places.
fn lengths(places: &[PointPx], on_plane: impl Fn(PointPx) -> PointMm) -> Vec<f64> {
    let there: Vec<PointMm> = places.iter().map(|place| on_plane(*place)).collect();
    let pairs = there
        .iter()
        .enumerate()
        .flat_map(|(index, one)| there.iter().skip(index + 1).map(move |other| (one, other)));
    pairs
        .map(|(one, other)| (one.x - other.x).hypot(one.y - other.y))
        .collect()
}

/// A lens as it may as well be: drawn from the normal distribution whose covariance has this Cholesky factor.
fn drawn(lens: &Lens, factor: &Array2<f64>, chance: &mut Chance) -> Lens {
    let free: Vec<f64> = (0..9).map(|_| chance.normal()).collect();
    let mut parameters = lens.parameters();
    for (parameter, row) in parameters.iter_mut().zip(factor.outer_iter()) {
        *parameter += row.iter().zip(&free).map(|(a, b)| a * b).sum::<f64>();
    }
    Lens::from_parameters(parameters)
}

/// Least squares on the plane; `None` where the points settle none.
#[expect(
    clippy::cast_possible_truncation,
    reason = "OpenCV's points have 32 bits: a ten-thousandth of a pixel or millimetre"
)]
fn homography(seen: &[PointPx], wanted: &[PointMm]) -> opencv::Result<Option<[[f64; 3]; 3]>> {
    let from = |x: f64, y: f64| Point2f::new(x as f32, y as f32);
    let seen: Vector<Point2f> = seen.iter().map(|point| from(point.x, point.y)).collect();
    let wanted: Vector<Point2f> = wanted.iter().map(|point| from(point.x, point.y)).collect();
    let found = calib3d::find_homography(&seen, &wanted, &mut Mat::default(), 0, 0.0)?;
    if found.empty() {
        return Ok(None);
    }
    let mut matrix = [[0.0; 3]; 3];
    for (to, value) in matrix.iter_mut().flatten().zip(found.data_typed::<f64>()?) {
        *to = *value;
    }
    let is_finite = matrix.iter().flatten().all(|value| value.is_finite());
    Ok(is_finite.then_some(matrix))
}
