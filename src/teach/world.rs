//! How far a picture may lie from good ones as a whole: an empty fixture or a blank sheet has no place
//! that good parts lack.

use ndarray::{Array2, ArrayView1, Axis};

use super::coreset::spaced;
use super::error::TeachError;
use super::method::{FRAMES_MAX, WORLD_MARGIN, WORLD_RATE};
use super::thresholds::Scatter;

/// The mean rows of good parts, and how far from the nearest of them a picture's may lie.
#[derive(Debug)]
pub(super) struct World {
    /// The mean row of each good part that is kept.
    pub(super) frames: Array2<f32>,
    /// From this distance on it is another world.
    limit: f32,
}

impl World {
    /// Of the mean row of each good part.
    ///
    /// # Errors
    /// [`TeachError::AllTheSame`] if they do not scatter.
    pub(super) fn of(means: &Array2<f32>) -> Result<Self, TeachError> {
        let kept = spaced(means.nrows(), FRAMES_MAX);
        let frames = means.select(Axis(0), &kept);
        let others = |part: usize| {
            kept.iter()
                .zip(frames.outer_iter())
                .filter(move |(of, _)| **of != part)
        };
        let nearest = |(part, row): (usize, ArrayView1<'_, f32>)| {
            let squares = others(part).map(|(_, frame)| {
                let apart = &row - &frame;
                apart.dot(&apart)
            });
            squares.fold(f32::INFINITY, f32::min).sqrt()
        };
        let nearest: Vec<f32> = means.outer_iter().enumerate().map(nearest).collect();
        let scatter = Scatter::of(&nearest).ok_or(TeachError::AllTheSame)?;
        let limit = scatter.exceeded_by(WORLD_RATE) * WORLD_MARGIN;
        Ok(Self { frames, limit })
    }

    /// What the distance of a mean row is multiplied with, so that the limit lies where rejection does.
    pub(super) fn factor(&self, reject: f32) -> f32 {
        reject / self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::teach::coreset::SplitMix64;

    /// Mean rows around zero.
    fn means(n: usize) -> Array2<f32> {
        let mut random = SplitMix64(3);
        Array2::from_shape_fn((n, 8), |_| {
            (random.next() >> 40) as f32 / (1_u32 << 24) as f32 - 0.5
        })
    }

    #[test]
    fn the_limit_lies_beyond_every_good_part_and_where_rejection_begins() {
        let means = means(60);
        let world = World::of(&means).unwrap();
        assert_eq!(world.frames, means);
        for (part, row) in means.outer_iter().enumerate() {
            let others = means.outer_iter().enumerate();
            let others = others.filter(|(other, _)| *other != part);
            let lengths = others.map(|(_, other)| (&row - &other).dot(&(&row - &other)).sqrt());
            let nearest = lengths.fold(f32::INFINITY, f32::min);
            assert!(nearest < world.limit, "{part}: {nearest}");
        }
        assert!((world.factor(1.7) * world.limit - 1.7).abs() < 1e-6);
    }

    #[test]
    fn of_many_parts_some_are_kept_and_none_is_its_own_neighbour() {
        let world = World::of(&means(2 * FRAMES_MAX)).unwrap();
        assert_eq!(world.frames.nrows(), FRAMES_MAX);
        let all_kept = World::of(&means(FRAMES_MAX)).unwrap();
        // Twice as many parts lie a little nearer to each other; with themselves, half would lie at 0.
        assert!(all_kept.limit * 0.5 < world.limit, "{world:?}");
        assert!(World::of(&Array2::zeros((20, 8))).is_err());
    }
}
