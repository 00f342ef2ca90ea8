//! One step on the running host, from the look at it to its outcome.
//!
//! The order on disk is that of a file: copies, intent, change, outcome. A process that was ended or a command that ran cannot be looked at
//! again, so after a crash a step may be unknown, and says so.

use super::hands::{Halt, failed};
use super::preflight::{decide, observe_live};
use super::run::Execution;
use super::step::{refused, result_of, untouched};
use crate::action::{Change, LiveAction, LiveState, Living as _, State, told};
use crate::journal::{Event, Holds, LiveIntent, StepOutcome, StepResult};
use crate::model::EvidencePath;
use crate::plan::Step;
use std::collections::BTreeMap;

impl Execution<'_> {
    pub(super) fn live_step(&mut self, step: &Step, action: &LiveAction) -> Result<StepOutcome, Halt> {
        let (host, now) = match observe_live(&self.session, action) {
            Ok(seen) => seen,
            Err(obstacle) => return Ok(refused(step, result_of(obstacle))),
        };
        match decide(step, &State::Live(now.clone()), None, self.session.saved.as_ref()) {
            Ok(Change::Nothing) => return Ok(untouched(step, StepResult::NoOp, State::Live(now))),
            Ok(_) => {}
            Err(obstacle) => return Ok(refused(step, result_of(obstacle))),
        }

        // ORDER: the copies are on the device before the intent is, and the intent before anything is changed.
        let mut kept = Vec::new();
        let mut notes = Vec::new();
        for (what, content) in host.remains(action, &now) {
            match content {
                Ok(mut content) => {
                    let sha256 = self.hands.keep(|journal| journal.vault().store(&mut content))?;
                    kept.push(crate::journal::Kept { what, sha256 });
                }
                Err(why) => notes.push(format!("no copy of {what} could be made: {why}")),
            }
        }
        let (after, undo) = (action.predict(&now), action.undo(&now));
        let intent = LiveIntent { step: step.number, what: action.clone(), before: now, after, undo, kept };
        self.hands.note(Event::LiveIntent(Box::new(intent.clone())))?;
        let undisturbed = if action.is_opaque() { self.undisturbed() } else { BTreeMap::new() };
        let trouble = match self.hands.act("changing what runs", || host.perform(action, &intent.before)) {
            Ok(told) => {
                notes.extend(told);
                None
            }
            Err(Halt::Io { source, .. }) => Some(source.to_string()),
            Err(halt) => return Err(halt),
        };
        let outcome = self.conclude_live(&intent, trouble, notes)?;
        self.see_again(&undisturbed)?;
        Ok(outcome)
    }

    /// Says how a step ended, by what is there now.
    fn conclude_live(
        &self,
        intent: &LiveIntent,
        trouble: Option<String>,
        notes: Vec<String>,
    ) -> Result<StepOutcome, Halt> {
        let host = self.session.target.living();
        let seen = host.map_or(Ok(LiveState::Unseen), |host| host.observe(&intent.what));
        let seen = seen.map_err(std::io::Error::other).map_err(failed("looking at it again"));
        let is_visible = intent.what.is_repeatable();
        let now = match (seen, is_visible) {
            (Ok(now), true) => now,
            (Err(halt), true) => return Err(halt),
            // A command leaves nothing that could be looked at; that it went well is all there is to know.
            (_, false) => intent.after.clone(),
        };
        let is = |state: &LiveState| State::Live(now.clone()).differences(&State::Live(state.clone())).is_empty();
        let holds = match (is_visible, &trouble) {
            (false, Some(_)) => Holds::Unknown,
            _ if is(&intent.after) && (trouble.is_none() || !is(&intent.before)) => Holds::After,
            _ if is(&intent.before) => Holds::Before,
            _ => Holds::Neither,
        };
        let result = match (trouble, holds) {
            (Some(why), _) => StepResult::Failed { why },
            (None, Holds::After) => StepResult::Done,
            (None, _) => {
                let differences = told(&State::Live(now.clone()).differences(&State::Live(intent.after.clone())));
                StepResult::Failed { why: format!("it is not as it was left: {differences}") }
            }
        };
        let after = Some(State::Live(now));
        Ok(StepOutcome { step: intent.step, result, holds, after, parent: None, notes })
    }

    /// Says what became of a step that was cut short. Nothing is done: whether to go on is `resume`'s to decide.
    pub(super) fn settle_live(&mut self, intent: &LiveIntent) -> Result<(), Halt> {
        let why = if intent.what.is_repeatable() {
            "it was cut short"
        } else {
            "it was cut short, and may have been done or not: see to it by hand"
        };
        let mut outcome = self.conclude_live(intent, Some(why.to_owned()), Vec::new())?;
        if outcome.holds == Holds::After {
            outcome.result = StepResult::Done;
        }
        self.hands.note(Event::Outcome(Box::new(outcome)))
    }

    /// The files that are still as this run left them.
    fn undisturbed(&self) -> BTreeMap<EvidencePath, (u32, State)> {
        let is_so =
            |path: &EvidencePath, state: &State| self.look(path).is_some_and(|now| now.differences(state).is_empty());
        let left = self.left.iter().filter(|(path, (_, state))| is_so(path, state));
        left.map(|(path, left)| (path.clone(), left.clone())).collect()
    }

    /// What a command or a service has made of files that the run had changed before is the run's own doing, not somebody else's: the
    /// journal has them as they are now, and a rollback takes them for what the run left.
    fn see_again(&mut self, undisturbed: &BTreeMap<EvidencePath, (u32, State)>) -> Result<(), Halt> {
        for (path, (step, state)) in undisturbed {
            let Some(now) = self.look(path).filter(|now| !now.differences(state).is_empty()) else { continue };
            self.hands.note(Event::SeenAgain { step: *step, after: now.clone() })?;
            self.left.insert(path.clone(), (*step, now));
        }
        Ok(())
    }

    fn look(&self, path: &EvidencePath) -> Option<State> {
        let slot = self.session.target.slot(path, self.session.own).ok()?;
        slot.look(0).ok().map(|sight| sight.state)
    }
}
