//! A USB camera that is not there: nokhwa's own `Camera` with a backend that sends recorded frames.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may panic, and says aloud what it skips"
)]

#[path = "camera/controls.rs"]
mod controls;
#[path = "camera/mjpeg.rs"]
mod mjpeg;
#[path = "camera/rtsp.rs"]
mod rtsp;
#[path = "camera/stream.rs"]
mod stream;
#[cfg(target_os = "linux")]
#[path = "camera/v4l2.rs"]
mod v4l2;
#[path = "camera/watched.rs"]
mod watched;

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use nokhwa::camera_traits::CaptureBackendTrait;
use nokhwa::utils::{
    ApiBackend, CameraControl, CameraFormat as NokhwaFormat, CameraIndex, CameraInfo,
    ControlValueSetter, FrameFormat, KnownCameraControl, Resolution,
};
use nokhwa::{Buffer, NokhwaError};
use taktgate::domain::{Frame, Name, PixelFormat, Reason, SizePx, Trigger};
use taktgate::inspect::with_causes;
use taktgate::source::{
    Camera, CameraFormat, CameraSelect, FourCc, FrameSource, SourceError, UsbControls, read_picture,
};

/// Far longer than anything here takes, so that only a fault waits for it.
const PATIENCE: Duration = Duration::from_secs(20);
/// Frames that may lie ready; more than any test sends.
const SHOTS_MAX: usize = 16;
const FORMAT: CameraFormat = CameraFormat {
    size: SizePx {
        width_px: 4,
        height_px: 2,
    },
    fourcc: FourCc::Grey,
    rate_fps: 30,
};

/// A frame that the camera sends, and how long it has lain in the driver's queue, where that is told.
struct Shot {
    bytes: Vec<u8>,
    waited: Option<Duration>,
}

/// The device: sends what comes through `shots`, hangs while nothing comes, and fails when the
/// channel is closed, as an unplugged camera does.
struct Device {
    info: CameraInfo,
    format: NokhwaFormat,
    shots: Receiver<Shot>,
    asked: SyncSender<()>,
    stream: Result<(), String>,
    controls: controls::Board,
}

impl Device {
    fn new(format: CameraFormat, shots: Receiver<Shot>, asked: SyncSender<()>) -> Self {
        let fourcc = match format.fourcc {
            FourCc::Mjpeg => FrameFormat::MJPEG,
            FourCc::Yuyv => FrameFormat::YUYV,
            FourCc::Grey => FrameFormat::GRAY,
        };
        let resolution = Resolution::new(format.size.width_px, format.size.height_px);
        Self {
            info: CameraInfo::new("recorded", "", "", CameraIndex::Index(0)),
            format: NokhwaFormat::new(resolution, fourcc, format.rate_fps),
            shots,
            asked,
            stream: Ok(()),
            controls: controls::Board::default(),
        }
    }

    fn boxed(self) -> nokhwa::Camera {
        nokhwa::Camera::with_custom(CameraIndex::Index(0), ApiBackend::Network, Box::new(self))
    }
}

fn unsupported<T>() -> Result<T, NokhwaError> {
    Err(NokhwaError::UnsupportedOperationError(ApiBackend::Network))
}

impl CaptureBackendTrait for Device {
    fn backend(&self) -> ApiBackend {
        ApiBackend::Network
    }

    fn camera_info(&self) -> &CameraInfo {
        &self.info
    }

    fn refresh_camera_format(&mut self) -> Result<(), NokhwaError> {
        Ok(())
    }

    fn camera_format(&self) -> NokhwaFormat {
        self.format
    }

    fn set_camera_format(&mut self, _: NokhwaFormat) -> Result<(), NokhwaError> {
        unsupported()
    }

    fn compatible_list_by_resolution(
        &mut self,
        _: FrameFormat,
    ) -> Result<HashMap<Resolution, Vec<u32>>, NokhwaError> {
        unsupported()
    }

    fn compatible_fourcc(&mut self) -> Result<Vec<FrameFormat>, NokhwaError> {
        Ok(vec![self.format.format()])
    }

    fn resolution(&self) -> Resolution {
        self.format.resolution()
    }

    fn set_resolution(&mut self, _: Resolution) -> Result<(), NokhwaError> {
        unsupported()
    }

    fn frame_rate(&self) -> u32 {
        self.format.frame_rate()
    }

    fn set_frame_rate(&mut self, _: u32) -> Result<(), NokhwaError> {
        unsupported()
    }

    fn frame_format(&self) -> FrameFormat {
        self.format.format()
    }

    fn set_frame_format(&mut self, _: FrameFormat) -> Result<(), NokhwaError> {
        unsupported()
    }

    fn camera_control(&self, id: KnownCameraControl) -> Result<CameraControl, NokhwaError> {
        self.controls.get(id)
    }

    fn camera_controls(&self) -> Result<Vec<CameraControl>, NokhwaError> {
        unsupported()
    }

    fn set_camera_control(
        &mut self,
        id: KnownCameraControl,
        value: ControlValueSetter,
    ) -> Result<(), NokhwaError> {
        self.controls.set(id, &value)
    }

    fn open_stream(&mut self) -> Result<(), NokhwaError> {
        self.stream.clone().map_err(NokhwaError::OpenStreamError)
    }

    fn is_stream_open(&self) -> bool {
        self.stream.is_ok()
    }

    fn frame(&mut self) -> Result<Buffer, NokhwaError> {
        // The test may have ended; then nobody listens.
        self.asked.send(()).ok();
        let gone = |_| NokhwaError::ReadFrameError("No such device (os error 19)".to_owned());
        let Shot { bytes, waited } = self.shots.recv().map_err(gone)?;
        let taken_at = waited.map(|waited| SystemTime::now() - waited);
        let since_1970 = taken_at.map(|at| at.duration_since(SystemTime::UNIX_EPOCH).unwrap());
        let (resolution, fourcc) = (self.format.resolution(), self.format.format());
        Ok(Buffer::with_timestamp(
            resolution, &bytes, fourcc, since_1970,
        ))
    }

    fn frame_raw(&mut self) -> Result<Cow<'_, [u8]>, NokhwaError> {
        unsupported()
    }

    fn stop_stream(&mut self) -> Result<(), NokhwaError> {
        Ok(())
    }
}

/// A camera with its cable in the test's hand.
struct Rig {
    camera: Camera,
    plug: SyncSender<Receiver<Shot>>,
    shots: SyncSender<Shot>,
    asked: Receiver<()>,
}

impl Rig {
    /// Running; its thread waits for the first frame.
    fn new(format: CameraFormat) -> Self {
        let (plug, plugged) = sync_channel::<Receiver<Shot>>(1);
        let (asked_out, asked) = sync_channel(1000);
        let (shots, first) = sync_channel(SHOTS_MAX);
        plug.send(first).unwrap();
        let open = move || {
            let nothing = |_| "the system shows no camera".to_owned();
            let shots = plugged.try_recv().map_err(nothing)?;
            Ok(Device::new(format, shots, asked_out.clone()).boxed())
        };
        let camera = Camera::start("cam-top", format, UsbControls::default(), open).unwrap();
        let rig = Self {
            camera,
            plug,
            shots,
            asked,
        };
        rig.is_asked();
        rig
    }

    /// Waits until the thread has put its last frame down and asks for the next.
    fn is_asked(&self) {
        self.asked.recv_timeout(PATIENCE).unwrap();
    }

    fn send(&self, bytes: &[u8]) {
        let bytes = bytes.to_vec();
        self.shots
            .send(Shot {
                bytes,
                waited: None,
            })
            .unwrap();
    }

    /// Sends a frame until one is exposed after the trigger: the third is, for the camera may expose
    /// while it still sends the one before.
    fn take(&mut self, bytes: &[u8]) -> Result<Frame, SourceError> {
        let trigger = trigger();
        for _ in 0..3 {
            self.send(bytes);
        }
        self.camera.capture(&trigger, Instant::now() + PATIENCE)
    }
}

fn trigger() -> Trigger {
    let now = Instant::now();
    Trigger {
        sequence: 1,
        part: Name::new("P").unwrap(),
        part_type: Name::new("door").unwrap(),
        lot: None,
        supplier: None,
        arrived_at: now,
        arrived_at_utc: Timestamp::now(),
        deadline: now + PATIENCE,
    }
}

/// Eight pixels of one grey level.
fn grey(level: u8) -> [u8; 8] {
    [level; 8]
}

/// A recorded frame: its file's bytes, its size, and its pixels as red, green, blue by another reader.
fn recorded(scene: &str) -> (Vec<u8>, SizePx, Vec<[u8; 3]>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("samples/{scene}/frames/01.jpg"));
    let bytes = std::fs::read(path).unwrap();
    let picture = image::load_from_memory(&bytes).unwrap().into_rgb8();
    let size = SizePx {
        width_px: picture.width(),
        height_px: picture.height(),
    };
    (bytes, size, picture.pixels().map(|pixel| pixel.0).collect())
}

/// The frame's pixels as red, green, blue.
fn rgb(frame: &Frame) -> Vec<[u8; 3]> {
    let pixels = frame.pixels();
    match frame.format() {
        PixelFormat::Gray8 => pixels.iter().map(|grey| [*grey; 3]).collect(),
        PixelFormat::Rgb8 => pixels.as_chunks().0.to_vec(),
        PixelFormat::Bgr8 => pixels
            .as_chunks()
            .0
            .iter()
            .map(|&[b, g, r]| [r, g, b])
            .collect(),
    }
}

fn assert_near(found: &[[u8; 3]], expected: &[[u8; 3]], tolerance: u8) {
    assert_eq!(found.len(), expected.len());
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let near = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= tolerance;
        assert!(
            found.iter().zip(expected).all(near),
            "pixel {at}: {found:?} for {expected:?}"
        );
    }
}

#[test]
fn recorded_motion_jpeg_arrives_as_it_was_taken() {
    for scene in ["stamping", "welding", "paint"] {
        let (bytes, size, expected) = recorded(scene);
        let mut rig = Rig::new(CameraFormat {
            size,
            fourcc: FourCc::Mjpeg,
            ..FORMAT
        });
        let frame = rig.take(&bytes).unwrap();
        assert_eq!((frame.camera.as_str(), frame.size()), ("cam-top", size));
        assert_near(&rgb(&frame), &expected, 2);
        // The same file by way of a folder gives the same frame, byte for byte.
        let path = format!("samples/{scene}/frames/01.jpg");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let picture = read_picture("cam-top", &path).unwrap();
        assert_eq!(
            (frame.format(), frame.pixels()),
            (picture.format, &*picture.pixels)
        );
    }
}

#[test]
fn recorded_yuyv_arrives_in_colour() {
    let (_, size, mut expected) = recorded("paint");
    // Two pixels share one colour; a red, a green and a blue pair stand for the rest of the gamut.
    for pair in expected.as_chunks_mut::<2>().0 {
        pair[1] = pair[0];
    }
    let colours = [[200, 30, 30], [30, 200, 30], [30, 30, 200]];
    for (pair, colour) in expected.as_chunks_mut::<2>().0.iter_mut().zip(colours) {
        *pair = [colour; 2];
    }
    let pairs = expected.as_chunks::<2>().0;
    let yuyv: Vec<u8> = pairs.iter().flat_map(|[pixel, _]| yuyv(*pixel)).collect();
    let mut rig = Rig::new(CameraFormat {
        size,
        fourcc: FourCc::Yuyv,
        ..FORMAT
    });
    let frame = rig.take(&yuyv).unwrap();
    assert_eq!((frame.size(), frame.format()), (size, PixelFormat::Bgr8));
    // 219 levels of luma stand for 256 of grey.
    assert_near(&rgb(&frame), &expected, 3);
}

/// Two pixels of this red, green and blue, by ITU-R BT.601 with its studio range.
fn yuyv(pixel: [u8; 3]) -> [u8; 4] {
    let [red, green, blue] = pixel.map(|value| f64::from(value) / 255.0);
    let luma = 0.299 * red + 0.587 * green + 0.114 * blue;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rounded, and 16 to 240 by the standard"
    )]
    let byte = |value: f64| value.round() as u8;
    let brightness = byte(16.0 + 219.0 * luma);
    let blueness = byte(128.0 + 224.0 * 0.5 * (blue - luma) / (1.0 - 0.114));
    let redness = byte(128.0 + 224.0 * 0.5 * (red - luma) / (1.0 - 0.299));
    [brightness, blueness, brightness, redness]
}

#[test]
fn recorded_grey_arrives_untouched() {
    let (_, size, pixels) = recorded("stamping");
    let bytes: Vec<u8> = pixels.iter().map(|pixel| pixel[1]).collect();
    let mut rig = Rig::new(CameraFormat { size, ..FORMAT });
    let frame = rig.take(&bytes).unwrap();
    assert_eq!((frame.size(), frame.format()), (size, PixelFormat::Gray8));
    assert_eq!(frame.pixels(), bytes);
}

#[test]
fn a_frame_from_before_the_trigger_is_never_taken() {
    let mut rig = Rig::new(FORMAT);
    rig.send(&grey(1));
    rig.is_asked();
    let trigger = trigger();
    // The second was asked for before the trigger; the third may have been exposed while the second
    // was sent.
    for level in 2..=3 {
        rig.send(&grey(level));
        rig.is_asked();
    }
    let none = rig.camera.capture(&trigger, Instant::now());
    assert!(matches!(none, Err(SourceError::Timeout { .. })));
    rig.send(&grey(4));
    let latest = Instant::now() + PATIENCE;
    let frame = rig.camera.capture(&trigger, latest).unwrap();
    assert_eq!((frame.pixels(), frame.camera_frame), (&grey(4)[..], 4));
    assert!(trigger.arrived_at <= frame.captured_at);
    // Nor is a frame taken twice.
    let again = rig.camera.capture(&trigger, Instant::now());
    assert!(matches!(again, Err(SourceError::Timeout { .. })));
}

#[test]
fn a_part_that_waited_for_its_turn_gets_its_own_frame_or_none() {
    let mut rig = Rig::new(FORMAT);
    let first = trigger();
    for level in 1..=10 {
        rig.send(&grey(level));
        rig.is_asked();
    }
    // The second frame was asked for before the trigger, so the third is the first of its own.
    let latest = Instant::now() + PATIENCE;
    let frame = rig.camera.capture(&first, latest).unwrap();
    assert_eq!((frame.pixels(), frame.camera_frame), (&grey(3)[..], 3));
    // Another part announced at the same time gets the next.
    let frame = rig.camera.capture(&first, latest).unwrap();
    assert_eq!(frame.pixels(), grey(4));
    let late = trigger();
    for level in 11..=60 {
        rig.send(&grey(level));
        rig.is_asked();
    }
    let error = rig.camera.capture(&late, latest).unwrap_err();
    assert!(
        matches!(error, SourceError::TooMany { n_kept: 32, .. }),
        "{error}"
    );
    assert_eq!(error.reason(), Reason::NoFrame);
    // The next part is not held up by that.
    let frame = rig.take(&grey(61)).unwrap();
    assert_eq!(frame.pixels(), grey(61));
}

#[test]
fn a_frame_that_waited_in_the_drivers_queue_is_as_old_as_the_driver_says() {
    let mut rig = Rig::new(FORMAT);
    let trigger = trigger();
    let waited = Some(PATIENCE);
    for level in 1..=4 {
        let bytes = grey(level).to_vec();
        rig.shots.send(Shot { bytes, waited }).unwrap();
        rig.is_asked();
    }
    let error = rig.camera.capture(&trigger, Instant::now()).unwrap_err();
    assert!(matches!(error, SourceError::Timeout { .. }), "{error}");
    let (bytes, waited) = (grey(5).to_vec(), Some(Duration::ZERO));
    rig.shots.send(Shot { bytes, waited }).unwrap();
    let latest = Instant::now() + PATIENCE;
    let frame = rig.camera.capture(&trigger, latest).unwrap();
    assert_eq!(frame.pixels(), grey(5));
}

#[test]
fn a_hung_camera_costs_the_deadline_and_nothing_else() {
    const WAIT: Duration = Duration::from_millis(40);
    let mut rig = Rig::new(FORMAT);
    let (trigger, started) = (trigger(), Instant::now());
    let error = rig.camera.capture(&trigger, started + WAIT).unwrap_err();
    let took = started.elapsed();
    assert!(WAIT <= took && took < PATIENCE, "{took:?}");
    assert_eq!(error.reason(), Reason::NoFrame);
    let SourceError::Timeout { camera, waited_ms } = error else {
        panic!("{error}")
    };
    assert_eq!(camera, "cam-top");
    assert!((39..20_000).contains(&waited_ms), "{waited_ms}");
    // It wakes up: the next part gets its frame.
    assert_eq!(rig.take(&grey(7)).unwrap().pixels(), grey(7));
}

#[test]
fn a_vanished_camera_is_told_and_comes_back() {
    let Rig {
        mut camera,
        plug,
        shots,
        asked,
    } = Rig::new(FORMAT);
    let first = trigger();
    drop(shots);
    let latest = Instant::now() + PATIENCE;
    let error = camera.capture(&first, latest).unwrap_err();
    assert_eq!(error.reason(), Reason::NoFrame);
    let text = error.to_string();
    insta::assert_snapshot!(text, @"camera `cam-top`: the system shows no camera");
    // A part whose deadline comes before the next try hears the same.
    let error = camera.capture(&trigger(), Instant::now()).unwrap_err();
    assert!(matches!(error, SourceError::Device { .. }), "{error}");

    let (shots, plugged) = sync_channel(SHOTS_MAX);
    plug.send(plugged).unwrap();
    asked.recv_timeout(PATIENCE).unwrap();
    let mut rig = Rig {
        camera,
        plug,
        shots,
        asked,
    };
    // The error from before this trigger is not this part's.
    assert_eq!(rig.take(&grey(9)).unwrap().pixels(), grey(9));
}

#[test]
fn a_frame_cut_off_on_its_way_is_unfit_and_the_next_is_not() {
    let (bytes, size, _) = recorded("stamping");
    let mut rig = Rig::new(CameraFormat {
        size,
        fourcc: FourCc::Mjpeg,
        ..FORMAT
    });
    let error = rig.take(&bytes[..bytes.len() / 2]).unwrap_err();
    assert_eq!(error.reason(), Reason::ImageUnfit);
    let text = with_causes(&error).replace(&(bytes.len() / 2).to_string(), "[BYTES]");
    insta::assert_snapshot!(text, @"camera `cam-top`: `MJPEG frame` is no usable picture: the JPEG is cut off after [BYTES] bytes; was it still being written?");
    assert_eq!(rig.take(&bytes).unwrap().size(), size);

    let mut rig = Rig::new(FORMAT);
    let error = rig.take(&grey(1)[..5]).unwrap_err();
    assert_eq!(error.reason(), Reason::ImageUnfit);
    insta::assert_snapshot!(with_causes(&error), @"camera `cam-top` said 4 x 2 with 1 bytes a pixel but gave 5 bytes");
}

#[test]
fn what_does_not_open_as_configured_is_refused_at_start() {
    let refusal = |open: fn(Device) -> Result<Device, String>| {
        let (_shots, shots) = sync_channel(1);
        let shots = std::sync::Mutex::new(Some(shots));
        let start = Camera::start("cam-top", FORMAT, UsbControls::default(), move || {
            let shots = shots.lock().unwrap().take().unwrap();
            open(Device::new(FORMAT, shots, sync_channel(1).0)).map(Device::boxed)
        });
        start.err().unwrap().to_string()
    };
    let other_size = refusal(|device| {
        let resolution = Resolution::new(640, 480);
        let format = NokhwaFormat::new(resolution, FrameFormat::GRAY, 30);
        Ok(Device { format, ..device })
    });
    insta::assert_snapshot!(other_size, @"camera `cam-top`: it has 640x480@30FPS, GRAY Format, and the configuration asks for 4 x 2 in GRAY; write what it has");
    let other_fourcc = refusal(|device| {
        let format = NokhwaFormat::new(device.format.resolution(), FrameFormat::MJPEG, 30);
        Ok(Device { format, ..device })
    });
    insta::assert_snapshot!(other_fourcc, @"camera `cam-top`: it has 4x2@30FPS, MJPEG Format, and the configuration asks for 4 x 2 in GRAY; write what it has");
    let no_stream = refusal(|device| {
        let stream = Err("Device or resource busy (os error 16)".to_owned());
        Ok(Device { stream, ..device })
    });
    insta::assert_snapshot!(no_stream, @"camera `cam-top`: its stream does not open: Could not open device stream: Device or resource busy (os error 16)");
    let in_use = refusal(|_| Err("cannot open it; is another program using it?".to_owned()));
    insta::assert_snapshot!(in_use, @"camera `cam-top`: cannot open it; is another program using it?");
}

#[test]
fn a_camera_that_is_not_there_is_told() {
    let cameras = nokhwa::query(ApiBackend::Auto).unwrap_or_default();
    if !cameras.is_empty() {
        eprintln!("skipped: this machine has cameras: {cameras:?}");
        return;
    }
    let refusal = |select: CameraSelect| {
        let opened = Camera::open("cam-top", &select, FORMAT, UsbControls::default());
        opened.err().unwrap().to_string()
    };
    insta::assert_snapshot!(refusal(CameraSelect::Index(0)), @"camera `cam-top`: the system shows no camera; plug it in, and check that this user may read /dev/video*");
    let named = refusal(CameraSelect::Name("BRIO 4K".to_owned()));
    assert_eq!(named, refusal(CameraSelect::Index(0)));
}

#[test]
fn the_thread_ends_with_the_camera() {
    let Rig {
        camera,
        plug,
        shots,
        asked,
    } = Rig::new(FORMAT);
    drop(camera);
    // The driver hung until now; with its next frame the thread sees that nobody wants one.
    shots
        .send(Shot {
            bytes: grey(0).to_vec(),
            waited: None,
        })
        .unwrap();
    let ended = asked.recv_timeout(PATIENCE);
    assert_eq!(ended, Err(RecvTimeoutError::Disconnected));
    let (_shots, plugged) = sync_channel(1);
    assert!(plug.send(plugged).is_err(), "nobody opens it again");
}
