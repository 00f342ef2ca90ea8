//! Putting a saved state back. What somebody else changed since the run is a conflict and stays as it is.

use super::account::is_account_file;
use super::{Change, Obstacle, State, told};
use crate::model::{EvidencePath, FileKind};

pub(super) fn change(from: &State, to: &State, now: &State) -> Result<Change, Obstacle> {
    for state in [from, to] {
        if let State::Present(present) = state {
            match present.meta.kind {
                FileKind::File if present.sha256.is_none() => {
                    return Err(Obstacle::Blocked("the content that the run found or left is not known".to_owned()));
                }
                FileKind::Directory if from.is_same_object(to) => {}
                FileKind::Directory | FileKind::Unknown => {
                    let kind = present.meta.kind.as_str();
                    return Err(Obstacle::Blocked(format!("a {kind} cannot be put back")));
                }
                _ => {}
            }
        }
    }
    let remaining = now.differences(to);
    if remaining.is_empty() {
        return Ok(Change::Nothing);
    }
    let since = now.differences(from);
    // A restore that was cut short has put everything back but the flags, which come last because they pin the object.
    let is_unfinished = remaining == ["inode_flags"] && now.is_same_object(to);
    if !(since.is_empty() || is_unfinished) {
        let why = match (now, from) {
            (State::Present(_), State::Absent) => "something is there again, and the run had left nothing".to_owned(),
            (State::Absent, State::Present(_)) => "it is gone, and not by the run".to_owned(),
            _ => format!("it is not what the run left there, somebody changed it since: {}", told(&since)),
        };
        return Err(Obstacle::Stale(why));
    }
    // What only had its metadata changed gets that back and stays the object that it is, with all its names.
    if let (State::Present(present), State::Present(wanted)) = (now, to)
        && matches!(present.meta.kind, FileKind::File | FileKind::Directory)
        && now.is_same_object(to)
    {
        let is_file = present.meta.is_file();
        if let (State::Present(then), true) = (from, is_file)
            && let (Some(links), Some(before)) = (present.meta.links, then.meta.links)
            && links > before
        {
            return Err(Obstacle::Stale(
                "it got another name (hard link) since, which would change with it".to_owned(),
            ));
        }
        let mut meta = wanted.meta.clone();
        // As it is: the rest tells which object it is.
        (meta.inode, meta.device, meta.links) = (present.meta.inode, present.meta.device, present.meta.links);
        (meta.btime, meta.ctime) = (present.meta.btime, present.meta.ctime);
        if !is_file {
            (meta.mtime, meta.atime, meta.size) = (present.meta.mtime, present.meta.atime, present.meta.size);
        }
        return Ok(Change::Alter(Box::new(meta)));
    }
    Ok(Change::Put)
}

/// A good copy in place of an altered or missing file. What was seen when it was planned is the only thing that it replaces.
pub(super) fn change_file(path: &EvidencePath, from: &State, to: &State, now: &State) -> Result<Change, Obstacle> {
    let State::Present(good) = to else {
        return Err(Obstacle::Blocked("there is no good copy".to_owned()));
    };
    if !good.meta.is_file() || good.sha256.is_none() {
        return Err(Obstacle::Blocked("the good copy is no file of known content".to_owned()));
    }
    if is_account_file(path) {
        return Err(Obstacle::Blocked(
            "accounts made since the copy would go with it: restore them one by one".to_owned(),
        ));
    }
    if let State::Present(present) = now {
        match (present.meta.kind, present.meta.links) {
            (FileKind::File, Some(links)) if links > 1 => {
                return Err(Obstacle::Blocked(format!(
                    "it has {links} names (hard links), and they would be torn apart"
                )));
            }
            (FileKind::File | FileKind::Symlink, _) => {}
            (kind, _) => return Err(Obstacle::Blocked(format!("there is a {} of that name", kind.as_str()))),
        }
    }
    if now.differences(to).is_empty() {
        return Ok(Change::Nothing);
    }
    // The content is what matters: who owns it and when it was changed may be another answer from another source.
    if !now.is_same_object(from) {
        return Err(Obstacle::Stale("its content is not the one that was seen".to_owned()));
    }
    Ok(Change::Make(good.clone()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::action::Action;
    use crate::action::testing::{file, file_with, kind};
    use crate::model::{FileMeta, Mode};

    fn restore(from: State, to: State, now: &State) -> Result<Change, Obstacle> {
        Action::Restore { path: EvidencePath::new("/a").unwrap(), from, to }.change(now, None)
    }

    #[test]
    fn only_what_the_run_left_is_replaced() {
        assert_eq!(restore(State::Absent, file(b"a"), &State::Absent), Ok(Change::Put));
        assert_eq!(restore(file(b"b"), file(b"a"), &file(b"b")), Ok(Change::Put));
        assert_eq!(restore(file(b"b"), State::Absent, &file(b"b")), Ok(Change::Put));
        assert_eq!(restore(State::Absent, file(b"a"), &file(b"a")), Ok(Change::Nothing));
        assert!(matches!(restore(file(b"b"), file(b"a"), &file(b"c")), Err(Obstacle::Stale(_))));
        assert!(matches!(restore(State::Absent, file(b"a"), &file(b"c")), Err(Obstacle::Stale(_))));
        assert!(matches!(restore(file(b"b"), file(b"a"), &State::Absent), Err(Obstacle::Stale(_))));
    }

    #[test]
    fn a_changed_owner_is_a_conflict_too() {
        let chowned = file_with(b"b", |meta| meta.uid = 33);
        let Err(Obstacle::Stale(why)) = restore(file(b"b"), file(b"a"), &chowned) else { panic!() };
        assert!(why.ends_with(": owner"), "{why}");
    }

    #[test]
    fn a_restore_that_stopped_before_the_flags_goes_on() {
        let pinned = file_with(b"a", |meta| meta.inode_flags = Some(FileMeta::IMMUTABLE));
        let unpinned = file_with(b"a", |meta| meta.inode_flags = Some(0));
        assert!(matches!(restore(State::Absent, pinned, &unpinned), Ok(Change::Alter(_))));
    }

    #[test]
    fn a_file_of_which_only_metadata_was_changed_stays_the_object_that_it_is() {
        let linked = |mode: u32, links: u64| {
            file_with(b"a", |meta| {
                (meta.mode, meta.links) = (Mode::new(mode), Some(links));
                meta.inode = Some(7);
            })
        };
        let Ok(Change::Alter(meta)) = restore(linked(0o600, 1), linked(0o644, 1), &linked(0o600, 1)) else { panic!() };
        assert_eq!((meta.mode, meta.inode), (Mode::new(0o644), Some(7)));
        let more = restore(linked(0o600, 1), linked(0o644, 1), &linked(0o600, 2));
        assert!(matches!(more, Err(Obstacle::Stale(_))), "{more:?}");
    }

    #[test]
    fn a_good_copy_replaces_only_what_was_seen() {
        let action = |path: &str, from: State, to: State| Action::RestoreFile {
            path: EvidencePath::new(path).unwrap(),
            from,
            to,
            origin: "b.tar.zst".to_owned(),
            source_sha256: None,
        };
        let bin = action("/usr/bin/ls", file(b"bad"), file(b"good"));
        assert!(matches!(bin.change(&file(b"bad"), None), Ok(Change::Make(_))));
        assert_eq!(bin.change(&file(b"good"), None), Ok(Change::Nothing));
        assert!(matches!(bin.change(&file(b"mended"), None), Err(Obstacle::Stale(_))));
        assert!(matches!(bin.change(&State::Absent, None), Err(Obstacle::Stale(_))));
        assert!(matches!(
            action("/usr/bin/ls", State::Absent, file(b"good")).change(&State::Absent, None),
            Ok(Change::Make(_))
        ));
        assert!(matches!(
            action("/etc/shadow", file(b"bad"), file(b"good")).change(&file(b"bad"), None),
            Err(Obstacle::Blocked(_))
        ));
        let linked = file_with(b"bad", |meta| meta.links = Some(2));
        assert!(matches!(bin.change(&linked, None), Err(Obstacle::Blocked(_))));
        assert!(matches!(bin.change(&kind(FileKind::Directory), None), Err(Obstacle::Blocked(_))));
    }

    #[test]
    fn a_folder_or_unknown_content_is_not_put_back() {
        let folder = kind(FileKind::Directory);
        assert!(matches!(restore(State::Absent, folder, &State::Absent), Err(Obstacle::Blocked(_))));
        let unread = kind(FileKind::File);
        assert!(matches!(restore(State::Absent, unread, &State::Absent), Err(Obstacle::Blocked(_))));
    }
}
