//! Tells systemd that a station is ready, alive and on its way out; says nothing where there is none.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use taktgate::station::Vitals;
use tracing::warn;

/// How often the state is looked at where no watchdog waits.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Says that the station is ready, and from then on, on a thread of its own, what its state is and
/// that it is alive; it stays silent while the loop hangs or has given up, so that systemd starts
/// the station anew.
pub(super) fn tell(vitals: &Vitals) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    say(&[NotifyState::Ready]);
    let watchdog = sd_notify::watchdog_enabled();
    // Twice within the time, so that one delay does no harm.
    let every = watchdog
        .map_or(TELL_EVERY, |within| within / 2)
        .min(TELL_EVERY);
    let vitals = vitals.clone();
    let spawned = std::thread::Builder::new()
        .name("supervisor".to_owned())
        .spawn(move || {
            loop {
                let seen = vitals.seen();
                let status = format!("{}: {}", seen.state.state, seen.state.reason);
                if seen.is_alive(Instant::now()) {
                    say(&[NotifyState::Status(&status), NotifyState::Watchdog]);
                } else {
                    say(&[NotifyState::Status(&status)]);
                }
                std::thread::park_timeout(every);
            }
        });
    if let Err(error) = spawned {
        warn!(%error, "no thread for the watchdog");
    }
}

/// Says that the station is on its way out.
pub(super) fn stopping() {
    if std::env::var_os("NOTIFY_SOCKET").is_some() {
        say(&[NotifyState::Stopping]);
    }
}

fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "systemd was not told");
    }
}
