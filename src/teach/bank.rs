//! From the rows of good parts to what new pictures are compared with, and how good parts compare
//! with each other: whitening, bank, spread, leave-one-out distances.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate};

use crate::model::Lesson;

use super::coreset::{greedy_k_centre, project, sample};
use super::error::TeachError;
use super::method::{
    BANK_ROWS, CANDIDATES_MAX, CHOICE_DIMENSIONS, CHOICE_SEED, DIMENSIONS, RIDGE,
    SPREAD_NEIGHBOURS, SPREAD_OF_MEAN, TOP_SHARE,
};
use super::threads::on_threads;
use super::whitening::Whitening;

/// Rows of the bank that one thread compares with all parts at a time.
const BLOCK_ROWS: usize = 128;

/// Good parts in whitened space, with the bank chosen from them.
#[derive(Debug)]
pub(super) struct Bank {
    whitening: Whitening,
    /// One array a part.
    parts: Vec<Array2<f32>>,
    rows: Array2<f32>,
    /// The part that each row of the bank comes from.
    origins: Vec<usize>,
    spread: Array1<f32>,
}

/// How unlike the bank a picture is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Distance {
    /// The mean of its most unlike places.
    pub(super) peak: f32,
    /// Column and row of the most unlike one, as shares of the picture, 0 to 1.
    pub(super) place: [f32; 2],
}

impl Bank {
    /// Learns from the raw rows of all parts.
    ///
    /// # Errors
    /// [`TeachError::AllTheSame`] if nothing differs.
    pub(super) fn learn(raw: Vec<Array2<f32>>, n_threads: usize) -> Result<Self, TeachError> {
        let whitening = Whitening::of(&raw, DIMENSIONS, RIDGE, n_threads);
        let whitening = whitening.ok_or(TeachError::AllTheSame)?;
        let parts = on_threads(n_threads, &raw, |rows| whitening.apply(&rows.view()));
        drop(raw);
        let origin_of =
            |(part, rows): (usize, &Array2<f32>)| std::iter::repeat_n(part, rows.nrows());
        let origins: Vec<usize> = parts.iter().enumerate().flat_map(origin_of).collect();
        let views: Vec<ArrayView2<'_, f32>> = parts.iter().map(|rows| rows.view()).collect();
        let all = concatenate(Axis(0), &views).map_err(|source| TeachError::Rows { source })?;
        let candidates = sample(all.nrows(), CANDIDATES_MAX, CHOICE_SEED);
        let narrow = project(
            &all.select(Axis(0), &candidates).view(),
            CHOICE_DIMENSIONS,
            CHOICE_SEED,
        );
        let chosen = greedy_k_centre(&narrow.view(), 0, BANK_ROWS);
        let chosen: Vec<usize> = chosen
            .iter()
            .filter_map(|row| candidates.get(*row).copied())
            .collect();
        let mut bank = Self {
            whitening,
            rows: all.select(Axis(0), &chosen),
            origins: chosen
                .iter()
                .filter_map(|row| origins.get(*row).copied())
                .collect(),
            parts,
            spread: Array1::zeros(0),
        };
        bank.spread = bank.spreads(n_threads);
        Ok(bank)
    }

    /// How far good patches of other parts usually lie around each row of the bank.
    fn spreads(&self, n_threads: usize) -> Array1<f32> {
        let starts: Vec<usize> = (0..self.rows.nrows()).step_by(BLOCK_ROWS).collect();
        let near = on_threads(n_threads, &starts, |start| {
            let length = BLOCK_ROWS.min(self.rows.nrows() - start);
            let (_, rest) = self.rows.view().split_at(Axis(0), *start);
            self.mean_nearest(&rest.split_at(Axis(0), length).0, *start)
        });
        let near: Array1<f32> = near.into_iter().flatten().collect();
        let mean = near.mean().unwrap_or_default();
        // Copies of one patch everywhere would divide by zero.
        (near + mean * SPREAD_OF_MEAN).mapv(|spread| spread.max(f32::MIN_POSITIVE.sqrt()))
    }

    /// The mean distance of each row of a block to its nearest patches of other parts.
    fn mean_nearest(&self, block: &ArrayView2<'_, f32>, start: usize) -> Vec<f32> {
        let mut nearest = vec![Vec::with_capacity(SPREAD_NEIGHBOURS + 1); block.nrows()];
        for (part, rows) in self.parts.iter().enumerate() {
            let squares = squared_distances(block, &rows.view());
            for (index, row) in squares.outer_iter().enumerate() {
                let (Some(best), Some(origin)) =
                    (nearest.get_mut(index), self.origins.get(start + index))
                else {
                    continue;
                };
                if *origin != part {
                    row.iter().for_each(|square| keep_least(best, *square));
                }
            }
        }
        let mean = |best: &Vec<f32>| {
            best.iter().map(|square| square.sqrt()).sum::<f32>() / best.len().max(1) as f32
        };
        nearest.iter().map(mean).collect()
    }

    /// How unlike the others each part is: its patches held against the rows of the bank that come
    /// from other parts. `grid` is how many places lie side by side and one below the other.
    pub(super) fn leave_one_out(
        &self,
        grid: [usize; 2],
        n_threads: usize,
        done: &(dyn Fn() + Sync),
    ) -> Vec<Distance> {
        let parts: Vec<(usize, &Array2<f32>)> = self.parts.iter().enumerate().collect();
        on_threads(n_threads, &parts, |(part, rows)| {
            let distance = self.held_against(&rows.view(), Some(*part), grid);
            done();
            distance
        })
    }

    /// How unlike the bank, without the rows of one part, whitened rows are.
    fn held_against(
        &self,
        rows: &ArrayView2<'_, f32>,
        without: Option<usize>,
        grid: [usize; 2],
    ) -> Distance {
        let squares = squared_distances(rows, &self.rows.view());
        let nearest = |row: ArrayView1<'_, f32>| {
            let others = row.iter().zip(&self.spread).zip(&self.origins);
            let others = others.filter(|(_, origin)| Some(**origin) != without);
            let relative = others.map(|((square, spread), _)| square / (spread * spread));
            relative.fold(f32::INFINITY, f32::min).sqrt()
        };
        Distance::of(&squares.outer_iter().map(nearest).collect::<Vec<_>>(), grid)
    }

    /// What the graph is fed with (the reference is 1), and the part that each row of its bank comes from.
    pub(super) fn lesson(self) -> (Lesson, Vec<usize>) {
        let lesson = Lesson {
            mean: self.whitening.mean,
            whitening: self.whitening.matrix,
            bank: self.rows,
            spread: self.spread,
            reference: 1.0,
        };
        (lesson, self.origins)
    }
}

impl Distance {
    /// Of the distances of all places, row by row.
    fn of(places: &[f32], [columns, rows]: [usize; 2]) -> Self {
        let n_top = (places.len() as f64 * TOP_SHARE).ceil();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a count"
        )]
        let n_top = (n_top as usize).max(1);
        let mut sorted: Vec<(usize, f32)> = places.iter().copied().enumerate().collect();
        sorted.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let (at, _) = sorted.first().copied().unwrap_or_default();
        sorted.truncate(n_top);
        let sum: f32 = sorted.iter().map(|(_, distance)| distance).sum();
        let share = |at: usize, of: usize| (at as f32 + 0.5) / of.max(1) as f32;
        Self {
            peak: sum / sorted.len().max(1) as f32,
            place: [
                share(at % columns.max(1), columns),
                share(at / columns.max(1), rows),
            ],
        }
    }
}

/// Squared distances of each row of `a` to each row of `b`.
fn squared_distances(a: &ArrayView2<'_, f32>, b: &ArrayView2<'_, f32>) -> Array2<f32> {
    let lengths = |rows: &ArrayView2<'_, f32>| rows.map_axis(Axis(1), |row| row.dot(&row));
    let (of_a, of_b) = (lengths(a), lengths(b));
    let mut squares = a.dot(&b.t());
    for (mut row, length) in squares.outer_iter_mut().zip(&of_a) {
        for (value, other) in row.iter_mut().zip(&of_b) {
            // Rounding may take it just below zero.
            *value = (length + other - 2.0 * *value).max(0.0);
        }
    }
    squares
}

/// Keeps the least [`SPREAD_NEIGHBOURS`] values, in rising order.
fn keep_least(least: &mut Vec<f32>, value: f32) {
    if SPREAD_NEIGHBOURS <= least.len() && least.last().is_some_and(|last| *last <= value) {
        return;
    }
    least.insert(least.partition_point(|other| *other <= value), value);
    least.truncate(SPREAD_NEIGHBOURS);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Backbone, MapNet, Runtime, SessionOptions};
    use crate::teach::coreset::SplitMix64;

    const SIDE_PX: usize = 96;

    /// Tensors of pictures with stripes and grain, each its own.
    fn tensor(seed: u64) -> Vec<f32> {
        let mut random = SplitMix64(seed);
        let phase = (random.next() >> 60) as f32;
        let mut pixel = |index: usize| {
            let (x, y) = (index % SIDE_PX, index / SIDE_PX % SIDE_PX);
            let grain = (random.next() >> 40) as f32 / (1_u32 << 24) as f32 - 0.5;
            ((x as f32 + phase) * 0.2).sin() * 0.5 + (y as f32 * 0.07).cos() * 0.3 + grain * 0.3
        };
        (0..3 * SIDE_PX * SIDE_PX).map(&mut pixel).collect()
    }

    #[test]
    fn the_graph_and_the_study_measure_the_same_distance() {
        let folder = "models/backbones/efficientnet-lite0/1.0.0";
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let backbone = Backbone::open(&root.join(folder)).unwrap();
        let (runtime, options) = (Runtime::load(None).unwrap(), SessionOptions::default());
        let net = crate::model::FeatureNet::load(&backbone, &runtime, &options).unwrap();
        let rows = |seed| net.features(&tensor(seed), SIDE_PX, SIDE_PX).unwrap();
        let bank = Bank::learn((0..20).map(rows).collect(), 2).unwrap();
        let [grid, new] = [[6, 6], [100, 101]];
        let expected = new.map(|seed| {
            let white = bank.whitening.apply(&rows(seed as u64).view());
            bank.held_against(&white.view(), None, grid).peak
        });
        let with_others = bank.leave_one_out(grid, 2, &|| {});
        assert_eq!(with_others, bank.leave_one_out(grid, 1, &|| {}));
        let map = MapNet::load(&backbone, &bank.lesson().0, &runtime, &options).unwrap();
        for (seed, expected) in new.into_iter().zip(expected) {
            let map = map.map(&tensor(seed as u64), SIDE_PX, SIDE_PX).unwrap();
            let score = map.iter().copied().fold(0.0, f32::max);
            let found = score / (1.0 - score);
            assert!((found / expected - 1.0).abs() < 1e-3, "{found} {expected}");
        }
    }

    #[test]
    fn a_part_is_never_held_against_its_own_rows() {
        // Two parts of one row each, far apart, and a bank of both.
        let parts = vec![Array2::zeros((1, 4)), Array2::from_elem((1, 4), 3.0)];
        let bank = Bank {
            whitening: Whitening {
                mean: Array1::zeros(4),
                matrix: Array2::eye(4),
            },
            rows: concatenate(Axis(0), &[parts[0].view(), parts[1].view()]).unwrap(),
            parts,
            origins: vec![0, 1],
            spread: Array1::from_vec(vec![1.0, 2.0]),
        };
        let distances = bank.leave_one_out([1, 1], 1, &|| {});
        // 6 to the other row, divided by that row's spread.
        assert!((distances[0].peak - 3.0).abs() < 1e-6 && (distances[1].peak - 6.0).abs() < 1e-6);
    }

    #[test]
    fn a_score_is_the_mean_of_the_most_unlike_hundredth() {
        let mut places = vec![1.0_f32; 300];
        places[299] = 9.0;
        places[25] = 6.0;
        let distance = Distance::of(&places, [20, 15]);
        assert!((distance.peak - 16.0 / 3.0).abs() < 1e-6, "{distance:?}");
        assert!(
            distance.place[0] > 0.97 && distance.place[1] > 0.96,
            "{distance:?}"
        );
    }
}
