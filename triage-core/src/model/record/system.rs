//! Mounts, PAM stacks, lingering accounts.

use crate::model::path::EvidencePath;
use crate::model::text::RawText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One line of `fstab(5)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FstabEntry {
    /// The table.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Line in it, from 1.
    pub line: u64,
    /// What is mounted, with `\040` and its like undone.
    pub device: RawText,
    /// Where.
    pub target: RawText,
    /// The type of file system.
    pub file_system: RawText,
    /// The options; passwords in them are redacted.
    pub options: Vec<RawText>,
}

/// One line of a PAM stack (`pam.conf(5)`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PamRule {
    /// The file.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Line on which it begins, from 1.
    pub line: u64,
    /// The service: the file's name, or in `pam.conf` the first word.
    pub service: RawText,
    /// `auth`, `account`, `password`, `session`, with a leading `-` where written; empty for `@include`.
    pub facility: RawText,
    /// `required`, `[success=1 default=ignore]`, `include`, …; `@include`.
    pub control: RawText,
    /// The module, or what is included.
    pub module: RawText,
    /// Its arguments, without the secrets in them.
    pub arguments: RawText,
}

/// An account whose user services run without a login (`loginctl enable-linger`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Linger {
    /// The mark, `/var/lib/systemd/linger/<account>`.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// The account.
    pub account: RawText,
}
