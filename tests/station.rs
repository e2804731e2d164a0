//! A part's whole way through the real binary, a real mosquitto and an independent reader.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::panic, reason = "a test may panic")]
#![expect(
    clippy::print_stderr,
    reason = "what a test skips or finds gone is said aloud"
)]
#![expect(clippy::indexing_slicing, reason = "a test may panic")]

#[path = "station/code.rs"]
mod code;
#[path = "code/draw.rs"]
mod code_drawing;
#[path = "station/control.rs"]
mod control;
#[path = "station/handshake.rs"]
mod handshake;
#[path = "station/house.rs"]
#[expect(dead_code, reason = "the fault bench uses the rest")]
mod house;
#[path = "station/logs.rs"]
mod logs;
#[path = "camera/mjpeg.rs"]
mod mjpeg;
#[path = "station/own_trigger.rs"]
mod own_trigger;
#[path = "station/storage.rs"]
mod storage;

#[path = "station/supervision.rs"]
mod supervision;

use std::collections::BTreeMap;

use house::{House, Settings, Witness};
use taktgate::domain::Verdict;
use taktgate::publish::PlcBlock;
use taktgate::record::RecordReader;

#[test]
fn a_part_walks_from_trigger_to_verdict_and_record() {
    let house = House::new(&Settings::default());
    let (_running, witness) = house.start();

    house.trigger(1, "good");
    let verdict = witness.verdict(1);
    assert_eq!(
        (&verdict["verdict"], &verdict["result_code"]),
        (&"ok".into(), &1.into())
    );
    let block = PlcBlock::decode(&witness.next_bytes("verdict/plc")).unwrap();
    assert_eq!((block.sequence, block.verdict), (1, Verdict::Ok));
    let envelope = witness.next("record", |_| true);
    assert_eq!(envelope["is_historical"], false);
    let record = &envelope["record"];
    assert_eq!(record["id"], verdict["record_id"]);
    assert_eq!(
        (&record["lot"], &record["supplier"]),
        (&"L-7".into(), &"Stahl AG".into())
    );

    house.trigger(2, "bad");
    let verdict = witness.verdict(2);
    assert_eq!(verdict["verdict"], "ng");
    let finding = &verdict["findings"][0];
    assert_eq!(
        (&finding["class"], &finding["grade"]),
        (&"dent".into(), &"reject".into())
    );
    // A square of 24 px of 0.5 mm: its diagonal is 12 mm times the root of 2.
    let length_mm = finding["length_mm"].as_f64().unwrap();
    assert!((length_mm - 16.97).abs() < 0.05, "{length_mm}");
    let health = witness.next("health", |health| health["triggers"] == 2);
    assert_eq!((&health["ok"], &health["ng"]), (&1.into(), &1.into()));
}

#[test]
fn what_cannot_be_judged_is_indeterminate_with_its_reason() {
    let house = House::new(&Settings::default());
    let (_running, witness) = house.start();
    let expect = |sequence: u32, reason: &str| {
        let verdict = witness.verdict(sequence);
        assert_eq!(verdict["verdict"], "indeterminate", "{reason}");
        assert_eq!(verdict["reason"], reason);
        witness.next("record", |envelope| {
            envelope["record"]["sequence"] == sequence
        })
    };
    house.trigger(1, "cut");
    let envelope = expect(1, "image_unfit");
    let note = envelope["record"]["views"][0]["note"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(note.contains("cut.png"), "{note}");
    house.trigger(2, "no-such-picture");
    expect(2, "no_frame");
    house.trigger_of(3, "good", "another-type");
    expect(3, "no_recipe");

    house.publish("cmd/trigger", "{\"schema\": 1, \"sequence\": 4");
    let event = witness.next("event", |_| true);
    assert_eq!(event["kind"], "bad_trigger");
    // The station goes on.
    house.trigger(5, "good");
    assert_eq!(witness.verdict(5)["verdict"], "ok");
}

#[test]
fn a_part_announced_again_gets_its_answer_again_even_after_a_crash() {
    let house = House::new(&Settings::default());
    let (mut running, witness) = house.start();
    house.trigger(7, "bad");
    let first = witness.verdict(7);
    house.trigger(7, "bad");
    let second = witness.verdict(7);
    assert_eq!(
        (&first["repeated"], &second["repeated"]),
        (&false.into(), &true.into())
    );
    assert_eq!(first["record_id"], second["record_id"]);

    running.signal("-KILL");
    running.wait();
    let offline = witness.next("state", |state| state["state"] == "offline");
    assert_eq!(offline["reason"], "the connection broke off");
    drop(running);
    let _running = house.run();
    witness.next("state", |state| state["state"] == "continuous_execution");
    house.trigger(7, "bad");
    let third = witness.verdict(7);
    assert_eq!(
        (&third["verdict"], &third["repeated"]),
        (&"ng".into(), &true.into())
    );
    let store = RecordReader::open(&house.path("data/records.sqlite")).unwrap();
    assert_eq!(store.len().unwrap(), 1, "one part, one record");
    assert!(store.verify().unwrap().fault.is_none());
}

#[test]
fn a_storm_of_triggers_gets_one_answer_each() {
    let house = House::new(&Settings {
        open_parts_max: 2,
        ..Settings::default()
    });
    let (_running, witness) = house.start();
    let n_parts = 40;
    for sequence in 1..=n_parts {
        house.trigger(sequence, "good");
    }
    let mut answers = BTreeMap::new();
    while answers.len() < n_parts as usize {
        let verdict = witness.next("verdict", |_| true);
        let sequence = verdict["sequence"].as_u64().unwrap();
        let said = format!("{} {}", verdict["verdict"], verdict["reason"]);
        assert!(
            answers.insert(sequence, said).is_none(),
            "{sequence} was answered twice"
        );
    }
    let allowed = ["\"ok\" null", "\"indeterminate\" \"overload\""];
    assert!(
        answers
            .values()
            .all(|said| allowed.contains(&said.as_str())),
        "{answers:?}"
    );
    assert!(answers.values().any(|said| said == allowed[0]));
}

#[test]
fn a_late_inspection_is_recorded_and_never_said() {
    let house = House::new(&Settings {
        deadline_ms: 600,
        ..Settings::default()
    });
    let (_running, witness) = house.start();
    house.hold("good");
    house.trigger(1, "good");
    let verdict = witness.verdict(1);
    assert_eq!(
        (&verdict["verdict"], &verdict["reason"]),
        (&"indeterminate".into(), &"deadline".into())
    );
    house.release("good");
    let late = witness.next("record", |envelope| envelope["record"]["late"] == true);
    assert_eq!(
        (&late["record"]["sequence"], &late["record"]["verdict"]),
        (&1.into(), &"ng".into())
    );
    // What was found late is no verdict: the next one is that of the next part.
    house.trigger(2, "bad");
    assert_eq!(witness.next("verdict", |_| true)["sequence"], 2);
    house.trigger(1, "good");
    let again = witness.next("verdict", |_| true);
    assert_eq!(
        (&again["sequence"], &again["reason"]),
        (&1.into(), &"deadline".into())
    );
}

#[test]
fn a_record_made_while_the_broker_was_away_is_delivered_later_as_history() {
    let mut house = House::new(&Settings::default());
    let (running, witness) = house.start();
    house.hold("good");
    house.trigger(1, "good");
    // Messages keep their order, so what is answered behind the trigger shows that it has arrived.
    house.publish("cmd/trigger", "no trigger");
    witness.next("event", |event| event["kind"] == "bad_trigger");
    house.kill_broker();
    house.release("good");
    house.wait_for_records(1);
    drop((running, witness));
    house.broker.mind().unwrap();
    let witness = Witness::start(house.broker.port());
    let _running = house.run();
    let history = witness.next("record", |_| true);
    assert_eq!(
        (&history["is_historical"], &history["record"]["sequence"]),
        (&true.into(), &1.into())
    );
    house.trigger(2, "bad");
    let fresh = witness.next("record", |_| true);
    assert_eq!(
        (&fresh["is_historical"], &fresh["record"]["sequence"]),
        (&false.into(), &2.into())
    );
}

#[test]
fn a_station_that_is_told_to_stop_says_so_and_ends_well() {
    let house = House::new(&Settings::default());
    let (mut running, witness) = house.start();
    house.trigger(1, "good");
    witness.verdict(1);
    running.signal("-TERM");
    let offline = witness.next("state", |state| state["state"] == "offline");
    assert_eq!(offline["reason"], "stopped");
    assert!(running.wait().success(), "{}", running.log());
}

#[test]
fn the_line_command_keeps_the_account_of_a_real_station() {
    let house = House::new(&Settings::default());
    let (_running, _witness) = house.start();
    let output = house::taktgate()
        .arg("line")
        .arg(house.folder.path())
        .args(["--parts", "5", "--takt-ms", "30", "--json"])
        .stdout(std::process::Stdio::piped())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let account: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    // The line's own part names have no picture here: an honest `no_frame`, and all are rejected.
    assert_eq!(account["indeterminate"]["no_frame"], 5, "{text}");
    assert_eq!(
        (&account["rejected"], &account["complete"]),
        (&5.into(), &true.into())
    );
    assert!(output.status.success());
}

#[test]
fn a_station_with_an_old_calibration_does_not_start() {
    let house = House::new(&Settings::default());
    let file = house.path("calibration/cam.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("2100-01-01", "2026-02-01")).unwrap();
    let output = house::taktgate()
        .arg("run")
        .arg(house.folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("cam") && said.contains("2026-02-01"),
        "{said}"
    );
    assert!(!house.path("data/records.sqlite").exists());
}
