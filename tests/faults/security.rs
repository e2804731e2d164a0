//! Certificates that are not right: the station stays out and says why, and comes in when they are.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use crate::account::{Row, as_seen};
use crate::bench::{Bench, Scale, TLS_PORT};
use crate::certificates::Authority;
use crate::house::Settings;

const TLS: &str = "[mqtt.tls]\nca = \"secret/ca.pem\"\ncertificate = \"secret/st.pem\"\nkey = \"secret/st.key\"\n";

/// A second listener of the broker, for the station alone, with certificates of its own authority.
fn listener(folder: &Path) -> Vec<String> {
    let secret = folder.join("secret");
    fs::create_dir_all(&secret).unwrap();
    let authority = Authority::new("plant");
    authority.write(&secret);
    authority.issue(&secret, "broker", 2100);
    authority.issue(&secret, "st", 2100);
    // What is wrong lies beside what is right, to be exchanged.
    authority.issue(&secret, "broker-expired", 2020);
    Authority::new("foreign").issue(&secret, "st-foreign", 2100);
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = port.local_addr().unwrap().port();
    fs::write(folder.join(TLS_PORT), port.to_string()).unwrap();
    let file = |name: &str| secret.join(name).display().to_string();
    vec![
        format!("listener {port} 127.0.0.1"),
        format!("cafile {}", file("ca.pem")),
        format!("certfile {}", file("broker.pem")),
        format!("keyfile {}", file("broker.key")),
        "require_certificate true".to_owned(),
    ]
}

impl Bench {
    /// Exchanges two certificates and their keys.
    fn exchange(&self, one: &str, other: &str) {
        for end in ["pem", "key"] {
            let path = |name: &str| self.house.path(&format!("secret/{name}.{end}"));
            fs::rename(path(one), path("kept")).unwrap();
            fs::rename(path(other), path(one)).unwrap();
            fs::rename(path("kept"), path(other)).unwrap();
        }
    }
}

fn tls() -> Settings {
    Settings {
        more: TLS,
        broker_lines: listener,
        ..Settings::default()
    }
}

pub(crate) fn server_certificate_expired(scale: Scale) -> Row {
    let mut bench = Bench::stopped(&tls());
    bench.start();
    let n_times = scale.of(1, 5);
    for _ in 0..n_times {
        bench.one_by_one(2);
        bench.forget_log();
        bench.exchange("broker", "broker-expired");
        bench.restart_broker();
        bench.proxy.set(crate::proxy::Weather::Fair);
        bench.announce_cut_off("good");
        bench.wait_for_log("certificate expired");
        bench.exchange("broker", "broker-expired");
        bench.restart_broker();
        bench.proxy.set(crate::proxy::Weather::Fair);
        bench.wait_for_state("continuous_execution");
        bench.one_by_one(2);
    }
    let correct =
        "does not connect and says why; comes in by itself when the certificate is renewed";
    let row = bench.account("expired server certificate", correct, n_times, as_seen);
    row.nothing_lost()
}

pub(crate) fn client_certificate_foreign(scale: Scale) -> Row {
    let mut bench = Bench::stopped(&tls());
    let n_times = scale.of(1, 5);
    for _ in 0..n_times {
        bench.exchange("st", "st-foreign");
        bench.forget_log();
        bench.running = Some(bench.house.run());
        bench.announce_cut_off("good");
        bench.wait_for_log("certificate");
        bench.exchange("st", "st-foreign");
        bench.wait_for_state("continuous_execution");
        bench.one_by_one(2);
        bench.kill("-TERM");
    }
    bench.start();
    bench.one_by_one(1);
    let correct = "the broker lets it not in, and it says why; comes in when its files are right";
    let row = bench.account(
        "client certificate of a foreign authority",
        correct,
        n_times,
        as_seen,
    );
    row.nothing_lost()
}
