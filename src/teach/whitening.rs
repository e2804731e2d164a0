//! Whitening: patch rows turned and scaled so that every direction varies equally among good parts.
//!
//! The distance of two whitened rows is their Mahalanobis distance: a small difference counts much
//! where good parts never differ, and little where they always do.

use ndarray::{Array1, Array2, ArrayView2, Axis};

/// How rows are whitened: `(row - mean) x matrix`.
#[derive(Debug, Clone, PartialEq)]
pub struct Whitening {
    /// The mean row.
    pub mean: Array1<f32>,
    /// `[numbers of a raw row, numbers of a whitened row]`.
    pub matrix: Array2<f32>,
}

/// Sums over rows from which mean and covariance follow; taken up frame by frame, always in the
/// same order, so that the sums are the same in each run.
#[derive(Debug, Clone)]
pub struct Moments {
    n_rows: usize,
    /// Differences are summed from here: the first frame's mean, so that large means cost no digits.
    origin: Array1<f32>,
    sum: Array1<f64>,
    products: Array2<f64>,
}

impl Moments {
    /// Begins with the rows of a first frame.
    pub fn of(rows: &ArrayView2<'_, f32>) -> Self {
        let dimensions = rows.ncols();
        let origin = rows.mean_axis(Axis(0));
        let mut moments = Self {
            n_rows: 0,
            origin: origin.unwrap_or_else(|| Array1::zeros(dimensions)),
            sum: Array1::zeros(dimensions),
            products: Array2::zeros((dimensions, dimensions)),
        };
        moments.add(rows);
        moments
    }

    /// Takes up the rows of another frame.
    pub fn add(&mut self, rows: &ArrayView2<'_, f32>) {
        let apart = rows - &self.origin;
        self.n_rows += rows.nrows();
        self.sum += &apart.mapv(f64::from).sum_axis(Axis(0));
        self.products += &apart.t().dot(&apart).mapv(f64::from);
    }

    /// The whitening of all rows taken up. `ridge` is the share of the mean variance that is added to
    /// every direction, so that one that never varied does not count without end.
    ///
    /// `None` if all rows are the same or a number is not finite.
    pub fn whitening(&self, ridge: f64) -> Option<Whitening> {
        let n_rows = self.n_rows.max(1) as f64;
        let dimensions = self.sum.len();
        let shift = &self.sum / n_rows;
        let column = shift.view().insert_axis(Axis(1));
        let mut covariance = &self.products / n_rows - column.dot(&column.t());
        let mean_variance = covariance.diag().sum() / dimensions.max(1) as f64;
        if !(0.0 < mean_variance && mean_variance.is_finite()) {
            return None;
        }
        for variance in covariance.diag_mut() {
            *variance += ridge * mean_variance;
        }
        let inverse = inverse_of_lower(&cholesky(&covariance)?);
        Some(Whitening {
            mean: &self.origin + &shift.mapv(narrow),
            matrix: inverse.t().mapv(narrow),
        })
    }
}

impl Whitening {
    /// Whitens raw rows.
    pub fn apply(&self, rows: &ArrayView2<'_, f32>) -> Array2<f32> {
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

/// The lower matrix L with L Lᵀ = `matrix`; `None` if there is none.
fn cholesky(matrix: &Array2<f64>) -> Option<Array2<f64>> {
    let n = matrix.nrows();
    let mut lower = Array2::<f64>::zeros((n, n));
    for row in 0..n {
        for column in 0..=row {
            let [this, above] = [row, column].map(|row| lower.row(row).split_at(Axis(0), column).0);
            let done = this.dot(&above);
            let rest = matrix[[row, column]] - done;
            lower[[row, column]] = if row == column {
                // Written so that NaN has no root.
                if !(0.0 < rest) {
                    return None;
                }
                rest.sqrt()
            } else {
                rest / lower[[column, column]]
            };
        }
    }
    Some(lower)
}

/// The inverse of a lower matrix, by forward substitution.
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

    /// Rows whose numbers hang together, far from zero.
    fn rows(n_rows: usize, dimensions: usize) -> Array2<f32> {
        let mut random = SplitMix64(11);
        let mut unit = move || (random.next() >> 40) as f32 / (1_u32 << 24) as f32;
        let mix = Array2::from_shape_simple_fn((dimensions, dimensions), &mut unit);
        Array2::from_shape_simple_fn((n_rows, dimensions), unit).dot(&mix) + 50.0
    }

    #[test]
    fn whitened_rows_vary_equally_in_every_direction() {
        let rows = rows(4000, 12);
        let (first, second) = rows.view().split_at(Axis(0), 1500);
        let mut moments = Moments::of(&first);
        moments.add(&second);
        let whitening = moments.whitening(0.0).unwrap();
        let white = whitening.apply(&rows.view());
        let covariance = white.t().dot(&white) / white.nrows() as f32;
        for ((row, column), value) in covariance.indexed_iter() {
            let expected = if row == column { 1.0 } else { 0.0 };
            assert!((value - expected).abs() < 0.01, "{row} {column}: {value}");
        }
        let mean = white.mean_axis(Axis(0)).unwrap();
        assert!(mean.iter().all(|value| value.abs() < 0.01), "{mean}");
    }

    #[test]
    fn a_direction_that_never_varied_is_held_by_the_ridge() {
        let mut still = rows(500, 6);
        still.column_mut(2).fill(7.0);
        let moments = Moments::of(&still.view());
        let whitening = moments.whitening(0.01).unwrap();
        assert!(whitening.matrix.iter().all(|value| value.is_finite()));
        still.fill(3.0);
        assert_eq!(Moments::of(&still.view()).whitening(0.01), None);
        still[[0, 0]] = f32::NAN;
        assert_eq!(Moments::of(&still.view()).whitening(0.01), None);
    }
}
