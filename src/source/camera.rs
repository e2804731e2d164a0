//! A USB camera through nokhwa: opened by name or number, a fixed format, one frame a trigger.
//!
//! The camera runs free on a thread of its own, which keeps the newest frames; a capture takes the
//! first frame that was exposed after the trigger, however long the part had to wait for its turn: one
//! that came later may show the next part. So a picture is neither older nor newer than its part, and
//! a camera that hangs costs the part its deadline and nothing else. Only the frame that is taken is
//! decoded: the thread must be back at the driver before the next frame, or the driver's queue ages.

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use nokhwa::utils::{
    ApiBackend, CameraFormat as NokhwaFormat, CameraIndex, CameraInfo, FrameFormat,
    RequestedFormat, RequestedFormatType, Resolution,
};
use nokhwa::{Buffer, query};

use super::{FrameSource, SourceError};
use crate::domain::{Frame, PixelFormat, SizePx, Trigger};
use crate::vision::{DecodeLimits, Picture, decode, picture_from_yuyv};

/// When a camera that gave an error is opened again: an unplugged one has a new device behind it.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Frames that are kept for parts that wait for their turn, and bytes of them: at least one is.
const FRAMES_KEPT: usize = 32;
const FRAME_BYTES_KEPT: usize = 128 << 20;

/// How long a camera may take to open.
const OPEN_MAX: Duration = Duration::from_secs(10);

/// Which camera to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameraSelect {
    /// The number that the system gave it.
    Index(u32),
    /// Its name as the system shows it.
    Name(String),
}

/// How a camera sends its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FourCc {
    /// Motion JPEG.
    Mjpeg,
    /// Luminance with shared colour, 16 bits a pixel.
    Yuyv,
    /// One byte a pixel.
    Grey,
}

/// The format that the camera must have; another one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CameraFormat {
    /// Width and height.
    pub size: SizePx,
    /// How the pixels come.
    pub fourcc: FourCc,
    /// Frames a second.
    pub rate_fps: u32,
}

/// A running camera.
pub struct Camera {
    name: String,
    newest: Arc<Newest>,
    // The camera's count of the frame that the latest part got: no two parts get the same.
    given: u64,
}

#[derive(Default)]
struct Newest {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    // The oldest first.
    taken: VecDeque<Taken>,
    // The newest frame that had to make room, and when it can have begun.
    given_up: Option<(u64, Instant)>,
    stop: bool,
}

/// What the driver gave, not decoded yet; a clone shares the bytes.
#[derive(Clone)]
struct Taken {
    // The earliest moment at which its exposure can have begun.
    began_at: Instant,
    camera_frame: u64,
    buffer: Result<Buffer, String>,
}

impl State {
    fn keep(&mut self, taken: Taken) {
        // An error stays until a frame comes, and none is worth keeping beside another.
        self.taken.retain(|kept| kept.buffer.is_ok());
        self.taken.push_back(taken);
        let n_bytes = |taken: &Taken| {
            taken
                .buffer
                .as_ref()
                .map_or(0, |buffer| buffer.buffer().len())
        };
        while 1 < self.taken.len()
            && (FRAMES_KEPT < self.taken.len()
                || FRAME_BYTES_KEPT < self.taken.iter().map(n_bytes).sum())
        {
            let oldest = self.taken.pop_front();
            self.given_up = oldest.map(|oldest| (oldest.camera_frame, oldest.began_at));
        }
    }
}

impl Newest {
    // A thread that panicked leaves the last frame behind, which is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FromStr for CameraSelect {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text
            .parse()
            .map_or_else(|_| Self::Name(text.to_owned()), Self::Index))
    }
}

impl Camera {
    /// Opens the camera and starts its thread.
    ///
    /// # Errors
    /// [`SourceError::Device`] naming the cameras that are there, or what the driver said.
    pub fn open(
        name: &str,
        select: &CameraSelect,
        format: CameraFormat,
    ) -> Result<Self, SourceError> {
        let select = select.clone();
        Self::start(name, format, move || {
            let index = find(&select)?;
            let wanted = NokhwaFormat::new(
                Resolution::new(format.size.width_px, format.size.height_px),
                frame_format(format.fourcc),
                format.rate_fps,
            );
            let formats = [frame_format(format.fourcc)];
            let requested =
                RequestedFormat::with_formats(RequestedFormatType::Exact(wanted), &formats);
            nokhwa::Camera::new(index, requested).map_err(|error| {
                format!("cannot open it with {wanted}: {error}; is another program using it?")
            })
        })
    }

    /// Starts the camera's thread, which opens the device, and opens it again after each error: a
    /// nokhwa camera stays on one thread.
    ///
    /// # Errors
    /// [`SourceError::Device`] if it does not open, has another format or gives no stream.
    pub fn start(
        name: &str,
        format: CameraFormat,
        open: impl Fn() -> Result<nokhwa::Camera, String> + Send + 'static,
    ) -> Result<Self, SourceError> {
        let fault = |text| device_error(name, text);
        let newest = Arc::new(Newest::default());
        let shared = Arc::clone(&newest);
        let open = move || open().and_then(|device| streaming(device, format));
        let (opened, is_open) = sync_channel(1);
        std::thread::Builder::new()
            .name(format!("camera {name}"))
            .spawn(move || {
                let (device, outcome) = match open() {
                    Ok(device) => (Some(device), Ok(())),
                    Err(text) => (None, Err(text)),
                };
                // Nobody waits any more if opening took too long; then there is nothing to run for.
                if let (Ok(()), Some(device)) = (opened.send(outcome), device) {
                    run(device, &open, &shared);
                }
            })
            .map_err(|error| fault(format!("no thread for it: {error}")))?;
        match is_open.recv_timeout(OPEN_MAX) {
            Ok(Ok(())) => Ok(Self {
                name: name.to_owned(),
                newest,
                given: 0,
            }),
            Ok(Err(text)) => Err(fault(text)),
            Err(_) => Err(fault(format!(
                "it did not open within {} s",
                OPEN_MAX.as_secs()
            ))),
        }
    }
}

fn streaming(mut device: nokhwa::Camera, format: CameraFormat) -> Result<nokhwa::Camera, String> {
    let found = device.camera_format();
    let size = SizePx {
        width_px: found.width(),
        height_px: found.height(),
    };
    if size != format.size || found.format() != frame_format(format.fourcc) {
        return Err(format!(
            "it has {found}, and the configuration asks for {} x {} in {}; write what it has",
            format.size.width_px,
            format.size.height_px,
            frame_format(format.fourcc)
        ));
    }
    device
        .open_stream()
        .map_err(|error| format!("its stream does not open: {error}"))?;
    Ok(device)
}

impl FrameSource for Camera {
    fn capture(&mut self, trigger: &Trigger, latest: Instant) -> Result<Frame, SourceError> {
        let started = Instant::now();
        let mut state = self.newest.lock();
        let taken = loop {
            // A frame or an error from before the trigger is not the part's. An error stays: the
            // camera is lost until a frame comes.
            let is_new = |taken: &&Taken| {
                trigger.arrived_at <= taken.began_at && self.given < taken.camera_frame
            };
            let was_given_up = |(camera_frame, began_at): (u64, Instant)| {
                trigger.arrived_at <= began_at && self.given < camera_frame
            };
            if state.given_up.is_some_and(was_given_up) {
                return Err(SourceError::TooMany {
                    camera: self.name.clone(),
                    n_kept: state.taken.len(),
                });
            }
            if let Some(taken) = state.taken.iter().find(is_new) {
                break taken.clone();
            }
            let left = latest.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(match state.taken.back() {
                    Some(Taken {
                        buffer: Err(text), ..
                    }) => device_error(&self.name, text.clone()),
                    _ => SourceError::Timeout {
                        camera: self.name.clone(),
                        waited_ms: started.elapsed().as_millis(),
                    },
                });
            }
            let waited = self.newest.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        drop(state);
        let buffer = taken
            .buffer
            .map_err(|text| device_error(&self.name, text))?;
        self.given = taken.camera_frame;
        let mut frame = frame_from(&self.name, &buffer, taken.began_at)?;
        frame.camera_frame = taken.camera_frame;
        Ok(frame)
    }
}

impl Drop for Camera {
    // The thread is not joined: a hung driver must not hang the station's end.
    fn drop(&mut self) {
        self.newest.lock().stop = true;
        self.newest.changed.notify_all();
    }
}

fn run(
    device: nokhwa::Camera,
    open: &impl Fn() -> Result<nokhwa::Camera, String>,
    newest: &Newest,
) {
    let mut device = Ok(device);
    let mut camera_frame = 0;
    let mut asked_at = Instant::now();
    loop {
        let asked_before = std::mem::replace(&mut asked_at, Instant::now());
        let buffer = match &mut device {
            Ok(device) => device
                .frame()
                .map_err(|error| format!("{error}; is it still plugged in?")),
            Err(text) => Err(std::mem::take(text)),
        };
        camera_frame += 1;
        let failed = buffer.is_err();
        let mut state = newest.lock();
        state.keep(Taken {
            began_at: buffer
                .as_ref()
                .map_or(asked_at, |buffer| began_at(buffer, asked_before)),
            camera_frame,
            buffer,
        });
        newest.changed.notify_all();
        if failed && !state.stop {
            let waited = newest.changed.wait_timeout(state, RETRY_AFTER);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
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

/// The earliest moment at which the exposure can have begun. A camera exposes while it still sends
/// the frame before, so that is when that one was asked for; or the driver's own time, if it is
/// earlier because the frame had to wait in the driver's queue.
fn began_at(buffer: &Buffer, asked_before: Instant) -> Instant {
    buffer
        .capture_timestamp()
        .and_then(|since_1970| {
            let taken_at = SystemTime::UNIX_EPOCH.checked_add(since_1970)?;
            Instant::now().checked_sub(taken_at.elapsed().ok()?)
        })
        .map_or(asked_before, |taken_at| taken_at.min(asked_before))
}

fn frame_from(camera: &str, buffer: &Buffer, captured_at: Instant) -> Result<Frame, SourceError> {
    let resolution = buffer.resolution();
    let size = SizePx {
        width_px: resolution.width(),
        height_px: resolution.height(),
    };
    let bytes = buffer.buffer();
    let picture = match buffer.source_frame_format() {
        FrameFormat::GRAY => Picture {
            size,
            format: PixelFormat::Gray8,
            pixels: bytes.to_vec(),
        },
        FrameFormat::YUYV => {
            picture_from_yuyv(bytes, size).map_err(|cause| SourceError::Vision {
                camera: camera.to_owned(),
                cause,
            })?
        }
        FrameFormat::MJPEG => {
            decode(bytes, DecodeLimits::default()).map_err(|cause| SourceError::Decode {
                camera: camera.to_owned(),
                path: "MJPEG frame".into(),
                cause,
            })?
        }
        other @ (FrameFormat::NV12 | FrameFormat::RAWRGB | FrameFormat::RAWBGR) => {
            let text = format!("it sends {other}; set `fourcc` to mjpeg, yuyv or grey");
            return Err(device_error(camera, text));
        }
    };
    Ok(picture.into_frame(camera, captured_at)?)
}

fn device_error(camera: &str, text: String) -> SourceError {
    SourceError::Device {
        camera: camera.to_owned(),
        text,
    }
}

fn frame_format(fourcc: FourCc) -> FrameFormat {
    match fourcc {
        FourCc::Mjpeg => FrameFormat::MJPEG,
        FourCc::Yuyv => FrameFormat::YUYV,
        FourCc::Grey => FrameFormat::GRAY,
    }
}

fn find(select: &CameraSelect) -> Result<CameraIndex, String> {
    let found = query(ApiBackend::Auto).map_err(|error| format!("cannot list cameras: {error}"))?;
    let matches = |info: &&CameraInfo| match select {
        CameraSelect::Index(index) => *info.index() == CameraIndex::Index(*index),
        CameraSelect::Name(name) => info.human_name() == *name,
    };
    found.iter().find(matches).map(|info| info.index().clone()).ok_or_else(|| {
        let names: Vec<String> =
            found.iter().map(|info| format!("{}: `{}`", info.index(), info.human_name())).collect();
        if names.is_empty() {
            "the system shows no camera; plug it in, and check that this user may read /dev/video*".to_owned()
        } else {
            format!("it is not among the cameras that the system shows ({})", names.join(", "))
        }
    })
}
