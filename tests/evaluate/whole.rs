//! A shipped package on its scene, against the same done in Python by other libraries.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::environment::exporters_python;
use crate::scene::{ROOT, Scene};
use crate::{evaluate, near};

const FIGURES: [&str; 5] = [
    "image_auroc",
    "pixel_auroc",
    "pixel_ap",
    "aupro",
    "pixel_f1",
];

fn package() -> String {
    format!("{ROOT}/models/stamping-surface/0.2.0")
}

/// Figures within one tolerance, scores of the pictures within another.
fn check(scene: &Scene, data: &str, expected: &Value, tolerances: (f64, f64)) {
    let (exit, found) = evaluate(scene, &[&package(), data, "--out", "out"]);
    assert_eq!(exit, 0);
    for name in FIGURES {
        let expected = expected[name].as_f64().unwrap();
        near(name, &found["figures"][name], expected, tolerances.0);
    }
    let run: Value = serde_json::from_str(&scene.read("out/run.json")).unwrap();
    let pictures = run["pictures"].as_array().unwrap();
    let scores = expected["scores"].as_array().unwrap();
    assert_eq!(pictures.len(), scores.len());
    for (picture, score) in pictures.iter().zip(scores) {
        let name = picture["name"].as_str().unwrap();
        near(
            name,
            &picture["score"],
            score.as_f64().unwrap(),
            tolerances.1,
        );
    }
}

#[test]
fn a_shipped_package_has_the_figures_that_python_finds() {
    // Another JPEG decoder, so other grey levels here and there.
    let expected = serde_json::from_str(include_str!("whole.json")).unwrap();
    let data = format!("{ROOT}/samples/stamping");
    check(&Scene::new(), &data, &expected, (1e-3, 0.03));
}

#[test]
fn on_the_same_pixels_python_finds_the_same_scores() {
    let Some(python) = exporters_python() else {
        return;
    };
    let scene = Scene::new();
    let samples = Path::new(ROOT).join("samples/stamping");
    for entry in fs::read_dir(samples.join("frames")).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut png = std::io::Cursor::new(Vec::new());
        let picture = image::open(&path).unwrap();
        picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
        scene.write(&format!("set/frames/{stem}.png"), png.into_inner());
        let mask = format!("truth/{stem}.png");
        scene.write(
            &format!("set/{mask}"),
            fs::read(samples.join(&mask)).unwrap(),
        );
    }
    let script = Path::new(ROOT).join("tests/evaluate/whole.py");
    let output = Command::new(python)
        .arg(script)
        .arg(scene.path("set"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    check(&scene, "set", &expected, (1e-4, 1e-4));
}
