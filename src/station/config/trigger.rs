//! `[trigger]` of the station file: who says that a part is there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::CameraConfig;
use crate::config::Checks;
use crate::domain::{Name, RectPx};

/// Who says that a part is there.
#[derive(Debug, Clone)]
pub enum TriggerConfig {
    /// The line controller, by `cmd/trigger`.
    Mqtt,
    /// The station itself: a part of this type so often.
    Timer(Name, Duration),
    /// The station itself, when a part of this type comes before a camera.
    Presence(Name, PresenceSettings),
}

/// When a part is there.
#[derive(Debug, Clone)]
pub struct PresenceSettings {
    /// The camera that is looked through without pause.
    pub camera: String,
    /// A picture of the place without a part.
    pub empty: PathBuf,
    /// Where a part is looked for; the whole picture without it.
    pub region: Option<RectPx>,
    /// A part is there when so much of the region looks otherwise than empty.
    pub changed_share: f64,
    /// What the parts do before the camera.
    pub motion: Motion,
}

/// What parts do before the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Motion {
    /// They stop: a part is there once it lies still.
    #[default]
    Stop,
    /// They pass.
    Pass,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TriggerFile {
    by: ByFile,
    part_type: Option<String>,
    every_ms: Option<u64>,
    camera: Option<String>,
    empty: Option<PathBuf>,
    region_px: Option<[f64; 4]>,
    changed_share: Option<f64>,
    parts: Option<Motion>,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
enum ByFile {
    #[default]
    Mqtt,
    Timer,
    Presence,
}

impl TriggerFile {
    pub(super) fn checked(
        self,
        folder: &Path,
        cameras: &[CameraConfig],
        checks: &mut Checks,
    ) -> TriggerConfig {
        self.check_keys(checks);
        let part_type = match (self.by, self.part_type.as_deref()) {
            (ByFile::Mqtt, _) => None,
            (_, Some(part_type)) => checks.take("trigger.part_type", Name::new(part_type)),
            (_, None) => {
                checks.say("`trigger.part_type` is missing; name the type of the parts that come");
                None
            }
        };
        match (self.by, part_type) {
            (ByFile::Mqtt, _) | (_, None) => TriggerConfig::Mqtt,
            (ByFile::Timer, Some(part_type)) => {
                if self.every_ms.is_none() {
                    checks.say("`trigger.every_ms` is missing; write how often a part comes");
                }
                let every_ms = self.every_ms.unwrap_or(1_000);
                let every_ms = checks.range("trigger.every_ms", every_ms, 10, 3_600_000);
                TriggerConfig::Timer(part_type, Duration::from_millis(every_ms))
            }
            (ByFile::Presence, Some(part_type)) => {
                TriggerConfig::Presence(part_type, self.presence(folder, cameras, checks))
            }
        }
    }

    // A key of another way would do nothing, and its writer would not know.
    fn check_keys(&self, checks: &mut Checks) {
        use ByFile::{Presence, Timer};
        let keys: [(&str, bool, &[ByFile]); 7] = [
            ("part_type", self.part_type.is_some(), &[Timer, Presence]),
            ("every_ms", self.every_ms.is_some(), &[Timer]),
            ("camera", self.camera.is_some(), &[Presence]),
            ("empty", self.empty.is_some(), &[Presence]),
            ("region_px", self.region_px.is_some(), &[Presence]),
            ("changed_share", self.changed_share.is_some(), &[Presence]),
            ("parts", self.parts.is_some(), &[Presence]),
        ];
        for (key, is_written, of) in keys {
            if is_written && !of.contains(&self.by) {
                let of: Vec<_> = of.iter().map(|by| by.quoted()).collect();
                checks.say(format!(
                    "`trigger.{key}` is for `by = {}`; leave it out, or write `by`",
                    of.join("` or `by = ")
                ));
            }
        }
    }

    fn presence(
        self,
        folder: &Path,
        cameras: &[CameraConfig],
        checks: &mut Checks,
    ) -> PresenceSettings {
        let camera = self.camera.unwrap_or_default();
        match cameras.iter().find(|known| known.name == camera) {
            None => checks.say(format!(
                "`trigger.camera = \"{camera}\"` is none of the station's cameras; name the one that sees the parts come"
            )),
            Some(found) if !found.source.is_live() => checks.say(format!(
                "`trigger.camera = \"{camera}\"` does not look at the parts itself; name a camera of the kind usb, genicam or stream"
            )),
            Some(_) => {}
        }
        let empty = self.empty.unwrap_or_default();
        if empty.as_os_str().is_empty() {
            checks.say("`trigger.empty` is missing; name a picture of the place without a part, which `taktgate camera grab` takes");
        }
        let share = self.changed_share.unwrap_or(0.15);
        let region = self.region_px.map(|[x, y, width, height]| RectPx {
            x: checks.range("trigger.region_px left", x, 0.0, 100_000.0),
            y: checks.range("trigger.region_px top", y, 0.0, 100_000.0),
            width: checks.range("trigger.region_px width", width, 8.0, 100_000.0),
            height: checks.range("trigger.region_px height", height, 8.0, 100_000.0),
        });
        PresenceSettings {
            camera,
            empty: folder.join(empty),
            region,
            changed_share: checks.range("trigger.changed_share", share, 0.01, 1.0),
            motion: self.parts.unwrap_or_default(),
        }
    }
}

impl ByFile {
    fn quoted(self) -> &'static str {
        match self {
            Self::Mqtt => "\"mqtt\"",
            Self::Timer => "\"timer\"",
            Self::Presence => "\"presence\"",
        }
    }
}
