//! The nouns: what the other rooms talk about. No I/O, no clock, no serde.

mod detection;
mod frame;
mod geometry;
mod placement;
mod record;
mod trigger;
mod verdict;

pub use detection::{Class, Detection, Finding, Grade, Score, ScoreError};
pub use frame::{Frame, FrameError, PixelFormat};
pub use geometry::{PointMm, PointPx, RectMm, RectPx, SizePx, polygon_contains};
pub use placement::Placement;
pub use record::{InspectionRecord, ItemVersion, StageTimings, ViewRecord, spread};
pub use trigger::{Name, NameError, Sequence, Trigger};
pub use verdict::{Reason, Verdict};
