//! Zip (APPNOTE 6.3) in memory, by its directory, as programs that unpack read it: the end is looked for, so that anything may stand in front.
//!
//! Where the directory is missing the members are found by their own headers, as far as they go.

use super::budget::{Decoded, Spent};
use super::trouble::Why;
use super::walk::{Judge, Walk};
use super::{ArchiveMember, zip_stream};
use crate::model::{Mode, Timestamp};
use flate2::bufread::DeflateDecoder;
use std::ops::Range;

/// The end of the directory without its comment, and the longest comment.
const END: usize = 22;
const COMMENT: usize = 0xffff;
/// The most that the end of a large directory may take, with what vendors add to it.
const LARGE_END: usize = 4096;
const END_MARK: &[u8] = b"PK\x05\x06";
const ENTRY_MARK: &[u8] = b"PK\x01\x02";
const LOCAL_MARK: &[u8] = b"PK\x03\x04";
/// Length of a directory entry and of a local header, without name and extra fields.
const ENTRY: usize = 46;
const LOCAL: usize = 30;
/// Bytes that a zip may still become once two of its entries are seen to share theirs.
const LEFT_TO_OVERLAP: u64 = 32 << 20;

/// Methods: no compression, and deflate. 99 stands for AES.
pub(super) const STORED: u16 = 0;
pub(super) const DEFLATED: u16 = 8;
pub(super) const ENCRYPTED: u16 = 99;

/// Says whether the content ends as a zip.
pub(super) fn has_end(content: &[u8]) -> bool {
    directory(content).is_some_and(|directory| directory.entries > 0)
}

struct Directory {
    /// Where its first entry lies.
    at: usize,
    entries: u64,
    /// What stands in front of the zip and is counted by none of its offsets.
    shift: u64,
}

/// Finds the directory by its end.
fn directory(content: &[u8]) -> Option<Directory> {
    let from = content.len().saturating_sub(END + COMMENT);
    let tail = content.get(from..)?;
    let mut before = tail.len();
    // From the back: a member that is stored may be a zip itself.
    loop {
        let at = memchr::memmem::rfind(tail.get(..before)?, END_MARK)?;
        if let Some(found) = directory_at(content, from + at) {
            return Some(found);
        }
        before = at + END_MARK.len() - 1;
    }
}

fn directory_at(content: &[u8], end: usize) -> Option<Directory> {
    let (mut entries, mut size, mut offset) =
        (u64::from(u16_at(content, end + 10)?), u32_at(content, end + 12)?, u32_at(content, end + 16)?);
    let mut end_of_directory = end;
    if entries == 0xffff || size == 0xffff_ffff || offset == 0xffff_ffff {
        // zip64: a locator in front of the end, and in front of that the larger numbers.
        let locator = end.checked_sub(20)?;
        if content.get(locator..)?.starts_with(b"PK\x06\x07") {
            // It stands right in front. Nothing further away is looked through, because a hostile file has many ends.
            let from = locator.saturating_sub(LARGE_END);
            let near = content.get(from..locator)?;
            let large = from + near.windows(4).rposition(|window| window == b"PK\x06\x06")?;
            entries = u64_at(content, large + 32)?;
            size = u64_at(content, large + 40)?;
            offset = u64_at(content, large + 48)?;
            end_of_directory = large;
        }
    }
    if entries == 0 {
        return Some(Directory { at: end_of_directory, entries, shift: 0 });
    }
    let by_size = usize::try_from(size).ok().and_then(|size| end_of_directory.checked_sub(size));
    let by_offset = usize::try_from(offset).ok();
    let at = [by_size, by_offset]
        .into_iter()
        .flatten()
        .find(|&at| content.get(at..).is_some_and(|rest| rest.starts_with(ENTRY_MARK)))?;
    Some(Directory { at, entries, shift: (at as u64).saturating_sub(offset) })
}

/// Goes through a zip.
pub(super) fn walk<J: Judge + ?Sized>(
    walk: &mut Walk<'_, J>,
    content: &[u8],
    archive: &[u8],
    depth: u16,
) -> Result<(), Spent> {
    let Some(directory) = directory(content) else {
        walk.troubles.add(Why::Damaged("its directory is missing".to_owned()), archive);
        return zip_stream::walk(walk, &mut { content }, archive, depth);
    };
    let mut at = directory.at;
    let mut taken = Taken::default();
    for _ in 0..directory.entries {
        let Some(entry) = Entry::at(content, at) else {
            walk.troubles.add(Why::Damaged("its directory breaks off".to_owned()), archive);
            return Ok(());
        };
        at = entry.end;
        take(walk, content, &entry, directory.shift, &mut taken, (archive, depth))?;
    }
    Ok(())
}

fn take<J: Judge + ?Sized>(
    walk: &mut Walk<'_, J>,
    content: &[u8],
    entry: &Entry<'_>,
    shift: u64,
    taken: &mut Taken,
    (archive, depth): (&[u8], u16),
) -> Result<(), Spent> {
    let mut member = ArchiveMember::new(archive, entry.name);
    walk.check_name(entry.name, &member);
    if entry.name.ends_with(b"/") || entry.is_link() {
        return walk.budget.member();
    }
    if entry.is_encrypted() {
        walk.troubles.add(Why::Encrypted, &member.name);
        return walk.budget.member();
    }
    if let Some(mode) = entry.mode() {
        member.meta.mode = Mode::new(mode);
    }
    member.meta.mtime = mtime(entry.extra);
    let Some(data) = data(content, entry, shift) else {
        walk.troubles.add(Why::Damaged("a member lies outside of it".to_owned()), &member.name);
        return walk.budget.member();
    };
    if taken.overlaps(&data) {
        walk.troubles.add(Why::Overlap, archive);
        if !std::mem::replace(&mut taken.is_limited, true) {
            walk.budget.left_at_most(LEFT_TO_OVERLAP);
        }
    }
    let packed = content.get(data).unwrap_or_default();
    let budget = walk.budget.clone();
    match entry.method {
        STORED => walk.member(member, &mut Decoded::new(packed, &budget), depth + 1),
        DEFLATED => walk.member(member, &mut Decoded::new(DeflateDecoder::new(packed), &budget), depth + 1),
        method => {
            walk.troubles.add(Why::Unsupported(method_name(method)), &member.name);
            walk.budget.member()
        }
    }
}

/// How a method is called.
pub(super) fn method_name(method: u16) -> String {
    match method {
        9 => "deflate64".to_owned(),
        12 => "bzip2 in zip".to_owned(),
        14 => "lzma in zip".to_owned(),
        93 => "Zstandard in zip".to_owned(),
        95 => "xz in zip".to_owned(),
        method => format!("zip's method {method}"),
    }
}

/// Where the bytes of an entry lie.
fn data(content: &[u8], entry: &Entry<'_>, shift: u64) -> Option<Range<usize>> {
    let header = usize::try_from(entry.header.checked_add(shift)?).ok()?;
    // Some writers count from the file's beginning all the same.
    let header = [Some(header), usize::try_from(entry.header).ok()]
        .into_iter()
        .flatten()
        .find(|&at| content.get(at..).is_some_and(|rest| rest.starts_with(LOCAL_MARK)))?;
    let start =
        header + LOCAL + usize::from(u16_at(content, header + 26)?) + usize::from(u16_at(content, header + 28)?);
    let end = start.checked_add(usize::try_from(entry.packed).ok()?)?.min(content.len());
    (start <= end).then_some(start..end)
}

struct Entry<'a> {
    made_by: u8,
    flags: u16,
    method: u16,
    packed: u64,
    attributes: u32,
    header: u64,
    name: &'a [u8],
    extra: &'a [u8],
    end: usize,
}

impl<'a> Entry<'a> {
    fn at(content: &'a [u8], at: usize) -> Option<Self> {
        if !content.get(at..)?.starts_with(ENTRY_MARK) {
            return None;
        }
        let length = |offset| u16_at(content, at + offset).map(usize::from);
        let (name_length, extra_length, comment_length) = (length(28)?, length(30)?, length(32)?);
        let name = content.get(at + ENTRY..)?.get(..name_length)?;
        let extra_at = at + ENTRY + name_length;
        let extra = content.get(extra_at..)?.get(..extra_length)?;
        let (mut packed, mut header) = (u32_at(content, at + 20)?, u32_at(content, at + 42)?);
        let size = u32_at(content, at + 24)?;
        if let Some(large) = extra_field(extra, 1) {
            // Only those that do not fit stand here, in this order.
            let mut place = 0;
            let mut next = |small: u64| {
                if small != 0xffff_ffff {
                    return Some(small);
                }
                place += 8;
                u64_at(large, place - 8)
            };
            let _ = next(size);
            packed = next(packed)?;
            header = next(header)?;
        }
        Some(Self {
            made_by: *content.get(at + 5)?,
            flags: u16_at(content, at + 8)?,
            method: u16_at(content, at + 10)?,
            packed,
            attributes: u32::try_from(u32_at(content, at + 38)?).unwrap_or(0),
            header,
            name,
            extra,
            end: extra_at + extra_length + comment_length,
        })
    }

    fn is_encrypted(&self) -> bool {
        self.flags & 1 != 0 || self.method == ENCRYPTED
    }

    /// The mode, where a Unix program made the entry.
    fn mode(&self) -> Option<u32> {
        (self.made_by == 3).then_some(self.attributes >> 16).filter(|&mode| mode != 0)
    }

    fn is_link(&self) -> bool {
        self.mode().is_some_and(|mode| mode & 0o170_000 == 0o120_000)
    }
}

/// Which bytes of the zip belong to entries that were met.
#[derive(Default)]
struct Taken {
    ranges: std::collections::BTreeMap<usize, usize>,
    is_limited: bool,
}

impl Taken {
    /// Notes a range; says whether a part of it was noted before.
    fn overlaps(&mut self, range: &Range<usize>) -> bool {
        if range.is_empty() {
            return false;
        }
        let before = self.ranges.range(..range.end).next_back();
        if before.is_some_and(|(_, &end)| end > range.start) {
            return true;
        }
        self.ranges.insert(range.start, range.end);
        false
    }
}

/// The modification time in UTC that a Unix program adds (extra field 0x5455); the header's own is in nobody knows which zone.
pub(super) fn mtime(extra: &[u8]) -> Option<Timestamp> {
    let field = extra_field(extra, 0x5455)?;
    (field.first()? & 1 != 0).then_some(())?;
    let seconds = u32::try_from(u32_at(field, 1)?).ok()?;
    Some(Timestamp::new(i64::from(seconds.cast_signed()), 0))
}

/// The extra field of this number.
pub(super) fn extra_field(mut extra: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let (id, length) = (u16_at(extra, 0)?, usize::from(u16_at(extra, 2)?));
        let rest = extra.get(4..)?;
        if id == wanted {
            return rest.get(..length);
        }
        extra = rest.get(length..)?;
    }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_le_bytes(*chunk))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from(u32::from_le_bytes(*chunk)))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}
