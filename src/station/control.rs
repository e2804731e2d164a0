//! Which state the station is in and which verb leads where: the states of OPC 40100-1, pure.
//!
//! ```text
//! preoperational ─ all tests passed ─▶ ready ─ start_single_job ──▶ single_execution ─ its part answered ─┐
//!       ▲    │                          ▲ │ ─ start_continuous ──▶ continuous_execution ─ stop, abort ───┤
//!     reset  └─ failed ─▶ error         │ └──────────────────────────────────────────────────────────────┘
//!       │                               prepare_recipe, unprepare_recipe ◀─▶ initialized
//! halted, error        halt: from everywhere to halted
//! ```

use crate::publish::{StationState, Verb};

/// The state and what is on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Control {
    state: StationState,
    // Models are being loaded and tested on the inspecting thread.
    is_loading: bool,
    // The single job has its part.
    has_part: bool,
    course: Course,
}

/// What becomes of parts that are announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// What the state says.
    Going,
    /// Those that are open are finished, new ones are not taken.
    Stopping,
    /// The same, whatever the state will be: the station ends.
    Leaving,
}

/// What the station has to do for a verb beside changing its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Nothing more.
    None,
    /// Answer open parts at once.
    AbortParts,
    /// Load recipes, models and cameras; the verb is answered when that is done.
    Load,
    /// Let go of the named recipe, or of all.
    Unload,
    /// Answer open parts at once, let go of everything.
    LetGo,
}

impl Control {
    /// A station whose tests are running.
    pub(super) fn starting() -> Self {
        Self {
            state: StationState::Preoperational,
            is_loading: true,
            has_part: false,
            course: Course::Going,
        }
    }

    /// The station ends: no part is taken any more, whatever the state.
    pub(super) fn leaves(&mut self) {
        self.course = Course::Leaving;
    }

    pub(super) fn state(&self) -> StationState {
        self.state
    }

    /// Whether a trigger is inspected.
    pub(super) fn takes_parts(&self) -> bool {
        let runs = match self.state {
            StationState::ContinuousExecution => true,
            StationState::SingleExecution => !self.has_part,
            StationState::Offline
            | StationState::Preoperational
            | StationState::Halted
            | StationState::Error
            | StationState::Initialized
            | StationState::Ready => false,
        };
        runs && self.course == Course::Going
    }

    /// A part was taken.
    pub(super) fn took_part(&mut self) {
        self.has_part = true;
    }

    /// Goes back to `ready` when the last part of a job was answered; whether it did.
    pub(super) fn parts_open(&mut self, n_open: usize) -> bool {
        let is_single = self.state == StationState::SingleExecution;
        let is_done =
            n_open == 0 && (self.course == Course::Stopping || (is_single && self.has_part));
        if is_done {
            self.enter(StationState::Ready);
        }
        is_done
    }

    /// What `verb` leads to; the state is changed where it is allowed.
    ///
    /// # Errors
    /// Says why not, and which verbs are possible.
    pub(super) fn ask(&mut self, verb: Verb, n_open: usize) -> Result<Work, String> {
        if !self.allows(verb) {
            return Err(self.refusal(verb));
        }
        match verb {
            Verb::PrepareRecipe => Ok(self.load(StationState::Initialized)),
            Verb::Reset => Ok(self.load(StationState::Preoperational)),
            Verb::UnprepareRecipe => Ok(Work::Unload),
            Verb::StartSingleJob => Ok(self.go(StationState::SingleExecution, Work::None)),
            Verb::StartContinuous => Ok(self.go(StationState::ContinuousExecution, Work::None)),
            Verb::Stop => {
                self.course = Course::Stopping;
                self.parts_open(n_open);
                Ok(Work::None)
            }
            Verb::Abort => Ok(self.go(StationState::Ready, Work::AbortParts)),
            Verb::Halt => Ok(self.go(StationState::Halted, Work::LetGo)),
        }
    }

    /// Everything was loaded, and all tests were passed.
    pub(super) fn loaded(&mut self) {
        self.enter(StationState::Ready);
    }

    /// A test failed: a recipe that could not be prepared leaves the station without one, everything
    /// else in error.
    pub(super) fn not_loaded(&mut self) {
        if self.state == StationState::Initialized {
            self.enter(StationState::Initialized);
        } else {
            self.enter(StationState::Error);
        }
    }

    /// The last recipe was let go of.
    pub(super) fn unloaded(&mut self) {
        self.enter(StationState::Initialized);
    }

    /// The inspecting thread is gone or hangs.
    pub(super) fn failed(&mut self) {
        self.enter(StationState::Error);
    }

    fn load(&mut self, until_then: StationState) -> Work {
        self.enter(until_then);
        self.is_loading = true;
        Work::Load
    }

    fn go(&mut self, state: StationState, work: Work) -> Work {
        self.enter(state);
        work
    }

    fn enter(&mut self, state: StationState) {
        *self = Self {
            state,
            is_loading: false,
            has_part: false,
            course: match self.course {
                Course::Leaving => Course::Leaving,
                Course::Going | Course::Stopping => Course::Going,
            },
        };
    }

    fn allows(&self, verb: Verb) -> bool {
        let runs = matches!(
            self.state,
            StationState::SingleExecution | StationState::ContinuousExecution
        );
        let allows = match verb {
            Verb::PrepareRecipe => {
                matches!(self.state, StationState::Initialized | StationState::Ready)
            }
            Verb::UnprepareRecipe | Verb::StartSingleJob | Verb::StartContinuous => {
                self.state == StationState::Ready
            }
            Verb::Stop | Verb::Abort => runs,
            Verb::Reset => matches!(self.state, StationState::Halted | StationState::Error),
            Verb::Halt => self.state != StationState::Halted,
        };
        allows && (!self.is_loading || verb == Verb::Halt)
    }

    fn refusal(&self, verb: Verb) -> String {
        let possible = Verb::ALL.into_iter().filter(|other| self.allows(*other));
        let possible = possible.map(|other| format!("`{other}`"));
        let possible = possible.collect::<Vec<_>>().join(", ");
        let loading = if self.is_loading {
            " while models are loaded and tested"
        } else {
            ""
        };
        format!(
            "`{verb}` is not possible in `{}`{loading}; possible now: {possible}",
            self.state
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use StationState::{
        ContinuousExecution as Continuous, Error, Halted, Initialized, Preoperational, Ready,
        SingleExecution as Single,
    };

    fn in_state(state: StationState) -> Control {
        let mut control = Control::starting();
        control.enter(state);
        control
    }

    #[test]
    fn each_verb_leads_where_opc_40100_has_it_and_nowhere_else() {
        use Verb::{
            Abort, Halt, PrepareRecipe, Reset, StartContinuous, StartSingleJob, Stop,
            UnprepareRecipe,
        };
        let allowed = [
            (Initialized, PrepareRecipe, Initialized, Work::Load),
            (Ready, PrepareRecipe, Initialized, Work::Load),
            (Ready, UnprepareRecipe, Ready, Work::Unload),
            (Ready, StartSingleJob, Single, Work::None),
            (Ready, StartContinuous, Continuous, Work::None),
            (Single, Stop, Ready, Work::None),
            (Continuous, Stop, Ready, Work::None),
            (Single, Abort, Ready, Work::AbortParts),
            (Continuous, Abort, Ready, Work::AbortParts),
            (Halted, Reset, Preoperational, Work::Load),
            (Error, Reset, Preoperational, Work::Load),
        ];
        let all = [
            Preoperational,
            Halted,
            Error,
            Initialized,
            Ready,
            Single,
            Continuous,
        ];
        for state in all {
            for verb in Verb::ALL {
                let mut control = in_state(state);
                let expected = allowed
                    .iter()
                    .find(|row| row.0 == state && row.1 == verb)
                    .map(|row| (row.2, row.3))
                    .or((verb == Halt && state != Halted).then_some((Halted, Work::LetGo)));
                let found = control.ask(verb, 0);
                let (after, work) = expected.unzip();
                assert_eq!(found.ok(), work, "{state} {verb}");
                assert_eq!(control.state(), after.unwrap_or(state), "{state} {verb}");
            }
        }
    }

    #[test]
    fn a_refused_verb_says_which_are_possible() {
        let mut halted = in_state(Halted);
        insta::assert_snapshot!(halted.ask(Verb::StartContinuous, 0).unwrap_err(), @"`start_continuous` is not possible in `halted`; possible now: `reset`");
        halted.ask(Verb::Reset, 0).unwrap();
        insta::assert_snapshot!(halted.ask(Verb::Reset, 0).unwrap_err(), @"`reset` is not possible in `preoperational` while models are loaded and tested; possible now: `halt`");
        halted.not_loaded();
        assert_eq!(halted.state(), Error);
    }

    #[test]
    fn a_single_job_takes_one_part_and_is_done_with_its_answer() {
        let mut control = in_state(Ready);
        assert!(!control.takes_parts());
        control.ask(Verb::StartSingleJob, 0).unwrap();
        assert!(control.takes_parts() && !control.parts_open(0));
        control.took_part();
        assert!(!control.takes_parts() && !control.parts_open(1));
        assert!(control.parts_open(0));
        assert_eq!(control.state(), Ready);
    }

    #[test]
    fn stop_finishes_what_is_open_and_takes_nothing_new() {
        let mut control = in_state(Continuous);
        control.ask(Verb::Stop, 2).unwrap();
        assert_eq!(
            (control.state(), control.takes_parts()),
            (Continuous, false)
        );
        assert!(!control.parts_open(1));
        assert!(control.parts_open(0));
        assert_eq!(control.state(), Ready);
    }

    #[test]
    fn a_recipe_that_cannot_be_prepared_leaves_none() {
        let mut control = in_state(Ready);
        control.ask(Verb::PrepareRecipe, 0).unwrap();
        control.not_loaded();
        assert_eq!(control.state(), Initialized);
        control.ask(Verb::PrepareRecipe, 0).unwrap();
        control.loaded();
        assert_eq!(control.state(), Ready);
    }
}
