//! Pictures that show nothing new: copies of one picture, and one part photographed again.

use ndarray::Array2;

use super::look::Part;
use super::method::{SAME_CORRELATION_MIN, SAME_DIFFERENCE_MAX, STILL_MAX, THUMBNAIL_SIDE_PX};

/// A picture that does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Double {
    /// Its index.
    pub(super) part: usize,
    /// The index of the earlier picture that it repeats.
    pub(super) of: usize,
    /// Whether every pixel is the same.
    pub(super) is_copy: bool,
}

/// Finds the pictures that repeat an earlier one; those that are left are in `0..parts.len()` minus
/// these.
///
/// Two pictures show the same if what sets them apart from the median picture is the same. That
/// works for parts in any pose, and neither noise nor another file format nor a little more light
/// hides it.
pub(super) fn doubles(parts: &[Part]) -> Vec<Double> {
    let n_pixels = (THUMBNAIL_SIDE_PX * THUMBNAIL_SIDE_PX) as usize;
    let thumbnails: Vec<&[u8]> = parts.iter().map(|part| part.thumbnail.as_slice()).collect();
    if thumbnails.iter().any(|pixels| pixels.len() != n_pixels) {
        return Vec::new();
    }
    let (own, strength) = own_of(&thumbnails, n_pixels);
    let alike = own.dot(&own.t());
    let mut doubles: Vec<Double> = Vec::new();
    for part in 0..parts.len() {
        let is_free = |of: &usize| doubles.iter().all(|double| double.part != *of);
        let same = |of: &usize| same(parts, (&alike, &strength), *of, part);
        let of = (0..part)
            .filter(is_free)
            .find_map(|of| Some((of, same(&of)?)));
        if let Some((of, is_copy)) = of {
            doubles.push(Double { part, of, is_copy });
        }
    }
    doubles
}

/// Whether two pictures show the same, and then whether every pixel is the same.
fn same(
    parts: &[Part],
    (alike, strength): (&Array2<f32>, &[f32]),
    one: usize,
    other: usize,
) -> Option<bool> {
    let (a, b) = (parts.get(one)?, parts.get(other)?);
    if a.fingerprint == b.fingerprint {
        return Some(true);
    }
    let is_still = [one, other]
        .iter()
        .all(|part| strength.get(*part).is_some_and(|own| *own < STILL_MAX));
    // Where hardly anything sets a picture apart, there is only noise to compare.
    let is_same = if is_still {
        mean_difference(&a.thumbnail, &b.thumbnail) < SAME_DIFFERENCE_MAX
    } else {
        SAME_CORRELATION_MIN <= *alike.get((one, other))?
    };
    is_same.then_some(false)
}

/// What sets each picture apart from the median picture, as rows of length 1, and how strong that is:
/// its standard deviation in grey levels.
fn own_of(thumbnails: &[&[u8]], n_pixels: usize) -> (Array2<f32>, Vec<f32>) {
    let median = median_picture(thumbnails, n_pixels);
    let mut own = Array2::zeros((thumbnails.len(), n_pixels));
    let mut strength = Vec::with_capacity(thumbnails.len());
    for (mut row, thumbnail) in own.outer_iter_mut().zip(thumbnails) {
        for ((value, pixel), usual) in row.iter_mut().zip(*thumbnail).zip(&median) {
            *value = f32::from(*pixel) - f32::from(*usual);
        }
        let mean = row.mean().unwrap_or_default();
        row -= mean;
        let length = row.dot(&row).sqrt();
        strength.push(length / (n_pixels as f32).sqrt());
        row /= length.max(f32::EPSILON);
    }
    (own, strength)
}

/// The median of each pixel.
pub(super) fn median_picture(thumbnails: &[&[u8]], n_pixels: usize) -> Vec<u8> {
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

fn mean_difference(a: &[u8], b: &[u8]) -> f32 {
    let sum: u64 = a
        .iter()
        .zip(b)
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    sum as f32 / a.len().max(1) as f32
}
