//! How two states of an object are compared.

use super::{Present, State};
use crate::model::FileKind;
use crate::sys::change::SETTABLE_FLAGS;

impl State {
    /// Says whether there is a file, or whatever else has a name.
    pub fn is_present(&self) -> bool {
        matches!(self, Self::Present(_))
    }

    /// Says whether both are the same thing as far as content goes: kind, digest of the content, target of a link. A regular file
    /// whose digest is not known is the same as no other.
    pub fn is_same_object(&self, other: &State) -> bool {
        match (self, other) {
            (Self::Absent, Self::Absent) => true,
            (Self::Present(a), Self::Present(b)) => {
                let is_known = a.meta.kind != FileKind::File || a.sha256.is_some();
                is_known
                    && a.meta.kind == b.meta.kind
                    && a.sha256 == b.sha256
                    && a.meta.link_target == b.meta.link_target
            }
            (Self::Live(a), Self::Live(b)) => a == b,
            _ => false,
        }
    }

    /// The names of what differs in everything that a rollback restores: `existence`, or some of `type`, `mode`, `uid`, `gid`,
    /// `size_bytes`, `sha256`, `link_target`, `special`, `xattrs`, `inode_flags`, `mtime`, in this order.
    ///
    /// Access, change and creation time, inode, device and number of links are not compared: they cannot be put back.
    /// A modification time, inode flags or a label of `SELinux` that one side cannot tell are not held to differ; an unknown digest is. Content, size and
    /// time of anything but files and links belong to the file system.
    pub fn differences(&self, other: &State) -> Vec<String> {
        let (m, n): (&Present, &Present) = match (self, other) {
            (Self::Absent, Self::Absent) => return Vec::new(),
            (Self::Present(m), Self::Present(n)) => (m, n),
            (Self::Live(a), Self::Live(b)) => return a.differences(b),
            _ => return vec!["existence".to_owned()],
        };
        let has_content = matches!(m.meta.kind, FileKind::File | FileKind::Symlink);
        [
            ("type", m.meta.kind != n.meta.kind),
            ("mode", m.meta.mode != n.meta.mode && m.meta.kind != FileKind::Symlink),
            ("uid", m.meta.uid != n.meta.uid),
            ("gid", m.meta.gid != n.meta.gid),
            ("size_bytes", has_content && m.meta.size != n.meta.size),
            ("sha256", m.sha256 != n.sha256),
            ("link_target", m.meta.link_target != n.meta.link_target),
            ("special", is_known_to_differ(m.meta.special, n.meta.special)),
            ("xattrs", attributes_differ(m, n)),
            // The other flags tell how a file system stores the object, which is its own business: a file that was put back may be
            // stored in extents where it was not before.
            ("inode_flags", is_known_to_differ(settable(m), settable(n))),
            ("mtime", has_content && is_known_to_differ(m.meta.mtime, n.meta.mtime)),
        ]
        .into_iter()
        .filter(|&(_, differs)| differs)
        .map(|(name, _)| name.to_owned())
        .collect()
    }
}

/// Differences as a person reads them.
pub(crate) fn told(differences: &[String]) -> String {
    let word = |name: &String| match name.as_str() {
        "existence" => "whether it is there".to_owned(),
        "uid" => "owner".to_owned(),
        "gid" => "group".to_owned(),
        "size_bytes" => "size".to_owned(),
        "sha256" => "content".to_owned(),
        "link_target" => "where it points".to_owned(),
        "special" => "which device it is".to_owned(),
        "xattrs" => "extended attributes".to_owned(),
        "inode_flags" => "flags".to_owned(),
        "mtime" => "modification time".to_owned(),
        name => name.to_owned(),
    };
    differences.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// The label of `SELinux`. Under it every object has one, so that an object without one says only that nobody looked.
pub(crate) const LABEL: &str = "security.selinux";

fn attributes_differ(a: &Present, b: &Present) -> bool {
    let (a, b) = (&a.meta.xattrs, &b.meta.xattrs);
    let is_told = |name: &str| name != LABEL || (a.contains_key(LABEL) && b.contains_key(LABEL));
    let told = a.iter().filter(|(name, _)| is_told(name));
    told.ne(b.iter().filter(|(name, _)| is_told(name)))
}

fn settable(present: &Present) -> Option<u32> {
    present.meta.inode_flags.map(|flags| flags & SETTABLE_FLAGS)
}

fn is_known_to_differ<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
    matches!((a, b), (Some(a), Some(b)) if a != b)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::action::testing::file;
    use crate::model::{FileMeta, Mode, RawText, Timestamp};

    fn with(edit: impl FnOnce(&mut Present)) -> State {
        let State::Present(mut present) = file(b"x") else { unreachable!() };
        edit(&mut present);
        State::Present(present)
    }

    #[test]
    fn every_restored_property_is_compared_and_no_other() {
        type Edit = fn(&mut Present);
        let cases: [(&str, Edit); 9] = [
            ("type", |p| p.meta.kind = FileKind::Fifo),
            ("mode", |p| p.meta.mode = Mode::new(0o4755)),
            ("uid", |p| p.meta.uid = 9),
            ("gid", |p| p.meta.gid = 9),
            ("size_bytes", |p| p.meta.size = 9),
            ("sha256", |p| p.sha256 = None),
            ("xattrs", |p| drop(p.meta.xattrs.insert("user.a".to_owned(), RawText::from("b")))),
            ("inode_flags", |p| p.meta.inode_flags = Some(FileMeta::IMMUTABLE)),
            ("mtime", |p| p.meta.mtime = Some(Timestamp::new(1, 2))),
        ];
        let base = with(|p| {
            p.meta.inode_flags = Some(0);
            p.meta.mtime = Some(Timestamp::new(1, 1));
        });
        for (name, edit) in cases {
            let State::Present(mut other) = base.clone() else { unreachable!() };
            edit(&mut other);
            assert_eq!(base.differences(&State::Present(other)), [name]);
        }
        let State::Present(mut other) = base.clone() else { unreachable!() };
        other.meta.atime = Some(Timestamp::new(5, 0));
        other.meta.ctime = Some(Timestamp::new(5, 0));
        other.meta.btime = Some(Timestamp::new(5, 0));
        (other.meta.inode, other.meta.device, other.meta.links) = (Some(1), Some(2), Some(3));
        assert!(base.differences(&State::Present(other)).is_empty());
        assert_eq!(State::Absent.differences(&base), ["existence"]);
    }

    #[test]
    fn how_the_file_system_stores_an_object_is_no_difference() {
        // `EXT4_EXTENTS_FL` and `EXT4_INLINE_DATA_FL` of `linux/fs/ext4`.
        let stored = |flags| with(|p| p.meta.inode_flags = Some(flags));
        assert!(stored(0x0008_0000).differences(&stored(0x1000_0000)).is_empty());
        assert_eq!(stored(0x0008_0000).differences(&stored(0x0008_0020)), ["inode_flags"]);
    }

    /// On a host with `SELinux` a file that was put where nothing was has a label that no plan can know.
    #[test]
    fn a_label_that_one_side_cannot_tell_is_no_difference() {
        let labelled = |label: &str| with(|p| drop(p.meta.xattrs.insert(LABEL.to_owned(), RawText::from(label))));
        assert!(file(b"x").differences(&labelled("etc_t")).is_empty());
        assert_eq!(labelled("etc_t").differences(&labelled("tmp_t")), ["xattrs"]);
    }

    #[test]
    fn what_a_source_cannot_tell_is_no_difference() {
        let told = with(|p| {
            p.meta.inode_flags = Some(FileMeta::IMMUTABLE);
            p.meta.mtime = Some(Timestamp::new(1, 1));
        });
        assert!(file(b"x").differences(&told).is_empty());
    }

    #[test]
    fn a_file_of_unknown_content_is_the_same_as_no_other() {
        let unknown = with(|p| p.sha256 = None);
        assert!(!unknown.is_same_object(&unknown));
        assert!(file(b"x").is_same_object(&with(|p| p.meta.uid = 7)));
        assert!(!file(b"x").is_same_object(&file(b"y")));
        assert!(State::Absent.is_same_object(&State::Absent));
    }
}
