//! A board before a live camera: which looks are kept as views, and what is still missing for a lens.

use std::path::PathBuf;

use crate::calibration::Board;
use crate::domain::{PointPx, SizePx};
use crate::vision::{Picture, find_board};

use super::error::CalibrateError;
use super::lens::{LensStudy, TILT_GOOD_DEG, VIEWS_RECOMMENDED, study_views};
use super::views::{Rejected, SAME_POSE_SHARE, View, apart};

/// A board whose points move by less than this share of the picture's width from one look to the next lies still.
const STILL_SHARE: f64 = 0.002;

/// Whether a picture is the camera's own of this moment, or was taken up from a folder.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Now,
    Before,
}

/// What was taken so far, judged anew with each view.
pub struct LensGuide {
    board: Board,
    size: Option<SizePx>,
    /// The board in the look before.
    before: Option<Vec<PointPx>>,
    views: Vec<View>,
    study: Option<LensStudy>,
}

impl LensGuide {
    /// Nothing taken yet.
    pub fn new(board: Board) -> Self {
        Self {
            board,
            size: None,
            before: None,
            views: Vec::new(),
            study: None,
        }
    }

    /// Looks at a picture of the live camera; it is a view if the board lies still in a new pose, or the reason says
    /// why not. `path` is where the picture goes if it is one.
    ///
    /// # Errors
    /// [`CalibrateError`] if OpenCV refuses the picture.
    pub fn look(
        &mut self,
        path: PathBuf,
        picture: &Picture,
    ) -> Result<Result<(), Rejected>, CalibrateError> {
        self.consider(path, picture, Shown::Now)
    }

    /// Takes up a picture that is there already.
    ///
    /// # Errors
    /// [`CalibrateError`] if OpenCV refuses the picture.
    pub fn keep(
        &mut self,
        path: PathBuf,
        picture: &Picture,
    ) -> Result<Result<(), Rejected>, CalibrateError> {
        self.consider(path, picture, Shown::Before)
    }

    fn consider(
        &mut self,
        path: PathBuf,
        picture: &Picture,
        shown: Shown,
    ) -> Result<Result<(), Rejected>, CalibrateError> {
        let (found, usual) = (picture.size, *self.size.get_or_insert(picture.size));
        if found != usual {
            return Ok(Err(Rejected::WrongSize { found, usual }));
        }
        let before = self.before.take();
        let sighting = match find_board(picture, &self.board)? {
            Ok(sighting) => sighting,
            Err(why) => return Ok(Err(why.into())),
        };
        let width_px = f64::from(usual.width_px);
        let is_near =
            |points: &[PointPx], share: f64| apart(points, &sighting.points) < share * width_px;
        let lies_still = before.is_some_and(|points| is_near(&points, STILL_SHARE));
        self.before = Some(sighting.points.clone());
        let same = self.views.iter().find(|view| {
            let seen = view.seen.as_ref();
            seen.is_ok_and(|seen| is_near(&seen.points, SAME_POSE_SHARE))
        });
        if let Some(same) = same {
            return Ok(Err(Rejected::SamePose { name: same.name() }));
        }
        if shown == Shown::Now && !lies_still {
            return Ok(Err(Rejected::Moving));
        }
        let seen = Ok(sighting);
        self.views.push(View { path, seen });
        self.study = Some(study_views(self.board, usual, self.views.clone())?);
        Ok(Ok(()))
    }

    /// How many views there are.
    pub fn n_views(&self) -> usize {
        self.views.len()
    }

    /// What to do with the board next, the first thing first; nothing is missing when this is empty.
    pub fn missing(&self) -> Vec<String> {
        let Some(study) = &self.study else {
            return vec!["hold the board still in the middle of the picture".to_owned()];
        };
        let empty = study.coverage.empty().into_iter();
        let places = empty.map(|cell| format!("bring the board to the {cell} of the picture"));
        let mut missing: Vec<String> = places.collect();
        let sides = sides_missing(study).into_iter();
        missing.extend(sides.map(|side| {
            format!("tilt the board by 20 to 40 degrees, its {side} side nearer to the camera")
        }));
        let n_used = study.n_used();
        if n_used < VIEWS_RECOMMENDED {
            let n_more = VIEWS_RECOMMENDED - n_used;
            missing.push(format!("{n_more} more, each in another pose"));
        }
        if missing.is_empty() {
            missing.extend(study.refusals.iter().chain(&study.guidance).cloned());
        }
        missing
    }
}

/// The sides that were never tilted towards the camera; nobody can tell before there is a lens.
fn sides_missing(study: &LensStudy) -> Vec<&'static str> {
    let Some(fit) = &study.fit else {
        return Vec::new();
    };
    let leans =
        |is_so: &dyn Fn([f64; 2]) -> bool| fit.views.iter().any(|view| is_so(view.nearer_deg));
    let sides = [
        ("left", leans(&|[right, _]| right <= -TILT_GOOD_DEG)),
        ("right", leans(&|[right, _]| TILT_GOOD_DEG <= right)),
        ("upper", leans(&|[_, down]| down <= -TILT_GOOD_DEG)),
        ("lower", leans(&|[_, down]| TILT_GOOD_DEG <= down)),
    ];
    let missing = sides.into_iter().filter(|(_, was_seen)| !was_seen);
    missing.map(|(side, _)| side).collect()
}
