//! What can go wrong with pixels, and what to do about it.

use crate::domain::{FrameError, Placement, RectPx, SizePx};

/// Why pixels could not be worked on.
#[derive(Debug, thiserror::Error)]
pub enum VisionError {
    /// Pixels that do not fill their size.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The frame is not as large as the view was set up for.
    #[error(
        "the frame has {} x {} px, but the view was set up for {} x {} px; set the camera's size back, or the recipe's and calibration's",
        found.width_px, found.height_px, expected.width_px, expected.height_px
    )]
    WrongSize {
        /// The frame's size.
        found: SizePx,
        /// The size that was set up.
        expected: SizePx,
    },
    /// The view's region is empty or reaches over the frame's edge.
    #[error(
        "the region {} x {} px at ({}, {}) does not lie in the frame of {} x {} px; correct the recipe's region",
        region.width, region.height, region.x, region.y, size.width_px, size.height_px
    )]
    RegionOutside {
        /// The region.
        region: RectPx,
        /// The frame's size.
        size: SizePx,
    },
    /// A part of the undistorted region is not in the camera's picture.
    #[error(
        "the undistorted region reaches {over_px:.0} px beyond what the camera sees; make the recipe's region smaller"
    )]
    RegionUnseen {
        /// How far over the edge of the frame it reaches.
        over_px: f64,
    },
    /// The part lies so that the camera does not see all of its region.
    #[error(
        "the part lies so that {over_px:.0} px of its region are beyond what the camera sees; see how parts are placed, or make the region smaller"
    )]
    PartUnseen {
        /// How far over the edge of the frame it reaches.
        over_px: f64,
    },
    /// The marks of the reference picture are not in the frame.
    #[error(
        "{n_met} of {n_marks} marks of the reference picture were met, alike by {score:.2} (at least {score_min}); is it another part, or does it lie far off?"
    )]
    NotFound {
        /// Marks that agree on a placement.
        n_met: usize,
        /// All marks.
        n_marks: usize,
        /// How alike they are.
        score: f64,
        /// How alike they must be.
        score_min: f64,
    },
    /// The part lies farther off than the recipe allows.
    #[error(
        "the part lies {:.1} mm off and is turned by {:.1} degrees, at most {shift_max_mm} mm and {turn_max_deg} degrees are allowed; see how parts are placed",
        placement.shift_mm(), (placement.turn_deg * 10.0).round() / 10.0 + 0.0
    )]
    TooFar {
        /// How it lies.
        placement: Placement,
        /// The recipe's limit.
        shift_max_mm: f64,
        /// The recipe's limit.
        turn_max_deg: f64,
    },
    /// The reference picture has nothing to find a part by.
    #[error(
        "the reference picture shows fewer than two places by which a part could be found again; name some in `marks_px`"
    )]
    NoMarks,
    /// A mark is not in the reference picture.
    #[error(
        "the mark of {} x {} px at ({}, {}) does not lie in the reference picture of {} x {} px; correct `marks_px`",
        mark.width, mark.height, mark.x, mark.y, size.width_px, size.height_px
    )]
    MarkOutside {
        /// The mark.
        mark: RectPx,
        /// The picture's size.
        size: SizePx,
    },
    /// A mark shows nothing.
    #[error(
        "the mark at ({}, {}) is plain: its grey levels scatter by {contrast:.1}, at least {contrast_min} is needed; name another place in `marks_px`",
        mark.x, mark.y
    )]
    MarkPlain {
        /// The mark.
        mark: RectPx,
        /// The standard deviation of its grey levels.
        contrast: f64,
        /// The least one.
        contrast_min: f64,
    },
    /// A step needs the lens and there is none.
    #[error(
        "step `undistort` needs the camera's lens; calibrate the camera, or take the step out of the recipe"
    )]
    NoLens,
    /// A step needs the flat-field picture and there is none.
    #[error(
        "step `flat_field` needs a flat-field picture; take one of an evenly lit white sheet, or take the step out of the recipe"
    )]
    NoFlatField,
    /// The flat-field picture was taken at another size.
    #[error(
        "the flat-field picture has {} x {} px, but the frames have {} x {} px; take it anew with the camera's present settings",
        found.width_px, found.height_px, expected.width_px, expected.height_px
    )]
    FlatFieldSize {
        /// The picture's size.
        found: SizePx,
        /// The frames' size.
        expected: SizePx,
    },
    /// The flat-field picture is too dark to even the light with.
    #[error(
        "the flat-field picture has a mean of {mean:.1}, at least {mean_min} is needed; expose it longer"
    )]
    FlatFieldDark {
        /// Its mean grey level.
        mean: f64,
        /// The least mean.
        mean_min: f64,
    },
    /// A step needs the camera's colours and there are none.
    #[error(
        "step `colour` needs the camera's colours; `taktgate calibrate colour` measures them, or take the step out of the recipe"
    )]
    NoColour,
    /// A step for colours, and a model that sees none.
    #[error(
        "step `colour` is for models that see colours, and this one's input has a single channel; take the step out of the recipe"
    )]
    ColourForGrey,
    /// A step for colours, and a picture that has none.
    #[error(
        "step `colour` needs colours and the frame is grey; set the camera to colour, or take the step out of the recipe"
    )]
    ColourOfGrey,
    /// A step's number is out of range.
    #[error("step `{step}`: `{key} = {value}` is out of range; write {range}")]
    StepRange {
        /// The step.
        step: &'static str,
        /// The key.
        key: &'static str,
        /// What was written.
        value: f64,
        /// What may be written.
        range: &'static str,
    },
    /// The model's input is described in a way that cannot be fed.
    #[error("the model package's input is not usable: {what}; correct its manifest")]
    Input {
        /// What is wrong.
        what: String,
    },
    /// The tensor has not the model's number of values.
    #[error("the tensor has {found} values, but the model's input has {expected}")]
    TensorLength {
        /// Values of the tensor.
        found: usize,
        /// Values of the input.
        expected: usize,
    },
    /// A map has values that are no numbers.
    #[error("the map has {n_cells} values that are not finite; the model is broken or badly fed")]
    NotFinite {
        /// How many.
        n_cells: usize,
    },
    /// A map falls apart into more regions than can be judged.
    #[error(
        "the map has {found} regions, more than {max}; raise the pixel threshold or the least area"
    )]
    TooManyRegions {
        /// How many there are.
        found: usize,
        /// How many are allowed.
        max: usize,
    },
    /// The points of a board do not settle what was to be fitted.
    #[error(
        "the board's points do not settle the lens; take more pictures, with the board tilted and in all parts of the picture"
    )]
    NoFit,
    /// Points that settle no plane.
    #[error(
        "the points do not settle a plane; give at least 4 that are spread over the picture, not on one line"
    )]
    NoPlane,
    /// A picture file could not be written.
    #[error("the frame could not be written as {format}")]
    Encode {
        /// The file format.
        format: &'static str,
        /// What the encoder says.
        #[source]
        source: image::ImageError,
    },
    /// A video or stream could not be opened.
    #[error(
        "`{origin}` could not be opened as a video; does it exist, are a stream's address and password right?"
    )]
    NotAVideo {
        /// The path or address, without password.
        origin: String,
    },
    /// OpenCV refused something.
    #[error("OpenCV could not {doing}")]
    OpenCv {
        /// What was tried.
        doing: &'static str,
        /// What OpenCV says.
        #[source]
        source: opencv::Error,
    },
}

impl VisionError {
    /// Whether the part is not where the recipe expects it.
    pub fn is_misplaced(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. } | Self::TooFar { .. } | Self::PartUnseen { .. }
        )
    }

    /// For `map_err`: names what was tried.
    pub(super) fn opencv(doing: &'static str) -> impl FnOnce(opencv::Error) -> Self {
        move |source| Self::OpenCv { doing, source }
    }
}
