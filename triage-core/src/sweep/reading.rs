//! The reading side of a sweep: threads that take batches of listed objects, read them, and give them to the store in their turn.
//!
//! The small files of a batch are read ahead and held, so that one turn serves them all; a larger file comes in a batch of its own.

use super::turn::Ticket;
use super::window::{self, Windows};
use super::{
    Batch, Body, CHUNK, GAPS_OF_A_REASON, HUNG_MOST, REFUSED_BY_NAME, SMALL, Shared, Spent, StoreError, Stored,
    SweepError, Swept, Task, lock, patience,
};
use crate::model::{Digest, EvidencePath, FileKind, FileMeta, Gap, GapReason, Hasher};
use crate::source::{Content, Item, Opened, Opener, ReadError, SourceError};
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, PoisonError};

/// Bytes that a thread holds of a batch; files that have grown since they were listed make it take its turn early.
const HELD: usize = 4 << 20;

/// The largest memory of a small file, in bytes, that is kept to be filled again.
const SPARE: usize = 128 << 10;

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

/// An object on its way from the listing to the store.
struct Object {
    number: u64,
    path: EvidencePath,
    meta: FileMeta,
    gaps: Vec<Gap>,
    sha256: Option<Digest>,
    load: Load,
}

/// What was read of an object when its turn comes.
enum Load {
    None,
    Whole(Vec<u8>),
    /// To be read as it is stored.
    Stream(Box<dyn Content>),
}

#[expect(clippy::large_enum_variant, reason = "nearly all are objects, and a box for each would be slower")]
enum Held {
    Gap(u64, Gap),
    Object(Object),
}

/// What one thread has in its hands.
#[derive(Default)]
struct Hands {
    /// What waits for the turn, and its bytes.
    held: Vec<Held>,
    bytes: usize,
    /// Memory of small files, to be filled again.
    spare: Vec<Vec<u8>>,
    /// Memory of one larger file.
    room: Vec<u8>,
}

impl Hands {
    /// Memory for a file of `size` bytes.
    fn buffer(&mut self, size: u64) -> Vec<u8> {
        if size > SMALL { std::mem::take(&mut self.room) } else { self.spare.pop().unwrap_or_default() }
    }

    fn give_back(&mut self, mut buffer: Vec<u8>, memory_cap: u64) {
        buffer.clear();
        if buffer.capacity() <= SPARE {
            self.spare.push(buffer);
        } else if buffer.capacity() as u64 <= memory_cap.saturating_add(1) {
            // What one large file needed is not kept for all the others.
            buffer.shrink_to(4 * CHUNK);
            self.room = buffer;
        }
    }
}

impl Shared<'_, '_> {
    /// Reads batches until there are no more.
    pub(super) fn read_batches(&self, batches: &Mutex<Receiver<Batch>>) {
        let mut hands = Hands::default();
        loop {
            let batch = lock(batches).recv();
            let Ok(batch) = batch else { return };
            // Without a store nothing has to come in order, and nobody waits for somebody else's large file.
            let turn = self.store.is_some().then(|| self.turns.ticket(batch.number));
            for (number, task) in batch.tasks {
                if self.should_stop() {
                    // What was listed and not read because of a stop is not in the result, and the summary says it was interrupted.
                    self.unread.fetch_add(1, Ordering::Relaxed);
                } else {
                    self.take(number, task, &mut hands, turn.as_ref());
                }
            }
            self.settle(&mut hands, turn.as_ref());
        }
    }

    /// Reads one object, as far as that can be done before its turn.
    fn take(&self, number: u64, task: Task, hands: &mut Hands, turn: Option<&Ticket<'_>>) {
        let (path, meta, mut origin) = match task {
            Task::Item(Item::Gap(gap)) => {
                hands.held.push(Held::Gap(number, gap));
                return;
            }
            Task::Item(Item::Entry(entry)) => {
                (entry.path, entry.meta, entry.content.map_or(Origin::None, Origin::Opener))
            }
            Task::Late(path, meta) => (path, meta, Origin::Late),
            Task::Refused(path, meta, spent) => (path, meta, Origin::Refused(spent)),
        };
        let known = self.known.filter(|_| matches!(origin, Origin::Opener(_) | Origin::Late));
        let sha256 = known.and_then(|known| known.digest_of(&path, &meta));
        if sha256.is_some() {
            origin = Origin::None;
        }
        let gaps = match known {
            Some(known) if sha256.is_some() => known.gaps_of(&path, &meta).to_vec(),
            _ => Vec::new(),
        };
        let mut object = Object { number, path, meta, gaps, sha256, load: Load::None };
        let cap = self.options.cap(&object.path);
        // One large file at a time. Where there are turns, having the turn says that: a thread that held the gate while it
        // waits for its turn would stop the one whose turn it is.
        let mut gate = None;
        if let Some(reader) = self.open_granted(&mut object, origin) {
            let size = object.meta.size;
            if size > cap {
                object.load = Load::Stream(reader);
            } else {
                let is_large = size > self.options.memory_cap;
                match turn.filter(|_| is_large) {
                    Some(turn) => {
                        self.settle(hands, Some(turn));
                        turn.wait();
                    }
                    None if is_large => gate = Some(lock(&self.large)),
                    None => {}
                }
                let buffer = hands.buffer(size);
                self.read_whole(&mut object, reader, buffer, if is_large { cap } else { self.options.memory_cap });
                self.show(&object, is_large);
            }
        }
        hands.bytes += object.held();
        hands.held.push(Held::Object(object));
        if turn.is_none() || hands.bytes > HELD {
            self.settle(hands, turn);
        }
        drop(gate);
    }

    /// Shows content that is in memory to the visitors.
    fn show(&self, object: &Object, is_large: bool) {
        let Load::Whole(bytes) = &object.load else { return };
        let swept = Swept { path: &object.path, meta: &object.meta, sha256: object.sha256, content: Some(bytes) };
        if is_large {
            window::show(&swept, self.visitors);
        }
        for visitor in self.visitors {
            if is_large { visitor.visit_large(&swept) } else { visitor.visit(&swept) }
        }
    }

    /// Waits for the turn, and gives the store what is held.
    fn settle(&self, hands: &mut Hands, turn: Option<&Ticket<'_>>) {
        if hands.held.is_empty() {
            return;
        }
        if let Some(turn) = turn {
            turn.wait();
        }
        for held in std::mem::take(&mut hands.held) {
            match held {
                Held::Gap(number, gap) => self.note(number, gap),
                Held::Object(object) => self.finish(object, hands),
            }
        }
        hands.bytes = 0;
    }

    /// Gives one object to the store, and its memory back.
    fn finish(&self, mut object: Object, hands: &mut Hands) {
        let load = std::mem::replace(&mut object.load, Load::None);
        let is_whole = matches!(load, Load::Whole(_));
        let stored = match load {
            Load::None => self.keep(&object.path, &object.meta, Body::None),
            Load::Whole(bytes) => {
                let body = object.sha256.map_or(Body::None, |sha256| Body::Whole { bytes: &bytes, sha256 });
                let stored = self.keep(&object.path, &object.meta, body);
                hands.give_back(bytes, self.options.memory_cap);
                stored
            }
            Load::Stream(_) if self.store.is_some() && self.is_too_much(&mut object) => {
                self.keep(&object.path, &object.meta, Body::None)
            }
            Load::Stream(mut reader) => {
                let mut buffer = std::mem::take(&mut hands.room);
                let (stored, failed) = self.keep_stream(&object.path, &object.meta, reader.as_mut(), &mut buffer);
                hands.give_back(buffer, self.options.memory_cap);
                object.sha256 = stored.as_ref().and_then(|stored| stored.sha256);
                if let Some(error) = &failed {
                    self.mind(object.meta.device, error);
                }
                object.add(failed.or_else(|| damage(reader.as_ref(), object.sha256)));
                stored
            }
        };
        object.gaps.extend(stored.and_then(|stored| stored.gap));
        let Object { number, path, meta, gaps, sha256, .. } = object;
        for gap in gaps {
            self.note(number, gap);
        }
        if !is_whole {
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

    /// Says whether what is left of the budget is less than a file that is to be streamed.
    fn is_too_much(&self, object: &mut Object) -> bool {
        let refused = self.budget.fits(object.meta.size);
        if let Err(spent) = &refused {
            object.add(self.refuse(object.meta.size, spent));
        }
        refused.is_err()
    }

    /// Opens an object's content where it has one that is wanted, may be read, and is within the budget. Otherwise the object says why not.
    fn open_granted(&self, object: &mut Object, origin: Origin) -> Option<Box<dyn Content>> {
        let listed = object.meta.size;
        match self.open(&object.path, &object.meta, origin, &mut object.gaps)? {
            Err(error) => {
                self.mind(object.meta.device, &error);
                object.add(Some(error));
                None
            }
            Ok(Opened { meta, reader }) => {
                object.meta = meta;
                let size = object.meta.size;
                if size > self.options.size_cap {
                    object.add(Some(ReadError::new(GapReason::TooLarge, self.too_large(size))));
                    return None;
                }
                // What has grown since it was listed has to be asked for.
                let more = size.saturating_sub(listed);
                match if more > 0 { self.budget.admit(more) } else { Ok(()) } {
                    Ok(()) => Some(reader),
                    Err(spent) => {
                        object.add(self.refuse(size, &spent));
                        None
                    }
                }
            }
        }
    }

    /// Keeps a gap. The caller has the turn.
    pub(super) fn note(&self, number: u64, gap: Gap) {
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

    /// Reads to the end. What spoils the content without making it useless is a gap of the object, which has its content all the same.
    fn read_whole(&self, object: &mut Object, mut reader: Box<dyn Content>, mut buffer: Vec<u8>, cap: u64) {
        // One more than the file has, so that its end is seen without another growth.
        buffer.reserve(usize::try_from(object.meta.size.min(cap)).unwrap_or(0).saturating_add(1));
        if let Err(error) = (&mut reader).take(cap.saturating_add(1)).read_to_end(&mut buffer) {
            let error = error.into();
            self.mind(object.meta.device, &error);
            object.add(Some(error));
            return;
        }
        let mut trouble = None;
        if buffer.len() as u64 > cap {
            buffer.truncate(usize::try_from(cap).unwrap_or(usize::MAX));
            let detail = format!("grew while it was read; cut at {cap} bytes");
            trouble = Some(ReadError::new(GapReason::ChangedWhileReading, detail));
        }
        self.bytes.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        let digest = Digest::of(&buffer);
        let trouble = trouble.or_else(|| damage(reader.as_ref(), Some(digest)));
        if trouble.as_ref().is_none_or(|error| error.reason != GapReason::Damaged) {
            object.sha256 = Some(digest);
            object.load = Load::Whole(buffer);
        }
        object.add(trouble);
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

impl Object {
    /// Bytes of it that are in memory.
    fn held(&self) -> usize {
        if let Load::Whole(bytes) = &self.load { bytes.len() } else { 0 }
    }

    fn add(&mut self, trouble: Option<ReadError>) {
        let gap = trouble.map(|error| Gap::new(self.path.clone(), error.reason, error.detail));
        self.gaps.extend(gap);
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
