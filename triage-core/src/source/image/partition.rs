//! Partition tables: MBR with logical partitions, and GPT (UEFI 2.10, chapter 5). Pure: a function that reads bytes in, places out.
//!
//! The tables are claims of the disk: every number is held against the disk's size, and chains have an end.

use std::fmt::Write as _;
use std::io;

/// Most partitions that are told.
const MAX_PARTITIONS: usize = 256;
const SECTOR: u64 = 512;

/// A partition of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number as Linux counts, from 1; logical ones of an MBR from 5. 0 is a disk without a table.
    pub number: u32,
    /// First byte.
    pub start: u64,
    /// Bytes, as far as the disk has them.
    pub len: u64,
    /// The partition's own GUID in a GPT, in lower case, which `PARTUUID=` names.
    pub guid: Option<String>,
}

/// Reads bytes of the disk at a place.
pub(super) type ReadAt<'a> = dyn Fn(u64, usize) -> io::Result<Vec<u8>> + 'a;

/// The partitions of a disk, in the order of their numbers; none where it has no table.
pub(super) fn partitions(read: &ReadAt<'_>, size: u64) -> Vec<Partition> {
    let Ok(boot) = read(0, 512) else { return Vec::new() };
    if boot.get(510..512) != Some(&[0x55, 0xaa]) {
        return Vec::new();
    }
    let entries = mbr_entries(&boot);
    let mut found = if entries.iter().any(|entry| entry.kind == 0xee) {
        [SECTOR, 4096].into_iter().find_map(|sector| gpt(read, sector)).unwrap_or_default()
    } else {
        mbr(read, &entries)
    };
    found.retain(|partition| partition.len > 0 && partition.start < size);
    for partition in &mut found {
        partition.len = partition.len.min(size - partition.start);
    }
    found.truncate(MAX_PARTITIONS);
    found
}

struct Entry {
    kind: u8,
    start: u64,
    len: u64,
}

fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    let field = bytes.get(at..at + length).unwrap_or_default();
    field.iter().rev().fold(0, |number, &byte| (number << 8) | u64::from(byte))
}

/// The four entries of a boot sector; places are sectors.
fn mbr_entries(boot: &[u8]) -> Vec<Entry> {
    (0..4)
        .map(|index| {
            let at = 446 + 16 * index;
            Entry {
                kind: boot.get(at + 4).copied().unwrap_or(0),
                start: number(boot, at + 8, 4),
                len: number(boot, at + 12, 4),
            }
        })
        .collect()
}

fn mbr(read: &ReadAt<'_>, entries: &[Entry]) -> Vec<Partition> {
    let partition =
        |number, start: u64, len: u64| Partition { number, start: start * SECTOR, len: len * SECTOR, guid: None };
    let is_extended = |entry: &Entry| matches!(entry.kind, 0x05 | 0x0f | 0x85);
    let mut found = Vec::new();
    for (index, entry) in (1..).zip(entries) {
        if entry.kind != 0 && !is_extended(entry) {
            found.push(partition(index, entry.start, entry.len));
        }
    }
    // Logical partitions are a chain of boot sectors in the extended one.
    if let Some(extended) = entries.iter().find(|entry| is_extended(entry)) {
        let (mut at, mut next_number) = (extended.start, 5);
        for _ in 0..MAX_PARTITIONS {
            let Ok(boot) = read(at * SECTOR, 512) else { break };
            let entries = mbr_entries(&boot);
            let [first, next, ..] = entries.as_slice() else { break };
            if boot.get(510..512) != Some(&[0x55, 0xaa]) {
                break;
            }
            if first.kind != 0 {
                found.push(partition(next_number, at + first.start, first.len));
                next_number += 1;
            }
            if !is_extended(next) || next.start == 0 {
                break;
            }
            at = extended.start + next.start;
        }
    }
    found
}

fn gpt(read: &ReadAt<'_>, sector: u64) -> Option<Vec<Partition>> {
    let header = read(sector, 92).ok().filter(|header| header.starts_with(b"EFI PART"))?;
    let (table, count, size) = (number(&header, 72, 8), number(&header, 80, 4), number(&header, 84, 4));
    if !(128..=4096).contains(&size) {
        return None;
    }
    let mut found = Vec::new();
    for index in 0..count.min(MAX_PARTITIONS as u64) {
        let at = table.checked_mul(sector)?.checked_add(index * size)?;
        let Ok(entry) = read(at, 128) else { break };
        let (first, last) = (number(&entry, 32, 8), number(&entry, 40, 8));
        let is_used = entry.get(..16).is_some_and(|kind| kind.iter().any(|&byte| byte != 0));
        if is_used && last >= first {
            found.push(Partition {
                number: u32::try_from(index + 1).ok()?,
                start: first.checked_mul(sector)?,
                len: (last - first).checked_add(1)?.checked_mul(sector)?,
                guid: entry.get(16..32).map(guid),
            });
        }
    }
    Some(found)
}

/// A GUID as text: the first three parts are little-endian on the disk.
fn guid(bytes: &[u8]) -> String {
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut text = String::new();
    for (at, index) in order.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{:02x}", bytes.get(index).copied().unwrap_or(0));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(disk: &[u8]) -> Vec<(u32, u64, u64)> {
        let read = |at: u64, length: usize| {
            let at = usize::try_from(at).unwrap();
            disk.get(at..at.saturating_add(length)).map(<[u8]>::to_vec).ok_or(io::ErrorKind::UnexpectedEof.into())
        };
        partitions(&read, disk.len() as u64).into_iter().map(|p| (p.number, p.start, p.len)).collect()
    }

    fn entry(disk: &mut [u8], boot: usize, index: usize, kind: u8, start: u32, len: u32) {
        let at = boot * 512 + 446 + 16 * index;
        disk[at + 4] = kind;
        disk[at + 8..at + 12].copy_from_slice(&start.to_le_bytes());
        disk[at + 12..at + 16].copy_from_slice(&len.to_le_bytes());
        disk[boot * 512 + 510..boot * 512 + 512].copy_from_slice(&[0x55, 0xaa]);
    }

    #[test]
    fn primary_and_logical_partitions_are_numbered_as_linux_does() {
        let mut disk = vec![0; 100 * 512];
        entry(&mut disk, 0, 0, 0x83, 2, 8);
        entry(&mut disk, 0, 1, 0x05, 20, 70);
        entry(&mut disk, 20, 0, 0x83, 1, 5);
        entry(&mut disk, 20, 1, 0x05, 10, 60);
        entry(&mut disk, 30, 0, 0x83, 2, 4_000_000);
        assert_eq!(of(&disk), [(1, 1024, 4096), (5, 21 * 512, 2560), (6, 32 * 512, 68 * 512)]);
    }

    #[test]
    fn a_chain_of_logical_partitions_that_leads_back_ends() {
        let mut disk = vec![0; 40 * 512];
        entry(&mut disk, 0, 0, 0x05, 10, 30);
        entry(&mut disk, 10, 0, 0x83, 1, 1);
        entry(&mut disk, 10, 1, 0x05, 5, 1);
        entry(&mut disk, 15, 0, 0x83, 1, 1);
        entry(&mut disk, 15, 1, 0x05, 5, 1);
        assert_eq!(of(&disk).len(), MAX_PARTITIONS);
    }

    #[test]
    fn a_gpt_is_read_within_its_limits() {
        let mut disk = vec![0; 100 * 512];
        entry(&mut disk, 0, 0, 0xee, 1, 99);
        disk[512..520].copy_from_slice(b"EFI PART");
        disk[512 + 72..512 + 80].copy_from_slice(&2_u64.to_le_bytes());
        disk[512 + 80..512 + 84].copy_from_slice(&u32::MAX.to_le_bytes());
        disk[512 + 84..512 + 88].copy_from_slice(&128_u32.to_le_bytes());
        disk[1024] = 1;
        disk[1024 + 16..1024 + 32].copy_from_slice(&(0..16).collect::<Vec<u8>>());
        disk[1024 + 32..1024 + 40].copy_from_slice(&40_u64.to_le_bytes());
        disk[1024 + 40..1024 + 48].copy_from_slice(&49_u64.to_le_bytes());
        assert_eq!(of(&disk), [(1, 40 * 512, 10 * 512)]);
        assert_eq!(guid(&(0..16).collect::<Vec<u8>>()), "03020100-0504-0706-0809-0a0b0c0d0e0f");
    }

    proptest::proptest! {
        #[test]
        fn any_table_is_read_to_an_end(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 66), gpt in proptest::prelude::any::<bool>()) {
            let mut disk = vec![0; 64 * 512];
            disk[446..512].copy_from_slice(&bytes);
            disk[510..512].copy_from_slice(&[0x55, 0xaa]);
            if gpt {
                disk[450] = 0xee;
                disk[512..520].copy_from_slice(b"EFI PART");
                disk[584..584 + 20].copy_from_slice(&bytes[..20]);
            }
            for (_, start, len) in of(&disk) {
                assert!(start + len <= disk.len() as u64);
            }
        }
    }
}
