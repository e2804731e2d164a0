//! Stations that announce their parts themselves: a timer, and the presence of a part before a camera.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use taktgate::domain::{Frame, PixelFormat, SizePx};
use taktgate::vision::{encode_jpeg, encode_png};

use crate::house::{House, Settings, Surface, Witness, frame};
use crate::mjpeg::Server;

const FOLDER: &str = r#"{ folder = { path = "frames", order = "by_part" } }"#;

/// The house with another camera and a `[trigger]`.
fn house(source: &str, trigger: &str) -> House {
    let house = House::new(&Settings::default());
    let path = house.path("station.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(FOLDER));
    fs::write(&path, text.replace(FOLDER, source) + trigger).unwrap();
    house
}

/// Verdicts until then: number, part and verdict.
fn verdicts(witness: &Witness, within: Duration) -> Vec<(u64, String, String)> {
    let until = Instant::now() + within;
    let mut found = Vec::new();
    while let Some((_, leaf, payload)) = witness.listen(until) {
        if leaf == "verdict" {
            let text = |key: &str| payload[key].as_str().unwrap().to_owned();
            let sequence = payload["sequence"].as_u64().unwrap();
            found.push((sequence, text("part_id"), text("verdict")));
        }
    }
    found
}

/// What the place looks like without a part.
fn empty() -> Frame {
    let size = SizePx {
        width_px: 64,
        height_px: 48,
    };
    let pixels = vec![130; 64 * 48];
    Frame::new("cam", size, PixelFormat::Gray8, pixels, Instant::now()).unwrap()
}

#[test]
fn a_part_that_comes_before_the_camera_gets_one_verdict_and_a_number_of_its_own() {
    let jpeg = |frame: &Frame| Some(encode_jpeg(frame, 95).unwrap());
    let shown = |surface| jpeg(&frame(surface));
    let server = Server::start(jpeg(&empty()).unwrap());
    let source = format!(
        "{{ stream = {{ url = \"{}\", latency_ms = 0 }} }}",
        server.url()
    );
    let trigger = "[trigger]\nby = \"presence\"\npart_type = \"plate\"\ncamera = \"cam\"\nempty = \"empty.png\"\n";
    let house = house(&source, trigger);
    fs::write(house.path("empty.png"), encode_png(&empty()).unwrap()).unwrap();
    let (running, witness) = house.start();
    let second = Duration::from_secs(1);
    assert!(verdicts(&witness, second).is_empty(), "nothing lies there");

    // However long it lies there, it is one part.
    server.show(shown(Surface::Bad));
    let first = witness.verdict(1);
    assert_eq!(first["verdict"], "ng", "{first}");
    assert!(verdicts(&witness, second).is_empty());
    server.show(jpeg(&empty()));
    assert!(verdicts(&witness, second).is_empty());
    server.show(shown(Surface::Good));
    assert_eq!(witness.verdict(2)["verdict"], "ok");

    // The line controller has nothing to announce here.
    house.trigger(7, "good");
    let refused = |event: &Value| event["kind"] == "bad_trigger";
    let event = witness.next("event", refused);
    assert_eq!(
        event["text"],
        "part `good` was announced, but this station announces its parts itself; leave `[trigger]` out of the station file"
    );

    // The camera goes and comes back: the same part still lies there.
    server.show(None);
    let event = witness.next("event", |event| event["kind"] == "presence");
    let text = event["text"].as_str().unwrap();
    assert!(text.starts_with("no part can be seen coming"), "{text}");
    server.show(shown(Surface::Good));
    assert!(verdicts(&witness, 2 * second).is_empty());

    // Killed and started again it counts on; what lies there at the start is a part.
    drop(running);
    let _running = house.run();
    let third = witness.next("verdict", |verdict| verdict["sequence"] != 2);
    assert_eq!(
        (&third["sequence"], &third["verdict"]),
        (&3.into(), &"ok".into())
    );
    let ids = [&first, &third].map(|verdict| verdict["part_id"].as_str().unwrap().to_owned());
    assert!(ids[0].ends_with("-1") && ids[1].ends_with("-3"), "{ids:?}");
}

#[test]
fn a_timer_announces_a_part_at_each_beat_while_the_station_takes_parts() {
    let source = r#"{ folder = { path = "frames", order = "again" } }"#;
    let trigger = "[trigger]\nby = \"timer\"\npart_type = \"plate\"\nevery_ms = 400\n";
    let house = house(source, trigger);
    let started = Instant::now();
    let (_running, witness) = house.start();
    let last = witness.verdict(6);
    assert!(Duration::from_secs(2) <= started.elapsed());
    assert_eq!(last["part_type"], "plate");
    house.command("stop", "{\"schema\":1}");
    // One may have been under way.
    verdicts(&witness, Duration::from_millis(300));
    assert!(verdicts(&witness, Duration::from_millis(1500)).is_empty());
    house.command("start_continuous", "{\"schema\":1}");
    assert!(!verdicts(&witness, Duration::from_millis(1500)).is_empty());
}

#[test]
fn a_code_cannot_confirm_what_nobody_announced() {
    let house = house(
        FOLDER,
        "[trigger]\nby = \"timer\"\npart_type = \"plate\"\nevery_ms = 400\n",
    );
    let path = house.path("recipe.toml");
    let recipe = fs::read_to_string(&path).unwrap();
    let check = |part: &str| {
        let code = format!("[code]\nview = \"top\"\nkind = \"qr\"\npart = \"{part}\"\n");
        fs::write(&path, recipe.clone() + &code).unwrap();
        let check = Command::new(env!("CARGO_BIN_EXE_taktgate"))
            .args(["check", "--json"])
            .arg(house.folder.path())
            .output()
            .unwrap();
        let said: Value = serde_json::from_slice(&check.stdout).unwrap();
        said["mistakes"].clone()
    };
    insta::assert_snapshot!(check("confirms")[0].as_str().unwrap(), @r#"recipe `plate`: its code is to confirm the part that the line announces, but `[trigger]` lets the station announce its parts itself; write `part = "gives"`"#);
    assert_eq!(check("gives"), Value::Array(Vec::new()));
}
