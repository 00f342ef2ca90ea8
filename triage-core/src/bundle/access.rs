//! Finding one member of a bundle, in whichever format it is written.

use super::frames::Frames;
use super::index::{self, Index, Key};
use super::listing::TAG_MANIFEST;
use super::{BundleError, manifest, segment};
use crate::model::{Digest, FileKind, Hasher, escape};
use crate::source::{Backing, Container, ContainerEntry, ContainerError, ContainerFormat, Identities, ZipMember};
use crate::sys::look;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use tar::{EntryType, Header, PaxExtensions};

/// Longest extended header of ours: one path.
const MAX_EXTENDED: u64 = 64 << 10;
/// Largest part of a bundle that is read into memory whole: a segment, the summary.
pub(super) const MAX_PART: u64 = 64 << 20;
/// Bytes that all parts of a bundle without random access may take, compressed.
const MAX_PARTS: usize = 1 << 30;

/// Content and its length.
pub(super) type Found = (u64, Box<dyn Read + Send>);

/// The way to the members of a bundle.
pub(super) enum Access {
    /// A seekable `.tar.zst` with its index.
    Frames { frames: Arc<Frames>, index: Index, root: String },
    /// A folder.
    Folder(OwnedFd),
    /// A zip, by its directory.
    Zip { backing: Backing, members: Vec<(Key, ZipMember)> },
    /// A tar that has to be read from its beginning, or whose index cannot be relied on: places, and what had to be read.
    Stream(Stream),
}

/// What one pass over a tar found.
pub(super) struct Stream {
    pub(super) container: Container,
    /// Where the content of a member begins in the uncompressed tar, and its length.
    places: Vec<(Key, u64, u64)>,
    /// Segments and summary, compressed, by their path in the bag.
    parts: BTreeMap<String, Vec<u8>>,
    /// Why the pass ended early, if it did.
    pub(super) damage: Option<String>,
}

fn damaged(detail: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, detail.into())
}

impl Access {
    /// The way to the members of a bundle whose records are read too. Where the index of a tar cannot be relied on it is not
    /// used: the bundle is read from its beginning.
    pub(super) fn open(path: &Path, identities: &Identities) -> Result<Self, BundleError> {
        let container = Container::open_with(path, identities).map_err(BundleError::Container)?;
        match (container.format(), container.backing()) {
            (ContainerFormat::TarZst, Some(backing)) => match Self::frames(backing, false) {
                Ok(access) => Ok(access),
                Err(_) => Stream::read(container).map(Self::Stream).map_err(BundleError::Container),
            },
            _ => Self::other(path, container),
        }
    }

    /// The way to single members, with the digest of each. An index that is there and wrong is an error.
    pub(super) fn open_strictly(path: &Path, identities: &Identities) -> Result<Self, BundleError> {
        let container = Container::open_with(path, identities).map_err(BundleError::Container)?;
        match (container.format(), container.backing()) {
            (ContainerFormat::TarZst, Some(backing)) => match Self::frames(backing, true) {
                Ok(access) => Ok(access),
                // Cut, or compressed again by another tool: there is no table, and it can still be read from its beginning.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Stream::read(container).map(Self::Stream).map_err(BundleError::Container)
                }
                Err(error) => Err(BundleError::Damaged { what: index::PATH.to_owned(), detail: error.to_string() }),
            },
            _ => Self::other(path, container),
        }
    }

    fn other(path: &Path, container: Container) -> Result<Self, BundleError> {
        let io = |source| BundleError::Io { doing: "opening", what: escape(path.as_os_str().as_bytes()), source };
        match (container.format(), container.backing()) {
            (ContainerFormat::Directory, _) | (_, None) => {
                let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
                let root = rustix::fs::open(path, flags, rustix::fs::Mode::empty());
                Ok(Self::Folder(root.map_err(|error| io(error.into()))?))
            }
            (ContainerFormat::Zip, Some(backing)) => {
                // A zip without its directory is not read as a source: which of its members count is not known.
                Self::zip(&container, backing.uncounted()).map_err(BundleError::Container)
            }
            _ => Stream::read(container).map(Self::Stream).map_err(BundleError::Container),
        }
    }

    fn frames(backing: &Backing, wants_digests: bool) -> io::Result<Self> {
        let frames = Arc::new(Frames::open(backing)?);
        let (_, last) = frames.last()?;
        let mut last = io::BufReader::with_capacity(1 << 18, last);
        let (name, size) = read_header(&mut last)?;
        let root = name
            .strip_suffix(index::PATH)
            .and_then(|root| root.strip_suffix('/'))
            .ok_or_else(|| damaged("the last frame does not hold the index"))?
            .to_owned();
        // Each member takes a block at least, so that a claimed length cannot be out of all proportion.
        if size / 56 > frames.len() / 512 + 2 {
            return Err(damaged("the index is too long to be true"));
        }
        let mut hashed = Hashed { inner: (&mut last).take(size), hasher: Hasher::new() };
        let index = Index::read(&mut hashed, size, frames.len(), wants_digests)?;
        let sha256 = hashed.hasher.finish();
        let vouched = vouched(&mut last, size, &root)?;
        drop(last);
        if vouched.is_some_and(|vouched| vouched != sha256) {
            return Err(damaged("it is not what the tag manifest says"));
        }
        // Version 1 of the index stood behind the tag manifest, which could not list it.
        if vouched.is_none() && index.has_digests() {
            return Err(damaged("no tag manifest vouches for it"));
        }
        Ok(Self::Frames { frames, index, root })
    }

    fn zip(container: &Container, backing: Backing) -> Result<Self, ContainerError> {
        let mut members = Vec::new();
        container.list(&mut |entry| {
            if let (Some(path), Some(member)) = (inside(&entry), entry.member)
                && entry.kind == FileKind::File
            {
                members.push((index::key(path), member));
            }
            ControlFlow::Continue(())
        })?;
        members.sort_by_key(|(key, _)| *key);
        Ok(Self::Zip { backing, members })
    }

    /// The digest that the index has of a member.
    pub(super) fn indexed_digest(&self, bag_path: &str) -> Option<Digest> {
        match self {
            Self::Frames { index, .. } => index.place(&index::key(bag_path))?.sha256,
            _ => None,
        }
    }

    pub(super) fn bytes_read(&self) -> u64 {
        match self {
            Self::Frames { frames, .. } => frames.bytes_read(),
            Self::Folder(_) => 0,
            Self::Zip { backing, .. } => backing.bytes_read(),
            Self::Stream(stream) => stream.container.bytes_read(),
        }
    }

    /// Opens a member by its path in the bag; `None` where there is none.
    pub(super) fn open_member(&self, bag_path: &str) -> io::Result<Option<Found>> {
        match self {
            Self::Frames { frames, index, root } => {
                let Some(place) = index.place(&index::key(bag_path)) else { return Ok(None) };
                let mut reader = frames.reader(place.at, u64::MAX);
                let (name, size) = read_header(&mut reader)?;
                if name.strip_prefix(root.as_str()).and_then(|rest| rest.strip_prefix('/')) != Some(bag_path) {
                    return Err(damaged("the index leads to another member"));
                }
                let start = reader.position();
                let end = start.checked_add(size).filter(|&end| end <= frames.len());
                let end = end.ok_or_else(|| damaged("a member is longer than the bundle"))?;
                Ok(Some((size, Box::new(reader.between(start, end)))))
            }
            Self::Folder(root) => folder_member(root, bag_path),
            Self::Zip { backing, members } => {
                let key = index::key(bag_path);
                let at = members.partition_point(|(have, _)| *have < key);
                match members.get(at).filter(|(have, _)| *have == key) {
                    Some((_, member)) => Ok(Some((member.size, member.open(backing)?))),
                    None => Ok(None),
                }
            }
            Self::Stream(stream) => {
                let Some((start, size)) = stream.place(bag_path) else { return Ok(None) };
                Ok(Some((size, stream.container.tar_content(start, size)?)))
            }
        }
    }

    /// Reads a segment or another part of the bundle's own; `None` where there is none.
    pub(super) fn part(&self, bag_path: &str) -> io::Result<Option<Vec<u8>>> {
        if let Self::Stream(stream) = self {
            let Some(packed) = stream.parts.get(bag_path) else { return Ok(None) };
            return zstd::stream::decode_all(packed.as_slice()).map(Some);
        }
        let Some((size, reader)) = self.open_member(bag_path)? else { return Ok(None) };
        if size > MAX_PART {
            return Err(damaged("it is too long to be true"));
        }
        let mut bytes = Vec::new();
        reader.take(size).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()) == Ok(size) { Ok(Some(bytes)) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

fn folder_member(root: &OwnedFd, bag_path: &str) -> io::Result<Option<Found>> {
    let (folder, name) = bag_path.rsplit_once('/').unwrap_or(("", bag_path));
    let folder = if folder.is_empty() { "." } else { folder };
    let open = look::open_directory_beneath(root, folder.as_bytes())
        .and_then(|folder| look::open_file(folder, name.as_bytes()));
    let file = match open {
        Ok(file) => File::from(file),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let stat = rustix::fs::fstat(&file)?;
    match FileKind::of_mode(stat.st_mode) {
        FileKind::File => {}
        // The way to other members, and none itself.
        FileKind::Directory => return Ok(None),
        _ => return Err(damaged("it is not a regular file")),
    }
    Ok(Some((u64::try_from(stat.st_size).unwrap_or(0), Box::new(io::BufReader::new(file)))))
}

/// Bytes on their way through the hash.
struct Hashed<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// What the tag manifest says of the index, where it follows an index of `size` bytes.
fn vouched(reader: &mut impl Read, size: u64, root: &str) -> io::Result<Option<Digest>> {
    let padding = size.next_multiple_of(512) - size;
    io::copy(&mut reader.take(padding), &mut io::sink())?;
    // Behind an index of version 1 the tar ends.
    let Ok((name, size)) = read_header(reader) else { return Ok(None) };
    if name.strip_prefix(root).and_then(|rest| rest.strip_prefix('/')) != Some(TAG_MANIFEST) {
        return Ok(None);
    }
    if size > MAX_PART {
        return Err(damaged("the tag manifest is too long to be true"));
    }
    let mut text = Vec::new();
    reader.take(size).read_to_end(&mut text)?;
    Ok(listed(&text, index::PATH))
}

/// What a manifest says of a path.
pub(super) fn listed(manifest: &[u8], path: &str) -> Option<Digest> {
    manifest.split(|&byte| byte == b'\n').find_map(|line| {
        let digest = line.strip_suffix(path.as_bytes())?.strip_suffix(b"  ")?;
        std::str::from_utf8(digest).ok()?.parse().ok()
    })
}

/// The path in the bag of an entry of an archive.
pub(super) fn inside(entry: &ContainerEntry) -> Option<&str> {
    std::str::from_utf8(&entry.name).ok()?.split_once('/').map(|(_, path)| path)
}

fn is_part(path: &str) -> bool {
    path == manifest::PATH || path == manifest::COVERAGE_PATH || segment::parse_path(path).is_some()
}

impl Stream {
    fn read(container: Container) -> Result<Self, ContainerError> {
        let mut places = Vec::new();
        let mut parts = BTreeMap::new();
        let mut held = 0;
        let mut damage = None;
        let wanted = |entry: &ContainerEntry| entry.size <= MAX_PART && inside(entry).is_some_and(is_part);
        let ended = container.for_each_where(&wanted, &mut |entry, body| {
            let Some(path) = inside(&entry).filter(|_| entry.kind == FileKind::File) else {
                return ControlFlow::Continue(());
            };
            if let Some(data) = entry.data {
                places.push((index::key(path), data, entry.size));
            }
            // The first of a name counts; that it repeats is for the verification to tell.
            if is_part(path) && !parts.contains_key(path) {
                let mut bytes = Vec::new();
                let packed = body.read_to_end(&mut bytes).and_then(|_| zstd::bulk::compress(&bytes, 1));
                if let Ok(packed) = packed {
                    held += packed.len();
                    parts.insert(path.to_owned(), packed);
                }
            }
            if held > MAX_PARTS {
                damage = Some("its records take more memory than is allowed".to_owned());
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        match ended {
            Ok(()) => {}
            Err(
                ContainerError::Damaged { detail, entries, .. } | ContainerError::LimitReached { detail, entries, .. },
            ) => {
                damage = Some(format!("it goes no further than {entries} members: {detail}"));
            }
            Err(error) => return Err(error),
        }
        places.sort_by_key(|&(key, start, _)| (key, start));
        places.dedup_by_key(|&mut (key, ..)| key);
        Ok(Self { container, places, parts, damage })
    }

    /// Says whether reading at a place means decoding everything before it.
    pub(super) fn is_compressed(&self) -> bool {
        self.container.format() != ContainerFormat::Tar
    }

    /// Where a member's content begins, and its length.
    pub(super) fn place(&self, bag_path: &str) -> Option<(u64, u64)> {
        let key = index::key(bag_path);
        let at = self.places.binary_search_by(|(have, ..)| have.cmp(&key)).ok()?;
        self.places.get(at).map(|&(_, start, size)| (start, size))
    }
}

/// Reads the header of a member as this format writes it: name and size.
fn read_header(reader: &mut impl Read) -> io::Result<(String, u64)> {
    let mut block = [0; 512];
    let mut name = None;
    for _ in 0..2 {
        reader.read_exact(&mut block)?;
        if !crate::source::is_tar_header(&block) {
            return Err(damaged("there is no member here"));
        }
        let header = Header::from_byte_slice(&block);
        let size = header.entry_size()?;
        match header.entry_type() {
            EntryType::XHeader if name.is_none() && size <= MAX_EXTENDED => {
                let mut bytes = vec![0; usize::try_from(size.next_multiple_of(512)).unwrap_or(0)];
                reader.read_exact(&mut bytes)?;
                bytes.truncate(usize::try_from(size).unwrap_or(0));
                for record in PaxExtensions::new(&bytes) {
                    let record = record?;
                    // Anything else, a size above all, would make another reader see another member.
                    if record.key_bytes() != b"path" || name.is_some() {
                        return Err(damaged("a member has a header that this format does not have"));
                    }
                    name = Some(String::from_utf8_lossy(record.value_bytes()).into_owned());
                }
            }
            EntryType::Regular => {
                let name = name.unwrap_or_else(|| String::from_utf8_lossy(&header.path_bytes()).into_owned());
                return Ok((name, size));
            }
            _ => return Err(damaged("there is no regular member here")),
        }
    }
    Err(damaged("there is no member here"))
}
