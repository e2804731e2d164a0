//! Faults planted into what the tap saw: each rule must find its own.

use crate::checks::{CHECKS, Check};
use crate::payload::{Metric, UINT8, Value};
use crate::tap::{Connect, Kind, Packet, Publish};

/// The rule that must find it, and the fault.
type Fault = (&'static str, fn(&mut Vec<Packet>));

const FAULTS: [Fault; 38] = [
    ("sessions_are_clean", |log| {
        connect(log).flags &= !Connect::CLEAN;
    }),
    ("sessions_are_clean", |log| connect(log).level = 5),
    ("the_will_is_the_ndeath", |log| {
        connect(log).flags &= !Connect::WILL;
    }),
    ("the_will_is_the_ndeath", |log| {
        connect(log).flags ^= Connect::WILL_QOS;
    }),
    ("the_will_is_the_ndeath", |log| {
        connect(log).flags |= Connect::WILL_RETAIN;
    }),
    ("the_will_is_the_ndeath", |log| {
        connect(log).will_topic.push('x');
    }),
    ("deaths_have_bdseq_alone", |log| {
        publish(log, "NDEATH").payload.seq = Some(0);
    }),
    ("deaths_have_bdseq_alone", |log| {
        connect(log).will.metrics.push(Metric::default());
    }),
    ("bdseq_counts_connects", |log| {
        connect(log).will.metrics[0].value = Some(Value::Long(9));
    }),
    ("births_repeat_the_bdseq_of_the_will", |log| {
        metric(log, "NBIRTH", "bdSeq").value = Some(Value::Long(77));
    }),
    ("commands_are_subscribed_before_births", |log| {
        log.retain(|packet| !matches!(packet.kind, Kind::Subscribe(_)));
    }),
    ("commands_are_subscribed_before_births", |log| {
        let at = position(log, |kind| matches!(kind, Kind::Subscribe(_)));
        let born = position(log, |kind| is(kind, "NBIRTH"));
        log.swap(at, born);
    }),
    ("commands_are_subscribed_before_births", |log| {
        if let Kind::Subscribe(filters) =
            &mut at(log, |kind| matches!(kind, Kind::Subscribe(_))).kind
        {
            filters[0].1 = 0;
        }
    }),
    ("births_come_first", |log| remove(log, "NBIRTH")),
    ("births_come_first", |log| remove(log, "DBIRTH")),
    ("births_come_first", |log| {
        let device = position(log, |kind| is(kind, "DBIRTH"));
        let data = position(log, |kind| is(kind, "NDATA"));
        log.swap(device, data);
    }),
    ("topics_have_their_structure", |log| {
        publish(log, "NBIRTH").topic.push_str("/gate");
    }),
    ("topics_have_their_structure", |log| {
        publish(log, "DDATA")
            .topic
            .truncate("spBv1.0/Ulm/DDATA/st-07".len());
    }),
    ("topics_have_their_structure", |log| {
        publish(log, "DDEATH").topic.replace_range(2..3, "A");
    }),
    ("all_is_sent_at_most_once_and_not_retained", |log| {
        publish(log, "DBIRTH").is_retained = true;
    }),
    ("all_is_sent_at_most_once_and_not_retained", |log| {
        publish(log, "DDATA").qos = 1;
    }),
    ("the_sequence_has_no_gap", |log| remove(log, "DDATA")),
    ("the_sequence_has_no_gap", |log| {
        publish(log, "NBIRTH").payload.seq = None;
    }),
    ("the_sequence_has_no_gap", |log| {
        publish(log, "DDEATH").payload.seq = None;
    }),
    ("payloads_say_when_they_were_sent", |log| {
        publish(log, "NDATA").payload.timestamp = None;
    }),
    ("metrics_say_since_when", |log| {
        publish(log, "DDATA").payload.metrics[0].timestamp = None;
    }),
    ("births_tell_name_type_and_value", |log| {
        metric(log, "NBIRTH", "bdSeq").value = None;
    }),
    ("births_tell_name_type_and_value", |log| {
        metric(log, "DBIRTH", "Counters/OK").datatype = None;
    }),
    ("births_tell_name_type_and_value", |log| {
        metric(log, "DBIRTH", "Counters/OK").name = None;
    }),
    ("types_fit_their_values", |log| {
        metric(log, "DBIRTH", "Counters/OK").datatype = Some(UINT8);
    }),
    ("types_fit_their_values", |log| {
        publish(log, "DDATA").payload.metrics[0].others = vec![9];
    }),
    ("births_announce_all_that_comes", |log| {
        publish(log, "DDATA").payload.metrics[0].alias = Some(99);
    }),
    ("aliases_are_unique", |log| {
        metric(log, "DBIRTH", "Counters/OK").alias = Some(2);
    }),
    ("data_goes_by_alias_alone", |log| {
        publish(log, "NDATA").payload.metrics[0].name = Some("State".to_owned());
    }),
    ("a_rebirth_is_offered", |log| {
        metric(log, "NBIRTH", "Node Control/Rebirth").alias = Some(50);
    }),
    ("data_tells_changes_only", |log| {
        let at = position(log, |kind| is(kind, "DDATA"));
        log.insert(at, log[at].clone());
    }),
    ("metrics_are_in_order_of_time", |log| {
        publish(log, "NBIRTH").payload.metrics[0].timestamp = Some(u64::MAX);
    }),
    ("names_differ_in_lower_case_too", |log| {
        metric(log, "NBIRTH", "State").name = Some("STATE REASON".to_owned());
    }),
];

/// Faults in how connections begin and end.
const GOODBYES: [Fault; 3] = [
    ("goodbyes_are_ndeath_then_disconnect", |log| {
        remove(log, "NDEATH");
    }),
    ("goodbyes_are_ndeath_then_disconnect", |log| {
        log.retain(|packet| !matches!(packet.kind, Kind::Disconnect));
    }),
    ("one_connection_at_a_time", |log| {
        log.retain(|packet| !matches!(packet.kind, Kind::Closed));
    }),
];

/// Each rule finds its planted faults in a log that keeps all rules.
pub(crate) fn check_that_each_rule_finds_its_faults(log: &[Packet]) {
    let mut missed = Vec::new();
    for (index, (name, plant)) in FAULTS.iter().chain(&GOODBYES).enumerate() {
        let mut faulty = log.to_vec();
        plant(&mut faulty);
        let (_, rule): Check = *CHECKS.iter().find(|(found, _)| found == name).unwrap();
        if rule(&faulty).is_ok() {
            missed.push(format!("fault {index} of `{name}`"));
        }
    }
    for (name, _) in CHECKS {
        let has_fault = |(found, _): &&Fault| *found == name;
        if !FAULTS
            .iter()
            .chain(&GOODBYES)
            .any(|fault| has_fault(&fault))
        {
            missed.push(format!("`{name}` has no planted fault"));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

fn is(kind: &Kind, verb: &str) -> bool {
    matches!(kind, Kind::Publish(publish) if publish.verb() == verb)
}

fn position(log: &[Packet], wanted: impl Fn(&Kind) -> bool) -> usize {
    log.iter().position(|packet| wanted(&packet.kind)).unwrap()
}

fn at(log: &mut [Packet], wanted: impl Fn(&Kind) -> bool) -> &mut Packet {
    let at = position(log, wanted);
    &mut log[at]
}

fn connect(log: &mut [Packet]) -> &mut Connect {
    match &mut at(log, |kind| matches!(kind, Kind::Connect(_))).kind {
        Kind::Connect(connect) => connect,
        _ => unreachable!(),
    }
}

fn publish<'l>(log: &'l mut [Packet], verb: &str) -> &'l mut Publish {
    match &mut at(log, |kind| is(kind, verb)).kind {
        Kind::Publish(publish) => publish,
        _ => unreachable!(),
    }
}

fn metric<'l>(log: &'l mut [Packet], verb: &str, name: &str) -> &'l mut Metric {
    let metrics = publish(log, verb).payload.metrics.iter_mut();
    metrics
        .into_iter()
        .find(|metric| metric.name.as_deref() == Some(name))
        .unwrap()
}

fn remove(log: &mut Vec<Packet>, verb: &str) {
    let at = position(log, |kind| is(kind, verb));
    log.remove(at);
}
