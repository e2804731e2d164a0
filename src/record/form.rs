//! The stored and sent form of an inspection record: JSON with a schema number.
//!
//! Numbers are rounded to what a camera can know, so that the text is short and reads back as the
//! very same numbers.

mod placement;

use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fields;
use super::words::{GradeWord, ReasonWord, VerdictWord};
use crate::domain::{
    Finding, InspectionRecord, ItemVersion, Name, PointPx, RectMm, RectPx, StageTimings, Verdict,
    ViewRecord,
};

pub use placement::PlacementForm;

/// The number of this form; a changed form gets the next one.
pub const RECORD_SCHEMA: u32 = 1;
/// Most findings one record tells; the worst are kept, the others counted.
pub const FINDINGS_MAX: usize = 100;
/// Most points of one outline; longer ones are thinned evenly.
pub const OUTLINE_POINTS_MAX: usize = 64;
/// Most characters of a note or an explanation; longer ones are cut and end in `...`.
pub const TEXT_LENGTH_MAX: usize = 500;

/// Steps of one pixel, of one millimetre (or square millimetre) and of one millisecond that are kept.
const STEPS_PER_PX: f64 = 10.0;
const STEPS_PER_MM: f64 = 1000.0;
const STEPS_PER_MS: f64 = 1000.0;

/// An inspection record as it is written, sent and read.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[schemars(transform = fields::agree)]
pub struct RecordForm {
    /// The number of this form.
    #[schemars(extend("const" = RECORD_SCHEMA))]
    pub schema: u32,
    /// Unique, sortable by time.
    pub id: String,
    /// The station.
    pub station: String,
    /// The line controller's count.
    pub sequence: u32,
    /// The part.
    #[serde(deserialize_with = "fields::name")]
    #[schemars(with = "fields::NameText")]
    pub part_id: String,
    /// The part that the code on it names, where the recipe has one and it could be read.
    #[serde(
        default,
        deserialize_with = "fields::name_or_null",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<fields::NameText>")]
    pub part_id_read: Option<String>,
    /// Its type.
    #[serde(deserialize_with = "fields::name")]
    #[schemars(with = "fields::NameText")]
    pub part_type: String,
    /// The lot it comes from.
    #[serde(deserialize_with = "fields::name_or_null")]
    #[schemars(with = "Option<fields::NameText>")]
    pub lot: Option<String>,
    /// Who made it.
    #[serde(deserialize_with = "fields::name_or_null")]
    #[schemars(with = "Option<fields::NameText>")]
    pub supplier: Option<String>,
    /// When the trigger came.
    pub triggered_at_utc: Timestamp,
    /// When it was decided.
    pub decided_at_utc: Timestamp,
    /// What was found.
    pub verdict: VerdictWord,
    /// Result code of OPC 40001-101: 1 OK, 2 not OK, 3 not decidable.
    #[schemars(range(min = 1, max = 3))]
    pub result_code: u8,
    /// Why the gate could not say.
    #[serde(deserialize_with = "fields::or_null")]
    pub reason: Option<ReasonWord>,
    /// Recorded after the deadline had been answered; never was a verdict.
    pub late: bool,
    /// The findings, at most 100.
    #[serde(deserialize_with = "fields::at_most::<FINDINGS_MAX, _, _>")]
    #[schemars(length(max = FINDINGS_MAX))]
    pub findings: Vec<FindingForm>,
    /// Findings over that limit.
    pub n_findings_left_out: u64,
    /// What each view contributed.
    pub views: Vec<ViewForm>,
    /// The recipe used.
    #[serde(deserialize_with = "fields::or_null")]
    pub recipe: Option<ItemForm>,
    /// The models used.
    pub models: Vec<ItemForm>,
    /// The calibrations used.
    pub calibrations: Vec<ItemForm>,
    /// How long it took.
    pub timings: TimingsForm,
    /// By how much the wall clock jumped from the trigger to the verdict, where it did: the two times in UTC
    /// are then not to be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_stepped_s: Option<f64>,
    /// The version of the program that decided.
    pub software_version: String,
    /// SHA-256 of the link before this one in its store, a record or a removal, lower-case hexadecimal; 64
    /// zeros for the first.
    pub previous_sha256: String,
}

/// A finding as it is written.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingForm {
    /// The view it was seen in.
    pub view: String,
    /// The model's label.
    pub class: String,
    /// Its number in a standard, or empty.
    pub code: String,
    /// How sure the model is, 0 to 1.
    #[serde(deserialize_with = "fields::score")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub score: f32,
    /// The upright box around it, to 0.1 px.
    pub region_px: RectForm,
    /// Its outline as x and y, to 0.1 px, at most 64 points.
    #[serde(deserialize_with = "fields::at_most::<OUTLINE_POINTS_MAX, _, _>")]
    #[schemars(length(max = OUTLINE_POINTS_MAX))]
    pub outline_px: Vec<[f64; 2]>,
    /// Whether the outline is a mask's contour and not a box.
    pub has_mask: bool,
    /// The upright box on the part, to 0.001 mm.
    pub region_mm: RectForm,
    /// Its longest extent, to 0.001 mm.
    pub length_mm: f64,
    /// What the length is uncertain by, with k = 2 and to 0.001 mm, where the calibration states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length_uncertainty_mm: Option<f64>,
    /// Its area, to 0.001 mm².
    pub area_mm2: f64,
    /// The zone whose limits graded it.
    pub zone: String,
    /// What the limits say.
    pub grade: GradeWord,
    /// Which limit decided.
    pub because: String,
}

/// An upright box as it is written; the field that holds it names the unit.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RectForm {
    /// Smallest x.
    pub x: f64,
    /// Smallest y.
    pub y: f64,
    /// Extent along x.
    pub width: f64,
    /// Extent along y.
    pub height: f64,
}

/// What one view contributed, as it is written.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewForm {
    /// The view.
    pub view: String,
    /// Its camera.
    pub camera: String,
    /// The camera's own count, if a frame came.
    #[serde(deserialize_with = "fields::or_null")]
    pub camera_frame: Option<u64>,
    /// The file the frame came from.
    #[serde(deserialize_with = "fields::or_null")]
    pub origin: Option<String>,
    /// SHA-256 of the pixels.
    #[serde(deserialize_with = "fields::or_null")]
    pub image_sha256: Option<String>,
    /// Where the image is kept, relative to the archive.
    #[serde(deserialize_with = "fields::or_null")]
    pub image_path: Option<String>,
    /// This view's verdict.
    pub verdict: VerdictWord,
    /// Why this view could not say.
    #[serde(deserialize_with = "fields::or_null")]
    pub reason: Option<ReasonWord>,
    /// What was wrong, with figures.
    pub note: String,
    /// How the part lay, where the recipe finds it first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<PlacementForm>,
}

/// A recipe, model or calibration as it is written.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemForm {
    /// Its name.
    pub name: String,
    /// Version, revision or date.
    pub version: String,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// Stage timings as they are written: milliseconds, to the microsecond.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimingsForm {
    /// Waiting for frames and reading them.
    pub capture_ms: f64,
    /// Fitness of the image.
    pub fitness_ms: f64,
    /// Finding the part, reading its code, colour, undistort, crop, resize, normalise.
    pub prepare_ms: f64,
    /// The model's run.
    pub infer_ms: f64,
    /// From the model's numbers to detections.
    pub decode_ms: f64,
    /// Millimetres, limits, verdict.
    pub judge_ms: f64,
    /// From the trigger to the verdict.
    pub total_ms: f64,
}

/// Why a record cannot be written or read as JSON.
#[derive(Debug, thiserror::Error)]
pub enum FormError {
    /// JSON has no such number, and a made-up one would be false evidence.
    #[error(
        "{what} of record `{id}` is not a finite number; check the calibration that measured it"
    )]
    NotFinite {
        /// The record.
        id: String,
        /// Which number.
        what: &'static str,
    },
    /// The text is no record.
    #[error("this is no inspection record of schema {RECORD_SCHEMA}; was it changed by hand?")]
    Parse(#[from] serde_json::Error),
    /// The text is a record of another form.
    #[error(
        "the record has schema {found}, this program reads {RECORD_SCHEMA}; use the taktgate that wrote it"
    )]
    Schema {
        /// The number in the text.
        found: u32,
    },
    /// Verdict, reason and result code do not belong together.
    #[error(
        "record `{id}`: verdict, reason and result code contradict each other; was it changed by hand?"
    )]
    Contradiction {
        /// The record.
        id: String,
    },
}

/// All that is read before the schema number is known.
#[derive(Deserialize)]
struct SchemaOnly {
    schema: u32,
}

impl RecordForm {
    /// The form of `record`, chained to the record before it.
    pub fn from_record(record: &InspectionRecord, previous_sha256: &str) -> Self {
        let trigger = &record.trigger;
        let mut findings: Vec<&Finding> = record.findings.iter().collect();
        let n_findings_left_out = findings.len().saturating_sub(FINDINGS_MAX);
        if n_findings_left_out > 0 {
            findings.sort_by_key(|finding| std::cmp::Reverse(finding.grade));
            findings.truncate(FINDINGS_MAX);
        }
        Self {
            schema: RECORD_SCHEMA,
            id: record.id.clone(),
            station: record.station.clone(),
            sequence: trigger.sequence,
            part_id: trigger.part.to_string(),
            part_id_read: record.part_read.as_ref().map(Name::to_string),
            part_type: trigger.part_type.to_string(),
            lot: trigger.lot.as_ref().map(Name::to_string),
            supplier: trigger.supplier.as_ref().map(Name::to_string),
            triggered_at_utc: trigger.arrived_at_utc,
            decided_at_utc: record.decided_at_utc,
            verdict: record.verdict.into(),
            result_code: record.verdict.opc_code(),
            reason: record.verdict.reason().map(ReasonWord),
            late: record.late,
            findings: findings.into_iter().map(FindingForm::from).collect(),
            n_findings_left_out: n_findings_left_out as u64,
            views: record.views.iter().map(ViewForm::from).collect(),
            recipe: record.recipe.as_ref().map(ItemForm::from),
            models: record.models.iter().map(ItemForm::from).collect(),
            calibrations: record.calibrations.iter().map(ItemForm::from).collect(),
            timings: TimingsForm::from(&record.timings),
            clock_stepped_s: record.clock_stepped_s,
            software_version: record.software_version.clone(),
            previous_sha256: previous_sha256.to_owned(),
        }
    }

    /// The JSON text, on one line.
    ///
    /// # Errors
    /// [`FormError::NotFinite`]: the record is not written; the station answers `Storage`.
    pub fn to_json(&self) -> Result<String, FormError> {
        if let Some(what) = self.findings.iter().find_map(FindingForm::not_finite) {
            let id = self.id.clone();
            return Err(FormError::NotFinite { id, what });
        }
        Ok(serde_json::to_string(self)?)
    }

    /// Reads the JSON text and checks that it does not contradict itself.
    ///
    /// # Errors
    /// [`FormError`] if the text is no record of this schema; keep the text, it is evidence.
    pub fn parse(json: &str) -> Result<Self, FormError> {
        let SchemaOnly { schema: found } = serde_json::from_str(json)?;
        if found != RECORD_SCHEMA {
            return Err(FormError::Schema { found });
        }
        let form: Self = serde_json::from_str(json)?;
        form.verdict()?;
        Ok(form)
    }

    /// The verdict.
    ///
    /// # Errors
    /// [`FormError::Contradiction`] if verdict, reason and result code do not belong together.
    pub fn verdict(&self) -> Result<Verdict, FormError> {
        self.verdict
            .with(self.reason)
            .filter(|verdict| verdict.opc_code() == self.result_code)
            .ok_or_else(|| FormError::Contradiction {
                id: self.id.clone(),
            })
    }
}

impl FindingForm {
    fn not_finite(&self) -> Option<&'static str> {
        let outline_finite = self.outline_px.iter().flatten().all(|v| v.is_finite());
        let checks = [
            ("`score`", self.score.is_finite()),
            ("`region_px`", self.region_px.is_finite()),
            ("`outline_px`", outline_finite),
            ("`region_mm`", self.region_mm.is_finite()),
            ("`length_mm`", self.length_mm.is_finite()),
            (
                "`length_uncertainty_mm`",
                self.length_uncertainty_mm.is_none_or(f64::is_finite),
            ),
            ("`area_mm2`", self.area_mm2.is_finite()),
        ];
        checks
            .into_iter()
            .find_map(|(what, finite)| (!finite).then_some(what))
    }
}

impl From<&Finding> for FindingForm {
    fn from(finding: &Finding) -> Self {
        let detection = &finding.detection;
        let RectPx {
            x,
            y,
            width,
            height,
        } = detection.region_px;
        let region_px = RectForm::rounded([x, y, width, height], STEPS_PER_PX);
        let RectMm {
            x,
            y,
            width,
            height,
        } = finding.region_mm;
        let region_mm = RectForm::rounded([x, y, width, height], STEPS_PER_MM);
        Self {
            view: finding.view.clone(),
            class: detection.class.name.to_string(),
            code: detection.class.code.to_string(),
            score: detection.score.get(),
            region_px,
            outline_px: thinned(&detection.outline_px),
            has_mask: detection.has_mask,
            region_mm,
            length_mm: rounded(finding.length_mm, STEPS_PER_MM),
            length_uncertainty_mm: finding
                .length_uncertainty_mm
                .map(|uncertainty| rounded(uncertainty, STEPS_PER_MM)),
            area_mm2: rounded(finding.area_mm2, STEPS_PER_MM),
            zone: finding.zone.clone(),
            grade: finding.grade.into(),
            because: cut(&finding.because),
        }
    }
}

impl RectForm {
    fn rounded([x, y, width, height]: [f64; 4], steps: f64) -> Self {
        Self {
            x: rounded(x, steps),
            y: rounded(y, steps),
            width: rounded(width, steps),
            height: rounded(height, steps),
        }
    }

    fn is_finite(&self) -> bool {
        [self.x, self.y, self.width, self.height]
            .iter()
            .all(|value| value.is_finite())
    }
}

impl From<&ViewRecord> for ViewForm {
    fn from(view: &ViewRecord) -> Self {
        Self {
            view: view.view.clone(),
            camera: view.camera.clone(),
            camera_frame: view.camera_frame,
            origin: view.origin.clone(),
            image_sha256: view.image_sha256.clone(),
            image_path: view.image_path.clone(),
            verdict: view.verdict.into(),
            reason: view.verdict.reason().map(ReasonWord),
            note: cut(&view.note),
            placement: view.placement.as_ref().map(PlacementForm::from),
        }
    }
}

impl From<&ItemVersion> for ItemForm {
    fn from(item: &ItemVersion) -> Self {
        Self {
            name: item.name.clone(),
            version: item.version.clone(),
            sha256: item.sha256.clone(),
        }
    }
}

impl From<&StageTimings> for TimingsForm {
    fn from(timings: &StageTimings) -> Self {
        let ms = |time: Duration| rounded(time.as_secs_f64() * 1000.0, STEPS_PER_MS);
        Self {
            capture_ms: ms(timings.capture),
            fitness_ms: ms(timings.fitness),
            prepare_ms: ms(timings.prepare),
            infer_ms: ms(timings.infer),
            decode_ms: ms(timings.decode),
            judge_ms: ms(timings.judge),
            total_ms: ms(timings.total),
        }
    }
}

fn rounded(value: f64, steps: f64) -> f64 {
    // Adding zero turns -0.0, which JSON would show, into 0.0.
    (value * steps).round() / steps + 0.0
}

fn thinned(outline: &[PointPx]) -> Vec<[f64; 2]> {
    let kept = outline.len().min(OUTLINE_POINTS_MAX);
    (0..kept)
        .filter_map(|nth| outline.get(nth * outline.len() / kept))
        .map(|point| [point.x, point.y].map(|value| rounded(value, STEPS_PER_PX)))
        .collect()
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_LENGTH_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests;
