//! Pictures from another world: blank sheets, noise, other parts. None of them ever passes, even where
//! the recipe lets every picture through to the model.

use std::path::Path;

use image::imageops::{FilterType, resize};
use image::{GrayImage, Luma};

use crate::workshop::{Dice, ROOT, Workshop, part, pictures, real, take, verdicts};

/// Limits that no picture breaks.
const ANY_PICTURE: &str = "\
[views.fitness]
mean_min = 0.0
mean_max = 255.0
burnt_fraction_max = 1.0
contrast_min = 0.0
sharpness_min = 0.0
refuse_duplicate = false
";

/// Teaches, and lets the model alone judge what lies in `foreign`.
fn check(shop: &Workshop, args: &[&str]) {
    let said = shop.teach(&[args, &["--recipe"]].concat());
    assert_eq!(said.code, Some(0), "{said}");
    let (head, rest) = said
        .stdout
        .split_once("# What the taught pictures")
        .unwrap();
    let (_, tail) = rest.split_once("refuse_duplicate = true\n").unwrap();
    let recipe = format!("{head}{ANY_PICTURE}{tail}");
    let judged = verdicts(shop, &recipe, "foreign");
    assert!(10 <= judged.len(), "{judged:?}");
    for line in judged {
        let is_held = line["verdict"] == "ng" || line["reason"] == "doubtful";
        assert!(is_held, "{line}");
    }
}

/// Blank sheets and noise, of the size of the taught pictures.
fn blanks_and_noise(shop: &Workshop, (width_px, height_px): (u32, u32)) {
    for level in [0, 60, 128, 200, 255] {
        let blank = GrayImage::from_pixel(width_px, height_px, Luma([level]));
        shop.write(&format!("foreign/blank-{level:03}.png"), &blank);
    }
    for seed in 0..3 {
        let mut dice = Dice::of(seed);
        let spread = 40.0 + 80.0 * f64::from(seed);
        let noise = GrayImage::from_fn(width_px, height_px, |_, _| {
            Luma([(128.0 + spread * (dice.next() - 0.5)) as u8])
        });
        shop.write(&format!("foreign/noise-{seed}.png"), &noise);
    }
}

/// Pictures of a folder, brought to the size of the taught ones.
fn others(shop: &Workshop, from: &Path, (width_px, height_px): (u32, u32), n_max: usize) {
    let kind = from.to_string_lossy().replace(['/', '.'], "_");
    for (number, path) in pictures(from, (0, 3, n_max)).iter().enumerate() {
        let other = image::open(path).unwrap().to_luma8();
        let other = resize(&other, width_px, height_px, FilterType::Triangle);
        shop.write(&format!("foreign/{kind}-{number}.png"), &other);
    }
}

#[test]
fn nothing_but_the_drawn_part_passes() {
    let shop = Workshop::new();
    shop.good_parts(40);
    blanks_and_noise(&shop, (256, 256));
    // The fixture without a part, as the parts are drawn.
    for seed in 0..3 {
        let mut empty = part(seed, (0, 0));
        for (_, y, pixel) in empty.enumerate_pixels_mut() {
            pixel.0[0] = pixel.0[0].min(70 + (f64::from(y) * 0.1) as u8);
        }
        shop.write(&format!("foreign/empty-{seed}.png"), &empty);
    }
    others(&shop, &Path::new(ROOT).join("samples"), (256, 256), 12);
    check(&shop, &[]);
}

#[test]
fn nothing_but_screws_passes_for_a_screw() {
    let Some(set) = real("normal-only-screw") else {
        return;
    };
    let shop = Workshop::new();
    take(&shop, &set.join("train/good"), "good", (0, 6, 50));
    let size = (384, 384);
    blanks_and_noise(&shop, size);
    others(&shop, &Path::new(ROOT).join("samples"), size, 12);
    for folder in [
        "normal-only-commutator/test",
        "steel-masks/images",
        "steel-classes",
    ] {
        if let Some(folder) = real(folder) {
            others(&shop, &folder, size, 20);
        }
    }
    check(&shop, &["--size", "352x352"]);
}
