//! The drawings of a calibration report: where points were seen and by how much the fit misses them.

use crate::domain::{PointMm, PointPx, SizePx};
use crate::page::{Markup, html};

use super::coverage::Coverage;

/// Width of a drawing of the picture.
const WIDTH: f64 = 640.0;
/// How long the arrow of an average miss is drawn.
const ARROW: f64 = 12.0;
/// About so many lines each way are drawn on a plane, in so many pieces each.
const LINES: f64 = 10.0;
const LINES_MAX: u32 = 30;
const BENDS: u32 = 16;
/// Height of one bar and its gap.
const BAR: f64 = 16.0;
const BAR_LEFT: f64 = 170.0;
const BAR_MAX: f64 = 380.0;
/// Most characters of a picture's name beside its bar.
const NAME_MAX: usize = 26;

/// The picture's frame, scaled to [`WIDTH`].
struct Sheet {
    scale: f64,
    height: f64,
}

impl Sheet {
    fn of(size: SizePx) -> Self {
        let scale = WIDTH / f64::from(size.width_px.max(1));
        Self {
            scale,
            height: scale * f64::from(size.height_px),
        }
    }

    /// A column or row of the picture on the sheet, to a tenth.
    fn at(&self, place_px: f64) -> String {
        format!("{:.1}", (place_px + 0.5) * self.scale)
    }
}

/// All points over the cells of the picture, with how many each cell has.
pub(super) fn coverage(size: SizePx, points: &[PointPx], cells: &Coverage) -> Markup {
    let sheet = Sheet::of(size);
    html! {
        figure.wide {
            svg viewBox=(format!("0 0 {WIDTH} {:.1}", sheet.height)) role="img" aria-label="where points of the board were seen" {
                rect.axis x="0" y="0" width=(WIDTH) height=(format!("{:.1}", sheet.height)) {}
                @for third in [1.0, 2.0] {
                    @let (x, y) = (WIDTH * third / 3.0, sheet.height * third / 3.0);
                    line.grid x1=(format!("{x:.1}")) x2=(format!("{x:.1}")) y1="0" y2=(format!("{:.1}", sheet.height)) {}
                    line.grid x1="0" x2=(WIDTH) y1=(format!("{y:.1}")) y2=(format!("{y:.1}")) {}
                }
                @for point in points {
                    circle.good cx=(sheet.at(point.x)) cy=(sheet.at(point.y)) r="1.5" {}
                }
                @for (row, counts) in cells.cells.iter().enumerate() {
                    @for (column, count) in counts.iter().enumerate() {
                        text x=(format!("{:.1}", WIDTH * column as f64 / 3.0 + 6.0))
                            y=(format!("{:.1}", sheet.height * row as f64 / 3.0 + 14.0)) { (count) }
                    }
                }
            }
            figcaption { "Every point of the board in the pictures that are used, and how many lie in each ninth." }
        }
    }
}

/// From each point that was found towards where the fit puts it, much enlarged.
pub(super) fn arrows(size: SizePx, misses: &[(PointPx, PointPx)]) -> Markup {
    let sheet = Sheet::of(size);
    let lengths = misses
        .iter()
        .map(|(found, fitted)| (fitted.x - found.x).hypot(fitted.y - found.y));
    let mean_px = lengths.sum::<f64>() / misses.len().max(1) as f64;
    let times = ARROW / (sheet.scale * mean_px.max(1e-6));
    html! {
        figure.wide {
            svg viewBox=(format!("0 0 {WIDTH} {:.1}", sheet.height)) role="img" aria-label="how far the fit misses each point" {
                rect.axis x="0" y="0" width=(WIDTH) height=(format!("{:.1}", sheet.height)) {}
                @for (found, fitted) in misses {
                    @let x = found.x + times * (fitted.x - found.x);
                    @let y = found.y + times * (fitted.y - found.y);
                    line.miss x1=(sheet.at(found.x)) y1=(sheet.at(found.y)) x2=(sheet.at(x)) y2=(sheet.at(y)) {}
                    circle.good cx=(sheet.at(found.x)) cy=(sheet.at(found.y)) r="1.2" {}
                }
            }
            figcaption {
                "From each point found to where the fit puts it, " (format!("{times:.0}")) " times enlarged; the mean is "
                (format!("{mean_px:.3}")) " px. Arrows in all directions are noise; arrows that flow together say that the "
                "model misses something: a bent board, another focus."
            }
        }
    }
}

/// Lines of the plane at round millimetres around the known points, as the camera sees them.
pub(super) fn plane(
    size: SizePx,
    known: &[PointMm],
    px_from_mm: impl Fn(PointMm) -> PointPx,
) -> Markup {
    let sheet = Sheet::of(size);
    let span = |of: fn(&PointMm) -> f64| {
        let values = known.iter().map(of);
        let ends = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if ends.0 <= ends.1 { ends } else { (0.0, 0.0) }
    };
    let (x, y) = (span(|point| point.x), span(|point| point.y));
    let step_mm = round_step((x.1 - x.0).max(y.1 - y.0) / LINES);
    let lines = |(low, high): (f64, f64)| {
        let first = (low / step_mm).floor();
        let values = (0..LINES_MAX).map(move |index| (first + f64::from(index)) * step_mm);
        values.take_while(move |value| *value < high + step_mm)
    };
    let (columns, rows): (Vec<f64>, Vec<f64>) = (lines(x).collect(), lines(y).collect());
    let ends = |all: &[f64]| [all.first(), all.last()].map(|end| end.copied().unwrap_or(0.0));
    let ([left, right], [top, bottom]) = (ends(&columns), ends(&rows));
    let curve = |from: PointMm, to: PointMm| {
        let places = (0..=BENDS).map(|index| {
            let share = f64::from(index) / f64::from(BENDS);
            let seen = px_from_mm(PointMm {
                x: from.x + share * (to.x - from.x),
                y: from.y + share * (to.y - from.y),
            });
            format!("{},{}", sheet.at(seen.x), sheet.at(seen.y))
        });
        places.collect::<Vec<_>>().join(" ")
    };
    html! {
        figure.wide {
            svg viewBox=(format!("0 0 {WIDTH} {:.1}", sheet.height)) role="img" aria-label="the plane as the camera sees it" {
                rect.axis x="0" y="0" width=(WIDTH) height=(format!("{:.1}", sheet.height)) {}
                @for x in &columns {
                    polyline.plane points=(curve(PointMm { x: *x, y: top }, PointMm { x: *x, y: bottom })) {}
                }
                @for y in &rows {
                    polyline.plane points=(curve(PointMm { x: left, y: *y }, PointMm { x: right, y: *y })) {}
                }
                @for point in known {
                    @let seen = px_from_mm(*point);
                    circle.good cx=(sheet.at(seen.x)) cy=(sheet.at(seen.y)) r="1.5" {}
                }
            }
            figcaption {
                "Lines of the plane every " (step_mm) " mm, from (" (left) ", " (top) ") to (" (right) ", " (bottom)
                ") mm, and the known points. Lines that bend follow the lens."
            }
        }
    }
}

/// The next larger of 1, 2 and 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    if least <= 0.0 {
        return 1.0;
    }
    let power = 10.0_f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|step| least <= step * power);
    step.unwrap_or(10.0) * power
}

/// How far the fit misses each view, with the limit beyond which one is suspicious.
pub(super) fn residuals(views: &[(String, f64)]) -> Markup {
    let most = views
        .iter()
        .map(|(_, rms)| *rms)
        .fold(0.0, f64::max)
        .max(1e-9);
    let height = BAR * views.len() as f64 + 4.0;
    html! {
        figure.wide {
            svg viewBox=(format!("0 0 {WIDTH} {height:.1}")) role="img" aria-label="how far the fit misses each view" {
                @for (index, (name, rms_px)) in views.iter().enumerate() {
                    @let y = BAR * index as f64;
                    @let width = BAR_MAX * rms_px / most;
                    text x=(BAR_LEFT - 8.0) y=(format!("{:.1}", y + 11.0)) text-anchor="end" { (short(name)) }
                    rect.good x=(BAR_LEFT) y=(format!("{:.1}", y + 2.0)) width=(format!("{width:.1}")) height=(BAR - 4.0) {}
                    text x=(format!("{:.1}", BAR_LEFT + width + 6.0)) y=(format!("{:.1}", y + 11.0)) { (format!("{rms_px:.3}")) }
                }
            }
            figcaption { "Root of the mean squared miss of each view, in pixels." }
        }
    }
}

fn short(name: &str) -> String {
    if name.chars().count() <= NAME_MAX {
        return name.to_owned();
    }
    let kept: String = name.chars().take(NAME_MAX - 3).collect();
    kept + "..."
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: SizePx = SizePx {
        width_px: 1280,
        height_px: 960,
    };

    #[test]
    fn an_arrow_starts_at_the_point_and_leads_towards_the_fit() {
        let miss = |x, y, dx| (PointPx { x, y }, PointPx { x: x + dx, y });
        let drawn = arrows(SIZE, &[miss(99.5, 199.5, 0.1), miss(599.5, 199.5, -0.3)]).into_string();
        // The mean miss of 0.2 px is drawn 12 long, so 0.1 px is 6 long and 0.3 px is 18.
        assert!(
            drawn.contains("x1=\"50.0\" y1=\"100.0\" x2=\"56.0\" y2=\"100.0\""),
            "{drawn}"
        );
        assert!(
            drawn.contains("x1=\"300.0\" y1=\"100.0\" x2=\"282.0\" y2=\"100.0\""),
            "{drawn}"
        );
    }

    #[test]
    fn a_plane_is_drawn_at_round_millimetres_where_the_camera_sees_them() {
        let known = [(0.0, 0.0), (47.0, 23.0)].map(|(x, y)| PointMm { x, y });
        let seen = |mm: PointMm| PointPx {
            x: 10.0 * mm.x + 99.5,
            y: 10.0 * mm.y + 99.5,
        };
        let drawn = plane(SIZE, &known, seen).into_string();
        assert!(
            drawn.contains("every 5 mm, from (0, 0) to (50, 25) mm"),
            "{drawn}"
        );
        // 11 columns, 6 rows; the first column goes from (50, 50) to 250 px of the picture lower.
        assert_eq!(drawn.matches("<polyline").count(), 17);
        assert!(drawn.contains("points=\"50.0,50.0 ") && drawn.contains(" 50.0,175.0\""));
        for (least, step) in [(0.7, 1.0), (1.0, 1.0), (4.7, 5.0), (6.0, 10.0), (0.0, 1.0)] {
            assert!((round_step(least) - step).abs() < 1e-12, "{least}");
        }
    }

    #[test]
    fn a_perfect_fit_and_no_view_can_be_drawn() {
        let point = PointPx { x: 3.0, y: 4.0 };
        let drawn = arrows(SIZE, &[(point, point)]).into_string() + &residuals(&[]).into_string();
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
    }
}
