//! What lies in `deploy/` works as it lies there: the access list role by role on a real mosquitto, the
//! broker's configuration with real certificates, the unit by systemd's own checker.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]
#![expect(clippy::print_stderr, reason = "what a test skips is said aloud")]

#[path = "deploy/access.rs"]
mod access;
#[path = "publish/certificates.rs"]
mod certificates;
#[path = "deploy/roles.rs"]
mod roles;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use certificates::Authority;

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(file)
}

/// Says something with `words` of its own; whether the broker took it.
fn publish(port: u16, topic: &str, words: &[&str]) -> bool {
    let status = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port.to_string()])
        .args(["-V", "5", "-q", "1", "-t", topic])
        .args(words)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .status();
    status.unwrap().success()
}

#[test]
fn the_brokers_configuration_lets_in_who_has_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let certs = folder.path().join("certs");
    fs::create_dir(&certs).unwrap();
    let authority = Authority::new("plant");
    authority.write(&certs);
    for name in ["broker", "st-07"] {
        authority.issue(&certs, name, 2100);
    }
    let text = fs::read_to_string(deploy("mosquitto/taktgate.conf")).unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    // Only places and the port are changed.
    let text = text
        .replace("listener 8883\n", &format!("listener {port} 127.0.0.1\n"))
        .replace("/etc/mosquitto/certs", certs.to_str().unwrap())
        .replace(
            "/etc/mosquitto/taktgate.acl",
            deploy("mosquitto/taktgate.acl").to_str().unwrap(),
        )
        .replace("/var/lib/mosquitto/", &format!("{}/", data.display()))
        .replace("log_dest syslog", "log_dest stderr");
    let file = folder.path().join("broker.conf");
    fs::write(&file, text).unwrap();
    let _broker = start(&file);
    let file = |name: &str| certs.join(name).display().to_string();
    let (ca, certificate, key) = (file("ca.pem"), file("st-07.pem"), file("st-07.key"));
    let ca = ["--cafile", &ca];
    let own = ["--cert", &certificate, "--key", &key];
    let event = format!("{}/st-07/event", roles::LINE);
    let publish = |words: &[&str]| publish(port, &event, &[words, &["-m", "{}"]].concat());
    assert!(publish(&[ca.as_slice(), own.as_slice()].concat()));
    assert!(!publish(&ca), "without a certificate");
    assert!(!publish(&[]), "in plain text");
}

/// A mosquitto that runs.
fn start(file: &Path) -> Ended {
    let mut broker = Ended(
        Command::new("mosquitto")
            .arg("-c")
            .arg(file)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let log = BufReader::new(broker.0.stderr.take().unwrap());
    let mut said = Vec::new();
    let is_up = log.lines().map_while(Result::ok).any(|line| {
        said.push(line.clone());
        line.contains("running")
    });
    assert!(is_up, "{said:?}");
    broker
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).ok();
    }
}

#[test]
fn systemd_finds_no_fault_in_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("taktgate@st-07.service");
    let text = fs::read_to_string(deploy("systemd/taktgate@.service")).unwrap();
    // The program need not be installed here.
    let text = text.replace("/usr/bin/taktgate", env!("CARGO_BIN_EXE_taktgate"));
    fs::write(&unit, &text).unwrap();
    let verify = |unit: &Path| {
        Command::new("systemd-analyze")
            .arg("verify")
            .arg("--man=no")
            .arg(unit)
            .output()
    };
    let Ok(output) = verify(&unit) else {
        eprintln!("SKIPPED: systemd-analyze is not installed");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let own: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("taktgate"))
        .collect();
    assert!(output.status.success() && own.is_empty(), "{said}");
    // The checker does look.
    fs::write(&unit, text.replace("Type=notify", "Type=later")).unwrap();
    let said = verify(&unit).unwrap().stderr;
    assert!(String::from_utf8_lossy(&said).contains("later"));
}
