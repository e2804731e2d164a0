//! The pictures that people look at: a frame with what was found drawn onto it.

use crate::domain::{Finding, Frame, Verdict};
use crate::vision::{self, VisionError};

/// The frame of one view with its findings and the part's verdict, as JPEG bytes.
///
/// # Errors
/// [`VisionError`] if the picture cannot be drawn or encoded.
pub fn draw_inspection(
    frame: &Frame,
    view: &str,
    findings: &[Finding],
    verdict: Verdict,
    banner: &str,
) -> Result<Vec<u8>, VisionError> {
    let own: Vec<Finding> = findings
        .iter()
        .filter(|finding| finding.view == view)
        .cloned()
        .collect();
    let drawn = vision::draw_findings(frame, &own, banner, verdict)?;
    let drawn = drawn.into_frame(&frame.camera, frame.captured_at)?;
    vision::encode_jpeg(&drawn, JPEG_QUALITY)
}

/// Quality of kept pictures: small, and fine enough for a person and for a second look by a model.
pub(super) const JPEG_QUALITY: u8 = 92;
