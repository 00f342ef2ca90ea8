//! What a sweep has seen, small enough to keep for every file of a host: 68 bytes an object and no path.

use super::super::known_good::Digests;
use crate::model::{Digest, EvidencePath, FileKind, Mode};
use crate::sweep::Swept;
use md5::Digest as _;
use std::sync::{Mutex, PoisonError};

/// The first half of a path's SHA-256: two paths of one key would take 2⁶⁴ tries to find.
pub(super) type Key = [u8; 16];

/// The key of a path.
pub(super) fn key(path: &EvidencePath) -> Key {
    let mut key = [0; 16];
    key.copy_from_slice(Digest::of(path.as_bytes()).as_bytes().split_at(16).0);
    key
}

const HAS_SHA256: u8 = 1;
const HAS_MD5: u8 = 2;
const IS_ELF: u8 = 4;
const IS_SCRIPT: u8 = 8;

/// One object that was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    key: Key,
    sha256: [u8; 32],
    md5: [u8; 16],
    mode: u16,
    kind: FileKind,
    flags: u8,
}

impl Seen {
    /// Hashes once more by MD5, which is what `dpkg` knows: only what may belong to a package, and only what is in memory anyhow.
    fn of(file: &Swept<'_>) -> Self {
        let mut flags = 0;
        let (mut sha256, mut md5) = ([0; 32], [0; 16]);
        if let Some(digest) = file.sha256 {
            sha256 = *digest.as_bytes();
            flags |= HAS_SHA256;
        }
        if let Some(content) = file.content.filter(|_| file.meta.is_file()) {
            md5 = md5::Md5::digest(content).into();
            flags |= HAS_MD5;
            flags |= if content.starts_with(b"\x7fELF") { IS_ELF } else { 0 };
            flags |= if content.starts_with(b"#!") { IS_SCRIPT } else { 0 };
        }
        let mode = u16::try_from(file.meta.mode.bits()).unwrap_or(0);
        Self { key: key(file.path), sha256, md5, mode, kind: file.meta.kind, flags }
    }

    pub(super) fn sha256(&self) -> Option<[u8; 32]> {
        (self.flags & HAS_SHA256 != 0).then_some(self.sha256)
    }

    pub(super) fn md5(&self) -> Option<[u8; 16]> {
        (self.flags & HAS_MD5 != 0).then_some(self.md5)
    }

    pub(super) fn is_file(&self) -> bool {
        self.kind == FileKind::File
    }

    pub(super) fn is_elf(&self) -> bool {
        self.flags & IS_ELF != 0
    }

    pub(super) fn is_script(&self) -> bool {
        self.flags & IS_SCRIPT != 0
    }

    pub(super) fn mode(&self) -> Mode {
        Mode::new(u32::from(self.mode))
    }
}

/// Everything that was seen.
#[derive(Default)]
pub(super) struct Observed {
    seen: Mutex<(Vec<Seen>, bool)>,
}

impl Observed {
    /// Remembers an object, if it may belong to a package.
    pub(super) fn note(&self, file: &Swept<'_>) {
        if !may_be_packaged(file.path) || file.meta.kind == FileKind::Directory {
            return;
        }
        let seen = Seen::of(file);
        let mut guard = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, is_sorted) = &mut *guard;
        if all.len() == all.capacity() {
            // By a quarter and not by doubling: at a million files that is the difference of fifty megabytes.
            let more = all.len() / 4 + 1024;
            all.reserve_exact(more);
        }
        all.push(seen);
        *is_sorted = false;
    }

    /// What was seen at a path.
    pub(super) fn at(&self, path: &EvidencePath) -> Option<Seen> {
        let wanted = key(path);
        let mut guard = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, is_sorted) = &mut *guard;
        if !*is_sorted {
            all.sort_unstable_by_key(|seen| seen.key);
            *is_sorted = true;
        }
        let at = all.binary_search_by_key(&wanted, |seen| seen.key).ok()?;
        all.get(at).copied()
    }

    /// The digests with the MD5 that was seen of the same content.
    pub(super) fn complete(&self, path: &EvidencePath, digests: &Digests) -> Digests {
        if digests.md5.is_some() {
            return *digests;
        }
        let seen = self.at(path).filter(|seen| seen.sha256() == digests.sha256.map(|sha256| *sha256.as_bytes()));
        Digests { md5: seen.and_then(|seen| seen.md5()), ..*digests }
    }
}

/// Says whether a package may ship something there: not in homes, scratch folders, spools, logs, and what the kernel shows.
fn may_be_packaged(path: &EvidencePath) -> bool {
    const NEVER: [&[u8]; 13] = [
        b"/home",
        b"/root",
        b"/tmp",
        b"/proc",
        b"/sys",
        b"/dev",
        b"/run",
        b"/var/log",
        b"/var/tmp",
        b"/var/cache",
        b"/var/spool",
        b"/var/lib/dpkg",
        b"/var/lib/rpm",
    ];
    !NEVER
        .iter()
        .any(|folder| path.as_bytes().strip_prefix(*folder).is_some_and(|rest| rest.first().is_none_or(|&b| b == b'/')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FileMeta;

    #[test]
    fn an_object_takes_less_than_a_hundred_bytes() {
        assert!(size_of::<Seen>() * 5 / 4 <= 100, "{}", size_of::<Seen>());
        let observed = Observed::default();
        let meta = FileMeta::bare(FileKind::File, Mode::new(0o644), 1);
        for n in 0..20_000 {
            let path = EvidencePath::new(format!("/usr/share/{n}")).unwrap();
            observed.note(&Swept { path: &path, meta: &meta, sha256: None, content: Some(b"x") });
        }
        let guard = observed.seen.lock().unwrap();
        assert!(guard.0.capacity() * size_of::<Seen>() <= 20_000 * 100);
    }

    #[test]
    fn folders_are_told_by_whole_components() {
        let is = |path: &str| may_be_packaged(&EvidencePath::new(path).unwrap());
        assert!(is("/rooted/x") && is("/usr/bin/x") && is("/var/www/html/x") && is("/var/lib/x"));
        assert!(!is("/root/x") && !is("/var/log/x") && !is("/var/lib/dpkg/info/x"));
    }
}
