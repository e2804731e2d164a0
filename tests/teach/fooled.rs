//! What lies among the good parts and must not be learnt in silence.

use std::fs;

use image::codecs::jpeg::JpegEncoder;
use image::{GrayImage, Luma};

use crate::workshop::{Said, Workshop, dented, part};

fn check(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "{said}");
    for word in words {
        assert!(said.stderr.contains(word), "`{word}` is missing: {said}");
    }
}

#[test]
fn copies_and_the_same_part_again_do_not_count() {
    let shop = Workshop::new();
    shop.good_parts(14);
    fs::copy(shop.path("good/03.png"), shop.path("good/20-copy.png")).unwrap();
    // The same picture in another file format, and once more with a little more light and noise.
    let again = part(5, (0, 0));
    let jpeg = fs::File::create(shop.path("good/21-again.jpg")).unwrap();
    JpegEncoder::new_with_quality(jpeg, 85)
        .encode_image(&again)
        .unwrap();
    let mut lit = part(7, (0, 0));
    for (x, y, pixel) in lit.enumerate_pixels_mut() {
        pixel.0[0] = (f64::from(pixel.0[0]) * 1.03 + f64::from((x * 7 + y * 13) % 5)) as u8;
    }
    shop.write("good/22-lit.png", &lit);
    let said = shop.teach(&["--json"]);
    check(
        &said,
        0,
        &[
            "not counted: `good/20-copy.png` is a copy of `good/03.png`",
            "not counted: `good/21-again.jpg` shows the same as `good/05.png`",
            "not counted: `good/22-lit.png` shows the same as `good/07.png`",
        ],
    );
    assert_eq!(said.json()["n_good"], 14, "{said}");
}

#[test]
fn one_part_taken_forty_times_teaches_nothing() {
    let shop = Workshop::new();
    for number in 0..40 {
        shop.write(&format!("good/{number:02}.png"), &part(3, (0, 0)));
    }
    let said = shop.teach(&[]);
    check(
        &said,
        1,
        &["has 1 different parts to learn from (39 pictures do not count), at least 10 are needed"],
    );
    assert!(!shop.path("models").exists());
}

#[test]
fn too_few_parts_are_refused_and_few_are_said() {
    let shop = Workshop::new();
    shop.good_parts(9);
    check(
        &shop.teach(&[]),
        1,
        &[
            "`good` has 9 different parts",
            "take pictures of more good parts",
        ],
    );
    shop.good_parts(12);
    let said = shop.teach(&[]);
    check(&said, 0, &["warning: taught from 12 different parts only"]);
    let card = fs::read_to_string(shop.path("models/bracket/1.0.0/README.md")).unwrap();
    assert!(
        card.contains("taught from 12 different parts only"),
        "{card}"
    );
}

#[test]
fn a_bad_part_among_the_good_ones_is_named_with_its_place() {
    let shop = Workshop::new();
    shop.good_parts(20);
    shop.write("good/30-dent.png", &dented(30));
    let stopped = shop.teach(&["--json"]);
    check(
        &stopped,
        3,
        &[
            "1 of 21 pictures do not look like good parts, so nothing was taught",
            "`good/30-dent.png`: at (",
            "--drop-suspicious",
            "--keep-suspicious",
        ],
    );
    // The dent is drawn at (134, 128).
    let place = stopped
        .stderr
        .split("`good/30-dent.png`: at (")
        .nth(1)
        .unwrap();
    let place: Vec<f64> = place
        .split(')')
        .next()
        .unwrap()
        .split(", ")
        .map(|n| n.parse().unwrap())
        .collect();
    assert!(
        (place[0] - 134.0).hypot(place[1] - 128.0) < 32.0,
        "{place:?}"
    );
    assert!(!shop.path("models/bracket/1.0.0").exists());
    let page = fs::read_to_string(shop.path("models/bracket/1.0.0-report.html")).unwrap();
    assert!(page.contains("Suspicious pictures") && page.contains("30-dent.png"));

    let dropped = shop.teach(&["--drop-suspicious", "--json"]);
    check(&dropped, 0, &["left out: `good/30-dent.png`"]);
    assert_eq!(dropped.json()["n_good"], 20);
    let kept = shop.teach(&["--keep-suspicious", "--force", "--json"]);
    check(
        &kept,
        0,
        &["taught all the same, so look at it: `good/30-dent.png`"],
    );
    assert_eq!(kept.json()["n_good"], 21);
}

#[test]
fn good_parts_alone_raise_no_suspicion() {
    let shop = Workshop::new();
    shop.good_parts(24);
    let said = shop.teach(&["--json"]);
    check(&said, 0, &[]);
    assert_eq!(
        said.json()["suspicious"].as_array().map(Vec::len),
        Some(0),
        "{said}"
    );
}

#[test]
fn a_camera_that_was_moved_between_the_pictures_is_noticed() {
    let shop = Workshop::new();
    shop.good_parts(16);
    for number in 20..24 {
        shop.write(&format!("good/{number}.png"), &part(number, (18, -12)));
    }
    let said = shop.teach(&[]);
    check(&said, 3, &["was the camera or the fixture moved?"]);
    for number in 20..24 {
        let line = said
            .stderr
            .lines()
            .find(|line| line.contains(&format!("`good/{number}.png`: it lies")));
        assert!(line.is_some(), "{number}: {said}");
    }
    assert!(!said.stderr.contains("`good/05.png`: it lies"), "{said}");
}

#[test]
fn pictures_of_several_sizes_are_told_with_their_number() {
    let shop = Workshop::new();
    shop.good_parts(12);
    shop.write("good/90.png", &GrayImage::from_pixel(200, 150, Luma([90])));
    check(
        &shop.teach(&[]),
        1,
        &[
            "most pictures have about 256 x 256 px",
            "`good/90.png`: 200 x 150 px",
        ],
    );
}

#[test]
fn every_picture_that_cannot_be_read_is_told_at_once() {
    let shop = Workshop::new();
    shop.good_parts(12);
    let whole = fs::read(shop.path("good/02.png")).unwrap();
    fs::write(shop.path("good/40-cut.png"), &whole[..whole.len() / 2]).unwrap();
    fs::write(shop.path("good/41-text.jpg"), "no picture").unwrap();
    fs::write(shop.path("good/42-empty.bmp"), "").unwrap();
    check(
        &shop.teach(&[]),
        1,
        &[
            "3 of 15 pictures cannot be used",
            "40-cut.png",
            "cut off",
            "41-text.jpg",
            "this is no PNG, JPEG, BMP or TIFF picture",
            "42-empty.bmp",
            "is empty",
        ],
    );
}

#[test]
fn a_covered_lens_teaches_nothing() {
    let shop = Workshop::new();
    for number in 0..16_u8 {
        let black = GrayImage::from_fn(256, 256, |x, _| Luma([u8::from(x == u32::from(number))]));
        shop.write(&format!("good/{number:02}.png"), &black);
    }
    let said = shop.teach(&[]);
    assert_ne!(said.code, Some(0), "{said}");
}

#[test]
fn a_picture_cannot_be_good_and_bad() {
    let shop = Workshop::new();
    shop.good_parts(12);
    shop.write("bad/1.png", &dented(50));
    fs::copy(shop.path("good/04.png"), shop.path("bad/2.png")).unwrap();
    let said = shop.teach(&["--bad", "bad"]);
    check(
        &said,
        1,
        &["`good/04.png` and `bad/2.png` are the same picture"],
    );
}
