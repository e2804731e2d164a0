//! The network thread as the rest of the program sees it: queues in, news out, a stop.

use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use tracing::error;

use super::connection::{Connection, ConnectionError};
use super::news::Above;
use super::post::{Message, Post, RECORDS_IN_FLIGHT_MAX, RecordPost};
use super::task::Task;

/// Posts that the task has not yet looked at.
pub(super) const POSTS_MAX: usize = 256;

/// How the task ends when it was asked to.
#[derive(Debug)]
pub(super) struct Farewell {
    pub(super) message: Option<Message>,
    pub(super) until: Instant,
}

/// Why a stop was not clean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StopError {
    /// The broker was away or slow: the line sees the last will instead of the goodbye.
    #[error(
        "stopped with {n_unsent} messages that the broker has not acknowledged; the line sees the last will"
    )]
    NotDrained {
        /// How many.
        n_unsent: usize,
    },
    /// A fault of this program.
    #[error("the network thread ended by itself; see its last words in the log")]
    Died,
}

/// What the link is for.
pub(super) struct Plan {
    pub(super) connection: Connection,
    pub(super) will: Option<Message>,
    pub(super) topics: Vec<String>,
}

/// The handle of the network thread; dropping it ends the thread at once, without a goodbye.
#[derive(Debug)]
pub(super) struct Session {
    posts: mpsc::Sender<Post>,
    records: mpsc::Sender<RecordPost>,
    stop: Option<oneshot::Sender<Farewell>>,
    thread: Option<JoinHandle<Result<(), StopError>>>,
}

/// Why a post was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotTaken {
    Full,
    Stopped,
}

impl<T> From<mpsc::error::TrySendError<T>> for NotTaken {
    fn from(error: mpsc::error::TrySendError<T>) -> Self {
        match error {
            mpsc::error::TrySendError::Full(_) => Self::Full,
            mpsc::error::TrySendError::Closed(_) => Self::Stopped,
        }
    }
}

impl Session {
    pub(super) fn start<T: Clone + Send + 'static>(
        name: &str,
        plan: Plan,
        above: Above<T>,
    ) -> Result<Self, ConnectionError> {
        plan.connection.check()?;
        let (posts, posts_in) = mpsc::channel(POSTS_MAX);
        let (records, records_in) = mpsc::channel(RECORDS_IN_FLIGHT_MAX);
        let (stop, stop_in) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| ConnectionError::Thread { source })?;
        let task = Task::new(plan, above, posts_in, records_in, stop_in);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || runtime.block_on(task.run()))
            .map_err(|source| ConnectionError::Thread { source })?;
        Ok(Self {
            posts,
            records,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    pub(super) fn post(&self, post: Post) -> Result<(), NotTaken> {
        Ok(self.posts.try_send(post)?)
    }

    pub(super) fn post_record(&self, record: RecordPost) -> Result<(), NotTaken> {
        Ok(self.records.try_send(record)?)
    }

    /// Sends what waits and a last message, waits for the acknowledgements, says goodbye.
    pub(super) fn stop(mut self, farewell: Farewell) -> Result<(), StopError> {
        let told = self.stop.take().map(|stop| stop.send(farewell));
        if !matches!(told, Some(Ok(()))) {
            return Err(StopError::Died);
        }
        self.thread.take().map_or(Err(StopError::Died), |thread| {
            thread.join().unwrap_or(Err(StopError::Died))
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            error!("the network thread panicked");
        }
    }
}
