//! OpenCV's view of a frame's pixels, and regions in whole pixels.

use opencv::boxed_ref::BoxedRef;
use opencv::core::{BORDER_REPLICATE, Mat, Rect, Scalar, Size, Vec3b};
use opencv::imgproc;
use opencv::prelude::*;

use super::VisionError;
use crate::domain::{Frame, PixelFormat, RectPx, SizePx};

/// An image that belongs to someone else.
pub(super) type View<'a> = BoxedRef<'a, Mat>;

/// A region in whole pixels, not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PixelRect {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

impl PixelRect {
    /// Rounds the region to whole pixels.
    ///
    /// # Errors
    /// [`VisionError::RegionOutside`] if it is empty or does not lie in an image of `size`.
    pub(super) fn within(region: RectPx, size: SizePx) -> Result<Self, VisionError> {
        let span = |start: f64, length: f64, available: u32| {
            let (first, end) = (start.round(), (start + length).round());
            // Written so that NaN is refused.
            let fits = 0.0 <= first && first + 1.0 <= end && end <= f64::from(available);
            fits.then(|| Some((pixel(first)?, pixel(end - first)?)))
                .flatten()
        };
        let columns = span(region.x, region.width, size.width_px);
        let rows = span(region.y, region.height, size.height_px);
        let (Some((x, width)), Some((y, height))) = (columns, rows) else {
            return Err(VisionError::RegionOutside { region, size });
        };
        Ok(Self {
            x,
            y,
            width,
            height,
        })
    }

    pub(super) fn size(self) -> SizePx {
        SizePx {
            width_px: self.width.unsigned_abs(),
            height_px: self.height.unsigned_abs(),
        }
    }

    pub(super) fn to_cv(self) -> Rect {
        Rect::new(self.x, self.y, self.width, self.height)
    }
}

/// A whole number of pixels out of a rounded float; `None` if it is not one.
pub(super) fn pixel(value: f64) -> Option<i32> {
    let fits = (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&value);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the range was checked in the line above"
    )]
    fits.then_some(value as i32)
}

/// Columns and rows as OpenCV counts them.
///
/// # Errors
/// OpenCV's code for a bad size if there are more than it can count.
pub(super) fn dimensions(size: SizePx) -> opencv::Result<(i32, i32)> {
    let count = |value: u32| {
        i32::try_from(value).map_err(|error| {
            opencv::Error::new(opencv::core::StsBadSize, format!("{value} px: {error}"))
        })
    };
    Ok((count(size.width_px)?, count(size.height_px)?))
}

/// The frame's pixels as OpenCV sees them, without a copy.
pub(super) fn of(frame: &Frame) -> opencv::Result<View<'_>> {
    of_bytes(frame.pixels(), frame.size(), frame.format())
}

/// Bytes as OpenCV sees them, without a copy.
pub(super) fn of_bytes(
    bytes: &[u8],
    size: SizePx,
    format: PixelFormat,
) -> opencv::Result<View<'_>> {
    let (columns, rows) = dimensions(size)?;
    match format {
        PixelFormat::Gray8 => Mat::new_rows_cols_with_bytes::<u8>(rows, columns, bytes),
        PixelFormat::Bgr8 | PixelFormat::Rgb8 => {
            Mat::new_rows_cols_with_bytes::<Vec3b>(rows, columns, bytes)
        }
    }
}

/// The whole of an image, without a copy.
pub(super) fn all(image: &Mat) -> opencv::Result<View<'_>> {
    image.roi(Rect::new(0, 0, image.cols(), image.rows()))
}

/// An image sampled between its pixels: `back` says for each pixel of the result where it is taken from;
/// beyond the edge its last pixels go on.
pub(super) fn warped(image: &Mat, back: [[f64; 3]; 2], size: Size) -> opencv::Result<Mat> {
    let back = Mat::from_slice_2d(&back)?;
    let mut warped = Mat::default();
    imgproc::warp_affine(
        image,
        &mut warped,
        &back,
        size,
        imgproc::INTER_LINEAR | imgproc::WARP_INVERSE_MAP,
        BORDER_REPLICATE,
        Scalar::default(),
    )?;
    Ok(warped)
}
