//! `triage/index.bin`: where each member of the tar begins, so that one file is found without reading all.

use super::escape::{LONG, evidence_path};
use crate::model::Digest;
use std::collections::HashMap;
use std::io::{self, Read};

/// Where it lies in the bag.
pub(super) const PATH: &str = "triage/index.bin";
const MAGIC: &[u8; 8] = b"triageix";
const VERSION: u32 = 1;
const HEADER: usize = 24;
const ENTRY: usize = 24;

/// The first 16 bytes of a SHA-256: of the raw evidence path for a collected file, of the path in the bag for everything else.
/// An evidence path begins with `/` and a path in the bag does not, so that the two never meet.
pub(super) type Key = [u8; 16];

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

/// Writes an index.
pub(super) fn encode(places: &HashMap<Key, u64>) -> Vec<u8> {
    let mut sorted: Vec<(&Key, &u64)> = places.iter().collect();
    sorted.sort_unstable();
    let mut out = Vec::with_capacity(HEADER + ENTRY * sorted.len());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&u64::try_from(sorted.len()).unwrap_or(0).to_le_bytes());
    for (key, place) in sorted {
        out.extend_from_slice(key);
        out.extend_from_slice(&place.to_le_bytes());
    }
    out
}

/// Reads an index, entry by entry, and says what is wrong with it.
pub(super) fn decode(mut reader: impl Read, size: u64, mut each: impl FnMut(Key, u64)) -> io::Result<()> {
    let wrong = |detail: &str| io::Error::new(io::ErrorKind::InvalidData, detail.to_owned());
    let mut header = [0; HEADER];
    reader.read_exact(&mut header)?;
    let (magic, rest) = header.split_at(8);
    let (version, count) = rest.split_at(8);
    if magic != MAGIC || version.first_chunk() != Some(&VERSION.to_le_bytes()) {
        return Err(wrong("it is no index of version 1"));
    }
    let count = u64::from_le_bytes(count.first_chunk().copied().unwrap_or_default());
    let expected = count.checked_mul(ENTRY as u64).and_then(|bytes| bytes.checked_add(HEADER as u64));
    if expected != Some(size) {
        return Err(wrong("its length does not agree with its count"));
    }
    let mut last: Option<Key> = None;
    for _ in 0..count {
        let mut key = Key::default();
        let mut place = [0; 8];
        reader.read_exact(&mut key)?;
        reader.read_exact(&mut place)?;
        if last.is_some_and(|last| last >= key) {
            return Err(wrong("it is not sorted"));
        }
        last = Some(key);
        each(key, u64::from_le_bytes(place));
    }
    Ok(())
}

/// A sorted list of places that answers in logarithmic time.
#[derive(Debug, Default)]
pub(super) struct Index(Vec<(Key, u64)>);

impl Index {
    pub(super) fn read(reader: impl Read, size: u64) -> io::Result<Self> {
        let mut places = Vec::new();
        decode(reader, size, |key, place| places.push((key, place)))?;
        Ok(Self(places))
    }

    pub(super) fn place(&self, key: &Key) -> Option<u64> {
        let at = self.0.binary_search_by(|(have, _)| have.cmp(key)).ok()?;
        self.0.get(at).map(|&(_, place)| place)
    }
}
