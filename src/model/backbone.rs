//! A backbone: a frozen graph that turns pictures into features, and compares them with a bank.
//!
//! Its folder is sealed by hashes as a package is, but it judges nothing by itself: `teach` asks it
//! for raw features, works out whitening and bank from them, and writes a package with the same graph.

use std::path::Path;

use ndarray::{Array1, Array2, Axis, Ix2};
use serde::Deserialize;

use crate::config::{ConfigError, Mistakes as FileMistakes};
use crate::vision::{InputSpec, Interpolation, Resize};

use super::error::ModelError;
use super::external_data;
use super::graph::{Graph, Loaded, NeededOutput, Needs, Numbers};
use super::manifest::Mistakes;
use super::package::{MANIFEST_BYTES_MAX, ONNX_BYTES_MAX, checked_bytes, read_file};
use super::provider::SessionOptions;
use super::runtime::Runtime;
use super::tensors::{Tensor, Tensors};

/// The file that describes a backbone.
pub const BACKBONE: &str = "backbone.toml";
/// The form that this program reads.
const SCHEMA: i64 = 1;
/// Largest step between possible sides of the input, and between features.
const STEP_MAX_PX: u32 = 256;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackboneFile {
    schema: i64,
    name: String,
    version: String,
    description: String,
    licence: String,
    onnx: String,
    onnx_sha256: String,
    feature_stride_px: u32,
    input: BackboneInputFile,
    inputs: BackboneInputsFile,
    outputs: BackboneOutputsFile,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackboneInputFile {
    name: String,
    channels: u32,
    reverse_input_channels: bool,
    mean_values: Vec<f32>,
    scale_values: Vec<f32>,
    multiple_px: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackboneInputsFile {
    bank: String,
    mean: String,
    whitening: String,
    spread: String,
    reference: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackboneOutputsFile {
    features: String,
    anomaly_map: String,
}

/// A backbone whose description is right and whose graph is the one that it describes.
#[derive(Debug, Clone)]
pub struct Backbone {
    /// Its name, for example `efficientnet-lite0`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is, in a sentence.
    pub description: String,
    /// Under which licence its weights may be passed on.
    pub licence: String,
    /// The ONNX file, weights inside.
    pub onnx: Vec<u8>,
    /// Its SHA-256, lower-case hexadecimal.
    pub onnx_sha256: String,
    /// The graph's input that takes the picture.
    pub input_name: String,
    /// The graph's input that takes the bank, `[rows, numbers of a feature]`.
    pub bank_name: String,
    /// The graph's input that is subtracted from raw features, `[numbers of a raw feature]`.
    pub mean_name: String,
    /// The graph's input that they are multiplied with after that, `[numbers of a raw feature, numbers
    /// of a feature]`.
    pub whitening_name: String,
    /// The graph's input that distances to each row of the bank are divided by, `[rows]`.
    pub spread_name: String,
    /// The graph's input with the distance whose score is one half, `[1]`.
    pub reference_name: String,
    /// The graph's output with a feature for each place, `[places, numbers of a feature]`.
    pub features_name: String,
    /// The graph's output with how unlike the bank each place is, 0 to 1.
    pub anomaly_map_name: String,
    /// Sides of the input are multiples of this.
    pub multiple_px: u32,
    /// From one place to the next.
    pub feature_stride_px: u32,
    input: InputSpec,
}

impl Backbone {
    /// Reads the folder, checks `backbone.toml`, and the graph against its hash.
    ///
    /// # Errors
    /// [`ConfigError`] with every mistake; choose another folder or write it anew.
    pub fn open(dir: &Path) -> Result<Self, ConfigError> {
        let path = dir.join(BACKBONE);
        let read_error = |cause| ConfigError::Read {
            path: path.clone(),
            cause,
        };
        let root = dir.canonicalize().map_err(read_error)?;
        let bytes = read_file(&path, MANIFEST_BYTES_MAX).map_err(read_error)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            read_error(std::io::Error::new(std::io::ErrorKind::InvalidData, error))
        })?;
        let file: BackboneFile = toml::from_str(&text).map_err(|cause| ConfigError::Syntax {
            path: path.clone(),
            cause: Box::new(cause),
        })?;
        file.check(&root).map_err(|mistakes| ConfigError::Mistakes {
            path: path.clone(),
            mistakes: FileMistakes(mistakes),
        })
    }

    /// The input for pictures of this size, both sides multiples of [`Backbone::multiple_px`].
    pub fn input(
        &self,
        width_px: u32,
        height_px: u32,
        resize: Resize,
        interpolation: Interpolation,
    ) -> InputSpec {
        InputSpec {
            width_px,
            height_px,
            resize,
            interpolation,
            ..self.input.clone()
        }
    }
}

impl BackboneFile {
    fn names(&self) -> [(&'static str, &str); 11] {
        let (inputs, outputs) = (&self.inputs, &self.outputs);
        [
            ("name", &self.name),
            ("version", &self.version),
            ("licence", &self.licence),
            ("input.name", &self.input.name),
            ("inputs.bank", &inputs.bank),
            ("inputs.mean", &inputs.mean),
            ("inputs.whitening", &inputs.whitening),
            ("inputs.spread", &inputs.spread),
            ("inputs.reference", &inputs.reference),
            ("outputs.features", &outputs.features),
            ("outputs.anomaly_map", &outputs.anomaly_map),
        ]
    }

    fn check(self, root: &Path) -> Result<Backbone, Vec<String>> {
        let mut mistakes = Mistakes::default();
        if self.schema != SCHEMA {
            mistakes.note(format_args!(
                "`schema = {}` is unknown; this program reads {SCHEMA}",
                self.schema
            ));
        }
        for (key, name) in self.names() {
            mistakes.name(key, name);
        }
        mistakes.sha256("onnx_sha256", &self.onnx_sha256);
        for (key, step) in [
            ("feature_stride_px", self.feature_stride_px),
            ("input.multiple_px", self.input.multiple_px),
        ] {
            if !(1..=STEP_MAX_PX).contains(&step) {
                mistakes.note(format_args!(
                    "`{key} = {step}` is out of range; write 1 to {STEP_MAX_PX}"
                ));
            }
        }
        let input = InputSpec {
            width_px: self.input.multiple_px,
            height_px: self.input.multiple_px,
            channels: self.input.channels,
            reverse_input_channels: self.input.reverse_input_channels,
            mean_values: self.input.mean_values,
            scale_values: self.input.scale_values,
            resize: Resize::Standard,
            interpolation: Interpolation::Area,
            pad_value: 0,
        };
        mistakes.channels(&input);
        let onnx = checked_bytes(root, &self.onnx, &self.onnx_sha256, ONNX_BYTES_MAX)
            .and_then(|onnx| external_data::refuse(&onnx).map(|()| onnx))
            .map_err(|mistake| {
                mistakes.note(format_args!(
                    "`onnx = \"{}\"`: {mistake}",
                    self.onnx.escape_debug()
                ));
            });
        let onnx = onnx.unwrap_or_default();
        if !mistakes.0.is_empty() {
            return Err(mistakes.0);
        }
        Ok(Backbone {
            name: self.name,
            version: self.version,
            description: self.description,
            licence: self.licence,
            onnx_sha256: self.onnx_sha256,
            onnx,
            input_name: self.input.name,
            bank_name: self.inputs.bank,
            mean_name: self.inputs.mean,
            whitening_name: self.inputs.whitening,
            spread_name: self.inputs.spread,
            reference_name: self.inputs.reference,
            features_name: self.outputs.features,
            anomaly_map_name: self.outputs.anomaly_map,
            multiple_px: self.input.multiple_px,
            feature_stride_px: self.feature_stride_px,
            input,
        })
    }
}

/// What a backbone compares pictures with: the further inputs of its graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Lesson {
    /// Subtracted from raw features.
    pub mean: Array1<f32>,
    /// What they are multiplied with after that.
    pub whitening: Array2<f32>,
    /// The features of good parts.
    pub bank: Array2<f32>,
    /// What distances to each of them are divided by.
    pub spread: Array1<f32>,
    /// The distance whose score is one half.
    pub reference: f32,
}

impl Backbone {
    fn title(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// The tensors of a lesson under the names of the graph's inputs.
    pub fn fixed(&self, lesson: &Lesson) -> Tensors {
        let reference = Array1::from_elem(1, lesson.reference);
        [
            (&self.mean_name, lesson.mean.clone().into_dyn()),
            (&self.whitening_name, lesson.whitening.clone().into_dyn()),
            (&self.bank_name, lesson.bank.clone().into_dyn()),
            (&self.spread_name, lesson.spread.clone().into_dyn()),
            (&self.reference_name, reference.into_dyn()),
        ]
        .into_iter()
        .map(|(name, values)| (name.clone(), Tensor::F32(values)))
        .collect()
    }
}

/// A loaded backbone that is asked for one of its outputs.
#[derive(Debug)]
struct Net {
    model: String,
    channels: usize,
    graph: Graph,
}

/// A backbone that is asked for raw features.
#[derive(Debug)]
pub struct FeatureNet(Net);

/// A backbone that is asked how unlike a lesson each place of a picture is.
#[derive(Debug)]
pub struct MapNet(Net);

impl FeatureNet {
    /// Loads the graph with a lesson that leaves raw features as they are.
    ///
    /// # Errors
    /// [`ModelError`] if the graph does not have the inputs and outputs of its description.
    pub fn load(
        backbone: &Backbone,
        runtime: &Runtime,
        options: &SessionOptions,
    ) -> Result<Self, ModelError> {
        let loaded = Loaded::open(&backbone.title(), &backbone.onnx, runtime, options)?;
        let inputs = loaded.inputs();
        let mean = inputs.iter().find(|port| port.name == backbone.mean_name);
        let n_raw = mean.and_then(|port| port.sides.first().copied().flatten());
        let n_raw = n_raw.ok_or_else(|| ModelError::Graph {
            model: backbone.title(),
            mistakes: vec![format!(
                "the graph has no input `{}` of one fixed side, the numbers of a raw feature",
                backbone.mean_name
            )],
        })?;
        let plain = Lesson {
            mean: Array1::zeros(n_raw),
            whitening: Array2::eye(n_raw),
            bank: Array2::zeros((1, n_raw)),
            spread: Array1::ones(1),
            reference: 1.0,
        };
        let output = (backbone.features_name.clone(), vec![None, None]);
        Net::new(backbone, loaded, &plain, output).map(Self)
    }

    /// The raw features of a prepared picture, one row for each place, row by row over the picture.
    ///
    /// # Errors
    /// [`ModelError`] if the run fails or a number is NaN or infinite.
    pub fn features(
        &self,
        tensor: &[f32],
        height_px: usize,
        width_px: usize,
    ) -> Result<Array2<f32>, ModelError> {
        self.0.run(tensor, height_px, width_px)
    }
}

impl MapNet {
    /// Loads the graph with a lesson.
    ///
    /// # Errors
    /// [`ModelError`] if the graph does not have the inputs and outputs of its description.
    pub fn load(
        backbone: &Backbone,
        lesson: &Lesson,
        runtime: &Runtime,
        options: &SessionOptions,
    ) -> Result<Self, ModelError> {
        let loaded = Loaded::open(&backbone.title(), &backbone.onnx, runtime, options)?;
        let sides = vec![Some(1), Some(1), None, None];
        let output = (backbone.anomaly_map_name.clone(), sides);
        Net::new(backbone, loaded, lesson, output).map(Self)
    }

    /// How unlike the lesson each place of a prepared picture is, 0 to 1.
    ///
    /// # Errors
    /// [`ModelError`] if the run fails or a number is NaN or infinite.
    pub fn map(
        &self,
        tensor: &[f32],
        height_px: usize,
        width_px: usize,
    ) -> Result<Array2<f32>, ModelError> {
        self.0.run(tensor, height_px, width_px)
    }
}

impl Net {
    fn new(
        backbone: &Backbone,
        loaded: Loaded,
        lesson: &Lesson,
        (name, sides): (String, Vec<Option<usize>>),
    ) -> Result<Self, ModelError> {
        let channels = backbone.input.channels as usize;
        let needs = Needs {
            picture: (
                backbone.input_name.clone(),
                vec![Some(1), Some(channels), None, None],
            ),
            fixed: backbone.fixed(lesson),
            outputs: vec![NeededOutput {
                name,
                shapes: vec![sides],
                numbers: Numbers::Real,
            }],
        };
        Ok(Self {
            graph: loaded.into_graph(needs)?,
            model: backbone.title(),
            channels,
        })
    }

    /// The output for one picture, sides of one place left away.
    fn run(
        &self,
        tensor: &[f32],
        height_px: usize,
        width_px: usize,
    ) -> Result<Array2<f32>, ModelError> {
        let sides = [self.channels, height_px, width_px];
        let expected = sides.iter().product();
        if tensor.len() != expected {
            return Err(ModelError::Tensor {
                model: self.model.clone(),
                found: tensor.len(),
                expected,
            });
        }
        let output_error = |problem: String| ModelError::Output {
            model: self.model.clone(),
            problem,
        };
        let found = self.graph.run(tensor, sides)?;
        let mut values = found.into_iter().next().unwrap_or_default();
        while 2 < values.ndim() {
            values = values.index_axis_move(Axis(0), 0);
        }
        let values = values
            .into_dimensionality::<Ix2>()
            .map_err(|error| output_error(error.to_string()))?;
        let n_bad = values.iter().filter(|value| !value.is_finite()).count();
        if 0 < n_bad {
            return Err(output_error(format!(
                "{n_bad} of {} numbers are NaN or infinite",
                values.len()
            )));
        }
        Ok(values)
    }
}
