//! The pictures of a report: what was judged wrongly, and what nearly was.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

use crate::domain::{Finding, Grade, PointPx, RectPx, Verdict};
use crate::source::read_frame;
use crate::vision::{draw_truth, encode_jpeg, regions};

use super::super::classes::named;
use super::super::mask::read_mask;
use super::super::run::Judged;
use super::super::set::{LabelledPicture, LabelledSet, TrueMask};
use super::Report;

/// Most pictures of a kind; what is over is said.
pub const PICTURES_MAX: usize = 150;
/// Most pictures near the threshold.
const NEAR_MAX: usize = 12;
/// Longest side of a picture.
const SIDE_MAX_PX: u32 = 480;
/// Quality of a picture.
const JPEG_QUALITY: u8 = 78;

/// Pictures under one heading.
pub(super) struct Kind<'a> {
    heading: &'static str,
    text: &'static str,
    pictures: Vec<(&'a LabelledPicture, &'a Judged)>,
}

/// What is shown: each escape, each overkill, what went to review, what was named wrongly, and the
/// nearest to the threshold of those that were right.
pub(super) fn kinds<'a>(report: &Report<'a>) -> Vec<Kind<'a>> {
    let Report {
        set, run, matching, ..
    } = report;
    let pairs = run.pictures.iter().filter_map(|judged| {
        let picture = set.pictures.get(judged.index)?;
        Some((picture, judged))
    });
    let all: Vec<(&LabelledPicture, &Judged)> = pairs.collect();
    let kind = |heading, text, fits: &dyn Fn(&LabelledPicture, &Judged) -> bool| Kind {
        heading,
        text,
        pictures: all
            .iter()
            .copied()
            .filter(|(picture, judged)| fits(picture, judged))
            .collect(),
    };
    let is_bad = |picture: &LabelledPicture| picture.truth.is_bad;
    let is_doubt = |judged: &Judged| judged.verdict.reason().is_some();
    let is_right = |picture: &LabelledPicture, judged: &Judged| {
        !is_doubt(judged) && is_bad(picture) == (judged.verdict != Verdict::Ok)
    };
    let is_misnamed = |picture: &LabelledPicture, judged: &Judged| {
        let named = matching
            .any()
            .then(|| named(picture, judged, matching))
            .flatten();
        named.is_some_and(|named| !named.is_right)
    };
    let (lowest, highest) = (1.0, -1.0);
    let mut near = kind(
        "Nearly wrong",
        "Judged rightly, with the scores nearest to the threshold.",
        &|picture, judged| is_right(picture, judged) && judged.score.is_some(),
    );
    let threshold = report.thresholds.map_or(0.5, |(doubtful, _)| doubtful);
    near.sort_by(|score| (score - threshold).abs());
    near.pictures.truncate(NEAR_MAX);
    vec![
        kind(
            "Escapes",
            "Bad parts that were called OK; the least suspicious first.",
            &|picture, judged| is_bad(picture) && judged.verdict == Verdict::Ok,
        )
        .sorted(lowest),
        kind(
            "Overkill",
            "Good parts that were called NG; the most suspicious first.",
            &|picture, judged| !is_bad(picture) && judged.verdict == Verdict::Ng,
        )
        .sorted(highest),
        kind(
            "Review",
            "Parts that the gate could not decide.",
            &|_, judged| is_doubt(judged),
        )
        .sorted(highest),
        kind(
            "Wrong class",
            "Called bad or good rightly, but by another name.",
            &|picture, judged| is_right(picture, judged) && is_misnamed(picture, judged),
        )
        .sorted(highest),
        near,
    ]
}

impl Kind<'_> {
    fn sort_by(&mut self, key: impl Fn(f64) -> f64) {
        let key = |judged: &Judged| key(judged.score.unwrap_or(0.0));
        self.pictures.sort_by(|a, b| key(a.1).total_cmp(&key(b.1)));
    }

    /// By score, upwards for 1 and downwards for -1.
    fn sorted(mut self, direction: f64) -> Self {
        self.sort_by(|score| score * direction);
        self
    }
}

/// Heading and pictures; nothing where there are none.
pub(super) fn section(set: &LabelledSet, kind: &Kind<'_>) -> Markup {
    let n = kind.pictures.len();
    if n == 0 {
        return html! {};
    }
    html! {
        h2 { (kind.heading) " (" (n) ")" }
        p.soft {
            (kind.text)
            @if PICTURES_MAX < n { " The first " (PICTURES_MAX) " are shown; all are in run.json." }
        }
        div.gallery {
            @for (picture, judged) in kind.pictures.iter().take(PICTURES_MAX) {
                (entry(set, picture, judged))
            }
        }
    }
}

fn entry(set: &LabelledSet, picture: &LabelledPicture, judged: &Judged) -> Markup {
    let classes: Vec<&str> = picture
        .truth
        .classes
        .iter()
        .filter_map(|class| set.classes.get(*class).map(String::as_str))
        .collect();
    let truth = match (picture.truth.is_bad, classes.as_slice()) {
        (false, _) => "good".to_owned(),
        (true, []) => "bad".to_owned(),
        (true, classes) => classes.join(", "),
    };
    html! {
        figure {
            @match drawn(picture, judged) {
                Ok(jpeg) => { img loading="lazy" alt=(picture.name) src={ "data:image/jpeg;base64," (STANDARD.encode(jpeg)) }; }
                Err(why) => { p.soft.small { (why) } }
            }
            figcaption {
                b { (picture.name) }
                br;
                (truth) " → " (judged.verdict)
                @if let Some(score) = judged.score { ", score " (format!("{score:.3}")) }
                @if !judged.note.is_empty() { br; (judged.note) }
                @for finding in strongest(&judged.findings) {
                    br; (finding.detection.class.name) " " (format!("{:.2}", finding.detection.score.get())) ", " (finding.because)
                }
            }
        }
    }
}

/// The three surest findings that count, or that were tolerated where none counts.
fn strongest(findings: &[Finding]) -> Vec<&Finding> {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by(|a, b| {
        let key = |finding: &Finding| (finding.grade, finding.detection.score.get());
        let ((grade_a, score_a), (grade_b, score_b)) = (key(a), key(b));
        grade_b.cmp(&grade_a).then(score_b.total_cmp(&score_a))
    });
    sorted.truncate(3);
    sorted
}

/// The picture with truth and findings as JPEG, or why there is none.
fn drawn(picture: &LabelledPicture, judged: &Judged) -> Result<Vec<u8>, String> {
    let text = |error: &dyn std::error::Error| crate::inspect::with_causes(error);
    let frame = read_frame("report", &picture.path).map_err(|error| text(&error))?;
    let found: Vec<Vec<PointPx>> = judged
        .findings
        .iter()
        .filter(|finding| finding.grade != Grade::Tolerated)
        .map(|finding| finding.detection.outline_px.clone())
        .collect();
    let truth = truth_outlines(picture, judged);
    let drawn = draw_truth(&frame, &truth, &found, SIDE_MAX_PX).map_err(|error| text(&error))?;
    let frame = drawn
        .into_frame("report", Instant::now())
        .map_err(|error| text(&error))?;
    encode_jpeg(&frame, JPEG_QUALITY).map_err(|error| text(&error))
}

/// The outlines of the true boxes or of the mask; none where the mask cannot be outlined.
fn truth_outlines(picture: &LabelledPicture, judged: &Judged) -> Vec<Vec<PointPx>> {
    let boxes = judged.boxes.truth.iter().map(|one| {
        let [x, y, width, height] = one.region;
        let region = RectPx {
            x: x - 0.5,
            y: y - 0.5,
            width,
            height,
        };
        region.corners().to_vec()
    });
    let of_mask = || {
        let TrueMask::Picture(path) = &picture.truth.mask else {
            return None;
        };
        let mask = read_mask(path)
            .ok()?
            .mapv(|value| f32::from(u8::from(0 < value)));
        let found = regions(mask.view(), 0.5, 1).ok()?;
        Some(
            found
                .into_iter()
                .map(|region| region.outline)
                .collect::<Vec<_>>(),
        )
    };
    boxes.chain(of_mask().into_iter().flatten()).collect()
}
