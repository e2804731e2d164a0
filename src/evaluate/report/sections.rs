//! The parts of a report that are text and tables.

use crate::page::{Markup, html};

use super::super::classes::Confusion;
use super::super::compare::Comparison;
use super::super::figures::{Figures, Share};
use super::super::form::RunForm;
use super::words::{decimal, interval, or_dash, percent, share_of, table};

pub(super) fn head(form: &RunForm, title: &str) -> Markup {
    let split = form.set.split.as_ref();
    let split = split.map_or_else(String::new, |split| format!(", split {split}"));
    html! {
        h1 { (title) }
        p.soft {
            (form.pictures.len()) " labelled pictures (" (form.set.format) (split) "), judged by taktgate "
            (form.software_version) " at " (form.made_at_utc.strftime("%Y-%m-%d %H:%M UTC"))
            ". Pictures are ranked by the scores of " (form.subject.ranked_by) "."
        }
    }
}

/// The figures that are looked for first.
pub(super) fn tiles(figures: &Figures) -> Markup {
    let share = |name: &'static str, share: &Share| {
        let value = share_of(share);
        let from = format!(
            "{} of {}; {}",
            share.n,
            share.of,
            interval(share.wilson, percent)
        );
        share.share.map(|_| (name, value, from))
    };
    let plain = |name: &'static str, value: Option<f64>, from: String| {
        value.map(|value| (name, decimal(value), from))
    };
    let image = figures.image.as_ref();
    let pixel = figures.pixel.as_ref();
    let boxes = figures.boxes.as_ref();
    let all = [
        share("Escapes", &figures.escape),
        share("Overkill", &figures.overkill),
        share("Review", &figures.review),
        figures
            .classes
            .as_ref()
            .and_then(|classes| share("Right class", &classes.accuracy)),
        plain(
            "Image AUROC",
            image.and_then(|image| image.auroc),
            interval(image.and_then(|image| image.auroc_interval), decimal),
        ),
        plain(
            "Pixel AUROC",
            pixel.and_then(|pixel| pixel.auroc),
            String::new(),
        ),
        plain(
            "AUPRO",
            pixel.and_then(|pixel| pixel.aupro),
            "up to 30 % of good pixels".to_owned(),
        ),
        plain(
            "Pixel F1",
            pixel.and_then(|pixel| pixel.f1),
            "at the package's threshold".to_owned(),
        ),
        plain(
            "mAP 0.5",
            boxes.and_then(|boxes| boxes.map_50),
            String::new(),
        ),
        plain(
            "mAP 0.5:0.95",
            boxes.and_then(|boxes| boxes.map_50_95),
            String::new(),
        ),
    ];
    html! {
        div.tiles {
            @for (name, value, from) in all.into_iter().flatten() {
                div.tile {
                    div.name { (name) }
                    div.value { (value) }
                    div.from { (from) }
                }
            }
        }
        p.soft.small { "Ranges are 95 % intervals (Wilson for shares, Newcombe for the AUROC)." }
    }
}

pub(super) fn verdicts(figures: &Figures) -> Markup {
    let rows: Vec<Vec<String>> = [("good", &figures.good), ("bad", &figures.bad)]
        .into_iter()
        .filter(|(_, verdicts)| 0 < verdicts.total())
        .map(|(name, verdicts)| {
            vec![
                name.to_owned(),
                verdicts.total().to_string(),
                verdicts.ok.to_string(),
                verdicts.ng.to_string(),
                verdicts.doubts_by_reason(),
            ]
        })
        .collect();
    html! {
        h2 { "Verdicts" }
        (table(&["truth", "pictures", "OK", "NG", "INDETERMINATE"], &rows))
    }
}

/// All figures with both intervals.
pub(super) fn measures(figures: &Figures) -> Markup {
    let mut shares = vec![
        ("escapes", &figures.escape),
        ("overkill", &figures.overkill),
        ("review", &figures.review),
    ];
    if let Some(image) = &figures.image {
        shares.extend(image.named_recalls());
    }
    let rows: Vec<Vec<String>> = shares
        .into_iter()
        .filter(|(_, share)| share.share.is_some())
        .map(|(name, share)| {
            vec![
                name.to_owned(),
                share_of(share),
                format!("{} of {}", share.n, share.of),
                interval(share.wilson, percent),
                interval(share.clopper_pearson, percent),
            ]
        })
        .collect();
    let pixel = figures.pixel.iter().map(|pixel| {
        let from = format!(
            "{} pictures, {} regions, {} bad and {} good pixels",
            pixel.n_pictures, pixel.n_regions, pixel.n_bad, pixel.n_good
        );
        let at = |threshold: Option<f64>| {
            threshold.map_or_else(String::new, |at| format!(" at {at:.3}"))
        };
        html! {
            p {
                "Pixels: AUROC " (or_dash(pixel.auroc)) " (binning changes it by at most "
                (format!("{:.0e}", pixel.auroc_error_max)) "), AP " (or_dash(pixel.average_precision))
                ", AUPRO " (or_dash(pixel.aupro)) ", F1 " (or_dash(pixel.f1)) (at(pixel.threshold))
                ", best F1 " (or_dash(pixel.f1_best)) (at(pixel.f1_best_threshold)) "."
            }
            p.soft.small { (from) }
        }
    });
    html! {
        h2 { "Figures" }
        (table(&["figure", "share", "from", "Wilson 95 %", "Clopper-Pearson 95 %"], &rows))
        @for one in pixel { (one) }
    }
}

pub(super) fn by_class(figures: &Figures) -> Markup {
    if figures.by_class.is_empty() {
        return html! {};
    }
    let rows: Vec<Vec<String>> = figures
        .by_class
        .iter()
        .map(|one| {
            vec![
                one.class.clone(),
                one.verdicts.total().to_string(),
                one.verdicts.ok.to_string(),
                one.verdicts.ng.to_string(),
                one.verdicts.doubts_by_reason(),
                share_of(&one.escape),
                interval(one.escape.wilson, percent),
            ]
        })
        .collect();
    let header = [
        "defect",
        "pictures",
        "OK",
        "NG",
        "INDETERMINATE",
        "escapes",
        "95 %",
    ];
    html! {
        h2 { "Verdicts by defect" }
        (table(&header, &rows))
    }
}

pub(super) fn boxes(figures: &Figures) -> Markup {
    let Some(boxes) = &figures.boxes else {
        return html! {};
    };
    let rows: Vec<Vec<String>> = boxes
        .classes
        .iter()
        .map(|(name, class)| {
            vec![
                name.clone(),
                class.n_truth.to_string(),
                class.n_found.to_string(),
                or_dash(class.ap_50),
                or_dash(class.ap_50_95),
            ]
        })
        .collect();
    html! {
        h2 { "Boxes" }
        (table(&["class", "true", "found", "AP 0.5", "AP 0.5:0.95"], &rows))
        p.soft.small { "As COCO's evaluation: all areas, at most 100 boxes a picture and class. \"found\" counts boxes of any score." }
        (matrix("true box \\ found", &boxes.confusion))
        p.soft.small { "Findings at the gate's thresholds against true boxes, overlap 0.5 or more." }
    }
}

pub(super) fn confusion(figures: &Figures) -> Markup {
    let Some(classes) = &figures.classes else {
        return html! {};
    };
    html! {
        h2 { "Classes" }
        p {
            "Right: " (share_of(&classes.accuracy)) " (" (classes.accuracy.n) " of " (classes.accuracy.of) ")"
            @if let Some(auroc) = classes.macro_auroc { ", macro AUROC " (decimal(auroc)) }
            @if 0 < classes.n_several { "; not counted are pictures with several classes: " (classes.n_several) }
            "."
        }
        (matrix("true \\ said", &classes.confusion))
    }
}

/// A matrix, cells shaded by their share of the row.
fn matrix(corner: &str, confusion: &Confusion) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { th { (corner) } @for name in &confusion.columns { th { (name) } } } }
                tbody {
                    @for (name, counts) in confusion.rows.iter().zip(&confusion.counts) {
                        @let total = counts.iter().sum::<u64>().max(1) as f64;
                        tr {
                            td { (name) }
                            @for count in counts {
                                td style=(format!("background: rgba(var(--cell), {:.2})", 0.55 * *count as f64 / total)) { (count) }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn comparison(comparison: &Comparison) -> Markup {
    let rows: Vec<Vec<String>> = comparison
        .figures
        .iter()
        .map(|pair| {
            let difference = pair.before.zip(pair.now);
            vec![
                pair.name.replace('_', " "),
                or_dash(pair.before),
                or_dash(pair.now),
                difference.map_or_else(String::new, |(a, b)| format!("{:+.4}", b - a)),
            ]
        })
        .collect();
    html! {
        h2 { "Against the earlier run" }
        p {
            "Only the earlier run is right about " (comparison.n_only_before_right) " pictures, only this one about "
            (comparison.n_only_now_right) ": p = " (format!("{:.3}", comparison.mcnemar_p)) " (McNemar, exact). Right is a good part that passes and a bad one that does not."
        }
        @if let Some(auroc) = &comparison.auroc {
            p {
                "Image AUROC " (format!("{:+.4}", auroc.difference)) ", 95 % interval "
                (format!("{:+.4} to {:+.4}", auroc.interval.low, auroc.interval.high))
                ", p = " (format!("{:.3}", auroc.p_value)) " (DeLong)."
            }
        }
        (table(&["figure", "before", "now", "difference"], &rows))
        @if !comparison.flipped.is_empty() {
            details open[comparison.flipped.len() <= 30] {
                summary { (comparison.flipped.len()) " parts have another verdict" }
                div.scroll { table {
                    thead { tr { th { "picture" } th.left { "truth" } th.left { "before" } th.left { "now" } th.left { "" } } }
                    tbody { @for flip in &comparison.flipped { tr {
                        td { (flip.name) }
                        td.left { (if flip.is_bad { "bad" } else { "good" }) }
                        td.left { (flip.before) }
                        td.left { (flip.now) }
                        @match (flip.was_right, flip.is_right) {
                            (false, true) => { td.left.better { "better" } }
                            (true, false) => { td.left.worse { "worse" } }
                            _ => { td.left.soft { "the same to the line" } }
                        }
                    } } }
                } }
            }
        }
    }
}

pub(super) fn stages(figures: &Figures) -> Markup {
    let rows: Vec<Vec<String>> = figures
        .stages
        .iter()
        .map(|one| {
            let ms = |value: f64| format!("{value:.2}");
            vec![one.stage.clone(), ms(one.median_ms), ms(one.p95_ms)]
        })
        .collect();
    html! {
        h2 { "Milliseconds a picture" }
        (table(&["stage", "median", "p95"], &rows))
    }
}

pub(super) fn left_out(form: &RunForm) -> Markup {
    if form.left_out.is_empty() {
        return html! {};
    }
    html! {
        h2 { "Not measured, or not wholly (" (form.left_out.len()) ")" }
        details open[form.left_out.len() <= 10] {
            summary { "the list" }
            ul.small { @for one in &form.left_out { li { b { (one.what) } ": " (one.why) } } }
        }
    }
}

/// Versions and hashes of everything.
pub(super) fn origin(form: &RunForm) -> Markup {
    let subject = &form.subject;
    let items = [
        ("recipe", std::slice::from_ref(&subject.recipe)),
        ("model", &subject.models[..]),
        ("calibration", &subject.calibrations[..]),
    ];
    html! {
        h2 { "What was used" }
        div.scroll { table.small {
            @for (kind, items) in items { @for item in items {
                tr { td { (kind) } td.left { (item.name) " " (item.version) } td.left { code { (item.sha256) } } }
            } }
            tr { td { "set" } td.left { (form.set.path.display()) } td.left { code { (form.set.sha256) } } }
        } }
    }
}
