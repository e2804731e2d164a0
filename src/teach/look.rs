//! Pictures of parts as the model will see them: read once, brought to the model's input by the
//! gate's own preparation, and held in memory from there on.

use std::path::{Path, PathBuf};

use crate::domain::{Frame, PixelFormat, RectPx, SizePx};
use crate::source::{pictures_below, read_frame};
use crate::vision::{
    self, Fitness, InputSpec, Optics, Picture, Preparer, normalise_only, thumbnail,
};

use super::error::TeachError;
use super::method::{SIZE_DIFFERENCE_MAX, THUMBNAIL_SIDE_PX};
use super::threads::on_threads;

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
    /// Light, contrast and sharpness of the region.
    pub fitness: Fitness,
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
pub(super) fn list(folder: &Path) -> Result<Vec<PathBuf>, TeachError> {
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
pub(super) fn first_size(pictures: &[PathBuf]) -> Result<SizePx, TeachError> {
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
        same_size(&parts.iter().collect::<Vec<_>>())?;
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
        let region = self.region.unwrap_or_else(|| size.whole());
        // Grey levels as they are, so that one picture serves the net, the golden vectors and people.
        let plain = InputSpec {
            channels: 3,
            reverse_input_channels: true,
            mean_values: Vec::new(),
            scale_values: Vec::new(),
            ..self.input.clone()
        };
        let mut levels = vec![0.0; plain.tensor_length()];
        Preparer::new(size, region, &[], Optics::default(), &plain)?.prepare(frame, &mut levels)?;
        Ok(Part {
            path: path.to_owned(),
            size,
            fingerprint: vision::fingerprint(frame),
            fitness: vision::measure(frame, region)?,
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
        let region = self.region.unwrap_or_else(|| part.size.whole());
        [
            region.x + f64::from(x) * region.width,
            region.y + f64::from(y) * region.height,
        ]
    }

    /// Places of the backbone side by side, and one below the other.
    pub(super) fn grid(&self, stride_px: u32) -> [usize; 2] {
        let sides = [self.input.width_px, self.input.height_px];
        sides.map(|side| (side / stride_px.max(1)) as usize)
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

fn unreadable(n_pictures: usize, mistakes: Vec<String>) -> TeachError {
    TeachError::Unreadable {
        n_bad: mistakes.len(),
        n_pictures,
        mistakes: told(mistakes.into_iter()),
    }
}

/// One camera at one setting gives one size; pictures that were cut out may differ a little.
pub(super) fn same_size(parts: &[&Part]) -> Result<(), TeachError> {
    let usual = usual_size(parts);
    let is_near = |side: u32, usual: u32| {
        f64::from(side.abs_diff(usual)) <= f64::from(usual) * SIZE_DIFFERENCE_MAX
    };
    let is_usual = |part: &Part| {
        let SizePx {
            width_px,
            height_px,
        } = part.size;
        is_near(width_px, usual.width_px) && is_near(height_px, usual.height_px)
    };
    let others: Vec<&Part> = parts
        .iter()
        .copied()
        .filter(|part| !is_usual(part))
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    Err(TeachError::Sizes {
        usual_width_px: usual.width_px,
        usual_height_px: usual.height_px,
        others: told(others.iter().map(|part| {
            let (size, path) = (part.size, part.path.display());
            format!("`{path}`: {} x {} px", size.width_px, size.height_px)
        })),
    })
}

/// The median of the widths and of the heights.
fn usual_size(parts: &[&Part]) -> SizePx {
    let median = |side: fn(&Part) -> u32| {
        let mut sides: Vec<u32> = parts.iter().map(|part| side(part)).collect();
        sides.sort_unstable();
        sides.get(sides.len() / 2).copied().unwrap_or_default()
    };
    SizePx {
        width_px: median(|part| part.size.width_px),
        height_px: median(|part| part.size.height_px),
    }
}

/// The first lines of a list, and how many more there are.
fn told(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.collect();
    let n_lines = lines.len();
    if TOLD_MAX < n_lines {
        lines.truncate(TOLD_MAX);
        lines.push(format!("and {} more", n_lines - TOLD_MAX));
    }
    lines
}
