//! How a view's image is judged fit and prepared for its model.

/// One preparation step; the order in the recipe does not matter, each knows its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// Takes the lens distortion out, with the camera's calibration.
    Undistort,
    /// Divides by the calibration's flat-field image, so that the light is even.
    FlatField,
    /// Turns the camera's colours into those of sRGB, with the camera's calibration.
    Colour,
    /// Contrast-limited adaptive histogram equalisation (Zuiderveld 1994) on the brightness.
    Clahe {
        /// Contrast limit, 1 to 40.
        clip_limit: f64,
        /// Tiles in each direction, 1 to 64.
        tiles: u32,
    },
    /// Samples undistort, crop and resize in one bilinear map: an order of magnitude faster than one
    /// after the other, but without area averaging, so defects of a pixel or two may be missed.
    OneMap,
}

/// When an image is fit to be judged. All fractions are of the view's region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitnessLimits {
    /// Darker than this on average (0 to 255) is too dark.
    pub mean_min: f64,
    /// Brighter than this on average (0 to 255) is too bright.
    pub mean_max: f64,
    /// Share of pixels at 250 or above that may be burnt out, 0 to 1.
    pub burnt_fraction_max: f64,
    /// Least standard deviation of grey levels; below, the picture is empty.
    pub contrast_min: f64,
    /// Least variance of the Laplacian on the half-size image; below, it is blurred.
    pub sharpness_min: f64,
    /// Whether a frame that equals the one before, pixel by pixel, is refused: a frozen camera.
    pub refuse_duplicate: bool,
}
