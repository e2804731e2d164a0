//! A run as one HTML file that needs nothing else: figures, curves, and the pictures of what went wrong.

mod charts;
mod gallery;
mod sections;
mod words;

use maud::{DOCTYPE, PreEscaped, html};

use super::compare::Comparison;
use super::figures::scored;
use super::form::RunForm;
use super::matching::Matching;
use super::run::Run;
use super::set::LabelledSet;

use charts::Operating;

pub use gallery::PICTURES_MAX;

const STYLE: &str = include_str!("style.css");

/// What the report is about.
pub struct Report<'a> {
    /// The set.
    pub set: &'a LabelledSet,
    /// The run.
    pub run: &'a Run,
    /// Classes beside labels.
    pub matching: &'a Matching,
    /// The run as it is kept.
    pub form: &'a RunForm,
    /// The comparison with an earlier run.
    pub comparison: Option<&'a Comparison>,
    /// The smallest scores from which a finding is doubtful and from which it is rejected.
    pub thresholds: Option<(f64, f64)>,
}

/// Writes the report. Pictures are read and drawn anew; at most [`PICTURES_MAX`] of a kind are shown.
pub fn report(report: &Report<'_>) -> String {
    let Report {
        set,
        run,
        form,
        comparison,
        thresholds,
        ..
    } = report;
    let figures = &form.figures;
    let scored = scored(set, run);
    let title = format!(
        "{} on {}",
        form.subject.recipe.name,
        form.set.path.display()
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (sections::head(form, &title))
                (sections::tiles(figures))
                (sections::verdicts(figures))
                @if let Some(comparison) = comparison { (sections::comparison(comparison)) }
                @if !scored.is_empty() {
                    h2 { "Scores" }
                    (charts::histogram(&scored, &thresholds_by_name(*thresholds)))
                    div.charts { (charts::curves(&scored, &operating(form))) }
                }
                (sections::measures(figures))
                (sections::by_class(figures))
                (sections::boxes(figures))
                (sections::confusion(figures))
                p.soft.small.legend { span.key.truth {} "truth" span.key.found {} "findings that count, in the pictures below" }
                @for kind in gallery::kinds(report) {
                    (gallery::section(set, &kind))
                }
                (sections::stages(figures))
                (sections::left_out(form))
                (sections::origin(form))
            }
        }
    };
    page.into_string()
}

fn thresholds_by_name(thresholds: Option<(f64, f64)>) -> Vec<(&'static str, f64)> {
    match thresholds {
        None => Vec::new(),
        Some((doubtful, reject)) if reject <= doubtful => vec![("reject", reject)],
        Some((doubtful, reject)) => vec![("doubtful", doubtful), ("reject", reject)],
    }
}

/// The gate's own place on the curves: everything that is not OK is called bad.
fn operating(form: &RunForm) -> Operating {
    let (good, bad) = (&form.figures.good, &form.figures.bad);
    let held = |verdicts: &super::figures::Verdicts| (verdicts.total() - verdicts.ok) as f64;
    let called = held(good) + held(bad);
    Operating {
        overkill: held(good) / (good.total().max(1)) as f64,
        recall: held(bad) / (bad.total().max(1)) as f64,
        precision: (0.0 < called).then(|| held(bad) / called),
    }
}
