//! Zstandard in independent frames with a seek table (`contrib/seekable_format` of the zstd sources), compressed by several
//! threads and written in order. Any zstd decoder reads it as one stream.

use super::super::BundleError;
use super::super::output::Output;
use super::tar::{MAX_FRAME, Stream};
use super::{Committed, writing};
use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use zeekstd::SeekTable;
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

/// One less than zstd's own default: on the files of a server that costs one byte in twenty and saves a quarter of the time.
const LEVEL: i32 = 2;

/// Frames for each thread that are compressed or wait for it, so that none stands idle while the next frame is filled.
const AHEAD: usize = 2;

struct Job {
    plain: Vec<u8>,
    done: SyncSender<io::Result<Done>>,
}

struct Done {
    /// Given back to be filled again.
    plain: Vec<u8>,
    packed: Vec<u8>,
}

pub(in crate::bundle) struct Frames {
    output: Output,
    buffer: Vec<u8>,
    /// Bytes after which a frame is closed; none in the last one, which the reader finds whole at the end.
    frame: Option<usize>,
    spare: Vec<Vec<u8>>,
    jobs: Option<SyncSender<Job>>,
    waiting: VecDeque<Receiver<io::Result<Done>>>,
    workers: Vec<JoinHandle<()>>,
    table: SeekTable,
}

impl Frames {
    pub(in crate::bundle) fn new(output: Output, threads: usize) -> Result<Self, BundleError> {
        Self::resume(output, threads, SeekTable::new())
    }

    /// Goes on behind the frames of a table.
    pub(in crate::bundle) fn resume(output: Output, threads: usize, table: SeekTable) -> Result<Self, BundleError> {
        let threads = threads.clamp(1, 16);
        let (jobs, queue) = sync_channel::<Job>(AHEAD * threads);
        let queue = Arc::new(Mutex::new(queue));
        let mut workers = Vec::new();
        for _ in 0..threads {
            let queue = Arc::clone(&queue);
            let mut compressor = Compressor::new(LEVEL).map_err(writing)?;
            compressor.set_parameter(CParameter::ChecksumFlag(true)).map_err(writing)?;
            let worker = std::thread::Builder::new()
                .name("bundle-zstd".to_owned())
                .spawn(move || {
                    loop {
                        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                        let Ok(Job { plain, done }) = job else { return };
                        let packed = compressor.compress(&plain);
                        // Nobody waits for it where the writer was dropped.
                        let _ = done.send(packed.map(|packed| Done { plain, packed }));
                    }
                })
                .map_err(writing)?;
            workers.push(worker);
        }
        Ok(Self {
            output,
            buffer: Vec::with_capacity(MAX_FRAME),
            frame: Some(MAX_FRAME),
            spare: Vec::new(),
            jobs: Some(jobs),
            waiting: VecDeque::new(),
            workers,
            table,
        })
    }

    fn close_frame(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let next = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(MAX_FRAME));
        let plain = std::mem::replace(&mut self.buffer, next);
        let (done, waiting) = sync_channel(1);
        let stopped = || io::Error::other("a compressing thread stopped");
        self.jobs.as_ref().ok_or_else(stopped)?.send(Job { plain, done }).map_err(|_| stopped())?;
        self.waiting.push_back(waiting);
        self.leave(AHEAD * self.workers.len())
    }

    /// Writes the oldest frames until no more than `most` are not written.
    fn leave(&mut self, most: usize) -> io::Result<()> {
        while self.waiting.len() > most {
            self.write_oldest()?;
        }
        Ok(())
    }

    fn write_oldest(&mut self) -> io::Result<()> {
        let Some(oldest) = self.waiting.pop_front() else { return Ok(()) };
        let Done { mut plain, packed } =
            oldest.recv().map_err(|_| io::Error::other("a compressing thread stopped"))??;
        let too_big = |_| io::Error::other("a frame is larger than 4 GiB");
        let sizes = (u32::try_from(packed.len()).map_err(too_big)?, u32::try_from(plain.len()).map_err(too_big)?);
        self.output.write_all(&packed)?;
        // A collection that is killed shall have lost little of what it read.
        self.output.flush()?;
        self.table.log_frame(sizes.0, sizes.1).map_err(io::Error::other)?;
        plain.clear();
        self.spare.push(plain);
        Ok(())
    }

    fn drain(&mut self) -> io::Result<()> {
        self.close_frame()?;
        self.leave(0)
    }

    fn end(&mut self) -> io::Result<()> {
        self.drain()?;
        self.jobs = None;
        for worker in self.workers.drain(..) {
            worker.join().map_err(|_| io::Error::other("a compressing thread stopped"))?;
        }
        let mut serializer = std::mem::take(&mut self.table).into_serializer();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = serializer.write_into(&mut buffer);
            if count == 0 {
                return Ok(());
            }
            self.output.write_all(buffer.get(..count).unwrap_or_default())?;
        }
    }
}

impl Stream for Frames {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = self.frame.map_or(bytes.len(), |frame| frame.saturating_sub(self.buffer.len()));
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(now);
            bytes = rest;
            if self.frame.is_some_and(|frame| self.buffer.len() >= frame) {
                self.close_frame()?;
            }
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> io::Result<()> {
        self.close_frame()?;
        // Waiting for all of them would leave the threads without work.
        self.leave(self.workers.len())
    }

    fn last_part(&mut self) -> io::Result<()> {
        self.close_frame()?;
        self.frame = None;
        Ok(())
    }

    fn finish(mut self) -> Result<Committed, BundleError> {
        self.end().map_err(writing)?;
        self.output.commit()
    }
}
