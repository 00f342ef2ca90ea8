//! What each rule costs: every content is scanned with each rule alone, and the time is added up.
//!
//! The engine scans with all rules at once and does not tell them apart. So this takes many times as long as a scan; it is for those who write rules.

use super::{YaraDetector, YaraOptions};
use crate::detect::rules::{RuleSet, RuleSource};
use crate::detect::{Detector, Report};
use crate::sweep::Swept;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What one rule cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCost {
    /// The rule's identifier in its file.
    pub rule: String,
    /// The file it is in, [`RuleSource::name`].
    pub source: String,
    /// All contents together, with the rules that it needs (private and global ones).
    pub time: Duration,
    /// The dearest content.
    pub longest: Duration,
    /// Contents that it found something in.
    pub hits: u64,
}

struct Single {
    name: String,
    source: String,
    detector: YaraDetector,
    nanoseconds: AtomicU64,
    longest: AtomicU64,
    hits: AtomicU64,
}

/// Measures the rules of some sources, one by one. As a [`Detector`] it makes no findings.
pub struct RuleProfiler(Vec<Single>);

impl RuleProfiler {
    /// A profiler of all rules that can make a finding. Rules that do not compile are left out.
    pub fn new(sources: &[RuleSource], options: &YaraOptions) -> Self {
        let singles = RuleSet::one_by_one(sources).into_iter().filter_map(|(source, name)| {
            let (rules, _) = RuleSet::compile(std::slice::from_ref(&source));
            let is_there = rules.infos().iter().any(|info| info.name == name);
            is_there.then(|| Single {
                name,
                source: source.name,
                detector: YaraDetector::new(rules, options.clone()),
                nanoseconds: AtomicU64::new(0),
                longest: AtomicU64::new(0),
                hits: AtomicU64::new(0),
            })
        });
        Self(singles.collect())
    }

    /// The costs so far, dearest first.
    pub fn costs(&self) -> Vec<RuleCost> {
        let time = |nanoseconds: &AtomicU64| Duration::from_nanos(nanoseconds.load(Ordering::Relaxed));
        let mut costs: Vec<RuleCost> = self
            .0
            .iter()
            .map(|single| RuleCost {
                rule: single.name.clone(),
                source: single.source.clone(),
                time: time(&single.nanoseconds),
                longest: time(&single.longest),
                hits: single.hits.load(Ordering::Relaxed),
            })
            .collect();
        costs.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.rule.cmp(&b.rule)));
        costs
    }
}

impl Detector for RuleProfiler {
    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        let Some(content) = file.content else { return };
        for single in &self.0 {
            let start = Instant::now();
            let mut found = single.detector.look(file, content);
            let spent = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            single.nanoseconds.fetch_add(spent, Ordering::Relaxed);
            single.longest.fetch_max(spent, Ordering::Relaxed);
            let is_hit = found.findings.iter().any(|finding| finding.rule.0 == single.id());
            single.hits.fetch_add(u64::from(is_hit), Ordering::Relaxed);
            report.gaps.append(&mut found.gaps);
        }
    }
}

impl Single {
    /// The id that its findings carry.
    fn id(&self) -> &str {
        let infos = self.detector.rules().infos();
        infos.iter().find(|info| info.name == self.name).map_or(self.name.as_str(), |info| info.id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, EvidencePath, FileKind, FileMeta, Mode};

    #[test]
    fn every_rule_is_measured_alone() {
        let text = r#"private rule t { strings: $a = "a" condition: $a }
            rule hit { meta: id = "X-1" condition: t }
            rule miss { condition: t and filesize == 0 }
            rule broken { condition: nonsense }"#;
        let source = RuleSource { name: "a.yar".into(), text: text.into() };
        let profiler = RuleProfiler::new(&[source], &YaraOptions::default());
        let (path, meta) = (EvidencePath::new("/x").unwrap(), FileMeta::bare(FileKind::File, Mode::new(0o644), 1));
        let mut report = Report::default();
        for content in [&b"a"[..], b"b", b"aa"] {
            let file = Swept { path: &path, meta: &meta, sha256: Some(Digest::of(content)), content: Some(content) };
            profiler.inspect(&file, &mut report);
        }
        assert!(report.findings.is_empty() && report.gaps.is_empty());
        let mut costs = profiler.costs();
        costs.sort_by(|a, b| a.rule.cmp(&b.rule));
        let told: Vec<_> =
            costs.iter().map(|cost| (cost.rule.as_str(), cost.hits, cost.time >= cost.longest)).collect();
        assert_eq!(told, [("hit", 2, true), ("miss", 0, true)]);
        assert!(costs[0].longest > Duration::ZERO);
    }
}
