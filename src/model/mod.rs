//! Models: sealed packages, ONNX Runtime, and from its numbers to detections.
//!
//! A package is opened ([`ModelPackage::open`]: hashes, labels, thresholds), loaded
//! ([`OnnxDetector::load`]: graph against manifest, golden vectors, warm-up, latency) and then asked
//! once for each picture. Whatever is wrong with a model ends as a [`ModelError`], never as a pass.
//! The only room that names `ort` and `safetensors`.

mod allowance;
mod backbone;
mod compare;
mod decode;
mod detector;
mod error;
mod external_data;
mod golden;
mod graph;
pub mod import;
mod layout;
mod manifest;
mod output;
mod package;
mod provider;
mod runtime;
mod tensors;
mod thresholds;
mod write;

pub use backbone::{BACKBONE, Backbone, FeatureNet, Lesson, MapNet};
pub use decode::DETECTIONS_MAX;
pub use detector::{Detector, LoadReport, OnnxDetector};
pub use error::ModelError;
pub use layout::{
    Activation, Axes, Coordinates, ImageScore, Layout, LayoutFile, OutputFile, Range, Task,
    ThresholdsFile,
};
pub use manifest::{Manifest, ProvedBy};
pub use output::{RawOutput, Role};
pub use package::{MANIFEST, ModelPackage, PackageError};
pub use provider::{Provider, ProviderNameError, SessionOptions};
pub use runtime::{Runtime, RuntimeError};
pub use tensors::{Tensor, Tensors, read as tensors_of};
pub use write::{GoldenDraft, PackageDraft, WhenThere, WriteError, write_package};
