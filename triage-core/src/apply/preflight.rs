//! Looking at everything before anything is changed.

use super::living::LivingHost;
use super::run::Session;
use super::target::{NoSlot, Sight, Slot, inode_of_state};
use super::{ApplyError, Refusal, StepEvent};
use crate::action::live::{LiveObject, Undo};
use crate::action::{
    Action, Change, EDIT_LIMIT, LiveAction, LiveState, Living as _, Object, Obstacle, State, observe as observe_in,
    predict,
};
use crate::journal::{Run, StepRef, StepResult};
use crate::model::{EvidencePath, FileKind};
use crate::plan::login::{self, Found, Guard, LOCKS_OUT, Verdict};
use crate::plan::{Step, StepStatus};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// What stands against a step as it is planned, before its object is looked at.
pub(super) fn planned_obstacle(step: &Step) -> Option<StepResult> {
    match &step.status {
        StepStatus::Blocked { why } => Some(StepResult::Blocked { why: why.clone() }),
        StepStatus::NeedsInput { what } => {
            Some(StepResult::Blocked { why: format!("somebody has to say first: {what}") })
        }
        StepStatus::WouldChange | StepStatus::NoOp | StepStatus::CannotKnow { .. } => None,
    }
}

/// What a step comes to for the object as it is. The action decides; here is only what holds for every action.
pub(super) fn decide(
    step: &Step,
    now: &State,
    content: Option<&[u8]>,
    saved: Option<&Run>,
) -> Result<Change, Obstacle> {
    let change = step.action.change(now, content)?;
    if change == Change::Nothing {
        return Ok(change);
    }
    if step.status == StepStatus::NoOp {
        return Err(Obstacle::Stale("the plan saw nothing to do here, and now there is".to_owned()));
    }
    if let State::Present(present) = now {
        let kind = present.meta.kind;
        let is_fit = match &change {
            Change::Alter(_) => matches!(kind, FileKind::File | FileKind::Directory),
            Change::Rewrite(_) => kind == FileKind::File,
            _ => !matches!(kind, FileKind::Directory | FileKind::Unknown),
        };
        if !is_fit {
            return Err(Obstacle::Blocked(format!("it is a {}, and those are not changed so", kind.as_str())));
        }
        // What is quarantined goes all the same, or an intruder could protect a file with attributes; that is a note.
        if present.meta.xattrs_omitted > 0 && change != Change::Remove {
            let count = present.meta.xattrs_omitted;
            return Err(Obstacle::Blocked(format!("{count} of its extended attributes are too large to be kept")));
        }
    }
    match &step.action {
        Action::Restore { from, to, .. } => check_restore(step, from, to, &change, saved)?,
        Action::Live(action) => check_undo(step, action, saved)?,
        _ => {}
    }
    Ok(change)
}

/// What a rollback does to the running host must be what the journal of the original run says.
fn check_undo(step: &Step, action: &LiveAction, saved: Option<&Run>) -> Result<(), Obstacle> {
    let Some(original) = saved else { return Ok(()) };
    let reference: StepRef = step.source.parse().map_err(Obstacle::Blocked)?;
    let record = original.step(reference.step);
    match record.live.map(|live| &live.undo) {
        Some(Undo::By { action: undo } | Undo::Afterwards { action: undo }) if **undo == *action => Ok(()),
        _ => Err(Obstacle::Blocked(format!("the journal of run {} tells it otherwise than the plan", original.id()))),
    }
}

/// Looks at what a step on the running host is about; gives the host, too.
pub(super) fn observe_live<'a>(
    session: &Session<'a>,
    action: &LiveAction,
) -> Result<(&'a LivingHost, LiveState), Obstacle> {
    let host = session.target.living().ok_or_else(|| Obstacle::Blocked(NOT_RUNNING.to_owned()))?;
    Ok((host, host.observe(action).map_err(Obstacle::Blocked)?))
}

/// A plan file lies where others may write. What is put back must be what the journal of the original run says, or a forged
/// plan could put anything anywhere.
fn check_restore(step: &Step, from: &State, to: &State, change: &Change, saved: Option<&Run>) -> Result<(), Obstacle> {
    let blocked = |why: String| Obstacle::Blocked(why);
    let reference: StepRef = step.source.parse().map_err(blocked)?;
    let original = saved.filter(|run| *run.id() == reference.run);
    let original = original.ok_or_else(|| blocked(format!("run {} is not at hand", reference.run)))?;
    let record = original.step(reference.step);
    let (Some(intent), Some(_)) = (record.intent, record.outcome) else {
        return Err(blocked(format!("the journal of run {} has no such step", reference.run)));
    };
    let Some(path) = step.action.path() else { return Err(blocked("it is about no file".to_owned())) };
    // Beside what somebody else made of it, the original may come to a free name.
    let is_in_place = intent.path == *path && record.after == Some(from);
    let is_beside = *path == reference.beside(&intent.path) && !from.is_present();
    if !(is_in_place || is_beside) || intent.before != *to {
        return Err(blocked(format!("the journal of run {} tells it otherwise than the plan", reference.run)));
    }
    if let (State::Present(present), Change::Put) = (to, change)
        && let Some(digest) = present.sha256
    {
        original.vault().verify(&digest).map_err(|error| blocked(error.to_string()))?;
    }
    Ok(())
}

/// Opens an object's directory and looks at the object.
pub(super) fn observe(
    session: &Session<'_>,
    action: &Action,
    path: &EvidencePath,
) -> Result<(Option<Slot>, Sight), Obstacle> {
    let keep = if action.needs_content() { EDIT_LIMIT } else { 0 };
    let slot = match session.target.slot(path, session.own) {
        Ok(slot) => slot,
        Err(NoSlot::Missing) => return Ok((None, Sight::absent())),
        Err(NoSlot::NotAFolder(at)) => {
            return Err(Obstacle::Stale(format!("`{at}` is no folder any more: it was swapped for something else")));
        }
        Err(NoSlot::Forbidden(why)) => return Err(Obstacle::Blocked(why)),
        Err(NoSlot::Io(error)) => return Err(Obstacle::Blocked(format!("its folder could not be opened: {error}"))),
    };
    match slot.look(keep) {
        Ok(sight) => {
            if inode_of_state(&sight.state) == Some(session.own) {
                return Err(Obstacle::Blocked("it is the state folder of this tool".to_owned()));
            }
            Ok((Some(slot), sight))
        }
        Err(error) if error.kind() == io::ErrorKind::Other => Err(Obstacle::Stale(error.to_string())),
        Err(error) => Err(Obstacle::Blocked(format!("it could not be looked at: {error}"))),
    }
}

/// Makes sure that the good copy of a file can be had and is what the plan names.
fn check_material(session: &Session<'_>, path: &EvidencePath, change: &Change) -> Result<(), Obstacle> {
    let Change::Make(made) = change else { return Ok(()) };
    let Some(digest) = made.sha256 else { return Ok(()) };
    if session.kept.as_ref().is_some_and(|run| run.vault().verify(&digest).is_ok()) {
        return Ok(());
    }
    let Some(material) = session.material else {
        return Err(Obstacle::Blocked("its good copy is not at hand: name where it is with `--from`".to_owned()));
    };
    let found = observe_in(material, path, 0).map_err(|error| Obstacle::Blocked(format!("its good copy: {error}")))?;
    match found.0 {
        State::Present(present) if present.sha256 == Some(digest) => Ok(()),
        _ => Err(Obstacle::Blocked(format!("{} does not hold the copy that the plan names", material.label()))),
    }
}

/// Looks at the objects of `steps` and says which are to be left out, and as what they are recorded.
///
/// # Errors
/// When a step is blocked, or one is stale and nobody agreed to leave those out.
pub(super) fn preflight(session: &mut Session<'_>, steps: &[Step]) -> Result<BTreeMap<u32, StepResult>, ApplyError> {
    let mut left_out = BTreeMap::new();
    let mut seen: BTreeMap<&EvidencePath, (State, Option<Vec<u8>>)> = BTreeMap::new();
    let mut alive: BTreeMap<LiveObject, LiveState> = BTreeMap::new();
    let mut lost: BTreeSet<Object<'_>> = BTreeSet::new();
    let (mut stale, mut blocked) = (Vec::new(), Vec::new());
    let mut guard = Guard::default();
    for step in steps {
        (session.progress)(StepEvent::Checking(step));
        let object = step.action.object();
        let refusal = |why: &str| Refusal { step: step.number, object: object.to_string(), why: why.to_owned() };
        if let Some(result) = planned_obstacle(step) {
            left_out.insert(step.number, result);
            lost.insert(object);
            continue;
        }
        if lost.contains(&object) {
            left_out.insert(step.number, StepResult::Stale { why: EARLIER.to_owned() });
            continue;
        }
        let decided = match &object {
            Object::Live(living) => preflight_live(session, step, living, &mut alive),
            Object::File(path) => preflight_file(session, step, path, &mut seen, &mut guard),
        };
        match decided {
            Ok(()) => {}
            Err(Obstacle::Stale(why)) => {
                stale.push(refusal(&why));
                left_out.insert(step.number, StepResult::Stale { why });
                lost.insert(object);
            }
            Err(Obstacle::Blocked(why)) => {
                blocked.push(refusal(&why));
                lost.insert(object);
            }
        }
    }
    if !blocked.is_empty() {
        return Err(ApplyError::Blocked { steps: blocked });
    }
    if !stale.is_empty() && !session.consent.skip_stale {
        return Err(ApplyError::Stale { steps: stale });
    }
    Ok(left_out)
}

/// What a step on the running host will find, and leaves to later steps on the same object.
fn preflight_live(
    session: &Session<'_>,
    step: &Step,
    object: &LiveObject,
    alive: &mut BTreeMap<LiveObject, LiveState>,
) -> Result<(), Obstacle> {
    let Action::Live(action) = &step.action else { return Ok(()) };
    let now = match alive.remove(object) {
        Some(now) => now,
        None => observe_live(session, action)?.1,
    };
    let change = decide(step, &State::Live(now.clone()), None, session.saved.as_ref())?;
    let after = if change == Change::Nothing { now } else { action.predict(&now) };
    alive.insert(object.clone(), after);
    Ok(())
}

type SeenFiles<'a> = BTreeMap<&'a EvidencePath, (State, Option<Vec<u8>>)>;

/// What a step on a file will find, and leaves to later steps on it.
fn preflight_file<'a>(
    session: &Session<'_>,
    step: &'a Step,
    path: &'a EvidencePath,
    seen: &mut SeenFiles<'a>,
    guard: &mut Guard,
) -> Result<(), Obstacle> {
    let ((state, content), has_folder) = if let Some(now) = seen.remove(path) {
        (now, true)
    } else {
        let (slot, sight) = observe(session, &step.action, path)?;
        ((sight.state, sight.content), slot.is_some())
    };
    let change = decide(step, &state, content.as_deref(), session.saved.as_ref())?;
    check_material(session, path, &change)?;
    let after = predict(&step.action, &state, &change);
    if after.is_present() && !has_folder {
        return Err(Obstacle::Stale("its folder is gone".to_owned()));
    }
    // Other metadata on the same content changes nothing of it.
    let is_changed = !matches!(change, Change::Nothing | Change::Alter(_));
    let content = match change {
        Change::Rewrite(bytes) => Some(bytes),
        Change::Nothing | Change::Alter(_) => content,
        _ => None,
    };
    // The plan looked at that too; but a part of it may have been left out since, or somebody may have edited it.
    if is_changed {
        let mut host = Sighted { session, seen };
        if guard.judge(&mut host, path, &found(&after, content.as_ref())) == Verdict::LocksOut {
            return Err(Obstacle::Blocked(LOCKS_OUT.to_owned()));
        }
        guard.changed(path);
    }
    seen.insert(path, (after, content));
    Ok(())
}

/// What a reader of an object finds.
fn found(state: &State, content: Option<&Vec<u8>>) -> Found {
    match (content, state) {
        (Some(content), _) => Found::Content(content.clone()),
        (None, State::Absent) => Found::Absent,
        (None, State::Present(_) | State::Live(_)) => Found::Unknown,
    }
}

/// The host as the steps so far leave it.
struct Sighted<'a, 's> {
    session: &'a Session<'s>,
    seen: &'a BTreeMap<&'a EvidencePath, (State, Option<Vec<u8>>)>,
}

impl login::Host for Sighted<'_, '_> {
    fn read(&mut self, path: &EvidencePath) -> Found {
        if let Some((state, content)) = self.seen.get(path)
            && (content.is_some() || !state.is_present())
        {
            return found(state, content.as_ref());
        }
        if self.seen.contains_key(path) {
            return Found::Unknown;
        }
        match self.session.target.slot(path, self.session.own).map(|slot| slot.look(EDIT_LIMIT)) {
            Ok(Ok(sight)) => found(&sight.state, sight.content.as_ref()),
            Err(NoSlot::Missing) => Found::Absent,
            Ok(Err(_)) | Err(_) => Found::Unknown,
        }
    }

    fn list(&mut self, folder: &EvidencePath) -> Vec<EvidencePath> {
        let names = self.session.target.list(folder, self.session.own);
        let there = names.iter().map(|name| folder.join(name)).filter(|path| !self.seen.contains_key(path));
        let left =
            self.seen.iter().filter(|(path, (state, _))| state.is_present() && path.parent().as_ref() == Some(folder));
        there.chain(left.map(|(path, _)| (*path).clone())).collect()
    }
}

/// Why nothing is done to the processes and services of an image.
pub(super) const NOT_RUNNING: &str =
    "it needs the running host, and this is an image or a folder: boot it, or run `triage apply` on the host itself";

/// Why a step is left out that might have gone well.
pub(super) const EARLIER: &str = "an earlier step on the same object was not done";
