//! Two states of a host held against each other: what was added, removed and changed, by file and by record.
//!
//! It compares any two sources: a host with its bundle of last month, an image with a clean one. What one side was never asked for, or
//! could not read, is no difference: it is counted or told as a gap. It reads and never writes; what a difference means is for
//! [`crate::detect`] and for a person.
//!
//! The files of the old side are held as fixed-size fingerprints without their paths, so that a million of them take less than a
//! hundred bytes each.

mod object;
mod record;

use crate::model::{EvidencePath, FileKind, Gap, GapReason, HostIdentity, Timestamp};
use crate::source::{Item, Kept, Selection, Source, SourceError};
use crate::sweep::{Options, Progress, Sweep, SweepError, Swept, Visitor};
use object::{Key, Object};
use record::Records;
pub use record::{RecordChange, RecordDifference};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Version of the format of a difference.
pub const FORMAT_VERSION: u32 = 1;
/// Most changes of files that are listed; the others are counted, and that is a gap.
const MAX_CHANGES: usize = 500_000;

/// One of the two sides.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The evidence.
    pub source: &'a dyn Source,
    /// Which part of it is met.
    pub selection: &'a Selection,
    /// What of it is not opened.
    pub listed_only: &'a Selection,
    /// What was asked for when it was taken: what is missing outside of that says nothing.
    pub asked: &'a Selection,
}

/// How to read both sides.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// Threads and sizes.
    pub options: Options,
    /// Who hears how far it is.
    pub progress: &'a dyn Progress,
    /// Says, when asked, that it should stop.
    pub cancel: &'a (dyn Fn() -> bool + Sync),
}

/// What happened to an object from the old state to the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// It is only in the new state.
    Added,
    /// It is only in the old state.
    Removed,
    /// It is in both and not the same.
    Changed,
}

impl Change {
    /// The word in text and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

/// A difference that happens on every host all the time. It is kept, and folded away where people read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Noise {
    /// Only times differ.
    TimesOnly,
    /// A log that is longer than before.
    GrownLog,
}

impl Noise {
    /// The words for a person.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TimesOnly => "only times differ",
            Self::GrownLog => "grown logs",
        }
    }
}

/// One property that is not the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// `content`, `type`, `mode`, `owner`, `group`, `size`, `mtime`, `created`, `flags`, `attributes`, `link_target`.
    pub what: String,
    /// What it was, as text.
    pub old: String,
    /// What it is, as text.
    pub new: String,
}

/// A file system object that is not the same in both states. In JSONL its `kind` is `"file_change"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// Where it is.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// What happened to it.
    pub change: Change,
    /// What it is now, or was.
    #[serde(rename = "type")]
    pub kind: FileKind,
    /// Its size now, or as it was.
    #[serde(rename = "size_bytes")]
    pub size: u64,
    /// In what it differs; empty for one that was added or removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// Why it is probably nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<Noise>,
}

/// What was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Objects of the old state.
    pub old_objects: u64,
    /// Objects of the new state.
    pub new_objects: u64,
    /// Objects that both have.
    pub compared: u64,
    /// Objects that one side has and that the other was never asked for.
    pub outside: u64,
}

/// All differences of two states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Objects of the file system, by path.
    pub files: Vec<FileChange>,
    /// Accounts, cron jobs, units, modules, keys: by kind and place.
    pub records: Vec<RecordChange>,
    /// What was not read, or not comparable.
    pub gaps: Vec<Gap>,
    /// What was compared.
    pub totals: Totals,
    /// Says that it was stopped before its end.
    pub is_interrupted: bool,
}

/// A difference with all that is needed to read it later and elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffReport {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// `triage` and its version.
    pub tool: String,
    /// When the comparison ended.
    pub created: Timestamp,
    /// The old state.
    pub old: SideReport,
    /// The new state.
    pub new: SideReport,
    /// What was compared.
    pub totals: Totals,
    /// Objects of the file system, by path.
    pub files: Vec<FileChange>,
    /// Records, by kind and place.
    pub records: Vec<RecordChange>,
    /// Differences that are probably nothing and were left out of `files`, by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub folded: BTreeMap<Noise, u64>,
    /// What was not read, or not comparable.
    pub gaps: Vec<Gap>,
}

/// What one side is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideReport {
    /// What was compared, as a person calls it, escaped.
    pub target: String,
    /// The host it is of.
    pub host: HostIdentity,
}

impl Diff {
    /// Says whether anything differs that is not noise.
    pub fn is_same(&self) -> bool {
        self.records.is_empty() && self.files.iter().all(|file| file.noise.is_some())
    }

    /// Takes out what is probably nothing, and counts it.
    pub fn fold(&mut self) -> BTreeMap<Noise, u64> {
        let mut folded = BTreeMap::new();
        self.files.retain(|file| {
            file.noise.is_none_or(|noise| {
                *folded.entry(noise).or_default() += 1;
                false
            })
        });
        folded
    }
}

/// Compares two states. Each side is read once; the old one is listed again where something is missing in the new one.
///
/// # Errors
/// When one of the two cannot be read at all.
pub fn compare(old: &Side<'_>, new: &Side<'_>, reading: Reading<'_>) -> Result<Diff, SweepError> {
    let kept = both(old.source.kept(), new.source.kept());
    let first =
        Old { other: new.asked, objects: Mutex::default(), records: Records::default(), outside: AtomicU64::new(0) };
    let mut summary = sweep(old, &first, reading)?;
    let mut diff = Diff::default();
    diff.totals.old_objects = summary.objects;
    diff.is_interrupted = summary.is_interrupted;
    let mut objects = first.objects.into_inner().unwrap_or_else(PoisonError::into_inner);
    objects.sort_unstable_by_key(|(key, _)| *key);
    let old_gaps = unread(&summary.gaps);
    let second = New {
        other: old.asked,
        seen: (0..objects.len()).map(|_| AtomicBool::new(false)).collect(),
        objects,
        old_gaps: &old_gaps,
        kept,
        records: Records::default(),
        found: Mutex::default(),
        more: AtomicU64::new(0),
        compared: AtomicU64::new(0),
        outside: AtomicU64::new(0),
    };
    let later = sweep(new, &second, reading)?;
    diff.totals.new_objects = later.objects;
    diff.is_interrupted |= later.is_interrupted;
    diff.files = std::mem::take(&mut *second.found.lock().unwrap_or_else(PoisonError::into_inner));
    let new_gaps = unread(&later.gaps);
    if !diff.is_interrupted && second.seen.iter().any(|seen| !seen.load(Ordering::Relaxed)) {
        removed(old, &second, &new_gaps, &mut diff.files)?;
    }
    diff.totals.compared = second.compared.load(Ordering::Relaxed);
    diff.totals.outside = first.outside.load(Ordering::Relaxed) + second.outside.load(Ordering::Relaxed);
    let more = second.more.load(Ordering::Relaxed);
    if more > 0 {
        let detail = format!("{more} more files differ than the {MAX_CHANGES} that are listed");
        diff.gaps.push(Gap::new(EvidencePath::root(), GapReason::LimitReached, detail));
    }
    let is_unread = |gaps: &BTreeSet<EvidencePath>, path: &EvidencePath| is_within(path, gaps);
    diff.records = record::compare(
        first.records,
        second.records,
        &|path| new.asked.selects(path) && !is_unread(&new_gaps, path),
        &|path| old.asked.selects(path) && !is_unread(&old_gaps, path),
        &mut diff.gaps,
    );
    // That a file was too large to be shown to the visitors does not matter here: it was hashed.
    for (gap, side) in
        summary.gaps.drain(..).map(|gap| (gap, "old")).chain(later.gaps.into_iter().map(|gap| (gap, "new")))
    {
        if gap.reason != GapReason::LimitReached {
            diff.gaps.push(Gap::new(gap.path, gap.reason, format!("in the {side} state: {}", gap.detail)));
        }
    }
    diff.files.sort_by(|a, b| (&a.path, a.change).cmp(&(&b.path, b.change)));
    diff.gaps.sort();
    Ok(diff)
}

fn sweep(side: &Side<'_>, visitor: &dyn Visitor, reading: Reading<'_>) -> Result<crate::sweep::Summary, SweepError> {
    Sweep {
        source: side.source,
        selection: side.selection,
        listed_only: side.listed_only,
        options: reading.options,
        visitors: &[visitor],
        known: None,
        store: None,
        budget: &(),
        progress: reading.progress,
        cancel: reading.cancel,
    }
    .run()
}

/// What both sides keep can be compared.
fn both(a: Kept, b: Kept) -> Kept {
    Kept {
        modes: a.modes && b.modes,
        owners: a.owners && b.owners,
        mtimes: a.mtimes && b.mtimes,
        attributes: a.attributes && b.attributes,
    }
}

/// Paths of which nothing is known on one side. What changed while it was read, or is a device, is known well enough.
fn unread(gaps: &[Gap]) -> BTreeSet<EvidencePath> {
    let is_hidden = |gap: &&Gap| {
        !gap.path.is_root()
            && !matches!(gap.reason, GapReason::ChangedWhileReading | GapReason::NotRegular | GapReason::LimitReached)
    };
    gaps.iter().filter(is_hidden).map(|gap| gap.path.clone()).collect()
}

fn is_within(path: &EvidencePath, places: &BTreeSet<EvidencePath>) -> bool {
    !places.is_empty()
        && std::iter::successors(Some(path.clone()), EvidencePath::parent).any(|place| places.contains(&place))
}

/// Gathers the old state.
struct Old<'a> {
    other: &'a Selection,
    objects: Mutex<Vec<(Key, Object)>>,
    records: Records,
    outside: AtomicU64,
}

impl Visitor for Old<'_> {
    fn visit(&self, file: &Swept<'_>) {
        if !self.other.selects(file.path) {
            self.outside.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let object = (object::key(file.path), Object::of(file.meta, file.sha256));
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).push(object);
        self.records.add(file);
    }
}

/// Compares the new state with the old one as it passes.
struct New<'a> {
    other: &'a Selection,
    objects: Vec<(Key, Object)>,
    seen: Vec<AtomicBool>,
    old_gaps: &'a BTreeSet<EvidencePath>,
    kept: Kept,
    records: Records,
    found: Mutex<Vec<FileChange>>,
    more: AtomicU64,
    compared: AtomicU64,
    outside: AtomicU64,
}

impl New<'_> {
    fn position(&self, path: &EvidencePath) -> Option<usize> {
        self.objects.binary_search_by_key(&object::key(path), |(key, _)| *key).ok()
    }

    fn push(&self, change: FileChange) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() < MAX_CHANGES {
            found.push(change);
        } else {
            self.more.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Visitor for New<'_> {
    fn visit(&self, file: &Swept<'_>) {
        if !self.other.selects(file.path) {
            self.outside.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.records.add(file);
        let now = Object::of(file.meta, file.sha256);
        let position = self.position(file.path);
        let Some((_, before)) = position.and_then(|at| self.objects.get(at)) else {
            if !is_within(file.path, self.old_gaps) {
                self.push(FileChange {
                    path: file.path.clone(),
                    change: Change::Added,
                    kind: file.meta.kind,
                    size: file.meta.size,
                    differences: Vec::new(),
                    noise: None,
                });
            }
            return;
        };
        if let Some(seen) = position.and_then(|at| self.seen.get(at)) {
            seen.store(true, Ordering::Relaxed);
        }
        self.compared.fetch_add(1, Ordering::Relaxed);
        let differences = object::differences(before, &now, self.kept);
        if differences.is_empty() {
            return;
        }
        let noise = object::noise(file.path, before, &now, &differences);
        self.push(FileChange {
            path: file.path.clone(),
            change: Change::Changed,
            kind: file.meta.kind,
            size: file.meta.size,
            differences,
            noise,
        });
    }
}

/// Lists the old state again for the names of what the new one does not have.
fn removed(
    old: &Side<'_>,
    new: &New<'_>,
    new_gaps: &BTreeSet<EvidencePath>,
    found: &mut Vec<FileChange>,
) -> Result<(), SourceError> {
    old.source.walk(old.selection, &mut |item| {
        let Item::Entry(entry) = item else { return ControlFlow::Continue(()) };
        let Some(at) = new.position(&entry.path) else { return ControlFlow::Continue(()) };
        // Told once, also where a source gives one path twice.
        let was_seen = new.seen.get(at).is_none_or(|seen| seen.swap(true, Ordering::Relaxed));
        if !was_seen && !is_within(&entry.path, new_gaps) {
            if found.len() >= MAX_CHANGES {
                new.more.fetch_add(1, Ordering::Relaxed);
                return ControlFlow::Continue(());
            }
            found.push(FileChange {
                change: Change::Removed,
                kind: entry.meta.kind,
                size: entry.meta.size,
                differences: Vec::new(),
                noise: None,
                path: entry.path,
            });
        }
        ControlFlow::Continue(())
    })
}

/// One JSON document, indented, with a newline at the end.
///
/// # Errors
/// As `serde_json` for what cannot be JSON.
pub fn json(report: &DiffReport) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

/// One JSON object a line: `file_change`s, `record_change`s, `gap`s, then one `diff`.
///
/// # Errors
/// As [`json()`].
pub fn jsonl(report: &DiffReport) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Line<'a, T> {
        kind: &'static str,
        format_version: u32,
        #[serde(flatten)]
        body: &'a T,
    }
    #[derive(Serialize)]
    struct Summary<'a> {
        tool: &'a str,
        created: Timestamp,
        old: &'a SideReport,
        new: &'a SideReport,
        totals: Totals,
        folded: &'a BTreeMap<Noise, u64>,
        file_changes: usize,
        record_changes: usize,
        gaps: usize,
    }
    fn push(out: &mut String, kind: &'static str, body: &impl Serialize) -> Result<(), serde_json::Error> {
        out.push_str(&serde_json::to_string(&Line { kind, format_version: FORMAT_VERSION, body })?);
        out.push('\n');
        Ok(())
    }
    let mut out = String::new();
    for change in &report.files {
        push(&mut out, "file_change", change)?;
    }
    for change in &report.records {
        push(&mut out, "record_change", change)?;
    }
    for gap in &report.gaps {
        push(&mut out, "gap", gap)?;
    }
    let summary = Summary {
        tool: &report.tool,
        created: report.created,
        old: &report.old,
        new: &report.new,
        totals: report.totals,
        folded: &report.folded,
        file_changes: report.files.len(),
        record_changes: report.records.len(),
        gaps: report.gaps.len(),
    };
    push(&mut out, "diff", &summary)?;
    Ok(out)
}

#[cfg(test)]
mod tests;
