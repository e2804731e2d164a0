//! What to look for on a part type: views, preparation, fitness and limits, as written and checked.

mod code;
mod file;
mod fixture;
mod limits;
mod steps;

use std::path::{Path, PathBuf};

use crate::config::{ConfigError, sha256_hex};
use crate::domain::{ItemVersion, Name, PointMm, RectPx};

pub use code::{CodeKind, CodeRole, CodeText, PartCode};
pub use fixture::Fixture;
pub use steps::{FitnessLimits, Step};

/// The limit that stands for every class without one of its own.
pub const ANY_CLASS: &str = "*";

/// A valid recipe.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// The part type it is for.
    pub part_type: Name,
    /// Counted up with each change.
    pub revision: u32,
    /// At least one.
    pub views: Vec<View>,
    /// What is tolerated on the whole part, all views together, by class; [`ANY_CLASS`] stands for all
    /// classes together.
    pub part_limits: Vec<(String, PartLimit)>,
    /// The code that says which part it is, where parts have one.
    pub code: Option<PartCode>,
    sha256: String,
}

/// One camera's look at a part.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Its name, unique in the recipe.
    pub name: String,
    /// The camera that takes it.
    pub camera: String,
    /// What is judged; `None` is the whole frame.
    pub region: Option<RectPx>,
    /// A picture of a part that lies as it should.
    pub reference: Option<PathBuf>,
    /// Where parts may lie, if they are to be found first; only with a reference.
    pub fixture: Option<Fixture>,
    /// How the image is prepared.
    pub steps: Vec<Step>,
    /// When the image is fit.
    pub fitness: FitnessLimits,
    /// The model packages as `name/version`: one, or one that names the known and one that finds
    /// the unknown.
    pub models: Vec<String>,
    /// What it means when one of two models rejects and the other finds nothing.
    pub disagreement: Disagreement,
    /// At least one.
    pub zones: Vec<Zone>,
    /// What a finding outside all zones means.
    pub outside_zones: Outside,
}

/// What it means when one of a view's two models rejects the part and the other passes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disagreement {
    /// A person must look.
    Doubtful,
    /// The part is rejected.
    Reject,
}

/// What a finding outside all zones means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outside {
    /// It is of no interest.
    Tolerate,
    /// A person must look.
    Doubtful,
    /// The part is rejected.
    Reject,
}

/// A place on the part with limits of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// Its name, unique in the view.
    pub name: String,
    /// Its outline on the part's plane; `None` is everywhere.
    pub polygon_mm: Option<Vec<PointMm>>,
    /// Limits by class, written for this zone; [`ANY_CLASS`] stands for the rest.
    pub limits: Vec<(String, Limit)>,
    /// Limits of a set that zones share; they hold for classes without a limit of the zone's own.
    pub shared_limits: Vec<(String, Limit)>,
}

/// When a finding of a class is over the limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// From this score on a finding may be real.
    pub score_doubtful: f32,
    /// From this score on it is taken as real.
    pub score_reject: f32,
    /// Longest extent that is tolerated.
    pub length_max_mm: Option<f64>,
    /// Largest area that is tolerated.
    pub area_max_mm2: Option<f64>,
    /// How many findings within the size limits are tolerated in the zone.
    pub count_max: Option<u32>,
    /// How near two tolerated findings may come.
    pub spacing_min_mm: Option<f64>,
}

/// When all findings of a class on a part are over the limit together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PartLimit {
    /// From this score on a finding may be real.
    pub score_doubtful: f32,
    /// From this score on it is taken as real.
    pub score_reject: f32,
    /// How many are tolerated.
    pub count_max: Option<u32>,
    /// How long they may be together.
    pub length_sum_max_mm: Option<f64>,
    /// How large they may be together.
    pub area_sum_max_mm2: Option<f64>,
}

impl Recipe {
    /// Reads and checks a recipe that stands alone.
    ///
    /// # Errors
    /// [`ConfigError`] with every mistake; the station does not become `Ready`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let alone = |other: &Path| ConfigError::Read {
            path: other.to_owned(),
            cause: std::io::Error::other("this recipe must stand alone"),
        };
        file::parse(path, text, &mut |other| Err(alone(other)))
    }

    /// Reads and checks a recipe and the file of limit sets that it may name, which `read` gives.
    ///
    /// # Errors
    /// As [`Self::parse`], and what `read` says.
    pub fn parse_with(
        path: &Path,
        text: &str,
        mut read: impl FnMut(&Path) -> Result<String, ConfigError>,
    ) -> Result<Self, ConfigError> {
        file::parse(path, text, &mut read)
    }

    /// Whether the code on the part must be that of the part which was announced.
    pub fn confirms_part(&self) -> bool {
        let role = self.code.as_ref().map(|code| code.role);
        role == Some(CodeRole::Confirms)
    }

    /// How records name it.
    pub fn version(&self) -> ItemVersion {
        ItemVersion {
            name: self.part_type.to_string(),
            version: self.revision.to_string(),
            sha256: self.sha256.clone(),
        }
    }

    /// Lets a file that the recipe names change its hash: what is judged by is all in the record.
    pub fn include(&mut self, bytes: &[u8]) {
        self.sha256 = sha256_hex(format!("{} {}", self.sha256, sha256_hex(bytes)).as_bytes());
    }

    fn sealed(
        part_type: Name,
        revision: u32,
        (views, part_limits): (Vec<View>, Vec<(String, PartLimit)>),
        text: &str,
    ) -> Self {
        Self {
            part_type,
            revision,
            views,
            part_limits,
            code: None,
            sha256: sha256_hex(text.as_bytes()),
        }
    }
}

impl View {
    /// Labels of a model that have no limit in some zone: each would be a defect that nobody judges.
    pub fn labels_without_limit<'l>(&self, labels: impl Iterator<Item = &'l str>) -> Vec<String> {
        let zones = &self.zones;
        labels
            .flat_map(|label| zones.iter().map(move |zone| (zone, label)))
            .filter(|(zone, label)| zone.limit(label).is_none())
            .map(|(zone, label)| format!("`{label}` in zone `{}`", zone.name))
            .collect()
    }
}

impl View {
    /// Classes with limits that the model does not know: most likely misspelt, so never used.
    pub fn limits_without_label(&self, labels: &[&str]) -> Vec<String> {
        let of_zone = |zone: &Zone| {
            let unknown = |class: &&str| *class != ANY_CLASS && !labels.contains(class);
            let classes = zone.limits.iter().map(|(class, _)| class.as_str());
            let say = |class: &str| format!("`{class}` in zone `{}`", zone.name);
            classes.filter(unknown).map(say).collect::<Vec<_>>()
        };
        self.zones.iter().flat_map(of_zone).collect()
    }
}

impl Zone {
    /// The limit of a class, or the one for any class.
    pub fn limit(&self, class: &str) -> Option<&Limit> {
        let named = |name: &str| {
            let mut limits = self.limits.iter().chain(&self.shared_limits);
            limits.find_map(|(class, limit)| (class == name).then_some(limit))
        };
        named(class).or_else(|| named(ANY_CLASS))
    }
}
