//! Answers about the whole input: classes, and how unlike the good parts it is.

use super::super::layout::{Activation, AnomalyForm, ImageScore, Layout, Range, ScoreForm};
use super::super::manifest::Manifest;
use super::super::output::{RawOutput, Role};
use super::{
    Found, Wanted, activate, check_probabilities, check_shapes, checked_score, output, pick,
};

/// The detections of a classifier.
pub(super) fn classes(
    manifest: &Manifest,
    raw: &RawOutput,
    wanted: Wanted,
) -> Result<Vec<Found>, String> {
    let Layout::ClassScores {
        confidence_threshold,
        good,
        form,
    } = manifest.layout
    else {
        return Err("this is no classifier".to_owned());
    };
    let scores = probabilities(raw, form)?;
    let threshold = wanted.or(confidence_threshold);
    let others = scores
        .iter()
        .copied()
        .enumerate()
        .filter(|(class, _)| *class != good);
    let found = |(class, score): (usize, f32)| Found::whole(manifest, class, score);
    let sure: Vec<_> = others
        .clone()
        .filter(|(_, score)| *score >= threshold)
        .map(found)
        .collect();
    let best = others.max_by(|(_, a), (_, b)| a.total_cmp(b));
    match (best, scores.get(good)) {
        // Nothing is sure, yet "good" is not the answer either: that is no pass in silence.
        (Some(best), Some(good)) if sure.is_empty() && best.1 >= *good => Ok(vec![found(best)]),
        _ => Ok(sure),
    }
}

fn probabilities(raw: &RawOutput, form: ScoreForm) -> Result<Vec<f32>, String> {
    let view = pick(output(raw, Role::Values)?, form.axes);
    if form.activation == Activation::None {
        check_probabilities(&view)?;
    }
    let mut scores: Vec<f32> = view.iter().copied().collect();
    activate(&mut scores, form.activation);
    Ok(scores)
}

/// The probability of each label; `None` for layouts that are no classifiers, or if they cannot be
/// trusted.
pub(in crate::model) fn label_scores(manifest: &Manifest, raw: &RawOutput) -> Option<Vec<f32>> {
    check_shapes(manifest, raw).ok()?;
    match manifest.layout {
        Layout::ClassScores { form, .. } => probabilities(raw, form).ok(),
        Layout::ClassMaps { .. }
        | Layout::AnomalyMap { .. }
        | Layout::AnomalyScore { .. }
        | Layout::Boxes { .. } => None,
    }
}

/// The detection of an anomaly model without a map.
pub(super) fn anomaly(manifest: &Manifest, raw: &RawOutput) -> Result<Vec<Found>, String> {
    let Layout::AnomalyScore {
        image_threshold,
        range,
    } = manifest.layout
    else {
        return Err("this is no anomaly score".to_owned());
    };
    let score = own_score(raw, Role::Values, range)?;
    let is_found = score >= image_threshold;
    Ok(is_found
        .then(|| Found::whole(manifest, 0, score))
        .into_iter()
        .collect())
}

/// The score that an output gives for the whole picture.
fn own_score(raw: &RawOutput, role: Role, range: Option<Range>) -> Result<f32, String> {
    let value = output(raw, role)?.iter().copied().next();
    let value = value.ok_or_else(|| "there is no score for the picture".to_owned())?;
    range.map_or_else(|| checked_score(value), |range| Ok(range.share(value)))
}

/// The graph's own score of the whole picture; `None` for layouts without, or if it cannot be trusted.
pub(in crate::model) fn image_score(manifest: &Manifest, raw: &RawOutput) -> Option<f32> {
    check_shapes(manifest, raw).ok()?;
    match manifest.layout {
        Layout::AnomalyScore { range, .. } => own_score(raw, Role::Values, range).ok(),
        Layout::AnomalyMap { form, .. } => picture_score(raw, form).ok()?,
        Layout::ClassMaps { .. } | Layout::ClassScores { .. } | Layout::Boxes { .. } => None,
    }
}

/// The score of the whole picture, where the map's greatest value is not all that counts.
pub(super) fn picture_score(raw: &RawOutput, form: AnomalyForm) -> Result<Option<f32>, String> {
    match form.image_score {
        ImageScore::OfMap => Ok(None),
        ImageScore::OfMapInRange(range) => {
            let map = output(raw, Role::Values)?;
            let most = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            Ok(Some(range.share(most)))
        }
        ImageScore::Own(range) => own_score(raw, Role::Score, range).map(Some),
    }
}
