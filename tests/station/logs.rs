//! What a station writes to its log: lines that a machine reads, and never a password.

use serde_json::Value;

use super::house::{House, Settings, taktgate};

const PASSWORD: &str = "k3in-Geheimnis";

#[test]
fn each_line_is_json_and_none_has_the_password() {
    let house = House::new(&Settings::default());
    let file = house.path("station.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let secured = text.replace(
        "[mqtt]\n",
        "[mqtt]\nuser = \"st\"\npassword_env = \"STATION_PASSWORD\"\n",
    );
    std::fs::write(&file, secured).unwrap();
    let witness = super::house::Witness::start(house.broker.port());
    let mut command = taktgate();
    command
        .args(["--log", "trace", "--log-format", "json"])
        .env("STATION_PASSWORD", PASSWORD);
    let mut running = house.run_with(&mut command);
    witness.next("state", |state| state["state"] == "continuous_execution");
    house.trigger(1, "bad");
    assert_eq!(witness.verdict(1)["verdict"], "ng");
    running.signal("-TERM");
    assert!(running.wait().success());
    let log = running.log();
    assert!(!log.contains(PASSWORD), "a password was logged");
    let lines = log.lines().filter(|line| line.starts_with('{'));
    let lines: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let answered = |line: &&Value| line["fields"]["message"] == "answered";
    let answered = lines.iter().find(answered).unwrap();
    assert_eq!(answered["level"], "INFO");
    assert_eq!(answered["fields"]["sequence"], 1);
    assert_eq!(answered["fields"]["verdict"], "ng");
    let others = log.lines().count() - lines.len();
    assert_eq!(
        others, 2,
        "the model's test and that it is ready, for people"
    );
}
