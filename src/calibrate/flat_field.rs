//! The flat field: what pictures of an evenly lit grey card say about lamps, lens and dust.

use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;

use crate::calibration::Draft;
use crate::domain::Frame;
use crate::source::read_picture;
use crate::vision::{GreyCard, VisionError, check_even, encode_png};

use super::error::CalibrateError;
use super::views::pictures_of;

/// A flat-field picture and the calibration that names it.
#[derive(Debug)]
pub struct FlatFieldStudy {
    /// The whole calibration.
    pub draft: Draft,
    /// What the camera sees of an even card.
    pub card: Frame,
    /// The picture as a PNG file; its name stands in the calibration.
    pub png: Vec<u8>,
    /// How many pictures it is the mean of.
    pub n_pictures: usize,
    /// The darkest and the brightest level, noise of single pixels aside.
    pub levels: [u8; 2],
    /// Whether the colours were dropped: they were measured in another light.
    pub has_dropped_colour: bool,
}

/// Adds a flat field to a calibration; `step` is told of each picture.
///
/// # Errors
/// [`CalibrateError`] if the calibration is out of date or for another size, or a picture shows no evenly lit card.
pub fn add_flat_field(
    draft: Draft,
    folder: &Path,
    now: Timestamp,
    step: &dyn Fn(),
) -> Result<FlatFieldStudy, CalibrateError> {
    draft.check_date(now)?;
    let pictures = pictures_of(&draft.camera, folder)?;
    let mut card = GreyCard::default();
    let refused = |path: &Path, why: &dyn std::fmt::Display| CalibrateError::GreyCard {
        picture: path.to_owned(),
        what: why.to_string(),
    };
    for path in &pictures {
        let picture = read_picture(&draft.camera, path)?;
        draft.check_size(picture.size)?;
        card.add(&picture).map_err(|why| refused(path, &why))?;
        step();
    }
    let mean = card.mean().ok_or_else(|| CalibrateError::NoPicture {
        folder: folder.to_owned(),
    })?;
    check_even(&mean)?.map_err(|why| refused(folder, &why))?;
    let mut sorted = mean.pixels.clone();
    sorted.sort_unstable();
    let at = |permille: usize| sorted.get((sorted.len() - 1) * permille / 1000).copied();
    let levels = [at(1), at(999)].map(Option::unwrap_or_default);
    let frame: Frame = mean
        .into_frame(&draft.camera, Instant::now())
        .map_err(VisionError::from)?;
    let name = PathBuf::from(format!("{}.flat-field.png", draft.camera));
    Ok(FlatFieldStudy {
        png: encode_png(&frame)?,
        card: frame,
        n_pictures: pictures.len(),
        levels,
        has_dropped_colour: draft.colour.is_some(),
        draft: Draft {
            made_at_utc: now,
            flat_field: Some(name),
            colour: None,
            ..draft
        },
    })
}
