//! Pixels: picture files, fitness of an image, preparation for a model, regions of a map, drawings.
//!
//! The only room that names OpenCV and the decoders of picture files. Points are
//! [`PointPx`](crate::domain::PointPx): (0, 0) is the centre of the top left pixel. No clock is read.

mod decode;
mod error;
#[cfg(test)]
mod testing;
mod whole;

pub use decode::{DecodeError, DecodeLimits, Picture, decode, encode_jpeg, encode_png};
pub use error::VisionError;
