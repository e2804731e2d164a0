//! Pictures that are cut off, lie or are none: INDETERMINATE (`image_unfit`), never a verdict.

use std::process::Command;

use image::ImageFormat;

use crate::scene::{Scene, file, picture, png};

/// A name, a file, and what its note must say.
type Row = (&'static str, Vec<u8>, &'static str);

fn cut(format: ImageFormat, eighths: usize) -> Vec<u8> {
    let mut bytes = file(&picture(0), format);
    bytes.truncate(bytes.len() * eighths / 8);
    bytes
}

/// A JPEG whose header claims another height; its frame header is `FF C0`, length, precision, height.
fn jpeg_claiming(height_px: u16) -> Vec<u8> {
    let mut bytes = file(&picture(0), ImageFormat::Jpeg);
    let at = bytes
        .windows(2)
        .position(|two| two == [0xFF, 0xC0])
        .unwrap();
    bytes[at + 5..at + 7].copy_from_slice(&height_px.to_be_bytes());
    bytes
}

/// A PNG whose header claims another size under a right checksum.
fn png_claiming(width_px: u32, height_px: u32) -> Vec<u8> {
    let mut bytes = png(&picture(0));
    bytes[16..20].copy_from_slice(&width_px.to_be_bytes());
    bytes[20..24].copy_from_slice(&height_px.to_be_bytes());
    let checksum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

/// A TIFF one of whose tags (256 is the width, 257 the height) has another value.
fn tiff_claiming(tag: u16, value: u32) -> Vec<u8> {
    let mut bytes = file(&picture(0), ImageFormat::Tiff);
    assert_eq!(&bytes[..2], b"II");
    let offset = u32::from_le_bytes(bytes[4..8].try_into().unwrap());
    let directory = usize::try_from(offset).unwrap();
    // Entries of 12 bytes behind their count: tag, kind, number, value. Kind 4 has 32 bits.
    let entry = (directory + 2..bytes.len())
        .step_by(12)
        .find(|at| bytes[*at..at + 2] == tag.to_le_bytes())
        .unwrap();
    bytes[entry + 2..entry + 4].copy_from_slice(&4_u16.to_le_bytes());
    bytes[entry + 8..entry + 12].copy_from_slice(&value.to_le_bytes());
    bytes
}

fn closed_too_early() -> Vec<u8> {
    let mut bytes = cut(ImageFormat::Jpeg, 6);
    bytes.extend([0xFF, 0xD9]);
    bytes
}

fn flipped(format: ImageFormat, eighths: usize) -> Vec<u8> {
    let mut bytes = file(&picture(0), format);
    let at = bytes.len() * eighths / 8;
    bytes[at] ^= 0x55;
    bytes
}

fn rows() -> Vec<Row> {
    use ImageFormat::{Bmp, Jpeg, Png, Tiff};
    vec![
        ("cut-half.jpg", cut(Jpeg, 4), "the JPEG is cut off after"),
        ("cut-header.jpg", cut(Jpeg, 1), "the JPEG is cut off after"),
        (
            "closed-too-early.jpg",
            closed_too_early(),
            "the JPEG is damaged",
        ),
        ("cut-half.png", cut(Png, 4), "the PNG is cut off after"),
        ("cut-end.png", cut(Png, 7), "the PNG is cut off after"),
        ("cut-half.tiff", cut(Tiff, 4), "the TIFF"),
        ("cut-end.tif", cut(Tiff, 7), "the TIFF"),
        ("cut-half.bmp", cut(Bmp, 4), "the BMP"),
        ("flipped.png", flipped(Png, 4), "the PNG is damaged"),
        ("higher.jpg", jpeg_claiming(96), "the JPEG is damaged"),
        (
            "highest.jpg",
            jpeg_claiming(65_535),
            "over the limit of 20000 px a side",
        ),
        ("no-height.jpg", jpeg_claiming(0), "the JPEG is damaged"),
        ("higher.png", png_claiming(64, 96), "the PNG"),
        ("no-width.png", png_claiming(0, 48), "the PNG is damaged"),
        (
            "bomb.png",
            png_claiming(100_000, 100_000),
            "over the limit of 20000 px a side",
        ),
        (
            "bomb-in-sides.png",
            png_claiming(20_000, 20_000),
            "the header claims 20000 x 20000 px",
        ),
        ("higher.tiff", tiff_claiming(257, 96), "the TIFF"),
        ("bomb.tiff", tiff_claiming(257, 4_000_000), "the TIFF"),
        ("bomb-in-sides.tiff", tiff_claiming(256, 19_000), "the TIFF"),
        ("empty.png", Vec::new(), "the picture file is empty"),
        (
            "gif.png",
            b"GIF89a\x40\0\x30\0".to_vec(),
            "this is no PNG, JPEG, BMP or TIFF",
        ),
        (
            "text.jpg",
            b"station = \"st-07\"\n".to_vec(),
            "this is no PNG, JPEG, BMP or TIFF",
        ),
        (
            "zeros.bmp",
            vec![0; 4096],
            "this is no PNG, JPEG, BMP or TIFF",
        ),
    ]
}

#[test]
fn a_picture_that_is_not_whole_never_passes() {
    let scene = Scene::with_station();
    let rows = rows();
    for (name, bytes, _) in &rows {
        scene.write(&format!("in/{name}"), bytes);
    }
    let told = scene.taktgate(&["replay", "st-07", "--images", "in"]);
    assert!(told.starts_with("exit 0\n"), "{told}");
    let verdicts = scene.read("out/replay/verdicts.jsonl");
    let mut faults = Vec::new();
    for (name, _, words) in &rows {
        let line = verdicts
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .find(|line| line["picture"] == *name)
            .unwrap_or_else(|| panic!("no verdict for `{name}`"));
        let note = line["notes"][0].as_str().unwrap_or_default();
        let is_unfit = line["verdict"] == "indeterminate" && line["reason"] == "image_unfit";
        if !is_unfit || !note.contains(words) {
            faults.push(format!("{name}: `{words}` is not in\n    {line}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(verdicts.lines().count(), rows.len());
}

/// 30 GB of pixels are claimed; the process gets 4, of which ONNX Runtime and `OpenCV` map some.
#[test]
fn a_bomb_takes_neither_memory_nor_time() {
    const KIB_MAX: &str = "4194304";
    let scene = Scene::with_station();
    scene.write("in/1-bomb.png", png_claiming(100_000, 100_000));
    scene.write("in/2-good.png", png(&picture(0)));
    let limited = format!("ulimit -v {KIB_MAX} && exec \"$@\"");
    let replay = [
        "replay",
        "st-07",
        "--images",
        "in",
        "--json",
        "--no-pictures",
    ];
    let taktgate = scene.command(&replay);
    let mut command = Command::new("sh");
    command
        .args(["-c", &limited, "sh"])
        .arg(taktgate.get_program())
        .args(taktgate.get_args())
        .current_dir(scene.path(""));
    let told = scene.told(&mut command);
    assert!(told.starts_with("exit 0\n"), "{told}");
    assert!(
        told.contains("100000 x 100000 px is over the limit"),
        "{told}"
    );
    assert!(told.contains(r#""verdict":"ok""#), "{told}");
    let summary: serde_json::Value =
        serde_json::from_str(&scene.read("out/replay/summary.json")).unwrap();
    let slowest_ms = summary["stages_ms"]["read and decode the picture"]["max"].as_f64();
    assert!(slowest_ms.unwrap() < 1_000.0, "{summary:#}");
}
