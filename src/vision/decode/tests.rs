//! Whole pictures come out as they are, and cut, lying and inflating ones do not.

use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::domain::Frame;
use crate::vision::{encode_jpeg, encode_png, testing};

const SIZE: SizePx = SizePx {
    width_px: 97,
    height_px: 61,
};

/// A textured picture, so that its files are not tiny.
fn scene(format: PixelFormat) -> Frame {
    let n_bytes = 97 * 61 * format.channels();
    let pixels = (0..n_bytes)
        .map(|i| u8::try_from((i * i / 7 + i * 13) % 251).unwrap())
        .collect();
    Frame::new("c", SIZE, format, pixels, Instant::now()).unwrap()
}

fn file(format: ImageFormat) -> Vec<u8> {
    let frame = scene(PixelFormat::Rgb8);
    let mut bytes = Cursor::new(Vec::new());
    image::RgbImage::from_raw(97, 61, frame.pixels().to_vec())
        .unwrap()
        .write_to(&mut bytes, format)
        .unwrap();
    bytes.into_inner()
}

fn error(bytes: &[u8]) -> String {
    decode(bytes, DecodeLimits::default())
        .unwrap_err()
        .to_string()
}

#[test]
fn lossless_formats_give_the_pixels_back() {
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Tiff] {
        let picture = decode(&file(format), DecodeLimits::default()).unwrap();
        assert_eq!(picture.size, SIZE);
        assert_eq!(picture.format, PixelFormat::Rgb8);
        assert!(
            picture.pixels == scene(PixelFormat::Rgb8).pixels(),
            "{format:?}"
        );
    }
}

#[test]
fn frames_survive_the_archive() {
    for format in [PixelFormat::Gray8, PixelFormat::Bgr8, PixelFormat::Rgb8] {
        let frame = scene(format);
        let png = decode(&encode_png(&frame).unwrap(), DecodeLimits::default()).unwrap();
        let mut pixels = frame.pixels().to_vec();
        if format == PixelFormat::Bgr8 {
            pixels
                .as_chunks_mut::<3>()
                .0
                .iter_mut()
                .for_each(|p| p.swap(0, 2));
        }
        assert!(png.pixels == pixels, "{format:?}");
        let jpeg = decode(&encode_jpeg(&frame, 95).unwrap(), DecodeLimits::default()).unwrap();
        assert_eq!((jpeg.size, jpeg.format), (SIZE, png.format));
    }
}

#[test]
fn sixteen_bit_and_alpha_become_eight_bit_without() {
    let deep: Vec<u8> = [0u16, 257, 32_768, 65_535]
        .iter()
        .flat_map(|value| value.to_ne_bytes())
        .collect();
    let (format, pixels) = eight_bit(ColorType::L16, deep.clone()).unwrap();
    assert_eq!((format, pixels), (PixelFormat::Gray8, vec![0, 1, 128, 255]));
    let (format, pixels) = eight_bit(ColorType::Rgba16, deep).unwrap();
    assert_eq!((format, pixels), (PixelFormat::Rgb8, vec![0, 1, 128]));
    let (_, pixels) = eight_bit(ColorType::La8, vec![7, 255, 8, 0]).unwrap();
    assert_eq!(pixels, [7, 8]);
    assert!(eight_bit(ColorType::Rgb32F, vec![]).is_err());
}

#[test]
fn a_picture_that_is_cut_off_anywhere_is_refused() {
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
    ] {
        let whole = file(format);
        for cut in (0..whole.len())
            .step_by(whole.len() / 64)
            .chain([whole.len() - 1])
        {
            let refused = decode(&whole[..cut], DecodeLimits::default());
            assert!(
                refused.is_err(),
                "{format:?} cut to {cut} of {}",
                whole.len()
            );
        }
    }
    let jpeg = file(ImageFormat::Jpeg);
    assert_eq!(
        error(&jpeg[..jpeg.len() / 2]),
        format!(
            "the JPEG is cut off after {} bytes; was it still being written?",
            jpeg.len() / 2
        )
    );
    let png = file(ImageFormat::Png);
    assert!(error(&png[..png.len() / 2]).starts_with("the PNG is cut off after"));
}

#[test]
fn an_end_marker_after_half_a_jpeg_does_not_make_it_whole() {
    let check = |whole: &[u8], name: &str| {
        assert!(decode(whole, DecodeLimits::default()).is_ok(), "{name}");
        for eighths in 2..8 {
            let mut cut = whole[..whole.len() * eighths / 8].to_vec();
            cut.extend([0xFF, 0xD9]);
            let refused = decode(&cut, DecodeLimits::default());
            assert!(refused.is_err(), "{name} cut to {eighths}/8 and closed");
        }
    };
    check(&file(ImageFormat::Jpeg), "made here");
    for path in testing::real_jpegs() {
        check(&std::fs::read(&path).unwrap(), &path.display().to_string());
    }
}

/// The 33 first bytes of a PNG of the claimed size, and nothing else.
fn png_claim(width_px: u32, height_px: u32) -> Vec<u8> {
    let mut bytes = file(ImageFormat::Png);
    bytes[16..20].copy_from_slice(&width_px.to_be_bytes());
    bytes[20..24].copy_from_slice(&height_px.to_be_bytes());
    let checksum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

#[test]
fn a_claim_is_held_against_the_limits_and_the_file() {
    assert_eq!(
        error(&png_claim(100_000, 100_000)),
        "a picture of 100000 x 100000 px is over the limit of 20000 px a side or 536870912 bytes; scale it down"
    );
    assert!(error(&png_claim(20_000, 20_000)).contains("over the limit"));
    let found = file(ImageFormat::Png).len();
    let side_px = 13_000;
    assert_eq!(
        error(&png_claim(side_px, side_px)),
        format!(
            "the header claims 13000 x 13000 px, but the file has only {found} bytes; write the picture anew"
        )
    );
    assert!(error(&png_claim(97, 62)).contains("PNG"));
    let mut bmp = file(ImageFormat::Bmp);
    bmp[18..22].copy_from_slice(&9_000_000_u32.to_le_bytes());
    assert!(!error(&bmp).is_empty());
}

#[test]
fn a_tiff_that_lies_about_its_size_is_refused() {
    let tiff = file(ImageFormat::Tiff);
    // Tags 256 and 257 hold width and height; the value lies 8 bytes behind the tag.
    for (tag, claim) in [
        (256_u16, 19_000_u32),
        (257, 19_000),
        (257, 70),
        (257, 4_000_000),
    ] {
        let mut lie = tiff.clone();
        let at = (0..lie.len() - 12)
            .rfind(|at| {
                lie[*at..at + 2] == tag.to_le_bytes()
                    && lie[at + 3] == 0
                    && lie[at + 2] <= 4
                    && lie[at + 2] >= 3
            })
            .unwrap();
        lie[at + 2..at + 4].copy_from_slice(&4_u16.to_le_bytes());
        lie[at + 8..at + 12].copy_from_slice(&claim.to_le_bytes());
        let refused = decode(&lie, DecodeLimits::default());
        assert!(refused.is_err(), "tag {tag} claims {claim}");
    }
}

#[test]
fn what_is_no_picture_says_so() {
    assert_eq!(
        error(b""),
        "the picture file is empty; was it still being written?"
    );
    assert_eq!(
        error(b"station = \"st-07\"\n"),
        "this is no PNG, JPEG, BMP or TIFF picture: it starts with `station = \\\"st-07`"
    );
    assert!(error(b"GIF89a and more").contains("no PNG"));
    assert!(error(&[0xFF, 0xD8, 0xFF]).contains("JPEG"));
}

proptest! {
    #[test]
    fn damaged_files_never_panic(at in 0usize..2000, bits in 1u8..=255, which in 0usize..4) {
        let formats = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Bmp, ImageFormat::Tiff];
        let mut bytes = file(formats[which]);
        let at = at % bytes.len();
        bytes[at] ^= bits;
        if let Ok(picture) = decode(&bytes, DecodeLimits::default()) {
            let n_pixels = picture.size.width_px as usize * picture.size.height_px as usize;
            prop_assert_eq!(picture.pixels.len(), n_pixels * picture.format.channels());
        }
    }
}
