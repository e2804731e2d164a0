//! Pictures of parts as the model will see them: read once, brought to the model's input by the
//! gate's own preparation, and held in memory from there on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::domain::{Frame, PixelFormat, RectPx, SizePx};
use crate::source::{pictures_below, read_frame};
use crate::vision::{self, InputSpec, Picture, Preparer, normalise_only, thumbnail};

use super::error::TeachError;
use super::method::THUMBNAIL_SIDE_PX;
use super::spread::on_threads;

/// What the pictures' frames are said to come from.
const CAMERA: &str = "teach";
/// Most bytes of prepared pictures in memory.
const PICTURES_BYTES_MAX: u64 = 2 << 30;
/// Most mistakes that are told one by one.
const TOLD_MAX: usize = 20;

/// One picture, prepared.
#[derive(Debug, Clone)]
pub struct Part {
    /// The file.
    pub path: PathBuf,
    /// Its size in pixels.
    pub size: SizePx,
    /// Fingerprint of the frame's pixels: equal for copies of one picture in whatever file.
    pub fingerprint: [u8; 32],
    /// Red, green, blue at the model's input size, before it is normalised.
    pub input: Picture,
    /// The region in grey, small and square.
    pub thumbnail: Vec<u8>,
}

/// How pictures are looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// The model's input.
    pub input: InputSpec,
    /// The part of the picture that is looked at; `None` is all of it.
    pub region: Option<RectPx>,
}

/// The pictures of a folder and the folders in it, sorted; at least one.
///
/// # Errors
/// [`TeachError::Folder`] or [`TeachError::NoPicture`]; nothing can be taught.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>, TeachError> {
    let pictures = pictures_below(CAMERA, folder).map_err(|source| TeachError::Folder {
        folder: folder.to_owned(),
        source: Box::new(source),
    })?;
    if pictures.is_empty() {
        return Err(TeachError::NoPicture {
            folder: folder.to_owned(),
        });
    }
    Ok(pictures)
}

/// The size of the first picture that can be read.
///
/// # Errors
/// [`TeachError::Unreadable`] with every picture if none can.
pub fn first_size(pictures: &[PathBuf]) -> Result<SizePx, TeachError> {
    let mut mistakes = Vec::new();
    for path in pictures {
        match read_frame(CAMERA, path) {
            Ok(frame) => return Ok(frame.size()),
            Err(error) => mistakes.push(crate::inspect::with_causes(&error)),
        }
    }
    Err(unreadable(pictures.len(), mistakes))
}

impl Look {
    /// Reads and prepares all pictures; `seen` is called after each.
    ///
    /// # Errors
    /// [`TeachError`] that names every picture that cannot be read or has another size.
    pub fn at(
        &self,
        pictures: &[PathBuf],
        n_threads: usize,
        seen: &(dyn Fn() + Sync),
    ) -> Result<Vec<Part>, TeachError> {
        let bytes = self.input.tensor_length() as u64 * pictures.len() as u64;
        if PICTURES_BYTES_MAX < bytes {
            return Err(TeachError::TooMany {
                n_pictures: pictures.len(),
                gigabytes: bytes as f64 / f64::from(1 << 30),
                gigabytes_max: PICTURES_BYTES_MAX as f64 / f64::from(1 << 30),
            });
        }
        let looked = on_threads(n_threads, pictures, |path| {
            let part = self.part(path);
            seen();
            part
        });
        let mut parts = Vec::with_capacity(pictures.len());
        let mut mistakes = Vec::new();
        for part in looked {
            match part {
                Ok(part) => parts.push(part),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if !mistakes.is_empty() {
            return Err(unreadable(pictures.len(), mistakes));
        }
        same_size(&parts)?;
        Ok(parts)
    }

    fn part(&self, path: &Path) -> Result<Part, String> {
        let frame =
            read_frame(CAMERA, path).map_err(|error| crate::inspect::with_causes(&error))?;
        self.prepared(path, &frame).map_err(|error| {
            format!(
                "`{}`: {}",
                path.display(),
                crate::inspect::with_causes(&error)
            )
        })
    }

    fn prepared(&self, path: &Path, frame: &Frame) -> Result<Part, vision::VisionError> {
        let size = frame.size();
        let region = self.region.unwrap_or_else(|| whole(size));
        // Grey levels as they are, so that one picture serves the net, the golden vectors and people.
        let plain = InputSpec {
            channels: 3,
            reverse_input_channels: true,
            mean_values: Vec::new(),
            scale_values: Vec::new(),
            ..self.input.clone()
        };
        let mut levels = vec![0.0; plain.tensor_length()];
        Preparer::new(size, region, &[], None, None, &plain)?.prepare(frame, &mut levels)?;
        Ok(Part {
            path: path.to_owned(),
            size,
            fingerprint: vision::fingerprint(frame),
            thumbnail: thumbnail(frame, region, THUMBNAIL_SIDE_PX)?,
            input: picture_of(&levels, &plain),
        })
    }

    /// Rows and columns of the model's input.
    pub(super) fn sides(&self) -> [usize; 2] {
        [self.input.height_px, self.input.width_px].map(|side| side as usize)
    }

    /// A place of the input (column and row as shares) in pixels of the picture. The input is the
    /// stretched region.
    pub(super) fn at_px(&self, part: &Part, [x, y]: [f32; 2]) -> [f64; 2] {
        let region = self.region.unwrap_or_else(|| whole(part.size));
        [
            region.x + f64::from(x) * region.width,
            region.y + f64::from(y) * region.height,
        ]
    }

    /// The model's tensor of a prepared picture: the same numbers as at the station.
    ///
    /// # Errors
    /// [`vision::VisionError`] if the picture has not the input's size.
    pub fn tensor(&self, input: &Picture) -> Result<Vec<f32>, vision::VisionError> {
        let mut tensor = vec![0.0; self.input.tensor_length()];
        normalise_only(input, &self.input, &mut tensor)?;
        Ok(tensor)
    }
}

fn whole(size: SizePx) -> RectPx {
    RectPx {
        x: 0.0,
        y: 0.0,
        width: size.width_px.into(),
        height: size.height_px.into(),
    }
}

/// Planes of grey levels into a picture.
fn picture_of(levels: &[f32], spec: &InputSpec) -> Picture {
    let n_pixels = levels.len() / 3;
    let mut pixels = vec![0; levels.len()];
    for (channel, plane) in levels.chunks_exact(n_pixels.max(1)).enumerate() {
        for (pixel, level) in pixels.chunks_exact_mut(3).zip(plane) {
            if let Some(value) = pixel.get_mut(channel) {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "the level was a byte"
                )]
                let byte = *level as u8;
                *value = byte;
            }
        }
    }
    Picture {
        size: SizePx {
            width_px: spec.width_px,
            height_px: spec.height_px,
        },
        format: PixelFormat::Rgb8,
        pixels,
    }
}

fn unreadable(n_pictures: usize, mut mistakes: Vec<String>) -> TeachError {
    let n_bad = mistakes.len();
    if TOLD_MAX < n_bad {
        mistakes.truncate(TOLD_MAX);
        mistakes.push(format!("and {} more", n_bad - TOLD_MAX));
    }
    TeachError::Unreadable {
        n_bad,
        n_pictures,
        mistakes,
    }
}

/// One camera at one setting gives one size.
fn same_size(parts: &[Part]) -> Result<(), TeachError> {
    let mut by_size: BTreeMap<(u32, u32), Vec<&Path>> = BTreeMap::new();
    for part in parts {
        by_size
            .entry((part.size.width_px, part.size.height_px))
            .or_default()
            .push(&part.path);
    }
    if by_size.len() <= 1 {
        return Ok(());
    }
    let sizes = by_size.into_iter().map(|((width_px, height_px), paths)| {
        let first = paths.first().map(|path| path.display().to_string());
        format!(
            "{width_px} x {height_px} px: {} (`{}`{})",
            paths.len(),
            first.unwrap_or_default(),
            if paths.len() == 1 { "" } else { ", …" }
        )
    });
    Err(TeachError::Sizes {
        sizes: sizes.collect(),
    })
}
