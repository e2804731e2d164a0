//! A camera of known colours, and a colour chart before it, drawn in linear light.

use image::{Rgb, RgbImage};
use taktgate::calibration::Chance;

pub(crate) const WIDTH: u32 = 640;
pub(crate) const HEIGHT: u32 = 480;

/// Linear sRGB of the patches of charts since November 2014, made from the maker's CIELAB with colour-science 0.4.7
/// (Bradford from D50).
pub(crate) const PATCHES: [[f64; 3]; 24] = [
    [0.17368, 0.07879, 0.05286],
    [0.55978, 0.27745, 0.21089],
    [0.10420, 0.18892, 0.32893],
    [0.10574, 0.15075, 0.05084],
    [0.22744, 0.21241, 0.42645],
    [0.11529, 0.50744, 0.41113],
    [0.74590, 0.20214, 0.02987],
    [0.05874, 0.10118, 0.38775],
    [0.56013, 0.08015, 0.11459],
    [0.10917, 0.04200, 0.13814],
    [0.33275, 0.49739, 0.04260],
    [0.77104, 0.35792, 0.02045],
    [0.02096, 0.04753, 0.28413],
    [0.04606, 0.29205, 0.06148],
    [0.44617, 0.03641, 0.04055],
    [0.84168, 0.57441, 0.00466],
    [0.52234, 0.07782, 0.28931],
    [-0.04392, 0.23366, 0.37719],
    [0.87953, 0.88503, 0.83425],
    [0.58449, 0.59217, 0.58448],
    [0.35769, 0.36708, 0.36527],
    [0.19009, 0.19087, 0.18981],
    [0.08593, 0.08874, 0.08980],
    [0.03135, 0.03150, 0.03232],
];

/// The middles of the corner patches as `--corners` wants them.
pub(crate) const CORNERS: [&str; 4] = [
    "90,90",
    "490.566,103.774",
    "493.578,343.119",
    "104.854,343.689",
];

/// From patches, counted from the middle of the first one, to pixels.
const ALONG_X: [f64; 3] = [86.0, 6.0, 90.0];
const ALONG_Y: [f64; 3] = [4.0, 88.0, 90.0];
const BELOW: [f64; 2] = [0.012, 0.010];

/// What lies around the patches.
const FRAME: [f64; 3] = [0.02; 3];

/// A camera as it mixes colours.
#[derive(Clone, Copy)]
pub(crate) struct ColourCamera {
    pub(crate) from_srgb: [[f64; 3]; 3],
    pub(crate) is_linear: bool,
    /// By what share the picture's corners are darker than its middle.
    pub(crate) vignette: f64,
    /// Standard deviation of a level.
    pub(crate) noise: f64,
}

/// Warm light and a camera that mixes its channels.
pub(crate) const WARM: ColourCamera = ColourCamera {
    from_srgb: [[0.92, 0.06, 0.01], [0.08, 0.54, 0.05], [0.02, 0.08, 0.46]],
    is_linear: false,
    vignette: 0.0,
    noise: 3.0,
};

/// Cold light and another camera.
pub(crate) const COLD: ColourCamera = ColourCamera {
    from_srgb: [[0.50, 0.12, 0.02], [0.06, 0.74, 0.08], [0.01, 0.12, 0.86]],
    ..WARM
};

impl ColourCamera {
    /// A picture of what has this light, linear sRGB, at each pixel.
    pub(crate) fn picture(&self, seed: u64, light: impl Fn(f64, f64) -> [f64; 3]) -> RgbImage {
        let mut chance = Chance::new(seed);
        RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
            let (x, y) = (f64::from(x), f64::from(y));
            let off = (x - 319.5).hypot(y - 239.5) / 400.0;
            let rgb = light(x, y);
            Rgb(self.from_srgb.map(|row| {
                let mixed: f64 = row.iter().zip(rgb).map(|(a, b)| a * b).sum();
                let seen = mixed.max(0.0) * (1.0 - self.vignette * off * off);
                let value = if self.is_linear { seen } else { encoded(seen) };
                let level = 255.0 * value + self.noise * chance.normal();
                level.round().clamp(0.0, 255.0) as u8
            }))
        })
    }

    pub(crate) fn chart(&self, seed: u64) -> RgbImage {
        self.picture(seed, patch_at)
    }

    /// How far a matrix is from undoing the camera: the largest entry beside that of one.
    pub(crate) fn off(&self, srgb_from_camera: &[[f64; 3]; 3]) -> f64 {
        let mut most = 0.0_f64;
        for (at, row) in srgb_from_camera.iter().enumerate() {
            for column in 0..3 {
                let product: f64 = (0..3).map(|k| row[k] * self.from_srgb[k][column]).sum();
                let should = if at == column { 1.0 } else { 0.0 };
                most = most.max((product - should).abs());
            }
        }
        most
    }
}

/// The chart's light at a pixel.
#[expect(clippy::many_single_char_names, reason = "the entries of a homography")]
fn patch_at(x: f64, y: f64) -> [f64; 3] {
    let ([a, b, c], [d, e, f], [g, h]) = (ALONG_X, ALONG_Y, BELOW);
    let [[p, q], [r, s]] = [[a - g * x, b - h * x], [d - g * y, e - h * y]];
    let area = p * s - q * r;
    let column = ((x - c) * s - q * (y - f)) / area;
    let row = (p * (y - f) - (x - c) * r) / area;
    let (near_column, near_row) = (column.round(), row.round());
    let is_on = (column - near_column).abs().max((row - near_row).abs()) < 0.42;
    let is_there = (0.0..=5.0).contains(&near_column) && (0.0..=3.0).contains(&near_row);
    if is_on && is_there {
        PATCHES[(6.0 * near_row + near_column) as usize]
    } else {
        FRAME
    }
}

/// The value that sRGB has for a light (IEC 61966-2-1).
pub(crate) fn encoded(light: f64) -> f64 {
    if light < 0.003_130_8 {
        12.92 * light
    } else {
        1.055 * light.powf(1.0 / 2.4) - 0.055
    }
}

/// The light of an sRGB level.
pub(crate) fn light(level: f64) -> f64 {
    ((level / 255.0 + 0.055) / 1.055).powf(2.4)
}
