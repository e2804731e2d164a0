//! Why a calibration could not be made, and what to do about it.

use std::path::PathBuf;

use crate::calibration::CalibrationFault;
use crate::source::SourceError;
use crate::vision::{NoBoard, VisionError};

/// A calibration that ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    /// A folder or picture cannot be read.
    #[error("cannot read the pictures")]
    Source(#[from] SourceError),
    /// There is no picture.
    #[error("`{folder}` has no picture (png, jpg, jpeg, bmp, tif, tiff); put the pictures there")]
    NoPicture {
        /// The folder.
        folder: PathBuf,
    },
    /// More pictures than are worth it.
    #[error("there are {n_pictures} pictures, at most {n_max} are used; twenty different ones do")]
    TooMany {
        /// Pictures.
        n_pictures: usize,
        /// The limit.
        n_max: usize,
    },
    /// The calibration that is built on is of no use here.
    #[error("cannot build on this calibration")]
    Unusable(#[from] CalibrationFault),
    /// The picture for the plane does not help.
    #[error("`{picture}` does not show the board on the part's plane")]
    NoBoard {
        /// The picture.
        picture: PathBuf,
        /// Why.
        #[source]
        why: NoBoard,
    },
    /// The picture for the plane cannot be used for lengths.
    #[error(
        "the points miss the plane by {residual_px:.2} px, at most {max_px} is taken; is the board flat, is `--square-mm` right, does the lens still have the focus it was calibrated with?"
    )]
    OffPlane {
        /// Root of the mean squared distance.
        residual_px: f64,
        /// The limit.
        max_px: f64,
    },
    /// The table of known points cannot be read.
    #[error("cannot read `{path}`")]
    Table {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A line of the table is no point.
    #[error(
        "`{path}`, line {line}: {what}; write a first line `x_px,y_px,x_mm,y_mm` and four numbers in each other"
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A picture of the grey card is of no use.
    #[error("`{picture}`: {what}")]
    GreyCard {
        /// The picture.
        picture: PathBuf,
        /// What is wrong and what to do.
        what: String,
    },
    /// Pixels could not be worked on.
    #[error(transparent)]
    Vision(#[from] VisionError),
}
