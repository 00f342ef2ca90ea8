//! Requests to files that other detectors name: a shell that was found, and whether it was used.

use super::script_use::Use;
use super::tell::{Log, attribute, in_utc};
use crate::model::{Category, EvidencePath, Finding, Severity, Subject};
use std::collections::BTreeMap;

/// Last names of folders that web servers serve.
const ROOTS: [&[u8]; 8] = [b"html", b"htdocs", b"public", b"public_html", b"www", b"web", b"httpdocs", b"wwwroot"];

/// Says of each file that a finding names whether it was used.
pub(super) fn findings(found: &[Finding], used: &BTreeMap<Vec<u8>, (Use, EvidencePath)>) -> Vec<Finding> {
    let mut by_path: BTreeMap<&EvidencePath, &Finding> = BTreeMap::new();
    for finding in found {
        let Subject::File { path, .. } = &finding.subject else { continue };
        let is_sign = finding.severity >= Severity::Medium && finding.category.is_evidence_of_compromise();
        if !is_sign || finding.rule.0.starts_with("TR-LOG-") {
            continue;
        }
        let known = by_path.entry(path).or_insert(finding);
        if (finding.severity, finding.confidence) > (known.severity, known.confidence) {
            *known = finding;
        }
    }
    by_path.into_iter().filter_map(|(path, finding)| one(path, finding, used)).collect()
}

fn one(path: &EvidencePath, finding: &Finding, used: &BTreeMap<Vec<u8>, (Use, EvidencePath)>) -> Option<Finding> {
    let bytes = path.as_bytes();
    let slashes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    let (used, log) = slashes
        .filter_map(|at| bytes.split_at_checked(at))
        .filter(|(root, _)| root.rsplit(|byte| *byte == b'/').next().is_some_and(|name| ROOTS.contains(&name)))
        .find_map(|(_, stem)| used.get(stem))?;
    let is_shell = finding.severity >= Severity::High && finding.confidence >= 75;
    let weight = match (is_shell, used.posts > 0) {
        (true, true) => (Category::Exploitation, Severity::Critical, 88),
        (true, false) => (Category::Exploitation, Severity::High, 75),
        (false, _) => (Category::Exploitation, finding.severity.min(Severity::Medium), 55),
    };
    let mut evidence = vec![
        attribute("named_by", &format!("{} ({})", finding.rule, finding.title)),
        attribute("requests", &format!("{} answered, {} of them posted", used.requests, used.posts)),
    ];
    if let (Some(first), Some(last)) = (&used.span.first, &used.span.last) {
        evidence.push(attribute("first_seen", &first.text()));
        evidence.push(attribute("last_seen", &last.text()));
    }
    evidence.push(attribute("sources", &used.sources.describe(8)));
    if let Some(sample) = &used.sample {
        let holder = Log { path: &EvidencePath::root(), files: Vec::new() };
        holder.show(log, sample, &mut evidence);
    }
    let title = "File that another finding names was asked for and answered";
    let subject = Subject::File { path: path.clone(), sha256: None };
    let finding = Finding::new("TR-LOG-0601", title, weight, subject, evidence);
    Some(finding.with_attack(["T1505.003"]).with_span(in_utc(&used.span)))
}
