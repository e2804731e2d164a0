//! Whether the camera or the fixture was moved while the pictures were taken.

use crate::vision::{Shift, shift};

use super::error::TeachError;
use super::look::Part;
use super::method::{FIXED_RESPONSE_MIN, MOVED_RESPONSE_MIN, MOVED_SHARE_MIN, MOVED_TIMES_USUAL};
use super::suspects::{Suspect, Why};

/// Finds pictures that are moved against the median picture, where parts lie in a fixed pose: for
/// parts that lie anywhere the comparison says nothing, and none is found.
///
/// # Errors
/// [`TeachError::Vision`] if the pictures cannot be compared.
pub(super) fn moved(parts: &[Part]) -> Result<Vec<Suspect>, TeachError> {
    let thumbnails: Vec<&[u8]> = parts.iter().map(|part| part.thumbnail.as_slice()).collect();
    let n_pixels = thumbnails.first().map_or(0, |pixels| pixels.len());
    if parts.len() < 3 || n_pixels == 0 {
        return Ok(Vec::new());
    }
    let median = median_picture(&thumbnails, n_pixels);
    let shifts: Vec<Shift> = thumbnails
        .iter()
        .map(|thumbnail| shift(&median, thumbnail))
        .collect::<Result<_, _>>()?;
    let length = |shift: &Shift| shift.x_share.hypot(shift.y_share);
    if middle(shifts.iter().map(|shift| shift.response)) < FIXED_RESPONSE_MIN {
        return Ok(Vec::new());
    }
    let usual = middle(shifts.iter().map(length));
    let share_max = (usual * MOVED_TIMES_USUAL).max(MOVED_SHARE_MIN);
    let apart = parts.iter().zip(&shifts);
    let apart =
        apart.filter(|(_, shift)| MOVED_RESPONSE_MIN < shift.response && share_max < length(shift));
    let suspect = |(part, shift): (&Part, &Shift)| Suspect {
        part: part.clone(),
        why: Why::Moved {
            by_px: [
                shift.x_share * f64::from(part.size.width_px),
                shift.y_share * f64::from(part.size.height_px),
            ],
        },
    };
    Ok(apart.map(suspect).collect())
}

/// The median of each pixel.
fn median_picture(thumbnails: &[&[u8]], n_pixels: usize) -> Vec<u8> {
    let mut column: Vec<u8> = Vec::with_capacity(thumbnails.len());
    (0..n_pixels)
        .map(|pixel| {
            column.clear();
            column.extend(thumbnails.iter().filter_map(|pixels| pixels.get(pixel)));
            column.sort_unstable();
            column.get(column.len() / 2).copied().unwrap_or_default()
        })
        .collect()
}

/// The median; 0 of nothing.
fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
