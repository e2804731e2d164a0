//! Which part it is: what the code on it says, against what the line announced.

use super::{SetupError, with_causes};
use crate::calibration::Placed;
use crate::domain::{Frame, Name, PointPx, RectPx, SizePx};
use crate::recipe::{CodeRole, PartCode, Recipe, View};
use crate::vision::{self, VisionError};

/// What the code says.
#[derive(Debug, Default)]
pub(super) struct Identity {
    /// The part that it names.
    pub(super) part_read: Option<Name>,
    /// Why it is not sure which part this is, for a note.
    pub(super) doubt: Option<String>,
}

/// The code that this view shows.
///
/// # Errors
/// [`SetupError::Code`] if it is looked for outside a picture of `size`.
pub(super) fn code_of(
    recipe: &Recipe,
    view: &View,
    size: Option<SizePx>,
) -> Result<Option<PartCode>, SetupError> {
    let Some(code) = recipe.code.as_ref().filter(|code| code.view == view.name) else {
        return Ok(None);
    };
    if let (Some(region), Some(size)) = (code.region, size) {
        let seen = within(region, size);
        if seen != region {
            return Err(SetupError::Code {
                part_type: recipe.part_type.to_string(),
                view: view.name.clone(),
                cause: Box::new(VisionError::RegionOutside { region, size }),
            });
        }
    }
    Ok(Some(code.clone()))
}

/// Reads the code and holds it against the part that the line announced.
pub(super) fn read(
    code: &PartCode,
    frame: &Frame,
    placed: Option<&Placed>,
    announced: &Name,
) -> Identity {
    let region = region_in(frame, code, placed);
    let doubt = |note: String| Identity {
        part_read: None,
        doubt: Some(note),
    };
    let text = match vision::read_code(frame, region, code.kind) {
        Ok(Some(text)) => text,
        Ok(None) => {
            return doubt(format!(
                "no {} could be read in the {:.0} x {:.0} px at ({:.0}, {:.0}); is it there, whole, clean and in focus, and does the light fall on it as it should?",
                code.kind.name(),
                region.width,
                region.height,
                region.x,
                region.y
            ));
        }
        Err(error) => return doubt(format!("the code was not read: {}", with_causes(&error))),
    };
    match code.part_of(&text) {
        Err(note) => doubt(note),
        Ok(part) => Identity {
            doubt: (code.role == CodeRole::Confirms && part != *announced).then(|| {
                format!(
                    "the code says `{part}`, the line announced `{announced}`; is another part in the station, or does the line count wrong?"
                )
            }),
            part_read: Some(part),
        },
    }
}

/// Where the code is in this frame: its region follows a part that was found first.
fn region_in(frame: &Frame, code: &PartCode, placed: Option<&Placed>) -> RectPx {
    let whole = frame.size().whole();
    let Some(region) = code.region else {
        return whole;
    };
    let Some(placed) = placed else {
        return region;
    };
    let corners: [PointPx; 4] = region.corners().map(|corner| placed.now_from_home(corner));
    within(RectPx::around(&corners).unwrap_or(whole), frame.size())
}

/// What of a region lies in a picture.
fn within(region: RectPx, size: SizePx) -> RectPx {
    let span = |start: f64, length: f64, size: u32| {
        let first = start.clamp(0.0, size.into());
        let end = (start + length).clamp(first, size.into());
        (first, end - first)
    };
    let (x, width) = span(region.x, region.width, size.width_px);
    let (y, height) = span(region.y, region.height, size.height_px);
    RectPx {
        x,
        y,
        width,
        height,
    }
}
