//! Putting a saved state back. What somebody else changed since the run is a conflict and stays as it is.

use super::{Change, Obstacle, State};
use crate::model::FileKind;

pub(super) fn change(from: &State, to: &State, now: &State) -> Result<Change, Obstacle> {
    for state in [from, to] {
        if let State::Present(present) = state {
            match present.meta.kind {
                FileKind::File if present.sha256.is_none() => {
                    return Err(Obstacle::Blocked("the content that the run found or left is not known".to_owned()));
                }
                FileKind::File | FileKind::Symlink => {}
                kind => return Err(Obstacle::Blocked(format!("a {} cannot be put back", kind.as_str()))),
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
    if since.is_empty() || is_unfinished {
        return Ok(Change::Put);
    }
    Err(Obstacle::Stale(format!("it is not what the run left there, somebody changed it since: {}", since.join(", "))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::action::Action;
    use crate::action::testing::{file, file_with, kind};
    use crate::model::{EvidencePath, FileMeta};

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
        assert!(why.ends_with(": uid"), "{why}");
    }

    #[test]
    fn a_restore_that_stopped_before_the_flags_goes_on() {
        let pinned = file_with(b"a", |meta| meta.inode_flags = Some(FileMeta::IMMUTABLE));
        let unpinned = file_with(b"a", |meta| meta.inode_flags = Some(0));
        assert_eq!(restore(State::Absent, pinned, &unpinned), Ok(Change::Put));
    }

    #[test]
    fn a_folder_or_unknown_content_is_not_put_back() {
        let folder = kind(FileKind::Directory);
        assert!(matches!(restore(State::Absent, folder, &State::Absent), Err(Obstacle::Blocked(_))));
        let unread = kind(FileKind::File);
        assert!(matches!(restore(State::Absent, unread, &State::Absent), Err(Obstacle::Blocked(_))));
    }
}
