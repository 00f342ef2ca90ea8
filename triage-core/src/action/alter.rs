//! Metadata of an object that stays the same object: mode, owner, times, inode flags.

use super::{Change, Obstacle, Present, State};
use crate::model::{EvidencePath, FileKind, FileMeta, Mode, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Some of an object's metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Attributes {
    /// Permission bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// Content modification time; of files only. An access time is not set: the next reader would move it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtime: Option<Timestamp>,
}

impl Attributes {
    /// Those of `meta` that `wanted` has, too.
    pub fn seen(meta: &FileMeta, wanted: &Self) -> Self {
        Self {
            mode: wanted.mode.map(|_| meta.mode),
            uid: wanted.uid.map(|_| meta.uid),
            gid: wanted.gid.map(|_| meta.gid),
            mtime: wanted.mtime.and(meta.mtime),
        }
    }
}

/// An inode flag that keeps an object as it is (`chattr(1)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InodeFlag {
    /// Nobody changes, renames or removes it, root neither: `+i`.
    Immutable,
    /// It only grows: `+a`.
    AppendOnly,
}

impl InodeFlag {
    fn bit(self) -> u32 {
        match self {
            Self::Immutable => FileMeta::IMMUTABLE,
            Self::AppendOnly => FileMeta::APPEND_ONLY,
        }
    }

    /// The word in text and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Immutable => "immutable",
            Self::AppendOnly => "append_only",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Immutable, Self::AppendOnly].into_iter().find(|flag| flag.as_str() == word)
    }
}

fn bits(flags: &BTreeSet<InodeFlag>) -> u32 {
    flags.iter().fold(0, |bits, flag| bits | flag.bit())
}

/// A file or folder whose metadata can be set without touching anything else.
fn alterable<'a>(path: &EvidencePath, now: &'a State) -> Result<&'a Present, Obstacle> {
    let State::Present(present) = now else {
        return Err(Obstacle::Stale("it is gone".to_owned()));
    };
    if path.is_root() {
        return Err(Obstacle::Blocked("the root itself is never changed".to_owned()));
    }
    match (present.meta.kind, present.meta.links) {
        (FileKind::File, Some(links)) if links > 1 => {
            Err(Obstacle::Blocked(format!("it has {links} names (hard links), and each of them would change")))
        }
        (FileKind::File | FileKind::Directory, _) => Ok(present),
        (kind, _) => {
            Err(Obstacle::Blocked(format!("it is a {}, and only those of files and folders are set", kind.as_str())))
        }
    }
}

pub(super) fn change(path: &EvidencePath, from: &Attributes, to: &Attributes, now: &State) -> Result<Change, Obstacle> {
    let present = alterable(path, now)?;
    let is_folder = present.meta.kind == FileKind::Directory;
    if is_folder && to.mtime.is_some() {
        return Err(Obstacle::Blocked("the times of a folder belong to the file system".to_owned()));
    }
    let mut meta = present.meta.clone();
    settle("mode", &mut meta.mode, from.mode, to.mode)?;
    settle("owner", &mut meta.uid, from.uid, to.uid)?;
    settle("group", &mut meta.gid, from.gid, to.gid)?;
    settle("modification time", &mut meta.mtime, from.mtime.map(Some), to.mtime.map(Some))?;
    Ok(if meta == present.meta { Change::Nothing } else { Change::Alter(Box::new(meta)) })
}

fn settle<T: PartialEq + std::fmt::Debug>(
    what: &str,
    now: &mut T,
    from: Option<T>,
    to: Option<T>,
) -> Result<(), Obstacle> {
    let Some(to) = to else { return Ok(()) };
    if *now != to && from.is_some_and(|from| from != *now) {
        return Err(Obstacle::Stale(format!("its {what} is not the one that was seen")));
    }
    *now = to;
    Ok(())
}

pub(super) fn change_flags(
    path: &EvidencePath,
    set: &BTreeSet<InodeFlag>,
    clear: &BTreeSet<InodeFlag>,
    now: &State,
) -> Result<Change, Obstacle> {
    let present = alterable(path, now)?;
    if let Some(both) = set.intersection(clear).next() {
        return Err(Obstacle::Blocked(format!("`{}` cannot be set and cleared at once", both.as_str())));
    }
    let Some(flags) = present.meta.inode_flags else {
        return Err(Obstacle::Blocked("its file system has no inode flags".to_owned()));
    };
    let wanted = (flags & !bits(clear)) | bits(set);
    if wanted == flags {
        return Ok(Change::Nothing);
    }
    let mut meta = present.meta.clone();
    meta.inode_flags = Some(wanted);
    Ok(Change::Alter(Box::new(meta)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::action::Action;
    use crate::action::testing::{file_with, kind};

    fn set(from: u32, to: u32, now: &State) -> Result<Change, Obstacle> {
        let mode = |bits| Attributes { mode: Some(Mode::new(bits)), ..Attributes::default() };
        let path = EvidencePath::new("/usr/bin/su").unwrap();
        Action::SetMetadata { path, from: mode(from), to: mode(to) }.change(now, None)
    }

    #[test]
    fn only_what_was_seen_is_changed() {
        let now = file_with(b"x", |meta| meta.mode = Mode::new(0o6755));
        let Ok(Change::Alter(meta)) = set(0o6755, 0o755, &now) else { panic!() };
        assert_eq!(meta.mode, Mode::new(0o755));
        assert_eq!(set(0o755, 0o6755, &now), Ok(Change::Nothing));
        assert!(matches!(set(0o700, 0o755, &now), Err(Obstacle::Stale(_))));
        assert!(matches!(set(0o700, 0o755, &State::Absent), Err(Obstacle::Stale(_))));
    }

    #[test]
    fn shadow_linked_under_the_files_name_does_not_become_readable() {
        let now = file_with(b"root:$6$x:1::::::", |meta| (meta.mode, meta.links) = (Mode::new(0o600), Some(2)));
        assert!(matches!(set(0o600, 0o644, &now), Err(Obstacle::Blocked(_))));
        assert!(matches!(set(0o644, 0o600, &kind(FileKind::Symlink)), Err(Obstacle::Blocked(_))));
    }

    #[test]
    fn a_folder_has_a_mode_and_no_times_of_ours() {
        let folder = kind(FileKind::Directory);
        assert!(matches!(set(0o644, 0o755, &folder), Ok(Change::Alter(_))));
        let to = Attributes { mtime: Some(Timestamp::new(1, 0)), ..Attributes::default() };
        let path = EvidencePath::new("/var/www").unwrap();
        let action = Action::SetMetadata { path, from: Attributes::default(), to };
        assert!(matches!(action.change(&folder, None), Err(Obstacle::Blocked(_))));
    }

    #[test]
    fn flags_are_set_and_cleared_and_the_others_stay() {
        let now = file_with(b"x", |meta| meta.inode_flags = Some(FileMeta::IMMUTABLE | 0x8_0000));
        let flags = |set: &[InodeFlag], clear: &[InodeFlag], now: &State| {
            let (set, clear) = (set.iter().copied().collect(), clear.iter().copied().collect());
            Action::SetFlags { path: EvidencePath::new("/a").unwrap(), set, clear }.change(now, None)
        };
        let Ok(Change::Alter(meta)) = flags(&[InodeFlag::AppendOnly], &[InodeFlag::Immutable], &now) else { panic!() };
        assert_eq!(meta.inode_flags, Some(FileMeta::APPEND_ONLY | 0x8_0000));
        assert_eq!(flags(&[InodeFlag::Immutable], &[], &now), Ok(Change::Nothing));
        let both = [InodeFlag::Immutable];
        assert!(matches!(flags(&both, &both, &now), Err(Obstacle::Blocked(_))));
        assert!(matches!(flags(&both, &[], &kind(FileKind::File)), Err(Obstacle::Blocked(_))));
    }
}
