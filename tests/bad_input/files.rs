//! Every mistake in a station's files, one a row, with the exact words.

use std::path::Path;

use insta::assert_snapshot;
use taktgate::calibration::Calibration;
use taktgate::config::ConfigError;
use taktgate::inspect::with_causes;
use taktgate::recipe::Recipe;
use taktgate::station::Station;

use crate::scene::{CALIBRATION, RECIPE, STATION, Scene, filters, png};

/// What is said of a text with a mistake in it.
fn said<T>(
    parse: impl Fn(&Path, &str) -> Result<T, ConfigError>,
    good: &str,
    from: &str,
    to: &str,
) -> String {
    let path = Path::new("file.toml");
    assert!(parse(path, good).is_ok());
    assert!(good.contains(from), "`{from}` is not in the file");
    match parse(path, &good.replacen(from, to, 1)) {
        Ok(_) => format!("`{to}` passes"),
        Err(error) => with_causes(&error),
    }
}

fn station(from: &str, to: &str) -> String {
    said(Station::parse, STATION, from, to)
}

/// A station file with more lines in a section of its own or at the end of `[mqtt]`.
fn station_with(lines: &str) -> String {
    station("[[cameras]]", &format!("{lines}\n[[cameras]]"))
}

fn camera(source: &str) -> String {
    let old = "{ folder = { path = \"frames\", order = \"again\" } }";
    station(old, source)
}

fn recipe(from: &str, to: &str) -> String {
    said(Recipe::parse, RECIPE, from, to)
}

/// A recipe with more lines in its view.
fn view(lines: &str) -> String {
    recipe("[[views.zones]]", &format!("{lines}\n[[views.zones]]"))
}

fn limit(lines: &str) -> String {
    recipe("score_reject = 0.9", lines)
}

fn calibration(from: &str, to: &str) -> String {
    said(Calibration::parse, CALIBRATION, from, to)
}

#[test]
fn a_station_that_announces_its_parts_itself() {
    let trigger = |lines: &str| station("[[cameras]]", &format!("[trigger]\n{lines}\n[[cameras]]"));
    assert_snapshot!(trigger("by = \"timer\""), @"`file.toml`: `trigger.part_type` is missing; name the type of the parts that come");
    assert_snapshot!(trigger("by = \"timer\"\npart_type = \"plate\""), @"`file.toml`: `trigger.every_ms` is missing; write how often a part comes");
    assert_snapshot!(trigger("by = \"presence\"\npart_type = \"plate\"\ncamera = \"cam-9\"\nevery_ms = 5"), @r#"
    `file.toml`: 3 mistakes
      - `trigger.every_ms` is for `by = "timer"`; leave it out, or write `by`
      - `trigger.camera = "cam-9"` is none of the station's cameras; name the one that sees the parts come
      - `trigger.empty` is missing; name a picture of the place without a part, which `taktgate camera grab` takes
    "#);
    assert_snapshot!(trigger("by = \"presence\"\npart_type = \"plate\"\ncamera = \"cam-1\"\nempty = \"empty.png\"\nchanged_share = 0"), @r#"
    `file.toml`: 2 mistakes
      - `trigger.camera = "cam-1"` does not look at the parts itself; name a camera of the kind usb, genicam or stream
      - `trigger.changed_share = 0` is out of range; write 0.01 to 1
    "#);
    assert_snapshot!(trigger("part_type = \"plate\""), @r#"`file.toml`: `trigger.part_type` is for `by = "timer"` or `by = "presence"`; leave it out, or write `by`"#);
    assert_snapshot!(trigger("by = \"belt\""), @r#"
    cannot understand `file.toml`: TOML parse error at line 16, column 6
       |
    16 | by = "belt"
       |      ^^^^^^
    unknown variant `belt`, expected one of `mqtt`, `timer`, `presence`
    "#);
}

#[test]
fn a_station_file_that_cannot_be_read() {
    assert_snapshot!(station("schema = 1", "schema = 1\n]"), @"
    cannot understand `file.toml`: TOML parse error at line 2, column 1
      |
    2 | ]
      | ^
    missing table open, expected `[`
    ");
    assert_snapshot!(station("data = ", "dato = "), @r#"
    cannot understand `file.toml`: TOML parse error at line 6, column 1
      |
    6 | dato = "data"
      | ^^^^
    unknown field `dato`, expected one of `schema`, `station`, `recipes`, `models`, `calibrations`, `data`, `mqtt`, `sparkplug`, `deadlines`, `control`, `trigger`, `doubt`, `handshake`, `outbox`, `inbox`, `supervision`, `onnxruntime`, `archive`, `storage`, `cameras`
    "#);
    assert_snapshot!(station("station = \"st-07\"\n", ""), @"
    cannot understand `file.toml`: TOML parse error at line 1, column 1
      |
    1 | schema = 1
      | ^
    missing field `station`
    ");
    assert_snapshot!(station("area = \"press\"\n", ""), @"
    cannot understand `file.toml`: TOML parse error at line 8, column 1
      |
    8 | [mqtt]
      | ^^^^^^
    missing field `area`
    ");
    assert_snapshot!(station("station = \"st-07\"", "station = 7"), @"
    cannot understand `file.toml`: TOML parse error at line 2, column 11
      |
    2 | station = 7
      |           ^
    invalid type: integer `7`, expected a string
    ");
    assert_snapshot!(station("recipes = [\"recipe.toml\"]", "recipes = \"recipe.toml\""), @r#"
    cannot understand `file.toml`: TOML parse error at line 3, column 11
      |
    3 | recipes = "recipe.toml"
      |           ^^^^^^^^^^^^^
    invalid type: string "recipe.toml", expected a sequence
    "#);
    assert_snapshot!(station("\"embedded\"", "\"internal\""), @r#"
    cannot understand `file.toml`: TOML parse error at line 9, column 10
      |
    9 | broker = "internal"
      |          ^^^^^^^^^^
    unknown variant `internal`, expected `embedded` or `external`
    "#);
    assert_snapshot!(station_with("port = 70000"), @"
    cannot understand `file.toml`: TOML parse error at line 15, column 8
       |
    15 | port = 70000
       |        ^^^^^
    invalid value: integer `70000`, expected u16
    ");
    assert_snapshot!(station_with("protocol = \"4\""), @r#"
    cannot understand `file.toml`: TOML parse error at line 15, column 12
       |
    15 | protocol = "4"
       |            ^^^
    unknown variant `4`, expected `5` or `3.1.1`
    "#);
    assert_snapshot!(station_with("password = \"secret\""), @r#"
    cannot understand `file.toml`: TOML parse error at line 15, column 1
       |
    15 | password = "secret"
       | ^^^^^^^^
    unknown field `password`, expected one of `broker`, `host`, `port`, `protocol`, `prefix`, `enterprise`, `site`, `area`, `line`, `client_id`, `user`, `password_env`, `password_file`, `tls`, `plain_text`
    "#);
}

#[test]
fn what_a_station_is() {
    assert_snapshot!(station("schema = 1", "schema = 2"), @"`file.toml`: `schema = 2` is unknown; this version reads 1");
    assert_snapshot!(station("\"st-07\"", "\"\""), @r#"
    `file.toml`: 2 mistakes
      - `station`: `` is no name; write 1 to 64 printable characters
      - `mqtt`: `station = ""` is no level of a topic; write 1 to 64 characters without `/`, `+`, `#`, control characters or a `$` in front
    "#);
    assert_snapshot!(station("\"st-07\"", "\"hall/st-07\""), @r#"`file.toml`: `mqtt`: `station = "hall/st-07"` is no level of a topic; write 1 to 64 characters without `/`, `+`, `#`, control characters or a `$` in front"#);
    assert_snapshot!(station("[\"recipe.toml\"]", "[]"), @"`file.toml`: `recipes` is empty; name at least one recipe file");
    assert_snapshot!(station("\"acme\"", "\"#\""), @r##"`file.toml`: `mqtt`: `enterprise = "#"` is no level of a topic; write 1 to 64 characters without `/`, `+`, `#`, control characters or a `$` in front"##);
    assert_snapshot!(station_with("prefix = \"$SYS\""), @r#"`file.toml`: `mqtt`: `prefix = "$SYS"` is no level of a topic; write 1 to 64 characters without `/`, `+`, `#`, control characters or a `$` in front"#);
}

#[test]
fn how_a_station_reaches_its_broker() {
    assert_snapshot!(station_with("host = \"10.0.0.5\""), @r#"`file.toml`: `mqtt.broker = "embedded"` listens on 127.0.0.1 without TLS; leave `host` and `tls` out"#);
    assert_snapshot!(station_with("tls = { ca = \"ca.pem\" }"), @r#"`file.toml`: `mqtt.broker = "embedded"` listens on 127.0.0.1 without TLS; leave `host` and `tls` out"#);
    assert_snapshot!(station("\"embedded\"", "\"external\"\nhost = \"10.0.0.5\""), @"`file.toml`: the broker at `10.0.0.5` would get verdicts and passwords in plain text; write `[mqtt.tls]` with the `ca` of the plant, or `plain_text = true` if the network is closed");
    assert_snapshot!(station("\"embedded\"", "\"external\"\nplain_text = true\ntls = { ca = \"ca.pem\" }"), @"`file.toml`: `mqtt.plain_text = true` and `[mqtt.tls]` exclude each other; keep one");
    assert_snapshot!(station("\"embedded\"", "\"external\"\ntls = { ca = \"ca.pem\", key = \"key.pem\" }"), @"`file.toml`: `mqtt.tls`: `certificate` and `key` go together; write both or neither");
    assert_snapshot!(station_with("user = \"st-07\"\npassword_env = \"TAKTGATE_NO_SUCH_VARIABLE\""), @"`file.toml`: `mqtt.password_env`: variable `TAKTGATE_NO_SUCH_VARIABLE`: environment variable not found");
    assert_snapshot!(station_with("user = \"st-07\"\npassword_file = \"nowhere/password\""), @"`file.toml`: `mqtt.password_file`: cannot read `nowhere/password`: No such file or directory (os error 2)");
    assert_snapshot!(station_with("user = \"st-07\"\npassword_file = \"a\"\npassword_env = \"B\""), @"`file.toml`: `mqtt`: `password_env` and `password_file` exclude each other; keep one");
    assert_snapshot!(station_with("password_file = \"Cargo.toml\""), @"`file.toml`: `mqtt`: a password without `user`; add the user's name");
}

#[test]
fn when_a_station_answers_and_how_it_runs() {
    assert_snapshot!(station_with("[deadlines]\ndeadline_sec = 2"), @"
    cannot understand `file.toml`: TOML parse error at line 16, column 1
       |
    16 | deadline_sec = 2
       | ^^^^^^^^^^^^
    unknown field `deadline_sec`, expected one of `deadline_ms`, `answer_margin_ms`, `open_parts_max`
    ");
    assert_snapshot!(station_with("[deadlines]\ndeadline_ms = 4"), @"
    `file.toml`: 2 mistakes
      - `deadlines.deadline_ms = 4` is out of range; write 5 to 60000
      - `deadlines.answer_margin_ms = 20` is out of range; write 0 to 3
    ");
    assert_snapshot!(station_with("[deadlines]\ndeadline_ms = 60001"), @"`file.toml`: `deadlines.deadline_ms = 60001` is out of range; write 5 to 60000");
    assert_snapshot!(station_with("[deadlines]\ndeadline_ms = -1"), @"
    cannot understand `file.toml`: TOML parse error at line 16, column 15
       |
    16 | deadline_ms = -1
       |               ^^
    invalid value: integer `-1`, expected u64
    ");
    assert_snapshot!(station_with("[deadlines]\ndeadline_ms = 20\nanswer_margin_ms = 20"), @"`file.toml`: `deadlines.answer_margin_ms = 20` is out of range; write 0 to 19");
    assert_snapshot!(station_with("[deadlines]\nopen_parts_max = 0"), @"`file.toml`: `deadlines.open_parts_max = 0` is out of range; write 1 to 64");
    assert_snapshot!(station_with("[deadlines]\nopen_parts_max = 65"), @"`file.toml`: `deadlines.open_parts_max = 65` is out of range; write 1 to 64");
    assert_snapshot!(station_with("[onnxruntime]\nthreads = 0"), @"`file.toml`: `onnxruntime.threads = 0` is out of range; write 1 to 256");
    assert_snapshot!(station_with("[onnxruntime]\nprovider = \"gpu\""), @"`file.toml`: `onnxruntime.provider`: `gpu` is no execution provider; write one of cpu, cuda, tensorrt, openvino, directml, cann, coreml, rocm, migraphx, xnnpack");
    assert_snapshot!(station_with("[onnxruntime]\nspinning = \"no\""), @r#"
    cannot understand `file.toml`: TOML parse error at line 16, column 12
       |
    16 | spinning = "no"
       |            ^^^^
    invalid type: string "no", expected a boolean
    "#);
    assert_snapshot!(station_with("[archive]\nok_share = 1.5"), @"`file.toml`: `archive.ok_share = 1.5` is out of range; write 0 to 1");
    assert_snapshot!(station_with("[archive]\naround_incidents = 9"), @"`file.toml`: `archive.around_incidents = 9` is out of range; write 0 to 8");
    assert_snapshot!(station_with("[archive]\nok_share = nan"), @"`file.toml`: `archive.ok_share = NaN` is out of range; write 0 to 1");
}

#[test]
fn what_is_kept_and_when_the_disk_is_full() {
    assert_snapshot!(station_with("[storage]\nrecords_mb_max = -1"), @"
    cannot understand `file.toml`: TOML parse error at line 16, column 18
       |
    16 | records_mb_max = -1
       |                  ^^
    invalid value: integer `-1`, expected u64
    ");
    assert_snapshot!(station_with("[storage]\nrecords_days_max = 0\nimages_days_max = 40_000\nrecords_mb_max = 63\nimages_mb_max = 0\nwarn_free_mb = 10\nimages_free_mb = 20\nstop_free_mb = 30"), @"
    `file.toml`: 7 mistakes
      - `storage.records_days_max = 0` is out of range; write 1 to 36500
      - `storage.images_days_max = 40000` is out of range; write 1 to 36500
      - `storage.records_mb_max = 63` is out of range; write 64 to 1000000000
      - `storage.images_mb_max = 0` is out of range; write 1 to 1000000000
      - `storage.images_days_max = 40000` is longer than `records_days_max = 0`; images go with their records, so write at most that
      - `storage.warn_free_mb = 10` is less than `images_free_mb = 20`; the disk fills up in the order warn, images, stop
      - `storage.images_free_mb = 20` is less than `stop_free_mb = 30`; the disk fills up in the order warn, images, stop
    ");
    assert_snapshot!(station_with("[storage]\nwhen_full = \"ignore\""), @r#"
    cannot understand `file.toml`: TOML parse error at line 16, column 13
       |
    16 | when_full = "ignore"
       |             ^^^^^^^^
    unknown variant `ignore`, expected `stop` or `go_on`
    "#);
    assert_snapshot!(station_with("[storage]\nrecords_days = 90"), @"
    cannot understand `file.toml`: TOML parse error at line 16, column 1
       |
    16 | records_days = 90
       | ^^^^^^^^^^^^
    unknown field `records_days`, expected one of `records_days_max`, `records_mb_max`, `images_days_max`, `images_mb_max`, `warn_free_mb`, `images_free_mb`, `stop_free_mb`, `when_full`
    ");
}

#[test]
fn what_stands_behind_a_camera() {
    assert_snapshot!(station("[[cameras]]\nname = \"cam-1\"\nsource = { folder = { path = \"frames\", order = \"again\" } }\n", ""), @"`file.toml`: no camera is given; write at least one `[[cameras]]`");
    assert_snapshot!(station("[[cameras]]", "[[cameras]]\nname = \"cam-1\"\nsource = { video = { path = \"a.mp4\" } }\n[[cameras]]"), @"`file.toml`: camera `cam-1` stands twice; give each its own name");
    assert_snapshot!(station("\"cam-1\"", "\"\""), @"`file.toml`: `cameras..name`: `` is no name; write 1 to 64 printable characters");
    assert_snapshot!(camera("{ folder = { path = \"frames\", order = \"twice\" } }"), @r#"
    cannot understand `file.toml`: TOML parse error at line 17, column 48
       |
    17 | source = { folder = { path = "frames", order = "twice" } }
       |                                                ^^^^^^^
    unknown variant `twice`, expected one of `once`, `again`, `by_part`
    "#);
    assert_snapshot!(camera("{ folder = { folder = \"frames\" } }"), @r#"
    cannot understand `file.toml`: TOML parse error at line 17, column 23
       |
    17 | source = { folder = { folder = "frames" } }
       |                       ^^^^^^
    unexpected keys in table: folder, available keys: path, order
    "#);
    assert_snapshot!(camera("{ gige = { address = \"10.0.0.7\" } }"), @r#"
    cannot understand `file.toml`: TOML parse error at line 17, column 12
       |
    17 | source = { gige = { address = "10.0.0.7" } }
       |            ^^^^
    unknown variant `gige`, expected one of `folder`, `video`, `stream`, `watched`, `generator`, `usb`, `genicam`
    "#);
    assert_snapshot!(camera("{}"), @"
    cannot understand `file.toml`: TOML parse error at line 17, column 10
       |
    17 | source = {}
       |          ^^
    wanted exactly 1 element, found 0 elements
    ");
    assert_snapshot!(camera("{ video = { path = \"a.mp4\" }, generator = { width_px = 64, height_px = 48 } }"), @r#"
    cannot understand `file.toml`: TOML parse error at line 17, column 10
       |
    17 | source = { video = { path = "a.mp4" }, generator = { width_px = 64, height_px = 48 } }
       |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    wanted exactly 1 element, more than 1 element
    "#);
    assert_snapshot!(camera("{ generator = { width_px = 4, height_px = 30000 } }"), @"
    `file.toml`: 2 mistakes
      - `cameras.cam-1.width_px = 4` is out of range; write 8 to 20000
      - `cameras.cam-1.height_px = 30000` is out of range; write 8 to 20000
    ");
    assert_snapshot!(camera("{ usb = { device = \"0\", width_px = 640, height_px = 480, fourcc = \"h264\", rate_fps = 30 } }"), @r#"
    cannot understand `file.toml`: TOML parse error at line 17, column 76
       |
    17 | source = { usb = { device = "0", width_px = 640, height_px = 480, fourcc = "h264", rate_fps = 30 } }
       |                                                                            ^^^^^^
    unknown variant `h264`, expected one of `mjpeg`, `yuyv`, `grey`
    "#);
    assert_snapshot!(camera("{ usb = { device = \"0\", width_px = 640, height_px = 480, fourcc = \"mjpeg\", rate_fps = 0 } }"), @"`file.toml`: `cameras.cam-1.rate_fps = 0` is out of range; write 1 to 1000");
    let fixed = "{ usb = { device = \"0\", width_px = 640, height_px = 480, fourcc = \"mjpeg\", rate_fps = 30, exposure_us = 9, white_balance_k = 99 } }";
    assert_snapshot!(camera(fixed), @"
    `file.toml`: 2 mistakes
      - `cameras.cam-1.exposure_us = 9` is out of range; write 100 to 10000000
      - `cameras.cam-1.white_balance_k = 99` is out of range; write 1000 to 20000
    ");
    let genicam = |more: &str| {
        camera(&format!(
            "{{ genicam = {{ device = \"G1\", width_px = 640, height_px = 480, pixel_format = \"mono8\", {more} }} }}"
        ))
    };
    assert_snapshot!(genicam("trigger = \"hardware\""), @r#"`file.toml`: `cameras.cam-1`: `trigger = "hardware"` needs the camera's `line`, for example `line = "Line0"`"#);
    assert_snapshot!(genicam("trigger = \"hardware\", line = \"Line0\""), @r#"`file.toml`: `cameras.cam-1`: `trigger = "hardware"` needs `frame_after_ms`: how long after its announcement a part's frame begins at the latest, and `frame_before_ms` if it may begin earlier"#);
    assert_snapshot!(genicam("trigger = \"free_run\", frame_after_ms = 9"), @r#"`file.toml`: `cameras.cam-1`: `frame_before_ms` and `frame_after_ms` are for `trigger = "hardware"`; leave them out"#);
    assert_snapshot!(genicam("trigger = \"software\", edge = \"rising\""), @r#"`file.toml`: `cameras.cam-1`: `line` and `edge` are for `trigger = "hardware"`; leave them out"#);
    assert_snapshot!(genicam("trigger = \"free_run\", buffers = 1"), @"`file.toml`: `cameras.cam-1.buffers = 1` is out of range; write 2 to 64");
    assert_snapshot!(camera("{ stream = { url = \"10.0.0.7\" } }"), @"`file.toml`: `cameras.cam-1.url`: `10.0.0.7` is no address; write for example `rtsp://10.0.0.7/stream1`, or `video` for a file");
    assert_snapshot!(camera("{ watched = { path = \"share\", belongs = \"in_window\", after = \"keep\" } }"), @r#"`file.toml`: `cameras.cam-1`: `belongs = "in_window"` needs `frame_after_ms`: how long after its announcement a part's frame begins at the latest, and `frame_before_ms` if it may begin earlier"#);
    assert_snapshot!(camera("{ watched = { path = \"share\", belongs = \"by_part\", after = \"keep\", quiet_ms = 0 } }"), @"`file.toml`: `cameras.cam-1.quiet_ms = 0` is out of range; write 1 to 60000");
}

#[test]
fn a_recipe_file_that_cannot_be_read() {
    assert_snapshot!(recipe("revision", "revison"), @"
    cannot understand `file.toml`: TOML parse error at line 3, column 1
      |
    3 | revison = 3
      | ^^^^^^^
    unknown field `revison`, expected one of `schema`, `part_type`, `revision`, `views`, `limit_sets`, `limit_sets_from`, `part_limits`, `code`
    ");
    assert_snapshot!(recipe("revision = 3", "revision = -3"), @"
    cannot understand `file.toml`: TOML parse error at line 3, column 12
      |
    3 | revision = -3
      |            ^^
    invalid value: integer `-3`, expected u32
    ");
    assert_snapshot!(recipe("camera = \"cam-1\"\n", ""), @"
    cannot understand `file.toml`: TOML parse error at line 5, column 1
      |
    5 | [[views]]
      | ^^^^^^^^^
    missing field `camera`
    ");
    assert_snapshot!(recipe("score_reject = 0.9\n", ""), @r#"
    cannot understand `file.toml`: TOML parse error at line 13, column 1
       |
    13 | [views.zones.limits."*"]
       | ^^^^^^^^^^^^^^^^^^^^^^^^
    missing field `score_reject`
    "#);
    assert_snapshot!(view("region_px = [0, 0, 32]"), @"
    cannot understand `file.toml`: TOML parse error at line 10, column 13
       |
    10 | region_px = [0, 0, 32]
       |             ^^^^^^^^^^
    invalid length 3, expected an array of length 4
    ");
    assert_snapshot!(view("prepare = [\"undistrot\"]"), @r#"
    cannot understand `file.toml`: TOML parse error at line 10, column 12
       |
    10 | prepare = ["undistrot"]
       |            ^^^^^^^^^^^
    unknown variant `undistrot`, expected one of `undistort`, `flat_field`, `colour`, `one_map`, `clahe`
    "#);
    assert_snapshot!(view("prepare = [{ clahe = { clip_limit = 2.0 } }]"), @"
    cannot understand `file.toml`: TOML parse error at line 10, column 22
       |
    10 | prepare = [{ clahe = { clip_limit = 2.0 } }]
       |                      ^^^^^^^^^^^^^^^^^^^^
    missing field `tiles`
    ");
    assert_snapshot!(view("outside_zones = \"ignore\""), @r#"
    cannot understand `file.toml`: TOML parse error at line 10, column 17
       |
    10 | outside_zones = "ignore"
       |                 ^^^^^^^^
    unknown variant `ignore`, expected one of `tolerate`, `doubtful`, `reject`
    "#);
    assert_snapshot!(limit("score_reject = \"0.9\""), @r#"
    cannot understand `file.toml`: TOML parse error at line 15, column 16
       |
    15 | score_reject = "0.9"
       |                ^^^^^
    invalid type: string "0.9", expected f32
    "#);
    assert_snapshot!(limit("score_reject = 0.9\nlength_max_cm = 1"), @"
    cannot understand `file.toml`: TOML parse error at line 16, column 1
       |
    16 | length_max_cm = 1
       | ^^^^^^^^^^^^^
    unknown field `length_max_cm`, expected one of `score_doubtful`, `score_reject`, `length_max_mm`, `length_max_thicknesses`, `area_max_mm2`, `count_max`, `spacing_min_mm`
    ");
}

#[test]
fn what_a_recipe_looks_at() {
    assert_snapshot!(recipe("schema = 1", "schema = 2"), @"`file.toml`: `schema = 2` is unknown; this version reads 1");
    assert_snapshot!(recipe("\"bracket\"", "\" bracket\""), @"`file.toml`: `part_type`: ` bracket` is no name; write 1 to 64 printable characters");
    assert_snapshot!(recipe("revision = 3", "revision = 0"), @"`file.toml`: `revision = 0` is out of range; write 1 to 4294967295");
    assert_snapshot!(recipe("[[views]]\nname = \"top\"\ncamera = \"cam-1\"\nmodel = \"anomaly/1.0.0\"\n\n[[views.zones]]\nname = \"all\"\n\n[views.zones.limits.\"*\"]\nscore_doubtful = 0.5\nscore_reject = 0.9\n", ""), @"`file.toml`: no view is given; write at least one `[[views]]`");
    assert_snapshot!(recipe("[[views]]", "[[views]]\nname = \"top\"\ncamera = \"cam-1\"\nmodel = \"anomaly/1.0.0\"\n\n[[views.zones]]\nname = \"all\"\n\n[views.zones.limits.\"*\"]\nscore_doubtful = 0.5\nscore_reject = 0.9\n[[views]]"), @"`file.toml`: view `top` stands twice; give each its own name");
    assert_snapshot!(recipe("name = \"top\"", "name = \"\""), @"`file.toml`: `views..name`: `` is no name; write 1 to 64 printable characters");
    assert_snapshot!(recipe("camera = \"cam-1\"", "camera = \"\""), @"`file.toml`: `views.top.camera`: `` is no name; write 1 to 64 printable characters");
    assert_snapshot!(recipe("anomaly/1.0.0", "../anomaly/1.0.0"), @"`file.toml`: `views.top.model = ../anomaly/1.0.0` is no package; write `name/version`");
    assert_snapshot!(recipe("anomaly/1.0.0", "anomaly"), @"`file.toml`: `views.top.model = anomaly` is no package; write `name/version`");
    assert_snapshot!(view("region_px = [-1, 0, 7, nan]"), @"
    `file.toml`: 3 mistakes
      - `views.top.region_px left = -1` is out of range; write 0 to 100000
      - `views.top.region_px width = 7` is out of range; write 8 to 100000
      - `views.top.region_px height = NaN` is out of range; write 8 to 100000
    ");
}

#[test]
fn what_code_a_recipe_reads() {
    let code = |lines: &str| recipe("[[views]]", &format!("[code]\n{lines}\n[[views]]"));
    let good = "view = \"top\"\nkind = \"qr\"\npart = \"gives\"";
    assert_snapshot!(code(&good.replace("top", "side")), @"`file.toml`: `code.view = side` is no view of this recipe; it has `top`");
    assert_snapshot!(code(&good.replace("qr", "barcode")), @r#"
    cannot understand `file.toml`: TOML parse error at line 7, column 8
      |
    7 | kind = "barcode"
      |        ^^^^^^^^^
    unknown variant `barcode`, expected `data_matrix` or `qr`
    "#);
    assert_snapshot!(code(&good.replace("gives", "names")), @r#"
    cannot understand `file.toml`: TOML parse error at line 8, column 8
      |
    8 | part = "names"
      |        ^^^^^^^
    unknown variant `names`, expected `confirms` or `gives`
    "#);
    assert_snapshot!(code(&format!("{good}\nregion_px = [0, -1, 7, 9]\nfield = \"(21)\"")), @"
    `file.toml`: 3 mistakes
      - `code.field = (21)` is no mark of a field; write 1 to 8 letters and digits, for example `S` or `21`
      - `code.region_px top = -1` is out of range; write 0 to 100000
      - `code.region_px width = 7` is out of range; write 8 to 100000
    ");
    assert_snapshot!(code(&format!("{good}\nprefix = \"S\"")), @r#"
    cannot understand `file.toml`: TOML parse error at line 9, column 1
      |
    9 | prefix = "S"
      | ^^^^^^
    unknown field `prefix`, expected one of `view`, `kind`, `region_px`, `part`, `field`
    "#);
    assert_snapshot!(code("view = \"top\""), @"
    cannot understand `file.toml`: TOML parse error at line 5, column 1
      |
    5 | [code]
      | ^^^^^^
    missing field `kind`
    ");
    assert_snapshot!(recipe("[[views]]", &format!("[[code]]\n{good}\n[[views]]")), @"
    cannot understand `file.toml`: TOML parse error at line 5, column 1
      |
    5 | [[code]]
      | ^^^^^^^^
    invalid type: sequence, expected one table `[code]`: a part is known by one code
    ");
}

#[test]
fn how_a_recipe_prepares_and_what_picture_is_fit() {
    assert_snapshot!(view("prepare = [{ clahe = { clip_limit = 0.5, tiles = 65 } }]"), @"
    `file.toml`: 2 mistakes
      - `views.top.prepare.clahe.clip_limit = 0.5` is out of range; write 1 to 40
      - `views.top.prepare.clahe.tiles = 65` is out of range; write 1 to 64
    ");
    assert_snapshot!(view("prepare = [\"flat_field\", \"flat_field\"]"), @"`file.toml`: `views.top.prepare` names a step twice; once is enough");
    assert_snapshot!(view("prepare = [\"one_map\"]"), @"`file.toml`: `views.top.prepare`: `one_map` composes `undistort` with the resize; name both");
    assert_snapshot!(view("fitness = { mean_min = 300 }"), @"
    `file.toml`: 2 mistakes
      - `views.top.fitness.mean_min = 300` is out of range; write 0 to 255
      - `views.top.fitness.mean_max = 240` is out of range; write 300 to 255
    ");
    assert_snapshot!(view("fitness = { mean_min = 100, mean_max = 90 }"), @"`file.toml`: `views.top.fitness.mean_max = 90` is out of range; write 100 to 255");
    assert_snapshot!(view("fitness = { burnt_fraction_max = 2, contrast_min = -1, sharpness_min = nan }"), @"
    `file.toml`: 3 mistakes
      - `views.top.fitness.burnt_fraction_max = 2` is out of range; write 0 to 1
      - `views.top.fitness.contrast_min = -1` is out of range; write 0 to 128
      - `views.top.fitness.sharpness_min = NaN` is out of range; write 0 to 1000000
    ");
    assert_snapshot!(view("fitness = { brightness_min = 15 }"), @"
    cannot understand `file.toml`: TOML parse error at line 10, column 13
       |
    10 | fitness = { brightness_min = 15 }
       |             ^^^^^^^^^^^^^^
    unknown field `brightness_min`, expected one of `mean_min`, `mean_max`, `burnt_fraction_max`, `contrast_min`, `sharpness_min`, `refuse_duplicate`
    ");
}

#[test]
fn what_a_recipe_tolerates() {
    assert_snapshot!(recipe("[[views.zones]]\nname = \"all\"\n\n[views.zones.limits.\"*\"]\nscore_doubtful = 0.5\nscore_reject = 0.9\n", ""), @"`file.toml`: `views.top` has no zone; write at least one `[[views.zones]]` with limits");
    assert_snapshot!(recipe("[views.zones.limits.\"*\"]\nscore_doubtful = 0.5\nscore_reject = 0.9\n", ""), @r#"`file.toml`: `views.top.zones.all` has no limits; write `[views.zones.limits."*"]` for any class, or `limit_set`"#);
    assert_snapshot!(recipe("[[views.zones]]", "[[views.zones]]\nname = \"all\"\nlimits = { \"*\" = { score_doubtful = 0.5, score_reject = 0.9 } }\n[[views.zones]]"), @"`file.toml`: zone `all` stands twice; give each its own name");
    assert_snapshot!(recipe("name = \"all\"", "name = \"all\\t\""), @r#"`file.toml`: `views.top.zones.all	.name`: `all\t` is no name; write 1 to 64 printable characters"#);
    assert_snapshot!(recipe("name = \"all\"", "name = \"all\"\npolygon_mm = [[0, 0], [10, 0]]"), @"`file.toml`: `views.top.zones.all.polygon_mm` needs at least 3 points with finite numbers");
    assert_snapshot!(recipe("name = \"all\"", "name = \"all\"\npolygon_mm = [[0, 0], [10, 0], [inf, 10]]"), @"`file.toml`: `views.top.zones.all.polygon_mm` needs at least 3 points with finite numbers");
    assert_snapshot!(recipe("score_doubtful = 0.5", "score_doubtful = 1.5"), @"
    `file.toml`: 2 mistakes
      - `views.top.zones.all.limits.*.score_doubtful = 1.5` is out of range; write 0 to 1
      - `views.top.zones.all.limits.*.score_reject = 0.9` is out of range; write 1.5 to 1
    ");
    assert_snapshot!(limit("score_reject = 0.4"), @"`file.toml`: `views.top.zones.all.limits.*.score_reject = 0.4` is out of range; write 0.5 to 1");
    assert_snapshot!(limit("score_reject = nan"), @"`file.toml`: `views.top.zones.all.limits.*.score_reject = NaN` is out of range; write 0.5 to 1");
    assert_snapshot!(limit("score_reject = 0.9\nlength_max_mm = -1\narea_max_mm2 = nan"), @"
    `file.toml`: 2 mistakes
      - `views.top.zones.all.limits.*.length_max_mm = -1` is out of range; write 0 to 1000000
      - `views.top.zones.all.limits.*.area_max_mm2 = NaN` is out of range; write 0 to 1000000
    ");
    assert_snapshot!(limit("score_reject = 0.9\ncount_max = 2"), @"`file.toml`: `views.top.zones.all.limits.*`: `count_max` and `spacing_min_mm` are about findings within a size; add `length_max_mm` or `area_max_mm2`");
    assert_snapshot!(limit("score_reject = 0.9\nspacing_min_mm = 5"), @"`file.toml`: `views.top.zones.all.limits.*`: `count_max` and `spacing_min_mm` are about findings within a size; add `length_max_mm` or `area_max_mm2`");
    assert_snapshot!(limit("score_reject = 0.9\nlength_max_mm = 1\ncount_max = -2"), @"
    cannot understand `file.toml`: TOML parse error at line 17, column 13
       |
    17 | count_max = -2
       |             ^^
    invalid value: integer `-2`, expected u32
    ");
}

#[test]
fn a_calibration_file_that_cannot_be_read() {
    assert_snapshot!(calibration("camera =", "kamera ="), @r#"
    cannot understand `file.toml`: TOML parse error at line 2, column 1
      |
    2 | kamera = "cam-1"
      | ^^^^^^
    unknown field `kamera`, expected one of `schema`, `camera`, `made_at_utc`, `valid_until_utc`, `image_size_px`, `camera_matrix_px`, `distortion`, `plane`, `mm_from_px`, `reprojection_error_rms_px`, `board`, `flat_field`, `length_uncertainty`, `colour`, `plane_fit`, `lens_fit`, `colour_fit`
    "#);
    assert_snapshot!(calibration("plane = \"bracket surface\"\n", ""), @"`file.toml`: `plane` and `mm_from_px` belong together; write both, or neither");
    assert_snapshot!(calibration("2020-01-01T00:00:00Z", "yesterday"), @r#"
    cannot understand `file.toml`: TOML parse error at line 3, column 15
      |
    3 | made_at_utc = "yesterday"
      |               ^^^^^^^^^^^
    failed to parse four digit integer as year: invalid digit, expected 0-9 but got y
    "#);
    assert_snapshot!(calibration("[64, 48]", "[64]"), @"
    cannot understand `file.toml`: TOML parse error at line 5, column 17
      |
    5 | image_size_px = [64]
      |                 ^^^^
    invalid length 1, expected an array of length 2
    ");
    assert_snapshot!(calibration("[64, 48]", "[64, -48]"), @"
    cannot understand `file.toml`: TOML parse error at line 5, column 22
      |
    5 | image_size_px = [64, -48]
      |                      ^^^
    invalid value: integer `-48`, expected u32
    ");
    assert_snapshot!(calibration("distortion = [0.0, 0.0, 0.0, 0.0, 0.0]", "distortion = [0.0, 0.0]"), @"
    cannot understand `file.toml`: TOML parse error at line 7, column 14
      |
    7 | distortion = [0.0, 0.0]
      |              ^^^^^^^^^^
    invalid length 2, expected an array of length 5
    ");
}

#[test]
fn what_a_calibration_measures() {
    assert_snapshot!(calibration("schema = 1", "schema = 2"), @"`file.toml`: `schema = 2` is unknown; this version reads 1");
    assert_snapshot!(calibration("\"cam-1\"", "\"\""), @"`file.toml`: `camera`: `` is no name; write 1 to 64 printable characters");
    assert_snapshot!(calibration("2999-", "2019-"), @"`file.toml`: `valid_until_utc` is not after `made_at_utc`");
    assert_snapshot!(calibration("[64, 48]", "[4, 200000]"), @"
    `file.toml`: 2 mistakes
      - `image_size_px width = 4` is out of range; write 8 to 100000
      - `image_size_px height = 200000` is out of range; write 8 to 100000
    ");
    assert_snapshot!(calibration("rms_px = 0.1", "rms_px = 10.5"), @"`file.toml`: `reprojection_error_rms_px = 10.5` is out of range; write 0 to 10");
    assert_snapshot!(calibration("rms_px = 0.1", "rms_px = nan"), @"`file.toml`: `reprojection_error_rms_px = NaN` is out of range; write 0 to 10");
    assert_snapshot!(calibration("[0.0, 100.0, 23.5]", "[0.1, 100.0, 23.5]"), @"`file.toml`: `camera_matrix_px` is not of the form [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]");
    assert_snapshot!(calibration("[0.0, 100.0, 23.5]", "[0.0, 0.0, inf]"), @"
    `file.toml`: 2 mistakes
      - `camera_matrix_px fy = 0` is out of range; write 1 to 1000000
      - `camera_matrix_px cy = inf` is out of range; write -100000 to 1000000
    ");
    assert_snapshot!(calibration("distortion = [0.0,", "distortion = [nan,"), @"`file.toml`: `distortion k1 = NaN` is out of range; write -100 to 100");
    assert_snapshot!(calibration("[0.0, 0.5, 0.0]", "[1.0, 0.0, 0.0]"), @"`file.toml`: `mm_from_px` is no homography: its determinant is 0 or not finite");
    assert_snapshot!(calibration("[0.0, 0.5, 0.0]", "[0.0, nan, 0.0]"), @"`file.toml`: `mm_from_px` is no homography: its determinant is 0 or not finite");
    assert_snapshot!(calibration("board =", "flat_field = \"../flat.png\"\nboard ="), @"`file.toml`: `flat_field = ../flat.png` leaves the calibration's folder; name a file beside it");
}

const COLOUR: &str = "[colour]\ncurve = \"srgb\"\nsrgb_from_camera = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]\n";

#[test]
fn colours_that_no_camera_has() {
    let end = |more: &str| calibration("10 mm\"", &format!("10 mm\"\n{more}"));
    let far = COLOUR.replace("[0.0, 1.0, 0.0]", "[0.0, 17.0, nan]");
    assert_snapshot!(end(&far), @"
    `file.toml`: 2 mistakes
      - `srgb_from_camera = 17` is out of range; write -16 to 16
      - `srgb_from_camera = NaN` is out of range; write -16 to 16
    ");
    let fit = "[colour_fit]\nreference = \"mine\"\nn_pictures = 1\nbefore_ciede2000 = { mean = 9.0, max = 20.0 }\nafter_ciede2000 = { mean = -1.0, max = 2.0 }\nheld_out_ciede2000 = { mean = 1.0, max = 2.0 }\n";
    assert_snapshot!(end(fit), @"`file.toml`: `colour_fit` needs a `colour`");
    assert_snapshot!(end(&format!("{COLOUR}{fit}")), @"`file.toml`: `after_ciede2000 mean = -1` is out of range; write 0 to 1000");
    let curve = end(&COLOUR.replace("srgb\"", "gamma\""));
    assert!(curve.contains("expected `srgb` or `linear`"), "{curve}");
}

/// Colours are corrected only where they are known, in the light they were measured in, for a model that sees them.
#[test]
fn colours_that_a_view_cannot_have() {
    let _filters = filters();
    let wants = |scene: &Scene| {
        let prepare = "prepare = [\"colour\"]\n[[views.zones]]";
        scene.replace("st-07/recipe.toml", "[[views.zones]]", prepare);
    };
    let said = check(wants);
    assert!(said.contains("exit 3") && said.contains("view `top` wants `colour`, but the calibration of camera `cam-1` has none; `taktgate calibrate colour` measures it"), "{said}");
    let said = check(|scene| {
        wants(scene);
        let to = format!("10 mm\"\n{COLOUR}");
        scene.replace("st-07/calibration/cam-1.toml", "10 mm\"", &to);
    });
    assert!(
        said.contains("exit 3") && said.contains("step `colour` is for models that see colours"),
        "{said}"
    );
    let said = check(|scene| {
        wants(scene);
        let to = format!("10 mm\"\nflat_field = \"flat.png\"\n{COLOUR}");
        scene.replace("st-07/calibration/cam-1.toml", "10 mm\"", &to);
        let white = png(&image::GrayImage::from_pixel(64, 48, image::Luma([200])));
        scene.write("st-07/calibration/flat.png", &white);
    });
    assert!(
        said.contains("exit 3") && said.contains("name `flat_field` in `prepare` too"),
        "{said}"
    );
}

/// What `check` says of a station that is good but for one file.
fn check(spoil: impl Fn(&Scene)) -> String {
    let scene = Scene::with_station();
    spoil(&scene);
    scene.taktgate(&["check", "st-07", "--without-cameras"])
}

#[test]
fn files_that_do_not_fit_each_other() {
    let _filters = filters();
    let flat_field = |scene: &Scene| {
        let to = "flat_field = \"flat.png\"\nboard =";
        scene.replace("st-07/calibration/cam-1.toml", "board =", to);
        let prepare = "prepare = [\"flat_field\"]\n[[views.zones]]";
        scene.replace("st-07/recipe.toml", "[[views.zones]]", prepare);
    };
    let picture = png(&image::GrayImage::new(32, 24));
    assert_snapshot!(check(flat_field), @"
    exit 3
    --- stdout
    ┌─┬─┐
    │ station ┆ st-07 │
    └─┴─┘
    --- stderr
    error: camera `cam-1`: cannot read `st-07/calibration/flat.png`: No such file or directory (os error 2)
    ");
    assert_snapshot!(check(|scene| {
        flat_field(scene);
        scene.write("st-07/calibration/flat.png", &picture);
    }), @"
    exit 3
    --- stdout
    ┌─┬─┐
    │ station ┆ st-07 │
    └─┴─┘
    --- stderr
    error: the frame has 32 x 24 px but the calibration of camera `cam-1` is for 64 x 48; set the camera's format or calibrate again
    ");
    assert_snapshot!(check(|scene| {
        flat_field(scene);
        scene.replace("st-07/calibration/cam-1.toml", "flat_field = \"flat.png\"\n", "");
    }), @"
    exit 3
    --- stdout
    ┌─┬─┐
    │ station ┆ st-07 │
    └─┴─┘
    --- stderr
    error: view `top` wants `flat_field`, but the calibration of camera `cam-1` has none
    ");
    assert_snapshot!(check(|scene| {
        scene.replace("st-07/recipe.toml", "[[views.zones]]", "region_px = [0, 0, 65, 48]\n[[views.zones]]");
    }), @"
    exit 3
    --- stdout
    ┌─┬─┐
    │ station ┆ st-07 │
    │ recipe bracket ┆ revision 3, 1 view(s) │
    │ calibration cam-1 ┆ valid until [TIME], [RMS] px rms │
    └─┴─┘
    --- stderr
    error: recipe `bracket`, view `top`: the image cannot be prepared
      because the region 65 x 48 px at (0, 0) does not lie in the frame of 64 x 48 px; correct the recipe's region
    ");
    assert_snapshot!(check(|scene| {
        scene.write("st-07/recipe.toml", [0xFF, 0xFE, 0x00]);
    }), @"
    exit 3
    --- stdout
    ┌─┬─┐
    │ station ┆ st-07 │
    └─┴─┘
    --- stderr
    error: cannot read `st-07/recipe.toml`: stream did not contain valid UTF-8
    ");
}

#[test]
fn a_recipe_whose_fixture_or_shared_limits_do_not_hold_together() {
    let fixture = |lines: &str| {
        let zone = "[[views.zones]]";
        recipe(zone, &format!("{lines}\n{zone}"))
    };
    assert_snapshot!(fixture("[views.fixture]\nshift_max_mm = 5.0"), @"
    `file.toml`: 2 mistakes
      - `views.top.fixture` needs a `reference`: a picture of a part that lies as it should, beside the recipe
      - `views.top.fixture` needs a `region_px` that leaves room on all sides, so that it can follow the part without leaving the picture
    ");
    assert_snapshot!(fixture("reference = \"../top.png\""), @"`file.toml`: `views.top.reference = ../top.png` leaves the recipe's folder; name a file beside it");
    assert_snapshot!(fixture("reference = \"top.png\"\nregion_px = [10, 10, 40, 30]\n[views.fixture]\nshift_max_mm = 0.0\nturn_max_deg = 90.0\nscore_min = 7\nmarks_px = [[1.0, 2.0, 3.0, 4.0]]"), @"
    `file.toml`: 5 mistakes
      - `views.top.fixture.marks_px width = 3` is out of range; write 8 to 512
      - `views.top.fixture.marks_px height = 4` is out of range; write 8 to 512
      - `views.top.fixture.shift_max_mm = 0` is out of range; write 0.01 to 1000
      - `views.top.fixture.turn_max_deg = 90` is out of range; write 0 to 30
      - `views.top.fixture.score_min = 7` is out of range; write 0.1 to 1
    ");
    assert_snapshot!(recipe("revision = 3", "revision = 3\nlimit_sets_from = \"limits.toml\""), @"cannot read `limits.toml`: this recipe must stand alone");
    let set = "\n[limit_sets.A.\"*\"]\nscore_doubtful = 0.5\nscore_reject = 0.9\n";
    assert_snapshot!(limit(&format!("score_reject = 0.9\n{set}")), @r#"`file.toml`: `limit_sets.A` is used by no zone; write `limit_set = "A"` in one, or take it out"#);
    let of_zone = |name: &str| {
        let zone = format!("name = \"all\"\nlimit_set = \"{name}\"");
        RECIPE.replace("name = \"all\"", &zone) + set
    };
    let path = Path::new("file.toml");
    assert!(Recipe::parse(path, &of_zone("A")).is_ok());
    let unknown = Recipe::parse(path, &of_zone("B")).unwrap_err();
    assert_snapshot!(with_causes(&unknown), @r#"
    `file.toml`: 2 mistakes
      - `limit_sets.A` is used by no zone; write `limit_set = "A"` in one, or take it out
      - `views.top.zones.all.limit_set = B` is no `[limit_sets.B]`: `A`
    "#);
    let part = "[part_limits.anomaly]\nscore_doubtful = 0.5\nscore_reject = 0.4";
    assert_snapshot!(limit(&format!("score_reject = 0.9\n{part}")), @"
    `file.toml`: 2 mistakes
      - `part_limits.anomaly` limits nothing; write `count_max`, `length_sum_max_mm` or `area_sum_max_mm2`
      - `part_limits.anomaly.score_reject = 0.4` is out of range; write 0.5 to 1
    ");
}
