//! The read-only parts of every action: what it would do to an object, given what the object is now.
//!
//! An action never writes. [`Action::change`] is a pure function from the present state to a [`Change`]; the plan shows that
//! change to a person and `apply` carries out what the very same function says when the moment has come, so that the dry run
//! and the run cannot differ. Each kind of action has a file of its own and a page in `docs/actions/`.

mod account;
mod alter;
mod cron_entry;
mod diff;
mod edit_file;
mod link;
pub mod live;
mod lock_account;
mod observe;
mod predict;
mod preview;
mod quarantine;
mod remove_lines;
mod restore;
mod ssh;
mod state;

pub use account::{Field, is_account_file};
pub use alter::{Attributes, InodeFlag};
pub use cron_entry::CronTable;
pub use edit_file::{LineEdit, Lines};
pub use live::{LiveAction, LiveState, Living};
pub use observe::observe;
pub use ssh::OPTIONS as SSHD_OPTIONS;

pub(crate) use account::{groups_with, line_of, memberships};
pub(crate) use cron_entry::{count as matching_entries, is_at_job};
pub(crate) use edit_file::count as matching_edits;
pub(crate) use link::MASK;
pub(crate) use predict::predict;
pub(crate) use remove_lines::count as matching_lines;
pub(crate) use ssh::{count as matching_keys, key_in};
pub(crate) use state::{LABEL, told};

use crate::model::{Digest, EvidencePath, FileKind, FileMeta, RawText};
use live::{LiveChange, LiveObject};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
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
    /// It is no file but a part of a running host.
    Live(LiveState),
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
    /// Takes a symbolic link, FIFO, socket or device node out of its place; the journal keeps all that it was.
    QuarantineSpecial {
        /// The object.
        #[serde(flatten)]
        path: EvidencePath,
        /// What it is: anything but a file or folder.
        #[serde(rename = "type")]
        kind: FileKind,
        /// Where the link that was convicted points; another one is not touched.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        points_to: Option<RawText>,
        /// The device that the node is, as `st_rdev`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        special: Option<u64>,
    },
    /// Puts a good copy in place of a file that was altered or taken away.
    RestoreFile {
        /// The file.
        #[serde(flatten)]
        path: EvidencePath,
        /// What was there when it was planned: anything else is left alone.
        from: State,
        /// What will be there: the content is known by its digest.
        to: State,
        /// Where the good copy was seen, for people.
        origin: String,
        /// SHA-256 of the file that the copy is in: a package, an archive, a bundle.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source_sha256: Option<Digest>,
    },
    /// Sets mode, owner or times of a file, or mode or owner of a folder.
    SetMetadata {
        /// The file or folder.
        #[serde(flatten)]
        path: EvidencePath,
        /// What was seen of those that are set: anything else is left alone.
        from: Attributes,
        /// What they will be.
        to: Attributes,
    },
    /// Sets and clears inode flags of a file or folder.
    SetFlags {
        /// The file or folder.
        #[serde(flatten)]
        path: EvidencePath,
        /// Flags that it will have.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        set: BTreeSet<InodeFlag>,
        /// Flags that it will not have.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        clear: BTreeSet<InodeFlag>,
    },
    /// Edits a text file line by line.
    EditFile {
        /// The file.
        #[serde(flatten)]
        path: EvidencePath,
        /// What is done to it, in this order.
        edits: Vec<LineEdit>,
    },
    /// Takes jobs out of a crontab and leaves everything else in it, settings and comments too, byte for byte.
    RemoveCronEntry {
        /// The table.
        #[serde(flatten)]
        path: EvidencePath,
        /// What kind of table it is.
        table: CronTable,
        /// The jobs, each as its line without the line end; blanks around it do not count.
        entries: Vec<RawText>,
        /// The most jobs that may go.
        max: u64,
    },
    /// Sets the day on which an account expired to one in the past, in a `shadow(5)` file.
    ExpireAccount {
        /// The shadow file.
        #[serde(flatten)]
        path: EvidencePath,
        /// The account's name.
        name: RawText,
    },
    /// Takes an account out of a group, in a `group(5)` or `gshadow(5)` file.
    RemoveFromGroup {
        /// The file.
        #[serde(flatten)]
        path: EvidencePath,
        /// The group.
        group: RawText,
        /// The account's name.
        name: RawText,
    },
    /// Sets the login shell of an account, in a `passwd(5)` file.
    SetShell {
        /// The account file.
        #[serde(flatten)]
        path: EvidencePath,
        /// The account's name.
        name: RawText,
        /// The program, from the root.
        shell: RawText,
    },
    /// Gives the line of one account in a `passwd(5)` or `shadow(5)` file, or of one group in a `group(5)` or `gshadow(5)` file, back what the
    /// copy beside it (`passwd-`) says. A password stays as it is; in `shadow`, a mark that lets nobody in comes back.
    RestoreAccount {
        /// The file.
        #[serde(flatten)]
        path: EvidencePath,
        /// The name at the beginning of the line: the account's, or the group's.
        name: RawText,
        /// The line that was seen; none where there was none. The password field is struck out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<RawText>,
        /// The line that comes, its password field struck out.
        to: RawText,
    },
    /// Takes every line with a public key out of an `authorized_keys` file, whatever options and comment it has.
    RemoveKey {
        /// The file.
        #[serde(flatten)]
        path: EvidencePath,
        /// The key as it stands in the file, in base64.
        key: RawText,
        /// The most lines that may go.
        max: u64,
    },
    /// Sets an option in the part of an `sshd_config(5)` file that holds for everybody.
    SetOption {
        /// The file.
        #[serde(flatten)]
        path: EvidencePath,
        /// The option's name.
        option: String,
        /// Its value.
        value: RawText,
    },
    /// Makes a symbolic link where nothing is: masks a unit of systemd.
    MakeLink {
        /// The link.
        #[serde(flatten)]
        path: EvidencePath,
        /// Where it points.
        points_to: RawText,
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
    /// Something that is done to a running host and not to a file of it.
    #[serde(untagged)]
    Live(LiveAction),
}

/// What an action is about: the key by which steps on one object are brought together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object<'a> {
    /// What has this name.
    File(&'a EvidencePath),
    /// A part of the running host.
    Live(LiveObject),
}

impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{path}"),
            Self::Live(object) => write!(f, "{object}"),
        }
    }
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
    /// The object that is there gets this metadata; it stays the same inode with the same content.
    Alter(Box<FileMeta>),
    /// This object comes into the place, instead of what is there. A content is known by its digest.
    Make(Box<Present>),
    /// [`Action::Restore`]: its `to` comes back from the vault, or the object goes where `to` is [`State::Absent`].
    Put,
    /// [`Action::Live`]: it is carried out as it stands.
    Live,
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
    pub fn object(&self) -> Object<'_> {
        match self {
            Self::QuarantineFile { path, .. }
            | Self::QuarantineSpecial { path, .. }
            | Self::RemoveLines { path, .. }
            | Self::LockAccount { path, .. }
            | Self::RestoreFile { path, .. }
            | Self::SetMetadata { path, .. }
            | Self::SetFlags { path, .. }
            | Self::EditFile { path, .. }
            | Self::RemoveCronEntry { path, .. }
            | Self::ExpireAccount { path, .. }
            | Self::RemoveFromGroup { path, .. }
            | Self::SetShell { path, .. }
            | Self::RestoreAccount { path, .. }
            | Self::RemoveKey { path, .. }
            | Self::SetOption { path, .. }
            | Self::MakeLink { path, .. }
            | Self::Restore { path, .. } => Object::File(path),
            Self::Live(action) => Object::Live(action.object()),
        }
    }

    /// The file that it is about; none for what is done to a running host.
    pub fn path(&self) -> Option<&EvidencePath> {
        match self.object() {
            Object::File(path) => Some(path),
            Object::Live(_) => None,
        }
    }

    /// The word in JSON's `action`, and the name of its page in `docs/actions/` with `-` for `_`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::QuarantineFile { .. } => "quarantine_file",
            Self::QuarantineSpecial { .. } => "quarantine_special",
            Self::RestoreFile { .. } => "restore_file",
            Self::SetMetadata { .. } => "set_metadata",
            Self::SetFlags { .. } => "set_flags",
            Self::EditFile { .. } => "edit_file",
            Self::RemoveCronEntry { .. } => "remove_cron_entry",
            Self::ExpireAccount { .. } => "expire_account",
            Self::RemoveFromGroup { .. } => "remove_from_group",
            Self::SetShell { .. } => "set_shell",
            Self::RestoreAccount { .. } => "restore_account",
            Self::RemoveKey { .. } => "remove_key",
            Self::SetOption { .. } => "set_option",
            Self::MakeLink { .. } => "make_link",
            Self::RemoveLines { .. } => "remove_lines",
            Self::LockAccount { .. } => "lock_account",
            Self::Restore { .. } => "restore",
            Self::Live(action) => action.kind(),
        }
    }

    /// Says whether a rollback brings back what it changes.
    pub fn is_reversible(&self) -> bool {
        match self {
            Self::Live(action) => action.is_reversible(),
            _ => true,
        }
    }

    /// Says whether [`Action::change`] needs the bytes. Edits do; for the others the [`State`] is enough.
    pub fn needs_content(&self) -> bool {
        matches!(
            self,
            Self::RemoveLines { .. }
                | Self::LockAccount { .. }
                | Self::EditFile { .. }
                | Self::RemoveCronEntry { .. }
                | Self::ExpireAccount { .. }
                | Self::RemoveFromGroup { .. }
                | Self::SetShell { .. }
                | Self::RestoreAccount { .. }
                | Self::RemoveKey { .. }
                | Self::SetOption { .. }
        )
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
            Self::QuarantineSpecial { path, kind, points_to, special } => {
                quarantine::change_special(path, *kind, points_to.as_ref(), *special, now)
            }
            Self::RestoreFile { path, from, to, .. } => restore::change_file(path, from, to, now),
            Self::SetMetadata { path, from, to } => alter::change(path, from, to, now),
            Self::SetFlags { path, set, clear } => alter::change_flags(path, set, clear, now),
            Self::EditFile { path, edits } => edit_file::change(path, edits, now, content),
            Self::RemoveCronEntry { path, table, entries, max } => {
                cron_entry::change(path, *table, entries, *max, now, content)
            }
            Self::ExpireAccount { path, name } => account::expire(path, name, now, content),
            Self::RemoveFromGroup { path, group, name } => account::remove_from_group(path, group, name, now, content),
            Self::SetShell { path, name, shell } => account::set_shell(path, name, shell, now, content),
            Self::RestoreAccount { path, name, from, to } => {
                account::restore(path, name, from.as_ref(), to, now, content)
            }
            Self::RemoveKey { path, key, max } => ssh::remove_key(path, key, *max, now, content),
            Self::SetOption { path, option, value } => ssh::set_option(path, option, value, now, content),
            Self::MakeLink { path, points_to } => link::change(path, points_to, now),
            Self::RemoveLines { path, lines, max } => remove_lines::change(path, lines, *max, now, content),
            Self::LockAccount { path, name } => lock_account::change(path, name, now, content),
            Self::Restore { from, to, .. } => restore::change(from, to, now),
            Self::Live(action) => match now {
                State::Live(now) => action.change(now).map(|change| match change {
                    LiveChange::Nothing => Change::Nothing,
                    LiveChange::Perform => Change::Live,
                }),
                _ => Err(Obstacle::Blocked("it could not be looked at".to_owned())),
            },
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
