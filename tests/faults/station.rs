//! What happens to the station itself: killed, its disk, its clock, its camera, its model.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::time::Duration;

use crate::bench::{Bench, Disk, Row, Scale, as_seen, as_seen_or, is_for, refuses_to_start};
use crate::house::{Settings, taktgate};
use crate::proxy::pause;

pub(crate) fn killed(scale: Scale) -> Row {
    let mut bench = Bench::new(&Settings::default());
    let n_times = scale.of(5, 200);
    // Spread over the life of a part by a count, not by chance: the next run fails at the same place.
    for round in 0..n_times {
        bench.announce("good");
        bench.announce("bad");
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

/// A station that goes on until a record does not fit: the guard before that has tests of its own.
fn small_disk() -> Settings {
    Settings {
        storage: "warn_free_mb = 3\nimages_free_mb = 2\nstop_free_mb = 1\nwhen_full = \"go_on\"",
        ..Settings::default()
    }
}

pub(crate) fn disk_full(scale: Scale) -> Row {
    let mut bench = Bench::stopped(&small_disk());
    let data = bench.house.path("data");
    let Some(disk) = Disk::mount(data.clone(), "6m") else {
        return Row::default();
    };
    bench.start();
    let n_times = scale.of(1, 10);
    let filler = data.join("filler");
    let mut n_before = 0;
    for _ in 0..n_times {
        bench.one_by_one(3);
        fill(&filler);
        // Good parts cannot be proved any more, so they do not pass.
        for _ in 0..3 {
            bench.announce("good");
            n_before += 1;
        }
        bench.wait_for_storage(n_before);
        fs::remove_file(&filler).unwrap();
        bench.one_by_one(3);
    }
    let correct =
        "`storage`, whatever was found; records before it stay; goes on when there is room";
    let row = bench.account("disk full", correct, n_times, as_seen_or("storage"));
    drop(disk);
    row.all_answered()
}

/// Takes all the room that is left.
fn fill(path: &std::path::Path) {
    let mut file = fs::File::create(path).unwrap();
    let mut piece = vec![0xAA; 64 * 1024];
    while !piece.is_empty() {
        while file.write_all(&piece).is_ok() {}
        piece.truncate(piece.len() / 2);
    }
}

pub(crate) fn disk_read_only(scale: Scale) -> Row {
    let mut bench = Bench::stopped(&small_disk());
    let Some(disk) = Disk::mount(bench.house.path("data"), "16m") else {
        return Row::default();
    };
    bench.start();
    let n_times = scale.of(1, 10);
    for round in 0..n_times {
        bench.one_by_one(2);
        bench.kill("-TERM");
        disk.remount("ro");
        let (code, said) = refuses_to_start(&bench.house);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("data"), "{said}");
        disk.remount("rw");
        bench.start();
        bench.one_by_one(2 + round % 2);
    }
    let correct = "does not start, says where; nothing that was there is changed";
    let row = bench.account("read-only disk", correct, n_times, as_seen);
    drop(disk);
    row.all_answered()
}

pub(crate) fn damaged_page(scale: Scale) -> Row {
    let mut bench = Bench::new(&Settings::default());
    let n_times = scale.of(2, 10);
    let path = bench.house.path("data/records.sqlite");
    for round in 0..n_times {
        bench.one_by_one(12);
        bench.kill("-TERM");
        let offset = 4_096 * u64::from(1 + round % 4);
        let before = overwrite(&path, offset, &[0xA5; 4_096]);
        let damaged = fs::read(&path).unwrap();
        let (code, said) = refuses_to_start(&bench.house);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("records.sqlite"), "{said}");
        assert_eq!(fs::read(&path).unwrap(), damaged, "evidence was touched");
        overwrite(&path, offset, &before);
        bench.start();
    }
    bench.one_by_one(2);
    let correct = "does not start, names the file, touches nothing; goes on with a good copy";
    let row = bench.account("a page of the database damaged", correct, n_times, as_seen);
    row.all_answered()
}

/// Writes over a part of a file; returns what was there.
fn overwrite(path: &std::path::Path, offset: u64, bytes: &[u8]) -> Vec<u8> {
    let mut file = fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut before = vec![0; bytes.len()];
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.read_exact(&mut before).unwrap();
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.write_all(bytes).unwrap();
    before
}

pub(crate) fn clock_stepped(scale: Scale) -> Row {
    let mut bench = Bench::stopped(&Settings::default());
    let Some(library) = fake_time() else {
        return Row::default();
    };
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
    let n_times = scale.of(4, 40);
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
    let correct = "no verdict changes; said on `event` and in the verdict";
    let row = bench.account(
        "wall clock set by years and hours",
        correct,
        n_times,
        as_seen,
    );
    row.all_answered()
}

fn fake_time() -> Option<std::path::PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
    let mut found = folders
        .iter()
        .map(|folder| std::path::Path::new(folder).join("faketime/libfaketime.so.1"));
    let found = found.find(|path| path.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: libfaketime is not installed; `make setup` brings it");
    }
    found
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
