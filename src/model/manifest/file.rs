//! `manifest.toml` as it is written: the one place that knows its form, for reading and writing.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::vision::{InputSpec, Interpolation, Resize};

use super::super::layout::{OutputFile, Task, ThresholdsFile};

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
    #[serde(default)]
    pub(in crate::model) proved_by: ProvedBy,
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

/// Whose answers the golden vectors hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProvedBy {
    /// The framework that trained the model: the export itself is proved.
    #[default]
    Exporter,
    /// `teach`, which made the model by running this graph: there is no other framework.
    Teach,
    /// The exported graph itself: it computes here what it computed at its import, but nobody knows
    /// whether that is what the model scored where it was trained.
    Graph,
}

impl fmt::Display for ProvedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exporter => "the framework that trained it",
            Self::Teach => "teach, which made it with this graph",
            Self::Graph => {
                "the exported graph itself: whether it scores here as where it was trained is not proved"
            }
        })
    }
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
    pub(in crate::model) resize_type: ResizeFile,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::model) resize_shorter_px: Option<u32>,
    interpolation: InterpolationFile,
    pub(in crate::model) pad_value: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::model) enum ResizeFile {
    Standard,
    FitToWindowLetterbox,
    Letterbox,
    LetterboxTopLeft,
    Crop,
}

/// An interpolation by its word.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
struct InterpolationFile(Interpolation);

impl TryFrom<String> for InterpolationFile {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        word.parse().map(Self)
    }
}

impl From<InterpolationFile> for &'static str {
    fn from(file: InterpolationFile) -> Self {
        file.0.word()
    }
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
    /// Whether the picture is one as the camera gave it, which goes through the whole preparation.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(in crate::model) original: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks with a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
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
                Resize::Letterbox => ResizeFile::Letterbox,
                Resize::LetterboxTopLeft => ResizeFile::LetterboxTopLeft,
                Resize::Crop { .. } => ResizeFile::Crop,
            },
            resize_shorter_px: match input.resize {
                Resize::Crop { shorter_px } => Some(shorter_px),
                Resize::Standard
                | Resize::FitToWindowLetterbox
                | Resize::Letterbox
                | Resize::LetterboxTopLeft => None,
            },
            interpolation: InterpolationFile(input.interpolation),
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
                ResizeFile::Letterbox => Resize::Letterbox,
                ResizeFile::LetterboxTopLeft => Resize::LetterboxTopLeft,
                ResizeFile::Crop => Resize::Crop {
                    shorter_px: self.resize_shorter_px.unwrap_or_default(),
                },
            },
            interpolation: self.interpolation.0,
            pad_value: self.pad_value,
        }
    }
}
