//! From the frame to the model's window: undistort, crop and resize, and the way back.

use opencv::core::{BORDER_REPLICATE, CV_16SC2, Mat, Scalar, Size, ToInputArray, Vec2f};
use opencv::imgproc;
use opencv::prelude::*;

use super::antialias::Antialias;
use super::input::Interpolation;
use super::view::{PixelRect, View};
use super::window::Window;
use super::{VisionError, view};
use crate::calibration::Lens;
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
}

impl Geometry {
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
        self.lens.map_or(straight, |lens| lens.distort(straight))
    }

    /// Takes a point of the frame as the camera gave it to the model's input; the way back of
    /// [`Self::original_from_input`]. `None` outside the region; a point that a crop cuts off lies beside
    /// the input.
    pub(super) fn input_from_original(&self, point: PointPx) -> Option<PointPx> {
        let Self { region, window, .. } = *self;
        let straight = self.lens.map_or(point, |lens| lens.undistort(point));
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
    map: Option<Map>,
    resize: Option<(Size, How)>,
    mapped: Mat,
    resized: Mat,
}

/// What makes the pixels of another size.
enum How {
    /// OpenCV, with this flag.
    OpenCv(i32),
    Antialias(Antialias),
}

/// For each target pixel the place in the frame, as `cv::remap` wants it.
struct Map {
    whole: Mat,
    fraction: Mat,
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
        let region_size = geometry.region.size();
        let window_size = SizePx {
            width_px: geometry.window.width,
            height_px: geometry.window.height,
        };
        let mapped_size = geometry.lens.map(|_| match order {
            Order::StepByStep(_) => region_size,
            Order::OneMap => window_size,
        });
        let map = match mapped_size {
            None => None,
            Some(size) => {
                let places = places(geometry, size);
                check_seen(&places, frame_size)?;
                Some(Map::new(size, &places).map_err(failed())?)
            }
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
        let resize = if mapped_size.unwrap_or(region_size) == window_size {
            None
        } else {
            let (columns, rows) = view::dimensions(window_size).map_err(failed())?;
            Some((Size::new(columns, rows), how))
        };
        Ok(Self {
            region: geometry.region,
            map,
            resize,
            mapped: Mat::default(),
            resized: Mat::default(),
        })
    }

    /// Times that pixels are written; 0 where the window is a part of the frame as it is.
    pub(super) fn copies(&self) -> u32 {
        u32::from(self.map.is_some()) + u32::from(self.resize.is_some())
    }

    /// The window's pixels; `None` where they are the region of the frame as it is.
    pub(super) fn sample(&mut self, frame: &View<'_>) -> opencv::Result<Option<&Mat>> {
        if let Some(map) = &self.map {
            imgproc::remap(
                frame,
                &mut self.mapped,
                &map.whole,
                &map.fraction,
                imgproc::INTER_LINEAR,
                BORDER_REPLICATE,
                Scalar::default(),
            )?;
        }
        let Some((size, how)) = &mut self.resize else {
            return Ok(self.map.is_some().then_some(&self.mapped));
        };
        if self.map.is_some() {
            how.resize(&self.mapped, &mut self.resized, *size)?;
        } else {
            let part = frame.roi(self.region.to_cv())?;
            how.resize(&part, &mut self.resized, *size)?;
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
    let scaled = Geometry {
        window: Window {
            x: 0,
            y: 0,
            width: size.width_px,
            height: size.height_px,
        },
        ..*geometry
    };
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

fn check_seen(places: &[PointPx], frame_size: SizePx) -> Result<(), VisionError> {
    let over = |value: f64, side: u32| (-value).max(value - f64::from(side) + 1.0);
    let over_px = places
        .iter()
        .map(|place| over(place.x, frame_size.width_px).max(over(place.y, frame_size.height_px)))
        .fold(0.0, |most: f64, over| {
            if over.is_finite() {
                most.max(over)
            } else {
                f64::INFINITY
            }
        });
    if OVER_MAX_PX < over_px {
        return Err(VisionError::RegionUnseen { over_px });
    }
    Ok(())
}

impl Map {
    fn new(size: SizePx, places: &[PointPx]) -> opencv::Result<Self> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "32 bits hold the coordinates of a frame to a thousandth of a pixel"
        )]
        let points: Vec<Vec2f> = places
            .iter()
            .map(|place| Vec2f::from_array([place.x as f32, place.y as f32]))
            .collect();
        let (columns, rows) = view::dimensions(size)?;
        let exact = Mat::new_rows_cols_with_data(rows, columns, &points)?;
        let (mut whole, mut fraction) = (Mat::default(), Mat::default());
        imgproc::convert_maps_def(&exact, &Mat::default(), &mut whole, &mut fraction, CV_16SC2)?;
        Ok(Self { whole, fraction })
    }
}
