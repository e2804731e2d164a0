//! Why a calibration could not be made, and what to do about it.

use std::path::PathBuf;

use crate::calibration::{CalibrationFault, Curve};
use crate::source::SourceError;
use crate::vision::{NoBoard, NoChart, VisionError};

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
    /// A line of the table is no colour.
    #[error(
        "`{path}`, line {line}: {what}; write a first line `patch,L,a,b` (CIELAB for D50) or `patch,red,green,blue` (sRGB, 0 to 255), and a line for each of the patches 1 to 24"
    )]
    Colours {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A picture of the chart is of no use.
    #[error("`{picture}` does not serve as a picture of the chart")]
    NoChart {
        /// The picture.
        picture: PathBuf,
        /// Why.
        #[source]
        why: NoChart,
    },
    /// The chart lies otherwise.
    #[error(
        "`{picture}`: the colours do not fit the order of the corners, by {given:.1} on the average (CIEDE2000), and fit another by {off:.1}; write `--corners {corners}`"
    )]
    Turned {
        /// The picture.
        picture: PathBuf,
        /// The difference with the corners as given.
        given: f64,
        /// The difference in the other order.
        off: f64,
        /// The corners in that order.
        corners: String,
    },
    /// The light changes from picture to picture.
    #[error(
        "`{picture}` is brighter or darker than the first picture by {:.0} %, at most {:.0} %; is the light steady, did the chart move?", share * 100.0, max * 100.0
    )]
    Unsteady {
        /// The picture.
        picture: PathBuf,
        /// By how much.
        share: f64,
        /// The limit.
        max: f64,
    },
    /// The patches do not differ.
    #[error(
        "the patches do not differ enough in colour to settle a correction; do the corners lie on the chart?"
    )]
    NoColours,
    /// The camera's values mean something else.
    #[error(
        "no correction brings the patches nearer than {mean:.1} on the average (CIEDE2000), at most {max} is taken; write `--curve {curve}`, with which it is {off:.1}: `srgb` is for cameras that make pictures to look at, `linear` for a gamma of 1"
    )]
    OtherCurve {
        /// The mean difference.
        mean: f64,
        /// The limit.
        max: f64,
        /// What fits better.
        curve: Curve,
        /// The mean difference with it, held out.
        off: f64,
    },
    /// No matrix explains what is seen.
    #[error(
        "no correction brings the patches nearer than {mean:.1} on the average (CIEDE2000), at most {max} is taken; do the corners lie in the middles of the corner patches, is it the chart of the reference, is `--curve` that of the camera, is the light white?"
    )]
    OffChart {
        /// The mean difference.
        mean: f64,
        /// The limit.
        max: f64,
    },
    /// Pixels could not be worked on.
    #[error(transparent)]
    Vision(#[from] VisionError),
}
