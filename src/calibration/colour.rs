//! What makes a camera's colours those of a chart: a curve and a matrix into linear sRGB.

use std::fmt;

/// Largest value of a matrix that is believed: more would only multiply noise.
pub const GAIN_MAX: f64 = 16.0;

/// From a camera's values to sRGB.
#[derive(Debug, Clone, PartialEq)]
pub struct Colour {
    /// What the camera's values mean.
    pub curve: Curve,
    /// Linear sRGB from the camera's linear red, green and blue.
    pub srgb_from_camera: [[f64; 3]; 3],
    /// What the fit said of itself.
    pub figures: Option<ColourFigures>,
}

/// How a camera's values follow the light.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// As sRGB has it (IEC 61966-2-1): cameras that make pictures to look at.
    Srgb,
    /// In proportion: industrial cameras with gamma 1.
    Linear,
}

/// What the fit of a colour said of itself; differences are CIEDE2000.
#[derive(Debug, Clone, PartialEq)]
pub struct ColourFigures {
    /// Where the chart's colours are from.
    pub reference: String,
    /// Pictures of the chart.
    pub n_pictures: u32,
    /// Mean and largest over the patches, as the camera gave them.
    pub before: Difference,
    /// With the matrix.
    pub after: Difference,
    /// With a matrix that was fitted without the patch, for each patch.
    pub held_out: Difference,
}

/// How far colours are off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// On the average.
    pub mean: f64,
    /// At worst.
    pub max: f64,
}

impl Curve {
    /// All curves.
    pub const ALL: [Self; 2] = [Self::Srgb, Self::Linear];

    /// Its name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Srgb => "srgb",
            Self::Linear => "linear",
        }
    }

    /// The light, 0 to 1, that a level of 0 to 255 stands for.
    pub fn light_from_level(self, level: f64) -> f64 {
        match self {
            Self::Srgb => linear_from_srgb(level / 255.0),
            Self::Linear => level / 255.0,
        }
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Difference {
    /// Of these differences; zeros if there are none.
    pub fn of(differences: &[f64]) -> Self {
        Self {
            mean: differences.iter().sum::<f64>() / differences.len().max(1) as f64,
            max: differences.iter().copied().fold(0.0, f64::max),
        }
    }
}

impl Colour {
    /// Linear sRGB of the camera's levels, red, green and blue from 0 to 255; it may lie outside 0 to 1.
    pub fn linear_srgb(&self, levels: [f64; 3]) -> [f64; 3] {
        times(
            &self.srgb_from_camera,
            levels.map(|level| self.curve.light_from_level(level)),
        )
    }
}

/// A matrix times a column.
pub fn times(matrix: &[[f64; 3]; 3], column: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row.iter().zip(column).map(|(a, b)| a * b).sum())
}

/// The light that an sRGB value of 0 to 1 stands for.
pub fn linear_from_srgb(value: f64) -> f64 {
    if value <= 0.040_45 {
        value / 12.92
    } else {
        ((value + 0.055) / 1.055).powf(2.4)
    }
}

/// The sRGB value of a light; what sRGB cannot show becomes the nearest that it can, 0 or 1.
pub fn srgb_from_linear(light: f64) -> f64 {
    let light = light.clamp(0.0, 1.0);
    if light <= 0.003_130_8 {
        12.92 * light
    } else {
        1.055 * light.powf(1.0 / 2.4) - 0.055
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_and_its_inverse_undo_each_other() {
        for level in 0..=255 {
            let value = f64::from(level) / 255.0;
            let back = srgb_from_linear(linear_from_srgb(value));
            assert!((back - value).abs() < 1e-6, "{level}: {back}");
        }
        // A value of the standard's own curve: half of the levels is a fifth of the light.
        assert!((linear_from_srgb(0.5) - 0.214_041).abs() < 1e-6);
        assert!((Curve::Linear.light_from_level(51.0) - 0.2).abs() < 1e-12);
        assert!(
            srgb_from_linear(-0.1).abs() < 1e-12 && (srgb_from_linear(7.0) - 1.0).abs() < 1e-12
        );
    }
}
