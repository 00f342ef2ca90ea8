//! Decoding on one thread, using on another, with a bounded queue between them.

use super::{ContainerEntry, ContainerError, EntrySink, Limits};
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use thiserror::Error;

/// Content that travels with the entry itself, so that a small file is one message.
const FIRST: u64 = 64 << 10;
/// The pieces in which the rest travels.
const CHUNK: u64 = 256 << 10;
/// Messages under way: at most 8 MiB of content.
const QUEUE: usize = 32;

/// What ends a pass before its end.
#[derive(Debug)]
pub(super) enum Fault {
    /// The operating system failed.
    Io(io::Error),
    /// The container is broken.
    Damaged { byte: u64, detail: String },
    /// A bound was exceeded.
    Limit(String),
    /// Nobody is listening any more.
    Stopped,
}

impl Fault {
    /// Sorts an error of a decoder: what the system says is the system's, everything else is the container's.
    pub(super) fn of(error: io::Error, byte: u64) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<OverLimit>()) {
            Some(over) => Self::Limit(over.0.clone()),
            None if error.raw_os_error().is_some() => Self::Io(error),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Damaged { byte, detail: "it ends in the middle".to_owned() }
            }
            None => Self::Damaged { byte, detail: error.to_string() },
        }
    }

    pub(super) fn into_error(self, what: String, entries: u64) -> ContainerError {
        match self {
            Self::Io(source) => ContainerError::Io { doing: "reading", what, source },
            Self::Damaged { byte, detail } => ContainerError::Damaged { what, entries, byte, detail },
            Self::Limit(detail) => ContainerError::LimitReached { what, entries, detail },
            // Never leaves `run`.
            Self::Stopped => ContainerError::Io { doing: "reading", what, source: io::ErrorKind::Interrupted.into() },
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Io(error) => error.to_string(),
            Self::Damaged { detail, .. } | Self::Limit(detail) => detail.clone(),
            Self::Stopped => "stopped".to_owned(),
        }
    }
}

#[derive(Debug, Error)]
#[error("{0}")]
struct OverLimit(String);

/// A decoded stream that is held against the limits.
pub(super) struct Metered<R> {
    inner: R,
    produced: u64,
    consumed: Box<dyn Fn() -> u64 + Send>,
    limits: Limits,
    /// Bytes that may be read before the next [`Metered::allow`]; what bounds a header that claims to be endless.
    budget: Option<u64>,
}

impl<R: Read> Metered<R> {
    pub(super) fn new(inner: R, limits: &Limits, consumed: Box<dyn Fn() -> u64 + Send>) -> Self {
        Self { inner, produced: 0, consumed, limits: limits.clone(), budget: None }
    }

    pub(super) fn produced(&self) -> u64 {
        self.produced
    }

    pub(super) fn allow(&mut self, budget: Option<u64>) {
        self.budget = budget;
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let over = |text: String| Err(io::Error::other(OverLimit(text)));
        let want = match self.budget {
            Some(0) => return over("the headers of one entry are too long".to_owned()),
            Some(budget) => buffer.len().min(usize::try_from(budget).unwrap_or(usize::MAX)),
            None => buffer.len(),
        };
        let read = self.inner.read(buffer.get_mut(..want).unwrap_or_default())?;
        let count = u64::try_from(read).unwrap_or(0);
        self.produced = self.produced.saturating_add(count);
        self.budget = self.budget.map(|budget| budget.saturating_sub(count));
        if self.produced > self.limits.max_total {
            return over(format!("more than {} bytes after decompression", self.limits.max_total));
        }
        if self.produced > self.limits.ratio_free && self.produced / (self.consumed)().max(1) > self.limits.max_ratio {
            return over(format!("it grows to more than {} times its size", self.limits.max_ratio));
        }
        Ok(read)
    }
}

enum Message {
    Entry(Box<ContainerEntry>, Vec<u8>),
    Data(Vec<u8>),
    EntryEnd,
}

/// The decoder's end: takes entries and passes them on.
pub(super) struct Emitter<'a> {
    sender: SyncSender<Message>,
    wanted: &'a (dyn Fn(&ContainerEntry) -> bool + Sync),
    limits: &'a Limits,
    entries: u64,
}

impl Emitter<'_> {
    /// The bounds that the decoder has to keep.
    pub(super) fn limits(&self) -> &Limits {
        self.limits
    }

    /// Passes one entry on, with its content if that is wanted. `byte` says where the content begins, for an error.
    pub(super) fn entry(&mut self, entry: ContainerEntry, byte: u64, body: &mut dyn Read) -> Result<(), Fault> {
        if self.entries >= self.limits.max_entries {
            return Err(Fault::Limit(format!("more than {} entries", self.limits.max_entries)));
        }
        let size = entry.size;
        if !(self.wanted)(&entry) || entry.unreadable.is_some() {
            self.send(Message::Entry(Box::new(entry), Vec::new()))?;
            self.entries += 1;
            return self.send(Message::EntryEnd);
        }
        let mut read = 0;
        let (first, fault) = Self::piece(body, FIRST, &mut read, byte, size);
        // An entry whose content fails at once is still an entry: that it was there has to be known.
        self.send(Message::Entry(Box::new(entry), first))?;
        fault?;
        while read < size {
            let (piece, fault) = Self::piece(body, CHUNK, &mut read, byte, size);
            self.send(Message::Data(piece))?;
            fault?;
        }
        // A decoder checks a content's checksum when it is asked for more than there is.
        if body.read(&mut [0]).map_err(|error| Fault::of(error, byte + read))? != 0 {
            return Err(Fault::Damaged {
                byte: byte + read,
                detail: "an entry has more content than it says".to_owned(),
            });
        }
        self.entries += 1;
        self.send(Message::EntryEnd)
    }

    /// Reads the next piece of a content. Where that fails, what was read before is given too.
    fn piece(body: &mut dyn Read, most: u64, read: &mut u64, byte: u64, size: u64) -> (Vec<u8>, Result<(), Fault>) {
        let want = most.min(size - *read);
        let mut piece = Vec::with_capacity(usize::try_from(want).unwrap_or(0));
        let result = body.take(want).read_to_end(&mut piece).map_err(|error| Fault::of(error, byte + *read));
        let count = u64::try_from(piece.len()).unwrap_or(0);
        *read += count;
        let is_short = || Fault::Damaged { byte: byte + *read, detail: "it ends in the middle of an entry".to_owned() };
        (piece, result.and_then(|_| if count < want { Err(is_short()) } else { Ok(()) }))
    }

    fn send(&self, message: Message) -> Result<(), Fault> {
        self.sender.send(message).map_err(|_| Fault::Stopped)
    }
}

/// The user's end of one entry's content.
struct Body<'a> {
    receiver: &'a mut Receiver<Message>,
    piece: io::Cursor<Vec<u8>>,
    state: BodyState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum BodyState {
    Open,
    Ended,
    /// The decoder stopped in the middle of this entry.
    Broken,
}

impl Body<'_> {
    fn next_piece(&mut self) {
        match self.receiver.recv() {
            Ok(Message::Data(piece)) => self.piece = io::Cursor::new(piece),
            Ok(Message::EntryEnd) => self.state = BodyState::Ended,
            // An entry never begins before the last one ended.
            Ok(Message::Entry(..)) | Err(_) => self.state = BodyState::Broken,
        }
    }

    fn skip_rest(&mut self) {
        while self.state == BodyState::Open {
            self.next_piece();
        }
    }
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.piece.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            match self.state {
                BodyState::Open => self.next_piece(),
                BodyState::Ended => return Ok(0),
                BodyState::Broken => {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the container is damaged here"));
                }
            }
        }
    }
}

/// Runs `decode` on a thread of its own and gives what it emits to `f`. The error has the number of whole entries with it.
pub(super) fn run(
    limits: &Limits,
    wanted: &(dyn Fn(&ContainerEntry) -> bool + Sync),
    decode: impl FnOnce(&mut Emitter<'_>) -> Result<(), Fault> + Send,
    f: &mut EntrySink<'_>,
) -> Result<(), (Fault, u64)> {
    let (sender, mut receiver) = sync_channel(QUEUE);
    std::thread::scope(|scope| {
        let decoder = scope.spawn(move || {
            let mut emitter = Emitter { sender, wanted, limits, entries: 0 };
            decode(&mut emitter).map_err(|fault| (fault, emitter.entries))
        });
        let mut is_stopped = false;
        while let Ok(message) = receiver.recv() {
            let Message::Entry(entry, first) = message else { continue };
            let mut body = Body { receiver: &mut receiver, piece: io::Cursor::new(first), state: BodyState::Open };
            let flow = f(*entry, &mut body);
            if flow.is_break() {
                is_stopped = true;
                break;
            }
            body.skip_rest();
        }
        drop(receiver);
        match decoder.join() {
            Ok(Err((Fault::Stopped, _))) => Ok(()),
            Ok(Err(_)) if is_stopped => Ok(()),
            Ok(result) => result,
            Err(_) => Err((Fault::Io(io::Error::other("the decoder stopped unexpectedly")), 0)),
        }
    })
    .inspect_err(|(fault, entries)| tracing::debug!(entries, "container: {}", fault.text()))
}
