//! Pictures of the stamping sample with a code on them, drawn by the encoder of another hand (rxing).

use std::io::Cursor;
use std::path::Path;

use image::{ImageFormat, Rgb, RgbImage};
use rxing::{BarcodeFormat, EncodeHints, MultiFormatWriter, Writer};

/// Where the code is looked for: right of the part's cut corner, on the dark carrier.
pub(crate) const REGION_PX: &str = "[880, 4, 140, 120]";
const LEFT_PX: u32 = 900;
const TOP_PX: u32 = 14;
const CELL_PX: u32 = 5;

/// The sample's recipe, judging the part and not the label beside it, which is no clean steel.
pub(crate) fn label_tolerated(recipe: &str) -> String {
    let outline =
        "name = \"all\"\npolygon_mm = [[8, 12], [148, 12], [190, 34], [192, 148], [8, 148]]";
    recipe
        .replace("name = \"all\"", outline)
        .replace("prepare = []", "prepare = []\noutside_zones = \"tolerate\"")
}

/// Frame `sample` of the stamping scene as a PNG, with a Data Matrix code that says `text`.
pub(crate) fn frame(sample: &str, text: Option<&str>) -> Vec<u8> {
    let frames = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/stamping/frames");
    let mut picture = image::open(frames.join(sample)).unwrap().to_rgb8();
    if let Some(text) = text {
        put(&mut picture, text);
    }
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png).unwrap();
    png.into_inner()
}

/// Dark cells on a grey label.
fn put(picture: &mut RgbImage, text: &str) {
    let hints = EncodeHints {
        Margin: Some("0".to_owned()),
        ..EncodeHints::default()
    };
    let format = BarcodeFormat::DATA_MATRIX;
    let code = MultiFormatWriter
        .encode_with_hints(text, &format, 0, 0, &hints)
        .unwrap();
    let side = (code.getWidth() + 2) * CELL_PX;
    for (x, y) in (0..side).flat_map(|y| (0..side).map(move |x| (x, y))) {
        let cell = |at: u32| (at / CELL_PX).checked_sub(1);
        let is_dark = cell(x)
            .zip(cell(y))
            .filter(|(column, row)| *column < code.getWidth() && *row < code.getHeight())
            .is_some_and(|(column, row)| code.get(column, row));
        let level = if is_dark { 20 } else { 110 };
        picture.put_pixel(LEFT_PX + x, TOP_PX + y, Rgb([level; 3]));
    }
}
