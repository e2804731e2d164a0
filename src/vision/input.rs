//! What a model wants to be fed with, and the last step into its tensor.
//!
//! Normalising goes through a table of 256 values a channel: one pass reads the pixels, orders the
//! channels and writes the planes, and every value is exactly `(x - mean) / scale`, on any machine.

use std::str::FromStr;

use super::VisionError;
use super::window::{Span, Window};
use crate::domain::{PixelFormat, SizePx};

/// Longest side of a model's input.
const SIDE_MAX_PX: u32 = 8192;

/// How a region becomes the model's input size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// Stretched to the input, each side by its own factor.
    Standard,
    /// Scaled by one factor to fit, centred, the rest padded; in whole numbers.
    FitToWindowLetterbox,
    /// The same, sides rounded to the nearest pixel: as Ultralytics does it.
    Letterbox,
    /// Scaled by one factor to fit, at the top left, the rest padded: as YOLOX does it.
    LetterboxTopLeft,
    /// The shorter side scaled to this length, then the middle cut out: what lies outside is never
    /// seen.
    Crop {
        /// At least the input's shorter side.
        shorter_px: u32,
    },
}

/// How pixels between pixels are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// Averages over the area: small defects keep their share. For making smaller.
    Area,
    /// Between the four neighbours: faster, but skips pixels when making much smaller.
    Linear,
    /// A filter as wide as the factor, so that nothing is skipped: as Pillow and torchvision resize.
    Antialias(Filter, Arithmetic),
}

/// The shape of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// A triangle.
    Linear,
    /// A cubic.
    Cubic,
}

/// Whose arithmetic: they differ by a grey value here and there, and a model notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// Pillow 13 and newer: rows first, but columns first where the height shrinks much more.
    Pillow,
    /// Pillow before 13: rows first.
    PillowBefore13,
    /// torchvision on tensors of bytes: rows first, shorter weights.
    TorchBytes,
    /// torchvision on tensors of floats: nothing is rounded to whole grey values.
    TorchFloats,
}

impl Interpolation {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Area,
        Self::Linear,
        Self::Antialias(Filter::Linear, Arithmetic::Pillow),
        Self::Antialias(Filter::Linear, Arithmetic::PillowBefore13),
        Self::Antialias(Filter::Linear, Arithmetic::TorchBytes),
        Self::Antialias(Filter::Linear, Arithmetic::TorchFloats),
        Self::Antialias(Filter::Cubic, Arithmetic::Pillow),
        Self::Antialias(Filter::Cubic, Arithmetic::PillowBefore13),
        Self::Antialias(Filter::Cubic, Arithmetic::TorchBytes),
        Self::Antialias(Filter::Cubic, Arithmetic::TorchFloats),
    ];

    /// The word in manifests and on the command line.
    pub fn word(self) -> &'static str {
        use Arithmetic::{Pillow, PillowBefore13, TorchBytes, TorchFloats};
        match self {
            Self::Area => "area",
            Self::Linear => "linear",
            Self::Antialias(Filter::Linear, Pillow) => "linear_antialias",
            Self::Antialias(Filter::Linear, PillowBefore13) => "linear_antialias_pillow12",
            Self::Antialias(Filter::Linear, TorchBytes) => "linear_antialias_torch",
            Self::Antialias(Filter::Linear, TorchFloats) => "linear_antialias_exact",
            Self::Antialias(Filter::Cubic, Pillow) => "cubic_antialias",
            Self::Antialias(Filter::Cubic, PillowBefore13) => "cubic_antialias_pillow12",
            Self::Antialias(Filter::Cubic, TorchBytes) => "cubic_antialias_torch",
            Self::Antialias(Filter::Cubic, TorchFloats) => "cubic_antialias_exact",
        }
    }
}

impl FromStr for Interpolation {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|one| one.word() == word);
        found.ok_or_else(|| {
            let words = Self::ALL.map(Self::word).join(", ");
            format!(
                "`{}` is no interpolation; write one of {words}",
                word.escape_debug()
            )
        })
    }
}

/// The input of a model, in the words of its package.
#[derive(Debug, Clone, PartialEq)]
pub struct InputSpec {
    /// Columns.
    pub width_px: u32,
    /// Rows.
    pub height_px: u32,
    /// 1 for grey, 3 for colour.
    pub channels: u32,
    /// The net wants red first; without it, blue comes first.
    pub reverse_input_channels: bool,
    /// Subtracted from each channel, in the net's order, pixels being 0 to 255; empty for none.
    pub mean_values: Vec<f32>,
    /// Divides each channel after that, in the net's order; empty for none.
    pub scale_values: Vec<f32>,
    /// How the region becomes the input's size.
    pub resize: Resize,
    /// How pixels are averaged on the way.
    pub interpolation: Interpolation,
    /// Grey level of the padding, before normalising.
    pub pad_value: u8,
}

impl InputSpec {
    /// Number of values in the tensor.
    pub fn tensor_length(&self) -> usize {
        let n_pixels = u64::from(self.width_px) * u64::from(self.height_px);
        usize::try_from(n_pixels * u64::from(self.channels)).unwrap_or(usize::MAX)
    }
}

/// Pixels on their way into a tensor: rows of a window within larger numbers.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, T = u8> {
    /// From the window's first pixel on.
    pub(super) values: &'a [T],
    /// From one row to the next.
    pub(super) stride: usize,
    pub(super) format: PixelFormat,
}

/// A grey value, whole or not.
pub(super) trait Grey: Copy {
    fn level(self, channel: &Channel) -> f32;
}

impl Grey for u8 {
    fn level(self, channel: &Channel) -> f32 {
        // A byte is always within the table; the compiler knows that too.
        let level = channel.levels.get(usize::from(self));
        level.copied().unwrap_or(channel.pad)
    }
}

impl Grey for f32 {
    fn level(self, channel: &Channel) -> f32 {
        (self - channel.mean) / channel.scale
    }
}

/// Writes windows into tensors.
#[derive(Debug)]
pub(super) struct Feed {
    width: usize,
    height: usize,
    columns: Span,
    rows: Span,
    is_red_first: bool,
    channels: Vec<Channel>,
}

/// One channel of the net.
#[derive(Debug)]
pub(super) struct Channel {
    /// The tensor's value of each grey level.
    levels: [f32; 256],
    mean: f32,
    scale: f32,
    pad: f32,
}

impl Channel {
    /// Pads the row's ends and returns its middle.
    fn open<'t>(&self, row: &'t mut [f32], columns: Span) -> &'t mut [f32] {
        let (start, rest) = row.split_at_mut(columns.before.min(row.len()));
        let (middle, end) = rest.split_at_mut(columns.seen.min(rest.len()));
        start.fill(self.pad);
        end.fill(self.pad);
        middle
    }
}

impl Feed {
    /// Checks the input's description.
    ///
    /// # Errors
    /// [`VisionError::Input`] if it cannot be fed; the model package is refused at load.
    pub(super) fn new(input: &InputSpec, region: SizePx) -> Result<Self, VisionError> {
        let wrong = |what: String| Err(VisionError::Input { what });
        for (key, side) in [("width_px", input.width_px), ("height_px", input.height_px)] {
            if !(1..=SIDE_MAX_PX).contains(&side) {
                return wrong(format!("`{key} = {side}` is not from 1 to {SIDE_MAX_PX}"));
            }
        }
        let n_channels = match input.channels {
            1 => 1,
            3 => 3,
            other => return wrong(format!("`channels = {other}` is neither 1 nor 3")),
        };
        let means = per_channel("mean_values", &input.mean_values, n_channels, 0.0)?;
        let scales = per_channel("scale_values", &input.scale_values, n_channels, 1.0)?;
        if scales.contains(&0.0) {
            return wrong("a value of `scale_values` is 0".to_owned());
        }
        if let Resize::Crop { shorter_px } = input.resize
            && !(input.width_px.min(input.height_px)..=SIDE_MAX_PX).contains(&shorter_px)
        {
            return wrong(format!(
                "`resize_shorter_px = {shorter_px}` is not from the input's shorter side to {SIDE_MAX_PX}"
            ));
        }
        let [columns, rows] = Window::new(input, region).spans(input);
        let channels = means.iter().zip(&scales).map(|(mean, scale)| {
            let level = |pixel: u8| (f32::from(pixel) - mean) / scale;
            let mut levels = [0.0; 256];
            for (value, pixel) in levels.iter_mut().zip(0..=u8::MAX) {
                *value = level(pixel);
            }
            Channel {
                levels,
                mean: *mean,
                scale: *scale,
                pad: level(input.pad_value),
            }
        });
        let cells = |side: u32| usize::try_from(side).unwrap_or(usize::MAX);
        Ok(Self {
            width: cells(input.width_px),
            height: cells(input.height_px),
            columns,
            rows,
            is_red_first: input.reverse_input_channels,
            channels: channels.collect(),
        })
    }

    pub(super) fn n_channels(&self) -> usize {
        self.channels.len()
    }

    /// Writes every value of the tensor: the window from `rows`, the padding around it. Colour for a
    /// grey net must have been turned grey before.
    ///
    /// # Errors
    /// [`VisionError::TensorLength`] if the tensor is not the input's.
    pub(super) fn fill<T: Grey>(
        &self,
        rows: Rows<'_, T>,
        tensor: &mut [f32],
    ) -> Result<(), VisionError> {
        let n_cells = self.width * self.height;
        if tensor.len() != n_cells * self.channels.len() {
            return Err(VisionError::TensorLength {
                found: tensor.len(),
                expected: n_cells * self.channels.len(),
            });
        }
        let cut = self.rows.cut * rows.stride + self.columns.cut * rows.format.channels();
        let rows = Rows {
            values: rows.values.get(cut..).unwrap_or_default(),
            ..rows
        };
        let mut planes = tensor.chunks_exact_mut(n_cells);
        match (self.channels.as_slice(), rows.format) {
            ([a, b, c], PixelFormat::Bgr8 | PixelFormat::Rgb8) => {
                let (Some(pa), Some(pb), Some(pc)) = (planes.next(), planes.next(), planes.next())
                else {
                    return Ok(());
                };
                // The frame's first channel goes to the net's first plane, or to its last.
                if self.is_red_first == (rows.format == PixelFormat::Rgb8) {
                    self.fill_three([a, b, c], [pa, pb, pc], rows);
                } else {
                    self.fill_three([c, b, a], [pc, pb, pa], rows);
                }
            }
            (channels, _) => {
                for (channel, plane) in channels.iter().zip(planes) {
                    self.fill_one(channel, plane, rows);
                }
            }
        }
        Ok(())
    }

    fn fill_one<T: Grey>(&self, channel: &Channel, plane: &mut [f32], rows: Rows<'_, T>) {
        let (above, inside, below) = self.bands(plane);
        above.fill(channel.pad);
        below.fill(channel.pad);
        let sources = rows.values.chunks(rows.stride.max(1));
        for (row, source) in inside.chunks_exact_mut(self.width).zip(sources) {
            let row = channel.open(row, self.columns);
            for (value, pixel) in row.iter_mut().zip(source) {
                *value = pixel.level(channel);
            }
        }
    }

    fn fill_three<T: Grey>(
        &self,
        channels: [&Channel; 3],
        planes: [&mut [f32]; 3],
        rows: Rows<'_, T>,
    ) {
        let [ca, cb, cc] = channels;
        let [pa, pb, pc] = planes;
        let (above_a, a, below_a) = self.bands(pa);
        let (above_b, b, below_b) = self.bands(pb);
        let (above_c, c, below_c) = self.bands(pc);
        for (channel, above, below) in [
            (ca, above_a, below_a),
            (cb, above_b, below_b),
            (cc, above_c, below_c),
        ] {
            above.fill(channel.pad);
            below.fill(channel.pad);
        }
        let targets = a
            .chunks_exact_mut(self.width)
            .zip(b.chunks_exact_mut(self.width))
            .zip(c.chunks_exact_mut(self.width));
        let sources = rows.values.chunks(rows.stride.max(1));
        for (((a, b), c), source) in targets.zip(sources) {
            let a = ca.open(a, self.columns).iter_mut();
            let b = cb.open(b, self.columns).iter_mut();
            let c = cc.open(c, self.columns).iter_mut();
            let (pixels, _) = source.as_chunks::<3>();
            for (((a, b), c), [x, y, z]) in a.zip(b).zip(c).zip(pixels) {
                *a = x.level(ca);
                *b = y.level(cb);
                *c = z.level(cc);
            }
        }
    }

    /// A plane's rows above the window, in it, and below it.
    fn bands<'t>(&self, plane: &'t mut [f32]) -> (&'t mut [f32], &'t mut [f32], &'t mut [f32]) {
        let (above, rest) = plane.split_at_mut(self.rows.before * self.width);
        let (inside, below) = rest.split_at_mut(self.rows.seen * self.width);
        (above, inside, below)
    }
}

fn per_channel(
    key: &str,
    values: &[f32],
    n_channels: usize,
    none: f32,
) -> Result<Vec<f32>, VisionError> {
    if values.is_empty() {
        return Ok(vec![none; n_channels]);
    }
    if values.len() != n_channels || !values.iter().all(|value| value.is_finite()) {
        return Err(VisionError::Input {
            what: format!("`{key} = {values:?}` is not {n_channels} finite numbers"),
        });
    }
    Ok(values.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(width_px: u32, height_px: u32, resize: Resize) -> InputSpec {
        InputSpec {
            width_px,
            height_px,
            channels: 3,
            reverse_input_channels: false,
            mean_values: vec![],
            scale_values: vec![],
            resize,
            interpolation: Interpolation::Area,
            pad_value: 114,
        }
    }

    #[test]
    fn channels_land_in_the_nets_order() {
        let size = SizePx {
            width_px: 2,
            height_px: 1,
        };
        let fed = |is_red_first, format, bytes: &[u8]| {
            let spec = InputSpec {
                reverse_input_channels: is_red_first,
                mean_values: vec![10.0, 20.0, 30.0],
                scale_values: vec![2.0, 4.0, 5.0],
                pad_value: 30,
                ..input(2, 3, Resize::FitToWindowLetterbox)
            };
            let mut tensor = vec![f32::NAN; spec.tensor_length()];
            let rows = Rows {
                values: bytes,
                stride: bytes.len(),
                format,
            };
            Feed::new(&spec, size)
                .unwrap()
                .fill(rows, &mut tensor)
                .unwrap();
            tensor
        };
        let blue_first = [
            10.0, 10.0, 45.0, 40.0, 10.0, 10.0, // blue - 10 by 2
            2.5, 2.5, 20.0, 22.5, 2.5, 2.5, // green - 20 by 4
            0.0, 0.0, 14.0, 6.0, 0.0, 0.0, // red - 30 by 5
        ];
        let red_first = [
            10.0, 10.0, 45.0, 25.0, 10.0, 10.0, // red - 10 by 2
            2.5, 2.5, 20.0, 22.5, 2.5, 2.5, // green - 20 by 4
            0.0, 0.0, 14.0, 12.0, 0.0, 0.0, // blue - 30 by 5
        ];
        let (bgr, rgb) = ([100, 100, 100, 90, 110, 60], [100, 100, 100, 60, 110, 90]);
        assert_eq!(fed(false, PixelFormat::Bgr8, &bgr), blue_first);
        assert_eq!(fed(false, PixelFormat::Rgb8, &rgb), blue_first);
        assert_eq!(fed(true, PixelFormat::Bgr8, &bgr), red_first);
        assert_eq!(fed(true, PixelFormat::Rgb8, &rgb), red_first);
        let grey = fed(true, PixelFormat::Gray8, &[50, 40]);
        assert_eq!((grey[2], grey[8], grey[15]), (20.0, 7.5, 2.0));
    }

    #[test]
    fn an_input_that_cannot_be_fed_is_refused() {
        let size = SizePx {
            width_px: 2,
            height_px: 1,
        };
        let good = input(4, 4, Resize::Standard);
        let error = |spec: InputSpec| Feed::new(&spec, size).unwrap_err().to_string();
        assert_eq!(
            error(InputSpec {
                channels: 4,
                ..good.clone()
            }),
            "the model package's input is not usable: `channels = 4` is neither 1 nor 3; correct its manifest"
        );
        assert!(
            error(InputSpec {
                width_px: 0,
                ..good.clone()
            })
            .contains("`width_px = 0`")
        );
        let short = vec![1.0];
        assert!(
            error(InputSpec {
                mean_values: short,
                ..good.clone()
            })
            .contains("mean_values")
        );
        let zero = vec![1.0, 0.0, 1.0];
        assert!(
            error(InputSpec {
                scale_values: zero,
                ..good.clone()
            })
            .contains("is 0")
        );
        let rows = Rows {
            values: &[0; 6],
            stride: 6,
            format: PixelFormat::Bgr8,
        };
        let feed = Feed::new(&good, size).unwrap();
        assert_eq!(
            feed.fill(rows, &mut [0.0; 47]).unwrap_err().to_string(),
            "the tensor has 47 values, but the model's input has 48"
        );
    }
}
