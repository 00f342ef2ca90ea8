//! The journal file: one JSON object a line, each with the digest of the line before it.

use super::event::{Event, RunId};
use super::runs::Lock;
use super::{JournalError, Vault};
use crate::model::{Digest, Timestamp, escape};
use crate::sys::change;
use serde::{Deserialize, Serialize};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// The version of the journal format that this version writes.
pub(super) const FORMAT_VERSION: u32 = 2;

/// What the first line gives as the digest of the line before it.
const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its number, from 1.
    pub seq: u64,
    /// SHA-256 of the line before it, with its newline; 64 zeros on the first.
    pub previous: Digest,
    /// When it was written.
    pub time: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Bytes after the last newline: a line that a crash cut off. It was never acknowledged, so nothing was done on its strength.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Where they begin in the file.
    pub offset: u64,
}

/// A journal that was read and whose chain holds.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) lines: Vec<Line>,
    pub(super) torn: Option<Torn>,
    pub(super) head: Digest,
    pub(super) length: u64,
}

/// Reads a journal and holds every line against the one before it.
///
/// # Errors
/// [`JournalError::Damaged`] with the line's number where a line is not JSON of ours, is out of order, or does not carry the
/// digest of the line before it. Half a line at the end is no damage.
pub(super) fn read(what: &str, bytes: &[u8]) -> Result<Chain, JournalError> {
    let mut chain = Chain { lines: Vec::new(), torn: None, head: nothing(), length: 0 };
    for raw in bytes.split_inclusive(|&byte| byte == b'\n') {
        if raw.last() != Some(&b'\n') {
            chain.torn = Some(Torn { bytes: raw.to_vec(), offset: chain.length });
            break;
        }
        let number = chain.lines.len() as u64 + 1;
        let damaged = |detail: String| JournalError::Damaged { what: format!("{what}, line {number}"), detail };
        let line: Line = serde_json::from_slice(raw).map_err(|error| match version_of(raw) {
            Some(version) if version > FORMAT_VERSION => JournalError::Unsupported { what: what.to_owned(), version },
            _ => damaged(format!("it is not a journal line: {error}")),
        })?;
        if let Event::RunStarted(start) = &line.event
            && start.format_version > FORMAT_VERSION
        {
            return Err(JournalError::Unsupported { what: what.to_owned(), version: start.format_version });
        }
        if line.seq != number {
            return Err(damaged(format!("it says it is number {}: lines are missing or were moved", line.seq)));
        }
        if line.previous != chain.head {
            return Err(damaged("the line before it is not the one that was there when it was written".to_owned()));
        }
        chain.head = Digest::of(raw);
        chain.length += raw.len() as u64;
        chain.lines.push(line);
    }
    Ok(chain)
}

fn version_of(raw: &[u8]) -> Option<u32> {
    let value: serde_json::Value = serde_json::from_slice(raw).ok()?;
    value.get("format_version")?.as_u64()?.try_into().ok()
}

fn nothing() -> Digest {
    // The constant is 64 hexadecimal digits; `of` stands in for the impossible.
    NOTHING.parse().unwrap_or_else(|_| Digest::of(b""))
}

/// An open journal: the only way to write to a run folder. It holds the state folder's lock as long as it lives.
pub struct Journal {
    run: RunId,
    what: String,
    file: OwnedFd,
    count: u64,
    head: Digest,
    length: u64,
    is_broken: bool,
    vault: Vault,
    _lock: Arc<Lock>,
}

impl Journal {
    /// Takes over an open file whose content is `chain`.
    pub(super) fn new(run: RunId, what: String, file: OwnedFd, chain: &Chain, vault: Vault, lock: Arc<Lock>) -> Self {
        let (count, head, length) = (chain.lines.len() as u64, chain.head, chain.length);
        Self { run, what, file, count, head, length, is_broken: false, vault, _lock: lock }
    }

    /// A chain without lines.
    pub(super) fn empty() -> Chain {
        Chain { lines: Vec::new(), torn: None, head: nothing(), length: 0 }
    }

    /// The run that it is the journal of.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// The run's vault.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The digest of the last line. Whoever writes it down elsewhere notices when the end of the journal is cut off.
    pub fn head(&self) -> Digest {
        self.head
    }

    /// Writes one line and returns when it is on the device.
    ///
    /// # Errors
    /// When it could not be written or synced; what was written of it is cut off again. When even that fails, the journal takes no
    /// more lines.
    pub fn append(&mut self, time: Timestamp, event: Event) -> Result<(), JournalError> {
        let failed = |source| JournalError::Io { doing: "writing", what: self.what.clone(), source };
        if self.is_broken {
            return Err(failed(std::io::Error::other("an earlier line could neither be written nor taken back")));
        }
        let line = Line { seq: self.count + 1, previous: self.head, time, event };
        let mut bytes = serde_json::to_vec(&line).map_err(|error| failed(error.into()))?;
        bytes.push(b'\n');
        // ORDER: the caller acts on this line when it has returned, so it returns when the line would survive a power cut.
        if let Err(error) = change::write_all(&self.file, &bytes).and_then(|()| change::sync(&self.file)) {
            self.is_broken = change::truncate(&self.file, self.length).is_err();
            return Err(failed(error));
        }
        self.count += 1;
        self.head = Digest::of(&bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "journal of {}, {} lines", escape(self.run.as_str().as_bytes()), self.count)
    }
}
