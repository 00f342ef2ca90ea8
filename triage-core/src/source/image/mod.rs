//! A disk or file system image as evidence: raw, with or without a partition table, with ext2, ext3 or ext4 in it.
//!
//! It finds the partition that is the host's root and puts the others where the host's own `/etc/fstab` says. Nothing is mounted and
//! nothing is written; a journal that was not applied is applied in memory. What is not read here (XFS, LVM, qcow2, …) is told with the
//! commands that open it without writing.

mod ext4;
mod inode;
mod magic;
mod partition;

pub use partition::Partition;

use super::container::{Backing, open_backing};
use super::selection::Cursor;
use super::{Entry, Item, Kept, Opened, Opener, ReadError, Selection, Source, SourceError, SourceKind};
use crate::model::{Digest, EvidencePath, FileKind, FileMeta, Gap, GapReason, escape};
use ext4::{Fault, FileSystem};
use magic::Content;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Largest `/etc/fstab` that is read, in bytes.
const MAX_TABLE: u64 = 1 << 20;

/// An image of a host's disk or of one of its file systems.
pub struct DiskImage {
    label: String,
    backing: Backing,
    /// The root first, then what is mounted in it, by path.
    mounts: Vec<Mount>,
    notes: Vec<String>,
    gaps: Vec<Gap>,
}

/// A file system and where it is in the host.
struct Mount {
    at: EvidencePath,
    system: FileSystem,
}

/// One partition and what was found in it.
struct Found {
    partition: Partition,
    content: Content,
    system: Option<Result<FileSystem, Fault>>,
}

/// Says whether a file is an image of a kind that [`DiskImage::open`] knows, by its first bytes: then it is no archive.
///
/// # Errors
/// When it cannot be read.
pub fn is_disk_image(path: &Path) -> Result<bool, SourceError> {
    let label = escape(path.as_os_str().as_bytes());
    let fail = |source| SourceError::Io { doing: "opening", what: label.clone(), source };
    let Some(backing) = open_backing(path).map_err(fail)? else { return Ok(false) };
    let backing = &backing;
    let read = |at: u64, length: usize| backing.bytes_at(at, length);
    // A tar begins with a name and may hold the two bytes of a boot sector; its own checksum says that it is one.
    if read(0, 512).is_ok_and(|head| super::is_tar_header(&head) && head.iter().any(|&byte| byte != 0)) {
        return Ok(false);
    }
    Ok(Content::of(&read, backing.len()) != Content::Unknown || !partition::partitions(&read, backing.len()).is_empty())
}

impl DiskImage {
    /// Opens an image. Without `chosen` the root is the partition that has `etc/`; with it, the partition of that number, as
    /// Linux counts.
    ///
    /// # Errors
    /// [`SourceError::Foreign`] with the commands for what is not read here, [`SourceError::NoRoot`] where nothing looks like a
    /// root.
    pub fn open(path: &Path, chosen: Option<u32>) -> Result<Self, SourceError> {
        let label = escape(path.as_os_str().as_bytes());
        let fail = |source| SourceError::Io { doing: "opening", what: label.clone(), source };
        let unsupported = || SourceError::Unsupported { what: label.clone(), detail: "no file".to_owned() };
        let backing = open_backing(path).map_err(fail)?.ok_or_else(unsupported)?;
        let content = content_of(&backing);
        let foreign = |content: Content, partition: u32| SourceError::Foreign {
            what: label.clone(),
            detail: content.as_str().to_owned(),
            commands: content.commands(&label, partition),
        };
        if content.is_disk_format() {
            return Err(foreign(content, 0));
        }
        let found = find(&backing, content);
        let Some(root) = root_of(&found, chosen) else {
            // One that the crate refuses is one that the kernel reads.
            if let Some((refused, Err(fault))) = found
                .iter()
                .filter(|found| chosen.is_none_or(|number| number == found.partition.number))
                .find_map(|found| Some((found, found.system.as_ref()?)).filter(|(_, system)| system.is_err()))
            {
                return Err(SourceError::Foreign {
                    what: label.clone(),
                    detail: format!("an ext4 file system ({fault})"),
                    commands: Content::Ext.commands(&label, refused.partition.number),
                });
            }
            let unread = found.iter().find(|found| {
                found.content.may_hold_a_root() && chosen.is_none_or(|number| number == found.partition.number)
            });
            return Err(match unread {
                Some(unread) => foreign(unread.content, unread.partition.number),
                None => no_root(&label, &found, chosen),
            });
        };
        let mut image = Self { label: label.clone(), backing, mounts: Vec::new(), notes: Vec::new(), gaps: Vec::new() };
        image.mount(&found, root);
        Ok(image)
    }

    /// SHA-256 of the image, which is read for that from its beginning to its end.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn sha256(&self) -> io::Result<Digest> {
        self.backing.sha256()
    }

    /// Puts the file systems where they belong and says what was done.
    fn mount(&mut self, found: &[Found], root: usize) {
        let Some((partition, system)) = found.get(root).and_then(|found| Some((&found.partition, found.readable()?)))
        else {
            return;
        };
        self.mounts.push(Mount { at: EvidencePath::root(), system: system.clone() });
        let place = if partition.number == 0 {
            "without partitions".to_owned()
        } else {
            format!("partition {}", partition.number)
        };
        self.notes.push(format!("a disk image ({place}, ext4, UUID {})", system.uuid));
        let table = self.read(&EvidencePath::new("/etc/fstab").unwrap_or_else(|_| EvidencePath::root()), MAX_TABLE);
        let table = table.ok().flatten().unwrap_or_default();
        for (device, at) in mount_points(&table) {
            let named =
                found.iter().enumerate().filter(|&(index, _)| index != root).find(|(_, found)| found.is_named(&device));
            match named.map(|(_, found)| (found, found.readable())) {
                Some((found, Some(system))) => {
                    self.notes.push(format!("partition {} is `{at}`, by its /etc/fstab", found.partition.number));
                    self.mounts.push(Mount { at, system: system.clone() });
                }
                Some((found, None)) if found.content != Content::Fat => {
                    let detail =
                        format!("is partition {}, {}, which is not read here", found.partition.number, found.why());
                    self.gaps.push(Gap::new(at, GapReason::Unsupported, detail));
                }
                Some(_) => {}
                None => {
                    let detail = format!("is on `{}` by its /etc/fstab, which is not in this image", escape(&device));
                    self.gaps.push(Gap::new(at, GapReason::Unsupported, detail));
                }
            }
        }
        self.mounts.sort_by(|a, b| a.at.cmp(&b.at));
        for found in found.iter().filter(|found| found.content.may_hold_a_root()) {
            let detail =
                format!("partition {} holds {}, which was not read", found.partition.number, found.content.as_str());
            self.gaps.push(Gap::new(EvidencePath::root(), GapReason::Unsupported, detail));
        }
        if self.mounts.iter().any(|mount| mount.system.is_dirty) {
            self.notes.push("it was not unmounted; its journal was applied in memory, not in the image".to_owned());
            self.notes.push(
                "inode numbers, links, change times, extended attributes and inode flags are not read from it for that"
                    .to_owned(),
            );
        }
        self.notes.push("access control lists are not read from it".to_owned());
    }

    /// The file system that a path is on, and the path in it.
    fn locate(&self, path: &EvidencePath) -> Option<(&Mount, Vec<u8>)> {
        let mount = self.mounts.iter().rev().find(|mount| path.starts_with(&mount.at))?;
        Some((mount, mount.inside(path)))
    }
}

impl Mount {
    fn inside(&self, path: &EvidencePath) -> Vec<u8> {
        let cut = if self.at.is_root() { 0 } else { self.at.as_bytes().len() };
        let rest = path.as_bytes().get(cut..).unwrap_or_default();
        if rest.is_empty() { b"/".to_vec() } else { rest.to_vec() }
    }
}

impl Found {
    fn readable(&self) -> Option<&FileSystem> {
        self.system.as_ref()?.as_ref().ok()
    }

    fn why(&self) -> String {
        match &self.system {
            Some(Err(fault)) => format!("{} ({fault})", self.content.as_str()),
            _ => self.content.as_str().to_owned(),
        }
    }

    /// Says whether the first field of a line of `fstab(5)` means it.
    fn is_named(&self, device: &[u8]) -> bool {
        let text = String::from_utf8_lossy(device);
        let value = |tag: &str| text.strip_prefix(tag).map(|value| value.trim_matches('"').to_owned());
        if let Some(uuid) = value("UUID=") {
            return self.readable().is_some_and(|system| system.uuid.eq_ignore_ascii_case(&uuid));
        }
        if let Some(label) = value("LABEL=") {
            return self.readable().is_some_and(|system| !label.is_empty() && system.label == label);
        }
        if let Some(guid) = value("PARTUUID=") {
            return self.partition.guid.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(&guid));
        }
        // `/dev/sda2`, `/dev/nvme0n1p2`, `/dev/vda2`: there is one disk here.
        let name = text.strip_prefix("/dev/").unwrap_or_default();
        let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
        let is_disk = ["sd", "vd", "hd", "xvd"].iter().any(|prefix| name.starts_with(prefix));
        let number = if is_disk { digits } else { name.rsplit_once('p').map_or("", |(_, number)| number) };
        (is_disk || name.starts_with("nvme") || name.starts_with("mmcblk"))
            && number.parse() == Ok(self.partition.number)
            && self.partition.number > 0
    }
}

fn content_of(backing: &Backing) -> Content {
    Content::of(&|at, length| backing.bytes_at(at, length), backing.len())
}

/// What is in the image: one file system, or the partitions.
fn find(backing: &Backing, content: Content) -> Vec<Found> {
    let whole = Partition { number: 0, start: 0, len: backing.len(), guid: None };
    let mut partitions = if content == Content::Unknown {
        partition::partitions(&|at, length| backing.bytes_at(at, length), backing.len())
    } else {
        Vec::new()
    };
    if partitions.is_empty() {
        partitions.push(whole);
    }
    partitions
        .into_iter()
        .map(|partition| {
            let part = backing.part(partition.start, partition.len);
            let content = content_of(&part);
            let system = (content == Content::Ext).then(|| FileSystem::open(part));
            Found { partition, content, system }
        })
        .collect()
}

/// The partition that was asked for, else the first that has `etc/`, else the only file system that there is.
fn root_of(found: &[Found], chosen: Option<u32>) -> Option<usize> {
    if let Some(number) = chosen {
        return found.iter().position(|found| found.partition.number == number && found.readable().is_some());
    }
    let has_etc = |found: &Found| {
        found.readable().is_some_and(|system| {
            ["/etc/passwd", "/etc/os-release", "/etc/hostname"].iter().any(|path| system.look(path.as_bytes()).is_ok())
        })
    };
    found.iter().position(has_etc).or_else(|| match found {
        [only] => only.readable().map(|_| 0),
        _ => None,
    })
}

fn no_root(label: &str, found: &[Found], chosen: Option<u32>) -> SourceError {
    let parts: Vec<String> =
        found.iter().map(|found| format!("{} is {}", found.partition.number, found.why())).collect();
    let detail = match (chosen, parts.as_slice()) {
        (_, []) => "it has no partitions".to_owned(),
        (Some(number), parts) => format!("{number} was asked for; {}", parts.join(", ")),
        (None, parts) => parts.join(", "),
    };
    SourceError::NoRoot { what: label.to_owned(), detail }
}

/// What `fstab(5)` mounts beneath the root: (device, where), without what is no disk.
fn mount_points(table: &[u8]) -> Vec<(Vec<u8>, EvidencePath)> {
    let mut found: Vec<(Vec<u8>, EvidencePath)> = Vec::new();
    for line in table.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().starts_with(b"#")) {
        let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        let (Some(device), Some(at), Some(kind)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let is_disk = device.starts_with(b"/dev/") || device.contains(&b'=') && !device.contains(&b'/');
        let Ok(path) = EvidencePath::new(at) else { continue };
        let is_new = found.iter().all(|(_, known)| *known != path);
        if is_disk
            && at.starts_with(b"/")
            && !path.is_root()
            && kind != b"swap"
            && kind != b"iso9660"
            && is_new
            && found.len() < 64
        {
            found.push((device.to_vec(), path));
        }
    }
    found
}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> Self {
        let reason = match fault {
            Fault::Missing => GapReason::Vanished,
            Fault::Damaged(_) => GapReason::Damaged,
        };
        Self::new(reason, fault.to_string())
    }
}

/// A walk through all that is mounted.
struct Walk<'a> {
    image: &'a DiskImage,
    sink: &'a mut dyn FnMut(Item) -> ControlFlow<()>,
}

impl Walk<'_> {
    fn gap(&mut self, path: &EvidencePath, fault: Fault) -> ControlFlow<()> {
        let error = ReadError::from(fault);
        (self.sink)(Item::Gap(Gap::new(path.clone(), error.reason, error.detail)))
    }

    /// Goes through one file system, folders before what is in them. No recursion: a hostile one can be deeper than any stack.
    fn file_system(&mut self, mount: &Mount, cursor: Cursor<'_>) -> ControlFlow<()> {
        let mut waiting = vec![(mount.at.clone(), cursor, mount.system.look(b"/"), 0_usize)];
        while let Some((path, cursor, meta, depth)) = waiting.pop() {
            match meta {
                Err(fault) => self.gap(&path, fault)?,
                Ok(meta) if cursor.selects() => {
                    (self.sink)(Item::Entry(Entry { path: path.clone(), meta, content: None }))?;
                }
                Ok(_) => {}
            }
            if !cursor.continues() {
                continue;
            }
            // `PATH_MAX` is 4,096: a deeper tree is a loop of folders, which only a broken file system has.
            if depth > 2100 || path.as_bytes().len() > 1 << 16 {
                self.gap(&path, Fault::Damaged("folders within folders without an end".to_owned()))?;
                continue;
            }
            let (names, trouble) = match mount.system.list(&mount.inside(&path)) {
                Ok(listed) => listed,
                Err(fault) => {
                    self.gap(&path, fault)?;
                    continue;
                }
            };
            if let Some(fault) = trouble {
                self.gap(&path, fault)?;
            }
            let mut below = Vec::new();
            for (name, meta) in names {
                let place = cursor.enter(&name);
                if place.selects() || place.continues() {
                    self.meet(mount, path.join(&name), place, meta, depth + 1, &mut below)?;
                }
            }
            below.reverse();
            waiting.append(&mut below);
        }
        ControlFlow::Continue(())
    }

    fn meet<'c>(
        &mut self,
        mount: &Mount,
        path: EvidencePath,
        place: Cursor<'c>,
        meta: Result<FileMeta, Fault>,
        depth: usize,
        below: &mut Vec<(EvidencePath, Cursor<'c>, Result<FileMeta, Fault>, usize)>,
    ) -> ControlFlow<()> {
        let meta = match meta {
            Ok(meta) => meta,
            Err(fault) if place.selects() => return self.gap(&path, fault),
            Err(_) => return ControlFlow::Continue(()),
        };
        if meta.kind == FileKind::Directory {
            // What is mounted there hides it, and is walked by itself.
            if !self.image.mounts.iter().any(|mount| mount.at == path) {
                below.push((path, place, Ok(meta), depth));
            }
            return ControlFlow::Continue(());
        }
        if !place.selects() {
            return ControlFlow::Continue(());
        }
        let content = meta.is_file().then(|| {
            let (system, inside, meta) = (mount.system.clone(), mount.inside(&path), meta.clone());
            Box::new(move || {
                let reader = Box::new(system.reader(&inside, meta.size));
                Ok(Opened { meta, reader })
            }) as Opener
        });
        (self.sink)(Item::Entry(Entry { path, meta, content }))
    }
}

impl Source for DiskImage {
    fn kind(&self) -> SourceKind {
        SourceKind::DiskImage
    }

    fn label(&self) -> String {
        self.label.clone()
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn kept(&self) -> Kept {
        Kept {
            modes: true,
            owners: true,
            mtimes: true,
            attributes: self.mounts.iter().all(|mount| !mount.system.is_dirty),
        }
    }

    fn walk(&self, selection: &Selection, sink: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), SourceError> {
        let mut walk = Walk { image: self, sink };
        for mount in &self.mounts {
            let cursor = mount.at.components().fold(selection.cursor(), |cursor, name| cursor.enter(name));
            if (cursor.selects() || cursor.continues()) && walk.file_system(mount, cursor).is_break() {
                return Ok(());
            }
        }
        for gap in &self.gaps {
            let is_asked = gap.path.is_root() || selection.selects(&gap.path) || selection.reaches_into(&gap.path);
            if is_asked && (walk.sink)(Item::Gap(gap.clone())).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn metadata(&self, path: &EvidencePath) -> Result<Option<FileMeta>, SourceError> {
        let Some((mount, inside)) = self.locate(path) else { return Ok(None) };
        match mount.system.look(&inside) {
            Ok(meta) => Ok(Some(meta)),
            Err(Fault::Missing) => Ok(None),
            Err(Fault::Damaged(detail)) => Err(SourceError::Damaged { what: path.to_string(), detail }),
        }
    }

    fn open(&self, path: &EvidencePath) -> Result<Option<Opened>, SourceError> {
        let Some(meta) = self.metadata(path)?.filter(FileMeta::is_file) else { return Ok(None) };
        let Some((mount, inside)) = self.locate(path) else { return Ok(None) };
        let reader = Box::new(mount.system.reader(&inside, meta.size));
        Ok(Some(Opened { meta, reader }))
    }
}

#[cfg(test)]
mod tests;
