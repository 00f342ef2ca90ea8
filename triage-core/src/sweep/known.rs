//! What an earlier look at the same tree found harmless, so that a second look need not read it again.
//!
//! A file is taken for unchanged when its device, inode number, size, owner, mode, modification time and, above all, its metadata change time
//! (ctime, which no system call sets) are what they were. Whoever commands the host can set its clock, or write to the disk beneath the file system, and forge
//! that. So this is for the tenth look at a host in one's own hands, never for the first at a suspect one, and never for a collection.

use super::{Swept, Visitor};
use crate::model::{Digest, EvidencePath, FileMeta, Gap, Hasher};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// What the bytes begin with; the number goes up when their layout changes.
const MAGIC: &[u8] = b"triage known files 2\n";

/// Bytes of one remembered file: its key and its digest.
const ENTRY: usize = 16 + 32;

/// The first half of a digest over path and metadata.
type Key = [u8; 16];

/// Remembers files in which nothing was found.
pub struct Known {
    /// What they were looked at with; another set of rules knows nothing.
    config: Digest,
    must_read: fn(&EvidencePath) -> bool,
    old: HashMap<Key, Digest>,
    /// What could not be judged of some of them, and would not be the next time either.
    gaps: HashMap<Key, Vec<Gap>>,
    /// By a short hash of the path, because a path is long and there may be a million.
    fresh: Mutex<HashMap<[u8; 8], (Key, Digest)>>,
}

impl Known {
    /// Knows nothing yet. `config` stands for all that a judgement depends on beside the file: rules, indicators, version, options. Files for which
    /// `must_read` is true are read every time, because more than a judgement is made of their content.
    pub fn new(config: Digest, must_read: fn(&EvidencePath) -> bool) -> Self {
        Self { config, must_read, old: HashMap::new(), gaps: HashMap::new(), fresh: Mutex::default() }
    }

    /// Knows what [`Known::to_bytes`] of an earlier look put down; nothing, where that was with another `config` or the bytes are damaged.
    #[must_use]
    pub fn with(mut self, bytes: &[u8]) -> Self {
        let Some(rest) = bytes.strip_prefix(MAGIC).and_then(|rest| rest.strip_prefix(self.config.as_bytes())) else {
            return self;
        };
        let Some((digest, body)) = rest.split_first_chunk::<32>() else { return self };
        if Digest::of(body).as_bytes() != digest {
            return self;
        }
        let entries = body.split_first_chunk::<8>().and_then(|(count, body)| {
            let size = usize::try_from(u64::from_le_bytes(*count)).ok()?.checked_mul(ENTRY)?;
            body.split_at_checked(size)
        });
        let Some((entries, gaps)) = entries else { return self };
        let Ok(gaps) = serde_json::from_slice::<Vec<(Key, Gap)>>(gaps) else { return self };
        for (key, gap) in gaps {
            self.gaps.entry(key).or_default().push(gap);
        }
        let (entries, _) = entries.as_chunks::<ENTRY>();
        self.old = entries
            .iter()
            .filter_map(|entry| {
                let (key, digest) = entry.split_first_chunk::<16>()?;
                Some((*key, Digest::from_bytes(*digest.first_chunk::<32>()?)))
            })
            .collect();
        self
    }

    /// How many files are known from earlier.
    pub fn len(&self) -> usize {
        self.old.len()
    }

    /// Says whether nothing is known from earlier.
    pub fn is_empty(&self) -> bool {
        self.old.is_empty()
    }

    /// The digest of a file that is as it was when nothing was found in it.
    pub fn digest_of(&self, path: &EvidencePath, meta: &FileMeta) -> Option<Digest> {
        if self.old.is_empty() || (self.must_read)(path) {
            return None;
        }
        self.old.get(&self.key(path, meta)?).copied()
    }

    /// What could not be judged of a file that [`Known::digest_of`] knows. It is as true of the file as it was then.
    pub fn gaps_of(&self, path: &EvidencePath, meta: &FileMeta) -> &[Gap] {
        if self.gaps.is_empty() {
            return &[];
        }
        self.key(path, meta).and_then(|key| self.gaps.get(&key)).map_or(&[], Vec::as_slice)
    }

    /// What was seen in this look, but for the files in `spoilt` (about which there is a finding, or a gap that another look may fill). `lasting` are
    /// gaps that no look fills while the file stays as it is; they are told again without one.
    pub fn to_bytes(&self, spoilt: &HashSet<EvidencePath>, lasting: &[Gap]) -> Vec<u8> {
        let fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        let told = |path: &EvidencePath| !spoilt.contains(path);
        let mut gaps: Vec<(Key, &Gap)> = lasting
            .iter()
            .filter(|gap| told(&gap.path))
            .filter_map(|gap| Some((fresh.get(&short(&gap.path))?.0, gap)))
            .collect();
        gaps.sort_unstable();
        let gaps = serde_json::to_vec(&gaps).unwrap_or_else(|_| b"[]".to_vec());
        let spoilt: HashSet<_> = spoilt.iter().map(short).collect();
        let mut entries: Vec<_> = fresh
            .iter()
            .filter(|(path, _)| !spoilt.contains(*path))
            .map(|(_, (key, digest))| (*key, *digest))
            .collect();
        // Equal looks give equal bytes.
        entries.sort_unstable();
        let mut body = Vec::with_capacity(8 + entries.len() * ENTRY + gaps.len());
        body.extend_from_slice(&(entries.len() as u64).to_le_bytes());
        for (key, digest) in entries {
            body.extend_from_slice(&key);
            body.extend_from_slice(digest.as_bytes());
        }
        body.extend_from_slice(&gaps);
        [MAGIC, self.config.as_bytes(), Digest::of(&body).as_bytes(), &body].concat()
    }

    /// None for what cannot be told from a changed file.
    fn key(&self, path: &EvidencePath, meta: &FileMeta) -> Option<Key> {
        let mut hasher = Hasher::new();
        hasher.update(self.config.as_bytes());
        let (mtime, ctime) = (meta.mtime?, meta.ctime?);
        for number in [
            meta.device?,
            meta.inode?,
            meta.size,
            u64::from(meta.mode.bits()),
            u64::from(meta.uid),
            u64::from(meta.gid),
            mtime.seconds().cast_unsigned(),
            u64::from(mtime.nanoseconds()),
            ctime.seconds().cast_unsigned(),
            u64::from(ctime.nanoseconds()),
        ] {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(path.as_bytes());
        hasher.finish().as_bytes().first_chunk::<16>().copied()
    }
}

impl Visitor for Known {
    fn visit(&self, file: &Swept<'_>) {
        let Some(digest) = file.sha256 else { return };
        let Some(key) = self.key(file.path, file.meta) else { return };
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        fresh.insert(short(file.path), (key, digest));
    }
}

fn short(path: &EvidencePath) -> [u8; 8] {
    Digest::of(path.as_bytes()).as_bytes().first_chunk::<8>().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FileKind, GapReason, Mode, Timestamp};

    fn path(text: &str) -> EvidencePath {
        EvidencePath::new(text).unwrap()
    }

    fn meta() -> FileMeta {
        let mut meta = FileMeta::bare(FileKind::File, Mode::new(0o644), 5);
        (meta.device, meta.inode) = (Some(1), Some(2));
        (meta.mtime, meta.ctime) = (Some(Timestamp::new(10, 1)), Some(Timestamp::new(10, 2)));
        meta
    }

    fn looked(config: &[u8], spoilt: &[&str]) -> Vec<u8> {
        let known = Known::new(Digest::of(config), |_| false);
        for name in ["/a", "/b"] {
            known.visit(&Swept {
                path: &path(name),
                meta: &meta(),
                sha256: Some(Digest::of(b"x")),
                content: Some(b"x"),
            });
        }
        known.visit(&Swept { path: &path("/unread"), meta: &meta(), sha256: None, content: None });
        known.to_bytes(&spoilt.iter().map(|name| path(name)).collect(), &[gap("/a"), gap("/b"), gap("/unread")])
    }

    fn gap(name: &str) -> Gap {
        Gap::new(path(name), GapReason::LimitReached, "a limit was reached")
    }

    #[test]
    fn what_was_harmless_is_known_and_what_was_not_is_read_again() {
        let known = Known::new(Digest::of(b"rules"), |_| false).with(&looked(b"rules", &["/b"]));
        assert_eq!(known.len(), 1);
        assert_eq!(known.digest_of(&path("/a"), &meta()), Some(Digest::of(b"x")));
        assert_eq!(known.digest_of(&path("/b"), &meta()), None);
        assert_eq!(known.digest_of(&path("/unread"), &meta()), None);
        // What could not be judged then is told again, and only of what is not read again.
        assert_eq!(known.gaps_of(&path("/a"), &meta()), [gap("/a")]);
        assert!(known.gaps_of(&path("/b"), &meta()).is_empty());
        let mut changed = meta();
        changed.size += 1;
        assert!(known.gaps_of(&path("/a"), &changed).is_empty());
    }

    #[test]
    fn any_sign_of_a_change_makes_a_file_unknown() {
        let known = Known::new(Digest::of(b"rules"), |_| false).with(&looked(b"rules", &[]));
        let changes: [fn(&mut FileMeta); 8] = [
            |meta| meta.ctime = Some(Timestamp::new(10, 3)),
            |meta| meta.mtime = Some(Timestamp::new(11, 1)),
            |meta| meta.size = 6,
            |meta| meta.inode = Some(3),
            |meta| meta.device = Some(3),
            |meta| meta.uid = 33,
            |meta| meta.mode = Mode::new(0o755),
            |meta| meta.ctime = None,
        ];
        for change in changes {
            let mut found = meta();
            change(&mut found);
            assert_eq!(known.digest_of(&path("/a"), &found), None, "{found:?}");
        }
    }

    #[test]
    fn other_rules_know_nothing_and_damage_is_not_believed() {
        let bytes = looked(b"rules", &[]);
        assert!(Known::new(Digest::of(b"other"), |_| false).with(&bytes).is_empty());
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Known::new(Digest::of(b"rules"), |_| false).with(&damaged).is_empty(), "byte {at}");
        }
        assert!(Known::new(Digest::of(b"rules"), |_| true).with(&bytes).digest_of(&path("/a"), &meta()).is_none());
    }
}
