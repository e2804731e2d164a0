//! A loaded model: a tensor in, detections out.

use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ndarray::{ArrayD, IxDyn};
use ort::session::Session;
use ort::value::{Outlet, TensorElementType, TensorRef, ValueType};

use crate::domain::{Detection, PointPx};

use super::decode::{self, RawOutput, shape_text};
use super::error::ModelError;
use super::golden::GoldenVector;
use super::manifest::Manifest;
use super::package::ModelPackage;
use super::provider::{self, Provider, SessionOptions};
use super::runtime::Runtime;

/// Runs before the clock counts: the first ones allocate and, on some providers, compile.
const WARM_UP_RUNS: usize = 1;
/// Runs of the latency self-test.
const LATENCY_RUNS: usize = 5;

/// A model that is ready: asked once for each picture, from any thread.
pub trait Detector: Send + Sync {
    /// The package that it was loaded from.
    fn package(&self) -> &ModelPackage;

    /// Runs the model on `tensor`: channels x rows x columns, normalised as the manifest says.
    ///
    /// # Errors
    /// [`ModelError`] if the run fails or any number is NaN or infinite; the part is
    /// `Indeterminate(Model)`.
    fn infer(&self, tensor: &[f32]) -> Result<RawOutput, ModelError>;

    /// Reads the detections, in pixels of the frame as the camera gave it: `original_from_input` takes
    /// a point on the model's input there.
    ///
    /// # Errors
    /// [`ModelError`] if the numbers are not what the layout says; the part is `Indeterminate(Model)`.
    fn decode(
        &self,
        raw: &RawOutput,
        original_from_input: &dyn Fn(PointPx) -> PointPx,
    ) -> Result<Vec<Detection>, ModelError>;
}

/// What loading a model measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoadReport {
    /// How many golden vectors came out right.
    pub n_golden: usize,
    /// The largest difference of any output number from the exported one.
    pub golden_largest_difference: f32,
    /// Reading the graph and optimising it.
    pub session_load: Duration,
    /// The fastest run of the latency self-test.
    pub latency_min: Duration,
    /// The middle one.
    pub latency_median: Duration,
    /// The slowest one.
    pub latency_max: Duration,
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        write!(
            f,
            "{} golden vectors within {:.1e}, {:.1} ms a run ({:.1} to {:.1}), loaded in {:.0} ms",
            self.n_golden,
            self.golden_largest_difference,
            ms(self.latency_median),
            ms(self.latency_min),
            ms(self.latency_max),
            ms(self.session_load)
        )
    }
}

/// A model run by ONNX Runtime.
#[derive(Debug)]
pub struct OnnxDetector {
    package: ModelPackage,
    model: String,
    input_shape: [usize; 4],
    session: Mutex<Session>,
}

impl OnnxDetector {
    /// Loads the graph, holds it against the manifest, proves it with the golden vectors, warms it up
    /// and measures its latency.
    ///
    /// # Errors
    /// [`ModelError`]; the station stays out of `Ready`.
    pub fn load(
        mut package: ModelPackage,
        runtime: &Runtime,
        options: &SessionOptions,
    ) -> Result<(Self, LoadReport), ModelError> {
        let manifest = package.manifest();
        let model = format!("{} {}", manifest.name, manifest.version);
        let input = &manifest.input;
        let input_shape =
            [1, input.channels, input.height_px, input.width_px].map(|side| side as usize);
        let sealed = std::mem::take(&mut package.sealed);
        let started = Instant::now();
        let session = open_session(&model, runtime, *options, &sealed.onnx)?;
        let session_load = started.elapsed();
        drop(sealed.onnx);
        check_graph(&model, package.manifest(), &input_shape, &session)?;
        let detector = Self {
            package,
            model,
            input_shape,
            session: Mutex::new(session),
        };
        let mut largest = 0.0_f32;
        let mut sample = Vec::new();
        let n_golden = sealed.golden.len();
        for bytes in sealed.golden {
            let golden = GoldenVector::read(
                &detector.model,
                detector.package.manifest(),
                detector.package.tensor_length(),
                bytes,
            )?;
            let found = detector.infer(&golden.tensor)?;
            let difference =
                golden.compare(&detector.model, detector.package.manifest(), &found)?;
            largest = largest.max(difference);
            sample = golden.tensor;
        }
        let [latency_min, latency_median, latency_max] = detector.measure_latency(&sample)?;
        let report = LoadReport {
            n_golden,
            golden_largest_difference: largest,
            session_load,
            latency_min,
            latency_median,
            latency_max,
        };
        Ok((detector, report))
    }

    /// Smallest, middle and largest time of a run.
    fn measure_latency(&self, tensor: &[f32]) -> Result<[Duration; 3], ModelError> {
        for _ in 0..WARM_UP_RUNS {
            self.infer(tensor)?;
        }
        let mut times = Vec::with_capacity(LATENCY_RUNS);
        for _ in 0..LATENCY_RUNS {
            let started = Instant::now();
            self.infer(tensor)?;
            times.push(started.elapsed());
        }
        times.sort_unstable();
        let at = |index: usize| times.get(index).copied().unwrap_or_default();
        Ok([at(0), at(times.len() / 2), at(times.len() - 1)])
    }

    fn output_error(&self, problem: impl Into<String>) -> ModelError {
        ModelError::Output {
            model: self.model.clone(),
            problem: problem.into(),
        }
    }
}

impl Detector for OnnxDetector {
    fn package(&self) -> &ModelPackage {
        &self.package
    }

    fn infer(&self, tensor: &[f32]) -> Result<RawOutput, ModelError> {
        if tensor.len() != self.package.tensor_length() {
            return Err(ModelError::Tensor {
                model: self.model.clone(),
                found: tensor.len(),
                expected: self.package.tensor_length(),
            });
        }
        let run_error = |source| ModelError::Run {
            model: self.model.clone(),
            source,
        };
        let Ok(mut session) = self.session.lock() else {
            return Err(ModelError::Poisoned {
                model: self.model.clone(),
            });
        };
        let input = TensorRef::from_array_view((self.input_shape, tensor)).map_err(run_error)?;
        let outputs = session.run(ort::inputs![input]).map_err(run_error)?;
        let output = outputs
            .get(&self.package.manifest().output_name)
            .ok_or_else(|| self.output_error("the run gave no output"))?;
        let (shape, values) = output.try_extract_tensor::<f32>().map_err(run_error)?;
        let shape: Option<Vec<usize>> = shape
            .iter()
            .map(|side| usize::try_from(*side).ok())
            .collect();
        let shape = shape.ok_or_else(|| self.output_error("its shape is not known"))?;
        let values = ArrayD::from_shape_vec(IxDyn(&shape), values.to_vec())
            .map_err(|error| self.output_error(error.to_string()))?;
        drop(outputs);
        drop(session);
        decode::check_shape(self.package.manifest(), values.shape())
            .map_err(|problem| self.output_error(problem))?;
        RawOutput::new(&self.model, values)
    }

    fn decode(
        &self,
        raw: &RawOutput,
        original_from_input: &dyn Fn(PointPx) -> PointPx,
    ) -> Result<Vec<Detection>, ModelError> {
        decode::decode(self.package.manifest(), raw, original_from_input)
            .map_err(|problem| self.output_error(problem))
    }
}

fn open_session(
    model: &str,
    runtime: &Runtime,
    options: SessionOptions,
    onnx: &[u8],
) -> Result<Session, ModelError> {
    let provider = options.provider;
    if provider != Provider::Cpu && !runtime.providers().contains(&provider) {
        return Err(ModelError::NoProvider {
            library: runtime.path().to_owned(),
            provider,
            available: runtime.providers().to_vec(),
        });
    }
    provider::session(runtime, options, onnx).map_err(|source| ModelError::Load {
        model: model.to_owned(),
        provider,
        source,
    })
}

/// Holds names, types and shapes of the graph against the manifest, before anything runs.
fn check_graph(
    model: &str,
    manifest: &Manifest,
    input_shape: &[usize; 4],
    session: &Session,
) -> Result<(), ModelError> {
    let input_shape = input_shape.map(Some);
    let output_shape = manifest.layout.shape(manifest.labels.len());
    let mut mistakes = Vec::new();
    for (kind, name, shape, outlets) in [
        (
            "input",
            &manifest.input_name,
            &input_shape[..],
            session.inputs(),
        ),
        (
            "output",
            &manifest.output_name,
            &output_shape[..],
            session.outputs(),
        ),
    ] {
        match outlets {
            [outlet] if outlet.name() == name => check_outlet(kind, outlet, shape, &mut mistakes),
            others => {
                let names: Vec<_> = others.iter().map(Outlet::name).collect();
                mistakes.push(format!(
                    "the graph has the {kind}s {names:?} and the manifest one {kind} `{name}`"
                ));
            }
        }
    }
    if mistakes.is_empty() {
        return Ok(());
    }
    Err(ModelError::Graph {
        model: model.to_owned(),
        mistakes,
    })
}

fn check_outlet(
    kind: &str,
    outlet: &Outlet,
    expected: &[Option<usize>],
    mistakes: &mut Vec<String>,
) {
    let name = outlet.name();
    let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else {
        mistakes.push(format!("the {kind} `{name}` is no tensor"));
        return;
    };
    if *ty != TensorElementType::Float32 {
        mistakes.push(format!("the {kind} `{name}` is {ty}; export it as f32"));
    }
    // A side below 0 is free in the graph, as a side that is `None` is free in the layout.
    let fits = shape.len() == expected.len()
        && shape.iter().zip(expected).all(|(found, expected)| {
            *found < 0 || expected.is_none_or(|expected| usize::try_from(*found) == Ok(expected))
        });
    if !fits {
        let found: Vec<_> = shape
            .iter()
            .map(|side| usize::try_from(*side).ok())
            .collect();
        mistakes.push(format!(
            "the {kind} `{name}` has the shape {} and the manifest says {}",
            shape_text(&found),
            shape_text(expected)
        ));
    }
}
