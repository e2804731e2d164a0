//! Whether parts lie more and more off: one badly placed part is that part's fault, many are the camera's.

use std::collections::VecDeque;

use crate::domain::{Placement, PointMm};

/// So many parts tell the middle of where parts lie.
const PARTS: usize = 25;
/// What was said is said again only after the middle has been back within this share of the limit.
const BACK_SHARE: f64 = 0.8;

/// The places of a view's last parts.
#[derive(Debug, Default)]
pub(super) struct Drift {
    shifts: VecDeque<PointMm>,
    is_said: bool,
}

impl Drift {
    /// Takes a part's place; says it once when the middle of the last parts lies farther off than
    /// `drift_max_mm`. A median: parts that scatter, and single ones that lie far off, move it little.
    pub(super) fn saw(&mut self, placement: &Placement, drift_max_mm: f64) -> Option<String> {
        if self.shifts.len() == PARTS {
            self.shifts.pop_front();
        }
        self.shifts.push_back(placement.shift);
        if self.shifts.len() < PARTS {
            return None;
        }
        let (x, y) = (self.median(|shift| shift.x), self.median(|shift| shift.y));
        let off_mm = x.hypot(y);
        let is_off = if self.is_said {
            drift_max_mm * BACK_SHARE < off_mm
        } else {
            drift_max_mm < off_mm
        };
        let is_new = is_off && !self.is_said;
        self.is_said = is_off;
        is_new.then(|| {
            format!(
                "the last {PARTS} parts lay {off_mm:.1} mm off ({x:+.1}, {y:+.1}) in the middle, more than {drift_max_mm} mm: was the camera or the fixture nudged? Put it back, or take a new reference picture and calibrate"
            )
        })
    }

    fn median(&self, of: impl Fn(&PointMm) -> f64) -> f64 {
        let mut values: Vec<f64> = self.shifts.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lies(x: f64) -> Placement {
        let mut placement = Placement::at_home(PointMm { x: 50.0, y: 40.0 });
        placement.shift.x = x;
        placement
    }

    #[test]
    fn a_nudge_is_said_once_and_again_only_after_it_was_mended() {
        let mut drift = Drift::default();
        // Parts scatter by a millimetre, and one in ten lies far off.
        let scattered = |n: usize| {
            let far = if n.is_multiple_of(10) { 5.0 } else { 0.0 };
            (n as f64 * 2.399).sin() + far
        };
        let mut said = |nudge: f64| {
            let said = (0..60).filter_map(|n| drift.saw(&lies(nudge + scattered(n)), 1.5));
            said.collect::<Vec<_>>()
        };
        assert_eq!(said(0.0), [] as [&str; 0]);
        let texts = said(2.5);
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert!(
            texts[0].starts_with("the last 25 parts lay 1."),
            "{texts:?}"
        );
        assert_eq!(said(2.5), [] as [&str; 0]);
        assert_eq!(said(0.0), [] as [&str; 0]);
        assert_eq!(said(2.5).len(), 1);
    }
}
