//! Two runs on the same pictures: is the difference more than chance?

use super::interval::{Interval, Z};
use super::ranking::Scored;

/// McNemar's test (1947), exact: the chance of at least so uneven a split of the pictures that only one
/// of the two runs got right, if both were equally good.
pub fn mcnemar_exact(n_only_first: u64, n_only_second: u64) -> f64 {
    let n = n_only_first + n_only_second;
    let fewer = n_only_first.min(n_only_second);
    // Twice the lower tail of a fair coin; the terms by recurrence in logarithms, so that none is lost.
    let mut ln_term = -(n as f64) * std::f64::consts::LN_2;
    let mut tail = ln_term.exp();
    for k in 1..=fewer {
        ln_term += ((n - k + 1) as f64).ln() - (k as f64).ln();
        tail += ln_term.exp();
    }
    (2.0 * tail).min(1.0)
}

/// How two AUROCs of the same pictures differ.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AurocDifference {
    /// The second less the first.
    pub difference: f64,
    /// Its 95 % interval.
    pub interval: Interval,
    /// The chance of at least this difference if there were none.
    pub p_value: f64,
}

/// The difference of two AUROCs on the same pictures with its interval (DeLong, DeLong and
/// Clarke-Pearson 1988). Both lists have the same pictures in the same order. `None` with fewer than
/// two bad or two good ones, or if the lists do not fit.
pub fn delong(first: &[Scored], second: &[Scored]) -> Option<AurocDifference> {
    let same =
        first.len() == second.len() && first.iter().zip(second).all(|(a, b)| a.is_bad == b.is_bad);
    if !same {
        return None;
    }
    let (a, b) = (Places::of(first)?, Places::of(second)?);
    let difference = b.auroc() - a.auroc();
    let variance =
        variance_of_difference(&a.bad, &b.bad) + variance_of_difference(&a.good, &b.good);
    let half = Z * variance.sqrt();
    let p_value = if variance <= 0.0 {
        // Both order the pictures alike, or one is better without exception.
        if difference == 0.0 { 1.0 } else { 0.0 }
    } else {
        two_sided(difference / variance.sqrt())
    };
    Some(AurocDifference {
        difference,
        interval: Interval {
            low: (difference - half).max(-1.0),
            high: (difference + half).min(1.0),
        },
        p_value,
    })
}

/// For each bad one the share of good ones below it, and the other way round.
struct Places {
    bad: Vec<f64>,
    good: Vec<f64>,
}

impl Places {
    fn of(scored: &[Scored]) -> Option<Self> {
        let of = |is_bad: bool| {
            let mut scores: Vec<f64> = scored
                .iter()
                .filter(|one| one.is_bad == is_bad)
                .map(|one| one.score)
                .collect();
            scores.sort_by(f64::total_cmp);
            scores
        };
        let (bad, good) = (of(true), of(false));
        if bad.len() < 2 || good.len() < 2 {
            return None;
        }
        let places = |is_bad: bool, others: &[f64]| {
            let these = scored.iter().filter(move |one| one.is_bad == is_bad);
            these.map(|one| below(others, one.score)).collect()
        };
        let over_good: Vec<f64> = places(true, &good);
        let over_bad: Vec<f64> = places(false, &bad);
        Some(Self {
            bad: over_good,
            good: over_bad.iter().map(|share| 1.0 - share).collect(),
        })
    }

    fn auroc(&self) -> f64 {
        mean(self.bad.iter().copied(), self.bad.len())
    }
}

/// The share of sorted scores below one, equal ones counting half.
fn below(sorted: &[f64], score: f64) -> f64 {
    let lower = sorted.partition_point(|other| *other < score);
    let upper = sorted.partition_point(|other| *other <= score);
    (lower + upper) as f64 / 2.0 / sorted.len() as f64
}

fn mean(values: impl Iterator<Item = f64>, n: usize) -> f64 {
    values.sum::<f64>() / n as f64
}

/// The variance of the mean of the differences of two lists.
fn variance_of_difference(first: &[f64], second: &[f64]) -> f64 {
    let n = first.len();
    let differences = || first.iter().zip(second).map(|(a, b)| b - a);
    let middle = mean(differences(), n);
    let squares: f64 = differences().map(|one| (one - middle).powi(2)).sum();
    squares / (n - 1) as f64 / n as f64
}

/// The chance that a normal number is at least this far from 0 on either side: the complementary error
/// function by its continued fraction, or by its series near 0.
fn two_sided(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    if x < 2.0 {
        let (mut term, mut sum) = (x, x);
        for n in 1..100 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        return (1.0 - sum * std::f64::consts::FRAC_2_SQRT_PI).clamp(0.0, 1.0);
    }
    let fraction = (1..=60)
        .rev()
        .fold(x, |below, n| x + f64::from(n) / 2.0 / below);
    (-x * x).exp() / fraction / std::f64::consts::PI.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mcnemar_is_twice_the_tail_of_a_fair_coin() {
        assert!((mcnemar_exact(0, 0) - 1.0).abs() < 1e-15);
        assert!((mcnemar_exact(5, 5) - 1.0).abs() < 1e-15);
        assert!((mcnemar_exact(0, 5) - 2.0 / 32.0).abs() < 1e-12);
        assert!((mcnemar_exact(1, 6) - 2.0 * 8.0 / 128.0).abs() < 1e-12);
        assert!((mcnemar_exact(6, 1) - mcnemar_exact(1, 6)).abs() < 1e-15);
        assert!(mcnemar_exact(0, 5000) < 1e-300);
    }

    #[test]
    fn a_normal_number_is_seldom_far_from_its_mean() {
        for (z, chance) in [
            (0.0, 1.0),
            (1.0, 0.317_310_507_863),
            (Z, 0.05),
            (3.0, 0.002_699_796_063),
        ] {
            assert!(
                (two_sided(z) - chance).abs() < 1e-9,
                "{z}: {}",
                two_sided(z)
            );
            assert!((two_sided(-z) - chance).abs() < 1e-9);
        }
    }

    #[test]
    fn equal_runs_do_not_differ_and_unlike_lists_are_not_compared() {
        let scored: Vec<Scored> = [(0.9, true), (0.4, true), (0.5, false), (0.1, false)]
            .map(|(score, is_bad)| Scored { score, is_bad })
            .to_vec();
        let same = delong(&scored, &scored).unwrap();
        assert_eq!((same.difference, same.p_value), (0.0, 1.0));
        assert_eq!(delong(&scored, &scored[1..]), None);
        let turned: Vec<Scored> = scored
            .iter()
            .map(|one| Scored {
                is_bad: !one.is_bad,
                ..*one
            })
            .collect();
        assert_eq!(delong(&scored, &turned), None);
    }
}
