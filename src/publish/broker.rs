//! A mosquitto of our own for plants and demos without a broker, minded as a child process.
//!
//! Why a child and not a broker in this process: rumqttd costs five minutes of build time, keeps
//! nothing on disk, never sets `TCP_NODELAY` (40 ms for two messages in a row) and drags an old web
//! stack along. mosquitto is 0.7 MB, is there in every distribution, starts in milliseconds, has
//! real persistence, TLS and access lists, and its faults end at its own process.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use tracing::{debug, warn};

use super::mosquitto::Process;

/// So often another free port is tried when somebody else was faster.
const PORT_TRIES: usize = 5;

/// How to run a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerSettings {
    /// The port, or a free one.
    pub port: Option<u16>,
    /// Where it listens; only loopback unless somebody writes otherwise.
    pub bind: IpAddr,
    /// Its folder: the configuration and, with persistence, its database.
    pub data_dir: PathBuf,
    /// Whether retained messages and sessions survive a restart.
    pub is_persistent: bool,
    /// More lines of mosquitto.conf: TLS, passwords, access lists.
    pub lines: Vec<String>,
}

impl BrokerSettings {
    /// A broker for this machine only, on a free port, without persistence.
    pub fn local(data_dir: &Path) -> Self {
        Self {
            port: None,
            bind: Ipv4Addr::LOCALHOST.into(),
            data_dir: data_dir.to_owned(),
            is_persistent: false,
            lines: Vec::new(),
        }
    }
}

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Not installed.
    #[error(
        "mosquitto is not installed: neither in PATH nor in /usr/sbin; run `apt-get install mosquitto` or name another broker"
    )]
    NotInstalled,
    /// A file cannot be written.
    #[error("the broker's `{path}` cannot be written")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// No port to listen on.
    #[error("no free port on {bind}")]
    Port {
        /// Where.
        bind: IpAddr,
        /// The cause.
        source: io::Error,
    },
    /// The process cannot be started.
    #[error("`{program}` cannot be started")]
    Spawn {
        /// The program.
        program: String,
        /// The cause.
        source: io::Error,
    },
    /// It ended by itself.
    #[error("mosquitto on port {port} ended by itself; its last words: {last_words}")]
    Died {
        /// Its port.
        port: u16,
        /// From its log.
        last_words: String,
    },
    /// It does not listen.
    #[error(
        "mosquitto on port {port} does not answer after {waited_s} s; its last words: {last_words}"
    )]
    Silent {
        /// Its port.
        port: u16,
        /// How long was waited.
        waited_s: u64,
        /// From its log.
        last_words: String,
    },
}

/// What [`Broker::mind`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Minded {
    /// It runs.
    Alive,
    /// It had died; a new one runs on the same port.
    Restarted,
}

/// A running mosquitto; it ends when this is dropped, and when our process dies.
#[derive(Debug)]
pub struct Broker {
    settings: BrokerSettings,
    port: u16,
    process: Process,
}

impl Broker {
    /// Starts mosquitto and waits until it takes connections.
    ///
    /// # Errors
    /// [`BrokerError`] says what to install or to change.
    pub fn start(settings: BrokerSettings) -> Result<Self, BrokerError> {
        let mut tries = PORT_TRIES;
        loop {
            let port = settings.port.map_or_else(|| free_port(settings.bind), Ok)?;
            tries -= 1;
            match start(&settings, port) {
                Ok(process) => {
                    return Ok(Self {
                        settings,
                        port,
                        process,
                    });
                }
                // Between asking for a free port and using it, somebody else may take it.
                Err(BrokerError::Died { last_words, .. })
                    if settings.port.is_none() && tries != 0 =>
                {
                    debug!(port, last_words, "trying another port");
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// [`BrokerError::Died`] with its last words if it does not.
    pub fn check(&mut self) -> Result<(), BrokerError> {
        if self.process.has_ended() {
            let last_words = self.process.last_words();
            return Err(BrokerError::Died {
                port: self.port,
                last_words,
            });
        }
        Ok(())
    }

    /// Looks after it: starts it again on the same port if it died.
    ///
    /// # Errors
    /// [`BrokerError`] if it died and cannot be started again.
    pub fn mind(&mut self) -> Result<Minded, BrokerError> {
        let Err(error) = self.check() else {
            return Ok(Minded::Alive);
        };
        warn!(%error, "starting it again");
        self.process = start(&self.settings, self.port)?;
        Ok(Minded::Restarted)
    }
}

fn start(settings: &BrokerSettings, port: u16) -> Result<Process, BrokerError> {
    let config = write_config(settings, port)?;
    Process::start(&config, SocketAddr::new(reachable(settings.bind), port))
}

fn write_config(settings: &BrokerSettings, port: u16) -> Result<PathBuf, BrokerError> {
    let file = |path: &Path| {
        let path = path.to_owned();
        move |source| BrokerError::File { path, source }
    };
    let folder = &settings.data_dir;
    fs::create_dir_all(folder).map_err(file(folder))?;
    let path = folder.join("mosquitto.conf");
    fs::write(&path, config(settings, port)).map_err(file(&path))?;
    Ok(path)
}

fn config(settings: &BrokerSettings, port: u16) -> String {
    let mut lines = vec![
        "# written by taktgate at every start".to_owned(),
        format!("listener {port} {}", settings.bind),
        // Else two messages in a row wait 40 ms for each other's acknowledgement.
        "set_tcp_nodelay true".to_owned(),
        // Of a storm of triggers it would else keep the first thousand for a station.
        "max_queued_messages 20000".to_owned(),
        "log_dest stderr".to_owned(),
        "log_type error".to_owned(),
        "log_type warning".to_owned(),
        "log_type notice".to_owned(),
        // Says when it runs.
        "log_type information".to_owned(),
        // Nothing that a station sends is larger; a larger trigger is to reach it and be refused.
        "max_packet_size 4194304".to_owned(),
        "max_inflight_messages 100".to_owned(),
        // Our own user: a change of user would lose our folder and the signal at our death.
        "user root".to_owned(),
    ];
    if !settings
        .lines
        .iter()
        .any(|line| line.trim_start().starts_with("password_file"))
    {
        lines.push("allow_anonymous true".to_owned());
    }
    if settings.is_persistent {
        lines.push("persistence true".to_owned());
        lines.push(format!(
            "persistence_location {}/",
            settings.data_dir.display()
        ));
        // Saving on changes instead makes it 50 times slower.
        lines.push("autosave_interval 60".to_owned());
    }
    lines.extend(settings.lines.iter().cloned());
    lines.push(String::new());
    lines.join("\n")
}

fn free_port(bind: IpAddr) -> Result<u16, BrokerError> {
    TcpListener::bind((bind, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|source| BrokerError::Port { bind, source })
}

/// Where a broker that listens on `bind` can be reached from here.
fn reachable(bind: IpAddr) -> IpAddr {
    if bind.is_unspecified() {
        Ipv4Addr::LOCALHOST.into()
    } else {
        bind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_broker_is_open_to_this_machine_only() {
        let settings = BrokerSettings::local(Path::new("/tmp/broker"));
        let text = config(&settings, 1883);
        assert!(text.contains("listener 1883 127.0.0.1\n"));
        assert!(text.contains("allow_anonymous true"));
        assert!(!text.contains("autosave_on_changes") && !text.contains("persistence"));
        let lines = vec!["password_file /tmp/passwords".to_owned()];
        assert!(!config(&BrokerSettings { lines, ..settings }, 1883).contains("anonymous"));
    }
}
