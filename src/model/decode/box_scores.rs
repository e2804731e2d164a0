//! Which class a box has, and how sure the graph is of it.

use super::super::layout::{Activation, BoxForm, ClassColumns, Layout};
use super::super::manifest::Manifest;
use super::super::output::RawOutput;
use super::boxes::{BoxRules, Table, table};
use super::{activate, checked_score, sigmoid};

/// Row, class and score of what is over the threshold.
pub(super) fn scored(
    table: &Table<'_>,
    form: &BoxForm,
    rules: &BoxRules,
) -> Result<Vec<(usize, usize, f32)>, String> {
    let factors = factors(table, form)?;
    let enough = |score: f32| score > 0.0 && score >= rules.confidence_threshold;
    let mut found = Vec::new();
    match form.classes {
        ClassColumns::One => {
            let scores = factors.iter().enumerate();
            found.extend(
                scores
                    .filter(|(_, s)| enough(**s))
                    .map(|(row, score)| (row, 0, *score)),
            );
        }
        ClassColumns::Index { column, first } => {
            let classes = table.column(column)?;
            for (row, (score, class)) in factors.iter().zip(classes).enumerate() {
                // Rows of score 0 are padding.
                if *score <= 0.0 {
                    continue;
                }
                let class = index(*class, first, rules.n_labels)?;
                if enough(*score) {
                    found.push((row, class, *score));
                }
            }
        }
        ClassColumns::All { first } => {
            for class in 0..rules.n_labels {
                let column = table.column(first + class)?;
                for (row, (factor, value)) in factors.iter().zip(column).enumerate() {
                    let score = factor * probability(*value, form.activation)?;
                    if enough(score) {
                        found.push((row, class, score));
                    }
                }
            }
            // As they came: row by row.
            found.sort_by_key(|(row, class, _)| (*row, *class));
        }
        ClassColumns::Best { first, none } => {
            let best = best_classes(table, (first, none), form.activation, rules.n_labels)?;
            for (row, (factor, (class, score))) in factors.iter().zip(best).enumerate() {
                if enough(factor * score) {
                    found.push((row, class, factor * score));
                }
            }
        }
    }
    Ok(found)
}

/// What every score of a row is multiplied with.
fn factors(table: &Table<'_>, form: &BoxForm) -> Result<Vec<f32>, String> {
    let activation = match form.activation {
        Activation::Sigmoid => Activation::Sigmoid,
        // Softmax is of the classes.
        Activation::None | Activation::Softmax => Activation::None,
    };
    let mut factors = vec![1.0; table.n_rows()];
    for column in form.factors.into_iter().flatten() {
        for (factor, value) in factors.iter_mut().zip(table.column(column)?) {
            *factor *= probability(*value, activation)?;
        }
    }
    Ok(factors)
}

fn probability(value: f32, activation: Activation) -> Result<f32, String> {
    match activation {
        Activation::Sigmoid => Ok(sigmoid(value)),
        Activation::None | Activation::Softmax => checked_score(value),
    }
}

/// The best label of each row, with its score; columns are read one after the other, as they lie in
/// memory for most exporters.
fn best_classes(
    table: &Table<'_>,
    (first, none): (usize, Option<usize>),
    activation: Activation,
    n_labels: usize,
) -> Result<Vec<(usize, f32)>, String> {
    if activation == Activation::Softmax {
        return best_of_softmax(table, (first, none), n_labels);
    }
    let mut best = vec![(0, 0.0); table.n_rows()];
    for class in 0..n_labels {
        for (best, value) in best.iter_mut().zip(table.column(first + class)?) {
            let score = probability(*value, activation)?;
            if score > best.1 {
                *best = (class, score);
            }
        }
    }
    Ok(best)
}

fn best_of_softmax(
    table: &Table<'_>,
    (first, none): (usize, Option<usize>),
    n_labels: usize,
) -> Result<Vec<(usize, f32)>, String> {
    let columns: Result<Vec<_>, _> = (first..first + n_labels)
        .chain(none)
        .map(|column| table.column(column))
        .collect();
    let columns = columns?;
    let best = (0..table.n_rows()).map(|row| {
        let numbers = columns.iter().filter_map(|column| column.get(row));
        let mut numbers: Vec<f32> = numbers.copied().collect();
        activate(&mut numbers, Activation::Softmax);
        let labels = numbers.into_iter().take(n_labels).enumerate();
        labels.fold(
            (0, 0.0),
            |best, (class, score)| {
                if score > best.1 { (class, score) } else { best }
            },
        )
    });
    Ok(best.collect())
}

/// The score of each row with its best label.
pub(super) fn probabilities(manifest: &Manifest, raw: &RawOutput) -> Result<Vec<f32>, String> {
    let Layout::Boxes { form, .. } = manifest.layout else {
        return Err("this is no list of boxes".to_owned());
    };
    let table = table(raw, form.source)?;
    let factors = factors(&table, &form)?;
    let best = match form.classes {
        ClassColumns::Best { first, none } => best_classes(
            &table,
            (first, none),
            form.activation,
            manifest.labels.len(),
        )?,
        ClassColumns::One | ClassColumns::Index { .. } | ClassColumns::All { .. } => {
            vec![(0, 1.0); table.n_rows()]
        }
    };
    Ok(factors
        .iter()
        .zip(best)
        .map(|(factor, (_, score))| factor * score)
        .collect())
}

/// The label of a class number.
fn index(class: f32, first: usize, n_labels: usize) -> Result<usize, String> {
    (0..n_labels)
        .find(|index| ((first + *index) as f32 - class).abs() < 1e-3)
        .ok_or_else(|| format!("class {class} is none of the {n_labels} labels"))
}
