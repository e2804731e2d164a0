//! A map of scores laid over the picture it was made from, for people.

use ndarray::ArrayView2;
use opencv::core::{Mat, Size};
use opencv::imgproc;
use opencv::prelude::*;

use super::VisionError;
use super::decode::Picture;
use crate::domain::PixelFormat;

/// How much of the picture the strongest heat hides.
const OPACITY_MAX: f32 = 0.75;
/// Red, green, blue where the heat begins and where it is strongest.
const COOL: [f32; 3] = [255.0, 210.0, 0.0];
const HOT: [f32; 3] = [220.0, 0.0, 30.0];

/// Colours an RGB picture by `map`: nothing up to `low`, yellow from there, red from `high` on.
///
/// # Errors
/// [`VisionError::OpenCv`] if picture or map are empty, or the picture is not RGB.
pub fn draw_heat(
    picture: &Picture,
    map: &ArrayView2<'_, f32>,
    (low, high): (f32, f32),
) -> Result<Picture, VisionError> {
    let large = enlarged(picture, map).map_err(VisionError::opencv("draw a map of scores"))?;
    let mut drawn = picture.clone();
    let span = (high - low).max(f32::EPSILON);
    for (pixel, score) in drawn.pixels.chunks_exact_mut(3).zip(large) {
        let heat = ((score - low) / span).clamp(0.0, 1.0);
        if heat <= 0.0 {
            continue;
        }
        let opacity = OPACITY_MAX * heat.sqrt();
        for ((value, cool), hot) in pixel.iter_mut().zip(COOL).zip(HOT) {
            let colour = cool + (hot - cool) * heat;
            let mixed = f32::from(*value) * (1.0 - opacity) + colour * opacity;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a mix of two levels from 0 to 255 is one too"
            )]
            let mixed = mixed as u8;
            *value = mixed;
        }
    }
    Ok(drawn)
}

/// The map with one score for each pixel.
fn enlarged(picture: &Picture, map: &ArrayView2<'_, f32>) -> opencv::Result<Vec<f32>> {
    let refuse = |message: &str| opencv::Error::new(opencv::core::StsBadArg, message.to_owned());
    if picture.format != PixelFormat::Rgb8 {
        return Err(refuse("the picture is not RGB"));
    }
    let scores: Vec<f32> = map.iter().copied().collect();
    let count = |side: usize| i32::try_from(side).map_err(|error| refuse(&error.to_string()));
    let (rows, columns) = (count(map.nrows())?, count(map.ncols())?);
    let small = Mat::new_rows_cols_with_data(rows, columns, &scores)?;
    let (width, height) = super::view::dimensions(picture.size)?;
    let mut large = Mat::default();
    let size = Size::new(width, height);
    imgproc::resize(&small, &mut large, size, 0.0, 0.0, imgproc::INTER_LINEAR)?;
    Ok(large.data_typed::<f32>()?.to_vec())
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::domain::SizePx;

    #[test]
    fn only_hot_places_are_coloured() {
        let picture = Picture {
            size: SizePx {
                width_px: 40,
                height_px: 20,
            },
            format: PixelFormat::Rgb8,
            pixels: vec![100; 40 * 20 * 3],
        };
        let map = array![[0.1, 0.2, 0.9, 0.9]];
        let drawn = draw_heat(&picture, &map.view(), (0.3, 0.8)).unwrap();
        let at = |x: usize| &drawn.pixels[x * 3..x * 3 + 3];
        assert_eq!(at(2), [100, 100, 100]);
        let [red, green, _] = at(38) else { panic!() };
        assert!(180 < *red && *green < 40, "{red} {green}");
        let grey = Picture {
            format: PixelFormat::Gray8,
            ..picture
        };
        assert!(draw_heat(&grey, &map.view(), (0.3, 0.8)).is_err());
    }
}
