//! The access list on a real mosquitto: every role against every topic, and a real edge node.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use taktgate::publish::{Broker, BrokerSettings, Connection, Sparkplug, SparkplugSettings};

use crate::roles::{VERBS, leaves_of_no_station, roles, topics};
use crate::{deploy, publish};

/// Says and sees everything, and belongs to the test alone.
const WITNESS: &str = "witness";
const PATIENCE: Duration = Duration::from_secs(20);

/// The shipped list after the lines of a README's block that begin with `command`, as a plant runs them.
fn access_list(folder: &Path, command: impl Fn(&str) -> bool) -> String {
    let file = folder.join("taktgate.acl");
    fs::copy(deploy("mosquitto/taktgate.acl"), &file).unwrap();
    let readme = fs::read_to_string(deploy("README.md")).unwrap();
    let commands: Vec<&str> = readme.lines().filter(|line| command(line)).collect();
    assert!(!commands.is_empty(), "the README has no such command");
    let script = commands.join("\n");
    let status = Command::new("sh")
        .args(["-e", "-c", &script])
        .current_dir(folder)
        .status();
    assert!(status.unwrap().success(), "{script}");
    fs::read_to_string(file).unwrap()
}

/// With a second station, as the README adds one.
fn broker(folder: &Path) -> Broker {
    let passwords = folder.join("passwords");
    fs::write(&passwords, "").unwrap();
    for user in roles().iter().map(|role| role.user).chain([WITNESS]) {
        let status = Command::new("mosquitto_passwd")
            .arg("-b")
            .arg(&passwords)
            .args([user, "secret"])
            .status();
        assert!(status.unwrap().success());
    }
    let acl = access_list(folder, |line| line.contains("st-08.acl"));
    let acl_file = folder.join("acl");
    fs::write(
        &acl_file,
        format!("{acl}\nuser {WITNESS}\ntopic readwrite #\n"),
    )
    .unwrap();
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
            .args(["-t", "#", "-F", "%t %p"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).split(b'\n');
        let is_subscribed =
            |line: std::io::Result<Vec<u8>>| line.unwrap().starts_with(b"Subscribed");
        assert!(said.any(is_subscribed), "`{user}` was not subscribed");
        let (sink, lines) = sync_channel(10_000);
        std::thread::spawn(move || {
            for line in said.map_while(Result::ok) {
                // A payload of the Sparkplug plane is no text.
                let line = String::from_utf8_lossy(&line).into_owned();
                let is_message = line.starts_with("taktgate/") || line.starts_with("spBv1.0/");
                if is_message && sink.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// All that it has heard until a second of silence, as `<who said it>` and `<topic>`.
    fn heard(&self) -> BTreeSet<(String, String)> {
        let mut heard = BTreeSet::new();
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(1)) {
            let (topic, who) = line.split_once(' ').unwrap();
            heard.insert((who.to_owned(), topic.to_owned()));
        }
        heard
    }

    /// Waits for the next message on `topic`.
    fn wait_for(&self, topic: &str) {
        let mut others = Vec::new();
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("nothing on `{topic}`, only {others:?}");
            };
            if line.split(' ').next() == Some(topic) {
                return;
            }
            others.push(line);
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).ok();
    }
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
    let topics = topics();
    assert!(roles.iter().all(|role| role.hears.is_subset(&topics)));
    let mut says: Vec<_> = roles.iter().map(|role| (role.user, &role.says)).collect();
    // So that there is something to hear of other lines.
    says.push((WITNESS, &topics));
    let mut allowed = BTreeSet::new();
    for (user, own) in says {
        let tried = &topics | &leaves_of_no_station();
        let tried = if user == WITNESS { &topics } else { &tried };
        for topic in tried {
            // A broker that refuses says so by an exit code or not at all: what is heard counts.
            publish(
                broker.port(),
                topic,
                &["-u", user, "-P", "secret", "-m", user],
            );
        }
        allowed.extend(own.iter().map(|topic| (user.to_owned(), topic.clone())));
    }
    let heard = witness.heard();
    let wrong: Vec<_> = heard.symmetric_difference(&allowed).collect();
    assert!(wrong.is_empty(), "who may say what: {wrong:#?}");
    for (role, reader) in roles.iter().zip(&readers) {
        let expected: BTreeSet<_> = allowed
            .iter()
            .filter(|(_, topic)| role.hears.contains(topic))
            .cloned()
            .collect();
        let heard = reader.heard();
        let wrong: Vec<_> = heard.symmetric_difference(&expected).collect();
        assert!(
            wrong.is_empty(),
            "what `{}` may hear: {wrong:#?}",
            role.user
        );
    }
}

#[test]
fn an_edge_node_and_its_host_need_no_more_than_the_list_gives() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path());
    let scada = Reader::start(broker.port(), "scada");
    let settings = SparkplugSettings::new("acme-hand-1", "st-07", "gate", Some("scada")).unwrap();
    let connection = Connection {
        credentials: Some(("st-07".to_owned(), "secret".to_owned())),
        ..Connection::plain("127.0.0.1", broker.port(), "taktgate-st-07")
    };
    let node = Sparkplug::start(connection, settings, &folder.path().join("bdseq")).unwrap();
    let scada_says = |topic: &str, words: &[&str]| {
        let words = [&["-u", "scada", "-P", "secret"], words].concat();
        assert!(publish(broker.port(), topic, &words), "{topic}");
    };
    let state = r#"{"online":true,"timestamp":1}"#;
    scada_says("spBv1.0/STATE/scada", &["-r", "-m", state]);
    scada.wait_for("spBv1.0/acme-hand-1/NBIRTH/st-07");
    scada.wait_for("spBv1.0/acme-hand-1/DBIRTH/st-07/gate");
    // One metric, `Node Control/Rebirth`, a boolean that is true.
    let command = folder.path().join("rebirth");
    fs::write(
        &command,
        b"\x12\x1a\x0a\x14Node Control/Rebirth\x20\x0b\x70\x01",
    )
    .unwrap();
    scada_says(
        "spBv1.0/acme-hand-1/NCMD/st-07",
        &["-f", command.to_str().unwrap()],
    );
    scada.wait_for("spBv1.0/acme-hand-1/NBIRTH/st-07");
    node.stop(PATIENCE).unwrap();
    scada.wait_for("spBv1.0/acme-hand-1/NDEATH/st-07");
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
fn a_plant_puts_its_own_line_in_with_the_command_of_the_readme() {
    let folder = tempfile::tempdir().unwrap();
    let acl = access_list(folder.path(), |line| line.starts_with("sed -i"));
    let rules = acl.lines().filter(|line| line.starts_with("topic "));
    for rule in rules {
        let topic = rule.rsplit(' ').next().unwrap();
        let is_ours = topic.starts_with("taktgate/works/hall/press/line-1/")
            || topic.starts_with("spBv1.0/works-press-1/")
            || topic == "spBv1.0/STATE/scada";
        assert!(is_ours, "{rule}");
    }
}
