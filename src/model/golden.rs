//! Golden vectors: proof that a model computes here what it computed where it was exported.

use ndarray::ArrayD;

use crate::config::with_causes;
use crate::domain::PointPx;
use crate::vision::{DecodeLimits, InputSpec, decode, normalise_only, prepare_whole};

use super::compare;
use super::decode::{self, Wanted};
use super::error::ModelError;
use super::manifest::Manifest;
use super::output::{RawOutput, Role};
use super::package::GoldenBytes;
use super::tensors::{self, Tensor};

/// How far the scores of the same detection may differ, in tolerances, for the same reason.
const SCORE_TOLERANCES_MAX: f32 = 20.0;
/// How far they may differ at most: the tolerance of boxes is one of pixels.
const SCORE_DIFFERENCE_MAX: f32 = 0.05;

/// A golden vector, ready to be compared.
pub(super) struct GoldenVector {
    name: String,
    tolerance: f32,
    pub(super) tensor: Vec<f32>,
    expected: RawOutput,
}

impl GoldenVector {
    /// Reads picture and outputs.
    pub(super) fn read(
        model: &str,
        manifest: &Manifest,
        bytes: GoldenBytes,
    ) -> Result<Self, ModelError> {
        let golden = bytes.name.clone();
        read(model, manifest, bytes).map_err(|problem| ModelError::GoldenFile {
            model: model.to_owned(),
            golden,
            problem,
        })
    }

    /// Compares what the model gave with what it gave when it was exported.
    ///
    /// Returns the largest difference of any number.
    pub(super) fn compare(
        &self,
        model: &str,
        manifest: &Manifest,
        found: &RawOutput,
    ) -> Result<f32, ModelError> {
        let parity = |problem| ModelError::Parity {
            model: model.to_owned(),
            golden: self.name.clone(),
            problem,
        };
        let output = |problem| ModelError::Output {
            model: model.to_owned(),
            problem,
        };
        let largest = self.largest_difference(manifest, found).map_err(parity)?;
        let same_place = |point: PointPx| point;
        let expected = decode::decode(manifest, &self.expected, &same_place, Wanted::ByThresholds)
            .map_err(output)?;
        let found =
            decode::decode(manifest, found, &same_place, Wanted::ByThresholds).map_err(output)?;
        let score_difference_max =
            (self.tolerance * SCORE_TOLERANCES_MAX).min(SCORE_DIFFERENCE_MAX);
        if compare::same_detections(&expected, &found, score_difference_max) {
            return Ok(largest);
        }
        Err(parity(format!(
            "{} where {} was exported, though no number differs by more than {largest}; do the \
             thresholds lie on a doubtful place of this picture?",
            compare::told(&found.iter().collect::<Vec<_>>()),
            compare::told(&expected.iter().collect::<Vec<_>>())
        )))
    }

    fn largest_difference(&self, manifest: &Manifest, found: &RawOutput) -> Result<f32, String> {
        let largest = compare::numbers(&self.expected, found).map(|all| {
            all.into_iter()
                .fold(0.0_f32, |most, (_, one)| most.max(one))
        });
        if !manifest.layout.is_list() {
            return self.tolerated(largest?);
        }
        // The graph chose and ordered what it found: the same answer may come in another order.
        if let Ok(largest) = largest
            && largest <= self.tolerance
        {
            return Ok(largest);
        }
        let difference = compare::lists(manifest, &self.expected, found, self.tolerance)?;
        self.tolerated(difference.score.max(difference.place_px))
    }

    fn tolerated(&self, largest: f32) -> Result<f32, String> {
        if largest <= self.tolerance {
            return Ok(largest);
        }
        Err(format!(
            "the largest difference is {largest} where {} is tolerated",
            self.tolerance
        ))
    }
}

fn read(model: &str, manifest: &Manifest, bytes: GoldenBytes) -> Result<GoldenVector, String> {
    let tensor = if bytes.original {
        original_tensor(&manifest.input, &bytes.image)?
    } else {
        tensor(&manifest.input, &bytes.image)?
    };
    let expected = read_outputs(manifest, &bytes.outputs)?;
    let expected = RawOutput::new(model, expected).map_err(|error| error.to_string())?;
    decode::check_shapes(manifest, &expected)?;
    Ok(GoldenVector {
        name: bytes.name,
        tolerance: bytes.tolerance,
        tensor,
        expected,
    })
}

/// The tensor of a picture that has the input's size already.
pub(super) fn tensor(input: &InputSpec, image: &[u8]) -> Result<Vec<f32>, String> {
    let picture = decode(image, DecodeLimits::default())
        .map_err(|error| format!("the picture cannot be decoded: {}", with_causes(&error)))?;
    let size = (picture.size.width_px, picture.size.height_px);
    if size != (input.width_px, input.height_px) {
        return Err(format!(
            "the picture has {} x {} px and the model's input has {} x {}",
            size.0, size.1, input.width_px, input.height_px
        ));
    }
    let mut tensor = vec![0.0; input.tensor_length()];
    normalise_only(&picture, input, &mut tensor).map_err(|error| {
        format!(
            "the picture does not fit the input: {}",
            with_causes(&error)
        )
    })?;
    Ok(tensor)
}

/// The tensor of a picture as the camera gave it, prepared as in a recipe without steps.
pub(super) fn original_tensor(input: &InputSpec, image: &[u8]) -> Result<Vec<f32>, String> {
    let picture = decode(image, DecodeLimits::default())
        .map_err(|error| format!("the picture cannot be decoded: {}", with_causes(&error)))?;
    let mut tensor = vec![0.0; input.tensor_length()];
    prepare_whole(&picture, input, &mut tensor)
        .map_err(|error| format!("the picture cannot be prepared: {}", with_causes(&error)))?;
    Ok(tensor)
}

/// The expected outputs, by role: the file has exactly the needed ones.
fn read_outputs(manifest: &Manifest, bytes: &[u8]) -> Result<Vec<(Role, ArrayD<f32>)>, String> {
    let mut file = tensors::read(bytes).map_err(|problem| format!("the outputs: {problem}"))?;
    let mut outputs = Vec::with_capacity(manifest.outputs.len());
    let names: Vec<&str> = manifest
        .outputs
        .iter()
        .map(|(_, name)| name.as_str())
        .collect();
    if file.len() != names.len() || !names.iter().all(|name| file.contains_key(*name)) {
        return Err(format!(
            "the outputs file has the tensors {:?} and the manifest the outputs {names:?}",
            file.keys().collect::<Vec<_>>()
        ));
    }
    for (role, name) in &manifest.outputs {
        let values = file.remove(name).and_then(Tensor::into_f32);
        let values = values.ok_or_else(|| format!("the output `{name}` has too large integers"))?;
        outputs.push((*role, values));
    }
    Ok(outputs)
}
