//! Files of a set: reading them with limits, finding pictures, and folders without labels.

use std::fs;
use std::path::{Path, PathBuf};

use crate::source::pictures_below;

use super::{Format, LabelledPicture, LabelledSet, SetError, SetQuery, TrueMask, Truth};

/// Largest label file.
const LABELS_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Endings of picture files, as they are looked for beside labels.
const ENDINGS: [&str; 10] = [
    "png", "jpg", "jpeg", "bmp", "tif", "tiff", "PNG", "JPG", "JPEG", "BMP",
];

/// The text of a label file.
pub(super) fn read_text(path: &Path) -> Result<String, SetError> {
    let length = fs::metadata(path).map_err(SetError::read(path))?.len();
    if LABELS_BYTES_MAX < length {
        return Err(SetError::TooMany {
            path: path.to_owned(),
            what: "bytes",
            found: length,
            max: LABELS_BYTES_MAX,
        });
    }
    let bytes = fs::read(path).map_err(SetError::read(path))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        SetError::at(
            path,
            format!("byte {at}"),
            "this is no UTF-8; save the file as UTF-8",
        )
    })
}

/// The folders in a folder, by name.
pub(super) fn folders_in(path: &Path) -> Result<Vec<PathBuf>, SetError> {
    let mut folders = entries(path)?;
    folders.retain(|entry| entry.is_dir());
    Ok(folders)
}

/// What is in a folder, by name.
pub(super) fn entries(path: &Path) -> Result<Vec<PathBuf>, SetError> {
    let entries: Result<Vec<PathBuf>, _> = fs::read_dir(path)
        .map_err(SetError::read(path))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect();
    let mut entries = entries.map_err(SetError::read(path))?;
    entries.sort();
    Ok(entries)
}

/// All pictures below a folder.
pub(super) fn pictures(path: &Path) -> Result<Vec<PathBuf>, SetError> {
    pictures_below("set", path).map_err(|error| {
        let cause = std::io::Error::other(crate::inspect::with_causes(&error));
        SetError::Read {
            path: path.to_owned(),
            cause,
        }
    })
}

/// The picture `below/stem` with whatever ending.
pub(super) fn picture_named(folder: &Path, stem: &str) -> Option<PathBuf> {
    ENDINGS
        .iter()
        .map(|ending| folder.join(format!("{stem}.{ending}")))
        .find(|path| path.is_file())
}

/// The first of the folders that has this file.
pub(super) fn first_with(folders: &[PathBuf], file: &str) -> Option<PathBuf> {
    folders
        .iter()
        .map(|folder| folder.join(file))
        .find(|path| path.is_file())
}

/// The name of a folder or file.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The name of a file without its ending.
pub(super) fn stem_of(path: &Path) -> String {
    path.file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// A path below a folder as a name, with `/` on every system.
pub(super) fn name_below(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = below
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

/// The folder that a set's paths count from.
pub(super) fn root_of(path: &Path) -> &Path {
    if path.is_dir() {
        path
    } else {
        path.parent().unwrap_or(path)
    }
}

/// A folder of pictures that are all good or all bad.
pub(super) fn read_unlabelled(query: &SetQuery, format: Format) -> Result<LabelledSet, SetError> {
    query.refuse_split(&query.path)?;
    let picture = |path: PathBuf| LabelledPicture {
        name: name_below(&query.path, &path),
        size: None,
        truth: if format == Format::AllBad {
            Truth::bad(None, TrueMask::Unknown)
        } else {
            Truth::good()
        },
        path,
    };
    Ok(LabelledSet {
        path: query.path.clone(),
        format,
        split: None,
        classes: Vec::new(),
        has_boxes: false,
        pictures: pictures(&query.path)?.into_iter().map(picture).collect(),
        left_out: Vec::new(),
    })
}
