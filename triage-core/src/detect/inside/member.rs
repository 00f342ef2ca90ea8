//! One member: its name, and the place that it would have on a host.

use super::Limits;
use super::walk::{Judge, Walk};
use crate::model::{EvidencePath, FileKind, FileMeta, Gap, Mode};

/// Bytes of a name that are shown.
const SHOWN: usize = 400;
/// Bytes of a name that are kept; a longer one could not be unpacked by anybody.
const LONGEST: usize = 8192;

/// A content that stands in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveMember {
    /// Its name as the archive has it; with `!/` behind them, the names of the archives around it stand in front.
    pub name: Vec<u8>,
    /// The place that it would have on a host. It never leaves the root, whatever the name says.
    pub path: EvidencePath,
    /// What the archive says of it; `size` is what was found.
    pub meta: FileMeta,
}

/// Names of folders that backups put a host's root into: those of `FreePBX`, of acquire and of habit.
const ROOTS: [&[u8]; 6] = [b"files", b"customdir", b"customfiles", b"rootfs", b"[root]", b"fs"];
/// Folders of a root by which a path is known two folders further down, too.
const ANCHORS: [&[u8]; 4] = [b"etc", b"var", b"root", b"home"];
/// Folders of a root.
const TOP: [&[u8]; 9] = [b"etc", b"var", b"root", b"home", b"usr", b"opt", b"srv", b"tmp", b"dev"];

impl ArchiveMember {
    pub(super) fn new(prefix: &[u8], name: &[u8]) -> Self {
        let meta = FileMeta::bare(FileKind::File, Mode::new(0o644), 0);
        let path = place(name);
        let name = if prefix.is_empty() { name.to_vec() } else { [prefix, b"!/", name].concat() };
        Self { name: short_to(&name, LONGEST).to_vec(), path, meta }
    }
}

/// What of a name is shown.
pub(super) fn short(name: &[u8]) -> &[u8] {
    short_to(name, SHOWN)
}

fn short_to(name: &[u8], most: usize) -> &[u8] {
    name.get(..most).unwrap_or(name)
}

/// The place of a name on a host.
fn place(name: &[u8]) -> EvidencePath {
    let name = short_to(name, LONGEST);
    // What Windows' programs pack has the other slash.
    let has_slash = name.contains(&b'/');
    let is_end = |byte: &u8| *byte == b'/' || (!has_slash && *byte == b'\\');
    let parts: Vec<&[u8]> =
        name.split(is_end).filter(|part| !matches!(*part, b"" | b"." | b"..") && !part.contains(&0)).collect();
    let is_top =
        |at: usize, names: &[&[u8]]| parts.len() > at + 1 && parts.get(at).is_some_and(|part| names.contains(part));
    let skipped = if parts.first().is_some_and(|first| ROOTS.contains(first)) && is_top(1, &TOP) {
        1
    } else {
        (0..3).find(|&at| is_top(at, if at == 0 { &TOP } else { &ANCHORS })).unwrap_or(0)
    };
    let joined = parts.get(skipped..).unwrap_or_default().join(&b'/');
    EvidencePath::new(joined).unwrap_or_else(|_| EvidencePath::root())
}

/// Says whether a name, taken at its word, leaves the folder it is unpacked in. An absolute name does not: every program that unpacks takes the slash off
/// unless it is told otherwise.
pub(super) fn escapes(name: &[u8]) -> bool {
    let mut depth = 0_i64;
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

/// Gives every member of a content that can be unpacked, with its bytes where it fits into memory, and says what could not be looked into.
/// `name` is what the file is called; it decides nothing but the names of what a compressed file holds.
pub fn archive_members(
    content: &[u8],
    name: &EvidencePath,
    limits: &Limits,
    found: &mut dyn FnMut(&ArchiveMember, Option<&[u8]>),
) -> Vec<Gap> {
    struct Give<'a>(&'a mut dyn FnMut(&ArchiveMember, Option<&[u8]>));
    impl Judge for Give<'_> {
        fn whole(&mut self, member: &ArchiveMember, content: &[u8]) {
            (self.0)(member, Some(content));
        }

        fn part(&mut self, member: &ArchiveMember, part: &super::part::Part<'_>) {
            if part.offset == 0 {
                (self.0)(member, None);
            }
        }
    }
    let mut give = Give(found);
    let walk = Walk::whole(content, name, limits, &mut give);
    walk.troubles.gaps(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_the_place_that_it_would_have() {
        for (name, expected) in [
            (&b"var/www/html/x.php"[..], "/var/www/html/x.php"),
            (b"./etc/crontab", "/etc/crontab"),
            (b"/etc/crontab", "/etc/crontab"),
            (b"files/etc/asterisk/a.conf", "/etc/asterisk/a.conf"),
            (b"customdir/tmp/.x/run", "/tmp/.x/run"),
            (b"host-2026/etc/cron.d/x", "/etc/cron.d/x"),
            (b"a/b/root/.ssh/authorized_keys", "/root/.ssh/authorized_keys"),
            (b"project/tmp/x", "/project/tmp/x"),
            (b"etc", "/etc"),
            (b"x/etc", "/x/etc"),
            (b"../../etc/cron.d/x", "/etc/cron.d/x"),
            (b"a\0b/c", "/c"),
            (b"a\\b.php", "/a/b.php"),
            (b"", "/"),
        ] {
            assert_eq!(place(name).to_string(), expected);
        }
    }

    #[test]
    fn only_names_that_leave_the_folder_escape() {
        for name in [&b"../x"[..], b"a/../../x", b"/../x", b"./../x"] {
            assert!(escapes(name), "{name:?}");
        }
        for name in [&b"/etc/passwd"[..], b"a/../b", b"..a/b", b"a..", b""] {
            assert!(!escapes(name), "{name:?}");
        }
    }
}
