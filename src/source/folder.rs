//! Pictures in a folder, one a part: the next by name, or the one that is named like the part.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{FrameSource, SourceError, read_frame};
use crate::domain::{Frame, Trigger};

const PICTURES_MAX: usize = 1_000_000;
const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "bmp", "tif", "tiff"];

/// Which picture belongs to a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The next by name; after the last one there is none.
    Once,
    /// The next by name; after the last one the first again.
    Again,
    /// The one whose name without extension is the part's id.
    ByPart,
}

/// A folder as a camera.
#[derive(Debug)]
pub struct Folder {
    camera: String,
    path: PathBuf,
    order: Order,
    pictures: Vec<PathBuf>,
    n_taken: u64,
}

impl Folder {
    /// Lists the pictures of a folder, sorted by name.
    ///
    /// # Errors
    /// [`SourceError`] if the folder cannot be read or has no picture.
    pub fn open(camera: &str, path: &Path, order: Order) -> Result<Self, SourceError> {
        let pictures = pictures_in(camera, path)?;
        if pictures.is_empty() {
            return Err(SourceError::Empty {
                camera: camera.to_owned(),
                path: path.to_owned(),
            });
        }
        Ok(Self {
            camera: camera.to_owned(),
            path: path.to_owned(),
            order,
            pictures,
            n_taken: 0,
        })
    }

    /// The pictures, sorted by name.
    pub fn pictures(&self) -> &[PathBuf] {
        &self.pictures
    }

    fn picture_of(&self, trigger: &Trigger) -> Option<&PathBuf> {
        let index = usize::try_from(self.n_taken).unwrap_or(usize::MAX);
        match self.order {
            Order::Once => self.pictures.get(index),
            Order::Again => self.pictures.get(index % self.pictures.len()),
            Order::ByPart => self.pictures.iter().find(|picture| {
                picture
                    .file_stem()
                    .is_some_and(|stem| stem == trigger.part.as_str())
            }),
        }
    }
}

impl FrameSource for Folder {
    fn capture(&mut self, trigger: &Trigger, _latest: Instant) -> Result<Frame, SourceError> {
        let Some(picture) = self.picture_of(trigger) else {
            return Err(SourceError::End {
                camera: self.camera.clone(),
                path: self.path.clone(),
            });
        };
        let frame = read_frame(&self.camera, picture);
        self.n_taken += 1;
        let mut frame = frame?;
        frame.camera_frame = self.n_taken;
        Ok(frame)
    }
}

fn pictures_in(camera: &str, path: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let mut pictures = entries(camera, path)?;
    pictures.retain(|entry| is_picture(entry));
    Ok(pictures)
}

/// All pictures in a folder and the folders in it, sorted by path.
///
/// # Errors
/// [`SourceError::Read`] if a folder cannot be read.
pub fn pictures_below(camera: &str, path: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let mut folders = vec![path.to_owned()];
    let mut pictures = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in entries(camera, &folder)? {
            if entry.is_dir() && !entry.is_symlink() {
                folders.push(entry);
            } else if is_picture(&entry) && pictures.len() < PICTURES_MAX {
                pictures.push(entry);
            }
        }
    }
    pictures.sort();
    Ok(pictures)
}

pub(super) fn entries(camera: &str, path: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let fault = |cause| SourceError::Read {
        camera: camera.to_owned(),
        path: path.to_owned(),
        cause,
    };
    let entries: Result<Vec<_>, _> = std::fs::read_dir(path)
        .map_err(fault)?
        .take(PICTURES_MAX)
        .map(|entry| entry.map(|entry| entry.path()))
        .collect();
    let mut entries = entries.map_err(fault)?;
    entries.sort();
    Ok(entries)
}

pub(super) fn is_picture(path: &Path) -> bool {
    let extension = path
        .extension()
        .and_then(|text| text.to_str())
        .map(str::to_lowercase);
    extension.is_some_and(|text| EXTENSIONS.contains(&text.as_str())) && path.is_file()
}
