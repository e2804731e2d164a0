//! The rules of Sparkplug 3.0 that all packets of a node must keep, whatever it does: pure functions over
//! what the tap saw. `table.rs` says which assertion is held by which of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::payload::{BOOLEAN, DATE_TIME, INT64, Metric, Payload, STRING, UINT8, UINT64, Value};
use crate::tap::{Connect, Kind, Packet, Publish, publishes};

/// A rule: its name, and what must hold.
pub(crate) type Check = (&'static str, fn(&[Packet]) -> Result<(), String>);

pub(crate) const CHECKS: [Check; 23] = [
    ("sessions_are_clean", sessions_are_clean),
    ("the_will_is_the_ndeath", the_will_is_the_ndeath),
    ("deaths_have_bdseq_alone", deaths_have_bdseq_alone),
    ("bdseq_counts_connects", bdseq_counts_connects),
    (
        "births_repeat_the_bdseq_of_the_will",
        births_repeat_the_bdseq_of_the_will,
    ),
    (
        "commands_are_subscribed_before_births",
        commands_are_subscribed_before_births,
    ),
    ("births_come_first", births_come_first),
    ("topics_have_their_structure", topics_have_their_structure),
    (
        "all_is_sent_at_most_once_and_not_retained",
        all_is_sent_at_most_once_and_not_retained,
    ),
    ("the_sequence_has_no_gap", the_sequence_has_no_gap),
    (
        "payloads_say_when_they_were_sent",
        payloads_say_when_they_were_sent,
    ),
    ("metrics_say_since_when", metrics_say_since_when),
    (
        "births_tell_name_type_and_value",
        births_tell_name_type_and_value,
    ),
    ("types_fit_their_values", types_fit_their_values),
    (
        "births_announce_all_that_comes",
        births_announce_all_that_comes,
    ),
    ("aliases_are_unique", aliases_are_unique),
    ("data_goes_by_alias_alone", data_goes_by_alias_alone),
    ("a_rebirth_is_offered", a_rebirth_is_offered),
    ("data_tells_changes_only", data_tells_changes_only),
    ("metrics_are_in_order_of_time", metrics_are_in_order_of_time),
    (
        "names_differ_in_lower_case_too",
        names_differ_in_lower_case_too,
    ),
    (
        "goodbyes_are_ndeath_then_disconnect",
        goodbyes_are_ndeath_then_disconnect,
    ),
    ("one_connection_at_a_time", one_connection_at_a_time),
];

pub(crate) const GROUP: &str = "Ulm";
pub(crate) const NODE: &str = "st-07";
pub(crate) const DEVICE: &str = "gate";

/// An error that says what does not hold.
macro_rules! hold {
    ($is_held:expr, || $what:expr) => {
        if $is_held { Ok(()) } else { Err($what) }
    };
}

fn connects(log: &[Packet]) -> impl Iterator<Item = &Connect> {
    log.iter().filter_map(|packet| match &packet.kind {
        Kind::Connect(connect) => Some(connect),
        _ => None,
    })
}

/// The packets of each connection.
fn sessions(log: &[Packet]) -> Vec<Vec<&Packet>> {
    let mut sessions: BTreeMap<usize, Vec<&Packet>> = BTreeMap::new();
    for packet in log {
        sessions.entry(packet.connection).or_default().push(packet);
    }
    sessions.into_values().collect()
}

fn births(log: &[Packet]) -> impl Iterator<Item = &Publish> {
    publishes(log).filter(|publish| publish.verb().ends_with("BIRTH"))
}

fn data(log: &[Packet]) -> impl Iterator<Item = &Publish> {
    publishes(log).filter(|publish| publish.verb().ends_with("DATA"))
}

fn sessions_are_clean(log: &[Packet]) -> Result<(), String> {
    for connect in connects(log) {
        let is_clean = connect.level == 4 && connect.flags & Connect::CLEAN != 0;
        hold!(is_clean, || format!("{connect:?}"))?;
    }
    hold!(connects(log).count() != 0, || "no CONNECT".to_owned())
}

fn the_will_is_the_ndeath(log: &[Packet]) -> Result<(), String> {
    for connect in connects(log) {
        let topic = format!("spBv1.0/{GROUP}/NDEATH/{NODE}");
        let flags = connect.flags & (Connect::WILL | Connect::WILL_QOS | Connect::WILL_RETAIN);
        let fits = connect.will_topic == topic
            && flags == Connect::WILL | Connect::WILL_QOS_1
            && connect.will.bd_seq().is_some();
        hold!(fits, || format!("{connect:?}"))?;
    }
    Ok(())
}

fn deaths_have_bdseq_alone(log: &[Packet]) -> Result<(), String> {
    let said = publishes(log).filter(|publish| publish.verb() == "NDEATH");
    let wills = connects(log).map(|connect| &connect.will);
    for death in wills.chain(said.map(|publish| &publish.payload)) {
        let metric = death.metric("bdSeq");
        let fits = death.metrics.len() == 1
            && death.seq.is_none()
            && metric.is_some_and(|metric| metric.datatype == Some(INT64));
        hold!(fits, || format!("{death:?}"))?;
    }
    Ok(())
}

fn bdseq_counts_connects(log: &[Packet]) -> Result<(), String> {
    let counts: Vec<_> = connects(log)
        .filter_map(|connect| connect.will.bd_seq())
        .collect();
    let is_counted = counts.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 256);
    hold!(is_counted && counts.first() == Some(&0), || format!(
        "{counts:?}"
    ))
}

fn births_repeat_the_bdseq_of_the_will(log: &[Packet]) -> Result<(), String> {
    let mut will = None;
    for packet in log {
        match &packet.kind {
            Kind::Connect(connect) => will = connect.will.bd_seq(),
            Kind::Publish(publish) if ["NBIRTH", "NDEATH"].contains(&publish.verb()) => {
                let told = publish.payload.bd_seq();
                hold!(told.is_some() && told == will, || format!(
                    "{told:?}, will {will:?}"
                ))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn commands_are_subscribed_before_births(log: &[Packet]) -> Result<(), String> {
    let node = (format!("spBv1.0/{GROUP}/NCMD/{NODE}"), 1);
    let device = (format!("spBv1.0/{GROUP}/DCMD/{NODE}/{DEVICE}"), 1);
    for session in sessions(log) {
        let is_connect = |packet: &&Packet| matches!(packet.kind, Kind::Connect(_));
        hold!(session.first().is_some_and(is_connect), || {
            "no CONNECT first".to_owned()
        })?;
        let first =
            |wanted: fn(&Kind) -> bool| session.iter().position(|packet| wanted(&packet.kind));
        let subscribed = first(|kind| matches!(kind, Kind::Subscribe(_)));
        let published = first(|kind| matches!(kind, Kind::Publish(_)));
        let has_both = session.iter().any(|packet| match &packet.kind {
            Kind::Subscribe(filters) => filters.contains(&node) && filters.contains(&device),
            _ => false,
        });
        let in_order = published.is_none() || (has_both && subscribed < published);
        hold!(in_order, || format!("{session:?}"))?;
    }
    Ok(())
}

fn births_come_first(log: &[Packet]) -> Result<(), String> {
    for session in sessions(log) {
        let (mut node_is_born, mut device_is_born, mut birth_is_whole) = (false, false, false);
        for packet in session {
            let Kind::Publish(publish) = &packet.kind else {
                continue;
            };
            let verb = publish.verb();
            let fits = match verb {
                "NBIRTH" => {
                    (node_is_born, device_is_born, birth_is_whole) = (true, false, false);
                    true
                }
                "DBIRTH" => {
                    (device_is_born, birth_is_whole) = (true, true);
                    node_is_born
                }
                "NDATA" => node_is_born && birth_is_whole,
                "DDATA" => node_is_born && device_is_born,
                "DDEATH" => device_is_born,
                "NDEATH" => node_is_born,
                other => return Err(format!("{other} is no word of an edge node")),
            };
            hold!(fits, || format!("{verb} too early"))?;
        }
    }
    Ok(())
}

fn topics_have_their_structure(log: &[Packet]) -> Result<(), String> {
    for publish in publishes(log) {
        let levels: Vec<&str> = publish.topic.split('/').collect();
        let fits = match publish.verb() {
            verb @ ("NBIRTH" | "NDATA" | "NDEATH") => levels == ["spBv1.0", GROUP, verb, NODE],
            verb @ ("DBIRTH" | "DDATA" | "DDEATH") => {
                levels == ["spBv1.0", GROUP, verb, NODE, DEVICE]
            }
            _ => false,
        };
        hold!(fits, || publish.topic.clone())?;
    }
    Ok(())
}

fn all_is_sent_at_most_once_and_not_retained(log: &[Packet]) -> Result<(), String> {
    for publish in publishes(log) {
        // The NDEATH is as the will that it stands in for.
        let qos = u8::from(publish.verb() == "NDEATH");
        let fits = publish.qos == qos && !publish.is_retained;
        hold!(fits, || format!(
            "{} with QoS {}",
            publish.topic, publish.qos
        ))?;
    }
    Ok(())
}

fn the_sequence_has_no_gap(log: &[Packet]) -> Result<(), String> {
    let mut next = None;
    for publish in publishes(log).filter(|publish| publish.verb() != "NDEATH") {
        if publish.verb() == "NBIRTH" {
            next = Some(0);
        }
        let seq = publish.payload.seq;
        hold!(seq.is_some() && seq == next, || format!(
            "{} with {seq:?}, expected {next:?}",
            publish.topic
        ))?;
        next = seq.map(|seq| (seq + 1) % 256);
    }
    Ok(())
}

fn payloads_say_when_they_were_sent(log: &[Packet]) -> Result<(), String> {
    const LATE_MAX_MS: u64 = 5_000;
    for packet in log {
        if let Kind::Publish(publish) = &packet.kind {
            let sent_ms = publish.payload.timestamp.unwrap_or_default();
            let fits = sent_ms <= packet.at_ms && packet.at_ms - sent_ms < LATE_MAX_MS;
            hold!(fits, || format!(
                "{} at {}: {sent_ms}",
                publish.topic, packet.at_ms
            ))?;
        }
    }
    Ok(())
}

fn metrics_say_since_when(log: &[Packet]) -> Result<(), String> {
    for publish in publishes(log) {
        for metric in &publish.payload.metrics {
            let fits = metric
                .timestamp
                .is_some_and(|at_ms| Some(at_ms) <= publish.payload.timestamp);
            hold!(fits, || format!("{}: {metric:?}", publish.topic))?;
        }
    }
    Ok(())
}

fn births_tell_name_type_and_value(log: &[Packet]) -> Result<(), String> {
    for publish in births(log) {
        for metric in &publish.payload.metrics {
            let fits = metric.name.as_ref().is_some_and(|name| !name.is_empty())
                && metric.datatype.is_some()
                && metric.value.is_some() != metric.is_null
                && !metric.is_historical;
            hold!(fits, || format!("{}: {metric:?}", publish.topic))?;
        }
    }
    hold!(births(log).count() != 0, || "no births".to_owned())
}

/// Also: no metadata, properties, data sets or templates anywhere.
fn types_fit_their_values(log: &[Packet]) -> Result<(), String> {
    let mut types = BTreeMap::new();
    for publish in publishes(log) {
        hold!(publish.payload.others.is_empty(), || format!(
            "{:?}",
            publish.payload.others
        ))?;
        for metric in &publish.payload.metrics {
            let known = metric
                .datatype
                .or_else(|| types.get(&metric.alias).copied());
            types.insert(metric.alias, known.unwrap_or_default());
            let fits = match (known, &metric.value) {
                (Some(UINT8), Some(Value::Int(value))) => *value <= 255,
                (Some(INT64 | UINT64 | DATE_TIME), Some(Value::Long(_)))
                | (Some(BOOLEAN), Some(Value::Boolean(_)))
                | (Some(STRING), Some(Value::Text(_)))
                | (Some(UINT8 | UINT64 | DATE_TIME | STRING), None) => true,
                _ => false,
            };
            hold!(fits && metric.others.is_empty(), || format!(
                "{}: {metric:?}",
                publish.topic
            ))?;
        }
    }
    Ok(())
}

fn births_announce_all_that_comes(log: &[Packet]) -> Result<(), String> {
    let mut announced: BTreeMap<&str, BTreeSet<Option<u64>>> = BTreeMap::new();
    for publish in publishes(log) {
        let aliases = publish.payload.metrics.iter().map(|metric| metric.alias);
        match publish.verb() {
            "NBIRTH" => drop(announced.insert("NDATA", aliases.collect())),
            "DBIRTH" => drop(announced.insert("DDATA", aliases.collect())),
            verb @ ("NDATA" | "DDATA") => {
                let known = announced.get(verb).cloned().unwrap_or_default();
                for alias in aliases {
                    hold!(known.contains(&alias), || format!("{verb} with {alias:?}"))?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn aliases_are_unique(log: &[Packet]) -> Result<(), String> {
    for pair in births(log).collect::<Vec<_>>().windows(2) {
        let [node, device] = pair else { continue };
        if (node.verb(), device.verb()) != ("NBIRTH", "DBIRTH") {
            continue;
        }
        let metrics = || node.payload.metrics.iter().chain(&device.payload.metrics);
        let aliases: Vec<u64> = metrics().filter_map(|metric| metric.alias).collect();
        let unique: BTreeSet<_> = aliases.iter().collect();
        // All but the command to be born again.
        let fits = unique.len() == aliases.len() && aliases.len() + 1 == metrics().count();
        hold!(fits, || format!("{aliases:?}"))?;
    }
    Ok(())
}

fn data_goes_by_alias_alone(log: &[Packet]) -> Result<(), String> {
    for publish in data(log) {
        for metric in &publish.payload.metrics {
            let fits = metric.name.is_none() && metric.datatype.is_none() && metric.alias.is_some();
            hold!(fits, || format!("{}: {metric:?}", publish.topic))?;
        }
    }
    Ok(())
}

fn a_rebirth_is_offered(log: &[Packet]) -> Result<(), String> {
    for publish in publishes(log).filter(|publish| publish.verb() == "NBIRTH") {
        let metric = publish.payload.metric("Node Control/Rebirth");
        let fits = metric.is_some_and(|metric| {
            metric.datatype == Some(BOOLEAN)
                && metric.value == Some(Value::Boolean(false))
                && metric.alias.is_none()
        });
        hold!(fits, || format!("{metric:?}"))?;
    }
    Ok(())
}

fn data_tells_changes_only(log: &[Packet]) -> Result<(), String> {
    let mut known: BTreeMap<Option<u64>, &Option<Value>> = BTreeMap::new();
    for publish in publishes(log) {
        let is_data = publish.verb().ends_with("DATA");
        hold!(!is_data || !publish.payload.metrics.is_empty(), || {
            "data of nothing".to_owned()
        })?;
        for metric in publish
            .payload
            .metrics
            .iter()
            .filter(|metric| !metric.is_historical)
        {
            let before = known.insert(metric.alias, &metric.value);
            let is_change = before != Some(&metric.value);
            hold!(!is_data || is_change, || format!(
                "{}: {metric:?}",
                publish.topic
            ))?;
        }
    }
    Ok(())
}

fn metrics_are_in_order_of_time(log: &[Packet]) -> Result<(), String> {
    for publish in publishes(log) {
        let times: Vec<_> = times(&publish.payload).collect();
        hold!(times.is_sorted(), || format!(
            "{}: {times:?}",
            publish.topic
        ))?;
    }
    Ok(())
}

fn times(payload: &Payload) -> impl Iterator<Item = Option<u64>> {
    let live = payload
        .metrics
        .iter()
        .filter(|metric| !metric.is_historical);
    live.map(|metric| metric.timestamp)
}

fn names_differ_in_lower_case_too(log: &[Packet]) -> Result<(), String> {
    for publish in births(log) {
        let lower = |metric: &Metric| metric.name.as_ref().map(|name| name.to_lowercase());
        let names: BTreeSet<_> = publish.payload.metrics.iter().map(lower).collect();
        hold!(names.len() == publish.payload.metrics.len(), || format!(
            "{names:?}"
        ))?;
    }
    Ok(())
}

fn goodbyes_are_ndeath_then_disconnect(log: &[Packet]) -> Result<(), String> {
    for session in sessions(log) {
        let is_death =
            |kind: &Kind| matches!(kind, Kind::Publish(publish) if publish.verb() == "NDEATH");
        let was_born = session.iter().any(
            |packet| matches!(&packet.kind, Kind::Publish(publish) if publish.verb() == "NBIRTH"),
        );
        for (index, packet) in session.iter().enumerate() {
            let after = session.get(index + 1).map(|next| &next.kind);
            let before = index.checked_sub(1).and_then(|before| session.get(before));
            let fits = match &packet.kind {
                kind if is_death(kind) => matches!(after, Some(Kind::Disconnect)),
                Kind::Disconnect if was_born => before.is_some_and(|before| is_death(&before.kind)),
                _ => true,
            };
            hold!(fits, || format!("{:?}", packet.kind))?;
        }
    }
    Ok(())
}

fn one_connection_at_a_time(log: &[Packet]) -> Result<(), String> {
    let mut open: Option<usize> = None;
    for packet in log {
        match &packet.kind {
            Kind::Connect(_) => {
                hold!(open.is_none(), || format!(
                    "{open:?} and {}",
                    packet.connection
                ))?;
                open = Some(packet.connection);
            }
            // Nothing follows the goodbye; the socket may close a moment later.
            Kind::Disconnect | Kind::Closed if open == Some(packet.connection) => open = None,
            _ => {}
        }
    }
    Ok(())
}
