//! What is there after a change, as far as it can be known before.

use super::{Action, Change, Present, State};
use crate::model::Digest;

/// The object after `action` has carried out `change` on it. Times and place on the disk are promised only where they are put back.
pub(crate) fn predict(action: &Action, now: &State, change: &Change) -> State {
    match (change, now, action) {
        (Change::Live, State::Live(now), Action::Live(action)) => State::Live(action.predict(now)),
        (Change::Put, _, Action::Restore { to, .. }) => to.clone(),
        (Change::Remove, ..) => State::Absent,
        (Change::Make(present), ..) => State::Present(present.clone()),
        (Change::Alter(meta), State::Present(present), _) => {
            let mut meta = meta.clone();
            meta.ctime = None;
            State::Present(Box::new(Present { meta: *meta, sha256: present.sha256 }))
        }
        (Change::Rewrite(bytes), State::Present(present), _) => {
            let mut meta = present.meta.clone();
            meta.size = bytes.len() as u64;
            (meta.inode, meta.links) = (None, meta.links.map(|_| 1));
            (meta.mtime, meta.atime, meta.ctime, meta.btime) = (None, None, None, None);
            for signature in ["security.ima", "security.evm"] {
                meta.xattrs.remove(signature);
            }
            State::Present(Box::new(Present { meta, sha256: Some(Digest::of(bytes)) }))
        }
        _ => now.clone(),
    }
}
