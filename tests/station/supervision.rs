//! What a supervisor sees: `/healthz`, `/metrics`, and systemd's notify socket.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use taktgate::web::{CONNECTIONS_MAX, HEAD_MAX, REQUEST_MAX};

use crate::house::{House, Running, Settings, Witness, taktgate};

const LISTEN: &str = "[supervision]\nlisten = \"127.0.0.1:0\"\n";

/// A connection to the pages; whoever waits for an answer longer than this waits in vain.
fn connect(running: &Running) -> TcpStream {
    let log = running.log();
    let address = log
        .split("http://")
        .nth(1)
        .and_then(|rest| rest.split('/').next());
    let stream = TcpStream::connect(address.unwrap()).unwrap();
    stream.set_read_timeout(Some(4 * REQUEST_MAX)).unwrap();
    stream
}

fn get(running: &Running, path: &str) -> (u16, String) {
    let mut stream = connect(running);
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

/// The sockets that the station has open.
fn n_sockets(running: &Running) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{}/fd", running.child.id())).unwrap();
    // What is closed meanwhile has no link any more.
    let links = descriptors.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    links
        .filter(|link| link.to_string_lossy().starts_with("socket:"))
        .count()
}

/// What else comes over a connection until the station closes it; nothing if it never does.
fn rest_of(mut stream: TcpStream) -> Option<Vec<u8>> {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => Some(rest),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Some(rest),
        Err(_) => None,
    }
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
fn idle_and_slow_clients_keep_nobody_out_and_take_no_descriptors() {
    let house = House::new(&Settings {
        more: LISTEN,
        ..Settings::default()
    });
    let (running, witness) = house.start();
    let n_before = n_sockets(&running);
    // Half of them say nothing, half of them never come to the end of their request's head.
    let idle: Vec<TcpStream> = (0..300)
        .map(|number| {
            let mut stream = connect(&running);
            if number % 2 == 0 {
                // The station may have closed it already.
                drop(stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: st\r\nX-Pad: "));
            }
            stream
        })
        .collect();
    assert_eq!(get(&running, "/healthz").0, 200);
    let n_held = n_sockets(&running) - n_before;
    assert!(n_held <= CONNECTIONS_MAX, "{n_held} connections are held");
    house.trigger(1, "good");
    assert_eq!(witness.verdict(1)["verdict"], "ok");
    witness.next("record", |_| true);
    assert_eq!(get(&running, "/metrics").0, 200);
    for stream in idle {
        assert!(rest_of(stream).is_some(), "the station holds it for ever");
    }
    assert!(n_sockets(&running) <= n_before);
    assert_eq!(get(&running, "/healthz").0, 200);
}

#[test]
fn a_request_has_its_time_and_its_size() {
    let house = House::new(&Settings {
        more: LISTEN,
        ..Settings::default()
    });
    let (running, _witness) = house.start();
    // A byte now and then, so that the connection is never idle.
    let mut slow = connect(&running);
    slow.set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nX-Pad: ").unwrap();
    let start = Instant::now();
    let is_waiting = |read: std::io::Result<usize>| {
        read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    };
    while slow.write_all(b"x").is_ok() && is_waiting(slow.read(&mut [0])) {
        assert!(start.elapsed() < 4 * REQUEST_MAX, "a slow head is read on");
    }
    assert!(REQUEST_MAX / 2 < start.elapsed(), "{:?}", start.elapsed());

    let mut large = connect(&running);
    let head = format!("GET /healthz HTTP/1.1\r\nX-Pad: {}", "x".repeat(HEAD_MAX));
    large.write_all(&head.as_bytes()[..HEAD_MAX]).unwrap();
    let answer = rest_of(large).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
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
    // The loop turns before it takes parts.
    let alive = "STATUS=continuous_execution: golden vectors";
    let until = Instant::now() + Duration::from_secs(20);
    while !hear("WATCHDOG=1").contains(alive) {
        assert!(Instant::now() < until, "it is alive and takes no parts");
    }
    hear("WATCHDOG=1");
    running.signal("-TERM");
    hear("STOPPING=1");
    assert!(running.wait().success());
}
