//! Where doubt and rejection begin, from good parts that the bank had not seen.

use super::error::TeachError;

/// Beyond this many spreads there is nothing.
const NORMAL_MAX: f64 = 6.0;
/// Halvings of that interval: to the last digit.
const HALVINGS: usize = 60;

/// How much good may be lost, as shares of good parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Good parts that may be rejected.
    pub overkill: f64,
    /// Good parts that may be sent to review or rejected.
    pub review: f64,
}

/// Two distances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// From here on a part is doubtful.
    pub doubtful: f32,
    /// From here on it is rejected.
    pub reject: f32,
}

impl Thresholds {
    /// Fits a log-normal tail to the held-out distances of good parts; known-bad parts may only lower
    /// the doubt to just below the mildest of them, as far as no good part is reached.
    pub(super) fn choose(good: &[f32], bad: &[f32], rates: Rates) -> Result<Self, TeachError> {
        let logs: Vec<f64> = good
            .iter()
            .map(|peak| f64::from(peak.max(1e-6)).ln())
            .collect();
        let n = logs.len().max(1) as f64;
        let mean = logs.iter().sum::<f64>() / n;
        let spread =
            (logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0)).sqrt();
        if !(mean.is_finite() && 0.0 < spread) {
            return Err(TeachError::AllTheSame);
        }
        let at = |rate: f64| narrow((mean + normal_quantile(1.0 - rate) * spread).exp());
        let (doubtful, reject) = (at(rates.review), at(rates.overkill));
        let mildest = bad.iter().copied().fold(f32::INFINITY, f32::min) * 0.999;
        let hardest = good.iter().copied().fold(0.0, f32::max);
        let doubtful = if hardest < mildest {
            doubtful.min(mildest)
        } else {
            doubtful
        };
        Ok(Self {
            doubtful,
            reject: reject.max(doubtful),
        })
    }

    /// The distance whose score is one half: where rejection begins.
    pub(super) fn reference(&self) -> f32 {
        self.reject
    }
}

#[expect(clippy::cast_possible_truncation, reason = "distances have 32 bits")]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// Where a share `p` of a standard normal distribution lies below, by halving an interval.
fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-NORMAL_MAX, NORMAL_MAX);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if normal_share_below(middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// The standard normal distribution: its Taylor series around 0 over the density (Marsaglia 2004).
fn normal_share_below(x: f64) -> f64 {
    let density = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    let mut term = x;
    let mut sum = x;
    let mut odd = 1.0;
    while 1e-17 < term.abs() {
        odd += 2.0;
        term *= x * x / odd;
        sum += term;
    }
    0.5 + sum * density
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (p, expected) in [
            (0.5, 0.0),
            (0.95, 1.644_854),
            (0.99, 2.326_348),
            (0.9999, 3.719_016),
        ] {
            let found = normal_quantile(p);
            assert!((found - expected).abs() < 1e-5, "{p}: {found}");
            assert!((normal_quantile(1.0 - p) + expected).abs() < 1e-5);
        }
    }
}
