//! Maps and masks at the frame's own pixels: what a model scored there, and what is true there.

use ndarray::{Array2, ArrayView2};
use opencv::core::{CV_32S, Mat};
use opencv::imgproc;
use opencv::prelude::*;

use super::VisionError;

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
