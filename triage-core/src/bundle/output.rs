//! Where a bundle's bytes leave the process: the only place of the bundle that writes to a file system.
//!
//! A bundle appears under its final name only when it is whole: it is written under that name and `.partial`, made durable,
//! and renamed. What lies under the final name is not overwritten unless that was asked for; what lies under the partial
//! one, never.

use super::BundleError;
use super::seal::Recipients;
use crate::model::{Digest, Hasher, escape};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

const FILE_MODE: Mode = Mode::from_raw_mode(0o600);
/// Bytes that are gathered before they are written.
const BUFFER: usize = 1 << 18;
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o700);

/// What to do with something that already has the bundle's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Refuse, and leave it as it is.
    Refuse,
    /// Put the new bundle in its place, once that is whole.
    Replace,
}

/// The final name, the name until then, and what to do at the end.
#[derive(Debug)]
pub(super) struct Target {
    path: PathBuf,
    partial: PathBuf,
    existing: Existing,
}

fn failed(doing: &'static str, path: &Path, source: impl Into<io::Error>) -> BundleError {
    BundleError::Io { doing, what: escape(path.as_os_str().as_bytes()), source: source.into() }
}

/// Makes sure that nobody else writes it: a collection that still runs is not gone on with. A file system without locks has to do
/// without.
fn lock(fd: impl AsFd, path: &Path) -> Result<(), BundleError> {
    match rustix::fs::flock(fd, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Err(BundleError::Busy { path: escape(path.as_os_str().as_bytes()) }),
        _ => Ok(()),
    }
}

/// The name of a bundle until it is whole.
pub(super) fn partial_of(path: &Path) -> Option<PathBuf> {
    let mut partial = OsString::from(path.file_name()?);
    partial.push(".partial");
    Some(path.with_file_name(partial))
}

impl Target {
    fn new(path: &Path, existing: Existing) -> Result<Self, BundleError> {
        let Some(partial) = partial_of(path) else {
            return Err(failed("creating", path, io::ErrorKind::InvalidInput));
        };
        if existing == Existing::Refuse && rustix::fs::lstat(path).is_ok() {
            return Err(BundleError::Exists { path: escape(path.as_os_str().as_bytes()) });
        }
        Ok(Self { path: path.to_owned(), partial, existing })
    }

    /// The target that a partial name was made from.
    fn of_partial(partial: &Path) -> Result<Self, BundleError> {
        let name = partial.file_name().and_then(|name| name.as_bytes().strip_suffix(b".partial"));
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            let what = format!("`{}` does not end in `.partial`", escape(partial.as_os_str().as_bytes()));
            return Err(BundleError::Unsupported { what });
        };
        let path = partial.with_file_name(OsStr::from_bytes(name));
        let target = Self::new(&path, Existing::Refuse)?;
        Ok(Self { partial: partial.to_owned(), ..target })
    }

    fn folder(&self) -> &Path {
        self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    fn taken_or(path: &Path, error: Errno) -> BundleError {
        if error == Errno::EXIST {
            BundleError::Exists { path: escape(path.as_os_str().as_bytes()) }
        } else {
            failed("creating", path, error)
        }
    }

    /// Gives what was written its final name and makes that durable.
    #[expect(clippy::disallowed_methods, reason = "a bundle is renamed to its final name here and nowhere else")]
    fn commit(self) -> Result<PathBuf, BundleError> {
        let io = |error: Errno| failed("renaming", &self.partial, error);
        match self.existing {
            Existing::Replace => match rustix::fs::rename(&self.partial, &self.path) {
                // A folder that is not empty, or of another type, is exchanged and the old one left under the partial name.
                Err(Errno::NOTEMPTY | Errno::EXIST | Errno::ISDIR | Errno::NOTDIR) => {
                    rustix::fs::renameat_with(CWD, &self.partial, CWD, &self.path, RenameFlags::EXCHANGE)
                        .map_err(io)?;
                }
                result => result.map_err(io)?,
            },
            Existing::Refuse => {
                match rustix::fs::renameat_with(CWD, &self.partial, CWD, &self.path, RenameFlags::NOREPLACE) {
                    Ok(()) => {}
                    // Kernels before 3.15, and file systems that do not know the flag: look, then rename.
                    Err(Errno::NOSYS | Errno::INVAL) if rustix::fs::lstat(&self.path).is_err() => {
                        rustix::fs::rename(&self.partial, &self.path).map_err(io)?;
                    }
                    Err(Errno::EXIST | Errno::NOSYS | Errno::INVAL) => {
                        return Err(Self::taken_or(&self.path, Errno::EXIST));
                    }
                    Err(error) => return Err(io(error)),
                }
            }
        }
        let folder =
            rustix::fs::open(self.folder(), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .map_err(|error| failed("opening", self.folder(), error))?;
        match rustix::fs::fsync(&folder) {
            // Some network and FUSE file systems have no fsync of a folder.
            Ok(()) | Err(Errno::INVAL | Errno::NOTSUP) => Ok(self.path),
            Err(error) => Err(failed("syncing", self.folder(), error)),
        }
    }
}

/// One file or stream, hashed and counted on the way, and encrypted before that where it is to be.
pub(super) struct Output {
    layer: Layer,
    is_abandoned: bool,
}

enum Layer {
    Plain(Counted),
    Sealed(age::stream::StreamWriter<Counted>),
}

/// What goes to the file or stream itself: its digest is what `sha256sum` gives for the file.
struct Counted {
    inner: Inner,
    hasher: Hasher,
    written: u64,
}

enum Inner {
    File(BufWriter<File>, Target),
    Stream(Box<dyn Write + Send>),
}

/// What a finished output is.
pub(super) struct Committed {
    pub(super) path: Option<PathBuf>,
    pub(super) sha256: Option<Digest>,
    pub(super) bytes: u64,
}

/// A part of a file that is kept when a bundle is gone on with.
pub(super) struct Kept {
    pub(super) bytes: u64,
    pub(super) hasher: Hasher,
}

impl Counted {
    fn new(inner: Inner) -> Self {
        Self { inner, hasher: Hasher::new(), written: 0 }
    }
}

impl Output {
    pub(super) fn file(path: &Path, existing: Existing, seal: &Recipients) -> Result<Self, BundleError> {
        let target = Target::new(path, existing)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::open(&target.partial, flags, FILE_MODE)
            .map_err(|error| Target::taken_or(&target.partial, error))?;
        lock(&fd, &target.partial)?;
        let file = BufWriter::with_capacity(BUFFER, File::from(fd));
        Self::over(Counted::new(Inner::File(file, target)), seal)
    }

    pub(super) fn stream(stream: Box<dyn Write + Send>, seal: &Recipients) -> Result<Self, BundleError> {
        Self::over(Counted::new(Inner::Stream(stream)), seal)
    }

    fn over(counted: Counted, seal: &Recipients) -> Result<Self, BundleError> {
        let layer = if seal.is_empty() {
            Layer::Plain(counted)
        } else {
            Layer::Sealed(seal.wrap(counted).map_err(super::writing)?)
        };
        Ok(Self { layer, is_abandoned: false })
    }

    /// Opens what a killed collection left, to go on behind it.
    pub(super) fn reopen(partial: &Path) -> Result<Reopened, BundleError> {
        let target = Target::of_partial(partial)?;
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::open(&target.partial, flags, Mode::empty())
            .map_err(|error| failed("opening", &target.partial, error))?;
        lock(&fd, &target.partial)?;
        Ok(Reopened { file: File::from(fd), target })
    }

    /// Swallows everything from here on: what a codec writes when it is dropped must not make a torn bundle look whole.
    pub(super) fn abandon(&mut self) {
        self.is_abandoned = true;
    }

    pub(super) fn commit(self) -> Result<Committed, BundleError> {
        let Counted { inner, hasher, written } = match self.layer {
            Layer::Plain(counted) => counted,
            Layer::Sealed(sealed) => sealed.finish().map_err(super::writing)?,
        };
        let path = match inner {
            Inner::File(file, target) => {
                let file = file.into_inner().map_err(|error| failed("writing", &target.partial, error.into_error()))?;
                file.sync_all().map_err(|error| failed("syncing", &target.partial, error))?;
                drop(file);
                Some(target.commit()?)
            }
            Inner::Stream(mut stream) => {
                stream.flush().map_err(super::writing)?;
                None
            }
        };
        Ok(Committed { path, sha256: Some(hasher.finish()), bytes: written })
    }
}

/// A partial bundle that is open, locked, and not yet changed.
pub(super) struct Reopened {
    file: File,
    target: Target,
}

impl Reopened {
    /// Cuts off what is not kept, and goes on behind it.
    pub(super) fn go_on(mut self, kept: Kept) -> Result<Output, BundleError> {
        let Kept { bytes, hasher } = kept;
        self.file
            .set_len(bytes)
            .and_then(|()| self.file.seek(SeekFrom::Start(bytes)))
            .map_err(|error| failed("cutting", &self.target.partial, error))?;
        let file = BufWriter::with_capacity(BUFFER, self.file);
        let counted = Counted { inner: Inner::File(file, self.target), hasher, written: bytes };
        Ok(Output { layer: Layer::Plain(counted), is_abandoned: false })
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = match &mut self.inner {
            Inner::File(file, _) => file.write(bytes)?,
            Inner::Stream(stream) => stream.write(bytes)?,
        };
        self.hasher.update(bytes.get(..count).unwrap_or_default());
        self.written += u64::try_from(count).unwrap_or(0);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.inner {
            Inner::File(file, _) => file.flush(),
            Inner::Stream(stream) => stream.flush(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.layer {
            _ if self.is_abandoned => Ok(bytes.len()),
            Layer::Plain(counted) => counted.write(bytes),
            Layer::Sealed(sealed) => sealed.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.layer {
            _ if self.is_abandoned => Ok(()),
            Layer::Plain(counted) => counted.flush(),
            Layer::Sealed(sealed) => sealed.flush(),
        }
    }
}

/// A folder that a bag is written into, file by file.
pub(super) struct Folder {
    root: OwnedFd,
    target: Target,
    /// The folder that the last file went into, because the next one mostly goes there too.
    last: Option<(String, OwnedFd)>,
    written: u64,
}

impl Folder {
    pub(super) fn create(path: &Path, existing: Existing) -> Result<Self, BundleError> {
        let target = Target::new(path, existing)?;
        rustix::fs::mkdir(&target.partial, FOLDER_MODE).map_err(|error| Target::taken_or(&target.partial, error))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::open(&target.partial, flags, Mode::empty())
            .map_err(|error| failed("opening", &target.partial, error))?;
        lock(&root, &target.partial)?;
        Ok(Self { root, target, last: None, written: 0 })
    }

    /// Opens what a killed collection left, to go on with it.
    pub(super) fn reopen(partial: &Path) -> Result<Self, BundleError> {
        let target = Target::of_partial(partial)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::open(&target.partial, flags, Mode::empty())
            .map_err(|error| failed("opening", &target.partial, error))?;
        lock(&root, &target.partial)?;
        Ok(Self { root, target, last: None, written: 0 })
    }

    /// Takes away a file of the bag that no whole segment vouches for. No link is followed on the way to it.
    #[expect(clippy::disallowed_methods, reason = "what a killed collection left half written is written anew")]
    pub(super) fn remove(&self, name: &str) -> Result<(), BundleError> {
        let (folder, base) = name.rsplit_once('/').unwrap_or((".", name));
        let failed = |error: io::Error| failed("removing", &self.target.partial.join(name), error);
        let folder = crate::sys::look::open_directory_beneath(&self.root, folder.as_bytes()).map_err(failed)?;
        rustix::fs::unlinkat(folder, base, AtFlags::empty()).map_err(|error| failed(error.into()))
    }

    /// Creates one file, and the folders that it lies in.
    pub(super) fn file(&mut self, name: &str) -> io::Result<File> {
        let (folder, base) = name.rsplit_once('/').unwrap_or(("", name));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = self.folder(folder)?;
        Ok(File::from(rustix::fs::openat(dir, base, flags, FILE_MODE)?))
    }

    pub(super) fn count(&mut self, bytes: u64) {
        self.written += bytes;
    }

    #[expect(clippy::disallowed_methods, reason = "the folders of a bag are made here and nowhere else")]
    fn folder(&mut self, folder: &str) -> io::Result<&OwnedFd> {
        if self.last.as_ref().is_none_or(|(last, _)| last != folder) {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut dir = rustix::fs::openat(&self.root, ".", flags, Mode::empty())?;
            for part in folder.split('/').filter(|part| !part.is_empty()) {
                match rustix::fs::mkdirat(&dir, part, FOLDER_MODE) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
                dir = rustix::fs::openat(&dir, part, flags, Mode::empty())?;
            }
            self.last = Some((folder.to_owned(), dir));
        }
        self.last.as_ref().map(|(_, dir)| dir).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn commit(self) -> Result<Committed, BundleError> {
        // One sync for the file system instead of one for each of what may be a million files.
        rustix::fs::syncfs(&self.root).map_err(|error| failed("syncing", &self.target.partial, error))?;
        let bytes = self.written;
        Ok(Committed { path: Some(self.target.commit()?), sha256: None, bytes })
    }
}
