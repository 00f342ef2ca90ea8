//! Undoing a run: the journal becomes a plan that puts back what was there, last step first.
//!
//! The plan goes through the same executor as any other, so there is one way to change a host. Nothing is written here. An object that
//! somebody else has changed since the run is a conflict: its step is blocked, and what is there stays.

mod living;
mod saved;

pub use saved::Originals;

use crate::action::live::{LiveObject, ServiceVerb};
use crate::action::{Action, Change, LiveAction, LiveState, Living, Obstacle, State, observe};
use crate::journal::{Holds, Intent, Run, RunId, StepOutcome, StepRecord, StepRef};
use crate::model::{Digest, EvidencePath, FileKind, Gap, GapReason, Outcome, Timestamp};
use crate::plan::file::VERSION;
use crate::plan::{Plan, ROLLBACK_OF, Step, StepStatus};
use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// How much of a run is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    Everything,
    /// One step.
    Step(u32),
    /// The steps that affect calls, web, ssh or the database: what brings the service back and leaves the rest quarantined.
    Service,
}

/// What a rollback plan is made for, and by whom.
#[derive(Clone, Debug)]
pub struct RollbackOptions {
    /// How much is undone.
    pub scope: Scope,
    /// Puts the original of a conflict beside what somebody else made of it, under a name of its own.
    pub keep_both: bool,
    /// `triage` and its version.
    pub tool: String,
    /// The time now.
    pub created: Timestamp,
}

/// Why no rollback plan can be made.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RollbackError {
    /// A crash cut a step short, and only the target can tell what holds. `apply::settle` finds out, and puts it in order.
    #[error("step {step} of run {run} was cut short by a crash and has to be settled first")]
    Unsettled {
        /// The run.
        run: RunId,
        /// The step.
        step: u32,
    },
    /// The run has no such step, or did not do it.
    #[error("run {run} has no step {step} that could be undone")]
    NothingToUndo {
        /// The run.
        run: RunId,
        /// The step that was asked for.
        step: u32,
    },
}

/// Makes the plan that undoes a run, or part of it, from its journal and from what is there now.
///
/// The steps stand in the reverse order of the run's. A step names in `source` which step of the run it undoes. Steps that were
/// never done, had nothing to do or are undone already have none in the plan. What could not be looked at is a gap, and its step
/// blocked.
///
/// # Errors
/// [`RollbackError`].
pub fn plan(
    run: &Run,
    source: &dyn Source,
    living: Option<&dyn Living>,
    options: &RollbackOptions,
) -> Result<Outcome<Plan>, RollbackError> {
    if let Some(step) = run.dangling() {
        return Err(RollbackError::Unsettled { run: run.id().clone(), step: step.number });
    }
    let records = run.steps();
    let in_force: Vec<&StepRecord<'_>> = records.iter().filter(|record| record.is_in_force()).collect();
    let mut builder = Builder {
        run,
        source,
        living,
        keep_both: options.keep_both,
        seen: BTreeMap::new(),
        alive: BTreeMap::new(),
        afterwards: Vec::new(),
        vault: BTreeMap::new(),
        gaps: Vec::new(),
        steps: Vec::new(),
    };
    let originals: BTreeMap<u32, (usize, &Step)> =
        run.plan().steps.iter().enumerate().map(|(at, step)| (step.number, (at, step))).collect();
    let mut by_path: BTreeMap<&EvidencePath, Vec<u32>> = BTreeMap::new();
    for record in &in_force {
        by_path.extend(record.intent.map(|intent| (&intent.path, Vec::new())));
    }
    for record in &in_force {
        if let Some(steps) = record.intent.and_then(|intent| by_path.get_mut(&intent.path)) {
            steps.push(record.number);
        }
    }
    let mut planned: BTreeSet<u32> = BTreeSet::new();
    for record in in_force.iter().rev() {
        let Some(&(position, original)) = originals.get(&record.number) else { continue };
        let is_wanted = match options.scope {
            Scope::Everything => true,
            Scope::Step(number) => number == record.number,
            Scope::Service => !original.affects.is_empty(),
        };
        if is_wanted {
            // Steps run in the order of the plan, whatever their numbers are. A later one is undone in this plan already, or else it
            // stands in the way.
            if let Some(live) = record.live {
                planned.insert(record.number);
                builder.undo_live(original, live);
                continue;
            }
            let on_it = original.action.path().and_then(|path| by_path.get(path)).into_iter().flatten().copied();
            let in_the_way = on_it
                .filter(|later| originals.get(later).is_some_and(|&(at, _)| at > position))
                .find(|later| !planned.contains(later));
            planned.insert(record.number);
            builder.undo(original, record, in_the_way);
        }
    }
    builder.finish();
    if let (Scope::Step(step), true) = (options.scope, builder.steps.is_empty()) {
        return Err(RollbackError::NothingToUndo { run: run.id().clone(), step });
    }
    let plan = Plan {
        format_version: VERSION,
        tool: options.tool.clone(),
        created: options.created,
        host: run.plan().host.clone(),
        target: run.plan().target.clone(),
        playbooks: vec![format!("{ROLLBACK_OF}{}", run.id())],
        steps: builder.steps,
    };
    Ok(Outcome { value: plan, gaps: builder.gaps })
}

fn restore(path: &EvidencePath, from: &State, to: &State) -> Action {
    Action::Restore { path: path.clone(), from: from.clone(), to: to.clone() }
}

fn reference(run: &Run, step: u32) -> String {
    StepRef { run: run.id().clone(), step }.to_string()
}

struct Builder<'a> {
    run: &'a Run,
    source: &'a dyn Source,
    /// What runs on the host, where that is at hand.
    living: Option<&'a dyn Living>,
    keep_both: bool,
    /// What each object will be when the steps so far are done.
    seen: BTreeMap<EvidencePath, State>,
    alive: BTreeMap<LiveObject, LiveState>,
    /// What is done once everything is put back, with the steps that say so.
    afterwards: Vec<(&'a Step, LiveAction)>,
    /// What is wrong with objects of the vault.
    vault: BTreeMap<Digest, Option<String>>,
    gaps: Vec<Gap>,
    steps: Vec<Step>,
}

impl Builder<'_> {
    fn undo(&mut self, original: &Step, record: &StepRecord<'_>, in_the_way: Option<u32>) {
        let (Some(intent), Some(outcome)) = (record.intent, record.outcome) else { return };
        let path = intent.path.clone();
        let Some(from) = record.after.cloned() else { return };
        let action = restore(&path, &from, &intent.before);
        let now = self.now(&path);
        if self.keep_both && self.put_beside(original, intent, (outcome, &from), now.as_ref().ok(), in_the_way) {
            return;
        }
        let decided = match (&now, in_the_way) {
            (Err(why), _) => Err(why.clone()),
            (_, Some(step)) => Err(format!("step {step} changed it later: undo that one first")),
            _ if outcome.holds == Holds::Neither => {
                Err("what is there was not left by the run: somebody else made it".to_owned())
            }
            (Ok(now), None) => {
                let change = action.change(now, None).map_err(|obstacle| match obstacle {
                    Obstacle::Stale(why) | Obstacle::Blocked(why) => why,
                });
                change.and_then(|change| self.check_vault(&intent.before, &change).map(|()| change))
            }
        };
        let now = now.unwrap_or(State::Absent);
        let (status, after, preview) = match decided {
            Ok(change) => {
                let status = if change == Change::Nothing { StepStatus::NoOp } else { StepStatus::WouldChange };
                (status, intent.before.clone(), action.preview(&now, None, &change))
            }
            Err(why) => {
                let preview = format!("Nothing: {why}.");
                (StepStatus::Blocked { why }, now.clone(), preview)
            }
        };
        self.seen.insert(path.clone(), after.clone());
        let title = match &intent.before {
            State::Absent | State::Live(_) => format!("Remove `{path}`, which step {} put there", original.number),
            State::Present(_) => format!("Put `{path}` back as it was before step {}", original.number),
        };
        self.push(original, title, action, (status, now, after, preview));
    }

    /// Where somebody else has changed the object since: puts the original beside it. Says whether that is the case.
    fn put_beside(
        &mut self,
        original: &Step,
        intent: &Intent,
        (outcome, from): (&StepOutcome, &State),
        now: Option<&State>,
        in_the_way: Option<u32>,
    ) -> bool {
        let (Some(now), None, State::Present(before)) = (now, in_the_way, &intent.before) else {
            return false;
        };
        let is_conflict = outcome.holds == Holds::Neither
            || matches!(restore(&intent.path, from, &intent.before).change(now, None), Err(Obstacle::Stale(_)));
        if !is_conflict || !now.is_present() || before.meta.kind == FileKind::Directory {
            return false;
        }
        let path = StepRef { run: self.run.id().clone(), step: original.number }.beside(&intent.path);
        let action = restore(&path, &State::Absent, &intent.before);
        let there = self.now(&path).unwrap_or(State::Absent);
        let decided = match action.change(&there, None) {
            Ok(change) => self.check_vault(&intent.before, &change).map(|()| change),
            Err(Obstacle::Stale(why) | Obstacle::Blocked(why)) => Err(why),
        };
        let (status, after, preview) = match decided {
            Ok(change) => {
                let status = if change == Change::Nothing { StepStatus::NoOp } else { StepStatus::WouldChange };
                (status, intent.before.clone(), action.preview(&there, None, &change))
            }
            Err(why) => {
                let preview = format!("Nothing: {why}.");
                (StepStatus::Blocked { why }, there.clone(), preview)
            }
        };
        self.seen.insert(path, after.clone());
        let title = format!("Put `{}` as it was before step {} beside what is there now", intent.path, original.number);
        self.push(original, title, action, (status, there, after, preview));
        true
    }

    fn push(
        &mut self,
        original: &Step,
        title: String,
        action: Action,
        (status, before, after, preview): (StepStatus, State, State, String),
    ) {
        self.steps.push(Step {
            number: u32::try_from(self.steps.len()).unwrap_or(u32::MAX).saturating_add(1),
            title,
            restores_malicious: restores_malicious(original),
            action,
            status,
            before,
            after,
            preview,
            risk: original.risk,
            affects: original.affects.clone(),
            findings: original.findings.clone(),
            source: reference(self.run, original.number),
        });
    }

    fn now(&mut self, path: &EvidencePath) -> Result<State, String> {
        if let Some(state) = self.seen.get(path) {
            return Ok(state.clone());
        }
        match observe(self.source, path, 0) {
            Ok((state, _)) => Ok(state),
            Err(error) => {
                self.gaps.push(Gap::new(path.clone(), GapReason::ReadFailed, error.to_string()));
                Err(format!("it could not be looked at: {error}"))
            }
        }
    }

    fn check_vault(&mut self, to: &State, change: &Change) -> Result<(), String> {
        let (State::Present(present), Change::Put) = (to, change) else { return Ok(()) };
        let Some(digest) = present.sha256 else { return Ok(()) };
        let vault = self.run.vault();
        let found =
            self.vault.entry(digest).or_insert_with(|| vault.verify(&digest).err().map(|error| error.to_string()));
        found.clone().map_or(Ok(()), Err)
    }
}

/// Says whether undoing a step brings something malicious back or lifts containment. What the actions take out or lock was judged
/// so; undoing a rollback is the opposite of what that rollback was.
fn restores_malicious(original: &Step) -> bool {
    match original.action {
        Action::Restore { .. } => !original.restores_malicious,
        // That a service runs or reads its files again brings nothing back by itself.
        Action::Live(LiveAction::ControlService { verb, .. }) => {
            matches!(verb, ServiceVerb::Stop | ServiceVerb::Disable)
        }
        _ => true,
    }
}
