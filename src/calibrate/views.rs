//! Pictures of a board: which of them help to find the lens, and why the others do not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::calibration::Board;
use crate::domain::{PointPx, SizePx};
use crate::source::{SourceError, pictures_below, read_picture};
use crate::vision::{NoBoard, Sighting, find_board};

use super::error::CalibrateError;

/// Most pictures that are looked at.
const PICTURES_MAX: usize = 200;

/// Two views whose points differ by less than this share of the picture's width say the same.
pub(super) const SAME_POSE_SHARE: f64 = 0.01;

/// One picture of the board.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// The file.
    pub path: PathBuf,
    /// The board in it, or why it is not used.
    pub seen: Result<Sighting, Rejected>,
}

/// Why a picture is not used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Rejected {
    /// No whole picture.
    #[error("{0}")]
    Unreadable(String),
    /// Another size than most.
    #[error(
        "{} x {} px, but most pictures have {} x {} px; one camera setting gives one size",
        found.width_px, found.height_px, usual.width_px, usual.height_px
    )]
    WrongSize {
        /// Its size.
        found: SizePx,
        /// The size of most.
        usual: SizePx,
    },
    /// The board is not there as it should be.
    #[error(transparent)]
    NoBoard(#[from] NoBoard),
    /// It shows what another one shows.
    #[error("the same pose as `{name}`; move or tilt the board between pictures")]
    SamePose {
        /// The other picture.
        name: String,
    },
    /// A live camera saw it elsewhere, or not at all, the look before.
    #[error("the board is there; hold it still")]
    Moving,
    /// The fit of the others does not explain it.
    #[error(
        "its points miss the lens of the other pictures by {rms_px:.2} px, usual are {usual_px:.2}; did the board move, is it bent?"
    )]
    Outlier {
        /// Root of the mean squared distance.
        rms_px: f64,
        /// The median of all views.
        usual_px: f64,
    },
}

impl View {
    /// The file's name.
    pub fn name(&self) -> String {
        name_of(&self.path)
    }
}

pub(super) fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// The pictures of a folder, or what is wrong with the folder.
pub(super) fn pictures_of(camera: &str, folder: &Path) -> Result<Vec<PathBuf>, CalibrateError> {
    let pictures = pictures_below(camera, folder)?;
    if pictures.is_empty() {
        let folder = folder.to_owned();
        return Err(CalibrateError::NoPicture { folder });
    }
    if PICTURES_MAX < pictures.len() {
        return Err(CalibrateError::TooMany {
            n_pictures: pictures.len(),
            n_max: PICTURES_MAX,
        });
    }
    Ok(pictures)
}

/// Looks for the board in every picture of a folder; `step` is told of each. The size is that of most pictures.
pub(super) fn look(
    camera: &str,
    folder: &Path,
    board: &Board,
    step: &dyn Fn(),
) -> Result<(SizePx, Vec<View>), CalibrateError> {
    let pictures = pictures_of(camera, folder)?;
    let mut views = Vec::new();
    let mut sizes = Vec::new();
    for path in pictures {
        let (size, seen) = match read_picture(camera, &path) {
            Ok(picture) => {
                let seen = find_board(&picture, board)?.map_err(Rejected::from);
                (Some(picture.size), seen)
            }
            Err(error) => (None, Err(Rejected::Unreadable(said(&error)))),
        };
        sizes.push(size);
        views.push(View { path, seen });
        step();
    }
    let usual = most_common(&sizes).ok_or(CalibrateError::NoPicture {
        folder: folder.to_owned(),
    })?;
    for (view, size) in views.iter_mut().zip(sizes) {
        if let Some(found) = size.filter(|found| *found != usual) {
            view.seen = Err(Rejected::WrongSize { found, usual });
        }
    }
    reject_repeated(&mut views, SAME_POSE_SHARE * f64::from(usual.width_px));
    Ok((usual, views))
}

fn said(error: &SourceError) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), ToString::to_string)
}

/// The size that comes most often; the larger one of two that come equally often.
fn most_common(sizes: &[Option<SizePx>]) -> Option<SizePx> {
    let mut counts = BTreeMap::<(u32, u32), usize>::new();
    for size in sizes.iter().flatten() {
        *counts.entry((size.width_px, size.height_px)).or_default() += 1;
    }
    let most = counts
        .into_iter()
        .max_by_key(|(size, count)| (*count, *size));
    most.map(|((width_px, height_px), _)| SizePx {
        width_px,
        height_px,
    })
}

/// Keeps the first of views that show the board in the same place.
fn reject_repeated(views: &mut [View], nearest_px: f64) {
    let mut kept: Vec<(String, Vec<PointPx>)> = Vec::new();
    for view in views {
        let Ok(sighting) = &view.seen else { continue };
        let same = kept
            .iter()
            .find(|(_, points)| apart(points, &sighting.points) < nearest_px);
        match same {
            Some((name, _)) => view.seen = Err(Rejected::SamePose { name: name.clone() }),
            None => kept.push((view.name(), sighting.points.clone())),
        }
    }
}

/// The mean distance of points of the same number.
pub(super) fn apart(one: &[PointPx], other: &[PointPx]) -> f64 {
    let distances = one
        .iter()
        .zip(other)
        .map(|(a, b)| (a.x - b.x).hypot(a.y - b.y));
    distances.sum::<f64>() / one.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(name: &str, right: f64) -> View {
        let points = (0..9).map(|i| PointPx {
            x: f64::from(i % 3) * 20.0 + right,
            y: f64::from(i / 3) * 20.0,
        });
        View {
            path: PathBuf::from(name),
            seen: Ok(Sighting {
                points: points.collect(),
                rise_px: None,
            }),
        }
    }

    #[test]
    fn a_pose_counts_once() {
        let mut views = vec![
            view("a", 0.0),
            view("b", 4.0),
            view("c", 7.0),
            view("d", 7.5),
        ];
        reject_repeated(&mut views, 5.0);
        let rejected = |name: &str| {
            Err(Rejected::SamePose {
                name: name.to_owned(),
            })
        };
        assert!(views[0].seen.is_ok() && views[2].seen.is_ok());
        assert_eq!(views[1].seen, rejected("a"));
        assert_eq!(views[3].seen, rejected("c"));
    }

    #[test]
    fn the_usual_size_is_that_of_most_pictures() {
        let size = |width_px| {
            Some(SizePx {
                width_px,
                height_px: 480,
            })
        };
        assert_eq!(
            most_common(&[size(640), None, size(320), size(640)]),
            size(640)
        );
        assert_eq!(most_common(&[None]), None);
    }
}
