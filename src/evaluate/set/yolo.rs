//! YOLO's layout: for each picture a text file of lines `class x y width height`, shares of its sides.
//!
//! A line with more numbers is an outline; its box counts. An empty file is a good part; a picture
//! without a file is left out and named, since a lost file looks just like a good part.

use std::path::{Path, PathBuf};

use super::super::metrics::TrueBox;
use super::files::{entries, name_below, picture_named, pictures, read_text, root_of, stem_of};
use super::yolo_names::names_of;
use super::{BoxUnit, Format, LabelledPicture, LabelledSet, LeftOut, SetError, SetQuery, Truth};

pub(super) fn read(query: &SetQuery) -> Result<LabelledSet, SetError> {
    let root = root_of(&query.path);
    let Some((picture_folder, label_folder, has_splits)) = folders(root, query.split()) else {
        return Err(no_folders(root, query));
    };
    if !has_splits {
        query.refuse_split(root)?;
    }
    let names = names_of(&query.path)?;
    let is_good = |class: usize| names.get(class).is_some_and(|name| query.is_good(name));
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    for path in pictures(&picture_folder)? {
        let label = label_folder.join(name_below(&picture_folder, &path));
        let label = label.with_extension("txt");
        let name = name_below(root, &path);
        if !label.is_file() {
            let why = format!(
                "has no `{}`; write an empty file for a good part",
                name_below(root, &label)
            );
            left_out.push(LeftOut { what: name, why });
            continue;
        }
        let boxes = boxes_of(&label, names.len())?;
        found.push(LabelledPicture {
            name,
            path,
            size: None,
            truth: Truth::boxed(boxes, BoxUnit::Shares, &is_good),
        });
    }
    left_out.extend(labels_without_picture(
        root,
        &picture_folder,
        &label_folder,
    )?);
    Ok(LabelledSet {
        path: query.path.clone(),
        format: Format::Yolo,
        split: has_splits.then(|| query.split().to_owned()),
        classes: names,
        has_boxes: true,
        pictures: found,
        left_out,
    })
}

/// The folders of pictures and labels, and whether they are those of a split.
fn folders(root: &Path, split: &str) -> Option<(PathBuf, PathBuf, bool)> {
    [
        (format!("images/{split}"), format!("labels/{split}"), true),
        (format!("{split}/images"), format!("{split}/labels"), true),
        ("images".to_owned(), "labels".to_owned(), false),
    ]
    .into_iter()
    .map(|(pictures, labels, has_splits)| (root.join(pictures), root.join(labels), has_splits))
    .find(|(pictures, labels, _)| pictures.is_dir() && labels.is_dir())
    // Below `images` there are only the folders of other splits.
    .filter(|(pictures, _, has_splits)| {
        *has_splits || entries(pictures).is_ok_and(|all| all.iter().any(|entry| entry.is_file()))
    })
}

fn no_folders(root: &Path, query: &SetQuery) -> SetError {
    let there: Vec<&str> = ["train", "val", "valid", "test"]
        .into_iter()
        .filter(|split| folders(root, split).is_some_and(|(_, _, has_splits)| has_splits))
        .collect();
    if there.is_empty() {
        return SetError::Layout {
            path: root.to_owned(),
            format: Format::Yolo.word(),
            wanted: Format::Yolo.wanted().to_owned(),
        };
    }
    SetError::Split {
        path: root.to_owned(),
        split: query.split().to_owned(),
        there: format!("`{}`", there.join("`, `")),
    }
}

fn labels_without_picture(
    root: &Path,
    pictures: &Path,
    labels: &Path,
) -> Result<Vec<LeftOut>, SetError> {
    let is_label = |path: &PathBuf| {
        path.extension().is_some_and(|ending| ending == "txt") && stem_of(path) != "classes"
    };
    let lost = |path: PathBuf| {
        picture_named(pictures, &stem_of(&path))
            .is_none()
            .then(|| LeftOut {
                what: name_below(root, &path),
                why: "belongs to no picture".to_owned(),
            })
    };
    let all = entries(labels)?.into_iter();
    Ok(all.filter(is_label).filter_map(lost).collect())
}

fn boxes_of(path: &Path, n_classes: usize) -> Result<Vec<TrueBox>, SetError> {
    let text = read_text(path)?;
    let lines = text
        .lines()
        .zip(1..)
        .filter(|(line, _)| !line.trim().is_empty());
    lines
        .map(|(line, number)| {
            box_of(line, n_classes)
                .map_err(|text| SetError::at(path, format!("line {number}"), text))
        })
        .collect()
}

fn box_of(line: &str, n_classes: usize) -> Result<TrueBox, String> {
    let mut words = line.split_whitespace();
    let class = words.next().unwrap_or_default();
    let class: usize = class
        .parse()
        .map_err(|error| format!("`{class}` is no class number: {error}"))?;
    if n_classes <= class {
        return Err(format!(
            "class {class} has no name; there are {n_classes} names, counted from 0"
        ));
    }
    let numbers: Vec<f64> = words
        .map(|word| {
            word.parse::<f64>()
                .ok()
                .filter(|share| (-0.01..=1.01).contains(share))
                .ok_or_else(|| format!("`{word}` is no share of a side; write 0 to 1"))
        })
        .collect::<Result<_, _>>()?;
    let region = match numbers.as_slice() {
        [x, y, width, height] => [x - width / 2.0, y - height / 2.0, *width, *height],
        outline if 6 <= outline.len() && outline.len() % 2 == 0 => around(outline),
        other => {
            return Err(format!(
                "there are {} numbers after the class; write 4 for a box (centre, width, height) or pairs for an outline",
                other.len()
            ));
        }
    };
    Ok(TrueBox {
        class,
        region,
        is_crowd: false,
        is_ignored: false,
    })
}

/// The box around an outline of pairs.
fn around(outline: &[f64]) -> [f64; 4] {
    let range = |first: usize| {
        let values = || outline.iter().copied().skip(first).step_by(2);
        let low = values().fold(f64::INFINITY, f64::min);
        (low, values().fold(f64::NEG_INFINITY, f64::max) - low)
    };
    let ((x, width), (y, height)) = (range(0), range(1));
    [x, y, width, height]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_box_or_an_outline() {
        let region = |line| box_of(line, 3).map(|one| (one.class, one.region));
        assert_eq!(
            region("1 0.5 0.5 0.5 0.25"),
            Ok((1, [0.25, 0.375, 0.5, 0.25]))
        );
        let outline = "2 0.25 0.5 0.75 0.5 0.5 1.0";
        assert_eq!(region(outline), Ok((2, [0.25, 0.5, 0.5, 0.5])));
    }

    #[test]
    fn a_line_that_is_neither_says_what_to_write() {
        let fault = |line| box_of(line, 3).unwrap_err();
        assert_eq!(
            fault("3 0.5 0.5 0.5 0.5"),
            "class 3 has no name; there are 3 names, counted from 0"
        );
        assert_eq!(
            fault("1 0.5 320 0.5 0.5"),
            "`320` is no share of a side; write 0 to 1"
        );
        assert!(fault("1 0.5 0.5 0.5").starts_with("there are 3 numbers after the class"));
        assert!(fault("dent 0.5 0.5 0.5 0.5").starts_with("`dent` is no class number"));
        assert!(fault("1 nan 0.5 0.5 0.5").starts_with("`nan` is no share"));
    }
}
