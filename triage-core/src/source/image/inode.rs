//! What `ext4-view` does not give of an object: inode number, links, change time, inode flags and extended attributes, read from
//! the inode table (Linux `Documentation/filesystems/ext4`: super block, group descriptors, inode table, directory entries,
//! extended attributes).
//!
//! It is an addition and never an authority: what it finds is used only where type, mode, owner, size and modification time are those that
//! the crate says. It knows no journal, so that it is not asked where one has to be applied. Pure but for the reader it is given; every
//! number of the disk is held against a limit.

use super::super::container::Backing;
use crate::model::{FileKind, FileMeta, Mode, RawText, Timestamp};
use std::collections::{BTreeMap, HashMap};

/// Inode of the root folder.
pub(super) const ROOT: u32 = 2;
/// Largest folder that is read, in bytes.
const MAX_FOLDER: u64 = 256 << 20;
/// Most extents and index nodes of one folder.
const MAX_NODES: usize = 100_000;
const EXTENTS: u32 = 0x8_0000;
/// Flags that `ioctl_iflags(2)` shows (`EXT4_FL_USER_VISIBLE`).
const VISIBLE: u32 = 0x705b_dfff;

/// Where the inode table is.
pub(super) struct Inodes {
    backing: Backing,
    block_size: u64,
    inode_size: usize,
    per_group: u32,
    count: u32,
    descriptor_size: u64,
    descriptors: u64,
}

/// One inode as it lies on the disk.
pub(super) struct Inode {
    number: u32,
    bytes: Vec<u8>,
}

fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(length)?)?;
    Some(field.iter().rev().fold(0, |number, &byte| (number << 8) | u64::from(byte)))
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    number(bytes, at, 2).and_then(|number| u16::try_from(number).ok())
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    number(bytes, at, 4).and_then(|number| u32::try_from(number).ok())
}

impl Inodes {
    /// Reads the super block; none where it makes no sense.
    pub(super) fn open(backing: &Backing) -> Option<Self> {
        let block = backing.bytes_at(1024, 1024).ok()?;
        let block_size = 1024_u64.checked_shl(word(&block, 0x18)?).filter(|size| *size <= 1 << 16)?;
        let is_64_bit = word(&block, 0x60)? & 0x80 != 0;
        let descriptor_size = if is_64_bit { u64::from(short(&block, 0xfe)?) } else { 32 };
        let inodes = Self {
            backing: backing.clone(),
            block_size,
            inode_size: usize::from(short(&block, 0x58)?),
            per_group: word(&block, 0x28)?,
            count: word(&block, 0)?,
            descriptor_size,
            descriptors: (u64::from(word(&block, 0x14)?) + 1).checked_mul(block_size)?,
        };
        let is_sane =
            (128..=4096).contains(&inodes.inode_size) && inodes.per_group > 0 && (32..=1024).contains(&descriptor_size);
        is_sane.then_some(inodes)
    }

    pub(super) fn inode(&self, number: u32) -> Option<Inode> {
        let index = number.checked_sub(1).filter(|index| *index < self.count)?;
        let group = u64::from(index / self.per_group);
        let at = group.checked_mul(self.descriptor_size)?.checked_add(self.descriptors)?;
        let descriptor = self.backing.bytes_at(at, usize::try_from(self.descriptor_size).ok()?).ok()?;
        let high = if self.descriptor_size >= 64 { word(&descriptor, 0x28)? } else { 0 };
        let table = (u64::from(high) << 32) | u64::from(word(&descriptor, 8)?);
        let inside = u64::from(index % self.per_group) * u64::try_from(self.inode_size).ok()?;
        let at = table.checked_mul(self.block_size)?.checked_add(inside)?;
        Some(Inode { number, bytes: self.backing.bytes_at(at, self.inode_size).ok()? })
    }

    /// The names in a folder with their inode numbers; none where it cannot be read as a whole.
    pub(super) fn names(&self, folder: &Inode) -> Option<HashMap<Vec<u8>, u32>> {
        let size = folder.size()?;
        if folder.kind()? != FileKind::Directory || size > MAX_FOLDER {
            return None;
        }
        let mut names = HashMap::new();
        for block in self.blocks(folder, size.div_ceil(self.block_size))? {
            let bytes = self.block(block)?;
            let mut at = 0;
            while at + 8 <= bytes.len() {
                let (inode, length) = (word(&bytes, at)?, usize::from(short(&bytes, at + 4)?));
                let name_length = usize::from(*bytes.get(at + 6)?);
                if length < 8 {
                    return None;
                }
                if inode != 0 && name_length > 0 {
                    names.insert(bytes.get(at + 8..at + 8 + name_length)?.to_vec(), inode);
                }
                at += length;
            }
        }
        Some(names)
    }

    fn block(&self, number: u64) -> Option<Vec<u8>> {
        self.backing.bytes_at(number.checked_mul(self.block_size)?, usize::try_from(self.block_size).ok()?).ok()
    }

    /// The blocks of a folder, in any order: names are in one block each.
    fn blocks(&self, folder: &Inode, count: u64) -> Option<Vec<u64>> {
        let root = folder.bytes.get(0x28..0x64)?;
        let count = usize::try_from(count).ok()?;
        if folder.flags()? & EXTENTS == 0 {
            // ext2 and ext3: twelve blocks and one block of block numbers are enough for thousands of names.
            let mut found: Vec<u64> = (0..12).filter_map(|at| number(root, at * 4, 4)).collect();
            if count > 12 {
                let more = self.block(number(root, 48, 4)?)?;
                found.extend(more.chunks_exact(4).filter_map(|chunk| number(chunk, 0, 4)));
            }
            found.truncate(count);
            return (found.len() == count && found.iter().all(|block| *block != 0)).then_some(found);
        }
        let mut found = Vec::new();
        let mut waiting = vec![root.to_vec()];
        let mut nodes = 0;
        while let Some(node) = waiting.pop() {
            nodes += 1;
            if short(&node, 0)? != 0xf30a || nodes > MAX_NODES {
                return None;
            }
            let (entries, depth) = (usize::from(short(&node, 2)?), short(&node, 6)?);
            for entry in 0..entries {
                let at = 12 + 12 * entry;
                if depth == 0 {
                    let length = u64::from(short(&node, at + 4)?);
                    let start = (number(&node, at + 6, 2)? << 32) | number(&node, at + 8, 4)?;
                    // A length above 2¹⁵ is space that was reserved and not written.
                    if length <= 0x8000 && found.len() < count {
                        found.extend((start..start.saturating_add(length)).take(count - found.len()));
                    }
                } else {
                    let leaf = (number(&node, at + 8, 2)? << 32) | number(&node, at + 4, 4)?;
                    waiting.push(self.block(leaf)?);
                }
            }
        }
        (found.len() == count).then_some(found)
    }

    /// Adds what the inode says to what the crate said, if both are of one object.
    pub(super) fn add(&self, meta: &mut FileMeta, inode: &Inode) -> Option<()> {
        let seconds = inode.time(0x10, 0x88)?.seconds();
        let is_same = inode.kind()? == meta.kind
            && Mode::new(u32::from(short(&inode.bytes, 0)?)) == meta.mode
            && inode.size()? == meta.size
            && meta.mtime.is_some_and(|mtime| mtime.seconds() == seconds);
        if !is_same {
            return None;
        }
        meta.inode = Some(u64::from(inode.number));
        meta.links = Some(u64::from(short(&inode.bytes, 0x1a)?));
        meta.ctime = inode.time(0x0c, 0x84);
        meta.inode_flags = Some(inode.flags()? & VISIBLE);
        let mut found = BTreeMap::new();
        if let Some(extra) = short(&inode.bytes, 0x80).filter(|_| self.inode_size > 128) {
            let area = inode.bytes.get(128 + usize::from(extra)..).unwrap_or_default();
            if word(area, 0) == Some(0xea02_0000) {
                attributes(area.get(4..)?, 0, area.get(4..)?, &mut found);
            }
        }
        let block = number(&inode.bytes, 0x68, 4)? | (number(&inode.bytes, 0x76, 2)? << 32);
        if block != 0
            && let Some(bytes) = self.block(block).filter(|bytes| word(bytes, 0) == Some(0xea02_0000))
        {
            attributes(&bytes, 32, &bytes, &mut found);
        }
        meta.xattrs = found;
        Some(())
    }
}

impl Inode {
    pub(super) fn kind(&self) -> Option<FileKind> {
        Some(FileKind::of_mode(u32::from(short(&self.bytes, 0)?)))
    }

    fn flags(&self) -> Option<u32> {
        word(&self.bytes, 0x20)
    }

    fn size(&self) -> Option<u64> {
        Some(number(&self.bytes, 4, 4)? | (number(&self.bytes, 0x6c, 4)? << 32))
    }

    /// Seconds, signed, with two more bits and the nanoseconds in the extra field where the inode has one.
    fn time(&self, at: usize, extra: usize) -> Option<Timestamp> {
        let low = i64::from(word(&self.bytes, at)?.cast_signed());
        let has_extra = short(&self.bytes, 0x80).is_some_and(|size| 0x80 + usize::from(size) >= extra + 4);
        let extra = word(&self.bytes, extra).filter(|_| has_extra).unwrap_or(0);
        Some(Timestamp::new(low + (i64::from(extra & 3) << 32), (extra >> 2).min(999_999_999)))
    }
}

/// Reads the entries at a place; values are counted from the beginning of `values`. Access control lists have a form of their own on the
/// disk and are not given.
fn attributes(entries: &[u8], start: usize, values: &[u8], found: &mut BTreeMap<String, RawText>) -> Option<()> {
    let mut at = start;
    for _ in 0..1000 {
        let (&name_length, &prefix) = (entries.get(at)?, entries.get(at + 1)?);
        if name_length == 0 && prefix == 0 {
            break;
        }
        let name = entries.get(at + 16..at + 16 + usize::from(name_length))?;
        let (place, other, size) = (
            usize::from(short(entries, at + 2)?),
            word(entries, at + 4)?,
            usize::try_from(word(entries, at + 8)?).ok()?,
        );
        let prefix = match prefix {
            1 => "user.",
            4 => "trusted.",
            6 => "security.",
            7 => "system.",
            _ => "",
        };
        if !prefix.is_empty()
            && other == 0
            && let Some(value) = place.checked_add(size).and_then(|end| values.get(place..end))
        {
            let name = format!("{prefix}{}", String::from_utf8_lossy(name));
            found.insert(name, RawText::from(value.to_vec()));
        }
        at += 16 + usize::from(name_length).next_multiple_of(4);
    }
    Some(())
}
