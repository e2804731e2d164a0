//! Why a model cannot be used or its answer cannot be trusted.

use std::path::PathBuf;

use super::provider::{Provider, words};

/// A model that failed: the part it was asked about is `Indeterminate(Model)`, never a pass.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The loaded ONNX Runtime was built without the provider.
    #[error(
        "`{library}` has no execution provider `{provider}`; it has {}: choose one of them, or install the ONNX Runtime that has it",
        words(available)
    )]
    NoProvider {
        /// The library.
        library: PathBuf,
        /// The provider asked for.
        provider: Provider,
        /// The providers there are.
        available: Vec<Provider>,
    },
    /// ONNX Runtime refuses the graph or the provider does not start.
    #[error("model `{model}`: ONNX Runtime cannot load the graph for `{provider}`")]
    Load {
        /// Name and version of the package.
        model: String,
        /// The provider asked for.
        provider: Provider,
        /// Why.
        #[source]
        source: ort::Error,
    },
    /// The graph asks for more memory than it may.
    #[error(
        "model `{model}`: the graph asks for more memory than `onnxruntime.memory_mb_max` allows; do not trust it, or raise that"
    )]
    Memory {
        /// Name and version of the package.
        model: String,
        /// What ONNX Runtime said.
        #[source]
        source: ort::Error,
    },
    /// The graph's inputs and outputs are not those of the manifest.
    #[error(
        "model `{model}`: graph and manifest differ; export the package again:{}",
        list(mistakes)
    )]
    Graph {
        /// Name and version of the package.
        model: String,
        /// Every difference.
        mistakes: Vec<String>,
    },
    /// A golden vector cannot be read.
    #[error(
        "model `{model}`: golden vector `{golden}` cannot be used: {problem}; export the package again"
    )]
    GoldenFile {
        /// Name and version of the package.
        model: String,
        /// The picture of the vector.
        golden: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The model computes something else here than where it was exported.
    #[error(
        "model `{model}`: golden vector `{golden}` does not come out as exported: {problem}; is it the right ONNX file, and are mean, scale and channel order those of the training?"
    )]
    Parity {
        /// Name and version of the package.
        model: String,
        /// The picture of the vector.
        golden: String,
        /// By how much.
        problem: String,
    },
    /// A run failed in ONNX Runtime.
    #[error("model `{model}`: the run failed")]
    Run {
        /// Name and version of the package.
        model: String,
        /// Why.
        #[source]
        source: ort::Error,
    },
    /// The caller's tensor has the wrong length.
    #[error("model `{model}`: the input tensor has {found} numbers and the model takes {expected}")]
    Tensor {
        /// Name and version of the package.
        model: String,
        /// Numbers given.
        found: usize,
        /// Numbers needed.
        expected: usize,
    },
    /// The output is not what the manifest's layout says.
    #[error("model `{model}`: the output cannot be trusted: {problem}")]
    Output {
        /// Name and version of the package.
        model: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A thread panicked while it ran the model.
    #[error("model `{model}`: an earlier run broke off in the middle; restart the station")]
    Poisoned {
        /// Name and version of the package.
        model: String,
    },
}

fn list(mistakes: &[String]) -> String {
    mistakes
        .iter()
        .fold(String::new(), |text, mistake| text + "\n- " + mistake)
}
