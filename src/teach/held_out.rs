//! How good parts score that the bank has not seen: the only honest measure of what is normal.

use ndarray::Array2;

use crate::model::{Lesson, MapNet};
use crate::vision::Picture;

use super::error::TeachError;
use super::features::Engine;
use super::look::Look;
use super::spread::with_state;

/// How unlike the bank a picture is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Distance {
    /// Of its most unlike place: the distance to the bank in whitened space.
    pub(super) peak: f32,
    /// Column and row of that place, as shares of the picture, 0 to 1.
    pub(super) place: [f32; 2],
}

/// A graph's score is d / (d + reference); this is d for a reference of 1.
fn distance_of(score: f32) -> f32 {
    score / (1.0 - score).max(f32::EPSILON)
}

/// The score of a distance.
pub(super) fn score_of(distance: f32, reference: f32) -> f32 {
    distance / (distance + reference)
}

impl Distance {
    /// Of a map that was made with the reference 1.
    fn of(map: &Array2<f32>) -> Self {
        let (rows, columns) = map.dim();
        let peak = map
            .indexed_iter()
            .fold(((0, 0), f32::NEG_INFINITY), |best, (place, score)| {
                if best.1 < *score {
                    (place, *score)
                } else {
                    best
                }
            });
        let ((row, column), score) = peak;
        let share = |at: usize, of: usize| (at as f32 + 0.5) / of.max(1) as f32;
        Self {
            peak: distance_of(score),
            place: [share(column, columns), share(row, rows)],
        }
    }
}

impl Engine {
    /// Holds each picture against the lesson that is named with it, an index into `lessons`; `done`
    /// is called after each. The references of the lessons must be 1.
    pub(super) fn distances(
        &self,
        look: &Look,
        lessons: &[Lesson],
        pictures: &[(usize, &Picture)],
        done: &(dyn Fn() + Sync),
    ) -> Result<Vec<Distance>, TeachError> {
        let [height_px, width_px] = look.sides();
        // Pictures come in the order of their lessons, so each thread loads each lesson once.
        let none = || Ok::<Option<(usize, MapNet)>, TeachError>(None);
        let found = with_state(
            self.n_threads,
            pictures,
            none,
            |loaded, (index, picture)| {
                if loaded.as_ref().is_none_or(|(loaded, _)| loaded != index) {
                    let lesson = lessons.get(*index).ok_or(TeachError::AllTheSame)?;
                    let (backbone, options) = (&self.backbone, Self::options());
                    let net = MapNet::load(backbone, lesson, &self.runtime, &options)?;
                    *loaded = Some((*index, net));
                }
                let Some((_, net)) = loaded else {
                    return Err(TeachError::AllTheSame);
                };
                let map = net.map(&look.tensor(picture)?, height_px, width_px)?;
                done();
                Ok(Distance::of(&map))
            },
        )?;
        found.into_iter().collect()
    }
}
