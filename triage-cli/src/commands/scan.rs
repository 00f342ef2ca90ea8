//! `triage scan`

use super::open;
use crate::args::{FindingFormat, ScanArgs};
use crate::exit::{Exit, Failure};
use crate::progress::Progress;
use crate::session::Session;
use crate::view;
use std::path::Path;
use triage_core::engine::{self, Reading, Scan, Target};
use triage_core::model::Verdict;
use triage_core::report::{self, ScanReport, Totals};

pub(crate) fn run(args: &ScanArgs, session: &Session) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    for path in &args.targets {
        let report = scan(path, args, session)?;
        show(&report, args.format, session)?;
        exit = worse(exit, of(&report));
        if session.is_interrupted() {
            return Ok(Exit::Interrupted);
        }
    }
    Ok(exit)
}

fn scan(path: &Path, args: &ScanArgs, session: &Session) -> Result<ScanReport, Failure> {
    let target = open::target(Some(path), &args.reading, session)?;
    let detectors = open::detectors(&args.rules, !args.no_builtin_rules, args.timeout)?;
    let progress = Progress::start(&session.ui, "scanning");
    let reading =
        Reading { options: open::options(&args.reading), progress: &progress, cancel: &|| session.is_interrupted() };
    let scan = engine::scan(&target, detectors, reading)?;
    Ok(report_of(&target, scan, session))
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
        gaps: scan.gaps,
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
    let found = matches!(report.verdict, Verdict::Compromised | Verdict::Suspicious);
    Exit::of(found, !report.gaps.is_empty())
}

/// Found beats gaps, gaps beat done.
fn worse(a: Exit, b: Exit) -> Exit {
    if a == Exit::Found || b == Exit::Done { a } else { b }
}

fn last_line(report: &ScanReport) -> String {
    let findings = view::findings::count(report.findings.len(), "finding");
    let gaps = view::findings::count(report.gaps.len(), "gap");
    match report.verdict {
        Verdict::Compromised => format!(
            "Compromised: {findings}, {gaps}. Before anything changes: `triage collect`, then `triage plan --playbook freepbx/web-shell -o plan.json`."
        ),
        Verdict::Suspicious => {
            format!("Suspicious: {findings}, {gaps}. Nothing proves a compromise; a person should look.")
        }
        Verdict::NoEvidence => format!("No evidence of compromise in what was read: {findings}, {gaps}."),
        Verdict::Undetermined => format!("Undetermined: too much was not read to say. {findings}, {gaps}."),
    }
}
