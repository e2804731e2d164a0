//! The picture of a recipe: its zones, its region and its marks over the reference picture.

use super::VisionError;
use super::canvas::{AMBER, Canvas, GREY, WHITE};
use super::decode::Picture;
use crate::domain::{Frame, PointPx, RectPx};

/// Colours of zones, one after the other: of Okabe and Ito's palette, which the colour-blind can tell
/// apart. Blue, green, red.
const ZONES: [[f64; 3]; 5] = [
    [178.0, 114.0, 0.0],
    [115.0, 158.0, 0.0],
    [167.0, 121.0, 204.0],
    [233.0, 180.0, 86.0],
    [0.0, 94.0, 213.0],
];

/// What a place of a recipe is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceKind {
    /// What the model sees.
    Region,
    /// Where limits hold.
    Zone,
    /// By what a part is found.
    Mark,
    /// Where the part's code is looked for.
    Code,
}

/// A place to draw.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// What it is.
    pub kind: PlaceKind,
    /// Its name.
    pub label: String,
    /// Its outline in pixels of the picture, closed.
    pub outline_px: Vec<PointPx>,
}

/// Draws places over a picture: the region white, marks and code amber, each zone in a colour of its own.
///
/// # Errors
/// [`VisionError::OpenCv`] if OpenCV refuses.
pub fn draw_places(frame: &Frame, places: &[Place], banner: &str) -> Result<Picture, VisionError> {
    drawn(frame, places, banner).map_err(VisionError::opencv("draw the recipe"))
}

fn drawn(frame: &Frame, places: &[Place], banner: &str) -> opencv::Result<Picture> {
    let mut canvas = Canvas::new(frame)?;
    canvas.strip(banner, GREY)?;
    let mut colours = ZONES.iter().cycle();
    let mut ink = |kind| match kind {
        PlaceKind::Region => WHITE,
        PlaceKind::Mark | PlaceKind::Code => AMBER,
        PlaceKind::Zone => colours.next().copied().unwrap_or(GREY),
    };
    let inked: Vec<_> = places
        .iter()
        .map(|place| (place, ink(place.kind)))
        .collect();
    for (place, ink) in &inked {
        canvas.outline(&place.outline_px, *ink)?;
    }
    for (place, ink) in &inked {
        if let Some(around) = RectPx::around(&place.outline_px) {
            canvas.label(&place.label, around, *ink)?;
        }
    }
    canvas.picture()
}
