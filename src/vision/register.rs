//! Where a part lies: marks of a reference picture found again in a frame.
//!
//! A mark is looked for by normalised cross-correlation, which light and contrast do not change:
//! coarsely in every place and turn that the recipe allows, then to a fraction of a pixel around the
//! best. The placement is the rigid motion on the part's plane on which most marks agree; a mark that
//! is dirty or covered is outvoted. Templates are drawn as the camera would see the mark there, so an
//! askew camera and a bent lens need no care.

use opencv::core::{self, Mat, Point, Rect, Size};
use opencv::imgproc;
use opencv::prelude::*;

use super::agreement::{Met, agreement};
use super::decode::Picture;
use super::view::{self, View, pixel};
use super::{VisionError, marks};
use crate::calibration::{Placed, Projection};
use crate::domain::{Frame, PixelFormat, Placement, PointMm, PointPx, RectPx, SizePx};
use crate::recipe::Fixture;

/// How far beyond its limits a part is looked for, so that one that lies too far is told from one that
/// is not there.
const BEYOND: f64 = 1.25;
/// Between two turns that are tried, in degrees: half of it costs a mark little of its correlation.
const TURN_STEP_DEG: f64 = 3.0;
/// The coarse search works on a picture made smaller by one of these.
const SHRINKS: [i32; 3] = [4, 2, 1];
/// Shortest side of a template in the coarse search.
const COARSE_SIDE_MIN: f64 = 12.0;
/// Two marks agree if they are met to so many pixels.
const AGREE_PX: f64 = 2.0;

/// The marks of a view's reference picture.
pub struct Registrar {
    projection: Projection,
    fixture: Fixture,
    size: SizePx,
    shrink: i32,
    // The reference picture as it is and made smaller.
    fine: Level,
    coarse: Level,
    marks: Vec<Mark>,
    pivot: PointMm,
    mm_per_px: f64,
}

/// A place that is easy to find again.
#[derive(Debug, Clone, Copy)]
struct Mark {
    region: RectPx,
    center: PointPx,
    home: PointMm,
}

/// A grey picture, so many times smaller than the frame.
struct Level {
    image: Mat,
    shrink: f64,
}

impl Registrar {
    /// Takes the marks that the recipe names, or chooses some within `region`.
    ///
    /// # Errors
    /// [`VisionError`] if a mark is outside the picture or plain, or if none are named and the picture
    /// shows too few; the recipe is refused at load.
    pub fn new(
        reference: &Picture,
        fixture: &Fixture,
        projection: Projection,
        region: RectPx,
    ) -> Result<Self, VisionError> {
        let failed = || VisionError::opencv("look for marks in the reference picture");
        let grey = grey(&reference.pixels, reference.size, reference.format).map_err(failed())?;
        let mm_per_px = scale_at(&projection, center_of(region));
        let reach_px = fixture.shift_max_mm * BEYOND / mm_per_px;
        let regions = if fixture.marks_px.is_empty() {
            marks::choose(&grey, region, reach_px).map_err(failed())?
        } else {
            fixture.marks_px.clone()
        };
        if regions.is_empty() {
            return Err(VisionError::NoMarks);
        }
        for mark in &regions {
            marks::check(&grey, *mark, reference.size)?;
        }
        let shrink = shrink_for(&regions);
        let marks: Vec<Mark> = regions
            .into_iter()
            .map(|region| {
                let center = center_of(region);
                Mark {
                    region,
                    center,
                    home: projection.mm_from_px(center),
                }
            })
            .collect();
        let homes: Vec<_> = marks
            .iter()
            .map(|mark| (mark.home, mark.home, 1.0))
            .collect();
        let pivot = Placement::fit(&homes, 1.0).map_or(PointMm::default(), |all| all.pivot);
        let fine = Level::new(grey);
        let coarse = fine.smaller(shrink).map_err(failed())?;
        Ok(Self {
            projection,
            fixture: fixture.clone(),
            size: reference.size,
            shrink,
            fine,
            coarse,
            marks,
            pivot,
            mm_per_px,
        })
    }

    /// The marks in the reference picture.
    pub fn marks(&self) -> impl Iterator<Item = RectPx> {
        self.marks.iter().map(|mark| mark.region)
    }

    /// Finds the part.
    ///
    /// # Errors
    /// [`VisionError::NotFound`] where too few marks are met, [`VisionError::TooFar`] where the part lies
    /// beyond the recipe's limits, [`VisionError::WrongSize`] for a frame of another size than the
    /// reference picture.
    pub fn find(&self, frame: &Frame) -> Result<Placed, VisionError> {
        if frame.size() != self.size {
            return Err(VisionError::WrongSize {
                found: frame.size(),
                expected: self.size,
            });
        }
        let failed = || VisionError::opencv("look for the part's marks");
        let grey = grey(frame.pixels(), frame.size(), frame.format()).map_err(failed())?;
        let fine = Level::new(grey);
        let coarse = fine.smaller(self.shrink).map_err(failed())?;
        let roughly = self.best_turn(&coarse).map_err(failed())?;
        let met = match roughly {
            Some(roughly) => self.meet_closely(&fine, roughly).map_err(failed())?,
            None => Vec::new(),
        };
        let tolerance_mm = AGREE_PX * self.mm_per_px;
        let (placement, n_met) = agreement(&met, tolerance_mm).unwrap_or_else(|| {
            let mut nowhere = Placement::at_home(self.pivot);
            nowhere.score = met.iter().map(|(_, _, score)| *score).fold(0.0, f64::max);
            (nowhere, 0)
        });
        // More than half: by chance two corners of another part lie like two of this one now and then.
        let n_needed = (self.marks.len() / 2 + 1).min(self.marks.len());
        if n_met < n_needed || placement.score < self.fixture.score_min {
            return Err(VisionError::NotFound {
                n_met,
                n_marks: self.marks.len(),
                score: placement.score,
                score_min: self.fixture.score_min,
            });
        }
        // Told about the same point for every part, whichever marks were met.
        let placement = placement.about(self.pivot);
        let is_far = self.fixture.shift_max_mm < placement.shift_mm()
            || self.fixture.turn_max_deg < placement.turn_deg.abs();
        if is_far {
            return Err(VisionError::TooFar {
                placement,
                shift_max_mm: self.fixture.shift_max_mm,
                turn_max_deg: self.fixture.turn_max_deg,
            });
        }
        Ok(Placed {
            projection: self.projection,
            placement,
        })
    }

    fn turned(&self, turn_deg: f64) -> Placed {
        let placement = Placement {
            turn_deg,
            ..Placement::at_home(self.pivot)
        };
        self.placed(placement)
    }

    fn placed(&self, placement: Placement) -> Placed {
        Placed {
            projection: self.projection,
            placement,
        }
    }

    /// The turn at which the marks are most alike, with the placement on which most of them agree.
    fn best_turn(&self, frame: &Level) -> opencv::Result<Option<Placement>> {
        let reach_px = self.fixture.shift_max_mm * BEYOND / self.mm_per_px;
        let tolerance_mm = (AGREE_PX + f64::from(self.shrink)) * self.mm_per_px;
        let mut best: Option<(usize, Placement)> = None;
        for turn_deg in turns(self.fixture.turn_max_deg * BEYOND) {
            let met = self.meet(&self.coarse, frame, &self.turned(turn_deg), reach_px)?;
            let Some((placement, n_met)) = agreement(&met, tolerance_mm) else {
                continue;
            };
            let is_better =
                |(n, other): &(usize, Placement)| (*n, other.score) < (n_met, placement.score);
            if best.as_ref().is_none_or(is_better) {
                best = Some((n_met, placement));
            }
        }
        Ok(best.map(|(_, placement)| placement))
    }

    /// The marks around where a rough placement has them, to a fraction of a pixel.
    fn meet_closely(&self, frame: &Level, roughly: Placement) -> opencv::Result<Vec<Met>> {
        let reach_px = AGREE_PX + 2.0 * f64::from(self.shrink);
        let met = self.meet(&self.fine, frame, &self.placed(roughly), reach_px)?;
        // Templates of the turn that was found are more alike than those of the turn that was tried.
        let tolerance_mm = AGREE_PX * self.mm_per_px;
        match agreement(&met, tolerance_mm) {
            Some((closely, _)) => {
                self.meet(&self.fine, frame, &self.placed(closely), AGREE_PX + 1.0)
            }
            None => Ok(met),
        }
    }

    /// Where the marks are, each at most `reach_px` from where `expected` has it.
    fn meet(
        &self,
        reference: &Level,
        frame: &Level,
        expected: &Placed,
        reach_px: f64,
    ) -> opencv::Result<Vec<Met>> {
        let mut met = Vec::new();
        for mark in &self.marks {
            let now = expected.now_from_home(mark.center);
            let template = reference.template(mark, expected, now)?;
            if let Some((place, score)) = frame.search(&template, now, reach_px)? {
                met.push((mark.home, self.projection.mm_from_px(place), score));
            }
        }
        Ok(met)
    }
}

impl Level {
    fn new(image: Mat) -> Self {
        Self { image, shrink: 1.0 }
    }

    fn smaller(&self, shrink: i32) -> opencv::Result<Self> {
        let mut image = Mat::default();
        if shrink == 1 {
            image = self.image.clone();
        } else {
            let size = Size::new(self.image.cols() / shrink, self.image.rows() / shrink);
            imgproc::resize(&self.image, &mut image, size, 0.0, 0.0, imgproc::INTER_AREA)?;
        }
        Ok(Self {
            image,
            shrink: f64::from(shrink),
        })
    }

    fn in_level(&self, point: PointPx) -> PointPx {
        PointPx {
            x: (point.x + 0.5) / self.shrink - 0.5,
            y: (point.y + 0.5) / self.shrink - 0.5,
        }
    }

    fn in_frame(&self, point: PointPx) -> PointPx {
        PointPx {
            x: (point.x + 0.5) * self.shrink - 0.5,
            y: (point.y + 0.5) * self.shrink - 0.5,
        }
    }

    /// The mark of this reference as the camera sees it at `now`.
    fn template(&self, mark: &Mark, expected: &Placed, now: PointPx) -> opencv::Result<Mat> {
        let side = |px: f64| pixel((px / self.shrink).round()).unwrap_or(1).max(1);
        let (columns, rows) = (side(mark.region.width), side(mark.region.height));
        let home_of = |dx: f64, dy: f64| {
            expected.home_from_now(PointPx {
                x: now.x + dx,
                y: now.y + dy,
            })
        };
        // So small a patch is turned and stretched, and bent no further.
        let (home, right, down) = (home_of(0.0, 0.0), home_of(1.0, 0.0), home_of(0.0, 1.0));
        let [a, b] = [right.x - home.x, down.x - home.x];
        let [c, d] = [right.y - home.y, down.y - home.y];
        let middle = [columns, rows].map(|side| f64::from(side - 1) / 2.0);
        let home = self.in_level(home);
        let back = [
            [a, b, home.x - a * middle[0] - b * middle[1]],
            [c, d, home.y - c * middle[0] - d * middle[1]],
        ];
        view::warped(&self.image, back, Size::new(columns, rows))
    }

    /// The most alike place within `reach_px` of `around`, and how alike it is; `None` where the picture
    /// has no room for the template.
    fn search(
        &self,
        template: &Mat,
        around: PointPx,
        reach_px: f64,
    ) -> opencv::Result<Option<(PointPx, f64)>> {
        let around = self.in_level(around);
        let reach = (reach_px / self.shrink).ceil() + 1.0;
        let middle = [template.cols(), template.rows()].map(|side| f64::from(side - 1) / 2.0);
        let span = |around: f64, middle: f64, side: i32, available: i32| {
            let first = pixel((around - middle - reach).floor())?.max(0);
            let end = pixel((around - middle + reach).ceil())?
                .checked_add(side)?
                .min(available);
            (side <= end - first).then_some((first, end - first))
        };
        let columns = span(around.x, middle[0], template.cols(), self.image.cols());
        let rows = span(around.y, middle[1], template.rows(), self.image.rows());
        let (Some((x, width)), Some((y, height))) = (columns, rows) else {
            return Ok(None);
        };
        let part = self.image.roi(Rect::new(x, y, width, height))?;
        let mut alike = Mat::default();
        imgproc::match_template_def(&part, template, &mut alike, imgproc::TM_CCOEFF_NORMED)?;
        let (mut score, mut peak) = (0.0, Point::default());
        core::min_max_loc(
            &alike,
            None,
            Some(&mut score),
            None,
            Some(&mut peak),
            &core::no_array(),
        )?;
        let [dx, dy] = beside_peak(&alike, peak)?;
        let place = self.in_frame(PointPx {
            x: f64::from(x + peak.x) + dx + middle[0],
            y: f64::from(y + peak.y) + dy + middle[1],
        });
        Ok(Some((place, score)))
    }
}

/// The top of the parabola through the peak and its neighbours, along columns and rows.
fn beside_peak(alike: &Mat, peak: Point) -> opencv::Result<[f64; 2]> {
    let at = |dx: i32, dy: i32| -> opencv::Result<Option<f64>> {
        let (x, y) = (peak.x + dx, peak.y + dy);
        let is_inside = (0..alike.cols()).contains(&x) && (0..alike.rows()).contains(&y);
        if is_inside {
            alike
                .at_2d::<f32>(y, x)
                .map(|value| Some(f64::from(*value)))
        } else {
            Ok(None)
        }
    };
    let top = |before: Option<f64>, middle: Option<f64>, after: Option<f64>| {
        let (Some(before), Some(middle), Some(after)) = (before, middle, after) else {
            return 0.0;
        };
        let bend = before - 2.0 * middle + after;
        if bend < 0.0 {
            ((before - after) / (2.0 * bend)).clamp(-0.5, 0.5)
        } else {
            0.0
        }
    };
    let middle = at(0, 0)?;
    Ok([
        top(at(-1, 0)?, middle, at(1, 0)?),
        top(at(0, -1)?, middle, at(0, 1)?),
    ])
}

/// The turns to try, up to `max_deg` to both sides.
fn turns(max_deg: f64) -> Vec<f64> {
    let n = pixel(((max_deg - TURN_STEP_DEG / 2.0) / TURN_STEP_DEG).ceil())
        .unwrap_or(0)
        .max(0);
    (-n..=n)
        .map(|step| f64::from(step) * TURN_STEP_DEG)
        .collect()
}

fn shrink_for(marks: &[RectPx]) -> i32 {
    let side_px = marks
        .iter()
        .map(|mark| mark.width.min(mark.height))
        .fold(f64::INFINITY, f64::min);
    let fits = |shrink: &&i32| COARSE_SIDE_MIN * f64::from(**shrink) <= side_px;
    SHRINKS.iter().find(fits).copied().unwrap_or(1)
}

fn grey(pixels: &[u8], size: SizePx, format: PixelFormat) -> opencv::Result<Mat> {
    let seen: View<'_> = view::of_bytes(pixels, size, format)?;
    let mut grey = Mat::default();
    match format {
        PixelFormat::Gray8 => seen.copy_to(&mut grey)?,
        PixelFormat::Bgr8 => imgproc::cvt_color_def(&seen, &mut grey, imgproc::COLOR_BGR2GRAY)?,
        PixelFormat::Rgb8 => imgproc::cvt_color_def(&seen, &mut grey, imgproc::COLOR_RGB2GRAY)?,
    }
    Ok(grey)
}

fn center_of(region: RectPx) -> PointPx {
    PointPx {
        x: region.x + (region.width - 1.0) / 2.0,
        y: region.y + (region.height - 1.0) / 2.0,
    }
}

/// Millimetres of a pixel at a place: the mean along columns and rows.
fn scale_at(projection: &Projection, place: PointPx) -> f64 {
    let here = projection.mm_from_px(place);
    let beside = [(1.0, 0.0), (0.0, 1.0)].map(|(dx, dy)| {
        let next = projection.mm_from_px(PointPx {
            x: place.x + dx,
            y: place.y + dy,
        });
        (next.x - here.x).hypot(next.y - here.y)
    });
    f64::midpoint(beside[0], beside[1])
}

#[cfg(test)]
mod tests;
