//! Small models by their real exporters, and what their frameworks answer to a hundred pictures.
//!
//! `models/train/export_families.py` makes them in the environment of `make exporters`, once: they stay
//! in `target/parity` until a script, a version or a picture changes.

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::environment::exporters_python;

pub(crate) const N_PICTURES: usize = 100;
pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// How many of each kind of picture; they have seven sizes and are grey and coloured.
const PICTURES: [(&str, usize); 5] = [
    ("steel-classes", 35),
    ("steel-boxes/images", 25),
    ("weld-boxes/images", 20),
    ("normal-only-screw/test", 10),
    ("normal-only-commutator/test", 10),
];

/// The folder of each family of `names`, in their order; none, said aloud, without exporters.
pub(crate) fn families(names: &[&str]) -> Vec<PathBuf> {
    let Some(python) = exporters_python() else {
        return Vec::new();
    };
    let home = Path::new(ROOT).join("target/parity");
    fs::create_dir_all(&home).unwrap();
    // Tests are processes of their own: the first one makes all families, the others wait.
    let lock = File::create(home.join("lock")).unwrap();
    lock.lock().unwrap();
    let pictures = pictures(&home.join("pictures"));
    let stamp = stamp(&python, &pictures);
    let is_there = |name: &&str| {
        let found = fs::read_to_string(home.join(name).join("stamp"));
        found.is_ok_and(|found| found == stamp)
    };
    if !names.iter().all(is_there) {
        for folder in make(&python, &home, names) {
            fs::write(folder.join("stamp"), &stamp).unwrap();
        }
    }
    drop(lock);
    names.iter().map(|name| home.join(name)).collect()
}

/// Makes all families in one run of Python, or those of `names` where only they are wanted.
fn make(python: &Path, home: &Path, names: &[&str]) -> Vec<PathBuf> {
    let only = if names.iter().all(|name| name.starts_with("ultralytics")) {
        names
    } else {
        &[]
    };
    let n_jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let start = Instant::now();
    // Other tests have deadlines to keep.
    let made = Command::new("nice")
        .arg(python)
        .args(["-W", "ignore", "models/train/export_families.py"])
        .args(["--jobs", &n_jobs.min(4).to_string(), "--pictures"])
        .args([&home.join("pictures"), Path::new("--out"), home])
        .args(only)
        .current_dir(ROOT)
        .env("OMP_NUM_THREADS", "1")
        .env("HF_HUB_OFFLINE", "1")
        .env("YOLO_OFFLINE", "true")
        .env("YOLO_CONFIG_DIR", home)
        .env("PYTHONPATH", Path::new(ROOT).join(".deps/ultralytics"))
        .output()
        .unwrap();
    let failed = String::from_utf8_lossy(&made.stderr);
    assert!(
        made.status.success(),
        "{only:?} could not be made:\n{failed}"
    );
    // Lines of `family: seconds of the processor s`.
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    let times = said.lines().filter(|line| line.ends_with(" s"));
    let families: Vec<_> = times.filter_map(|line| line.split_once(": ")).collect();
    eprintln!(
        "{} families made in {:.0} s: {families:?}",
        families.len(),
        start.elapsed().as_secs_f64()
    );
    families.iter().map(|(name, _)| home.join(name)).collect()
}

/// A hundred real pictures, or, said aloud, the rendered frames of the samples.
fn pictures(folder: &Path) -> Vec<PathBuf> {
    let data = env::var_os("TAKTGATE_DATA")
        .map_or_else(|| Path::new(ROOT).join("../shared/data"), PathBuf::from);
    let mut chosen = Vec::new();
    for (kind, n_pictures) in PICTURES {
        let found = pictures_below(&data.join(kind));
        let step = (found.len() / n_pictures).max(1);
        let of_kind = found.into_iter().step_by(step).take(n_pictures).enumerate();
        // All kinds take turns, for some families look at the first few only.
        chosen.extend(of_kind.map(|(number, path)| (number * 1000 / n_pictures, path)));
    }
    chosen.sort_by_key(|(turn, _)| *turn);
    let mut chosen: Vec<_> = chosen.into_iter().map(|(_, path)| path).collect();
    if chosen.len() < N_PICTURES {
        chosen = ["paint", "stamping", "welding"]
            .iter()
            .flat_map(|scene| {
                pictures_below(&Path::new(ROOT).join("samples").join(scene).join("frames"))
            })
            .collect();
        eprintln!(
            "no real pictures in {}: parity is tried on {} rendered frames instead of {N_PICTURES} photographs",
            data.display(),
            chosen.len()
        );
    }
    let named = chosen.iter().enumerate().map(|(number, path)| {
        let suffix = path.extension().unwrap().to_string_lossy().into_owned();
        (folder.join(format!("{number:03}.{suffix}")), path)
    });
    let named: Vec<_> = named.collect();
    let wanted: BTreeSet<_> = named.iter().map(|(copy, _)| copy.clone()).collect();
    if wanted != pictures_below(folder).into_iter().collect() {
        fs::remove_dir_all(folder).or_else(missing_is_well).unwrap();
        fs::create_dir_all(folder).unwrap();
        for (copy, path) in &named {
            fs::copy(path, copy).unwrap();
        }
    }
    chosen
}

fn missing_is_well(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}

fn pictures_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(pictures_below(&path));
        } else if path
            .extension()
            .is_some_and(|suffix| suffix == "jpg" || suffix == "png")
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What the families were made of: scripts, installed versions, pictures.
fn stamp(python: &Path, pictures: &[PathBuf]) -> String {
    let train = Path::new(ROOT).join("models/train");
    let mut files = vec![
        train.join("export_families.py"),
        train.join("record_golden.py"),
    ];
    for folder in ["exporters", "frameworks"] {
        let entries = fs::read_dir(train.join(folder)).unwrap();
        files.extend(
            entries
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.is_file()),
        );
    }
    files.push(python.ancestors().nth(2).unwrap().join("stamp"));
    files.sort();
    let mut stamp = String::new();
    for file in files {
        let text = fs::read(&file).unwrap();
        writeln!(stamp, "{} {:x}", file.display(), crc(&text)).unwrap();
    }
    for picture in pictures {
        writeln!(stamp, "{}", picture.display()).unwrap();
    }
    stamp
}

/// Tells changed files apart; nobody forges them here.
fn crc(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
