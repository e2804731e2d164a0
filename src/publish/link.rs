//! One rumqttc client and event loop behind one face for MQTT 5 and 3.1.1.
//!
//! A link lives for one connection: after any error it is thrown away with all that it holds, and
//! a new one is made. That avoids what rumqttc loses or repeats when it reconnects by itself.

use rumqttc::v5::mqttbytes::v5 as v5packet;
use rumqttc::{Outgoing, SubscribeFilter, SubscribeReasonCode};

use super::command::Reply;
use super::connection::Connection;
use super::link_error::{LinkError, explain_v5, explain_v311};
use super::post::{Delivery, IN_FLIGHT_MAX, Message};

/// The sending half.
pub(super) enum Client {
    V5(rumqttc::v5::AsyncClient),
    V311(rumqttc::AsyncClient),
}

/// The half that must be polled; its future must never be dropped half done.
pub(super) enum Poller {
    V5(Box<rumqttc::v5::EventLoop>),
    V311(Box<rumqttc::EventLoop>),
}

/// What happened on the link.
#[derive(Debug)]
pub(super) enum Signal {
    /// The broker took us in; it lets so many messages be in flight, each at most so large.
    Welcome {
        in_flight_max: usize,
        packet_max: usize,
    },
    /// The broker took our subscriptions, or refused one.
    Subscribed { refused: Option<String> },
    /// The next message handed over left with this packet id (0 for `QoS` 0).
    Sent { packet_id: u16 },
    /// The broker has it.
    Acked { packet_id: u16, outcome: Outcome },
    /// A message came.
    Came(Delivery),
    /// Our goodbye was written.
    Left,
    /// Nothing of interest.
    Other,
}

/// What the broker said about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Taken,
    /// Taken, but nobody is subscribed (only MQTT 5 brokers say so).
    Unheard,
    Refused(String),
}

impl Client {
    /// Hands a message over; the event loop sends it. `expiry_s` is a matter of MQTT 5.
    pub(super) fn publish(&self, message: Message, expiry_s: Option<u32>) -> Result<(), LinkError> {
        let Message {
            topic,
            payload,
            is_retained,
            at_least_once,
            correlation,
        } = message;
        match self {
            Self::V5(client) => {
                use rumqttc::v5::mqttbytes::QoS;
                let qos = if at_least_once {
                    QoS::AtLeastOnce
                } else {
                    QoS::AtMostOnce
                };
                let properties = v5packet::PublishProperties {
                    message_expiry_interval: expiry_s,
                    correlation_data: correlation.map(Into::into),
                    ..v5packet::PublishProperties::default()
                };
                client
                    .try_publish_with_properties(topic, qos, is_retained, payload, properties)
                    .map_err(overfull)
            }
            Self::V311(client) => {
                use rumqttc::QoS;
                let qos = if at_least_once {
                    QoS::AtLeastOnce
                } else {
                    QoS::AtMostOnce
                };
                client
                    .try_publish(topic, qos, is_retained, payload)
                    .map_err(overfull)
            }
        }
    }

    pub(super) fn subscribe(&self, topics: &[String]) -> Result<(), LinkError> {
        match self {
            Self::V5(client) => client
                .try_subscribe_many(topics.iter().map(|topic| {
                    v5packet::Filter::new(topic, rumqttc::v5::mqttbytes::QoS::AtLeastOnce)
                }))
                .map_err(overfull),
            Self::V311(client) => {
                client
                    .try_subscribe_many(topics.iter().map(|topic| {
                        SubscribeFilter::new(topic.clone(), rumqttc::QoS::AtLeastOnce)
                    }))
                    .map_err(overfull)
            }
        }
    }

    pub(super) fn leave(&self) -> Result<(), LinkError> {
        match self {
            Self::V5(client) => client.try_disconnect().map_err(overfull),
            Self::V311(client) => client.try_disconnect().map_err(overfull),
        }
    }
}

impl Poller {
    /// Drives the link until something happens.
    pub(super) async fn poll(
        &mut self,
        connection: &Connection,
        topics: &[String],
    ) -> Result<Signal, LinkError> {
        match self {
            Self::V5(poller) => match poller.poll().await {
                Ok(rumqttc::v5::Event::Incoming(packet)) => Ok(incoming_v5(packet, topics)),
                Ok(rumqttc::v5::Event::Outgoing(outgoing)) => Ok(sent(&outgoing)),
                Err(error) => Err(explain_v5(error, connection)),
            },
            Self::V311(poller) => match poller.poll().await {
                Ok(rumqttc::Event::Incoming(packet)) => Ok(incoming_v311(packet, topics)),
                Ok(rumqttc::Event::Outgoing(outgoing)) => Ok(sent(&outgoing)),
                Err(error) => Err(explain_v311(error, connection)),
            },
        }
    }
}

fn sent(outgoing: &Outgoing) -> Signal {
    match outgoing {
        Outgoing::Publish(packet_id) => Signal::Sent {
            packet_id: *packet_id,
        },
        Outgoing::Disconnect => Signal::Left,
        // A message that waits for a packet id is announced again when it has left.
        Outgoing::AwaitAck(_)
        | Outgoing::Subscribe(_)
        | Outgoing::Unsubscribe(_)
        | Outgoing::PubAck(_)
        | Outgoing::PubRec(_)
        | Outgoing::PubRel(_)
        | Outgoing::PubComp(_)
        | Outgoing::PingReq
        | Outgoing::PingResp => Signal::Other,
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the other packets need no answer from us"
)]
fn incoming_v5(packet: v5packet::Packet, topics: &[String]) -> Signal {
    match packet {
        v5packet::Packet::ConnAck(welcome) => {
            let limits = welcome.properties.as_ref();
            let in_flight_max = limits
                .and_then(|p| p.receive_max)
                .map_or(IN_FLIGHT_MAX, usize::from);
            let packet_max = limits
                .and_then(|p| p.max_packet_size)
                .and_then(|max| usize::try_from(max).ok())
                .unwrap_or(usize::MAX);
            Signal::Welcome {
                in_flight_max,
                packet_max,
            }
        }
        v5packet::Packet::SubAck(answer) => {
            let is_refused = |code: &v5packet::SubscribeReasonCode| {
                !matches!(code, v5packet::SubscribeReasonCode::Success(_))
            };
            Signal::Subscribed {
                refused: first_refused(&answer.return_codes, is_refused, topics),
            }
        }
        v5packet::Packet::PubAck(answer) => {
            let outcome = match answer.reason {
                v5packet::PubAckReason::Success => Outcome::Taken,
                v5packet::PubAckReason::NoMatchingSubscribers => Outcome::Unheard,
                other => Outcome::Refused(format!("{other:?}")),
            };
            Signal::Acked {
                packet_id: answer.pkid,
                outcome,
            }
        }
        v5packet::Packet::Publish(publish) => {
            let properties = publish.properties.unwrap_or_default();
            Signal::Came(Delivery {
                topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                payload: publish.payload.to_vec(),
                is_retained: publish.retain,
                reply: Reply {
                    topic: properties.response_topic,
                    correlation: properties.correlation_data.map(Into::into),
                },
            })
        }
        _ => Signal::Other,
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the other packets need no answer from us"
)]
fn incoming_v311(packet: rumqttc::Packet, topics: &[String]) -> Signal {
    match packet {
        rumqttc::Packet::ConnAck(_) => Signal::Welcome {
            in_flight_max: IN_FLIGHT_MAX,
            packet_max: usize::MAX,
        },
        rumqttc::Packet::SubAck(answer) => {
            let is_refused =
                |code: &SubscribeReasonCode| !matches!(code, SubscribeReasonCode::Success(_));
            Signal::Subscribed {
                refused: first_refused(&answer.return_codes, is_refused, topics),
            }
        }
        rumqttc::Packet::PubAck(answer) => Signal::Acked {
            packet_id: answer.pkid,
            outcome: Outcome::Taken,
        },
        rumqttc::Packet::Publish(publish) => Signal::Came(Delivery {
            topic: publish.topic,
            payload: publish.payload.to_vec(),
            is_retained: publish.retain,
            reply: Reply::default(),
        }),
        _ => Signal::Other,
    }
}

fn first_refused<T>(
    codes: &[T],
    is_refused: impl Fn(&T) -> bool,
    topics: &[String],
) -> Option<String> {
    let place = codes.iter().position(is_refused)?;
    Some(
        topics
            .get(place)
            .cloned()
            .unwrap_or_else(|| "a topic".to_owned()),
    )
}

// The request comes back in the error; the connection that it was for ends with it.
fn overfull<E>(_: E) -> LinkError {
    LinkError::Overfull
}
