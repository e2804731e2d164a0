//! A million triggers at full speed: none wrong, none lost, memory flat.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use crate::bench::Bench;
use crate::disk::Disk;
use crate::house::Settings;

/// Parts under way at a time; the station takes 64, so none of them is one too many.
const OPEN_MAX: u32 = 48;
/// No images, and a disk that does not wait for a platter: the store syncs each record all the same.
const MORE: &str = "[inbox]\nper_s_max = 1_000_000\n[archive]\nok_share = 0.0\nng_and_indeterminate = false\naround_incidents = 0\n";
const DISK: &str = "6g";

#[test]
#[ignore = "takes ten minutes: `make million`"]
fn a_million_triggers_at_full_speed() {
    let n_parts: u32 = std::env::var("TAKTGATE_TRIGGERS").map_or(1_000_000, |n| n.parse().unwrap());
    let mut bench = drawn_parts();
    let disk = Disk::mount(bench.house.path("data"), DISK);
    if disk.is_none() {
        eprintln!("this user may not mount a disk in memory: the store syncs to the ordinary one");
    }
    bench.start();
    let pid = bench.running.as_ref().unwrap().child.id();
    let mut line = bench.house.open_publisher("cmd/trigger");
    let (mut sent, mut answered, mut recorded) = (0, BTreeSet::new(), BTreeSet::new());
    let (mut verdicts, mut rss_mib) = (BTreeSet::new(), Vec::new());
    let started = Instant::now();
    let is_done = |answered: usize, recorded: usize| n_parts as usize <= answered.min(recorded);
    while !is_done(answered.len(), recorded.len()) {
        while sent < n_parts && sent - u32::try_from(answered.len()).unwrap() < OPEN_MAX {
            sent += 1;
            let trigger = serde_json::json!({"schema": 1, "sequence": sent, "part_id": sent.to_string(), "part_type": "plate"});
            writeln!(line.stdin.as_mut().unwrap(), "{trigger}").unwrap();
        }
        let (_, leaf, payload) = bench
            .witness
            .listen(Instant::now() + Duration::from_mins(1))
            .unwrap_or_else(|| {
                panic!(
                    "silence after {} answers, {} records",
                    answered.len(),
                    recorded.len()
                )
            });
        match leaf.as_str() {
            "verdict" => {
                let sequence = payload["sequence"].as_u64().unwrap();
                assert!(answered.insert(sequence), "{sequence} was answered twice");
                verdicts.insert(payload["verdict"].to_string());
                if answered.len() % 10_000 == 0 {
                    rss_mib.push(rss(pid));
                    let rate = answered.len() as f64 / started.elapsed().as_secs_f64();
                    eprintln!(
                        "{} answers, {rate:.0} a second, {} MiB",
                        answered.len(),
                        rss_mib.last().unwrap()
                    );
                }
            }
            "record" => {
                let sequence = payload["record"]["sequence"].as_u64().unwrap();
                assert!(
                    recorded.insert(sequence),
                    "record {sequence} came twice without a fault"
                );
            }
            "event" => panic!("{payload}"),
            _ => {}
        }
    }
    drop(line.stdin.take());
    assert!(line.wait().unwrap().success());
    // One picture, one model: one verdict, and it is one.
    assert_eq!(verdicts.len(), 1, "{verdicts:?}");
    assert!(!verdicts.contains("\"indeterminate\""));
    let (first, last) = (rss_mib[0], *rss_mib.last().unwrap());
    eprintln!(
        "{n_parts} triggers in {:.0} s: {} answers, {} records, all {verdicts:?}; RSS {first} MiB after 10000 parts, {last} MiB at the end, {} MiB at most",
        started.elapsed().as_secs_f64(),
        answered.len(),
        recorded.len(),
        rss_mib.iter().max().unwrap()
    );
    // Caches of the database grow to their limits once; nothing grows with the parts.
    assert!(last < first + 32, "memory grows: {rss_mib:?}");
    drop(bench);
    drop(disk);
}

/// A bench whose station draws its frames.
fn drawn_parts() -> Bench {
    let bench = Bench::stopped(&Settings {
        open_parts_max: 64,
        more: MORE,
        ..Settings::default()
    });
    let file = bench.house.path("station.toml");
    let text = fs::read_to_string(&file).unwrap();
    let folder = "{ folder = { path = \"frames\", order = \"by_part\" } }";
    assert!(text.contains(folder));
    let generator = "{ generator = { width_px = 64, height_px = 48 } }";
    fs::write(&file, text.replace(folder, generator)).unwrap();
    bench
}

fn rss(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .unwrap()
        .trim()
        .strip_suffix(" kB")
        .unwrap()
        .parse()
        .unwrap();
    kib / 1024
}
