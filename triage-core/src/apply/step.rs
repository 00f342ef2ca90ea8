//! One step on a file, from the look at it to its outcome.

use super::accounts::AccountLock;
use super::hands::{Halt, failed};
use super::perform::{self, Ended, Material};
use super::preflight::{decide, observe};
use super::recover::{self, Prefer};
use super::run::Execution;
use super::target::{Slot, inode_of_state};
use crate::action::{Change, Obstacle, State, is_account_file, predict, told};
use crate::journal::{Event, Holds, Intent, Method, PrivateNames, StepOutcome, StepResult};
use crate::model::{EvidencePath, FileKind, Timestamp};
use crate::plan::Step;
use crate::source::Inode;

impl Execution<'_> {
    /// Does one step, up to its outcome.
    #[expect(
        clippy::too_many_lines,
        reason = "one step from the look at it to its outcome; the parts share what they know of it"
    )]
    pub(super) fn file_step(&mut self, step: &Step, path: &EvidencePath) -> Result<StepOutcome, Halt> {
        if !self.lock_accounts(path)? {
            let why =
                "another program is changing the accounts and keeps their lock: try again when it is done".to_owned();
            return Ok(refused(step, StepResult::Stale { why }));
        }
        let (slot, sight) = match observe(&self.session, &step.action, path) {
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
            && let Err(why) = (self.session.examine)(path, content)
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
        if let Some(result) = self.take_material(path, &change)? {
            return Ok(refused(step, result));
        }
        let intent = Intent {
            step: step.number,
            path: path.clone(),
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
            (_, State::Absent | State::Live(_), _) => Material::Nothing,
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
    fn lock_accounts(&mut self, path: &EvidencePath) -> Result<bool, Halt> {
        if !is_account_file(path) {
            self.accounts = None;
        } else if self.accounts.is_none()
            && let Ok(slot) = self.session.target.slot(path, self.session.own)
        {
            self.accounts = AccountLock::take(&slot)?;
            return Ok(self.accounts.is_some());
        }
        Ok(true)
    }

    /// Takes the good copy of a file into the vault of this run, so that what is put in place, now or after a crash, is what the plan
    /// names. Gives why that cannot be.
    fn take_material(&self, path: &EvidencePath, change: &Change) -> Result<Option<StepResult>, Halt> {
        let (Change::Make(made), Some(kept)) = (change, &self.session.kept) else { return Ok(None) };
        let Some(digest) = made.sha256 else { return Ok(None) };
        if kept.vault().verify(&digest).is_ok() {
            return Ok(None);
        }
        let blocked = |why: String| Ok(Some(StepResult::Blocked { why }));
        let opened = self.session.material.map(|material| material.open(path));
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
            Holds::Neither | Holds::Unknown => {
                let differences = told(&now.differences(&intent.after));
                StepResult::Failed { why: format!("it is not as it was left, somebody changes it: {differences}") }
            }
        });
        let parent = Some(slot.parent().map_err(failed("looking at its folder"))?);
        Ok(StepOutcome { step: intent.step, result, holds, after: Some(now), parent, notes })
    }

    /// Brings a step that was cut short to one of its ends, and journals which.
    pub(super) fn settle(&mut self, intent: &Intent, prepared: Option<Inode>) -> Result<(), Halt> {
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
        let untouched = planned.filter_map(|step| Some((step.action.path()?, Some(once))));
        let untouched = untouched.filter(|(path, _)| **path != intent.path);
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
}

fn is_special(kind: FileKind) -> bool {
    matches!(kind, FileKind::Fifo | FileKind::Socket | FileKind::BlockDevice | FileKind::CharDevice)
}

pub(super) fn result_of(obstacle: Obstacle) -> StepResult {
    match obstacle {
        Obstacle::Stale(why) => StepResult::Stale { why },
        Obstacle::Blocked(why) => StepResult::Blocked { why },
    }
}

/// The outcome of a step whose object was left alone.
pub(super) fn refused(step: &Step, result: StepResult) -> StepOutcome {
    StepOutcome { step: step.number, result, holds: Holds::Before, after: None, parent: None, notes: Vec::new() }
}

pub(super) fn untouched(step: &Step, result: StepResult, now: State) -> StepOutcome {
    StepOutcome { after: Some(now), ..refused(step, result) }
}
