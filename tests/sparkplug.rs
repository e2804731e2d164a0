//! The Sparkplug plane against the specification's assertions, a real mosquitto and foreign readers.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unreachable,
    clippy::wildcard_enum_match_arm,
    reason = "a test may panic, and looks for the one thing that it is about"
)]
#![expect(clippy::print_stderr, reason = "what a test skips is said aloud")]

#[path = "sparkplug/checks.rs"]
mod checks;
#[path = "sparkplug/faults.rs"]
mod faults;
#[path = "sparkplug/foreign.rs"]
mod foreign;
#[expect(
    dead_code,
    reason = "only a part of the station's house is needed here"
)]
#[path = "station/house.rs"]
mod house;
#[path = "sparkplug/payload.rs"]
mod payload;
#[path = "sparkplug/scene.rs"]
mod scene;
#[path = "sparkplug/table.rs"]
mod table;
#[path = "sparkplug/tap.rs"]
mod tap;

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use house::{House, Settings};
use jiff::{SignedDuration, Timestamp};
use payload::{Payload, Value};
use scene::{HOST, HostIs, Names, Scene, Witness, health, state, verdict, verdict_at};
use taktgate::publish::{Connection, Sparkplug, SparkplugSettings, StationState};
use tap::{Kind, PATIENCE, Packet, Tap, publishes};

/// All rules hold over what a node wrote.
fn check_rules(log: &[Packet]) {
    let broken: Vec<_> = checks::CHECKS
        .iter()
        .filter_map(|(name, rule)| Some(format!("{name}: {}", rule(log).err()?)))
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Every value of a tag in data, in the order of sending: value, since when, whether told late.
fn told(log: &[Packet], name: &str) -> Vec<(Value, u64, bool)> {
    let mut names = Names::default();
    let mut all = Vec::new();
    for publish in publishes(log) {
        if publish.verb() == "DBIRTH" {
            names = Names::of(&publish.payload);
        } else if publish.verb() == "DDATA" {
            let found = names.find_all(&publish.payload, name);
            all.extend(found.filter_map(|metric| {
                Some((
                    metric.value.clone()?,
                    metric.timestamp?,
                    metric.is_historical,
                ))
            }));
        }
    }
    all
}

fn has_told(log: &[Packet], sequence: u32) -> bool {
    let wanted = Value::Long(sequence.into());
    told(log, "Verdict/Sequence")
        .iter()
        .any(|(value, ..)| *value == wanted)
}

fn value<'p>(birth: &'p Payload, name: &str) -> Option<&'p Value> {
    birth.metric(name).unwrap().value.as_ref()
}

/// Everything that can happen to a node with one broker and without a primary host.
fn whole_session() -> Vec<Packet> {
    let scene = Scene::new();
    let node = scene.node(None);
    node.hear(&state(StationState::Ready));
    scene.tap.wait_for("DBIRTH", 1);
    node.hear(&health(10));
    scene.tap.wait_for("NDATA", 1);
    // More than the sequence has numbers.
    for sequence in 1..=300 {
        node.hear(&verdict(sequence));
        if sequence % 50 == 0 {
            scene
                .tap
                .wait("verdict", |log| has_told(log, sequence).then_some(()));
        }
    }
    // Nothing new.
    node.hear(&health(10));
    node.hear(&state(StationState::Error));
    scene.tap.wait_for("DDEATH", 1);
    node.hear(&state(StationState::Ready));
    scene.tap.wait_for("DBIRTH", 2);
    scene.ask_for_rebirth();
    scene.tap.wait_for("DBIRTH", 3);
    scene.tap.cut();
    scene.tap.wait_for("DBIRTH", 4);
    node.hear(&health(11));
    scene.tap.wait("counters", |log| {
        let triggers = told(log, "Counters/Triggers");
        triggers
            .iter()
            .any(|(value, ..)| *value == Value::Long(11))
            .then_some(())
    });
    node.stop(PATIENCE).unwrap();
    scene.tap.wait_for_end();
    scene.tap.log()
}

#[test]
fn a_whole_session_keeps_all_rules() {
    let log = whole_session();
    check_rules(&log);
    faults::check_that_each_rule_finds_its_faults(&log);
}

#[test]
fn pysparkplug_reads_what_was_sent() {
    foreign::python_reads(&whole_session());
}

#[test]
fn sparkplug_payload_reads_what_was_sent() {
    foreign::node_reads(&whole_session());
}

#[test]
fn tags_show_what_the_station_says() {
    let scene = Scene::new();
    let node = scene.node(None);
    let birth = scene.tap.wait_for("DBIRTH", 1).payload;
    assert!(birth.metric("Verdict/Sequence").unwrap().is_null);
    node.hear(&verdict(4711));
    let data = scene.tap.wait_for("DDATA", 1).payload;
    let names = Names::of(&birth);
    let found = |name: &str| {
        names
            .find_all(&data, name)
            .next()
            .unwrap()
            .value
            .clone()
            .unwrap()
    };
    assert_eq!(found("Verdict/Sequence"), Value::Long(4711));
    assert_eq!(found("Verdict/Result Code"), Value::Int(3));
    assert_eq!(found("Verdict/Reason Code"), Value::Int(6));
    assert_eq!(
        found("Verdict/Part"),
        Value::Text("Türblatt 4711".to_owned())
    );
    assert_eq!(found("Verdict/Total ms"), Value::Long(187));
    let Value::Long(decided_ms) = found("Verdict/Decided At") else {
        panic!("no time");
    };
    assert!(
        data.metrics
            .iter()
            .all(|metric| metric.timestamp == Some(decided_ms))
    );

    node.hear(&health(9));
    node.hear(&state(StationState::Ready));
    scene.ask_for_rebirth();
    let birth = scene.tap.wait_for("DBIRTH", 2).payload;
    assert_eq!(value(&birth, "Counters/Triggers"), Some(&Value::Long(9)));
    assert_eq!(value(&birth, "Counters/NG"), Some(&Value::Long(5)));
    let birth = scene.tap.wait_for("NBIRTH", 2).payload;
    assert_eq!(
        value(&birth, "State"),
        Some(&Value::Text("ready".to_owned()))
    );
    let frames_lost = u64::from(u32::MAX) + 9;
    assert_eq!(
        value(&birth, "Frames Lost"),
        Some(&Value::Long(frames_lost))
    );
    let version = Value::Text(env!("CARGO_PKG_VERSION").to_owned());
    assert_eq!(value(&birth, "Properties/Software Version"), Some(&version));
    check_rules(&scene.tap.log());
}

#[test]
fn a_rebirth_is_a_birth_of_node_and_device() {
    let scene = Scene::new();
    let node = scene.node(None);
    scene.tap.wait_for("DBIRTH", 1);
    node.hear(&health(1));
    scene.tap.wait_for("DDATA", 1);
    scene.ask_for_rebirth();
    scene.tap.wait_for("DBIRTH", 2);
    let log = scene.tap.log();
    let verbs: Vec<_> = publishes(&log).map(tap::Publish::verb).collect();
    assert_eq!(
        verbs,
        ["NBIRTH", "DBIRTH", "NDATA", "DDATA", "NBIRTH", "DBIRTH"]
    );
    check_rules(&log);
}

#[test]
fn a_host_that_asks_on_and_on_gets_one_rebirth_a_second() {
    let scene = Scene::new();
    let _node = scene.node(None);
    scene.tap.wait_for("DBIRTH", 1);
    for _ in 0..20 {
        scene.ask_for_rebirth();
    }
    // The first request is answered at once, all others together when its second is over.
    scene.tap.wait_for("DBIRTH", 3);
    let log = scene.tap.log();
    let births: Vec<u64> = publishes(&log)
        .filter(|publish| publish.verb() == "NBIRTH")
        .map(|birth| birth.payload.timestamp.unwrap())
        .collect();
    let apart_ms = births[1..].windows(2).map(|pair| pair[1] - pair[0]);
    for apart_ms in apart_ms {
        // The wall clock dates them; a keep-alive that woke the task by chance would come after 5 s.
        assert!((990..3000).contains(&apart_ms), "{births:?}");
    }
    check_rules(&log);
}

#[test]
fn a_broken_gate_dies_and_is_born_again() {
    let scene = Scene::new();
    let node = scene.node(None);
    node.hear(&state(StationState::Ready));
    scene.tap.wait_for("DBIRTH", 1);
    node.hear(&state(StationState::Error));
    scene.tap.wait_for("DDEATH", 1);
    // What is counted meanwhile is told when the gate is there again.
    node.hear(&verdict(1));
    node.hear(&verdict(2));
    node.hear(&state(StationState::Ready));
    let birth = scene.tap.wait_for("DBIRTH", 2).payload;
    assert_eq!(value(&birth, "Verdict/Sequence"), Some(&Value::Long(2)));
    scene
        .tap
        .wait("history", |log| has_told(log, 1).then_some(()));
    check_rules(&scene.tap.log());
}

#[test]
fn births_wait_for_the_primary_host() {
    let scene = Scene::new();
    let node = scene.node(Some(HOST));
    let filters = scene.tap.wait("SUBSCRIBE", |log| {
        log.iter().find_map(|packet| match &packet.kind {
            Kind::Subscribe(filters) => Some(filters.clone()),
            _ => None,
        })
    });
    assert!(filters.contains(&(format!("spBv1.0/STATE/{HOST}"), 1)));
    scene.host_says("another", HostIs::Online, 1_000);
    scene.host_says(HOST, HostIs::Offline, 1_000);
    node.hear(&verdict(1));
    node.hear(&verdict(2));
    scene.host_says(HOST, HostIs::Offline, 1_001);
    assert_eq!(publishes(&scene.tap.log()).count(), 0);
    scene.host_says(HOST, HostIs::Online, 1_002);
    let birth = scene.tap.wait_for("DBIRTH", 1).payload;
    assert_eq!(value(&birth, "Verdict/Sequence"), Some(&Value::Long(2)));
    scene
        .tap
        .wait("history", |log| has_told(log, 1).then_some(()));
    let log = scene.tap.log();
    assert!(
        told(&log, "Verdict/Sequence")
            .iter()
            .all(|(.., is_historical)| *is_historical)
    );
    check_rules(&log);
}

#[test]
fn a_stale_word_of_the_host_changes_nothing() {
    let scene = Scene::new();
    let node = scene.node(Some(HOST));
    scene.tap.wait("SUBSCRIBE", |log| {
        let is_subscribe = |packet: &Packet| matches!(packet.kind, Kind::Subscribe(_));
        log.iter().any(is_subscribe).then_some(())
    });
    scene.host_says(HOST, HostIs::Online, 2_000);
    scene.tap.wait_for("DBIRTH", 1);
    scene.host_says(HOST, HostIs::Offline, 1_999);
    scene.publish(&format!("spBv1.0/STATE/{HOST}"), b"OFFLINE", &[]);
    node.hear(&health(1));
    scene.tap.wait_for("DDATA", 1);
    let log = scene.tap.log();
    assert!(log.iter().all(|packet| packet.connection == 0));
    assert!(publishes(&log).all(|publish| publish.verb() != "NDEATH"));

    // Offline for good, then an older word that it is there.
    scene.host_says(HOST, HostIs::Offline, 2_001);
    scene.tap.wait_for("NDEATH", 1);
    scene.tap.wait("second SUBSCRIBE", |log| {
        let is_new =
            |packet: &Packet| packet.connection == 1 && matches!(packet.kind, Kind::Subscribe(_));
        log.iter().any(is_new).then_some(())
    });
    scene.host_says(HOST, HostIs::Online, 1_999);
    scene.host_says(HOST, HostIs::Offline, 2_002);
    assert!(
        publishes(&scene.tap.log())
            .filter(|publish| publish.verb() == "NBIRTH")
            .count()
            == 1
    );
    check_rules(&scene.tap.log());
}

#[test]
fn an_offline_host_is_left_and_waited_for() {
    let scene = Scene::new();
    let node = scene.node(Some(HOST));
    scene.publish(
        &format!("spBv1.0/STATE/{HOST}"),
        br#"{"online":true,"timestamp":5}"#,
        &["-r"],
    );
    scene.tap.wait_for("DBIRTH", 1);
    scene.host_says(HOST, HostIs::Offline, 6);
    scene.tap.wait_for("NDEATH", 1);
    let second = scene.tap.wait("second CONNECT", |log| {
        log.iter().find_map(|packet| match &packet.kind {
            Kind::Connect(connect) if packet.connection == 1 => Some(connect.clone()),
            _ => None,
        })
    });
    assert_eq!(second.will.bd_seq(), Some(1));
    node.hear(&verdict(7));
    node.hear(&verdict(8));
    scene.host_says(HOST, HostIs::Online, 7);
    let birth = scene.tap.wait_for("DBIRTH", 2).payload;
    assert_eq!(value(&birth, "Verdict/Sequence"), Some(&Value::Long(8)));
    scene
        .tap
        .wait("history", |log| has_told(log, 7).then_some(()));
    node.stop(PATIENCE).unwrap();
    scene.tap.wait_for_end();
    let log = scene.tap.log();
    check_rules(&log);
    let deaths = publishes(&log).filter(|publish| publish.verb() == "NDEATH");
    assert_eq!(deaths.count(), 2);
}

#[test]
fn changes_while_the_broker_is_away_come_as_history_after_live_data() {
    const ROUNDS: u32 = 4;
    const ROUND: u32 = 250;
    let scene = Scene::new();
    let node = scene.node(None);
    scene.tap.wait_for("DBIRTH", 1);
    scene.tap.take_broker_away();
    let begin = Timestamp::now() - SignedDuration::from_millis((ROUNDS * ROUND).into());
    for sequence in 0..ROUNDS * ROUND {
        let decided_at = begin + SignedDuration::from_millis(sequence.into());
        node.hear(&verdict_at(sequence, decided_at));
        if sequence % ROUND == ROUND - 1 {
            // So that the node's queue is empty again; what it drops it counts.
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }
    scene.tap.bring_broker_back();
    scene.tap.wait_for("DBIRTH", 2);
    node.hear(&verdict(9_999));
    let all = ROUNDS * ROUND - 1;
    scene.tap.wait("all history", |log| {
        let late = told(log, "Verdict/Sequence")
            .into_iter()
            .filter(|(.., is_late)| *is_late);
        (usize::try_from(all).unwrap() <= late.count()).then_some(())
    });
    let log = scene.tap.log();
    check_rules(&log);
    let node_birth = scene.tap.wait_for("NBIRTH", 2).payload;
    assert_eq!(value(&node_birth, "History Dropped"), Some(&Value::Long(0)));
    let gate_birth = scene.tap.wait_for("DBIRTH", 2).payload;
    assert_eq!(
        value(&gate_birth, "Verdict/Sequence"),
        Some(&Value::Long(all.into()))
    );
    let told = told(&log, "Verdict/Sequence");
    let late: Vec<_> = told.iter().filter(|(.., is_late)| *is_late).collect();
    let sequences: Vec<_> = late.iter().map(|(value, ..)| value.clone()).collect();
    let expected: Vec<_> = (0..all)
        .map(|sequence| Value::Long(sequence.into()))
        .collect();
    assert_eq!(sequences, expected);
    assert!(late.iter().map(|(_, at_ms, _)| at_ms).is_sorted());
    let live = told.iter().position(|(.., is_late)| !is_late).unwrap();
    assert!(
        live < told.len() - 1,
        "the live verdict waited for the history"
    );
}

#[test]
fn what_a_broken_network_swallowed_comes_as_history() {
    let scene = Scene::new();
    let node = scene.node(None);
    scene.tap.wait_for("DBIRTH", 1);
    node.hear(&verdict(1));
    scene.tap.wait_for("DDATA", 1);
    scene.tap.swallow();
    node.hear(&verdict(2));
    node.hear(&verdict(3));
    scene.tap.wait_for_swallowed(2);
    scene.tap.cut();
    let birth = scene.tap.wait_for("DBIRTH", 2).payload;
    assert_eq!(value(&birth, "Verdict/Sequence"), Some(&Value::Long(3)));
    scene
        .tap
        .wait("history", |log| has_told(log, 2).then_some(()));
    check_rules(&scene.tap.log());
}

#[test]
fn the_bdseq_goes_on_after_a_restart() {
    let scene = Scene::new();
    fs::write(scene.bd_seq_file(), "254\n").unwrap();
    // While nobody listens no connect is seen, and none is counted.
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let settings = SparkplugSettings::new("Ulm", "st-07", "gate", None).unwrap();
    let connection = Connection::plain("127.0.0.1", nobody.port(), "c");
    let node = Sparkplug::start(connection, settings, &scene.bd_seq_file()).unwrap();
    std::thread::park_timeout(Duration::from_millis(300));
    let late = Tap::start_at(nobody.port(), scene.broker.port());
    late.wait_for("DBIRTH", 1);
    node.stop(PATIENCE).unwrap();
    for count in 1..=2 {
        let node = scene.node(None);
        scene.tap.wait_for("DBIRTH", count);
        node.stop(PATIENCE).unwrap();
    }
    let packets = [late.log(), scene.tap.log()].concat();
    let bd_seqs: Vec<_> = packets
        .iter()
        .filter_map(|packet| match &packet.kind {
            Kind::Connect(connect) => connect.will.bd_seq(),
            _ => None,
        })
        .collect();
    assert_eq!(bd_seqs, [255, 0, 1]);
}

#[test]
fn the_broker_says_the_death_of_a_vanished_node() {
    let scene = Scene::new();
    let witness = Witness::start(scene.broker.port());
    let node = scene.node(None);
    let (qos, retain, birth) = witness.next("spBv1.0/Ulm/NBIRTH/st-07");
    assert_eq!((qos.as_str(), retain.as_str()), ("0", "0"));
    // Dropped without a stop: no goodbye.
    drop(node);
    let (qos, retain, death) = witness.next("spBv1.0/Ulm/NDEATH/st-07");
    assert_eq!((qos.as_str(), retain.as_str()), ("1", "0"));
    assert_eq!((death.bd_seq(), birth.bd_seq()), (Some(0), Some(0)));
}

#[test]
fn names_are_checked_and_stand_in_the_topics() {
    for bad in ["", "a/b", "a+b", "#", "a\0"] {
        for names in [[bad, "n", "d"], ["g", bad, "d"], ["g", "n", bad]] {
            let [group, node, device] = names;
            assert!(
                SparkplugSettings::new(group, node, device, None).is_err(),
                "{names:?}"
            );
        }
        assert!(
            SparkplugSettings::new("g", "n", "d", Some(bad)).is_err(),
            "{bad:?}"
        );
    }
    let scene = Scene::new();
    let settings = SparkplugSettings::new("Preßwerk 2", "Tür:7", "Prüftor $1", None).unwrap();
    let connection = Connection::plain("127.0.0.1", scene.tap.port, "c");
    let node = Sparkplug::start(connection, settings, &scene.bd_seq_file()).unwrap();
    let birth = scene.tap.wait_for("NBIRTH", 1);
    assert_eq!(birth.topic, "spBv1.0/Preßwerk 2/NBIRTH/Tür:7");
    let birth = scene.tap.wait_for("DBIRTH", 1);
    assert_eq!(birth.topic, "spBv1.0/Preßwerk 2/DBIRTH/Tür:7/Prüftor $1");
    node.stop(PATIENCE).unwrap();
}

#[test]
fn a_running_station_shows_its_parts() {
    let house = House::new(&Settings::default());
    let file = house.path("station.toml");
    let table = "\n[sparkplug]\ngroup_id = \"Ulm\"\nedge_node_id = \"st-07\"\n";
    fs::write(&file, fs::read_to_string(&file).unwrap() + table).unwrap();
    let reader = Witness::start(house.broker.port());
    let (mut running, witness) = house.start();
    let (_, _, birth) = reader.next("spBv1.0/Ulm/DBIRTH/st-07/gate");
    let names = Names::of(&birth);
    house.trigger(1, "good");
    house.trigger(2, "bad");
    witness.verdict(2);
    let mut results = Vec::new();
    while results.len() < 2 {
        let (_, _, data) = reader.next("spBv1.0/Ulm/DDATA/st-07/gate");
        results.extend(
            names
                .find_all(&data, "Verdict/Result Code")
                .map(|metric| metric.value.clone()),
        );
    }
    assert_eq!(results, [Some(Value::Int(1)), Some(Value::Int(2))]);
    running.signal("-TERM");
    assert!(running.wait().success());
    let (_, _, death) = reader.next("spBv1.0/Ulm/NDEATH/st-07");
    assert_eq!(death.bd_seq(), Some(0));
}

#[test]
fn the_table_of_assertions_is_the_one_in_the_documentation() {
    table::check_names(include_str!("sparkplug.rs"));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/sparkplug-assertions.md");
    let made = table::document();
    if std::env::var_os("TAKTGATE_WRITE_DOCS").is_some() {
        fs::write(path, &made).unwrap();
    }
    let written = fs::read_to_string(path).unwrap();
    assert!(
        written == made,
        "docs/sparkplug-assertions.md is old; write it anew: TAKTGATE_WRITE_DOCS=1 cargo nextest run --release the_table_of_assertions"
    );
}

#[test]
fn every_assertion_of_the_specification_stands_in_the_table() {
    if let Some(specified) = table::specified() {
        assert_eq!(table::ids(), specified);
    }
}
