//! A calibration on its way: what one step of `taktgate calibrate` leaves for the next.
//!
//! The lens comes first, then the plane, the flat field, the colour; each step reads the file, adds its part and
//! writes the whole anew.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{
    CalibrationFault, Colour, LengthUncertainty, Lens, check_date, check_size, file, write,
};
use crate::config::ConfigError;
use crate::domain::SizePx;

/// A calibration file, with a plane or without one yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The camera.
    pub camera: String,
    /// When its last step was made.
    pub made_at_utc: Timestamp,
    /// From when on it is not trusted.
    pub valid_until_utc: Timestamp,
    /// The only image size it is for.
    pub image_size: SizePx,
    /// The lens.
    pub lens: Lens,
    /// How well the board's points were met.
    pub reprojection_error_rms_px: f64,
    /// What was photographed.
    pub board: String,
    /// What the fit of the lens said of itself.
    pub lens_fit: Option<LensFigures>,
    /// The plane, once it is known.
    pub plane: Option<Plane>,
    /// The flat-field picture beside the file.
    pub flat_field: Option<PathBuf>,
    /// The colours; measured with the flat field, where there is one.
    pub colour: Option<Colour>,
}

/// From undistorted pixels to millimetres.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    /// What the plane is.
    pub name: String,
    /// The homography.
    pub mm_from_px: [[f64; 3]; 3],
    /// What a length on it is uncertain by.
    pub length_uncertainty: Option<LengthUncertainty>,
    /// What its fit said of itself.
    pub figures: Option<PlaneFigures>,
}

/// What the fit of a lens said of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct LensFigures {
    /// Points of all views.
    pub n_points: u32,
    /// Of fx, fy, cx, cy, k1, k2, p1, p2, k3, in their units; zeros for what was not fitted.
    pub covariance: [[f64; 9]; 9],
    /// Each view that was used.
    pub views: Vec<ViewResidual>,
}

/// How well one view's points were met.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewResidual {
    /// The picture's name.
    pub picture: String,
    /// Root of the mean squared distance between a point found and the same point projected.
    pub residual_rms_px: f64,
}

/// What the fit of a plane said of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaneFigures {
    /// The picture or the table of points.
    pub from: String,
    /// Its points.
    pub n_points: u32,
    /// Root of the mean squared distance on the plane.
    pub residual_rms_mm: f64,
}

impl Draft {
    /// Reads and checks a calibration file that may have no plane yet.
    ///
    /// # Errors
    /// [`ConfigError`] with every mistake.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        file::parse_draft(path, text)
    }

    /// The file's text.
    pub fn to_toml(&self) -> String {
        write::to_toml(self)
    }

    /// Whether it may be built on now.
    ///
    /// # Errors
    /// [`CalibrationFault`]; calibrate the lens again.
    pub fn check_date(&self, now: Timestamp) -> Result<(), CalibrationFault> {
        check_date(&self.camera, [self.made_at_utc, self.valid_until_utc], now)
    }

    /// Whether it is for pictures of this size.
    ///
    /// # Errors
    /// [`CalibrationFault::WrongSize`].
    pub fn check_size(&self, found: SizePx) -> Result<(), CalibrationFault> {
        check_size(&self.camera, self.image_size, found)
    }
}
