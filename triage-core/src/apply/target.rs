//! The host that is changed, reached by descriptors: what is checked and what is acted on is the same directory and the same
//! inode, whatever happens to names above it meanwhile.

use super::living::LivingHost;
use crate::action::{Present, State};
use crate::model::{EvidencePath, FileKind, FileMeta, Hasher, escape};
use crate::source::Inode;
use crate::sys::look;
use rustix::fs::{Mode, OFlags, StatVfsMountFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The root of the host that is changed.
#[derive(Debug)]
pub struct Target {
    root: OwnedFd,
    label: String,
    off_limits: Vec<Inode>,
    living: Option<LivingHost>,
}

/// An object's directory, open, and the object's name in it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) dir: OwnedFd,
    pub(super) name: Vec<u8>,
}

/// Why there is no way to an object.
#[derive(Debug)]
pub(super) enum NoSlot {
    /// A folder above it is missing.
    Missing,
    /// Something above it is a link or no folder: whoever swapped it wants us to act elsewhere.
    NotAFolder(EvidencePath),
    /// A rule forbids to go there.
    Forbidden(String),
    /// The operating system failed.
    Io(io::Error),
}

/// What was seen of an object: its state, and for a regular file the open file itself.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) state: State,
    pub(super) file: Option<File>,
    /// The folder, open, where it is one.
    pub(super) folder: Option<OwnedFd>,
    /// The content, where it was asked for and is not larger than that.
    pub(super) content: Option<Vec<u8>>,
}

impl Target {
    /// Opens the root. Symbolic links in `root` itself are followed: it is the caller's own word.
    ///
    /// # Errors
    /// When it does not exist, is no folder or may not be listed.
    pub fn open(root: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let label = escape(root.as_os_str().as_bytes());
        Ok(Self { root: rustix::fs::open(root, flags, Mode::empty())?, label, off_limits: Vec::new(), living: None })
    }

    /// The same target without the folders of these inodes and all in them: our own state folder. By inode, because a
    /// name can be taken by an intruder.
    #[must_use]
    pub fn keeping_off(mut self, inodes: impl IntoIterator<Item = Inode>) -> Self {
        self.off_limits.extend(inodes);
        self
    }

    /// The same target with what runs on it. Without, as for an image, nothing can be done to processes and services.
    #[must_use]
    pub fn running(mut self, host: LivingHost) -> Self {
        self.living = Some(host);
        self
    }

    /// What runs on it; none for an image.
    pub fn living(&self) -> Option<&LivingHost> {
        self.living.as_ref()
    }

    /// What a person calls the root.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Opens the directory of `path`, component by component, following nothing.
    pub(super) fn slot(&self, path: &EvidencePath, own: Inode) -> Result<Slot, NoSlot> {
        let Some(parent) = path.parent() else {
            return Err(NoSlot::Forbidden("the root itself is never changed".to_owned()));
        };
        let mut dir = look::open_directory(&self.root, b".").map_err(NoSlot::Io)?;
        self.check(&dir, own)?;
        let mut at = EvidencePath::root();
        for component in parent.components() {
            at = at.join(component);
            dir = match look::open_directory(&dir, component) {
                Ok(dir) => dir,
                Err(error) => {
                    return Err(match Errno::from_io_error(&error) {
                        Some(Errno::NOENT) => NoSlot::Missing,
                        Some(Errno::NOTDIR | Errno::LOOP) => NoSlot::NotAFolder(at),
                        _ => NoSlot::Io(error),
                    });
                }
            };
            self.check(&dir, own)?;
        }
        if let Some(name) = look::foreign_file_system(&dir).map_err(NoSlot::Io)? {
            return Err(NoSlot::Forbidden(format!("it lies on a {name} file system: change it where it belongs")));
        }
        let mounted = rustix::fs::fstatvfs(&dir).map_err(|error| NoSlot::Io(error.into()))?;
        if mounted.f_flag.contains(StatVfsMountFlags::RDONLY) {
            return Err(NoSlot::Forbidden("its file system is mounted read-only".to_owned()));
        }
        Ok(Slot { dir, name: path.file_name().to_vec() })
    }

    /// The names in a folder; none where there is no such folder.
    pub(super) fn list(&self, folder: &EvidencePath, own: Inode) -> Vec<Vec<u8>> {
        let slot = self.slot(&folder.join(b"."), own);
        slot.ok().and_then(|slot| look::list(look::open_directory(&slot.dir, b".").ok()?).ok()).unwrap_or_default()
    }

    fn check(&self, dir: &OwnedFd, own: Inode) -> Result<(), NoSlot> {
        let meta = look::stat_open_briefly(dir).map_err(NoSlot::Io)?;
        let inode = inode_of(&meta);
        if inode.is_some_and(|inode| inode == own || self.off_limits.contains(&inode)) {
            return Err(NoSlot::Forbidden("it belongs to this tool: its journal and vault are not changed".to_owned()));
        }
        Ok(())
    }
}

/// Device and inode, what tells two objects of one machine apart for as long as both exist.
pub(super) fn inode_of(meta: &FileMeta) -> Option<Inode> {
    Some((meta.device?, meta.inode?))
}

/// The inode of a state.
pub(super) fn inode_of_state(state: &State) -> Option<Inode> {
    match state {
        State::Present(present) => inode_of(&present.meta),
        State::Absent | State::Live(_) => None,
    }
}

impl Slot {
    /// Looks at whatever has this slot's name.
    pub(super) fn look(&self, keep: u64) -> io::Result<Sight> {
        self.look_at(&self.name, keep)
    }

    /// Looks at `name` in this slot's directory; a regular file is opened and hashed, and its content kept when it has at most
    /// `keep` bytes. Nothing else is opened.
    pub(super) fn look_at(&self, name: &[u8], keep: u64) -> io::Result<Sight> {
        let mut meta = match look::stat_at(&self.dir, name) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Sight::absent());
            }
            Err(error) => return Err(error),
        };
        let mut folder = None;
        match meta.kind {
            FileKind::File => {
                let file = look::open_file(&self.dir, name)?;
                meta = look::stat_open(&file)?;
                if !meta.is_file() {
                    return Err(io::Error::other("it was replaced while it was looked at"));
                }
                return Sight::of_file(File::from(file), meta, keep);
            }
            FileKind::Directory => {
                let opened = look::open_directory(&self.dir, name)?;
                meta = look::stat_open(&opened)?;
                folder = Some(opened);
            }
            FileKind::Symlink => {
                meta.link_target = Some(look::read_link(&self.dir, name)?);
                (meta.xattrs, meta.xattrs_omitted) = look::xattrs_at(&self.dir, name);
            }
            _ => (meta.xattrs, meta.xattrs_omitted) = look::xattrs_at(&self.dir, name),
        }
        let state = State::Present(Box::new(Present { meta, sha256: None }));
        Ok(Sight { state, file: None, folder, content: None })
    }

    /// What the directory says of itself.
    pub(super) fn parent(&self) -> io::Result<FileMeta> {
        let mut meta = look::stat_open(&self.dir)?;
        // Only times and flags are ever put back.
        meta.xattrs.clear();
        Ok(meta)
    }

    /// The inode that has `name`, without opening it.
    pub(super) fn inode_at(&self, name: &[u8]) -> io::Result<Option<Inode>> {
        match look::stat_at(&self.dir, name) {
            Ok(meta) => Ok(inode_of(&meta)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Sight {
    /// Nothing is there.
    pub(super) fn absent() -> Self {
        Self { state: State::Absent, file: None, folder: None, content: None }
    }

    /// The file or folder that was looked at, open: what happens to it happens to that inode, whatever has its name.
    pub(super) fn object(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd).or_else(|| self.folder.as_ref().map(AsFd::as_fd))
    }

    fn of_file(mut file: File, meta: FileMeta, keep: u64) -> io::Result<Self> {
        let mut hasher = Hasher::new();
        let mut content = (meta.size <= keep).then(Vec::new);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let piece = buffer.get(..count).unwrap_or_default();
            hasher.update(piece);
            if let Some(bytes) = &mut content {
                bytes.extend_from_slice(piece);
                if bytes.len() as u64 > keep {
                    content = None;
                }
            }
        }
        let now = look::stat_open_briefly(&file)?;
        if (now.size, now.mtime) != (meta.size, meta.mtime) {
            return Err(io::Error::other("it was written to while it was read"));
        }
        file.rewind()?;
        let state = State::Present(Box::new(Present { meta, sha256: Some(hasher.finish()) }));
        Ok(Self { state, file: Some(file), folder: None, content })
    }

    /// Looks at the open file once more: how it differs from what was seen, apart from its flags. An object that is no file has
    /// nothing behind its inode that could change.
    pub(super) fn differences_since(&self) -> io::Result<Vec<String>> {
        if let Some(folder) = &self.folder {
            let meta = look::stat_open(folder)?;
            let again = State::Present(Box::new(Present { meta, sha256: None }));
            let mut differences = comparable(&again).differences(&comparable(&self.state));
            differences.retain(|name| name != "inode_flags");
            return Ok(differences);
        }
        let Some(file) = &self.file else { return Ok(Vec::new()) };
        let mut file = file.try_clone()?;
        file.rewind()?;
        let meta = look::stat_open(&file)?;
        match Self::of_file(file, meta, 0) {
            Ok(again) => {
                let mut differences = comparable(&again.state).differences(&comparable(&self.state));
                differences.retain(|name| name != "inode_flags");
                Ok(differences)
            }
            Err(error) if error.kind() == io::ErrorKind::Other => Ok(vec!["sha256".to_owned()]),
            Err(error) => Err(error),
        }
    }
}

/// The state in the terms in which two looks at one object are held against each other: attributes that sign a particular inode are
/// left out.
pub(super) fn comparable(state: &State) -> State {
    let mut state = state.clone();
    if let State::Present(present) = &mut state {
        for signature in ["security.ima", "security.evm"] {
            present.meta.xattrs.remove(signature);
        }
    }
    state
}
