//! What the stages work on: the stamping sample, its model twice, a record store and a wire.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use jiff::Timestamp;
use ort::session::Session;
use taktgate::calibration::Calibration;
use taktgate::domain::{
    Detection, Frame, InspectionRecord, Name, PixelFormat, PointPx, RectPx, SizePx, StageTimings,
    Trigger,
};
use taktgate::inspect::{Capture, Inspection, Inspector};
use taktgate::model::{Detector, ModelPackage, OnnxDetector, RawOutput, Runtime, SessionOptions};
use taktgate::recipe::{Fixture, Step, View};
use taktgate::source::{pictures_below, read_frame};
use taktgate::station::{self, Station};
use taktgate::vision::{InputSpec, Optics, Picture, Preparer, Registrar};
use uuid::Uuid;

/// The scene that is measured.
pub(crate) const SCENE: &str = "samples/stamping";
/// A scene with colour frames of the same size.
const COLOUR_SCENE: &str = "samples/paint";

/// How far off parts may lie.
pub(crate) const SHIFT_MAX_MM: f64 = 5.0;

/// Everything loaded; index for index, the lists are of the same pictures.
pub(crate) struct Scene {
    pub(crate) station: Station,
    pub(crate) view: View,
    pub(crate) calibration: Calibration,
    pub(crate) inspector: Inspector,
    pub(crate) detector: OnnxDetector,
    pub(crate) bare: Bare,
    pub(crate) preparer: Preparer,
    pub(crate) pictures: Vec<PathBuf>,
    pub(crate) files: Vec<Vec<u8>>,
    pub(crate) frames: Vec<Frame>,
    pub(crate) tensors: Vec<Vec<f32>>,
    pub(crate) outputs: Vec<RawOutput>,
    pub(crate) detections: Vec<Vec<Detection>>,
    pub(crate) colour: Frame,
    pub(crate) resident: Resident,
    n_inspected: usize,
}

/// Resident sets in MiB.
pub(crate) struct Resident {
    pub(crate) before_mib: f64,
    pub(crate) after_mib: f64,
}

impl Scene {
    /// Loads it all, the inspector first and alone, so that its memory can be told.
    pub(crate) fn load() -> anyhow::Result<Self> {
        // As the program does at its start.
        taktgate::vision::init(1)?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = root.join(SCENE);
        let before_mib = status_mib("self", "VmRSS")?;
        let station = station::read_station(&folder.join("station.toml"))?;
        let files = station::files_of(&station)?;
        let recipe = files.recipes().first().context("no recipe")?;
        let view = recipe.views.first().context("no view")?.clone();
        let calibration = files.calibrations().find(|one| one.camera == view.camera);
        let calibration = calibration.context("no calibration")?.clone();
        let ready = station::make_ready(&station, files)?;
        let inspector = ready
            .inspectors
            .into_iter()
            .next()
            .context("no inspector")?;
        let after_mib = status_mib("self", "VmRSS")?;

        let runtime = Runtime::load(station.onnxruntime.as_deref())?;
        let package = ModelPackage::open(
            &station
                .models
                .join(view.models.first().context("no model")?),
        )?;
        let onnx = package.dir().join("model.onnx");
        let (detector, _) = OnnxDetector::load(package, &runtime, &station.session)?;
        let bare = Bare::open(&runtime, &onnx, &detector, station.session)?;
        let pictures = pictures_below(&view.camera, &folder.join("frames"))?;
        ensure!(2 < pictures.len(), "too few pictures in {SCENE}/frames");
        let read = |path: &PathBuf| read_frame(&view.camera, path);
        let frames = pictures.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let size = frames.first().context("no frame")?.size();
        let input = &detector.package().manifest().input;
        let colour = pictures_below("colour", &root.join(COLOUR_SCENE).join("frames"))?;
        let colour = read_frame("colour", colour.first().context("no colour picture")?)?;
        ensure!(
            colour.format() != PixelFormat::Gray8 && colour.size() == size,
            "the first picture of {COLOUR_SCENE} is no colour picture of {SCENE}'s size"
        );
        let mut scene = Self {
            preparer: preparer(size, view.region, &view.steps, &calibration, input)?,
            files: pictures
                .iter()
                .map(std::fs::read)
                .collect::<Result<_, _>>()?,
            tensors: Vec::new(),
            outputs: Vec::new(),
            detections: Vec::new(),
            resident: Resident {
                before_mib,
                after_mib,
            },
            n_inspected: 0,
            station,
            view,
            calibration,
            inspector,
            detector,
            bare,
            pictures,
            frames,
            colour,
        };
        scene.run_stages()?;
        Ok(scene)
    }

    // What each stage hands to the next, so that each can be measured alone.
    fn run_stages(&mut self) -> anyhow::Result<()> {
        for frame in &self.frames {
            let mut tensor = vec![0.0; self.detector.package().tensor_length()];
            self.preparer.prepare(frame, &mut tensor)?;
            let output = self.detector.infer(&tensor)?;
            let original = |point: PointPx| self.preparer.original_from_input(point);
            self.detections
                .push(self.detector.decode(&output, &original)?);
            self.outputs.push(output);
            self.tensors.push(tensor);
        }
        Ok(())
    }

    /// What is judged of each frame.
    pub(crate) fn region(&self) -> RectPx {
        self.view.region.unwrap_or(self.colour.size().whole())
    }

    /// Which picture comes next, and one that is no duplicate of the one before.
    pub(crate) fn next(&mut self) -> usize {
        self.n_inspected += 1;
        self.n_inspected % self.pictures.len()
    }

    /// The picture with the most detections.
    pub(crate) fn worst(&self) -> usize {
        let counts = self.detections.iter().map(Vec::len);
        counts.zip(0..).max().map_or(0, |(_, worst)| worst)
    }

    /// A preparation of the scene's frames, with `channels` instead of the model's own.
    pub(crate) fn preparer(&self, steps: &[Step], channels: u32) -> anyhow::Result<Preparer> {
        let own = &self.detector.package().manifest().input;
        let first =
            |values: &[f32]| vec![values.first().copied().unwrap_or(1.0); channels as usize];
        let input = InputSpec {
            channels,
            mean_values: first(&own.mean_values),
            scale_values: first(&own.scale_values),
            ..own.clone()
        };
        let (size, region) = (self.colour.size(), self.view.region);
        preparer(size, region, steps, &self.calibration, &input)
    }

    /// From a frame in memory to the verdict.
    pub(crate) fn inspect(&mut self, frame: Frame, took: Duration) -> Inspection {
        let frame = Ok(frame);
        self.inspector
            .inspect(vec![Capture { frame, took }], None, Timestamp::now())
    }

    /// From a file to the verdict.
    pub(crate) fn inspect_file(&mut self, index: usize) -> anyhow::Result<Inspection> {
        let started = Instant::now();
        let path = self.pictures.get(index).context("no such picture")?;
        let frame = read_frame(&self.view.camera, path)?;
        Ok(self.inspect(frame, started.elapsed()))
    }

    /// The record that a live station would write of the worst picture of the scene.
    pub(crate) fn record(&mut self) -> anyhow::Result<InspectionRecord> {
        let inspection = self.inspect_file(self.worst())?;
        let now = Instant::now();
        let recipe = self.inspector.recipe();
        Ok(InspectionRecord {
            id: new_id(),
            station: self.station.name.clone(),
            trigger: Trigger {
                sequence: 1,
                part: Name::new("P-1")?,
                part_type: recipe.part_type.clone(),
                lot: None,
                supplier: None,
                arrived_at: now,
                arrived_at_utc: Timestamp::now(),
                deadline: now + Duration::from_mins(1),
            },
            verdict: inspection.verdict,
            part_read: inspection.part_read,
            late: false,
            findings: inspection.findings,
            views: inspection.views,
            recipe: Some(recipe.version()),
            models: self.inspector.models(),
            calibrations: self.inspector.calibrations(),
            timings: StageTimings::default(),
            decided_at_utc: Timestamp::now(),
            clock_stepped_s: None,
            software_version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }
}

impl Scene {
    /// Finds the part of the first frame, by marks that it chooses, up to [`SHIFT_MAX_MM`] off.
    pub(crate) fn registrar(&self, turn_max_deg: f64) -> anyhow::Result<Registrar> {
        let frame = self.frames.first().context("no frame")?;
        let reference = Picture {
            size: frame.size(),
            format: frame.format(),
            pixels: frame.pixels().to_vec(),
        };
        let fixture = Fixture {
            marks_px: Vec::new(),
            shift_max_mm: SHIFT_MAX_MM,
            turn_max_deg,
            score_min: 0.7,
            drift_max_mm: 2.5,
        };
        let (projection, middle) = (self.calibration.projection(), self.middle());
        Ok(Registrar::new(&reference, &fixture, projection, middle)?)
    }

    /// A region that a part may move with, and stay in the picture.
    pub(crate) fn middle(&self) -> RectPx {
        let size = self.colour.size();
        RectPx {
            x: 100.0,
            y: 80.0,
            width: f64::from(size.width_px) - 200.0,
            height: f64::from(size.height_px) - 160.0,
        }
    }

    /// Prepares that region, the lens taken out.
    pub(crate) fn middle_preparer(&self) -> anyhow::Result<Preparer> {
        let input = &self.detector.package().manifest().input;
        let (size, region) = (self.colour.size(), Some(self.middle()));
        preparer(size, region, &[Step::Undistort], &self.calibration, input)
    }
}

/// The id of a record.
pub(crate) fn new_id() -> String {
    Uuid::now_v7().to_string()
}

fn preparer(
    size: SizePx,
    region: Option<RectPx>,
    steps: &[Step],
    calibration: &Calibration,
    input: &InputSpec,
) -> anyhow::Result<Preparer> {
    let (region, lens) = (region.unwrap_or(size.whole()), calibration.lens.as_ref());
    Ok(Preparer::new(
        size,
        region,
        steps,
        Optics {
            lens,
            ..Optics::default()
        },
        input,
    )?)
}

/// ONNX Runtime and nothing of ours: the graph, a tensor in, a view of the output.
pub(crate) struct Bare {
    shape: [usize; 4],
    as_station: Session,
    spinning: Session,
}

impl Bare {
    fn open(
        runtime: &Runtime,
        onnx: &Path,
        detector: &OnnxDetector,
        options: SessionOptions,
    ) -> ort::Result<Self> {
        let session = |spinning| {
            Session::builder(runtime.environment())?
                .with_log_level(ort::logging::LogLevel::Warning)?
                .with_intra_threads(options.threads)?
                .with_inter_threads(1)?
                .with_intra_op_spinning(spinning)?
                .with_config_entry("session.set_denormal_as_zero", "1")?
                .commit_from_file(onnx)
        };
        let input = &detector.package().manifest().input;
        Ok(Self {
            shape: [1, input.channels, input.height_px, input.width_px].map(|side| side as usize),
            as_station: session(options.spinning)?,
            spinning: session(true)?,
        })
    }

    /// One run with the station's threads and spinning.
    pub(crate) fn run(&mut self, tensor: &[f32]) -> ort::Result<f32> {
        run(&mut self.as_station, self.shape, tensor)
    }

    /// One run with ONNX Runtime's own spinning.
    pub(crate) fn run_spinning(&mut self, tensor: &[f32]) -> ort::Result<f32> {
        run(&mut self.spinning, self.shape, tensor)
    }
}

fn run(session: &mut Session, shape: [usize; 4], tensor: &[f32]) -> ort::Result<f32> {
    let input = ort::value::TensorRef::from_array_view((shape, tensor))?;
    let outputs = session.run(ort::inputs![input])?;
    let (_, values) = outputs[0].try_extract_tensor::<f32>()?;
    Ok(values.last().copied().unwrap_or_default())
}

/// A figure of `/proc/PROCESS/status` in MiB.
pub(crate) fn status_mib(process: &str, key: &str) -> anyhow::Result<f64> {
    let path = format!("/proc/{process}/status");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read `{path}`"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let figure = line.and_then(|rest| rest.trim_matches([':', ' ', '\t']).strip_suffix(" kB"));
    let kib: f64 = figure
        .with_context(|| format!("`{path}` has no `{key}`"))?
        .trim()
        .parse()?;
    Ok(kib / 1024.0)
}
