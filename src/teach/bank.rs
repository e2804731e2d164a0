//! From the rows of good parts to what new pictures are compared with: whitening and banks.

use ndarray::{Array2, ArrayView2, Axis, concatenate};

use super::coreset::{greedy_k_centre, project};
use super::error::TeachError;
use super::method::{BANK_ROWS, CHOICE_DIMENSIONS, CHOICE_SEED, RIDGE};
use super::spread::on_threads;
use super::whitening::{Moments, Whitening};

/// The rows of good parts, whitened, and a projection of them by which banks are chosen.
#[derive(Debug)]
pub(super) struct Whitened {
    pub(super) whitening: Whitening,
    /// One array a part.
    rows: Vec<Array2<f32>>,
    narrow: Vec<Array2<f32>>,
}

impl Whitened {
    /// Works the whitening out from all rows and applies it.
    pub(super) fn new(raw: Vec<Array2<f32>>, n_threads: usize) -> Result<Self, TeachError> {
        let mut parts = raw.iter();
        let first = parts.next().ok_or(TeachError::AllTheSame)?;
        let mut moments = Moments::of(&first.view());
        for rows in parts {
            moments.add(&rows.view());
        }
        let whitening = moments.whitening(RIDGE).ok_or(TeachError::AllTheSame)?;
        let rows = on_threads(n_threads, &raw, |rows| whitening.apply(&rows.view()));
        drop(raw);
        let narrow = on_threads(n_threads, &rows, |rows| {
            project(&rows.view(), CHOICE_DIMENSIONS, CHOICE_SEED)
        });
        Ok(Self {
            whitening,
            rows,
            narrow,
        })
    }

    /// A bank for each of `left_out`: of all parts but those at which it is true.
    pub(super) fn banks(
        &self,
        left_out: &[Vec<bool>],
        n_threads: usize,
        done: &(dyn Fn() + Sync),
    ) -> Result<Vec<Array2<f32>>, TeachError> {
        let banks = on_threads(n_threads, left_out, |left_out| {
            let bank = self.bank(left_out);
            done();
            bank
        });
        banks.into_iter().collect()
    }

    fn bank(&self, left_out: &[bool]) -> Result<Array2<f32>, TeachError> {
        let narrow = kept(&self.narrow, left_out)?;
        let chosen = greedy_k_centre(&narrow.view(), 0, BANK_ROWS);
        drop(narrow);
        Ok(kept(&self.rows, left_out)?.select(Axis(0), &chosen))
    }
}

/// The rows of the parts that are not left out, one below the other.
fn kept(parts: &[Array2<f32>], left_out: &[bool]) -> Result<Array2<f32>, TeachError> {
    let kept = parts.iter().zip(left_out).filter(|(_, is_out)| !**is_out);
    let views: Vec<ArrayView2<'_, f32>> = kept.map(|(rows, _)| rows.view()).collect();
    // All rows come from one graph and have one length; without any part there is nothing to join.
    concatenate(Axis(0), &views).map_err(|_| TeachError::AllTheSame)
}
