//! A file system object as a fingerprint of fixed size, and what differs between two of them.

use super::{Difference, Noise};
use crate::model::{Digest, EvidencePath, FileKind, FileMeta, Hasher, Mode, Timestamp};
use crate::source::Kept;

/// A path, as 16 bytes of its SHA-256: two paths of one host do not share it by chance or, at 2⁶⁴ tries, by intent.
pub(super) type Key = [u8; 16];

/// What is held of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Object {
    kind: FileKind,
    mode: Mode,
    uid: u32,
    gid: u32,
    flags: Option<u32>,
    size: u64,
    /// Nanoseconds since 1970; the least number where it is not known.
    mtime: i64,
    created: i64,
    /// Half of the SHA-256 of the content, or of a link's target; zero where it is not known.
    content: [u8; 16],
    /// A quarter of the SHA-256 over the extended attributes.
    attributes: [u8; 8],
}

const UNKNOWN: i64 = i64::MIN;

fn head<const N: usize>(digest: &Digest) -> [u8; N] {
    let mut head = [0; N];
    head.iter_mut().zip(digest.as_bytes()).for_each(|(to, from)| *to = *from);
    head
}

pub(super) fn key(path: &EvidencePath) -> Key {
    head(&Digest::of(path.as_bytes()))
}

fn nanoseconds(time: Option<Timestamp>) -> i64 {
    time.map_or(UNKNOWN, |time| {
        time.seconds().saturating_mul(1_000_000_000).saturating_add(i64::from(time.nanoseconds())).max(UNKNOWN + 1)
    })
}

fn text(time: i64) -> String {
    let nanoseconds = u32::try_from(time.rem_euclid(1_000_000_000)).unwrap_or(0);
    Timestamp::new(time.div_euclid(1_000_000_000), nanoseconds).to_string()
}

impl Object {
    pub(super) fn of(meta: &FileMeta, sha256: Option<Digest>) -> Self {
        let target = meta.link_target.as_ref().map(|target| Digest::of(target.as_bytes()));
        let mut hasher = Hasher::new();
        for (name, value) in &meta.xattrs {
            for part in [name.as_bytes(), value.as_bytes()] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        }
        Self {
            kind: meta.kind,
            mode: meta.mode,
            uid: meta.uid,
            gid: meta.gid,
            flags: meta.inode_flags,
            size: meta.size,
            mtime: nanoseconds(meta.mtime),
            created: nanoseconds(meta.btime),
            content: sha256.or(target).as_ref().map(head).unwrap_or_default(),
            attributes: if meta.xattrs.is_empty() { [0; 8] } else { head(&hasher.finish()) },
        }
    }
}

/// In what two objects of one path differ, as far as both sides keep it. A folder's size and times are those of its list of names:
/// what was added or removed is told by itself.
pub(super) fn differences(old: &Object, new: &Object, kept: Kept) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut tell = |what: &str, old: String, new: String| {
        found.push(Difference { what: what.to_owned(), old, new });
    };
    if old.kind != new.kind {
        tell("type", old.kind.as_str().to_owned(), new.kind.as_str().to_owned());
        return found;
    }
    let is_known = old.content != [0; 16] && new.content != [0; 16];
    if is_known && old.content != new.content {
        let what = if new.kind == FileKind::Symlink { "link_target" } else { "content" };
        tell(what, short(&old.content), short(&new.content));
    }
    let is_file = new.kind == FileKind::File;
    if is_file && old.size != new.size {
        tell("size", old.size.to_string(), new.size.to_string());
    }
    // A link has the mode that its system gives to all links.
    if kept.modes && new.kind != FileKind::Symlink && old.mode != new.mode {
        tell("mode", old.mode.to_string(), new.mode.to_string());
    }
    if kept.owners && old.uid != new.uid {
        tell("owner", old.uid.to_string(), new.uid.to_string());
    }
    if kept.owners && old.gid != new.gid {
        tell("group", old.gid.to_string(), new.gid.to_string());
    }
    if kept.attributes && old.attributes != new.attributes {
        tell("attributes", short(&old.attributes), short(&new.attributes));
    }
    if kept.attributes
        && let (Some(old), Some(new)) = (old.flags, new.flags)
        && (old ^ new) & FLAGS != 0
    {
        tell("flags", format!("{:#x}", old & FLAGS), format!("{:#x}", new & FLAGS));
    }
    if is_file && kept.mtimes && is_other_time(old.mtime, new.mtime) {
        tell("mtime", text(old.mtime), text(new.mtime));
    }
    if is_file && kept.attributes && is_other_time(old.created, new.created) {
        tell("created", text(old.created), text(new.created));
    }
    found
}

/// The flags of `ioctl_iflags(2)` that somebody sets: secure deletion, undelete, compress, sync, immutable, append, no dump, no
/// atime. The others are the file system's own business.
const FLAGS: u32 = 0xff;

fn short(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    if bytes.iter().all(|&byte| byte == 0) {
        return "none".to_owned();
    }
    bytes.iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Two times of which one has only whole seconds are the same where the seconds are: a tar keeps no more.
fn is_other_time(old: i64, new: i64) -> bool {
    if old == UNKNOWN || new == UNKNOWN || old == new {
        return false;
    }
    let is_whole = |time: i64| time % 1_000_000_000 == 0;
    !((is_whole(old) || is_whole(new)) && old.div_euclid(1_000_000_000) == new.div_euclid(1_000_000_000))
}

/// Says why a change is probably nothing.
pub(super) fn noise(path: &EvidencePath, old: &Object, new: &Object, found: &[Difference]) -> Option<Noise> {
    let only = |allowed: &[&str]| found.iter().all(|difference| allowed.contains(&difference.what.as_str()));
    if only(&["mtime", "created"]) {
        return Some(Noise::TimesOnly);
    }
    let is_log = path.as_bytes().starts_with(b"/var/log/") || path.extension() == Some(b"log");
    // One that is shorter, or as long and another, was rotated or cleaned: a person should know.
    let is_grown = new.kind == FileKind::File && new.size > old.size;
    (is_log && is_grown && only(&["content", "size", "mtime", "created"])).then_some(Noise::GrownLog)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_takes_no_more_than_a_hundred_bytes() {
        assert!(size_of::<(Key, Object)>() <= 100, "{}", size_of::<(Key, Object)>());
    }

    #[test]
    fn a_time_in_whole_seconds_is_the_same_time() {
        let nanoseconds = |seconds: i64, rest: i64| seconds * 1_000_000_000 + rest;
        assert!(!is_other_time(nanoseconds(5, 0), nanoseconds(5, 7)));
        assert!(is_other_time(nanoseconds(5, 1), nanoseconds(5, 7)));
        assert!(is_other_time(nanoseconds(5, 0), nanoseconds(6, 0)));
        assert!(!is_other_time(UNKNOWN, nanoseconds(6, 0)));
        assert_eq!(text(nanoseconds(0, 0)), "1970-01-01T00:00:00Z");
    }
}
