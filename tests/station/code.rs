//! A code on the part, live: trigger to verdict, PLC block, record and store, on frames of the stamping sample.

use std::fs;
use std::path::Path;

use serde_json::Value;
use taktgate::domain::{Reason, Verdict};
use taktgate::publish::PlcBlock;
use taktgate::record::{RecordFilter, RecordReader};

use crate::code_drawing::{REGION_PX, frame, label_tolerated};
use crate::house::{House, Settings, Witness};

/// A station as in the stamping sample, whose parts carry a code.
fn house(part: &str) -> House {
    let house = House::new(&Settings::default());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let spoken = |name: &str| fs::read_to_string(house.path(name)).unwrap();
    let station = spoken("station.toml")
        .replace("\"models\"", &format!("\"{}/models\"", root.display()))
        .replace(
            "\"calibration\"",
            &format!("\"{}/calibration/stamping-1\"", root.display()),
        )
        .replace("\"cam\"", "\"cam-top\"");
    fs::write(house.path("station.toml"), station).unwrap();
    let recipe = fs::read_to_string(root.join("samples/stamping/recipe.toml")).unwrap();
    let code = format!(
        "[code]\nview = \"top\"\nkind = \"data_matrix\"\nregion_px = {REGION_PX}\npart = \"{part}\"\n[[views]]"
    );
    let recipe = recipe
        .replace("door-inner", "plate")
        .replacen("[[views]]", &code, 1);
    fs::write(house.path("recipe.toml"), label_tolerated(&recipe)).unwrap();
    for (part, sample, text) in [
        ("B-1", "01.jpg", Some("B-1")),
        ("B-2", "03.jpg", Some("B-9")),
        ("B-3", "05.jpg", None),
        ("B-4", "06.jpg", Some("B-9")),
    ] {
        fs::write(
            house.path(&format!("frames/{part}.png")),
            frame(sample, text),
        )
        .unwrap();
    }
    house
}

/// The answer to a part and its record.
fn answer(house: &House, witness: &Witness, sequence: u32, part: &str) -> (Value, Value) {
    house.trigger(sequence, part);
    let verdict = witness.verdict(sequence);
    let is_its = |envelope: &Value| envelope["record"]["sequence"] == sequence;
    let record = witness.next("record", is_its)["record"].clone();
    for key in ["verdict", "reason", "part_id", "part_id_read"] {
        assert_eq!(verdict[key], record[key], "{key}");
    }
    (verdict, record)
}

#[test]
fn a_part_that_is_not_the_announced_one_is_never_passed() {
    let house = house("confirms");
    let (_running, witness) = house.start();
    let (verdict, record) = answer(&house, &witness, 1, "B-1");
    assert_eq!(
        (&verdict["verdict"], &verdict["part_id_read"]),
        (&"ok".into(), &"B-1".into())
    );
    assert_eq!(record["views"][0]["note"], "");
    witness.next_bytes("verdict/plc");

    let (verdict, record) = answer(&house, &witness, 2, "B-2");
    assert_eq!(
        (&verdict["reason"], &verdict["part_id_read"]),
        (&"identity".into(), &"B-9".into())
    );
    assert_eq!(verdict["part_id"], "B-2");
    let note = record["views"][0]["note"].as_str().unwrap();
    assert!(
        note.starts_with("the code says `B-9`, the line announced `B-2`;"),
        "{note}"
    );
    let block = PlcBlock::decode(&witness.next_bytes("verdict/plc")).unwrap();
    assert_eq!(block.verdict, Verdict::Indeterminate(Reason::Identity));
    assert_eq!(Reason::Identity.wire_code(), 14);

    let (verdict, record) = answer(&house, &witness, 3, "B-3");
    assert_eq!(
        (&verdict["reason"], &verdict["part_id_read"]),
        (&"identity".into(), &Value::Null)
    );
    let note = record["views"][0]["note"].as_str().unwrap();
    assert!(
        note.starts_with("no Data Matrix code could be read in the 140 x 120 px at (880, 4);"),
        "{note}"
    );

    // A crack is a crack on whatever part.
    let (verdict, record) = answer(&house, &witness, 4, "B-4");
    assert_eq!(
        (&verdict["verdict"], &verdict["part_id_read"]),
        (&"ng".into(), &"B-9".into())
    );
    assert!(
        record["views"][0]["note"]
            .as_str()
            .unwrap()
            .contains("`B-4`")
    );
    let health = witness.next("health", |health| health["triggers"] == 4);
    assert_eq!(health["indeterminate"]["identity"], 2);

    let store = RecordReader::open(&house.path("data/records.sqlite")).unwrap();
    let rows = |part: &str| {
        let filter = RecordFilter {
            part: Some(part.to_owned()),
            ..RecordFilter::default()
        };
        let found = store.find(&filter, 9).unwrap();
        found.iter().map(|record| record.row).collect::<Vec<_>>()
    };
    assert_eq!((rows("B-2"), rows("B-9")), (vec![2], vec![4, 2]));
    assert_eq!(store.verify().unwrap().fault, None);
}

#[test]
fn a_code_that_gives_the_part_stands_beside_what_was_announced() {
    let house = house("gives");
    let (_running, witness) = house.start();
    let (verdict, _) = answer(&house, &witness, 1, "B-2");
    assert_eq!(
        (&verdict["verdict"], &verdict["part_id"]),
        (&"ok".into(), &"B-2".into())
    );
    assert_eq!(verdict["part_id_read"], "B-9");
    let (verdict, _) = answer(&house, &witness, 2, "B-3");
    assert_eq!(
        (&verdict["verdict"], &verdict["reason"]),
        (&"indeterminate".into(), &"identity".into())
    );
}
