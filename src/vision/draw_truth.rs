//! A picture with the truth and what was found outlined, small enough for a report.

use opencv::core::{Mat, Point, Scalar, Size, Vector};
use opencv::imgproc;
use opencv::prelude::*;

use super::VisionError;
use super::decode::Picture;
use super::view;
use crate::domain::{Frame, PixelFormat, PointPx, SizePx};

/// Smaller pictures are enlarged up to this.
const SIDE_MIN_PX: f64 = 240.0;
/// Bits of a pixel's fraction in drawn coordinates.
const FRACTION_BITS: i32 = 4;
/// Blue, green, red.
const TRUTH: [f64; 3] = [255.0, 190.0, 0.0];
const FOUND: [f64; 3] = [60.0, 60.0, 255.0];

/// Draws outlines in pixels of the frame: the truth in light blue, what was found in red. The longer
/// side of the picture has at most `side_max_px`.
///
/// # Errors
/// [`VisionError::OpenCv`] if OpenCV refuses; the report then goes without the picture.
pub fn draw_truth(
    frame: &Frame,
    truth: &[Vec<PointPx>],
    found: &[Vec<PointPx>],
    side_max_px: u32,
) -> Result<Picture, VisionError> {
    drawn(frame, truth, found, side_max_px).map_err(VisionError::opencv("draw the truth"))
}

fn drawn(
    frame: &Frame,
    truth: &[Vec<PointPx>],
    found: &[Vec<PointPx>],
    side_max_px: u32,
) -> opencv::Result<Picture> {
    let seen = view::of(frame)?;
    let mut colour = Mat::default();
    match frame.format() {
        PixelFormat::Gray8 => imgproc::cvt_color_def(&seen, &mut colour, imgproc::COLOR_GRAY2BGR)?,
        PixelFormat::Rgb8 => imgproc::cvt_color_def(&seen, &mut colour, imgproc::COLOR_RGB2BGR)?,
        PixelFormat::Bgr8 => seen.copy_to(&mut colour)?,
    }
    let longer = f64::from(colour.cols().max(colour.rows()).max(1));
    let scale = if longer < SIDE_MIN_PX {
        (SIDE_MIN_PX / longer).ceil()
    } else {
        (f64::from(side_max_px) / longer).min(1.0)
    };
    let side = |value: i32| view::pixel((f64::from(value) * scale).round().max(1.0)).unwrap_or(1);
    let size = Size::new(side(colour.cols()), side(colour.rows()));
    let flag = if scale < 1.0 {
        imgproc::INTER_AREA
    } else {
        // Enlarged pixels stay squares: nothing is shown that the camera did not see.
        imgproc::INTER_NEAREST
    };
    let mut image = Mat::default();
    imgproc::resize(&colour, &mut image, size, 0.0, 0.0, flag)?;
    for (outlines, ink) in [(truth, TRUTH), (found, FOUND)] {
        outlines
            .iter()
            .try_for_each(|outline| draw(&mut image, outline, scale, ink))?;
    }
    Ok(Picture {
        size: SizePx {
            width_px: image.cols().unsigned_abs(),
            height_px: image.rows().unsigned_abs(),
        },
        format: PixelFormat::Bgr8,
        pixels: image.data_bytes()?.to_vec(),
    })
}

fn draw(image: &mut Mat, outline: &[PointPx], scale: f64, ink: [f64; 3]) -> opencv::Result<()> {
    let fine = f64::from(1 << FRACTION_BITS);
    // Pixels reach half a side around their centres.
    let on = |value: f64| {
        let place = ((value + 0.5) * scale - 0.5) * fine;
        view::pixel(place.round().clamp(-1e6, 1e6)).unwrap_or(0)
    };
    let points: Vector<Point> = outline
        .iter()
        .map(|p| Point::new(on(p.x), on(p.y)))
        .collect();
    if points.is_empty() {
        return Ok(());
    }
    let [blue, green, red] = ink;
    // A dark rim first, so that the outline shows on any ground.
    for (thickness, ink) in [
        (4, Scalar::default()),
        (2, Scalar::new(blue, green, red, 0.0)),
    ] {
        imgproc::polylines(
            image,
            &points,
            true,
            ink,
            thickness,
            imgproc::LINE_AA,
            FRACTION_BITS,
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::domain::RectPx;

    #[test]
    fn truth_and_findings_are_drawn_in_their_colours_and_the_picture_is_made_smaller() {
        let size = SizePx {
            width_px: 800,
            height_px: 600,
        };
        let frame = Frame::new(
            "c",
            size,
            PixelFormat::Gray8,
            vec![90; 480_000],
            Instant::now(),
        );
        let region = |x: f64| {
            let region = RectPx {
                x,
                y: 100.0,
                width: 200.0,
                height: 200.0,
            };
            region.corners().to_vec()
        };
        let drawn = draw_truth(&frame.unwrap(), &[region(50.0)], &[region(500.0)], 400).unwrap();
        assert_eq!((drawn.size.width_px, drawn.size.height_px), (400, 300));
        let (pixels, _) = drawn.pixels.as_chunks::<3>();
        let shade = |column: usize, row: usize| pixels[row * 400 + column];
        // On the left edges of the two boxes: bluer than red, redder than blue.
        assert!(
            shade(25, 100)[0] > shade(25, 100)[2] + 50,
            "{:?}",
            shade(25, 100)
        );
        assert!(
            shade(250, 100)[2] > shade(250, 100)[0] + 50,
            "{:?}",
            shade(250, 100)
        );
        assert_eq!(shade(200, 10), [90, 90, 90]);
    }
}
