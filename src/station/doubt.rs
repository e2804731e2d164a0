//! What the station makes of a part that it is in doubt about.

use crate::domain::{Reason, Verdict};
use crate::inspect::Inspection;

const DOUBTFUL: Verdict = Verdict::Indeterminate(Reason::Doubtful);

/// What becomes of a doubtful part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// It is answered as doubtful: a person looks.
    #[default]
    Review,
    /// It is answered as not good: nobody is there to look.
    Reject,
    /// A second frame is taken and judged alone, if there is time; if it is in doubt too, a person looks.
    Reinspect,
}

impl Doubt {
    /// Whether a second look is wanted after this inspection.
    pub(super) fn looks_again(self, inspection: &Inspection) -> bool {
        self == Self::Reinspect && inspection.verdict == DOUBTFUL
    }

    /// The inspection as the station answers it.
    pub(super) fn settle(self, mut inspection: Inspection) -> Inspection {
        if self == Self::Reject && inspection.verdict == DOUBTFUL {
            inspection.verdict = Verdict::Ng;
            note(
                &mut inspection,
                "in doubt, which this station rejects (`[doubt]`)",
            );
        }
        inspection
    }
}

/// The second look, which counts, with the time of both.
pub(super) fn second_look(first: &Inspection, mut second: Inspection) -> Inspection {
    second.timings = first.timings.with(&second.timings);
    second.drifts.extend(first.drifts.iter().cloned());
    note(&mut second, "second look: the first frame left a doubt");
    second
}

/// Adds to the notes of the views, which the record keeps.
fn note(inspection: &mut Inspection, text: &str) {
    for view in &mut inspection.views {
        if !view.note.is_empty() {
            view.note.push_str("; ");
        }
        view.note.push_str(text);
    }
}
