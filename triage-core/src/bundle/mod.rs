//! The evidence bundle: a BagIt 1.0 bag (RFC 8493) of collected files, typed records and a chained log, written as a stream,
//! verified as far as it goes, and read again as a source.
//!
//! It writes one bundle, under a name of its own, and nothing else; it never changes evidence. What it reads back it does not
//! trust: a bundle may come from an intruder. The format is specified in `docs/formats/bundle.md`.

mod access;
mod escape;
mod format;
mod frames;
mod index;
mod manifest;
mod output;
mod reader;
mod segment;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use escape::{evidence_path, payload_path};
pub use format::{BundleFormat, BundleSink};
pub use manifest::{BundleInfo, BundleManifest, Totals};
pub use output::Existing;
pub use reader::{BundleSource, is_bundle};
pub use segment::{Beginning, Event};
pub use verify::{Failure, Truncation, Verification, verify};
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
