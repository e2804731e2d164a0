//! The masks of boxes: each a mixture of prototypes, cut at the box.

use ndarray::{Array2, ArrayView1, ArrayView3, Ix3};

use super::super::layout::{Axes, BoxForm};
use super::super::manifest::Manifest;
use super::super::output::{RawOutput, Role};
use super::boxes::{Candidate, Table};
use super::maps::{Cells, find_regions};
use super::{Found, output, pick, sigmoid};

/// From here a cell belongs to a box's mask, as in the training of such masks.
const MASK_THRESHOLD: f32 = 0.5;

/// What the masks of boxes are made of.
pub(super) struct Masks<'v> {
    prototypes: ArrayView3<'v, f32>,
    /// For each box, how much of each prototype.
    weights: Vec<ArrayView1<'v, f32>>,
    cells: Cells,
}

impl<'v> Masks<'v> {
    /// # Errors
    /// If a box does not have a weight for each prototype.
    pub(super) fn new(
        manifest: &Manifest,
        raw: &'v RawOutput,
        table: &'v Table<'v>,
        form: &BoxForm,
    ) -> Result<Self, String> {
        let view = pick(output(raw, Role::Prototypes)?, Axes::new(4, [1, 2, 3]));
        let prototypes = view
            .into_dimensionality::<Ix3>()
            .map_err(|error| error.to_string())?;
        let (n_prototypes, rows, columns) = prototypes.dim();
        let expected = form.n_columns + n_prototypes;
        if table.n_columns() != expected {
            return Err(format!(
                "a box has {} numbers where labels and prototypes make {expected}",
                table.n_columns()
            ));
        }
        let weights: Result<_, _> = (form.n_columns..expected)
            .map(|column| table.column(column))
            .collect();
        Ok(Self {
            prototypes,
            weights: weights?,
            cells: Cells::of(manifest, (rows, columns)),
        })
    }

    /// Gives the box the outline of its mask's largest region; a box without one keeps its edges.
    pub(super) fn put_on(&self, boxed: Found, candidate: &Candidate) -> Result<Found, String> {
        let (_, rows, columns) = self.prototypes.dim();
        let mut mask = Array2::<f32>::zeros((rows, columns));
        for (weights, prototype) in self.weights.iter().zip(self.prototypes.outer_iter()) {
            if let Some(weight) = weights.get(candidate.row) {
                mask.scaled_add(*weight, &prototype);
            }
        }
        let inside = self.cells.within(&candidate.region);
        for ((row, column), value) in mask.indexed_iter_mut() {
            *value = if inside(row, column) {
                sigmoid(*value)
            } else {
                0.0
            };
        }
        let regions = find_regions(mask.view(), MASK_THRESHOLD, 1)?;
        Ok(match regions.first() {
            None => boxed,
            Some(region) => Found {
                outline: self.cells.on_input(&region.outline),
                has_mask: true,
                cell: self.cells.size(),
                ..boxed
            },
        })
    }
}
