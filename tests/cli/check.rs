//! `check` and `init`: what is wrong with a station's files, and a folder where nothing is.

use std::fs;

use insta::assert_snapshot;

use crate::scene::{CALIBRATION, ROOT, Scene, picture, png};

#[test]
fn a_station_without_a_mistake() {
    let scene = Scene::with_station();
    assert_snapshot!(scene.taktgate(&["check", "st-07"]), @"
    exit 0
    --- stdout
    ┌─┬─┐
    │ station ┆ st-07 │
    │ camera cam-1 ┆ opens │
    │ recipe bracket ┆ revision 3, 1 view(s) │
    │ calibration cam-1 ┆ valid until [TIME], [RMS] px rms │
    │ model anomaly/1.0.0 ┆ 2 golden vectors within [DIFFERENCE], [MS] ms a run ([MIN] to [MAX]), loaded in [MS] ms │
    └─┴─┘
    no mistake found
    ");
    assert_snapshot!(scene.taktgate(&["check", "st-07/station.toml", "--json"]), @r#"
    exit 0
    --- stdout
    {"checked":["station: st-07","camera cam-1: opens","recipe bracket: revision 3, 1 view(s)","calibration cam-1: valid until [TIME], [RMS] px rms","model anomaly/1.0.0: 2 golden vectors within [DIFFERENCE], [MS] ms a run ([MIN] to [MAX]), loaded in [MS] ms"],"good":true,"mistakes":[]}
    "#);
}

#[test]
fn models_that_can_never_answer_in_time_are_told_for_the_whole_part() {
    let scene = Scene::with_station();
    let models = format!("models = {:?}", format!("{ROOT}/models"));
    scene.replace("st-07/station.toml", "models = \"../models\"", &models);
    scene.replace(
        "st-07/station.toml",
        "[mqtt]",
        "[deadlines]\ndeadline_ms = 6\nanswer_margin_ms = 1\n\n[mqtt]",
    );
    let model = shipped_model("stamping-surface");
    scene.replace("st-07/recipe.toml", "anomaly/1.0.0", &model);
    let view = scene.read("st-07/recipe.toml");
    let view = view.split_once("[[views]]").unwrap().1;
    let (second, third) = (view.replace("top", "side"), view.replace("top", "end"));
    let all = format!("[[views]]{second}\n[[views]]{third}");
    scene.write("st-07/recipe.toml", scene.read("st-07/recipe.toml") + &all);
    let told = scene.taktgate(&["check", "st-07"]);
    assert!(told.starts_with("exit 3"), "{told}");
    let models = format!("ms a part ({model}, {model}, {model}), the deadline is 6 ms");
    assert!(told.contains(&models), "{told}");
}

/// The name and version of the one shipped package of this name.
fn shipped_model(name: &str) -> String {
    let versions = fs::read_dir(format!("{ROOT}/models/{name}")).unwrap();
    let versions: Vec<_> = versions.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(versions.len(), 1, "{versions:?}");
    format!("{name}/{}", versions.first().unwrap().display())
}

/// What `check` says of a sample; its model may be trained anew, so no figure of it is held.
fn sample(scene: &Scene, name: &str) -> String {
    scene.taktgate(&["check", &format!("{ROOT}/samples/{name}")])
}

#[test]
fn the_sample_stamping_has_no_mistake() {
    let scene = Scene::new();
    assert_snapshot!(sample(&scene, "stamping"), @"
    exit 0
    --- stdout
    ┌─┬─┐
    │ station ┆ stamping-1 │
    │ camera cam-top ┆ opens │
    │ recipe door-inner ┆ revision 1, 1 view(s) │
    │ calibration cam-top ┆ valid until [TIME], [RMS] px rms │
    │ model stamping-surface/0.2.0 ┆ 2 golden vectors within [DIFFERENCE], [MS] ms a run ([MIN] to [MAX]), loaded in [MS] ms │
    └─┴─┘
    no mistake found
    ");
}

#[test]
fn the_sample_welding_has_no_mistake() {
    let scene = Scene::new();
    assert_snapshot!(sample(&scene, "welding"), @"
    exit 0
    --- stdout
    ┌─┬─┐
    │ station ┆ welding-1 │
    │ camera cam-seam ┆ opens │
    │ recipe side-member-seam ┆ revision 1, 1 view(s) │
    │ calibration cam-seam ┆ valid until [TIME], [RMS] px rms │
    │ model welding-seam/0.2.0 ┆ 2 golden vectors within [DIFFERENCE], [MS] ms a run ([MIN] to [MAX]), loaded in [MS] ms │
    └─┴─┘
    no mistake found
    ");
}

#[test]
fn the_sample_paint_has_no_mistake() {
    let scene = Scene::new();
    assert_snapshot!(sample(&scene, "paint"), @"
    exit 0
    --- stdout
    ┌─┬─┐
    │ station ┆ paint-1 │
    │ camera cam-roof ┆ opens │
    │ recipe roof-panel ┆ revision 1, 1 view(s) │
    │ calibration cam-roof ┆ valid until [TIME], [RMS] px rms │
    │ model paint-clearcoat/0.2.0 ┆ 2 golden vectors within [DIFFERENCE], [MS] ms a run ([MIN] to [MAX]), loaded in [MS] ms │
    └─┴─┘
    no mistake found
    ");
}

/// A station whose five files are all wrong, each in another way.
fn wrong_in_many_ways() -> Scene {
    let scene = Scene::with_station();
    scene.package("broken-hash");
    scene.replace(
        "st-07/station.toml",
        "[\"recipe.toml\"]",
        "[\"recipe.toml\", \"absent.toml\", \"typo.toml\", \"again.toml\", \"lens.toml\"]",
    );
    let recipe = scene.read("st-07/recipe.toml");
    scene.write("st-07/typo.toml", recipe.replace("revision", "revison"));
    scene.write("st-07/again.toml", &recipe);
    scene.write(
        "st-07/lens.toml",
        recipe
            .replace("bracket", "hood")
            .replace("camera = \"cam-1\"", "camera = \"cam-2\"")
            .replace("anomaly/", "broken-hash/"),
    );
    scene.replace("st-07/recipe.toml", "anomaly/1.0.0", "anomaly/2.0.0");
    scene.replace("st-07/calibration/cam-1.toml", "[64, 48]", "[64, 0]");
    scene
}

#[test]
fn every_mistake_of_every_file_is_said_at_once() {
    let scene = wrong_in_many_ways();
    assert_snapshot!(scene.taktgate(&["check", "st-07"]), @r#"
    exit 3
    --- stdout
    ┌─┬─┐
    │ station ┆ st-07 │
    │ camera cam-1 ┆ opens │
    └─┴─┘
    --- stderr
    error: `st-07/../models/broken-hash/1.0.0` is no sound model package:
    - `onnx = "model.onnx"`: SHA-256 is [SHA256] where the manifest has [SHA256]: the file was changed or cut off; copy or export the package again
    error: `st-07/again.toml`: a second recipe for `bracket`
    error: `st-07/calibration/cam-1.toml`: `image_size_px height = 0` is out of range; write 8 to 100000
    error: cannot read `st-07/../models/anomaly/2.0.0/manifest.toml`; a model package is a folder with a `manifest.toml`: No such file or directory (os error 2)
    error: cannot read `st-07/absent.toml`: No such file or directory (os error 2)
    error: cannot read `st-07/calibration/cam-2.toml`: No such file or directory (os error 2)
    error: cannot understand `st-07/typo.toml`: TOML parse error at line 3, column 1
      |
    3 | revison = 3
      | ^^^^^^^
    unknown field `revison`, expected one of `schema`, `part_type`, `revision`, `views`, `limit_sets`, `limit_sets_from`, `part_limits`

    error: view `top` looks through camera `cam-2`, which the station does not have; add it under `[[cameras]]`
    "#);
}

#[test]
fn every_mistake_stands_in_the_json_too() {
    let scene = wrong_in_many_ways();
    assert_snapshot!(scene.taktgate(&["check", "st-07", "--json"]), @r#"
    exit 3
    --- stdout
    {"checked":["station: st-07","camera cam-1: opens"],"good":false,"mistakes":["`st-07/../models/broken-hash/1.0.0` is no sound model package:\n- `onnx = \"model.onnx\"`: SHA-256 is [SHA256] where the manifest has [SHA256]: the file was changed or cut off; copy or export the package again","`st-07/again.toml`: a second recipe for `bracket`","`st-07/calibration/cam-1.toml`: `image_size_px height = 0` is out of range; write 8 to 100000","cannot read `st-07/../models/anomaly/2.0.0/manifest.toml`; a model package is a folder with a `manifest.toml`: No such file or directory (os error 2)","cannot read `st-07/absent.toml`: No such file or directory (os error 2)","cannot read `st-07/calibration/cam-2.toml`: No such file or directory (os error 2)","cannot understand `st-07/typo.toml`: TOML parse error at line 3, column 1\n  |\n3 | revison = 3\n  | ^^^^^^^\nunknown field `revison`, expected one of `schema`, `part_type`, `revision`, `views`, `limit_sets`, `limit_sets_from`, `part_limits`\n","view `top` looks through camera `cam-2`, which the station does not have; add it under `[[cameras]]`"]}
    "#);
}

#[test]
fn an_unknown_key_names_the_line_and_the_keys_that_fit() {
    let scene = Scene::with_station();
    scene.replace("st-07/station.toml", "data =", "dato =");
    assert_snapshot!(scene.taktgate(&["check", "st-07"]), @r#"
    exit 3
    --- stderr
    error: cannot understand `st-07/station.toml`
      because TOML parse error at line 6, column 1
      |
    6 | dato = "data"
      | ^^^^
    unknown field `dato`, expected one of `schema`, `station`, `recipes`, `models`, `calibrations`, `data`, `mqtt`, `sparkplug`, `deadlines`, `control`, `trigger`, `doubt`, `handshake`, `outbox`, `inbox`, `supervision`, `onnxruntime`, `archive`, `storage`, `cameras`
    "#);
}

#[test]
fn a_class_without_a_limit_would_be_a_defect_that_nobody_judges() {
    let scene = Scene::with_station();
    scene.replace("st-07/recipe.toml", "\"*\"", "dent");
    assert_snapshot!(scene.taktgate(&["check", "st-07"]), @r#"
    exit 3
    --- stdout
    ┌─┬─┐
    │ station ┆ st-07 │
    │ camera cam-1 ┆ opens │
    │ recipe bracket ┆ revision 3, 1 view(s) │
    │ calibration cam-1 ┆ valid until [TIME], [RMS] px rms │
    └─┴─┘
    --- stderr
    error: recipe `bracket`, view `top`: no limit for `anomaly` in zone `all`; add `[views.zones.limits."*"]`
    "#);
}

#[test]
fn a_model_that_fails_its_test_and_cameras_that_do_not_open_are_said_together() {
    let scene = Scene::with_station();
    scene.package("broken-golden");
    scene.replace("st-07/recipe.toml", "anomaly/", "broken-golden/");
    scene.replace("st-07/station.toml", "\"frames\"", "\"nowhere\"");
    let mut station = scene.read("st-07/station.toml");
    station.push_str("[[cameras]]\nname = \"cam-2\"\nsource = { video = { path = \"no.mp4\" } }\n");
    scene.write("st-07/station.toml", station);
    assert_snapshot!(scene.taktgate(&["check", "st-07"]), @"
    exit 3
    --- stdout
    ┌─┬─┐
    │ station ┆ st-07 │
    │ recipe bracket ┆ revision 3, 1 view(s) │
    │ calibration cam-1 ┆ valid until [TIME], [RMS] px rms │
    └─┴─┘
    --- stderr
    error: camera `cam-1`: cannot read `st-07/nowhere`
      because No such file or directory (os error 2)
    error: camera `cam-2`
      because `st-07/no.mp4` could not be opened as a video; does it exist, is the stream's address right?
    error: model `broken-golden/1.0.0` is not fit for the line
      because model `broken-golden 1.0.0`: golden vector `golden/01.png` does not come out as exported: the largest difference is 1 where 0.0001 is tolerated; is it the right ONNX file, and are mean, scale and channel order those of the training?
    ");
    assert_snapshot!(scene.taktgate(&["check", "st-07", "--without-cameras"]), @"
    exit 3
    --- stdout
    ┌─┬─┐
    │ station ┆ st-07 │
    │ recipe bracket ┆ revision 3, 1 view(s) │
    │ calibration cam-1 ┆ valid until [TIME], [RMS] px rms │
    └─┴─┘
    --- stderr
    error: model `broken-golden/1.0.0` is not fit for the line
      because model `broken-golden 1.0.0`: golden vector `golden/01.png` does not come out as exported: the largest difference is 1 where 0.0001 is tolerated; is it the right ONNX file, and are mean, scale and channel order those of the training?
    ");
}

#[test]
fn a_calibration_out_of_date_is_a_mistake() {
    let scene = Scene::with_station();
    scene.replace("st-07/calibration/cam-1.toml", "2999-", "2021-");
    assert_snapshot!(scene.taktgate(&["check", "st-07"]), @"
    exit 3
    --- stdout
    ┌─┬─┐
    │ station ┆ st-07 │
    │ camera cam-1 ┆ opens │
    │ recipe bracket ┆ revision 3, 1 view(s) │
    │ model anomaly/1.0.0 ┆ 2 golden vectors within [DIFFERENCE], [MS] ms a run ([MIN] to [MAX]), loaded in [MS] ms │
    └─┴─┘
    --- stderr
    error: the calibration of camera `cam-1` was valid until [TIME]; calibrate again
    ");
    assert_snapshot!(scene.taktgate(&["check", "st-07", "--json"]), @r#"
    exit 3
    --- stdout
    {"checked":["station: st-07","camera cam-1: opens","recipe bracket: revision 3, 1 view(s)","model anomaly/1.0.0: 2 golden vectors within [DIFFERENCE], [MS] ms a run ([MIN] to [MAX]), loaded in [MS] ms"],"good":false,"mistakes":["the calibration of camera `cam-1` was valid until [TIME]; calibrate again"]}
    "#);
}

#[test]
fn a_station_folder_that_is_not_there() {
    let scene = Scene::new();
    assert_snapshot!(scene.taktgate(&["check", "nowhere"]), @"
    exit 3
    --- stderr
    error: cannot read `nowhere`
      because No such file or directory (os error 2)
    ");
    scene.write("empty/readme", "");
    assert_snapshot!(scene.taktgate(&["check", "empty"]), @"
    exit 3
    --- stderr
    error: cannot read `empty/station.toml`
      because No such file or directory (os error 2)
    ");
}

#[test]
fn a_new_station_is_sound_and_judges_pictures() {
    let scene = Scene::new();
    scene.package("anomaly");
    assert_snapshot!(scene.taktgate(&["init", "st-08", "--model", "models/anomaly/1.0.0"]), @"
    exit 0
    --- stdout
    wrote `st-08`; try it with
      taktgate check st-08
      taktgate run st-08
    ");
    assert_snapshot!(scene.taktgate(&["check", "st-08"]), @"
    exit 0
    --- stdout
    ┌─┬─┐
    │ station ┆ st-08 │
    │ camera cam-1 ┆ opens │
    │ recipe first-part ┆ revision 1, 1 view(s) │
    │ calibration cam-1 ┆ valid until [TIME], [RMS] px rms │
    │ model anomaly/1.0.0 ┆ 2 golden vectors within [DIFFERENCE], [MS] ms a run ([MIN] to [MAX]), loaded in [MS] ms │
    └─┴─┘
    no mistake found
    ");
    let large = |square| {
        let small = picture(square);
        png(&image::imageops::resize(
            &small,
            1024,
            768,
            image::imageops::FilterType::Nearest,
        ))
    };
    scene.write("pictures/a.png", large(0));
    scene.write("pictures/b.png", large(255));
    let replay = ["replay", "st-08", "--images", "pictures", "--json"];
    assert_snapshot!(scene.taktgate(&replay), @r#"
    exit 0
    --- stdout
    {"findings":[],"notes":[],"picture":"a.png","reason":null,"verdict":"ok"}
    {"findings":[{"area_mm2":3932.16,"class":"anomaly","grade":"reject","length_mm":92.3,"score":1.0,"zone":"all"}],"notes":[],"picture":"b.png","reason":null,"verdict":"ng"}
    {"findings":{"anomaly reject":1},"pictures":2,"stages_ms":{"decode outputs":{"max":[MS],"median":[MS],"p95":[MS]},"fitness":{"max":[MS],"median":[MS],"p95":[MS]},"infer":{"max":[MS],"median":[MS],"p95":[MS]},"measure and judge":{"max":[MS],"median":[MS],"p95":[MS]},"prepare":{"max":[MS],"median":[MS],"p95":[MS]},"read and decode the picture":{"max":[MS],"median":[MS],"p95":[MS]},"total":{"max":[MS],"median":[MS],"p95":[MS]}},"verdicts":{".":{"ng":1,"ok":1}}}
    --- stderr
    verdicts and summary in `out/replay`, pictures with the findings in `pictures/`
    "#);
}

#[test]
fn a_new_station_overwrites_nothing() {
    let scene = Scene::with_station();
    let before = scene.read("st-07/station.toml");
    assert_snapshot!(scene.taktgate(&["init", "st-07", "--model", "models/anomaly/1.0.0"]), @"
    exit 1
    --- stderr
    error: `st-07` is there already; name a new folder, nothing is overwritten
    ");
    assert_eq!(scene.read("st-07/station.toml"), before);
}

#[test]
fn what_a_new_station_cannot_be_made_from_leaves_nothing_behind() {
    let scene = Scene::new();
    scene.package("anomaly");
    scene.package("broken-hash");
    let init = |folder: &str, model: &str| {
        let told = scene.taktgate(&["init", folder, "--model", model]);
        assert!(!scene.path(folder).exists(), "`{folder}` was made: {told}");
        told
    };
    assert_snapshot!(init("st-08", "models/absent/1.0.0"), @"
    exit 1
    --- stderr
    error: cannot read `models/absent/1.0.0/manifest.toml`; a model package is a folder with a `manifest.toml`
      because No such file or directory (os error 2)
    ");
    assert_snapshot!(init("st-08", "models/broken-hash/1.0.0"), @r#"
    exit 1
    --- stderr
    error: `models/broken-hash/1.0.0` is no sound model package:
    - `onnx = "model.onnx"`: SHA-256 is [SHA256] where the manifest has [SHA256]: the file was changed or cut off; copy or export the package again
    "#);
    // Names that are no level of a topic.
    assert_snapshot!(init("st+08", "models/anomaly/1.0.0"), @r#"
    exit 1
    --- stderr
    error: `st+08/station.toml`: `mqtt`: `station = "st+08"` is no level of a topic; write 1 to 64 characters without `/`, `+`, `#`, control characters or a `$` in front
    "#);
    // A package that does not lie where a recipe would look for it.
    fs::rename(
        scene.path("models/anomaly/1.0.0"),
        scene.path("models/anomaly/2.0.0"),
    )
    .unwrap();
    assert_snapshot!(init("st-08", "models/anomaly/2.0.0"), @"
    exit 1
    --- stderr
    error: `[DIR]/models/anomaly/2.0.0` has the package anomaly/1.0.0; put it into a folder `anomaly/1.0.0`, where recipes look for it
    ");
}

#[test]
fn quotes_in_names_do_not_end_a_text_of_the_file() {
    let scene = Scene::new();
    scene.package("anomaly");
    let model = "the \"best\" \\ models/anomaly/1.0.0";
    fs::rename(scene.path("models"), scene.path("the \"best\" \\ models")).unwrap();
    assert_snapshot!(scene.taktgate(&["init", "st \"08\"", "--model", model]), @r#"
    exit 0
    --- stdout
    wrote `st "08"`; try it with
      taktgate check st "08"
      taktgate run st "08"
    "#);
    assert_snapshot!(scene.taktgate(&["check", "st \"08\""]), @r#"
    exit 0
    --- stdout
    ┌─┬─┐
    │ station ┆ st "08" │
    │ camera cam-1 ┆ opens │
    │ recipe first-part ┆ revision 1, 1 view(s) │
    │ calibration cam-1 ┆ valid until [TIME], [RMS] px rms │
    │ model anomaly/1.0.0 ┆ 2 golden vectors within [DIFFERENCE], [MS] ms a run ([MIN] to [MAX]), loaded in [MS] ms │
    └─┴─┘
    no mistake found
    "#);
}

#[test]
fn the_calibration_of_another_camera_is_refused() {
    let scene = Scene::with_station();
    scene.write(
        "st-07/calibration/cam-1.toml",
        CALIBRATION.replace("cam-1", "cam-9"),
    );
    assert_snapshot!(scene.taktgate(&["check", "st-07"]), @"
    exit 3
    --- stdout
    ┌─┬─┐
    │ station ┆ st-07 │
    │ camera cam-1 ┆ opens │
    └─┴─┘
    --- stderr
    error: `st-07/calibration/cam-1.toml` is the calibration of camera `cam-9`, not of `cam-1`
    ");
}
