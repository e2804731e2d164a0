//! From boards in front of a camera to the verdict on a scratch: `taktgate calibrate` measures the camera,
//! a station finds the plate wherever it lies, and each scratch's length is held against the truth.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use image::GrayImage;
use jiff::Timestamp;
use serde_json::Value;
use taktgate::calibration::Chance;
use taktgate::domain::{Class, Finding, Grade, Placement, PointMm, Verdict};
use taktgate::inspect::{Capture, Inspection, Inspector};
use taktgate::model::{
    GoldenDraft, LayoutFile, ModelPackage, OutputFile, PackageDraft, ProvedBy, Runtime,
    SessionOptions, Task, ThresholdsFile, WhenThere, write_package,
};
use taktgate::source::read_frame;
use taktgate::station;
use taktgate::vision::{InputSpec, Picture};
use tempfile::TempDir;

use crate::plate::{MIDDLE, Scratch, light, scratches};
use crate::render::{Camera, Pose, camera, chessboard, plane_board, poses};
use crate::station_of;

/// What the recipe tolerates.
const LENGTH_MAX_MM: f64 = 12.0;
/// One length a scratch; the last is well within the limit, or well over it.
const UNDER_MM: [f64; 6] = [3.0, 4.4, 6.1, 8.3, 10.2, 11.7];
const OVER_MM: [f64; 6] = [3.3, 4.9, 6.6, 8.8, 10.7, 12.3];
/// Standard deviation of a rendered picture's levels.
const NOISE: f64 = 2.0;

/// The plane that plates lie on, askew before the camera.
const ASKEW: Pose = Pose {
    turn_deg: [5.0, -4.0, 2.0],
    middle_mm: [0.5, -0.3, 120.0],
};

/// How the plates lie: shifted by so many mm to the right and down, turned by so many degrees. The fixture
/// allows 4 mm and 5 degrees.
const LIE: [[f64; 3]; 10] = [
    [0.0, 0.0, 0.0],
    [0.13, -0.21, 0.4],
    [1.0, 0.0, -1.0],
    [-2.2, 1.1, 1.7],
    [3.0, 2.0, -2.6],
    [-3.4, -1.6, 3.3],
    [0.4, 3.7, 4.2],
    [1.6, -3.1, -4.9],
    [-2.7, 2.7, 4.9],
    [3.9, 0.0, 0.2],
];

const RECIPE: &str = r#"schema = 1
part_type = "plate"
revision = 1

[[views]]
name = "top"
camera = "cam-1"
model = "@MODEL@/1.0.0"
reference = "reference.png"
region_px = [129, 68, 800, 600]
prepare = ["undistort"]

[views.fixture]
shift_max_mm = 4.0
turn_max_deg = 5.0

[[views.zones]]
name = "all"

[views.zones.limits.scratch]
score_doubtful = 0.3
score_reject = 0.6
length_max_mm = @LIMIT@
"#;

/// A folder with everything that a user has.
struct House {
    folder: TempDir,
    camera: Camera,
}

/// A plate as it was drawn.
struct Plate {
    picture: String,
    scratches: [Scratch; 6],
    should: Verdict,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for below in ["boards", "calibration", "frames", "models"] {
            fs::create_dir(folder.path().join(below)).unwrap();
        }
        Self {
            folder,
            camera: camera(),
        }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn save(&self, below: &str, picture: Picture) {
        let (width, height) = (picture.size.width_px, picture.size.height_px);
        let image = GrayImage::from_raw(width, height, picture.pixels).unwrap();
        image.save(self.path(below)).unwrap();
    }

    fn taktgate(&self, command: &str) -> String {
        let mut binary = Command::new(env!("CARGO_BIN_EXE_taktgate"));
        let words = command.split_whitespace();
        let output = binary.current_dir(self.folder.path()).args(words).output();
        let output = output.unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "taktgate {command}: {err}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// By the camera's pictures of boards alone, as a user does it.
    fn calibrate(&self) {
        for (pose, seed) in poses().iter().zip(0..) {
            let picture = self.camera.picture(&chessboard(), pose, NOISE, seed);
            self.save(&format!("boards/{seed:02}.png"), picture);
        }
        let picture = self.camera.picture(&plane_board(), &ASKEW, NOISE, 99);
        self.save("plane.png", picture);
        let file = "calibration/cam-1.toml";
        let lens = "--corners 9x6 --square-mm 8 --camera cam-1";
        self.taktgate(&format!("calibrate lens boards {lens} --out {file}"));
        let plane = "--corners 11x8 --square-mm 8 --plane plate";
        self.taktgate(&format!(
            "calibrate plane {file} --picture plane.png {plane}"
        ));
    }

    fn draw(&self, below: &str, [x, y, turn_deg]: [f64; 3], scratches: &[Scratch], seed: u64) {
        let placement = Placement {
            pivot: MIDDLE,
            shift: PointMm { x, y },
            turn_deg,
            score: 1.0,
        };
        let seen = |at| light(&placement, scratches, at);
        let plane = (&plane_board(), &ASKEW);
        self.save(below, self.camera.on_plane(plane, seen, NOISE, seed));
    }

    /// For each way to lie a plate within the limit and one over it.
    fn plates(&self) -> Vec<Plate> {
        self.draw("reference.png", [0.0; 3], &[], 100);
        let mut chance = Chance::new(5);
        let mut plates = Vec::new();
        for lie in LIE {
            for (lengths_mm, should) in [(UNDER_MM, Verdict::Ok), (OVER_MM, Verdict::Ng)] {
                let plate = Plate {
                    picture: format!("{:02}-{should}.png", plates.len()),
                    scratches: scratches(lengths_mm, &mut chance),
                    should,
                };
                let seed = 200 + plates.len() as u64;
                self.draw(
                    &format!("frames/{}", plate.picture),
                    lie,
                    &plate.scratches,
                    seed,
                );
                plates.push(plate);
            }
        }
        plates
    }

    /// A station whose model has an input of so many columns and three quarters as many rows.
    fn station(&self, width_px: u32) -> String {
        let model = format!("bright-{width_px}");
        write_model(&self.path(&format!("models/{model}/1.0.0")), width_px);
        let name = format!("station-{width_px}");
        let recipe = RECIPE.replace("@MODEL@", &model);
        let recipe = recipe.replace("@LIMIT@", &LENGTH_MAX_MM.to_string());
        fs::create_dir(self.path(&name)).unwrap();
        let reference = self.path(&name).join("reference.png");
        fs::copy(self.path("reference.png"), reference).unwrap();
        let station = station_of("cam-1", "../calibration");
        fs::write(self.path(&name).join("station.toml"), station).unwrap();
        fs::write(self.path(&name).join("recipe.toml"), recipe).unwrap();
        name
    }

    fn inspector(&self, station: &str) -> Inspector {
        let station = station::read_station(&self.path(station).join("station.toml")).unwrap();
        let files = station::files_of(&station).unwrap();
        let ready = station::make_ready(&station, files).unwrap();
        ready.inspectors.into_iter().next().unwrap()
    }

    fn inspect(&self, inspector: &mut Inspector, plate: &Plate) -> Inspection {
        let frame = read_frame("cam-1", &self.path("frames").join(&plate.picture)).unwrap();
        let (frame, took) = (Ok(frame), Duration::ZERO);
        inspector.inspect(vec![Capture { frame, took }], None, Timestamp::now())
    }
    /// The same verdicts from the binary and the files alone.
    fn replay(&self, station: &str, plates: &[Plate]) {
        let said = self.taktgate(&format!(
            "replay {station} --images frames --json --no-pictures"
        ));
        for (plate, line) in plates.iter().zip(said.lines()) {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["picture"], *plate.picture, "{line}");
            assert_eq!(line["verdict"], plate.should.to_string(), "{line}");
        }
    }
}

impl Plate {
    /// Its longest scratch alone is over the limit, or none is, and that by more than what is stated.
    fn check(&self, verdict: Verdict, findings: &[Finding]) {
        assert_eq!(verdict, self.should, "{}: {findings:?}", self.picture);
        let rejected = |found: &&Finding| found.grade == Grade::Reject;
        let n_over = usize::from(self.should == Verdict::Ng);
        assert_eq!(findings.iter().filter(rejected).count(), n_over);
        for (scratch, found) in self.scratches.iter().zip(self.found(findings)) {
            let beside_mm = (scratch.length_mm - LENGTH_MAX_MM).abs();
            assert!(found.length_uncertainty_mm.unwrap() < beside_mm);
        }
    }

    /// The finding of each scratch, by its place on the plate.
    fn found<'f>(&self, findings: &'f [Finding]) -> [&'f Finding; 6] {
        let said = format!("{}: {findings:?}", self.picture);
        assert_eq!(findings.len(), self.scratches.len(), "{said}");
        self.scratches.map(|scratch| {
            let is_this = |found: &&Finding| {
                let at = found.region_mm.center();
                (at.x - scratch.middle.x).hypot(at.y - scratch.middle.y) < 0.5
            };
            findings
                .iter()
                .find(is_this)
                .unwrap_or_else(|| panic!("{said}"))
        })
    }
}

/// The package `bright` of `tests/models`, whose graph takes pictures of any size, for another size.
fn write_model(dir: &Path, width_px: u32) {
    let bright = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models/bright");
    let small = ModelPackage::open(&bright).unwrap();
    let input = InputSpec {
        width_px,
        height_px: width_px * 3 / 4,
        ..small.manifest().input.clone()
    };
    let mut picture = std::io::Cursor::new(Vec::new());
    let grey = GrayImage::from_fn(input.width_px, input.height_px, |x, y| {
        image::Luma([u8::try_from((x / 2 + y) % 256).unwrap()])
    });
    grey.write_to(&mut picture, image::ImageFormat::Png)
        .unwrap();
    let draft = PackageDraft {
        name: format!("bright-{width_px}"),
        version: "1.0.0".to_owned(),
        task: Task::Segment,
        description: "Marks what is bright".to_owned(),
        trained_on: "nothing".to_owned(),
        proved_by: ProvedBy::Graph,
        onnx: fs::read(bright.join("model.onnx")).unwrap(),
        fixed: std::collections::BTreeMap::default(),
        input_name: "image".to_owned(),
        input,
        output: OutputFile::one(LayoutFile::MaskLogits, "out"),
        thresholds: ThresholdsFile {
            confidence_threshold: Some(0.5),
            pixel_threshold: Some(0.5),
            area_min_px: Some(4),
            ..ThresholdsFile::default()
        },
        good_label: None,
        labels: vec![Class {
            name: Arc::from("scratch"),
            code: Arc::from(""),
        }],
        metrics: std::collections::BTreeMap::default(),
        golden: vec![GoldenDraft {
            picture: picture.into_inner(),
            original: false,
            outputs: None,
            tolerance: 1e-4,
        }],
        card: "# Bright\n".to_owned(),
    };
    let runtime = Runtime::load(None).unwrap();
    let with = (&runtime, &SessionOptions::default());
    write_package(dir, &draft, with, WhenThere::Refuse).unwrap();
}

/// How far off each length is, and what it is said to be uncertain by.
#[derive(Default)]
struct Lengths {
    off_mm: Vec<f64>,
    stated_mm: Vec<f64>,
}

impl Lengths {
    fn add(&mut self, plate: &Plate, findings: &[Finding]) {
        for (scratch, found) in plate.scratches.iter().zip(plate.found(findings)) {
            self.off_mm.push(found.length_mm - scratch.length_mm);
            self.stated_mm.push(found.length_uncertainty_mm.unwrap());
        }
    }

    /// The share of lengths that lie within so many times what is stated.
    fn within(&self, times: f64) -> f64 {
        let pairs = self.off_mm.iter().zip(&self.stated_mm);
        let within = pairs.filter(|(off, stated)| off.abs() <= times * **stated);
        within.count() as f64 / self.off_mm.len() as f64
    }

    fn mean_off_mm(&self) -> f64 {
        mean(self.off_mm.iter().map(|off| off.abs()))
    }

    fn mean_stated_mm(&self) -> f64 {
        mean(self.stated_mm.iter().copied())
    }

    fn told(&self) -> String {
        let worst = self.off_mm.iter().map(|off| off.abs()).fold(0.0, f64::max);
        format!(
            "{} lengths: {:+.3} mm in the mean, {:.3} rms, {worst:.3} at most; stated {:.3}; {:.3} within, {:.3} within 1.5 times that",
            self.off_mm.len(),
            mean(self.off_mm.iter().copied()),
            mean(self.off_mm.iter().map(|off| off * off)).sqrt(),
            self.mean_stated_mm(),
            self.within(1.0),
            self.within(1.5)
        )
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

#[test]
fn scratches_have_their_length_within_what_is_stated_and_the_limit_turns_the_verdict() {
    let house = House::new();
    house.calibrate();
    let plates = house.plates();
    // Cells of 0.16 and of 0.31 mm: as finely as its model sees, a length is known.
    let [fine, coarse] = [512, 256].map(|width_px| {
        let mut inspector = house.inspector(&house.station(width_px));
        let mut lengths = Lengths::default();
        for plate in &plates {
            let Inspection {
                verdict, findings, ..
            } = house.inspect(&mut inspector, plate);
            lengths.add(plate, &findings);
            if width_px == 512 {
                plate.check(verdict, &findings);
            }
        }
        eprintln!("{width_px} columns: {}", lengths.told());
        assert!(0.95 <= lengths.within(1.0), "{}", lengths.told());
        assert!(1.0 <= lengths.within(1.5), "{}", lengths.told());
        let share = lengths.mean_off_mm() / lengths.mean_stated_mm();
        assert!(0.2 < share, "what is stated is far too much: {share}");
        lengths
    });
    let finer = coarse.mean_stated_mm() / fine.mean_stated_mm();
    assert!((1.5..2.0).contains(&finer), "{finer}");
    house.replay("station-512", &plates);
}
