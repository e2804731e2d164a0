//! Writes a package: sealed, proved by loading it, and whole or not there at all.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::config::{sha256_hex, with_causes};
use crate::domain::Class;
use crate::vision::InputSpec;

use super::detector::{LoadReport, OnnxDetector, needs};
use super::error::ModelError;
use super::golden;
use super::graph::Loaded;
use super::layout::{OutputFile, Task, ThresholdsFile};
use super::manifest::{GoldenFile, InputFile, LabelFile, Manifest, ManifestFile, ProvedBy, SCHEMA};
use super::package::{MANIFEST, ModelPackage, PackageError};
use super::provider::SessionOptions;
use super::runtime::Runtime;
use super::tensors::{self, Tensor, Tensors};

const ONNX: &str = "model.onnx";
const FIXED: &str = "fixed.safetensors";
const CARD: &str = "README.md";

/// Everything that a package says and holds, but hashes.
#[derive(Debug, Clone)]
pub struct PackageDraft {
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What kind of answer it gives.
    pub task: Task,
    /// What it finds, in a sentence.
    pub description: String,
    /// What it saw.
    pub trained_on: String,
    /// Whose answers the golden vectors hold.
    pub proved_by: ProvedBy,
    /// The ONNX file, weights inside.
    pub onnx: Vec<u8>,
    /// The graph's inputs besides the picture.
    pub fixed: Tensors,
    /// The graph's input that takes the picture.
    pub input_name: String,
    /// Size, channels and normalisation of the picture.
    pub input: InputSpec,
    /// How the graph's outputs are read.
    pub output: OutputFile,
    /// The thresholds that the layout needs.
    pub thresholds: ThresholdsFile,
    /// A classifier's label that means no defect.
    pub good_label: Option<String>,
    /// The labels in the order of the output's channels.
    pub labels: Vec<Class>,
    /// What was measured, by name.
    pub metrics: BTreeMap<String, f64>,
    /// What the package proves itself with, at least one.
    pub golden: Vec<GoldenDraft>,
    /// The model card, Markdown, for people.
    pub card: String,
}

/// A golden vector to be written.
#[derive(Debug, Clone)]
pub struct GoldenDraft {
    /// The picture's file.
    pub picture: Vec<u8>,
    /// Whether it is one as the camera gave it, which the whole preparation is proved with; else it
    /// has the input's size.
    pub original: bool,
    /// What the exporter's framework made of it, by the names of the outputs; `None`: what the graph
    /// makes of it here and now.
    pub outputs: Option<Tensors>,
    /// How far a number may be off at a later start.
    pub tolerance: f32,
}

/// What to do with a package that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenThere {
    /// Leave it alone: an error.
    Refuse,
    /// Put the new one in its place once that is proved.
    Replace,
}

/// Why no package was written; nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// There is one already.
    #[error("`{dir}` is there already; write another version, or replace it with `--force`")]
    Exists {
        /// The folder.
        dir: PathBuf,
    },
    /// A file or folder cannot be written.
    #[error("cannot write `{path}`")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What it says does not fit together.
    #[error("the package would not be sound:{}", list(mistakes))]
    Draft {
        /// What is wrong, each with what to do.
        mistakes: Vec<String>,
    },
    /// It was written and does not read back.
    #[error("the package does not read back")]
    Package(#[from] PackageError),
    /// It does not load, or does not compute what its golden vectors say.
    #[error("the package does not prove itself")]
    Model(#[from] ModelError),
}

fn list(mistakes: &[String]) -> String {
    mistakes
        .iter()
        .fold(String::new(), |text, mistake| text + "\n- " + mistake)
}

/// Writes the package to the folder `dir`, `<name>/<version>` as a rule: into a new folder beside it
/// first, where it is opened, loaded and proved; then it is renamed.
///
/// # Errors
/// [`WriteError`]; `dir` is as it was before.
pub fn write_package(
    dir: &Path,
    draft: &PackageDraft,
    (runtime, options): (&Runtime, &SessionOptions),
    when_there: WhenThere,
) -> Result<(ModelPackage, LoadReport), WriteError> {
    if when_there == WhenThere::Refuse && dir.exists() {
        return Err(WriteError::Exists {
            dir: dir.to_owned(),
        });
    }
    let files = files(draft, runtime, options)?;
    let part = beside(dir, "part");
    let written = write_files(&part, &files)
        .and_then(|()| Ok(ModelPackage::open(&part)?))
        .and_then(|package| Ok(OnnxDetector::load(package, runtime, options)?))
        .and_then(|(_, report)| {
            put_in_place(&part, dir)?;
            Ok(report)
        });
    match written {
        Ok(report) => Ok((ModelPackage::open(dir)?, report)),
        Err(error) => {
            // What could not be finished is of no use; the error says more than this one.
            fs::remove_dir_all(&part).unwrap_or_default();
            Err(error)
        }
    }
}

/// `dir` with another name, in the same folder, so that it can be renamed.
fn beside(dir: &Path, word: &str) -> PathBuf {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    dir.with_file_name(format!(".{name}.{}.{word}", std::process::id()))
}

/// All files of the package, the manifest last.
fn files(
    draft: &PackageDraft,
    runtime: &Runtime,
    options: &SessionOptions,
) -> Result<Vec<(String, Vec<u8>)>, WriteError> {
    let broken = |problem: String| WriteError::Draft {
        mistakes: vec![problem],
    };
    let mut files = vec![(ONNX.to_owned(), draft.onnx.clone())];
    let mut manifest = manifest(draft);
    if !draft.fixed.is_empty() {
        let bytes = tensors::write(&draft.fixed).map_err(broken)?;
        manifest.fixed = Some(FIXED.to_owned());
        manifest.fixed_sha256 = Some(sha256_hex(&bytes));
        files.push((FIXED.to_owned(), bytes));
    }
    let checked = manifest
        .clone()
        .check()
        .map_err(|mistakes| WriteError::Draft { mistakes })?;
    let outputs = golden_outputs(draft, &checked, runtime, options)?;
    for ((vector, draft), outputs) in manifest.golden.iter_mut().zip(&draft.golden).zip(&outputs) {
        let bytes = tensors::write(outputs).map_err(broken)?;
        vector.outputs_sha256 = sha256_hex(&bytes);
        files.push((vector.image.clone(), draft.picture.clone()));
        files.push((vector.outputs.clone(), bytes));
    }
    let text = toml::to_string(&manifest).map_err(|error| broken(with_causes(&error)))?;
    files.push((CARD.to_owned(), draft.card.clone().into_bytes()));
    files.push((MANIFEST.to_owned(), text.into_bytes()));
    Ok(files)
}

/// The manifest; the hashes of the outputs are still to come.
pub(super) fn manifest(draft: &PackageDraft) -> ManifestFile {
    let label = |label: &Class| LabelFile {
        name: label.name.to_string(),
        code: label.code.to_string(),
    };
    let golden = |(index, golden): (usize, &GoldenDraft)| GoldenFile {
        image: format!("golden/{:02}.{}", index + 1, ending(&golden.picture)),
        image_sha256: sha256_hex(&golden.picture),
        outputs: format!("golden/{:02}.safetensors", index + 1),
        outputs_sha256: sha256_hex(&[]),
        tolerance: golden.tolerance,
        original: golden.original,
    };
    ManifestFile {
        schema: SCHEMA,
        name: draft.name.clone(),
        version: draft.version.clone(),
        task: draft.task,
        description: draft.description.clone(),
        onnx: ONNX.to_owned(),
        onnx_sha256: sha256_hex(&draft.onnx),
        fixed: None,
        fixed_sha256: None,
        trained_on: draft.trained_on.clone(),
        proved_by: draft.proved_by,
        input: InputFile::new(&draft.input_name, &draft.input),
        output: draft.output.clone(),
        thresholds: draft.thresholds,
        good_label: draft.good_label.clone(),
        labels: draft.labels.iter().map(label).collect(),
        golden: draft.golden.iter().enumerate().map(golden).collect(),
        metrics: draft.metrics.clone(),
    }
}

/// What a picture's file is called after the dot.
fn ending(picture: &[u8]) -> &'static str {
    match picture {
        [0xFF, 0xD8, ..] => "jpg",
        [b'B', b'M', ..] => "bmp",
        [b'I', b'I', ..] | [b'M', b'M', ..] => "tif",
        _ => "png",
    }
}

/// The outputs of each golden vector: the exporter's, or those of the graph.
fn golden_outputs(
    draft: &PackageDraft,
    manifest: &Manifest,
    runtime: &Runtime,
    options: &SessionOptions,
) -> Result<Vec<Tensors>, WriteError> {
    let model = format!("{} {}", draft.name, draft.version);
    let graph = Loaded::open(&model, &draft.onnx, runtime, options)?
        .into_graph(needs(manifest, draft.fixed.clone()))?;
    let input = &manifest.input;
    let sides = [input.channels, input.height_px, input.width_px].map(|side| side as usize);
    let mut all = Vec::with_capacity(draft.golden.len());
    for (index, golden) in draft.golden.iter().enumerate() {
        if let Some(outputs) = &golden.outputs {
            all.push(outputs.clone());
            continue;
        }
        let tensor = if golden.original {
            golden::original_tensor(input, &golden.picture)
        } else {
            golden::tensor(input, &golden.picture)
        };
        let tensor = tensor.map_err(|problem| WriteError::Draft {
            mistakes: vec![format!("golden[{index}]: {problem}")],
        })?;
        let values = graph.run(&tensor, sides)?.into_iter().map(Tensor::F32);
        let names = manifest.outputs.iter().map(|(_, name)| name.clone());
        all.push(names.zip(values).collect());
    }
    Ok(all)
}

fn write_files(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), WriteError> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(write_error(folder))?;
    }
    let golden = folder.join("golden");
    fs::create_dir_all(&golden).map_err(write_error(&golden))?;
    for (name, bytes) in files {
        let path = folder.join(name);
        let mut file = fs::File::create(&path).map_err(write_error(&path))?;
        file.write_all(bytes).map_err(write_error(&path))?;
        file.sync_all().map_err(write_error(&path))?;
    }
    Ok(())
}

fn put_in_place(part: &Path, dir: &Path) -> Result<(), WriteError> {
    let old = beside(dir, "old");
    let is_there = dir.exists();
    if is_there {
        fs::rename(dir, &old).map_err(write_error(dir))?;
    }
    if let Err(source) = fs::rename(part, dir) {
        if is_there {
            fs::rename(&old, dir).map_err(write_error(dir))?;
        }
        return Err(write_error(dir)(source));
    }
    if is_there {
        fs::remove_dir_all(&old).map_err(write_error(&old))?;
    }
    Ok(())
}

fn write_error(path: &Path) -> impl FnOnce(std::io::Error) -> WriteError {
    let path = path.to_owned();
    |source| WriteError::Write { path, source }
}
