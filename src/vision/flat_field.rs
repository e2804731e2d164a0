//! Even light: what a picture of an evenly lit white sheet says about lamps, lens and dust.
//!
//! The flat-field picture goes once through the same sampling as the frames, and its gain is applied
//! at the model's size. On an even surface that is exactly what correcting every pixel first would
//! give, at a fraction of the cost.

use opencv::core::{self, CV_32F, Mat, Scalar};
use opencv::imgproc;
use opencv::prelude::*;

use super::VisionError;
use super::decode::Picture;
use super::view::{self, View};
use crate::domain::{PixelFormat, SizePx};

/// A flat-field picture with a lower mean is mostly noise.
const MEAN_MIN: f64 = 16.0;

/// Greatest gain: darker places of the sheet are taken for dirt, not for light.
const GAIN_MAX: f64 = 8.0;

/// The picture of an evenly lit sheet, of the frame's size.
#[derive(Debug, Clone)]
pub struct FlatField {
    picture: Picture,
}

impl FlatField {
    /// Takes the picture if it is bright enough to tell light from noise.
    ///
    /// # Errors
    /// [`VisionError::FlatFieldDark`] if it is not; the calibration is refused at load.
    pub fn new(picture: Picture) -> Result<Self, VisionError> {
        let total: u64 = picture.pixels.iter().map(|v| u64::from(*v)).sum();
        let mean = total as f64 / picture.pixels.len().max(1) as f64;
        if mean < MEAN_MIN {
            return Err(VisionError::FlatFieldDark {
                mean,
                mean_min: MEAN_MIN,
            });
        }
        Ok(Self { picture })
    }

    /// Checks that it is as large as the frames.
    pub(super) fn check_size(&self, frame_size: SizePx) -> Result<(), VisionError> {
        if self.picture.size == frame_size {
            return Ok(());
        }
        Err(VisionError::FlatFieldSize {
            found: self.picture.size,
            expected: frame_size,
        })
    }
}

/// The gain of each pixel of the window, for each format a frame may have.
pub(super) struct Gains {
    grey: Mat,
    bgr: Mat,
    rgb: Mat,
}

impl Gains {
    /// `sample` takes an image of the frame's size to the window, as frames are taken there.
    pub(super) fn new(
        flat_field: &FlatField,
        mut sample: impl FnMut(&View<'_>) -> opencv::Result<Mat>,
    ) -> opencv::Result<Self> {
        let picture = &flat_field.picture;
        let seen = view::of_bytes(&picture.pixels, picture.size, picture.format)?;
        let mut gain = |code: Option<i32>| -> opencv::Result<Mat> {
            let mut ordered = Mat::default();
            match code {
                Some(code) => imgproc::cvt_color_def(&seen, &mut ordered, code)?,
                None => seen.copy_to(&mut ordered)?,
            }
            let mut levels = Mat::default();
            ordered.convert_to_def(&mut levels, CV_32F)?;
            gain_of(&sample(&view::all(&levels)?)?)
        };
        let [grey, bgr, rgb] = match picture.format {
            PixelFormat::Gray8 => [
                None,
                Some(imgproc::COLOR_GRAY2BGR),
                Some(imgproc::COLOR_GRAY2RGB),
            ],
            PixelFormat::Bgr8 => [
                Some(imgproc::COLOR_BGR2GRAY),
                None,
                Some(imgproc::COLOR_BGR2RGB),
            ],
            PixelFormat::Rgb8 => [
                Some(imgproc::COLOR_RGB2GRAY),
                Some(imgproc::COLOR_RGB2BGR),
                None,
            ],
        };
        Ok(Self {
            grey: gain(grey)?,
            bgr: gain(bgr)?,
            rgb: gain(rgb)?,
        })
    }

    /// Evens the light of a window.
    pub(super) fn apply(
        &self,
        window: &View<'_>,
        format: PixelFormat,
        evened: &mut Mat,
    ) -> opencv::Result<()> {
        let gain = match format {
            PixelFormat::Gray8 => &self.grey,
            PixelFormat::Bgr8 => &self.bgr,
            PixelFormat::Rgb8 => &self.rgb,
        };
        core::multiply(window, gain, evened, 1.0, core::CV_8U)
    }
}

/// Mean over pixel, channel by channel, so that colours keep their balance.
fn gain_of(levels: &Mat) -> opencv::Result<Mat> {
    let mean = core::mean_def(levels)?;
    let least = Scalar::from_array((*mean).map(|level| (level / GAIN_MAX).max(1.0)));
    let mut bounded = Mat::default();
    core::max(levels, &least, &mut bounded)?;
    let mut gain = Mat::default();
    core::divide2_def(&mean, &bounded, &mut gain)?;
    Ok(gain)
}
