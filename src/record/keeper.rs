//! The thread that watches the disk and lets retention work, so that the station never waits for either.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel,
};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{debug, error, warn};

use super::RecordError;
use super::retention::{Bite, Retention, RetentionRules, Stuck};
use super::space::{SpaceLevel, SpaceLimits, free_bytes};

/// How often the free space is looked at.
const SPACE_EVERY: Duration = Duration::from_secs(2);
/// How often retention looks for something to do.
const RETENTION_EVERY: Duration = Duration::from_mins(1);
/// The pause between two bites of retention, in which the line has the store for itself.
const BITE_PAUSE: Duration = Duration::from_millis(200);
/// Most news that wait for the station.
const NEWS_MAX: usize = 64;
/// A step of the wall clock that is no correction any more.
const CLOCK_STEP_MAX: Duration = Duration::from_hours(1);

/// What a keeper keeps, and by which rules.
#[derive(Debug, Clone)]
pub struct KeeperSettings {
    /// The record store.
    pub store: PathBuf,
    /// The archive of images.
    pub archive: PathBuf,
    /// What is removed.
    pub rules: RetentionRules,
    /// When the disk counts as full.
    pub limits: SpaceLimits,
}

/// What the station tells people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The disk has another level.
    Space {
        /// The one before.
        from: SpaceLevel,
        /// The one now.
        to: SpaceLevel,
        /// What is free.
        free_bytes: u64,
    },
    /// Retention removed something.
    Removed(Bite),
    /// A limit is exceeded by what may not be removed.
    Stuck(Stuck),
    /// The wall clock jumped forward; until the next start, ages count from the clock that does not jump.
    ClockStepped {
        /// By so much.
        step: Duration,
    },
    /// Retention or the look at the disk failed, and is tried again.
    Failed(String),
    /// The thread has ended, by a panic: nobody watches the disk.
    Ended,
}

/// The running keeper.
#[derive(Debug)]
pub struct Keeper {
    seen: Arc<Seen>,
    news: Receiver<News>,
    stop: SyncSender<()>,
    thread: Option<JoinHandle<()>>,
}

/// What the station may look at at any time.
#[derive(Debug)]
struct Seen {
    level: AtomicU8,
    free_bytes: AtomicU64,
}

impl Keeper {
    /// Looks at the disk once, and starts the thread.
    ///
    /// # Errors
    /// [`RecordError`] if the store or the disk cannot be looked at; the station must not start.
    pub fn start(settings: &KeeperSettings) -> Result<Self, RecordError> {
        let retention = Retention::open(&settings.store, &settings.archive)?;
        let refused = |source| RecordError::Archive {
            path: settings.archive.clone(),
            source,
        };
        let free = free_bytes(&places(settings)).map_err(refused)?;
        let level = settings.limits.level(SpaceLevel::Enough, free);
        let seen = Arc::new(Seen {
            level: AtomicU8::new(level as u8),
            free_bytes: AtomicU64::new(free),
        });
        let (tell, news) = sync_channel(NEWS_MAX);
        let (stop, stopped) = sync_channel(1);
        let work = Work {
            retention,
            seen: Arc::clone(&seen),
            level,
            news: tell,
            clock: Clock::new(Instant::now(), Timestamp::now()),
            last_failure: String::new(),
            last_stuck: Vec::new(),
            settings: settings.clone(),
        };
        if level != SpaceLevel::Enough {
            work.tell(News::Space {
                from: SpaceLevel::Enough,
                to: level,
                free_bytes: free,
            });
        }
        let thread = thread::Builder::new()
            .name("storage".into())
            .spawn(move || work.run(&stopped))
            .map_err(refused)?;
        Ok(Self {
            seen,
            news,
            stop,
            thread: Some(thread),
        })
    }

    /// The level of the disk; never waits.
    pub fn level(&self) -> SpaceLevel {
        let level = self.seen.level.load(Ordering::Relaxed);
        [SpaceLevel::Enough, SpaceLevel::Low, SpaceLevel::NoImages]
            .into_iter()
            .find(|known| *known as u8 == level)
            .unwrap_or(SpaceLevel::Full)
    }

    /// What was free when the disk was last looked at.
    pub fn free_bytes(&self) -> u64 {
        self.seen.free_bytes.load(Ordering::Relaxed)
    }

    /// What has happened since the last call; never waits.
    pub fn news(&mut self) -> Vec<News> {
        let mut news = Vec::new();
        loop {
            match self.news.try_recv() {
                Ok(one) => news.push(one),
                Err(TryRecvError::Empty) => return news,
                Err(TryRecvError::Disconnected) => {
                    if self.thread.take().is_some() {
                        news.push(News::Ended);
                    }
                    return news;
                }
            }
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Err(TrySendError::Disconnected(())) = self.stop.try_send(()) {
            debug!("the thread of the storage had ended");
        }
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            error!("the thread of the storage had panicked");
        }
    }
}

struct Work {
    retention: Retention,
    settings: KeeperSettings,
    seen: Arc<Seen>,
    level: SpaceLevel,
    news: SyncSender<News>,
    clock: Clock,
    last_failure: String,
    last_stuck: Vec<Stuck>,
}

impl Work {
    fn run(mut self, stopped: &Receiver<()>) {
        let mut next_space = Instant::now() + SPACE_EVERY;
        let mut next_bite = Instant::now() + BITE_PAUSE;
        loop {
            let wait = next_space
                .min(next_bite)
                .saturating_duration_since(Instant::now());
            match stopped.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
            if next_space <= Instant::now() {
                self.look();
                next_space = Instant::now() + SPACE_EVERY;
            }
            if next_bite <= Instant::now() {
                let pause = if self.bite() {
                    BITE_PAUSE
                } else {
                    RETENTION_EVERY
                };
                next_bite = Instant::now() + pause;
            }
        }
    }

    fn look(&mut self) {
        let free = match free_bytes(&places(&self.settings)) {
            Ok(free) => free,
            Err(error) => return self.failed(format!("the disk cannot be looked at: {error}")),
        };
        self.seen.free_bytes.store(free, Ordering::Relaxed);
        let level = self.settings.limits.level(self.level, free);
        if level != self.level {
            self.seen.level.store(level as u8, Ordering::Relaxed);
            let from = std::mem::replace(&mut self.level, level);
            self.tell(News::Space {
                from,
                to: level,
                free_bytes: free,
            });
        }
    }

    /// Whether there may be more to do.
    fn bite(&mut self) -> bool {
        let (now, step) = self.clock.read(Instant::now(), Timestamp::now());
        if let Some(step) = step {
            self.tell(News::ClockStepped { step });
        }
        match self.retention.bite(&self.settings.rules, now) {
            Ok(bite) => {
                self.last_failure.clear();
                for stuck in &bite.stuck {
                    let is_known = |known: &Stuck| {
                        std::mem::discriminant(known) == std::mem::discriminant(stuck)
                    };
                    if !self.last_stuck.iter().any(is_known) {
                        self.tell(News::Stuck(*stuck));
                    }
                }
                self.last_stuck.clone_from(&bite.stuck);
                let again = bite.removed_any();
                if again {
                    self.tell(News::Removed(bite));
                }
                again
            }
            Err(error) => {
                let cause = std::error::Error::source(&error);
                let cause = cause.map_or(String::new(), |cause| format!(": {cause}"));
                self.failed(format!("{error}{cause}"));
                false
            }
        }
    }

    /// The same failure again and again is said once.
    fn failed(&mut self, text: String) {
        if text != self.last_failure {
            self.last_failure.clone_from(&text);
            self.tell(News::Failed(text));
        }
    }

    fn tell(&self, news: News) {
        if let Err(TrySendError::Full(news)) = self.news.try_send(news) {
            warn!(?news, "news of the storage not told: the station is behind");
        }
    }
}

fn places(settings: &KeeperSettings) -> [&Path; 2] {
    [&settings.store, &settings.archive]
}

/// The wall clock, but never further ahead of the start than the clock that does not jump.
///
/// A clock that is set forward by mistake must not make all records too old at once.
#[derive(Debug)]
struct Clock {
    started: Instant,
    started_utc: Timestamp,
    is_told: bool,
}

impl Clock {
    fn new(started: Instant, started_utc: Timestamp) -> Self {
        Self {
            started,
            started_utc,
            is_told: false,
        }
    }

    /// The time to count ages from, and by how much the wall clock stepped, said once.
    fn read(&mut self, now: Instant, wall: Timestamp) -> (Timestamp, Option<Duration>) {
        let expected = self.started_utc + now.saturating_duration_since(self.started);
        let ahead = Duration::try_from(wall.duration_since(expected)).unwrap_or(Duration::ZERO);
        if ahead < CLOCK_STEP_MAX {
            return (wall, None);
        }
        let is_new = !std::mem::replace(&mut self.is_told, true);
        (expected, is_new.then_some(ahead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_forward_makes_nothing_older() {
        let (start, utc) = (
            Instant::now(),
            Timestamp::from_second(1_795_000_000).unwrap(),
        );
        let mut clock = Clock::new(start, utc);
        let hour = Duration::from_hours(1);
        let minute = Duration::from_mins(1);
        assert_eq!(
            clock.read(start + hour, utc + hour + minute),
            (utc + hour + minute, None)
        );
        assert_eq!(clock.read(start + hour, utc - hour), (utc - hour, None));
        let year = hour * 24 * 365;
        assert_eq!(
            clock.read(start + minute, utc + year + minute),
            (utc + minute, Some(year))
        );
        assert_eq!(
            clock.read(start + hour, utc + year + hour),
            (utc + hour, None)
        );
    }
}
