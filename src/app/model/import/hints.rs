//! What a user says of an export on the command line.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use taktgate::model::import::{Color, Family, Hints, Preparation, ResizeWord};
use taktgate::model::{LayoutFile, Range, Task, Tensors, ThresholdsFile};
use taktgate::vision::Interpolation;

const UNSAID: &str = "What the file does not say";
const PREPARED: &str = "How pictures are prepared";
const THRESHOLDS: &str = "Thresholds";

#[derive(Args)]
pub(super) struct HintArgs {
    /// Which exporter wrote it: ultralytics (yolov5, yolov8, yolo11), yolox, detr (rt-detr),
    /// detr-deploy (d-fine), torchvision-detector, classifier, segmentation, anomalib, anomalib1,
    /// openvino; auto looks at the file.
    #[arg(long, default_value = "auto", help_heading = UNSAID)]
    family: String,
    /// classify, detect, segment or anomaly.
    #[arg(long, help_heading = UNSAID)]
    task: Option<String>,
    /// The labels in the graph's order, without a background: A,B,C or a file with one a line.
    #[arg(long, value_name = "LABELS", help_heading = UNSAID)]
    labels: Option<String>,
    /// A classifier's label that means no defect.
    #[arg(long, value_name = "LABEL", help_heading = UNSAID)]
    good_label: Option<String>,
    /// How the outputs are read: a layout of `models/README.md`.
    #[arg(long, help_heading = UNSAID)]
    layout: Option<LayoutFile>,
    /// The class number that the first label has.
    #[arg(long, value_name = "N", help_heading = UNSAID)]
    first_label: Option<u32>,
    /// Tensors for inputs besides the picture, safetensors.
    #[arg(long, value_name = "FILE", help_heading = UNSAID)]
    fixed: Option<PathBuf>,
    /// For distances instead of scores: the map's number that counts as 0 and that as 1.
    #[arg(long, value_name = "LOW,HIGH", allow_hyphen_values = true, help_heading = UNSAID)]
    map_range: Option<String>,
    /// The same for the score of the picture.
    #[arg(long, value_name = "LOW,HIGH", allow_hyphen_values = true, help_heading = UNSAID)]
    score_range: Option<String>,
    /// The input's size, where it is free in the graph.
    #[arg(long, value_name = "WIDTHxHEIGHT", help_heading = PREPARED)]
    input: Option<String>,
    /// `standard`, `letterbox`, `letterbox_top_left`, `fit_to_window_letterbox` or `crop`.
    #[arg(long, help_heading = PREPARED)]
    resize: Option<ResizeWord>,
    /// For crop: to which length the shorter side is scaled first.
    #[arg(long, value_name = "PX", help_heading = PREPARED)]
    resize_shorter: Option<u32>,
    /// `area`, `linear`, or with a filter as wide as the factor, `linear_antialias` and
    /// `cubic_antialias`: as Pillow 13 does it, with `_pillow12` as before, with `_torch` as torchvision
    /// on bytes, with `_exact` as torchvision on floats.
    #[arg(long, help_heading = PREPARED)]
    interpolation: Option<Interpolation>,
    /// Subtracted from grey values 0 to 255, in the net's order; one number stands for all channels.
    #[arg(long, value_name = "A,B,C", allow_hyphen_values = true, help_heading = PREPARED)]
    mean: Option<String>,
    /// Divides after that: 255 for an input of 0 to 1.
    #[arg(long, value_name = "A,B,C", help_heading = PREPARED)]
    scale: Option<String>,
    /// rgb (red first) or bgr.
    #[arg(long, help_heading = PREPARED)]
    color: Option<String>,
    /// Grey value of the padding.
    #[arg(long, value_name = "GREY", help_heading = PREPARED)]
    pad_value: Option<u8>,
    /// A box, class or region below is no detection.
    #[arg(long, value_name = "SHARE", help_heading = THRESHOLDS)]
    confidence: Option<f32>,
    /// Of two boxes of one class that overlap more, the weaker goes.
    #[arg(long, value_name = "SHARE", help_heading = THRESHOLDS)]
    iou: Option<f32>,
    /// A cell of a map belongs to a region from here.
    #[arg(long, value_name = "SHARE", help_heading = THRESHOLDS)]
    pixel: Option<f32>,
    /// From here on an anomaly score makes the picture a defect.
    #[arg(long, value_name = "SHARE", help_heading = THRESHOLDS)]
    image: Option<f32>,
    /// Regions with fewer cells are noise.
    #[arg(long, value_name = "CELLS", help_heading = THRESHOLDS)]
    area_min: Option<u32>,
}

impl HintArgs {
    pub(super) fn hints(&self) -> anyhow::Result<Hints> {
        let family = match self.family.as_str() {
            "auto" => None,
            word => Some(word.parse::<Family>().map_err(anyhow::Error::msg)?),
        };
        Ok(Hints {
            family,
            task: self.task.as_deref().map(task).transpose()?,
            labels: self.labels.as_deref().map_or(Ok(Vec::new()), labels)?,
            good_label: self.good_label.clone(),
            preparation: self.preparation()?,
            thresholds: ThresholdsFile {
                confidence_threshold: self.confidence,
                pixel_threshold: self.pixel,
                image_threshold: self.image,
                iou_threshold: self.iou,
                vote_iou_threshold: None,
                area_min_px: self.area_min,
            },
            map_range: self.map_range.as_deref().map(range).transpose()?,
            score_range: self.score_range.as_deref().map(range).transpose()?,
            layout: self.layout,
            first_label: self.first_label,
            fixed: self.fixed.as_deref().map_or(Ok(Tensors::new()), fixed)?,
        })
    }

    fn preparation(&self) -> anyhow::Result<Preparation> {
        Ok(Preparation {
            size: self.input.as_deref().map(size).transpose()?,
            resize: self.resize,
            shorter_px: self.resize_shorter,
            crop_fraction: None,
            interpolation: self.interpolation,
            mean: self.mean.as_deref().map(numbers).transpose()?,
            scale: self.scale.as_deref().map(numbers).transpose()?,
            color: self.color.as_deref().map(color).transpose()?,
            pad_value: self.pad_value,
        })
    }
}

fn task(word: &str) -> anyhow::Result<Task> {
    Ok(match word {
        "classify" => Task::Classify,
        "detect" => Task::Detect,
        "segment" => Task::Segment,
        "anomaly" => Task::Anomaly,
        other => bail!("`--task {other}` is no task; write classify, detect, segment or anomaly"),
    })
}

fn color(word: &str) -> anyhow::Result<Color> {
    Ok(match word {
        "rgb" => Color::Rgb,
        "bgr" => Color::Bgr,
        other => bail!("`--color {other}` is no order of colours; write rgb or bgr"),
    })
}

fn size(text: &str) -> anyhow::Result<(u32, u32)> {
    let sides = text.split_once(['x', 'X']).and_then(|(width, height)| {
        Some((width.trim().parse().ok()?, height.trim().parse().ok()?))
    });
    sides.with_context(|| format!("`--input {text}` is no size; write for example 640x480"))
}

fn numbers(text: &str) -> anyhow::Result<Vec<f32>> {
    let words = text.split(',').map(|word| word.trim().parse());
    words.collect::<Result<_, _>>().with_context(|| {
        format!("`{text}` is no list of numbers; write for example 123.7,116.3,103.5")
    })
}

fn range(text: &str) -> anyhow::Result<Range> {
    match *numbers(text)?.as_slice() {
        [low, high] => Ok(Range { low, high }),
        _ => bail!(
            "`{text}` is no range; write the number that counts as 0 and the one that counts as 1"
        ),
    }
}

/// Labels of the command line, or of a file with one a line.
fn labels(text: &str) -> anyhow::Result<Vec<String>> {
    let list: Vec<String> = if Path::new(text).is_file() {
        let lines =
            std::fs::read_to_string(text).with_context(|| format!("cannot read `{text}`"))?;
        lines.lines().map(|line| line.trim().to_owned()).collect()
    } else {
        text.split(',')
            .map(|label| label.trim().to_owned())
            .collect()
    };
    Ok(list.into_iter().filter(|label| !label.is_empty()).collect())
}

fn fixed(path: &Path) -> anyhow::Result<Tensors> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    taktgate::model::tensors_of(&bytes)
        .map_err(anyhow::Error::msg)
        .with_context(|| format!("`{}` has no tensors for the graph", path.display()))
}
