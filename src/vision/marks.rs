//! Which places of a reference picture are easy to find again: corners that nothing nearby looks like.

use opencv::core::{self, BORDER_DEFAULT, Mat, Point, Rect, Scalar, Size};
use opencv::imgproc;
use opencv::prelude::*;

use super::VisionError;
use super::view::{PixelRect, pixel};
use crate::domain::{RectPx, SizePx};

/// So many marks are chosen: two tell shift and turn, two may be dirty, and the more the less noise counts.
const MARKS: usize = 6;
/// The region is divided into so many cells a side, each of which may give one.
const CELLS: i32 = 4;
/// A mark's side as a share of the region's shorter one, and its bounds.
const SIDE_SHARE: f64 = 1.0 / 12.0;
const SIDE_PX: [f64; 2] = [24.0, 96.0];
/// A place with less of a corner than this share of the best one's is none.
const CORNER_SHARE_MIN: f64 = 0.15;
/// A mark that something within reach is more alike than this would be taken for that.
const ALIKE_MAX: f64 = 0.8;

/// Grey levels that a mark's pixels scatter at least: nothing can be found by a plain patch.
const CONTRAST_MIN: f64 = 4.0;

/// A place and how much of a corner it is.
type Candidate = (Rect, f64);

/// Chooses marks within the region, as far apart as may be; none if fewer than two are there.
pub(super) fn choose(grey: &Mat, region: RectPx, reach_px: f64) -> opencv::Result<Vec<RectPx>> {
    let side_px = (region.width.min(region.height) * SIDE_SHARE).clamp(SIDE_PX[0], SIDE_PX[1]);
    let side = pixel(side_px.round()).unwrap_or(1);
    let reach = pixel(reach_px.ceil()).unwrap_or(0);
    let mut candidates = Vec::new();
    let strength = corners(grey, side)?;
    for cell in cells(grey, region, side) {
        let part = strength.roi(cell)?;
        let (mut most, mut place) = (0.0, Point::default());
        core::min_max_loc(
            &part,
            None,
            Some(&mut most),
            None,
            Some(&mut place),
            &core::no_array(),
        )?;
        let corner = Point::new(cell.x + place.x - side / 2, cell.y + place.y - side / 2);
        let mark = Rect::new(corner.x, corner.y, side, side);
        candidates.push((mark, most));
    }
    let best = candidates.iter().map(|(_, most)| *most).fold(0.0, f64::max);
    candidates.retain(|(_, most)| 0.0 < best && best * CORNER_SHARE_MIN <= *most);
    let mut alone = Vec::new();
    for candidate in candidates {
        if is_alone(grey, candidate.0, reach)? {
            alone.push(candidate);
        }
    }
    let chosen = far_apart(alone);
    if chosen.len() < 2 {
        return Ok(Vec::new());
    }
    Ok(chosen.into_iter().map(region_of).collect())
}

/// How much of a corner the patch around each pixel is (Shi and Tomasi, CVPR 1994), the mean over it.
fn corners(grey: &Mat, side: i32) -> opencv::Result<Mat> {
    let (mut sharp, mut mean) = (Mat::default(), Mat::default());
    imgproc::corner_min_eigen_val(grey, &mut sharp, 5, 3, BORDER_DEFAULT)?;
    let size = Size::new(side, side);
    imgproc::box_filter_def(&sharp, &mut mean, -1, size)?;
    Ok(mean)
}

/// Where the middle of a mark may lie: the region without its rim, in cells.
fn cells(grey: &Mat, region: RectPx, side: i32) -> Vec<Rect> {
    let half = side / 2 + 1;
    let span = |start: f64, length: f64, available: i32| {
        let first = pixel(start.ceil()).unwrap_or(0).max(0) + half;
        let end = pixel((start + length).floor()).unwrap_or(0).min(available) - half;
        (first, (end - first) / CELLS)
    };
    let (left, width) = span(region.x, region.width, grey.cols());
    let (top, height) = span(region.y, region.height, grey.rows());
    if width < 1 || height < 1 {
        return Vec::new();
    }
    (0..CELLS * CELLS)
        .map(|n| (n % CELLS, n / CELLS))
        .map(|(column, row)| Rect::new(left + column * width, top + row * height, width, height))
        .collect()
}

/// Whether nothing else within reach looks like the mark.
fn is_alone(grey: &Mat, mark: Rect, reach: i32) -> opencv::Result<bool> {
    let whole = Rect::new(0, 0, grey.cols(), grey.rows());
    let around = Rect::new(
        mark.x - reach,
        mark.y - reach,
        mark.width + 2 * reach,
        mark.height + 2 * reach,
    ) & whole;
    let mut alike = Mat::default();
    imgproc::match_template_def(
        &grey.roi(around)?,
        &grey.roi(mark)?,
        &mut alike,
        imgproc::TM_CCOEFF_NORMED,
    )?;
    // Itself, and what overlaps it by half.
    let own = Rect::new(
        mark.x - around.x - mark.width / 2,
        mark.y - around.y - mark.height / 2,
        mark.width,
        mark.height,
    );
    imgproc::rectangle(
        &mut alike,
        own,
        Scalar::all(-1.0),
        imgproc::FILLED,
        imgproc::LINE_8,
        0,
    )?;
    let mut most = 0.0;
    core::min_max_loc(&alike, None, Some(&mut most), None, None, &core::no_array())?;
    Ok(most <= ALIKE_MAX)
}

/// The best one, then always the one that is farthest from those that were taken.
fn far_apart(mut candidates: Vec<Candidate>) -> Vec<Rect> {
    let mut chosen: Vec<Rect> = Vec::new();
    candidates.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    while chosen.len() < MARKS && !candidates.is_empty() {
        let gap = |mark: &Rect| {
            let to = |other: &Rect| f64::from(mark.x - other.x).hypot(f64::from(mark.y - other.y));
            chosen.iter().map(to).fold(f64::INFINITY, f64::min)
        };
        let farthest = (0..candidates.len())
            .rev()
            .max_by(|a, b| {
                let gap_of = |n: &usize| candidates.get(*n).map_or(0.0, |(mark, _)| gap(mark));
                gap_of(a).total_cmp(&gap_of(b))
            })
            .unwrap_or(0);
        let (mark, _) = candidates.remove(farthest);
        // Two that share pixels are one.
        if f64::from(mark.width) <= gap(&mark) {
            chosen.push(mark);
        }
    }
    chosen
}

fn region_of(mark: Rect) -> RectPx {
    RectPx {
        x: mark.x.into(),
        y: mark.y.into(),
        width: mark.width.into(),
        height: mark.height.into(),
    }
}

/// Whether a mark lies in the picture and shows something.
///
/// # Errors
/// [`VisionError::MarkOutside`] or [`VisionError::MarkPlain`]; the recipe is refused at load.
pub(super) fn check(grey: &Mat, mark: RectPx, size: SizePx) -> Result<(), VisionError> {
    let place = PixelRect::within(mark, size);
    let place = place.map_err(|_outside| VisionError::MarkOutside { mark, size })?;
    let spread = || -> opencv::Result<f64> {
        let part = grey.roi(place.to_cv())?;
        let (mut mean, mut spread) = (Scalar::default(), Scalar::default());
        core::mean_std_dev(&part, &mut mean, &mut spread, &core::no_array())?;
        Ok(spread.0.first().copied().unwrap_or_default())
    };
    let contrast = spread().map_err(VisionError::opencv("look at a mark"))?;
    if contrast < CONTRAST_MIN {
        return Err(VisionError::MarkPlain {
            mark,
            contrast,
            contrast_min: CONTRAST_MIN,
        });
    }
    Ok(())
}
