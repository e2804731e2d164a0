//! A look at a graph's numbers: whether they are probabilities, logits, pixels or shares.

use ndarray::{ArrayD, Axis};

use super::super::graph::{Loaded, NeededOutput, Needs, Numbers, Port};
use super::super::tensors::Tensors;

/// How far probabilities may be from adding up to 1.
const ROUNDING: f32 = 1e-3;

/// What each output gave for one picture of noise; nothing where the graph could not be run.
#[derive(Debug, Clone, Default)]
pub(super) struct Probe(Vec<(String, ArrayD<f32>)>);

impl Probe {
    /// Runs the graph once. `sides` are channels, rows and columns; `fixed` are the other inputs.
    pub(super) fn run(
        loaded: Loaded,
        (picture, sides): (&Port, [usize; 3]),
        fixed: Tensors,
        outputs: &[Port],
    ) -> Self {
        let needed = |port: &Port| NeededOutput {
            name: port.name.clone(),
            shapes: vec![port.sides.clone()],
            numbers: Numbers::RealOrWhole,
        };
        let readable: Vec<_> = outputs.iter().filter(|port| port.is_number()).collect();
        let needs = Needs {
            picture: (picture.name.clone(), picture.sides.clone()),
            fixed,
            outputs: readable.iter().map(|port| needed(port)).collect(),
        };
        let noise: Vec<f32> = noise(sides.iter().product()).collect();
        let run = loaded
            .into_graph(needs)
            .and_then(|graph| graph.run(&noise, sides));
        // A graph that does not run is refused later, with its reason.
        let values = run.unwrap_or_default();
        let names = readable.into_iter().map(|port| port.name.clone());
        Self(names.zip(values).collect())
    }

    pub(super) fn of(&self, name: &str) -> Option<&ArrayD<f32>> {
        self.0
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, values)| values)
    }

    /// The shape that the run gave.
    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.of(name).map(ArrayD::shape)
    }

    /// Whether all numbers of an output lie in 0 to 1.
    pub(super) fn are_shares(&self, name: &str) -> bool {
        self.of(name).is_some_and(|values| {
            values
                .iter()
                .all(|value| (-ROUNDING..=1.0 + ROUNDING).contains(value))
        })
    }

    /// Whether the numbers along an axis add up to 1 everywhere.
    pub(super) fn adds_up(&self, name: &str, axis: usize) -> bool {
        self.of(name).is_some_and(|values| {
            axis < values.ndim()
                && values
                    .sum_axis(Axis(axis))
                    .iter()
                    .all(|sum| (sum - 1.0).abs() < ROUNDING)
        })
    }
}

/// Grey values without a pattern, 0 to 1; the same each time.
fn noise(length: usize) -> impl Iterator<Item = f32> {
    let mut state = 1_u32;
    (0..length).map(move |_| {
        // Numerical Recipes' generator.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1_u32 << 24) as f32
    })
}
