//! `calibrate lens --station`: a board is moved before a network camera, and the command says of each look
//! what it made of it, until nothing is missing.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

use serde_json::Value;
use taktgate::domain::PixelFormat;
use taktgate::vision::{Picture, encode_jpeg};
use tempfile::TempDir;

use crate::mjpeg::Server;
use crate::render::{Camera, LENS, Pose, SIZE, camera, chessboard, poses};

/// What a look of the command says.
struct Look(Value);

impl Look {
    fn why(&self) -> &str {
        self.0["not_taken"].as_str().unwrap_or("taken")
    }

    fn missing(&self) -> String {
        self.0["missing"].to_string()
    }
}

/// A station with one camera in the network, which sees what the test holds before it.
struct Scene {
    folder: TempDir,
    server: Server,
    camera: Camera,
}

/// The command at work.
struct Live {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

fn jpeg(picture: Picture) -> Vec<u8> {
    let frame = picture.into_frame("cam-1", Instant::now()).unwrap();
    encode_jpeg(&frame, 95).unwrap()
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let empty = Picture {
            size: SIZE,
            format: PixelFormat::Gray8,
            pixels: vec![120; (SIZE.width_px * SIZE.height_px) as usize],
        };
        let server = Server::start(jpeg(empty));
        let scene = Self {
            folder,
            server,
            camera: camera(),
        };
        let init = scene
            .command(&["init"])
            .arg(scene.path("st-07"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(init.status.success(), "{init:?}");
        let path = scene.path("st-07/station.toml");
        let text = fs::read_to_string(&path).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("source = "))
            .unwrap();
        let stream = format!(
            "source = {{ stream = {{ url = \"{}\", latency_ms = 0 }} }}",
            scene.server.url()
        );
        fs::write(path, text.replace(line, &stream)).unwrap();
        scene
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taktgate"));
        command.current_dir(self.folder.path()).args(args);
        command
    }

    fn lens(&self, more: &[&str]) -> Command {
        let board = ["--corners", "9x6", "--square-mm", "8", "--camera", "cam-1"];
        let files = ["calibrate", "lens", "boards", "--out", "cam-1.toml"];
        self.command(&[&files[..], &board[..], more].concat())
    }

    fn live(&self, more: &[&str]) -> Live {
        let args = [&["--station", "st-07", "--json"], more].concat();
        let mut child = self
            .lens(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Live { child, lines }
    }

    fn hold(&self, pose: &Pose) {
        let picture = self.camera.picture(&chessboard(), pose, 1.0, 7);
        self.server.show(Some(jpeg(picture)));
    }

    fn pictures(&self) -> usize {
        fs::read_dir(self.path("boards")).unwrap().count()
    }
}

impl Live {
    /// The next looks until one says so.
    fn until(&mut self, is_so: impl Fn(&Look) -> bool) -> Look {
        for line in self.lines.by_ref() {
            let look = Look(serde_json::from_str(&line.unwrap()).unwrap());
            if is_so(&look) {
                return look;
            }
        }
        panic!("the command ended");
    }
}

#[test]
fn a_board_is_led_to_where_it_is_missing_until_the_lens_holds() {
    let scene = Scene::new();
    let mut live = scene.live(&[]);
    let none = live.until(|_| true);
    assert!(none.why().contains("no board found"), "{}", none.why());
    // First one in the upper left, which leaves most of the picture to be covered.
    let mut poses = poses();
    poses.swap(0, 8);
    scene.hold(&poses[0]);
    live.until(|look| look.why() == "the board is there; hold it still");
    let first = live.until(|look| look.why() == "taken");
    assert!(
        first
            .missing()
            .contains("bring the board to the bottom right of the picture"),
        "{}",
        first.missing()
    );
    live.until(|look| look.why().contains("the same pose as `view-01.png`"));
    let mut latest = first;
    for pose in &poses[1..] {
        scene.hold(pose);
        latest = live.until(|look| look.why() == "taken");
        if latest.missing() == "[]" {
            break;
        }
    }
    assert_eq!(latest.missing(), "[]");
    let n_views = latest.0["n_views"].as_u64().unwrap();
    assert_eq!(scene.pictures() as u64, n_views);
    // What comes after the last look is the fit, as from any folder.
    let fitted: Value = serde_json::from_str(&live.lines.next().unwrap().unwrap()).unwrap();
    assert!(live.child.wait().unwrap().success());
    let focal_px = |fitted: &Value| fitted["lens"]["parameters"][0].as_f64().unwrap();
    let off = (focal_px(&fitted) - LENS.focal_px[0]).abs() / LENS.focal_px[0];
    assert!(off < 0.005, "{fitted}");
    eprintln!("{n_views} views, focal length off by {:.2} %", 100.0 * off);
    let again = scene.lens(&["--force", "--json"]).output().unwrap();
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert!(
        (focal_px(&again) - focal_px(&fitted)).abs() < 1e-9,
        "{again}"
    );
}

#[test]
fn a_board_that_is_never_tilted_is_asked_to_be_and_ctrl_c_leaves_the_folder() {
    let scene = Scene::new();
    let mut live = scene.live(&[]);
    for (n_views, middle_mm) in [(1, -8.0), (2, -3.0), (3, 3.0), (4, 8.0), (5, 13.0)] {
        scene.hold(&Pose {
            turn_deg: [28.0, 0.0, 0.0],
            middle_mm: [middle_mm, 0.0, 140.0],
        });
        let look = live.until(|look| look.why() == "taken");
        assert_eq!(look.0["n_views"], n_views);
        let asks = |side: &str| look.missing().contains(&format!("its {side} side nearer"));
        if 4 < n_views {
            // Turned about the horizontal axis by 28 degrees, its lower side away from the camera.
            assert!(!asks("upper") && asks("lower"), "{}", look.missing());
            assert!(asks("left") && asks("right"), "{}", look.missing());
        }
    }
    let id = live.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    let output = live.child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("stopped; `boards` has 5 views"), "{said}");
    assert_eq!(scene.pictures(), 5);

    // The same command goes on with them; now its time is over.
    let output = scene
        .lens(&["--station", "st-07", "--seconds", "1"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("5 views are in `boards`"), "{said}");
    assert!(
        said.contains("still missing: tilt the board by 20 to 40 degrees, its left side"),
        "{said}"
    );
    assert!(!scene.path("cam-1.toml").exists());
}
