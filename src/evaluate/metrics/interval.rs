//! How sure a figure is: 95 % intervals of shares and of an AUROC.

/// The 97.5 % quantile of the normal distribution: 95 % lie within.
pub(super) const Z: f64 = 1.959_963_984_540_054;
/// What may lie beyond each end.
const TAIL: f64 = 0.025;
/// Halvings of a search: more than a float has bits.
const HALVINGS: usize = 80;

/// A range that holds the true figure 95 times out of 100.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Interval {
    /// Its low end.
    pub low: f64,
    /// Its high end.
    pub high: f64,
}

/// A share that was counted: `n` of `of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Rate {
    /// How many.
    pub n: u64,
    /// Out of how many.
    pub of: u64,
}

impl Rate {
    /// The share; `None` out of nothing.
    pub fn share(self) -> Option<f64> {
        (0 < self.of).then(|| self.n as f64 / self.of as f64)
    }

    /// The score interval (Wilson 1927): good coverage on average, also for few and for none.
    pub fn wilson(self) -> Option<Interval> {
        let (share, of) = (self.share()?, self.of as f64);
        let z2 = Z * Z;
        let middle = (share + z2 / (2.0 * of)) / (1.0 + z2 / of);
        let half = Z / (1.0 + z2 / of) * (share * (1.0 - share) / of + z2 / (4.0 * of * of)).sqrt();
        Some(Interval {
            low: if self.n == 0 {
                0.0
            } else {
                (middle - half).max(0.0)
            },
            high: if self.n == self.of {
                1.0
            } else {
                (middle + half).min(1.0)
            },
        })
    }

    /// The exact interval (Clopper and Pearson 1934): never covers less than 95 %, so it is wider.
    pub fn clopper_pearson(self) -> Option<Interval> {
        if self.of == 0 {
            return None;
        }
        let (n, of) = (self.n as f64, self.of as f64);
        let low = if self.n == 0 {
            0.0
        } else {
            // At the low end, n or more are as rare as the tail.
            root(|share| incomplete_beta(n, of - n + 1.0, share) - TAIL)
        };
        let high = if self.n == self.of {
            1.0
        } else {
            root(|share| incomplete_beta(n + 1.0, of - n, share) - (1.0 - TAIL))
        };
        Some(Interval { low, high })
    }
}

/// The interval of an AUROC of `n_bad` and `n_good` (Newcombe 2006, part 2, method 5): a score
/// interval, so it is neither empty nor over the end where bad and good are parted without a fault.
pub fn auroc_interval(auroc: f64, n_bad: u64, n_good: u64) -> Option<Interval> {
    if n_bad == 0 || n_good == 0 {
        return None;
    }
    let (m, n) = (n_bad as f64, n_good as f64);
    let few = f64::midpoint(m, n) - 1.0;
    let spread = |true_auroc: f64| {
        let pairs = true_auroc * (1.0 - true_auroc) / (m * n);
        let shared = (1.0 - true_auroc) / (2.0 - true_auroc) + true_auroc / (1.0 + true_auroc);
        Z * (pairs * (1.0 + few * shared)).sqrt()
    };
    let between = |from: f64, to: f64, over: &dyn Fn(f64) -> f64| {
        root(|part| over(from + part * (to - from))) * (to - from) + from
    };
    Some(Interval {
        low: if auroc <= 0.0 {
            0.0
        } else {
            between(0.0, auroc, &|low| low + spread(low) - auroc)
        },
        high: if auroc >= 1.0 {
            1.0
        } else {
            between(auroc, 1.0, &|high| high - spread(high) - auroc)
        },
    })
}

/// Where a function that rises from below 0 to above 0 between 0 and 1 crosses 0.
fn root(f: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if f(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// The regularised incomplete beta function of `a` and `b` at `x`, by its continued fraction (DLMF 8.17.22).
pub(super) fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if 1.0 <= x {
        return 1.0;
    }
    // The fraction converges fast below the mean; above it the other end is worked out.
    if (a + 1.0) / (a + b + 2.0) < x {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    let front = a * x.ln() + b * (1.0 - x).ln() + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b);
    front.exp() / (a * fraction(a, b, x))
}

/// The continued fraction's denominators, from the top (Lentz's method, modified).
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TERMS_MAX: u32 = 100_000;
    const TINY: f64 = 1e-300;
    let nudged = |value: f64| if value.abs() < TINY { TINY } else { value };
    let (mut value, mut upper, mut lower) = (1.0_f64, 1.0_f64, 0.0_f64);
    for term in 1..=TERMS_MAX {
        let pair = f64::from(term / 2);
        let twice = a + 2.0 * pair;
        let coefficient = if term % 2 == 0 {
            pair * (b - pair) * x / ((twice - 1.0) * twice)
        } else {
            -(a + pair) * (a + b + pair) * x / (twice * (twice + 1.0))
        };
        lower = 1.0 / nudged(1.0 + coefficient * lower);
        upper = nudged(1.0 + coefficient / upper);
        value *= upper * lower;
        if (upper * lower - 1.0).abs() < 1e-15 {
            break;
        }
    }
    value
}

/// The logarithm of the gamma function for positive numbers: Stirling's series (DLMF 5.11.1), after
/// the recurrence has made the number large enough for it.
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut below) = (x, 0.0);
    while x < 16.0 {
        below += x.ln();
        x += 1.0;
    }
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let series = inverse
        * (1.0 / 12.0
            - square
                * (1.0 / 360.0
                    - square * (1.0 / 1260.0 - square * (1.0 / 1680.0 - square / 1188.0))));
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_nothing_there_is_no_share() {
        assert_eq!(Rate::default().share(), None);
        assert_eq!(Rate::default().wilson(), None);
        assert_eq!(Rate::default().clopper_pearson(), None);
        assert_eq!(auroc_interval(1.0, 3, 0), None);
    }

    #[test]
    fn none_out_of_thirty_may_still_be_one_in_nine() {
        let none = Rate { n: 0, of: 30 };
        assert!(none.wilson().unwrap().low <= 0.0);
        assert!((none.wilson().unwrap().high - 0.1135).abs() < 1e-4);
        // 1 - 0.025^(1/30)
        let exact = 1.0 - TAIL.powf(1.0 / 30.0);
        assert!((none.clopper_pearson().unwrap().high - exact).abs() < 1e-12);
        let all = Rate { n: 30, of: 30 }.clopper_pearson().unwrap();
        assert!((all.low - (1.0 - exact)).abs() < 1e-12 && 1.0 <= all.high);
    }

    #[test]
    fn the_exact_interval_holds_the_score_interval_nearly_always() {
        for of in [1, 7, 100, 5000] {
            for n in [0, of / 3, of / 2, of] {
                let rate = Rate { n, of };
                let (wilson, exact) = (rate.wilson().unwrap(), rate.clopper_pearson().unwrap());
                let share = rate.share().unwrap();
                for interval in [wilson, exact] {
                    assert!(0.0 <= interval.low && interval.low <= share, "{rate:?}");
                    assert!(share <= interval.high && interval.high <= 1.0, "{rate:?}");
                }
                assert!(
                    wilson.high - wilson.low <= exact.high - exact.low + 1e-3,
                    "{rate:?}"
                );
            }
        }
    }

    #[test]
    fn an_auroc_without_a_fault_is_not_sure_to_be_one() {
        let perfect = auroc_interval(1.0, 20, 20).unwrap();
        assert!(
            1.0 <= perfect.high && (0.8..0.95).contains(&perfect.low),
            "{perfect:?}"
        );
        let chance = auroc_interval(0.5, 20, 20).unwrap();
        assert!((chance.low + chance.high - 1.0).abs() < 1e-9, "{chance:?}");
        let more = auroc_interval(0.9, 2000, 2000).unwrap();
        let fewer = auroc_interval(0.9, 20, 20).unwrap();
        assert!(more.high - more.low < fewer.high - fewer.low);
    }

    #[test]
    fn gamma_is_the_factorial() {
        let factorial: f64 = (1..=20).map(f64::from).product();
        assert!((ln_gamma(21.0) - factorial.ln()).abs() < 1e-12);
        assert!((ln_gamma(0.5) - std::f64::consts::PI.sqrt().ln()).abs() < 1e-13);
    }
}
