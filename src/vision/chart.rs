//! A chart of 24 patches in a picture: the levels of each patch, and why a patch cannot be read.

use std::fmt;

use super::decode::Picture;
use crate::domain::{PixelFormat, PointPx};

/// Patches of a row, rows, and all of them.
const N_COLUMNS: usize = 6;
const N_ROWS: usize = 4;
/// Patches of a chart.
pub const N_PATCHES: usize = N_COLUMNS * N_ROWS;

/// What the patches are called (`McCamy`, Marcus and Davidson 1976), row by row.
const NAMES: [&str; N_PATCHES] = [
    "dark skin",
    "light skin",
    "blue sky",
    "foliage",
    "blue flower",
    "bluish green",
    "orange",
    "purplish blue",
    "moderate red",
    "purple",
    "yellow green",
    "orange yellow",
    "blue",
    "green",
    "red",
    "yellow",
    "magenta",
    "cyan",
    "white",
    "neutral 8",
    "neutral 6.5",
    "neutral 5",
    "neutral 3.5",
    "black",
];

/// How far the part of a patch that is read reaches to each side, as a share of the patches' distance.
const REACH: f64 = 0.2;
/// A read part with a shorter side is too small.
const SIDE_MIN_PX: f64 = 12.0;
/// Most places that are read along a side.
const SIDE_MAX: f64 = 64.0;
/// Parts of a side whose means are compared.
const N_PARTS: usize = 3;

/// From this level on a value is burnt out, and how large a share of a patch may be.
const BURNT: u8 = 254;
const BURNT_SHARE_MAX: f64 = 0.02;
/// A patch whose brightest channel has a lower mean is black.
const LEVEL_MIN: f64 = 2.0;
/// The brightest channel of the brightest patch has at least this mean.
const BRIGHTEST_MIN: f64 = 100.0;
/// How much the parts of a patch may differ, as a share of its level; darker ones are compared as if they had the
/// level after it, or noise would count.
const UNEVEN_SHARE_MAX: f64 = 0.15;
const UNEVEN_LEVEL_MIN: f64 = 40.0;
/// A picture whose channels differ by less in every patch shows no colour.
const COLOUR_MIN: f64 = 8.0;

/// A patch, by its place in the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatchName(pub usize);

impl fmt::Display for PatchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.get(self.0).copied().unwrap_or_default();
        write!(f, "{} ({name})", self.0 + 1)
    }
}

/// Why a picture does not serve as one of the chart.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NoChart {
    /// A camera without colours.
    #[error("it is grey: a colour correction needs a colour camera, set to colour")]
    Grey,
    /// The corners are no corners of a chart.
    #[error(
        "the corners do not lie in the picture one after the other around the chart; give the middles of the patches dark skin, bluish green, black and white, in this order"
    )]
    Corners,
    /// The chart is too small.
    #[error(
        "the middle of a patch is {side_px:.0} px wide, at least {SIDE_MIN_PX:.0} are needed; bring the chart nearer"
    )]
    Small {
        /// The shortest side.
        side_px: f64,
    },
    /// Too little light.
    #[error(
        "its brightest patch has the level {level:.0}, at least {BRIGHTEST_MIN:.0} is needed; expose it longer"
    )]
    Dark {
        /// The level.
        level: f64,
    },
    /// Light is cut off.
    #[error(
        "of patch {patch} {:.0} % are burnt out, at most {:.0} %; expose it shorter", share * 100.0, BURNT_SHARE_MAX * 100.0
    )]
    Burnt {
        /// The patch.
        patch: PatchName,
        /// How much of it.
        share: f64,
    },
    /// Nothing is left of a patch.
    #[error(
        "patch {patch} is black, at the level {level:.1}; expose it longer, or lower the camera's black level"
    )]
    Black {
        /// The patch.
        patch: PatchName,
        /// The mean of its brightest channel.
        level: f64,
    },
    /// Something else is on the patch.
    #[error(
        "patch {patch} differs by {:.0} % within itself, at most {:.0} %; is there glare or a shadow on it, are the corners right?", share * 100.0, UNEVEN_SHARE_MAX * 100.0
    )]
    Uneven {
        /// The patch.
        patch: PatchName,
        /// By how much.
        share: f64,
    },
}

/// What a picture shows of a patch.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    /// Mean levels, red, green and blue, 0 to 255.
    pub levels: [f64; 3],
    /// The part that was read, in the picture.
    pub outline_px: [PointPx; 4],
    burnt_share: f64,
    uneven_share: f64,
}

/// Reads the patches of a chart, row by row; `corners` are the middles of its corner patches: first, last of the
/// first row, last, first of the last row.
///
/// # Errors
/// [`NoChart`] if the picture is grey or the corners cannot be those of a chart. Whether patches can be relied on says
/// [`check_patches`].
pub fn read_chart(picture: &Picture, corners: [PointPx; 4]) -> Result<Vec<Patch>, NoChart> {
    if picture.format == PixelFormat::Gray8 {
        return Err(NoChart::Grey);
    }
    let inside = |point: &PointPx| {
        let within = |at: f64, length: u32| (0.0..f64::from(length)).contains(&at);
        within(point.x, picture.size.width_px) && within(point.y, picture.size.height_px)
    };
    if !corners.iter().all(inside) {
        return Err(NoChart::Corners);
    }
    let chart = Chart::new(corners).ok_or(NoChart::Corners)?;
    let mut patches = Vec::new();
    for row in 0..N_ROWS {
        for column in 0..N_COLUMNS {
            let outline_px = chart.outline(column, row);
            if !outline_px.iter().all(inside) {
                return Err(NoChart::Corners);
            }
            let side_px = shortest_side(&outline_px);
            if side_px < SIDE_MIN_PX {
                return Err(NoChart::Small { side_px });
            }
            patches.push(read_patch(picture, &chart, (column, row), outline_px));
        }
    }
    let has_colour = patches.iter().any(|patch| {
        let [least, most] = extremes(patch.levels.into_iter());
        COLOUR_MIN <= most - least
    });
    if has_colour {
        Ok(patches)
    } else {
        Err(NoChart::Grey)
    }
}

/// Whether every patch can be relied on.
///
/// # Errors
/// [`NoChart`] with the first patch that cannot.
pub fn check_patches(patches: &[Patch]) -> Result<(), NoChart> {
    for (at, patch) in patches.iter().enumerate() {
        let name = PatchName(at);
        if BURNT_SHARE_MAX < patch.burnt_share {
            return Err(NoChart::Burnt {
                patch: name,
                share: patch.burnt_share,
            });
        }
    }
    let brightest = |patch: &Patch| extremes(patch.levels.into_iter())[1];
    let level = patches.iter().map(brightest).fold(0.0, f64::max);
    if level < BRIGHTEST_MIN {
        return Err(NoChart::Dark { level });
    }
    for (at, patch) in patches.iter().enumerate() {
        let (name, level) = (PatchName(at), brightest(patch));
        if level < LEVEL_MIN {
            return Err(NoChart::Black { patch: name, level });
        }
        if UNEVEN_SHARE_MAX < patch.uneven_share {
            return Err(NoChart::Uneven {
                patch: name,
                share: patch.uneven_share,
            });
        }
    }
    Ok(())
}

/// Where the chart's own places lie in a picture: (0, 0) and (1, 1) are two opposite corners.
struct Chart {
    x: [f64; 3],
    y: [f64; 3],
    below: [f64; 2],
}

impl Chart {
    /// The projective map of the unit square onto four points; `None` if they go not once around a chart.
    fn new([p0, p1, p2, p3]: [PointPx; 4]) -> Option<Self> {
        let turn = |a: PointPx, b: PointPx, c: PointPx| {
            (b.x - a.x) * (c.y - b.y) - (b.y - a.y) * (c.x - b.x)
        };
        let turns = [
            turn(p0, p1, p2),
            turn(p1, p2, p3),
            turn(p2, p3, p0),
            turn(p3, p0, p1),
        ];
        let goes_around =
            turns.iter().all(|turn| 1.0 < *turn) || turns.iter().all(|turn| *turn < -1.0);
        if !goes_around {
            return None;
        }
        // Two unknowns are left once three corners are met: the last row of the homography.
        let (right_x, right_y) = (p1.x - p2.x, p1.y - p2.y);
        let (left_x, left_y) = (p3.x - p2.x, p3.y - p2.y);
        let (bent_x, bent_y) = (p0.x - p1.x + p2.x - p3.x, p0.y - p1.y + p2.y - p3.y);
        let area = right_x * left_y - right_y * left_x;
        let g = (bent_x * left_y - bent_y * left_x) / area;
        let h = (right_x * bent_y - right_y * bent_x) / area;
        Some(Self {
            x: [p1.x - p0.x + g * p1.x, p3.x - p0.x + h * p3.x, p0.x],
            y: [p1.y - p0.y + g * p1.y, p3.y - p0.y + h * p3.y, p0.y],
            below: [g, h],
        })
    }

    /// A place of the chart, counted in patches from the middle of the first one.
    fn at(&self, column: f64, row: f64) -> PointPx {
        let (u, v) = (column / (N_COLUMNS - 1) as f64, row / (N_ROWS - 1) as f64);
        let [g, h] = self.below;
        let along =
            |[by_u, by_v, start]: [f64; 3]| (by_u * u + by_v * v + start) / (g * u + h * v + 1.0);
        PointPx {
            x: along(self.x),
            y: along(self.y),
        }
    }

    fn outline(&self, column: usize, row: usize) -> [PointPx; 4] {
        let corners = [
            (-REACH, -REACH),
            (REACH, -REACH),
            (REACH, REACH),
            (-REACH, REACH),
        ];
        corners.map(|(x, y)| self.at(column as f64 + x, row as f64 + y))
    }
}

fn read_patch(
    picture: &Picture,
    chart: &Chart,
    (column, row): (usize, usize),
    outline_px: [PointPx; 4],
) -> Patch {
    let longest = sides(&outline_px).fold(SIDE_MIN_PX, f64::max);
    let n = whole(longest.min(SIDE_MAX));
    let mut parts = [[[0.0; 3]; N_PARTS]; N_PARTS];
    let mut counts = [[0.0; N_PARTS]; N_PARTS];
    let mut n_burnt = 0.0;
    for (down, right) in (0..n).flat_map(|down| (0..n).map(move |right| (down, right))) {
        let share = |at: usize| REACH * (2.0 * (at as f64 + 0.5) / n as f64 - 1.0);
        let point = chart.at(column as f64 + share(right), row as f64 + share(down));
        let Some(rgb) = value(picture, point) else {
            continue;
        };
        let cell = |at: usize| (at * N_PARTS / n).min(N_PARTS - 1);
        let part = parts
            .get_mut(cell(down))
            .and_then(|row| row.get_mut(cell(right)));
        let count = counts
            .get_mut(cell(down))
            .and_then(|row| row.get_mut(cell(right)));
        if let (Some(part), Some(count)) = (part, count) {
            *count += 1.0;
            for (sum, value) in part.iter_mut().zip(rgb) {
                *sum += f64::from(value);
            }
        }
        if rgb.iter().any(|value| BURNT <= *value) {
            n_burnt += 1.0;
        }
    }
    let total: f64 = counts.iter().flatten().sum::<f64>().max(1.0);
    let parts: Vec<([f64; 3], f64)> = parts
        .into_iter()
        .flatten()
        .zip(counts.into_iter().flatten())
        .collect();
    let channel = |at: usize| {
        parts
            .iter()
            .map(move |(sums, count)| (sums.get(at).copied().unwrap_or_default(), *count))
    };
    let levels = [0, 1, 2].map(|at| channel(at).map(|(sum, _)| sum).sum::<f64>() / total);
    let uneven = [0, 1, 2].map(|at| {
        let [least, most] = extremes(channel(at).map(|(sum, count)| sum / count.max(1.0)));
        (most - least)
            / levels
                .get::<usize>(at)
                .copied()
                .unwrap_or_default()
                .max(UNEVEN_LEVEL_MIN)
    });
    Patch {
        levels,
        outline_px,
        burnt_share: n_burnt / total,
        uneven_share: extremes(uneven.into_iter())[1],
    }
}

/// Red, green and blue of the pixel that a point lies in.
fn value(picture: &Picture, point: PointPx) -> Option<[u8; 3]> {
    let (column, row) = (whole(point.x.round()), whole(point.y.round()));
    let width = usize::try_from(picture.size.width_px).ok()?;
    if width <= column {
        return None;
    }
    let start = 3 * (row * width + column);
    let &[first, second, third] = picture.pixels.get(start..start + 3)? else {
        return None;
    };
    match picture.format {
        PixelFormat::Gray8 => None,
        PixelFormat::Rgb8 => Some([first, second, third]),
        PixelFormat::Bgr8 => Some([third, second, first]),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places in a picture, and 0 for what lies before it"
)]
fn whole(value: f64) -> usize {
    value.max(0.0) as usize
}

fn sides(outline: &[PointPx; 4]) -> impl Iterator<Item = f64> {
    let following = outline.iter().skip(1).chain(outline.first());
    outline
        .iter()
        .zip(following)
        .map(|(a, b)| (a.x - b.x).hypot(a.y - b.y))
}

fn shortest_side(outline: &[PointPx; 4]) -> f64 {
    sides(outline).fold(f64::INFINITY, f64::min)
}

fn extremes(values: impl Iterator<Item = f64>) -> [f64; 2] {
    values.fold(
        [f64::INFINITY, f64::NEG_INFINITY],
        |[least, most], value| [least.min(value), most.max(value)],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SizePx;

    const CORNERS: [PointPx; 4] = [
        PointPx { x: 60.0, y: 50.0 },
        PointPx { x: 430.0, y: 70.0 },
        PointPx { x: 410.0, y: 300.0 },
        PointPx { x: 70.0, y: 280.0 },
    ];

    /// Each patch has its own colour; between them is black.
    fn chart() -> Picture {
        let size = SizePx {
            width_px: 480,
            height_px: 360,
        };
        let mut pixels = vec![0; 480 * 360 * 3];
        let chart = Chart::new(CORNERS).unwrap();
        for row in 0..4_u8 {
            for column in 0..6_u8 {
                for (down, right) in (-400..=400)
                    .step_by(5)
                    .flat_map(|d| (-400..=400).step_by(5).map(move |r| (d, r)))
                {
                    let at = |middle: u8, off: i32| f64::from(middle) + f64::from(off) / 1000.0;
                    let point = chart.at(at(column, right), at(row, down));
                    let start = 3 * (whole(point.y.round()) * 480 + whole(point.x.round()));
                    pixels[start..start + 3].copy_from_slice(&colour(column, row));
                }
            }
        }
        Picture {
            size,
            format: PixelFormat::Rgb8,
            pixels,
        }
    }

    fn colour(column: u8, row: u8) -> [u8; 3] {
        [20 + 30 * column, 20 + 50 * row, 128]
    }

    #[test]
    fn each_patch_of_an_askew_chart_has_its_colour() {
        let patches = read_chart(&chart(), CORNERS).unwrap();
        assert_eq!(check_patches(&patches), Ok(()));
        for (at, patch) in patches.iter().enumerate() {
            let at = u8::try_from(at).unwrap();
            let expected = colour(at % 6, at / 6).map(f64::from);
            let off = patch
                .levels
                .iter()
                .zip(expected)
                .map(|(one, other)| (one - other).abs());
            assert!(off.fold(0.0, f64::max) < 1e-9, "{at}: {:?}", patch.levels);
        }
    }

    #[test]
    fn what_is_no_chart_is_told_with_words() {
        let good = chart();
        let said = |picture: &Picture, corners| {
            let read = read_chart(picture, corners);
            let checked = read.and_then(|patches| check_patches(&patches));
            checked.map_or_else(|why| why.to_string(), |()| "nothing".to_owned())
        };
        let with = |change: &dyn Fn(usize, usize, &mut [u8])| {
            let mut picture = good.clone();
            for (at, pixel) in picture.pixels.chunks_exact_mut(3).enumerate() {
                change(at % 480, at / 480, pixel);
            }
            picture
        };
        assert_eq!(said(&good, CORNERS), "nothing");
        let [a, b, c, d] = CORNERS;
        insta::assert_snapshot!(said(&good, [a, c, b, d]), @"the corners do not lie in the picture one after the other around the chart; give the middles of the patches dark skin, bluish green, black and white, in this order");
        assert!(
            said(&good, [PointPx { x: 3.0, y: 50.0 }, b, c, d]).starts_with("the corners do not")
        );
        assert!(
            said(
                &good,
                [
                    PointPx {
                        x: f64::NAN,
                        y: 50.0
                    },
                    b,
                    c,
                    d
                ]
            )
            .starts_with("the corners do not")
        );
        let near = CORNERS.map(|at| PointPx {
            x: 200.0 + at.x / 10.0,
            y: 150.0 + at.y / 10.0,
        });
        insta::assert_snapshot!(said(&good, near), @"the middle of a patch is 3 px wide, at least 12 are needed; bring the chart nearer");
        insta::assert_snapshot!(said(&with(&|_, _, pixel| pixel.fill(pixel[1])), CORNERS), @"it is grey: a colour correction needs a colour camera, set to colour");
        insta::assert_snapshot!(said(&with(&|_, _, pixel| pixel.iter_mut().for_each(|v| *v /= 3)), CORNERS), @"its brightest patch has the level 56, at least 100 is needed; expose it longer");
        // The first patch lies around (60, 50), the last around (410, 300).
        let glare = |x: usize, y: usize, pixel: &mut [u8]| {
            if x < 64 && y < 90 {
                for value in pixel {
                    *value += 60;
                }
            }
        };
        insta::assert_snapshot!(said(&with(&glare), CORNERS), @"patch 1 (dark skin) differs by 105 % within itself, at most 15 %; is there glare or a shadow on it, are the corners right?");
        let burnt = |x: usize, y: usize, pixel: &mut [u8]| {
            if 380 < x && 270 < y {
                pixel[0] = 255;
            }
        };
        insta::assert_snapshot!(said(&with(&burnt), CORNERS), @"of patch 24 (black) 100 % are burnt out, at most 2 %; expose it shorter");
        let black = |x: usize, y: usize, pixel: &mut [u8]| {
            if x < 100 && y < 90 {
                pixel.fill(0);
            }
        };
        insta::assert_snapshot!(said(&with(&black), CORNERS), @"patch 1 (dark skin) is black, at the level 0.0; expose it longer, or lower the camera's black level");
    }
}
