//! A package that is not written yet, run with pictures of any size.

use crate::config::with_causes;
use crate::vision::{DecodeLimits, InputSpec, Picture, Preparer, decode, prepare_whole};

use super::super::decode::check_shapes;
use super::super::detector::needs;
use super::super::error::ModelError;
use super::super::graph::{Graph, Loaded};
use super::super::layout::OutputFile;
use super::super::manifest::Manifest;
use super::super::output::RawOutput;
use super::super::provider::SessionOptions;
use super::super::runtime::Runtime;
use super::super::write::{GoldenDraft, PackageDraft, WriteError, manifest};

/// A draft with its graph loaded.
#[derive(Debug)]
pub(super) struct Trial {
    model: String,
    pub(super) manifest: Manifest,
    graph: Graph,
}

impl Trial {
    /// Checks the draft, but for golden vectors, and loads its graph.
    pub(super) fn new(
        draft: &PackageDraft,
        runtime: &Runtime,
        options: &SessionOptions,
    ) -> Result<Self, WriteError> {
        let manifest = checked(draft)?;
        let model = format!("{} {}", draft.name, draft.version);
        let graph = Loaded::open(&model, &draft.onnx, runtime, options)?
            .into_graph(needs(&manifest, draft.fixed.clone()))?;
        Ok(Self {
            model,
            manifest,
            graph,
        })
    }

    /// Runs a prepared picture.
    pub(super) fn run(&self, input: &InputSpec, tensor: &[f32]) -> Result<RawOutput, ModelError> {
        let sides = [input.channels, input.height_px, input.width_px].map(|side| side as usize);
        let values = self.graph.run(tensor, sides)?;
        let roles = self.manifest.outputs.iter().map(|(role, _)| *role);
        let raw = RawOutput::new(&self.model, roles.zip(values).collect())?;
        check_shapes(&self.manifest, &raw).map_err(|problem| ModelError::Output {
            model: self.model.clone(),
            problem,
        })?;
        Ok(raw)
    }
}

/// The manifest with the outputs read in another way, where that makes sense.
pub(super) fn read_as(draft: &PackageDraft, output: &OutputFile) -> Option<Manifest> {
    let other = PackageDraft {
        output: output.clone(),
        onnx: Vec::new(),
        ..draft.clone()
    };
    checked(&other).ok()
}

fn checked(draft: &PackageDraft) -> Result<Manifest, WriteError> {
    let mut draft = PackageDraft {
        onnx: Vec::new(),
        ..draft.clone()
    };
    // One that stands for those to come.
    draft.golden = vec![GoldenDraft {
        picture: Vec::new(),
        original: true,
        outputs: None,
        tolerance: 0.0,
    }];
    let manifest = manifest(&draft).check();
    manifest.map_err(|mistakes| WriteError::Draft { mistakes })
}

/// The picture of a file.
pub(super) fn picture(bytes: &[u8]) -> Result<Picture, String> {
    decode(bytes, DecodeLimits::default()).map_err(|error| with_causes(&error))
}

/// The picture as the model is fed, and the way back to it.
pub(super) fn prepared(
    picture: &Picture,
    input: &InputSpec,
) -> Result<(Vec<f32>, Preparer), String> {
    let mut tensor = vec![0.0; input.tensor_length()];
    let preparer =
        prepare_whole(picture, input, &mut tensor).map_err(|error| with_causes(&error))?;
    Ok((tensor, preparer))
}
