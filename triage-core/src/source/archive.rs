//! Somebody else's archive as evidence: a tar (plain, gzip, xz, zstd) or zip of a host's files, by hand or by another collector.
//!
//! It reads a container and gives what is in it as if it lay in a root. Names are judged here: those that leave the root are
//! refused and told, of those that repeat the first counts and the others are told, because readers differ in which they take
//! and an intruder can use that. Links are told and never followed; nothing is unpacked.

mod bodyfile;
mod layout;
mod listing;
mod report;
mod runs;

pub use layout::Layout;

use super::container::Open;
use super::{
    Container, ContainerError, ContainerFormat, Content, Entry, Handover, Identities, Item, Kept, Opened, Opener,
    ReadError, Selection, Source, SourceError, SourceKind, ZipMember,
};
use crate::model::{Digest, EvidencePath, FileKind, FileMeta, Gap, GapReason, Mode, RawText, Timestamp, escape};
use listing::Lister;
use runs::Run;
use std::collections::HashSet;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many times its own length a compressed tar is decoded to read single files out of it.
const MAX_REREADS: u64 = 50;

/// An archive that another tool made.
pub struct ArchiveSource {
    container: Container,
    label: String,
    listing: Vec<Listed>,
    /// Positions in the listing, sorted by path.
    by_path: Vec<usize>,
    gaps: Vec<Gap>,
    layout: Layout,
    notes: Vec<String>,
    /// Length of the uncompressed tar, as far as it goes.
    length: u64,
    reread: Arc<AtomicU64>,
}

/// What is kept of one entry.
#[derive(Clone)]
struct Listed {
    path: EvidencePath,
    /// Its number among all entries.
    ordinal: u64,
    kind: FileKind,
    mode: Mode,
    uid: u32,
    gid: u32,
    size: u64,
    mtime: Option<Timestamp>,
    link_target: Option<RawText>,
    /// What the collector's own records say of it.
    told: Option<Box<bodyfile::Line>>,
    place: Place,
}

/// Where the content of an entry is found again.
#[derive(Clone)]
enum Place {
    None,
    Tar(u64),
    Zip(ZipMember),
    /// A zip's member with holes to be filled.
    Sparse(ZipMember, Arc<Vec<Run>>),
    /// It can be read only as it passes.
    Passing,
    Unreadable(String),
}

impl Listed {
    fn meta(&self) -> FileMeta {
        let mut meta = FileMeta::bare(self.kind, self.mode, self.size);
        (meta.uid, meta.gid, meta.mtime) = (self.uid, self.gid, self.mtime);
        meta.link_target.clone_from(&self.link_target);
        if let Some(told) = &self.told {
            (meta.inode, meta.atime, meta.ctime, meta.btime) = (Some(told.inode), told.atime, told.ctime, told.btime);
        }
        meta
    }
}

impl ArchiveSource {
    /// Opens an archive and lists it.
    ///
    /// What made it is told by how it is arranged ([`Layout`]); the folder that has the host's root is taken off the names.
    ///
    /// # Errors
    /// When it cannot be read, or is no archive. One that is damaged is listed as far as it goes; the walk tells.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        Self::open_with(path, &Identities::default())
    }

    /// Opens an archive that may be inside an age file.
    ///
    /// # Errors
    /// As [`ArchiveSource::open`].
    pub fn open_with(path: &Path, identities: &Identities) -> Result<Self, SourceError> {
        let container = Container::open_hashed(path, identities).map_err(source_error)?;
        if container.format() == ContainerFormat::Directory {
            let what = escape(path.as_os_str().as_bytes());
            return Err(SourceError::Unsupported { what, detail: "a folder and no archive".to_owned() });
        }
        Self::list(container, false)
    }

    /// One layer of a container image.
    pub(super) fn layer(container: Container) -> Result<Self, SourceError> {
        Self::list(container, true)
    }

    fn list(container: Container, is_layer: bool) -> Result<Self, SourceError> {
        let label = escape(container.path().as_os_str().as_bytes());
        let mut lister = Lister::default();
        let ended = container.list(&mut |entry| {
            lister.add(entry, &container);
            ControlFlow::Continue(())
        });
        match ended {
            Ok(()) => {}
            Err(error @ (ContainerError::Damaged { .. } | ContainerError::LimitReached { .. })) => {
                lister.gap(EvidencePath::root(), GapReason::Damaged, error.to_string());
            }
            Err(error) => return Err(source_error(error)),
        }
        Ok(lister.finish(container, label, is_layer))
    }

    /// What made it.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// SHA-256 of its file: of what was read to list it, and of the rest, if there is one.
    ///
    /// # Errors
    /// When the rest cannot be read.
    pub fn sha256(&self) -> io::Result<Option<Digest>> {
        self.container.sha256()
    }

    pub(super) fn container(&self) -> &Container {
        &self.container
    }

    /// The paths that it has, with their types, in its order.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&EvidencePath, FileKind)> {
        self.listing.iter().map(|listed| (&listed.path, listed.kind))
    }

    /// Where a file lies in a plain tar: its first byte and its size.
    pub(super) fn extent(&self, path: &EvidencePath) -> Option<(u64, u64)> {
        match self.find(path)? {
            Listed { place: Place::Tar(start), size, .. } => Some((*start, *size)),
            _ => None,
        }
    }

    /// Takes everything out that `hides` says; for the layers of an image, which hide parts of those beneath them.
    pub(super) fn hide(&mut self, hides: &dyn Fn(&EvidencePath) -> bool) {
        self.listing.retain(|listed| !hides(&listed.path));
        self.by_path = listing::sorted(&self.listing);
    }

    /// Gives folders the metadata that a higher layer has of them, which then need not give them again.
    pub(super) fn take_folders(&mut self, above: &mut Self) {
        let mut merged = HashSet::new();
        for listed in above.listing.iter().filter(|listed| listed.kind == FileKind::Directory) {
            let at = self.position(&listed.path);
            let Some(below) = at.and_then(|at| self.listing.get_mut(at)) else { continue };
            if below.kind == FileKind::Directory {
                (below.mode, below.uid, below.gid, below.mtime) = (listed.mode, listed.uid, listed.gid, listed.mtime);
                merged.insert(listed.path.clone());
            }
        }
        above.hide(&|path| merged.contains(path));
    }

    fn position(&self, path: &EvidencePath) -> Option<usize> {
        let at = self.by_path.binary_search_by(|&at| self.listing.get(at).map(|listed| &listed.path).cmp(&Some(path)));
        self.by_path.get(at.ok()?).copied()
    }

    fn find(&self, path: &EvidencePath) -> Option<&Listed> {
        self.position(path).and_then(|at| self.listing.get(at))
    }

    /// Says whether something lies beneath this path.
    fn is_parent(&self, path: &EvidencePath) -> bool {
        let beneath = path.join(b"");
        let at = self.by_path.partition_point(|&at| self.listing.get(at).is_some_and(|listed| listed.path < beneath));
        self.by_path
            .get(at)
            .and_then(|&at| self.listing.get(at))
            .is_some_and(|listed| listed.path != *path && listed.path.starts_with(path))
    }

    fn opener(&self, listed: &Listed) -> Reader {
        Reader {
            container: self.container.clone(),
            place: listed.place.clone(),
            size: listed.size,
            length: self.length,
            reread: Arc::clone(&self.reread),
        }
    }

    fn entry(listed: &Listed, open: Option<Open>) -> Item {
        let meta = listed.meta();
        let content = open.map(|open| -> Opener {
            let (meta, size) = (meta.clone(), listed.size);
            Box::new(move || {
                let reader: Box<dyn Content> = Box::new(Exact { inner: open()?, left: size });
                Ok(Opened { meta, reader })
            })
        });
        Item::Entry(Entry { path: listed.path.clone(), meta, content })
    }

    /// Gives everything by the listing; each content is opened at its place.
    fn walk_listing(&self, selection: &Selection, sink: &mut dyn FnMut(Item) -> ControlFlow<()>) -> ControlFlow<()> {
        for listed in self.listing.iter().filter(|listed| selection.selects(&listed.path)) {
            let reader = self.opener(listed);
            let open = (listed.kind == FileKind::File).then(|| Box::new(move || reader.open()) as Open);
            sink(unreadable(listed).unwrap_or_else(|| Self::entry(listed, open)))?;
        }
        ControlFlow::Continue(())
    }

    /// Gives everything as the stream passes.
    fn walk_stream(
        &self,
        selection: &Selection,
        sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, SourceError> {
        let wanted: Vec<bool> = self.listing.iter().map(|listed| selection.selects(&listed.path)).collect();
        let position_of = |ordinal: u64| self.listing.binary_search_by_key(&ordinal, |listed| listed.ordinal).ok();
        let is_wanted = |ordinal: u64| position_of(ordinal).filter(|&at| wanted.get(at) == Some(&true));
        let decoded = AtomicU64::new(0);
        let mut given = 0;
        let mut handover = Handover::default();
        let mut flow = ControlFlow::Continue(());
        let ended = self.container.for_each_where(
            &|entry| is_wanted(decoded.fetch_add(1, Ordering::Relaxed)).is_some() && entry.hard_link.is_none(),
            &mut |entry, body| {
                let ordinal = given;
                given += 1;
                let Some(listed) = is_wanted(ordinal).and_then(|at| self.listing.get(at)) else {
                    return ControlFlow::Continue(());
                };
                flow = if let Some(item) = unreadable(listed) {
                    sink(item)
                } else if listed.kind != FileKind::File {
                    sink(Self::entry(listed, None))
                } else if entry.hard_link.is_some() {
                    let reader = self.opener(listed);
                    sink(Self::entry(listed, Some(Box::new(move || reader.open()))))
                } else {
                    let reader = self.opener(listed);
                    let reopen = Box::new(move || reader.clone().open());
                    handover.give(listed.size, body, reopen, &mut |open| sink(Self::entry(listed, Some(open))))
                };
                flow
            },
        );
        match ended {
            // The listing met the same damage and has told of it.
            Ok(()) | Err(ContainerError::Damaged { .. } | ContainerError::LimitReached { .. }) => Ok(flow),
            Err(error) => Err(source_error(error)),
        }
    }
}

/// A file whose content this version cannot read is an entry whose opening says so.
fn unreadable(listed: &Listed) -> Option<Item> {
    let Place::Unreadable(why) = &listed.place else { return None };
    let (why, meta) = (why.clone(), listed.meta());
    let content: Opener = Box::new(move || Err(ReadError::new(GapReason::Unsupported, why)));
    Some(Item::Entry(Entry { path: listed.path.clone(), meta, content: Some(content) }))
}

fn source_error(error: ContainerError) -> SourceError {
    match error {
        ContainerError::Io { doing, what, source } => SourceError::Io { doing, what, source },
        ContainerError::Unsupported { what, detail } | ContainerError::Sealed { what, detail } => {
            SourceError::Unsupported { what, detail }
        }
        ContainerError::Damaged { what, detail, .. } | ContainerError::LimitReached { what, detail, .. } => {
            SourceError::Damaged { what, detail }
        }
    }
}

/// Opens one content by its place, within the bound on decoding a compressed tar again and again.
#[derive(Clone)]
struct Reader {
    container: Container,
    place: Place,
    size: u64,
    length: u64,
    reread: Arc<AtomicU64>,
}

impl Reader {
    fn open(self) -> io::Result<Box<dyn Read + Send>> {
        match &self.place {
            Place::None => Ok(Box::new(io::empty())),
            Place::Zip(member) => match self.container.backing() {
                Some(backing) => member.open(backing),
                None => Err(io::ErrorKind::NotFound.into()),
            },
            Place::Sparse(member, runs) => match self.container.backing() {
                Some(backing) => Ok(Box::new(runs::Filled::new(member.open(backing)?, runs.to_vec()))),
                None => Err(io::ErrorKind::NotFound.into()),
            },
            Place::Tar(start) => {
                if self.container.is_compressed() {
                    let total = self.reread.fetch_add(start.saturating_add(self.size), Ordering::Relaxed);
                    if total > self.length.saturating_mul(MAX_REREADS) {
                        return Err(io::Error::other("the archive was decoded too often to find single files in it"));
                    }
                }
                self.container.tar_content(*start, self.size)
            }
            Place::Passing => Err(io::Error::other("a sparse file can only be read as the archive passes")),
            Place::Unreadable(why) => Err(io::Error::other(why.clone())),
        }
    }
}

/// Content that has to have its stated length: what ends early is damaged and not short.
struct Exact {
    inner: Box<dyn Read + Send>,
    left: u64,
}

impl Read for Exact {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is damaged here"));
        }
        self.left = self.left.saturating_sub(u64::try_from(read).unwrap_or(0));
        Ok(read)
    }
}

impl Content for Exact {}

impl Source for ArchiveSource {
    fn kind(&self) -> SourceKind {
        match self.layout {
            Layout::Plain | Layout::FreepbxBackup | Layout::Layer => SourceKind::Archive,
            _ => SourceKind::Collection,
        }
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn kept(&self) -> Kept {
        let is_zip = self.container.format() == ContainerFormat::Zip;
        let is_made_up = self.layout == Layout::Acquire;
        Kept { modes: !is_made_up && !is_zip, owners: !is_made_up && !is_zip, mtimes: !is_zip, attributes: false }
    }

    fn label(&self) -> String {
        self.label.clone()
    }

    fn walk(&self, selection: &Selection, sink: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), SourceError> {
        let is_compressed = self.container.is_compressed();
        // A sparse file can only be read as it passes, and only the stream passes it.
        let has_sparse = self.listing.iter().any(|listed| matches!(listed.place, Place::Passing));
        let flow = if is_compressed || has_sparse {
            self.walk_stream(selection, sink)?
        } else {
            self.walk_listing(selection, sink)
        };
        if flow.is_continue() {
            let concerns =
                |path: &EvidencePath| path.is_root() || selection.selects(path) || selection.reaches_into(path);
            for gap in self.gaps.iter().filter(|gap| concerns(&gap.path)) {
                if sink(Item::Gap(gap.clone())).is_break() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn metadata(&self, path: &EvidencePath) -> Result<Option<FileMeta>, SourceError> {
        if let Some(listed) = self.find(path) {
            return Ok(Some(listed.meta()));
        }
        // Many archives have no entries for folders; that there is one can still be told.
        let is_folder = path.is_root() || self.is_parent(path);
        Ok(is_folder.then(|| FileMeta::bare(FileKind::Directory, Mode::new(0o755), 0)))
    }

    fn open(&self, path: &EvidencePath) -> Result<Option<Opened>, SourceError> {
        let Some(listed) = self.find(path).filter(|listed| listed.kind == FileKind::File) else { return Ok(None) };
        if let Place::Unreadable(why) = &listed.place {
            return Err(SourceError::Unsupported { what: path.to_string(), detail: why.clone() });
        }
        let inner = self.opener(listed).open().map_err(|source| SourceError::Io {
            doing: "opening",
            what: path.to_string(),
            source,
        })?;
        Ok(Some(Opened { meta: listed.meta(), reader: Box::new(Exact { inner, left: listed.size }) }))
    }
}

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod collections;
#[cfg(test)]
mod tests;
