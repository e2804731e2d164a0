//! Pascal VOC's layout: an XML file with boxes for each picture.
//!
//! Coordinates count from 1 and their ends belong to the box, as in VOC's own kit: `xmin = 1`,
//! `xmax = 10` are the ten pixels from the left edge. `difficult` boxes are not asked for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use roxmltree::{Document, Node};

use crate::domain::SizePx;

use super::super::metrics::TrueBox;
use super::files::{entries, name_of, picture_named, read_text, stem_of};
use super::{
    BoxUnit, Classes, Format, LabelledPicture, LabelledSet, LeftOut, SetError, SetQuery, Truth,
};

/// Folders that may have the pictures.
const PICTURES: [&str; 4] = ["JPEGImages", "images", "Images", "."];

pub(super) fn read(query: &SetQuery) -> Result<LabelledSet, SetError> {
    let root = &query.path;
    let folder = root.join("Annotations");
    if !folder.is_dir() {
        return Err(SetError::Layout {
            path: root.clone(),
            format: Format::Voc.word(),
            wanted: Format::Voc.wanted().to_owned(),
        });
    }
    let wanted = stems_of_split(query)?;
    let mut classes = Classes::default();
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for path in entries(&folder)? {
        let stem = stem_of(&path);
        let is_wanted = wanted.as_ref().is_none_or(|stems| stems.contains(&stem));
        if path.extension().is_none_or(|ending| ending != "xml") || !is_wanted {
            continue;
        }
        let (named, size, boxes) = annotation(&path, &mut classes)?;
        match picture_of(root, named.as_deref(), &stem) {
            Some((name, picture)) => found.push((name, picture, size, boxes)),
            None => left_out.push(LeftOut {
                what: format!("Annotations/{}", name_of(&path)),
                why: "belongs to no picture".to_owned(),
            }),
        }
        seen.insert(stem);
    }
    let missing = wanted.iter().flatten().filter(|stem| !seen.contains(*stem));
    left_out.extend(missing.map(|stem| LeftOut {
        what: stem.clone(),
        why: "is in the split, but has no annotation".to_owned(),
    }));
    let names = &classes.0;
    let is_good = |class: usize| names.get(class).is_some_and(|name| query.is_good(name));
    let picture = |(name, path, size, boxes)| LabelledPicture {
        name,
        path,
        size,
        truth: Truth::boxed(boxes, BoxUnit::Pixels, &is_good),
    };
    let pictures = found.into_iter().map(picture).collect();
    Ok(LabelledSet {
        path: root.clone(),
        format: Format::Voc,
        split: wanted.is_some().then(|| query.split().to_owned()),
        classes: classes.0,
        has_boxes: true,
        pictures,
        left_out,
    })
}

/// The names in `ImageSets/Main/<split>.txt`; `None` where the set has no splits.
fn stems_of_split(query: &SetQuery) -> Result<Option<BTreeSet<String>>, SetError> {
    let lists = query.path.join("ImageSets/Main");
    if !lists.is_dir() {
        query.refuse_split(&query.path)?;
        return Ok(None);
    }
    let list = lists.join(format!("{}.txt", query.split()));
    if !list.is_file() {
        let there: Vec<String> = entries(&lists)?.iter().map(|path| stem_of(path)).collect();
        return Err(SetError::Split {
            path: query.path.clone(),
            split: query.split().to_owned(),
            there: format!("`{}`", there.join("`, `")),
        });
    }
    let text = read_text(&list)?;
    let first_word = |line: &str| line.split_whitespace().next().map(str::to_owned);
    Ok(Some(text.lines().filter_map(first_word).collect()))
}

fn picture_of(root: &Path, named: Option<&str>, stem: &str) -> Option<(String, PathBuf)> {
    PICTURES.iter().find_map(|folder| {
        let folder_path = root.join(folder);
        let named = named
            .map(|name| folder_path.join(name))
            .filter(|path| path.is_file());
        let path = named.or_else(|| picture_named(&folder_path, stem))?;
        let name = name_of(&path);
        let name = if *folder == "." {
            name
        } else {
            format!("{folder}/{name}")
        };
        Some((name, path))
    })
}

type Annotation = (Option<String>, Option<SizePx>, Vec<TrueBox>);

fn annotation(path: &Path, classes: &mut Classes) -> Result<Annotation, SetError> {
    let text = read_text(path)?;
    let document = Document::parse(&text).map_err(|error| {
        let place = format!("line {}, column {}", error.pos().row, error.pos().col);
        SetError::at(path, place, format!("this is no XML: {error}"))
    })?;
    let root = document.root_element();
    let fault = |node: Node<'_, '_>, text: String| {
        let at = document.text_pos_at(node.range().start);
        SetError::at(path, format!("line {}", at.row), text)
    };
    if !root.has_tag_name("annotation") {
        let text = "the outermost element is not `annotation`; is this a VOC file?";
        return Err(fault(root, text.to_owned()));
    }
    let size = child(root, "size").and_then(|size| {
        let side = |name| child(size, name)?.text()?.trim().parse().ok();
        Some(SizePx {
            width_px: side("width").filter(|side| 0 < *side)?,
            height_px: side("height").filter(|side| 0 < *side)?,
        })
    });
    let objects = root.children().filter(|node| node.has_tag_name("object"));
    let boxes = objects
        .map(|object| object_of(object, classes).map_err(|text| fault(object, text)))
        .collect::<Result<_, _>>()?;
    let named = child(root, "filename").and_then(|node| node.text());
    Ok((named.map(|name| name.trim().to_owned()), size, boxes))
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| child.has_tag_name(name))
}

fn object_of(object: Node<'_, '_>, classes: &mut Classes) -> Result<TrueBox, String> {
    let text = |node: Node<'_, '_>, name: &str| {
        let text = child(node, name).and_then(|node| node.text());
        text.map(|text| text.trim().to_owned())
            .ok_or_else(|| format!("the object has no `{name}`"))
    };
    let corners = child(object, "bndbox").ok_or("the object has no `bndbox`")?;
    let number = |name: &str| {
        let word = text(corners, name)?;
        let number = word.parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| format!("`{name}` is `{word}`; write a number of pixels"))
    };
    let (x1, y1) = (number("xmin")? - 1.0, number("ymin")? - 1.0);
    let (x2, y2) = (number("xmax")?, number("ymax")?);
    if x2 <= x1 || y2 <= y1 {
        return Err("the box ends before it starts; exchange its corners".to_owned());
    }
    Ok(TrueBox {
        class: classes.index(&text(object, "name")?),
        region: [x1, y1, x2 - x1, y2 - y1],
        is_crowd: false,
        is_ignored: text(object, "difficult").is_ok_and(|word| word == "1"),
    })
}
