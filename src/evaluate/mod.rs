//! Labelled sets, and what a recipe or a package is worth on them: figures with intervals, a report,
//! a comparison of two runs.

pub mod metrics;
