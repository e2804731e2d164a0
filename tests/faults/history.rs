//! Records that could not be delivered when they were made.

use std::fs;
use std::time::{Duration, Instant};

use taktgate::domain::Verdict;
use taktgate::record::RecordStore;

use crate::account::{Row, as_seen};
use crate::bench::{Bench, Scale};
use crate::house::Settings;
use crate::proxy::Weather;
use crate::sample::record;

/// Records a second that the station below back-fills.
const BACKFILL_PER_S: u32 = 100;

pub(crate) fn broker_away_for_hours(scale: Scale) -> Row {
    let mut bench = Bench::stopped(&Settings {
        more: "[outbox]\nbackfill_per_s = 100",
        ..Settings::default()
    });
    // At a takt of 2 s these are hours.
    let n_records = scale.of(500, 5_000);
    fs::create_dir(bench.house.path("data")).unwrap();
    let mut store = RecordStore::open(&bench.house.path("data/records.sqlite")).unwrap();
    for n in 0..n_records {
        store.append(&record(n, Verdict::Ok)).unwrap();
    }
    drop(store);
    let start = Instant::now();
    bench.start();
    bench.one_by_one(12);
    bench.wait_for_records(n_records as usize);
    // The first second's records may go at once.
    let at_least = Duration::from_secs(u64::from(n_records / BACKFILL_PER_S - 1));
    assert!(at_least <= start.elapsed(), "the back-fill is not limited");
    let correct = "history follows in order at its own rate; live parts are answered meanwhile";
    let fault = "broker away for hours";
    let row = bench.account(fault, correct, n_records, as_seen);
    assert_eq!(row.repeated, 0, "{row:#?}");
    row.all_answered()
}

pub(crate) fn client_id_changed(scale: Scale) -> Row {
    let mut bench = Bench::new(&Settings::default());
    let n_times = scale.of(2, 20);
    for round in 0..n_times {
        bench.one_by_one(2);
        // Answered and recorded, and the broker hears nothing of it.
        bench.announce_cut_off("good");
        bench.proxy.set(Weather::Dead);
        bench.announce_cut_off("bad");
        bench.kill("-KILL");
        bench.proxy.cut();
        bench.proxy.set(Weather::Fair);
        let named = format!("client_id = \"panel-{round}\"\n");
        if round == 0 {
            bench.rewrite("[mqtt]\n", &format!("[mqtt]\n{named}"));
        } else {
            bench.rewrite(&format!("client_id = \"panel-{}\"\n", round - 1), &named);
        }
        bench.start();
        bench.one_by_one(2);
    }
    let correct = "what the broker did not acknowledge to the old client is sent by the new one";
    let row = bench.account("client id changed", correct, n_times, as_seen);
    row.nothing_lost()
}
