//! A run: every step in its turn, between its two journal lines.

use super::accounts::AccountLock;
use super::hands::{Faults, Halt, Hands, failed};
use super::perform::{self, Ended, Material};
use super::preflight::{EARLIER, decide, observe, planned_obstacle, preflight};
use super::recover::{self, Prefer};
use super::target::{Slot, Target, inode_of_state};
use super::{ApplyError, ApplyRequest, Examine, ResumeRequest, RunReport, StepEvent, Stopped};
use crate::action::{Action, Change, Obstacle, State, is_account_file, predict, told};
use crate::journal::{
    Consent, Event, Evidence, Holds, Intent, Lock, Method, PrivateNames, Run, RunId, Runs, Start, StepOutcome, StepRef,
    StepResult,
};
use crate::model::{EvidencePath, FileKind, Timestamp};
use crate::plan::{Plan, Step};
use crate::source::{Inode, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What does not change while a run goes on.
pub(super) struct Session<'a> {
    pub(super) target: &'a Target,
    /// The state folder.
    pub(super) own: Inode,
    pub(super) consent: Consent,
    /// The run that a rollback undoes: its journal and vault say what is put back.
    pub(super) saved: Option<Run>,
    /// This run, once it has begun: its vault holds the copies that are put in place.
    pub(super) kept: Option<Run>,
    /// Where copies come from that the vault does not have yet.
    pub(super) material: Option<&'a dyn Source>,
    pub(super) examine: &'a Examine<'a>,
    pub(super) progress: &'a mut dyn FnMut(StepEvent<'_>),
}

struct Execution<'a> {
    session: Session<'a>,
    hands: Hands<'a>,
    token: String,
    /// What the steps of a rollback undo, by their numbers.
    references: BTreeMap<u32, StepRef>,
    /// Held while account files are changed.
    accounts: Option<AccountLock>,
    /// Restored objects by the inode that they once had, for those that had several names.
    restored: BTreeMap<Inode, (EvidencePath, Option<Inode>)>,
}

pub(super) fn apply(request: ApplyRequest<'_>, faults: &dyn Faults) -> Result<RunReport, ApplyError> {
    let ApplyRequest { plan, target, runs, tool, evidence, consent, material, watch } = request;
    check_plan(plan, consent)?;
    let lock = runs.lock()?;
    let rollback_of = undoes(plan)?;
    let saved = rollback_of.as_ref().map(|id| runs.run(id)).transpose()?;
    let own = runs.inode()?;
    let (examine, progress) = (watch.examine, watch.progress);
    let mut session = Session { target, own, consent, saved, kept: None, material, examine, progress };
    let left_out = preflight(&mut session, &plan.steps)?;

    let evidence = if rollback_of.is_some() && evidence == Evidence::Waived { Evidence::Rollback } else { evidence };
    let start = Start { tool, root: target.label().to_owned(), evidence, consent, rollback_of };
    let journal = runs.begin(&lock, plan, watch.clock.now(), start)?;
    let id = journal.run().clone();
    let hands = Hands::new(journal, watch.clock, faults);
    let mut execution = Execution::new(session, hands, runs.run(&id)?);
    let stopped = execution.steps(&plan.steps, &left_out, watch.cancel)?;
    execution.end(runs, lock, &id, stopped)
}

pub(super) fn resume<'a>(request: ResumeRequest<'a>, faults: &'a dyn Faults) -> Result<RunReport, ApplyError> {
    let cancel = request.watch.cancel;
    let runs = request.runs;
    let id = request.run.clone();
    let Reopened { mut execution, run, lock } = match reopen(request, faults)? {
        Ok(reopened) => reopened,
        Err(report) => return Ok(report),
    };
    let settled: BTreeSet<u32> =
        run.steps().iter().filter(|step| is_settled(step.outcome)).map(|step| step.number).collect();
    let rest: Vec<Step> = run.plan().steps.iter().filter(|step| !settled.contains(&step.number)).cloned().collect();
    let left_out = preflight(&mut execution.session, &rest)?;
    let stopped = execution.steps(&rest, &left_out, cancel)?;
    execution.end(runs, lock, &id, stopped)
}

pub(super) fn settle<'a>(request: ResumeRequest<'a>, faults: &'a dyn Faults) -> Result<RunReport, ApplyError> {
    let runs = request.runs;
    let id = request.run.clone();
    let Reopened { execution, run, lock } = match reopen(request, faults)? {
        Ok(reopened) => reopened,
        Err(report) => return Ok(report),
    };
    let next = run.steps().iter().find(|step| !is_settled(step.outcome)).map(|step| step.number);
    let stopped = next.map(|step| Stopped {
        step,
        why: "put in order after a crash, to be rolled back".to_owned(),
        is_cancelled: true,
    });
    execution.end(runs, lock, &id, stopped)
}

struct Reopened<'a> {
    execution: Execution<'a>,
    /// As it stands after recovery.
    run: Run,
    lock: Arc<Lock>,
}

/// Takes a run up again: journal, lock, and the step that was cut short. A run that is at its end gives its report.
fn reopen<'a>(
    request: ResumeRequest<'a>,
    faults: &'a dyn Faults,
) -> Result<Result<Reopened<'a>, RunReport>, ApplyError> {
    let ResumeRequest { run: id, target, runs, material, watch } = request;
    let lock = runs.lock()?;
    let (journal, run) = runs.reopen(&lock, id)?;
    check_plan(run.plan(), run.started().consent)?;
    let rollback_of = undoes(run.plan())?;
    let saved = rollback_of.as_ref().map(|id| runs.run(id)).transpose()?;
    if run.is_finished() {
        return Ok(Err(report(&run, None)));
    }
    let (examine, progress) = (watch.examine, watch.progress);
    let (own, consent) = (runs.inode()?, run.started().consent);
    let session = Session { target, own, consent, saved, kept: None, material, examine, progress };
    let hands = Hands::new(journal, watch.clock, faults);
    let mut execution = Execution::new(session, hands, runs.run(id)?);
    let torn = run.torn().map(|torn| crate::model::Digest::of(&torn.bytes));
    execution.hands.note(Event::Resumed { torn }).map_err(end_of)?;
    if let Some(record) = run.dangling()
        && let Some(intent) = record.intent
    {
        execution.settle(intent, record.prepared).map_err(end_of)?;
    }
    let run = runs.run(id)?;
    execution.remember(&run);
    Ok(Ok(Reopened { execution, run, lock }))
}

fn is_special(kind: FileKind) -> bool {
    matches!(kind, FileKind::Fifo | FileKind::Socket | FileKind::BlockDevice | FileKind::CharDevice)
}

/// Says whether a step needs no further attempt.
fn is_settled(outcome: Option<&StepOutcome>) -> bool {
    outcome.is_some_and(|outcome| match outcome.result {
        StepResult::Done | StepResult::NoOp => true,
        // A refusal at its time stands, unless it was what stopped the run.
        StepResult::Stale { .. } | StepResult::Blocked { .. } | StepResult::Failed { .. } => {
            outcome.holds == Holds::After
        }
    })
}

fn check_plan(plan: &Plan, consent: Consent) -> Result<(), ApplyError> {
    if !plan.is_of_a_known_version() {
        return Err(ApplyError::UnsupportedPlan(plan.format_version));
    }
    let mut numbers = BTreeSet::new();
    if let Some(step) = plan.steps.iter().find(|step| !numbers.insert(step.number)) {
        return Err(ApplyError::BadPlan(format!("two steps have the number {}", step.number)));
    }
    let malicious = plan.steps.iter().filter(|step| step.restores_malicious && planned_obstacle(step).is_none());
    match malicious.count() {
        count if count > 0 && !consent.restore_malicious => Err(ApplyError::RestoresMalicious { count }),
        _ => Ok(()),
    }
}

/// The run that a plan undoes, from the sources of its steps; none for a plan that undoes nothing.
fn undoes(plan: &Plan) -> Result<Option<RunId>, ApplyError> {
    let mut found: Option<RunId> = None;
    for step in &plan.steps {
        if !matches!(step.action, Action::Restore { .. }) {
            continue;
        }
        let reference: StepRef = step.source.parse().map_err(ApplyError::BadPlan)?;
        match &found {
            Some(run) if *run != reference.run => {
                return Err(ApplyError::BadPlan("it undoes more than one run".to_owned()));
            }
            _ => found = Some(reference.run),
        }
    }
    Ok(found)
}

fn end_of(halt: Halt) -> ApplyError {
    match halt {
        Halt::Cut => ApplyError::Cut,
        Halt::Journal(error) => ApplyError::Journal(error),
        Halt::Io { doing, source } => ApplyError::Io { doing, source },
    }
}

fn report(run: &Run, stopped: Option<Stopped>) -> RunReport {
    let outcomes = run.steps().iter().filter_map(|step| step.outcome.cloned()).collect();
    RunReport { run: run.id().clone(), head: run.head(), state: run.state(), outcomes, stopped }
}

impl<'a> Execution<'a> {
    fn new(mut session: Session<'a>, hands: Hands<'a>, run: Run) -> Self {
        let token = run.started().token.clone();
        let restores = run.plan().steps.iter().filter(|step| matches!(step.action, Action::Restore { .. }));
        let references: BTreeMap<u32, StepRef> =
            restores.filter_map(|step| Some((step.number, step.source.parse().ok()?))).collect();
        session.kept = Some(run);
        Self { session, hands, token, references, accounts: None, restored: BTreeMap::new() }
    }

    /// Learns from the journal what this run has restored already.
    fn remember(&mut self, run: &Run) {
        for step in &run.plan().steps {
            if let Some(outcome) = run.step(step.number).outcome {
                self.note_restored(step, outcome);
            }
        }
    }

    fn note_restored(&mut self, step: &Step, outcome: &StepOutcome) {
        if let (Action::Restore { path, to, .. }, Holds::After, Some(after)) =
            (&step.action, outcome.holds, &outcome.after)
            && let Some(once) = inode_of_state(to)
        {
            self.restored.insert(once, (path.clone(), inode_of_state(after)));
        }
    }

    /// Does the steps in order, until the end, the first that fails, or a wish to stop.
    fn steps(
        &mut self,
        steps: &[Step],
        left_out: &BTreeMap<u32, StepResult>,
        cancel: &dyn Fn() -> bool,
    ) -> Result<Option<Stopped>, ApplyError> {
        let mut lost: BTreeSet<&EvidencePath> = BTreeSet::new();
        for step in steps {
            if cancel() {
                let why = "it was asked to stop".to_owned();
                return Ok(Some(Stopped { step: step.number, why, is_cancelled: true }));
            }
            (self.session.progress)(StepEvent::Begins(step));
            let path = step.action.path();
            let (outcome, is_expected) = match left_out.get(&step.number) {
                Some(result) => (refused(step, result.clone()), true),
                None if lost.contains(path) => (refused(step, StepResult::Stale { why: EARLIER.to_owned() }), true),
                None => (self.step(step).map_err(end_of)?, false),
            };
            self.hands.note(Event::Outcome(Box::new(outcome.clone()))).map_err(end_of)?;
            self.note_restored(step, &outcome);
            (self.session.progress)(StepEvent::Ends(step, &outcome));
            let why = match &outcome.result {
                StepResult::Done | StepResult::NoOp => continue,
                StepResult::Stale { .. } if is_expected || self.session.consent.skip_stale => None,
                StepResult::Blocked { .. } if is_expected => None,
                StepResult::Stale { why } | StepResult::Blocked { why } | StepResult::Failed { why } => Some(why),
            };
            if let Some(why) = why {
                return Ok(Some(Stopped { step: step.number, why: why.clone(), is_cancelled: false }));
            }
            lost.insert(path);
        }
        Ok(None)
    }

    /// Does one step, up to its outcome.
    #[expect(
        clippy::too_many_lines,
        reason = "one step from the look at it to its outcome; the parts share what they know of it"
    )]
    fn step(&mut self, step: &Step) -> Result<StepOutcome, Halt> {
        if !self.lock_accounts(step)? {
            let why =
                "another program is changing the accounts and keeps their lock: try again when it is done".to_owned();
            return Ok(refused(step, StepResult::Stale { why }));
        }
        let (slot, sight) = match observe(&self.session, step) {
            Ok((Some(slot), sight)) => (slot, sight),
            Ok((None, sight)) => {
                let why = match decide(step, &sight.state, None, self.session.saved.as_ref()) {
                    Ok(Change::Nothing) => return Ok(untouched(step, StepResult::NoOp, State::Absent)),
                    Ok(_) => Obstacle::Stale("its folder is gone".to_owned()),
                    Err(obstacle) => obstacle,
                };
                return Ok(refused(step, result_of(why)));
            }
            Err(obstacle) => return Ok(refused(step, result_of(obstacle))),
        };
        let change = match decide(step, &sight.state, sight.content.as_deref(), self.session.saved.as_ref()) {
            Ok(Change::Nothing) => return Ok(untouched(step, StepResult::NoOp, sight.state)),
            Ok(change) => change,
            Err(obstacle) => return Ok(refused(step, result_of(obstacle))),
        };
        if let Change::Rewrite(content) = &change
            && let Err(why) = (self.session.examine)(step.action.path(), content)
        {
            return Ok(refused(step, StepResult::Blocked { why }));
        }
        let after = predict(&step.action, &sight.state, &change);
        let method = match (&sight.state, &after, &change) {
            (_, _, Change::Alter(_)) => Method::Alter,
            (_, State::Absent, _) => Method::Remove,
            (State::Absent, ..) => Method::Place,
            _ => Method::Exchange,
        };

        // ORDER: the copies are on the device before the intent is, and the intent before anything is changed.
        if let (Some(file), State::Present(present), true) = (&sight.file, &sight.state, method != Method::Alter) {
            let kept = self.hands.keep(|journal| journal.vault().store_file(file))?;
            if Some(kept) != present.sha256 {
                let why = "it was written to while it was copied into the vault".to_owned();
                return Ok(refused(step, StepResult::Stale { why }));
            }
        }
        if let Some(result) = self.take_material(step, &change)? {
            return Ok(refused(step, result));
        }
        let intent = Intent {
            step: step.number,
            path: step.action.path().clone(),
            method,
            before: sight.state.clone(),
            after,
            names: self.private_names(&slot, step.number)?,
            parent: slot.parent().map_err(failed("looking at its folder"))?,
        };
        let mut notes = Vec::new();
        if let (State::Present(present), Method::Remove) = (&intent.before, method)
            && present.meta.xattrs_omitted > 0
        {
            let count = present.meta.xattrs_omitted;
            notes.push(format!("{count} of its extended attributes are too large to be kept and cannot be put back"));
        }
        let sibling = if method == Method::Alter { None } else { self.sibling(&intent, &mut notes)? };
        let material = match (&change, &intent.after, &sibling) {
            (Change::Alter(_), ..) => Material::Nothing,
            (_, State::Present(_), Some(sibling)) => Material::Sibling(sibling),
            (Change::Rewrite(bytes), ..) => Material::Bytes(bytes),
            (_, State::Present(present), None) => {
                let vault = if matches!(change, Change::Make(_)) { &self.session.kept } else { &self.session.saved };
                match (&present.meta.link_target, present.sha256, vault) {
                    (Some(link), ..) => Material::Link(link.as_bytes()),
                    (None, Some(digest), Some(run)) => Material::Saved(run.vault(), digest),
                    (None, None, _) if is_special(present.meta.kind) => Material::Special,
                    _ => {
                        return Ok(refused(step, StepResult::Blocked { why: "its content is not at hand".to_owned() }));
                    }
                }
            }
            (_, State::Absent, _) => Material::Nothing,
        };
        self.hands.note(Event::Intent(Box::new(intent.clone())))?;
        let trouble = match perform::perform(&mut self.hands, &slot, &sight, &intent, &material) {
            Ok(Ended::Done) => None,
            Ok(Ended::Swapped(why)) => Some(StepResult::Stale { why }),
            Err(Halt::Io { doing, source }) => Some(StepResult::Failed { why: format!("{doing}: {source}") }),
            Err(halt @ Halt::Cut) => return Err(halt),
            Err(Halt::Journal(error)) => {
                // Nothing can be recorded any more; what is known is still put right.
                let _ = recover::recover(&self.hands, &slot, &intent, self.hands.prepared, Prefer::Before);
                return Err(Halt::Journal(error));
            }
        };
        if let (Some(_), Method::Alter) = (&trouble, method) {
            // The very object that was checked, wherever it has gone meanwhile.
            if let (State::Present(before), Some(object)) = (&intent.before, sight.object()) {
                perform::dress_again(&self.hands, object, &before.meta)?;
            }
        } else if trouble.is_some() {
            notes.extend(recover::recover(&self.hands, &slot, &intent, self.hands.prepared, Prefer::Before)?);
            // The checked object itself, wherever it has gone meanwhile.
            if let (State::Present(before), Some(file)) = (&intent.before, &sight.file)
                && before.meta.is_pinned()
            {
                let flags = before.meta.inode_flags.unwrap_or_default();
                self.hands.act("setting its flags", || crate::sys::change::set_inode_flags(file, flags))?;
            }
        }
        self.conclude(&slot, &intent, trouble, notes)
    }

    /// Takes the lock of the accounts for a step on them, and gives it back with the first step on something else. Says whether it was
    /// to be had.
    fn lock_accounts(&mut self, step: &Step) -> Result<bool, Halt> {
        if !is_account_file(step.action.path()) {
            self.accounts = None;
        } else if self.accounts.is_none()
            && let Ok(slot) = self.session.target.slot(step.action.path(), self.session.own)
        {
            self.accounts = AccountLock::take(&slot)?;
            return Ok(self.accounts.is_some());
        }
        Ok(true)
    }

    /// Takes the good copy of a file into the vault of this run, so that what is put in place, now or after a crash, is what the plan
    /// names. Gives why that cannot be.
    fn take_material(&self, step: &Step, change: &Change) -> Result<Option<StepResult>, Halt> {
        let (Change::Make(made), Some(kept)) = (change, &self.session.kept) else { return Ok(None) };
        let Some(digest) = made.sha256 else { return Ok(None) };
        if kept.vault().verify(&digest).is_ok() {
            return Ok(None);
        }
        let blocked = |why: String| Ok(Some(StepResult::Blocked { why }));
        let opened = self.session.material.map(|material| material.open(step.action.path()));
        let mut opened = match opened {
            Some(Ok(Some(opened))) => opened,
            Some(Err(error)) => return blocked(format!("its good copy: {error}")),
            Some(Ok(None)) | None => return blocked("its good copy is not at hand".to_owned()),
        };
        let stored = self.hands.keep(|journal| journal.vault().store(&mut opened.reader))?;
        if stored == digest { Ok(None) } else { blocked("its good copy is not the one that the plan names".to_owned()) }
    }

    /// Leaves the folder in order, looks at the object again and says how the step ended.
    fn conclude(
        &mut self,
        slot: &Slot,
        intent: &Intent,
        trouble: Option<StepResult>,
        mut notes: Vec<String>,
    ) -> Result<StepOutcome, Halt> {
        let look = || recover::holds(slot, intent).map_err(failed("looking at it again"));
        let mtime = self.parent_mtime(intent, look()?.0, &mut notes);
        perform::leave(&self.hands, slot, intent, mtime)?;
        let (holds, now) = look()?;
        let result = trouble.unwrap_or_else(|| match holds {
            Holds::After => StepResult::Done,
            Holds::Before => StepResult::Failed { why: "it was cut short before it took effect".to_owned() },
            Holds::Neither => {
                let differences = told(&now.differences(&intent.after));
                StepResult::Failed { why: format!("it is not as it was left, somebody changes it: {differences}") }
            }
        });
        let parent = Some(slot.parent().map_err(failed("looking at its folder"))?);
        Ok(StepOutcome { step: intent.step, result, holds, after: Some(now), parent, notes })
    }

    /// Brings a step that was cut short to one of its ends, and journals which.
    fn settle(&mut self, intent: &Intent, prepared: Option<Inode>) -> Result<(), Halt> {
        let outcome = match self.session.target.slot(&intent.path, self.session.own) {
            Ok(slot) => {
                if is_account_file(&intent.path) {
                    self.accounts = AccountLock::take(&slot)?;
                    if self.accounts.is_none() {
                        let source = std::io::ErrorKind::WouldBlock.into();
                        return Err(Halt::Io {
                            doing: "waiting for another program that changes the accounts",
                            source,
                        });
                    }
                }
                let notes = recover::recover(&self.hands, &slot, intent, prepared, Prefer::After)?;
                self.conclude(&slot, intent, None, notes)?
            }
            Err(_) => StepOutcome {
                step: intent.step,
                result: StepResult::Failed { why: "its folder is gone or was swapped after a crash".to_owned() },
                holds: Holds::Neither,
                after: None,
                parent: None,
                notes: Vec::new(),
            },
        };
        self.hands.note(Event::Outcome(Box::new(outcome)))
    }

    /// The modification time that the folder is to have. A step that did not take effect leaves none behind; one that puts an object
    /// back also puts back the time from before it went, unless somebody else changed the folder since.
    fn parent_mtime(&self, intent: &Intent, holds: Holds, notes: &mut Vec<String>) -> Option<Timestamp> {
        match (holds, &self.session.saved) {
            (Holds::Before, _) => intent.parent.mtime,
            (Holds::After, Some(saved)) => {
                let original = saved.step(self.references.get(&intent.step)?.step);
                if original.intent.is_none_or(|original| original.path != intent.path) {
                    return None;
                }
                let (before, after) = saved.parents(self.references.get(&intent.step)?.step)?;
                if after.mtime == intent.parent.mtime {
                    return before.mtime;
                }
                notes.push("others changed its folder since, whose modification time is not put back".to_owned());
                None
            }
            _ => None,
        }
    }

    /// Two names in the object's directory that nothing has.
    fn private_names(&self, slot: &Slot, step: u32) -> Result<PrivateNames, Halt> {
        let mut attempt = 0_u32;
        loop {
            let base = match attempt {
                0 => format!(".triage-{}-{step}", self.token),
                attempt => format!(".triage-{}-{step}-{attempt}", self.token),
            };
            let names = PrivateNames { old: format!("{base}.old"), new: format!("{base}.new") };
            let is_free = |name: &str| Ok(slot.inode_at(name.as_bytes())?.is_none());
            let both = is_free(&names.old).and_then(|old| Ok(old && is_free(&names.new)?));
            if both.map_err(failed("looking for a private name"))? {
                return Ok(names);
            }
            attempt += 1;
        }
    }

    /// Another name of the object that comes back.
    fn sibling(&self, intent: &Intent, notes: &mut Vec<String>) -> Result<Option<Slot>, Halt> {
        let (State::Present(after), true) = (&intent.after, self.session.saved.is_some()) else { return Ok(None) };
        let Some(links) = after.meta.links.filter(|&links| links > 1 && after.meta.kind == FileKind::File) else {
            return Ok(None);
        };
        let Some(once) = inode_of_state(&intent.after) else { return Ok(None) };
        // A name that this run has put back, or one that the original run never got to.
        let restored = self.restored.get(&once).map(|(path, inode)| (path, *inode));
        let planned = self.session.saved.iter().flat_map(|run| &run.plan().steps);
        let untouched = planned.map(|step| (step.action.path(), Some(once))).filter(|(path, _)| **path != intent.path);
        for (path, inode) in restored.into_iter().chain(untouched) {
            let Ok(slot) = self.session.target.slot(path, self.session.own) else { continue };
            let is_there = slot.inode_at(&slot.name).map_err(failed("looking at its other name"))? == inode;
            if !is_there || inode.map(|(device, _)| device) != intent.parent.device {
                continue;
            }
            let sight = slot.look(0).map_err(failed("looking at its other name"))?;
            if perform::can_be_linked(&sight, &intent.after, inode) {
                return Ok(Some(slot));
            }
        }
        notes.push(format!("it had {links} names (hard links) and comes back as a file of its own"));
        Ok(None)
    }

    /// Writes the last line and what other runs have to know of this one.
    fn end(
        mut self,
        runs: &Runs,
        lock: Arc<Lock>,
        id: &RunId,
        stopped: Option<Stopped>,
    ) -> Result<RunReport, ApplyError> {
        let run = runs.run(id)?;
        if let Some((undone, steps)) =
            self.session.saved.as_ref().map(|saved| (saved.id().clone(), good_restores(&run, saved)))
        {
            self.mark(runs, &lock, &undone, id, &steps, true).map_err(end_of)?;
        }
        let count = |is: fn(&StepResult) -> bool| {
            let outcomes = run.steps();
            let outcomes = outcomes.iter().filter(|step| step.outcome.is_some_and(|outcome| is(&outcome.result)));
            u32::try_from(outcomes.count()).unwrap_or(u32::MAX)
        };
        let event = match &stopped {
            Some(stopped) => Event::Interrupted { next: stopped.step, why: stopped.why.clone() },
            None => Event::RunFinished {
                done: count(|result| *result == StepResult::Done),
                no_op: count(|result| *result == StepResult::NoOp),
                refused: count(StepResult::is_refused),
            },
        };
        self.hands.note(event).map_err(end_of)?;
        // While the lock is held, every reader is told that the run is going on.
        drop(self);
        drop(lock);
        Ok(report(&runs.run(id)?, stopped))
    }

    /// Tells the journal of `target` that `by` has undone `steps` of it, or brought them back; when that run was a rollback itself,
    /// the opposite goes to the run that it had undone, and so on.
    fn mark(
        &self,
        runs: &Runs,
        lock: &Arc<Lock>,
        target: &RunId,
        by: &RunId,
        steps: &[u32],
        is_undone: bool,
    ) -> Result<(), Halt> {
        let (mut journal, run) = runs.reopen(lock, target)?;
        let news: Vec<u32> = steps.iter().copied().filter(|&step| run.step(step).is_undone != is_undone).collect();
        if !news.is_empty() {
            let event = if is_undone {
                Event::RolledBack { by: by.clone(), steps: news }
            } else {
                Event::Reapplied { by: by.clone(), steps: news }
            };
            self.hands.note_elsewhere(&mut journal, event)?;
        }
        let Some(base) = &run.started().rollback_of else { return Ok(()) };
        let of = |number: &u32| {
            let step = run.plan().steps.iter().find(|step| step.number == *number)?;
            Some(step.source.parse::<StepRef>().ok()?.step)
        };
        let steps: Vec<u32> = steps.iter().filter_map(of).collect();
        self.mark(runs, lock, base, by, &steps, !is_undone)
    }
}

/// The steps of the original run that a rollback has undone so far. An original that was put beside another object undoes nothing.
fn good_restores(run: &Run, undone: &Run) -> Vec<u32> {
    let restores = run.plan().steps.iter().filter(|step| matches!(step.action, Action::Restore { .. }));
    let in_place = restores.filter(|step| {
        let original = step.source.parse::<StepRef>().ok().map(|reference| undone.step(reference.step));
        original.and_then(|record| record.intent).is_some_and(|intent| intent.path == *step.action.path())
    });
    let good = in_place.filter(|step| run.step(step.number).outcome.is_some_and(|outcome| outcome.result.is_good()));
    good.filter_map(|step| Some(step.source.parse::<StepRef>().ok()?.step)).collect()
}

fn result_of(obstacle: Obstacle) -> StepResult {
    match obstacle {
        Obstacle::Stale(why) => StepResult::Stale { why },
        Obstacle::Blocked(why) => StepResult::Blocked { why },
    }
}

/// The outcome of a step whose object was left alone.
fn refused(step: &Step, result: StepResult) -> StepOutcome {
    StepOutcome { step: step.number, result, holds: Holds::Before, after: None, parent: None, notes: Vec::new() }
}

fn untouched(step: &Step, result: StepResult, now: State) -> StepOutcome {
    StepOutcome { after: Some(now), ..refused(step, result) }
}
