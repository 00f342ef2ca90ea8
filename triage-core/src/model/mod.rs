//! The nouns of an investigation: paths, digests, times, files, gaps, findings, records.
//!
//! Everything here is plain data: no I/O, no clock, no environment. A name that an intruder chose is bytes from
//! end to end; text for people is made from it by [`escape`] and never parsed back.

mod digest;
mod finding;
mod gap;
mod metadata;
mod path;
mod pattern;
mod record;
mod text;
mod time;

pub use digest::{Digest, DigestError, Hasher};
pub use finding::{Category, Evidence, Finding, FindingId, RuleId, Severity, Subject, Verdict};
pub use gap::{Gap, GapReason, Outcome};
pub use metadata::{FileKind, FileMeta, Mode};
pub use path::{EvidencePath, PathError};
pub use pattern::{Pattern, PatternError};
pub use record::{Account, AuthorizedKey, CronEntry, FileRecord, HostIdentity, Module, ModuleHash, Record, Unit};
pub use text::{RawText, escape, is_plain};
pub use time::{Clock, Timestamp, TimestampError};
