//! What brokers and networks do.

use std::time::{Duration, Instant};

use crate::account::{HeldUp, Row, as_seen, as_seen_or};
use crate::bench::{Bench, Scale};
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
    let n_times = scale.of(2, 10);
    for _ in 0..n_times {
        bench.one_by_one(3);
        bench.announce_cut_off("bad");
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
    // The broker keeps the station's session for five seconds: what was announced is not lost.
    let correct = "every part is answered, or its verdict has expired; never twice";
    let bench = Bench::new(&Settings::default());
    cuts(bench, scale.of(5, 30), "connection cut", correct)
}

pub(crate) fn connection_cut_v311(scale: Scale) -> Row {
    let mut bench = Bench::stopped(&Settings::default());
    bench.rewrite("[mqtt]\n", "[mqtt]\nprotocol = \"3.1.1\"\n");
    bench.start();
    let correct =
        "likewise, without a session in the broker; the station itself drops what expires";
    cuts(
        bench,
        scale.of(5, 10),
        "connection cut, MQTT 3.1.1",
        correct,
    )
}

fn cuts(mut bench: Bench, n_times: u32, fault: &'static str, correct: &'static str) -> Row {
    for _ in 0..n_times {
        bench.announce_cut_off("good");
        bench.announce_cut_off("bad");
        bench.proxy.cut();
        bench.wait_for_state("continuous_execution");
    }
    bench.one_by_one(2);
    bench
        .account(fault, correct, n_times, as_seen)
        .nothing_lost()
}

pub(crate) fn half_open(scale: Scale) -> Row {
    let mut bench = Bench::new(&Settings {
        deadline_ms: 2_000,
        ..Settings::default()
    });
    let n_times = scale.of(1, 5);
    for _ in 0..n_times {
        bench.one_by_one(2);
        bench.proxy.set(Weather::Dead);
        bench.announce_cut_off("good");
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
    let mut bench = Bench::new(&Settings {
        deadline_ms: 2_000,
        ..Settings::default()
    });
    bench.proxy.delay(Duration::from_millis(200));
    let n_parts = scale.of(6, 200);
    bench.one_by_one(n_parts);
    bench.proxy.delay(Duration::ZERO);
    let correct = "every part is answered in time";
    let row = bench.account("every piece 200 ms late", correct, n_parts, as_seen);
    row.all_answered()
}

/// What TCP holds, neither broker nor station can take back: the line's own timer is what rejects it.
pub(crate) fn stalled_trigger(scale: Scale) -> Row {
    let correct =
        "its part is answered late, and the line's own timer has rejected it; the next is in time";
    let fault = "network stalled for 5 s with a trigger in it";
    stalls(scale, fault, correct, |bench| {
        bench.proxy.set(Weather::Dead);
        bench.announce_held_up("good", HeldUp::Trigger);
        pause(Duration::from_secs(5));
    })
}

pub(crate) fn stalled_verdict(scale: Scale) -> Row {
    let correct = "it comes late and says itself that it has expired; the next is in time";
    let fault = "network stalled for 3 s with a verdict in it";
    stalls(scale, fault, correct, |bench| {
        bench.house.hold("good");
        bench.announce_held_up("good", HeldUp::Verdict);
        // The broker has the trigger; the station has it a moment later.
        pause(Duration::from_millis(100));
        bench.proxy.set(Weather::Dead);
        bench.house.restore("good");
        pause(Duration::from_secs(3));
    })
}

fn stalls(
    scale: Scale,
    fault: &'static str,
    correct: &'static str,
    stall: impl Fn(&mut Bench),
) -> Row {
    let mut bench = Bench::new(&Settings {
        deadline_ms: 2_000,
        ..Settings::default()
    });
    let n_times = scale.of(1, 10);
    for _ in 0..n_times {
        bench.one_by_one(2);
        stall(&mut bench);
        bench.proxy.set(Weather::Fair);
        bench.one_by_one(2);
    }
    bench
        .account(fault, correct, n_times, as_seen_or("deadline"))
        .nothing_lost()
}

pub(crate) fn slow_subscriber(scale: Scale) -> Row {
    let mut bench = Bench::new(&Settings {
        deadline_ms: 2_000,
        ..Settings::default()
    });
    let sleeper = bench.sleeping_subscriber();
    let n_parts = scale.of(20, 500);
    bench.one_by_one(n_parts);
    drop(sleeper);
    let correct = "the others hear every verdict in time";
    let row = bench.account("a subscriber that reads nothing", correct, 1, as_seen);
    row.all_answered()
}
