//! What every rule of the pack says of itself, and how sure it is in words.

use super::super::{Report, RuleInfo};
use crate::model::{Category, Evidence, EvidencePath, Finding, Gap, GapReason, Severity, Subject};
use crate::sweep::Swept;
use serde::Serialize;
use std::fmt;

/// How much a finding proves by itself, by its confidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// It counts only with others.
    Weak,
    /// It is rarely anything else.
    Strong,
    /// It proves an intrusion alone.
    Confirmed,
}

impl Grade {
    /// The grade of a finding: confirmed from 90 on, strong from 70 on.
    pub fn of(finding: &Finding) -> Self {
        match finding.confidence {
            90.. => Self::Confirmed,
            70.. => Self::Strong,
            _ => Self::Weak,
        }
    }

    /// The word in text and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Weak => "weak",
            Self::Strong => "strong",
            Self::Confirmed => "confirmed",
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A rule in code.
#[derive(Clone, Copy, Debug)]
pub(in crate::detect) struct Rule {
    pub(in crate::detect) id: &'static str,
    pub(in crate::detect) title: &'static str,
    pub(in crate::detect) category: Category,
    pub(in crate::detect) severity: Severity,
    pub(in crate::detect) confidence: u8,
    pub(in crate::detect) attack: &'static [&'static str],
    pub(in crate::detect) source: &'static str,
    /// The action of a playbook that undoes it; empty where a person has to.
    pub(in crate::detect) remedy: &'static str,
}

impl Rule {
    /// The same rule, as bad and sure as this case of it is.
    pub(in crate::detect) const fn weighed(self, severity: Severity, confidence: u8) -> Self {
        Self { severity, confidence, ..self }
    }

    /// What it says of itself, as rules in files do.
    pub(in crate::detect) fn info(&self) -> RuleInfo {
        RuleInfo {
            id: self.id.to_owned(),
            name: self.id.to_owned(),
            source: "built in".to_owned(),
            title: self.title.to_owned(),
            category: self.category,
            severity: self.severity,
            confidence: self.confidence,
            attack: self.attack.iter().map(|&technique| technique.to_owned()).collect(),
            references: vec![self.source.to_owned()],
            other: Vec::new(),
        }
    }

    pub(in crate::detect) fn finding(&self, subject: Subject, mut evidence: Vec<Evidence>) -> Finding {
        if !self.remedy.is_empty() {
            evidence.push(attribute("remedy", self.remedy));
        }
        let weight = (self.category, self.severity, self.confidence);
        Finding::new(self.id, self.title, weight, subject, evidence)
            .with_attack(self.attack.iter().copied())
            .with_references([self.source])
    }

    /// A finding about a line of a file.
    pub(in crate::detect) fn at_line(
        &self,
        path: &EvidencePath,
        line: u64,
        content: &[u8],
        mut more: Vec<Evidence>,
    ) -> Finding {
        let text = line_of(content, line);
        more.insert(0, Evidence::Line { line, text: text.into() });
        self.finding(Subject::Line { path: path.clone(), line, text: text.into() }, more)
    }

    /// A finding about a file.
    pub(in crate::detect) fn at_file(&self, file: &Swept<'_>, evidence: Vec<Evidence>) -> Finding {
        self.finding(Subject::File { path: file.path.clone(), sha256: file.sha256 }, evidence)
    }
}

/// The most findings about lines of one file: each looks its line up, and a file of a hundred thousand such lines says no more.
pub(in crate::detect) const MOST_IN_A_FILE: usize = 100;

/// Says whether a file has had as many findings as it gets, from `before` on; that there are more is a gap.
pub(in crate::detect) fn is_enough(path: &EvidencePath, before: usize, report: &mut Report) -> bool {
    let is_enough = report.findings.len().saturating_sub(before) >= MOST_IN_A_FILE;
    if is_enough {
        let detail = format!("more than {MOST_IN_A_FILE} lines of it would be findings");
        report.gaps.push(Gap::new(path.clone(), GapReason::LimitReached, detail));
    }
    is_enough
}

/// A line of a text, by its number from 1.
pub(in crate::detect) fn line_of(content: &[u8], line: u64) -> &[u8] {
    let at = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
    content.split(|&b| b == b'\n').nth(at).unwrap_or_default()
}

/// A property as evidence.
pub(in crate::detect) fn attribute(name: &str, value: impl AsRef<[u8]>) -> Evidence {
    Evidence::Attribute { name: name.to_owned(), value: value.as_ref().into() }
}
