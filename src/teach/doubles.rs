//! Pictures that show nothing new: copies of one picture, and one part photographed again.

use ndarray::Array2;

use super::look::Part;
use super::method::{SAME_LEVELS_MAX, SAME_RATIO_MAX, THUMBNAIL_SIDE_PX};

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

/// Finds the pictures that repeat an earlier one that counts.
///
/// Two pictures show the same if they differ, light aside, by a small share only of what the pictures
/// of this folder usually differ by. Neither noise nor another file format nor more light hides it.
pub(super) fn doubles(parts: &[Part]) -> Vec<Double> {
    let differences = differences(parts);
    let usual = usual(&differences);
    let level_max = (usual * SAME_RATIO_MAX).max(SAME_LEVELS_MAX);
    let mut doubles: Vec<Double> = Vec::new();
    for (part, this) in parts.iter().enumerate() {
        let of = parts.iter().enumerate().take(part).find_map(|(of, other)| {
            let counts = doubles.iter().all(|double| double.part != of);
            let is_copy = this.fingerprint == other.fingerprint;
            let is_near = differences
                .get((part, of))
                .is_some_and(|levels| *levels < level_max);
            (counts && (is_copy || is_near)).then_some(Double { part, of, is_copy })
        });
        doubles.extend(of);
    }
    doubles
}

/// By how much each two pictures differ, in grey levels, once one is lit as the other is.
fn differences(parts: &[Part]) -> Array2<f32> {
    let rows: Vec<Vec<f32>> = parts.iter().map(|part| halved(&part.thumbnail)).collect();
    let n_pixels = rows.first().map_or(0, Vec::len);
    let mut flat = Array2::zeros((rows.len(), n_pixels));
    for (mut row, pixels) in flat.outer_iter_mut().zip(&rows) {
        row.iter_mut()
            .zip(pixels)
            .for_each(|(value, pixel)| *value = *pixel);
        let mean = row.mean().unwrap_or_default();
        row -= mean;
    }
    let mut products = flat.dot(&flat.t());
    let powers: Vec<f32> = products.diag().to_vec();
    for ((row, column), value) in products.indexed_iter_mut() {
        let [a, b] = [row, column].map(|index| powers.get(index).copied().unwrap_or_default());
        // What is left of the weaker after the stronger was scaled onto it.
        let alike = (*value * *value / (a * b).max(f32::MIN_POSITIVE)).min(1.0);
        *value = (a.min(b) * (1.0 - alike) / n_pixels.max(1) as f32).sqrt();
    }
    products
}

/// The thumbnail with each four pixels averaged.
fn halved(thumbnail: &[u8]) -> Vec<f32> {
    let side = THUMBNAIL_SIDE_PX as usize;
    let two_rows = thumbnail.chunks_exact(2 * side);
    two_rows
        .flat_map(|rows| {
            let (upper, lower) = rows.split_at(side);
            let pairs = upper.chunks_exact(2).zip(lower.chunks_exact(2));
            pairs.map(|(a, b)| {
                a.iter()
                    .chain(b)
                    .map(|pixel| f32::from(*pixel))
                    .sum::<f32>()
                    / 4.0
            })
        })
        .collect()
}

/// The median difference of two pictures.
fn usual(differences: &Array2<f32>) -> f32 {
    let pairs = differences.indexed_iter();
    let pairs = pairs.filter(|((row, column), _)| column < row);
    let mut levels: Vec<f32> = pairs.map(|(_, value)| *value).collect();
    levels.sort_by(f32::total_cmp);
    levels.get(levels.len() / 2).copied().unwrap_or_default()
}
