//! From a folder of pictures to a lesson and its thresholds, step by step.

use std::path::{Path, PathBuf};

use ndarray::{Array2, Axis};

use crate::domain::{RectPx, SizePx};
use crate::model::Lesson;
use crate::vision::{InputSpec, Interpolation, Resize};

use super::against::score_of;
use super::bank::{Bank, Distance};
use super::cache::Cache;
use super::coreset::spaced;
use super::doubles::doubles;
use super::error::TeachError;
use super::features::Engine;
use super::look::{Look, Part, first_size, list, same_size};
use super::method::{
    BASIS_PARTS_MAX, DIMENSIONS, INPUT_AREA_PX, INPUT_SIDE_MAX_PX, INPUT_STEPS_MIN, PARTS_MAX,
    PARTS_MIN, RIDGE, ROWS_BYTES_MAX,
};
use super::moved::moved;
use super::progress::Progress;
use super::split::split;
use super::suspects::{Suspect, outliers};
use super::thresholds::{Rates, Thresholds};
use super::whitening::Whitening;

/// What is to be taught, and from what.
#[derive(Debug, Clone)]
pub struct Request {
    /// Pictures of good parts.
    pub good: PathBuf,
    /// Pictures of known-bad parts: they only choose the thresholds.
    pub bad: Option<PathBuf>,
    /// The part of the picture that is looked at.
    pub region: Option<RectPx>,
    /// The model's input, instead of the one that is worked out.
    pub size: Option<SizePx>,
    /// How many times larger the input is in each direction than usual.
    pub tiles: u32,
    /// How much good may be rejected and sent to review.
    pub rates: Rates,
    /// What to do with pictures that do not look like good parts.
    pub suspicious: Suspicious,
    /// The folder of the cache.
    pub cache: PathBuf,
}

/// What to do with pictures that do not look like good parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicious {
    /// Say which, and teach nothing.
    Stop,
    /// Teach without them.
    Drop,
    /// Teach them too.
    Keep,
}

/// Everything that was found out.
#[derive(Debug)]
pub struct Study {
    /// How the pictures were looked at.
    pub look: Look,
    /// The parts that are taught, each different.
    pub parts: Vec<Part>,
    /// How unlike the others each of them is, held out.
    pub(super) distances: Vec<Distance>,
    /// Pictures that did not count: file, and the earlier one that it repeats.
    pub doubles: Vec<Repeated>,
    /// Pictures that do not look like good parts; with [`Suspicious::Drop`] they are not in `parts`.
    pub suspects: Vec<Suspect>,
    /// Known-bad parts, and how unlike the good ones they are.
    pub(super) bad: Vec<(Part, Distance)>,
    /// Where doubt and rejection begin.
    pub thresholds: Thresholds,
    /// The part that each row of the lesson's bank comes from.
    pub(super) origins: Vec<usize>,
    /// The lesson; its reference puts the rejection at a score of one half.
    pub lesson: Lesson,
    /// The first picture after the sequence changes, if it does.
    pub split_at: Option<PathBuf>,
    /// What the cache had to say.
    pub notes: Vec<String>,
    /// How many parts' rows came from the cache.
    pub n_cached: usize,
}

/// A picture that did not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeated {
    /// Its file.
    pub path: PathBuf,
    /// The earlier picture.
    pub of: PathBuf,
    /// Whether every pixel is the same.
    pub is_copy: bool,
}

/// One go at learning: how unlike the others each part is, and the lesson of all.
struct Round {
    distances: Vec<Distance>,
    lesson: Lesson,
    origins: Vec<usize>,
    first_after_split: Option<usize>,
    n_cached: usize,
    notes: Vec<String>,
}

/// Studies the pictures.
///
/// # Errors
/// [`TeachError`] with the pictures that are wrong and what to do.
pub fn study(
    request: &Request,
    engine: &Engine,
    progress: &Progress<'_>,
) -> Result<Study, TeachError> {
    let look = look_of(request, engine)?;
    let (mut parts, doubles) = different_parts(request, &look, engine, progress)?;
    let cache = Cache::open(&request.cache, super::CACHE_BYTES_MAX).map_err(|source| {
        TeachError::Cache {
            folder: request.cache.clone(),
            source,
        }
    })?;
    let mut round = one_round(engine, &look, &parts, &cache, progress)?;
    let mut suspects = moved(&parts)?;
    suspects.extend(outliers(&look, &parts, &round.distances));
    if request.suspicious == Suspicious::Drop && !suspects.is_empty() {
        parts.retain(|part| {
            suspects
                .iter()
                .all(|suspect| suspect.part.path != part.path)
        });
        enough(&request.good, &parts, doubles.len() + suspects.len())?;
        round = one_round(engine, &look, &parts, &cache, progress)?;
    }
    let bad = known_bad(request, engine, (&look, &parts), &round.lesson, progress)?;
    let peaks = |distances: &[Distance]| distances.iter().map(|one| one.peak).collect::<Vec<_>>();
    let bad_peaks: Vec<f32> = bad.iter().map(|(_, distance)| distance.peak).collect();
    let thresholds = Thresholds::choose(&peaks(&round.distances), &bad_peaks, request.rates)?;
    let split_at = round.first_after_split.and_then(|part| parts.get(part));
    let split_at = split_at.map(|part| part.path.clone());
    let mut lesson = round.lesson;
    lesson.reference = thresholds.reference();
    Ok(Study {
        look,
        parts,
        distances: round.distances,
        doubles,
        suspects,
        bad,
        thresholds,
        lesson,
        origins: round.origins,
        split_at,
        notes: round.notes,
        n_cached: round.n_cached,
    })
}

impl Study {
    /// The score of a distance under the lesson.
    pub(super) fn score(&self, distance: f32) -> f32 {
        score_of(distance, self.lesson.reference)
    }

    /// The lesson as it would be without the rows of one part, to see that part with other eyes.
    pub(super) fn lesson_without(&self, part: &Part) -> Lesson {
        let own = self.parts.iter().position(|other| other.path == part.path);
        let others = self.origins.iter().enumerate();
        let others = others.filter(|(_, origin)| Some(**origin) != own);
        let others: Vec<usize> = others.map(|(row, _)| row).collect();
        Lesson {
            bank: self.lesson.bank.select(Axis(0), &others),
            spread: self.lesson.spread.select(Axis(0), &others),
            ..self.lesson.clone()
        }
    }

    /// The good parts that are most unlike the others, with their scores and the place, in pixels.
    pub fn hardest(&self, n_max: usize) -> Vec<(&Part, f32, [f64; 2])> {
        let told = self
            .parts
            .iter()
            .zip(&self.distances)
            .map(|(part, distance)| {
                let at_px = self.look.at_px(part, distance.place);
                (part, self.score(distance.peak), at_px)
            });
        let mut told: Vec<_> = told.collect();
        told.sort_by(|(_, a, _), (_, b, _)| b.total_cmp(a));
        told.truncate(n_max);
        told
    }

    /// The held-out scores of the good parts, in their order.
    pub fn good_scores(&self) -> Vec<f32> {
        let scores = self.distances.iter().map(|one| self.score(one.peak));
        scores.collect()
    }

    /// The scores of the known-bad parts.
    pub fn bad_scores(&self) -> Vec<f32> {
        let scores = self.bad.iter().map(|(_, one)| self.score(one.peak));
        scores.collect()
    }

    /// From here on a part is doubtful.
    pub fn score_doubtful(&self) -> f32 {
        rounded_down(self.score(self.thresholds.doubtful))
    }

    /// From here on a part is rejected.
    pub fn score_reject(&self) -> f32 {
        rounded_down(self.score(self.thresholds.reject))
    }
}

/// To four digits, so that a recipe can repeat a threshold exactly; down, so that no part on the
/// threshold slips below it.
fn rounded_down(score: f32) -> f32 {
    (score * 1e4).floor() / 1e4
}

/// The input that keeps the region's proportions at the usual area, sides in whole steps.
fn look_of(request: &Request, engine: &Engine) -> Result<Look, TeachError> {
    let picture = first_size(&list(&request.good)?)?;
    let step = engine.backbone.multiple_px;
    let size = match request.size {
        Some(size) => {
            if !size.width_px.is_multiple_of(step) || !size.height_px.is_multiple_of(step) {
                return Err(TeachError::Size {
                    width_px: size.width_px,
                    height_px: size.height_px,
                    step_px: step,
                });
            }
            size
        }
        None => input_size(request.region, picture, step),
    };
    let tiled = |side: u32| side.saturating_mul(request.tiles.max(1));
    Ok(Look {
        input: input_of(engine, tiled(size.width_px), tiled(size.height_px)),
        region: request.region,
    })
}

fn input_of(engine: &Engine, width_px: u32, height_px: u32) -> InputSpec {
    let (resize, interpolation) = (Resize::Standard, Interpolation::Area);
    engine
        .backbone
        .input(width_px, height_px, resize, interpolation)
}

/// Sides in multiples of `step_px` whose product is about [`INPUT_AREA_PX`], in the region's proportions.
fn input_size(region: Option<RectPx>, picture: SizePx, step_px: u32) -> SizePx {
    let (width, height) = match region {
        Some(region) => (region.width, region.height),
        None => (picture.width_px.into(), picture.height_px.into()),
    };
    let factor = (INPUT_AREA_PX / (width * height)).sqrt();
    let steps = |side: f64| {
        let most = f64::from(INPUT_SIDE_MAX_PX / step_px.max(1));
        let steps = (side * factor / f64::from(step_px) + 0.5).floor();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "held between two limits"
        )]
        let steps = steps.clamp(f64::from(INPUT_STEPS_MIN), most) as u32;
        steps * step_px
    };
    SizePx {
        width_px: steps(width),
        height_px: steps(height),
    }
}

/// Whether the whitened rows of all parts fit in memory.
fn check_memory(look: &Look, engine: &Engine, n_parts: usize) -> Result<(), TeachError> {
    let [columns, rows] = look.grid(engine.backbone.feature_stride_px);
    let bytes = (columns * rows * DIMENSIONS * size_of::<f32>()) as u64 * n_parts as u64;
    if bytes <= ROWS_BYTES_MAX {
        return Ok(());
    }
    let gigabytes = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    Err(TeachError::TooMany {
        n_pictures: n_parts,
        gigabytes: gigabytes(bytes),
        gigabytes_max: gigabytes(ROWS_BYTES_MAX),
    })
}

fn different_parts(
    request: &Request,
    look: &Look,
    engine: &Engine,
    progress: &Progress<'_>,
) -> Result<(Vec<Part>, Vec<Repeated>), TeachError> {
    let pictures = list(&request.good)?;
    if PARTS_MAX < pictures.len() {
        return Err(TeachError::TooManyParts {
            n_pictures: pictures.len(),
            n_max: PARTS_MAX,
        });
    }
    check_memory(look, engine, pictures.len())?;
    progress.begin("look at the pictures", pictures.len());
    let parts = look.at(&pictures, engine.n_threads, progress.step)?;
    let doubles = doubles(&parts);
    let path = |index: usize| {
        parts
            .get(index)
            .map(|part| part.path.clone())
            .unwrap_or_default()
    };
    let repeated: Vec<Repeated> = doubles
        .iter()
        .map(|double| Repeated {
            path: path(double.part),
            of: path(double.of),
            is_copy: double.is_copy,
        })
        .collect();
    let is_new = |index: usize| doubles.iter().all(|double| double.part != index);
    let different = parts.into_iter().enumerate();
    let different = different.filter(|(index, _)| is_new(*index));
    let different: Vec<Part> = different.map(|(_, part)| part).collect();
    enough(&request.good, &different, repeated.len())?;
    Ok((different, repeated))
}

fn enough(folder: &Path, parts: &[Part], n_left_out: usize) -> Result<(), TeachError> {
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
    let (lesson, origins) = bank.lesson(whitening);
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
        origins,
        first_after_split,
        n_cached: raw.n_cached + more.n_cached,
        notes,
    })
}

fn known_bad(
    request: &Request,
    engine: &Engine,
    (look, good): (&Look, &[Part]),
    lesson: &Lesson,
    progress: &Progress<'_>,
) -> Result<Vec<(Part, Distance)>, TeachError> {
    let Some(folder) = &request.bad else {
        return Ok(Vec::new());
    };
    let pictures = list(folder)?;
    progress.begin("known-bad parts", 2 * pictures.len());
    let parts = look.at(&pictures, engine.n_threads, progress.step)?;
    check_bad(good, &parts)?;
    let inputs: Vec<_> = parts.iter().map(|part| &part.input).collect();
    let distances = engine.distances(look, lesson, &inputs, progress.step)?;
    Ok(parts.into_iter().zip(distances).collect())
}

/// Known-bad pictures come from the same camera, and none of them is among the good ones.
fn check_bad(good: &[Part], bad: &[Part]) -> Result<(), TeachError> {
    same_size(&good.iter().chain(bad).collect::<Vec<_>>())?;
    for part in bad {
        if let Some(twin) = good
            .iter()
            .find(|twin| twin.fingerprint == part.fingerprint)
        {
            return Err(TeachError::GoodAndBad {
                good: twin.path.clone(),
                bad: part.path.clone(),
            });
        }
    }
    Ok(())
}
