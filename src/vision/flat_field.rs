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

    /// The picture as step `flat_field` leaves it where nothing else is done.
    ///
    /// # Errors
    /// [`VisionError::FlatFieldSize`] if it has another size.
    pub fn even(&self, picture: &Picture) -> Result<Picture, VisionError> {
        self.check_size(picture.size)?;
        let even = || {
            let gain = gain_of(&levels(&self.picture, picture.format)?)?;
            let seen = view::of_bytes(&picture.pixels, picture.size, picture.format)?;
            let mut evened = Mat::default();
            core::multiply(&seen, &gain, &mut evened, 1.0, core::CV_8U)?;
            Ok(evened.data_bytes()?.to_vec())
        };
        Ok(Picture {
            pixels: even().map_err(VisionError::opencv("even the light of a picture"))?,
            ..*picture
        })
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

/// The gain of each pixel of the window, worked out when the first frame of a format needs it.
pub(super) struct Gains {
    flat_field: FlatField,
    // Grey, blue first, red first.
    gains: [Option<Mat>; 3],
}

impl Gains {
    pub(super) fn new(flat_field: FlatField) -> Self {
        Self {
            flat_field,
            gains: [const { None }; 3],
        }
    }

    /// The window shows another part of the sheet from now on.
    pub(super) fn forget(&mut self) {
        self.gains = [const { None }; 3];
    }

    /// Works out the gain for windows of this format; `sample` takes an image of the frame's size to the
    /// window, as frames are taken there.
    pub(super) fn make_for(
        &mut self,
        format: PixelFormat,
        sample: impl FnOnce(&View<'_>) -> opencv::Result<Mat>,
    ) -> opencv::Result<()> {
        let picture = &self.flat_field.picture;
        let [grey, bgr, rgb] = &mut self.gains;
        let gain = match format {
            PixelFormat::Gray8 => grey,
            PixelFormat::Bgr8 => bgr,
            PixelFormat::Rgb8 => rgb,
        };
        if gain.is_none() {
            let levels = levels(picture, format)?;
            *gain = Some(gain_of(&sample(&view::all(&levels)?)?)?);
        }
        Ok(())
    }

    /// Evens the light of a window of a format that the gain was made for.
    pub(super) fn apply(
        &self,
        window: &View<'_>,
        format: PixelFormat,
        evened: &mut Mat,
    ) -> opencv::Result<()> {
        let [grey, bgr, rgb] = &self.gains;
        let gain = match format {
            PixelFormat::Gray8 => grey,
            PixelFormat::Bgr8 => bgr,
            PixelFormat::Rgb8 => rgb,
        };
        match gain {
            Some(gain) => core::multiply(window, gain, evened, 1.0, core::CV_8U),
            None => Err(opencv::Error::new(core::StsError, "no gain was made")),
        }
    }
}

/// The sheet's picture in the channels of `format`, as numbers.
fn levels(picture: &Picture, format: PixelFormat) -> opencv::Result<Mat> {
    use PixelFormat::{Bgr8, Gray8, Rgb8};
    let code = match (picture.format, format) {
        (Gray8, Gray8) | (Bgr8, Bgr8) | (Rgb8, Rgb8) => None,
        (Gray8, Bgr8) => Some(imgproc::COLOR_GRAY2BGR),
        (Gray8, Rgb8) => Some(imgproc::COLOR_GRAY2RGB),
        (Bgr8, Gray8) => Some(imgproc::COLOR_BGR2GRAY),
        (Bgr8, Rgb8) => Some(imgproc::COLOR_BGR2RGB),
        (Rgb8, Gray8) => Some(imgproc::COLOR_RGB2GRAY),
        (Rgb8, Bgr8) => Some(imgproc::COLOR_RGB2BGR),
    };
    let seen = view::of_bytes(&picture.pixels, picture.size, picture.format)?;
    let (mut ordered, mut levels) = (Mat::default(), Mat::default());
    match code {
        Some(code) => imgproc::cvt_color_def(&seen, &mut ordered, code)?,
        None => seen.copy_to(&mut ordered)?,
    }
    ordered.convert_to_def(&mut levels, CV_32F)?;
    Ok(levels)
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
