//! What `health` tells: counts since the start and the times of the latest parts.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::domain::{Reason, Verdict};
use crate::publish::{HealthPayload, StoragePayload};

/// Parts whose times the figures are made from.
const TIMES_KEPT: usize = 1_000;

pub(super) struct Counters {
    started_at: Instant,
    pub(super) triggers: u64,
    pub(super) missed: u64,
    pub(super) late: u64,
    pub(super) repeated: u64,
    pub(super) bad_triggers: u64,
    pub(super) messages_dropped: u64,
    pub(super) frames_lost: u64,
    pub(super) sequence_missing: u64,
    pub(super) out_of_order: u64,
    pub(super) acks: u64,
    pub(super) acks_missing: u64,
    pub(super) acks_unknown: u64,
    pub(super) passed_against_verdict: u64,
    pub(super) commands_refused: u64,
    pub(super) recoveries: u64,
    ok: u64,
    ng: u64,
    indeterminate: BTreeMap<Reason, u64>,
    total_ms: VecDeque<f64>,
}

impl Counters {
    pub(super) fn new(started_at: Instant) -> Self {
        Self {
            started_at,
            triggers: 0,
            missed: 0,
            late: 0,
            repeated: 0,
            bad_triggers: 0,
            messages_dropped: 0,
            frames_lost: 0,
            sequence_missing: 0,
            out_of_order: 0,
            acks: 0,
            acks_missing: 0,
            acks_unknown: 0,
            passed_against_verdict: 0,
            commands_refused: 0,
            recoveries: 0,
            ok: 0,
            ng: 0,
            indeterminate: BTreeMap::new(),
            total_ms: VecDeque::new(),
        }
    }

    pub(super) fn answered(&mut self, verdict: Verdict, total: Duration) {
        match verdict {
            Verdict::Ok => self.ok += 1,
            Verdict::Ng => self.ng += 1,
            Verdict::Indeterminate(reason) => *self.indeterminate.entry(reason).or_default() += 1,
        }
        if self.total_ms.len() == TIMES_KEPT {
            self.total_ms.pop_front();
        }
        self.total_ms.push_back(total.as_secs_f64() * 1e3);
    }

    pub(super) fn payload(
        &self,
        station: &str,
        records_pending: u64,
        now: Instant,
        at_utc: Timestamp,
    ) -> HealthPayload {
        let mut sorted: Vec<f64> = self.total_ms.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let n_times = sorted.len().max(1) as f64;
        // Nearest-rank percentile: the smallest time that at least 99 % of the parts do not exceed.
        let rank = (sorted.len() * 99).div_ceil(100).saturating_sub(1);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
        let indeterminate = self
            .indeterminate
            .iter()
            .map(|(reason, count)| (reason.word().to_owned(), *count));
        HealthPayload {
            schema: crate::publish::SCHEMA,
            station: station.to_owned(),
            triggers: self.triggers,
            ok: self.ok,
            ng: self.ng,
            indeterminate: indeterminate.collect(),
            missed: self.missed,
            late: self.late,
            repeated: self.repeated,
            overrun: self.n_indeterminate(Reason::Overload),
            not_ready: self.n_indeterminate(Reason::NotReady),
            bad_triggers: self.bad_triggers,
            messages_dropped: self.messages_dropped,
            sequence_missing: self.sequence_missing,
            out_of_order: self.out_of_order,
            acks: self.acks,
            acks_missing: self.acks_missing,
            acks_unknown: self.acks_unknown,
            passed_against_verdict: self.passed_against_verdict,
            commands_refused: self.commands_refused,
            recoveries: self.recoveries,
            records_pending,
            min_ms: at(0),
            mean_ms: sorted.iter().sum::<f64>() / n_times,
            p99_ms: at(rank),
            max_ms: at(sorted.len().saturating_sub(1)),
            frames_lost: self.frames_lost,
            storage: StoragePayload::default(),
            uptime_s: now.saturating_duration_since(self.started_at).as_secs(),
            at_utc,
            ..HealthPayload::default()
        }
    }

    fn n_indeterminate(&self, reason: Reason) -> u64 {
        self.indeterminate.get(&reason).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_those_of_the_latest_parts() {
        let start = Instant::now();
        let mut counters = Counters::new(start);
        for ms in 1..=200 {
            counters.answered(Verdict::Ok, Duration::from_millis(ms));
        }
        counters.answered(
            Verdict::Indeterminate(Reason::Overload),
            Duration::from_millis(900),
        );
        counters.frames_lost += 2;
        let health = counters.payload(
            "st",
            3,
            start + Duration::from_secs(7),
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(
            (health.ok, health.overrun, health.records_pending),
            (200, 1, 3)
        );
        assert_eq!((health.frames_lost, health.uptime_s), (2, 7));
        let times = [health.min_ms, health.p99_ms, health.max_ms].map(f64::round);
        assert_eq!(times.map(|ms| ms.to_string()), ["1", "199", "900"]);
    }
}
