//! How far two answers of a model are apart: number by number, or detection by detection.

use crate::domain::{Detection, PointPx};

use super::decode::{self, Wanted, iou};
use super::layout::Layout;
use super::manifest::Manifest;
use super::output::{RawOutput, Role};

/// How much two boxes must overlap to be of the same detection: numbers within the tolerance may
/// move a cell over the threshold, and the outline with it.
pub(super) const IOU_MIN: f64 = 0.75;
/// Lists are compared from this share of the confidence threshold on: what is further down is noise
/// that no verdict depends on.
const LIST_SHARE_MIN: f32 = 0.5;

/// How far two lists of boxes are apart.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct ListDifference {
    /// Of any score.
    pub(super) score: f32,
    /// Of any edge.
    pub(super) place_px: f32,
}

/// The largest difference of each output, number by number.
///
/// # Errors
/// Where the shapes differ.
pub(super) fn numbers(expected: &RawOutput, found: &RawOutput) -> Result<Vec<(Role, f32)>, String> {
    let mut all = Vec::new();
    for (role, expected) in expected.tensors() {
        let values = found
            .tensor(role)
            .ok_or_else(|| format!("the output {role} is missing"))?;
        if expected.shape() != values.shape() {
            return Err(format!(
                "the output's shape is {:?} where {:?} was exported",
                values.shape(),
                expected.shape()
            ));
        }
        let largest = expected
            .iter()
            .zip(values)
            .fold(0.0_f32, |largest, (a, b)| largest.max((a - b).abs()));
        all.push((role, largest));
    }
    Ok(all)
}

/// Compares boxes that the graph itself chose and ordered: each needs a partner of its class and
/// place, whatever the order. A box may be missing only at the very end of the list.
///
/// # Errors
/// Which box has no partner, or what cannot be decoded.
pub(super) fn lists(
    manifest: &Manifest,
    expected: &RawOutput,
    found: &RawOutput,
    score_tolerance: f32,
) -> Result<ListDifference, String> {
    let Layout::Boxes {
        confidence_threshold,
        ..
    } = manifest.layout
    else {
        return Err("this is no list of boxes".to_owned());
    };
    let floor = confidence_threshold * LIST_SHARE_MIN;
    let same_place = |point: PointPx| point;
    let all = |raw| decode::decode(manifest, raw, &same_place, Wanted::From(floor));
    pair(&all(expected)?, &all(found)?, floor + score_tolerance)
}

/// The differences of boxes that belong together; those below `score_min` need no partner.
pub(super) fn pair(
    expected: &[Detection],
    found: &[Detection],
    score_min: f32,
) -> Result<ListDifference, String> {
    let mut open: Vec<&Detection> = found.iter().collect();
    let mut largest = ListDifference::default();
    for wanted in expected {
        let overlaps = open
            .iter()
            .enumerate()
            .filter(|(_, other)| other.class == wanted.class)
            .map(|(at, other)| (at, other, iou(&other.region_px, &wanted.region_px)))
            .filter(|(_, _, overlap)| *overlap >= IOU_MIN);
        // Boxes may lie on each other: the score tells which belong together.
        let apart = |other: &Detection, overlap: f64| {
            let score = f64::from(other.score.get() - wanted.score.get());
            1.0 - overlap + score.abs()
        };
        let best = overlaps
            .map(|(at, other, overlap)| (at, apart(other, overlap)))
            .min_by(|(_, a), (_, b)| a.total_cmp(b));
        let Some((at, _)) = best else {
            if wanted.score.get() > score_min {
                return Err(format!("{} is missing", told(&[wanted])));
            }
            continue;
        };
        let other = open.swap_remove(at);
        largest.score = largest
            .score
            .max((other.score.get() - wanted.score.get()).abs());
        largest.place_px = largest.place_px.max(edges_apart_px(wanted, other));
    }
    match open.iter().find(|other| other.score.get() > score_min) {
        None => Ok(largest),
        Some(other) => Err(format!("{} was not exported", told(&[*other]))),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a distance within a picture needs few digits"
)]
fn edges_apart_px(a: &Detection, b: &Detection) -> f32 {
    let edges = |detection: &Detection| {
        let region = detection.region_px;
        [
            region.x,
            region.y,
            region.x + region.width,
            region.y + region.height,
        ]
    };
    let pairs = edges(a).into_iter().zip(edges(b));
    pairs.fold(0.0_f64, |most, (a, b)| most.max((a - b).abs())) as f32
}

/// Whether each detection has its own partner of the same class and place.
pub(super) fn same_detections(
    expected: &[Detection],
    found: &[Detection],
    score_difference_max: f32,
) -> bool {
    pair(expected, found, 0.0).is_ok_and(|largest| largest.score <= score_difference_max)
        && expected.len() == found.len()
}

/// Detections for a message.
pub(super) fn told(detections: &[&Detection]) -> String {
    if detections.is_empty() {
        return "nothing is detected".to_owned();
    }
    let each: Vec<_> = detections
        .iter()
        .take(5)
        .map(|detection| {
            let (region, score) = (detection.region_px, detection.score.get());
            format!(
                "{} {score:.3} at ({:.0}, {:.0})",
                detection.class.name, region.x, region.y
            )
        })
        .collect();
    format!("{} detected: {}", detections.len(), each.join(", "))
}
