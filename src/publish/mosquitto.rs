//! The mosquitto process: finding it, starting it so that it dies with us, reading its log.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::{debug, info, warn};

use super::broker::BrokerError;

/// So long a broker may take until it listens.
const PATIENCE: Duration = Duration::from_secs(10);

/// A broker that has just started misses its signal: it is asked again, and in the end killed.
const TERM_AGAIN: Duration = Duration::from_millis(500);
const TERM_TRIES: usize = 10;

/// Lines of the broker's log that an error shows.
const LAST_WORDS: usize = 5;

/// A running mosquitto; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    // Says once that it runs, and closes at its end.
    is_up: Receiver<()>,
    last_words: LastWords,
}

type LastWords = Arc<Mutex<VecDeque<String>>>;

impl Process {
    /// Starts it with this configuration and waits until `address` takes connections.
    pub(super) fn start(config: &Path, address: SocketAddr) -> Result<Self, BrokerError> {
        let program = find_mosquitto().ok_or(BrokerError::NotInstalled)?;
        let (child_out, child_in) = sync_channel(1);
        let (is_up_out, is_up) = sync_channel(1);
        let last_words = LastWords::default();
        let command = command(&program, config);
        let spawn = |source| BrokerError::Spawn {
            program: program.display().to_string(),
            source,
        };
        // The child's parent is this thread, not our process: it gets its signal when the thread
        // ends. So the thread that starts it also reads its log to the end.
        let heard = Arc::clone(&last_words);
        std::thread::Builder::new()
            .name("mosquitto".to_owned())
            .spawn(move || mind_child(command, &child_out, &is_up_out, &heard))
            .map_err(spawn)?;
        let child = child_in
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that starts it ended")))
            .map_err(spawn)?;
        let process = Self {
            child,
            is_up,
            last_words,
        };
        process.wait_until_up(address)?;
        info!(port = address.port(), pid = process.id(), "mosquitto runs");
        Ok(process)
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to end, so that it writes its database first; it is not reaped yet, so the id is its
    /// own.
    fn terminate(&self) -> bool {
        Command::new("kill")
            .args(["-TERM", &self.id().to_string()])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    pub(super) fn last_words(&self) -> String {
        let words = self
            .last_words
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if words.is_empty() {
            "none".to_owned()
        } else {
            words.join(" | ")
        }
    }

    fn wait_until_up(&self, address: SocketAddr) -> Result<(), BrokerError> {
        let port = address.port();
        // A connection alone proves nothing: somebody else may listen on the port.
        let is_up = match self.is_up.recv_timeout(PATIENCE) {
            Ok(()) => TcpStream::connect_timeout(&address, PATIENCE).is_ok(),
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(BrokerError::Died {
                    port,
                    last_words: self.last_words(),
                });
            }
        };
        if is_up {
            Ok(())
        } else {
            let (waited_s, last_words) = (PATIENCE.as_secs(), self.last_words());
            Err(BrokerError::Silent {
                port,
                waited_s,
                last_words,
            })
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        for _ in 0..TERM_TRIES {
            if self.has_ended() || !self.terminate() {
                break;
            }
            if let Err(RecvTimeoutError::Disconnected) = self.is_up.recv_timeout(TERM_AGAIN) {
                break;
            }
        }
        // What has ended already takes this as done.
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            warn!(%error, pid = self.child.id(), "mosquitto does not end");
        }
    }
}

fn mind_child(
    mut command: Command,
    child_out: &SyncSender<io::Result<Child>>,
    is_up: &SyncSender<()>,
    last_words: &LastWords,
) {
    let mut log = None;
    let started = command.spawn().map(|mut child| {
        log = child.stderr.take();
        child
    });
    if child_out.send(started).is_err() {
        return;
    }
    for line in log.into_iter().flat_map(|log| BufReader::new(log).lines()) {
        let Ok(line) = line else { break };
        debug!(target: "mosquitto", "{line}");
        // The second such line, if there ever is one, is no news.
        if line.contains("mosquitto version") && line.contains("running") {
            is_up.try_send(()).ok();
        }
        let mut words = last_words.lock().unwrap_or_else(PoisonError::into_inner);
        if words.len() == LAST_WORDS {
            words.pop_front();
        }
        words.push_back(line);
    }
}

fn command(program: &Path, config: &Path) -> Command {
    let setpriv = Path::new("/usr/bin/setpriv");
    let mut command = if setpriv.exists() {
        let mut command = Command::new(setpriv);
        command.args(["--pdeathsig", "TERM"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.arg("-c").arg(config);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    // Ctrl-C goes to the whole group of the terminal; the broker must outlive the station's goodbye.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}

fn find_mosquitto() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")])
        .map(|folder| folder.join("mosquitto"))
        .find(|program| program.is_file())
}
