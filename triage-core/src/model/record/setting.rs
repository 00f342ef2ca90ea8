//! Settings of servers, in one shape for all of them.

use crate::model::path::EvidencePath;
use crate::model::text::RawText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One setting. Of `ssh`, `sshd` and `modprobe` files it is every one, of others those that say what is served, loaded, run or let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Setting {
    /// The file.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Line on which it begins, from 1.
    pub line: u64,
    /// Whose setting it is.
    pub program: Program,
    /// What it holds for: the sections around it from the outside in (`Match User x`, `<VirtualHost *:80>`, `server`, a pool's
    /// name), joined by ` > `; empty for everything.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub scope: RawText,
    /// Its name, in lower case where the program does not mind.
    pub name: String,
    /// Its value as written, without the secrets in it.
    pub value: RawText,
}

/// Whose setting it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Program {
    Sshd,
    Ssh,
    Apache,
    Nginx,
    Php,
    PhpFpm,
    Modprobe,
    /// `modules-load.d(5)` and `/etc/modules`.
    ModulesLoad,
    Polkit,
    /// Plugins of yum and dnf.
    Yum,
}
