//! How far a length on the plane may be from the truth: what a calibration states, and the parts it is made of.
//!
//! After the GUM (JCGM 100:2008): standard uncertainties of independent parts are added as squares, and
//! the expanded uncertainty is twice the sum's root (k = 2, about 95 %). A part either stays the same for every
//! length (the ends of an outline) or grows with it (scale).

/// The coverage factor: twice the standard uncertainty holds about 95 %.
pub const COVERAGE_FACTOR: f64 = 2.0;

/// What a length on the plane is uncertain by, with k = 2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LengthUncertainty {
    /// The part that every length has.
    pub constant_mm: f64,
    /// The part that grows with the length, as a share of it.
    pub relative: f64,
}

/// Standard uncertainties (k = 1) that a length's is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LengthParts {
    /// Largest millimetres of a pixel anywhere in the picture: an outline runs along the edges of pixels.
    pub mm_per_px_max: f64,
    /// Lens and plane: what every length has, whatever its place in the picture.
    pub fit_mm: f64,
    /// Lens and plane: what grows with the length, as a share of it.
    pub fit_share: f64,
    /// By what share the board's pitch, or the distances of the known points, may be wrong at most.
    pub board_tolerance: f64,
    /// By what share of its distance from the camera the part's surface may lie off the plane at most.
    pub height_tolerance: f64,
}

impl LengthParts {
    /// All parts together, with k = 2.
    pub fn expanded(&self) -> LengthUncertainty {
        // Anything within a tolerance is as likely: its standard uncertainty is the half width over the
        // root of 3 (JCGM 100:2008, 4.3.7).
        let ends = ends(self.mm_per_px_max);
        let tolerances = uniform(self.board_tolerance).hypot(uniform(self.height_tolerance));
        LengthUncertainty {
            constant_mm: COVERAGE_FACTOR * ends.hypot(self.fit_mm),
            relative: COVERAGE_FACTOR * self.fit_share.hypot(tolerances),
        }
    }
}

/// Both ends of a length along the edges of cells: a corner of the outermost cell lies up to half a cell's
/// diagonal beside the end that it stands for.
fn ends(cell_mm: f64) -> f64 {
    2.0_f64.sqrt() * uniform(0.5 * 2.0_f64.sqrt() * cell_mm)
}

fn uniform(half_width: f64) -> f64 {
    half_width / 3.0_f64.sqrt()
}

impl LengthUncertainty {
    /// The same for outlines along cells that are larger than the frame's pixels, which are in it already.
    #[must_use]
    pub fn on_cells(self, px_mm: f64, cell_mm: f64) -> Self {
        let [pixels, cells] = [px_mm, cell_mm].map(|side_mm| COVERAGE_FACTOR * ends(side_mm));
        let beyond = (cells * cells - pixels * pixels).max(0.0).sqrt();
        Self {
            constant_mm: self.constant_mm.hypot(beyond),
            ..self
        }
    }

    /// What this length is uncertain by.
    pub fn of(&self, length_mm: f64) -> f64 {
        self.constant_mm.hypot(self.relative * length_mm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_added_as_squares_and_doubled() {
        let parts = LengthParts {
            mm_per_px_max: 0.1,
            fit_mm: 0.0,
            fit_share: 3e-4,
            board_tolerance: 4e-4 * 3.0_f64.sqrt(),
            height_tolerance: 0.0,
        };
        let stated = parts.expanded();
        // 2 x sqrt(2) x (0.1 x sqrt(2) / 2) / sqrt(3)
        assert!((stated.constant_mm - 0.115_470_054).abs() < 1e-8);
        assert!((stated.relative - 1e-3).abs() < 1e-12);
        assert!((stated.of(0.0) - stated.constant_mm).abs() < 1e-12);
        assert!((stated.of(1000.0) - 1.006_645).abs() < 1e-6);
        let worse = LengthParts {
            height_tolerance: 1e-3,
            fit_mm: 0.02,
            ..parts
        };
        let worse = worse.expanded();
        assert!(stated.relative < worse.relative && stated.constant_mm < worse.constant_mm);
    }

    #[test]
    fn cells_larger_than_a_pixel_take_its_place_and_smaller_ones_do_not() {
        let stated = LengthUncertainty {
            constant_mm: 0.2_f64.hypot(COVERAGE_FACTOR * ends(0.1)),
            relative: 1e-3,
        };
        for (cell_mm, expected) in [(0.4, 0.4), (0.1, 0.1), (0.05, 0.1)] {
            let on_cells = stated.on_cells(0.1, cell_mm);
            let should_mm = 0.2_f64.hypot(COVERAGE_FACTOR * ends(expected));
            assert!(
                (on_cells.constant_mm - should_mm).abs() < 1e-12,
                "{cell_mm}"
            );
            assert!((on_cells.relative - 1e-3).abs() < 1e-12);
        }
    }
}
