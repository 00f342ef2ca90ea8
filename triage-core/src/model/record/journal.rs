//! Entries of the systemd journal, and what a journal file covers.

use crate::model::path::EvidencePath;
use crate::model::text::RawText;
use crate::model::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One entry of a journal, of a program whose entries tell of logins, changes of rights, services or the telephone system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JournalEntry {
    /// The journal file.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// The entry's sequence number.
    pub sequence: u64,
    /// When journald got it (`__REALTIME_TIMESTAMP`, microseconds).
    pub time: Timestamp,
    /// The boot, 32 hexadecimal digits.
    pub boot_id: String,
    /// `_HOSTNAME`.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub hostname: RawText,
    /// `SYSLOG_IDENTIFIER`: what the program calls itself.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub identifier: RawText,
    /// `UNIT` where an entry of the service manager is about one, else `_SYSTEMD_UNIT`.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub unit: RawText,
    /// `_PID`, which the kernel vouches for; else `SYSLOG_PID`, which the program claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// `_UID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// `_COMM`.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub comm: RawText,
    /// `_EXE`.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub exe: RawText,
    /// `PRIORITY`, 0 (emergency) to 7 (debug).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// `MESSAGE`, cut at 4 096 bytes.
    pub message: RawText,
    /// Says that the message was cut.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cut: bool,
}

/// What one journal file covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JournalFile {
    /// The journal file.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// The machine that wrote it, 32 hexadecimal digits.
    pub machine_id: String,
    /// `offline` (closed in order), `online` (being written, or not closed in order) or `archived`.
    pub state: String,
    /// Entries that the header counts.
    pub entries_stated: u64,
    /// Entries that were found.
    pub entries: u64,
    /// Entries of them that are records of their own.
    pub entries_selected: u64,
    /// Time of the earliest entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// Time of the latest entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// The longest time without any entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<Silence>,
    /// Numbers missing in the sequence; those of users' journals are elsewhere, so that some are usual.
    pub missing_sequence_numbers: u64,
    /// Different boots.
    pub boots: u64,
    /// Entries whose time is before that of the entry written before them, in the same boot: the clock was set back, or somebody wrote.
    pub backward_steps: u64,
}

/// A stretch of time without an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Silence {
    /// The last entry before it.
    pub from: Timestamp,
    /// The first after it.
    pub to: Timestamp,
}
