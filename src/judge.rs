//! Measured detections and the recipe's limits into findings and a verdict. Pure.

mod part;

use crate::calibration::Measured;
use crate::domain::{Finding, Grade, PointMm, Reason, Verdict, polygon_contains};
use crate::recipe::{Disagreement, Limit, Outside, View, Zone};

pub use part::judge_part;

/// The zone that findings outside all zones are listed under.
pub const OUTSIDE: &str = "outside";

/// Grades the detections of one view and says its verdict.
///
/// A detection that touches several zones is graded by each; the worst grade stays. One that no zone
/// or no limit covers is never passed over in silence: the view's `outside_zones` grades the first,
/// the second is doubtful.
pub fn judge(view: &View, measured: Vec<Measured>) -> (Vec<Finding>, Verdict) {
    let mut grades: Vec<Option<Graded>> = vec![None; measured.len()];
    for zone in &view.zones {
        let inside: Vec<usize> = (0..measured.len())
            .filter(|index| {
                measured
                    .get(*index)
                    .is_some_and(|found| touches(zone, found))
            })
            .collect();
        for (index, graded) in grade_zone(zone, &measured, &inside) {
            if let Some(slot) = grades.get_mut(index)
                && slot
                    .as_ref()
                    .is_none_or(|before| before.grade < graded.grade)
            {
                *slot = Some(graded);
            }
        }
    }
    let findings: Vec<Finding> = measured
        .into_iter()
        .zip(grades)
        .map(|(found, graded)| {
            let graded = graded.unwrap_or_else(|| outside(view.outside_zones));
            finding(&view.name, found, graded)
        })
        .collect();
    let verdict = verdict_of(&findings);
    (findings, verdict)
}

/// The verdict of a view from those of its models: the worst of them, or what the recipe says where
/// one model is sure of a defect and another passes the part.
pub fn agree(disagreement: Disagreement, verdicts: &[Verdict]) -> Verdict {
    let worst = verdicts.iter().copied().fold(Verdict::Ok, Verdict::worse);
    let disagree = worst == Verdict::Ng && verdicts.contains(&Verdict::Ok);
    match disagreement {
        Disagreement::Doubtful if disagree => Verdict::Indeterminate(Reason::Doubtful),
        Disagreement::Doubtful | Disagreement::Reject => worst,
    }
}

/// The verdict that graded findings stand for.
fn verdict_of(findings: &[Finding]) -> Verdict {
    verdict_of_grade(findings.iter().map(|finding| finding.grade).max())
}

fn verdict_of_grade(worst: Option<Grade>) -> Verdict {
    match worst {
        Some(Grade::Reject) => Verdict::Ng,
        Some(Grade::Doubtful) => Verdict::Indeterminate(Reason::Doubtful),
        Some(Grade::Tolerated) | None => Verdict::Ok,
    }
}

#[derive(Debug, Clone)]
struct Graded {
    zone: String,
    grade: Grade,
    because: String,
}

fn outside(rule: Outside) -> Graded {
    let grade = match rule {
        Outside::Tolerate => Grade::Tolerated,
        Outside::Doubtful => Grade::Doubtful,
        Outside::Reject => Grade::Reject,
    };
    Graded {
        zone: OUTSIDE.to_owned(),
        grade,
        because: "outside all zones".to_owned(),
    }
}

fn finding(view: &str, found: Measured, graded: Graded) -> Finding {
    Finding {
        view: view.to_owned(),
        region_mm: found.region_mm,
        length_mm: found.length_mm,
        length_uncertainty_mm: found.length_uncertainty_mm,
        area_mm2: found.area_mm2,
        detection: found.detection,
        zone: graded.zone,
        grade: graded.grade,
        because: graded.because,
    }
}

/// Whether any part of the finding lies in the zone: a corner of its outline or its middle in the
/// polygon, or a corner of the polygon in its box.
fn touches(zone: &Zone, found: &Measured) -> bool {
    let Some(polygon) = &zone.polygon_mm else {
        return true;
    };
    let mut points = found
        .outline_mm
        .iter()
        .copied()
        .chain([found.region_mm.center()]);
    points.any(|point| polygon_contains(polygon, point))
        || polygon
            .iter()
            .any(|corner| found.region_mm.contains(*corner))
}

fn grade_zone(zone: &Zone, measured: &[Measured], inside: &[usize]) -> Vec<(usize, Graded)> {
    let found = |index: &usize| measured.get(*index).map(|found| (*index, found));
    inside
        .iter()
        .filter_map(found)
        .map(|(index, this)| {
            let (grade, because) = match zone.limit(&this.detection.class.name) {
                None => (Grade::Doubtful, "no limit for this class".to_owned()),
                Some(limit) => {
                    let same_class: Vec<&Measured> = inside
                        .iter()
                        .filter_map(found)
                        .map(|(_, other)| other)
                        .filter(|other| other.detection.class == this.detection.class)
                        .collect();
                    grade_finding(limit, this, &same_class)
                }
            };
            (
                index,
                Graded {
                    zone: zone.name.clone(),
                    grade,
                    because,
                },
            )
        })
        .collect()
}

/// How sure the model must be makes the difference between tolerated, doubtful and reject; how large
/// the finding is decides whether it matters at all.
fn grade_finding(limit: &Limit, this: &Measured, same_class: &[&Measured]) -> (Grade, String) {
    let score = this.detection.score.get();
    let if_real = |grade: Grade| {
        if score < limit.score_reject {
            Grade::Doubtful
        } else {
            grade
        }
    };
    if score < limit.score_doubtful {
        return (
            Grade::Tolerated,
            format!("score {score:.2} under {:.2}", limit.score_doubtful),
        );
    }
    if let Some(over) = over_size(limit, this) {
        return (if_real(Grade::Reject), over);
    }
    let counted = |from: f32| {
        same_class
            .iter()
            .filter(move |other| from <= other.detection.score.get())
    };
    if let Some(count_max) = limit.count_max {
        let count_max = count_max as usize;
        let (sure, perhaps) = (
            counted(limit.score_reject).count(),
            counted(limit.score_doubtful).count(),
        );
        if count_max < sure {
            return (
                if_real(Grade::Reject),
                format!("{sure} in the zone, at most {count_max}"),
            );
        }
        if count_max < perhaps {
            return (
                Grade::Doubtful,
                format!("perhaps {perhaps} in the zone, at most {count_max}"),
            );
        }
    }
    if let Some(spacing_min_mm) = limit.spacing_min_mm {
        let others = counted(limit.score_doubtful).filter(|other| !std::ptr::eq(**other, this));
        let nearest = others.map(|other| (gap_mm(this, other), other.detection.score.get()));
        let near = nearest.filter(|(gap_mm, _)| *gap_mm < spacing_min_mm);
        // A pair is as sure as its less sure half, so among the near ones the surest other decides.
        if let Some((gap_mm, other)) = near.max_by(|a, b| a.1.total_cmp(&b.1)) {
            let pair = if other < limit.score_reject {
                Grade::Doubtful
            } else {
                Grade::Reject
            };
            return (
                if_real(pair),
                format!("{gap_mm:.1} mm from the next, at least {spacing_min_mm}"),
            );
        }
    }
    (Grade::Tolerated, "within the limits".to_owned())
}

fn over_size(limit: &Limit, this: &Measured) -> Option<String> {
    match (limit.length_max_mm, limit.area_max_mm2) {
        (None, None) => Some("no size is tolerated".to_owned()),
        (Some(max), _) if max < this.length_mm => {
            Some(format!("length {:.1} mm over {max} mm", this.length_mm))
        }
        (_, Some(max)) if max < this.area_mm2 => {
            Some(format!("area {:.1} mm² over {max} mm²", this.area_mm2))
        }
        _ => None,
    }
}

/// Distance between two outlines, corner to corner.
fn gap_mm(one: &Measured, other: &Measured) -> f64 {
    let distance = |a: &PointMm, b: &PointMm| (a.x - b.x).hypot(a.y - b.y);
    one.outline_mm
        .iter()
        .flat_map(|a| other.outline_mm.iter().map(move |b| distance(a, b)))
        .fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::calibration::Calibration;
    use crate::domain::{Class, Detection, PointPx, RectPx, Score};
    use crate::recipe::Recipe;

    /// One mm a pixel; zone A is the left half of a 100 x 100 mm plate, B the rest of it.
    fn view(limit_a: &str, limit_b: &str) -> View {
        let text = format!(
            "schema = 1\npart_type = \"plate\"\nrevision = 1\n\
             [[views]]\nname = \"top\"\ncamera = \"cam\"\nmodel = \"m/1\"\n\
             [[views.zones]]\nname = \"A\"\npolygon_mm = [[0, 0], [50, 0], [50, 100], [0, 100]]\n\
             [views.zones.limits.scratch]\n{limit_a}\n\
             [[views.zones]]\nname = \"B\"\npolygon_mm = [[50, 0], [100, 0], [100, 100], [50, 100]]\n\
             [views.zones.limits.scratch]\n{limit_b}\n"
        );
        Recipe::parse("recipe.toml".as_ref(), &text)
            .unwrap()
            .views
            .remove(0)
    }

    fn found(class: &str, score: f32, x: f64, y: f64, side: f64) -> Measured {
        let region_px = RectPx {
            x,
            y,
            width: side,
            height: side,
        };
        let detection = Detection {
            class: Class {
                name: Arc::from(class),
                code: Arc::from(""),
            },
            score: Score::new(score).unwrap(),
            outline_px: region_px.corners().to_vec(),
            region_px,
            has_mask: false,
            cell_px: 1.0,
        };
        Calibration::scale_only("cam", 1.0)
            .measure(detection, None)
            .unwrap()
    }

    fn check(limit_a: &str, limit_b: &str, detections: &[(f32, f64, f64, f64)], expected: &str) {
        let measured = detections
            .iter()
            .map(|&(s, x, y, side)| found("scratch", s, x, y, side));
        let (findings, verdict) = judge(&view(limit_a, limit_b), measured.collect());
        let lines: Vec<_> = findings
            .iter()
            .map(|finding| format!("{} {}: {}", finding.zone, finding.grade, finding.because))
            .collect();
        assert_eq!(format!("{verdict}; {}", lines.join("; ")), expected);
    }

    const PLAIN: &str = "score_doubtful = 0.4\nscore_reject = 0.7";
    const SIZED: &str = "score_doubtful = 0.4\nscore_reject = 0.7\nlength_max_mm = 5\ncount_max = 1\nspacing_min_mm = 8";

    #[test]
    fn score_and_size_decide_together() {
        check(PLAIN, PLAIN, &[], "ok; ");
        check(
            PLAIN,
            PLAIN,
            &[(0.39, 5., 5., 3.)],
            "ok; A tolerated: score 0.39 under 0.40",
        );
        check(
            PLAIN,
            PLAIN,
            &[(0.4, 5., 5., 3.)],
            "indeterminate (doubtful); A doubtful: no size is tolerated",
        );
        check(
            PLAIN,
            PLAIN,
            &[(0.7, 5., 5., 3.)],
            "ng; A reject: no size is tolerated",
        );
        check(
            SIZED,
            PLAIN,
            &[(0.9, 5., 5., 5.)],
            "ok; A tolerated: within the limits",
        );
        check(
            SIZED,
            PLAIN,
            &[(0.9, 5., 5., 6.)],
            "ng; A reject: length 6.0 mm over 5 mm",
        );
        check(
            SIZED,
            PLAIN,
            &[(0.5, 5., 5., 6.)],
            "indeterminate (doubtful); A doubtful: length 6.0 mm over 5 mm",
        );
    }

    #[test]
    fn count_and_spacing_add_up_within_a_zone() {
        let too_many = "A reject: 2 in the zone, at most 1";
        check(
            SIZED,
            PLAIN,
            &[(0.9, 5., 5., 2.), (0.9, 5., 50., 2.)],
            &format!("ng; {too_many}; {too_many}"),
        );
        let perhaps = "A doubtful: perhaps 2 in the zone, at most 1";
        check(
            SIZED,
            PLAIN,
            &[(0.9, 5., 5., 2.), (0.5, 5., 50., 2.)],
            &format!("indeterminate (doubtful); {perhaps}; {perhaps}"),
        );
        let spaced = SIZED.replace("count_max = 1", "count_max = 9");
        let near = "A reject: 3.0 mm from the next, at least 8";
        check(
            &spaced,
            PLAIN,
            &[(0.9, 5., 5., 2.), (0.9, 10., 5., 2.)],
            &format!("ng; {near}; {near}"),
        );
    }

    #[test]
    fn a_finding_on_the_border_is_graded_by_the_stricter_zone() {
        check(
            SIZED,
            PLAIN,
            &[(0.9, 48., 5., 4.)],
            "ng; B reject: no size is tolerated",
        );
        check(
            PLAIN,
            SIZED,
            &[(0.9, 48., 5., 4.)],
            "ng; A reject: no size is tolerated",
        );
        // Larger than the whole plate: none of its corners is in a zone, yet it touches both.
        check(
            PLAIN,
            PLAIN,
            &[(0.9, -10., -10., 130.)],
            "ng; A reject: no size is tolerated",
        );
    }

    #[test]
    fn what_nobody_wrote_a_limit_for_is_doubtful() {
        check(
            PLAIN,
            PLAIN,
            &[(0.1, 200., 5., 3.)],
            "indeterminate (doubtful); outside doubtful: outside all zones",
        );
        let (findings, verdict) = judge(&view(PLAIN, PLAIN), vec![found("dent", 0.1, 5., 5., 3.)]);
        assert_eq!(verdict, Verdict::Indeterminate(Reason::Doubtful));
        assert_eq!(findings[0].because, "no limit for this class");
    }

    fn badness(verdict: Verdict) -> u8 {
        match verdict {
            Verdict::Ok => 0,
            Verdict::Indeterminate(_) => 1,
            Verdict::Ng => 2,
        }
    }

    #[test]
    fn models_that_disagree_leave_a_doubt_and_never_a_pass() {
        let doubt = Verdict::Indeterminate(Reason::Doubtful);
        let all = [Verdict::Ok, doubt, Verdict::Ng];
        for one in all {
            assert_eq!(agree(Disagreement::Doubtful, &[one]), one);
            for other in all {
                let worse = one.worse(other);
                assert_eq!(agree(Disagreement::Reject, &[one, other]), worse);
                let disagree = one != other && ![one, other].contains(&doubt);
                let expected = if disagree { doubt } else { worse };
                assert_eq!(agree(Disagreement::Doubtful, &[one, other]), expected);
            }
        }
    }

    proptest! {
        #[test]
        fn doubt_never_becomes_ok_and_more_evidence_never_helps(
            places in prop::collection::vec((0.0..=1.0f32, 0.0..90.0f64, 0.0..90.0f64, 0.5..12.0f64), 1..8),
            raise in 0.0..=1.0f32,
            which in any::<prop::sample::Index>(),
        ) {
            let view = view(SIZED, PLAIN);
            let measure = |places: &[(f32, f64, f64, f64)]| -> Vec<Measured> {
                places.iter().map(|&(score, x, y, side)| found("scratch", score, x, y, side)).collect()
            };
            let (findings, verdict) = judge(&view, measure(&places));
            prop_assert_eq!(findings.len(), places.len());
            // In zone B no size is tolerated: said plainly, any score of 0.4 there forbids OK.
            let in_b = |&&(score, x, _, side): &&(f32, f64, f64, f64)| 0.4 <= score && 50.0 < x + side;
            if places.iter().any(|place| in_b(&place)) {
                prop_assert_ne!(verdict, Verdict::Ok);
            }
            let worst = findings.iter().map(|finding| finding.grade).max();
            prop_assert_eq!(verdict == Verdict::Ok, worst == Some(Grade::Tolerated));
            // A surer model or one detection more never makes the verdict better.
            let mut surer = places.clone();
            let index = which.index(surer.len());
            surer[index].0 = surer[index].0.max(raise);
            prop_assert!(badness(verdict) <= badness(judge(&view, measure(&surer)).1));
            let fewer = &places[1..];
            prop_assert!(badness(judge(&view, measure(fewer)).1) <= badness(verdict));
        }
    }

    #[test]
    fn a_point_in_the_outline_is_enough_to_touch_a_zone() {
        let zone = &view(PLAIN, PLAIN).zones[0];
        let mut thin = found("scratch", 0.9, 60.0, 10.0, 30.0);
        assert!(!touches(zone, &thin));
        let reach = Calibration::scale_only("cam", 1.0)
            .projection()
            .mm_from_px(PointPx { x: 49.0, y: 20.0 });
        thin.outline_mm.push(reach);
        assert!(touches(zone, &thin));
    }
}
