//! The report as one page: warnings, histogram, facts, pictures.

use crate::page::{Histogram, Markup, figure, html, page};

use super::histogram::Scores;

/// What stands on the page.
#[derive(Debug)]
pub(super) struct Page {
    /// Its heading.
    pub(super) title: String,
    /// One sentence below it.
    pub(super) summary: &'static str,
    /// What a person must know, most important first.
    pub(super) warnings: Vec<String>,
    /// Key and value.
    pub(super) facts: Vec<(&'static str, String)>,
    /// The scores of all known parts.
    pub(super) scores: Scores,
    /// Sections with pictures.
    pub(super) galleries: Vec<Gallery>,
}

/// Pictures under one heading.
#[derive(Debug)]
pub(super) struct Gallery {
    pub(super) heading: &'static str,
    pub(super) text: &'static str,
    pub(super) pictures: Vec<Shown>,
}

/// A picture with what is said below it.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) name: String,
    pub(super) said: String,
    pub(super) jpeg: Vec<u8>,
}

impl Page {
    /// The page as HTML.
    pub(super) fn html(&self) -> String {
        let body = html! {
            h1 { (self.title) }
            p.soft { (self.summary) }
            @for warning in &self.warnings {
                p.warning { (warning) }
            }
            h2 { "Scores" }
            (histogram(&self.scores))
            h2 { "What was chosen and measured" }
            div.scroll {
                table {
                    @for (key, value) in &self.facts {
                        tr { td.soft { (key) } td.left { (value) } }
                    }
                }
            }
            @for gallery in &self.galleries {
                (section(gallery))
            }
        };
        page(&self.title, &body)
    }
}

fn histogram(scores: &Scores) -> Markup {
    let wide = |scores: &[f32]| -> Vec<f64> { scores.iter().copied().map(f64::from).collect() };
    let histogram = Histogram {
        good: &wide(&scores.good),
        bad: &wide(&scores.bad),
        thresholds: &[
            ("doubtful", scores.score_doubtful.into()),
            ("reject", scores.score_reject.into()),
        ],
        range: scores.range().map(f64::from),
    };
    histogram.draw()
}

fn section(gallery: &Gallery) -> Markup {
    html! {
        h2 { (gallery.heading) }
        p.soft { (gallery.text) }
        div.gallery {
            @for shown in &gallery.pictures {
                (figure(&shown.name, Ok(&shown.jpeg), &html! { b { (shown.name) } br; (shown.said) }))
            }
        }
    }
}
