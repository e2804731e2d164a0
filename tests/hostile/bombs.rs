//! Small files that claim to be large, and packages that ask for more than there is: refused before
//! they cost memory. Pictures and tensors are counted by the allocator; models run in the real binary
//! with a limit on its address space, because ONNX Runtime allocates by itself.

use std::io::Cursor;
use std::process::Command;

use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};
use taktgate::config::sha256_hex;
use taktgate::model::tensors_of;
use taktgate::vision::{DecodeLimits, Picture, decode};

use crate::bounds::{Cost, alone, measured};
use crate::graphs::{message, model, node, number, shape, weights, weights_in};
use crate::scene::Scene;

/// What a refused file may cost, whatever it claims.
const REFUSAL: Cost = Cost {
    per_byte: 4,
    at_least: 2 * 1024 * 1024,
};

/// A colour profile is inflated up to 4 MiB before it is given up, by a vector that grows.
const PROFILE: Cost = Cost {
    per_byte: 4,
    at_least: 16 * 1024 * 1024,
};

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn grey(width: u32, height: u32) -> DynamicImage {
    DynamicImage::ImageLuma8(GrayImage::new(width, height))
}

/// Decodes under the limits of a station; what it is refused with, or its size.
fn told(name: &str, bytes: &[u8]) -> String {
    told_within(REFUSAL, name, bytes)
}

fn told_within(cost: Cost, name: &str, bytes: &[u8]) -> String {
    let result = measured(name, cost, bytes.len(), || {
        decode(bytes, DecodeLimits::default())
    });
    match result {
        Ok(Picture { size, .. }) => format!("{size:?}"),
        Err(error) => error.to_string(),
    }
}

fn crc(bytes: &[u8]) -> [u8; 4] {
    let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(bytes);
    sum.to_be_bytes()
}

/// The PNG with another size in its header, under a right checksum.
fn png_claiming(mut bytes: Vec<u8>, width_px: u32, height_px: u32) -> Vec<u8> {
    bytes[16..20].copy_from_slice(&width_px.to_be_bytes());
    bytes[20..24].copy_from_slice(&height_px.to_be_bytes());
    let sum = crc(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum);
    bytes
}

/// The chunks of a PNG: kind and content.
fn chunks(png: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut rest = &png[8..];
    let mut chunks = Vec::new();
    while let [a, b, c, d, more @ ..] = rest {
        let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap();
        chunks.push((&more[..4], &more[4..4 + length]));
        rest = &more[4 + length + 4..];
    }
    chunks
}

/// A small whole PNG with one more chunk behind its header.
fn png_with(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let good = encoded(&grey(64, 48), ImageFormat::Png);
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let body = [&kind[..], content].concat();
    let sum = crc(&body);
    [&good[..33], &length, &body, &sum, &good[33..]].concat()
}

/// 40 MB of zeros, deflated.
fn forty_megabytes() -> Vec<u8> {
    let png = encoded(&grey(8_000, 5_000), ImageFormat::Png);
    let parts: Vec<&[u8]> = chunks(&png)
        .into_iter()
        .filter_map(|(kind, content)| (kind == b"IDAT").then_some(content))
        .collect();
    parts.concat()
}

#[test]
fn a_png_that_lies_or_blows_up_costs_nothing() {
    let _alone = alone();
    let small = || encoded(&grey(64, 48), ImageFormat::Png);
    let large = png_claiming(small(), 60_000, 60_000);
    assert!(told("60000.png", &large).contains("over the limit of 20000 px"));
    let lying = png_claiming(small(), 20_000, 20_000);
    assert!(told("lying.png", &lying).contains("the header claims 20000 x 20000 px"));
    // Its data are those of 8000 x 5000 px.
    let inflating = png_claiming(encoded(&grey(8_000, 5_000), ImageFormat::Png), 64, 48);
    told("inflating.png", &inflating);
    let zeros = forty_megabytes();
    for (kind, head) in [
        (*b"zTXt", &b"Comment\0\0"[..]),
        (*b"iCCP", b"profile\0\0"),
        (*b"iTXt", b"Comment\0\x01\0\0\0"),
    ] {
        let name = String::from_utf8_lossy(&kind).into_owned();
        told_within(PROFILE, &name, &png_with(kind, &[head, &zeros].concat()));
    }
}

/// A grey TIFF of 2 x 2 px, whose entry `of` claims `count` values.
fn tiff_claiming(of: usize, count: u32) -> Vec<u8> {
    let pixels = [0, 80, 160, 240];
    let entries: [(u16, u32); 9] = [
        (256, 2),
        (257, 2),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, 2),
        (279, 4),
    ];
    let mut bytes = [&b"II*\0"[..], &12_u32.to_le_bytes(), &pixels, &[9, 0]].concat();
    for (index, (tag, value)) in entries.into_iter().enumerate() {
        let count = if index == of { count } else { 1 };
        bytes.extend(tag.to_le_bytes());
        bytes.extend(3_u16.to_le_bytes()); // SHORT
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([0; 4]);
    bytes
}

#[test]
fn a_tiff_that_claims_more_values_than_it_has_costs_nothing() {
    let _alone = alone();
    let good = told("good.tiff", &tiff_claiming(0, 1));
    assert_eq!(good, "SizePx { width_px: 2, height_px: 2 }");
    for entry in 0..9 {
        for count in [100, 8_000_000, u32::MAX] {
            let told = told("lying.tiff", &tiff_claiming(entry, count));
            assert!(told.starts_with("the TIFF is cut off"), "{entry}: {told}");
        }
    }
}

/// A JPEG of noise, so that it has some bytes, that claims other sides.
fn jpeg_claiming(width_px: u16, height_px: u16) -> Vec<u8> {
    let noise = RgbImage::from_fn(128, 128, |x, y| {
        let [byte, ..] = (x * 7919 + y * 104_729 + x * y * 31).to_le_bytes();
        image::Rgb([byte, byte ^ 0x5a, byte.wrapping_mul(3)])
    });
    let mut bytes = encoded(&DynamicImage::ImageRgb8(noise), ImageFormat::Jpeg);
    let at = bytes
        .windows(2)
        .position(|two| two == [0xFF, 0xC0])
        .unwrap();
    bytes[at + 5..at + 7].copy_from_slice(&height_px.to_be_bytes());
    bytes[at + 7..at + 9].copy_from_slice(&width_px.to_be_bytes());
    bytes
}

#[test]
fn a_jpeg_that_lies_costs_nothing() {
    let _alone = alone();
    let over = told("65500.jpg", &jpeg_claiming(65_500, 65_500));
    assert!(over.contains("over the limit of 20000 px"), "{over}");
    for side in [19_000, 12_000] {
        let told = told(&format!("{side}.jpg"), &jpeg_claiming(side, side));
        let words = ["over the limit of", "the header claims"];
        assert!(words.iter().any(|words| told.contains(words)), "{told}");
    }
}

/// A TIFF of 64 x 48 px with an entry of its directory changed: tag, kind, count, value.
fn tiff_with(tag: u16, kind: u16, count: u32, value: u32) -> Vec<u8> {
    let mut bytes = encoded(&grey(64, 48), ImageFormat::Tiff);
    assert_eq!(&bytes[..2], b"II");
    let offset = u32::from_le_bytes(bytes[4..8].try_into().unwrap());
    let directory = usize::try_from(offset).unwrap();
    let entry = (directory + 2..bytes.len())
        .step_by(12)
        .find(|at| bytes[*at..at + 2] == tag.to_le_bytes())
        .unwrap_or_else(|| panic!("the TIFF has no tag {tag}"));
    bytes[entry + 2..entry + 4].copy_from_slice(&kind.to_le_bytes());
    bytes[entry + 4..entry + 8].copy_from_slice(&count.to_le_bytes());
    bytes[entry + 8..entry + 12].copy_from_slice(&value.to_le_bytes());
    bytes
}

#[test]
fn a_tiff_with_absurd_sides_or_strips_costs_nothing() {
    let [width, bits, offsets, rows, lengths] = [256, 258, 273, 278, 279];
    let _alone = alone();
    for (name, tag, count, value) in [
        ("width.tiff", width, 1, u32::MAX),
        ("bits.tiff", bits, 1, u32::MAX),
        ("many-bits.tiff", bits, u32::MAX, 0),
        ("offset.tiff", offsets, 1, u32::MAX),
        ("offsets.tiff", offsets, u32::MAX, 8),
        ("some-offsets.tiff", offsets, 1 << 24, 8),
        ("no-rows.tiff", rows, 1, 0),
        ("rows.tiff", rows, 1, u32::MAX),
        ("length.tiff", lengths, 1, u32::MAX),
        ("lengths.tiff", lengths, u32::MAX, 8),
        ("some-lengths.tiff", lengths, 1 << 24, 8),
    ] {
        told(name, &tiff_with(tag, 4, count, value));
    }
}

#[test]
fn a_bmp_that_lies_costs_nothing() {
    let _alone = alone();
    for (width, height) in [
        (i32::MAX, 1),
        (60_000, 60_000),
        (12_000, 12_000),
        (64, i32::MIN),
    ] {
        let mut bytes = encoded(&grey(64, 48), ImageFormat::Bmp);
        bytes[18..22].copy_from_slice(&width.to_le_bytes());
        bytes[22..26].copy_from_slice(&height.to_le_bytes());
        let told = told(&format!("{width}x{height}.bmp"), &bytes);
        assert!(!told.contains("SizePx"), "{told}");
    }
}

#[test]
fn tensors_that_lie_cost_nothing() {
    let _alone = alone();
    let file = |header_length: u64, header: &str| {
        [&header_length.to_le_bytes(), header.as_bytes(), &[0; 16]].concat()
    };
    let said = |header: String| file(header.len() as u64, &header);
    let shaped = |shape: &str, end: u64| {
        said(format!(
            r#"{{"w":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{end}]}}}}"#
        ))
    };
    for (name, bytes) in [
        ("2^63 bytes of header", file(1 << 63, "{}")),
        ("2^64 - 1 bytes of header", file(u64::MAX, "{}")),
        ("2^40 bytes of header", file(1 << 40, "{}")),
        ("2^62 numbers", shaped("[4611686018427387904]", 16)),
        ("2^64 numbers", shaped("[4294967296,4294967296]", 16)),
        (
            "2^64 bytes of numbers",
            shaped("[4611686018427387904]", u64::MAX),
        ),
        ("nothing times 2^63", shaped("[0,9223372036854775808]", 16)),
        ("more than is there", shaped("[1000000000]", 4_000_000_000)),
    ] {
        let told = measured(name, REFUSAL, bytes.len(), || tensors_of(&bytes));
        let told = told.expect_err(name);
        assert!(told.contains("no safetensors file"), "{name}: {told}");
    }
}

/// Address space for the binary with all its libraries and a tiny model.
const KIB_MAX: &str = "2097152";

/// Runs the binary with its address space limited.
fn limited(scene: &Scene, args: &[&str]) -> String {
    let taktgate = scene.command(args);
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -v {KIB_MAX} && exec \"$@\""), "sh"])
        .arg(taktgate.get_program())
        .args(taktgate.get_args())
        .current_dir(scene.path(""))
        .env("NO_COLOR", "1");
    scene.told(&mut command)
}

const PACKAGE: &str = "models/anomaly/1.0.0";

/// The package `anomaly` with this graph.
fn with_graph(onnx: &[u8]) -> Scene {
    let scene = Scene::new();
    scene.package("anomaly");
    let manifest = format!("{PACKAGE}/manifest.toml");
    let text = scene.read(&manifest);
    let line = text
        .lines()
        .find(|line| line.starts_with("onnx_sha256"))
        .unwrap();
    let sealed = format!("onnx_sha256 = \"{}\"", sha256_hex(onnx));
    scene.replace(&manifest, line, &sealed);
    scene.write(&format!("{PACKAGE}/model.onnx"), onnx);
    scene
}

/// What `model verify` says of it in little room.
fn verified(onnx: &[u8]) -> String {
    limited(&with_graph(onnx), &["model", "verify", PACKAGE])
}

const IMAGE: [u64; 4] = [1, 1, 24, 32];

#[test]
fn a_package_of_good_size_has_room() {
    let _alone = alone();
    let scene = Scene::new();
    scene.package("anomaly");
    let told = limited(&scene, &["model", "verify", PACKAGE]);
    assert!(told.starts_with("exit 0\n"), "{told}");
}

#[test]
fn a_graph_with_absurd_weights_is_refused() {
    let _alone = alone();
    let add = node(&["image", "w"], "out", "Add");
    for sides in [
        &[1 << 62][..],
        &[1 << 31, 1 << 31],
        &[1 << 32, 1 << 32],
        &[u64::MAX],
        &[1 << 33],
    ] {
        let told = verified(&model(
            &IMAGE,
            &[weights(sides)],
            std::slice::from_ref(&add),
        ));
        assert!(told.starts_with("exit 3\n"), "{sides:?}: {told}");
    }
}

#[test]
fn a_graph_with_absurd_ports_is_refused() {
    let _alone = alone();
    let same = node(&["image"], "out", "Identity");
    for sides in [
        &[1, 1, 1 << 62, 4][..],
        &[1 << 62, 1 << 62],
        &[u64::MAX],
        &[1; 100],
    ] {
        let told = verified(&model(sides, &[], std::slice::from_ref(&same)));
        assert!(told.starts_with("exit 3\n"), "{sides:?}: {told}");
    }
}

/// The weights are made when the graph is loaded, out of eight bytes a side. Nobody limits the program
/// here but itself.
#[test]
fn a_graph_that_makes_absurd_weights_is_refused() {
    let _alone = alone();
    for sides in [&[1 << 40][..], &[1 << 33], &[1 << 16, 1 << 16, 2]] {
        let made = node(&["shape"], "w", "ConstantOfShape");
        let largest = node(&["w"], "most", "ReduceMax");
        let add = node(&["image", "most"], "out", "Add");
        let scene = with_graph(&model(&IMAGE, &[shape(sides)], &[made, largest, add]));
        let told = scene.taktgate(&["model", "verify", PACKAGE]);
        assert!(told.starts_with("exit 3\n"), "{sides:?}: {told}");
        assert!(
            told.contains("onnxruntime.memory_mb_max"),
            "{sides:?}: {told}"
        );
    }
}

#[test]
fn weights_outside_the_package_are_refused() {
    let _alone = alone();
    let add = node(&["image", "w"], "out", "Add");
    for location in ["../secret", "/etc/passwd", "weights.bin", "/dev/zero", ""] {
        let onnx = model(&IMAGE, &[weights_in(location)], std::slice::from_ref(&add));
        let told = verified(&onnx);
        assert!(
            told.contains("keeps weights in another file"),
            "{location}: {told}"
        );
        if location != "weights.bin" {
            let scene = Scene::new();
            scene.write("secret", [0; 4]);
            scene.write("in/model.onnx", &onnx);
            let told = limited(&scene, &["model", "import", "in/model.onnx"]);
            assert!(
                told.contains("which is not beside it"),
                "{location}: {told}"
            );
        }
    }
}

/// A hundred tensors that each take in the same 64 MB beside the graph.
#[test]
fn weights_that_are_taken_in_many_times_are_refused() {
    let _alone = alone();
    let scene = Scene::new();
    let file = std::fs::File::create(scene.path("weights.bin")).unwrap();
    file.set_len(64 * 1024 * 1024).unwrap();
    let tensors = vec![weights_in("weights.bin"); 100];
    let add = node(&["image", "w"], "out", "Add");
    scene.write("model.onnx", model(&IMAGE, &tensors, &[add]));
    let told = limited(&scene, &["model", "import", "model.onnx"]);
    assert!(told.starts_with("exit 1\n"), "{told}");
    assert!(told.contains("more than"), "{told}");
}

/// Behind weights that lie elsewhere nobody looked how deep the rest goes.
#[test]
fn a_deep_graph_behind_weights_elsewhere_is_refused() {
    let _alone = alone();
    let scene = Scene::new();
    let mut graph = number(1, 1);
    for _ in 0..20_000 {
        graph = message(1, &message(5, &message(6, &graph)));
    }
    let first = message(5, &weights_in("weights.bin"));
    scene.write("weights.bin", [0; 4]);
    scene.write("model.onnx", message(7, &[first, graph].concat()));
    let told = limited(&scene, &["model", "import", "model.onnx"]);
    assert!(told.starts_with("exit 1\n"), "{told}");
    assert!(told.contains("nested"), "{told}");
}
