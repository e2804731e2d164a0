//! What a supervisor sees: `/healthz`, `/metrics`, and systemd's notify socket.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use crate::house::{House, Running, Settings, Witness, taktgate};

const LISTEN: &str = "[supervision]\nlisten = \"127.0.0.1:0\"\n";

fn get(running: &Running, path: &str) -> (u16, String) {
    let log = running.log();
    let address = log
        .split("http://")
        .nth(1)
        .and_then(|rest| rest.split('/').next());
    let mut stream = TcpStream::connect(address.unwrap()).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: st\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let code = text.split(' ').nth(1).unwrap().parse().unwrap();
    let body = text.split("\r\n\r\n").nth(1).unwrap().to_owned();
    (code, body)
}

#[test]
fn health_and_metrics_are_served_as_they_are_published() {
    let house = House::new(&Settings {
        more: LISTEN,
        ..Settings::default()
    });
    let (running, witness) = house.start();
    house.trigger(1, "good");
    house.trigger(2, "bad");
    witness.next("health", |health| health["triggers"] == 2);
    let (code, state) = get(&running, "/healthz");
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    assert_eq!(
        (code, &state["state"]),
        (200, &"continuous_execution".into())
    );
    let (code, metrics) = get(&running, "/metrics");
    assert_eq!(code, 200);
    for line in [
        "# TYPE taktgate_triggers counter",
        "taktgate_triggers_total{station=\"st\"} 2",
        "taktgate_ok_total{station=\"st\"} 1",
        "taktgate_ng_total{station=\"st\"} 1",
        "taktgate_takes_parts{station=\"st\"} 1",
        "# EOF",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "no `{line}` in {metrics}"
        );
    }
    house.command("halt", r#"{"schema":1}"#);
    assert_eq!(get(&running, "/healthz").0, 503);
    assert_eq!(get(&running, "/nothing").0, 404);
}

#[test]
fn systemd_is_told_that_the_station_is_ready_alive_and_leaving() {
    let house = House::new(&Settings::default());
    let path = house.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let hear = |wanted: &str| {
        let until = Instant::now() + Duration::from_secs(30);
        let mut bytes = [0; 1024];
        while Instant::now() < until {
            let length = socket.recv(&mut bytes).unwrap();
            let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
            if text.lines().any(|line| line == wanted) {
                return text;
            }
        }
        panic!("systemd was never told `{wanted}`");
    };
    let _witness = Witness::start(house.broker.port());
    let mut command = taktgate();
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "400000");
    let mut running = house.run_with(&mut command);
    hear("READY=1");
    let alive = hear("WATCHDOG=1");
    assert!(
        alive.contains("STATUS=continuous_execution: golden vectors"),
        "{alive}"
    );
    hear("WATCHDOG=1");
    running.signal("-TERM");
    hear("STOPPING=1");
    assert!(running.wait().success());
}
