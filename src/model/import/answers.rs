//! The framework's own final answers, held against what the gate finds in the same picture.

use ndarray::ArrayD;

use crate::domain::{Class, Detection, RectPx, Score, SizePx};

use super::super::compare;
use super::super::decode;
use super::super::manifest::Manifest;
use super::super::output::RawOutput;
use super::super::tensors::{Tensor, Tensors};
use super::parity::{SCORE_DIFFERENCE_MAX, Seen, flipped, largest};

/// Our answer in pixels of the picture, to be held against the framework's own.
pub(super) struct Answered<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) size: SizePx,
    pub(super) found: (&'a RawOutput, &'a [Detection]),
    pub(super) px_by_input_px: f64,
}

impl Answered<'_> {
    pub(super) fn compare(&self, tensors: &Tensors, seen: &mut Seen) -> Result<(), String> {
        let (raw, detections) = self.found;
        let of = |name: &str| tensors.get(name).cloned().and_then(Tensor::into_f32);
        if let (Some(boxes), Some(scores), Some(labels)) =
            (of("answer.boxes"), of("answer.scores"), of("answer.labels"))
        {
            let wanted = self.wanted(&boxes, &scores, &labels)?;
            self.compare_boxes(&wanted, detections, seen);
            seen.has_answer = true;
        } else if let Some(scores) = of("answer.scores") {
            let here = decode::label_scores(self.manifest, raw).unwrap_or_default();
            note(largest(scores.as_slice().unwrap_or_default(), &here), seen);
        }
        if let Some(maps) = of("answer.maps") {
            let here = decode::probabilities(self.manifest, raw)?;
            note(largest(maps.as_slice().unwrap_or_default(), &here), seen);
        }
        let is_answer = |values: &ArrayD<f32>| self.is_answer(values, tensors);
        if let Some(score) = of("answer.score").filter(is_answer) {
            let map_most = || {
                let map = decode::score_map(self.manifest, raw)?;
                map.iter().copied().reduce(f32::max)
            };
            let here = decode::image_score(self.manifest, raw).or_else(map_most);
            note(
                largest(score.as_slice().unwrap_or_default(), here.as_slice()),
                seen,
            );
        }
        if let Some(map) = of("answer.map").filter(is_answer) {
            let here = decode::probabilities_of_map(self.manifest, raw)?;
            note(largest(map.as_slice().unwrap_or_default(), &here), seen);
        }
        Ok(())
    }

    /// Whether an answer is more than the graph's own number: distances that nobody made scores of
    /// cannot be held against scores.
    fn is_answer(&self, answer: &ArrayD<f32>, tensors: &Tensors) -> bool {
        let recorded = self.manifest.outputs.iter().filter_map(|(_, name)| {
            let values = tensors.get(name).cloned()?.into_f32()?;
            Some(values.iter().copied().collect::<Vec<_>>())
        });
        let answer: Vec<f32> = answer.iter().copied().collect();
        let is_raw = recorded.into_iter().any(|values| values == answer);
        !(is_raw && self.manifest.layout.has_range())
            && answer.iter().all(|value| (0.0..=1.0).contains(value))
    }

    fn compare_boxes(&self, wanted: &[Detection], detections: &[Detection], seen: &mut Seen) {
        let here: Vec<_> = detections
            .iter()
            .filter_map(|one| self.cut(one.clone()))
            .collect();
        let threshold = self.manifest.layout.confidence_threshold().unwrap_or(0.0);
        match compare::pair(wanted, &here, threshold + SCORE_DIFFERENCE_MAX) {
            Ok(difference) => {
                seen.score = seen.score.max(difference.score);
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "a distance in a picture needs few digits"
                )]
                let factor = self.px_by_input_px.max(1.0) as f32;
                seen.place_px = seen.place_px.max(difference.place_px / factor);
            }
            Err(problem) => {
                seen.flip
                    .get_or_insert_with(|| format!("{problem} by the framework's own answer"));
            }
        }
        if seen.flip.is_none() {
            seen.flip = flipped(wanted, &here);
        }
    }

    /// The framework's boxes over the threshold, as detections.
    fn wanted(
        &self,
        boxes: &ArrayD<f32>,
        scores: &ArrayD<f32>,
        labels: &ArrayD<f32>,
    ) -> Result<Vec<Detection>, String> {
        let threshold = self.manifest.layout.confidence_threshold().unwrap_or(0.0);
        let (edges, _) = boxes.as_slice().unwrap_or_default().as_chunks::<4>();
        let mut wanted = Vec::new();
        for ((edges, score), label) in edges.iter().zip(scores).zip(labels) {
            if *score < threshold {
                continue;
            }
            let class = class(self.manifest, *label)?;
            // A box counts from the picture's edge, a point from the centre of the first pixel.
            let [x1, y1, x2, y2] = edges.map(|edge| f64::from(edge) - 0.5);
            let region_px = RectPx {
                x: x1,
                y: y1,
                width: x2 - x1,
                height: y2 - y1,
            };
            let detection = Detection {
                class,
                score: Score::new(score.clamp(0.0, 1.0)).map_err(|error| error.to_string())?,
                region_px,
                outline_px: region_px.corners().to_vec(),
                has_mask: false,
                cell_px: 1.0,
            };
            wanted.extend(self.cut(detection));
        }
        Ok(wanted)
    }

    /// The part of a detection that lies in the picture.
    fn cut(&self, mut detection: Detection) -> Option<Detection> {
        let region = detection.region_px;
        let side = |start: f64, length: f64, most: u32| {
            let from = start.max(-0.5);
            let to = (start + length).min(f64::from(most) - 0.5);
            (from < to).then_some((from, to - from))
        };
        let (x, width) = side(region.x, region.width, self.size.width_px)?;
        let (y, height) = side(region.y, region.height, self.size.height_px)?;
        detection.region_px = RectPx {
            x,
            y,
            width,
            height,
        };
        Some(detection)
    }
}

fn class(manifest: &Manifest, label: f32) -> Result<Class, String> {
    let mut all = manifest.labels.iter().enumerate();
    let found = all.find(|(index, _)| (*index as f32 - label).abs() < 1e-3);
    found
        .map(|(_, class)| class.clone())
        .ok_or_else(|| format!("`answer.labels` has {label}, which is none of the labels"))
}

fn note(difference: f32, seen: &mut Seen) {
    seen.has_answer = true;
    seen.score = seen.score.max(difference);
}
