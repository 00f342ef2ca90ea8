//! What comes back: good copies of files, and lines of accounts from the copies that programs leave beside them.

use super::look::reason;
use super::{Proposed, Scene, Seen};
use crate::action::{Action, LABEL, Present, State, line_of, memberships, observe};
use crate::model::{Digest, EvidencePath, Mode, RawText, escape};
use crate::plan::StepStatus;

impl Scene<'_> {
    /// A good copy of a file, if there is one: its content, and as much of its metadata as its source keeps. `named` is where the playbook
    /// says that it is; nothing where it leaves that open.
    pub(super) fn restore(&mut self, path: &EvidencePath, named: &str, seen: &Seen) -> Proposed {
        let from = seen.state.clone();
        let propose = |to: State, origin: String, source_sha256: Option<Digest>, obstacle| Proposed {
            action: Action::RestoreFile { path: path.clone(), from: from.clone(), to, origin, source_sha256 },
            obstacle,
        };
        let blocked = |why: String| Some(StepStatus::Blocked { why });
        // Its own folder's owner is the best guess for a file that is gone, where the source does not keep owners.
        let folder = path.parent().filter(|_| !seen.state.is_present()).map(|folder| self.look(&folder).state.clone());
        if !named.is_empty() && !self.named.contains_key(named) {
            let opened = (self.open_source)(named);
            self.named.insert(named.to_owned(), opened);
        }
        let material = match self.named.get(named) {
            Some(Ok(source)) => Some(source.as_ref()),
            Some(Err(why)) => {
                let why = format!("`{}` cannot be used: {why}", escape(named.as_bytes()));
                return propose(from.clone(), escape(named.as_bytes()), None, blocked(why));
            }
            None => self.material,
        };
        let Some(material) = material else {
            let what = "where a good copy is: `--from` a bundle, a package file, a module's archive, a tree, or a run"
                .to_owned();
            return propose(from.clone(), String::new(), None, Some(StepStatus::NeedsInput { what }));
        };
        let (origin, identity) = (material.label(), material.identity());
        let good = match observe(material, path, 0) {
            Ok((State::Present(good), _)) if good.meta.is_file() && good.sha256.is_some() => good,
            Ok(_) => {
                let why = format!("{origin} has no copy of it");
                return propose(from.clone(), origin, identity, blocked(why));
            }
            Err(error) => {
                let why = format!("no good copy: {}", reason(&error));
                return propose(from.clone(), origin, identity, blocked(why));
            }
        };
        let kept = material.kept();
        let mut meta = good.meta.clone();
        (meta.inode, meta.device, meta.links, meta.atime, meta.ctime, meta.btime) =
            (None, None, None, None, None, None);
        (meta.inode_flags, meta.xattrs_omitted) = (None, 0);
        if !kept.mtimes {
            meta.mtime = None;
        }
        if let (Some(State::Present(folder)), false) = (&folder, kept.owners) {
            (meta.uid, meta.gid) = (folder.meta.uid, folder.meta.gid);
        }
        if let State::Present(now) = &seen.state {
            if !kept.owners {
                (meta.uid, meta.gid) = (now.meta.uid, now.meta.gid);
            }
            if !kept.modes && now.meta.is_file() {
                // Set-id bits are nothing that comes without its owner: where the copy does not say them, they are the intruder's.
                meta.mode = Mode::new(now.meta.mode.bits() & 0o1777);
            }
            if !kept.attributes {
                // The label is the place's; whatever else hangs on the altered file is the intruder's.
                meta.xattrs = now.meta.xattrs.clone();
                meta.xattrs.retain(|name, _| name == LABEL);
            }
        }
        propose(State::Present(Box::new(Present { meta, sha256: good.sha256 })), origin, identity, None)
    }

    pub(super) fn restore_account(&mut self, path: EvidencePath, name: &RawText, content: &[u8]) -> Proposed {
        let copy = copy_of(&path);
        let from = line_of(&path, content, name.as_bytes()).map(RawText::from);
        let good = self.look(&copy).content.clone().and_then(|content| line_of(&copy, &content, name.as_bytes()));
        let obstacle =
            good.is_none().then(|| StepStatus::Blocked { why: format!("`{copy}` has no one line for `{name}`") });
        let to = RawText::from(good.unwrap_or_default());
        Proposed { action: Action::RestoreAccount { path, name: name.clone(), from, to }, obstacle }
    }

    /// The groups of a file in which the membership of `name` is not what the copy of the file says.
    pub(in crate::plan) fn memberships(&mut self, path: &EvidencePath, name: &RawText) -> Vec<RawText> {
        let (Some(now), Some(copy)) = (self.text(path), self.text(&copy_of(path))) else { return Vec::new() };
        memberships(path, &now, &copy, name.as_bytes()).into_iter().map(|[group, ..]| group).collect()
    }

    /// As it is now: an earlier step may have changed the line. None where nothing is left to be done.
    pub(super) fn restore_member(
        &mut self,
        path: EvidencePath,
        group: &RawText,
        name: &RawText,
        content: &[u8],
    ) -> Option<Proposed> {
        let copy = self.text(&copy_of(&path))?;
        let mut found = memberships(&path, content, &copy, name.as_bytes()).into_iter();
        let [name, from, to] = found.find(|[found, ..]| found == group)?;
        let from = (!from.is_empty()).then_some(from);
        Some(Action::RestoreAccount { path, name, from, to }.into())
    }
}

/// The copy that programs leave beside an account file when they change it.
fn copy_of(path: &EvidencePath) -> EvidencePath {
    path.parent().unwrap_or_else(EvidencePath::root).join(&[path.file_name(), b"-"].concat())
}
