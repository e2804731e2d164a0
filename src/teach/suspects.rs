//! Pictures among the good ones that do not look like good parts.

use std::fmt;

use super::bank::Distance;
use super::look::{Look, Part};
use super::method::{GRAVE_TIMES_USUAL, SUSPICIOUS_DEVIATIONS};
use super::thresholds::Scatter;

/// A picture that a person must look at.
#[derive(Debug, Clone)]
pub struct Suspect {
    /// The picture.
    pub part: Part,
    /// What is odd about it.
    pub why: Why,
}

/// What is odd about a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Why {
    /// A place of it is unlike all other parts: a bad part among the good ones?
    Unlike {
        /// How many deviations of the good parts it lies above their centre.
        deviations: f64,
        /// How many times as unlike as usual.
        times_usual: f32,
        /// The middle of the place, column and row in pixels of the picture.
        at_px: [f64; 2],
    },
    /// It lies elsewhere: was the camera or the fixture moved?
    Moved {
        /// To the right and down, in pixels of the picture.
        by_px: [f64; 2],
    },
}

impl Why {
    /// Whether nothing should be taught before a person has looked; else it is only pointed out.
    pub fn is_grave(&self) -> bool {
        match self {
            Self::Unlike { times_usual, .. } => GRAVE_TIMES_USUAL <= *times_usual,
            Self::Moved { .. } => true,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlike {
                deviations,
                times_usual,
                at_px: [x, y],
            } => write!(
                f,
                "at ({x:.0}, {y:.0}) px it is unlike all other parts ({times_usual:.2} times the usual \
                 distance, {deviations:.1} deviations): a bad part?"
            ),
            Self::Moved { by_px: [x, y] } => write!(
                f,
                "it lies ({x:+.0}, {y:+.0}) px off the others: was the camera or the fixture moved?"
            ),
        }
    }
}

/// Finds the parts that look bad to what the others taught, the worst first.
pub(super) fn outliers(look: &Look, parts: &[Part], distances: &[Distance]) -> Vec<Suspect> {
    let peaks: Vec<f32> = distances.iter().map(|one| one.peak).collect();
    let Some(scatter) = Scatter::of(&peaks) else {
        return Vec::new();
    };
    let far = parts.iter().zip(distances).map(|(part, distance)| {
        let deviations = scatter.deviations(distance.peak);
        (part, distance, deviations)
    });
    let far = far.filter(|(_, _, deviations)| SUSPICIOUS_DEVIATIONS < *deviations);
    let mut far: Vec<_> = far.collect();
    far.sort_by(|(_, _, a), (_, _, b)| b.total_cmp(a));
    let suspect = |(part, distance, deviations): (&Part, &Distance, f64)| Suspect {
        part: part.clone(),
        why: Why::Unlike {
            deviations,
            times_usual: distance.peak / scatter.usual(),
            at_px: look.at_px(part, distance.place),
        },
    };
    far.into_iter().map(suspect).collect()
}
