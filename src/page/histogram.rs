//! How often which score came, as a drawing.

use maud::{Markup, html};

/// Bars of each side.
const BARS: usize = 40;
/// The drawing's middle line, the height of its bars, and the length of its scale.
const MIDDLE: f64 = 92.0;
const BAR_MAX: f64 = 70.0;
const WIDTH: f64 = 560.0;

/// Scores of good pictures upwards, of bad ones downwards, with thresholds by name.
#[derive(Debug)]
pub struct Histogram<'a> {
    /// Scores of good pictures.
    pub good: &'a [f64],
    /// Scores of bad pictures.
    pub bad: &'a [f64],
    /// Where verdicts change.
    pub thresholds: &'a [(&'a str, f64)],
    /// The least and the greatest score of the scale; what lies outside counts at its end.
    pub range: [f64; 2],
}

impl Histogram<'_> {
    /// The drawing.
    pub fn draw(&self) -> Markup {
        let bar_width = WIDTH / BARS as f64 - 1.0;
        html! {
            figure.wide {
                svg viewBox="0 0 576 200" role="img" aria-label="scores of good and bad pictures" {
                    @for (scores, class, is_up) in [(self.good, "good", true), (self.bad, "bad", false)] {
                        @let counts = self.counts(scores);
                        @let most = f64::from(counts.iter().copied().max().unwrap_or(0).max(1));
                        @for (index, count) in counts.iter().enumerate().filter(|(_, count)| 0 < **count) {
                            @let height = (f64::from(*count) / most * BAR_MAX).max(1.0);
                            @let left = 8.0 + index as f64 / BARS as f64 * WIDTH;
                            rect class=(class) x=(left) width=(bar_width) height=(format!("{height:.1}"))
                                y=(format!("{:.1}", if is_up { MIDDLE - height } else { MIDDLE + 1.0 })) {
                                title { (count) " " (class) }
                            }
                        }
                    }
                    line.axis x1="8" x2=(8.0 + WIDTH) y1=(MIDDLE) y2=(MIDDLE) {}
                    @for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
                        @let [low, high] = self.range;
                        text x=(8.0 + tick * WIDTH) y="182" text-anchor="middle" { (format!("{:.2}", low + tick * (high - low))) }
                    }
                    text x="288" y="196" text-anchor="middle" { "score" }
                    (self.marks())
                }
                figcaption {
                    span.key.good {} "good, upwards" span.key.bad {} "bad, downwards; each side to its own scale"
                }
            }
        }
    }

    /// A line for each threshold.
    fn marks(&self) -> Markup {
        html! {
            @for (row, (name, threshold)) in self.thresholds.iter().enumerate() {
                @let share = self.share(*threshold);
                @let x = 8.0 + share * WIDTH;
                @let is_right = 0.5 < share;
                line.threshold x1=(x) x2=(x) y1="12" y2="168" {}
                text x=(if is_right { x - 4.0 } else { x + 4.0 }) y=(10 + 12 * row)
                    text-anchor=(if is_right { "end" } else { "start" }) { (name) " " (format!("{threshold:.3}")) }
            }
        }
    }

    /// How far along the scale a score lies, 0 to 1.
    fn share(&self, score: f64) -> f64 {
        let [low, high] = self.range;
        ((score - low) / (high - low).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0)
    }

    fn counts(&self, scores: &[f64]) -> [u32; BARS] {
        let mut counts = [0_u32; BARS];
        for score in scores {
            let share = self.share(*score) * BARS as f64;
            let bar = (0..BARS)
                .rev()
                .find(|bar| *bar as f64 <= share)
                .unwrap_or(0);
            if let Some(count) = counts.get_mut(bar) {
                *count += 1;
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_score_is_counted_once_and_every_threshold_marked() {
        let histogram = Histogram {
            good: &[0.0, 0.26, 0.26, 0.9, -4.0],
            bad: &[0.55, 7.0],
            thresholds: &[("doubtful", 0.45), ("reject", 0.5)],
            range: [0.0, 1.0],
        };
        let counted = |scores| histogram.counts(scores).iter().sum::<u32>();
        assert_eq!((counted(histogram.good), counted(histogram.bad)), (5, 2));
        assert_eq!(histogram.counts(histogram.good)[0], 2);
        assert_eq!(histogram.counts(histogram.good)[10], 2);
        let text = histogram.draw().into_string();
        assert!(
            text.contains("doubtful 0.450") && text.contains("reject 0.500"),
            "{text}"
        );
        assert_eq!(text.matches("class=\"bad\"").count(), 2, "{text}");
    }

    #[test]
    fn scores_that_are_all_the_same_can_be_drawn() {
        let histogram = Histogram {
            good: &[0.5; 3],
            bad: &[],
            thresholds: &[("reject", 0.5)],
            range: [0.5, 0.5],
        };
        let text = histogram.draw().into_string();
        assert!(!text.contains("NaN") && text.contains("3 good"), "{text}");
    }
}
