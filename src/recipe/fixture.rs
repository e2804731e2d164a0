//! How a view's part is found before it is judged: by marks of a reference picture.

use serde::Deserialize;

use crate::config::Checks;
use crate::domain::RectPx;

const MARKS_MAX: usize = 16;

/// Where a part may lie, and by what it is found.
#[derive(Debug, Clone, PartialEq)]
pub struct Fixture {
    /// Places of the reference picture that are looked for; without any the gate chooses.
    pub marks_px: Vec<RectPx>,
    /// How far a part may lie from where the reference part lies.
    pub shift_max_mm: f64,
    /// How far it may be turned, to either side.
    pub turn_max_deg: f64,
    /// How alike its marks must be, 0 to 1.
    pub score_min: f64,
    /// How far off the middle of many parts may lie before it is said.
    pub drift_max_mm: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FixtureFile {
    // Left, top, width, height.
    #[serde(default)]
    marks_px: Vec<[f64; 4]>,
    shift_max_mm: f64,
    #[serde(default = "turn_max_deg")]
    turn_max_deg: f64,
    #[serde(default = "score_min")]
    score_min: f64,
    // Left out: half of `shift_max_mm`.
    drift_max_mm: Option<f64>,
}

fn turn_max_deg() -> f64 {
    3.0
}

fn score_min() -> f64 {
    0.7
}

impl FixtureFile {
    pub(super) fn check(&self, at: &str, checks: &mut Checks) -> Fixture {
        let key = |name: &str| format!("{at}.fixture.{name}");
        checks.range(
            key("marks_px: number of marks"),
            self.marks_px.len(),
            0,
            MARKS_MAX,
        );
        for [x, y, width, height] in &self.marks_px {
            for (side, value, [min, max]) in [
                ("left", *x, [0.0, 100_000.0]),
                ("top", *y, [0.0, 100_000.0]),
                ("width", *width, [8.0, 512.0]),
                ("height", *height, [8.0, 512.0]),
            ] {
                checks.range(key(&format!("marks_px {side}")), value, min, max);
            }
        }
        let shift_max_mm = checks.range(key("shift_max_mm"), self.shift_max_mm, 0.01, 1000.0);
        let drift_max_mm = self.drift_max_mm.unwrap_or(shift_max_mm / 2.0);
        Fixture {
            marks_px: self.marks_px.iter().map(|mark| rect(*mark)).collect(),
            shift_max_mm,
            turn_max_deg: checks.range(key("turn_max_deg"), self.turn_max_deg, 0.0, 30.0),
            score_min: checks.range(key("score_min"), self.score_min, 0.1, 1.0),
            drift_max_mm: checks.range(key("drift_max_mm"), drift_max_mm, 0.0, 1000.0),
        }
    }
}

fn rect([x, y, width, height]: [f64; 4]) -> RectPx {
    RectPx {
        x,
        y,
        width,
        height,
    }
}
