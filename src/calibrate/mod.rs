//! Calibrating a camera: pictures of a board, of known points, of a grey card or of a colour chart in, a calibration file out.
//!
//! First the [`lens`](study_lens), then the [`plane`](add_plane) that parts lie on, then the
//! [`flat field`](add_flat_field), then the [`colour`](add_colour), which is measured with the light evened. Each step says what is missing, and refuses what would not hold.

mod colour;
mod coverage;
mod drawing;
mod error;
mod flat_field;
mod flat_field_page;
mod lens;
mod live;
mod page;
mod plane;
mod plane_page;
mod points;
mod table;
mod views;

pub use colour::{ChartSetting, ColourStudy, PatchFigures, Reference, add_colour};
pub use coverage::Coverage;
pub use error::CalibrateError;
pub use flat_field::{FlatFieldStudy, add_flat_field};
pub use lens::{LensStudy, VIEWS_MIN, study_lens};
pub use live::LensGuide;
pub use plane::{PlaneFrom, PlaneStudy, Tolerances, add_plane};
pub use points::known_points;
pub use views::{Rejected, View};
