//! The coreset: the few rows that stand for all, chosen so that no row lies far from one of them.
//!
//! Greedy k-centre (Gonzalez 1985): the next row is always the one that lies farthest from those
//! chosen so far; of equal ones the first. Distances to the chosen only shrink while rows are
//! chosen, so an old distance is an upper bound, and a row is measured anew only when its bound
//! comes to the top. The choice is exactly that of measuring every row every time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ndarray::{Array2, ArrayView2};

/// Chooses at most `n_max` rows of `rows`, beginning with the row `first`.
///
/// The indices come in the order of the choice. Fewer than `n_max` come where the rest only repeats
/// what is chosen.
pub fn greedy_k_centre(rows: &ArrayView2<'_, f32>, first: usize, n_max: usize) -> Vec<usize> {
    let rows = rows.as_standard_layout();
    let dimensions = rows.ncols();
    let (Some(values), true) = (rows.as_slice(), first < rows.nrows() && 0 < dimensions) else {
        return Vec::new();
    };
    let mut choice = Choice::new(values, dimensions);
    choice.take(first);
    while choice.chosen.len() < n_max {
        match choice.farthest() {
            Some(next) => choice.take(next),
            None => break,
        }
    }
    choice.chosen
}

/// Rows, the chosen among them, and how near each row is known to be to one of those.
struct Choice<'a> {
    values: &'a [f32],
    dimensions: usize,
    chosen: Vec<usize>,
    /// The chosen rows again, one after the other.
    centres: Vec<f32>,
    queue: BinaryHeap<Bound>,
}

/// A row waits under the squared distance to the nearest of the first `n_centres` chosen rows.
/// Squared distances are never negative, and so their bits rank as they do; of equals the first row
/// comes to the top.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Bound {
    distance2_bits: u32,
    row: Reverse<usize>,
    n_centres: usize,
}

impl<'a> Choice<'a> {
    fn new(values: &'a [f32], dimensions: usize) -> Self {
        let unknown = |row| Bound {
            distance2_bits: f32::INFINITY.to_bits(),
            row: Reverse(row),
            n_centres: 0,
        };
        Self {
            values,
            dimensions,
            chosen: Vec::new(),
            centres: Vec::new(),
            queue: (0..values.len() / dimensions).map(unknown).collect(),
        }
    }

    fn row(&self, row: usize) -> &'a [f32] {
        let start = row * self.dimensions;
        self.values
            .get(start..start + self.dimensions)
            .unwrap_or_default()
    }

    fn take(&mut self, row: usize) {
        self.centres.extend_from_slice(self.row(row));
        self.chosen.push(row);
    }

    /// The row that lies farthest from the chosen ones; `None` if all lie on one of them.
    fn farthest(&mut self) -> Option<usize> {
        loop {
            let top = *self.queue.peek()?;
            let mut distance2 = f32::from_bits(top.distance2_bits);
            if top.n_centres == self.chosen.len() {
                let is_apart = 0.0 < distance2 && distance2.is_finite();
                return is_apart.then_some(top.row.0);
            }
            let row = self.row(top.row.0);
            let unseen = self.centres.get(top.n_centres * self.dimensions..);
            for centre in unseen.unwrap_or_default().chunks_exact(self.dimensions) {
                distance2 = distance2.min(squared_distance(row, centre));
            }
            let mut slot = self.queue.peek_mut()?;
            slot.distance2_bits = distance2.to_bits();
            slot.n_centres = self.chosen.len();
        }
    }
}

/// The squared Euclidean distance; sums in lanes, so that the compiler uses the wide registers.
fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let (a_lanes, a_rest) = a.as_chunks::<LANES>();
    let (b_lanes, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a_lanes.iter().zip(b_lanes) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += (a - b) * (a - b);
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| (a - b).powi(2));
    sums.iter().sum::<f32>() + rest.sum::<f32>()
}

/// Fewer dimensions that keep distances nearly as they are: each is a sum of all with random signs
/// (Achlioptas 2003), the same everywhere.
pub fn project(rows: &ArrayView2<'_, f32>, n_dimensions: usize) -> Array2<f32> {
    let scale = (n_dimensions as f32).sqrt().recip();
    rows.dot(&signs((rows.ncols(), n_dimensions))) * scale
}

/// Ones of random sign, the same everywhere.
pub(super) fn signs(shape: (usize, usize)) -> Array2<f32> {
    let mut random = SplitMix64(0);
    Array2::from_shape_simple_fn(shape, || if random.next() >> 63 == 1 { 1.0 } else { -1.0 })
}

/// At most `n_max` of the numbers below `n`, drawn at random, the same everywhere.
pub(super) fn sample(n: usize, n_max: usize) -> Vec<usize> {
    let mut random = SplitMix64(0);
    let mut drawn: Vec<(u64, usize)> = (0..n).map(|number| (random.next(), number)).collect();
    drawn.sort_unstable();
    drawn.truncate(n_max);
    drawn.into_iter().map(|(_, number)| number).collect()
}

/// At most `n_max` of the numbers below `n`, evenly spaced.
pub(super) fn spaced(n: usize, n_max: usize) -> Vec<usize> {
    let n_spaced = n.min(n_max);
    (0..n_spaced).map(|number| number * n / n_spaced).collect()
}

/// Random numbers that are the same everywhere (Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct SplitMix64(pub(super) u64);

impl SplitMix64 {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows in clumps, as patches of a part are, some of them twice.
    fn clumps(n_rows: usize, dimensions: usize, seed: u64) -> Array2<f32> {
        let mut random = SplitMix64(seed);
        let mut unit = move || (random.next() >> 40) as f32 / (1_u32 << 24) as f32;
        let mut rows = Array2::zeros((n_rows, dimensions));
        for (index, mut row) in rows.outer_iter_mut().enumerate() {
            let clump = (index * 7 % 13) as f32;
            let spread = if index % 5 == 0 { 0.0 } else { 0.3 };
            row.mapv_inplace(|_: f32| clump + spread * unit());
        }
        rows
    }

    /// Every row against every chosen one, every time.
    fn plain(rows: &Array2<f32>, first: usize, n_max: usize) -> Vec<usize> {
        let row = |index: usize| rows.row(index).to_vec();
        let mut chosen = vec![first];
        while chosen.len() < n_max {
            let mut best = (0, 0.0);
            for index in 0..rows.nrows() {
                let nearest = chosen
                    .iter()
                    .map(|centre| squared_distance(&row(index), &row(*centre)))
                    .fold(f32::INFINITY, f32::min);
                if best.1 < nearest {
                    best = (index, nearest);
                }
            }
            if best.1 == 0.0 {
                break;
            }
            chosen.push(best.0);
        }
        chosen
    }

    #[test]
    fn the_choice_is_that_of_measuring_everything() {
        let rows = clumps(3000, 19, 3);
        let expected = plain(&rows, 5, 40);
        assert_eq!(expected.len(), 40);
        assert_eq!(greedy_k_centre(&rows.view(), 5, 40), expected);
    }

    #[test]
    fn rows_that_repeat_are_chosen_once() {
        let rows = Array2::from_shape_fn((100, 4), |(row, _)| (row % 3) as f32);
        assert_eq!(greedy_k_centre(&rows.view(), 1, 50), [1, 0, 2]);
        assert!(greedy_k_centre(&rows.view(), 100, 50).is_empty());
    }

    #[test]
    fn a_sample_has_each_number_once_and_is_spread_over_all() {
        let mut all = sample(50, 90);
        all.sort_unstable();
        assert!(all.into_iter().eq(0..50));
        let mut some = sample(1000, 300);
        let middle = some.iter().sum::<usize>() / 300;
        assert!((430..570).contains(&middle), "{middle}");
        some.sort_unstable();
        some.dedup();
        assert_eq!(some.len(), 300);
        assert_eq!(spaced(5, 9), [0, 1, 2, 3, 4]);
        assert_eq!(spaced(10, 4), [0, 2, 5, 7]);
    }

    #[test]
    fn a_projection_keeps_distances_nearly_and_is_the_same_each_time() {
        let rows = clumps(60, 152, 9);
        let fewer = project(&rows.view(), 64);
        assert_eq!(fewer, project(&rows.view(), 64));
        let distance = |rows: &Array2<f32>, a, b| {
            squared_distance(&rows.row(a).to_vec(), &rows.row(b).to_vec()).sqrt()
        };
        // Clump 0 and clump 12 are far from each other, rows of one clump are near.
        let (far, near) = (distance(&rows, 0, 11), distance(&rows, 1, 14));
        let (far_kept, near_kept) = (distance(&fewer, 0, 11), distance(&fewer, 1, 14));
        assert!(near < far && near_kept < far_kept, "{near_kept} {far_kept}");
        assert!((near_kept / near - 1.0).abs() < 0.35, "{near} {near_kept}");
    }
}
