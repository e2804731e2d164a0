//! Why nothing can be taught from the pictures that are there.

use std::path::PathBuf;

use crate::model::{ModelError, WriteError};
use crate::source::SourceError;
use crate::vision::VisionError;

/// Teaching that ended without a package; each says which pictures and what to do.
#[derive(Debug, thiserror::Error)]
pub enum TeachError {
    /// The folder cannot be read.
    #[error("cannot read the pictures in `{folder}`")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: Box<SourceError>,
    },
    /// There is no picture.
    #[error(
        "`{folder}` has no picture (png, jpg, jpeg, bmp, tif, tiff); put pictures of good parts there"
    )]
    NoPicture {
        /// The folder.
        folder: PathBuf,
    },
    /// Some pictures cannot be used.
    #[error(
        "{n_bad} of {n_pictures} pictures cannot be used; take them away or write them anew:{}",
        list(mistakes)
    )]
    Unreadable {
        /// How many.
        n_bad: usize,
        /// Of how many.
        n_pictures: usize,
        /// Each with its reason.
        mistakes: Vec<String>,
    },
    /// Pictures of several sizes cannot come from one camera.
    #[error(
        "most pictures have about {usual_width_px} x {usual_height_px} px and these another size; one camera gives one size, so take them away:{}",
        list(others)
    )]
    Sizes {
        /// The usual width.
        usual_width_px: u32,
        /// The usual height.
        usual_height_px: u32,
        /// Each other picture with its size.
        others: Vec<String>,
    },
    /// One picture is among the good and the bad ones.
    #[error("`{good}` and `{bad}` are the same picture; a part is good or bad, so take one away")]
    GoodAndBad {
        /// Among the good ones.
        good: PathBuf,
        /// Among the bad ones.
        bad: PathBuf,
    },
    /// More pictures than fit in memory.
    #[error(
        "{n_pictures} pictures take {gigabytes:.1} GiB at this input size, at most {gigabytes_max:.1} are held; give fewer pictures, fewer `--tiles` or a smaller `--size`"
    )]
    TooMany {
        /// Pictures.
        n_pictures: usize,
        /// What they would take.
        gigabytes: f64,
        /// The limit.
        gigabytes_max: f64,
    },
    /// More pictures than are worth it.
    #[error(
        "there are {n_pictures} pictures, at most {n_max} are taught; more only cost time, so take a varied choice"
    )]
    TooManyParts {
        /// Pictures.
        n_pictures: usize,
        /// The limit.
        n_max: usize,
    },
    /// Too few different parts.
    #[error(
        "`{folder}` has {n_parts} different parts to learn from ({n_left_out} pictures do not count), at least {n_min} are needed; take pictures of more good parts"
    )]
    TooFew {
        /// The folder.
        folder: PathBuf,
        /// Different parts.
        n_parts: usize,
        /// Pictures that do not count.
        n_left_out: usize,
        /// The least number.
        n_min: usize,
    },
    /// The wanted input does not fit the backbone.
    #[error(
        "`--size {width_px}x{height_px}`: this backbone takes sides in steps of {step_px} px; write for example {}x{}",
        rounded(*width_px, *step_px), rounded(*height_px, *step_px)
    )]
    Size {
        /// The wanted width.
        width_px: u32,
        /// The wanted height.
        height_px: u32,
        /// The backbone's step.
        step_px: u32,
    },
    /// Nothing differs, so nothing can be learnt.
    #[error(
        "all pictures look the same to the backbone, so what is normal cannot be told; is the lens covered?"
    )]
    AllTheSame,
    /// The backbone gave rows of several lengths.
    #[error("the backbone's features do not fit together; is its ONNX file whole?")]
    Rows {
        /// What does not fit.
        #[source]
        source: ndarray::ShapeError,
    },
    /// The cache cannot be used.
    #[error("cannot use the folder `{folder}` for computed rows; name another with `--cache`")]
    Cache {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The backbone failed.
    #[error("the backbone cannot be asked")]
    Model(#[from] ModelError),
    /// The package was not written.
    #[error("no package was written")]
    Package(#[source] Box<WriteError>),
    /// OpenCV refused something.
    #[error("cannot work on the pictures")]
    Vision(#[from] VisionError),
}

fn list(lines: &[String]) -> String {
    lines
        .iter()
        .fold(String::new(), |text, line| text + "\n- " + line)
}

/// The nearest side that the backbone takes.
fn rounded(side_px: u32, step_px: u32) -> u32 {
    let step_px = step_px.max(1);
    (side_px.saturating_add(step_px / 2) / step_px)
        .max(1)
        .saturating_mul(step_px)
}
