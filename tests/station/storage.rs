//! The disk of a running station: what is kept around incidents, and what is said when it fills up.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use taktgate::record::{ImageState, RecordReader};

use super::house::{House, Settings, Witness, taktgate};

fn house_with(text: &str) -> House {
    let house = House::new(&Settings::default());
    let mut file = OpenOptions::new()
        .append(true)
        .open(house.path("station.toml"))
        .unwrap();
    writeln!(file, "{text}").unwrap();
    house
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
    let house = house_with("[archive]\nok_share = 0.0\naround_incidents = 2");
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
fn a_disk_below_its_limit_says_no_ok_unless_it_is_told_to_go_on() {
    let limits =
        "warn_free_mb = 900_000_000\nimages_free_mb = 900_000_000\nstop_free_mb = 900_000_000";
    let house = house_with(&format!("[storage]\n{limits}"));
    let (running, witness) = house.start();
    house.trigger(1, "good");
    let verdict = witness.verdict(1);
    assert_eq!(
        (&verdict["verdict"], &verdict["reason"]),
        (&"indeterminate".into(), &"storage".into())
    );
    house.trigger(1, "good");
    assert_eq!(
        witness.verdict(1)["reason"],
        "storage",
        "asked again, it says the same"
    );
    house.trigger(2, "bad");
    assert_eq!(witness.verdict(2)["verdict"], "ng");
    let health = level(&witness, "full");
    assert_eq!(health["storage"]["images_stored"], 0);
    let event = witness.next("event", |event| event["kind"] == "storage_full");
    let text = event["text"].as_str().unwrap();
    assert!(
        text.ends_with("no part is OK any more, no images are kept; free some space now"),
        "{text}"
    );
    drop(running);
    let store = RecordReader::open(&house.path("data/records.sqlite")).unwrap();
    let reasons = store.count_by_verdict(None).unwrap();
    assert_eq!(reasons.len(), 2, "{reasons:?}");

    let house = house_with(&format!("[storage]\nwhen_full = \"go_on\"\n{limits}"));
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
    let house = house_with("[storage]\nwarn_free_mb = 45\nimages_free_mb = 35\nstop_free_mb = 20");
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
    for name in ["a", "b"] {
        fs::remove_file(data.join(name)).unwrap();
    }
    event("storage_enough");
    house.trigger(5, "good");
    assert_eq!(witness.verdict(5)["verdict"], "ok");
    let health = witness.next("health", |health| health["storage"]["level_changes"] == 3);
    let storage = &health["storage"];
    assert_eq!(
        (&storage["level"], &storage["images_withheld"]),
        (&"enough".into(), &3.into())
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
