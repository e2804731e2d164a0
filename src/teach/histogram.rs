//! How often which score came, as text for the card.

/// Columns of the histogram.
const TEXT_BINS: usize = 20;
/// Longest bar.
const TEXT_BAR: usize = 40;

/// Scores of known parts and the two thresholds.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Of good parts that the bank had not seen.
    pub good: Vec<f32>,
    /// Of known-bad parts, where there are any.
    pub bad: Vec<f32>,
    /// From here on a part is doubtful.
    pub score_doubtful: f32,
    /// From here on a part is rejected.
    pub score_reject: f32,
}

/// Counts in equal steps from `low` to `high`.
struct Bins {
    low: f32,
    high: f32,
    good: Vec<usize>,
    bad: Vec<usize>,
}

impl Scores {
    fn bins(&self) -> Bins {
        let [low, high] = self.range();
        let count = |scores: &[f32]| {
            let mut counts = vec![0; TEXT_BINS];
            for score in scores {
                let place = (score - low) / (high - low) * TEXT_BINS as f32;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "the place is cut to the bins there are"
                )]
                let bin = (place.max(0.0) as usize).min(TEXT_BINS - 1);
                if let Some(count) = counts.get_mut(bin) {
                    *count += 1;
                }
            }
            counts
        };
        Bins {
            low,
            high,
            good: count(&self.good),
            bad: count(&self.bad),
        }
    }

    /// The least and the greatest score of a scale that shows all of them.
    pub(super) fn range(&self) -> [f32; 2] {
        let all = self.good.iter().chain(&self.bad);
        let all = all.chain([&self.score_doubtful, &self.score_reject]);
        let (low, high) = all.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), score| {
            (low.min(*score), high.max(*score))
        });
        let span = (high - low).max(1e-3);
        // Some room on both sides, so that a threshold never lies on the edge.
        [(low - span * 0.05).max(0.0), (high + span * 0.05).min(1.0)]
    }

    /// In plain text, a line a step.
    pub fn text(&self) -> String {
        let bins = self.bins();
        let most = bins
            .good
            .iter()
            .zip(&bins.bad)
            .map(|(good, bad)| good + bad)
            .max();
        let most = most.unwrap_or(1).max(1);
        let step = (bins.high - bins.low) / TEXT_BINS as f32;
        let mut text = String::new();
        for (index, (good, bad)) in bins.good.iter().zip(&bins.bad).enumerate() {
            let from = bins.low + index as f32 * step;
            // One mark a part, as far as they have room.
            let n_marks = |count: usize| (count * TEXT_BAR.min(most)).div_ceil(most);
            let bar = |count: usize, mark: &str| mark.repeat(n_marks(count));
            let holds = |score: f32| from <= score && score < from + step;
            let mut marks = String::new();
            if holds(self.score_doubtful) {
                marks.push_str(" <- doubtful");
            }
            if holds(self.score_reject) {
                marks.push_str(" <- reject");
            }
            let line = format!("{from:.3} {}{}{marks}", bar(*good, "o"), bar(*bad, "x"));
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores() -> Scores {
        Scores {
            good: vec![0.30, 0.31, 0.32, 0.33, 0.35, 0.40],
            bad: vec![0.8],
            score_doubtful: 0.45,
            score_reject: 0.55,
        }
    }

    #[test]
    fn every_score_is_counted_and_both_thresholds_are_marked() {
        let bins = scores().bins();
        assert_eq!(bins.good.iter().sum::<usize>(), 6);
        assert_eq!(bins.bad.iter().sum::<usize>(), 1);
        let text = scores().text();
        assert_eq!(text.lines().count(), TEXT_BINS);
        assert_eq!(text.matches("<- doubtful").count(), 1, "{text}");
        assert_eq!(text.matches("<- reject").count(), 1, "{text}");
        assert!(text.contains('x') && text.contains('o'), "{text}");
    }

    #[test]
    fn scores_that_are_all_the_same_can_be_drawn() {
        let flat = Scores {
            good: vec![0.5; 3],
            bad: Vec::new(),
            score_doubtful: 0.5,
            score_reject: 0.5,
        };
        assert!(flat.text().contains("ooo"));
    }
}
