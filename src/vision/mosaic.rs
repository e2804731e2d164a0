//! The pixels of cameras whose sensor sees one colour a pixel.

use opencv::imgproc;

use super::VisionError;
use super::decode::Picture;
use super::yuyv::bgr_from;
use crate::domain::SizePx;

/// The first two pixels of the first row of a colour mosaic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mosaic {
    /// Blue, green.
    BlueGreen,
    /// Green, blue.
    GreenBlue,
    /// Green, red.
    GreenRed,
    /// Red, green.
    RedGreen,
}

/// Turns a mosaic with one byte a pixel into a BGR picture.
///
/// # Errors
/// [`VisionError::OpenCv`] if the bytes do not fit the size; the source treats the frame as lost.
pub fn picture_from_mosaic(
    bytes: &[u8],
    size: SizePx,
    mosaic: Mosaic,
) -> Result<Picture, VisionError> {
    // OpenCV names a mosaic by the second and third pixel of its second row.
    let code = match mosaic {
        Mosaic::BlueGreen => imgproc::COLOR_BayerRG2BGR,
        Mosaic::GreenBlue => imgproc::COLOR_BayerGR2BGR,
        Mosaic::GreenRed => imgproc::COLOR_BayerGB2BGR,
        Mosaic::RedGreen => imgproc::COLOR_BayerBG2BGR,
    };
    bgr_from::<u8>(bytes, size, code).map_err(VisionError::opencv("convert a colour mosaic"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PixelFormat;

    #[test]
    fn each_colour_comes_out_in_place_from_each_mosaic() {
        let size = SizePx {
            width_px: 8,
            height_px: 6,
        };
        // The colours of two rows of two pixels: 0 blue, 1 green, 2 red.
        for (mosaic, tile) in [
            (Mosaic::BlueGreen, [[0, 1], [1, 2]]),
            (Mosaic::GreenBlue, [[1, 0], [2, 1]]),
            (Mosaic::GreenRed, [[1, 2], [0, 1]]),
            (Mosaic::RedGreen, [[2, 1], [1, 0]]),
        ] {
            let scene = [30_u8, 120, 210];
            let seen: Vec<u8> = (0..6)
                .flat_map(|row: usize| (0..8).map(move |column: usize| (row, column)))
                .map(|(row, column)| scene[tile[row % 2][column % 2]])
                .collect();
            let picture = picture_from_mosaic(&seen, size, mosaic).unwrap();
            assert_eq!(picture.format, PixelFormat::Bgr8);
            for (at, pixel) in picture.pixels.chunks(3).enumerate() {
                assert_eq!(pixel, scene, "{mosaic:?}, pixel {at}");
            }
        }
        assert!(
            picture_from_mosaic(&[0; 47], size, Mosaic::RedGreen).is_err(),
            "a byte is missing"
        );
    }
}
