//! `triage/index.bin`: where each member of the tar begins, and its digest, so that one file is found, and can be relied on,
//! without reading all.

use super::escape::{LONG, evidence_path};
use crate::model::Digest;
use std::io::{self, Read};

/// Where it lies in the bag.
pub(super) const PATH: &str = "triage/index.bin";
const MAGIC: &[u8; 8] = b"triageix";
const VERSION: u32 = 2;
const HEADER: usize = 24;
const ENTRY: usize = 56;
/// An entry of version 1, without digest.
const ENTRY_1: usize = 24;
/// Bytes that are written at a time.
const PIECE: usize = 1 << 18;

/// The first 16 bytes of a SHA-256: of the raw evidence path for a collected file, of the path in the bag for everything else.
/// An evidence path begins with `/` and a path in the bag does not, so that the two never meet.
pub(super) type Key = [u8; 16];

/// A member as the index tells of it: key, place, digest.
pub(super) type Indexed = (Key, u64, Digest);

/// The key of a path in the bag.
pub(super) fn key(bag_path: &str) -> Key {
    if let Some(digest) = bag_path.strip_prefix(LONG).and_then(|hex| hex.parse::<Digest>().ok()) {
        return cut(&digest);
    }
    match evidence_path(bag_path) {
        Some(path) => key_of_evidence(path.as_bytes()),
        None => cut(&Digest::of(bag_path.as_bytes())),
    }
}

/// The key of a raw evidence path.
pub(super) fn key_of_evidence(path: &[u8]) -> Key {
    cut(&Digest::of(path))
}

fn cut(digest: &Digest) -> Key {
    digest.as_bytes().first_chunk().copied().unwrap_or_default()
}

/// What the index says of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) key: Key,
    /// Where it begins in the uncompressed tar.
    pub(super) at: u64,
    /// Its digest; version 1 had none.
    pub(super) sha256: Option<Digest>,
}

/// Bytes of an index of so many members.
pub(super) fn length(count: usize) -> u64 {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    count.saturating_mul(ENTRY as u64).saturating_add(HEADER as u64)
}

/// Writes an index, piece by piece. The members are sorted by key.
pub(super) fn encode(members: &[Indexed], each: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut out = Vec::with_capacity(PIECE);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&u64::try_from(members.len()).unwrap_or(0).to_le_bytes());
    for (key, at, sha256) in members {
        out.extend_from_slice(key);
        out.extend_from_slice(&at.to_le_bytes());
        out.extend_from_slice(sha256.as_bytes());
        if out.len() + ENTRY > PIECE {
            each(&out)?;
            out.clear();
        }
    }
    each(&out)
}

/// Reads an index, entry by entry, and says what is wrong with it.
pub(super) fn decode(mut reader: impl Read, size: u64, mut each: impl FnMut(Place)) -> io::Result<()> {
    let wrong = |detail: &str| io::Error::new(io::ErrorKind::InvalidData, detail.to_owned());
    let mut header = [0; HEADER];
    reader.read_exact(&mut header)?;
    let (magic, rest) = header.split_at(8);
    let (version, count) = rest.split_at(8);
    let version = u32::from_le_bytes(version.first_chunk().copied().unwrap_or_default());
    if magic != MAGIC || !matches!(version, 1 | VERSION) {
        return Err(wrong("it is no index of version 1 or 2"));
    }
    let count = u64::from_le_bytes(count.first_chunk().copied().unwrap_or_default());
    let entry = if version == 1 { ENTRY_1 } else { ENTRY };
    let expected = count.checked_mul(entry as u64).and_then(|bytes| bytes.checked_add(HEADER as u64));
    if expected != Some(size) {
        return Err(wrong("its length does not agree with its count"));
    }
    let mut last: Option<Key> = None;
    for _ in 0..count {
        let mut key = Key::default();
        let mut at = [0; 8];
        reader.read_exact(&mut key)?;
        reader.read_exact(&mut at)?;
        let mut sha256 = None;
        if version != 1 {
            let mut digest = [0; 32];
            reader.read_exact(&mut digest)?;
            sha256 = Some(Digest::from_bytes(digest));
        }
        if last.is_some_and(|last| last >= key) {
            return Err(wrong("it is not sorted"));
        }
        last = Some(key);
        let at = u64::from_le_bytes(at);
        if !at.is_multiple_of(512) {
            return Err(wrong("it leads to where no member can begin"));
        }
        each(Place { key, at, sha256 });
    }
    Ok(())
}

/// A sorted list of places that answers in logarithmic time.
#[derive(Debug, Default)]
pub(super) struct Index {
    places: Vec<(Key, u64)>,
    /// The digests of the same members; empty where there are none, or none are wanted.
    digests: Vec<Digest>,
    has_digests: bool,
}

impl Index {
    /// Reads an index of a tar of `end` bytes, with the digests or without.
    pub(super) fn read(reader: impl Read, size: u64, end: u64, wants_digests: bool) -> io::Result<Self> {
        let mut index = Self::default();
        let mut leads_out = false;
        decode(reader, size, |place| {
            leads_out |= place.at >= end;
            index.has_digests |= place.sha256.is_some();
            index.places.push((place.key, place.at));
            index.digests.extend(place.sha256.filter(|_| wants_digests));
        })?;
        if leads_out {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it leads beyond the end of the tar"));
        }
        Ok(index)
    }

    /// Says whether it tells the digests of the members: version 1 did not.
    pub(super) fn has_digests(&self) -> bool {
        self.has_digests
    }

    pub(super) fn place(&self, key: &Key) -> Option<Place> {
        let at = self.places.binary_search_by(|(have, _)| have.cmp(key)).ok()?;
        let &(key, place) = self.places.get(at)?;
        Some(Place { key, at: place, sha256: self.digests.get(at).copied() })
    }
}
