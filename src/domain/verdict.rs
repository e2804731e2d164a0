//! The answer for one part.

use std::fmt;

/// What the gate says about a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The part passes.
    Ok,
    /// The part has a defect over a limit.
    Ng,
    /// The gate cannot say; the line treats the part as rejected.
    Indeterminate(Reason),
}

/// Why the gate cannot say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The inspection was not done by the deadline.
    Deadline,
    /// A view gave no frame.
    NoFrame,
    /// A frame is too dark, burnt out, blurred, empty, doubled or of the wrong size.
    ImageUnfit,
    /// The part is not where the recipe expects it.
    Misplaced,
    /// The model failed.
    Model,
    /// A finding lies between the doubtful and the reject threshold.
    Doubtful,
    /// More parts are open than the recipe allows.
    Overload,
    /// The calibration is missing, out of date or of another camera.
    Calibration,
    /// The record could not be made durable.
    Storage,
    /// A challenge part is overdue or was missed.
    Challenge,
    /// No recipe is loaded for the part's type.
    NoRecipe,
    /// Two parts were announced under one sequence number, or it cannot be told which frame is the part's.
    Sequence,
    /// The station was not taking parts: not started, halted, or stopped while the part was open.
    NotReady,
    /// The code on the part names another part than the line announced, or could not be read.
    Identity,
}

impl Reason {
    /// All reasons in the order of their wire codes.
    pub const ALL: [Self; 14] = [
        Self::Deadline,
        Self::NoFrame,
        Self::ImageUnfit,
        Self::Misplaced,
        Self::Model,
        Self::Doubtful,
        Self::Overload,
        Self::Calibration,
        Self::Storage,
        Self::Challenge,
        Self::NoRecipe,
        Self::Sequence,
        Self::NotReady,
        Self::Identity,
    ];

    /// The number used in the PLC block: 1 for the first of [`Self::ALL`], 0 is kept for no reason.
    pub fn wire_code(self) -> u8 {
        Self::ALL
            .iter()
            .zip(1..)
            .find_map(|(reason, code)| (*reason == self).then_some(code))
            .unwrap_or(0)
    }

    /// The word used on the wire, in records and in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::NoFrame => "no_frame",
            Self::ImageUnfit => "image_unfit",
            Self::Misplaced => "misplaced",
            Self::Model => "model",
            Self::Doubtful => "doubtful",
            Self::Overload => "overload",
            Self::Calibration => "calibration",
            Self::Storage => "storage",
            Self::Challenge => "challenge",
            Self::NoRecipe => "no_recipe",
            Self::Sequence => "sequence",
            Self::NotReady => "not_ready",
            Self::Identity => "identity",
        }
    }
}

impl Verdict {
    /// The verdict of a part from those of its views: a defect that is sure outweighs a doubt, a
    /// doubt outweighs a pass. The first doubt names the reason.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        match (self, other) {
            (Self::Ng, _) | (_, Self::Ng) => Self::Ng,
            (doubt @ Self::Indeterminate(_), _) | (_, doubt @ Self::Indeterminate(_)) => doubt,
            (Self::Ok, Self::Ok) => Self::Ok,
        }
    }

    /// `ok`, `ng` or `indeterminate`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Ng => "ng",
            Self::Indeterminate(_) => "indeterminate",
        }
    }

    /// The reason of an indeterminate verdict.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Ok | Self::Ng => None,
            Self::Indeterminate(reason) => Some(reason),
        }
    }

    /// Result code of OPC 40001-101: 1 OK, 2 `NotOK`, 3 `NotDecidable`.
    pub fn opc_code(self) -> u8 {
        match self {
            Self::Ok => 1,
            Self::Ng => 2,
            Self::Indeterminate(_) => 3,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            None => f.write_str(self.word()),
            Some(reason) => write!(f, "indeterminate ({})", reason.word()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_view_decides() {
        let doubt = Verdict::Indeterminate(Reason::NoFrame);
        assert_eq!(Verdict::Ok.worse(Verdict::Ok), Verdict::Ok);
        assert_eq!(Verdict::Ok.worse(doubt), doubt);
        assert_eq!(doubt.worse(Verdict::Ng), Verdict::Ng);
        assert_eq!(Verdict::Ng.worse(doubt), Verdict::Ng);
        assert_eq!(doubt.worse(Verdict::Indeterminate(Reason::Model)), doubt);
    }
}
