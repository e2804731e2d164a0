//! What a model says (detection) and what it means on the part (finding).

use std::fmt;
use std::sync::Arc;

use super::{PointPx, RectMm, RectPx};

/// A defect class: the model's label and its standard code, for example `iso6520-1:2011`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class {
    /// The label as the model package names it.
    pub name: Arc<str>,
    /// The number in a standard, or empty where none fits.
    pub code: Arc<str>,
}

/// A confidence: finite, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Score(f32);

/// A number that is no score.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} is no score: a score is finite and from 0 to 1")]
pub struct ScoreError(pub f32);

impl Score {
    /// Checks the number.
    ///
    /// # Errors
    /// [`ScoreError`] for NaN, infinities and numbers outside 0 to 1: an error of the model.
    pub fn new(value: f32) -> Result<Self, ScoreError> {
        if value.is_finite() && (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(ScoreError(value))
        }
    }

    /// The number.
    pub fn get(self) -> f32 {
        self.0
    }
}

/// What a model says about one place, in pixels of the frame as the camera gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// What it is.
    pub class: Class,
    /// How sure the model is.
    pub score: Score,
    /// The upright box around it.
    pub region_px: RectPx,
    /// Its outline, closed, at least three points: the contour of a mask, or the corners of a box.
    pub outline_px: Vec<PointPx>,
    /// Whether the outline is a mask's contour, so that length and area follow the defect itself.
    pub has_mask: bool,
    /// The longer side of the cells whose edges a mask's contour follows, or of the input's pixels for a
    /// box, in pixels of the frame at this place: as finely as the model sees.
    pub cell_px: f64,
}

/// How bad a finding is under the recipe's limits; later is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// Within the limits.
    Tolerated,
    /// Perhaps over a limit: a person or a second look must say.
    Doubtful,
    /// Over a limit.
    Reject,
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tolerated => "tolerated",
            Self::Doubtful => "doubtful",
            Self::Reject => "reject",
        })
    }
}

/// A detection measured on the part's plane and graded.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The view it was seen in.
    pub view: String,
    /// What the model said.
    pub detection: Detection,
    /// The upright box around it on the part's plane.
    pub region_mm: RectMm,
    /// Its longest extent.
    pub length_mm: f64,
    /// What the length is uncertain by (k = 2), where the calibration states it.
    pub length_uncertainty_mm: Option<f64>,
    /// Its area.
    pub area_mm2: f64,
    /// The zone whose limits graded it.
    pub zone: String,
    /// What the limits say.
    pub grade: Grade,
    /// Which limit decided, in a few words: `length 12.4 mm over 5 mm`.
    pub because: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finite_numbers_from_0_to_1_are_scores() {
        for good in [0.0, 0.5, 1.0] {
            assert!((Score::new(good).unwrap().get() - good).abs() < f32::EPSILON);
        }
        for bad in [f32::NAN, f32::INFINITY, -0.001, 1.001] {
            assert!(Score::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn grades_rank_from_tolerated_to_reject() {
        assert!(Grade::Tolerated < Grade::Doubtful && Grade::Doubtful < Grade::Reject);
    }
}
