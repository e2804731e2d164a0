//! The little linear algebra that covariances need.

use ndarray::Array2;

/// The lower triangle L with L Lᵀ = `matrix`, for a symmetric matrix without negative eigenvalues; what
/// belongs to a pivot of 0 stays 0. `None` if a pivot is negative or no number.
#[expect(
    clippy::indexing_slicing,
    reason = "the loops end at the matrix's own sides"
)]
pub(super) fn cholesky(matrix: &Array2<f64>) -> Option<Array2<f64>> {
    let n = matrix.nrows();
    let mut lower = Array2::<f64>::zeros((n, n));
    for i in 0..n {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| lower[[i, k]] * lower[[j, k]]).sum();
            let rest = matrix[[i, j]] - known;
            if i == j {
                // Rounding may leave a hair below zero.
                let is_hair = rest.abs() <= 1e-12 * matrix[[i, i]].abs();
                if !is_hair && (rest.is_nan() || rest < 0.0) {
                    return None;
                }
                lower[[i, i]] = if is_hair { 0.0 } else { rest.sqrt() };
            } else if 0.0 < lower[[j, j]] {
                lower[[i, j]] = rest / lower[[j, j]];
            }
        }
    }
    Some(lower)
}

/// The inverse of a symmetric positive definite matrix; `None` if it is not one. The matrix is scaled to a
/// diagonal of ones first: its parameters may have units a million apart.
#[expect(
    clippy::indexing_slicing,
    reason = "the loops end at the matrix's own sides"
)]
pub(super) fn invert(matrix: &Array2<f64>) -> Option<Array2<f64>> {
    let n = matrix.nrows();
    let scale = matrix.diag().mapv(f64::sqrt);
    let scaled = Array2::from_shape_fn((n, n), |(i, j)| matrix[[i, j]] / (scale[i] * scale[j]));
    let lower = cholesky(&scaled)?;
    if !lower.diag().iter().all(|pivot| 0.0 < *pivot) {
        return None;
    }
    let mut inverse = Array2::<f64>::zeros((n, n));
    for column in 0..n {
        // Forwards through L, then backwards through its transpose.
        for i in 0..n {
            let known: f64 = (0..i).map(|k| lower[[i, k]] * inverse[[k, column]]).sum();
            let unit = if i == column { 1.0 } else { 0.0 };
            inverse[[i, column]] = (unit - known) / lower[[i, i]];
        }
        for i in (0..n).rev() {
            let known: f64 = (i + 1..n)
                .map(|k| lower[[k, i]] * inverse[[k, column]])
                .sum();
            inverse[[i, column]] = (inverse[[i, column]] - known) / lower[[i, i]];
        }
    }
    Some(Array2::from_shape_fn((n, n), |(i, j)| {
        inverse[[i, j]] / (scale[i] * scale[j])
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_inverse_undoes_the_matrix(
            values in prop::collection::vec(-1.0..1.0f64, 36),
            units in prop::collection::vec(-4.0..4.0f64, 6),
        ) {
            let root = Array2::from_shape_vec((6, 6), values).unwrap();
            let mut matrix = root.dot(&root.t());
            for i in 0..6 {
                matrix[[i, i]] += 0.1;
            }
            let unit = |i: usize| 10.0_f64.powf(units[i]);
            let matrix = Array2::from_shape_fn((6, 6), |(i, j)| matrix[[i, j]] * unit(i) * unit(j));
            let one = matrix.dot(&invert(&matrix).unwrap());
            for ((i, j), value) in one.indexed_iter() {
                let expected = if i == j { 1.0 } else { 0.0 };
                let size = unit(i) / unit(j);
                prop_assert!((value - expected).abs() < 1e-8 * size.max(1.0), "{i} {j} {value}");
            }
            let lower = cholesky(&matrix).unwrap();
            let back = lower.dot(&lower.t());
            for ((i, j), value) in back.indexed_iter() {
                prop_assert!((value - matrix[[i, j]]).abs() < 1e-9 * unit(i) * unit(j) * 10.0);
            }
        }
    }

    #[test]
    fn what_has_no_inverse_gives_none_and_a_parameter_without_variance_stays_put() {
        let flat = Array2::from_shape_vec((2, 2), vec![1.0, 1.0, 1.0, 1.0]).unwrap();
        assert!(invert(&flat).is_none());
        let nan = Array2::from_elem((2, 2), f64::NAN);
        assert!(invert(&nan).is_none() && cholesky(&nan).is_none());
        let still = Array2::from_shape_vec((2, 2), vec![4.0, 0.0, 0.0, 0.0]).unwrap();
        assert_eq!(
            cholesky(&still).unwrap(),
            Array2::from_shape_vec((2, 2), vec![2.0, 0.0, 0.0, 0.0]).unwrap()
        );
    }
}
