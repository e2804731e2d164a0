//! Why a connection failed, in words that tell a plant engineer what to check.

use std::io;

use rumqttc::ConnectReturnCode;
use rumqttc::v5::mqttbytes::v5 as v5packet;

use super::connection::{Connection, ConnectionError};
use super::payload::chain;

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("the settings of the connection do not work any more")]
    Settings { source: ConnectionError },
    #[error("the broker at {broker} does not answer; is it running, is the address right?")]
    Unreachable { broker: String, source: io::Error },
    #[error("the broker at {broker} refused us ({code}); {hint}")]
    Refused {
        broker: String,
        code: String,
        hint: &'static str,
    },
    #[error("the connection to {broker} was closed before MQTT began: {what}; {hint}")]
    NoMqtt {
        broker: String,
        what: String,
        hint: &'static str,
    },
    #[error(
        "another client introduced itself to {broker} as `{client_id}`; give each its own `client_id`"
    )]
    TakenOver { broker: String, client_id: String },
    #[error(
        "the broker at {broker} closed the connection; did it stop, or does a second client use the `client_id = \"{client_id}\"`?"
    )]
    Closed { broker: String, client_id: String },
    #[error("the connection to {broker} is lost: {what}")]
    Lost { broker: String, what: String },
    #[error(
        "the broker at {broker} refused the subscription of {topic}; give the user `{user}` the right to read it"
    )]
    Subscription {
        broker: String,
        topic: String,
        user: String,
    },
    #[error("the broker at {broker} has acknowledged nothing for {waited_s} s; connecting anew")]
    Mute { broker: String, waited_s: u64 },
    #[error("more requests than the link holds; connecting anew")]
    Overfull,
}

const HINT_PLAIN: &str =
    "is this a port for TLS? then write `tls` with the file of the broker's CA";
const HINT_TLS: &str = "is this a port without TLS, does the CA's file fit the broker's certificate, does the broker want a client certificate?";
const HINT_USER: &str = "check user and password";
const HINT_OTHER: &str = "ask whoever runs the broker";

fn broker(connection: &Connection) -> String {
    format!("{}:{}", connection.host, connection.port)
}

fn no_mqtt(connection: &Connection, what: String) -> LinkError {
    let hint = if connection.tls.is_some() {
        HINT_TLS
    } else {
        HINT_PLAIN
    };
    LinkError::NoMqtt {
        broker: broker(connection),
        what,
        hint,
    }
}

fn io_error(error: io::Error, connection: &Connection) -> LinkError {
    // A reset is the answer of one who did not like our first bytes; the rest never got there.
    if matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidData
    ) {
        no_mqtt(connection, error.to_string())
    } else {
        LinkError::Unreachable {
            broker: broker(connection),
            source: error,
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else goes wrong, the link is lost"
)]
pub(super) fn explain_v5(
    error: rumqttc::v5::ConnectionError,
    connection: &Connection,
) -> LinkError {
    use rumqttc::v5::{ConnectionError, StateError};
    let broker = broker(connection);
    match error {
        ConnectionError::Io(error) => io_error(error, connection),
        ConnectionError::Tls(error) => no_mqtt(connection, error.to_string()),
        ConnectionError::ConnectionRefused(code) => {
            let hint = match code {
                v5packet::ConnectReturnCode::BadUserNamePassword
                | v5packet::ConnectReturnCode::NotAuthorized => HINT_USER,
                _ => HINT_OTHER,
            };
            LinkError::Refused {
                broker,
                code: format!("{code:?}"),
                hint,
            }
        }
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code: v5packet::DisconnectReasonCode::SessionTakenOver,
            ..
        }) => LinkError::TakenOver {
            broker,
            client_id: connection.client_id.clone(),
        },
        ConnectionError::MqttState(StateError::ConnectionAborted) => LinkError::Closed {
            broker,
            client_id: connection.client_id.clone(),
        },
        other => LinkError::Lost {
            broker,
            what: other.to_string(),
        },
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else goes wrong, the link is lost"
)]
pub(super) fn explain_v311(error: rumqttc::ConnectionError, connection: &Connection) -> LinkError {
    use rumqttc::{ConnectionError, StateError};
    let broker = broker(connection);
    match error {
        ConnectionError::Io(error) => io_error(error, connection),
        ConnectionError::Tls(error) => no_mqtt(connection, error.to_string()),
        ConnectionError::ConnectionRefused(code) => {
            let hint = match code {
                ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
                    HINT_USER
                }
                _ => HINT_OTHER,
            };
            LinkError::Refused {
                broker,
                code: format!("{code:?}"),
                hint,
            }
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => LinkError::Closed {
            broker,
            client_id: connection.client_id.clone(),
        },
        other => LinkError::Lost {
            broker,
            what: other.to_string(),
        },
    }
}

/// A loss before the broker took us in is most often a wrong kind of port.
pub(super) fn before_welcome(error: LinkError, connection: &Connection) -> LinkError {
    match error {
        LinkError::Lost { what, .. } => no_mqtt(connection, what),
        LinkError::Closed { .. } => no_mqtt(connection, "the other end hung up".to_owned()),
        other @ (LinkError::Settings { .. }
        | LinkError::Unreachable { .. }
        | LinkError::Refused { .. }
        | LinkError::NoMqtt { .. }
        | LinkError::TakenOver { .. }
        | LinkError::Subscription { .. }
        | LinkError::Mute { .. }
        | LinkError::Overfull) => other,
    }
}

impl LinkError {
    pub(super) fn subscription(connection: &Connection, topic: String) -> Self {
        let user = connection
            .credentials
            .as_ref()
            .map_or("anonymous", |(user, _)| user)
            .to_owned();
        Self::Subscription {
            broker: broker(connection),
            topic,
            user,
        }
    }

    pub(super) fn mute(connection: &Connection, waited_s: u64) -> Self {
        Self::Mute {
            broker: broker(connection),
            waited_s,
        }
    }

    pub(super) fn text(&self) -> String {
        chain(self)
    }
}
