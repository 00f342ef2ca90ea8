//! One change to one object: take hold of it, make sure that it is the one that was checked, and only then let go of it.
//!
//! What went wrong on the way is put right by [`super::recover`], the same code that does it after a crash.

use super::hands::{Halt, Hands, failed};
use super::target::{Sight, Slot, comparable, inode_of, inode_of_state};
use crate::action::State;
use crate::journal::{Event, Intent, Method, Vault};
use crate::model::{Digest, FileKind, FileMeta, Timestamp};
use crate::sys::{change, look};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The flags that keep even root from renaming or removing an object.
pub(super) const PINS: u32 = FileMeta::IMMUTABLE | FileMeta::APPEND_ONLY;

/// What the new object is made of.
pub(super) enum Material<'a> {
    /// There is none.
    Nothing,
    /// This content.
    Bytes(&'a [u8]),
    /// Content from the vault of an earlier run.
    Saved(&'a Vault, Digest),
    /// A symbolic link that points here.
    Link(&'a [u8]),
    /// A FIFO, socket or device node, as the intent says.
    Special,
    /// A further name of an object that has its others (back).
    Sibling(&'a Slot),
}

/// How performing ended.
pub(super) enum Ended {
    /// As it should.
    Done,
    /// What was taken hold of is not what was checked.
    Swapped(String),
}

/// Carries out an intent whose vault copy and journal line are on the device.
pub(super) fn perform(
    hands: &mut Hands<'_>,
    slot: &Slot,
    sight: &Sight,
    intent: &Intent,
    material: &Material<'_>,
) -> Result<Ended, Halt> {
    if intent.method == Method::Alter {
        return alter(hands, slot, sight, intent);
    }
    unpin(hands, slot, sight, intent)?;
    match intent.method {
        Method::Alter => Ok(Ended::Done),
        Method::Remove => remove(hands, slot, sight, intent),
        Method::Exchange | Method::Place => replace(hands, slot, sight, intent, material),
    }
}

/// Gives the object that was looked at, whatever its name leads to by now, other metadata.
fn alter(hands: &Hands<'_>, slot: &Slot, sight: &Sight, intent: &Intent) -> Result<Ended, Halt> {
    if let Some(why) = swapped(slot, &slot.name, sight)? {
        return Ok(Ended::Swapped(why));
    }
    let (State::Present(after), Some(object)) = (&intent.after, sight.object()) else {
        let source = io::Error::other("it is not open");
        return Err(Halt::Io { doing: "looking at it", source });
    };
    dress_again(hands, object, &after.meta)?;
    Ok(Ended::Done)
}

/// Gives an object that keeps its place the metadata that it is to have, or that it had.
pub(super) fn dress_again(hands: &Hands<'_>, object: BorrowedFd<'_>, meta: &FileMeta) -> Result<(), Halt> {
    let now = look::inode_flags(object).unwrap_or_default();
    if now & PINS != 0 {
        hands.act("lifting its flags", || change::set_inode_flags(object, now & !PINS))?;
    }
    let mut meta = meta.clone();
    if meta.kind == FileKind::Directory {
        // What is made and removed in a folder meanwhile moves its time, and is not ours to hide.
        (meta.mtime, meta.atime) = (None, None);
    }
    dress(hands, object, &meta)?;
    pin(hands, object, &meta)?;
    hands.act("syncing it", || change::sync(object))
}

fn unpin(hands: &Hands<'_>, slot: &Slot, sight: &Sight, intent: &Intent) -> Result<(), Halt> {
    if let (State::Present(before), Some(file)) = (&intent.before, &sight.file)
        && before.meta.is_pinned()
    {
        let flags = before.meta.inode_flags.unwrap_or_default() & !PINS;
        hands.act("lifting its flags", || change::set_inode_flags(file, flags))?;
    }
    unpin_parent(hands, slot, intent)
}

pub(super) fn unpin_parent(hands: &Hands<'_>, slot: &Slot, intent: &Intent) -> Result<(), Halt> {
    if intent.parent.is_pinned() {
        let flags = intent.parent.inode_flags.unwrap_or_default() & !PINS;
        hands.act("lifting its folder's flags", || change::set_inode_flags(&slot.dir, flags))?;
    }
    Ok(())
}

fn remove(hands: &Hands<'_>, slot: &Slot, sight: &Sight, intent: &Intent) -> Result<Ended, Halt> {
    let old = intent.names.old.as_bytes();
    match hands.act("taking hold of it", || change::grab(&slot.dir, &slot.name, old)) {
        Err(Halt::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(Ended::Swapped("it vanished after it was checked".to_owned()));
        }
        other => other?,
    }
    if let Some(why) = swapped(slot, old, sight)? {
        return Ok(Ended::Swapped(why));
    }
    hands.act("removing it", || change::unlink(&slot.dir, old))?;
    Ok(Ended::Done)
}

fn replace(
    hands: &mut Hands<'_>,
    slot: &Slot,
    sight: &Sight,
    intent: &Intent,
    material: &Material<'_>,
) -> Result<Ended, Halt> {
    let (old, new) = (intent.names.old.as_bytes(), intent.names.new.as_bytes());
    let made = make(hands, slot, new, intent, material)?;
    let inode = slot.inode_at(new).map_err(failed("looking at the new file"))?;
    let (device, inode) =
        inode.ok_or_else(|| Halt::Io { doing: "looking at the new file", source: io::ErrorKind::NotFound.into() })?;
    // ORDER: from here on two objects have names, and after a crash this line tells ours from anybody else's.
    hands.note(Event::Prepared { step: intent.step, device, inode })?;
    if intent.method == Method::Place {
        if let Err(halt) = hands.act("putting it in its place", || change::settle(&slot.dir, new, &slot.name)) {
            return match halt {
                Halt::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
                    Ok(Ended::Swapped("something has appeared in its place".to_owned()))
                }
                halt => Err(halt),
            };
        }
    } else {
        match hands.act("exchanging it", || change::exchange(&slot.dir, new, &slot.name)) {
            Ok(()) => {
                if let Some(why) = swapped(slot, new, sight)? {
                    return Ok(Ended::Swapped(why));
                }
                hands.act("removing the old file", || change::unlink(&slot.dir, new))?;
            }
            // No exchange here: for a moment the name is missing.
            Err(Halt::Io { source, .. }) if source.kind() == io::ErrorKind::Unsupported => {
                hands.act("taking hold of it", || change::grab(&slot.dir, &slot.name, old))?;
                if let Some(why) = swapped(slot, old, sight)? {
                    return Ok(Ended::Swapped(why));
                }
                hands.act("putting it in its place", || change::settle(&slot.dir, new, &slot.name))?;
                hands.act("removing the old file", || change::unlink(&slot.dir, old))?;
            }
            Err(Halt::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(Ended::Swapped("it vanished after it was checked".to_owned()));
            }
            Err(halt) => return Err(halt),
        }
    }
    if let (State::Present(after), Some(made)) = (&intent.after, &made) {
        pin(hands, made, &after.meta)?;
        hands.act("syncing the new file", || change::sync(made))?;
    }
    Ok(Ended::Done)
}

/// Why what has `name` now is not what `sight` saw under the public name a moment ago.
fn swapped(slot: &Slot, name: &[u8], sight: &Sight) -> Result<Option<String>, Halt> {
    let grabbed = slot.inode_at(name).map_err(failed("looking at what was taken hold of"))?;
    if grabbed != inode_of_state(&sight.state) {
        return Ok(Some("another object was put in its place after it was checked".to_owned()));
    }
    let differences = if sight.object().is_some() {
        sight.differences_since().map_err(failed("reading what was taken hold of"))?
    } else {
        // Nothing is open that would keep the inode's number from being given to another object.
        let again = slot.look_at(name, 0).map_err(failed("looking at what was taken hold of"))?;
        comparable(&again.state).differences(&comparable(&sight.state))
    };
    Ok((!differences.is_empty())
        .then(|| format!("it was changed after it was checked: {}", crate::action::told(&differences))))
}

/// Makes the new object under its private name, complete but for the flags that would pin it there. A file comes back open.
fn make(
    hands: &Hands<'_>,
    slot: &Slot,
    name: &[u8],
    intent: &Intent,
    material: &Material<'_>,
) -> Result<Option<OwnedFd>, Halt> {
    let (State::Present(after), dir) = (&intent.after, &slot.dir) else { return Ok(None) };
    let meta = &after.meta;
    match material {
        Material::Nothing => Ok(None),
        Material::Link(points_to) => {
            hands.act("making the link", || change::make_symlink(dir, name, points_to))?;
            hands.act("setting its owner", || change::set_owner_at(dir, name, meta.uid, meta.gid))?;
            dress_unopened(hands, slot, name, meta)?;
            hands.act("setting its times", || change::set_times_at(dir, name, meta.atime, meta.mtime))?;
            Ok(None)
        }
        Material::Special => {
            let special = meta.special.unwrap_or_default();
            hands.act("making it", || change::make_special(dir, name, meta.kind, 0o600, special))?;
            hands.act("setting its owner", || change::set_owner_at(dir, name, meta.uid, meta.gid))?;
            dress_unopened(hands, slot, name, meta)?;
            hands.act("setting its mode", || change::set_mode_at(dir, name, meta.mode.bits()))?;
            hands.act("setting its times", || change::set_times_at(dir, name, meta.atime, meta.mtime))?;
            Ok(None)
        }
        Material::Sibling(sibling) => {
            let file = look::open_file(&sibling.dir, &sibling.name).map_err(failed("opening its other name"))?;
            hands.act("lifting the flags of its other name", || {
                change::set_inode_flags(&file, meta.inode_flags.unwrap_or_default() & !PINS)
            })?;
            hands.act("linking it to its other name", || change::link(&sibling.dir, &sibling.name, dir, name))?;
            Ok(Some(file))
        }
        Material::Bytes(bytes) => {
            let file = hands.act("making the new file", || change::create_new(dir, name, 0o600))?;
            hands.act("writing the new file", || change::write_all(&file, bytes))?;
            dress(hands, file.as_fd(), meta)?;
            Ok(Some(file))
        }
        Material::Saved(vault, digest) => {
            let file = hands.act("making the new file", || change::create_new(dir, name, 0o600))?;
            hands.keep(|_| vault.copy_to(digest, &file))?;
            dress(hands, file.as_fd(), meta)?;
            Ok(Some(file))
        }
    }
}

/// Gives an object everything but content and pinning flags, and syncs it.
fn dress(hands: &Hands<'_>, file: BorrowedFd<'_>, meta: &FileMeta) -> Result<(), Halt> {
    // A change of owner clears set-id bits and capabilities, an access control list rewrites the group bits: hence the order.
    hands.act("setting its owner", || change::set_owner(file, meta.uid, meta.gid))?;
    let (present, omitted) = look::xattrs(file);
    if omitted > 0 {
        return Err(failed("reading its attributes")(io::Error::other("not all of them can be read")));
    }
    for name in present.keys().filter(|name| !meta.xattrs.contains_key(*name) && !is_the_kernels(name)) {
        hands.act("removing an attribute that its folder gave it", || change::remove_xattr(file, name))?;
    }
    for (name, value) in &meta.xattrs {
        if present.get(name) != Some(value) && !signs_inode(name) {
            hands.act("setting an attribute", || change::set_xattr(file, name, value.as_bytes()))?;
        }
    }
    hands.act("setting its mode", || change::set_mode(file, meta.mode.bits()))?;
    if let Some(flags) = meta.inode_flags {
        hands.act("setting its flags", || change::set_inode_flags(file, flags & !PINS))?;
    }
    if meta.mtime.is_some() || meta.atime.is_some() {
        hands.act("setting its times", || change::set_times(file, meta.atime, meta.mtime))?;
    }
    hands.act("syncing the new file", || change::sync(file))
}

/// Gives an object that is not opened (a link, a FIFO, a socket, a device) its extended attributes.
fn dress_unopened(hands: &Hands<'_>, slot: &Slot, name: &[u8], meta: &FileMeta) -> Result<(), Halt> {
    let dir = &slot.dir;
    let (present, omitted) = look::xattrs_at(dir, name);
    if omitted > 0 {
        return Err(failed("reading its attributes")(io::Error::other("not all of them can be read")));
    }
    for attribute in present.keys().filter(|name| !meta.xattrs.contains_key(*name) && !is_the_kernels(name)) {
        hands.act("removing an attribute that its folder gave it", || change::remove_xattr_at(dir, name, attribute))?;
    }
    for (attribute, value) in &meta.xattrs {
        if present.get(attribute) != Some(value) && !signs_inode(attribute) {
            hands.act("setting an attribute", || change::set_xattr_at(dir, name, attribute, value.as_bytes()))?;
        }
    }
    Ok(())
}

/// Attributes that an object has because the kernel gives them: the signatures, and the label that `SELinux` lets nobody take off.
fn is_the_kernels(name: &str) -> bool {
    signs_inode(name) || name == crate::action::LABEL
}

/// Signatures over one inode (`ima`, `evm`): on another they would be wrong, and the kernel makes its own.
fn signs_inode(name: &str) -> bool {
    matches!(name, "security.ima" | "security.evm")
}

/// Sets the flags that pin an object, where it is to have them.
pub(super) fn pin(hands: &Hands<'_>, file: impl AsFd, meta: &FileMeta) -> Result<(), Halt> {
    if meta.is_pinned() {
        hands.act("pinning it", || change::set_inode_flags(&file, meta.inode_flags.unwrap_or_default()))?;
    }
    Ok(())
}

/// Leaves the folder in order: its modification time as `mtime` says, its flags as they were, and on the device.
pub(super) fn leave(hands: &Hands<'_>, slot: &Slot, intent: &Intent, mtime: Option<Timestamp>) -> Result<(), Halt> {
    let now = slot.parent().map_err(failed("looking at its folder"))?;
    if mtime.is_some() && mtime != now.mtime {
        // An immutable folder does not take a time either.
        unpin_parent(hands, slot, intent)?;
        hands.act("setting its folder's time", || change::set_times(&slot.dir, None, mtime))?;
    }
    if intent.parent.is_pinned() {
        let flags = intent.parent.inode_flags.unwrap_or_default();
        hands.act("setting its folder's flags", || change::set_inode_flags(&slot.dir, flags))?;
    }
    // ORDER: the change is on the device before the journal says so.
    hands.act("syncing its folder", || change::sync(&slot.dir))
}

/// Says whether a look at the object that was restored elsewhere shows that `wanted` can be another name of it.
pub(super) fn can_be_linked(sibling: &Sight, wanted: &State, restored: Option<(u64, u64)>) -> bool {
    let State::Present(present) = &sibling.state else { return false };
    let mut differences = super::target::comparable(&sibling.state).differences(&super::target::comparable(wanted));
    differences.retain(|name| name != "inode_flags");
    restored.is_some() && inode_of(&present.meta) == restored && differences.is_empty()
}
