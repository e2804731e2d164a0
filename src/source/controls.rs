//! What a USB camera is set to, so that a part looks the same today and tomorrow: exposure, gain and
//! white balance are fixed, and read back.

use nokhwa::Camera;
use nokhwa::utils::{ControlValueDescription, ControlValueSetter, KnownCameraControl};

// The controls of Video4Linux that nokhwa has no word for (linux/v4l2-controls.h).
const AUTO_WHITE_BALANCE: KnownCameraControl = KnownCameraControl::Other(0x0098_090c);
const AUTO_GAIN: KnownCameraControl = KnownCameraControl::Other(0x0098_0912);
const AUTO_EXPOSURE: KnownCameraControl = KnownCameraControl::Other(0x009a_0901);
const EXPOSURE_100_US: KnownCameraControl = KnownCameraControl::Other(0x009a_0902);
/// `V4L2_EXPOSURE_MANUAL`.
const EXPOSURE_MANUAL: i64 = 1;

/// What is fixed; what is not stays as the camera has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsbControls {
    /// Exposure time; the camera has steps of 100 us.
    pub exposure_us: Option<u32>,
    /// Gain, in the camera's own steps.
    pub gain: Option<i64>,
    /// White balance as a colour temperature in kelvin.
    pub white_balance_k: Option<u32>,
}

impl UsbControls {
    /// Sets them, each after its automatic is switched off, and reads them back.
    pub(super) fn set(self, device: &mut Camera) -> Result<(), String> {
        if self == Self::default() {
            return Ok(());
        }
        if !cfg!(target_os = "linux") {
            return Err("`exposure_us`, `gain` and `white_balance_k` can be fixed on Linux only: elsewhere nokhwa cannot switch off the camera's automatic; leave them out".to_owned());
        }
        if let Some(exposure_us) = self.exposure_us {
            set_number(
                device,
                "its automatic exposure",
                AUTO_EXPOSURE,
                EXPOSURE_MANUAL,
            )?;
            let steps = i64::from(exposure_us / 100);
            let key = format!("`exposure_us = {exposure_us}` ({steps} steps of 100 us)");
            set_number(device, &key, EXPOSURE_100_US, steps)?;
        }
        if let Some(gain) = self.gain {
            switch_off(device, AUTO_GAIN)?;
            let key = format!("`gain = {gain}`");
            set_number(device, &key, KnownCameraControl::Gain, gain)?;
        }
        if let Some(kelvin) = self.white_balance_k {
            switch_off(device, AUTO_WHITE_BALANCE)?;
            let key = format!("`white_balance_k = {kelvin}`");
            let control = KnownCameraControl::WhiteBalance;
            set_number(device, &key, control, i64::from(kelvin))?;
        }
        Ok(())
    }
}

/// Switches an automatic off, where the camera has one.
fn switch_off(device: &mut Camera, control: KnownCameraControl) -> Result<(), String> {
    match device.camera_control(control) {
        Err(_) => Ok(()),
        Ok(found) => {
            let off = ControlValueSetter::Boolean(false);
            let failed = |error| format!("its `{}` cannot be switched off: {error}", found.name());
            device.set_camera_control(control, off).map_err(failed)
        }
    }
}

fn set_number(
    device: &mut Camera,
    key: &str,
    control: KnownCameraControl,
    value: i64,
) -> Result<(), String> {
    let has = |device: &Camera| {
        let found = device.camera_control(control);
        found.map_err(|error| error.to_string())
    };
    let before = has(device).map_err(|error| {
        format!("it has no control for {key} ({error}); leave that out of the station file")
    })?;
    let range = if let ControlValueDescription::IntegerRange { min, max, step, .. } =
        before.description()
    {
        format!("it takes {min} to {max} in steps of {step}")
    } else {
        format!("it has {}", before.description())
    };
    let failed = |error| format!("{key} is refused: {error}; {range}");
    let set = device.set_camera_control(control, ControlValueSetter::Integer(value));
    set.map_err(|error| failed(error.to_string()))?;
    let after = has(device).map_err(failed)?;
    let found = after.value();
    if found.as_integer() == Some(&value) {
        return Ok(());
    }
    let found = found
        .as_integer()
        .map_or_else(|| found.to_string(), i64::to_string);
    Err(format!(
        "{key} was set, but the camera has {found}; {range}"
    ))
}
