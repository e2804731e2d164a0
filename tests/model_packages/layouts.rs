//! Every layout that one of the oldest packages does not show, each by a graph whose answer is known.

use insta::assert_snapshot;
use ndarray::Array2;
use taktgate::domain::PointPx;
use taktgate::model::{Detector as _, Role};

use super::{ALL, MIDDLE, changed_in, load, seen, tensor};

#[test]
fn numbers_before_softmax_and_sigmoid_become_probabilities() {
    let both = [([2, 2, 8, 4], 0.5), (MIDDLE, 1.0)];
    assert_snapshot!(seen("segment-logits", &both), @"
    scratch/A 1.000 12 x 4 at (103.5, 53.5), 4 points, mask true
    dent/ 1.000 24 x 16 at (119.5, 65.5), 4 points, mask true
    ");
    assert_snapshot!(seen("masks", &both), @"
    scratch/A 1.000 24 x 16 at (119.5, 65.5), 4 points, mask true
    scratch/A 1.000 12 x 4 at (103.5, 53.5), 4 points, mask true
    dent/ 1.000 24 x 16 at (119.5, 65.5), 4 points, mask true
    ");
}

#[test]
fn boxes_with_objectness_are_multiplied_and_doubles_suppressed() {
    assert_snapshot!(seen("detect-objectness", &[(MIDDLE, 1.0)]), @"
    dent/ 0.900 8 x 8 at (107.5, 57.5), 4 points, mask false
    scratch/A 0.750 24 x 16 at (119.5, 65.5), 4 points, mask false
    ");
    assert_snapshot!(seen("detect-objectness", &[(MIDDLE, 0.6)]), @"dent/ 0.540 8 x 8 at (107.5, 57.5), 4 points, mask false");
}

#[test]
fn the_cells_of_yolox_become_boxes() {
    assert_snapshot!(seen("detect-yolox", &[(MIDDLE, 1.0)]), @"dent/ 1.000 24 x 16 at (119.5, 65.5), 4 points, mask false");
}

#[test]
fn a_box_with_a_mask_has_the_outline_of_the_mask() {
    assert_snapshot!(seen("detect-masks", &[(MIDDLE, 1.0)]), @"scratch/A 1.000 24 x 16 at (119.5, 65.5), 4 points, mask true");
}

#[test]
fn queries_are_boxes_as_shares_of_the_input() {
    assert_snapshot!(seen("detr-sigmoid", &[(MIDDLE, 1.0)]), @"dent/ 1.000 24 x 16 at (119.5, 65.5), 4 points, mask false");
    assert_snapshot!(seen("detr-softmax", &[(MIDDLE, 1.0)]), @"dent/ 1.000 24 x 16 at (119.5, 65.5), 4 points, mask false");
}

#[test]
fn boxes_scores_and_labels_come_from_three_outputs_without_a_batch() {
    assert_snapshot!(seen("detect-three", &[(MIDDLE, 1.0)]), @"dent/ 1.000 24 x 16 at (119.5, 65.5), 4 points, mask false");
    let (detector, _) = load("detect-three").unwrap();
    let raw = detector.infer(&tensor(&[(MIDDLE, 1.0)])).unwrap();
    let labels = raw.tensor(Role::Labels).unwrap();
    assert_eq!(labels.iter().copied().collect::<Vec<_>>(), [2.0, 1.0]);
}

#[test]
fn the_graphs_own_score_judges_the_picture_and_its_map_shows_the_place() {
    assert_snapshot!(seen("anomaly-score", &[(MIDDLE, 1.0)]), @"anomaly/ 1.000 24 x 16 at (119.5, 65.5), 4 points, mask true");
    // The map's regions begin at 0.5, the picture is bad from 0.7 on.
    assert_eq!(seen("anomaly-score", &[(MIDDLE, 0.65)]), "");
    // Too small for a region.
    assert_snapshot!(seen("anomaly-score", &[([10, 8, 12, 10], 0.9)]), @"anomaly/ 0.900 64 x 48 at (99.5, 49.5), 4 points, mask false");
    assert_snapshot!(seen("anomaly-only-score", &[([10, 8, 12, 10], 0.9)]), @"anomaly/ 0.900 64 x 48 at (99.5, 49.5), 4 points, mask false");
    assert_eq!(seen("anomaly-only-score", &[([10, 8, 12, 10], 0.65)]), "");
    let (detector, _) = load("anomaly-score").unwrap();
    let raw = detector.infer(&tensor(&[(MIDDLE, 0.65)])).unwrap();
    assert!((detector.image_score(&raw).unwrap() - 0.65).abs() < 1e-6);
    let map = detector.score_map(&raw).unwrap();
    assert!((map[[5, 8]] - 0.65).abs() < 1e-6, "{map}");
}

#[test]
fn outputs_described_by_hand_are_read_like_others() {
    let both = [([2, 2, 8, 4], 0.5), (MIDDLE, 1.0)];
    assert_eq!(seen("by-hand-maps", &both), seen("segment", &both));
    assert_snapshot!(seen("by-hand-boxes", &[(MIDDLE, 1.0)]), @"dent/ 1.000 24 x 16 at (119.5, 65.5), 4 points, mask false");
}

#[test]
fn nothing_is_found_in_a_clean_picture() {
    for name in [
        "segment-logits",
        "masks",
        "detect-objectness",
        "detect-yolox",
        "detect-masks",
        "detr-sigmoid",
        "detr-softmax",
        "detect-three",
        "anomaly-score",
        "anomaly-only-score",
        "by-hand-maps",
        "by-hand-boxes",
    ] {
        assert_eq!(seen(name, &[]), "", "{name}");
    }
}

#[test]
fn curves_over_all_thresholds_get_what_lies_below_them() {
    let all = |name: &str, squares: &[([usize; 4], f32)]| {
        let (detector, _) = load(name).unwrap();
        let raw = detector.infer(&tensor(squares)).unwrap();
        let same = |point: PointPx| point;
        let found = detector.decode_all(&raw, &same, 0.0).unwrap();
        let words = found
            .iter()
            .map(|one| format!("{} {:.2}", one.class.name, one.score.get()));
        words.collect::<Vec<_>>().join(", ")
    };
    let dim = [(MIDDLE, 0.25)];
    assert_snapshot!(all("detect-yolo", &dim), @"scratch 0.25, dent 0.22");
    assert_snapshot!(all("detect-objectness", &dim), @"dent 0.22, scratch 0.19");
    assert_snapshot!(all("detect-three", &dim), @"dent 0.25, scratch 0.06");
    assert_snapshot!(all("classify", &[(ALL, 0.35)]), @"torn 0.27");
    assert_snapshot!(all("masks", &[(MIDDLE, 0.25)]), @"scratch 0.50");
    // What an anomaly map calls a region stays what its thresholds say.
    assert_eq!(all("anomaly", &dim), "");
}

#[test]
fn maps_and_class_scores_are_there_where_the_task_has_them() {
    let raw_of = |name: &str| {
        let (detector, _) = load(name).unwrap();
        let raw = detector.infer(&tensor(&[(MIDDLE, 1.0)])).unwrap();
        (detector, raw)
    };
    let middle = |map: &Array2<f32>| {
        let inside = (4..8).flat_map(|row| (5..11).map(move |column| (row, column)));
        inside.map(|cell| map[cell]).fold(1.0, f32::min)
    };
    for name in [
        "segment",
        "segment-logits",
        "masks",
        "by-hand-maps",
        "anomaly",
    ] {
        let (detector, raw) = raw_of(name);
        let map = detector.score_map(&raw).unwrap();
        assert_eq!(map.dim(), (12, 16), "{name}");
        assert!(middle(&map) > 0.99 && map[[0, 0]] < 0.01, "{name}: {map}");
        assert_eq!(detector.class_scores(&raw), None, "{name}");
        assert_eq!(detector.image_score(&raw), None, "{name}");
    }
    for name in ["classify", "classify-logits"] {
        let (detector, raw) = raw_of(name);
        let scores = detector.class_scores(&raw).unwrap();
        assert!(
            (scores.iter().sum::<f32>() - 1.0).abs() < 1e-5,
            "{name}: {scores:?}"
        );
        assert_eq!(detector.score_map(&raw), None, "{name}");
    }
    let (detector, raw) = raw_of("detect-three");
    assert_eq!(detector.score_map(&raw), None);
    assert_eq!(detector.class_scores(&raw), None);
}

#[test]
fn outputs_that_are_written_wrong_say_what_to_write() {
    let three = |from: &str, to: &str| changed_in("detect-three", &[(from, to)]);
    assert_snapshot!(three("first_label = 1\n", ""), @r#"
    `[DIR]` is no sound model package:
    - `output.first_label` is missing; the layout "boxes_scores_labels" needs it
    "#);
    assert_snapshot!(three("labels = \"labels\"", "prototypes = \"labels\""), @r#"
    `[DIR]` is no sound model package:
    - `output.names.prototypes` means nothing for the layout "boxes_scores_labels"; remove it
    - `output.names.labels` is missing; the layout "boxes_scores_labels" needs it
    "#);
    assert_snapshot!(three("layout =", "name = \"boxes\"\nlayout ="), @r#"
    `[DIR]` is no sound model package:
    - `output.name` means nothing for the layout "boxes_scores_labels", which needs several outputs; write `output.names`
    "#);
    let score = |from: &str, to: &str| changed_in("anomaly-score", &[(from, to)]);
    assert_snapshot!(score("map_range = [0.0, 10.0]", "map_range = [1.0, 1.0]"), @"
    `[DIR]` is no sound model package:
    - `output.map_range = [1, 1]` is no range; write the number that counts as 0 and a greater one that counts as 1
    ");
    let maps = |from: &str, to: &str| changed_in("by-hand-maps", &[(from, to)]);
    assert_snapshot!(maps("\"classes\"]", "\"channels\"]"), @r#"
    `[DIR]` is no sound model package:
    - `output.axes = ["batch", "rows", "columns", "channels"]` is not understood; write "classes", "rows", "columns" once each, and "batch" or "one" for axes of one element
    "#);
    assert_snapshot!(maps("\"good\", ", "\"background\", "), @r#"
    `[DIR]` is no sound model package:
    - `output.values = ["background", "labels"]` of maps is not understood; write ["good", "labels"] where the first class is no defect, else ["labels"]
    "#);
    assert_snapshot!(maps("activation = \"none\"\n", ""), @r#"
    `[DIR]` is no sound model package:
    - `output.activation` is missing; the layout "axes" needs it
    "#);
    let boxes = |from: &str, to: &str| changed_in("by-hand-boxes", &[(from, to)]);
    assert_snapshot!(boxes("\"width\"", "\"x2\""), @r#"
    `[DIR]` is no sound model package:
    - `output.values = ["class", "score", "x1", "y1", "x2", "height", "skip"]` tells no place; write x1, y1, x2, y2, or cx, cy, width, height, or x1, y1, width, height
    "#);
    assert_snapshot!(boxes("\"class\"", "\"skip\""), @r#"
    `[DIR]` is no sound model package:
    - `output.values = ["skip", "score", "x1", "y1", "width", "height", "skip"]` tells no class; write "class" for its number or "labels" for a number for each label
    "#);
    assert_snapshot!(boxes("\"skip\"", "\"angle\""), @r#"
    `[DIR]` is no sound model package:
    - `output.values` has "angle"; write x1, y1, x2, y2, cx, cy, width, height, score, objectness, class, labels (one number for each), none or skip
    "#);
    assert_snapshot!(changed_in("segment", &[("layout =", "first_label = 1\nlayout =")]), @r#"
    `[DIR]` is no sound model package:
    - `output.first_label` means nothing for the layout "class_maps"; remove it
    "#);
    assert_snapshot!(changed_in("segment", &[("name = \"out\"\n", "")]), @"
    `[DIR]` is no sound model package:
    - `output.name` is missing; write the name of the graph's output
    ");
    assert_snapshot!(changed_in("bank", &[("fixed = \"fixed.safetensors\"\n", "")]), @"
    `[DIR]` is no sound model package:
    - `fixed` and `fixed_sha256` belong together; write both or none
    ");
}

#[test]
fn outputs_that_do_not_fit_their_layout_are_refused() {
    let refused = |name: &str, from: &str, to: &str| changed_in(name, &[(from, to)]);
    // One label more than the graph knows.
    let third = "[[labels]]\nname = \"third\"\ncode = \"\"\n[[golden]]";
    assert_snapshot!(refused("detect-yolox", "[[golden]]", third), @"
    model `detect-yolox 1.0.0`: graph and manifest differ; export the package again:
    - the output `out` has the shape [1, 14, 7] and the manifest says [1, n, 8]
    ");
    assert_snapshot!(refused("detr-softmax", "detr_softmax", "detr_sigmoid"), @"
    model `detr-softmax 1.0.0`: graph and manifest differ; export the package again:
    - the output `logits` has the shape [1, 2, 3] and the manifest says [1, n, 2]
    ");
    assert_snapshot!(refused("detect-masks", "[[golden]]", third), @"model `detect-masks 1.0.0`: the output cannot be trusted: a box has 8 numbers where labels and prototypes make 9");
    assert_snapshot!(refused("detect-three", "first_label = 1", "first_label = 0"), @"model `detect-three 1.0.0`: the output cannot be trusted: class 2 is none of the 2 labels");
    assert_snapshot!(refused("detect-objectness", "yolo_objectness", "yolox_cells"), @"model `detect-objectness 1.0.0`: the output cannot be trusted: it has 3 boxes where cells of [8, 16, 32] px make 14");
    assert_snapshot!(refused("anomaly-score", "map_range = [0.0, 10.0]\n", ""), @"model `anomaly-score 1.0.0`: the output cannot be trusted: 24 of 192 probabilities are outside 0 to 1; is a softmax or sigmoid missing?");
    assert_snapshot!(refused("anomaly-only-score", "score_range = [0.0, 10.0]\n", ""), @"model `anomaly-only-score 1.0.0`: the output cannot be trusted: the score 10 is outside 0 to 1");
}
