//! The read-only parts of every action: what it would do to an object, given what the object is now.
//!
//! An action never writes. [`Action::change`] is a pure function from the present state to a [`Change`]; the plan shows that
//! change to a person and `apply` carries out what the very same function says when the moment has come, so that the dry run
//! and the run cannot differ. Each kind of action has a file of its own and a page in `docs/actions/`.

mod lock_account;
mod observe;
mod preview;
mod quarantine;
mod remove_lines;
mod restore;
mod state;

pub use observe::observe;
pub(crate) use remove_lines::count as matching_lines;

use crate::model::{Digest, EvidencePath, FileMeta, RawText};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The largest file that is edited, in bytes. A crontab or shadow file of that size is not what it says it is.
pub const EDIT_LIMIT: u64 = 8 * 1024 * 1024;

/// What an object is: nothing, or metadata and content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// There is no object of that name.
    Absent,
    /// There is one.
    Present(Box<Present>),
}

/// An object that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Present {
    /// What the file system says of it.
    #[serde(flatten)]
    pub meta: FileMeta,
    /// SHA-256 of its content, for a regular file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
}

/// One thing to do to one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Takes a file out of its place, into the vault of the run.
    QuarantineFile {
        /// The file.
        #[serde(flatten)]
        path: EvidencePath,
        /// The content that was convicted; another content at that place is not touched.
        sha256: Digest,
    },
    /// Takes lines out of a text file and leaves all others byte for byte.
    RemoveLines {
        /// The file.
        #[serde(flatten)]
        path: EvidencePath,
        /// The lines, each without its line end. Every line equal to one of them goes.
        lines: Vec<RawText>,
        /// The most lines that may go; more than that is not what was planned.
        max: u64,
    },
    /// Locks an account: `!` before the password hash and an expiry date in the past, in a `shadow(5)` file, so that neither
    /// a password nor a key logs in.
    LockAccount {
        /// The shadow file.
        #[serde(flatten)]
        path: EvidencePath,
        /// The account's name.
        name: RawText,
    },
    /// Puts a saved state back. Only rollback plans have it.
    Restore {
        /// The object.
        #[serde(flatten)]
        path: EvidencePath,
        /// What the run left there: anything else is a conflict.
        from: State,
        /// What was there before; its content, if it has one, is in the vault under its digest.
        to: State,
    },
}

/// What carrying an action out comes to, for the object as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: the object already is as the action wants it.
    Nothing,
    /// The object leaves its place.
    Remove,
    /// A regular file gets this content; owner, mode, extended attributes and flags stay.
    Rewrite(Vec<u8>),
    /// [`Action::Restore`]: its `to` comes back from the vault, or the object goes where `to` is [`State::Absent`].
    Put,
}

/// Why an action is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Obstacle {
    /// The object no longer meets what the step expects of it.
    #[error("{0}")]
    Stale(String),
    /// It must not be done, whatever the object is.
    #[error("{0}")]
    Blocked(String),
}

impl Action {
    /// The object that it is about.
    pub fn path(&self) -> &EvidencePath {
        match self {
            Self::QuarantineFile { path, .. }
            | Self::RemoveLines { path, .. }
            | Self::LockAccount { path, .. }
            | Self::Restore { path, .. } => path,
        }
    }

    /// The word in JSON's `action`, and the name of its page in `docs/actions/` with `-` for `_`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::QuarantineFile { .. } => "quarantine_file",
            Self::RemoveLines { .. } => "remove_lines",
            Self::LockAccount { .. } => "lock_account",
            Self::Restore { .. } => "restore",
        }
    }

    /// Says whether [`Action::change`] needs the bytes. Edits do; for the others the [`State`] is enough.
    pub fn needs_content(&self) -> bool {
        matches!(self, Self::RemoveLines { .. } | Self::LockAccount { .. })
    }

    /// What carrying it out comes to for an object that is `now`, with `content` where [`Action::needs_content`] says so.
    ///
    /// Pure: the same arguments always give the same change, and what a change leaves behind needs no further change.
    ///
    /// # Errors
    /// [`Obstacle::Stale`] when the object is not what the action expects, [`Obstacle::Blocked`] when it must not be done.
    pub fn change(&self, now: &State, content: Option<&[u8]>) -> Result<Change, Obstacle> {
        match self {
            Self::QuarantineFile { path, sha256 } => quarantine::change(path, sha256, now),
            Self::RemoveLines { path, lines, max } => remove_lines::change(path, lines, *max, now, content),
            Self::LockAccount { name, .. } => lock_account::change(name, now, content),
            Self::Restore { from, to, .. } => restore::change(from, to, now),
        }
    }

    /// The change as a person reads it: a unified diff for an edit, one sentence for the rest. Names are escaped, password hashes
    /// struck out, and a long diff is cut.
    pub fn preview(&self, now: &State, content: Option<&[u8]>, change: &Change) -> String {
        preview::preview(self, now, content, change)
    }
}

/// The bytes of a regular file that may be rewritten in place of the old one.
fn editable<'a>(now: &State, content: Option<&'a [u8]>) -> Result<&'a [u8], Obstacle> {
    let State::Present(present) = now else {
        return Err(Obstacle::Stale("the file is gone".to_owned()));
    };
    if !present.meta.is_file() {
        return Err(Obstacle::Blocked(format!(
            "it is a {}, and only regular files are edited",
            present.meta.kind.as_str()
        )));
    }
    if let Some(links) = present.meta.links.filter(|&links| links > 1) {
        return Err(Obstacle::Blocked(format!("it has {links} names (hard links), and an edit would tear them apart")));
    }
    content.ok_or_else(|| {
        Obstacle::Blocked(format!("its content could not be read whole; files over {EDIT_LIMIT} bytes are not edited"))
    })
}

#[cfg(test)]
pub(crate) mod testing {
    use super::{Present, State};
    use crate::model::{Digest, FileKind, FileMeta, Mode};

    /// A regular file of that content, 0644, root's.
    pub(crate) fn file(content: &[u8]) -> State {
        file_with(content, |_| {})
    }

    /// The same with its metadata changed.
    pub(crate) fn file_with(content: &[u8], edit: impl FnOnce(&mut FileMeta)) -> State {
        let mut meta = FileMeta::bare(FileKind::File, Mode::new(0o644), content.len() as u64);
        edit(&mut meta);
        State::Present(Box::new(Present { meta, sha256: Some(Digest::of(content)) }))
    }

    /// An object of that kind without known content.
    pub(crate) fn kind(kind: FileKind) -> State {
        State::Present(Box::new(Present { meta: FileMeta::bare(kind, Mode::new(0o644), 0), sha256: None }))
    }
}
