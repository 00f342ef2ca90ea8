//! Reading where a read may never come back: on a network or FUSE file system whose server is gone.
//!
//! No signal ends such a read, so a thread of its own makes it, and the sweep waits only so long. A thread that hangs is left to the kernel: it
//! holds one open file and one buffer, and there are at most a few ([`HUNG_MOST`](super::HUNG_MOST)) for each file system and reading thread.

use super::CHUNK;
use crate::model::{Digest, FileMeta};
use crate::source::{Content, Opened, Opener, ReadError};
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Chunks that are read ahead.
const AHEAD: usize = 2;

/// How a hang begins its explanation; by that it is known again after it went through [`io::Error`].
const HANG: &str = "the file system did not answer within";

enum Said {
    Opened(Result<Box<(FileMeta, Option<Digest>)>, ReadError>),
    Chunk(Vec<u8>),
    Failed(io::Error),
    End(Option<String>),
}

/// Opens content on a thread that can be given up, and reads it there.
pub(super) fn open(opener: Opener, patience: Duration) -> Result<Opened, ReadError> {
    let (say, receiver) = sync_channel(AHEAD);
    thread::Builder::new().name("patience".to_owned()).spawn(move || tell(opener, &say))?;
    let (meta, expected) = match receiver.recv_timeout(patience) {
        Ok(Said::Opened(result)) => *result?,
        Ok(_) | Err(RecvTimeoutError::Disconnected) => return Err(died().into()),
        Err(RecvTimeoutError::Timeout) => return Err(hang(patience).into()),
    };
    let reader = Patient { receiver, patience, expected, chunk: Vec::new(), at: 0, end: End::NotYet };
    Ok(Opened { meta, reader: Box::new(reader) })
}

/// Says whether this is why a read failed.
pub(super) fn is_hang(error: &ReadError) -> bool {
    error.detail.starts_with(HANG)
}

fn hang(patience: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("{HANG} {} s", patience.as_secs_f32()))
}

fn died() -> io::Error {
    io::Error::other("the thread that read it has died")
}

/// The reading thread. It ends when nobody listens any more.
fn tell(opener: Opener, say: &SyncSender<Said>) {
    let Opened { meta, mut reader } = match opener() {
        Ok(content) => content,
        Err(error) => {
            let _ = say.send(Said::Opened(Err(error)));
            return;
        }
    };
    if say.send(Said::Opened(Ok(Box::new((meta, reader.expected()))))).is_err() {
        return;
    }
    loop {
        let mut chunk = vec![0; CHUNK];
        let said = match reader.read(&mut chunk) {
            Ok(0) => Said::End(reader.changed()),
            Ok(count) => {
                chunk.truncate(count);
                Said::Chunk(chunk)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Said::Failed(error),
        };
        let is_last = !matches!(said, Said::Chunk(_));
        if say.send(said).is_err() || is_last {
            return;
        }
    }
}

/// Whether all was read, and what was said then of how it changed.
enum End {
    NotYet,
    Reached(Option<String>),
}

/// Content that comes from a thread that may hang.
struct Patient {
    receiver: Receiver<Said>,
    patience: Duration,
    expected: Option<Digest>,
    chunk: Vec<u8>,
    at: usize,
    end: End,
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.chunk.len() {
            if matches!(self.end, End::Reached(_)) {
                return Ok(0);
            }
            match self.receiver.recv_timeout(self.patience) {
                Ok(Said::Chunk(chunk)) => (self.chunk, self.at) = (chunk, 0),
                Ok(Said::End(changed)) => self.end = End::Reached(changed),
                Ok(Said::Failed(error)) => return Err(error),
                Ok(Said::Opened(_)) | Err(RecvTimeoutError::Disconnected) => return Err(died()),
                Err(RecvTimeoutError::Timeout) => return Err(hang(self.patience)),
            }
        }
        let left = self.chunk.get(self.at..).unwrap_or_default();
        let count = left.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), left.get(..count)) {
            to.copy_from_slice(from);
        }
        self.at += count;
        Ok(count)
    }
}

impl Content for Patient {
    fn changed(&self) -> Option<String> {
        match &self.end {
            End::Reached(changed) => changed.clone(),
            End::NotYet => Some("it was not read to its end".to_owned()),
        }
    }

    fn expected(&self) -> Option<Digest> {
        self.expected
    }
}
