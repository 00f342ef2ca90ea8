//! The evidence bundle: a BagIt 1.0 bag (RFC 8493) of collected files, typed records and a chained log, written as a stream,
//! verified as far as it goes, and read again as a source.
//!
//! It writes one bundle, under a name of its own, and nothing else; it never changes evidence. What it reads back it does not
//! trust: a bundle may come from an intruder. The format is specified in `docs/formats/bundle.md`.

mod access;
mod already;
mod escape;
mod finish;
mod format;
mod frames;
mod index;
mod listing;
mod lookup;
mod manifest;
mod output;
mod reader;
mod resume;
mod seal;
mod segment;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use already::{Already, Had};
pub use escape::{evidence_path, payload_path};
pub use format::{BundleFormat, BundleSink};
pub use lookup::{Found, Lookup};
pub(crate) use manifest::COVERAGE_PATH;
pub use manifest::{BundleInfo, BundleManifest, CaseInfo, Totals};
pub use output::Existing;
pub use reader::{BundleSource, is_bundle, is_bundle_with};
pub use seal::{Recipients, Seal, SealError, Signature, Signer, VerifyingKey};
pub use segment::{Beginning, Event};
pub use verify::{Failure, Keys, Truncation, Verification, verify, verify_with};
pub use writer::{BundleWriter, Ending, Sealed, Stored};

use crate::source::ContainerError;
use std::io;
use thiserror::Error;

/// Why a bundle cannot be written, read or verified.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BundleError {
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
    /// There is already something of that name.
    #[error("`{path}` exists already and is not overwritten")]
    Exists {
        /// The name, escaped.
        path: String,
    },
    /// A file was to be stored a second time.
    #[error("`{path}` is in the bundle already")]
    Repeated {
        /// The file, escaped.
        path: String,
    },
    /// An earlier write failed in the middle of a member, so that nothing can follow it.
    #[error("the bundle is torn by an earlier error and cannot be continued")]
    Torn,
    /// A record that cannot be written as JSON.
    #[error("writing a record of `{what}`")]
    Record {
        /// Its kind.
        what: String,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// Writing the bundle failed: a full disk, a broken pipe.
    #[error("writing the bundle")]
    Writing(
        /// What the system said.
        #[source]
        io::Error,
    ),
    /// Somebody is writing it.
    #[error("`{path}` is being written by another process")]
    Busy {
        /// The name, escaped.
        path: String,
    },
    /// A partial bundle that is to be gone on with is of another collection.
    #[error("`{path}` was begun {other}, and is not gone on with")]
    OtherCollection {
        /// The name, escaped.
        path: String,
        /// What is different.
        other: &'static str,
    },
    /// What was asked for is not possible.
    #[error("{what}")]
    Unsupported {
        /// What, and why not.
        what: String,
    },
    /// The container around the bag cannot be read.
    #[error("the bundle cannot be read")]
    Container(
        /// Why.
        #[source]
        ContainerError,
    ),
    /// The bundle does not hold together.
    #[error("`{what}` is damaged: {detail}")]
    Damaged {
        /// Which part, escaped.
        what: String,
        /// How.
        detail: String,
    },
    /// It was told to stop.
    #[error("stopped before the end")]
    Cancelled,
}

/// What a failure of the output is called, wherever in the bundle it strikes.
fn writing(source: io::Error) -> BundleError {
    BundleError::Writing(source)
}
