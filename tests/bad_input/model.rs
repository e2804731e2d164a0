//! Models that are not what their package says, and such as fail only when a part is there.

use image::{GrayImage, Luma};
use insta::assert_snapshot;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use taktgate::config::sha256_hex;

use crate::scene::{Scene, filters, picture, png};

/// A station whose model is the graph of a broken package under a golden vector that it passes: an
/// even picture of `grey`, whose anomaly map is all 0.
fn station_with(package: &str, grey: u8) -> Scene {
    let scene = Scene::with_station();
    scene.package(package);
    let folder = format!("models/{package}/1.0.0");
    let image = png(&GrayImage::from_pixel(32, 24, Luma([grey])));
    let zeros = vec![0; 12 * 16 * 4];
    let map = TensorView::new(Dtype::F32, vec![1, 1, 12, 16], &zeros).unwrap();
    let outputs = safetensors::serialize([("out", map)], None).unwrap();
    scene.write(&format!("{folder}/golden/01.png"), &image);
    scene.write(&format!("{folder}/golden/01.safetensors"), &outputs);
    let manifest = format!("{folder}/manifest.toml");
    let seal = |key: &str, bytes: &[u8]| {
        let text = scene.read(&manifest);
        let line = text.lines().find(|line| line.starts_with(key)).unwrap();
        scene.replace(
            &manifest,
            line,
            &format!("{key} = \"{}\"", sha256_hex(bytes)),
        );
    };
    seal("image_sha256", &image);
    seal("outputs_sha256", &outputs);
    scene.replace("st-07/recipe.toml", "anomaly/", &format!("{package}/"));
    scene
}

#[test]
fn nan_from_a_model_that_passed_its_test_is_a_doubt_and_no_pass() {
    // The root of brightness - 1: a number for a white picture only.
    let scene = station_with("broken-nan", 255);
    let told = scene.taktgate(&["replay", "st-07"]);
    assert!(told.starts_with("exit 0\n"), "{told}");
    assert_snapshot!(scene.read("out/replay/verdicts.jsonl"), @r#"
    {"findings":[],"notes":["model `broken-nan 1.0.0`: the output cannot be trusted: 192 of 192 numbers are NaN or infinite"],"picture":"1-good.png","reason":"model","verdict":"indeterminate"}
    {"findings":[],"notes":["model `broken-nan 1.0.0`: the output cannot be trusted: 168 of 192 numbers are NaN or infinite"],"picture":"2-bad.png","reason":"model","verdict":"indeterminate"}
    {"findings":[],"notes":["model `broken-nan 1.0.0`: the output cannot be trusted: 192 of 192 numbers are NaN or infinite"],"picture":"3-doubtful.png","reason":"model","verdict":"indeterminate"}
    "#);
}

#[test]
fn another_shape_from_a_model_that_passed_its_test_is_a_doubt_and_no_pass() {
    // A second channel, but only where the picture is bright.
    let scene = station_with("broken-shape", 0);
    scene.write("st-07/frames/2-bad.png", png(&picture(255)));
    let told = scene.taktgate(&["replay", "st-07"]);
    assert!(told.starts_with("exit 0\n"), "{told}");
    assert_snapshot!(scene.read("out/replay/verdicts.jsonl"), @r#"
    {"findings":[],"notes":[],"picture":"1-good.png","reason":null,"verdict":"ok"}
    {"findings":[],"notes":["model `broken-shape 1.0.0`: the output cannot be trusted: its shape is [1, 2, 12, 16] where the layout has [1, 1, n, n]"],"picture":"2-bad.png","reason":"model","verdict":"indeterminate"}
    {"findings":[{"area_mm2":96.0,"class":"anomaly","grade":"doubtful","length_mm":14.42,"score":0.8,"zone":"all"}],"notes":[],"picture":"3-doubtful.png","reason":"doubtful","verdict":"indeterminate"}
    "#);
}

/// What `run` says of a station with this package: it must not start.
fn refused(package: &str, spoil: impl Fn(&Scene, &str)) -> String {
    let scene = Scene::with_station();
    scene.package(package);
    scene.replace("st-07/recipe.toml", "anomaly/", &format!("{package}/"));
    spoil(&scene, &format!("models/{package}/1.0.0"));
    let told = scene.taktgate(&["run", "st-07", "--log", "error"]);
    assert!(!scene.path("st-07/data/records.sqlite").exists());
    told
}

#[test]
fn no_station_runs_with_a_model_that_fails_its_test() {
    let _filters = filters();
    let as_it_is = |package: &str| refused(package, |_, _| {});
    assert_snapshot!(as_it_is("broken-shape"), @"
    exit 1
    --- stderr
    error: model `broken-shape/1.0.0` is not fit for the line
      because model `broken-shape 1.0.0`: the output cannot be trusted: its shape is [1, 2, 12, 16] where the layout has [1, 1, n, n]
    ");
    assert_snapshot!(as_it_is("broken-rank"), @"
    exit 1
    --- stderr
    error: model `broken-rank/1.0.0` is not fit for the line
      because model `broken-rank 1.0.0`: graph and manifest differ; export the package again:
    - the output `out` has the shape [1, 192] and the manifest says [1, 1, n, n]
    ");
    assert_snapshot!(as_it_is("broken-nan"), @"
    exit 1
    --- stderr
    error: model `broken-nan/1.0.0` is not fit for the line
      because model `broken-nan 1.0.0`: the output cannot be trusted: 192 of 192 numbers are NaN or infinite
    ");
    assert_snapshot!(as_it_is("broken-golden"), @"
    exit 1
    --- stderr
    error: model `broken-golden/1.0.0` is not fit for the line
      because model `broken-golden 1.0.0`: golden vector `golden/01.png` does not come out as exported: the largest difference is 1 where 0.0001 is tolerated; is it the right ONNX file, and are mean, scale and channel order those of the training?
    ");
    assert_snapshot!(as_it_is("broken-no-golden"), @"
    exit 1
    --- stderr
    error: station `st-07`: `st-07/../models/broken-no-golden/1.0.0` is no sound model package:
    - there are 0 `[[golden]]` vectors; a package proves itself with 1 to 32
    ");
}

#[test]
fn no_station_runs_with_a_package_whose_files_are_not_those_of_its_manifest() {
    let _filters = filters();
    let spoilt = |spoil: &dyn Fn(&Scene, &str)| refused("anomaly", spoil);
    assert_snapshot!(spoilt(&|scene, folder| {
        scene.write(&format!("{folder}/model.onnx"), "another model");
    }), @r#"
    exit 1
    --- stderr
    error: station `st-07`: `st-07/../models/anomaly/1.0.0` is no sound model package:
    - `onnx = "model.onnx"`: SHA-256 is [SHA256] where the manifest has [SHA256]: the file was changed or cut off; copy or export the package again
    "#);
    assert_snapshot!(spoilt(&|scene, folder| {
        std::fs::remove_file(scene.path(&format!("{folder}/golden/01.png"))).unwrap();
    }), @r#"
    exit 1
    --- stderr
    error: station `st-07`: `st-07/../models/anomaly/1.0.0` is no sound model package:
    - `golden[0].image = "golden/01.png"`: cannot find it: No such file or directory (os error 2)
    "#);
    assert_snapshot!(spoilt(&|scene, folder| {
        scene.write(&format!("{folder}/golden/02.safetensors"), "");
    }), @r#"
    exit 1
    --- stderr
    error: station `st-07`: `st-07/../models/anomaly/1.0.0` is no sound model package:
    - `golden[1].outputs = "golden/02.safetensors"`: SHA-256 is [SHA256] where the manifest has [SHA256]: the file was changed or cut off; copy or export the package again
    "#);
    assert_snapshot!(spoilt(&|scene, folder| {
        std::fs::remove_file(scene.path(&format!("{folder}/model.onnx"))).unwrap();
    }), @r#"
    exit 1
    --- stderr
    error: station `st-07`: `st-07/../models/anomaly/1.0.0` is no sound model package:
    - `onnx = "model.onnx"`: cannot find it: No such file or directory (os error 2)
    "#);
    assert_snapshot!(spoilt(&|scene, folder| {
        scene.replace(&format!("{folder}/manifest.toml"), "schema = 1", "schema = 2");
    }), @"
    exit 1
    --- stderr
    error: station `st-07`: `st-07/../models/anomaly/1.0.0/manifest.toml` has `schema = 2` and this program reads 1; use the program that belongs to it, or export the package again
    ");
}
