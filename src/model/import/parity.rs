//! Whether a model scores here as it did where it was exported: every picture of a golden directory,
//! through the gate's own preparation.

use std::collections::BTreeSet;

use crate::domain::{Detection, PointPx};
use crate::vision::framework_place;

use super::super::compare::{self, ListDifference};
use super::super::decode::{self, Wanted};
use super::super::layout::OutputFile;
use super::super::manifest::Manifest;
use super::super::output::RawOutput;
use super::super::provider::SessionOptions;
use super::super::runtime::Runtime;
use super::super::tensors::{Tensor, Tensors};
use super::super::write::{GoldenDraft, PackageDraft, WriteError};
use super::ImportError;
use super::answers::Answered;
use super::golden_dir::{GoldenDir, Recorded};
use super::trial::{self, Trial};

/// No score may differ by more.
pub const SCORE_DIFFERENCE_MAX: f32 = 1e-3;
/// No edge of a box may differ by more, on the model's input.
const PLACE_DIFFERENCE_MAX_PX: f32 = 0.5;
/// Most golden vectors that a package keeps of a golden directory.
const KEPT_MAX: usize = 8;
/// Most bytes of pictures that it keeps.
const KEPT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A later start may differ by so many times what the import measured.
const TOLERANCE_FACTOR: f32 = 4.0;

/// The largest difference of an output.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputDifference {
    /// The output's name.
    pub output: String,
    /// Of any number, as the graph gives it.
    pub largest: f32,
}

/// A picture whose verdict is another one here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flip {
    /// The picture's file.
    pub picture: String,
    /// What the exporter's framework found, and what was found here.
    pub why: String,
}

/// What running all pictures showed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parity {
    /// How many pictures were run.
    pub n_pictures: usize,
    /// How many of them show something.
    pub n_found: usize,
    /// Number by number.
    pub outputs: Vec<OutputDifference>,
    /// Of any score, 0 to 1.
    pub score: f32,
    /// The picture with that difference.
    pub worst: String,
    /// Of any edge of a box, on the model's input.
    pub place_px: f32,
    /// Whether the framework's final answers were there to compare with.
    pub with_answers: bool,
    /// Pictures with another verdict.
    pub flips: Vec<Flip>,
    /// Largest difference of a prepared picture, in grey values, where the framework recorded it.
    pub prepared_grey: Option<f32>,
    /// The pictures by their difference, the largest first.
    pub(super) by_difference: Vec<usize>,
}

impl Parity {
    /// Why the model cannot go live; nothing if it can.
    pub fn refusals(&self) -> Vec<String> {
        let mut refusals = Vec::new();
        if self.score > SCORE_DIFFERENCE_MAX {
            refusals.push(format!(
                "the largest difference of a score is {:.2e} (picture `{}`), {SCORE_DIFFERENCE_MAX:.0e} \
                 is allowed",
                self.score, self.worst
            ));
        }
        if self.place_px > PLACE_DIFFERENCE_MAX_PX {
            refusals.push(format!(
                "the largest difference of a place is {:.2} px, {PLACE_DIFFERENCE_MAX_PX} px is allowed",
                self.place_px
            ));
        }
        if let Some(flip) = self.flips.first() {
            refusals.push(format!(
                "verdicts flipped: {} of {} (picture `{}`: {})",
                self.flips.len(),
                self.n_pictures,
                flip.picture,
                flip.why
            ));
        }
        refusals
    }
}

/// One picture's part.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) outputs: Vec<f32>,
    pub(super) score: f32,
    pub(super) place_px: f32,
    pub(super) flip: Option<String>,
    has_found: bool,
    pub(super) has_answer: bool,
    pub(super) prepared_grey: Option<f32>,
}

/// Runs every picture of the golden directory and compares; also gives the golden vectors that a
/// package keeps.
///
/// # Errors
/// [`WriteError`] where the draft is not sound, [`ImportError`] where a picture cannot be read.
pub fn prove(
    draft: &PackageDraft,
    golden: &GoldenDir,
    (runtime, options): (&Runtime, &SessionOptions),
    each: &mut dyn FnMut(usize),
) -> Result<(Parity, Vec<GoldenDraft>), ProveError> {
    let trial = Trial::new(draft, runtime, options)?;
    let mut parity = Parity::default();
    let mut candidates = Vec::new();
    let mut differences = Vec::new();
    for (index, recorded) in golden.pictures().iter().enumerate() {
        let files = recorded.read()?;
        let seen = look(
            &trial,
            &trial.manifest,
            draft,
            recorded,
            (&files.picture, &files.tensors),
        )?;
        candidates.push((index, files.picture.len(), seen.has_found));
        let difference = if seen.flip.is_some() {
            f32::INFINITY
        } else {
            seen.score
        };
        differences.push((index, difference));
        add(&mut parity, recorded, &seen, draft);
        each(index + 1);
    }
    differences.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    parity.by_difference = differences.into_iter().map(|(index, _)| index).collect();
    let kept = keep(draft, golden, &trial.manifest, (&parity, candidates))?;
    Ok((parity, kept))
}

/// Why there is no parity to speak of.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The draft is not sound.
    #[error(transparent)]
    Draft(#[from] WriteError),
    /// A file cannot be read, or is not what it should be.
    #[error(transparent)]
    Import(#[from] ImportError),
}

fn add(parity: &mut Parity, recorded: &Recorded, seen: &Seen, draft: &PackageDraft) {
    parity.n_pictures += 1;
    parity.n_found += usize::from(seen.has_found);
    parity.with_answers |= seen.has_answer;
    let names = output_names(&draft.output);
    if parity.outputs.is_empty() {
        let start = |name: String| OutputDifference {
            output: name,
            largest: 0.0,
        };
        parity.outputs = names.into_iter().map(start).collect();
    }
    for (all, one) in parity.outputs.iter_mut().zip(&seen.outputs) {
        all.largest = all.largest.max(*one);
    }
    if seen.score > parity.score || parity.worst.is_empty() {
        parity.worst.clone_from(&recorded.name);
    }
    parity.score = parity.score.max(seen.score);
    parity.place_px = parity.place_px.max(seen.place_px);
    if let Some(grey) = seen.prepared_grey {
        parity.prepared_grey = Some(parity.prepared_grey.unwrap_or(0.0).max(grey));
    }
    parity.flips.extend(seen.flip.clone().map(|why| Flip {
        picture: recorded.name.clone(),
        why,
    }));
}

fn output_names(output: &OutputFile) -> Vec<String> {
    let several = output
        .layout
        .roles()
        .iter()
        .filter_map(|role| output.names.get(role).cloned());
    output.name.clone().into_iter().chain(several).collect()
}

/// Prepares, runs and compares one picture, with the outputs read as `manifest` says.
pub(super) fn look(
    trial: &Trial,
    manifest: &Manifest,
    draft: &PackageDraft,
    recorded: &Recorded,
    (picture, tensors): (&[u8], &Tensors),
) -> Result<Seen, ProveError> {
    let wrong = |problem: String| ImportError::Golden {
        path: recorded.name.clone().into(),
        problem,
    };
    let picture = trial::picture(picture).map_err(wrong)?;
    let (tensor, preparer) = trial::prepared(&picture, &draft.input).map_err(wrong)?;
    let found = trial.run(&draft.input, &tensor).map_err(WriteError::from)?;
    let expected = expected(manifest, tensors).map_err(wrong)?;
    let same_place = |point: PointPx| point;
    let by_thresholds = |raw: &RawOutput| {
        decode::decode(manifest, raw, &same_place, Wanted::ByThresholds).map_err(wrong)
    };
    let (wanted, here) = (by_thresholds(&expected)?, by_thresholds(&found)?);
    let mut seen = Seen {
        has_found: !wanted.is_empty(),
        prepared_grey: tensors
            .get("input")
            .and_then(|input| grey_apart(input, &tensor, &draft.input.scale_values)),
        ..numbers_apart(manifest, &expected, &found).map_err(wrong)?
    };
    seen.flip = seen.flip.or_else(|| flipped(&wanted, &here));
    // As the framework gives places back: what is compared is how its outputs are read.
    let original = |point: PointPx| {
        framework_place(&draft.input, picture.size, point)
            .unwrap_or_else(|| preparer.original_from_input(point))
    };
    let in_picture = decode::decode(manifest, &found, &original, Wanted::AsSaid).map_err(wrong)?;
    let view = Answered {
        manifest,
        size: picture.size,
        found: (&found, &in_picture),
        px_by_input_px: scale(&original),
    };
    view.compare(tensors, &mut seen).map_err(wrong)?;
    Ok(seen)
}

/// Pixels of the picture by pixels of the input.
fn scale(original_from_input: &dyn Fn(PointPx) -> PointPx) -> f64 {
    let at = |x, y| original_from_input(PointPx { x, y });
    let (here, there) = (at(0.0, 0.0), at(1.0, 1.0));
    (there.x - here.x).abs().max((there.y - here.y).abs())
}

/// The recorded outputs by role.
fn expected(manifest: &Manifest, tensors: &Tensors) -> Result<RawOutput, String> {
    let mut all = Vec::with_capacity(manifest.outputs.len());
    for (role, name) in &manifest.outputs {
        let values = tensors
            .get(name)
            .cloned()
            .and_then(Tensor::into_f32)
            .ok_or_else(|| {
                format!(
                    "the output `{name}` is not recorded; record the graph's outputs by their names"
                )
            })?;
        all.push((*role, values));
    }
    let raw = RawOutput::new("the recorded model", all).map_err(|error| error.to_string())?;
    decode::check_shapes(manifest, &raw)?;
    Ok(raw)
}

/// Differences of outputs and scores.
fn numbers_apart(
    manifest: &Manifest,
    expected: &RawOutput,
    found: &RawOutput,
) -> Result<Seen, String> {
    let raw = compare::numbers(expected, found);
    let mut seen = Seen {
        outputs: raw.map_or_else(
            |_| Vec::new(),
            |all| all.into_iter().map(|(_, one)| one).collect(),
        ),
        ..Seen::default()
    };
    if manifest.layout.is_list() {
        // Lists in another order have no difference number by number that means something.
        seen.outputs.clear();
        match compare::lists(manifest, expected, found, SCORE_DIFFERENCE_MAX) {
            Ok(ListDifference { score, place_px }) => {
                (seen.score, seen.place_px) = (score, place_px);
            }
            Err(problem) => seen.flip = Some(problem),
        }
    } else {
        let apart = |raw| decode::probabilities(manifest, raw);
        seen.score = largest(&apart(expected)?, &apart(found)?);
        seen.place_px = decode::places_apart_px(manifest, expected, found)?;
    }
    Ok(seen)
}

pub(super) fn largest(a: &[f32], b: &[f32]) -> f32 {
    if a.len() != b.len() {
        return f32::INFINITY;
    }
    a.iter()
        .zip(b)
        .fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

/// How far the framework's prepared picture is from ours, in grey values.
pub(super) fn grey_apart(input: &Tensor, tensor: &[f32], scale: &[f32]) -> Option<f32> {
    let values = input.clone().into_f32()?;
    let values = values.as_slice()?;
    if values.len() != tensor.len() || scale.is_empty() {
        return None;
    }
    let plane = tensor.len() / scale.len();
    let pairs = values.chunks(plane).zip(tensor.chunks(plane)).zip(scale);
    let planes = pairs.map(|((a, b), scale)| largest(a, b) * scale.abs());
    Some(planes.fold(0.0, f32::max))
}

/// Why the verdict is another one; nothing if it is the same.
pub(super) fn flipped(expected: &[Detection], found: &[Detection]) -> Option<String> {
    let classes = |all: &[Detection]| -> BTreeSet<String> {
        all.iter().map(|one| one.class.name.to_string()).collect()
    };
    let (wanted, here) = (classes(expected), classes(found));
    let told = |classes: &BTreeSet<String>| match classes.len() {
        0 => "nothing".to_owned(),
        _ => classes.iter().cloned().collect::<Vec<_>>().join(", "),
    };
    (wanted != here).then(|| format!("{} exported, {} found here", told(&wanted), told(&here)))
}

/// The golden vectors that the package keeps: original pictures, some that show something and some
/// that do not, the smallest files of each.
fn keep(
    draft: &PackageDraft,
    golden: &GoldenDir,
    manifest: &Manifest,
    (parity, mut candidates): (&Parity, Vec<(usize, usize, bool)>),
) -> Result<Vec<GoldenDraft>, ProveError> {
    candidates.sort_by_key(|(index, length, _)| (*length, *index));
    let (found, nothing): (Vec<_>, Vec<_>) = candidates.into_iter().partition(|(_, _, has)| *has);
    let mut picked: Vec<_> = found
        .iter()
        .take(KEPT_MAX / 2)
        .chain(&nothing)
        .take(KEPT_MAX)
        .collect();
    let more = found.iter().skip(KEPT_MAX / 2);
    picked.extend(more.take(KEPT_MAX - picked.len()));
    let measured = parity
        .outputs
        .iter()
        .map(|output| output.largest)
        .fold(parity.score.max(parity.place_px), f32::max);
    let tolerance = (measured * TOLERANCE_FACTOR)
        .max(SCORE_DIFFERENCE_MAX)
        .min(draft.output.tolerance_max());
    let mut kept = Vec::new();
    let mut n_bytes = 0;
    for (index, length, _) in picked {
        n_bytes += length;
        let Some(recorded) = golden.pictures().get(*index) else {
            continue;
        };
        if n_bytes > KEPT_BYTES_MAX && !kept.is_empty() {
            break;
        }
        let files = recorded.read()?;
        let names = manifest.outputs.iter().map(|(_, name)| name);
        let outputs =
            names.filter_map(|name| Some((name.clone(), files.tensors.get(name)?.clone())));
        kept.push(GoldenDraft {
            picture: files.picture,
            original: true,
            outputs: Some(outputs.collect()),
            tolerance,
        });
    }
    Ok(kept)
}
