//! A run: every step in its turn, between its two journal lines.

use super::accounts::AccountLock;
use super::hands::{Faults, Halt, Hands};
use super::preflight::{EARLIER, planned_obstacle, preflight};
use super::step::refused;
use super::target::{Target, inode_of_state};
use super::{ApplyError, ApplyRequest, Examine, Refusal, ResumeRequest, RunReport, StepEvent, Stopped};
use crate::action::{Action, Object, State};
use crate::journal::{
    Consent, Event, Evidence, Holds, Lock, Run, RunId, Runs, Start, StepOutcome, StepRecord, StepRef, StepResult,
};
use crate::model::EvidencePath;
use crate::plan::{Affects, Plan, Step, StepStatus};
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

pub(super) struct Execution<'a> {
    pub(super) session: Session<'a>,
    pub(super) hands: Hands<'a>,
    pub(super) token: String,
    /// What the steps of a rollback undo, by their numbers.
    pub(super) references: BTreeMap<u32, StepRef>,
    /// Held while account files are changed.
    pub(super) accounts: Option<AccountLock>,
    /// What the steps of this run have left of files so far, and which step did: a later step may change them on the way.
    pub(super) left: BTreeMap<EvidencePath, (u32, State)>,
    /// Restored objects by the inode that they once had, for those that had several names.
    pub(super) restored: BTreeMap<Inode, (EvidencePath, Option<Inode>)>,
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
    match run.dangling() {
        Some(StepRecord { intent: Some(intent), prepared, .. }) => {
            execution.settle(intent, prepared).map_err(end_of)?;
        }
        Some(StepRecord { live: Some(live), .. }) => execution.settle_live(live).map_err(end_of)?,
        _ => {}
    }
    let run = runs.run(id)?;
    execution.remember(&run);
    Ok(Ok(Reopened { execution, run, lock }))
}

/// Says whether a step needs no further attempt.
fn is_settled(outcome: Option<&StepOutcome>) -> bool {
    outcome.is_some_and(|outcome| match outcome.result {
        StepResult::Done | StepResult::NoOp => true,
        // A refusal at its time stands, unless it was what stopped the run.
        StepResult::Stale { .. } | StepResult::Blocked { .. } | StepResult::Failed { .. } => {
            // What may have been done is not done again.
            matches!(outcome.holds, Holds::After | Holds::Unknown)
        }
    })
}

pub(super) fn check_plan(plan: &Plan, consent: Consent) -> Result<(), ApplyError> {
    if !plan.is_of_a_known_version() {
        return Err(ApplyError::UnsupportedPlan(plan.format_version));
    }
    let mut numbers = BTreeSet::new();
    if let Some(step) = plan.steps.iter().find(|step| !numbers.insert(step.number)) {
        return Err(ApplyError::BadPlan(format!("two steps have the number {}", step.number)));
    }
    let tried = |step: &&Step| matches!(step.status, StepStatus::WouldChange | StepStatus::CannotKnow { .. });
    let refusals = |is: fn(&Step) -> bool, why: &str| -> Vec<Refusal> {
        let steps = plan.steps.iter().filter(tried).filter(|step| is(step));
        let of =
            |step: &Step| Refusal { step: step.number, object: step.action.object().to_string(), why: why.to_owned() };
        steps.map(of).collect()
    };
    let steps = refusals(|step| !step.action.is_reversible(), "nothing brings back what it does");
    if !steps.is_empty() && !consent.irreversible && !plan.is_rollback() {
        return Err(ApplyError::Irreversible { steps });
    }
    let steps = refusals(|step| step.affects.contains(&Affects::Calls), "it can cut off calls that are going on");
    if !steps.is_empty() && !consent.call_impact && !plan.is_rollback() {
        return Err(ApplyError::AffectsCalls { steps });
    }
    let malicious = plan.steps.iter().filter(|step| step.restores_malicious && planned_obstacle(step).is_none());
    match malicious.count() {
        count if count > 0 && !consent.restore_malicious => Err(ApplyError::RestoresMalicious { count }),
        _ => Ok(()),
    }
}

/// Says whether a step undoes one of another run. A rollback of what was done to the running host is an action like any other, and
/// told by the source of its step, which no playbook can have.
fn is_undoing(plan: &Plan, step: &Step) -> bool {
    match &step.action {
        Action::Restore { .. } => true,
        Action::Live(_) => plan.is_rollback() && step.source.parse::<StepRef>().is_ok(),
        _ => false,
    }
}

/// The run that a plan undoes, from the sources of its steps; none for a plan that undoes nothing.
fn undoes(plan: &Plan) -> Result<Option<RunId>, ApplyError> {
    let mut found: Option<RunId> = None;
    for step in &plan.steps {
        if !is_undoing(plan, step) {
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
        let restores = run.plan().steps.iter().filter(|step| is_undoing(run.plan(), step));
        let references: BTreeMap<u32, StepRef> =
            restores.filter_map(|step| Some((step.number, step.source.parse().ok()?))).collect();
        session.kept = Some(run);
        Self { session, hands, token, references, accounts: None, left: BTreeMap::new(), restored: BTreeMap::new() }
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
        if let (Some(path), Holds::After, Some(after)) = (step.action.path(), outcome.holds, &outcome.after) {
            self.left.insert(path.clone(), (step.number, after.clone()));
        }
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
        let mut lost: BTreeSet<Object<'_>> = BTreeSet::new();
        for step in steps {
            if cancel() {
                let why = "it was asked to stop".to_owned();
                return Ok(Some(Stopped { step: step.number, why, is_cancelled: true }));
            }
            (self.session.progress)(StepEvent::Begins(step));
            let object = step.action.object();
            let (outcome, is_expected) = match left_out.get(&step.number) {
                Some(result) => (refused(step, result.clone()), true),
                None if lost.contains(&object) => (refused(step, StepResult::Stale { why: EARLIER.to_owned() }), true),
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
            lost.insert(object);
        }
        Ok(None)
    }

    /// Does one step, up to its outcome.
    fn step(&mut self, step: &Step) -> Result<StepOutcome, Halt> {
        match (&step.action, step.action.path()) {
            (Action::Live(action), _) => self.live_step(step, action),
            (_, Some(path)) => self.file_step(step, path),
            (_, None) => Ok(refused(step, StepResult::Blocked { why: "it is about nothing".to_owned() })),
        }
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
    let restores = run.plan().steps.iter().filter(|step| is_undoing(run.plan(), step));
    let in_place = restores.filter(|step| {
        let original = step.source.parse::<StepRef>().ok().map(|reference| undone.step(reference.step));
        original.is_some_and(|record| match (record.intent, step.action.path()) {
            (Some(intent), Some(path)) => intent.path == *path,
            _ => record.live.is_some(),
        })
    });
    let good = in_place.filter(|step| run.step(step.number).outcome.is_some_and(|outcome| outcome.result.is_good()));
    good.filter_map(|step| Some(step.source.parse::<StepRef>().ok()?.step)).collect()
}
