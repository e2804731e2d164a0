//! A golden directory: original pictures with what the exporter's own framework made of each.
//!
//! `golden.json` says how the framework prepared them; `pictures/` has the original files; `outputs/`
//! has a safetensors file of the same stem for each: the graph's outputs by name, perhaps `input` (the
//! prepared picture) and `answer.*` (the framework's final answer).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::layout::ThresholdsFile;
use super::super::package::read_file;
use super::super::tensors::{self, Tensors};
use super::ImportError;
use super::preparation::{Color, Preparation};

/// Most pictures that are looked at.
const PICTURES_MAX: usize = 2000;
/// Largest picture or outputs file.
const BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Largest `golden.json`.
const JSON_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A golden directory, its pictures still unread.
#[derive(Debug, Clone)]
pub struct GoldenDir {
    /// The framework and its version.
    pub(super) framework: String,
    pub(super) labels: Vec<String>,
    pub(super) preparation: Preparation,
    pub(super) thresholds: ThresholdsFile,
    /// Keys that mean nothing here.
    pub(super) unknown: Vec<String>,
    pictures: Vec<Recorded>,
}

/// A picture, and what the framework made of it.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    pub(super) name: String,
    picture: PathBuf,
    outputs: PathBuf,
}

/// The files' bytes, read.
pub(super) struct RecordedBytes {
    pub(super) picture: Vec<u8>,
    pub(super) tensors: Tensors,
}

impl GoldenDir {
    /// Reads `golden.json` and lists the pictures.
    ///
    /// # Errors
    /// [`ImportError`] if it is not in this form; record it again.
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        let wrong = |problem: String| ImportError::Golden {
            path: path.to_owned(),
            problem,
        };
        let file = path.join("golden.json");
        let bytes = read_file(&file, JSON_BYTES_MAX).map_err(|source| ImportError::Read {
            path: file.clone(),
            source,
        })?;
        let json: Value = serde_json::from_slice(&bytes)
            .map_err(|error| wrong(format!("`golden.json` is no JSON: {error}")))?;
        if json.get("schema") != Some(&Value::from(1)) {
            return Err(wrong(
                "`golden.json` has not `\"schema\": 1`; record it again with models/train/record_golden.py"
                    .to_owned(),
            ));
        }
        let mut golden = Self {
            framework: text(&json, "framework").unwrap_or_default(),
            labels: texts(&json, "labels"),
            preparation: Preparation::default(),
            thresholds: ThresholdsFile {
                confidence_threshold: number(&json, "confidence_threshold"),
                iou_threshold: number(&json, "iou_threshold"),
                ..ThresholdsFile::default()
            },
            unknown: unknown(&json),
            pictures: list(path)?,
        };
        if let Some(said) = json.get("preprocessing") {
            golden.preparation = preparation(said).map_err(wrong)?;
        }
        Ok(golden)
    }

    /// How many pictures there are.
    pub fn n_pictures(&self) -> usize {
        self.pictures.len()
    }

    /// Who recorded it.
    pub fn framework(&self) -> &str {
        &self.framework
    }

    /// Keys of `golden.json` that this program does not know.
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }

    pub(super) fn pictures(&self) -> &[Recorded] {
        &self.pictures
    }
}

impl Recorded {
    /// Reads both files.
    pub(super) fn read(&self) -> Result<RecordedBytes, ImportError> {
        let read = |path: &Path| {
            read_file(path, BYTES_MAX).map_err(|source| ImportError::Read {
                path: path.to_owned(),
                source,
            })
        };
        let tensors = tensors::read_known(&read(&self.outputs)?);
        Ok(RecordedBytes {
            picture: read(&self.picture)?,
            tensors: tensors.map_err(|problem| ImportError::Golden {
                path: self.outputs.clone(),
                problem,
            })?,
        })
    }
}

/// The pictures that have outputs, by name.
fn list(path: &Path) -> Result<Vec<Recorded>, ImportError> {
    let folder = path.join("pictures");
    let read_error = |source| ImportError::Read {
        path: folder.clone(),
        source,
    };
    let mut pictures = Vec::new();
    let mut without = Vec::new();
    for entry in fs::read_dir(&folder).map_err(read_error)? {
        let picture = entry.map_err(read_error)?.path();
        let stem = picture.file_stem().unwrap_or_default().to_owned();
        let outputs = path
            .join("outputs")
            .join(stem)
            .with_extension("safetensors");
        let name = picture
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if outputs.is_file() {
            pictures.push(Recorded {
                name,
                picture,
                outputs,
            });
        } else {
            without.push(name);
        }
    }
    let wrong = |problem: String| ImportError::Golden {
        path: path.to_owned(),
        problem,
    };
    if let Some(one) = without.iter().min() {
        return Err(wrong(format!(
            "{} of the pictures have no file in `outputs/`, for example `{one}`; record it again",
            without.len()
        )));
    }
    if pictures.is_empty() || pictures.len() > PICTURES_MAX {
        return Err(wrong(format!(
            "it has {} pictures; record 1 to {PICTURES_MAX}",
            pictures.len()
        )));
    }
    pictures.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(pictures)
}

fn text(json: &Value, key: &str) -> Option<String> {
    json.get(key)?.as_str().map(str::to_owned)
}

fn texts(json: &Value, key: &str) -> Vec<String> {
    let list = json.get(key).and_then(Value::as_array);
    let words = list.into_iter().flatten().filter_map(Value::as_str);
    words.map(str::to_owned).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "thresholds and grey values need few digits"
)]
fn number(json: &Value, key: &str) -> Option<f32> {
    json.get(key)?.as_f64().map(|number| number as f32)
}

fn whole(json: &Value, key: &str) -> Option<u32> {
    json.get(key)?
        .as_u64()
        .and_then(|number| u32::try_from(number).ok())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "means and spreads of grey values need few digits"
)]
fn numbers(json: &Value, key: &str) -> Option<Vec<f32>> {
    let list = json.get(key)?.as_array()?;
    list.iter()
        .map(|value| value.as_f64().map(|number| number as f32))
        .collect()
}

fn preparation(said: &Value) -> Result<Preparation, String> {
    let wrong = |key: &str, problem: String| format!("`preprocessing.{key}`: {problem}");
    let resize = text(said, "resize").map(|word| word.parse());
    let filter = text(said, "interpolation").map(|word| word.parse());
    let color = said.get("rgb").and_then(Value::as_bool);
    Ok(Preparation {
        size: whole(said, "width").zip(whole(said, "height")),
        resize: resize
            .transpose()
            .map_err(|problem| wrong("resize", problem))?,
        shorter_px: whole(said, "resize_shorter_px"),
        crop_fraction: said.get("crop_fraction").and_then(Value::as_f64),
        interpolation: filter
            .transpose()
            .map_err(|problem| wrong("interpolation", problem))?,
        mean: numbers(said, "mean"),
        scale: numbers(said, "scale"),
        color: color.map(|is_red_first| if is_red_first { Color::Rgb } else { Color::Bgr }),
        pad_value: whole(said, "pad_value").and_then(|value| u8::try_from(value).ok()),
    })
}

/// Keys that nothing here reads.
fn unknown(json: &Value) -> Vec<String> {
    const KNOWN: [&str; 8] = [
        "schema",
        "framework",
        "family",
        "labels",
        "confidence_threshold",
        "iou_threshold",
        "preprocessing",
        "note",
    ];
    let keys = json
        .as_object()
        .into_iter()
        .flat_map(|object| object.keys());
    keys.filter(|key| !KNOWN.contains(&key.as_str()))
        .cloned()
        .collect()
}
