//! What is known of a model's preparation, from several places, the surest first.

use std::fmt;
use std::str::FromStr;

use crate::vision::{InputSpec, Interpolation, Resize};

/// How a region becomes the input's size, without the numbers that belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResizeWord {
    /// Stretched.
    Standard,
    /// One factor, centred, whole numbers.
    FitToWindowLetterbox,
    /// One factor, centred, rounded.
    Letterbox,
    /// One factor, top left.
    LetterboxTopLeft,
    /// The middle of the picture.
    Crop,
}

impl ResizeWord {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Standard,
        Self::FitToWindowLetterbox,
        Self::Letterbox,
        Self::LetterboxTopLeft,
        Self::Crop,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::FitToWindowLetterbox => "fit_to_window_letterbox",
            Self::Letterbox => "letterbox",
            Self::LetterboxTopLeft => "letterbox_top_left",
            Self::Crop => "crop",
        }
    }
}

impl fmt::Display for ResizeWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for ResizeWord {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|resize| resize.word() == word);
        // `stretch` is what golden directories say.
        found
            .or((word == "stretch").then_some(Self::Standard))
            .ok_or_else(|| {
                let words = Self::ALL.map(Self::word).join(", ");
                format!(
                    "`{}` is no way to resize; write one of {words}",
                    word.escape_debug()
                )
            })
    }
}

/// The order of the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rgb => "rgb",
            Self::Bgr => "bgr",
        })
    }
}

/// What one place says of the preparation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Preparation {
    /// Columns and rows of the input.
    pub size: Option<(u32, u32)>,
    /// How a region becomes that size.
    pub resize: Option<ResizeWord>,
    /// For `crop`.
    pub shorter_px: Option<u32>,
    /// For `crop`: the input's side by the shorter side before.
    pub crop_fraction: Option<f64>,
    /// How pixels between pixels are made.
    pub interpolation: Option<Interpolation>,
    /// Subtracted, of grey values 0 to 255.
    pub mean: Option<Vec<f32>>,
    /// Divides after that.
    pub scale: Option<Vec<f32>>,
    /// The order of the channels.
    pub color: Option<Color>,
    /// Grey value of the padding.
    pub pad_value: Option<u8>,
}

/// The mean of `ImageNet`'s colours, 0 to 255.
pub(super) const IMAGENET_MEAN: [f32; 3] = [123.675, 116.28, 103.53];
/// Their spread.
pub(super) const IMAGENET_SCALE: [f32; 3] = [58.395, 57.12, 57.375];

/// A preparation with where each part of it comes from.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    pub(super) input: InputSpec,
    /// What, value, where it comes from.
    pub(super) rows: Vec<(&'static str, String, &'static str)>,
}

/// Takes each part from the first place that says it; `places` are named, the last one is assumed.
///
/// # Errors
/// What is missing, with what to give.
pub(super) fn settle(
    places: &[(&'static str, &Preparation)],
    channels: u32,
) -> Result<Settled, Vec<String>> {
    let mut found = Found::default();
    let Some(((width_px, height_px), from)) = first(places, |place| place.size) else {
        return Err(vec![
            "the size of the input is free in the graph: give `--input WIDTHxHEIGHT`".to_owned(),
        ]);
    };
    let text = format!("{width_px} x {height_px} px, {channels} channel(s)");
    found.rows.push(("input", text, from));
    let word = found.take(
        "resize",
        first(places, |place| place.resize),
        ResizeWord::to_string,
    );
    let resize = word.and_then(|word| found.resize(places, word, width_px.min(height_px)));
    let interpolation = first(places, |place| place.interpolation);
    let interpolation = found.take("interpolation", interpolation, |found| {
        found.word().to_owned()
    });
    let told = |values: &Vec<f32>| format!("{values:?}");
    let mean = numbers(places, channels, |place| place.mean.as_ref());
    let mean = found.take("mean", mean, told);
    let scale = numbers(places, channels, |place| place.scale.as_ref());
    let scale = found.take("scale", scale, told);
    let color = first(places, |place| place.color).filter(|_| channels == 3);
    let is_red_first = match color {
        None if channels == 1 => false,
        color => found.take("color", color, Color::to_string) == Some(Color::Rgb),
    };
    let pad_value = first(places, |place| place.pad_value).unwrap_or((0, "assumed"));
    if resize.is_some_and(is_padded) {
        found.take("pad_value", Some(pad_value), u8::to_string);
    }
    let parts = (resize, interpolation, mean, scale);
    let (Some(resize), Some(interpolation), Some(mean_values), Some(scale_values)) = parts else {
        return Err(found.missing);
    };
    if !found.missing.is_empty() {
        return Err(found.missing);
    }
    let input = InputSpec {
        width_px,
        height_px,
        channels,
        reverse_input_channels: is_red_first,
        mean_values,
        scale_values,
        resize,
        interpolation,
        pad_value: pad_value.0,
    };
    Ok(Settled {
        input,
        rows: found.rows,
    })
}

/// What was found so far, and what was not.
#[derive(Default)]
struct Found {
    rows: Vec<(&'static str, String, &'static str)>,
    missing: Vec<String>,
}

impl Found {
    /// Notes a part and where it comes from, or that it is missing.
    fn take<T>(
        &mut self,
        key: &'static str,
        part: Option<(T, &'static str)>,
        text: impl Fn(&T) -> String,
    ) -> Option<T> {
        let Some((part, from)) = part else {
            let flag = key.replace('_', "-");
            self.missing
                .push(format!("`{key}` is not known: give `--{flag}`"));
            return None;
        };
        self.rows.push((key, text(&part), from));
        Some(part)
    }

    /// The way to resize with its numbers; `side` is the input's shorter one.
    fn resize(
        &mut self,
        places: &[(&'static str, &Preparation)],
        word: ResizeWord,
        side: u32,
    ) -> Option<Resize> {
        Some(match word {
            ResizeWord::Standard => Resize::Standard,
            ResizeWord::FitToWindowLetterbox => Resize::FitToWindowLetterbox,
            ResizeWord::Letterbox => Resize::Letterbox,
            ResizeWord::LetterboxTopLeft => Resize::LetterboxTopLeft,
            ResizeWord::Crop => {
                let share = first(places, |place| place.crop_fraction);
                let of_share = share.map(|(share, from)| (shorter_of(side, share), from));
                let shorter = first(places, |place| place.shorter_px).or(of_share);
                let told = |side: &u32| format!("{side} px");
                Resize::Crop {
                    shorter_px: self.take("resize_shorter", shorter, told)?,
                }
            }
        })
    }
}

/// Whether there may be padding.
pub(super) fn is_padded(resize: Resize) -> bool {
    match resize {
        Resize::Standard => false,
        Resize::FitToWindowLetterbox
        | Resize::Letterbox
        | Resize::LetterboxTopLeft
        | Resize::Crop { .. } => true,
    }
}

/// The first place that says something, with its name.
fn first<T>(
    places: &[(&'static str, &Preparation)],
    said: impl Fn(&Preparation) -> Option<T>,
) -> Option<(T, &'static str)> {
    places
        .iter()
        .find_map(|(name, place)| Some((said(place)?, *name)))
}

/// One number for each channel; a single one stands for all.
fn numbers(
    places: &[(&'static str, &Preparation)],
    channels: u32,
    said: impl Fn(&Preparation) -> Option<&Vec<f32>>,
) -> Option<(Vec<f32>, &'static str)> {
    let (values, name) = places
        .iter()
        .find_map(|(name, place)| Some((said(place)?, *name)))?;
    let channels = usize::try_from(channels).ok()?;
    match values.as_slice() {
        [only] => Some((vec![*only; channels], name)),
        // A grey net that was described in colour.
        [first, ..] if channels == 1 => Some((vec![*first], name)),
        several => Some((several.to_vec(), name)),
    }
}

/// The shorter side before the middle is cut out, cut off as the frameworks do.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a side of a picture has at most some thousand pixels"
)]
fn shorter_of(side: u32, fraction: f64) -> u32 {
    (f64::from(side) / fraction).floor().clamp(0.0, 1e6) as u32
}
