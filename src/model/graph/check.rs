//! Holds names, types and shapes of a graph against what is needed of it.

use ort::session::Session;
use ort::value::{Outlet, TensorElementType, ValueType};

use super::super::tensors::Tensor;
use super::{Needs, Numbers, Sides, find, known, shape_text};

const REAL: [TensorElementType; 2] = [TensorElementType::Float32, TensorElementType::Float16];
const REAL_OR_WHOLE: [TensorElementType; 4] = [
    TensorElementType::Float32,
    TensorElementType::Float16,
    TensorElementType::Int64,
    TensorElementType::Int32,
];

/// Everything in which names, types and shapes of the graph differ from what is needed.
pub(super) fn mistakes(session: &Session, needs: &Needs) -> Vec<String> {
    let mut mistakes = Vec::new();
    let (picture, shape) = &needs.picture;
    match find(session.inputs(), picture) {
        Some(outlet) => {
            let unbatched = shape.get(1..).unwrap_or_default().to_vec();
            let shapes = [shape.clone(), unbatched];
            mistakes.extend(check_outlet("input", outlet, &shapes, Numbers::Real));
        }
        // What the others are for cannot be known then.
        None => {
            return vec![format!(
                "the graph has the inputs {:?} and the manifest one input `{picture}`",
                names(session.inputs())
            )];
        }
    }
    let others = session
        .inputs()
        .iter()
        .filter(|outlet| outlet.name() != picture);
    for outlet in others {
        match needs.fixed.get(outlet.name()) {
            Some(tensor) => mistakes.extend(check_fixed(outlet, tensor)),
            None => mistakes.push(format!(
                "the graph's input `{}` is neither the picture nor in the file of `fixed`; write its \
                 tensor there",
                outlet.name()
            )),
        }
    }
    for name in needs.fixed.keys() {
        if name == picture || find(session.inputs(), name).is_none() {
            mistakes.push(format!(
                "the file of `fixed` has the tensor `{name}`, which is no further input of the graph; \
                 leave it out"
            ));
        }
    }
    for needed in &needs.outputs {
        match find(session.outputs(), &needed.name) {
            Some(outlet) => {
                mistakes.extend(check_outlet(
                    "output",
                    outlet,
                    &needed.shapes,
                    needed.numbers,
                ));
            }
            None => mistakes.push(format!(
                "the graph has the outputs {:?} and the manifest the output `{}`",
                names(session.outputs()),
                needed.name
            )),
        }
    }
    mistakes
}

fn names(outlets: &[Outlet]) -> Vec<&str> {
    outlets.iter().map(Outlet::name).collect()
}

fn check_outlet(kind: &str, outlet: &Outlet, expected: &[Sides], numbers: Numbers) -> Vec<String> {
    let name = outlet.name();
    let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else {
        return vec![format!("the {kind} `{name}` is no tensor")];
    };
    let mut mistakes = Vec::new();
    let fit: &[_] = match numbers {
        Numbers::Real => &REAL,
        Numbers::RealOrWhole => &REAL_OR_WHOLE,
    };
    let is_fit = fit.contains(ty);
    if !is_fit {
        mistakes.push(format!("the {kind} `{name}` is {ty}; export it as f32"));
    }
    if !expected.iter().any(|sides| fits(shape, sides)) {
        let wanted: Vec<_> = expected.iter().map(|sides| shape_text(sides)).collect();
        mistakes.push(format!(
            "the {kind} `{name}` has the shape {} and the manifest says {}",
            shape_text(&known(shape)),
            wanted.first().map_or("", String::as_str)
        ));
    }
    mistakes
}

fn check_fixed(outlet: &Outlet, tensor: &Tensor) -> Option<String> {
    let name = outlet.name();
    let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else {
        return Some(format!("the input `{name}` is no tensor"));
    };
    let found = match tensor {
        Tensor::F32(_) => TensorElementType::Float32,
        Tensor::F16(_) => TensorElementType::Float16,
        Tensor::I64(_) => TensorElementType::Int64,
        Tensor::I32(_) => TensorElementType::Int32,
    };
    let sides: Sides = tensor.shape().iter().map(|side| Some(*side)).collect();
    if *ty != found || !fits(shape, &sides) {
        return Some(format!(
            "the input `{name}` is {ty} {} in the graph and {found} {} in the file of `fixed`",
            shape_text(&known(shape)),
            shape_text(&sides)
        ));
    }
    None
}

/// A side below 0 is free in the graph, as a side that is `None` is free where it is needed.
fn fits(found: &[i64], expected: &[Option<usize>]) -> bool {
    found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| {
            *found < 0 || expected.is_none_or(|expected| usize::try_from(*found) == Ok(expected))
        })
}
