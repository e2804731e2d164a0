//! Resizing with a filter as wide as the factor, as Pillow and torchvision do it.
//!
//! OpenCV's linear resize looks at the four nearest pixels only; models that were fed by Pillow score
//! differently on it. The arithmetic is Pillow's to the last bit (weights of 22 bits, rows first, the
//! result of each pass rounded), for one grey value more or less moves a score by a thousandth.

use opencv::core::{CV_8U, CV_32F, Mat, Scalar, Size, ToInputArray};
use opencv::prelude::*;

use super::input::Interpolation;

/// Bits of a weight after the point: 8 are left for a grey value and 2 for its overshoot.
const WEIGHT_BITS: u32 = 22;

/// A filter with the weights of the last size, and the memory that it works in.
pub(super) struct Antialias {
    filter: Filter,
    is_exact: bool,
    sizes: Option<(Size, Size)>,
    columns: Vec<Tap>,
    rows: Vec<Tap>,
    source: Mat,
    narrowed: Mat,
}

/// The filter's shape, and how many pixels it reaches where nothing is made smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    Linear,
    Cubic,
}

/// What one target pixel takes from the source along one side.
#[derive(Debug, Clone, PartialEq)]
struct Tap {
    start: usize,
    weights: Vec<f32>,
    fixed: Vec<i32>,
}

impl Antialias {
    pub(super) fn new(interpolation: Interpolation) -> Self {
        Self {
            filter: match interpolation {
                Interpolation::CubicAntialias => Filter::Cubic,
                Interpolation::Area
                | Interpolation::Linear
                | Interpolation::LinearAntialias
                | Interpolation::LinearAntialiasExact => Filter::Linear,
            },
            is_exact: interpolation == Interpolation::LinearAntialiasExact,
            sizes: None,
            columns: Vec::new(),
            rows: Vec::new(),
            source: Mat::default(),
            narrowed: Mat::default(),
        }
    }

    /// Resizes an image of one or three channels; into 32-bit numbers if exact or if it has such.
    pub(super) fn resize(
        &mut self,
        image: &(impl MatTraitConst + ToInputArray),
        resized: &mut Mat,
        size: Size,
    ) -> opencv::Result<()> {
        let depth = if self.is_exact { CV_32F } else { image.depth() };
        // The passes want rows without gaps.
        image.convert_to_def(&mut self.source, depth)?;
        let sizes = (self.source.size()?, size);
        if self.sizes != Some(sizes) {
            self.columns = taps(self.filter, sizes.0.width, size.width);
            self.rows = taps(self.filter, sizes.0.height, size.height);
            self.sizes = Some(sizes);
        }
        shape(
            &mut self.narrowed,
            Size::new(size.width, sizes.0.height),
            self.source.typ(),
        )?;
        shape(resized, size, self.source.typ())?;
        match (self.source.channels(), depth) {
            (1, CV_8U) => self.passes::<u8, 1>(resized),
            (3, CV_8U) => self.passes::<u8, 3>(resized),
            (1, CV_32F) => self.passes::<f32, 1>(resized),
            (3, CV_32F) => self.passes::<f32, 3>(resized),
            (channels, depth) => Err(opencv::Error::new(
                opencv::core::StsUnsupportedFormat,
                format!("an image of {channels} channels and depth {depth} cannot be resized so"),
            )),
        }
    }

    fn passes<T: Level, const C: usize>(&mut self, resized: &mut Mat) -> opencv::Result<()> {
        let mut narrowed = flat(&mut self.narrowed)?;
        let source = flat(&mut self.source)?;
        along_rows::<T, C>(
            source.data_typed()?,
            narrowed.data_typed_mut()?,
            (source.cols(), &self.columns),
        );
        let mut resized = flat(resized)?;
        let length = resized.cols();
        across_rows::<T>(
            narrowed.data_typed()?,
            resized.data_typed_mut()?,
            (length, &self.rows),
        );
        Ok(())
    }
}

/// The image's numbers as one channel; no copy is made.
fn flat(image: &mut Mat) -> opencv::Result<opencv::boxed_ref::BoxedRefMut<'_, Mat>> {
    image.reshape_mut(1, 0)
}

fn shape(image: &mut Mat, size: Size, kind: i32) -> opencv::Result<()> {
    if image.size()? != size || image.typ() != kind {
        *image = Mat::new_size_with_default(size, kind, Scalar::default())?;
    }
    Ok(())
}

/// A number of an image.
trait Level: DataType {
    type Sum: Copy;

    fn zero() -> Self::Sum;
    fn add(self, sum: Self::Sum, tap: (f32, i32)) -> Self::Sum;
    fn of(sum: Self::Sum) -> Self;
}

impl Level for u8 {
    type Sum = i32;

    fn zero() -> i32 {
        // So that cutting off the bits rounds.
        1 << (WEIGHT_BITS - 1)
    }

    fn add(self, sum: i32, (_, weight): (f32, i32)) -> i32 {
        // The weights add up to 1, with an overshoot of less than a half: 31 bits hold it.
        sum.wrapping_add(i32::from(self).wrapping_mul(weight))
    }

    #[expect(clippy::cast_sign_loss, reason = "the value is clamped to a byte")]
    fn of(sum: i32) -> Self {
        (sum >> WEIGHT_BITS).clamp(0, 255) as u8
    }
}

impl Level for f32 {
    type Sum = f32;

    fn zero() -> f32 {
        0.0
    }

    fn add(self, sum: f32, (weight, _): (f32, i32)) -> f32 {
        sum + self * weight
    }

    fn of(sum: f32) -> Self {
        sum
    }
}

impl Tap {
    fn pairs(&self) -> impl Iterator<Item = (f32, i32)> + '_ {
        self.weights.iter().copied().zip(self.fixed.iter().copied())
    }
}

/// Makes each row longer or shorter.
fn along_rows<T: Level, const C: usize>(
    source: &[T],
    target: &mut [T],
    (length, columns): (i32, &[Tap]),
) {
    let length = usize::try_from(length).unwrap_or_default().max(1);
    let rows = source.chunks_exact(length);
    for (row, target) in rows.zip(target.chunks_exact_mut(columns.len() * C)) {
        let (pixels, _) = row.as_chunks::<C>();
        let (targets, _) = target.as_chunks_mut::<C>();
        for (target, tap) in targets.iter_mut().zip(columns) {
            let mut sums = [T::zero(); C];
            for (pixel, weight) in pixels.iter().skip(tap.start).zip(tap.pairs()) {
                for (sum, level) in sums.iter_mut().zip(pixel) {
                    *sum = level.add(*sum, weight);
                }
            }
            *target = sums.map(T::of);
        }
    }
}

/// Makes more or fewer rows.
fn across_rows<T: Level>(source: &[T], target: &mut [T], (length, rows): (i32, &[Tap])) {
    let length = usize::try_from(length).unwrap_or_default().max(1);
    let mut sums = vec![T::zero(); length];
    for (target, tap) in target.chunks_exact_mut(length).zip(rows) {
        sums.fill(T::zero());
        let sources = source.chunks_exact(length).skip(tap.start);
        for (row, weight) in sources.zip(tap.pairs()) {
            for (sum, level) in sums.iter_mut().zip(row) {
                *sum = level.add(*sum, weight);
            }
        }
        for (value, sum) in target.iter_mut().zip(&sums) {
            *value = T::of(*sum);
        }
    }
}

impl Filter {
    fn reach(self) -> f64 {
        match self {
            Self::Linear => 1.0,
            Self::Cubic => 2.0,
        }
    }

    /// Its height at a distance from the middle.
    fn at(self, distance: f64) -> f64 {
        // Keys' cubic with the slope that Pillow chose.
        const A: f64 = -0.5;
        let x = distance.abs();
        match self {
            Self::Linear => (1.0 - x).max(0.0),
            Self::Cubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Cubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            Self::Cubic => 0.0,
        }
    }
}

/// The weights of each target pixel along a side.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places lie within the source, weights are small numbers"
)]
fn taps(filter: Filter, source: i32, target: i32) -> Vec<Tap> {
    let scale = f64::from(source) / f64::from(target);
    let width = scale.max(1.0);
    let reach = filter.reach() * width;
    let tap = |index: i32| {
        let middle = (f64::from(index) + 0.5) * scale;
        let start = (middle - reach + 0.5).max(0.0) as i32;
        let end = ((middle + reach + 0.5) as i32).min(source);
        let mut weights: Vec<f64> = (start..end)
            .map(|place| filter.at((f64::from(place) - middle + 0.5) * width.recip()))
            .collect();
        let sum: f64 = weights.iter().sum();
        if sum != 0.0 {
            for weight in &mut weights {
                *weight /= sum;
            }
        }
        let fixed = |weight: &f64| (weight * f64::from(1 << WEIGHT_BITS)).round() as i32;
        Tap {
            start: start as usize,
            fixed: weights.iter().map(fixed).collect(),
            weights: weights.iter().map(|weight| *weight as f32).collect(),
        }
    };
    (0..target).map(tap).collect()
}

#[cfg(test)]
mod tests;
