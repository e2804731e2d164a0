//! Finds a calibration board in a picture, or says why there is none that helps.

use opencv::calib3d;
use opencv::core::{Mat, Point2f, Ptr, Size, TermCriteria, TermCriteria_Type, Vector};
use opencv::features2d::{Feature2D, SimpleBlobDetector, SimpleBlobDetector_Params};
use opencv::imgproc;
use opencv::prelude::*;

use super::decode::Picture;
use super::{VisionError, view};
use crate::calibration::{Board, Pattern};
use crate::domain::{PixelFormat, PointPx};

/// From black to white, 10 to 90 %: OpenCV's documentation wants 3 px, and beyond 5 px corners wander.
const RISE_MAX_PX: f64 = 5.0;

/// Neighbouring points at least so far apart: nearer ones are found badly, if at all.
const PITCH_MIN_PX: f64 = 6.0;

/// Half the window that a corner is refined in: a share of the pitch, and no more than this.
const WINDOW_SHARE: f64 = 4.0;
const WINDOW_MAX_PX: f64 = 8.0;

/// The picture is made as small as this to see which other board there is: that takes long.
const HINT_SIDE_PX: f64 = 640.0;

/// Area of the smallest circle that is looked for.
const CIRCLE_AREA_MIN_PX: f32 = 16.0;

/// A board in a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// Its points, in the order of [`Board::points_mm`].
    pub points: Vec<PointPx>,
    /// How many pixels an edge takes from 10 to 90 %; `None` for circles.
    pub rise_px: Option<f64>,
}

/// Why a picture does not help.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum NoBoard {
    /// Nothing like it is there.
    #[error("no board found; is all of it in the picture, sharp, evenly lit, with a white border?")]
    NotFound,
    /// Another chessboard is there, or only a part of it is seen.
    #[error(
        "{columns} x {rows} inner corners are seen; is a part of the board hidden, or `--corners` wrong?"
    )]
    OtherSize {
        /// Corners in a row.
        columns: i32,
        /// Rows.
        rows: i32,
    },
    /// Its edges are soft.
    #[error(
        "blurred: edges take {rise_px:.1} px, at most {RISE_MAX_PX}; focus, or hold the board still"
    )]
    Blurred {
        /// From 10 to 90 %.
        rise_px: f64,
    },
    /// It is far away.
    #[error(
        "too small: neighbouring points are {pitch_px:.1} px apart, at least {PITCH_MIN_PX}; hold the board nearer"
    )]
    TooSmall {
        /// The nearest neighbours' distance.
        pitch_px: f64,
    },
}

/// Looks for all points of the board.
///
/// # Errors
/// [`VisionError::OpenCv`] if OpenCV refuses the picture.
pub fn find_board(
    picture: &Picture,
    board: &Board,
) -> Result<Result<Sighting, NoBoard>, VisionError> {
    look(picture, board).map_err(VisionError::opencv("look for a board"))
}

fn look(picture: &Picture, board: &Board) -> opencv::Result<Result<Sighting, NoBoard>> {
    let grey = grey_of(picture)?;
    let size = Size::new(count(board.columns()), count(board.rows()));
    let found = match board.pattern() {
        Pattern::Chessboard => chessboard(&grey, size)?,
        Pattern::Circles => circles(&grey, size, calib3d::CALIB_CB_SYMMETRIC_GRID)?,
        Pattern::AsymmetricCircles => circles(&grey, size, calib3d::CALIB_CB_ASYMMETRIC_GRID)?,
    };
    let Some(found) = found else {
        return Ok(Err(match board.pattern() {
            Pattern::Chessboard => other_chessboard(&grey, size)?,
            Pattern::Circles | Pattern::AsymmetricCircles => NoBoard::NotFound,
        }));
    };
    let points = places(&found);
    let pitch_px = nearest(&points);
    if pitch_px < PITCH_MIN_PX {
        return Ok(Err(NoBoard::TooSmall { pitch_px }));
    }
    let rise_px = match board.pattern() {
        Pattern::Chessboard => Some(rise(&grey, size, &found)?),
        Pattern::Circles | Pattern::AsymmetricCircles => None,
    };
    Ok(match rise_px {
        Some(rise_px) if RISE_MAX_PX < rise_px => Err(NoBoard::Blurred { rise_px }),
        rise_px => Ok(Sighting { points, rise_px }),
    })
}

fn count(points: u32) -> i32 {
    i32::try_from(points).unwrap_or(i32::MAX)
}

fn grey_of(picture: &Picture) -> opencv::Result<Mat> {
    let seen = view::of_bytes(&picture.pixels, picture.size, picture.format)?;
    let mut grey = Mat::default();
    match picture.format {
        PixelFormat::Gray8 => seen.copy_to(&mut grey)?,
        PixelFormat::Bgr8 => imgproc::cvt_color_def(&seen, &mut grey, imgproc::COLOR_BGR2GRAY)?,
        PixelFormat::Rgb8 => imgproc::cvt_color_def(&seen, &mut grey, imgproc::COLOR_RGB2GRAY)?,
    }
    Ok(grey)
}

/// The distance of the nearest two points that follow each other.
fn nearest(points: &[PointPx]) -> f64 {
    points
        .iter()
        .zip(points.iter().skip(1))
        .map(|(a, b)| (a.x - b.x).hypot(a.y - b.y))
        .fold(f64::INFINITY, f64::min)
}

/// The sector-based finder sees more boards than the older one, blurred and unevenly lit; the older one sees some
/// without a white border.
fn chessboard(grey: &Mat, size: Size) -> opencv::Result<Option<Vector<Point2f>>> {
    const NORMALISE: i32 = calib3d::CALIB_CB_NORMALIZE_IMAGE;
    let mut found = Vector::<Point2f>::new();
    let flags = NORMALISE | calib3d::CALIB_CB_ACCURACY;
    if calib3d::find_chessboard_corners_sb(grey, size, &mut found, flags)? {
        return refined(grey, found).map(Some);
    }
    // Without the fast check a picture of something else takes many seconds.
    let flags = NORMALISE | calib3d::CALIB_CB_ADAPTIVE_THRESH | calib3d::CALIB_CB_FAST_CHECK;
    if calib3d::find_chessboard_corners(grey, size, &mut found, flags)? {
        return refined(grey, found).map(Some);
    }
    Ok(None)
}

/// Moves corners to where the gradients around them point: on OpenCV's samples the fit then misses by a quarter less.
fn refined(grey: &Mat, mut found: Vector<Point2f>) -> opencv::Result<Vector<Point2f>> {
    // A window that reaches the next corner would be drawn towards it.
    let half = (nearest(&places(&found)) / WINDOW_SHARE).floor();
    let half = view::pixel(half.clamp(2.0, WINDOW_MAX_PX)).unwrap_or(2);
    let stop = TermCriteria {
        typ: TermCriteria_Type::COUNT as i32 | TermCriteria_Type::EPS as i32,
        max_count: 60,
        epsilon: 0.001,
    };
    let none = Size::new(-1, -1);
    imgproc::corner_sub_pix(grey, &mut found, Size::new(half, half), none, stop)?;
    Ok(found)
}

fn places(points: &Vector<Point2f>) -> Vec<PointPx> {
    let points = points.iter().map(|point| PointPx {
        x: point.x.into(),
        y: point.y.into(),
    });
    points.collect()
}

/// Which chessboard there is, where it is not the one that was looked for.
fn other_chessboard(grey: &Mat, size: Size) -> opencv::Result<NoBoard> {
    let (mut corners, mut meta) = (Mat::default(), Mat::default());
    let flags = calib3d::CALIB_CB_NORMALIZE_IMAGE | calib3d::CALIB_CB_LARGER;
    let share = (HINT_SIDE_PX / f64::from(grey.cols().max(grey.rows()))).min(1.0);
    let mut small = Mat::default();
    let none = Size::new(0, 0);
    imgproc::resize(grey, &mut small, none, share, share, imgproc::INTER_AREA)?;
    let least = Size::new(3, 3);
    let is_there =
        calib3d::find_chessboard_corners_sb_with_meta(grey, least, &mut corners, flags, &mut meta)?;
    // What it calls a row depends on how the board lies: told with the longer side where it is looked for.
    let (longer, shorter) = (meta.cols().max(meta.rows()), meta.cols().min(meta.rows()));
    let (columns, rows) = if size.height <= size.width {
        (longer, shorter)
    } else {
        (shorter, longer)
    };
    // The least board is seen in all kinds of things.
    let is_least = longer == least.width;
    let is_other = !is_least && (columns, rows) != (size.width, size.height);
    Ok(if is_there && is_other {
        NoBoard::OtherSize { columns, rows }
    } else {
        NoBoard::NotFound
    })
}

fn circles(grey: &Mat, size: Size, grid: i32) -> opencv::Result<Option<Vector<Point2f>>> {
    let mut params = SimpleBlobDetector_Params::default()?;
    // The default stops at 5000 px, which circles near a large sensor exceed.
    params.min_area = CIRCLE_AREA_MIN_PX;
    params.max_area = (grey.cols() as f32) * (grey.rows() as f32) / 8.0;
    params.min_dist_between_blobs = 4.0;
    let blobs: Ptr<Feature2D> = SimpleBlobDetector::create(params)?.into();
    let mut found = Vector::<Point2f>::new();
    for flags in [grid, grid | calib3d::CALIB_CB_CLUSTERING] {
        if calib3d::find_circles_grid(grey, size, &mut found, flags, Some(&blobs))? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The worse of both directions: motion blurs one of them.
fn rise(grey: &Mat, size: Size, corners: &Vector<Point2f>) -> opencv::Result<f64> {
    let mut rises = [0.0; 2];
    for (rise, is_vertical) in rises.iter_mut().zip([false, true]) {
        let mut each = Mat::default();
        let mean = calib3d::estimate_chessboard_sharpness(
            grey,
            size,
            corners,
            0.8,
            is_vertical,
            &mut each,
        )?;
        let [width, ..] = *mean;
        *rise = width;
    }
    Ok(rises.into_iter().fold(0.0, f64::max))
}
