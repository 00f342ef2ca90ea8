//! The report for people, in Markdown.

use super::ScanReport;
use crate::model::{Allowed, Evidence, Finding, Permit, Severity, escape};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// Gaps of one reason that are named one by one.
const NAMED_GAPS: usize = 25;

/// The scan as a Markdown document. Names from the evidence stand in code spans, where nothing is markup, and are escaped.
pub fn markdown(report: &ScanReport) -> String {
    let mut out = String::new();
    // Writing into a `String` cannot fail.
    let _ = write_report(&mut out, report);
    out
}

fn write_report(out: &mut String, report: &ScanReport) -> fmt::Result {
    writeln!(out, "# Triage report: {}\n", report.verdict)?;
    writeln!(out, "| | |\n|---|---|")?;
    writeln!(out, "| target | {} |", span(&report.target))?;
    writeln!(out, "| host | {} ({}) |", code(report.host.hostname.as_bytes()), report.host.digest)?;
    if let Some(profile) = &report.profile {
        writeln!(out, "| profile | {} |", code(profile.as_bytes()))?;
    }
    writeln!(out, "| made | {} by {} |", report.created, report.tool)?;
    let totals = report.totals;
    writeln!(out, "| read | {} objects, {} files, {} bytes |", totals.objects, totals.files, totals.bytes)?;
    writeln!(out, "| findings | {} |", report.findings.len())?;
    if !report.allowed.is_empty() {
        writeln!(out, "| allowed | {} |", report.allowed.len())?;
    }
    if let Some(clean_up) = &report.clean_up {
        let (run, finished, past) = (&clean_up.run, clean_up.finished, clean_up.past.len());
        writeln!(out, "| cleaned | run {run}, ended {finished}; findings that tell only of the time before: {past} |")?;
    }
    writeln!(out, "| gaps | {} |\n", report.gaps.len())?;
    for severity in [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info] {
        let findings: Vec<&Finding> = report.findings.iter().filter(|f| f.severity == severity).collect();
        if !findings.is_empty() {
            writeln!(out, "## {severity}: {}\n", findings.len())?;
            findings.into_iter().try_for_each(|finding| write_finding(out, finding))?;
        }
    }
    write_allowed(out, report)?;
    write_gaps(out, report)
}

fn write_allowed(out: &mut String, report: &ScanReport) -> fmt::Result {
    if report.allowed.is_empty() {
        return Ok(());
    }
    writeln!(out, "## Allowed: {}\n\nFound, and not counted.\n", report.allowed.len())?;
    for Allowed { finding, allowed_by } in &report.allowed {
        let Finding { rule, severity, confidence, id, .. } = finding;
        writeln!(
            out,
            "- {} ({rule}, {severity}, {confidence}): {}",
            span(&finding.subject.to_string()),
            inline(&finding.title)
        )?;
        let author = allowed_by.author.as_ref().map(|author| format!(" by {}", inline(author))).unwrap_or_default();
        let Permit { reason, until, entry, .. } = allowed_by;
        writeln!(out, "  - {}; until {until}{author}, {}; finding `{id}`", inline(reason), span(entry))?;
    }
    writeln!(out)
}

fn write_finding(out: &mut String, finding: &Finding) -> fmt::Result {
    writeln!(out, "### {}\n", inline(&finding.title))?;
    writeln!(out, "- subject: {}", span(&finding.subject.to_string()))?;
    let Finding { rule, category, confidence, id, .. } = finding;
    writeln!(out, "- rule {rule}, {category}, confidence {confidence}, finding `{id}`")?;
    if let crate::model::Subject::File { sha256: Some(sha256), .. } = &finding.subject {
        writeln!(out, "- sha256 `{sha256}`")?;
    }
    for evidence in &finding.evidence {
        match evidence {
            Evidence::Match { pattern, offset, line, text, before, after } => {
                write!(out, "- line {line}, byte {offset}, {}: {}", code(pattern.as_bytes()), code(text.as_bytes()))?;
                if !(before.is_empty() && after.is_empty()) {
                    let whole = [before.as_bytes(), text.as_bytes(), after.as_bytes()].concat();
                    write!(out, ", in {}", code(&whole))?;
                }
                writeln!(out)?;
            }
            Evidence::Line { line, text } => writeln!(out, "- line {line}: {}", code(text.as_bytes()))?,
            Evidence::Hash { authority, expected, actual } => {
                let show = |digest: &Option<crate::model::Digest>| {
                    digest.map_or_else(|| "none".to_owned(), |digest| format!("`{digest}`"))
                };
                let authority = code(authority.as_bytes());
                writeln!(out, "- {authority} says {}, it is {}", show(expected), show(actual))?;
            }
            Evidence::Attribute { name, value } => {
                writeln!(out, "- {}: {}", inline(name), code(value.as_bytes()))?;
            }
            Evidence::Signal { finding, rule, family, severity, confidence, adds, together } => {
                let rule = code(rule.0.as_bytes());
                write!(out, "- {rule} ({}; {severity}, {confidence}; finding `{finding}`): ", inline(family))?;
                match adds {
                    0 => writeln!(out, "adds nothing, its kind is counted")?,
                    _ => writeln!(out, "adds {adds}, together {together}")?,
                }
            }
        }
    }
    if !finding.attack.is_empty() {
        writeln!(out, "- ATT&CK: {}", inline(&finding.attack.join(", ")))?;
    }
    if !finding.references.is_empty() {
        writeln!(out, "- known from: {}", inline(&finding.references.join("; ")))?;
    }
    writeln!(out)
}

fn write_gaps(out: &mut String, report: &ScanReport) -> fmt::Result {
    if report.gaps.is_empty() {
        return Ok(());
    }
    writeln!(out, "## Not read\n")?;
    let mut by_reason: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for gap in &report.gaps {
        by_reason.entry(gap.reason.as_str()).or_default().push(gap);
    }
    for (reason, gaps) in by_reason {
        writeln!(out, "- {reason}: {}", gaps.len())?;
        for gap in gaps.iter().take(NAMED_GAPS) {
            writeln!(out, "  - {}: {}", code(gap.path.as_bytes()), code(gap.detail.as_bytes()))?;
        }
        if gaps.len() > NAMED_GAPS {
            writeln!(out, "  - and {} more, all of them in the JSON report", gaps.len() - NAMED_GAPS)?;
        }
    }
    writeln!(out)
}

/// A code span that holds any text: the fence is longer than any run of backticks in it (`CommonMark` 0.31, 6.1).
fn code(bytes: &[u8]) -> String {
    span(&escape(bytes))
}

/// The same for text that is escaped already.
fn span(text: &str) -> String {
    // A `|` would end a table cell even inside a code span.
    let text = text.replace('|', "\\x7c");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.is_empty() || text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Text of a rule inside a line: nothing of it is markup.
fn inline(text: &str) -> String {
    let mut out = String::new();
    for c in escape(text.as_bytes()).chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '&' | '!') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_the_evidence_are_no_markup() {
        let text = markdown(&crate::report::tests::sample());
        assert!(text.starts_with("# Triage report: compromised\n"));
        assert!(text.contains("- subject: `/var/www/html/a\\x7cb\\n<c>.php`"), "{text}");
        assert!(
            text.contains("``eval(\\x1b[31m`$_POST` ``") || text.contains("`` eval(\\x1b[31m`$_POST` ``"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn what_is_allowed_is_listed_with_its_reason_and_a_match_with_its_line() {
        let text = markdown(&crate::report::tests::full());
        assert!(text.contains("## Allowed: 1\n"), "{text}");
        assert!(
            text.contains("  - our own \\*test\\* page; until 2027-01-31 by kim, `triage.allow.yaml, line 3`;"),
            "{text}"
        );
        assert!(text.contains(", in ``if ($a\\x7c$b) eval(\\x1b[31m`$_POST`); # \\xff``"), "{text}");
        assert!(text.contains("- `TR-WEBSHELL-0001` (content; medium, 60; finding `"), "{text}");
        assert!(text.contains("): adds 48, together 48\n"), "{text}");
    }

    #[test]
    fn a_code_span_holds_its_backticks() {
        assert_eq!(code(b"a``b"), "```a``b```");
        assert_eq!(code(b"`"), "`` ` ``");
    }
}
