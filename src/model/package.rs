//! A model package: one folder, sealed by hashes.
//!
//! The bytes that were hashed are the bytes that run: they are read once, here, and handed on.

use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::config::sha256_hex;
use crate::domain::{Class, ItemVersion};

use super::manifest::{Golden, Manifest, ManifestFile, Mistakes, SCHEMA};
use super::tensors::{self, Tensors};

/// The file that describes a package.
pub const MANIFEST: &str = "manifest.toml";
/// Largest manifest.
pub(super) const MANIFEST_BYTES_MAX: u64 = 256 * 1024;
/// Largest ONNX file.
pub(super) const ONNX_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Largest file of fixed inputs.
pub(super) const FIXED_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Largest picture or outputs file of a golden vector.
const GOLDEN_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A package whose manifest is right and whose files are those that it describes.
#[derive(Debug)]
pub struct ModelPackage {
    dir: PathBuf,
    manifest: Manifest,
    sha256: String,
    pub(super) sealed: Sealed,
}

/// The bytes of the files, until a detector takes them.
#[derive(Debug, Default)]
pub(super) struct Sealed {
    pub(super) onnx: Vec<u8>,
    pub(super) fixed: Tensors,
    pub(super) golden: Vec<GoldenBytes>,
}

/// The bytes of one golden vector.
#[derive(Debug)]
pub(super) struct GoldenBytes {
    pub(super) name: String,
    pub(super) image: Vec<u8>,
    pub(super) outputs: Vec<u8>,
    pub(super) tolerance: f32,
    pub(super) original: bool,
}

/// Why a folder is no model package.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The manifest cannot be read.
    #[error("cannot read `{path}`; a model package is a folder with a `manifest.toml`")]
    Read {
        /// The manifest.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The manifest is not in the form that this program knows.
    #[error("cannot understand `{path}`")]
    Parse {
        /// The manifest.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The manifest was written for another version of this program.
    #[error(
        "`{path}` has `schema = {schema}` and this program reads {SCHEMA}; use the program that belongs to it, or export the package again"
    )]
    Schema {
        /// The manifest.
        path: PathBuf,
        /// What it says.
        schema: i64,
    },
    /// The manifest or the files are wrong: all mistakes at once.
    #[error("`{dir}` is no sound model package:{}", list(mistakes))]
    Mistakes {
        /// The package.
        dir: PathBuf,
        /// What is wrong, each with what to do.
        mistakes: Vec<String>,
    },
}

fn list(mistakes: &[String]) -> String {
    mistakes
        .iter()
        .fold(String::new(), |text, mistake| text + "\n- " + mistake)
}

impl ModelPackage {
    /// Reads the folder, checks the manifest, and checks each file against its hash.
    ///
    /// # Errors
    /// [`PackageError`]; the station stays out of `Ready` until the package is replaced.
    pub fn open(dir: &Path) -> Result<Self, PackageError> {
        let path = dir.join(MANIFEST);
        let read_error = |source| PackageError::Read {
            path: path.clone(),
            source,
        };
        let root = dir.canonicalize().map_err(read_error)?;
        let bytes = read_file(&path, MANIFEST_BYTES_MAX).map_err(read_error)?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            read_error(std::io::Error::new(std::io::ErrorKind::InvalidData, error))
        })?;
        let file = parse(&path, text)?;
        let mistakes = |mistakes| PackageError::Mistakes {
            dir: dir.to_owned(),
            mistakes,
        };
        let manifest = file.check().map_err(mistakes)?;
        let sealed = read_sealed(&root, &manifest).map_err(mistakes)?;
        Ok(Self {
            dir: root,
            manifest,
            sha256: sha256_hex(&bytes),
            sealed,
        })
    }

    /// The folder it was read from.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the manifest says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// SHA-256 of the manifest, which holds the hashes of all other files: it names the whole package.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// What it says of itself, for people: key and value, in a fixed order.
    pub fn describe(&self) -> Vec<(&'static str, String)> {
        let manifest = &self.manifest;
        let input = &manifest.input;
        let label = |class: &Class| match &*class.code {
            "" => class.name.to_string(),
            code => format!("{} ({code})", class.name),
        };
        let labels: Vec<String> = manifest.labels.iter().map(label).collect();
        let metrics: Vec<String> = manifest
            .metrics
            .iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        vec![
            ("name", manifest.name.clone()),
            ("version", manifest.version.clone()),
            ("task", manifest.task.to_string()),
            ("description", manifest.description.clone()),
            (
                "input",
                format!(
                    "{} x {} px, {} channel(s)",
                    input.width_px, input.height_px, input.channels
                ),
            ),
            ("layout", manifest.output.layout.to_string()),
            ("thresholds", manifest.thresholds.to_string()),
            ("labels", labels.join(", ")),
            ("trained on", manifest.trained_on.clone()),
            ("metrics", metrics.join(", ")),
            ("golden vectors", manifest.golden.len().to_string()),
            ("proved by", manifest.proved_by.to_string()),
            ("onnx sha256", manifest.onnx_sha256.clone()),
            ("package sha256", self.sha256.clone()),
        ]
    }

    /// Name, version and hash, as a record keeps them.
    pub fn item_version(&self) -> ItemVersion {
        ItemVersion {
            name: self.manifest.name.clone(),
            version: self.manifest.version.clone(),
            sha256: self.sha256.clone(),
        }
    }

    /// Numbers of the input tensor: channels x rows x columns.
    pub fn tensor_length(&self) -> usize {
        let input = &self.manifest.input;
        [input.channels, input.height_px, input.width_px]
            .into_iter()
            .map(|side| side as usize)
            .product()
    }
}

fn parse(path: &Path, text: &str) -> Result<ManifestFile, PackageError> {
    // First the number alone: a newer form may have keys that this program cannot know.
    #[derive(Deserialize)]
    struct SchemaOnly {
        schema: i64,
    }
    if let Ok(SchemaOnly { schema }) = toml::from_str(text)
        && schema != SCHEMA
    {
        return Err(PackageError::Schema {
            path: path.to_owned(),
            schema,
        });
    }
    toml::from_str(text).map_err(|source| PackageError::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

fn read_sealed(root: &Path, manifest: &Manifest) -> Result<Sealed, Vec<String>> {
    let mut mistakes = Mistakes::default();
    let mut read = |key: &str, file: &str, sha256: &str, bytes_max: u64| {
        checked_bytes(root, file, sha256, bytes_max)
            .map_err(|mistake| {
                mistakes.note(format_args!(
                    "`{key} = \"{}\"`: {mistake}",
                    file.escape_debug()
                ));
            })
            .unwrap_or_default()
    };
    let onnx = read(
        "onnx",
        &manifest.onnx,
        &manifest.onnx_sha256,
        ONNX_BYTES_MAX,
    );
    let fixed = manifest
        .fixed
        .as_ref()
        .map(|(file, sha256)| read("fixed", file, sha256, FIXED_BYTES_MAX));
    let mut golden = Vec::with_capacity(manifest.golden.len());
    for (index, vector) in manifest.golden.iter().enumerate() {
        let Golden {
            image,
            image_sha256,
            outputs,
            outputs_sha256,
            tolerance,
            original,
        } = vector;
        let key = |name: &str| format!("golden[{index}].{name}");
        golden.push(GoldenBytes {
            name: image.clone(),
            image: read(&key("image"), image, image_sha256, GOLDEN_BYTES_MAX),
            outputs: read(&key("outputs"), outputs, outputs_sha256, GOLDEN_BYTES_MAX),
            tolerance: *tolerance,
            original: *original,
        });
    }
    if !mistakes.0.is_empty() {
        return Err(mistakes.0);
    }
    super::external_data::refuse(&onnx).map_err(|mistake| vec![mistake])?;
    let fixed = fixed.map_or(Ok(Tensors::new()), |bytes| read_fixed(&bytes));
    Ok(Sealed {
        onnx,
        fixed: fixed.map_err(|problem| vec![format!("`fixed`: {problem}")])?,
        golden,
    })
}

/// The inputs that are the same for every picture.
pub(super) fn read_fixed(bytes: &[u8]) -> Result<Tensors, String> {
    let tensors = tensors::read(bytes)?;
    match tensors.iter().find(|(_, tensor)| tensor.has_nan()) {
        None => Ok(tensors),
        Some((name, _)) => Err(format!(
            "the tensor `{name}` has numbers that are NaN or infinite"
        )),
    }
}

/// The bytes of a file of the package, or what is wrong with it.
pub(super) fn checked_bytes(
    root: &Path,
    file: &str,
    expected: &str,
    bytes_max: u64,
) -> Result<Vec<u8>, String> {
    let inside = !file.is_empty()
        && !file.contains(['\\', '\0'])
        && Path::new(file)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
    if !inside {
        return Err("this leaves the package; write a path inside its folder".to_owned());
    }
    let path = root
        .join(file)
        .canonicalize()
        .map_err(|error| format!("cannot find it: {error}"))?;
    if !path.starts_with(root) {
        return Err("this link leaves the package; put the file itself there".to_owned());
    }
    let bytes = read_file(&path, bytes_max).map_err(|error| format!("cannot read it: {error}"))?;
    let found = sha256_hex(&bytes);
    if found == expected {
        Ok(bytes)
    } else {
        Err(format!(
            "SHA-256 is {found} where the manifest has {expected}: the file was changed or cut off; copy or export the package again"
        ))
    }
}

pub(super) fn read_file(path: &Path, bytes_max: u64) -> std::io::Result<Vec<u8>> {
    // A named pipe would wait for ever when opened: look first.
    if !path.metadata()?.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(bytes_max)).unwrap_or(0));
    // One more than allowed: a file that grows while it is read is seen.
    (&mut file).take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(std::io::Error::other(format!(
            "it has more than {bytes_max} bytes"
        )));
    }
    Ok(bytes)
}
