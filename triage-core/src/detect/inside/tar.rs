//! Tar, through the `tar` crate: iterated, never unpacked.

use super::budget::{Decoded, Spent};
use super::trouble::Why;
use super::walk::{Judge, Oddity, Walk};
use super::{ArchiveMember, member, part};
use crate::model::{FileKind, Mode, Timestamp};
use std::cell::Cell;
use std::collections::HashSet;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use tar::{Archive, Entry, EntryType};

/// Symbolic links out of the folder that are remembered.
const LINKS: usize = 1000;

/// The stream below the crate. While a header is read it gives no more than a header may have.
struct Bounded<'r> {
    inner: &'r mut dyn Read,
    allowance: Rc<Cell<Option<u64>>>,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = match self.allowance.get() {
            Some(0) => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the headers of one member are too long"));
            }
            Some(left) => buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX)),
            None => buffer.len(),
        };
        let read = self.inner.read(buffer.get_mut(..want).unwrap_or_default())?;
        self.allowance.set(self.allowance.get().map(|left| left.saturating_sub(read as u64)));
        Ok(read)
    }
}

/// Goes through a tar.
pub(super) fn walk<J: Judge + ?Sized>(
    walk: &mut Walk<'_, J>,
    reader: &mut dyn Read,
    archive: &[u8],
    depth: u16,
) -> Result<(), Spent> {
    let allowance = Rc::new(Cell::new(None));
    let mut tar = Archive::new(Bounded { inner: reader, allowance: Rc::clone(&allowance) });
    let Ok(mut entries) = tar.entries() else { return Ok(()) };
    let mut links: HashSet<Vec<u8>> = HashSet::new();
    let mut is_first = true;
    loop {
        allowance.set(Some(walk.budget.limits().max_headers));
        let next = catch_unwind(AssertUnwindSafe(|| entries.next()))
            .unwrap_or_else(|_| Some(Err(io::Error::new(io::ErrorKind::InvalidData, "the reader failed on it"))));
        allowance.set(None);
        let mut entry = match next {
            None => return Ok(()),
            Some(Ok(entry)) => entry,
            Some(Err(error)) => return walk.broken(&error, archive),
        };
        let name = entry.path_bytes().into_owned();
        if std::mem::take(&mut is_first) && is_bundle(&name) {
            walk.troubles.add(Why::Bundle, archive);
            return Ok(());
        }
        let member = describe(&entry, archive, &name);
        walk.check_name(&name, &member);
        if links.iter().any(|link| name.strip_prefix(link.as_slice()).is_some_and(|rest| rest.starts_with(b"/"))) {
            walk.judge.oddity(Oddity::ThroughLink, &member);
        }
        let kind = entry.header().entry_type();
        match kind {
            EntryType::Symlink => {
                walk.budget.member()?;
                let target = entry.link_name_bytes().unwrap_or_default();
                if (target.starts_with(b"/") || leaves(&name, &target)) && links.len() < LINKS {
                    links.insert(name.strip_suffix(b"/").unwrap_or(&name).to_vec());
                }
            }
            EntryType::Regular | EntryType::Continuous if name.ends_with(b"/") => walk.budget.member()?,
            // The holes of a sparse file come from nowhere, and cost what other bytes do.
            EntryType::GNUSparse => {
                let budget = walk.budget.clone();
                walk.member(member, &mut Decoded::new(&mut entry, &budget), depth + 1)?;
            }
            EntryType::Regular | EntryType::Continuous => walk.member(member, &mut entry, depth + 1)?,
            _ => walk.budget.member()?,
        }
        // What was not wanted is read here and not by the next call, which may not read much.
        if let Err(error) = io::copy(&mut entry, &mut io::sink()) {
            if let Some(spent) = Spent::of(&error) {
                return Err(spent);
            }
            walk.troubles.add(Why::Damaged(part::text(&error)), archive);
            return Ok(());
        }
    }
}

fn describe<R: Read>(entry: &Entry<'_, R>, archive: &[u8], name: &[u8]) -> ArchiveMember {
    let header = entry.header();
    let mut member = ArchiveMember::new(archive, name);
    let id = |id: io::Result<u64>| id.ok().and_then(|id| u32::try_from(id).ok()).unwrap_or(u32::MAX);
    member.meta.kind = FileKind::File;
    member.meta.mode = Mode::new(header.mode().unwrap_or(0o644));
    (member.meta.uid, member.meta.gid) = (id(header.uid()), id(header.gid()));
    member.meta.mtime = header.mtime().ok().map(|seconds| Timestamp::new(seconds.cast_signed(), 0));
    member
}

/// Says whether a link's target, taken from where the link lies, is outside of the folder.
fn leaves(name: &[u8], target: &[u8]) -> bool {
    let cut = name.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    member::escapes(&[name.get(..cut).unwrap_or_default(), b"/", target].concat())
}

/// What a bundle of this tool's begins with, whatever it is called.
fn is_bundle(name: &[u8]) -> bool {
    let mut parts = name.splitn(2, |&byte| byte == b'/');
    parts.next().is_some_and(|first| !first.is_empty()) && parts.next() == Some(b"bagit.txt")
}
