//! What a graph gave: its needed outputs by role, every number finite.

use std::fmt;

use ndarray::{ArrayD, ArrayViewD};
use serde::{Deserialize, Serialize};

use super::error::ModelError;

/// What an output of a graph is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The only output of a layout that needs one.
    Values,
}

impl Role {
    /// The key in the manifest's `[output] names`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Values => "values",
        }
    }

    /// Whether its numbers may be integers in the graph.
    pub(super) fn may_be_whole(self) -> bool {
        match self {
            Self::Values => false,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A graph's needed outputs: every number is finite.
#[derive(Debug, Clone, PartialEq)]
pub struct RawOutput(Vec<(Role, ArrayD<f32>)>);

impl RawOutput {
    /// Takes the numbers that `model` (name and version) gave, as they are.
    ///
    /// # Errors
    /// [`ModelError::Output`] if any is NaN or infinite; the part is `Indeterminate(Model)`.
    pub fn new(model: &str, tensors: Vec<(Role, ArrayD<f32>)>) -> Result<Self, ModelError> {
        for (_, values) in &tensors {
            if !is_finite(values) {
                let n_bad = values.iter().filter(|value| !value.is_finite()).count();
                return Err(ModelError::Output {
                    model: model.to_owned(),
                    problem: format!("{n_bad} of {} numbers are NaN or infinite", values.len()),
                });
            }
        }
        Ok(Self(tensors))
    }

    /// The output of this role, as the graph gave it.
    pub fn tensor(&self, role: Role) -> Option<ArrayViewD<'_, f32>> {
        self.tensors()
            .find(|(other, _)| *other == role)
            .map(|(_, values)| values.view())
    }

    /// All needed outputs.
    pub fn tensors(&self) -> impl Iterator<Item = (Role, &ArrayD<f32>)> {
        self.0.iter().map(|(role, values)| (*role, values))
    }
}

fn is_finite(values: &ArrayD<f32>) -> bool {
    match values.as_slice() {
        Some(values) => all(values, f32::is_finite),
        None => values.iter().all(|value| value.is_finite()),
    }
}

/// Whether `good` holds everywhere; in blocks without an early end, so that the compiler can use
/// the processor's wide registers.
pub(super) fn all(values: &[f32], good: impl Fn(f32) -> bool) -> bool {
    values
        .chunks(4096)
        .all(|block| block.iter().fold(true, |all, value| all & good(*value)))
}
