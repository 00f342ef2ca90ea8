//! Scans contents with YARA rules.
//!
//! The engine is given the bytes that the sweep has read, never a path: it would open FIFOs, follow links and size `/proc` files by `stat`.
//! A time limit or an engine error is a gap; it is never a finding, and never silence.

mod place;
mod profile;
mod seen;
mod shape;

pub use profile::{RuleCost, RuleProfiler};

use super::matched::matched;
use super::rules::{RuleInfo, RuleSet};
use super::tampering::is_startup_script;
use super::{Detector, Inside, Report};
use crate::model::{Evidence, EvidencePath, FileMeta, Finding, Gap, GapReason, RawText, Subject};
use crate::parse::Format;
use crate::sweep::{Swept, Window};
use seen::Seen;
use self_cell::self_cell;
use shape::Shape;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use yara_x::{MatchingRules, ScanError, Scanner};

/// Matches that a finding shows.
const SHOWN_MATCHES: usize = 5;
/// Matches that are looked at in a list, where each line is a finding of its own. What lies beyond is found by the next scan.
const LISTED_MATCHES: usize = 1_000;
/// Matches of one pattern that are kept. A hostile file can match millions of times; no honest rule counts that far.
const KEPT_MATCHES: usize = 10_000;

/// Limits of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YaraOptions {
    /// Time for one file, all rules together; the engine looks at its clock once a second.
    pub timeout: Duration,
}

impl Default for YaraOptions {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30) }
    }
}

/// Makes a finding of each rule that matches a file's content. Cheap to clone; clones share what they have seen.
#[derive(Clone)]
pub struct YaraDetector {
    /// What the scanners of all threads are made of. Scanners hold it weakly, so they do not outlive it for long.
    shared: Arc<Shared>,
}

struct Shared {
    rules: RuleSet,
    options: YaraOptions,
    /// Contents in which no rule found anything.
    seen: Seen,
}

self_cell!(
    /// A scanner with the rules that it borrows. It holds megabytes and takes long to make, so there is one a thread and not one a file.
    struct OwnedScanner {
        owner: Arc<yara_x::Rules>,
        #[not_covariant]
        dependent: Scanner,
    }
);

thread_local! {
    /// The scanners of this thread, one for each detector that is alive. The engine's scanners cannot move between threads.
    static SCANNERS: RefCell<Vec<(Weak<Shared>, OwnedScanner)>> = const { RefCell::new(Vec::new()) };
}

impl YaraDetector {
    /// A detector with `rules`.
    pub fn new(rules: RuleSet, options: YaraOptions) -> Self {
        Self { shared: Arc::new(Shared { rules, options, seen: Seen::default() }) }
    }

    /// The rules it scans with.
    pub fn rules(&self) -> &RuleSet {
        &self.shared.rules
    }

    /// Runs `work` with this thread's scanner of this detector. `None` when the engine panicked.
    fn with_scanner<T>(&self, work: impl FnOnce(&mut Scanner<'_>) -> T) -> Option<T> {
        // Out of the list while it works: a scanner that panicked is in no known state and is not put back.
        let found = SCANNERS.with_borrow_mut(|scanners| {
            scanners.retain(|(owner, _)| owner.strong_count() > 0);
            let at = scanners.iter().position(|(owner, _)| std::ptr::eq(owner.as_ptr(), &raw const *self.shared))?;
            Some(scanners.swap_remove(at).1)
        });
        let mut cell = found.unwrap_or_else(|| {
            OwnedScanner::new(Arc::clone(self.shared.rules.compiled()), |rules| {
                let mut scanner = Scanner::new(rules);
                scanner
                    .max_matches_per_pattern(KEPT_MATCHES)
                    // Patterns that only need to be there once are looked for once.
                    .fast_scan(true);
                scanner
            })
        });
        let answer = catch_unwind(AssertUnwindSafe(|| cell.with_dependent_mut(|_, scanner| work(scanner)))).ok()?;
        SCANNERS.with_borrow_mut(|scanners| scanners.push((Arc::downgrade(&self.shared), cell)));
        Some(answer)
    }
}

impl YaraDetector {
    /// Scans bytes that were found inside a file: a decoded layer, a member of an archive, a window of a large file. The findings are about `file`, their offsets and lines count from the beginning of
    /// `bytes`. What kept the engine from an answer is a gap of the file.
    pub fn look(&self, file: &Swept<'_>, bytes: &[u8]) -> Report {
        self.look_until(file, bytes, None)
    }

    /// The same, but no longer than until `deadline`.
    fn look_until(&self, file: &Swept<'_>, bytes: &[u8], deadline: Option<Instant>) -> Report {
        let mut report = Report::default();
        let gap = |reason, detail: String| Gap::new(file.path.clone(), reason, detail);
        let timeout = self.shared.options.timeout;
        let left = deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(Instant::now()).min(timeout));
        if left.is_zero() {
            report.gaps.push(gap(GapReason::LimitReached, "the time for one file was up before YARA".to_owned()));
            return report;
        }
        let is_list = is_list(file.path);
        let outcome = self.with_scanner(|scanner| {
            scanner.set_timeout(left);
            describe(scanner, file.path, bytes);
            if self.shared.rules.place_matters() {
                describe_place(scanner, file.path, file.meta, bytes);
            }
            // Of a list every matching line is wanted; of anything else, that it matches.
            scanner.fast_scan(!is_list);
            scanner.scan(bytes).map(|results| findings(results.matching_rules(), file, bytes, is_list))
        });
        match outcome {
            Some(Ok(findings)) => report.findings = findings,
            Some(Err(ScanError::Timeout)) => report
                .gaps
                .push(gap(GapReason::LimitReached, format!("YARA did not finish in {} s", left.as_secs_f32().ceil()))),
            Some(Err(error)) => report.gaps.push(gap(GapReason::Unreadable, format!("YARA: {error}"))),
            None => report.gaps.push(gap(GapReason::Unreadable, "the YARA engine failed on this content".to_owned())),
        }
        report
    }
}

impl Detector for YaraDetector {
    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        let Some(content) = file.content else { return };
        // Equal contents are judged once, where no rule asks whose copy it is.
        let key =
            file.sha256.filter(|_| !self.shared.rules.place_matters()).map(|sha256| (sha256, place::words(file.path)));
        if key.is_some_and(|key| self.shared.seen.holds(key)) {
            return;
        }
        let mut found = self.look_until(file, content, report.deadline);
        if let Some(key) = key
            && found.findings.is_empty()
            && found.gaps.is_empty()
        {
            self.shared.seen.add(key);
        }
        report.findings.append(&mut found.findings);
        report.gaps.append(&mut found.gaps);
    }

    fn looks_inside(&self, _: Inside) -> bool {
        true
    }

    fn inspect_window(&self, window: &Window<'_>, report: &mut Report) {
        let mut found = self.look_until(&window.file, window.bytes, report.deadline);
        for finding in &mut found.findings {
            for evidence in &mut finding.evidence {
                if let Evidence::Match { offset, line, .. } = evidence {
                    *offset += window.offset;
                    *line += window.lines_before;
                }
            }
            finding.evidence.push(Evidence::Attribute {
                name: "scanned_as".to_owned(),
                value: format!(
                    "windows of {} bytes; rules that weigh the file as a whole may be wrong",
                    window.bytes.len()
                )
                .as_str()
                .into(),
            });
        }
        report.findings.append(&mut found.findings);
        report.gaps.append(&mut found.gaps);
    }
}

/// Sets the externals that our own rules ask for, see [`RuleSet::compile`].
fn describe(scanner: &mut Scanner<'_>, path: &EvidencePath, content: &[u8]) {
    // These fail only for a name that was not defined when the rules were compiled; then no rule asks for it.
    let _ = scanner.set_global("triage_place", place::words(path).to_string().as_bytes());
    let Shape { blob, calls } = Shape::of(content);
    for (name, value) in [("triage_blob", blob), ("triage_calls", calls)] {
        let _ = scanner.set_global(name, i64::try_from(value).unwrap_or(i64::MAX));
    }
}

/// Sets the externals that rules of others ask for.
fn describe_place(scanner: &mut Scanner<'_>, path: &EvidencePath, meta: &FileMeta, content: &[u8]) {
    let folder = path.parent().unwrap_or_else(EvidencePath::root);
    let extension = path.extension().map_or_else(Vec::new, |name| [b".", name].concat().to_ascii_lowercase());
    let owner = if meta.uid == 0 { "root".to_owned() } else { meta.uid.to_string() };
    let values: [(&str, &[u8]); 5] = [
        ("filename", path.file_name()),
        ("filepath", folder.as_bytes()),
        ("extension", &extension),
        ("filetype", file_type(content).as_bytes()),
        ("owner", owner.as_bytes()),
    ];
    for (name, value) in values {
        let _ = scanner.set_global(name, value);
    }
}

/// The file type by its first bytes, in THOR's words; empty for text and everything that is not listed.
fn file_type(content: &[u8]) -> &'static str {
    const MAGIC: &[(&[u8], &str)] = &[
        (b"\x7fELF", "ELF"),
        (b"MZ", "EXE"),
        (b"PK\x03\x04", "ZIP"),
        (b"\x1f\x8b", "GZIP"),
        (b"GIF8", "GIF"),
        (b"\xff\xd8\xff", "JPEG"),
        (b"\x89PNG", "PNG"),
        (b"%PDF", "PDF"),
    ];
    MAGIC.iter().find(|(magic, _)| content.starts_with(magic)).map_or("", |(_, name)| name)
}

fn findings(rules: MatchingRules<'_, '_>, file: &Swept<'_>, content: &[u8], is_list: bool) -> Vec<Finding> {
    let most = if is_list { LISTED_MATCHES } else { SHOWN_MATCHES };
    rules
        .flat_map(|rule| {
            let info = RuleInfo::of(&rule);
            subjects(file, content, evidence(&rule, content, most)).into_iter().map(move |(subject, evidence)| {
                let weight = (info.category, info.severity, info.confidence);
                Finding::new(info.id.clone(), info.title.clone(), weight, subject, evidence)
                    .with_attack(info.attack.clone())
                    .with_references(info.references.clone())
            })
        })
        .collect()
}

/// Files in which honest lines stand beside the intruder's.
fn is_list(path: &EvidencePath) -> bool {
    is_startup_script(path)
        || matches!(
            Format::at(path),
            Some(Format::SystemCrontab | Format::UserCrontab | Format::Anacrontab | Format::AuthorizedKeys)
        )
}

fn is_crontab(path: &EvidencePath) -> bool {
    matches!(Format::at(path), Some(Format::SystemCrontab | Format::UserCrontab | Format::Anacrontab))
}

/// What the matches of one rule are about: the file, or, where honest lines stand beside the intruder's (a crontab, a profile, a list of
/// keys), each line that matched. So nobody is led to remove a table for one line in it.
fn subjects(file: &Swept<'_>, content: &[u8], evidence: Vec<Evidence>) -> Vec<(Subject, Vec<Evidence>)> {
    let path = || file.path.clone();
    if !is_list(file.path) {
        return vec![(Subject::File { path: path(), sha256: file.sha256 }, evidence)];
    }
    let mut by_line: BTreeMap<u64, Vec<Evidence>> = BTreeMap::new();
    for mut evidence in evidence {
        let Evidence::Match { offset, text, line, .. } = &mut evidence else { continue };
        // A pattern may begin with the end of the line before.
        let lead = text.as_bytes().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let at = usize::try_from(*offset).unwrap_or(usize::MAX).saturating_add(lead);
        *line = line_of(content, at);
        by_line.entry(*line).or_default().push(evidence);
    }
    if by_line.is_empty() {
        // The rule speaks of the file as a whole: its size, its entropy, its name.
        return vec![(Subject::File { path: path(), sha256: file.sha256 }, Vec::new())];
    }
    by_line
        .into_iter()
        .map(|(line, evidence)| {
            let number = usize::try_from(line).unwrap_or(usize::MAX);
            let text = content.split(|&b| b == b'\n').nth(number.saturating_sub(1)).unwrap_or_default();
            let text: RawText = text.strip_suffix(b"\r").unwrap_or(text).into();
            let subject = if is_crontab(file.path) {
                Subject::CronEntry { path: path(), line, text }
            } else {
                Subject::Line { path: path(), line, text }
            };
            (subject, evidence)
        })
        .collect()
}

/// The first match of every pattern, then the second of every pattern, and so on, up to `most`; shown in the order of the file.
fn evidence(rule: &yara_x::Rule<'_, '_>, content: &[u8], most: usize) -> Vec<Evidence> {
    let mut shown: Vec<_> = rule
        .patterns()
        .flat_map(|pattern| {
            let matches = pattern.matches().take(most).enumerate();
            matches.map(move |(round, found)| (round, found.range().start, pattern.identifier(), found.range().end))
        })
        .collect();
    shown.sort_unstable();
    shown.truncate(most);
    shown.sort_unstable_by_key(|&(_, offset, pattern, _)| (offset, pattern));
    shown
        .into_iter()
        .map(|(_, offset, pattern, end)| matched(pattern, content, offset..end, line_of(content, offset)))
        .collect()
}

/// The line that holds the byte at `offset`, from 1.
fn line_of(content: &[u8], offset: usize) -> u64 {
    let before = content.get(..offset).unwrap_or(content);
    before.split(|&byte| byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;
    use crate::detect::{ProblemKind, RuleSource};
    use crate::model::{Category, Digest, FileKind, Mode, RuleId, Severity};

    fn meta() -> FileMeta {
        FileMeta::bare(FileKind::File, Mode::new(0o644), 0)
    }

    fn detector(text: &str) -> YaraDetector {
        let source = RuleSource { name: "test.yar".into(), text: text.into() };
        let (rules, problems) = RuleSet::compile(&[source]);
        assert!(problems.iter().all(|problem| problem.kind == ProblemKind::Warning), "{problems:?}");
        YaraDetector::new(rules, YaraOptions::default())
    }

    fn scan(detector: &YaraDetector, path: &[u8], content: &[u8]) -> Report {
        let mut report = Report::default();
        let path = EvidencePath::new(path).unwrap();
        let swept = Swept { path: &path, meta: &meta(), sha256: Some(Digest::of(content)), content: Some(content) };
        detector.inspect(&swept, &mut report);
        report
    }

    #[test]
    fn one_bad_line_does_not_convict_a_crontab_or_a_profile() {
        let detector = detector(r#"rule k { strings: $a = "evil" condition: $a }"#);
        let content = b"# honest\n* * * * * root evil\n@daily root fine\nevil again\n";
        let lines = |path: &[u8]| -> Vec<(&'static str, String)> {
            let findings = scan(&detector, path, content).findings;
            findings.iter().map(|f| (f.subject.kind(), f.subject.to_string())).collect()
        };
        let two = |kind, path: &str| vec![(kind, format!("{path}:2")), (kind, format!("{path}:4"))];
        assert_eq!(lines(b"/etc/cron.d/x"), two("cron_entry", "/etc/cron.d/x"));
        assert_eq!(lines(b"/root/.bashrc"), two("line", "/root/.bashrc"));
        assert_eq!(lines(b"/root/.ssh/authorized_keys"), two("line", "/root/.ssh/authorized_keys"));
        assert_eq!(lines(b"/tmp/x.sh"), [("file", "/tmp/x.sh".to_owned())]);
    }

    #[test]
    fn a_crontab_with_many_bad_lines_is_not_half_cleaned() {
        let detector = detector(r#"rule k { strings: $a = "evil" $b = "root" private condition: $a and $b }"#);
        let report = scan(&detector, b"/etc/cron.d/x", &b"* * * * * root evil\n* * * * * root fine\n".repeat(20));
        assert_eq!(report.findings.len(), 20, "each bad line, and none that only gives the context");
    }

    #[test]
    fn a_finding_has_what_the_rule_says_and_where_it_matched() {
        let detector = detector(
            r#"rule door { meta: id = "ACME-0001" description = "a door" category = "account" severity = "high" confidence = 81
               attack = "T1136, T1098" reference = "https://example.org/a" strings: $a = "door" $b = /key\d/ condition: all of them }"#,
        );
        let report = scan(&detector, b"/x", b"one\ntwo door door\nkey7");
        let [finding] = &report.findings[..] else { panic!("{report:?}") };
        assert_eq!(finding.rule, RuleId("ACME-0001".into()));
        assert_eq!((finding.category, finding.severity, finding.confidence), (Category::Account, Severity::High, 81));
        assert_eq!(finding.attack, ["T1136", "T1098"]);
        assert_eq!(finding.references, ["https://example.org/a"]);
        assert_eq!(
            finding.evidence,
            [
                matched("$a", b"one\ntwo door door\nkey7", 8..12, 2),
                matched("$b", b"one\ntwo door door\nkey7", 18..22, 3),
            ]
        );
    }

    #[test]
    fn a_match_of_a_megabyte_is_shown_short() {
        let detector = detector("rule long { strings: $a = /a{10}b*/ condition: $a }");
        let report = scan(&detector, b"/x", format!("{}{}", "a".repeat(10), "b".repeat(100_000)).as_bytes());
        let Evidence::Match { text, .. } = &report.findings[0].evidence[0] else { panic!() };
        assert_eq!(text.as_bytes().len(), 200);
    }

    #[test]
    fn every_pattern_is_shown_before_any_is_shown_twice() {
        let detector = detector(r#"rule many { strings: $a = "aaa" $b = "zzz" condition: #a == 7 and #b == 1 }"#);
        let report = scan(&detector, b"/x", b"aaa aaa aaa aaa aaa aaa aaa zzz");
        let patterns: Vec<_> = report.findings[0]
            .evidence
            .iter()
            .map(|evidence| match evidence {
                Evidence::Match { pattern, .. } => pattern.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(patterns, ["$a", "$a", "$a", "$a", "$b"]);
    }

    #[test]
    fn rules_are_told_where_the_file_is_and_whose() {
        let detector = detector(
            r#"rule place { condition: filename == "a b.PHP" and filepath == "/var/www" and extension == ".php" and filetype == "GIF" and owner == "root" }"#,
        );
        assert_eq!(scan(&detector, b"/var/www/a b.PHP", b"GIF89a").findings.len(), 1);
        // The next file must not see the values of this one.
        assert_eq!(scan(&detector, b"/var/www/other", b"GIF89a").findings.len(), 0);
    }

    #[test]
    fn a_name_that_is_not_utf8_is_scanned_like_any_other() {
        let detector = detector(r#"rule name { condition: filename startswith "bad" and filename endswith ".log" }"#);
        assert_eq!(scan(&detector, b"/bad\xff\n.log", b"").findings.len(), 1);
    }

    #[test]
    fn rules_of_others_get_their_name_and_a_middling_weight() {
        let detector = detector(
            r#"rule Plain { condition: true }
               rule Scored { meta: id = "5f0c1aa0-9d0c-5a8f-a0a5-6a3a4f8a1f3c" score = 85 condition: true }"#,
        );
        let report = scan(&detector, b"/x", b"");
        let said: Vec<_> = report
            .findings
            .iter()
            .map(|finding| (finding.rule.0.as_str(), finding.category, finding.severity, finding.confidence))
            .collect();
        assert_eq!(
            said,
            [("Plain", Category::WebShell, Severity::Medium, 50), ("Scored", Category::WebShell, Severity::High, 85)]
        );
    }

    #[test]
    fn content_that_takes_too_long_is_a_gap_and_no_finding() {
        let source = RuleSource {
            name: "slow.yar".into(),
            text: "rule slow { condition: for all i in (0..1000000000000) : (uint8(i % filesize) != 255) }".into(),
        };
        let (rules, _) = RuleSet::compile(&[source]);
        let detector = YaraDetector::new(rules, YaraOptions { timeout: Duration::from_secs(1) });
        let report = scan(&detector, b"/x", &[b'x'; 10_000]);
        assert!(report.findings.is_empty());
        assert_eq!(report.gaps.len(), 1, "{report:?}");
        assert_eq!(report.gaps[0].reason, GapReason::LimitReached);
        assert_eq!(report.gaps[0].detail, "YARA did not finish in 1 s");
        // The scanner is in order afterwards.
        assert_eq!(scan(&detector, b"/y", b"").gaps.len(), 0);
    }

    #[test]
    fn a_file_without_content_is_not_judged() {
        let detector = detector("rule any_file { condition: true }");
        let mut report = Report::default();
        let path = EvidencePath::new("/x").unwrap();
        detector.inspect(&Swept { path: &path, meta: &meta(), sha256: None, content: None }, &mut report);
        assert!(report.findings.is_empty() && report.gaps.is_empty());
    }

    #[test]
    fn two_detectors_on_one_thread_do_not_mix_their_rules() {
        let (one, two) = (detector("rule one { condition: true }"), detector("rule two { condition: true }"));
        for _ in 0..3 {
            assert_eq!(scan(&one, b"/x", b"").findings[0].rule.0, "one");
            assert_eq!(scan(&two, b"/x", b"").findings[0].rule.0, "two");
        }
        drop(one);
        let three = detector("rule three { condition: true }");
        assert_eq!(scan(&three, b"/x", b"").findings[0].rule.0, "three");
        assert_eq!(SCANNERS.with_borrow(Vec::len), 2, "the scanner of a detector that is gone is gone too");
    }

    #[test]
    fn threads_share_a_detector() {
        let detector = detector(r#"rule x { strings: $a = "needle" condition: $a }"#);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..50 {
                        let content = if round % 2 == 0 { &b"a needle"[..] } else { b"hay" };
                        assert_eq!(scan(&detector, b"/x", content).findings.len(), usize::from(round % 2 == 0));
                    }
                });
            }
        });
    }
}
