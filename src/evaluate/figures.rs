//! From judged pictures to figures: what a run is worth, each with its interval.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::{StageTimings, Verdict};

use super::classes::{self, ClassFigures, Confusion};
use super::matching::Matching;
use super::metrics::ranking::{self, Scored};
use super::metrics::{
    ClassPrecision, Interval, PixelFigures, PixelScores, Rate, auroc_interval, class_precisions,
    mean_precision,
};
use super::run::{Judged, Run};
use super::set::LabelledSet;

/// Shares of good parts that may be called bad, at which the recall is said.
pub const OVERKILLS: [(f64, &str); 3] = [
    (0.0, "recall_at_0_overkill"),
    (0.001, "recall_at_0.1pct_overkill"),
    (0.01, "recall_at_1pct_overkill"),
];

/// Everything that was measured on a set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Good pictures by verdict.
    pub good: Verdicts,
    /// Bad pictures by verdict.
    pub bad: Verdicts,
    /// Bad ones called OK, of the bad.
    pub escape: Share,
    /// Good ones called NG, of the good.
    pub overkill: Share,
    /// Called indeterminate, of all.
    pub review: Share,
    /// How the score ranks pictures; none without good and bad ones.
    pub image: Option<ImageFigures>,
    /// How pixels are scored; none without masks or map.
    pub pixel: Option<PixelFigures>,
    /// How boxes are met; none without boxes or common classes.
    pub boxes: Option<BoxFigures>,
    /// Which class pictures are given.
    pub classes: Option<ClassFigures>,
    /// The verdicts about each defect class of the set.
    pub by_class: Vec<ByClass>,
    /// How long the stages take.
    pub stages: Vec<Stage>,
}

/// Counts by verdict.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Verdicts {
    /// OK.
    pub ok: u64,
    /// NG.
    pub ng: u64,
    /// Indeterminate, by reason.
    pub indeterminate: BTreeMap<String, u64>,
}

/// A share with its intervals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// How many.
    pub n: u64,
    /// Out of how many.
    pub of: u64,
    /// The share; none out of nothing.
    pub share: Option<f64>,
    /// The score interval of 95 %.
    pub wilson: Option<Interval>,
    /// The exact interval of 95 %.
    pub clopper_pearson: Option<Interval>,
}

/// How pictures are ranked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageFigures {
    /// Bad pictures with a score.
    pub n_bad: u64,
    /// Good pictures with a score.
    pub n_good: u64,
    /// AUROC.
    pub auroc: Option<f64>,
    /// Its interval of 95 %.
    pub auroc_interval: Option<Interval>,
    /// Average precision.
    pub average_precision: Option<f64>,
    /// The recall at each of [`OVERKILLS`].
    pub recalls: Vec<Recall>,
}

/// How many of the bad ones are found while so many good ones are called bad.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recall {
    /// The most overkill.
    pub overkill_max: f64,
    /// The threshold; none if no threshold finds anything.
    pub threshold: Option<f64>,
    /// The bad ones that are found.
    pub recall: Share,
}

/// How boxes are met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoxFigures {
    /// Mean average precision at an overlap of 0.5.
    pub map_50: Option<f64>,
    /// Its mean over overlaps from 0.5 to 0.95.
    pub map_50_95: Option<f64>,
    /// Each class by name, in the set's order.
    pub classes: Vec<(String, ClassPrecision)>,
    /// True classes against found ones, at the gate's thresholds and an overlap of 0.5.
    pub confusion: Confusion,
}

/// The verdicts about one defect class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ByClass {
    /// Its name.
    pub class: String,
    /// The verdicts.
    pub verdicts: Verdicts,
    /// Called OK.
    pub escape: Share,
}

/// How long a stage takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Its name.
    pub stage: String,
    /// Half of the pictures take less.
    pub median_ms: f64,
    /// 95 of 100 take less.
    pub p95_ms: f64,
}

/// Works out the figures of a run.
pub fn figures(set: &LabelledSet, run: &Run, matching: &Matching) -> Figures {
    let verdicts = |keep: &dyn Fn(&Judged) -> bool| {
        let mut counts = Verdicts::default();
        for judged in run.pictures.iter().filter(|judged| keep(judged)) {
            counts.count(judged.verdict);
        }
        counts
    };
    let is_bad = |judged: &Judged| truth_is_bad(set, judged);
    let (good, bad) = (verdicts(&|one| !is_bad(one)), verdicts(&is_bad));
    let by_class = set.classes.iter().enumerate().map(|(class, name)| {
        let has = |judged: &Judged| {
            let picture = set.pictures.get(judged.index);
            picture.is_some_and(|picture| picture.truth.classes.contains(&class))
        };
        let verdicts = verdicts(&has);
        ByClass {
            class: name.clone(),
            escape: Share::of(verdicts.ok, verdicts.total()),
            verdicts,
        }
    });
    Figures {
        escape: Share::of(bad.ok, bad.total()),
        overkill: Share::of(good.ng, good.total()),
        review: Share::of(good.doubts() + bad.doubts(), good.total() + bad.total()),
        good,
        bad,
        image: image_figures(&scored(set, run)),
        pixel: run.pixels.as_ref().map(PixelScores::figures),
        boxes: box_figures(set, run, matching),
        classes: classes::class_figures(set, run, matching),
        by_class: by_class.filter(|one| 0 < one.escape.of).collect(),
        stages: stages(run),
    }
}

fn truth_is_bad(set: &LabelledSet, judged: &Judged) -> bool {
    let picture = set.pictures.get(judged.index);
    picture.is_some_and(|picture| picture.truth.is_bad)
}

/// The scores with their truth, of pictures that have one.
pub(super) fn scored(set: &LabelledSet, run: &Run) -> Vec<Scored> {
    let scored = |judged: &Judged| {
        Some(Scored {
            score: judged.score?,
            is_bad: truth_is_bad(set, judged),
        })
    };
    run.pictures.iter().filter_map(scored).collect()
}

fn image_figures(scored: &[Scored]) -> Option<ImageFigures> {
    let ties = ranking::ties(scored);
    let each = || ties.iter().copied();
    let (n_bad, n_good) = ranking::totals(each());
    let auroc = ranking::auroc(each())?;
    let recall = |(overkill_max, _): (f64, &str)| {
        let cut = ranking::cut_at_overkill(&ties, overkill_max);
        Recall {
            overkill_max,
            threshold: cut.threshold.is_finite().then_some(cut.threshold),
            recall: Share::of(cut.n_found, n_bad),
        }
    };
    Some(ImageFigures {
        n_bad,
        n_good,
        auroc: Some(auroc),
        auroc_interval: auroc_interval(auroc, n_bad, n_good),
        average_precision: ranking::average_precision(each()),
        recalls: OVERKILLS.map(recall).to_vec(),
    })
}

fn box_figures(set: &LabelledSet, run: &Run, matching: &Matching) -> Option<BoxFigures> {
    if !set.has_boxes || !matching.any() {
        return None;
    }
    let pictures: Vec<_> = run.pictures.iter().map(|one| one.boxes.clone()).collect();
    let precisions = class_precisions(&pictures, set.classes.len());
    Some(BoxFigures {
        map_50: mean_precision(&precisions, |class| class.ap_50),
        map_50_95: mean_precision(&precisions, |class| class.ap_50_95),
        classes: set.classes.iter().cloned().zip(precisions).collect(),
        confusion: classes::box_confusion(run, matching),
    })
}

fn stages(run: &Run) -> Vec<Stage> {
    let timings: Vec<StageTimings> = run.pictures.iter().map(|one| one.timings).collect();
    let stage = |(name, times): (&str, [Duration; 3])| {
        let [median_ms, p95_ms, _] = times.map(|time| time.as_secs_f64() * 1e3);
        Stage {
            stage: name.to_owned(),
            median_ms,
            p95_ms,
        }
    };
    StageTimings::spreads(&timings).map(stage).to_vec()
}

impl Verdicts {
    fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Ok => self.ok += 1,
            Verdict::Ng => self.ng += 1,
            Verdict::Indeterminate(reason) => {
                let word = reason.word().to_owned();
                *self.indeterminate.entry(word).or_default() += 1;
            }
        }
    }

    /// Indeterminate for whatever reason.
    pub fn doubts(&self) -> u64 {
        self.indeterminate.values().sum()
    }

    /// The reasons with their counts, for people: `3 doubtful, 1 image_unfit`.
    pub fn doubts_by_reason(&self) -> String {
        let reasons = self.indeterminate.iter();
        let reasons: Vec<String> = reasons.map(|(reason, n)| format!("{n} {reason}")).collect();
        if reasons.is_empty() {
            return "0".to_owned();
        }
        reasons.join(", ")
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.ok + self.ng + self.doubts()
    }
}

impl Share {
    /// A share that was counted.
    pub fn of(n: u64, of: u64) -> Self {
        let rate = Rate { n, of };
        Self {
            n,
            of,
            share: rate.share(),
            wilson: rate.wilson(),
            clopper_pearson: rate.clopper_pearson(),
        }
    }
}

impl ImageFigures {
    /// The recalls under their names for people.
    pub fn named_recalls(&self) -> impl Iterator<Item = (&'static str, &Share)> {
        let names = [
            "recall at no overkill",
            "recall at 0.1 % overkill",
            "recall at 1 % overkill",
        ];
        names
            .into_iter()
            .zip(self.recalls.iter().map(|recall| &recall.recall))
    }
}

impl Figures {
    /// Each figure by its name, as `--require` and `--json` know it; what was not measured is left out.
    pub fn by_name(&self) -> Vec<(String, f64)> {
        let mut all: Vec<(&str, Option<f64>)> = vec![
            ("escape", self.escape.share),
            ("overkill", self.overkill.share),
            ("review", self.review.share),
        ];
        if let Some(image) = &self.image {
            all.push(("image_auroc", image.auroc));
            all.push(("image_ap", image.average_precision));
            let recalls = OVERKILLS.iter().zip(&image.recalls);
            all.extend(recalls.map(|((_, name), recall)| (*name, recall.recall.share)));
        }
        if let Some(pixel) = &self.pixel {
            all.push(("pixel_auroc", pixel.auroc));
            all.push(("pixel_ap", pixel.average_precision));
            all.push(("aupro", pixel.aupro));
            all.push(("pixel_f1", pixel.f1));
            all.push(("pixel_f1_best", pixel.f1_best));
        }
        if let Some(boxes) = &self.boxes {
            all.push(("map_50", boxes.map_50));
            all.push(("map_50_95", boxes.map_50_95));
        }
        if let Some(classes) = &self.classes {
            all.push(("accuracy", classes.accuracy.share));
            all.push(("macro_auroc", classes.macro_auroc));
        }
        let total = self.stages.last();
        all.push(("ms_median", total.map(|stage| stage.median_ms)));
        all.push(("ms_p95", total.map(|stage| stage.p95_ms)));
        let there = all.into_iter();
        there
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }
}
