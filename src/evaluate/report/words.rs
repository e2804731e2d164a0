//! How figures are written in a report.

use crate::page::{Markup, html};

use super::super::figures::Share;
use super::super::metrics::Interval;

pub(super) fn decimal(value: f64) -> String {
    format!("{value:.4}")
}

pub(super) fn percent(share: f64) -> String {
    // Enough digits for a share of a few parts in many thousand.
    if 0.0 < share && share < 0.001 {
        format!("{:.3} %", share * 100.0)
    } else {
        format!("{:.1} %", share * 100.0)
    }
}

pub(super) fn or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), decimal)
}

pub(super) fn interval(interval: Option<Interval>, write: fn(f64) -> String) -> String {
    interval.map_or_else(String::new, |one| {
        format!("{} to {}", write(one.low), write(one.high))
    })
}

pub(super) fn share_of(share: &Share) -> String {
    share.share.map_or_else(|| "–".to_owned(), percent)
}

/// A table whose first column is words and whose others are figures.
pub(super) fn table(header: &[&str], rows: &[Vec<String>]) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { @for cell in header { th { (cell) } } } }
                tbody {
                    @for row in rows { tr { @for cell in row { td { (cell) } } } }
                }
            }
        }
    }
}
