//! Good samples of everything that is parsed: what the property tests spoil and fuzzing starts from.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat};
use taktgate::config::sha256_hex;
use taktgate::publish::PlcBlock;

/// A good sample.
pub(crate) struct Seed {
    /// The group of parsers that takes it: the name of the fuzz target.
    pub(crate) group: &'static str,
    /// What it is; the file's name in a corpus.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn seeds() -> Vec<Seed> {
    let groups = [
        ("wire", wire()),
        ("files", files()),
        ("pictures", pictures()),
        ("models", models()),
        ("labels", labels()),
    ];
    let seeds = |(group, samples): (&'static str, Vec<(String, Vec<u8>)>)| {
        samples
            .into_iter()
            .map(move |(name, bytes)| Seed { group, name, bytes })
    };
    groups.into_iter().flat_map(seeds).collect()
}

type Samples = Vec<(String, Vec<u8>)>;

/// A rebirth as hosts ask for it: times, a sequence, and a second metric of each other kind of value.
const NCMD: &[u8] = b"\x08\xe8\x07\
    \x12\x1d\x0a\x14Node Control/Rebirth\x18\xe8\x07\x20\x0b\x70\x01\
    \x12\x09\x0a\x01i\x10\x01\x20\x05\x50\x07\
    \x12\x06\x10\x02\x20\x08\x58\x07\
    \x12\x07\x10\x03\x20\x0c\x7a\x01t\
    \x12\x06\x10\x04\x20\x08\x38\x01\
    \x18\x09";

/// The messages of the wire contract's own tests, what a SCADA host says, and a block for the PLC.
fn wire() -> Samples {
    let text = include_str!("../schema/good.json");
    let good: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).unwrap();
    let mut samples: Samples = good
        .into_iter()
        .map(|(name, value)| (format!("{name}.json"), value.to_string().into_bytes()))
        .collect();
    let removal = serde_json::json!({
        "schema": 1, "removed_at_utc": "2026-11-22T10:15:30Z", "because": "age", "n_records": 3,
        "n_records_in_all": 7, "gaps_sha256": sha256_hex(b"1"), "after_row": 12,
        "previous_sha256": sha256_hex(b"2"),
    });
    samples.push(("removal.json".to_owned(), removal.to_string().into_bytes()));
    let state = br#"{"online":true,"timestamp":1795336530000,"bdSeq":7}"#;
    samples.push(("host-state.json".to_owned(), state.to_vec()));
    samples.push(("ncmd.bin".to_owned(), NCMD.to_vec()));
    samples.push(("block.bin".to_owned(), PlcBlock::EXAMPLE.encode().to_vec()));
    samples
}

fn files() -> Samples {
    [
        (
            "station-stamping.toml",
            &include_bytes!("../../samples/stamping/station.toml")[..],
        ),
        (
            "station-welding.toml",
            include_bytes!("../../samples/welding/station.toml"),
        ),
        (
            "recipe-stamping.toml",
            include_bytes!("../../samples/stamping/recipe.toml"),
        ),
        (
            "recipe-welding.toml",
            include_bytes!("../../samples/welding/recipe.toml"),
        ),
        (
            "recipe-paint.toml",
            include_bytes!("../../samples/paint/recipe.toml"),
        ),
        ("calibration.toml", CALIBRATION.as_bytes()),
    ]
    .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
    .into()
}

const CALIBRATION: &str = r#"schema = 1
camera = "cam-1"
made_at_utc = "2020-01-01T00:00:00Z"
valid_until_utc = "2999-01-01T00:00:00Z"
image_size_px = [64, 48]
camera_matrix_px = [[100.0, 0.0, 31.5], [0.0, 100.0, 23.5], [0.0, 0.0, 1.0]]
distortion = [0.1, 0.01, 0.0, 0.0, 0.0]
plane = "bracket surface"
mm_from_px = [[0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 1.0]]
reprojection_error_rms_px = 0.1
board = "chessboard 9 x 6, 10 mm"
"#;

fn pictures() -> Samples {
    let colour = image::RgbImage::from_fn(23, 17, |x, y| {
        let [x, y] = [x, y].map(|at| u8::try_from(at).unwrap());
        image::Rgb([x * 11, y * 15, x ^ y])
    });
    let colour = DynamicImage::ImageRgb8(colour);
    let kinds = [
        ("rgb", colour.clone()),
        ("grey", DynamicImage::ImageLuma8(colour.to_luma8())),
        ("grey-16", DynamicImage::ImageLuma16(colour.to_luma16())),
        ("alpha", DynamicImage::ImageRgba8(colour.to_rgba8())),
    ];
    let formats = [
        ("png", ImageFormat::Png),
        ("jpg", ImageFormat::Jpeg),
        ("bmp", ImageFormat::Bmp),
        ("tiff", ImageFormat::Tiff),
    ];
    let mut samples = Samples::new();
    for (kind, picture) in &kinds {
        for (ending, format) in formats {
            let mut bytes = Cursor::new(Vec::new());
            // JPEG has no alpha, BMP no 16 bits.
            if picture.write_to(&mut bytes, format).is_ok() {
                samples.push((format!("{kind}.{ending}"), bytes.into_inner()));
            }
        }
    }
    samples
}

fn models() -> Samples {
    [
        (
            "bank.toml",
            &include_bytes!("../models/bank/manifest.toml")[..],
        ),
        ("bank.onnx", include_bytes!("../models/bank/model.onnx")),
        (
            "bank.safetensors",
            include_bytes!("../models/bank/fixed.safetensors"),
        ),
        ("detect.onnx", include_bytes!("../models/detect/model.onnx")),
    ]
    .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
    .into_iter()
    .chain([("backbone.toml".to_owned(), backbone())])
    .collect()
}

/// The shipped backbone's manifest over the graph that lies beside it in the tests.
fn backbone() -> Vec<u8> {
    let text = include_str!("../../models/backbones/efficientnet-lite0/1.0.0/backbone.toml");
    let sha256 = sha256_hex(include_bytes!("../models/bank/model.onnx"));
    let line = |line: &str| {
        if line.starts_with("onnx_sha256") {
            format!("onnx_sha256 = \"{sha256}\"\n")
        } else {
            format!("{line}\n")
        }
    };
    text.lines().map(line).collect::<String>().into_bytes()
}

fn labels() -> Samples {
    [
        ("coco.json", COCO),
        ("yolo.txt", "1 0.5 0.5 0.375 0.3333333333333333\n"),
        ("yolo.yaml", "nc: 2\nnames:\n  0: scratch\n  1: 'dent'\n"),
        ("voc.xml", VOC),
        ("split.csv", "file,class,split\n01.png,good,test\n"),
    ]
    .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
    .into()
}

const COCO: &str = r#"{"images":[{"id":9,"file_name":"01.png","width":32,"height":24}],
"annotations":[{"id":1,"image_id":9,"category_id":4,"bbox":[20.0,16.0,8.0,6.0]}],
"categories":[{"id":4,"name":"dent"}]}"#;

const VOC: &str = "<annotation><filename>01.png</filename>\
<size><width>32</width><height>24</height></size><object><name>dent</name>\
<bndbox><xmin>2</xmin><ymin>7</ymin><xmax>14</xmax><ymax>12</ymax></bndbox></object></annotation>";
