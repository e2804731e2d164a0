//! Frames in, findings and a verdict out: the only place that knows the order of the stages.
//!
//! `run`, `replay`, the benches and the tests all call [`Inspector::inspect`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::calibration::{Calibration, CalibrationFault};
use crate::config::hex;
use crate::domain::{
    Detection, Finding, Frame, ItemVersion, PointPx, Reason, RectPx, SizePx, StageTimings, Verdict,
    ViewRecord,
};
use crate::judge;
use crate::model::{Detector, ModelError};
use crate::recipe::{Recipe, Step, View};
use crate::vision::{self, FlatField, Preparer, VisionError};

/// Everything that one recipe needs, ready to judge parts.
pub struct Inspector {
    recipe: Recipe,
    views: Vec<ViewInspector>,
}

/// What a view's camera gave, or why it gave nothing.
#[derive(Debug)]
pub struct Capture {
    /// The frame, or what the part is answered and a text with figures.
    pub frame: Result<Frame, (Reason, String)>,
    /// How long it took.
    pub took: Duration,
}

/// The outcome for one part.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// The worst of the views.
    pub verdict: Verdict,
    /// All findings of all views, graded.
    pub findings: Vec<Finding>,
    /// What each view contributed.
    pub views: Vec<ViewRecord>,
    /// How long the stages took, views added up; `total` is left to the station.
    pub timings: StageTimings,
}

/// Why a recipe cannot be inspected with what is there.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Classes without a limit would be defects that nobody judges.
    #[error(
        "recipe `{part_type}`, view `{view}`: no limit for {missing}; add `[views.zones.limits.\"*\"]`"
    )]
    NoLimit {
        /// The part type.
        part_type: String,
        /// The view.
        view: String,
        /// Class and zone of each.
        missing: String,
    },
    /// Limits for classes that the model does not have would never be used.
    #[error(
        "recipe `{part_type}`, view `{view}`: limits for {unknown}, but the model knows {labels}"
    )]
    UnknownClass {
        /// The part type.
        part_type: String,
        /// The view.
        view: String,
        /// Class and zone of each.
        unknown: String,
        /// The model's labels.
        labels: String,
    },
    /// The preparation does not fit the calibration.
    #[error("recipe `{part_type}`, view `{view}`: the image cannot be prepared")]
    Prepare {
        /// The part type.
        part_type: String,
        /// The view.
        view: String,
        /// What does not fit.
        #[source]
        cause: Box<VisionError>,
    },
}

struct ViewInspector {
    view: View,
    calibration: Calibration,
    flat_field: Option<FlatField>,
    detector: Arc<dyn Detector>,
    // Built for the size of the frames; a bare scale lets them change from part to part.
    prepared: Option<(SizePx, Preparer)>,
    tensor: Vec<f32>,
    fingerprint_before: Option<[u8; 32]>,
}

/// Why a view has no findings.
struct Fault {
    reason: Reason,
    note: String,
}

/// What a view is inspected with.
pub struct ViewParts {
    /// The calibration of the view's camera.
    pub calibration: Calibration,
    /// Its flat-field image, where the recipe asks for it.
    pub flat_field: Option<FlatField>,
    /// The view's model.
    pub detector: Arc<dyn Detector>,
}

impl Inspection {
    /// An outcome that no view had a part in.
    pub fn without_views(verdict: Verdict) -> Self {
        Self {
            verdict,
            findings: Vec::new(),
            views: Vec::new(),
            timings: StageTimings::default(),
        }
    }
}

impl Inspector {
    /// Joins a recipe with the parts of each of its views, in the recipe's order.
    ///
    /// # Errors
    /// [`SetupError`] if a class has no limit or a preparation does not fit; the station does not
    /// become `Ready`.
    pub fn new(recipe: Recipe, parts: Vec<ViewParts>) -> Result<Self, SetupError> {
        let views = recipe
            .views
            .iter()
            .zip(parts)
            .map(|(view, parts)| ViewInspector::new(&recipe, view, parts))
            .collect::<Result<_, _>>()?;
        Ok(Self { recipe, views })
    }

    /// The recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The models in use, as records name them, without doubles.
    pub fn models(&self) -> Vec<ItemVersion> {
        sorted(
            self.views
                .iter()
                .map(|view| view.detector.package().item_version()),
        )
    }

    /// The calibrations in use, as records name them, without doubles.
    pub fn calibrations(&self) -> Vec<ItemVersion> {
        sorted(self.views.iter().map(|view| view.calibration.version()))
    }

    /// Judges one part from a capture for each view, in the recipe's order.
    ///
    /// Never fails: what goes wrong is the view's `Indeterminate` with a note. A missing capture
    /// counts as no frame.
    pub fn inspect(&mut self, captures: Vec<Capture>, now_utc: Timestamp) -> Inspection {
        let mut inspection = Inspection::without_views(Verdict::Ok);
        let mut captures = captures.into_iter();
        for view in &mut self.views {
            let capture = captures.next().unwrap_or_else(|| Capture {
                frame: Err((Reason::NoFrame, "no frame was taken".to_owned())),
                took: Duration::ZERO,
            });
            inspection.timings.capture += capture.took;
            let mut record = view.record();
            match view.inspect(capture, now_utc, &mut record, &mut inspection.timings) {
                Ok((findings, verdict)) => {
                    record.verdict = verdict;
                    inspection.findings.extend(findings);
                }
                Err(Fault { reason, note }) => {
                    record.verdict = Verdict::Indeterminate(reason);
                    record.note = note;
                }
            }
            inspection.verdict = inspection.verdict.worse(record.verdict);
            inspection.views.push(record);
        }
        inspection
    }
}

impl ViewInspector {
    fn new(recipe: &Recipe, view: &View, parts: ViewParts) -> Result<Self, SetupError> {
        let package = parts.detector.package();
        let labels: Vec<&str> = package
            .manifest()
            .labels
            .iter()
            .map(|label| &*label.name)
            .collect();
        let missing = view.labels_without_limit(labels.iter().copied());
        if !missing.is_empty() {
            return Err(SetupError::NoLimit {
                part_type: recipe.part_type.to_string(),
                view: view.name.clone(),
                missing: missing.join(", "),
            });
        }
        let unknown = view.limits_without_label(&labels);
        if !unknown.is_empty() {
            return Err(SetupError::UnknownClass {
                part_type: recipe.part_type.to_string(),
                view: view.name.clone(),
                unknown: unknown.join(", "),
                labels: labels.join(", "),
            });
        }
        let tensor = vec![0.0; package.tensor_length()];
        let mut this = Self {
            view: view.clone(),
            calibration: parts.calibration,
            flat_field: parts.flat_field,
            detector: parts.detector,
            prepared: None,
            tensor,
            fingerprint_before: None,
        };
        // With a known image size a wrong region or a missing lens shows now and not at the first part.
        if let Some(size) = this.calibration.image_size {
            this.preparer(size).map_err(|cause| SetupError::Prepare {
                part_type: recipe.part_type.to_string(),
                view: view.name.clone(),
                cause: Box::new(cause),
            })?;
        }
        Ok(this)
    }

    fn record(&self) -> ViewRecord {
        ViewRecord {
            view: self.view.name.clone(),
            camera: self.view.camera.clone(),
            camera_frame: None,
            origin: None,
            image_sha256: None,
            image_path: None,
            verdict: Verdict::Ok,
            note: String::new(),
        }
    }

    fn inspect(
        &mut self,
        capture: Capture,
        now_utc: Timestamp,
        record: &mut ViewRecord,
        timings: &mut StageTimings,
    ) -> Result<(Vec<Finding>, Verdict), Fault> {
        let frame = capture
            .frame
            .map_err(|(reason, note)| Fault { reason, note })?;
        record.camera_frame = Some(frame.camera_frame);
        record.origin.clone_from(&frame.origin);
        self.calibration.check_date(now_utc)?;
        timed(&mut timings.fitness, || self.check_fitness(&frame, record))?;
        timed(&mut timings.prepare, || self.prepare(&frame))?;
        let raw = timed(&mut timings.infer, || self.detector.infer(&self.tensor))?;
        let Some((_, preparer)) = &self.prepared else {
            return Err(Fault {
                reason: Reason::ImageUnfit,
                note: "not prepared".to_owned(),
            });
        };
        let original = |point: PointPx| preparer.original_from_input(point);
        let detections = timed(&mut timings.decode, || {
            self.detector.decode(&raw, &original)
        })?;
        Ok(timed(&mut timings.judge, || {
            self.measure_and_judge(detections)
        })?)
    }

    fn check_fitness(&mut self, frame: &Frame, record: &mut ViewRecord) -> Result<(), Fault> {
        let fingerprint = vision::fingerprint(frame);
        record.image_sha256 = Some(hex(&fingerprint));
        let before = self.fingerprint_before.replace(fingerprint);
        let unfit = |note: String| Fault {
            reason: Reason::ImageUnfit,
            note,
        };
        if self.view.fitness.refuse_duplicate && before == Some(fingerprint) {
            return Err(unfit(
                "the frame equals the one before; is the camera frozen?".to_owned(),
            ));
        }
        self.calibration.check_size(frame.size())?;
        let whole = whole(frame.size());
        // The region may lie in the undistorted image; for the fitness the nearby pixels will do.
        let fitness = vision::measure(frame, self.view.region.unwrap_or(whole))?;
        let faults = vision::judge(&fitness, &self.view.fitness);
        if faults.is_empty() {
            return Ok(());
        }
        let notes: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Err(unfit(notes.join("; ")))
    }

    fn prepare(&mut self, frame: &Frame) -> Result<(), VisionError> {
        let mut tensor = std::mem::take(&mut self.tensor);
        let done = self
            .preparer(frame.size())
            .and_then(|preparer| preparer.prepare(frame, &mut tensor));
        self.tensor = tensor;
        done
    }

    fn preparer(&mut self, size: SizePx) -> Result<&mut Preparer, VisionError> {
        let fits = self
            .prepared
            .as_ref()
            .is_some_and(|(prepared, _)| *prepared == size);
        let preparer = match self.prepared.take() {
            Some((_, preparer)) if fits => preparer,
            _ => Preparer::new(
                size,
                self.view.region.unwrap_or(whole(size)),
                &self.view.steps,
                self.calibration.lens.as_ref(),
                self.flat_field
                    .clone()
                    .filter(|_| self.view.steps.contains(&Step::FlatField)),
                &self.detector.package().manifest().input,
            )?,
        };
        Ok(&mut self.prepared.insert((size, preparer)).1)
    }

    fn measure_and_judge(
        &self,
        detections: Vec<Detection>,
    ) -> Result<(Vec<Finding>, Verdict), CalibrationFault> {
        let measured = detections
            .into_iter()
            .map(|detection| self.calibration.measure(detection))
            .collect::<Result<_, _>>()?;
        Ok(judge::judge(&self.view, measured))
    }
}

fn whole(size: SizePx) -> RectPx {
    RectPx {
        x: 0.0,
        y: 0.0,
        width: size.width_px.into(),
        height: size.height_px.into(),
    }
}

fn sorted(items: impl Iterator<Item = ItemVersion>) -> Vec<ItemVersion> {
    let mut items: Vec<_> = items.collect();
    items.sort();
    items.dedup();
    items
}

fn timed<T>(took: &mut Duration, stage: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let value = stage();
    *took += started.elapsed();
    value
}

/// An error and all its causes in one line, as records and notes carry it.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl From<CalibrationFault> for Fault {
    fn from(fault: CalibrationFault) -> Self {
        let reason = match fault {
            CalibrationFault::WrongSize { .. } => Reason::ImageUnfit,
            CalibrationFault::OutOfDate { .. }
            | CalibrationFault::FromTheFuture { .. }
            | CalibrationFault::NotFinite { .. } => Reason::Calibration,
        };
        Self {
            reason,
            note: fault.to_string(),
        }
    }
}

impl From<VisionError> for Fault {
    fn from(error: VisionError) -> Self {
        Self {
            reason: Reason::ImageUnfit,
            note: with_causes(&error),
        }
    }
}

impl From<ModelError> for Fault {
    fn from(error: ModelError) -> Self {
        Self {
            reason: Reason::Model,
            note: with_causes(&error),
        }
    }
}
