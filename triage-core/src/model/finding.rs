//! What was found, where, why it matters, and how sure we are.

use super::digest::{Digest, Hasher};
use super::metadata::FileMeta;
use super::path::EvidencePath;
use super::text::RawText;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What kind of thing a finding tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Category {
    WebShell,
    Persistence,
    Account,
    Tampering,
    Exploitation,
    TollFraud,
    Vulnerable,
    Exposure,
    Hardening,
}

impl Category {
    /// The word in text and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebShell => "web_shell",
            Self::Persistence => "persistence",
            Self::Account => "account",
            Self::Tampering => "tampering",
            Self::Exploitation => "exploitation",
            Self::TollFraud => "toll_fraud",
            Self::Vulnerable => "vulnerable",
            Self::Exposure => "exposure",
            Self::Hardening => "hardening",
        }
    }

    /// Reads the word; none for one that is not in the list.
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::WebShell,
            Self::Persistence,
            Self::Account,
            Self::Tampering,
            Self::Exploitation,
            Self::TollFraud,
            Self::Vulnerable,
            Self::Exposure,
            Self::Hardening,
        ]
        .into_iter()
        .find(|category| category.as_str() == word)
    }

    /// Says whether it tells of an intrusion, and not only of a weakness that one could use.
    pub fn is_evidence_of_compromise(self) -> bool {
        !matches!(self, Self::Vulnerable | Self::Exposure | Self::Hardening)
    }
}

/// How bad it is if it is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// The word in text and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Reads the word; none for one that is not in the list.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical]
            .into_iter()
            .find(|severity| severity.as_str() == word)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The stable name of a rule, `TR-WEBSHELL-0007`; a rule of somebody else's keeps its own name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuleId(pub String);

impl RuleId {
    /// The part of our own rules' names that says what they are about: `LOG` of `TR-LOG-0101`; none for a rule of somebody else's.
    pub fn family(&self) -> Option<&str> {
        self.0.strip_prefix("TR-")?.split('-').next()
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The name of a finding: 16 hexadecimal digits of a hash over rule and subject, so that the same thing found on two days,
/// on the host or in its bundle, has one name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FindingId(pub String);

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a finding is about.
///
/// Its identity (what the finding's id is made of) is named at each variant; the other fields may change from day to day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Subject {
    /// A file. Identity: its path.
    File {
        /// Where it is.
        #[serde(flatten)]
        path: EvidencePath,
        /// Its content; none where it was not read whole or is no regular file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<Digest>,
    },
    /// An operating-system account. Identity: the name.
    Account {
        /// The account file it is in.
        #[serde(flatten)]
        path: EvidencePath,
        /// Its name.
        name: RawText,
    },
    /// A line of a crontab. Identity: the file's path and the line's text.
    CronEntry {
        /// The crontab.
        #[serde(flatten)]
        path: EvidencePath,
        /// Its number in the file, from 1.
        line: u64,
        /// The whole line, without its line end.
        text: RawText,
    },
    /// A line of another text file (`authorized_keys`, `rc.local`, a profile). Identity: the file's path and the line's text.
    Line {
        /// The file.
        #[serde(flatten)]
        path: EvidencePath,
        /// Its number in the file, from 1.
        line: u64,
        /// The whole line, without its line end.
        text: RawText,
    },
    /// A `FreePBX` module. Identity: the path of its folder.
    Module {
        /// Its folder.
        #[serde(flatten)]
        path: EvidencePath,
        /// Its raw name.
        name: RawText,
    },
    /// A running process. Identity: what it runs and its command line, because pids and start times are others the next day.
    Process {
        /// What it runs; `/proc/PID` where that is not known.
        #[serde(flatten)]
        path: EvidencePath,
        /// Process id.
        pid: u32,
        /// Start after boot in clock ticks; with the pid it names a process for good.
        start_ticks: u64,
        /// Its arguments, joined by single spaces.
        command_line: RawText,
    },
    /// A row of a database. Identity: database, table and key, so that the running server, a dump and a copy of its files name it alike.
    DatabaseRow {
        /// What it was read from: a socket, a dump, a data folder.
        #[serde(flatten)]
        path: EvidencePath,
        /// The database.
        database: RawText,
        /// The table.
        table: RawText,
        /// The columns of its primary key with their values, `username=admin`; the beginning of the row's digest where there is none.
        key: RawText,
    },
    /// Something that the running kernel has: a module, a mount, a setting. Identity: the path and the name.
    Kernel {
        /// The file of `/proc` or `/sys` that shows it.
        #[serde(flatten)]
        path: EvidencePath,
        /// Its name or value.
        name: RawText,
    },
}

impl Subject {
    /// The file that holds it.
    pub fn path(&self) -> &EvidencePath {
        match self {
            Self::File { path, .. }
            | Self::Account { path, .. }
            | Self::CronEntry { path, .. }
            | Self::Line { path, .. }
            | Self::Module { path, .. }
            | Self::Process { path, .. }
            | Self::DatabaseRow { path, .. }
            | Self::Kernel { path, .. } => path,
        }
    }

    /// The word in JSON's `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Account { .. } => "account",
            Self::CronEntry { .. } => "cron_entry",
            Self::Line { .. } => "line",
            Self::Module { .. } => "module",
            Self::Process { .. } => "process",
            Self::DatabaseRow { .. } => "database_row",
            Self::Kernel { .. } => "kernel",
        }
    }

    fn identity(&self) -> Vec<&[u8]> {
        match self {
            Self::File { path, .. } | Self::Module { path, .. } => vec![path.as_bytes()],
            Self::Account { name, .. } => vec![name.as_bytes()],
            Self::CronEntry { path, text, .. } | Self::Line { path, text, .. } => {
                vec![path.as_bytes(), text.as_bytes()]
            }
            Self::Process { path, command_line, .. } => vec![path.as_bytes(), command_line.as_bytes()],
            Self::DatabaseRow { database, table, key, .. } => {
                vec![database.as_bytes(), table.as_bytes(), key.as_bytes()]
            }
            Self::Kernel { path, name } => vec![path.as_bytes(), name.as_bytes()],
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "{path}"),
            Self::Account { path, name } => write!(f, "account {name} ({path})"),
            Self::CronEntry { path, line, .. } | Self::Line { path, line, .. } => write!(f, "{path}:{line}"),
            Self::Module { name, .. } => write!(f, "module {name}"),
            Self::Process { path, pid, .. } => write!(f, "process {pid} ({path})"),
            Self::DatabaseRow { database, table, key, .. } => write!(f, "{database}.{table} [{key}]"),
            Self::Kernel { path, name } => write!(f, "{name} ({path})"),
        }
    }
}

/// One reason to believe a finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Evidence {
    /// A pattern of the rule stands in the content.
    Match {
        /// The pattern's name in the rule.
        pattern: String,
        /// Byte offset in the content.
        offset: u64,
        /// Line in the content, from 1.
        line: u64,
        /// The matched bytes, cut at 200.
        text: RawText,
        /// What stands before them in their line, the last 80 bytes of it.
        #[serde(default, skip_serializing_if = "RawText::is_empty")]
        before: RawText,
        /// What follows them in their line, the first 80 bytes of it; nothing where `text` was cut.
        #[serde(default, skip_serializing_if = "RawText::is_empty")]
        after: RawText,
    },
    /// A line of a text file says it.
    Line {
        /// Its number, from 1.
        line: u64,
        /// The line, secrets struck out.
        text: RawText,
    },
    /// The content is not what an authority says.
    Hash {
        /// Who says it: `module.sig`, a package database.
        authority: String,
        /// What it should be; none where the authority does not list the file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expected: Option<Digest>,
        /// What it is; none where the file is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        actual: Option<Digest>,
    },
    /// A property of the object.
    Attribute {
        /// Its name: `mode`, `uid`, `path`.
        name: String,
        /// Its value.
        value: RawText,
    },
    /// Another finding about the same object, which this one sums up.
    Signal {
        /// Its name.
        finding: FindingId,
        /// The rule that made it.
        rule: RuleId,
        /// Kind of knowledge that it rests on. Signals of one family are not independent: only the strongest counts.
        family: String,
        /// How bad it is if it is true.
        severity: Severity,
        /// How sure its rule is, 0–100.
        confidence: u8,
        /// Points of confidence that it adds to those before it; 0 where its family is counted already.
        adds: u8,
        /// The confidence with it and all before it.
        together: u8,
    },
}

/// When what a finding tells of was done, as far as the evidence shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The earliest that is known.
    pub first: Timestamp,
    /// The latest that is known; the same where there is one only.
    pub last: Timestamp,
    /// What says so.
    pub by: TimeSource,
}

/// What a time rests on, and so what an intruder can do to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimeSource {
    /// The inode's change time, and its birth time where there is one: the kernel sets them, and nobody else can without touching the clock or the device.
    /// A later `chmod` or `chown` moves the change time.
    Inode,
    /// The modification time alone, which whoever owns the file can set.
    Modified,
    /// A log, or another record that bears its time.
    Record,
    /// The start of a process.
    Start,
}

impl Span {
    /// The times of an object; none where its source has none.
    pub fn of(meta: &FileMeta) -> Option<Self> {
        if let Some(changed) = meta.ctime {
            // An archive of a file system may hold births that lie after a copy's change.
            let first = meta.btime.filter(|born| *born <= changed).unwrap_or(changed);
            return Some(Self { first, last: changed, by: TimeSource::Inode });
        }
        meta.mtime.map(|time| Self { first: time, last: time, by: TimeSource::Modified })
    }

    /// A single moment.
    pub fn at(time: Timestamp, by: TimeSource) -> Self {
        Self { first: time, last: time, by }
    }

    /// The span that holds both; what it rests on is what the more doubtful one rests on.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let by = if self.by == TimeSource::Modified { self.by } else { other.by };
        Self { first: self.first.min(other.first), last: self.last.max(other.last), by }
    }
}

/// One finding. In JSONL its `kind` is `"finding"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its stable name.
    pub id: FindingId,
    /// The rule that made it.
    pub rule: RuleId,
    /// What is wrong, in one line.
    pub title: String,
    /// Its kind.
    pub category: Category,
    /// How bad it is if it is true.
    pub severity: Severity,
    /// How sure the rule is, 0–100.
    pub confidence: u8,
    /// What it is about.
    pub subject: Subject,
    /// Why we say so.
    pub evidence: Vec<Evidence>,
    /// When it was done; none where the evidence does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Span>,
    /// MITRE ATT&CK techniques, `T1505.003`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attack: Vec<String>,
    /// Where the rule's knowledge comes from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
}

impl Finding {
    /// A finding without techniques or references; its id is made of the rule and the subject.
    pub fn new(
        rule: impl Into<String>,
        title: impl Into<String>,
        (category, severity, confidence): (Category, Severity, u8),
        subject: Subject,
        evidence: Vec<Evidence>,
    ) -> Self {
        let rule = RuleId(rule.into());
        let id = Self::id_of(&rule, &subject);
        Self {
            id,
            rule,
            title: title.into(),
            category,
            severity,
            confidence: confidence.min(100),
            subject,
            evidence,
            seen: None,
            attack: Vec::new(),
            references: Vec::new(),
        }
    }

    /// The same finding with ATT&CK techniques.
    #[must_use]
    pub fn with_attack<S: Into<String>>(mut self, techniques: impl IntoIterator<Item = S>) -> Self {
        self.attack.extend(techniques.into_iter().map(Into::into));
        self
    }

    /// The same finding with references.
    #[must_use]
    pub fn with_references<S: Into<String>>(mut self, references: impl IntoIterator<Item = S>) -> Self {
        self.references.extend(references.into_iter().map(Into::into));
        self
    }

    /// The same finding with the time of what it tells of.
    #[must_use]
    pub fn with_span(mut self, span: Option<Span>) -> Self {
        self.seen = span;
        self
    }

    /// The same finding about `subject`, which holds what it was found in at `place`.
    #[must_use]
    pub fn inside(mut self, subject: Subject, place: Evidence) -> Self {
        self.id = Self::id_of(&self.rule, &subject);
        self.subject = subject;
        self.evidence.push(place);
        self
    }

    /// The name of a finding of `rule` about `subject`.
    pub(crate) fn id_of(rule: &RuleId, subject: &Subject) -> FindingId {
        let mut hasher = Hasher::new();
        for part in [rule.0.as_bytes(), subject.kind().as_bytes()].into_iter().chain(subject.identity()) {
            // Length first, so that no two lists of parts give the same bytes.
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        FindingId(hasher.finish().to_string().chars().take(16).collect())
    }

    /// The order of every listing: worst and surest first, then by place, then by rule.
    pub fn rank(&self) -> impl Ord + use<'_> {
        (std::cmp::Reverse((self.severity, self.confidence)), self.subject.path(), &self.rule, &self.id)
    }
}

/// The answer in one word. Never "clean": a tool can only say what it saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// At least one finding of compromise, high or critical, with a confidence of 75 or more.
    Compromised,
    /// Something points to a compromise, but nothing proves it.
    Suspicious,
    /// Nothing points to one in what was read, and enough was read.
    NoEvidence,
    /// Too much could not be read to say.
    Undetermined,
    /// The host was cleaned: records tell of what was done before, and of what could act again nothing that the rules know was found.
    NoKnownTraceLeft,
    /// The same where the intruder was root, who may have hidden what no tool finds.
    ContainedRebuildAdvised,
}

impl Verdict {
    /// The word in text and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compromised => "compromised",
            Self::Suspicious => "suspicious",
            Self::NoEvidence => "no_evidence",
            Self::Undetermined => "undetermined",
            Self::NoKnownTraceLeft => "no_known_trace_left",
            Self::ContainedRebuildAdvised => "contained_rebuild_advised",
        }
    }

    /// Says whether something points to a compromise that can still act.
    pub fn is_found(self) -> bool {
        matches!(self, Self::Compromised | Self::Suspicious)
    }

    /// Draws the conclusion, for a host that nobody has cleaned.
    ///
    /// Weaknesses (vulnerable, exposure, hardening) and findings below medium say nothing of an intrusion. `is_blind` says that so much was
    /// not read that silence means nothing.
    pub fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>, is_blind: bool) -> Self {
        let mut verdict = if is_blind { Self::Undetermined } else { Self::NoEvidence };
        for finding in findings {
            if !finding.category.is_evidence_of_compromise() || finding.severity < Severity::Medium {
                continue;
            }
            if finding.severity >= Severity::High && finding.confidence >= 75 {
                return Self::Compromised;
            }
            verdict = Self::Suspicious;
        }
        verdict
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str, severity: Severity, confidence: u8) -> Finding {
        let subject = Subject::File { path: EvidencePath::new(path).unwrap(), sha256: None };
        Finding::new("TR-TEST-0001", "t", (Category::WebShell, severity, confidence), subject, Vec::new())
    }

    #[test]
    fn the_id_is_of_rule_and_place_and_not_of_content() {
        let mut later = at("/a", Severity::Low, 1);
        later.subject = Subject::File { path: EvidencePath::new("/a").unwrap(), sha256: Some(Digest::of(b"changed")) };
        assert_eq!(Finding::id_of(&later.rule, &later.subject), at("/a", Severity::High, 99).id);
        assert_ne!(at("/a", Severity::Low, 1).id, at("/b", Severity::Low, 1).id);
    }

    #[test]
    fn verdicts() {
        assert_eq!(Verdict::of(&[], false), Verdict::NoEvidence);
        assert_eq!(Verdict::of(&[], true), Verdict::Undetermined);
        assert_eq!(Verdict::of(&[at("/a", Severity::Low, 99)], false), Verdict::NoEvidence);
        assert_eq!(Verdict::of(&[at("/a", Severity::Critical, 60)], true), Verdict::Suspicious);
        assert_eq!(Verdict::of(&[at("/a", Severity::High, 75)], true), Verdict::Compromised);
    }

    #[test]
    fn json_is_flat_and_reads_back() {
        let finding = at("/a\nb", Severity::High, 90).with_attack(["T1505.003"]);
        let json = serde_json::to_value(&finding).unwrap();
        assert_eq!(json["subject"]["path"], "/a\\nb");
        assert_eq!(json["subject"]["path_b64"], "L2EKYg==");
        assert_eq!(serde_json::from_value::<Finding>(json).unwrap(), finding);
    }
}
