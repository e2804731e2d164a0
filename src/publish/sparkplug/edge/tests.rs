//! The session's rules without a network: whatever happens in whatever order, no change is lost.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use crate::publish::command::Reply;
use crate::publish::payload::PAYLOAD_MAX;
use crate::publish::sparkplug::rebirth::REBIRTH_EVERY;

use super::*;

/// What may happen to a node.
#[derive(Debug, Clone)]
enum Happening {
    /// A counter of the gate, and one of the node, get these values.
    Counted(u64, u64),
    /// The gate breaks, or works again.
    Gate(bool),
    /// The host says that it is there or not.
    Host(bool),
    Rebirth,
    BackFill,
    /// So many milliseconds pass.
    Passed(u64),
    /// The connection breaks; so many of the last messages never reached the broker.
    Broken(usize),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        8 => (0..4_u64, 0..4_u64).prop_map(|(triggers, frames)| Happening::Counted(triggers, frames)),
        1 => any::<bool>().prop_map(Happening::Gate),
        2 => any::<bool>().prop_map(Happening::Host),
        1 => Just(Happening::Rebirth),
        3 => Just(Happening::BackFill),
        1 => (0..1500_u64).prop_map(Happening::Passed),
        2 => (0..6_usize).prop_map(Happening::Broken),
    ]
}

/// A node, and a host that writes everything down.
struct Scene {
    edge: Edge,
    now: Now,
    /// Messages of this connection, not yet proved to have arrived.
    on_the_way: Vec<(String, Payload)>,
    arrived: Vec<(String, Payload)>,
    /// Every change of a tag: alias, value, time.
    changed: Vec<(u64, u64, u64)>,
}

impl Scene {
    fn new(host: Option<&str>) -> Self {
        let settings = SparkplugSettings::new("g", "st", "gate", host).unwrap();
        let mut scene = Self {
            edge: Edge::new(settings),
            now: Now {
                at: Instant::now(),
                ms: 1_000,
            },
            on_the_way: Vec::new(),
            arrived: Vec::new(),
            changed: Vec::new(),
        };
        scene.connect();
        scene
    }

    fn connect(&mut self) {
        self.edge.connect(7, self.now);
        let births = self.edge.subscribed(self.now);
        self.send(births);
    }

    fn send(&mut self, messages: Vec<Message>) {
        let read = |message: Message| {
            let payload = Payload::decode(message.payload.as_slice()).unwrap();
            (message.topic, payload)
        };
        self.on_the_way.extend(messages.into_iter().map(read));
    }

    fn told(&mut self, step: Step) {
        match step {
            Step::Send(messages) => self.send(messages),
            Step::Leave(death) => {
                self.send(vec![death]);
                self.broken(0);
            }
        }
    }

    fn broken(&mut self, n_lost: usize) {
        let n_kept = self.on_the_way.len().saturating_sub(n_lost);
        self.arrived.extend(self.on_the_way.drain(..).take(n_kept));
        self.edge.disconnected(self.now);
        self.connect();
    }

    fn counted(&mut self, values: [(Tag, u64); 2]) {
        for (tag, value) in values {
            let alias = tag.alias().unwrap();
            let known = self.changed.iter().rev().find(|change| change.0 == alias);
            if known.is_none_or(|change| change.1 != value) {
                self.changed.push((alias, value, self.now.ms));
            }
        }
        let sample = Sample {
            at_ms: self.now.ms,
            values: values.map(|(tag, count)| (tag, Value::Long(count))).into(),
            gate_is_alive: None,
        };
        let messages = self.edge.sample(sample, self.now);
        self.send(messages);
    }

    fn happen(&mut self, happening: &Happening) {
        self.now.ms += 1;
        self.now.at += Duration::from_millis(1);
        match *happening {
            Happening::Counted(triggers, frames) => {
                self.counted([(Tag::Triggers, triggers), (Tag::FramesLost, frames)]);
            }
            Happening::Gate(is_alive) => {
                let sample = Sample {
                    at_ms: self.now.ms,
                    values: Vec::new(),
                    gate_is_alive: Some(is_alive),
                };
                let messages = self.edge.sample(sample, self.now);
                self.send(messages);
            }
            Happening::Host(online) => {
                let step = self
                    .edge
                    .came(&state(&online.to_string(), self.now.ms), self.now);
                self.told(step);
            }
            Happening::Rebirth => {
                let step = self.edge.came(&rebirth(), self.now);
                self.told(step);
            }
            Happening::BackFill => {
                let messages = self.edge.back_fill(self.now);
                self.send(messages);
            }
            Happening::Passed(ms) => {
                self.now.ms += ms;
                self.now.at += Duration::from_millis(ms);
                let births = self.edge.rebirth_if_due(self.now);
                self.send(births);
            }
            Happening::Broken(n_lost) => self.broken(n_lost),
        }
    }

    /// Everything becomes well, and all that waits is sent.
    fn settle(&mut self) {
        self.happen(&Happening::Gate(true));
        self.happen(&Happening::Host(true));
        self.happen(&Happening::Passed(1000));
        while self.edge.has_back_fill() {
            self.happen(&Happening::BackFill);
        }
        self.arrived.append(&mut self.on_the_way);
    }
}

fn state(online: &str, timestamp: u64) -> Delivery {
    Delivery {
        topic: "spBv1.0/STATE/scada".to_owned(),
        payload: format!(r#"{{"online":{online},"timestamp":{timestamp}}}"#).into(),
        is_retained: false,
        reply: Reply::default(),
    }
}

fn rebirth() -> Delivery {
    let metric = Metric {
        name: Some("Node Control/Rebirth".to_owned()),
        value: Some(Value::Boolean(true)),
        ..Metric::default()
    };
    let payload = Payload {
        metrics: vec![metric],
        ..Payload::default()
    };
    Delivery {
        topic: "spBv1.0/g/NCMD/st".to_owned(),
        payload: payload.encode_to_vec(),
        is_retained: false,
        reply: Reply::default(),
    }
}

/// Births first, numbers without a gap, device data only of a living device, the newest value last.
fn check_session(messages: &[(String, Payload)]) {
    let (mut next_seq, mut gate_is_born) = (None, false);
    for (topic, payload) in messages {
        let kind = topic.split('/').nth(2).unwrap();
        if kind == "NDEATH" {
            (next_seq, gate_is_born) = (None, false);
            continue;
        }
        if kind == "NBIRTH" {
            (next_seq, gate_is_born) = (Some(0_u8), false);
        }
        assert_eq!(payload.seq, next_seq.map(u64::from), "{kind}");
        next_seq = next_seq.map(|seq| seq.wrapping_add(1));
        match kind {
            "DBIRTH" => gate_is_born = true,
            "DDATA" => assert!(gate_is_born),
            "DDEATH" => assert!(std::mem::take(&mut gate_is_born)),
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn no_change_is_lost_whatever_happens(
        waits_for_host in any::<bool>(),
        happenings in prop::collection::vec(happening(), 0..60),
    ) {
        let mut scene = Scene::new(waits_for_host.then_some("scada"));
        for happening in &happenings {
            scene.happen(happening);
            check_session(&scene.on_the_way);
        }
        scene.settle();
        let metrics = || scene.arrived.iter().flat_map(|(_, payload)| &payload.metrics);
        let told: BTreeSet<(u64, u64, u64)> = metrics()
            .filter_map(|metric| match (metric.alias, &metric.value, metric.timestamp) {
                (Some(alias), Some(Value::Long(value)), Some(at_ms)) => Some((alias, *value, at_ms)),
                _ => None,
            })
            .collect();
        for change in &scene.changed {
            prop_assert!(told.contains(change), "{change:?} was never told");
        }
        // The last word that is no history is the newest value.
        for tag in [Tag::Triggers, Tag::FramesLost] {
            let alias = tag.alias();
            let newest = scene.changed.iter().rev().find(|change| Some(change.0) == alias);
            let last = metrics()
                .rfind(|metric| metric.alias == alias && metric.is_historical.is_none())
                .unwrap();
            prop_assert_eq!(&last.value, &newest.map(|change| Value::Long(change.1)));
        }
    }
}

#[test]
fn what_was_dropped_is_counted_in_a_tag() {
    let mut scene = Scene::new(None);
    scene.edge.lost_before(3);
    scene.counted([(Tag::Triggers, 1), (Tag::FramesLost, 1)]);
    let (_, data) = scene
        .on_the_way
        .iter()
        .find(|(topic, _)| topic.contains("NDATA"))
        .unwrap();
    let dropped = data
        .metrics
        .iter()
        .find(|metric| metric.alias == Tag::HistoryDropped.alias());
    assert_eq!(dropped.unwrap().value, Some(Value::Long(3)));
}

#[test]
fn a_retained_or_unreadable_command_does_nothing() {
    let mut scene = Scene::new(None);
    let retained = Delivery {
        is_retained: true,
        ..rebirth()
    };
    let garbage = Delivery {
        payload: vec![0xff; 9],
        ..rebirth()
    };
    let large = Delivery {
        payload: vec![0; PAYLOAD_MAX + 1],
        ..rebirth()
    };
    let elsewhere = Delivery {
        topic: "spBv1.0/g/DCMD/st/gate".to_owned(),
        ..rebirth()
    };
    for delivery in [retained, garbage, large, elsewhere] {
        assert_eq!(
            scene.edge.came(&delivery, scene.now),
            Step::Send(Vec::new())
        );
    }
    let Step::Send(births) = scene.edge.came(&rebirth(), scene.now) else {
        panic!("a rebirth is no goodbye");
    };
    assert_eq!(births.len(), 2);
}

#[test]
fn a_flood_of_rebirth_requests_gets_one_a_second_and_no_data_between() {
    let mut scene = Scene::new(None);
    scene.arrived.append(&mut scene.on_the_way);
    let start = scene.now.at;
    let step = Duration::from_millis(10);
    let mut born_ms = Vec::new();
    for n_steps in 0..500_u32 {
        scene.now.at = start + step * n_steps;
        // Hosts ask every 10 ms for two and a half seconds, and again at the end of the fourth.
        if n_steps < 250 || n_steps == 400 {
            let answer = scene.edge.came(&rebirth(), scene.now);
            scene.told(answer);
        }
        let is_due = scene
            .edge
            .rebirth_due_at()
            .is_some_and(|due| due <= scene.now.at);
        let owed = scene.edge.rebirth_if_due(scene.now);
        assert_eq!(is_due, !owed.is_empty(), "the timer is set for the births");
        scene.send(owed);
        let births = scene.on_the_way.drain(..);
        let kinds: Vec<String> = births
            .map(|(topic, _)| topic.split('/').nth(2).unwrap().to_owned())
            .collect();
        if !kinds.is_empty() {
            assert_eq!(kinds, ["NBIRTH", "DBIRTH"]);
            born_ms.push((step * n_steps).as_millis());
        }
        // While births are owed there is no data: it follows them as history.
        if n_steps == 150 {
            scene.counted([(Tag::Triggers, 1), (Tag::FramesLost, 1)]);
            assert!(scene.on_the_way.is_empty() && !scene.edge.has_back_fill());
        }
    }
    assert_eq!(born_ms, [0, 1000, 2000, 3000, 4000]);
    assert_eq!(scene.edge.rebirth_due_at(), None);
    assert_eq!(REBIRTH_EVERY, Duration::from_secs(1));
}

#[test]
fn births_that_go_out_anyway_are_those_that_were_owed() {
    let mut scene = Scene::new(None);
    scene.happen(&Happening::Rebirth);
    scene.happen(&Happening::Rebirth);
    assert!(scene.edge.rebirth_due_at().is_some());
    scene.happen(&Happening::Broken(0));
    scene.arrived.append(&mut scene.on_the_way);
    scene.happen(&Happening::Passed(5000));
    assert_eq!(scene.edge.rebirth_due_at(), None);
    assert!(scene.on_the_way.is_empty());
}
