//! `triage/manifest.json` and what goes into it.

use crate::model::{Digest, EvidenceFile, Gap, HostIdentity, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where it lies in the bag.
pub(super) const PATH: &str = "triage/manifest.json";
/// Where the coverage statement lies in the bag.
pub(crate) const COVERAGE_PATH: &str = "triage/coverage.json";
/// The version of the format that this tool writes.
pub(super) const FORMAT_VERSION: u32 = 1;
/// Gaps that are listed in the manifest itself; all of them are in the collection log.
pub(super) const MAX_GAPS: usize = 1_000;

/// What a person says of a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseInfo {
    /// The case's number or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    /// Who collects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub examiner: Option<String>,
    /// Remarks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What a bundle is told when it is begun.
#[derive(Clone, Debug)]
pub struct BundleInfo {
    /// The tool that writes it, `triage`.
    pub tool: String,
    /// Its version.
    pub version: String,
    /// Whose evidence it is.
    pub host: HostIdentity,
    /// What is collected from, for people: `/`, or the folder or image.
    pub root: String,
    /// Whether that is the running host itself.
    pub is_live: bool,
    /// The file that it is collected from, where it is one.
    pub evidence: Option<EvidenceFile>,
    /// The profile that says what is collected.
    pub profile: String,
    /// The path patterns that it came to on this host: what was asked for, so that an absence can be told from a thing not looked at.
    pub selection: Vec<String>,
    /// When the collection began.
    pub start: Timestamp,
    /// What is known of the clock that gives the times.
    pub clock_note: Option<String>,
    /// The host's own time zone, which the times in its local logs are in.
    pub time_zone: Option<String>,
    /// Whose case it is.
    pub case: CaseInfo,
    /// Threads that compress, from 1; more than 16 count as 16.
    pub threads: usize,
}

impl BundleInfo {
    /// The name of the bag: host, eight digits of its identity, and the time, in letters that are harmless everywhere.
    pub fn name(&self) -> String {
        let host: String = self
            .host
            .hostname
            .as_bytes()
            .iter()
            .take(64)
            .map(|&byte| if byte.is_ascii_alphanumeric() || byte == b'-' { char::from(byte) } else { '_' })
            .collect();
        let host = if host.is_empty() { "host" } else { &host };
        let identity: String = self.host.digest.to_string().chars().take(8).collect();
        let time: String =
            self.start.compact().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        format!("{host}-{identity}-{time}")
    }
}

/// How much a bundle holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Collected files.
    pub files: u64,
    /// Bytes of collected files, uncompressed.
    pub file_bytes: u64,
    /// Records of each kind.
    pub records: BTreeMap<String, u64>,
    /// Things that were not read.
    pub gaps: u64,
}

/// The machine-readable summary of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleManifest {
    /// 1.
    pub format_version: u32,
    /// The tool that wrote it.
    pub tool: String,
    /// Its version.
    pub version: String,
    /// The name of the bag.
    pub name: String,
    /// Whose evidence it is.
    pub host: HostIdentity,
    /// What was collected from, for people.
    pub root: String,
    /// Whether that was the running host itself.
    pub is_live: bool,
    /// The archive or image that it was collected from, with its SHA-256; none for a host or a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceFile>,
    /// The profile that said what is collected.
    pub profile: String,
    /// The path patterns that it came to on this host.
    pub selection: Vec<String>,
    /// When the collection began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// What is known of the clock that gave the times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_note: Option<String>,
    /// The host's own time zone, which the times in its local logs are in: a name, or a POSIX rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Whose case it is.
    #[serde(flatten)]
    pub case: CaseInfo,
    /// How much it holds.
    pub totals: Totals,
    /// What was not read; at most 1,000, all of them are in the collection log.
    pub gaps: Vec<Gap>,
    /// When it went on after it had been killed; mostly never.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resumed: Vec<Timestamp>,
    /// The id of the key that it was to be signed with, so that a signature that was taken away is missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    /// Why it was stopped before its end; none for a whole one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<String>,
    /// SHA-256 of the last segment of the collection log, which holds the digest of the one before it, and so on.
    pub collection_head: Digest,
}
