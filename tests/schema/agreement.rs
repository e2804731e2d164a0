//! A schema and the program's reader of its payload judge alike: every rule of a schema is broken once, and
//! good messages are spoilt by chance.

use std::time::Instant;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use taktgate::publish::{
    AckPayload, Arrival, CommandPayload, DEADLINE_MAX_MS, DEADLINE_MIN_MS, DeadlineLimits,
    EventPayload, HealthPayload, RecordEnvelope, ResponsePayload, StatePayload, TriggerPayload,
    VerdictPayload, documents,
};
use taktgate::record::RecordForm;

use super::rules::{Trial, trials};
use super::schema;

/// The program's own reader of a payload.
type Reader = fn(&str) -> Result<(), String>;

/// A payload's name, its reader and a good message.
type Case = (&'static str, Reader, Value);

fn said<T, E: std::error::Error>(read: Result<T, E>) -> Result<(), String> {
    read.map(drop).map_err(|error| error.to_string())
}

fn trigger(json: &str) -> Result<(), String> {
    let arrival = Arrival {
        at: Instant::now(),
        at_utc: Timestamp::UNIX_EPOCH,
    };
    let limits = DeadlineLimits {
        default_ms: 500,
        min_ms: DEADLINE_MIN_MS,
        max_ms: DEADLINE_MAX_MS,
    };
    let payload = TriggerPayload::parse(json.as_bytes()).map_err(|error| error.to_string())?;
    said(payload.into_trigger(arrival, &limits))
}

fn record(json: &str) -> Result<(), String> {
    let envelope = RecordEnvelope::parse(json.as_bytes()).map_err(|error| error.to_string())?;
    said(RecordForm::parse(&envelope.record.to_string()))
}

/// A good message of every payload, with every field and one entry in every list.
fn cases() -> Vec<Case> {
    let readers: [(&'static str, Reader); 10] = [
        ("trigger", trigger),
        ("command", |json| {
            said(CommandPayload::parse(json.as_bytes()))
        }),
        ("response", |json| {
            said(ResponsePayload::parse(json.as_bytes()))
        }),
        ("ack", |json| said(AckPayload::parse(json.as_bytes()))),
        ("verdict", |json| {
            said(VerdictPayload::parse(json.as_bytes()))
        }),
        ("state", |json| said(StatePayload::parse(json.as_bytes()))),
        ("health", |json| said(HealthPayload::parse(json.as_bytes()))),
        ("event", |json| said(EventPayload::parse(json.as_bytes()))),
        ("record", record),
        ("inspection-record", |json| said(RecordForm::parse(json))),
    ];
    let good: Value = serde_json::from_str(include_str!("good.json")).unwrap();
    readers
        .map(|(name, read)| (name, read, good[name].clone()))
        .into()
}

#[test]
fn a_message_that_breaks_a_rule_is_refused_by_schema_and_reader() {
    let mut n_bad = 0;
    let documents = documents();
    let payloads = documents
        .iter()
        .filter(|document| document.file.ends_with(".schema.json"));
    assert_eq!(
        payloads.map(|document| document.name).collect::<Vec<_>>(),
        cases().iter().map(|case| case.0).collect::<Vec<_>>(),
        "every payload has its case"
    );
    for (name, read, good) in cases() {
        let (schema, validator) = schema(name);
        let errors: Vec<String> = validator
            .iter_errors(&good)
            .map(|e| e.to_string())
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        assert_eq!(read(&good.to_string()), Ok(()), "{name}");
        for trial in trials(&schema, &schema, &good) {
            let Trial {
                what,
                message,
                fits,
            } = trial;
            assert_eq!(
                validator.is_valid(&message),
                fits,
                "{name}: {what}: {message}"
            );
            let read = read(&message.to_string());
            assert_eq!(read.is_ok(), fits, "{name}: {what}: {message}: {read:?}");
            n_bad += usize::from(!fits);
        }
    }
    assert!(500 < n_bad, "only {n_bad} bad messages");
}

#[test]
fn verdict_code_and_reason_must_agree_for_schema_and_reader() {
    let agree = |verdict: &str, code: u64, reason: &Value| match verdict {
        "ok" => code == 1 && reason.is_null(),
        "ng" => code == 2 && reason.is_null(),
        _ => code == 3 && !reason.is_null(),
    };
    for (name, read, good) in cases() {
        if !["verdict", "inspection-record"].contains(&name) {
            continue;
        }
        let (_, validator) = schema(name);
        for verdict in ["ok", "ng", "indeterminate"] {
            for code in 1..=3 {
                for reason in [json!(null), json!("deadline")] {
                    let mut message = good.clone();
                    message["verdict"] = verdict.into();
                    message["result_code"] = code.into();
                    message["reason"] = reason.clone();
                    let fits = agree(verdict, code, &reason);
                    assert_eq!(
                        validator.is_valid(&message),
                        fits,
                        "{name}: {verdict} {code} {reason}"
                    );
                    assert_eq!(
                        read(&message.to_string()).is_ok(),
                        fits,
                        "{name}: {verdict} {code} {reason}"
                    );
                }
            }
        }
    }
}

/// Any value of JSON but whole numbers with a point (`1.0`), which JSON Schema calls integers and the reader does not.
fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        prop_oneof![
            0_u64..=6,
            59_999_u64..=60_001,
            0xffff_fffe_u64..=0x1_0000_0000,
            any::<u64>()
        ]
        .prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-2.0..2.0_f64)
            .prop_filter("whole", |x| x.fract() != 0.0)
            .prop_map(Value::from),
        "[ \u{a0}\u{2003}\u{feff}\u{85}\tab/ü🔧]{0,3}".prop_map(Value::from),
        "\\PC{60,66}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
    ]
}

/// A good message in which some fields were replaced, some taken away, and perhaps one added.
fn spoilt(good: &Value) -> impl Strategy<Value = Value> + use<> {
    let good = good.as_object().unwrap().clone();
    let keys: Vec<String> = good.keys().cloned().collect();
    let more = prop_oneof![
        4 => proptest::sample::select(keys.clone()),
        1 => "[a-z_]{1,8}",
    ];
    (
        proptest::collection::vec((more, values()), 0..3),
        proptest::option::weighted(0.3, proptest::sample::select(keys)),
    )
        .prop_map(move |(replaced, gone)| {
            let mut message = good.clone();
            message.extend(replaced);
            if let Some(gone) = gone {
                message.remove(&gone);
            }
            message.into()
        })
}

/// A message is taken by its schema if and only if the program's reader takes it.
#[test]
fn messages_by_chance_are_judged_alike() {
    const CASES: u32 = 2000;
    for (name, read, good) in cases() {
        let (_, validator) = schema(name);
        let mut n_taken = 0;
        let mut runner = TestRunner::default();
        for _ in 0..CASES {
            let message = spoilt(&good).new_tree(&mut runner).unwrap().current();
            let taken = read(&message.to_string());
            let fits = validator.is_valid(&message);
            assert_eq!(fits, taken.is_ok(), "{name}: {message}: {taken:?}");
            n_taken += u32::from(fits);
        }
        assert!(
            (100..CASES - 100).contains(&n_taken),
            "{name}: {n_taken} were taken"
        );
    }
}
