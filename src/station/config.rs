//! The station file as written and checked: who the station is, where its things lie, how fast it answers.

mod cameras;
mod file;
mod sparkplug;
mod storage;
mod trigger;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::{self, Checks, ConfigError};
use crate::domain::Name;
use crate::model::{Provider, SessionOptions};
use crate::publish::{Connection, Protocol, SparkplugSettings, Tls, Topics};
use crate::record::ArchiveRules;

use super::doubt::Doubt;
use super::storage::AROUND_MAX;
use file::{
    BrokerFile, DeadlinesFile, MqttFile, OnnxRuntimeFile, ProtocolFile, StartFile, StationFile,
    loopback,
};

pub use cameras::{CameraConfig, SourceConfig};
pub use storage::{StorageConfig, WhenFull};
pub use trigger::{Motion, PresenceSettings, TriggerConfig};

const SCHEMA: u32 = 1;
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// A valid station file; all paths are absolute or relative to the current folder.
#[derive(Debug, Clone)]
pub struct Station {
    /// The station's name.
    pub name: String,
    /// The recipe files.
    pub recipes: Vec<PathBuf>,
    /// The folder of the model packages.
    pub models: PathBuf,
    /// The folder of the calibrations, one `<camera>.toml` each.
    pub calibrations: PathBuf,
    /// Where records and images go.
    pub data: PathBuf,
    /// The cameras.
    pub cameras: Vec<CameraConfig>,
    /// Whether the station starts and minds a broker of its own.
    pub broker_embedded: bool,
    /// How to reach the broker.
    pub connection: Connection,
    /// Where its messages go.
    pub topics: Topics,
    /// The Sparkplug plane, if there is one.
    pub sparkplug: Option<SparkplugSettings>,
    /// When answers are due.
    pub deadlines: Deadlines,
    /// Who starts the work.
    pub start: Start,
    /// Who says that a part is there.
    pub trigger: TriggerConfig,
    /// What becomes of a doubtful part.
    pub doubt: Doubt,
    /// How long the controller has to acknowledge a verdict, where it does that at all.
    pub ack_window: Option<Duration>,
    /// Triggers a second that are taken; what comes faster is dropped and counted.
    pub inbox_per_s_max: u32,
    /// Records a second that were made while the broker was away and follow now.
    pub backfill_per_s: u32,
    /// Where `/healthz` and `/metrics` are served, if they are.
    pub supervision_listen: Option<SocketAddr>,
    /// Where ONNX Runtime's library is, if it is not to be searched for.
    pub onnxruntime: Option<PathBuf>,
    /// How models run.
    pub session: SessionOptions,
    /// Which images are kept.
    pub archive: ArchiveRules,
    /// So many good parts before and after an incident are kept too.
    pub archive_around: usize,
    /// Whether kept images get a second one with the findings drawn onto it.
    pub archive_drawn: bool,
    /// How long records and images are kept, and what happens when the disk fills up.
    pub storage: StorageConfig,
}

/// When answers are due.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// From the trigger to the answer, for triggers that do not say.
    pub deadline: Duration,
    /// How much earlier the gate answers, so that the message arrives in time.
    pub answer_margin: Duration,
    /// How many parts may be open at a time.
    pub open_parts_max: usize,
}

/// Who starts the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The station itself, as soon as it is ready, and again after a failure.
    Automatic,
    /// A `start_single_job` or `start_continuous` for each run.
    Commanded,
}

impl Station {
    /// Reads and checks a station file; relative paths in it count from its folder.
    ///
    /// # Errors
    /// [`ConfigError`] with every mistake.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let file: StationFile = config::parse(path, text)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut checks = Checks::default();
        check_basics(&file, &mut checks);
        let mqtt = &file.mqtt;
        let topics = Topics::new(
            &mqtt.prefix,
            &mqtt.enterprise,
            &mqtt.site,
            &mqtt.area,
            &mqtt.line,
            &file.station,
        );
        let topics = checks.take("mqtt", topics);
        let connection = check_connection(folder, &file, &mut checks);
        let plane = file.sparkplug.as_ref();
        let sparkplug = plane.and_then(|plane| sparkplug::check(plane, &file.station, &mut checks));
        let deadlines = check_deadlines(&file.deadlines, &mut checks);
        let session = check_session(&file.onnxruntime, &mut checks);
        let ack_window = file.handshake.ack_window_ms.map(|window_ms| {
            let window_ms = checks.range("handshake.ack_window_ms", window_ms, 10, 600_000);
            Duration::from_millis(window_ms)
        });
        let per_s = file.outbox.backfill_per_s;
        let backfill_per_s = checks.range("outbox.backfill_per_s", per_s, 1, 100_000);
        checks.range("archive.ok_share", file.archive.ok_share, 0.0, 1.0);
        let around = "archive.around_incidents";
        checks.range(around, file.archive.around_incidents, 0, AROUND_MAX);
        let storage = file.storage.check(&mut checks);
        let cameras = cameras::check(folder, file.cameras, file.doubt.then, &mut checks);
        let trigger = file.trigger.checked(folder, &cameras, &mut checks);
        let station = topics.zip(session).map(|(topics, session)| Self {
            name: file.station,
            recipes: file
                .recipes
                .iter()
                .map(|recipe| folder.join(recipe))
                .collect(),
            models: folder.join(file.models),
            calibrations: folder.join(file.calibrations),
            data: folder.join(file.data),
            cameras,
            broker_embedded: file.mqtt.broker == BrokerFile::Embedded,
            connection,
            topics,
            sparkplug,
            deadlines,
            start: match file.control.start {
                StartFile::Automatic => Start::Automatic,
                StartFile::Commanded => Start::Commanded,
            },
            trigger,
            doubt: file.doubt.then,
            ack_window,
            backfill_per_s,
            inbox_per_s_max: file.inbox.checked(&mut checks),
            supervision_listen: file.supervision.listen,
            onnxruntime: file.onnxruntime.library.map(|library| folder.join(library)),
            session,
            archive: ArchiveRules {
                ok_share: file.archive.ok_share,
                ng_and_indeterminate: file.archive.ng_and_indeterminate,
            },
            archive_around: file.archive.around_incidents,
            archive_drawn: file.archive.drawn,
            storage,
        });
        checks.finish(path, station)
    }
}

fn check_basics(file: &StationFile, checks: &mut Checks) {
    if file.schema != SCHEMA {
        checks.say(format!(
            "`schema = {}` is unknown; this version reads {SCHEMA}",
            file.schema
        ));
    }
    checks.take("station", Name::new(&file.station));
    if file.recipes.is_empty() {
        checks.say("`recipes` is empty; name at least one recipe file");
    }
    if file.cameras.is_empty() {
        checks.say("no camera is given; write at least one `[[cameras]]`");
    }
    checks.no_doubles(
        "camera",
        file.cameras.iter().map(|camera| camera.name.as_str()),
    );
}

fn check_connection(folder: &Path, file: &StationFile, checks: &mut Checks) -> Connection {
    let mqtt = &file.mqtt;
    checks.range("mqtt.port", mqtt.port, 1, u16::MAX);
    let tls = mqtt.tls.as_ref().map(|tls| {
        if tls.certificate.is_some() != tls.key.is_some() {
            checks.say("`mqtt.tls`: `certificate` and `key` go together; write both or neither");
        }
        let client = tls.certificate.as_ref().zip(tls.key.as_ref());
        Tls {
            ca: folder.join(&tls.ca),
            client: client.map(|(certificate, key)| (folder.join(certificate), folder.join(key))),
        }
    });
    if mqtt.broker == BrokerFile::Embedded && (tls.is_some() || mqtt.host != loopback()) {
        checks.say("`mqtt.broker = \"embedded\"` listens on 127.0.0.1 without TLS; leave `host` and `tls` out");
    }
    if tls.is_some() && mqtt.plain_text {
        checks.say("`mqtt.plain_text = true` and `[mqtt.tls]` exclude each other; keep one");
    }
    let connection = Connection {
        host: mqtt.host.clone(),
        port: mqtt.port,
        client_id: mqtt
            .client_id
            .clone()
            .unwrap_or_else(|| format!("taktgate-{}", file.station)),
        protocol: match mqtt.protocol {
            ProtocolFile::V5 => Protocol::V5,
            ProtocolFile::V311 => Protocol::V311,
        },
        credentials: check_credentials(folder, mqtt, checks),
        tls,
        plain_text: mqtt.plain_text,
        keep_alive: KEEP_ALIVE,
    };
    if mqtt.broker == BrokerFile::External
        && let Err(error) = connection.check_secrecy()
    {
        checks.say(error.to_string());
    }
    connection
}

// A password never stands in the file itself: it would end in backups, tickets and screenshots.
fn check_credentials(
    folder: &Path,
    mqtt: &MqttFile,
    checks: &mut Checks,
) -> Option<(String, String)> {
    let user = mqtt.user.clone();
    let password = match (&mqtt.password_env, &mqtt.password_file) {
        (None, None) => None,
        (Some(_), Some(_)) => {
            checks.say("`mqtt`: `password_env` and `password_file` exclude each other; keep one");
            None
        }
        (Some(variable), None) => checks.take(
            "mqtt.password_env",
            std::env::var(variable).map_err(|error| format!("variable `{variable}`: {error}")),
        ),
        (None, Some(file)) => {
            let file = folder.join(file);
            let text = std::fs::read_to_string(&file);
            checks
                .take(
                    "mqtt.password_file",
                    text.map_err(|error| format!("cannot read `{}`: {error}", file.display())),
                )
                .map(|text| text.trim_end().to_owned())
        }
    };
    match (user, password) {
        (None, Some(_)) => {
            checks.say("`mqtt`: a password without `user`; add the user's name");
            None
        }
        (user, password) => user.map(|user| (user, password.unwrap_or_default())),
    }
}

fn check_deadlines(file: &DeadlinesFile, checks: &mut Checks) -> Deadlines {
    let deadline_ms = checks.range("deadlines.deadline_ms", file.deadline_ms, 5, 60_000);
    let margin_max = deadline_ms.saturating_sub(1).max(1);
    let margin_ms = checks.range(
        "deadlines.answer_margin_ms",
        file.answer_margin_ms,
        0,
        margin_max,
    );
    Deadlines {
        deadline: Duration::from_millis(deadline_ms),
        answer_margin: Duration::from_millis(margin_ms),
        open_parts_max: checks.range("deadlines.open_parts_max", file.open_parts_max, 1, 64),
    }
}

fn check_session(file: &OnnxRuntimeFile, checks: &mut Checks) -> Option<SessionOptions> {
    let threads = checks.range("onnxruntime.threads", file.threads, 1, 256);
    let provider = checks.take("onnxruntime.provider", file.provider.parse::<Provider>())?;
    Some(SessionOptions {
        threads,
        spinning: file.spinning,
        provider,
        memory_max_bytes: 1_000_000
            * checks.range(
                "onnxruntime.memory_mb_max",
                file.memory_mb_max,
                100,
                1_000_000,
            ),
    })
}
