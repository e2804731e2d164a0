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

pub(super) fn check_limits(
    at: &str,
    files: &LimitsFile,
    checks: &mut Checks,
) -> Vec<(String, Limit)> {
    let mut check = |class: &String, file| check_limit(&format!("{at}.{class}"), file, checks);
    files
        .iter()
        .map(|(class, file)| (class.clone(), check(class, file)))
        .collect()
}

fn check_limit(at: &str, file: &LimitFile, checks: &mut Checks) -> Limit {
    let mut sizes = AtLeastZero { at, checks };
    let length_max_mm = sizes.check("length_max_mm", file.length_max_mm);
    let area_max_mm2 = sizes.check("area_max_mm2", file.area_max_mm2);
    let spacing_min_mm = sizes.check("spacing_min_mm", file.spacing_min_mm);
    if length_max_mm.is_none()
        && area_max_mm2.is_none()
        && (file.count_max.is_some() || spacing_min_mm.is_some())
    {
        checks.say(format!(
            "`{at}`: `count_max` and `spacing_min_mm` are about findings within a size; add `length_max_mm` or `area_max_mm2`"
        ));
    }
    let (score_doubtful, score_reject) =
        check_scores(at, [file.score_doubtful, file.score_reject], checks);
    Limit {
        score_doubtful,
        score_reject,
        length_max_mm,
        area_max_mm2,
        count_max: file.count_max,
        spacing_min_mm,
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
