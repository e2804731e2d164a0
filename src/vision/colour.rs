//! A camera's colours into those of sRGB, pixel by pixel, as a calibration says.

use opencv::core::{CV_8UC3, Mat, Scalar, Vec3b};
use opencv::prelude::*;

use super::VisionError;
use super::decode::Picture;
use super::view::View;
use crate::calibration::{Colour, srgb_from_linear};
use crate::domain::PixelFormat;

/// Steps of light in which the way back to levels is kept; at the dark end a step is a twentieth of a level.
const N_STEPS: usize = 65_536;

/// What each level of each channel adds to the light of red, green and blue, and the level of each light.
pub(super) struct ColourTable {
    adds: [Vec<[f32; 3]>; 3],
    levels: Vec<u8>,
}

impl ColourTable {
    pub(super) fn new(colour: &Colour) -> Self {
        let [red, green, blue] = colour.srgb_from_camera;
        let adds = [0, 1, 2].map(|channel: usize| {
            let weights =
                [red, green, blue].map(|row| row.get(channel).copied().unwrap_or_default());
            let add = |level: u8| {
                let light = colour.curve.light_from_level(f64::from(level));
                weights.map(|weight| steps(weight * light))
            };
            (0..=u8::MAX).map(add).collect()
        });
        let level = |step: usize| level(srgb_from_linear(step as f64 / (N_STEPS - 1) as f64));
        Self {
            adds,
            levels: (0..N_STEPS).map(level).collect(),
        }
    }

    fn of(&self, [red, green, blue]: [u8; 3]) -> [u8; 3] {
        let [reds, greens, blues] = &self.adds;
        let add = |table: &[[f32; 3]], level: u8| {
            table.get(usize::from(level)).copied().unwrap_or_default()
        };
        let ([r0, r1, r2], [g0, g1, g2], [b0, b1, b2]) =
            (add(reds, red), add(greens, green), add(blues, blue));
        [r0 + g0 + b0, r1 + g1 + b1, r2 + g2 + b2].map(|light| self.level_at(light))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the step is held within the table"
    )]
    fn level_at(&self, light: f32) -> u8 {
        let step = (light + 0.5).clamp(0.0, (N_STEPS - 1) as f32) as usize;
        self.levels.get(step).copied().unwrap_or_default()
    }

    /// Corrects a window of a colour format.
    pub(super) fn apply(
        &self,
        window: &View<'_>,
        format: PixelFormat,
        corrected: &mut Mat,
    ) -> opencv::Result<()> {
        let (rows, columns) = (window.rows(), window.cols());
        if corrected.rows() != rows || corrected.cols() != columns {
            *corrected =
                Mat::new_rows_cols_with_default(rows, columns, CV_8UC3, Scalar::default())?;
        }
        for row in 0..rows {
            let from = window.at_row::<Vec3b>(row)?;
            let to = corrected.at_row_mut::<Vec3b>(row)?;
            for (to, from) in to.iter_mut().zip(from) {
                let [first, second, third] = **from;
                **to = if format == PixelFormat::Bgr8 {
                    let [red, green, blue] = self.of([third, second, first]);
                    [blue, green, red]
                } else {
                    self.of([first, second, third])
                };
            }
        }
        Ok(())
    }
}

/// The whole picture in corrected colours, as a model would see it.
///
/// # Errors
/// [`VisionError::ColourOfGrey`] if it has none.
pub fn correct_colour(picture: &Picture, colour: &Colour) -> Result<Picture, VisionError> {
    if picture.format == PixelFormat::Gray8 {
        return Err(VisionError::ColourOfGrey);
    }
    let failed = || VisionError::opencv("correct the colours of a picture");
    let seen =
        super::view::of_bytes(&picture.pixels, picture.size, picture.format).map_err(failed())?;
    let mut corrected = Mat::default();
    ColourTable::new(colour)
        .apply(&seen, picture.format, &mut corrected)
        .map_err(failed())?;
    Ok(Picture {
        pixels: corrected.data_bytes().map_err(failed())?.to_vec(),
        ..*picture
    })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "light needs no more digits"
)]
fn steps(light: f64) -> f32 {
    (light * (N_STEPS - 1) as f64) as f32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value lies from 0 to 1"
)]
fn level(value: f64) -> u8 {
    (value * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::calibration::Curve;
    use crate::domain::SizePx;

    fn colour(curve: Curve, srgb_from_camera: [[f64; 3]; 3]) -> Colour {
        Colour {
            curve,
            srgb_from_camera,
            figures: None,
        }
    }

    fn one(format: PixelFormat, pixel: [u8; 3], colour: &Colour) -> Vec<u8> {
        let size = SizePx {
            width_px: 1,
            height_px: 1,
        };
        let picture = Picture {
            size,
            format,
            pixels: pixel.to_vec(),
        };
        correct_colour(&picture, colour).unwrap().pixels
    }

    #[test]
    fn no_change_changes_no_level() {
        let none = colour(
            Curve::Srgb,
            [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        );
        for level in 0..=u8::MAX {
            let pixel = [level, 255 - level, level / 2];
            assert_eq!(one(PixelFormat::Bgr8, pixel, &none), pixel);
        }
    }

    #[test]
    fn a_grey_picture_is_refused() {
        let size = SizePx {
            width_px: 1,
            height_px: 1,
        };
        let grey = Picture {
            size,
            format: PixelFormat::Gray8,
            pixels: vec![7],
        };
        let none = colour(Curve::Srgb, [[1.0; 3]; 3]);
        assert!(matches!(
            correct_colour(&grey, &none),
            Err(VisionError::ColourOfGrey)
        ));
    }

    proptest! {
        /// The tables give what the formula gives, in either order of the channels.
        #[test]
        fn tables_are_the_formula(
            pixel: [u8; 3],
            values in prop::array::uniform9(-1.0..2.0f64),
            is_linear: bool,
        ) {
            let [a, b, c, d, e, f, g, h, i] = values;
            let curve = if is_linear { Curve::Linear } else { Curve::Srgb };
            let colour = colour(curve, [[a, b, c], [d, e, f], [g, h, i]]);
            let expected = colour.linear_srgb(pixel.map(f64::from)).map(|light| 255.0 * srgb_from_linear(light));
            let rgb = one(PixelFormat::Rgb8, pixel, &colour);
            let [red, green, blue] = pixel;
            let bgr = one(PixelFormat::Bgr8, [blue, green, red], &colour);
            for at in 0..3 {
                prop_assert!((f64::from(rgb[at]) - expected[at]).abs() < 0.6, "{rgb:?} {expected:?}");
                prop_assert_eq!(rgb[at], bgr[2 - at]);
            }
        }
    }
}
