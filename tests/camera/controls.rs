//! Exposure, gain and white balance of a USB camera: fixed, read back, refused with what the camera has.

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};

use nokhwa::NokhwaError;
use nokhwa::utils::{
    CameraControl, ControlValueDescription, ControlValueSetter, KnownCameraControl,
};
use taktgate::source::{Camera, UsbControls};

use crate::{Device, FORMAT};

const AUTO_EXPOSURE: KnownCameraControl = KnownCameraControl::Other(0x009a_0901);
const EXPOSURE: KnownCameraControl = KnownCameraControl::Other(0x009a_0902);
const AUTO_WHITE_BALANCE: KnownCameraControl = KnownCameraControl::Other(0x0098_090c);

/// The controls of a UVC camera, as V4L2 shows them; shared with the test.
#[derive(Clone, Default)]
pub(crate) struct Board(Arc<Mutex<Vec<(KnownCameraControl, ControlValueDescription)>>>);

impl Board {
    fn uvc() -> Self {
        let number = |min, max, step, value| ControlValueDescription::IntegerRange {
            min,
            max,
            value,
            step,
            default: value,
        };
        let automatic = ControlValueDescription::Boolean {
            value: true,
            default: true,
        };
        Self(Arc::new(Mutex::new(vec![
            (AUTO_EXPOSURE, number(0, 3, 1, 3)),
            (EXPOSURE, number(3, 2047, 1, 250)),
            (AUTO_WHITE_BALANCE, automatic),
            (
                KnownCameraControl::WhiteBalance,
                number(2000, 6500, 10, 4000),
            ),
            (KnownCameraControl::Gain, number(0, 255, 1, 7)),
        ])))
    }

    pub(crate) fn get(&self, id: KnownCameraControl) -> Result<CameraControl, NokhwaError> {
        let board = self.0.lock().unwrap();
        let found = board.iter().find(|(known, _)| *known == id);
        let (_, description) = found.ok_or_else(|| NokhwaError::GetPropertyError {
            property: id.to_string(),
            error: "not found/not supported".to_owned(),
        })?;
        let name = id.to_string();
        Ok(CameraControl::new(
            id,
            name,
            description.clone(),
            Vec::new(),
            true,
        ))
    }

    /// Takes a value as V4L2 does: what is out of range or between two steps is moved, and what
    /// an automatic holds is refused.
    pub(crate) fn set(
        &self,
        id: KnownCameraControl,
        wanted: &ControlValueSetter,
    ) -> Result<(), NokhwaError> {
        let refused = |error: &str| NokhwaError::SetPropertyError {
            property: id.to_string(),
            value: format!("{wanted:?}"),
            error: error.to_owned(),
        };
        let automatic_exposure = || self.value(AUTO_EXPOSURE) != ControlValueSetter::Integer(1);
        let automatic_white =
            || self.value(AUTO_WHITE_BALANCE) == ControlValueSetter::Boolean(true);
        let held = (id == EXPOSURE && automatic_exposure())
            || (id == KnownCameraControl::WhiteBalance && automatic_white());
        if held {
            return Err(refused("Permission denied (os error 13)"));
        }
        let mut board = self.0.lock().unwrap();
        let found = board.iter_mut().find(|(known, _)| *known == id);
        match (&mut found.unwrap().1, wanted) {
            (
                ControlValueDescription::IntegerRange {
                    min,
                    max,
                    value,
                    step,
                    ..
                },
                ControlValueSetter::Integer(number),
            ) => *value = *number.clamp(min, max) / *step * *step,
            (ControlValueDescription::Boolean { value, .. }, ControlValueSetter::Boolean(on)) => {
                *value = *on;
            }
            _ => return Err(refused("Invalid argument (os error 22)")),
        }
        Ok(())
    }

    fn value(&self, id: KnownCameraControl) -> ControlValueSetter {
        self.get(id).unwrap().value()
    }
}

fn start(board: &Board, controls: UsbControls) -> Result<Camera, String> {
    let (_shots, shots) = sync_channel(1);
    let shots = Mutex::new(Some(shots));
    let board = board.clone();
    let camera = Camera::start("cam-top", FORMAT, controls, move || {
        let shots = shots.lock().unwrap().take().unwrap();
        let mut device = Device::new(FORMAT, shots, sync_channel(1).0);
        device.controls = board.clone();
        Ok(device.boxed())
    });
    camera.map_err(|error| error.to_string())
}

#[test]
fn what_is_fixed_is_set_with_the_automatic_off_and_the_rest_left_alone() {
    let board = Board::uvc();
    let controls = UsbControls {
        exposure_us: Some(5_000),
        white_balance_k: Some(4_600),
        gain: None,
    };
    start(&board, controls).unwrap();
    let integer = ControlValueSetter::Integer;
    assert_eq!(board.value(AUTO_EXPOSURE), integer(1));
    assert_eq!(board.value(EXPOSURE), integer(50));
    assert_eq!(
        board.value(AUTO_WHITE_BALANCE),
        ControlValueSetter::Boolean(false)
    );
    assert_eq!(
        board.value(KnownCameraControl::WhiteBalance),
        integer(4_600)
    );
    assert_eq!(board.value(KnownCameraControl::Gain), integer(7));
    // A camera without an automatic for it.
    let gain = UsbControls {
        gain: Some(12),
        ..UsbControls::default()
    };
    start(&board, gain).unwrap();
    assert_eq!(board.value(KnownCameraControl::Gain), integer(12));
}

#[test]
fn what_the_camera_does_not_take_is_refused_with_what_it_has() {
    let refusal = |board: &Board, controls| start(board, controls).err().unwrap();
    let exposure = UsbControls {
        exposure_us: Some(900_000),
        ..UsbControls::default()
    };
    insta::assert_snapshot!(refusal(&Board::uvc(), exposure), @"camera `cam-top`: `exposure_us = 900000` (9000 steps of 100 us) was set, but the camera has 2047; it takes 3 to 2047 in steps of 1");
    let white_balance = UsbControls {
        white_balance_k: Some(4_607),
        ..UsbControls::default()
    };
    insta::assert_snapshot!(refusal(&Board::uvc(), white_balance), @"camera `cam-top`: `white_balance_k = 4607` was set, but the camera has 4600; it takes 2000 to 6500 in steps of 10");
    let gain = UsbControls {
        gain: Some(1),
        ..UsbControls::default()
    };
    insta::assert_snapshot!(refusal(&Board::default(), gain), @"camera `cam-top`: it has no control for `gain = 1` (Could not get device property Gain: not found/not supported); leave that out of the station file");
}
