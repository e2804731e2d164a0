//! One picture that a camera took, with what the camera said about it.

use std::sync::Arc;
use std::time::Instant;

use super::SizePx;

/// How a frame's bytes are to be read; rows have no padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// One byte a pixel.
    Gray8,
    /// Three bytes a pixel: blue, green, red, as OpenCV has them.
    Bgr8,
    /// Three bytes a pixel: red, green, blue, as image files have them.
    Rgb8,
}

impl PixelFormat {
    /// Bytes of one pixel.
    pub fn channels(self) -> usize {
        match self {
            Self::Gray8 => 1,
            Self::Bgr8 | Self::Rgb8 => 3,
        }
    }
}

/// A frame; cloning it shares the pixels.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The camera that took it, as the recipe's views name it.
    pub camera: String,
    /// The camera's own count; between two parts a free-running camera counts on.
    pub camera_frame: u64,
    /// Frames of this camera that were lost since the frame before, where the source knows it.
    pub frames_lost: u64,
    /// When it arrived.
    pub captured_at: Instant,
    /// Exposure time, where the camera tells it.
    pub exposure_us: Option<u32>,
    /// The file it was read from, for folders and videos.
    pub origin: Option<String>,
    size: SizePx,
    format: PixelFormat,
    pixels: Arc<Vec<u8>>,
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The number of bytes does not fit the size.
    #[error(
        "camera `{camera}` said {width_px} x {height_px} with {channels} bytes a pixel but gave {found} bytes"
    )]
    Length {
        /// The camera.
        camera: String,
        /// The declared width.
        width_px: u32,
        /// The declared height.
        height_px: u32,
        /// The declared bytes of a pixel.
        channels: usize,
        /// The bytes that came.
        found: usize,
    },
}

impl Frame {
    /// Takes the pixels as they are: no copy is made.
    ///
    /// # Errors
    /// [`FrameError`] if the bytes do not fit the size; the source treats the frame as lost.
    pub fn new(
        camera: &str,
        size: SizePx,
        format: PixelFormat,
        pixels: Vec<u8>,
        captured_at: Instant,
    ) -> Result<Self, FrameError> {
        let expected =
            u64::from(size.width_px) * u64::from(size.height_px) * format.channels() as u64;
        if pixels.is_empty() || pixels.len() as u64 != expected {
            return Err(FrameError::Length {
                camera: camera.to_owned(),
                width_px: size.width_px,
                height_px: size.height_px,
                channels: format.channels(),
                found: pixels.len(),
            });
        }
        Ok(Self {
            camera: camera.to_owned(),
            camera_frame: 0,
            frames_lost: 0,
            captured_at,
            exposure_us: None,
            origin: None,
            size,
            format,
            pixels: Arc::new(pixels),
        })
    }

    /// Width and height.
    pub fn size(&self) -> SizePx {
        self.size
    }

    /// How the bytes are to be read.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// The bytes, row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_shares_the_pixels_and_a_short_buffer_is_refused() {
        let size = SizePx {
            width_px: 4,
            height_px: 2,
        };
        let frame = Frame::new("c", size, PixelFormat::Gray8, vec![7; 8], Instant::now()).unwrap();
        assert_eq!(frame.clone().pixels().as_ptr(), frame.pixels().as_ptr());
        let short = Frame::new("c", size, PixelFormat::Bgr8, vec![7; 8], Instant::now());
        assert_eq!(
            short.unwrap_err().to_string(),
            "camera `c` said 4 x 2 with 3 bytes a pixel but gave 8 bytes"
        );
    }
}
