//! Findings of what was seen in the files of one log: one a rule, however many lines and rotations it is about.

use super::hits::{self, Answer, Hits, Moment, Sample};
use super::scan::Facts;
use crate::detect::{RuleInfo, SigmaSet};
use crate::model::{Evidence, EvidencePath, Finding, Severity, Span, Subject, TimeSource, Timestamp, escape};
use crate::parse::log_time;
use crate::parse::redact::redact;
use std::collections::BTreeMap;

/// Lines that are shown of a finding, addresses that are named, and sessions that are told.
const SHOWN: usize = 6;
const SOURCES: usize = 8;
const SESSIONS: usize = 4;

/// The files of one log, the oldest first.
pub(super) struct Log<'a> {
    /// The file that is being written, whether or not it is there.
    pub(super) path: &'a EvidencePath,
    pub(super) files: Vec<(&'a EvidencePath, &'a Facts)>,
}

impl Log<'_> {
    pub(super) fn subject(&self) -> Subject {
        Subject::File { path: self.path.clone(), sha256: None }
    }

    /// What the rules found in it.
    pub(super) fn findings(&self, rules: &SigmaSet) -> Vec<Finding> {
        let mut by_rule: BTreeMap<u16, Vec<(&EvidencePath, &Facts, &Hits)>> = BTreeMap::new();
        for (path, facts) in &self.files {
            for (rule, hits) in &facts.hits {
                by_rule.entry(*rule).or_default().push((path, facts, hits));
            }
        }
        by_rule.into_iter().filter_map(|(rule, files)| Some(self.finding(&rules.rule(rule)?.info, &files))).collect()
    }

    fn finding(&self, info: &RuleInfo, files: &[(&EvidencePath, &Facts, &Hits)]) -> Finding {
        let mut all = Hits::default();
        for (_, _, hits) in files {
            hits.counts.iter().for_each(|(answer, count)| *all.counts.entry(*answer).or_default() += count);
            all.span.join(hits.span.clone());
            all.sources.join(hits.sources.clone());
            all.served.join(hits.served.clone());
        }
        let (severity, confidence, note) = weigh(info, all.worst());
        let mut evidence = vec![attribute("lines", &counts(&all))];
        if let (Some(first), Some(last)) = (&all.span.first, &all.span.last) {
            evidence.push(attribute("first_seen", &first.text()));
            evidence.push(attribute("last_seen", &last.text()));
        }
        if !all.sources.is_empty() {
            evidence.push(attribute("sources", &all.sources.describe(SOURCES)));
        }
        if all.worst() != Answer::Refused && !all.served.is_empty() && all.count(Answer::Refused) > 0 {
            evidence.push(attribute("answered", &all.served.describe(SOURCES)));
        }
        let mut left = SHOWN;
        for answer in [Answer::Done, Answer::Unclear, Answer::Refused] {
            for (path, _, hits) in files {
                for sample in hits.samples.get(&answer).into_iter().flatten() {
                    if left > 0 {
                        left -= 1;
                        self.show(path, sample, &mut evidence);
                    }
                }
            }
        }
        let mut told = 0;
        for address in all.served.names() {
            for (_, facts, _) in files {
                let Some(text) = facts.sessions.describe(address).filter(|_| told < SESSIONS) else { continue };
                told += 1;
                evidence.push(attribute("afterwards", &text));
            }
        }
        let title = format!("{}{note}", info.title);
        let finding =
            Finding::new(info.id.clone(), title, (info.category, severity, confidence), self.subject(), evidence);
        finding.with_attack(info.attack.clone()).with_references(info.references.clone()).with_span(in_utc(&all.span))
    }

    /// A line as evidence: of the log itself, or with the name of the rotation that it is in.
    pub(super) fn show(&self, path: &EvidencePath, sample: &Sample, evidence: &mut Vec<Evidence>) {
        let text = redact(&sample.text).unwrap_or_else(|| sample.text.clone());
        if path == self.path {
            evidence.push(Evidence::Line { line: sample.line, text: text.into() });
        } else {
            let text = [format!("{path}:{}: ", sample.line).as_bytes(), &text].concat();
            evidence.push(Evidence::Attribute { name: "line".to_owned(), value: text.into() });
        }
        if let Some(decoded) = &sample.decoded {
            let decoded = redact(decoded).unwrap_or_else(|| decoded.clone());
            evidence.push(Evidence::Attribute { name: "decoded".to_owned(), value: decoded.into() });
        }
    }
}

/// When it was, where the log's times name their zone.
pub(super) fn in_utc(span: &hits::Span) -> Option<Span> {
    let at = |moment: &Moment| {
        let time = log_time::common(&moment.text).or_else(|| log_time::iso(&moment.text))?;
        time.offset.map(|_| Timestamp::new(time.seconds, 0))
    };
    Some(Span { first: at(span.first.as_ref()?)?, last: at(span.last.as_ref()?)?, by: TimeSource::Record })
}

pub(super) fn attribute(name: &str, value: &str) -> Evidence {
    Evidence::Attribute { name: name.to_owned(), value: value.into() }
}

/// How bad it is by the answers: what was refused each time is a probe, and a probe is no incident.
fn weigh(info: &RuleInfo, worst: Answer) -> (Severity, u8, &'static str) {
    match worst {
        Answer::Done => (info.severity, info.confidence, ""),
        Answer::Unclear => (
            info.severity.min(Severity::Medium),
            info.confidence.min(60),
            " (the answers do not tell whether it worked)",
        ),
        Answer::Refused => (info.severity.min(Severity::Low), info.confidence.min(40), " (each request was refused)"),
    }
}

fn counts(hits: &Hits) -> String {
    let (done, unclear, refused) = (hits.count(Answer::Done), hits.count(Answer::Unclear), hits.count(Answer::Refused));
    if unclear + refused == 0 {
        done.to_string()
    } else {
        format!("{done} answered, {unclear} unclear, {refused} refused")
    }
}

/// A time in seconds for people.
pub(super) fn time(seconds: i64, is_without_year: bool) -> String {
    let text = crate::model::Timestamp::new(seconds, 0).to_string();
    let text = if is_without_year { text.get(5..).unwrap_or(&text).to_owned() } else { text };
    escape(text.trim_end_matches('Z').as_bytes())
}

/// A length of time for people.
pub(super) fn length(seconds: i64) -> String {
    match seconds {
        172_800.. => format!("{} days", seconds / 86_400),
        7200.. => format!("{} hours", seconds / 3600),
        _ => format!("{} minutes", seconds / 60),
    }
}
