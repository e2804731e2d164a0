//! The network task of the plane: one connection after the other, live data before history.
//!
//! MQTT 3.1.1 whatever the verdicts travel with: of MQTT 5 the specification demands a reason code at the
//! goodbye that rumqttc cannot send, and gains nothing else.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;
use tracing::{error, info, warn};

use crate::publish::backoff::Backoff;
use crate::publish::connection::Connection;
use crate::publish::link::{Client, Signal};
use crate::publish::link_error::{LinkError, before_welcome};
use crate::publish::post::Message;
use crate::publish::session::StopError;

use super::bd_seq::BdSeq;
use super::edge::{Edge, Now, Step};
use super::tag::{Sample, ms};

/// Messages that the event loop has not yet written; more wait as samples.
const UNWRITTEN_MAX: usize = 32;

/// One batch of history each: so that back-fill never floods a host, and live data never waits for it.
const BACK_FILL_EVERY: Duration = Duration::from_millis(20);

const IDLE: Duration = Duration::from_mins(1);

enum End {
    /// We said goodbye, because the station stops or the host is away.
    Left,
    TimedOut,
    Aborted,
    Lost(LinkError),
}

impl From<LinkError> for End {
    fn from(error: LinkError) -> Self {
        Self::Lost(error)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connecting,
    Subscribing,
    Open,
    Leaving,
}

enum Woken {
    Signal(Result<Signal, LinkError>),
    Sample(Option<Sample>),
    /// Until when to stop.
    Stop(Option<Instant>),
    Time,
}

pub(super) struct Task {
    pub(super) connection: Connection,
    pub(super) edge: Edge,
    pub(super) bd_seq: BdSeq,
    pub(super) samples: mpsc::Receiver<Sample>,
    /// Samples that found no room; counted by the handle.
    pub(super) missed: Arc<AtomicU64>,
    pub(super) stop: Option<oneshot::Receiver<Instant>>,
    pub(super) stop_by: Option<Instant>,
}

/// One connection's state.
struct Link {
    client: Client,
    phase: Phase,
    n_unwritten: usize,
    next_back_fill: Instant,
}

impl Task {
    /// Connects, serves and connects again until it is stopped.
    pub(super) async fn run(mut self) -> Result<(), StopError> {
        let mut backoff = Backoff::default();
        let mut last_error = String::new();
        loop {
            let started = Instant::now();
            let end = self.link().await;
            self.edge.disconnected(now());
            match end {
                End::Left if self.stop_by.is_some() => return self.stopped(0),
                End::Left => info!("connecting anew, to wait for the primary host"),
                End::TimedOut | End::Aborted => return self.stopped(1),
                End::Lost(error) => {
                    if matches!(error, LinkError::Unreachable { .. }) {
                        self.bd_seq.unused();
                    }
                    // Once for each cause: a broker may be away for hours.
                    let error = error.text();
                    if error != last_error {
                        warn!(error, "no broker for Sparkplug");
                        last_error = error;
                    }
                }
            }
            if let Some(end) = self.pause(backoff.after(started.elapsed())).await {
                return self.stopped(usize::from(!matches!(end, End::Left)));
            }
        }
    }

    fn stopped(&self, n_unsent: usize) -> Result<(), StopError> {
        let n_waiting = self.edge.n_waiting();
        if 0 < n_waiting {
            error!(
                n_waiting,
                "changes of Sparkplug tags are lost: the host was away at the stop"
            );
        }
        if n_unsent == 0 {
            Ok(())
        } else {
            Err(StopError::NotDrained { n_unsent })
        }
    }

    /// Waits between two connections; samples become history.
    async fn pause(&mut self, pause: Duration) -> Option<End> {
        let until = Instant::now() + pause;
        while Instant::now() < until {
            // Nobody is connected who could be told goodbye.
            if self.stop_by.is_some() {
                return Some(End::Left);
            }
            let woken = tokio::select! {
                sample = self.samples.recv() => Woken::Sample(sample),
                stop = stop_asked(&mut self.stop) => Woken::Stop(stop),
                () = sleep_until(until.into()) => Woken::Time,
            };
            match woken {
                Woken::Sample(Some(sample)) => drop(self.take(sample)),
                Woken::Stop(Some(by)) => self.stop_by = Some(by),
                Woken::Sample(None) | Woken::Stop(None) => return Some(End::Aborted),
                Woken::Time | Woken::Signal(_) => {}
            }
        }
        None
    }

    /// One connection from its making to its end.
    async fn link(&mut self) -> End {
        let will = self.edge.connect(self.bd_seq.next(), now());
        let (client, mut poller) = match self.connection.open(Some(&will)) {
            Ok(opened) => opened,
            Err(source) => return LinkError::Settings { source }.into(),
        };
        let connection = self.connection.clone();
        let topics = self.edge.subscriptions();
        let mut link = Link {
            client,
            phase: Phase::Connecting,
            n_unwritten: 0,
            next_back_fill: Instant::now(),
        };
        loop {
            let mut polling = pin!(poller.poll(&connection, &topics));
            let signal = loop {
                if let Err(end) = self.advance(&mut link) {
                    return end;
                }
                let has_room = link.n_unwritten < UNWRITTEN_MAX;
                let wake = self.wake(&link);
                let woken = tokio::select! {
                    biased;
                    signal = &mut polling => Woken::Signal(signal),
                    stop = stop_asked(&mut self.stop) => Woken::Stop(stop),
                    sample = self.samples.recv(), if has_room => Woken::Sample(sample),
                    () = sleep_until(wake.into()) => Woken::Time,
                };
                match woken {
                    Woken::Signal(signal) => break signal,
                    Woken::Sample(Some(sample)) => {
                        let messages = self.take(sample);
                        if let Err(error) = link.send(messages) {
                            return error.into();
                        }
                    }
                    Woken::Stop(Some(by)) => self.stop_by = Some(by),
                    Woken::Sample(None) | Woken::Stop(None) => return End::Aborted,
                    Woken::Time => {}
                }
            };
            match signal {
                Ok(signal) => {
                    if let Err(end) = self.on_signal(signal, &mut link) {
                        return end;
                    }
                }
                Err(_) if link.phase == Phase::Leaving => return End::Left,
                Err(error) if link.phase == Phase::Connecting => {
                    return before_welcome(error, &connection).into();
                }
                Err(error) => return error.into(),
            }
        }
    }

    fn on_signal(&mut self, signal: Signal, link: &mut Link) -> Result<(), End> {
        match signal {
            Signal::Welcome { .. } => {
                link.client.subscribe(&self.edge.subscriptions())?;
                link.phase = Phase::Subscribing;
            }
            Signal::Subscribed {
                refused: Some(topic),
            } => return Err(LinkError::subscription(&self.connection, topic).into()),
            // Only now do commands reach us, so only now may a host know of us.
            Signal::Subscribed { refused: None } => {
                link.phase = Phase::Open;
                link.send(self.edge.subscribed(now()))?;
            }
            Signal::Sent { .. } => link.n_unwritten = link.n_unwritten.saturating_sub(1),
            Signal::Came(delivery) if link.phase != Phase::Leaving => {
                match self.edge.came(&delivery, now()) {
                    Step::Send(messages) => link.send(messages)?,
                    Step::Leave(death) => link.leave(Some(death))?,
                }
            }
            Signal::Left => return Err(End::Left),
            Signal::Came(_) | Signal::Acked { .. } | Signal::Other => {}
        }
        Ok(())
    }

    /// What is due: the stop, births that are owed, or a batch of history when nothing live waits.
    fn advance(&mut self, link: &mut Link) -> Result<(), End> {
        let at = Instant::now();
        if let Some(by) = self.stop_by {
            if by <= at {
                return Err(End::TimedOut);
            }
            // Before a welcome there is nobody to say goodbye to.
            if matches!(link.phase, Phase::Connecting | Phase::Subscribing) {
                return Err(End::Left);
            }
            if link.phase == Phase::Open {
                while let Ok(sample) = self.samples.try_recv() {
                    let messages = self.take(sample);
                    link.send(messages)?;
                }
                let death = self.edge.leave(now());
                link.leave(death)?;
            }
        }
        if link.phase == Phase::Open {
            link.send(self.edge.rebirth_if_due(now()))?;
        }
        let is_due = link.phase == Phase::Open
            && link.n_unwritten == 0
            && link.next_back_fill <= at
            && self.samples.is_empty()
            && self.edge.has_back_fill();
        if is_due {
            link.next_back_fill = at + BACK_FILL_EVERY;
            let messages = self.edge.back_fill(now());
            link.send(messages)?;
        }
        Ok(())
    }

    fn take(&mut self, sample: Sample) -> Vec<Message> {
        self.edge
            .lost_before(self.missed.swap(0, Ordering::Relaxed));
        self.edge.sample(sample, now())
    }

    fn wake(&self, link: &Link) -> Instant {
        let at = Instant::now();
        let back_fill = (link.phase == Phase::Open && self.edge.has_back_fill())
            .then(|| link.next_back_fill.max(at + Duration::from_millis(1)));
        [self.stop_by, back_fill, self.edge.rebirth_due_at()]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(at + IDLE)
    }
}

impl Link {
    fn send(&mut self, messages: Vec<Message>) -> Result<(), LinkError> {
        for message in messages {
            self.client.publish(message, None)?;
            self.n_unwritten += 1;
        }
        Ok(())
    }

    fn leave(&mut self, death: Option<Message>) -> Result<(), LinkError> {
        self.send(death.into_iter().collect())?;
        self.client.leave()?;
        self.phase = Phase::Leaving;
        Ok(())
    }
}

fn now() -> Now {
    Now {
        at: Instant::now(),
        ms: ms(Timestamp::now()),
    }
}

/// `None` when the handle was dropped; never ready once a stop is under way.
async fn stop_asked(stop: &mut Option<oneshot::Receiver<Instant>>) -> Option<Instant> {
    match stop {
        Some(asked) => {
            let by = asked.await.ok();
            *stop = None;
            by
        }
        None => std::future::pending().await,
    }
}
