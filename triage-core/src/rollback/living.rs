//! Undoing what was done to the running host, as far as that can be.

use super::{Builder, restores_malicious};
use crate::action::live::{LiveChange, Undo};
use crate::action::{Action, LiveAction, LiveState, Obstacle, State};
use crate::journal::LiveIntent;
use crate::plan::{Step, StepStatus};

const NOT_RUNNING: &str = "it needs the running host: run `triage rollback` on the host itself";

impl<'a> Builder<'a> {
    pub(super) fn undo_live(&mut self, original: &'a Step, intent: &LiveIntent) {
        match &intent.undo {
            Undo::By { action } => self.live(original, action),
            Undo::Afterwards { action } => {
                if !self.afterwards.iter().any(|(_, planned)| planned == &**action) {
                    self.afterwards.push((original, (**action).clone()));
                }
            }
            Undo::Impossible { why } => {
                let state = LiveState::Unseen;
                let preview = format!("Nothing: {why}.");
                let status = StepStatus::Blocked { why: why.clone() };
                self.give(original, &intent.what, (status, state.clone(), state, preview));
            }
        }
    }

    /// What is done once everything else is put back: services read their files again.
    pub(super) fn finish(&mut self) {
        for (original, action) in std::mem::take(&mut self.afterwards) {
            self.live(original, &action);
        }
    }

    fn live(&mut self, original: &'a Step, action: &LiveAction) {
        let object = action.object();
        let seen = match (self.alive.get(&object), self.living) {
            (Some(state), _) => Ok(state.clone()),
            (None, Some(host)) => host.observe(action),
            (None, None) => Err(NOT_RUNNING.to_owned()),
        };
        let before = seen.clone().unwrap_or(LiveState::Unseen);
        let change = seen.and_then(|state| {
            action.change(&state).map_err(|obstacle| match obstacle {
                Obstacle::Stale(why) | Obstacle::Blocked(why) => why,
            })
        });
        let (status, after, preview) = match change {
            Ok(LiveChange::Nothing) => (StepStatus::NoOp, before.clone(), action.preview(&before, LiveChange::Nothing)),
            Ok(change) => (StepStatus::WouldChange, action.predict(&before), action.preview(&before, change)),
            Err(why) => {
                let preview = format!("Nothing: {why}.");
                (StepStatus::Blocked { why }, before.clone(), preview)
            }
        };
        self.alive.insert(object, after.clone());
        self.give(original, action, (status, before, after, preview));
    }

    fn give(
        &mut self,
        original: &Step,
        action: &LiveAction,
        (status, before, after, preview): (StepStatus, LiveState, LiveState, String),
    ) {
        let title = match status {
            StepStatus::Blocked { .. } => format!("What step {} did to {} stays", original.number, action.object()),
            _ => format!("Undo what step {} did to {}", original.number, action.object()),
        };
        let malicious = restores_malicious(original) && status == StepStatus::WouldChange;
        let seen = (status, State::Live(before), State::Live(after), preview);
        self.push(original, title, Action::Live(action.clone()), seen);
        if let Some(step) = self.steps.last_mut() {
            step.restores_malicious = malicious;
        }
    }
}
