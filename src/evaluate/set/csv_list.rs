//! A table of pictures: columns `file`, `class`, and perhaps `split` and `mask`.
//!
//! Files count from the table's folder, from `images/` in it, or from the folders that the masks format
//! knows. A mask that is not named is looked for under the picture's name where there is a folder of
//! masks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, Trim};

use super::files::{first_with, name_of, read_text, root_of};
use super::masks;
use super::{
    Classes, Format, LabelledPicture, LabelledSet, LeftOut, SetError, SetQuery, TrueMask, Truth,
};

/// What the columns may be called.
const FILE: [&str; 4] = ["file", "filename", "path", "image"];
const CLASS: [&str; 3] = ["class", "label", "truth"];
const TABLES: [&str; 4] = ["split.csv", "labels.csv", "set.csv", "test.csv"];

/// Where the columns stand.
struct Columns {
    file: usize,
    class: usize,
    split: Option<usize>,
    mask: Option<usize>,
}

pub(super) fn read(query: &SetQuery) -> Result<LabelledSet, SetError> {
    let path = table_of(&query.path)?;
    let root = root_of(&path);
    let text = read_text(&path)?;
    let mut table = ReaderBuilder::new()
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let header = table
        .headers()
        .map_err(|error| fault(&path, &error))?
        .clone();
    let columns = Columns::of(&header).map_err(|text| SetError::at(&path, "line 1", text))?;
    if columns.split.is_none() {
        query.refuse_split(&path)?;
    }
    let masks = masks::folders(root).map(|(_, masks)| masks);
    let mut folders = vec![root.to_owned(), root.join("images")];
    folders.extend(masks::folders(root).map(|(pictures, _)| pictures));
    let mut reader = Rows {
        query,
        root,
        folders,
        masks,
        classes: Classes::default(),
        left_out: Vec::new(),
    };
    let (mut pictures, mut splits) = (Vec::new(), BTreeSet::new());
    for row in table.records() {
        let row = row.map_err(|error| fault(&path, &error))?;
        if let Some(split) = columns.split.and_then(|column| row.get(column)) {
            splits.insert(split.to_owned());
            if split != query.split() {
                continue;
            }
        }
        let line = row.position().map_or(0, csv::Position::line);
        let picture = reader
            .picture(&columns, &row)
            .map_err(|text| SetError::at(&path, format!("line {line}"), text))?;
        pictures.extend(picture);
    }
    if columns.split.is_some() && !splits.contains(query.split()) {
        let there: Vec<String> = splits.iter().map(|split| format!("`{split}`")).collect();
        return Err(SetError::Split {
            path,
            split: query.split().to_owned(),
            there: there.join(", "),
        });
    }
    Ok(LabelledSet {
        split: columns.split.map(|_| query.split().to_owned()),
        path: query.path.clone(),
        format: Format::Csv,
        classes: reader.classes.0,
        has_boxes: false,
        pictures,
        left_out: reader.left_out,
    })
}

struct Rows<'a> {
    query: &'a SetQuery,
    root: &'a Path,
    folders: Vec<PathBuf>,
    masks: Option<PathBuf>,
    classes: Classes,
    left_out: Vec<LeftOut>,
}

impl Rows<'_> {
    fn picture(
        &mut self,
        columns: &Columns,
        row: &StringRecord,
    ) -> Result<Option<LabelledPicture>, String> {
        let cell = |column: usize| row.get(column).unwrap_or_default();
        let (file, class) = (cell(columns.file), cell(columns.class));
        if file.is_empty() {
            return Err("the row has no file".to_owned());
        }
        let left_out = |why: String| LeftOut {
            what: file.to_owned(),
            why,
        };
        if class.is_empty() {
            self.left_out.push(left_out("has no class".to_owned()));
            return Ok(None);
        }
        let Some(path) = first_with(&self.folders, file) else {
            self.left_out
                .push(left_out("there is no such picture".to_owned()));
            return Ok(None);
        };
        let truth = if self.query.is_good(class) {
            Truth::good()
        } else {
            let named = columns.mask.map(cell).filter(|mask| !mask.is_empty());
            let mask = match (named, &self.masks) {
                (Some(named), _) => Some(self.root.join(named)).filter(|path| path.is_file()),
                (None, Some(folder)) => masks::mask_of(folder, &path),
                (None, None) => None,
            };
            if mask.is_none() && (named.is_some() || self.masks.is_some()) {
                self.left_out.push(left_out(
                    "has no mask; it counts for the picture but not for pixels".to_owned(),
                ));
            }
            let mask = mask.map_or(TrueMask::Unknown, TrueMask::Picture);
            Truth::bad(Some(self.classes.index(class)), mask)
        };
        Ok(Some(LabelledPicture {
            name: file.replace('\\', "/"),
            path,
            size: None,
            truth,
        }))
    }
}

impl Columns {
    fn of(header: &StringRecord) -> Result<Self, String> {
        let named = |names: &[&str]| {
            header.iter().position(|cell| {
                let cell = cell.trim_start_matches('\u{feff}');
                names.iter().any(|name| cell.eq_ignore_ascii_case(name))
            })
        };
        let needed = |names: &[&str]| {
            let there: Vec<&str> = header.iter().collect();
            named(names).ok_or_else(|| {
                format!(
                    "there is no column `{}`; there are `{}`",
                    names.join("` or `"),
                    there.join("`, `")
                )
            })
        };
        Ok(Self {
            file: needed(&FILE)?,
            class: needed(&CLASS)?,
            split: named(&["split"]),
            mask: named(&["mask"]),
        })
    }
}

fn table_of(path: &Path) -> Result<PathBuf, SetError> {
    if path.is_file() {
        return Ok(path.to_owned());
    }
    let known = TABLES
        .iter()
        .map(|name| path.join(name))
        .find(|path| path.is_file());
    if let Some(table) = known {
        return Ok(table);
    }
    let mut others = super::files::entries(path)?;
    others.retain(|entry| name_of(entry).to_lowercase().ends_with(".csv"));
    match others.as_slice() {
        [only] => Ok(only.clone()),
        _ => Err(SetError::Layout {
            path: path.to_owned(),
            format: Format::Csv.word(),
            wanted: Format::Csv.wanted().to_owned(),
        }),
    }
}

fn fault(path: &Path, error: &csv::Error) -> SetError {
    let place = error.position().map_or_else(
        || "the table".to_owned(),
        |at| format!("line {}", at.line()),
    );
    SetError::at(path, place, format!("this is no table: {error}"))
}
