//! Where a region comes to lie on the model's input.

use super::input::{InputSpec, Resize};
use crate::domain::{PointPx, SizePx};

/// Where the scaled region lies on the input; what is left over is padding, what sticks out is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// Below 0 where the region is cut.
    pub(super) x: i32,
    pub(super) y: i32,
    /// The size that the region is scaled to.
    pub(super) width: u32,
    pub(super) height: u32,
}

/// One side of a window as it meets the same side of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Padding before it.
    pub(super) before: usize,
    /// Pixels of the window that are cut before the first one that is seen.
    pub(super) cut: usize,
    /// Pixels that are seen.
    pub(super) seen: usize,
}

impl Window {
    /// Where a region of this size comes to lie.
    pub(super) fn new(input: &InputSpec, region: SizePx) -> Self {
        let sides = [input.width_px, input.height_px];
        let (width, height) = match input.resize {
            Resize::Standard => (input.width_px, input.height_px),
            Resize::FitToWindowLetterbox => fit_in_whole_numbers(sides, region),
            Resize::Letterbox => fit(sides, region, f64::round_ties_even),
            Resize::LetterboxTopLeft => fit(sides, region, f64::floor),
            Resize::Crop { shorter_px } => shorter_side(shorter_px, region),
        };
        let place = |side: u32, length: u32| {
            let free = i64::from(side) - i64::from(length);
            let start = match input.resize {
                Resize::Standard | Resize::LetterboxTopLeft => 0,
                Resize::Crop { .. } if free < 0 => -half_to_even(-free),
                // An odd pixel goes to the right and the bottom.
                Resize::FitToWindowLetterbox | Resize::Letterbox | Resize::Crop { .. } => free / 2,
            };
            i32::try_from(start).unwrap_or_default()
        };
        Self {
            x: place(input.width_px, width),
            y: place(input.height_px, height),
            width,
            height,
        }
    }

    /// Along the columns and along the rows of an input of this size.
    pub(super) fn spans(self, input: &InputSpec) -> [Span; 2] {
        let span = |start: i32, length: u32, side: u32| {
            let cells = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
            let before = u32::try_from(start).unwrap_or(0).min(side);
            let cut = if start < 0 {
                start.unsigned_abs().min(length)
            } else {
                0
            };
            Span {
                before: cells(before),
                cut: cells(cut),
                seen: cells((length - cut).min(side - before)),
            }
        };
        [
            span(self.x, self.width, input.width_px),
            span(self.y, self.height, input.height_px),
        ]
    }
}

/// Where the framework of a letterbox itself gives a point of the input back to: by the one factor that
/// both sides had before they were rounded to whole pixels, so up to a pixel of the input beside the
/// place that is really seen there. `None` for a resize that no such framework has.
pub fn framework_place(input: &InputSpec, picture: SizePx, point: PointPx) -> Option<PointPx> {
    match input.resize {
        Resize::Letterbox | Resize::LetterboxTopLeft => {}
        Resize::Standard | Resize::FitToWindowLetterbox | Resize::Crop { .. } => return None,
    }
    let window = Window::new(input, picture);
    let factor = factor([input.width_px, input.height_px], picture);
    let back = |value: f64, start: i32| (value + 0.5 - f64::from(start)) / factor - 0.5;
    Some(PointPx {
        x: back(point.x, window.x),
        y: back(point.y, window.y),
    })
}

/// The largest size of the region's shape, in whole numbers, so that no rounding takes a pixel away.
fn fit_in_whole_numbers([width, height]: [u32; 2], region: SizePx) -> (u32, u32) {
    let [iw, ih, rw, rh] = [width, height, region.width_px, region.height_px].map(u64::from);
    let whole =
        |value: u64, most: u32| u32::try_from(value).map_or(most, |value| value.clamp(1, most));
    if iw * rh <= ih * rw {
        (width, whole(rh * iw / rw.max(1), height))
    } else {
        (whole(rw * ih / rh.max(1), width), height)
    }
}

/// The same by one factor in double precision, as the frameworks calculate: rounding may take a pixel
/// away, and must do so here too.
fn fit([width, height]: [u32; 2], region: SizePx, round: impl Fn(f64) -> f64) -> (u32, u32) {
    let factor = factor([width, height], region);
    let side = |length: u32, most: u32| whole(round(f64::from(length) * factor), most);
    (side(region.width_px, width), side(region.height_px, height))
}

fn factor([width, height]: [u32; 2], region: SizePx) -> f64 {
    let side = |input: u32, region: u32| f64::from(input) / f64::from(region);
    side(height, region.height_px).min(side(width, region.width_px))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is clamped to a side of the input"
)]
fn whole(value: f64, most: u32) -> u32 {
    value.clamp(1.0, f64::from(most)) as u32
}

/// The shorter side gets this length, the longer one the next whole number below its share.
fn shorter_side(shorter_px: u32, region: SizePx) -> (u32, u32) {
    let (width, height) = (region.width_px.max(1), region.height_px.max(1));
    let longer = |long: u32, short: u32| {
        let length = u64::from(shorter_px) * u64::from(long) / u64::from(short);
        u32::try_from(length).unwrap_or(u32::MAX)
    };
    if width <= height {
        (shorter_px, longer(height, width))
    } else {
        (longer(width, height), shorter_px)
    }
}

/// Half of a number; an odd one's half goes to the even neighbour, as Python rounds.
fn half_to_even(value: i64) -> i64 {
    let down = value.div_euclid(2);
    if value.rem_euclid(2) == 1 && down.rem_euclid(2) == 1 {
        down + 1
    } else {
        down
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::Interpolation;

    fn window(resize: Resize, input_size: (u32, u32), region: (u32, u32)) -> (i32, i32, u32, u32) {
        let spec = spec(resize, input_size);
        let region = SizePx {
            width_px: region.0,
            height_px: region.1,
        };
        let window = Window::new(&spec, region);
        (window.x, window.y, window.width, window.height)
    }

    fn spec(resize: Resize, (width_px, height_px): (u32, u32)) -> InputSpec {
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
    fn a_letterbox_fits_and_is_centred() {
        let fitted = |input, region| window(Resize::FitToWindowLetterbox, input, region);
        assert_eq!(fitted((640, 640), (2448, 2048)), (0, 52, 640, 535));
        assert_eq!(fitted((640, 640), (500, 1260)), (193, 0, 253, 640));
        assert_eq!(fitted((640, 640), (200, 200)), (0, 0, 640, 640));
        assert_eq!(fitted((224, 224), (3, 20_000)), (111, 0, 1, 224));
        assert_eq!(fitted((640, 384), (1920, 1200)), (13, 0, 614, 384));
        assert_eq!(
            window(Resize::Standard, (640, 384), (7, 9)),
            (0, 0, 640, 384)
        );
    }

    // The expected numbers are those of Python, calculated as the frameworks do.
    #[test]
    fn letterboxes_of_the_frameworks_round_as_those_do() {
        let rounded = |input, region| window(Resize::Letterbox, input, region);
        assert_eq!(rounded((640, 640), (2448, 2048)), (0, 52, 640, 535));
        assert_eq!(rounded((640, 640), (500, 1260)), (193, 0, 254, 640));
        assert_eq!(rounded((320, 256), (481, 320)), (0, 21, 320, 213));
        let top_left = |input, region| window(Resize::LetterboxTopLeft, input, region);
        assert_eq!(top_left((320, 256), (481, 320)), (0, 0, 320, 212));
        // 77 x (320 / 77) is a little less than 320 in double precision.
        assert_eq!(top_left((320, 256), (77, 41)), (0, 0, 319, 170));
    }

    // YOLOX divides by r = min(256 / 320, 320 / 481); Ultralytics takes the padding off first.
    #[test]
    fn frameworks_give_places_back_by_the_unrounded_factor() {
        let back = |resize, edge: f64| {
            let picture = SizePx {
                width_px: 481,
                height_px: 320,
            };
            // A pixel reaches half a side around its centre.
            let point = PointPx {
                x: edge - 0.5,
                y: edge - 0.5,
            };
            let place = framework_place(&spec(resize, (320, 256)), picture, point)?;
            Some([place.x + 0.5, place.y + 0.5].map(|value| (value * 1e6).round() / 1e6))
        };
        let by_yolox = Some([150.3125, 150.3125]);
        assert_eq!(back(Resize::LetterboxTopLeft, 100.0), by_yolox);
        let by_ultralytics = Some([150.3125, 118.746_875]);
        assert_eq!(back(Resize::Letterbox, 100.0), by_ultralytics);
        assert_eq!(back(Resize::Standard, 100.0), None);
    }

    #[test]
    fn a_crop_shows_the_middle() {
        let cropped =
            |input, shorter_px, region| window(Resize::Crop { shorter_px }, input, region);
        assert_eq!(cropped((224, 224), 256, (640, 480)), (-58, -16, 341, 256));
        assert_eq!(cropped((224, 224), 256, (480, 640)), (-16, -58, 256, 341));
        assert_eq!(cropped((176, 176), 201, (200, 200)), (-12, -12, 201, 201));
        assert_eq!(cropped((224, 224), 257, (480, 640)), (-16, -59, 257, 342));
        // Longer than what is there.
        assert_eq!(cropped((320, 200), 200, (200, 300)), (60, -50, 200, 300));
    }

    #[test]
    fn what_is_seen_what_is_cut_and_what_is_padded_add_up() {
        let resize = Resize::Crop { shorter_px: 200 };
        let input = spec(resize, (320, 200));
        let region = SizePx {
            width_px: 200,
            height_px: 300,
        };
        let [columns, rows] = Window::new(&input, region).spans(&input);
        assert_eq!((columns.before, columns.cut, columns.seen), (60, 0, 200));
        assert_eq!((rows.before, rows.cut, rows.seen), (0, 50, 200));
    }
}
