//! The wire against a real mosquitto on free loopback ports: both protocols, faults, TLS.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test may panic, and waits for the one event that it is about"
)]

#[path = "publish/certificates.rs"]
mod certificates;
#[path = "publish/scene.rs"]
mod scene;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use taktgate::domain::{Reason, Verdict};
use taktgate::publish::{
    AckPayload, Broker, BrokerSettings, Connection, ControllerEvent, Incoming, Minded, Outgoing,
    PlcBlock, Protocol, RECORDS_IN_FLIGHT_MAX, SCHEMA, SendError, StationState, Tls,
    VerdictPayload,
};

use certificates::Authority;
use scene::{BOTH, PATIENCE, Scene, Station, Witness, domain_trigger, part, topics};

#[test]
fn a_trigger_gets_its_verdict_in_both_protocols() {
    for protocol in BOTH {
        let scene = Scene::new();
        let station = scene.ready_station(protocol);
        let line = scene.line(protocol);
        let witness = Witness::of(&scene, &topics().line_filter());
        // The retained state proves that the witness is subscribed.
        witness.next(&topics().state());

        line.controller.send_trigger(&part(4711)).unwrap();
        let trigger = station.trigger();
        assert_eq!((trigger.sequence, trigger.part.as_str()), (4711, "P-4711"));
        assert_eq!(
            trigger.deadline - trigger.arrived_at,
            Duration::from_secs(5)
        );
        let verdict = Verdict::Indeterminate(Reason::NoFrame);
        station.answer(trigger, verdict, Duration::from_millis(1500));

        let heard = line.verdict();
        assert_eq!((heard.sequence, heard.verdict().unwrap()), (4711, verdict));
        let block = line.wait(|event| match event {
            ControllerEvent::Plc { block, .. } => Some(block),
            _ => None,
        });
        assert_eq!(
            (block.sequence, block.verdict, block.valid_for_ms),
            (4711, verdict, 1500)
        );

        let (retain, qos, expiry_s, payload) = witness.next(&topics().verdict());
        assert_eq!((retain.as_str(), qos.as_str()), ("0", "1"));
        assert_eq!(VerdictPayload::parse(&payload).unwrap(), heard);
        let (_, _, plc_expiry_s, bytes) = witness.next(&topics().verdict_plc());
        assert_eq!(PlcBlock::decode(&bytes), Ok(block));
        match protocol {
            Protocol::V5 => assert!(matches!(
                (expiry_s, plc_expiry_s),
                (Some(1..=2), Some(1..=2))
            )),
            Protocol::V311 => assert_eq!((expiry_s, plc_expiry_s), (None, None)),
        }

        let action = "ejected".to_owned();
        line.controller
            .send_ack(&AckPayload {
                schema: SCHEMA,
                sequence: 4711,
                action,
            })
            .unwrap();
        let action = station.wait(|news| match news {
            Incoming::Ack {
                sequence: 4711,
                action,
            } => Some(action),
            _ => None,
        });
        assert_eq!(action, "ejected");
    }
}

#[test]
fn a_late_reader_sees_the_state_and_a_hard_end_is_told_by_the_broker() {
    for protocol in BOTH {
        let scene = Scene::new();
        let station = scene.ready_station(protocol);
        let line = scene.line(protocol);
        assert_eq!(line.state().state, StationState::Ready);
        // Dropped without a stop: no goodbye.
        drop(station);
        let last = line.state();
        assert_eq!(
            (last.state, last.reason.as_str()),
            (StationState::Offline, "the connection broke off")
        );
    }
}

#[test]
fn a_clean_stop_delivers_what_waits_and_leaves_no_last_will() {
    for protocol in BOTH {
        let scene = Scene::new();
        let station = scene.ready_station(protocol);
        let line = scene.line(protocol);
        station.answer(domain_trigger(1), Verdict::Ng, PATIENCE);
        station
            .publisher
            .stop("stopped by the operator", PATIENCE)
            .unwrap();
        assert_eq!(line.verdict().verdict, "ng");
        let last = line.state();
        let last = if last.state == StationState::Ready {
            line.state()
        } else {
            last
        };
        assert_eq!(
            (last.state, last.reason.as_str()),
            (StationState::Offline, "stopped by the operator")
        );
        line.controller.stop(PATIENCE).unwrap();
    }
}

#[test]
fn an_expired_verdict_is_never_sent() {
    for protocol in BOTH {
        let mut scene = Scene::new();
        let station = scene.ready_station(protocol);
        let line = scene.line(protocol);
        scene.kill_broker();
        station.wait(|news| matches!(news, Incoming::Disconnected { .. }).then_some(()));
        station.answer(domain_trigger(1), Verdict::Ok, Duration::from_millis(50));
        station.answer(domain_trigger(2), Verdict::Ok, PATIENCE);
        let sequence = station.wait(|news| match news {
            Incoming::VerdictExpired { sequence } => Some(sequence),
            _ => None,
        });
        assert_eq!(sequence, 1);
        let stuck = Duration::from_millis(1);
        assert_eq!(mind_until_restarted(&mut scene.broker), Minded::Restarted);
        line.wait(|event| matches!(event, ControllerEvent::Connected).then_some(()));
        station.connected();
        station.answer(domain_trigger(3), Verdict::Ok, PATIENCE);
        let mut heard = vec![line.verdict().sequence];
        if heard == [2] {
            heard.push(line.verdict().sequence);
        }
        // The second may have come back before the line did; the first must be gone.
        assert!(heard == [2, 3] || heard == [3], "{heard:?}");
        assert!(matches!(
            line.events.recv_timeout(stuck),
            Ok(ControllerEvent::Plc { .. }) | Err(RecvTimeoutError::Timeout)
        ));
    }
}

/// A killed process is not gone at once.
fn mind_until_restarted(broker: &mut Broker) -> Minded {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if broker.mind().unwrap() == Minded::Restarted {
            return Minded::Restarted;
        }
        std::thread::yield_now();
    }
    Minded::Alive
}

#[test]
fn no_record_is_lost_when_the_broker_is_killed() {
    const RECORDS: u64 = 400;
    for protocol in BOTH {
        let mut scene = Scene::new();
        let station = scene.station(protocol);
        // The station's store: what is not delivered, and how often it was handed over.
        let mut store: BTreeMap<u64, u32> = (0..RECORDS).map(|id| (id, 0)).collect();
        let mut acknowledged: BTreeMap<u64, u32> = BTreeMap::new();
        let mut sent: BTreeMap<u64, u32> = BTreeMap::new();
        let (mut next, mut kills) = (None, 0);
        while !store.is_empty() {
            match station.news.recv_timeout(PATIENCE).unwrap() {
                Incoming::Connected => next = store.keys().next().copied(),
                Incoming::Disconnected { .. } => next = None,
                Incoming::RecordDelivered { outbox_id } => {
                    store.remove(&outbox_id);
                    *acknowledged.entry(outbox_id).or_default() += 1;
                    if acknowledged.len() == 100 * (kills + 1) && kills < 2 {
                        kills += 1;
                        scene.kill_broker();
                        assert_eq!(mind_until_restarted(&mut scene.broker), Minded::Restarted);
                    }
                }
                other => panic!("{other:?}"),
            }
            while let Some(outbox_id) = next {
                let payload = format!("{{\"n\":{outbox_id}}}");
                let record = Outgoing::Record {
                    outbox_id,
                    payload,
                    is_historical: false,
                };
                match station.publisher.try_send(record) {
                    Ok(()) => *sent.entry(outbox_id).or_default() += 1,
                    Err(SendError::QueueFull {
                        limit: RECORDS_IN_FLIGHT_MAX,
                        ..
                    }) => break,
                    Err(other) => panic!("{other}"),
                }
                next = store.range(outbox_id + 1..).next().map(|(id, _)| *id);
            }
        }
        assert_eq!(kills, 2);
        for (id, times) in &acknowledged {
            assert!(
                *times <= sent[id],
                "record {id}: {times} acknowledged, {} sent",
                sent[id]
            );
        }
    }
}

#[test]
fn records_arrive_in_order_and_whole() {
    let scene = Scene::new();
    let station = scene.ready_station(Protocol::V5);
    let line = scene.line(Protocol::V5);
    let mut next = 0_u64;
    let mut heard = Vec::new();
    while heard.len() < 100 {
        while next < 100 {
            let payload = format!("{{\"n\":{next}, \"padding\":\"{}\"}}", "x".repeat(20_000));
            let record = Outgoing::Record {
                outbox_id: next,
                payload,
                is_historical: true,
            };
            if station.publisher.try_send(record).is_err() {
                break;
            }
            next += 1;
        }
        heard.push(line.wait(|event| match event {
            ControllerEvent::Record(envelope) if envelope.is_historical => {
                envelope.record.get("n").and_then(serde_json::Value::as_u64)
            }
            _ => None,
        }));
    }
    assert_eq!(heard, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_verdict_that_nobody_hears_is_told() {
    let scene = Scene::new();
    let station = scene.ready_station(Protocol::V5);
    station.answer(domain_trigger(9), Verdict::Ok, PATIENCE);
    let sequence = station.wait(|news| match news {
        Incoming::VerdictUnheard { sequence } => Some(sequence),
        _ => None,
    });
    assert_eq!(sequence, 9);
}

#[test]
fn what_is_no_trigger_is_told_and_harms_nothing() {
    let good = br#"{"schema":1,"sequence":1,"part_id":"P","part_type":"t"}"#;
    for protocol in BOTH {
        let scene = Scene::new();
        scene.publish(&topics().cmd_trigger(), good, &["-r"]);
        let station = scene.ready_station(protocol);
        let bad = || {
            station.wait(|news| match news {
                Incoming::BadTrigger { error } => Some(error),
                Incoming::Trigger(trigger) => panic!("{trigger:?}"),
                Incoming::Disconnected { error } => panic!("{error}"),
                _ => None,
            })
        };
        assert!(bad().contains("publish triggers without `retain`"));
        let huge = vec![b'x'; 1_000_000];
        let table: [(&[u8], &str); 5] = [
            (&huge, "has 1000000 bytes; send at most 16384"),
            (
                b"{\"schema\":1,\"part_id\":\"\xc3\x28\"}",
                "not UTF-8 from byte 23 on",
            ),
            (b"\x00\x01\x02", "cannot be read"),
            (b"[]", "cannot be read"),
            (
                br#"{"schema":1,"sequence":1,"part_id":" ","part_type":"t"}"#,
                "`part_id`",
            ),
        ];
        for (payload, expected) in table {
            scene.publish(&topics().cmd_trigger(), payload, &[]);
            let error = bad();
            assert!(error.contains(expected), "{error}");
        }
        scene.publish(&topics().cmd_trigger(), good, &[]);
        scene.publish(&topics().cmd_trigger(), good, &[]);
        // The gate, not the wire, knows a repeated trigger.
        assert_eq!(
            (station.trigger().sequence, station.trigger().sequence),
            (1, 1)
        );
    }
}

#[test]
fn a_wrong_password_is_told_and_a_right_one_works() {
    let scene = Scene::with(|folder| {
        let path = folder.join("passwords");
        let made = Command::new("mosquitto_passwd")
            .args(["-b", "-c"])
            .arg(&path)
            .args(["gate", "right"])
            .status();
        assert!(made.unwrap().success());
        vec![format!("password_file {}", path.display())]
    });
    for protocol in BOTH {
        let with = |password: &str| {
            let credentials = Some(("gate".to_owned(), password.to_owned()));
            Station::start(Connection {
                credentials,
                protocol,
                ..scene.connection(password)
            })
        };
        let error = with("wrong").refusal();
        assert!(
            error.contains("refused us (NotAuthorized); check user and password"),
            "{error}"
        );
        with("right").connected();
    }
}

#[test]
fn a_subscription_that_is_not_allowed_is_told() {
    // mosquitto's access lists let everybody subscribe and then say nothing; its security plugin
    // refuses.
    let plugin = Path::new("/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so");
    if !plugin.exists() {
        return;
    }
    let scene = Scene::with(|folder| {
        let path = folder.join("security.json");
        let access = r#"{"publishClientSend":true,"publishClientReceive":true,"subscribe":false}"#;
        std::fs::write(&path, format!("{{\"defaultACLAccess\":{access}}}")).unwrap();
        vec![
            format!("plugin {}", plugin.display()),
            format!("plugin_opt_config_file {}", path.display()),
        ]
    });
    for protocol in BOTH {
        let error = scene.station(protocol).refusal();
        assert!(
            error.contains("st-07/cmd/trigger; give the user `anonymous`"),
            "{error}"
        );
    }
}

#[test]
fn a_record_that_is_not_allowed_is_told() {
    let scene = Scene::with(|folder| {
        let path = folder.join("acl");
        std::fs::write(&path, "topic read taktgate/#\n").unwrap();
        vec![format!("acl_file {}", path.display())]
    });
    let station = scene.station(Protocol::V5);
    station.connected();
    let payload = "{}".to_owned();
    station.send(Outgoing::Record {
        outbox_id: 5,
        payload,
        is_historical: false,
    });
    let refused = station.wait(|news| match news {
        Incoming::RecordRefused { outbox_id, error } => Some((outbox_id, error)),
        Incoming::RecordDelivered { .. } => panic!("delivered"),
        _ => None,
    });
    assert_eq!(refused, (5, "NotAuthorized".to_owned()));
}

#[test]
fn two_clients_of_one_name_are_told() {
    let scene = Scene::new();
    let first = scene.ready_station(Protocol::V5);
    let second = scene.station(Protocol::V5);
    second.connected();
    let error = first.refusal();
    assert!(
        error.contains("does a second client use the `client_id = \"station\"`?"),
        "{error}"
    );
}

#[test]
fn tls_needs_the_right_certificates_on_both_ends() {
    let scene = Scene::with(|folder| {
        let authority = Authority::new("plant");
        authority.write(folder);
        authority.issue(folder, "broker", 2100);
        authority.issue(folder, "station", 2100);
        let file = |name: &str| folder.join(name).display().to_string();
        vec![
            format!("cafile {}", file("ca.pem")),
            format!("certfile {}", file("broker.pem")),
            format!("keyfile {}", file("broker.key")),
            "require_certificate true".to_owned(),
        ]
    });
    let file = |name: &str| scene.folder.path().join(name);
    let client = Some((file("station.pem"), file("station.key")));
    for protocol in BOTH {
        let with = |tls| {
            Station::start(Connection {
                tls,
                protocol,
                ..scene.connection("station")
            })
        };
        with(Some(Tls {
            ca: file("ca.pem"),
            client: client.clone(),
        }))
        .connected();
        let error = with(Some(Tls {
            ca: file("ca.pem"),
            client: None,
        }))
        .refusal();
        assert!(
            error.contains("does the broker want a client certificate?"),
            "{error}"
        );
        let error = with(None).refusal();
        assert!(error.contains("is this a port for TLS?"), "{error}");
        // A foreign CA.
        let error = with(Some(Tls {
            ca: file("station.pem"),
            client: client.clone(),
        }))
        .refusal();
        assert!(error.contains("does the CA's file fit"), "{error}");
    }
}

#[test]
fn tls_on_a_plain_port_is_told() {
    let scene = Scene::new();
    Authority::new("plant").write(scene.folder.path());
    for protocol in BOTH {
        let tls = Some(Tls {
            ca: scene.folder.path().join("ca.pem"),
            client: None,
        });
        let station = Station::start(Connection {
            tls,
            protocol,
            ..scene.connection("station")
        });
        let error = station.refusal();
        assert!(error.contains("is this a port without TLS"), "{error}");
    }
}

#[test]
fn a_broker_that_is_away_is_told_and_waited_for() {
    let mut scene = Scene::new();
    scene.kill_broker();
    let until = Instant::now() + PATIENCE;
    while scene.broker.check().is_ok() && Instant::now() < until {
        std::thread::yield_now();
    }
    assert!(
        scene
            .broker
            .check()
            .unwrap_err()
            .to_string()
            .contains("ended by itself")
    );
    let station = scene.station(Protocol::V5);
    assert!(station.refusal().contains("does not answer; is it running"));
    let stopped = scene
        .station(Protocol::V311)
        .publisher
        .stop("", Duration::from_millis(50));
    assert!(stopped.is_err());
    assert_eq!(mind_until_restarted(&mut scene.broker), Minded::Restarted);
    station.connected();
}

#[test]
fn a_broker_ends_with_its_handle() {
    let scene = Scene::new();
    let process = format!("/proc/{}", scene.broker.pid());
    assert!(Path::new(&process).exists());
    drop(scene);
    assert!(!Path::new(&process).exists());
}

#[test]
fn a_taken_port_is_told() {
    let scene = Scene::new();
    let folder = tempfile::tempdir().unwrap();
    let port = Some(scene.broker.port());
    let settings = BrokerSettings {
        port,
        ..BrokerSettings::local(folder.path())
    };
    let error = Broker::start(settings).unwrap_err().to_string();
    assert!(error.contains("Address already in use"), "{error}");
}

#[test]
fn two_messages_in_a_row_do_not_wait_for_each_other() {
    for protocol in BOTH {
        let scene = Scene::new();
        let station = scene.ready_station(protocol);
        let line = scene.line(protocol);
        let mut round_trips: Vec<Duration> = (0..200)
            .map(|sequence| {
                let started = Instant::now();
                line.controller.send_trigger(&part(sequence)).unwrap();
                station.answer(station.trigger(), Verdict::Ok, PATIENCE);
                // The block follows the JSON on its heels: it is what Nagle would hold back.
                line.wait(|event| match event {
                    ControllerEvent::Plc { block, received_at } => {
                        (block.sequence == sequence).then(|| received_at - started)
                    }
                    _ => None,
                })
            })
            .collect();
        round_trips.sort();
        let (p50, p99) = (round_trips[100], round_trips[198]);
        // Nagle with delayed acknowledgements costs 40 ms a pair.
        assert!(p50 < Duration::from_millis(20), "p50 {p50:?}, p99 {p99:?}");
        if std::env::var_os("TAKTGATE_TIMES").is_some() {
            std::fs::write(
                format!("/tmp/taktgate-{protocol:?}.txt"),
                format!("p50 {p50:?} p99 {p99:?}"),
            )
            .unwrap();
        }
    }
}
