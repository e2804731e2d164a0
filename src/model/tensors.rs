//! Tensors in safetensors files: a package's fixed inputs and the outputs of its golden vectors.

use std::collections::BTreeMap;

use half::f16;
use ndarray::{ArrayD, IxDyn};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::config::with_causes;

/// A tensor of a type that graphs take.
#[derive(Debug, Clone, PartialEq)]
pub enum Tensor {
    /// 32-bit numbers.
    F32(ArrayD<f32>),
    /// 16-bit numbers (IEEE 754 binary16).
    F16(ArrayD<f16>),
    /// 64-bit integers.
    I64(ArrayD<i64>),
    /// 32-bit integers.
    I32(ArrayD<i32>),
}

/// Tensors by name, in the order of the names.
pub type Tensors = BTreeMap<String, Tensor>;

impl Tensor {
    /// Its sides.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::F32(values) => values.shape(),
            Self::F16(values) => values.shape(),
            Self::I64(values) => values.shape(),
            Self::I32(values) => values.shape(),
        }
    }

    /// Its numbers as 32-bit numbers; `None` where an integer is too large for that.
    pub(super) fn into_f32(self) -> Option<ArrayD<f32>> {
        match self {
            Self::F32(values) => Some(values),
            Self::F16(values) => Some(values.mapv(f32::from)),
            Self::I64(values) => whole_numbers(values.shape(), values.iter().copied()),
            Self::I32(values) => whole_numbers(values.shape(), values.iter().map(|v| (*v).into())),
        }
    }

    /// Whether it holds a number that is none.
    pub(super) fn has_nan(&self) -> bool {
        match self {
            Self::F32(values) => values.iter().any(|value| !value.is_finite()),
            Self::F16(values) => values.iter().any(|value| !value.is_finite()),
            Self::I64(_) | Self::I32(_) => false,
        }
    }

    fn bytes(&self) -> (Dtype, Vec<u8>) {
        match self {
            Self::F32(values) => (
                Dtype::F32,
                values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ),
            Self::F16(values) => (
                Dtype::F16,
                values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ),
            Self::I64(values) => (
                Dtype::I64,
                values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ),
            Self::I32(values) => (
                Dtype::I32,
                values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ),
        }
    }
}

/// Integers as numbers, as far as those are exact.
pub(super) fn whole_numbers(
    shape: &[usize],
    values: impl Iterator<Item = i64>,
) -> Option<ArrayD<f32>> {
    const EXACT_MAX: u64 = 1 << 24;
    let values: Option<Vec<f32>> = values
        .map(|value| (value.unsigned_abs() <= EXACT_MAX).then_some(value as f32))
        .collect();
    ArrayD::from_shape_vec(IxDyn(shape), values?).ok()
}

/// Reads a safetensors file.
///
/// # Errors
/// What is wrong with it, and what to write.
pub fn read(bytes: &[u8]) -> Result<Tensors, String> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| format!("this is no safetensors file: {}", with_causes(&error)))?;
    let mut tensors = Tensors::new();
    for (name, view) in file.iter() {
        let tensor = tensor(&view).map_err(|problem| format!("the tensor `{name}` {problem}"))?;
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(tensors)
}

/// Reads the tensors of a file whose types are known here, and leaves the others out.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn read_known(bytes: &[u8]) -> Result<Tensors, String> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| format!("this is no safetensors file: {}", with_causes(&error)))?;
    let known = file
        .iter()
        .filter_map(|(name, view)| Some((name.to_owned(), tensor(&view).ok()?)));
    Ok(known.collect())
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "safetensors has twenty types and may get more"
)]
fn tensor(view: &TensorView<'_>) -> Result<Tensor, String> {
    let (shape, bytes) = (view.shape(), view.data());
    Ok(match view.dtype() {
        Dtype::F32 => Tensor::F32(array(shape, bytes, f32::from_le_bytes)?),
        Dtype::F16 => Tensor::F16(array(shape, bytes, f16::from_le_bytes)?),
        Dtype::I64 => Tensor::I64(array(shape, bytes, i64::from_le_bytes)?),
        Dtype::I32 => Tensor::I32(array(shape, bytes, i32::from_le_bytes)?),
        other => {
            return Err(format!(
                "is {other:?}; write float32, float16, int64 or int32"
            ));
        }
    })
}

fn array<T, const N: usize>(
    shape: &[usize],
    bytes: &[u8],
    number: impl Fn([u8; N]) -> T,
) -> Result<ArrayD<T>, String> {
    let values = bytes.as_chunks().0.iter().copied().map(number).collect();
    ArrayD::from_shape_vec(IxDyn(shape), values)
        .map_err(|error| format!("has not the numbers of its shape: {error}"))
}

/// The bytes of a file with these tensors; the same tensors give the same bytes.
///
/// # Errors
/// What safetensors refuses.
pub(super) fn write(tensors: &Tensors) -> Result<Vec<u8>, String> {
    let bytes: Vec<_> = tensors.values().map(Tensor::bytes).collect();
    let mut views = Vec::with_capacity(tensors.len());
    for ((name, tensor), (dtype, bytes)) in tensors.iter().zip(&bytes) {
        let view = TensorView::new(*dtype, tensor.shape().to_vec(), bytes)
            .map_err(|error| format!("the tensor `{name}`: {}", with_causes(&error)))?;
        views.push((name.as_str(), view));
    }
    safetensors::serialize(views, None).map_err(|error| with_causes(&error))
}

#[cfg(test)]
mod tests {
    use ndarray::arr1;

    use super::*;

    #[test]
    fn tensors_come_back_as_they_were_written() {
        let tensors = Tensors::from([
            (
                "bank".to_owned(),
                Tensor::F32(arr1(&[0.1, -2.0]).into_dyn()),
            ),
            (
                "half".to_owned(),
                Tensor::F16(arr1(&[f16::from_f32(0.5)]).into_dyn()),
            ),
            ("size".to_owned(), Tensor::I64(arr1(&[640, -1]).into_dyn())),
            (
                "none".to_owned(),
                Tensor::I32(ArrayD::zeros(IxDyn(&[0, 4]))),
            ),
        ]);
        let bytes = write(&tensors).unwrap();
        assert_eq!(bytes, write(&tensors).unwrap());
        assert_eq!(read(&bytes), Ok(tensors));
    }

    #[test]
    fn what_is_no_tensor_file_says_so() {
        assert!(read(b"").unwrap_err().contains("no safetensors file"));
        let bytes = [1; 8];
        let view = TensorView::new(Dtype::F64, vec![1], &bytes).unwrap();
        let file = safetensors::serialize([("x", view)], None).unwrap();
        assert!(
            read(&file)
                .unwrap_err()
                .contains("`x` is F64; write float32")
        );
    }

    #[test]
    fn integers_become_numbers_only_where_they_are_exact() {
        let whole = |value: i64| Tensor::I64(arr1(&[value]).into_dyn()).into_f32();
        assert_eq!(whole(-3), Some(arr1(&[-3.0]).into_dyn()));
        assert_eq!(whole(1 << 24), Some(arr1(&[16_777_216.0]).into_dyn()));
        assert_eq!(whole((1 << 24) + 1), None);
        assert_eq!(whole(i64::MIN), None);
    }
}
