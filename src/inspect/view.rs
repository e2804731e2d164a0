//! One view of a part: its frame through the stages of each of its models.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::drift::Drift;
use super::fault::Fault;
use super::identity::{self, Identity};
use super::{Capture, Inspection, Look, SetupError, ViewParts};
use crate::calibration::{Calibration, CalibrationFault, Placed};
use crate::config::hex;
use crate::domain::{
    Detection, Finding, Frame, ItemVersion, Name, Placement, PointPx, Reason, SizePx, StageTimings,
    Verdict, ViewRecord,
};
use crate::judge;
use crate::model::Detector;
use crate::recipe::{PartCode, Recipe, Step, View};
use crate::vision::{self, FlatField, Optics, Preparer, Registrar, VisionError};

/// A view, ready to judge its frames.
pub(super) struct ViewInspector {
    view: View,
    calibration: Calibration,
    flat_field: Option<FlatField>,
    // Where parts are found first.
    registrar: Option<Registrar>,
    // Where the part's code is seen.
    code: Option<PartCode>,
    drift: Drift,
    models: Vec<Model>,
    fingerprint_before: Option<[u8; 32]>,
}

/// A model of a view, with what its input is made from.
struct Model {
    detector: Arc<dyn Detector>,
    // Built for the size of the frames; a bare scale lets them change from part to part.
    prepared: Option<(SizePx, Preparer)>,
    tensor: Vec<f32>,
}

/// What the inspection of a view adds to on its way.
struct Course<'a> {
    record: &'a mut ViewRecord,
    timings: &'a mut StageTimings,
    announced: Option<&'a Name>,
    identity: Identity,
    see: &'a mut dyn FnMut(&Look<'_>),
}

impl ViewInspector {
    pub(super) fn new(recipe: &Recipe, view: &View, parts: ViewParts) -> Result<Self, SetupError> {
        check_limits(recipe, view, &parts.detectors)?;
        let unprepared = |cause: VisionError| SetupError::Prepare {
            part_type: recipe.part_type.to_string(),
            view: view.name.clone(),
            cause: Box::new(cause),
        };
        let registrar = registrar_of(view, &parts).map_err(unprepared)?;
        let code = identity::code_of(recipe, view, parts.calibration.image_size)?;
        let model = |detector: Arc<dyn Detector>| Model {
            tensor: vec![0.0; detector.package().tensor_length()],
            detector,
            prepared: None,
        };
        let mut this = Self {
            view: view.clone(),
            calibration: parts.calibration,
            flat_field: parts.flat_field,
            registrar,
            code,
            drift: Drift::default(),
            models: parts.detectors.into_iter().map(model).collect(),
            fingerprint_before: None,
        };
        // With a known image size a wrong region or a missing lens shows now and not at the first part.
        if let Some(size) = this.calibration.image_size {
            let setting = Setting {
                view: &this.view,
                calibration: &this.calibration,
                flat_field: this.flat_field.as_ref(),
                placed: None,
            };
            for model in &mut this.models {
                model.preparer(size, &setting).map_err(unprepared)?;
            }
        }
        Ok(this)
    }

    pub(super) fn models(&self) -> impl Iterator<Item = ItemVersion> {
        self.models
            .iter()
            .map(|model| model.detector.package().item_version())
    }

    pub(super) fn detectors(&self) -> Vec<Arc<dyn Detector>> {
        let detectors = self.models.iter().map(|model| Arc::clone(&model.detector));
        detectors.collect()
    }

    pub(super) fn calibration(&self) -> ItemVersion {
        self.calibration.version()
    }

    /// What the view contributes; what goes wrong is its `Indeterminate` with a note.
    pub(super) fn judge(
        &mut self,
        capture: Capture,
        announced: Option<&Name>,
        now_utc: Timestamp,
        inspection: &mut Inspection,
        see: &mut dyn FnMut(&Look<'_>),
    ) -> (ViewRecord, Vec<Finding>) {
        inspection.timings.capture += capture.took;
        let mut record = self.record();
        let mut course = Course {
            record: &mut record,
            timings: &mut inspection.timings,
            announced,
            identity: Identity::default(),
            see,
        };
        let outcome = self.inspect(capture, now_utc, &mut course);
        let identity = course.identity;
        let findings = match outcome {
            Ok((findings, verdict)) => {
                record.verdict = verdict;
                findings
            }
            Err(Fault { reason, note }) => {
                record.verdict = Verdict::Indeterminate(reason);
                record.note = note;
                Vec::new()
            }
        };
        if identity.part_read.is_some() {
            inspection.part_read = identity.part_read;
        }
        if let Some(note) = identity.doubt {
            // Before any other doubt: what was found may be another part's.
            record.verdict = Verdict::Indeterminate(Reason::Identity).worse(record.verdict);
            let others = std::mem::replace(&mut record.note, note);
            if !others.is_empty() {
                record.note = format!("{}; {others}", record.note);
            }
        }
        (record, findings)
    }

    /// Where the view's parts have come to lie, if a person should know.
    pub(super) fn drift(&mut self, record: &ViewRecord) -> Option<String> {
        let fixture = self.view.fixture.as_ref()?;
        let text = (self.drift).saw(record.placement.as_ref()?, fixture.drift_max_mm)?;
        Some(format!("view `{}`: {text}", self.view.name))
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
            placement: None,
        }
    }

    fn inspect(
        &mut self,
        capture: Capture,
        now_utc: Timestamp,
        course: &mut Course<'_>,
    ) -> Result<(Vec<Finding>, Verdict), Fault> {
        let frame = capture
            .frame
            .map_err(|(reason, note)| Fault { reason, note })?;
        course.record.camera_frame = Some(frame.camera_frame);
        course.record.origin.clone_from(&frame.origin);
        self.calibration.check_date(now_utc)?;
        timed(&mut course.timings.fitness, || {
            self.check_fitness(&frame, course.record)
        })?;
        let placed = match &self.registrar {
            None => None,
            Some(registrar) => Some(timed(&mut course.timings.prepare, || {
                registrar.find(&frame)
            })?),
        };
        if let (Some(code), Some(announced)) = (&self.code, course.announced) {
            course.identity = timed(&mut course.timings.prepare, || {
                identity::read(code, &frame, placed.as_ref(), announced)
            });
        }
        let placement = placed.map(|placed| placed.placement);
        course.record.placement = placement;
        let (mut findings, mut verdicts) = (Vec::new(), Vec::new());
        for model in &mut self.models {
            let setting = Setting {
                view: &self.view,
                calibration: &self.calibration,
                flat_field: self.flat_field.as_ref(),
                placed,
            };
            let detections = model.look(&frame, &setting, course)?;
            let (found, verdict) = timed(&mut course.timings.judge, || {
                let place = (&self.calibration, placement.as_ref());
                measure_and_judge(&self.view, place, detections)
            })?;
            findings.extend(found);
            verdicts.push(verdict);
        }
        let verdict = judge::agree(self.view.disagreement, &verdicts);
        if verdicts.iter().any(|one| *one != verdict) {
            course.record.note = self.who_said_what(&verdicts);
        }
        Ok((findings, verdict))
    }

    fn who_said_what(&self, verdicts: &[Verdict]) -> String {
        let said: Vec<String> = self
            .models
            .iter()
            .zip(verdicts)
            .map(|(model, verdict)| {
                let package = model.detector.package().item_version();
                format!("{} {} says {verdict}", package.name, package.version)
            })
            .collect();
        said.join(", ")
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
        let whole = frame.size().whole();
        // The region may lie in the undistorted image; for the fitness the nearby pixels will do.
        let fitness = vision::measure(frame, self.view.region.unwrap_or(whole))?;
        let faults = vision::judge(&fitness, &self.view.fitness);
        if faults.is_empty() {
            return Ok(());
        }
        let notes: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Err(unfit(notes.join("; ")))
    }
}

/// What a view's models have in common.
#[derive(Clone, Copy)]
struct Setting<'a> {
    view: &'a View,
    calibration: &'a Calibration,
    flat_field: Option<&'a FlatField>,
    placed: Option<Placed>,
}

impl Model {
    /// From the frame to the model's detections in it.
    fn look(
        &mut self,
        frame: &Frame,
        setting: &Setting<'_>,
        course: &mut Course<'_>,
    ) -> Result<Vec<Detection>, Fault> {
        let mut tensor = std::mem::take(&mut self.tensor);
        let prepared = timed(&mut course.timings.prepare, || {
            let preparer = self.preparer(frame.size(), setting)?;
            if let Some(placed) = setting.placed {
                preparer.follow(placed)?;
            }
            preparer.prepare(frame, &mut tensor)
        });
        self.tensor = tensor;
        prepared?;
        let Some((_, preparer)) = &self.prepared else {
            return Err(Fault {
                reason: Reason::ImageUnfit,
                note: "not prepared".to_owned(),
            });
        };
        let detector = &*self.detector;
        let raw = timed(&mut course.timings.infer, || detector.infer(&self.tensor))?;
        let original = |point: PointPx| preparer.original_from_input(point);
        let detections = timed(&mut course.timings.decode, || {
            detector.decode(&raw, &original)
        })?;
        (course.see)(&Look {
            view: setting.view,
            detector,
            raw: &raw,
            preparer,
            frame,
        });
        Ok(detections)
    }

    fn preparer(
        &mut self,
        size: SizePx,
        setting: &Setting<'_>,
    ) -> Result<&mut Preparer, VisionError> {
        let Setting {
            view,
            calibration,
            flat_field,
            ..
        } = *setting;
        let preparer = match self.prepared.take() {
            Some((prepared, preparer)) if prepared == size => preparer,
            _ => Preparer::new(
                size,
                view.region.unwrap_or(size.whole()),
                &view.steps,
                Optics {
                    lens: calibration.lens.as_ref(),
                    flat_field: flat_field
                        .filter(|_| view.steps.contains(&Step::FlatField))
                        .cloned(),
                    colour: calibration.colour.as_ref(),
                },
                &self.detector.package().manifest().input,
            )?,
        };
        Ok(&mut self.prepared.insert((size, preparer)).1)
    }
}

/// Each class of each model has a limit, and each limit a class.
fn check_limits(
    recipe: &Recipe,
    view: &View,
    detectors: &[Arc<dyn Detector>],
) -> Result<(), SetupError> {
    let labels: Vec<&str> = detectors
        .iter()
        .flat_map(|detector| &detector.package().manifest().labels)
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
    if unknown.is_empty() {
        return Ok(());
    }
    Err(SetupError::UnknownClass {
        part_type: recipe.part_type.to_string(),
        view: view.name.clone(),
        unknown: unknown.join(", "),
        labels: labels.join(", "),
    })
}

/// The marks of a view that finds its parts first.
fn registrar_of(view: &View, parts: &ViewParts) -> Result<Option<Registrar>, VisionError> {
    let (Some(fixture), Some(reference)) = (&view.fixture, &parts.reference) else {
        return Ok(None);
    };
    let region = view.region.unwrap_or(reference.size.whole());
    let projection = parts.calibration.projection();
    Registrar::new(reference, fixture, projection, region).map(Some)
}

fn measure_and_judge(
    view: &View,
    (calibration, placement): (&Calibration, Option<&Placement>),
    detections: Vec<Detection>,
) -> Result<(Vec<Finding>, Verdict), CalibrationFault> {
    let measured = detections
        .into_iter()
        .map(|detection| calibration.measure(detection, placement))
        .collect::<Result<_, _>>()?;
    Ok(judge::judge(view, measured))
}

fn timed<T>(took: &mut Duration, stage: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let value = stage();
    *took += started.elapsed();
    value
}
