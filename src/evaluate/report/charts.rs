//! Curves and histogram as SVG.

use maud::{Markup, html};

use super::super::metrics::ranking::{self, Cut, Scored};

/// Bars of the histogram.
const BARS: usize = 40;
/// Most points of a curve; more than a screen has pixels.
const POINTS_MAX: usize = 1500;

/// The drawing's place for the square of a curve: left, top, side.
const LEFT: f64 = 34.0;
const TOP: f64 = 8.0;
const SIDE: f64 = 230.0;

/// Where the gate itself stands on a curve.
pub(super) struct Operating {
    /// Share of good pictures called bad.
    pub(super) overkill: f64,
    /// Share of bad pictures that are not called OK.
    pub(super) recall: f64,
    /// Share of bad ones among those that are not called OK.
    pub(super) precision: Option<f64>,
}

/// Recall over overkill, and precision over recall.
pub(super) fn curves(scored: &[Scored], operating: &Operating) -> Markup {
    let ties = ranking::ties(scored);
    let (n_bad, n_good) = ranking::totals(ties.iter().copied());
    if n_bad == 0 || n_good == 0 {
        return html! {};
    }
    let cuts: Vec<Cut> = ranking::cuts(ties.iter().copied()).collect();
    let recall = |cut: &Cut| cut.n_found as f64 / n_bad as f64;
    let roc: Vec<(f64, f64)> = [(0.0, 0.0)]
        .into_iter()
        .chain(
            cuts.iter()
                .map(|cut| (cut.n_overkill as f64 / n_good as f64, recall(cut))),
        )
        .collect();
    let precision = |cut: &Cut| cut.n_found as f64 / (cut.n_found + cut.n_overkill) as f64;
    let pr: Vec<(f64, f64)> = cuts
        .iter()
        .map(|cut| (recall(cut), precision(cut)))
        .collect();
    let base = n_bad as f64 / (n_bad + n_good) as f64;
    html! {
        figure {
            (square(&roc, Some(((0.0, 0.0), (1.0, 1.0))), Some((operating.overkill, operating.recall)), ("overkill", "recall")))
            figcaption { "Recall over overkill at every threshold. The ring is the gate as it stands; dashed is chance." }
        }
        figure {
            (square(&pr, Some(((0.0, base), (1.0, base))), operating.precision.map(|one| (operating.recall, one)), ("recall", "precision")))
            figcaption { "Precision over recall. Dashed is the share of bad pictures in this set." }
        }
    }
}

type Point = (f64, f64);

fn place((x, y): Point) -> Point {
    (LEFT + x * SIDE, TOP + (1.0 - y) * SIDE)
}

fn square(
    points: &[Point],
    chance: Option<(Point, Point)>,
    at: Option<Point>,
    (across, up): (&str, &str),
) -> Markup {
    let step = points.len().div_ceil(POINTS_MAX).max(1);
    let last = points.len().saturating_sub(1);
    let line: Vec<String> = points
        .iter()
        .enumerate()
        .filter(|(index, _)| index % step == 0 || *index == last)
        .map(|(_, point)| {
            let (x, y) = place(*point);
            format!("{x:.1},{y:.1}")
        })
        .collect();
    let (right, bottom) = (LEFT + SIDE, TOP + SIDE);
    html! {
        svg viewBox="0 0 276 272" role="img" aria-label={ (up) " over " (across) } {
            @for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
                @let (x, y) = place((tick, tick));
                line.grid x1=(LEFT) x2=(right) y1=(y) y2=(y) {}
                line.grid x1=(x) x2=(x) y1=(TOP) y2=(bottom) {}
                text x=(LEFT - 4.0) y=(y + 3.0) text-anchor="end" { (tick) }
                text x=(x) y=(bottom + 12.0) text-anchor="middle" { (tick) }
            }
            text x=(LEFT + SIDE / 2.0) y=(bottom + 25.0) text-anchor="middle" { (across) }
            text x="8" y=(TOP + SIDE / 2.0) text-anchor="middle" transform={ "rotate(-90 8 " (TOP + SIDE / 2.0) ")" } { (up) }
            @if let Some((from, to)) = chance {
                @let ((x1, y1), (x2, y2)) = (place(from), place(to));
                line.chance x1=(x1) y1=(y1) x2=(x2) y2=(y2) {}
            }
            polyline.curve points=(line.join(" ")) {}
            @if let Some(at) = at {
                @let (x, y) = place(at);
                circle.at cx=(x) cy=(y) r="4.5" {
                    title { (format!("the gate: {across} {:.3}, {up} {:.3}", at.0, at.1)) }
                }
            }
        }
    }
}

/// Scores of good pictures upwards, of bad ones downwards, with the thresholds by name.
pub(super) fn histogram(scored: &[Scored], thresholds: &[(&str, f64)]) -> Markup {
    let (width, half, middle) = (560.0, 70.0, 92.0);
    let counts = |is_bad: bool| {
        let mut counts = [0_u32; BARS];
        for one in scored.iter().filter(|one| one.is_bad == is_bad) {
            let share = one.score.clamp(0.0, 1.0) * BARS as f64;
            let bar = (0..BARS)
                .rev()
                .find(|bar| *bar as f64 <= share)
                .unwrap_or(0);
            if let Some(count) = counts.get_mut(bar) {
                *count += 1;
            }
        }
        counts
    };
    let (good, bad) = (counts(false), counts(true));
    let most = |counts: &[u32; BARS]| f64::from(counts.iter().copied().max().unwrap_or(0).max(1));
    let across = |score: f64| 8.0 + score * width;
    let bar_width = width / BARS as f64 - 1.0;
    html! {
        figure.wide {
            svg viewBox="0 0 576 200" role="img" aria-label="scores of good and bad pictures" {
                @for (counts, class, is_up) in [(&good, "good", true), (&bad, "bad", false)] {
                    @let most = most(counts);
                    @for (index, count) in counts.iter().enumerate().filter(|(_, count)| 0 < **count) {
                        @let height = (f64::from(*count) / most * half).max(1.0);
                        @let left = across(index as f64 / BARS as f64);
                        rect class=(class) x=(left) width=(bar_width) height=(format!("{height:.1}"))
                            y=(format!("{:.1}", if is_up { middle - height } else { middle + 1.0 })) {
                            title { (count) " " (class) }
                        }
                    }
                }
                line.axis x1=(across(0.0)) x2=(across(1.0)) y1=(middle) y2=(middle) {}
                @for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
                    text x=(across(tick)) y="182" text-anchor="middle" { (tick) }
                }
                text x="288" y="196" text-anchor="middle" { "score" }
                @for (row, (name, threshold)) in thresholds.iter().enumerate() {
                    @let x = across(*threshold);
                    @let is_right = 0.5 < *threshold;
                    line.threshold x1=(x) x2=(x) y1="12" y2="168" {}
                    text x=(if is_right { x - 4.0 } else { x + 4.0 }) y=(10 + 12 * row)
                        text-anchor=(if is_right { "end" } else { "start" }) { (name) " " (format!("{threshold:.3}")) }
                }
            }
            figcaption {
                span.key.good {} "good, upwards" span.key.bad {} "bad, downwards; each side to its own scale"
            }
        }
    }
}
