//! Boxes against boxes, as COCO's own evaluation does it: mean average precision.
//!
//! All areas, at most 100 boxes a class and picture, ten thresholds of overlap from 0.5 to 0.95,
//! precision at 101 steps of recall. A crowd may be met by many boxes, each by its own share; neither
//! those nor boxes that meet an ignored truth count as right or wrong.

/// Most boxes of a class in one picture that count; the strongest do.
const FOUND_MAX: usize = 100;
/// Steps of recall at which precision is read: 0, 0.01 .. 1.
const RECALL_STEPS: u32 = 100;
/// Least overlaps: 0.5, 0.55 .. 0.95.
const OVERLAPS: u32 = 10;

/// An upright box: left, top, width, height.
pub type BoxPx = [f64; 4];

/// A box that is truly there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrueBox {
    /// Index of its class.
    pub class: usize,
    /// Where it is.
    pub region: BoxPx,
    /// It stands for many things (COCO's `iscrowd`).
    pub is_crowd: bool,
    /// It is neither asked for nor wrong to find (VOC's `difficult`).
    pub is_ignored: bool,
}

/// A box that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoundBox {
    /// Index of its class.
    pub class: usize,
    /// Where it is.
    pub region: BoxPx,
    /// How sure it is.
    pub score: f64,
}

/// The boxes of one picture.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PictureBoxes {
    /// What is there.
    pub truth: Vec<TrueBox>,
    /// What was found.
    pub found: Vec<FoundBox>,
}

/// Average precision of one class.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ClassPrecision {
    /// Boxes that are there and asked for.
    pub n_truth: u64,
    /// Boxes that were found, at most a hundred a picture.
    pub n_found: u64,
    /// Average precision at an overlap of 0.5; `None` if the class is nowhere.
    pub ap_50: Option<f64>,
    /// The mean over overlaps from 0.5 to 0.95.
    pub ap_50_95: Option<f64>,
}

/// Average precision of each of `n_classes` classes.
pub fn class_precisions(pictures: &[PictureBoxes], n_classes: usize) -> Vec<ClassPrecision> {
    (0..n_classes)
        .map(|class| class_precision(pictures, class))
        .collect()
}

/// The mean over the classes that are there.
pub fn mean_precision(
    classes: &[ClassPrecision],
    of: impl Fn(&ClassPrecision) -> Option<f64>,
) -> Option<f64> {
    let values: Vec<f64> = classes.iter().filter_map(of).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn class_precision(pictures: &[PictureBoxes], class: usize) -> ClassPrecision {
    let pictures: Vec<ClassBoxes> = pictures
        .iter()
        .map(|picture| ClassBoxes::of(picture, class))
        .collect();
    let n_truth: usize = pictures.iter().map(ClassBoxes::n_asked).sum();
    let precision = |step: u32| {
        // As numpy's `linspace(0.5, 0.95, 10)` rounds: 0.85 and not a bit more.
        let overlap_min = 0.5 + f64::from(step) * ((0.95 - 0.5) / 9.0);
        let hits = pictures.iter().flat_map(|one| one.hits(overlap_min));
        (0 < n_truth).then(|| average_precision(hits.collect(), n_truth))
    };
    let all: Option<Vec<f64>> = (0..OVERLAPS).map(precision).collect();
    ClassPrecision {
        n_truth: n_truth as u64,
        n_found: pictures.iter().map(|one| one.found.len() as u64).sum(),
        ap_50: all.as_ref().and_then(|all| all.first().copied()),
        ap_50_95: all.map(|all| all.iter().sum::<f64>() / f64::from(OVERLAPS)),
    }
}

/// A box that was found, and whether it is right.
#[derive(Debug, Clone, Copy)]
struct Hit {
    score: f64,
    is_right: bool,
}

/// The boxes of one class in one picture; the truth that is asked for stands first.
struct ClassBoxes {
    truth: Vec<TrueBox>,
    found: Vec<FoundBox>,
}

impl ClassBoxes {
    fn of(picture: &PictureBoxes, class: usize) -> Self {
        let mut truth: Vec<TrueBox> = picture.truth.clone();
        truth.retain(|one| one.class == class);
        truth.sort_by_key(is_not_asked);
        let mut found: Vec<FoundBox> = picture.found.clone();
        found.retain(|one| one.class == class);
        // Boxes of one score stay in the model's order.
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(FOUND_MAX);
        Self { truth, found }
    }

    fn n_asked(&self) -> usize {
        self.truth.iter().filter(|one| !is_not_asked(one)).count()
    }

    /// Matches the boxes, surest first; each takes the truth that it overlaps most.
    fn hits(&self, overlap_min: f64) -> Vec<Hit> {
        let mut taken = vec![false; self.truth.len()];
        let mut hits = Vec::with_capacity(self.found.len());
        for found in &self.found {
            let matched = self.best_match(found, overlap_min, &taken);
            if let Some((index, _)) = matched
                && let Some(taken) = taken.get_mut(index)
            {
                *taken = true;
            }
            if matched.is_some_and(|(_, truth)| is_not_asked(truth)) {
                continue;
            }
            hits.push(Hit {
                score: found.score,
                is_right: matched.is_some(),
            });
        }
        hits
    }

    fn best_match(
        &self,
        found: &FoundBox,
        overlap_min: f64,
        taken: &[bool],
    ) -> Option<(usize, &TrueBox)> {
        let mut best: Option<(usize, &TrueBox)> = None;
        let mut overlap_best = overlap_min.min(1.0 - 1e-10);
        for (index, (truth, is_taken)) in self.truth.iter().zip(taken).enumerate() {
            if *is_taken && !truth.is_crowd {
                continue;
            }
            // What is asked for goes before what is not.
            if best.is_some_and(|(_, best)| !is_not_asked(best)) && is_not_asked(truth) {
                break;
            }
            let overlap = overlap(&found.region, truth);
            // The later of two equals, as in the reference.
            if overlap_best <= overlap {
                overlap_best = overlap;
                best = Some((index, truth));
            }
        }
        best
    }
}

fn is_not_asked(truth: &TrueBox) -> bool {
    truth.is_crowd || truth.is_ignored
}

/// Intersection over union; over the found box alone where the truth is a crowd.
pub fn overlap(found: &BoxPx, truth: &TrueBox) -> f64 {
    let [fx, fy, fw, fh] = *found;
    let [tx, ty, tw, th] = truth.region;
    let width = (fx + fw).min(tx + tw) - fx.max(tx);
    let height = (fy + fh).min(ty + th) - fy.max(ty);
    if width <= 0.0 || height <= 0.0 {
        return 0.0;
    }
    let both = width * height;
    let either = if truth.is_crowd {
        fw * fh
    } else {
        fw * fh + tw * th - both
    };
    both / either
}

/// The mean of the precision at 101 steps of recall, each the best from there on.
fn average_precision(mut hits: Vec<Hit>, n_truth: usize) -> f64 {
    hits.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut n_right = 0.0;
    let mut curve: Vec<(f64, f64)> = hits
        .iter()
        .zip(1_u32..)
        .map(|(hit, n_called)| {
            n_right += f64::from(u8::from(hit.is_right));
            (
                n_right / n_truth as f64,
                n_right / (f64::from(n_called) + f64::EPSILON),
            )
        })
        .collect();
    let mut best = 0.0_f64;
    for (_, precision) in curve.iter_mut().rev() {
        best = best.max(*precision);
        *precision = best;
    }
    let at = |step: u32| {
        let recall = f64::from(step) * (1.0 / f64::from(RECALL_STEPS));
        let first = curve.partition_point(|(reached, _)| *reached < recall);
        curve.get(first).map_or(0.0, |(_, precision)| *precision)
    };
    (0..=RECALL_STEPS).map(at).sum::<f64>() / f64::from(RECALL_STEPS + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(region: BoxPx) -> TrueBox {
        TrueBox {
            class: 0,
            region,
            is_crowd: false,
            is_ignored: false,
        }
    }

    fn found(region: BoxPx, score: f64) -> FoundBox {
        FoundBox {
            class: 0,
            region,
            score,
        }
    }

    /// In thousandths: 101 numbers are added up.
    fn ap_50(truth: Vec<TrueBox>, found: Vec<FoundBox>) -> Option<f64> {
        let ap_50 = class_precisions(&[PictureBoxes { truth, found }], 1)[0].ap_50;
        ap_50.map(|value| (value * 1000.0).round())
    }

    const PLACE: BoxPx = [10.0, 10.0, 20.0, 20.0];
    const ELSEWHERE: BoxPx = [60.0, 10.0, 20.0, 20.0];

    #[test]
    fn one_truth_is_met_once() {
        assert_eq!(
            ap_50(vec![truth(PLACE)], vec![found(PLACE, 0.9)]),
            Some(1000.0)
        );
        // The double is wrong, but comes after the right one: the precision at full recall is still 1.
        let doubled = vec![found(PLACE, 0.9), found(PLACE, 0.8)];
        assert_eq!(ap_50(vec![truth(PLACE)], doubled), Some(1000.0));
        let wrong_first = vec![found(ELSEWHERE, 0.9), found(PLACE, 0.8)];
        assert_eq!(ap_50(vec![truth(PLACE)], wrong_first), Some(500.0));
        assert_eq!(ap_50(vec![truth(PLACE)], vec![]), Some(0.0));
        assert_eq!(ap_50(vec![], vec![found(PLACE, 0.9)]), None);
    }

    #[test]
    fn what_is_not_asked_for_is_neither_right_nor_wrong() {
        let ignored = TrueBox {
            is_ignored: true,
            ..truth(ELSEWHERE)
        };
        let boxes = vec![found(ELSEWHERE, 0.9), found(PLACE, 0.8)];
        assert_eq!(ap_50(vec![ignored, truth(PLACE)], boxes), Some(1000.0));
        // A crowd swallows any number of boxes that lie in it.
        let crowd = TrueBox {
            is_crowd: true,
            ..truth([50.0, 0.0, 50.0, 50.0])
        };
        let many = vec![
            found(ELSEWHERE, 0.9),
            found(ELSEWHERE, 0.85),
            found(PLACE, 0.8),
        ];
        assert_eq!(ap_50(vec![crowd, truth(PLACE)], many), Some(1000.0));
    }

    #[test]
    fn a_box_of_another_class_is_no_match() {
        let other = FoundBox {
            class: 1,
            ..found(PLACE, 0.9)
        };
        let pictures = [PictureBoxes {
            truth: vec![truth(PLACE)],
            found: vec![other],
        }];
        let classes = class_precisions(&pictures, 2);
        assert_eq!(classes[0].ap_50, Some(0.0));
        assert_eq!(classes[1].ap_50, None);
        assert_eq!(mean_precision(&classes, |class| class.ap_50), Some(0.0));
    }
}
