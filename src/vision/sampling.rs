//! From the frame to the model's window: undistort, crop and resize, and the way back.

use opencv::core::{BORDER_REPLICATE, CV_16SC2, Mat, Scalar, Size, ToInputArray, Vec2f, Vec2s};
use opencv::imgproc;
use opencv::prelude::*;

use super::antialias::Antialias;
use super::grid::{GRID, Grid};
use super::input::Interpolation;
use super::view::{PixelRect, View};
use super::window::Window;
use super::{VisionError, view};
use crate::calibration::{Lens, Placed};
use crate::domain::{PointPx, SizePx};

/// How far over the frame's edge an undistorted region may reach: the outermost pixels' own width.
const OVER_MAX_PX: f64 = 1.0;

/// Where the region lies and how it is scaled into the window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry {
    pub(super) region: PixelRect,
    pub(super) window: Window,
    /// The lens, where its distortion is taken out.
    pub(super) lens: Option<Lens>,
    /// Where the part lies, where the region follows it.
    pub(super) placed: Option<Placed>,
}

impl Geometry {
    /// The same with the region scaled to `size`, without padding.
    pub(super) fn scaled(&self, size: SizePx) -> Self {
        Self {
            window: Window {
                x: 0,
                y: 0,
                width: size.width_px,
                height: size.height_px,
            },
            ..*self
        }
    }

    /// Takes a point of the model's input to the frame as the camera gave it.
    pub(super) fn original_from_input(&self, point: PointPx) -> PointPx {
        let Self { region, window, .. } = *self;
        // Pixel centres are scaled, as `cv::resize` does.
        let scale = |value: f64, start: i32, from: u32, to: i32, origin: i32| {
            (value - f64::from(start) + 0.5) * f64::from(to) / f64::from(from) - 0.5
                + f64::from(origin)
        };
        let straight = PointPx {
            x: scale(point.x, window.x, window.width, region.width, region.x),
            y: scale(point.y, window.y, window.height, region.height, region.y),
        };
        match (self.lens, self.placed) {
            (None, None) => straight,
            (Some(lens), None) => lens.distort(straight),
            (None, Some(placed)) => placed.now_from_home(straight),
            // The placement's lens is this one: what it would take out need not be put in.
            (Some(_), Some(placed)) => placed.now_from_straight_home(straight),
        }
    }

    /// Takes a point of the frame as the camera gave it to the model's input; the way back of
    /// [`Self::original_from_input`]. `None` outside the region; a point that a crop cuts off lies beside
    /// the input.
    pub(super) fn input_from_original(&self, point: PointPx) -> Option<PointPx> {
        let Self { region, window, .. } = *self;
        let home = self
            .placed
            .map_or(point, |placed| placed.home_from_now(point));
        let straight = self.lens.map_or(home, |lens| lens.undistort(home));
        let scale = |value: f64, origin: i32, from: i32, to: u32, start: i32| {
            // A share of the region, pixels reaching half a side around their centres.
            let share = (value - f64::from(origin) + 0.5) / f64::from(from);
            let seen = (0.0..=1.0).contains(&share);
            seen.then(|| share * f64::from(to) - 0.5 + f64::from(start))
        };
        Some(PointPx {
            x: scale(straight.x, region.x, region.width, window.width, window.x)?,
            y: scale(straight.y, region.y, region.height, window.height, window.y)?,
        })
    }
}

/// Whether lens, crop and size are sampled one after the other or at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Undistorted at full size first, then resized.
    StepByStep(Interpolation),
    /// In one bilinear map.
    OneMap,
}

/// How pixels come from the frame into the window; scratch images are kept from frame to frame.
pub(super) struct Sampling {
    region: PixelRect,
    window_size: SizePx,
    // The size of what a map gives.
    mapped_size: SizePx,
    map: Option<Map>,
    how: How,
    mapped: Mat,
    resized: Mat,
}

/// What makes the pixels of another size.
enum How {
    /// OpenCV, with this flag.
    OpenCv(i32),
    Antialias(Antialias),
}

/// For each target pixel the place in the frame, as `cv::remap` is quickest with: whole pixels, and which
/// of 32 x 32 places between them.
#[derive(Default)]
pub(super) struct Map {
    size: SizePx,
    whole: Vec<Vec2s>,
    fraction: Vec<u16>,
}

impl Sampling {
    /// Works out the maps.
    ///
    /// # Errors
    /// [`VisionError::RegionUnseen`] if the undistorted region reaches beyond the frame.
    pub(super) fn new(
        geometry: &Geometry,
        frame_size: SizePx,
        order: Order,
    ) -> Result<Self, VisionError> {
        let failed = || VisionError::opencv("work out the map from the frame to the window");
        let window_size = SizePx {
            width_px: geometry.window.width,
            height_px: geometry.window.height,
        };
        let mapped_size = match order {
            Order::StepByStep(_) => geometry.region.size(),
            Order::OneMap => window_size,
        };
        let map = if geometry.lens.is_some() {
            let places = places(geometry, mapped_size);
            check_seen(&places, frame_size)?;
            Some(Map::fixed(mapped_size, &places).map_err(failed())?)
        } else {
            None
        };
        let how = match order {
            Order::StepByStep(Interpolation::Area) => How::OpenCv(imgproc::INTER_AREA),
            Order::StepByStep(Interpolation::Linear) | Order::OneMap => {
                How::OpenCv(imgproc::INTER_LINEAR)
            }
            Order::StepByStep(Interpolation::Antialias(filter, arithmetic)) => {
                How::Antialias(Antialias::new(filter, arithmetic))
            }
        };
        Ok(Self {
            region: geometry.region,
            window_size,
            mapped_size,
            map,
            how,
            mapped: Mat::default(),
            resized: Mat::default(),
        })
    }

    /// Aims at the part where it lies now.
    ///
    /// # Errors
    /// [`VisionError::PartUnseen`] if a part of the region is not in the camera's picture any more.
    pub(super) fn aim(
        &mut self,
        geometry: &Geometry,
        frame_size: SizePx,
    ) -> Result<(), VisionError> {
        let over_px = over_px(&rim(geometry, self.mapped_size), frame_size);
        if OVER_MAX_PX < over_px {
            return Err(VisionError::PartUnseen { over_px });
        }
        let scaled = geometry.scaled(self.mapped_size);
        let map = self.map.get_or_insert_default();
        Grid::new(self.mapped_size, |place| scaled.original_from_input(place)).draw(map);
        Ok(())
    }

    /// Times that pixels are written; 0 where the window is a part of the frame as it is.
    pub(super) fn copies(&self) -> u32 {
        u32::from(self.map.is_some()) + u32::from(self.is_resized())
    }

    fn is_resized(&self) -> bool {
        let before = match self.map {
            None => self.region.size(),
            Some(_) => self.mapped_size,
        };
        before != self.window_size
    }

    /// The window's pixels; `None` where they are the region of the frame as it is.
    pub(super) fn sample(&mut self, frame: &View<'_>) -> opencv::Result<Option<&Mat>> {
        let is_resized = self.is_resized();
        if let Some(map) = &self.map {
            map.apply(frame, &mut self.mapped)?;
            if !is_resized {
                return Ok(Some(&self.mapped));
            }
        }
        if !is_resized {
            return Ok(None);
        }
        let (columns, rows) = view::dimensions(self.window_size)?;
        let size = Size::new(columns, rows);
        if self.map.is_some() {
            self.how.resize(&self.mapped, &mut self.resized, size)?;
        } else {
            let part = frame.roi(self.region.to_cv())?;
            self.how.resize(&part, &mut self.resized, size)?;
        }
        Ok(Some(&self.resized))
    }

    /// The same for an image that is no frame, into a new one with numbers of the same kind.
    pub(super) fn sample_copy(&mut self, image: &View<'_>) -> opencv::Result<Mat> {
        if let Some(window) = self.sample(image)? {
            let mut copy = Mat::default();
            window.convert_to_def(&mut copy, image.depth())?;
            return Ok(copy);
        }
        image.roi(self.region.to_cv())?.try_clone()
    }
}

impl How {
    fn resize(
        &mut self,
        image: &(impl MatTraitConst + ToInputArray),
        resized: &mut Mat,
        size: Size,
    ) -> opencv::Result<()> {
        match self {
            Self::OpenCv(flag) => imgproc::resize(image, resized, size, 0.0, 0.0, *flag),
            Self::Antialias(antialias) => antialias.resize(image, resized, size),
        }
    }
}

/// Where each pixel of the region lies in the frame, the region being scaled to `size`.
fn places(geometry: &Geometry, size: SizePx) -> Vec<PointPx> {
    let scaled = geometry.scaled(size);
    (0..size.height_px)
        .flat_map(|y| (0..size.width_px).map(move |x| (x, y)))
        .map(|(x, y)| {
            scaled.original_from_input(PointPx {
                x: f64::from(x),
                y: f64::from(y),
            })
        })
        .collect()
}

/// The places of every so many pixels along the region's rim: what is farthest out lies there.
fn rim(geometry: &Geometry, size: SizePx) -> Vec<PointPx> {
    let scaled = geometry.scaled(size);
    let [right, bottom] = [size.width_px, size.height_px].map(|side| side.saturating_sub(1));
    let steps = |last: u32| (0..=last.div_ceil(GRID)).map(move |n| (n * GRID).min(last));
    let across = steps(right).flat_map(|x| [(x, 0), (x, bottom)]);
    let down = steps(bottom).flat_map(|y| [(0, y), (right, y)]);
    let place = |(x, y)| {
        scaled.original_from_input(PointPx {
            x: f64::from(x),
            y: f64::from(y),
        })
    };
    across.chain(down).map(place).collect()
}

/// How far the places lie over the frame's edge at most; 0 where all are seen.
fn over_px(places: &[PointPx], frame_size: SizePx) -> f64 {
    let over = |value: f64, side: u32| (-value).max(value - f64::from(side) + 1.0);
    places
        .iter()
        .map(|place| over(place.x, frame_size.width_px).max(over(place.y, frame_size.height_px)))
        .fold(0.0, |most: f64, over| {
            if over.is_finite() {
                most.max(over)
            } else {
                f64::INFINITY
            }
        })
}

fn check_seen(places: &[PointPx], frame_size: SizePx) -> Result<(), VisionError> {
    let over_px = over_px(places, frame_size);
    if OVER_MAX_PX < over_px {
        return Err(VisionError::RegionUnseen { over_px });
    }
    Ok(())
}

impl Map {
    fn fixed(size: SizePx, places: &[PointPx]) -> opencv::Result<Self> {
        let exact = float_places(size, places)?;
        let (mut whole, mut fraction) = (Mat::default(), Mat::default());
        imgproc::convert_maps_def(&exact, &Mat::default(), &mut whole, &mut fraction, CV_16SC2)?;
        Ok(Self {
            size,
            whole: whole.data_typed()?.to_vec(),
            fraction: fraction.data_typed()?.to_vec(),
        })
    }

    /// Its numbers, for a map of this size to be drawn over.
    pub(super) fn resized(&mut self, size: SizePx) -> (&mut [Vec2s], &mut [u16]) {
        if self.size != size {
            let n_pixels = size.width_px as usize * size.height_px as usize;
            self.whole.resize(n_pixels, Vec2s::default());
            self.fraction.resize(n_pixels, 0);
            self.size = size;
        }
        (&mut self.whole, &mut self.fraction)
    }

    fn apply(&self, frame: &View<'_>, mapped: &mut Mat) -> opencv::Result<()> {
        let (columns, rows) = view::dimensions(self.size)?;
        let whole = Mat::new_rows_cols_with_data(rows, columns, &self.whole)?;
        let fraction = Mat::new_rows_cols_with_data(rows, columns, &self.fraction)?;
        let (linear, nothing) = (imgproc::INTER_LINEAR, Scalar::default());
        imgproc::remap(
            frame,
            mapped,
            &whole,
            &fraction,
            linear,
            BORDER_REPLICATE,
            nothing,
        )
    }

    /// The places as they are drawn.
    #[cfg(test)]
    pub(super) fn places(&self) -> impl Iterator<Item = PointPx> {
        self.whole
            .iter()
            .zip(&self.fraction)
            .map(|(whole, fraction)| PointPx {
                x: f64::from(whole[0]) + f64::from(fraction % 32) / 32.0,
                y: f64::from(whole[1]) + f64::from(fraction / 32) / 32.0,
            })
    }
}

/// Places as an image of two channels.
fn float_places(size: SizePx, places: &[PointPx]) -> opencv::Result<Mat> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "32 bits hold the coordinates of a frame to a thousandth of a pixel"
    )]
    let points: Vec<Vec2f> = places
        .iter()
        .map(|place| Vec2f::from_array([place.x as f32, place.y as f32]))
        .collect();
    let (columns, rows) = view::dimensions(size)?;
    Mat::new_rows_cols_with_data(rows, columns, &points)?.try_clone()
}
