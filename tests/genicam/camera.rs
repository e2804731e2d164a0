//! The fake camera as a process of its own, in a network of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const SERIAL: &str = "TKT001";
pub(crate) const DEVICE: &str = "Aravis-Fake-TKT001";

/// Set inside the network of the test.
const INSIDE: &str = "TAKTGATE_OWN_NETWORK";
/// Set where a skipped test is a failed one.
const REQUIRED: &str = "TAKTGATE_GENICAM";

/// Loopback only, with room before its rule for one that cuts a cable.
const LOOPBACK: &str =
    "ip link set lo up && ip rule add pref 10 lookup local && ip rule del pref 0 && exec \"$@\"";

/// Runs a test of this binary again in a network of its own, where only its loopback is.
pub(crate) fn in_own_network(name: &str, test: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        test();
        return;
    }
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net"]);
        command
    };
    let is_possible = |program: &mut Command| {
        let output = program.stdout(Stdio::null()).stderr(Stdio::null()).status();
        output.is_ok_and(|status| status.success())
    };
    let missing = if !is_possible(unshare().args(["ip", "link", "set", "lo", "up"])) {
        "this user may not make a network (`unshare --user --net`)"
    } else if !is_possible(Command::new("arv-fake-gv-camera-0.8").arg("--help")) {
        "arv-fake-gv-camera-0.8 is missing (apt-get install aravis-tools)"
    } else {
        ""
    };
    if !missing.is_empty() {
        assert!(std::env::var_os(REQUIRED).is_none(), "{missing}");
        eprintln!("skipped: {missing}");
        return;
    }
    let status = unshare()
        .args(["sh", "-c", LOOPBACK, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--include-ignored"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{name} failed in its own network");
}

/// A running camera; killed when the test ends.
pub(crate) struct FakeCamera {
    child: Child,
    log: PathBuf,
}

impl FakeCamera {
    /// Starts a camera, whose own log is the witness of what it sent.
    pub(crate) fn start(folder: &Path, number: usize) -> Self {
        let log = folder.join(format!("camera-{number}.log"));
        let file = fs::File::create(&log).unwrap();
        let child = Command::new("arv-fake-gv-camera-0.8")
            .args([
                "-i",
                "127.0.0.1",
                "-s",
                SERIAL,
                "-d",
                "stream-thread:3,device:2",
            ])
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        let camera = Self { child, log };
        let until = Instant::now() + Duration::from_secs(20);
        while !fs::read_to_string(&camera.log)
            .unwrap()
            .contains("Listening to")
        {
            assert!(Instant::now() < until, "the fake camera does not listen");
            std::thread::park_timeout(Duration::from_millis(5));
        }
        camera
    }

    /// The numbers of the frames that it sent, in their order.
    pub(crate) fn sent(&self) -> Vec<u64> {
        let text = fs::read_to_string(&self.log).unwrap();
        text.lines()
            .filter_map(|line| line.split_once("Send frame ")?.1.trim().parse().ok())
            .collect()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(status.success(), "kill {signal}");
    }
}

impl Drop for FakeCamera {
    fn drop(&mut self) {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = killed {
            eprintln!("the camera was gone already: {error}");
        }
    }
}

/// Cuts the camera's cable: nothing of GigE Vision (UDP) goes anywhere, and MQTT (TCP) goes on.
pub(crate) fn unplug() {
    rule(&["add", "pref", "5", "ipproto", "udp", "blackhole"]);
}

pub(crate) fn plug_in() {
    rule(&["del", "pref", "5"]);
}

fn rule(words: &[&str]) {
    let status = Command::new("ip").arg("rule").args(words).status().unwrap();
    assert!(status.success(), "ip rule {words:?}");
}
