//! The nouns of an investigation: paths, digests, times, files, gaps, findings, records.
//!
//! Everything here is plain data: no I/O, no clock, no environment. A name that an intruder chose is bytes from
//! end to end; text for people is made from it by [`escape`] and never parsed back.

mod allowed;
mod attribute;
mod digest;
mod evidence;
mod finding;
mod gap;
mod metadata;
mod mistake;
mod path;
mod pattern;
mod record;
mod schema;
mod text;
mod time;
mod volatile;
mod yaml;

pub use allowed::{Allowed, Permit};
pub use attribute::{AclEntry, AclSubject, Attributes, Capabilities};
pub use digest::{Digest, DigestError, Hasher};
pub use evidence::EvidenceFile;
pub use finding::{Category, Evidence, Finding, FindingId, RuleId, Severity, Span, Subject, TimeSource, Verdict};
pub use gap::{Gap, GapReason, Outcome};
pub use metadata::{FileKind, FileMeta, Mode};
pub use mistake::Mistake;
pub(crate) use mistake::suggestion;
pub use path::{EvidencePath, PathError};
pub use pattern::{Pattern, PatternError};
pub use record::{
    Account, AuditEvent, AuthEvent, AuthEventKind, AuthorizedKey, BanAction, BanEvent, CronEntry, FileRecord,
    FstabEntry, Group, HistoryKind, HostIdentity, InitScript, Linger, Mechanism, Module, ModuleHash, Package,
    PackageAction, PackageEvent, PackageManager, PamRule, Password, Program, Record, Setting, StartupCommand, Sudoers,
    SudoersEntry, TypedCommand, Unit,
};
pub use record::{AstdbEntry, Ban, JournalEntry, JournalFile, Login, LoginKind, Silence};
pub use record::{
    AsteriskAnswer, BpfObject, CommandRun, HiddenProcess, Interface, KernelModule, MappedFile, Maps, Mount, Neighbour,
    OpenFile, Process, Region, Route, Socket, SocketOwner, SystemValue, VOLATILE_FOLDERS, Variable,
};
pub use record::{
    CallRecord, DatabaseColumn, DatabaseFrom, DatabaseRow, DatabaseTable, DatabaseValue, DigestedSecret, SecretKind,
    TimeNote,
};
pub use text::{RawText, escape, is_plain};
pub use time::{Clock, Timestamp, TimestampError};
pub use volatile::VolatileKind;
#[cfg(test)]
pub(crate) use yaml::NO_ANCHORS;
pub(crate) use yaml::{YamlFile, YamlLimits};
