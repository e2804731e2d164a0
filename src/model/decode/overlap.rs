//! Boxes that overlap: suppressing doubles.

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
