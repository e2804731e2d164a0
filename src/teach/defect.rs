//! A defect that nobody could overlook, drawn onto a good part: what a taught model must find.

use crate::vision::Picture;

/// Length of the scratch as a share of the shorter side.
const LENGTH_SHARE: f32 = 0.3;
/// Its width as a share of the shorter side.
const WIDTH_SHARE: f32 = 0.02;

/// Draws a scratch with its middle at `place` (column and row as shares of the picture), as much
/// brighter or darker than the part as `contrast` says, 0 to 1.
pub(super) fn scratched(picture: &Picture, place: [f32; 2], contrast: f32) -> Picture {
    let [width, height] = [picture.size.width_px, picture.size.height_px].map(|side| side as usize);
    let side = width.min(height) as f32;
    let (half_length, half_width) = (
        side * LENGTH_SHARE / 2.0,
        (side * WIDTH_SHARE / 2.0).max(1.0),
    );
    let [x0, y0] = [place[0] * width as f32, place[1] * height as f32];
    let mut drawn = picture.clone();
    let n_channels = picture.format.channels();
    for (index, pixel) in drawn.pixels.chunks_exact_mut(n_channels).enumerate() {
        let (x, y) = (
            (index % width.max(1)) as f32 - x0,
            (index / width.max(1)) as f32 - y0,
        );
        // Along and across a line that falls to the right.
        let (along, across) = ((x + y) * 0.5_f32.sqrt(), (y - x) * 0.5_f32.sqrt());
        if half_length < along.abs() || half_width < across.abs() {
            continue;
        }
        for value in pixel {
            let level = f32::from(*value);
            let goal = if level < 128.0 { 255.0 } else { 0.0 };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between two levels from 0 to 255"
            )]
            let mixed = (level + (goal - level) * contrast.clamp(0.0, 1.0)) as u8;
            *value = mixed;
        }
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{PixelFormat, SizePx};

    #[test]
    fn a_scratch_lies_where_it_was_wanted_and_nowhere_else() {
        let size = SizePx {
            width_px: 200,
            height_px: 100,
        };
        let picture = Picture {
            size,
            format: PixelFormat::Rgb8,
            pixels: vec![60; 200 * 100 * 3],
        };
        let drawn = scratched(&picture, [0.25, 0.5], 0.5);
        let at = |x: usize, y: usize| drawn.pixels[(y * 200 + x) * 3];
        assert_eq!(
            (at(50, 50), at(55, 55), at(70, 50), at(150, 50)),
            (157, 157, 60, 60)
        );
        let n_changed = drawn.pixels.iter().filter(|value| **value != 60).count() / 3;
        assert!((50..150).contains(&n_changed), "{n_changed}");
    }
}
