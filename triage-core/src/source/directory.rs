//! A folder of this machine as evidence: the live root, a mounted image, a subtree.
//!
//! It goes down by directory descriptors and one name at a time, never by path: a directory that is swapped for a symbolic link
//! while we walk cannot lead us out. Links are told, not followed; FIFOs, sockets and devices are told, not opened.

use super::mounted::Mounted;
use super::selection::Cursor;
use super::{Content, Entry, Item, Opened, Reach, ReadError, Selection, Source, SourceError, SourceKind};
use crate::model::{EvidencePath, FileKind, FileMeta, Gap, GapReason, escape};
use crate::sys::{look, mounts};
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// How many ancestors of the current directory are kept open. A tree can be deeper than the limit on open files; those above are
/// closed and found again by their path and inode number.
const OPEN_ANCESTORS: usize = 128;

/// How many files of ours are told of by name.
const OURS: usize = 1_000;

/// A file system object's identity on this machine: device and inode number.
pub type Inode = (u64, u64);

/// A folder of this machine.
pub struct DirectorySource {
    root: Arc<OwnedFd>,
    kind: SourceKind,
    label: String,
    left_out: RwLock<Vec<Inode>>,
    met_ours: Mutex<Vec<(EvidencePath, Inode)>>,
    mounted: Mounted,
    /// Access times that had been moved in this process before.
    moved_before: u64,
}

impl DirectorySource {
    /// Opens the folder that is the evidence's root. Symbolic links in `path` itself are followed: it is the caller's own word.
    ///
    /// # Errors
    /// When it does not exist, is no folder or may not be listed.
    pub fn open(path: &Path, kind: SourceKind) -> Result<Self, SourceError> {
        let label = escape(path.as_os_str().as_bytes());
        let fail = |source: io::Error| SourceError::Io { doing: "opening the folder", what: label.clone(), source };
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, rustix::fs::Mode::empty()).map_err(|e| fail(e.into()))?;
        // Mounts are known by their paths without links.
        let real = std::fs::canonicalize(path).map_err(fail)?;
        let mounted = Mounted::beneath(&real, mounts::mounts());
        mounted.mind_root(&root);
        Ok(Self {
            root: Arc::new(root),
            kind,
            label,
            left_out: RwLock::default(),
            met_ours: Mutex::default(),
            mounted,
            moved_before: look::access_times_moved(),
        })
    }

    /// The same source with what other machines' file systems hold, where such are mounted in it.
    #[must_use]
    pub fn with_network_mounts(mut self, goes: bool) -> Self {
        self.mounted.go_to_network(goes);
        self
    }

    /// The same source under the name that a person gave to the part of it that is looked at.
    #[must_use]
    pub fn called(mut self, label: String) -> Self {
        self.label = label;
        self
    }

    /// The open root.
    pub fn root(&self) -> &OwnedFd {
        &self.root
    }

    fn is_left_out(&self, path: &EvidencePath, meta: &FileMeta) -> bool {
        let left_out = self.left_out.read().unwrap_or_else(PoisonError::into_inner);
        let Some(inode) = inode_of(meta).filter(|inode| left_out.contains(inode)) else { return false };
        let mut met = self.met_ours.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = (path.clone(), inode);
        if met.len() < OURS && !met.contains(&ours) {
            met.push(ours);
        }
        true
    }

    /// The directory that holds `path`; `None` where there is none or a component is a link.
    fn parent_of(&self, path: &EvidencePath) -> Result<Option<OwnedFd>, SourceError> {
        let parent = path.parent().unwrap_or_else(EvidencePath::root);
        match look::open_directory_beneath(&self.root, parent.relative()) {
            Ok(directory) => Ok(Some(directory)),
            Err(error) if is_not_there(&error) => Ok(None),
            Err(source) => Err(SourceError::Io { doing: "opening the folder", what: parent.to_string(), source }),
        }
    }
}

fn inode_of(meta: &FileMeta) -> Option<Inode> {
    Some((meta.device?, meta.inode?))
}

fn is_not_there(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

impl Source for DirectorySource {
    fn kind(&self) -> SourceKind {
        self.kind
    }

    fn label(&self) -> String {
        self.label.clone()
    }

    fn leave_out(&self, inode: Inode) {
        self.left_out.write().unwrap_or_else(PoisonError::into_inner).push(inode);
    }

    fn may_hang(&self, meta: &FileMeta) -> bool {
        self.mounted.is_slow(meta.device)
    }

    fn reach(&self) -> Reach {
        Reach {
            mounts: self.mounted.notes(),
            left_out: self.met_ours.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            access_times_moved: look::access_times_moved().saturating_sub(self.moved_before),
        }
    }

    fn walk(&self, selection: &Selection, sink: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), SourceError> {
        let mut walk = Walk { source: self, selection, frames: Vec::new(), sink };
        let root = look::open_directory(&self.root, b".");
        let root = root.map_err(|source| SourceError::Io { doing: "listing", what: self.label.clone(), source })?;
        let mut next = walk.arrive(&Arc::new(root), EvidencePath::root(), &selection.cursor(), None);
        while next.is_continue() {
            let Some(frame) = walk.frames.last_mut() else { break };
            next = if let Some((name, cursor)) = frame.pending.pop() {
                walk.go_down(&name, &cursor)
            } else {
                walk.frames.pop();
                ControlFlow::Continue(())
            };
        }
        Ok(())
    }

    fn metadata(&self, path: &EvidencePath) -> Result<Option<FileMeta>, SourceError> {
        let fail = |source| SourceError::Io { doing: "looking at", what: path.to_string(), source };
        if path.is_root() {
            return look::stat_open(&self.root).map(Some).map_err(fail);
        }
        let Some(parent) = self.parent_of(path)? else { return Ok(None) };
        let name = path.file_name();
        let mut meta = match look::stat_at(&parent, name) {
            Ok(meta) => meta,
            Err(error) if is_not_there(&error) => return Ok(None),
            Err(error) => return Err(fail(error)),
        };
        match meta.kind {
            FileKind::File => {
                let file = look::open_file(&parent, name).map_err(fail)?;
                meta = look::stat_open(&file).map_err(fail)?;
            }
            FileKind::Directory => {
                let directory = look::open_directory(&parent, name).map_err(fail)?;
                meta = look::stat_open(directory).map_err(fail)?;
            }
            FileKind::Symlink => {
                meta.link_target = Some(look::read_link(&parent, name).map_err(fail)?);
                (meta.xattrs, meta.xattrs_omitted) = look::xattrs_at(&parent, name);
            }
            _ => (meta.xattrs, meta.xattrs_omitted) = look::xattrs_at(&parent, name),
        }
        Ok(Some(meta))
    }

    fn open(&self, path: &EvidencePath) -> Result<Option<Opened>, SourceError> {
        let Some(parent) = self.parent_of(path)? else { return Ok(None) };
        let fail = |detail: ReadError| SourceError::Io {
            doing: "opening",
            what: path.to_string(),
            source: io::Error::other(detail),
        };
        match look::stat_at(&parent, path.file_name()) {
            Ok(meta) if meta.is_file() => open_content(&parent, path.file_name()).map(Some).map_err(fail),
            Ok(_) => Ok(None),
            Err(error) if is_not_there(&error) => Ok(None),
            Err(error) => Err(fail(error.into())),
        }
    }
}

/// A directory on the way down: what is still to be visited in it, last first.
struct Frame<'s> {
    directory: Option<Arc<OwnedFd>>,
    inode: Option<Inode>,
    device: Option<u64>,
    path: EvidencePath,
    pending: Vec<(Vec<u8>, Cursor<'s>)>,
}

struct Walk<'s, 'w> {
    source: &'w DirectorySource,
    selection: &'s Selection,
    frames: Vec<Frame<'s>>,
    sink: &'w mut dyn FnMut(Item) -> ControlFlow<()>,
}

impl<'s> Walk<'s, '_> {
    fn gap(&mut self, path: EvidencePath, error: impl Into<ReadError>) -> ControlFlow<()> {
        let error = error.into();
        (self.sink)(Item::Gap(Gap::new(path, error.reason, error.detail)))
    }

    /// Opens `name` in the innermost frame's directory and lists it.
    fn go_down(&mut self, name: &[u8], cursor: &Cursor<'s>) -> ControlFlow<()> {
        let Some((path, device)) = self.frames.last().map(|frame| (frame.path.join(name), frame.device)) else {
            return ControlFlow::Continue(());
        };
        match self.innermost().and_then(|parent| look::open_directory(&parent, name)) {
            Ok(directory) => self.arrive(&Arc::new(directory), path, cursor, device),
            Err(error) => self.gap(path, error),
        }
    }

    /// The innermost frame's directory, opened again if it had been closed.
    fn innermost(&mut self) -> io::Result<Arc<OwnedFd>> {
        let Some(frame) = self.frames.last_mut() else { return Err(io::ErrorKind::NotFound.into()) };
        if let Some(directory) = &frame.directory {
            return Ok(Arc::clone(directory));
        }
        let directory = look::open_directory_beneath(&self.source.root, frame.path.relative())?;
        if inode_of(&look::stat_open_briefly(&directory)?) != frame.inode {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the folder was replaced during the walk"));
        }
        let directory = Arc::new(directory);
        frame.directory = Some(Arc::clone(&directory));
        Ok(directory)
    }

    /// Tells of an open directory and what is in it, and makes it the innermost frame.
    fn arrive(
        &mut self,
        directory: &Arc<OwnedFd>,
        path: EvidencePath,
        cursor: &Cursor<'s>,
        parent_device: Option<u64>,
    ) -> ControlFlow<()> {
        let meta = match look::stat_open(directory) {
            Ok(meta) => meta,
            Err(error) => return self.gap(path, error),
        };
        if self.source.is_left_out(&path, &meta) {
            return self.gap(path, ReadError::new(GapReason::Omitted, "belongs to this tool"));
        }
        if let Some(root) = parent_device.map(|_| &self.source.root)
            && let Some(origin) =
                self.source.mounted.read_elsewhere(root, self.selection, &path, cursor, inode_of(&meta))
        {
            tracing::info!(%path, %origin, "mounted twice");
            return ControlFlow::Continue(());
        }
        if parent_device.is_some() && (parent_device != meta.device || self.source.mounted.is_mount(&path)) {
            match self.source.mounted.entered(directory, &path, meta.device) {
                Ok(None) => {}
                Ok(Some(why)) => return self.gap(path, ReadError::new(GapReason::OtherFileSystem, why)),
                Err(error) => return self.gap(path, error),
            }
        }
        let frame = Frame {
            directory: Some(Arc::clone(directory)),
            inode: inode_of(&meta),
            device: meta.device,
            path: path.clone(),
            pending: Vec::new(),
        };
        if cursor.selects() {
            (self.sink)(Item::Entry(Entry { path: path.clone(), meta, content: None }))?;
        }
        if !cursor.continues() {
            return ControlFlow::Continue(());
        }
        let names = match look::list(directory) {
            Ok(names) => names,
            Err(error) => return self.gap(path, error),
        };
        self.frames.push(frame);
        if let Some(far) = self.frames.len().checked_sub(OPEN_ANCESTORS).and_then(|n| self.frames.get_mut(n)) {
            far.directory = None;
        }
        let mut below = Vec::new();
        for name in names {
            let place = cursor.enter(&name);
            if place.selects() || place.continues() {
                self.meet(directory, &path, name, place, &mut below)?;
            }
        }
        below.reverse();
        if let Some(frame) = self.frames.last_mut() {
            frame.pending = below;
        }
        ControlFlow::Continue(())
    }

    /// Tells of one name in an open directory; a directory is put off until the files are done.
    fn meet(
        &mut self,
        directory: &Arc<OwnedFd>,
        parent: &EvidencePath,
        name: Vec<u8>,
        place: Cursor<'s>,
        below: &mut Vec<(Vec<u8>, Cursor<'s>)>,
    ) -> ControlFlow<()> {
        let path = parent.join(&name);
        let mounted = &self.source.mounted;
        let closed = mounted.closed(&path).or_else(|| mounted.does_not_answer(directory, &name, &path));
        if let Some(why) = closed {
            return self.gap(path, ReadError::new(GapReason::OtherFileSystem, why));
        }
        let mut meta = match look::stat_at(directory, &name) {
            Ok(meta) => meta,
            Err(error) => return self.gap(path, error),
        };
        if meta.kind == FileKind::Directory {
            below.push((name, place));
            return ControlFlow::Continue(());
        }
        if !place.selects() {
            return ControlFlow::Continue(());
        }
        if self.source.is_left_out(&path, &meta) {
            return self.gap(path, ReadError::new(GapReason::Omitted, "belongs to this tool"));
        }
        if meta.kind == FileKind::Symlink {
            match look::read_link(directory, &name) {
                Ok(target) => meta.link_target = Some(target),
                Err(error) => return self.gap(path, error),
            }
        }
        // A regular file's are read from the open file.
        if !meta.is_file() {
            (meta.xattrs, meta.xattrs_omitted) = look::xattrs_at(directory, &name);
        }
        let content = meta.is_file().then(|| {
            let directory = Arc::clone(directory);
            Box::new(move || open_content(&directory, &name)) as super::Opener
        });
        (self.sink)(Item::Entry(Entry { path, meta, content }))
    }
}

/// Opens `name` and makes sure, on the open file, that it is a regular one.
fn open_content(directory: &OwnedFd, name: &[u8]) -> Result<Opened, ReadError> {
    let file = look::open_file(directory, name)?;
    let meta = look::stat_open(&file)?;
    if !meta.is_file() {
        let detail = format!("became a {} after it was listed", meta.kind.as_str());
        return Err(ReadError::new(GapReason::NotRegular, detail));
    }
    let reader = OpenFile { size: meta.size, mtime: meta.mtime, file: File::from(file) };
    Ok(Opened { meta, reader: Box::new(reader) })
}

struct OpenFile {
    file: File,
    size: u64,
    mtime: Option<crate::model::Timestamp>,
}

impl Read for OpenFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Content for OpenFile {
    fn changed(&self) -> Option<String> {
        let now = look::stat_open_briefly(&self.file).ok()?;
        if now.size != self.size {
            return Some(format!("its size went from {} to {} bytes while it was read", self.size, now.size));
        }
        (now.mtime != self.mtime).then(|| "it was written to while it was read".to_owned())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::source::Pattern;
    use rustix::fs::{CWD, FileType, Mode};
    use std::ffi::OsStr;
    use std::fs;

    fn walk(root: &Path, selection: &Selection) -> (Vec<String>, Vec<Gap>) {
        let source = DirectorySource::open(root, SourceKind::Root).unwrap();
        let (mut paths, mut gaps) = (Vec::new(), Vec::new());
        source
            .walk(selection, &mut |item| {
                match item {
                    Item::Entry(entry) => paths.push(entry.path.to_string()),
                    Item::Gap(gap) => gaps.push(gap),
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        (paths, gaps)
    }

    #[test]
    fn hostile_names_are_all_seen_and_nothing_is_followed() {
        let root = tempfile::tempdir().unwrap();
        let log = root.path().join("var/log");
        fs::create_dir_all(&log).unwrap();
        let names: [&[u8]; 8] =
            [b"plain", b"with space", b" lead", b"back\\slash", b"new\nline", b"bad\xff.log", b"\"", b"uac-1.2.3.log"];
        for name in names {
            fs::write(log.join(OsStr::from_bytes(name)), b"x").unwrap();
        }
        std::os::unix::fs::symlink("/etc", log.join("out")).unwrap();
        std::os::unix::fs::symlink(".", log.join("loop")).unwrap();
        rustix::fs::mknodat(CWD, log.join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        let (paths, gaps) = walk(root.path(), &Selection::everything());
        assert_eq!(paths.len(), 3 + names.len() + 3, "{paths:?}");
        assert!(paths.contains(&"/var/log/new\\nline".to_owned()));
        assert!(gaps.is_empty(), "{gaps:?}");
    }

    #[test]
    fn a_tree_deeper_than_the_open_file_limit_and_than_any_path_is_walked_and_comes_back_up() {
        let root = tempfile::tempdir().unwrap();
        let mut directory = rustix::fs::open(root.path(), rustix::fs::OFlags::DIRECTORY, Mode::empty()).unwrap();
        let depth = 2300;
        for _ in 0..depth {
            rustix::fs::mkdirat(&directory, "d", Mode::RWXU).unwrap();
            rustix::fs::mkdirat(&directory, "e", Mode::RWXU).unwrap();
            directory = look::open_directory(&directory, b"d").unwrap();
        }
        let (paths, gaps) = walk(root.path(), &Selection::everything());
        assert!(gaps.is_empty(), "{:?}", gaps.first());
        assert_eq!(paths.len(), 1 + 2 * depth);
        // The standard library cannot remove what no path reaches in one go on every version; go bottom up.
        remove_deep(root.path());
    }

    fn remove_deep(root: &Path) {
        let status = std::process::Command::new("rm").arg("-rf").arg(root).status().unwrap();
        assert!(status.success());
    }

    #[test]
    fn symlink_swapped_in_after_listing_is_not_opened() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("f");
        fs::write(&file, b"x").unwrap();
        let source = DirectorySource::open(root.path(), SourceKind::Root).unwrap();
        let mut opener = None;
        source
            .walk(&Selection::everything(), &mut |item| {
                if let Item::Entry(Entry { content: Some(open), .. }) = item {
                    opener = Some(open);
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
        assert!(opener.unwrap()().is_err());
    }

    #[test]
    fn fifo_in_place_of_a_file_does_not_hang() {
        let root = tempfile::tempdir().unwrap();
        rustix::fs::mknodat(CWD, root.path().join("p"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        let source = DirectorySource::open(root.path(), SourceKind::Root).unwrap();
        assert!(source.open(&EvidencePath::new("/p").unwrap()).unwrap().is_none());
        assert!(matches!(open_content(&source.root, b"p"), Err(error) if error.reason == GapReason::NotRegular));
    }

    #[test]
    fn a_link_on_the_way_to_a_named_file_is_not_followed() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", root.path().join("etc")).unwrap();
        let source = DirectorySource::open(root.path(), SourceKind::Root).unwrap();
        assert!(source.metadata(&EvidencePath::new("/etc/passwd").unwrap()).unwrap().is_none());
    }

    #[test]
    fn only_what_is_selected_is_given_and_our_own_files_are_left_out_by_inode() {
        let root = tempfile::tempdir().unwrap();
        for file in ["var/www/a.php", "var/lib/x", "var/www/ours/state"] {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, b"x").unwrap();
        }
        let ours = look::stat_open(fs::File::open(root.path().join("var/www/ours")).unwrap()).unwrap();
        let source = DirectorySource::open(root.path(), SourceKind::Root).unwrap();
        source.leave_out(inode_of(&ours).unwrap());
        let selection = Selection::new(vec![Pattern::new("/var/www/**").unwrap()], Vec::new());
        let mut seen = Vec::new();
        source
            .walk(&selection, &mut |item| {
                seen.push(match item {
                    Item::Entry(entry) => entry.path.to_string(),
                    Item::Gap(gap) => gap.to_string(),
                });
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(seen, ["/var/www", "/var/www/a.php", "/var/www/ours: omitted: belongs to this tool"]);
    }
}
