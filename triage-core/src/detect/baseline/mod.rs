//! A host held against itself in better days, or against its sisters: which code is as it is there, which was changed, which is new.
//!
//! A baseline vouches for what it has at the same place with the same content, as a vendor would; whoever names it answers for it, because a
//! baseline that was taken too late has the intruder's files too. Several may be named; one that has a content is enough. Only code is told
//! of: logs, caches and mail differ on every host every day, and `triage diff` shows them all.

mod difference;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;

use super::known_good::{Authority, Digests, Judgement, Standing};
use super::module_signature::{FileClass, class};
use super::{Detector, HostContext, Report};
use crate::model::{
    Category, Digest, Evidence, EvidencePath, FileMeta, Finding, Gap, GapReason, RawText, Severity, Subject,
};
use crate::source::{Selection, Source, SourceKind};
use crate::sweep::{Options, Progress, Sweep, SweepError, Swept, Visitor};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// The most findings of one kind; a host that was set up anew differs in everything.
const MOST: usize = 500;

/// The most files that are remembered to be told of.
const MAX_NOTED: usize = 100_000;

/// The most differences that are made; each reads a file of the baseline.
const MAX_DIFFERENCES: usize = 200;

/// The first half of a path's SHA-256.
type Key = [u8; 16];

fn key(path: &EvidencePath) -> Key {
    let mut key = [0; 16];
    key.copy_from_slice(Digest::of(path.as_bytes()).as_bytes().split_at(16).0);
    key
}

/// The digests of another state, by place. 48 bytes a file, and no paths.
pub struct Baseline {
    label: String,
    source: Box<dyn Source>,
    asked: Selection,
    files: Vec<(Key, Digest)>,
    /// What of it was not read; a folder stands for all beneath it.
    unread: BTreeSet<EvidencePath>,
}

/// What a baseline has at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Match {
    Same,
    Other,
    /// It was asked for this place and has nothing there.
    Nothing,
    /// Nobody asked it.
    Unknown,
}

#[derive(Default)]
struct Gathered(Mutex<Vec<(Key, Digest)>>);

impl Visitor for Gathered {
    fn visit(&self, file: &Swept<'_>) {
        if let Some(sha256) = file.sha256 {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push((key(file.path), sha256));
        }
    }
}

/// Which part of a state is a baseline.
pub struct Part<'a> {
    /// What is met.
    pub selection: &'a Selection,
    /// What of it is not opened.
    pub listed_only: &'a Selection,
    /// What was asked for when it was taken, so that what is missing can be told from what nobody wanted.
    pub asked: &'a Selection,
}

impl Baseline {
    /// Reads a state once, for its digests. Its files stay where they are, to be compared with.
    ///
    /// # Errors
    /// When it cannot be listed at all.
    pub fn read(
        source: Box<dyn Source>,
        part: &Part<'_>,
        options: Options,
        progress: &dyn Progress,
        cancel: &(dyn Fn() -> bool + Sync),
    ) -> Result<Self, SweepError> {
        let gathered = Gathered::default();
        let sweep = Sweep {
            source: source.as_ref(),
            selection: part.selection,
            listed_only: part.listed_only,
            options,
            visitors: &[&gathered],
            known: None,
            store: None,
            budget: &(),
            progress,
            cancel,
        };
        // The root stands for what is no file.
        let unread = sweep.run()?.gaps.into_iter().map(|gap| gap.path).filter(|path| !path.is_root()).collect();
        let mut files = gathered.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        files.sort_unstable_by_key(|(key, _)| *key);
        Ok(Self { label: source.label(), source, asked: part.asked.clone(), files, unread })
    }

    /// How many files it has.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Says whether it has no file, and so can vouch for nothing.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    fn at(&self, path: &EvidencePath) -> Option<Digest> {
        let wanted = key(path);
        let at = self.files.binary_search_by_key(&wanted, |(key, _)| *key).ok()?;
        self.files.get(at).map(|(_, sha256)| *sha256)
    }

    fn compare(&self, path: &EvidencePath, sha256: Digest) -> Match {
        match self.at(path) {
            Some(found) if found == sha256 => Match::Same,
            Some(_) => Match::Other,
            None if self.asked.selects(path) && !self.is_unread(path) => Match::Nothing,
            None => Match::Unknown,
        }
    }

    fn is_unread(&self, path: &EvidencePath) -> bool {
        !self.unread.is_empty()
            && std::iter::successors(Some(path.clone()), EvidencePath::parent).any(|place| self.unread.contains(&place))
    }

    /// How a file differs from this one's, where both are short texts. Of an archive that has to be read through for each file, none.
    fn difference(&self, path: &EvidencePath, content: &[u8]) -> Option<String> {
        if matches!(self.source.kind(), SourceKind::Archive | SourceKind::Collection | SourceKind::ContainerImage) {
            return None;
        }
        let old = self.source.read(path, difference::MAX_TEXT + 1).ok()??;
        difference::unified(&old, content)
    }
}

/// A file of code that no baseline has as it is.
struct Noted {
    sha256: Digest,
    class: FileClass,
    /// By baseline.
    matches: Vec<Match>,
    mtime: Option<String>,
}

/// Holds every file of code against baselines.
pub struct BaselineDetector {
    baselines: Vec<Baseline>,
    noted: Mutex<BTreeMap<EvidencePath, Noted>>,
    /// The differences of the files that come first: PHP, then by place, so that it does not matter in which order they are met.
    differences: Mutex<BTreeMap<(FileClass, EvidencePath), String>>,
    has_more: std::sync::atomic::AtomicBool,
}

impl BaselineDetector {
    /// A detector that compares with these.
    pub fn new(baselines: Vec<Baseline>) -> Self {
        Self {
            baselines,
            noted: Mutex::default(),
            differences: Mutex::default(),
            has_more: std::sync::atomic::AtomicBool::new(false),
        }
    }

    fn differ(&self, place: (FileClass, EvidencePath), content: &[u8], matches: &[Match]) {
        let lock = || self.differences.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = |all: &BTreeMap<(FileClass, EvidencePath), String>| {
            all.len() >= MAX_DIFFERENCES && all.last_key_value().is_some_and(|(last, _)| *last < place)
        };
        if is_full(&lock()) {
            return;
        }
        let other = self.baselines.iter().zip(matches).find(|(_, found)| **found == Match::Other);
        let Some(text) = other.and_then(|(baseline, _)| baseline.difference(&place.1, content)) else { return };
        let mut all = lock();
        all.insert(place, text);
        if all.len() > MAX_DIFFERENCES {
            all.pop_last();
        }
    }

    fn difference_of(&self, path: &EvidencePath, class: FileClass) -> Option<RawText> {
        let differences = self.differences.lock().unwrap_or_else(PoisonError::into_inner);
        differences.get(&(class, path.clone())).map(|text| text.as_str().into())
    }

    fn finding(&self, path: &EvidencePath, noted: &Noted) -> Finding {
        let is_php = noted.class == FileClass::Php;
        let is_changed = noted.matches.contains(&Match::Other);
        let (rule, title, severity, confidence) = if is_changed {
            ("TR-BASELINE-0001", "Code that is not as in the baseline", Severity::Medium, 45)
        } else {
            let severity = if is_php { Severity::Medium } else { Severity::Low };
            ("TR-BASELINE-0002", "Code that the baseline does not have", severity, 35)
        };
        let attribute = |name: &str, value: &str| Evidence::Attribute { name: name.to_owned(), value: value.into() };
        let mut evidence = Vec::new();
        for (baseline, found) in self.baselines.iter().zip(&noted.matches) {
            let authority = format!("baseline {}", baseline.label);
            match found {
                Match::Other => {
                    evidence.push(Evidence::Hash {
                        authority,
                        expected: baseline.at(path),
                        actual: Some(noted.sha256),
                    });
                }
                Match::Nothing => {
                    evidence.push(Evidence::Hash { authority, expected: None, actual: Some(noted.sha256) });
                }
                Match::Same | Match::Unknown => {}
            }
        }
        evidence.push(attribute("class", noted.class.as_str()));
        evidence.extend(noted.mtime.as_deref().map(|mtime| attribute("mtime", mtime)));
        evidence.extend(
            self.difference_of(path, noted.class).map(|value| Evidence::Attribute { name: "difference".into(), value }),
        );
        let subject = Subject::File { path: path.clone(), sha256: Some(noted.sha256) };
        Finding::new(rule, title, (Category::Tampering, severity, confidence), subject, evidence)
    }
}

fn modified(meta: &FileMeta) -> Option<String> {
    meta.mtime.map(|mtime| mtime.to_string())
}

impl Detector for BaselineDetector {
    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        let _ = report;
        let Some(sha256) = file.sha256.filter(|_| file.meta.is_file()) else { return };
        let matches: Vec<Match> = self.baselines.iter().map(|baseline| baseline.compare(file.path, sha256)).collect();
        let is_told = !matches.contains(&Match::Same) && matches.iter().any(|found| *found != Match::Unknown);
        if !is_told {
            return;
        }
        let class = class(file.path, file.content);
        if class == FileClass::Data {
            return;
        }
        if let Some(content) = file.content.filter(|_| matches.contains(&Match::Other)) {
            self.differ((class, file.path.clone()), content, &matches);
        }
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.insert(file.path.clone(), Noted { sha256, class, matches, mtime: modified(file.meta) });
        if noted.len() > MAX_NOTED {
            self.has_more.store(true, std::sync::atomic::Ordering::Relaxed);
            noted.pop_last();
        }
    }

    fn conclude(&self, _: &HostContext, report: &mut Report) {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut by_rule: BTreeMap<String, Vec<Finding>> = BTreeMap::new();
        for (path, noted) in noted.iter() {
            let finding = self.finding(path, noted);
            by_rule.entry(finding.rule.0.clone()).or_default().push(finding);
        }
        for baseline in self.baselines.iter().filter(|baseline| !baseline.unread.is_empty()) {
            let detail = format!("{} objects of the baseline {} were not read", baseline.unread.len(), baseline.label);
            report.gaps.push(Gap::new(EvidencePath::root(), GapReason::ReadFailed, detail));
        }
        let is_cut = self.has_more.load(std::sync::atomic::Ordering::Relaxed);
        for mut findings in by_rule.into_values() {
            if findings.len() > MOST {
                findings.sort_by(|a, b| a.rank().cmp(&b.rank()));
                let more = if is_cut { " at least" } else { "" };
                let what = findings.first().map(|finding| finding.title.clone()).unwrap_or_default();
                let detail = format!(
                    "{what}:{more} {} files, of which {MOST} are findings; `triage diff` lists all",
                    findings.len()
                );
                report.gaps.push(Gap::new(EvidencePath::root(), GapReason::LimitReached, detail));
                findings.truncate(MOST);
            }
            report.findings.append(&mut findings);
        }
    }

    fn authorities(&self) -> Vec<Box<dyn Authority + '_>> {
        let all = self.baselines.iter().filter(|baseline| !baseline.is_empty());
        all.map(|baseline| Box::new(AsInBaseline { detector: self, baseline }) as Box<dyn Authority>).collect()
    }
}

/// One baseline as an authority.
struct AsInBaseline<'a> {
    detector: &'a BaselineDetector,
    baseline: &'a Baseline,
}

impl Authority for AsInBaseline<'_> {
    fn judge(&self, path: &EvidencePath, digests: &Digests) -> Judgement {
        let found = digests.sha256.map_or(Match::Unknown, |sha256| self.baseline.compare(path, sha256));
        let standing = match found {
            Match::Same => Standing::VendorPristine,
            Match::Other => Standing::VendorModified,
            Match::Nothing => Standing::Unowned,
            Match::Unknown => Standing::Unknown,
        };
        let mut word = Judgement::new(format!("baseline {}", self.baseline.label), standing);
        if found == Match::Other {
            let noted = self.detector.noted.lock().unwrap_or_else(PoisonError::into_inner);
            word.difference = noted.get(path).and_then(|noted| self.detector.difference_of(path, noted.class));
        }
        word
    }
}
