//! Industrial cameras by the GenICam standards (GigE Vision, USB3 Vision): what they are set to. The
//! camera itself is in `genicam/live.rs`, through Aravis, and only in a build with the feature `genicam`.

use std::time::Duration;

use super::FrameWindow;
use crate::domain::SizePx;

#[cfg(not(feature = "genicam"))]
mod absent;
#[cfg(feature = "genicam")]
mod live;
#[cfg(feature = "genicam")]
mod order;

#[cfg(not(feature = "genicam"))]
pub use absent::{Genicam, genicam_cameras};
#[cfg(feature = "genicam")]
pub use live::{Genicam, genicam_cameras};

/// What a camera is set to; what is `None` stays as the camera has it.
#[derive(Debug, Clone, PartialEq)]
pub struct GenicamSettings {
    /// Its id as `taktgate camera list` shows it, its user-defined name or its address.
    pub device: String,
    /// Width and height of the frames.
    pub size: SizePx,
    /// Where they begin on the sensor: column and row.
    pub offset_px: (u32, u32),
    /// How the pixels come.
    pub pixel_format: GenicamPixels,
    /// Exposure time.
    pub exposure_us: Option<f64>,
    /// Gain, in the camera's own unit.
    pub gain: Option<f64>,
    /// Bytes of a packet, for GigE Vision; otherwise the largest that the network carries.
    pub packet_size_bytes: Option<u32>,
    /// Frames that may lie ready between the network and us.
    pub buffers: u32,
    /// What makes it take a frame.
    pub trigger: GenicamTrigger,
    /// How long a frame may take from its trigger, or from the one before.
    pub frame_timeout: Duration,
    /// Whether each frame is to say its own exposure time.
    pub chunks: bool,
}

/// How the pixels come, with the names of the Pixel Format Naming Convention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GenicamPixels {
    /// One byte a pixel.
    Mono8,
    /// Three bytes: blue, green, red.
    Bgr8,
    /// Three bytes: red, green, blue.
    Rgb8,
    /// A mosaic that begins with blue.
    BayerBg8,
    /// A mosaic that begins with green beside blue.
    BayerGb8,
    /// A mosaic that begins with green beside red.
    BayerGr8,
    /// A mosaic that begins with red.
    BayerRg8,
}

/// What makes a camera take a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GenicamTrigger {
    /// Nothing: it takes them as fast as it is set to; a part gets the first that began after its trigger.
    FreeRun,
    /// We do, one for each part; a part gets the frame of its own trigger.
    Software,
    /// A signal on one of its lines, on the rising or the falling edge.
    Hardware {
        /// The line's name, for example `Line0`.
        line: String,
        /// Whether the signal falls.
        falling: bool,
        /// When the frame of a part begins.
        window: FrameWindow,
    },
}
