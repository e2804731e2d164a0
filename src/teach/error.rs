//! Why nothing can be taught from the pictures that are there.

use std::path::PathBuf;

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
        "the pictures are not of one size; a camera gives one, so take the others away:{}",
        list(sizes)
    )]
    Sizes {
        /// Each size with its count and first picture.
        sizes: Vec<String>,
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
    /// OpenCV refused something.
    #[error("cannot compare the pictures")]
    Vision(#[from] VisionError),
}

fn list(lines: &[String]) -> String {
    lines
        .iter()
        .fold(String::new(), |text, line| text + "\n- " + line)
}
