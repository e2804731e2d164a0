//! The station file as written, with its defaults.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use crate::config::Checks;
use crate::model::SessionOptions;

use super::super::doubt::Doubt;
use super::cameras::CameraFile;
use super::sparkplug::SparkplugFile;
use super::storage::StorageFile;
use super::trigger::TriggerFile;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StationFile {
    pub(super) schema: u32,
    pub(super) station: String,
    pub(super) recipes: Vec<PathBuf>,
    pub(super) models: PathBuf,
    pub(super) calibrations: PathBuf,
    pub(super) data: PathBuf,
    pub(super) mqtt: MqttFile,
    pub(super) sparkplug: Option<SparkplugFile>,
    #[serde(default)]
    pub(super) deadlines: DeadlinesFile,
    #[serde(default)]
    pub(super) control: ControlFile,
    #[serde(default)]
    pub(super) trigger: TriggerFile,
    #[serde(default)]
    pub(super) doubt: DoubtFile,
    #[serde(default)]
    pub(super) handshake: HandshakeFile,
    #[serde(default)]
    pub(super) outbox: OutboxFile,
    #[serde(default)]
    pub(super) inbox: InboxFile,
    #[serde(default)]
    pub(super) supervision: SupervisionFile,
    #[serde(default)]
    pub(super) onnxruntime: OnnxRuntimeFile,
    #[serde(default)]
    pub(super) archive: ArchiveFile,
    #[serde(default)]
    pub(super) storage: StorageFile,
    #[serde(default)]
    pub(super) cameras: Vec<CameraFile>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SupervisionFile {
    pub(super) listen: Option<SocketAddr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MqttFile {
    #[serde(default = "external")]
    pub(super) broker: BrokerFile,
    #[serde(default = "loopback")]
    pub(super) host: String,
    #[serde(default = "mqtt_port")]
    pub(super) port: u16,
    #[serde(default)]
    pub(super) protocol: ProtocolFile,
    #[serde(default = "prefix")]
    pub(super) prefix: String,
    pub(super) enterprise: String,
    pub(super) site: String,
    pub(super) area: String,
    pub(super) line: String,
    pub(super) client_id: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password_env: Option<String>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) tls: Option<TlsFile>,
    #[serde(default)]
    pub(super) plain_text: bool,
}

#[derive(Deserialize, PartialEq, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(super) enum BrokerFile {
    Embedded,
    External,
}

#[derive(Deserialize, Default, Clone, Copy)]
pub(super) enum ProtocolFile {
    #[default]
    #[serde(rename = "5")]
    V5,
    #[serde(rename = "3.1.1")]
    V311,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsFile {
    pub(super) ca: PathBuf,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

pub(super) fn external() -> BrokerFile {
    BrokerFile::External
}

pub(super) fn loopback() -> String {
    "127.0.0.1".to_owned()
}

pub(super) fn mqtt_port() -> u16 {
    1883
}

pub(super) fn prefix() -> String {
    "taktgate".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DeadlinesFile {
    pub(super) deadline_ms: u64,
    pub(super) answer_margin_ms: u64,
    pub(super) open_parts_max: usize,
}

impl Default for DeadlinesFile {
    fn default() -> Self {
        Self {
            deadline_ms: 2_000,
            answer_margin_ms: 20,
            open_parts_max: 4,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ControlFile {
    pub(super) start: StartFile,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(super) enum StartFile {
    #[default]
    Automatic,
    Commanded,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DoubtFile {
    pub(super) then: Doubt,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HandshakeFile {
    pub(super) ack_window_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OutboxFile {
    pub(super) backfill_per_s: u32,
}

impl Default for OutboxFile {
    fn default() -> Self {
        Self {
            backfill_per_s: 200,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct InboxFile {
    pub(super) per_s_max: u32,
}

impl InboxFile {
    pub(super) fn checked(&self, checks: &mut Checks) -> u32 {
        checks.range("inbox.per_s_max", self.per_s_max, 1, 1_000_000)
    }
}

impl Default for InboxFile {
    fn default() -> Self {
        Self { per_s_max: 500 }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OnnxRuntimeFile {
    pub(super) library: Option<PathBuf>,
    pub(super) threads: usize,
    pub(super) spinning: bool,
    pub(super) provider: String,
    pub(super) memory_mb_max: u64,
}

impl Default for OnnxRuntimeFile {
    fn default() -> Self {
        Self {
            library: None,
            threads: 2,
            spinning: false,
            provider: "cpu".to_owned(),
            memory_mb_max: SessionOptions::MEMORY_MB_MAX,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ArchiveFile {
    pub(super) ok_share: f64,
    pub(super) ng_and_indeterminate: bool,
    pub(super) around_incidents: usize,
    pub(super) drawn: bool,
}

impl Default for ArchiveFile {
    fn default() -> Self {
        Self {
            ok_share: 0.1,
            ng_and_indeterminate: true,
            around_incidents: 2,
            drawn: true,
        }
    }
}
