//! Numbers that are missing, and a controller that acknowledges, forgets or passes against the verdict.

use crate::house::{House, Settings};

const ACKED: &str = "[handshake]\nack_window_ms = 700\n";

#[test]
fn gaps_and_numbers_out_of_order_are_counted_and_said() {
    let house = House::new(&Settings::default());
    let (_running, witness) = house.start();
    for sequence in [10, 11, 14, 12, 11] {
        house.trigger(sequence, "good");
        assert_eq!(witness.verdict(sequence)["verdict"], "ok");
    }
    let gap = witness.next("event", |event| event["kind"] == "sequence_gap");
    assert_eq!(gap["text"], "2 parts before 14 were never announced");
    witness.next("event", |event| event["kind"] == "out_of_order");
    let health = witness.next("health", |health| health["triggers"] == 5);
    let counts = ["sequence_missing", "out_of_order", "repeated", "ok"].map(|key| &health[key]);
    assert_eq!(counts, [2, 1, 1, 4].map(serde_json::Value::from).each_ref());
}

#[test]
fn acknowledgements_are_expected_checked_and_missed() {
    let house = House::new(&Settings {
        more: ACKED,
        ..Settings::default()
    });
    let (_running, witness) = house.start();
    let ack = |sequence: u32, action: &str| {
        let ack = serde_json::json!({"schema": 1, "sequence": sequence, "action": action});
        house.publish("ack", &ack.to_string());
    };
    for (sequence, part) in [(1, "good"), (2, "bad"), (3, "bad"), (4, "good")] {
        house.trigger(sequence, part);
        witness.verdict(sequence);
        match sequence {
            1 => ack(1, "passed"),
            2 => ack(2, "ejected"),
            3 => ack(3, "passed"),
            _ => {}
        }
    }
    ack(77, "ejected");
    house.publish("ack", "no acknowledgement");
    let passed = witness.next("event", |event| event["kind"] == "passed_against_verdict");
    assert_eq!(
        passed["text"],
        "the line let part 3 pass, its verdict was `ng`"
    );
    witness.next("event", |event| event["kind"] == "bad_ack");
    let missing = witness.next("event", |event| event["kind"] == "ack_missing");
    assert_eq!(
        missing["text"],
        "the line did not acknowledge the verdict of part 4"
    );
    let health = witness.next("health", |health| health["acks_missing"] == 1);
    let counts = ["acks", "acks_unknown", "passed_against_verdict"].map(|key| &health[key]);
    assert_eq!(counts, [3, 2, 1].map(serde_json::Value::from).each_ref());
}
