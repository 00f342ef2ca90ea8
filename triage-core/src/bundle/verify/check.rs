//! One member after the other: its name, its digest, and what it says of others.

use super::Failure;
use super::pool::{Hashed, Pool};
use crate::bundle::escape::{self, evidence_path};
use crate::bundle::index::{self, Key};
use crate::bundle::listing::{MANIFEST, TAG_MANIFEST};
use crate::bundle::manifest::{self, BundleManifest, FORMAT_VERSION};
use crate::bundle::{seal, segment};
use crate::model::{Digest, FileKind, Hasher, escape as shown};
use crate::source::{Container, ContainerEntry, ContainerFormat};
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use std::ops::ControlFlow;

/// Failures that are kept; a bundle that has more is no better known by the rest.
const MAX_FAILURES: usize = 10_000;
/// Largest `triage/manifest.json`, `bag-info.txt` or `bagit.txt`.
const MAX_SMALL: u64 = 64 << 20;
/// Largest index: of 100 million files.
const MAX_INDEX: u64 = 56 * 100_000_000;

/// What is kept of one member.
pub(super) struct Seen {
    pub(super) digest: Digest,
    /// Where it begins in the tar.
    pub(super) place: u64,
    pub(super) class: Class,
    /// A manifest lists it.
    pub(super) is_listed: bool,
    /// A record or the collection log tells of it, with this digest.
    pub(super) is_recorded: bool,
}

/// What a member is, by its place in the bag.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Tag,
    Payload,
    /// Payload that is a file of the host.
    Collected,
}

#[derive(Default)]
pub(super) struct Chain {
    pub(super) n: u64,
    pub(super) head: Option<Digest>,
}

/// What is known of a bundle so far.
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that was met or not; they make no state together")]
pub(super) struct Check {
    pub(super) format: ContainerFormat,
    pub(super) root: Option<Vec<u8>>,
    pub(super) seen: BTreeMap<Key, Seen>,
    /// Members, named by records or the log, that have not been seen yet: key, digest and name.
    pub(super) claims: BTreeMap<Key, (Digest, String)>,
    /// Members, listed in a manifest, that have not been seen yet: none but in a bag that another tool put together.
    pub(super) awaited: BTreeMap<Key, (Digest, String)>,
    pub(super) chains: BTreeMap<String, Chain>,
    pub(super) has_manifest: bool,
    /// Files that agree with the payload manifest.
    pub(super) agreed_files: u64,
    pub(super) tag_manifest: Option<Vec<u8>>,
    pub(super) signature: Option<Vec<u8>>,
    pub(super) bag_info: Option<Vec<u8>>,
    pub(super) coverage: Option<Vec<u8>>,
    pub(super) manifest: Option<BundleManifest>,
    pub(super) has_bagit: bool,
    /// An index of version 1 stood behind the tag manifest, which does not list it.
    pub(super) has_old_index: bool,
    pub(super) payload_files: u64,
    pub(super) payload_bytes: u64,
    pub(super) collected_files: u64,
    /// Where the last member of a zip ends.
    pub(super) zip_end: u64,
    pub(super) zip_directory: Option<u64>,
    pub(super) failures: Vec<Failure>,
    pub(super) more_failures: u64,
    hashed: u64,
    is_cancelled: bool,
    /// Hashes the contents of a folder.
    pool: Option<Pool>,
}

/// A member's content on its way through the hash.
pub(super) struct Hashing<'a, 'b> {
    inner: &'a mut (dyn Read + Send),
    hasher: Hasher,
    length: u64,
    tick: &'a mut (dyn FnMut(u64) -> bool + 'b),
}

impl Read for Hashing<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        let bytes = u64::try_from(count).unwrap_or(0);
        self.length += bytes;
        if (self.tick)(bytes) { Ok(count) } else { Err(io::Error::other("cancelled")) }
    }
}

/// Says whether a member's content is read where the members are gone through, and not by the pool.
pub(super) fn is_read_in_order(container: &Container, entry: &ContainerEntry) -> bool {
    container.format() != ContainerFormat::Directory || !is_collected(&entry.name)
}

fn is_collected(name: &[u8]) -> bool {
    name.starts_with(escape::FILES.as_bytes()) || name.starts_with(escape::LONG.as_bytes())
}

impl Check {
    pub(super) fn new(format: ContainerFormat, pool: Option<Pool>) -> Self {
        Self {
            format,
            root: None,
            seen: BTreeMap::new(),
            claims: BTreeMap::new(),
            awaited: BTreeMap::new(),
            chains: BTreeMap::new(),
            has_manifest: false,
            agreed_files: 0,
            tag_manifest: None,
            signature: None,
            bag_info: None,
            coverage: None,
            manifest: None,
            has_bagit: false,
            has_old_index: false,
            payload_files: 0,
            payload_bytes: 0,
            collected_files: 0,
            zip_end: 0,
            zip_directory: None,
            failures: Vec::new(),
            more_failures: 0,
            hashed: 0,
            is_cancelled: false,
            pool,
        }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.is_cancelled
    }

    pub(super) fn fail(&mut self, what: &str, why: impl Into<String>) {
        if self.failures.len() < MAX_FAILURES {
            self.failures.push(Failure { what: shown(what.as_bytes()), why: why.into() });
        } else {
            self.more_failures += 1;
        }
    }

    pub(super) fn member(
        &mut self,
        entry: &ContainerEntry,
        body: &mut (dyn Read + Send),
        container: &Container,
        progress: &mut dyn FnMut(u64),
        cancel: &dyn Fn() -> bool,
    ) -> ControlFlow<()> {
        self.check_layout(entry);
        let Some(path) = self.bag_path(entry) else { return ControlFlow::Continue(()) };
        if self.pool.is_some() && is_collected(&entry.name) {
            return self.pass_on(path, entry, progress, cancel);
        }
        if path == MANIFEST {
            // What it lists is to be known first.
            self.drain_pool(progress, cancel);
        }
        let mut hashed = self.hashed;
        let mut is_cancelled = false;
        let mut tick = |bytes: u64| {
            hashed += bytes;
            progress(if container.size().is_some() { container.bytes_read() } else { hashed });
            is_cancelled = cancel();
            !is_cancelled
        };
        let mut reader = Hashing { inner: body, hasher: Hasher::new(), length: 0, tick: &mut tick };
        let read = self.content(&path, entry, &mut reader);
        let read = read.and_then(|header| io::copy(&mut reader, &mut io::sink()).map(|_| header));
        let (digest, length) = (reader.hasher.finish(), reader.length);
        self.hashed = hashed;
        self.is_cancelled = is_cancelled;
        match read {
            Ok(header) => self.whole(&path, entry.range.start, digest, length, header),
            // The container tells of the damage itself; a member that is not whole is not there.
            Err(_) => return if is_cancelled { ControlFlow::Break(()) } else { ControlFlow::Continue(()) },
        }
        ControlFlow::Continue(())
    }

    /// Gives a file to the pool, and takes in what it has ready.
    fn pass_on(
        &mut self,
        path: String,
        entry: &ContainerEntry,
        progress: &mut dyn FnMut(u64),
        cancel: &dyn Fn() -> bool,
    ) -> ControlFlow<()> {
        let Some(pool) = &mut self.pool else { return ControlFlow::Continue(()) };
        pool.give(path);
        debug_assert!(entry.kind == FileKind::File);
        let ready: Vec<Hashed> = pool.ready().collect();
        self.take_in(ready, progress);
        self.is_cancelled |= cancel();
        if self.is_cancelled { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Waits for everything that the pool was given.
    pub(super) fn drain_pool(&mut self, progress: &mut dyn FnMut(u64), cancel: &dyn Fn() -> bool) {
        while let Some(hashed) = self.pool.as_mut().and_then(Pool::next) {
            self.take_in(vec![hashed], progress);
            if self.is_cancelled || cancel() {
                self.is_cancelled = true;
                return;
            }
        }
    }

    fn take_in(&mut self, ready: Vec<Hashed>, progress: &mut dyn FnMut(u64)) {
        for Hashed { path, result } in ready {
            match result {
                Ok((digest, length)) => {
                    self.hashed += length;
                    progress(self.hashed);
                    self.whole(&path, 0, digest, length, None);
                }
                Err(error) => self.fail(&path, format!("it cannot be read: {error}")),
            }
        }
    }

    /// A zip has no bytes that its directory does not tell of: another reader could find members there.
    fn check_layout(&mut self, entry: &ContainerEntry) {
        let Some(member) = entry.member else { return };
        if self.zip_directory.is_none() && member.central > 0 {
            self.zip_directory = Some(member.central);
        }
        if !is_descriptor(self.zip_end, entry.range.start) {
            self.fail(&text(&entry.name), "the zip holds bytes before it that its directory does not tell of");
        }
        self.zip_end = entry.range.end;
    }

    /// The path in the bag of a member that is to be looked at; `None` for a folder, and for one that must not be there.
    fn bag_path(&mut self, entry: &ContainerEntry) -> Option<String> {
        let shown_name = text(&entry.name);
        let mut name = entry.name.as_slice();
        if entry.kind == FileKind::Directory {
            name = name.strip_suffix(b"/").unwrap_or(name);
        }
        let is_odd = |part: &&[u8]| matches!(*part, b"" | b"." | b"..");
        let why = if name.starts_with(b"/") {
            Some("its name is absolute")
        } else if name.split(|&byte| byte == b'/').any(|part| is_odd(&part)) {
            Some("its name leaves the bag")
        } else if name.contains(&b'\\') {
            Some("its name has a backslash, which some readers take for a separator")
        } else if name.iter().any(u8::is_ascii_control) {
            Some("its name has a control character")
        } else if std::str::from_utf8(name).is_err() {
            Some("its name is not UTF-8")
        } else {
            None
        };
        if let Some(why) = why {
            self.fail(&shown_name, why);
            return None;
        }
        let inside = if self.format == ContainerFormat::Directory {
            name
        } else {
            let (root, inside) = match name.iter().position(|&byte| byte == b'/') {
                Some(at) => (name.get(..at).unwrap_or_default(), name.get(at + 1..).unwrap_or_default()),
                None => (name, &b""[..]),
            };
            if *self.root.get_or_insert_with(|| root.to_vec()) != root {
                self.fail(&shown_name, "it lies outside the folder of the bag");
                return None;
            }
            inside
        };
        let path = text(inside);
        match entry.kind {
            FileKind::Directory => return None,
            FileKind::File if entry.hard_link.is_some() => {
                self.fail(&path, "a hard link has no place in a bag");
                return None;
            }
            FileKind::File => {}
            kind => {
                self.fail(&path, format!("an object of type {} has no place in a bag", kind.as_str()));
                return None;
            }
        }
        if let Some(why) = &entry.unreadable {
            self.fail(&path, why.clone());
            return None;
        }
        if path.is_empty() {
            self.fail(&shown_name, "it lies outside the folder of the bag");
            return None;
        }
        Some(path)
    }

    /// Reads what has to be understood, and leaves the rest to be hashed. Gives a segment's first line.
    fn content(
        &mut self,
        path: &str,
        entry: &ContainerEntry,
        reader: &mut Hashing<'_, '_>,
    ) -> io::Result<Option<(u64, Option<Digest>)>> {
        let too_long = |what: &str| format!("{what} is too long to be true");
        match path {
            MANIFEST => {
                self.has_manifest = true;
                self.agreed_files = self.hold_against(BufReader::with_capacity(1 << 18, reader), MANIFEST)?;
            }
            index::PATH if entry.size > MAX_INDEX => self.fail(path, too_long("the index")),
            index::PATH => match self.index(BufReader::with_capacity(1 << 18, &mut *reader), entry.size) {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => self.fail(path, error.to_string()),
                read => read?,
            },
            "bagit.txt" | "bag-info.txt" | manifest::PATH | manifest::COVERAGE_PATH | TAG_MANIFEST
                if entry.size > MAX_SMALL =>
            {
                self.fail(path, too_long("it"));
            }
            seal::PATH if entry.size > seal::MAX_SIGNATURE => self.fail(path, too_long("it")),
            "bagit.txt" | "bag-info.txt" | manifest::PATH | manifest::COVERAGE_PATH | TAG_MANIFEST | seal::PATH => {
                let mut bytes = Vec::new();
                reader.read_to_end(&mut bytes)?;
                self.small(path, bytes)?;
            }
            _ => {
                if let Some((kind, n)) = segment::parse_path(path) {
                    let kind = kind.to_owned();
                    return self.segment(path, &kind, n, reader).map(Some);
                }
            }
        }
        Ok(None)
    }

    fn small(&mut self, path: &str, bytes: Vec<u8>) -> io::Result<()> {
        match path {
            "bagit.txt" => {
                self.has_bagit = true;
                if bytes != b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n" {
                    self.fail(path, "it is not the declaration of BagIt 1.0 in UTF-8");
                }
            }
            "bag-info.txt" => self.bag_info = Some(bytes),
            manifest::COVERAGE_PATH => self.coverage = Some(bytes),
            seal::PATH => self.signature = Some(bytes),
            TAG_MANIFEST => {
                self.hold_against(bytes.as_slice(), TAG_MANIFEST)?;
                self.tag_manifest = Some(bytes);
            }
            _ => match serde_json::from_slice::<BundleManifest>(&bytes) {
                Ok(manifest) if manifest.format_version == FORMAT_VERSION => self.manifest = Some(manifest),
                Ok(manifest) => {
                    self.fail(path, format!("format version {} is not known to this version", manifest.format_version));
                }
                Err(error) => self.fail(path, format!("it cannot be read: {error}")),
            },
        }
        Ok(())
    }

    /// Holds the index against what came before it: it lists that and nothing else. In a folder the places mean nothing.
    fn index(&mut self, reader: impl Read, size: u64) -> io::Result<()> {
        let is_tar = !matches!(self.format, ContainerFormat::Directory | ContainerFormat::Zip);
        let mut seen = self.seen.iter();
        let (mut agrees, mut is_old) = (true, false);
        index::decode(reader, size, |place| {
            is_old |= place.sha256.is_none();
            agrees &= seen.next().is_some_and(|(key, seen)| {
                *key == place.key && seen.place == place.at && place.sha256.is_none_or(|sha256| sha256 == seen.digest)
            });
        })?;
        agrees &= seen.next().is_none();
        self.has_old_index = is_old;
        if is_tar && !agrees {
            self.fail(index::PATH, "it does not agree with where things lie: the bag was put together again");
        }
        Ok(())
    }

    /// Takes in a member that was read to its end.
    fn whole(&mut self, path: &str, place: u64, digest: Digest, length: u64, header: Option<(u64, Option<Digest>)>) {
        let key = index::key(path);
        let class = if path.starts_with(escape::FILES) || path.starts_with(escape::LONG) {
            Class::Collected
        } else if path.starts_with("data/") {
            Class::Payload
        } else {
            Class::Tag
        };
        let is_collected = class == Class::Collected;
        if self.seen.contains_key(&key) {
            self.fail(path, "it is in the bag more than once");
            return;
        }
        if is_collected && evidence_path(path).is_none() && !is_long(path) {
            self.fail(path, "its name is not what the format gives to any file");
        }
        if class != Class::Tag {
            self.payload_files += 1;
            self.payload_bytes += length;
            self.collected_files += u64::from(is_collected);
        }
        let claim = self.claims.remove(&key);
        let is_recorded = claim.is_some();
        if let Some((claimed, _)) = claim
            && claimed != digest
        {
            self.fail(path, format!("its SHA-256 is {digest} and its record says {claimed}"));
        }
        if let (Some((n, previous)), Some((kind, _))) = (header, segment::parse_path(path)) {
            let chain = self.chains.entry(kind.to_owned()).or_default();
            let (expected, head) = (chain.n + 1, chain.head);
            *chain = Chain { n, head: Some(digest) };
            if n != expected {
                self.fail(path, format!("it is segment {n} where {expected} should be"));
            } else if previous != head {
                self.fail(path, "it does not continue the segment before it");
            }
        }
        let awaited = self.awaited.remove(&key);
        let is_listed = awaited.is_some();
        if let Some((listed, _)) = awaited
            && listed != digest
        {
            self.fail(path, format!("its SHA-256 is {digest} and the manifest says {listed}"));
        }
        self.seen.insert(key, Seen { digest, place, class, is_listed, is_recorded });
    }
}

/// Says whether what lies between two entries of a zip can only be a data descriptor (APPNOTE 4.3.9), or is nothing.
pub(super) fn is_descriptor(end: u64, next: u64) -> bool {
    matches!(next.checked_sub(end), Some(0 | 12 | 16 | 20 | 24))
}

fn is_long(path: &str) -> bool {
    path.strip_prefix(escape::LONG)
        .is_some_and(|hex| hex.parse::<Digest>().is_ok() && !hex.bytes().any(|byte| byte.is_ascii_uppercase()))
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
