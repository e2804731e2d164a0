//! Outputs that are described by hand: what each axis is, and what each number of a box is.

use super::super::manifest::Mistakes;
use super::{
    Activation, Axes, BoxForm, BoxSource, ClassColumns, Corners, MapForm, OutputFile, ScoreForm,
};

/// Most axes of an output, and most words for the numbers of a box.
const WORDS_MAX: usize = 512;

/// Places of the wanted axes among `output.axes`; all others must be called `batch` or `one`.
fn find<const N: usize>(
    output: &OutputFile,
    wanted: [&str; N],
    mistakes: &mut Mistakes,
) -> Option<Axes<N>> {
    let mut at = [0; N];
    let mut is_whole = true;
    for (place, wanted) in at.iter_mut().zip(wanted) {
        let mut places = output
            .axes
            .iter()
            .enumerate()
            .filter(|(_, word)| *word == wanted);
        match (places.next(), places.next()) {
            (Some((found, _)), None) => *place = found,
            _ => is_whole = false,
        }
    }
    let others = |word: &&String| !wanted.contains(&word.as_str());
    is_whole &= output
        .axes
        .iter()
        .filter(others)
        .all(|word| word == "batch" || word == "one");
    if !is_whole {
        mistakes.note(format_args!(
            "`output.axes = {:?}` is not understood; write {} once each, and \"batch\" or \"one\" for \
             axes of one element",
            output.axes,
            wanted.map(|word| format!("\"{word}\"")).join(", ")
        ));
        return None;
    }
    Some(Axes::new(output.axes.len(), at))
}

/// Maps of classes; `values` says whether the first class is "good".
pub(super) fn maps(output: &OutputFile, mistakes: &mut Mistakes) -> Option<MapForm> {
    let values: Vec<&str> = output.values.iter().map(String::as_str).collect();
    let has_good = match values.as_slice() {
        ["good", "labels"] => true,
        ["labels"] => false,
        _ => {
            mistakes.note(format_args!(
                "`output.values = {values:?}` of maps is not understood; write [\"good\", \"labels\"] \
                 where the first class is no defect, else [\"labels\"]"
            ));
            return None;
        }
    };
    Some(MapForm {
        axes: find(output, ["classes", "rows", "columns"], mistakes)?,
        has_good,
        activation: output.activation?,
    })
}

pub(super) fn scores(output: &OutputFile, mistakes: &mut Mistakes) -> Option<ScoreForm> {
    Some(ScoreForm {
        axes: find(output, ["classes"], mistakes)?,
        activation: output.activation?,
    })
}

pub(super) fn anomaly(output: &OutputFile, mistakes: &mut Mistakes) -> Option<Axes<2>> {
    if output.activation != Some(Activation::None) {
        mistakes.note("`output.activation` of an anomaly map is \"none\"; use `output.map_range`");
    }
    find(output, ["rows", "columns"], mistakes)
}

/// The columns of a table of boxes, by the words in `output.values`.
pub(super) fn boxes(
    output: &OutputFile,
    n_labels: usize,
    mistakes: &mut Mistakes,
) -> Option<BoxForm> {
    let axes = find(output, ["detections", "values"], mistakes)?;
    let columns = columns(&output.values, n_labels);
    let at = |word: &str| {
        let mut found = columns
            .iter()
            .enumerate()
            .filter(|(_, other)| **other == word);
        match (found.next(), found.next()) {
            (Some((at, _)), None) => Some(at),
            _ => None,
        }
    };
    let Some((place, corners)) = place(at) else {
        mistakes.note(format_args!(
            "`output.values = {:?}` tells no place; write x1, y1, x2, y2, or cx, cy, width, height, \
             or x1, y1, width, height",
            output.values
        ));
        return None;
    };
    let known = |word: &&str| {
        let words = ["score", "objectness", "class", "label", "none", "skip"];
        words.contains(word) || corners_word(word)
    };
    if let Some(word) = columns.iter().find(|word| !known(word)) {
        mistakes.note(format_args!(
            "`output.values` has \"{}\"; write x1, y1, x2, y2, cx, cy, width, height, score, \
             objectness, class, labels (one number for each), none or skip",
            word.escape_debug()
        ));
        return None;
    }
    let classes = match (
        at("class"),
        columns.iter().position(|word| *word == "label"),
    ) {
        (Some(column), None) => ClassColumns::Index {
            column,
            first: usize::try_from(output.first_label.unwrap_or(0)).ok()?,
        },
        (None, Some(first)) => ClassColumns::Best {
            first,
            none: at("none"),
        },
        (None, None) if n_labels == 1 => ClassColumns::One,
        _ => {
            mistakes.note(format_args!(
                "`output.values = {:?}` tells no class; write \"class\" for its number or \"labels\" \
                 for a number for each label",
                output.values
            ));
            return None;
        }
    };
    Some(BoxForm {
        source: BoxSource::Table(axes),
        n_columns: columns.len(),
        place,
        corners,
        coordinates: output.coordinates?,
        factors: [at("score"), at("objectness")],
        classes,
        activation: output.activation?,
    })
}

/// The columns of the four numbers of a place, and what they are.
fn place(at: impl Fn(&str) -> Option<usize>) -> Option<([usize; 4], Corners)> {
    let forms = [
        (["x1", "y1", "x2", "y2"], Corners::LeftTopRightBottom),
        (["cx", "cy", "width", "height"], Corners::CentreAndSize),
        (["x1", "y1", "width", "height"], Corners::CornerAndSize),
    ];
    forms.into_iter().find_map(|(words, corners)| {
        let [a, b, c, d] = words.map(&at);
        Some(([a?, b?, c?, d?], corners))
    })
}

fn corners_word(word: &str) -> bool {
    ["x1", "y1", "x2", "y2", "cx", "cy", "width", "height"].contains(&word)
}

/// One word for each column: `labels` stands for as many as there are.
fn columns(values: &[String], n_labels: usize) -> Vec<&str> {
    let columns = values.iter().flat_map(|word| match word.as_str() {
        "labels" => vec!["label"; n_labels],
        // Only `labels` may say it.
        "label" => vec!["\"label\""],
        other => vec![other],
    });
    columns.take(WORDS_MAX).collect()
}
