//! The single-read walk: every selected object is met once, every file opened once and read once, whatever is done with it.
//!
//! One thread lists the source, `threads` threads read. A file that fits into memory is read whole and hashed, then every
//! [`Visitor`] sees it, on several threads at once; then the [`Store`], if there is one, gets the objects one at a time in the order of the listing. A larger
//! file is streamed through the store (or only hashed) and the visitors get its digest without content.
//!
//! What cannot be read becomes a [`Gap`] and never stops the run.

mod turn;

use crate::model::{Digest, EvidencePath, FileKind, FileMeta, Gap, GapReason, Hasher};
use crate::source::{Content, Entry, Item, Opened, ReadError, Selection, Source, SourceError};
use std::error::Error;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use thiserror::Error;
use turn::{Ticket, Turns};

/// How many listed objects may wait to be read. Each holds its folder open, and archives' small files are in memory here.
const WAITING: usize = 64;

/// Bytes read from a file at a time.
const CHUNK: usize = 256 * 1024;

/// One object of the evidence, as visitors see it.
#[derive(Debug)]
pub struct Swept<'a> {
    /// Where it is.
    pub path: &'a EvidencePath,
    /// What the open file says of itself; for what is not opened, what the listing said.
    pub meta: &'a FileMeta,
    /// SHA-256 of its content, for a regular file that was read to its end.
    pub sha256: Option<Digest>,
    /// The whole content, where it is no larger than [`Options::memory_cap`].
    pub content: Option<&'a [u8]>,
}

/// Looks at every object of a sweep, on several threads at once and in no certain order.
pub trait Visitor: Sync {
    /// Sees one object: regular files after they have been read, and directories, links and the rest as they are listed.
    fn visit(&self, file: &Swept<'_>);
}

/// What a store is given of one object.
pub enum Body<'a> {
    /// No content: not a regular file, or one that could not be read.
    None,
    /// The whole content.
    Whole {
        /// The bytes.
        bytes: &'a [u8],
        /// Their digest.
        sha256: Digest,
    },
    /// Content that is read as it is stored.
    Stream {
        /// Its size as the open file states it.
        size: u64,
        /// The bytes; may give fewer or more than `size`. It never fails: a read error ends it and becomes a gap.
        reader: &'a mut dyn Read,
    },
}

/// What a store did with one object.
#[derive(Debug, Default)]
pub struct Stored {
    /// SHA-256 of the content as stored; for a streamed body it is the sweep's only source of it.
    pub sha256: Option<Digest>,
    /// Why the content is not, or not wholly, in the store.
    pub gap: Option<Gap>,
}

/// Keeps the objects of a sweep, one at a time, in the order of the listing.
pub trait Store: Send {
    /// Keeps one object.
    ///
    /// # Errors
    /// When it cannot be kept at all (a full disk). That ends the sweep.
    fn store(&mut self, path: &EvidencePath, meta: &FileMeta, body: Body<'_>) -> Result<Stored, StoreError>;

    /// Notes what was not read.
    ///
    /// # Errors
    /// As [`Store::store`].
    fn gap(&mut self, gap: &Gap) -> Result<(), StoreError>;
}

/// Why a store had to give up.
pub type StoreError = Box<dyn Error + Send + Sync>;

/// Hears how far the sweep is, from several threads.
pub trait Progress: Sync {
    /// `objects` objects and `bytes` bytes are done; `path` is the latest of them.
    fn advanced(&self, objects: u64, bytes: u64, path: &EvidencePath);
}

/// Nobody listens.
impl Progress for () {
    fn advanced(&self, _: u64, _: u64, _: &EvidencePath) {}
}

/// How a sweep reads.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Threads that read and look.
    pub threads: NonZeroUsize,
    /// The largest content, in bytes, that is held in memory and shown to visitors.
    pub memory_cap: u64,
    /// The largest file, in bytes, that is read at all.
    pub size_cap: u64,
}

impl Default for Options {
    /// Two threads, 32 MiB, 1 GiB.
    fn default() -> Self {
        Self { threads: NonZeroUsize::MIN.saturating_add(1), memory_cap: 32 << 20, size_cap: 1 << 30 }
    }
}

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Objects of every kind that were met.
    pub objects: u64,
    /// Regular files that were read to the end.
    pub files: u64,
    /// Bytes of content that were read.
    pub bytes: u64,
    /// What was not read.
    pub gaps: Vec<Gap>,
    /// Says that it was stopped before its end.
    pub is_interrupted: bool,
}

/// Why a sweep ended without a result.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SweepError {
    /// The evidence as a whole cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The store could not go on.
    #[error("storing `{path}`")]
    Store {
        /// The object it was at, escaped.
        path: String,
        /// Why.
        #[source]
        source: StoreError,
    },
}

/// A sweep that is ready to go.
pub struct Sweep<'a, 's> {
    /// The evidence.
    pub source: &'a dyn Source,
    /// Which part of it.
    pub selection: &'a Selection,
    /// Objects whose metadata is wanted and whose content is not (recordings, voicemail): they are met and not opened.
    pub listed_only: &'a Selection,
    /// How.
    pub options: Options,
    /// Who looks.
    pub visitors: &'a [&'a dyn Visitor],
    /// Who keeps.
    pub store: Option<&'s mut dyn Store>,
    /// Who hears how far it is.
    pub progress: &'a dyn Progress,
    /// Says, when asked, that it should stop.
    pub cancel: &'a (dyn Fn() -> bool + Sync),
}

/// What the listing thread hands to a reading thread, with its place in the order.
struct Job {
    number: u64,
    item: Item,
}

/// What the reading threads share.
struct Shared<'a, 's> {
    options: Options,
    listed_only: &'a Selection,
    visitors: &'a [&'a dyn Visitor],
    store: Option<Mutex<&'s mut dyn Store>>,
    turns: Turns,
    progress: &'a dyn Progress,
    cancel: &'a (dyn Fn() -> bool + Sync),
    stop: AtomicBool,
    objects: AtomicU64,
    files: AtomicU64,
    bytes: AtomicU64,
    gaps: Mutex<Vec<(u64, Gap)>>,
    error: Mutex<Option<SweepError>>,
}

impl Sweep<'_, '_> {
    /// Runs it to the end, or until `cancel` says to stop, which is no error: the summary says so.
    ///
    /// # Errors
    /// [`SweepError`] when the source cannot be listed at all or the store fails.
    pub fn run(self) -> Result<Summary, SweepError> {
        let shared = Shared {
            options: self.options,
            listed_only: self.listed_only,
            visitors: self.visitors,
            store: self.store.map(Mutex::new),
            turns: Turns::default(),
            progress: self.progress,
            cancel: self.cancel,
            stop: AtomicBool::new(false),
            objects: AtomicU64::new(0),
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            gaps: Mutex::default(),
            error: Mutex::default(),
        };
        let (sender, receiver) = sync_channel::<Job>(WAITING);
        let receiver = Mutex::new(receiver);
        let walked = thread::scope(|scope| {
            for _ in 0..self.options.threads.get() {
                scope.spawn(|| shared.read_jobs(&receiver));
            }
            let mut number = 0;
            let walked = self.source.walk(self.selection, &mut |item| {
                let job = Job { number, item };
                number += 1;
                // Sending fails when every reader has died, which only a panic in a visitor does.
                if shared.should_stop() || sender.send(job).is_err() {
                    shared.stop.store(true, Ordering::Relaxed);
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
            drop(sender);
            walked
        });
        if let Some(error) = shared.error.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        walked?;
        let mut gaps = shared.gaps.into_inner().unwrap_or_else(PoisonError::into_inner);
        gaps.sort();
        Ok(Summary {
            objects: shared.objects.into_inner(),
            files: shared.files.into_inner(),
            bytes: shared.bytes.into_inner(),
            gaps: gaps.into_iter().map(|(_, gap)| gap).collect(),
            is_interrupted: shared.stop.into_inner(),
        })
    }
}

impl Shared<'_, '_> {
    fn should_stop(&self) -> bool {
        if !self.stop.load(Ordering::Relaxed) && (self.cancel)() {
            self.stop.store(true, Ordering::Relaxed);
        }
        self.stop.load(Ordering::Relaxed)
    }

    fn read_jobs(&self, jobs: &Mutex<Receiver<Job>>) {
        let mut buffer = Vec::new();
        loop {
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = job else { return };
            // Without a store nothing has to come in order, and nobody waits for somebody else's large file.
            let turn = self.store.is_some().then(|| self.turns.ticket(job.number));
            let wait = || turn.iter().for_each(Ticket::wait);
            match job.item {
                // What was listed and not read because of a stop is not in the result, and the summary says it was interrupted.
                _ if self.should_stop() => {}
                Item::Gap(gap) => {
                    wait();
                    self.note(job.number, gap);
                }
                Item::Entry(entry) => self.read(turn.as_ref(), job.number, entry, &mut buffer),
            }
        }
    }

    /// Keeps a gap. The caller has the turn.
    fn note(&self, number: u64, gap: Gap) {
        tracing::info!(path = %gap.path, reason = gap.reason.as_str(), detail = gap.detail, "gap");
        if let Some(store) = &self.store {
            let noted = store.lock().unwrap_or_else(PoisonError::into_inner).gap(&gap);
            self.check(&gap.path, noted);
        }
        self.gaps.lock().unwrap_or_else(PoisonError::into_inner).push((number, gap));
    }

    /// Passes a store's result on; a failure stops the sweep.
    fn check<T>(&self, path: &EvidencePath, result: Result<T, StoreError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(source) => {
                self.stop.store(true, Ordering::Relaxed);
                let mut error = self.error.lock().unwrap_or_else(PoisonError::into_inner);
                error.get_or_insert(SweepError::Store { path: path.to_string(), source });
                None
            }
        }
    }

    fn read(&self, turn: Option<&Ticket<'_>>, number: u64, entry: Entry, buffer: &mut Vec<u8>) {
        let Entry { path, mut meta, content } = entry;
        let mut gaps = Vec::new();
        let gap = |reason, detail: String| Gap::new(path.clone(), reason, detail);
        let mut sha256 = None;
        let mut whole = None;
        let mut open = None;
        match content {
            // A source that cannot give a file's content says so itself.
            None if matches!(meta.kind, FileKind::Directory | FileKind::Symlink | FileKind::File) => {}
            Some(_) if self.listed_only.selects(&path) => {}
            None => gaps.push(gap(GapReason::NotRegular, format!("is a {} and was not opened", meta.kind.as_str()))),
            // The listing's size is enough to refuse; opening a file that will not be read could only disturb it.
            Some(_) if meta.size > self.options.size_cap => {
                gaps.push(gap(GapReason::TooLarge, self.too_large(meta.size)));
            }
            Some(opener) => match opener() {
                Err(error) => gaps.push(gap(error.reason, error.detail)),
                Ok(Opened { meta: truth, .. }) if truth.size > self.options.size_cap => {
                    gaps.push(gap(GapReason::TooLarge, self.too_large(truth.size)));
                    meta = truth;
                }
                Ok(Opened { meta: truth, reader }) if truth.size <= self.options.memory_cap => {
                    meta = truth;
                    match self.read_whole(reader, buffer) {
                        Ok((digest, trouble)) => {
                            gaps.extend(trouble.map(|t| gap(t.reason, t.detail)));
                            sha256 = Some(digest);
                            whole = Some(&*buffer);
                        }
                        Err(error) => gaps.push(gap(error.reason, error.detail)),
                    }
                }
                Ok(Opened { meta: truth, reader }) => {
                    meta = truth;
                    open = Some(reader);
                }
            },
        }
        if let Some(bytes) = whole {
            let swept = Swept { path: &path, meta: &meta, sha256, content: Some(bytes) };
            self.visitors.iter().for_each(|visitor| visitor.visit(&swept));
        }
        if let Some(turn) = turn {
            turn.wait();
        }
        let mut failed = None;
        let stored = match (whole, open.as_mut()) {
            (Some(bytes), _) => {
                self.keep(&path, &meta, sha256.map_or(Body::None, |sha256| Body::Whole { bytes, sha256 }))
            }
            (None, Some(reader)) => {
                let (stored, trouble) = self.keep_stream(&path, &meta, reader.as_mut());
                sha256 = stored.as_ref().and_then(|stored| stored.sha256);
                failed = trouble;
                stored
            }
            (None, None) => self.keep(&path, &meta, Body::None),
        };
        if let Some(reader) = open {
            let trouble = failed.or_else(|| damage(reader.as_ref(), sha256));
            gaps.extend(trouble.map(|t| gap(t.reason, t.detail)));
            if !self.visitors.is_empty() {
                let detail = format!(
                    "larger than the {} bytes that are held in memory: its content was hashed and not looked into",
                    self.options.memory_cap
                );
                gaps.push(gap(GapReason::LimitReached, detail));
            }
        }
        gaps.extend(stored.and_then(|stored| stored.gap));
        for gap in gaps {
            self.note(number, gap);
        }
        if let Some(turn) = turn {
            turn.pass();
        }
        if whole.is_none() {
            let swept = Swept { path: &path, meta: &meta, sha256, content: None };
            self.visitors.iter().for_each(|visitor| visitor.visit(&swept));
        }
        tracing::debug!(%path, kind = meta.kind.as_str(), size_bytes = meta.size, is_read = sha256.is_some(), "met");
        let objects = self.objects.fetch_add(1, Ordering::Relaxed) + 1;
        if sha256.is_some() {
            self.files.fetch_add(1, Ordering::Relaxed);
        }
        self.progress.advanced(objects, self.bytes.load(Ordering::Relaxed), &path);
    }

    fn too_large(&self, size: u64) -> String {
        format!("has {size} bytes, more than the limit of {} for one file", self.options.size_cap)
    }

    /// Reads to the end into `buffer`. The second part of the result is what spoils the content without making it useless.
    fn read_whole(
        &self,
        mut reader: Box<dyn Content>,
        buffer: &mut Vec<u8>,
    ) -> Result<(Digest, Option<ReadError>), ReadError> {
        buffer.clear();
        // A buffer that one large file has grown is not kept for the small ones after it.
        buffer.shrink_to(4 * CHUNK);
        let cap = self.options.memory_cap;
        (&mut reader).take(cap.saturating_add(1)).read_to_end(buffer)?;
        let mut trouble = None;
        if buffer.len() as u64 > cap {
            buffer.truncate(usize::try_from(cap).unwrap_or(usize::MAX));
            let detail = format!("grew while it was read; cut at {cap} bytes");
            trouble = Some(ReadError::new(GapReason::ChangedWhileReading, detail));
        }
        self.bytes.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        let digest = Digest::of(buffer);
        match trouble.or_else(|| damage(reader.as_ref(), Some(digest))) {
            Some(error) if error.reason == GapReason::Damaged => Err(error),
            trouble => Ok((digest, trouble)),
        }
    }

    fn keep(&self, path: &EvidencePath, meta: &FileMeta, body: Body<'_>) -> Option<Stored> {
        let store = self.store.as_ref()?;
        let stored = store.lock().unwrap_or_else(PoisonError::into_inner).store(path, meta, body);
        self.check(path, stored)
    }

    /// Streams a file through the store, or only through the hash where there is none.
    fn keep_stream(
        &self,
        path: &EvidencePath,
        meta: &FileMeta,
        reader: &mut dyn Content,
    ) -> (Option<Stored>, Option<ReadError>) {
        let mut watched = Watched { stop: &|| self.should_stop(), bytes: &self.bytes, reader, failed: None };
        if self.store.is_some() {
            let stored = self.keep(path, meta, Body::Stream { size: meta.size, reader: &mut watched });
            return (stored, watched.failed);
        }
        let mut hasher = Hasher::new();
        let mut chunk = vec![0; CHUNK];
        let mut left = self.options.size_cap;
        while left > 0 {
            // `Watched` never fails; it ends, and remembers why.
            let Ok(read @ 1..) = watched.read(&mut chunk) else { break };
            hasher.update(chunk.get(..read).unwrap_or_default());
            left = left.saturating_sub(read as u64);
        }
        let sha256 = watched.failed.is_none().then(|| hasher.finish());
        (Some(Stored { sha256, gap: None }), watched.failed)
    }
}

/// What is wrong with content that has been read to its end.
fn damage(reader: &dyn Content, sha256: Option<Digest>) -> Option<ReadError> {
    if let (Some(expected), Some(actual)) = (reader.expected(), sha256)
        && expected != actual
    {
        let detail = format!("its SHA-256 is {actual} and should be {expected}");
        return Some(ReadError::new(GapReason::Damaged, detail));
    }
    reader.changed().map(|how| ReadError::new(GapReason::ChangedWhileReading, how))
}

/// A reader that counts, heeds a stop, and turns a failure into an end that is remembered.
struct Watched<'a> {
    stop: &'a dyn Fn() -> bool,
    bytes: &'a AtomicU64,
    reader: &'a mut dyn Content,
    failed: Option<ReadError>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed.is_some() {
            return Ok(0);
        }
        if (self.stop)() {
            self.failed = Some(ReadError::new(GapReason::Interrupted, "the run was stopped while it was read"));
            return Ok(0);
        }
        match self.reader.read(buffer) {
            Ok(read) => {
                self.bytes.fetch_add(read as u64, Ordering::Relaxed);
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.failed = Some(error.into());
                Ok(0)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::source::{DirectorySource, SourceKind};
    use std::fs;

    #[derive(Default)]
    struct Log {
        kept: Vec<(String, Option<Digest>)>,
        gaps: Vec<Gap>,
    }

    impl Store for Log {
        fn store(&mut self, path: &EvidencePath, _: &FileMeta, body: Body<'_>) -> Result<Stored, StoreError> {
            let sha256 = match body {
                Body::None => None,
                Body::Whole { bytes, sha256 } => {
                    assert_eq!(Digest::of(bytes), sha256);
                    Some(sha256)
                }
                Body::Stream { reader, .. } => {
                    let mut bytes = Vec::new();
                    reader.read_to_end(&mut bytes)?;
                    Some(Digest::of(&bytes))
                }
            };
            self.kept.push((path.to_string(), sha256));
            Ok(Stored { sha256, gap: None })
        }

        fn gap(&mut self, gap: &Gap) -> Result<(), StoreError> {
            self.gaps.push(gap.clone());
            Ok(())
        }
    }

    #[derive(Default)]
    struct Seen(Mutex<Vec<(String, Option<Digest>, bool)>>);

    impl Visitor for Seen {
        fn visit(&self, file: &Swept<'_>) {
            self.0.lock().unwrap().push((file.path.to_string(), file.sha256, file.content.is_some()));
        }
    }

    fn run(
        root: &std::path::Path,
        options: Options,
        store: Option<&mut dyn Store>,
        cancel: &(dyn Fn() -> bool + Sync),
    ) -> (Summary, Vec<(String, Option<Digest>, bool)>) {
        let source = DirectorySource::open(root, SourceKind::Root).unwrap();
        let seen = Seen::default();
        let sweep = Sweep {
            source: &source,
            selection: &Selection::everything(),
            listed_only: &Selection::default(),
            options,
            visitors: &[&seen],
            store,
            progress: &(),
            cancel,
        };
        let summary = sweep.run().unwrap();
        let mut seen = seen.0.into_inner().unwrap();
        seen.sort();
        (summary, seen)
    }

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for n in 0..200 {
            fs::write(root.path().join(format!("f{n:03}")), vec![b'x'; n * 40]).unwrap();
        }
        fs::create_dir(root.path().join("d")).unwrap();
        fs::write(root.path().join("d/last"), b"end").unwrap();
        root
    }

    #[test]
    fn the_store_gets_the_listing_in_order_whatever_the_number_of_threads() {
        let root = tree();
        let mut reference = None;
        for threads in [1, 2, 7] {
            let options =
                Options { threads: NonZeroUsize::new(threads).unwrap(), memory_cap: 4000, ..Options::default() };
            let mut log = Log::default();
            let (summary, seen) = run(root.path(), options, Some(&mut log), &|| false);
            assert_eq!((summary.objects, summary.files, summary.is_interrupted), (203, 201, false));
            assert_eq!(log.kept.len(), 203);
            // 4,000 bytes fit, more does not and is only hashed.
            assert_eq!(seen.iter().filter(|(_, _, has_content)| *has_content).count(), 102);
            assert_eq!(summary.gaps.len(), 99);
            assert_eq!(log.gaps, summary.gaps);
            let result = (log.kept, seen, summary);
            assert_eq!(*reference.get_or_insert(result.clone()), result);
        }
    }

    #[test]
    fn digests_are_the_same_with_and_without_a_store() {
        let root = tree();
        let options = Options { memory_cap: 1000, ..Options::default() };
        let (_, with) = run(root.path(), options, Some(&mut Log::default()), &|| false);
        let (_, without) = run(root.path(), options, None, &|| false);
        assert_eq!(with, without);
    }

    #[test]
    fn sparse_giant_and_fifo_are_gaps_and_take_no_time() {
        let root = tempfile::tempdir().unwrap();
        fs::File::create(root.path().join("giant")).unwrap().set_len(100 << 30).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            root.path().join("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        let mut log = Log::default();
        let (summary, _) = run(root.path(), Options::default(), Some(&mut log), &|| false);
        let reasons: Vec<_> = summary.gaps.iter().map(|gap| gap.reason).collect();
        assert_eq!(reasons, [GapReason::TooLarge, GapReason::NotRegular]);
        assert_eq!(log.kept.len(), 3, "their metadata is kept all the same");
    }

    #[test]
    fn what_is_only_listed_is_met_and_not_opened() {
        let root = tree();
        let source = DirectorySource::open(root.path(), SourceKind::Root).unwrap();
        let seen = Seen::default();
        let listed = Selection::new(vec![crate::source::Pattern::new("/d/**").unwrap()], Vec::new());
        let sweep = Sweep {
            source: &source,
            selection: &Selection::everything(),
            listed_only: &listed,
            options: Options::default(),
            visitors: &[&seen],
            store: None,
            progress: &(),
            cancel: &|| false,
        };
        let summary = sweep.run().unwrap();
        assert_eq!((summary.files, summary.gaps.len()), (200, 0));
        assert!(seen.0.into_inner().unwrap().contains(&("/d/last".into(), None, false)));
    }

    #[test]
    fn a_stop_ends_the_run_and_is_told() {
        let root = tree();
        let asked = AtomicU64::new(0);
        let (summary, _) = run(root.path(), Options::default(), None, &|| asked.fetch_add(1, Ordering::Relaxed) > 50);
        assert!(summary.is_interrupted);
        assert!(summary.objects < 203);
    }

    #[test]
    fn a_full_store_ends_the_run_with_its_error() {
        struct Full;
        impl Store for Full {
            fn store(&mut self, _: &EvidencePath, _: &FileMeta, _: Body<'_>) -> Result<Stored, StoreError> {
                Err("no space left".into())
            }
            fn gap(&mut self, _: &Gap) -> Result<(), StoreError> {
                Ok(())
            }
        }
        let root = tree();
        let source = DirectorySource::open(root.path(), SourceKind::Root).unwrap();
        let sweep = Sweep {
            source: &source,
            selection: &Selection::everything(),
            listed_only: &Selection::default(),
            options: Options::default(),
            visitors: &[],
            store: Some(&mut Full),
            progress: &(),
            cancel: &|| false,
        };
        assert!(matches!(sweep.run(), Err(SweepError::Store { .. })));
    }
}
