//! Against what Pillow and torchvision made of the same picture (`tests/resize/make.py`).

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::domain::{PixelFormat, RectPx};
use crate::vision::{
    self, Arithmetic, DecodeLimits, Filter, InputSpec, Interpolation, Picture, Preparer, Resize,
    decode,
};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/resize")
        .join(name)
}

fn picture(name: &str) -> Picture {
    let bytes = std::fs::read(file(name)).unwrap();
    decode(&bytes, DecodeLimits::default()).unwrap()
}

fn spec(width_px: u32, height_px: u32, interpolation: Interpolation) -> InputSpec {
    InputSpec {
        width_px,
        height_px,
        channels: 3,
        reverse_input_channels: true,
        mean_values: vec![],
        scale_values: vec![],
        resize: Resize::Standard,
        interpolation,
        pad_value: 0,
    }
}

fn prepared(spec: &InputSpec) -> Vec<f32> {
    let picture = picture("picture.png");
    let size = picture.size;
    let region = RectPx {
        x: 0.0,
        y: 0.0,
        width: f64::from(size.width_px),
        height: f64::from(size.height_px),
    };
    let frame = picture.into_frame("c", Instant::now()).unwrap();
    let mut preparer = Preparer::new(size, region, &[], vision::Optics::default(), spec).unwrap();
    let mut tensor = vec![f32::NAN; spec.tensor_length()];
    preparer.prepare(&frame, &mut tensor).unwrap();
    tensor
}

/// The planes of a picture in the order of the net.
fn planes(picture: &Picture) -> Vec<f32> {
    assert_eq!(picture.format, PixelFormat::Rgb8);
    let channel = |channel: usize| {
        picture
            .pixels
            .iter()
            .skip(channel)
            .step_by(3)
            .map(|p| f32::from(*p))
    };
    (0..3).flat_map(channel).collect()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

#[test]
fn filters_give_what_pillow_gives() {
    for (word, interpolation) in [
        (
            "linear",
            Interpolation::Antialias(Filter::Linear, Arithmetic::Pillow),
        ),
        (
            "cubic",
            Interpolation::Antialias(Filter::Cubic, Arithmetic::Pillow),
        ),
    ] {
        for name in ["smaller", "much-smaller", "larger", "mixed"] {
            let expected = picture(&format!("{word}-{name}.png"));
            let spec = spec(
                expected.size.width_px,
                expected.size.height_px,
                interpolation,
            );
            let off = largest_difference(&planes(&expected), &prepared(&spec));
            assert!(off < 0.5, "{word} {name}: {off} grey values");
        }
    }
}

#[test]
fn the_exact_filter_gives_what_torchvision_gives() {
    for (name, width_px, height_px) in [("smaller", 40, 25), ("much-smaller", 13, 9)] {
        let bytes = std::fs::read(file(&format!("exact-{name}.f32"))).unwrap();
        let numbers = bytes.as_chunks().0.iter().copied().map(f32::from_le_bytes);
        let expected: Vec<f32> = numbers.collect();
        let exact = prepared(&spec(
            width_px,
            height_px,
            Interpolation::Antialias(Filter::Linear, Arithmetic::TorchFloats),
        ));
        let off = largest_difference(&expected, &exact);
        assert!(off < 1e-3, "{name}: {off} grey values");
        // Rounding is what makes the two different.
        let rounded = prepared(&spec(
            width_px,
            height_px,
            Interpolation::Antialias(Filter::Linear, Arithmetic::Pillow),
        ));
        assert!(largest_difference(&expected, &rounded) > 0.4, "{name}");
    }
}

#[test]
fn a_crop_gives_what_torchvision_gives() {
    let spec = InputSpec {
        resize: Resize::Crop { shorter_px: 40 },
        ..spec(
            32,
            32,
            Interpolation::Antialias(Filter::Linear, Arithmetic::Pillow),
        )
    };
    let off = largest_difference(&planes(&picture("crop-40-32.png")), &prepared(&spec));
    assert!(off < 0.5, "{off} grey values");
}

#[test]
fn grey_frames_and_grey_nets_are_resized_too() {
    let bytes: Vec<u8> = (0..48_u8).map(|level| level * 5).collect();
    let size = crate::domain::SizePx {
        width_px: 8,
        height_px: 6,
    };
    let frame = Picture {
        size,
        format: PixelFormat::Gray8,
        pixels: bytes,
    };
    let region = RectPx {
        x: 0.0,
        y: 0.0,
        width: 8.0,
        height: 6.0,
    };
    let frame = frame.into_frame("c", Instant::now()).unwrap();
    for interpolation in [
        Interpolation::Antialias(Filter::Linear, Arithmetic::Pillow),
        Interpolation::Antialias(Filter::Linear, Arithmetic::TorchFloats),
    ] {
        for channels in [1, 3] {
            let spec = InputSpec {
                channels,
                ..spec(4, 3, interpolation)
            };
            let mut tensor = vec![f32::NAN; spec.tensor_length()];
            let mut preparer =
                Preparer::new(size, region, &[], vision::Optics::default(), &spec).unwrap();
            preparer.prepare(&frame, &mut tensor).unwrap();
            // A slope stays one: the middle of the frame is the middle of the input.
            let middle = f32::midpoint(tensor[5], tensor[6]);
            assert!(
                (middle - 117.5).abs() <= 1.0,
                "{interpolation:?} {channels}: {tensor:?}"
            );
            assert!(tensor[0] < 40.0 && tensor[11] > 195.0, "{tensor:?}");
        }
    }
}
