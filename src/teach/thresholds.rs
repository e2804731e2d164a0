//! Where doubt and rejection begin, from good parts held against each other.

use super::error::TeachError;

/// Share of good parts that may be rejected, if nothing else is asked for.
pub const OVERKILL: f64 = 0.003;
/// Share of good parts that may be doubtful or rejected, if nothing else is asked for. Parts that are
/// held out score a little higher than new parts do: half of this and less was measured on these.
pub const REVIEW: f64 = 0.15;
/// The quantiles between which the deviation is measured: a few bad parts do not move them.
const MIDDLE: [f64; 3] = [0.1, 0.5, 0.9];
/// Known-bad parts are caught with this to spare.
const BAD_MARGIN: f64 = 0.99;
/// Beyond this many deviations of a normal distribution there is nothing.
const NORMAL_MAX: f64 = 6.0;
/// Halvings of that interval: to the last digit.
const HALVINGS: usize = 60;

/// How much good may be lost, as shares of good parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Good parts that may be rejected.
    pub overkill: f64,
    /// Good parts that may be doubtful or rejected.
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

/// Where the logarithms of distances lie, and how far they scatter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scatter {
    centre: f64,
    deviation: f64,
    n: usize,
}

impl Scatter {
    /// Of the distances of good parts; `None` if they do not scatter.
    pub(super) fn of(distances: &[f32]) -> Option<Self> {
        let mut logs: Vec<f64> = distances.iter().map(|one| f64::from(*one).ln()).collect();
        logs.sort_by(f64::total_cmp);
        let [low, centre, high] = MIDDLE.map(|share| quantile(&logs, share));
        let deviation = (high - low) / (2.0 * normal_quantile(MIDDLE[2]));
        let is_usable = centre.is_finite() && 0.0 < deviation && deviation.is_finite();
        is_usable.then_some(Self {
            centre,
            deviation,
            n: logs.len(),
        })
    }

    /// How many deviations a distance lies above the centre.
    pub(super) fn deviations(&self, distance: f32) -> f64 {
        (f64::from(distance).ln() - self.centre) / self.deviation
    }

    /// The distance at the centre.
    pub(super) fn usual(&self) -> f32 {
        narrow(self.centre.exp())
    }

    /// The distance that a share `rate` of good parts exceeds, for one part more than were measured.
    fn exceeded_by(&self, rate: f64) -> f32 {
        let n = self.n as f64;
        let normal = normal_quantile(1.0 - rate);
        // Student's t with n - 1 degrees of freedom, by the first terms of its expansion around the
        // normal distribution (Fisher and Cornish).
        let student = normal
            + (normal.powi(3) + normal) / (4.0 * (n - 1.0))
            + (5.0 * normal.powi(5) + 16.0 * normal.powi(3) + 3.0 * normal)
                / (96.0 * (n - 1.0).powi(2));
        narrow((self.centre + student * self.deviation * (1.0 + 1.0 / n).sqrt()).exp())
    }
}

impl Thresholds {
    /// Thresholds at the wanted rates. Known-bad parts that lie apart from the good ones only bring
    /// them nearer: doubt halfway between the hardest good and the mildest bad one at the latest,
    /// rejection just below that bad one.
    ///
    /// # Errors
    /// [`TeachError::AllTheSame`] if the distances of the good parts do not scatter.
    pub(super) fn choose(good: &[f32], bad: &[f32], rates: Rates) -> Result<Self, TeachError> {
        let scatter = Scatter::of(good).ok_or(TeachError::AllTheSame)?;
        let mut doubtful = scatter.exceeded_by(rates.review);
        let mut reject = scatter.exceeded_by(rates.overkill).max(doubtful);
        let hardest = good.iter().copied().fold(0.0, f32::max);
        let mildest = bad.iter().copied().fold(f32::INFINITY, f32::min);
        if hardest < mildest && mildest.is_finite() {
            doubtful = doubtful.min((hardest * mildest).sqrt());
            reject = reject.min(mildest * narrow(BAD_MARGIN)).max(doubtful);
        }
        Ok(Self { doubtful, reject })
    }

    /// The distance whose score is one half: where doubt begins.
    pub(super) fn reference(self) -> f32 {
        self.doubtful
    }
}

#[expect(clippy::cast_possible_truncation, reason = "distances have 32 bits")]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// A quantile of sorted values, between two of them in proportion.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * sorted.len().saturating_sub(1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in the list"
    )]
    let below = place as usize;
    let at = |index: usize| {
        sorted
            .get(index.min(sorted.len().saturating_sub(1)))
            .copied()
    };
    let [low, high] = [below, below + 1].map(|index| at(index).unwrap_or(f64::NAN));
    low + (high - low) * place.fract()
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

    const RATES: Rates = Rates {
        overkill: 0.01,
        review: 0.05,
    };

    /// Distances whose logarithms are those of a normal distribution around ln 2.
    fn log_normal(n: usize) -> Vec<f32> {
        let share = |index: usize| (index as f64 + 0.5) / n as f64;
        let logs = (0..n).map(|index| 2.0_f64.ln() + 0.1 * normal_quantile(share(index)));
        logs.map(|log| narrow(log.exp())).collect()
    }

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
        assert!((quantile(&[1.0, 2.0, 4.0], 0.75) - 3.0).abs() < 1e-12);
    }

    #[test]
    fn the_wanted_share_of_good_parts_lies_above_a_threshold() {
        let good = log_normal(2000);
        let thresholds = Thresholds::choose(&good, &[], RATES).unwrap();
        let over = |from: f32| good.iter().filter(|one| from <= **one).count();
        assert!(
            (98..=102).contains(&over(thresholds.doubtful)),
            "{thresholds:?}"
        );
        assert!(
            (18..=22).contains(&over(thresholds.reject)),
            "{thresholds:?}"
        );
    }

    #[test]
    fn fewer_parts_and_stray_ones_are_met_with_care() {
        let many = Thresholds::choose(&log_normal(400), &[], RATES).unwrap();
        let few = Thresholds::choose(&log_normal(12), &[], RATES).unwrap();
        assert!(many.reject * 1.005 < few.reject, "{many:?} {few:?}");
        let mut with_bad = log_normal(400);
        with_bad.extend([9.0; 8]);
        let moved = Thresholds::choose(&with_bad, &[], RATES).unwrap();
        assert!(moved.reject < many.reject * 1.03, "{many:?} {moved:?}");
    }

    #[test]
    fn known_bad_parts_bring_the_thresholds_nearer_and_never_farther() {
        let good = log_normal(40);
        let without = Thresholds::choose(&good, &[], RATES).unwrap();
        assert_eq!(
            Thresholds::choose(&good, &[90.0, 80.0], RATES).unwrap(),
            without
        );
        let hardest = good.iter().copied().fold(0.0, f32::max);
        let near = Thresholds::choose(&good, &[hardest * 1.01], RATES).unwrap();
        assert!(hardest < near.doubtful.max(hardest * 1.001));
        assert!(
            near.reject < hardest * 1.01 && near.doubtful <= near.reject,
            "{near:?}"
        );
        // Bad parts among the good ones cannot be parted from them by any threshold.
        assert_eq!(
            Thresholds::choose(&good, &[1.9, 90.0], RATES).unwrap(),
            without
        );
    }

    #[test]
    fn distances_that_do_not_scatter_give_no_threshold() {
        assert!(Thresholds::choose(&[2.0; 30], &[], RATES).is_err());
        assert!(Thresholds::choose(&[0.0; 30], &[], RATES).is_err());
        assert!(Thresholds::choose(&[f32::NAN; 30], &[], RATES).is_err());
        assert!(Thresholds::choose(&[], &[], RATES).is_err());
    }
}
