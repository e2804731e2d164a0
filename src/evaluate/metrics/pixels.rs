//! Pixels: AUROC, average precision, F1 and AUPRO of score maps against masks, picture by picture.
//!
//! No pixel is kept: each is counted in a bin, and bins are fine near 0 and near 1, where the scores of
//! networks crowd: the first 16 bits after the leading one of the score, or of what it lacks to 1.
//! Pixels of one bin count as ties; what that can change in the AUROC is said beside it
//! ([`PixelFigures::auroc_error_max`]). A page of bins is made when its first pixel comes, 1.6 MB for
//! each halving of the score, so that a set of any size takes some tens of MB.

use ndarray::{ArrayView2, Zip};

use super::ranking::{self, BestF1, Tie};

/// Bits of an `f32` that fall away: 16 of its 23 fraction bits stay.
const BITS_DROPPED: u32 = 7;
/// Bins below a half.
const BINS_BELOW: usize = (0.5_f32.to_bits() >> BITS_DROPPED) as usize;
/// The bin of a score of 1.
const BIN_LAST: usize = 2 * BINS_BELOW;
/// Bins of a page.
const PAGE_BINS: usize = 4096;

/// Share of good pixels up to which the PRO curve is integrated (Bergmann et al. 2021).
pub const AUPRO_LIMIT: f64 = 0.3;

/// What the pixels of a set's pictures scored.
#[derive(Debug)]
pub struct PixelScores {
    /// Each with [`PAGE_BINS`] bins, or none as long as it has no pixel.
    pages: Vec<Vec<Bin>>,
    threshold: Option<f32>,
    n_found: u64,
    n_overkill: u64,
    n_pictures: u64,
    n_regions: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    n_good: u64,
    n_bad: u64,
    /// Each bad pixel as a share of its region.
    share: f64,
}

/// The figures.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PixelFigures {
    /// Pictures with a map and a mask.
    pub n_pictures: u64,
    /// Regions of the masks, corners touching.
    pub n_regions: u64,
    /// Pixels of defects.
    pub n_bad: u64,
    /// All other pixels.
    pub n_good: u64,
    /// AUROC of all pixels.
    pub auroc: Option<f64>,
    /// How far it may be from that of the exact scores: half of the pairs in one bin. Scores that are
    /// truly equal are pairs in one bin too, so it is often nearer.
    pub auroc_error_max: f64,
    /// Average precision of all pixels.
    pub average_precision: Option<f64>,
    /// Area under the per-region overlap up to [`AUPRO_LIMIT`], over that limit.
    pub aupro: Option<f64>,
    /// The threshold that the package sets for pixels.
    pub threshold: Option<f64>,
    /// F1 there.
    pub f1: Option<f64>,
    /// The best F1 of any threshold.
    pub f1_best: Option<f64>,
    /// That threshold.
    pub f1_best_threshold: Option<f64>,
}

fn bin_of(score: f32) -> usize {
    if score.is_nan() || score <= 0.0 {
        0
    } else if score < 0.5 {
        (score.to_bits() >> BITS_DROPPED) as usize
    } else {
        // Between a half and 1 the difference to 1 is exact.
        BIN_LAST - ((1.0 - score).max(0.0).to_bits() >> BITS_DROPPED) as usize
    }
}

/// The lowest score of a bin.
fn score_of(bin: usize) -> f64 {
    let value = |bits: usize| {
        f64::from(f32::from_bits(
            u32::try_from(bits << BITS_DROPPED).unwrap_or(0),
        ))
    };
    if bin < BINS_BELOW {
        value(bin)
    } else {
        // The bin reaches down to the first value of the one below.
        1.0 - value((BIN_LAST - bin + 1).min(BINS_BELOW))
    }
}

impl PixelScores {
    /// Nothing yet; `threshold` is the package's for pixels.
    pub fn new(threshold: Option<f32>) -> Self {
        Self {
            pages: vec![Vec::new(); BIN_LAST / PAGE_BINS + 1],
            threshold,
            n_found: 0,
            n_overkill: 0,
            n_pictures: 0,
            n_regions: 0,
        }
    }

    /// Adds a picture: its scores from 0 to 1, and the region of each pixel (0 is good). Both have the
    /// picture's size; pixels beyond the smaller of the two are left out.
    pub fn add(&mut self, scores: &ArrayView2<'_, f32>, regions: &ArrayView2<'_, u32>) {
        let n_regions = regions.iter().copied().max().unwrap_or(0) as usize;
        let mut sizes = vec![0_u64; n_regions + 1];
        for region in regions {
            if let Some(size) = sizes.get_mut(*region as usize) {
                *size += 1;
            }
        }
        let shares: Vec<f64> = sizes
            .iter()
            .map(|size| 1.0 / (*size).max(1) as f64)
            .collect();
        Zip::from(scores).and(regions).for_each(|score, region| {
            let index = bin_of(*score);
            let Some(page) = self.pages.get_mut(index / PAGE_BINS) else {
                return;
            };
            if page.is_empty() {
                page.resize(PAGE_BINS, Bin::default());
            }
            let Some(bin) = page.get_mut(index % PAGE_BINS) else {
                return;
            };
            let is_called = self.threshold.is_some_and(|threshold| threshold <= *score);
            if *region == 0 {
                bin.n_good += 1;
                self.n_overkill += u64::from(is_called);
            } else {
                bin.n_bad += 1;
                bin.share += shares.get(*region as usize).copied().unwrap_or(0.0);
                self.n_found += u64::from(is_called);
            }
        });
        let n_seen = sizes.iter().skip(1).filter(|size| 0 < **size).count();
        self.n_regions += n_seen as u64;
        self.n_pictures += 1;
    }

    /// Bins that have a pixel, highest scores first.
    fn filled(&self) -> impl Iterator<Item = (f64, &Bin)> + Clone {
        let bins = self
            .pages
            .iter()
            .enumerate()
            .rev()
            .flat_map(|(page, bins)| {
                let bins = bins.iter().enumerate().rev();
                bins.map(move |(index, bin)| (page * PAGE_BINS + index, bin))
            });
        bins.filter(|(_, bin)| 0 < bin.n_good + bin.n_bad)
            .map(|(index, bin)| (score_of(index), bin))
    }

    fn ties(&self) -> impl Iterator<Item = Tie> + Clone {
        self.filled().map(|(score, bin)| Tie {
            score,
            n_bad: bin.n_bad,
            n_good: bin.n_good,
        })
    }

    /// The figures of all pictures so far.
    pub fn figures(&self) -> PixelFigures {
        let (n_bad, n_good) = ranking::totals(self.ties());
        let best = ranking::best_f1(self.ties());
        let tied: f64 = self
            .ties()
            .map(|tie| tie.n_bad as f64 * tie.n_good as f64)
            .sum();
        let pairs = (n_bad as f64 * n_good as f64).max(1.0);
        PixelFigures {
            n_pictures: self.n_pictures,
            n_regions: self.n_regions,
            n_bad,
            n_good,
            auroc: ranking::auroc(self.ties()),
            auroc_error_max: tied / pairs / 2.0,
            average_precision: ranking::average_precision(self.ties()),
            aupro: self.aupro(),
            threshold: self.threshold.map(f64::from),
            f1: self
                .threshold
                .and_then(|_| ranking::f1(self.n_found, self.n_overkill, n_bad)),
            f1_best: best.map(|BestF1 { f1, .. }| f1),
            f1_best_threshold: best.map(|BestF1 { threshold, .. }| threshold),
        }
    }

    /// The mean share of each region that is found, over the share of good pixels called bad.
    fn aupro(&self) -> Option<f64> {
        let (n_bad, n_good) = ranking::totals(self.ties());
        if n_bad == 0 || n_good == 0 {
            return None;
        }
        let (mut overkill, mut overlap, mut area) = (0.0, 0.0, 0.0);
        for (_, bin) in self.filled() {
            let overkill_next = overkill + bin.n_good as f64 / n_good as f64;
            let overlap_next = overlap + bin.share / self.n_regions as f64;
            if AUPRO_LIMIT <= overkill_next {
                // The curve is straight between two thresholds.
                let part = (AUPRO_LIMIT - overkill) / (overkill_next - overkill);
                let overlap_limit = overlap + part * (overlap_next - overlap);
                area += (AUPRO_LIMIT - overkill) * f64::midpoint(overlap, overlap_limit);
                break;
            }
            area += (overkill_next - overkill) * f64::midpoint(overlap, overlap_next);
            (overkill, overlap) = (overkill_next, overlap_next);
        }
        Some(area / AUPRO_LIMIT)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::super::ranking::{Scored, ties};
    use super::*;

    proptest! {
        #[test]
        fn a_higher_score_never_falls_into_a_lower_bin(a in 0.0..=1.0f32, b in 0.0..=1.0f32) {
            prop_assert_eq!(bin_of(a).cmp(&bin_of(b)).is_lt() && a > b, false);
            prop_assert!(score_of(bin_of(a)) <= f64::from(a) + 1e-7);
            prop_assert!(f64::from(a) - score_of(bin_of(a)) <= f64::from(a.min(1.0 - a)) * 3.1e-5 + 1e-7);
        }

    }

    proptest! {
        // Scores of all sizes fill hundreds of pages.
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn bins_give_the_auroc_of_the_scores_within_what_they_say(
            pixels in prop::collection::vec((0.0..=1.0f32, any::<bool>()), 2..300),
        ) {
            let mut found = PixelScores::new(Some(0.5));
            let length = pixels.len();
            let scores = Array2::from_shape_vec((1, length), pixels.iter().map(|p| p.0).collect()).unwrap();
            let regions = Array2::from_shape_vec((1, length), pixels.iter().map(|p| u32::from(p.1)).collect()).unwrap();
            found.add(&scores.view(), &regions.view());
            let exact: Vec<Scored> = pixels.iter().map(|p| Scored { score: p.0.into(), is_bad: p.1 }).collect();
            let exact = ties(&exact);
            let figures = found.figures();
            let error = |a: Option<f64>, b: Option<f64>| match (a, b) {
                (Some(a), Some(b)) => (a - b).abs(),
                (None, None) => 0.0,
                _ => f64::INFINITY,
            };
            let auroc = ranking::auroc(exact.iter().copied());
            prop_assert!(error(auroc, figures.auroc) <= figures.auroc_error_max + 1e-12);
            let is_bad = |p: &&(f32, bool)| p.1;
            let n_found = pixels.iter().filter(is_bad).filter(|p| 0.5 <= p.0).count() as u64;
            let n_called = pixels.iter().filter(|p| 0.5 <= p.0).count() as u64;
            let n_bad = pixels.iter().filter(is_bad).count() as u64;
            prop_assert_eq!(figures.f1, ranking::f1(n_found, n_called - n_found, n_bad));
        }
    }

    #[test]
    fn the_ends_of_the_scale_have_bins_of_their_own() {
        assert_eq!(bin_of(0.0), 0);
        assert_eq!(bin_of(-0.0), 0);
        assert_eq!(bin_of(-1.0), 0);
        assert_eq!(bin_of(f32::NAN), 0);
        assert_eq!(bin_of(1.0), BIN_LAST);
        assert_eq!(bin_of(2.0), BIN_LAST);
        assert_eq!(bin_of(0.5), BINS_BELOW);
        assert!(bin_of(1.0 - f32::EPSILON) < BIN_LAST);
        assert!(0 < bin_of(1e-30));
    }

    #[test]
    fn each_region_weighs_the_same_however_large_it_is() {
        // A large region that is found and a small one that is missed: half of the overlap.
        let mut scores = Array2::from_elem((10, 10), 0.1_f32);
        let mut regions = Array2::zeros((10, 10));
        for row in 0..5 {
            for column in 0..5 {
                scores[(row, column)] = 0.9;
                regions[(row, column)] = 1;
            }
        }
        regions[(9, 9)] = 2;
        scores[(9, 9)] = 0.05;
        let mut found = PixelScores::new(None);
        found.add(&scores.view(), &regions.view());
        let figures = found.figures();
        assert_eq!(figures.n_regions, 2);
        assert!((figures.aupro.unwrap() - 0.5).abs() < 1e-12);
        assert!(figures.auroc.unwrap() > 0.9);
        assert_eq!(figures.f1, None);
    }
}
