//! CIELAB for D50, linear sRGB, and how far two colours are apart.

use crate::calibration::times;

/// The white that the CIELAB of charts is told for: D50 as ICC profiles have it.
const WHITE_D50: [f64; 3] = [0.9642, 1.0, 0.8249];

/// XYZ for D50 from linear sRGB: the primaries and the D65 of IEC 61966-2-1, brought to D50 by Bradford's adaptation.
const XYZ_FROM_SRGB: [[f64; 3]; 3] = [
    [0.436_041_251_6, 0.385_112_910_8, 0.143_045_837_6],
    [0.222_484_540_2, 0.716_905_078_6, 0.060_610_381_2],
    [0.013_920_187_5, 0.097_067_238_7, 0.713_912_573_8],
];
const SRGB_FROM_XYZ: [[f64; 3]; 3] = [
    [3.134_186_364_2, -1.617_208_959, -0.490_694_064],
    [-0.978_748_504_2, 1.916_130_096_8, 0.033_433_399_2],
    [0.071_963_927_8, -0.228_993_873_5, 1.405_753_732_9],
];

/// Where the cube root of CIELAB gives way to a line, as light and as its value.
const LINE_BELOW: f64 = 216.0 / 24_389.0;
const LINE_SLOPE: f64 = 24_389.0 / 27.0 / 116.0;
const LINE_START: f64 = 16.0 / 116.0;

/// L*, a*, b* for D50.
pub(super) type Lab = [f64; 3];

pub(super) fn lab_from_linear(rgb: [f64; 3]) -> Lab {
    let [xyz, white] = [times(&XYZ_FROM_SRGB, rgb), WHITE_D50];
    let [x, y, z] = [0, 1, 2].map(|at| {
        let of = |values: &[f64; 3]| values.get::<usize>(at).copied().unwrap_or_default();
        root(of(&xyz) / of(&white))
    });
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

pub(super) fn linear_from_lab([lightness, a, b]: Lab) -> [f64; 3] {
    let y = (lightness + 16.0) / 116.0;
    let [white_x, white_y, white_z] = WHITE_D50;
    let xyz = [
        white_x * cube(y + a / 500.0),
        white_y * cube(y),
        white_z * cube(y - b / 200.0),
    ];
    times(&SRGB_FROM_XYZ, xyz)
}

/// By how much L* grows with the light there: how much a miss in the light is seen.
pub(super) fn lightness_slope([lightness, ..]: Lab) -> f64 {
    let y = cube((lightness + 16.0) / 116.0);
    if y <= LINE_BELOW {
        116.0 * LINE_SLOPE
    } else {
        116.0 / 3.0 * y.powf(-2.0 / 3.0)
    }
}

fn root(light: f64) -> f64 {
    if light <= LINE_BELOW {
        LINE_SLOPE * light + LINE_START
    } else {
        light.cbrt()
    }
}

fn cube(value: f64) -> f64 {
    let light = value.powi(3);
    if light <= LINE_BELOW {
        (value - LINE_START) / LINE_SLOPE
    } else {
        light
    }
}

/// The difference of two colours by CIEDE2000 (ISO/CIE 11664-6), with all weights 1. Symbols are the standard's.
#[expect(clippy::many_single_char_names, reason = "the standard's own symbols")]
pub(super) fn ciede2000([l1, a1, b1]: Lab, [l2, a2, b2]: Lab) -> f64 {
    let seventh = |c: f64| (c.powi(7) / (c.powi(7) + 25.0_f64.powi(7))).sqrt();
    let g = 0.5 * (1.0 - seventh(f64::midpoint(a1.hypot(b1), a2.hypot(b2))));
    let (a1, a2) = ((1.0 + g) * a1, (1.0 + g) * a2);
    let (c1, c2) = (a1.hypot(b1), a2.hypot(b2));
    let hue = |a: f64, b: f64| b.atan2(a).to_degrees().rem_euclid(360.0);
    let (h1, h2) = (hue(a1, b1), hue(a2, b2));
    let has_no_hue = c1 * c2 == 0.0;
    let dh = if has_no_hue {
        0.0
    } else {
        // Exactly opposite hues keep their sign.
        match h2 - h1 {
            d if 180.0 < d => d - 360.0,
            d if d < -180.0 => d + 360.0,
            d => d,
        }
    };
    let h = match h1 + h2 {
        sum if has_no_hue => sum,
        sum if (h1 - h2).abs() <= 180.0 => sum / 2.0,
        sum if sum < 360.0 => sum / 2.0 + 180.0,
        sum => sum / 2.0 - 180.0,
    };
    let (l, c) = (f64::midpoint(l1, l2), f64::midpoint(c1, c2));
    let wave = |times: f64, shift_deg: f64| (times * h + shift_deg).to_radians().cos();
    let t = 1.0 - 0.17 * wave(1.0, -30.0) + 0.24 * wave(2.0, 0.0) + 0.32 * wave(3.0, 6.0)
        - 0.20 * wave(4.0, -63.0);
    let off = (l - 50.0).powi(2);
    let s_l = 1.0 + 0.015 * off / (20.0 + off).sqrt();
    let (s_c, s_h) = (1.0 + 0.045 * c, 1.0 + 0.015 * c * t);
    let turn = 60.0 * (-((h - 275.0) / 25.0).powi(2)).exp();
    let r_t = -2.0 * seventh(c) * turn.to_radians().sin();
    let (dl, dc) = ((l2 - l1) / s_l, (c2 - c1) / s_c);
    let dh = 2.0 * (c1 * c2).sqrt() * (dh / 2.0).to_radians().sin() / s_h;
    (dl * dl + dc * dc + dh * dh + r_t * dc * dh)
        .max(0.0)
        .sqrt()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made with `skimage.color.deltaE_ciede2000` (scikit-image), on pairs where the formula branches.
    #[test]
    fn differences_are_those_of_scikit_image() {
        let pairs = [
            (
                [50.0, 2.6772, -79.7751],
                [50.0, 0.0, -82.7485],
                2.042_459_680_156_573_8,
            ),
            ([50.0, 2.5, 0.0], [50.0, 0.0, -2.5], 4.306_482_095_827_058),
            ([50.0, 2.5, 0.0], [73.0, 25.0, -18.0], 27.149_231_300_746_26),
            (
                [60.2574, -34.0099, 36.2677],
                [60.4626, -34.1751, 39.4387],
                1.264_420_013_599_187_4,
            ),
            (
                [22.7233, 20.0904, -46.694],
                [23.0331, 14.973, -42.5619],
                2.037_258_269_709_003,
            ),
            (
                [2.0776, 0.0795, -1.135],
                [0.9033, -0.0636, -0.5514],
                0.908_232_839_602_524_8,
            ),
            ([50.0, -1.0, 2.0], [50.0, 0.0, 0.0], 2.366_858_819_171_752_3),
            (
                [50.0, 2.49, -0.001],
                [50.0, -2.49, 0.0011],
                7.219_472_152_285_755,
            ),
            (
                [50.0, 2.49, -0.001],
                [50.0, -2.49, 0.0009],
                7.179_172_011_348_979,
            ),
        ];
        for (one, other, expected) in pairs {
            for found in [ciede2000(one, other), ciede2000(other, one)] {
                assert!(
                    (found - expected).abs() < 1e-9,
                    "{one:?} {other:?}: {found}"
                );
            }
        }
    }

    #[test]
    fn white_black_and_a_line_of_greys_are_where_cielab_has_them() {
        let [lightness, a, b] = lab_from_linear([1.0; 3]);
        assert!(
            (lightness - 100.0).abs() < 1e-6 && a.abs() < 1e-3 && b.abs() < 1e-3,
            "{a} {b}"
        );
        // The grey of 18.418 650 % is in the middle of L*.
        assert!((lab_from_linear([0.184_186_5; 3])[0] - 50.0).abs() < 1e-4);
        assert!(
            lab_from_linear([0.0; 3])
                .iter()
                .all(|value| value.abs() < 1e-9)
        );
    }

    proptest! {
        #[test]
        fn there_and_back_is_the_same_colour(rgb in prop::array::uniform3(0.0..1.0f64)) {
            let back = linear_from_lab(lab_from_linear(rgb));
            for (one, other) in rgb.iter().zip(back) {
                prop_assert!((one - other).abs() < 1e-6, "{rgb:?} {back:?}");
            }
        }

        #[test]
        fn the_slope_is_what_a_little_more_light_gives(light in 0.0..1.0f64) {
            let lab = lab_from_linear([light; 3]);
            let more = lab_from_linear([light + 1e-7; 3]);
            let slope = (more[0] - lab[0]) / 1e-7;
            prop_assert!((slope / lightness_slope(lab) - 1.0).abs() < 1e-2, "{slope}");
        }
    }
}
