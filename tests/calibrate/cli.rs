//! `taktgate calibrate` as people and scripts meet it, on OpenCV's own chessboards.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use image::{GrayImage, Luma};
use serde_json::Value;
use taktgate::calibration::{Board, Calibration, Draft, Pattern};
use taktgate::domain::PointPx;
use taktgate::source::read_picture;
use taktgate::vision::find_board;
use tempfile::TempDir;

use crate::samples::{ALL, are_missing, sample};

const LENS: [&str; 6] = ["--corners", "9x6", "--square-mm", "25", "--camera", "cam-1"];

struct Bench {
    folder: TempDir,
}

struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.all()))
    }

    fn all(&self) -> String {
        format!("exit {:?}\n{}{}", self.code, self.stdout, self.stderr)
    }

    fn must(&self, code: i32, texts: &[&str]) {
        let all = self.all();
        assert_eq!(self.code, Some(code), "{all}");
        for text in texts {
            assert!(all.contains(text), "`{text}` is missing in {all}");
        }
    }
}

impl Bench {
    /// With so many of the sample's pictures in `boards`.
    fn with_boards(numbers: &[u32]) -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(bench.path("boards")).unwrap();
        for number in numbers {
            let name = format!("left{number:02}.jpg");
            fs::copy(sample(*number), bench.path("boards").join(name)).unwrap();
        }
        bench
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn taktgate(&self, args: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taktgate"));
        let output = command
            .current_dir(self.folder.path())
            .arg("calibrate")
            .args(args)
            .output();
        let output = output.unwrap();
        Said {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn lens(&self, more: &[&str]) -> Said {
        self.taktgate(&[&["lens", "boards", "--out", "cam-1.toml"], &LENS[..], more].concat())
    }

    fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap()
    }

    /// A calibration as `calibrate lens` leaves it, for 64 x 48 px.
    fn small_calibration(&self, valid_until: &str) {
        let text = format!(
            "schema = 1\ncamera = \"cam-1\"\nmade_at_utc = \"2020-01-01T00:00:00Z\"\nvalid_until_utc = \"{valid_until}\"\n\
             image_size_px = [64, 48]\ncamera_matrix_px = [[100.0, 0.0, 31.5], [0.0, 100.0, 23.5], [0.0, 0.0, 1.0]]\n\
             distortion = [0.0, 0.0, 0.0, 0.0, 0.0]\nreprojection_error_rms_px = 0.1\nboard = \"none\"\n"
        );
        fs::write(self.path("cam-1.toml"), text).unwrap();
    }

    fn card(&self, name: &str, level: impl Fn(u32, u32) -> u8) {
        fs::create_dir_all(self.path("cards")).unwrap();
        let picture = GrayImage::from_fn(64, 48, |x, y| Luma([level(x, y)]));
        picture.save(self.path("cards").join(name)).unwrap();
    }
}

fn the_plane_is_reported(bench: &Bench) {
    let report = bench.read("cam-1.plane.html");
    // 8 x 5 squares of 25 mm: 200 mm in ten lines.
    for part in [
        "Plane of cam-1: desk",
        "54 points",
        "every 20 mm",
        "1000 mm",
    ] {
        assert!(report.contains(part), "no `{part}` in the report");
    }
}

#[test]
fn a_lens_and_then_a_plane_make_a_calibration() {
    if are_missing() {
        return;
    }
    let bench = Bench::with_boards(&ALL);
    let said = bench.lens(&[]);
    said.must(
        0,
        &["13 of 13", "cam-1.lens.html", "calibrate plane cam-1.toml"],
    );
    let path = bench.path("cam-1.toml");
    let draft = Draft::parse(&path, &bench.read("cam-1.toml")).unwrap();
    assert!(
        (draft.lens.focal_px[0] - 535.9).abs() < 5.4,
        "{:?}",
        draft.lens
    );
    assert_eq!(draft.lens_fit.as_ref().unwrap().views.len(), 13);
    let lens_only = Calibration::parse(&path, &bench.read("cam-1.toml")).unwrap_err();
    let lens_only = lens_only.to_string();
    assert!(
        lens_only.contains("taktgate calibrate plane"),
        "{lens_only}"
    );
    let report = bench.read("cam-1.lens.html");
    assert!(
        report.contains("left14.jpg") && report.contains("times enlarged"),
        "no report"
    );
    bench
        .lens(&[])
        .must(1, &["`cam-1.toml` is there already", "--force"]);

    fs::copy(sample(4), bench.path("flat.jpg")).unwrap();
    let plane = [
        "plane",
        "cam-1.toml",
        "--picture",
        "flat.jpg",
        "--corners",
        "9x6",
        "--square-mm",
        "25",
        "--plane",
        "desk",
    ];
    let said = bench.taktgate(&plane);
    said.must(0, &["100 mm are known to (k = 2)", "cam-1.plane.html"]);
    the_plane_is_reported(&bench);
    let calibration = Calibration::parse(&path, &bench.read("cam-1.toml")).unwrap();
    let stated = calibration.length_uncertainty.unwrap();
    assert!(0.0 < stated.relative && stated.relative < 0.1, "{stated:?}");
    // The corners of the picture of the plane come to lie where the board has them: x to the right, y down.
    let picture = read_picture("cam-1", &sample(4)).unwrap();
    let board = Board::new(Pattern::Chessboard, 9, 6, 25.0).unwrap();
    let seen = find_board(&picture, &board).unwrap().unwrap().points;
    let on_plane: Vec<_> = seen
        .iter()
        .map(|at| calibration.projection().mm_from_px(*at))
        .collect();
    let length = (on_plane[0].x - on_plane[53].x).hypot(on_plane[0].y - on_plane[53].y);
    assert!((length - 200.0_f64.hypot(125.0)).abs() < 0.5, "{length}");
    let middle = on_plane.iter().map(|at| at.x).sum::<f64>() / 54.0;
    assert!(
        (middle - 100.0).abs() < 0.1 || (middle - 62.5).abs() < 0.1,
        "{middle}"
    );
    assert_eq!(calibration.plane, "desk");
}

#[test]
fn pictures_that_do_not_help_are_named_with_their_reason() {
    if are_missing() {
        return;
    }
    let bench = Bench::with_boards(&[1, 3, 4, 5, 6, 7, 8, 9, 12]);
    let boards = bench.path("boards");
    fs::copy(sample(4), boards.join("left04-again.jpg")).unwrap();
    GrayImage::from_pixel(640, 480, Luma([128]))
        .save(boards.join("empty.png"))
        .unwrap();
    GrayImage::from_pixel(320, 240, Luma([128]))
        .save(boards.join("small.png"))
        .unwrap();
    let whole = fs::read(sample(2)).unwrap();
    fs::write(boards.join("cut.jpg"), &whole[..whole.len() / 2]).unwrap();
    let said = bench.lens(&["--json"]);
    said.must(0, &[]);
    let told = said.json();
    assert_eq!(told["n_used"], 9, "{told}");
    let why = |name: &str| {
        let views = told["views"].as_array().unwrap().iter();
        let mut named = views.filter(|view| view["picture"].as_str().unwrap().ends_with(name));
        named.next().unwrap()["rejected"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    // Pictures are taken by name, so `left04-again` comes before `left04`.
    assert!(why("left04.jpg").starts_with("the same pose as `left04-again.jpg`"));
    assert!(why("empty.png").starts_with("no board found"));
    assert!(why("small.png").starts_with("320 x 240 px, but most pictures have 640 x 480 px"));
    assert!(why("cut.jpg").contains("cut off"));
}

#[test]
fn one_picture_and_a_wrong_board_are_refused_with_what_is_missing() {
    if are_missing() {
        return;
    }
    let bench = Bench::with_boards(&[1]);
    let said = bench.lens(&[]);
    said.must(
        3,
        &[
            "only 1 of 1 pictures show the board",
            "at least 4 are needed",
            "no calibration was written",
        ],
    );
    assert!(!bench.path("cam-1.toml").exists());
    assert!(
        bench
            .read("cam-1.lens.html")
            .contains("No calibration was written")
    );
    let wrong = [
        "lens",
        "boards",
        "--out",
        "cam-1.toml",
        "--camera",
        "cam-1",
        "--square-mm",
        "25",
        "--corners",
        "10x7",
    ];
    let said = bench.taktgate(&wrong);
    said.must(3, &["9 x 6 inner corners are seen", "`--corners` wrong"]);
    let few = [
        "lens",
        "boards",
        "--out",
        "cam-1.toml",
        "--camera",
        "cam-1",
        "--square-mm",
        "25",
        "--corners",
        "2x7",
    ];
    bench
        .taktgate(&few)
        .must(1, &["a board of 2 x 7 points is not read"]);
    bench
        .taktgate(&["lens", "boards", "--out", "cam-1.toml", "--camera", "cam-1"])
        .must(1, &["--corners 9x6"]);
    let other = ["lens", "boards", "--out", "cam-2.toml"];
    bench
        .taktgate(&[&other, &LENS[..]].concat())
        .must(1, &["must be named `cam-1.toml`"]);
    fs::create_dir(bench.path("none")).unwrap();
    let none = ["lens", "none", "--out", "cam-1.toml"];
    bench
        .taktgate(&[&none, &LENS[..]].concat())
        .must(1, &["has no picture"]);
}

#[test]
fn a_plane_is_not_built_on_another_cameras_an_old_or_a_wrong_calibration() {
    if are_missing() {
        return;
    }
    let bench = Bench::with_boards(&[1]);
    let plane = |file: &str| {
        bench.taktgate(&[
            "plane",
            file,
            "--picture",
            "boards/left01.jpg",
            "--corners",
            "9x6",
            "--square-mm",
            "25",
            "--plane",
            "desk",
        ])
    };
    bench.small_calibration("2999-01-01T00:00:00Z");
    plane("cam-1.toml").must(1, &["the frame has 640 x 480 px", "is for 64 x 48"]);
    fs::copy(bench.path("cam-1.toml"), bench.path("cam-2.toml")).unwrap();
    plane("cam-2.toml").must(1, &["`cam-2.toml` is for camera `cam-1`"]);
    bench.small_calibration("2021-01-01T00:00:00Z");
    let before = bench.read("cam-1.toml");
    plane("cam-1.toml").must(
        1,
        &["was valid until 2021-01-01T00:00:00Z", "calibrate again"],
    );
    assert_eq!(
        bench.read("cam-1.toml"),
        before,
        "a refusal must change nothing"
    );
}

#[test]
fn known_points_make_a_plane_and_points_off_it_do_not() {
    let bench = Bench::with_boards(&[]);
    bench.small_calibration("2999-01-01T00:00:00Z");
    let places = [(2, 3), (60, 3), (60, 44), (2, 44), (30, 20), (10, 30)];
    let lines = places.map(|(x, y)| {
        let (x_mm, y_mm) = (f64::from(x) * 0.5 + 7.0, f64::from(y) * 0.5);
        format!("{x},{y},{x_mm},{y_mm}\n")
    });
    let table = "x_px,y_px,x_mm,y_mm\n".to_owned() + &lines.concat();
    fs::write(bench.path("points.csv"), &table).unwrap();
    let plane = [
        "plane",
        "cam-1.toml",
        "--points",
        "points.csv",
        "--plane",
        "desk",
    ];
    let said = bench.taktgate(&plane);
    // Nobody said how well this lens is known.
    said.must(0, &["no uncertainty is stated"]);
    assert!(
        bench
            .read("cam-1.plane.html")
            .contains("No uncertainty is stated")
    );
    let calibration =
        Calibration::parse(&bench.path("cam-1.toml"), &bench.read("cam-1.toml")).unwrap();
    let at = calibration
        .projection()
        .mm_from_px(PointPx { x: 40.0, y: 10.0 });
    assert!(
        (at.x - 27.0).abs() < 1e-3 && (at.y - 5.0).abs() < 1e-3,
        "{at:?}"
    );
    assert_eq!(calibration.length_uncertainty, None);
    fs::write(
        bench.path("points.csv"),
        table.replace("30,20,22,10", "30,20,30,10"),
    )
    .unwrap();
    bench
        .taktgate(&plane)
        .must(1, &["the points miss the plane by", "is the board flat"]);
    let three: String = table
        .lines()
        .take(4)
        .fold(String::new(), |text, line| text + line + "\n");
    fs::write(bench.path("points.csv"), three).unwrap();
    bench.taktgate(&plane).must(1, &["at least 4"]);
}

#[test]
fn grey_cards_make_a_flat_field_and_other_pictures_do_not() {
    let bench = Bench::with_boards(&[]);
    bench.small_calibration("2999-01-01T00:00:00Z");
    bench.card("1.png", |x, _| 150 + (x / 8) as u8);
    bench.card("2.png", |x, _| 152 + (x / 8) as u8);
    let flat_field = ["flat-field", "cam-1.toml", "cards"];
    bench.taktgate(&flat_field).must(
        0,
        &[
            "levels",
            "151 to 158",
            "cam-1.flat-field.png",
            "cam-1.flat-field.html",
        ],
    );
    let report = bench.read("cam-1.flat-field.html");
    assert!(report.contains("1.05 times") && report.contains("data:image/jpeg;base64,"));
    let mean = image::open(bench.path("cam-1.flat-field.png"))
        .unwrap()
        .to_luma8();
    assert_eq!(
        (mean.get_pixel(0, 0)[0], mean.get_pixel(63, 47)[0]),
        (151, 158)
    );
    assert!(
        bench
            .read("cam-1.toml")
            .contains("flat_field = \"cam-1.flat-field.png\"")
    );
    bench.card("3.png", |x, _| if x < 9 { 255 } else { 150 });
    bench.taktgate(&flat_field).must(1, &["3.png", "burnt out"]);
    bench.card(
        "3.png",
        |x, y| if (x / 8 + y / 8) % 2 == 0 { 100 } else { 203 },
    );
    bench
        .taktgate(&flat_field)
        .must(1, &["differ from their surroundings"]);
}
