//! What the network thread hears, in the station's words: triggers, commands, acknowledgements, the
//! fate of what was sent.

use std::time::Instant;

use jiff::Timestamp;
use tracing::error;

use super::command::{Command, Verb};
use super::news::News;
use super::payload::{AckPayload, Arrival, DeadlineLimits, TriggerPayload, chain};
use super::post::{Delivery, Token};
use super::publisher::Incoming;
use super::topics::Topics;

/// Reads what comes on the station's topics.
pub(super) struct Inbox {
    topics: Topics,
    limits: DeadlineLimits,
    leaves: Vec<(String, Leaf)>,
}

#[derive(Debug, Clone, Copy)]
enum Leaf {
    Trigger,
    Ack,
    Command(Verb),
}

impl Inbox {
    pub(super) fn new(topics: Topics, limits: DeadlineLimits) -> Self {
        let verbs = Verb::ALL.map(|verb| (topics.cmd(verb), Leaf::Command(verb)));
        let leaves = [
            (topics.cmd_trigger(), Leaf::Trigger),
            (topics.ack(), Leaf::Ack),
        ];
        Self {
            leaves: leaves.into_iter().chain(verbs).collect(),
            topics,
            limits,
        }
    }

    /// What the station subscribes to.
    pub(super) fn topics(&self) -> Vec<String> {
        self.leaves.iter().map(|(topic, _)| topic.clone()).collect()
    }

    pub(super) fn translate(&self, news: News) -> Option<Incoming> {
        Some(match news {
            News::Connected => Incoming::Connected,
            News::Disconnected { error } => Incoming::Disconnected { error },
            News::Delivered { outbox_id } => Incoming::RecordDelivered { outbox_id },
            News::Expired { sequence } => Incoming::VerdictExpired { sequence },
            News::Unheard { sequence } => Incoming::VerdictUnheard { sequence },
            News::Refused {
                what: Token::Record { outbox_id },
                error,
            } => Incoming::RecordRefused { outbox_id, error },
            News::Refused {
                what: Token::Urgent { sequence },
                error,
            } => {
                error!(sequence, error, "the broker refused a verdict");
                Incoming::VerdictUnheard { sequence }
            }
            News::Refused {
                what: Token::Other,
                error,
            } => {
                error!(error, "the broker refused a message");
                return None;
            }
            News::Came(delivery) => return self.came(delivery),
        })
    }

    fn came(&self, delivery: Delivery) -> Option<Incoming> {
        let (_, leaf) = self
            .leaves
            .iter()
            .find(|(topic, _)| *topic == delivery.topic)?;
        Some(match leaf {
            Leaf::Trigger => self.trigger(&delivery),
            Leaf::Ack => match AckPayload::parse(&delivery.payload) {
                Ok(ack) => Incoming::Ack {
                    sequence: ack.sequence,
                    action: ack.action,
                },
                Err(error) => Incoming::BadAck {
                    error: chain(&error),
                },
            },
            Leaf::Command(verb) => match Command::read(*verb, delivery, &self.topics) {
                Ok(command) => Incoming::Command(command),
                Err(error) => Incoming::BadCommand {
                    error: chain(&error),
                },
            },
        })
    }

    fn trigger(&self, delivery: &Delivery) -> Incoming {
        let arrival = Arrival {
            at: Instant::now(),
            at_utc: Timestamp::now(),
        };
        // The broker would show it again at every connect, long after the part has gone.
        if delivery.is_retained {
            let error = "the trigger was retained by the broker; publish triggers without `retain`";
            return Incoming::BadTrigger {
                error: error.to_owned(),
            };
        }
        TriggerPayload::parse(&delivery.payload)
            .and_then(|payload| payload.into_trigger(arrival, &self.limits))
            .map_or_else(
                |error| Incoming::BadTrigger {
                    error: chain(&error),
                },
                Incoming::Trigger,
            )
    }
}
