//! `taktgate calibrate`: boards of known truth and of OpenCV's samples, the binary as people meet it, and
//! what a finding's length is worth from the calibration's own pictures to the verdict.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::indexing_slicing, reason = "a test may panic")]
#![expect(clippy::panic, reason = "a test may panic")]
#![expect(clippy::print_stderr, reason = "what was measured is said")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "drawn pictures have levels from 0 to 255"
)]

#[path = "calibrate/chart.rs"]
mod chart;
#[path = "calibrate/cli.rs"]
mod cli;
#[path = "calibrate/colour.rs"]
mod colour;
#[path = "calibrate/fit.rs"]
mod fit;
#[path = "calibrate/live.rs"]
mod live;
#[path = "camera/mjpeg.rs"]
mod mjpeg;
#[path = "calibrate/plate.rs"]
mod plate;
#[path = "calibrate/render.rs"]
mod render;
#[path = "calibrate/samples.rs"]
mod samples;
#[path = "calibrate/scratch.rs"]
mod scratch;

/// A station beside `frames/` and `models/`.
fn station_of(camera: &str, calibrations: &str) -> String {
    format!(
        r#"schema = 1
station = "st-07"
recipes = ["recipe.toml"]
models = "../models"
calibrations = "{calibrations}"
data = "data"

[mqtt]
broker = "embedded"
enterprise = "acme"
site = "hand-1"
area = "press"
line = "line-1"

[[cameras]]
name = "{camera}"
source = {{ folder = {{ path = "../frames", order = "again" }} }}

[storage]
warn_free_mb = 3
images_free_mb = 2
stop_free_mb = 1
"#
    )
}
