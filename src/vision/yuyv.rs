//! The pixels of USB cameras: luminance for each pixel, colour shared by two.

use opencv::core::{Mat, Vec2b, Vec3b};
use opencv::imgproc;
use opencv::prelude::*;

use super::decode::Picture;
use super::{VisionError, view};
use crate::domain::{PixelFormat, SizePx};

/// Turns YUYV bytes (two a pixel) into a BGR picture.
///
/// # Errors
/// [`VisionError::OpenCv`] if the bytes do not fit the size; the source treats the frame as lost.
pub fn picture_from_yuyv(bytes: &[u8], size: SizePx) -> Result<Picture, VisionError> {
    let picture = bgr_from::<Vec2b>(bytes, size, imgproc::COLOR_YUV2BGR_YUYV);
    picture.map_err(VisionError::opencv("convert YUYV"))
}

/// Pixels as a camera sends them, by OpenCV's code of how they are turned into blue, green and red.
pub(super) fn bgr_from<P: DataType>(
    bytes: &[u8],
    size: SizePx,
    code: i32,
) -> opencv::Result<Picture> {
    let (columns, rows) = view::dimensions(size)?;
    let sent = Mat::new_rows_cols_with_bytes::<P>(rows, columns, bytes)?;
    let mut pixels = vec![0; size.width_px as usize * size.height_px as usize * 3];
    let mut bgr = Mat::new_rows_cols_with_bytes_mut::<Vec3b>(rows, columns, &mut pixels)?;
    imgproc::cvt_color_def(&sent, &mut bgr, code)?;
    drop(bgr);
    Ok(Picture {
        size,
        format: PixelFormat::Bgr8,
        pixels,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_red_and_blue_come_out_in_place() {
        // ITU-R BT.601: luma 16 to 235, colour centred at 128; two pixels share one colour.
        let grey = [126, 128, 126, 128];
        let red = [81, 90, 81, 240];
        let blue = [41, 240, 41, 110];
        let size = SizePx {
            width_px: 2,
            height_px: 3,
        };
        let picture = picture_from_yuyv(&[grey, red, blue].concat(), size).unwrap();
        let expected = [[128, 128, 128], [0, 0, 255], [255, 0, 0]];
        for (row, expected) in picture.pixels.chunks(6).zip(expected) {
            for (found, expected) in row.iter().zip(expected.iter().cycle()) {
                assert!(found.abs_diff(*expected) < 4, "{row:?} for {expected:?}");
            }
        }
        assert!(
            picture_from_yuyv(&[0; 11], size).is_err(),
            "a byte is missing"
        );
    }
}
