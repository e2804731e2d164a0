//! `run`, `line` and `broker`: what keeps them from running, and how they end.

use std::net::{TcpListener, TcpStream};

use insta::assert_snapshot;

use crate::scene::Scene;

/// A port where nobody listens.
fn free_port() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port().to_string()
}

/// The port of a broker that says where it listens.
fn port_of(address: &str) -> &str {
    address.strip_prefix("mqtt://127.0.0.1:").unwrap()
}

#[test]
fn a_line_without_a_broker_ends_in_time() {
    let scene = Scene::with_station();
    let port = free_port();
    let line = ["line", "st-07", "--port", &port, "--ready-within-s", "1"];
    assert_snapshot!(scene.taktgate(&line), @"
    exit 1
    --- stderr
    12 parts for `st-07` over 127.0.0.1:[PORT]
    error: the line could not run over 127.0.0.1:[PORT]
      because station `st-07` was not ready within 1 s (the broker at 127.0.0.1:[PORT] does not answer; is it running, is the address right?: Connection refused (os error 111)); is it running, on this broker and these topics?
    ");
}

#[test]
fn nobody_speaks_to_another_machine_in_plain_text_unless_it_is_meant() {
    let scene = Scene::with_station();
    for command in ["line", "command"] {
        let verb = if command == "command" {
            &["stop"][..]
        } else {
            &[]
        };
        let words = [&[command, "st-07"], verb, &["--host", "10.0.0.5"]].concat();
        let told = scene.taktgate(&words);
        assert!(told.starts_with("exit 1\n"), "{told}");
        assert!(
            told.contains("the broker at `10.0.0.5` would get"),
            "{told}"
        );
    }
}

#[test]
fn a_broker_takes_a_free_port_and_ends_when_it_is_asked_to() {
    let scene = Scene::with_station();
    let mut broker = scene.start(&["broker", "--port", "0"]);
    let address = broker.line();
    let port = port_of(&address);
    TcpStream::connect(("127.0.0.1", port.parse().unwrap())).unwrap();
    let line = ["line", "st-07", "--port", port, "--ready-within-s", "1"];
    assert_snapshot!(scene.taktgate(&line), @"
    exit 1
    --- stderr
    12 parts for `st-07` over 127.0.0.1:[PORT]
    error: the line could not run over 127.0.0.1:[PORT]
      because station `st-07` was not ready within 1 s (the broker knows no such station); is it running, on this broker and these topics?
    ");
    let second = ["broker", "--port", port, "--data", "second"];
    let told = scene.taktgate(&second);
    assert!(told.starts_with("exit 1\n"), "{told}");
    assert!(told.contains("Address already in use"), "{told}");
    assert_snapshot!(broker.terminate(&scene), @"
    exit 0
    --- stdout
    mqtt://127.0.0.1:[PORT]
    --- stderr
    [TIME]  INFO mosquitto runs port=[NUMBER] pid=[NUMBER]
    a mosquitto for this machine only, without password; stop with Ctrl-C
    ");
}

#[test]
fn a_station_its_line_and_a_broker_of_three_processes() {
    let scene = Scene::with_station();
    scene.replace("st-07/station.toml", "embedded", "external");
    let mut broker = scene.start(&["broker", "--port", "0"]);
    let address = broker.line();
    let port = port_of(&address);
    let station = scene.start(&["run", "st-07", "--port", port, "--log", "warn"]);
    let line = [
        "line",
        "st-07",
        "--port",
        port,
        "--parts",
        "3",
        "--takt-ms",
        "100",
    ];
    let mut line = scene.command(&line);
    line.args(["--first-sequence", "7", "--deadline-ms", "10000", "--json"]);
    assert_snapshot!(scene.told(&mut line), @r#"
    exit 0
    --- stdout
    {"after_ms":[MS],"part_id":"[PART]","part_type":"bracket","reason":null,"rejected":false,"sequence":7,"verdict":"ok"}
    {"after_ms":[MS],"part_id":"[PART]","part_type":"bracket","reason":null,"rejected":true,"sequence":8,"verdict":"ng"}
    {"after_ms":[MS],"part_id":"[PART]","part_type":"bracket","reason":"doubtful","rejected":true,"sequence":9,"verdict":"indeterminate"}
    {"announced":3,"answered_after_ms":{"max":[MS],"median":[MS],"p95":[MS]},"complete":true,"indeterminate":{"doubtful":1},"late":0,"missing":0,"ng":1,"ok":1,"rejected":2,"repeated":0,"unknown":0,"unreadable":0}
    --- stderr
    3 parts for `st-07` over 127.0.0.1:[PORT]
    "#);
    let mut line = scene.command(&["line", "st-07", "--port", port, "--parts", "1"]);
    line.args(["--first-sequence", "10", "--deadline-ms", "10000"]);
    line.args(["--takt-ms", "100"]);
    assert_snapshot!(scene.told(&mut line), @"
    exit 0
    --- stdout
    st-07        [PART] OK [MS] ms  passes
    ┌─┬─┬─┬─┬─┬─┬─┬─┬─┬─┐
    │ station ┆ parts ┆ OK ┆ NG ┆ INDETERMINATE ┆ late ┆ missing ┆ repeated ┆ rejected ┆ answer ms: median / p95 / max │
    ╞═╪═╪═╪═╪═╪═╪═╪═╪═╪═╡
    │ st-07 ┆ 1 ┆ 1 ┆ 0 ┆ 0 ┆ 0 ┆ 0 ┆ 0 ┆ 0 ┆ [MS] │
    └─┴─┴─┴─┴─┴─┴─┴─┴─┴─┘
    --- stderr
    1 parts for `st-07` over 127.0.0.1:[PORT]
    ");
    assert_snapshot!(station.terminate(&scene), @"
    exit 0
    --- stderr
    model anomaly/1.0.0: 2 golden vectors within [DIFFERENCE], [MS] ms a run ([MIN] to [MAX]), loaded in [MS] ms
    station st-07 is ready after [MS] ms; records and images in st-07/data; stop with Ctrl-C
    ");
    broker.terminate(&scene);
    assert!(scene.path("st-07/data/records.sqlite").exists());
}

#[test]
fn a_station_without_its_library_does_not_run() {
    let scene = Scene::with_station();
    let mut text = scene.read("st-07/station.toml");
    text.push_str("[onnxruntime]\nlibrary = \"lib/nowhere.so\"\n");
    scene.write("st-07/station.toml", text);
    assert_snapshot!(scene.taktgate(&["run", "st-07"]), @"
    exit 1
    --- stderr
    error: cannot load ONNX Runtime from `st-07/lib/nowhere.so`, which `onnxruntime.library` names; this program needs version 1.24 or newer
      because No such file or directory (os error 2)
    ");
    scene.write("st-07/lib/nowhere.so", "no library either");
    let told = scene.taktgate(&["run", "st-07"]);
    assert!(told.starts_with("exit 1\n"), "{told}");
    assert!(told.contains("st-07/lib/nowhere.so"), "{told}");
}

#[test]
fn a_disk_that_is_not_mounted_is_not_made_up() {
    let scene = Scene::with_station();
    let run = ["run", "st-07", "--data", "mnt/disk/st-07"];
    assert_snapshot!(scene.taktgate(&run), @"
    exit 1
    --- stderr
    error: cannot make `mnt/disk/st-07` for records and images; does its parent exist, and may this user write there?
      because No such file or directory (os error 2)
    ");
    assert!(!scene.path("mnt").exists());
}

#[test]
fn a_port_in_use_is_told() {
    let scene = Scene::with_station();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = ["run", "st-07", "--port", &port, "--log", "off"];
    assert_snapshot!(scene.taktgate(&run), @"
    exit 1
    --- stderr
    error: mosquitto on port [PORT] ended by itself; its last words: [..] Address already in use
    ");
}

#[test]
fn figures_that_cannot_be_meant_are_a_wrong_command_line() {
    let scene = Scene::with_station();
    assert_snapshot!(scene.taktgate(&["run", "st-07", "--port", "0"]), @"
    exit 2
    --- stderr
    error: invalid value '0' for '--port <PORT>': 0 is not in 1..=65535

    For more information, try '--help'.
    ");
    let line = |option: &str, value: &str| scene.taktgate(&["line", "st-07", option, value]);
    assert_snapshot!(line("--port", "0"), @"
    exit 2
    --- stderr
    error: invalid value '0' for '--port <PORT>': 0 is not in 1..=65535

    For more information, try '--help'.
    ");
    assert_snapshot!(line("--takt-ms", "18446744073709551615"), @"
    exit 2
    --- stderr
    error: invalid value '18446744073709551615' for '--takt-ms <TAKT_MS>': 18446744073709551615 is not in 0..=3600000

    For more information, try '--help'.
    ");
    assert_snapshot!(line("--deadline-ms", "0"), @"
    exit 2
    --- stderr
    error: invalid value '0' for '--deadline-ms <DEADLINE_MS>': 0 is not in 1..=3600000

    For more information, try '--help'.
    ");
}
