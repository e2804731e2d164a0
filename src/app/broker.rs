//! `taktgate broker`: a broker for a single PC.

use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use clap::Args;
use taktgate::publish::{Broker, BrokerSettings, Minded};

use super::Outcome;
use super::print::note;
use super::run::on_signal;

const MIND_EVERY: Duration = Duration::from_secs(1);

#[derive(Args)]
#[command(after_help = "\
Examples:
  taktgate broker
  taktgate broker --port 0 --data /tmp/broker   (a free port, which is printed)")]
pub(crate) struct BrokerArgs {
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 1883)]
    port: u16,
    /// Its folder; retained messages and sessions survive a restart there.
    #[arg(long, value_name = "DIR", default_value = "taktgate-broker")]
    data: PathBuf,
}

pub(crate) fn broker(args: &BrokerArgs) -> anyhow::Result<Outcome> {
    let settings = BrokerSettings {
        port: (args.port != 0).then_some(args.port),
        is_persistent: true,
        ..BrokerSettings::local(&args.data)
    };
    let mut broker = Broker::start(settings)?;
    let (stop, stopped) = sync_channel(1);
    on_signal(move || {
        // A second signal finds the first still waiting, which is enough.
        let waiting = stop.try_send(()).is_err();
        if waiting {
            note("stopping already");
        }
    })?;
    super::print::say(format!("mqtt://127.0.0.1:{}", broker.port()));
    note("a mosquitto for this machine only, without password; stop with Ctrl-C");
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(MIND_EVERY) {
        if let Minded::Restarted = broker.mind()? {
            note("the broker had died and was restarted");
        }
    }
    Ok(Outcome::Good)
}
