//! A camera on a thread of its own: it opens the device, keeps the newest frames and opens the device
//! again after a fault; and which of those frames is a part's.
//!
//! A part gets the first frame that was exposed after its trigger, however long it had to wait for its
//! turn: one that came later may show the next part. Where the camera takes a frame for each request,
//! a part gets the frame of its own request and no other.

use std::collections::VecDeque;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use super::SourceError;
use super::matching::{Arrival, Match, Matching};

/// When a camera that gave an error is opened again: an unplugged one has a new device behind it.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Frames that are kept for parts that wait for their turn, and bytes of them: at least one is.
const FRAMES_KEPT: usize = 32;
const FRAME_BYTES_KEPT: usize = 128 << 20;

/// How long a camera may take to open.
const OPEN_MAX: Duration = Duration::from_secs(10);

/// How long a camera may take to close before its thread is left alone.
const CLOSE_MAX: Duration = Duration::from_millis(300);

/// What a device gave: a frame as it came, not decoded; a clone shares the bytes.
#[derive(Clone)]
pub(super) struct Fresh<T> {
    /// The earliest moment at which its exposure can have begun.
    pub(super) began_at: Instant,
    pub(super) n_bytes: usize,
    /// The request that it answers; none for a camera that takes frames by itself.
    pub(super) request: Option<u64>,
    /// The camera's own count, where it has one.
    pub(super) camera_frame: Option<u64>,
    pub(super) content: T,
}

/// A frame that was kept.
#[derive(Clone)]
pub(super) struct Taken<T> {
    pub(super) began_at: Instant,
    /// The camera's own count, or that of its thread.
    pub(super) camera_frame: u64,
    pub(super) content: T,
    /// Frames that were lost since the camera was opened first.
    n_lost: u64,
}

/// The thread's end.
pub(super) struct Keeper<T>(Arc<Shared<T>>);

/// The station's end; the thread ends with it.
pub(super) struct Taker<T> {
    camera: String,
    shared: Arc<Shared<T>>,
    // The thread's count of the frame that the latest part got: no two parts get the same.
    given: u64,
    n_lost_told: u64,
    thread: JoinHandle<()>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    // The oldest first.
    kept: VecDeque<Kept<T>>,
    // The newest frame that had to make room: its count, and when it can have begun.
    given_up: Option<(u64, Instant)>,
    n_counted: u64,
    n_lost: u64,
    n_requests: u64,
    wanted: Option<(u64, Instant)>,
    stop: bool,
}

struct Kept<T> {
    count: u64,
    began_at: Instant,
    came_at: Instant,
    // What the device gave, or what the driver said instead.
    fresh: Result<Fresh<T>, String>,
    n_lost: u64,
}

impl<T> Default for State<T> {
    fn default() -> Self {
        Self {
            kept: VecDeque::new(),
            given_up: None,
            n_counted: 0,
            n_lost: 0,
            n_requests: 0,
            wanted: None,
            stop: false,
        }
    }
}

impl<T> State<T> {
    // An error counts from when the frame was asked for: one from before a trigger is not its part's.
    fn keep(&mut self, fresh: Result<Fresh<T>, String>, asked_at: Instant) {
        // An error stays until a frame comes, and none is worth keeping beside another.
        self.kept.retain(|kept| kept.fresh.is_ok());
        self.n_counted += 1;
        self.kept.push_back(Kept {
            count: self.n_counted,
            began_at: fresh.as_ref().map_or(asked_at, |fresh| fresh.began_at),
            came_at: Instant::now(),
            fresh,
            n_lost: self.n_lost,
        });
        let n_bytes = |kept: &Kept<T>| kept.fresh.as_ref().map_or(0, |fresh| fresh.n_bytes);
        while 1 < self.kept.len()
            && (FRAMES_KEPT < self.kept.len()
                || FRAME_BYTES_KEPT < self.kept.iter().map(n_bytes).sum())
        {
            let oldest = self.kept.pop_front();
            self.given_up = oldest.map(|oldest| (oldest.count, oldest.began_at));
        }
    }
}

impl<T> State<T> {
    /// Why a part has no frame: what the driver said last, or that nothing came.
    fn none(&self, camera: &str, started: Instant) -> SourceError {
        let text = self.kept.back().and_then(|kept| kept.fresh.as_ref().err());
        match text {
            Some(text) => device_error(camera, text.clone()),
            None => SourceError::Timeout {
                camera: camera.to_owned(),
                waited_ms: started.elapsed().as_millis(),
            },
        }
    }
}

impl<T> Kept<T> {
    fn came(&self) -> Option<Arrival> {
        let fresh = self.fresh.as_ref().ok()?;
        Some(Arrival {
            count: self.count,
            number: fresh.camera_frame.unwrap_or(self.count),
            began_at: self.began_at,
            came_at: self.came_at,
        })
    }
}

impl<T: Clone> Kept<T> {
    fn taken(&self) -> Result<Taken<T>, String> {
        let fresh = self.fresh.as_ref().map_err(String::clone)?;
        Ok(Taken {
            began_at: self.began_at,
            camera_frame: fresh.camera_frame.unwrap_or(self.count),
            content: fresh.content.clone(),
            n_lost: self.n_lost,
        })
    }
}

impl<T> Shared<T> {
    // A thread that panicked leaves the last frame behind, which is still whole.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State<T>>,
        at_most: Duration,
    ) -> MutexGuard<'a, State<T>> {
        let waited = self.changed.wait_timeout(state, at_most);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Starts the thread of a camera: `open` makes the device, `next` blocks for its next frame, or
/// returns none now and then so that the thread sees when it is to end. After an error of either the
/// device is let go and opened again.
///
/// # Errors
/// [`SourceError::Device`] with what `open` said, or if it took too long.
pub(super) fn start<D, T>(
    camera: &str,
    open: impl Fn() -> Result<D, String> + Send + 'static,
    next: impl FnMut(&mut D, &Keeper<T>) -> Result<Option<Fresh<T>>, String> + Send + 'static,
) -> Result<Taker<T>, SourceError>
where
    D: 'static,
    T: Send + 'static,
{
    let fault = |text| device_error(camera, text);
    let shared = Arc::new(Shared {
        state: Mutex::new(State::default()),
        changed: Condvar::new(),
    });
    let keeper = Keeper(Arc::clone(&shared));
    let (opened, is_open) = sync_channel(1);
    let thread = std::thread::Builder::new()
        .name(format!("camera {camera}"))
        .spawn(move || {
            let (device, outcome) = match open() {
                Ok(device) => (Some(device), Ok(())),
                Err(text) => (None, Err(text)),
            };
            // Nobody waits any more if opening took too long; then there is nothing to run for.
            if let (Ok(()), Some(device)) = (opened.send(outcome), device) {
                run(device, &open, next, &keeper);
            }
        })
        .map_err(|error| fault(format!("no thread for it: {error}")))?;
    match is_open.recv_timeout(OPEN_MAX) {
        Ok(Ok(())) => Ok(Taker {
            camera: camera.to_owned(),
            shared,
            given: 0,
            n_lost_told: 0,
            thread,
        }),
        Ok(Err(text)) => Err(fault(text)),
        Err(_) => Err(fault(format!(
            "it did not open within {} s",
            OPEN_MAX.as_secs()
        ))),
    }
}

fn run<D, T>(
    device: D,
    open: &impl Fn() -> Result<D, String>,
    mut next: impl FnMut(&mut D, &Keeper<T>) -> Result<Option<Fresh<T>>, String>,
    keeper: &Keeper<T>,
) {
    let shared = &keeper.0;
    let mut device = Ok(device);
    loop {
        let asked_at = Instant::now();
        let fresh = match &mut device {
            Ok(device) => next(device, keeper).transpose(),
            Err(text) => Some(Err(std::mem::take(text))),
        };
        let failed = matches!(fresh, Some(Err(_)));
        let mut state = shared.lock();
        if let Some(fresh) = fresh {
            state.keep(fresh, asked_at);
            shared.changed.notify_all();
        }
        if failed && !state.stop {
            state = shared.wait(state, RETRY_AFTER);
        }
        if state.stop {
            return;
        }
        drop(state);
        if failed {
            // The one that failed goes first: a device has one stream.
            drop(std::mem::replace(&mut device, Err(String::new())));
            device = open();
        }
    }
}

impl<T> Keeper<T> {
    /// Counts frames that the camera took and that never came whole.
    pub(super) fn lost(&self, n_frames: u64) {
        self.0.lock().n_lost += n_frames;
    }

    /// Says why the frame that was asked for does not come, without letting go of the device.
    pub(super) fn fault(&self, text: String) {
        let mut state = self.0.lock();
        state.keep(Err(text), Instant::now());
        self.0.changed.notify_all();
    }

    /// Waits for so long, or until the thread is to end: then true.
    pub(super) fn ends_within(&self, at_most: Duration) -> bool {
        let mut state = self.0.lock();
        if !state.stop {
            state = self.0.wait(state, at_most);
        }
        state.stop
    }

    /// Waits for a request of a part: its number, and how long the part can wait.
    pub(super) fn request(&self, at_most: Duration) -> Option<(u64, Instant)> {
        let mut state = self.0.lock();
        if state.wanted.is_none() && !state.stop {
            state = self.0.wait(state, at_most);
        }
        state.wanted.take()
    }
}

impl<T: Clone> Taker<T> {
    /// Waits until `latest` for the first frame that was exposed after `since`.
    ///
    /// # Errors
    /// [`SourceError`] if none comes, or if it came and had to make room.
    pub(super) fn take(
        &mut self,
        since: Instant,
        latest: Instant,
    ) -> Result<Taken<T>, SourceError> {
        let given = self.given;
        self.wait_for(latest, |kept| since <= kept.began_at && given < kept.count)
    }

    /// Has a frame taken now, and waits for it until `latest`.
    ///
    /// # Errors
    /// [`SourceError`] if it does not come.
    pub(super) fn request(&mut self, latest: Instant) -> Result<Taken<T>, SourceError> {
        let mut state = self.shared.lock();
        state.n_requests += 1;
        let request = state.n_requests;
        let n_before = state.n_counted;
        state.wanted = Some((request, latest));
        self.shared.changed.notify_all();
        drop(state);
        let taken = self.wait_for(latest, |kept| match &kept.fresh {
            Ok(fresh) => fresh.request == Some(request),
            Err(_) => n_before < kept.count,
        });
        // A part that has given up wants no frame any more.
        self.shared.lock().wanted = None;
        taken
    }

    fn wait_for(
        &mut self,
        latest: Instant,
        is_it: impl Fn(&Kept<T>) -> bool,
    ) -> Result<Taken<T>, SourceError> {
        let started = Instant::now();
        let mut state = self.shared.lock();
        loop {
            let made_room = |(count, began_at)| {
                is_it(&Kept {
                    count,
                    began_at,
                    came_at: began_at,
                    fresh: Err(String::new()),
                    n_lost: 0,
                })
            };
            if state.given_up.is_some_and(made_room) {
                return Err(SourceError::TooMany {
                    camera: self.camera.clone(),
                    n_kept: state.kept.len(),
                });
            }
            if let Some(kept) = state.kept.iter().find(|kept| is_it(kept)) {
                let taken = kept.taken();
                self.given = kept.count;
                return taken.map_err(|text| device_error(&self.camera, text));
            }
            let left = latest.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(state.none(&self.camera, started));
            }
            state = self.shared.wait(state, left);
        }
    }

    /// Waits until `latest` for the frame of the part that was announced at `part_at`.
    ///
    /// # Errors
    /// [`SourceError`] if none comes, or if it cannot be told which it is.
    pub(super) fn take_matched(
        &mut self,
        matching: &mut Matching,
        part_at: Instant,
        latest: Instant,
    ) -> Result<Taken<T>, SourceError> {
        let started = Instant::now();
        let mut state = self.shared.lock();
        loop {
            let came: Vec<Arrival> = state.kept.iter().filter_map(Kept::came).collect();
            let now = Instant::now();
            let until = match matching.of_part(part_at, &came, (now, latest)) {
                Match::Wait(until) if now < latest => until.min(latest),
                Match::Wait(_) | Match::None => return Err(state.none(&self.camera, started)),
                Match::Doubt(text) => {
                    return Err(SourceError::Unmatched {
                        camera: self.camera.clone(),
                        text,
                    });
                }
                Match::Frame(count) => {
                    let mut kept = state.kept.iter();
                    let taken = kept.find(|kept| kept.count == count).map(Kept::taken);
                    let taken = taken.unwrap_or_else(|| Err("its frame is gone".to_owned()));
                    return taken.map_err(|text| device_error(&self.camera, text));
                }
            };
            let left = until.saturating_duration_since(now);
            state = self.shared.wait(state, left);
        }
    }

    /// Frames that were lost since the last time that this was asked, up to this frame.
    pub(super) fn lost_before(&mut self, taken: &Taken<T>) -> u64 {
        let n_lost = taken.n_lost.saturating_sub(self.n_lost_told);
        self.n_lost_told = taken.n_lost;
        n_lost
    }
}

impl<T> Drop for Taker<T> {
    // A camera that is let go can be opened again at once. A hung driver does not hang the station's end.
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
        let until = Instant::now() + CLOSE_MAX;
        while !self.thread.is_finished() && Instant::now() < until {
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
}

/// The earliest moment at which the exposure of a free-running camera can have begun. It exposes while
/// it still sends the frame before, so that is when that one was asked for; or the driver's own time,
/// if it is earlier because the frame had to wait in a queue.
pub(super) fn began_at(since_1970: Option<Duration>, asked_before: Instant) -> Instant {
    since_1970
        .and_then(instant_of)
        .map_or(asked_before, |taken_at| taken_at.min(asked_before))
}

/// The moment of a wall clock's time; none if it lies ahead.
pub(super) fn instant_of(since_1970: Duration) -> Option<Instant> {
    let taken_at = SystemTime::UNIX_EPOCH.checked_add(since_1970)?;
    Instant::now().checked_sub(taken_at.elapsed().ok()?)
}

pub(super) fn device_error(camera: &str, text: String) -> SourceError {
    SourceError::Device {
        camera: camera.to_owned(),
        text,
    }
}
