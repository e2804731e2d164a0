//! Nothing goes live that scores differently outside Python: each family's model, made by its real
//! exporter, is imported by the real binary and compared with its framework on a hundred pictures.
//!
//! Needs the exporters of `make exporters`; without them every test here says aloud that it skips, or fails
//! where `TAKTGATE_EXPORTERS=required`. With `--no-capture` each family's figures are printed as a line
//! of the table in `docs/import.md`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may panic, and tells what it measured"
)]

#[path = "parity/environment.rs"]
mod environment;
#[path = "parity/exporters.rs"]
mod exporters;
#[path = "parity/import.rs"]
mod import;

use exporters::families;
use import::{answers_alike, refused, refused_and_mended_by};

/// Imports all families of a group and compares each.
fn all_answer_alike(names: &[&str]) {
    for folder in families(names) {
        answers_alike(&folder, &[]);
    }
}

#[test]
fn classifiers_answer_as_their_frameworks() {
    all_answer_alike(&[
        "torchvision_classify",
        "torchvision_classify_dynamic",
        "timm_classify",
        "timm_classify_float16",
        "openvino_info",
    ]);
}

#[test]
fn torchvision_detectors_answer_as_torchvision() {
    all_answer_alike(&["torchvision_ssdlite", "torchvision_fasterrcnn"]);
}

#[test]
fn logits_of_segmentation_answer_as_torch() {
    all_answer_alike(&["segment_classes", "segment_mask"]);
}

#[test]
fn yolox_answers_as_yolox() {
    all_answer_alike(&["yolox_raw", "yolox_decoded"]);
}

#[test]
fn yolo_forms_answer_as_torch() {
    all_answer_alike(&["yolo_v5", "yolo_v8", "yolo_segment", "yolo_nms"]);
}

#[test]
fn rt_detr_and_d_fine_answer_as_transformers() {
    all_answer_alike(&["rt_detr", "d_fine"]);
}

#[test]
fn anomalib_2_answers_as_anomalib() {
    all_answer_alike(&["padim", "patchcore", "stfpm", "efficientad"]);
}

#[test]
fn anomalib_1_answers_as_anomalib() {
    all_answer_alike(&["anomalib1_padim", "anomalib1_patchcore"]);
}

/// Its package is AGPL and no part of the product or of these tests: who wants to know puts it into
/// `.deps/ultralytics` (see `models/train/frameworks/ultralytics.py`) and sets the variable.
#[test]
fn ultralytics_answers_as_ultralytics() {
    if std::env::var_os("TAKTGATE_ULTRALYTICS").is_none_or(|value| value != "1") {
        eprintln!("skipped: TAKTGATE_ULTRALYTICS=1 tries the real files of Ultralytics (AGPL)");
        return;
    }
    all_answer_alike(&[
        "ultralytics_v5",
        "ultralytics_v8",
        "ultralytics_v8_nms",
        "ultralytics_v11_segment",
        "ultralytics_v11_classify",
    ]);
}

#[test]
fn a_wrong_preparation_is_refused_with_what_mends_it() {
    for folder in families(&["torchvision_classify_dynamic"]) {
        let mended = |options: &[&str], mend| refused_and_mended_by(&folder, options, mend);
        mended(&["--mean", "0,0,0"], "--mean 123.675,116.28,103.53");
        mended(&["--scale", "255,255,255"], "--scale 58.395,57.12,57.375");
        mended(&["--color", "bgr"], "--color rgb");
        mended(
            &["--interpolation", "area"],
            "--interpolation linear_antialias",
        );
        mended(
            &["--interpolation", "linear"],
            "--interpolation linear_antialias",
        );
    }
    for folder in families(&["segment_classes"]) {
        refused_and_mended_by(&folder, &["--resize", "letterbox"], "--resize standard");
    }
}

#[test]
fn float16_that_rounds_too_much_is_refused() {
    for folder in families(&["torchvision_classify_float16"]) {
        refused(&folder, &["scores differently", "export it in float32"]);
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_what_to_do() {
    for folder in families(&["patchcore_two"]) {
        refused(&folder, &["2 pictures", "dynamic_axes"]);
    }
    for folder in families(&["patchcore_bare"]) {
        refused(&folder, &["--score-range", "--map-range"]);
        answers_alike(&folder, &["--score-range", "0,2", "--map-range", "0,2"]);
    }
}
