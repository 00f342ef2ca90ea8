//! The way through one file and all that is nested in it.

use super::budget::{Budget, Spent};
use super::format::{Format, HEAD};
use super::member::{self, ArchiveMember};
use super::part::Part;
use super::trouble::{Troubles, Why};
use super::{Limits, phar, stream, tar, zip, zip_stream};
use crate::model::EvidencePath;
use std::io::Read;

/// Who looks at what is found.
pub(super) trait Judge {
    /// Sees a member.
    fn whole(&mut self, member: &ArchiveMember, content: &[u8]);

    /// Sees a part of a member that is too large for memory; parts come in order.
    fn part(&mut self, member: &ArchiveMember, part: &Part<'_>);

    /// Hears what is odd about an archive itself.
    fn oddity(&mut self, oddity: Oddity, member: &ArchiveMember) {
        let _ = (oddity, member);
    }
}

/// What is odd about an archive itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Oddity {
    /// A name that leaves the folder it is unpacked in.
    Escape,
    /// A member that lies beneath a symbolic link of the same archive, which points out of the folder.
    ThroughLink,
    /// A phar whose description makes objects of this class when PHP looks at it.
    PharObject(Vec<u8>),
}

/// One walk.
pub(super) struct Walk<'a, J: Judge + ?Sized> {
    pub(super) judge: &'a mut J,
    pub(super) budget: Budget,
    pub(super) troubles: Troubles,
    /// The member that was met last, for a spent budget.
    pub(super) last: Vec<u8>,
}

impl<'a, J: Judge + ?Sized> Walk<'a, J> {
    fn new(limits: &Limits, taken: u64, judge: &'a mut J) -> Self {
        Self { judge, budget: Budget::new(limits, taken), troubles: Troubles::default(), last: Vec::new() }
    }

    /// Walks a content that is in memory.
    pub(super) fn whole(content: &[u8], path: &EvidencePath, limits: &Limits, judge: &'a mut J) -> Self {
        let mut walk = Self::new(limits, content.len() as u64, judge);
        if let Some(format) = Format::of(content, is_called_phar(path.file_name())) {
            let ended = walk.inner(format, content, (b"", path.file_name()), 0);
            walk.end(ended);
        }
        walk
    }

    /// Walks a content that passes once.
    pub(super) fn stream(reader: &mut dyn Read, path: &EvidencePath, limits: &Limits, judge: &'a mut J) -> Self {
        let mut walk = Self::new(limits, 0, judge);
        let budget = walk.budget.clone();
        let mut reader = Taken { inner: reader, budget };
        let ended = walk.passing(&mut reader, path);
        walk.end(ended);
        walk
    }

    fn passing(&mut self, reader: &mut dyn Read, path: &EvidencePath) -> Result<(), Spent> {
        let mut head = Vec::new();
        if reader.take(HEAD as u64).read_to_end(&mut head).is_err() {
            return Ok(());
        }
        let names = (&b""[..], path.file_name());
        match Format::of_head(&head) {
            Some(Format::Zip) => zip_stream::walk(self, &mut head.as_slice().chain(reader), b"", 0),
            Some(format) => self.passing_as(format, &mut head.as_slice().chain(reader), names, 0),
            None => Ok(()),
        }
    }

    fn end(&mut self, ended: Result<(), Spent>) {
        if let Err(Spent(what)) = ended {
            let last = std::mem::take(&mut self.last);
            self.troubles.add(Why::Spent(what), &last);
        }
    }

    /// Goes through an archive that is in memory. `names` are that of the archive for its members to carry, and that of its file.
    fn inner(&mut self, format: Format, content: &[u8], names: (&[u8], &[u8]), depth: u16) -> Result<(), Spent> {
        match format {
            Format::Zip => zip::walk(self, content, names.0, depth),
            Format::Phar => phar::walk(self, content, names, depth),
            format => self.passing_as(format, &mut { content }, names, depth),
        }
    }

    /// Goes through an archive that passes once.
    fn passing_as(
        &mut self,
        format: Format,
        reader: &mut dyn Read,
        names: (&[u8], &[u8]),
        depth: u16,
    ) -> Result<(), Spent> {
        match format {
            Format::Tar => tar::walk(self, reader, names.0, depth),
            Format::Gzip | Format::Zstd | Format::Xz => stream::walk(self, format, reader, names, depth),
            Format::Foreign(how) => {
                self.troubles.add(Why::Unsupported(how.to_owned()), names.0);
                Ok(())
            }
            Format::Zip | Format::Phar => {
                self.troubles.add(Why::TooLarge, names.0);
                Ok(())
            }
        }
    }

    /// Takes a member whose content `reader` has, at `depth` archives from the outside.
    pub(super) fn member(&mut self, mut member: ArchiveMember, reader: &mut dyn Read, depth: u16) -> Result<(), Spent> {
        self.budget.member()?;
        self.last.clone_from(&member.name);
        let mut buffer = Vec::new();
        if let Err(error) = reader.take(HEAD as u64).read_to_end(&mut buffer) {
            self.judge_whole(&mut member, &buffer);
            return self.broken(&error, &member.name);
        }
        let name = member.path.file_name().to_vec();
        // What can be read as it passes need not be held.
        if let Some(format) = Format::of_head(&buffer).filter(|format| format.is_stream()) {
            if depth >= self.budget.limits().max_depth {
                let most = self.budget.limits().max_depth;
                self.troubles.add(Why::Depth(most), &member.name);
                return Ok(());
            }
            let mut reader = buffer.as_slice().chain(reader);
            return self.passing_as(format, &mut reader, (&member.name, &name), depth);
        }
        let most = self.budget.limits().max_member;
        let read = reader.take(most.saturating_sub(HEAD as u64).saturating_add(1)).read_to_end(&mut buffer);
        if buffer.len() as u64 > most && read.is_ok() {
            return match Format::of_head(&buffer) {
                Some(Format::Zip) => zip_stream::walk(self, &mut buffer.as_slice().chain(reader), &member.name, depth),
                _ => self.parts(&mut member, buffer, reader),
            };
        }
        self.judge_whole(&mut member, &buffer);
        if let Err(error) = read {
            self.broken(&error, &member.name)?;
        }
        match Format::of(&buffer, is_called_phar(&name)) {
            Some(_) if depth >= self.budget.limits().max_depth => {
                let most = self.budget.limits().max_depth;
                self.troubles.add(Why::Depth(most), &member.name);
                Ok(())
            }
            Some(format) => self.inner(format, &buffer, (&member.name, &name), depth),
            None => Ok(()),
        }
    }

    /// Goes through what ends or is called like a phar and is none.
    pub(super) fn not_a_phar(&mut self, content: &[u8], names: (&[u8], &[u8]), depth: u16) -> Result<(), Spent> {
        let head = Format::of_head(content.get(..HEAD).unwrap_or(content));
        match head.or_else(|| zip::has_end(content).then_some(Format::Zip)) {
            Some(format) => self.inner(format, content, names, depth),
            None => Ok(()),
        }
    }

    fn judge_whole(&mut self, member: &mut ArchiveMember, content: &[u8]) {
        member.meta.size = content.len() as u64;
        self.judge.whole(member, content);
    }

    /// Tells of a name that leaves the folder.
    pub(super) fn check_name(&mut self, name: &[u8], member: &ArchiveMember) {
        if member::escapes(name) {
            self.judge.oddity(Oddity::Escape, member);
        }
    }
}

fn is_called_phar(name: &[u8]) -> bool {
    name.to_ascii_lowercase().ends_with(b".phar")
}

/// Counts what passes of the outer file.
struct Taken<'a> {
    inner: &'a mut dyn Read,
    budget: Budget,
}

impl Read for Taken<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.budget.take(read as u64);
        Ok(read)
    }
}
