//! Making a symbolic link where nothing is. The only one that is made is the mask of a unit of systemd, `NAME -> /dev/null`.

use super::{Change, Obstacle, Present, State};
use crate::model::{EvidencePath, FileKind, FileMeta, Mode, RawText};

/// Where a masked unit points.
pub(crate) const MASK: &[u8] = b"/dev/null";

pub(super) fn change(path: &EvidencePath, points_to: &RawText, now: &State) -> Result<Change, Obstacle> {
    // A plan file may have lain where others write: no link of theirs is made.
    if points_to.as_bytes() != MASK || !is_unit_folder(path) {
        return Err(Obstacle::Blocked("only units of systemd are masked, with links to `/dev/null`".to_owned()));
    }
    match now {
        State::Live(_) => Err(Obstacle::Blocked("it is no file".to_owned())),
        State::Absent => {
            let mut meta = FileMeta::bare(FileKind::Symlink, Mode::new(0o777), points_to.as_bytes().len() as u64);
            meta.link_target = Some(points_to.clone());
            Ok(Change::Make(Box::new(Present { meta, sha256: None })))
        }
        State::Present(present) if present.meta.link_target.as_ref() == Some(points_to) => Ok(Change::Nothing),
        State::Present(present) => Err(Obstacle::Stale(format!(
            "there is a {} of that name: it has to be taken out first",
            present.meta.kind.as_str()
        ))),
    }
}

/// Says whether a path is that of a unit where an administrator's units lie: there a mask counts for more than the vendor's file.
pub(crate) fn is_unit_folder(path: &EvidencePath) -> bool {
    path.parent().is_some_and(|folder| matches!(folder.as_bytes(), b"/etc/systemd/system" | b"/etc/systemd/user"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::action::Action;
    use crate::action::testing::file;

    #[test]
    fn a_mask_takes_a_free_place_only_and_points_nowhere_else() {
        let action = |path: &str, to: &str| Action::MakeLink {
            path: EvidencePath::new(path).unwrap(),
            points_to: RawText::from(to),
        };
        let mask = action("/etc/systemd/system/k.service", "/dev/null");
        let Ok(Change::Make(made)) = mask.change(&State::Absent, None) else { panic!() };
        assert_eq!(mask.change(&State::Present(made), None), Ok(Change::Nothing));
        assert!(matches!(mask.change(&file(b"[Unit]"), None), Err(Obstacle::Stale(_))));
        for (path, to) in [("/etc/systemd/system/k.service", "/etc/shadow"), ("/etc/cron.d/k", "/dev/null")] {
            assert!(matches!(action(path, to).change(&State::Absent, None), Err(Obstacle::Blocked(_))), "{path}");
        }
    }
}
