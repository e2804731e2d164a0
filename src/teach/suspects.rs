//! Pictures among the good ones that do not look like good parts.

use std::fmt;

use super::bank::Distance;
use super::look::{Look, Part};
use super::method::{OUTLIER_SPREADS, OUTLIER_TIMES_MIN};

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
    /// A place of it is like nothing on the other parts: a bad part among the good ones?
    Unlike {
        /// How many times as unlike as the middle one of the good parts.
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

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlike {
                times_usual,
                at_px: [x, y],
            } => write!(
                f,
                "at ({x:.0}, {y:.0}) px it is like nothing on the other parts ({times_usual:.1} times the \
                 usual distance): a bad part?"
            ),
            Self::Moved { by_px: [x, y] } => write!(
                f,
                "it lies ({x:+.0}, {y:+.0}) px off the others: was the camera or the fixture moved?"
            ),
        }
    }
}

/// Finds the parts whose held-out distance stands apart from that of the others: their logarithm lies
/// many spreads over the middle one, the spread being taken from the middle half.
pub(super) fn outliers(look: &Look, parts: &[Part], distances: &[Distance]) -> Vec<Suspect> {
    let mut logs: Vec<f32> = distances
        .iter()
        .map(|one| one.peak.max(1e-6).ln())
        .collect();
    logs.sort_by(f32::total_cmp);
    let at = |share: usize| {
        logs.get(logs.len() * share / 100)
            .copied()
            .unwrap_or_default()
    };
    let (middle, upper) = (at(50), at(75));
    let limit = middle + ((upper - middle) * OUTLIER_SPREADS).max(OUTLIER_TIMES_MIN.ln());
    let apart = parts.iter().zip(distances);
    let apart = apart.filter(|(_, distance)| limit < distance.peak.max(1e-6).ln());
    apart
        .map(|(part, distance)| Suspect {
            part: part.clone(),
            why: Why::Unlike {
                times_usual: distance.peak / middle.exp(),
                at_px: look.at_px(part, distance.place),
            },
        })
        .collect()
}
