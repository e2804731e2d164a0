//! What the manifest of a model package means once it is checked.

mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::domain::{Class, Name};
use crate::vision::InputSpec;

use super::graph::NeededOutput;
use super::layout::{Layout, OutputFile, Task, ThresholdsFile, check_layout};
use super::output::Role;

pub use file::ProvedBy;
use file::ResizeFile;
pub(super) use file::{GoldenFile, InputFile, LabelFile, ManifestFile};

/// The manifest's form that this program reads.
pub(super) const SCHEMA: i64 = 1;
/// Most labels of a package.
pub(super) const LABELS_MAX: usize = 256;
/// Most golden vectors of a package.
pub(super) const GOLDEN_MAX: usize = 32;
/// Largest input side.
pub(super) const INPUT_SIDE_MAX_PX: u32 = 4096;

/// One golden vector: an input picture and what the exporter's model made of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Golden {
    pub(super) image: String,
    pub(super) image_sha256: String,
    pub(super) outputs: String,
    pub(super) outputs_sha256: String,
    pub(super) tolerance: f32,
    pub(super) original: bool,
}

/// A manifest that has been checked: holding one means that its numbers fit together.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The package's name, for example `stamping-surface`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What kind of answer it gives.
    pub task: Task,
    /// What it finds, in a sentence.
    pub description: String,
    /// What it was trained on.
    pub trained_on: String,
    /// Where its golden vectors come from.
    pub proved_by: ProvedBy,
    /// SHA-256 of the ONNX file, lower-case hexadecimal.
    pub onnx_sha256: String,
    /// The name of the graph's input.
    pub input_name: String,
    /// Size, channels and normalisation of the input.
    pub input: InputSpec,
    /// The names of the graph's outputs that the layout needs.
    pub outputs: Vec<(Role, String)>,
    /// How the output is read, with the thresholds that belong to it.
    pub layout: Layout,
    /// The labels in the order of the output's channels.
    pub labels: Vec<Class>,
    /// What was measured on the package's test set, by name.
    pub metrics: BTreeMap<String, f64>,
    pub(super) onnx: String,
    /// Output and thresholds as written, for people.
    pub(super) output: OutputFile,
    pub(super) thresholds: ThresholdsFile,
    /// The file of the fixed inputs, and its hash.
    pub(super) fixed: Option<(String, String)>,
    pub(super) golden: Vec<Golden>,
}

impl Manifest {
    /// What the graph must give.
    pub(super) fn needed_outputs(&self) -> Vec<NeededOutput> {
        let needed = |(role, name): &(Role, String)| NeededOutput {
            name: name.clone(),
            shapes: self.layout.shapes(*role, self.labels.len()),
            numbers: role.numbers(),
        };
        self.outputs.iter().map(needed).collect()
    }
}

/// Notes what is wrong, so that all mistakes are told at once.
#[derive(Debug, Default)]
pub(super) struct Mistakes(pub(super) Vec<String>);

impl Mistakes {
    pub(super) fn note(&mut self, mistake: impl fmt::Display) {
        self.0.push(mistake.to_string());
    }

    /// Notes a number outside `0..=1`; NaN is outside.
    pub(super) fn share(&mut self, key: &str, value: f32) {
        if !(0.0..=1.0).contains(&value) {
            self.note(format_args!(
                "`{key} = {value}` is out of range; write 0 to 1"
            ));
        }
    }

    /// Notes channels, means and scales that do not fit together.
    pub(super) fn channels(&mut self, input: &InputSpec) {
        if input.channels != 1 && input.channels != 3 {
            self.note(format_args!(
                "`input.channels = {}` is out of range; write 1 (grey) or 3 (colour)",
                input.channels
            ));
        }
        for (key, values) in [
            ("mean_values", &input.mean_values),
            ("scale_values", &input.scale_values),
        ] {
            if values.len() as u64 != u64::from(input.channels) {
                self.note(format_args!(
                    "`input.{key}` has {} numbers for {} channels; write one for each channel",
                    values.len(),
                    input.channels
                ));
            }
            for (index, value) in values.iter().enumerate().filter(|(_, v)| !v.is_finite()) {
                self.note(format_args!(
                    "`input.{key}[{index}] = {value}` is no finite number"
                ));
            }
        }
        for (index, value) in input.scale_values.iter().enumerate() {
            // A subnormal scale would make the input infinite as zero does.
            if value.is_finite() && !value.is_normal() {
                self.note(format_args!(
                    "`input.scale_values[{index}] = {value}` divides by zero; write the spread of the \
                     channel's grey values, or 1"
                ));
            }
        }
    }

    pub(super) fn name(&mut self, key: &str, value: &str) {
        if let Err(error) = Name::new(value) {
            self.note(format_args!("`{key}`: {error}"));
        }
    }

    pub(super) fn sha256(&mut self, key: &str, value: &str) {
        let hexadecimal = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        if value.len() != 64 || !value.bytes().all(hexadecimal) {
            self.note(format_args!(
                "`{key} = \"{}\"` is no SHA-256; write 64 lower-case hexadecimal digits",
                value.escape_debug()
            ));
        }
    }
}

impl ManifestFile {
    /// Checks the numbers and their fit; all mistakes are told at once.
    pub(super) fn check(self) -> Result<Manifest, Vec<String>> {
        let mut mistakes = Mistakes::default();
        if self.schema != SCHEMA {
            mistakes.note(format_args!(
                "`schema = {}` is unknown; this program reads {SCHEMA}",
                self.schema
            ));
        }
        mistakes.name("name", &self.name);
        mistakes.name("version", &self.version);
        mistakes.sha256("onnx_sha256", &self.onnx_sha256);
        mistakes.name("input.name", &self.input.name);
        for (name, value) in &self.metrics {
            if !value.is_finite() {
                mistakes.note(format_args!(
                    "`metrics.{name} = {value}` is no finite number"
                ));
            }
        }
        let outputs = check_outputs(&self.output, &mut mistakes);
        let fixed = check_fixed(self.fixed, self.fixed_sha256, &mut mistakes);
        let input = check_input(&self.input, &mut mistakes);
        let labels = check_labels(&self.labels, &mut mistakes);
        let golden = check_golden(self.golden, &mut mistakes);
        let layout = check_layout(
            self.task,
            &self.output,
            &self.thresholds,
            (&labels, self.good_label.as_deref()),
            &mut mistakes,
        );
        if let Some([x, y, width, height]) = self.output.map_region_px
            && (u64::from(x) + u64::from(width) > u64::from(input.width_px)
                || u64::from(y) + u64::from(height) > u64::from(input.height_px))
        {
            mistakes.note(format_args!(
                "`output.map_region_px = [{x}, {y}, {width}, {height}]` reaches over the input of {} x {} px",
                input.width_px, input.height_px
            ));
        }
        check_tolerances(&self.output, &golden, &mut mistakes);
        match layout {
            Some(layout) if mistakes.0.is_empty() => Ok(Manifest {
                name: self.name,
                version: self.version,
                task: self.task,
                description: self.description,
                trained_on: self.trained_on,
                proved_by: self.proved_by,
                onnx_sha256: self.onnx_sha256,
                input_name: self.input.name,
                input,
                outputs,
                output: self.output,
                thresholds: self.thresholds,
                layout,
                labels,
                metrics: self.metrics,
                onnx: self.onnx,
                fixed,
                golden,
            }),
            Some(_) | None => Err(mistakes.0),
        }
    }
}

/// The outputs by role, in the layout's order.
fn check_outputs(file: &OutputFile, mistakes: &mut Mistakes) -> Vec<(Role, String)> {
    let (layout, roles) = (file.layout, file.layout.roles());
    if let [role] = roles {
        if !file.names.is_empty() {
            mistakes.note(format_args!(
                "`output.names` means nothing for the layout \"{layout}\", which needs one output; \
                 write `output.name`"
            ));
        }
        let Some(name) = &file.name else {
            mistakes.note("`output.name` is missing; write the name of the graph's output");
            return Vec::new();
        };
        mistakes.name("output.name", name);
        return vec![(*role, name.clone())];
    }
    if file.name.is_some() {
        mistakes.note(format_args!(
            "`output.name` means nothing for the layout \"{layout}\", which needs several outputs; \
             write `output.names`"
        ));
    }
    for role in file.names.keys().filter(|role| !roles.contains(role)) {
        mistakes.note(format_args!(
            "`output.names.{role}` means nothing for the layout \"{layout}\"; remove it"
        ));
    }
    let mut outputs = Vec::with_capacity(roles.len());
    for role in roles {
        let Some(name) = file.names.get(role) else {
            mistakes.note(format_args!(
                "`output.names.{role}` is missing; the layout \"{layout}\" needs it"
            ));
            continue;
        };
        mistakes.name(&format!("output.names.{role}"), name);
        outputs.push((*role, name.clone()));
    }
    outputs
}

fn check_fixed(
    file: Option<String>,
    sha256: Option<String>,
    mistakes: &mut Mistakes,
) -> Option<(String, String)> {
    match (file, sha256) {
        (None, None) => None,
        (Some(file), Some(sha256)) => {
            mistakes.sha256("fixed_sha256", &sha256);
            Some((file, sha256))
        }
        (Some(_), None) | (None, Some(_)) => {
            mistakes.note("`fixed` and `fixed_sha256` belong together; write both or none");
            None
        }
    }
}

fn check_input(file: &InputFile, mistakes: &mut Mistakes) -> InputSpec {
    for (key, value) in [("width_px", file.width_px), ("height_px", file.height_px)] {
        if !(1..=INPUT_SIDE_MAX_PX).contains(&value) {
            mistakes.note(format_args!(
                "`input.{key} = {value}` is out of range; write 1 to {INPUT_SIDE_MAX_PX}"
            ));
        }
    }
    let shorter = file.width_px.min(file.height_px)..=INPUT_SIDE_MAX_PX;
    match (file.resize_type == ResizeFile::Crop, file.resize_shorter_px) {
        (true, Some(side)) if shorter.contains(&side) => {}
        (true, Some(side)) => mistakes.note(format_args!(
            "`input.resize_shorter_px = {side}` is out of range; write {} to {}",
            shorter.start(),
            shorter.end()
        )),
        (true, None) => mistakes.note(
            "`input.resize_shorter_px` is missing; write to which length `crop` scales the shorter side",
        ),
        (false, Some(_)) => mistakes
            .note("`input.resize_shorter_px` belongs to `resize_type = \"crop\"`; remove it"),
        (false, None) => {}
    }
    let input = file.spec();
    mistakes.channels(&input);
    input
}

fn check_labels(files: &[LabelFile], mistakes: &mut Mistakes) -> Vec<Class> {
    if files.is_empty() || files.len() > LABELS_MAX {
        mistakes.note(format_args!(
            "there are {} `[[labels]]`; write 1 to {LABELS_MAX}",
            files.len()
        ));
    }
    let mut seen = BTreeSet::new();
    for (index, label) in files.iter().enumerate() {
        mistakes.name(&format!("labels[{index}].name"), &label.name);
        if !label.code.is_empty() {
            mistakes.name(&format!("labels[{index}].code"), &label.code);
        }
        if !seen.insert(label.name.as_str()) {
            mistakes.note(format_args!(
                "`labels[{index}].name = \"{}\"` is there twice; give each class one label",
                label.name.escape_debug()
            ));
        }
    }
    let class = |label: &LabelFile| Class {
        name: Arc::from(label.name.as_str()),
        code: Arc::from(label.code.as_str()),
    };
    files.iter().map(class).collect()
}

fn check_tolerances(output: &OutputFile, golden: &[Golden], mistakes: &mut Mistakes) {
    let max = output.tolerance_max();
    for (index, golden) in golden.iter().enumerate() {
        if !(0.0..=max).contains(&golden.tolerance) {
            mistakes.note(format_args!(
                "`golden[{index}].tolerance = {}` is out of range; write 0 to {max}: more proves nothing",
                golden.tolerance
            ));
        }
    }
}

fn check_golden(files: Vec<GoldenFile>, mistakes: &mut Mistakes) -> Vec<Golden> {
    if files.is_empty() || files.len() > GOLDEN_MAX {
        mistakes.note(format_args!(
            "there are {} `[[golden]]` vectors; a package proves itself with 1 to {GOLDEN_MAX}",
            files.len()
        ));
    }
    for (index, golden) in files.iter().enumerate() {
        mistakes.sha256(
            &format!("golden[{index}].image_sha256"),
            &golden.image_sha256,
        );
        mistakes.sha256(
            &format!("golden[{index}].outputs_sha256"),
            &golden.outputs_sha256,
        );
    }
    let golden = |file: GoldenFile| Golden {
        image: file.image,
        image_sha256: file.image_sha256,
        outputs: file.outputs,
        outputs_sha256: file.outputs_sha256,
        tolerance: file.tolerance,
        original: file.original,
    };
    files.into_iter().map(golden).collect()
}
