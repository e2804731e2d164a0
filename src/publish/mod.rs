//! The wire: MQTT topics, payloads with their schema number, and the two sides that speak them.
//!
//! `docs/wire.md` is the contract for whoever programs the line. The only room that names rumqttc.
//! `sparkplug/` is a second plane for hosts that read tags; no verdict depends on it.

mod asyncapi;
mod backoff;
mod broker;
mod command;
mod connection;
mod controller;
mod inbox;
mod link;
mod link_error;
mod mosquitto;
mod news;
mod payload;
mod plc;
mod post;
mod publisher;
mod rate;
mod schema;
mod session;
mod sparkplug;
mod status;
mod task;
mod topics;
mod verdict;

pub use broker::{Broker, BrokerError, BrokerSettings, Minded};
pub use command::{
    CORRELATION_MAX, Command, CommandError, CommandPayload, RESPONSE_TOPIC_MAX, Reply,
    ResponsePayload, Verb,
};
pub use connection::{Connection, ConnectionError, Protocol, Tls};
pub use controller::{Controller, ControllerEvent};
pub use inbox::InboxLimits;
pub use payload::{
    AckPayload, Arrival, DEADLINE_MAX_MS, DEADLINE_MIN_MS, DeadlineLimits, PAYLOAD_MAX,
    PayloadError, RECORD_MAX, SCHEMA, TriggerPayload,
};
pub use plc::{PLC_BLOCK_LENGTH, PlcBlock, PlcError};
pub use post::{IN_FLIGHT_MAX, RECORDS_IN_FLIGHT_MAX};
pub use publisher::{Incoming, Outgoing, PublishError, Publisher, SendError};
pub use rate::Rate;
pub use schema::{Document, documents};
pub use session::StopError;
pub use sparkplug::{
    HISTORY_MAX, HostMessageError, HostState, NodeCommand, REBIRTH_EVERY, SAMPLES_MAX, Sparkplug,
    SparkplugError, SparkplugSettings,
};
pub use status::{
    EventPayload, HealthPayload, ItemPayload, RecordEnvelope, StatePayload, StationState,
    StoragePayload,
};
pub use topics::{TopicError, Topics};
pub use verdict::{FINDINGS_MAX, FindingPayload, Validity, VerdictPayload};
