//! Opening the container's file, and reading it at places, from several threads.
//!
//! The only place of the container reader that asks the file system for a file.

use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a path turned out to be.
pub(super) enum Target {
    File(Backing),
    Directory,
    Other,
}

/// Opens for reading, without blocking on a FIFO and without becoming a terminal's owner.
pub(super) fn open(path: &Path) -> io::Result<Target> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let fd = rustix::fs::open(path, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&fd)?;
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Target::File(Backing {
            file: Arc::new(File::from(fd)),
            len: u64::try_from(stat.st_size).unwrap_or(0),
            read: Arc::new(AtomicU64::new(0)),
        }),
        FileType::Directory => Target::Directory,
        _ => Target::Other,
    })
}

/// An open file that any number of readers read, each at its own place.
#[derive(Clone, Debug)]
pub(crate) struct Backing {
    file: Arc<File>,
    len: u64,
    read: Arc<AtomicU64>,
}

impl Backing {
    /// Bytes in it when it was opened.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Bytes that were read from it so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The same file with a count of its own.
    pub(crate) fn uncounted(&self) -> Self {
        Self { read: Arc::new(AtomicU64::new(0)), ..self.clone() }
    }

    /// A reader of the whole file.
    pub(crate) fn section(&self) -> Section {
        self.section_at(0, self.len)
    }

    /// A reader of `len` bytes from `start`, or of what there is of them.
    pub(crate) fn section_at(&self, start: u64, len: u64) -> Section {
        Section { backing: self.clone(), start, position: start, end: start.saturating_add(len).min(self.len) }
    }

    /// Exactly `len` bytes from `start`.
    pub(crate) fn bytes_at(&self, start: u64, len: usize) -> io::Result<Vec<u8>> {
        // The length may be a claim of the file's own: nothing is reserved beyond what the file has.
        let there = usize::try_from(self.len.saturating_sub(start)).unwrap_or(usize::MAX);
        if there < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, start)?;
        self.read.fetch_add(u64::try_from(len).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(bytes)
    }
}

/// A part of a [`Backing`], with a place of its own.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    backing: Backing,
    start: u64,
    position: u64,
    end: u64,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let want = left.min(buffer.len());
        let Some(window) = buffer.get_mut(..want) else { return Ok(0) };
        let read = self.backing.file.read_at(window, self.position)?;
        let count = u64::try_from(read).unwrap_or(0);
        self.position += count;
        self.backing.read.fetch_add(count, Ordering::Relaxed);
        Ok(read)
    }
}

impl Seek for Section {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => self.start.checked_add(offset),
            SeekFrom::End(offset) => self.end.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        let target = target.filter(|&target| target >= self.start).ok_or(io::ErrorKind::InvalidInput)?;
        self.position = target;
        Ok(target - self.start)
    }
}
