//! Findings and gaps as tables.

use crate::progress::human_bytes;
use comfy_table::{ContentArrangement, Table, presets};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use triage_core::model::{Allowed, Evidence, Finding, Gap, Permit, escape};
use triage_core::report::ScanReport;

/// Gaps that are named; the rest is counted and stands in the JSON.
const NAMED_GAPS: usize = 8;

/// The scan for a person: the verdict, the findings, what was not read.
pub(crate) fn table(report: &ScanReport) -> String {
    let mut out = String::new();
    let totals = report.totals;
    let _ = writeln!(
        out,
        "{}: {}  ({} objects, {} files, {} read{})",
        report.target,
        report.verdict.as_str().to_uppercase(),
        totals.objects,
        totals.files,
        human_bytes(totals.bytes),
        report.profile.as_ref().map(|profile| format!(", profile {profile}")).unwrap_or_default(),
    );
    if !report.findings.is_empty() {
        let mut table = Table::new();
        table.set_content_arrangement(ContentArrangement::Dynamic).load_style(presets::UTF8_BORDERS_ONLY);
        if let Some((width, _)) = terminal_size::terminal_size_of(std::io::stdout()) {
            table.set_width(width.0);
        }
        table.set_header(["severity", "where", "what (rule, confidence)"]);
        for (place, findings) in by_subject(&report.findings) {
            let Some(worst) = findings.first() else { continue };
            let mut what = Vec::new();
            for finding in &findings {
                what.push(format!("{} ({} {})", finding.title, finding.rule, finding.confidence));
            }
            what.extend(first_evidence(worst));
            table.add_row([worst.severity.to_string(), place, what.join("\n")]);
        }
        let _ = writeln!(out, "{table}");
    }
    out.push_str(&allowed(&report.allowed));
    out.push_str(&gaps(&report.gaps));
    out
}

/// What was found and does not count, and why.
fn allowed(allowed: &[Allowed]) -> String {
    if allowed.is_empty() {
        return String::new();
    }
    let mut out = format!("allowed, and not counted: {}\n", count(allowed.len(), "finding"));
    for Allowed { finding, allowed_by } in allowed {
        let Finding { rule, severity, confidence, subject, title, .. } = finding;
        let _ = writeln!(out, "  {subject}: {title} ({rule}, {severity} {confidence})");
        let author = allowed_by.author.as_ref().map(|author| format!(" by {}", escape(author.as_bytes())));
        let Permit { reason, until, entry, .. } = allowed_by;
        let reason = escape(reason.as_bytes());
        let _ = writeln!(out, "    {reason}; until {until}{}, {entry}", author.unwrap_or_default());
    }
    out
}

/// The findings of each subject together, in the order of its worst one.
fn by_subject(findings: &[Finding]) -> Vec<(String, Vec<&Finding>)> {
    let mut groups: Vec<(String, Vec<&Finding>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for finding in findings {
        let place = finding.subject.to_string();
        let at = *places.entry(place.clone()).or_insert(groups.len());
        match groups.get_mut(at) {
            Some((_, group)) => group.push(finding),
            None => groups.push((place, vec![finding])),
        }
    }
    groups
}

/// The strongest single reason, so that a row can be believed without opening the JSON.
fn first_evidence(finding: &Finding) -> Option<String> {
    match finding.evidence.first()? {
        Evidence::Match { line, text, before, after, .. } => {
            let text: String = text.to_string().chars().take(100).collect();
            // The match stands between marks, because colour is not for everybody.
            let (before, after) = (before.to_string(), after.to_string());
            let before: String = before.chars().skip(before.chars().count().saturating_sub(40)).collect();
            let after: String = after.chars().take(40).collect();
            if before.is_empty() && after.is_empty() {
                return Some(format!("  line {line}: {text}"));
            }
            Some(format!("  line {line}: {before}»{text}«{after}"))
        }
        Evidence::Line { line, text } => {
            let text: String = text.to_string().chars().take(100).collect();
            Some(format!("  line {line}: {text}"))
        }
        Evidence::Signal { .. } => {
            let sum = finding.evidence.iter().filter_map(|evidence| match evidence {
                Evidence::Signal { rule, adds: adds @ 1.., .. } => Some(format!("{rule} +{adds}")),
                _ => None,
            });
            Some(format!("  {}", sum.collect::<Vec<_>>().join(", ")))
        }
        Evidence::Hash { authority, expected, actual } => {
            let show = |digest: &Option<triage_core::model::Digest>| {
                digest.map_or_else(|| "nothing".to_owned(), |digest| digest.short())
            };
            Some(format!("  {authority} has {}, found {}", show(expected), show(actual)))
        }
        Evidence::Attribute { name, value } => Some(format!("  {name}: {value}")),
        _ => None,
    }
}

/// What was not read, by reason.
pub(crate) fn gaps(gaps: &[Gap]) -> String {
    if gaps.is_empty() {
        return String::new();
    }
    let mut by_reason: BTreeMap<&str, Vec<&Gap>> = BTreeMap::new();
    for gap in gaps {
        by_reason.entry(gap.reason.as_str()).or_default().push(gap);
    }
    let mut out = format!("not read: {}\n", count(gaps.len(), "gap"));
    for (reason, gaps) in by_reason {
        let _ = writeln!(out, "  {reason}: {}", gaps.len());
        for gap in gaps.iter().take(NAMED_GAPS) {
            let _ = writeln!(out, "    {}: {}", gap.path, gap.detail);
        }
        if gaps.len() > NAMED_GAPS {
            let _ = writeln!(out, "    and {} more", gaps.len() - NAMED_GAPS);
        }
    }
    out
}

/// `1 file`, `2 files`.
pub(crate) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
