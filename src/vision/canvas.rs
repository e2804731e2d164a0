//! What pictures for people are drawn on: the frame, a strip above it, outlines and labels.

use opencv::core::{Mat, Point, Rect, Scalar, Size, Vector};
use opencv::imgproc;
use opencv::prelude::*;

use super::decode::Picture;
use super::view;
use crate::domain::{Frame, PixelFormat, PointPx, RectPx, SizePx};

/// Narrower pictures are enlarged, so that labels can be read.
const WIDTH_MIN_PX: i32 = 640;

/// Most times a picture is enlarged.
const ENLARGE_MAX: i32 = 16;

/// Height of a capital letter at font scale 1 (Hershey Simplex).
const CAPITAL_PX: f64 = 21.0;

/// Bits of a pixel's fraction in drawn coordinates.
const FRACTION_BITS: i32 = 4;

const FONT: i32 = imgproc::FONT_HERSHEY_SIMPLEX;

/// Blue, green, red.
pub(super) const RED: [f64; 3] = [40.0, 40.0, 220.0];
pub(super) const AMBER: [f64; 3] = [0.0, 160.0, 240.0];
pub(super) const GREY: [f64; 3] = [100.0, 100.0, 100.0];
pub(super) const GREEN: [f64; 3] = [60.0, 150.0, 40.0];
pub(super) const WHITE: [f64; 3] = [255.0, 255.0, 255.0];
const BLACK: [f64; 3] = [0.0, 0.0, 0.0];

/// The picture and how large things are drawn on it.
pub(super) struct Canvas {
    image: Mat,
    /// Picture pixels per frame pixel.
    enlarged: i32,
    /// Height of the strip.
    top: i32,
    thickness: i32,
    font_scale: f64,
}

fn color([blue, green, red]: [f64; 3]) -> Scalar {
    Scalar::new(blue, green, red, 0.0)
}

/// What can be read on a colour.
fn ink_on(ground: [f64; 3]) -> [f64; 3] {
    // Weights of ITU-R BT.601, blue first.
    let [blue, green, red] = ground;
    let is_bright = 140.0 < 0.114 * blue + 0.587 * green + 0.299 * red;
    if is_bright { BLACK } else { WHITE }
}

/// A float as a whole number of pixels, cut off at what can be drawn.
pub(super) fn whole(value: f64) -> i32 {
    const FARTHEST: f64 = 1e6;
    view::pixel(value.round().clamp(-FARTHEST, FARTHEST)).unwrap_or(0)
}

impl Canvas {
    pub(super) fn new(frame: &Frame) -> opencv::Result<Self> {
        let seen = view::of(frame)?;
        let mut colour = Mat::default();
        match frame.format() {
            PixelFormat::Gray8 => {
                imgproc::cvt_color_def(&seen, &mut colour, imgproc::COLOR_GRAY2BGR)?;
            }
            PixelFormat::Rgb8 => {
                imgproc::cvt_color_def(&seen, &mut colour, imgproc::COLOR_RGB2BGR)?;
            }
            PixelFormat::Bgr8 => seen.copy_to(&mut colour)?,
        }
        let (columns, rows) = (seen.cols(), seen.rows());
        let enlarged = ((WIDTH_MIN_PX + columns - 1) / columns.max(1)).clamp(1, ENLARGE_MAX);
        let (width, height) = (columns * enlarged, rows * enlarged);
        // Capitals of about a fiftieth of the picture, but never under 9 px.
        let capital = (f64::from(width.min(height)) / 50.0).max(9.0);
        let top = whole(capital * 2.4);
        let mut image = Mat::new_rows_cols_with_default(
            height + top,
            width,
            opencv::core::CV_8UC3,
            color(GREY),
        )?;
        let mut below = image.roi_mut(Rect::new(0, top, width, height))?;
        // Enlarged pixels stay squares: nothing is shown that the camera did not see.
        let size = Size::new(width, height);
        imgproc::resize(&colour, &mut below, size, 0.0, 0.0, imgproc::INTER_NEAREST)?;
        drop(below);
        Ok(Self {
            image,
            enlarged,
            top,
            thickness: whole(capital / 7.0).max(1),
            font_scale: capital / CAPITAL_PX,
        })
    }

    /// The strip above the picture; a banner that is too long is written smaller.
    pub(super) fn strip(&mut self, banner: &str, ground: [f64; 3]) -> opencv::Result<()> {
        let width = self.image.cols();
        let strip = Rect::new(0, 0, width, self.top);
        let fill = color(ground);
        imgproc::rectangle(
            &mut self.image,
            strip,
            fill,
            imgproc::FILLED,
            imgproc::LINE_8,
            0,
        )?;
        let text = ascii(banner);
        let (size, _) = self.text_size(&text, self.font_scale)?;
        let room = f64::from(width - 2 * self.top / 3);
        let shrunk = (room / f64::from(size.width.max(1))).clamp(0.3, 1.0);
        let scale = self.font_scale * shrunk;
        let (size, _) = self.text_size(&text, scale)?;
        let at = Point::new(self.top / 3, i32::midpoint(self.top, size.height));
        self.text(&text, at, scale, ink_on(ground))
    }

    /// A point of the frame as drawn, with fraction bits.
    fn place(&self, point: PointPx) -> Point {
        let enlarged = f64::from(self.enlarged);
        let fine = f64::from(1 << FRACTION_BITS);
        let on = |value: f64, offset: i32| {
            whole(((value + 0.5) * enlarged - 0.5 + f64::from(offset)) * fine)
        };
        Point::new(on(point.x, 0), on(point.y, self.top))
    }

    /// A closed outline in pixels of the frame.
    pub(super) fn outline(&mut self, outline: &[PointPx], ink: [f64; 3]) -> opencv::Result<()> {
        let points: Vector<Point> = outline.iter().map(|point| self.place(*point)).collect();
        if points.is_empty() {
            return Ok(());
        }
        // A dark rim first, so that the outline shows on any ground.
        let rim = Scalar::default();
        for (width, ink) in [(self.thickness + 2, rim), (self.thickness, color(ink))] {
            imgproc::polylines(
                &mut self.image,
                &points,
                true,
                ink,
                width,
                imgproc::LINE_AA,
                FRACTION_BITS,
            )?;
        }
        Ok(())
    }

    /// A text above a region of the frame, or below it where there is no room.
    pub(super) fn label(
        &mut self,
        text: &str,
        region: RectPx,
        ground: [f64; 3],
    ) -> opencv::Result<()> {
        let text = ascii(text);
        let (size, base) = self.text_size(&text, self.font_scale)?;
        let gap = self.thickness + 2;
        let (width, height) = (size.width + 2 * gap, size.height + base + 2 * gap);
        let fine = 1 << FRACTION_BITS;
        let start = self.place(PointPx {
            x: region.x,
            y: region.y,
        });
        let end = self.place(PointPx {
            x: region.x,
            y: region.y + region.height,
        });
        let left = (start.x / fine).min(self.image.cols() - width).max(0);
        let above = start.y / fine - gap - height;
        let lowest = (self.image.rows() - height).max(self.top);
        let upper = if self.top <= above {
            above
        } else {
            end.y / fine + gap
        };
        let upper = upper.clamp(self.top, lowest);
        let plate = Rect::new(left, upper, width, height);
        let fill = color(ground);
        imgproc::rectangle(
            &mut self.image,
            plate,
            fill,
            imgproc::FILLED,
            imgproc::LINE_8,
            0,
        )?;
        let at = Point::new(left + gap, upper + gap + size.height);
        self.text(&text, at, self.font_scale, ink_on(ground))
    }

    fn text_size(&self, text: &str, scale: f64) -> opencv::Result<(Size, i32)> {
        let mut base = 0;
        let size = imgproc::get_text_size(text, FONT, scale, self.thickness, &mut base)?;
        Ok((size, base))
    }

    fn text(&mut self, text: &str, at: Point, scale: f64, ink: [f64; 3]) -> opencv::Result<()> {
        let ink = color(ink);
        let thickness = self.thickness;
        imgproc::put_text(
            &mut self.image,
            text,
            at,
            FONT,
            scale,
            ink,
            thickness,
            imgproc::LINE_AA,
            false,
        )
    }

    /// The whole, as a picture.
    pub(super) fn picture(&self) -> opencv::Result<Picture> {
        Ok(Picture {
            size: SizePx {
                width_px: self.image.cols().unsigned_abs(),
                height_px: self.image.rows().unsigned_abs(),
            },
            format: PixelFormat::Bgr8,
            pixels: self.image.data_bytes()?.to_vec(),
        })
    }
}

/// OpenCV's fonts know ASCII only.
pub(super) fn ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            'ä' => plain.push_str("ae"),
            'ö' => plain.push_str("oe"),
            'ü' => plain.push_str("ue"),
            'Ä' => plain.push_str("Ae"),
            'Ö' => plain.push_str("Oe"),
            'Ü' => plain.push_str("Ue"),
            'ß' => plain.push_str("ss"),
            ' '..='~' => plain.push(letter),
            _ => plain.push('?'),
        }
    }
    plain
}
