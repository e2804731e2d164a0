//! The recipe file as written, and its checks.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::code::CodeFile;
use super::fixture::FixtureFile;
use super::limits::{
    LimitSetsFile, LimitsFile, PartLimitFile, Written, check_limits, check_part_limit,
    following_thickness, of_thickness,
};
use super::{Disagreement, FitnessLimits, Outside, Recipe, Step, View, Zone};
use crate::config::{self, Checks, ConfigError};
use crate::domain::{Name, PointMm, RectPx};

const SCHEMA: u32 = 1;
const VIEWS_MAX: usize = 32;
const ZONES_MAX: usize = 256;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecipeFile {
    schema: u32,
    part_type: String,
    revision: u32,
    #[serde(default)]
    views: Vec<ViewFile>,
    #[serde(default)]
    limit_sets: LimitSets,
    limit_sets_from: Option<PathBuf>,
    #[serde(default)]
    part_limits: BTreeMap<String, PartLimitFile>,
    #[serde(default, deserialize_with = "super::code::one_table")]
    code: Option<CodeFile>,
}

/// Limits that zones share, by name: as written, and checked.
type LimitSets = BTreeMap<String, LimitsFile>;
type Sets = BTreeMap<String, Vec<(String, Written)>>;

/// Gives the text of another file that a recipe names.
pub(super) type Read<'r> = dyn FnMut(&Path) -> Result<String, ConfigError> + 'r;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ViewFile {
    name: String,
    camera: String,
    model: String,
    second_model: Option<String>,
    when_models_disagree: Option<Disagreement>,
    // Left, top, width, height; left out: the whole frame.
    region_px: Option<[f64; 4]>,
    reference: Option<PathBuf>,
    fixture: Option<FixtureFile>,
    #[serde(default)]
    prepare: Vec<StepFile>,
    #[serde(default)]
    fitness: FitnessFile,
    #[serde(default)]
    zones: Vec<ZoneFile>,
    #[serde(default = "doubtful")]
    outside_zones: Outside,
}

fn doubtful() -> Outside {
    Outside::Doubtful
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum StepFile {
    Undistort,
    FlatField,
    Colour,
    OneMap,
    Clahe { clip_limit: f64, tiles: u32 },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FitnessFile {
    mean_min: f64,
    mean_max: f64,
    burnt_fraction_max: f64,
    contrast_min: f64,
    sharpness_min: f64,
    refuse_duplicate: bool,
}

// Loose enough for any lit picture; a station tightens them to its own light.
impl Default for FitnessFile {
    fn default() -> Self {
        Self {
            mean_min: 15.0,
            mean_max: 240.0,
            burnt_fraction_max: 0.2,
            contrast_min: 3.0,
            sharpness_min: 5.0,
            refuse_duplicate: true,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ZoneFile {
    name: String,
    polygon_mm: Option<Vec<[f64; 2]>>,
    #[serde(default)]
    limits: LimitsFile,
    limit_set: Option<String>,
    thickness_mm: Option<f64>,
}

pub(super) fn parse(path: &Path, text: &str, read: &mut Read<'_>) -> Result<Recipe, ConfigError> {
    let file: RecipeFile = config::parse(path, text)?;
    let mut checks = Checks::default();
    check_schema("", file.schema, &mut checks);
    checks.range("revision", file.revision, 1, u32::MAX);
    let part_type = checks.take("part_type", Name::new(&file.part_type));
    if file.views.is_empty() {
        checks.say("no view is given; write at least one `[[views]]`");
    }
    checks.range("number of views", file.views.len(), 0, VIEWS_MAX);
    checks.no_doubles("view", file.views.iter().map(|view| view.name.as_str()));
    check_sets_used(&file, &mut checks);
    let mut sets = check_sets(&file.limit_sets, &mut checks);
    let mut also_read = None;
    if let Some(name) = &file.limit_sets_from {
        let shared = beside(path, "limit_sets_from", name, &mut checks);
        let text = read(&shared)?;
        let file: LimitSetsFile = config::parse(&shared, &text)?;
        check_schema(&format!("{}: ", name.display()), file.schema, &mut checks);
        for (name, limits) in check_sets(&file.limit_sets, &mut checks) {
            // The recipe's own set of a name goes before the shared one.
            sets.entry(name).or_insert(limits);
        }
        also_read = Some(text);
    }
    let part_limits = file.part_limits.iter().map(|(class, limit)| {
        let at = format!("part_limits.{class}");
        (class.clone(), check_part_limit(&at, limit, &mut checks))
    });
    let part_limits = part_limits.collect();
    let views: Vec<View> = file
        .views
        .into_iter()
        .map(|view| check_view(path, view, &sets, &mut checks))
        .collect();
    let code = file.code.map(|code| code.check(&views, &mut checks));
    let recipe = part_type.map(|part_type| {
        let mut recipe = Recipe::sealed(part_type, file.revision, (views, part_limits), text);
        recipe.code = code;
        if let Some(text) = also_read {
            recipe.include(text.as_bytes());
        }
        recipe
    });
    checks.finish(path, recipe)
}

fn check_schema(file: &str, schema: u32, checks: &mut Checks) {
    if schema != SCHEMA {
        checks.say(format!(
            "{file}`schema = {schema}` is unknown; this version reads {SCHEMA}"
        ));
    }
}

fn check_sets(files: &LimitSets, checks: &mut Checks) -> Sets {
    let mut check = |name: &String, file| check_limits(&format!("limit_sets.{name}"), file, checks);
    files
        .iter()
        .map(|(name, file)| (name.clone(), check(name, file)))
        .collect()
}

/// A set of the recipe's own that no zone names is most likely misspelt.
fn check_sets_used(file: &RecipeFile, checks: &mut Checks) {
    let zones = file.views.iter().flat_map(|view| &view.zones);
    let used: Vec<&String> = zones.filter_map(|zone| zone.limit_set.as_ref()).collect();
    for name in file.limit_sets.keys().filter(|name| !used.contains(name)) {
        checks.say(format!(
            "`limit_sets.{name}` is used by no zone; write `limit_set = \"{name}\"` in one, or take it out"
        ));
    }
}

/// A file beside the recipe.
fn beside(path: &Path, key: &str, name: &Path, checks: &mut Checks) -> PathBuf {
    let is_plain = |part| matches!(part, Component::Normal(_));
    if !name.components().all(is_plain) {
        checks.say(format!(
            "`{key} = {}` leaves the recipe's folder; name a file beside it",
            name.display()
        ));
    }
    path.with_file_name(name)
}

fn check_view(path: &Path, file: ViewFile, sets: &Sets, checks: &mut Checks) -> View {
    let at = format!("views.{}", file.name);
    checks.take(format!("{at}.name"), Name::new(&file.name));
    checks.take(format!("{at}.camera"), Name::new(&file.camera));
    let disagreement = check_models(&at, &file, checks);
    let region = file.region_px;
    let region = region.map(|region| check_region(&at, region, checks));
    if file.zones.is_empty() {
        checks.say(format!(
            "`{at}` has no zone; write at least one `[[views.zones]]` with limits"
        ));
    }
    checks.range(
        format!("{at}: number of zones"),
        file.zones.len(),
        0,
        ZONES_MAX,
    );
    checks.no_doubles("zone", file.zones.iter().map(|zone| zone.name.as_str()));
    let reference = check_reference(path, &at, &file, checks);
    let fixture = file.fixture.as_ref();
    View {
        reference,
        fixture: fixture.map(|fixture| fixture.check(&at, checks)),
        steps: check_steps(&at, &file.prepare, checks),
        fitness: check_fitness(&at, &file.fitness, checks),
        zones: file
            .zones
            .into_iter()
            .map(|zone| check_zone(&at, zone, sets, checks))
            .collect(),
        name: file.name,
        camera: file.camera,
        region,
        models: [file.model].into_iter().chain(file.second_model).collect(),
        disagreement,
        outside_zones: file.outside_zones,
    }
}

/// A region of a frame: left, top, width, height.
pub(super) fn check_region(at: &str, region: [f64; 4], checks: &mut Checks) -> RectPx {
    let [x, y, width, height] = region;
    for (key, value, min) in [
        ("left", x, 0.0),
        ("top", y, 0.0),
        ("width", width, 8.0),
        ("height", height, 8.0),
    ] {
        checks.range(format!("{at}.region_px {key}"), value, min, 100_000.0);
    }
    RectPx {
        x,
        y,
        width,
        height,
    }
}

fn check_reference(path: &Path, at: &str, file: &ViewFile, checks: &mut Checks) -> Option<PathBuf> {
    if file.fixture.is_some() && file.reference.is_none() {
        checks.say(format!(
            "`{at}.fixture` needs a `reference`: a picture of a part that lies as it should, beside the recipe"
        ));
    }
    if file.fixture.is_some() && file.region_px.is_none() {
        checks.say(format!(
            "`{at}.fixture` needs a `region_px` that leaves room on all sides, so that it can follow the part without leaving the picture"
        ));
    }
    let reference = file.reference.as_deref();
    reference.map(|name| beside(path, &format!("{at}.reference"), name, checks))
}

fn check_models(at: &str, file: &ViewFile, checks: &mut Checks) -> Disagreement {
    let second = file.second_model.as_ref();
    let named = [("model", Some(&file.model)), ("second_model", second)];
    for (key, model) in named {
        if let Some(model) = model.filter(|model| !is_model_reference(model)) {
            checks.say(format!(
                "`{at}.{key} = {model}` is no package; write `name/version`"
            ));
        }
    }
    if second == Some(&file.model) {
        checks.say(format!(
            "`{at}.second_model` is its `model` again; name another package or leave it out"
        ));
    }
    if second.is_none() && file.when_models_disagree.is_some() {
        checks.say(format!(
            "`{at}.when_models_disagree` needs a `second_model` that can disagree"
        ));
    }
    file.when_models_disagree.unwrap_or(Disagreement::Doubtful)
}

fn is_model_reference(text: &str) -> bool {
    let fits = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    matches!(text.split_once('/'), Some((name, version)) if fits(name) && fits(version))
}

fn check_steps(at: &str, files: &[StepFile], checks: &mut Checks) -> Vec<Step> {
    let steps: Vec<Step> = files
        .iter()
        .map(|file| match *file {
            StepFile::Undistort => Step::Undistort,
            StepFile::FlatField => Step::FlatField,
            StepFile::Colour => Step::Colour,
            StepFile::OneMap => Step::OneMap,
            StepFile::Clahe { clip_limit, tiles } => Step::Clahe {
                clip_limit: checks.range(
                    format!("{at}.prepare.clahe.clip_limit"),
                    clip_limit,
                    1.0,
                    40.0,
                ),
                tiles: checks.range(format!("{at}.prepare.clahe.tiles"), tiles, 1, 64),
            },
        })
        .collect();
    for (index, step) in steps.iter().enumerate() {
        let before = steps.iter().take(index);
        if before
            .into_iter()
            .any(|other| std::mem::discriminant(other) == std::mem::discriminant(step))
        {
            checks.say(format!("`{at}.prepare` names a step twice; once is enough"));
        }
    }
    if steps.contains(&Step::OneMap) && !steps.contains(&Step::Undistort) {
        checks.say(format!(
            "`{at}.prepare`: `one_map` composes `undistort` with the resize; name both"
        ));
    }
    steps
}

fn check_fitness(at: &str, file: &FitnessFile, checks: &mut Checks) -> FitnessLimits {
    let key = |name: &str| format!("{at}.fitness.{name}");
    FitnessLimits {
        mean_min: checks.range(key("mean_min"), file.mean_min, 0.0, 255.0),
        mean_max: checks.range(key("mean_max"), file.mean_max, file.mean_min, 255.0),
        burnt_fraction_max: checks.range(
            key("burnt_fraction_max"),
            file.burnt_fraction_max,
            0.0,
            1.0,
        ),
        contrast_min: checks.range(key("contrast_min"), file.contrast_min, 0.0, 128.0),
        sharpness_min: checks.range(key("sharpness_min"), file.sharpness_min, 0.0, 1e6),
        refuse_duplicate: file.refuse_duplicate,
    }
}

fn check_zone(at: &str, file: ZoneFile, sets: &Sets, checks: &mut Checks) -> Zone {
    let at = format!("{at}.zones.{}", file.name);
    checks.take(format!("{at}.name"), Name::new(&file.name));
    if file.limits.is_empty() && file.limit_set.is_none() {
        checks.say(format!(
            "`{at}` has no limits; write `[views.zones.limits.\"*\"]` for any class, or `limit_set`"
        ));
    }
    let set = file.limit_set.as_ref();
    let shared_limits = set.map(|name| {
        sets.get(name).cloned().unwrap_or_else(|| {
            let there: Vec<String> = sets.keys().map(|name| format!("`{name}`")).collect();
            let there = if there.is_empty() {
                "there is none".to_owned()
            } else {
                there.join(", ")
            };
            checks.say(format!(
                "`{at}.limit_set = {name}` is no `[limit_sets.{name}]`: {there}"
            ));
            Vec::new()
        })
    });
    let polygon_mm = file.polygon_mm.map(|points| {
        if points.len() < 3 || points.iter().flatten().any(|value| !value.is_finite()) {
            checks.say(format!(
                "`{at}.polygon_mm` needs at least 3 points with finite numbers"
            ));
        }
        points.into_iter().map(|[x, y]| PointMm { x, y }).collect()
    });
    let thickness_mm = file.thickness_mm.map(|thickness_mm| {
        let key = format!("{at}.thickness_mm");
        checks.range(key, thickness_mm, 0.01, 1_000.0)
    });
    let limits = check_limits(&format!("{at}.limits"), &file.limits, checks);
    let shared_limits = shared_limits.unwrap_or_default();
    let mut following = following_thickness(&[limits.as_slice(), &shared_limits].concat());
    following.sort();
    following.dedup();
    if thickness_mm.is_none() && !following.is_empty() {
        checks.say(format!(
            "`{at}`: limits of {} count in thicknesses; add `thickness_mm`, how thick the sheet is there",
            following.join(", ")
        ));
    }
    Zone {
        limits: of_thickness(limits, thickness_mm),
        shared_limits: of_thickness(shared_limits, thickness_mm),
        name: file.name,
        polygon_mm,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &Path, text: &str) -> Result<Recipe, ConfigError> {
        Recipe::parse(path, text)
    }

    const GOOD: &str = r#"
schema = 1
part_type = "door"
revision = 3
[[views]]
name = "top"
camera = "cam-1"
model = "stamping-surface/0.2.0"
prepare = ["undistort", "one_map", { clahe = { clip_limit = 2.0, tiles = 8 } }]
[[views.zones]]
name = "A"
[views.zones.limits.scratch]
score_doubtful = 0.4
score_reject = 0.7
length_max_mm = 5.0
[views.zones.limits."*"]
score_doubtful = 0.4
score_reject = 0.7
"#;

    fn error(text: &str) -> String {
        let error = parse(Path::new("recipe.toml"), text).unwrap_err();
        let cause = std::error::Error::source(&error);
        cause.map_or_else(|| error.to_string(), ToString::to_string)
    }

    #[test]
    fn a_class_without_a_limit_falls_back_to_any_class() {
        let recipe = parse(Path::new("recipe.toml"), GOOD).unwrap();
        let zone = &recipe.views[0].zones[0];
        assert_eq!(zone.limit("scratch").unwrap().length_max_mm, Some(5.0));
        assert_eq!(zone.limit("dent").unwrap().length_max_mm, None);
        assert!(
            recipe.views[0]
                .labels_without_limit(["dent"].into_iter())
                .is_empty()
        );
        assert!(
            recipe.views[0]
                .limits_without_label(&["scratch", "dent"])
                .is_empty()
        );
        assert_eq!(
            recipe.views[0].limits_without_label(&["dent"]),
            ["`scratch` in zone `A`"]
        );
        let strict = parse(Path::new("r"), &GOOD.replace("limits.\"*\"", "limits.burr")).unwrap();
        assert_eq!(
            strict.views[0].labels_without_limit(["dent", "burr"].into_iter()),
            ["`dent` in zone `A`"]
        );
    }

    #[test]
    fn a_view_may_have_a_second_model_and_says_what_a_disagreement_means() {
        let models = |text: &str| {
            let view = parse(Path::new("recipe.toml"), text)
                .unwrap()
                .views
                .remove(0);
            (view.models, view.disagreement)
        };
        let second = |lines: &str| GOOD.replace("prepare =", &format!("{lines}\nprepare ="));
        let first = "stamping-surface/0.2.0".to_owned();
        assert_eq!(models(GOOD), (vec![first.clone()], Disagreement::Doubtful));
        let both = vec![first, "door-taught/1.0.0".to_owned()];
        let taught = "second_model = \"door-taught/1.0.0\"";
        assert_eq!(
            models(&second(taught)),
            (both.clone(), Disagreement::Doubtful)
        );
        let strict = format!("{taught}\nwhen_models_disagree = \"reject\"");
        assert_eq!(models(&second(&strict)), (both, Disagreement::Reject));
        let twice = "second_model = \"stamping-surface/0.2.0\"";
        insta::assert_snapshot!(error(&second(twice)), @"`recipe.toml`: `views.top.second_model` is its `model` again; name another package or leave it out");
        insta::assert_snapshot!(error(&second("second_model = \"door\"")), @"`recipe.toml`: `views.top.second_model = door` is no package; write `name/version`");
        insta::assert_snapshot!(error(&second("when_models_disagree = \"reject\"")), @"`recipe.toml`: `views.top.when_models_disagree` needs a `second_model` that can disagree");
    }

    #[test]
    fn every_mistake_is_said_at_once() {
        let wrong = GOOD
            .replace("revision = 3", "revision = 0")
            .replace("part_type = \"door\"", "part_type = \"\"")
            .replace("stamping-surface/0.2.0", "../../etc/passwd")
            .replace("clip_limit = 2.0", "clip_limit = nan")
            .replace("score_reject = 0.7", "score_reject = 0.3")
            .replace("\"undistort\", ", "");
        insta::assert_snapshot!(error(&wrong));
    }

    #[test]
    fn an_unknown_key_names_the_line_and_the_keys_that_fit() {
        insta::assert_snapshot!(error(&GOOD.replace("revision = 3", "revison = 3")));
        insta::assert_snapshot!(error(&GOOD.replace("length_max_mm", "length_max_cm")));
        insta::assert_snapshot!(error(&GOOD.replace("\"one_map\"", "\"two_maps\"")));
    }

    #[test]
    fn a_recipe_without_views_or_limits_judges_nothing_and_is_refused() {
        insta::assert_snapshot!(error("schema = 1\npart_type = \"door\"\nrevision = 1\n"));
        let start = GOOD.find("[views.zones.limits.scratch]").unwrap();
        insta::assert_snapshot!(error(&GOOD[..start]));
    }
}
