//! Whitening: patch rows brought to fewer numbers that all vary equally among good parts.
//!
//! The distance of two whitened rows is their Mahalanobis distance in the strongest directions: a
//! small difference counts much where good parts never differ, and little where they always do.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::coreset::signs;
use super::method::SUBSPACE_ROUNDS;
use super::threads::on_threads;

/// Parts whose products are summed in one go.
const PARTS_AT_A_TIME: usize = 8;

/// How rows are whitened: `(row - mean) x matrix`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Whitening {
    /// The mean row.
    pub(super) mean: Array1<f32>,
    /// `[numbers of a raw row, numbers of a whitened row]`.
    pub(super) matrix: Array2<f32>,
}

impl Whitening {
    /// The whitening of the rows of all `parts`, to at most `n_dimensions` numbers. `ridge` is the
    /// share of the mean variance that is added to every direction, so that one that never varied
    /// does not count without end. The same for any number of threads.
    ///
    /// `None` if all rows are the same or a number is not finite.
    pub(super) fn of(
        parts: &[Array2<f32>],
        n_dimensions: usize,
        ridge: f64,
        n_threads: usize,
    ) -> Option<Self> {
        let (mean, covariance) = moments(parts, n_threads)?;
        let n_raw = mean.len();
        let mean_variance = covariance.diag().sum() / n_raw.max(1) as f64;
        // Written so that NaN is no variance.
        if !(0.0 < mean_variance && mean_variance.is_finite()) {
            return None;
        }
        let basis = strongest(&covariance, n_dimensions.min(n_raw))?;
        let mut inner = basis.t().dot(&covariance.dot(&basis));
        for variance in inner.diag_mut() {
            *variance += ridge * mean_variance;
        }
        let whitening = basis.dot(&inverse_of_lower(&cholesky(&inner)?).t());
        Some(Self {
            mean: mean.mapv(narrow),
            matrix: whitening.mapv(narrow),
        })
    }

    /// Whitens raw rows.
    pub(super) fn apply(&self, rows: &ArrayView2<'_, f32>) -> Array2<f32> {
        (rows - &self.mean).dot(&self.matrix)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the graph computes with 32 bits"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// Mean and covariance of all rows.
fn moments(parts: &[Array2<f32>], n_threads: usize) -> Option<(Array1<f64>, Array2<f64>)> {
    // Differences are summed from the first part's mean on, so that large means cost no digits.
    let origin = parts.first()?.mean_axis(Axis(0))?;
    let groups: Vec<&[Array2<f32>]> = parts.chunks(PARTS_AT_A_TIME).collect();
    let sums = on_threads(n_threads, &groups, |group| {
        let mut sum = Array1::<f64>::zeros(origin.len());
        let mut products = Array2::<f64>::zeros((origin.len(), origin.len()));
        for rows in *group {
            let apart = rows - &origin;
            sum += &apart.mapv(f64::from).sum_axis(Axis(0));
            products += &apart.t().dot(&apart).mapv(f64::from);
        }
        (sum, products)
    });
    let n_rows: usize = parts.iter().map(Array2::nrows).sum();
    let (sum, products) = sums
        .into_iter()
        .reduce(|(sum, products), (more, others)| (sum + more, products + others))?;
    let shift = sum / n_rows as f64;
    let column = shift.view().insert_axis(Axis(1));
    let covariance = products / n_rows as f64 - column.dot(&column.t());
    Some((origin.mapv(f64::from) + &shift, covariance))
}

/// An orthonormal basis of the strongest directions of a covariance, as columns: subspace iteration
/// (Bauer 1957), which needs no eigenvectors. `None` if there are not so many directions.
fn strongest(covariance: &Array2<f64>, n_dimensions: usize) -> Option<Array2<f64>> {
    let n_raw = covariance.nrows();
    if n_dimensions == n_raw {
        return Some(Array2::eye(n_raw));
    }
    let mut basis = orthonormal(&signs((n_raw, n_dimensions)).mapv(f64::from))?;
    for _ in 0..SUBSPACE_ROUNDS {
        basis = orthonormal(&covariance.dot(&basis))?;
    }
    // Once more, for what rounding left.
    orthonormal(&basis)
}

/// Columns of the same span that are orthonormal, by the Cholesky matrix of their products.
fn orthonormal(columns: &Array2<f64>) -> Option<Array2<f64>> {
    let mut products = columns.t().dot(columns);
    // Rounding may take a direction that hardly varies below zero.
    let floor = products.diag().sum() * 1e-14;
    for product in products.diag_mut() {
        *product += floor;
    }
    let inverse = inverse_of_lower(&cholesky(&products)?);
    Some(columns.dot(&inverse.t()))
}

/// The lower matrix L with L Lᵀ = `matrix`; `None` if there is none.
#[expect(clippy::indexing_slicing, reason = "rows and columns are below n")]
fn cholesky(matrix: &Array2<f64>) -> Option<Array2<f64>> {
    let n = matrix.nrows();
    let mut lower = Array2::<f64>::zeros((n, n));
    for row in 0..n {
        for column in 0..=row {
            let [this, above] = [row, column].map(|row| lower.row(row).split_at(Axis(0), column).0);
            let rest = matrix[[row, column]] - this.dot(&above);
            lower[[row, column]] = if row != column {
                rest / lower[[column, column]]
            } else if 0.0 < rest {
                rest.sqrt()
            } else {
                return None;
            };
        }
    }
    Some(lower)
}

/// The inverse of a lower matrix, by forward substitution.
#[expect(clippy::indexing_slicing, reason = "rows and columns are below n")]
fn inverse_of_lower(lower: &Array2<f64>) -> Array2<f64> {
    let n = lower.nrows();
    let mut inverse = Array2::<f64>::zeros((n, n));
    for row in 0..n {
        let (done, mut open) = inverse.view_mut().split_at(Axis(0), row);
        let mut this = open.row_mut(0);
        this[row] = 1.0;
        for (factor, above) in lower.row(row).iter().zip(done.rows()) {
            this.scaled_add(-factor, &above);
        }
        this /= lower[[row, row]];
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::teach::coreset::SplitMix64;

    /// Parts whose rows vary much in `n_strong` directions and little in the others, far from zero.
    fn parts(n_parts: usize, n_raw: usize, n_strong: usize) -> Vec<Array2<f32>> {
        let mut random = SplitMix64(11);
        let mut unit = move || (random.next() >> 40) as f32 / (1_u32 << 24) as f32 - 0.5;
        let mix = Array2::from_shape_simple_fn((n_strong, n_raw), &mut unit);
        let mut rows = || {
            let strong = Array2::from_shape_simple_fn((300, n_strong), &mut unit).dot(&mix);
            strong * 10.0 + Array2::from_shape_simple_fn((300, n_raw), &mut unit) * 0.01 + 50.0
        };
        (0..n_parts).map(|_| rows()).collect()
    }

    fn check_white(parts: &[Array2<f32>], whitening: &Whitening) {
        let n_dimensions = whitening.matrix.ncols();
        let mut covariance = Array2::<f32>::zeros((n_dimensions, n_dimensions));
        for part in parts {
            let white = whitening.apply(&part.view());
            covariance += &(white.t().dot(&white) / (white.nrows() * parts.len()) as f32);
        }
        for ((row, column), value) in covariance.indexed_iter() {
            let expected = if row == column { 1.0 } else { 0.0 };
            assert!((value - expected).abs() < 0.02, "{row} {column}: {value}");
        }
    }

    #[test]
    fn whitened_rows_vary_equally_in_every_direction() {
        let parts = parts(20, 12, 12);
        let whitening = Whitening::of(&parts, 12, 0.0, 2).unwrap();
        check_white(&parts, &whitening);
        assert_eq!(Whitening::of(&parts, 12, 0.0, 1), Some(whitening));
    }

    #[test]
    fn the_strongest_directions_are_kept() {
        let parts = parts(10, 40, 5);
        let whitening = Whitening::of(&parts, 5, 0.0, 2).unwrap();
        check_white(&parts, &whitening);
        // What is left out of the rows is only their weak noise: a step along a weak direction is
        // hardly seen, one along a strong direction is.
        let rows = parts[0].view();
        let step = whitening.apply(&(&rows + 0.001).view()) - whitening.apply(&rows);
        assert!(step.iter().all(|value| value.abs() < 0.05));
    }

    #[test]
    fn a_direction_that_never_varied_is_held_by_the_ridge() {
        let mut parts = parts(2, 6, 6);
        for part in &mut parts {
            part.column_mut(2).fill(7.0);
        }
        let whitening = Whitening::of(&parts, 6, 0.01, 2).unwrap();
        assert!(whitening.matrix.iter().all(|value| value.is_finite()));
        for part in &mut parts {
            part.fill(3.0);
        }
        assert_eq!(Whitening::of(&parts, 6, 0.01, 2), None);
        parts[0][[0, 0]] = f32::NAN;
        assert_eq!(Whitening::of(&parts, 6, 0.01, 2), None);
    }
}
