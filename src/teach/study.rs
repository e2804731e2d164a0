//! From a folder of pictures to a lesson and its thresholds, step by step.

use std::path::{Path, PathBuf};

use ndarray::Axis;

use crate::domain::{RectPx, SizePx};
use crate::model::Lesson;
use crate::vision::{InputSpec, Interpolation, Resize};

use super::against::score_of;
use super::bank::{Bank, Distance};
use super::cache::Cache;
use super::doubles::doubles;
use super::error::TeachError;
use super::features::Engine;
use super::look::{Look, Part, first_size, list, same_size};
use super::method::{INPUT_AREA_PX, INPUT_SIDES_RATIO_MAX, PARTS_MAX, PARTS_MIN};
use super::moved::moved;
use super::progress::Progress;
use super::suspects::{Suspect, outliers};
use super::thresholds::{Rates, Thresholds};

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
    let ratio =
        (width / height.max(1.0)).clamp(INPUT_SIDES_RATIO_MAX.recip(), INPUT_SIDES_RATIO_MAX);
    let steps = |side: f64| {
        let step = f64::from(step_px);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the ratio is held between two limits, and the area is fixed"
        )]
        let steps = (side / step).round().max(1.0) as u32;
        steps * step_px
    };
    SizePx {
        width_px: steps((INPUT_AREA_PX * ratio).sqrt()),
        height_px: steps((INPUT_AREA_PX / ratio).sqrt()),
    }
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
    let extracted = engine.rows(look, parts, cache, progress.step)?;
    progress.begin("choose the bank", 1);
    let bank = Bank::learn(extracted.rows, engine.n_threads)?;
    (progress.step)();
    progress.begin("hold good parts against the others", parts.len());
    let grid = look.grid(engine.backbone.feature_stride_px);
    let distances = bank.leave_one_out(grid, engine.n_threads, progress.step);
    let (lesson, origins) = bank.lesson();
    Ok(Round {
        distances,
        lesson,
        origins,
        n_cached: extracted.n_cached,
        notes: extracted.notes,
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
