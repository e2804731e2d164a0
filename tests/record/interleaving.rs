//! Any interleaving of appending, delivering, holding, releasing, retention and restarts: nothing
//! undelivered or held is ever removed, and the chain is whole after each step.

use std::collections::BTreeMap;

use proptest::prelude::*;
use taktgate::domain::Verdict;
use taktgate::record::{Holds, Keep, RetentionRules};

use super::record;
use super::retention::{Data, FOREVER, NOTHING, check_files, files, later, rules};

#[derive(Debug, Clone)]
enum Step {
    Append,
    /// A record by its place among those that are there.
    Deliver(usize),
    Hold(usize),
    Release(usize),
    /// Records by age.
    OldRecords {
        before: u16,
        at_once: u64,
        newest_kept: u64,
    },
    OldImages {
        before: u16,
    },
    LargeImages {
        bytes_max: u64,
    },
    LargeStore,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Append),
        5 => (0..40_usize).prop_map(Step::Deliver),
        1 => (0..40_usize).prop_map(Step::Hold),
        1 => (0..40_usize).prop_map(Step::Release),
        3 => (0..60_u16, 1..5_u64, 0..4_u64).prop_map(|(before, at_once, newest_kept)| {
            Step::OldRecords { before, at_once, newest_kept }
        }),
        1 => (0..60_u16).prop_map(|before| Step::OldImages { before }),
        1 => (0..12_000_u64).prop_map(|bytes_max| Step::LargeImages { bytes_max }),
        1 => Just(Step::LargeStore),
        1 => Just(Step::Restart),
    ]
}

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    is_delivered: bool,
    is_held: bool,
}

/// What must be true, told without SQLite.
#[derive(Default)]
struct Model {
    records: BTreeMap<u64, Known>,
    n_appended: u64,
}

impl Model {
    fn nth(&mut self, n: usize) -> Option<(u64, &mut Known)> {
        let n_records = self.records.len().max(1);
        self.records
            .iter_mut()
            .nth(n % n_records)
            .map(|(row, known)| (*row, known))
    }

    fn is_free(&self, row: u64) -> bool {
        self.records
            .get(&row)
            .is_some_and(|known| known.is_delivered && !known.is_held)
    }
}

fn play(steps: &[Step]) {
    let mut data = Data::new();
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Append => {
                model.n_appended += 1;
                data.append(u32::try_from(model.n_appended).unwrap());
                model.records.insert(model.n_appended, Known::default());
            }
            Step::Deliver(n) => {
                if let Some((row, known)) = model.nth(*n) {
                    known.is_delivered = true;
                    data.store.mark_delivered(row).unwrap();
                }
            }
            Step::Hold(n) => {
                if let Some((row, known)) = model.nth(*n) {
                    known.is_held = true;
                    data.hold(u32::try_from(row).unwrap());
                }
            }
            Step::Release(n) => {
                if let Some((row, known)) = model.nth(*n) {
                    let mut holds = Holds::open(&data.path).unwrap();
                    let was_held = holds.release(&format!("id-{row:04}")).unwrap();
                    assert_eq!(was_held, known.is_held);
                    known.is_held = false;
                }
            }
            Step::OldRecords { .. }
            | Step::OldImages { .. }
            | Step::LargeImages { .. }
            | Step::LargeStore => bite(&mut data, &model, step),
            Step::Restart => {
                data = data.restarted();
            }
        }
        check(&data, &mut model);
    }
    // Once all is delivered and released, all that is old goes.
    for (row, known) in &mut model.records {
        data.store.mark_delivered(*row).unwrap();
        let mut holds = Holds::open(&data.path).unwrap();
        holds.release(&format!("id-{row:04}")).unwrap();
        *known = Known {
            is_delivered: true,
            is_held: false,
        };
    }
    data.retain(&rules(NOTHING, NOTHING));
    check(&data, &mut model);
    assert!(data.rows().len() <= 1 && files(&data.archive).is_empty());
}

/// One bite of retention, and what it may have done.
fn bite(data: &mut Data, model: &Model, step: &Step) {
    let before = data.rows();
    let mut bite_of = |rules: RetentionRules| data.retention.bite(&rules, later()).unwrap();
    match step {
        Step::OldRecords {
            before: first_kept,
            at_once,
            newest_kept,
        } => {
            let rules = RetentionRules {
                records_at_once: *at_once,
                newest_kept: *newest_kept,
                ..rules(age(*first_kept), FOREVER)
            };
            let bite = bite_of(rules);
            let after = data.rows();
            if let Some(removed) = &bite.records {
                assert!(removed.n_records <= *at_once);
                assert!(removed.last_row < u64::from(*first_kept));
                let newest_kept = usize::try_from(*newest_kept).unwrap().max(1);
                let mut newest = before.iter().rev().take(newest_kept);
                assert!(newest.all(|row| after.contains(row)));
            }
        }
        Step::OldImages { before } => {
            let bite = bite_of(rules(FOREVER, age(*before)));
            assert!(bite.records.is_none());
        }
        Step::LargeImages { bytes_max } => {
            let keep = Keep {
                bytes_max: *bytes_max,
                ..FOREVER
            };
            assert!(bite_of(rules(FOREVER, keep)).records.is_none());
        }
        Step::LargeStore => {
            let keep = Keep {
                bytes_max: 0,
                ..FOREVER
            };
            let bite = bite_of(rules(keep, FOREVER));
            let newest = before.last().copied().unwrap_or(0);
            let has_free = before
                .iter()
                .any(|row| *row != newest && model.is_free(*row));
            assert_eq!(bite.records.is_some(), has_free);
        }
        Step::Append | Step::Deliver(_) | Step::Hold(_) | Step::Release(_) | Step::Restart => {}
    }
}

/// Too old is what was decided before that record: one is decided each second.
fn age(first_kept: u16) -> Keep {
    let first = record(first_kept.into(), Verdict::Ok)
        .trigger
        .arrived_at_utc;
    Keep {
        age_max: later().duration_since(first).try_into().unwrap(),
        bytes_max: u64::MAX,
    }
}

fn check(data: &Data, model: &mut Model) {
    let rows = data.rows();
    let gone: Vec<u64> = model
        .records
        .keys()
        .copied()
        .filter(|row| !rows.contains(row))
        .collect();
    for row in gone {
        assert!(model.is_free(row), "record {row} was removed");
        model.records.remove(&row);
    }
    let known: Vec<u64> = model.records.keys().copied().collect();
    assert_eq!(rows, known);
    let report = data.store.read().verify().unwrap();
    assert_eq!(report.fault, None);
    assert_eq!(report.n_records, rows.len() as u64);
    assert_eq!(report.n_removed, model.n_appended - rows.len() as u64);
    check_files(data.store.read(), &data.archive);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn retention_never_removes_what_is_owed_and_the_chain_stays_whole(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        play(&steps);
    }
}
