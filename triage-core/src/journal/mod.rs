//! Run folders: what `apply` meant to do, did and kept, so that every change can be explained and undone.
//!
//! A run is a folder with the plan as it was applied, an append-only journal that is on the device before anything is done, and a
//! vault with the original of everything that was touched. `docs/formats/journal.md` is the specification. This module writes
//! under the state folder and nowhere else; it never touches a target, and it never removes or alters what it has once written.

mod chain;
#[cfg(test)]
mod durability;
mod event;
mod run;
mod runs;
mod vault;

pub use chain::{Journal, Line, Torn};
pub use event::{
    Consent, Event, Evidence, Holds, Intent, Kept, LiveIntent, Method, PrivateNames, RunId, RunStarted, StepOutcome,
    StepRef, StepResult,
};
pub use run::{Run, RunState, StepRecord};
pub use runs::{Listed, Lock, Runs, Start};
pub use vault::Vault;

use std::io;
use thiserror::Error;

/// Why the state folder cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The operating system refused or failed.
    #[error("{doing} `{what}`")]
    Io {
        /// What we were doing.
        doing: &'static str,
        /// To what, escaped.
        what: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What is there is not what was written: somebody altered it, or the disk did.
    #[error("`{what}` is damaged: {detail}")]
    Damaged {
        /// Which file, escaped; with the line where it has lines.
        what: String,
        /// How.
        detail: String,
    },
    /// A later version wrote it.
    #[error("`{what}` has format version {version}, and this version of the tool knows {known} at most", known = chain::FORMAT_VERSION)]
    Unsupported {
        /// Which file, escaped.
        what: String,
        /// Its version.
        version: u32,
    },
    /// Another process is changing this host.
    #[error("`{what}` is in use by {holder}")]
    Locked {
        /// The state folder, escaped.
        what: String,
        /// Process and run, as the lock file names them.
        holder: String,
    },
    /// Others could read the vault or forge a journal.
    #[error("state folder `{what}` {detail}")]
    NotPrivate {
        /// The folder, escaped.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Several runs begin so.
    #[error("{count} runs begin with `{word}`: say more of its name")]
    AmbiguousRun {
        /// What was asked for, escaped.
        word: String,
        /// How many.
        count: usize,
    },
    /// There is no such run.
    #[error("there is no run `{0}`")]
    UnknownRun(String),
}

impl JournalError {
    fn io(doing: &'static str, what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { doing, what, source }
    }
}
