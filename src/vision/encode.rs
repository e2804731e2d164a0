//! Frames into picture files, for the archive and for people.

use std::borrow::Cow;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, ImageError};
use opencv::core::{Mat, Vector};
use opencv::{imgcodecs, imgproc};

use super::{VisionError, view};
use crate::domain::{Frame, PixelFormat};

/// Writes a frame as PNG, fast rather than small.
///
/// # Errors
/// [`VisionError::Encode`] if the encoder refuses the frame; the archive says so and keeps none.
pub fn encode_png(frame: &Frame) -> Result<Vec<u8>, VisionError> {
    let mut file = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut file, CompressionType::Fast, FilterType::Up);
    write(encoder, frame).map_err(|source| VisionError::Encode {
        format: "PNG",
        source,
    })?;
    Ok(file)
}

/// Writes a frame as JPEG of the given quality, 1 to 100.
///
/// # Errors
/// [`VisionError::OpenCv`] if the encoder refuses the frame, for example a side over 65535 px; the
/// archive says so and keeps none.
pub fn encode_jpeg(frame: &Frame, quality: u8) -> Result<Vec<u8>, VisionError> {
    // OpenCV's encoder takes a fifth of the time of the one in `image`.
    jpeg(frame, quality).map_err(VisionError::opencv("write a frame as JPEG"))
}

fn jpeg(frame: &Frame, quality: u8) -> opencv::Result<Vec<u8>> {
    let seen = view::of(frame)?;
    let quality = i32::from(quality.clamp(1, 100));
    let flags = Vector::from_slice(&[imgcodecs::IMWRITE_JPEG_QUALITY, quality]);
    let mut file = Vector::new();
    let is_written = match frame.format() {
        PixelFormat::Gray8 | PixelFormat::Bgr8 => {
            imgcodecs::imencode(".jpg", &seen, &mut file, &flags)?
        }
        PixelFormat::Rgb8 => {
            let mut bgr = Mat::default();
            imgproc::cvt_color_def(&seen, &mut bgr, imgproc::COLOR_RGB2BGR)?;
            imgcodecs::imencode(".jpg", &bgr, &mut file, &flags)?
        }
    };
    if !is_written {
        let message = "the JPEG encoder refused the image".to_owned();
        return Err(opencv::Error::new(opencv::core::StsError, message));
    }
    Ok(file.into())
}

fn write(encoder: impl ImageEncoder, frame: &Frame) -> Result<(), ImageError> {
    let (pixels, color) = match frame.format() {
        PixelFormat::Gray8 => (Cow::Borrowed(frame.pixels()), ExtendedColorType::L8),
        PixelFormat::Rgb8 => (Cow::Borrowed(frame.pixels()), ExtendedColorType::Rgb8),
        PixelFormat::Bgr8 => {
            let (pixels, _) = frame.pixels().as_chunks();
            let rgb = pixels.iter().flat_map(|[b, g, r]| [*r, *g, *b]).collect();
            (Cow::Owned(rgb), ExtendedColorType::Rgb8)
        }
    };
    let size = frame.size();
    encoder.write_image(&pixels, size.width_px, size.height_px, color)
}
