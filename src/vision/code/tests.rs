//! Codes as a line meets them: printed, lasered and dot-peened, turned, blurred, noisy and damaged.

use std::time::Instant;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rxing::common::BitMatrix;
use rxing::{EncodeHints, MultiFormatWriter, Writer};

use super::*;
use crate::domain::SizePx;

/// How a code came onto the part and into the picture.
#[derive(Debug, Clone, Copy)]
struct Mark {
    cell_px: f64,
    turn_deg: f64,
    /// Grey levels of the surface and of what is marked on it.
    surface: f64,
    ink: f64,
    /// The diameter of a cell's dot, in cells; 0 for square cells.
    dot: f64,
    blur_px: f64,
    noise: f64,
    /// The share of the code that a stain covers.
    stain: f64,
}

const PRINTED: Mark = Mark {
    cell_px: 5.0,
    turn_deg: 7.0,
    surface: 190.0,
    ink: 40.0,
    dot: 0.0,
    blur_px: 0.6,
    noise: 3.0,
    stain: 0.0,
};

/// The same numbers in every run.
struct Chance(u64);

impl Chance {
    /// 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Nearly normal, with the standard deviation 1.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

fn encoded(kind: CodeKind, text: &str) -> BitMatrix {
    encoded_with(kind, text, EncodeHints::default())
}

fn encoded_with(kind: CodeKind, text: &str, hints: EncodeHints) -> BitMatrix {
    let hints = EncodeHints {
        Margin: Some("0".to_owned()),
        ..hints
    };
    let format = match kind {
        CodeKind::DataMatrix => BarcodeFormat::DATA_MATRIX,
        CodeKind::Qr => BarcodeFormat::QR_CODE,
    };
    MultiFormatWriter
        .encode_with_hints(text, &format, 0, 0, &hints)
        .unwrap()
}

/// A square picture of the code with a little surface around it.
fn picture(code: &BitMatrix, mark: &Mark, chance: &mut Chance) -> Frame {
    let n = f64::from(code.getWidth());
    let side_px = pixels(n * mark.cell_px * 1.5 + 50.0);
    let middle = f64::from(side_px) / 2.0 + 3.0 * chance.next();
    let stain = (
        n * (0.3 + 0.4 * chance.next()),
        n * (0.3 + 0.4 * chance.next()),
    );
    let stain_radius = n * (mark.stain / std::f64::consts::PI).sqrt();
    let (sin, cos) = mark.turn_deg.to_radians().sin_cos();
    // Four places in each pixel.
    let level = |x: f64, y: f64| {
        let (x, y) = (x - middle, y - middle);
        let column = (x * cos + y * sin) / mark.cell_px + n / 2.0;
        let row = (y * cos - x * sin) / mark.cell_px + n / 2.0;
        let is_inside = (0.0..n).contains(&column) && (0.0..n).contains(&row);
        let is_cell = is_inside && code.get(cell(column), cell(row));
        let is_dot =
            mark.dot == 0.0 || (column.fract() - 0.5).hypot(row.fract() - 0.5) < mark.dot / 2.0;
        let is_stained = (column - stain.0).hypot(row - stain.1) < stain_radius;
        if is_cell && is_dot && !is_stained {
            mark.ink
        } else {
            mark.surface
        }
    };
    let of_pixel = |x: u32, y: u32| {
        let (x, y) = (f64::from(x), f64::from(y));
        let places = [(-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25)];
        places
            .iter()
            .map(|(dx, dy)| level(x + dx, y + dy))
            .sum::<f64>()
            / 4.0
    };
    let mut levels: Vec<f64> = (0..side_px)
        .flat_map(|y| (0..side_px).map(move |x| (x, y)))
        .map(|(x, y)| of_pixel(x, y))
        .collect();
    blur(&mut levels, side_px as usize, mark.blur_px);
    // A brushed surface: each row has its own level, and each pixel some noise.
    let rows: Vec<f64> = (0..side_px).map(|_| 2.0 * chance.normal()).collect();
    let bytes = levels.iter().enumerate().map(|(at, level)| {
        grey(level + rows[at / side_px as usize] + mark.noise * chance.normal())
    });
    frame(side_px, side_px, bytes.collect())
}

fn blur(levels: &mut Vec<f64>, side: usize, sigma: f64) {
    let reach = 3_usize.max(pixels(3.0 * sigma) as usize);
    let weight = |off: usize| (-((off as f64 / sigma).powi(2)) / 2.0).exp();
    for is_across in [true, false] {
        let mut blurred = vec![0.0; levels.len()];
        for (at, value) in blurred.iter_mut().enumerate() {
            let (x, y) = (at % side, at / side);
            let (mut sum, mut weights) = (0.0, 0.0);
            for off in 0..=2 * reach {
                let place = (if is_across { x } else { y } + off).checked_sub(reach);
                let Some(place) = place.filter(|place| *place < side) else {
                    continue;
                };
                let from = if is_across {
                    y * side + place
                } else {
                    place * side + x
                };
                let weight = weight(off.abs_diff(reach));
                sum += weight * levels[from];
                weights += weight;
            }
            *value = sum / weights;
        }
        *levels = blurred;
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small positive numbers"
)]
fn pixels(value: f64) -> u32 {
    value as u32
}

fn cell(value: f64) -> u32 {
    pixels(value)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to a byte"
)]
fn grey(value: f64) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

fn frame(width_px: u32, height_px: u32, bytes: Vec<u8>) -> Frame {
    let size = SizePx {
        width_px,
        height_px,
    };
    Frame::new("c", size, PixelFormat::Gray8, bytes, Instant::now()).unwrap()
}

fn read(frame: &Frame, kind: CodeKind) -> Option<CodeText> {
    read_code(frame, frame.size().whole(), kind).unwrap()
}

/// Every mark here is read on each of its pictures; what is beyond them is in docs/recipe.md. Pixels of a cell,
/// degrees of turn, grey levels of surface and ink, dot, blur and noise.
const MARKS: [(&str, [f64; 7]); 12] = [
    ("printed", [5.0, 7.0, 190.0, 40.0, 0.0, 0.6, 3.0]),
    (
        "turned by 45 degrees",
        [5.0, 45.0, 190.0, 40.0, 0.0, 0.6, 3.0],
    ),
    (
        "turned by 163 degrees",
        [5.0, 163.0, 190.0, 40.0, 0.0, 0.6, 3.0],
    ),
    ("cells of 3 px", [3.0, 7.0, 190.0, 40.0, 0.0, 0.6, 3.0]),
    ("cells of 14 px", [14.0, 7.0, 190.0, 40.0, 0.0, 0.6, 3.0]),
    ("bright on dark", [5.0, 7.0, 40.0, 190.0, 0.0, 0.6, 3.0]),
    ("40 grey levels", [5.0, 7.0, 110.0, 70.0, 0.0, 0.6, 3.0]),
    ("blurred", [5.0, 7.0, 190.0, 40.0, 0.0, 2.0, 3.0]),
    ("noisy", [5.0, 7.0, 190.0, 40.0, 0.0, 0.6, 20.0]),
    ("dots of 6 px", [6.0, 7.0, 110.0, 30.0, 0.7, 0.6, 3.0]),
    ("dots of 10 px", [10.0, 7.0, 110.0, 30.0, 0.7, 0.6, 3.0]),
    ("bright dots", [10.0, 7.0, 80.0, 200.0, 0.7, 0.6, 3.0]),
];

fn mark([cell_px, turn_deg, surface, ink, dot, blur_px, noise]: [f64; 7]) -> Mark {
    Mark {
        cell_px,
        turn_deg,
        surface,
        ink,
        dot,
        blur_px,
        noise,
        stain: 0.0,
    }
}

const KINDS: [CodeKind; 2] = [CodeKind::DataMatrix, CodeKind::Qr];

#[test]
fn codes_as_a_line_meets_them_are_read() {
    let mut chance = Chance(88_172_645_463_325_252);
    let mut unread = Vec::new();
    for kind in KINDS {
        for (name, figures) in MARKS {
            let mark = mark(figures);
            for n in 0..2 {
                let text = format!("B-0099-471{n}");
                let picture = picture(&encoded(kind, &text), &mark, &mut chance);
                let found = read(&picture, kind).map(|code| code.text);
                if found.as_ref() != Some(&text) {
                    unread.push(format!("{kind:?} {name}: {found:?}"));
                }
            }
        }
    }
    assert_eq!(unread, [] as [String; 0]);
}

#[test]
fn a_stained_data_matrix_is_read_by_its_error_correction_and_half_a_code_is_not() {
    let mut chance = Chance(7);
    let code = encoded(CodeKind::DataMatrix, "B-0099-4711");
    let stained = picture(
        &code,
        &Mark {
            stain: 0.05,
            ..PRINTED
        },
        &mut chance,
    );
    assert_eq!(
        read(&stained, CodeKind::DataMatrix).unwrap().text,
        "B-0099-4711"
    );
    let ruined = picture(
        &code,
        &Mark {
            stain: 0.5,
            ..PRINTED
        },
        &mut chance,
    );
    assert_eq!(read(&ruined, CodeKind::DataMatrix), None);
    let SizePx {
        width_px,
        height_px,
    } = stained.size();
    let half = RectPx {
        width: f64::from(width_px) / 2.0,
        height: height_px.into(),
        ..RectPx::default()
    };
    assert_eq!(
        read_code(&stained, half, CodeKind::DataMatrix).unwrap(),
        None
    );
}

#[test]
fn only_the_kind_that_is_asked_for_is_read_inside_its_region_and_in_colour() {
    let mut chance = Chance(9);
    let grey = picture(&encoded(CodeKind::Qr, "B-1"), &PRINTED, &mut chance);
    let size = grey.size();
    let colours = grey.pixels().iter().flat_map(|level| [*level, *level, 90]);
    let (format, colours) = (PixelFormat::Rgb8, colours.collect());
    let frame = Frame::new("c", size, format, colours, Instant::now()).unwrap();
    assert_eq!(read(&frame, CodeKind::DataMatrix), None);
    assert_eq!(read(&frame, CodeKind::Qr).unwrap().text, "B-1");
    let beyond = RectPx {
        x: 10.0,
        ..size.whole()
    };
    assert!(matches!(
        read_code(&frame, beyond, CodeKind::Qr),
        Err(VisionError::RegionOutside { .. })
    ));
}

#[test]
fn a_code_says_whether_its_fields_are_those_of_gs1() {
    let mut chance = Chance(11);
    let fields = "01040123456789011121B-4711";
    for kind in KINDS {
        for is_gs1 in [false, true] {
            let hints = EncodeHints {
                Gs1Format: is_gs1.then_some(true),
                DataMatrixCompact: is_gs1.then_some(true),
                ..EncodeHints::default()
            };
            let code = encoded_with(kind, fields, hints);
            let picture = picture(&code, &PRINTED, &mut chance);
            let code = read(&picture, kind).unwrap();
            assert_eq!(code.is_gs1, is_gs1, "{kind:?}");
            let text = code.text.trim_matches(char::is_control);
            assert_eq!(text, fields, "{kind:?}");
        }
    }
}

/// A picture that was spoilt somehow: what is left of a code in it, or nothing but noise.
fn spoilt() -> impl Strategy<Value = (u32, u32, Vec<u8>)> {
    let noise = (1_u32..90, 1_u32..90).prop_flat_map(|(width, height)| {
        let bytes = proptest::collection::vec(any::<u8>(), (width * height) as usize);
        (Just(width), Just(height), bytes)
    });
    let cut = (
        any::<u64>(),
        1.5..7.0_f64,
        0.0..60.0_f64,
        0.0..0.4_f64,
        0.1..1.0_f64,
    );
    let cut = cut.prop_map(|(seed, cell_px, noise, stain, share)| {
        let kind = KINDS[(seed % 2) as usize];
        let mark = Mark {
            cell_px,
            noise,
            stain,
            turn_deg: 360.0 * share,
            ..PRINTED
        };
        let frame = picture(&encoded(kind, "B-0099-4711"), &mark, &mut Chance(seed | 1));
        let width = frame.size().width_px;
        let height = pixels(f64::from(width) * share).max(1);
        let bytes = frame.pixels()[..(width * height) as usize].to_vec();
        (width, height, bytes)
    });
    prop_oneof![noise, cut]
}

proptest! {
    // Error correction can be fooled by chance, so the chance is the same in every run.
    #![proptest_config(ProptestConfig { cases: 96, rng_seed: RngSeed::Fixed(14), ..ProptestConfig::default() })]

    #[test]
    fn a_spoilt_picture_gives_the_right_text_or_none((width, height, bytes) in spoilt()) {
        let frame = frame(width, height, bytes);
        for kind in KINDS {
            if let Some(code) = read(&frame, kind) {
                prop_assert_eq!(code.text, "B-0099-4711");
            }
        }
    }
}
