//! COCO's form: one JSON file with `images`, `annotations` (boxes) and `categories`.
//!
//! A picture without annotations shows nothing of what is annotated: it is good.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::domain::SizePx;

use super::super::metrics::TrueBox;
use super::files::{first_with, name_of, read_text, root_of};
use super::{
    BoxUnit, Classes, Format, LabelledPicture, LabelledSet, LeftOut, SetError, SetQuery, Truth,
    files,
};

#[derive(Deserialize)]
struct CocoSet {
    images: Vec<CocoImage>,
    annotations: Vec<CocoAnnotation>,
    categories: Vec<CocoCategory>,
}

#[derive(Deserialize)]
struct CocoImage {
    id: i64,
    file_name: String,
    width: Option<u32>,
    height: Option<u32>,
}

#[derive(Deserialize)]
struct CocoAnnotation {
    id: i64,
    image_id: i64,
    category_id: i64,
    bbox: [f64; 4],
    #[serde(default)]
    iscrowd: u8,
}

#[derive(Deserialize)]
struct CocoCategory {
    id: i64,
    name: String,
}

/// The file of a split in a folder.
pub(super) fn file_of(root: &Path, split: &str) -> Option<PathBuf> {
    [
        format!("{split}.json"),
        format!("annotations/{split}.json"),
        format!("annotations/instances_{split}.json"),
        format!("{split}/_annotations.coco.json"),
        "_annotations.coco.json".to_owned(),
    ]
    .iter()
    .map(|below| root.join(below))
    .find(|path| path.is_file())
}

pub(super) fn read(query: &SetQuery) -> Result<LabelledSet, SetError> {
    let path = if query.path.is_dir() {
        file_of(&query.path, query.split()).ok_or_else(|| no_file(query))?
    } else {
        query.refuse_split(&query.path)?;
        query.path.clone()
    };
    let text = read_text(&path)?;
    let set: CocoSet = serde_json::from_str(&text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        let said = error.to_string();
        // The place is said once.
        let said = said.split(" at line ").next().unwrap_or_default();
        SetError::at(&path, place, format!("this is no COCO set: {said}"))
    })?;
    drop(text);
    let mut classes = Classes::default();
    let class_of: BTreeMap<i64, usize> = set
        .categories
        .iter()
        .map(|category| (category.id, classes.index(&category.name)))
        .collect();
    let mut boxes = boxes_of(&path, &set, &class_of)?;
    let folders = picture_folders(&path, query);
    let names = &classes.0;
    let is_good = |class: usize| names.get(class).is_some_and(|name| query.is_good(name));
    let (mut pictures, mut left_out) = (Vec::new(), Vec::new());
    for image in &set.images {
        let Some(found) = first_with(&folders, &image.file_name) else {
            left_out.push(LeftOut {
                what: image.file_name.clone(),
                why: "there is no such picture".to_owned(),
            });
            continue;
        };
        let size = image.width.zip(image.height);
        pictures.push(LabelledPicture {
            name: image.file_name.replace('\\', "/"),
            path: found,
            size: size.map(|(width_px, height_px)| SizePx {
                width_px,
                height_px,
            }),
            truth: Truth::boxed(
                boxes.remove(&image.id).unwrap_or_default(),
                BoxUnit::Pixels,
                &is_good,
            ),
        });
    }
    Ok(LabelledSet {
        path: query.path.clone(),
        format: Format::Coco,
        split: query.path.is_dir().then(|| query.split().to_owned()),
        classes: classes.0,
        has_boxes: true,
        pictures,
        left_out,
    })
}

/// The boxes of each image, in the file's order.
fn boxes_of(
    path: &Path,
    set: &CocoSet,
    class_of: &BTreeMap<i64, usize>,
) -> Result<BTreeMap<i64, Vec<TrueBox>>, SetError> {
    let mut boxes: BTreeMap<i64, Vec<TrueBox>> = BTreeMap::new();
    for image in &set.images {
        if boxes.insert(image.id, Vec::new()).is_some() {
            let text = "a second image has this id; give each its own";
            return Err(SetError::at(path, format!("image {}", image.id), text));
        }
    }
    for one in &set.annotations {
        let wrong = |text: String| Err(SetError::at(path, format!("annotation {}", one.id), text));
        let Some(class) = class_of.get(&one.category_id) else {
            return wrong(format!(
                "`category_id` {} is not in `categories`",
                one.category_id
            ));
        };
        let [_, _, width, height] = one.bbox;
        if !one.bbox.iter().all(|side| side.is_finite()) || width < 0.0 || height < 0.0 {
            return wrong(format!(
                "`bbox` {:?} is no box; write left, top, width and height in pixels",
                one.bbox
            ));
        }
        let Some(boxes) = boxes.get_mut(&one.image_id) else {
            return wrong(format!("`image_id` {} is not in `images`", one.image_id));
        };
        boxes.push(TrueBox {
            class: *class,
            region: one.bbox,
            is_crowd: one.iscrowd != 0,
            is_ignored: false,
        });
    }
    Ok(boxes)
}

/// Where the pictures may lie.
fn picture_folders(path: &Path, query: &SetQuery) -> Vec<PathBuf> {
    let beside = root_of(path);
    let above = beside.parent().unwrap_or(beside);
    let mut folders = Vec::new();
    for root in [beside, above] {
        let stem = files::stem_of(path);
        folders.extend([
            root.to_owned(),
            root.join("images"),
            root.join(query.split()),
            root.join("images").join(query.split()),
            root.join(stem),
        ]);
    }
    folders
}

fn no_file(query: &SetQuery) -> SetError {
    let json = |folder: &Path| -> Vec<String> {
        let entries = files::entries(folder).unwrap_or_default();
        let names = entries.iter().map(|entry| name_of(entry));
        names
            .filter(|name| name.to_lowercase().ends_with(".json"))
            .collect()
    };
    let there = [json(&query.path), json(&query.path.join("annotations"))].concat();
    if there.is_empty() {
        return SetError::Layout {
            path: query.path.clone(),
            format: Format::Coco.word(),
            wanted: Format::Coco.wanted().to_owned(),
        };
    }
    SetError::Split {
        path: query.path.clone(),
        split: query.split().to_owned(),
        there: format!(
            "`{}`; name one as `--split`, or give the file itself",
            there.join("`, `")
        ),
    }
}
