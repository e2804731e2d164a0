//! From a frame to the tensor of a model, and from the model's pixels back to the frame's.
//!
//! The order is fixed: undistort and crop, resize, grey for a grey net, even the light (flat field),
//! correct the colours, CLAHE, then normalise, order the channels and pad in one pass into the tensor.

use opencv::core::{self, CV_8U, CV_32F, Mat, Ptr, Size};
use opencv::imgproc;
use opencv::prelude::*;

use super::VisionError;
use super::colour::ColourTable;
use super::decode::Picture;
use super::flat_field::{FlatField, Gains};
use super::input::{Feed, InputSpec, Resize, Rows};
use super::sampling::{Geometry, Order, Sampling};
use super::view::{self, PixelRect, View};
use super::window::Window;
use crate::calibration::{Colour, Lens, Placed};
use crate::domain::{Frame, PixelFormat, PointPx, RectPx, SizePx};
use crate::recipe::Step;

/// Prepares the frames of one view for one model; maps and scratch images are made once.
pub struct Preparer {
    frame_size: SizePx,
    geometry: Geometry,
    sampling: Sampling,
    gains: Option<Gains>,
    colour: Option<ColourTable>,
    clahe: Option<Clahe>,
    feed: Feed,
    rounded: Mat,
    grey: Mat,
    evened: Mat,
    coloured: Mat,
}

/// What is known of the camera, for the steps that need it.
#[derive(Default)]
pub struct Optics<'a> {
    /// The lens.
    pub lens: Option<&'a Lens>,
    /// Its picture of an even surface.
    pub flat_field: Option<FlatField>,
    /// Its colours.
    pub colour: Option<&'a Colour>,
}

/// What a recipe's steps ask for.
#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one for each step that is named alone"
)]
struct Wanted {
    undistort: bool,
    one_map: bool,
    flat_field: bool,
    colour: bool,
    clahe: Option<(f64, u32)>,
}

impl Preparer {
    /// Sets the view up. The region lies in the undistorted image if `steps` has
    /// [`Step::Undistort`], else in the frame; it is rounded to whole pixels. [`Step::OneMap`]
    /// without `Undistort` means a bilinear resize.
    ///
    /// # Errors
    /// [`VisionError`] if region, lens, flat field, steps and input do not fit together; the recipe
    /// is refused at load.
    pub fn new(
        frame_size: SizePx,
        region: RectPx,
        steps: &[Step],
        optics: Optics<'_>,
        input: &InputSpec,
    ) -> Result<Self, VisionError> {
        let wanted = Wanted::of(steps)?;
        let region = PixelRect::within(region, frame_size)?;
        let region_size = region.size();
        let feed = Feed::new(input, region_size)?;
        let lens = match (wanted.undistort, optics.lens) {
            (false, _) => None,
            (true, None) => return Err(VisionError::NoLens),
            (true, lens) => lens.copied(),
        };
        let geometry = Geometry {
            region,
            window: Window::new(input, region_size),
            lens,
            placed: None,
        };
        let order = if wanted.one_map {
            Order::OneMap
        } else {
            Order::StepByStep(input.interpolation)
        };
        let sampling = Sampling::new(&geometry, frame_size, order)?;
        let gains = match (wanted.flat_field, optics.flat_field) {
            (false, _) => None,
            (true, None) => return Err(VisionError::NoFlatField),
            (true, Some(flat_field)) => {
                flat_field.check_size(frame_size)?;
                Some(Gains::new(flat_field))
            }
        };
        let colour = match (wanted.colour, optics.colour) {
            (false, _) => None,
            (true, _) if feed.n_channels() == 1 => return Err(VisionError::ColourForGrey),
            (true, None) => return Err(VisionError::NoColour),
            (true, Some(colour)) => Some(ColourTable::new(colour)),
        };
        let clahe = match wanted.clahe {
            None => None,
            Some((clip_limit, tiles)) => Some(
                Clahe::new(clip_limit, tiles)
                    .map_err(VisionError::opencv("set up the histogram equalisation"))?,
            ),
        };
        Ok(Self {
            frame_size,
            geometry,
            sampling,
            gains,
            colour,
            clahe,
            feed,
            rounded: Mat::default(),
            grey: Mat::default(),
            evened: Mat::default(),
            coloured: Mat::default(),
        })
    }

    /// Lets the region follow a part that lies elsewhere than in the reference picture: the frames from
    /// now on are seen as if it lay there.
    ///
    /// # Errors
    /// [`VisionError::PartUnseen`] if the camera does not see all of the region there.
    pub fn follow(&mut self, placed: Placed) -> Result<(), VisionError> {
        self.geometry.placed = Some(placed);
        if let Some(gains) = &mut self.gains {
            gains.forget();
        }
        self.sampling.aim(&self.geometry, self.frame_size)
    }

    /// Writes the model's input for this frame: all planes, padding included.
    ///
    /// # Errors
    /// [`VisionError::WrongSize`] if the frame is not as large as the view was set up for (the view
    /// is answered `ImageUnfit`), [`VisionError::ColourOfGrey`] if its colours are to be corrected and it has none
    /// (likewise), [`VisionError::TensorLength`] if the tensor is not the input's.
    pub fn prepare(&mut self, frame: &Frame, tensor: &mut [f32]) -> Result<(), VisionError> {
        if frame.size() != self.frame_size {
            return Err(VisionError::WrongSize {
                found: frame.size(),
                expected: self.frame_size,
            });
        }
        self.prepare_pixels(frame.pixels(), frame.format(), tensor)
    }

    fn prepare_pixels(
        &mut self,
        pixels: &[u8],
        mut format: PixelFormat,
        tensor: &mut [f32],
    ) -> Result<(), VisionError> {
        let failed = || VisionError::opencv("prepare a frame for its model");
        let whole = view::of_bytes(pixels, self.frame_size, format).map_err(failed())?;
        if self.colour.is_some() && format == PixelFormat::Gray8 {
            return Err(VisionError::ColourOfGrey);
        }
        let turns_grey = self.feed.n_channels() == 1 && format != PixelFormat::Gray8;
        if let Some(gains) = &mut self.gains {
            // Before the frame: the sheet goes through the same scratch images.
            let fed = if turns_grey {
                PixelFormat::Gray8
            } else {
                format
            };
            gains
                .make_for(fed, |image| self.sampling.sample_copy(image))
                .map_err(failed())?;
        }
        let as_it_is = Rows::of_part((pixels, format), self.frame_size, self.geometry.region);
        let region = whole.roi(self.geometry.region.to_cv()).map_err(failed())?;
        let sampled = self.sampling.sample(&whole).map_err(failed())?;
        let mut is_as_it_is = sampled.is_none();
        let sampled = match sampled {
            Some(image) if image.depth() == CV_32F => {
                let is_last = self.gains.is_none() && self.colour.is_none() && self.clahe.is_none();
                if is_last && !turns_grey {
                    let flat = image.reshape(1, 0).map_err(failed())?;
                    let rows = Rows::of_numbers(&flat, format).map_err(failed())?;
                    return self.feed.fill(rows, tensor);
                }
                // The steps that follow work on whole grey values.
                image
                    .convert_to_def(&mut self.rounded, CV_8U)
                    .map_err(failed())?;
                Some(&self.rounded)
            }
            sampled => sampled,
        };
        let mut window = match sampled {
            Some(image) => view::all(image).map_err(failed())?,
            None => region,
        };

        if turns_grey {
            to_grey(&window, format, &mut self.grey).map_err(failed())?;
            window = view::all(&self.grey).map_err(failed())?;
            (format, is_as_it_is) = (PixelFormat::Gray8, false);
        }
        if let Some(gains) = &self.gains {
            gains
                .apply(&window, format, &mut self.evened)
                .map_err(failed())?;
            window = view::all(&self.evened).map_err(failed())?;
            is_as_it_is = false;
        }
        if let Some(colour) = &self.colour {
            colour
                .apply(&window, format, &mut self.coloured)
                .map_err(failed())?;
            window = view::all(&self.coloured).map_err(failed())?;
            is_as_it_is = false;
        }
        if let Some(clahe) = &mut self.clahe {
            let equalised = clahe.apply(&window, format).map_err(failed())?;
            window = view::all(equalised).map_err(failed())?;
            is_as_it_is = false;
        }
        let rows = if is_as_it_is {
            as_it_is
        } else {
            Rows::of_image(&window, format).map_err(failed())?
        };
        self.feed.fill(rows, tensor)
    }

    /// How many times pixels are written between a frame of this format and the tensor, the tensor
    /// itself included: 1 for a region of the input's size, 2 with a resize, 3 with undistort and
    /// resize; one more for grey from colour, for the flat field and for corrected colours; CLAHE costs 1 on grey and 5 on
    /// colour, whose brightness is taken out and put back.
    pub fn copies(&self, format: PixelFormat) -> u32 {
        let is_colour = format != PixelFormat::Gray8;
        let turns_grey = is_colour && self.feed.n_channels() == 1;
        let clahe = match &self.clahe {
            None => 0,
            Some(_) if is_colour && !turns_grey => 5,
            Some(_) => 1,
        };
        let steps = [turns_grey, self.gains.is_some(), self.colour.is_some()];
        1 + self.sampling.copies() + steps.map(u32::from).iter().sum::<u32>() + clahe
    }

    /// Where a point of the model's input lies in the frame as the camera gave it.
    pub fn original_from_input(&self, point: PointPx) -> PointPx {
        self.geometry.original_from_input(point)
    }

    /// Where a point of the frame as the camera gave it lies in the model's input; `None` outside the
    /// view's region. What a crop cuts off lies beside the input.
    pub fn input_from_original(&self, point: PointPx) -> Option<PointPx> {
        self.geometry.input_from_original(point)
    }
}

/// Prepares a whole picture without any step of a recipe, and tells the way back.
///
/// # Errors
/// [`VisionError`] if picture and input do not fit together; the model package is refused.
pub fn prepare_whole(
    picture: &Picture,
    input: &InputSpec,
    tensor: &mut [f32],
) -> Result<Preparer, VisionError> {
    let size = picture.size;
    let mut preparer = Preparer::new(size, size.whole(), &[], Optics::default(), input)?;
    preparer.prepare_pixels(&picture.pixels, picture.format, tensor)?;
    Ok(preparer)
}

/// Feeds a picture that already has the model's input size: colour order and normalising only.
///
/// # Errors
/// [`VisionError::WrongSize`] if it has another size, [`VisionError::Input`] and
/// [`VisionError::TensorLength`] as for frames; the model package is refused at load.
pub fn normalise_only(
    picture: &Picture,
    input: &InputSpec,
    tensor: &mut [f32],
) -> Result<(), VisionError> {
    let expected = SizePx {
        width_px: input.width_px,
        height_px: input.height_px,
    };
    if picture.size != expected {
        return Err(VisionError::WrongSize {
            found: picture.size,
            expected,
        });
    }
    let as_it_is = InputSpec {
        resize: Resize::Standard,
        ..input.clone()
    };
    let feed = Feed::new(&as_it_is, picture.size)?;
    let failed = || VisionError::opencv("feed a picture to its model");
    if feed.n_channels() == 1 && picture.format != PixelFormat::Gray8 {
        let mut grey = Mat::default();
        let seen = view::of_bytes(&picture.pixels, picture.size, picture.format);
        to_grey(&seen.map_err(failed())?, picture.format, &mut grey).map_err(failed())?;
        return feed.fill(
            Rows::of_image(&grey, PixelFormat::Gray8).map_err(failed())?,
            tensor,
        );
    }
    let columns = usize::try_from(picture.size.width_px).unwrap_or(usize::MAX);
    let rows = Rows {
        values: &picture.pixels,
        stride: columns * picture.format.channels(),
        format: picture.format,
    };
    feed.fill(rows, tensor)
}

impl<'a> Rows<'a> {
    /// A region of the frame as it is.
    fn of_part((pixels, format): (&'a [u8], PixelFormat), size: SizePx, region: PixelRect) -> Self {
        let [width, x, y] = [
            size.width_px,
            region.x.unsigned_abs(),
            region.y.unsigned_abs(),
        ]
        .map(|value| usize::try_from(value).unwrap_or(usize::MAX));
        let stride = width * format.channels();
        let first = y * stride + x * format.channels();
        Self {
            values: pixels.get(first..).unwrap_or_default(),
            stride,
            format,
        }
    }

    /// An image without padding.
    fn of_image(image: &'a impl MatTraitConstManual, format: PixelFormat) -> opencv::Result<Self> {
        let values = image.data_bytes()?;
        let rows = usize::try_from(image.rows()).unwrap_or_default().max(1);
        Ok(Self {
            values,
            stride: values.len() / rows,
            format,
        })
    }
}

impl<'a> Rows<'a, f32> {
    /// An image of numbers without padding; `flat` holds it as one channel.
    fn of_numbers(flat: &'a impl MatTraitConst, format: PixelFormat) -> opencv::Result<Self> {
        let values = flat.data_typed::<f32>()?;
        let rows = usize::try_from(flat.rows()).unwrap_or_default().max(1);
        Ok(Self {
            values,
            stride: values.len() / rows,
            format,
        })
    }
}

impl Wanted {
    fn of(steps: &[Step]) -> Result<Self, VisionError> {
        let mut wanted = Self::default();
        for step in steps {
            match *step {
                Step::Undistort => wanted.undistort = true,
                Step::OneMap => wanted.one_map = true,
                Step::FlatField => wanted.flat_field = true,
                Step::Colour => wanted.colour = true,
                Step::Clahe { clip_limit, tiles } => {
                    let refuse = |key, value, range| VisionError::StepRange {
                        step: "clahe",
                        key,
                        value,
                        range,
                    };
                    if !(1.0..=40.0).contains(&clip_limit) {
                        return Err(refuse("clip_limit", clip_limit, "1 to 40"));
                    }
                    if !(1..=64).contains(&tiles) {
                        return Err(refuse("tiles", f64::from(tiles), "1 to 64"));
                    }
                    wanted.clahe = Some((clip_limit, tiles));
                }
            }
        }
        Ok(wanted)
    }
}

fn to_grey(window: &View<'_>, format: PixelFormat, grey: &mut Mat) -> opencv::Result<()> {
    let code = match format {
        PixelFormat::Gray8 => return window.copy_to(grey),
        PixelFormat::Bgr8 => imgproc::COLOR_BGR2GRAY,
        PixelFormat::Rgb8 => imgproc::COLOR_RGB2GRAY,
    };
    imgproc::cvt_color_def(window, grey, code)
}

/// Histogram equalisation of the brightness.
struct Clahe {
    algorithm: Ptr<imgproc::CLAHE>,
    brightness_first: Mat,
    brightness: Mat,
    equalised: Mat,
    back: Mat,
}

impl Clahe {
    fn new(clip_limit: f64, tiles: u32) -> opencv::Result<Self> {
        let tiles = i32::try_from(tiles).unwrap_or(i32::MAX);
        Ok(Self {
            algorithm: imgproc::create_clahe(clip_limit, Size::new(tiles, tiles))?,
            brightness_first: Mat::default(),
            brightness: Mat::default(),
            equalised: Mat::default(),
            back: Mat::default(),
        })
    }

    fn apply(&mut self, window: &View<'_>, format: PixelFormat) -> opencv::Result<&Mat> {
        let (there, back) = match format {
            PixelFormat::Gray8 => {
                self.algorithm.apply(window, &mut self.equalised)?;
                return Ok(&self.equalised);
            }
            PixelFormat::Bgr8 => (imgproc::COLOR_BGR2YCrCb, imgproc::COLOR_YCrCb2BGR),
            PixelFormat::Rgb8 => (imgproc::COLOR_RGB2YCrCb, imgproc::COLOR_YCrCb2RGB),
        };
        imgproc::cvt_color_def(window, &mut self.brightness_first, there)?;
        core::extract_channel(&self.brightness_first, &mut self.brightness, 0)?;
        self.algorithm
            .apply(&self.brightness, &mut self.equalised)?;
        core::insert_channel(&self.equalised, &mut self.brightness_first, 0)?;
        imgproc::cvt_color_def(&self.brightness_first, &mut self.back, back)?;
        Ok(&self.back)
    }
}

#[cfg(test)]
mod tests;
