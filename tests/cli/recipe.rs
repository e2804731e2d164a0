//! `recipe show`, parts that lie elsewhere, limits that zones share, and what becomes of a doubt.

use std::fs;

use image::{GrayImage, Luma, imageops};
use insta::assert_snapshot;
use serde_json::Value;

use crate::scene::{CALIBRATION, RECIPE, Scene, png};

/// A part of 160 x 120 mm in front of a camera with 0.5 mm a pixel: bosses on a dark plate, and a bright
/// square of 24 x 16 px whose middle is at `defect`, in px of the part. The part lies `moved` px off.
fn part(moved: (i32, i32), defect: Option<(i32, i32)>) -> GrayImage {
    let bosses = [
        (40, 40, 20, 14),
        (280, 50, 12, 22),
        (50, 190, 16, 16),
        (262, 200, 24, 12),
        (160, 30, 14, 10),
        (150, 205, 10, 18),
    ];
    GrayImage::from_fn(320, 240, |x, y| {
        let (x, y) = (x.cast_signed() - moved.0, y.cast_signed() - moved.1);
        let is_in = |(cx, cy): (i32, i32), half_x: i32, half_y: i32| {
            (x - cx).abs() < half_x && (y - cy).abs() < half_y
        };
        let texture = u8::try_from((x * 7 + y * 13).rem_euclid(12)).unwrap();
        let boss = bosses
            .iter()
            .zip(1_u8..)
            .find_map(|((cx, cy, half_x, half_y), n)| {
                is_in((*cx, *cy), *half_x, *half_y).then_some(60 + 8 * n)
            });
        if defect.is_some_and(|place| is_in(place, 24, 16)) {
            return Luma([240]);
        }
        Luma([boss.unwrap_or(20) + texture])
    })
}

/// Zone A is strict, zone B tolerates what is small; both lie on the part.
fn recipe() -> String {
    let (head, _) = RECIPE.split_once("[[views.zones]]").unwrap();
    format!(
        r#"limit_sets_from = "limits.toml"
{head}reference = "reference.png"
region_px = [24, 22, 272, 196]
outside_zones = "reject"
[views.fixture]
shift_max_mm = 10.0
[[views.zones]]
name = "A"
limit_set = "strict"
polygon_mm = [[40, 30], [80, 30], [80, 90], [40, 90]]
[[views.zones]]
name = "B"
limit_set = "level C"
polygon_mm = [[80, 30], [120, 30], [120, 90], [80, 90]]
[views.zones.limits.anomaly]
score_doubtful = 0.6
score_reject = 0.8
length_max_mm = 40.0
[part_limits.anomaly]
score_doubtful = 0.6
score_reject = 0.8
length_sum_max_mm = 60.0
"#
    )
}

const LIMITS: &str = r#"schema = 1
[limit_sets.strict."*"]
score_doubtful = 0.5
score_reject = 0.8
[limit_sets."level C"."*"]
score_doubtful = 0.5
score_reject = 0.8
[limit_sets."level B"."*"]
score_doubtful = 0.4
score_reject = 0.8
"#;

fn scene() -> Scene {
    let scene = Scene::with_station();
    let large = CALIBRATION.replace("image_size_px = [64, 48]", "image_size_px = [320, 240]");
    scene.write("st-07/calibration/cam-1.toml", large);
    scene.write("st-07/recipe.toml", recipe());
    scene.write("st-07/limits.toml", LIMITS);
    scene.write("st-07/reference.png", png(&part((0, 0), None)));
    fs::remove_dir_all(scene.path("st-07/frames")).unwrap();
    scene
}

/// The verdict, the first note and zone and grade of the first finding of each picture, by name.
fn verdicts(scene: &Scene, pictures: &[(&str, GrayImage)]) -> Vec<String> {
    for (name, picture) in pictures {
        scene.write(&format!("st-07/frames/{name}.png"), png(picture));
    }
    let said = scene.taktgate(&["replay", "st-07", "--no-pictures"]);
    assert!(said.starts_with("exit 0"), "{said}");
    let lines = scene.read("out/replay/verdicts.jsonl");
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let finding = &line["findings"][0];
        let parts = [
            text(&line["picture"]),
            text(&line["verdict"]),
            text(&finding["zone"]),
            text(&finding["grade"]),
            text(&line["notes"][0]),
        ];
        parts.join(" | ")
    };
    lines.lines().map(line).collect()
}

#[test]
fn zones_and_limits_follow_a_part_that_lies_elsewhere() {
    let scene = scene();
    // 130 px are 65 mm: in A on the part. A part that lies 8 mm to the right has it at 73 mm, and at 81 mm,
    // which zone B would tolerate, if the zones stayed where they were.
    let in_a = Some((146, 120));
    let in_b = Some((200, 120));
    let found = verdicts(
        &scene,
        &[
            ("1-good", part((0, 0), None)),
            ("2-good-elsewhere", part((-14, 11), None)),
            ("3-in-a", part((0, 0), in_a)),
            ("4-in-a-elsewhere", part((16, -6), in_a)),
            ("5-in-b", part((0, 0), in_b)),
            ("6-in-b-elsewhere", part((-17, 9), in_b)),
            ("7-too-far", part((22, 3), None)),
            (
                "8-upside-down",
                imageops::flip_vertical(&part((0, 0), None)),
            ),
        ],
    );
    assert_snapshot!(found.join("\n"), @"
    1-good.png | ok |  |  | 
    2-good-elsewhere.png | ok |  |  | 
    3-in-a.png | ng | A | reject | 
    4-in-a-elsewhere.png | ng | A | reject | 
    5-in-b.png | ok | B | tolerated | 
    6-in-b-elsewhere.png | ok | B | tolerated | 
    7-too-far.png | indeterminate |  |  | the part lies 11.1 mm off and is turned by 0.0 degrees, at most 10 mm and 3 degrees are allowed; see how parts are placed
    8-upside-down.png | indeterminate |  |  | 2 of 6 marks of the reference picture were met, alike by 0.61 (at least 0.7); is it another part, or does it lie far off?
    ");
}

#[test]
fn what_is_tolerated_in_a_zone_may_be_too_much_on_the_part() {
    let scene = scene();
    let in_b = Some((200, 120));
    assert_eq!(
        verdicts(&scene, &[("1", part((0, 0), in_b))]),
        ["1.png | ok | B | tolerated | "]
    );
    scene.replace(
        "st-07/recipe.toml",
        "length_sum_max_mm = 60.0",
        "length_sum_max_mm = 20.0",
    );
    assert_eq!(verdicts(&scene, &[]), ["1.png | ng | B | reject | "]);
}

#[test]
fn a_recipe_is_drawn_over_its_reference_and_listed() {
    let scene = scene();
    assert_snapshot!(scene.taktgate(&["recipe", "show", "st-07"]), @"
    exit 0
    --- stdout
    bracket revision 3, view top: camera cam-1, anomaly/1.0.0
    parts may lie up to 10 mm off and be turned by up to 3 degrees; marks alike by at least 0.7
    ┌─┬─┬─┬─┬─┬─┬─┬─┐
    │ zone ┆ class ┆ doubtful ┆ reject ┆ length mm ┆ area mm² ┆ count ┆ spacing mm │
    ╞═╪═╪═╪═╪═╪═╪═╪═╡
    │ A ┆ * ┆ [MS] ┆ [MS] ┆ - ┆ - ┆ - ┆ - │
    │ B ┆ anomaly ┆ [MS] ┆ [MS] ┆ 40 ┆ - ┆ - ┆ - │
    │ B ┆ * ┆ [MS] ┆ [MS] ┆ - ┆ - ┆ - ┆ - │
    │ (the whole part) ┆ anomaly ┆ [MS] ┆ [MS] ┆ 60 ┆ - ┆ - ┆ - │
    └─┴─┴─┴─┴─┴─┴─┴─┘
    drawn: out/recipe/bracket-top.png
    ");
    let drawn = image::open(scene.path("out/recipe/bracket-top.png"))
        .unwrap()
        .to_rgb8();
    let is_coloured = |pixel: &image::Rgb<u8>| pixel.0[0].abs_diff(pixel.0[2]) > 60;
    let n_coloured = drawn.pixels().filter(|pixel| is_coloured(pixel)).count();
    assert!(2000 < n_coloured, "{n_coloured} pixels of zones and marks");
    let json = scene.taktgate(&["recipe", "show", "st-07", "--json", "--out", "out/again"]);
    let json: Value = serde_json::from_str(json.split_once("stdout\n").unwrap().1).unwrap();
    assert_eq!(json["views"][0]["limits"][1]["zone"], "B");
    assert_eq!(json["views"][0]["limits"][1]["length_max_mm"], 40.0);
    assert_snapshot!(scene.taktgate(&["recipe", "show", "st-07", "--view", "side"]), @"
    exit 1
    --- stderr
    error: no view fits `--part-type` and `--view`; the station has `top` of `bracket`
    ");
    let other = ["recipe", "show", "st-07", "--picture", "st-07/other.png"];
    scene.write("st-07/other.png", png(&GrayImage::new(64, 48)));
    assert_snapshot!(scene.taktgate(&other), @"
    exit 1
    --- stderr
    error: view `top` of `bracket`
      because the frame has 64 x 48 px but the calibration of camera `cam-1` is for 320 x 240; set the camera's format or calibrate again
    ");
}

#[test]
fn a_reference_that_cannot_be_used_is_said_before_the_first_part() {
    let scene = scene();
    let check = ["check", "st-07", "--without-cameras"];
    scene.write("st-07/reference.png", png(&GrayImage::new(320, 240)));
    assert_snapshot!(scene.taktgate(&check), @"
    exit 3
    --- stdout
    ┌─┬─┐
    │ station ┆ st-07 │
    │ recipe bracket ┆ revision 3, 1 view(s) │
    │ calibration cam-1 ┆ valid until [TIME], [RMS] px rms │
    └─┴─┘
    --- stderr
    error: recipe `bracket`, view `top`: the image cannot be prepared
      because the reference picture shows fewer than two places by which a part could be found again; name some in `marks_px`
    ");
    scene.write("st-07/reference.png", png(&GrayImage::new(64, 48)));
    assert_snapshot!(scene.taktgate(&check), @"
    exit 3
    --- stdout
    ┌─┬─┐
    │ station ┆ st-07 │
    └─┴─┘
    --- stderr
    error: the reference `st-07/reference.png`: the frame has 64 x 48 px but the calibration of camera `cam-1` is for 320 x 240; set the camera's format or calibrate again
    ");
    fs::remove_file(scene.path("st-07/reference.png")).unwrap();
    assert_snapshot!(scene.taktgate(&check), @"
    exit 3
    --- stdout
    ┌─┬─┐
    │ station ┆ st-07 │
    └─┴─┘
    --- stderr
    error: camera `cam-1`: cannot read `st-07/reference.png`: No such file or directory (os error 2)
    ");
    scene.replace(
        "st-07/limits.toml",
        "score_reject = 0.8",
        "score_reject = 1.8",
    );
    assert_snapshot!(scene.taktgate(&check), @"
    exit 3
    --- stdout
    ┌─┬─┐
    │ station ┆ st-07 │
    └─┴─┘
    --- stderr
    error: `st-07/recipe.toml`: 3 mistakes
      - `limit_sets.level B.*.score_reject = 1.8` is out of range; write 0.4 to 1
      - `limit_sets.level C.*.score_reject = 1.8` is out of range; write 0.5 to 1
      - `limit_sets.strict.*.score_reject = 1.8` is out of range; write 0.5 to 1
    ");
}

#[test]
fn a_station_without_people_rejects_what_it_is_in_doubt_about() {
    let scene = Scene::with_station();
    scene.replace(
        "st-07/station.toml",
        "[storage]",
        "[doubt]\nthen = \"reject\"\n[storage]",
    );
    let found = scene.taktgate(&["replay", "st-07", "--no-pictures"]);
    assert!(found.starts_with("exit 0"), "{found}");
    let last = scene.read("out/replay/verdicts.jsonl");
    let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert_eq!(last["verdict"], "ng");
    assert_eq!(last["findings"][0]["grade"], "doubtful");
    assert_eq!(
        last["notes"][0],
        "in doubt, which this station rejects (`[doubt]`)"
    );
    scene.replace("st-07/station.toml", "\"reject\"", "\"reinspect\"");
    assert_snapshot!(scene.taktgate(&["check", "st-07"]), @r#"
    exit 3
    --- stderr
    error: `st-07/station.toml`: `doubt.then = "reinspect"` needs a second frame of a part, which camera `cam-1` cannot take; write review or reject
    "#);
}
