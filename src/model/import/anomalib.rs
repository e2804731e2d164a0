//! What anomalib exports: maps and scores of anomalies.

use super::super::layout::{LayoutFile, OutputFile, Task};
use super::super::output::Role;
use super::Signature;
use super::families::{Family, Reading, zero_to_one};
use super::metadata;
use super::preparation::Preparation;
use crate::vision::{Arithmetic, Filter, Interpolation};

/// anomalib 2: `anomaly_map` and `pred_score`; what is after its post-processor lies in 0 to 1.
pub(super) fn anomalib(signature: &Signature) -> Option<Reading> {
    let map = signature.output("anomaly_map")?;
    let score = signature.output("pred_score")?;
    let names = [
        (Role::Map, map.name.as_str()),
        (Role::Score, score.name.as_str()),
    ];
    let output = OutputFile::several(LayoutFile::AnomalyMapScore, names);
    let because = "it has the outputs `anomaly_map` and `pred_score`";
    let mut reading = anomaly_reading(Family::Anomalib, because, output);
    reading.are_distances = signature.output("pred_label").is_none();
    Some(reading)
}

pub(super) fn anomaly_reading(family: Family, because: &str, output: OutputFile) -> Reading {
    Reading {
        labels: vec!["anomaly".to_owned()],
        n_labels: Some(1),
        // torchvision resizes numbers here, and rounds nothing.
        usual: Preparation {
            interpolation: Some(Interpolation::Antialias(
                Filter::Linear,
                Arithmetic::TorchFloats,
            )),
            ..zero_to_one()
        },
        ..Reading::new(family, because, Task::Anomaly, output)
    }
}

/// anomalib 1: a map of distances, perhaps a score, and `metadata.json` beside the file.
pub(super) fn anomalib1(signature: &Signature) -> Option<Reading> {
    let scaling = metadata::anomalib_scaling(signature.beside.as_ref()?)?;
    let map = signature
        .outputs
        .iter()
        .find(|port| matches!(signature.sides(port).as_slice(), [_, 1, _, _]))?;
    let score = signature
        .outputs
        .iter()
        .find(|port| port.name != map.name && signature.sides(port).iter().all(|side| *side == 1));
    let mut output = match score {
        None => OutputFile::one(LayoutFile::AnomalyMap, &map.name),
        Some(score) => OutputFile::several(
            LayoutFile::AnomalyMapScore,
            [
                (Role::Map, map.name.as_str()),
                (Role::Score, score.name.as_str()),
            ],
        ),
    };
    output.map_range = Some(scaling.map);
    output.score_range = Some(scaling.image);
    let because = "`metadata.json` beside it has anomalib's thresholds, minimum and maximum";
    let mut reading = anomaly_reading(Family::Anomalib1, because, output);
    let (picture, map) = (signature.picture_sides()?, signature.sides(map));
    if let ([_, height, width], [_, _, rows, columns]) = (picture, map.as_slice())
        && rows < &height
        && columns < &width
        // A map of fewer cells of the same size; a coarser one would be an even part of the input.
        && height % rows != 0
    {
        let region = [(width - columns) / 2, (height - rows) / 2, *columns, *rows];
        let region = region.map(|side| u32::try_from(side).unwrap_or_default());
        reading.output.map_region_px = Some(region);
        reading.notes.push(format!(
            "the graph cuts the middle out ({columns} x {rows} of {width} x {height} px): a defect at \
             the border is never seen"
        ));
    }
    Some(reading)
}
