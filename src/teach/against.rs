//! Pictures held against a lesson by the graph that judges at the station.

use ndarray::Array2;

use crate::model::{Lesson, MapNet};
use crate::vision::Picture;

use super::bank::Distance;
use super::error::TeachError;
use super::features::Engine;
use super::look::Look;
use super::threads::with_state;

impl Engine {
    /// How unlike the lesson each picture is; `done` is called after each.
    pub(super) fn distances(
        &self,
        look: &Look,
        lesson: &Lesson,
        pictures: &[&Picture],
        done: &(dyn Fn() + Sync),
    ) -> Result<Vec<Distance>, TeachError> {
        let found = with_state(
            self.n_threads,
            pictures,
            || self.map_net(lesson),
            |net, picture| {
                let map = map_of(net, look, picture)?;
                done();
                Ok(distance_of(&map, lesson.reference))
            },
        )?;
        found.into_iter().collect()
    }

    /// The graph with a lesson, for the thread that asks.
    pub(super) fn map_net(&self, lesson: &Lesson) -> Result<MapNet, TeachError> {
        let options = Self::options();
        Ok(MapNet::load(
            &self.backbone,
            lesson,
            &self.runtime,
            &options,
        )?)
    }
}

/// How unlike the net's lesson each place of a picture is, 0 to 1.
pub(super) fn map_of(
    net: &MapNet,
    look: &Look,
    picture: &Picture,
) -> Result<Array2<f32>, TeachError> {
    let [height_px, width_px] = look.sides();
    Ok(net.map(&look.tensor(picture)?, height_px, width_px)?)
}

/// The score of a distance, as the graph computes it.
pub(super) fn score_of(distance: f32, reference: f32) -> f32 {
    distance / (distance + reference)
}

/// The distance of the map's maximum, which is the score of the picture.
fn distance_of(map: &Array2<f32>, reference: f32) -> Distance {
    let (rows, columns) = map.dim();
    let start = ((0, 0), f32::NEG_INFINITY);
    let ((row, column), score) = map.indexed_iter().fold(start, |best, (place, score)| {
        if best.1 < *score {
            (place, *score)
        } else {
            best
        }
    });
    let share = |at: usize, of: usize| (at as f32 + 0.5) / of.max(1) as f32;
    Distance {
        peak: score / (1.0 - score).max(f32::EPSILON) * reference,
        place: [share(column, columns), share(row, rows)],
    }
}
