//! The command: what it writes, how two runs are compared, what it refuses.

use std::fs;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::evaluate;
use crate::scene::{ROOT, Scene, picture, png};

/// Four good parts and four bad ones for the package `anomaly`: one good one is too bright, one bad one
/// is missed, one bad file is cut off.
fn parts() -> Scene {
    let scene = Scene::with_station();
    for (index, square) in [0, 40, 90, 250].into_iter().enumerate() {
        scene.write(&format!("set/test/good/{index}.png"), png(&picture(square)));
    }
    for (index, square) in [255, 230, 20].into_iter().enumerate() {
        scene.write(&format!("set/test/dent/{index}.png"), png(&picture(square)));
    }
    let whole = png(&picture(255));
    scene.write("set/test/dent/3.png", &whole[..whole.len() / 2]);
    scene
}

const PACKAGE: &str = "models/anomaly/1.0.0";

#[test]
fn escapes_overkill_and_review_are_counted_with_their_intervals() {
    let scene = parts();
    assert_snapshot!(scene.taktgate(&["evaluate", PACKAGE, "set"]), @"
    exit 0
    --- stdout
    ┌─┬─┬─┬─┬─┐
    │ truth ┆ pictures ┆ OK ┆ NG ┆ INDETERMINATE │
    ╞═╪═╪═╪═╪═╡
    │ good ┆ 4 ┆ 3 ┆ 1 ┆ 0 │
    │ bad ┆ 4 ┆ 1 ┆ 2 ┆ 1 image_unfit │
    └─┴─┴─┴─┴─┘
    ┌─┬─┬─┬─┐
    │ figure ┆ value ┆ 95 % interval ┆ from │
    ╞═╪═╪═╪═╡
    │ escapes (bad called OK) ┆ 25.00 % ┆ 4.56 % to 69.94 % ┆ 1 of 4 │
    │ overkill (good called NG) ┆ 25.00 % ┆ 4.56 % to 69.94 % ┆ 1 of 4 │
    │ review (indeterminate) ┆ 12.50 % ┆ 2.24 % to 47.09 % ┆ 1 of 8 │
    │ recall at no overkill ┆ 33.33 % ┆ 6.15 % to 79.23 % ┆ 1 of 3 │
    │ recall at 0.1 % overkill ┆ 33.33 % ┆ 6.15 % to 79.23 % ┆ 1 of 3 │
    │ recall at 1 % overkill ┆ 33.33 % ┆ 6.15 % to 79.23 % ┆ 1 of 3 │
    │ image AUROC ┆ 0.6250 ┆ 0.2388 to 0.8949 ┆ 3 bad, 4 good pictures │
    │ image AP ┆ 0.6984 ┆ ┆ 3 bad, 4 good pictures │
    │ pixel F1 ┆ 0.0000 ┆ ┆ threshold 0.500 │
    └─┴─┴─┴─┘
    ┌─┬─┬─┬─┬─┬─┬─┐
    │ defect ┆ pictures ┆ OK ┆ NG ┆ INDETERMINATE ┆ escapes ┆ 95 % interval │
    ╞═╪═╪═╪═╪═╪═╪═╡
    │ dent ┆ 4 ┆ 1 ┆ 2 ┆ 1 image_unfit ┆ 25.00 % ┆ 4.56 % to 69.94 % │
    └─┴─┴─┴─┴─┴─┴─┘
    ┌─┬─┬─┐
    │ stage ┆ median ms ┆ p95 ms │
    ╞═╪═╪═╡
    │ read and decode the picture ┆ [MS] ┆ [MS] │
    │ fitness ┆ [MS] ┆ [MS] │
    │ prepare ┆ [MS] ┆ [MS] │
    │ infer ┆ [MS] ┆ [MS] │
    │ decode outputs ┆ [MS] ┆ [MS] │
    │ measure and judge ┆ [MS] ┆ [MS] │
    │ total ┆ [MS] ┆ [MS] │
    └─┴─┴─┘
    --- stderr
    written to `out/evaluate`: `run.json` and `report.html`
    ");
    let run: Value = serde_json::from_str(&scene.read("out/evaluate/run.json")).unwrap();
    assert_eq!(run["schema"], 1);
    assert_eq!(run["pictures"].as_array().unwrap().len(), 8);
    let cut_off = &run["pictures"][3];
    assert_eq!(cut_off["name"], "test/dent/3.png");
    assert_eq!(
        (&cut_off["reason"], &cut_off["score"]),
        (&json!("image_unfit"), &Value::Null)
    );
}

#[test]
fn the_report_is_one_file_with_the_pictures_of_what_went_wrong() {
    let scene = parts();
    // A name that is no HTML, and must not become any.
    scene.write("set/test/dent/<b>&.png", png(&picture(10)));
    scene.taktgate(&["evaluate", PACKAGE, "set"]);
    let page = scene.read("out/evaluate/report.html");
    assert!(page.starts_with("<!DOCTYPE html>"));
    for outside in ["http://", "https://", "<script", "<link", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(
        page.contains("Escapes (2)") && page.contains("Overkill (1)"),
        "kinds"
    );
    assert!(page.contains("&lt;b&gt;&amp;.png") && !page.contains("<b>&"));
    // Two escapes, one overkill and five that were right; the one that is cut off cannot be shown.
    assert_eq!(page.matches("data:image/jpeg;base64,").count(), 8);
    assert!(page.contains("is cut off"));
    scene.taktgate(&["evaluate", PACKAGE, "set", "--no-report", "--out", "bare"]);
    assert!(scene.path("bare/run.json").is_file() && !scene.path("bare/report.html").exists());
}

#[test]
fn a_station_judges_with_its_recipe_and_its_fitness() {
    let scene = parts();
    scene.write("set/test/dent/9.png", png(&image::GrayImage::new(64, 48)));
    let (exit, bare) = evaluate(&scene, &[PACKAGE, "set"]);
    assert_eq!(exit, 0);
    assert_eq!(bare["details"]["bad"]["ok"], 2);
    let (exit, found) = evaluate(&scene, &["st-07", "set"]);
    assert_eq!(exit, 0);
    // The black picture passes the model and not the station.
    assert_eq!(found["details"]["bad"]["ok"], 1);
    assert_eq!(
        found["details"]["bad"]["indeterminate"],
        json!({"image_unfit": 2})
    );
    assert_eq!(found["subject"]["recipe"]["name"], "bracket");
}

#[test]
fn a_recipe_with_two_views_is_evaluated_one_view_at_a_time() {
    let scene = parts();
    let recipe = scene.read("st-07/recipe.toml");
    let second = recipe.find("[[views]]").unwrap();
    let second = recipe[second..].replace("\"top\"", "\"side\"");
    scene.write("st-07/recipe.toml", format!("{recipe}\n{second}"));
    assert_snapshot!(scene.taktgate(&["evaluate", "st-07", "set"]), @"
    exit 1
    --- stderr
    error: name one view with `--part-type` and `--view`; the station has `top` of `bracket`, `side` of `bracket`
    ");
    let (exit, found) = evaluate(&scene, &["st-07", "set", "--view", "side"]);
    assert_eq!((exit, &found["details"]["good"]["ng"]), (0, &json!(1)));
}

#[test]
fn pictures_of_another_world_are_counted_without_labels() {
    let scene = parts();
    let (exit, found) = evaluate(&scene, &[PACKAGE, "--all-bad", "set/test/good"]);
    assert_eq!((exit, &found["details"]["escape"]["n"]), (0, &json!(3)));
    assert_eq!(found["details"]["escape"]["of"], 4);
    assert_eq!(found["details"]["image"], Value::Null);
    let (_, found) = evaluate(&scene, &[PACKAGE, "--all-good", "set/test/good"]);
    assert_eq!(found["details"]["overkill"]["n"], 1);
}

#[test]
fn two_runs_are_compared_picture_by_picture() {
    let scene = parts();
    scene.taktgate(&["evaluate", PACKAGE, "set", "--out", "before", "--no-report"]);
    // A threshold that finds the missed one, and calls good ones bad.
    scene.replace(
        "models/anomaly/1.0.0/manifest.toml",
        "image_threshold = 0.7",
        "image_threshold = 0.2",
    );
    scene.replace(
        "models/anomaly/1.0.0/manifest.toml",
        "pixel_threshold = 0.5",
        "pixel_threshold = 0.2",
    );
    let again = [
        "evaluate",
        PACKAGE,
        "set",
        "--against",
        "before",
        "--out",
        "after",
    ];
    let said = scene.taktgate(&again);
    let from = said.find("only the earlier run").unwrap();
    assert_snapshot!(&said[from..], @"
    only the earlier run is right about 1, only this one about 0: p = 1.000 (McNemar, exact)
    image AUROC +0.0000, 95 % interval +0.0000 to +0.0000, p = 1.000 (DeLong)
    1 parts have another verdict
      test/good/2.png (good): ok -> ng, WORSE
    --- stderr
    written to `after`: `run.json` and `report.html`
    ");
    let page = scene.read("after/report.html");
    assert!(page.contains("Against the earlier run") && page.contains("class=\"left worse\""));
    let (_, same) = evaluate(
        &scene,
        &[PACKAGE, "set", "--against", "after", "--out", "again"],
    );
    assert_eq!(same["against"]["flipped"], json!([]));
    assert_eq!(same["against"]["mcnemar_p"], 1.0);
}

#[test]
fn runs_on_other_pictures_are_not_compared() {
    let scene = parts();
    scene.taktgate(&["evaluate", PACKAGE, "set", "--out", "before", "--no-report"]);
    let against = |run: &str| {
        let said = scene.taktgate(&["evaluate", PACKAGE, "set", "--against", run, "--no-report"]);
        said.lines()
            .filter(|line| !line.starts_with('│'))
            .collect::<Vec<_>>()
            .join("\n")
    };
    fs::rename(
        scene.path("set/test/good/0.png"),
        scene.path("set/test/good/7.png"),
    )
    .unwrap();
    scene.write("set/test/good/1.png", png(&picture(41)));
    assert_snapshot!(against("before"), @"
    exit 1
    --- stderr
    error: the two runs are not about the same pictures: `test/good/1.png` has other pixels, `test/good/7.png` was not in the earlier run, `test/good/0.png` is missing now; evaluate both on one set, with the same `--split` and `--limit`
    ");
    assert_snapshot!(against("nowhere"), @"
    exit 1
    --- stderr
    error: cannot read `nowhere`; name the `run.json` of an earlier evaluation, or its folder
      because No such file or directory (os error 2)
    ");
    scene.write("other/run.json", "{\"schema\": 2}");
    assert_snapshot!(against("other"), @"
    exit 1
    --- stderr
    error: `other/run.json` has `schema` 2 and this program reads 1; evaluate again
    ");
    scene.write("other/run.json", "{\"schema\": 1}");
    assert_snapshot!(against("other"), @"
    exit 1
    --- stderr
    error: `other/run.json` is no run of this program
      because missing field `software_version` at line 1 column 13
    ");
}

#[test]
fn figures_that_are_required_decide_the_exit_code() {
    let scene = parts();
    let require = |what: &str| {
        let args = [
            "evaluate",
            PACKAGE,
            "set",
            "--no-report",
            "--json",
            "--require",
            what,
        ];
        let output = scene.command(&args).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let last = said.lines().next_back().unwrap_or_default().to_owned();
        (output.status.code().unwrap(), last)
    };
    assert_eq!(require("image_auroc>=0.5").0, 0);
    assert_eq!(require("escape<=0.25").0, 0);
    assert_eq!(
        require("escape<=0.01"),
        (3, "escape is 0.2500, required is <= 0.01".to_owned())
    );
    let (exit, said) = require("map_50>=0.5");
    assert_eq!(exit, 1);
    assert!(
        said.contains("not measured on this set; there are escape, overkill, review"),
        "{said}"
    );
    assert_eq!(require("escape=0").0, 2);
}

#[test]
fn what_cannot_be_evaluated_is_refused_before_the_work() {
    let scene = parts();
    let run = |args: &[&str]| scene.taktgate(&[&["evaluate"], args].concat());
    assert_snapshot!(run(&["set", "set"]), @"
    exit 1
    --- stderr
    error: `set` is neither a model package (no `manifest.toml`) nor a station (no `station.toml`)
    ");
    assert_snapshot!(run(&[PACKAGE, "set", "--map", "hole=anomaly"]), @"
    exit 1
    --- stderr
    error: `--map hole=anomaly`: the set has no class `hole`; it has `dent`
    ");
    assert_snapshot!(run(&[PACKAGE, "set", "--map", "dent=hole"]), @"
    exit 1
    --- stderr
    error: `--map dent=hole`: the model has no label `hole`; it has `anomaly`
    ");
    assert_snapshot!(run(&[PACKAGE, "set", "--limit", "0"]), @"
    exit 1
    --- stderr
    error: `--limit 0` leaves nothing to measure; write 1 or more
    ");
    assert_snapshot!(run(&[PACKAGE, "set", "--model", "other"]), @"
    exit 1
    --- stderr
    error: the view has no model `other`; it has `anomaly`
    ");
    assert_snapshot!(run(&[PACKAGE, "set", "--view", "top"]), @"
    exit 1
    --- stderr
    error: `--view` belongs to a station; `models/anomaly/1.0.0` is a package
    ");
    assert_snapshot!(run(&["st-07", "set", "--view", "side"]), @"
    exit 1
    --- stderr
    error: name one view with `--part-type` and `--view`; the station has `top` of `bracket`
    ");
    let broken = format!("{ROOT}/tests/models/broken-nan");
    assert_snapshot!(run(&[&broken, "set"]), @"
    exit 1
    --- stderr
    error: `[ROOT]/tests/models/broken-nan` is not fit for the line
      because model `broken-nan 1.0.0`: the output cannot be trusted: 192 of 192 numbers are NaN or infinite
    ");
}
