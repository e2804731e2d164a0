//! A video file or stream, one frame a part, read in order.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{FrameSource, SourceError};
use crate::domain::{Frame, Trigger};
use crate::vision::Video;

/// A video as a camera.
pub struct VideoFile {
    camera: String,
    path: PathBuf,
    video: Video,
    n_taken: u64,
}

impl VideoFile {
    /// Opens a video.
    ///
    /// # Errors
    /// [`SourceError`] if it cannot be opened.
    pub fn open(camera: &str, path: &Path) -> Result<Self, SourceError> {
        let video =
            Video::open(&path.display().to_string()).map_err(|cause| SourceError::Vision {
                camera: camera.to_owned(),
                cause,
            })?;
        Ok(Self {
            camera: camera.to_owned(),
            path: path.to_owned(),
            video,
            n_taken: 0,
        })
    }
}

impl FrameSource for VideoFile {
    fn capture(&mut self, _trigger: &Trigger, _latest: Instant) -> Result<Frame, SourceError> {
        let picture = self
            .video
            .next()
            .map_err(|cause| SourceError::Vision {
                camera: self.camera.clone(),
                cause,
            })?
            .ok_or_else(|| SourceError::End {
                camera: self.camera.clone(),
                path: self.path.clone(),
            })?;
        let mut frame = picture.into_frame(&self.camera, Instant::now())?;
        self.n_taken += 1;
        frame.camera_frame = self.n_taken;
        frame.origin = Some(format!("{}#{}", self.video.origin(), self.n_taken));
        Ok(frame)
    }
}
