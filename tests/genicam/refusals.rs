//! What the camera does not take is refused when the station is checked, with what it has.

use std::fs;
use std::process::Command;

use crate::camera::{DEVICE, FakeCamera, in_own_network};
use crate::house::{House, Settings};

#[test]
fn what_the_camera_does_not_take_is_refused_with_what_it_has() {
    in_own_network(
        "refusals::what_the_camera_does_not_take_is_refused_with_what_it_has",
        refusals,
    );
}

fn refusals() {
    let house = House::new(&Settings::default());
    let _camera = FakeCamera::start(house.folder.path(), 1);
    let file = house.path("station.toml");
    let written = fs::read_to_string(&file).unwrap();
    let check = |device: &str, more: &str| {
        let genicam = format!(
            "{{ genicam = {{ device = \"{device}\", width_px = 64, height_px = 48, {more} }} }}"
        );
        let folder = "{ folder = { path = \"frames\", order = \"by_part\" } }";
        fs::write(&file, written.replace(folder, &genicam)).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_taktgate"))
            .arg("check")
            .arg(house.folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        let text = text
            .lines()
            .find(|line| line.contains("camera"))
            .unwrap_or("opens");
        text.trim_start_matches("error: ").to_owned()
    };
    let plain = "pixel_format = \"mono8\", trigger = \"software\"";
    insta::assert_snapshot!(check(DEVICE, plain), @"opens");
    let taken =
        "pixel_format = \"bayerrg8\", trigger = \"free_run\", gain = 3.0, exposure_us = 500.0";
    insta::assert_snapshot!(check(DEVICE, taken), @"opens");
    let taken = "pixel_format = \"mono8\", trigger = \"hardware\", line = \"Line0\", frame_after_ms = 50, packet_size_bytes = 1400";
    insta::assert_snapshot!(check("127.0.0.1", taken), @"opens");
    insta::assert_snapshot!(check("Basler-40001", plain), @"camera `cam`: `Basler-40001` does not open: Device 'Basler-40001' not found; `taktgate camera list` shows the cameras that answer");
    let bgr = "pixel_format = \"bgr8\", trigger = \"software\"";
    insta::assert_snapshot!(check(DEVICE, bgr), @r#"camera `cam`: `pixel_format = "bgr8"` is refused: [PixelFormat] Value 35127317 not found; it has BayerBG8, BayerGB8, BayerGR8, BayerRG8, Mono8, RGB8, Mono16"#);
    let line =
        "pixel_format = \"mono8\", trigger = \"hardware\", line = \"Line7\", frame_after_ms = 50";
    insta::assert_snapshot!(check(DEVICE, line), @r#"camera `cam`: `trigger = "hardware"` with the source `Line7` is refused: [TriggerSource] 'Line7' not an entry; it has Line0, Software"#);
    let edge = "pixel_format = \"mono8\", trigger = \"hardware\", line = \"Line0\", frame_after_ms = 50, edge = \"falling\"";
    insta::assert_snapshot!(check(DEVICE, edge), @"camera `cam`: `edge` (FallingEdge of Line0) is refused: [TriggerActivation] 'FallingEdge' not an entry");
    let chunks = format!("{plain}, chunks = true");
    insta::assert_snapshot!(check(DEVICE, &chunks), @"camera `cam`: `chunks = true`: its frames bring no chunks; leave that out");
}
