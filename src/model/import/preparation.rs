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

/// The mean of ImageNet's colours, 0 to 255.
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
    let mut missing = Vec::new();
    let mut rows = Vec::new();
    let size = first(places, |place| place.size);
    let Some(((width_px, height_px), from)) = size else {
        missing.push(
            "the size of the input is free in the graph: give `--input WIDTHxHEIGHT`".to_owned(),
        );
        return Err(missing);
    };
    rows.push((
        "input",
        format!("{width_px} x {height_px} px, {channels} channel(s)"),
        from,
    ));
    let mut take = |key, text: Option<(String, &'static str)>| match text {
        Some((text, from)) => rows.push((key, text, from)),
        None => missing.push(format!(
            "`{key}` is not known: give `--{}`",
            key.replace('_', "-")
        )),
    };
    let resize = first(places, |place| place.resize);
    take(
        "resize",
        resize.map(|(word, from)| (word.to_string(), from)),
    );
    let interpolation = first(places, |place| place.interpolation);
    let word = |(found, from): (Interpolation, _)| (found.word().to_owned(), from);
    take("interpolation", interpolation.map(word));
    let mean = numbers(places, channels, |place| place.mean.as_ref());
    take(
        "mean",
        mean.as_ref()
            .map(|(values, from)| (format!("{values:?}"), *from)),
    );
    let scale = numbers(places, channels, |place| place.scale.as_ref());
    take(
        "scale",
        scale
            .as_ref()
            .map(|(values, from)| (format!("{values:?}"), *from)),
    );
    let color = first(places, |place| place.color);
    if channels == 3 {
        take(
            "color",
            color.map(|(color, from)| (color.to_string(), from)),
        );
    }
    let crop = || {
        let side = width_px.min(height_px);
        let shorter = first(places, |place| place.shorter_px);
        let fraction = first(places, |place| place.crop_fraction);
        shorter.or_else(|| fraction.map(|(fraction, from)| (shorter_of(side, fraction), from)))
    };
    let resize = match resize {
        Some((ResizeWord::Crop, _)) => {
            let shorter = crop();
            take(
                "resize_shorter",
                shorter.map(|(side, from)| (format!("{side} px"), from)),
            );
            shorter.map(|(shorter_px, _)| Resize::Crop { shorter_px })
        }
        Some((ResizeWord::Standard, _)) => Some(Resize::Standard),
        Some((ResizeWord::FitToWindowLetterbox, _)) => Some(Resize::FitToWindowLetterbox),
        Some((ResizeWord::Letterbox, _)) => Some(Resize::Letterbox),
        Some((ResizeWord::LetterboxTopLeft, _)) => Some(Resize::LetterboxTopLeft),
        None => None,
    };
    let (pad_value, from) = first(places, |place| place.pad_value).unwrap_or((0, "assumed"));
    if resize.is_some_and(is_padded) {
        rows.push(("pad_value", pad_value.to_string(), from));
    }
    match (resize, interpolation, mean, scale) {
        (
            Some(resize),
            Some((interpolation, _)),
            Some((mean_values, _)),
            Some((scale_values, _)),
        ) if missing.is_empty() => {
            let input = InputSpec {
                width_px,
                height_px,
                channels,
                reverse_input_channels: color.is_some_and(|(color, _)| color == Color::Rgb),
                mean_values,
                scale_values,
                resize,
                interpolation,
                pad_value,
            };
            Ok(Settled { input, rows })
        }
        _ => Err(missing),
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
