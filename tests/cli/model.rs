//! `model inspect` and `model verify` on the tiny packages of `tests/models`.

use insta::assert_snapshot;

use crate::scene::{ROOT, Scene};

fn package(name: &str) -> String {
    format!("{ROOT}/tests/models/{name}")
}

#[test]
fn a_package_says_what_it_is() {
    let scene = Scene::new();
    assert_snapshot!(scene.taktgate(&["model", "inspect", &package("segment")]), @"
    exit 0
    --- stdout
    ┌─┬─┐
    │ name ┆ segment │
    │ version ┆ 1.0.0 │
    │ task ┆ segment │
    │ description ┆ A tiny graph for tests │
    │ input ┆ 32 x 24 px, 1 channel(s) │
    │ layout ┆ class_maps │
    │ thresholds ┆ confidence_threshold 0.5, pixel_threshold 0.4, area_min_px 2 │
    │ labels ┆ scratch (A), dent │
    │ trained on ┆ nothing: written by tests/models/make.py │
    │ metrics ┆ image_auroc 1 │
    │ golden vectors ┆ 2 │
    │ proved by ┆ the framework that trained it │
    │ onnx sha256 ┆ [SHA256] │
    │ package sha256 ┆ [SHA256] │
    └─┴─┘
    ");
    assert_snapshot!(scene.taktgate(&["model", "inspect", &package("detect-yolo"), "--json"]), @r#"
    exit 0
    --- stdout
    {"description":"A tiny graph for tests","golden vectors":"2","input":"32 x 24 px, 1 channel(s)","labels":"scratch (A), dent","layout":"yolo","metrics":"image_auroc 1","name":"detect-yolo","onnx sha256":"[SHA256]","package sha256":"[SHA256]","proved by":"the framework that trained it","task":"detect","thresholds":"confidence_threshold 0.5, iou_threshold 0.5","trained on":"nothing: written by tests/models/make.py","version":"1.0.0"}
    "#);
}

#[test]
fn what_is_no_package_cannot_be_looked_at() {
    let scene = Scene::new();
    assert_snapshot!(scene.taktgate(&["model", "inspect", "nowhere"]), @"
    exit 1
    --- stderr
    error: cannot read `nowhere/manifest.toml`; a model package is a folder with a `manifest.toml`
      because No such file or directory (os error 2)
    ");
    assert_snapshot!(scene.taktgate(&["model", "inspect", &package("broken-hash"), "--json"]), @r#"
    exit 1
    --- stderr
    error: `[ROOT]/tests/models/broken-hash` is no sound model package:
    - `onnx = "model.onnx"`: SHA-256 is [SHA256] where the manifest has [SHA256]: the file was changed or cut off; copy or export the package again
    "#);
}

#[test]
fn every_package_is_verified_though_one_of_them_is_broken() {
    let scene = Scene::new();
    let [good, broken, last] = ["segment", "broken-nan", "classify"].map(package);
    assert_snapshot!(scene.taktgate(&["model", "verify", &good, &broken, &last]), @"
    exit 3
    --- stdout
    [ROOT]/tests/models/segment: good; 2 golden vectors within [DIFFERENCE], [MS] ms a run ([MIN] to [MAX]), loaded in [MS] ms
    [ROOT]/tests/models/classify: good; 2 golden vectors within [DIFFERENCE], [MS] ms a run ([MIN] to [MAX]), loaded in [MS] ms
    --- stderr
    error: `[ROOT]/tests/models/broken-nan` is not fit for the line
      because model `broken-nan 1.0.0`: the output cannot be trusted: 192 of 192 numbers are NaN or infinite
    ");
    assert_snapshot!(scene.taktgate(&["model", "verify", &good, &broken, &last, "--json"]), @r#"
    exit 3
    --- stdout
    {"golden_largest_difference":[DIFFERENCE],"good":true,"latency_ms":[MS],"package":"[ROOT]/tests/models/segment"}
    {"error":"model `broken-nan 1.0.0`: the output cannot be trusted: 192 of 192 numbers are NaN or infinite","good":false,"package":"[ROOT]/tests/models/broken-nan"}
    {"golden_largest_difference":[DIFFERENCE],"good":true,"latency_ms":[MS],"package":"[ROOT]/tests/models/classify"}
    "#);
}

#[test]
fn packages_that_are_all_good_end_well() {
    let scene = Scene::new();
    let packages = ["anomaly", "detect"].map(package);
    let [first, second] = &packages;
    let verify = ["model", "verify", first, second, "--threads", "1"];
    assert_snapshot!(scene.taktgate(&verify), @"
    exit 0
    --- stdout
    [ROOT]/tests/models/anomaly: good; 2 golden vectors within [DIFFERENCE], [MS] ms a run ([MIN] to [MAX]), loaded in [MS] ms
    [ROOT]/tests/models/detect: good; 2 golden vectors within [DIFFERENCE], [MS] ms a run ([MIN] to [MAX]), loaded in [MS] ms
    ");
}

#[test]
fn broken_packages_say_why() {
    let scene = Scene::new();
    let verify = |name: &str| scene.taktgate(&["model", "verify", &package(name)]);
    assert_snapshot!(verify("broken-shape"), @"
    exit 3
    --- stderr
    error: `[ROOT]/tests/models/broken-shape` is not fit for the line
      because model `broken-shape 1.0.0`: the output cannot be trusted: its shape is [1, 2, 12, 16] where the layout has [1, 1, n, n]
    ");
    assert_snapshot!(verify("broken-no-golden"), @"
    exit 3
    --- stderr
    error: `[ROOT]/tests/models/broken-no-golden` is not fit for the line
      because `[ROOT]/tests/models/broken-no-golden` is no sound model package:
    - there are 0 `[[golden]]` vectors; a package proves itself with 1 to 32
    ");
    assert_snapshot!(verify("broken-golden"), @"
    exit 3
    --- stderr
    error: `[ROOT]/tests/models/broken-golden` is not fit for the line
      because model `broken-golden 1.0.0`: golden vector `golden/01.png` does not come out as exported: the largest difference is 1 where 0.0001 is tolerated; is it the right ONNX file, and are mean, scale and channel order those of the training?
    ");
    assert_snapshot!(verify("broken-hash"), @r#"
    exit 3
    --- stderr
    error: `[ROOT]/tests/models/broken-hash` is not fit for the line
      because `[ROOT]/tests/models/broken-hash` is no sound model package:
    - `onnx = "model.onnx"`: SHA-256 is [SHA256] where the manifest has [SHA256]: the file was changed or cut off; copy or export the package again
    "#);
}

#[test]
fn a_runtime_or_provider_that_is_not_there_is_told() {
    let scene = Scene::new();
    let good = package("anomaly");
    let verify =
        |option: &str, value: &str| scene.taktgate(&["model", "verify", &good, option, value]);
    assert_snapshot!(verify("--library", "nowhere.so"), @"
    exit 1
    --- stderr
    error: cannot load ONNX Runtime from `nowhere.so`, which `onnxruntime.library` names; this program needs version 1.24 or newer
      because No such file or directory (os error 2)
    ");
    assert_snapshot!(verify("--provider", "gpu"), @"
    exit 2
    --- stderr
    error: invalid value 'gpu' for '--provider <PROVIDER>': `gpu` is no execution provider; write one of cpu, cuda, tensorrt, openvino, directml, cann, coreml, rocm, migraphx, xnnpack

    For more information, try '--help'.
    ");
    assert_snapshot!(verify("--threads", "0"), @"
    exit 2
    --- stderr
    error: invalid value '0' for '--threads <THREADS>': 0 is not in 1..=256

    For more information, try '--help'.
    ");
}
