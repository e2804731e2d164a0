//! Grey cameras on Linux, behind nokhwa's own interface: nokhwa 0.10 asks the driver for `GRAY`, whose
//! name for one byte a pixel is `GREY`, and passes over the formats of a camera that it has no name for.

use std::borrow::Cow;
use std::collections::HashMap;

use nokhwa::camera_traits::CaptureBackendTrait;
use nokhwa::utils::{
    ApiBackend, CameraControl, CameraFormat as NokhwaFormat, CameraIndex, CameraInfo,
    ControlValueDescription, ControlValueSetter, FrameFormat, KnownCameraControl, Resolution,
};
use nokhwa::{Buffer, NokhwaError};
use v4l::buffer::{Flags, Type};
use v4l::control::{Control, Value};
use v4l::io::traits::CaptureStream;
use v4l::prelude::MmapStream;
use v4l::video::Capture;
use v4l::video::capture::Parameters;
use v4l::{Device, Format, FourCC};

use super::camera::CameraFormat;

const GREY: [u8; 4] = *b"GREY";

// What nokhwa has words for (linux/v4l2-controls.h).
const GAIN: u32 = 0x0098_0913;
const WHITE_BALANCE_K: u32 = 0x0098_091a;

/// An open device that is set to grey.
struct GreyDevice {
    info: CameraInfo,
    format: NokhwaFormat,
    /// Bytes from a line to the next.
    stride: usize,
    device: Device,
    stream: Option<MmapStream<'static>>,
}

/// Opens a camera with grey pixels, exactly as asked.
///
/// # Errors
/// What the driver said, or what the camera has instead.
pub(super) fn open(index: &CameraIndex, asked: CameraFormat) -> Result<nokhwa::Camera, String> {
    let number = index.as_index().map_err(|error| error.to_string())?;
    let failed = |doing: &'static str| {
        move |error: std::io::Error| {
            format!("cannot {doing}: {error}; is another program using it?")
        }
    };
    let device = Device::new(number as usize).map_err(failed("open it"))?;
    let caps = device.query_caps().map_err(failed("ask what it is"))?;
    let (width_px, height_px) = (asked.size.width_px, asked.size.height_px);
    let wanted = Format::new(width_px, height_px, FourCC::new(&GREY));
    let formats = device.enum_formats().map_err(failed("list its formats"))?;
    if !formats.iter().any(|format| format.fourcc.repr == GREY) {
        let names: Vec<String> = formats
            .iter()
            .map(|format| format.fourcc.to_string())
            .collect();
        return Err(format!(
            "it has no GREY, but {}; write `fourcc` as `yuyv` or `mjpeg` where it has that",
            names.join(", ")
        ));
    }
    let found = device
        .set_format(&wanted)
        .map_err(failed("set its format"))?;
    if (found.fourcc.repr, found.width, found.height) != (GREY, width_px, height_px) {
        return Err(format!(
            "it takes {} x {} in {}, and the configuration asks for {width_px} x {height_px} in GREY; write what it has",
            found.width, found.height, found.fourcc
        ));
    }
    let rate = device
        .set_params(&Parameters::with_fps(asked.rate_fps))
        .map_err(failed("set its rate"))?;
    let interval = rate.interval;
    if u64::from(interval.numerator) * u64::from(asked.rate_fps) != u64::from(interval.denominator)
    {
        return Err(format!(
            "it takes a frame every {interval} s, and the configuration asks for `rate_fps = {}`; write what it has",
            asked.rate_fps
        ));
    }
    let resolution = Resolution::new(width_px, height_px);
    let device = GreyDevice {
        info: CameraInfo::new(&caps.card, &caps.driver, &caps.bus, index.clone()),
        format: NokhwaFormat::new(resolution, FrameFormat::GRAY, asked.rate_fps),
        stride: found.stride.max(width_px) as usize,
        device,
        stream: None,
    };
    Ok(nokhwa::Camera::with_custom(
        index.clone(),
        ApiBackend::Video4Linux,
        Box::new(device),
    ))
}

/// The lines of a frame without what fills them up; what is missing stays missing.
fn packed(bytes: &[u8], width: usize, height: usize, stride: usize) -> Vec<u8> {
    let lines = bytes.chunks(stride.max(1)).take(height);
    lines
        .flat_map(|line| line.get(..width).unwrap_or(line))
        .copied()
        .collect()
}

impl GreyDevice {
    fn next(&mut self) -> Result<Vec<u8>, NokhwaError> {
        let failed = |error: String| NokhwaError::ReadFrameError(error);
        let stream = self.stream.as_mut();
        let stream = stream.ok_or_else(|| failed("the stream is not open".to_owned()))?;
        let (mapped, about) = stream.next().map_err(|error| failed(error.to_string()))?;
        if about.flags.contains(Flags::ERROR) {
            // A frame that the driver knows to be damaged is no frame; its part is told so.
            return Ok(Vec::new());
        }
        let bytes = mapped.get(..about.bytesused as usize).unwrap_or(mapped);
        let (width, height) = (self.format.width() as usize, self.format.height() as usize);
        Ok(packed(bytes, width, height, self.stride))
    }
}

/// What cannot be asked of a device that is opened for one format.
fn unsupported<T>() -> Result<T, NokhwaError> {
    Err(NokhwaError::UnsupportedOperationError(
        ApiBackend::Video4Linux,
    ))
}

fn number_of(control: KnownCameraControl) -> Option<u32> {
    match control {
        KnownCameraControl::Gain => Some(GAIN),
        KnownCameraControl::WhiteBalance => Some(WHITE_BALANCE_K),
        KnownCameraControl::Other(id) => u32::try_from(id).ok(),
        KnownCameraControl::Brightness
        | KnownCameraControl::Contrast
        | KnownCameraControl::Hue
        | KnownCameraControl::Saturation
        | KnownCameraControl::Sharpness
        | KnownCameraControl::Gamma
        | KnownCameraControl::BacklightComp
        | KnownCameraControl::Pan
        | KnownCameraControl::Tilt
        | KnownCameraControl::Zoom
        | KnownCameraControl::Exposure
        | KnownCameraControl::Iris
        | KnownCameraControl::Focus => None,
    }
}

impl CaptureBackendTrait for GreyDevice {
    fn backend(&self) -> ApiBackend {
        ApiBackend::Video4Linux
    }

    fn camera_info(&self) -> &CameraInfo {
        &self.info
    }

    fn refresh_camera_format(&mut self) -> Result<(), NokhwaError> {
        Ok(())
    }

    fn camera_format(&self) -> NokhwaFormat {
        self.format
    }

    fn set_camera_format(&mut self, _: NokhwaFormat) -> Result<(), NokhwaError> {
        unsupported()
    }

    fn compatible_list_by_resolution(
        &mut self,
        _: FrameFormat,
    ) -> Result<HashMap<Resolution, Vec<u32>>, NokhwaError> {
        unsupported()
    }

    fn compatible_fourcc(&mut self) -> Result<Vec<FrameFormat>, NokhwaError> {
        Ok(vec![FrameFormat::GRAY])
    }

    fn resolution(&self) -> Resolution {
        self.format.resolution()
    }

    fn set_resolution(&mut self, _: Resolution) -> Result<(), NokhwaError> {
        unsupported()
    }

    fn frame_rate(&self) -> u32 {
        self.format.frame_rate()
    }

    fn set_frame_rate(&mut self, _: u32) -> Result<(), NokhwaError> {
        unsupported()
    }

    fn frame_format(&self) -> FrameFormat {
        FrameFormat::GRAY
    }

    fn set_frame_format(&mut self, _: FrameFormat) -> Result<(), NokhwaError> {
        unsupported()
    }

    fn camera_control(&self, control: KnownCameraControl) -> Result<CameraControl, NokhwaError> {
        let failed = |error: String| NokhwaError::GetPropertyError {
            property: control.to_string(),
            error,
        };
        let known = self.device.query_controls();
        let known = known.map_err(|error| failed(error.to_string()))?;
        let wanted = number_of(control);
        let found = known.into_iter().find(|found| wanted == Some(found.id));
        let found = found.ok_or_else(|| failed("the camera has no such control".to_owned()))?;
        let value = self.device.control(found.id);
        let description = match value.map_err(|error| failed(error.to_string()))?.value {
            Value::Integer(value) => ControlValueDescription::IntegerRange {
                min: found.minimum,
                max: found.maximum,
                value,
                step: i64::try_from(found.step).unwrap_or(i64::MAX),
                default: found.default,
            },
            Value::Boolean(value) => ControlValueDescription::Boolean {
                value,
                default: found.default != 0,
            },
            other @ (Value::None
            | Value::String(_)
            | Value::CompoundU8(_)
            | Value::CompoundU16(_)
            | Value::CompoundU32(_)
            | Value::CompoundPtr(_)) => return Err(failed(format!("its value is {other:?}"))),
        };
        let (name, flags) = (found.name, Vec::new());
        Ok(CameraControl::new(control, name, description, flags, true))
    }

    fn camera_controls(&self) -> Result<Vec<CameraControl>, NokhwaError> {
        unsupported()
    }

    fn set_camera_control(
        &mut self,
        control: KnownCameraControl,
        value: ControlValueSetter,
    ) -> Result<(), NokhwaError> {
        let written = match (number_of(control), &value) {
            (Some(id), ControlValueSetter::Integer(number)) => Some((id, Value::Integer(*number))),
            (Some(id), ControlValueSetter::Boolean(on)) => Some((id, Value::Boolean(*on))),
            _ => None,
        };
        let Some((id, written)) = written else {
            return unsupported();
        };
        let set = self.device.set_control(Control { id, value: written });
        set.map_err(|error| NokhwaError::SetPropertyError {
            property: control.to_string(),
            value: value.to_string(),
            error: error.to_string(),
        })
    }

    fn open_stream(&mut self) -> Result<(), NokhwaError> {
        let stream = MmapStream::new(&self.device, Type::VideoCapture);
        let failed = |error: std::io::Error| NokhwaError::OpenStreamError(error.to_string());
        self.stream = Some(stream.map_err(failed)?);
        Ok(())
    }

    fn is_stream_open(&self) -> bool {
        self.stream.is_some()
    }

    fn frame(&mut self) -> Result<Buffer, NokhwaError> {
        let pixels = self.next()?;
        // Without the driver's time a frame counts from when the one before was there: never too late.
        Ok(Buffer::new(
            self.format.resolution(),
            &pixels,
            FrameFormat::GRAY,
        ))
    }

    fn frame_raw(&mut self) -> Result<Cow<'_, [u8]>, NokhwaError> {
        self.next().map(Cow::Owned)
    }

    fn stop_stream(&mut self) -> Result<(), NokhwaError> {
        self.stream = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_what_fills_them_up_and_a_half_frame_stays_half() {
        let mapped = [1, 2, 3, 0, 4, 5, 6, 0, 9, 9, 9, 9];
        assert_eq!(packed(&mapped, 3, 2, 4), [1, 2, 3, 4, 5, 6]);
        assert_eq!(packed(&mapped[..6], 3, 2, 4), [1, 2, 3, 4, 5]);
        assert_eq!(packed(&mapped[..6], 3, 2, 3), [1, 2, 3, 0, 4, 5]);
    }
}
