//! The rules of an edge node's session: births, sequence, report by exception, rebirth, the host's word.
//!
//! A state machine without clock, socket or thread: it is told what happened and when, and returns the
//! messages to send, in order.

use std::collections::BTreeMap;
use std::time::Instant;

use prost::Message as _;
use tracing::{info, warn};

use crate::publish::payload::chain;
use crate::publish::post::{Delivery, Message};

use super::history::{Change, History};
use super::host::{Heard, Host};
use super::incoming::NodeCommand;
use super::proto::{Metric, Payload, Value};
use super::rebirth::Rebirths;
use super::settings::SparkplugSettings;
use super::tag::{Owner, Sample, Tag};

/// Changes in one message of history.
const HISTORY_BATCH: usize = 64;

/// One moment on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) at: Instant,
    /// Milliseconds since 1970 UTC.
    pub(super) ms: u64,
}

/// What to do next.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    Send(Vec<Message>),
    /// Send this last, say goodbye, and connect anew.
    Leave(Message),
}

/// An edge node and its device.
#[derive(Debug)]
pub(super) struct Edge {
    settings: SparkplugSettings,
    current: BTreeMap<Tag, (Value, u64)>,
    history: History,
    host: Host,
    bd_seq: u8,
    next_seq: u8,
    session: Session,
    rebirths: Rebirths,
    gate_is_alive: bool,
}

/// How far the session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Session {
    /// No connection, or one that hears no commands yet.
    Apart,
    Subscribed,
    Born {
        with_gate: bool,
    },
}

impl Edge {
    pub(super) fn new(settings: SparkplugSettings) -> Self {
        Self {
            settings,
            current: BTreeMap::new(),
            history: History::default(),
            host: Host::default(),
            bd_seq: 0,
            next_seq: 0,
            session: Session::Apart,
            rebirths: Rebirths::default(),
            gate_is_alive: true,
        }
    }

    /// A connection is about to be made: returns its last will.
    pub(super) fn connect(&mut self, bd_seq: u8, now: Now) -> Message {
        self.bd_seq = bd_seq;
        self.host.ask_anew();
        self.death(now)
    }

    pub(super) fn subscriptions(&self) -> Vec<String> {
        self.settings.subscriptions()
    }

    /// The broker took the subscriptions.
    pub(super) fn subscribed(&mut self, now: Now) -> Vec<Message> {
        self.session = Session::Subscribed;
        if self.settings.waits_for_host() && !self.host.is_online() {
            info!("the primary host is not online; births and data wait for it");
        }
        self.births_if_due(now)
    }

    /// A message came: a command, or the host's state.
    pub(super) fn came(&mut self, delivery: &Delivery, now: Now) -> Step {
        if self.settings.state_topic().as_ref() == Some(&delivery.topic) {
            return self.host_said(&delivery.payload, now);
        }
        if delivery.topic != self.settings.node_topic("NCMD") || !self.is_born() {
            return Step::Send(Vec::new());
        }
        // The broker would show it again at every connect.
        if delivery.is_retained {
            warn!("a command is retained; it is ignored");
            return Step::Send(Vec::new());
        }
        match NodeCommand::parse(&delivery.payload) {
            Ok(command) if command.asks_for_rebirth && self.rebirths.asked(now.at) => {
                info!("a host asked for a rebirth");
                return Step::Send(self.births(now));
            }
            Ok(_) => {}
            Err(error) => warn!(error = chain(&error), "a command is ignored"),
        }
        Step::Send(Vec::new())
    }

    /// When the births are due that a host asked for too soon after others.
    pub(super) fn rebirth_due_at(&self) -> Option<Instant> {
        self.rebirths.due_at().filter(|_| self.is_born())
    }

    /// Those births, if they are due.
    pub(super) fn rebirth_if_due(&mut self, now: Now) -> Vec<Message> {
        if self.is_born() && self.rebirths.take_due(now.at) {
            info!("a host asked for a rebirth; it follows the one before");
            self.births(now)
        } else {
            Vec::new()
        }
    }

    /// The station said something: what changed goes out, or waits.
    pub(super) fn sample(&mut self, sample: Sample, now: Now) -> Vec<Message> {
        let at_ms = sample.at_ms;
        self.gate_is_alive = sample.gate_is_alive.unwrap_or(self.gate_is_alive);
        let mut changes = Vec::new();
        for (tag, value) in sample.values {
            if self
                .current
                .get(&tag)
                .is_none_or(|(known, _)| *known != value)
            {
                self.current.insert(tag, (value.clone(), at_ms));
                changes.push(Change { tag, value, at_ms });
            }
        }
        let Some(with_gate) = self.tells() else {
            self.history.keep_all(changes);
            return Vec::new();
        };
        let (mut of_node, of_gate): (Vec<_>, Vec<_>) = changes
            .into_iter()
            .partition(|change| change.tag.owner() == Owner::Node);
        of_node.extend(self.dropped(now));
        let mut messages = Vec::new();
        if !of_node.is_empty() {
            messages.push(self.data(Owner::Node, of_node, Told::Live, now));
        }
        match (with_gate, self.gate_is_alive) {
            (true, true) if !of_gate.is_empty() => {
                messages.push(self.data(Owner::Device, of_gate, Told::Live, now));
            }
            (true, true) => {}
            (false, true) => {
                messages.push(self.birth(Owner::Device, now));
                self.session = Session::Born { with_gate: true };
            }
            (was_born, false) => {
                self.history.keep_all(of_gate);
                if was_born {
                    self.session = Session::Born { with_gate: false };
                    messages.push(self.gate_death(now));
                }
            }
        }
        messages
    }

    /// Whether history waits that may go now.
    pub(super) fn has_back_fill(&self) -> bool {
        self.tells().is_some() && self.history.has(|change| may_go(change, self.session))
    }

    pub(super) fn n_waiting(&self) -> usize {
        self.history.n_waiting()
    }

    /// The next messages of history.
    pub(super) fn back_fill(&mut self, now: Now) -> Vec<Message> {
        if self.tells().is_none() {
            return Vec::new();
        }
        let session = self.session;
        let batch = self
            .history
            .take(HISTORY_BATCH, |change| may_go(change, session));
        let (of_node, of_gate): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .partition(|change| change.tag.owner() == Owner::Node);
        [(Owner::Node, of_node), (Owner::Device, of_gate)]
            .into_iter()
            .filter(|(_, changes)| !changes.is_empty())
            .map(|(owner, changes)| self.data(owner, changes, Told::Late, now))
            .collect()
    }

    /// Samples that never came here, for want of room in the queue.
    pub(super) fn lost_before(&mut self, n_lost: u64) {
        self.history.lost_before(n_lost);
    }

    /// The connection is gone; what was sent last may be lost.
    pub(super) fn disconnected(&mut self, now: Now) {
        self.session = Session::Apart;
        self.history.take_back(now.at);
    }

    /// The goodbye of a node that was born.
    pub(super) fn leave(&mut self, now: Now) -> Option<Message> {
        if !self.is_born() {
            return None;
        }
        self.session = Session::Apart;
        Some(self.death(now))
    }

    fn is_born(&self) -> bool {
        matches!(self.session, Session::Born { .. })
    }

    /// Whether data may be told, and if so, whether of the gate too. The specification wants none after a
    /// host has asked for births, until it has them.
    fn tells(&self) -> Option<bool> {
        match self.session {
            Session::Born { with_gate } if !self.rebirths.is_owed() => Some(with_gate),
            Session::Born { .. } | Session::Subscribed | Session::Apart => None,
        }
    }

    fn host_said(&mut self, payload: &[u8], now: Now) -> Step {
        match self.host.heard(payload) {
            Heard::Online => return Step::Send(self.births_if_due(now)),
            Heard::Offline => {
                if let Some(death) = self.leave(now) {
                    info!("the primary host is offline; leaving until it is back");
                    return Step::Leave(death);
                }
            }
            Heard::Stale => warn!("a state of the primary host is older than the one before"),
            Heard::Unreadable(error) => warn!(error, "a state of the primary host cannot be read"),
        }
        Step::Send(Vec::new())
    }

    fn births_if_due(&mut self, now: Now) -> Vec<Message> {
        let host_is_there = !self.settings.waits_for_host() || self.host.is_online();
        if self.session != Session::Subscribed || !host_is_there {
            return Vec::new();
        }
        self.births(now)
    }

    fn births(&mut self, now: Now) -> Vec<Message> {
        self.next_seq = 0;
        self.rebirths.born();
        self.session = Session::Born {
            with_gate: self.gate_is_alive,
        };
        // The birth tells the count with all others.
        drop(self.dropped(now));
        let mut births = vec![self.birth(Owner::Node, now)];
        if self.gate_is_alive {
            births.push(self.birth(Owner::Device, now));
        }
        births
    }

    /// Everything that the owner will ever say, with its current value.
    fn birth(&mut self, owner: Owner, now: Now) -> Message {
        let mut metrics = Vec::new();
        let mut said = Vec::new();
        for tag in Tag::ALL.into_iter().filter(|tag| tag.owner() == owner) {
            let (value, at_ms) = self.value(tag, now);
            if let Some((value, at_ms)) = self.current.get(&tag).cloned() {
                said.push(Change { tag, value, at_ms });
            }
            metrics.push(Metric {
                name: Some(tag.name().to_owned()),
                alias: tag.alias(),
                timestamp: Some(at_ms),
                datatype: Some(tag.datatype().into()),
                is_historical: None,
                is_null: value.is_none().then_some(true),
                value,
            });
        }
        metrics.sort_by_key(|metric| metric.timestamp);
        self.history.forget(|change| said.contains(change));
        self.history.sent(said, now.at);
        let topic = match owner {
            Owner::Node => self.settings.node_topic("NBIRTH"),
            Owner::Device => self.settings.device_topic("DBIRTH"),
        };
        self.numbered(topic, metrics, now)
    }

    /// What a birth says of a tag; `None` for what is not yet known.
    fn value(&self, tag: Tag, now: Now) -> (Option<Value>, u64) {
        if tag == Tag::BdSeq {
            (Some(Value::Long(self.bd_seq.into())), now.ms)
        } else if tag == Tag::Rebirth {
            (Some(Value::Boolean(false)), now.ms)
        } else if let Some((value, at_ms)) = self.current.get(&tag) {
            (Some(value.clone()), *at_ms)
        } else {
            (None, now.ms)
        }
    }

    /// Changes by alias alone: the births told names and types.
    fn data(&mut self, owner: Owner, mut changes: Vec<Change>, told: Told, now: Now) -> Message {
        changes.sort_by_key(|change| change.at_ms);
        let metric = |change: &Change| Metric {
            name: None,
            alias: change.tag.alias(),
            timestamp: Some(change.at_ms),
            datatype: None,
            is_historical: (told == Told::Late).then_some(true),
            is_null: None,
            value: Some(change.value.clone()),
        };
        let metrics = changes.iter().map(metric).collect();
        self.history.sent(changes, now.at);
        let topic = match owner {
            Owner::Node => self.settings.node_topic("NDATA"),
            Owner::Device => self.settings.device_topic("DDATA"),
        };
        self.numbered(topic, metrics, now)
    }

    fn gate_death(&mut self, now: Now) -> Message {
        self.numbered(self.settings.device_topic("DDEATH"), Vec::new(), now)
    }

    /// A message of the session, with the next number of its sequence.
    fn numbered(&mut self, topic: String, metrics: Vec<Metric>, now: Now) -> Message {
        let payload = Payload {
            timestamp: Some(now.ms),
            metrics,
            seq: Some(self.next_seq.into()),
        };
        self.next_seq = self.next_seq.wrapping_add(1);
        Message::at_least_once(topic, payload.encode_to_vec()).at_most_once()
    }

    /// The last will, and the goodbye that stands in for it: no sequence, one metric.
    fn death(&self, now: Now) -> Message {
        let bd_seq = Metric {
            name: Some(Tag::BdSeq.name().to_owned()),
            timestamp: Some(now.ms),
            datatype: Some(Tag::BdSeq.datatype().into()),
            value: Some(Value::Long(self.bd_seq.into())),
            ..Metric::default()
        };
        let payload = Payload {
            timestamp: Some(now.ms),
            metrics: vec![bd_seq],
            seq: None,
        };
        Message::at_least_once(self.settings.node_topic("NDEATH"), payload.encode_to_vec())
    }

    /// The count of changes that were dropped, if it is another than the hosts know.
    fn dropped(&mut self, now: Now) -> Option<Change> {
        let (tag, value) = (Tag::HistoryDropped, Value::Long(self.history.n_dropped()));
        if self
            .current
            .get(&tag)
            .is_some_and(|(known, _)| *known == value)
        {
            return None;
        }
        let at_ms = now.ms;
        self.current.insert(tag, (value.clone(), at_ms));
        Some(Change { tag, value, at_ms })
    }
}

/// Whether a change is told when it happens or afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Live,
    Late,
}

/// Nothing is told of a gate that is not born.
fn may_go(change: &Change, session: Session) -> bool {
    session == Session::Born { with_gate: true } || change.tag.owner() == Owner::Node
}

#[cfg(test)]
#[path = "edge/tests.rs"]
mod tests;
