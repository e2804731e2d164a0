//! Parts on a plane whose place is known exactly, seen straight, askew and through a lens.

use std::time::Instant;

use super::*;
use crate::calibration::Calibration;

const SIZE: SizePx = SizePx {
    width_px: 640,
    height_px: 480,
};

const REGION: RectPx = RectPx {
    x: 60.0,
    y: 50.0,
    width: 520.0,
    height: 380.0,
};

/// Straight above, 0.2 mm a pixel.
fn straight() -> Projection {
    Calibration::scale_only("cam", 0.2).projection()
}

/// Askew and through a barrel lens, about 0.2 mm a pixel; the second axis points up.
fn askew() -> Projection {
    let text = r#"
schema = 1
camera = "cam"
made_at_utc = "2026-11-22T00:00:00Z"
valid_until_utc = "2027-11-22T00:00:00Z"
image_size_px = [640, 480]
camera_matrix_px = [[900.0, 0.0, 322.0], [0.0, 905.0, 238.0], [0.0, 0.0, 1.0]]
distortion = [-0.15, 0.05, 0.0005, -0.0004, 0.0]
plane = "panel"
mm_from_px = [[0.2, 0.006, -1.0], [0.004, -0.21, 98.0], [4e-5, 8e-5, 1.0]]
reprojection_error_rms_px = 0.1
board = "none"
"#;
    let calibration = Calibration::parse("cam.toml".as_ref(), text).unwrap();
    calibration.projection()
}

/// Grey level of the part at a place: holes, slots and embossings with soft edges on a plain sheet.
fn part(place: PointMm, seed: f64) -> f64 {
    let mut level = 150.0;
    for n in 0..26 {
        let n = f64::from(n);
        // Scattered without a pattern, and the same in every run.
        let share = |salt: f64| {
            ((n * 12.9898 + salt * 78.233 + seed).sin() * 43758.5453)
                .fract()
                .abs()
        };
        let (x, y) = (8.0 + 112.0 * share(1.0), 6.0 + 84.0 * share(2.0));
        let (half_x, half_y) = (1.5 + 3.5 * share(3.0), 1.5 + 3.5 * share(4.0));
        let depth = 130.0 * (share(5.0) - 0.55);
        let (dx, dy) = ((place.x - x).abs() - half_x, (place.y - y).abs() - half_y);
        let outside = dx.max(dy);
        level += depth * (0.5 - outside / 0.4).clamp(0.0, 1.0);
    }
    level
}

/// What the camera sees of the part; `light` changes what reaches the sensor at a pixel.
fn seen(
    projection: &Projection,
    placement: Option<&Placement>,
    light: impl Fn(u32, u32, f64) -> f64,
) -> Picture {
    let mut pixels = Vec::new();
    for y in 0..SIZE.height_px {
        for x in 0..SIZE.width_px {
            let now = projection.mm_from_px(PointPx {
                x: f64::from(x),
                y: f64::from(y),
            });
            let home = placement.map_or(now, |placement| placement.home_from_now(now));
            let level = light(x, y, part(home, 0.0)).round().clamp(0.0, 255.0);
            pixels.push(u8::try_from(pixel(level).unwrap()).unwrap());
        }
    }
    Picture {
        size: SIZE,
        format: PixelFormat::Gray8,
        pixels,
    }
}

fn as_it_is(_x: u32, _y: u32, level: f64) -> f64 {
    level
}

/// Half as bright, uneven, with noise that is the same in every run.
fn poorly(x: u32, y: u32, level: f64) -> f64 {
    let noise = (f64::from(x) * 12.9898 + f64::from(y) * 78.233).sin() * 43758.5453;
    20.0 + 0.45 * level + 0.03 * f64::from(x) + 10.0 * (noise.fract().abs() - 0.5)
}

fn frame(picture: Picture) -> Frame {
    picture.into_frame("cam", Instant::now()).unwrap()
}

fn fixture() -> Fixture {
    Fixture {
        marks_px: Vec::new(),
        shift_max_mm: 6.0,
        turn_max_deg: 5.0,
        score_min: 0.7,
        drift_max_mm: 3.0,
    }
}

fn registrar(projection: Projection, fixture: &Fixture) -> Registrar {
    let reference = seen(&projection, None, as_it_is);
    Registrar::new(&reference, fixture, projection, REGION).unwrap()
}

fn placement(x: f64, y: f64, turn_deg: f64) -> Placement {
    Placement {
        pivot: PointMm { x: 60.0, y: 45.0 },
        shift: PointMm { x, y },
        turn_deg,
        score: 1.0,
    }
}

/// How far the found place of any of the region's corners is from the true one.
fn error_mm(found: &Placed, truth: &Placement) -> f64 {
    let corners = REGION
        .corners()
        .map(|corner| found.projection.mm_from_px(corner));
    corners
        .iter()
        .map(|corner| {
            let (is, should) = (
                found.placement.now_from_home(*corner),
                truth.now_from_home(*corner),
            );
            (is.x - should.x).hypot(is.y - should.y)
        })
        .fold(0.0, f64::max)
}

#[test]
fn a_part_is_found_to_a_fraction_of_a_pixel_wherever_it_may_lie() {
    for projection in [straight(), askew()] {
        let registrar = registrar(projection, &fixture());
        assert!((4..=6).contains(&registrar.marks().count()));
        for (x, y, turn_deg) in [
            (0.0, 0.0, 0.0),
            (0.13, -0.07, 0.2),
            (3.0, 2.0, -1.1),
            (-4.0, 3.5, 4.6),
            (2.2, -5.0, -4.4),
            (-0.5, 0.0, 2.3),
        ] {
            let truth = placement(x, y, turn_deg);
            let found = registrar
                .find(&frame(seen(&projection, Some(&truth), poorly)))
                .unwrap_or_else(|error| panic!("({x}, {y}, {turn_deg}): {error}"));
            let off_mm = error_mm(&found, &truth);
            // 0.08 mm are 0.4 px, at the farthest corner.
            let case = format!(
                "({x}, {y}, {turn_deg}): {off_mm:.3} mm off, {:?}",
                found.placement
            );
            assert!(off_mm < 0.08, "{case}, {:?}", registrar.marks);
            assert!(0.8 < found.placement.score, "{}", found.placement.score);
        }
    }
}

#[test]
fn a_mark_that_is_covered_is_outvoted() {
    let registrar = registrar(straight(), &fixture());
    let truth = placement(1.6, -2.4, 2.0);
    for mark in registrar.marks().collect::<Vec<_>>() {
        let stain = |x: u32, y: u32, level: f64| {
            let (dx, dy) = (f64::from(x) - mark.x - 8.0, f64::from(y) - mark.y + 12.0);
            let is_under = dx.abs() < 40.0 && dy.abs() < 40.0;
            if is_under { 90.0 } else { level }
        };
        let found = registrar
            .find(&frame(seen(&straight(), Some(&truth), stain)))
            .unwrap();
        let off_mm = error_mm(&found, &truth);
        assert!(off_mm < 0.06, "{mark:?}: {off_mm:.3} mm off");
    }
}

#[test]
fn a_part_that_lies_too_far_or_is_not_there_is_refused() {
    let registrar = registrar(straight(), &fixture());
    let find = |picture: Picture| registrar.find(&frame(picture)).unwrap_err();
    for (x, y, turn_deg) in [(6.6, 0.0, 0.0), (0.5, 0.5, -5.6)] {
        let truth = placement(x, y, turn_deg);
        let error = find(seen(&straight(), Some(&truth), as_it_is));
        assert!(matches!(error, VisionError::TooFar { .. }), "{error}");
        assert!(error.is_misplaced());
    }
    let elsewhere = placement(30.0, 0.0, 0.0);
    let plain = |_: u32, _: u32, _: f64| 120.0;
    let noise = |x: u32, y: u32, _: f64| poorly(x, y, 120.0);
    for picture in [
        seen(&straight(), Some(&elsewhere), as_it_is),
        seen(&straight(), None, plain),
        seen(&straight(), None, noise),
    ] {
        let error = find(picture);
        assert!(matches!(error, VisionError::NotFound { .. }), "{error}");
        assert!(error.is_misplaced());
    }
}

#[test]
fn another_part_is_not_taken_for_this_one() {
    let registrar = registrar(straight(), &fixture());
    for seed in 1..12 {
        let mut other = seen(&straight(), None, as_it_is);
        for (n, value) in other.pixels.iter_mut().enumerate() {
            let n = u32::try_from(n).unwrap();
            let place = straight().mm_from_px(PointPx {
                x: f64::from(n % SIZE.width_px),
                y: f64::from(n / SIZE.width_px),
            });
            let level = part(place, f64::from(seed)).clamp(0.0, 255.0);
            *value = u8::try_from(pixel(level.round()).unwrap()).unwrap();
        }
        let found = registrar.find(&frame(other)).map(|placed| placed.placement);
        let error = found.unwrap_err();
        assert!(error.is_misplaced(), "{error}");
    }
}

#[test]
fn marks_that_the_recipe_names_are_used_and_bad_ones_are_refused_with_words() {
    let rect = |[x, y, width, height]: [f64; 4]| RectPx {
        x,
        y,
        width,
        height,
    };
    let with = |marks: &[[f64; 4]]| Fixture {
        marks_px: marks.iter().copied().map(rect).collect(),
        ..fixture()
    };
    let chosen: Vec<RectPx> = registrar(straight(), &fixture()).marks().collect();
    let one = Fixture {
        marks_px: chosen[..1].to_vec(),
        ..fixture()
    };
    let truth = placement(2.0, 1.0, 0.0);
    let found = registrar(straight(), &one)
        .find(&frame(seen(&straight(), Some(&truth), as_it_is)))
        .unwrap();
    assert!(error_mm(&found, &truth) < 0.05);
    let refused = |marks: &[[f64; 4]], light: fn(u32, u32, f64) -> f64| {
        let reference = seen(&straight(), None, light);
        let made = Registrar::new(&reference, &with(marks), straight(), REGION);
        made.err().unwrap().to_string()
    };
    insta::assert_snapshot!(refused(&[[630.0, 10.0, 40.0, 40.0]], as_it_is), @"the mark of 40 x 40 px at (630, 10) does not lie in the reference picture of 640 x 480 px; correct `marks_px`");
    insta::assert_snapshot!(refused(&[[300.0, 200.0, 40.0, 40.0]], |_, _, _| 120.0), @"the mark at (300, 200) is plain: its grey levels scatter by 0.0, at least 4 is needed; name another place in `marks_px`");
    insta::assert_snapshot!(refused(&[], |_, _, _| 120.0), @"the reference picture shows fewer than two places by which a part could be found again; name some in `marks_px`");
}

#[test]
fn a_frame_of_another_size_is_refused() {
    let registrar = registrar(straight(), &fixture());
    let small = Picture {
        size: SizePx {
            width_px: 320,
            height_px: 240,
        },
        format: PixelFormat::Gray8,
        pixels: vec![100; 320 * 240],
    };
    let error = registrar.find(&frame(small)).unwrap_err();
    assert!(matches!(error, VisionError::WrongSize { .. }), "{error}");
}
