//! Masks as files: grey pictures whose pixels are 0 where the part is good.

use std::path::Path;

use ndarray::Array2;

use crate::domain::PixelFormat;
use crate::inspect::with_causes;
use crate::source::read_picture;

/// Reads a mask; of a colour picture the brightest channel counts.
///
/// # Errors
/// A text that says why it is no mask.
pub(super) fn read_mask(path: &Path) -> Result<Array2<u8>, String> {
    let picture = read_picture("mask", path).map_err(|error| with_causes(&error))?;
    let shape = (
        picture.size.height_px as usize,
        picture.size.width_px as usize,
    );
    let values = match picture.format {
        PixelFormat::Gray8 => picture.pixels,
        PixelFormat::Bgr8 | PixelFormat::Rgb8 => {
            let (pixels, _) = picture.pixels.as_chunks::<3>();
            let brightest = |[a, b, c]: &[u8; 3]| *a.max(b).max(c);
            pixels.iter().map(brightest).collect()
        }
    };
    Array2::from_shape_vec(shape, values).map_err(|error| error.to_string())
}
