//! What became of every part that was announced. Pure: time is an argument.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::domain::{Sequence, Verdict};

/// What the line does with a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It goes on.
    Pass,
    /// It is taken out.
    Reject,
}

/// How one part ended.
#[derive(Debug, Clone, PartialEq)]
pub struct PartResult {
    /// The count.
    pub sequence: Sequence,
    /// The part.
    pub part: String,
    /// What was said in time; `None` is silence.
    pub verdict: Option<Verdict>,
    /// From the announcement to the answer, or to the deadline.
    pub after: Duration,
    /// What the line did.
    pub action: Action,
}

/// The account of a run.
#[derive(Debug, Default)]
pub struct Account {
    /// Parts announced.
    pub announced: u64,
    /// OK in time: the parts that passed.
    pub ok: u64,
    /// NG in time.
    pub ng: u64,
    /// Indeterminate in time, by reason.
    pub indeterminate: BTreeMap<&'static str, u64>,
    /// Answers that came after the deadline; their parts were rejected by then.
    pub late: u64,
    /// Parts that got no answer by the deadline.
    pub missing: u64,
    /// Answers for parts that had theirs.
    pub repeated: u64,
    /// Answers that nobody asked for, or for another part under the same count.
    pub unknown: u64,
    /// Messages that could not be read, or whose JSON and PLC block disagree.
    pub unreadable: u64,
    /// Times from announcement to answer.
    pub answered_after: Vec<Duration>,
    open: BTreeMap<Sequence, Open>,
    closed: BTreeMap<Sequence, Closed>,
}

#[derive(Debug)]
struct Open {
    part: String,
    announced_at: Instant,
    deadline: Instant,
}

#[derive(Debug)]
struct Closed {
    part: String,
    verdict: Option<Verdict>,
}

impl Account {
    /// A part is announced.
    pub fn announce(&mut self, sequence: Sequence, part: &str, now: Instant, deadline: Instant) {
        self.announced += 1;
        self.open.insert(
            sequence,
            Open {
                part: part.to_owned(),
                announced_at: now,
                deadline,
            },
        );
    }

    /// An answer came; returns how the part ended if this ended it.
    pub fn answer(
        &mut self,
        sequence: Sequence,
        part: &str,
        verdict: Verdict,
        now: Instant,
    ) -> Option<PartResult> {
        let Some(open) = self.open.get(&sequence) else {
            match self.closed.get_mut(&sequence) {
                Some(closed) if closed.part == part && closed.verdict.is_none() => {
                    closed.verdict = Some(verdict);
                    self.late += 1;
                }
                Some(closed) if closed.part == part => self.repeated += 1,
                _ => self.unknown += 1,
            }
            return None;
        };
        if open.part != part {
            self.unknown += 1;
            return None;
        }
        if open.deadline <= now {
            // Silence until the deadline is a reject; `tick` says so, and this answer is late.
            let result = self.close(sequence, None, now);
            if let Some(closed) = self.closed.get_mut(&sequence) {
                closed.verdict = Some(verdict);
            }
            self.late += 1;
            return result;
        }
        self.close(sequence, Some(verdict), now)
    }

    /// The PLC block of an answer came; it must say what the JSON said.
    pub fn block(&mut self, sequence: Sequence, verdict: Verdict) {
        let said = self.closed.get(&sequence).and_then(|closed| closed.verdict);
        if said.is_some_and(|said| said != verdict) {
            self.unreadable += 1;
        }
    }

    /// Rejects the parts whose deadline has come in silence.
    pub fn tick(&mut self, now: Instant) -> Vec<PartResult> {
        let due: Vec<Sequence> = self
            .open
            .iter()
            .filter(|(_, open)| open.deadline <= now)
            .map(|(sequence, _)| *sequence)
            .collect();
        due.into_iter()
            .filter_map(|sequence| self.close(sequence, None, now))
            .collect()
    }

    /// When [`Account::tick`] is due next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.open.values().map(|open| open.deadline).min()
    }

    /// Parts taken out: all that were not OK in time.
    pub fn rejected(&self) -> u64 {
        self.announced - self.ok - self.open.len() as u64
    }

    /// Whether every part got exactly one readable answer in time.
    pub fn is_complete(&self) -> bool {
        let faults = self.late + self.missing + self.repeated + self.unknown + self.unreadable;
        faults == 0 && self.open.is_empty()
    }

    fn close(
        &mut self,
        sequence: Sequence,
        verdict: Option<Verdict>,
        now: Instant,
    ) -> Option<PartResult> {
        let open = self.open.remove(&sequence)?;
        let after = now.saturating_duration_since(open.announced_at);
        match verdict {
            Some(Verdict::Ok) => self.ok += 1,
            Some(Verdict::Ng) => self.ng += 1,
            Some(Verdict::Indeterminate(reason)) => {
                *self.indeterminate.entry(reason.word()).or_default() += 1;
            }
            None => self.missing += 1,
        }
        if verdict.is_some() {
            self.answered_after.push(after);
        }
        self.closed.insert(
            sequence,
            Closed {
                part: open.part.clone(),
                verdict,
            },
        );
        let action = if verdict == Some(Verdict::Ok) {
            Action::Pass
        } else {
            Action::Reject
        };
        Some(PartResult {
            sequence,
            part: open.part,
            verdict,
            after,
            action,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Reason;

    #[test]
    fn only_ok_in_time_passes_and_every_other_end_is_counted() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut account = Account::default();
        for sequence in 1..=5 {
            account.announce(sequence, &format!("p{sequence}"), at(0), at(100));
        }
        let end = account.answer(1, "p1", Verdict::Ok, at(40)).unwrap();
        assert_eq!(
            (end.action, end.after),
            (Action::Pass, Duration::from_millis(40))
        );
        account.block(1, Verdict::Ng);
        assert_eq!(
            account.answer(2, "p2", Verdict::Ng, at(50)).unwrap().action,
            Action::Reject
        );
        let doubt = Verdict::Indeterminate(Reason::Doubtful);
        assert_eq!(
            account.answer(3, "p3", doubt, at(50)).unwrap().action,
            Action::Reject
        );
        // Another part's answer under this count must not let the part pass.
        assert_eq!(account.answer(4, "other", Verdict::Ok, at(60)), None);
        // An OK at the deadline comes too late.
        assert_eq!(
            account
                .answer(4, "p4", Verdict::Ok, at(100))
                .unwrap()
                .action,
            Action::Reject
        );
        assert_eq!(account.tick(at(100)).len(), 1);
        assert_eq!(account.answer(5, "p5", Verdict::Ok, at(101)), None);
        assert_eq!(account.answer(1, "p1", Verdict::Ok, at(102)), None);
        assert_eq!(account.answer(9, "p9", Verdict::Ok, at(103)), None);
        let counts = [
            account.ok,
            account.ng,
            account.late,
            account.missing,
            account.repeated,
            account.unknown,
            account.unreadable,
        ];
        assert_eq!(counts, [1, 1, 2, 2, 1, 2, 1]);
        assert_eq!(
            (account.rejected(), account.indeterminate.get("doubtful")),
            (4, Some(&1))
        );
        assert!(!account.is_complete());
    }
}
