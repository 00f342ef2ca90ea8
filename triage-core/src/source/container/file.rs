//! Opening the container's file, and reading it at places, from several threads.
//!
//! The only place of the container reader that asks the file system for a file.

use crate::model::{Digest, Hasher};
use rustix::fs::{FileType, Mode, OFlags};
use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
            bytes: Arc::new(File::from(fd)),
            begin: 0,
            len: u64::try_from(stat.st_size).unwrap_or(0),
            read: Arc::new(AtomicU64::new(0)),
            tap: None,
        }),
        // A disk that was attached for reading, as `losetup -r` and `qemu-nbd -r` do; its size is not in what stat says.
        FileType::BlockDevice => {
            let mut file = File::from(fd);
            let len = file.seek(SeekFrom::End(0))?;
            Target::File(Backing { bytes: Arc::new(file), begin: 0, len, read: Arc::new(AtomicU64::new(0)), tap: None })
        }
        FileType::Directory => Target::Directory,
        _ => Target::Other,
    })
}

/// Bytes that can be read at any place, by several at once.
pub(super) trait At: Debug + Send + Sync {
    /// Reads into `buffer` from `place` on. 0 is the end.
    fn read_at(&self, buffer: &mut [u8], place: u64) -> io::Result<usize>;
}

impl At for File {
    fn read_at(&self, buffer: &mut [u8], place: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, place)
    }
}

/// Bytes that are in memory already.
#[derive(Debug)]
struct Memory(Arc<[u8]>);

impl At for Memory {
    fn read_at(&self, buffer: &mut [u8], place: u64) -> io::Result<usize> {
        let rest = usize::try_from(place).ok().and_then(|place| self.0.get(place..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}

/// An open file, or what is in it, that any number of readers read, each at its own place.
#[derive(Clone, Debug)]
pub(crate) struct Backing {
    bytes: Arc<dyn At>,
    /// Where it begins in the file; not 0 for a file in an archive.
    begin: u64,
    len: u64,
    read: Arc<AtomicU64>,
    tap: Option<Arc<Mutex<Tap>>>,
}

/// Hashes what is read in order from the beginning, so that a file which is read through anyway is not read again for its digest.
struct Tap {
    hasher: Hasher,
    position: u64,
}

impl Debug for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tap").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Backing {
    /// What lies inside a file: its reader, and how long it is.
    pub(super) fn within(bytes: impl At + 'static, len: u64) -> Self {
        Self { bytes: Arc::new(bytes), begin: 0, len, read: Arc::new(AtomicU64::new(0)), tap: None }
    }

    /// What is in memory.
    pub(super) fn memory(bytes: Arc<[u8]>) -> Self {
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self::within(Memory(bytes), len)
    }

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

    /// A part of it that is read like a file of its own: a layer in an image, a partition of a disk.
    pub(crate) fn part(&self, start: u64, len: u64) -> Self {
        let start = start.min(self.len);
        Self {
            bytes: Arc::clone(&self.bytes),
            begin: self.begin.saturating_add(start),
            len: len.min(self.len - start),
            read: Arc::new(AtomicU64::new(0)),
            tap: None,
        }
    }

    /// The same file, hashed as it is read; [`Backing::sha256`] has the result.
    pub(crate) fn tapped(self) -> Self {
        let tap = Tap { hasher: Hasher::new(), position: 0 };
        Self { tap: Some(Arc::new(Mutex::new(tap))), ..self }
    }

    /// SHA-256 of the whole. Only what was not read in order before is read now.
    pub(crate) fn sha256(&self) -> io::Result<Digest> {
        let mut tap = match &self.tap {
            Some(tap) => {
                let tap = tap.lock().unwrap_or_else(PoisonError::into_inner);
                Tap { hasher: tap.hasher.clone(), position: tap.position }
            }
            None => Tap { hasher: Hasher::new(), position: 0 },
        };
        let mut buffer = vec![0; 1 << 20];
        while tap.position < self.len {
            let left = usize::try_from(self.len - tap.position).unwrap_or(usize::MAX).min(buffer.len());
            let window = buffer.get_mut(..left).unwrap_or_default();
            let read = self.bytes.read_at(window, self.begin.saturating_add(tap.position))?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            tap.hasher.update(window.get(..read).unwrap_or_default());
            tap.position += u64::try_from(read).unwrap_or(0);
        }
        Ok(tap.hasher.finish())
    }

    /// Fills `bytes` from a place.
    pub(crate) fn fill(&self, start: u64, bytes: &mut [u8]) -> io::Result<()> {
        let end = start.checked_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if end.is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (mut place, mut left) = (self.begin.saturating_add(start), &mut *bytes);
        while !left.is_empty() {
            let read = match self.bytes.read_at(left, place) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            place += u64::try_from(read).unwrap_or(0);
            left = left.get_mut(read..).unwrap_or_default();
        }
        self.read.fetch_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(())
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
        self.fill(start, &mut bytes)?;
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
        let read = self.backing.bytes.read_at(window, self.backing.begin.saturating_add(self.position))?;
        let count = u64::try_from(read).unwrap_or(0);
        if let Some(tap) = &self.backing.tap {
            let mut tap = tap.lock().unwrap_or_else(PoisonError::into_inner);
            if tap.position == self.position {
                tap.hasher.update(window.get(..read).unwrap_or_default());
                tap.position += count;
            }
        }
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
