//! A graph in ONNX Runtime: held against what is expected of it, then run with one picture.
//!
//! Every input is the picture or fixed: the same tensor in each run, lent and never copied. Only the
//! outputs that are needed are asked for. Numbers of 16 bits are converted here and seen nowhere else.

mod check;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use half::f16;
use ndarray::{ArrayD, ArrayViewD, IxDyn};
use ort::session::{HasSelectedOutputs, OutputSelector, RunOptions, Session, SessionInputValue};
use ort::value::{DynTensor, DynValue, Outlet, TensorElementType, TensorRef, ValueType};

use super::allowance::Allowance;
use super::error::ModelError;
use super::provider::{self, Provider, SessionOptions};
use super::runtime::Runtime;
use super::tensors::{self, Tensor, Tensors};

use check::mistakes;

/// The sides of a tensor; `None` is free.
pub(super) type Sides = Vec<Option<usize>>;

/// What a graph must have.
pub(super) struct Needs {
    /// The input that takes the picture, and `[1, channels, rows, columns]`.
    pub(super) picture: (String, Sides),
    /// All other inputs.
    pub(super) fixed: Tensors,
    /// The outputs that are asked for.
    pub(super) outputs: Vec<NeededOutput>,
}

/// An output that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NeededOutput {
    pub(super) name: String,
    /// The shapes that it may have.
    pub(super) shapes: Vec<Sides>,
    pub(super) numbers: Numbers,
}

/// Which types will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    Real,
    RealOrWhole,
}

/// A graph that ONNX Runtime has read.
pub(super) struct Loaded {
    model: String,
    provider: Provider,
    allowance: Allowance,
    session: Session,
}

/// An input or an output of a graph: a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) name: String,
    pub(super) sides: Sides,
    pub(super) kind: TensorElementType,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` {} {}",
            self.name,
            self.kind,
            shape_text(&self.sides)
        )
    }
}

impl Port {
    /// Whether it holds numbers with a point.
    pub(super) fn is_real(&self) -> bool {
        [TensorElementType::Float32, TensorElementType::Float16].contains(&self.kind)
    }

    /// Whether its numbers have a point and 16 bits.
    pub(super) fn is_half(&self) -> bool {
        self.kind == TensorElementType::Float16
    }

    /// Whether it holds integers.
    pub(super) fn is_whole(&self) -> bool {
        [TensorElementType::Int64, TensorElementType::Int32].contains(&self.kind)
    }

    /// Whether it holds numbers that this program reads.
    pub(super) fn is_number(&self) -> bool {
        self.is_real() || self.is_whole()
    }

    /// A tensor for this input in which every number is `number`, as small as its free sides allow.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "ONNX has twenty types and may get more"
    )]
    pub(super) fn filled(&self, number: i8) -> Option<Tensor> {
        let sides: Vec<_> = self.sides.iter().map(|side| side.unwrap_or(1)).collect();
        let sides = IxDyn(&sides);
        Some(match self.kind {
            TensorElementType::Float32 => Tensor::F32(ArrayD::from_elem(sides, number.into())),
            TensorElementType::Float16 => Tensor::F16(ArrayD::from_elem(sides, number.into())),
            TensorElementType::Int64 => Tensor::I64(ArrayD::from_elem(sides, number.into())),
            TensorElementType::Int32 => Tensor::I32(ArrayD::from_elem(sides, number.into())),
            _ => return None,
        })
    }
}

/// A graph that has what it needs.
#[derive(Debug)]
pub(super) struct Graph {
    model: String,
    outputs: Vec<String>,
    picture: Picture,
    fixed: Vec<(String, DynTensor)>,
    running: Mutex<Running>,
}

/// How the graph wants its picture.
#[derive(Debug)]
struct Picture {
    name: String,
    is_half: bool,
    /// Some exporters leave the side of the batch away.
    has_batch: bool,
}

struct Running {
    session: Session,
    options: RunOptions<HasSelectedOutputs>,
    half: Vec<f16>,
    // Until the first run has shown what the graph asks for.
    first: Option<Allowance>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

impl Loaded {
    /// Reads the graph. `model` is its name in messages.
    ///
    /// # Errors
    /// [`ModelError`]; what it belongs to cannot be used.
    pub(super) fn open(
        model: &str,
        onnx: &[u8],
        runtime: &Runtime,
        options: &SessionOptions,
    ) -> Result<Self, ModelError> {
        let allowance = Allowance::new(options, onnx.len());
        Ok(Self {
            model: model.to_owned(),
            provider: options.provider,
            allowance,
            session: open_session(model, runtime, *options, onnx, allowance)?,
        })
    }

    /// The inputs.
    pub(super) fn inputs(&self) -> Vec<Port> {
        self.session.inputs().iter().filter_map(port).collect()
    }

    /// The outputs.
    pub(super) fn outputs(&self) -> Vec<Port> {
        self.session.outputs().iter().filter_map(port).collect()
    }

    /// What the exporter wrote about the model (`metadata_props`).
    ///
    /// # Errors
    /// [`ModelError::Load`] if ONNX Runtime does not tell it.
    pub(super) fn metadata(&self) -> Result<BTreeMap<String, String>, ModelError> {
        let read = || {
            let metadata = self.session.metadata()?;
            let keys = metadata.custom_keys()?;
            let entries = keys.into_iter().filter_map(|key| {
                let value = metadata.custom(&key)?;
                Some((key, value))
            });
            Ok(entries.collect())
        };
        read().map_err(|source| ModelError::Load {
            model: self.model.clone(),
            provider: self.provider,
            source,
        })
    }

    /// Holds inputs and outputs against `needs`, before anything runs.
    ///
    /// # Errors
    /// [`ModelError::Graph`] with every difference.
    pub(super) fn into_graph(self, needs: Needs) -> Result<Graph, ModelError> {
        let Self {
            model,
            provider,
            allowance,
            session,
        } = self;
        let mistakes = mistakes(&session, &needs);
        if !mistakes.is_empty() {
            return Err(ModelError::Graph { model, mistakes });
        }
        let load_error = |source| ModelError::Load {
            model: model.clone(),
            provider,
            source,
        };
        let (name, _) = needs.picture;
        let dtype = find(session.inputs(), &name).map(Outlet::dtype);
        let picture = Picture {
            is_half: dtype.and_then(ValueType::tensor_type) == Some(TensorElementType::Float16),
            has_batch: dtype
                .and_then(ValueType::tensor_shape)
                .is_none_or(|s| s.len() == 4),
            name,
        };
        let outputs: Vec<_> = needs
            .outputs
            .into_iter()
            .map(|output| output.name)
            .collect();
        let selected = outputs
            .iter()
            .fold(OutputSelector::no_default(), OutputSelector::with);
        let fixed: ort::Result<Vec<_>> = needs
            .fixed
            .into_iter()
            .map(|(name, tensor)| Ok((name, value(tensor)?)))
            .collect();
        let fixed = fixed.map_err(load_error)?;
        let options = RunOptions::new()
            .map_err(load_error)?
            .with_outputs(selected);
        Ok(Graph {
            outputs,
            picture,
            fixed,
            running: Mutex::new(Running {
                session,
                options,
                half: Vec::new(),
                first: Some(allowance),
            }),
            model,
        })
    }
}

fn port(outlet: &Outlet) -> Option<Port> {
    let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else {
        return None;
    };
    Some(Port {
        name: outlet.name().to_owned(),
        sides: known(shape),
        kind: *ty,
    })
}

impl Graph {
    /// Runs the graph: `picture` has channels x rows x columns numbers. Returns the needed outputs in
    /// the order in which they were asked for.
    ///
    /// # Errors
    /// [`ModelError`] if the run fails or an output cannot be read.
    pub(super) fn run(
        &self,
        picture: &[f32],
        [channels, rows, columns]: [usize; 3],
    ) -> Result<Vec<ArrayD<f32>>, ModelError> {
        let model = || self.model.clone();
        let run_error = |source| ModelError::Run {
            model: model(),
            source,
        };
        let Ok(mut running) = self.running.lock() else {
            return Err(ModelError::Poisoned {
                model: self.model.clone(),
            });
        };
        let Running {
            session,
            options,
            half,
            first,
        } = &mut *running;
        let batch = if self.picture.has_batch {
            &[1][..]
        } else {
            &[]
        };
        let shape = [batch, &[channels, rows, columns]].concat();
        let picture: SessionInputValue<'_> = if self.picture.is_half {
            half.clear();
            half.extend(picture.iter().map(|value| f16::from_f32(*value)));
            TensorRef::from_array_view((shape, half.as_slice()))
                .map_err(run_error)?
                .into()
        } else {
            TensorRef::from_array_view((shape, picture))
                .map_err(run_error)?
                .into()
        };
        let mut inputs = vec![(self.picture.name.as_str(), picture)];
        let fixed = self
            .fixed
            .iter()
            .map(|(name, value)| (name.as_str(), value.into()));
        inputs.extend(fixed);
        let found = match first.take() {
            None => session.run_with_options(inputs, options),
            Some(allowance) => {
                let found = allowance.within(|| session.run_with_options(inputs, options));
                match found {
                    Err(source) if allowance.is_exceeded(&source) => {
                        return Err(ModelError::Memory {
                            model: model(),
                            source,
                        });
                    }
                    found => found,
                }
            }
        };
        let found = found.map_err(run_error)?;
        self.outputs
            .iter()
            .map(|name| {
                let value = found.get(name.as_str());
                let read = value.ok_or_else(|| format!("the run gave no output `{name}`"));
                read.and_then(numbers)
                    .map_err(|problem| ModelError::Output {
                        model: self.model.clone(),
                        problem,
                    })
            })
            .collect()
    }
}

fn open_session(
    model: &str,
    runtime: &Runtime,
    options: SessionOptions,
    onnx: &[u8],
    allowance: Allowance,
) -> Result<Session, ModelError> {
    let provider = options.provider;
    if provider != Provider::Cpu && !runtime.providers().contains(&provider) {
        return Err(ModelError::NoProvider {
            library: runtime.path().to_owned(),
            provider,
            available: runtime.providers().to_vec(),
        });
    }
    let session = allowance.within(|| provider::session(runtime, options, onnx));
    session.map_err(|source| {
        let model = model.to_owned();
        if allowance.is_exceeded(&source) {
            ModelError::Memory { model, source }
        } else {
            ModelError::Load {
                model,
                provider,
                source,
            }
        }
    })
}

fn value(tensor: Tensor) -> ort::Result<DynTensor> {
    use ort::value::Tensor as Value;
    Ok(match tensor {
        Tensor::F32(values) => Value::from_array(values)?.upcast(),
        Tensor::F16(values) => Value::from_array(values)?.upcast(),
        Tensor::I64(values) => Value::from_array(values)?.upcast(),
        Tensor::I32(values) => Value::from_array(values)?.upcast(),
    })
}

/// An output's numbers; the message says why they cannot be read.
fn numbers(value: &DynValue) -> Result<ArrayD<f32>, String> {
    let text = |error: ort::Error| error.to_string();
    let owned = |view: ArrayViewD<'_, f32>| {
        // One copy without a detour over the strides.
        let values = view
            .as_slice()
            .map_or_else(|| view.iter().copied().collect(), <[f32]>::to_vec);
        ArrayD::from_shape_vec(IxDyn(view.shape()), values).map_err(|error| error.to_string())
    };
    let too_large = || "an integer is too large for a class or a count".to_owned();
    match value.dtype().tensor_type() {
        Some(TensorElementType::Float32) => owned(value.try_extract_array().map_err(text)?),
        Some(TensorElementType::Float16) => {
            let values = value.try_extract_array::<f16>().map_err(text)?;
            Ok(values.mapv(f32::from))
        }
        Some(TensorElementType::Int64) => {
            let values = value.try_extract_array::<i64>().map_err(text)?;
            tensors::whole_numbers(values.shape(), values.iter().copied()).ok_or_else(too_large)
        }
        Some(TensorElementType::Int32) => {
            let values = value.try_extract_array::<i32>().map_err(text)?;
            let wide = values.iter().map(|value| i64::from(*value));
            tensors::whole_numbers(values.shape(), wide).ok_or_else(too_large)
        }
        other => Err(format!(
            "the run gave {other:?} where the graph promised numbers"
        )),
    }
}

fn find<'a>(outlets: &'a [Outlet], name: &str) -> Option<&'a Outlet> {
    outlets.iter().find(|outlet| outlet.name() == name)
}

fn known(shape: &[i64]) -> Sides {
    shape
        .iter()
        .map(|side| usize::try_from(*side).ok())
        .collect()
}

/// A shape for a message, free sides as `n`.
pub(super) fn shape_text(shape: &[Option<usize>]) -> String {
    let sides: Vec<_> = shape
        .iter()
        .map(|side| side.map_or_else(|| "n".to_owned(), |side| side.to_string()))
        .collect();
    format!("[{}]", sides.join(", "))
}
