//! A folder of its own to work in, with the stations that a test needs, and the real binary run there.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};

use image::{GrayImage, ImageFormat, Luma};
use insta::internals::SettingsBindDropGuard;
use tempfile::TempDir;

pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A station with one camera that reads a folder and the model `anomaly` of `tests/models`.
pub(crate) const STATION: &str = r#"schema = 1
station = "st-07"
recipes = ["recipe.toml"]
models = "../models"
calibrations = "calibration"
data = "data"

[mqtt]
broker = "embedded"
enterprise = "acme"
site = "hand-1"
area = "press"
line = "line-1"

[[cameras]]
name = "cam-1"
source = { folder = { path = "frames", order = "again" } }
"#;

/// What the machine of a test has left on its disk is none of its business.
const STORAGE: &str = "[storage]\nwarn_free_mb = 3\nimages_free_mb = 2\nstop_free_mb = 1\n";

/// Judges what [`picture`] draws: a square below 0.5 is nothing, below 0.9 it is doubtful.
pub(crate) const RECIPE: &str = r#"schema = 1
part_type = "bracket"
revision = 3

[[views]]
name = "top"
camera = "cam-1"
model = "anomaly/1.0.0"

[[views.zones]]
name = "all"

[views.zones.limits."*"]
score_doubtful = 0.5
score_reject = 0.9
"#;

/// For frames of 64 x 48 px at 0.5 mm a pixel, valid for as long as this program lives.
pub(crate) const CALIBRATION: &str = r#"schema = 1
camera = "cam-1"
made_at_utc = "2020-01-01T00:00:00Z"
valid_until_utc = "2999-01-01T00:00:00Z"
image_size_px = [64, 48]
camera_matrix_px = [[100.0, 0.0, 31.5], [0.0, 100.0, 23.5], [0.0, 0.0, 1.0]]
distortion = [0.0, 0.0, 0.0, 0.0, 0.0]
plane = "bracket surface"
mm_from_px = [[0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 1.0]]
reprojection_error_rms_px = 0.1
board = "chessboard 9 x 6, 10 mm"
"#;

/// What differs from run to run and from machine to machine. Tables lose their padding, which
/// follows the figures in them.
const FILTERS: [(&str, &str); 21] = [
    (r"\b[0-9a-f]{64}\b", "[SHA256]"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*Z", "[TIME]"),
    (r" +\d+(\.\d+)? ms\b", " [MS] ms"),
    (r"\(\d+\.\d+ to \d+\.\d+\)", "([MIN] to [MAX])"),
    (r"within \d\.\de-?\d+", "within [DIFFERENCE]"),
    (r#""latency_ms":[\d.]+"#, r#""latency_ms":[MS]"#),
    (r#""(max|median|p95)":[\d.e-]+"#, r#""$1":[MS]"#),
    (r"\d+\.\d / \d+\.\d / \d+\.\d", "[MS]"),
    (r"┆ +\d+\.\d ", "┆ [MS] "),
    (r#"_difference":[\d.e-]+"#, r#"_difference":[DIFFERENCE]"#),
    (r#""after_ms":[\d.e-]+"#, r#""after_ms":[MS]"#),
    (r"\bP[0-9a-f]*-\d+ +", "[PART] "),
    (r"\bP[0-9a-f]*-\d+\b", "[PART]"),
    (r"(port|pid)=\d+", "$1=[NUMBER]"),
    (
        r"last words: .*(Address already in use)",
        "last words: [..] $1",
    ),
    (r"\d+\.\d+ px rms", "[RMS] px rms"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:[PORT]"),
    (r"on port \d+", "on port [PORT]"),
    (r"─+", "─"),
    (r"═+", "═"),
    (r" +([┆│])", " $1"),
];

/// Filters snapshots as long as it is kept; a scene brings it along.
pub(crate) fn filters() -> SettingsBindDropGuard {
    let mut settings = insta::Settings::clone_current();
    for (from, to) in FILTERS {
        settings.add_filter(from, to);
    }
    settings.bind_to_scope()
}

pub(crate) struct Scene {
    folder: TempDir,
    _filters: SettingsBindDropGuard,
}

impl Scene {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            _filters: filters(),
        }
    }

    /// With the station `st-07`, whose frames are a good, a bad and a doubtful part.
    pub(crate) fn with_station() -> Self {
        let scene = Self::new();
        scene.package("anomaly");
        scene.write("st-07/station.toml", format!("{STATION}\n{STORAGE}"));
        scene.write("st-07/recipe.toml", RECIPE);
        scene.write("st-07/calibration/cam-1.toml", CALIBRATION);
        scene.write("st-07/frames/1-good.png", png(&picture(0)));
        scene.write("st-07/frames/2-bad.png", png(&picture(255)));
        scene.write("st-07/frames/3-doubtful.png", png(&picture(204)));
        scene
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub(crate) fn write(&self, below: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap()
    }

    /// Makes a mistake in a file.
    pub(crate) fn replace(&self, below: &str, from: &str, to: &str) {
        let text = self.read(below);
        assert!(text.contains(from), "{below} has no `{from}`");
        self.write(below, text.replace(from, to));
    }

    /// Copies a package of `tests/models` to where a station looks for it.
    pub(crate) fn package(&self, name: &str) {
        let from = Path::new(ROOT).join("tests/models").join(name);
        copy(&from, &self.path(&format!("models/{name}/1.0.0")));
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taktgate"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .env("NO_COLOR", "1");
        for variable in ["TAKTGATE_LOG", "COLUMNS", "CLICOLOR_FORCE"] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs the binary in the folder: status, standard output and standard error.
    pub(crate) fn taktgate(&self, args: &[&str]) -> String {
        self.told(&mut self.command(args))
    }

    /// Runs a command to its end.
    pub(crate) fn told(&self, command: &mut Command) -> String {
        let output = command.output().unwrap();
        self.text(
            output.status,
            &String::from_utf8(output.stdout).unwrap(),
            &String::from_utf8(output.stderr).unwrap(),
        )
    }

    fn text(&self, status: ExitStatus, out: &str, err: &str) -> String {
        let status = status
            .code()
            .map_or_else(|| status.to_string(), |code| format!("exit {code}"));
        let mut text = status;
        for (name, stream) in [("stdout", out), ("stderr", err)] {
            if !stream.is_empty() {
                text = format!("{text}\n--- {name}\n{}", stream.trim_end());
            }
        }
        text.replace(&self.folder.path().display().to_string(), "[DIR]")
            .replace(ROOT, "[ROOT]")
    }

    /// Starts the binary and leaves it running.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        let mut child = self
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running {
            out: BufReader::new(child.stdout.take().unwrap()),
            err: child.stderr.take().unwrap(),
            said: String::new(),
            child,
        }
    }
}

/// A process of ours; it does not outlive the test.
pub(crate) struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    err: ChildStderr,
    said: String,
}

impl Running {
    /// The next line of its standard output.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.out.read_line(&mut line).unwrap(), 0, "it said nothing");
        self.said.push_str(&line);
        line.trim_end().to_owned()
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn terminate(mut self, scene: &Scene) -> String {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(asked.success());
        let mut out = std::mem::take(&mut self.said);
        self.out.read_to_string(&mut out).unwrap();
        let mut err = String::new();
        self.err.read_to_string(&mut err).unwrap();
        scene.text(self.child.wait().unwrap(), &out, &err)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // What has ended already needs no end.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// A textured part of 64 x 48 px with a square of 24 x 16 px in its middle.
pub(crate) fn picture(square: u8) -> GrayImage {
    GrayImage::from_fn(64, 48, |x, y| {
        let is_inside = (20..44).contains(&x) && (16..32).contains(&y);
        let texture = u8::try_from((x * 7 + y * 13) % 32).unwrap();
        Luma([if is_inside { square } else { 20 + texture }])
    })
}

pub(crate) fn png(picture: &GrayImage) -> Vec<u8> {
    file(picture, ImageFormat::Png)
}

pub(crate) fn file(picture: &GrayImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}
