//! One answer to "is this host compromised, how, since when, and what now?": what a scan found, put to the questions that a responder asks.
//!
//! Nothing is looked up here but findings and what was read; so the same evidence gives the same answer on the host, on an image and offline.

mod family;
mod question;
mod seen;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;

pub use family::{Because, Families, FamilyError, Likeness};
pub use question::{Answer, Question, Word};

use super::root::is_roots_alone;
use super::{Scan, Target};
use crate::detect::{self, Detectors, Recognised};
use crate::model::{Finding, FindingId, HostIdentity, Severity, Span, Subject, TimeSource, Timestamp, Verdict};
use crate::report::{CleanedUp, Totals};
use crate::source::SourceError;
use seen::{Seen, Witness};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Version of the check format.
pub const FORMAT_VERSION: u32 = 1;
/// Reasons that are named for what goes on and for root.
const NAMED: usize = 5;
/// A bad act so short before the check counts as going on.
const RECENT: i64 = 24 * 3600;

/// Watches a scan for what it reads, so that its end can be put to the questions.
#[derive(Clone, Default)]
pub struct Checker(Witness);

/// What is known of a check beside its scan.
#[derive(Clone, Debug)]
pub struct About {
    /// `triage` and its version.
    pub tool: String,
    /// The time now; none where the evidence was taken elsewhere, and "now" says nothing of it.
    pub now: Option<Timestamp>,
    /// When this is told.
    pub created: Timestamp,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// `triage` and its version.
    pub tool: String,
    /// When the check ended.
    pub created: Timestamp,
    /// What was checked, as a person calls it, escaped.
    pub target: String,
    /// The host it is of.
    pub host: HostIdentity,
    /// The telephone system on it; none where none was recognised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<Recognised>,
    /// The profile that said what is read; none where everything was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The answer in one word.
    pub verdict: Verdict,
    /// Why the verdict is `undetermined`; nothing where it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// An answer for each question that makes sense for the host.
    pub answers: Vec<Answer>,
    /// Whether it goes on.
    pub ongoing: Ongoing,
    /// The first bad act that has a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_act: Option<Act>,
    /// The last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_act: Option<Act>,
    /// What shows that the intruder was root, the strongest first; empty where nothing does.
    pub root_shown: Vec<FindingId>,
    /// The clean-up after which it was checked; none where none is known to stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean_up: Option<CleanedUp>,
    /// Known incidents that it looks like, the surest first.
    pub families: Vec<Likeness>,
    /// What was read.
    pub totals: Totals,
    /// How many findings there are in all.
    pub findings: usize,
    /// How many allow-lists took out.
    pub allowed: usize,
    /// How much was not read.
    pub gaps: usize,
}

/// Whether the intruder is at work now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ongoing {
    /// The answer.
    pub answer: Going,
    /// What shows it, the strongest first.
    pub because: Vec<FindingId>,
}

/// Whether something goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Going {
    /// A process, a connection or a call of the intruder's was there when the evidence was taken.
    Yes,
    /// Nothing of it was running, but something starts it again, or it acted within a day before.
    Likely,
    /// What was running was looked at, and nothing of it was bad.
    NotSeen,
    /// The evidence does not have what was running.
    NotKnown,
}

/// A bad act in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// When.
    pub time: Timestamp,
    /// What says so.
    pub by: TimeSource,
    /// The finding that tells of it.
    pub finding: FindingId,
}

impl Checker {
    /// Lets it watch.
    pub fn watch(&self, detectors: &mut Detectors) {
        detectors.add(Box::new(self.0.clone()));
    }

    /// Puts what a scan found to the questions.
    ///
    /// # Errors
    /// When the target as a whole cannot be read any more.
    pub fn answer(
        &self,
        target: &Target,
        scan: &Scan,
        families: &Families,
        about: About,
    ) -> Result<Check, SourceError> {
        let seen = self.0.seen();
        let About { tool, now, created } = about;
        let product =
            Some(detect::recognise(target.source.as_ref())?).filter(|found| found.product.is_telephone_system());
        let answers = answers(scan, &seen, product.as_ref());
        let acts = acts(&scan.findings);
        let first = acts.iter().min_by_key(|(_, span)| span.first);
        let last = acts.iter().max_by_key(|(_, span)| span.last);
        let act =
            |finding: &Finding, time: Timestamp, span: &Span| Act { time, by: span.by, finding: finding.id.clone() };
        let because = undetermined(scan.verdict, &answers, product.as_ref());
        Ok(Check {
            format_version: FORMAT_VERSION,
            tool,
            created,
            target: target.source.label(),
            host: target.host.clone(),
            product,
            profile: target.profile.clone(),
            verdict: if because.is_some() { Verdict::Undetermined } else { scan.verdict },
            because,
            ongoing: ongoing(scan, &acts, seen.has_volatile, now),
            first_act: first.map(|(finding, span)| act(finding, span.first, span)),
            last_act: last.map(|(finding, span)| act(finding, span.last, span)),
            root_shown: named(scan.findings.iter().filter(|finding| shows_root(finding))),
            clean_up: scan.clean_up.clone(),
            families: families.of(&scan.findings),
            answers,
            totals: Totals { objects: scan.summary.objects, files: scan.summary.files, bytes: scan.summary.bytes },
            findings: scan.findings.len(),
            allowed: scan.allowed.len(),
            gaps: scan.gaps.len(),
        })
    }
}

fn answers(scan: &Scan, seen: &Seen, product: Option<&Recognised>) -> Vec<Answer> {
    Question::ALL
        .into_iter()
        .map(|question| Answer::to(question, scan, seen))
        .filter(|answer| product.is_some() || !answer.question.is_of_pbx() || answer.answer != Word::NotKnown)
        .collect()
}

/// Why silence means nothing on this host.
fn undetermined(verdict: Verdict, answers: &[Answer], product: Option<&Recognised>) -> Option<String> {
    // Who was root may have hidden anything, whatever was read.
    if verdict.is_found() || verdict == Verdict::ContainedRebuildAdvised {
        return None;
    }
    if let Some(product) = product.map(|found| found.product).filter(|product| !product.has_pack()) {
        return Some(format!("what is peculiar to {product} is not known to this program: its database was not read"));
    }
    let unknown = answers.iter().find(|answer| answer.question.is_needed() && answer.answer == Word::NotKnown);
    match unknown.and_then(|answer| answer.unread.clone()) {
        Some(why) => Some(why),
        None => (verdict == Verdict::Undetermined).then(|| "too much was not read; the gaps say what".to_owned()),
    }
}

/// Says whether a finding tells of something that an intruder did, beyond doubt enough to act on.
fn is_act(finding: &Finding) -> bool {
    finding.category.is_evidence_of_compromise() && finding.severity >= Severity::High && finding.confidence >= 75
}

/// The findings that tell of bad acts, with their times.
fn acts(findings: &[Finding]) -> Vec<(&Finding, Span)> {
    findings.iter().filter(|finding| is_act(finding)).filter_map(|finding| Some((finding, finding.seen?))).collect()
}

fn ongoing(scan: &Scan, acts: &[(&Finding, Span)], has_volatile: bool, now: Option<Timestamp>) -> Ongoing {
    let findings = &scan.findings;
    let runs: Vec<&Finding> = findings.iter().filter(|finding| is_act(finding) && is_running(finding)).collect();
    if !runs.is_empty() {
        return Ongoing { answer: Going::Yes, because: named(runs.into_iter()) };
    }
    let recent = |span: &Span| now.is_some_and(|now| (0..RECENT).contains(&(now.seconds() - span.last.seconds())));
    let starts: Vec<&Finding> = findings
        .iter()
        .filter(|finding| is_act(finding) && !scan.is_past(finding))
        .filter(|finding| {
            matches!(finding.subject, Subject::CronEntry { .. })
                || acts.iter().any(|(act, span)| act.id == finding.id && recent(span))
        })
        .collect();
    if !starts.is_empty() {
        return Ongoing { answer: Going::Likely, because: named(starts.into_iter()) };
    }
    Ongoing { answer: if has_volatile { Going::NotSeen } else { Going::NotKnown }, because: Vec::new() }
}

/// The first few findings by id, one of each subject.
fn named<'a>(found: impl Iterator<Item = &'a Finding>) -> Vec<FindingId> {
    let mut subjects = BTreeSet::new();
    found
        .filter(|finding| subjects.insert(finding.subject.to_string()))
        .take(NAMED)
        .map(|finding| finding.id.clone())
        .collect()
}

/// Says whether a finding is about something that was at work when the evidence was taken.
fn is_running(finding: &Finding) -> bool {
    matches!(finding.subject, Subject::Process { .. })
        || finding.subject.path().as_bytes().starts_with(b"/proc/net/")
        // Calls that go on now, and telephones that are registered now.
        || matches!(finding.rule.0.as_str(), "TR-FRAUD-0006" | "TR-FRAUD-0007")
}

/// Says whether a finding shows that the intruder had the rights of root: it is about something that nobody else can do.
pub(super) fn shows_root(finding: &Finding) -> bool {
    match finding.subject {
        _ if !is_act(finding) => false,
        Subject::Kernel { .. } => true,
        // What runs is not always somewhere that only root can write; whose it is does not stand in the finding.
        Subject::Process { .. } => false,
        _ => is_roots_alone(finding.subject.path()),
    }
}

/// One JSON object on one line, with `kind` `"verdict"`, and no line end.
///
/// # Errors
/// Never for a check that was made here.
pub fn verdict_line(check: &Check) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Line<'a> {
        kind: &'static str,
        #[serde(flatten)]
        check: &'a Check,
    }
    serde_json::to_string(&Line { kind: "verdict", check })
}
