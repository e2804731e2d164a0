//! From a frame in memory to the callback of a subscriber that shares no code with us, durable record
//! and broker included, against ONNX Runtime's bare session on the same tensor, taking turns.

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use taktgate::domain::InspectionRecord;
use taktgate::publish::{Broker, BrokerSettings, Publisher, Topics};
use taktgate::record::RecordStore;

use super::ratio::run_bare;
use super::scene::{Scene, new_id};
use super::wire::{publisher, verdict};

/// Enough that the hundredth part is three.
const PAIRS: usize = 300;
const PATIENCE: Duration = Duration::from_secs(20);

/// Prints median and p99 of what everything beside the model costs.
pub(crate) fn print(scene: &mut Scene) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(BrokerSettings::local(folder.path()))?;
    let topics = Topics::new("taktgate", "acme", "bench", "press", "line-1", "bench-1")?;
    let callbacks = subscribe(broker.port(), topics.verdict())?;
    let (publisher, _) = publisher(broker.port(), topics)?;
    let mut store = RecordStore::open(&folder.path().join("records.sqlite"))?;
    let template = scene.record()?;
    let (mut whole, mut bare, mut beside) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..PAIRS {
        let index = scene.next();
        // Who goes second finds warmer caches: each does as often.
        let first = turn
            .is_multiple_of(2)
            .then(|| run_bare(scene, index))
            .transpose()?;
        let answered = answer(
            scene,
            (index, &template),
            &mut store,
            &publisher,
            &callbacks,
        )?;
        let alone = first.map_or_else(|| run_bare(scene, index), Ok)?;
        whole.push(ms(answered));
        bare.push(ms(alone));
        beside.push(ms(answered) - ms(alone));
    }
    println!(
        "Frame in memory -> durable record -> broker -> a foreign subscriber's callback, {PAIRS} pairs:"
    );
    for (name, values) in [
        ("whole", whole),
        ("bare session", bare),
        ("beside the model", beside),
    ] {
        let [median, p99] = figures(values);
        println!("  {name:26} median {median:7.2} ms, p99 {p99:7.2} ms");
    }
    Ok(())
}

/// One part on its whole way.
fn answer(
    scene: &mut Scene,
    (index, template): (usize, &InspectionRecord),
    store: &mut RecordStore,
    publisher: &Publisher,
    callbacks: &Receiver<Instant>,
) -> anyhow::Result<Duration> {
    while callbacks.try_recv().is_ok() {}
    let mut record = template.clone();
    let frame = scene.frames.get(index).context("no frame")?.clone();
    let started = Instant::now();
    let inspection = scene.inspect(frame, Duration::ZERO);
    ensure!(
        !inspection.timings.decode.is_zero(),
        "a picture was refused"
    );
    record.id = new_id();
    record.verdict = inspection.verdict;
    record.findings = inspection.findings;
    record.views = inspection.views;
    store.append(&record)?;
    publisher.try_send(verdict(&record, started)?)?;
    let heard = callbacks.recv_timeout(PATIENCE).context("no callback")?;
    Ok(heard.duration_since(started))
}

/// A subscriber of rumqttc's own, on a thread of its own; says when each verdict came.
fn subscribe(port: u16, topic: String) -> anyhow::Result<Receiver<Instant>> {
    let mut options = MqttOptions::new("foreign", "127.0.0.1", port);
    options.set_keep_alive(Duration::from_secs(30));
    let (client, mut connection) = Client::new(options, 10);
    client.subscribe(topic, QoS::AtLeastOnce)?;
    let (sink, callbacks) = sync_channel(1_000);
    let (ready, is_ready) = sync_channel(1);
    std::thread::spawn(move || {
        // The client must live as long as its connection.
        let _client = client;
        for event in connection.iter().map_while(Result::ok) {
            let told = match event {
                Event::Incoming(Packet::SubAck(_)) => ready.send(()).is_ok(),
                Event::Incoming(Packet::Publish(_)) => sink.send(Instant::now()).is_ok(),
                Event::Incoming(_) | Event::Outgoing(_) => true,
            };
            if !told {
                return;
            }
        }
    });
    is_ready.recv_timeout(PATIENCE).context("not subscribed")?;
    Ok(callbacks)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Median and the value that 99 of 100 do not exceed.
fn figures(mut values: Vec<f64>) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * 99).div_ceil(100).saturating_sub(1);
    [values.len() / 2, rank].map(|at| values.get(at).copied().unwrap_or(f64::NAN))
}
