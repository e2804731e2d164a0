//! From the whitened rows of good parts to what new pictures are compared with, and how good parts
//! compare with each other: bank, spread, leave-one-out distances.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate};

use crate::model::Lesson;

use super::coreset::{greedy_k_centre, project, sample, spaced};
use super::error::TeachError;
use super::method::{
    BANK_ROWS, CANDIDATES_MAX, CHOICE_DIMENSIONS, SPREAD_NEIGHBOURS, SPREAD_PARTS_MAX, TOP_ONE_OF,
};
use super::threads::on_threads;
use super::whitening::Whitening;

/// Rows of the bank that one thread compares with all parts at a time.
const BLOCK_ROWS: usize = 128;

/// Good parts in whitened space, with the bank chosen from them.
#[derive(Debug)]
pub(super) struct Bank {
    /// The rows of all parts, one part below the other.
    patches: Array2<f32>,
    /// Rows of each part.
    n_places: usize,
    rows: Array2<f32>,
    /// The part that each row of the bank comes from.
    origins: Vec<usize>,
    /// For each row of the bank its nearest patches of other parts.
    neighbours: Vec<Vec<Neighbour>>,
}

/// A patch near a row of the bank.
#[derive(Debug, Clone, Copy)]
struct Neighbour {
    distance: f32,
    part: usize,
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
    /// Chooses the bank among the whitened rows of all parts.
    ///
    /// # Errors
    /// [`TeachError::Rows`] if they have not one length.
    pub(super) fn choose(parts: Vec<Array2<f32>>, n_threads: usize) -> Result<Self, TeachError> {
        // Every part was looked at in the same size.
        let n_places = parts.first().map_or(1, Array2::nrows).max(1);
        let views: Vec<ArrayView2<'_, f32>> = parts.iter().map(|rows| rows.view()).collect();
        let patches = concatenate(Axis(0), &views).map_err(|source| TeachError::Rows { source })?;
        drop(parts);
        let candidates = sample(patches.nrows(), CANDIDATES_MAX);
        let narrow = project(
            &patches.select(Axis(0), &candidates).view(),
            CHOICE_DIMENSIONS,
        );
        let chosen = greedy_k_centre(&narrow.view(), farthest_out(&narrow), BANK_ROWS);
        let chosen: Vec<usize> = chosen
            .iter()
            .filter_map(|row| candidates.get(*row).copied())
            .collect();
        let mut bank = Self {
            rows: patches.select(Axis(0), &chosen),
            origins: chosen.iter().map(|row| row / n_places).collect(),
            patches,
            n_places,
            neighbours: Vec::new(),
        };
        bank.neighbours = bank.find_neighbours(n_threads);
        Ok(bank)
    }

    /// The rows of each part.
    fn parts(&self) -> Vec<ArrayView2<'_, f32>> {
        self.patches
            .axis_chunks_iter(Axis(0), self.n_places)
            .collect()
    }

    /// The nearest patches of other parts around each row of the bank.
    fn find_neighbours(&self, n_threads: usize) -> Vec<Vec<Neighbour>> {
        let starts: Vec<usize> = (0..self.rows.nrows()).step_by(BLOCK_ROWS).collect();
        let found = on_threads(n_threads, &starts, |start| {
            let length = BLOCK_ROWS.min(self.rows.nrows() - start);
            let (_, rest) = self.rows.view().split_at(Axis(0), *start);
            self.neighbours_of(&rest.split_at(Axis(0), length).0, *start)
        });
        found.into_iter().flatten().collect()
    }

    fn neighbours_of(&self, block: &ArrayView2<'_, f32>, start: usize) -> Vec<Vec<Neighbour>> {
        let mut nearest = vec![Vec::with_capacity(SPREAD_NEIGHBOURS + 1); block.nrows()];
        let parts = self.parts();
        for part in spaced(parts.len(), SPREAD_PARTS_MAX) {
            let Some(rows) = parts.get(part) else {
                continue;
            };
            let squares = squared_distances(block, rows);
            let origins = self.origins.iter().skip(start);
            for ((best, row), origin) in nearest.iter_mut().zip(squares.outer_iter()).zip(origins) {
                if *origin != part {
                    row.iter()
                        .for_each(|square| keep_least(best, *square, part));
                }
            }
        }
        for neighbour in nearest.iter_mut().flatten() {
            neighbour.distance = neighbour.distance.sqrt();
        }
        nearest
    }

    /// How far good patches of other parts usually lie around each row of the bank, those of one part
    /// left out; never less than the mean of that over the bank.
    fn spread(&self, without: Option<usize>) -> Array1<f32> {
        let mean_of = |neighbours: &Vec<Neighbour>| {
            let counted = neighbours.iter().filter(|near| Some(near.part) != without);
            let (n, sum) = counted.fold((0, 0.0), |(n, sum), near| (n + 1, sum + near.distance));
            (0 < n).then(|| sum / n as f32)
        };
        let means: Vec<Option<f32>> = self.neighbours.iter().map(mean_of).collect();
        let known: Array1<f32> = means.iter().flatten().copied().collect();
        // Where every patch is the same, any spread will do but zero.
        let overall = known.mean().unwrap_or(1.0).max(f32::MIN_POSITIVE.sqrt());
        means
            .iter()
            .map(|mean| mean.map_or(overall, |mean| mean.max(overall)))
            .collect()
    }

    /// How unlike the others each part is: its patches held against the rows of the bank that come
    /// from other parts. `grid` is how many places lie side by side and one below the other.
    pub(super) fn leave_one_out(
        &self,
        grid: [usize; 2],
        n_threads: usize,
        done: &(dyn Fn() + Sync),
    ) -> Vec<Distance> {
        let parts: Vec<_> = self.parts().into_iter().enumerate().collect();
        on_threads(n_threads, &parts, |(part, rows)| {
            let distance = self.held_against(rows, Some(*part), grid);
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
        let spread = self.spread(without);
        let squares = squared_distances(rows, &self.rows.view());
        let nearest = |row: ArrayView1<'_, f32>| {
            let others = row.iter().zip(&spread).zip(&self.origins);
            let others = others.filter(|(_, origin)| Some(**origin) != without);
            let relative = others.map(|((square, spread), _)| square / (spread * spread));
            relative.fold(f32::INFINITY, f32::min).sqrt()
        };
        Distance::of(&squares.outer_iter().map(nearest).collect::<Vec<_>>(), grid)
    }

    /// The mean squared difference of each two parts, place by place.
    pub(super) fn differences(&self, n_threads: usize) -> Array2<f32> {
        let length = self.n_places * self.patches.ncols();
        let n_parts = self.patches.nrows() / self.n_places;
        let flat = self.patches.to_shape((n_parts, length));
        let Ok(flat) = flat else {
            return Array2::zeros((0, 0));
        };
        let blocks: Vec<_> = flat.axis_chunks_iter(Axis(0), BLOCK_ROWS).collect();
        let squares = on_threads(n_threads, &blocks, |block| {
            squared_distances(block, &flat.view())
        });
        let squares: Vec<_> = squares.iter().map(|rows| rows.view()).collect();
        let mut table = concatenate(Axis(0), &squares).unwrap_or_default();
        table.diag_mut().fill(0.0);
        table / self.n_places as f32
    }

    /// What the graph is fed with (the reference is 1), and the part that each row of its bank comes from.
    pub(super) fn lesson(self, whitening: Whitening) -> (Lesson, Vec<usize>) {
        let lesson = Lesson {
            mean: whitening.mean,
            whitening: whitening.matrix,
            spread: self.spread(None),
            bank: self.rows,
            reference: 1.0,
        };
        (lesson, self.origins)
    }
}

impl Distance {
    /// Of the distances of all places, row by row.
    fn of(places: &[f32], [columns, rows]: [usize; 2]) -> Self {
        let mut sorted: Vec<(usize, f32)> = places.iter().copied().enumerate().collect();
        sorted.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let (at, _) = sorted.first().copied().unwrap_or_default();
        sorted.truncate(places.len().div_ceil(TOP_ONE_OF));
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

/// The row that is longest; of equal ones the first.
fn farthest_out(rows: &Array2<f32>) -> usize {
    let lengths = rows.outer_iter().map(|row| row.dot(&row)).enumerate();
    let longest = lengths.fold((0, f32::NEG_INFINITY), |best, (row, length)| {
        if best.1 < length { (row, length) } else { best }
    });
    longest.0
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

/// Keeps the least [`SPREAD_NEIGHBOURS`] distances, in rising order.
fn keep_least(least: &mut Vec<Neighbour>, distance: f32, part: usize) {
    if SPREAD_NEIGHBOURS <= least.len()
        && least.last().is_some_and(|last| last.distance <= distance)
    {
        return;
    }
    let place = least.partition_point(|other| other.distance <= distance);
    least.insert(place, Neighbour { distance, part });
    least.truncate(SPREAD_NEIGHBOURS);
}

#[cfg(test)]
mod tests;
