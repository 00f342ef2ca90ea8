//! Content of a stream that passes once, handed to whoever reads it later or on another thread.
//!
//! Small content is kept in memory, within a bound over all that is under way. Larger content flows through a bounded pipe while
//! the stream stands still. A reader that does not come must not hold the stream up for ever: after a while the stream goes on,
//! and that reader, should it come, reads the container again up to where it was.
//!
//! Content that is damaged ends early. Its length is known to whoever reads it, and holding it against that is his part.

use std::collections::VecDeque;
use std::io::{self, Cursor, Read};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Content up to this size is kept in memory.
const SMALL: u64 = 8 << 20;
/// Bytes kept in memory over all that was handed over and not yet dropped.
const MAX_HELD: u64 = 64 << 20;
/// Chunks in a pipe.
const PIPE_CHUNKS: usize = 8;
const CHUNK: u64 = 256 << 10;
/// How long the stream waits for a reader that makes no progress.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens content, once.
pub(crate) type Open = Box<dyn FnOnce() -> io::Result<Box<dyn Read + Send>> + Send>;
/// Opens content again, from the beginning of the container.
pub(crate) type Reopen = Box<dyn Fn() -> io::Result<Box<dyn Read + Send>> + Send>;

/// Hands over the contents of one pass.
#[derive(Default)]
pub(crate) struct Handover {
    held: Arc<AtomicU64>,
    /// A reader did not come once: nobody is waited for again.
    is_impatient: bool,
    #[cfg(test)]
    pub(super) patience: Option<Duration>,
}

impl Handover {
    /// Gives `sink` a way to open content of `size` bytes that now passes in `body`.
    pub(crate) fn give(
        &mut self,
        size: u64,
        body: &mut (dyn Read + Send),
        reopen: Reopen,
        sink: &mut dyn FnMut(Open) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if size <= SMALL && self.held.load(Ordering::Relaxed).saturating_add(size) <= MAX_HELD {
            return sink(self.hold(size, body));
        }
        if self.is_impatient {
            return sink(Box::new(reopen));
        }
        let pipe = Arc::new(Pipe::default());
        let reader = PipeReader { pipe: Arc::clone(&pipe), chunk: Cursor::default(), position: 0, reopen, again: None };
        let patience = self.patience();
        let (flow, was_read) = std::thread::scope(|scope| {
            let pump = scope.spawn(|| pipe.pump(body, patience));
            let flow = sink(Box::new(move || Ok(Box::new(reader) as Box<dyn Read + Send>)));
            (flow, pump.join().unwrap_or(false))
        });
        self.is_impatient = !was_read;
        flow
    }

    #[cfg(not(test))]
    #[allow(clippy::unused_self)]
    fn patience(&self) -> Duration {
        PATIENCE
    }

    #[cfg(test)]
    fn patience(&self) -> Duration {
        self.patience.unwrap_or(PATIENCE)
    }

    fn hold(&self, size: u64, body: &mut dyn Read) -> Open {
        let mut bytes = Vec::new();
        // What fails in the middle ends early, here as in the pipe; the reader knows how long it has to be.
        let _ = body.take(size).read_to_end(&mut bytes);
        self.held.fetch_add(size, Ordering::Relaxed);
        let held = Held { bytes: Cursor::new(bytes), size, total: Arc::clone(&self.held) };
        Box::new(move || Ok(Box::new(held)))
    }
}

struct Held {
    bytes: Cursor<Vec<u8>>,
    size: u64,
    total: Arc<AtomicU64>,
}

impl Read for Held {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.total.fetch_sub(self.size, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Pipe {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Default)]
struct State {
    chunks: VecDeque<Vec<u8>>,
    /// Chunks that were taken out so far.
    taken: u64,
    end: End,
    is_reader_gone: bool,
}

#[derive(Default)]
enum End {
    #[default]
    Open,
    /// All is in the pipe, or all there is before the damage.
    Reached,
    /// The stream went on without the reader.
    LeftBehind,
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the content into the pipe. Says whether somebody took it, or did not want it.
    fn pump(&self, body: &mut (dyn Read + Send), patience: Duration) -> bool {
        let end = loop {
            let mut chunk = Vec::new();
            match body.take(CHUNK).read_to_end(&mut chunk) {
                Ok(count) if count > 0 => {}
                Ok(_) | Err(_) => break End::Reached,
            }
            let mut state = self.lock();
            while state.chunks.len() >= PIPE_CHUNKS && !state.is_reader_gone {
                let taken = state.taken;
                let (next, waited) = self.moved.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
                state = next;
                if waited.timed_out() && state.taken == taken && !state.is_reader_gone {
                    state.end = End::LeftBehind;
                    self.moved.notify_all();
                    return false;
                }
            }
            if state.is_reader_gone {
                return true;
            }
            state.chunks.push_back(chunk);
            self.moved.notify_all();
        };
        self.lock().end = end;
        self.moved.notify_all();
        true
    }
}

struct PipeReader {
    pipe: Arc<Pipe>,
    chunk: Cursor<Vec<u8>>,
    position: u64,
    reopen: Reopen,
    again: Option<Box<dyn Read + Send>>,
}

impl PipeReader {
    /// Waits for the next chunk; none at the end.
    fn next_chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut state = self.pipe.lock();
        loop {
            if let Some(chunk) = state.chunks.pop_front() {
                state.taken += 1;
                self.pipe.moved.notify_all();
                return Ok(Some(chunk));
            }
            match &state.end {
                End::Open => state = self.pipe.moved.wait(state).unwrap_or_else(PoisonError::into_inner),
                End::Reached => return Ok(None),
                End::LeftBehind => break,
            }
        }
        drop(state);
        let mut again = (self.reopen)()?;
        io::copy(&mut (&mut again).take(self.position), &mut io::sink())?;
        self.again = Some(again);
        Ok(None)
    }
}

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(again) = &mut self.again {
                return again.read(buffer);
            }
            let read = self.chunk.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                self.position += u64::try_from(read).unwrap_or(0);
                return Ok(read);
            }
            match self.next_chunk()? {
                Some(chunk) => self.chunk = Cursor::new(chunk),
                None if self.again.is_some() => {}
                None => return Ok(0),
            }
        }
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        self.pipe.lock().is_reader_gone = true;
        self.pipe.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reopen(bytes: &[u8]) -> Reopen {
        let bytes = bytes.to_vec();
        Box::new(move || Ok(Box::new(Cursor::new(bytes.clone()))))
    }

    fn big() -> Vec<u8> {
        (0..10_u32 << 20).map(|at| (at >> 9).to_le_bytes()[0]).collect()
    }

    fn read(open: Open) -> Vec<u8> {
        let mut bytes = Vec::new();
        open().unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn content_is_read_within_the_sink_and_on_another_thread() {
        let content = big();
        let mut handover = Handover::default();
        let mut got = Vec::new();
        let _ = handover.give(content.len() as u64, &mut content.as_slice(), reopen(b"not this"), &mut |open| {
            got = read(open);
            ControlFlow::Continue(())
        });
        assert!(got == content);
        let (sender, receiver) = std::sync::mpsc::channel();
        let worker = std::thread::spawn(move || receiver.iter().map(read).collect::<Vec<_>>());
        for _ in 0..3 {
            let _ = handover.give(content.len() as u64, &mut content.as_slice(), reopen(b"not this"), &mut |open| {
                sender.send(open).unwrap();
                ControlFlow::Continue(())
            });
        }
        drop(sender);
        assert!(worker.join().unwrap().iter().all(|got| *got == content));
    }

    #[test]
    fn reader_that_never_comes_does_not_hold_up_the_stream() {
        let content = big();
        let mut handover = Handover { patience: Some(Duration::from_millis(50)), ..Handover::default() };
        let mut kept = Vec::new();
        for _ in 0..3 {
            let _ = handover.give(content.len() as u64, &mut content.as_slice(), reopen(&content), &mut |open| {
                kept.push(open);
                ControlFlow::Continue(())
            });
        }
        assert!(kept.into_iter().map(read).all(|got| got == content), "and finds everything when it comes after all");
    }

    #[test]
    fn content_that_nobody_wants_is_skipped_at_once() {
        let content = big();
        let mut handover = Handover { patience: Some(Duration::from_mins(10)), ..Handover::default() };
        let flow = handover.give(content.len() as u64, &mut content.as_slice(), reopen(b""), &mut |open| {
            drop(open);
            ControlFlow::Break(())
        });
        assert!(flow.is_break());
    }

    #[test]
    fn many_small_contents_are_not_all_kept_in_memory() {
        let content = vec![7; 8 << 20];
        let mut handover = Handover { patience: Some(Duration::from_millis(20)), ..Handover::default() };
        let mut kept = Vec::new();
        for _ in 0..20 {
            let _ = handover.give(content.len() as u64, &mut content.as_slice(), reopen(&content), &mut |open| {
                kept.push(open);
                ControlFlow::Continue(())
            });
        }
        assert!(handover.held.load(Ordering::Relaxed) <= MAX_HELD);
        assert!(kept.into_iter().map(read).all(|got| got == content));
    }
}
