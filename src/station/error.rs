//! Why a station cannot work.

use std::path::PathBuf;

use crate::calibration::CalibrationFault;
use crate::config::{ConfigError, Mistakes};
use crate::inspect::SetupError;
use crate::model::{ModelError, RuntimeError};
use crate::publish::{BrokerError, PublishError};
use crate::record::RecordError;
use crate::source::SourceError;
use crate::vision::VisionError;

/// Why a station cannot work.
#[derive(Debug, thiserror::Error)]
pub enum StationError {
    /// The station file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Files that the station file names.
    #[error("station `{station}`: {mistakes}")]
    Files {
        /// The station.
        station: String,
        /// All that is wrong with them.
        mistakes: Mistakes,
    },
    /// ONNX Runtime.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A model.
    #[error("model `{model}` is not fit for the line")]
    Model {
        /// Name and version.
        model: String,
        /// What is wrong with it.
        #[source]
        cause: ModelError,
    },
    /// Models that can never answer in time.
    #[error(
        "the models of `{part_type}` take {latency_ms} ms a part ({models}), the deadline is {deadline_ms} ms; give them more time, more threads or smaller models"
    )]
    TooSlow {
        /// The part type of the recipe that names them.
        part_type: String,
        /// Each model that a part asks, in their order.
        models: String,
        /// The middles of their latency self-tests, added up: they run one after the other.
        latency_ms: u128,
        /// The station's deadline.
        deadline_ms: u128,
    },
    /// No room for the records of good parts.
    #[error(
        "only {free_mb} MB of the disk are free, which is below `storage.stop_free_mb`; free some space"
    )]
    DiskFull {
        /// What this user may still write.
        free_mb: u64,
    },
    /// A picture of the empty place that its region does not fit.
    #[error("`trigger.region_px` does not fit the picture of the empty place `{path}`")]
    Empty {
        /// The picture.
        path: PathBuf,
        /// What does not fit.
        #[source]
        cause: VisionError,
    },
    /// A calibration that is out of date, or from the future.
    #[error(transparent)]
    Calibration(#[from] CalibrationFault),
    /// A recipe that does not fit its model or calibration.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A camera.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The records.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The messages.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The embedded broker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The data folder.
    #[error(
        "cannot make `{path}` for records and images; does its parent exist, and may this user write there?"
    )]
    Data {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A part type without a recipe.
    #[error("there is no recipe for `{part_type}`; the station file names those of {there}")]
    NoRecipe {
        /// The part type.
        part_type: String,
        /// The part types that have one.
        there: String,
    },
    /// A replay that cannot be.
    #[error("{text}")]
    Replay {
        /// What to do.
        text: String,
    },
    /// The system gave no thread.
    #[error("cannot start the thread `{name}`")]
    Thread {
        /// Its name.
        name: &'static str,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
}
