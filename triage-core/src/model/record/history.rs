//! What was typed.

use crate::model::path::EvidencePath;
use crate::model::text::RawText;
use crate::model::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One command of a history file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TypedCommand {
    /// The history.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Line in it on which the command begins, from 1.
    pub line: u64,
    /// What it was typed into.
    pub program: HistoryKind,
    /// When, where the history says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// How long it ran in whole seconds (zsh only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<u64>,
    /// The command with its escapes undone and without the secrets in it.
    pub command: RawText,
    /// Says that something in it was taken for a secret.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_redacted: bool,
}

/// Whose history it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HistoryKind {
    /// `bash(1)`, `sh`, `ksh`: a command a line, with or without times.
    Shell,
    /// `zsh(1)`.
    Zsh,
    /// `fish(1)`.
    Fish,
    /// `mysql(1)` and `mariadb(1)`.
    Mysql,
    /// Asterisk's console.
    Asterisk,
    /// Python's prompt.
    Python,
    /// `psql(1)`, `sqlite3(1)`.
    Sql,
    /// `redis-cli`.
    Redis,
}
