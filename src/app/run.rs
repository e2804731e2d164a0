//! `taktgate run`: one live station.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use taktgate::{station, web};

use super::print::{ms, note};
use super::supervisor;
use super::{Outcome, StationArg};

#[derive(Args)]
#[command(after_help = "\
Examples:
  taktgate run samples/stamping
  taktgate run /etc/taktgate/st-07/station.toml --data /var/lib/taktgate/st-07")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    station: StationArg,
    /// Where records and images go, instead of the station file's `data`.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The broker's port, instead of the station file's.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
}

pub(crate) fn run(args: RunArgs) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let mut station = args.station.read()?;
    if let Some(data) = args.data {
        station.data = data;
    }
    if let Some(port) = args.port {
        station.connection.port = port;
    }
    let (name, data) = (station.name.clone(), station.data.clone());
    let supervision_listen = station.supervision_listen;
    let handle = station::start(station)?;
    let stop = handle.stopper();
    on_signal(move || {
        supervisor::stopping();
        stop();
    })?;
    for (model, report) in &handle.reports {
        note(format!("model {model}: {report}"));
    }
    note(format!(
        "station {name} is ready after {} ms; records and images in {}; stop with Ctrl-C",
        ms(started.elapsed()),
        data.display()
    ));
    let listen = supervision_listen.map(|address| web::serve(address, handle.vitals.clone()));
    if let Some(address) = listen.transpose()? {
        note(format!("http://{address}/healthz and /metrics"));
    }
    supervisor::tell(&handle.vitals);
    handle.wait();
    Ok(Outcome::Good)
}

/// Calls `stop` at Ctrl-C or SIGTERM, on a thread of its own; none of them that comes after the
/// return is missed.
pub(crate) fn on_signal(stop: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    const DOING: &str = "cannot wait for signals";
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context(DOING)?;
    let signalled = {
        let _in_runtime = runtime.enter();
        signalled().context(DOING)?
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            if runtime.block_on(signalled) {
                stop();
            }
        })
        .context(DOING)?;
    Ok(())
}

/// Listens from now on; comes true with the first signal.
#[cfg(unix)]
fn signalled() -> std::io::Result<impl Future<Output = bool>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let heard = tokio::select! {
            heard = terminate.recv() => heard,
            heard = interrupt.recv() => heard,
        };
        heard.is_some()
    })
}

/// Listens from now on; comes true with the first signal.
#[cfg(not(unix))]
fn signalled() -> std::io::Result<impl Future<Output = bool>> {
    let mut pressed = tokio::signal::windows::ctrl_c()?;
    Ok(async move { pressed.recv().await.is_some() })
}
