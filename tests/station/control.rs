//! The station's states and verbs, as a foreign MQTT 5 client and the command line see them.

use serde_json::Value;

use crate::house::{House, Running, Settings, Witness, taktgate};

const COMMANDED: &str = "[control]\nstart = \"commanded\"\n";
const ASK: &str = r#"{"schema":1}"#;

fn commanded() -> (House, Running, Witness) {
    let house = House::new(&Settings {
        more: COMMANDED,
        ..Settings::default()
    });
    let witness = Witness::start(house.broker.port());
    let running = house.run();
    is_in(&witness, "ready");
    (house, running, witness)
}

fn is_in(witness: &Witness, expected: &str) -> Value {
    witness.next("state", |state| state["state"] == expected)
}

fn done(response: &Value, state: &str) {
    assert_eq!(
        (&response["done"], &response["state"]),
        (&true.into(), &state.into()),
        "{response}"
    );
}

#[test]
fn a_commanded_station_takes_parts_only_between_start_and_stop() {
    let (house, _running, witness) = commanded();
    let reason = |sequence: u32| {
        house.trigger(sequence, "good");
        let verdict = witness.verdict(sequence);
        format!("{} {}", verdict["verdict"], verdict["reason"])
    };
    let not_ready = r#""indeterminate" "not_ready""#;
    assert_eq!(reason(1), not_ready);
    done(
        &house.command("start_continuous", ASK),
        "continuous_execution",
    );
    assert_eq!(reason(2), r#""ok" null"#);
    assert_eq!(reason(3), r#""ok" null"#);
    done(&house.command("stop", ASK), "ready");
    assert_eq!(reason(4), not_ready);

    done(&house.command("start_single_job", ASK), "single_execution");
    assert_eq!(reason(5), r#""ok" null"#);
    assert_eq!(is_in(&witness, "ready")["reason"], "`stop` was sent");
    assert_eq!(is_in(&witness, "ready")["reason"], "the job is done");
    assert_eq!(reason(6), not_ready);
    let health = witness.next("health", |health| health["triggers"] == 6);
    assert_eq!(
        (&health["not_ready"], &health["ok"]),
        (&3.into(), &3.into())
    );
}

#[test]
fn a_refused_verb_says_why_and_what_is_possible() {
    let (house, _running, witness) = commanded();
    let refused = house.command("stop", ASK);
    assert_eq!(
        (&refused["done"], &refused["verb"], &refused["state"]),
        (&false.into(), &"stop".into(), &"ready".into())
    );
    insta::assert_snapshot!(refused["text"].as_str().unwrap(), @"`stop` is not possible in `ready`; possible now: `prepare_recipe`, `unprepare_recipe`, `start_single_job`, `start_continuous`, `halt`");
    let unknown = house.command("prepare_recipe", r#"{"schema":1,"part_type":"bolt"}"#);
    insta::assert_snapshot!(unknown["text"].as_str().unwrap(), @"there is no recipe for `bolt`; the station file names those of `plate`");
    assert_eq!(unknown["state"], "initialized");
    house.publish("cmd/halt", r#"{"schema":1,"force":true}"#);
    let event = witness.next("event", |event| event["kind"] == "bad_command");
    assert!(event["text"].as_str().unwrap().contains("force"), "{event}");
    let health = witness.next("health", |health| health["commands_refused"] == 3);
    assert_eq!(health["triggers"], 0);
}

#[test]
fn abort_answers_what_is_open_at_once_and_what_comes_of_it_is_late() {
    let (house, _running, witness) = commanded();
    done(
        &house.command("start_continuous", ASK),
        "continuous_execution",
    );
    house.hold("good");
    house.trigger(1, "good");
    house.publish("cmd/trigger", "no trigger");
    witness.next("event", |event| event["kind"] == "bad_trigger");
    let response = house.command("abort", ASK);
    done(&response, "ready");
    assert_eq!(response["text"], "1 open parts were answered `not_ready`");
    assert_eq!(witness.verdict(1)["reason"], "not_ready");
    house.release("good");
    let late = witness.next("record", |envelope| envelope["record"]["late"] == true);
    assert_eq!(late["record"]["verdict"], "ng");
    done(
        &house.command("start_continuous", ASK),
        "continuous_execution",
    );
    house.trigger(2, "bad");
    assert_eq!(witness.next("verdict", |_| true)["sequence"], 2);
}

#[test]
fn halt_lets_go_and_reset_comes_back_with_what_the_files_say_then() {
    let house = House::new(&Settings::default());
    let (_running, witness) = house.start();
    house.hold("good");
    house.trigger(1, "good");
    house.publish("cmd/trigger", "no trigger");
    witness.next("event", |event| event["kind"] == "bad_trigger");
    done(&house.command("halt", ASK), "halted");
    assert_eq!(witness.verdict(1)["reason"], "not_ready");
    // What comes of it afterwards names what it was judged with, though the station has let go of that.
    house.release("good");
    let late = witness.next("record", |envelope| envelope["record"]["late"] == true);
    assert_eq!(late["record"]["recipe"]["version"], "1", "{late}");
    assert_eq!(late["record"]["models"][0]["version"], "1.0.0", "{late}");
    house.restore("good");
    house.trigger(2, "good");
    assert_eq!(witness.verdict(2)["reason"], "not_ready");

    // A broken recipe keeps the station in `error`; it says what is wrong, and stays there for a person.
    let recipe = std::fs::read_to_string(house.path("recipe.toml")).unwrap();
    std::fs::write(
        house.path("recipe.toml"),
        recipe.replace("schema = 1", "schema = 9"),
    )
    .unwrap();
    let failed = house.command("reset", ASK);
    assert_eq!(
        (&failed["done"], &failed["state"]),
        (&false.into(), &"error".into())
    );
    assert!(
        failed["text"].as_str().unwrap().contains("schema = 9"),
        "{failed}"
    );

    let newer = recipe.replace("revision = 1", "revision = 2");
    std::fs::write(house.path("recipe.toml"), newer).unwrap();
    // It tries again by itself, because nobody has to start it.
    let state = witness.next("state", |state| {
        state["state"] == "continuous_execution" && state["recipes"][0]["version"] == "2"
    });
    assert_eq!(state["recipes"][0]["name"], "plate");
    house.trigger(3, "good");
    assert_eq!(witness.verdict(3)["verdict"], "ok");
    let record = witness.next("record", |envelope| envelope["record"]["sequence"] == 3);
    assert_eq!(record["record"]["recipe"]["version"], "2");
}

#[test]
fn a_thread_that_hangs_does_not_keep_a_reset_waiting() {
    let house = House::new(&Settings {
        deadline_ms: 600,
        ..Settings::default()
    });
    let (_running, witness) = house.start();
    house.hold("good");
    house.trigger(1, "good");
    assert_eq!(witness.verdict(1)["reason"], "deadline");
    // Nobody ever writes into the pipe that the thread reads.
    done(&house.command("halt", ASK), "halted");
    let response = house.command("reset", ASK);
    assert_eq!(response["done"], true, "{response}");
    house.trigger(2, "bad");
    assert_eq!(witness.verdict(2)["verdict"], "ng");
    house.restore("good");
}

#[test]
fn a_recipe_is_let_go_of_and_prepared_again() {
    let (house, _running, witness) = commanded();
    done(&house.command("unprepare_recipe", ASK), "initialized");
    assert_eq!(
        is_in(&witness, "initialized")["recipes"],
        serde_json::json!([])
    );
    let refused = house.command("start_continuous", ASK);
    assert_eq!(refused["done"], false);
    let plate = r#"{"schema":1,"part_type":"plate"}"#;
    done(&house.command("prepare_recipe", plate), "ready");
    done(
        &house.command("start_continuous", ASK),
        "continuous_execution",
    );
    house.trigger(1, "bad");
    assert_eq!(witness.verdict(1)["verdict"], "ng");
}

#[test]
fn a_hung_inspection_is_found_and_the_station_comes_back_by_itself() {
    let house = House::new(&Settings {
        deadline_ms: 600,
        ..Settings::default()
    });
    let (_running, witness) = house.start();
    house.hold("good");
    house.trigger(1, "good");
    assert_eq!(witness.verdict(1)["reason"], "deadline");
    let state = is_in(&witness, "error");
    assert!(
        state["reason"].as_str().unwrap().contains("given up"),
        "{state}"
    );
    house.trigger(2, "bad");
    assert_eq!(witness.verdict(2)["reason"], "not_ready");
    is_in(&witness, "continuous_execution");
    house.trigger(3, "bad");
    assert_eq!(witness.verdict(3)["verdict"], "ng");
    let health = witness.next("health", |health| health["triggers"] == 3);
    assert_eq!(health["recoveries"], 1);
    // What the hung thread still finds is recorded, and never said.
    house.release("good");
    let late = witness.next("record", |envelope| envelope["record"]["late"] == true);
    assert_eq!(late["record"]["sequence"], 1);
}

#[test]
fn the_command_line_commands_a_station() {
    let (house, _running, _witness) = commanded();
    let run = |words: &[&str]| {
        let output = taktgate()
            .arg("command")
            .arg(house.folder.path())
            .args(words)
            .stdout(std::process::Stdio::piped())
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (code, text) = run(&["start-continuous"]);
    assert_eq!(
        (code, text.as_str()),
        (
            Some(0),
            "start_continuous done\nst is now `continuous_execution`\n"
        )
    );
    let (code, text) = run(&["start-continuous", "--json"]);
    let response: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (code, &response["done"]),
        (Some(3), &false.into()),
        "{text}"
    );
    let (code, _) = run(&["prepare-recipe", "--part-type", "plate"]);
    assert_eq!(code, Some(3), "not while it runs");
}
