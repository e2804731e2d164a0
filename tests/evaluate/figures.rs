//! The figures against those of scikit-learn, pycocotools, anomalib and scipy in `fixture.json`
//! (`make_fixture.py` beside it wrote that), and whether the libraries still say so.

use std::process::Command;

use ndarray::Array2;
use serde_json::Value;
use taktgate::evaluate::metrics::ranking::{self, Scored, Tie};
use taktgate::evaluate::metrics::{
    FoundBox, PictureBoxes, PixelScores, Rate, TrueBox, class_precisions, delong, mcnemar_exact,
    mean_precision,
};
use taktgate::vision::label_regions;

use crate::environment::exporters_python;

const EXACT: f64 = 1e-9;

fn fixture() -> Value {
    serde_json::from_str(include_str!("fixture.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().unwrap();
    list.iter().map(|number| number.as_f64().unwrap()).collect()
}

fn near(name: &str, found: Option<f64>, expected: &Value, tolerance: f64) {
    match (found, expected.as_f64()) {
        (Some(found), Some(expected)) => assert!(
            (found - expected).abs() <= tolerance,
            "{name}: {found} where the reference has {expected}"
        ),
        (found, expected) => assert_eq!(found, expected, "{name}"),
    }
}

fn scored(image: &Value, run: &str) -> Vec<Scored> {
    let truth = numbers(&image["truth"]);
    let scores = numbers(&image[run]);
    let pairs = scores.into_iter().zip(truth);
    pairs
        .map(|(score, truth)| Scored {
            score,
            is_bad: truth > 0.5,
        })
        .collect()
}

#[test]
fn pictures_are_ranked_as_scikit_learn_does() {
    let image = &fixture()["image"];
    let expected = &image["expected"];
    let ties: Vec<Tie> = ranking::ties(&scored(image, "first"));
    let each = || ties.iter().copied();
    near(
        "AUROC",
        ranking::auroc(each()),
        &expected["image_auroc"],
        EXACT,
    );
    near(
        "AP",
        ranking::average_precision(each()),
        &expected["image_ap"],
        EXACT,
    );
    let best = ranking::best_f1(each()).map(|best| best.f1);
    near("best F1", best, &expected["f1_best"], EXACT);
    let (n_bad, _) = ranking::totals(each());
    for most in ["0.0", "0.001", "0.01", "0.1"] {
        let cut = ranking::cut_at_overkill(&ties, most.parse().unwrap());
        let recall = cut.n_found as f64 / n_bad as f64;
        near(most, Some(recall), &expected["recall_at"][most], EXACT);
    }
}

#[test]
fn two_runs_are_compared_as_delong_does() {
    let image = &fixture()["image"];
    let expected = &image["expected"]["delong"];
    let found = delong(&scored(image, "first"), &scored(image, "second")).unwrap();
    near(
        "difference",
        Some(found.difference),
        &expected["difference"],
        EXACT,
    );
    near("low", Some(found.interval.low), &expected["low"], EXACT);
    near("high", Some(found.interval.high), &expected["high"], EXACT);
    near("p", Some(found.p_value), &expected["p_value"], EXACT);
}

#[test]
fn pixels_are_measured_as_scikit_learn_and_anomalib_do() {
    let pixel = &fixture()["pixel"];
    let expected = &pixel["expected"];
    let mut found = PixelScores::new(Some(0.35));
    let pairs = pixel["maps"]
        .as_array()
        .unwrap()
        .iter()
        .zip(pixel["masks"].as_array().unwrap());
    for (map, mask) in pairs {
        let rows = |value: &Value| -> Vec<Vec<f64>> {
            value.as_array().unwrap().iter().map(numbers).collect()
        };
        let (map, mask) = (rows(map), rows(mask));
        let shape = (map.len(), map[0].len());
        #[expect(clippy::cast_possible_truncation, reason = "scores of a map are f32")]
        let scores = map.concat().iter().map(|score| *score as f32).collect();
        let truth = mask
            .concat()
            .iter()
            .map(|bad| u8::from(*bad > 0.5))
            .collect();
        let scores = Array2::from_shape_vec(shape, scores).unwrap();
        let truth = Array2::from_shape_vec(shape, truth).unwrap();
        found.add(
            &scores.view(),
            &label_regions(&truth.view()).unwrap().view(),
        );
    }
    let figures = found.figures();
    near("AUROC", figures.auroc, &expected["pixel_auroc"], 1e-4);
    near("AP", figures.average_precision, &expected["pixel_ap"], 1e-4);
    near("AUPRO", figures.aupro, &expected["aupro"], 1e-4);
    near("F1", figures.f1, &expected["f1"], EXACT);
    near("best F1", figures.f1_best, &expected["f1_best"], 1e-4);
}

#[test]
fn boxes_are_matched_as_pycocotools_does() {
    let boxes = &fixture()["boxes"];
    let expected = &boxes["expected"];
    let region = |value: &Value| -> [f64; 4] { numbers(value).try_into().unwrap() };
    let index = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap() - 1;
    let mut pictures =
        vec![PictureBoxes::default(); boxes["truth"]["images"].as_array().unwrap().len()];
    for one in boxes["truth"]["annotations"].as_array().unwrap() {
        pictures[index(&one["image_id"])].truth.push(TrueBox {
            class: index(&one["category_id"]),
            region: region(&one["bbox"]),
            is_crowd: one["iscrowd"] == 1,
            is_ignored: false,
        });
    }
    for one in boxes["found"].as_array().unwrap() {
        pictures[index(&one["image_id"])].found.push(FoundBox {
            class: index(&one["category_id"]),
            region: region(&one["bbox"]),
            score: one["score"].as_f64().unwrap(),
        });
    }
    let classes = class_precisions(&pictures, 4);
    for (class, name) in classes.iter().zip(["dent", "scratch", "crack", "burr"]) {
        near(name, class.ap_50, &expected["per_class_ap50"][name], EXACT);
        near(name, class.ap_50_95, &expected["per_class_ap"][name], EXACT);
    }
    near(
        "mAP 0.5",
        mean_precision(&classes, |class| class.ap_50),
        &expected["map50"],
        EXACT,
    );
    near(
        "mAP",
        mean_precision(&classes, |class| class.ap_50_95),
        &expected["map"],
        EXACT,
    );
}

#[test]
fn shares_have_the_intervals_of_scipy() {
    let fixture = fixture();
    for one in fixture["rates"].as_array().unwrap() {
        let rate = Rate {
            n: one["n"].as_u64().unwrap(),
            of: one["of"].as_u64().unwrap(),
        };
        for (name, found) in [
            ("wilson", rate.wilson()),
            ("clopper_pearson", rate.clopper_pearson()),
        ] {
            let what = format!("{name} of {rate:?}");
            near(&what, found.map(|one| one.low), &one[name][0], EXACT);
            near(&what, found.map(|one| one.high), &one[name][1], EXACT);
        }
    }
    for one in fixture["coins"].as_array().unwrap() {
        let [first, second] = ["first", "second"].map(|key| one[key].as_u64().unwrap());
        near(
            "McNemar",
            Some(mcnemar_exact(first, second)),
            &one["p_value"],
            EXACT,
        );
    }
}

#[test]
fn python_finds_the_same_figures_today() {
    let Some(python) = exporters_python() else {
        return;
    };
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/evaluate/make_fixture.py"
    );
    let output = Command::new(python)
        .args(["-W", "ignore", script])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let today: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    same("", &today, &fixture());
}

/// The same text and structure, and numbers but for the last digits.
fn same(place: &str, today: &Value, kept: &Value) {
    match (today, kept) {
        (Value::Object(today), Value::Object(kept)) => {
            let keys = |object: &serde_json::Map<String, Value>| -> Vec<String> {
                object.keys().cloned().collect()
            };
            assert_eq!(keys(today), keys(kept), "{place}");
            for (key, value) in today {
                same(&format!("{place}.{key}"), value, &kept[key]);
            }
        }
        (Value::Array(today), Value::Array(kept)) => {
            assert_eq!(today.len(), kept.len(), "{place}");
            for (index, (today, kept)) in today.iter().zip(kept).enumerate() {
                same(&format!("{place}[{index}]"), today, kept);
            }
        }
        (Value::Number(_), Value::Number(_)) => near(place, today.as_f64(), kept, EXACT),
        (today, kept) => assert_eq!(today, kept, "{place}"),
    }
}
