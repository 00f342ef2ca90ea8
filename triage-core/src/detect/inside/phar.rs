//! Phar, PHP's own archive: a program, a list of members behind `__HALT_COMPILER();`, their contents, a signature.
//!
//! The format is that of the PHP manual, "Phar file format". PHP opens it under any name, so that a picture can be one; a phar that is a tar or a zip
//! is read as such.

use super::ArchiveMember;
use super::budget::{Decoded, Spent};
use super::format::HALT;
use super::trouble::Why;
use super::walk::{Judge, Oddity, Walk};
use super::zip::u32_at;
use crate::detect::backup::serialized;
use crate::model::{Mode, Timestamp};
use flate2::bufread::DeflateDecoder;

/// Largest list of members that PHP reads, in bytes (`ext/phar/phar.c`).
const LARGEST: u64 = 100 << 20;
/// Members of one phar that are looked at.
const MOST: u64 = 200_000;
/// Bits of a member's flags: permissions, and how it is packed.
const PERMISSIONS: u64 = 0x1ff;
const DEFLATED: u64 = 0x1000;
const BZIP2: u64 = 0x2000;
/// What a member's entry takes besides its name and its description.
const FIXED: usize = 28;

/// One entry of the list.
struct Entry<'a> {
    name: &'a [u8],
    size: u64,
    packed: u64,
    mtime: u64,
    flags: u64,
    description: &'a [u8],
}

struct Manifest<'a> {
    description: &'a [u8],
    entries: Vec<Entry<'a>>,
    /// Where the first content begins.
    contents: usize,
    /// Says that the list breaks off.
    is_cut: bool,
}

/// Reads the list of members; none where there is none.
fn manifest(content: &[u8]) -> Option<Manifest<'_>> {
    let mut from = 0;
    loop {
        let at = from + crate::detect::find(content.get(from..)?, HALT)? + HALT.len();
        if let Some(found) = manifest_at(content, at) {
            return Some(found);
        }
        from = at;
    }
}

fn manifest_at(content: &[u8], at: usize) -> Option<Manifest<'_>> {
    let mut rest = content.get(at..)?;
    // What may follow the mark, in this order: a blank, an end tag, a line end.
    for optional in [&b" ?>"[..], b"\n?>", b"?>"] {
        if let Some(after) = rest.strip_prefix(optional) {
            rest = after;
            rest = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")).unwrap_or(rest);
            break;
        }
    }
    let length = u32_at(rest, 0)?;
    let list = rest.get(4..)?;
    let length = usize::try_from(length).ok().filter(|&length| length as u64 <= LARGEST && length <= list.len())?;
    let contents = content.len() - list.len() + length;
    let list = list.get(..length)?;
    let count = u32_at(list, 0)?;
    let mut at = 10;
    // An entry has at least so many bytes: a larger count is no list.
    if count > (length / (FIXED - 4)) as u64 + 1 {
        return None;
    }
    let _alias = taken(list, &mut at)?;
    let description = taken(list, &mut at)?;
    let mut entries = Vec::new();
    let mut is_cut = false;
    for number in 0..count {
        let Some(entry) = entry(list, &mut at).filter(|_| number < MOST) else {
            is_cut = true;
            break;
        };
        entries.push(entry);
    }
    Some(Manifest { description, entries, contents, is_cut })
}

/// Bytes with their length in front.
fn taken<'a>(list: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let length = usize::try_from(u32_at(list, *at)?).ok()?;
    let bytes = list.get(at.checked_add(4)?..)?.get(..length)?;
    *at += 4 + length;
    Some(bytes)
}

fn entry<'a>(list: &'a [u8], at: &mut usize) -> Option<Entry<'a>> {
    let name = taken(list, at)?;
    let number = |place: usize| u32_at(list, *at + place * 4);
    let (size, mtime, packed, flags) = (number(0)?, number(1)?, number(2)?, number(4)?);
    *at += 20;
    let description = taken(list, at)?;
    Some(Entry { name, size, packed, mtime, flags, description })
}

/// Goes through a phar. What calls itself one and has no list of members may still be a tar or a zip.
pub(super) fn walk<J: Judge + ?Sized>(
    walk: &mut Walk<'_, J>,
    content: &[u8],
    (archive, file): (&[u8], &[u8]),
    depth: u16,
) -> Result<(), Spent> {
    let Some(manifest) = manifest(content) else {
        return walk.not_a_phar(content, (archive, file), depth);
    };
    if manifest.is_cut {
        walk.troubles.add(Why::Damaged("the list of a phar breaks off".to_owned()), archive);
    }
    describe(walk, manifest.description, &ArchiveMember::new(archive, b"manifest"));
    let mut at = manifest.contents;
    for entry in &manifest.entries {
        let mut member = ArchiveMember::new(archive, entry.name);
        member.meta.mode = Mode::new(u32::try_from(entry.flags & PERMISSIONS).unwrap_or(0));
        member.meta.mtime = i64::try_from(entry.mtime).ok().map(|seconds| Timestamp::new(seconds, 0));
        walk.check_name(entry.name, &member);
        describe(walk, entry.description, &member);
        let is_packed = entry.flags & (DEFLATED | BZIP2) != 0;
        let length = usize::try_from(if is_packed { entry.packed } else { entry.size }).unwrap_or(usize::MAX);
        let rest = content.get(at..).unwrap_or_default();
        at = at.saturating_add(length);
        if entry.name.ends_with(b"/") {
            walk.budget.member()?;
            continue;
        }
        if rest.len() < length {
            walk.troubles.add(Why::Damaged("it ends in the middle".to_owned()), &member.name);
        }
        let packed = rest.get(..length).unwrap_or(rest);
        let budget = walk.budget.clone();
        match entry.flags & (DEFLATED | BZIP2) {
            0 => walk.member(member, &mut Decoded::new(packed, &budget), depth + 1)?,
            DEFLATED => {
                walk.member(member, &mut Decoded::new(DeflateDecoder::new(packed), &budget), depth + 1)?;
            }
            _ => {
                walk.troubles.add(Why::Unsupported("bzip2".to_owned()), &member.name);
                walk.budget.member()?;
            }
        }
    }
    Ok(())
}

/// PHP 7 makes the objects of a description as soon as any function of files is given a `phar://` name.
fn describe<J: Judge + ?Sized>(walk: &mut Walk<'_, J>, description: &[u8], member: &ArchiveMember) {
    if let Some(class) = serialized::object(description) {
        walk.judge.oddity(Oddity::PharObject(class), member);
    }
}
