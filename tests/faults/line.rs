//! What a line controller does wrong.

use std::time::Duration;

use crate::account::{Row, as_seen, as_seen_or};
use crate::bench::{Bench, Scale};
use crate::house::Settings;
use crate::proxy::pause;

/// Parts of a storm: mosquitto holds as many for a subscriber and drops the rest.
const STORM_PARTS: u32 = 1_000;

pub(crate) fn repeated_and_out_of_order(scale: Scale) -> Row {
    let mut bench = Bench::new(&Settings::default());
    let n_times = scale.of(5, 100);
    for round in 0..n_times {
        let base = 10 * round;
        for (offset, part) in [(1, "good"), (3, "bad"), (2, "good"), (3, "bad"), (3, "bad")] {
            bench.announce_again(base + offset, part);
            bench.wait_for_verdict(base + offset);
        }
    }
    let correct =
        "one inspection and one first answer each; the same answer again, marked `repeated`";
    let row = bench.account(
        "triggers doubled and out of order",
        correct,
        n_times,
        as_seen,
    );
    row.all_answered()
}

pub(crate) fn storm(scale: Scale) -> Row {
    let mut bench = Bench::new(&Settings {
        deadline_ms: 4_000,
        more: "[inbox]\nper_s_max = 100_000",
        ..Settings::default()
    });
    let n_storms = scale.of(1, 20);
    for _ in 0..n_storms {
        bench.storm("bad", STORM_PARTS);
        bench.wait_for_last();
    }
    let n_parts = n_storms * STORM_PARTS;
    let correct = "each is answered once: judged, or `overload` at once";
    let row = bench.account("trigger storm", correct, n_parts, as_seen_or("overload"));
    row.all_answered()
}

pub(crate) fn flood(scale: Scale) -> Row {
    let mut bench = Bench::new(&Settings {
        more: "[inbox]\nper_s_max = 5",
        ..Settings::default()
    });
    let n_parts = scale.of(500, 2_000);
    bench.cut_off = (bench.next..bench.next + n_parts).collect();
    bench.storm("good", n_parts);
    bench.wait_for_event("flood");
    // The station is not hindered by it: the next part in its time is judged.
    pause(Duration::from_secs(1));
    bench.one_by_one(1);
    let correct = "20 at once and 5 a second are answered, the rest is dropped and said";
    let fault = "triggers far beyond the rate";
    let row = bench.account(fault, correct, n_parts, as_seen_or("overload"));
    let n_dropped = u32::try_from(row.silent).unwrap();
    assert!(
        (20..=n_parts / 2).contains(&(n_parts - n_dropped)),
        "{row:#?}"
    );
    row.nothing_lost()
}

pub(crate) fn rubbish(scale: Scale) -> Row {
    let mut bench = Bench::new(&Settings::default());
    // A hundred commands may come at once.
    let n_times = scale.of(3, 20);
    let (large, deep) = (" ".repeat(64 * 1024), "[".repeat(10_000));
    let all: [&[u8]; 5] = [b"\xff\xfe", large.as_bytes(), deep.as_bytes(), b"{}", b""];
    for _ in 0..n_times {
        for leaf in ["cmd/trigger", "cmd/stop", "ack"] {
            for payload in all {
                assert!(bench.house.try_publish(leaf, payload), "{leaf}");
            }
        }
        bench.one_by_one(2);
    }
    for kind in ["bad_trigger", "bad_command", "bad_ack"] {
        bench.wait_for_event(kind);
    }
    let n_each = n_times * 5;
    bench.wait_for_health(|health| {
        ["bad_triggers", "commands_refused", "acks_unknown"]
            .iter()
            .all(|count| health[*count] == n_each)
    });
    let correct = "said on `event`, opens no part, does nothing; the next part is judged";
    let injected = n_times * 15;
    let fault = "oversize, invalid UTF-8, nested, empty payloads";
    bench
        .account(fault, correct, injected, as_seen)
        .all_answered()
}

/// The broker takes it and does not pass it on: the station said at its connect what it takes at most.
pub(crate) fn too_large(scale: Scale) -> Row {
    let bench = Bench::new(&large_broker());
    let correct =
        "the broker keeps it from the station, which stays connected and judges the next part";
    too_large_for(bench, scale, "payloads of 5 MiB", correct, |bench| {
        // What the station does about it, it does before it judges the next part.
        bench.one_by_one(1);
        let log = bench.running.as_ref().unwrap().log();
        assert!(!log.contains("no broker"), "{log}");
    })
}

/// Over MQTT 3.1.1 a station cannot say so: the broker passes it on, and the station cuts itself off.
pub(crate) fn too_large_v311(scale: Scale) -> Row {
    let mut bench = Bench::stopped(&large_broker());
    bench.rewrite("[mqtt]\n", "[mqtt]\nprotocol = \"3.1.1\"\n");
    bench.start();
    let correct = "the station leaves the broker, comes back without it and judges the next part";
    let fault = "payloads of 5 MiB, MQTT 3.1.1";
    too_large_for(bench, scale, fault, correct, |bench| {
        bench.wait_for_state("offline");
        bench.wait_for_state("continuous_execution");
        bench.one_by_one(1);
    })
}

/// A broker that takes more than the station does.
fn large_broker() -> Settings {
    Settings {
        broker_lines: |_| vec!["max_packet_size 8388608".to_owned()],
        ..Settings::default()
    }
}

fn too_large_for(
    mut bench: Bench,
    scale: Scale,
    fault: &'static str,
    correct: &'static str,
    goes_on: impl Fn(&mut Bench),
) -> Row {
    let n_times = scale.of(1, 3);
    // The station takes 4 MiB over the network.
    let payload = vec![b' '; 5 << 20];
    for _ in 0..n_times {
        for leaf in ["cmd/trigger", "cmd/stop", "ack"] {
            assert!(bench.house.try_publish(leaf, &payload), "{leaf}");
            goes_on(&mut bench);
        }
    }
    bench
        .account(fault, correct, 3 * n_times, as_seen)
        .all_answered()
}
