//! One trigger in, exactly one right verdict out, by the deadline.
//!
//! A state machine without I/O, threads or clock: the station's thread feeds it triggers, results
//! and the time, and sends what it returns.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::domain::{Name, Reason, Sequence, Trigger, Verdict};

/// Answered parts that are remembered, so that a repeated trigger gets its answer again.
pub const ANSWERED_KEPT: usize = 1024;

/// For so long after its answer the same number and part is the same part, announced again (twice the longest
/// deadline). Later it is another one: a controller that counts from the start again must not get what was
/// said of a part that has long gone.
pub const REPEATED_WITHIN: Duration = Duration::from_mins(2);

/// The gate of one station.
#[derive(Debug)]
pub struct Gate {
    open_parts_max: usize,
    // In the order of arrival: the worker inspects in this order too.
    open: Vec<Trigger>,
    answered: VecDeque<Answered>,
}

/// What was said of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The line's number for it.
    pub sequence: Sequence,
    /// The part.
    pub part: Name,
    /// What was said.
    pub verdict: Verdict,
    /// When.
    pub at: Instant,
}

/// What is to be sent for one trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The trigger that is answered.
    pub trigger: Trigger,
    /// What to say.
    pub verdict: Verdict,
    /// Whether this was said before, for the same sequence and part.
    pub repeated: bool,
}

/// What to do about a trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Inspect the part; its answer comes from [`Gate::result`] or [`Gate::tick`].
    Inspect,
    /// It is being inspected already; nothing is to be done.
    Pending,
    /// Send these answers now.
    Answer(Vec<Answer>),
}

/// What to do about a finished inspection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Send this answer.
    Answer(Answer),
    /// The part was answered without it or its deadline has passed: record it, publish nothing.
    Late,
    /// No such part was announced: an error of the caller.
    Unknown,
}

impl Gate {
    /// A gate that inspects at most `open_parts_max` parts at a time (at least one).
    pub fn new(open_parts_max: usize) -> Self {
        Self {
            open_parts_max: open_parts_max.max(1),
            open: Vec::new(),
            answered: VecDeque::new(),
        }
    }

    /// Remembers an answer given before a restart; the oldest first.
    pub fn remember(&mut self, answered: Answered) {
        if self.answered.len() == ANSWERED_KEPT {
            self.answered.pop_front();
        }
        self.answered.push_back(answered);
    }

    /// Takes a trigger.
    ///
    /// The same sequence and part again within [`REPEATED_WITHIN`] gets the same answer again. Two parts under one sequence
    /// number while the first is open cannot be told apart by a controller that looks at the number
    /// alone, so neither may pass: both are `Indeterminate(Sequence)`.
    pub fn trigger(&mut self, trigger: &Trigger) -> Admission {
        if let Some(known) = self.known(trigger) {
            return known;
        }
        if self.open.len() < self.open_parts_max {
            self.open.push(trigger.clone());
            return Admission::Inspect;
        }
        let overload = Verdict::Indeterminate(Reason::Overload);
        Admission::Answer(vec![self.answer(
            trigger.clone(),
            overload,
            trigger.arrived_at,
        )])
    }

    /// Takes a trigger that is not to be inspected: `reason` answers it, unless it is known already.
    pub fn refuse(&mut self, trigger: &Trigger, reason: Reason) -> Admission {
        self.known(trigger).unwrap_or_else(|| {
            let verdict = Verdict::Indeterminate(reason);
            Admission::Answer(vec![self.answer(
                trigger.clone(),
                verdict,
                trigger.arrived_at,
            )])
        })
    }

    /// Answers every open part with `reason`, in the order of arrival: nobody will inspect them any more.
    pub fn abort(&mut self, reason: Reason, now: Instant) -> Vec<Answer> {
        let verdict = Verdict::Indeterminate(reason);
        let open = std::mem::take(&mut self.open);
        open.into_iter()
            .map(|trigger| self.answer(trigger, verdict, now))
            .collect()
    }

    /// What is to be done about a trigger whose number is open, or that was answered before.
    fn known(&mut self, trigger: &Trigger) -> Option<Admission> {
        let same = |other: &Trigger| other.sequence == trigger.sequence;
        if let Some(index) = self.open.iter().position(same) {
            if self
                .open
                .get(index)
                .is_some_and(|open| open.part == trigger.part)
            {
                return Some(Admission::Pending);
            }
            let first = self.open.remove(index);
            let verdict = Verdict::Indeterminate(Reason::Sequence);
            let answers = vec![
                self.answer(first, verdict, trigger.arrived_at),
                self.answer(trigger.clone(), verdict, trigger.arrived_at),
            ];
            return Some(Admission::Answer(answers));
        }
        let answered = self.answered(trigger)?;
        let is_again = trigger.arrived_at < answered.at + REPEATED_WITHIN;
        is_again.then(|| {
            Admission::Answer(vec![Answer {
                trigger: trigger.clone(),
                verdict: answered.verdict,
                repeated: true,
            }])
        })
    }

    /// Takes the verdict of a finished inspection; in time means before the deadline.
    pub fn result(&mut self, trigger: &Trigger, verdict: Verdict, now: Instant) -> Outcome {
        let same = |open: &Trigger| open.sequence == trigger.sequence && open.part == trigger.part;
        match self.open.iter().position(same) {
            Some(index) if self.open.get(index).is_some_and(|open| now < open.deadline) => {
                let open = self.open.remove(index);
                Outcome::Answer(self.answer(open, verdict, now))
            }
            // The part stays open: `tick` owes it the answer that its deadline has passed.
            Some(_) => Outcome::Late,
            None if self.answered(trigger).is_some() => Outcome::Late,
            None => Outcome::Unknown,
        }
    }

    /// Answers every part whose deadline has come, the oldest deadline first.
    pub fn tick(&mut self, now: Instant) -> Vec<Answer> {
        let mut due: Vec<Trigger> = self
            .open
            .extract_if(.., |open| open.deadline <= now)
            .collect();
        due.sort_by_key(|open| open.deadline);
        let deadline = Verdict::Indeterminate(Reason::Deadline);
        due.into_iter()
            .map(|open| self.answer(open, deadline, now))
            .collect()
    }

    /// When [`Gate::tick`] has to be called next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.open.iter().map(|open| open.deadline).min()
    }

    /// Parts that still owe an answer.
    pub fn n_open(&self) -> usize {
        self.open.len()
    }

    /// `verdict` is said of the part at `at`, whatever was decided before.
    pub fn said(&mut self, trigger: &Trigger, verdict: Verdict, at: Instant) {
        self.remember(Answered {
            sequence: trigger.sequence,
            part: trigger.part.clone(),
            verdict,
            at,
        });
    }

    fn answer(&mut self, trigger: Trigger, verdict: Verdict, at: Instant) -> Answer {
        self.said(&trigger, verdict, at);
        Answer {
            trigger,
            verdict,
            repeated: false,
        }
    }

    fn answered(&self, trigger: &Trigger) -> Option<&Answered> {
        // The newest first: an old part may have had the same number.
        let same = |answered: &&Answered| {
            answered.sequence == trigger.sequence && answered.part == trigger.part
        };
        self.answered.iter().rev().find(same)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn trigger(sequence: Sequence, part: u8, arrived_at: Instant, deadline_ms: u64) -> Trigger {
        Trigger {
            sequence,
            part: Name::new(&format!("p{part}")).unwrap(),
            part_type: Name::new("door").unwrap(),
            lot: None,
            supplier: None,
            arrived_at,
            arrived_at_utc: Timestamp::UNIX_EPOCH,
            deadline: arrived_at + Duration::from_millis(deadline_ms),
        }
    }

    #[test]
    fn a_verdict_at_the_deadline_is_late_and_one_just_before_is_not() {
        let start = Instant::now();
        let part = trigger(1, 1, start, 10);
        let mut gate = Gate::new(4);
        assert_eq!(gate.trigger(&part), Admission::Inspect);
        assert_eq!(
            gate.result(&part, Verdict::Ok, part.deadline),
            Outcome::Late
        );
        let answers = gate.tick(part.deadline);
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].verdict, Verdict::Indeterminate(Reason::Deadline));

        let part = trigger(2, 1, start, 10);
        gate.trigger(&part);
        let just_before = part.deadline.checked_sub(Duration::from_nanos(1)).unwrap();
        assert!(matches!(
            gate.result(&part, Verdict::Ok, just_before),
            Outcome::Answer(_)
        ));
        assert!(gate.tick(part.deadline).is_empty());
    }

    #[test]
    fn two_parts_under_one_open_number_both_fail() {
        let start = Instant::now();
        let mut gate = Gate::new(4);
        gate.trigger(&trigger(7, 1, start, 10));
        let Admission::Answer(answers) = gate.trigger(&trigger(7, 2, start, 10)) else {
            panic!("a conflict is answered at once");
        };
        let verdicts: Vec<_> = answers.iter().map(|answer| answer.verdict).collect();
        assert_eq!(verdicts, [Verdict::Indeterminate(Reason::Sequence); 2]);
        assert_eq!(
            gate.result(&trigger(7, 1, start, 10), Verdict::Ok, start),
            Outcome::Late
        );
    }

    #[test]
    fn memory_is_bounded_and_forgets_the_oldest() {
        let start = Instant::now();
        let mut gate = Gate::new(1);
        for sequence in 0..=u32::try_from(ANSWERED_KEPT).unwrap() {
            let part = trigger(sequence, 0, start, 10);
            gate.trigger(&part);
            gate.result(&part, Verdict::Ok, start);
        }
        assert_eq!(gate.answered.len(), ANSWERED_KEPT);
        assert_eq!(gate.trigger(&trigger(0, 0, start, 10)), Admission::Inspect);
        let again = gate.trigger(&trigger(1, 0, start, 10));
        assert!(matches!(again, Admission::Answer(answers) if answers[0].repeated));
    }

    #[test]
    fn a_number_and_part_that_come_again_much_later_are_another_part() {
        let start = Instant::now();
        let mut gate = Gate::new(1);
        let first = trigger(1, 1, start, 10);
        gate.trigger(&first);
        gate.result(&first, Verdict::Ok, start);
        let soon = trigger(1, 1, start + REPEATED_WITHIN.mul_f64(0.99), 10);
        let again = gate.trigger(&soon);
        assert!(matches!(again, Admission::Answer(answers) if answers[0].repeated));
        let later = trigger(1, 1, start + REPEATED_WITHIN, 10);
        assert_eq!(gate.trigger(&later), Admission::Inspect);
        let outcome = gate.result(&later, Verdict::Ng, later.arrived_at);
        assert!(matches!(outcome, Outcome::Answer(answer) if answer.verdict == Verdict::Ng));
        let again = gate.trigger(&later);
        assert!(matches!(again, Admission::Answer(answers) if answers[0].verdict == Verdict::Ng));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Trigger {
            sequence: u32,
            part: u8,
            deadline_ms: u64,
        },
        Result {
            sequence: u32,
            part: u8,
            ok: bool,
        },
        Wait {
            ms: u64,
        },
        Refuse {
            sequence: u32,
            part: u8,
        },
        Abort,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..5u32, 0..3u8, 0..20u64)
                .prop_map(|(sequence, part, deadline_ms)| Step::Trigger { sequence, part, deadline_ms }),
            3 => (0..5u32, 0..3u8, any::<bool>())
                .prop_map(|(sequence, part, ok)| Step::Result { sequence, part, ok }),
            3 => (0..8u64).prop_map(|ms| Step::Wait { ms }),
            1 => (0..80_000u64).prop_map(|ms| Step::Wait { ms }),
            1 => (0..5u32, 0..3u8).prop_map(|(sequence, part)| Step::Refuse { sequence, part }),
            1 => Just(Step::Abort),
        ]
    }

    /// The gate again, as plainly as it can be said: one row a trigger, searched from the end.
    #[derive(Default)]
    struct Plain {
        // Sequence, part, when it is due, what was said and when.
        rows: Vec<(u32, u8, u64, Option<Verdict>, u64)>,
    }

    type Said = (u32, u8, Verdict, bool);

    impl Plain {
        fn trigger(
            &mut self,
            sequence: u32,
            part: u8,
            (now_ms, due_ms): (u64, u64),
            open_max: usize,
            refused: Reason,
        ) -> (bool, Vec<Said>) {
            let conflict = Verdict::Indeterminate(Reason::Sequence);
            let open = self
                .rows
                .iter_mut()
                .find(|row| row.0 == sequence && row.3.is_none());
            if let Some(row) = open {
                if row.1 == part {
                    return (false, vec![]);
                }
                (row.3, row.4) = (Some(conflict), now_ms);
                let first = (sequence, row.1, conflict, false);
                self.rows
                    .push((sequence, part, due_ms, Some(conflict), now_ms));
                return (false, vec![first, (sequence, part, conflict, false)]);
            }
            let before = self
                .rows
                .iter()
                .rev()
                .find(|row| row.0 == sequence && row.1 == part);
            if let Some((.., Some(verdict), at_ms)) = before
                && now_ms - at_ms < u64::try_from(REPEATED_WITHIN.as_millis()).unwrap()
            {
                return (false, vec![(sequence, part, *verdict, true)]);
            }
            if self.rows.iter().filter(|row| row.3.is_none()).count() < open_max {
                self.rows.push((sequence, part, due_ms, None, 0));
                return (true, vec![]);
            }
            let refused = Verdict::Indeterminate(refused);
            self.rows
                .push((sequence, part, due_ms, Some(refused), now_ms));
            (false, vec![(sequence, part, refused, false)])
        }

        fn abort(&mut self, now_ms: u64) -> Vec<Said> {
            let aborted = Verdict::Indeterminate(Reason::NotReady);
            let open = self.rows.iter_mut().filter(|row| row.3.is_none());
            open.map(|row| {
                (row.3, row.4) = (Some(aborted), now_ms);
                (row.0, row.1, aborted, false)
            })
            .collect()
        }

        fn result(
            &mut self,
            sequence: u32,
            part: u8,
            verdict: Verdict,
            now_ms: u64,
        ) -> Option<Said> {
            let row = self.rows.iter_mut().find(|row| {
                row.0 == sequence && row.1 == part && row.3.is_none() && now_ms < row.2
            })?;
            (row.3, row.4) = (Some(verdict), now_ms);
            Some((sequence, part, verdict, false))
        }

        fn tick(&mut self, now_ms: u64) -> Vec<Said> {
            let deadline = Verdict::Indeterminate(Reason::Deadline);
            let mut due: Vec<_> = self
                .rows
                .iter_mut()
                .filter(|row| row.3.is_none() && row.2 <= now_ms)
                .collect();
            due.sort_by_key(|row| row.2);
            due.into_iter()
                .map(|row| {
                    (row.3, row.4) = (Some(deadline), now_ms);
                    (row.0, row.1, deadline, false)
                })
                .collect()
        }
    }

    fn said(answer: &Answer) -> Said {
        let part = answer
            .trigger
            .part
            .as_str()
            .strip_prefix('p')
            .unwrap()
            .parse()
            .unwrap();
        (
            answer.trigger.sequence,
            part,
            answer.verdict,
            answer.repeated,
        )
    }

    proptest! {
        #[test]
        fn each_trigger_gets_the_right_answer_once(steps in prop::collection::vec(step(), 1..80), open_max in 1..4usize) {
            let start = Instant::now();
            let at = |ms: u64| start + Duration::from_millis(ms);
            let (mut gate, mut plain, mut now_ms) = (Gate::new(open_max), Plain::default(), 0);
            for step in steps {
                match step {
                    Step::Trigger { sequence, part, deadline_ms } => {
                        let admission = gate.trigger(&trigger(sequence, part, at(now_ms), deadline_ms));
                        let due_ms = now_ms + deadline_ms;
                        let times = (now_ms, due_ms);
                        let (inspect, expected) = plain.trigger(sequence, part, times, open_max, Reason::Overload);
                        let found = match admission {
                            Admission::Inspect => { prop_assert!(inspect); vec![] }
                            Admission::Pending => { prop_assert!(!inspect); vec![] }
                            Admission::Answer(answers) => answers.iter().map(said).collect(),
                        };
                        prop_assert_eq!(found, expected);
                    }
                    Step::Result { sequence, part, ok } => {
                        let verdict = if ok { Verdict::Ok } else { Verdict::Ng };
                        let outcome = gate.result(&trigger(sequence, part, start, 0), verdict, at(now_ms));
                        let known = plain.rows.iter().any(|row| row.0 == sequence && row.1 == part);
                        match (outcome, plain.result(sequence, part, verdict, now_ms)) {
                            (Outcome::Answer(answer), Some(expected)) => prop_assert_eq!(said(&answer), expected),
                            (Outcome::Late, None) => prop_assert!(known),
                            (Outcome::Unknown, None) => prop_assert!(!known),
                            (found, expected) => prop_assert!(false, "{found:?} for {expected:?}"),
                        }
                    }
                    Step::Refuse { sequence, part } => {
                        let admission = gate.refuse(&trigger(sequence, part, at(now_ms), 0), Reason::NotReady);
                        let (_, expected) = plain.trigger(sequence, part, (now_ms, now_ms), 0, Reason::NotReady);
                        let found = match admission {
                            Admission::Inspect => { prop_assert!(false, "refused and inspected"); vec![] }
                            Admission::Pending => vec![],
                            Admission::Answer(answers) => answers.iter().map(said).collect(),
                        };
                        prop_assert_eq!(found, expected);
                    }
                    Step::Abort => {
                        let found: Vec<_> = gate.abort(Reason::NotReady, at(now_ms)).iter().map(said).collect();
                        prop_assert_eq!(found, plain.abort(now_ms));
                    }
                    Step::Wait { ms } => {
                        now_ms += ms;
                        let found: Vec<_> = gate.tick(at(now_ms)).iter().map(said).collect();
                        prop_assert_eq!(found, plain.tick(now_ms));
                    }
                }
                let open: Vec<_> = plain.rows.iter().filter(|row| row.3.is_none()).collect();
                prop_assert_eq!(gate.n_open(), open.len());
                prop_assert_eq!(gate.next_deadline(), open.iter().map(|row| at(row.2)).min());
            }
        }
    }
}
