//! Recorded pictures through the same `Inspector::inspect` as live parts, every one, without deadlines.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::domain::{Frame, InspectionRecord, Name, Trigger};
use crate::inspect::{Capture, Inspector, with_causes};
use crate::source::{SourceError, pictures_below, read_frame};

use super::doubt::Doubt;
use super::error::StationError;
use super::ready::Ready;

/// Far enough that no replayed part is ever late.
const NO_DEADLINE: Duration = Duration::from_hours(24);

/// Pictures to be judged by one recipe.
pub struct Replay {
    station: String,
    inspector: Inspector,
    doubt: Doubt,
    camera: String,
    pictures: Vec<PathBuf>,
    n_done: u32,
}

/// One picture judged.
pub struct Replayed {
    /// The file.
    pub path: PathBuf,
    /// The frame, if it could be read.
    pub frame: Option<Frame>,
    /// The name of the view.
    pub view: String,
    /// What a live station would have recorded.
    pub record: InspectionRecord,
    /// What a person should know of where parts have come to lie.
    pub drifts: Vec<String>,
}

impl Replay {
    /// Takes the recipe of `part_type` (or the only one) and lists the pictures below a folder.
    ///
    /// # Errors
    /// [`StationError::Replay`] if there is no such recipe or it has several views,
    /// [`StationError::Source`] if the folder has no picture.
    pub fn new(
        station: &str,
        ready: Ready,
        part_type: Option<&str>,
        folder: &Path,
    ) -> Result<Self, StationError> {
        let names: Vec<String> = ready
            .inspectors
            .iter()
            .map(|one| one.recipe().part_type.to_string())
            .collect();
        let mut fitting = ready
            .inspectors
            .into_iter()
            .filter(|one| part_type.is_none_or(|wanted| one.recipe().part_type.as_str() == wanted));
        let (Some(inspector), None) = (fitting.next(), fitting.next()) else {
            return Err(StationError::Replay {
                text: format!(
                    "choose one part type of the station with `--part-type`: {}",
                    names.join(", ")
                ),
            });
        };
        let [view] = inspector.recipe().views.as_slice() else {
            return Err(StationError::Replay {
                text: format!(
                    "recipe `{}` has {} views; a folder of pictures can stand for one camera only",
                    inspector.recipe().part_type,
                    inspector.recipe().views.len()
                ),
            });
        };
        let camera = view.camera.clone();
        let pictures = pictures_below(&camera, folder)?;
        if pictures.is_empty() {
            return Err(SourceError::Empty {
                camera,
                path: folder.to_owned(),
            }
            .into());
        }
        Ok(Self {
            station: station.to_owned(),
            inspector,
            doubt: ready.doubt,
            camera,
            pictures,
            n_done: 0,
        })
    }

    /// How many pictures there are.
    pub fn n_pictures(&self) -> usize {
        self.pictures.len()
    }

    fn judge(&mut self, path: PathBuf) -> Replayed {
        let (arrived_at, arrived_at_utc) = (Instant::now(), Timestamp::now());
        let frame = read_frame(&self.camera, &path);
        let capture = Capture {
            frame: match &frame {
                Ok(frame) => Ok(frame.clone()),
                Err(error) => Err((error.reason(), with_causes(error))),
            },
            took: arrived_at.elapsed(),
        };
        let announced = announced(&path);
        let inspection =
            (self.inspector).inspect(vec![capture], announced.as_ref(), arrived_at_utc);
        let inspection = self.doubt.settle(inspection);
        let mut timings = inspection.timings;
        timings.total = arrived_at.elapsed();
        let recipe = self.inspector.recipe();
        let record = InspectionRecord {
            id: Uuid::now_v7().to_string(),
            station: self.station.clone(),
            trigger: Trigger {
                sequence: self.n_done,
                part: announced.unwrap_or_else(|| part_name(&path, self.n_done)),
                part_type: recipe.part_type.clone(),
                lot: None,
                supplier: None,
                arrived_at,
                arrived_at_utc,
                deadline: arrived_at + NO_DEADLINE,
            },
            verdict: inspection.verdict,
            part_read: inspection.part_read,
            late: false,
            findings: inspection.findings,
            views: inspection.views,
            recipe: Some(recipe.version()),
            models: self.inspector.models(),
            calibrations: self.inspector.calibrations(),
            timings,
            decided_at_utc: Timestamp::now(),
            clock_stepped_s: None,
            software_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let view = recipe
            .views
            .first()
            .map_or_else(String::new, |view| view.name.clone());
        Replayed {
            path,
            frame: frame.ok(),
            view,
            record,
            drifts: inspection.drifts,
        }
    }
}

impl Iterator for Replay {
    type Item = Replayed;

    fn next(&mut self) -> Option<Replayed> {
        let path = self.pictures.get(self.n_done as usize)?.clone();
        self.n_done += 1;
        Some(self.judge(path))
    }
}

/// The part that a picture shows, which is its file's name without the ending. The archive's pictures are
/// named after their record instead (`<id>-<view>`): of them it is not known here.
fn announced(path: &Path) -> Option<Name> {
    let stem = stem(path);
    let record_id = stem.get(..Hyphenated::LENGTH);
    if record_id.is_some_and(|id| Uuid::try_parse(id).is_ok()) {
        return None;
    }
    Name::new(stem).ok()
}

// One that is no name of a part is counted instead.
fn part_name(path: &Path, count: u32) -> Name {
    Name::new(stem(path)).unwrap_or_else(|_| counted(count))
}

fn stem(path: &Path) -> &str {
    path.file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default()
}

#[expect(clippy::expect_used, reason = "digits and letters are a name")]
fn counted(count: u32) -> Name {
    Name::new(&format!("picture-{count}")).expect("a short printable text")
}

/// One line of a replay that stays the same from run to run: no times, no ids.
pub fn stable_line(replayed: &Replayed) -> serde_json::Value {
    let record = &replayed.record;
    let rounded = |value: f64| (value * 100.0).round() / 100.0;
    let findings: Vec<_> = record
        .findings
        .iter()
        .map(|finding| {
            serde_json::json!({
                "class": &*finding.detection.class.name,
                "grade": finding.grade.to_string(),
                "zone": finding.zone,
                "score": rounded(finding.detection.score.get().into()),
                "length_mm": rounded(finding.length_mm),
                "area_mm2": rounded(finding.area_mm2),
            })
        })
        .collect();
    let notes: Vec<&str> = record
        .views
        .iter()
        .map(|view| view.note.as_str())
        .filter(|note| !note.is_empty())
        .collect();
    let mut line = serde_json::json!({
        "picture": replayed.path.file_name().map(|name| name.to_string_lossy()),
        "verdict": record.verdict.word(),
        "reason": record.verdict.reason().map(crate::domain::Reason::word),
        "notes": notes,
        "findings": findings,
    });
    if let (Some(part), Some(line)) = (&record.part_read, line.as_object_mut()) {
        line.insert("part_id_read".to_owned(), part.as_str().into());
    }
    line
}
