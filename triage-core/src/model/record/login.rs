//! Who logged in, from where, and when.

use crate::model::path::EvidencePath;
use crate::model::text::RawText;
use crate::model::time::Timestamp;
use core::net::IpAddr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an entry of a login database tells of (`utmp(5)`, `ut_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum LoginKind {
    Empty,
    RunLevel,
    Boot,
    NewTime,
    OldTime,
    Init,
    /// A terminal waits for a login; in `btmp` a login that failed.
    LoginProcess,
    /// A login.
    User,
    /// The end of a session.
    Dead,
    Accounting,
    /// The last login of an account (`lastlog`).
    Last,
    /// An entry whose every byte is zero in the midst of others: what a log cleaner leaves.
    Zeroed,
}

/// One entry of `utmp`, `wtmp`, `btmp`, `lastlog` or of a database that took their place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Login {
    /// The file.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Its number in the file, from 1; in `lastlog` the user id.
    pub entry: u64,
    /// What it tells of. Named apart from the record's `kind`.
    pub event: LoginKind,
    /// When; as the file has it.
    pub time: Timestamp,
    /// When the session ended, where the same entry says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// The account's name, or what was typed for it.
    pub user: RawText,
    /// The terminal, without `/dev/`.
    pub line: RawText,
    /// The other host's name or address, as written.
    pub host: RawText,
    /// The other host's address, where the entry has one beside its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// The service that let it in (`wtmpdb`, `lastlog2`).
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub service: RawText,
}
