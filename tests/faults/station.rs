//! What happens to the station itself: killed, told to stop, its clock, its camera, its model.

use std::fs;
use std::time::Duration;

use crate::account::{Row, as_seen, as_seen_or, is_for};
use crate::bench::{Bench, Scale};
use crate::house::{Settings, taktgate};
use crate::proxy::pause;

pub(crate) fn killed(scale: Scale) -> Row {
    let mut bench = Bench::new(&Settings::default());
    let n_times = scale.of(5, 200);
    // Spread over the life of a part by a count, not by chance: the next run fails at the same place.
    for round in 0..n_times {
        bench.announce_cut_off("good");
        bench.announce_cut_off("bad");
        pause(Duration::from_micros(u64::from(round * 7_919 % 40_000)));
        bench.kill("-KILL");
        bench.start();
        bench.one_by_one(1);
    }
    let correct =
        "what was said is recorded; what was recorded is delivered; nothing is said twice";
    let row = bench.account("station killed (-9)", correct, n_times, as_seen);
    row.nothing_lost()
}

/// What the camera gives comes after the signal, or not at all.
pub(crate) fn told_to_stop_with_a_part_open(scale: Scale) -> Row {
    let mut bench = Bench::new(&Settings {
        deadline_ms: 2_000,
        ..Settings::default()
    });
    let n_times = scale.of(2, 20);
    for round in 0..n_times {
        bench.one_by_one(1);
        bench.house.hold("good");
        bench.announce("good");
        let open = bench.last();
        // The broker has the trigger; the station has it a moment later.
        pause(Duration::from_millis(100));
        let mut running = bench.running.take().unwrap();
        running.signal("-TERM");
        pause(Duration::from_millis(100));
        // It takes no part any more, and need not say so.
        bench.announce_cut_off("bad");
        let comes = round % 2 == 0;
        if comes {
            bench.house.restore("good");
        }
        let verdict = bench.wait_for_verdict(open);
        let expected = if comes { "ok" } else { "indeterminate" };
        assert_eq!(verdict["verdict"], expected, "{verdict}");
        let status = running.wait();
        assert!(status.success(), "{status}: {}", running.log());
        bench.house.restore("good");
        bench.start();
    }
    bench.one_by_one(1);
    let correct =
        "the part is answered, by its deadline at the latest; its record is stored and delivered";
    let fault = "told to stop (SIGTERM) with a part open";
    let is_right = |part: &str, verdict: &serde_json::Value| {
        as_seen_or("deadline")(part, verdict) || is_for("not_ready")(part, verdict)
    };
    let row = bench.account(fault, correct, n_times, is_right);
    row.nothing_lost()
}

pub(crate) fn clock_stepped(scale: Scale) -> Row {
    const FAULT: &str = "wall clock set by years and hours";
    const CORRECT: &str = "no verdict changes; said on `event` and in the verdict";
    let Some(library) = fake_time() else {
        return Row::skipped(FAULT, CORRECT, "no libfaketime; `make setup` brings it");
    };
    let mut bench = Bench::stopped(&Settings::default());
    let offset = bench.house.path("offset");
    fs::write(&offset, "+0s").unwrap();
    let mut command = taktgate();
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", &offset)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1");
    bench.running = Some(bench.house.run_with(&mut command));
    bench.wait_for_state("continuous_execution");
    // So many events of one kind go out at once.
    let n_times = scale.of(4, 20);
    for round in 0..n_times {
        // A calibration of the house is valid until the year 2100: a hundred years more is past that.
        let to = ["+100y", "-20y", "+1h", "+0s"][round as usize % 4];
        bench.house.hold("good");
        bench.announce("good");
        pause(Duration::from_millis(100));
        fs::write(&offset, to).unwrap();
        bench.house.restore("good");
        let verdict = bench.wait_for_last();
        bench.wait_for_event("clock_stepped");
        assert_ne!(
            verdict["clock_stepped_s"],
            serde_json::Value::Null,
            "{verdict}"
        );
        bench.one_by_one(2);
    }
    bench
        .account(FAULT, CORRECT, n_times, as_seen)
        .all_answered()
}

fn fake_time() -> Option<std::path::PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
    let mut found = folders
        .iter()
        .map(|folder| std::path::Path::new(folder).join("faketime/libfaketime.so.1"));
    found.find(|path| path.is_file())
}

pub(crate) fn camera_hangs(scale: Scale) -> Row {
    let mut bench = Bench::new(&Settings {
        deadline_ms: 1_000,
        ..Settings::default()
    });
    let n_times = scale.of(1, 3);
    for _ in 0..n_times {
        bench.one_by_one(2);
        bench.house.hold("good");
        bench.announce("good");
        assert_eq!(bench.wait_for_last()["reason"], "deadline");
        bench.wait_for_state("error");
        bench.announce("bad");
        assert_eq!(bench.wait_for_last()["reason"], "not_ready");
        bench.house.restore("good");
        bench.wait_for_state("continuous_execution");
        bench.one_by_one(2);
    }
    let correct =
        "`deadline` in time; the thread is given up, `not_ready` until a new one is tested";
    let is_right = |part: &str, verdict: &serde_json::Value| {
        as_seen_or("deadline")(part, verdict) || is_for("not_ready")(part, verdict)
    };
    let row = bench.account("hung camera", correct, n_times, is_right);
    row.all_answered()
}

pub(crate) fn camera_vanishes(scale: Scale) -> Row {
    let mut bench = Bench::new(&Settings::default());
    let n_times = scale.of(3, 50);
    let (frames, away) = (bench.house.path("frames"), bench.house.path("away"));
    for _ in 0..n_times {
        bench.one_by_one(2);
        fs::rename(&frames, &away).unwrap();
        bench.announce("good");
        bench.wait_for_last();
        fs::rename(&away, &frames).unwrap();
    }
    bench.one_by_one(2);
    let correct = "`no_frame`; goes on when it is back";
    let row = bench.account("vanished camera", correct, n_times, as_seen_or("no_frame"));
    row.all_answered()
}

pub(crate) fn model_gives_nan(scale: Scale) -> Row {
    model("NaN from the model", "nan-when-bright", scale)
}

pub(crate) fn model_fails(scale: Scale) -> Row {
    model("a model whose run fails", "fails-when-bright", scale)
}

/// A model that works on dark pictures, as its golden vectors show, and not on bright ones.
fn model(fault: &'static str, model: &'static str, scale: Scale) -> Row {
    let mut bench = Bench::new(&Settings {
        model,
        ..Settings::default()
    });
    let n_times = scale.of(3, 50);
    for _ in 0..n_times {
        bench.one_by_one(3);
    }
    let correct = "`model` for that part, and no finding is made up; the next part is judged";
    let is_right = |part: &str, verdict: &serde_json::Value| match part {
        "bad" => is_for("model")(part, verdict),
        _ => as_seen(part, verdict),
    };
    bench
        .account(fault, correct, n_times, is_right)
        .all_answered()
}

pub(crate) fn model_blocks(scale: Scale) -> Row {
    let mut bench = Bench::new(&Settings {
        deadline_ms: 1_000,
        model: "blocks-when-bright",
        ..Settings::default()
    });
    let n_times = scale.of(1, 3);
    for _ in 0..n_times {
        bench.announce("good");
        assert_eq!(bench.wait_for_last()["verdict"], "ok");
        bench.announce("bad");
        assert_eq!(bench.wait_for_last()["reason"], "deadline");
        bench.wait_for_state("error");
        bench.wait_for_state("continuous_execution");
        bench.announce("good");
        assert_eq!(bench.wait_for_last()["verdict"], "ok");
    }
    let correct = "`deadline` in time; the thread is given up, a new one is tested and goes on";
    let row = bench.account(
        "a model that never comes back",
        correct,
        n_times,
        as_seen_or("deadline"),
    );
    row.all_answered()
}
