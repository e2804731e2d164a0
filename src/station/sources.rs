//! From a camera of the station file to the source of its frames.

use crate::source::{
    Announced, Camera, Folder, FrameSource, Generator, Genicam, SourceError, Stream, VideoFile,
    Watched,
};

use super::config::{CameraConfig, SourceConfig};

/// Opens what stands behind a camera; `announced` are the parts of the line, if there is one.
///
/// # Errors
/// [`SourceError`] if it cannot be opened.
pub fn open_source(
    camera: &CameraConfig,
    announced: Option<&Announced>,
) -> Result<Box<dyn FrameSource>, SourceError> {
    let name = &camera.name;
    Ok(match &camera.source {
        SourceConfig::Folder(path, order) => Box::new(Folder::open(name, path, *order)?),
        SourceConfig::Video(path) => Box::new(VideoFile::open(name, path)?),
        SourceConfig::Stream(url, latency) => Box::new(Stream::open(name, url, *latency)?),
        SourceConfig::Watched(path, belongs, after, quiet) => Box::new(Watched::open(
            name, path, *belongs, *after, *quiet, announced,
        )?),
        SourceConfig::Generator(size) => Box::new(Generator::new(name, *size)),
        SourceConfig::Usb(select, format, controls) => {
            Box::new(Camera::open(name, select, *format, *controls)?)
        }
        SourceConfig::Genicam(settings) => {
            Box::new(Genicam::open(name, settings.clone(), announced)?)
        }
    })
}
