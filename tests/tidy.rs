//! Holds the house's rules: arrows point down, each outside crate has one room, files stay small.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

/// From the top to the ground; a room names only rooms below its own line.
const ROOMS: [&str; 20] = [
    "app",
    "web",
    "line",
    "station",
    "evaluate",
    "teach",
    "calibrate",
    "inspect",
    "source",
    "publish",
    "record",
    "model",
    "vision",
    "page",
    "judge",
    "gate",
    "calibration",
    "recipe",
    "config",
    "domain",
];

/// The only room that may name each of these crates.
const CRATES: [(&str, &str); 30] = [
    ("anstream", "app"),
    ("aravis", "source"),
    ("axum", "web"),
    ("base64", "page"),
    ("clap", "app"),
    ("comfy_table", "app"),
    ("crc", "publish"),
    ("csv", "evaluate"),
    ("fs4", "record"),
    ("half", "model"),
    ("hyper", "web"),
    ("hyper_util", "web"),
    ("image", "vision"),
    ("indicatif", "app"),
    ("maud", "page"),
    ("nokhwa", "source"),
    ("opencv", "vision"),
    ("ort", "model"),
    ("owo_colors", "app"),
    ("prometheus_client", "web"),
    ("prost", "publish"),
    ("rlimit", "model"),
    ("roxmltree", "evaluate"),
    ("rumqttc", "publish"),
    ("rusqlite", "record"),
    ("rustls", "publish"),
    ("rxing", "vision"),
    ("safetensors", "model"),
    ("sd_notify", "app"),
    ("v4l", "source"),
];

/// What the rooms of layers 0 and 1 may not do: they get time and text as arguments.
const GROUND_ROOMS: [&str; 6] = ["judge", "gate", "calibration", "recipe", "config", "domain"];
const FORBIDDEN_ON_THE_GROUND: [&str; 7] = [
    "Instant::now",
    "Timestamp::now",
    "SystemTime",
    "std::fs",
    "std::net",
    "std::thread",
    "std::env",
];

const CODE_LINES_MAX: usize = 400;

struct Source {
    path: PathBuf,
    room: String,
    /// Without tests, comments and blank lines.
    code: Vec<String>,
    text: String,
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(read(&path));
            }
        }
    }
    assert!(
        60 < found.len(),
        "only {} files found: is the path right?",
        found.len()
    );
    found
}

fn read(path: &Path) -> Source {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let below = path.strip_prefix(root).unwrap().to_owned();
    let first = below
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_str()
        .unwrap();
    let room = match first.trim_end_matches(".rs") {
        "main" => "app",
        room => room,
    };
    let text = fs::read_to_string(path).unwrap();
    let is_test_file = below
        .file_stem()
        .is_some_and(|stem| stem == "tests" || stem == "testing");
    let code = text
        .lines()
        .take_while(|line| !is_test_file && !line.starts_with("#[cfg(test)]\nmod"))
        .scan(false, |in_tests, line| {
            *in_tests |= line == "mod tests {";
            (!*in_tests).then(|| line.to_owned())
        })
        .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//"))
        .collect();
    Source {
        room: room.to_owned(),
        path: below,
        code,
        text,
    }
}

/// Whether `line` names `path` as a whole word followed by `::`.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(&format!("{path}::")).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

fn check(rule: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}

#[test]
fn a_room_names_only_rooms_below_it() {
    let mut faults = Vec::new();
    for source in sources() {
        let Some(level) = ROOMS.iter().position(|room| *room == source.room) else {
            assert_eq!(
                source.room,
                "lib",
                "{}: a room without a place in the house",
                source.path.display()
            );
            continue;
        };
        for line in &source.code {
            for above in &ROOMS[..level] {
                let path = [format!("crate::{above}"), format!("taktgate::{above}")];
                if path
                    .iter()
                    .any(|path| names(line, path) || line.contains(&format!("use {path};")))
                {
                    faults.push(format!("{}: {}", source.path.display(), line.trim()));
                }
            }
        }
    }
    check("arrows point down", &faults);
}

#[test]
fn each_outside_crate_has_one_room() {
    let mut faults = Vec::new();
    for source in sources() {
        for (name, room) in CRATES {
            let lines = source
                .code
                .iter()
                .filter(|line| source.room != room && names(line, name));
            faults.extend(lines.map(|line| format!("{}: {}", source.path.display(), line.trim())));
        }
    }
    check("each outside crate has one room", &faults);
}

#[test]
fn schemas_stay_with_the_wire_forms() {
    let faults: Vec<_> = sources()
        .into_iter()
        .filter(|source| !["publish", "record"].contains(&source.room.as_str()))
        .filter(|source| source.code.iter().any(|line| names(line, "schemars")))
        .map(|source| source.path.display().to_string())
        .collect();
    check("only publish/ and record/ name schemars", &faults);
}

#[test]
fn the_ground_reads_no_clock_and_does_no_io() {
    let mut faults = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| GROUND_ROOMS.contains(&source.room.as_str()))
    {
        for line in &source.code {
            if let Some(word) = FORBIDDEN_ON_THE_GROUND
                .iter()
                .find(|word| line.contains(**word))
            {
                faults.push(format!("{}: {word}", source.path.display()));
            }
        }
    }
    check("layers 0 and 1 do no I/O and read no clock", &faults);
}

#[test]
fn nouns_have_no_serde() {
    let nouns = sources()
        .into_iter()
        .filter(|source| source.room == "domain");
    let faults: Vec<_> = nouns
        .filter(|source| source.code.iter().any(|line| line.contains("serde")))
        .map(|source| source.path.display().to_string())
        .collect();
    check("domain types have no wire form", &faults);
}

#[test]
fn files_say_what_lives_there_and_stay_small() {
    let mut faults = Vec::new();
    for source in sources() {
        if !source.text.starts_with("//! ") {
            faults.push(format!(
                "{} does not open with `//! `",
                source.path.display()
            ));
        }
        if CODE_LINES_MAX < source.code.len() {
            faults.push(format!(
                "{} has {} lines of code",
                source.path.display(),
                source.code.len()
            ));
        }
    }
    check(
        "files open with what lives there and have at most 400 lines of code",
        &faults,
    );
}

#[test]
fn files_as_written_refuse_unknown_keys() {
    let mut faults = Vec::new();
    for source in sources() {
        let lines: Vec<&String> = source.code.iter().collect();
        for (index, line) in lines.iter().enumerate() {
            let is_file = line.contains("struct ") && line.trim_end().ends_with("File {");
            let attributes = &lines[index.saturating_sub(3)..index];
            let is_read = attributes.iter().any(|line| line.contains("Deserialize"));
            if is_file
                && is_read
                && !attributes
                    .iter()
                    .any(|line| line.contains("deny_unknown_fields"))
            {
                faults.push(format!("{}: {}", source.path.display(), line.trim()));
            }
        }
    }
    check("a mistyped key is an error", &faults);
}
