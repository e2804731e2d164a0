//! What a study tells people: facts, warnings, and the page with the pictures.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::vision::{VisionError, draw_heat, encode_jpeg};

use super::against::map_of;
use super::error::TeachError;
use super::features::Engine;
use super::histogram::Scores;
use super::look::Part;
use super::method::PARTS_RECOMMENDED;
use super::package::Title;
use super::page::{Gallery, Page, Shown};
use super::study::Study;
use super::threads::on_threads;

/// Hardest good parts on the page.
const HARDEST_MAX: usize = 8;
/// Suspicious pictures on the page.
const SUSPECTS_MAX: usize = 24;
/// Known-bad parts on the page.
const BAD_MAX: usize = 8;
/// Quality of its pictures.
const JPEG_QUALITY: u8 = 82;

impl Study {
    /// The scores of all known parts with both thresholds.
    pub fn scores(&self) -> Scores {
        Scores {
            good: self.good_scores(),
            bad: self.bad_scores(),
            score_doubtful: self.score_doubtful(),
            score_reject: self.score_reject(),
        }
    }

    /// What a person must know before the package goes live.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.parts.len() < PARTS_RECOMMENDED {
            warnings.push(format!(
                "taught from {} different parts only; with {PARTS_RECOMMENDED} or more the thresholds rest on \
                 more than a guess",
                self.parts.len()
            ));
        }
        let sizes: BTreeSet<(u32, u32)> = self
            .parts
            .iter()
            .map(|part| (part.size.width_px, part.size.height_px))
            .collect();
        if let (Some((w0, h0)), Some((w1, h1)), true) =
            (sizes.first(), sizes.last(), 1 < sizes.len())
        {
            warnings.push(format!(
                "the pictures have {} sizes, {w0} x {h0} to {w1} x {h1} px, and each is stretched to the model's \
                 input; a camera gives one size, so live frames must be cut out in the same way",
                sizes.len()
            ));
        }
        if let Some(first) = &self.split_at {
            warnings.push(format!(
                "from `{}` on the pictures differ from those before it: was the camera, the lamp or the \
                 fixture changed while they were taken? If so, teach from one side only",
                first.display()
            ));
        }
        let n_missed = self
            .bad_scores()
            .iter()
            .filter(|score| **score < self.score_doubtful())
            .count();
        if 0 < n_missed {
            warnings.push(format!(
                "{n_missed} of {} known-bad parts would pass: no threshold parts them from good ones; try \
                 `--tiles 2`, a `--region` around the part, or a supervised model for this defect",
                self.bad.len()
            ));
        }
        warnings
    }

    /// What was chosen and measured, key and value.
    pub fn facts(&self, engine: &Engine) -> Vec<(&'static str, String)> {
        let input = &self.look.input;
        let good = self.good_scores();
        let over = |from: f32| good.iter().filter(|score| from <= **score).count();
        let mut facts = vec![
            ("good parts", format!("{} different", self.parts.len())),
            (
                "pictures that did not count",
                self.doubles.len().to_string(),
            ),
            ("suspicious pictures", self.suspects.len().to_string()),
            (
                "backbone",
                format!(
                    "{} {} ({})",
                    engine.backbone.name, engine.backbone.version, engine.backbone.licence
                ),
            ),
            (
                "input",
                format!("{} x {} px", input.width_px, input.height_px),
            ),
            (
                "bank",
                format!(
                    "{} rows of {} numbers",
                    self.lesson.bank.nrows(),
                    self.lesson.bank.ncols()
                ),
            ),
            (
                "doubtful from",
                format!(
                    "{:.4} ({} of {} held-out good parts reach it)",
                    self.score_doubtful(),
                    over(self.score_doubtful()),
                    good.len()
                ),
            ),
            (
                "rejected from",
                format!(
                    "{:.4} ({} of {} held-out good parts reach it)",
                    self.score_reject(),
                    over(self.score_reject()),
                    good.len()
                ),
            ),
        ];
        if !self.bad.is_empty() {
            let bad = self.bad_scores();
            let over = |from: f32| bad.iter().filter(|score| from <= **score).count();
            facts.push((
                "known-bad parts",
                format!(
                    "{} of {} rejected, {} doubtful or rejected",
                    over(self.score_reject()),
                    bad.len(),
                    over(self.score_doubtful())
                ),
            ));
        }
        facts
    }

    /// The page.
    ///
    /// # Errors
    /// [`TeachError`] if a picture cannot be drawn.
    pub fn page(&self, title: &Title, engine: &Engine) -> Result<String, TeachError> {
        let suspects = self.suspects.iter().take(SUSPECTS_MAX);
        let suspects = suspects.map(|suspect| (&suspect.part, suspect.why.to_string()));
        let hardest = self.hardest(HARDEST_MAX).into_iter();
        let hardest = hardest.map(|(part, score, _)| (part, score)).collect();
        let bad = self.bad.iter().map(|(part, _)| part);
        let mut bad: Vec<_> = bad.zip(self.bad_scores()).collect();
        bad.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        bad.truncate(BAD_MAX);
        let galleries = [
            (
                "Suspicious pictures",
                "They do not look like good parts; the coloured places are the most unlike ones.",
                suspects.collect(),
            ),
            (
                "Hardest good parts",
                "Each held against the others, its most unlike places coloured; if one is bad, take it \
                 away and teach again.",
                with_scores(hardest),
            ),
            ("Mildest known-bad parts", "", with_scores(bad)),
        ];
        let mut shown = Vec::new();
        for (heading, text, parts) in galleries {
            let pictures = on_threads(engine.n_threads, &parts, |part| self.shown(engine, part));
            let pictures: Vec<Shown> = pictures.into_iter().collect::<Result<_, _>>()?;
            if !pictures.is_empty() {
                shown.push(Gallery {
                    heading,
                    text,
                    pictures,
                });
            }
        }
        Ok(Page {
            title: format!("{} {}", title.name, title.version),
            summary: "An anomaly model taught from pictures of good parts only.".to_owned(),
            warnings: self.warnings(),
            facts: self.facts(engine),
            histogram: self.scores().svg(),
            galleries: shown,
        }
        .to_string())
    }

    fn shown(&self, engine: &Engine, (part, said): &(&Part, String)) -> Result<Shown, TeachError> {
        let net = engine.map_net(&self.lesson_without(part))?;
        let map = map_of(&net, &self.look, &part.input)?;
        let mut scores: Vec<f32> = map.iter().copied().collect();
        scores.sort_by(f32::total_cmp);
        let at = |share: usize| scores.get((scores.len() - 1) * share / 100).copied();
        // The hottest tenth at most of a good part; all that is doubtful of a bad one.
        let low = at(90).unwrap_or_default().min(self.score_doubtful());
        let high = at(100).unwrap_or_default().max(self.score_reject());
        let heated = draw_heat(&part.input, &map.view(), (low, high))?;
        let frame = heated.into_frame("report", Instant::now());
        let name = part.path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Shown {
            caption: format!("{name}: {said}"),
            jpeg: encode_jpeg(&frame.map_err(VisionError::from)?, JPEG_QUALITY)?,
        })
    }
}

fn with_scores(parts: Vec<(&Part, f32)>) -> Vec<(&Part, String)> {
    let said = |(part, score)| (part, format!("{score:.3}"));
    parts.into_iter().map(said).collect()
}
