//! The study's own distances against those of the graph, and against plain sums.

use super::*;
use crate::model::{Backbone, FeatureNet, MapNet, Runtime, SessionOptions};
use crate::teach::coreset::SplitMix64;
use crate::teach::method::{DIMENSIONS, RIDGE};

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
    let net = FeatureNet::load(&backbone, &runtime, &options).unwrap();
    let rows = |seed| net.features(&tensor(seed), SIDE_PX, SIDE_PX).unwrap();
    let raw: Vec<_> = (0..20).map(rows).collect();
    let whitening = Whitening::of(&raw, DIMENSIONS, RIDGE, 2).unwrap();
    let white = raw.iter().map(|rows| whitening.apply(&rows.view()));
    let bank = Bank::choose(white.collect(), 2).unwrap();
    let (grid, new) = ([6, 6], [100, 101]);
    let expected = new.map(|seed| {
        let white = whitening.apply(&rows(seed).view());
        bank.held_against(&white.view(), None, grid).peak
    });
    assert_eq!(
        bank.leave_one_out(grid, 2, &|| {}),
        bank.leave_one_out(grid, 1, &|| {})
    );
    let (lesson, _) = bank.lesson(whitening);
    let map = MapNet::load(&backbone, &lesson, &runtime, &options).unwrap();
    for (seed, expected) in new.into_iter().zip(expected) {
        let map = map.map(&tensor(seed), SIDE_PX, SIDE_PX).unwrap();
        let score = map.iter().copied().fold(0.0, f32::max);
        let found = score / (1.0 - score);
        assert!((found / expected - 1.0).abs() < 1e-3, "{found} {expected}");
    }
}

/// Three parts of one row each, at 0, 3 and 5 in each of four directions, and a bank of all.
fn three_parts() -> Bank {
    let parts: Vec<_> = [0.0, 3.0, 5.0]
        .map(|at| Array2::from_elem((1, 4), at))
        .to_vec();
    Bank::choose(parts, 1).unwrap()
}

#[test]
fn the_spread_is_that_of_other_parts_and_never_less_than_the_mean() {
    let bank = three_parts();
    // Neighbours of 0: 6 and 10; of 3: 4 and 6; of 5: 4 and 10. Means 8, 5, 7; over all 20 / 3.
    let at = |part: usize| {
        bank.origins
            .iter()
            .position(|origin| *origin == part)
            .unwrap()
    };
    let spread = bank.spread(None);
    for (part, expected) in [(0, 8.0), (1, 20.0 / 3.0), (2, 7.0)] {
        assert!(
            (spread[at(part)] - expected).abs() < 1e-5,
            "{part}: {spread}"
        );
    }
    // Without the part at 5: 6, 6 and 7; over all 19 / 3.
    let spread = bank.spread(Some(2));
    for (part, expected) in [(0, 19.0 / 3.0), (1, 19.0 / 3.0), (2, 7.0)] {
        assert!(
            (spread[at(part)] - expected).abs() < 1e-5,
            "{part}: {spread}"
        );
    }
}

#[test]
fn a_part_is_never_held_against_its_own_rows() {
    let bank = three_parts();
    let distances = bank.leave_one_out([1, 1], 1, &|| {});
    // The part at 5 lies 4 from the row at 3 and 10 from that at 0; both have a spread of 19 / 3.
    assert!(
        (distances[2].peak - 12.0 / 19.0).abs() < 1e-5,
        "{distances:?}"
    );
    let differences = bank.differences(2);
    assert_eq!((differences[[0, 1]], differences[[2, 0]]), (36.0, 100.0));
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
