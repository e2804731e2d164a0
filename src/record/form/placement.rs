//! How a part's placement is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{STEPS_PER_MM, rounded};
use crate::domain::Placement;

const STEPS_PER_DEGREE: f64 = 1000.0;
const STEPS_OF_SCORE: f64 = 1000.0;

/// How the part lay against the one of the recipe's reference picture: turned about `pivot_mm`, then
/// shifted. Boxes in millimetres are told as if it lay there.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacementForm {
    /// The point about which it turned, x and y, to 0.001 mm.
    pub pivot_mm: [f64; 2],
    /// How far that point moved, to 0.001 mm.
    pub shift_mm: [f64; 2],
    /// How far the part is turned, to 0.001 degrees.
    pub turn_deg: f64,
    /// How alike its marks were, 0 to 1.
    pub score: f64,
}

impl From<&Placement> for PlacementForm {
    fn from(placement: &Placement) -> Self {
        let mm = |value: f64| rounded(value, STEPS_PER_MM);
        let Placement {
            pivot,
            shift,
            turn_deg,
            score,
        } = *placement;
        Self {
            pivot_mm: [mm(pivot.x), mm(pivot.y)],
            shift_mm: [mm(shift.x), mm(shift.y)],
            turn_deg: rounded(turn_deg, STEPS_PER_DEGREE),
            score: rounded(score, STEPS_OF_SCORE),
        }
    }
}
