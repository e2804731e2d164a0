//! Setting a GenICam camera, and reading back what it took.

use aravis::prelude::*;
use aravis::{AcquisitionMode, Auto, Camera, ChunkParser, GvPacketSizeAdjustment, PixelFormat};

use super::super::{GenicamPixels, GenicamSettings, GenicamTrigger};

/// A camera may round a setting by so much.
const ROUNDED_BY_MAX: f64 = 0.01;

/// Sets everything and reads it back; the parser of chunks is there where frames bring them.
pub(super) fn apply(
    camera: &Camera,
    settings: &GenicamSettings,
) -> Result<Option<ChunkParser>, String> {
    let refused = |key: &str| {
        let key = key.to_owned();
        move |error: aravis::glib::Error| format!("{key} is refused: {error}")
    };
    camera
        .set_acquisition_mode(AcquisitionMode::Continuous)
        .map_err(refused("continuous acquisition"))?;
    pixels(camera, settings.pixel_format)?;
    region(camera, settings)?;
    if let Some(exposure_us) = settings.exposure_us {
        let key = format!("`exposure_us = {exposure_us}`");
        if camera.is_exposure_auto_available().unwrap_or(false) {
            let off = camera.set_exposure_time_auto(Auto::Off);
            off.map_err(refused("switching its automatic exposure off"))?;
        }
        camera
            .set_exposure_time(exposure_us)
            .map_err(refused(&key))?;
        let found = camera.exposure_time().map_err(refused(&key))?;
        near(&key, exposure_us, found, camera.exposure_time_bounds().ok())?;
    }
    if let Some(gain) = settings.gain {
        let key = format!("`gain = {gain}`");
        if !camera.is_gain_available().unwrap_or(false) {
            return Err(format!("{key}: it has no gain; leave that out"));
        }
        if camera.is_gain_auto_available().unwrap_or(false) {
            let off = camera.set_gain_auto(Auto::Off);
            off.map_err(refused("switching its automatic gain off"))?;
        }
        camera.set_gain(gain).map_err(refused(&key))?;
        let found = camera.gain().map_err(refused(&key))?;
        near(&key, gain, found, camera.gain_bounds().ok())?;
    }
    trigger(camera, &settings.trigger)?;
    packet_size(camera, settings.packet_size_bytes)?;
    if settings.chunks {
        return chunks(camera).map(Some);
    }
    Ok(None)
}

fn near(key: &str, wanted: f64, found: f64, bounds: Option<(f64, f64)>) -> Result<(), String> {
    if (found - wanted).abs() <= wanted.abs() * ROUNDED_BY_MAX {
        return Ok(());
    }
    let range = bounds.map_or(String::new(), |(min, max)| {
        format!("; it takes {min} to {max}")
    });
    Err(format!("{key} was set, but the camera has {found}{range}"))
}

fn pixels(camera: &Camera, wanted: GenicamPixels) -> Result<(), String> {
    let (name, format) = match wanted {
        GenicamPixels::Mono8 => ("mono8", PixelFormat::MONO_8),
        GenicamPixels::Bgr8 => ("bgr8", PixelFormat::BGR_8_PACKED),
        GenicamPixels::Rgb8 => ("rgb8", PixelFormat::RGB_8_PACKED),
        GenicamPixels::BayerBg8 => ("bayerbg8", PixelFormat::BAYER_BG_8),
        GenicamPixels::BayerGb8 => ("bayergb8", PixelFormat::BAYER_GB_8),
        GenicamPixels::BayerGr8 => ("bayergr8", PixelFormat::BAYER_GR_8),
        GenicamPixels::BayerRg8 => ("bayerrg8", PixelFormat::BAYER_RG_8),
    };
    let set = camera.set_pixel_format(format);
    let found = set.and_then(|()| camera.pixel_format());
    let problem = match found {
        Ok(found) if found == format => return Ok(()),
        Ok(found) => format!("the camera has 0x{:08x}", found.raw()),
        Err(error) => error.to_string(),
    };
    let has = camera
        .dup_available_pixel_formats_as_strings()
        .unwrap_or_default();
    let has: Vec<&str> = has.iter().map(aravis::glib::GString::as_str).collect();
    Err(format!(
        "`pixel_format = \"{name}\"` is refused: {problem}; it has {}",
        has.join(", ")
    ))
}

fn region(camera: &Camera, settings: &GenicamSettings) -> Result<(), String> {
    let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    let (x, y) = settings.offset_px;
    let size = settings.size;
    let wanted = (
        number(x),
        number(y),
        number(size.width_px),
        number(size.height_px),
    );
    let set = camera.set_region(wanted.0, wanted.1, wanted.2, wanted.3);
    let problem = match set.and_then(|()| camera.region()) {
        Ok(found) if found == wanted => return Ok(()),
        Ok((x, y, width, height)) => format!("the camera has {width} x {height} at ({x}, {y})"),
        Err(error) => error.to_string(),
    };
    let sensor = camera
        .sensor_size()
        .map_or(String::new(), |(width, height)| {
            format!("; its sensor has {width} x {height} px")
        });
    Err(format!(
        "{} x {} px at ({x}, {y}) is refused: {problem}{sensor}",
        size.width_px, size.height_px
    ))
}

fn trigger(camera: &Camera, trigger: &GenicamTrigger) -> Result<(), String> {
    let refused = |key: String| move |error| format!("{key} is refused: {error}");
    match trigger {
        GenicamTrigger::FreeRun => camera
            .clear_triggers()
            .map_err(refused("`trigger = \"free_run\"`".to_owned())),
        GenicamTrigger::Software => source(camera, "software", "Software"),
        GenicamTrigger::Hardware { line, falling, .. } => {
            source(camera, "hardware", line)?;
            let edge = if *falling {
                "FallingEdge"
            } else {
                "RisingEdge"
            };
            let key = || format!("`edge` ({edge} of {line})");
            camera
                .set_string("TriggerActivation", edge)
                .map_err(refused(key()))?;
            let found = camera.string("TriggerActivation").map_err(refused(key()))?;
            if found == edge {
                Ok(())
            } else {
                Err(format!("{} was set, but the camera has {found}", key()))
            }
        }
    }
}

fn source(camera: &Camera, trigger: &str, source: &str) -> Result<(), String> {
    let set = camera.set_trigger(source);
    let problem = match set.and_then(|()| camera.trigger_source()) {
        Ok(found) if found == source => return Ok(()),
        Ok(found) => format!("the camera has `{found}`"),
        Err(error) => error.to_string(),
    };
    let has = camera.dup_available_trigger_sources().unwrap_or_default();
    let has: Vec<&str> = has.iter().map(aravis::glib::GString::as_str).collect();
    Err(format!(
        "`trigger = \"{trigger}\"` with the source `{source}` is refused: {problem}; it has {}",
        has.join(", ")
    ))
}

fn packet_size(camera: &Camera, wanted: Option<u32>) -> Result<(), String> {
    let Some(wanted) = wanted else {
        return Ok(());
    };
    let key = format!("`packet_size_bytes = {wanted}`");
    if !camera.is_gv_device() {
        return Err(format!("{key} is for GigE Vision; leave it out"));
    }
    let failed = |error| format!("{key} is refused: {error}");
    camera.gv_set_packet_size_adjustment(GvPacketSizeAdjustment::Never);
    let bytes = i32::try_from(wanted).unwrap_or(i32::MAX);
    camera.gv_set_packet_size(bytes).map_err(failed)?;
    let found = camera.gv_get_packet_size().map_err(failed)?;
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{key} was set, but the camera has {found}"))
    }
}

fn chunks(camera: &Camera) -> Result<ChunkParser, String> {
    let is_there = camera.is_feature_available("ChunkModeActive");
    if !is_there.unwrap_or(false) {
        return Err("`chunks = true`: its frames bring no chunks; leave that out".to_owned());
    }
    camera
        .set_chunks("ExposureTime")
        .map_err(|error| format!("`chunks = true` is refused: {error}"))?;
    let parser = camera.create_chunk_parser();
    parser.ok_or_else(|| "`chunks = true`: its chunks cannot be read; leave that out".to_owned())
}
