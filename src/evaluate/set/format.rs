//! Which layout a set has.

use std::path::Path;

use super::files::{entries, folders_in, name_of};
use super::{SPLIT, SetError, coco, masks};

/// How a set is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Folders of classes, masks beside them.
    Mvtec,
    /// One JSON file with boxes.
    Coco,
    /// A text file with boxes for each picture.
    Yolo,
    /// An XML file with boxes for each picture.
    Voc,
    /// A mask for each picture.
    Masks,
    /// A table of pictures.
    Csv,
    /// No labels: every picture is bad.
    AllBad,
    /// No labels: every picture is good.
    AllGood,
}

impl Format {
    /// Its word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mvtec => "mvtec",
            Self::Coco => "coco",
            Self::Yolo => "yolo",
            Self::Voc => "voc",
            Self::Masks => "masks",
            Self::Csv => "csv",
            Self::AllBad => "all-bad",
            Self::AllGood => "all-good",
        }
    }

    /// What such a set looks like.
    pub(super) fn wanted(self) -> &'static str {
        match self {
            Self::Mvtec => {
                "`test/good/*.png`, `test/<defect>/*.png`, `ground_truth/<defect>/*_mask.png`"
            }
            Self::Coco => {
                "`test.json` (or `annotations/instances_test.json`, `test/_annotations.coco.json`) with the pictures beside it or in `images/`"
            }
            Self::Yolo => {
                "`images/test/*.jpg` with `labels/test/*.txt` (or `test/images` with `test/labels`, or `images` with `labels`), and `classes.txt` or `data.yaml`"
            }
            Self::Voc => "`Annotations/*.xml` with the pictures in `JPEGImages/`",
            Self::Masks => {
                "`images/*` with `masks/*` of the same names (or `frames` with `truth`, or `ground_truth`)"
            }
            Self::Csv => {
                "a `split.csv` or `labels.csv` with the columns `file`, `class`, and perhaps `split` and `mask`"
            }
            Self::AllBad | Self::AllGood => "a folder of pictures",
        }
    }

    /// Looks at a folder or file.
    ///
    /// # Errors
    /// [`SetError::Unknown`] if it looks like none of the formats.
    pub(super) fn of(path: &Path, split: Option<&str>) -> Result<Self, SetError> {
        let metadata = std::fs::metadata(path).map_err(SetError::read(path))?;
        let found = if metadata.is_dir() {
            Self::of_folder(path, split.unwrap_or(SPLIT))?
        } else {
            Self::of_file(path)
        };
        found.ok_or_else(|| SetError::Unknown {
            path: path.to_owned(),
            known: [
                Self::Mvtec,
                Self::Coco,
                Self::Yolo,
                Self::Voc,
                Self::Masks,
                Self::Csv,
            ]
            .map(|format| format!("  {:<6} {}", format.word(), format.wanted()))
            .join("\n"),
        })
    }

    fn of_file(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_lowercase();
        match ending.as_str() {
            "json" => Some(Self::Coco),
            "csv" => Some(Self::Csv),
            "yaml" | "yml" => Some(Self::Yolo),
            _ => None,
        }
    }

    fn of_folder(path: &Path, split: &str) -> Result<Option<Self>, SetError> {
        let has = |below: &str| path.join(below).is_dir();
        let ends = |ending: &str| -> Result<bool, SetError> {
            let fits = |entry: &std::path::PathBuf| {
                entry.is_file() && name_of(entry).to_lowercase().ends_with(ending)
            };
            Ok(entries(path)?.iter().any(fits))
        };
        let is_mvtec = || -> Result<bool, SetError> {
            if has("test/good") || has("train/good") {
                return Ok(true);
            }
            Ok(has("ground_truth") && has("test") && !folders_in(&path.join("test"))?.is_empty())
        };
        Ok(if ends(".csv")? {
            Some(Self::Csv)
        } else if coco::file_of(path, split).is_some() || ends(".json")? {
            Some(Self::Coco)
        } else if has("Annotations") {
            Some(Self::Voc)
        } else if is_mvtec()? {
            Some(Self::Mvtec)
        } else if has("labels") || has("test/labels") || has("train/labels") || has("valid/labels")
        {
            Some(Self::Yolo)
        } else if masks::folders(path).is_some() {
            Some(Self::Masks)
        } else {
            None
        })
    }
}
