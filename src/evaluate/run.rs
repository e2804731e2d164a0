//! A set through the inspector, picture by picture: verdicts, scores, findings, boxes and pixels.

use std::time::Instant;

use jiff::Timestamp;

use crate::domain::{Detection, Finding, PointPx, SizePx, StageTimings, Verdict};
use crate::inspect::{Capture, Inspector, Look, with_causes};
use crate::model::Task;
use crate::source::read_frame;
use crate::vision::{label_regions, spread_map};

use super::mask::read_mask;
use super::matching::Matching;
use super::metrics::{FoundBox, PictureBoxes, PixelScores};
use super::set::{LabelledPicture, LabelledSet, LeftOut, TrueMask};

/// Boxes below this are not looked at for curves; no threshold lies there.
const BOX_SCORE_MIN: f32 = 0.001;

/// What became of a picture.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Index into the set's pictures.
    pub index: usize,
    /// What the gate said.
    pub verdict: Verdict,
    /// Why it could not say, with figures.
    pub note: String,
    /// SHA-256 of the pixels, where it is a picture.
    pub image_sha256: Option<String>,
    /// The picture's size.
    pub size: Option<SizePx>,
    /// The score by which pictures are ranked; none where no model was asked.
    pub score: Option<f64>,
    /// A classifier's probability of each label.
    pub class_scores: Option<Vec<f32>>,
    /// What was found, graded.
    pub findings: Vec<Finding>,
    /// Boxes for the curves: what is there and all that was found. Classes are those of the set.
    pub boxes: PictureBoxes,
    /// How long it took.
    pub timings: StageTimings,
}

/// A set, judged.
#[derive(Debug)]
pub struct Run {
    /// In the order of the set's pictures.
    pub pictures: Vec<Judged>,
    /// What the pixels scored, where there are masks and a map.
    pub pixels: Option<PixelScores>,
    /// What could not be measured.
    pub left_out: Vec<LeftOut>,
}

/// What a set is measured with.
pub struct Method<'a> {
    /// The view's model whose scores rank the pictures, by its place in the recipe.
    pub model: usize,
    /// Its labels beside the set's classes.
    pub matching: &'a Matching,
    /// From here on a pixel is bad.
    pub pixel_threshold: Option<f32>,
}

/// What one model said of one picture.
#[derive(Default)]
struct Seen {
    score: Option<f64>,
    class_scores: Option<Vec<f32>>,
    found: Vec<FoundBox>,
    faults: Vec<String>,
}

/// Judges every picture of the set; `on_picture` is called after each.
pub fn run(
    inspector: &mut Inspector,
    set: &LabelledSet,
    method: &Method<'_>,
    on_picture: &mut dyn FnMut(),
) -> Run {
    let mut run = Run {
        pictures: Vec::with_capacity(set.pictures.len()),
        pixels: None,
        left_out: Vec::new(),
    };
    for (index, picture) in set.pictures.iter().enumerate() {
        let judged = run.judge(inspector, (index, picture), method);
        run.pictures.push(judged);
        on_picture();
    }
    run
}

impl Run {
    fn judge(
        &mut self,
        inspector: &mut Inspector,
        (index, picture): (usize, &LabelledPicture),
        method: &Method<'_>,
    ) -> Judged {
        let started = Instant::now();
        let camera = inspector.recipe().views.first();
        let camera = camera.map_or_else(String::new, |view| view.camera.clone());
        let frame = read_frame(&camera, &picture.path);
        let capture = Capture {
            frame: frame
                .as_ref()
                .map(Clone::clone)
                .map_err(|error| (error.reason(), with_causes(error))),
            took: started.elapsed(),
        };
        let (mut seen, mut n_looks) = (Seen::default(), 0);
        let inspection =
            inspector.inspect_seen(vec![capture], None, Timestamp::now(), &mut |look| {
                if n_looks == method.model {
                    seen = self.see(look, picture, method);
                }
                n_looks += 1;
            });
        let mut timings = inspection.timings;
        timings.total = timings.capture
            + timings.fitness
            + timings.prepare
            + timings.infer
            + timings.decode
            + timings.judge;
        let size = frame.ok().map(|frame| frame.size());
        self.check_size(picture, size);
        let faults = seen.faults.into_iter().map(|why| LeftOut {
            what: picture.name.clone(),
            why,
        });
        self.left_out.extend(faults);
        let view = inspection.views.into_iter().next();
        let (note, image_sha256) = view.map_or_else(
            || (String::new(), None),
            |view| (view.note, view.image_sha256),
        );
        Judged {
            index,
            verdict: inspection.verdict,
            note,
            image_sha256,
            score: seen.score,
            class_scores: seen.class_scores,
            findings: inspection.findings,
            boxes: PictureBoxes {
                truth: size.map_or_else(Vec::new, |size| picture.truth.boxes_px(size)),
                found: seen.found,
            },
            size,
            timings,
        }
    }

    fn check_size(&mut self, picture: &LabelledPicture, found: Option<SizePx>) {
        if let (Some(said), Some(found)) = (picture.size, found)
            && said != found
        {
            self.left_out.push(LeftOut {
                what: picture.name.clone(),
                why: format!(
                    "its labels are for {} x {} px, the picture has {} x {}; its boxes may lie elsewhere",
                    said.width_px, said.height_px, found.width_px, found.height_px
                ),
            });
        }
    }

    fn see(&mut self, look: &Look<'_>, picture: &LabelledPicture, method: &Method<'_>) -> Seen {
        let mut seen = Seen::default();
        let original = |point: PointPx| look.preparer.original_from_input(point);
        let all = look.detector.decode_all(look.raw, &original, BOX_SCORE_MIN);
        let all = all.unwrap_or_else(|error| {
            let causes = with_causes(&error);
            seen.faults.push(format!(
                "boxes below the threshold cannot be read: {causes}"
            ));
            Vec::new()
        });
        seen.score = Some(score_of(look, &all, method.matching));
        seen.class_scores = look.detector.class_scores(look.raw);
        seen.found = all
            .iter()
            .filter_map(|detection| found_box(detection, method.matching))
            .collect();
        if let Err(why) = self.add_pixels(look, picture, method.pixel_threshold) {
            seen.faults.push(why);
        }
        seen
    }

    fn add_pixels(
        &mut self,
        look: &Look<'_>,
        picture: &LabelledPicture,
        threshold: Option<f32>,
    ) -> Result<(), String> {
        if picture.truth.mask == TrueMask::Unknown {
            return Ok(());
        }
        let Some(map) = look.detector.score_map(look.raw) else {
            return Ok(());
        };
        let size = look.frame.size();
        let shape = (size.height_px as usize, size.width_px as usize);
        let regions = match &picture.truth.mask {
            TrueMask::Picture(path) => {
                let mask = read_mask(path)?;
                if mask.dim() != shape {
                    let (height, width) = mask.dim();
                    return Err(format!(
                        "its mask has {width} x {height} px and the picture {} x {}; its pixels are left out",
                        size.width_px, size.height_px
                    ));
                }
                label_regions(&mask.view()).map_err(|error| with_causes(&error))?
            }
            TrueMask::Empty | TrueMask::Unknown => ndarray::Array2::zeros(shape),
        };
        let input = &look.detector.package().manifest().input;
        let scores = spread_map(&map.view(), look.preparer, input, size);
        let pixels = self
            .pixels
            .get_or_insert_with(|| PixelScores::new(threshold));
        pixels.add(&scores.view(), &regions.view());
        Ok(())
    }
}

/// The score by which pictures are ranked: that by which the gate judges, continued below its
/// threshold. A classifier: what it lacks to "good". Boxes: the best one of a defect. Maps: the best
/// region; where there is none the highest cell, though never over the threshold of a cell. Anomaly:
/// the graph's own score, or the highest cell.
fn score_of(look: &Look<'_>, all: &[Detection], matching: &Matching) -> f64 {
    let manifest = look.detector.package().manifest();
    let good = manifest.layout.good_label();
    if let (Some(scores), Some(good)) = (look.detector.class_scores(look.raw), good) {
        let good = scores.get(good).copied().unwrap_or(0.0);
        return (1.0 - f64::from(good)).clamp(0.0, 1.0);
    }
    let best = all
        .iter()
        .filter(|one| !matching.is_good_label(&one.class.name))
        .map(|one| one.score.get())
        .reduce(f32::max);
    let cell = || {
        let map = look.detector.score_map(look.raw)?;
        map.iter().copied().reduce(f32::max)
    };
    let score = match (manifest.task, best) {
        (Task::Anomaly, best) => look.detector.image_score(look.raw).or_else(cell).or(best),
        (Task::Segment, None) => {
            let most = manifest.layout.pixel_threshold().unwrap_or(1.0);
            cell().map(|cell| cell.min(most))
        }
        (_, best) => best,
    };
    f64::from(score.unwrap_or(0.0))
}

/// A detection as a box of the set's classes, edges counted from the picture's edge.
fn found_box(detection: &Detection, matching: &Matching) -> Option<FoundBox> {
    let label = matching.label_named(&detection.class.name)?;
    let region = detection.region_px;
    Some(FoundBox {
        class: matching.class(label)?,
        region: [region.x + 0.5, region.y + 0.5, region.width, region.height],
        score: detection.score.get().into(),
    })
}
