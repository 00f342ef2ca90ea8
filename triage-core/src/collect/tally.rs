//! Counting what a collection covers, while it runs: a store that passes everything on, and a visitor that reads the times of logs.
//!
//! Memory does not grow with the evidence: counters for each artifact, the first object of each reason, and lists with an end.

use super::coverage::{ArtifactCoverage, COVERAGE_VERSION, Counts, Coverage, LogCoverage, Ours, Skipped, rotations};
use super::profile::Scope;
use super::window::{Window, WindowFinder};
use crate::model::{EvidencePath, FileMeta, Gap, GapReason};
use crate::source::{Cursor, Reach};
use crate::sweep::{Body, Store, StoreError, Stored, Swept, Visitor};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

/// Logs whose time is told.
const LOGS: usize = 2_000;
/// Changed files that are named.
const CHANGED: usize = 1_000;
/// Bytes of a packed log that are unpacked to see its time.
const UNPACKED: u64 = 64 << 20;

/// The times of the logs of a sweep.
#[derive(Default)]
pub struct LogWindows {
    found: Mutex<(Vec<LogCoverage>, u64)>,
}

/// Says whether a file is one whose lines or records have times.
fn is_log(path: &EvidencePath, meta: &FileMeta) -> bool {
    const NOT_TEXT: [&[u8]; 6] = [b"journal", b"journal~", b"wav", b"db", b"xz", b"bz2"];
    meta.is_file()
        && path.as_bytes().starts_with(b"/var/log/")
        && !path.extension().is_some_and(|extension| NOT_TEXT.contains(&extension))
        && !matches!(path.file_name(), b"lastlog" | b"faillog" | b"tallylog")
}

impl LogWindows {
    fn add(&self, path: &EvidencePath, window: Option<Window>) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.0.len() < LOGS {
            found.0.push(LogCoverage { path: path.clone(), window });
        } else {
            found.1 += 1;
        }
    }

    fn window(path: &EvidencePath, bytes: &[u8]) -> Option<Window> {
        if path.extension() != Some(b"gz") {
            let mut finder = WindowFinder::new(path.file_name());
            finder.feed(bytes);
            return finder.finish(false);
        }
        // The packed bytes are hostile, and the decoder is not ours.
        catch_unwind(AssertUnwindSafe(|| {
            let mut finder = WindowFinder::new(path.file_name());
            let mut unpacked = flate2::read::MultiGzDecoder::new(bytes).take(UNPACKED);
            let mut chunk = vec![0; 1 << 16];
            let mut total = 0;
            while let Ok(count @ 1..) = unpacked.read(&mut chunk) {
                finder.feed(chunk.get(..count).unwrap_or_default());
                total += count as u64;
            }
            finder.finish(total >= UNPACKED)
        }))
        .ok()
        .flatten()
    }
}

impl Visitor for LogWindows {
    fn visit(&self, file: &Swept<'_>) {
        if let Some(bytes) = file.content.filter(|_| is_log(file.path, file.meta)) {
            self.add(file.path, Self::window(file.path, bytes));
        }
    }
}

/// A reader whose bytes are looked at in passing.
struct Passing<'a> {
    reader: &'a mut dyn Read,
    finder: WindowFinder,
}

impl Read for Passing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.finder.feed(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// A store that counts, and passes on.
pub struct Tally<'t> {
    scope: &'t Scope,
    inner: &'t mut dyn Store,
    logs: &'t LogWindows,
    /// For each pattern, the artifact that it belongs to.
    artifact_of: Vec<Option<usize>>,
    artifacts: Vec<ArtifactCoverage>,
    total: Counts,
    skipped: BTreeMap<String, Skipped>,
    changed: (Vec<EvidencePath>, u64),
    /// The folder that the last object was in, and the place in the patterns there.
    folder: Option<(EvidencePath, Cursor<'t>)>,
    last: Option<Last>,
}

/// The object that was stored last; its gaps may follow.
struct Last {
    path: EvidencePath,
    artifacts: Vec<usize>,
    /// A regular file whose content is not in the bundle, for a reason that is not known yet.
    is_open: bool,
}

impl<'t> Tally<'t> {
    /// Counts what goes into `inner`, by the artifacts of `scope`; `logs` is a visitor of the same sweep.
    pub fn new(scope: &'t Scope, inner: &'t mut dyn Store, logs: &'t LogWindows) -> Self {
        let mut artifact_of = vec![None; scope.selection.included().len()];
        let mut artifacts = Vec::new();
        for (at, artifact) in scope.artifacts.iter().enumerate() {
            artifacts.push(ArtifactCoverage { name: artifact.name.clone(), counts: Counts::default() });
            for owner in artifact_of.get_mut(artifact.patterns.clone()).unwrap_or_default() {
                *owner = Some(at);
            }
        }
        Self {
            scope,
            inner,
            logs,
            artifact_of,
            artifacts,
            total: Counts::default(),
            skipped: BTreeMap::new(),
            changed: (Vec::new(), 0),
            folder: None,
            last: None,
        }
    }

    /// The artifacts that name `path`; those that name something beneath it too, where it could not be gone into.
    fn artifacts_of(&mut self, path: &EvidencePath, and_beneath: bool) -> Vec<usize> {
        let Some(folder) = path.parent() else { return Vec::new() };
        if self.folder.as_ref().is_none_or(|(last, _)| *last != folder) {
            let cursor = folder.components().fold(self.scope.selection.cursor(), |cursor, name| cursor.enter(name));
            self.folder = Some((folder, cursor));
        }
        let Some((_, cursor)) = &self.folder else { return Vec::new() };
        let place = cursor.enter(path.file_name());
        let patterns: Vec<usize> = if and_beneath { place.open().collect() } else { place.accepted().collect() };
        let mut artifacts: Vec<usize> =
            patterns.into_iter().filter_map(|pattern| self.artifact_of.get(pattern).copied().flatten()).collect();
        artifacts.sort_unstable();
        artifacts.dedup();
        artifacts
    }

    fn count(&mut self, artifacts: &[usize], add: impl Fn(&mut Counts)) {
        add(&mut self.total);
        for at in artifacts {
            if let Some(artifact) = self.artifacts.get_mut(*at) {
                add(&mut artifact.counts);
            }
        }
    }

    fn skip(&mut self, artifacts: &[usize], path: &EvidencePath, reason: GapReason, detail: &str) {
        let reason = reason.as_str();
        self.count(artifacts, |counts| *counts.skipped.entry(reason.to_owned()).or_default() += 1);
        let first = || Skipped { count: 0, path: path.clone(), detail: detail.to_owned() };
        self.skipped.entry(reason.to_owned()).or_insert_with(first).count += 1;
    }

    /// Judges the last object, when all its gaps are known.
    fn settle(&mut self) {
        let Some(last) = self.last.take().filter(|last| last.is_open) else { return };
        if self.scope.listed_only.selects(&last.path) {
            self.count(&last.artifacts, |counts| counts.listed_only += 1);
        } else {
            // Beyond the first thousand a budget leaves files out without naming them.
            self.skip(&last.artifacts, &last.path, GapReason::BudgetSpent, "see the gaps");
        }
    }

    /// Counts a gap that was known before the sweep.
    pub fn known_before(&mut self, gap: &Gap) {
        self.learn(gap);
    }

    fn learn(&mut self, gap: &Gap) {
        if gap.reason == GapReason::ChangedWhileReading {
            if self.changed.0.len() < CHANGED {
                self.changed.0.push(gap.path.clone());
            } else {
                self.changed.1 += 1;
            }
            return;
        }
        // The root stands for what is no object: budgets, damage of the whole.
        if gap.path.is_root() {
            return;
        }
        if let Some(mut last) = self.last.take().filter(|last| last.path == gap.path) {
            if std::mem::take(&mut last.is_open) {
                self.skip(&last.artifacts, &gap.path, gap.reason, &gap.detail);
            }
            self.last = Some(last);
        } else {
            let artifacts = self.artifacts_of(&gap.path, true);
            self.skip(&artifacts, &gap.path, gap.reason, &gap.detail);
        }
    }

    /// The statement, with what the source says of itself.
    pub fn finish(mut self, reach: Reach) -> Coverage {
        self.settle();
        let (mut logs, more_logs) =
            std::mem::take(&mut *self.logs.found.lock().unwrap_or_else(PoisonError::into_inner));
        logs.sort_by(|one, other| one.path.cmp(&other.path));
        let rotations = rotations(&logs);
        let ours = |(path, (device, inode))| Ours { path, device, inode };
        Coverage {
            format_version: COVERAGE_VERSION,
            limits: BTreeMap::new(),
            manners: None,
            ended_by: None,
            artifacts: self.artifacts,
            total: self.total,
            skipped: self.skipped,
            mounts: reach.mounts,
            logs,
            more_logs,
            rotations,
            changed: self.changed.0,
            more_changed: self.changed.1,
            left_out: reach.left_out.into_iter().map(ours).collect(),
            access_times_moved: reach.access_times_moved,
        }
    }
}

impl Store for Tally<'_> {
    fn store(&mut self, path: &EvidencePath, meta: &FileMeta, body: Body<'_>) -> Result<Stored, StoreError> {
        self.settle();
        let had_body = !matches!(body, Body::None);
        let stored = match body {
            Body::Stream { size, reader } if is_log(path, meta) && path.extension() != Some(b"gz") => {
                let mut passing = Passing { reader, finder: WindowFinder::new(path.file_name()) };
                let stored = self.inner.store(path, meta, Body::Stream { size, reader: &mut passing })?;
                self.logs.add(path, passing.finder.finish(false));
                stored
            }
            body => self.inner.store(path, meta, body)?,
        };
        let artifacts = self.artifacts_of(path, false);
        let is_collected = had_body && stored.sha256.is_some() && !is_left_out(&stored);
        self.count(&artifacts, |counts| {
            counts.matched += 1;
            if is_collected {
                counts.collected += 1;
                counts.collected_bytes = counts.collected_bytes.saturating_add(meta.size);
            }
        });
        // A directory or link has no content to be missing; a FIFO's gap follows.
        let is_open =
            !is_collected && !matches!(meta.kind, crate::model::FileKind::Directory | crate::model::FileKind::Symlink);
        self.last = Some(Last { path: path.clone(), artifacts, is_open });
        Ok(stored)
    }

    fn gap(&mut self, gap: &Gap) -> Result<(), StoreError> {
        self.inner.gap(gap)?;
        if self.last.as_ref().is_some_and(|last| last.path != gap.path) {
            self.settle();
        }
        self.learn(gap);
        Ok(())
    }
}

fn is_left_out(stored: &Stored) -> bool {
    stored.gap.as_ref().is_some_and(|gap| gap.reason == GapReason::Omitted)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::model::{Digest, FileKind, Mode};
    use crate::source::{Pattern, Selection};

    struct Sink;
    impl Store for Sink {
        fn store(&mut self, _: &EvidencePath, _: &FileMeta, body: Body<'_>) -> Result<Stored, StoreError> {
            let sha256 = match body {
                Body::None => None,
                Body::Whole { sha256, .. } => Some(sha256),
                Body::Stream { reader, .. } => {
                    let mut bytes = Vec::new();
                    reader.read_to_end(&mut bytes)?;
                    Some(Digest::of(&bytes))
                }
            };
            Ok(Stored { sha256, gap: None })
        }
        fn gap(&mut self, _: &Gap) -> Result<(), StoreError> {
            Ok(())
        }
    }

    fn scope() -> Scope {
        let patterns = ["/etc/cron.d/**", "/var/log/**", "/var/log/asterisk/**", "/var/spool/monitor/**"];
        let all = patterns.iter().map(|text| Pattern::new(text).unwrap()).collect();
        let named = |name: &str, patterns| crate::collect::ArtifactScope {
            name: name.to_owned(),
            selection: Selection::default(),
            patterns,
        };
        Scope {
            selection: Selection::new(all, Vec::new()),
            listed_only: Selection::new(vec![Pattern::new("/var/spool/monitor/**").unwrap()], Vec::new()),
            artifacts: vec![named("cron", 0..1), named("logs", 1..3), named("recordings", 3..4)],
            ..Scope::default()
        }
    }

    fn path(text: &str) -> EvidencePath {
        EvidencePath::new(text).unwrap()
    }

    fn file(size: u64) -> FileMeta {
        FileMeta::bare(FileKind::File, Mode::new(0o644), size)
    }

    #[test]
    fn each_object_counts_once_for_each_artifact_and_once_in_all() {
        let (scope, logs, mut sink) = (scope(), LogWindows::default(), Sink);
        let mut tally = Tally::new(&scope, &mut sink, &logs);
        let whole = |bytes: &'static [u8]| Body::Whole { bytes, sha256: Digest::of(bytes) };
        tally.store(&path("/etc/cron.d/a"), &file(3), whole(b"abc")).unwrap();
        tally.store(&path("/var/log/asterisk/full"), &file(2), whole(b"ab")).unwrap();
        tally.store(&path("/var/log/huge"), &file(1 << 40), Body::None).unwrap();
        tally.gap(&Gap::new(path("/var/log/huge"), GapReason::TooLarge, "more than 7")).unwrap();
        tally.gap(&Gap::new(path("/var/log/huge"), GapReason::LimitReached, "a second one")).unwrap();
        tally.store(&path("/var/spool/monitor/1.wav"), &file(9), Body::None).unwrap();
        tally.store(&path("/etc/cron.d/refused"), &file(9), Body::None).unwrap();
        tally.gap(&Gap::new(path("/var/log/asterisk"), GapReason::PermissionDenied, "no")).unwrap();
        tally.gap(&Gap::new(path("/etc/cron.d/a"), GapReason::ChangedWhileReading, "grew")).unwrap();
        let coverage = tally.finish(Reach::default());
        let of = |name: &str| coverage.artifacts.iter().find(|one| one.name == name).unwrap().counts.clone();
        assert_eq!((of("cron").matched, of("cron").collected, of("cron").collected_bytes), (2, 1, 3));
        assert_eq!(of("cron").skipped.get("budget_spent"), Some(&1));
        assert_eq!((of("logs").matched, of("logs").collected), (2, 1));
        assert_eq!(of("logs").skipped.get("too_large"), Some(&1));
        assert_eq!(of("logs").skipped.get("permission_denied"), Some(&1));
        assert_eq!(of("recordings").listed_only, 1);
        assert_eq!((coverage.total.matched, coverage.total.collected), (5, 2));
        assert_eq!(coverage.skipped["too_large"].detail, "more than 7");
        assert!(!coverage.skipped.contains_key("limit_reached"));
        assert_eq!(coverage.changed, [path("/etc/cron.d/a")]);
    }

    #[test]
    fn times_of_logs_are_found_in_whole_packed_and_streamed_ones() {
        use std::io::Write as _;
        let text = "Nov 23 08:17:01 pbx a\nNov 23 08:18:01 pbx b\n";
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        let logs = LogWindows::default();
        for (name, bytes) in [("/var/log/syslog", text.as_bytes()), ("/var/log/syslog.1.gz", packed.as_slice())] {
            let (path, meta) = (path(name), file(1));
            logs.visit(&Swept { path: &path, meta: &meta, sha256: None, content: Some(bytes) });
        }
        let (scope, mut sink) = (scope(), Sink);
        let mut tally = Tally::new(&scope, &mut sink, &logs);
        let stream = Body::Stream { size: text.len() as u64, reader: &mut text.as_bytes() };
        tally.store(&path("/var/log/large"), &file(text.len() as u64), stream).unwrap();
        let coverage = tally.finish(Reach::default());
        assert_eq!(coverage.logs.len(), 3);
        for log in &coverage.logs {
            let window = log.window.as_ref().unwrap();
            assert_eq!((window.first.as_str(), window.last.as_str()), ("Nov 23 08:17:01", "Nov 23 08:18:01"));
        }
    }

    #[test]
    fn a_packed_bomb_among_the_logs_is_cut() {
        use std::io::Write as _;
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(b"2026-11-23 08:17:01 x\n").unwrap();
        let zeros = vec![0; 1 << 20];
        for _ in 0..80 {
            packed.write_all(&zeros).unwrap();
        }
        let window = LogWindows::window(&path("/var/log/a.gz"), &packed.finish().unwrap()).unwrap();
        assert!(window.is_cut);
        assert_eq!(window.entries, 1);
    }

    #[test]
    fn lists_have_an_end_whatever_the_evidence_is() {
        let (scope, logs, mut sink) = (scope(), LogWindows::default(), Sink);
        for n in 0..LOGS + 5 {
            logs.add(&path(&format!("/var/log/{n}")), None);
        }
        let mut tally = Tally::new(&scope, &mut sink, &logs);
        for n in 0..CHANGED + 7 {
            tally.gap(&Gap::new(path(&format!("/var/log/{n}")), GapReason::ChangedWhileReading, "x")).unwrap();
        }
        let coverage = tally.finish(Reach::default());
        assert_eq!((coverage.logs.len(), coverage.more_logs), (LOGS, 5));
        assert_eq!((coverage.changed.len(), coverage.more_changed), (CHANGED, 7));
    }
}
