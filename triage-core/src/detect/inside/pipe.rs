//! Archives that are too large for memory: the parts in which the sweep shows a file go through a bounded pipe to a thread that unpacks them.
//!
//! So a backup of many gigabytes is read once, hashed and looked into at the same time, and holds a few megabytes. Whoever reads waits where unpacking is
//! slower, and no longer waits where it has ended.

use super::Gathered;
use crate::detect::Report;
use crate::model::EvidencePath;
use crate::sweep::Window;
use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

/// Bytes that travel at a time, and how many such pieces wait: 4 MiB.
const PIECE: usize = 256 << 10;
const WAITING: usize = 16;

/// The files that are being looked into as they pass.
#[derive(Default)]
pub(in crate::detect) struct Streams(Mutex<HashMap<EvidencePath, Stream>>);

struct Stream {
    /// None where nobody listens any more.
    sender: Option<SyncSender<Vec<u8>>>,
    /// Bytes that were sent.
    position: u64,
    worker: JoinHandle<Gathered>,
    /// What was found in the file as it is.
    raw: Report,
}

impl Streams {
    /// Takes the next part of a file, and what was found in it as it is; gives that back where the file is not looked into. At the first part, `start` may
    /// begin to look.
    pub(in crate::detect) fn feed(
        &self,
        window: &Window<'_>,
        mut raw: Report,
        start: impl FnOnce(Box<dyn Read + Send>) -> Option<JoinHandle<Gathered>>,
    ) -> Option<Report> {
        let path = window.file.path;
        // Out of the map while it is sent: sending may wait, and other files go on.
        let known = self.lock().remove(path);
        let mut stream = match known {
            Some(stream) => stream,
            None if window.offset == 0 => {
                let (sender, receiver) = sync_channel(WAITING);
                let Some(worker) = start(Box::new(Pipe { receiver, piece: io::Cursor::default() })) else {
                    return Some(raw);
                };
                Stream { sender: Some(sender), position: 0, worker, raw: Report::default() }
            }
            None => return Some(raw),
        };
        stream.raw.findings.append(&mut raw.findings);
        stream.raw.gaps.append(&mut raw.gaps);
        let seen = usize::try_from(stream.position.saturating_sub(window.offset)).unwrap_or(usize::MAX);
        let fresh = window.bytes.get(seen..).unwrap_or_default();
        stream.position = stream.position.saturating_add(fresh.len() as u64);
        for piece in fresh.chunks(PIECE) {
            let is_heard = stream.sender.as_ref().is_some_and(|sender| sender.send(piece.to_vec()).is_ok());
            if !is_heard {
                stream.sender = None;
                break;
            }
        }
        self.lock().insert(path.clone(), stream);
        None
    }

    /// What was found in a file that has passed: as it is, and inside. None where it was not looked into.
    pub(in crate::detect) fn finish(&self, path: &EvidencePath) -> Option<(Report, Gathered)> {
        let stream = self.lock().remove(path)?;
        // Dropping the sender is what ends the content.
        drop(stream.sender);
        Some((stream.raw, stream.worker.join().unwrap_or_else(|_| Gathered::failed())))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<EvidencePath, Stream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Pipe {
    receiver: Receiver<Vec<u8>>,
    piece: io::Cursor<Vec<u8>>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.piece.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            match self.receiver.recv() {
                Ok(piece) => self.piece = io::Cursor::new(piece),
                Err(_) => return Ok(0),
            }
        }
    }
}
