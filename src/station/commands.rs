//! What the station does for a verb: prepare and let go, start and stop, and the response.

use std::collections::BTreeSet;
use std::time::Instant;

use jiff::Timestamp;
use tracing::{info, warn};

use crate::domain::{Name, Reason};
use crate::inspect::with_causes;
use crate::publish::{Command, Outgoing, ResponsePayload, StationState, Verb};

use super::config::Start;
use super::control::Work;
use super::error::StationError;
use super::ready::files_of;
use super::run::Live;
use super::worker::{Loaded, WorkerLink};

const TESTED: &str = "golden vectors, warm-up and latency test passed";

impl Live {
    /// The models have passed: with room for records the station is ready, and starts if nobody has to tell it.
    pub(super) fn is_ready(&mut self) -> Result<(), StationError> {
        self.storage.check_room()?;
        self.control.loaded();
        if self.station.start == Start::Automatic
            && let Err(refused) = self.control.ask(Verb::StartContinuous, 0)
        {
            warn!(refused, "not started");
        }
        self.say_state(TESTED);
        Ok(())
    }

    /// Does what a command says and answers it.
    pub(super) fn command(&mut self, command: Command) {
        let verb = command.verb;
        info!(station = self.station.name, %verb, id = command.id, "command");
        let outcome = match self.control.ask(verb, self.gate.n_open()) {
            Err(refused) => Err(refused),
            Ok(Work::Load) => {
                let wanted = self.wanted(command.part_type.as_ref());
                self.say_state("models are loaded and tested");
                self.pending = Some(command);
                self.load(wanted);
                return;
            }
            Ok(Work::Unload) => self.unload(command.part_type.as_ref()),
            Ok(Work::AbortParts) => Ok(self.abort_parts()),
            Ok(Work::LetGo) => {
                let text = self.abort_parts();
                self.let_go();
                self.respond_pending(Err("the station was halted".to_owned()));
                Ok(text)
            }
            Ok(Work::None) => Ok(String::new()),
        };
        if outcome.is_ok() && verb != Verb::UnprepareRecipe {
            self.say_state(&format!("`{verb}` was sent"));
        }
        self.respond(command, outcome);
    }

    pub(super) fn respond_pending(&mut self, outcome: Result<String, String>) {
        if let Some(command) = self.pending.take() {
            self.respond(command, outcome);
        }
    }

    pub(super) fn respond(&mut self, command: Command, outcome: Result<String, String>) {
        if let Err(refused) = &outcome {
            self.counters.commands_refused += 1;
            warn!(station = self.station.name, verb = %command.verb, refused, "command refused");
        }
        let payload = ResponsePayload::new(
            &self.station.name,
            &command,
            outcome,
            self.control.state(),
            Timestamp::now(),
        );
        let reply = command.reply;
        self.publish(Outgoing::Response { payload, reply });
    }

    /// The part types to load: those that are prepared and the one that is asked for; all without one.
    fn wanted(&self, part_type: Option<&Name>) -> Option<BTreeSet<String>> {
        let part_type = part_type?;
        let mut wanted: BTreeSet<String> = self.used.keys().cloned().collect();
        wanted.insert(part_type.to_string());
        Some(wanted)
    }

    /// Starts a new inspecting thread, which takes over from the one before.
    pub(super) fn load(&mut self, wanted: Option<BTreeSet<String>>) {
        self.generation += 1;
        let station = self.station.clone();
        let files = move || {
            let mut files = files_of(&station)?;
            if let Some(wanted) = wanted {
                files.keep_part_types(&wanted)?;
            }
            Ok(files)
        };
        self.let_go();
        let before = self.retired.take();
        let events = self.events.clone();
        match WorkerLink::start(self.generation, &self.station, files, before, events) {
            Ok(worker) => self.worker = Some(worker),
            Err(error) => self.not_loaded(&error),
        }
    }

    /// The inspecting thread has loaded everything, or could not.
    pub(super) fn loaded(&mut self, generation: u32, outcome: Result<Loaded, StationError>) {
        // The station was halted meanwhile, or has asked another thread since.
        if self.worker_of(generation).is_none() {
            return;
        }
        match outcome {
            Ok(Loaded { used, reports }) => {
                if let Some(worker) = self.worker_of(generation) {
                    worker.has_loaded();
                }
                for (model, report) in reports {
                    info!(station = self.station.name, model, %report, "model");
                }
                self.used = used;
                match self.is_ready() {
                    Ok(()) => self.respond_pending(Ok(TESTED.to_owned())),
                    Err(error) => self.not_loaded(&error),
                }
            }
            Err(error) => self.not_loaded(&error),
        }
    }

    /// A test was not passed.
    pub(super) fn not_loaded(&mut self, error: &StationError) {
        let text = with_causes(error);
        self.let_go();
        self.control.not_loaded();
        self.say_state(&text);
        self.event("not_ready", &text);
        self.respond_pending(Err(text));
        // A full disk is tried again when it has room.
        let is_full = matches!(error, StationError::DiskFull { .. });
        if self.control.state() == StationState::Error && !is_full {
            self.recover(Instant::now());
        }
    }

    /// Lets go of the named recipe, or of all of them with their models and cameras.
    fn unload(&mut self, part_type: Option<&Name>) -> Result<String, String> {
        let text = match part_type {
            Some(part_type) if self.used.remove(part_type.as_str()).is_none() => {
                let there = self.used.keys().map(|name| format!("`{name}`"));
                let there = there.collect::<Vec<_>>().join(", ");
                return Err(format!("`{part_type}` is not prepared; prepared: {there}"));
            }
            Some(part_type) => format!("`{part_type}` is not prepared any more"),
            None => {
                self.used.clear();
                "no recipe is prepared".to_owned()
            }
        };
        if self.used.is_empty() {
            self.let_go();
            self.control.unloaded();
        }
        self.say_state(&text);
        Ok(text)
    }

    /// Answers the open parts at once: nobody will inspect them.
    pub(super) fn abort_parts(&mut self) -> String {
        let answers = self.gate.abort(Reason::NotReady, Instant::now());
        let n_parts = answers.len();
        for answer in answers {
            self.answer_unseen(answer);
        }
        format!("{n_parts} open parts were answered `not_ready`")
    }

    /// Ends the inspecting thread when it is done with its part; models and cameras go with it.
    fn let_go(&mut self) {
        self.used.clear();
        if let Some(worker) = self.worker.take() {
            self.retired = Some(worker.end());
        }
    }

    /// The inspecting thread, if it is the one of `generation`.
    pub(super) fn worker_of(&mut self, generation: u32) -> Option<&mut WorkerLink> {
        let worker = self.worker.as_mut();
        worker.filter(|worker| worker.generation == generation)
    }
}
