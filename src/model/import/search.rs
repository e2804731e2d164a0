//! Where a model scores differently here: which other preparation would make it right.

use crate::vision::{InputSpec, Interpolation, Resize};

use super::super::layout::OutputFile;
use super::super::manifest::Manifest;
use super::super::provider::SessionOptions;
use super::super::runtime::Runtime;
use super::super::write::PackageDraft;
use super::ImportError;
use super::golden_dir::{GoldenDir, Recorded, RecordedBytes};
use super::parity::{Parity, ProveError, SCORE_DIFFERENCE_MAX, grey_apart, look};
use super::preparation::{IMAGENET_MEAN, IMAGENET_SCALE};
use super::trial::{self, Trial};

/// How many pictures an alternative must fit.
const PICTURES: usize = 3;
/// How many changes are tried at once where each must be run through the net to be seen.
const FLAGS_MAX: usize = 3;
/// What a flipped verdict counts as, where a score would be compared.
const FLIP: f32 = 1.0;
/// How far a prepared picture may be off, in grey values, where the framework recorded its own.
const GREY_MAX: f32 = 0.05;

/// Another preparation, or another reading of the outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Alternative {
    /// What to give on the command line.
    pub flags: Vec<String>,
    /// The largest difference of a score on the first pictures.
    pub score: f32,
    /// Whether it would be good enough there.
    pub fits: bool,
}

/// Looks for the preparation that fits best: first by the prepared pictures that the framework
/// recorded, else by the scores; changes as little as possible.
///
/// # Errors
/// Where a picture cannot be read.
pub fn search(
    draft: &PackageDraft,
    others: &[OutputFile],
    (golden, parity): (&GoldenDir, &Parity),
    (runtime, options): (&Runtime, &SessionOptions),
) -> Result<Option<Alternative>, ProveError> {
    let trial = Trial::new(draft, runtime, options)?;
    // Where the difference is largest, something can be learned.
    let worst = parity.by_difference.iter().take(PICTURES);
    let recorded: Vec<_> = worst
        .filter_map(|index| golden.pictures().get(*index))
        .collect();
    let mut files = Vec::with_capacity(recorded.len());
    for one in &recorded {
        files.push((*one, one.read()?));
    }
    for output in others {
        let Some(manifest) = trial::read_as(draft, output) else {
            continue;
        };
        let Some(score) = read_so(&trial, &manifest, draft, &files)? else {
            continue;
        };
        if score <= SCORE_DIFFERENCE_MAX {
            return Ok(Some(Alternative {
                flags: vec![reading_flag(draft, output)],
                score,
                fits: true,
            }));
        }
    }
    let has_input = files
        .iter()
        .any(|(_, bytes)| bytes.tensors.contains_key("input"));
    let mut best: Option<Alternative> = None;
    for (input, flags) in alternatives(&draft.input) {
        // Of those that change as little, the one that fits best.
        let enough = |best: &Alternative| best.fits && best.flags.len() < flags.len();
        if best.as_ref().is_some_and(enough) || (!has_input && FLAGS_MAX < flags.len()) {
            break;
        }
        let so_far = best.as_ref().map_or(f32::INFINITY, |best| best.score);
        let changed = PackageDraft {
            input,
            onnx: Vec::new(),
            ..draft.clone()
        };
        let Some(score) = try_out(&trial, &changed, &files, so_far) else {
            continue;
        };
        let fits = score <= SCORE_DIFFERENCE_MAX;
        best = Some(Alternative { flags, score, fits });
    }
    Ok(best)
}

/// What to give for another reading of the outputs.
fn reading_flag(draft: &PackageDraft, output: &OutputFile) -> String {
    match output.first_label {
        Some(first) if output.layout == draft.output.layout => format!("--first-label {first}"),
        Some(_) | None => format!("--layout {}", output.layout),
    }
}

/// The largest difference of a score with the outputs read in another way; nothing where they cannot
/// be read so.
fn read_so(
    trial: &Trial,
    manifest: &Manifest,
    draft: &PackageDraft,
    files: &[(&Recorded, RecordedBytes)],
) -> Result<Option<f32>, ProveError> {
    let mut score = 0.0_f32;
    for (recorded, bytes) in files {
        let look = look(
            trial,
            manifest,
            draft,
            recorded,
            (&bytes.picture, &bytes.tensors),
        );
        match look {
            Ok(seen) if seen.flip.is_none() => score = score.max(seen.score),
            Ok(_) | Err(ProveError::Import(ImportError::Golden { .. })) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(score))
}

/// The largest difference of a score; nothing where the prepared picture alone shows that it is not
/// this one.
fn try_out(
    trial: &Trial,
    draft: &PackageDraft,
    files: &[(&Recorded, RecordedBytes)],
    best: f32,
) -> Option<f32> {
    let mut score = 0.0_f32;
    for (recorded, bytes) in files {
        if let Some(input) = bytes.tensors.get("input") {
            let prepared = trial::picture(&bytes.picture)
                .and_then(|picture| trial::prepared(&picture, &draft.input));
            let off = prepared
                .ok()
                .and_then(|(tensor, _)| grey_apart(input, &tensor, &draft.input.scale_values));
            if off.is_some_and(|off| off > GREY_MAX) {
                return None;
            }
        }
        let seen = look(
            trial,
            &trial.manifest,
            draft,
            recorded,
            (&bytes.picture, &bytes.tensors),
        );
        // A preparation that makes the model fail, or judge otherwise, is not the right one.
        let seen = seen.ok()?;
        score = score.max(seen.score);
        if seen.flip.is_some() {
            score = score.max(FLIP);
        }
        if score >= best {
            return None;
        }
    }
    Some(score)
}

/// Other preparations with what to give for each, those that change one thing first.
fn alternatives(input: &InputSpec) -> Vec<(InputSpec, Vec<String>)> {
    let resizes = resizes(input);
    let colours = [input.reverse_input_channels, !input.reverse_input_channels];
    let scalings = scalings(input);
    let mut all = Vec::new();
    for (resize, resize_flags) in &resizes {
        for (word, interpolation) in interpolations(input) {
            for reverse_input_channels in colours {
                for (mean, scale) in &scalings {
                    let changed = InputSpec {
                        resize: *resize,
                        interpolation,
                        reverse_input_channels,
                        mean_values: mean.clone(),
                        scale_values: scale.clone(),
                        ..input.clone()
                    };
                    let flags = flags(input, &changed, resize_flags, word);
                    all.push((changed, flags));
                }
            }
        }
    }
    // The same order for the same number of changes; the one without any was tried already.
    all.sort_by_key(|(_, flags)| flags.len());
    all.retain(|(changed, _)| changed != input);
    all
}

fn flags(
    input: &InputSpec,
    changed: &InputSpec,
    resize_flags: &[String],
    interpolation: &str,
) -> Vec<String> {
    let numbers = |values: &[f32]| {
        let words: Vec<_> = values.iter().map(ToString::to_string).collect();
        words.join(",")
    };
    let mut flags = Vec::new();
    if changed.resize != input.resize {
        flags.extend_from_slice(resize_flags);
    }
    if changed.interpolation != input.interpolation {
        flags.push(format!("--interpolation {interpolation}"));
    }
    if changed.reverse_input_channels != input.reverse_input_channels {
        let word = if changed.reverse_input_channels {
            "rgb"
        } else {
            "bgr"
        };
        flags.push(format!("--color {word}"));
    }
    if changed.mean_values != input.mean_values {
        flags.push(format!("--mean {}", numbers(&changed.mean_values)));
    }
    if changed.scale_values != input.scale_values {
        flags.push(format!("--scale {}", numbers(&changed.scale_values)));
    }
    flags
}

fn interpolations(input: &InputSpec) -> Vec<(&'static str, Interpolation)> {
    let mut all = Interpolation::ALL.map(|one| (one.word(), one)).to_vec();
    all.sort_by_key(|(_, interpolation)| *interpolation != input.interpolation);
    all
}

fn resizes(input: &InputSpec) -> Vec<(Resize, Vec<String>)> {
    let side = input.width_px.min(input.height_px);
    let named = |resize, word: &str| (resize, vec![format!("--resize {word}")]);
    let crop = |shorter_px: u32| {
        let flags = vec![
            "--resize crop".to_owned(),
            format!("--resize-shorter {shorter_px}"),
        ];
        (Resize::Crop { shorter_px }, flags)
    };
    let mut all = vec![
        named(Resize::Standard, "standard"),
        named(Resize::FitToWindowLetterbox, "fit_to_window_letterbox"),
        named(Resize::Letterbox, "letterbox"),
        named(Resize::LetterboxTopLeft, "letterbox_top_left"),
        crop(side),
        // 0.875, 0.9 and 0.95 are the usual shares of the side.
        crop(side * 8 / 7),
        crop(side * 10 / 9),
        crop(side * 20 / 19),
    ];
    all.sort_by_key(|(resize, _)| *resize != input.resize);
    all
}

fn scalings(input: &InputSpec) -> Vec<(Vec<f32>, Vec<f32>)> {
    let all = |value: f32| vec![value; input.mean_values.len()];
    let mut known = vec![
        (input.mean_values.clone(), input.scale_values.clone()),
        (all(0.0), all(255.0)),
        (all(0.0), all(1.0)),
        (all(127.5), all(127.5)),
    ];
    if input.channels == 3 {
        let reversed = |values: [f32; 3]| values.iter().rev().copied().collect::<Vec<_>>();
        known.push((IMAGENET_MEAN.to_vec(), IMAGENET_SCALE.to_vec()));
        known.push((reversed(IMAGENET_MEAN), reversed(IMAGENET_SCALE)));
        known.push((IMAGENET_MEAN.to_vec(), all(1.0)));
    }
    known
}
