//! Groups, password states and `sudo` rights.

use crate::model::path::EvidencePath;
use crate::model::text::RawText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One line of `group(5)` or `gshadow(5)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// The file it is in.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Line in it, from 1.
    pub line: u64,
    /// The group's name.
    pub name: RawText,
    /// Its number; `gshadow` has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// The state of the password field, as for an account: `shadowed`, `empty`, `locked` or `hash`.
    pub password: String,
    /// Who may change its members (`gshadow` only).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub administrators: Vec<RawText>,
    /// Who belongs to it besides those whose primary group it is.
    pub members: Vec<RawText>,
}

/// One line of `shadow(5)` without the hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Password {
    /// The file it is in.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Line in it, from 1.
    pub line: u64,
    /// Login name.
    pub name: RawText,
    /// `empty`, `locked` or `hash`.
    pub state: String,
    /// How the hash was made (`crypt(5)`): `yescrypt`, `sha512`, `md5`, `des`, …; also of a locked one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The day since 1970 on which it was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_day: Option<i64>,
    /// The day since 1970 from which on the account is expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_day: Option<i64>,
}

/// One statement of a `sudoers(5)` file. A line with several commands gives several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sudoers {
    /// The file.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Line on which it begins, from 1.
    pub line: u64,
    /// What it says.
    #[serde(flatten)]
    pub entry: SudoersEntry,
    /// The whole line, continuation lines joined.
    pub text: RawText,
}

/// What a statement of a `sudoers` file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "entry", rename_all = "snake_case")]
#[non_exhaustive]
pub enum SudoersEntry {
    /// Somebody may run something.
    Rule {
        /// Who: names, `%group`, `#uid`, aliases, `!` before one that is left out.
        users: Vec<RawText>,
        /// On which hosts.
        hosts: Vec<RawText>,
        /// As whom; empty means root.
        run_as_users: Vec<RawText>,
        /// As which groups.
        run_as_groups: Vec<RawText>,
        /// `NOPASSWD`, `SETENV`, … in force for this command, those of the commands before it included.
        tags: Vec<String>,
        /// What: a path with arguments, `ALL`, an alias, `!` before one that is refused.
        command: RawText,
    },
    /// A name for a list.
    Alias {
        /// `User_Alias`, `Runas_Alias`, `Host_Alias`, `Cmnd_Alias`.
        alias_type: String,
        /// The name.
        name: RawText,
        /// What it stands for.
        members: Vec<RawText>,
    },
    /// Options.
    Defaults {
        /// For whom: `:user`, `@host`, `!command`, `>runas`; empty for all.
        scope: RawText,
        /// The options.
        options: Vec<RawText>,
    },
    /// More files: `include` or `includedir`.
    Include {
        /// Says that a folder is named.
        is_folder: bool,
        /// The path as written.
        target: RawText,
    },
}
