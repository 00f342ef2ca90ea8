//! A bundle as a source: what the records say of the host's files, and the stored contents, as if they lay in a root.
//!
//! It trusts a bundle no further than its digests: each segment is held against the collection log, each content carries the
//! digest of its record, and what does not agree is a gap and not evidence. To know that a bundle is whole,
//! [`verify`](super::verify()) it.

use super::BundleError;
use super::access::{Access, Found, inside};
use super::index::{Key, key_of_evidence};
use super::manifest::{self, BundleManifest, FORMAT_VERSION, Totals};
use super::segment::{self, Beginning, Event};
use crate::model::{
    Digest, EvidencePath, FileKind, FileMeta, FileRecord, Gap, GapReason, HostIdentity, Mode, Record, VOLATILE_FOLDERS,
    escape,
};
use crate::source::{
    Container, ContainerError, ContainerFormat, Content, Entry, Handover, Identities, Item, Observation, Opened,
    Opener, ReadError, Selection, Source, SourceError, SourceKind,
};
use serde::Deserialize;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Segments that are kept decoded for single look-ups.
const KEPT_SEGMENTS: usize = 4;
/// Members that are looked at to tell a bundle of ours from another archive.
const FIRST_MEMBERS: usize = 64;

/// Says whether a path is a bundle of ours, whole or cut.
pub fn is_bundle(path: &Path) -> bool {
    is_bundle_with(path, &Identities::default())
}

/// Says whether a path is a bundle of ours that may be encrypted. One that none of the identities opens is not known to be.
pub fn is_bundle_with(path: &Path, identities: &Identities) -> bool {
    let Ok(container) = Container::open_with(path, identities) else { return false };
    let is_folder = container.format() == ContainerFormat::Directory;
    if is_folder {
        return path.join("bagit.txt").is_file() && path.join("triage").is_dir();
    }
    let (mut seen, mut is_bag, mut is_ours) = (0, false, false);
    let _ = container.list(&mut |entry| {
        let name = inside(&entry).unwrap_or_default();
        is_bag |= name == "bagit.txt";
        is_ours |= name.starts_with("triage/") || segment::parse_path(name).is_some();
        is_ours |= name.starts_with(super::escape::FILES) || name.starts_with(super::escape::LONG);
        seen += 1;
        if seen >= FIRST_MEMBERS || (is_bag && is_ours) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    is_bag && is_ours
}

/// A bundle that is read as evidence.
pub struct BundleSource {
    access: Arc<Access>,
    label: String,
    manifest: BundleManifest,
    /// Segments by kind, with the digest that the log gives them.
    segments: BTreeMap<String, Vec<Segment>>,
    gaps: Vec<Gap>,
    table: OnceLock<Table>,
    kept: Mutex<VecDeque<(usize, Arc<Vec<u8>>)>>,
}

struct Segment {
    path: String,
    /// None where the log does not reach so far.
    sha256: Option<Digest>,
}

/// Where each path's record is.
#[derive(Default)]
struct Table {
    /// Key of the path, segment, and place in it.
    places: Vec<(Key, u32, u32)>,
    /// Folders that have no record and something beneath them.
    implied: HashSet<Key>,
}

#[derive(Deserialize)]
struct PathOnly {
    #[serde(flatten)]
    path: EvidencePath,
}

fn damaged(what: &str, detail: impl Into<String>) -> BundleError {
    BundleError::Damaged { what: escape(what.as_bytes()), detail: detail.into() }
}

impl BundleSource {
    /// Opens a bundle in any of its formats, also one that is cut.
    ///
    /// # Errors
    /// When it cannot be read, is no bundle, or does not even tell how its collection began.
    pub fn open(path: &Path) -> Result<Self, BundleError> {
        Self::open_with(path, &Identities::default())
    }

    /// Opens a bundle that may be encrypted.
    ///
    /// # Errors
    /// As [`BundleSource::open`], and when none of the identities opens it.
    pub fn open_with(path: &Path, identities: &Identities) -> Result<Self, BundleError> {
        let label = escape(path.as_os_str().as_bytes());
        let access = Access::open(path, identities)?;
        let mut log = Log::default();
        log.read(&access)?;
        let mut gaps = std::mem::take(&mut log.gaps);
        if let Access::Stream(stream) = &access
            && let Some(damage) = &stream.damage
        {
            gaps.push(Gap::new(EvidencePath::root(), GapReason::Damaged, format!("the bundle is cut: {damage}")));
        }
        let summary = access.part(manifest::PATH).map_err(|error| damaged(manifest::PATH, error.to_string()))?;
        let manifest = match summary {
            Some(bytes) => {
                let manifest: BundleManifest =
                    serde_json::from_slice(&bytes).map_err(|error| damaged(manifest::PATH, error.to_string()))?;
                if manifest.format_version != FORMAT_VERSION {
                    let what = format!("a bundle of format version {} cannot be read", manifest.format_version);
                    return Err(BundleError::Unsupported { what });
                }
                if Some(manifest.collection_head) != log.head {
                    log.faults.push("it does not end where the summary says".to_owned());
                }
                manifest
            }
            None => log.stand_in().ok_or_else(|| BundleError::Unsupported {
                what: format!("`{label}` is no bundle, or is cut before its first whole segment"),
            })?,
        };
        for fault in log.faults {
            let detail = format!("the collection log of the bundle is damaged: {fault}");
            gaps.push(Gap::new(EvidencePath::root(), GapReason::Damaged, detail));
        }
        let segments = log.segments;
        let access = Arc::new(access);
        let mut source =
            Self { access, label, manifest, segments, gaps, table: OnceLock::new(), kept: Mutex::default() };
        source.find_unlogged_segments();
        Ok(source)
    }

    /// The summary; of a bundle that is cut before it, what the beginning of the collection log tells.
    pub fn manifest(&self) -> &BundleManifest {
        &self.manifest
    }

    /// A tag file of ours, such as `triage/coverage.json`; none where there is none or it cannot be read. Nothing vouches for it before the
    /// bundle was verified.
    pub fn statement(&self, path: &str) -> Option<Vec<u8>> {
        self.access.part(path).ok().flatten()
    }

    /// Whose evidence it is.
    pub fn host(&self) -> &HostIdentity {
        &self.manifest.host
    }

    /// What was not read when it was collected, and what of the bundle itself is damaged.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Bytes of the file that were read so far; 0 for a folder.
    pub fn bytes_read(&self) -> u64 {
        self.access.bytes_read()
    }

    /// The kinds of records in it: `files`, `accounts`, ….
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.segments.keys().map(String::as_str)
    }

    /// Gives every record of a kind, in the order of the collection, until `sink` breaks.
    ///
    /// # Errors
    /// When a segment is missing, altered or not understood; the records before it were given.
    pub fn records(&self, kind: &str, sink: &mut dyn FnMut(Record) -> ControlFlow<()>) -> Result<(), BundleError> {
        for segment in self.segments.get(kind).into_iter().flatten() {
            for line in lines(&self.load(segment)?) {
                let record = serde_json::from_slice(line).map_err(|error| damaged(&segment.path, error.to_string()))?;
                if sink(record).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Segments that a cut or interrupted bundle has beyond its log.
    fn find_unlogged_segments(&mut self) {
        if self.manifest.collection_head == no_head() {
            let kinds = ["files", "accounts", "cron", "authorized_keys", "units", "modules"];
            for kind in kinds.into_iter().chain(VOLATILE_FOLDERS) {
                let known = self.segments.get(kind).map_or(0, Vec::len);
                for n in u64::try_from(known).unwrap_or(0) + 1.. {
                    let path = segment::path(kind, n);
                    if !matches!(self.access.part(&path), Ok(Some(_))) {
                        break;
                    }
                    self.segments.entry(kind.to_owned()).or_default().push(Segment { path, sha256: None });
                }
            }
        }
    }

    fn load(&self, segment: &Segment) -> Result<Vec<u8>, BundleError> {
        let bytes = self.access.part(&segment.path).map_err(|error| damaged(&segment.path, error.to_string()))?;
        let bytes = bytes.ok_or_else(|| damaged(&segment.path, "it is missing"))?;
        if segment.sha256.is_some_and(|expected| expected != Digest::of(&bytes)) {
            return Err(damaged(&segment.path, "it is not what the collection log says"));
        }
        Ok(bytes)
    }

    fn file_segments(&self) -> &[Segment] {
        self.segments.get("files").map_or(&[], Vec::as_slice)
    }

    /// A file segment, from among the last that were looked at.
    fn recent(&self, at: usize) -> Option<Arc<Vec<u8>>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bytes)) = kept.iter().find(|(have, _)| *have == at) {
            return Some(Arc::clone(bytes));
        }
        let bytes = Arc::new(self.load(self.file_segments().get(at)?).ok()?);
        kept.push_back((at, Arc::clone(&bytes)));
        if kept.len() > KEPT_SEGMENTS {
            kept.pop_front();
        }
        Some(bytes)
    }

    fn table(&self) -> &Table {
        self.table.get_or_init(|| {
            let mut table = Table::default();
            for (at, segment) in self.file_segments().iter().enumerate() {
                // A segment that cannot be read is told by the walk.
                let Ok(bytes) = self.load(segment) else { continue };
                for line in lines(&bytes) {
                    let Ok(PathOnly { path }) = serde_json::from_slice(line) else { continue };
                    let offset = line.as_ptr().addr().saturating_sub(bytes.as_ptr().addr());
                    if let (Ok(at), Ok(offset)) = (u32::try_from(at), u32::try_from(offset)) {
                        table.places.push((key_of_evidence(path.as_bytes()), at, offset));
                    }
                    let mut parent = path.parent();
                    while let Some(folder) = parent {
                        if !table.implied.insert(key_of_evidence(folder.as_bytes())) {
                            break;
                        }
                        parent = folder.parent();
                    }
                }
            }
            table.places.sort_unstable();
            table.places.dedup_by_key(|&mut (key, ..)| key);
            table.implied.insert(key_of_evidence(b"/"));
            table
        })
    }

    fn record_of(&self, path: &EvidencePath) -> Option<FileRecord> {
        let key = key_of_evidence(path.as_bytes());
        let places = &self.table().places;
        let at = places.binary_search_by(|(have, ..)| have.cmp(&key)).ok()?;
        let &(_, at, offset) = places.get(at)?;
        let bytes = self.recent(usize::try_from(at).ok()?)?;
        let line = lines_from(bytes.get(usize::try_from(offset).ok()?..)?).next()?;
        match serde_json::from_slice(line).ok()? {
            Record::File(record) if record.path == *path => Some(record),
            _ => None,
        }
    }

    fn entry(record: FileRecord, open: Option<Box<dyn FnOnce() -> io::Result<Found> + Send>>) -> Item {
        let FileRecord { path, meta, sha256, .. } = record;
        let content = open.map(|open| -> Opener {
            let meta = meta.clone();
            Box::new(move || {
                let (size, reader) = open().map_err(|error| read_error(&error))?;
                Ok(Opened { meta, reader: Box::new(Stored { reader, left: size, sha256 }) })
            })
        });
        Item::Entry(Entry { path, meta, content })
    }

    /// An entry whose content is opened where it lies.
    fn at_its_place(&self, record: FileRecord) -> Item {
        let open = record.payload.clone().map(|payload| {
            let access = Arc::clone(&self.access);
            Box::new(move || {
                let found = access.open_member(&payload)?;
                found.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the bundle does not hold its content"))
            }) as Box<dyn FnOnce() -> io::Result<Found> + Send>
        });
        Self::entry(record, open)
    }

    /// Gives the records of files one by one; what cannot be read of them goes to `faults`.
    fn file_records<'a>(&'a self, faults: &'a mut Vec<Gap>) -> impl Iterator<Item = FileRecord> + 'a {
        let root = EvidencePath::root;
        self.file_segments().iter().flat_map(move |segment| {
            let bytes = self.load(segment).unwrap_or_else(|error| {
                faults.push(Gap::new(root(), GapReason::Damaged, error.to_string()));
                Vec::new()
            });
            let mut records = Vec::new();
            for line in lines(&bytes) {
                match serde_json::from_slice(line) {
                    Ok(Record::File(record)) => records.push(record),
                    Ok(_) => {}
                    Err(error) => {
                        let detail = format!("a record in `{}` cannot be read: {error}", segment.path);
                        faults.push(Gap::new(root(), GapReason::Damaged, detail));
                    }
                }
            }
            records
        })
    }

    /// Gives everything in the order of the records while the contents pass in the order of the archive, which is the same but
    /// for what another tool changed.
    fn walk_stream(
        &self,
        stream: &super::access::Stream,
        selection: &Selection,
        sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
        faults: &mut Vec<Gap>,
    ) -> Result<ControlFlow<()>, SourceError> {
        let mut records = self.file_records(faults).filter(|record| selection.selects(&record.path)).peekable();
        let mut handover = Handover::default();
        let mut flow = ControlFlow::Continue(());
        let is_collected = |name: &str| name.starts_with("data/") && segment::parse_path(name).is_none();
        let ended =
            stream.container.for_each_where(&|entry| inside(entry).is_some_and(is_collected), &mut |entry, body| {
                let Some(name) = inside(&entry).filter(|name| is_collected(name)) else {
                    return ControlFlow::Continue(());
                };
                let Some(start) = entry.data else { return ControlFlow::Continue(()) };
                let (container, size) = (stream.container.clone(), entry.size);
                let mut passing = Some(body);
                // Everything up to the record of this content, whose own contents have passed or are to come only after the end.
                while let Some(record) = records.next_if(|record| match &record.payload {
                    None => true,
                    Some(payload) if payload == name => passing.is_some(),
                    Some(payload) => stream.place(payload).is_none_or(|(place, _)| place < start),
                }) {
                    flow = match (&record.payload, &mut passing) {
                        (Some(payload), Some(_)) if payload == name => {
                            let Some(body) = passing.take() else { continue };
                            let container = container.clone();
                            let reopen = Box::new(move || container.tar_content(start, size));
                            handover.give(size, body, reopen, &mut |open| {
                                sink(Self::entry(record.clone(), Some(Box::new(move || Ok((size, open()?))))))
                            })
                        }
                        _ => sink(self.at_its_place(record)),
                    };
                    if flow.is_break() {
                        break;
                    }
                }
                flow
            });
        match ended {
            Ok(()) | Err(ContainerError::Damaged { .. } | ContainerError::LimitReached { .. }) => {}
            Err(ContainerError::Io { doing, what, source }) => return Err(SourceError::Io { doing, what, source }),
            Err(error) => {
                return Err(SourceError::Damaged { what: self.label.clone(), detail: error.to_string() });
            }
        }
        while flow.is_continue()
            && let Some(record) = records.next()
        {
            flow = sink(self.at_its_place(record));
        }
        Ok(flow)
    }
}

fn read_error(error: &io::Error) -> ReadError {
    let reason = match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound => GapReason::Damaged,
        _ => GapReason::ReadFailed,
    };
    ReadError::new(reason, error.to_string())
}

/// Stored content: as long as its header says, and with the digest of its record.
struct Stored {
    reader: Box<dyn Read + Send>,
    left: u64,
    sha256: Option<Digest>,
}

impl Read for Stored {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the bundle is cut here"));
        }
        self.left = self.left.saturating_sub(u64::try_from(read).unwrap_or(0));
        Ok(read)
    }
}

impl Content for Stored {
    fn expected(&self) -> Option<Digest> {
        self.sha256
    }
}

impl Source for BundleSource {
    fn kind(&self) -> SourceKind {
        SourceKind::Bundle
    }

    fn label(&self) -> String {
        self.label.clone()
    }

    fn walk(&self, selection: &Selection, sink: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), SourceError> {
        let mut faults = Vec::new();
        let flow = match &*self.access {
            Access::Stream(stream) if stream.is_compressed() => {
                self.walk_stream(stream, selection, sink, &mut faults)?
            }
            _ => {
                let mut records = self.file_records(&mut faults).filter(|record| selection.selects(&record.path));
                records.try_for_each(|record| sink(self.at_its_place(record)))
            }
        };
        if flow.is_continue() {
            let concerns =
                |path: &EvidencePath| path.is_root() || selection.selects(path) || selection.reaches_into(path);
            for gap in self.gaps.iter().chain(&faults).filter(|gap| concerns(&gap.path)) {
                if sink(Item::Gap(gap.clone())).is_break() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The volatile state as it was recorded. The copies of deleted programs are files of the bundle, and come with the walk.
    fn records(&self, sink: &mut dyn FnMut(Observation) -> ControlFlow<()>) -> Result<(), SourceError> {
        for folder in VOLATILE_FOLDERS {
            let mut flow = ControlFlow::Continue(());
            let read = self.records(folder, &mut |record| {
                flow = sink(Observation::Record(Box::new(record)));
                flow
            });
            if let Err(error) = read {
                let gap = Gap::new(EvidencePath::root(), GapReason::Damaged, error.to_string());
                flow = sink(Observation::Gap(gap));
            }
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn metadata(&self, path: &EvidencePath) -> Result<Option<FileMeta>, SourceError> {
        if let Some(record) = self.record_of(path) {
            return Ok(Some(record.meta));
        }
        // A folder that was not asked for has no record; that there is one can still be told.
        let is_implied = self.table().implied.contains(&key_of_evidence(path.as_bytes()));
        Ok(is_implied.then(|| FileMeta::bare(FileKind::Directory, Mode::new(0o755), 0)))
    }

    fn open(&self, path: &EvidencePath) -> Result<Option<Opened>, SourceError> {
        let Some(record) = self.record_of(path).filter(|record| record.meta.is_file()) else { return Ok(None) };
        let Some(payload) = record.payload else { return Ok(None) };
        let lost = |detail: String| SourceError::Damaged { what: path.to_string(), detail };
        match self.access.open_member(&payload) {
            Ok(Some((size, reader))) => {
                let reader = Box::new(Stored { reader, left: size, sha256: record.sha256 });
                Ok(Some(Opened { meta: record.meta, reader }))
            }
            Ok(None) => Err(lost("the bundle does not hold its content".to_owned())),
            Err(error) if read_error(&error).reason == GapReason::Damaged => Err(lost(error.to_string())),
            Err(source) => Err(SourceError::Io { doing: "opening", what: path.to_string(), source }),
        }
    }
}

/// The lines of a segment behind its first.
fn lines(segment: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines_from(segment).skip(1)
}

fn lines_from(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|&byte| byte == b'\n')
}

/// What stands for the head of a log that has no end.
fn no_head() -> Digest {
    Digest::of(b"")
}

/// The collection log, read from its first segment to the last that is there.
#[derive(Default)]
struct Log {
    beginning: Option<Box<Beginning>>,
    segments: BTreeMap<String, Vec<Segment>>,
    gaps: Vec<Gap>,
    head: Option<Digest>,
    faults: Vec<String>,
}

impl Log {
    fn read(&mut self, access: &Access) -> Result<(), BundleError> {
        for n in 1.. {
            let path = segment::path(segment::COLLECTION, n);
            let bytes = match access.part(&path) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => break,
                Err(error) if error.raw_os_error().is_some() => {
                    return Err(BundleError::Io { doing: "reading", what: path, source: error });
                }
                Err(error) => {
                    self.faults.push(format!("segment {n}: {error}"));
                    break;
                }
            };
            let first = lines_from(&bytes).next().unwrap_or_default();
            let follows = serde_json::from_slice::<segment::Header<'_>>(first).is_ok_and(|header| {
                header.n == n && header.previous == self.head && header.records == segment::COLLECTION
            });
            if !follows {
                self.faults.push(format!("segment {n} does not continue the one before it"));
            }
            self.head = Some(Digest::of(&bytes));
            for line in lines(&bytes) {
                match serde_json::from_slice(line) {
                    Ok(event) => self.event(event),
                    Err(error) => self.faults.push(format!("segment {n}: {error}")),
                }
            }
        }
        Ok(())
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Start(beginning) => self.beginning = Some(beginning),
            Event::Gap(gap) => self.gaps.push(gap),
            Event::Segment { path, sha256, .. } => {
                let place = segment::parse_path(&path).filter(|(kind, _)| *kind != segment::COLLECTION);
                let Some((kind, n)) = place else {
                    return self.faults.push("it names a segment that is none".to_owned());
                };
                let list = self.segments.entry(kind.to_owned()).or_default();
                if u64::try_from(list.len() + 1) != Ok(n) {
                    self.faults.push("segments are missing or out of order".to_owned());
                }
                list.push(Segment { path, sha256: Some(sha256) });
            }
            _ => {}
        }
    }

    /// The summary of a bundle that never got one.
    fn stand_in(&self) -> Option<BundleManifest> {
        let beginning = (**self.beginning.as_ref()?).clone();
        Some(BundleManifest {
            format_version: FORMAT_VERSION,
            tool: beginning.tool,
            version: beginning.version,
            name: beginning.name,
            host: beginning.host,
            root: beginning.root,
            is_live: beginning.is_live,
            evidence: None,
            profile: beginning.profile,
            selection: beginning.selection,
            start: beginning.time,
            end: beginning.time,
            clock_note: beginning.clock_note,
            time_zone: beginning.time_zone,
            case: beginning.case,
            totals: Totals::default(),
            gaps: Vec::new(),
            resumed: Vec::new(),
            signed_by: None,
            interrupted: Some("the bundle was cut before its end".to_owned()),
            collection_head: no_head(),
        })
    }
}
