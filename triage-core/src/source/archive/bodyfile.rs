//! The bodyfile (The Sleuth Kit's format 3, `MD5|name|inode|mode|UID|GID|size|atime|mtime|ctime|crtime`) that UAC puts beside
//! the files: the times that a tar does not keep.
//!
//! Names are not escaped in it. A name with `|` is read all the same, because the numbers are counted from the end; one with a
//! newline breaks its line in two and is told as a line that could not be read.

use crate::model::{EvidencePath, Timestamp};
use std::collections::HashMap;

/// Largest bodyfile that is read, in bytes.
pub(super) const MAX_BYTES: u64 = 1 << 30;
/// Most lines that are kept.
const MAX_LINES: usize = 8_000_000;

/// What a line adds to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) inode: u64,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: Option<Timestamp>,
    pub(super) atime: Option<Timestamp>,
    pub(super) ctime: Option<Timestamp>,
    pub(super) btime: Option<Timestamp>,
}

/// A bodyfile by path inside the host.
#[derive(Debug, Default)]
pub(super) struct Bodyfile {
    lines: HashMap<EvidencePath, Line>,
    /// Lines that could not be read or were too many.
    pub(super) unread: u64,
}

impl Bodyfile {
    /// Reads it. Only what `wants` is kept. Paths begin with the mount point of the collection, which is that of its first line.
    pub(super) fn parse(bytes: &[u8], wants: &dyn Fn(&EvidencePath) -> bool) -> Self {
        let mut body = Self::default();
        let mut mount: Option<Vec<u8>> = None;
        for line in bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let Some((name, parsed)) = parse_line(line) else {
                body.unread += 1;
                continue;
            };
            let mount = mount.get_or_insert_with(|| name.strip_suffix(b"/").unwrap_or(name).to_vec());
            let inside = name.strip_prefix(mount.as_slice()).filter(|rest| rest.is_empty() || rest.starts_with(b"/"));
            let Some(Ok(path)) = inside.map(EvidencePath::new) else {
                body.unread += 1;
                continue;
            };
            if !wants(&path) {
                continue;
            }
            if body.lines.len() < MAX_LINES {
                // The first counts, as everywhere.
                body.lines.entry(path).or_insert(parsed);
            } else {
                body.unread += 1;
            }
        }
        body
    }

    pub(super) fn line(&self, path: &EvidencePath) -> Option<&Line> {
        self.lines.get(path)
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }
}

fn parse_line(line: &[u8]) -> Option<(&[u8], Line)> {
    let mut fields = line.rsplitn(10, |&byte| byte == b'|');
    let (btime, ctime, mtime, atime) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let (_size, gid, uid, _mode, inode) =
        (fields.next()?, fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let rest = fields.next()?;
    let bar = rest.iter().position(|&byte| byte == b'|')?;
    let name = rest.get(bar + 1..).filter(|name| name.starts_with(b"/"))?;
    // A symbolic link's name goes on with ` -> target`; links are looked up by nothing, so that it does not matter.
    let line = Line {
        inode: number(inode)?,
        uid: u32::try_from(number(uid)?).ok()?,
        gid: u32::try_from(number(gid)?).ok()?,
        mtime: time(mtime),
        atime: time(atime),
        ctime: time(ctime),
        btime: time(btime),
    };
    Some((name, line))
}

fn number(field: &[u8]) -> Option<u64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Seconds since 1970, with a fraction in some versions; 0 is written where it is not known.
fn time(field: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(field).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let digits: String = fraction.chars().take(9).collect();
    let nanoseconds = if digits.is_empty() { 0 } else { format!("{digits:0<9}").parse().ok()? };
    (seconds > 0).then(|| Timestamp::new(seconds, nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_bars_are_read_and_a_newline_in_a_name_is_told() {
        let text = b"0|/mnt/pbx|2|drwxr-xr-x|0|0|4096|1|2|3|4\n\
            0|/mnt/pbx/etc/a|b|17|-rw-r--r--|33|34|5|10|20|30|0\n\
            0|/mnt/pbx/etc/new\nline|18|-rw-r--r--|0|0|5|1|2|3|4\n\
            0|/mnt/pbx2/etc/x|19|-rw-r--r--|0|0|5|1|2|3|4\n\
            0|/mnt/pbx/etc/../x|20|-rw-r--r--|0|0|5|1|2|3|4\n";
        let body = Bodyfile::parse(text, &|_| true);
        let line = body.line(&EvidencePath::new("/etc/a|b").unwrap()).unwrap();
        assert_eq!((line.inode, line.uid, line.gid), (17, 33, 34));
        assert_eq!((line.ctime, line.btime), (Some(Timestamp::new(30, 0)), None));
        assert_eq!((body.len(), body.unread), (2, 4));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_told(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let body = Bodyfile::parse(&bytes, &|_| true);
            assert!(body.len() as u64 + body.unread <= bytes.split(|&b| b == b'\n').count() as u64);
        }
    }
}
