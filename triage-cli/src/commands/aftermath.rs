//! Looking again after a plan was applied: is anything left, and does anything come back?

use super::{material, open, writer};
use crate::exit::Failure;
use crate::session::Session;
use crate::view;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};
use triage_core::action::live::LiveObject;
use triage_core::action::{Action, LiveAction, LiveState, Living as _, State, observe};
use triage_core::apply::{LivingHost, RunReport};
use triage_core::engine::{self, Reading};
use triage_core::journal::Holds;
use triage_core::model::{EvidencePath, Subject};
use triage_core::plan::Plan;
use triage_core::source::{DirectorySource, SourceKind};

/// How often a change is looked for.
const PAUSE: Duration = Duration::from_millis(500);

/// What a run left, by path: the last step on an object counts.
fn touched(plan: &Plan, report: &RunReport) -> BTreeMap<EvidencePath, State> {
    let outcomes: BTreeMap<u32, _> = report.outcomes.iter().map(|outcome| (outcome.step, outcome)).collect();
    let mut left = BTreeMap::new();
    for step in &plan.steps {
        let outcome = outcomes.get(&step.number);
        if let Some((Holds::After, Some(after))) = outcome.map(|outcome| (outcome.holds, outcome.after.clone())) {
            left.extend(step.action.path().map(|path| (path.clone(), after)));
        }
    }
    left
}

/// What a run has done to the running host and that could come back: by what it is about, the last step counts.
fn ended<'a>(plan: &'a Plan, report: &RunReport) -> Vec<&'a LiveAction> {
    let done: BTreeSet<u32> =
        report.outcomes.iter().filter(|outcome| outcome.holds == Holds::After).map(|outcome| outcome.step).collect();
    let mut ended: Vec<&LiveAction> = Vec::new();
    for step in plan.steps.iter().filter(|step| done.contains(&step.number)) {
        if let Action::Live(action @ (LiveAction::KillProcess { .. } | LiveAction::ControlService { .. })) =
            &step.action
        {
            ended.retain(|earlier| earlier.object() != action.object());
            ended.push(action);
        }
    }
    ended
}

/// Says whether something that was ended is there again, or a service is not as it was left.
fn is_back(host: &LivingHost, action: &LiveAction) -> bool {
    match (action, host.observe(action)) {
        (LiveAction::KillProcess { .. }, Ok(LiveState::Processes { running })) => !running.is_empty(),
        (LiveAction::ControlService { .. }, Ok(now)) => {
            !State::Live(action.predict(&now)).differences(&State::Live(now)).is_empty()
        }
        _ => false,
    }
}

/// Scans what was changed once more, and with `watch` looks on for so long. Says whether nothing came back meanwhile.
pub(super) fn look_again(
    plan: &Plan,
    report: &RunReport,
    root: &Path,
    watch: Option<Duration>,
    session: &Session,
) -> Result<bool, Failure> {
    let left = touched(plan, report);
    let ended = ended(plan, report);
    if left.is_empty() && ended.is_empty() {
        return Ok(true);
    }
    let mut is_well = true;
    if !left.is_empty() {
        scan(&left, root, session)?;
    }
    if let Some(duration) = watch {
        session.ui.note(&format!(
            "Watching {} for {} s: what comes back is told. Ctrl-C ends it.",
            view::findings::count(left.len() + ended.len(), "object"),
            duration.as_secs()
        ));
        let came_back = watch_for(&left, &ended, root, duration, session)?;
        if came_back == 0 {
            session.ui.note("Nothing came back.");
        } else {
            session.ui.warning(&format!(
                "{} changed again: something that was not found still runs; scan the whole host",
                view::findings::count(came_back, "object")
            ));
            is_well = false;
        }
        if !left.is_empty() {
            scan(&left, root, session)?;
        }
    }
    Ok(is_well)
}

/// Scans the touched objects alone and tells what is found in them. An account is not judged again: alone, half of its files are missing,
/// and that it is locked was looked at when it was done.
fn scan(left: &BTreeMap<EvidencePath, State>, root: &Path, session: &Session) -> Result<(), Failure> {
    let reading = material::reading(root);
    let target = open::target(None, &reading, session)?;
    let target = target.only(left.keys().cloned());
    let options = open::options(&reading);
    let reading = Reading { options, progress: &(), cancel: &|| session.is_interrupted() };
    let scan = engine::scan(&target, open::detectors(&[], true, 30)?, reading)?;
    let found: Vec<_> = scan
        .findings
        .iter()
        .filter(|finding| {
            !matches!(finding.subject, Subject::Account { .. })
                && finding.category.is_evidence_of_compromise()
                && left.contains_key(finding.subject.path())
        })
        .collect();
    for finding in &found {
        session.ui.warning(&format!("still there: {} ({}), {}", finding.title, finding.rule, finding.subject));
    }
    if found.is_empty() {
        session.ui.note(&format!(
            "Looked again at {}: nothing is found in them any more.",
            view::findings::count(left.len(), "object")
        ));
    }
    Ok(())
}

/// Tells of each touched object that changes, once a change. Gives how many did.
fn watch_for(
    left: &BTreeMap<EvidencePath, State>,
    ended: &[&LiveAction],
    root: &Path,
    duration: Duration,
    session: &Session,
) -> Result<usize, Failure> {
    let source = DirectorySource::open(root, SourceKind::Root)?;
    let mut last: BTreeMap<&EvidencePath, State> = left.iter().map(|(path, state)| (path, state.clone())).collect();
    let mut changed = BTreeSet::new();
    let host = if ended.is_empty() { None } else { Some(engine::living_host()?) };
    let mut back: BTreeSet<LiveObject> = BTreeSet::new();
    let start = Instant::now();
    let mut writers = writer::Writers::new(root);
    while start.elapsed() < duration && !session.is_interrupted() {
        for (path, known) in &mut last {
            // One that cannot be looked at just now is looked at the next time.
            let Ok((now, _)) = observe(&source, path, 0) else { continue };
            let differences = now.differences(known);
            if differences.is_empty() {
                continue;
            }
            changed.insert((*path).clone());
            session.ui.warning(&format!(
                "{path} changed after {} s: {}{}",
                start.elapsed().as_secs(),
                if now.is_present() && !known.is_present() {
                    "it came back".to_owned()
                } else {
                    differences.join(", ")
                },
                writers.of(path, &now)
            ));
            *known = now;
        }
        for action in host.iter().flat_map(|host| ended.iter().filter(|action| is_back(host, action))) {
            if back.insert(action.object()) {
                session.ui.warning(&format!("{}: came back after {} s", action.object(), start.elapsed().as_secs()));
            }
        }
        std::thread::sleep(PAUSE);
    }
    Ok(changed.len() + back.len())
}
