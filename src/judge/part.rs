//! The limits of the whole part: what its findings come to together.

use super::{OUTSIDE, verdict_of_grade};
use crate::domain::{Finding, Grade, Verdict};
use crate::recipe::{ANY_CLASS, PartLimit};

/// Grades findings again by what those of their class come to together, all views taken, and says the
/// verdict of these limits alone. A grade only ever gets worse. Findings outside all zones that the recipe tolerates
/// do not count.
pub fn judge_part(limits: &[(String, PartLimit)], findings: &mut [Finding]) -> Verdict {
    let mut worst = None;
    for (class, limit) in limits {
        let counts = |finding: &Finding| {
            let is_of_class = class == ANY_CLASS || **class == *finding.detection.class.name;
            let is_nothing = finding.zone == OUTSIDE && finding.grade == Grade::Tolerated;
            is_of_class && !is_nothing
        };
        let scores = [limit.score_doubtful, limit.score_reject];
        let [perhaps, sure] = scores.map(|from| {
            let real = findings
                .iter()
                .filter(|finding| counts(finding) && from <= finding.detection.score.get());
            over(limit, real)
        });
        let (grade, because) = match (sure, perhaps) {
            (Some(over), _) => (Grade::Reject, over),
            (None, Some(over)) => (Grade::Doubtful, format!("perhaps {over}")),
            (None, None) => continue,
        };
        worst = worst.max(Some(grade));
        for finding in findings.iter_mut().filter(|finding| counts(finding)) {
            let score = finding.detection.score.get();
            let grade = if score < limit.score_reject {
                grade.min(Grade::Doubtful)
            } else {
                grade
            };
            if limit.score_doubtful <= score && finding.grade < grade {
                finding.grade = grade;
                finding.because.clone_from(&because);
            }
        }
    }
    verdict_of_grade(worst)
}

/// Which limit these findings are over together.
fn over<'f>(limit: &PartLimit, findings: impl Iterator<Item = &'f Finding>) -> Option<String> {
    let (mut count, mut length_mm, mut area_mm2) = (0_usize, 0.0, 0.0);
    for finding in findings {
        count += 1;
        length_mm += finding.length_mm;
        area_mm2 += finding.area_mm2;
    }
    if let Some(max) = limit.count_max.filter(|max| (*max as usize) < count) {
        return Some(format!("{count} on the part, at most {max}"));
    }
    if let Some(max) = limit.length_sum_max_mm.filter(|max| *max < length_mm) {
        return Some(format!(
            "{length_mm:.1} mm on the part together, at most {max} mm"
        ));
    }
    let max = limit.area_sum_max_mm2.filter(|max| *max < area_mm2)?;
    Some(format!(
        "{area_mm2:.1} mm² on the part together, at most {max} mm²"
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::{Class, Detection, PointPx, RectMm, RectPx, Score};

    fn finding(class: &str, score: f32, length_mm: f64, grade: Grade) -> Finding {
        Finding {
            view: "top".to_owned(),
            detection: Detection {
                class: Class {
                    name: Arc::from(class),
                    code: Arc::from(""),
                },
                score: Score::new(score).unwrap(),
                region_px: RectPx::default(),
                outline_px: vec![PointPx::default(); 4],
                has_mask: true,
                cell_px: 1.0,
            },
            region_mm: RectMm::default(),
            length_mm,
            length_uncertainty_mm: None,
            area_mm2: length_mm,
            zone: "A".to_owned(),
            grade,
            because: "within the limits".to_owned(),
        }
    }

    fn limit(count_max: u32, length_sum_max_mm: f64) -> PartLimit {
        PartLimit {
            score_doubtful: 0.4,
            score_reject: 0.7,
            count_max: Some(count_max),
            length_sum_max_mm: Some(length_sum_max_mm),
            area_sum_max_mm2: None,
        }
    }

    fn check(class: &str, limit: PartLimit, found: &[(&str, f32, f64)], expected: &str) {
        let mut findings: Vec<Finding> = found
            .iter()
            .map(|(class, score, length_mm)| finding(class, *score, *length_mm, Grade::Tolerated))
            .collect();
        let verdict = judge_part(&[(class.to_owned(), limit)], &mut findings);
        let said = findings
            .iter()
            .map(|one| format!("{}: {}", one.grade, one.because));
        let said: Vec<_> = said.collect();
        assert_eq!(format!("{verdict}; {}", said.join("; ")), expected);
    }

    #[test]
    fn what_is_tolerated_alone_is_counted_together() {
        let two = [("scratch", 0.9, 3.0), ("scratch", 0.9, 4.0)];
        check(
            "scratch",
            limit(2, 9.0),
            &two,
            "ok; tolerated: within the limits; tolerated: within the limits",
        );
        check(
            "scratch",
            limit(1, 9.0),
            &two,
            "ng; reject: 2 on the part, at most 1; reject: 2 on the part, at most 1",
        );
        let long = "reject: 7.0 mm on the part together, at most 6 mm";
        check(
            "scratch",
            limit(2, 6.0),
            &two,
            &format!("ng; {long}; {long}"),
        );
        check(
            "dent",
            limit(0, 0.0),
            &two,
            "ok; tolerated: within the limits; tolerated: within the limits",
        );
        check(
            "*",
            limit(1, 9.0),
            &[("scratch", 0.9, 3.0), ("dent", 0.9, 1.0)],
            "ng; reject: 2 on the part, at most 1; reject: 2 on the part, at most 1",
        );
    }

    #[test]
    fn what_may_be_real_makes_a_doubt_and_what_is_not_does_not_count() {
        let one_sure = [
            ("scratch", 0.9, 3.0),
            ("scratch", 0.5, 3.0),
            ("scratch", 0.1, 3.0),
        ];
        let perhaps = "doubtful: perhaps 2 on the part, at most 1";
        check(
            "scratch",
            limit(1, 99.0),
            &one_sure,
            &format!(
                "indeterminate (doubtful); {perhaps}; {perhaps}; tolerated: within the limits"
            ),
        );
        check(
            "scratch",
            limit(2, 99.0),
            &one_sure,
            "ok; tolerated: within the limits; tolerated: within the limits; tolerated: within the limits",
        );
    }

    #[test]
    fn a_grade_never_gets_better_and_what_is_outside_is_left_alone() {
        let mut findings = vec![
            finding("scratch", 0.9, 1.0, Grade::Reject),
            finding("scratch", 0.9, 1.0, Grade::Tolerated),
        ];
        findings[1].zone = OUTSIDE.to_owned();
        let verdict = judge_part(&[("scratch".to_owned(), limit(1, 99.0))], &mut findings);
        assert_eq!(verdict, Verdict::Ok);
        assert_eq!(findings[0].because, "within the limits");
        assert_eq!(findings[1].grade, Grade::Tolerated);
    }
}
