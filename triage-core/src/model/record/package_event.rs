//! What package managers did.

use crate::model::path::EvidencePath;
use crate::model::text::RawText;
use crate::model::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum PackageManager {
    Dpkg,
    Apt,
    Rpm,
    Yum,
    Dnf,
}

/// One package in one action of a package manager, from its log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackageEvent {
    /// The log.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Line in it (unpacked), from 1.
    pub line: u64,
    /// The time as the log has it; mostly local and without a zone, in `yum.log` without a year.
    pub time_raw: RawText,
    /// The point in time, where the log says which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// Whose log.
    pub manager: PackageManager,
    /// What was done.
    pub action: PackageAction,
    /// The package's name; for yum and dnf with version and architecture where they cannot be told apart safely.
    pub package: RawText,
    /// Architecture.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub architecture: RawText,
    /// The version afterwards; for a removal the one that went.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub version: RawText,
    /// The version before.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub previous_version: RawText,
    /// The command line that asked for it, without the secrets in it.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub command: RawText,
    /// Who asked for it, as the log has it.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub requested_by: RawText,
}

/// What a package manager did with a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum PackageAction {
    Install,
    Upgrade,
    Downgrade,
    Reinstall,
    Configure,
    Remove,
    Purge,
}
