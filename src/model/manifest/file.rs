//! `manifest.toml` as it is written: the one place that knows its form, for reading and writing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::vision::{InputSpec, Interpolation, Resize};

use super::super::layout::{LayoutFile, Task, ThresholdsFile};
use super::super::output::Role;

/// The manifest as written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::model) struct ManifestFile {
    pub(in crate::model) schema: i64,
    pub(in crate::model) name: String,
    pub(in crate::model) version: String,
    pub(in crate::model) task: Task,
    pub(in crate::model) description: String,
    pub(in crate::model) onnx: String,
    pub(in crate::model) onnx_sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::model) fixed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::model) fixed_sha256: Option<String>,
    pub(in crate::model) trained_on: String,
    pub(in crate::model) input: InputFile,
    pub(in crate::model) output: OutputFile,
    pub(in crate::model) thresholds: ThresholdsFile,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::model) good_label: Option<String>,
    #[serde(default)]
    pub(in crate::model) labels: Vec<LabelFile>,
    #[serde(default)]
    pub(in crate::model) golden: Vec<GoldenFile>,
    #[serde(default)]
    pub(in crate::model) metrics: BTreeMap<String, f64>,
}

/// `[input]` as written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::model) struct InputFile {
    pub(in crate::model) name: String,
    pub(in crate::model) width_px: u32,
    pub(in crate::model) height_px: u32,
    pub(in crate::model) channels: u32,
    pub(in crate::model) reverse_input_channels: bool,
    pub(in crate::model) mean_values: Vec<f32>,
    pub(in crate::model) scale_values: Vec<f32>,
    resize_type: ResizeFile,
    interpolation: InterpolationFile,
    pub(in crate::model) pad_value: u8,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ResizeFile {
    Standard,
    FitToWindowLetterbox,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum InterpolationFile {
    Area,
    Linear,
}

/// `[output]` as written: how the graph's outputs are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputFile {
    /// The output's name, where the layout needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The outputs' names by role, where the layout needs several.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<Role, String>,
    /// What the numbers mean.
    pub layout: LayoutFile,
}

/// A label as written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::model) struct LabelFile {
    pub(in crate::model) name: String,
    pub(in crate::model) code: String,
}

/// A golden vector as written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::model) struct GoldenFile {
    pub(in crate::model) image: String,
    pub(in crate::model) image_sha256: String,
    pub(in crate::model) outputs: String,
    pub(in crate::model) outputs_sha256: String,
    pub(in crate::model) tolerance: f32,
}

impl OutputFile {
    /// A layout that needs one output.
    pub fn one(layout: LayoutFile, name: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            names: BTreeMap::new(),
            layout,
        }
    }
}

impl InputFile {
    pub(in crate::model) fn new(name: &str, input: &InputSpec) -> Self {
        Self {
            name: name.to_owned(),
            width_px: input.width_px,
            height_px: input.height_px,
            channels: input.channels,
            reverse_input_channels: input.reverse_input_channels,
            mean_values: input.mean_values.clone(),
            scale_values: input.scale_values.clone(),
            resize_type: match input.resize {
                Resize::Standard => ResizeFile::Standard,
                Resize::FitToWindowLetterbox => ResizeFile::FitToWindowLetterbox,
            },
            interpolation: match input.interpolation {
                Interpolation::Area => InterpolationFile::Area,
                Interpolation::Linear => InterpolationFile::Linear,
            },
            pad_value: input.pad_value,
        }
    }

    pub(in crate::model) fn spec(&self) -> InputSpec {
        InputSpec {
            width_px: self.width_px,
            height_px: self.height_px,
            channels: self.channels,
            reverse_input_channels: self.reverse_input_channels,
            mean_values: self.mean_values.clone(),
            scale_values: self.scale_values.clone(),
            resize: match self.resize_type {
                ResizeFile::Standard => Resize::Standard,
                ResizeFile::FitToWindowLetterbox => Resize::FitToWindowLetterbox,
            },
            interpolation: match self.interpolation {
                InterpolationFile::Area => Interpolation::Area,
                InterpolationFile::Linear => Interpolation::Linear,
            },
            pad_value: self.pad_value,
        }
    }
}
