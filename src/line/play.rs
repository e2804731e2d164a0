//! Plays the controller against a broker: one loop, parts out at the takt, verdicts in.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use crate::domain::Sequence;
use crate::publish::{
    AckPayload, Connection, Controller, ControllerEvent, PublishError, SCHEMA, SendError, Topics,
    TriggerPayload,
};

use super::account::{Account, Action, PartResult};

/// Messages that wait for the loop.
const EVENTS_MAX: usize = 1_024;
const STOP_MAX: Duration = Duration::from_secs(2);

/// What to play.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many parts.
    pub n_parts: u32,
    /// From one announcement to the next.
    pub takt: Duration,
    /// How long the line waits for a verdict.
    pub deadline: Duration,
    /// The count of the first part.
    pub first_sequence: Sequence,
    /// The type of all parts.
    pub part_type: String,
    /// Part ids are this, a dash and a number from 1.
    pub part_prefix: String,
    /// The lot of all parts.
    pub lot: Option<String>,
    /// The supplier of all parts.
    pub supplier: Option<String>,
    /// How long to wait for a station that is ready.
    pub ready_within: Duration,
}

/// Why a line does not play.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The connection's settings.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A trigger was not taken.
    #[error("part {sequence} could not be announced")]
    Send {
        /// The count.
        sequence: Sequence,
        /// Why.
        #[source]
        cause: SendError,
    },
    /// No broker, or no station that is ready.
    #[error(
        "station `{station}` was not ready within {waited_s} s ({last}); is it running, on this broker and these topics?"
    )]
    NotReady {
        /// The station.
        station: String,
        /// How long was waited.
        waited_s: u64,
        /// What was heard last.
        last: String,
    },
    /// The network thread ended.
    #[error("the connection's thread has ended")]
    Ended,
}

/// Plays the plan to its end; `seen` is told of every part that ends.
///
/// # Errors
/// [`LineError`] if there is no broker or no ready station, or the connection's thread ends.
pub fn play(
    connection: Connection,
    topics: Topics,
    plan: &Plan,
    mut seen: impl FnMut(&PartResult, &Account),
) -> Result<Account, LineError> {
    let (sink, events) = sync_channel(EVENTS_MAX);
    let station = topics.station().to_owned();
    let controller = Controller::start(connection, topics, move |event| {
        sink.try_send(event).is_ok()
    })?;
    wait_until_ready(&station, plan.ready_within, &events)?;
    let mut account = Account::default();
    let mut next_part = Instant::now();
    let mut n_announced = 0;
    loop {
        let now = Instant::now();
        if n_announced < plan.n_parts && next_part <= now {
            announce(&controller, plan, n_announced, &mut account)?;
            n_announced += 1;
            next_part += plan.takt;
            continue;
        }
        for result in account.tick(now) {
            finish(&controller, &result, &account, &mut seen)?;
        }
        let next_part = (n_announced < plan.n_parts).then_some(next_part);
        let Some(wake) = account.next_deadline().into_iter().chain(next_part).min() else {
            break;
        };
        match events.recv_timeout(wake.saturating_duration_since(now)) {
            Ok(event) => {
                if let Some(result) = take(event, &mut account) {
                    finish(&controller, &result, &account, &mut seen)?;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(LineError::Ended),
        }
    }
    // What still comes within the time of one deadline would be late or repeated answers.
    let until = Instant::now() + plan.takt.min(plan.deadline);
    while let Ok(event) = events.recv_timeout(until.saturating_duration_since(Instant::now())) {
        take(event, &mut account);
    }
    controller.stop(STOP_MAX)?;
    Ok(account)
}

fn wait_until_ready(
    station: &str,
    within: Duration,
    events: &std::sync::mpsc::Receiver<ControllerEvent>,
) -> Result<(), LineError> {
    let until = Instant::now() + within;
    let mut last = "no broker answered".to_owned();
    loop {
        match events.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(ControllerEvent::State(state)) if state.state.takes_parts() => {
                return Ok(());
            }
            Ok(ControllerEvent::State(state)) => {
                last = format!("it is `{}`: {}", state.state, state.reason);
            }
            Ok(ControllerEvent::Connected) => {
                "the broker knows no such station".clone_into(&mut last);
            }
            Ok(ControllerEvent::Disconnected { error }) => last = error,
            Ok(_) => {}
            Err(_) => {
                return Err(LineError::NotReady {
                    station: station.to_owned(),
                    waited_s: within.as_secs(),
                    last,
                });
            }
        }
    }
}

fn announce(
    controller: &Controller,
    plan: &Plan,
    n_before: u32,
    account: &mut Account,
) -> Result<(), LineError> {
    let sequence = plan.first_sequence.wrapping_add(n_before);
    let part_id = format!("{}-{:04}", plan.part_prefix, n_before + 1);
    let now = Instant::now();
    account.announce(sequence, &part_id, now, now + plan.deadline);
    let trigger = TriggerPayload {
        schema: SCHEMA,
        sequence,
        part_id,
        part_type: plan.part_type.clone(),
        lot: plan.lot.clone(),
        supplier: plan.supplier.clone(),
        deadline_ms: Some(u64::try_from(plan.deadline.as_millis()).unwrap_or(u64::MAX)),
    };
    controller
        .send_trigger(&trigger)
        .map_err(|cause| LineError::Send { sequence, cause })
}

fn take(event: ControllerEvent, account: &mut Account) -> Option<PartResult> {
    match event {
        ControllerEvent::Verdict {
            payload,
            received_at,
        } => match payload.verdict() {
            Ok(verdict) => {
                return account.answer(payload.sequence, &payload.part_id, verdict, received_at);
            }
            Err(_) => account.unreadable += 1,
        },
        ControllerEvent::Plc { block, .. } => account.block(block.sequence, block.verdict),
        ControllerEvent::Unreadable { .. } => account.unreadable += 1,
        // A trigger that expired or was not heard gets no answer: counted when its deadline comes.
        ControllerEvent::TriggerExpired { .. }
        | ControllerEvent::TriggerUnheard { .. }
        | ControllerEvent::State(_)
        | ControllerEvent::Health(_)
        | ControllerEvent::Event(_)
        | ControllerEvent::Record(_)
        | ControllerEvent::Response(_)
        | ControllerEvent::Connected
        | ControllerEvent::Disconnected { .. } => {}
    }
    None
}

fn finish(
    controller: &Controller,
    result: &PartResult,
    account: &Account,
    seen: &mut impl FnMut(&PartResult, &Account),
) -> Result<(), LineError> {
    let action = match result.action {
        Action::Pass => "passed",
        Action::Reject => "rejected",
    };
    let sequence = result.sequence;
    let ack = AckPayload {
        schema: SCHEMA,
        sequence,
        action: action.to_owned(),
    };
    controller
        .send_ack(&ack)
        .map_err(|cause| LineError::Send { sequence, cause })?;
    seen(result, account);
    Ok(())
}
