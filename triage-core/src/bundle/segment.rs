//! Numbered, chained segments: what makes a bundle verify as far as it goes.
//!
//! Each segment begins with a line that names the segment before it by its digest, so that none can be taken out, exchanged or
//! altered, and none but the last can be missing, without the chain showing it.

use crate::model::{Digest, Gap, HostIdentity, RawText, Timestamp};
use serde::{Deserialize, Serialize};

/// The name of the collection log among the segment kinds.
pub(super) const COLLECTION: &str = "collection";

/// Where a segment lies in the bag.
pub(super) fn path(kind: &str, n: u64) -> String {
    if kind == COLLECTION {
        format!("triage/collection/{n:06}.jsonl")
    } else {
        format!("data/records/{kind}/{n:06}.jsonl")
    }
}

/// The kind and number of a segment by its place in the bag; `None` for other places.
pub(super) fn parse_path(bag_path: &str) -> Option<(&str, u64)> {
    let (kind, file) = match bag_path.strip_prefix("triage/collection/") {
        Some(file) => (COLLECTION, file),
        None => bag_path.strip_prefix("data/records/")?.split_once('/')?,
    };
    let n = file.strip_suffix(".jsonl").filter(|digits| digits.len() >= 6)?;
    let n = n.bytes().all(|digit| digit.is_ascii_digit()).then(|| n.parse::<u64>().ok())??;
    (n > 0 && !kind.is_empty() && path(kind, n) == bag_path).then_some((kind, n))
}

/// The first line of a segment.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename = "segment")]
pub(super) struct Header<'a> {
    /// The kind of records in it, or `collection`.
    #[serde(borrow)]
    pub(super) records: std::borrow::Cow<'a, str>,
    /// Its number, from 1.
    pub(super) n: u64,
    /// SHA-256 of the segment before it; none for the first.
    pub(super) previous: Option<Digest>,
}

/// How a collection began: what its summary says, as far as that is known from the start, so that a bundle that never got its
/// summary still tells whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beginning {
    /// When, by the clock of the collecting host.
    pub time: Timestamp,
    /// The tool that collects.
    pub tool: String,
    /// Its version.
    pub version: String,
    /// The name of the bag.
    pub name: String,
    /// Whose evidence it is.
    pub host: HostIdentity,
    /// What is collected from, for people.
    pub root: String,
    /// Whether that is the running host itself.
    pub is_live: bool,
    /// The profile that says what is collected.
    pub profile: String,
    /// The path patterns that it came to on this host.
    pub selection: Vec<String>,
    /// What is known of the clock that gives the times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_note: Option<String>,
    /// The host's own time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Whose case it is.
    #[serde(flatten)]
    pub case: super::CaseInfo,
}

/// One line of the collection log: what was done, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The collection began.
    Start(Box<Beginning>),
    /// Something was not read, or not wholly.
    Gap(Gap),
    /// Something else that a reader of the log has to know.
    Note {
        /// When.
        time: Timestamp,
        /// What, in words.
        text: RawText,
    },
    /// Something failed that is not about one file.
    Error {
        /// When.
        time: Timestamp,
        /// What, in words.
        text: RawText,
    },
    /// A record segment was written.
    Segment {
        /// Where in the bag.
        path: String,
        /// Its digest.
        sha256: Digest,
        /// Its length.
        size_bytes: u64,
    },
    /// A payload was written that no file record names.
    Payload {
        /// Where in the bag.
        payload: String,
        /// Its digest.
        sha256: Digest,
        /// Its length.
        size_bytes: u64,
    },
    /// The collection was killed, and went on here. What it had in whole segments was not read again.
    Resumed {
        /// When.
        time: Timestamp,
        /// The version of the tool that went on.
        version: String,
        /// Collected files that it had.
        kept_files: u64,
        /// Their bytes.
        kept_bytes: u64,
    },
    /// The collection was stopped before its end.
    Interrupted {
        /// When.
        time: Timestamp,
        /// Why.
        why: String,
    },
    /// The collection ended.
    End {
        /// When.
        time: Timestamp,
    },
}

/// A segment that is being filled.
pub(super) struct Open {
    kind: String,
    n: u64,
    previous: Option<Digest>,
    lines: Vec<u8>,
}

/// A segment that is ready to be written.
pub(super) struct Sealed {
    pub(super) path: String,
    pub(super) bytes: Vec<u8>,
    pub(super) sha256: Digest,
}

impl Open {
    pub(super) fn new(kind: &str) -> Self {
        Self { kind: kind.to_owned(), n: 0, previous: None, lines: Vec::new() }
    }

    /// Goes on behind segment `n`, whose digest is `previous`.
    pub(super) fn after(kind: &str, n: u64, previous: Digest) -> Self {
        Self { kind: kind.to_owned(), n, previous: Some(previous), lines: Vec::new() }
    }

    pub(super) fn push(&mut self, line: &impl Serialize) -> serde_json::Result<()> {
        let start = self.lines.len();
        if let Err(error) = serde_json::to_writer(&mut self.lines, line) {
            self.lines.truncate(start);
            return Err(error);
        }
        self.lines.push(b'\n');
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Closes the segment and begins the next; `None` where nothing was pushed.
    pub(super) fn seal(&mut self) -> serde_json::Result<Option<Sealed>> {
        if self.lines.is_empty() {
            return Ok(None);
        }
        let n = self.n + 1;
        let mut bytes = serde_json::to_vec(&Header { records: self.kind.as_str().into(), n, previous: self.previous })?;
        bytes.push(b'\n');
        bytes.append(&mut self.lines);
        let sha256 = Digest::of(&bytes);
        self.n = n;
        self.previous = Some(sha256);
        Ok(Some(Sealed { path: path(&self.kind, n), bytes, sha256 }))
    }

    /// Digest of the last segment that was closed.
    pub(super) fn head(&self) -> Option<Digest> {
        self.previous
    }
}
