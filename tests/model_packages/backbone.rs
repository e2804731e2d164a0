//! Further graph inputs, numbers of 16 bits, and the backbones that teaching takes its features from.

use insta::assert_snapshot;
use ndarray::arr2;
use taktgate::model::{Backbone, FeatureNet, Runtime, SessionOptions};

use super::{MIDDLE, folder, refused, seen, told};

#[test]
fn a_fixed_input_is_the_same_in_each_run() {
    // The bank knows 0 and 0.5; the distance counts twice.
    assert_snapshot!(seen("bank", &[(MIDDLE, 1.0)]), @"anomaly/ 1.000 24 x 16 at (119.5, 65.5), 4 points, mask true");
    assert_snapshot!(seen("bank", &[(MIDDLE, 0.5)]), @"");
    assert_snapshot!(seen("bank", &[(MIDDLE, 0.875)]), @"anomaly/ 0.750 24 x 16 at (119.5, 65.5), 4 points, mask true");
}

#[test]
fn a_graph_of_16_bits_with_free_sides_is_run_at_the_manifests_size() {
    assert_snapshot!(seen("half", &[(MIDDLE, 1.0)]), @"anomaly/ 1.000 24 x 16 at (119.5, 65.5), 4 points, mask true");
    assert_eq!(seen("half", &[]), "");
}

#[test]
fn further_inputs_and_their_file_must_fit() {
    assert_snapshot!(refused("broken-fixed-missing"), @"
    model `broken-fixed-missing 1.0.0`: graph and manifest differ; export the package again:
    - the graph's input `factor` is neither the picture nor in the file of `fixed`; write its tensor there
    - the file of `fixed` has the tensor `offset`, which is no further input of the graph; leave it out
    ");
    assert_snapshot!(refused("broken-fixed-shape"), @"
    model `broken-fixed-shape 1.0.0`: graph and manifest differ; export the package again:
    - the input `bank` is f32 [n, 1] in the graph and f32 [1] in the file of `fixed`
    - the input `factor` is i64 [1] in the graph and i32 [1] in the file of `fixed`
    ");
    assert_snapshot!(refused("broken-fixed-nan"), @"
    `[ROOT]/tests/models/broken-fixed-nan` is no sound model package:
    - `fixed`: the tensor `bank` has numbers that are NaN or infinite
    ");
    assert_snapshot!(refused("broken-fixed-hash"), @r#"
    `[ROOT]/tests/models/broken-fixed-hash` is no sound model package:
    - `fixed = "fixed.safetensors"`: SHA-256 is ce1a062f5f81f4def23bf4ca75bc3f0b9c5e7a77a79c435ab0265d530195d20d where the manifest has 5451ac2660fd85fbcdb8adb1deffc45d4f48e0cae8aa0ead4d3254d492b45fda: the file was changed or cut off; copy or export the package again
    "#);
}

#[test]
fn a_backbone_gives_a_feature_for_each_place_of_a_picture_of_any_size() {
    let backbone = Backbone::open(&folder("backbone")).unwrap();
    assert_eq!((backbone.multiple_px, backbone.feature_stride_px), (2, 2));
    let runtime = Runtime::load(None).unwrap();
    let net = FeatureNet::load(&backbone, &runtime, &SessionOptions::default()).unwrap();
    let picture = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0];
    assert_eq!(
        net.features(&picture, 2, 4).unwrap(),
        arr2(&[[0.0], [0.75]])
    );
    assert_eq!(
        net.features(&picture, 4, 2).unwrap(),
        arr2(&[[0.5], [0.25]])
    );
    let error = net.features(&picture, 4, 4).unwrap_err();
    assert_snapshot!(told(&error), @"model `grey 1.0.0`: the input tensor has 8 numbers and the model takes 16");
    let error = net.features(&[f32::NAN; 4], 2, 2).unwrap_err();
    assert_snapshot!(told(&error), @"model `grey 1.0.0`: the output cannot be trusted: 1 of 1 numbers are NaN or infinite");
}

/// What is said of the backbone with `from` replaced by `to`.
fn changed(from: &str, to: &str) -> String {
    let copy = tempfile::tempdir().unwrap();
    let source = folder("backbone");
    std::fs::copy(source.join("model.onnx"), copy.path().join("model.onnx")).unwrap();
    let text = std::fs::read_to_string(source.join("backbone.toml")).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(copy.path().join("backbone.toml"), text.replace(from, to)).unwrap();
    let runtime = Runtime::load(None).unwrap();
    let error = match Backbone::open(copy.path()) {
        Err(error) => told(&error),
        Ok(backbone) => {
            let loaded = FeatureNet::load(&backbone, &runtime, &SessionOptions::default());
            told(&loaded.unwrap_err())
        }
    };
    error.replace(&copy.path().display().to_string(), "[DIR]")
}

#[test]
fn a_backbone_that_is_not_as_described_says_why() {
    assert_snapshot!(changed("schema = 1", "schema = 2"), @"`[DIR]/backbone.toml`: `schema = 2` is unknown; this program reads 1");
    assert_snapshot!(changed("multiple_px = 2", "multiple_px = 0"), @"`[DIR]/backbone.toml`: `input.multiple_px = 0` is out of range; write 1 to 256");
    assert_snapshot!(changed("channels = 1", "channels = 2"), @"
    `[DIR]/backbone.toml`: 3 mistakes
      - `input.channels = 2` is out of range; write 1 (grey) or 3 (colour)
      - `input.mean_values` has 1 numbers for 2 channels; write one for each channel
      - `input.scale_values` has 1 numbers for 2 channels; write one for each channel
    ");
    let mut settings = insta::Settings::clone_current();
    settings.add_filter("[0-9a-f]{64}", "[SHA256]");
    settings.bind(|| {
        assert_snapshot!(changed("model.onnx", "backbone.toml"), @r#"`[DIR]/backbone.toml`: `onnx = "backbone.toml"`: SHA-256 is [SHA256] where the manifest has [SHA256]: the file was changed or cut off; copy or export the package again"#);
    });
    assert_snapshot!(changed("features = \"features\"", "features = \"anomaly_map\""), @"
    model `grey 1.0.0`: graph and manifest differ; export the package again:
    - the output `anomaly_map` has the shape [1, 1, n, n] and the manifest says [n, n]
    ");
    assert_snapshot!(changed("bank = \"bank\"", "bnak = \"bank\""), @r#"
    cannot understand `[DIR]/backbone.toml`: TOML parse error at line 17, column 1
       |
    17 | bnak = "bank"
       | ^^^^
    unknown field `bnak`, expected `bank`
    "#);
}
