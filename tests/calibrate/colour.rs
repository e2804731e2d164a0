//! `taktgate calibrate colour` with charts of known truth, and step `colour` from the chart to the verdict.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use image::RgbImage;
use serde_json::Value;
use taktgate::calibration::{Curve, Draft};
use tempfile::TempDir;

use crate::chart::{COLD, CORNERS, ColourCamera, HEIGHT, WARM, WIDTH, light};
use crate::station_of;

struct Desk {
    folder: TempDir,
}

struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Said {
    fn must(&self, code: i32, texts: &[&str]) {
        let all = format!("exit {:?}\n{}{}", self.code, self.stdout, self.stderr);
        assert_eq!(self.code, Some(code), "{all}");
        for text in texts {
            assert!(all.contains(text), "`{text}` is missing in {all}");
        }
    }

    fn json(&self) -> Value {
        self.must(0, &[]);
        serde_json::from_str(&self.stdout).unwrap()
    }
}

impl Desk {
    fn new() -> Self {
        let desk = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        desk.calibration("cam-1", "2999-01-01T00:00:00Z", [WIDTH, HEIGHT]);
        desk
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn write(&self, below: &str, text: &str) {
        fs::create_dir_all(self.path(below).parent().unwrap()).unwrap();
        fs::write(self.path(below), text).unwrap();
    }

    fn save(&self, below: &str, picture: &RgbImage) {
        fs::create_dir_all(self.path(below).parent().unwrap()).unwrap();
        picture.save(self.path(below)).unwrap();
    }

    fn calibration(&self, camera: &str, valid_until: &str, [width, height]: [u32; 2]) {
        let text = format!(
            "schema = 1\ncamera = \"{camera}\"\nmade_at_utc = \"2020-01-01T00:00:00Z\"\nvalid_until_utc = \"{valid_until}\"\n\
             image_size_px = [{width}, {height}]\ncamera_matrix_px = [[900.0, 0.0, 319.5], [0.0, 900.0, 239.5], [0.0, 0.0, 1.0]]\n\
             distortion = [0.0, 0.0, 0.0, 0.0, 0.0]\nplane = \"panel\"\n\
             mm_from_px = [[0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 1.0]]\n\
             reprojection_error_rms_px = 0.1\nboard = \"none\"\n"
        );
        self.write(&format!("{camera}.toml"), &text);
    }

    fn taktgate(&self, args: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taktgate"));
        let command = command.current_dir(self.folder.path()).args(args);
        let output = command.output().unwrap();
        Said {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn colour(&self, pictures: &str, more: &[&str]) -> Said {
        let start = ["calibrate", "colour", "cam-1.toml", pictures, "--corners"];
        self.taktgate(&[&start[..], &CORNERS, more].concat())
    }

    fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap()
    }
}

/// How far what was found is from undoing the camera.
fn off(camera: &ColourCamera, told: &Value) -> f64 {
    let matrix: [[f64; 3]; 3] = serde_json::from_value(told["srgb_from_camera"].clone()).unwrap();
    camera.off(&matrix)
}

fn mean(told: &Value, key: &str) -> f64 {
    told[key]["mean"].as_f64().unwrap()
}

#[test]
fn a_known_camera_is_seen_through() {
    let desk = Desk::new();
    for (camera, curve) in [
        (WARM, Curve::Srgb),
        (COLD, Curve::Srgb),
        (
            ColourCamera {
                is_linear: true,
                ..WARM
            },
            Curve::Linear,
        ),
    ] {
        for seed in 0..3 {
            desk.save(&format!("charts/{seed}.png"), &camera.chart(seed));
        }
        let told = desk
            .colour("charts", &["--json", "--curve", curve.name()])
            .json();
        let [before, after, held_out] =
            ["before_ciede2000", "after_ciede2000", "held_out_ciede2000"]
                .map(|key| mean(&told, key));
        let off = off(&camera, &told);
        eprintln!(
            "{curve}: off {off:.4}, {before:.2} before, {after:.3} after, {held_out:.3} held out"
        );
        assert!(off < 0.01, "{told}");
        assert!(
            7.0 < before && after < 0.4 && after < held_out && held_out < 0.5,
            "{told}"
        );
        assert_eq!(told["n_pictures"], 3);
        let draft = Draft::parse(&desk.path("cam-1.toml"), &desk.read("cam-1.toml")).unwrap();
        let colour = draft.colour.unwrap();
        assert_eq!(colour.curve, curve);
        assert!((colour.figures.unwrap().held_out.mean - held_out).abs() < 1e-3);
        assert!(
            2020 < draft
                .made_at_utc
                .to_zoned(jiff::tz::TimeZone::UTC)
                .year()
                .into()
        );
        assert!(draft.plane.is_some(), "what was there must stay");
    }
    let report = desk.read("cam-1.colour.html");
    assert!(report.contains("18 (cyan)") && report.matches("<img").count() == 2);
    assert!(!report.contains("NaN%") && !report.contains(">NaN"));
}

#[test]
fn one_picture_does_and_a_wrong_curve_is_refused_with_the_right_one() {
    let desk = Desk::new();
    desk.save(
        "chart.png",
        &ColourCamera {
            is_linear: true,
            ..COLD
        }
        .chart(1),
    );
    desk.colour("chart.png", &[])
        .must(1, &["write `--curve linear`, with which", "to look at"]);
    desk.colour("chart.png", &["--curve", "linear"])
        .must(0, &["since November 2014"]);
}

#[test]
fn corners_in_another_order_are_refused_with_those_that_fit() {
    let desk = Desk::new();
    desk.save("chart.png", &WARM.chart(1));
    for order in [
        [1, 2, 3, 0],
        [2, 3, 0, 1],
        [3, 0, 1, 2],
        [1, 0, 3, 2],
        [0, 3, 2, 1],
        [3, 2, 1, 0],
        [2, 1, 0, 3],
    ] {
        let corners = order.map(|at| CORNERS[at]);
        let start = [
            "calibrate",
            "colour",
            "cam-1.toml",
            "chart.png",
            "--corners",
        ];
        let said = desk.taktgate(&[&start[..], &corners].concat());
        let right = format!("write `--corners {}`", CORNERS.join(" "));
        said.must(
            1,
            &["the colours do not fit the order of the corners", &right],
        );
    }
}

#[test]
fn a_flat_field_takes_the_vignette_out_of_the_colours_and_must_be_used_with_them() {
    let desk = Desk::new();
    let camera = ColourCamera {
        vignette: 0.3,
        ..WARM
    };
    for seed in 0..4 {
        desk.save(
            &format!("cards/{seed}.png"),
            &camera.picture(seed, |_, _| [0.5; 3]),
        );
        desk.save(&format!("charts/{seed}.png"), &camera.chart(10 + seed));
    }
    let uneven = desk.colour("charts", &["--json"]).json();
    desk.taktgate(&["calibrate", "flat-field", "cam-1.toml", "cards"])
        .must(
            0,
            &["were measured in another light and are no longer in it"],
        );
    assert!(!desk.read("cam-1.toml").contains("[colour]"));
    let even = desk.colour("charts", &["--json"]).json();
    let [uneven_off, even_off] = [&uneven, &even].map(|told| mean(told, "held_out_ciede2000"));
    eprintln!("vignette: {uneven_off:.2} as it is, {even_off:.2} with the flat field");
    assert!(
        even_off < 0.8 && 2.0 * even_off < uneven_off,
        "{even} {uneven}"
    );
    desk.colour("charts", &[])
        .must(0, &["evened by the flat field"]);
    desk.station("cam-1", "[\"colour\"]");
    desk.replay("cam-1").must(
        1,
        &["states for evened light; name `flat_field` in `prepare` too"],
    );
}

/// Pictures of a chart, each with one thing wrong.
fn save_spoiled(desk: &Desk) {
    let good = WARM.chart(1);
    let spoiled = |name: &str, spoil: &dyn Fn(u32, u32, &mut image::Rgb<u8>)| {
        let mut picture = good.clone();
        for (x, y, pixel) in picture.enumerate_pixels_mut() {
            spoil(x, y, pixel);
        }
        desk.save(name, &picture);
    };
    let near_first = |x: u32, y: u32| x.abs_diff(80) < 15 && y.abs_diff(90) < 40;
    let near_white = |x: u32, y: u32| x.abs_diff(105) < 40 && y.abs_diff(344) < 40;
    spoiled("glare.png", &|x, y, pixel| {
        if near_first(x, y) {
            pixel.0 = pixel.0.map(|level| level.saturating_add(60));
        }
    });
    spoiled("burnt.png", &|x, y, pixel| {
        if near_white(x, y) {
            pixel.0 = [255; 3];
        }
    });
    spoiled("dark.png", &|_, _, pixel| {
        pixel.0 = pixel.0.map(|level| level / 4);
    });
    spoiled("black.png", &|x, y, pixel| {
        if x.abs_diff(492) < 40 && y.abs_diff(342) < 40 {
            pixel.0 = [0; 3];
        }
    });
    spoiled("grey.png", &|_, _, pixel| pixel.0 = [pixel.0[1]; 3]);
    spoiled("other.png", &|x, y, pixel| {
        pixel.0 = [(x * 7 % 200) as u8, (y * 3 % 180) as u8, 150];
    });
    image::imageops::crop_imm(&good, 0, 0, 320, 240)
        .to_image()
        .save(desk.path("small.png"))
        .unwrap();
    image::DynamicImage::ImageRgb8(good.clone())
        .to_luma8()
        .save(desk.path("mono.png"))
        .unwrap();
}

#[test]
fn pictures_that_are_no_use_are_refused_and_change_nothing() {
    let desk = Desk::new();
    let before = desk.read("cam-1.toml");
    save_spoiled(&desk);
    for (picture, texts) in [
        ("glare.png", ["patch 1 (dark skin)", "is there glare"]),
        ("burnt.png", ["patch 19 (white)", "burnt out"]),
        (
            "dark.png",
            ["brightest patch has the level", "expose it longer"],
        ),
        (
            "black.png",
            ["patch 24 (black) is black", "expose it longer"],
        ),
        (
            "grey.png",
            ["does not serve as a picture of the chart", "it is grey"],
        ),
        (
            "mono.png",
            ["does not serve as a picture of the chart", "it is grey"],
        ),
        (
            "small.png",
            ["the frame has 320 x 240 px", "is for 640 x 480"],
        ),
        ("none.png", ["none.png", "No such file"]),
    ] {
        desk.colour(picture, &[]).must(1, &texts);
    }
    assert_eq!(desk.read("cam-1.toml"), before);
    assert!(!desk.path("cam-1.colour.html").exists());
}

#[test]
fn settings_that_do_not_fit_are_refused_and_change_nothing() {
    let desk = Desk::new();
    let before = desk.read("cam-1.toml");
    let good = WARM.chart(1);
    desk.save("good.png", &good);
    desk.save("steps/1.png", &good);
    desk.save(
        "steps/2.png",
        &ColourCamera {
            from_srgb: WARM.from_srgb.map(|row| row.map(|v| 0.8 * v)),
            ..WARM
        }
        .chart(2),
    );
    desk.colour("steps", &[])
        .must(1, &["steps/2.png", "is the light steady"]);
    desk.write("ref.csv", "patch,L,a,b\n1,50,0,0\n");
    desk.colour("good.png", &["--reference", "ref.csv"])
        .must(1, &["`ref.csv`, line 2: patch 2 is missing"]);
    desk.colour("good.png", &["--reference", "nothing.csv"])
        .must(1, &["cannot read `nothing.csv`"]);
    let start = ["calibrate", "colour", "cam-1.toml", "good.png", "--corners"];
    desk.taktgate(&[&start[..], &["90,90", "400,100", "400,300"]].concat())
        .must(2, &["--corners"]);
    desk.taktgate(&[&start[..], &["90,90", "400,100", "400", "100,300"]].concat())
        .must(2, &["for example 210,180"]);
    desk.taktgate(&[&start[..], &["90,90", "400,100", "400,300", "100,900"]].concat())
        .must(1, &["the corners do not lie in the picture"]);
    desk.taktgate(&[&start[..], &["10,10", "300,20", "300,120", "12,130"]].concat())
        .must(1, &["good.png"]);
    assert_eq!(
        desk.read("cam-1.toml"),
        before,
        "a refusal must change nothing"
    );
    assert!(!desk.path("cam-1.colour.html").exists());
    fs::copy(desk.path("cam-1.toml"), desk.path("cam-2.toml")).unwrap();
    let other = ["calibrate", "colour", "cam-2.toml", "good.png", "--corners"];
    desk.taktgate(&[&other[..], &CORNERS].concat())
        .must(1, &["`cam-2.toml` is for camera `cam-1`"]);
    desk.calibration("cam-1", "2021-01-01T00:00:00Z", [WIDTH, HEIGHT]);
    desk.colour("good.png", &[])
        .must(1, &["was valid until 2021-01-01T00:00:00Z"]);
}

#[test]
fn a_table_of_ones_own_takes_the_place_of_the_makers() {
    let desk = Desk::new();
    desk.save("good.png", &WARM.chart(1));
    // The maker's colours with red and blue exchanged: the matrix exchanges them too.
    let lines: Vec<String> = crate::chart::PATCHES
        .iter()
        .zip(1..)
        .map(|(rgb, patch)| {
            let [red, green, blue] = rgb.map(|light| 255.0 * crate::chart::encoded(light.max(0.0)));
            format!("{patch},{blue:.2},{green:.2},{red:.2}")
        })
        .collect();
    desk.write(
        "mine.csv",
        &format!("patch,red,green,blue\n{}\n", lines.join("\n")),
    );
    let told = desk
        .colour("good.png", &["--reference", "mine.csv", "--json"])
        .json();
    assert_eq!(told["reference"], "mine.csv");
    let mut matrix: [[f64; 3]; 3] =
        serde_json::from_value(told["srgb_from_camera"].clone()).unwrap();
    matrix.swap(0, 2);
    // Cyan cannot be written as sRGB, so it is off.
    assert!(WARM.off(&matrix) < 0.05, "{told}");
}

const RECIPE: &str = r#"schema = 1
part_type = "panel"
revision = 1

[[views]]
name = "top"
camera = "@CAMERA@"
model = "reddish/1.0.0"
prepare = @PREPARE@

[[views.zones]]
name = "all"

[views.zones.limits.rust]
score_doubtful = 0.3
score_reject = 0.6
"#;

impl Desk {
    /// A station that looks for rust through a camera.
    fn station(&self, camera: &str, prepare: &str) {
        let from = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/models/reddish");
        for file in [
            "manifest.toml",
            "model.onnx",
            "golden/01.png",
            "golden/01.safetensors",
            "golden/02.png",
            "golden/02.safetensors",
        ] {
            let to = self.path("models/reddish/1.0.0").join(file);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(from.join(file), to).unwrap();
        }
        fs::create_dir_all(self.path("frames")).unwrap();
        self.write("st/station.toml", &station_of(camera, ".."));
        self.write(
            "st/recipe.toml",
            &RECIPE
                .replace("@CAMERA@", camera)
                .replace("@PREPARE@", prepare),
        );
    }

    fn replay(&self, camera: &str) -> Said {
        let images = format!("frames/{camera}");
        fs::create_dir_all(self.path(&images)).unwrap();
        self.taktgate(&[
            "replay",
            "st",
            "--images",
            &images,
            "--json",
            "--no-pictures",
        ])
    }

    fn verdicts(&self, camera: &str) -> Vec<String> {
        let said = self.replay(camera);
        let lines = said
            .stdout
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let verdicts = lines.filter_map(|line| {
            Some(line.get("picture")?.as_str()?.to_owned() + " " + line["verdict"].as_str()?)
        });
        let verdicts: Vec<_> = verdicts.collect();
        assert!(!verdicts.is_empty(), "{}{}", said.stdout, said.stderr);
        verdicts
    }
}

/// A grey panel with a spot of this sRGB colour.
fn panel(camera: &ColourCamera, spot: [f64; 3], seed: u64) -> RgbImage {
    camera.picture(seed, |x, y| {
        let is_spot = (x - 330.0).abs() < 120.0 && (y - 230.0).abs() < 90.0;
        // A dark bench beside the panel: an empty picture would be unfit.
        if x < 60.0 {
            [light(30.0); 3]
        } else if is_spot {
            spot.map(light)
        } else {
            [light(150.0); 3]
        }
    })
}

/// Rust is red over green by 55 levels: a spot with 80 is rust, one with 45 is none, whatever the lamp and the camera.
#[test]
fn two_cameras_in_different_light_come_to_the_same_verdict_with_their_colours() {
    let desk = Desk::new();
    for (name, camera) in [("warm", WARM), ("cold", COLD)] {
        desk.calibration(name, "2999-01-01T00:00:00Z", [WIDTH, HEIGHT]);
        desk.save("chart.png", &camera.chart(7));
        let file = format!("{name}.toml");
        let start = ["calibrate", "colour", &file, "chart.png", "--corners"];
        desk.taktgate(&[&start[..], &CORNERS].concat()).must(0, &[]);
        desk.save(
            &format!("frames/{name}/1-stain.png"),
            &panel(&camera, [175.0, 130.0, 100.0], 1),
        );
        desk.save(
            &format!("frames/{name}/2-rust.png"),
            &panel(&camera, [200.0, 120.0, 90.0], 2),
        );
        desk.station(name, "[]");
        let without = desk.verdicts(name);
        desk.station(name, "[\"colour\"]");
        let with = desk.verdicts(name);
        assert_eq!(
            with,
            ["1-stain.png ok", "2-rust.png ng"],
            "{name}: {}",
            desk.replay(name).stdout
        );
        let expected = if name == "warm" {
            // A stain is taken for rust in warm light,
            ["1-stain.png ng", "2-rust.png ng"]
        } else {
            // and rust for a stain in cold light.
            ["1-stain.png ok", "2-rust.png ok"]
        };
        assert_eq!(without, expected, "{name}");
    }
    // A grey frame of a camera that was set back is no part's picture.
    let grey = image::DynamicImage::ImageRgb8(panel(&COLD, [200.0, 120.0, 90.0], 3)).to_luma8();
    fs::remove_file(desk.path("frames/cold/1-stain.png")).unwrap();
    fs::remove_file(desk.path("frames/cold/2-rust.png")).unwrap();
    grey.save(desk.path("frames/cold/3.png")).unwrap();
    let said = desk.replay("cold");
    assert!(
        said.stdout.contains("image_unfit") && said.stdout.contains("the frame is grey"),
        "{}",
        said.stdout
    );
}
