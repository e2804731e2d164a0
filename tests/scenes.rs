//! Every scene in `samples/` as a user replays it: against its expected verdicts, and against its truth.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::indexing_slicing, reason = "a test may panic")]
#![expect(clippy::panic, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

struct Scene {
    folder: PathBuf,
    lines: Vec<Value>,
    said: String,
    is_expected: bool,
}

fn replay(name: &str) -> Scene {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("samples")
        .join(name);
    let out = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_taktgate"))
        .arg("replay")
        .arg(&folder)
        .args(["--no-pictures", "--expect"])
        .arg(folder.join("expected.jsonl"))
        .arg("--out")
        .arg(out.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let lines = fs::read_to_string(out.path().join("verdicts.jsonl"))
        .unwrap_or_else(|error| panic!("{error}: {said}"));
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    Scene {
        folder,
        lines,
        said,
        is_expected: output.status.success(),
    }
}

/// What is known to go wrong on the shipped frames; an honest list, which may only get shorter.
fn check(name: &str, missed: &[&str], overkill: &[&str]) {
    let scene = replay(name);
    assert!(scene.is_expected, "{name}: {}", scene.said);
    let truth = fs::read_to_string(scene.folder.join("truth.toml")).unwrap();
    let truth: toml::Table = toml::from_str(&truth).unwrap();
    let frames = truth["frames"].as_array().unwrap();
    assert_eq!(frames.len(), scene.lines.len());
    assert!(frames.len() >= 12, "a scene has at least 12 frames");
    let (mut found_missed, mut found_overkill) = (Vec::new(), Vec::new());
    for (frame, line) in frames.iter().zip(&scene.lines) {
        let picture = line["picture"].as_str().unwrap();
        assert!(
            frame["frame"].as_str().unwrap().ends_with(picture),
            "{picture}"
        );
        let defects: BTreeSet<&str> = frame["defects"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .collect();
        let is_ok = line["verdict"] == "ok";
        if is_ok && !defects.is_empty() {
            found_missed.push(picture);
        }
        if !is_ok && defects.is_empty() {
            found_overkill.push(picture);
        }
    }
    assert_eq!(
        (found_missed.as_slice(), found_overkill.as_slice()),
        (missed, overkill),
        "{name}"
    );
}

#[test]
fn stamping_finds_its_defects_and_passes_its_good_parts() {
    check("stamping", &[], &[]);
}

#[test]
fn welding_finds_its_defects_and_passes_its_good_parts() {
    check("welding", &[], &[]);
}

#[test]
fn paint_passes_its_good_parts_and_finds_most_defects() {
    // The first model misses thin scratches and weak runs; its card says how often.
    check("paint", &["06.jpg", "08.jpg"], &[]);
}
