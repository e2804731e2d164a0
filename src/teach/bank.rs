//! From the rows of good parts to what new pictures are compared with, and how good parts compare
//! with each other: whitening, bank, spread, leave-one-out distances.

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};

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
        let parts: Vec<usize> = (0..self.parts.len()).collect();
        let weights = self.spread.mapv(|spread| spread.powi(-2));
        on_threads(n_threads, &parts, |part| {
            let rows = self.parts.get(*part);
            let distance = rows.map(|rows| {
                let squares = squared_distances(&rows.view(), &self.rows.view());
                let nearest = |row: ndarray::ArrayView1<'_, f32>| {
                    let others = row.iter().zip(&weights).zip(&self.origins);
                    let others = others.filter(|(_, origin)| *origin != part);
                    let weighted = others.map(|((square, weight), _)| square * weight);
                    weighted.fold(f32::INFINITY, f32::min).sqrt()
                };
                Distance::of(&squares.outer_iter().map(nearest).collect::<Vec<_>>(), grid)
            });
            done();
            distance
        })
        .into_iter()
        .flatten()
        .collect()
    }

    /// What the graph is fed with; the reference is 1.
    pub(super) fn lesson(self) -> Lesson {
        Lesson {
            mean: self.whitening.mean,
            whitening: self.whitening.matrix,
            bank: self.rows,
            spread: self.spread,
            reference: 1.0,
        }
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
