//! Verifying a bundle in one pass: every hash, completeness both ways, names, chains, records and index.
//!
//! The bundle is taken for hostile. Nothing is unpacked; of each member only a key, a digest and a place are kept. A bundle that
//! is cut verifies as far as it goes, and the result says how far that is.

use super::BundleError;
use super::escape::{self, evidence_path, long_path, payload_path};
use super::frames::Frames;
use super::index::{self, Key};
use super::manifest::{self, BundleManifest, FORMAT_VERSION};
use super::segment;
use crate::model::{Digest, EvidencePath, FileKind, Hasher, escape as shown};
use crate::source::{Container, ContainerEntry, ContainerError, ContainerFormat};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::ops::ControlFlow;
use std::path::Path;

/// Failures that are kept; a bundle that has more is no better known by the rest.
const MAX_FAILURES: usize = 10_000;
/// Longest line of a manifest, a record or an event.
const MAX_LINE: u64 = 16 << 20;
/// Largest `triage/manifest.json`, `bag-info.txt` or `bagit.txt`.
const MAX_SMALL: u64 = 64 << 20;
/// Largest index: of 100 million files.
const MAX_INDEX: u64 = 24 * 100_000_000;

/// One thing that is wrong with a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The member, as a path in the bag, escaped.
    pub what: String,
    /// What is wrong with it.
    pub why: String,
}

/// How far a bundle goes that does not reach its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truncation {
    /// Members that are there whole.
    pub members: u64,
    /// Collected files that are there whole.
    pub files: u64,
    /// Those of them that a whole record segment tells of, with their digest: what can still be relied on.
    pub covered_files: u64,
    /// Where it ends: the byte in the uncompressed tar or in the zip, as far as it is known.
    pub byte: Option<u64>,
    /// How it ends.
    pub detail: String,
}

/// The result of [`verify`].
#[derive(Clone, Debug)]
pub struct Verification {
    /// What is wrong; at most 10,000.
    pub failures: Vec<Failure>,
    /// Failures beyond those.
    pub more_failures: u64,
    /// Payload files whose digest agrees with the manifest; in a cut bundle, with their record.
    pub verified_files: u64,
    /// Bytes of payload that were hashed.
    pub verified_bytes: u64,
    /// Why the collection was stopped before its end, as the bundle says; such a bundle can be intact.
    pub interrupted: Option<String>,
    /// How far it goes, where it does not reach its end.
    pub truncated: Option<Truncation>,
    /// SHA-256 of the last segment of the collection log.
    pub chain_head: Option<Digest>,
    /// SHA-256 of the file; none for a folder.
    pub bundle_sha256: Option<Digest>,
    /// The summary, where there is one.
    pub manifest: Option<BundleManifest>,
}

impl Verification {
    /// Says that everything that should be there is there, unaltered, and nothing else.
    pub fn is_intact(&self) -> bool {
        self.failures.is_empty() && self.truncated.is_none()
    }
}

/// Verifies a bundle in any of its formats. `progress` is told how many bytes of it were read (of a folder: of its files), and
/// `cancel` is asked between them.
///
/// # Errors
/// When it cannot be read at all, or `cancel` said so. What is wrong with it is no error but a [`Failure`].
pub fn verify(
    path: &Path,
    progress: &mut dyn FnMut(u64),
    cancel: &dyn Fn() -> bool,
) -> Result<Verification, BundleError> {
    let container = Container::open(path).map_err(BundleError::Container)?;
    std::thread::scope(|scope| {
        let whole = container.backing().map(|backing| {
            let section = backing.uncounted().section();
            scope.spawn(move || hash_all(section))
        });
        let mut check = Check::new(container.format());
        let ended = container.for_each(&mut |entry, body| check.member(&entry, body, &container, progress, cancel));
        if check.is_cancelled {
            return Err(BundleError::Cancelled);
        }
        let truncation = match ended {
            Ok(()) => None,
            Err(ContainerError::Damaged { entries, byte, detail, .. }) => Some((entries, Some(byte), detail)),
            Err(ContainerError::LimitReached { entries, detail, .. }) => Some((entries, None, detail)),
            Err(error) => return Err(BundleError::Container(error)),
        };
        let mut result = check.finish(truncation, &container)?;
        if let Some(whole) = whole {
            result.bundle_sha256 = whole.join().ok().transpose().map_err(|source| BundleError::Io {
                doing: "reading",
                what: shown(path.as_os_str().as_encoded_bytes()),
                source,
            })?;
        }
        Ok(result)
    })
}

fn hash_all(mut reader: impl Read) -> io::Result<Digest> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(count) => hasher.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What is kept of one member.
struct Seen {
    digest: Digest,
    /// Where it begins in the tar.
    place: u64,
    class: Class,
    /// A manifest lists it.
    is_listed: bool,
    /// A record or the collection log tells of it, with this digest.
    is_recorded: bool,
}

/// What a member is, by its place in the bag.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Tag,
    Payload,
    /// Payload that is a file of the host.
    Collected,
}

#[derive(Default)]
struct Chain {
    n: u64,
    head: Option<Digest>,
}

struct Check {
    format: ContainerFormat,
    root: Option<Vec<u8>>,
    seen: BTreeMap<Key, Seen>,
    /// Members, named by records or the log, that have not been seen yet: key, digest and name.
    claims: BTreeMap<Key, (Digest, String)>,
    chains: BTreeMap<String, Chain>,
    payload_manifest: Option<Vec<u8>>,
    tag_manifest: Option<Vec<u8>>,
    bag_info: Option<Vec<u8>>,
    manifest: Option<BundleManifest>,
    index: Option<Vec<(Key, u64)>>,
    has_bagit: bool,
    payload_files: u64,
    payload_bytes: u64,
    collected_files: u64,
    /// Where the last member of a zip ends.
    zip_end: u64,
    zip_directory: Option<u64>,
    failures: Vec<Failure>,
    more_failures: u64,
    hashed: u64,
    is_cancelled: bool,
}

/// A member's content on its way through the hash.
struct Hashing<'a, 'b> {
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

impl Check {
    fn new(format: ContainerFormat) -> Self {
        Self {
            format,
            root: None,
            seen: BTreeMap::new(),
            claims: BTreeMap::new(),
            chains: BTreeMap::new(),
            payload_manifest: None,
            tag_manifest: None,
            bag_info: None,
            manifest: None,
            index: None,
            has_bagit: false,
            payload_files: 0,
            payload_bytes: 0,
            collected_files: 0,
            zip_end: 0,
            zip_directory: None,
            failures: Vec::new(),
            more_failures: 0,
            hashed: 0,
            is_cancelled: false,
        }
    }

    fn fail(&mut self, what: &str, why: impl Into<String>) {
        if self.failures.len() < MAX_FAILURES {
            self.failures.push(Failure { what: shown(what.as_bytes()), why: why.into() });
        } else {
            self.more_failures += 1;
        }
    }

    fn member(
        &mut self,
        entry: &ContainerEntry,
        body: &mut (dyn Read + Send),
        container: &Container,
        progress: &mut dyn FnMut(u64),
        cancel: &dyn Fn() -> bool,
    ) -> ControlFlow<()> {
        self.check_layout(entry);
        let Some(path) = self.bag_path(entry) else { return ControlFlow::Continue(()) };
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
            Ok(header) => self.whole(&path, entry, digest, length, header),
            // The container tells of the damage itself; a member that is not whole is not there.
            Err(_) => return if is_cancelled { ControlFlow::Break(()) } else { ControlFlow::Continue(()) },
        }
        ControlFlow::Continue(())
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
            "manifest-sha256.txt" => self.payload_manifest = Some(spool(reader)?),
            "tagmanifest-sha256.txt" => self.tag_manifest = Some(spool(reader)?),
            index::PATH if entry.size > MAX_INDEX => self.fail(path, too_long("the index")),
            index::PATH => {
                let mut places = Vec::new();
                let read =
                    index::decode(BufReader::new(&mut *reader), entry.size, |key, place| places.push((key, place)));
                match read {
                    Ok(()) => self.index = Some(places),
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => self.fail(path, error.to_string()),
                    Err(error) => return Err(error),
                }
            }
            "bagit.txt" | "bag-info.txt" | manifest::PATH if entry.size > MAX_SMALL => {
                self.fail(path, too_long("it"));
            }
            "bagit.txt" | "bag-info.txt" | manifest::PATH => {
                let mut bytes = Vec::new();
                reader.read_to_end(&mut bytes)?;
                self.small(path, bytes);
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

    fn small(&mut self, path: &str, bytes: Vec<u8>) {
        match path {
            "bagit.txt" => {
                self.has_bagit = true;
                if bytes != b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n" {
                    self.fail(path, "it is not the declaration of BagIt 1.0 in UTF-8");
                }
            }
            "bag-info.txt" => self.bag_info = Some(bytes),
            _ => match serde_json::from_slice::<BundleManifest>(&bytes) {
                Ok(manifest) if manifest.format_version == FORMAT_VERSION => self.manifest = Some(manifest),
                Ok(manifest) => {
                    self.fail(path, format!("format version {} is not known to this version", manifest.format_version));
                }
                Err(error) => self.fail(path, format!("it cannot be read: {error}")),
            },
        }
    }

    /// Reads a segment line by line. Gives its number and the digest of the segment before it.
    fn segment(
        &mut self,
        path: &str,
        kind: &str,
        n: u64,
        reader: &mut Hashing<'_, '_>,
    ) -> io::Result<(u64, Option<Digest>)> {
        let mut lines = BufReader::with_capacity(1 << 16, reader);
        let mut line = Vec::new();
        let mut number: u64 = 0;
        let mut header = None;
        loop {
            line.clear();
            let count = (&mut lines).take(MAX_LINE).read_until(b'\n', &mut line)?;
            if count == 0 {
                break;
            }
            number += 1;
            if line.last() != Some(&b'\n') {
                self.fail(path, format!("line {number} has no end"));
                break;
            }
            let understood = if number == 1 {
                serde_json::from_slice::<segment::Header<'_>>(&line).map(|first| {
                    let is_right = first.records == kind && first.n == n;
                    header = Some((first.n, first.previous));
                    is_right
                })
            } else if kind == segment::COLLECTION {
                self.event_line(path, &line).map(|()| true)
            } else if kind == "files" {
                self.file_line(path, &line).map(|()| true)
            } else {
                serde_json::from_slice::<KindOnly>(&line).map(|line| !line.kind.is_empty())
            };
            match understood {
                Ok(true) => {}
                Ok(false) => self.fail(path, format!("line {number} does not belong here")),
                Err(error) => self.fail(path, format!("line {number} cannot be read: {error}")),
            }
        }
        Ok(header.unwrap_or((n, None)))
    }

    fn event_line(&mut self, path: &str, line: &[u8]) -> serde_json::Result<()> {
        // An event of a later minor version is not a fault; one that lies about a digest is.
        match serde_json::from_slice::<EventLine>(line)? {
            EventLine { kind, path: Some(named), sha256: Some(digest), .. } if kind == "segment" => {
                if segment::parse_path(&named).is_some_and(|(kind, _)| kind != segment::COLLECTION) {
                    self.claim(named, digest);
                } else {
                    self.fail(path, "it names a segment that is none");
                }
            }
            EventLine { kind, payload: Some(named), sha256: Some(digest), .. } if kind == "payload" => {
                self.claim(named, digest);
            }
            EventLine { kind, .. } if kind == "segment" || kind == "payload" => {
                self.fail(path, "it names a member without a digest");
            }
            _ => {}
        }
        Ok(())
    }

    fn file_line(&mut self, path: &str, line: &[u8]) -> serde_json::Result<()> {
        let file: FileLine = serde_json::from_slice(line)?;
        match (file.payload, file.sha256) {
            (Some(payload), Some(digest)) => {
                if payload == payload_path(&file.path) || payload == long_path(&file.path) {
                    self.claim(payload, digest);
                } else {
                    self.fail(path, format!("the record of `{}` names the payload of another file", file.path));
                }
            }
            (None, _) => {}
            (Some(_), None) => self.fail(path, format!("the record of `{}` has a payload and no digest", file.path)),
        }
        Ok(())
    }

    /// Holds what a record says of a member against the member.
    fn claim(&mut self, name: String, digest: Digest) {
        let key = index::key(&name);
        match self.seen.get_mut(&key) {
            Some(seen) if seen.digest == digest => seen.is_recorded = true,
            Some(seen) => {
                // Told here and not again for being without a record.
                seen.is_recorded = true;
                let why = format!("its SHA-256 is {} and its record says {digest}", seen.digest);
                self.fail(&name, why);
            }
            None => {
                self.claims.insert(key, (digest, name));
            }
        }
    }

    /// Takes in a member that was read to its end.
    fn whole(
        &mut self,
        path: &str,
        entry: &ContainerEntry,
        digest: Digest,
        length: u64,
        header: Option<(u64, Option<Digest>)>,
    ) {
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
        let place = entry.range.start;
        self.seen.insert(key, Seen { digest, place, class, is_listed: false, is_recorded });
    }

    fn finish(
        mut self,
        truncation: Option<(u64, Option<u64>, String)>,
        container: &Container,
    ) -> Result<Verification, BundleError> {
        let mut verified_files = 0;
        let truncated = if let Some((members, byte, detail)) = truncation {
            let covered_files = self.count_covered();
            verified_files = covered_files;
            Some(Truncation { members, files: self.collected_files, covered_files, byte, detail })
        } else {
            self.complete(container, &mut verified_files)?;
            None
        };
        Ok(Verification {
            failures: self.failures,
            more_failures: self.more_failures,
            verified_files,
            verified_bytes: self.payload_bytes,
            interrupted: self.manifest.as_ref().and_then(|manifest| manifest.interrupted.clone()),
            truncated,
            chain_head: self.chains.get(segment::COLLECTION).and_then(|chain| chain.head),
            bundle_sha256: None,
            manifest: self.manifest,
        })
    }

    /// Collected files that a record tells of.
    fn count_covered(&self) -> u64 {
        let covered = self.seen.values().filter(|seen| seen.class == Class::Collected && seen.is_recorded);
        u64::try_from(covered.count()).unwrap_or(0)
    }

    fn complete(&mut self, container: &Container, verified_files: &mut u64) -> Result<(), BundleError> {
        if !self.has_bagit {
            self.fail("bagit.txt", "it is missing");
        }
        match self.payload_manifest.take() {
            None => self.fail("manifest-sha256.txt", "it is missing"),
            Some(spool) => *verified_files = self.hold_against(&spool, "manifest-sha256.txt")?,
        }
        match self.tag_manifest.take() {
            None => self.fail("tagmanifest-sha256.txt", "it is missing"),
            Some(spool) => {
                self.hold_against(&spool, "tagmanifest-sha256.txt")?;
            }
        }
        self.check_info();
        self.check_manifest();
        for (_, (_, name)) in std::mem::take(&mut self.claims) {
            self.fail(&name, "a record tells of it and it is not in the bag");
        }
        self.check_index();
        self.check_seek_table(container);
        if let Some(directory) = self.zip_directory
            && !is_descriptor(self.zip_end, directory)
        {
            self.fail("the zip", "it holds bytes that its directory does not tell of");
        }
        self.name_the_unlisted(container)
    }

    /// Holds a manifest against what was seen. Gives the number of files that agree.
    fn hold_against(&mut self, spool: &[u8], name: &str) -> Result<u64, BundleError> {
        let wants_payload = name == "manifest-sha256.txt";
        let io = |source| BundleError::Io { doing: "reading", what: name.to_owned(), source };
        let mut lines = BufReader::new(zstd::stream::read::Decoder::with_buffer(spool).map_err(io)?);
        let mut line = Vec::new();
        let mut agreed = 0;
        loop {
            line.clear();
            if (&mut lines).take(MAX_LINE).read_until(b'\n', &mut line).map_err(io)? == 0 {
                return Ok(agreed);
            }
            let parsed = line.strip_suffix(b"\n").and_then(manifest_line);
            let Some((digest, path)) = parsed.filter(|(_, path)| path.starts_with("data/") == wants_payload) else {
                self.fail(name, format!("the line `{}` does not belong in it", text(&line)));
                continue;
            };
            let why = match self.seen.get_mut(&index::key(path)) {
                None => Some("it is listed and not in the bag".to_owned()),
                Some(seen) if seen.is_listed => Some("it is listed more than once".to_owned()),
                Some(seen) => {
                    seen.is_listed = true;
                    let is_right = seen.digest == digest;
                    (!is_right).then(|| format!("its SHA-256 is {} and the manifest says {digest}", seen.digest))
                }
            };
            match why {
                Some(why) => self.fail(path, why),
                None => agreed += 1,
            }
        }
    }

    fn check_info(&mut self) {
        let Some(info) = self.bag_info.take() else { return self.fail("bag-info.txt", "it is missing") };
        let expected = format!("Payload-Oxum: {}.{}", self.payload_bytes, self.payload_files);
        let oxum: Vec<&[u8]> =
            info.split(|&byte| byte == b'\n').filter(|line| line.starts_with(b"Payload-Oxum:")).collect();
        if oxum != [expected.as_bytes()] {
            let found = oxum.first().map_or("there is none".to_owned(), |line| format!("it says `{}`", text(line)));
            self.fail("bag-info.txt", format!("the payload is `{expected}` and {found}"));
        }
    }

    fn check_manifest(&mut self) {
        let Some(manifest) = &self.manifest else {
            if !self.failures.iter().any(|failure| failure.what == manifest::PATH) {
                self.fail(manifest::PATH, "it is missing");
            }
            return;
        };
        let head = self.chains.get(segment::COLLECTION).and_then(|chain| chain.head);
        let mut wrong = Vec::new();
        if head != Some(manifest.collection_head) {
            wrong.push("the collection log does not end where it says");
        }
        if manifest.totals.files != self.collected_files {
            wrong.push("it counts other files than there are");
        }
        if self.root.as_ref().is_some_and(|root| *root != manifest.name.as_bytes()) {
            wrong.push("it names another bag than the folder that everything lies in");
        }
        for why in wrong {
            self.fail(manifest::PATH, why);
        }
    }

    fn check_index(&mut self) {
        let Some(index) = self.index.take() else { return };
        let indexed = |&key: &Key| key != index::key(index::PATH);
        let have = self.seen.iter().filter(|(key, _)| indexed(key));
        let is_tar = !matches!(self.format, ContainerFormat::Directory | ContainerFormat::Zip);
        let agrees = index.len() + 1 == self.seen.len()
            && have
                .zip(&index)
                .all(|((key, seen), (indexed, place))| key == indexed && (!is_tar || seen.place == *place));
        if !agrees {
            self.fail(index::PATH, "it does not agree with where things lie: the bag was put together again");
        }
    }

    fn check_seek_table(&mut self, container: &Container) {
        let (ContainerFormat::TarZst, Some(backing)) = (self.format, container.backing()) else { return };
        match Frames::open(&backing.uncounted()).and_then(|frames| frames.check()) {
            // Without a table (it was compressed again) it is read from the beginning, as here.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.fail("the seek table", error.to_string()),
            Ok(()) => {}
        }
    }

    /// What is there and not listed has a key only; a second look at the names finds what it is called.
    fn name_the_unlisted(&mut self, container: &Container) -> Result<(), BundleError> {
        let exempt = [index::key("tagmanifest-sha256.txt"), index::key(index::PATH)];
        let mut unlisted = BTreeSet::new();
        let mut unrecorded = BTreeSet::new();
        for (key, seen) in &self.seen {
            if !seen.is_listed && !exempt.contains(key) {
                unlisted.insert(*key);
            } else if seen.class != Class::Tag && !seen.is_recorded {
                unrecorded.insert(*key);
            }
        }
        if unlisted.is_empty() && unrecorded.is_empty() {
            return Ok(());
        }
        let is_archive = self.format != ContainerFormat::Directory;
        let mut named: Vec<(String, &str)> = Vec::new();
        container
            .list(&mut |entry| {
                let name = text(&entry.name);
                let path = if is_archive { name.split_once('/').map_or("", |(_, path)| path) } else { &name };
                let key = index::key(path);
                if unlisted.remove(&key) {
                    named.push((path.to_owned(), "it is in the bag and no manifest lists it"));
                } else if unrecorded.remove(&key) {
                    named.push((path.to_owned(), "no record tells of it"));
                }
                ControlFlow::Continue(())
            })
            .map_err(BundleError::Container)?;
        for (path, why) in named {
            self.fail(&path, why);
        }
        Ok(())
    }
}

/// Says whether what lies between two entries of a zip can only be a data descriptor (APPNOTE 4.3.9), or is nothing.
fn is_descriptor(end: u64, next: u64) -> bool {
    matches!(next.checked_sub(end), Some(0 | 12 | 16 | 20 | 24))
}

fn is_long(path: &str) -> bool {
    path.strip_prefix(escape::LONG)
        .is_some_and(|hex| hex.parse::<Digest>().is_ok() && !hex.bytes().any(|byte| byte.is_ascii_uppercase()))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Keeps a manifest compressed until everything that it lists was seen.
fn spool(reader: &mut Hashing<'_, '_>) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1)?;
    io::copy(reader, &mut encoder)?;
    encoder.flush()?;
    encoder.finish()
}

/// `<64 hexadecimal digits>  <path>`.
fn manifest_line(line: &[u8]) -> Option<(Digest, &str)> {
    let line = std::str::from_utf8(line).ok()?;
    let (digest, path) = line.split_once("  ")?;
    Some((digest.parse().ok()?, path))
}

#[derive(Deserialize)]
struct KindOnly {
    kind: String,
}

#[derive(Deserialize)]
struct EventLine {
    kind: String,
    path: Option<String>,
    payload: Option<String>,
    sha256: Option<Digest>,
}

#[derive(Deserialize)]
struct FileLine {
    #[serde(flatten)]
    path: EvidencePath,
    payload: Option<String>,
    sha256: Option<Digest>,
}
