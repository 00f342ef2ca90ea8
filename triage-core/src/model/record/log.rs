//! What logs tell of logins, rights and accounts.
//!
//! A log states times as it likes. `time_raw` is what it says; `time` is there only where that is a point in time by itself, because
//! it names its zone or counts from 1970. A year or a zone is never guessed here.

use crate::model::path::EvidencePath;
use crate::model::text::RawText;
use crate::model::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One line of `auth.log`, `secure`, `cron` or `syslog` that tells of a login, a right or an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuthEvent {
    /// The log.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Line in it (unpacked), from 1.
    pub line: u64,
    /// The time as the log has it.
    pub time_raw: RawText,
    /// The point in time, where the log says which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// The host that the log names.
    pub host: RawText,
    /// The program that logged it.
    pub program: RawText,
    /// Its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u64>,
    /// What happened.
    pub event: AuthEventKind,
    /// Whose doing it is: who logged in, who called `sudo`, which account was changed.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub user: RawText,
    /// Whom it is done to or as: the user of `sudo` and `su`, the group that somebody was added to.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub target: RawText,
    /// Where from: an address or a host name.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub address: RawText,
    /// The port there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `password`, `publickey`, …
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub method: RawText,
    /// The fingerprint of the key.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub key: RawText,
    /// The command, for `sudo` and cron, without the secrets in it.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub command: RawText,
    /// How often it happened, where the log put several into one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeated: Option<u64>,
    /// The message as it stands, without the secrets in it.
    pub message: RawText,
}

/// What an [`AuthEvent`] tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum AuthEventKind {
    /// sshd let somebody in.
    Accepted,
    /// sshd did not.
    Failed,
    /// sshd was asked for an account that there is not.
    InvalidUser,
    /// PAM or logind began a session (those of cron and of user managers are left out).
    SessionOpened,
    Sudo,
    SudoRefused,
    Su,
    SuRefused,
    AccountAdded,
    AccountChanged,
    AccountRemoved,
    GroupAdded,
    GroupChanged,
    GroupRemoved,
    PasswordChanged,
    /// cron ran a job.
    CronJob,
    /// Somebody put another crontab in the place of one.
    CrontabChanged,
}

/// One line of the kernel's audit log (`auditd(8)`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEvent {
    /// The log.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Line in it (unpacked), from 1.
    pub line: u64,
    /// `EXECVE`, `USER_LOGIN`, `ADD_USER`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// When, with the log's milliseconds.
    pub time: Timestamp,
    /// The number that the lines of one event share.
    pub serial: u64,
    /// The machine's name, where the log has it.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub node: RawText,
    /// The arguments of an `EXECVE`, or the `cmd` or `proctitle` of others, joined by spaces, without the secrets in them.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub command: RawText,
    /// The fields that are not part of `command`, in the order of the line, hexadecimal ones decoded, those in `msg='…'` included.
    pub fields: Vec<(String, RawText)>,
}

/// One line of `fail2ban.log` about an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BanEvent {
    /// The log.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Line in it (unpacked), from 1.
    pub line: u64,
    /// The time as the log has it: local, without a zone.
    pub time_raw: RawText,
    /// The jail.
    pub jail: RawText,
    /// What was done.
    pub action: BanAction,
    /// The address.
    pub address: RawText,
}

/// What fail2ban did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BanAction {
    /// It saw a failure.
    Found,
    /// It blocked.
    Ban,
    /// It blocked again what it had blocked before its restart.
    Restore,
    /// It released.
    Unban,
    /// It passed over, because the address is on the list of those that are never blocked.
    Ignore,
}
