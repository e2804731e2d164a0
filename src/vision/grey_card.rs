//! Pictures of an evenly lit grey card into one flat-field picture, or why they show no such card.

use opencv::core::{BORDER_REPLICATE, CV_32F, Mat, Size};
use opencv::imgproc;
use opencv::prelude::*;

use super::decode::Picture;
use super::{VisionError, view};
use crate::domain::{PixelFormat, SizePx};

/// From this level on a value is burnt out, and how large a share of a picture may be.
const BURNT: u8 = 250;
const BURNT_SHARE_MAX: f64 = 0.001;
/// Below this mean, steps of one level are too coarse to even the light with.
const MEAN_MIN: f64 = 40.0;
/// By how much the mean of a picture may differ from that of the first.
const UNSTEADY_SHARE_MAX: f64 = 0.05;
/// What differs by more than this share from its surroundings is no light: an edge, a part, a pattern.
const STRUCTURE_STEP: f64 = 0.08;
/// How much of the picture may: dust is small.
const STRUCTURE_SHARE_MAX: f64 = 0.005;
/// The surroundings reach this share of the longer side.
const SURROUNDINGS_SHARE: f64 = 1.0 / 40.0;

/// Why a picture is none of an evenly lit card.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum NoGreyCard {
    /// Another size or kind of pixels than the first.
    #[error(
        "it has another size or colour format than the first picture; take all with one setting"
    )]
    Other,
    /// Light is cut off.
    #[error(
        "{:.1} % of its values are burnt out, at most {:.1} %; expose it shorter", share * 100.0, BURNT_SHARE_MAX * 100.0
    )]
    Burnt {
        /// Their share.
        share: f64,
    },
    /// Too little light.
    #[error("its mean is {mean:.0}, at least {MEAN_MIN:.0} is needed; expose it longer")]
    Dark {
        /// The mean level.
        mean: f64,
    },
    /// The light changes from picture to picture.
    #[error(
        "its mean differs by {:.0} % from the first picture's, at most {:.0} %; is the light steady?", share * 100.0, UNSTEADY_SHARE_MAX * 100.0
    )]
    Unsteady {
        /// By how much.
        share: f64,
    },
    /// It shows more than light.
    #[error(
        "{:.1} % of it differ from their surroundings, at most {:.1} %; fill the whole picture with an even grey card, out of focus",
        share * 100.0, STRUCTURE_SHARE_MAX * 100.0
    )]
    Structured {
        /// How much of the picture.
        share: f64,
    },
}

/// Adds pictures of one card.
#[derive(Debug, Default)]
pub struct GreyCard {
    first: Option<(SizePx, PixelFormat, f64)>,
    sums: Vec<u64>,
    n_pictures: u64,
}

impl GreyCard {
    /// Adds a picture.
    ///
    /// # Errors
    /// [`NoGreyCard`] if it shows no evenly lit card.
    pub fn add(&mut self, picture: &Picture) -> Result<(), NoGreyCard> {
        let n = picture.pixels.len().max(1) as f64;
        let total: u64 = picture.pixels.iter().map(|value| u64::from(*value)).sum();
        let mean = total as f64 / n;
        let n_burnt = picture
            .pixels
            .iter()
            .filter(|value| BURNT <= **value)
            .count();
        let share = n_burnt as f64 / n;
        if BURNT_SHARE_MAX < share {
            return Err(NoGreyCard::Burnt { share });
        }
        if mean < MEAN_MIN {
            return Err(NoGreyCard::Dark { mean });
        }
        let (size, format, first_mean) =
            *self
                .first
                .get_or_insert((picture.size, picture.format, mean));
        if size != picture.size || format != picture.format {
            return Err(NoGreyCard::Other);
        }
        let share = (mean - first_mean).abs() / first_mean;
        if UNSTEADY_SHARE_MAX < share {
            return Err(NoGreyCard::Unsteady { share });
        }
        self.sums.resize(picture.pixels.len(), 0);
        for (sum, value) in self.sums.iter_mut().zip(&picture.pixels) {
            *sum += u64::from(*value);
        }
        self.n_pictures += 1;
        Ok(())
    }

    /// The mean of all pictures; `None` if there was none.
    pub fn mean(&self) -> Option<Picture> {
        let (size, format, _) = self.first?;
        let n = self.n_pictures.max(1);
        let mean = |sum: &u64| u8::try_from((sum + n / 2) / n).unwrap_or(u8::MAX);
        Some(Picture {
            size,
            format,
            pixels: self.sums.iter().map(mean).collect(),
        })
    }
}

/// Whether the picture shows light alone: no edge, part or pattern.
///
/// # Errors
/// [`VisionError::OpenCv`] if OpenCV refuses the picture.
pub fn check_even(picture: &Picture) -> Result<Result<(), NoGreyCard>, VisionError> {
    let share = structure(picture).map_err(VisionError::opencv("look for structure in a card"))?;
    // Written so that NaN is refused.
    Ok(if share <= STRUCTURE_SHARE_MAX {
        Ok(())
    } else {
        Err(NoGreyCard::Structured { share })
    })
}

/// How much of the picture differs from its surroundings.
fn structure(picture: &Picture) -> opencv::Result<f64> {
    let seen = view::of_bytes(&picture.pixels, picture.size, picture.format)?;
    let mut grey = Mat::default();
    match picture.format {
        PixelFormat::Gray8 => seen.copy_to(&mut grey)?,
        PixelFormat::Bgr8 => imgproc::cvt_color_def(&seen, &mut grey, imgproc::COLOR_BGR2GRAY)?,
        PixelFormat::Rgb8 => imgproc::cvt_color_def(&seen, &mut grey, imgproc::COLOR_RGB2GRAY)?,
    }
    let (mut level, mut around) = (Mat::default(), Mat::default());
    grey.convert_to_def(&mut level, CV_32F)?;
    let longer = f64::from(picture.size.width_px.max(picture.size.height_px));
    let sigma = (SURROUNDINGS_SHARE * longer).max(1.0);
    imgproc::gaussian_blur(
        &level,
        &mut around,
        Size::new(0, 0),
        sigma,
        sigma,
        BORDER_REPLICATE,
    )?;
    let levels = level.data_typed::<f32>()?;
    let pairs = levels.iter().zip(around.data_typed::<f32>()?);
    let n_off = pairs
        .filter(|(level, around)| {
            let step = f64::from(**level - **around).abs();
            STRUCTURE_STEP * f64::from(**around).max(1.0) < step
        })
        .count();
    Ok(n_off as f64 / levels.len().max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(level: impl Fn(u32, u32) -> f64) -> Picture {
        let size = SizePx {
            width_px: 160,
            height_px: 120,
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "levels lie from 0 to 255"
        )]
        let pixels = (0..120)
            .flat_map(|y| (0..160).map(move |x| (x, y)))
            .map(|(x, y)| level(x, y).round() as u8)
            .collect();
        Picture {
            size,
            format: PixelFormat::Gray8,
            pixels,
        }
    }

    /// A lens that darkens its corners by a third.
    fn vignette(x: u32, y: u32) -> f64 {
        let off = (f64::from(x) - 79.5).hypot(f64::from(y) - 59.5) / 100.0;
        180.0 * (1.0 - off * off / 3.0)
    }

    #[test]
    fn the_mean_takes_the_noise_out_and_keeps_the_light() {
        let mut card = GreyCard::default();
        for shift in [-6.0, 0.0, 6.0] {
            let noisy = |x, y| vignette(x, y) + if (x + y) % 2 == 0 { shift } else { -shift };
            card.add(&picture(noisy)).unwrap();
        }
        let mean = card.mean().unwrap();
        assert_eq!(check_even(&mean).unwrap(), Ok(()));
        let clean = picture(vignette);
        let most = mean
            .pixels
            .iter()
            .zip(&clean.pixels)
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        assert!(most <= Some(1), "{most:?}");
    }

    #[test]
    fn dust_is_light_and_a_card_that_does_not_fill_the_picture_is_none() {
        let dust = |x, y| {
            if (40..44).contains(&x) && (50..54).contains(&y) {
                120.0
            } else {
                vignette(x, y)
            }
        };
        assert_eq!(check_even(&picture(dust)).unwrap(), Ok(()));
        let small = |x, y| if x < 30 { 60.0 } else { vignette(x, y) };
        let said = check_even(&picture(small)).unwrap();
        assert!(
            matches!(said, Err(NoGreyCard::Structured { .. })),
            "{said:?}"
        );
        let squares = |x, y| {
            if (x / 16 + y / 16) % 2 == 0 {
                90.0
            } else {
                160.0
            }
        };
        let said = check_even(&picture(squares)).unwrap();
        assert!(
            matches!(said, Err(NoGreyCard::Structured { .. })),
            "{said:?}"
        );
    }

    #[test]
    fn burnt_dark_unsteady_and_other_pictures_are_refused() {
        let mut card = GreyCard::default();
        card.add(&picture(|_, _| 150.0)).unwrap();
        let mut refused = |picture: &Picture| card.add(picture).unwrap_err();
        let burnt = picture(|x, _| if x < 2 { 255.0 } else { 150.0 });
        assert!(matches!(refused(&burnt), NoGreyCard::Burnt { .. }));
        assert!(matches!(
            refused(&picture(|_, _| 30.0)),
            NoGreyCard::Dark { .. }
        ));
        let brighter = picture(|_, _| 165.0);
        assert!(matches!(refused(&brighter), NoGreyCard::Unsteady { .. }));
        let turned = Picture {
            size: SizePx {
                width_px: 120,
                height_px: 160,
            },
            ..picture(|_, _| 150.0)
        };
        assert_eq!(refused(&turned), NoGreyCard::Other);
    }
}
