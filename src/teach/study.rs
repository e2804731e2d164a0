//! From a folder of pictures to a lesson and its thresholds, step by step.

use std::path::PathBuf;

use ndarray::Axis;

use crate::domain::{RectPx, SizePx};
use crate::model::Lesson;

use super::against::score_of;
use super::bank::Distance;
use super::cache::Cache;
use super::doubles::doubles;
use super::error::TeachError;
use super::features::Engine;
use super::input::{check_memory, look_of};
use super::look::{Look, Part, list, same_size};
use super::method::PARTS_MAX;
use super::progress::Progress;
use super::round::{enough, settle};
use super::suspects::{Suspect, Suspicious};
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
    /// Pictures that do not look like good parts; those that were left out are not in `parts`.
    pub suspects: Vec<Suspect>,
    /// Whether a person must look at them before anything is taught.
    pub is_stopped: bool,
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
    let (parts, doubles) = different_parts(request, &look, engine, progress)?;
    let cache = Cache::open(&request.cache, super::CACHE_BYTES_MAX).map_err(|source| {
        TeachError::Cache {
            folder: request.cache.clone(),
            source,
        }
    })?;
    let different = (parts, doubles.len());
    let settled = settle(request, engine, (&look, &cache), different, progress)?;
    let (parts, round) = (settled.parts, settled.round);
    let bad = known_bad(request, (engine, &look), &parts, progress)?;
    let mut lesson = round.lesson;
    let held_against = |lesson: &Lesson| {
        let inputs: Vec<_> = bad.iter().map(|part| &part.input).collect();
        engine.distances(&look, lesson, &inputs, progress.step)
    };
    let peaks = |distances: &[Distance]| distances.iter().map(|one| one.peak).collect::<Vec<_>>();
    let thresholds = Thresholds::choose(
        &peaks(&round.distances),
        &peaks(&held_against(&lesson)?),
        request.rates,
    )?;
    lesson.reference = thresholds.reference();
    lesson.world = round.world.factor(thresholds.reject);
    // Once more, as the package will judge them.
    let bad_distances = held_against(&lesson)?;
    let split_at = round.first_after_split.and_then(|part| parts.get(part));
    let split_at = split_at.map(|part| part.path.clone());
    Ok(Study {
        look,
        parts,
        distances: round.distances,
        doubles,
        suspects: settled.suspects,
        is_stopped: settled.is_stopped,
        bad: bad.into_iter().zip(bad_distances).collect(),
        thresholds,
        lesson,
        origins: round.origins,
        split_at,
        notes: settled.notes,
        n_cached: settled.n_cached,
    })
}

impl Study {
    /// The score of a distance under the lesson.
    pub(super) fn score(&self, distance: f32) -> f32 {
        score_of(distance, self.lesson.reference)
    }

    /// How many different parts were looked at, those that were left out included.
    pub fn n_looked_at(&self) -> usize {
        let left_out = self.suspects.iter().filter(|suspect| suspect.is_left_out);
        self.parts.len() + left_out.count()
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

fn known_bad(
    request: &Request,
    (engine, look): (&Engine, &Look),
    good: &[Part],
    progress: &Progress<'_>,
) -> Result<Vec<Part>, TeachError> {
    let Some(folder) = &request.bad else {
        return Ok(Vec::new());
    };
    let pictures = list(folder)?;
    // Looked at, held against the bank, and judged as the package will judge them.
    progress.begin("known-bad parts", 3 * pictures.len());
    let parts = look.at(&pictures, engine.n_threads, progress.step)?;
    check_bad(good, &parts)?;
    Ok(parts)
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
