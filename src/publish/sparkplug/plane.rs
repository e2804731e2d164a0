//! The Sparkplug plane as the station sees it: it hears what the station says, and is stopped.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tracing::error;

use crate::publish::connection::{Connection, ConnectionError, Protocol};
use crate::publish::publisher::{Outgoing, PublishError};
use crate::publish::session::StopError;

use super::bd_seq::BdSeq;
use super::edge::Edge;
use super::settings::SparkplugSettings;
use super::tag::Sample;
use super::task::Task;

/// Samples that the network task has not yet looked at; more are dropped and counted.
pub const SAMPLES_MAX: usize = 256;

/// The plane's connection; dropped without [`Sparkplug::stop`], hosts see the last will.
#[derive(Debug)]
pub struct Sparkplug {
    samples: mpsc::Sender<Sample>,
    missed: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<Instant>>,
    thread: Option<JoinHandle<Result<(), StopError>>>,
}

impl Sparkplug {
    /// Starts the network thread and returns at once. The session is one of its own, always with MQTT
    /// 3.1.1; `bd_seq_file` keeps its count over restarts.
    ///
    /// # Errors
    /// [`PublishError`] for settings that cannot work; a broker that is away is no error.
    pub fn start(
        connection: Connection,
        settings: SparkplugSettings,
        bd_seq_file: &Path,
    ) -> Result<Self, PublishError> {
        let connection = Connection {
            protocol: Protocol::V311,
            client_id: format!("{}-sparkplug", connection.client_id),
            ..connection
        };
        connection.check()?;
        let no_thread = |source| ConnectionError::Thread { source };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(no_thread)?;
        let (samples, samples_in) = mpsc::channel(SAMPLES_MAX);
        let (stop, stop_in) = oneshot::channel();
        let missed = Arc::new(AtomicU64::new(0));
        let task = Task {
            connection,
            edge: Edge::new(settings),
            bd_seq: BdSeq::read(bd_seq_file),
            samples: samples_in,
            missed: Arc::clone(&missed),
            stop: Some(stop_in),
            stop_by: None,
        };
        let thread = std::thread::Builder::new()
            .name("sparkplug".to_owned())
            .spawn(move || runtime.block_on(task.run()))
            .map_err(no_thread)?;
        Ok(Self {
            samples,
            missed,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Shows the tags of a message that the station sends; never waits.
    pub fn hear(&self, outgoing: &Outgoing) {
        if let Some(sample) = Sample::of(outgoing)
            && let Err(lost) = self.samples.try_send(sample)
        {
            self.missed.fetch_add(1, Ordering::Relaxed);
            error!(limit = SAMPLES_MAX, error = %lost, "a Sparkplug sample is lost");
        }
    }

    /// Sends what waits, says goodbye with an NDEATH; takes at most `timeout`.
    ///
    /// # Errors
    /// [`PublishError::Stop`] if the broker did not take the goodbye in time.
    pub fn stop(mut self, timeout: Duration) -> Result<(), PublishError> {
        let told = self
            .stop
            .take()
            .map(|stop| stop.send(Instant::now() + timeout));
        if !matches!(told, Some(Ok(()))) {
            return Err(StopError::Died.into());
        }
        let ended = self.thread.take().map(JoinHandle::join);
        match ended {
            Some(Ok(outcome)) => Ok(outcome?),
            Some(Err(_)) | None => Err(StopError::Died.into()),
        }
    }
}

impl Drop for Sparkplug {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            error!("the Sparkplug thread panicked");
        }
    }
}
