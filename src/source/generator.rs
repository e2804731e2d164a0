//! Frames without a camera: a brushed grey surface that differs from part to part, for trying things out.

use std::time::Instant;

use super::{FrameSource, SourceError};
use crate::domain::{Frame, PixelFormat, SizePx, Trigger};

/// Every so many parts one has a bright scratch.
const SCRATCH_EVERY: u32 = 5;

/// A camera that draws.
#[derive(Debug)]
pub struct Generator {
    camera: String,
    size: SizePx,
    n_drawn: u64,
}

impl Generator {
    /// A generator of frames of one size.
    pub fn new(camera: &str, size: SizePx) -> Self {
        Self {
            camera: camera.to_owned(),
            size,
            n_drawn: 0,
        }
    }

    // The same sequence gives the same picture, so that a generated part can be replayed.
    fn draw(&self, sequence: u32) -> Vec<u8> {
        let (width, height) = (self.size.width_px, self.size.height_px);
        let scratched = sequence % SCRATCH_EVERY == SCRATCH_EVERY - 1;
        let scratch_row = height / 4 + sequence % (height / 2).max(1);
        let mut noise = u64::from(sequence).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut pixels = Vec::with_capacity(width as usize * height as usize);
        for row in 0..height {
            let brush = 118 + (row.wrapping_mul(2_654_435_761) >> 28);
            for column in 0..width {
                // Marsaglia's xorshift: fast, repeatable grain.
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                let grain = u32::try_from(noise >> 60).unwrap_or(0);
                let on_scratch = scratched
                    && row.abs_diff(scratch_row + column / 16) < 2
                    && (width / 4..width * 3 / 4).contains(&column);
                let grey = if on_scratch { 235 } else { brush + grain };
                pixels.push(u8::try_from(grey).unwrap_or(u8::MAX));
            }
        }
        pixels
    }
}

impl FrameSource for Generator {
    fn capture(&mut self, trigger: &Trigger, _latest: Instant) -> Result<Frame, SourceError> {
        let pixels = self.draw(trigger.sequence);
        let mut frame = Frame::new(
            &self.camera,
            self.size,
            PixelFormat::Gray8,
            pixels,
            Instant::now(),
        )?;
        self.n_drawn += 1;
        frame.camera_frame = self.n_drawn;
        Ok(frame)
    }
}
