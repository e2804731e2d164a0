//! A code on the part through `replay`, `recipe show` and `check`, on frames of the stamping sample.

use std::fs;

use insta::assert_snapshot;
use serde_json::Value;

use crate::code_drawing::{REGION_PX, frame, label_tolerated};
use crate::scene::{ROOT, Scene};

/// The stamping sample with a code that `confirms` the part, and no pictures yet.
fn scene() -> Scene {
    let scene = Scene::new();
    let sample =
        |name: &str| fs::read_to_string(format!("{ROOT}/samples/stamping/{name}")).unwrap();
    let station = sample("station.toml").replace("../../", &format!("{ROOT}/"));
    scene.write("st/station.toml", station);
    let code = format!(
        "[code]\nview = \"top\"\nkind = \"data_matrix\"\nregion_px = {REGION_PX}\npart = \"confirms\"\n"
    );
    let recipe = sample("recipe.toml").replacen("[[views]]", &format!("{code}[[views]]"), 1);
    scene.write("st/recipe.toml", label_tolerated(&recipe));
    scene
}

/// Picture, verdict, reason, the part that was read and the notes of each picture.
fn replayed(scene: &Scene) -> String {
    let said = scene.taktgate(&["replay", "st", "--no-pictures"]);
    assert!(said.starts_with("exit 0"), "{said}");
    let lines = scene.read("out/replay/verdicts.jsonl");
    let lines = lines.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
        let notes: Vec<String> = line["notes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|note| note.as_str().unwrap().to_owned())
            .collect();
        let keys = ["picture", "verdict", "reason", "part_id_read"].map(text);
        format!("{} | {}", keys.join(" "), notes.join(" "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_code_confirms_the_part_or_leaves_a_doubt() {
    let scene = scene();
    for (name, sample, text) in [
        ("B-1", "01.jpg", Some("B-1")),
        ("B-2", "03.jpg", Some("B-9")),
        ("B-3", "05.jpg", None),
        ("B-4 has a defect", "06.jpg", Some("B-9")),
        ("B-5", "07.jpg", Some("[)>\u{1e}06\u{1d}SB-5\u{1e}\u{4}")),
    ] {
        scene.write(&format!("st/frames/{name}.png"), frame(sample, text));
    }
    // As the archive names it: of which part it is, its record knows.
    scene.write(
        "st/frames/019aa7c2-6d3e-7f1a-8b2c-0d1e2f3a4b5c-top.png",
        frame("09.jpg", Some("B-9")),
    );
    assert_snapshot!(replayed(&scene), @r"
    019aa7c2-6d3e-7f1a-8b2c-0d1e2f3a4b5c-top.png ok - - | 
    B-1.png ok - B-1 | 
    B-2.png indeterminate identity B-9 | the code says `B-9`, the line announced `B-2`; is another part in the station, or does the line count wrong?
    B-3.png indeterminate identity - | no Data Matrix code could be read in the 140 x 120 px at (880, 4); is it there, whole, clean and in focus, and does the light fall on it as it should?
    B-4 has a defect.png ng - B-9 | the code says `B-9`, the line announced `B-4 has a defect`; is another part in the station, or does the line count wrong?
    B-5.png indeterminate identity - | the code says `[)>\u{1e}06\u{1d}SB-5\u{1e}\u{4}`, which is no part id (1 to 64 printable characters); if it has several fields, name the part's with `field` in the recipe
    ");
    scene.replace("st/recipe.toml", "\"confirms\"", "\"gives\"\nfield = \"S\"");
    assert_snapshot!(replayed(&scene), @"
    019aa7c2-6d3e-7f1a-8b2c-0d1e2f3a4b5c-top.png ok - - | 
    B-1.png indeterminate identity - | the code says `B-1`, which has no field `S`; is it another code, or is `field` of the recipe wrong?
    B-2.png indeterminate identity - | the code says `B-9`, which has no field `S`; is it another code, or is `field` of the recipe wrong?
    B-3.png indeterminate identity - | no Data Matrix code could be read in the 140 x 120 px at (880, 4); is it there, whole, clean and in focus, and does the light fall on it as it should?
    B-4 has a defect.png ng - - | the code says `B-9`, which has no field `S`; is it another code, or is `field` of the recipe wrong?
    B-5.png ok - B-5 |
    ");
}

#[test]
fn a_code_is_listed_and_drawn_and_looked_for_inside_the_frame() {
    let scene = scene();
    scene.write("st/frames/B-1.png", frame("01.jpg", Some("B-1")));
    let show = ["recipe", "show", "st", "--picture", "st/frames/B-1.png"];
    assert_snapshot!(scene.taktgate(&show), @"
    exit 0
    --- stdout
    door-inner revision 1, view top: camera cam-top, stamping-surface/0.2.0
    a Data Matrix code in the 140 x 120 px at (880, 4) confirms the part
    ┌─┬─┬─┬─┬─┬─┬─┬─┐
    │ zone ┆ class ┆ doubtful ┆ reject ┆ length mm ┆ area mm² ┆ count ┆ spacing mm │
    ╞═╪═╪═╪═╪═╪═╪═╪═╡
    │ all ┆ * ┆ [MS] ┆ [MS] ┆ - ┆ - ┆ - ┆ - │
    │ all ┆ dent ┆ 0.81 ┆ 0.815 ┆ - ┆ - ┆ - ┆ - │
    │ all ┆ scratch ┆ 0.86 ┆ 0.895 ┆ 2 ┆ - ┆ - ┆ - │
    └─┴─┴─┴─┴─┴─┴─┴─┘
    drawn: out/recipe/door-inner-top.png
    ");
    let drawn = image::open(scene.path("out/recipe/door-inner-top.png"))
        .unwrap()
        .to_rgb8();
    // The frame around the region is amber: much red, little blue.
    let is_amber =
        |x: u32| drawn.get_pixel(x, 64).0[0].saturating_sub(drawn.get_pixel(x, 64).0[2]) > 90;
    assert!((876..885).any(is_amber) && (1016..1024).any(is_amber));
    let json = scene.taktgate(&[&show[..], &["--json"]].concat());
    let json: Value = serde_json::from_str(json.split_once("stdout\n").unwrap().1).unwrap();
    assert_snapshot!(json["views"][0]["code"], @r#"{"field":null,"kind":"Data Matrix code","part":"confirms","region_px":[880.0,4.0,140.0,120.0]}"#);

    scene.replace("st/recipe.toml", REGION_PX, "[880, 4, 160, 120]");
    assert_snapshot!(scene.taktgate(&["check", "st", "--without-cameras"]), @"
    exit 3
    --- stdout
    ┌─┬─┐
    │ station ┆ stamping-1 │
    │ recipe door-inner ┆ revision 1, 1 view(s) │
    │ calibration cam-top ┆ valid until [TIME], [RMS] px rms │
    └─┴─┘
    --- stderr
    error: recipe `door-inner`, view `top`: the part's code cannot be looked for
      because the region 160 x 120 px at (880, 4) does not lie in the frame of 1024 x 768 px; correct the recipe's region
    ");
}

#[test]
fn pictures_of_no_announced_part_are_evaluated_without_the_code() {
    let scene = scene();
    scene.write("set/test/good/1.png", frame("01.jpg", None));
    scene.write("set/test/good/2.png", frame("03.jpg", Some("B-9")));
    scene.write("set/test/crack/1.png", frame("06.jpg", None));
    let said = scene.taktgate(&["evaluate", "st", "set", "--no-report"]);
    assert!(said.starts_with("exit 0"), "{said}");
    let run: Value = serde_json::from_str(&scene.read("out/evaluate/run.json")).unwrap();
    let pictures = run["pictures"].as_array().unwrap().iter();
    let verdicts = pictures.map(|one| format!("{} {}", one["name"], one["verdict"]));
    assert_snapshot!(verdicts.collect::<Vec<_>>().join("\n"), @r#"
    "test/crack/1.png" "ng"
    "test/good/1.png" "ok"
    "test/good/2.png" "ok"
    "#);
}
