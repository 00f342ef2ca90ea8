//! Packages, as the host's own database tells of them.

use super::package_event::PackageManager;
use crate::model::path::EvidencePath;
use crate::model::text::RawText;
use crate::model::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A package in the database of `dpkg` or `rpm`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Package {
    /// The database file.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Whose database it is.
    pub manager: PackageManager,
    /// Its name.
    pub name: RawText,
    /// Its version as the manager writes it: `[epoch:]version[-release]`.
    pub version: RawText,
    /// The architecture it is built for.
    pub architecture: RawText,
    /// `dpkg`'s three words (`install ok installed`); `installed` for `rpm`.
    pub state: RawText,
    /// Who made it: the vendor (`rpm`) or the maintainer (`dpkg`).
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub vendor: RawText,
    /// When it was installed, where the database says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installed: Option<Timestamp>,
    /// The id of the key that signed it, 16 hexadecimal digits; a claim of the database, not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<String>,
    /// Number of files that the same database file lists for it.
    pub listed_files: u64,
}
