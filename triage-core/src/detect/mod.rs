//! The detectors: what turns evidence into findings.
//!
//! A detector sees every object of the sweep once, in any order and from any thread, and may draw a conclusion at the end
//! from what it remembers. What it says depends on the evidence alone: not on the order of visits, not on the number of
//! threads, not on whether the evidence is a live host or a bundle of it. A detector never opens a file, follows a link or
//! runs anything, and a fault in one becomes a gap, never the end of the scan.

mod account;
mod advisory;
mod allow;
mod backup;
mod baseline;
mod cohort;
mod cron;
mod database;
mod density;
mod exposure;
mod fraud;
mod handler;
mod hardening;
mod indicator;
mod inside;
mod known_good;
mod log;
mod matched;
mod module_signature;
mod name;
mod packages;
mod pbx;
mod php;
mod placement;
mod process;
mod product;
mod rules;
mod score;
mod shell;
mod sigma;
mod tampering;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod testing;
mod wordpress;
mod yara;

pub use account::AccountDetector;
pub use advisory::{
    Access, Advisories, Advisory, AdvisoryDetector, AdvisoryError, Range as AffectedRange, SourceGrade, advisory_schema,
};
pub use allow::{AllowError, AllowList};
pub use backup::BackupDetector;
pub use baseline::{Baseline, BaselineDetector, Part as BaselinePart};
pub use cohort::CohortDetector;
pub use cron::CronDetector;
pub use database::DatabaseDetector;
pub use density::DensityDetector;
pub use exposure::ExposureDetector;
pub use fraud::FraudDetector;
pub use hardening::HardeningDetector;
pub use indicator::{
    Foreign, ForeignDetector, Import, ImportError, ImportProblem, IndicatorDetector, IndicatorError, Indicators,
    Sought, import,
};
pub use inside::{ArchiveMember, Limits as InsideLimits, archive_members};
pub use known_good::{Authority, Digests, Judgement, KnownGood, Standing};
pub use log::LogDetector;
pub use module_signature::{
    ArchiveStanding, FORMAT_VERSION as MODULES_FORMAT_VERSION, FileClass, KeyPlaces, ModuleSignatureDetector,
    ModuleStanding, ModuleState, ModulesReport, SignatureState, SignatureVerdict, Signer, SignerError, Signers, Signs,
    Totals as ModuleTotals, holds_keys, modules_json, modules_jsonl, places as module_places,
};
pub use name::NameDetector;
pub use packages::PackageDetector;
pub use pbx::{Grade, PbxDetector};
pub use php::{Limits as PhpLimits, PhpDetector};
pub use placement::PlacementDetector;
pub use process::ProcessDetector;
pub use product::{Product, Recognised, recognise};
pub use rules::{ProblemKind, RuleInfo, RuleProblem, RuleSet, RuleSource};
pub use sigma::SigmaSet;
pub use tampering::TamperingDetector;
pub use wordpress::{ChecksumError, CoreChecksums, WordPressDetector};
pub use yara::{RuleCost, RuleProfiler, YaraDetector, YaraOptions};

use crate::model::{
    Allowed, Digest, Evidence, EvidencePath, Finding, Gap, GapReason, Outcome, Permit, Record, Span, Subject,
    TimeSource,
};
use crate::sweep::{Swept, Visitor, Window};
use inside::{Gathered, Streams};
use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One detector.
pub trait Detector: Send + Sync {
    /// Looks at one object. State that a conclusion needs is kept behind a lock.
    fn inspect(&self, file: &Swept<'_>, report: &mut Report);

    /// Looks at one record of a host's volatile state. All come before the first object.
    fn consider(&self, record: &Record, report: &mut Report) {
        let _ = (record, report);
    }

    /// Looks at a part of a file that is too large for memory. Parts come in order, and overlap. A detector that can only judge a whole content says nothing
    /// here, and a gap where that matters.
    fn inspect_window(&self, window: &Window<'_>, report: &mut Report) {
        let _ = (window, report);
    }

    /// Looks at a file that only parsers take in whole, because it is so large (a journal, a package database). Who says nothing sees it
    /// without its content.
    fn inspect_large(&self, file: &Swept<'_>, report: &mut Report) {
        self.inspect(&Swept { content: None, ..*file }, report);
    }

    /// Says whether it also looks at contents that stand inside others. They come to [`Detector::inspect`] under the path that they
    /// would have on a host; what is found in them is said of the file that holds them. So this is for detectors that judge a content by itself.
    fn looks_inside(&self, inside: Inside) -> bool {
        let _ = inside;
        false
    }

    /// What it has learnt of the files that vendors ship; asked for after every detector has concluded. Findings about
    /// the content of files are weighed by it.
    fn authorities(&self) -> Vec<Box<dyn Authority + '_>> {
        Vec::new()
    }

    /// Says what only the whole evidence shows; called once, after the last object.
    fn conclude(&self, host: &HostContext, report: &mut Report) {
        let _ = (host, report);
    }
}

/// A detector that its maker keeps a hand on.
impl<D: Detector + ?Sized> Detector for Arc<D> {
    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        (**self).inspect(file, report);
    }

    fn consider(&self, record: &Record, report: &mut Report) {
        (**self).consider(record, report);
    }

    fn inspect_window(&self, window: &Window<'_>, report: &mut Report) {
        (**self).inspect_window(window, report);
    }

    fn inspect_large(&self, file: &Swept<'_>, report: &mut Report) {
        (**self).inspect_large(file, report);
    }

    fn looks_inside(&self, inside: Inside) -> bool {
        (**self).looks_inside(inside)
    }

    fn authorities(&self) -> Vec<Box<dyn Authority + '_>> {
        (**self).authorities()
    }

    fn conclude(&self, host: &HostContext, report: &mut Report) {
        (**self).conclude(host, report);
    }
}

/// What a detector has to say.
#[derive(Debug, Default)]
pub struct Report {
    /// What was found.
    pub findings: Vec<Finding>,
    /// What could not be judged.
    pub gaps: Vec<Gap>,
    /// Code that was decoded from the content, for the other detectors.
    pub layers: Vec<Layer>,
    /// When the time for this file is up; none where nobody has set one.
    pub(crate) deadline: Option<Instant>,
}

/// How a content stands inside another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inside {
    /// Code that the file decodes and runs.
    Layer,
    /// A member of an archive, at any depth; its path is the one that it would have on a host.
    Member,
}

/// Code that stands encoded in code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The decoded code, without an opening tag.
    pub text: Vec<u8>,
    /// The line of the layer above that decodes it, from 1.
    pub line: u32,
    /// Layers around it; 1 for what stands in the file's own text.
    pub depth: u16,
}

/// What is known of the evidence as a whole when the conclusions are drawn.
#[derive(Clone, Copy)]
pub struct HostContext<'a> {
    /// Says whether the source shows a whole host, so that the absence of a file means something.
    pub is_host: bool,
    /// What was not read.
    pub gaps: &'a [Gap],
    /// Says whether a path was asked for at all; in a bundle, whether its profile asked for it.
    pub selects: &'a (dyn Fn(&EvidencePath) -> bool + Sync),
}

impl HostContext<'_> {
    /// Says whether it means something that no object of this path was seen.
    pub fn shows_absence_of(&self, path: &EvidencePath) -> bool {
        self.is_host && (self.selects)(path) && !self.gaps.iter().any(|gap| path.starts_with(&gap.path))
    }
}

/// What all detectors together say.
#[derive(Debug, Default)]
pub struct Conclusion {
    /// What was found and counts, each once, worst and surest first.
    pub findings: Vec<Finding>,
    /// What was found and an allow-list allows, in the same order.
    pub allowed: Vec<Allowed>,
    /// Entries of allow-lists that allowed nothing.
    pub unused: Vec<Permit>,
    /// What could not be judged.
    pub gaps: Vec<Gap>,
}

/// What detectors know that is data.
#[derive(Default)]
pub struct Knowledge {
    /// Hashes, names, places and words of known attacks.
    pub indicators: Indicators,
    /// Rules for logs.
    pub sigma: SigmaSet,
    /// Versions with known holes.
    pub advisories: Advisories,
}

/// The enabled detectors, as one visitor of the sweep.
#[allow(clippy::struct_field_names, reason = "they are what it is named after")]
pub struct Detectors {
    shared: Shared,
    report: Mutex<Report>,
    allow: AllowList,
    /// None where no detector looks into archives.
    inside: Option<InsideLimits>,
    streams: Streams,
    /// The description of the backup that the evidence is, where it is one.
    backup: Mutex<Option<(backup::Kind, Subject)>>,
}

/// What threads that unpack have in common with those that read.
#[derive(Clone)]
struct Shared {
    detectors: Vec<Arc<dyn Detector>>,
    patience: Option<Duration>,
}

impl Detectors {
    /// These detectors and no others.
    pub fn new(detectors: Vec<Box<dyn Detector>>) -> Self {
        let looks = detectors.iter().any(|detector| detector.looks_inside(Inside::Member));
        Self {
            shared: Shared { detectors: detectors.into_iter().map(Arc::from).collect(), patience: None },
            report: Mutex::default(),
            allow: AllowList::default(),
            inside: looks.then(InsideLimits::default),
            streams: Streams::default(),
            backup: Mutex::default(),
        }
    }

    /// The same, but what `list` allows does not count.
    #[must_use]
    pub fn allowing(mut self, list: AllowList) -> Self {
        self.allow.join(list);
        self
    }

    /// The same, but looking at one file, with all that is decoded from it, takes no longer than that and a second; each member of an archive counts for
    /// itself. What is not looked at because of it is a gap.
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        self.shared.patience = Some(patience);
        self
    }

    /// The same with other limits for what is looked at inside archives.
    #[must_use]
    pub fn with_inside(mut self, limits: InsideLimits) -> Self {
        self.inside = self.inside.map(|_| limits);
        self
    }

    /// All detectors that are built in, with the built-in indicators, and those of `others` (YARA).
    ///
    /// # Errors
    /// Never in a build whose tests have passed.
    pub fn builtin(others: Vec<Box<dyn Detector>>) -> Result<Self, IndicatorError> {
        Ok(Self::with_indicators(Indicators::builtin()?, others))
    }

    /// All detectors that are built in, with these indicators and the built-in knowledge else, and those of `others`.
    pub fn with_indicators(indicators: Indicators, others: Vec<Box<dyn Detector>>) -> Self {
        // A build whose tests have passed has no mistake in its advisories.
        let advisories = Advisories::builtin().unwrap_or_default();
        Self::with_knowledge(Knowledge { indicators, sigma: SigmaSet::builtin(), advisories }, others)
    }

    /// All detectors that are built in, with this knowledge, and those of `others`.
    pub fn with_knowledge(knowledge: Knowledge, others: Vec<Box<dyn Detector>>) -> Self {
        let Knowledge { indicators, sigma, advisories } = knowledge;
        let indicators = Arc::new(indicators);
        let mut detectors: Vec<Box<dyn Detector>> = vec![
            Box::new(IndicatorDetector::new(Arc::clone(&indicators))),
            Box::new(AccountDetector::new(Arc::clone(&indicators))),
            Box::new(BackupDetector),
            Box::new(CronDetector::new(Arc::clone(&indicators))),
            Box::new(DatabaseDetector::new(Arc::clone(&indicators))),
            Box::new(PlacementDetector),
            Box::new(NameDetector),
            Box::new(DensityDetector),
            Box::new(CohortDetector::default()),
            Box::new(ProcessDetector::new(Arc::clone(&indicators))),
            Box::new(PhpDetector::default()),
            Box::new(TamperingDetector::new(Arc::clone(&indicators))),
            Box::new(PbxDetector::new(Arc::clone(&indicators))),
            Box::new(HardeningDetector::default()),
            Box::new(ExposureDetector::default()),
            Box::new(ModuleSignatureDetector::new(indicators)),
            Box::new(PackageDetector::new()),
            Box::new(AdvisoryDetector::new(advisories)),
        ];
        detectors.extend(others);
        // ORDER: logs are held against what the others have found, and tell of the host's clock, which calls are told by.
        let offsets = fraud::Offsets::default();
        detectors.push(Box::new(LogDetector::new(sigma).telling(Arc::clone(&offsets))));
        detectors.push(Box::new(FraudDetector::with_offsets(offsets)));
        Self::new(detectors)
    }

    /// Adds one.
    pub fn add(&mut self, detector: Box<dyn Detector>) {
        self.shared.detectors.push(Arc::from(detector));
    }

    /// Shows one record of a host's volatile state to all of them.
    pub fn consider(&self, record: &Record) {
        let mut report =
            self.shared.ask(&EvidencePath::root(), None, |detector, report| detector.consider(record, report));
        if let Record::Process(process) = record {
            let start = process.start.map(|start| Span::at(start, TimeSource::Start));
            report.findings.iter_mut().for_each(|finding| finding.seen = finding.seen.or(start));
        }
        self.keep(report);
    }

    fn keep(&self, mut report: Report) {
        if report.findings.is_empty() && report.gaps.is_empty() {
            return;
        }
        let mut all = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        all.findings.append(&mut report.findings);
        all.gaps.append(&mut report.gaps);
    }

    /// Draws the conclusions, and gives the findings that count: each once, worst and surest first.
    pub fn conclude(self, context: &HostContext) -> Outcome<Vec<Finding>> {
        let Conclusion { findings, gaps, .. } = self.conclude_all(context);
        Outcome { value: findings, gaps }
    }

    /// Draws the conclusions, and gives all that was found.
    ///
    /// Where one rule found the same thing twice, the better finding stays and takes over the other's evidence. Then authorities weigh what is left, allow-lists
    /// take out what does not count, and the weak signs about one thing are summed up.
    pub fn conclude_all(self, context: &HostContext) -> Conclusion {
        let mut all = self.report.into_inner().unwrap_or_else(PoisonError::into_inner);
        for detector in &self.shared.detectors {
            guarded(&EvidencePath::root(), &mut all, |report| detector.conclude(context, report));
        }
        let authorities = self.shared.detectors.iter().map(AsRef::as_ref).flat_map(Detector::authorities).collect();
        KnownGood::new(authorities).weigh(&mut all.findings);
        all.gaps.sort();
        all.gaps.dedup();
        if let Some((kind, subject)) = self.backup.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let answer = backup::unsafe_to_restore(kind, &subject, &all.findings);
            all.findings.push(answer.unwrap_or_else(|| backup::nothing_found(kind, subject)));
        }
        // ORDER: what is allowed is no sign of anything, and a sum can be allowed like any other finding.
        let mut used = BTreeSet::new();
        let (mut findings, mut allowed) = self.allow.part(merge(all.findings), &mut used);
        let (sums, allowed_sums) = self.allow.part(score::sums(&findings), &mut used);
        findings.extend(sums);
        findings.sort_by(|a, b| a.rank().cmp(&b.rank()));
        allowed.extend(allowed_sums);
        allowed.sort_by(|a, b| a.finding.rank().cmp(&b.finding.rank()));
        Conclusion { findings, allowed, unused: self.allow.unused(&used), gaps: all.gaps }
    }
}

impl Visitor for Detectors {
    fn visit(&self, file: &Swept<'_>) {
        let mut report = self.shared.inspect(file.path, file, &|_| true);
        self.look_inside(file, &mut report);
        self.keep(report.seen(file));
    }

    fn wants_windows(&self) -> bool {
        true
    }

    fn visit_window(&self, window: &Window<'_>) {
        let report = self
            .shared
            .ask(window.file.path, self.shared.deadline(), |detector, report| detector.inspect_window(window, report));
        let report = match &self.inside {
            Some(limits) => {
                self.streams.feed(window, report, |reader| Gathered::of_stream(&self.shared, window, reader, limits))
            }
            None => Some(report),
        };
        if let Some(report) = report {
            self.keep(report.seen(&window.file));
        }
    }

    fn visit_large(&self, file: &Swept<'_>) {
        let mut report =
            self.shared.ask(file.path, self.shared.deadline(), |detector, report| detector.inspect_large(file, report));
        self.look_inside(&Swept { content: None, ..*file }, &mut report);
        self.keep(report.seen(file));
    }
}

impl Detectors {
    /// Looks at the members of an archive; those of one that was too large for memory were looked at as it passed.
    fn look_inside(&self, file: &Swept<'_>, report: &mut Report) {
        let Some(limits) = self.inside.as_ref().filter(|_| file.meta.is_file()) else { return };
        if let Some(content) = file.content {
            if file.path.parent().is_some_and(|folder| folder.is_root())
                && let Some(kind) = backup::kind(file.path, content)
            {
                let subject = Subject::File { path: file.path.clone(), sha256: file.sha256 };
                *self.backup.lock().unwrap_or_else(PoisonError::into_inner) = Some((kind, subject));
            }
            guarded(file.path, report, |report| {
                Gathered::of(&self.shared, file, content, limits).report(file, report);
            });
        } else if let Some((mut raw, found)) = self.streams.finish(file.path) {
            report.findings.append(&mut raw.findings);
            report.gaps.append(&mut raw.gaps);
            found.report(file, report);
        }
    }
}

impl Shared {
    /// When the time for a content is up that is begun now.
    fn deadline(&self) -> Option<Instant> {
        self.patience.and_then(|patience| Instant::now().checked_add(patience))
    }

    fn ask(
        &self,
        path: &EvidencePath,
        deadline: Option<Instant>,
        question: impl Fn(&dyn Detector, &mut Report),
    ) -> Report {
        let mut report = Report { deadline, ..Report::default() };
        for detector in &self.detectors {
            guarded(path, &mut report, |report| question(detector.as_ref(), report));
        }
        report
    }

    /// What the detectors that `looks` says find in a content, and in the code that it decodes. `path` is of the file to blame.
    fn inspect(&self, path: &EvidencePath, file: &Swept<'_>, looks: &dyn Fn(&dyn Detector) -> bool) -> Report {
        let deadline = self.deadline();
        let mut report = self.ask(path, deadline, |detector, report| {
            if looks(detector) {
                detector.inspect(file, report);
            }
        });
        let mut layers = std::mem::take(&mut report.layers).into_iter();
        while let Some(layer) = layers.next() {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                let left = layers.len() + 1;
                let detail = format!("the time for one file was up before {left} of its decoded layers were looked at");
                report.gaps.push(Gap::new(file.path.clone(), GapReason::LimitReached, detail));
                break;
            }
            let place = format!("decoded by line {} of layer {}", layer.line, layer.depth.saturating_sub(1));
            let place = Evidence::Attribute { name: "layer".to_owned(), value: place.as_str().into() };
            let code = Swept { sha256: Some(Digest::of(&layer.text)), content: Some(&layer.text), ..*file };
            let inside = self.ask(path, deadline, |detector, report| {
                if looks(detector) && detector.looks_inside(Inside::Layer) {
                    detector.inspect(&code, report);
                }
            });
            report.add_from_inside(inside, file, &place);
        }
        report
    }
}

impl Report {
    /// Gives the file's times to what was found about it and has none of its own.
    fn seen(mut self, file: &Swept<'_>) -> Self {
        for finding in &mut self.findings {
            if finding.seen.is_none() && finding.subject.path() == file.path && !is_of_records(finding) {
                finding.seen = Span::of(file.meta);
            }
        }
        self
    }

    /// Takes over what was found in a content inside `file`, as something that is true of the file.
    fn add_from_inside(&mut self, inside: Report, file: &Swept<'_>, place: &Evidence) {
        let subject = Subject::File { path: file.path.clone(), sha256: file.sha256 };
        self.findings.extend(inside.findings.into_iter().map(|found| found.inside(subject.clone(), place.clone())));
        self.gaps.extend(inside.gaps.into_iter().map(|gap| Gap { path: file.path.clone(), ..gap }));
    }
}

/// Runs one detector so that a fault in it costs what it would have said of this object, and nothing else.
fn guarded(path: &EvidencePath, report: &mut Report, detect: impl FnOnce(&mut Report)) {
    if catch_unwind(AssertUnwindSafe(|| detect(report))).is_err() {
        report.gaps.push(Gap::new(path.clone(), GapReason::Unreadable, "a detector failed on it"));
    }
}

/// What the rules in code say of themselves, as [`RuleSet::infos`] does for rules in files: those of the telephone system, of hardening and of
/// exposure. Other detectors' rules are listed in the notes of the folder `rules`.
pub fn code_rules() -> Vec<RuleInfo> {
    let mut all: Vec<RuleInfo> =
        pbx::rules().chain(hardening::RULES).chain(exposure::rules()).map(pbx::Rule::info).collect();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all
}

/// Says whether a detector needs the content of the file at this place in every scan, because it judges others by it: what parsers read, and
/// keys.
pub fn wants(path: &EvidencePath) -> bool {
    crate::parse::wants(path) || module_signature::judges_by(path) || log::judges_by(path) || pbx::judges_by(path)
}

/// Says whether a gap is one that stays as long as the file does: looking again would cost as much and tell no more.
pub fn is_lasting(gap: &Gap) -> bool {
    gap.reason == GapReason::LimitReached && gap.detail == php::CUT
}

/// Says whether the bytes are PHP: an opening tag of PHP stands in them, at the beginning or further on.
///
/// `<?php` has to be followed by a blank, as PHP demands. `<?=` and a bare `<?` count only in what is text, because two or three
/// bytes stand in any compressed picture by chance; `<?xml` and `<?xpacket` are none.
pub fn looks_like_php(bytes: &[u8]) -> bool {
    let is_text = std::cell::LazyCell::new(|| !bytes.contains(&0));
    let mut rest = bytes;
    while let Some(at) = find(rest, b"<?") {
        rest = rest.get(at + 2..).unwrap_or_default();
        if rest.get(..3).is_some_and(|word| word.eq_ignore_ascii_case(b"php"))
            && rest.get(3).is_none_or(u8::is_ascii_whitespace)
        {
            return true;
        }
        if rest.first().is_some_and(|&b| b == b'=' || b.is_ascii_whitespace()) && *is_text {
            return true;
        }
    }
    false
}

/// Where `needle` first stands.
fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    needle.first()?;
    memchr::memmem::find(text, needle)
}

fn merge(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| a.rank().cmp(&b.rank()).then_with(|| tie(a).cmp(&tie(b))));
    let mut merged: Vec<Finding> = Vec::with_capacity(findings.len());
    let mut place = HashMap::new();
    for finding in findings {
        let Some(kept) = place.get(&finding.id).and_then(|&at: &usize| merged.get_mut(at)) else {
            place.insert(finding.id.clone(), merged.len());
            merged.push(finding);
            continue;
        };
        kept.seen = match (kept.seen, finding.seen) {
            (Some(a), Some(b)) => Some(a.join(b)),
            (a, b) => a.or(b),
        };
        for evidence in finding.evidence {
            if !kept.evidence.contains(&evidence) {
                kept.evidence.push(evidence);
            }
        }
    }
    // What is concluded of a file in the end knows its times from what was found when it was read.
    let times: HashMap<EvidencePath, Span> =
        merged.iter().filter_map(|finding| Some((finding.subject.path().clone(), finding.seen?))).collect();
    for finding in merged.iter_mut().filter(|finding| finding.seen.is_none() && !is_of_records(finding)) {
        finding.seen = times.get(finding.subject.path()).copied();
    }
    merged
}

/// Says whether a finding is about what records tell, and not about the file that they stand in: the file's times are not its own.
fn is_of_records(finding: &Finding) -> bool {
    matches!(finding.rule.family(), Some("LOG" | "FRAUD" | "DB"))
}

/// What tells two findings of one id apart, so that the order in which they arrived does not matter.
fn tie(finding: &Finding) -> (u64, &str, &[Evidence]) {
    let line = match &finding.subject {
        Subject::CronEntry { line, .. } | Subject::Line { line, .. } => *line,
        _ => 0,
    };
    (line, &finding.title, &finding.evidence)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::model::{Category, FileKind, FileMeta, Mode, Severity};

    struct Panics;

    impl Detector for Panics {
        fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
            report.findings.push(finding(file.path, Severity::High, "before"));
            assert!(file.path.as_bytes() != b"/bad", "on purpose");
        }
    }

    fn finding(path: &EvidencePath, severity: Severity, title: &str) -> Finding {
        let subject = Subject::File { path: path.clone(), sha256: None };
        let evidence = Evidence::Attribute { name: "title".into(), value: title.into() };
        Finding::new("TR-TEST-0001", title, (Category::Tampering, severity, 80), subject, vec![evidence])
    }

    fn context() -> HostContext<'static> {
        HostContext { is_host: true, gaps: &[], selects: &|_| true }
    }

    #[test]
    fn a_detector_that_panics_costs_one_gap_and_no_finding() {
        let meta = FileMeta::bare(FileKind::File, Mode::new(0o644), 0);
        let detectors = Detectors::new(vec![Box::new(Panics)]);
        for path in ["/bad", "/good"] {
            let path = EvidencePath::new(path).unwrap();
            detectors.visit(&Swept { path: &path, meta: &meta, sha256: None, content: None });
        }
        let outcome = detectors.conclude(&context());
        assert_eq!(outcome.value.len(), 2);
        assert_eq!(outcome.gaps.len(), 1);
        assert_eq!(outcome.gaps[0].path.as_bytes(), b"/bad");
    }

    struct Unfolds;

    impl Detector for Unfolds {
        fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
            report.findings.push(finding(file.path, Severity::High, "seen"));
            report.layers.extend((1..=3).map(|line| Layer { text: b"exit;".to_vec(), line, depth: 1 }));
        }
    }

    #[test]
    fn a_file_whose_time_is_up_is_no_further_unfolded_and_that_is_a_gap() {
        let meta = FileMeta::bare(FileKind::File, Mode::new(0o644), 0);
        let path = EvidencePath::new("/x.php").unwrap();
        let look = |patience| {
            let detectors = Detectors::new(vec![Box::new(Unfolds)]).within(patience);
            detectors.visit(&Swept { path: &path, meta: &meta, sha256: None, content: Some(b"x") });
            detectors.conclude(&context())
        };
        let outcome = look(Duration::ZERO);
        assert_eq!((outcome.value.len(), outcome.gaps.len()), (1, 1), "what was found stays");
        assert_eq!(outcome.gaps[0].reason, GapReason::LimitReached);
        assert!(outcome.gaps[0].detail.contains("before 3 of its decoded layers"), "{}", outcome.gaps[0].detail);
        assert!(look(Duration::from_hours(1)).gaps.is_empty());
    }

    #[test]
    fn the_same_finding_twice_is_one_with_the_evidence_of_both_in_any_order() {
        let path = EvidencePath::new("/x").unwrap();
        let (a, b) = (finding(&path, Severity::Low, "a"), finding(&path, Severity::High, "b"));
        let merged = merge(vec![a.clone(), b.clone()]);
        assert_eq!(merged, merge(vec![b, a]));
        assert_eq!(merged.len(), 1);
        assert_eq!((merged[0].severity, merged[0].evidence.len()), (Severity::High, 2));
    }

    #[test]
    fn php_is_told_from_pictures_and_xml() {
        for php in [&b"<?php exit;"[..], b"\x89PNG\0<?PHP\nexit;", b"text <?= $x ?>", b"<?\nexit;", b"<?php"] {
            assert!(looks_like_php(php), "{php:?}");
        }
        for other in
            [&b"<?xml version='1.0'?>"[..], b"\xff\xd8\0<?= \0<? ", b"<?xpacket begin=''?>", b"<?phpx", b"", b"<?"]
        {
            assert!(!looks_like_php(other), "{other:?}");
        }
    }

    #[test]
    fn absence_says_nothing_inside_a_gap_or_outside_the_selection() {
        let path = |text| EvidencePath::new(text).unwrap();
        let gaps = [Gap::new(path("/var/www/html/admin"), GapReason::PermissionDenied, "")];
        let selects = |path: &EvidencePath| path.as_bytes().starts_with(b"/var");
        let context = HostContext { is_host: true, gaps: &gaps, selects: &selects };
        assert!(context.shows_absence_of(&path("/var/www/html/index.php")));
        assert!(!context.shows_absence_of(&path("/var/www/html/admin/ajax.php")));
        assert!(!context.shows_absence_of(&path("/etc/passwd")));
        assert!(!HostContext { is_host: false, ..context }.shows_absence_of(&path("/var/x")));
    }
}
