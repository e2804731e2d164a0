//! The picture a person sees: the frame with its findings outlined and the verdict on top.

use super::VisionError;
use super::canvas::{AMBER, Canvas, GREEN, GREY, RED};
use super::decode::Picture;
use crate::domain::{Finding, Frame, Grade, Verdict};

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

fn drawn(
    frame: &Frame,
    findings: &[Finding],
    banner: &str,
    verdict: Verdict,
) -> opencv::Result<Picture> {
    let mut canvas = Canvas::new(frame)?;
    canvas.strip(banner, verdict_color(verdict))?;
    // The worst is drawn last, on top of the others.
    let mut order: Vec<&Finding> = findings.iter().collect();
    order.sort_by_key(|finding| finding.grade);
    for finding in &order {
        canvas.outline(&finding.detection.outline_px, grade_color(finding.grade))?;
    }
    for finding in &order {
        let detection = &finding.detection;
        let (class, score) = (&detection.class.name, detection.score.get());
        let text = format!("{class} {score:.2} {:.1} mm", finding.length_mm);
        canvas.label(&text, detection.region_px, grade_color(finding.grade))?;
    }
    canvas.picture()
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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::domain::{Class, Detection, PixelFormat, Reason, RectMm, RectPx, Score, SizePx};
    use crate::vision::canvas::{WHITE, ascii, whole};

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
                cell_px: 1.0,
            },
            region_mm: RectMm::default(),
            length_mm: 12.4,
            length_uncertainty_mm: None,
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
