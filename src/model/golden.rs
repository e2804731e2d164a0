//! Golden vectors: proof that a model computes here what it computed where it was exported.

use ndarray::{ArrayD, IxDyn};
use safetensors::{Dtype, SafeTensors};

use crate::domain::{Detection, PointPx};
use crate::vision::{DecodeLimits, decode, normalise_only};

use super::boxes::iou;
use super::decode::{self, RawOutput};
use super::error::{ModelError, with_causes};
use super::manifest::Manifest;
use super::package::GoldenBytes;

/// How much two boxes must overlap to be of the same detection: numbers within the tolerance may
/// move a cell over the threshold, and the outline with it.
const IOU_MIN: f64 = 0.75;
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
        tensor_length: usize,
        bytes: GoldenBytes,
    ) -> Result<Self, ModelError> {
        let golden = bytes.name.clone();
        read(model, manifest, tensor_length, bytes).map_err(|problem| ModelError::GoldenFile {
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
        let largest = self.largest_difference(found).map_err(parity)?;
        let same_place = |point: PointPx| point;
        let expected = decode::decode(manifest, &self.expected, &same_place).map_err(output)?;
        let found = decode::decode(manifest, found, &same_place).map_err(output)?;
        let score_difference_max =
            (self.tolerance * SCORE_TOLERANCES_MAX).min(SCORE_DIFFERENCE_MAX);
        if same_detections(&expected, &found, score_difference_max) {
            return Ok(largest);
        }
        Err(parity(format!(
            "{} where {} was exported, though no number differs by more than {largest}; do the \
             thresholds lie on a doubtful place of this picture?",
            told(&found),
            told(&expected)
        )))
    }

    fn largest_difference(&self, found: &RawOutput) -> Result<f32, String> {
        let (expected, values) = (self.expected.values(), found.values());
        if expected.shape() != values.shape() {
            return Err(format!(
                "the output's shape is {:?} where {:?} was exported",
                values.shape(),
                expected.shape()
            ));
        }
        let largest = expected
            .iter()
            .zip(values)
            .fold(0.0_f32, |largest, (a, b)| largest.max((a - b).abs()));
        if largest > self.tolerance {
            return Err(format!(
                "the largest difference is {largest} where {} is tolerated",
                self.tolerance
            ));
        }
        Ok(largest)
    }
}

fn read(
    model: &str,
    manifest: &Manifest,
    tensor_length: usize,
    bytes: GoldenBytes,
) -> Result<GoldenVector, String> {
    let picture = decode(&bytes.image, DecodeLimits::default())
        .map_err(|error| format!("the picture cannot be decoded: {}", with_causes(&error)))?;
    let size = (picture.size.width_px, picture.size.height_px);
    let input = &manifest.input;
    if size != (input.width_px, input.height_px) {
        return Err(format!(
            "the picture has {} x {} px and the model's input has {} x {}",
            size.0, size.1, input.width_px, input.height_px
        ));
    }
    let mut tensor = vec![0.0; tensor_length];
    normalise_only(&picture, input, &mut tensor).map_err(|error| {
        format!(
            "the picture does not fit the input: {}",
            with_causes(&error)
        )
    })?;
    let expected = read_outputs(&manifest.output_name, &bytes.outputs)?;
    decode::check_shape(manifest, expected.shape())?;
    let expected = RawOutput::new(model, expected).map_err(|error| error.to_string())?;
    Ok(GoldenVector {
        name: bytes.name,
        tolerance: bytes.tolerance,
        tensor,
        expected,
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "safetensors has twenty types and may get more"
)]
fn read_outputs(output_name: &str, bytes: &[u8]) -> Result<ArrayD<f32>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| {
        format!(
            "the outputs are no safetensors file: {}",
            with_causes(&error)
        )
    })?;
    if file.names() != [output_name] {
        return Err(format!(
            "the outputs file has the tensors {:?} and the model has one output `{output_name}`",
            file.names()
        ));
    }
    let tensor = file
        .tensor(output_name)
        .map_err(|error| error.to_string())?;
    let values: Vec<f32> = match tensor.dtype() {
        Dtype::F32 => pieces(tensor.data()).map(f32::from_le_bytes).collect(),
        Dtype::F16 => pieces(tensor.data())
            .map(|bytes| f32_from_f16(u16::from_le_bytes(bytes)))
            .collect(),
        other => {
            return Err(format!(
                "the outputs are {other:?}; write float32 or float16"
            ));
        }
    };
    ArrayD::from_shape_vec(IxDyn(tensor.shape()), values).map_err(|error| error.to_string())
}

fn pieces<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.as_chunks().0.iter().copied()
}

/// IEEE 754 binary16 to binary32: exact.
fn f32_from_f16(half: u16) -> f32 {
    let sign = if half >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(half >> 10 & 0x1f);
    let fraction = f32::from(half & 0x3ff) / 1024.0;
    sign * match exponent {
        0 => fraction * 2.0_f32.powi(-14),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction) * 2.0_f32.powi(exponent - 15),
    }
}

/// Whether each detection has its own partner of the same class and place.
fn same_detections(expected: &[Detection], found: &[Detection], score_difference_max: f32) -> bool {
    let mut open: Vec<_> = found.iter().collect();
    expected.len() == found.len()
        && expected.iter().all(|wanted| {
            let partner = open.iter().position(|other| {
                other.class == wanted.class
                    && (other.score.get() - wanted.score.get()).abs() <= score_difference_max
                    && iou(&other.region_px, &wanted.region_px) >= IOU_MIN
            });
            partner.map(|at| open.swap_remove(at)).is_some()
        })
}

fn told(detections: &[Detection]) -> String {
    if detections.is_empty() {
        return "nothing is detected".to_owned();
    }
    let each: Vec<_> = detections
        .iter()
        .take(5)
        .map(|detection| {
            let (region, score) = (detection.region_px, detection.score.get());
            format!(
                "{} {score:.3} at ({:.0}, {:.0})",
                detection.class.name, region.x, region.y
            )
        })
        .collect();
    format!("{} detected: {}", detections.len(), each.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_numbers_are_read_exactly() {
        for (half, number) in [
            (0x0000, 0.0),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x0400, 6.103_515_6e-5),
            (0x3800, 0.5),
            (0x3bff, 0.999_511_7),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(
                f32_from_f16(half).to_bits(),
                f32::to_bits(number),
                "{half:#x}"
            );
        }
        assert!(f32_from_f16(0x7e00).is_nan());
    }
}
