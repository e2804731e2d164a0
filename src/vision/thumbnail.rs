//! Small grey pictures for comparing many parts, and how far one is moved against another.

use opencv::core::{CV_32F, Mat, Size};
use opencv::imgproc;
use opencv::prelude::*;

use super::VisionError;
use super::view::{self, PixelRect};
use crate::domain::{Frame, PixelFormat, RectPx};

/// How far one picture is moved against another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// To the right, as a share of the width.
    pub x_share: f64,
    /// Down, as a share of the height.
    pub y_share: f64,
    /// How much of the picture moved as one, 0 to 1: low for parts that lie differently.
    pub response: f64,
}

/// The region of the frame in grey, averaged down to a square of `side_px`, row by row.
///
/// # Errors
/// [`VisionError`] if the region does not lie in the frame.
pub fn thumbnail(frame: &Frame, region: RectPx, side_px: u32) -> Result<Vec<u8>, VisionError> {
    let rect = PixelRect::within(region, frame.size())?;
    let small = || {
        let whole = view::of(frame)?;
        let part = whole.roi(rect.to_cv())?;
        let side = i32::try_from(side_px).unwrap_or(i32::MAX);
        let mut small = Mat::default();
        let size = Size::new(side, side);
        imgproc::resize(&part, &mut small, size, 0.0, 0.0, imgproc::INTER_AREA)?;
        let code = match frame.format() {
            PixelFormat::Gray8 => return Ok(small.data_bytes()?.to_vec()),
            PixelFormat::Bgr8 => imgproc::COLOR_BGR2GRAY,
            PixelFormat::Rgb8 => imgproc::COLOR_RGB2GRAY,
        };
        let mut grey = Mat::default();
        imgproc::cvt_color_def(&small, &mut grey, code)?;
        Ok(grey.data_bytes()?.to_vec())
    };
    small().map_err(VisionError::opencv("make a thumbnail of a frame"))
}

/// Finds the movement between two thumbnails of one size by phase correlation (Kuglin and Hines 1975).
///
/// # Errors
/// [`VisionError::OpenCv`] if they are not squares of one size.
pub fn shift(from: &[u8], to: &[u8]) -> Result<Shift, VisionError> {
    shift_of(from, to).map_err(VisionError::opencv("compare the places of two pictures"))
}

fn shift_of(from: &[u8], to: &[u8]) -> opencv::Result<Shift> {
    let side = i32::try_from(from.len().isqrt()).unwrap_or(i32::MAX);
    let [from, to] = [from, to].map(|pixels| {
        let mut floats = Mat::default();
        Mat::new_rows_cols_with_data(side, side, pixels)?.convert_to_def(&mut floats, CV_32F)?;
        Ok::<_, opencv::Error>(floats)
    });
    // Without the window, the edges of the picture are what is found first.
    let mut window = Mat::default();
    imgproc::create_hanning_window(&mut window, Size::new(side, side), CV_32F)?;
    let mut response = 0.0;
    let moved = imgproc::phase_correlate(&from?, &to?, &window, Some(&mut response))?;
    Ok(Shift {
        x_share: moved.x / f64::from(side),
        y_share: moved.y / f64::from(side),
        response,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::domain::SizePx;

    /// A part with edges and dots, its place moved.
    fn frame(right: i32, down: i32, format: PixelFormat) -> Frame {
        let size = SizePx {
            width_px: 640,
            height_px: 480,
        };
        let mut pixels = Vec::new();
        for y in 0..480 {
            for x in 0..640 {
                let (x, y) = (x - right, y - down);
                let inside = (200..430).contains(&x) && (150..330).contains(&y);
                let dot = (x - 280).pow(2) + (y - 240).pow(2) < 900;
                let level = if dot {
                    30
                } else if inside {
                    200
                } else {
                    90
                };
                pixels.extend(std::iter::repeat_n(level, format.channels()));
            }
        }
        Frame::new("c", size, format, pixels, Instant::now()).unwrap()
    }

    const WHOLE: RectPx = RectPx {
        x: 0.0,
        y: 0.0,
        width: 640.0,
        height: 480.0,
    };

    #[test]
    fn a_moved_picture_is_found_to_be_moved() {
        let before = thumbnail(&frame(0, 0, PixelFormat::Gray8), WHOLE, 128).unwrap();
        let after = thumbnail(&frame(40, -24, PixelFormat::Bgr8), WHOLE, 128).unwrap();
        assert_eq!(before.len(), 128 * 128);
        let still = shift(&before, &before).unwrap();
        assert!(
            still.x_share.abs() < 1e-3 && 0.9 < still.response,
            "{still:?}"
        );
        let moved = shift(&before, &after).unwrap();
        assert!((moved.x_share - 40.0 / 640.0).abs() < 0.01, "{moved:?}");
        assert!((moved.y_share + 24.0 / 480.0).abs() < 0.01, "{moved:?}");
        assert!(0.3 < moved.response, "{moved:?}");
    }

    #[test]
    fn thumbnails_of_two_sizes_cannot_be_compared() {
        assert!(shift(&[0; 64], &[0; 100]).is_err());
    }
}
