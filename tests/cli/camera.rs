//! `camera`: one picture and the live line of a camera that draws, and what is not there.

use insta::assert_snapshot;
use serde_json::Value;

use crate::scene::Scene;

#[test]
fn a_picture_is_written_as_a_part_would_get_it() {
    let scene = Scene::with_station();
    drawn(&scene);
    let told = scene.taktgate(&["camera", "grab", "st-07", "--out", "one.png", "--json"]);
    let json = told.lines().find(|line| line.starts_with('{')).unwrap();
    let json: Value = serde_json::from_str(json).unwrap();
    assert_eq!(
        (&json["width_px"], &json["height_px"]),
        (&64.into(), &48.into())
    );
    let picture = image::open(scene.path("one.png")).unwrap().into_luma8();
    assert_eq!(picture.dimensions(), (64, 48));
    let sum: f64 = picture.pixels().map(|pixel| f64::from(pixel.0[0])).sum();
    let mean = json["mean"].as_f64().unwrap();
    // Fitness is measured at half the size, where levels are whole numbers again.
    assert!((mean - sum / (64.0 * 48.0)).abs() < 1.0, "{mean}");
}

#[test]
fn the_live_line_says_rate_losses_and_brightness() {
    let scene = Scene::with_station();
    drawn(&scene);
    let told = scene.taktgate(&[
        "camera",
        "stream",
        "st-07",
        "cam-1",
        "--seconds",
        "1",
        "--json",
    ]);
    let line = told.lines().find(|line| line.starts_with('{')).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert!(10.0 < line["rate_fps"].as_f64().unwrap(), "{line}");
    assert_eq!(
        (&line["frames_lost"], &line["without_frame"]),
        (&0.into(), &0.into())
    );
    assert!(
        (100.0..200.0).contains(&line["mean"].as_f64().unwrap()),
        "{line}"
    );
}

#[test]
fn what_a_camera_is_set_to_is_shown_without_a_password() {
    let scene = Scene::with_station();
    drawn(&scene);
    assert_snapshot!(scene.taktgate(&["camera", "show", "st-07"]), @"
    exit 0
    --- stdout
    cam-1: drawn frames of 64 x 48 px
      opens, and has taken these settings
    ");
    assert_snapshot!(scene.taktgate(&["camera", "show", "st-07", "cam-9"]), @"
    exit 1
    --- stderr
    error: there is no camera `cam-9`; the station has cam-1
    ");
    let stream = "{ stream = { url = \"http://line:secret@127.0.0.1:9/x\" } }";
    scene.replace("st-07/station.toml", GENERATOR, stream);
    let told = scene.taktgate(&["camera", "show", "st-07"]);
    assert!(
        told.contains("exit 3") && told.contains("http://127.0.0.1:9/x"),
        "{told}"
    );
    assert!(!told.contains("secret"), "{told}");
}

const GENERATOR: &str = "{ generator = { width_px = 64, height_px = 48 } }";

/// Has the station's camera draw its frames.
fn drawn(scene: &Scene) {
    let folder = "{ folder = { path = \"frames\", order = \"again\" } }";
    scene.replace("st-07/station.toml", folder, GENERATOR);
}
