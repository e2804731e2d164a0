//! Two runs on the same pictures: figures side by side, a paired test, the parts that flipped.

use std::collections::BTreeMap;

use serde::Serialize;

use super::form::{PictureForm, RunForm};
use super::metrics::ranking::Scored;
use super::metrics::{AurocDifference, delong, mcnemar_exact};

/// Most differences that an error names.
const NAMED_MAX: usize = 5;

/// How two runs differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Each figure by name, before and now.
    pub figures: Vec<FigurePair>,
    /// Pictures that only the earlier run got right.
    pub n_only_before_right: u64,
    /// Pictures that only this run got right.
    pub n_only_now_right: u64,
    /// McNemar's exact test of those two.
    pub mcnemar_p: f64,
    /// The AUROC now less that before; none without good and bad pictures.
    pub auroc: Option<AurocDifference>,
    /// Pictures with another verdict than before.
    pub flipped: Vec<Flip>,
}

/// One figure of both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FigurePair {
    /// Its name.
    pub name: String,
    /// In the earlier run.
    pub before: Option<f64>,
    /// In this run.
    pub now: Option<f64>,
}

/// A picture with another verdict than before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Flip {
    /// The picture.
    pub name: String,
    /// Whether the part is bad.
    pub is_bad: bool,
    /// What the earlier run said.
    pub before: String,
    /// What this run says.
    pub now: String,
    /// Whether the line did right by the part before, and does now.
    pub was_right: bool,
    /// See `was_right`.
    pub is_right: bool,
}

/// Why two runs cannot be compared.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the two runs are not about the same pictures: {text}; evaluate both on one set, with the same `--split` and `--limit`"
)]
pub struct CompareError {
    text: String,
}

/// Compares a run with an earlier one.
///
/// # Errors
/// [`CompareError`] if they are not about the same pictures with the same truth.
pub fn compare(before: &RunForm, now: &RunForm) -> Result<Comparison, CompareError> {
    let pairs = pairs(&before.pictures, &now.pictures)?;
    let count = |before: bool, now: bool| {
        let fits =
            |(a, b): &&(&PictureForm, &PictureForm)| a.is_right() == before && b.is_right() == now;
        pairs.iter().filter(fits).count() as u64
    };
    let (n_only_before_right, n_only_now_right) = (count(true, false), count(false, true));
    let scored = |of: fn(&(&PictureForm, &PictureForm)) -> Option<f64>| -> Vec<Scored> {
        pairs
            .iter()
            .filter(|(a, b)| a.score.is_some() && b.score.is_some())
            .filter_map(|pair| {
                Some(Scored {
                    score: of(pair)?,
                    is_bad: pair.0.is_bad,
                })
            })
            .collect()
    };
    let flip = |(a, b): &(&PictureForm, &PictureForm)| Flip {
        name: b.name.clone(),
        is_bad: b.is_bad,
        before: a.said(),
        now: b.said(),
        was_right: a.is_right(),
        is_right: b.is_right(),
    };
    let has_flipped = |(a, b): &&(&PictureForm, &PictureForm)| a.said() != b.said();
    Ok(Comparison {
        figures: figure_pairs(before, now),
        n_only_before_right,
        n_only_now_right,
        mcnemar_p: mcnemar_exact(n_only_before_right, n_only_now_right),
        auroc: delong(&scored(|pair| pair.0.score), &scored(|pair| pair.1.score)),
        flipped: pairs.iter().filter(has_flipped).map(flip).collect(),
    })
}

type Pair<'a> = (&'a PictureForm, &'a PictureForm);

fn pairs<'a>(
    before: &'a [PictureForm],
    now: &'a [PictureForm],
) -> Result<Vec<Pair<'a>>, CompareError> {
    let mut earlier: BTreeMap<&str, &PictureForm> =
        before.iter().map(|one| (one.name.as_str(), one)).collect();
    let (mut pairs, mut differences) = (Vec::new(), Vec::new());
    for one in now {
        let Some(before) = earlier.remove(one.name.as_str()) else {
            differences.push(format!("`{}` was not in the earlier run", one.name));
            continue;
        };
        if before.sha256 != one.sha256 {
            differences.push(format!("`{}` has other pixels", one.name));
        } else if (before.is_bad, &before.classes) != (one.is_bad, &one.classes) {
            differences.push(format!("`{}` has another truth", one.name));
        }
        pairs.push((before, one));
    }
    differences.extend(
        earlier
            .keys()
            .map(|name| format!("`{name}` is missing now")),
    );
    if differences.is_empty() {
        return Ok(pairs);
    }
    let n_more = differences.len().saturating_sub(NAMED_MAX);
    differences.truncate(NAMED_MAX);
    let more = if n_more == 0 {
        String::new()
    } else {
        format!(" and {n_more} more")
    };
    let text = format!("{}{more}", differences.join(", "));
    Err(CompareError { text })
}

fn figure_pairs(before: &RunForm, now: &RunForm) -> Vec<FigurePair> {
    let (before, now) = (before.figures.by_name(), now.figures.by_name());
    let of = |figures: &[(String, f64)], name: &str| {
        let found = figures.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| *value)
    };
    let gone = before.iter().filter(|(name, _)| of(&now, name).is_none());
    let names: Vec<&String> = now.iter().chain(gone).map(|(name, _)| name).collect();
    names
        .into_iter()
        .map(|name| FigurePair {
            name: name.clone(),
            before: of(&before, name),
            now: of(&now, name),
        })
        .collect()
}
