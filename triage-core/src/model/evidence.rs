//! The file that evidence is read from.

use super::digest::Digest;
use serde::{Deserialize, Serialize};

/// An archive, an image or a bundle that is read as evidence, as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceFile {
    /// Its name without folders, escaped.
    pub name: String,
    /// Its size in bytes.
    #[serde(rename = "size_bytes")]
    pub size: u64,
    /// SHA-256 of the whole file.
    pub sha256: Digest,
}
