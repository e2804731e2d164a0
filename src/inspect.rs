//! Frames in, findings and a verdict out: the only place that knows the order of the stages.
//!
//! `run`, `replay`, the benches and the tests all call [`Inspector::inspect`].

mod drift;
mod fault;
mod identity;
mod view;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::calibration::Calibration;
use crate::domain::{Finding, Frame, ItemVersion, Name, Reason, StageTimings, Verdict, ViewRecord};
use crate::judge::judge_part;
use crate::model::{Detector, RawOutput};
use crate::recipe::{Recipe, View};
use crate::vision::{FlatField, Picture, Preparer, VisionError};

pub use crate::config::with_causes;
use view::ViewInspector;

/// Everything that one recipe needs, ready to judge parts.
pub struct Inspector {
    recipe: Recipe,
    views: Vec<ViewInspector>,
}

/// What a view's camera gave, or why it gave nothing.
#[derive(Debug)]
pub struct Capture {
    /// The frame, or what the part is answered and a text with figures.
    pub frame: Result<Frame, (Reason, String)>,
    /// How long it took.
    pub took: Duration,
}

/// The outcome for one part.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// The worst of the views.
    pub verdict: Verdict,
    /// All findings of all views, graded.
    pub findings: Vec<Finding>,
    /// What each view contributed.
    pub views: Vec<ViewRecord>,
    /// The part that its code names, where the recipe has one and it could be read.
    pub part_read: Option<Name>,
    /// How long the stages took, views added up; `total` is left to the station.
    pub timings: StageTimings,
    /// What a person should know of where parts have come to lie; empty if nothing.
    pub drifts: Vec<String>,
}

/// Why a recipe cannot be inspected with what is there.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Classes without a limit would be defects that nobody judges.
    #[error(
        "recipe `{part_type}`, view `{view}`: no limit for {missing}; add `[views.zones.limits.\"*\"]`"
    )]
    NoLimit {
        /// The part type.
        part_type: String,
        /// The view.
        view: String,
        /// Class and zone of each.
        missing: String,
    },
    /// Limits for classes that the model does not have would never be used.
    #[error(
        "recipe `{part_type}`, view `{view}`: limits for {unknown}, but the model knows {labels}"
    )]
    UnknownClass {
        /// The part type.
        part_type: String,
        /// The view.
        view: String,
        /// Class and zone of each.
        unknown: String,
        /// The model's labels.
        labels: String,
    },
    /// The preparation does not fit the calibration.
    #[error("recipe `{part_type}`, view `{view}`: the image cannot be prepared")]
    Prepare {
        /// The part type.
        part_type: String,
        /// The view.
        view: String,
        /// What does not fit.
        #[source]
        cause: Box<VisionError>,
    },
    /// The code is looked for where the camera sees nothing.
    #[error("recipe `{part_type}`, view `{view}`: the part's code cannot be looked for")]
    Code {
        /// The part type.
        part_type: String,
        /// The view.
        view: String,
        /// What does not fit.
        #[source]
        cause: Box<VisionError>,
    },
}

/// One model's look at one view, for whoever wants more than the verdict.
pub struct Look<'a> {
    /// The view.
    pub view: &'a View,
    /// The model.
    pub detector: &'a dyn Detector,
    /// What it gave.
    pub raw: &'a RawOutput,
    /// From its input back to the frame.
    pub preparer: &'a Preparer,
    /// The frame.
    pub frame: &'a Frame,
}

/// What a view is inspected with.
pub struct ViewParts {
    /// The calibration of the view's camera.
    pub calibration: Calibration,
    /// Its flat-field image, where the recipe asks for it.
    pub flat_field: Option<FlatField>,
    /// The reference picture, where the view names one.
    pub reference: Option<Picture>,
    /// The view's models, in the recipe's order.
    pub detectors: Vec<Arc<dyn Detector>>,
}

impl Inspection {
    /// An outcome that no view had a part in.
    pub fn without_views(verdict: Verdict) -> Self {
        Self {
            verdict,
            findings: Vec::new(),
            views: Vec::new(),
            part_read: None,
            timings: StageTimings::default(),
            drifts: Vec::new(),
        }
    }
}

impl Inspector {
    /// Joins a recipe with the parts of each of its views, in the recipe's order.
    ///
    /// # Errors
    /// [`SetupError`] if a class has no limit or a preparation does not fit; the station does not
    /// become `Ready`.
    pub fn new(recipe: Recipe, parts: Vec<ViewParts>) -> Result<Self, SetupError> {
        let views = recipe
            .views
            .iter()
            .zip(parts)
            .map(|(view, parts)| ViewInspector::new(&recipe, view, parts))
            .collect::<Result<_, _>>()?;
        Ok(Self { recipe, views })
    }

    /// The recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The models in use, as records name them, without doubles.
    pub fn models(&self) -> Vec<ItemVersion> {
        sorted(self.views.iter().flat_map(ViewInspector::models))
    }

    /// The models of the first view, in the recipe's order.
    pub fn first_detectors(&self) -> Vec<Arc<dyn Detector>> {
        self.views
            .first()
            .map(ViewInspector::detectors)
            .unwrap_or_default()
    }

    /// The calibrations in use, as records name them, without doubles.
    pub fn calibrations(&self) -> Vec<ItemVersion> {
        sorted(self.views.iter().map(ViewInspector::calibration))
    }

    /// Judges one part from a capture for each view, in the recipe's order.
    ///
    /// Never fails: what goes wrong is the view's `Indeterminate` with a note. A missing capture
    /// counts as no frame. The part's code is read only where the part was `announced`: a picture of
    /// unknown origin need not show it.
    pub fn inspect(
        &mut self,
        captures: Vec<Capture>,
        announced: Option<&Name>,
        now_utc: Timestamp,
    ) -> Inspection {
        self.inspect_seen(captures, announced, now_utc, &mut |_| {})
    }

    /// [`Self::inspect`], and shows each model's look at each view on the way.
    pub fn inspect_seen(
        &mut self,
        captures: Vec<Capture>,
        announced: Option<&Name>,
        now_utc: Timestamp,
        see: &mut dyn FnMut(&Look<'_>),
    ) -> Inspection {
        let mut inspection = Inspection::without_views(Verdict::Ok);
        let mut captures = captures.into_iter();
        for view in &mut self.views {
            let capture = captures.next().unwrap_or_else(|| Capture {
                frame: Err((Reason::NoFrame, "no frame was taken".to_owned())),
                took: Duration::ZERO,
            });
            let (record, findings) = view.judge(capture, announced, now_utc, &mut inspection, see);
            inspection.drifts.extend(view.drift(&record));
            inspection.findings.extend(findings);
            inspection.verdict = inspection.verdict.worse(record.verdict);
            inspection.views.push(record);
        }
        let together = judge_part(&self.recipe.part_limits, &mut inspection.findings);
        inspection.verdict = inspection.verdict.worse(together);
        inspection
    }
}

fn sorted(items: impl Iterator<Item = ItemVersion>) -> Vec<ItemVersion> {
    let mut items: Vec<_> = items.collect();
    items.sort();
    items.dedup();
    items
}
