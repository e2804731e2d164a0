//! Codes on parts: a region of a frame into the text of the code in it.
//!
//! Printed, lasered and dot-peened codes look different, so the region is looked at in several ways, one
//! after the other, until one is read. How many ways depends on the size of the region alone and not on a
//! clock: the same picture gives the same answer on every machine.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use opencv::core::{Mat, Scalar, Size, mean_std_dev};
use opencv::imgproc;
use opencv::prelude::*;
use rxing::common::{GlobalHistogramBinarizer, HybridBinarizer};
use rxing::{
    BarcodeFormat, Binarizer, BinaryBitmap, DecodeHints, Luma8Source, MultiFormatReader,
    RXingResult, RXingResultMetadataType, RXingResultMetadataValue, Reader,
};
use tracing::warn;

use super::VisionError;
use super::view::{self, PixelRect};
use crate::domain::{Frame, PixelFormat, RectPx};
use crate::recipe::{CodeKind, CodeText};

/// A way to tell a code's cells from the surface.
struct Way {
    /// How much larger the region is made first.
    scale: f64,
    /// How wide its pixels are mixed then, which joins the dots of a peened code.
    blur_px: f64,
    /// How far a pixel must be from the mean around it, in standard deviations of the region.
    distance: f64,
}

/// How a code's marks look in this light.
#[derive(Clone, Copy)]
enum Light {
    DarkMarks,
    BrightMarks,
}

/// In the order of what each reads that those before do not (`tests` has the pictures).
const WAYS: [Way; 7] = [
    Way {
        scale: 1.0,
        blur_px: 1.0,
        distance: 0.3,
    },
    Way {
        scale: 0.5,
        blur_px: 1.0,
        distance: 0.3,
    },
    Way {
        scale: 0.5,
        blur_px: 1.6,
        distance: 0.3,
    },
    Way {
        scale: 0.25,
        blur_px: 1.0,
        distance: 0.3,
    },
    Way {
        scale: 1.0,
        blur_px: 2.0,
        distance: 0.3,
    },
    Way {
        scale: 1.0,
        blur_px: 0.7,
        distance: 0.0,
    },
    Way {
        scale: 2.0,
        blur_px: 1.0,
        distance: 0.3,
    },
];

/// Ways that would bring the pixels of all together over this are left out.
const PIXELS_MAX: f64 = 1.5e6;

/// The side of the window that gives the mean around a pixel: two to five cells of a code.
const WINDOW_PX: i32 = 15;

/// What is in the code that `region` of the frame shows; `None` if none could be read.
///
/// # Errors
/// [`VisionError::RegionOutside`] if the region does not lie in the frame, [`VisionError::OpenCv`] if OpenCV
/// refuses.
pub fn read_code(
    frame: &Frame,
    region: RectPx,
    kind: CodeKind,
) -> Result<Option<CodeText>, VisionError> {
    let rect = PixelRect::within(region, frame.size())?;
    look(frame, rect, kind).map_err(VisionError::opencv("look for a code"))
}

fn look(frame: &Frame, rect: PixelRect, kind: CodeKind) -> opencv::Result<Option<CodeText>> {
    let grey = grey_of(frame, rect)?;
    let hints = hints_of(kind);
    let either_way = DecodeHints {
        AlsoInverted: Some(true),
        ..hints.clone()
    };
    if let Some(code) = decoded(&grey, &either_way, HybridBinarizer::new)? {
        return Ok(Some(code));
    }
    let n_pixels = f64::from(rect.width) * f64::from(rect.height);
    let mut n_done = 0.0;
    for way in &WAYS {
        let n_of_way = n_pixels * way.scale * way.scale;
        if PIXELS_MAX < n_done + n_of_way {
            continue;
        }
        n_done += n_of_way;
        let surface = way.surface(&grey)?;
        for light in [Light::DarkMarks, Light::BrightMarks] {
            let marks = way.marks(&surface, light)?;
            if let Some(code) = decoded(&marks, &hints, GlobalHistogramBinarizer::new)? {
                return Ok(Some(code));
            }
        }
    }
    Ok(None)
}

fn grey_of(frame: &Frame, rect: PixelRect) -> opencv::Result<Mat> {
    let whole = view::of(frame)?;
    let part = whole.roi(rect.to_cv())?;
    let mut grey = Mat::default();
    let code = match frame.format() {
        PixelFormat::Gray8 => {
            part.copy_to(&mut grey)?;
            return Ok(grey);
        }
        PixelFormat::Bgr8 => imgproc::COLOR_BGR2GRAY,
        PixelFormat::Rgb8 => imgproc::COLOR_RGB2GRAY,
    };
    imgproc::cvt_color_def(&part, &mut grey, code)?;
    Ok(grey)
}

impl Way {
    /// The region at this way's size and smoothness.
    fn surface(&self, grey: &Mat) -> opencv::Result<Mat> {
        let (mut scaled, mut smooth) = (Mat::default(), Mat::default());
        let interpolation = if self.scale < 1.0 {
            imgproc::INTER_AREA
        } else {
            imgproc::INTER_LINEAR
        };
        let side = |length: i32| view::pixel((f64::from(length) * self.scale).round().max(1.0));
        let size = Size::new(
            side(grey.cols()).unwrap_or(1),
            side(grey.rows()).unwrap_or(1),
        );
        imgproc::resize(grey, &mut scaled, size, 0.0, 0.0, interpolation)?;
        let own_size = Size::new(0, 0);
        imgproc::gaussian_blur_def(&scaled, &mut smooth, own_size, self.blur_px)?;
        Ok(smooth)
    }

    /// Black where something darker (or brighter) than the surface around it is, white elsewhere.
    fn marks(&self, surface: &Mat, light: Light) -> opencv::Result<Mat> {
        let (mut mean, mut deviation) = (Scalar::default(), Scalar::default());
        mean_std_dev(surface, &mut mean, &mut deviation, &Mat::default())?;
        let [deviation, ..] = deviation.0;
        let distance = deviation * self.distance;
        let (kind, below_mean) = match light {
            Light::DarkMarks => (imgproc::THRESH_BINARY, distance),
            Light::BrightMarks => (imgproc::THRESH_BINARY_INV, -distance),
        };
        let mut marks = Mat::default();
        imgproc::adaptive_threshold(
            surface,
            &mut marks,
            255.0,
            imgproc::ADAPTIVE_THRESH_MEAN_C,
            kind,
            WINDOW_PX,
            below_mean,
        )?;
        Ok(marks)
    }
}

fn hints_of(kind: CodeKind) -> DecodeHints {
    let format = match kind {
        CodeKind::DataMatrix => BarcodeFormat::DATA_MATRIX,
        CodeKind::Qr => BarcodeFormat::QR_CODE,
    };
    DecodeHints {
        PossibleFormats: Some(HashSet::from([format])),
        TryHarder: Some(true),
        ..DecodeHints::default()
    }
}

/// What rxing reads; what it cannot bear counts as not read.
fn decoded<'p, B: Binarizer>(
    pixels: &'p Mat,
    hints: &DecodeHints,
    binarizer: impl FnOnce(Luma8Source<'p>) -> B,
) -> opencv::Result<Option<CodeText>> {
    let (bytes, width, height) = (
        pixels.data_bytes()?,
        pixels.cols().unsigned_abs(),
        pixels.rows().unsigned_abs(),
    );
    let read = || -> Option<RXingResult> {
        let source = Luma8Source::new_with_slice(bytes, width, height).ok()?;
        let mut image = BinaryBitmap::new(binarizer(source));
        let mut reader = MultiFormatReader::default();
        reader.decode_with_hints(&mut image, hints).ok()
    };
    // The decoder indexes and counts on what it found in the picture; a slip there must not end the
    // inspecting thread, and leaves nothing behind that is used again.
    let outcome = catch_unwind(AssertUnwindSafe(read));
    let result = outcome.unwrap_or_else(|_| {
        warn!(width, height, "the decoder of codes panicked; not read");
        None
    });
    Ok(result.map(|result| CodeText {
        is_gs1: is_gs1(&result),
        text: result.getText().to_owned(),
    }))
}

/// Whether the code says of itself that it has the fields of GS1: symbology identifiers of ISO/IEC 15424.
fn is_gs1(result: &RXingResult) -> bool {
    let metadata = result.getRXingResultMetadata();
    matches!(
        metadata.get(&RXingResultMetadataType::SYMBOLOGY_IDENTIFIER),
        Some(RXingResultMetadataValue::SymbologyIdentifier(identifier))
            if ["]d2", "]Q3", "]Q4"].contains(&identifier.as_str())
    )
}

#[cfg(test)]
mod tests;
