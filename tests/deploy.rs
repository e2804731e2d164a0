//! What lies in `deploy/` works as it lies there: the access list role by role on a real mosquitto, the
//! broker's configuration with real certificates, the unit by systemd's own checker.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::print_stderr, reason = "what a test skips is said aloud")]

#[path = "publish/certificates.rs"]
mod certificates;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use certificates::Authority;
use taktgate::publish::{Broker, BrokerSettings};

const LINE: &str = "taktgate/acme/ulm/body/line-3";
const VERBS: [&str; 8] = [
    "prepare_recipe",
    "unprepare_recipe",
    "start_single_job",
    "start_continuous",
    "stop",
    "abort",
    "halt",
    "reset",
];
const STATUS: [&str; 3] = ["state", "health", "event"];
/// Sees everything, and belongs to the test alone.
const WITNESS: &str = "witness";

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(file)
}

/// A role, what it may say and what it may hear below its line.
struct Role {
    user: &'static str,
    says: BTreeSet<String>,
    hears: BTreeSet<String>,
}

fn roles() -> Vec<Role> {
    let of = |station: &str, leaves: &[&str]| -> BTreeSet<String> {
        leaves
            .iter()
            .map(|leaf| format!("{station}/{leaf}"))
            .collect()
    };
    let both = |leaves: &[&str]| &of("st-07", leaves) | &of("st-08", leaves);
    let verbs: Vec<String> = VERBS.iter().map(|verb| format!("cmd/{verb}")).collect();
    let verbs: Vec<&str> = verbs.iter().map(String::as_str).collect();
    let station_says = [
        "verdict",
        "verdict/plc",
        "record",
        "state",
        "health",
        "event",
        "cmd/response",
        "cmd/response/panel",
    ];
    let station_hears = [verbs.as_slice(), &["cmd/trigger", "ack"]].concat();
    vec![
        Role {
            user: "st-07",
            says: of("st-07", &station_says),
            hears: of("st-07", &station_hears),
        },
        Role {
            user: "line-3",
            says: both(&["cmd/trigger", "ack"]),
            hears: both(&[&["verdict", "verdict/plc"], STATUS.as_slice()].concat()),
        },
        Role {
            user: "panel-3",
            says: both(&verbs),
            hears: both(
                &[
                    &["verdict", "record", "cmd/response", "cmd/response/panel"],
                    STATUS.as_slice(),
                ]
                .concat(),
            ),
        },
        Role {
            user: "archive",
            says: BTreeSet::new(),
            hears: both(&[&["record"], STATUS.as_slice()].concat()),
        },
        Role {
            user: "stranger",
            says: BTreeSet::new(),
            hears: BTreeSet::new(),
        },
    ]
}

/// Every leaf of two stations.
fn leaves() -> Vec<String> {
    let fixed = [
        "cmd/trigger",
        "ack",
        "cmd/response",
        "cmd/response/panel",
        "verdict",
        "verdict/plc",
        "record",
        "state",
        "health",
        "event",
    ];
    let verbs = VERBS.iter().map(|verb| format!("cmd/{verb}"));
    let leaves: Vec<String> = fixed.iter().map(ToString::to_string).chain(verbs).collect();
    let of = |station: &'static str| leaves.iter().map(move |leaf| format!("{station}/{leaf}"));
    of("st-07").chain(of("st-08")).collect()
}

fn broker(folder: &Path) -> Broker {
    let passwords = folder.join("passwords");
    let users = roles();
    let users = users.iter().map(|role| role.user).chain([WITNESS]);
    for user in users {
        fs::File::options()
            .create(true)
            .append(true)
            .open(&passwords)
            .unwrap();
        let status = Command::new("mosquitto_passwd")
            .arg("-b")
            .arg(&passwords)
            .args([user, "secret"])
            .status();
        assert!(status.unwrap().success());
    }
    let acl = fs::read_to_string(deploy("mosquitto/taktgate.acl")).unwrap();
    let acl_file = folder.join("acl");
    fs::write(&acl_file, format!("{acl}\nuser {WITNESS}\ntopic read #\n")).unwrap();
    // mosquitto drops its rights to a user of its own where it is started by root.
    for path in [&passwords, &acl_file] {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    }
    Broker::start(BrokerSettings {
        lines: vec![
            format!("password_file {}", passwords.display()),
            format!("acl_file {}", acl_file.display()),
        ],
        ..BrokerSettings::local(&folder.join("broker"))
    })
    .unwrap()
}

/// A subscriber to everything, as far as it is let; started, it is subscribed.
struct Reader {
    child: Child,
    lines: Receiver<String>,
}

impl Reader {
    fn start(port: u16, user: &str) -> Self {
        // With `-d` it says when it is subscribed, and with whole lines at once.
        let mut child = Command::new("stdbuf")
            .args(["-oL", "mosquitto_sub", "-d"])
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1"])
            .args(["-u", user, "-P", "secret"])
            .args(["-t", "taktgate/#", "-F", "%t %p"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let is_subscribed = |line: std::io::Result<String>| line.unwrap().starts_with("Subscribed");
        assert!(said.any(is_subscribed), "`{user}` was not subscribed");
        let (sink, lines) = sync_channel(10_000);
        std::thread::spawn(move || {
            for line in said.map_while(Result::ok) {
                if line.starts_with(LINE) && sink.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// All that it has heard until a second of silence, as `<who said it>` and `<leaf>`.
    fn heard(&self) -> BTreeSet<(String, String)> {
        let mut heard = BTreeSet::new();
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(1)) {
            let (topic, who) = line.split_once(' ').unwrap();
            let leaf = topic.strip_prefix(LINE).unwrap().trim_start_matches('/');
            heard.insert((who.to_owned(), leaf.to_owned()));
        }
        heard
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).ok();
    }
}

/// Says something below the line with `words` of its own; whether the broker took it.
fn publish(port: u16, leaf: &str, words: &[&str]) -> bool {
    let status = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port.to_string()])
        .args(["-V", "5", "-q", "1", "-t", &format!("{LINE}/{leaf}")])
        .args(words)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .status();
    status.unwrap().success()
}

#[test]
fn every_role_says_and_hears_its_leaves_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path());
    let roles = roles();
    let readers: Vec<Reader> = roles
        .iter()
        .map(|role| Reader::start(broker.port(), role.user))
        .collect();
    let witness = Reader::start(broker.port(), WITNESS);
    for role in &roles {
        for leaf in leaves() {
            // A broker that refuses says so by an exit code or not at all: what is heard counts.
            let words = ["-u", role.user, "-P", "secret", "-m", role.user];
            publish(broker.port(), &leaf, &words);
        }
    }
    let heard = witness.heard();
    let allowed: BTreeSet<(String, String)> = roles
        .iter()
        .flat_map(|role| {
            role.says
                .iter()
                .map(|leaf| (role.user.to_owned(), leaf.clone()))
        })
        .collect();
    assert_eq!(heard, allowed, "who may say what");
    for (role, reader) in roles.iter().zip(&readers) {
        let expected: BTreeSet<_> = allowed
            .iter()
            .filter(|(_, leaf)| role.hears.contains(leaf))
            .cloned()
            .collect();
        assert_eq!(reader.heard(), expected, "what `{}` may hear", role.user);
    }
}

#[test]
fn the_access_list_names_every_leaf_of_the_contract() {
    let acl = fs::read_to_string(deploy("mosquitto/taktgate.acl")).unwrap();
    for verb in taktgate::publish::Verb::ALL {
        assert!(VERBS.contains(&verb.word()), "{verb}");
        assert_eq!(
            acl.matches(&format!("/cmd/{verb}\n")).count(),
            2,
            "{verb}: a station hears it, a panel says it"
        );
    }
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
    let publish = |words: &[&str]| publish(port, "st-07/event", &[words, &["-m", "{}"]].concat());
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
