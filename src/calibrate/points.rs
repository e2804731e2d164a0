//! Known points in a table: where they are in the picture, and where on the part's plane.

use std::path::Path;

use crate::domain::{PointMm, PointPx};
use crate::vision::KnownPoint;

use super::error::CalibrateError;

/// Most points of a table.
const POINTS_MAX: usize = 10_000;
const HEADER: &str = "x_px,y_px,x_mm,y_mm";

/// Reads points from comma-separated text; `path` is for messages.
///
/// # Errors
/// [`CalibrateError::Line`] with the first line that is no point.
pub fn known_points(path: &Path, text: &str) -> Result<Vec<KnownPoint>, CalibrateError> {
    let fault = |line: usize, what: String| CalibrateError::Line {
        path: path.to_owned(),
        line: line + 1,
        what,
    };
    let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    let first = lines.next().map_or("", |(_, line)| line);
    if without_blanks(first) != HEADER {
        return Err(fault(0, format!("`{}` is no such header", first.trim())));
    }
    let mut points = Vec::new();
    for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let values: Option<Vec<f64>> = line.split(',').map(finite).collect();
        let Some(&[x_px, y_px, x_mm, y_mm]) = values.as_deref() else {
            return Err(fault(
                index,
                format!("`{}` are not four numbers", line.trim()),
            ));
        };
        if points.len() == POINTS_MAX {
            return Err(fault(index, format!("more than {POINTS_MAX} points")));
        }
        points.push(KnownPoint {
            px: PointPx { x: x_px, y: y_px },
            mm: PointMm { x: x_mm, y: y_mm },
        });
    }
    Ok(points)
}

fn without_blanks(line: &str) -> String {
    line.chars().filter(|c| !c.is_whitespace()).collect()
}

fn finite(text: &str) -> Option<f64> {
    let value = text.trim().parse::<f64>().ok();
    value.filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<KnownPoint>, String> {
        known_points(Path::new("p.csv"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn points_are_read_with_blanks_and_empty_lines() {
        let points = read("x_px, y_px, x_mm, y_mm\n1,2,0.5,-1e1\n\n3.5, 4,5,6\r\n").unwrap();
        assert_eq!(points.len(), 2);
        assert_eq!(points[0].mm, PointMm { x: 0.5, y: -10.0 });
        assert_eq!(points[1].px, PointPx { x: 3.5, y: 4.0 });
    }

    #[test]
    fn what_is_no_point_is_refused_with_its_line() {
        insta::assert_snapshot!(read("1,2,3,4\n").unwrap_err(), @"`p.csv`, line 1: `1,2,3,4` is no such header; write a first line `x_px,y_px,x_mm,y_mm` and four numbers in each other");
        for wrong in ["1,2,3", "1,2,3,4,5", "1,2,3,NaN", "1;2;3;4", "a,b,c,d"] {
            let said = read(&format!("x_px,y_px,x_mm,y_mm\n1,2,3,4\n{wrong}\n")).unwrap_err();
            assert!(said.starts_with("`p.csv`, line 3: "), "{said}");
        }
    }
}
