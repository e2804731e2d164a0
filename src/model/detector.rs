//! A loaded model: a tensor in, detections out.

use std::fmt;
use std::time::{Duration, Instant};

use ndarray::Array2;
use tracing::warn;

use crate::domain::{Detection, PointPx};

use super::decode::{self, Wanted};
use super::error::ModelError;
use super::golden::GoldenVector;
use super::graph::{Graph, Loaded, Needs};
use super::manifest::{Manifest, ProvedBy};
use super::output::RawOutput;
use super::package::ModelPackage;
use super::provider::SessionOptions;
use super::runtime::Runtime;
use super::tensors::Tensors;

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

    /// Reads the detections as [`Detector::decode`] does, but boxes, classes and regions of classes
    /// from `score_min` on, whatever the confidence threshold, the best
    /// [`DETECTIONS_MAX`](super::DETECTIONS_MAX) of them: for curves over all thresholds. Regions of
    /// anomaly maps stay those of the thresholds.
    ///
    /// # Errors
    /// [`ModelError`] if the numbers are not what the layout says.
    fn decode_all(
        &self,
        raw: &RawOutput,
        original_from_input: &dyn Fn(PointPx) -> PointPx,
        score_min: f32,
    ) -> Result<Vec<Detection>, ModelError>;

    /// How bad each cell of a map looks, 0 to 1: what is not good for a segmentation, the map itself
    /// for an anomaly model. `None` for other tasks, or if the numbers cannot be trusted.
    fn score_map(&self, raw: &RawOutput) -> Option<Array2<f32>> {
        decode::score_map(self.package().manifest(), raw)
    }

    /// A classifier's probability of each label. `None` for other tasks, or if the numbers cannot be
    /// trusted.
    fn class_scores(&self, raw: &RawOutput) -> Option<Vec<f32>> {
        decode::label_scores(self.package().manifest(), raw)
    }

    /// The graph's own score of the whole picture, where it has one (anomaly models only): 0 to 1.
    fn image_score(&self, raw: &RawOutput) -> Option<f32> {
        decode::image_score(self.package().manifest(), raw)
    }
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
    input_shape: [usize; 3],
    graph: Graph,
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
        let sealed = std::mem::take(&mut package.sealed);
        let manifest = package.manifest();
        let model = format!("{} {}", manifest.name, manifest.version);
        let input = &manifest.input;
        let input_shape =
            [input.channels, input.height_px, input.width_px].map(|side| side as usize);
        let needs = needs(manifest, sealed.fixed);
        let started = Instant::now();
        let graph = Loaded::open(&model, &sealed.onnx, runtime, options)?.into_graph(needs)?;
        let session_load = started.elapsed();
        drop(sealed.onnx);
        let detector = Self {
            package,
            model,
            input_shape,
            graph,
        };
        let mut largest = 0.0_f32;
        let mut sample = Vec::new();
        let n_golden = sealed.golden.len();
        for bytes in sealed.golden {
            let golden = GoldenVector::read(&detector.model, detector.package.manifest(), bytes)?;
            let found = detector.infer(&golden.tensor)?;
            let difference =
                golden.compare(&detector.model, detector.package.manifest(), &found)?;
            largest = largest.max(difference);
            sample = golden.tensor;
        }
        if detector.package.manifest().proved_by == ProvedBy::Graph {
            warn!(
                model = %detector.model,
                "nobody has proved that it scores here as where it was trained: its golden vectors \
                 come from the exported graph itself; import it again with `--golden`"
            );
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
        let manifest = self.package.manifest();
        let values = self.graph.run(tensor, self.input_shape)?;
        let roles = manifest.outputs.iter().map(|(role, _)| *role);
        let raw = RawOutput::new(&self.model, roles.zip(values).collect())?;
        decode::check_shapes(manifest, &raw).map_err(|problem| self.output_error(problem))?;
        Ok(raw)
    }

    fn decode(
        &self,
        raw: &RawOutput,
        original_from_input: &dyn Fn(PointPx) -> PointPx,
    ) -> Result<Vec<Detection>, ModelError> {
        let (manifest, wanted) = (self.package.manifest(), Wanted::ByThresholds);
        decode::decode(manifest, raw, original_from_input, wanted)
            .map_err(|problem| self.output_error(problem))
    }

    fn decode_all(
        &self,
        raw: &RawOutput,
        original_from_input: &dyn Fn(PointPx) -> PointPx,
        score_min: f32,
    ) -> Result<Vec<Detection>, ModelError> {
        let (manifest, wanted) = (self.package.manifest(), Wanted::From(score_min));
        decode::decode(manifest, raw, original_from_input, wanted)
            .map_err(|problem| self.output_error(problem))
    }
}

/// What the graph of this manifest must have.
pub(super) fn needs(manifest: &Manifest, fixed: Tensors) -> Needs {
    let input = &manifest.input;
    let sides = [1, input.channels, input.height_px, input.width_px];
    Needs {
        picture: (
            manifest.input_name.clone(),
            sides.map(|side| Some(side as usize)).to_vec(),
        ),
        fixed,
        outputs: manifest.needed_outputs(),
    }
}
