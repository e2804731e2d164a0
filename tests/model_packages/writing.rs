//! Packages that are written here: sealed, proved, whole or not there at all.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use insta::assert_snapshot;
use ndarray::{ArrayD, IxDyn, arr1, arr2};
use taktgate::domain::Class;
use taktgate::model::{
    Backbone, GoldenDraft, LayoutFile, Lesson, ModelPackage, OutputFile, PackageDraft, ProvedBy,
    Runtime, SessionOptions, Task, Tensor, Tensors, ThresholdsFile, WhenThere, WriteError,
    write_package,
};
use taktgate::vision::{Interpolation, Resize};

use super::{folder, told};

/// A taught package in small: the backbone with a bank.
fn draft() -> PackageDraft {
    let backbone = Backbone::open(&folder("backbone")).unwrap();
    let lesson = Lesson {
        mean: arr1(&[0.0]),
        whitening: arr2(&[[1.0]]),
        bank: arr2(&[[0.0], [0.5]]),
        spread: arr1(&[1.0, 1.0]),
        reference: 0.1,
    };
    PackageDraft {
        name: "taught".to_owned(),
        version: "1.0.0".to_owned(),
        task: Task::Anomaly,
        description: "Finds what is \"neither\" black nor grey".to_owned(),
        trained_on: "two grey values".to_owned(),
        proved_by: ProvedBy::Teach,
        fixed: backbone.fixed(&lesson),
        input_name: backbone.input_name.clone(),
        input: backbone.input(32, 24, Resize::FitToWindowLetterbox, Interpolation::Linear),
        output: OutputFile::one(LayoutFile::AnomalyMap, &backbone.anomaly_map_name),
        thresholds: ThresholdsFile {
            image_threshold: Some(0.7),
            pixel_threshold: Some(0.1),
            area_min_px: Some(2),
            ..ThresholdsFile::default()
        },
        good_label: None,
        labels: vec![Class {
            name: Arc::from("unlike"),
            code: Arc::from(""),
        }],
        metrics: BTreeMap::from([("n_good".to_owned(), 40.0), ("share".to_owned(), 0.1)]),
        golden: vec![GoldenDraft {
            picture: fs::read(folder("bank").join("golden/01.png")).unwrap(),
            original: false,
            outputs: None,
            tolerance: 0.0001,
        }],
        card: "# Taught\n".to_owned(),
        onnx: backbone.onnx,
    }
}

fn write(dir: &Path, draft: &PackageDraft, when_there: WhenThere) -> Result<String, WriteError> {
    let runtime = Runtime::load(None).unwrap();
    let options = SessionOptions::default();
    let (package, report) = write_package(dir, draft, (&runtime, &options), when_there)?;
    assert_eq!(report.n_golden, draft.golden.len());
    Ok(package.sha256().to_owned())
}

/// The folders and files in `dir`, hidden ones too.
fn entries(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_package_is_written_proved_and_the_same_again() {
    let out = tempfile::tempdir().unwrap();
    let [first, second] = ["a", "b"].map(|name| out.path().join(name).join("1.0.0"));
    let sha256 = write(&first, &draft(), WhenThere::Refuse).unwrap();
    assert_eq!(write(&second, &draft(), WhenThere::Refuse).unwrap(), sha256);
    assert_eq!(
        entries(&first),
        [
            "README.md",
            "fixed.safetensors",
            "golden",
            "manifest.toml",
            "model.onnx"
        ]
    );
    let text = fs::read_to_string(first.join("manifest.toml")).unwrap();
    assert_snapshot!(without_hashes(&text), @r#"
    schema = 1
    name = "taught"
    version = "1.0.0"
    task = "anomaly"
    description = 'Finds what is "neither" black nor grey'
    onnx = "model.onnx"
    onnx_sha256 = …
    fixed = "fixed.safetensors"
    fixed_sha256 = …
    trained_on = "two grey values"
    proved_by = "teach"

    [input]
    name = "image"
    width_px = 32
    height_px = 24
    channels = 1
    reverse_input_channels = false
    mean_values = [0.0]
    scale_values = [255.0]
    resize_type = "fit_to_window_letterbox"
    interpolation = "linear"
    pad_value = 0

    [output]
    name = "anomaly_map"
    layout = "anomaly_map"

    [thresholds]
    pixel_threshold = 0.1
    image_threshold = 0.7
    area_min_px = 2

    [[labels]]
    name = "unlike"
    code = ""

    [[golden]]
    image = "golden/01.png"
    image_sha256 = …
    outputs = "golden/01.safetensors"
    outputs_sha256 = …
    tolerance = 0.0001

    [metrics]
    n_good = 40.0
    share = 0.1
    "#);
}

/// The manifest with its hashes left out.
fn without_hashes(text: &str) -> String {
    let line = |line: &str| match line.split_once("_sha256 = ") {
        Some((key, _)) => format!("{key}_sha256 = …\n"),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn a_package_that_is_there_is_replaced_only_when_asked_for() {
    let out = tempfile::tempdir().unwrap();
    let dir = out.path().join("1.0.0");
    let before = write(&dir, &draft(), WhenThere::Refuse).unwrap();
    let mut other = draft();
    other.thresholds.image_threshold = Some(0.8);
    let error = write(&dir, &other, WhenThere::Refuse).unwrap_err();
    let text = told(&error).replace(&out.path().display().to_string(), "[OUT]");
    assert_snapshot!(text, @"`[OUT]/1.0.0` is there already; write another version, or replace it with `--force`");
    assert_ne!(write(&dir, &other, WhenThere::Replace).unwrap(), before);
    assert_eq!(entries(out.path()), ["1.0.0"]);
}

#[test]
fn a_package_that_is_not_right_leaves_everything_as_it_was() {
    let out = tempfile::tempdir().unwrap();
    let dir = out.path().join("1.0.0");
    let before = write(&dir, &draft(), WhenThere::Refuse).unwrap();
    let refused = |change: &dyn Fn(&mut PackageDraft)| {
        let mut draft = draft();
        change(&mut draft);
        let error = write(&dir, &draft, WhenThere::Replace).unwrap_err();
        assert_eq!(entries(out.path()), ["1.0.0"]);
        told(&error)
    };
    assert_snapshot!(refused(&|draft| draft.thresholds.pixel_threshold = None), @r#"
    the package would not be sound:
    - `thresholds.pixel_threshold` is missing; the layout "anomaly_map" needs it
    "#);
    assert_snapshot!(refused(&|draft| draft.golden.clear()), @"
    the package would not be sound:
    - there are 0 `[[golden]]` vectors; a package proves itself with 1 to 32
    ");
    assert_snapshot!(refused(&|draft| draft.onnx.truncate(100)), @"the package does not prove itself: model `taught 1.0.0`: ONNX Runtime cannot load the graph for `cpu`: Failed to load model because protobuf parsing failed.");
    assert_snapshot!(refused(&|draft| { draft.fixed.remove("bank"); }), @"
    the package does not prove itself: model `taught 1.0.0`: graph and manifest differ; export the package again:
    - the graph's input `bank` is neither the picture nor in the file of `fixed`; write its tensor there
    ");
    assert_snapshot!(refused(&|draft| {
        let zeros = Tensor::F32(ArrayD::zeros(IxDyn(&[1, 1, 12, 16])));
        draft.golden[0].outputs = Some(Tensors::from([("anomaly_map".to_owned(), zeros)]));
    }), @"the package does not prove itself: model `taught 1.0.0`: golden vector `golden/01.png` does not come out as exported: the largest difference is 0.8333333 where 0.0001 is tolerated; is it the right ONNX file, and are mean, scale and channel order those of the training?");
    let package = ModelPackage::open(&dir).unwrap();
    assert_eq!(package.sha256(), before);
}
