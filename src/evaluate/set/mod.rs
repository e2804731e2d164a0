//! Labelled sets: pictures, and what is true of each.
//!
//! One reader a format, all into [`LabelledSet`]. Nothing is passed over in silence: what has no
//! picture or no label is listed in [`LabelledSet::left_out`], what cannot be understood is an error
//! with file and line.

mod coco;
mod csv_list;
mod error;
mod files;
mod format;
mod masks;
mod mvtec;
mod voc;
mod yolo;
mod yolo_names;

use std::path::{Path, PathBuf};

use crate::domain::SizePx;

use super::metrics::TrueBox;

pub use error::SetError;
pub use format::Format;

/// Class names that mean "no defect", whatever their case.
pub const GOOD_NAMES: [&str; 3] = ["good", "ok", "normal"];
/// The split that is taken where a set has splits and none is named.
pub const SPLIT: &str = "test";

/// Which set is wanted.
#[derive(Debug, Clone, Default)]
pub struct SetQuery {
    /// A folder, or the file with the labels.
    pub path: PathBuf,
    /// How it is laid out; `None` looks.
    pub format: Option<Format>,
    /// Which part of it; `None` is [`SPLIT`] where there are splits.
    pub split: Option<String>,
    /// More class names that mean "no defect".
    pub good: Vec<String>,
}

/// Pictures with their truth.
#[derive(Debug, Clone)]
pub struct LabelledSet {
    /// What was read.
    pub path: PathBuf,
    /// How it is laid out.
    pub format: Format,
    /// Which part; `None` where it has no parts.
    pub split: Option<String>,
    /// The names of its defect classes and, for boxes, of all classes.
    pub classes: Vec<String>,
    /// Whether boxes are drawn around what is there.
    pub has_boxes: bool,
    /// The pictures, in a fixed order.
    pub pictures: Vec<LabelledPicture>,
    /// What is not measured, and why.
    pub left_out: Vec<LeftOut>,
}

/// A picture with its truth.
#[derive(Debug, Clone)]
pub struct LabelledPicture {
    /// Its path below the set, with `/`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// The size that the labels were drawn on, where they say it.
    pub size: Option<SizePx>,
    /// What is true of it.
    pub truth: Truth,
}

/// What is true of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// Whether the part is bad.
    pub is_bad: bool,
    /// Its defects: indices into the set's classes, sorted, without doubles.
    pub classes: Vec<usize>,
    /// Boxes around what is there.
    pub boxes: Vec<TrueBox>,
    /// What the boxes are measured in.
    pub box_unit: BoxUnit,
    /// Which pixels are bad.
    pub mask: TrueMask,
}

/// What the sides of boxes are measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoxUnit {
    /// Pixels.
    Pixels,
    /// Shares of the picture's sides.
    Shares,
}

/// Which pixels of a picture are bad.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrueMask {
    /// Nobody has marked them.
    Unknown,
    /// None.
    Empty,
    /// Those that are not 0 in a picture.
    Picture(PathBuf),
}

/// Something that is not measured.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// The picture or label.
    pub what: String,
    /// Why.
    pub why: String,
}

/// Reads a labelled set.
///
/// # Errors
/// [`SetError`] if its layout is not known, a file cannot be understood, or it has no picture.
pub fn read_set(query: &SetQuery) -> Result<LabelledSet, SetError> {
    let format = match query.format {
        Some(format) => format,
        None => Format::of(&query.path, query.split.as_deref())?,
    };
    let mut set = match format {
        Format::Mvtec => mvtec::read(query),
        Format::Coco => coco::read(query),
        Format::Yolo => yolo::read(query),
        Format::Voc => voc::read(query),
        Format::Masks => masks::read(query),
        Format::Csv => csv_list::read(query),
        Format::AllBad | Format::AllGood => files::read_unlabelled(query, format),
    }?;
    set.pictures.sort_by(|a, b| a.name.cmp(&b.name));
    set.left_out.sort();
    if set.pictures.is_empty() {
        return Err(SetError::Empty {
            path: set.path,
            n_left_out: set.left_out.len(),
            first: set.left_out.first().map(ToString::to_string),
        });
    }
    Ok(set)
}

impl LabelledSet {
    /// Keeps at most `n` pictures, evenly over the set.
    pub fn thin_out(&mut self, n: usize) {
        let length = self.pictures.len();
        if n < length {
            let wanted: Vec<usize> = (0..n).map(|index| index * length / n).collect();
            let mut index = 0;
            self.pictures.retain(|_| {
                index += 1;
                wanted.binary_search(&(index - 1)).is_ok()
            });
        }
    }

    /// Good and bad pictures.
    pub fn counts(&self) -> (usize, usize) {
        let n_bad = self.pictures.iter().filter(|one| one.truth.is_bad).count();
        (self.pictures.len() - n_bad, n_bad)
    }
}

impl Truth {
    /// A good part; its pixels are all good.
    pub fn good() -> Self {
        Self {
            is_bad: false,
            classes: Vec::new(),
            boxes: Vec::new(),
            box_unit: BoxUnit::Pixels,
            mask: TrueMask::Empty,
        }
    }

    /// A bad part of one class, or of none that is known.
    pub fn bad(class: Option<usize>, mask: TrueMask) -> Self {
        Self {
            is_bad: true,
            classes: class.into_iter().collect(),
            mask,
            ..Self::good()
        }
    }

    /// A part with boxes: bad if one of them is of a class that is no good one.
    fn boxed(boxes: Vec<TrueBox>, box_unit: BoxUnit, is_good: &dyn Fn(usize) -> bool) -> Self {
        let mut classes: Vec<usize> = boxes
            .iter()
            .map(|one| one.class)
            .filter(|class| !is_good(*class))
            .collect();
        classes.sort_unstable();
        classes.dedup();
        Self {
            is_bad: !classes.is_empty(),
            classes,
            boxes,
            box_unit,
            mask: TrueMask::Unknown,
        }
    }

    /// The boxes in pixels of a picture of this size.
    pub fn boxes_px(&self, size: SizePx) -> Vec<TrueBox> {
        let (width, height) = (f64::from(size.width_px), f64::from(size.height_px));
        let in_px = |one: &TrueBox| {
            let [x, y, w, h] = one.region;
            TrueBox {
                region: [x * width, y * height, w * width, h * height],
                ..*one
            }
        };
        match self.box_unit {
            BoxUnit::Pixels => self.boxes.clone(),
            BoxUnit::Shares => self.boxes.iter().map(in_px).collect(),
        }
    }
}

impl SetQuery {
    /// Whether a class name means "no defect".
    pub fn is_good(&self, class: &str) -> bool {
        let names = self.good.iter().map(String::as_str).chain(GOOD_NAMES);
        names
            .into_iter()
            .any(|name| name.eq_ignore_ascii_case(class))
    }

    fn split(&self) -> &str {
        self.split.as_deref().unwrap_or(SPLIT)
    }

    /// An error if a split was asked of a set that has none.
    fn refuse_split(&self, path: &Path) -> Result<(), SetError> {
        match &self.split {
            None => Ok(()),
            Some(split) => Err(SetError::NoSplits {
                path: path.to_owned(),
                split: split.clone(),
            }),
        }
    }
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`: {}", self.what, self.why)
    }
}

/// Collects class names as they come up.
#[derive(Debug, Default)]
struct Classes(Vec<String>);

impl Classes {
    fn index(&mut self, name: &str) -> usize {
        if let Some(index) = self.0.iter().position(|known| known == name) {
            return index;
        }
        self.0.push(name.to_owned());
        self.0.len() - 1
    }
}
