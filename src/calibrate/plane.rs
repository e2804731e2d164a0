//! The plane that parts lie on, from one picture of the board lying there or from known points, and what a
//! length on it is uncertain by.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::calibration::{Board, Draft, LengthParts, Plane, PlaneFigures};
use crate::domain::{PointMm, PointPx};
use crate::source::read_picture;
use crate::vision::{KnownPoint, PlaneFit, Scatter, find_board, fit_plane};

use super::error::CalibrateError;
use super::points::known_points;
use super::table::read_table;
use super::views::name_of;

/// Points that miss the plane by more do not lie on one.
const RESIDUAL_MAX_PX: f64 = 2.0;

/// A file of points larger than this is none.
const TABLE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What the plane is worked out from.
#[derive(Debug, Clone)]
pub enum PlaneFrom {
    /// One picture of a board that lies on the plane.
    Board {
        /// The picture.
        picture: PathBuf,
        /// The board.
        board: Board,
    },
    /// A table of points that are known in the picture and on the plane.
    Points {
        /// The table.
        table: PathBuf,
    },
}

impl PlaneFrom {
    fn file(&self) -> &Path {
        match self {
            Self::Board { picture, .. } => picture,
            Self::Points { table } => table,
        }
    }
}

/// How well things are known that no picture shows, as half widths.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerances {
    /// By what share the board's pitch, or the distances of the known points, may be wrong.
    pub board_share: f64,
    /// How far the part's surface may lie above or below the plane.
    pub height_mm: f64,
}

/// A plane, and how good it is.
#[derive(Debug)]
pub struct PlaneStudy {
    /// The whole calibration.
    pub draft: Draft,
    /// The fit.
    pub fit: PlaneFit,
    /// The points it was fitted to.
    pub points: Vec<KnownPoint>,
    /// Root of the mean squared distance of the points from where they should be seen.
    pub residual_rms_px: f64,
    /// What the uncertainty is made of; `None` if the file says nothing about its lens's fit.
    pub parts: Option<LengthParts>,
}

/// Adds the plane to a calibration.
///
/// # Errors
/// [`CalibrateError`] if the calibration is out of date or for another size, if the picture does not show the
/// board, or if the points do not lie on a plane.
pub fn add_plane(
    draft: Draft,
    name: &str,
    from: &PlaneFrom,
    tolerances: Tolerances,
    now: Timestamp,
) -> Result<PlaneStudy, CalibrateError> {
    draft.check_date(now)?;
    let points = match from {
        PlaneFrom::Board { picture, board } => points_of_board(&draft, picture, board)?,
        PlaneFrom::Points { table } => points_of_table(table)?,
    };
    let fit = fit_plane(&draft.lens, &points)?;
    let scale = |at: PointPx| fit.mm_per_px(&draft.lens, at);
    let squares: f64 = points
        .iter()
        .zip(&fit.places_mm)
        .map(|(point, place)| {
            let off_mm = (place.x - point.mm.x).hypot(place.y - point.mm.y);
            (off_mm / scale(point.px)).powi(2)
        })
        .sum();
    let n = points.len() as f64;
    let residual_rms_px = (squares / n).sqrt();
    // Written so that NaN is refused.
    if !(..=RESIDUAL_MAX_PX).contains(&residual_rms_px) {
        return Err(CalibrateError::OffPlane {
            residual_px: residual_rms_px,
            max_px: RESIDUAL_MAX_PX,
        });
    }
    // A homography takes eight of the points' coordinates; with four points nothing is left to judge by.
    let left = (2.0 * n - 8.0).max(1.0);
    let of_plane_px = (squares / left).sqrt();
    let of_lens_px = draft.reprojection_error_rms_px / 2.0_f64.sqrt();
    let focal_px = draft.lens.focal_px.iter().sum::<f64>() / 2.0;
    let distance_mm = focal_px * scale(draft.lens.center_px);
    let parts = match &draft.lens_fit {
        None => None,
        Some(lens_fit) => {
            let scatter = Scatter {
                lens: &draft.lens,
                covariance: &lens_fit.covariance,
                point_px: of_plane_px.max(of_lens_px),
            };
            let by_fit = fit.length_scatter(&scatter, &points, draft.image_size)?;
            Some(LengthParts {
                mm_per_px_max: fit.mm_per_px_max(&draft.lens, draft.image_size),
                fit_mm: by_fit.constant_mm,
                fit_share: by_fit.relative,
                board_tolerance: tolerances.board_share,
                height_tolerance: tolerances.height_mm / distance_mm,
            })
        }
    };
    let plane = Plane {
        name: name.to_owned(),
        mm_from_px: fit.mm_from_px,
        length_uncertainty: parts.map(|parts| parts.expanded()),
        figures: Some(PlaneFigures {
            from: name_of(from.file()),
            n_points: u32::try_from(points.len()).unwrap_or(u32::MAX),
            residual_rms_mm: fit.residual_rms_mm,
        }),
    };
    Ok(PlaneStudy {
        draft: Draft {
            made_at_utc: now,
            plane: Some(plane),
            ..draft
        },
        fit,
        points,
        residual_rms_px,
        parts,
    })
}

fn points_of_board(
    draft: &Draft,
    path: &Path,
    board: &Board,
) -> Result<Vec<KnownPoint>, CalibrateError> {
    let picture = read_picture(&draft.camera, path)?;
    draft.check_size(picture.size)?;
    let sighting = find_board(&picture, board)?.map_err(|why| CalibrateError::NoBoard {
        picture: path.to_owned(),
        why,
    })?;
    let places = along_the_picture(&sighting.points, &board.points_mm());
    let points = sighting.points.iter().zip(places);
    Ok(points.map(|(px, mm)| KnownPoint { px: *px, mm }).collect())
}

fn points_of_table(path: &Path) -> Result<Vec<KnownPoint>, CalibrateError> {
    known_points(path, &read_table(path, TABLE_BYTES_MAX)?)
}

/// The board's own places, turned in steps of a quarter so that x runs to the right in the picture and y down, all of
/// them at 0 or more. Which corner a finder calls the first depends on how the board happens to lie; zones may not.
fn along_the_picture(seen: &[PointPx], places: &[PointMm]) -> Vec<PointMm> {
    let n = places.len().max(1) as f64;
    let middle_mm = PointMm {
        x: places.iter().map(|place| place.x).sum::<f64>() / n,
        y: places.iter().map(|place| place.y).sum::<f64>() / n,
    };
    // Where the board's axes point in the picture: the places are symmetric about their middle.
    let axis = |of: fn(&PointMm, &PointMm) -> f64| {
        let pairs = || {
            seen.iter()
                .zip(places.iter().map(|place| of(place, &middle_mm)))
        };
        let x: f64 = pairs().map(|(seen, along)| seen.x * along).sum();
        let y: f64 = pairs().map(|(seen, along)| seen.y * along).sum();
        (x, y)
    };
    let x_axis = axis(|place, middle| place.x - middle.x);
    let y_axis = axis(|place, middle| place.y - middle.y);
    let is_mirrored = x_axis.0 * y_axis.1 - x_axis.1 * y_axis.0 < 0.0;
    let turned: Vec<PointMm> = places
        .iter()
        .map(|place| {
            let (x, y) = (place.x, if is_mirrored { -place.y } else { place.y });
            // The board's x axis runs right, left, down or up.
            let (x, y) = if x_axis.1.abs() <= x_axis.0.abs() {
                if 0.0 <= x_axis.0 { (x, y) } else { (-x, -y) }
            } else if 0.0 <= x_axis.1 {
                (-y, x)
            } else {
                (y, -x)
            };
            PointMm { x, y }
        })
        .collect();
    let least = |of: fn(&PointMm) -> f64| turned.iter().map(of).fold(f64::INFINITY, f64::min);
    let (left, top) = (least(|p| p.x), least(|p| p.y));
    let moved = turned.iter().map(|place| PointMm {
        x: place.x - left,
        y: place.y - top,
    });
    moved.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::calibration::Pattern;

    proptest! {
        /// However the board lies and whatever corner is called the first, millimetres run as pixels do.
        #[test]
        fn x_runs_to_the_right_and_y_down(turn_deg in -180.0..180.0f64, is_mirrored: bool) {
            // Near an eighth of a turn either edge may be the one that runs to the right.
            prop_assume!(5.0 < (turn_deg.rem_euclid(90.0) - 45.0).abs());
            let places = Board::new(Pattern::Chessboard, 5, 4, 10.0).unwrap().points_mm();
            let (sin, cos) = turn_deg.to_radians().sin_cos();
            let seen: Vec<PointPx> = places
                .iter()
                .map(|place| {
                    let y = if is_mirrored { -place.y } else { place.y };
                    PointPx { x: cos * place.x - sin * y, y: sin * place.x + cos * y }
                })
                .collect();
            let turned = along_the_picture(&seen, &places);
            for (one, at) in seen.iter().zip(&turned) {
                prop_assert!(0.0 <= at.x && 0.0 <= at.y);
                for (other, there) in seen.iter().zip(&turned) {
                    let (dx, dy) = (other.x - one.x, other.y - one.y);
                    let (mx, my) = (there.x - at.x, there.y - at.y);
                    prop_assert!((dx.hypot(dy) - mx.hypot(my)).abs() < 1e-9);
                    prop_assert!(0.0 <= dx * mx + dy * my + 1e-9, "turned by more than 90 degrees");
                }
            }
        }
    }
}
