//! Which class pictures and boxes are given, against the true one.

use serde::{Deserialize, Serialize};

use crate::domain::{Finding, Grade};

use super::figures::Share;
use super::matching::Matching;
use super::metrics::overlap;
use super::metrics::ranking::{self, Scored};
use super::run::{Judged, Run};
use super::set::{LabelledPicture, LabelledSet};

/// The row of good parts, and of places where nothing is.
const GOOD: &str = "good";
/// The column of parts where nothing was found.
const NOTHING: &str = "nothing";
/// Least overlap of a found box with a true one.
const OVERLAP_MIN: f64 = 0.5;

/// How often each true class was given each name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Confusion {
    /// What is true.
    pub rows: Vec<String>,
    /// What was said.
    pub columns: Vec<String>,
    /// One list a row.
    pub counts: Vec<Vec<u64>>,
}

/// Which class pictures are given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassFigures {
    /// Pictures whose one class was named rightly, of those that have one class or none.
    pub accuracy: Share,
    /// Pictures with several classes; they are not in the matrix.
    pub n_several: u64,
    /// The mean AUROC of each class against all others, of a classifier.
    pub macro_auroc: Option<f64>,
    /// The matrix.
    pub confusion: Confusion,
}

impl Confusion {
    fn new(rows: Vec<String>, columns: Vec<String>) -> Self {
        Self {
            counts: vec![vec![0; columns.len()]; rows.len()],
            rows,
            columns,
        }
    }

    fn add(&mut self, row: usize, column: usize) {
        if let Some(count) = self.counts.get_mut(row).and_then(|row| row.get_mut(column)) {
            *count += 1;
        }
    }

    /// Without rows that have nothing, and columns that have nothing and stand for no row that is left.
    fn trimmed(self) -> Self {
        let rows: Vec<(String, Vec<u64>)> = self
            .rows
            .into_iter()
            .zip(self.counts)
            .filter(|(_, counts)| 0 < counts.iter().sum::<u64>())
            .collect();
        let is_kept = |(index, name): &(usize, &String)| {
            rows.iter().any(|(row, counts)| {
                row.eq_ignore_ascii_case(name) || counts.get(*index).is_some_and(|n| 0 < *n)
            })
        };
        let columns = self.columns.iter().enumerate().filter(is_kept);
        let kept: Vec<usize> = columns.map(|(index, _)| index).collect();
        let pick = |counts: &Vec<u64>| {
            kept.iter()
                .filter_map(|at| counts.get(*at).copied())
                .collect()
        };
        Self {
            columns: kept
                .iter()
                .filter_map(|at| self.columns.get(*at).cloned())
                .collect(),
            counts: rows.iter().map(|(_, counts)| pick(counts)).collect(),
            rows: rows.into_iter().map(|(row, _)| row).collect(),
        }
    }
}

/// The figures of classes; `None` where the set's classes and the model's have nothing in common.
pub(super) fn class_figures(
    set: &LabelledSet,
    run: &Run,
    matching: &Matching,
) -> Option<ClassFigures> {
    if !matching.any() {
        return None;
    }
    let rows = [GOOD.to_owned()]
        .into_iter()
        .chain(matching.classes.iter().cloned());
    let columns = [NOTHING.to_owned()]
        .into_iter()
        .chain(matching.labels.iter().cloned());
    let mut confusion = Confusion::new(rows.collect(), columns.collect());
    let (mut n_right, mut n_several, mut n) = (0, 0, 0);
    for judged in &run.pictures {
        let Some(picture) = set.pictures.get(judged.index) else {
            continue;
        };
        n_several += u64::from(1 < picture.truth.classes.len());
        let Some(named) = named(picture, judged, matching) else {
            continue;
        };
        confusion.add(
            named.class.map_or(0, |class| class + 1),
            named.label.map_or(0, |label| label + 1),
        );
        n += 1;
        n_right += u64::from(named.is_right);
    }
    (0 < n).then(|| ClassFigures {
        accuracy: Share::of(n_right, n),
        n_several,
        macro_auroc: macro_auroc(set, run, matching),
        confusion: confusion.trimmed(),
    })
}

/// The class of a picture and what it was called.
pub(super) struct Named {
    /// The set's class; `None` is good.
    class: Option<usize>,
    /// The model's label; `None` is nothing.
    label: Option<usize>,
    pub(super) is_right: bool,
}

/// What a picture with one class, or none, was called; `None` for others and where no model looked.
pub(super) fn named(
    picture: &LabelledPicture,
    judged: &Judged,
    matching: &Matching,
) -> Option<Named> {
    judged.score?;
    let class = match picture.truth.classes.as_slice() {
        [] if picture.truth.is_bad => return None,
        [] => None,
        [class] => Some(*class),
        _ => return None,
    };
    let label = said(judged, matching);
    let is_good = |label: usize| matching.is_good.get(label).copied().unwrap_or(false);
    Some(Named {
        class,
        label,
        is_right: match class {
            None => label.is_none_or(is_good),
            Some(class) => label.is_some() && matching.label(class) == label,
        },
    })
}

/// The label that a picture was given: a classifier's most probable one, else that of the surest
/// finding that counts.
fn said(judged: &Judged, matching: &Matching) -> Option<usize> {
    if let Some(scores) = &judged.class_scores {
        let best = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        return best.map(|(label, _)| label);
    }
    let counts = |finding: &&Finding| finding.grade != Grade::Tolerated;
    let surest = judged.findings.iter().filter(counts).max_by(|a, b| {
        let score = |finding: &Finding| finding.detection.score.get();
        score(a).total_cmp(&score(b))
    })?;
    matching.label_named(&surest.detection.class.name)
}

/// As scikit-learn's `roc_auc_score(multi_class="ovr", average="macro")`, over the labels that occur.
fn macro_auroc(set: &LabelledSet, run: &Run, matching: &Matching) -> Option<f64> {
    let of_label = |label: usize| {
        let is_good = matching.is_good.get(label).copied().unwrap_or(false);
        let scored = |judged: &Judged| {
            let truth = &set.pictures.get(judged.index)?.truth;
            let score = judged.class_scores.as_ref()?.get(label)?;
            let is_this = if is_good {
                !truth.is_bad
            } else {
                let classes = truth.classes.iter();
                classes
                    .copied()
                    .any(|class| matching.label(class) == Some(label))
            };
            Some(Scored {
                score: f64::from(*score),
                is_bad: is_this,
            })
        };
        let scored: Vec<Scored> = run.pictures.iter().filter_map(scored).collect();
        ranking::auroc(ranking::ties(&scored).into_iter())
    };
    let all: Vec<f64> = (0..matching.labels.len()).filter_map(of_label).collect();
    (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
}

/// Found boxes at the gate's thresholds against true ones: the surest first takes the truth that it
/// overlaps most, of whatever class.
pub(super) fn box_confusion(run: &Run, matching: &Matching) -> Confusion {
    let rows = matching
        .classes
        .iter()
        .cloned()
        .chain(["background".to_owned()]);
    let columns = matching.labels.iter().cloned().chain(["missed".to_owned()]);
    let mut confusion = Confusion::new(rows.collect(), columns.collect());
    for judged in &run.pictures {
        let truth = &judged.boxes.truth;
        let mut taken = vec![false; truth.len()];
        let mut findings: Vec<&Finding> = judged.findings.iter().collect();
        findings.sort_by(|a, b| {
            b.detection
                .score
                .partial_cmp(&a.detection.score)
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        for finding in findings {
            let Some(label) = matching.label_named(&finding.detection.class.name) else {
                continue;
            };
            let region = finding.detection.region_px;
            let region = [region.x + 0.5, region.y + 0.5, region.width, region.height];
            let best = truth
                .iter()
                .enumerate()
                .filter(|(index, _)| !taken.get(*index).copied().unwrap_or(true))
                .map(|(index, one)| (index, overlap(&region, one)))
                .filter(|(_, overlap)| OVERLAP_MIN <= *overlap)
                .max_by(|a, b| a.1.total_cmp(&b.1));
            let row = best.and_then(|(index, _)| {
                *taken.get_mut(index)? = true;
                Some(truth.get(index)?.class)
            });
            confusion.add(row.unwrap_or(matching.classes.len()), label);
        }
        for (one, taken) in truth.iter().zip(taken) {
            if !taken && !one.is_crowd && !one.is_ignored {
                confusion.add(one.class, matching.labels.len());
            }
        }
    }
    confusion.trimmed()
}
