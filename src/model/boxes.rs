//! Boxes: reading them from the two layouts, and suppressing doubles.

use ndarray::ArrayView2;

use crate::domain::RectPx;

use super::decode::{DETECTIONS_MAX, checked_score};

/// A box on the input, edges at 0 and width; the class is an index into the labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) class: usize,
    pub(super) score: f32,
    pub(super) region: RectPx,
}

/// What is asked of a box.
#[derive(Debug, Clone, Copy)]
pub(super) struct BoxRules {
    pub(super) confidence_threshold: f32,
    pub(super) n_labels: usize,
    pub(super) width_px: f64,
    pub(super) height_px: f64,
    /// Whether a box without area on the input is left out, or an error of the model.
    pub(super) leaves_out_empty: bool,
}

/// Reads `[n, 6]`: x1, y1, x2, y2, score, class. Rows of score 0 are padding.
pub(super) fn boxes_scores_classes(
    rows: &ArrayView2<'_, f32>,
    rules: &BoxRules,
) -> Result<Vec<Candidate>, String> {
    let mut found = Vec::new();
    for row in rows.rows() {
        let &[x1, y1, x2, y2, score, class] = row.to_vec().as_slice() else {
            return Err("a box has not six numbers".to_owned());
        };
        let score = checked_score(score)?;
        if score <= 0.0 {
            continue;
        }
        let class = index(class, rules.n_labels)?;
        if score < rules.confidence_threshold {
            continue;
        }
        let region = rules.clip(x1.into(), y1.into(), x2.into(), y2.into())?;
        found.extend(region.map(|region| Candidate {
            class,
            score,
            region,
        }));
    }
    Ok(found)
}

/// Reads `[4 + labels, n]`: centre x, centre y, width, height, a score for each label; suppresses
/// doubles of one class that overlap more than `iou_threshold`.
pub(super) fn yolo(
    columns: &ArrayView2<'_, f32>,
    rules: &BoxRules,
    iou_threshold: f32,
) -> Result<Vec<Candidate>, String> {
    let mut found = Vec::new();
    for column in columns.columns() {
        let mut numbers = column.iter().copied();
        let (Some(x), Some(y), Some(width), Some(height)) = (
            numbers.next(),
            numbers.next(),
            numbers.next(),
            numbers.next(),
        ) else {
            return Err("a box has not four numbers".to_owned());
        };
        let mut best = (0, 0.0);
        for (class, score) in numbers.enumerate() {
            let score = checked_score(score)?;
            if score > best.1 {
                best = (class, score);
            }
        }
        if best.1 <= 0.0 || best.1 < rules.confidence_threshold {
            continue;
        }
        let (x, y) = (f64::from(x), f64::from(y));
        let (half_width, half_height) = (f64::from(width) / 2.0, f64::from(height) / 2.0);
        let region = rules.clip(
            x - half_width,
            y - half_height,
            x + half_width,
            y + half_height,
        )?;
        found.extend(region.map(|region| Candidate {
            class: best.0,
            score: best.1,
            region,
        }));
    }
    suppress(found, iou_threshold, rules.leaves_out_empty)
}

/// Keeps the strongest of boxes of one class that overlap more than `iou_threshold`.
fn suppress(
    mut found: Vec<Candidate>,
    iou_threshold: f32,
    keeps_best: bool,
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
            if keeps_best {
                break;
            }
            return Err(too_many());
        }
        kept.push(candidate);
    }
    Ok(kept)
}

/// The message for a model that finds something everywhere.
pub(super) fn too_many() -> String {
    format!("there are more than {DETECTIONS_MAX} detections in one picture")
}

/// Intersection over union: 0 apart, 1 equal.
pub(super) fn iou(a: &RectPx, b: &RectPx) -> f64 {
    let width = (a.x + a.width).min(b.x + b.width) - a.x.max(b.x);
    let height = (a.y + a.height).min(b.y + b.height) - a.y.max(b.y);
    let both = width.max(0.0) * height.max(0.0);
    let either = a.width * a.height + b.width * b.height - both;
    if either > 0.0 { both / either } else { 0.0 }
}

impl BoxRules {
    /// The part of a box that lies on the input; `None` where an empty one is left out.
    fn clip(&self, x1: f64, y1: f64, x2: f64, y2: f64) -> Result<Option<RectPx>, String> {
        let (left, top) = (x1.max(0.0), y1.max(0.0));
        let (right, bottom) = (x2.min(self.width_px), y2.min(self.height_px));
        if left < right && top < bottom {
            Ok(Some(RectPx {
                x: left,
                y: top,
                width: right - left,
                height: bottom - top,
            }))
        } else if self.leaves_out_empty {
            Ok(None)
        } else {
            Err(format!(
                "the box ({x1}, {y1}) to ({x2}, {y2}) has no area on the input of {} x {} px",
                self.width_px, self.height_px
            ))
        }
    }
}

/// A whole number below `n_labels`.
fn index(class: f32, n_labels: usize) -> Result<usize, String> {
    (0..n_labels)
        .find(|index| (*index as f32 - class).abs() < 1e-3)
        .ok_or_else(|| format!("class {class} is none of the {n_labels} labels"))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use super::*;

    const RULES: BoxRules = BoxRules {
        confidence_threshold: 0.5,
        n_labels: 2,
        width_px: 100.0,
        height_px: 50.0,
        leaves_out_empty: false,
    };

    fn read(row: [f32; 6]) -> Result<Vec<Candidate>, String> {
        let rows = Array2::from_shape_vec((1, 6), row.to_vec()).unwrap();
        boxes_scores_classes(&rows.view(), &RULES)
    }

    #[test]
    fn a_box_is_kept_left_out_or_an_error() {
        let kept = read([-5.0, 10.0, 30.0, 60.0, 0.5, 1.0]).unwrap();
        let region = kept[0].region;
        assert_eq!(
            (region.x, region.y, region.width, region.height),
            (0.0, 10.0, 30.0, 40.0)
        );
        for left_out in [
            [0.0, 0.0, 9.0, 9.0, 0.49, 1.0],
            // Padding.
            [0.0, 0.0, 0.0, 0.0, 0.0, -1.0],
        ] {
            assert_eq!(read(left_out), Ok(vec![]), "{left_out:?}");
        }
        for (wrong, why) in [
            ([0.0, 0.0, 9.0, 9.0, 0.1, 2.0], "class 2 is none of the 2"),
            ([0.0, 0.0, 9.0, 9.0, 0.9, 0.5], "class 0.5 is none of the 2"),
            ([0.0, 0.0, 9.0, 9.0, 0.9, -1.0], "class -1 is none of the 2"),
            ([0.0, 0.0, 9.0, 9.0, 1.01, 1.0], "outside 0 to 1"),
            ([0.0, 0.0, 9.0, 9.0, -0.01, 1.0], "outside 0 to 1"),
            ([9.0, 0.0, 9.0, 9.0, 0.9, 1.0], "has no area"),
            ([9.0, 9.0, 0.0, 0.0, 0.9, 1.0], "has no area"),
            ([200.0, 0.0, 300.0, 9.0, 0.9, 1.0], "has no area"),
        ] {
            assert!(read(wrong).unwrap_err().contains(why), "{wrong:?}");
        }
    }

    #[test]
    fn yolo_takes_the_best_class_of_each_column() {
        let columns = array![[50.0], [25.0], [20.0], [10.0], [0.6], [0.7]];
        let found = yolo(&columns.view(), &RULES, 0.5).unwrap();
        assert_eq!((found.len(), found[0].class), (1, 1));
        assert_eq!((found[0].region.x, found[0].region.y), (40.0, 20.0));
    }

    fn candidate(class: usize, score: f32, x: f64) -> Candidate {
        let region = RectPx {
            x,
            y: 0.0,
            width: 10.0,
            height: 10.0,
        };
        Candidate {
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
        assert_eq!(suppress(apart(1000), 0.5, false).unwrap().len(), 1000);
        assert!(
            suppress(apart(1001), 0.5, false)
                .unwrap_err()
                .contains("more than 1000")
        );
        assert_eq!(suppress(apart(1001), 0.5, true).unwrap().len(), 1000);
    }

    proptest! {
        #[test]
        fn what_is_suppressed_has_a_stronger_neighbour_that_is_kept(
            boxes in prop::collection::vec((0..2_usize, 0.0..=1.0_f32, 0.0..60.0_f64), 0..40)
        ) {
            let all: Vec<_> = boxes.into_iter().map(|(c, s, x)| candidate(c, s, x)).collect();
            let kept = suppress(all.clone(), 0.4, false).unwrap();
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
