//! A USB camera through nokhwa: opened by name or number, a fixed format, one frame a trigger.
//!
//! The camera runs free on a thread of its own (`newest.rs`). Only the frame that is taken is decoded:
//! the thread must be back at the driver before the next frame, or the driver's queue ages.

use std::str::FromStr;
use std::time::Instant;

use nokhwa::utils::{
    ApiBackend, CameraFormat as NokhwaFormat, CameraIndex, CameraInfo, FrameFormat,
    RequestedFormat, RequestedFormatType, Resolution,
};
use nokhwa::{Buffer, query};

use super::controls::UsbControls;
use super::newest::{self, Fresh, Keeper, Taker, began_at, device_error};
use super::{FoundCamera, FrameSource, SourceError};
use crate::domain::{Frame, PixelFormat, SizePx, Trigger};
use crate::vision::{DecodeLimits, Picture, decode, picture_from_yuyv};

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
    exposure_us: Option<u32>,
    taker: Taker<Buffer>,
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
        controls: UsbControls,
    ) -> Result<Self, SourceError> {
        let select = select.clone();
        Self::start(name, format, controls, move || {
            let index = find(&select)?;
            #[cfg(target_os = "linux")]
            if format.fourcc == FourCc::Grey {
                return super::grey::open(&index, format);
            }
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
    /// [`SourceError::Device`] if it does not open, has another format, takes another value than a
    /// control is set to, or gives no stream.
    pub fn start(
        name: &str,
        format: CameraFormat,
        controls: UsbControls,
        open: impl Fn() -> Result<nokhwa::Camera, String> + Send + 'static,
    ) -> Result<Self, SourceError> {
        let open = move || open().and_then(|device| streaming(device, format, controls));
        let mut asked_at = Instant::now();
        let next = move |device: &mut nokhwa::Camera, _: &Keeper<Buffer>| {
            let asked_before = std::mem::replace(&mut asked_at, Instant::now());
            let buffer = device
                .frame()
                .map_err(|error| format!("{error}; is it still plugged in?"))?;
            Ok(Some(Fresh {
                began_at: began_at(buffer.capture_timestamp(), asked_before),
                n_bytes: buffer.buffer().len(),
                request: None,
                camera_frame: None,
                content: buffer,
            }))
        };
        Ok(Self {
            name: name.to_owned(),
            exposure_us: controls.exposure_us,
            taker: newest::start(name, open, next)?,
        })
    }
}

fn streaming(
    mut device: nokhwa::Camera,
    format: CameraFormat,
    controls: UsbControls,
) -> Result<nokhwa::Camera, String> {
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
    controls.set(&mut device)?;
    device
        .open_stream()
        .map_err(|error| format!("its stream does not open: {error}"))?;
    Ok(device)
}

impl FrameSource for Camera {
    fn capture(&mut self, trigger: &Trigger, latest: Instant) -> Result<Frame, SourceError> {
        let taken = self.taker.take(trigger.arrived_at, latest)?;
        let mut frame = frame_from(&self.name, &taken.content, taken.began_at)?;
        frame.camera_frame = taken.camera_frame;
        frame.exposure_us = self.exposure_us;
        Ok(frame)
    }
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

/// The USB cameras that the system shows.
///
/// # Errors
/// [`SourceError::Device`] if it cannot be asked.
pub fn usb_cameras() -> Result<Vec<FoundCamera>, SourceError> {
    let found = query(ApiBackend::Auto)
        .map_err(|error| device_error("usb", format!("cannot list cameras: {error}")))?;
    let found = found.iter().map(|info| FoundCamera {
        kind: "usb",
        id: info.index().to_string(),
        name: info.human_name(),
        place: info.description().to_owned(),
    });
    Ok(found.collect())
}
