//! The colours of a camera, from pictures of a chart of 24 patches.

mod cie;
mod fit;
mod page;
mod reference;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

pub use reference::Reference;

use crate::calibration::{Colour, ColourFigures, Curve, Difference, Draft, GAIN_MAX};
use crate::domain::PointPx;
use crate::source::read_picture;
use crate::vision::{FlatField, N_PATCHES, NoChart, Patch, Picture, check_patches, read_chart};

use super::error::CalibrateError;
use super::views::pictures_of;
use fit::{Fit, fit};

/// A larger mean difference (CIEDE2000), fitted or held out, is no chart's: something is wrong.
const MEAN_MAX: f64 = 8.0;
/// By how much the mean level of a picture may differ from that of the first.
const UNSTEADY_SHARE_MAX: f64 = 0.05;

/// The orders in which four corners can be given, as places in the order that was.
const ORDERS: [[usize; 4]; 8] = [
    [0, 1, 2, 3],
    [1, 2, 3, 0],
    [2, 3, 0, 1],
    [3, 0, 1, 2],
    [1, 0, 3, 2],
    [0, 3, 2, 1],
    [3, 2, 1, 0],
    [2, 1, 0, 3],
];

/// How the chart is to be read.
#[derive(Debug, Clone)]
pub struct ChartSetting {
    /// The middles of the corner patches: dark skin, bluish green, black, white.
    pub corners: [PointPx; 4],
    /// What colours it has.
    pub reference: Reference,
    /// How the camera's values follow the light.
    pub curve: Curve,
}

/// Colours, and how good they are.
#[derive(Debug)]
pub struct ColourStudy {
    /// The whole calibration.
    pub draft: Draft,
    /// The colours in it.
    pub colour: Colour,
    /// What the fit said of itself; it stands in the calibration.
    pub figures: ColourFigures,
    levels: Vec<[f64; 3]>,
    patches: Vec<Patch>,
    fit: Fit,
    reference: Reference,
    // The first one, with the flat field.
    picture: Picture,
}

/// What is known of one patch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PatchFigures {
    /// Red, green and blue as seen, 0 to 255.
    pub levels: [f64; 3],
    /// CIEDE2000 as seen.
    pub before: f64,
    /// Corrected.
    pub after: f64,
    /// Corrected by a matrix that was fitted without it.
    pub held_out: f64,
}

impl ColourStudy {
    /// The patches, row by row.
    pub fn patches(&self) -> impl Iterator<Item = PatchFigures> {
        let fit = &self.fit;
        let differences = fit.before.iter().zip(&fit.after).zip(&fit.held_out);
        self.levels
            .iter()
            .zip(differences)
            .map(|(levels, ((before, after), held_out))| PatchFigures {
                levels: *levels,
                before: *before,
                after: *after,
                held_out: *held_out,
            })
    }
}

/// Adds the camera's colours to a calibration; `flat_field` is that of the calibration, and `step` is told of each
/// picture.
///
/// # Errors
/// [`CalibrateError`] if the calibration is out of date or for another size, if a picture does not show the chart as
/// it should, or if no matrix explains what is seen.
pub fn add_colour(
    draft: Draft,
    pictures: &Path,
    flat_field: Option<&FlatField>,
    setting: &ChartSetting,
    now: Timestamp,
    step: &dyn Fn(),
) -> Result<ColourStudy, CalibrateError> {
    draft.check_date(now)?;
    let paths = if pictures.is_file() {
        vec![pictures.to_owned()]
    } else {
        pictures_of(&draft.camera, pictures)?
    };
    let mut seen = Vec::new();
    for path in &paths {
        let mut picture = read_picture(&draft.camera, path)?;
        draft.check_size(picture.size)?;
        if let Some(flat_field) = flat_field {
            picture = flat_field.even(&picture)?;
        }
        let patches = patches_of(&picture, path, setting)?;
        seen.push((picture, patches));
        step();
    }
    let levels = mean_levels(&paths, &seen)?;
    let (picture, patches) = seen
        .into_iter()
        .next()
        .ok_or_else(|| CalibrateError::NoPicture {
            folder: pictures.to_owned(),
        })?;
    let lab = &setting.reference.lab;
    let fit = fit(setting.curve, &levels, lab).ok_or(CalibrateError::NoColours)?;
    let figures = ColourFigures {
        reference: setting.reference.name.clone(),
        n_pictures: u32::try_from(paths.len()).unwrap_or(u32::MAX),
        before: Difference::of(&fit.before),
        after: Difference::of(&fit.after),
        held_out: Difference::of(&fit.held_out),
    };
    // Written so that NaN is refused.
    let is_good = [figures.after.mean, figures.held_out.mean]
        .iter()
        .all(|mean| *mean <= MEAN_MAX)
        && fit
            .srgb_from_camera
            .iter()
            .flatten()
            .all(|value| value.abs() <= GAIN_MAX);
    if !is_good {
        let mean = figures.after.mean.max(figures.held_out.mean);
        return Err(off_chart(setting, &levels, mean));
    }
    let colour = Colour {
        figures: Some(figures.clone()),
        ..fit.colour(setting.curve)
    };
    Ok(ColourStudy {
        draft: Draft {
            made_at_utc: now,
            colour: Some(colour.clone()),
            ..draft
        },
        colour,
        figures,
        levels,
        patches,
        fit,
        reference: setting.reference.clone(),
        picture,
    })
}

/// The patches of a picture, if they can be relied on and lie in the order that was said.
fn patches_of(
    picture: &Picture,
    path: &Path,
    setting: &ChartSetting,
) -> Result<Vec<Patch>, CalibrateError> {
    let no_chart = |why: NoChart| CalibrateError::NoChart {
        picture: path.to_owned(),
        why,
    };
    let patches = read_chart(picture, setting.corners).map_err(no_chart)?;
    // Before single patches: a chart that is turned has edges where patches are looked for.
    check_order(picture, path, setting)?;
    check_patches(&patches).map_err(no_chart)?;
    Ok(patches)
}

/// Whether the colours fit best in the order in which the corners were given.
fn check_order(
    picture: &Picture,
    path: &Path,
    setting: &ChartSetting,
) -> Result<(), CalibrateError> {
    let off = |corners: [PointPx; 4]| {
        let patches = read_chart(picture, corners).ok()?;
        let levels: Vec<_> = patches.iter().map(|patch| patch.levels).collect();
        fit(setting.curve, &levels, &setting.reference.lab).map(|fit| fit.mean())
    };
    let orders = ORDERS.map(|order| {
        let corners = order.map(|at| {
            setting
                .corners
                .get(at)
                .copied()
                .unwrap_or(PointPx { x: 0.0, y: 0.0 })
        });
        (corners, off(corners).unwrap_or(f64::INFINITY))
    });
    let [(_, given), ..] = orders;
    let best = orders
        .into_iter()
        .min_by(|(_, one), (_, other)| one.total_cmp(other));
    match best {
        Some((corners, off)) if off < given && off <= MEAN_MAX => Err(CalibrateError::Turned {
            picture: path.to_owned(),
            given,
            off,
            corners: corners.map(|at| format!("{},{}", at.x, at.y)).join(" "),
        }),
        _ => Ok(()),
    }
}

/// Each patch's levels over all pictures, which must have been lit alike.
fn mean_levels(
    paths: &[PathBuf],
    seen: &[(Picture, Vec<Patch>)],
) -> Result<Vec<[f64; 3]>, CalibrateError> {
    let brightness = |patches: &[Patch]| patches.iter().flat_map(|patch| patch.levels).sum::<f64>();
    let first = seen.first().map_or(0.0, |(_, patches)| brightness(patches));
    for (path, (_, patches)) in paths.iter().zip(seen) {
        let share = (brightness(patches) / first - 1.0).abs();
        if UNSTEADY_SHARE_MAX < share {
            return Err(CalibrateError::Unsteady {
                picture: path.clone(),
                share,
                max: UNSTEADY_SHARE_MAX,
            });
        }
    }
    let n = seen.len().max(1) as f64;
    let mut levels = vec![[0.0; 3]; N_PATCHES];
    for (_, patches) in seen {
        for (sums, patch) in levels.iter_mut().zip(patches) {
            for (sum, level) in sums.iter_mut().zip(patch.levels) {
                *sum += level / n;
            }
        }
    }
    Ok(levels)
}

/// Why no matrix brings the patches near enough: another curve may.
fn off_chart(setting: &ChartSetting, levels: &[[f64; 3]], mean: f64) -> CalibrateError {
    let others = Curve::ALL
        .into_iter()
        .filter(|curve| *curve != setting.curve);
    let means = others.filter_map(|curve| {
        let fit = fit(curve, levels, &setting.reference.lab)?;
        Some((curve, Difference::of(&fit.held_out).mean))
    });
    match means.into_iter().find(|(_, mean)| *mean <= MEAN_MAX) {
        Some((curve, off)) => CalibrateError::OtherCurve {
            mean,
            max: MEAN_MAX,
            curve,
            off,
        },
        None => CalibrateError::OffChart {
            mean,
            max: MEAN_MAX,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_of_corners_is_tried_once_and_goes_around_the_chart() {
        let mut orders = ORDERS.to_vec();
        orders.sort_unstable();
        orders.dedup();
        assert_eq!(orders.len(), 8);
        for order in ORDERS {
            let steps: Vec<_> = (0..4)
                .map(|at| (4 + order[(at + 1) % 4] - order[at]) % 4)
                .collect();
            assert!(steps == [1; 4] || steps == [3; 4], "{order:?}");
        }
    }
}
