//! A station and a line over a mosquitto of their own, on a free port.

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use taktgate::domain::{InspectionRecord, Sequence};
use taktgate::publish::{
    Broker, BrokerSettings, Connection, Controller, ControllerEvent, DeadlineLimits, InboxLimits,
    Incoming, Outgoing, PlcBlock, Publisher, StatePayload, Topics, Validity, VerdictPayload,
};
use taktgate::record::{CHAIN_START, RecordForm};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);
const NEWS_MAX: usize = 10_000;

/// Both ends, connected.
pub(crate) struct Wire {
    publisher: Publisher,
    news: Receiver<Incoming>,
    events: Receiver<ControllerEvent>,
    record: InspectionRecord,
    record_json: String,
    n_sent: u32,
    // In the order in which they may go.
    _line: Controller,
    _broker: Broker,
    _folder: TempDir,
}

impl Wire {
    /// Starts the broker and connects both ends; `record` is what is told.
    pub(crate) fn start(record: InspectionRecord) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let broker = Broker::start(BrokerSettings::local(folder.path()))?;
        let topics = Topics::new("taktgate", "acme", "bench", "press", "line-1", "bench-1")?;
        let connection = |name| Connection::plain("127.0.0.1", broker.port(), name);
        let (sink, events) = sync_channel(NEWS_MAX);
        let sink = move |event| sink.try_send(event).is_ok();
        let line = Controller::start(connection("line"), topics.clone(), sink)?;
        wait(&events, |event| matches!(event, ControllerEvent::Connected))?;
        let (publisher, news) = publisher(broker.port(), topics)?;
        Ok(Self {
            publisher,
            news,
            events,
            record_json: RecordForm::from_record(&record, CHAIN_START).to_json()?,
            record,
            n_sent: 0,
            _line: line,
            _broker: broker,
            _folder: folder,
        })
    }

    /// The next answer, ready to be sent; what came for the one before is thrown away.
    pub(crate) fn next_verdict(&mut self) -> anyhow::Result<(Sequence, Outgoing)> {
        while self.events.try_recv().is_ok() {}
        self.n_sent += 1;
        self.record.trigger.sequence = self.n_sent;
        let outgoing = verdict(&self.record, Instant::now())?;
        Ok((self.n_sent, outgoing))
    }

    /// From `try_send` until the line has the verdict.
    pub(crate) fn verdict(&self, sequence: Sequence, outgoing: Outgoing) -> anyhow::Result<()> {
        self.publisher.try_send(outgoing)?;
        wait(
            &self.events,
            |event| matches!(event, ControllerEvent::Verdict { payload, .. } if payload.sequence == sequence),
        )
    }

    /// From `try_send` until the broker has acknowledged a record.
    pub(crate) fn record(&mut self) -> anyhow::Result<()> {
        self.n_sent += 1;
        let expected = u64::from(self.n_sent);
        self.publisher.try_send(Outgoing::Record {
            outbox_id: expected,
            payload: self.record_json.clone(),
            is_historical: false,
        })?;
        wait(
            &self.news,
            |news| matches!(news, Incoming::RecordDelivered { outbox_id } if *outbox_id == expected),
        )
    }
}

/// The station's end, connected; what it hears is kept as long as there is room.
pub(crate) fn publisher(
    port: u16,
    topics: Topics,
) -> anyhow::Result<(Publisher, Receiver<Incoming>)> {
    let (sink, news) = sync_channel(NEWS_MAX);
    let will = StatePayload::last_will("bench-1", Timestamp::now());
    let limits = InboxLimits {
        deadlines: DeadlineLimits {
            default_ms: 2_000,
            min_ms: 5,
            max_ms: 60_000,
        },
        per_s_max: 10_000,
    };
    let connection = Connection::plain("127.0.0.1", port, "station");
    let publisher = Publisher::start(connection, topics, will, limits, move |news| {
        sink.try_send(news).ok();
        true
    })?;
    wait(&news, |news| matches!(news, Incoming::Connected))?;
    Ok((publisher, news))
}

/// The answer that `record` gives to a part that was announced at `started`.
pub(crate) fn verdict(record: &InspectionRecord, started: Instant) -> anyhow::Result<Outgoing> {
    let validity = Validity {
        remaining: PATIENCE,
        expires_at_utc: Timestamp::now() + SignedDuration::try_from(PATIENCE)?,
        clock_stepped_s: None,
    };
    let payload = VerdictPayload::new(record, validity);
    Ok(Outgoing::Verdict {
        plc: PlcBlock::new(&payload, PATIENCE)?.encode(),
        payload: Box::new(payload),
        expires_at: started + PATIENCE,
    })
}

/// Waits for the event that `is_it` knows.
pub(crate) fn wait<E>(events: &Receiver<E>, is_it: impl Fn(&E) -> bool) -> anyhow::Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let waited = events.recv_timeout(left);
        if is_it(&waited.with_context(|| format!("nothing came for {} s", PATIENCE.as_secs()))?) {
            return Ok(());
        }
    }
}
