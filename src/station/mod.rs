//! One running station: its file, its parts made ready, its threads and the ring that a part walks.

mod answers;
mod clock;
mod commands;
mod config;
mod control;
mod counters;
mod doubt;
mod error;
mod handshake;
mod leaving;
mod outbox;
mod own_trigger;
mod pictures;
mod presence;
mod ready;
mod replay;
mod run;
mod sources;
mod start;
mod storage;
mod supervise;
mod throttle;
mod vitals;
mod worker;

pub use config::{
    CameraConfig, Deadlines, Motion, PresenceSettings, SourceConfig, Start, Station, StorageConfig,
    TriggerConfig, WhenFull,
};
pub use doubt::Doubt;
pub use error::StationError;
pub use pictures::draw_inspection;
pub use presence::Presence;
pub use ready::{Files, Ready, files_of, make_ready, part_types_of, read_station};
pub use replay::{Replay, Replayed, stable_line};
pub use sources::open_source;
pub use start::{Handle, start};
pub use vitals::{Seen, Vitals};
