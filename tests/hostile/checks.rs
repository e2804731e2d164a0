//! What each group of parsers must do with any bytes. The property tests and the fuzz targets
//! (`fuzz/fuzz_targets`) call the same functions; each gives the number of parsers that took the bytes.

use std::fs;
use std::io;
use std::path::Path;

use taktgate::calibration::Calibration;
use taktgate::config::sha256_hex;
use taktgate::evaluate::{Format, SetQuery, read_run, read_set};
use taktgate::model::{BACKBONE, Backbone, MANIFEST, ModelPackage, tensors_of};
use taktgate::publish::{
    AckPayload, CommandPayload, EventPayload, HealthPayload, HostState, NodeCommand,
    PLC_BLOCK_LENGTH, PlcBlock, RecordEnvelope, ResponsePayload, StatePayload, TriggerPayload,
    VerdictPayload,
};
use taktgate::recipe::Recipe;
use taktgate::record::{RecordForm, RemovalForm};
use taktgate::station::Station;
use taktgate::vision::{DecodeLimits, decode};
use tempfile::TempDir;

use crate::bounds::{Cost, TEXT, holds};

/// What comes over the wire, and what is kept of it.
pub(crate) fn wire(bytes: &[u8]) -> usize {
    let n = bytes.len();
    let payloads = [
        holds("trigger", TEXT, n, || TriggerPayload::parse(bytes)).is_some(),
        holds("ack", TEXT, n, || AckPayload::parse(bytes)).is_some(),
        holds("command", TEXT, n, || CommandPayload::parse(bytes)).is_some(),
        holds("response", TEXT, n, || ResponsePayload::parse(bytes)).is_some(),
        holds("verdict", TEXT, n, || VerdictPayload::parse(bytes)).is_some(),
        holds("state", TEXT, n, || StatePayload::parse(bytes)).is_some(),
        holds("health", TEXT, n, || HealthPayload::parse(bytes)).is_some(),
        holds("event", TEXT, n, || EventPayload::parse(bytes)).is_some(),
        holds("record", TEXT, n, || RecordEnvelope::parse(bytes)).is_some(),
        holds("host STATE", TEXT, n, || HostState::parse(bytes)).is_some(),
        holds("NCMD", TEXT, n, || NodeCommand::parse(bytes)).is_some(),
        block(bytes),
    ];
    payloads.into_iter().filter(|taken| *taken).count() + records(bytes)
}

/// A block that is taken is written as it was read. Few bytes have the right sum by chance, so it is
/// also set right.
fn block(bytes: &[u8]) -> bool {
    const SUM: usize = PLC_BLOCK_LENGTH - 4;
    let decoded = |bytes: &[u8]| {
        let block = holds("PLC block", TEXT, bytes.len(), || PlcBlock::decode(bytes));
        if let Some(block) = &block {
            assert_eq!(block.encode(), bytes, "{block:?}");
        }
        block.is_some()
    };
    if let Some(head) = bytes.get(..SUM) {
        let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(head);
        decoded(&[head, &sum.to_be_bytes()].concat());
    }
    decoded(bytes)
}

fn records(bytes: &[u8]) -> usize {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return 0;
    };
    let forms = [
        holds("inspection record", TEXT, text.len(), || {
            RecordForm::parse(text)
        })
        .is_some(),
        holds("removal", TEXT, text.len(), || RemovalForm::parse(text)).is_some(),
    ];
    forms.into_iter().filter(|taken| *taken).count()
}

/// Files that people write: station, recipe, calibration.
pub(crate) fn files(bytes: &[u8]) -> usize {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return 0;
    };
    let (path, n) = (Path::new("st-07/file.toml"), text.len());
    let files = [
        holds("station", TEXT, n, || Station::parse(path, text)).is_some(),
        holds("recipe", TEXT, n, || Recipe::parse(path, text)).is_some(),
        holds("calibration", TEXT, n, || Calibration::parse(path, text)).is_some(),
    ];
    files.into_iter().filter(|taken| *taken).count()
}

/// The limits that pictures are decoded with here.
pub(crate) const PICTURE_LIMITS: DecodeLimits = DecodeLimits {
    side_max_px: 4096,
    bytes_max: 1024 * 1024,
};

/// Pixels of 16 bits or with alpha are there twice for a moment, a progressive JPEG keeps its
/// coefficients as well; the rest is what the decoders need for themselves.
const PICTURE: Cost = Cost {
    per_byte: 8,
    at_least: 8 * 1024 * 1024,
};

/// Picture files.
pub(crate) fn pictures(bytes: &[u8]) -> usize {
    let picture = holds("picture", PICTURE, bytes.len(), || {
        decode(bytes, PICTURE_LIMITS)
    });
    if let Some(picture) = &picture {
        let (width, height) = (picture.size.width_px, picture.size.height_px);
        let n_pixels = width as usize * height as usize;
        assert_eq!(picture.pixels.len(), n_pixels * picture.format.channels());
        assert!(width.max(height) <= PICTURE_LIMITS.side_max_px);
        assert!(picture.pixels.len() as u64 <= PICTURE_LIMITS.bytes_max);
    }
    usize::from(picture.is_some())
}

/// The other files of the package are read with each call.
const PACKAGE: Cost = Cost {
    per_byte: 256,
    at_least: 1024 * 1024,
};

/// The package `bank`: its files, the manifest first.
const BANK: [(&str, &[u8]); 7] = [
    (MANIFEST, include_bytes!("../models/bank/manifest.toml")),
    ("model.onnx", include_bytes!("../models/bank/model.onnx")),
    (
        "fixed.safetensors",
        include_bytes!("../models/bank/fixed.safetensors"),
    ),
    (
        "golden/01.png",
        include_bytes!("../models/bank/golden/01.png"),
    ),
    (
        "golden/01.safetensors",
        include_bytes!("../models/bank/golden/01.safetensors"),
    ),
    (
        "golden/02.png",
        include_bytes!("../models/bank/golden/02.png"),
    ),
    (
        "golden/02.safetensors",
        include_bytes!("../models/bank/golden/02.safetensors"),
    ),
];

/// A package and a backbone in a folder of their own; one file after the other is spoilt and put right.
pub(crate) struct Models(TempDir);

impl Models {
    pub(crate) fn new() -> io::Result<Self> {
        let models = Self(scratch()?);
        for (name, bytes) in BANK {
            models.put(&format!("package/{name}"), bytes);
        }
        Ok(models)
    }

    fn put(&self, below: &str, bytes: &[u8]) {
        put(&self.0.path().join(below), bytes);
    }

    /// Opens the package with `bytes` as its file `name`, whose hash the manifest has under `key`.
    fn package(&self, name: &str, key: &str, bytes: &[u8]) -> bool {
        let [(_, manifest), ..] = BANK;
        self.put(
            &format!("package/{MANIFEST}"),
            &sealed(manifest, key, bytes),
        );
        self.put(&format!("package/{name}"), bytes);
        let folder = self.0.path().join("package");
        let opened = holds(name, PACKAGE, bytes.len(), || ModelPackage::open(&folder));
        for (_, good) in BANK.iter().filter(|(file, _)| *file == name) {
            self.put(&format!("package/{name}"), good);
        }
        opened.is_some()
    }

    /// Opens a backbone with `bytes` as its manifest.
    fn backbone(&self, bytes: &[u8]) -> bool {
        let [_, (_, graph), ..] = BANK;
        self.put("backbone/model.onnx", graph);
        self.put(&format!("backbone/{BACKBONE}"), bytes);
        let folder = self.0.path().join("backbone");
        holds("backbone", PACKAGE, bytes.len(), || Backbone::open(&folder)).is_some()
    }

    /// What a package brings: its manifest, its graph, its tensors; and a backbone.
    pub(crate) fn check(&self, bytes: &[u8]) -> usize {
        let taken = [
            self.package(MANIFEST, "", bytes),
            self.package("model.onnx", "onnx_sha256", bytes),
            self.package("fixed.safetensors", "fixed_sha256", bytes),
            self.backbone(bytes),
            holds("tensors", TEXT, bytes.len(), || {
                tensors_of(bytes).map_err(io::Error::other)
            })
            .is_some(),
        ];
        taken.into_iter().filter(|taken| *taken).count()
    }
}

/// A manifest with the hash of `bytes` under `key`.
fn sealed(manifest: &[u8], key: &str, bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(manifest);
    let line = |line: &str| match line.split_once(" = ") {
        Some((found, _)) if found == key => format!("{key} = \"{}\"\n", sha256_hex(bytes)),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect::<String>().into_bytes()
}

/// Each format of labelled sets with the file that gets the bytes, and what stands there else.
const LABELS: [(Format, &str, &str); 5] = [
    (Format::Coco, "coco/test.json", "{}"),
    (Format::Yolo, "yolo/labels/01.txt", ""),
    (Format::Yolo, "yolo/data.yaml", "names: [scratch, dent]\n"),
    (Format::Voc, "voc/Annotations/01.xml", "<annotation/>"),
    (Format::Csv, "csv/split.csv", "file,class\n"),
];

/// Labelled sets of one picture each.
pub(crate) struct Labels(TempDir);

impl Labels {
    pub(crate) fn new() -> io::Result<Self> {
        let labels = Self(scratch()?);
        let [.., (_, picture), _] = BANK;
        for folder in ["coco/images", "yolo/images", "voc/JPEGImages", "csv/images"] {
            put(&labels.0.path().join(folder).join("01.png"), picture);
        }
        for (_, file, good) in LABELS {
            put(&labels.0.path().join(file), good.as_bytes());
        }
        Ok(labels)
    }

    /// Labels in all formats, and the file that one run of `evaluate` leaves for another.
    pub(crate) fn check(&self, bytes: &[u8]) -> usize {
        let folder = self.0.path();
        let sets = LABELS.map(|(format, file, good)| {
            put(&folder.join(file), bytes);
            let query = SetQuery {
                path: folder.join(file.split('/').next().unwrap_or_default()),
                format: Some(format),
                ..SetQuery::default()
            };
            let taken = holds(file, TEXT, bytes.len(), || read_set(&query)).is_some();
            put(&folder.join(file), good.as_bytes());
            taken
        });
        let run = folder.join("run.json");
        put(&run, bytes);
        let taken = holds("run.json", TEXT, bytes.len(), || read_run(&run)).is_some();
        sets.into_iter().filter(|taken| *taken).count() + usize::from(taken)
    }
}

/// A folder to write in thousands of times: in memory where there is such a place.
fn scratch() -> io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    }
}

fn put(path: &Path, bytes: &[u8]) {
    let folder = path.parent().unwrap_or(path);
    if let Err(error) = fs::create_dir_all(folder).and_then(|()| fs::write(path, bytes)) {
        panic!("cannot write `{}`: {error}", path.display());
    }
}
