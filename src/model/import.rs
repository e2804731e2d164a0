//! From an exported ONNX file to a package: what it is, how it is fed, and proof that it scores here
//! as it did where it was exported.
//!
//! [`Export::read`] looks at the graph, [`Export::recognise`] says what it is and what is missing,
//! [`prove`] runs the exporter's own pictures through the gate's own preparation and compares.

mod anomalib;
mod answers;
mod classes;
mod detectors;
mod export;
mod families;
mod golden_dir;
mod metadata;
mod parity;
mod preparation;
mod probe;
mod recognise;
mod search;
mod trial;

use std::path::PathBuf;

use super::error::ModelError;
use super::graph::Port;

pub use families::Family;
pub use golden_dir::GoldenDir;
pub use parity::{Flip, OutputDifference, Parity, SCORE_DIFFERENCE_MAX, prove};
pub use preparation::{Color, Preparation, ResizeWord};
pub use recognise::{Hints, Recognised, Row};
pub use search::{Alternative, search};

/// An exported ONNX file, read, with what lies beside it.
#[derive(Debug)]
pub struct Export {
    onnx: Vec<u8>,
    signature: Signature,
}

/// What a graph says of itself.
#[derive(Debug, Clone)]
struct Signature {
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    /// `metadata_props`.
    metadata: std::collections::BTreeMap<String, String>,
    /// `metadata.json` in the same folder, where anomalib 1 writes how distances become scores.
    beside: Option<serde_json::Value>,
    /// Numbers of each output on a picture of noise.
    probe: probe::Probe,
}

/// Why an export cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The ONNX file is none, or its weights are not there.
    #[error("`{path}` cannot be imported: {problem}")]
    Onnx {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// ONNX Runtime refuses it.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The golden directory is not what it should be.
    #[error("the golden directory `{path}`: {problem}")]
    Golden {
        /// The directory or a file in it.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Something must be said that the file does not say.
    #[error("the file does not say all that a package must know:{}", list(missing))]
    Missing {
        /// Each with what to give.
        missing: Vec<String>,
    },
}

fn list(lines: &[String]) -> String {
    lines
        .iter()
        .fold(String::new(), |text, line| text + "\n- " + line)
}
