//! The station's side of the wire: triggers in, verdicts, records and its own state out.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::domain::{Sequence, Trigger};

use super::command::{Command, Reply, ResponsePayload};
use super::connection::{Connection, ConnectionError};
use super::inbox::{Inbox, InboxLimits};
use super::news::Above;
use super::payload::PayloadError;
use super::plc::PLC_BLOCK_LENGTH;
use super::post::{Message, Post, RECORDS_IN_FLIGHT_MAX, RecordPost};
use super::session::{Farewell, NotTaken, POSTS_MAX, Plan, Session, StopError};
use super::status::{Enclosure, EventPayload, HealthPayload, StatePayload};
use super::topics::Topics;
use super::verdict::VerdictPayload;

/// What comes from the line and the broker.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// A part is there. The same one may come twice: the gate answers it again.
    Trigger(Trigger),
    /// Something came on the trigger's topic that is no trigger; no part is open for it.
    BadTrigger {
        /// What is wrong with it and what to send instead.
        error: String,
    },
    /// The station is told to do something; it owes a response.
    Command(Command),
    /// Something came on a command's topic that is no command; nothing was done.
    BadCommand {
        /// What is wrong with it and what to send instead.
        error: String,
    },
    /// What the controller did with a verdict.
    Ack {
        /// The part's count.
        sequence: Sequence,
        /// In the line's own words.
        action: String,
    },
    /// Something came on `ack` that is no acknowledgement.
    BadAck {
        /// What is wrong with it and what to send instead.
        error: String,
    },
    /// Messages came faster than is taken, and were dropped.
    Flood {
        /// How many since this was told last.
        n_dropped: u64,
    },
    /// The broker took us in and triggers reach us; un-acknowledged records are to be sent again.
    Connected,
    /// The connection ended or could not be made; the next try comes by itself.
    Disconnected {
        /// Why, and what to do about it.
        error: String,
    },
    /// A broker has the record.
    RecordDelivered {
        /// The number it was sent with.
        outbox_id: u64,
    },
    /// The broker does not take this record; it stays undelivered.
    RecordRefused {
        /// The number it was sent with.
        outbox_id: u64,
        /// Why.
        error: String,
    },
    /// The verdict was never sent: it expired while the broker was away or slow.
    VerdictExpired {
        /// The part's count.
        sequence: Sequence,
    },
    /// The connection ended before the broker had acknowledged the verdict: nobody knows whether it has it.
    VerdictUnacknowledged {
        /// The part's count.
        sequence: Sequence,
    },
    /// The broker has the verdict, but nobody is subscribed to any of its forms (only MQTT 5
    /// brokers say so), or the broker refused it: the line will not hear it.
    VerdictUnheard {
        /// The part's count.
        sequence: Sequence,
    },
}

/// What goes to the line.
#[derive(Debug, Clone, PartialEq)]
pub enum Outgoing {
    /// The answer to a trigger, as JSON and as a block.
    Verdict {
        /// The JSON.
        payload: Box<VerdictPayload>,
        /// The block.
        plc: [u8; PLC_BLOCK_LENGTH],
        /// After this moment it is worthless and is not sent any more.
        expires_at: Instant,
    },
    /// An inspection record; accepted only between `Connected` and `Disconnected`.
    Record {
        /// Comes back in `RecordDelivered`.
        outbox_id: u64,
        /// The record as JSON.
        payload: String,
        /// Whether it is sent late, from the store.
        is_historical: bool,
    },
    /// What became of a command.
    Response {
        /// What is said.
        payload: ResponsePayload,
        /// Where.
        reply: Reply,
    },
    /// The station's state; repeated by the publisher at every connect.
    State(Box<StatePayload>),
    /// Counters; only the newest counts.
    Health(Box<HealthPayload>),
    /// What a person should know.
    Event(EventPayload),
}

/// Why an outgoing message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The queue is full: for records wait for `RecordDelivered`, for others the network is stuck.
    #[error("the queue of {limit} {what} to the broker is full; send less or wait")]
    QueueFull {
        /// Which queue.
        what: &'static str,
        /// Its limit.
        limit: usize,
    },
    /// The network thread has ended.
    #[error("the network thread has ended; start the publisher anew")]
    Stopped,
    /// The message cannot be written.
    #[error("the message cannot be sent")]
    Payload {
        /// The cause.
        source: PayloadError,
    },
}

/// Why a publisher does not start or stop.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The connection's settings.
    #[error("the connection to the broker cannot be set up")]
    Connection {
        /// The cause.
        #[from]
        source: ConnectionError,
    },
    /// The last will or the goodbye cannot be written.
    #[error("the station's state cannot be written")]
    Payload {
        /// The cause.
        #[from]
        source: PayloadError,
    },
    /// Not everything was delivered.
    #[error("the publisher did not stop cleanly")]
    Stop {
        /// The cause.
        #[from]
        source: StopError,
    },
}

/// The station's connection; dropped without [`Publisher::stop`], the line sees the last will.
#[derive(Debug)]
pub struct Publisher {
    session: Session,
    topics: Topics,
    last_will: StatePayload,
}

impl Publisher {
    /// Starts the network thread and returns at once; [`Incoming::Connected`] tells when it is up.
    ///
    /// `sink` is called on the network thread: it must not wait. It returns `false` if the
    /// station's queue is full; the same news is then offered again until it is taken.
    ///
    /// # Errors
    /// [`PublishError`] for settings that cannot work; a broker that is away is no error.
    pub fn start(
        connection: Connection,
        topics: Topics,
        last_will: StatePayload,
        limits: InboxLimits,
        sink: impl Fn(Incoming) -> bool + Send + 'static,
    ) -> Result<Self, PublishError> {
        let will = Message::at_least_once(topics.state(), last_will.to_json()?).retained();
        let mut inbox = Inbox::new(topics.clone(), limits);
        let plan = Plan {
            connection,
            will: Some(will),
            topics: inbox.topics(),
        };
        let translate = move |news| inbox.translate(news);
        let above = Above::new(translate, sink);
        let session = Session::start("publisher", plan, above)?;
        Ok(Self {
            session,
            topics,
            last_will,
        })
    }

    /// Hands a message over and returns at once.
    ///
    /// # Errors
    /// [`SendError`]: the message was not taken. A verdict that is not taken is a missed one.
    pub fn try_send(&self, outgoing: Outgoing) -> Result<(), SendError> {
        let payload = |source| SendError::Payload { source };
        let post = match outgoing {
            Outgoing::Verdict {
                payload: verdict,
                plc,
                expires_at,
            } => {
                let json = verdict.to_json().map_err(payload)?;
                let messages = vec![
                    Message::at_least_once(self.topics.verdict(), json),
                    Message::at_least_once(self.topics.verdict_plc(), plc),
                ];
                Post::Urgent {
                    messages,
                    expires_at,
                    sequence: verdict.sequence,
                }
            }
            Outgoing::Record {
                outbox_id,
                payload: record,
                is_historical,
            } => {
                let enclosure = Enclosure {
                    record: &record,
                    is_historical,
                };
                let text = enclosure.to_json().map_err(payload)?;
                let message = Message::at_least_once(self.topics.record(), text);
                let taken = self.session.post_record(RecordPost { message, outbox_id });
                return taken.map_err(|error| not_taken(error, "records", RECORDS_IN_FLIGHT_MAX));
            }
            Outgoing::Response {
                payload: response,
                reply,
            } => Post::Plain(response.message(reply, &self.topics).map_err(payload)?),
            Outgoing::State(state) => {
                let text = state.to_json().map_err(payload)?;
                Post::Kept(Message::at_least_once(self.topics.state(), text).retained())
            }
            Outgoing::Health(health) => {
                let text = health.to_json().map_err(payload)?;
                let message = Message::at_least_once(self.topics.health(), text);
                Post::Fleeting(message.retained().at_most_once())
            }
            Outgoing::Event(event) => {
                let text = event.to_json().map_err(payload)?;
                Post::Plain(Message::at_least_once(self.topics.event(), text))
            }
        };
        self.session
            .post(post)
            .map_err(|error| not_taken(error, "messages", POSTS_MAX))
    }

    /// Sends what waits, leaves the state `offline` with `reason` behind, and says goodbye; takes
    /// at most `timeout`.
    ///
    /// # Errors
    /// [`PublishError::Stop`] if the broker did not acknowledge everything in time.
    pub fn stop(self, reason: &str, timeout: Duration) -> Result<(), PublishError> {
        let state = StatePayload {
            reason: reason.to_owned(),
            at_utc: Timestamp::now(),
            ..self.last_will
        };
        let message = Message::at_least_once(self.topics.state(), state.to_json()?).retained();
        let farewell = Farewell {
            message: Some(message),
            until: Instant::now() + timeout,
        };
        Ok(self.session.stop(farewell)?)
    }
}

pub(super) fn not_taken(error: NotTaken, what: &'static str, limit: usize) -> SendError {
    match error {
        NotTaken::Full => SendError::QueueFull { what, limit },
        NotTaken::Stopped => SendError::Stopped,
    }
}
