//! A station folder, the real binary, a real mosquitto and an independent reader.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use taktgate::domain::{Frame, PixelFormat, SizePx};
use taktgate::publish::{Broker, BrokerSettings};
use taktgate::record::RecordReader;
use taktgate::vision::encode_png;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);
const PREFIX: &str = "taktgate/acme/site/area/line/st";

/// What the machine of a test has left is none of its business.
pub(crate) const SMALLEST: &str = "warn_free_mb = 3\nimages_free_mb = 2\nstop_free_mb = 1\n";

/// Limits and deadlines that a test sets for itself.
pub(crate) struct Settings {
    pub(crate) deadline_ms: u64,
    pub(crate) open_parts_max: usize,
    pub(crate) model: &'static str,
    /// Whether the broker keeps sessions and messages over a restart.
    pub(crate) is_broker_persistent: bool,
    /// More lines of the broker's configuration, in a folder that is there already.
    pub(crate) broker_lines: fn(&Path) -> Vec<String>,
    /// `[storage]` of the station file.
    pub(crate) storage: &'static str,
    /// What the station file says beside that.
    pub(crate) more: &'static str,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            deadline_ms: 20_000,
            open_parts_max: 4,
            model: "segment",
            is_broker_persistent: true,
            broker_lines: |_| Vec::new(),
            storage: SMALLEST,
            more: "",
        }
    }
}

pub(crate) struct House {
    pub(crate) folder: TempDir,
    pub(crate) broker: Broker,
}

impl House {
    /// Parts `good`, `bad` and `cut` have pictures; every other part has none.
    pub(crate) fn new(settings: &Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker_folder = folder.path().join("broker");
        let broker = Broker::start(BrokerSettings {
            is_persistent: settings.is_broker_persistent,
            lines: (settings.broker_lines)(folder.path()),
            ..BrokerSettings::local(&broker_folder)
        })
        .unwrap();
        let at = |name: &str| folder.path().join(name);
        let package = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/models")
            .join(settings.model);
        copy(&package, &at("models").join(settings.model).join("1.0.0"));
        fs::create_dir_all(at("frames")).unwrap();
        fs::create_dir_all(at("calibration")).unwrap();
        let bad = picture(Surface::Bad);
        fs::write(at("frames/good.png"), picture(Surface::Good)).unwrap();
        fs::write(at("frames/cut.png"), &bad[..bad.len() / 2]).unwrap();
        fs::write(at("frames/bad.png"), bad).unwrap();
        fs::write(at("station.toml"), station_toml(settings, broker.port())).unwrap();
        fs::write(at("recipe.toml"), RECIPE.replace("@MODEL@", settings.model)).unwrap();
        fs::write(at("calibration/cam.toml"), CALIBRATION).unwrap();
        Self { folder, broker }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sends a command as a foreign MQTT 5 client does, with a response topic and correlation data of its own.
    pub(crate) fn command(&self, verb: &str, payload: &str) -> Value {
        let output = Command::new("mosquitto_rr")
            .args(["-h", "127.0.0.1", "-p", &self.broker.port().to_string()])
            .args(["-V", "5", "-q", "1", "-W", "30", "-F", "%D %p"])
            .args(["-t", &format!("{PREFIX}/cmd/{verb}"), "-e", "hmi/answers"])
            .args(["-D", "publish", "correlation-data", "mark-7", "-m", payload])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (correlation, response) = text
            .split_once(' ')
            .unwrap_or_else(|| panic!("{verb}: {text}"));
        assert_eq!(correlation, "mark-7");
        serde_json::from_str(response).unwrap()
    }

    /// A ready station and a reader that sees all that it says.
    pub(crate) fn start(&self) -> (Running, Witness) {
        let witness = Witness::start(self.broker.port());
        let running = self.run();
        let state = witness.next("state", |state| state["state"] == "continuous_execution");
        assert_eq!(state["recipes"][0]["name"], "plate");
        (running, witness)
    }

    pub(crate) fn run(&self) -> Running {
        self.run_with(&mut taktgate())
    }

    /// The station in a process that the caller has prepared.
    pub(crate) fn run_with(&self, command: &mut Command) -> Running {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("run.log"))
            .unwrap();
        let child = command
            .arg("run")
            .arg(self.folder.path())
            .stderr(log)
            .spawn()
            .unwrap();
        Running {
            child,
            log: self.path("run.log"),
        }
    }

    pub(crate) fn trigger(&self, sequence: u32, part: &str) {
        self.trigger_of(sequence, part, "plate");
    }

    pub(crate) fn trigger_of(&self, sequence: u32, part: &str, part_type: &str) {
        let payload = serde_json::json!({
            "schema": 1, "sequence": sequence, "part_id": part, "part_type": part_type,
            "lot": "L-7", "supplier": "Stahl AG",
        });
        self.publish("cmd/trigger", &payload.to_string());
    }

    /// Makes the part's picture a pipe: its inspection waits until somebody writes into it.
    pub(crate) fn hold(&self, part: &str) {
        let path = self.path(&format!("frames/{part}.png"));
        fs::remove_file(&path).unwrap();
        assert!(
            Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
    }

    /// Lets a held inspection go on, with the picture of a bad part.
    pub(crate) fn release(&self, part: &str) {
        fs::write(
            self.path(&format!("frames/{part}.png")),
            picture(Surface::Bad),
        )
        .unwrap();
    }

    /// Gives a part its own picture back after [`Self::hold`].
    pub(crate) fn restore(&self, part: &str) {
        let surface = if part == "bad" {
            Surface::Bad
        } else {
            Surface::Good
        };
        let path = self.path(&format!("frames/{part}.png"));
        let is_pipe =
            std::os::unix::fs::FileTypeExt::is_fifo(&fs::metadata(&path).unwrap().file_type());
        if is_pipe {
            // Who waits at the pipe gets the picture from it; from now on there is a file.
            let file = self.path("restored.png");
            fs::write(&file, picture(surface)).unwrap();
            let pipe = fs::File::options()
                .read(true)
                .write(true)
                .open(&path)
                .unwrap();
            (&pipe).write_all(&picture(surface)).unwrap();
            fs::rename(file, &path).unwrap();
        }
    }

    pub(crate) fn kill_broker(&self) {
        let pid = self.broker.pid().to_string();
        assert!(
            Command::new("kill")
                .args(["-KILL", &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits until the station's store has so many records.
    pub(crate) fn wait_for_records(&self, n_records: u64) {
        let until = Instant::now() + PATIENCE;
        let store = RecordReader::open(&self.path("data/records.sqlite")).unwrap();
        while store.len().unwrap() < n_records {
            assert!(Instant::now() < until, "no {n_records} records");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    pub(crate) fn publish(&self, leaf: &str, payload: &str) {
        assert!(self.try_publish(leaf, payload.as_bytes()), "no broker");
    }

    /// False if no broker takes it. The broker forgets it after two seconds, as a line would have it.
    pub(crate) fn try_publish(&self, leaf: &str, payload: &[u8]) -> bool {
        let how = if payload.is_empty() { "-n" } else { "-s" };
        self.publisher(leaf, &[how], payload)
    }

    /// A connection that publishes each line of its standard input.
    pub(crate) fn open_publisher(&self, leaf: &str) -> Child {
        self.start_publisher(leaf, &["-l"])
    }

    fn start_publisher(&self, leaf: &str, how: &[&str]) -> Child {
        Command::new("mosquitto_pub")
            .args(["-h", "127.0.0.1", "-p", &self.broker.port().to_string()])
            .args(["-V", "5", "-q", "1", "-t", &format!("{PREFIX}/{leaf}")])
            .args(["-D", "publish", "message-expiry-interval", "2"])
            .args(how)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn publisher(&self, leaf: &str, how: &[&str], input: &[u8]) -> bool {
        let mut child = self.start_publisher(leaf, how);
        // A client that finds no broker ends before it has read anything.
        let written = child.stdin.take().unwrap().write_all(input);
        child.wait().unwrap().success() && written.is_ok()
    }
}

pub(crate) fn taktgate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taktgate"));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A station's process; killed when the test ends.
pub(crate) struct Running {
    pub(crate) child: Child,
    log: PathBuf,
}

impl Running {
    /// Another process, which ends with the test too.
    pub(crate) fn of(child: Child) -> Self {
        let log = PathBuf::from("/dev/null");
        Self { child, log }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = killed {
            eprintln!("the station was gone already: {error}");
        }
    }
}

/// `mosquitto_sub`: a reader that shares no code with us.
pub(crate) struct Witness {
    child: Child,
    lines: Receiver<(Instant, String)>,
    kept: RefCell<Vec<(String, Vec<u8>)>>,
}

impl Witness {
    pub(crate) fn start(port: u16) -> Self {
        let mut child = Command::new("mosquitto_sub")
            .args([
                "-h",
                "127.0.0.1",
                "-p",
                &port.to_string(),
                "-q",
                "1",
                "-t",
                "taktgate/#",
            ])
            .args(["-F", "%t %x", "-c", "-i", "witness"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = child.stdout.take().unwrap();
        let (sink, lines) = sync_channel(10_000);
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sink.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            lines,
            kept: RefCell::default(),
        }
    }

    /// The next JSON message on a leaf that `fits`; others on that leaf are passed over.
    pub(crate) fn next(&self, leaf: &str, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let payload: Value = serde_json::from_slice(&self.next_bytes(leaf)).unwrap();
            if fits(&payload) {
                return payload;
            }
        }
    }

    /// The next JSON message on any leaf, if one comes in time, and when the reader had it.
    pub(crate) fn listen(&self, until: Instant) -> Option<(Instant, String, Value)> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let (at, line) = self.lines.recv_timeout(left).ok()?;
            let (topic, bytes) = read_line(&line);
            let leaf = topic
                .strip_prefix(PREFIX)
                .and_then(|leaf| leaf.strip_prefix('/'));
            if let (Some(leaf), Ok(payload)) = (leaf, serde_json::from_slice(&bytes)) {
                return Some((at, leaf.to_owned(), payload));
            }
        }
    }

    /// The next message on a leaf, as bytes; those on other leaves are kept for later.
    pub(crate) fn next_bytes(&self, leaf: &str) -> Vec<u8> {
        let topic = format!("{PREFIX}/{leaf}");
        let mut kept = self.kept.borrow_mut();
        if let Some(index) = kept.iter().position(|(found, _)| *found == topic) {
            return kept.remove(index).1;
        }
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let (_, line) = self
                .lines
                .recv_timeout(left)
                .unwrap_or_else(|_| panic!("nothing on {leaf}"));
            let (found, bytes) = read_line(&line);
            if found == topic {
                return bytes;
            }
            kept.push((found, bytes));
        }
    }

    pub(crate) fn verdict(&self, sequence: u32) -> Value {
        self.next("verdict", |verdict| verdict["sequence"] == sequence)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = killed {
            eprintln!("the reader was gone already: {error}");
        }
    }
}

/// Topic and bytes from a line of `mosquitto_sub -F "%t %x"`.
fn read_line(line: &str) -> (String, Vec<u8>) {
    let (topic, hex) = line.split_once(' ').unwrap();
    let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let bytes = (0..hex.len()).step_by(2).map(digits).collect();
    (topic.to_owned(), bytes)
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Surface {
    Good,
    Bad,
}

fn picture(surface: Surface) -> Vec<u8> {
    encode_png(&frame(surface)).unwrap()
}

/// 64 x 48 px: dark with a little texture; a defect is a bright square of 24 px in its middle.
pub(crate) fn frame(surface: Surface) -> Frame {
    let pixel = |x: u32, y: u32| {
        let inside = surface == Surface::Bad && (20..44).contains(&x) && (12..36).contains(&y);
        if inside {
            255
        } else {
            u8::try_from((x * 7 + y * 13) % 16).unwrap()
        }
    };
    let pixels = (0..48)
        .flat_map(|y| (0..64).map(move |x| pixel(x, y)))
        .collect();
    let size = SizePx {
        width_px: 64,
        height_px: 48,
    };
    Frame::new("cam", size, PixelFormat::Gray8, pixels, Instant::now()).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap().path();
        let target = to.join(entry.file_name().unwrap());
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            fs::copy(&entry, target).unwrap();
        }
    }
}

fn station_toml(settings: &Settings, port: u16) -> String {
    format!(
        r#"schema = 1
station = "st"
recipes = ["recipe.toml"]
models = "models"
calibrations = "calibration"
data = "data"
[mqtt]
port = {port}
enterprise = "acme"
site = "site"
area = "area"
line = "line"
[deadlines]
deadline_ms = {}
answer_margin_ms = {}
open_parts_max = {}
[onnxruntime]
threads = 1
[storage]
{}
[[cameras]]
name = "cam"
source = {{ folder = {{ path = "frames", order = "by_part" }} }}
{}"#,
        settings.deadline_ms,
        settings.deadline_ms / 2,
        settings.open_parts_max,
        settings.storage,
        settings.more
    )
}

const RECIPE: &str = r#"schema = 1
part_type = "plate"
revision = 1
[[views]]
name = "top"
camera = "cam"
model = "@MODEL@/1.0.0"
[views.fitness]
mean_min = 0.0
mean_max = 255.0
burnt_fraction_max = 1.0
contrast_min = 0.0
sharpness_min = 0.0
refuse_duplicate = false
[[views.zones]]
name = "all"
[views.zones.limits."*"]
score_doubtful = 0.5
score_reject = 0.7
"#;

const CALIBRATION: &str = r#"schema = 1
camera = "cam"
made_at_utc = "2026-01-01T00:00:00Z"
valid_until_utc = "2100-01-01T00:00:00Z"
image_size_px = [64, 48]
camera_matrix_px = [[100.0, 0.0, 31.5], [0.0, 100.0, 23.5], [0.0, 0.0, 1.0]]
distortion = [0.0, 0.0, 0.0, 0.0, 0.0]
plane = "plate"
mm_from_px = [[0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 1.0]]
reprojection_error_rms_px = 0.1
board = "none: drawn"
"#;
