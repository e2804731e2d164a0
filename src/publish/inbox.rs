//! What the network thread hears, in the station's words: triggers, commands, acknowledgements, the
//! fate of what was sent.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::error;

use super::command::{Command, Verb};
use super::news::News;
use super::payload::{AckPayload, Arrival, DeadlineLimits, TriggerPayload, chain};
use super::post::{Delivery, Token};
use super::publisher::Incoming;
use super::rate::Rate;
use super::topics::Topics;

/// Commands that may come at once, and in a second: people and panels send them.
const COMMANDS_AT_ONCE: u32 = 100;
const COMMANDS_PER_S: u32 = 10;
/// So many seconds' worth of triggers, or of acknowledgements, may come at once.
const SECONDS_AT_ONCE: u32 = 4;
/// A flood is told of so often.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// What is taken from the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxLimits {
    /// Deadlines that a trigger may ask for.
    pub deadlines: DeadlineLimits,
    /// Triggers a second, and as many acknowledgements; what comes faster is dropped and counted.
    pub per_s_max: u32,
}

/// Reads what comes on the station's topics.
pub(super) struct Inbox {
    topics: Topics,
    deadlines: DeadlineLimits,
    leaves: Vec<(String, Leaf)>,
    rates: [Rate; 3],
    n_dropped: u64,
    told_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
enum Leaf {
    Trigger,
    Ack,
    Command(Verb),
}

impl Inbox {
    pub(super) fn new(topics: Topics, limits: InboxLimits) -> Self {
        let now = Instant::now();
        let at_once = limits.per_s_max.saturating_mul(SECONDS_AT_ONCE);
        let verbs = Verb::ALL.map(|verb| (topics.cmd(verb), Leaf::Command(verb)));
        let leaves = [
            (topics.cmd_trigger(), Leaf::Trigger),
            (topics.ack(), Leaf::Ack),
        ];
        Self {
            leaves: leaves.into_iter().chain(verbs).collect(),
            topics,
            deadlines: limits.deadlines,
            rates: [
                Rate::new(limits.per_s_max, at_once, now),
                Rate::new(limits.per_s_max, at_once, now),
                Rate::new(COMMANDS_PER_S, COMMANDS_AT_ONCE, now),
            ],
            n_dropped: 0,
            told_at: None,
        }
    }

    /// What the station subscribes to.
    pub(super) fn topics(&self) -> Vec<String> {
        self.leaves.iter().map(|(topic, _)| topic.clone()).collect()
    }

    pub(super) fn translate(&mut self, news: News) -> Option<Incoming> {
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
            News::Unacknowledged { sequence } => Incoming::VerdictUnacknowledged { sequence },
            News::Refused {
                what: Token::Urgent { sequence, .. },
                error,
            } => {
                error!(sequence, error, "the broker refused a verdict");
                return None;
            }
            News::Refused {
                what: Token::Other,
                error,
            } => {
                error!(error, "the broker refused a message");
                return None;
            }
            News::Came(delivery) => return self.came(delivery, Instant::now()),
        })
    }

    fn came(&mut self, delivery: Delivery, now: Instant) -> Option<Incoming> {
        let on_topic = |(topic, _): &&(String, Leaf)| *topic == delivery.topic;
        let (_, leaf) = *self.leaves.iter().find(on_topic)?;
        if !self.is_within_rate(leaf, now) {
            return self.flood(now);
        }
        Some(match leaf {
            Leaf::Trigger => self.trigger(&delivery, now),
            Leaf::Ack => match AckPayload::parse(&delivery.payload) {
                Ok(ack) => Incoming::Ack {
                    sequence: ack.sequence,
                    action: ack.action,
                },
                Err(error) => Incoming::BadAck {
                    error: chain(&error),
                },
            },
            Leaf::Command(verb) => match Command::read(verb, delivery, &self.topics) {
                Ok(command) => Incoming::Command(command),
                Err(error) => Incoming::BadCommand {
                    error: chain(&error),
                },
            },
        })
    }

    fn is_within_rate(&mut self, leaf: Leaf, now: Instant) -> bool {
        let [triggers, acks, commands] = &mut self.rates;
        let rate = match leaf {
            Leaf::Trigger => triggers,
            Leaf::Ack => acks,
            Leaf::Command(_) => commands,
        };
        rate.fill(now);
        rate.take()
    }

    /// One more message is dropped; told at once, and then once a second with those since.
    fn flood(&mut self, now: Instant) -> Option<Incoming> {
        self.n_dropped += 1;
        if self
            .told_at
            .is_some_and(|told_at| now < told_at + TOLD_EVERY)
        {
            return None;
        }
        self.told_at = Some(now);
        let n_dropped = std::mem::take(&mut self.n_dropped);
        Some(Incoming::Flood { n_dropped })
    }

    fn trigger(&self, delivery: &Delivery, now: Instant) -> Incoming {
        let arrival = Arrival {
            at: now,
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
            .and_then(|payload| payload.into_trigger(arrival, &self.deadlines))
            .map_or_else(
                |error| Incoming::BadTrigger {
                    error: chain(&error),
                },
                Incoming::Trigger,
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::{DEADLINE_MAX_MS, DEADLINE_MIN_MS, Reply};

    #[test]
    fn a_flood_of_triggers_is_dropped_and_told_and_a_command_comes_through() {
        let topics = Topics::new("taktgate", "a", "b", "c", "d", "st").unwrap();
        let deadlines = DeadlineLimits {
            min_ms: DEADLINE_MIN_MS,
            max_ms: DEADLINE_MAX_MS,
            default_ms: 500,
        };
        let limits = InboxLimits {
            deadlines,
            per_s_max: 10,
        };
        let mut inbox = Inbox::new(topics.clone(), limits);
        let start = Instant::now();
        let message = |topic: String| Delivery {
            topic,
            payload: br#"{"schema":1,"sequence":1,"part_id":"p","part_type":"plate"}"#.to_vec(),
            is_retained: false,
            reply: Reply::default(),
        };
        let mut dropped = Vec::new();
        let mut n_taken = 0;
        for ms in 0..2_000 {
            let now = start + Duration::from_millis(ms);
            match inbox.came(message(topics.cmd_trigger()), now) {
                Some(Incoming::Trigger(_)) => n_taken += 1,
                Some(Incoming::Flood { n_dropped }) => dropped.push(n_dropped),
                None => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(
            (59..=61).contains(&n_taken),
            "40 at once and 10 a second: {n_taken}"
        );
        assert_eq!(dropped.len(), 2, "{dropped:?}");
        assert_eq!(dropped[0], 1);
        let now = start + Duration::from_secs(2);
        let halt = inbox.came(message(topics.cmd(Verb::Halt)), now);
        assert!(
            !matches!(halt, None | Some(Incoming::Flood { .. })),
            "{halt:?}"
        );
    }
}
