//! `triage scan`

use super::cache::Cache;
use super::rule_files::{self, Sources};
use super::{allow, baseline, clean_up, open};
use crate::args::{FailOn, FindingFormat, ScanArgs};
use crate::exit::{Exit, Failure};
use crate::progress::Progress;
use crate::session::Session;
use crate::view;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use triage_core::collect::{Allowance, Budgets};
use triage_core::detect::{self, AllowList, Detectors, RuleProfiler, RuleSet};
use triage_core::engine::{self, Bounds, Reading, Scan, Target};
use triage_core::model::{Category, Digest, Finding, Gap, Severity, Verdict};
use triage_core::report::{self, ScanReport, Totals};
use triage_core::sweep::{Known, Options};

pub(crate) fn run(args: &ScanArgs, session: &Session) -> Result<Exit, Failure> {
    if args.profile_rules {
        return profile(args, session);
    }
    let mut exit = Exit::Done;
    for path in &args.targets {
        let report = scan(path, args, session)?;
        show(&report, args.format, session)?;
        exit = worse(exit, if is_asked_for(&report, &args.fail_on) { Exit::Found } else { of(&report) });
        if session.is_interrupted() {
            return Ok(Exit::Interrupted);
        }
    }
    Ok(exit)
}

/// Scans one target.
pub(super) fn scan(path: &Path, args: &ScanArgs, session: &Session) -> Result<ScanReport, Failure> {
    let mut target = open::sealed_target(Some(path), &args.reading, &args.identity, session)?;
    if args.verify_packages {
        target.add_packages();
    }
    let list = allow::list(&args.allow, Some(path), &target, &args.reading, session)?;
    if let Some(folder) = &args.cache {
        return scan_again(&target, &Cache::open(folder)?, list, args, session);
    }
    let (sources, iocs) = looked_for(args, session)?;
    let mut detectors =
        open::detectors_of(RuleSet::compile(&sources.yara), &sources, args.timeout, iocs)?.allowing(list);
    baseline::add(&args.baseline, &args.reading, &args.identity, &mut detectors, session)?;
    let manners = open::manners(&target, &args.reading, session);
    let options = Options { threads: manners.threads, ..open::options(&args.reading) };
    let progress = Progress::start(&session.ui, "scanning");
    let reading = Reading { options, progress: &progress, cancel: &|| session.is_interrupted() };
    let elapsed = || session.started.elapsed();
    let budget = budget(args, &elapsed);
    let mut scan = engine::scan_within(&target, detectors, reading, Bounds { budget: &budget, ..Bounds::default() })?;
    drop(progress);
    clean_up::judge(&mut scan, &target, session);
    allow::tell_unused(&scan, session);
    if let Some(coverage) = &target.coverage {
        session.ui.note(view::coverage::short(coverage).trim_end());
    }
    Ok(report_of(&target, scan, session))
}

/// How long the scans of one command may take together.
fn budget<'a>(args: &ScanArgs, elapsed: &'a (dyn Fn() -> Duration + Sync)) -> Budgets<'a> {
    let max_time = args.max_time.map(|time| time.0);
    Budgets::new(Allowance { max_time, ..Allowance::default() }, elapsed)
}

/// Rules and indicators that the command line names; rules that came with indicators are among them.
fn looked_for(args: &ScanArgs, session: &Session) -> Result<(Sources, open::Iocs), Failure> {
    let mut sources = rule_files::sources(&args.rules, !args.no_builtin_rules)?;
    let mut iocs = open::iocs(&args.iocs, session)?;
    sources.yara.append(&mut iocs.rules);
    Ok((sources, iocs))
}

/// Scans with the help of an earlier scan, and helps the next one.
fn scan_again(
    target: &Target,
    cache: &Cache,
    list: AllowList,
    args: &ScanArgs,
    session: &Session,
) -> Result<ScanReport, Failure> {
    let (sources, iocs) = looked_for(args, session)?;
    let parts = format!("{} {} {} {}", Session::tool(), RuleSet::key(&sources.all()), iocs.digest, args.timeout);
    let config = Digest::of(parts.as_bytes());
    let detectors = open::detectors_of(cache.compile(&sources.yara), &sources, args.timeout, iocs)?.allowing(list);
    let name = Cache::known_name(&format!("{} {:?}", target.source.label(), target.profile));
    let known = Known::new(config, detect::wants).with(&cache.read(&name).unwrap_or_default());
    session.ui.detail(&format!("{} files are known from an earlier scan", known.len()));
    let progress = Progress::start(&session.ui, "scanning");
    let reading =
        Reading { options: open::options(&args.reading), progress: &progress, cancel: &|| session.is_interrupted() };
    let elapsed = || session.started.elapsed();
    let budget = budget(args, &elapsed);
    let mut scan = engine::scan_within(target, detectors, reading, Bounds { known: Some(&known), budget: &budget })?;
    clean_up::judge(&mut scan, target, session);
    allow::tell_unused(&scan, session);
    let found = scan.findings.iter().chain(scan.allowed.iter().map(|allowed| &allowed.finding));
    let spoilt = found.map(|finding| finding.subject.path().clone());
    let (lasting, others): (Vec<Gap>, Vec<Gap>) = scan.gaps.iter().cloned().partition(detect::is_lasting);
    let spoilt = spoilt.chain(others.into_iter().map(|gap| gap.path)).collect();
    if let Err(error) = cache.write(&name, &known.to_bytes(&spoilt, &lasting)) {
        session.ui.warning(&format!("what was seen could not be kept for the next scan: {error}"));
    }
    Ok(report_of(target, scan, session))
}

/// Prints what each rule costs on the targets.
fn profile(args: &ScanArgs, session: &Session) -> Result<Exit, Failure> {
    let sources = rule_files::sources(&args.rules, !args.no_builtin_rules)?;
    let profiler = Arc::new(RuleProfiler::new(&sources.yara, &open::yara_options(args.timeout)));
    let mut bytes = 0;
    for path in &args.targets {
        let target = open::target(Some(path), &args.reading, session)?;
        let progress = Progress::start(&session.ui, "measuring");
        let reading = Reading {
            options: open::options(&args.reading),
            progress: &progress,
            cancel: &|| session.is_interrupted(),
        };
        let detectors = Detectors::new(vec![Box::new(Arc::clone(&profiler))]);
        bytes += engine::scan(&target, detectors, reading)?.summary.bytes;
    }
    session.ui.data(&view::rules::costs(&profiler.costs(), bytes))?;
    Ok(if session.is_interrupted() { Exit::Interrupted } else { Exit::Done })
}

/// The report of the first target in Markdown.
pub(super) fn markdown(args: &ScanArgs, session: &Session) -> Result<String, Failure> {
    let Some(path) = args.targets.first() else { return Ok(String::new()) };
    Ok(report::markdown(&scan(path, args, session)?))
}

/// Puts a scan together with what it was a scan of.
pub(super) fn report_of(target: &Target, scan: Scan, session: &Session) -> ScanReport {
    use triage_core::model::Clock as _;
    ScanReport {
        format_version: report::FORMAT_VERSION,
        tool: Session::tool(),
        created: session.clock.now(),
        target: target.source.label(),
        host: target.host.clone(),
        profile: target.profile.clone(),
        verdict: scan.verdict,
        totals: Totals { objects: scan.summary.objects, files: scan.summary.files, bytes: scan.summary.bytes },
        findings: scan.findings,
        allowed: scan.allowed,
        gaps: scan.gaps,
        clean_up: scan.clean_up,
    }
}

/// Prints a report.
pub(super) fn show(report: &ScanReport, format: FindingFormat, session: &Session) -> Result<(), Failure> {
    let text = match format {
        FindingFormat::Table => view::findings::table(report),
        FindingFormat::Json => report::json(report)?,
        FindingFormat::Jsonl => report::jsonl(report)?,
        FindingFormat::Markdown => report::markdown(report),
    };
    session.ui.data(&text)?;
    session.ui.note(&last_line(report));
    Ok(())
}

/// The exit code that a report means.
pub(super) fn of(report: &ScanReport) -> Exit {
    Exit::of(report.verdict.is_found(), !report.gaps.is_empty())
}

/// Says whether a finding is of a kind that `--fail-on` names; a weakness that is only information counts for nothing.
pub(super) fn is_asked_for(report: &ScanReport, kinds: &[FailOn]) -> bool {
    let is = |finding: &Finding, kind: FailOn| {
        let weakness = |category| finding.category == category && finding.severity > Severity::Info;
        match kind {
            FailOn::Vulnerable => weakness(Category::Vulnerable),
            FailOn::Exposure => weakness(Category::Exposure),
            FailOn::Hardening => weakness(Category::Hardening),
            FailOn::Low => finding.severity >= Severity::Low,
            FailOn::Medium => finding.severity >= Severity::Medium,
            FailOn::High => finding.severity >= Severity::High,
            FailOn::Critical => finding.severity >= Severity::Critical,
        }
    };
    report.findings.iter().any(|finding| kinds.iter().any(|kind| is(finding, *kind)))
}

/// Found beats gaps, gaps beat done.
fn worse(a: Exit, b: Exit) -> Exit {
    if a == Exit::Found || b == Exit::Done { a } else { b }
}

fn last_line(report: &ScanReport) -> String {
    let mut findings = view::findings::count(report.findings.len(), "finding");
    if !report.allowed.is_empty() {
        findings = format!("{findings}, {} more allowed", report.allowed.len());
    }
    let gaps = view::findings::count(report.gaps.len(), "gap");
    let answer = report.findings.iter().find(|finding| is_answer(finding));
    let verdict = match report.verdict {
        Verdict::Compromised => {
            let is_freepbx = report.profile.as_deref().is_some_and(|profile| profile.contains("freepbx"));
            let playbook = if is_freepbx { "freepbx/web-shell" } else { "linux/web-shell" };
            format!(
                "Compromised: {findings}, {gaps}. Before anything changes: `triage collect`, then `triage plan --playbook {playbook} -o plan.json`."
            )
        }
        Verdict::Suspicious => {
            format!("Suspicious: {findings}, {gaps}. Nothing proves a compromise; a person should look.")
        }
        Verdict::NoEvidence => format!("No evidence of compromise in what was read: {findings}, {gaps}."),
        Verdict::Undetermined => format!("Undetermined: too much was not read to say. {findings}, {gaps}."),
        Verdict::NoKnownTraceLeft | Verdict::ContainedRebuildAdvised => {
            let sentence = report.clean_up.as_ref().map(|clean_up| clean_up::sentence(report.verdict, clean_up));
            let left = clean_up::left_to_do(report.verdict).join("; ");
            format!("{} {findings}, {gaps}. Left to do: {left}.", sentence.unwrap_or_default())
        }
    };
    answer.map_or_else(|| verdict.clone(), |answer| format!("{}. {verdict}", answer.title))
}

/// Says whether a finding is the answer to the question whether the target, a backup of FreePBX, is safe to restore.
fn is_answer(finding: &Finding) -> bool {
    let is_of_target = finding.subject.path().components().count() == 1;
    is_of_target && matches!(finding.rule.0.as_str(), "TR-BACKUP-0009" | "TR-BACKUP-0010")
}
