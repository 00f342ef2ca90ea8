//! The single-read walk: every selected object is met once, every file opened once and read once, whatever is done with it.
//!
//! One thread lists the source, `threads` threads read. A file that fits into memory is read whole and hashed, then every
//! [`Visitor`] sees it, on several threads at once; then the [`Store`], if there is one, gets the objects one at a time in the order of the listing. A larger
//! file is streamed through the store (or only hashed) and the visitors get it in parts, then its digest without content. What [`Options::large`] selects
//! is held whole up to a higher cap, one such file at a time.
//!
//! What cannot be read becomes a [`Gap`] and never stops the run. Memory is bounded, whatever the evidence is: `WAITING` batches of listed objects, one
//! buffer of at most [`Options::memory_cap`] for each thread, `LATE_MOST` put-off files and `GAPS_OF_A_REASON` gaps of each reason.

mod budget;
mod known;
mod listing;
mod patience;
mod reading;
mod turn;
mod window;

pub use budget::{Budget, Spent};
pub use known::Known;
pub use window::Window;

use crate::model::{Digest, EvidencePath, FileMeta, Gap, GapReason};
use crate::source::{Item, Selection, Source, SourceError};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Read;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;
use thiserror::Error;
use turn::Turns;

/// How many batches of listed objects may wait to be read. Each object holds its folder open, and archives' small files are in memory here.
const WAITING: usize = 4;

/// Objects of one batch, and bytes of the files in it.
const BATCH: usize = 32;
const BATCH_BYTES: u64 = 512 << 10;

/// The largest file, in bytes, that shares a batch with others.
const SMALL: u64 = 64 << 10;

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

    /// Says whether it wants [`Visitor::visit_window`]; the parts of large files are not made for nobody.
    fn wants_windows(&self) -> bool {
        false
    }

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

/// What the listing thread hands to a reading thread, with its place in the order: objects by their numbers. Handing over and waiting for
/// turns costs more than reading a small file does, so small ones share it.
struct Batch {
    number: u64,
    tasks: Vec<(u64, Task)>,
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
        let (sender, receiver) = sync_channel::<Batch>(WAITING);
        let receiver = Mutex::new(receiver);
        let listed = thread::scope(|scope| {
            for _ in 0..self.options.threads.get() {
                scope.spawn(|| shared.read_batches(&receiver));
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
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
