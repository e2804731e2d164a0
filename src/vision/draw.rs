//! The picture a person sees: the frame with its findings outlined and the verdict on top.

use opencv::core::{Mat, Point, Rect, Scalar, Size, Vector};
use opencv::imgproc;
use opencv::prelude::*;

use super::VisionError;
use super::decode::Picture;
use super::view;
use crate::domain::{Finding, Frame, Grade, PixelFormat, PointPx, SizePx, Verdict};

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
const RED: [f64; 3] = [40.0, 40.0, 220.0];
const AMBER: [f64; 3] = [0.0, 160.0, 240.0];
const GREY: [f64; 3] = [100.0, 100.0, 100.0];
const GREEN: [f64; 3] = [60.0, 150.0, 40.0];
const WHITE: [f64; 3] = [255.0, 255.0, 255.0];
const BLACK: [f64; 3] = [0.0, 0.0, 0.0];

/// Draws outlines (red for reject, amber for doubtful, grey for tolerated) with class, score and
/// length, and a strip above the picture with `banner` on the verdict's colour. Small pictures are
/// enlarged. The findings must be those of this frame.
///
/// # Errors
/// [`VisionError::OpenCv`] if OpenCV refuses; the record is kept without a drawing.
pub fn draw_findings(
    frame: &Frame,
    findings: &[Finding],
    banner: &str,
    verdict: Verdict,
) -> Result<Picture, VisionError> {
    drawn(frame, findings, banner, verdict).map_err(VisionError::opencv("draw the findings"))
}

/// How large things are drawn.
struct Canvas {
    image: Mat,
    /// Picture pixels per frame pixel.
    enlarged: i32,
    /// Height of the strip.
    top: i32,
    thickness: i32,
    font_scale: f64,
}

fn drawn(
    frame: &Frame,
    findings: &[Finding],
    banner: &str,
    verdict: Verdict,
) -> opencv::Result<Picture> {
    let mut canvas = Canvas::new(frame)?;
    canvas.strip(banner, verdict)?;
    // The worst is drawn last, on top of the others.
    let mut order: Vec<&Finding> = findings.iter().collect();
    order.sort_by_key(|finding| finding.grade);
    for finding in &order {
        canvas.outline(finding)?;
    }
    for finding in &order {
        canvas.label(finding)?;
    }
    Ok(Picture {
        size: SizePx {
            width_px: canvas.image.cols().unsigned_abs(),
            height_px: canvas.image.rows().unsigned_abs(),
        },
        format: PixelFormat::Bgr8,
        pixels: canvas.image.data_bytes()?.to_vec(),
    })
}

fn color([blue, green, red]: [f64; 3]) -> Scalar {
    Scalar::new(blue, green, red, 0.0)
}

fn grade_color(grade: Grade) -> [f64; 3] {
    match grade {
        Grade::Reject => RED,
        Grade::Doubtful => AMBER,
        Grade::Tolerated => GREY,
    }
}

fn verdict_color(verdict: Verdict) -> [f64; 3] {
    match verdict {
        Verdict::Ok => GREEN,
        Verdict::Ng => RED,
        Verdict::Indeterminate(_) => AMBER,
    }
}

/// What can be read on a colour.
fn ink_on(ground: [f64; 3]) -> [f64; 3] {
    // Weights of ITU-R BT.601, blue first.
    let [blue, green, red] = ground;
    let is_bright = 140.0 < 0.114 * blue + 0.587 * green + 0.299 * red;
    if is_bright { BLACK } else { WHITE }
}

/// A float as a whole number of pixels, cut off at what can be drawn.
fn whole(value: f64) -> i32 {
    const FARTHEST: f64 = 1e6;
    view::pixel(value.round().clamp(-FARTHEST, FARTHEST)).unwrap_or(0)
}

impl Canvas {
    fn new(frame: &Frame) -> opencv::Result<Self> {
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

    /// The verdict's strip above the picture; a banner that is too long is written smaller.
    fn strip(&mut self, banner: &str, verdict: Verdict) -> opencv::Result<()> {
        let width = self.image.cols();
        let strip = Rect::new(0, 0, width, self.top);
        let fill = color(verdict_color(verdict));
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
        self.text(&text, at, scale, ink_on(verdict_color(verdict)))
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

    fn outline(&mut self, finding: &Finding) -> opencv::Result<()> {
        let points = finding.detection.outline_px.iter();
        let points: Vector<Point> = points.map(|point| self.place(*point)).collect();
        if points.is_empty() {
            return Ok(());
        }
        // A dark rim first, so that the outline shows on any ground.
        let rim = Scalar::default();
        for (width, ink) in [
            (self.thickness + 2, rim),
            (self.thickness, color(grade_color(finding.grade))),
        ] {
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

    /// Class, score and length above the finding, or below it where there is no room.
    fn label(&mut self, finding: &Finding) -> opencv::Result<()> {
        let detection = &finding.detection;
        let text = ascii(&format!(
            "{} {:.2} {:.1} mm",
            detection.class.name,
            detection.score.get(),
            finding.length_mm
        ));
        let (size, base) = self.text_size(&text, self.font_scale)?;
        let gap = self.thickness + 2;
        let (width, height) = (size.width + 2 * gap, size.height + base + 2 * gap);
        let fine = 1 << FRACTION_BITS;
        let region = detection.region_px;
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
        let fill = color(grade_color(finding.grade));
        imgproc::rectangle(
            &mut self.image,
            plate,
            fill,
            imgproc::FILLED,
            imgproc::LINE_8,
            0,
        )?;
        let at = Point::new(left + gap, upper + gap + size.height);
        self.text(
            &text,
            at,
            self.font_scale,
            ink_on(grade_color(finding.grade)),
        )
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
}

/// OpenCV's fonts know ASCII only.
fn ascii(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::domain::{Class, Detection, Reason, RectMm, RectPx, Score};

    fn finding(region_px: RectPx, grade: Grade) -> Finding {
        Finding {
            view: "top".to_owned(),
            detection: Detection {
                class: Class {
                    name: "scratch".into(),
                    code: "".into(),
                },
                score: Score::new(0.87).unwrap(),
                region_px,
                outline_px: region_px.corners().to_vec(),
                has_mask: false,
            },
            region_mm: RectMm::default(),
            length_mm: 12.4,
            area_mm2: 3.0,
            zone: "all".to_owned(),
            grade,
            because: String::new(),
        }
    }

    fn frame(width_px: u32, height_px: u32, format: PixelFormat) -> Frame {
        let n_bytes = width_px as usize * height_px as usize * format.channels();
        let size = SizePx {
            width_px,
            height_px,
        };
        Frame::new("c", size, format, vec![90; n_bytes], Instant::now()).unwrap()
    }

    fn has(picture: &Picture, ink: [f64; 3]) -> usize {
        let (pixels, _) = picture.pixels.as_chunks::<3>();
        pixels
            .iter()
            .filter(|pixel| {
                pixel
                    .iter()
                    .zip(ink)
                    .all(|(p, ink)| i32::from(*p) == whole(ink))
            })
            .count()
    }

    #[test]
    fn findings_show_in_their_grades_colour_on_small_and_large_pictures() {
        for (width, height) in [(200, 200), (2448, 2048), (33, 700), (1, 1), (1900, 20)] {
            for format in [PixelFormat::Gray8, PixelFormat::Rgb8] {
                let frame = frame(width, height, format);
                let (w, h) = (f64::from(width), f64::from(height));
                let at = |x: f64, y: f64| RectPx {
                    x: w * x,
                    y: h * y,
                    width: w * 0.2,
                    height: h * 0.2,
                };
                let findings = [
                    finding(at(0.1, 0.2), Grade::Reject),
                    finding(at(0.7, 0.0), Grade::Doubtful),
                    finding(at(-0.1, 0.9), Grade::Tolerated),
                ];
                let verdict = Verdict::Indeterminate(Reason::Doubtful);
                let picture = draw_findings(&frame, &findings, "NG  Träger 4711", verdict).unwrap();
                assert!(
                    640 <= picture.size.width_px || width < 40,
                    "{width} x {height}"
                );
                let n_bytes = picture.size.width_px as usize * picture.size.height_px as usize * 3;
                assert_eq!(picture.pixels.len(), n_bytes);
                if 200 <= width && 200 <= height {
                    for ink in [RED, AMBER, GREY, WHITE] {
                        assert!(20 < has(&picture, ink), "{width} x {height}: {ink:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_strip_has_the_verdicts_colour_and_hides_nothing() {
        let frame = frame(800, 600, PixelFormat::Bgr8);
        for (verdict, ink) in [
            (Verdict::Ok, GREEN),
            (Verdict::Ng, RED),
            (Verdict::Indeterminate(Reason::NoFrame), AMBER),
        ] {
            let banner = "a banner that is far too long for the picture ".repeat(9);
            let picture = draw_findings(&frame, &[], &banner, verdict).unwrap();
            assert_eq!(has(&picture, [90.0; 3]), 800 * 600);
            assert!(800 * 10 < has(&picture, ink));
        }
    }

    #[test]
    fn letters_beyond_ascii_are_spelt_out() {
        assert_eq!(ascii("Träger 7 µm\n"), "Traeger 7 ?m?");
    }
}
