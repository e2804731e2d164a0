//! Where frames come from: one [`FrameSource`] a camera.

mod camera;
mod controls;
mod folder;
mod generator;
mod genicam;
#[cfg(target_os = "linux")]
mod grey;
mod matching;
#[cfg_attr(
    not(feature = "genicam"),
    expect(
        dead_code,
        reason = "only GenICam cameras are asked for frames and count their losses"
    )
)]
mod newest;
mod stream;
mod video;
mod watched;

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::domain::{Frame, FrameError, Reason, Trigger};
use crate::vision::{DecodeError, DecodeLimits, Picture, VisionError, decode};

pub use camera::{Camera, CameraFormat, CameraSelect, FourCc, usb_cameras};
pub use controls::UsbControls;
pub use folder::{Folder, Order, pictures_below};
pub use generator::Generator;
pub use genicam::{Genicam, GenicamPixels, GenicamSettings, GenicamTrigger, genicam_cameras};
pub use matching::{Announced, FrameWindow};
pub use stream::Stream;
pub use video::VideoFile;
pub use watched::{After, Belongs, Watched};

/// One camera, or what stands in for it.
pub trait FrameSource: Send {
    /// Blocks until the frame of `trigger` is there or `latest` has come.
    ///
    /// # Errors
    /// [`SourceError`] if there is no frame; the station answers the trigger with its reason.
    fn capture(&mut self, trigger: &Trigger, latest: Instant) -> Result<Frame, SourceError>;
}

/// A camera that the system shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundCamera {
    /// The kind of source that it is for: `usb` or `genicam`.
    pub kind: &'static str,
    /// What the station file calls `device`.
    pub id: String,
    /// Vendor and model, as the camera says.
    pub name: String,
    /// Where it is: its driver, or protocol and address.
    pub place: String,
}

/// Why there is no frame.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The camera did not deliver in time.
    #[error(
        "camera `{camera}` gave no frame within {waited_ms} ms; is it plugged in and triggered?"
    )]
    Timeout {
        /// The camera.
        camera: String,
        /// How long was waited.
        waited_ms: u128,
    },
    /// The part waited for its turn until its frame had made room for newer ones.
    #[error(
        "camera `{camera}`: the frame of this part has made room for {n_kept} newer ones, which may show the next part; give the parts more time, or a slower camera"
    )]
    TooMany {
        /// The camera.
        camera: String,
        /// How many newer ones there are.
        n_kept: usize,
    },
    /// It cannot be told which frame is the part's.
    #[error("camera `{camera}`: it cannot be told which frame is this part's: {text}")]
    Unmatched {
        /// The camera.
        camera: String,
        /// What does not agree.
        text: String,
    },
    /// The folder or video has no more pictures.
    #[error("camera `{camera}`: `{path}` has no more pictures")]
    End {
        /// The camera.
        camera: String,
        /// The folder or file.
        path: PathBuf,
    },
    /// The folder has nothing to show at all.
    #[error("camera `{camera}`: no picture (png, jpg, jpeg, bmp, tif, tiff) in `{path}`")]
    Empty {
        /// The camera.
        camera: String,
        /// The folder.
        path: PathBuf,
    },
    /// A file or folder could not be read.
    #[error("camera `{camera}`: cannot read `{path}`")]
    Read {
        /// The camera.
        camera: String,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A picture is cut off, too large or no picture.
    #[error("camera `{camera}`: `{path}` is no usable picture")]
    Decode {
        /// The camera.
        camera: String,
        /// The file, or the kind of buffer.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: DecodeError,
    },
    /// The bytes do not fit the declared size.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// `OpenCV` could not open, read or convert.
    #[error("camera `{camera}`")]
    Vision {
        /// The camera.
        camera: String,
        /// What `OpenCV` said.
        #[source]
        cause: VisionError,
    },
    /// The camera could not be opened or set.
    #[error("camera `{camera}`: {text}")]
    Device {
        /// The camera.
        camera: String,
        /// What the driver said and what to do.
        text: String,
    },
}

impl SourceError {
    /// What the part is answered.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Decode { .. } | Self::Frame(_) => Reason::ImageUnfit,
            Self::Unmatched { .. } => Reason::Sequence,
            Self::Timeout { .. }
            | Self::TooMany { .. }
            | Self::End { .. }
            | Self::Empty { .. }
            | Self::Read { .. }
            | Self::Vision { .. }
            | Self::Device { .. } => Reason::NoFrame,
        }
    }
}

/// Reads a picture file for `camera`.
///
/// # Errors
/// [`SourceError`] if it cannot be read or is no whole picture.
pub fn read_picture(camera: &str, path: &Path) -> Result<Picture, SourceError> {
    let limits = DecodeLimits::default();
    let fault = |cause| SourceError::Read {
        camera: camera.to_owned(),
        path: path.to_owned(),
        cause,
    };
    let length = std::fs::metadata(path).map_err(fault)?.len();
    if limits.bytes_max < length {
        return Err(fault(std::io::Error::other(format!(
            "the file has {length} bytes, at most {} are read",
            limits.bytes_max
        ))));
    }
    let bytes = std::fs::read(path).map_err(fault)?;
    decode(&bytes, limits).map_err(|cause| SourceError::Decode {
        camera: camera.to_owned(),
        path: path.to_owned(),
        cause,
    })
}

/// Reads a picture file as a frame of `camera`.
///
/// # Errors
/// [`SourceError`] if it cannot be read or is no whole picture.
pub fn read_frame(camera: &str, path: &Path) -> Result<Frame, SourceError> {
    let mut frame = read_picture(camera, path)?.into_frame(camera, Instant::now())?;
    frame.origin = Some(path.display().to_string());
    Ok(frame)
}
