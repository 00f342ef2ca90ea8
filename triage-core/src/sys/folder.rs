//! Folders of kernel file systems, held open.
//!
//! `/proc/PID` held open stays that process's: once it has ended every read fails, whoever has its number by then. Something may have
//! been mounted over it, so links are not followed, only regular files are read, and everything has a cap.

use super::look;
use crate::model::{FileKind, FileMeta, RawText};
use rustix::fs::{AtFlags, Mode, OFlags};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

/// An open folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder(Arc<OwnedFd>);

/// What a file of it said.
pub(crate) struct Read {
    /// The first bytes.
    pub(crate) bytes: Vec<u8>,
    /// Says that there is more.
    pub(crate) is_cut: bool,
}

impl Folder {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(Arc::new(rustix::fs::open(path, flags, Mode::empty())?)))
    }

    /// A folder beneath; no part of the path may be a link.
    pub(crate) fn folder(&self, path: impl AsRef<[u8]>) -> io::Result<Self> {
        Ok(Self(Arc::new(look::open_directory_beneath(&*self.0, path.as_ref())?)))
    }

    /// The folder of ourselves, which `self` names; where this is no `/proc` of ours, of process 1.
    pub(crate) fn own(&self) -> Option<Self> {
        let own = self.link("self").ok().and_then(|target| self.folder(target.as_bytes()).ok());
        own.or_else(|| self.folder("1").ok())
    }

    pub(crate) fn list(&self) -> io::Result<Vec<Vec<u8>>> {
        // A listing has a position, so that two of one descriptor would share it.
        look::list(look::open_directory(&*self.0, b".")?)
    }

    pub(crate) fn link(&self, name: impl AsRef<[u8]>) -> io::Result<RawText> {
        look::read_link(&*self.0, name.as_ref())
    }

    /// Says whether there is something of that name.
    pub(crate) fn has(&self, name: impl AsRef<[u8]>) -> io::Result<bool> {
        match look::stat_at(&*self.0, name.as_ref()) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Says whether the name is that of a folder.
    pub(crate) fn is_folder(&self, name: &[u8]) -> bool {
        look::stat_at(&*self.0, name).is_ok_and(|meta| meta.kind == FileKind::Directory)
    }

    /// Opens a regular file beneath.
    pub(crate) fn file(&self, path: impl AsRef<[u8]>) -> io::Result<File> {
        let path = path.as_ref();
        let (folder, name) = match path.iter().rposition(|&b| b == b'/') {
            Some(at) => {
                (Some(self.folder(path.get(..at).unwrap_or_default())?), path.get(at + 1..).unwrap_or_default())
            }
            None => (None, path),
        };
        let file = look::open_file(&*folder.as_ref().unwrap_or(self).0, name)?;
        if !look::stat_open_briefly(&file)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
        }
        Ok(File::from(file))
    }

    /// Reads a file of the kernel to its end or to `cap` bytes: its size says nothing.
    pub(crate) fn read(&self, path: impl AsRef<[u8]>, cap: usize) -> io::Result<Read> {
        let mut bytes = Vec::new();
        let most = u64::try_from(cap).unwrap_or(u64::MAX).saturating_add(1);
        self.file(path)?.take(most).read_to_end(&mut bytes)?;
        let is_cut = bytes.len() > cap;
        bytes.truncate(cap);
        Ok(Read { bytes, is_cut })
    }

    /// Opens what the link `exe` leads to. The kernel keeps that for us also when it has no name any more.
    pub(crate) fn executable(&self) -> io::Result<(File, FileMeta)> {
        let no_file = || io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file");
        let found = rustix::fs::statat(&*self.0, "exe", AtFlags::empty())?;
        if found.st_mode & 0o170_000 != 0o100_000 {
            return Err(no_file());
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        // EVIDENCE: O_NOATIME keeps the access time as it was; only the owner of a file and root may ask for it.
        let file = match rustix::fs::openat(&*self.0, "exe", flags | OFlags::NOATIME, Mode::empty()) {
            Err(rustix::io::Errno::PERM) => rustix::fs::openat(&*self.0, "exe", flags, Mode::empty())?,
            opened => opened?,
        };
        let meta = look::stat_open(&file)?;
        if meta.is_file() { Ok((File::from(file), meta)) } else { Err(no_file()) }
    }
}
