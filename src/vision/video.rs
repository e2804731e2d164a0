//! Pictures out of video files and network streams.

use std::path::Path;

use opencv::core::{Mat, Vector};
use opencv::prelude::*;
use opencv::videoio::{
    CAP_ANY, CAP_FFMPEG, CAP_PROP_OPEN_TIMEOUT_MSEC, CAP_PROP_READ_TIMEOUT_MSEC, VideoCapture,
};

use super::VisionError;
use super::decode::Picture;
use crate::domain::{PixelFormat, SizePx};

/// How long a stream may keep us waiting, for its start and for each picture.
const STREAM_TIMEOUT_MS: i32 = 5000;

/// A video file or stream.
pub struct Video {
    origin: String,
    capture: VideoCapture,
    image: Mat,
}

impl Video {
    /// Opens a file or a stream (`rtsp://...`); blocks until it answers or 5 s have passed.
    ///
    /// # Errors
    /// [`VisionError::NotAVideo`] if there is nothing to read; the source tries again later.
    pub fn open(path_or_url: &str) -> Result<Self, VisionError> {
        let origin = without_password(path_or_url);
        let open = || {
            if path_or_url.contains("://") {
                let limits = Vector::from_slice(&[
                    CAP_PROP_OPEN_TIMEOUT_MSEC,
                    STREAM_TIMEOUT_MS,
                    CAP_PROP_READ_TIMEOUT_MSEC,
                    STREAM_TIMEOUT_MS,
                ]);
                VideoCapture::from_file_with_params(path_or_url, CAP_FFMPEG, &limits)
            } else {
                VideoCapture::from_file(path_or_url, CAP_ANY)
            }
        };
        // OpenCV would ask one backend after the other, and each complains on stderr.
        if !path_or_url.contains("://") && !Path::new(path_or_url).exists() {
            return Err(VisionError::NotAVideo { origin });
        }
        let failed = || VisionError::opencv("open a video");
        let capture = open().map_err(failed())?;
        if !capture.is_opened().map_err(failed())? {
            return Err(VisionError::NotAVideo { origin });
        }
        Ok(Self {
            origin,
            capture,
            image: Mat::default(),
        })
    }

    /// The path or address it was opened with, without a password.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The next picture; `None` at the end of a file, and when a stream breaks off.
    ///
    /// # Errors
    /// [`VisionError::OpenCv`] if a picture cannot be decoded; the source counts it as lost.
    #[expect(
        clippy::should_implement_trait,
        reason = "a video is read picture by picture, with an error for each"
    )]
    pub fn next(&mut self) -> Result<Option<Picture>, VisionError> {
        self.read().map_err(VisionError::opencv("read a video"))
    }

    fn read(&mut self) -> opencv::Result<Option<Picture>> {
        if !self.capture.read(&mut self.image)? || self.image.empty() {
            return Ok(None);
        }
        let format = match self.image.channels() {
            1 => PixelFormat::Gray8,
            _ => PixelFormat::Bgr8,
        };
        Ok(Some(Picture {
            size: SizePx {
                width_px: self.image.cols().unsigned_abs(),
                height_px: self.image.rows().unsigned_abs(),
            },
            format,
            pixels: self.image.data_bytes()?.to_vec(),
        }))
    }
}

/// Takes `user:password@` out of an address, for messages and records.
pub fn without_password(path_or_url: &str) -> String {
    let Some((scheme, rest)) = path_or_url.split_once("://") else {
        return path_or_url.to_owned();
    };
    let host_end = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(host_end);
    match host.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{host}{path}"),
        None => path_or_url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use opencv::core::{CV_8UC3, Scalar, Size};
    use opencv::videoio::VideoWriter;

    use super::*;

    #[test]
    fn a_file_gives_all_its_pictures_and_then_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("film.avi");
        let path = path.to_str().unwrap();
        let code = VideoWriter::fourcc('M', 'J', 'P', 'G').unwrap();
        let mut writer = VideoWriter::new(path, code, 25.0, Size::new(64, 48), true).unwrap();
        for level in [40.0, 90.0, 140.0] {
            let ink = Scalar::new(level, 0.0, 0.0, 0.0);
            let image = Mat::new_rows_cols_with_default(48, 64, CV_8UC3, ink).unwrap();
            writer.write(&image).unwrap();
        }
        writer.release().unwrap();
        let mut video = Video::open(path).unwrap();
        let mut blues = Vec::new();
        while let Some(picture) = video.next().unwrap() {
            assert_eq!((picture.size.width_px, picture.size.height_px), (64, 48));
            assert_eq!(picture.format, PixelFormat::Bgr8);
            blues.push(picture.pixels[0]);
        }
        assert_eq!(blues.len(), 3);
        assert!(blues.is_sorted(), "{blues:?}");
        assert!(video.next().unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_opened_says_so_without_the_password() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none.avi");
        let error = Video::open(path.to_str().unwrap()).err().unwrap();
        assert!(error.to_string().contains("could not be opened as a video"));
        assert_eq!(
            without_password("rtsp://user:pass@10.0.0.7:554/a@b"),
            "rtsp://10.0.0.7:554/a@b"
        );
        assert_eq!(without_password("rtsp://10.0.0.7/s"), "rtsp://10.0.0.7/s");
        assert_eq!(without_password("C:/films/a@b.avi"), "C:/films/a@b.avi");
    }
}
