//! The questions of a check, and which findings answer which.

use super::seen::Seen;
use crate::engine::Scan;
use crate::model::{Category, Finding, FindingId, Gap, GapReason, Severity, Subject, Verdict};
use serde::{Deserialize, Serialize};

/// Findings that an answer names.
const STRONGEST: usize = 3;

/// What a responder asks of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Question {
    /// Are there web shells?
    Shells,
    /// Does anything bring the intruder back: timetables, start-up files, services, keys, altered programs?
    Persistence,
    /// Are there accounts or keys that should not be there?
    Accounts,
    /// Does the telephone system's database hold anything of the intruder's?
    Database,
    /// Are the modules as the vendor signed them?
    Modules,
    /// What do the logs tell, and were they touched?
    Logs,
    /// Were calls placed at somebody else's cost?
    Fraud,
    /// Is what let them in still open?
    Patches,
}

impl Question {
    /// All of them, in the order in which they are answered.
    pub const ALL: [Self; 8] = [
        Self::Shells,
        Self::Persistence,
        Self::Accounts,
        Self::Database,
        Self::Modules,
        Self::Logs,
        Self::Fraud,
        Self::Patches,
    ];

    /// The word in text and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shells => "shells",
            Self::Persistence => "persistence",
            Self::Accounts => "accounts",
            Self::Database => "database",
            Self::Modules => "modules",
            Self::Logs => "logs",
            Self::Fraud => "fraud",
            Self::Patches => "patches",
        }
    }

    /// Says whether it is about a telephone system, and means nothing elsewhere.
    pub fn is_of_pbx(self) -> bool {
        matches!(self, Self::Database | Self::Modules | Self::Fraud)
    }

    /// Says whether silence about the host as a whole means nothing while this is not answered.
    pub fn is_needed(self) -> bool {
        matches!(self, Self::Shells | Self::Persistence | Self::Accounts | Self::Database)
    }

    /// The question that a finding answers.
    pub fn of(finding: &Finding) -> Self {
        match finding.category {
            Category::TollFraud => return Self::Fraud,
            Category::Vulnerable | Category::Exposure | Category::Hardening => return Self::Patches,
            _ => {}
        }
        match finding.rule.family() {
            Some("DB") => return Self::Database,
            Some("MODSIG") => return Self::Modules,
            Some("LOG") => return Self::Logs,
            _ => {}
        }
        match (finding.category, &finding.subject) {
            (_, Subject::Module { .. }) => Self::Modules,
            (Category::Account, _) => Self::Accounts,
            (Category::Exploitation, subject) if subject.path().as_bytes().starts_with(b"/var/log/") => Self::Logs,
            (Category::WebShell, _) | (Category::Exploitation, Subject::File { .. }) => Self::Shells,
            _ => Self::Persistence,
        }
    }
}

/// The answer to one question, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Word {
    /// At least one finding of compromise, high or critical, with a confidence of 75 or more.
    Compromised,
    /// Something points there, but nothing proves it.
    Suspicious,
    /// What was found tells only of what was before the host was cleaned.
    Past,
    /// A known hole is open (of [`Question::Patches`]).
    Vulnerable,
    /// It could be set up better (of [`Question::Patches`]).
    Weak,
    /// Nothing was found in what was read.
    NoEvidence,
    /// What would answer it was not read.
    NotKnown,
}

impl Word {
    /// The word in text and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compromised => "compromised",
            Self::Suspicious => "suspicious",
            Self::Past => "past",
            Self::Vulnerable => "vulnerable",
            Self::Weak => "weak",
            Self::NoEvidence => "no_evidence",
            Self::NotKnown => "not_known",
        }
    }
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The question.
    pub question: Question,
    /// The answer in a word.
    pub answer: Word,
    /// How many findings are about it.
    pub findings: usize,
    /// The strongest of them.
    pub strongest: Vec<FindingId>,
    /// Why it is not known, or not known in full; nothing where all was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

impl Answer {
    /// Answers a question from the findings, which come worst first.
    pub(super) fn to(question: Question, scan: &Scan, seen: &Seen) -> Self {
        let about: Vec<&Finding> = scan.findings.iter().filter(|finding| Question::of(finding) == question).collect();
        // What was there and refused says more than that nothing was seen.
        let unread = kept_away(question, &scan.gaps).or_else(|| seen.missing(question));
        let silent = if seen.missing(question).is_some() { Word::NotKnown } else { Word::NoEvidence };
        let answer = if question == Question::Patches {
            let has =
                |category, from| about.iter().any(|finding| finding.category == category && finding.severity >= from);
            if has(Category::Vulnerable, Severity::Low) {
                Word::Vulnerable
            } else if has(Category::Hardening, Severity::Medium) || has(Category::Exposure, Severity::Medium) {
                Word::Weak
            } else {
                silent
            }
        } else {
            let present = Verdict::of(about.iter().copied().filter(|finding| !scan.is_past(finding)), false);
            match (present, Verdict::of(about.iter().copied(), false)) {
                (Verdict::Compromised, _) => Word::Compromised,
                (Verdict::Suspicious, _) => Word::Suspicious,
                (_, whole) if whole.is_found() => Word::Past,
                _ => silent,
            }
        };
        let strongest = about.iter().take(STRONGEST).map(|finding| finding.id.clone()).collect();
        Self { question, answer, findings: about.len(), strongest, unread }
    }
}

/// What of a question's evidence was there and could not be read.
fn kept_away(question: Question, gaps: &[Gap]) -> Option<String> {
    let hidden: Vec<&Gap> = gaps
        .iter()
        .filter(|gap| {
            matches!(gap.reason, GapReason::PermissionDenied | GapReason::ReadFailed | GapReason::Damaged)
                && Seen::questions(&gap.path).contains(&question)
        })
        .collect();
    let first = hidden.first()?;
    let more = match hidden.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Some(format!("not read: {} ({}){more}", first.path, first.reason.as_str()))
}
