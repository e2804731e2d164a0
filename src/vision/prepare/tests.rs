//! Preparation against plain references, and points on their way back.

use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::calibration::Projection;
use crate::domain::{Placement, PointMm};
use crate::vision::{Interpolation, Resize};

const FRAME: SizePx = SizePx {
    width_px: 320,
    height_px: 240,
};

/// A mild barrel lens.
const LENS: Lens = Lens {
    focal_px: [300.0, 302.0],
    center_px: PointPx { x: 158.0, y: 121.0 },
    distortion: [-0.12, 0.03, 0.0008, -0.0005, 0.0],
};

const REGION: RectPx = RectPx {
    x: 40.0,
    y: 30.0,
    width: 240.0,
    height: 180.0,
};

const CLAHE: Step = Step::Clahe {
    clip_limit: 2.0,
    tiles: 4,
};

fn optics(flat_field: Option<FlatField>) -> Optics<'static> {
    Optics {
        lens: Some(&LENS),
        flat_field,
        colour: None,
    }
}

fn input(width_px: u32, height_px: u32, channels: u32) -> InputSpec {
    InputSpec {
        width_px,
        height_px,
        channels,
        reverse_input_channels: false,
        mean_values: vec![],
        scale_values: vec![],
        resize: Resize::Standard,
        interpolation: Interpolation::Area,
        pad_value: 0,
    }
}

fn frame_of(size: SizePx, format: PixelFormat, level: impl Fn(f64, f64, f64) -> f64) -> Frame {
    let mut pixels = Vec::new();
    for y in 0..size.height_px {
        for x in 0..size.width_px {
            for c in 0..format.channels() {
                let value = level(f64::from(x), f64::from(y), c as f64);
                pixels.push(u8::try_from(view::pixel(value.clamp(0.0, 255.0)).unwrap()).unwrap());
            }
        }
    }
    Frame::new("c", size, format, pixels, Instant::now()).unwrap()
}

fn texture(x: f64, y: f64, c: f64) -> f64 {
    (x * 7.0 + y * 13.0 + c * 71.0 + x * y / 5.0) % 251.0
}

fn smooth(x: f64, y: f64, c: f64) -> f64 {
    128.0 + 90.0 * (x / 40.0 + c).sin() * (y / 33.0).cos()
}

/// An even sheet, so that a flat field changes nothing but the path.
fn sheet() -> FlatField {
    FlatField::new(Picture {
        size: FRAME,
        format: PixelFormat::Gray8,
        pixels: vec![200; 320 * 240],
    })
    .unwrap()
}

fn prepared(frame: &Frame, region: RectPx, steps: &[Step], spec: &InputSpec) -> Vec<f32> {
    let flat_field = steps.contains(&Step::FlatField).then(sheet);
    let mut preparer =
        Preparer::new(frame.size(), region, steps, optics(flat_field), spec).unwrap();
    let mut tensor = vec![f32::NAN; spec.tensor_length()];
    preparer.prepare(frame, &mut tensor).unwrap();
    assert!(tensor.iter().all(|value| value.is_finite()));
    // A second run in the same scratch images gives the same, also after another format.
    let other = frame_of(frame.size(), PixelFormat::Gray8, texture);
    preparer
        .prepare(&other, &mut vec![0.0; tensor.len()])
        .unwrap();
    let mut again = vec![f32::NAN; tensor.len()];
    preparer.prepare(frame, &mut again).unwrap();
    assert!(again == tensor);
    tensor
}

/// `cv::resize` of the region and normalising by hand.
fn reference(frame: &Frame, rect: [i32; 4], size: [i32; 2], spec: &InputSpec) -> Vec<f32> {
    let whole = view::of(frame).unwrap();
    let [x, y, width, height] = rect;
    let part = whole.roi(core::Rect::new(x, y, width, height)).unwrap();
    let mut resized = Mat::default();
    let size = Size::new(size[0], size[1]);
    imgproc::resize(&part, &mut resized, size, 0.0, 0.0, imgproc::INTER_AREA).unwrap();
    let pixels = resized.data_bytes().unwrap();
    let n = frame.format().channels();
    let mut tensor = Vec::new();
    for k in 0..n {
        let source = if spec.reverse_input_channels {
            n - 1 - k
        } else {
            k
        };
        let values = pixels.iter().skip(source).step_by(n);
        tensor.extend(values.map(|v| (f32::from(*v) - spec.mean_values[k]) / spec.scale_values[k]));
    }
    tensor
}

#[test]
fn resized_by_area_it_equals_a_plain_reference_bit_for_bit() {
    let cases = [
        (FRAME, [40_i32, 30, 240, 180], [80_i32, 60]),
        (FRAME, [40, 30, 240, 180], [97, 61]),
        (FRAME, [1, 3, 111, 97], [64, 64]),
        (FRAME, [5, 6, 20, 10], [64, 64]),
        (FRAME, [33, 44, 64, 48], [64, 48]),
        (
            SizePx {
                width_px: 200,
                height_px: 200,
            },
            [0, 0, 200, 200],
            [224, 224],
        ),
        (
            SizePx {
                width_px: 201,
                height_px: 33,
            },
            [0, 0, 201, 33],
            [31, 7],
        ),
    ];
    for (size, rect, target) in cases {
        for (format, is_reversed) in [
            (PixelFormat::Gray8, false),
            (PixelFormat::Bgr8, false),
            (PixelFormat::Bgr8, true),
        ] {
            let n = format.channels();
            let spec = InputSpec {
                reverse_input_channels: is_reversed,
                mean_values: vec![103.53, 116.28, 123.675][..n].to_vec(),
                scale_values: vec![57.375, 57.12, 58.395][..n].to_vec(),
                ..input(
                    target[0].unsigned_abs(),
                    target[1].unsigned_abs(),
                    u32::try_from(n).unwrap(),
                )
            };
            let frame = frame_of(size, format, texture);
            let [x, y, width, height] = rect.map(f64::from);
            let region = RectPx {
                x,
                y,
                width,
                height,
            };
            let found = prepared(&frame, region, &[], &spec);
            let expected = reference(&frame, rect, target, &spec);
            assert!(
                found == expected,
                "{size:?} {rect:?} {target:?} {format:?} {is_reversed}"
            );
        }
    }
}

#[test]
fn one_map_agrees_with_step_by_step_on_a_smooth_image() {
    for format in [PixelFormat::Gray8, PixelFormat::Rgb8] {
        let frame = frame_of(FRAME, format, smooth);
        let channels = u32::try_from(format.channels()).unwrap();
        for (width, height) in [(120, 90), (101, 77), (240, 180)] {
            let spec = input(width, height, channels);
            let stepwise = prepared(&frame, REGION, &[Step::Undistort], &spec);
            let at_once = prepared(&frame, REGION, &[Step::OneMap, Step::Undistort], &spec);
            let worst = stepwise
                .iter()
                .zip(&at_once)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(
                worst <= 2.0,
                "{format:?} {width} x {height}: {worst} grey levels"
            );
        }
    }
}

#[test]
fn undistorting_straightens_what_the_lens_bent() {
    // The frame shows a bright line that is straight in the undistorted image at row 60.
    let bent = frame_of(FRAME, PixelFormat::Gray8, |x, y, _| {
        let straight = LENS.undistort(PointPx { x, y });
        255.0 * (1.0 - (straight.y - 60.0).abs()).max(0.0)
    });
    let spec = input(240, 180, 1);
    let tensor = prepared(&bent, REGION, &[Step::Undistort], &spec);
    for column in 0..240 {
        let at = |row: usize| tensor[row * 240 + column];
        assert!(
            120.0 < at(30) && at(28) < 60.0 && at(32) < 60.0,
            "column {column}"
        );
    }
}

/// Puts a dot into the frame, finds it in the tensor and goes back.
fn check_dot(dot: (u32, u32), steps: &[Step], spec: &InputSpec) -> Result<(), TestCaseError> {
    let place = (f64::from(dot.0), f64::from(dot.1));
    let dotted = |format| {
        frame_of(FRAME, format, |x, y, _| {
            let distance = (x - place.0).hypot(y - place.1);
            20.0 + 230.0 * (-distance * distance / 8.0).exp()
        })
    };
    let flat_field = steps.contains(&Step::FlatField).then(sheet);
    let lens = Some(&LENS);
    let mut preparer = Preparer::new(
        FRAME,
        REGION,
        steps,
        Optics {
            lens,
            flat_field,
            colour: None,
        },
        spec,
    )
    .unwrap();
    for format in [PixelFormat::Gray8, PixelFormat::Bgr8] {
        let mut tensor = vec![0.0; spec.tensor_length()];
        preparer.prepare(&dotted(format), &mut tensor).unwrap();
        // The centre of what is bright, against the greatest value's neighbourhood.
        let width = spec.width_px as usize;
        let plane = &tensor[..width * spec.height_px as usize];
        let (peak, top) =
            plane.iter().enumerate().fold(
                (0, 0.0),
                |best, (i, v)| if best.1 < *v { (i, *v) } else { best },
            );
        let (mut x, mut y, mut total) = (0.0, 0.0, 0.0);
        for (i, value) in plane.iter().enumerate() {
            let (column, row) = ((i % width) as f64, (i / width) as f64);
            let near = (column - (peak % width) as f64).hypot(row - (peak / width) as f64) < 4.0;
            let weight = f64::from((value - top / 2.0).max(0.0));
            if near {
                x += column * weight;
                y += row * weight;
                total += weight;
            }
        }
        let back = preparer.original_from_input(PointPx {
            x: x / total,
            y: y / total,
        });
        let off = (back.x - place.0).hypot(back.y - place.1);
        prop_assert!(
            off < 1.0,
            "{steps:?} {spec:?}: {place:?} came back as {back:?}"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn a_dot_comes_back_to_its_place(
        dot in (60u32..260, 50u32..190),
        steps in proptest::sample::subsequence(
            vec![Step::Undistort, Step::FlatField, CLAHE, Step::OneMap], 0..=4),
        size in (90u32..300, 80u32..300),
        resize in proptest::sample::select(vec![
            Resize::Standard,
            Resize::FitToWindowLetterbox,
            Resize::Letterbox,
            Resize::LetterboxTopLeft,
        ]),
        interpolation in proptest::sample::select(Interpolation::ALL.to_vec()),
        channels in proptest::sample::select(vec![1u32, 3]),
    ) {
        let spec = InputSpec {
            resize,
            interpolation,
            ..input(size.0, size.1, channels)
        };
        check_dot(dot, &steps, &spec)?;
    }
}

#[test]
fn a_flat_field_evens_the_light() {
    let light = |x: f64, y: f64| 1.0 - ((x - 160.0).powi(2) + (y - 120.0).powi(2)) / 80_000.0;
    let sheet = frame_of(FRAME, PixelFormat::Gray8, |x, y, _| 220.0 * light(x, y));
    let part = |format| frame_of(FRAME, format, |x, y, c| (100.0 + 20.0 * c) * light(x, y));
    let flat_field = FlatField::new(Picture {
        size: FRAME,
        format: PixelFormat::Gray8,
        pixels: sheet.pixels().to_vec(),
    })
    .unwrap();
    for steps in [
        vec![Step::FlatField],
        vec![Step::FlatField, Step::Undistort],
        vec![Step::FlatField, Step::Undistort, Step::OneMap],
    ] {
        for (format, channels) in [(PixelFormat::Gray8, 1), (PixelFormat::Rgb8, 3)] {
            let spec = input(60, 45, channels);
            let field = Some(flat_field.clone());
            let mut preparer = Preparer::new(FRAME, REGION, &steps, optics(field), &spec).unwrap();
            let mut tensor = vec![0.0; spec.tensor_length()];
            preparer.prepare(&part(format), &mut tensor).unwrap();
            for plane in tensor.chunks(60 * 45) {
                let low = plane.iter().copied().fold(f32::MAX, f32::min);
                let high = plane.iter().copied().fold(0.0, f32::max);
                assert!(high - low <= 2.0, "{steps:?} {format:?}: {low} to {high}");
            }
        }
    }
    let dark = Picture {
        size: FRAME,
        format: PixelFormat::Gray8,
        pixels: vec![3; 320 * 240],
    };
    assert_eq!(
        FlatField::new(dark).unwrap_err().to_string(),
        "the flat-field picture has a mean of 3.0, at least 16 is needed; expose it longer"
    );
}

#[test]
fn equalising_raises_contrast_and_keeps_colour_order() {
    let faint = frame_of(FRAME, PixelFormat::Bgr8, |x, y, c| {
        90.0 + 30.0 * c + 6.0 * ((x / 9.0).sin() + (y / 7.0).cos())
    });
    let spec = input(240, 180, 3);
    let spread = |tensor: &[f32]| {
        let plane = &tensor[..240 * 180];
        plane.iter().copied().fold(0.0, f32::max) - plane.iter().copied().fold(255.0, f32::min)
    };
    let plain = prepared(&faint, REGION, &[], &spec);
    let equalised = prepared(&faint, REGION, &[CLAHE], &spec);
    assert!(spread(&plain) * 1.5 < spread(&equalised));
    let mean = |plane: usize| {
        equalised[plane * 240 * 180..(plane + 1) * 240 * 180]
            .iter()
            .sum::<f32>()
            / 43_200.0
    };
    assert!(mean(0) < mean(1) && mean(1) < mean(2));
}

#[test]
fn pixels_are_written_as_often_as_said() {
    let copies = |steps: &[Step], spec: &InputSpec| {
        let flat_field = steps.contains(&Step::FlatField).then(sheet);
        let preparer = Preparer::new(FRAME, REGION, steps, optics(flat_field), spec).unwrap();
        [PixelFormat::Gray8, PixelFormat::Bgr8].map(|format| preparer.copies(format))
    };
    assert_eq!(copies(&[], &input(240, 180, 3)), [1, 1]);
    assert_eq!(copies(&[], &input(80, 60, 3)), [2, 2]);
    assert_eq!(copies(&[], &input(80, 60, 1)), [2, 3]);
    assert_eq!(copies(&[Step::OneMap], &input(80, 60, 3)), [2, 2]);
    assert_eq!(copies(&[Step::Undistort], &input(80, 60, 3)), [3, 3]);
    let at_once = [Step::Undistort, Step::OneMap];
    assert_eq!(copies(&at_once, &input(80, 60, 3)), [2, 2]);
    assert_eq!(copies(&[CLAHE, Step::FlatField], &input(80, 60, 3)), [4, 8]);
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let spec = input(64, 64, 3);
    let error = |region, steps: &[Step], lens: Option<&Lens>| {
        Preparer::new(
            FRAME,
            region,
            steps,
            Optics {
                lens,
                ..Optics::default()
            },
            &spec,
        )
        .err()
        .unwrap()
        .to_string()
    };
    assert_eq!(
        error(REGION, &[Step::Undistort], None),
        "step `undistort` needs the camera's lens; calibrate the camera, or take the step out of the recipe"
    );
    assert!(error(REGION, &[Step::FlatField], None).contains("flat_field"));
    let wide = RectPx {
        width: 300.0,
        ..REGION
    };
    assert_eq!(
        error(wide, &[], None),
        "the region 300 x 180 px at (40, 30) does not lie in the frame of 320 x 240 px; correct the recipe's region"
    );
    let pincushion = Lens {
        distortion: [0.3, 0.0, 0.0, 0.0, 0.0],
        ..LENS
    };
    let all = RectPx {
        x: 0.0,
        y: 0.0,
        width: 320.0,
        height: 240.0,
    };
    assert!(error(all, &[Step::Undistort], Some(&pincushion)).contains("beyond what the camera"));
    let clahe = |clip_limit, tiles| [Step::Clahe { clip_limit, tiles }];
    assert_eq!(
        error(REGION, &clahe(2.0, 0), None),
        "step `clahe`: `tiles = 0` is out of range; write 1 to 64"
    );
    assert!(error(REGION, &clahe(f64::NAN, 8), None).contains("1 to 40"));

    let mut preparer = Preparer::new(FRAME, REGION, &[], Optics::default(), &spec).unwrap();
    let small = SizePx {
        width_px: 10,
        height_px: 10,
    };
    let small = frame_of(small, PixelFormat::Gray8, texture);
    let mut tensor = vec![0.0; spec.tensor_length()];
    assert_eq!(
        preparer
            .prepare(&small, &mut tensor)
            .unwrap_err()
            .to_string(),
        "the frame has 10 x 10 px, but the view was set up for 320 x 240 px; set the camera's size back, or the recipe's and calibration's"
    );
    let whole = frame_of(FRAME, PixelFormat::Gray8, texture);
    assert!(preparer.prepare(&whole, &mut tensor[1..]).is_err());
}

#[test]
fn golden_pictures_are_only_normalised() {
    let spec = InputSpec {
        reverse_input_channels: true,
        mean_values: vec![1.0, 2.0, 3.0],
        scale_values: vec![1.0, 2.0, 4.0],
        ..input(320, 240, 3)
    };
    let frame = frame_of(FRAME, PixelFormat::Rgb8, texture);
    let mut picture = Picture {
        size: FRAME,
        format: PixelFormat::Rgb8,
        pixels: frame.pixels().to_vec(),
    };
    let all = RectPx {
        x: 0.0,
        y: 0.0,
        width: 320.0,
        height: 240.0,
    };
    let mut tensor = vec![0.0; spec.tensor_length()];
    normalise_only(&picture, &spec, &mut tensor).unwrap();
    assert!(tensor == prepared(&frame, all, &[], &spec));
    let grey = InputSpec {
        mean_values: vec![],
        scale_values: vec![],
        ..input(320, 240, 1)
    };
    let mut tensor = vec![0.0; grey.tensor_length()];
    normalise_only(&picture, &grey, &mut tensor).unwrap();
    assert!(tensor == prepared(&frame, all, &[], &grey));
    picture.size.width_px = 319;
    assert!(normalise_only(&picture, &grey, &mut tensor).is_err());
}

#[test]
fn a_preparer_can_be_handed_to_a_thread() {
    fn is_send<T: Send>() {}
    is_send::<Preparer>();
    is_send::<FlatField>();
}

/// A part that lies elsewhere, in front of a camera that looks askew through the lens.
fn placed() -> Placed {
    let plane = [[0.2, 0.006, -1.0], [0.004, 0.21, -3.0], [1e-4, 6e-5, 1.0]];
    let placement = Placement {
        pivot: PointMm { x: 30.0, y: 22.0 },
        shift: PointMm { x: 2.3, y: -1.7 },
        turn_deg: 3.5,
        score: 1.0,
    };
    Placed {
        projection: Projection::new(Some(LENS), plane),
        placement,
    }
}

#[test]
fn a_part_that_lies_elsewhere_gives_the_input_of_one_that_lies_right() {
    let placed = placed();
    let level = |x: f64, y: f64| 120.0 + 50.0 * (x / 7.0).sin() + 40.0 * (y / 9.0).cos();
    let home = frame_of(FRAME, PixelFormat::Gray8, |x, y, _| level(x, y));
    let now = frame_of(FRAME, PixelFormat::Gray8, |x, y, _| {
        let home = placed.home_from_now(PointPx { x, y });
        level(home.x, home.y)
    });
    let sheet = |x: f64, y: f64| 90.0 + 0.3 * x + 0.2 * y;
    for steps in [
        vec![],
        vec![Step::Undistort],
        vec![Step::Undistort, Step::OneMap],
        vec![Step::Undistort, Step::FlatField],
    ] {
        let input = input(160, 120, 1);
        let is_lit = steps.contains(&Step::FlatField);
        let lit = |frame: &Frame| {
            let mut pixels = frame.pixels().to_vec();
            for (n, value) in pixels.iter_mut().enumerate().filter(|_| is_lit) {
                let (x, y) = ((n % 320) as f64, (n / 320) as f64);
                let level = f64::from(*value) * sheet(x, y) / 255.0;
                *value = u8::try_from(view::pixel(level.round()).unwrap()).unwrap();
            }
            Frame::new("c", FRAME, PixelFormat::Gray8, pixels, Instant::now()).unwrap()
        };
        let sheet = frame_of(FRAME, PixelFormat::Gray8, |x, y, _| sheet(x, y));
        let flat_field = FlatField::new(Picture {
            size: FRAME,
            format: PixelFormat::Gray8,
            pixels: sheet.pixels().to_vec(),
        })
        .unwrap();
        let flat_field = is_lit.then_some(flat_field);
        let mut preparer =
            Preparer::new(FRAME, REGION, &steps, optics(flat_field), &input).unwrap();
        let (mut expected, mut found) = (vec![0.0; 160 * 120], vec![0.0; 160 * 120]);
        preparer.prepare(&lit(&home), &mut expected).unwrap();
        preparer.follow(placed).unwrap();
        preparer.prepare(&lit(&now), &mut found).unwrap();
        let off = expected.iter().zip(&found).map(|(a, b)| (a - b).abs());
        let most = off.fold(0.0, f32::max);
        // Sampled once more between pixels, rounded to whole grey levels once more.
        assert!(most < 4.0, "{steps:?}: {most} grey levels off");
        let (x, y) = (71.0, 44.0);
        let there = preparer.original_from_input(PointPx { x, y });
        let back = preparer.input_from_original(there).unwrap();
        assert!((back.x - x).hypot(back.y - y) < 1e-4, "{back:?}");
    }
}

#[test]
fn a_region_that_follows_its_part_out_of_the_picture_is_said() {
    let mut preparer =
        Preparer::new(FRAME, REGION, &[], Optics::default(), &input(160, 120, 1)).unwrap();
    // The region's rim is 30 px from that of the frame, 6 mm.
    let mut far = placed();
    far.placement.turn_deg = 0.0;
    far.placement.shift = PointMm { x: 0.0, y: 5.0 };
    preparer.follow(far).unwrap();
    far.placement.shift.y = 7.5;
    let error = preparer.follow(far).unwrap_err();
    assert!(matches!(error, VisionError::PartUnseen { .. }), "{error}");
    assert!(error.is_misplaced());
}

#[test]
fn colours_are_corrected_after_sampling_and_only_where_there_are_any() {
    // Red and blue change places, and green stays.
    let exchange = Colour {
        curve: crate::calibration::Curve::Srgb,
        srgb_from_camera: [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
        figures: None,
    };
    let preparer = |steps: &[Step], colour, channels| {
        let optics = Optics {
            lens: Some(&LENS),
            colour,
            ..Optics::default()
        };
        Preparer::new(FRAME, REGION, steps, optics, &input(160, 120, channels))
    };
    for steps in [
        vec![],
        vec![Step::Undistort],
        vec![Step::Undistort, Step::OneMap],
    ] {
        let with = [&steps[..], &[Step::Colour]].concat();
        let mut plain = preparer(&steps, Some(&exchange), 3).unwrap();
        let mut changed = preparer(&with, Some(&exchange), 3).unwrap();
        for format in [PixelFormat::Bgr8, PixelFormat::Rgb8] {
            assert_eq!(changed.copies(format), plain.copies(format) + 1);
            let frame = frame_of(FRAME, format, smooth);
            let (mut one, mut other) = (vec![0.0; 160 * 120 * 3], vec![0.0; 160 * 120 * 3]);
            plain.prepare(&frame, &mut one).unwrap();
            changed.prepare(&frame, &mut other).unwrap();
            for channel in 0..3 {
                let plane =
                    |tensor: &[f32], at: usize| tensor[at * 19_200..(at + 1) * 19_200].to_vec();
                let pairs = plane(&one, channel)
                    .into_iter()
                    .zip(plane(&other, 2 - channel));
                let most = pairs
                    .map(|(one, other)| (one - other).abs())
                    .fold(0.0, f32::max);
                // Sampled numbers are rounded to levels first.
                assert!(most < 0.51, "{steps:?} {format:?} {channel}: {most}");
            }
        }
        let grey = frame_of(FRAME, PixelFormat::Gray8, smooth);
        let refused = changed.prepare(&grey, &mut vec![0.0; 160 * 120 * 3]);
        assert!(matches!(refused, Err(VisionError::ColourOfGrey)));
    }
    let refused = |colour, channels| preparer(&[Step::Colour], colour, channels).err().unwrap();
    assert!(matches!(refused(None, 3), VisionError::NoColour));
    assert!(matches!(
        refused(Some(&exchange), 1),
        VisionError::ColourForGrey
    ));
}
