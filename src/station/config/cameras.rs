//! `[[cameras]]` of the station file: as written, and checked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::super::doubt::Doubt;
use crate::config::Checks;
use crate::domain::{Name, SizePx};
use crate::source::{
    After, Belongs, CameraFormat, CameraSelect, FourCc, FrameWindow, GenicamPixels,
    GenicamSettings, GenicamTrigger, Order, UsbControls,
};

/// A camera and what stands behind it.
#[derive(Debug, Clone)]
pub struct CameraConfig {
    /// The name that views and calibrations use.
    pub name: String,
    /// What it is.
    pub source: SourceConfig,
}

/// What stands behind a camera.
#[derive(Debug, Clone)]
pub enum SourceConfig {
    /// Pictures in a folder.
    Folder(PathBuf, Order),
    /// A video file.
    Video(PathBuf),
    /// A network stream: its address, and how old its pictures are when they come.
    Stream(String, Duration),
    /// A folder that a foreign system writes into, and how long a file must be quiet.
    Watched(PathBuf, Belongs, After, Duration),
    /// Drawn frames.
    Generator(SizePx),
    /// A USB camera.
    Usb(CameraSelect, CameraFormat, UsbControls),
    /// An industrial camera.
    Genicam(GenicamSettings),
}

impl SourceConfig {
    /// Whether it looks at the part itself, so that it can look twice.
    pub(super) fn is_live(&self) -> bool {
        match self {
            Self::Usb(..) | Self::Genicam(_) | Self::Stream(..) => true,
            Self::Folder(..) | Self::Video(_) | Self::Watched(..) | Self::Generator(_) => false,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CameraFile {
    pub(super) name: String,
    pub(super) source: SourceFile,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum SourceFile {
    Folder {
        path: PathBuf,
        #[serde(default)]
        order: OrderFile,
    },
    Video {
        path: PathBuf,
    },
    Stream {
        url: String,
        #[serde(default = "latency_ms")]
        latency_ms: u64,
    },
    Watched(WatchedFile),
    Generator {
        width_px: u32,
        height_px: u32,
    },
    Usb(UsbFile),
    Genicam(GenicamFile),
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(super) enum OrderFile {
    #[default]
    Once,
    Again,
    ByPart,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WatchedFile {
    path: PathBuf,
    belongs: BelongsFile,
    after: AfterFile,
    #[serde(default = "quiet_ms")]
    quiet_ms: u64,
    frame_before_ms: Option<u64>,
    frame_after_ms: Option<u64>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum BelongsFile {
    AfterTrigger,
    InWindow,
    ByPart,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum AfterFile {
    Keep,
    Move,
    Delete,
}

/// What cameras that encode H.264 commonly need.
fn latency_ms() -> u64 {
    300
}

fn quiet_ms() -> u64 {
    100
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UsbFile {
    device: String,
    width_px: u32,
    height_px: u32,
    fourcc: FourCc,
    rate_fps: u32,
    exposure_us: Option<u32>,
    gain: Option<i64>,
    white_balance_k: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GenicamFile {
    device: String,
    width_px: u32,
    height_px: u32,
    #[serde(default)]
    x_px: u32,
    #[serde(default)]
    y_px: u32,
    pixel_format: GenicamPixels,
    exposure_us: Option<f64>,
    gain: Option<f64>,
    packet_size_bytes: Option<u32>,
    #[serde(default = "buffers")]
    buffers: u32,
    trigger: TriggerFile,
    line: Option<String>,
    edge: Option<EdgeFile>,
    frame_before_ms: Option<u64>,
    frame_after_ms: Option<u64>,
    #[serde(default = "frame_timeout_ms")]
    frame_timeout_ms: u64,
    #[serde(default)]
    chunks: bool,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
enum TriggerFile {
    FreeRun,
    Software,
    Hardware,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
enum EdgeFile {
    Rising,
    Falling,
}

fn buffers() -> u32 {
    8
}

fn frame_timeout_ms() -> u64 {
    1_000
}

/// The checks of one camera, which name it.
struct CameraChecks<'a> {
    at: String,
    checks: &'a mut Checks,
}

impl CameraChecks<'_> {
    fn size(&mut self, width_px: u32, height_px: u32) -> SizePx {
        SizePx {
            width_px: self.range("width_px", width_px, 8, 20_000),
            height_px: self.range("height_px", height_px, 8, 20_000),
        }
    }

    /// The window that `wanted_by` needs.
    fn window(&mut self, file: WindowFile, wanted_by: &str) -> FrameWindow {
        let (before_ms, after_ms) = file;
        let after_ms = after_ms.unwrap_or_else(|| {
            self.checks.say(format!(
                "`{}`: {wanted_by} needs `frame_after_ms`: how long after its announcement a part's frame begins at the latest, and `frame_before_ms` if it may begin earlier",
                self.at
            ));
            1
        });
        let before_ms = self.range("frame_before_ms", before_ms.unwrap_or(0), 0, 60_000);
        let after_ms = self.range("frame_after_ms", after_ms, 1, 60_000);
        FrameWindow {
            before: Duration::from_millis(before_ms),
            after: Duration::from_millis(after_ms),
        }
    }

    fn no_window(&mut self, file: WindowFile, wanted_by: &str) {
        if file != (None, None) {
            self.checks.say(format!(
                "`{}`: `frame_before_ms` and `frame_after_ms` are for {wanted_by}; leave them out",
                self.at
            ));
        }
    }

    fn range<T: PartialOrd + Copy + std::fmt::Display>(
        &mut self,
        key: &str,
        value: T,
        min: T,
        max: T,
    ) -> T {
        let key = format!("{}.{key}", self.at);
        self.checks.range(key, value, min, max)
    }
}

/// `frame_before_ms` and `frame_after_ms`, as written.
type WindowFile = (Option<u64>, Option<u64>);

/// Checks all cameras, alone and with what the station makes of a doubt.
pub(super) fn check(
    folder: &Path,
    files: Vec<CameraFile>,
    doubt: Doubt,
    checks: &mut Checks,
) -> Vec<CameraConfig> {
    let cameras: Vec<_> = files
        .into_iter()
        .map(|camera| camera.checked(folder, checks))
        .collect();
    // Only a camera that looks at the part itself can look again.
    let recorded = |camera: &&CameraConfig| !camera.source.is_live();
    for camera in cameras.iter().filter(recorded) {
        if doubt == Doubt::Reinspect {
            checks.say(format!(
                "`doubt.then = \"reinspect\"` needs a second frame of a part, which camera `{}` cannot take; write review or reject",
                camera.name
            ));
        }
    }
    cameras
}

impl CameraFile {
    pub(super) fn checked(self, folder: &Path, checks: &mut Checks) -> CameraConfig {
        let at = format!("cameras.{}", self.name);
        checks.take(format!("{at}.name"), Name::new(&self.name));
        let mut checks = CameraChecks { at, checks };
        let source = match self.source {
            SourceFile::Folder { path, order } => {
                let order = match order {
                    OrderFile::Once => Order::Once,
                    OrderFile::Again => Order::Again,
                    OrderFile::ByPart => Order::ByPart,
                };
                SourceConfig::Folder(folder.join(path), order)
            }
            // A stream as a video was the only way once, and its frames were as old as its buffers.
            SourceFile::Video { path } => match path.to_str() {
                Some(url) if url.contains("://") => {
                    SourceConfig::Stream(url.to_owned(), Duration::from_millis(latency_ms()))
                }
                _ => SourceConfig::Video(folder.join(path)),
            },
            SourceFile::Stream { url, latency_ms } => {
                if !url.contains("://") {
                    checks.checks.say(format!(
                        "`{}.url`: `{url}` is no address; write for example `rtsp://10.0.0.7/stream1`, or `video` for a file",
                        checks.at
                    ));
                }
                let latency_ms = checks.range("latency_ms", latency_ms, 0, 10_000);
                SourceConfig::Stream(url, Duration::from_millis(latency_ms))
            }
            SourceFile::Watched(file) => file.checked(folder, &mut checks),
            SourceFile::Generator {
                width_px,
                height_px,
            } => SourceConfig::Generator(checks.size(width_px, height_px)),
            SourceFile::Usb(file) => file.checked(&mut checks),
            SourceFile::Genicam(file) => file.checked(&mut checks),
        };
        CameraConfig {
            name: self.name,
            source,
        }
    }
}

impl WatchedFile {
    fn checked(self, folder: &Path, checks: &mut CameraChecks<'_>) -> SourceConfig {
        let file = (self.frame_before_ms, self.frame_after_ms);
        let wanted_by = "`belongs = \"in_window\"`";
        let belongs = match self.belongs {
            BelongsFile::AfterTrigger => Belongs::AfterTrigger,
            BelongsFile::InWindow => Belongs::InWindow(checks.window(file, wanted_by)),
            BelongsFile::ByPart => Belongs::ByPart,
        };
        if !matches!(belongs, Belongs::InWindow(_)) {
            checks.no_window(file, wanted_by);
        }
        let after = match self.after {
            AfterFile::Keep => After::Keep,
            AfterFile::Move => After::Move,
            AfterFile::Delete => After::Delete,
        };
        let quiet = Duration::from_millis(checks.range("quiet_ms", self.quiet_ms, 1, 60_000));
        SourceConfig::Watched(folder.join(self.path), belongs, after, quiet)
    }
}

impl UsbFile {
    fn checked(self, checks: &mut CameraChecks<'_>) -> SourceConfig {
        let size = checks.size(self.width_px, self.height_px);
        let rate_fps = checks.range("rate_fps", self.rate_fps, 1, 1_000);
        if let Some(exposure_us) = self.exposure_us {
            checks.range("exposure_us", exposure_us, 100, 10_000_000);
        }
        if let Some(kelvin) = self.white_balance_k {
            checks.range("white_balance_k", kelvin, 1_000, 20_000);
        }
        let Ok(select) = self.device.parse::<CameraSelect>();
        let format = CameraFormat {
            size,
            fourcc: self.fourcc,
            rate_fps,
        };
        let controls = UsbControls {
            exposure_us: self.exposure_us,
            gain: self.gain,
            white_balance_k: self.white_balance_k,
        };
        SourceConfig::Usb(select, format, controls)
    }
}

impl GenicamFile {
    fn checked(self, checks: &mut CameraChecks<'_>) -> SourceConfig {
        let size = checks.size(self.width_px, self.height_px);
        if let Some(exposure_us) = self.exposure_us {
            checks.range("exposure_us", exposure_us, 1.0, 60_000_000.0);
        }
        if let Some(gain) = self.gain {
            checks.range("gain", gain, -1e6, 1e6);
        }
        if let Some(bytes) = self.packet_size_bytes {
            checks.range("packet_size_bytes", bytes, 500, 16_000);
        }
        let timeout_ms = checks.range("frame_timeout_ms", self.frame_timeout_ms, 10, 60_000);
        let file = (self.frame_before_ms, self.frame_after_ms);
        let wanted_by = "`trigger = \"hardware\"`";
        if self.trigger != TriggerFile::Hardware {
            checks.no_window(file, wanted_by);
        }
        let trigger = match (self.trigger, self.line) {
            (TriggerFile::Hardware, Some(line)) => GenicamTrigger::Hardware {
                line,
                falling: self.edge == Some(EdgeFile::Falling),
                window: checks.window(file, wanted_by),
            },
            (trigger, line) => {
                if trigger == TriggerFile::Hardware {
                    checks.checks.say(format!("`{}`: `trigger = \"hardware\"` needs the camera's `line`, for example `line = \"Line0\"`", checks.at));
                } else if line.is_some() || self.edge.is_some() {
                    checks.checks.say(format!(
                        "`{}`: `line` and `edge` are for `trigger = \"hardware\"`; leave them out",
                        checks.at
                    ));
                }
                if trigger == TriggerFile::FreeRun {
                    GenicamTrigger::FreeRun
                } else {
                    GenicamTrigger::Software
                }
            }
        };
        SourceConfig::Genicam(GenicamSettings {
            device: self.device,
            size,
            offset_px: (self.x_px, self.y_px),
            pixel_format: self.pixel_format,
            exposure_us: self.exposure_us,
            gain: self.gain,
            packet_size_bytes: self.packet_size_bytes,
            buffers: checks.range("buffers", self.buffers, 2, 64),
            trigger,
            frame_timeout: Duration::from_millis(timeout_ms),
            chunks: self.chunks,
        })
    }
}
