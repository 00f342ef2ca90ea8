//! What a collection that was killed has in its bundle already, so that it is not read a second time.

use super::index::{Key, key_of_evidence};
use crate::model::{EvidencePath, FileMeta, Hasher, Timestamp};
use std::collections::HashMap;

/// The objects of a bundle that is gone on with: 32 bytes each.
#[derive(Debug, Default)]
pub struct Already {
    objects: HashMap<Key, Key>,
}

/// Whether a bundle has an object already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Had {
    /// It has not.
    No,
    /// It has, and the object looks as it did.
    Unchanged,
    /// It has, and the object looks different now.
    Changed,
}

impl Already {
    pub(super) fn add(&mut self, path: &EvidencePath, meta: &FileMeta) {
        self.objects.insert(key_of_evidence(path.as_bytes()), mark(meta));
    }

    /// Says whether the bundle has an object: known by its path, and taken for unchanged while type, inode, size, and times of
    /// modification and of change are.
    pub fn had(&self, path: &EvidencePath, meta: &FileMeta) -> Had {
        match self.objects.get(&key_of_evidence(path.as_bytes())) {
            None => Had::No,
            Some(known) if *known == mark(meta) => Had::Unchanged,
            Some(_) => Had::Changed,
        }
    }

    /// Objects that it has.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Says that it has none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

/// Half a SHA-256 of what tells a changed object from an unchanged one.
fn mark(meta: &FileMeta) -> Key {
    let mut hasher = Hasher::new();
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    let text =
        format!("{} {:?} {} {} {}", meta.kind.as_str(), meta.inode, meta.size, time(meta.mtime), time(meta.ctime));
    hasher.update(text.as_bytes());
    hasher.finish().as_bytes().first_chunk().copied().unwrap_or_default()
}
