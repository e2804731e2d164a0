//! From a station file to everything that it needs, loaded and tested: what `run`, `replay` and `check` begin with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::calibration::Calibration;
use crate::config::{ConfigError, Mistakes};
use crate::inspect::{Inspector, ViewParts, with_causes};
use crate::model::{Detector, LoadReport, ModelPackage, OnnxDetector, Runtime};
use crate::recipe::{PartCode, Recipe, Step, View};
use crate::source::read_picture;
use crate::vision::{FlatField, Picture};

use super::config::{Station, TriggerConfig};
use super::doubt::Doubt;
use super::error::StationError;
use super::presence::Presence;

/// The files of a station, read and checked.
#[derive(Debug)]
pub struct Files {
    recipes: Vec<Recipe>,
    calibrations: BTreeMap<String, (Calibration, Option<FlatField>)>,
    // By their files.
    references: BTreeMap<PathBuf, Picture>,
    packages: BTreeMap<String, ModelPackage>,
}

/// A station's inspectors, models loaded and tested.
pub struct Ready {
    /// One a recipe.
    pub inspectors: Vec<Inspector>,
    /// What the tests of each model said.
    pub reports: Vec<(String, LoadReport)>,
    /// What becomes of a doubtful part.
    pub doubt: Doubt,
    /// What tells the station that a part is there, if it looks itself.
    pub presence: Option<Presence>,
}

impl Ready {
    /// Whether the models of every recipe can answer before `deadline`.
    ///
    /// # Errors
    /// [`StationError::TooSlow`] with the first recipe whose models cannot.
    pub fn check_latency(&self, deadline: Duration) -> Result<(), StationError> {
        let latency = |model: &String| {
            let report = self.reports.iter().find(|(name, _)| name == model);
            report.map_or(Duration::ZERO, |(_, report)| report.latency_median)
        };
        for recipe in self.inspectors.iter().map(Inspector::recipe) {
            let models = recipe.views.iter().flat_map(|view| &view.models);
            let of_part: Duration = models.clone().map(latency).sum();
            if deadline <= of_part {
                return Err(StationError::TooSlow {
                    part_type: recipe.part_type.to_string(),
                    models: models.map(String::as_str).collect::<Vec<_>>().join(", "),
                    latency_ms: of_part.as_millis(),
                    deadline_ms: deadline.as_millis(),
                });
            }
        }
        Ok(())
    }
}

/// Reads a station file.
///
/// # Errors
/// [`ConfigError`] if it cannot be read or has mistakes.
pub fn read_station(path: &Path) -> Result<Station, ConfigError> {
    Station::parse(path, &read_text(path)?)
}

/// The part types that a station has recipes for.
///
/// # Errors
/// [`StationError::Config`] if a recipe has mistakes.
pub fn part_types_of(station: &Station) -> Result<Vec<String>, StationError> {
    let part_type = |path: &PathBuf| {
        let recipe = read_recipe(path)?;
        Ok(recipe.part_type.to_string())
    };
    station.recipes.iter().map(part_type).collect()
}

/// Reads all files that a station names: recipes, calibrations, model packages.
///
/// # Errors
/// [`StationError::Files`] with every mistake of every file.
pub fn files_of(station: &Station) -> Result<Files, StationError> {
    let mut mistakes = Vec::new();
    let mut recipes = recipes_of(station, &mut mistakes);
    let mut files = Files {
        recipes: Vec::new(),
        calibrations: BTreeMap::new(),
        references: BTreeMap::new(),
        packages: BTreeMap::new(),
    };
    for view in recipes.iter().flat_map(|recipe| &recipe.views) {
        files.add_parts_of(view, station, &mut mistakes);
    }
    for recipe in &mut recipes {
        if !matches!(station.trigger, TriggerConfig::Mqtt) && recipe.confirms_part() {
            mistakes.push(format!(
                "recipe `{}`: its code is to confirm the part that the line announces, but `[trigger]` lets the station announce its parts itself; write `part = \"gives\"`",
                recipe.part_type
            ));
        }
        files.add_references_of(recipe, &mut mistakes);
    }
    files.recipes = recipes;
    mistakes.sort();
    mistakes.dedup();
    if mistakes.is_empty() {
        return Ok(files);
    }
    Err(StationError::Files {
        station: station.name.clone(),
        mistakes: Mistakes(mistakes),
    })
}

fn recipes_of(station: &Station, mistakes: &mut Vec<String>) -> Vec<Recipe> {
    let mut recipes: Vec<Recipe> = Vec::new();
    for path in &station.recipes {
        match read_recipe(path) {
            Ok(recipe) => {
                let (path, part_type) = (path.display(), &recipe.part_type);
                if recipes.iter().any(|other| other.part_type == *part_type) {
                    mistakes.push(format!("`{path}`: a second recipe for `{part_type}`"));
                }
                recipes.push(recipe);
            }
            Err(error) => mistakes.push(with_causes(&error)),
        }
    }
    recipes
}

/// Loads and tests the models and joins everything to inspectors.
///
/// # Errors
/// [`StationError`] if ONNX Runtime is missing, a model fails its golden vectors, or a recipe does
/// not fit its model or calibration.
pub fn make_ready(station: &Station, files: Files) -> Result<Ready, StationError> {
    let runtime = Runtime::load(station.onnxruntime.as_deref())?;
    let mut detectors: BTreeMap<String, Arc<dyn Detector>> = BTreeMap::new();
    let mut reports = Vec::new();
    for (name, package) in files.packages {
        let loaded = OnnxDetector::load(package, &runtime, &station.session);
        let (detector, report) = loaded.map_err(|cause| StationError::Model {
            model: name.clone(),
            cause,
        })?;
        reports.push((name.clone(), report));
        detectors.insert(name, Arc::new(detector));
    }
    let references = |view: &View| files.references.get(view.reference.as_ref()?).cloned();
    let mut inspectors = Vec::new();
    for recipe in files.recipes {
        let parts = recipe.views.iter().filter_map(|view| {
            let (calibration, flat_field) = files.calibrations.get(&view.camera)?.clone();
            let of_model = |model: &String| detectors.get(model).map(Arc::clone);
            Some(ViewParts {
                calibration,
                flat_field,
                reference: references(view),
                detectors: view.models.iter().map(of_model).collect::<Option<_>>()?,
            })
        });
        let parts = parts.collect();
        inspectors.push(Inspector::new(recipe, parts)?);
    }
    let presence = match &station.trigger {
        TriggerConfig::Mqtt | TriggerConfig::Timer(..) => None,
        TriggerConfig::Presence(_, settings) => Some(Presence::load(settings)?),
    };
    Ok(Ready {
        inspectors,
        reports,
        doubt: station.doubt,
        presence,
    })
}

impl Files {
    fn add_parts_of(&mut self, view: &View, station: &Station, mistakes: &mut Vec<String>) {
        let (name, camera) = (&view.name, &view.camera);
        if !station.cameras.iter().any(|known| known.name == *camera) {
            mistakes.push(format!(
                "view `{name}` looks through camera `{camera}`, which the station does not have; add it under `[[cameras]]`"
            ));
        }
        if !self.calibrations.contains_key(camera) {
            match calibration_of(station, camera) {
                Ok(found) => {
                    self.calibrations.insert(camera.clone(), found);
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
        let has_no_flat_field = matches!(self.calibrations.get(camera), Some((_, None)));
        if view.steps.contains(&Step::FlatField) && has_no_flat_field {
            mistakes.push(format!(
                "view `{name}` wants `flat_field`, but the calibration of camera `{camera}` has none"
            ));
        }
        if view.steps.contains(&Step::Colour)
            && let Some((calibration, _)) = self.calibrations.get(camera)
        {
            mistakes.extend(colour_mistake(view, calibration));
        }
        for model in &view.models {
            if !self.packages.contains_key(model) {
                match ModelPackage::open(&station.models.join(model)) {
                    Ok(package) => {
                        self.packages.insert(model.clone(), package);
                    }
                    Err(error) => mistakes.push(with_causes(&error)),
                }
            }
        }
    }

    fn add_references_of(&mut self, recipe: &mut Recipe, mistakes: &mut Vec<String>) {
        let views = recipe
            .views
            .iter()
            .map(|view| (&view.camera, &view.reference));
        let named = views.filter_map(|(camera, path)| Some((camera.clone(), path.clone()?)));
        for (camera, path) in named.collect::<Vec<_>>() {
            let picture = match read_picture(&camera, &path) {
                Ok(picture) => picture,
                Err(error) => {
                    mistakes.push(with_causes(&error));
                    continue;
                }
            };
            if let Some((calibration, _)) = self.calibrations.get(&camera)
                && let Err(fault) = calibration.check_size(picture.size)
            {
                mistakes.push(format!("the reference `{}`: {fault}", path.display()));
            }
            recipe.include(&picture.pixels);
            self.references.insert(path, picture);
        }
    }

    /// Replaces the calibrations by a bare scale, so that pictures of any size and camera can be
    /// judged; steps and places that need a calibrated camera are left out and named.
    pub fn without_calibration(&mut self, mm_per_px: f64) -> Vec<String> {
        let codes = self.recipes.iter_mut().filter_map(|one| one.code.take());
        let of_code = |code: PartCode| format!("view `{}`: the part's code", code.view);
        let mut left_out: Vec<String> = codes.map(of_code).collect();
        for view in self.recipes.iter_mut().flat_map(|recipe| &mut recipe.views) {
            let scale = Calibration::scale_only(&view.camera, mm_per_px);
            self.calibrations.insert(view.camera.clone(), (scale, None));
            let n_before = view.steps.len();
            view.steps.retain(|step| matches!(step, Step::Clahe { .. }));
            if view.steps.len() < n_before {
                left_out.push(format!(
                    "view `{}`: undistort, flat-field and colour",
                    view.name
                ));
            }
            if view.fixture.take().is_some() {
                left_out.push(format!("view `{}`: finding the part first", view.name));
            }
            if view.region.take().is_some() {
                left_out.push(format!(
                    "view `{}`: its region, the whole picture is judged",
                    view.name
                ));
            }
            // Polygons are places on the calibrated plane; the limits of all zones hold everywhere.
            for zone in view
                .zones
                .iter_mut()
                .filter(|zone| zone.polygon_mm.is_some())
            {
                zone.polygon_mm = None;
                left_out.push(format!(
                    "view `{}`: the outline of zone `{}`",
                    view.name, zone.name
                ));
            }
        }
        left_out
    }

    /// Keeps the recipes of these part types and the models that they need.
    ///
    /// # Errors
    /// [`StationError::NoRecipe`] for a part type without one.
    pub fn keep_part_types(&mut self, part_types: &BTreeSet<String>) -> Result<(), StationError> {
        let is_there = |part_type: &&String| {
            let mut recipes = self.recipes.iter();
            recipes.any(|recipe| recipe.part_type.as_str() == part_type.as_str())
        };
        if let Some(part_type) = part_types.iter().find(|part_type| !is_there(part_type)) {
            let there = self
                .recipes
                .iter()
                .map(|recipe| format!("`{}`", recipe.part_type));
            return Err(StationError::NoRecipe {
                part_type: part_type.clone(),
                there: there.collect::<Vec<_>>().join(", "),
            });
        }
        self.recipes
            .retain(|recipe| part_types.contains(recipe.part_type.as_str()));
        let views = self.recipes.iter().flat_map(|recipe| &recipe.views);
        let models: BTreeSet<&String> = views.flat_map(|view| &view.models).collect();
        self.packages.retain(|name, _| models.contains(name));
        Ok(())
    }

    /// Keeps one view of one part type and what it needs; `None` takes the only one.
    ///
    /// # Errors
    /// [`StationError::Replay`] if there are several and none is named, or no such one.
    pub fn keep_view(
        &mut self,
        part_type: Option<&str>,
        view: Option<&str>,
    ) -> Result<(), StationError> {
        let fits = |wanted: Option<&str>, name: &str| wanted.is_none_or(|wanted| wanted == name);
        let all = self.recipes.iter().flat_map(|recipe| {
            let views = recipe.views.iter();
            views.map(|view| format!("`{}` of `{}`", view.name, recipe.part_type))
        });
        let there = all.collect::<Vec<_>>().join(", ");
        self.recipes
            .retain(|recipe| fits(part_type, recipe.part_type.as_str()));
        for recipe in &mut self.recipes {
            recipe.views.retain(|one| fits(view, &one.name));
        }
        self.recipes.retain(|recipe| !recipe.views.is_empty());
        let views = self.recipes.iter().flat_map(|recipe| &recipe.views);
        let [view] = views.collect::<Vec<_>>()[..] else {
            return Err(StationError::Replay {
                text: format!(
                    "name one view with `--part-type` and `--view`; the station has {there}"
                ),
            });
        };
        self.packages.retain(|name, _| view.models.contains(name));
        Ok(())
    }

    /// The recipes.
    pub fn recipes(&self) -> &[Recipe] {
        &self.recipes
    }

    /// The reference picture of a view, if it names one.
    pub fn reference(&self, view: &View) -> Option<&Picture> {
        self.references.get(view.reference.as_ref()?)
    }

    /// The calibration of a camera.
    pub fn calibration(&self, camera: &str) -> Option<&Calibration> {
        let (calibration, _) = self.calibrations.get(camera)?;
        Some(calibration)
    }

    /// The calibrations, by camera.
    pub fn calibrations(&self) -> impl Iterator<Item = &Calibration> {
        self.calibrations
            .values()
            .map(|(calibration, _)| calibration)
    }
}

fn read_recipe(path: &Path) -> Result<Recipe, ConfigError> {
    Recipe::parse_with(path, &read_text(path)?, read_text)
}

fn read_text(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|cause| ConfigError::Read {
        path: path.to_owned(),
        cause,
    })
}

/// Why the colours of a camera cannot be corrected for a view.
fn colour_mistake(view: &View, calibration: &Calibration) -> Option<String> {
    let View { name, camera, .. } = view;
    if calibration.colour.is_none() {
        return Some(format!(
            "view `{name}` wants `colour`, but the calibration of camera `{camera}` has none; `taktgate calibrate colour` measures it"
        ));
    }
    let lacks_light = calibration.flat_field.is_some() && !view.steps.contains(&Step::FlatField);
    lacks_light.then(|| format!(
        "view `{name}` wants `colour`, which the calibration of camera `{camera}` states for evened light; name `flat_field` in `prepare` too"
    ))
}

fn calibration_of(
    station: &Station,
    camera: &str,
) -> Result<(Calibration, Option<FlatField>), String> {
    let path: PathBuf = station.calibrations.join(format!("{camera}.toml"));
    let calibration = read_text(&path)
        .and_then(|text| Calibration::parse(&path, &text))
        .map_err(|error| with_causes(&error))?;
    if calibration.camera != camera {
        return Err(format!(
            "`{}` is the calibration of camera `{}`, not of `{camera}`",
            path.display(),
            calibration.camera
        ));
    }
    let flat_field = match &calibration.flat_field {
        None => None,
        Some(picture) => {
            let picture = read_picture(camera, picture).map_err(|error| with_causes(&error))?;
            calibration
                .check_size(picture.size)
                .map_err(|error| error.to_string())?;
            Some(FlatField::new(picture).map_err(|error| with_causes(&error))?)
        }
    };
    Ok((calibration, flat_field))
}
