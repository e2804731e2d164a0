//! Whether the pictures fall into those before and those after some moment: a lamp, a camera or a
//! supplier was changed while they were taken.

use ndarray::Array2;

use super::coreset::SplitMix64;
use super::method::{SPLIT_RATIO_MIN, SPLIT_SHUFFLES, SPLIT_SIDE_MIN};

/// The first part after the cut of the sequence whose two sides differ most from each other, if the
/// order of the parts matters: shuffled, no sequence may fall apart as much.
///
/// `differences` of each two parts, in the order of the pictures' names.
pub(super) fn split(differences: &Array2<f32>) -> Option<usize> {
    let n = differences.nrows();
    let mut order: Vec<usize> = (0..n).collect();
    let (ratio, cut) = best_cut(differences, &order)?;
    if ratio < SPLIT_RATIO_MIN {
        return None;
    }
    let mut random = SplitMix64(0);
    for _ in 0..SPLIT_SHUFFLES {
        let mut keyed: Vec<(u64, usize)> =
            order.iter().map(|part| (random.next(), *part)).collect();
        keyed.sort_unstable();
        order = keyed.into_iter().map(|(_, part)| part).collect();
        if best_cut(differences, &order).is_some_and(|(shuffled, _)| ratio <= shuffled) {
            return None;
        }
    }
    Some(cut)
}

/// The greatest ratio of mean difference across a cut to mean difference inside its sides, and the
/// first place after that cut.
fn best_cut(differences: &Array2<f32>, order: &[usize]) -> Option<(f64, usize)> {
    let n = order.len();
    let at = |a: usize, b: usize| differences.get((a, b)).copied().map_or(0.0, f64::from);
    // What each part differs from those before it, and from all: sums over any cut follow.
    let to_earlier = order.iter().enumerate().map(|(place, part)| {
        let earlier = order.iter().take(place);
        earlier.map(|other| at(*part, *other)).sum::<f64>()
    });
    let to_earlier: Vec<f64> = to_earlier.collect();
    let to_all = order
        .iter()
        .map(|part| order.iter().map(|other| at(*part, *other)).sum::<f64>());
    let to_all: Vec<f64> = to_all.collect();
    let total: f64 = to_earlier.iter().sum();
    let (mut inside_first, mut of_first) = (0.0, 0.0);
    let mut best: Option<(f64, usize)> = None;
    for (place, (earlier, all)) in to_earlier.iter().zip(&to_all).enumerate() {
        inside_first += earlier;
        of_first += all;
        let cut = place + 1;
        if cut < SPLIT_SIDE_MIN || n < cut + SPLIT_SIDE_MIN {
            continue;
        }
        let across = of_first - 2.0 * inside_first;
        let inside = total - across;
        let pairs = |n: usize| (n * (n - 1) / 2) as f64;
        let ratio = across / (cut * (n - cut)) as f64 * (pairs(cut) + pairs(n - cut)) / inside;
        if best.is_none_or(|(greatest, _)| greatest < ratio) {
            best = Some((ratio, cut));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts on a line, `apart` further right from the middle of the sequence on.
    fn differences(n: usize, cut: usize, apart: f32) -> Array2<f32> {
        let mut random = SplitMix64(5);
        let places: Vec<f32> = (0..n)
            .map(|part| {
                let own = (random.next() >> 40) as f32 / (1_u32 << 24) as f32;
                if part < cut { own } else { own + apart }
            })
            .collect();
        Array2::from_shape_fn((n, n), |(a, b)| (places[a] - places[b]).powi(2))
    }

    #[test]
    fn a_change_in_the_sequence_is_found_where_it_was() {
        assert_eq!(split(&differences(40, 15, 2.0)), Some(15));
        assert_eq!(split(&differences(12, 6, 3.0)), Some(6));
    }

    #[test]
    fn a_sequence_without_a_change_is_left_alone() {
        for n in [3, 8, 20, 60] {
            assert_eq!(split(&differences(n, n, 0.0)), None, "{n}");
        }
        // Parts of two kinds in turn: the order says nothing.
        let mixed = Array2::from_shape_fn((30, 30), |(a, b)| ((a + b) % 2) as f32);
        assert_eq!(split(&mixed), None);
    }
}
