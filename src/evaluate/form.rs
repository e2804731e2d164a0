//! `run.json`: a run as it is kept and read back, with the versions and hashes of everything in it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::hex;
use crate::domain::{Finding, ItemVersion};
use crate::inspect::Inspector;

use super::figures::Figures;
use super::run::{Judged, Run};
use super::set::{LabelledPicture, LabelledSet, LeftOut};

/// The form that this program writes and reads.
const SCHEMA: u32 = 1;

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunForm {
    /// The number of this form.
    pub schema: u32,
    /// The version of this program.
    pub software_version: String,
    /// When it was made.
    pub made_at_utc: Timestamp,
    /// What was evaluated.
    pub subject: Subject,
    /// What it was evaluated on.
    pub set: SetForm,
    /// What was measured.
    pub figures: Figures,
    /// What was not measured, and why.
    pub left_out: Vec<LeftOutForm>,
    /// Each picture, by name.
    pub pictures: Vec<PictureForm>,
}

/// What was evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The recipe, or the one that stands for a bare package.
    pub recipe: Item,
    /// The models.
    pub models: Vec<Item>,
    /// The calibrations.
    pub calibrations: Vec<Item>,
    /// The model whose scores rank the pictures: name and version.
    pub ranked_by: String,
}

/// A file in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its name.
    pub name: String,
    /// Version, revision or date.
    pub version: String,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// A labelled set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetForm {
    /// Where it was.
    pub path: PathBuf,
    /// How it is laid out.
    pub format: String,
    /// Which part of it.
    pub split: Option<String>,
    /// Over names, pixels and truth of all pictures.
    pub sha256: String,
}

/// What was not measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOutForm {
    /// The picture or label.
    pub what: String,
    /// Why.
    pub why: String,
}

/// One picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureForm {
    /// Its path below the set.
    pub name: String,
    /// SHA-256 of its pixels, where it is a picture.
    pub sha256: Option<String>,
    /// Whether the part is bad.
    pub is_bad: bool,
    /// Its defects.
    pub classes: Vec<String>,
    /// `ok`, `ng` or `indeterminate`.
    pub verdict: String,
    /// Why indeterminate.
    pub reason: Option<String>,
    /// What was wrong, with figures.
    pub note: String,
    /// The score by which it is ranked.
    pub score: Option<f64>,
    /// What was found.
    pub findings: Vec<FindingForm>,
    /// How long it took.
    pub ms: f64,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingForm {
    /// What it is.
    pub class: String,
    /// How sure the model is.
    pub score: f32,
    /// `tolerated`, `doubtful` or `reject`.
    pub grade: String,
    /// Which limit decided.
    pub because: String,
    /// Left, top, width, height in pixels, counted from the centre of the first.
    pub box_px: [f64; 4],
    /// Its longest extent.
    pub length_mm: f64,
    /// Its area.
    pub area_mm2: f64,
}

/// Why a run cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The file.
    #[error("cannot read `{path}`; name the `run.json` of an earlier evaluation, or its folder")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// Not this form.
    #[error("`{path}` is no run of this program")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        cause: serde_json::Error,
    },
    /// Another version's form.
    #[error("`{path}` has `schema` {schema} and this program reads {SCHEMA}; evaluate again")]
    Schema {
        /// The file.
        path: PathBuf,
        /// What it says.
        schema: u32,
    },
}

/// Reads a run back; a folder stands for its `run.json`.
///
/// # Errors
/// [`RunError`] if it cannot be read or is none.
pub fn read_run(path: &Path) -> Result<RunForm, RunError> {
    #[derive(Deserialize)]
    struct SchemaOnly {
        schema: u32,
    }
    let path = if path.is_dir() {
        path.join("run.json")
    } else {
        path.to_owned()
    };
    let text = std::fs::read_to_string(&path).map_err(|cause| RunError::Read {
        path: path.clone(),
        cause,
    })?;
    let parse_error = |cause| RunError::Parse {
        path: path.clone(),
        cause,
    };
    // First the number alone: a newer form may have keys that this program cannot know.
    let SchemaOnly { schema } = serde_json::from_str(&text).map_err(parse_error)?;
    if schema != SCHEMA {
        return Err(RunError::Schema { path, schema });
    }
    serde_json::from_str(&text).map_err(parse_error)
}

impl RunForm {
    /// A run as it is kept.
    pub fn new(
        inspector: &Inspector,
        ranked_by: &str,
        set: &LabelledSet,
        run: &Run,
        figures: Figures,
    ) -> Self {
        let pictures: Vec<PictureForm> = run
            .pictures
            .iter()
            .filter_map(|judged| {
                let picture = set.pictures.get(judged.index)?;
                Some(PictureForm::new(set, picture, judged))
            })
            .collect();
        let left_out = set.left_out.iter().chain(&run.left_out);
        Self {
            schema: SCHEMA,
            software_version: env!("CARGO_PKG_VERSION").to_owned(),
            made_at_utc: Timestamp::now(),
            subject: Subject {
                recipe: inspector.recipe().version().into(),
                models: items(inspector.models()),
                calibrations: items(inspector.calibrations()),
                ranked_by: ranked_by.to_owned(),
            },
            set: SetForm {
                path: set.path.clone(),
                format: set.format.word().to_owned(),
                split: set.split.clone(),
                sha256: hash_of(&pictures),
            },
            figures,
            left_out: left_out.cloned().map(LeftOutForm::from).collect(),
            pictures,
        }
    }
}

impl PictureForm {
    fn new(set: &LabelledSet, picture: &LabelledPicture, judged: &Judged) -> Self {
        let classes = picture.truth.classes.iter();
        Self {
            name: picture.name.clone(),
            sha256: judged.image_sha256.clone(),
            is_bad: picture.truth.is_bad,
            classes: classes
                .filter_map(|class| set.classes.get(*class).cloned())
                .collect(),
            verdict: judged.verdict.word().to_owned(),
            reason: judged
                .verdict
                .reason()
                .map(|reason| reason.word().to_owned()),
            note: judged.note.clone(),
            score: judged.score,
            findings: judged.findings.iter().map(FindingForm::from).collect(),
            ms: judged.timings.total.as_secs_f64() * 1e3,
        }
    }

    /// The verdict with its reason, for people.
    pub fn said(&self) -> String {
        match &self.reason {
            None => self.verdict.clone(),
            Some(reason) => format!("{} ({reason})", self.verdict),
        }
    }

    /// Whether the line did right by this part: a bad one was held back, a good one passed.
    pub fn is_right(&self) -> bool {
        self.is_bad != (self.verdict == "ok")
    }
}

/// Over what makes the set: two runs with the same one saw the same pictures and truth.
fn hash_of(pictures: &[PictureForm]) -> String {
    let mut hash = Sha256::new();
    for one in pictures {
        let sha256 = one.sha256.as_deref().unwrap_or("no picture");
        let truth = format!("{} {}", one.is_bad, one.classes.join(","));
        // JSON keeps what is in a name apart from what divides names.
        hash.update(serde_json::json!([one.name, sha256, truth]).to_string());
    }
    hex(&hash.finalize())
}

fn items(versions: Vec<ItemVersion>) -> Vec<Item> {
    versions.into_iter().map(Item::from).collect()
}

impl From<ItemVersion> for Item {
    fn from(item: ItemVersion) -> Self {
        Self {
            name: item.name,
            version: item.version,
            sha256: item.sha256,
        }
    }
}

impl From<LeftOut> for LeftOutForm {
    fn from(one: LeftOut) -> Self {
        Self {
            what: one.what,
            why: one.why,
        }
    }
}

impl From<&Finding> for FindingForm {
    fn from(finding: &Finding) -> Self {
        let region = finding.detection.region_px;
        Self {
            class: finding.detection.class.name.to_string(),
            score: finding.detection.score.get(),
            grade: finding.grade.to_string(),
            because: finding.because.clone(),
            box_px: [region.x, region.y, region.width, region.height],
            length_mm: finding.length_mm,
            area_mm2: finding.area_mm2,
        }
    }
}
