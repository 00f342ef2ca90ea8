//! Header and objects of a journal file.

use super::super::bytes::{Endian, array, index, piece};

const LITTLE: Endian = Endian::Little;

/// Features that a reader has to know: compression by xz, lz4 and zstd, keyed hashes, the compact form.
const KNOWN: u32 = 0b1_1111;
const COMPACT: u32 = 1 << 4;

const DATA: u8 = 1;
const ENTRY: u8 = 3;
const ENTRY_ARRAY: u8 = 6;
const LAST_KIND: u8 = 7;

/// The bytes that every object begins with: kind, flags, six of nothing, size.
const HEAD: usize = 16;

/// The most entries that are taken from the file's list although they were not met by their place.
const MAX_HIDDEN: usize = 1_000_000;

/// A journal file whose header was found sound.
pub(super) struct File<'a> {
    bytes: &'a [u8],
    is_compact: bool,
    header_size: usize,
    arena_size: u64,
    list: u64,
    pub(super) state: u8,
    pub(super) machine_id: [u8; 16],
    pub(super) entry_count: u64,
}

/// The places of entries, in rising order.
pub(super) struct Found {
    pub(super) offsets: Vec<usize>,
    /// Bytes that are neither objects nor zeros.
    pub(super) skipped: u64,
}

/// One entry.
pub(super) struct Entry<'a> {
    pub(super) sequence: u64,
    /// Microseconds since 1970.
    pub(super) time: u64,
    pub(super) boot: [u8; 16],
    items: &'a [u8],
}

/// A field: `NAME=value`, perhaps packed.
pub(super) struct Data<'a> {
    /// Which way it is packed: 1 xz, 2 lz4, 4 zstd; 0 not at all.
    pub(super) packing: u8,
    pub(super) payload: &'a [u8],
}

impl Data<'_> {
    pub(super) fn is_packed(&self) -> bool {
        self.packing != 0
    }
}

struct Object<'a> {
    kind: u8,
    flags: u8,
    bytes: &'a [u8],
}

impl<'a> File<'a> {
    /// Reads the header.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, &'static str> {
        const CUT: &str = "its header is cut";
        if !bytes.starts_with(b"LPKSHHRH") {
            return Err("it does not begin as a journal does");
        }
        let incompatible = LITTLE.u32(bytes, 12).ok_or(CUT)?;
        if incompatible & !KNOWN != 0 {
            return Err("it has features that this version does not know");
        }
        let header_size = LITTLE.u64(bytes, 88).ok_or(CUT)?;
        // 208 bytes is the header of the first version.
        if !(208..=65_536).contains(&header_size) || !header_size.is_multiple_of(8) {
            return Err("the size of its header makes no sense");
        }
        let [state] = array(bytes, 16).ok_or(CUT)?;
        Ok(Self {
            bytes,
            is_compact: incompatible & COMPACT != 0,
            header_size: index(header_size),
            arena_size: LITTLE.u64(bytes, 96).ok_or(CUT)?,
            list: LITTLE.u64(bytes, 176).ok_or(CUT)?,
            state,
            machine_id: array(bytes, 40).ok_or(CUT)?,
            entry_count: LITTLE.u64(bytes, 152).ok_or(CUT)?,
        })
    }

    /// Says whether the file is shorter than its header says.
    pub(super) fn is_cut(&self) -> bool {
        self.arena_size.saturating_add(self.header_size as u64) > self.bytes.len() as u64
    }

    /// The object at an offset, if there can be one.
    fn object(&self, offset: usize) -> Option<Object<'a>> {
        if offset < self.header_size || !offset.is_multiple_of(8) {
            return None;
        }
        let [kind, flags, reserved @ ..] = array::<8>(self.bytes, offset)?;
        if !(1..=LAST_KIND).contains(&kind) || flags > 7 || reserved != [0; 6] {
            return None;
        }
        let size = index(LITTLE.u64(self.bytes, offset + 8)?);
        if size < HEAD {
            return None;
        }
        Some(Object { kind, flags, bytes: piece(self.bytes, offset, size)? })
    }

    /// Finds the entries: those that are met object after object, and those that only the file's list names.
    ///
    /// Where there is no object the search goes on eight bytes further, so that it ends with the file whatever stands there.
    pub(super) fn entries(&self) -> Found {
        let mut found = Found { offsets: Vec::new(), skipped: 0 };
        let mut at = self.header_size;
        while at < self.bytes.len() {
            if let Some(object) = self.object(at) {
                if object.kind == ENTRY {
                    found.offsets.push(at);
                }
                at = at.saturating_add(object.bytes.len().next_multiple_of(8));
                continue;
            }
            let end = self.bytes.len().min(at.saturating_add(8));
            if self.bytes.get(at..end).is_some_and(|bytes| bytes.iter().any(|&b| b != 0)) {
                found.skipped += 8;
            }
            at = end;
        }
        let met = found.offsets.len();
        let hidden: Vec<usize> = self
            .listed()
            .filter(|offset| found.offsets.get(..met).is_some_and(|met| met.binary_search(offset).is_err()))
            .take(MAX_HIDDEN)
            .filter(|&offset| self.object(offset).is_some_and(|object| object.kind == ENTRY))
            .collect();
        if !hidden.is_empty() {
            found.offsets.extend(hidden);
            found.offsets.sort_unstable();
            found.offsets.dedup();
        }
        found
    }

    /// The entries that the file's list names. Its parts are written one behind the other, so a part that does not lie behind the one
    /// before it ends the list: it cannot go in a circle.
    fn listed(&self) -> impl Iterator<Item = usize> {
        let width = if self.is_compact { 4 } else { 8 };
        let mut next = index(self.list);
        let mut before = 0;
        std::iter::from_fn(move || {
            if next <= before {
                return None;
            }
            let object = self.object(next).filter(|object| object.kind == ENTRY_ARRAY)?;
            before = next;
            next = index(LITTLE.u64(object.bytes, HEAD)?);
            Some(object.bytes.get(HEAD + 8..)?.chunks_exact(width))
        })
        .flatten()
        .map(offset_of)
        .take_while(|&offset| offset != 0)
    }

    /// The entry at an offset.
    pub(super) fn entry(&self, offset: usize) -> Option<Entry<'a>> {
        let object = self.object(offset).filter(|object| object.kind == ENTRY)?;
        Some(Entry {
            sequence: LITTLE.u64(object.bytes, 16)?,
            time: LITTLE.u64(object.bytes, 24)?,
            boot: array(object.bytes, 40)?,
            items: object.bytes.get(64..)?,
        })
    }

    /// Where the fields of an entry are.
    pub(super) fn items(&self, entry: &Entry<'a>) -> impl Iterator<Item = usize> + use<'a> {
        // Beside each offset the long form has a hash.
        let (width, used) = if self.is_compact { (4, 4) } else { (16, 8) };
        entry
            .items
            .chunks_exact(width)
            .filter_map(move |item| item.get(..used))
            .map(offset_of)
            .filter(|&offset| offset != 0)
    }

    /// The field at an offset.
    pub(super) fn data(&self, offset: usize) -> Option<Data<'a>> {
        let object = self.object(offset).filter(|object| object.kind == DATA)?;
        let start = if self.is_compact { 72 } else { 64 };
        Some(Data { packing: object.flags, payload: object.bytes.get(start..)? })
    }
}

/// A number of four or eight bytes.
fn offset_of(raw: &[u8]) -> usize {
    match raw.len() {
        4 => LITTLE.u32(raw, 0).map_or(0, |offset| index(u64::from(offset))),
        _ => LITTLE.u64(raw, 0).map_or(0, index),
    }
}
