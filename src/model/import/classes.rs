//! Graphs that only the shape and the numbers of an output tell apart.

use super::super::graph::Port;
use super::super::layout::{LayoutFile, OutputFile, Task, ThresholdsFile};
use super::Signature;
use super::anomalib::anomaly_reading;
use super::families::{Family, Reading, boxes_thresholds, imagenet, zero_to_one};
use super::preparation::{Color, Preparation, ResizeWord};
use crate::vision::Interpolation;

/// The cells that one-stage detectors use.
const CELLS_PX: [usize; 3] = [8, 16, 32];

/// What an only output can be.
pub(super) fn by_shape(
    signature: &Signature,
    (family, task): (Option<Family>, Option<Task>),
    n_labels: Option<usize>,
) -> Option<Reading> {
    let port = signature.outputs.iter().find(|port| port.is_number())?;
    match *signature.sides(port).as_slice() {
        [_, classes] if task.is_none_or(|task| task == Task::Classify) => {
            Some(classifier(signature, port, classes))
        }
        [_, channels, _, _] => match task {
            Some(Task::Anomaly) => {
                let output = OutputFile::one(LayoutFile::AnomalyMap, &port.name);
                let because = "its output is a map of one channel, and the task is anomaly";
                Some(anomaly_reading(Family::Anomalib1, because, output))
            }
            None | Some(Task::Segment) => Some(maps(signature, port, channels, n_labels)),
            Some(Task::Classify | Task::Detect) => None,
        },
        [_, a, b] if task.is_none_or(|task| task == Task::Detect) => {
            boxes(signature, port, [a, b], (family, n_labels))
        }
        _ => None,
    }
}

/// One number for each class.
fn classifier(signature: &Signature, port: &Port, n_classes: usize) -> Reading {
    let name = &port.name;
    let are_scores = signature.probe.are_shares(name) && signature.probe.adds_up(name, 1);
    let (layout, words) = if are_scores {
        (LayoutFile::ClassScores, "that add up to 1")
    } else {
        (LayoutFile::Logits, "that are no probabilities yet")
    };
    Reading {
        n_labels: Some(n_classes),
        usual: Preparation {
            resize: Some(ResizeWord::Crop),
            crop_fraction: Some(0.875),
            ..imagenet()
        },
        thresholds: [
            ThresholdsFile::default(),
            ThresholdsFile {
                confidence_threshold: Some(0.5),
                ..ThresholdsFile::default()
            },
        ],
        ..Reading::new(
            Family::Classifier,
            format!("its output `{name}` has {n_classes} numbers {words}"),
            Task::Classify,
            OutputFile::one(layout, name),
        )
    }
}

/// A map for each class.
fn maps(signature: &Signature, port: &Port, channels: usize, n_labels: Option<usize>) -> Reading {
    let name = &port.name;
    let (are_shares, add_up) = (
        signature.probe.are_shares(name),
        signature.probe.adds_up(name, 1),
    );
    // As many channels as labels: each for itself. One more: the first one is "good".
    let is_each = channels == 1 || n_labels == Some(channels) && !(are_shares && add_up);
    let layout = match (is_each, are_shares) {
        (true, true) => LayoutFile::Masks,
        (true, false) => LayoutFile::MaskLogits,
        (false, true) if add_up => LayoutFile::ClassMaps,
        (false, _) => LayoutFile::ClassMapLogits,
    };
    let numbers = if are_shares {
        "0 to 1"
    } else {
        "no probabilities yet"
    };
    Reading {
        n_labels: Some(if is_each { channels } else { channels - 1 }),
        usual: Preparation {
            interpolation: Some(Interpolation::Linear),
            ..imagenet()
        },
        ..Reading::new(
            Family::Segmentation,
            format!("its output `{name}` is {channels} map(s), {numbers}"),
            Task::Segment,
            OutputFile::one(layout, name),
        )
    }
}

/// A table of boxes, one way round or the other.
fn boxes(
    signature: &Signature,
    port: &Port,
    [a, b]: [usize; 2],
    (family, n_labels): (Option<Family>, Option<usize>),
) -> Option<Reading> {
    let name = &port.name;
    let one = |layout| OutputFile::one(layout, name);
    let [_, height, width] = signature.picture_sides()?;
    let n_cells: usize = CELLS_PX
        .iter()
        .map(|side| (height / side) * (width / side))
        .sum();
    let yolo = Preparation {
        resize: Some(ResizeWord::Letterbox),
        interpolation: Some(Interpolation::Linear),
        pad_value: Some(114),
        ..zero_to_one()
    };
    let known = |because: String, output, n_labels| Reading {
        n_labels: Some(n_labels),
        usual: yolo.clone(),
        thresholds: [ThresholdsFile::default(), boxes_thresholds(0.25, 0.7)],
        ..Reading::new(Family::Ultralytics, because, Task::Detect, output)
    };
    let columns = |because: &str| {
        let because = format!("its output `{name}` has {a} values for each of {b} boxes{because}");
        known(because, one(LayoutFile::Yolo), a - 4)
    };
    if n_labels.is_some_and(|labels| a == 4 + labels) || (n_labels.is_none() && 4 < a && a < b) {
        return Some(columns(""));
    }
    if b == 6 && n_labels != Some(1) && a != n_cells && a != 3 * n_cells {
        let because = format!("its output `{name}` has six values for each box");
        return Some(Reading {
            n_labels: None,
            ..known(because, one(LayoutFile::BoxesScoresClasses), 0)
        });
    }
    if b <= 5 || n_labels.is_some_and(|labels| b != 5 + labels) {
        return None;
    }
    let is_yolox = match family {
        Some(family) => family == Family::Yolox,
        // YOLOX has one box for each cell, YOLOv5 three.
        None => a == n_cells,
    };
    if is_yolox {
        return Some(yolox(signature, port, b - 5));
    }
    let because =
        format!("its output `{name}` has {b} values for each of {a} boxes, the fifth objectness");
    Some(Reading {
        thresholds: [ThresholdsFile::default(), boxes_thresholds(0.25, 0.45)],
        ..known(because, one(LayoutFile::YoloObjectness), b - 5)
    })
}

fn yolox(signature: &Signature, port: &Port, n_labels: usize) -> Reading {
    let name = &port.name;
    let one = |layout| OutputFile::one(layout, name);
    // Decoded centres lie all over the input, others near their cell.
    let width = signature.picture_sides().map_or(0, |[_, _, width]| width);
    let is_decoded = signature.probe.of(name).is_some_and(|values| {
        let first = values.indexed_iter().filter(|(at, _)| at[2] == 0);
        let most = first.map(|(_, value)| *value).fold(0.0_f32, f32::max);
        most > width as f32 / 2.0
    });
    let (layout, other, words) = if is_decoded {
        (
            LayoutFile::YoloObjectness,
            LayoutFile::YoloxCells,
            "places are decoded",
        )
    } else {
        (
            LayoutFile::YoloxCells,
            LayoutFile::YoloObjectness,
            "places are not decoded",
        )
    };
    Reading {
        others: vec![one(other)],
        n_labels: Some(n_labels),
        usual: Preparation {
            resize: Some(ResizeWord::LetterboxTopLeft),
            interpolation: Some(Interpolation::Linear),
            mean: Some(vec![0.0]),
            scale: Some(vec![1.0]),
            color: Some(Color::Bgr),
            pad_value: Some(114),
            ..Preparation::default()
        },
        thresholds: [ThresholdsFile::default(), boxes_thresholds(0.3, 0.45)],
        ..Reading::new(
            Family::Yolox,
            format!("its output `{name}` has one box for each cell of 8, 16 and 32 px; {words}"),
            Task::Detect,
            one(layout),
        )
    }
}
