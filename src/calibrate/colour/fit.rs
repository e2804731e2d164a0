//! The matrix that brings a camera's colours onto a chart's, and what each patch says when it is left out.

use crate::calibration::{Colour, Curve, Difference, times};
use crate::vision::N_PATCHES;

use super::cie::{Lab, ciede2000, lab_from_linear, lightness_slope, linear_from_lab};

type Matrix = [[f64; 3]; 3];

/// The colours of a fit, patch by patch.
#[derive(Debug, Clone)]
pub(super) struct Fit {
    pub(super) srgb_from_camera: Matrix,
    /// CIEDE2000 of each patch: as seen, corrected, and corrected by a matrix that does not know the patch.
    pub(super) before: Vec<f64>,
    pub(super) after: Vec<f64>,
    pub(super) held_out: Vec<f64>,
}

/// One patch in the light of the camera, and as it should be.
struct Pair {
    camera: [f64; 3],
    target: [f64; 3],
    lab: Lab,
    weight: f64,
}

/// Fits the matrix by least squares in linear light, each patch weighted by how much its lightness shows a miss;
/// `None` if the patches do not settle it.
pub(super) fn fit(curve: Curve, levels: &[[f64; 3]], reference: &[Lab; N_PATCHES]) -> Option<Fit> {
    let pairs: Vec<Pair> = levels
        .iter()
        .zip(reference)
        .map(|(levels, lab)| Pair {
            camera: levels.map(|level| curve.light_from_level(level)),
            target: linear_from_lab(*lab),
            lab: *lab,
            weight: lightness_slope(*lab).powi(2),
        })
        .collect();
    let srgb_from_camera = solve(&pairs, None)?;
    let off = |matrix: &Matrix, pair: &Pair| {
        ciede2000(pair.lab, lab_from_linear(times(matrix, pair.camera)))
    };
    let before = levels.iter().zip(&pairs).map(|(levels, pair)| {
        let as_it_is = levels.map(|level| Curve::Srgb.light_from_level(level));
        ciede2000(pair.lab, lab_from_linear(as_it_is))
    });
    let held_out = pairs.iter().enumerate().map(|(at, pair)| {
        let without = solve(&pairs, Some(at))?;
        Some(off(&without, pair))
    });
    Some(Fit {
        srgb_from_camera,
        before: before.collect(),
        after: pairs
            .iter()
            .map(|pair| off(&srgb_from_camera, pair))
            .collect(),
        held_out: held_out.collect::<Option<_>>()?,
    })
}

impl Fit {
    pub(super) fn mean(&self) -> f64 {
        Difference::of(&self.after).mean
    }

    pub(super) fn colour(&self, curve: Curve) -> Colour {
        Colour {
            curve,
            srgb_from_camera: self.srgb_from_camera,
            figures: None,
        }
    }
}

/// The weighted normal equations of all patches but one.
fn solve(pairs: &[Pair], without: Option<usize>) -> Option<Matrix> {
    let (mut squares, mut products) = ([[0.0; 3]; 3], [[0.0; 3]; 3]);
    for (_, pair) in pairs
        .iter()
        .enumerate()
        .filter(|(at, _)| Some(*at) != without)
    {
        add_outer(&mut squares, pair.camera, pair.camera, pair.weight);
        add_outer(&mut products, pair.target, pair.camera, pair.weight);
    }
    let inverse = invert(&squares)?;
    // The inverse of a symmetric matrix is symmetric: its rows are its columns.
    Some(products.map(|row| times(&inverse, row)))
}

fn add_outer(sum: &mut Matrix, rows: [f64; 3], columns: [f64; 3], weight: f64) {
    for (sums, row) in sum.iter_mut().zip(rows) {
        for (sum, column) in sums.iter_mut().zip(columns) {
            *sum += weight * row * column;
        }
    }
}

/// The inverse of a symmetric matrix; `None` where its columns hardly differ: the camera sees no colours.
#[expect(clippy::many_single_char_names, reason = "the entries of a matrix")]
fn invert(matrix: &Matrix) -> Option<Matrix> {
    let [[a, b, c], [_, d, e], [_, _, f]] = *matrix;
    let minors = [
        [d * f - e * e, c * e - b * f, b * e - c * d],
        [c * e - b * f, a * f - c * c, b * c - a * e],
        [b * e - c * d, b * c - a * e, a * d - b * b],
    ];
    let [[first, second, third], ..] = minors;
    let determinant = a * first + b * second + c * third;
    // Written so that NaN is refused.
    let is_settled = 1e-9 * (a * d * f).abs() < determinant;
    is_settled.then(|| minors.map(|row| row.map(|value| value / determinant)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::reference::Reference;
    use super::*;

    proptest! {
        /// A camera that mixes its colours is seen through, and no patch is then missed.
        #[test]
        fn a_known_mix_is_found(values in prop::array::uniform9(-0.2..0.2f64), gain in 0.3..1.0f64) {
            let [a, b, c, d, e, f, g, h, i] = values;
            let camera_from_srgb = [[gain + a, b, c], [d, gain + e, f], [g, h, gain + i]];
            let reference = Reference::default();
            // Levels need not be whole nor within bounds for the algebra to hold.
            let levels: Vec<_> = reference
                .lab
                .iter()
                .map(|lab| times(&camera_from_srgb, linear_from_lab(*lab)).map(|light| 255.0 * light))
                .collect();
            let fit = fit(Curve::Linear, &levels, &reference.lab).unwrap();
            for (at, row) in fit.srgb_from_camera.iter().enumerate() {
                let columns = [0, 1, 2].map(|column| camera_from_srgb.map(|row| row[column]));
                for (column, values) in columns.iter().enumerate() {
                    let product: f64 = row.iter().zip(values).map(|(one, other)| one * other).sum();
                    let expected = if at == column { 1.0 } else { 0.0 };
                    prop_assert!((product - expected).abs() < 1e-6, "{:?}", fit.srgb_from_camera);
                }
            }
            prop_assert!(Difference::of(&fit.held_out).max < 1e-4);
        }
    }

    #[test]
    fn a_camera_without_colours_settles_nothing() {
        let reference = Reference::default();
        let grey: Vec<_> = reference
            .lab
            .iter()
            .map(|[lightness, ..]| [2.0 * lightness; 3])
            .collect();
        assert!(fit(Curve::Srgb, &grey, &reference.lab).is_none());
        assert!(fit(Curve::Srgb, &[[f64::NAN; 3]; N_PATCHES], &reference.lab).is_none());
    }

    /// One patch that is wrong misleads the fit of all, and shows most where it was left out.
    #[test]
    fn a_patch_that_was_left_out_says_more_than_one_that_was_fitted() {
        let reference = Reference::default();
        let mut levels: Vec<_> = reference
            .lab
            .iter()
            .map(|lab| linear_from_lab(*lab).map(|light| 255.0 * light))
            .collect();
        levels[12] = [30.0, 80.0, 60.0];
        let fit = fit(Curve::Linear, &levels, &reference.lab).unwrap();
        let worst = fit.held_out.iter().copied().fold(0.0, f64::max);
        assert!(fit.after[12] < fit.held_out[12] && (fit.held_out[12] - worst).abs() < 1e-12);
    }
}
