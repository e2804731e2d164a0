//! What turns a camera's pixels into millimetres on the part's plane, as written and checked.

mod board;
mod chance;
mod colour;
mod draft;
mod file;
mod lens;
mod projection;
mod uncertainty;
mod write;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::config::{ConfigError, sha256_hex};
use crate::domain::{Detection, ItemVersion, Placement, PointMm, RectMm, SizePx};

pub use board::{Board, BoardError, Pattern};
pub use chance::Chance;
pub use colour::{
    Colour, ColourFigures, Curve, Difference, GAIN_MAX, linear_from_srgb, srgb_from_linear, times,
};
pub use draft::{Draft, LensFigures, Plane, PlaneFigures, ViewResidual};
pub use lens::Lens;
pub use projection::{Placed, Projection};
pub use uncertainty::{COVERAGE_FACTOR, LengthParts, LengthUncertainty};

/// A valid calibration of one camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// The camera it belongs to.
    pub camera: String,
    /// When it was made.
    pub made_at_utc: Timestamp,
    /// From when on it is not trusted.
    pub valid_until_utc: Timestamp,
    /// The only image size it is for; `None` fits any (a bare scale).
    pub image_size: Option<SizePx>,
    /// The lens; `None` for a bare scale.
    pub lens: Option<Lens>,
    /// Homography from undistorted pixels to the plane.
    pub mm_from_px: [[f64; 3]; 3],
    /// What the plane is.
    pub plane: String,
    /// What a length on the plane is uncertain by; `None` where nobody has worked it out.
    pub length_uncertainty: Option<LengthUncertainty>,
    /// How well the board's corners were met.
    pub reprojection_error_rms_px: f64,
    /// What was photographed to make it.
    pub board: String,
    /// An image of an evenly lit grey surface, beside the file.
    pub flat_field: Option<PathBuf>,
    /// What makes its colours those of a chart.
    pub colour: Option<Colour>,
    sha256: String,
}

/// Why a calibration may not be used for a frame.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CalibrationFault {
    /// It is out of date.
    #[error(
        "the calibration of camera `{camera}` was valid until {valid_until_utc}; calibrate again"
    )]
    OutOfDate {
        /// The camera.
        camera: String,
        /// Its last day.
        valid_until_utc: Timestamp,
    },
    /// It comes from the future: a clock is wrong.
    #[error(
        "the calibration of camera `{camera}` was made at {made_at_utc}, which is still to come; check the clock"
    )]
    FromTheFuture {
        /// The camera.
        camera: String,
        /// When it says that it was made.
        made_at_utc: Timestamp,
    },
    /// It is for another image size.
    #[error(
        "the frame has {found_width} x {found_height} px but the calibration of camera `{camera}` is for {width} x {height}; set the camera's format or calibrate again"
    )]
    WrongSize {
        /// The camera.
        camera: String,
        /// The calibration's size.
        width: u32,
        /// The calibration's size.
        height: u32,
        /// The frame's size.
        found_width: u32,
        /// The frame's size.
        found_height: u32,
    },
    /// A point has no place on the plane.
    #[error(
        "the calibration of camera `{camera}` gives no finite length for a finding at ({x:.0}, {y:.0}) px; is the region on the plane?"
    )]
    NotFinite {
        /// The camera.
        camera: String,
        /// Column.
        x: f64,
        /// Row.
        y: f64,
    },
}

/// A detection with its size on the part's plane.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// What was measured.
    pub detection: Detection,
    /// Its outline on the plane.
    pub outline_mm: Vec<PointMm>,
    /// The upright box around it.
    pub region_mm: RectMm,
    /// Its longest extent (largest Feret diameter); the longer side for a box without mask.
    pub length_mm: f64,
    /// What the length is uncertain by (k = 2), the model's cells included, where the calibration states it.
    pub length_uncertainty_mm: Option<f64>,
    /// Its area.
    pub area_mm2: f64,
}

impl Calibration {
    /// Reads and checks a calibration file.
    ///
    /// # Errors
    /// [`ConfigError`] with every mistake; the station does not become `Ready`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        file::parse(path, text)
    }

    /// A bare scale for images of any size without a calibrated camera, valid for ever.
    pub fn scale_only(camera: &str, mm_per_px: f64) -> Self {
        Self {
            camera: camera.to_owned(),
            made_at_utc: Timestamp::UNIX_EPOCH,
            valid_until_utc: Timestamp::MAX,
            image_size: None,
            lens: None,
            mm_from_px: [
                [mm_per_px, 0.0, 0.0],
                [0.0, mm_per_px, 0.0],
                [0.0, 0.0, 1.0],
            ],
            plane: "image".to_owned(),
            length_uncertainty: None,
            reprojection_error_rms_px: 0.0,
            board: "none: a bare scale".to_owned(),
            flat_field: None,
            colour: None,
            sha256: sha256_hex(format!("scale {mm_per_px}").as_bytes()),
        }
    }

    /// How records name it.
    pub fn version(&self) -> ItemVersion {
        ItemVersion {
            name: self.camera.clone(),
            version: self.made_at_utc.to_string(),
            sha256: self.sha256.clone(),
        }
    }

    /// Whether it may be used now.
    ///
    /// # Errors
    /// [`CalibrationFault`]; parts are answered `Indeterminate(Calibration)`.
    pub fn check_date(&self, now: Timestamp) -> Result<(), CalibrationFault> {
        check_date(&self.camera, [self.made_at_utc, self.valid_until_utc], now)
    }

    /// Whether it is for frames of this size.
    ///
    /// # Errors
    /// [`CalibrationFault::WrongSize`]; the part is answered `Indeterminate(ImageUnfit)`.
    pub fn check_size(&self, found: SizePx) -> Result<(), CalibrationFault> {
        self.image_size
            .map_or(Ok(()), |size| check_size(&self.camera, size, found))
    }

    /// How the camera sees the part's plane.
    pub fn projection(&self) -> Projection {
        Projection::new(self.lens, self.mm_from_px)
    }

    /// Measures a detection on the part's plane. Where the part lies elsewhere than in the reference
    /// picture, the outline is told as if it lay there, so that zones stay on the part; lengths are the
    /// same.
    ///
    /// # Errors
    /// [`CalibrationFault::NotFinite`] if a point has no place on the plane.
    pub fn measure(
        &self,
        detection: Detection,
        placement: Option<&Placement>,
    ) -> Result<Measured, CalibrationFault> {
        let projection = self.projection();
        let place = |point| {
            let now = projection.mm_from_px(point);
            placement.map_or(now, |placement| placement.home_from_now(now))
        };
        let outline_mm: Vec<PointMm> = detection.outline_px.iter().copied().map(place).collect();
        let area_mm2 = polygon_area(&outline_mm);
        let region_mm = RectMm::around(&outline_mm);
        let finite = outline_mm
            .iter()
            .all(|p| p.x.is_finite() && p.y.is_finite());
        let (Some(region_mm), true) = (region_mm, finite) else {
            return Err(CalibrationFault::NotFinite {
                camera: self.camera.clone(),
                x: detection.region_px.x,
                y: detection.region_px.y,
            });
        };
        let length_mm = if detection.has_mask {
            farthest_apart(&outline_mm)
        } else {
            region_mm.width.max(region_mm.height)
        };
        let length_uncertainty_mm = self.length_uncertainty.map(|stated| {
            let px_mm = projection.mm_per_px(detection.region_px.center());
            let on_cells = stated.on_cells(px_mm, px_mm * detection.cell_px);
            on_cells.of(length_mm)
        });
        Ok(Measured {
            detection,
            outline_mm,
            region_mm,
            length_mm,
            length_uncertainty_mm,
            area_mm2,
        })
    }
}

fn check_date(
    camera: &str,
    [made_at_utc, valid_until_utc]: [Timestamp; 2],
    now: Timestamp,
) -> Result<(), CalibrationFault> {
    let camera = camera.to_owned();
    if valid_until_utc < now {
        return Err(CalibrationFault::OutOfDate {
            camera,
            valid_until_utc,
        });
    }
    if now < made_at_utc {
        return Err(CalibrationFault::FromTheFuture {
            camera,
            made_at_utc,
        });
    }
    Ok(())
}

fn check_size(camera: &str, size: SizePx, found: SizePx) -> Result<(), CalibrationFault> {
    if size == found {
        return Ok(());
    }
    Err(CalibrationFault::WrongSize {
        camera: camera.to_owned(),
        width: size.width_px,
        height: size.height_px,
        found_width: found.width_px,
        found_height: found.height_px,
    })
}

fn polygon_area(outline: &[PointMm]) -> f64 {
    let following = outline.iter().skip(1).chain(outline.first());
    let doubled: f64 = outline
        .iter()
        .zip(following)
        .map(|(a, b)| a.x * b.y - b.x * a.y)
        .sum();
    doubled.abs() / 2.0
}

// Only points of the convex hull can be the farthest apart; hulls are small even for long outlines.
fn farthest_apart(outline: &[PointMm]) -> f64 {
    let hull = convex_hull(outline);
    let pairs = hull
        .iter()
        .enumerate()
        .flat_map(|(i, a)| hull.iter().skip(i + 1).map(move |b| (a, b)));
    pairs
        .map(|(a, b)| (a.x - b.x).hypot(a.y - b.y))
        .fold(0.0, f64::max)
}

/// Andrew's monotone chain (1979).
fn convex_hull(points: &[PointMm]) -> Vec<PointMm> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y)));
    let mut hull = half_hull(sorted.iter().copied());
    hull.extend(half_hull(sorted.iter().rev().copied()));
    hull
}

fn half_hull(points: impl Iterator<Item = PointMm>) -> Vec<PointMm> {
    let mut chain: Vec<PointMm> = Vec::new();
    for point in points {
        while let [.., a, b] = chain.as_slice() {
            let turn = (b.x - a.x) * (point.y - a.y) - (b.y - a.y) * (point.x - a.x);
            if 0.0 < turn {
                break;
            }
            chain.pop();
        }
        chain.push(point);
    }
    chain
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Class, PointPx, RectPx, Score};

    fn mask(outline_px: Vec<PointPx>) -> Detection {
        Detection {
            class: Class {
                name: Arc::from("scratch"),
                code: Arc::from(""),
            },
            score: Score::new(0.9).unwrap(),
            region_px: RectPx::around(&outline_px).unwrap(),
            outline_px,
            has_mask: true,
            cell_px: 1.0,
        }
    }

    proptest! {
        #[test]
        fn the_hull_finds_the_same_length_as_all_pairs(points in prop::collection::vec((0.0..50.0f64, 0.0..50.0f64), 3..40)) {
            let points: Vec<_> = points.into_iter().map(|(x, y)| PointMm { x, y }).collect();
            let all = points.iter().flat_map(|a| points.iter().map(|b| (a.x - b.x).hypot(a.y - b.y)));
            prop_assert!((farthest_apart(&points) - all.fold(0.0, f64::max)).abs() < 1e-9);
        }
    }

    #[test]
    fn a_mask_is_measured_along_itself_and_a_box_along_its_side() {
        let calibration = Calibration::scale_only("cam", 0.5);
        let diamond = [(10., 0.), (20., 10.), (10., 20.), (0., 10.)].map(|(x, y)| PointPx { x, y });
        let measured = calibration.measure(mask(diamond.to_vec()), None).unwrap();
        assert!(
            (measured.length_mm - 10.0).abs() < 1e-9 && (measured.area_mm2 - 50.0).abs() < 1e-9
        );
        let long_box = RectPx {
            x: 4.0,
            y: 4.0,
            width: 30.0,
            height: 40.0,
        };
        let measured = calibration
            .measure(
                Detection {
                    has_mask: false,
                    cell_px: 1.0,
                    ..mask(long_box.corners().to_vec())
                },
                None,
            )
            .unwrap();
        assert!(
            (measured.length_mm - 20.0).abs() < 1e-9,
            "{}",
            measured.length_mm
        );
    }

    #[test]
    fn a_point_on_the_horizon_is_a_fault_and_no_length() {
        let horizon = Calibration {
            mm_from_px: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]],
            ..Calibration::scale_only("cam", 1.0)
        };
        let corners = RectPx {
            x: 1.0,
            y: 2.0,
            width: 3.0,
            height: 4.0,
        }
        .corners()
        .to_vec();
        let fault = horizon.measure(mask(corners), None).unwrap_err();
        assert!(
            matches!(fault, CalibrationFault::NotFinite { .. }),
            "{fault}"
        );
    }
}
