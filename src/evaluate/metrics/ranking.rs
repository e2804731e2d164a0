//! How well a score parts bad from good: ROC, AUROC, precision and recall, average precision, F1.
//!
//! Everything is worked out from [`Tie`]s: the counts of bad and good at one score, highest first. They
//! come from the scores of pictures ([`ties`]) or from a histogram of pixels
//! ([`PixelScores`](super::PixelScores)), so both are measured by the same lines.

/// A score and the truth about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// Higher is more like a defect.
    pub score: f64,
    /// What is true.
    pub is_bad: bool,
}

/// How many bad and good have exactly this score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tie {
    /// The score.
    pub score: f64,
    /// Bad ones with it.
    pub n_bad: u64,
    /// Good ones with it.
    pub n_good: u64,
}

/// What a threshold at a score would do: everything that reaches it is called bad.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cut {
    /// The threshold.
    pub threshold: f64,
    /// Bad ones that reach it: found.
    pub n_found: u64,
    /// Good ones that reach it: overkill.
    pub n_overkill: u64,
}

/// The best F1 of all thresholds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BestF1 {
    /// The F1.
    pub f1: f64,
    /// The threshold that reaches it.
    pub threshold: f64,
}

/// Equal scores together, highest first.
pub fn ties(scored: &[Scored]) -> Vec<Tie> {
    let mut sorted = scored.to_vec();
    sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
    let same = |a: &Scored, b: &Scored| a.score.total_cmp(&b.score).is_eq();
    let tie = |group: &[Scored]| {
        let n_bad = group.iter().filter(|one| one.is_bad).count() as u64;
        group.first().map(|first| Tie {
            score: first.score,
            n_bad,
            n_good: group.len() as u64 - n_bad,
        })
    };
    sorted.chunk_by(same).filter_map(tie).collect()
}

/// Bad and good ones altogether.
pub fn totals(ties: impl Iterator<Item = Tie>) -> (u64, u64) {
    ties.fold((0, 0), |(n_bad, n_good), tie| {
        (n_bad + tie.n_bad, n_good + tie.n_good)
    })
}

/// What each threshold does, highest first.
pub fn cuts(ties: impl Iterator<Item = Tie>) -> impl Iterator<Item = Cut> {
    ties.scan((0, 0), |(n_found, n_overkill), tie| {
        *n_found += tie.n_bad;
        *n_overkill += tie.n_good;
        Some(Cut {
            threshold: tie.score,
            n_found: *n_found,
            n_overkill: *n_overkill,
        })
    })
}

/// The chance that a bad one scores above a good one, a tie counting half: scikit-learn's
/// `roc_auc_score`. `None` without bad or without good ones.
pub fn auroc(ties: impl Iterator<Item = Tie>) -> Option<f64> {
    let (mut n_bad, mut n_good, mut area) = (0_u64, 0_u64, 0.0);
    for tie in ties {
        // Each good one of this tie lies under all bad ones before and beside half of its own.
        area += tie.n_good as f64 * (n_bad as f64 + tie.n_bad as f64 / 2.0);
        n_bad += tie.n_bad;
        n_good += tie.n_good;
    }
    (0 < n_bad && 0 < n_good).then(|| area / (n_bad as f64 * n_good as f64))
}

/// Precision, averaged over the steps of recall: scikit-learn's `average_precision_score`. `None`
/// without bad ones.
pub fn average_precision(ties: impl Iterator<Item = Tie>) -> Option<f64> {
    let (mut n_found, mut n_called, mut sum) = (0_u64, 0_u64, 0.0);
    for tie in ties {
        n_found += tie.n_bad;
        n_called += tie.n_bad + tie.n_good;
        sum += tie.n_bad as f64 * n_found as f64 / n_called.max(1) as f64;
    }
    (0 < n_found).then(|| sum / n_found as f64)
}

/// The lowest threshold that calls at most this share of the good ones bad; without such a threshold
/// nothing is found.
pub fn cut_at_overkill(ties: &[Tie], overkill_max: f64) -> Cut {
    let (_, n_good) = totals(ties.iter().copied());
    // A share of 0.1 of 30 parts is 3 parts, though 0.1 * 30 is a little more or less.
    let n_overkill_max = overkill_max * n_good as f64 + 1e-9;
    let none = Cut {
        threshold: f64::INFINITY,
        n_found: 0,
        n_overkill: 0,
    };
    cuts(ties.iter().copied())
        .take_while(|cut| cut.n_overkill as f64 <= n_overkill_max)
        .last()
        .unwrap_or(none)
}

/// F1 of what was found, of all that was called bad, of all that is bad. `None` if nothing is bad and
/// nothing was called bad.
pub fn f1(n_found: u64, n_overkill: u64, n_bad: u64) -> Option<f64> {
    let both = n_found + n_overkill + n_bad;
    (0 < both).then(|| 2.0 * n_found as f64 / both as f64)
}

/// The threshold with the best F1. `None` without bad ones.
pub fn best_f1(ties: impl Iterator<Item = Tie> + Clone) -> Option<BestF1> {
    let (n_bad, _) = totals(ties.clone());
    if n_bad == 0 {
        return None;
    }
    cuts(ties)
        .filter_map(|cut| {
            Some(BestF1 {
                f1: f1(cut.n_found, cut.n_overkill, n_bad)?,
                threshold: cut.threshold,
            })
        })
        .max_by(|a, b| a.f1.total_cmp(&b.f1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(bad: &[f64], good: &[f64]) -> Vec<Tie> {
        let of = |scores: &[f64], is_bad| -> Vec<Scored> {
            let one = |score: &f64| Scored {
                score: *score,
                is_bad,
            };
            scores.iter().map(one).collect()
        };
        ties(&[of(bad, true), of(good, false)].concat())
    }

    #[test]
    fn a_tie_is_half_a_win() {
        let same = scored(&[0.5, 0.5], &[0.5]);
        assert_eq!(same.len(), 1);
        assert_eq!(auroc(same.iter().copied()), Some(0.5));
        let apart = scored(&[0.9, 0.8], &[0.1, 0.2]);
        assert_eq!(auroc(apart.iter().copied()), Some(1.0));
        assert_eq!(average_precision(apart.iter().copied()), Some(1.0));
    }

    #[test]
    fn what_cannot_be_measured_has_no_figure() {
        assert_eq!(auroc(scored(&[0.5], &[]).into_iter()), None);
        assert_eq!(auroc(scored(&[], &[0.5]).into_iter()), None);
        assert_eq!(average_precision(scored(&[], &[0.5]).into_iter()), None);
        assert_eq!(best_f1(scored(&[], &[0.5]).into_iter()), None);
        assert_eq!(f1(0, 0, 0), None);
    }

    #[test]
    fn the_threshold_goes_as_low_as_the_overkill_allows() {
        let ties = scored(&[0.9, 0.6, 0.3], &[0.7, 0.4, 0.2, 0.1]);
        let found = |overkill_max| {
            let cut = cut_at_overkill(&ties, overkill_max);
            (cut.n_found, cut.n_overkill)
        };
        assert_eq!(found(0.0), (1, 0));
        assert_eq!(found(0.24), (1, 0));
        assert_eq!(found(0.25), (2, 1));
        assert_eq!(found(0.5), (3, 2));
        assert_eq!(found(1.0), (3, 4));
        // The best score is a good one's: no threshold finds anything without overkill.
        let none = cut_at_overkill(&scored(&[0.5], &[0.6]), 0.0);
        assert_eq!((none.n_found, none.threshold), (0, f64::INFINITY));
    }

    #[test]
    fn the_best_f1_is_that_of_the_best_threshold() {
        let best = best_f1(scored(&[0.9, 0.8, 0.3], &[0.5, 0.2]).into_iter()).unwrap();
        // At 0.3: 3 found, 1 too many of 3 bad: 6 / 7; at 0.8: 4 / 5.
        assert!((best.f1 - 6.0 / 7.0).abs() < 1e-12);
        assert!((best.threshold - 0.3).abs() < 1e-12);
    }
}
