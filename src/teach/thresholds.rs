//! Where doubt and rejection begin, from good parts that the bank had not seen.

use super::error::TeachError;

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

/// The standard normal distribution's quantile (Acklam's rational approximation, error below 1.2e-9).
fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969683028665376e1,
        2.209460984245205e2,
        -2.759285104469687e2,
        1.383577518672690e2,
        -3.066479806614716e1,
        2.506628277459239,
    ];
    const B: [f64; 5] = [
        -5.447609879822406e1,
        1.615858368580409e2,
        -1.556989798598866e2,
        6.680131188771972e1,
        -1.328068155288572e1,
    ];
    const C: [f64; 6] = [
        -7.784894002430293e-3,
        -3.223964580411365e-1,
        -2.400758277161838,
        -2.549732539343734,
        4.374664141464968,
        2.938163982698783,
    ];
    const D: [f64; 4] = [
        7.784695709041462e-3,
        3.224671290700398e-1,
        2.445134137142996,
        3.754408661907416,
    ];
    let horner = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    const TAIL: f64 = 0.02425;
    if p < TAIL {
        let q = (-2.0 * p.ln()).sqrt();
        horner(&C, q) / (horner(&D, q) * q + 1.0)
    } else if p <= 1.0 - TAIL {
        let q = p - 0.5;
        let r = q * q;
        horner(&A, r) * q / (horner(&B, r) * r + 1.0)
    } else {
        -normal_quantile(1.0 - p)
    }
}
