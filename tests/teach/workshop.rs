//! Pictures of parts, drawn or cut from the samples, and the real binary that is taught with them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::{GrayImage, Luma, imageops};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const SIDE: u32 = 256;

/// A folder of its own, and a cache in it.
pub(crate) struct Workshop {
    folder: TempDir,
}

/// What a run of the binary said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}\n{}\n{}", self.code, self.stdout, self.stderr)
    }
}

impl Workshop {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taktgate"));
        command.current_dir(self.folder.path()).args(args);
        command
    }

    pub(crate) fn taktgate(&self, args: &[&str]) -> Said {
        said(self.command(args).output().unwrap())
    }

    /// Teaches at a small input, so that a run takes a second.
    pub(crate) fn teach(&self, args: &[&str]) -> Said {
        self.taktgate(&teach_args(args))
    }

    /// Writes a picture.
    pub(crate) fn write(&self, below: &str, picture: &GrayImage) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture.save(path).unwrap();
    }

    /// Good parts `good/00.png` and on, in a fixture: they lie within two pixels of one place.
    pub(crate) fn good_parts(&self, n_parts: u32) {
        for number in 0..n_parts {
            self.write(&format!("good/{number:02}.png"), &part(number, (0, 0)));
        }
    }
}

/// The arguments of a run on the shipped backbone, fast where `args` name no size.
pub(crate) fn teach_args<'a>(args: &[&'a str]) -> Vec<&'a str> {
    let backbone = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/models/backbones/efficientnet-lite0/1.0.0"
    );
    let fixed = ["teach", "good", "--name", "bracket", "--backbone", backbone];
    let size = if args.contains(&"--size") {
        &[][..]
    } else {
        &["--size", "128x128"]
    };
    [&fixed, size, args].concat()
}

fn said(output: Output) -> Said {
    Said {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Numbers from 0 to 1 that are the same in each run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn of(seed: u32) -> Self {
        Self(u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> f64 {
        // Marsaglia's xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A bracket with four holes and a brushed face, its light, place and grain by `seed`, moved by whole pixels.
pub(crate) fn part(seed: u32, moved: (i32, i32)) -> GrayImage {
    let mut dice = Dice::of(seed + 1);
    let light = 0.96 + 0.08 * dice.next();
    let lies = [dice.next() * 5.0 - 2.5, dice.next() * 5.0 - 2.5];
    let radius = 17.0 + 2.0 * dice.next();
    GrayImage::from_fn(SIDE, SIDE, |x, y| {
        let x = f64::from(x) - f64::from(moved.0) - lies[0] - 128.0;
        let y = f64::from(y) - f64::from(moved.1) - lies[1] - 128.0;
        let is_hole = (x.abs() - 56.0).hypot(y.abs() - 40.0) < radius;
        let level = if x.abs() < 94.0 && y.abs() < 74.0 && !is_hole {
            165.0 + 9.0 * (y * 1.3).sin() + 5.0 * (x * 0.04).cos()
        } else {
            70.0 + y * 0.1
        };
        Luma([(level * light + dice.next() * 12.0 - 6.0) as u8])
    })
}

/// The part with a dent beside the middle.
pub(crate) fn dented(seed: u32) -> GrayImage {
    let mut picture = part(seed, (0, 0));
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let distance = (f64::from(x) - 134.0).hypot(f64::from(y) - 128.0);
        if distance < 16.0 {
            pixel.0[0] = (f64::from(pixel.0[0]) * (0.3 + distance / 40.0)) as u8;
        }
    }
    picture
}

/// Real pictures, or `None`, said aloud, where there are none.
pub(crate) fn real(set: &str) -> Option<PathBuf> {
    let root = std::env::var_os("TAKTGATE_DATA")
        .map_or_else(|| Path::new(ROOT).join("../shared/data"), PathBuf::from);
    let folder = root.join(set);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no real pictures in `{}`", folder.display());
    None
}

/// Squares of good surface, cut from the stamping samples.
pub(crate) fn surfaces() -> Vec<GrayImage> {
    let samples = Path::new(ROOT).join("samples/stamping");
    let mut good = Vec::new();
    // Frames in turn good and bad.
    for number in (1..=12).step_by(2) {
        let frame = image::open(samples.join(format!("frames/{number:02}.jpg"))).unwrap();
        let truth = image::open(samples.join(format!("truth/{number:02}.png"))).unwrap();
        assert!(truth.to_luma8().pixels().all(|pixel| pixel.0[0] == 0));
        let frame = frame.to_luma8();
        for (left, top) in (0..4).flat_map(|column| (0..3).map(move |row| (column, row))) {
            let square = imageops::crop_imm(&frame, left * 256, top * 256, 256, 256);
            good.push(square.to_image());
        }
    }
    good
}

/// The picture with a scratch, 70 px long and 3 px wide, across its middle: dark where the surface is
/// bright, and bright in the shadow, where half of nearly nothing would be no scratch.
pub(crate) fn scratched(picture: &GrayImage) -> GrayImage {
    let mut picture = picture.clone();
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let (x, y) = (f64::from(x) - 128.0, f64::from(y) - 128.0);
        let (along, across) = (0.8 * x + 0.6 * y, 0.8 * y - 0.6 * x);
        if along.abs() < 35.0 && across.abs() < 1.5 {
            let level = pixel.0[0];
            pixel.0[0] = if level < 40 { level + 40 } else { level / 2 };
        }
    }
    picture
}

/// What a station that `init` made for the package says of the pictures in a folder, a line each.
pub(crate) fn verdicts(shop: &Workshop, recipe: &str, folder: &str) -> Vec<Value> {
    let station = format!("st-{folder}");
    let said = shop.taktgate(&["init", &station, "--model", "models/bracket/1.0.0"]);
    assert_eq!(said.code, Some(0), "{said}");
    fs::write(shop.path(&station).join("recipe.toml"), recipe).unwrap();
    let replay = [
        "replay",
        &station,
        "--images",
        folder,
        "--mm-per-px",
        "0.1",
        "--no-pictures",
    ];
    let said = shop.taktgate(&[&replay[..], &["--json", "--out", "replayed"]].concat());
    assert_eq!(said.code, Some(0), "{said}");
    let lines = fs::read_to_string(shop.path("replayed/verdicts.jsonl")).unwrap();
    let read = |line: &str| serde_json::from_str(line).unwrap();
    lines.lines().map(read).collect()
}

/// Every `step`th picture of a folder and those below it, `n_max` of them.
pub(crate) fn pictures(from: &Path, (skip, step, n_max): (usize, usize, usize)) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![from.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let ending = path.extension().map(OsStr::to_ascii_lowercase);
            if path.is_dir() {
                folders.push(path);
            } else if ending.is_some_and(|ending| ending == "png" || ending == "jpg") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
        .into_iter()
        .skip(skip)
        .step_by(step)
        .take(n_max)
        .collect()
}

/// Copies them.
pub(crate) fn take(shop: &Workshop, from: &Path, to: &str, which: (usize, usize, usize)) {
    let folder = shop.path(to);
    fs::create_dir_all(&folder).unwrap();
    for picture in pictures(from, which) {
        let kind = picture.parent().unwrap().file_name().unwrap();
        let name = picture.file_name().unwrap().to_string_lossy();
        fs::copy(
            &picture,
            folder.join(format!("{}-{name}", kind.to_string_lossy())),
        )
        .unwrap();
    }
}
