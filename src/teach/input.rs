//! The size of the model's input, and whether the rows of all parts fit in memory at that size.

use crate::domain::{RectPx, SizePx};
use crate::vision::{InputSpec, Interpolation, Resize};

use super::error::TeachError;
use super::features::Engine;
use super::look::{Look, first_size, list};
use super::method::{
    DIMENSIONS, INPUT_AREA_PX, INPUT_SIDE_MAX_PX, INPUT_STEPS_MIN, ROWS_BYTES_MAX,
};
use super::study::Request;

/// The input that keeps the region's proportions at the usual area, sides in whole steps.
pub(super) fn look_of(request: &Request, engine: &Engine) -> Result<Look, TeachError> {
    let picture = first_size(&list(&request.good)?)?;
    let step = engine.backbone.multiple_px;
    let size = match request.size {
        Some(size) => {
            if !size.width_px.is_multiple_of(step) || !size.height_px.is_multiple_of(step) {
                return Err(TeachError::Size {
                    width_px: size.width_px,
                    height_px: size.height_px,
                    step_px: step,
                });
            }
            size
        }
        None => input_size(request.region, picture, step),
    };
    let tiled = |side: u32| side.saturating_mul(request.tiles.max(1));
    Ok(Look {
        input: input_of(engine, tiled(size.width_px), tiled(size.height_px)),
        region: request.region,
    })
}

fn input_of(engine: &Engine, width_px: u32, height_px: u32) -> InputSpec {
    let (resize, interpolation) = (Resize::Standard, Interpolation::Area);
    engine
        .backbone
        .input(width_px, height_px, resize, interpolation)
}

/// Sides in multiples of `step_px` whose product is about [`INPUT_AREA_PX`], in the region's proportions.
fn input_size(region: Option<RectPx>, picture: SizePx, step_px: u32) -> SizePx {
    let (width, height) = match region {
        Some(region) => (region.width, region.height),
        None => (picture.width_px.into(), picture.height_px.into()),
    };
    let factor = (INPUT_AREA_PX / (width * height)).sqrt();
    let steps = |side: f64| {
        let most = f64::from(INPUT_SIDE_MAX_PX / step_px.max(1));
        let steps = (side * factor / f64::from(step_px) + 0.5).floor();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "held between two limits"
        )]
        let steps = steps.clamp(f64::from(INPUT_STEPS_MIN), most) as u32;
        steps * step_px
    };
    SizePx {
        width_px: steps(width),
        height_px: steps(height),
    }
}

/// Whether the whitened rows of all parts fit in memory.
pub(super) fn check_memory(look: &Look, engine: &Engine, n_parts: usize) -> Result<(), TeachError> {
    let [columns, rows] = look.grid(engine.backbone.feature_stride_px);
    let bytes = (columns * rows * DIMENSIONS * size_of::<f32>()) as u64 * n_parts as u64;
    if bytes <= ROWS_BYTES_MAX {
        return Ok(());
    }
    let gigabytes = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    Err(TeachError::TooMany {
        n_pictures: n_parts,
        gigabytes: gigabytes(bytes),
        gigabytes_max: gigabytes(ROWS_BYTES_MAX),
    })
}
