//! A build without the feature `genicam`: the cameras are refused, with the way to get them.

use std::convert::Infallible;
use std::time::Instant;

use super::GenicamSettings;
use crate::domain::{Frame, Trigger};
use crate::source::newest::device_error;
use crate::source::{Announced, FoundCamera, FrameSource, SourceError};

/// No camera: this build has none.
pub struct Genicam(Infallible);

impl Genicam {
    /// Refuses.
    ///
    /// # Errors
    /// [`SourceError::Device`], always.
    pub fn open(
        name: &str,
        _: GenicamSettings,
        _: Option<&Announced>,
    ) -> Result<Self, SourceError> {
        let text = "this taktgate was built without `genicam`; install libaravis-dev and libusb-1.0-0-dev and build it with `cargo build --release --features genicam`";
        Err(device_error(name, text.to_owned()))
    }
}

impl FrameSource for Genicam {
    fn capture(&mut self, _: &Trigger, _: Instant) -> Result<Frame, SourceError> {
        match self.0 {}
    }
}

/// None: this build sees no such cameras.
pub fn genicam_cameras() -> Vec<FoundCamera> {
    Vec::new()
}
