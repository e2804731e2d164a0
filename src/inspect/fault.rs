//! What goes wrong with a view, as the part is answered.

use super::with_causes;
use crate::calibration::CalibrationFault;
use crate::domain::Reason;
use crate::model::ModelError;
use crate::vision::VisionError;

/// Why a view has no findings.
pub(super) struct Fault {
    pub(super) reason: Reason,
    pub(super) note: String,
}

impl From<CalibrationFault> for Fault {
    fn from(fault: CalibrationFault) -> Self {
        let reason = match fault {
            CalibrationFault::WrongSize { .. } => Reason::ImageUnfit,
            CalibrationFault::OutOfDate { .. }
            | CalibrationFault::FromTheFuture { .. }
            | CalibrationFault::NotFinite { .. } => Reason::Calibration,
        };
        Self {
            reason,
            note: fault.to_string(),
        }
    }
}

impl From<VisionError> for Fault {
    fn from(error: VisionError) -> Self {
        let reason = if error.is_misplaced() {
            Reason::Misplaced
        } else {
            Reason::ImageUnfit
        };
        Self {
            reason,
            note: with_causes(&error),
        }
    }
}

impl From<ModelError> for Fault {
    fn from(error: ModelError) -> Self {
        Self {
            reason: Reason::Model,
            note: with_causes(&error),
        }
    }
}
