//! The account of a line on the fake camera: what was asked, what the camera sent, what was answered.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;
use taktgate::domain::{Frame, PixelFormat, SizePx};
use taktgate::vision::{encode_png, fingerprint};

use crate::camera::{DEVICE, FakeCamera, plug_in, unplug};
use crate::house::{House, Running, Settings, Witness, taktgate};

const PATIENCE: Duration = Duration::from_mins(1);
/// A part may wait three quarters of this for its frame.
const DEADLINE_MS: u64 = 2_000;
const SIZE: SizePx = SizePx {
    width_px: 64,
    height_px: 48,
};
/// The camera draws darker frames than it would with 10 ms, so that good and bad ones come.
const EXPOSURE_US: f64 = 3_500.0;
/// The camera's pattern comes again after so many frames.
const PATTERNS: u64 = 255;
/// The answer of a part whose camera gave no frame.
const NO_FRAME: &str = "indeterminate no_frame";
/// Parts that are announced while the camera is away.
const PARTS_IN_A_CUT: u32 = 3;

/// What happens to the camera.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cut {
    /// Its power fails; another one with the same number comes.
    Killed,
    /// It stands still, and goes on with all that it was told meanwhile.
    Hung,
    /// Its cable is out.
    Unplugged,
}

pub(crate) struct Account {
    house: House,
    _running: Running,
    witness: Witness,
    line: Child,
    camera: Option<FakeCamera>,
    n_cameras: usize,
    /// How many of this camera's frames have been accounted for.
    n_seen: usize,
    /// Verdict and pattern by fingerprint.
    truth: BTreeMap<String, (u64, String)>,
    n_announced: u32,
    answers: BTreeMap<String, u32>,
    /// Frames that the camera sent and no part got.
    n_unused: usize,
}

impl Account {
    pub(crate) fn new() -> Self {
        let house = House::new(&Settings {
            deadline_ms: DEADLINE_MS,
            ..Settings::default()
        });
        let truth = truth(&house);
        let file = house.path("station.toml");
        let text = fs::read_to_string(&file).unwrap();
        let folder = "{ folder = { path = \"frames\", order = \"by_part\" } }";
        assert!(text.contains(folder));
        let genicam = format!(
            "{{ genicam = {{ device = \"{DEVICE}\", width_px = 64, height_px = 48, pixel_format = \"mono8\", exposure_us = {EXPOSURE_US}, trigger = \"software\" }} }}"
        );
        fs::write(&file, text.replace(folder, &genicam)).unwrap();
        let camera = FakeCamera::start(house.folder.path(), 1);
        let (running, witness) = house.start();
        let line = house.open_publisher("cmd/trigger");
        Self {
            house,
            _running: running,
            witness,
            line,
            camera: Some(camera),
            n_cameras: 1,
            n_seen: 0,
            truth,
            n_announced: 0,
            answers: BTreeMap::new(),
            n_unused: 0,
        }
    }

    /// Parts one after the other while all is well: each gets a frame that the camera sent for it.
    pub(crate) fn parts(&mut self, n_parts: u32) {
        for _ in 0..n_parts {
            let (verdict, record) = self.part();
            assert_ne!(verdict, NO_FRAME, "{record}");
        }
    }

    /// A cut with parts in it, then the camera comes back: no part gets a wrong answer.
    pub(crate) fn cut(&mut self, cut: Cut) {
        let started = Instant::now();
        let camera = self.camera.as_ref().unwrap();
        match cut {
            Cut::Killed => camera.signal("-KILL"),
            Cut::Hung => camera.signal("-STOP"),
            Cut::Unplugged => unplug(),
        }
        for _ in 0..PARTS_IN_A_CUT {
            let (verdict, record) = self.part();
            assert_eq!(verdict, NO_FRAME, "{record}");
        }
        match cut {
            Cut::Killed => {
                self.n_unused += self.unseen().len();
                self.camera = None;
                self.n_cameras += 1;
                self.n_seen = 0;
                let folder = self.house.folder.path();
                self.camera = Some(FakeCamera::start(folder, self.n_cameras));
            }
            Cut::Hung => self.camera.as_ref().unwrap().signal("-CONT"),
            Cut::Unplugged => plug_in(),
        }
        let back = Instant::now();
        let mut n_waited = 0;
        while self.part().0 == NO_FRAME {
            n_waited += 1;
            assert!(back.elapsed() < PATIENCE, "the camera does not come back");
        }
        eprintln!(
            "{cut:?}: {:.1} s; {:.1} s and {n_waited} parts after it was back, frames come again",
            started.elapsed().as_secs_f64(),
            back.elapsed().as_secs_f64()
        );
    }

    /// Announces a part, and checks its answer against what the camera says that it sent.
    fn part(&mut self) -> (String, Value) {
        self.n_announced += 1;
        let sequence = self.n_announced;
        let trigger = serde_json::json!({"schema": 1, "sequence": sequence, "part_id": format!("P-{sequence}"), "part_type": "plate"});
        writeln!(self.line.stdin.as_mut().unwrap(), "{trigger}").unwrap();
        let (mut verdict, mut record) = (None, None);
        while verdict.is_none() || record.is_none() {
            let heard = self.witness.listen(Instant::now() + PATIENCE);
            let (_, leaf, payload) =
                heard.unwrap_or_else(|| panic!("silence about part {sequence}"));
            match leaf.as_str() {
                "verdict" => {
                    assert_eq!(payload["sequence"], sequence, "an answer for another part");
                    verdict = Some(verdict_of(&payload));
                }
                "record" => record = Some(payload["record"].clone()),
                _ => {}
            }
        }
        let (verdict, record) = (verdict.unwrap(), record.unwrap());
        assert_eq!(record["sequence"], sequence);
        *self.answers.entry(verdict.clone()).or_default() += 1;
        if verdict != NO_FRAME {
            self.check(&verdict, &record);
        }
        (verdict, record)
    }

    /// The frame must be the newest that the camera sent, and the verdict that of its picture.
    fn check(&mut self, verdict: &str, record: &Value) {
        let view = &record["views"][0];
        let frame_id = view["camera_frame"].as_u64().unwrap();
        let sent = self.unseen();
        assert_eq!(
            sent.last(),
            Some(&frame_id),
            "the camera sent {sent:?}: {record}"
        );
        self.n_unused += sent.len() - 1;
        self.n_seen += sent.len();
        let sha256 = view["image_sha256"].as_str().unwrap();
        let (pattern, expected) = &self.truth[sha256];
        assert_eq!(
            frame_id % PATTERNS,
            *pattern,
            "another frame's picture: {record}"
        );
        assert_eq!(verdict, expected, "a wrong answer: {record}");
    }

    fn unseen(&self) -> Vec<u64> {
        self.camera.as_ref().unwrap().sent().split_off(self.n_seen)
    }

    /// Says the account, and holds the station's own count of lost frames against it.
    pub(crate) fn close(mut self) {
        self.n_unused += self.unseen().len();
        let n_without = self.answers.get(NO_FRAME).copied().unwrap_or(0);
        let fits = |health: &Value| health["triggers"] == self.n_announced;
        let health = self.witness.next("health", fits);
        eprintln!(
            "{} parts: {:?}; {} frames sent for no part, frames_lost {}, {} cameras",
            self.n_announced, self.answers, self.n_unused, health["frames_lost"], self.n_cameras
        );
        assert!(
            10 < self.answers["ok"] && 10 < self.answers["ng"],
            "one-sided pictures"
        );
        let frames_lost = health["frames_lost"].as_u64().unwrap();
        assert!(frames_lost <= u64::from(n_without), "{health}");
        drop(self.line.stdin.take());
        assert!(self.line.wait().unwrap().success());
    }
}

/// What the station's model says to each of the camera's pictures, which are drawn here after the
/// documentation of its test pattern and judged from files.
fn truth(house: &House) -> BTreeMap<String, (u64, String)> {
    let folder = house.path("patterns");
    fs::create_dir(&folder).unwrap();
    let (mut truth, mut sha256) = (BTreeMap::new(), BTreeMap::new());
    for pattern in 0..PATTERNS {
        let frame = Frame::new(
            "cam",
            SIZE,
            PixelFormat::Gray8,
            ramp(pattern),
            Instant::now(),
        );
        let frame = frame.unwrap();
        let digits = fingerprint(&frame)
            .into_iter()
            .map(|byte| format!("{byte:02x}"));
        sha256.insert(pattern, digits.collect::<String>());
        let png = encode_png(&frame).unwrap();
        fs::write(folder.join(format!("{pattern:03}.png")), png).unwrap();
    }
    let out = house.path("patterns-judged");
    let status = taktgate()
        .arg("replay")
        .arg(house.folder.path())
        .arg("--images")
        .arg(&folder)
        .arg("--out")
        .arg(&out)
        .arg("--no-pictures")
        .status()
        .unwrap();
    assert!(status.success());
    let lines = fs::read_to_string(out.join("verdicts.jsonl")).unwrap();
    for line in lines.lines() {
        let judged: Value = serde_json::from_str(line).unwrap();
        let picture = judged["picture"].as_str().unwrap();
        let pattern: u64 = picture.trim_end_matches(".png").parse().unwrap();
        let verdict = verdict_of(&judged);
        truth
            .entry(sha256[&pattern].clone())
            .or_insert((pattern, verdict));
    }
    assert_eq!(truth.len() as u64, PATTERNS);
    truth
}

/// The verdict with its reason, where it has one.
fn verdict_of(value: &Value) -> String {
    let words = [&value["verdict"], &value["reason"]];
    words
        .iter()
        .filter_map(|word| word.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The camera's diagonal ramp.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the camera's own arithmetic: cut off, not rounded"
)]
fn ramp(frame_id: u64) -> Vec<u8> {
    let scale = 1.0 + (EXPOSURE_US / 10_000.0).log10();
    let (width, height) = (u64::from(SIZE.width_px), u64::from(SIZE.height_px));
    (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .map(|(x, y)| (((x + frame_id + y) % 255) as f64 * scale).clamp(0.0, 255.0) as u8)
        .collect()
}
