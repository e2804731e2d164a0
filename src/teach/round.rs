//! Learning from the pictures that are there, and again without those that do not look like good parts.

use std::collections::BTreeSet;
use std::path::Path;

use ndarray::Array2;

use crate::model::Lesson;

use super::bank::{Bank, Distance};
use super::cache::Cache;
use super::coreset::spaced;
use super::error::TeachError;
use super::features::Engine;
use super::look::{Look, Part};
use super::method::{BASIS_PARTS_MAX, DIMENSIONS, PARTS_MIN, RIDGE, SUSPICIOUS_SHARE_MAX};
use super::moved::moved;
use super::progress::Progress;
use super::split::split;
use super::study::Request;
use super::suspects::{Suspect, Suspicious, outliers};
use super::whitening::Whitening;
use super::world::World;

/// What was learnt once nothing more was left out.
pub(super) struct Settled {
    /// The parts that it was learnt from.
    pub(super) parts: Vec<Part>,
    pub(super) round: Round,
    /// Those that were left out, then those that are only pointed out.
    pub(super) suspects: Vec<Suspect>,
    /// Whether a person must look before anything is taught.
    pub(super) is_stopped: bool,
    /// What the cache had to say.
    pub(super) notes: Vec<String>,
    pub(super) n_cached: usize,
}

/// One go at learning: how unlike the others each part is, and the lesson of all.
pub(super) struct Round {
    pub(super) distances: Vec<Distance>,
    pub(super) lesson: Lesson,
    pub(super) world: World,
    pub(super) origins: Vec<usize>,
    pub(super) first_after_split: Option<usize>,
    n_cached: usize,
    notes: Vec<String>,
}

/// Learns, leaves out what does not look like good parts, and learns again until nothing more is left out.
/// `n_doubles` pictures were not counted before.
///
/// # Errors
/// [`TeachError`] if nothing can be learnt.
pub(super) fn settle(
    request: &Request,
    engine: &Engine,
    (look, cache): (&Look, &Cache),
    (mut parts, n_doubles): (Vec<Part>, usize),
    progress: &Progress<'_>,
) -> Result<Settled, TeachError> {
    let n_all = parts.len();
    let mut suspects: Vec<Suspect> = Vec::new();
    let mut moved = moved(&parts)?;
    let mut round = one_round(engine, look, &parts, cache, progress)?;
    let (n_cached, notes) = (round.n_cached, std::mem::take(&mut round.notes));
    loop {
        let mut found = std::mem::take(&mut moved);
        found.extend(outliers(look, &parts, &round.distances));
        let n_left_out = suspects.len();
        let files: BTreeSet<&Path> = found.iter().map(|one| one.part.path.as_path()).collect();
        let n_suspicious = n_left_out + files.len();
        let (out, stay): (Vec<_>, Vec<_>) = found.into_iter().partition(|suspect| {
            let policy = request.suspicious;
            policy.leaves_out(&suspect.why, n_left_out)
        });
        let is_out = |part: &Part| out.iter().any(|suspect| suspect.part.path == part.path);
        let n_out = n_all - parts.iter().filter(|part| !is_out(part)).count();
        let is_stopped = request.suspicious == Suspicious::Cautious
            && (n_all as f64 * SUSPICIOUS_SHARE_MAX < n_suspicious as f64
                || 0 < n_out && n_all < PARTS_MIN + n_out);
        if is_stopped || out.is_empty() {
            suspects.extend(out.into_iter().chain(stay));
            return Ok(Settled {
                parts,
                round,
                suspects,
                is_stopped,
                notes,
                n_cached,
            });
        }
        parts.retain(|part| !is_out(part));
        enough(&request.good, &parts, n_doubles + n_out)?;
        suspects.extend(out.into_iter().map(|suspect| Suspect {
            is_left_out: true,
            ..suspect
        }));
        round = one_round(engine, look, &parts, cache, progress)?;
    }
}

/// Whether there are parts enough to learn from.
///
/// # Errors
/// [`TeachError::TooFew`] with how many are there and how many were left out.
pub(super) fn enough(folder: &Path, parts: &[Part], n_left_out: usize) -> Result<(), TeachError> {
    if PARTS_MIN <= parts.len() {
        return Ok(());
    }
    Err(TeachError::TooFew {
        folder: folder.to_owned(),
        n_parts: parts.len(),
        n_left_out,
        n_min: PARTS_MIN,
    })
}

/// Learns from all parts, and holds each against the others.
fn one_round(
    engine: &Engine,
    look: &Look,
    parts: &[Part],
    cache: &Cache,
    progress: &Progress<'_>,
) -> Result<Round, TeachError> {
    progress.begin("features", parts.len());
    let basis = spaced(parts.len(), BASIS_PARTS_MAX);
    let (of_basis, others): (Vec<_>, Vec<_>) =
        (0..parts.len()).partition(|part| basis.binary_search(part).is_ok());
    let some = |numbers: &[usize]| -> Vec<&Part> {
        numbers.iter().filter_map(|part| parts.get(*part)).collect()
    };
    let raw = engine.rows((look, cache), &some(&of_basis), &|rows| rows, progress.step)?;
    let whitening = Whitening::of(&raw.rows, DIMENSIONS, RIDGE, engine.n_threads);
    let whitening = whitening.ok_or(TeachError::AllTheSame)?;
    let whiten = |rows: Array2<f32>| whitening.apply(&rows.view());
    let more = engine.rows((look, cache), &some(&others), &whiten, progress.step)?;
    let first = of_basis.into_iter().zip(raw.rows.into_iter().map(whiten));
    let mut rows: Vec<(usize, Array2<f32>)> =
        first.chain(others.into_iter().zip(more.rows)).collect();
    rows.sort_by_key(|(part, _)| *part);
    let rows = rows.into_iter().map(|(_, rows)| rows).collect();
    progress.begin("choose the bank", 1);
    let bank = Bank::choose(rows, engine.n_threads)?;
    (progress.step)();
    progress.begin("hold good parts against the others", parts.len());
    let grid = look.grid(engine.backbone.feature_stride_px);
    let distances = bank.leave_one_out(grid, engine.n_threads, progress.step);
    let first_after_split = split(&bank.differences(engine.n_threads));
    let world = World::of(&bank.means())?;
    let (lesson, origins) = bank.lesson(whitening, world.frames.clone());
    let mut notes = raw.notes;
    notes.extend(more.notes);
    if 0 < cache.n_left_out() {
        notes.push(format!(
            "`{}` is full: {} pictures are computed again next time",
            cache.folder().display(),
            cache.n_left_out()
        ));
    }
    Ok(Round {
        distances,
        lesson,
        world,
        origins,
        first_after_split,
        n_cached: raw.n_cached + more.n_cached,
        notes,
    })
}
