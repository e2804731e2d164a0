//! Maps and masks at the frame's own pixels: what a model scored there, and what is true there.

use ndarray::{Array2, ArrayView2};
use opencv::core::{CV_32S, Mat};
use opencv::imgproc;
use opencv::prelude::*;

use super::VisionError;
use super::input::InputSpec;
use super::prepare::Preparer;
use crate::domain::{PointPx, SizePx};

/// Brings a map on the model's input back to the pixels of a frame: bilinear, as `cv::resize` does it
/// with a map that covers the whole frame. What the model does not see scores 0.
pub fn spread_map(
    map: &ArrayView2<'_, f32>,
    preparer: &Preparer,
    input: &InputSpec,
    size: SizePx,
) -> Array2<f32> {
    let (rows, columns) = map.dim();
    // Both grids have (0, 0) in the centre of their first square.
    let cell = |value: f64, cells: usize, side_px: u32| {
        (value + 0.5) * cells as f64 / f64::from(side_px) - 0.5
    };
    let shape = (size.height_px as usize, size.width_px as usize);
    Array2::from_shape_fn(shape, |(y, x)| {
        let pixel = PointPx {
            x: x as f64,
            y: y as f64,
        };
        let point = preparer.input_from_original(pixel);
        let Some(point) = point.filter(|point| is_within(*point, input)) else {
            return 0.0;
        };
        let (x0, x1, right) = neighbours(cell(point.x, columns, input.width_px), columns);
        let (y0, y1, lower) = neighbours(cell(point.y, rows, input.height_px), rows);
        let at = |y: usize, x: usize| map.get((y, x)).copied().unwrap_or(0.0);
        let between = |a: f32, b: f32, share: f32| a + (b - a) * share;
        between(
            between(at(y0, x0), at(y0, x1), right),
            between(at(y1, x0), at(y1, x1), right),
            lower,
        )
    })
}

/// Whether a point lies on the input: pixels reach half a side around their centres.
fn is_within(point: PointPx, input: &InputSpec) -> bool {
    let within = |value: f64, side: u32| (-0.5..=f64::from(side) - 0.5).contains(&value);
    within(point.x, input.width_px) && within(point.y, input.height_px)
}

/// The two cells around a place and the share of the second; beyond the outer cells' centres it is
/// they alone.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the place is clamped to the cells before"
)]
fn neighbours(place: f64, cells: usize) -> (usize, usize, f32) {
    let last = cells.saturating_sub(1);
    let place = place.clamp(0.0, last as f64);
    let first = place.floor();
    let index = first as usize;
    (index, (index + 1).min(last), (place - first) as f32)
}

/// The region that each pixel of a mask belongs to, corners touching: 0 where the mask is 0, else
/// counted from 1.
///
/// # Errors
/// [`VisionError::OpenCv`] if OpenCV refuses, for example a mask without pixels.
pub fn label_regions(mask: &ArrayView2<'_, u8>) -> Result<Array2<u32>, VisionError> {
    labelled(mask).map_err(VisionError::opencv("label the regions of a mask"))
}

fn labelled(mask: &ArrayView2<'_, u8>) -> opencv::Result<Array2<u32>> {
    let (height, width) = mask.dim();
    let pixels: Vec<u8> = mask.iter().copied().collect();
    let rows = i32::try_from(height).unwrap_or(i32::MAX);
    let columns = i32::try_from(width).unwrap_or(i32::MAX);
    let image = Mat::new_rows_cols_with_data(rows, columns, &pixels)?;
    let mut labels = Mat::default();
    imgproc::connected_components(&image, &mut labels, 8, CV_32S)?;
    let labels = labels.data_typed::<i32>()?.iter();
    let labels = labels.map(|label| label.unsigned_abs()).collect();
    Array2::from_shape_vec((height, width), labels)
        .map_err(|error| opencv::Error::new(opencv::core::StsError, error.to_string()))
}

#[cfg(test)]
mod tests {
    use opencv::core::Size;

    use super::super::input::{Interpolation, Resize};
    use super::super::prepare::Optics;
    use super::*;
    use crate::domain::RectPx;

    fn input(resize: Resize) -> InputSpec {
        InputSpec {
            width_px: 32,
            height_px: 32,
            channels: 1,
            reverse_input_channels: false,
            mean_values: vec![0.0],
            scale_values: vec![1.0],
            resize,
            interpolation: Interpolation::Area,
            pad_value: 0,
        }
    }

    fn spread(map: &Array2<f32>, input: &InputSpec, region: RectPx, size: SizePx) -> Array2<f32> {
        let preparer = Preparer::new(size, region, &[], Optics::default(), input).unwrap();
        spread_map(&map.view(), &preparer, input, size)
    }

    const SIZE: SizePx = SizePx {
        width_px: 50,
        height_px: 40,
    };
    const WHOLE: RectPx = RectPx {
        x: 0.0,
        y: 0.0,
        width: 50.0,
        height: 40.0,
    };

    #[test]
    fn a_map_over_the_whole_frame_is_resized_as_opencv_does() {
        let map = Array2::from_shape_fn((8, 16), |(y, x)| ((y * 37 + x * 11) % 23) as f32 / 23.0);
        let found = spread(&map, &input(Resize::Standard), WHOLE, SIZE);
        let values: Vec<f32> = map.iter().copied().collect();
        let image = Mat::new_rows_cols_with_data(8, 16, &values).unwrap();
        let mut resized = Mat::default();
        let size = Size::new(50, 40);
        imgproc::resize(&image, &mut resized, size, 0.0, 0.0, imgproc::INTER_LINEAR).unwrap();
        let expected = resized.data_typed::<f32>().unwrap();
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{found} for {expected}");
        }
    }

    #[test]
    fn what_the_model_does_not_see_scores_nothing() {
        let map = Array2::from_elem((4, 4), 1.0_f32);
        let region = RectPx {
            x: 10.0,
            y: 5.0,
            width: 20.0,
            height: 30.0,
        };
        let found = spread(&map, &input(Resize::FitToWindowLetterbox), region, SIZE);
        for ((y, x), value) in found.indexed_iter() {
            let inside = (10..30).contains(&x) && (5..35).contains(&y);
            assert!(
                (value - f32::from(u8::from(inside))).abs() < 1e-6,
                "({x}, {y}): {value}"
            );
        }
    }

    #[test]
    fn what_a_crop_cuts_off_scores_nothing() {
        let map = Array2::from_elem((4, 4), 1.0_f32);
        // 50 x 40 px become 40 x 32, of which the middle 32 columns are seen: 40 px of the frame.
        let found = spread(&map, &input(Resize::Crop { shorter_px: 32 }), WHOLE, SIZE);
        for ((y, x), value) in found.indexed_iter() {
            let expected = f32::from(u8::from((5..45).contains(&x)));
            assert!((value - expected).abs() < 1e-6, "({x}, {y}): {value}");
        }
    }

    #[test]
    fn regions_that_touch_at_a_corner_are_one() {
        let mask = ndarray::array![[1_u8, 0, 0, 9], [0, 1, 0, 0], [0, 0, 0, 0]];
        let labels = label_regions(&mask.view()).unwrap();
        assert_eq!(labels[(0, 0)], labels[(1, 1)]);
        assert_ne!(labels[(0, 0)], labels[(0, 3)]);
        assert_eq!(labels[(2, 2)], 0);
        assert_eq!(labels.iter().copied().max(), Some(2));
    }
}
