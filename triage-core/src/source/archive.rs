//! Somebody else's archive as evidence: a tar (plain, gzip, zstd) or zip of a host's files.
//!
//! It reads a container and gives what is in it as if it lay in a root. Names are judged here: those that leave the root are
//! refused and told, of those that repeat the first counts and the others are told, because readers differ in which they take
//! and an intruder can use that. Links are told and never followed; nothing is unpacked.

use super::container::Open;
use super::{
    Container, ContainerEntry, ContainerError, ContainerFormat, Content, Entry, Handover, Item, Opened, Opener,
    ReadError, Selection, Source, SourceError, SourceKind, ZipMember,
};
use crate::model::{EvidencePath, FileKind, FileMeta, Gap, GapReason, Mode, RawText, Timestamp, escape};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Folders that other collectors put a host's root into: UAC, acquire, Velociraptor, debootstrap's habit.
const KNOWN_ROOTS: [&[u8]; 7] = [b"[root]", b"rootfs", b"fs", b"$rootfs$", b"uploads/auto", b"uploads/file", b"root"];
/// Longest target of a symbolic link that a zip keeps as content (`PATH_MAX`).
const MAX_LINK: u64 = 4096;
/// How many gaps of one archive are told one by one.
const MAX_GAPS: usize = 10_000;
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
    /// Length of the uncompressed tar, as far as it goes.
    length: u64,
    reread: Arc<AtomicU64>,
}

/// What is kept of one entry.
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
    place: Place,
}

/// Where the content of an entry is found again.
#[derive(Clone)]
enum Place {
    None,
    Tar(u64),
    Zip(ZipMember),
    /// It can be read only as it passes.
    Passing,
    Unreadable(String),
}

impl Listed {
    fn meta(&self) -> FileMeta {
        let mut meta = FileMeta::bare(self.kind, self.mode, self.size);
        (meta.uid, meta.gid, meta.mtime) = (self.uid, self.gid, self.mtime);
        meta.link_target.clone_from(&self.link_target);
        meta
    }
}

impl ArchiveSource {
    /// Opens an archive and lists it.
    ///
    /// A folder that everything lies in, or one that a known collector makes, is taken for the root when it has `etc/` and the
    /// archive itself has none.
    ///
    /// # Errors
    /// When it cannot be read, or is no archive. One that is damaged is listed as far as it goes; the walk tells.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let label = escape(path.as_os_str().as_bytes());
        let container = Container::open(path).map_err(source_error)?;
        if container.format() == ContainerFormat::Directory {
            return Err(SourceError::Unsupported { what: label, detail: "a folder and no archive".to_owned() });
        }
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
        Ok(lister.finish(container, label))
    }

    fn find(&self, path: &EvidencePath) -> Option<&Listed> {
        let at = self.by_path.binary_search_by(|&at| self.listing.get(at).map(|listed| &listed.path).cmp(&Some(path)));
        self.by_path.get(at.ok()?).and_then(|&at| self.listing.get(at))
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
        ContainerError::Unsupported { what, detail } => SourceError::Unsupported { what, detail },
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
            Place::Tar(start) => {
                if self.container.format() != ContainerFormat::Tar {
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
        SourceKind::Archive
    }

    fn label(&self) -> String {
        self.label.clone()
    }

    fn walk(&self, selection: &Selection, sink: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), SourceError> {
        let is_compressed = matches!(self.container.format(), ContainerFormat::TarGz | ContainerFormat::TarZst);
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

/// Turns entries into a listing.
#[derive(Default)]
struct Lister {
    listing: Vec<Listed>,
    gaps: Vec<Gap>,
    more_gaps: u64,
    /// Hard links and the path that each points to, by position in the listing.
    hard_links: Vec<(usize, EvidencePath)>,
    ordinal: u64,
    length: u64,
}

impl Lister {
    fn gap(&mut self, path: EvidencePath, reason: GapReason, detail: impl Into<String>) {
        if self.gaps.len() < MAX_GAPS {
            self.gaps.push(Gap::new(path, reason, detail));
        } else {
            self.more_gaps += 1;
        }
    }

    fn add(&mut self, entry: ContainerEntry, container: &Container) {
        let ordinal = self.ordinal;
        self.ordinal += 1;
        self.length = self.length.max(entry.range.end);
        let path = match EvidencePath::new(&entry.name) {
            Ok(path) => path,
            Err(error) => {
                let detail = format!("an entry of the archive was refused: {error}");
                return self.gap(EvidencePath::root(), GapReason::Unreadable, detail);
            }
        };
        let is_file = entry.kind == FileKind::File;
        let mut link_target = entry.link_target;
        let place = match (entry.unreadable, entry.data, entry.member) {
            (Some(why), ..) => Place::Unreadable(why),
            _ if !is_file || entry.size == 0 => Place::None,
            (_, Some(data), _) => Place::Tar(data),
            (_, _, Some(member)) => Place::Zip(member),
            _ => Place::Passing,
        };
        if entry.kind == FileKind::Symlink
            && link_target.is_none()
            && let (Some(member), Some(backing)) = (entry.member, container.backing())
        {
            let mut target = Vec::new();
            let read = member.open(backing).and_then(|open| open.take(MAX_LINK).read_to_end(&mut target));
            link_target = read.is_ok().then_some(target);
        }
        if entry.kind == FileKind::Unknown {
            let detail = "an entry of the archive has a type that is not known";
            self.gap(path.clone(), GapReason::Unsupported, detail);
        }
        if let Some(target) = entry.hard_link {
            match EvidencePath::new(&target) {
                Ok(target) => self.hard_links.push((self.listing.len(), target)),
                Err(error) => {
                    let detail = format!("a hard link of the archive was refused: {error}");
                    return self.gap(path, GapReason::Unreadable, detail);
                }
            }
        }
        self.listing.push(Listed {
            path,
            ordinal,
            kind: entry.kind,
            mode: Mode::new(entry.mode),
            uid: entry.uid,
            gid: entry.gid,
            size: entry.size,
            mtime: entry.mtime,
            link_target: link_target.map(RawText::from),
            place,
        });
    }

    fn finish(mut self, container: Container, label: String) -> ArchiveSource {
        self.resolve_hard_links();
        self.drop_repeated();
        self.strip_root();
        if self.more_gaps > 0 {
            let detail = format!("{} more entries were refused", self.more_gaps);
            self.gaps.push(Gap::new(EvidencePath::root(), GapReason::LimitReached, detail));
        }
        let by_path = self.sorted();
        ArchiveSource {
            container,
            label,
            listing: self.listing,
            by_path,
            gaps: self.gaps,
            length: self.length,
            reread: Arc::default(),
        }
    }

    /// Positions by path, and of the same path in the order of the archive.
    fn sorted(&self) -> Vec<usize> {
        let mut by_path: Vec<usize> = (0..self.listing.len()).collect();
        by_path.sort_by(|&a, &b| {
            self.listing.get(a).map(|listed| &listed.path).cmp(&self.listing.get(b).map(|listed| &listed.path))
        });
        by_path
    }

    /// A hard link is the file itself under another name, if that file is in the archive.
    fn resolve_hard_links(&mut self) {
        let by_path = self.sorted();
        let links = std::mem::take(&mut self.hard_links);
        let is_link: std::collections::BTreeSet<usize> = links.iter().map(|&(at, _)| at).collect();
        for (at, target) in links {
            let first = by_path.partition_point(|&at| self.listing.get(at).is_some_and(|listed| listed.path < target));
            let found = by_path
                .get(first..)
                .unwrap_or_default()
                .iter()
                .take_while(|&&at| self.listing.get(at).is_some_and(|listed| listed.path == target))
                .find(|at| !is_link.contains(at))
                .and_then(|&at| self.listing.get(at))
                .filter(|listed| listed.kind == FileKind::File)
                .map(|listed| (listed.size, listed.place.clone()));
            let Some(link) = self.listing.get_mut(at) else { continue };
            if let Some((size, place)) = found {
                (link.size, link.place) = (size, place);
            } else {
                link.place = Place::Unreadable(format!("a hard link to `{target}`, which the archive does not have"));
            }
        }
    }

    /// Of entries of one path the first counts, as a reader sees it that reads from the beginning; the others are told.
    fn drop_repeated(&mut self) {
        let by_path = self.sorted();
        let mut repeated = Vec::new();
        let mut last: Option<&Listed> = None;
        for &at in &by_path {
            let Some(listed) = self.listing.get(at) else { continue };
            match last {
                Some(first) if first.path == listed.path => {
                    let is_folder = first.kind == FileKind::Directory && listed.kind == FileKind::Directory;
                    repeated.push((at, (!is_folder).then(|| listed.path.clone())));
                }
                _ => last = Some(listed),
            }
        }
        repeated.sort_by_key(|&(at, _)| at);
        let mut gone = std::collections::BTreeSet::new();
        for (at, told) in repeated {
            gone.insert(at);
            if let Some(path) = told {
                let detail = "the archive has it more than once; the first was read, this one was not";
                self.gap(path, GapReason::Damaged, detail);
            }
        }
        let mut at = 0;
        self.listing.retain(|_| {
            at += 1;
            !gone.contains(&(at - 1))
        });
    }

    fn has_etc(&self, prefix: &EvidencePath) -> bool {
        let etc = prefix.join(b"etc");
        self.listing
            .iter()
            .any(|listed| listed.path.starts_with(&etc) && (listed.path != etc || listed.kind == FileKind::Directory))
    }

    /// Finds the folder that is the host's root and takes it for that.
    fn strip_root(&mut self) {
        let Some(prefix) = self.find_root() else { return };
        let length = prefix.as_bytes().len();
        let mut left_out: u64 = 0;
        self.listing.retain_mut(|listed| {
            if !listed.path.starts_with(&prefix) {
                // The folders above the root are no entries of it, and nothing is lost with them.
                left_out += u64::from(listed.kind != FileKind::Directory);
                return false;
            }
            let inside = EvidencePath::new(listed.path.as_bytes().get(length..).unwrap_or_default());
            inside.is_ok_and(|inside| {
                listed.path = inside;
                true
            })
        });
        for gap in &mut self.gaps {
            if gap.path.starts_with(&prefix)
                && let Ok(inside) = EvidencePath::new(gap.path.as_bytes().get(length..).unwrap_or_default())
            {
                gap.path = inside;
            }
        }
        if left_out > 0 {
            let detail = format!("{left_out} entries outside `{prefix}` are no files of the host and were not read");
            self.gap(EvidencePath::root(), GapReason::Unsupported, detail);
        }
    }

    fn find_root(&self) -> Option<EvidencePath> {
        let mut prefix = EvidencePath::root();
        for _ in 0..4 {
            if self.has_etc(&prefix) {
                return (!prefix.is_root()).then_some(prefix);
            }
            let known = KNOWN_ROOTS
                .iter()
                .map(|known| known.split(|&byte| byte == b'/').fold(prefix.clone(), |path, part| path.join(part)));
            if let Some(known) = known.into_iter().find(|known| self.has_etc(known)) {
                return Some(known);
            }
            prefix = self.only_folder(&prefix)?;
        }
        None
    }

    /// The one folder that everything beneath `prefix` lies in.
    fn only_folder(&self, prefix: &EvidencePath) -> Option<EvidencePath> {
        let depth = prefix.components().count();
        let mut only: Option<EvidencePath> = None;
        for listed in self.listing.iter().filter(|listed| listed.path != *prefix) {
            let name = listed.path.components().nth(depth)?;
            let folder = prefix.join(name);
            let is_inside = listed.path != folder || listed.kind == FileKind::Directory;
            if !is_inside || only.as_ref().is_some_and(|only| *only != folder) {
                return None;
            }
            only = Some(folder);
        }
        only
    }
}

#[cfg(test)]
mod tests;
