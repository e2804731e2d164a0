//! Patch rows of prepared pictures: from the cache where they are there, else from the backbone.

use crate::model::{Backbone, FeatureNet, ModelError, Runtime, SessionOptions};
use ndarray::Array2;

use super::cache::{Cache, Found, key};
use super::error::TeachError;
use super::look::{Look, Part};
use super::threads::with_state;

/// What runs graphs, and on how many threads at a time.
#[derive(Debug, Clone)]
pub struct Engine {
    /// ONNX Runtime.
    pub runtime: Runtime,
    /// The frozen backbone.
    pub backbone: Backbone,
    /// Pictures at a time, each on one thread.
    pub n_threads: usize,
}

/// The rows of each part, and what the cache had to say.
#[derive(Debug, Default)]
pub(super) struct Extracted {
    pub(super) rows: Vec<Array2<f32>>,
    /// How many came from the cache.
    pub(super) n_cached: usize,
    /// Files of the cache that were broken or could not be written.
    pub(super) notes: Vec<String>,
}

impl Engine {
    /// A graph runs on the one thread that asks: parts are spread over threads instead.
    pub(super) fn options() -> SessionOptions {
        SessionOptions::default()
    }

    /// The rows of all parts in their order, each after `finish`; `done` is called after each.
    pub(super) fn rows(
        &self,
        (look, cache): (&Look, &Cache),
        parts: &[&Part],
        finish: &(dyn Fn(Array2<f32>) -> Array2<f32> + Sync),
        done: &(dyn Fn() + Sync),
    ) -> Result<Extracted, TeachError> {
        // The graph is loaded by the first picture of a thread that is not in the cache.
        let none = || Ok::<Option<FeatureNet>, TeachError>(None);
        let found = with_state(self.n_threads, parts, none, |net, part| {
            let (raw, is_cached, note) = self.raw_rows((look, cache), net, part)?;
            done();
            Ok::<_, TeachError>((finish(raw), is_cached, note))
        })?;
        let mut extracted = Extracted {
            rows: Vec::with_capacity(parts.len()),
            n_cached: 0,
            notes: Vec::new(),
        };
        for found in found {
            let (rows, is_cached, note) = found?;
            extracted.rows.push(rows);
            extracted.n_cached += usize::from(is_cached);
            extracted.notes.extend(note);
        }
        Ok(extracted)
    }

    fn raw_rows(
        &self,
        (look, cache): (&Look, &Cache),
        net: &mut Option<FeatureNet>,
        part: &Part,
    ) -> Result<(Array2<f32>, bool, Option<String>), TeachError> {
        let key = key(&part.input, &self.backbone.onnx_sha256);
        let mut note = match cache.find(&key) {
            Found::Rows(rows) => return Ok((rows, true, None)),
            Found::Nothing => None,
            Found::Broken(text) => Some(text),
        };
        let tensor = look.tensor(&part.input)?;
        let net = match net {
            Some(net) => net,
            None => net.insert(self.feature_net()?),
        };
        let [height_px, width_px] = look.sides();
        let rows = net.features(&tensor, height_px, width_px)?;
        if let Err(error) = cache.keep(&key, &rows) {
            let folder = cache.folder().display();
            note = Some(format!("`{folder}`: rows cannot be kept: {error}"));
        }
        Ok((rows, false, note))
    }

    fn feature_net(&self) -> Result<FeatureNet, ModelError> {
        FeatureNet::load(&self.backbone, &self.runtime, &Self::options())
    }
}
