//! MVTec's layout: `test/<class>/`, good ones in `test/good/`, masks in `ground_truth/<class>/`.

use std::path::Path;

use super::files::{folders_in, name_below, name_of, picture_named, pictures, stem_of};
use super::{
    Classes, Format, LabelledPicture, LabelledSet, LeftOut, SetError, SetQuery, TrueMask, Truth,
};

pub(super) fn read(query: &SetQuery) -> Result<LabelledSet, SetError> {
    let root = &query.path;
    let split = query.split();
    let folder = root.join(split);
    if !folder.is_dir() {
        return Err(no_split(query));
    }
    let masks = root.join("ground_truth");
    let mut classes = Classes::default();
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    for class_folder in folders_in(&folder)? {
        let name = name_of(&class_folder);
        let is_good = query.is_good(&name);
        let class = (!is_good).then(|| classes.index(&name));
        for path in pictures(&class_folder)? {
            let truth = if is_good {
                Truth::good()
            } else {
                Truth::bad(class, mask_of(&masks.join(&name), &path))
            };
            let picture = LabelledPicture {
                name: name_below(root, &path),
                path,
                size: None,
                truth,
            };
            if picture.truth.mask == TrueMask::Unknown && masks.is_dir() {
                left_out.push(LeftOut {
                    what: picture.name.clone(),
                    why: "has no mask below `ground_truth`; it counts for the picture but not for pixels".to_owned(),
                });
            }
            found.push(picture);
        }
    }
    Ok(LabelledSet {
        path: root.clone(),
        format: Format::Mvtec,
        split: Some(split.to_owned()),
        classes: classes.0,
        has_boxes: false,
        pictures: found,
        left_out,
    })
}

fn no_split(query: &SetQuery) -> SetError {
    let there: Vec<String> = folders_in(&query.path)
        .unwrap_or_default()
        .iter()
        .map(|folder| format!("`{}`", name_of(folder)))
        .filter(|name| name != "`ground_truth`")
        .collect();
    if there.is_empty() {
        return SetError::Layout {
            path: query.path.clone(),
            format: Format::Mvtec.word(),
            wanted: Format::Mvtec.wanted().to_owned(),
        };
    }
    SetError::Split {
        path: query.path.clone(),
        split: query.split().to_owned(),
        there: there.join(", "),
    }
}

fn mask_of(folder: &Path, picture: &Path) -> TrueMask {
    let stem = stem_of(picture);
    picture_named(folder, &format!("{stem}_mask"))
        .or_else(|| picture_named(folder, &stem))
        .map_or(TrueMask::Unknown, TrueMask::Picture)
}
