//! The evidence about one part: what was asked, seen, judged and answered, and with what.

use std::time::Duration;

use jiff::Timestamp;

use super::{Finding, Name, Placement, Trigger, Verdict};

/// A recipe, model package or calibration, as it was used: name, version and the hash of its file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemVersion {
    /// Its name.
    pub name: String,
    /// Version, revision or date.
    pub version: String,
    /// SHA-256 of the file, lower-case hexadecimal.
    pub sha256: String,
}

/// How long each stage took for one part, views added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StageTimings {
    /// Waiting for frames and reading them.
    pub capture: Duration,
    /// Fitness of the image.
    pub fitness: Duration,
    /// Finding the part, reading its code, colour, undistort, crop, resize, normalise.
    pub prepare: Duration,
    /// The model's run.
    pub infer: Duration,
    /// From the model's numbers to detections.
    pub decode: Duration,
    /// Millimetres, limits, verdict.
    pub judge: Duration,
    /// From the trigger to the verdict.
    pub total: Duration,
}

impl StageTimings {
    /// Both together.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self {
            capture: self.capture + other.capture,
            fitness: self.fitness + other.fitness,
            prepare: self.prepare + other.prepare,
            infer: self.infer + other.infer,
            decode: self.decode + other.decode,
            judge: self.judge + other.judge,
            total: self.total + other.total,
        }
    }

    /// Median, 95th percentile and maximum of each stage over many parts, under the names for people.
    pub fn spreads(parts: &[Self]) -> [(&'static str, [Duration; 3]); 7] {
        let stage = |name, of: fn(&Self) -> Duration| {
            (name, spread(&parts.iter().map(of).collect::<Vec<_>>()))
        };
        [
            stage("read and decode the picture", |t| t.capture),
            stage("fitness", |t| t.fitness),
            stage("prepare", |t| t.prepare),
            stage("infer", |t| t.infer),
            stage("decode outputs", |t| t.decode),
            stage("measure and judge", |t| t.judge),
            stage("total", |t| t.total),
        ]
    }
}

/// Median, 95th percentile and maximum of durations, by nearest rank.
pub fn spread(times: &[Duration]) -> [Duration; 3] {
    let mut sorted = times.to_vec();
    sorted.sort();
    let at = |percent: usize| {
        let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(rank).copied().unwrap_or_default()
    };
    [at(50), at(95), at(100)]
}

/// What one view contributed.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewRecord {
    /// The view.
    pub view: String,
    /// Its camera.
    pub camera: String,
    /// The camera's own count, if a frame came.
    pub camera_frame: Option<u64>,
    /// The file the frame came from, for folders and videos.
    pub origin: Option<String>,
    /// SHA-256 of the frame's pixels, if a frame came.
    pub image_sha256: Option<String>,
    /// Where the image is kept, relative to the archive.
    pub image_path: Option<String>,
    /// This view's verdict.
    pub verdict: Verdict,
    /// What was wrong with the image, model or calibration, with figures; empty if nothing was.
    pub note: String,
    /// How the part lay, where the recipe finds it first.
    pub placement: Option<Placement>,
}

/// The durable record of one inspection.
#[derive(Debug, Clone, PartialEq)]
pub struct InspectionRecord {
    /// Unique, sortable by time (UUID version 7).
    pub id: String,
    /// The station.
    pub station: String,
    /// What was asked.
    pub trigger: Trigger,
    /// The part that the code on it names, where the recipe has one and it could be read.
    pub part_read: Option<Name>,
    /// What was found.
    pub verdict: Verdict,
    /// Whether the answer came after the deadline had been answered: recorded, never published as a verdict.
    pub late: bool,
    /// What was found, graded.
    pub findings: Vec<Finding>,
    /// What each view contributed.
    pub views: Vec<ViewRecord>,
    /// The recipe used; `None` if there was none for the part's type.
    pub recipe: Option<ItemVersion>,
    /// The models used.
    pub models: Vec<ItemVersion>,
    /// The calibrations used.
    pub calibrations: Vec<ItemVersion>,
    /// How long it took.
    pub timings: StageTimings,
    /// When it was decided.
    pub decided_at_utc: Timestamp,
    /// By how much the wall clock jumped since the trigger, where it did.
    pub clock_stepped_s: Option<f64>,
    /// The version of this program.
    pub software_version: String,
}
