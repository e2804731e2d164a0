//! What exporters write into `metadata_props`: Ultralytics, and OpenVINO's `model_info`.

use std::collections::BTreeMap;

use super::super::layout::Range;
use super::preparation::{Color, Preparation, ResizeWord};
use crate::vision::Interpolation;

/// What Ultralytics says of its model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ultralytics {
    pub(super) task: String,
    pub(super) labels: Vec<String>,
    /// Columns and rows.
    pub(super) size: Option<(u32, u32)>,
}

pub(super) fn ultralytics(metadata: &BTreeMap<String, String>) -> Option<Ultralytics> {
    let task = metadata.get("task")?;
    let labels = labels_of_dict(metadata.get("names")?)?;
    metadata.get("stride")?;
    let sides = metadata.get("imgsz").map(|text| whole_numbers(text));
    Some(Ultralytics {
        task: task.clone(),
        labels,
        // Height comes first.
        size: match sides.as_deref() {
            Some([height, width]) => Some((*width, *height)),
            Some([side]) => Some((*side, *side)),
            _ => None,
        },
    })
}

/// The whole numbers in a text.
fn whole_numbers(text: &str) -> Vec<u32> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect()
}

/// The labels of a Python dictionary `{0: 'good', 1: "dent"}`, in the order of their numbers.
fn labels_of_dict(text: &str) -> Option<Vec<String>> {
    let mut labels = BTreeMap::new();
    let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
    while !rest.is_empty() {
        let (number, after) = rest.split_once(':')?;
        let number: usize = number.trim().parse().ok()?;
        let (label, after) = python_text(after.trim_start())?;
        labels.insert(number, label);
        rest = after.trim_start().trim_start_matches(',').trim_start();
    }
    // Without gaps: a label's number is its place.
    labels
        .into_iter()
        .enumerate()
        .map(|(place, (number, label))| (place == number).then_some(label))
        .collect()
}

/// A quoted text at the start, and what follows it.
fn python_text(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| ['\'', '"'].contains(c))?;
    let mut label = String::new();
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => label.push(letters.next()?.1),
            letter if letter == quote => return Some((label, text.get(at + 1..)?)),
            letter => label.push(letter),
        }
    }
    None
}

/// What `model_info` says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ModelInfo {
    pub(super) model_type: String,
    pub(super) labels: Vec<String>,
    pub(super) preparation: Preparation,
    pub(super) confidence_threshold: Option<f32>,
    pub(super) iou_threshold: Option<f32>,
    pub(super) image_threshold: Option<f32>,
    pub(super) pixel_threshold: Option<f32>,
    /// The greatest distance, where numbers are distances.
    pub(super) normalization_scale: Option<f32>,
    /// What it says and this program cannot follow.
    pub(super) strange: Vec<String>,
}

pub(super) fn model_info(metadata: &BTreeMap<String, String>) -> Option<ModelInfo> {
    let get = |key: &str| {
        metadata
            .get(&format!("model_info {key}"))
            .map(String::as_str)
    };
    let model_type = get("model_type")?.to_owned();
    let numbers = |key: &str| -> Option<Vec<f32>> {
        let words = get(key)?.split_whitespace();
        words
            .map(|word| word.parse().ok())
            .collect::<Option<Vec<_>>>()
    };
    let number = |key: &str| get(key).and_then(|text| text.trim().parse::<f32>().ok());
    let mut strange = Vec::new();
    let resize = get("resize_type").and_then(|word| match word {
        "standard" => Some(ResizeWord::Standard),
        "fit_to_window_letterbox" => Some(ResizeWord::FitToWindowLetterbox),
        other => {
            strange.push(format!(
                "its `resize_type` is \"{other}\", which is not known here"
            ));
            None
        }
    });
    let color = get("reverse_input_channels").map(|text| {
        let is_red_first = ["true", "yes", "1"].contains(&text.to_lowercase().as_str());
        if is_red_first { Color::Rgb } else { Color::Bgr }
    });
    let filled = |values: Vec<f32>| (!values.is_empty()).then_some(values);
    Some(ModelInfo {
        labels: get("labels")
            .unwrap_or_default()
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        preparation: Preparation {
            resize,
            interpolation: Some(Interpolation::Linear),
            mean: numbers("mean_values")
                .and_then(filled)
                .or_else(|| Some(vec![0.0])),
            scale: numbers("scale_values")
                .and_then(filled)
                .or_else(|| Some(vec![1.0])),
            color,
            pad_value: get("pad_value").and_then(|text| text.trim().parse().ok()),
            ..Preparation::default()
        },
        confidence_threshold: number("confidence_threshold"),
        iou_threshold: number("iou_threshold"),
        image_threshold: number("image_threshold"),
        pixel_threshold: number("pixel_threshold"),
        normalization_scale: number("normalization_scale"),
        model_type,
        strange,
    })
}

fn number_of(value: &serde_json::Value, path: &[&str]) -> Option<f32> {
    let found = path.iter().try_fold(value, |value, key| value.get(key))?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "anomalib's own numbers have 32 bits"
    )]
    found.as_f64().map(|number| number as f32)
}

/// How anomalib 1 makes scores of distances: lowest, highest, and the one that counts as 0.5.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct AnomalibScaling {
    pub(super) image: Range,
    pub(super) map: Range,
}

/// Reads anomalib 1's `metadata.json`.
pub(super) fn anomalib_scaling(beside: &serde_json::Value) -> Option<AnomalibScaling> {
    let range = |name: &str, threshold: &str| {
        let either =
            |key: &str| number_of(beside, &[name, key]).or_else(|| number_of(beside, &[key]));
        let (low, high) = (either("min")?, either("max")?);
        let middle = number_of(beside, &[threshold])?;
        let half = (high - low) / 2.0;
        Some(Range {
            low: middle - half,
            high: middle + half,
        })
    };
    Some(AnomalibScaling {
        image: range("pred_scores", "image_threshold")?,
        map: range("anomaly_maps", "pixel_threshold")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_from_a_python_dictionary() {
        let labels = |text: &str| labels_of_dict(text).map(|labels| labels.join("|"));
        assert_eq!(
            labels("{0: 'good', 1: 'spot weld'}").unwrap(),
            "good|spot weld"
        );
        assert_eq!(
            labels(r#"{0: "driver's", 1: 'a\'b'}"#).unwrap(),
            "driver's|a'b"
        );
        assert_eq!(labels("{1: 'b', 0: 'a'}").unwrap(), "a|b");
        assert_eq!(labels("{}").unwrap(), "");
        for broken in [
            "",
            "{0: good}",
            "{0: 'good', 2: 'dent'}",
            "{0: 'good",
            "[1]",
        ] {
            assert_eq!(labels(broken), None, "{broken}");
        }
    }

    #[test]
    fn anomalib_says_its_scaling_in_two_ways() {
        let old = serde_json::json!({
            "image_threshold": 2.0, "pixel_threshold": 3.0, "min": 0.0, "max": 4.0
        });
        let scaling = anomalib_scaling(&old).unwrap();
        assert_eq!((scaling.image.low, scaling.image.high), (0.0, 4.0));
        assert_eq!((scaling.map.low, scaling.map.high), (1.0, 5.0));
        let new = serde_json::json!({
            "image_threshold": 2.0, "pixel_threshold": 3.0,
            "pred_scores": {"min": 0.0, "max": 4.0}, "anomaly_maps": {"min": 0.0, "max": 2.0}
        });
        let scaling = anomalib_scaling(&new).unwrap();
        assert_eq!((scaling.map.low, scaling.map.high), (2.0, 4.0));
        assert_eq!(anomalib_scaling(&serde_json::json!({"min": 0.0})), None);
    }
}
