//! Model packages through the real ONNX Runtime: the tiny ones of `tests/models/make.py`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

#[path = "model_packages/backbone.rs"]
mod backbone;
#[path = "model_packages/layouts.rs"]
mod layouts;
#[path = "model_packages/writing.rs"]
mod writing;

use std::error::Error as _;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use taktgate::domain::{Detection, PointPx};
use taktgate::model::{
    Detector as _, LoadReport, ModelError, ModelPackage, OnnxDetector, PackageError, Provider,
    Runtime, SessionOptions,
};

const WIDTH: usize = 32;
const HEIGHT: usize = 24;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/models")
        .join(name)
}

fn load(name: &str) -> Result<(OnnxDetector, LoadReport), ModelError> {
    let runtime = Runtime::load(None).unwrap();
    let package = ModelPackage::open(&folder(name)).unwrap();
    OnnxDetector::load(package, &runtime, &SessionOptions::default())
}

/// An error with its causes, without what differs between machines.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, ": {error}").unwrap();
        cause = error.source();
    }
    text.replace(env!("CARGO_MANIFEST_DIR"), "[ROOT]")
}

fn refused(name: &str) -> String {
    let runtime = Runtime::load(None).unwrap();
    match ModelPackage::open(&folder(name)) {
        Err(error) => told(&error),
        Ok(package) => {
            let loaded = OnnxDetector::load(package, &runtime, &SessionOptions::default());
            told(&loaded.unwrap_err())
        }
    }
}

/// Squares of brightness 0 to 1 on black, as the model's tensor: left, top, right, bottom.
fn tensor(squares: &[([usize; 4], f32)]) -> Vec<f32> {
    let mut tensor = vec![0.0; WIDTH * HEIGHT];
    for ([left, top, right, bottom], value) in squares {
        for y in *top..*bottom {
            tensor[y * WIDTH + left..y * WIDTH + right].fill(*value);
        }
    }
    tensor
}

/// What a model sees, on a frame of twice the input's size that starts at (100, 50).
fn seen(name: &str, squares: &[([usize; 4], f32)]) -> String {
    let (detector, _) = load(name).unwrap();
    let raw = detector.infer(&tensor(squares)).unwrap();
    let original_from_input = |point: PointPx| PointPx {
        x: 2.0 * (point.x + 0.5) + 100.0 - 0.5,
        y: 2.0 * (point.y + 0.5) + 50.0 - 0.5,
    };
    let found = detector.decode(&raw, &original_from_input).unwrap();
    let lines: Vec<_> = found.iter().map(line).collect();
    lines.join("\n")
}

fn line(detection: &Detection) -> String {
    let (class, region) = (&detection.class, detection.region_px);
    let thousandths = |value: f64| (value * 1e3).round() / 1e3;
    format!(
        "{}/{} {:.3} {} x {} at ({}, {}), {} points, mask {}",
        class.name,
        class.code,
        detection.score.get(),
        thousandths(region.width),
        thousandths(region.height),
        thousandths(region.x),
        thousandths(region.y),
        detection.outline_px.len(),
        detection.has_mask
    )
}

const MIDDLE: [usize; 4] = [10, 8, 22, 16];
const ALL: [usize; 4] = [0, 0, WIDTH, HEIGHT];

#[test]
fn every_layout_finds_what_is_there_in_pixels_of_the_frame() {
    let dent = [(MIDDLE, 1.0)];
    assert_snapshot!(seen("segment", &dent), @"dent/ 1.000 24 x 16 at (119.5, 65.5), 4 points, mask true");
    assert_snapshot!(seen("segment", &[([2, 2, 8, 4], 0.5), (MIDDLE, 1.0)]), @"
    scratch/A 1.000 12 x 4 at (103.5, 53.5), 4 points, mask true
    dent/ 1.000 24 x 16 at (119.5, 65.5), 4 points, mask true
    ");
    assert_snapshot!(seen("anomaly", &dent), @"anomaly/ 1.000 24 x 16 at (119.5, 65.5), 4 points, mask true");
    assert_snapshot!(seen("detect", &dent), @"dent/ 1.000 24 x 16 at (119.5, 65.5), 4 points, mask false");
    assert_snapshot!(seen("detect-yolo", &dent), @"
    scratch/A 1.000 24 x 16 at (119.5, 65.5), 4 points, mask false
    dent/ 0.900 8 x 8 at (107.5, 57.5), 4 points, mask false
    ");
    assert_snapshot!(seen("classify", &[(ALL, 1.0)]), @"torn/ 1.000 64 x 48 at (99.5, 49.5), 4 points, mask false");
    assert_snapshot!(seen("classify-logits", &[(ALL, 1.0)]), @"torn/ 1.000 64 x 48 at (99.5, 49.5), 4 points, mask false");
}

#[test]
fn a_clean_picture_has_no_detections() {
    for name in [
        "segment",
        "anomaly",
        "detect",
        "detect-yolo",
        "classify",
        "classify-logits",
    ] {
        assert_eq!(seen(name, &[]), "", "{name}");
    }
}

#[test]
fn an_anomaly_too_small_for_a_region_is_still_found() {
    let speck = [([10, 8, 12, 10], 0.9)];
    assert_snapshot!(seen("anomaly", &speck), @"anomaly/ 0.900 4 x 4 at (119.5, 65.5), 4 points, mask true");
    let weak_region_beside_it = [([10, 8, 12, 10], 0.9), ([20, 8, 28, 16], 0.6)];
    assert_snapshot!(seen("anomaly", &weak_region_beside_it), @"
    anomaly/ 0.600 16 x 16 at (139.5, 65.5), 4 points, mask true
    anomaly/ 0.900 4 x 4 at (119.5, 65.5), 4 points, mask true
    ");
}

#[test]
fn a_classifier_that_is_not_sure_of_good_does_not_pass_in_silence() {
    // Its logits are 4 - 10 x brightness for good and the negative for torn; sure is 0.9.
    assert_snapshot!(seen("classify-logits", &[(ALL, 0.4)]), @"torn/ 0.500 64 x 48 at (99.5, 49.5), 4 points, mask false");
    assert_snapshot!(seen("classify-logits", &[(ALL, 0.45)]), @"torn/ 0.731 64 x 48 at (99.5, 49.5), 4 points, mask false");
    assert_snapshot!(seen("classify-logits", &[(ALL, 0.35)]), @"");
}

#[test]
fn loading_proves_and_measures_the_model() {
    for (name, n_golden) in [("segment", 2), ("anomaly", 2), ("detect-yolo", 2)] {
        let (detector, report) = load(name).unwrap();
        assert_eq!(report.n_golden, n_golden);
        assert!(report.golden_largest_difference < 0.001, "{report:?}");
        assert!(report.latency_min <= report.latency_median);
        assert!(report.latency_median <= report.latency_max);
        let version = detector.package().item_version();
        assert_eq!((version.name.as_str(), version.sha256.len()), (name, 64));
    }
}

#[test]
fn packages_that_cannot_be_trusted_are_refused_with_their_reason() {
    assert_snapshot!(refused("broken-nan"), @"model `broken-nan 1.0.0`: the output cannot be trusted: 192 of 192 numbers are NaN or infinite");
    assert_snapshot!(refused("broken-infinite"), @"model `broken-infinite 1.0.0`: the output cannot be trusted: 192 of 192 numbers are NaN or infinite");
    assert_snapshot!(refused("broken-over-one"), @"model `broken-over-one 1.0.0`: the output cannot be trusted: 24 of 192 probabilities are outside 0 to 1; is a softmax or sigmoid missing?");
    assert_snapshot!(refused("broken-rank"), @"
    model `broken-rank 1.0.0`: graph and manifest differ; export the package again:
    - the output `out` has the shape [1, 192] and the manifest says [1, 1, n, n]
    ");
    assert_snapshot!(refused("broken-shape"), @"model `broken-shape 1.0.0`: the output cannot be trusted: its shape is [1, 2, 12, 16] where the layout has [1, 1, n, n]");
    assert_snapshot!(refused("broken-type"), @"
    model `broken-type 1.0.0`: graph and manifest differ; export the package again:
    - the output `out` is i64; export it as f32
    ");
    assert_snapshot!(refused("broken-names"), @r#"
    model `broken-names 1.0.0`: graph and manifest differ; export the package again:
    - the graph has the inputs ["picture"] and the manifest one input `image`
    "#);
    assert_snapshot!(refused("broken-golden"), @"model `broken-golden 1.0.0`: golden vector `golden/01.png` does not come out as exported: the largest difference is 1 where 0.0001 is tolerated; is it the right ONNX file, and are mean, scale and channel order those of the training?");
    assert_snapshot!(refused("broken-class"), @"model `broken-class 1.0.0`: the output cannot be trusted: class 2 is none of the 2 labels");
    assert_snapshot!(refused("broken-hash"), @r#"
    `[ROOT]/tests/models/broken-hash` is no sound model package:
    - `onnx = "model.onnx"`: SHA-256 is ff013779d6ea17e8928603a25fb53dd832a0a8f3cb04a72616834e90a62a4400 where the manifest has 0028278ddf45510f16d3bacc87e94fc93f48778e77f7475281da0a927a0e1285: the file was changed or cut off; copy or export the package again
    "#);
    assert_snapshot!(refused("broken-no-golden"), @"
    `[ROOT]/tests/models/broken-no-golden` is no sound model package:
    - there are 0 `[[golden]]` vectors; a package proves itself with 1 to 32
    ");
    assert_snapshot!(refused("broken-no-onnx"), @"
    `[ROOT]/tests/models/broken-no-onnx` is no sound model package:
    - the ONNX file is cut off or no ONNX file at all; export the package again
    ");
    assert_snapshot!(refused("broken-external-data"), @"
    `[ROOT]/tests/models/broken-external-data` is no sound model package:
    - the ONNX file keeps weights in another file, which no hash seals; export it with its weights inside (`save_as_external_data=False`)
    ");
    assert_snapshot!(refused("is-not-there"), @"cannot read `[ROOT]/tests/models/is-not-there/manifest.toml`; a model package is a folder with a `manifest.toml`: No such file or directory (os error 2)");
}

#[test]
fn a_tensor_of_another_size_is_refused() {
    let (detector, _) = load("segment").unwrap();
    let error = detector.infer(&[0.0; 7]).unwrap_err();
    assert_snapshot!(told(&error), @"model `segment 1.0.0`: the input tensor has 7 numbers and the model takes 768");
}

#[test]
fn a_picture_of_nan_is_an_error_and_not_a_pass() {
    let (detector, _) = load("segment").unwrap();
    let error = detector.infer(&tensor(&[(ALL, f32::NAN)])).unwrap_err();
    assert_snapshot!(told(&error), @"model `segment 1.0.0`: the output cannot be trusted: 576 of 576 numbers are NaN or infinite");
}

#[test]
fn a_place_without_finite_pixels_is_an_error() {
    let (detector, _) = load("segment").unwrap();
    let raw = detector.infer(&tensor(&[(MIDDLE, 1.0)])).unwrap();
    let nowhere = |point: PointPx| PointPx {
        x: f64::NAN,
        ..point
    };
    let error = detector.decode(&raw, &nowhere).unwrap_err();
    assert_snapshot!(told(&error), @"model `segment 1.0.0`: the output cannot be trusted: a detection has no finite place in the camera's picture");
}

#[test]
fn many_threads_share_one_detector() {
    let (detector, _) = load("anomaly").unwrap();
    let same = |point: PointPx| point;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let raw = detector.infer(&tensor(&[(MIDDLE, 1.0)])).unwrap();
                    assert_eq!(detector.decode(&raw, &same).unwrap().len(), 1);
                }
            });
        }
    });
}

#[test]
fn a_provider_that_the_library_lacks_is_named_with_those_it_has() {
    let runtime = Runtime::load(None).unwrap();
    assert!(runtime.version().starts_with("1."), "{}", runtime.version());
    assert!(runtime.providers().contains(&Provider::Cpu));
    assert_eq!("tensorrt".parse(), Ok(Provider::TensorRt));
    assert_snapshot!("gpu".parse::<Provider>().unwrap_err(), @"`gpu` is no execution provider; write one of cpu, cuda, tensorrt, openvino, directml, cann, coreml, rocm, migraphx, xnnpack");
    let Some(missing) = Provider::ALL
        .into_iter()
        .find(|p| !runtime.providers().contains(p))
    else {
        return;
    };
    let options = SessionOptions {
        provider: missing,
        ..SessionOptions::default()
    };
    let package = ModelPackage::open(&folder("segment")).unwrap();
    let error = OnnxDetector::load(package, &runtime, &options).unwrap_err();
    assert!(matches!(&error, ModelError::NoProvider { provider, .. } if *provider == missing));
    assert!(error.to_string().contains("it has cpu"), "{error}");
}

#[test]
fn another_library_is_refused_while_one_is_loaded() {
    let runtime = Runtime::load(None).unwrap();
    assert!(Runtime::load(Some(runtime.path())).is_ok());
    let error = Runtime::load(Some(Path::new("/nowhere/libonnxruntime.so"))).unwrap_err();
    assert!(
        error.to_string().contains("restart with one setting"),
        "{error}"
    );
}

/// The packages that the repository ships, `models/<name>/<version>/`.
#[test]
fn every_package_of_the_repository_loads() {
    let runtime = Runtime::load(None).unwrap();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let entries = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten();
        entries
            .map(|entry| entry.unwrap().path())
            .collect::<Vec<_>>()
    };
    for dir in entries(&models).iter().flat_map(|name| entries(name)) {
        if !dir.join("manifest.toml").exists() {
            continue;
        }
        let package = ModelPackage::open(&dir)
            .map_err(|error| told(&error))
            .unwrap();
        let loaded = OnnxDetector::load(package, &runtime, &SessionOptions::default());
        let (_, report) = loaded.map_err(|error| told(&error)).unwrap();
        assert!(report.n_golden > 0, "{}: {report:?}", dir.display());
    }
}

/// What is said of a copy of the `segment` package whose manifest has `from` replaced by `to`.
fn changed(changes: &[(&str, &str)]) -> String {
    changed_in("segment", changes)
}

fn changed_in(package: &str, changes: &[(&str, &str)]) -> String {
    let copy = tempfile::tempdir().unwrap();
    let source = folder(package);
    fs::create_dir(copy.path().join("golden")).unwrap();
    for below in ["", "golden"] {
        for entry in fs::read_dir(source.join(below)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.file_name().unwrap();
                fs::copy(&path, copy.path().join(below).join(name)).unwrap();
            }
        }
    }
    fs::write(copy.path().join("elsewhere"), "x").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", copy.path().join("link")).unwrap();
    let mut text = fs::read_to_string(source.join("manifest.toml")).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    fs::write(copy.path().join("manifest.toml"), text).unwrap();
    let error = match ModelPackage::open(copy.path()) {
        Err(error) => told(&error),
        Ok(package) => {
            let runtime = Runtime::load(None).unwrap();
            match OnnxDetector::load(package, &runtime, &SessionOptions::default()) {
                Ok(_) => "accepted".to_owned(),
                Err(error) => told(&error),
            }
        }
    };
    error.replace(&copy.path().display().to_string(), "[DIR]")
}

#[test]
fn manifests_that_are_wrong_say_where_and_what_to_write() {
    assert_eq!(changed(&[]), "accepted");
    assert_snapshot!(changed(&[("schema = 1", "schema = 2\nnew_key = 1")]), @"`[DIR]/manifest.toml` has `schema = 2` and this program reads 1; use the program that belongs to it, or export the package again");
    assert_snapshot!(changed(&[("version =", "vresion =")]), @r#"
    cannot understand `[DIR]/manifest.toml`: TOML parse error at line 3, column 1
      |
    3 | vresion = "1.0.0"
      | ^^^^^^^
    unknown field `vresion`, expected one of `schema`, `name`, `version`, `task`, `description`, `onnx`, `onnx_sha256`, `fixed`, `fixed_sha256`, `trained_on`, `proved_by`, `input`, `output`, `thresholds`, `good_label`, `labels`, `golden`, `metrics`
    "#);
    assert_snapshot!(changed(&[("task = \"segment\"", "task = \"segmentation\"")]), @r#"
    cannot understand `[DIR]/manifest.toml`: TOML parse error at line 4, column 8
      |
    4 | task = "segmentation"
      |        ^^^^^^^^^^^^^^
    unknown variant `segmentation`, expected one of `classify`, `detect`, `segment`, `anomaly`
    "#);
    assert_snapshot!(changed(&[("task = \"segment\"", "task = \"anomaly\"")]), @r#"
    `[DIR]` is no sound model package:
    - `output.layout = "class_maps"` is no layout of `task = "anomaly"`, it is one of "segment"
    - there are 2 `[[labels]]`; an anomaly map has exactly one
    "#);
    assert_snapshot!(changed(&[("layout = \"class_maps\"", "layout = \"yolo\"")]), @r#"
    `[DIR]` is no sound model package:
    - `output.layout = "yolo"` is no layout of `task = "segment"`, it is one of "detect"
    - `thresholds.pixel_threshold` means nothing for the layout "yolo"; remove it
    - `thresholds.iou_threshold` is missing; the layout "yolo" needs it
    - `thresholds.area_min_px` means nothing for the layout "yolo"; remove it
    "#);
    assert_snapshot!(changed(&[("\"model.onnx\"", "\"../segment/model.onnx\"")]), @r#"
    `[DIR]` is no sound model package:
    - `onnx = "../segment/model.onnx"`: this leaves the package; write a path inside its folder
    "#);
    assert_snapshot!(changed(&[("\"model.onnx\"", "\"/etc/passwd\"")]), @r#"
    `[DIR]` is no sound model package:
    - `onnx = "/etc/passwd"`: this leaves the package; write a path inside its folder
    "#);
    assert_snapshot!(changed(&[("\"model.onnx\"", "\"link\"")]), @r#"
    `[DIR]` is no sound model package:
    - `onnx = "link"`: this link leaves the package; put the file itself there
    "#);
    assert_snapshot!(changed(&[("\"model.onnx\"", "\"golden\"")]), @r#"
    `[DIR]` is no sound model package:
    - `onnx = "golden"`: cannot read it: it is no regular file
    "#);
    assert_snapshot!(changed(&[("\"model.onnx\"", "\"absent.onnx\"")]), @r#"
    `[DIR]` is no sound model package:
    - `onnx = "absent.onnx"`: cannot find it: No such file or directory (os error 2)
    "#);
    assert_snapshot!(changed(&[("name = \"dent\"", "name = \"scratch\"")]), @r#"
    `[DIR]` is no sound model package:
    - `labels[1].name = "scratch"` is there twice; give each class one label
    "#);
    assert_snapshot!(changed(&[("name = \"dent\"", "name = \"\"")]), @"
    `[DIR]` is no sound model package:
    - `labels[1].name`: `` is no name; write 1 to 64 printable characters
    ");
}

#[test]
fn all_mistakes_of_a_manifest_are_told_at_once() {
    let text = changed(&[
        ("width_px = 32", "width_px = 0"),
        ("channels = 1", "channels = 2"),
        ("mean_values = [0.0]", "mean_values = [nan]"),
        ("scale_values = [255.0]", "scale_values = [0.0, inf]"),
        ("confidence_threshold = 0.5", "confidence_threshold = 1.5"),
        ("pixel_threshold = 0.4", "iou_threshold = 0.4"),
        ("tolerance = 0.002", "tolerance = nan"),
        ("image_auroc = 1.0", "image_auroc = inf"),
    ]);
    assert_snapshot!(text, @r#"
    `[DIR]` is no sound model package:
    - `metrics.image_auroc = inf` is no finite number
    - `input.width_px = 0` is out of range; write 1 to 4096
    - `input.channels = 2` is out of range; write 1 (grey) or 3 (colour)
    - `input.mean_values` has 1 numbers for 2 channels; write one for each channel
    - `input.mean_values[0] = NaN` is no finite number
    - `input.scale_values[1] = inf` is no finite number
    - `input.scale_values[0] = 0` divides by zero; write the spread of the channel's grey values, or 1
    - `thresholds.confidence_threshold = 1.5` is out of range; write 0 to 1
    - `thresholds.pixel_threshold` is missing; the layout "class_maps" needs it
    - `thresholds.iou_threshold` means nothing for the layout "class_maps"; remove it
    - `golden[0].tolerance = NaN` is out of range; write 0 to 0.05: more proves nothing
    "#);
}

#[test]
fn a_changed_golden_file_is_noticed() {
    let text = changed(&[
        ("golden/01.png", "elsewhere"),
        ("golden/02.safetensors", "elsewhere"),
    ]);
    assert_eq!(
        text.matches("the file was changed or cut off").count(),
        2,
        "{text}"
    );
    let error = ModelPackage::open(Path::new("/nowhere")).unwrap_err();
    assert!(matches!(error, PackageError::Read { .. }) && error.source().is_some());
}
