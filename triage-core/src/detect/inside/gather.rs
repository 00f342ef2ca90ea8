//! What is found in members, put together to what is true of the file that holds them: one finding a rule, however many members it is about.

use super::format::{Format, HEAD};
use super::part::Part;
use super::trouble::{Troubles, Why};
use super::walk::{Judge, Oddity, Walk};
use super::{ArchiveMember, Limits, Place};
use crate::detect::backup::{self, Kind};
use crate::detect::{Detector, Inside, Report, Shared};
use crate::model::{Category, Digest, Evidence, EvidencePath, Finding, RawText, Severity, Subject};
use crate::sweep::{Swept, Window};
use std::collections::BTreeMap;
use std::io::Read;
use std::thread::JoinHandle;

/// Members of which a finding shows the evidence, how much of each, and members that it names besides.
const SHOWN: usize = 5;
const EVIDENCE: usize = 10;
const NAMED: usize = 20;

/// What was found in one file.
#[derive(Default)]
pub(in crate::detect) struct Gathered {
    by_rule: BTreeMap<String, OfRule>,
    troubles: Troubles,
    backup: Option<Kind>,
    /// Says that the file is an archive from its first byte on, and nothing besides.
    is_plain: bool,
}

/// What one rule found in the members of one file.
struct OfRule {
    worst: Finding,
    /// Members with their evidence, in the order of the archive.
    shown: Vec<(Vec<u8>, Vec<Evidence>)>,
    named: Vec<Vec<u8>>,
    /// The member that was counted last.
    last: Vec<u8>,
    members: u64,
}

/// Shows members to the detectors that look inside.
struct Gatherer<'a> {
    shared: &'a Shared,
    path: &'a EvidencePath,
    found: Gathered,
}

impl Gathered {
    /// Looks into a content that is in memory.
    pub(in crate::detect) fn of(shared: &Shared, file: &Swept<'_>, content: &[u8], limits: &Limits) -> Self {
        let is_runnable =
            content.ends_with(b"GBMB") || file.path.extension().is_some_and(|name| name.eq_ignore_ascii_case(b"phar"));
        if Place::of(file.path) == Place::Vendor && !is_runnable {
            return Self::default();
        }
        let mut gatherer = Gatherer { shared, path: file.path, found: Self::default() };
        let troubles = Walk::whole(content, file.path, limits, &mut gatherer).troubles;
        gatherer.found.troubles.append(troubles);
        let is_plain = Format::of_head(content.get(..HEAD).unwrap_or(content)).is_some();
        Self { is_plain, ..gatherer.found }
    }

    /// Looks into a content that passes, on a thread of its own; none where that cannot be done with what begins so.
    pub(in crate::detect) fn of_stream(
        shared: &Shared,
        window: &Window<'_>,
        mut reader: Box<dyn Read + Send>,
        limits: &Limits,
    ) -> Option<JoinHandle<Self>> {
        Format::of_head(window.bytes.get(..HEAD)?)?;
        if Place::of(window.file.path) == Place::Vendor {
            return None;
        }
        let (shared, path, limits) = (shared.clone(), window.file.path.clone(), limits.clone());
        let work = move || {
            let mut gatherer = Gatherer { shared: &shared, path: &path, found: Self::default() };
            let troubles = Walk::stream(&mut reader, &path, &limits, &mut gatherer).troubles;
            gatherer.found.troubles.append(troubles);
            Self { is_plain: true, ..gatherer.found }
        };
        std::thread::Builder::new().name("inside".to_owned()).spawn(work).ok()
    }

    /// What is known where looking failed.
    pub(super) fn failed() -> Self {
        let mut troubles = Troubles::default();
        troubles.add(Why::Damaged("looking into it failed".to_owned()), b"");
        Self { troubles, ..Self::default() }
    }

    /// Says what was found, as something that is true of `file`, of which `report` has what was found in it as it is.
    pub(in crate::detect) fn report(self, file: &Swept<'_>, report: &mut Report) {
        let subject = Subject::File { path: file.path.clone(), sha256: file.sha256 };
        // A tar is not compressed: what stands in a member stands in the file as well, and says less there.
        report.findings.retain(|raw| {
            !(self.is_plain && raw.subject.path() == file.path && self.by_rule.contains_key(&raw.rule.0))
        });
        let place = Place::of(file.path);
        let mut found: Vec<Finding> = Vec::new();
        for of_rule in self.by_rule.into_values() {
            let mut finding = of_rule.finding(&subject);
            finding.confidence = finding.confidence.min(place.most_confidence());
            // The rules for backups say so themselves.
            if !finding.rule.0.starts_with("TR-BACKUP-") {
                let holder = if self.backup.is_some() { "a FreePBX backup" } else { "an archive" };
                finding.title = format!("{}, in {holder}", finding.title);
            }
            found.push(finding);
        }
        if let Some(kind) = self.backup {
            report.findings.extend(backup::unsafe_to_restore(kind, &subject, &found));
        }
        report.findings.append(&mut found);
        report.gaps.extend(self.troubles.gaps(file.path));
    }

    fn add(&mut self, finding: Finding, member: &ArchiveMember) {
        let evidence = || evidence_of(&finding).into_iter().take(EVIDENCE).collect();
        let Some(known) = self.by_rule.get_mut(&finding.rule.0) else {
            let shown = vec![(member.name.clone(), evidence())];
            let rule = finding.rule.0.clone();
            self.by_rule
                .insert(rule, OfRule { worst: finding, shown, named: Vec::new(), last: Vec::new(), members: 1 });
            return;
        };
        if let Some((_, shown)) = known.shown.last_mut().filter(|(name, _)| *name == member.name) {
            let room = EVIDENCE.saturating_sub(shown.len());
            let fresh: Vec<Evidence> =
                evidence_of(&finding).into_iter().filter(|one| !shown.contains(one)).take(room).collect();
            shown.extend(fresh);
        } else if known.shown.len() < SHOWN {
            known.shown.push((member.name.clone(), evidence()));
            known.members += 1;
        } else if known.last != member.name {
            known.members += 1;
            known.last.clone_from(&member.name);
            if known.named.len() < NAMED {
                known.named.push(member.name.clone());
            }
        }
        if (finding.severity, finding.confidence) > (known.worst.severity, known.worst.confidence) {
            known.worst = finding;
        }
    }
}

/// The evidence of a finding in a member. What is said of a line keeps the line, because the subject will be the file that holds the member.
fn evidence_of(finding: &Finding) -> Vec<Evidence> {
    let mut evidence = finding.evidence.clone();
    if let Subject::Line { line: number, text, .. } | Subject::CronEntry { line: number, text, .. } = &finding.subject {
        let has_line = |one: &Evidence| matches!(one, Evidence::Line { line, .. } | Evidence::Match { line, .. } if line == number);
        if !evidence.iter().any(has_line) {
            evidence.insert(0, Evidence::Line { line: *number, text: text.clone() });
        }
    }
    evidence
}

impl OfRule {
    fn finding(self, subject: &Subject) -> Finding {
        let attribute = |name: &str, value: &[u8]| Evidence::Attribute { name: name.to_owned(), value: value.into() };
        let mut evidence = Vec::new();
        for (name, of_member) in self.shown {
            evidence.push(attribute("member", &name));
            evidence.extend(of_member);
        }
        evidence.extend(self.named.iter().map(|name| attribute("also_in", name)));
        if self.members > 1 {
            evidence.push(attribute("members", self.members.to_string().as_bytes()));
        }
        let mut finding = self.worst.inside(subject.clone(), attribute("member", b""));
        finding.evidence = evidence;
        finding
    }
}

impl Gatherer<'_> {
    fn take(&mut self, report: Report, member: &ArchiveMember) {
        for finding in report.findings {
            self.found.add(finding, member);
        }
        for gap in report.gaps {
            self.found.troubles.add(Why::Detector(gap.reason, gap.detail), &member.name);
        }
    }

    fn looks(detector: &dyn Detector) -> bool {
        detector.looks_inside(Inside::Member)
    }
}

impl Judge for Gatherer<'_> {
    fn whole(&mut self, member: &ArchiveMember, content: &[u8]) {
        let swept =
            Swept { path: &member.path, meta: &member.meta, sha256: Some(Digest::of(content)), content: Some(content) };
        self.found.backup = self.found.backup.or_else(|| backup::kind(&member.path, content));
        let report = self.shared.inspect(self.path, &swept, &Self::looks);
        self.take(report, member);
    }

    fn part(&mut self, member: &ArchiveMember, part: &Part<'_>) {
        let file = || Swept { path: &member.path, meta: &member.meta, sha256: None, content: None };
        let mut report = Report::default();
        if part.offset == 0 {
            // Its name and its mode can be judged without it.
            report = self.shared.inspect(self.path, &file(), &Self::looks);
        }
        let Part { offset, lines_before, bytes, is_last } = *part;
        let window = Window { file: file(), offset, lines_before, bytes, is_last };
        let mut more = self.shared.ask(self.path, self.shared.deadline(), |detector, report| {
            if Self::looks(detector) {
                detector.inspect_window(&window, report);
            }
        });
        report.findings.append(&mut more.findings);
        report.gaps.append(&mut more.gaps);
        self.take(report, member);
    }

    fn oddity(&mut self, oddity: Oddity, member: &ArchiveMember) {
        let subject = Subject::File { path: member.path.clone(), sha256: None };
        let attribute =
            |name: &str, value: &[u8]| Evidence::Attribute { name: name.to_owned(), value: RawText::from(value) };
        let (rule, title, severity, confidence, evidence) = match oddity {
            Oddity::Escape => {
                ("TR-ARCHIVE-0001", "Name that leaves the folder it is unpacked in", Severity::Medium, 65, Vec::new())
            }
            Oddity::ThroughLink => (
                "TR-ARCHIVE-0002",
                "File that is unpacked through a link out of the folder",
                Severity::Medium,
                60,
                Vec::new(),
            ),
            Oddity::PharObject(class) => {
                let is_honest = self.path.extension().is_some_and(|name| name.eq_ignore_ascii_case(b"phar"));
                let (severity, confidence) = if is_honest { (Severity::Medium, 50) } else { (Severity::High, 80) };
                let evidence = vec![attribute("class", &class)];
                ("TR-ARCHIVE-0003", "Objects that PHP makes when it looks at the phar", severity, confidence, evidence)
            }
        };
        let weight = (Category::Exploitation, severity, confidence);
        let finding = Finding::new(rule, title, weight, subject, evidence);
        self.found.add(finding.with_attack(["T1203"]), member);
    }
}
