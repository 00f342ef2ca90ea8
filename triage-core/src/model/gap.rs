//! What was not read, and why. Absence of evidence is never confused with evidence that was not read.

use super::path::EvidencePath;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why something is missing from the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GapReason {
    /// The kernel refused.
    PermissionDenied,
    /// It was listed and gone when it was to be opened.
    Vanished,
    /// A FIFO, socket or device: never opened, because that can block or act.
    NotRegular,
    /// Its content exceeds the per-file limit.
    TooLarge,
    /// Its size or modification time changed while it was being read: what is stored is a mixture.
    ChangedWhileReading,
    /// The device or file system gave an error.
    ReadFailed,
    /// A parser or engine could not make sense of it.
    Unreadable,
    /// A parser or engine did not finish in its time or size budget.
    LimitReached,
    /// It lies on a file system that is not read (network, kernel interface).
    OtherFileSystem,
    /// Left out because that was asked for (`--omit-secrets`).
    Omitted,
    /// The run was stopped before it was reached.
    Interrupted,
    /// What the bundle holds of it does not agree with its manifest.
    Damaged,
    /// This tool has no knowledge of the product or format.
    Unsupported,
    /// A budget of the run (bytes, time, free space) was used up before it.
    BudgetSpent,
}

impl GapReason {
    /// The word in text and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PermissionDenied => "permission_denied",
            Self::Vanished => "vanished",
            Self::NotRegular => "not_regular",
            Self::TooLarge => "too_large",
            Self::ChangedWhileReading => "changed_while_reading",
            Self::ReadFailed => "read_failed",
            Self::Unreadable => "unreadable",
            Self::LimitReached => "limit_reached",
            Self::OtherFileSystem => "other_file_system",
            Self::Omitted => "omitted",
            Self::Interrupted => "interrupted",
            Self::Damaged => "damaged",
            Self::Unsupported => "unsupported",
            Self::BudgetSpent => "budget_spent",
        }
    }
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that was not read, or not wholly. In JSONL its `kind` is `"gap"`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gap {
    /// What was not read; a directory stands for all beneath it. For a gap that is no file, the root.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Why.
    pub reason: GapReason,
    /// The particulars for a person: the limit, the kernel's message.
    pub detail: String,
}

impl Gap {
    /// A gap at `path`.
    pub fn new(path: EvidencePath, reason: GapReason, detail: impl Into<String>) -> Self {
        Self { path, reason, detail: detail.into() }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.path, self.reason, self.detail)
    }
}

/// A result that may be partial: neither a failure nor silently less than all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome<T> {
    /// What there is.
    pub value: T,
    /// What is missing from it.
    pub gaps: Vec<Gap>,
}

impl<T> Outcome<T> {
    /// A result from which nothing is missing.
    pub fn whole(value: T) -> Self {
        Self { value, gaps: Vec::new() }
    }
}
