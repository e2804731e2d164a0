//! A mask for each picture: two folders with the same file names.
//!
//! A mask is a picture; 0 is good. Where `classes.txt` (one name a line) or the `truth.toml` of a
//! rendered scene names classes, the value 1 is the first of them; else every other value is just bad.

use std::path::{Path, PathBuf};

use super::files::{name_below, picture_named, pictures, read_text, stem_of};
use super::{Format, LabelledPicture, LabelledSet, LeftOut, SetError, SetQuery, TrueMask, Truth};

/// Names of the folder with the pictures and of that with the masks.
const PAIRS: [(&str, &str); 5] = [
    ("images", "masks"),
    ("images", "ground_truth"),
    ("frames", "truth"),
    ("images", "truth"),
    ("img", "mask"),
];
/// What masks are called beside their picture's name.
const SUFFIXES: [&str; 3] = ["", "_mask", "_GT"];

/// What a rendered scene says of its masks.
#[derive(serde::Deserialize)]
struct Scene {
    classes: Vec<String>,
}

/// The folders of pictures and of masks.
pub(super) fn folders(root: &Path) -> Option<(PathBuf, PathBuf)> {
    PAIRS
        .iter()
        .map(|(pictures, masks)| (root.join(pictures), root.join(masks)))
        .find(|(pictures, masks)| pictures.is_dir() && masks.is_dir())
}

/// The mask of a picture.
pub(super) fn mask_of(folder: &Path, picture: &Path) -> Option<PathBuf> {
    let stem = stem_of(picture);
    SUFFIXES
        .iter()
        .find_map(|suffix| picture_named(folder, &format!("{stem}{suffix}")))
}

pub(super) fn read(query: &SetQuery) -> Result<LabelledSet, SetError> {
    let root = &query.path;
    let Some((picture_folder, mask_folder)) = folders(root) else {
        return Err(SetError::Layout {
            path: root.clone(),
            format: Format::Masks.word(),
            wanted: Format::Masks.wanted().to_owned(),
        });
    };
    query.refuse_split(root)?;
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    for path in pictures(&picture_folder)? {
        let name = name_below(root, &path);
        // Whether it is bad and which classes it has is known once the mask is read.
        match mask_of(&mask_folder, &path) {
            Some(mask) => found.push(LabelledPicture {
                name,
                path,
                size: None,
                truth: Truth {
                    mask: TrueMask::Picture(mask),
                    ..Truth::good()
                },
            }),
            None => left_out.push(LeftOut {
                what: name,
                why: format!("has no mask in `{}`", mask_folder.display()),
            }),
        }
    }
    let mut set = LabelledSet {
        path: root.clone(),
        format: Format::Masks,
        split: None,
        classes: classes_of(root)?,
        has_boxes: false,
        pictures: found,
        left_out,
    };
    settle(&mut set);
    Ok(set)
}

/// Reads every mask once, to know which pictures are bad and what they show.
fn settle(set: &mut LabelledSet) {
    let n_classes = set.classes.len();
    let left_out = &mut set.left_out;
    set.pictures.retain_mut(|picture| {
        let TrueMask::Picture(path) = &picture.truth.mask else {
            return true;
        };
        match values_of(path) {
            Ok(values) => {
                picture.truth.is_bad = !values.is_empty();
                let class = |value: &u8| usize::from(*value).checked_sub(1);
                let classes = values.iter().filter_map(class);
                picture.truth.classes = classes.filter(|class| *class < n_classes).collect();
                true
            }
            Err(why) => {
                let what = picture.name.clone();
                left_out.push(LeftOut { what, why });
                false
            }
        }
    });
}

/// The values of a mask that are not 0, sorted.
fn values_of(path: &Path) -> Result<Vec<u8>, String> {
    let mask = super::super::mask::read_mask(path)?;
    let mut seen = [false; 256];
    for value in &mask {
        if let Some(seen) = seen.get_mut(usize::from(*value)) {
            *seen = true;
        }
    }
    let values = (0..=u8::MAX).zip(seen).skip(1);
    Ok(values
        .filter_map(|(value, seen)| seen.then_some(value))
        .collect())
}

fn classes_of(root: &Path) -> Result<Vec<String>, SetError> {
    let (list, scene) = (root.join("classes.txt"), root.join("truth.toml"));
    if list.is_file() {
        let text = read_text(&list)?;
        let names = text.lines().map(str::trim).filter(|line| !line.is_empty());
        return Ok(names.map(str::to_owned).collect());
    }
    if !scene.is_file() {
        return Ok(Vec::new());
    }
    let text = read_text(&scene)?;
    toml::from_str(&text)
        .map(|scene: Scene| scene.classes)
        .map_err(|error| SetError::at(&scene, "`classes`", error.message()))
}
