//! Limits by class: of a zone, of a set that zones share (a zone class, a quality level), of the whole part.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Limit, PartLimit};
use crate::config::Checks;

/// Limits by class, as written.
pub(super) type LimitsFile = BTreeMap<String, LimitFile>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitFile {
    score_doubtful: f32,
    score_reject: f32,
    length_max_mm: Option<f64>,
    length_max_thicknesses: Option<f64>,
    area_max_mm2: Option<f64>,
    count_max: Option<u32>,
    spacing_min_mm: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartLimitFile {
    score_doubtful: f32,
    score_reject: f32,
    count_max: Option<u32>,
    length_sum_max_mm: Option<f64>,
    area_sum_max_mm2: Option<f64>,
}

/// A file of limit sets alone, for many recipes: the tables of a standard, by quality level.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitSetsFile {
    pub(super) schema: u32,
    pub(super) limit_sets: BTreeMap<String, LimitsFile>,
}

/// A limit as written, before it is known how thick the sheet is.
#[derive(Clone)]
pub(super) struct Written {
    limit: Limit,
    length_max_thicknesses: Option<f64>,
}

/// The limits of a zone whose sheet is so thick: the smaller of what is tolerated in millimetres and in
/// thicknesses counts.
pub(super) fn of_thickness(
    limits: Vec<(String, Written)>,
    thickness_mm: Option<f64>,
) -> Vec<(String, Limit)> {
    let limits = limits.into_iter().map(|(class, written)| {
        let mut limit = written.limit;
        if let Some((factor, mm)) = written.length_max_thicknesses.zip(thickness_mm) {
            let max_mm = factor * mm;
            limit.length_max_mm = Some(limit.length_max_mm.map_or(max_mm, |mm| mm.min(max_mm)));
        }
        (class, limit)
    });
    limits.collect()
}

/// The classes whose limits need to know how thick the sheet is.
pub(super) fn following_thickness(limits: &[(String, Written)]) -> Vec<String> {
    let follow = |(_, written): &&(String, Written)| written.length_max_thicknesses.is_some();
    let classes = limits.iter().filter(follow);
    classes.map(|(class, _)| format!("`{class}`")).collect()
}

pub(super) fn check_limits(
    at: &str,
    files: &LimitsFile,
    checks: &mut Checks,
) -> Vec<(String, Written)> {
    let mut check = |class: &String, file| check_limit(&format!("{at}.{class}"), file, checks);
    files
        .iter()
        .map(|(class, file)| (class.clone(), check(class, file)))
        .collect()
}

fn check_limit(at: &str, file: &LimitFile, checks: &mut Checks) -> Written {
    let mut sizes = AtLeastZero { at, checks };
    let length_max_mm = sizes.check("length_max_mm", file.length_max_mm);
    let thicknesses = file.length_max_thicknesses;
    let length_max_thicknesses = sizes.check("length_max_thicknesses", thicknesses);
    let area_max_mm2 = sizes.check("area_max_mm2", file.area_max_mm2);
    let spacing_min_mm = sizes.check("spacing_min_mm", file.spacing_min_mm);
    if length_max_mm.is_none()
        && length_max_thicknesses.is_none()
        && area_max_mm2.is_none()
        && (file.count_max.is_some() || spacing_min_mm.is_some())
    {
        checks.say(format!(
            "`{at}`: `count_max` and `spacing_min_mm` are about findings within a size; add `length_max_mm` or `area_max_mm2`"
        ));
    }
    let (score_doubtful, score_reject) =
        check_scores(at, [file.score_doubtful, file.score_reject], checks);
    Written {
        limit: Limit {
            score_doubtful,
            score_reject,
            length_max_mm,
            area_max_mm2,
            count_max: file.count_max,
            spacing_min_mm,
        },
        length_max_thicknesses,
    }
}

pub(super) fn check_part_limit(at: &str, file: &PartLimitFile, checks: &mut Checks) -> PartLimit {
    let mut sizes = AtLeastZero { at, checks };
    let length_sum_max_mm = sizes.check("length_sum_max_mm", file.length_sum_max_mm);
    let area_sum_max_mm2 = sizes.check("area_sum_max_mm2", file.area_sum_max_mm2);
    if file.count_max.is_none() && length_sum_max_mm.is_none() && area_sum_max_mm2.is_none() {
        checks.say(format!(
            "`{at}` limits nothing; write `count_max`, `length_sum_max_mm` or `area_sum_max_mm2`"
        ));
    }
    let (score_doubtful, score_reject) =
        check_scores(at, [file.score_doubtful, file.score_reject], checks);
    PartLimit {
        score_doubtful,
        score_reject,
        count_max: file.count_max,
        length_sum_max_mm,
        area_sum_max_mm2,
    }
}

fn check_scores(at: &str, [doubtful, reject]: [f32; 2], checks: &mut Checks) -> (f32, f32) {
    (
        checks.range(format!("{at}.score_doubtful"), doubtful, 0.0, 1.0),
        checks.range(format!("{at}.score_reject"), reject, doubtful, 1.0),
    )
}

struct AtLeastZero<'a> {
    at: &'a str,
    checks: &'a mut Checks,
}

impl AtLeastZero<'_> {
    fn check(&mut self, name: &str, value: Option<f64>) -> Option<f64> {
        let key = || format!("{}.{name}", self.at);
        value.map(|value| self.checks.range(key(), value, 0.0, 1e6))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Recipe;

    const RECIPE: &str = r#"
schema = 1
part_type = "bracket"
revision = 1
[limit_sets.C.undercut]
score_doubtful = 0.4
score_reject = 0.7
length_max_thicknesses = 0.5
length_max_mm = 2.0
count_max = 3
[limit_sets.C.burn]
score_doubtful = 0.4
score_reject = 0.7
length_max_thicknesses = 1.0
[[views]]
name = "top"
camera = "cam"
model = "seam/1.0.0"
[[views.zones]]
name = "thin"
limit_set = "C"
thickness_mm = 1.5
[[views.zones]]
name = "thick"
limit_set = "C"
thickness_mm = 6.0
[views.zones.limits.burn]
score_doubtful = 0.4
score_reject = 0.7
length_max_thicknesses = 0.25
"#;

    #[test]
    fn a_limit_follows_the_sheet_of_its_zone_up_to_its_millimetres() {
        let recipe = Recipe::parse("recipe.toml".as_ref(), RECIPE).unwrap();
        let length = |zone: usize, class| {
            let zone = &recipe.views[0].zones[zone];
            zone.limit(class).unwrap().length_max_mm
        };
        assert_eq!(length(0, "undercut"), Some(0.75));
        assert_eq!(length(1, "undercut"), Some(2.0), "3 mm are more than 2");
        assert_eq!(length(0, "burn"), Some(1.5));
        assert_eq!(length(1, "burn"), Some(1.5), "the zone's own limit");
    }

    #[test]
    fn a_sheet_that_nobody_has_measured_is_told() {
        let text = RECIPE.replace("thickness_mm = 6.0\n", "");
        let error = Recipe::parse("recipe.toml".as_ref(), &text).unwrap_err();
        insta::assert_snapshot!(error.to_string(), @"`recipe.toml`: `views.top.zones.thick`: limits of `burn`, `undercut` count in thicknesses; add `thickness_mm`, how thick the sheet is there");
    }
}
