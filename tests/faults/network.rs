//! What brokers and networks do.

use std::time::{Duration, Instant};

use crate::bench::{Bench, Row, Scale, as_seen, as_seen_or};
use crate::house::Settings;
use crate::proxy::{Weather, pause};

impl Bench {
    /// Cuts the station off, kills the broker, starts it again and waits for the subscriber, so that
    /// what the station says next is heard.
    pub(crate) fn restart_broker(&mut self) {
        self.proxy.set(Weather::Closed);
        self.house.kill_broker();
        let until = Instant::now() + Duration::from_secs(10);
        while self.house.broker.check().is_ok() && Instant::now() < until {
            pause(Duration::from_millis(20));
        }
        // The line goes on meanwhile, and has no broker to announce to.
        assert!(!self.announce("good"), "the broker is still there");
        self.house.broker.mind().unwrap();
        self.wait_for_witness();
    }
}

/// A part is on its way whenever the broker goes, and a few come before and after.
fn restarts(scale: Scale, fault: &'static str, correct: &'static str, settings: &Settings) -> Row {
    let mut bench = Bench::new(settings);
    let n_times = scale.of(2, 20);
    for _ in 0..n_times {
        bench.one_by_one(3);
        bench.announce("bad");
        bench.restart_broker();
        bench.proxy.set(Weather::Fair);
        bench.wait_for_state("continuous_execution");
        bench.one_by_one(3);
    }
    bench
        .account(fault, correct, n_times, as_seen)
        .nothing_lost()
}

pub(crate) fn broker_restarted(scale: Scale) -> Row {
    let correct = "what the broker has taken is answered once, or not at all; records follow";
    let fault = "broker killed and started again";
    restarts(scale, fault, correct, &Settings::default())
}

pub(crate) fn broker_without_its_session(scale: Scale) -> Row {
    let correct = "as above; the station subscribes anew and sends what was not acknowledged";
    let settings = Settings {
        is_broker_persistent: false,
        ..Settings::default()
    };
    restarts(
        scale,
        "broker restarted without its session",
        correct,
        &settings,
    )
}

pub(crate) fn connection_cut(scale: Scale) -> Row {
    let mut bench = Bench::new(&Settings::default());
    let n_times = scale.of(5, 100);
    for _ in 0..n_times {
        bench.announce("good");
        bench.announce("bad");
        bench.proxy.cut();
        // The broker keeps the station's session for five seconds: what was announced is not lost.
        bench.wait_for_state("continuous_execution");
    }
    bench.one_by_one(2);
    let correct = "every part is answered, or its verdict has expired; never twice";
    let row = bench.account("connection cut", correct, n_times, as_seen);
    row.nothing_lost()
}

pub(crate) fn half_open(scale: Scale) -> Row {
    let mut bench = Bench::new(&Settings {
        deadline_ms: 2_000,
        ..Settings::default()
    });
    let n_times = scale.of(1, 10);
    for _ in 0..n_times {
        bench.one_by_one(2);
        bench.proxy.set(Weather::Dead);
        bench.announce("good");
        bench.wait_for_state("offline");
        bench.proxy.cut();
        bench.proxy.set(Weather::Fair);
        bench.wait_for_state("continuous_execution");
        bench.one_by_one(2);
    }
    let correct =
        "found after twice the keep-alive; the line sees `offline`; stale triggers are forgotten";
    let row = bench.account("half-open TCP", correct, n_times, as_seen_or("deadline"));
    row.nothing_lost()
}

pub(crate) fn slow_network(scale: Scale) -> Row {
    let mut bench = Bench::new(&Settings::default());
    bench.proxy.delay(Duration::from_millis(200));
    let n_parts = scale.of(6, 200);
    bench.one_by_one(n_parts);
    bench.proxy.delay(Duration::ZERO);
    let correct = "every part is answered in time";
    let row = bench.account("every piece 200 ms late", correct, n_parts, as_seen);
    row.all_answered()
}

pub(crate) fn stalled_network(scale: Scale) -> Row {
    let mut bench = Bench::new(&Settings {
        deadline_ms: 2_000,
        ..Settings::default()
    });
    let n_times = scale.of(1, 10);
    for _ in 0..n_times {
        bench.one_by_one(2);
        bench.announce("good");
        bench.proxy.set(Weather::Dead);
        pause(Duration::from_secs(5));
        bench.proxy.set(Weather::Fair);
        bench.one_by_one(2);
    }
    let correct = "what expired meanwhile is never said; what comes after it is answered";
    let row = bench.account(
        "network stalled for 5 s",
        correct,
        n_times,
        as_seen_or("deadline"),
    );
    row.nothing_lost()
}

pub(crate) fn slow_subscriber(scale: Scale) -> Row {
    let mut bench = Bench::new(&Settings::default());
    let sleeper = bench.sleeping_subscriber();
    let n_parts = scale.of(20, 500);
    bench.one_by_one(n_parts);
    drop(sleeper);
    let correct = "the others hear every verdict in time";
    let row = bench.account("a subscriber that reads nothing", correct, 1, as_seen);
    row.all_answered()
}
