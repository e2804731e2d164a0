//! The calibration file as written, and its checks.

use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Calibration, Colour, ColourFigures, Curve, Difference, Draft, GAIN_MAX, LengthUncertainty,
    Lens, LensFigures, Plane, PlaneFigures, ViewResidual,
};
use crate::config::{self, Checks, ConfigError, sha256_hex};
use crate::domain::{Name, PointPx, SizePx};

const SCHEMA: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CalibrationFile {
    schema: u32,
    camera: String,
    made_at_utc: Timestamp,
    valid_until_utc: Timestamp,
    image_size_px: [u32; 2],
    camera_matrix_px: [[f64; 3]; 3],
    distortion: [f64; 5],
    plane: Option<String>,
    mm_from_px: Option<[[f64; 3]; 3]>,
    reprojection_error_rms_px: f64,
    board: String,
    flat_field: Option<PathBuf>,
    length_uncertainty: Option<LengthUncertaintyFile>,
    colour: Option<ColourFile>,
    plane_fit: Option<PlaneFitFile>,
    lens_fit: Option<LensFitFile>,
    colour_fit: Option<ColourFitFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LengthUncertaintyFile {
    constant_mm: f64,
    relative: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaneFitFile {
    from: String,
    n_points: u32,
    residual_rms_mm: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LensFitFile {
    n_points: u32,
    covariance: [[f64; 9]; 9],
    views: Vec<ViewFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ViewFile {
    picture: String,
    residual_rms_px: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ColourFile {
    curve: CurveFile,
    srgb_from_camera: [[f64; 3]; 3],
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum CurveFile {
    Srgb,
    Linear,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ColourFitFile {
    reference: String,
    n_pictures: u32,
    before_ciede2000: DifferenceFile,
    after_ciede2000: DifferenceFile,
    held_out_ciede2000: DifferenceFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DifferenceFile {
    mean: f64,
    max: f64,
}

/// A calibration that may be measured with: it needs a plane.
pub(super) fn parse(path: &Path, text: &str) -> Result<Calibration, ConfigError> {
    let (draft, checks) = checked(path, text, NeedsPlane::Yes)?;
    let Draft { camera, .. } = draft;
    let calibration = draft.plane.map(|plane| Calibration {
        camera,
        made_at_utc: draft.made_at_utc,
        valid_until_utc: draft.valid_until_utc,
        image_size: Some(draft.image_size),
        lens: Some(draft.lens),
        mm_from_px: plane.mm_from_px,
        plane: plane.name,
        length_uncertainty: plane.length_uncertainty,
        reprojection_error_rms_px: draft.reprojection_error_rms_px,
        board: draft.board,
        flat_field: draft.flat_field.map(|name| path.with_file_name(name)),
        colour: draft.colour,
        sha256: sha256_hex(text.as_bytes()),
    });
    checks.finish(path, calibration)
}

/// A calibration on its way, with or without a plane.
pub(super) fn parse_draft(path: &Path, text: &str) -> Result<Draft, ConfigError> {
    let (draft, checks) = checked(path, text, NeedsPlane::No)?;
    checks.finish(path, Some(draft))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum NeedsPlane {
    Yes,
    No,
}

fn checked(
    path: &Path,
    text: &str,
    needs_plane: NeedsPlane,
) -> Result<(Draft, Checks), ConfigError> {
    let file: CalibrationFile = config::parse(path, text)?;
    let mut checks = Checks::default();
    if file.schema != SCHEMA {
        checks.say(format!(
            "`schema = {}` is unknown; this version reads {SCHEMA}",
            file.schema
        ));
    }
    checks.take("camera", Name::new(&file.camera));
    if file.valid_until_utc <= file.made_at_utc {
        checks.say("`valid_until_utc` is not after `made_at_utc`");
    }
    let [width_px, height_px] = file.image_size_px;
    checks.range("image_size_px width", width_px, 8, 100_000);
    checks.range("image_size_px height", height_px, 8, 100_000);
    checks.range(
        "reprojection_error_rms_px",
        file.reprojection_error_rms_px,
        0.0,
        10.0,
    );
    let lens = check_lens(&file, &mut checks);
    let plane = check_plane(&file, needs_plane, &mut checks);
    if let Some(flat_field) = &file.flat_field {
        let plain = flat_field
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !plain {
            checks.say(format!(
                "`flat_field = {}` leaves the calibration's folder; name a file beside it",
                flat_field.display()
            ));
        }
    }
    let colour = check_colour(&file, &mut checks);
    let lens_fit = file.lens_fit.map(|fit| check_lens_fit(fit, &mut checks));
    let draft = Draft {
        camera: file.camera,
        made_at_utc: file.made_at_utc,
        valid_until_utc: file.valid_until_utc,
        image_size: SizePx {
            width_px,
            height_px,
        },
        lens,
        reprojection_error_rms_px: file.reprojection_error_rms_px,
        board: file.board,
        lens_fit,
        plane,
        flat_field: file.flat_field,
        colour,
    };
    Ok((draft, checks))
}

fn check_lens(file: &CalibrationFile, checks: &mut Checks) -> Lens {
    let [[fx, skew, cx], [lower_left, fy, cy], last] = file.camera_matrix_px;
    let shape = [skew, lower_left, last[0], last[1], last[2] - 1.0];
    if shape.iter().any(|value| *value != 0.0) {
        checks.say("`camera_matrix_px` is not of the form [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]");
    }
    for (key, value, min) in [
        ("fx", fx, 1.0),
        ("fy", fy, 1.0),
        ("cx", cx, -1e5),
        ("cy", cy, -1e5),
    ] {
        checks.range(format!("camera_matrix_px {key}"), value, min, 1e6);
    }
    for (key, value) in ["k1", "k2", "p1", "p2", "k3"].iter().zip(file.distortion) {
        checks.range(format!("distortion {key}"), value, -100.0, 100.0);
    }
    Lens {
        focal_px: [fx, fy],
        center_px: PointPx { x: cx, y: cy },
        distortion: file.distortion,
    }
}

fn check_plane(
    file: &CalibrationFile,
    needs_plane: NeedsPlane,
    checks: &mut Checks,
) -> Option<Plane> {
    let (name, mm_from_px) = match (&file.plane, file.mm_from_px) {
        (Some(name), Some(mm_from_px)) => (name.clone(), mm_from_px),
        (None, None) => {
            if needs_plane == NeedsPlane::Yes {
                checks.say(
                    "`plane` and `mm_from_px` are missing: only the lens is known; `taktgate calibrate plane` adds them",
                );
            } else if file.length_uncertainty.is_some() || file.plane_fit.is_some() {
                checks.say("`length_uncertainty` and `plane_fit` need a `plane` with `mm_from_px`");
            }
            return None;
        }
        (Some(_), None) | (None, Some(_)) => {
            checks.say("`plane` and `mm_from_px` belong together; write both, or neither");
            return None;
        }
    };
    check_homography(&mm_from_px, checks);
    let length_uncertainty = file.length_uncertainty.as_ref().map(|stated| {
        let constant_mm = checks.range("constant_mm", stated.constant_mm, 0.0, 1000.0);
        LengthUncertainty {
            constant_mm,
            relative: checks.range("relative", stated.relative, 0.0, 1.0),
        }
    });
    let figures = file.plane_fit.as_ref().map(|fit| PlaneFigures {
        from: fit.from.clone(),
        n_points: checks.range("plane_fit n_points", fit.n_points, 4, u32::MAX),
        residual_rms_mm: checks.range("residual_rms_mm", fit.residual_rms_mm, 0.0, 1000.0),
    });
    Some(Plane {
        name,
        mm_from_px,
        length_uncertainty,
        figures,
    })
}

fn check_lens_fit(fit: LensFitFile, checks: &mut Checks) -> LensFigures {
    let entries = fit.covariance.iter().flatten();
    let on_diagonal = fit
        .covariance
        .iter()
        .zip(0..)
        .map(|(row, at)| row.get::<usize>(at));
    let sound = entries.clone().all(|value| value.is_finite())
        && on_diagonal.flatten().all(|variance| 0.0 <= *variance);
    if !sound {
        checks.say("`lens_fit covariance` has values that are not finite, or a variance below 0");
    }
    for view in &fit.views {
        checks.range("residual_rms_px", view.residual_rms_px, 0.0, 1000.0);
    }
    let views = fit.views.into_iter().map(|view| ViewResidual {
        picture: view.picture,
        residual_rms_px: view.residual_rms_px,
    });
    LensFigures {
        n_points: fit.n_points,
        covariance: fit.covariance,
        views: views.collect(),
    }
}

fn check_colour(file: &CalibrationFile, checks: &mut Checks) -> Option<Colour> {
    let Some(colour) = &file.colour else {
        if file.colour_fit.is_some() {
            checks.say("`colour_fit` needs a `colour`");
        }
        return None;
    };
    for value in colour.srgb_from_camera.iter().flatten() {
        checks.range("srgb_from_camera", *value, -GAIN_MAX, GAIN_MAX);
    }
    let figures = file.colour_fit.as_ref().map(|fit| {
        let mut difference = |key: &str, file: &DifferenceFile| Difference {
            mean: checks.range(format!("{key} mean"), file.mean, 0.0, 1000.0),
            max: checks.range(format!("{key} max"), file.max, 0.0, 1000.0),
        };
        ColourFigures {
            reference: fit.reference.clone(),
            n_pictures: fit.n_pictures,
            before: difference("before_ciede2000", &fit.before_ciede2000),
            after: difference("after_ciede2000", &fit.after_ciede2000),
            held_out: difference("held_out_ciede2000", &fit.held_out_ciede2000),
        }
    });
    Some(Colour {
        curve: match colour.curve {
            CurveFile::Srgb => Curve::Srgb,
            CurveFile::Linear => Curve::Linear,
        },
        srgb_from_camera: colour.srgb_from_camera,
        figures,
    })
}

fn check_homography(matrix: &[[f64; 3]; 3], checks: &mut Checks) {
    let [first, second, third] = *matrix;
    let determinant: f64 = first
        .iter()
        .zip(cross(second, third))
        .map(|(one, other)| one * other)
        .sum();
    if !determinant.is_finite() || determinant.abs() < 1e-12 {
        checks.say("`mm_from_px` is no homography: its determinant is 0 or not finite");
    }
}

fn cross(one: [f64; 3], other: [f64; 3]) -> [f64; 3] {
    let ([ax, ay, az], [bx, by, bz]) = (one, other);
    [ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx]
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
schema = 1
camera = "cam-1"
made_at_utc = "2026-11-22T00:00:00Z"
valid_until_utc = "2027-11-22T00:00:00Z"
image_size_px = [1024, 768]
camera_matrix_px = [[1650.0, 0.0, 511.5], [0.0, 1650.0, 383.5], [0.0, 0.0, 1.0]]
distortion = [-0.12, 0.05, 0.0004, -0.0003, 0.0]
plane = "panel"
mm_from_px = [[0.2, 0.0, 0.0], [0.0, 0.2, 0.0], [0.0, 0.0, 1.0]]
reprojection_error_rms_px = 0.1
board = "chessboard 9 x 6, 10 mm"
"#;

    fn error(text: &str) -> String {
        let error = parse(Path::new("cam-1.toml"), text).unwrap_err();
        let cause = std::error::Error::source(&error);
        cause.map_or_else(|| error.to_string(), ToString::to_string)
    }

    #[test]
    fn every_mistake_is_said_at_once() {
        let wrong = GOOD
            .replace("valid_until_utc = \"2027", "valid_until_utc = \"2025")
            .replace("1650.0, 383.5", "nan, 383.5")
            .replace("[0.0, 0.2, 0.0]", "[0.2, 0.0, 0.0]")
            .replace("board =", "flat_field = \"../secret.png\"\nboard =");
        insta::assert_snapshot!(error(&wrong));
        insta::assert_snapshot!(error(&GOOD.replace("2026-11-22T00", "yesterday")));
    }

    #[test]
    fn a_lens_without_a_plane_is_a_draft_and_no_calibration() {
        let path = Path::new("cam-1.toml");
        let lens_only: String = GOOD
            .lines()
            .filter(|line| !line.starts_with("plane") && !line.starts_with("mm_from_px"))
            .fold(String::new(), |text, line| text + line + "\n");
        assert_eq!(parse_draft(path, &lens_only).unwrap().plane, None);
        insta::assert_snapshot!(error(&lens_only), @"`cam-1.toml`: `plane` and `mm_from_px` are missing: only the lens is known; `taktgate calibrate plane` adds them");
        let half = GOOD.replace("plane = \"panel\"\n", "");
        assert!(error(&half).contains("belong together"), "{}", error(&half));
    }

    #[test]
    fn an_uncertainty_is_read_and_one_below_zero_refused() {
        let stated = |constant_mm: &str| {
            format!("{GOOD}[length_uncertainty]\nconstant_mm = {constant_mm}\nrelative = 0.001\n")
        };
        let calibration = parse(Path::new("cam-1.toml"), &stated("0.08")).unwrap();
        let found = calibration.length_uncertainty.unwrap();
        assert!((found.of(60.0) - 0.1).abs() < 1e-12, "{found:?}");
        insta::assert_snapshot!(error(&stated("-0.1")), @"`cam-1.toml`: `constant_mm = -0.1` is out of range; write 0 to 1000");
    }

    #[test]
    fn an_old_calibration_and_another_size_are_refused_with_words() {
        let calibration = parse(Path::new("cam-1.toml"), GOOD).unwrap();
        let later = calibration.check_date("2028-01-01T00:00:00Z".parse().unwrap());
        insta::assert_snapshot!(later.unwrap_err(), @"the calibration of camera `cam-1` was valid until 2027-11-22T00:00:00Z; calibrate again");
        let earlier = calibration.check_date("2020-01-01T00:00:00Z".parse().unwrap());
        insta::assert_snapshot!(earlier.unwrap_err(), @"the calibration of camera `cam-1` was made at 2026-11-22T00:00:00Z, which is still to come; check the clock");
        let small = calibration.check_size(SizePx {
            width_px: 200,
            height_px: 200,
        });
        insta::assert_snapshot!(small.unwrap_err(), @"the frame has 200 x 200 px but the calibration of camera `cam-1` is for 1024 x 768; set the camera's format or calibrate again");
    }
}
