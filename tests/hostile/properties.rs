//! Any bytes and spoilt good bytes, through all parsers.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;
use taktgate::publish::{NodeCommand, PAYLOAD_MAX};

use crate::bounds::alone;
use crate::checks::{Labels, Models, files, pictures, wire};
use crate::seeds::{Seed, seeds};
use crate::spoil::{spoil, spoils};

/// Spoilt samples of a group.
const N_SPOILT: u32 = 3_000;
/// Any bytes.
const N_ANY: u32 = 500;

/// Puts what is in `group` through `check` as it is, then spoilt, then any bytes.
fn hold(group: &str, check: impl Fn(&[u8]) -> usize) {
    let _alone = alone();
    let all: Vec<Vec<u8>> = seeds()
        .into_iter()
        .filter(|seed| seed.group == group)
        .map(|seed| seed.bytes)
        .collect();
    let run = |n_cases: u32, strategy: BoxedStrategy<Vec<u8>>| {
        let config = ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(n_cases)
        };
        let held = TestRunner::new(config).run(&strategy, |bytes| {
            check(&bytes);
            Ok(())
        });
        held.unwrap_or_else(|fault| panic!("{group}: {fault}"));
    };
    let samples = all.clone();
    let spoilt = (any::<Index>(), spoils())
        .prop_map(move |(at, spoils)| spoil(at.get::<Vec<u8>>(&samples), &spoils, &samples));
    run(N_SPOILT, spoilt.boxed());
    run(N_ANY, prop::collection::vec(any::<u8>(), 0..2000).boxed());
    run(N_ANY, any::<String>().prop_map(String::into_bytes).boxed());
}

#[test]
fn messages_never_panic_and_stay_small() {
    hold("wire", wire);
}

/// The most metrics for the fewest bytes, and the largest message that is read at all.
#[test]
fn a_command_of_nothing_but_empty_metrics_stays_small() {
    let _alone = alone();
    let largest = b"\x12\x00".repeat(PAYLOAD_MAX / 2);
    assert_eq!(wire(&largest), 1);
    assert_eq!(wire(&[&largest[..], b"\x12\x00"].concat()), 0);
}

#[test]
fn the_command_among_the_samples_asks_for_a_rebirth() {
    let command = seeds().into_iter().find(|seed| seed.name == "ncmd.bin");
    let command = NodeCommand::parse(&command.unwrap().bytes).unwrap();
    assert!(command.asks_for_rebirth);
}

#[test]
fn written_files_never_panic_and_stay_small() {
    hold("files", files);
}

#[test]
fn pictures_never_panic_and_stay_small() {
    hold("pictures", pictures);
}

#[test]
fn model_packages_never_panic_and_stay_small() {
    let models = Models::new().unwrap();
    hold("models", |bytes| models.check(bytes));
}

#[test]
fn labels_never_panic_and_stay_small() {
    let labels = Labels::new().unwrap();
    hold("labels", |bytes| labels.check(bytes));
}

/// A sample that is refused would be spoilt in vain. With `TAKTGATE_SEEDS` the samples are written to
/// that folder, one below for each group: where `make fuzz` starts from.
#[test]
fn each_good_sample_is_taken_by_a_parser() {
    let _alone = alone();
    let (models, labels) = (Models::new().unwrap(), Labels::new().unwrap());
    let folder = std::env::var_os("TAKTGATE_SEEDS");
    for Seed { group, name, bytes } in seeds() {
        let n_takers = match group {
            "wire" => wire(&bytes),
            "files" => files(&bytes),
            "pictures" => pictures(&bytes),
            "models" => models.check(&bytes),
            "labels" => labels.check(&bytes),
            other => panic!("no group {other}"),
        };
        assert!(0 < n_takers, "nobody takes the {group} sample `{name}`");
        if let Some(folder) = &folder {
            let folder = Path::new(folder).join(group);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(name), &bytes).unwrap();
        }
    }
}
