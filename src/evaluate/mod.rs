//! Labelled sets, and what a recipe or a package is worth on them: figures with intervals, a report,
//! a comparison of two runs.
//!
//! [`read_set`] reads pictures with their truth, [`run`] shows each to the
//! [`Inspector`](crate::inspect::Inspector) that also runs live, [`figures`] measures the outcome.

mod classes;
mod compare;
mod figures;
mod form;
mod mask;
mod matching;
pub mod metrics;
mod package;
mod report;
mod run;
mod set;

pub use classes::{ClassFigures, Confusion};
pub use compare::{CompareError, Comparison, FigurePair, Flip, compare};
pub use figures::{
    BoxFigures, ByClass, Figures, ImageFigures, OVERKILLS, Recall, Share, Stage, Verdicts, figures,
};
pub use form::{FindingForm, Item, LeftOutForm, PictureForm, RunError, RunForm, Subject, read_run};
pub use matching::{MatchError, Matching};
pub use package::{PackageError, inspector_of};
pub use report::{PICTURES_MAX, Report, report};
pub use run::{Judged, Method, Run, run};
pub use set::{
    Format, GOOD_NAMES, LabelledPicture, LabelledSet, LeftOut, SPLIT, SetError, SetQuery, TrueMask,
    Truth, read_set,
};
