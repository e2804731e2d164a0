//! Whether output, thresholds and labels of a manifest fit together.

use crate::domain::Class;

use super::super::manifest::Mistakes;
use super::file::{LayoutFile, OutputFile, ThresholdsFile};
use super::form::{Given, build};
use super::{Layout, Range, Task};

/// The label that means "no defect" where the manifest names no other.
const GOOD_LABEL: &str = "good";

/// Joins output, thresholds and labels; `None` after a mistake was noted.
pub(in crate::model) fn check_layout(
    task: Task,
    output: &OutputFile,
    thresholds: &ThresholdsFile,
    (labels, good_label): (&[Class], Option<&str>),
    mistakes: &mut Mistakes,
) -> Option<Layout> {
    let layout = output.layout;
    if let Some(of_layout) = layout.task()
        && of_layout != task
    {
        mistakes.note(format_args!(
            "`output.layout = \"{layout}\"` is no layout of `task = \"{task}\"`, it is one of \"{of_layout}\""
        ));
    }
    check_thresholds(layout, task, thresholds, mistakes);
    check_keys(output, task, mistakes);
    let good = match layout.task().unwrap_or(task) {
        Task::Classify => find_good(labels, good_label.unwrap_or(GOOD_LABEL), mistakes),
        Task::Detect | Task::Segment | Task::Anomaly => {
            if let Some(label) = good_label {
                mistakes.note(format_args!(
                    "`good_label = \"{}\"` belongs to `task = \"classify\"`; remove it",
                    label.escape_debug()
                ));
            }
            None
        }
    };
    if task == Task::Anomaly && labels.len() != 1 {
        mistakes.note(format_args!(
            "there are {} `[[labels]]`; an anomaly map has exactly one",
            labels.len()
        ));
    }
    let given = Given {
        thresholds,
        n_labels: labels.len(),
        good,
    };
    build(output, task, given, mistakes)
}

fn check_thresholds(
    layout: LayoutFile,
    task: Task,
    thresholds: &ThresholdsFile,
    mistakes: &mut Mistakes,
) {
    for (key, value) in thresholds.shares() {
        if let Some(value) = value {
            mistakes.share(&format!("thresholds.{key}"), value);
        }
    }
    let needed = layout.thresholds(layout.task().unwrap_or(task), thresholds);
    let there = thresholds
        .shares()
        .map(|(key, value)| (key, value.is_some()))
        .into_iter()
        .chain([("area_min_px", thresholds.area_min_px.is_some())]);
    for (key, there) in there {
        // Where doubles are suppressed they may vote.
        if key == "vote_iou_threshold" && needed.contains(&"iou_threshold") {
            continue;
        }
        match (needed.contains(&key), there) {
            (true, false) => mistakes.note(format_args!(
                "`thresholds.{key}` is missing; the layout \"{layout}\" needs it"
            )),
            (false, true) => mistakes.note(format_args!(
                "`thresholds.{key}` means nothing for the layout \"{layout}\"; remove it"
            )),
            (true, true) | (false, false) => {}
        }
    }
}

/// Keys of `[output]` that belong to some layouts only.
fn check_keys(output: &OutputFile, task: Task, mistakes: &mut Mistakes) {
    let layout = output.layout;
    let by_hand = layout == LayoutFile::Axes;
    let boxes_by_hand = by_hand && task == Task::Detect;
    let has_values = boxes_by_hand || by_hand && task == Task::Segment;
    let has_map = [LayoutFile::AnomalyMap, LayoutFile::AnomalyMapScore].contains(&layout)
        || by_hand && task == Task::Anomaly;
    let has_score = has_map || layout == LayoutFile::AnomalyScore;
    let has_labels = layout == LayoutFile::BoxesScoresLabels;
    let may_have_first = has_labels || boxes_by_hand;
    // (key, whether it is there, whether it must be, whether it may be)
    let keys = [
        (
            "first_label",
            output.first_label.is_some(),
            has_labels,
            may_have_first,
        ),
        ("map_range", output.map_range.is_some(), false, has_map),
        (
            "score_range",
            output.score_range.is_some(),
            false,
            has_score,
        ),
        (
            "map_region_px",
            output.map_region_px.is_some(),
            false,
            has_map,
        ),
        ("axes", !output.axes.is_empty(), by_hand, by_hand),
        ("values", !output.values.is_empty(), has_values, has_values),
        (
            "coordinates",
            output.coordinates.is_some(),
            boxes_by_hand,
            boxes_by_hand,
        ),
        ("activation", output.activation.is_some(), by_hand, by_hand),
    ];
    for (key, is_there, must_be, may_be) in keys {
        if must_be && !is_there {
            mistakes.note(format_args!(
                "`output.{key}` is missing; the layout \"{layout}\" needs it"
            ));
        } else if is_there && !may_be {
            mistakes.note(format_args!(
                "`output.{key}` means nothing for the layout \"{layout}\"; remove it"
            ));
        }
    }
    check_ranges(output, mistakes);
}

fn check_ranges(output: &OutputFile, mistakes: &mut Mistakes) {
    if let Some([x, y, width, height]) = output.map_region_px
        && (width == 0 || height == 0)
    {
        mistakes.note(format_args!(
            "`output.map_region_px = [{x}, {y}, {width}, {height}]` is empty; write x, y, width, \
             height on the input"
        ));
    }
    for (key, range) in [
        ("map_range", output.map_range),
        ("score_range", output.score_range),
    ] {
        let wrong = |range: &Range| {
            !(range.low.is_finite() && range.high.is_finite() && range.low < range.high)
        };
        if let Some(Range { low, high }) = range.filter(wrong) {
            mistakes.note(format_args!(
                "`output.{key} = [{low}, {high}]` is no range; write the number that counts as 0 \
                 and a greater one that counts as 1"
            ));
        }
    }
}

fn find_good(labels: &[Class], good_label: &str, mistakes: &mut Mistakes) -> Option<usize> {
    let good = labels.iter().position(|label| &*label.name == good_label);
    if good.is_none() {
        mistakes.note(format_args!(
            "no label is \"{}\"; name the label that means no defect with `good_label`",
            good_label.escape_debug()
        ));
    } else if labels.len() < 2 {
        mistakes.note("the good label is the only one; a classifier has a label for defects too");
    }
    good
}
