//! From pictures of a board to a lens: fitted, purged of outliers, and refused where it would not hold.

use std::path::Path;

use jiff::Timestamp;

use crate::calibration::{Board, Draft, LensFigures, ViewResidual};
use crate::domain::{PointPx, SizePx};
use crate::vision::{FittedView, LensFit, VisionError, fit_lens};

use super::coverage::Coverage;
use super::error::CalibrateError;
use super::views::{Rejected, View, look};

/// Fewer views settle no lens.
pub const VIEWS_MIN: usize = 4;
/// From so many views on the figures rest on more than a guess.
pub(super) const VIEWS_RECOMMENDED: usize = 10;
/// Cells of the picture that must have points.
const CELLS_MIN: usize = 5;
/// A fit that misses by more is none.
const RMS_MAX_PX: f64 = 1.0;
/// One that misses by more deserves a look.
const RMS_GOOD_PX: f64 = 0.5;
/// A focal length that is known worse than this share: the board was never tilted.
const FOCAL_SD_SHARE_MAX: f64 = 0.01;
/// Boards that all lie flatter tell distance from focal length badly.
pub(super) const TILT_GOOD_DEG: f64 = 15.0;
/// A view is an outlier from so many times the median residual on, and never below the least.
const OUTLIER_TIMES: f64 = 3.0;
const OUTLIER_MIN_PX: f64 = 0.3;
/// How often outliers are taken out and the rest is fitted anew.
const ROUNDS_MAX: usize = 3;

/// All that was seen and fitted.
#[derive(Debug)]
pub struct LensStudy {
    /// The board.
    pub board: Board,
    /// The pictures' size.
    pub size: SizePx,
    /// Every picture, used or not.
    pub views: Vec<View>,
    /// The lens, if there were views enough; its views are those that are used, in their order.
    pub fit: Option<LensFit>,
    /// Where points were seen.
    pub coverage: Coverage,
    /// Why the lens may not be used; empty if it may.
    pub refusals: Vec<String>,
    /// What would make it better.
    pub guidance: Vec<String>,
}

/// Looks for the board in every picture of the folder and fits a lens; `step` is told of each picture.
///
/// # Errors
/// [`CalibrateError`] if there are no pictures or OpenCV refuses them. A lens that would not hold is no error:
/// the study's `refusals` say why.
pub fn study_lens(
    camera: &str,
    folder: &Path,
    board: Board,
    step: &dyn Fn(),
) -> Result<LensStudy, CalibrateError> {
    let (size, views) = look(camera, folder, &board, step)?;
    study_views(board, size, views)
}

/// Fits a lens to views that were looked at.
pub(super) fn study_views(
    board: Board,
    size: SizePx,
    mut views: Vec<View>,
) -> Result<LensStudy, CalibrateError> {
    let mut refusals = Vec::new();
    let fit = match fit_without_outliers(&board, size, &mut views) {
        Ok(fit) => fit,
        Err(error @ VisionError::NoFit) => {
            refusals.push(error.to_string());
            None
        }
        Err(error) => return Err(error.into()),
    };
    let seen = views.iter().filter_map(|view| view.seen.as_ref().ok());
    let coverage = Coverage::of(size, seen.flat_map(|sighting| &sighting.points));
    let mut study = LensStudy {
        board,
        size,
        views,
        fit,
        coverage,
        refusals,
        guidance: Vec::new(),
    };
    study.judge();
    Ok(study)
}

fn fit_without_outliers(
    board: &Board,
    size: SizePx,
    views: &mut [View],
) -> Result<Option<LensFit>, VisionError> {
    let mut fit = None;
    for _ in 0..ROUNDS_MAX {
        let seen = points(views);
        if seen.len() < VIEWS_MIN {
            return Ok(None);
        }
        let fitted = fit_lens(board, &seen, size)?;
        let has_outliers = reject_outliers(views, &fitted.views);
        fit = Some(fitted);
        if !has_outliers {
            return Ok(fit);
        }
    }
    let seen = points(views);
    if seen.len() < VIEWS_MIN {
        return Ok(None);
    }
    fit.map(|_| fit_lens(board, &seen, size)).transpose()
}

fn points(views: &[View]) -> Vec<Vec<PointPx>> {
    let seen = views.iter().filter_map(|view| view.seen.as_ref().ok());
    seen.map(|sighting| sighting.points.clone()).collect()
}

/// Marks the views that the fit does not explain; says whether there were any.
fn reject_outliers(views: &mut [View], fitted: &[FittedView]) -> bool {
    let mut sorted: Vec<f64> = fitted.iter().map(|view| view.residual_rms_px).collect();
    sorted.sort_by(f64::total_cmp);
    let usual_px = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let most_px = (OUTLIER_TIMES * usual_px).max(OUTLIER_MIN_PX);
    let mut has_outliers = false;
    let used = views.iter_mut().filter(|view| view.seen.is_ok());
    for (view, fitted) in used.zip(fitted) {
        let rms_px = fitted.residual_rms_px;
        if most_px < rms_px {
            view.seen = Err(Rejected::Outlier { rms_px, usual_px });
            has_outliers = true;
        }
    }
    has_outliers
}

impl LensStudy {
    /// The views that are used, each with its part of the fit.
    pub fn used(&self) -> impl Iterator<Item = (&View, &FittedView)> {
        let used = self.views.iter().filter(|view| view.seen.is_ok());
        used.zip(self.fit.iter().flat_map(|fit| &fit.views))
    }

    /// How many views are used.
    pub fn n_used(&self) -> usize {
        self.views.iter().filter(|view| view.seen.is_ok()).count()
    }

    /// The calibration so far: a lens without a plane. `None` if it is refused.
    pub fn draft(&self, camera: &str, [made, valid_until]: [Timestamp; 2]) -> Option<Draft> {
        let fit = self.fit.as_ref().filter(|_| self.refusals.is_empty())?;
        let n_points = fit
            .views
            .iter()
            .map(|view| view.projected.len())
            .sum::<usize>();
        let residuals = self.used().map(|(view, fitted)| ViewResidual {
            picture: view.name(),
            residual_rms_px: fitted.residual_rms_px,
        });
        Some(Draft {
            camera: camera.to_owned(),
            made_at_utc: made,
            valid_until_utc: valid_until,
            image_size: self.size,
            lens: fit.lens,
            reprojection_error_rms_px: fit.rms_px,
            board: self.board.to_string(),
            lens_fit: Some(LensFigures {
                n_points: u32::try_from(n_points).unwrap_or(u32::MAX),
                covariance: fit.covariance,
                views: residuals.collect(),
            }),
            plane: None,
            flat_field: None,
            colour: None,
        })
    }

    fn judge(&mut self) {
        let n_used = self.n_used();
        let (n_views, n_covered) = (self.views.len(), self.coverage.n_covered());
        if n_used < VIEWS_MIN {
            self.refusals.push(format!(
                "only {n_used} of {n_views} pictures show the board as they should, at least {VIEWS_MIN} are needed, \
                 {VIEWS_RECOMMENDED} are good"
            ));
        } else if n_used < VIEWS_RECOMMENDED {
            self.guidance.push(format!(
                "{n_used} pictures were used; with {VIEWS_RECOMMENDED} or more the lens is known better"
            ));
        }
        let empty = self.coverage.empty();
        if n_used != 0 && !empty.is_empty() {
            let text = format!(
                "no point of the board was seen in these parts of the picture, so the lens is guessed there: {}; \
                 take pictures with the board there",
                empty.join(", ")
            );
            if n_covered < CELLS_MIN {
                self.refusals.push(text);
            } else {
                self.guidance.push(text);
            }
        }
        let Some(fit) = &self.fit else { return };
        let [focal_px, _] = fit.lens.focal_px;
        let [focal_sd_px, ..] = fit.sd();
        // Written so that NaN is refused.
        if !(..=RMS_MAX_PX).contains(&fit.rms_px) {
            self.refusals.push(format!(
                "the fit misses the board by {:.2} px, at most {RMS_MAX_PX} is taken; is the board flat and `--corners` \
                 right, did the focus change?",
                fit.rms_px
            ));
        } else if RMS_GOOD_PX < fit.rms_px {
            self.guidance.push(format!(
                "the fit misses the board by {:.2} px; below {RMS_GOOD_PX} is usual: a flat board, sharp pictures, even light",
                fit.rms_px
            ));
        }
        if !(..=FOCAL_SD_SHARE_MAX * focal_px).contains(&focal_sd_px) {
            self.refusals.push(format!(
                "the focal length is known to {:.1} % only, at most {:.0} % is taken; tilt the board by 20 to 40 degrees, \
                 to all sides",
                100.0 * focal_sd_px / focal_px,
                100.0 * FOCAL_SD_SHARE_MAX
            ));
        } else if fit.views.iter().all(|view| view.tilt_deg < TILT_GOOD_DEG) {
            self.guidance.push(
                "the board was nearly parallel to the sensor in all pictures; tilt it by 20 to 40 degrees in some"
                    .to_owned(),
            );
        }
        if fit.folds(self.size) {
            self.refusals.push(
                "the fitted lens folds over at the picture's corners; take pictures with the board in the corners"
                    .to_owned(),
            );
        }
    }
}
