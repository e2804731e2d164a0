//! Detectors that are known by the names and types of their outputs.

use super::super::layout::{LayoutFile, OutputFile, Task, ThresholdsFile};
use super::super::output::Role;
use super::super::tensors::{Tensor, Tensors};
use super::Signature;
use super::families::{Family, Reading, boxes_thresholds, zero_to_one};

/// Three outputs, and the size of the picture as an input of its own.
pub(super) fn detr_deploy(signature: &Signature) -> Option<Reading> {
    let size = signature
        .inputs
        .iter()
        .find(|port| port.name == "orig_target_sizes")?;
    let names = [
        (Role::Boxes, signature.output("boxes")?.name.as_str()),
        (Role::Scores, signature.output("scores")?.name.as_str()),
        (Role::Labels, signature.output("labels")?.name.as_str()),
    ];
    let mut output = OutputFile::several(LayoutFile::BoxesScoresLabels, names);
    output.first_label = Some(0);
    let [_, height, width] = signature.picture_sides()?;
    let sides = [width, height].map(|side| i64::try_from(side).unwrap_or_default());
    let tensor = ndarray::arr2(&[sides]).into_dyn();
    let because =
        "it has the input `orig_target_sizes` and the outputs `labels`, `boxes`, `scores`";
    Some(Reading {
        fixed: Tensors::from([(size.name.clone(), Tensor::I64(tensor))]),
        usual: zero_to_one(),
        thresholds: [ThresholdsFile::default(), boxes_thresholds(0.5, 0.7)],
        ..Reading::new(Family::DetrDeploy, because, Task::Detect, output)
    })
}

/// Three outputs, labels being whole numbers from 1 on.
pub(super) fn torchvision_detector(signature: &Signature) -> Option<Reading> {
    let [a, b, c] = signature.outputs.as_slice() else {
        return None;
    };
    let all = [a, b, c];
    let labels = all.into_iter().find(|port| port.is_whole())?;
    let boxes = all
        .into_iter()
        .find(|port| signature.sides(port).last() == Some(&4))?;
    let scores = all
        .into_iter()
        .find(|port| port.name != labels.name && port.name != boxes.name)?;
    let names = [
        (Role::Boxes, boxes.name.as_str()),
        (Role::Scores, scores.name.as_str()),
        (Role::Labels, labels.name.as_str()),
    ];
    let mut output = OutputFile::several(LayoutFile::BoxesScoresLabels, names);
    // 0 is the background, which is never an answer.
    output.first_label = Some(1);
    let mut from_0 = output.clone();
    from_0.first_label = Some(0);
    Some(Reading {
        others: vec![from_0],
        usual: zero_to_one(),
        thresholds: [ThresholdsFile::default(), boxes_thresholds(0.5, 0.7)],
        ..Reading::new(
            Family::TorchvisionDetector,
            "it has three outputs: boxes, scores, and whole numbers as labels",
            Task::Detect,
            output,
        )
    })
}

/// Logits and boxes of queries.
pub(super) fn detr(signature: &Signature) -> Option<Reading> {
    let boxes = signature.output("pred_boxes")?;
    let logits = signature
        .output("logits")
        .or_else(|| signature.output("pred_logits"))?;
    let names = [
        (Role::Boxes, boxes.name.as_str()),
        (Role::Scores, logits.name.as_str()),
    ];
    let n_classes = signature.sides(logits).last().copied();
    Some(Reading {
        n_labels: n_classes,
        others: vec![OutputFile::several(LayoutFile::DetrSoftmax, names)],
        usual: zero_to_one(),
        thresholds: [ThresholdsFile::default(), boxes_thresholds(0.5, 0.7)],
        ..Reading::new(
            Family::Detr,
            "it has the outputs `pred_boxes` and `logits`",
            Task::Detect,
            OutputFile::several(LayoutFile::DetrSigmoid, names),
        )
    })
}
