//! Whether an image is fit to be judged: light, contrast and sharpness of a view's region.

use std::fmt;

use opencv::core::{Mat, Size};
use opencv::imgproc;
use opencv::prelude::*;
use sha2::{Digest, Sha256};

use super::VisionError;
use super::view::{self, PixelRect};
use crate::domain::{Frame, PixelFormat, RectPx};
use crate::recipe::FitnessLimits;

/// From this grey level on a pixel is burnt out.
const BURNT: u8 = 250;

/// Cells that are summed in 32 bits before they are added up in 64: 255 squared fits 66,000 times.
const SUM_BLOCK: usize = 4096;

/// What was measured on the grey image, halved by averaging.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fitness {
    /// Mean grey level, 0 to 255.
    pub mean: f64,
    /// Share of pixels at 250 or above, 0 to 1.
    pub burnt_fraction: f64,
    /// Standard deviation of the grey levels.
    pub contrast: f64,
    /// Variance of the Laplacian.
    pub sharpness: f64,
}

/// One way in which an image is unfit, with the figure and the limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unfit {
    /// The mean is under the limit.
    TooDark {
        /// The mean.
        mean: f64,
        /// The least mean.
        min: f64,
    },
    /// The mean is over the limit.
    TooBright {
        /// The mean.
        mean: f64,
        /// The greatest mean.
        max: f64,
    },
    /// Too many pixels are burnt out.
    BurntOut {
        /// Their share, 0 to 1.
        fraction: f64,
        /// The greatest share.
        max: f64,
    },
    /// There is hardly anything to see.
    Empty {
        /// The contrast.
        contrast: f64,
        /// The least contrast.
        min: f64,
    },
    /// Edges are soft.
    Blurred {
        /// The sharpness.
        sharpness: f64,
        /// The least sharpness.
        min: f64,
    },
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDark { mean, min } => write!(f, "too dark: mean {mean:.1}, at least {min}"),
            Self::TooBright { mean, max } => write!(f, "too bright: mean {mean:.1}, at most {max}"),
            Self::BurntOut { fraction, max } => write!(
                f,
                "burnt out: {:.2} % of the pixels, at most {} %",
                fraction * 100.0,
                max * 100.0
            ),
            Self::Empty { contrast, min } => {
                write!(f, "empty: contrast {contrast:.1}, at least {min}")
            }
            Self::Blurred { sharpness, min } => {
                write!(f, "blurred: sharpness {sharpness:.1}, at least {min}")
            }
        }
    }
}

/// Measures the region of the frame; colour is taken as grey, everything on the half-size image.
///
/// # Errors
/// [`VisionError`] if the region does not lie in the frame; the view is answered `ImageUnfit`.
pub fn measure(frame: &Frame, region: RectPx) -> Result<Fitness, VisionError> {
    let rect = PixelRect::within(region, frame.size())?;
    measure_rect(frame, rect).map_err(VisionError::opencv("measure the fitness of a frame"))
}

fn measure_rect(frame: &Frame, rect: PixelRect) -> opencv::Result<Fitness> {
    let whole = view::of(frame)?;
    let part = whole.roi(rect.to_cv())?;
    let half = Size::new((rect.width / 2).max(1), (rect.height / 2).max(1));
    let mut small = Mat::default();
    imgproc::resize(&part, &mut small, half, 0.0, 0.0, imgproc::INTER_AREA)?;
    let mut grey = Mat::default();
    let code = match frame.format() {
        PixelFormat::Gray8 => None,
        PixelFormat::Bgr8 => Some(imgproc::COLOR_BGR2GRAY),
        PixelFormat::Rgb8 => Some(imgproc::COLOR_RGB2GRAY),
    };
    match code {
        Some(code) => imgproc::cvt_color_def(&small, &mut grey, code)?,
        None => grey = small,
    }
    let (mean, contrast, burnt_fraction) = levels(grey.data_bytes()?);
    let mut edges = Mat::default();
    imgproc::laplacian_def(&grey, &mut edges, opencv::core::CV_16S)?;
    let sharpness = variance_16(edges.data_typed::<i16>()?);
    Ok(Fitness {
        mean,
        burnt_fraction,
        contrast,
        sharpness,
    })
}

/// Mean, standard deviation and the share of burnt-out cells.
fn levels(grey: &[u8]) -> (f64, f64, f64) {
    let (mut sum, mut squares, mut n_burnt) = (0_u64, 0_u64, 0_u64);
    for block in grey.chunks(SUM_BLOCK) {
        sum += u64::from(block.iter().map(|v| u32::from(*v)).sum::<u32>());
        squares += u64::from(
            block
                .iter()
                .map(|v| u32::from(*v) * u32::from(*v))
                .sum::<u32>(),
        );
        n_burnt += u64::from(block.iter().map(|v| u32::from(BURNT <= *v)).sum::<u32>());
    }
    let n = grey.len().max(1) as f64;
    let mean = sum as f64 / n;
    let variance = (squares as f64 / n - mean * mean).max(0.0);
    (mean, variance.sqrt(), n_burnt as f64 / n)
}

/// Variance of the Laplacian, whose values lie within 4 x 255.
fn variance_16(values: &[i16]) -> f64 {
    let (mut sum, mut squares) = (0_i64, 0_i64);
    // 1020 squared fits 2064 times into 31 bits.
    for block in values.chunks(2048) {
        sum += i64::from(block.iter().map(|v| i32::from(*v)).sum::<i32>());
        squares += i64::from(
            block
                .iter()
                .map(|v| i32::from(*v) * i32::from(*v))
                .sum::<i32>(),
        );
    }
    let n = values.len().max(1) as f64;
    let mean = sum as f64 / n;
    (squares as f64 / n - mean * mean).max(0.0)
}

/// Everything that makes the image unfit under the recipe's limits; empty if it is fit.
pub fn judge(fitness: &Fitness, limits: &FitnessLimits) -> Vec<Unfit> {
    let Fitness {
        mean,
        burnt_fraction,
        contrast,
        sharpness,
    } = *fitness;
    let under = |value: f64, min: f64| !(min..).contains(&value);
    let over = |value: f64, max: f64| !(..=max).contains(&value);
    [
        under(mean, limits.mean_min).then_some(Unfit::TooDark {
            mean,
            min: limits.mean_min,
        }),
        over(mean, limits.mean_max).then_some(Unfit::TooBright {
            mean,
            max: limits.mean_max,
        }),
        over(burnt_fraction, limits.burnt_fraction_max).then_some(Unfit::BurntOut {
            fraction: burnt_fraction,
            max: limits.burnt_fraction_max,
        }),
        under(contrast, limits.contrast_min).then_some(Unfit::Empty {
            contrast,
            min: limits.contrast_min,
        }),
        under(sharpness, limits.sharpness_min).then_some(Unfit::Blurred {
            sharpness,
            min: limits.sharpness_min,
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// SHA-256 of the frame's size, format and pixels: equal only for the same image.
pub fn fingerprint(frame: &Frame) -> [u8; 32] {
    let size = frame.size();
    let format = match frame.format() {
        PixelFormat::Gray8 => 1,
        PixelFormat::Bgr8 => 2,
        PixelFormat::Rgb8 => 3,
    };
    let mut hash = Sha256::new();
    hash.update(size.width_px.to_le_bytes());
    hash.update(size.height_px.to_le_bytes());
    hash.update([format]);
    hash.update(frame.pixels());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::domain::SizePx;

    const LIMITS: FitnessLimits = FitnessLimits {
        mean_min: 30.0,
        mean_max: 220.0,
        burnt_fraction_max: 0.05,
        contrast_min: 5.0,
        sharpness_min: 50.0,
        refuse_duplicate: true,
    };

    fn frame(width: u32, height: u32, level: impl Fn(u32, u32) -> u8) -> Frame {
        let pixels = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .map(|(x, y)| level(x, y))
            .collect();
        let size = SizePx {
            width_px: width,
            height_px: height,
        };
        Frame::new("c", size, PixelFormat::Gray8, pixels, Instant::now()).unwrap()
    }

    fn complaints(frame: &Frame) -> Vec<String> {
        let size = frame.size();
        let region = RectPx {
            x: 0.0,
            y: 0.0,
            width: f64::from(size.width_px),
            height: f64::from(size.height_px),
        };
        judge(&measure(frame, region).unwrap(), &LIMITS)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn each_fault_of_an_image_is_named_with_its_figure() {
        let checks = |low, high| move |x, y| if (x / 8 + y / 8) % 2 == 0 { low } else { high };
        assert_eq!(complaints(&frame(200, 200, checks(60, 180))), [""; 0]);
        assert_eq!(complaints(&frame(201, 133, checks(60, 180))), [""; 0]);
        assert_eq!(
            complaints(&frame(64, 64, checks(0, 24))),
            ["too dark: mean 12.0, at least 30"]
        );
        assert_eq!(
            complaints(&frame(64, 64, checks(200, 255))),
            [
                "too bright: mean 227.5, at most 220",
                "burnt out: 50.00 % of the pixels, at most 5 %"
            ]
        );
        assert_eq!(
            complaints(&frame(64, 64, |_, _| 100)),
            [
                "empty: contrast 0.0, at least 5",
                "blurred: sharpness 0.0, at least 50"
            ]
        );
        let soft = frame(256, 64, |x, _| u8::try_from(x).unwrap());
        assert_eq!(complaints(&soft).len(), 1);
        assert!(complaints(&soft)[0].starts_with("blurred"));
        assert_eq!(complaints(&frame(1, 1, |_, _| 0)).len(), 3);
    }

    #[test]
    fn limits_and_figures_that_are_no_numbers_never_pass() {
        let fitness = Fitness {
            mean: f64::NAN,
            burnt_fraction: f64::NAN,
            contrast: f64::NAN,
            sharpness: f64::NAN,
        };
        assert_eq!(judge(&fitness, &LIMITS).len(), 5);
        let limits = FitnessLimits {
            sharpness_min: f64::NAN,
            ..LIMITS
        };
        let fitness = Fitness {
            mean: 100.0,
            burnt_fraction: 0.0,
            contrast: 50.0,
            sharpness: 1e9,
        };
        assert_eq!(judge(&fitness, &limits).len(), 1);
    }

    #[test]
    fn colour_is_measured_as_grey_in_either_order() {
        let size = SizePx {
            width_px: 40,
            height_px: 40,
        };
        let of = |format, pixel: [u8; 3]| {
            let frame = Frame::new("c", size, format, pixel.repeat(1600), Instant::now()).unwrap();
            let region = RectPx {
                x: 3.0,
                y: 5.0,
                width: 20.0,
                height: 11.0,
            };
            measure(&frame, region).unwrap().mean
        };
        assert!((of(PixelFormat::Rgb8, [255, 0, 0]) - 76.0).abs() < 0.5);
        assert!((of(PixelFormat::Bgr8, [0, 0, 255]) - 76.0).abs() < 0.5);
    }

    #[test]
    fn a_region_outside_the_frame_is_refused() {
        let frame = frame(40, 30, |_, _| 9);
        for (x, width) in [
            (-1.0, 10.0),
            (35.0, 10.0),
            (0.0, 0.0),
            (f64::NAN, 5.0),
            (0.0, 1e12),
        ] {
            let region = RectPx {
                x,
                y: 0.0,
                width,
                height: 10.0,
            };
            assert!(measure(&frame, region).is_err(), "{region:?}");
        }
    }

    #[test]
    fn a_fingerprint_tells_pixels_size_and_format_apart() {
        let one = frame(6, 4, |x, _| u8::try_from(x).unwrap());
        let flipped = frame(6, 4, |x, y| {
            u8::try_from(x).unwrap() ^ u8::from((x, y) == (5, 3))
        });
        let turned = frame(4, 6, |x, _| u8::try_from(x).unwrap());
        assert_eq!(fingerprint(&one), fingerprint(&one.clone()));
        assert_ne!(fingerprint(&one), fingerprint(&flipped));
        assert_ne!(fingerprint(&one), fingerprint(&turned));
    }
}
