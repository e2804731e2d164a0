//! Boxes that overlap: suppressing doubles, and what the doubles say of where the box lies.

use crate::domain::RectPx;

use super::boxes::Candidate;
use super::{DETECTIONS_MAX, Wanted, too_many};

/// Keeps the strongest of boxes of one class that overlap more than `iou_threshold`.
pub(super) fn suppress(
    mut found: Vec<Candidate>,
    iou_threshold: f32,
    wanted: Wanted,
) -> Result<Vec<Candidate>, String> {
    // Strongest first; boxes of the same strength stay in the model's order.
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in found {
        let doubled = kept.iter().any(|other| {
            other.class == candidate.class
                && iou(&other.region, &candidate.region) > f64::from(iou_threshold)
        });
        if doubled {
            continue;
        }
        // Also keeps the comparison of each with each short.
        if kept.len() >= DETECTIONS_MAX {
            if !matches!(wanted, Wanted::From(_)) {
                return Err(too_many());
            }
            break;
        }
        kept.push(candidate);
    }
    Ok(kept)
}

/// Moves each box that was kept to the mean of the boxes of its class that overlap it by more than
/// `overlap_min` (box voting, Gidaris and Komodakis, ICCV 2015). A vote weighs as much as its score and what
/// it overlaps more; boxes below `score_min` have none but their own, so that the answer does not depend on how
/// many of them are looked at.
pub(super) fn vote(
    kept: Vec<Candidate>,
    all: &[Candidate],
    overlap_min: f32,
    score_min: f32,
) -> Vec<Candidate> {
    let overlap_min = f64::from(overlap_min);
    let moved = |candidate: Candidate| {
        let mut sums = [0.0; 5];
        for voter in all {
            let is_own = voter.row == candidate.row && voter.class == candidate.class;
            let overlap = iou(&voter.region, &candidate.region);
            if voter.class != candidate.class || overlap <= overlap_min {
                continue;
            }
            if is_own || score_min <= voter.score {
                let weight = f64::from(voter.score) * (overlap - overlap_min);
                let RectPx {
                    x,
                    y,
                    width,
                    height,
                } = voter.region;
                let votes = [1.0, x, y, width, height];
                for (sum, vote) in sums.iter_mut().zip(votes) {
                    *sum += weight * vote;
                }
            }
        }
        let [weight, x, y, width, height] = sums;
        // A box of score 0 has no vote at all.
        if weight <= 0.0 {
            return candidate;
        }
        let region = RectPx {
            x: x / weight,
            y: y / weight,
            width: width / weight,
            height: height / weight,
        };
        Candidate {
            region,
            ..candidate
        }
    };
    kept.into_iter().map(moved).collect()
}

/// Intersection over union: 0 apart, 1 equal.
pub(in crate::model) fn iou(a: &RectPx, b: &RectPx) -> f64 {
    let width = (a.x + a.width).min(b.x + b.width) - a.x.max(b.x);
    let height = (a.y + a.height).min(b.y + b.height) - a.y.max(b.y);
    let both = width.max(0.0) * height.max(0.0);
    let either = a.width * a.height + b.width * b.height - both;
    if either > 0.0 { both / either } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(class: usize, score: f32, x: f64) -> Candidate {
        let region = RectPx {
            x,
            y: 0.0,
            width: 10.0,
            height: 10.0,
        };
        Candidate {
            row: 0,
            class,
            score,
            region,
        }
    }

    #[test]
    fn a_box_moves_to_where_its_doubles_of_the_same_class_have_it() {
        let all = [
            candidate(0, 0.8, 10.0),
            candidate(0, 0.4, 12.0),
            // Too far, another class, too weak.
            candidate(0, 0.8, 18.0),
            candidate(1, 0.8, 11.0),
            candidate(0, 0.04, 11.0),
        ];
        let all: Vec<_> = (0..)
            .zip(all)
            .map(|(row, one)| Candidate { row, ..one })
            .collect();
        let kept = suppress(all.clone(), 0.3, Wanted::ByThresholds).unwrap();
        let moved = vote(kept, &all, 0.5, 0.05);
        // 2 px of 10 apart: they overlap by 8 / 12, so the double weighs 0.4 (2/3 - 1/2), the box itself 0.8 / 2.
        let double = 0.4 * (8.0 / 12.0 - 0.5);
        let expected = (0.4 * 10.0 + double * 12.0) / (0.4 + double);
        assert!((moved[0].region.x - expected).abs() < 1e-6, "{moved:?}");
        assert!((moved[0].region.width - 10.0).abs() < 1e-9);
        assert_eq!(moved[0].score.to_bits(), 0.8_f32.to_bits());
        // Nobody votes for a box alone, and a weak one has its own vote.
        let weak = [candidate(0, 0.01, 50.0)];
        assert_eq!(vote(weak.to_vec(), &weak, 0.5, 0.05), weak);
        let nothing = [candidate(0, 0.0, 50.0)];
        assert_eq!(vote(nothing.to_vec(), &nothing, 0.5, 0.05), nothing);
    }

    #[test]
    fn detections_everywhere_are_an_error() {
        let apart = |n: u32| {
            (0..n)
                .map(|i| candidate(0, 0.9, 20.0 * f64::from(i)))
                .collect()
        };
        assert_eq!(
            suppress(apart(1000), 0.5, Wanted::ByThresholds)
                .unwrap()
                .len(),
            1000
        );
        assert!(
            suppress(apart(1001), 0.5, Wanted::ByThresholds)
                .unwrap_err()
                .contains("more than 1000")
        );
        assert_eq!(
            suppress(apart(1001), 0.5, Wanted::From(0.0)).unwrap().len(),
            1000
        );
    }

    proptest! {
        #[test]
        fn what_is_suppressed_has_a_stronger_neighbour_that_is_kept(
            boxes in prop::collection::vec((0..2_usize, 0.0..=1.0_f32, 0.0..60.0_f64), 0..40)
        ) {
            let all: Vec<_> = boxes.into_iter().map(|(c, s, x)| candidate(c, s, x)).collect();
            let kept = suppress(all.clone(), 0.4, Wanted::ByThresholds).unwrap();
            let doubles = |a: &Candidate, b: &Candidate| {
                a.class == b.class && iou(&a.region, &b.region) > f64::from(0.4_f32)
            };
            for (index, one) in kept.iter().enumerate() {
                prop_assert!(kept.iter().skip(index + 1).all(|other| !doubles(one, other)));
            }
            for one in &all {
                let has = kept.iter().any(|other| {
                    other == one || (doubles(one, other) && other.score >= one.score)
                });
                prop_assert!(has, "{one:?}");
            }
        }
    }
}
