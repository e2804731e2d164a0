//! Reading an exported file: its weights, wherever they lie, and what the graph says of itself.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::super::external_data::{self, Elsewhere};
use super::super::graph::{Loaded, Port};
use super::super::package::{ONNX_BYTES_MAX, read_file};
use super::super::provider::SessionOptions;
use super::super::runtime::Runtime;
use super::golden_dir::GoldenDir;
use super::probe::Probe;
use super::recognise::Hints;
use super::{Export, ImportError, Signature};

impl Export {
    /// Reads the file, takes in weights that lie beside it, and looks at the graph.
    ///
    /// # Errors
    /// [`ImportError`] if it is no ONNX file, or its weights are not there.
    pub fn read(
        path: &Path,
        runtime: &Runtime,
        options: &SessionOptions,
        hints: &Hints,
        golden: Option<&GoldenDir>,
    ) -> Result<Self, ImportError> {
        let read_error = |path: &Path| {
            let path = path.to_owned();
            |source| ImportError::Read { path, source }
        };
        let bytes = read_file(path, ONNX_BYTES_MAX).map_err(read_error(path))?;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let onnx = with_weights(&bytes, &folder).map_err(|problem| ImportError::Onnx {
            path: path.to_owned(),
            problem,
        })?;
        let model = path.file_name().unwrap_or_default().to_string_lossy();
        let loaded = Loaded::open(&model, &onnx, runtime, options)?;
        let beside = folder.join("metadata.json");
        let beside = fs::read(beside)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let mut signature = Signature {
            inputs: loaded.inputs(),
            outputs: loaded.outputs(),
            metadata: loaded.metadata()?,
            beside,
            probe: Probe::default(),
        };
        signature.probe = signature.probed(loaded, hints, golden);
        Ok(Self { onnx, signature })
    }
}

impl Signature {
    pub(super) fn output(&self, name: &str) -> Option<&Port> {
        self.outputs.iter().find(|port| port.name == name)
    }

    /// The sides of an output, those that are free in the graph as a run gave them; else 0.
    pub(super) fn sides(&self, port: &Port) -> Vec<usize> {
        let found = self.probe.shape(&port.name).map(<[usize]>::to_vec);
        found.unwrap_or_else(|| port.sides.iter().map(|side| side.unwrap_or(0)).collect())
    }

    /// The input that takes the picture.
    pub(super) fn picture(&self) -> Option<&Port> {
        self.inputs.iter().find(|port| is_picture(port))
    }

    /// Whether pictures go in, or numbers come out, with three digits.
    pub(super) fn is_float16(&self) -> bool {
        let mut ports = self.picture().into_iter().chain(&self.outputs);
        ports.any(Port::is_half)
    }

    /// Channels, rows and columns of the picture, where the graph has them.
    pub(super) fn picture_sides(&self) -> Option<[usize; 3]> {
        let [channels, rows, columns] = last_three(self.picture()?)?;
        Some([channels.unwrap_or(3), rows?, columns?])
    }
}

pub(super) fn last_three(port: &Port) -> Option<[Option<usize>; 3]> {
    let start = port.sides.len().checked_sub(3)?;
    port.sides.get(start..)?.try_into().ok()
}

fn is_picture(port: &Port) -> bool {
    let channels = last_three(port).map(|[channels, _, _]| channels);
    port.is_real()
        && [3, 4].contains(&port.sides.len())
        && channels.is_some_and(|side| side.is_none_or(|side| [1, 3].contains(&side)))
}

impl Signature {
    /// Runs the graph once, at the size that is known.
    fn probed(&self, loaded: Loaded, hints: &Hints, golden: Option<&GoldenDir>) -> Probe {
        let Some(picture) = self.picture() else {
            return Probe::default();
        };
        let [channels, rows, columns] = last_three(picture).unwrap_or_default();
        let size = hints
            .preparation
            .size
            .or_else(|| golden.and_then(|golden| golden.preparation.size))
            .unwrap_or((224, 224));
        let [width, height] = [size.0, size.1].map(|side| side as usize);
        let sides = [
            channels.unwrap_or(3),
            rows.unwrap_or(height),
            columns.unwrap_or(width),
        ];
        let mut fixed = hints.fixed.clone();
        for input in self
            .inputs
            .iter()
            .filter(|input| input.name != picture.name)
        {
            if !fixed.contains_key(&input.name) {
                fixed.extend(input.filled(100).map(|tensor| (input.name.clone(), tensor)));
            }
        }
        Probe::run(loaded, (picture, sides), fixed, &self.outputs)
    }
}

/// A part of a file beside the graph.
struct Part {
    file: File,
    path: PathBuf,
    offset: u64,
    length: u64,
}

impl Part {
    /// Finds it, without reading it.
    fn find(folder: &Path, place: &Elsewhere) -> Result<Self, String> {
        let named = Path::new(&place.location);
        if place.location.is_empty() || named.components().count() != 1 || named.is_absolute() {
            return Err(format!(
                "its weights lie in `{}`, which is not beside it; put the file there",
                place.location.escape_debug()
            ));
        }
        let path: PathBuf = folder.join(named);
        let (file, file_length) = open(&path).map_err(|error| unread(&path, &error))?;
        let rest = file_length.checked_sub(place.offset);
        let length = rest.and_then(|rest| {
            let length = place.length.unwrap_or(rest);
            (length <= rest).then_some(length)
        });
        match length {
            Some(length) => Ok(Self {
                file,
                path,
                offset: place.offset,
                length,
            }),
            None => Err(format!(
                "`{}` is shorter than the graph says; copy it again",
                path.display()
            )),
        }
    }

    fn read(mut self) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; usize::try_from(self.length).unwrap_or(usize::MAX)];
        self.file
            .seek(SeekFrom::Start(self.offset))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|error| unread(&self.path, &error))?;
        Ok(bytes)
    }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    // A named pipe would wait for ever when opened: look first.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

fn unread(path: &Path, error: &io::Error) -> String {
    format!(
        "its weights lie in `{}`, which cannot be read: {error}",
        path.display()
    )
}

/// The graph with the weights beside it inside. Their sizes are added up before one is read: many
/// tensors may name the same bytes.
fn with_weights(onnx: &[u8], folder: &Path) -> Result<Vec<u8>, String> {
    let mut length = onnx.len() as u64;
    external_data::embed(onnx, &mut |place| {
        length = length.saturating_add(Part::find(folder, place)?.length);
        if length <= ONNX_BYTES_MAX {
            return Ok(Vec::new());
        }
        Err(format!(
            "with the weights beside it, it has more than {ONNX_BYTES_MAX} bytes; export a smaller model"
        ))
    })?;
    external_data::embed(onnx, &mut |place| Part::find(folder, place)?.read())
}
