//! `replay`: verdicts, pictures and the summary of recorded pictures, good and bad.

use image::ImageFormat;
use insta::assert_snapshot;

use crate::scene::{Scene, file, picture, png};

#[test]
fn pictures_get_verdicts_a_summary_and_drawings() {
    let scene = Scene::with_station();
    assert_snapshot!(scene.taktgate(&["replay", "st-07"]), @"
    exit 0
    --- stdout
    ┌─┬─┬─┐
    │ folder ┆ verdict ┆ pictures │
    ╞═╪═╪═╡
    │ . ┆ indeterminate (doubtful) ┆ 1 │
    │ . ┆ ng ┆ 1 │
    │ . ┆ ok ┆ 1 │
    └─┴─┴─┘
    ┌─┬─┐
    │ finding ┆ count │
    ╞═╪═╡
    │ anomaly doubtful ┆ 1 │
    │ anomaly reject ┆ 1 │
    └─┴─┘
    ┌─┬─┬─┬─┐
    │ stage ┆ median ms ┆ p95 ms ┆ max ms │
    ╞═╪═╪═╪═╡
    │ read and decode the picture ┆ [MS] ┆ [MS] ┆ [MS] │
    │ fitness ┆ [MS] ┆ [MS] ┆ [MS] │
    │ prepare ┆ [MS] ┆ [MS] ┆ [MS] │
    │ infer ┆ [MS] ┆ [MS] ┆ [MS] │
    │ decode outputs ┆ [MS] ┆ [MS] ┆ [MS] │
    │ measure and judge ┆ [MS] ┆ [MS] ┆ [MS] │
    │ total ┆ [MS] ┆ [MS] ┆ [MS] │
    └─┴─┴─┴─┘
    --- stderr
    verdicts and summary in `out/replay`, pictures with the findings in `pictures/`
    ");
    assert_snapshot!(scene.read("out/replay/verdicts.jsonl"), @r#"
    {"findings":[],"notes":[],"picture":"1-good.png","reason":null,"verdict":"ok"}
    {"findings":[{"area_mm2":96.0,"class":"anomaly","grade":"reject","length_mm":14.42,"score":1.0,"zone":"all"}],"notes":[],"picture":"2-bad.png","reason":null,"verdict":"ng"}
    {"findings":[{"area_mm2":96.0,"class":"anomaly","grade":"doubtful","length_mm":14.42,"score":0.8,"zone":"all"}],"notes":[],"picture":"3-doubtful.png","reason":"doubtful","verdict":"indeterminate"}
    "#);
    for drawn in [
        "ok/1-good.png.jpg",
        "ng/2-bad.png.jpg",
        "indeterminate/3-doubtful.png.jpg",
    ] {
        let path = scene.path("out/replay/pictures").join(drawn);
        let picture = image::open(&path).unwrap_or_else(|error| panic!("{drawn}: {error}"));
        assert!(64 <= picture.width(), "{drawn}");
    }
}

#[test]
fn with_json_standard_output_is_json_only() {
    let scene = Scene::with_station();
    let out = scene.path("elsewhere").display().to_string();
    let replay = ["replay", "st-07", "--json", "--no-pictures", "--out", &out];
    assert_snapshot!(scene.taktgate(&replay), @r#"
    exit 0
    --- stdout
    {"findings":[],"notes":[],"picture":"1-good.png","reason":null,"verdict":"ok"}
    {"findings":[{"area_mm2":96.0,"class":"anomaly","grade":"reject","length_mm":14.42,"score":1.0,"zone":"all"}],"notes":[],"picture":"2-bad.png","reason":null,"verdict":"ng"}
    {"findings":[{"area_mm2":96.0,"class":"anomaly","grade":"doubtful","length_mm":14.42,"score":0.8,"zone":"all"}],"notes":[],"picture":"3-doubtful.png","reason":"doubtful","verdict":"indeterminate"}
    {"findings":{"anomaly doubtful":1,"anomaly reject":1},"pictures":3,"stages_ms":{"decode outputs":{"max":[MS],"median":[MS],"p95":[MS]},"fitness":{"max":[MS],"median":[MS],"p95":[MS]},"infer":{"max":[MS],"median":[MS],"p95":[MS]},"measure and judge":{"max":[MS],"median":[MS],"p95":[MS]},"prepare":{"max":[MS],"median":[MS],"p95":[MS]},"read and decode the picture":{"max":[MS],"median":[MS],"p95":[MS]},"total":{"max":[MS],"median":[MS],"p95":[MS]}},"verdicts":{".":{"indeterminate (doubtful)":1,"ng":1,"ok":1}}}
    --- stderr
    verdicts and summary in `[DIR]/elsewhere`
    "#);
    assert!(!scene.path("elsewhere/pictures").exists());
}

#[test]
fn a_bad_picture_is_a_doubt_with_a_note_and_the_run_goes_on() {
    let scene = Scene::with_station();
    let jpeg = file(&picture(0), ImageFormat::Jpeg);
    scene.write("in/1-whole.jpg", &jpeg);
    scene.write("in/2-cut.jpg", &jpeg[..jpeg.len() / 2]);
    scene.write("in/3-text.png", "not a picture at all");
    scene.write("in/4-empty.bmp", "");
    scene.write(
        "in/5-small.png",
        png(&image::imageops::thumbnail(&picture(0), 32, 24)),
    );
    scene.write("in/6-dark.png", png(&image::GrayImage::new(64, 48)));
    scene.write("in/7-bad.png", png(&picture(255)));
    scene.write("in/8-the-same.png", png(&picture(255)));
    scene.write(
        "in/notes.txt",
        "no picture by its name, so it is left alone",
    );
    assert_snapshot!(scene.taktgate(&["replay", "st-07", "--images", "in"]), @"
    exit 0
    --- stdout
    ┌─┬─┬─┐
    │ folder ┆ verdict ┆ pictures │
    ╞═╪═╪═╡
    │ . ┆ indeterminate (image_unfit) ┆ 6 │
    │ . ┆ ng ┆ 1 │
    │ . ┆ ok ┆ 1 │
    └─┴─┴─┘
    ┌─┬─┐
    │ finding ┆ count │
    ╞═╪═╡
    │ anomaly reject ┆ 1 │
    └─┴─┘
    ┌─┬─┬─┬─┐
    │ stage ┆ median ms ┆ p95 ms ┆ max ms │
    ╞═╪═╪═╪═╡
    │ read and decode the picture ┆ [MS] ┆ [MS] ┆ [MS] │
    │ fitness ┆ [MS] ┆ [MS] ┆ [MS] │
    │ prepare ┆ [MS] ┆ [MS] ┆ [MS] │
    │ infer ┆ [MS] ┆ [MS] ┆ [MS] │
    │ decode outputs ┆ [MS] ┆ [MS] ┆ [MS] │
    │ measure and judge ┆ [MS] ┆ [MS] ┆ [MS] │
    │ total ┆ [MS] ┆ [MS] ┆ [MS] │
    └─┴─┴─┴─┘
    --- stderr
    verdicts and summary in `out/replay`, pictures with the findings in `pictures/`
    ");
    assert_snapshot!(scene.read("out/replay/verdicts.jsonl"), @r#"
    {"findings":[],"notes":[],"picture":"1-whole.jpg","reason":null,"verdict":"ok"}
    {"findings":[],"notes":["camera `cam-1`: `in/2-cut.jpg` is no usable picture: the JPEG is cut off after 388 bytes; was it still being written?"],"picture":"2-cut.jpg","reason":"image_unfit","verdict":"indeterminate"}
    {"findings":[],"notes":["camera `cam-1`: `in/3-text.png` is no usable picture: this is no PNG, JPEG, BMP or TIFF picture: it starts with `not a picture at`"],"picture":"3-text.png","reason":"image_unfit","verdict":"indeterminate"}
    {"findings":[],"notes":["camera `cam-1`: `in/4-empty.bmp` is no usable picture: the picture file is empty; was it still being written?"],"picture":"4-empty.bmp","reason":"image_unfit","verdict":"indeterminate"}
    {"findings":[],"notes":["the frame has 32 x 24 px but the calibration of camera `cam-1` is for 64 x 48; set the camera's format or calibrate again"],"picture":"5-small.png","reason":"image_unfit","verdict":"indeterminate"}
    {"findings":[],"notes":["too dark: mean 0.0, at least 15; empty: contrast 0.0, at least 3; blurred: sharpness 0.0, at least 5"],"picture":"6-dark.png","reason":"image_unfit","verdict":"indeterminate"}
    {"findings":[{"area_mm2":96.0,"class":"anomaly","grade":"reject","length_mm":14.42,"score":1.0,"zone":"all"}],"notes":[],"picture":"7-bad.png","reason":null,"verdict":"ng"}
    {"findings":[],"notes":["the frame equals the one before; is the camera frozen?"],"picture":"8-the-same.png","reason":"image_unfit","verdict":"indeterminate"}
    "#);
}

#[test]
fn folders_below_are_counted_by_themselves() {
    let scene = Scene::with_station();
    scene.write("in/shift-1/a.png", png(&picture(0)));
    scene.write("in/shift-2/a.png", png(&picture(255)));
    scene.write("in/shift-2/deeper/a.png", png(&picture(10)));
    assert_snapshot!(scene.taktgate(&["replay", "st-07", "--images", "in"]), @"
    exit 0
    --- stdout
    ┌─┬─┬─┐
    │ folder ┆ verdict ┆ pictures │
    ╞═╪═╪═╡
    │ shift-1 ┆ ok ┆ 1 │
    │ shift-2 ┆ ng ┆ 1 │
    │ shift-2/deeper ┆ ok ┆ 1 │
    └─┴─┴─┘
    ┌─┬─┐
    │ finding ┆ count │
    ╞═╪═╡
    │ anomaly reject ┆ 1 │
    └─┴─┘
    ┌─┬─┬─┬─┐
    │ stage ┆ median ms ┆ p95 ms ┆ max ms │
    ╞═╪═╪═╪═╡
    │ read and decode the picture ┆ [MS] ┆ [MS] ┆ [MS] │
    │ fitness ┆ [MS] ┆ [MS] ┆ [MS] │
    │ prepare ┆ [MS] ┆ [MS] ┆ [MS] │
    │ infer ┆ [MS] ┆ [MS] ┆ [MS] │
    │ decode outputs ┆ [MS] ┆ [MS] ┆ [MS] │
    │ measure and judge ┆ [MS] ┆ [MS] ┆ [MS] │
    │ total ┆ [MS] ┆ [MS] ┆ [MS] │
    └─┴─┴─┴─┘
    --- stderr
    verdicts and summary in `out/replay`, pictures with the findings in `pictures/`
    ");
    assert!(
        scene
            .path("out/replay/pictures/ng/shift-2/a.png.jpg")
            .exists()
    );
}

#[test]
fn two_pictures_of_one_name_are_both_drawn() {
    let scene = Scene::with_station();
    scene.write("in/a.jpg", file(&picture(0), ImageFormat::Jpeg));
    scene.write("in/a.png", png(&picture(10)));
    scene.write("in/a.tiff", file(&picture(20), ImageFormat::Tiff));
    let told = scene.taktgate(&["replay", "st-07", "--images", "in"]);
    assert!(told.starts_with("exit 0\n"), "{told}");
    let drawn = std::fs::read_dir(scene.path("out/replay/pictures/ok")).unwrap();
    assert_eq!(drawn.count(), 3);
}

#[test]
fn a_replay_is_compared_with_an_earlier_one() {
    let scene = Scene::with_station();
    let first = scene.taktgate(&["replay", "st-07", "--out", "first", "--json"]);
    assert!(first.starts_with("exit 0\n"), "{first}");
    let expect = [
        "replay",
        "st-07",
        "--no-pictures",
        "--expect",
        "first/verdicts.jsonl",
    ];
    let told = scene.taktgate(&expect);
    assert!(told.starts_with("exit 0\n"), "{told}");
    assert!(told.contains("all 3 verdicts are as expected"), "{told}");

    // A strict plant manager: nothing is doubtful any more; and a part more than before.
    scene.replace(
        "st-07/recipe.toml",
        "score_reject = 0.9",
        "score_reject = 0.6",
    );
    scene.write("st-07/frames/4-good.png", png(&picture(30)));
    let mut json = scene.command(&expect);
    json.arg("--json");
    assert_snapshot!(scene.told(&mut json), @r#"
    exit 3
    --- stdout
    {"findings":[],"notes":[],"picture":"1-good.png","reason":null,"verdict":"ok"}
    {"findings":[{"area_mm2":96.0,"class":"anomaly","grade":"reject","length_mm":14.42,"score":1.0,"zone":"all"}],"notes":[],"picture":"2-bad.png","reason":null,"verdict":"ng"}
    {"findings":[{"area_mm2":96.0,"class":"anomaly","grade":"reject","length_mm":14.42,"score":0.8,"zone":"all"}],"notes":[],"picture":"3-doubtful.png","reason":null,"verdict":"ng"}
    {"findings":[],"notes":[],"picture":"4-good.png","reason":null,"verdict":"ok"}
    {"findings":{"anomaly reject":2},"pictures":4,"stages_ms":{"decode outputs":{"max":[MS],"median":[MS],"p95":[MS]},"fitness":{"max":[MS],"median":[MS],"p95":[MS]},"infer":{"max":[MS],"median":[MS],"p95":[MS]},"measure and judge":{"max":[MS],"median":[MS],"p95":[MS]},"prepare":{"max":[MS],"median":[MS],"p95":[MS]},"read and decode the picture":{"max":[MS],"median":[MS],"p95":[MS]},"total":{"max":[MS],"median":[MS],"p95":[MS]}},"verdicts":{".":{"ng":2,"ok":2}}}
    --- stderr
    verdicts and summary in `out/replay`
    4 pictures, but 3 were expected
    expected {"findings":[{"area_mm2":96.0,"class":"anomaly","grade":"doubtful","length_mm":14.42,"score":0.8,"zone":"all"}],"notes":[],"picture":"3-doubtful.png","reason":"doubtful","verdict":"indeterminate"}
       found {"findings":[{"area_mm2":96.0,"class":"anomaly","grade":"reject","length_mm":14.42,"score":0.8,"zone":"all"}],"notes":[],"picture":"3-doubtful.png","reason":null,"verdict":"ng"}
    2 verdicts are not those that were expected
    "#);
}

#[test]
fn a_replay_is_not_compared_with_itself() {
    let scene = Scene::with_station();
    let first = scene.taktgate(&["replay", "st-07"]);
    assert!(first.starts_with("exit 0\n"), "{first}");
    scene.replace(
        "st-07/recipe.toml",
        "score_reject = 0.9",
        "score_reject = 0.6",
    );
    let verdicts = "out/replay/verdicts.jsonl";
    let told = scene.taktgate(&["replay", "st-07", "--expect", verdicts]);
    assert!(told.starts_with("exit 3\n"), "{told}");
    // The picture is drawn under its new verdict only.
    let drawn = |word: &str| {
        scene
            .path(&format!("out/replay/pictures/{word}/3-doubtful.png.jpg"))
            .exists()
    };
    assert_eq!((drawn("indeterminate"), drawn("ng")), (false, true));
}

#[test]
fn what_cannot_be_compared_with_is_told() {
    let scene = Scene::with_station();
    let expect = |file: &str| {
        let replay = [
            "replay",
            "st-07",
            "--no-pictures",
            "--json",
            "--expect",
            file,
        ];
        let told = scene.taktgate(&replay);
        let (_, err) = told.split_once("--- stderr").unwrap();
        format!("{}{err}", told.lines().next().unwrap())
    };
    assert_snapshot!(expect("nowhere.jsonl"), @"
    exit 1
    error: cannot read `nowhere.jsonl`
      because No such file or directory (os error 2)
    ");
    scene.write("no.jsonl", "{\"picture\": \n");
    assert_snapshot!(expect("no.jsonl"), @"
    exit 1
    error: `no.jsonl` line 1 is no JSON
      because EOF while parsing a value at line 1 column 12
    ");
}

#[test]
fn an_empty_folder_and_one_that_is_not_there_are_refused() {
    let scene = Scene::with_station();
    scene.write("empty/notes.txt", "");
    assert_snapshot!(scene.taktgate(&["replay", "st-07", "--images", "empty"]), @"
    exit 1
    --- stderr
    error: camera `cam-1`: no picture (png, jpg, jpeg, bmp, tif, tiff) in `empty`
    ");
    assert_snapshot!(scene.taktgate(&["replay", "st-07", "--images", "nowhere"]), @"
    exit 1
    --- stderr
    error: camera `cam-1`: cannot read `nowhere`
      because No such file or directory (os error 2)
    ");
    assert!(!scene.path("out").exists());
}

#[test]
fn a_scale_judges_pictures_of_any_size() {
    let scene = Scene::with_station();
    scene.replace(
        "st-07/recipe.toml",
        "name = \"all\"",
        "name = \"all\"\npolygon_mm = [[0, 0], [32, 0], [32, 24]]",
    );
    scene.replace(
        "st-07/recipe.toml",
        "name = \"top\"",
        "name = \"top\"\nregion_px = [0, 0, 32, 24]\nprepare = [\"undistort\"]",
    );
    scene.write(
        "in/a.png",
        png(&image::imageops::thumbnail(&picture(255), 32, 24)),
    );
    let replay = |scale: &str| {
        let scale = format!("--mm-per-px={scale}");
        scene.taktgate(&["replay", "st-07", "--images", "in", "--json", &scale])
    };
    assert_snapshot!(replay("2"), @r#"
    exit 0
    --- stdout
    {"findings":[{"area_mm2":384.0,"class":"anomaly","grade":"reject","length_mm":28.84,"score":1.0,"zone":"all"}],"notes":[],"picture":"a.png","reason":null,"verdict":"ng"}
    {"findings":{"anomaly reject":1},"pictures":1,"stages_ms":{"decode outputs":{"max":[MS],"median":[MS],"p95":[MS]},"fitness":{"max":[MS],"median":[MS],"p95":[MS]},"infer":{"max":[MS],"median":[MS],"p95":[MS]},"measure and judge":{"max":[MS],"median":[MS],"p95":[MS]},"prepare":{"max":[MS],"median":[MS],"p95":[MS]},"read and decode the picture":{"max":[MS],"median":[MS],"p95":[MS]},"total":{"max":[MS],"median":[MS],"p95":[MS]}},"verdicts":{".":{"ng":1}}}
    --- stderr
    without calibration: left out of view `top`: undistort, flat-field and colour
    without calibration: left out of view `top`: its region, the whole picture is judged
    without calibration: left out of view `top`: the outline of zone `all`
    verdicts and summary in `out/replay`, pictures with the findings in `pictures/`
    "#);
    assert_snapshot!(replay("0"), @"
    exit 1
    --- stderr
    error: `--mm-per-px 0` is no scale; write for example 0.1
    ");
    assert_snapshot!(replay("nan"), @"
    exit 1
    --- stderr
    error: `--mm-per-px NaN` is no scale; write for example 0.1
    ");
}

#[test]
fn a_part_type_is_chosen_where_there_are_several() {
    let scene = Scene::with_station();
    let second = scene.read("st-07/recipe.toml").replace("bracket", "hood");
    scene.write("st-07/hood.toml", second);
    scene.replace(
        "st-07/station.toml",
        "\"recipe.toml\"",
        "\"recipe.toml\", \"hood.toml\"",
    );
    assert_snapshot!(scene.taktgate(&["replay", "st-07"]), @"
    exit 1
    --- stderr
    error: choose one part type of the station with `--part-type`: bracket, hood
    ");
    assert_snapshot!(scene.taktgate(&["replay", "st-07", "--part-type", "door"]), @"
    exit 1
    --- stderr
    error: choose one part type of the station with `--part-type`: bracket, hood
    ");
    let told = scene.taktgate(&["replay", "st-07", "--part-type", "hood"]);
    assert!(told.starts_with("exit 0\n"), "{told}");
}

#[test]
fn two_models_that_disagree_leave_a_doubt_and_the_note_says_who_said_what() {
    let scene = Scene::with_station();
    // It goes by the mean of the picture, which a bright square in a dark one hardly moves.
    scene.package("classify");
    scene.replace(
        "st-07/recipe.toml",
        "model = \"anomaly/1.0.0\"",
        "model = \"anomaly/1.0.0\"\nsecond_model = \"classify/1.0.0\"",
    );
    let verdicts = |scene: &Scene| {
        let said = scene.taktgate(&["replay", "st-07", "--out", "out", "--no-pictures"]);
        assert!(said.starts_with("exit 0"), "{said}");
        let lines = scene.read("out/verdicts.jsonl");
        let line = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            format!("{} {}", line["verdict"], line["notes"])
        };
        lines.lines().map(line).collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(verdicts(&scene), @r#"
    "ok" []
    "indeterminate" ["anomaly 1.0.0 says ng, classify 1.0.0 says ok"]
    "indeterminate" ["anomaly 1.0.0 says indeterminate (doubtful), classify 1.0.0 says ok"]
    "#);
    scene.replace(
        "st-07/recipe.toml",
        "second_model",
        "when_models_disagree = \"reject\"\nsecond_model",
    );
    assert_snapshot!(verdicts(&scene), @r#"
    "ok" []
    "ng" ["anomaly 1.0.0 says ng, classify 1.0.0 says ok"]
    "indeterminate" ["anomaly 1.0.0 says indeterminate (doubtful), classify 1.0.0 says ok"]
    "#);
}
