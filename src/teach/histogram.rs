//! How often which score came: as a drawing for the report, as text for the card.

/// Columns of a histogram.
const N_BINS: usize = 40;
/// Columns of the histogram as text.
const TEXT_BINS: usize = 20;
/// Size of the drawing, and the room for the scale below it.
const WIDTH: f32 = 720.0;
const HEIGHT: f32 = 200.0;
const FOOT: f32 = 34.0;
/// Longest bar of the histogram as text.
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
    fn bins(&self, n_bins: usize) -> Bins {
        let all = self.good.iter().chain(&self.bad);
        let all = all.chain([&self.score_doubtful, &self.score_reject]);
        let (low, high) = all.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), score| {
            (low.min(*score), high.max(*score))
        });
        let span = (high - low).max(1e-3);
        // Some room on both sides, so that a threshold never lies on the edge.
        let (low, high) = ((low - span * 0.05).max(0.0), (high + span * 0.05).min(1.0));
        let count = |scores: &[f32]| {
            let mut counts = vec![0; n_bins];
            for score in scores {
                let place = (score - low) / (high - low) * n_bins as f32;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "the place is cut to the bins there are"
                )]
                let bin = (place.max(0.0) as usize).min(n_bins - 1);
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

    /// A drawing that stands in a page; its colours are the page's classes.
    pub fn svg(&self) -> String {
        let bins = self.bins(N_BINS);
        let most = bins
            .good
            .iter()
            .chain(&bins.bad)
            .max()
            .copied()
            .unwrap_or(1)
            .max(1) as f32;
        let step = WIDTH / N_BINS as f32;
        let mut lines = vec![format!(
            "<svg viewBox=\"0 -16 {WIDTH} {}\" role=\"img\" aria-label=\"Histogram of scores\">",
            HEIGHT + FOOT + 16.0
        )];
        for (class, counts, inset) in [("good", &bins.good, 0.0), ("bad", &bins.bad, step / 2.0)] {
            for (index, count) in counts.iter().enumerate().filter(|(_, count)| 0 < **count) {
                let height = *count as f32 / most * (HEIGHT - 8.0);
                lines.push(format!(
                    "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\">\
                     <title>{count} {class}</title></rect>",
                    index as f32 * step + inset,
                    HEIGHT - height,
                    step / 2.0 - 1.0,
                ));
            }
        }
        let thresholds = [
            ("doubtful", self.score_doubtful, "end"),
            ("reject", self.score_reject, "start"),
        ];
        for (class, score, anchor) in thresholds {
            let x = (score - bins.low) / (bins.high - bins.low) * WIDTH;
            lines.push(format!(
                "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"0\" y2=\"{HEIGHT}\"/>\
                 <text class=\"{class}\" x=\"{x:.1}\" y=\"-4\" text-anchor=\"{anchor}\">{class} {score:.3}</text>"
            ));
        }
        lines.push(format!(
            "<line class=\"axis\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{HEIGHT}\" y2=\"{HEIGHT}\"/>\
             <text x=\"0\" y=\"{0}\">{1:.3}</text>\
             <text x=\"{WIDTH}\" y=\"{0}\" text-anchor=\"end\">{2:.3}</text></svg>\n",
            HEIGHT + 20.0,
            bins.low,
            bins.high
        ));
        lines.join("\n")
    }

    /// The same in plain text, a line a step.
    pub fn text(&self) -> String {
        let bins = self.bins(TEXT_BINS);
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
        let bins = scores().bins(N_BINS);
        assert_eq!(bins.good.iter().sum::<usize>(), 6);
        assert_eq!(bins.bad.iter().sum::<usize>(), 1);
        let svg = scores().svg();
        assert!(
            svg.contains("doubtful 0.450") && svg.contains("reject 0.550"),
            "{svg}"
        );
        assert_eq!(svg.matches("class=\"bad\"").count(), 1);
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
        assert!(!flat.svg().contains("NaN"), "{}", flat.svg());
        assert!(flat.text().contains("ooo"));
    }
}
