//! What a bundle holds so far: for the manifest, for the index, and so that nothing is stored twice.
//!
//! It is what grows with the number of files, and so it is kept small: 56 bytes for each member, 16 more to know it again, and
//! the names compressed, in the order of writing.

use super::index::{self, Indexed, Key};
use crate::model::Digest;
use std::collections::HashSet;
use std::io::{self, BufRead as _, BufReader, Write as _};

/// Where the manifest of the payload lies.
pub(super) const MANIFEST: &str = "manifest-sha256.txt";
/// Where the manifest of everything else lies.
pub(super) const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
/// Bytes of a manifest's text that are given at a time.
const PIECE: usize = 1 << 18;

/// The members of a bundle.
pub(super) struct Listing {
    members: Vec<Indexed>,
    known: HashSet<Key>,
    /// The names of the members, a line each.
    names: zstd::stream::write::Encoder<'static, Vec<u8>>,
    tags: Vec<(String, Digest)>,
    payload_files: u64,
    payload_bytes: u64,
    /// Length of the manifest's text.
    manifest_bytes: u64,
}

impl Listing {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            members: Vec::new(),
            known: HashSet::new(),
            names: zstd::stream::write::Encoder::new(Vec::new(), 1)?,
            tags: Vec::new(),
            payload_files: 0,
            payload_bytes: 0,
            manifest_bytes: 0,
        })
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.known.contains(key)
    }

    /// Notes a member that was written.
    pub(super) fn push(&mut self, path: &str, at: u64, sha256: Digest, size: u64) -> io::Result<()> {
        self.push_as(index::key(path), path, at, sha256, size)
    }

    /// Notes a member whose key is known.
    pub(super) fn push_as(&mut self, key: Key, path: &str, at: u64, sha256: Digest, size: u64) -> io::Result<()> {
        self.known.insert(key);
        self.members.push((key, at, sha256));
        self.names.write_all(path.as_bytes())?;
        self.names.write_all(b"\n")?;
        if path.starts_with("data/") {
            self.payload_files += 1;
            self.payload_bytes += size;
            self.manifest_bytes += u64::try_from(path.len() + 64 + 3).unwrap_or(0);
        } else {
            self.tags.push((path.to_owned(), sha256));
        }
        Ok(())
    }

    /// Bytes and number of the payload's files.
    pub(super) fn oxum(&self) -> (u64, u64) {
        (self.payload_bytes, self.payload_files)
    }

    /// How long the manifest of the payload is.
    pub(super) fn manifest_bytes(&self) -> u64 {
        self.manifest_bytes
    }

    /// Gives the text of the payload's manifest, piece by piece. Nothing can be told to be known after it.
    pub(super) fn manifest(&mut self, each: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        self.known = HashSet::new();
        let empty = zstd::stream::write::Encoder::new(Vec::new(), 1)?;
        let packed = std::mem::replace(&mut self.names, empty).finish()?;
        let mut names = BufReader::new(zstd::stream::read::Decoder::with_buffer(packed.as_slice())?);
        let mut name = Vec::new();
        let mut text = Vec::with_capacity(PIECE + 2048);
        for (_, _, sha256) in &self.members {
            name.clear();
            names.read_until(b'\n', &mut name)?;
            if name.starts_with(b"data/") {
                write!(text, "{sha256}  ")?;
                text.extend_from_slice(&name);
            }
            if text.len() >= PIECE {
                each(&text)?;
                text.clear();
            }
        }
        each(&text)
    }

    /// The members, sorted by key, for the index.
    pub(super) fn into_index(mut self) -> (Vec<Indexed>, Vec<(String, Digest)>) {
        self.members.sort_unstable();
        (self.members, self.tags)
    }
}
