//! Resizing with a filter as wide as the factor, as Pillow and torchvision do it.
//!
//! OpenCV's linear resize looks at the four nearest pixels only; models that were fed by Pillow score
//! differently on it. The arithmetic is theirs to the last bit (whole weights, the result of each pass
//! rounded), for one grey value more or less moves a score by a thousandth.

use opencv::core::{CV_8U, CV_32F, Mat, Scalar, Size, ToInputArray};
use opencv::prelude::*;

use super::input::{Arithmetic, Filter};

/// Bits of Pillow's weights after the point: 8 are left for a grey value and 2 for its overshoot.
const WEIGHT_BITS: u32 = 22;
/// torchvision's weights have 16 bits, with the sign.
const SHORT_WEIGHT_END: f64 = 32_768.0;

/// A filter with the weights of the last size, and the memory that it works in.
pub(super) struct Antialias {
    filter: Filter,
    arithmetic: Arithmetic,
    sizes: Option<(Size, Size)>,
    columns: Side,
    rows: Side,
    source: Mat,
    between: Mat,
}

/// The weights of each target pixel along a side.
#[derive(Debug, Default)]
struct Side {
    taps: Vec<Tap>,
    /// Bits of the whole weights after the point.
    bits: u32,
}

/// What one target pixel takes from the source along one side.
#[derive(Debug, Clone, PartialEq)]
struct Tap {
    start: usize,
    weights: Vec<f32>,
    fixed: Vec<i32>,
}

impl Antialias {
    pub(super) fn new(filter: Filter, arithmetic: Arithmetic) -> Self {
        Self {
            filter,
            arithmetic,
            sizes: None,
            columns: Side::default(),
            rows: Side::default(),
            source: Mat::default(),
            between: Mat::default(),
        }
    }

    /// Resizes an image of one or three channels; into 32-bit numbers if nothing is rounded, or if it
    /// has such.
    pub(super) fn resize(
        &mut self,
        image: &(impl MatTraitConst + ToInputArray),
        resized: &mut Mat,
        size: Size,
    ) -> opencv::Result<()> {
        let depth = match self.arithmetic {
            Arithmetic::TorchFloats => CV_32F,
            Arithmetic::Pillow | Arithmetic::PillowBefore13 | Arithmetic::TorchBytes => {
                image.depth()
            }
        };
        // The passes want rows without gaps.
        image.convert_to_def(&mut self.source, depth)?;
        let sizes = (self.source.size()?, size);
        if self.sizes != Some(sizes) {
            self.columns = Side::new(self.filter, self.arithmetic, (sizes.0.width, size.width));
            self.rows = Side::new(self.filter, self.arithmetic, (sizes.0.height, size.height));
            self.sizes = Some(sizes);
        }
        let between = if self.columns_first(sizes) {
            Size::new(sizes.0.width, size.height)
        } else {
            Size::new(size.width, sizes.0.height)
        };
        shape(&mut self.between, between, self.source.typ())?;
        shape(resized, size, self.source.typ())?;
        match (self.source.channels(), depth) {
            (1, CV_8U) => self.passes::<u8, 1>(resized, sizes),
            (3, CV_8U) => self.passes::<u8, 3>(resized, sizes),
            (1, CV_32F) => self.passes::<f32, 1>(resized, sizes),
            (3, CV_32F) => self.passes::<f32, 3>(resized, sizes),
            (channels, depth) => Err(opencv::Error::new(
                opencv::core::StsUnsupportedFormat,
                format!("an image of {channels} channels and depth {depth} cannot be resized so"),
            )),
        }
    }

    /// Whether the height is resized before the width. Pillow 13 does so where the height loses more
    /// than twice the pixels that the width loses (found by comparing 688 sizes).
    fn columns_first(&self, (source, target): (Size, Size)) -> bool {
        let (height, width) = (source.height - target.height, source.width - target.width);
        self.arithmetic == Arithmetic::Pillow && 0 < height && 2 * width < height
    }

    fn passes<T: Level, const C: usize>(
        &mut self,
        resized: &mut Mat,
        sizes: (Size, Size),
    ) -> opencv::Result<()> {
        let columns_first = self.columns_first(sizes);
        let source = flat(&mut self.source)?;
        let mut between = flat(&mut self.between)?;
        let mut resized = flat(resized)?;
        let (columns, rows) = (&self.columns, &self.rows);
        if columns_first {
            let length = source.cols();
            across_rows::<T>(
                source.data_typed()?,
                between.data_typed_mut()?,
                (length, rows),
            );
            along_rows::<T, C>(
                between.data_typed()?,
                resized.data_typed_mut()?,
                (length, columns),
            );
        } else {
            let (length, narrowed) = (source.cols(), between.cols());
            along_rows::<T, C>(
                source.data_typed()?,
                between.data_typed_mut()?,
                (length, columns),
            );
            across_rows::<T>(
                between.data_typed()?,
                resized.data_typed_mut()?,
                (narrowed, rows),
            );
        }
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

    fn zero(bits: u32) -> Self::Sum;
    fn add(self, sum: Self::Sum, tap: (f32, i32)) -> Self::Sum;
    fn of(sum: Self::Sum, bits: u32) -> Self;
}

impl Level for u8 {
    type Sum = i32;

    fn zero(bits: u32) -> i32 {
        // So that cutting off the bits rounds.
        1 << bits.saturating_sub(1)
    }

    fn add(self, sum: i32, (_, weight): (f32, i32)) -> i32 {
        // The weights add up to 1, with an overshoot of less than a half: 31 bits hold it.
        sum.wrapping_add(i32::from(self).wrapping_mul(weight))
    }

    #[expect(clippy::cast_sign_loss, reason = "the value is clamped to a byte")]
    fn of(sum: i32, bits: u32) -> Self {
        (sum >> bits).clamp(0, 255) as u8
    }
}

impl Level for f32 {
    type Sum = f32;

    fn zero(_: u32) -> f32 {
        0.0
    }

    fn add(self, sum: f32, (weight, _): (f32, i32)) -> f32 {
        sum + self * weight
    }

    fn of(sum: f32, _: u32) -> Self {
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
    (length, side): (i32, &Side),
) {
    let length = usize::try_from(length).unwrap_or_default().max(1);
    let rows = source.chunks_exact(length);
    for (row, target) in rows.zip(target.chunks_exact_mut(side.taps.len() * C)) {
        let (pixels, _) = row.as_chunks::<C>();
        let (targets, _) = target.as_chunks_mut::<C>();
        for (target, tap) in targets.iter_mut().zip(&side.taps) {
            let mut sums = [T::zero(side.bits); C];
            for (pixel, weight) in pixels.iter().skip(tap.start).zip(tap.pairs()) {
                for (sum, level) in sums.iter_mut().zip(pixel) {
                    *sum = level.add(*sum, weight);
                }
            }
            *target = sums.map(|sum| T::of(sum, side.bits));
        }
    }
}

/// Makes more or fewer rows.
fn across_rows<T: Level>(source: &[T], target: &mut [T], (length, side): (i32, &Side)) {
    let length = usize::try_from(length).unwrap_or_default().max(1);
    let mut sums = vec![T::zero(side.bits); length];
    for (target, tap) in target.chunks_exact_mut(length).zip(&side.taps) {
        sums.fill(T::zero(side.bits));
        let sources = source.chunks_exact(length).skip(tap.start);
        for (row, weight) in sources.zip(tap.pairs()) {
            for (sum, level) in sums.iter_mut().zip(row) {
                *sum = level.add(*sum, weight);
            }
        }
        for (value, sum) in target.iter_mut().zip(&sums) {
            *value = T::of(*sum, side.bits);
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

impl Side {
    #[expect(clippy::cast_possible_truncation, reason = "weights are small numbers")]
    fn new(filter: Filter, arithmetic: Arithmetic, (source, target): (i32, i32)) -> Self {
        let weights = weights(filter, source, target);
        let largest = weights
            .iter()
            .flat_map(|(_, weights)| weights)
            .fold(0.0_f64, |largest, weight| largest.max(*weight));
        let bits = match arithmetic {
            Arithmetic::TorchBytes => short_bits(largest),
            Arithmetic::Pillow | Arithmetic::PillowBefore13 | Arithmetic::TorchFloats => {
                WEIGHT_BITS
            }
        };
        let fixed = |weight: &f64| (weight * f64::from(1_u32 << bits)).round() as i32;
        let tap = |(start, weights): (usize, Vec<f64>)| Tap {
            start,
            fixed: weights.iter().map(fixed).collect(),
            weights: weights.iter().map(|weight| *weight as f32).collect(),
        };
        Self {
            taps: weights.into_iter().map(tap).collect(),
            bits,
        }
    }
}

/// As many bits as the largest weight leaves of 16 with the sign.
fn short_bits(largest: f64) -> u32 {
    let is_short =
        |bits: &u32| (largest * f64::from(1_u32 << bits) + 0.5).floor() < SHORT_WEIGHT_END;
    (1..=WEIGHT_BITS).take_while(is_short).last().unwrap_or(0)
}

/// Where each target pixel starts in the source, and its weights from there on.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places lie within the source"
)]
fn weights(filter: Filter, source: i32, target: i32) -> Vec<(usize, Vec<f64>)> {
    let scale = f64::from(source) / f64::from(target);
    let width = scale.max(1.0);
    let reach = filter.reach() * width;
    let weights = |index: i32| {
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
        (start as usize, weights)
    };
    (0..target).map(weights).collect()
}

#[cfg(test)]
mod tests;
