//! The verdict as JSON: `verdict`.

use std::cmp::Reverse;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{Finding, InspectionRecord, Name, Reason, Sequence, Verdict};
use crate::record::{GradeWord, ReasonWord, VerdictWord, fields};

use super::payload::{PayloadError, RECORD_MAX, SCHEMA, parse, to_json};

/// At most so many findings go with a verdict; the record has them all.
pub const FINDINGS_MAX: usize = 8;

/// The answer to one trigger.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
#[schemars(transform = fields::agree)]
pub struct VerdictPayload {
    /// The number of this payload's schema.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: u32,
    /// The station.
    pub station: String,
    /// The trigger's count.
    pub sequence: Sequence,
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
    /// `ok`, `ng` or `indeterminate`.
    #[schemars(with = "VerdictWord")]
    pub verdict: String,
    /// OPC 40001-101: 1 OK, 2 not OK, 3 not decidable.
    #[schemars(range(min = 1, max = 3))]
    pub result_code: u8,
    /// Why it is indeterminate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ReasonWord>")]
    pub reason: Option<String>,
    /// How many findings the record has.
    pub findings_count: usize,
    /// The worst of them, worst first, at most 8.
    #[serde(deserialize_with = "fields::at_most::<FINDINGS_MAX, _, _>")]
    #[schemars(length(max = FINDINGS_MAX))]
    pub findings: Vec<FindingPayload>,
    /// When it was decided.
    pub decided_at_utc: Timestamp,
    /// Until when the line may act on it.
    pub expires_at_utc: Timestamp,
    /// What was left of the trigger's deadline then.
    pub remaining_ms: u64,
    /// Whether this is a known answer sent again.
    pub repeated: bool,
    /// The inspection record's id.
    pub record_id: String,
    /// From trigger to verdict.
    pub total_ms: u64,
    /// By how much the wall clock jumped since the trigger, where it did: the times in UTC are then
    /// not to be compared with each other. The deadline counts on a clock that never jumps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_stepped_s: Option<f64>,
}

/// One finding, in short.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct FindingPayload {
    /// The class's name.
    pub class: String,
    /// Its number in a standard, or empty.
    pub code: String,
    /// The view it was seen in.
    pub view: String,
    /// The zone whose limits graded it.
    pub zone: String,
    /// `tolerated`, `doubtful` or `reject`.
    pub grade: GradeWord,
    /// 0 to 1.
    #[serde(deserialize_with = "fields::score")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub score: f32,
    /// Its longest extent; null if it could not be measured.
    #[serde(deserialize_with = "fields::or_null")]
    pub length_mm: Option<f64>,
    /// What the length is uncertain by, with k = 2, where the calibration states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length_uncertainty_mm: Option<f64>,
    /// Its area; null if it could not be measured.
    #[serde(deserialize_with = "fields::or_null")]
    pub area_mm2: Option<f64>,
}

/// How long a verdict holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Validity {
    /// What was left of the deadline when it was decided.
    pub remaining: Duration,
    /// Until when the line may act on it.
    pub expires_at_utc: Timestamp,
    /// By how much the wall clock jumped since the trigger, where it did.
    pub clock_stepped_s: Option<f64>,
}

impl VerdictPayload {
    /// The first answer for the part of `record`.
    pub fn new(record: &InspectionRecord, validity: Validity) -> Self {
        let mut worst: Vec<&Finding> = record.findings.iter().collect();
        worst.sort_by(|a, b| {
            let by_score = || b.detection.score.get().total_cmp(&a.detection.score.get());
            Reverse(a.grade).cmp(&Reverse(b.grade)).then_with(by_score)
        });
        Self {
            schema: SCHEMA,
            station: record.station.clone(),
            sequence: record.trigger.sequence,
            part_id: record.trigger.part.to_string(),
            part_id_read: record.part_read.as_ref().map(Name::to_string),
            part_type: record.trigger.part_type.to_string(),
            verdict: record.verdict.word().to_owned(),
            result_code: record.verdict.opc_code(),
            reason: record
                .verdict
                .reason()
                .map(|reason| reason.word().to_owned()),
            findings_count: record.findings.len(),
            findings: worst
                .into_iter()
                .take(FINDINGS_MAX)
                .map(FindingPayload::new)
                .collect(),
            decided_at_utc: record.decided_at_utc,
            expires_at_utc: validity.expires_at_utc,
            remaining_ms: millis(validity.remaining),
            repeated: false,
            record_id: record.id.clone(),
            total_ms: millis(record.timings.total),
            clock_stepped_s: validity.clock_stepped_s,
        }
    }

    /// The same answer again, for a trigger that came twice.
    #[must_use]
    pub fn again(mut self) -> Self {
        self.repeated = true;
        self
    }

    /// Reads the bytes of `verdict`.
    ///
    /// # Errors
    /// [`PayloadError`]: the controller treats it as no answer, which is a reject.
    pub fn parse(bytes: &[u8]) -> Result<Self, PayloadError> {
        let payload: Self = parse("verdict", bytes, RECORD_MAX)?;
        payload.verdict()?;
        Ok(payload)
    }

    /// The JSON to send.
    ///
    /// # Errors
    /// [`PayloadError`] if it cannot be written; no verdict is sent then.
    pub fn to_json(&self) -> Result<String, PayloadError> {
        to_json("verdict", self)
    }

    /// The verdict, if word, result code and reason agree.
    ///
    /// # Errors
    /// [`PayloadError::Contradiction`]: the controller treats it as no answer.
    pub fn verdict(&self) -> Result<Verdict, PayloadError> {
        let contradiction = |field, found: String| PayloadError::Contradiction {
            what: "verdict",
            field,
            found,
            verdict: self.verdict.clone(),
        };
        let reason = Reason::ALL
            .into_iter()
            .find(|known| Some(known.word()) == self.reason.as_deref());
        let verdict = match (self.verdict.as_str(), reason, self.reason.is_some()) {
            ("ok", None, false) => Verdict::Ok,
            ("ng", None, false) => Verdict::Ng,
            ("indeterminate", Some(reason), _) => Verdict::Indeterminate(reason),
            _ => return Err(contradiction("reason", format!("{:?}", self.reason))),
        };
        if verdict.opc_code() == self.result_code {
            Ok(verdict)
        } else {
            Err(contradiction("result_code", self.result_code.to_string()))
        }
    }
}

impl FindingPayload {
    fn new(finding: &Finding) -> Self {
        Self {
            class: finding.detection.class.name.as_ref().to_owned(),
            code: finding.detection.class.code.as_ref().to_owned(),
            view: finding.view.clone(),
            zone: finding.zone.clone(),
            grade: finding.grade.into(),
            score: finding.detection.score.get(),
            length_mm: measured(finding.length_mm),
            length_uncertainty_mm: finding.length_uncertainty_mm.and_then(measured),
            area_mm2: measured(finding.area_mm2),
        }
    }
}

// JSON has no NaN: what could not be measured is null instead of a number that looks like one.
fn measured(value: f64) -> Option<f64> {
    value.is_finite().then(|| (value * 1000.0).round() / 1000.0)
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
