//! Pure figures: what scores, boxes and pixels are worth against the truth, and how sure that is.

mod boxes;
mod interval;
mod paired;
mod pixels;
pub mod ranking;

pub use boxes::{
    BoxPx, ClassPrecision, FoundBox, PictureBoxes, TrueBox, class_precisions, mean_precision,
    overlap,
};
pub use interval::{Interval, Rate, auroc_interval};
pub use paired::{AurocDifference, delong, mcnemar_exact};
pub use pixels::{AUPRO_LIMIT, PixelFigures, PixelScores};
