//! The line controller's side of the wire, for `taktgate line`, the tests, and as an example.

use std::time::{Duration, Instant};

use crate::domain::Sequence;

use super::command::{CommandPayload, ResponsePayload, Verb};
use super::connection::Connection;
use super::news::{Above, News};
use super::payload::{AckPayload, TriggerPayload, chain, to_json};
use super::plc::PlcBlock;
use super::post::{Delivery, Message, Post};
use super::publisher::{PublishError, SendError, not_taken};
use super::session::{Farewell, POSTS_MAX, Plan, Session};
use super::status::{EventPayload, HealthPayload, RecordEnvelope, StatePayload};
use super::topics::Topics;
use super::verdict::VerdictPayload;

/// So long the line's triggers hold if they name no deadline.
const TRIGGER_HOLDS: Duration = Duration::from_secs(1);

/// What comes from a station.
#[derive(Debug, Clone, PartialEq)]
pub enum ControllerEvent {
    /// An answer as JSON; word, code and reason agree.
    Verdict {
        /// What it says.
        payload: Box<VerdictPayload>,
        /// When it came.
        received_at: Instant,
    },
    /// An answer as a block; its CRC is right.
    Plc {
        /// What it says.
        block: PlcBlock,
        /// When it came.
        received_at: Instant,
    },
    /// The station's state.
    State(Box<StatePayload>),
    /// The station's counters.
    Health(Box<HealthPayload>),
    /// What a person should know.
    Event(EventPayload),
    /// An inspection record.
    Record(Box<RecordEnvelope>),
    /// What became of a command.
    Response(ResponsePayload),
    /// A message that cannot be read: treat it as no answer.
    Unreadable {
        /// Where it came.
        topic: String,
        /// Why it cannot be read.
        error: String,
    },
    /// The trigger was never sent: its deadline passed while the broker was away.
    TriggerExpired {
        /// The part's count.
        sequence: Sequence,
    },
    /// The broker has the trigger, but no station is subscribed (only MQTT 5 brokers say so).
    TriggerUnheard {
        /// The part's count.
        sequence: Sequence,
    },
    /// The broker took us in.
    Connected,
    /// The connection ended or could not be made; the next try comes by itself.
    Disconnected {
        /// Why, and what to do about it.
        error: String,
    },
}

/// The line's connection to one station.
#[derive(Debug)]
pub struct Controller {
    session: Session,
    topics: Topics,
}

impl Controller {
    /// Starts the network thread and returns at once.
    ///
    /// `sink` is called on the network thread: it must not wait. It returns `false` if the queue
    /// behind it is full; the same event is then offered again.
    ///
    /// # Errors
    /// [`PublishError`] for settings that cannot work; a broker that is away is no error.
    pub fn start(
        connection: Connection,
        topics: Topics,
        sink: impl Fn(ControllerEvent) -> bool + Send + 'static,
    ) -> Result<Self, PublishError> {
        let plan = Plan {
            connection,
            will: None,
            topics: vec![
                topics.verdict(),
                topics.verdict_plc(),
                topics.state(),
                topics.health(),
                topics.event(),
                topics.record(),
                topics.cmd_response(),
            ],
        };
        let readers = topics.clone();
        let translate = move |news| translate(news, &readers);
        let above = Above::new(translate, sink);
        let session = Session::start("controller", plan, above)?;
        Ok(Self { session, topics })
    }

    /// Announces a part; with MQTT 5 the broker forgets the trigger when its deadline has passed.
    ///
    /// # Errors
    /// [`SendError`]: the trigger was not taken, no verdict will come.
    pub fn send_trigger(&self, trigger: &TriggerPayload) -> Result<(), SendError> {
        let text = to_json("trigger", trigger).map_err(|source| SendError::Payload { source })?;
        let holds = trigger
            .deadline_ms
            .map_or(TRIGGER_HOLDS, Duration::from_millis);
        let now = Instant::now();
        self.post(Post::Urgent {
            messages: vec![Message::at_least_once(self.topics.cmd_trigger(), text)],
            expires_at: now.checked_add(holds).unwrap_or(now + TRIGGER_HOLDS),
            sequence: trigger.sequence,
        })
    }

    /// Tells the station what became of a part.
    ///
    /// # Errors
    /// [`SendError`]: the acknowledgement was not taken.
    pub fn send_ack(&self, ack: &AckPayload) -> Result<(), SendError> {
        let text = to_json("ack", ack).map_err(|source| SendError::Payload { source })?;
        self.post(Post::Plain(Message::at_least_once(self.topics.ack(), text)))
    }

    /// Tells the station to do something; its answer comes on `cmd/response` with the command's id.
    ///
    /// # Errors
    /// [`SendError`]: the command was not taken.
    pub fn send_command(&self, verb: Verb, command: &CommandPayload) -> Result<(), SendError> {
        let text = to_json("command", command).map_err(|source| SendError::Payload { source })?;
        let message = Message::at_least_once(self.topics.cmd(verb), text);
        self.post(Post::Plain(message))
    }

    /// Sends what waits and says goodbye; takes at most `timeout`.
    ///
    /// # Errors
    /// [`PublishError::Stop`] if the broker did not acknowledge everything in time.
    pub fn stop(self, timeout: Duration) -> Result<(), PublishError> {
        let farewell = Farewell {
            message: None,
            until: Instant::now() + timeout,
        };
        Ok(self.session.stop(farewell)?)
    }

    fn post(&self, post: Post) -> Result<(), SendError> {
        self.session
            .post(post)
            .map_err(|error| not_taken(error, "messages", POSTS_MAX))
    }
}

fn translate(news: News, topics: &Topics) -> Option<ControllerEvent> {
    Some(match news {
        News::Connected => ControllerEvent::Connected,
        News::Disconnected { error } => ControllerEvent::Disconnected { error },
        News::Expired { sequence } => ControllerEvent::TriggerExpired { sequence },
        News::Unheard { sequence } => ControllerEvent::TriggerUnheard { sequence },
        // Its own timer rejects the part, whoever has the trigger.
        News::Unacknowledged { .. } | News::Delivered { .. } => return None,
        News::Refused { error, .. } => {
            let topic = topics.cmd_trigger();
            ControllerEvent::Unreadable {
                topic,
                error: format!("refused by the broker: {error}"),
            }
        }
        News::Came(delivery) => {
            read(&delivery, topics).unwrap_or_else(|error| ControllerEvent::Unreadable {
                topic: delivery.topic,
                error,
            })
        }
    })
}

fn read(delivery: &Delivery, topics: &Topics) -> Result<ControllerEvent, String> {
    let received_at = Instant::now();
    let bytes = &delivery.payload;
    let topic = &delivery.topic;
    if *topic == topics.verdict() {
        let payload = VerdictPayload::parse(bytes).map_err(|error| chain(&error))?;
        Ok(ControllerEvent::Verdict {
            payload: Box::new(payload),
            received_at,
        })
    } else if *topic == topics.verdict_plc() {
        let block = PlcBlock::decode(bytes).map_err(|error| chain(&error))?;
        Ok(ControllerEvent::Plc { block, received_at })
    } else if *topic == topics.state() {
        let state = StatePayload::parse(bytes).map_err(|error| chain(&error))?;
        Ok(ControllerEvent::State(Box::new(state)))
    } else if *topic == topics.health() {
        let health = HealthPayload::parse(bytes).map_err(|error| chain(&error))?;
        Ok(ControllerEvent::Health(Box::new(health)))
    } else if *topic == topics.event() {
        EventPayload::parse(bytes)
            .map(ControllerEvent::Event)
            .map_err(|error| chain(&error))
    } else if *topic == topics.record() {
        let record = RecordEnvelope::parse(bytes).map_err(|error| chain(&error))?;
        Ok(ControllerEvent::Record(Box::new(record)))
    } else if *topic == topics.cmd_response() {
        ResponsePayload::parse(bytes)
            .map(ControllerEvent::Response)
            .map_err(|error| chain(&error))
    } else {
        Err("no such topic was asked for".to_owned())
    }
}
