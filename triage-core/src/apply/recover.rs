//! Putting things in order after a step that did not come to its end: a crash, an error, a swapped object.
//!
//! What is on the disk decides. The old object is known by its inode and content, the new one by the inode in the `prepared`
//! line; everything else at the public or a private name belongs to somebody else and is put back where it was found.

use super::hands::{Halt, Hands, failed};
use super::perform::{PINS, dress_again, unpin_parent};
use super::target::{Sight, Slot, comparable, inode_of_state};
use crate::action::State;
use crate::journal::{Holds, Intent, Method};
use crate::sys::change;
use std::io;

/// Which way to go where both are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefer {
    /// Back to what was there: the step failed or was refused.
    Before,
    /// On to what was intended: the step was only cut short.
    After,
}

struct Scene<'a> {
    slot: &'a Slot,
    intent: &'a Intent,
    prepared: Option<(u64, u64)>,
    notes: Vec<String>,
}

/// Clears the private names of an intent and brings the object to one of its two states where it can. Returns what a person
/// should know. The folder is left as it is: see [`super::perform::leave`].
pub(super) fn recover(
    hands: &Hands<'_>,
    slot: &Slot,
    intent: &Intent,
    prepared: Option<(u64, u64)>,
    prefer: Prefer,
) -> Result<Vec<String>, Halt> {
    if intent.method == Method::Alter {
        return alter_back(hands, slot, intent, prefer);
    }
    unpin_parent(hands, slot, intent)?;
    let mut scene = Scene { slot, intent, prepared, notes: Vec::new() };
    scene.clear_old(hands, prefer)?;
    scene.clear_new(hands, prefer)?;
    if prefer == Prefer::Before && intent.method == Method::Place {
        scene.withdraw(hands)?;
    }
    scene.pin(hands)?;
    Ok(scene.notes)
}

/// Brings an object whose metadata was being set to one of its two states. It is known by its inode and its content.
fn alter_back(hands: &Hands<'_>, slot: &Slot, intent: &Intent, prefer: Prefer) -> Result<Vec<String>, Halt> {
    let here = slot.look(0).map_err(failed("looking at what the step left"))?;
    let is_ours =
        inode_of_state(&here.state) == inode_of_state(&intent.before) && here.state.is_same_object(&intent.before);
    let wanted = if prefer == Prefer::Before { &intent.before } else { &intent.after };
    match (is_ours, wanted, here.object()) {
        (true, State::Present(wanted), Some(object)) => {
            dress_again(hands, object, &wanted.meta)?;
            Ok(Vec::new())
        }
        _ => Ok(vec!["something else has appeared in its place, or it was written to: look at it by hand".to_owned()]),
    }
}

/// Looks at the object and says which state of the intent it is in.
pub(super) fn holds(slot: &Slot, intent: &Intent) -> io::Result<(Holds, State)> {
    let now = slot.look(0)?.state;
    let is = |state: &State| comparable(&now).differences(&comparable(state)).is_empty();
    let holds = if is(&intent.after) {
        Holds::After
    } else if is(&intent.before) {
        Holds::Before
    } else {
        Holds::Neither
    };
    Ok((holds, now))
}

impl Scene<'_> {
    fn at(&self, name: &[u8]) -> Result<Sight, Halt> {
        self.slot.look_at(name, 0).map_err(failed("looking at what the step left"))
    }

    fn here(&self) -> Result<Sight, Halt> {
        self.at(&self.slot.name)
    }

    fn is_before(&self, sight: &Sight) -> bool {
        let before = &self.intent.before;
        sight.state.is_present()
            && inode_of_state(&sight.state) == inode_of_state(before)
            && sight.state.is_same_object(before)
    }

    fn is_made(&self, sight: &Sight) -> bool {
        self.prepared.is_some()
            && inode_of_state(&sight.state) == self.prepared
            && sight.state.is_same_object(&self.intent.after)
    }

    /// The name that [`change::grab`] uses.
    fn clear_old(&mut self, hands: &Hands<'_>, prefer: Prefer) -> Result<(), Halt> {
        let (dir, name) = (&self.slot.dir, &self.slot.name);
        let (old, new) = (self.intent.names.old.as_bytes(), self.intent.names.new.as_bytes());
        let held = self.at(old)?;
        if !held.state.is_present() {
            return Ok(());
        }
        let here = self.here()?;
        if self.is_before(&held) && prefer == Prefer::After {
            if !here.state.is_present() && self.is_made(&self.at(new)?) {
                hands.act("putting it in its place", || change::settle(dir, new, name))?;
            }
            return hands.act("removing the old file", || change::unlink(dir, old));
        }
        if self.is_before(&held) && self.is_made(&here) {
            hands.act("withdrawing the new file", || change::grab(dir, name, new))?;
        }
        match hands.act("putting it back", || change::settle(dir, old, name)) {
            Err(Halt::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other,
        }
        if self.is_before(&held) {
            self.notes.push("something else has appeared in its place; the original is in the vault only".to_owned());
            hands.act("removing the old file", || change::unlink(dir, old))
        } else {
            self.left_over(old);
            Ok(())
        }
    }

    /// The name under which the new object is made, and which the old one has after an exchange.
    fn clear_new(&mut self, hands: &Hands<'_>, prefer: Prefer) -> Result<(), Halt> {
        let (dir, name) = (&self.slot.dir, &self.slot.name);
        let new = self.intent.names.new.as_bytes();
        let fresh = self.at(new)?;
        if !fresh.state.is_present() {
            return Ok(());
        }
        let here = self.here()?;
        if self.is_before(&fresh) {
            if prefer == Prefer::Before && self.is_made(&here) {
                hands.act("exchanging it back", || change::exchange(dir, new, name))?;
            } else if prefer == Prefer::Before && !here.state.is_present() {
                return hands.act("putting it back", || change::settle(dir, new, name));
            } else if !self.is_made(&here) {
                self.notes
                    .push("something else has appeared in its place; the original is in the vault only".to_owned());
            }
            return hands.act("removing the file that is not needed", || change::unlink(dir, new));
        }
        // Before `prepared` nothing can have been exchanged: what is there is our own unfinished work.
        if self.prepared.is_none() || self.is_made(&fresh) {
            return hands.act("removing the file that is not needed", || change::unlink(dir, new));
        }
        if self.is_made(&here) {
            hands.act("exchanging it back", || change::exchange(dir, new, name))?;
            if self.is_made(&self.at(new)?) {
                return hands.act("removing the file that is not needed", || change::unlink(dir, new));
            }
        } else if !here.state.is_present() {
            return hands.act("putting it back", || change::settle(dir, new, name));
        }
        self.left_over(new);
        Ok(())
    }

    /// Takes a new object out of a place that was empty before.
    fn withdraw(&mut self, hands: &Hands<'_>) -> Result<(), Halt> {
        let here = self.here()?;
        let (true, State::Present(present)) = (self.is_made(&here), &here.state) else { return Ok(()) };
        if let (true, Some(file)) = (present.meta.is_pinned(), &here.file) {
            let flags = present.meta.inode_flags.unwrap_or_default() & !PINS;
            hands.act("lifting its flags", || change::set_inode_flags(file, flags))?;
        }
        let new = self.intent.names.new.as_bytes();
        hands.act("withdrawing the new file", || change::grab(&self.slot.dir, &self.slot.name, new))?;
        if self.is_made(&self.at(new)?) {
            hands.act("removing the file that is not needed", || change::unlink(&self.slot.dir, new))
        } else {
            hands.act("putting it back", || change::settle(&self.slot.dir, new, &self.slot.name))
        }
    }

    /// Sets the flags that were lifted from the old object, or that the new one still lacks.
    fn pin(&self, hands: &Hands<'_>) -> Result<(), Halt> {
        let here = self.here()?;
        let wanted = if self.is_before(&here) {
            &self.intent.before
        } else if self.is_made(&here) {
            &self.intent.after
        } else {
            return Ok(());
        };
        let (State::Present(wanted), Some(file)) = (wanted, &here.file) else { return Ok(()) };
        if wanted.meta.is_pinned() {
            let flags = wanted.meta.inode_flags.unwrap_or_default();
            hands.act("setting its flags", || change::set_inode_flags(file, flags))?;
        }
        hands.act("syncing it", || change::sync(file))
    }

    fn left_over(&mut self, name: &[u8]) {
        let name = crate::model::escape(name);
        self.notes.push(format!("an object that is not this step's was left as `{name}`: another has its place"));
    }
}
