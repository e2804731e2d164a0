//! What waits to be sent, and what is in flight: the rules of delivery without a socket or a clock.
//!
//! | kind | while the broker is away | order of sending |
//! | --- | --- | --- |
//! | kept (state) | the newest is kept, and sent again at every connect | 1 |
//! | urgent (verdict, trigger) | waits until it expires, then is dropped and reported; one whose PUBACK was lost with the connection is reported | 2 |
//! | plain (event, acknowledgement) | the newest [`PLAIN_MAX`] wait | 3 |
//! | fleeting (health) | the newest waits | 4 |
//! | record | not taken: the store has it, and sends it again after the next connect | 5 |

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::domain::Sequence;

use super::command::Reply;

/// At most so many messages wait for their PUBACK, records and all others together.
pub const IN_FLIGHT_MAX: usize = 64;

/// At most so many of them are records, so that a verdict always finds room.
pub const RECORDS_IN_FLIGHT_MAX: usize = 32;

/// At most so many urgent messages wait for a connection.
pub(super) const URGENT_MAX: usize = 512;

/// At most so many plain messages wait for a connection.
pub(super) const PLAIN_MAX: usize = 64;

/// A message as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) is_retained: bool,
    /// `QoS` 1, else 0.
    pub(super) at_least_once: bool,
    /// What tells the reader which question this answers (MQTT 5).
    pub(super) correlation: Option<Vec<u8>>,
}

impl Message {
    pub(super) fn at_least_once(topic: String, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            topic,
            payload: payload.into(),
            is_retained: false,
            at_least_once: true,
            correlation: None,
        }
    }

    pub(super) fn retained(self) -> Self {
        Self {
            is_retained: true,
            ..self
        }
    }

    pub(super) fn at_most_once(self) -> Self {
        Self {
            at_least_once: false,
            ..self
        }
    }
}

/// A message as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) is_retained: bool,
    /// Where an answer is wanted (MQTT 5).
    pub(super) reply: Reply,
}

/// What the side above wants sent.
#[derive(Debug)]
pub(super) enum Post {
    Kept(Message),
    /// Forms of one thing: reported on together.
    Urgent {
        messages: Vec<Message>,
        expires_at: Instant,
        sequence: Sequence,
    },
    Plain(Message),
    Fleeting(Message),
}

/// A record on its way.
#[derive(Debug)]
pub(super) struct RecordPost {
    pub(super) message: Message,
    pub(super) outbox_id: u64,
}

/// What a message in flight stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// One of `n_forms` messages.
    Urgent {
        sequence: Sequence,
        n_forms: usize,
    },
    Record {
        outbox_id: u64,
    },
    Other,
}

/// A message whose turn has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Handover {
    pub(super) message: Message,
    pub(super) expiry_s: Option<u32>,
    pub(super) token: Token,
}

#[derive(Debug)]
struct Urgent {
    message: Message,
    expires_at: Instant,
    sequence: Sequence,
    n_forms: usize,
}

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    kept: Option<Message>,
    is_kept_due: bool,
    urgent: VecDeque<Urgent>,
    plain: VecDeque<Message>,
    fleeting: Option<Message>,
    n_plain_dropped: u64,
}

impl Waiting {
    /// Takes a post in; returns the sequence of an urgent one that had to make room for it.
    pub(super) fn take(&mut self, post: Post) -> Option<Sequence> {
        match post {
            Post::Kept(message) => {
                self.kept = Some(message);
                self.is_kept_due = true;
            }
            Post::Urgent {
                messages,
                expires_at,
                sequence,
            } => {
                let n_forms = messages.len();
                let urgent = messages.into_iter().map(|message| Urgent {
                    message,
                    expires_at,
                    sequence,
                    n_forms,
                });
                self.urgent.extend(urgent);
                if URGENT_MAX < self.urgent.len() {
                    return self.drop_oldest_urgent();
                }
            }
            Post::Plain(message) => {
                if self.plain.len() == PLAIN_MAX {
                    self.plain.pop_front();
                    self.n_plain_dropped += 1;
                }
                self.plain.push_back(message);
            }
            Post::Fleeting(message) => self.fleeting = Some(message),
        }
        None
    }

    fn drop_oldest_urgent(&mut self) -> Option<Sequence> {
        let sequence = self.urgent.front()?.sequence;
        self.urgent.retain(|urgent| urgent.sequence != sequence);
        Some(sequence)
    }

    /// The connection is new: what is kept goes out again.
    pub(super) fn renew(&mut self) {
        self.is_kept_due = self.kept.is_some();
    }

    /// Plain messages dropped since the last call.
    pub(super) fn plain_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.n_plain_dropped)
    }

    /// Removes what has expired; the sequences to report.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<Sequence> {
        let mut reported = Vec::new();
        self.urgent.retain(|urgent| {
            let holds = now < urgent.expires_at;
            if !holds && reported.last() != Some(&urgent.sequence) {
                reported.push(urgent.sequence);
            }
            holds
        });
        reported
    }

    /// When the next one expires.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.urgent.iter().map(|urgent| urgent.expires_at).min()
    }

    /// The next message to send; what has expired must have been removed before.
    pub(super) fn next(&mut self, now: Instant) -> Option<Handover> {
        let other = |message| Handover {
            message,
            expiry_s: None,
            token: Token::Other,
        };
        if std::mem::take(&mut self.is_kept_due)
            && let Some(message) = self.kept.clone()
        {
            return Some(other(message));
        }
        if let Some(urgent) = self.urgent.pop_front() {
            let left = urgent.expires_at.saturating_duration_since(now);
            let token = Token::Urgent {
                sequence: urgent.sequence,
                n_forms: urgent.n_forms,
            };
            let expiry_s = Some(whole_seconds(left));
            return Some(Handover {
                message: urgent.message,
                expiry_s,
                token,
            });
        }
        if let Some(message) = self.plain.pop_front() {
            return Some(other(message));
        }
        self.fleeting.take().map(other)
    }

    /// Whether all has been handed over.
    pub(super) fn is_empty(&self) -> bool {
        !self.is_kept_due
            && self.urgent.is_empty()
            && self.plain.is_empty()
            && self.fleeting.is_none()
    }
}

/// MQTT 5 counts in whole seconds: rounded up, so that no verdict dies before its time.
fn whole_seconds(left: Duration) -> u32 {
    let up = left
        .as_secs()
        .saturating_add(u64::from(left.subsec_nanos() != 0));
    u32::try_from(up.max(1)).unwrap_or(u32::MAX)
}

/// What the broker has not acknowledged yet.
#[derive(Debug, Default)]
pub(super) struct Flight {
    // rumqttc tells the packet id only when a message leaves, in the order of handing over.
    handed: VecDeque<(Token, Instant)>,
    unacked: BTreeMap<u16, (Token, Instant)>,
    n_records: usize,
    // Of each urgent thing under way: how many forms are not acknowledged, and whether somebody heard one.
    heard: BTreeMap<Sequence, (usize, bool)>,
}

impl Flight {
    pub(super) fn handed(&mut self, token: Token, now: Instant) {
        match token {
            Token::Record { .. } => self.n_records += 1,
            Token::Urgent { sequence, n_forms } => {
                self.heard.entry(sequence).or_insert((n_forms, false));
            }
            Token::Other => {}
        }
        self.handed.push_back((token, now));
    }

    pub(super) fn sent(&mut self, packet_id: u16) {
        if let Some(entry) = self.handed.pop_front()
            && packet_id != 0
        {
            self.unacked.insert(packet_id, entry);
        }
    }

    pub(super) fn acked(&mut self, packet_id: u16) -> Option<Token> {
        let (token, _) = self.unacked.remove(&packet_id)?;
        if matches!(token, Token::Record { .. }) {
            self.n_records = self.n_records.saturating_sub(1);
        }
        Some(token)
    }

    /// Somebody has heard one of the forms.
    pub(super) fn heard(&mut self, sequence: Sequence) {
        if let Some((_, is_heard)) = self.heard.get_mut(&sequence) {
            *is_heard = true;
        }
    }

    /// One form is done with; true if it was the last, and nobody has heard any of them.
    pub(super) fn is_unheard(&mut self, sequence: Sequence) -> bool {
        let Some((n_left, is_heard)) = self.heard.get_mut(&sequence) else {
            return false;
        };
        *n_left = n_left.saturating_sub(1);
        let (is_last, is_heard) = (*n_left == 0, *is_heard);
        if is_last {
            self.heard.remove(&sequence);
        }
        is_last && !is_heard
    }

    /// The urgent things of which the broker has not acknowledged every form.
    pub(super) fn unacknowledged(&self) -> impl Iterator<Item = Sequence> {
        self.heard.keys().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.handed.len() + self.unacked.len()
    }

    pub(super) fn n_records(&self) -> usize {
        self.n_records
    }

    /// Since when the oldest has been under way.
    pub(super) fn oldest(&self) -> Option<Instant> {
        let unacked = self.unacked.values().map(|(_, at)| *at).min();
        let handed = self.handed.front().map(|(_, at)| *at);
        [unacked, handed].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message::at_least_once("t".to_owned(), text)
    }

    fn urgent(sequence: Sequence, expires_at: Instant) -> Post {
        let messages = vec![message("json"), message("plc")];
        Post::Urgent {
            messages,
            expires_at,
            sequence,
        }
    }

    fn texts(waiting: &mut Waiting, now: Instant) -> Vec<String> {
        std::iter::from_fn(|| waiting.next(now))
            .map(|handover| String::from_utf8(handover.message.payload).unwrap())
            .collect()
    }

    #[test]
    fn the_state_goes_first_and_again_at_every_connect() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        waiting.take(Post::Fleeting(message("health")));
        waiting.take(Post::Plain(message("event")));
        waiting.take(urgent(1, now + Duration::from_secs(1)));
        waiting.take(Post::Kept(message("preoperational")));
        waiting.take(Post::Kept(message("ready")));
        assert_eq!(
            texts(&mut waiting, now),
            ["ready", "json", "plc", "event", "health"]
        );
        assert!(waiting.is_empty());
        waiting.renew();
        assert_eq!(texts(&mut waiting, now), ["ready"]);
    }

    #[test]
    fn an_expired_verdict_is_never_sent_and_reported_once() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        let soon = now + Duration::from_millis(300);
        waiting.take(urgent(1, soon));
        waiting.take(urgent(2, now + Duration::from_millis(1001)));
        assert_eq!(waiting.next_expiry(), Some(soon));
        assert_eq!(waiting.expired(soon), [1]);
        assert_eq!(waiting.expired(soon), [0; 0]);
        let handover = waiting.next(now).unwrap();
        let token = Token::Urgent {
            sequence: 2,
            n_forms: 2,
        };
        assert_eq!(handover.token, token);
        assert_eq!(handover.expiry_s, Some(2));
        assert_eq!(waiting.next(soon).unwrap().expiry_s, Some(1));
    }

    #[test]
    fn a_full_queue_gives_up_its_oldest() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        let later = now + Duration::from_secs(9);
        let dropped: Vec<_> = (0..257)
            .filter_map(|n| waiting.take(urgent(n, later)))
            .collect();
        assert_eq!(dropped, [0]);
        for _ in 0..=PLAIN_MAX {
            waiting.take(Post::Plain(message("event")));
        }
        assert_eq!((waiting.plain_dropped(), waiting.plain_dropped()), (1, 0));
    }

    #[test]
    fn packet_ids_meet_their_tokens_in_order() {
        let (mut flight, now) = (Flight::default(), Instant::now());
        let tokens = [
            Token::Record { outbox_id: 7 },
            Token::Other,
            Token::Urgent {
                sequence: 1,
                n_forms: 1,
            },
        ];
        for token in tokens {
            flight.handed(token, now);
        }
        for packet_id in [3, 0, 4] {
            flight.sent(packet_id);
        }
        assert_eq!(
            (flight.len(), flight.n_records(), flight.oldest()),
            (2, 1, Some(now))
        );
        assert_eq!(flight.acked(4), Some(tokens[2]));
        assert_eq!(flight.acked(4), None);
        assert_eq!(flight.acked(3), Some(tokens[0]));
        assert_eq!(
            (flight.len(), flight.n_records(), flight.oldest()),
            (0, 0, None)
        );
    }

    #[test]
    fn a_thing_is_unheard_when_none_of_its_forms_was_heard() {
        let (mut flight, now) = (Flight::default(), Instant::now());
        for sequence in [1, 2, 3] {
            for _ in 0..2 {
                flight.handed(
                    Token::Urgent {
                        sequence,
                        n_forms: 2,
                    },
                    now,
                );
            }
        }
        assert!(!flight.is_unheard(1), "its second form is under way");
        assert!(flight.is_unheard(1));
        assert!(!flight.is_unheard(2));
        flight.heard(2);
        assert!(!flight.is_unheard(2));
        assert!(!flight.is_unheard(3));
        assert_eq!(flight.unacknowledged().collect::<Vec<_>>(), [3]);
    }
}
