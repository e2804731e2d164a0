//! The thresholds of a layout, for whoever draws or measures with them.

use super::layout::Layout;

impl Layout {
    /// From this score on a picture shows a defect.
    pub fn score_threshold(self) -> f32 {
        match self {
            Self::ClassMaps {
                confidence_threshold,
                ..
            }
            | Self::ClassScores {
                confidence_threshold,
                ..
            }
            | Self::Boxes {
                confidence_threshold,
                ..
            } => confidence_threshold,
            Self::AnomalyMap {
                image_threshold, ..
            }
            | Self::AnomalyScore {
                image_threshold, ..
            } => image_threshold,
        }
    }

    /// From this score on a cell of a map is bad; `None` for layouts without a map.
    pub fn pixel_threshold(self) -> Option<f32> {
        match self {
            Self::ClassMaps {
                pixel_threshold, ..
            }
            | Self::AnomalyMap {
                pixel_threshold, ..
            } => Some(pixel_threshold),
            Self::ClassScores { .. } | Self::Boxes { .. } | Self::AnomalyScore { .. } => None,
        }
    }

    /// The label that means "no defect", where the layout has one.
    pub fn good_label(self) -> Option<usize> {
        match self {
            Self::ClassScores { good, .. } => Some(good),
            Self::ClassMaps { .. }
            | Self::Boxes { .. }
            | Self::AnomalyMap { .. }
            | Self::AnomalyScore { .. } => None,
        }
    }
}
