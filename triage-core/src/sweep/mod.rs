//! The single-read walk: every selected object is met once, every file opened once and read once, whatever is done with it.
//!
//! One thread lists the source, `threads` threads read. A file that fits into memory is read whole and hashed, then every
//! [`Visitor`] sees it, on several threads at once; then the [`Store`], if there is one, gets the objects one at a time in the order of the listing. A larger
//! file is streamed through the store (or only hashed) and the visitors get it in parts, then its digest without content. What [`Options::large`] selects
//! is held whole up to a higher cap, one such file at a time.
//!
//! What cannot be read becomes a [`Gap`] and never stops the run. Memory is bounded, whatever the evidence is: `WAITING` listed objects, one
//! buffer of at most [`Options::memory_cap`] for each thread, `LATE_MOST` put-off files and `GAPS_OF_A_REASON` gaps of each reason.

mod budget;
mod known;
mod listing;
mod patience;
mod turn;
mod window;

pub use budget::{Budget, Spent};
pub use known::Known;
pub use window::Window;

use crate::model::{Digest, EvidencePath, FileKind, FileMeta, Gap, GapReason, Hasher};
use crate::source::{Content, Item, Opened, Opener, ReadError, Selection, Source, SourceError};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;
use thiserror::Error;
use turn::{Ticket, Turns};
use window::Windows;

/// How many listed objects may wait to be read. Each holds its folder open, and archives' small files are in memory here.
const WAITING: usize = 64;

/// Bytes read from a file at a time.
const CHUNK: usize = 256 * 1024;

/// How many files are put off until the others are done ([`Options::late_size`]); more are read where they are met.
const LATE_MOST: usize = 20_000;

/// How many gaps of one reason a [`Summary`] holds. A store gets all of them.
const GAPS_OF_A_REASON: u64 = 10_000;

/// How many files that a budget left out are gaps of their own; there is one that counts them all in any case.
const REFUSED_BY_NAME: u64 = 1_000;

/// After so many reads on one file system that never came back, nothing else is read on it.
const HUNG_MOST: u32 = 3;

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

    /// Sees a part of a file that is too large for memory, before [`Visitor::visit`] sees the file itself without content.
    fn visit_window(&self, window: &Window<'_>) {
        let _ = window;
    }

    /// Sees a file that [`Options::large`] let in, with its content, after its parts. Whoever says nothing sees it without, as any large file: a
    /// look that takes a second a megabyte is not meant for these.
    fn visit_large(&self, file: &Swept<'_>) {
        self.visit(&Swept { content: None, ..*file });
    }
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
    /// Larger files that are held in memory all the same.
    pub large: Option<Large>,
    /// Digests besides SHA-256 that a store is to make of what it keeps, from the same single read.
    pub extra_digests: ExtraDigests,
    /// Files larger than that many bytes are read when all others are done, the smallest first, so that a budget is spent on what is small
    /// and tells much. None for the order of the listing, which sources that can only be read from front to end need.
    pub late_size: Option<u64>,
    /// How long one read may take on a file system that may never answer ([`Source::may_hang`]).
    pub patience: Duration,
}

/// Files that mean nothing in pieces (journals, package databases). They are held in memory one at a time.
#[derive(Clone, Copy, Debug)]
pub struct Large {
    /// The largest of them, in bytes.
    pub cap: u64,
    /// Says which they are.
    pub selects: fn(&EvidencePath) -> bool,
}

/// Digests that others' lists are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtraDigests {
    /// MD5.
    pub md5: bool,
    /// SHA-1.
    pub sha1: bool,
}

impl Default for Options {
    /// Two threads, 32 MiB, 1 GiB, nothing larger, SHA-256 alone, the order of the listing, half a minute.
    fn default() -> Self {
        Self {
            threads: NonZeroUsize::MIN.saturating_add(1),
            memory_cap: 32 << 20,
            size_cap: 1 << 30,
            large: None,
            extra_digests: ExtraDigests::default(),
            late_size: None,
            patience: Duration::from_secs(30),
        }
    }
}

impl Options {
    /// The largest content, in bytes, that is held in memory for this path.
    fn cap(&self, path: &EvidencePath) -> u64 {
        match self.large {
            Some(large) if large.cap > self.memory_cap && (large.selects)(path) => large.cap,
            _ => self.memory_cap,
        }
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
    /// What was not read; of each reason the first 10,000, and then one gap that counts the others.
    pub gaps: Vec<Gap>,
    /// Files that a budget left out; only the first thousand are in `gaps` by name.
    pub refused: u64,
    /// Gaps of each reason that are not in `gaps` by name.
    pub more_gaps: BTreeMap<GapReason, u64>,
    /// Says that it was stopped before its end.
    pub is_interrupted: bool,
    /// The budget that stopped it; none where it went to its end or somebody else stopped it.
    pub ended_by: Option<String>,
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
    /// What need not be read again, because nothing was found in it earlier; it is met with its digest and without content. Not for collections.
    pub known: Option<&'a Known>,
    /// Who keeps.
    pub store: Option<&'s mut dyn Store>,
    /// How much it may take; `()` for whatever there is.
    pub budget: &'a dyn Budget,
    /// Who hears how far it is.
    pub progress: &'a dyn Progress,
    /// Says, when asked, that it should stop.
    pub cancel: &'a (dyn Fn() -> bool + Sync),
}

/// What the listing thread hands to a reading thread, with its place in the order.
struct Job {
    number: u64,
    task: Task,
}

enum Task {
    Item(Item),
    /// A file that was put off, to be opened by its path.
    Late(EvidencePath, FileMeta),
    /// A file for which the budget had nothing left.
    Refused(EvidencePath, FileMeta, Spent),
}

/// What the reading threads share.
struct Shared<'a, 's> {
    source: &'a dyn Source,
    options: Options,
    listed_only: &'a Selection,
    visitors: &'a [&'a dyn Visitor],
    known: Option<&'a Known>,
    store: Option<Mutex<&'s mut dyn Store>>,
    turns: Turns,
    budget: &'a dyn Budget,
    progress: &'a dyn Progress,
    cancel: &'a (dyn Fn() -> bool + Sync),
    stop: AtomicBool,
    ended_by: OnceLock<Spent>,
    /// Held by the one thread that has a large file in memory.
    large: Mutex<()>,
    objects: AtomicU64,
    files: AtomicU64,
    bytes: AtomicU64,
    /// Files that were listed and, because of a stop, not read.
    unread: AtomicU64,
    gaps: Mutex<Gaps>,
    /// What budgets left out: files and bytes, by what they say.
    refused: Mutex<BTreeMap<String, (u64, u64)>>,
    /// Reads that never came back, by device.
    hung: Mutex<BTreeMap<Option<u64>, u32>>,
    error: Mutex<Option<SweepError>>,
}

/// Gaps, at most [`GAPS_OF_A_REASON`] of each reason by name.
#[derive(Default)]
struct Gaps {
    named: Vec<(u64, Gap)>,
    counts: BTreeMap<GapReason, u64>,
}

impl Sweep<'_, '_> {
    /// Runs it to the end, or until `cancel` or the budget says to stop, which is no error: the summary says so.
    ///
    /// # Errors
    /// [`SweepError`] when the source cannot be listed at all or the store fails.
    pub fn run(self) -> Result<Summary, SweepError> {
        let shared = Shared {
            source: self.source,
            options: self.options,
            listed_only: self.listed_only,
            visitors: self.visitors,
            known: self.known,
            store: self.store.map(Mutex::new),
            turns: Turns::default(),
            budget: self.budget,
            progress: self.progress,
            cancel: self.cancel,
            stop: AtomicBool::new(false),
            ended_by: OnceLock::new(),
            large: Mutex::default(),
            objects: AtomicU64::new(0),
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            unread: AtomicU64::new(0),
            gaps: Mutex::default(),
            refused: Mutex::default(),
            hung: Mutex::default(),
            error: Mutex::default(),
        };
        let (sender, receiver) = sync_channel::<Job>(WAITING);
        let receiver = Mutex::new(receiver);
        let listed = thread::scope(|scope| {
            for _ in 0..self.options.threads.get() {
                scope.spawn(|| shared.read_jobs(&receiver));
            }
            // Dropping the sender is what ends the readers.
            let sender = sender;
            shared.list(self.selection, &sender)
        });
        shared.conclude(listed)
    }
}

impl Shared<'_, '_> {
    fn should_stop(&self) -> bool {
        if !self.stop.load(Ordering::Relaxed) {
            if (self.cancel)() {
                self.stop.store(true, Ordering::Relaxed);
            } else if let Some(spent) = self.budget.over() {
                let _ = self.ended_by.set(spent);
                self.stop.store(true, Ordering::Relaxed);
            }
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
            match job.task {
                // What was listed and not read because of a stop is not in the result, and the summary says it was interrupted.
                _ if self.should_stop() => {
                    self.unread.fetch_add(1, Ordering::Relaxed);
                }
                Task::Item(Item::Gap(gap)) => {
                    wait();
                    self.note(job.number, gap);
                }
                Task::Item(Item::Entry(entry)) => {
                    let content = entry.content.map_or(Origin::None, Origin::Opener);
                    self.read(turn.as_ref(), job.number, (entry.path, entry.meta, content), &mut buffer);
                }
                Task::Late(path, meta) => {
                    self.read(turn.as_ref(), job.number, (path, meta, Origin::Late), &mut buffer);
                }
                Task::Refused(path, meta, spent) => {
                    self.read(turn.as_ref(), job.number, (path, meta, Origin::Refused(spent)), &mut buffer);
                }
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
        let mut gaps = lock(&self.gaps);
        let count = gaps.counts.entry(gap.reason).or_default();
        *count += 1;
        if *count <= GAPS_OF_A_REASON {
            gaps.named.push((number, gap));
        }
    }

    /// Counts what a budget left out. The first ones are gaps by name.
    fn refuse(&self, size: u64, spent: &Spent) -> Option<ReadError> {
        let mut refused = lock(&self.refused);
        let (files, bytes) = refused.entry(spent.what.clone()).or_default();
        *files += 1;
        *bytes = bytes.saturating_add(size);
        (*files <= REFUSED_BY_NAME)
            .then(|| ReadError::new(GapReason::BudgetSpent, format!("{}, and it has {size} bytes", spent.what)))
    }

    /// Opens content that the sweep can do without if it does not come.
    fn open_patiently(&self, meta: &FileMeta, opener: Opener) -> Result<Opened, ReadError> {
        if !self.source.may_hang(meta) {
            return opener();
        }
        if lock(&self.hung).get(&meta.device).is_some_and(|hung| *hung >= HUNG_MOST) {
            return Err(ReadError::new(GapReason::ReadFailed, "its file system has stopped to answer"));
        }
        patience::open(opener, self.options.patience)
    }

    /// Remembers that a file system did not answer.
    fn mind(&self, device: Option<u64>, error: &ReadError) {
        if patience::is_hang(error) {
            *lock(&self.hung).entry(device).or_default() += 1;
        }
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

    #[expect(
        clippy::too_many_lines,
        reason = "one object from its opening to its end; the parts share what they know of it"
    )]
    fn read(
        &self,
        turn: Option<&Ticket<'_>>,
        number: u64,
        (path, mut meta, mut content): (EvidencePath, FileMeta, Origin),
        buffer: &mut Vec<u8>,
    ) {
        let listed = meta.size;
        let mut gaps = Vec::new();
        let gap = |reason, detail: String| Gap::new(path.clone(), reason, detail);
        let known = self.known.filter(|_| matches!(content, Origin::Opener(_) | Origin::Late));
        let mut sha256 = known.and_then(|known| known.digest_of(&path, &meta));
        if sha256.is_some() {
            content = Origin::None;
        }
        let (mut is_whole, mut is_large) = (false, false);
        let (mut open, mut gate) = (None, None);
        let cap = self.options.cap(&path);
        let opened = self.open(&path, &meta, content, &mut gaps);
        match opened {
            None => {}
            Some(Err(error)) => {
                self.mind(meta.device, &error);
                gaps.push(gap(error.reason, error.detail));
            }
            Some(Ok(Opened { meta: truth, .. })) if truth.size > self.options.size_cap => {
                gaps.push(gap(GapReason::TooLarge, self.too_large(truth.size)));
                meta = truth;
            }
            Some(Ok(Opened { meta: truth, reader })) => {
                meta = truth;
                // What has grown since it was listed has to be asked for.
                let more = meta.size.saturating_sub(listed);
                match if more > 0 { self.budget.admit(more) } else { Ok(()) } {
                    Err(spent) => {
                        gaps.extend(self.refuse(meta.size, &spent).map(|error| gap(error.reason, error.detail)));
                    }
                    Ok(()) if meta.size > cap => open = Some(reader),
                    Ok(()) => {
                        is_large = meta.size > self.options.memory_cap;
                        // One large file at a time. Where there are turns, having the turn says that: a thread that held the gate while it
                        // waits for its turn would stop the one whose turn it is.
                        match turn.filter(|_| is_large) {
                            Some(turn) => turn.wait(),
                            None if is_large => gate = Some(lock(&self.large)),
                            None => {}
                        }
                        match self.read_whole(reader, buffer, if is_large { cap } else { self.options.memory_cap }) {
                            Ok((digest, trouble)) => {
                                gaps.extend(trouble.map(|t| gap(t.reason, t.detail)));
                                sha256 = Some(digest);
                                is_whole = true;
                            }
                            Err(error) => {
                                self.mind(meta.device, &error);
                                gaps.push(gap(error.reason, error.detail));
                            }
                        }
                    }
                }
            }
        }
        if is_whole {
            let swept = Swept { path: &path, meta: &meta, sha256, content: Some(buffer) };
            if is_large {
                window::show(&swept, self.visitors);
            }
            for visitor in self.visitors {
                if is_large { visitor.visit_large(&swept) } else { visitor.visit(&swept) }
            }
        }
        if let Some(turn) = turn {
            turn.wait();
        }
        if open.is_some()
            && self.store.is_some()
            && let Err(spent) = self.budget.fits(meta.size)
        {
            gaps.extend(self.refuse(meta.size, &spent).map(|error| gap(error.reason, error.detail)));
            open = None;
        }
        let mut failed = None;
        let stored = match open.as_mut() {
            None => {
                let whole = sha256.filter(|_| is_whole).map(|sha256| Body::Whole { bytes: buffer, sha256 });
                self.keep(&path, &meta, whole.unwrap_or(Body::None))
            }
            Some(reader) => {
                let (stored, trouble) = self.keep_stream(&path, &meta, reader.as_mut(), buffer);
                sha256 = stored.as_ref().and_then(|stored| stored.sha256);
                failed = trouble;
                stored
            }
        };
        if let Some(reader) = open {
            if let Some(error) = &failed {
                self.mind(meta.device, error);
            }
            let trouble = failed.or_else(|| damage(reader.as_ref(), sha256));
            gaps.extend(trouble.map(|t| gap(t.reason, t.detail)));
        }
        gaps.extend(stored.and_then(|stored| stored.gap));
        for gap in gaps {
            self.note(number, gap);
        }
        if let Some(turn) = turn {
            turn.pass();
        }
        if !is_whole {
            let swept = Swept { path: &path, meta: &meta, sha256, content: None };
            self.visitors.iter().for_each(|visitor| visitor.visit(&swept));
        }
        if is_large {
            // Before the next one may come in.
            *buffer = Vec::new();
        }
        drop(gate);
        tracing::debug!(%path, kind = meta.kind.as_str(), size_bytes = meta.size, is_read = sha256.is_some(), "met");
        let objects = self.objects.fetch_add(1, Ordering::Relaxed) + 1;
        if sha256.is_some() {
            self.files.fetch_add(1, Ordering::Relaxed);
        }
        self.progress.advanced(objects, self.bytes.load(Ordering::Relaxed), &path);
    }

    /// Opens an object's content, where it has one that is wanted; why it is not opened goes to `gaps`.
    fn open(
        &self,
        path: &EvidencePath,
        meta: &FileMeta,
        content: Origin,
        gaps: &mut Vec<Gap>,
    ) -> Option<Result<Opened, ReadError>> {
        let gap = |reason, detail: String| Gap::new(path.clone(), reason, detail);
        match content {
            Origin::Refused(spent) => {
                gaps.extend(self.refuse(meta.size, &spent).map(|error| gap(error.reason, error.detail)));
                None
            }
            // A source that cannot give a file's content says so itself.
            Origin::None if matches!(meta.kind, FileKind::Directory | FileKind::Symlink | FileKind::File) => None,
            Origin::None => {
                gaps.push(gap(GapReason::NotRegular, format!("is a {} and was not opened", meta.kind.as_str())));
                None
            }
            Origin::Opener(_) | Origin::Late if self.listed_only.selects(path) => None,
            // The listing's size is enough to refuse; opening a file that will not be read could only disturb it.
            Origin::Opener(_) | Origin::Late if meta.size > self.options.size_cap => {
                gaps.push(gap(GapReason::TooLarge, self.too_large(meta.size)));
                None
            }
            Origin::Opener(opener) => Some(self.open_patiently(meta, opener)),
            Origin::Late => Some(self.open_late(path)),
        }
    }

    fn open_late(&self, path: &EvidencePath) -> Result<Opened, ReadError> {
        match self.source.open(path) {
            Ok(Some(opened)) => Ok(opened),
            Ok(None) => Err(ReadError::new(GapReason::Vanished, "was listed and is no regular file any more")),
            Err(SourceError::Io { source, .. }) => Err(source.into()),
            Err(error) => Err(ReadError::new(GapReason::ReadFailed, error.to_string())),
        }
    }

    fn too_large(&self, size: u64) -> String {
        format!("has {size} bytes, more than the limit of {} for one file", self.options.size_cap)
    }

    /// Reads to the end into `buffer`. The second part of the result is what spoils the content without making it useless.
    fn read_whole(
        &self,
        mut reader: Box<dyn Content>,
        buffer: &mut Vec<u8>,
        cap: u64,
    ) -> Result<(Digest, Option<ReadError>), ReadError> {
        buffer.clear();
        // A buffer that one large file has grown is not kept for the small ones after it.
        buffer.shrink_to(4 * CHUNK);
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
        buffer: &mut Vec<u8>,
    ) -> (Option<Stored>, Option<ReadError>) {
        let mut watched = Watched { stop: &|| self.should_stop(), bytes: &self.bytes, reader, failed: None };
        let file = Swept { path, meta, sha256: None, content: None };
        let mut windows = Windows::new(file, self.visitors, &mut watched, buffer, self.options.memory_cap);
        if self.store.is_some() {
            let stored = self.keep(path, meta, Body::Stream { size: meta.size, reader: &mut windows });
            windows.finish();
            return (stored, watched.failed);
        }
        let mut hasher = Hasher::new();
        let mut chunk = vec![0; CHUNK];
        let mut left = self.options.size_cap;
        while left > 0 {
            // `Watched` never fails; it ends, and remembers why.
            let Ok(read @ 1..) = windows.read(&mut chunk) else { break };
            hasher.update(chunk.get(..read).unwrap_or_default());
            left = left.saturating_sub(read as u64);
        }
        windows.finish();
        let sha256 = watched.failed.is_none().then(|| hasher.finish());
        (Some(Stored { sha256, gap: None }), watched.failed)
    }
}

/// Where an object's content comes from.
enum Origin {
    /// It has none.
    None,
    Opener(Opener),
    /// It is opened by its path.
    Late,
    /// The budget had nothing left for it.
    Refused(Spent),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
mod tests;
