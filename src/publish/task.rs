//! The network thread from within: one task owns the link, what waits and what is in flight.

use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;
use tracing::{error, warn};

use super::backoff::Backoff;
use super::link::{Client, Outcome, Signal};
use super::link_error::{LinkError, before_welcome};
use super::news::{Above, News};
use super::post::{Flight, IN_FLIGHT_MAX, Post, RECORDS_IN_FLIGHT_MAX, RecordPost, Token, Waiting};
use super::session::{Farewell, Plan, StopError};

/// A broker that acknowledges nothing for so long is left, even if its socket still stands.
const ACK_WAIT_MAX: Duration = Duration::from_secs(5);

enum End {
    Left,
    Aborted,
    TimedOut,
    Lost(LinkError),
}

impl From<LinkError> for End {
    fn from(error: LinkError) -> Self {
        Self::Lost(error)
    }
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Connecting,
    Subscribing,
    Open,
    Leaving,
}

struct Limits {
    in_flight_max: usize,
    packet_max: usize,
}

pub(super) struct Task<T> {
    plan: Plan,
    above: Above<T>,
    waiting: Waiting,
    flight: Flight,
    posts: mpsc::Receiver<Post>,
    records: mpsc::Receiver<RecordPost>,
    stop: Option<oneshot::Receiver<Farewell>>,
    farewell: Option<Farewell>,
}

/// What woke the task beside the link itself.
enum Woken {
    Signal(Result<Signal, LinkError>),
    Post(Option<Post>),
    Record(Option<RecordPost>),
    Stop(Option<Farewell>),
    Time,
}

impl<T: Clone> Task<T> {
    pub(super) fn new(
        plan: Plan,
        above: Above<T>,
        posts: mpsc::Receiver<Post>,
        records: mpsc::Receiver<RecordPost>,
        stop: oneshot::Receiver<Farewell>,
    ) -> Self {
        Self {
            plan,
            above,
            waiting: Waiting::default(),
            flight: Flight::default(),
            posts,
            records,
            stop: Some(stop),
            farewell: None,
        }
    }

    /// Connects, serves and connects again until it is stopped.
    pub(super) async fn run(mut self) -> Result<(), StopError> {
        let mut backoff = Backoff::default();
        loop {
            let started = Instant::now();
            let end = self.link().await;
            let flight = std::mem::take(&mut self.flight);
            let n_unsent = flight.len();
            for sequence in flight.unacknowledged() {
                self.above.tell(News::Unacknowledged { sequence });
            }
            // The store has them all; it sends them again after the next connect.
            while self.records.try_recv().is_ok() {}
            match end {
                End::Left => return Ok(()),
                End::Aborted => return Err(StopError::NotDrained { n_unsent }),
                End::TimedOut => return Err(self.not_drained(n_unsent)),
                End::Lost(error) => self.above.tell(News::Disconnected {
                    error: error.text(),
                }),
            }
            match self.pause(backoff.after(started.elapsed())).await {
                Some(End::Aborted) => return Err(StopError::NotDrained { n_unsent }),
                Some(_) => return Err(self.not_drained(n_unsent)),
                None => {}
            }
        }
    }

    fn not_drained(&mut self, n_unsent: usize) -> StopError {
        let n_waiting = std::iter::from_fn(|| self.waiting.next(Instant::now())).count();
        let has_last = self
            .farewell
            .as_ref()
            .is_some_and(|farewell| farewell.message.is_some());
        StopError::NotDrained {
            n_unsent: n_unsent + n_waiting + usize::from(has_last),
        }
    }

    /// Waits between two connections, still taking posts and dropping what expires.
    async fn pause(&mut self, pause: Duration) -> Option<End> {
        let until = Instant::now() + pause;
        loop {
            let now = Instant::now();
            self.housekeeping(now);
            if self
                .farewell
                .as_ref()
                .is_some_and(|farewell| farewell.until <= now)
            {
                return Some(End::TimedOut);
            }
            if until <= now {
                return None;
            }
            let wake = self.wake(Some(until));
            let woken = tokio::select! {
                post = self.posts.recv() => Woken::Post(post),
                farewell = stopped(&mut self.stop) => Woken::Stop(farewell),
                () = sleep_until(wake.into()) => Woken::Time,
            };
            if let Some(end) = self.take(woken) {
                return Some(end);
            }
        }
    }

    /// One connection from its making to its end.
    async fn link(&mut self) -> End {
        let (client, mut poller) = match self.plan.connection.open(self.plan.will.as_ref()) {
            Ok(opened) => opened,
            Err(source) => return LinkError::Settings { source }.into(),
        };
        let connection = self.plan.connection.clone();
        let topics = self.plan.topics.clone();
        let mut phase = Phase::Connecting;
        let mut limits = Limits {
            in_flight_max: IN_FLIGHT_MAX,
            packet_max: usize::MAX,
        };
        loop {
            let mut polling = pin!(poller.poll(&connection, &topics));
            let signal = loop {
                match self.advance(&client, &mut phase, &limits) {
                    Ok(()) => {}
                    Err(end) => return end,
                }
                let may_take_record = matches!(phase, Phase::Open)
                    && self.farewell.is_none()
                    && self.flight.n_records()
                        < RECORDS_IN_FLIGHT_MAX.min(limits.in_flight_max / 2)
                    && self.flight.len() < limits.in_flight_max;
                let wake = self.wake(None);
                let woken = tokio::select! {
                    signal = &mut polling => Woken::Signal(signal),
                    post = self.posts.recv() => Woken::Post(post),
                    record = self.records.recv(), if may_take_record => Woken::Record(record),
                    farewell = stopped(&mut self.stop) => Woken::Stop(farewell),
                    () = sleep_until(wake.into()) => Woken::Time,
                };
                match woken {
                    Woken::Signal(signal) => break signal,
                    Woken::Record(Some(record)) => {
                        if let Err(error) = self.send_record(&client, &limits, record) {
                            return error.into();
                        }
                    }
                    Woken::Record(None) => return End::Aborted,
                    other @ (Woken::Post(_) | Woken::Stop(_) | Woken::Time) => {
                        if let Some(end) = self.take(other) {
                            return end;
                        }
                    }
                }
            };
            let signal = match (signal, phase) {
                (Ok(signal), _) => signal,
                (Err(_), Phase::Leaving) => return End::Left,
                (Err(error), Phase::Connecting) => {
                    return before_welcome(error, &connection).into();
                }
                (Err(error), Phase::Subscribing | Phase::Open) => return error.into(),
            };
            match self.on_signal(signal, &client, &mut limits, phase) {
                Ok(next) => phase = next,
                Err(end) => return end,
            }
        }
    }

    fn on_signal(
        &mut self,
        signal: Signal,
        client: &Client,
        limits: &mut Limits,
        phase: Phase,
    ) -> Result<Phase, End> {
        match signal {
            Signal::Welcome {
                in_flight_max,
                packet_max,
            } => {
                *limits = Limits {
                    in_flight_max: in_flight_max.clamp(2, IN_FLIGHT_MAX),
                    packet_max,
                };
                client.subscribe(&self.plan.topics)?;
                return Ok(Phase::Subscribing);
            }
            Signal::Subscribed {
                refused: Some(topic),
            } => {
                return Err(LinkError::subscription(&self.plan.connection, topic).into());
            }
            // Only now do triggers reach us: whoever reads `ready` before would trigger in vain.
            Signal::Subscribed { refused: None } => {
                self.waiting.renew();
                // Handed over by a side above that had not yet heard of the end of the link before.
                while self.records.try_recv().is_ok() {}
                self.above.tell(News::Connected);
                return Ok(Phase::Open);
            }
            Signal::Sent { packet_id } => self.flight.sent(packet_id),
            Signal::Acked { packet_id, outcome } => self.on_ack(packet_id, outcome),
            Signal::Came(delivery) => self.above.tell(News::Came(delivery)),
            Signal::Left => return Err(End::Left),
            Signal::Other => {}
        }
        Ok(phase)
    }

    fn on_ack(&mut self, packet_id: u16, outcome: Outcome) {
        let Some(token) = self.flight.acked(packet_id) else {
            return;
        };
        if let Token::Urgent { sequence, .. } = token {
            if matches!(outcome, Outcome::Taken) {
                self.flight.heard(sequence);
            }
            if self.flight.is_unheard(sequence) {
                self.above.tell(News::Unheard { sequence });
            }
        }
        match (token, outcome) {
            (what, Outcome::Refused(error)) => self.above.tell(News::Refused { what, error }),
            (Token::Record { outbox_id }, _) => self.above.tell(News::Delivered { outbox_id }),
            (Token::Urgent { .. } | Token::Other, _) => {}
        }
    }

    /// Everything that is due now: expiry, held news, handing over, leaving.
    fn advance(&mut self, client: &Client, phase: &mut Phase, limits: &Limits) -> Result<(), End> {
        // Posts first: a flood of incoming messages must not hold a verdict back.
        while let Ok(post) = self.posts.try_recv() {
            self.take(Woken::Post(Some(post)));
        }
        let now = Instant::now();
        self.housekeeping(now);
        if self
            .farewell
            .as_ref()
            .is_some_and(|farewell| farewell.until <= now)
        {
            return Err(End::TimedOut);
        }
        if self
            .flight
            .oldest()
            .is_some_and(|oldest| ACK_WAIT_MAX <= now.duration_since(oldest))
        {
            return Err(LinkError::mute(&self.plan.connection, ACK_WAIT_MAX.as_secs()).into());
        }
        if !matches!(phase, Phase::Open) {
            return Ok(());
        }
        self.hand_over(client, limits, now)?;
        let Some(farewell) = &mut self.farewell else {
            return Ok(());
        };
        // The last message comes last: after `offline` nobody waits for a verdict.
        if self.waiting.is_empty()
            && let Some(message) = farewell.message.take()
        {
            self.waiting.take(Post::Kept(message));
            self.hand_over(client, limits, now)?;
        }
        if self.waiting.is_empty() && self.flight.len() == 0 {
            client.leave()?;
            *phase = Phase::Leaving;
        }
        Ok(())
    }

    fn hand_over(
        &mut self,
        client: &Client,
        limits: &Limits,
        now: Instant,
    ) -> Result<(), LinkError> {
        while self.flight.len() < limits.in_flight_max
            && let Some(handover) = self.waiting.next(now)
        {
            client.publish(handover.message, handover.expiry_s)?;
            self.flight.handed(handover.token, now);
        }
        Ok(())
    }

    fn send_record(
        &mut self,
        client: &Client,
        limits: &Limits,
        record: RecordPost,
    ) -> Result<(), LinkError> {
        const HEADER_ROOM: usize = 64;
        let size = record.message.payload.len() + record.message.topic.len() + HEADER_ROOM;
        let token = Token::Record {
            outbox_id: record.outbox_id,
        };
        if limits.packet_max < size {
            let error = format!(
                "{size} bytes are more than the {} that it takes",
                limits.packet_max
            );
            self.above.tell(News::Refused { what: token, error });
            return Ok(());
        }
        client.publish(record.message, None)?;
        self.flight.handed(token, Instant::now());
        Ok(())
    }

    fn take(&mut self, woken: Woken) -> Option<End> {
        match woken {
            Woken::Post(Some(post)) => {
                if let Some(sequence) = self.waiting.take(post) {
                    self.above.tell(News::Expired { sequence });
                }
                None
            }
            Woken::Stop(Some(farewell)) => {
                self.stop = None;
                self.farewell = Some(farewell);
                None
            }
            Woken::Post(None) | Woken::Stop(None) => Some(End::Aborted),
            Woken::Time | Woken::Signal(_) | Woken::Record(_) => None,
        }
    }

    fn housekeeping(&mut self, now: Instant) {
        for sequence in self.waiting.expired(now) {
            warn!(sequence, "expired before it could be sent");
            self.above.tell(News::Expired { sequence });
        }
        let n_dropped = self.waiting.plain_dropped();
        if n_dropped != 0 {
            error!(n_dropped, "events lost: too many while the broker is away");
        }
        self.above.offer_held();
    }

    /// When to look again if nothing happens.
    fn wake(&self, until: Option<Instant>) -> Instant {
        const IDLE: Duration = Duration::from_mins(1);
        let now = Instant::now();
        let held = self.above.offer_again_after().map(|pause| now + pause);
        let mute = self.flight.oldest().map(|oldest| oldest + ACK_WAIT_MAX);
        let farewell = self.farewell.as_ref().map(|farewell| farewell.until);
        [until, held, mute, farewell, self.waiting.next_expiry()]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(now + IDLE)
    }
}

/// `None` when the handle was dropped; never ready once a stop is under way.
async fn stopped(stop: &mut Option<oneshot::Receiver<Farewell>>) -> Option<Farewell> {
    match stop {
        Some(stop) => stop.await.ok(),
        None => std::future::pending().await,
    }
}
