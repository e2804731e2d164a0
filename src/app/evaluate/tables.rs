//! The figures of a run as tables.

use taktgate::evaluate::metrics::Interval;
use taktgate::evaluate::{Comparison, Confusion, Figures, Matching, RunForm, Share};

use crate::app::print::{note, say, table};

/// Most flipped parts that are named; all are in the report and in `--json`.
const FLIPPED_MAX: usize = 20;

pub(super) fn print(form: &RunForm, comparison: Option<&Comparison>) {
    let figures = &form.figures;
    verdicts(figures);
    headline(figures);
    by_class(figures);
    boxes(figures);
    if let Some(classes) = &figures.classes {
        confusion("true class \\ said", &classes.confusion);
    }
    let mut stages = table(&["stage", "median ms", "p95 ms"]);
    for one in &figures.stages {
        let [median, p95] = [one.median_ms, one.p95_ms].map(|ms| format!("{ms:.1}"));
        stages.add_row([one.stage.clone(), median, p95]);
    }
    say(stages);
    if let Some(comparison) = comparison {
        against(comparison);
    }
}

/// Classes that stand on one side only.
pub(super) fn say_what_does_not_fit(matching: &Matching) {
    let unknown = matching.unknown_classes();
    if !unknown.is_empty() {
        note(format!(
            "classes of the set that the model has no label for (`--map` joins them): {}",
            unknown.join(", ")
        ));
    }
    let unused = matching.unused_labels();
    if !unused.is_empty() && !matching.classes.is_empty() {
        note(format!(
            "labels of the model that the set does not have: {}",
            unused.join(", ")
        ));
    }
}

fn verdicts(figures: &Figures) {
    let rows = [("good", &figures.good), ("bad", &figures.bad)];
    let mut table = table(&["truth", "pictures", "OK", "NG", "INDETERMINATE"]);
    for (name, verdicts) in rows
        .into_iter()
        .filter(|(_, verdicts)| 0 < verdicts.total())
    {
        table.add_row([
            name.to_owned(),
            verdicts.total().to_string(),
            verdicts.ok.to_string(),
            verdicts.ng.to_string(),
            verdicts.doubts_by_reason(),
        ]);
    }
    say(table);
}

fn headline(figures: &Figures) {
    let mut table = table(&["figure", "value", "95 % interval", "from"]);
    for (name, share) in shares(figures) {
        if let Some(value) = share.share {
            let from = format!("{} of {}", share.n, share.of);
            let value = percent(value);
            table.add_row([
                name.to_owned(),
                value,
                interval(share.wilson, percent),
                from,
            ]);
        }
    }
    for (name, value, from) in plain(figures) {
        let spread = match (&figures.image, name) {
            (Some(image), IMAGE_AUROC) => interval(image.auroc_interval, decimal),
            _ => String::new(),
        };
        if let Some(value) = value {
            table.add_row([name.to_owned(), decimal(value), spread, from]);
        }
    }
    say(table);
}

const IMAGE_AUROC: &str = "image AUROC";

fn shares(figures: &Figures) -> Vec<(&'static str, &Share)> {
    let mut shares = vec![
        ("escapes (bad called OK)", &figures.escape),
        ("overkill (good called NG)", &figures.overkill),
        ("review (indeterminate)", &figures.review),
    ];
    if let Some(classes) = &figures.classes {
        shares.push(("right class", &classes.accuracy));
    }
    if let Some(image) = &figures.image {
        shares.extend(image.named_recalls());
    }
    shares
}

fn plain(figures: &Figures) -> Vec<(&'static str, Option<f64>, String)> {
    let mut all = Vec::new();
    if let Some(image) = &figures.image {
        let from = format!("{} bad, {} good pictures", image.n_bad, image.n_good);
        all.push((IMAGE_AUROC, image.auroc, from.clone()));
        all.push(("image AP", image.average_precision, from));
    }
    if let Some(classes) = &figures.classes {
        all.push(("macro AUROC of classes", classes.macro_auroc, String::new()));
    }
    if let Some(pixel) = &figures.pixel {
        let pictures = format!("{} pictures, {} regions", pixel.n_pictures, pixel.n_regions);
        let at = |threshold: Option<f64>| {
            threshold.map_or_else(String::new, |threshold| format!("threshold {threshold:.3}"))
        };
        all.push(("pixel AUROC", pixel.auroc, pictures.clone()));
        all.push(("pixel AP", pixel.average_precision, pictures.clone()));
        all.push(("AUPRO (limit 0.3)", pixel.aupro, pictures));
        all.push(("pixel F1", pixel.f1, at(pixel.threshold)));
        all.push(("best pixel F1", pixel.f1_best, at(pixel.f1_best_threshold)));
    }
    if let Some(boxes) = &figures.boxes {
        all.push(("mAP 0.5", boxes.map_50, String::new()));
        all.push(("mAP 0.5:0.95", boxes.map_50_95, String::new()));
    }
    all
}

fn by_class(figures: &Figures) {
    if figures.by_class.is_empty() {
        return;
    }
    let mut table = table(&[
        "defect",
        "pictures",
        "OK",
        "NG",
        "INDETERMINATE",
        "escapes",
        "95 % interval",
    ]);
    for one in &figures.by_class {
        table.add_row([
            one.class.clone(),
            one.verdicts.total().to_string(),
            one.verdicts.ok.to_string(),
            one.verdicts.ng.to_string(),
            one.verdicts.doubts_by_reason(),
            one.escape.share.map_or_else(String::new, percent),
            interval(one.escape.wilson, percent),
        ]);
    }
    say(table);
}

fn boxes(figures: &Figures) {
    let Some(boxes) = &figures.boxes else {
        return;
    };
    let mut table = table(&["class", "true boxes", "found", "AP 0.5", "AP 0.5:0.95"]);
    let value = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), decimal);
    for (name, class) in &boxes.classes {
        table.add_row([
            name.clone(),
            class.n_truth.to_string(),
            class.n_found.to_string(),
            value(class.ap_50),
            value(class.ap_50_95),
        ]);
    }
    say(table);
    confusion("true box \\ found", &boxes.confusion);
}

fn confusion(corner: &str, confusion: &Confusion) {
    let header: Vec<&str> = [corner]
        .into_iter()
        .chain(confusion.columns.iter().map(String::as_str))
        .collect();
    let mut table = table(&header);
    for (name, counts) in confusion.rows.iter().zip(&confusion.counts) {
        let cells = counts.iter().map(u64::to_string);
        table.add_row([name.clone()].into_iter().chain(cells));
    }
    say(table);
}

fn against(comparison: &Comparison) {
    let mut table = table(&["figure", "before", "now", "difference"]);
    for pair in &comparison.figures {
        let value = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), decimal);
        let difference = pair.before.zip(pair.now);
        let difference = difference.map_or_else(String::new, |(a, b)| format!("{:+.4}", b - a));
        table.add_row([
            pair.name.clone(),
            value(pair.before),
            value(pair.now),
            difference,
        ]);
    }
    say(table);
    say(format!(
        "only the earlier run is right about {}, only this one about {}: p = {:.3} (McNemar, exact)",
        comparison.n_only_before_right, comparison.n_only_now_right, comparison.mcnemar_p
    ));
    if let Some(auroc) = &comparison.auroc {
        say(format!(
            "image AUROC {:+.4}, 95 % interval {:+.4} to {:+.4}, p = {:.3} (DeLong)",
            auroc.difference, auroc.interval.low, auroc.interval.high, auroc.p_value
        ));
    }
    say(format!(
        "{} parts have another verdict",
        comparison.flipped.len()
    ));
    for flip in comparison.flipped.iter().take(FLIPPED_MAX) {
        let truth = if flip.is_bad { "bad" } else { "good" };
        let turn = match (flip.was_right, flip.is_right) {
            (false, true) => "better",
            (true, false) => "WORSE",
            _ => "the same to the line",
        };
        say(format!(
            "  {} ({truth}): {} -> {}, {turn}",
            flip.name, flip.before, flip.now
        ));
    }
    let n = comparison.flipped.len();
    if FLIPPED_MAX < n {
        say(format!("  and {} more", n - FLIPPED_MAX));
    }
}

fn decimal(value: f64) -> String {
    format!("{value:.4}")
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn interval(interval: Option<Interval>, write: fn(f64) -> String) -> String {
    interval.map_or_else(String::new, |one| {
        format!("{} to {}", write(one.low), write(one.high))
    })
}
