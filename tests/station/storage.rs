//! The disk of a running station: what is kept around incidents, and what is said when it fills up.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use taktgate::record::{ImageState, RecordReader};

use super::house::{House, Settings, Witness, taktgate};

/// A command without a part type.
const ASK: &str = r#"{"schema":1}"#;

fn house_with(storage: &'static str) -> House {
    House::new(&Settings {
        storage,
        ..Settings::default()
    })
}

fn level(witness: &Witness, level: &str) -> Value {
    witness.next("health", |health| health["storage"]["level"] == level)
}

/// The paths of the images that a record has, and whether it names them itself.
fn images(house: &House, id: &Value) -> (Vec<String>, bool) {
    let store = RecordReader::open(&house.path("data/records.sqlite")).unwrap();
    let record = store.get(id.as_str().unwrap()).unwrap().unwrap();
    let names = record
        .form()
        .unwrap()
        .views
        .iter()
        .any(|view| view.image_path.is_some());
    let images = store.images(record.row).unwrap();
    assert!(
        images
            .iter()
            .all(|image| image.state == ImageState::Planned)
    );
    (images.into_iter().map(|image| image.path).collect(), names)
}

#[test]
fn good_parts_just_before_and_after_an_incident_are_kept_too() {
    let house = House::new(&Settings {
        more: "[archive]\nok_share = 0.0\naround_incidents = 2",
        ..Settings::default()
    });
    let (mut running, witness) = house.start();
    let parts = ["good", "good", "good", "bad", "good", "good", "good"];
    let mut ids = Vec::new();
    for (sequence, part) in (1..).zip(parts) {
        house.trigger(sequence, part);
        ids.push(witness.verdict(sequence)["record_id"].clone());
    }
    running.signal("-TERM");
    assert!(running.wait().success());
    let kept: Vec<(Vec<String>, bool)> = ids.iter().map(|id| images(&house, id)).collect();
    let told: Vec<_> = kept
        .iter()
        .map(|(paths, names)| (paths.len(), *names))
        .collect();
    // Those before are kept although their records, which were sent, could not know it yet.
    let expected = [
        (0, false),
        (1, false),
        (1, false),
        (1, true),
        (1, true),
        (1, true),
        (0, false),
    ];
    assert_eq!(told, expected);
    for path in kept.iter().flat_map(|(paths, _)| paths) {
        assert!(house.path("data/images").join(path).is_file(), "{path}");
    }
}

#[test]
fn a_station_without_room_is_not_ready_unless_it_is_told_to_go_on() {
    let house = house_with(
        "warn_free_mb = 900_000_000\nimages_free_mb = 900_000_000\nstop_free_mb = 900_000_000",
    );
    let witness = Witness::start(house.broker.port());
    let _running = house.run();
    let state = witness.next("state", |state| state["state"] == "error");
    let reason = state["reason"].as_str().unwrap();
    assert!(
        reason.contains("MB of the disk are free, which is below `storage.stop_free_mb`"),
        "{reason}"
    );
    assert_eq!(state["recipes"], serde_json::json!([]));
    house.trigger(1, "good");
    assert_eq!(witness.verdict(1)["reason"], "not_ready");
    let event = witness.next("event", |event| event["kind"] == "storage_full");
    let text = event["text"].as_str().unwrap();
    assert!(
        text.ends_with("no part is OK any more, no images are kept; free some space now"),
        "{text}"
    );
    assert_eq!(level(&witness, "full")["storage"]["images_stored"], 0);
    let refused = house.command("reset", ASK);
    assert_eq!(refused["done"], false);
    assert_eq!(refused["text"], reason);

    let house = house_with(
        "warn_free_mb = 900_000_000\nimages_free_mb = 900_000_000\nstop_free_mb = 900_000_000\nwhen_full = \"go_on\"",
    );
    let (_running, witness) = house.start();
    house.trigger(1, "good");
    assert_eq!(witness.verdict(1)["verdict"], "ok");
    assert_eq!(level(&witness, "full")["storage"]["images_stored"], 0);
}

/// A file system of 64 MB over the station's data folder, if this user may mount one.
struct SmallDisk<'h>(&'h Path);

impl<'h> SmallDisk<'h> {
    fn mount(data: &'h Path) -> Option<Self> {
        fs::create_dir(data).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64m", "taktgate-test"]);
        let mounted = mount.arg(data).stderr(Stdio::null()).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(data));
        }
        eprintln!("SKIPPED: a small disk needs the right to mount one");
        None
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

#[test]
fn a_disk_that_fills_up_stops_images_then_ok_and_all_is_well_when_it_is_emptied() {
    let house = house_with("warn_free_mb = 45\nimages_free_mb = 35\nstop_free_mb = 20");
    let data = house.path("data");
    let Some(disk) = SmallDisk::mount(&data) else {
        return;
    };
    let (mut running, witness) = house.start();
    let event = |kind: &str| witness.next("event", |event| event["kind"] == kind);
    let fill = |name: &str, mb: usize| fs::write(data.join(name), vec![7; mb * 1_000_000]).unwrap();
    house.trigger(1, "good");
    assert_eq!(witness.verdict(1)["verdict"], "ok");
    fill("a", 35);
    event("storage_no_images");
    house.trigger(2, "bad");
    assert_eq!(witness.verdict(2)["verdict"], "ng");
    house.trigger(3, "good");
    assert_eq!(witness.verdict(3)["verdict"], "ok", "records still fit");
    fill("b", 15);
    event("storage_full");
    house.trigger(4, "good");
    assert_eq!(witness.verdict(4)["reason"], "storage");
    house.trigger(4, "good");
    let again = witness.verdict(4);
    assert_eq!(
        (&again["reason"], &again["repeated"]),
        (&"storage".into(), &true.into())
    );
    house.trigger(5, "bad");
    assert_eq!(witness.verdict(5)["verdict"], "ng");
    // Loaded anew it is not ready, until there is room.
    house.command("halt", ASK);
    assert_eq!(house.command("reset", ASK)["done"], false);
    house.trigger(6, "good");
    assert_eq!(witness.verdict(6)["reason"], "not_ready");
    for name in ["a", "b"] {
        fs::remove_file(data.join(name)).unwrap();
    }
    event("storage_enough");
    witness.next("state", |state| state["state"] == "continuous_execution");
    house.trigger(7, "good");
    assert_eq!(witness.verdict(7)["verdict"], "ok");
    let health = witness.next("health", |health| health["storage"]["level_changes"] == 3);
    let storage = &health["storage"];
    assert_eq!(
        (&storage["level"], &storage["images_withheld"]),
        (&"enough".into(), &4.into())
    );
    running.signal("-TERM");
    assert!(running.wait().success());
    let verified = taktgate()
        .args(["record", "verify"])
        .arg(&data)
        .status()
        .unwrap();
    assert!(verified.success());
    drop(disk);
}
