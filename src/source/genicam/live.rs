//! A GenICam camera through Aravis: set, read back, streaming, triggered, opened again when it is lost.
//!
//! With a software trigger a part gets the frame of its own trigger or none: what came before the
//! trigger is thrown away, a frame that is older by the camera's own clock too, and after a trigger
//! without a whole frame the acquisition begins anew on another port, so that nothing late arrives.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aravis::glib::object::Cast;
use aravis::prelude::*;
use aravis::{Aravis, Buffer, BufferStatus, ChunkParser, GvDevice, Stream};

use super::order::{Order, Seen};
use super::{GenicamPixels, GenicamSettings, GenicamTrigger};
use crate::domain::{Frame, PixelFormat, SizePx, Trigger};
use crate::source::matching::Matching;
use crate::source::newest::{self, Fresh, Keeper, Taken, Taker, began_at, instant_of};
use crate::source::{Announced, FoundCamera, FrameSource, SourceError};
use crate::vision::{Mosaic, Picture, picture_from_mosaic};

mod settings;

use settings::apply;

/// How often an idle camera is asked whether it is still ours.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A camera belongs to whoever held it last until it has missed his heartbeat (usually 3 s).
const HELD_MAX: Duration = Duration::from_secs(6);

/// A trigger whose acknowledgement took longer may have been sent twice (Aravis repeats after 500 ms).
const REPEATED_AFTER: Duration = Duration::from_millis(400);

/// After its start a camera must be quiet for so long before it is triggered.
const QUIET: Duration = Duration::from_millis(30);

/// How often a camera that is not quiet is waited for.
const NOISES_MAX: usize = 100;

/// A running GenICam camera.
pub struct Genicam {
    name: String,
    pixel_format: GenicamPixels,
    belongs: Belongs,
    taker: Taker<Raw>,
}

/// Which frame is a part's.
enum Belongs {
    /// That of the part's own trigger.
    OwnTrigger,
    /// The first that began after the part's announcement.
    FirstAfter,
    /// That of the window around it.
    InWindow(Matching),
}

/// A frame as it came.
#[derive(Clone)]
struct Raw {
    size: SizePx,
    bytes: std::sync::Arc<Vec<u8>>,
    exposure_us: Option<u32>,
}

struct Device {
    settings: GenicamSettings,
    camera: aravis::Camera,
    chunks: Option<ChunkParser>,
    exposure_us: Option<u32>,
    // None only while it is made anew.
    stream: Option<Stream>,
    order: Order,
    // When the latest two frames arrived, the newer one first.
    arrived: [Instant; 2],
}

impl Genicam {
    /// Opens the camera, sets it and starts its thread. A camera that a line's signal triggers gives each
    /// of the `announced` parts the frame of its window; where nobody announces parts, the first
    /// frame that comes.
    ///
    /// # Errors
    /// [`SourceError::Device`] if it is not there, does not take a setting or gives no stream.
    pub fn open(
        name: &str,
        settings: GenicamSettings,
        announced: Option<&Announced>,
    ) -> Result<Self, SourceError> {
        let belongs = match (&settings.trigger, announced) {
            (GenicamTrigger::Software, _) => Belongs::OwnTrigger,
            (GenicamTrigger::Hardware { window, .. }, Some(announced)) => {
                let (timeout, announced) = (settings.frame_timeout, announced.clone());
                Belongs::InWindow(Matching::new(*window, timeout, announced))
            }
            (GenicamTrigger::FreeRun | GenicamTrigger::Hardware { .. }, _) => Belongs::FirstAfter,
        };
        let pixel_format = settings.pixel_format;
        let is_software_triggered = settings.trigger == GenicamTrigger::Software;
        let open = move || Device::open(settings.clone());
        let next = move |device: &mut Device, keeper: &Keeper<Raw>| {
            if is_software_triggered {
                device.answer(keeper)
            } else {
                device.next(keeper)
            }
        };
        Ok(Self {
            name: name.to_owned(),
            pixel_format,
            belongs,
            taker: newest::start(name, open, next)?,
        })
    }

    fn frame(&mut self, taken: &Taken<Raw>) -> Result<Frame, SourceError> {
        let Raw {
            size,
            bytes,
            exposure_us,
        } = &taken.content;
        let mosaic = |mosaic| picture_from_mosaic(bytes, *size, mosaic);
        let plain = |format| {
            Ok(Picture {
                size: *size,
                format,
                pixels: bytes.to_vec(),
            })
        };
        let picture = match self.pixel_format {
            GenicamPixels::Mono8 => plain(PixelFormat::Gray8),
            GenicamPixels::Bgr8 => plain(PixelFormat::Bgr8),
            GenicamPixels::Rgb8 => plain(PixelFormat::Rgb8),
            GenicamPixels::BayerBg8 => mosaic(Mosaic::BlueGreen),
            GenicamPixels::BayerGb8 => mosaic(Mosaic::GreenBlue),
            GenicamPixels::BayerGr8 => mosaic(Mosaic::GreenRed),
            GenicamPixels::BayerRg8 => mosaic(Mosaic::RedGreen),
        };
        let picture = picture.map_err(|cause| SourceError::Vision {
            camera: self.name.clone(),
            cause,
        })?;
        let mut frame = picture.into_frame(&self.name, taken.began_at)?;
        frame.camera_frame = taken.camera_frame;
        frame.exposure_us = *exposure_us;
        frame.frames_lost = self.taker.lost_before(taken);
        Ok(frame)
    }
}

impl FrameSource for Genicam {
    fn capture(&mut self, trigger: &Trigger, latest: Instant) -> Result<Frame, SourceError> {
        let (taker, part_at) = (&mut self.taker, trigger.arrived_at);
        let taken = match &mut self.belongs {
            Belongs::OwnTrigger => taker.request(latest),
            Belongs::FirstAfter => taker.take(part_at, latest),
            Belongs::InWindow(matching) => taker.take_matched(matching, part_at, latest),
        }?;
        self.frame(&taken)
    }
}

impl Device {
    fn open(settings: GenicamSettings) -> Result<Self, String> {
        let camera = own(&settings.device)?;
        let chunks = apply(&camera, &settings)?;
        let has_exposure = camera.is_exposure_time_available().unwrap_or(false);
        let exposure_us = has_exposure
            .then(|| camera.exposure_time().ok().and_then(whole_us))
            .flatten();
        let now = Instant::now();
        let mut device = Self {
            settings,
            camera,
            chunks,
            exposure_us,
            stream: None,
            order: Order::default(),
            arrived: [now; 2],
        };
        device.start()?;
        Ok(device)
    }

    /// Begins an acquisition on a stream of its own: what an earlier one still sends, nobody hears.
    fn start(&mut self) -> Result<(), String> {
        let failed = |what: &str, error| format!("{what}: {error}");
        self.stream = None;
        self.order = Order::default();
        let stream = self
            .camera
            .create_stream()
            .map_err(|error| failed("its stream cannot be made", error))?;
        let payload = self
            .camera
            .payload()
            .map_err(|error| failed("it does not say how large its frames are", error))?;
        for _ in 0..self.settings.buffers {
            stream.push_buffer(Buffer::new_allocate(payload as usize));
        }
        self.camera
            .start_acquisition()
            .map_err(|error| failed("it does not start", error))?;
        if self.settings.trigger == GenicamTrigger::Software {
            for _ in 0..NOISES_MAX {
                let Some(noise) = stream.timeout_pop_buffer(micros(QUIET)) else {
                    break;
                };
                stream.push_buffer(noise);
            }
        }
        self.stream = Some(stream);
        Ok(())
    }

    fn restart(&mut self) -> Result<(), String> {
        still_ours(&self.camera)?;
        self.camera
            .stop_acquisition()
            .map_err(|error| format!("it does not stop: {error}"))?;
        self.start()
    }

    fn pop(&self, at_most: Duration) -> Option<Buffer> {
        self.stream.as_ref()?.timeout_pop_buffer(micros(at_most))
    }

    fn give_back(&self, buffer: Buffer) {
        if let Some(stream) = &self.stream {
            stream.push_buffer(buffer);
        }
    }

    /// The next frame of a camera that runs free or is triggered by a line.
    fn next(&mut self, keeper: &Keeper<Raw>) -> Result<Option<Fresh<Raw>>, String> {
        let Some(buffer) = self.pop(LOOK_EVERY) else {
            still_ours(&self.camera)?;
            let [latest, _] = self.arrived;
            let is_free = self.settings.trigger == GenicamTrigger::FreeRun;
            if is_free && self.settings.frame_timeout < latest.elapsed() {
                let waited_ms = latest.elapsed().as_millis();
                return Err(format!("it runs free and sent no frame for {waited_ms} ms"));
            }
            return Ok(None);
        };
        let now = Instant::now();
        let [before, before_that] = self.arrived;
        self.arrived = [now, before];
        let leader = Duration::from_nanos(buffer.system_timestamp());
        let began = match self.settings.trigger {
            GenicamTrigger::FreeRun => began_at(Some(leader), before_that),
            GenicamTrigger::Software | GenicamTrigger::Hardware { .. } => {
                let exposure = self.exposure_us.unwrap_or(0);
                let sent_at = instant_of(leader).unwrap_or(now).min(now);
                sent_at
                    .checked_sub(Duration::from_micros(exposure.into()))
                    .unwrap_or(sent_at)
            }
        };
        let raw = self.raw(&buffer);
        let seen = seen(&buffer, now);
        self.give_back(buffer);
        // One that did not come whole leaves a gap, which the next one counts.
        let Ok(raw) = raw else {
            return Ok(None);
        };
        keeper.lost(self.order.missing_before(seen.frame_id));
        self.order.accept(seen);
        Ok(Some(fresh(raw, &seen, began, None)))
    }

    /// Waits for a part, triggers the camera and takes the frame of that trigger.
    fn answer(&mut self, keeper: &Keeper<Raw>) -> Result<Option<Fresh<Raw>>, String> {
        let Some((request, latest)) = keeper.request(LOOK_EVERY) else {
            still_ours(&self.camera)?;
            return Ok(None);
        };
        // A camera that sends what nobody has triggered begins anew before it is trusted.
        if let Some(stale) = self.pop(Duration::ZERO) {
            self.give_back(stale);
            keeper.lost(1);
            self.restart()?;
        }
        let fired_at = Instant::now();
        self.camera
            .software_trigger()
            .map_err(|error| format!("it does not take its software trigger: {error}"))?;
        let took = fired_at.elapsed();
        let outcome = if REPEATED_AFTER <= took {
            Err(format!(
                "it took {} ms for its software trigger, which may have been sent twice; is the network overloaded?",
                took.as_millis()
            ))
        } else {
            self.frame_of(fired_at, latest, keeper)
        };
        match outcome {
            Ok((raw, seen)) => Ok(Some(fresh(raw, &seen, fired_at, Some(request)))),
            Err(text) => {
                keeper.lost(1);
                keeper.fault(text);
                self.restart()?;
                Ok(None)
            }
        }
    }

    fn frame_of(
        &mut self,
        fired_at: Instant,
        latest: Instant,
        keeper: &Keeper<Raw>,
    ) -> Result<(Raw, Seen), String> {
        let until = latest.min(fired_at + self.settings.frame_timeout);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Some(buffer) = self.pop(left) else {
                return Err(format!(
                    "no frame came within {} ms of its software trigger",
                    fired_at.elapsed().as_millis()
                ));
            };
            let seen = seen(&buffer, Instant::now());
            let raw = self.raw(&buffer);
            self.give_back(buffer);
            if self.order.is_older_than_trigger(&seen, fired_at) {
                keeper.lost(1);
                continue;
            }
            let raw = raw?;
            let n_missing = self.order.missing_before(seen.frame_id);
            if 0 < n_missing && seen.camera_ns == 0 {
                return Err(format!(
                    "frame {} came where an earlier one was due, and the camera has no clock to tell whose it is",
                    seen.frame_id
                ));
            }
            keeper.lost(n_missing);
            self.order.accept(seen);
            return Ok((raw, seen));
        }
    }

    fn raw(&self, buffer: &Buffer) -> Result<Raw, String> {
        let status = buffer.status();
        if status != BufferStatus::Success {
            return Err(format!(
                "its frame did not come whole ({status:?}); are network card, packet size and cable good for its rate?"
            ));
        }
        let (padding, _) = buffer.image_padding();
        if padding != 0 {
            return Err(format!(
                "its rows end with {padding} bytes of padding; choose a width that is a multiple of 4 px"
            ));
        }
        let exposure_us = match &self.chunks {
            None => self.exposure_us,
            Some(chunks) => {
                let told = chunks.float_value(buffer, "ChunkExposureTime");
                let failed = |error| format!("its frame does not say its exposure: {error}");
                whole_us(told.map_err(failed)?)
            }
        };
        Ok(Raw {
            size: SizePx {
                width_px: buffer.image_width().unsigned_abs(),
                height_px: buffer.image_height().unsigned_abs(),
            },
            bytes: std::sync::Arc::new(buffer.image_data()),
            exposure_us,
        })
    }
}

/// Opens a camera and waits until it is ours: a program that was killed still holds it for a while.
fn own(id: &str) -> Result<aravis::Camera, String> {
    let until = Instant::now() + HELD_MAX;
    loop {
        let camera = aravis::Camera::new(Some(id)).map_err(|error| {
            format!("`{id}` does not open: {error}; `taktgate camera list` shows the cameras that answer")
        })?;
        let owned = still_ours(&camera);
        if owned.is_ok() || until <= Instant::now() {
            return owned.map(|()| camera);
        }
        drop(camera);
        std::thread::park_timeout(LOOK_EVERY);
    }
}

fn still_ours(camera: &aravis::Camera) -> Result<(), String> {
    let device = camera.device();
    let gige = device.and_then(|device| device.downcast::<GvDevice>().ok());
    if gige.is_some_and(|gige| !gige.is_controller()) {
        return Err(
            "it does not answer any more, or another program holds it; is its cable plugged in?"
                .to_owned(),
        );
    }
    Ok(())
}

fn seen(buffer: &Buffer, arrived_at: Instant) -> Seen {
    Seen {
        frame_id: buffer.frame_id(),
        camera_ns: buffer.timestamp(),
        arrived_at,
    }
}

fn fresh(raw: Raw, seen: &Seen, began_at: Instant, request: Option<u64>) -> Fresh<Raw> {
    Fresh {
        began_at,
        n_bytes: raw.bytes.len(),
        request,
        camera_frame: Some(seen.frame_id),
        content: raw,
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounded, and checked to be in range"
)]
fn whole_us(us: f64) -> Option<u32> {
    let us = us.round();
    (0.0..=f64::from(u32::MAX))
        .contains(&us)
        .then_some(us as u32)
}

/// The cameras that answer on the networks and buses of this machine; asking takes a second.
pub fn genicam_cameras() -> Vec<FoundCamera> {
    // Aravis hands the right to list out once a process.
    static ARAVIS: LazyLock<Option<Mutex<Aravis>>> =
        LazyLock::new(|| Aravis::initialize().ok().map(Mutex::new));
    let Some(aravis) = &*ARAVIS else {
        return Vec::new();
    };
    let aravis = aravis.lock().unwrap_or_else(PoisonError::into_inner);
    let text = |text: &std::ffi::CString| text.to_string_lossy().into_owned();
    let found = aravis.get_device_list().into_iter();
    found
        .map(|info| FoundCamera {
            kind: "genicam",
            id: text(&info.id),
            name: format!("{} {}", text(&info.vendor), text(&info.model)),
            place: format!("{} at {}", text(&info.protocol), text(&info.address)),
        })
        .collect()
}
