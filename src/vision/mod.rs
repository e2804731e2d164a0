//! Pixels: picture files, fitness of an image, preparation for a model, regions of a map, drawings, boards
//! to calibrate with.
//!
//! The only room that names OpenCV and the decoders of picture files. Points are
//! [`PointPx`](crate::domain::PointPx): (0, 0) is the centre of the top left pixel. No clock is read.

mod agreement;
mod algebra;
mod antialias;
mod board;
mod board_fit;
mod canvas;
mod chart;
mod code;
mod colour;
mod decode;
mod draw;
mod draw_places;
mod draw_truth;
mod encode;
mod error;
mod fitness;
mod flat_field;
mod grey_card;
mod grid;
mod heat;
mod input;
mod marks;
mod mosaic;
mod plane_fit;
mod prepare;
mod regions;
mod register;
mod sampling;
#[cfg(test)]
mod testing;
mod thumbnail;
mod truth;
mod video;
mod view;
mod whole;
mod window;
mod yuyv;

pub use board::{NoBoard, Sighting, find_board};
pub use board_fit::{FittedView, LensFit, fit_lens};
pub use chart::{N_PATCHES, NoChart, Patch, PatchName, check_patches, read_chart};
pub use code::read_code;
pub use colour::correct_colour;
pub use decode::{DecodeError, DecodeLimits, Picture, decode};
pub use draw::draw_findings;
pub use draw_places::{Place, PlaceKind, draw_places};
pub use draw_truth::draw_truth;
pub use encode::{encode_jpeg, encode_png};
pub use error::VisionError;
pub use fitness::{Fitness, Unfit, fingerprint, judge, measure};
pub use flat_field::FlatField;
pub use grey_card::{GreyCard, NoGreyCard, check_even};
pub use heat::draw_heat;
pub use input::{Arithmetic, Filter, InputSpec, Interpolation, Resize};
pub use mosaic::{Mosaic, picture_from_mosaic};
pub use plane_fit::{FitScatter, KnownPoint, PlaneFit, Scatter, fit_plane};
pub use prepare::{Optics, Preparer, normalise_only, prepare_whole};
pub use regions::{REGIONS_MAX, Region, regions};
pub use register::Registrar;
pub use thumbnail::{Shift, shift, thumbnail};
pub use truth::{label_regions, spread_map};
pub use video::{Video, without_password};
pub use window::framework_place;
pub use yuyv::picture_from_yuyv;

/// Settles what OpenCV does in this process: its threads, no `OpenCL`, and the same random numbers in
/// every run. Call it once, before anything else of this room.
///
/// # Errors
/// [`VisionError::OpenCv`] if OpenCV refuses; the program ends.
pub fn init(threads: i32) -> Result<(), VisionError> {
    let settle = || {
        opencv::core::set_num_threads(threads)?;
        opencv::core::set_use_opencl(false)?;
        opencv::core::set_rng_seed(42)
    };
    settle().map_err(VisionError::opencv("settle its threads"))
}
