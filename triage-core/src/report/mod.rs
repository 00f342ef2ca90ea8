//! Results as others read them: JSON, JSONL and Markdown. `docs/formats/finding.md` specifies the first two.
//!
//! Text that comes from the evidence is escaped here for the format at hand; nothing is looked up or decided here.

mod markdown;

pub use markdown::markdown;

use crate::journal::RunId;
use crate::model::{Allowed, Finding, FindingId, Gap, HostIdentity, Timestamp, Verdict};
use serde::{Deserialize, Serialize};

/// Version of the finding format.
pub const FORMAT_VERSION: u32 = 1;

/// One scan of one target, with all that is needed to read it later and elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanReport {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// `triage` and its version.
    pub tool: String,
    /// When the scan ended.
    pub created: Timestamp,
    /// What was scanned, as a person calls it, escaped.
    pub target: String,
    /// The host it is of.
    pub host: HostIdentity,
    /// The profile; none where everything was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The answer in one word.
    pub verdict: Verdict,
    /// What was read.
    pub totals: Totals,
    /// What was found, worst and surest first.
    pub findings: Vec<Finding>,
    /// What was found and an allow-list allows, in the same order. It does not count for the verdict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<Allowed>,
    /// What was not read or could not be judged.
    pub gaps: Vec<Gap>,
    /// The clean-up after which the host was scanned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean_up: Option<CleanedUp>,
}

/// A clean-up that stands, and what is left to tell of the time before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanedUp {
    /// The last run that did a part of it.
    pub run: RunId,
    /// When that run ended.
    pub finished: Timestamp,
    /// Says that the intruder was root, by what was taken out or is still found.
    pub root_shown: bool,
    /// Findings that tell only of what was before: they do not count for the verdict.
    pub past: Vec<FindingId>,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Objects of every kind.
    pub objects: u64,
    /// Regular files that were read to the end.
    pub files: u64,
    /// Bytes of content.
    #[serde(rename = "size_bytes")]
    pub bytes: u64,
}

#[derive(Serialize)]
struct Line<'a, T> {
    kind: &'static str,
    format_version: u32,
    target: &'a str,
    #[serde(flatten)]
    body: &'a T,
}

/// The last line of a JSONL stream.
#[derive(Serialize)]
struct VerdictLine<'a> {
    tool: &'a str,
    created: Timestamp,
    host: &'a HostIdentity,
    profile: Option<&'a str>,
    verdict: Verdict,
    totals: Totals,
    findings: usize,
    allowed: usize,
    gaps: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    clean_up: Option<&'a CleanedUp>,
}

/// One JSON document, indented, with a newline at the end.
///
/// # Errors
/// Never for what the detectors make; as `serde_json` for what cannot be JSON.
pub fn json(report: &ScanReport) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

/// One JSON object a line: `finding`s, then what is `allowed`, then `gap`s, then one `verdict`.
///
/// # Errors
/// As [`json()`].
pub fn jsonl(report: &ScanReport) -> Result<String, serde_json::Error> {
    let mut out = jsonl_body(report)?;
    let target = &report.target;
    let body = &VerdictLine {
        tool: &report.tool,
        created: report.created,
        host: &report.host,
        profile: report.profile.as_deref(),
        verdict: report.verdict,
        totals: report.totals,
        findings: report.findings.len(),
        allowed: report.allowed.len(),
        gaps: report.gaps.len(),
        clean_up: report.clean_up.as_ref(),
    };
    push_line(&mut out, &Line { kind: "verdict", format_version: FORMAT_VERSION, target, body })?;
    Ok(out)
}

/// The same without the last line: for who has a verdict of their own to end with.
///
/// # Errors
/// As [`json()`].
pub fn jsonl_body(report: &ScanReport) -> Result<String, serde_json::Error> {
    let mut out = String::new();
    let target = &report.target;
    for body in &report.findings {
        push_line(&mut out, &Line { kind: "finding", format_version: FORMAT_VERSION, target, body })?;
    }
    for body in &report.allowed {
        push_line(&mut out, &Line { kind: "allowed", format_version: FORMAT_VERSION, target, body })?;
    }
    for body in &report.gaps {
        push_line(&mut out, &Line { kind: "gap", format_version: FORMAT_VERSION, target, body })?;
    }
    Ok(out)
}

fn push_line(out: &mut String, line: &impl Serialize) -> Result<(), serde_json::Error> {
    out.push_str(&serde_json::to_string(line)?);
    out.push('\n');
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::{Category, Digest, Evidence, EvidencePath, GapReason, Permit, RawText, Severity, Subject};

    pub(crate) fn sample() -> ScanReport {
        let path = EvidencePath::new(b"/var/www/html/a|b\n<c>.php").unwrap();
        let finding = Finding::new(
            "TR-WEBSHELL-0001",
            "PHP runs what a request says",
            (Category::WebShell, Severity::High, 95),
            Subject::File { path: path.clone(), sha256: Some(Digest::of(b"x")) },
            vec![Evidence::Match {
                pattern: "$exec".into(),
                offset: 12,
                line: 2,
                text: RawText::from(&b"eval(\x1b[31m`$_POST`"[..]),
                before: RawText::default(),
                after: RawText::default(),
            }],
        );
        ScanReport {
            format_version: FORMAT_VERSION,
            tool: "triage 0.0.0".into(),
            created: Timestamp::new(1_767_323_045, 0),
            target: "bundle.tar.zst".into(),
            host: HostIdentity {
                digest: Digest::of(b"host"),
                marks: vec!["machine-id".into()],
                hostname: RawText::from("pbx1"),
            },
            profile: Some("freepbx".into()),
            verdict: Verdict::Compromised,
            totals: Totals { objects: 3, files: 2, bytes: 40 },
            findings: vec![finding],
            allowed: Vec::new(),
            gaps: vec![Gap::new(path, GapReason::TooLarge, "has 5 bytes")],
            clean_up: None,
        }
    }

    /// The same with all that came to the format after its first day.
    pub(crate) fn full() -> ScanReport {
        let mut report = sample();
        let mut finding = report.findings[0].clone();
        let Some(Evidence::Match { before, after, .. }) = finding.evidence.first_mut() else { panic!() };
        (*before, *after) = (RawText::from("if ($a|$b) "), RawText::from(&b"); # \xff"[..]));
        let signal = Evidence::Signal {
            finding: finding.id.clone(),
            rule: finding.rule.clone(),
            family: "content".into(),
            severity: Severity::Medium,
            confidence: 60,
            adds: 48,
            together: 48,
        };
        finding.evidence.push(signal);
        let allowed_by = Permit {
            reason: "our own *test* page".into(),
            until: "2027-01-31".into(),
            author: Some("kim".into()),
            entry: "triage.allow.yaml, line 3".into(),
        };
        report.allowed.push(Allowed { finding: finding.clone(), allowed_by });
        report.findings = vec![finding];
        report
    }

    #[test]
    fn what_is_allowed_and_what_stands_around_a_match_read_back() {
        let report = full();
        let text = json(&report).unwrap();
        assert_eq!(serde_json::from_str::<ScanReport>(&text).unwrap(), report);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["allowed"][0]["id"], value["findings"][0]["id"]);
        assert_eq!(value["allowed"][0]["allowed_by"]["until"], "2027-01-31");
        assert_eq!(value["findings"][0]["evidence"][0]["before"], "if ($a|$b) ");
        assert_eq!(value["findings"][0]["evidence"][1]["type"], "signal");
        let lines: Vec<serde_json::Value> =
            jsonl(&report).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let kinds: Vec<_> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["finding", "allowed", "gap", "verdict"]);
        assert_eq!((lines[3]["findings"].as_u64(), lines[3]["allowed"].as_u64()), (Some(1), Some(1)));
    }

    #[test]
    fn json_reads_back() {
        let report = sample();
        assert_eq!(serde_json::from_str::<ScanReport>(&json(&report).unwrap()).unwrap(), report);
    }

    #[test]
    fn version_1_is_read_for_ever() {
        let fixture = include_str!("../../../testdata/findings/v1.json");
        assert_eq!(serde_json::from_str::<ScanReport>(fixture).unwrap(), sample());
    }

    #[test]
    fn jsonl_is_one_object_a_line_and_ends_with_the_verdict() {
        let text = jsonl(&sample()).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let kinds: Vec<_> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["finding", "gap", "verdict"]);
        assert_eq!(lines[0]["id"].as_str().unwrap().len(), 16);
        assert_eq!(lines[2]["verdict"], "compromised");
    }
}
