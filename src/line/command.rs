//! One command to a station, and its response.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use crate::publish::{
    CommandPayload, Connection, Controller, ControllerEvent, PublishError, ResponsePayload, SCHEMA,
    SendError, Topics, Verb,
};

/// Messages that wait to be looked at.
const EVENTS_MAX: usize = 1_024;
const STOP_MAX: Duration = Duration::from_secs(2);

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The connection's settings.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The command was not taken.
    #[error("`{verb}` could not be sent")]
    Send {
        /// The verb.
        verb: Verb,
        /// Why.
        #[source]
        cause: SendError,
    },
    /// Nobody answered.
    #[error(
        "station `{station}` did not answer `{verb}` within {waited_s} s ({last}); is it running, on this broker and these topics?"
    )]
    NoResponse {
        /// The station.
        station: String,
        /// The verb.
        verb: Verb,
        /// How long was waited.
        waited_s: u64,
        /// What was heard last.
        last: String,
    },
}

/// Sends `verb` to the station of `topics` and waits for what it says to it; `id` tells its response
/// from those to others.
///
/// # Errors
/// [`CommandError`] if there is no broker, or no station that answers within `within`.
pub fn command(
    connection: Connection,
    topics: Topics,
    verb: Verb,
    part_type: Option<String>,
    id: &str,
    within: Duration,
) -> Result<ResponsePayload, CommandError> {
    let (sink, events) = sync_channel(EVENTS_MAX);
    let station = topics.station().to_owned();
    let controller = Controller::start(connection, topics, move |event| {
        sink.try_send(event).is_ok()
    })?;
    let until = Instant::now() + within;
    let mut last = "no broker answered".to_owned();
    let mut payload = Some(CommandPayload {
        schema: SCHEMA,
        id: Some(id.to_owned()),
        part_type,
    });
    let response = loop {
        match events.recv_timeout(until.saturating_duration_since(Instant::now())) {
            // Only now are its responses heard.
            Ok(ControllerEvent::Connected) => {
                "the broker knows no such station".clone_into(&mut last);
                if let Some(payload) = payload.take() {
                    controller
                        .send_command(verb, &payload)
                        .map_err(|cause| CommandError::Send { verb, cause })?;
                }
            }
            Ok(ControllerEvent::Response(response)) if response.id.as_deref() == Some(id) => {
                break response;
            }
            Ok(ControllerEvent::State(state)) => {
                last = format!("it is `{}`: {}", state.state, state.reason);
            }
            Ok(ControllerEvent::Event(event)) if event.kind == "bad_command" => last = event.text,
            Ok(ControllerEvent::Disconnected { error }) => last = error,
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                return Err(CommandError::NoResponse {
                    station,
                    verb,
                    waited_s: within.as_secs(),
                    last,
                });
            }
        }
    };
    controller.stop(STOP_MAX)?;
    Ok(response)
}
