//! Members that are too large for memory, in overlapping parts.

use super::walk::{Judge, Walk};
use super::{ArchiveMember, budget::Spent, trouble::Why};
use crate::model::escape;
use std::io::Read;

/// The largest part, in bytes.
const SIZE: usize = 8 << 20;
/// How much of a part is shown again at the beginning of the next.
const OVERLAP: usize = 1 << 20;

/// A part of a large member.
#[derive(Debug)]
pub(super) struct Part<'a> {
    /// Where it begins, in bytes.
    pub(super) offset: u64,
    /// Line ends before it.
    pub(super) lines_before: u64,
    pub(super) bytes: &'a [u8],
    /// Says that the member ends with it.
    pub(super) is_last: bool,
}

impl<J: Judge + ?Sized> Walk<'_, J> {
    /// Shows a member whose beginning was read to `buffer` and whose rest `reader` has.
    pub(super) fn parts(
        &mut self,
        member: &mut ArchiveMember,
        mut buffer: Vec<u8>,
        reader: &mut dyn Read,
    ) -> Result<(), Spent> {
        let (mut offset, mut lines_before) = (0_u64, 0_u64);
        loop {
            let missing = SIZE.saturating_sub(buffer.len());
            let read = reader.take(missing as u64).read_to_end(&mut buffer);
            let is_last = buffer.len() < SIZE;
            member.meta.size = offset.saturating_add(buffer.len() as u64);
            let bytes = buffer.get(..SIZE).unwrap_or(&buffer);
            self.judge.part(member, &Part { offset, lines_before, bytes, is_last });
            match read {
                Err(error) => return self.broken(&error, &member.name),
                Ok(_) if is_last => return Ok(()),
                Ok(_) => {}
            }
            let gone = SIZE - OVERLAP;
            lines_before += buffer.iter().take(gone).filter(|&&byte| byte == b'\n').count() as u64;
            offset += gone as u64;
            buffer.drain(..gone);
        }
    }

    /// Notes that a content ended in an error; a spent budget ends the walk.
    pub(super) fn broken(&mut self, error: &std::io::Error, name: &[u8]) -> Result<(), Spent> {
        if let Some(spent) = Spent::of(error) {
            return Err(spent);
        }
        self.troubles.add(Why::Damaged(text(error)), name);
        Ok(())
    }
}

/// An error in a few words. Readers repeat names of the archive in theirs, which are the intruder's.
pub(super) fn text(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "it ends in the middle".to_owned(),
        _ => escape(error.to_string().as_bytes()).chars().take(120).collect(),
    }
}
