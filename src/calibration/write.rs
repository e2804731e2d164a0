//! A calibration file's text, with as many digits as are worth reading.

use super::{Colour, Difference, Draft, LensFigures, Plane};
use crate::config::quoted;

/// Digits of what is measured in pixels or decides millimetres.
const EXACT: usize = 12;
/// Digits of what says how good something is.
const COARSE: usize = 4;

const HEAD: &str = "\
# Written by `taktgate calibrate`. Change nothing by hand: records name this file by its SHA-256.
";

const UNCERTAINTY_HEAD: &str = "
# What a length on the plane is uncertain by (k = 2): sqrt(constant_mm^2 + (relative * length)^2).
[length_uncertainty]";

const COLOUR_HEAD: &str = "
# Linear sRGB from the camera's linear red, green and blue.
[colour]";

const COVARIANCE_HEAD: &str = "\
# Of fx, fy, cx, cy, k1, k2, p1, p2, k3; zeros for what was not fitted.
covariance = [";

pub(super) fn to_toml(draft: &Draft) -> String {
    let [fx, fy, cx, cy, distortion @ ..] = draft.lens.parameters();
    let matrix = [[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]];
    let mut lines = vec![
        "schema = 1".to_owned(),
        format!("camera = {}", quoted(&draft.camera)),
        format!("made_at_utc = {}", quoted(&draft.made_at_utc.to_string())),
        format!(
            "valid_until_utc = {}",
            quoted(&draft.valid_until_utc.to_string())
        ),
        format!(
            "image_size_px = [{}, {}]",
            draft.image_size.width_px, draft.image_size.height_px
        ),
        format!("camera_matrix_px = {}", rows(&matrix, EXACT)),
        format!("distortion = {}", row(&distortion, EXACT)),
    ];
    if let Some(plane) = &draft.plane {
        lines.push(format!("plane = {}", quoted(&plane.name)));
        lines.push(format!("mm_from_px = {}", rows(&plane.mm_from_px, EXACT)));
    }
    lines.push(format!(
        "reprojection_error_rms_px = {}",
        number(draft.reprojection_error_rms_px, COARSE)
    ));
    lines.push(format!("board = {}", quoted(&draft.board)));
    if let Some(flat_field) = &draft.flat_field {
        let name = flat_field.display().to_string();
        lines.push(format!("flat_field = {}", quoted(&name)));
    }
    lines.extend(draft.plane.iter().flat_map(of_plane));
    lines.extend(draft.colour.iter().flat_map(of_colour));
    lines.extend(draft.lens_fit.iter().flat_map(of_lens_fit));
    HEAD.to_owned() + &lines.join("\n") + "\n"
}

fn of_plane(plane: &Plane) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(stated) = plane.length_uncertainty {
        lines.push(UNCERTAINTY_HEAD.to_owned());
        lines.push(format!(
            "constant_mm = {}",
            number(stated.constant_mm, COARSE)
        ));
        lines.push(format!("relative = {}", number(stated.relative, COARSE)));
    }
    if let Some(figures) = &plane.figures {
        lines.push("\n[plane_fit]".to_owned());
        lines.push(format!("from = {}", quoted(&figures.from)));
        lines.push(format!("n_points = {}", figures.n_points));
        lines.push(format!(
            "residual_rms_mm = {}",
            number(figures.residual_rms_mm, COARSE)
        ));
    }
    lines
}

fn of_colour(colour: &Colour) -> Vec<String> {
    let mut lines = vec![
        COLOUR_HEAD.to_owned(),
        format!("curve = {}", quoted(colour.curve.name())),
        format!(
            "srgb_from_camera = {}",
            rows(&colour.srgb_from_camera, 2 * COARSE)
        ),
    ];
    if let Some(figures) = &colour.figures {
        let difference = |key: &str, difference: Difference| {
            let [mean, max] = [difference.mean, difference.max].map(|value| number(value, COARSE));
            format!("{key}_ciede2000 = {{ mean = {mean}, max = {max} }}")
        };
        lines.extend([
            "\n[colour_fit]".to_owned(),
            format!("reference = {}", quoted(&figures.reference)),
            format!("n_pictures = {}", figures.n_pictures),
            difference("before", figures.before),
            difference("after", figures.after),
            difference("held_out", figures.held_out),
        ]);
    }
    lines
}

fn of_lens_fit(fit: &LensFigures) -> Vec<String> {
    let mut lines = vec![
        "\n[lens_fit]".to_owned(),
        format!("n_points = {}", fit.n_points),
        COVARIANCE_HEAD.to_owned(),
    ];
    let rows = fit.covariance.iter();
    lines.extend(rows.map(|values| format!("  {},", row(values, 2 * COARSE))));
    lines.push("]".to_owned());
    for view in &fit.views {
        lines.push("\n[[lens_fit.views]]".to_owned());
        lines.push(format!("picture = {}", quoted(&view.picture)));
        let residual = number(view.residual_rms_px, COARSE);
        lines.push(format!("residual_rms_px = {residual}"));
    }
    lines
}

fn rows<const N: usize>(matrix: &[[f64; N]], digits: usize) -> String {
    let rows: Vec<String> = matrix.iter().map(|values| row(values, digits)).collect();
    format!("[{}]", rows.join(", "))
}

fn row(values: &[f64], digits: usize) -> String {
    let values: Vec<String> = values.iter().map(|value| number(*value, digits)).collect();
    format!("[{}]", values.join(", "))
}

/// The number with so many significant digits, as TOML reads a float.
fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.*e}", digits.saturating_sub(1));
    // A number that is none is refused when the file is read back.
    let rounded: f64 = text.parse().unwrap_or(value);
    format!("{rounded:?}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::calibration::{
        ColourFigures, Curve, LengthUncertainty, Lens, PlaneFigures, ViewResidual,
    };
    use crate::domain::{PointPx, SizePx};

    fn whole() -> Draft {
        let mut covariance = [[0.0; 9]; 9];
        covariance[0][0] = 0.25;
        covariance[4][4] = 1.5e-6;
        Draft {
            camera: "cam \"1\"".to_owned(),
            made_at_utc: "2026-11-22T08:00:00Z".parse().unwrap(),
            valid_until_utc: "2027-11-22T08:00:00Z".parse().unwrap(),
            image_size: SizePx {
                width_px: 640,
                height_px: 480,
            },
            lens: Lens {
                focal_px: [535.25, 535.75],
                center_px: PointPx { x: 342.0, y: 235.5 },
                distortion: [-0.25, 0.125, 0.001, -0.0005, 0.0],
            },
            reprojection_error_rms_px: 0.1875,
            board: "chessboard 9 x 6, 25 mm".to_owned(),
            lens_fit: Some(LensFigures {
                n_points: 54,
                covariance,
                views: vec![ViewResidual {
                    picture: "left01.jpg".to_owned(),
                    residual_rms_px: 0.25,
                }],
            }),
            plane: Some(Plane {
                name: "part \\ surface\nline".to_owned(),
                mm_from_px: [[0.5, 0.0, -3.0], [0.0, 0.5, 0.0], [1e-6, 0.0, 1.0]],
                length_uncertainty: Some(LengthUncertainty {
                    constant_mm: 0.0816,
                    relative: 2.5e-4,
                }),
                figures: Some(PlaneFigures {
                    from: "plane.png".to_owned(),
                    n_points: 54,
                    residual_rms_mm: 0.0125,
                }),
            }),
            flat_field: Some("cam-1.flat-field.png".into()),
            colour: Some(Colour {
                curve: Curve::Linear,
                srgb_from_camera: [[1.25, -0.5, 0.0], [0.125, 1.0, -0.0625], [0.0, -0.25, 2.0]],
                figures: Some(ColourFigures {
                    reference: "my \"own\".csv".to_owned(),
                    n_pictures: 3,
                    before: Difference {
                        mean: 12.5,
                        max: 20.0,
                    },
                    after: Difference {
                        mean: 1.25,
                        max: 3.5,
                    },
                    held_out: Difference {
                        mean: 1.5,
                        max: 4.5,
                    },
                }),
            }),
        }
    }

    #[test]
    fn what_is_written_is_read_back_the_same() {
        let lens_only = Draft {
            plane: None,
            flat_field: None,
            colour: None,
            ..whole()
        };
        for draft in [whole(), lens_only] {
            let text = draft.to_toml();
            let back = Draft::parse(Path::new("cam-1.toml"), &text);
            assert_eq!(back.unwrap(), draft, "{text}");
        }
    }

    #[test]
    fn numbers_keep_their_digits_and_no_more() {
        assert_eq!(number(1.0 / 3.0, 4), "0.3333");
        assert_eq!(number(2.0, 4), "2.0");
        assert_eq!(number(-1.234_567e-9, 4), "-1.235e-9");
        assert_eq!(number(123_456.789, 4), "123500.0");
    }
}
