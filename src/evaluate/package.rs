//! A bare package as if it had a station: a recipe made in memory.
//!
//! One view, the whole picture, the package's own thresholds as limits, no limit of fitness: what is
//! measured is the model alone.

use std::path::Path;
use std::sync::Arc;

use crate::calibration::Calibration;
use crate::config::ConfigError;
use crate::inspect::{Inspector, SetupError, ViewParts};
use crate::model::{Detector, Manifest};
use crate::recipe::Recipe;

/// The figure of a manifest that says from which score on a part is rejected.
const SCORE_REJECT: &str = "score_reject";
/// Limits of a label that means "no defect": within a size that no picture has, so always tolerated.
const TOLERATED: &str = "score_doubtful = 0.0\nscore_reject = 0.0\nlength_max_mm = 1e6\n";
/// The camera and view of the recipe.
const CAMERA: &str = "picture";

/// Why a package cannot be judged with.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The recipe that stands for it.
    #[error("no recipe can be made for the package")]
    Recipe(#[from] ConfigError),
    /// Recipe and model.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

/// Makes an inspector of a package; findings of labels that mean "no defect" are tolerated.
///
/// # Errors
/// [`PackageError`] if the package's names or thresholds fit into no recipe.
pub fn inspector_of(
    detector: Arc<dyn Detector>,
    is_good: &dyn Fn(&str) -> bool,
    mm_per_px: f64,
) -> Result<Inspector, PackageError> {
    let text = recipe_text(detector.package().manifest(), is_good);
    let recipe = Recipe::parse(Path::new("the package's own recipe"), &text)?;
    let parts = ViewParts {
        calibration: Calibration::scale_only(CAMERA, mm_per_px),
        flat_field: None,
        reference: None,
        detectors: vec![detector],
    };
    Ok(Inspector::new(recipe, vec![parts])?)
}

fn recipe_text(manifest: &Manifest, is_good: &dyn Fn(&str) -> bool) -> String {
    let doubtful = manifest.layout.score_threshold();
    let said = manifest.metrics.get(SCORE_REJECT).copied();
    let reject = said
        .filter(|reject| (f64::from(doubtful)..=1.0).contains(reject))
        .unwrap_or(doubtful.into());
    let plain = |name: &str| -> String {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        name.chars()
            .map(|c| if fits(c) { c } else { '-' })
            .collect()
    };
    let (name, version) = (plain(&manifest.name), plain(&manifest.version));
    let mut good = String::new();
    for label in manifest.labels.iter().filter(|label| is_good(&label.name)) {
        // A string is written in TOML as in JSON.
        let name = serde_json::json!(&*label.name);
        good = format!("{good}[views.zones.limits.{name}]\n{TOLERATED}");
    }
    format!(
        r#"schema = 1
part_type = "{name}"
revision = 1
[[views]]
name = "{CAMERA}"
camera = "{CAMERA}"
model = "{name}/{version}"
[views.fitness]
mean_min = 0.0
mean_max = 255.0
burnt_fraction_max = 1.0
contrast_min = 0.0
sharpness_min = 0.0
refuse_duplicate = false
[[views.zones]]
name = "all"
[views.zones.limits."*"]
score_doubtful = {doubtful:?}
score_reject = {reject:?}
{good}"#
    )
}
