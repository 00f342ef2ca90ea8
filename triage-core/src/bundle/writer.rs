//! Writing a bundle as a stream: each file once, in bounded memory, with nothing that has to be mended afterwards.

use super::BundleError;
use super::escape::{long_path, payload_path};
use super::format::{self, Archive, BundleSink};
use super::index::{self, Key};
use super::manifest::{self, BundleInfo, BundleManifest, FORMAT_VERSION, MAX_GAPS, Totals};
use super::segment::{self, Beginning, Event};
use crate::model::{Digest, EvidencePath, Gap, Hasher, Record, Timestamp, escape};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::path::PathBuf;

/// Bytes of records of one kind after which their segments are written.
const SEGMENT_BYTES: usize = 1 << 20;
/// Bytes of payload after which segments are written: what a killed collection can lose of its records.
const CHECKPOINT_BYTES: u64 = 64 << 20;
const CHUNK: usize = 1 << 17;

/// What became of one stored file.
#[derive(Debug)]
pub struct Stored {
    /// Where it lies in the bag.
    pub payload: String,
    /// SHA-256 of the stored bytes.
    pub sha256: Digest,
    /// Stored bytes: exactly what was announced.
    pub size: u64,
    /// Bytes at the end that are zeros because the file ended, or failed, earlier than announced.
    pub missing: u64,
    /// Says that the file went on beyond what was announced.
    pub was_cut: bool,
    /// Why reading stopped early, where it was an error and not the end.
    pub error: Option<io::Error>,
}

impl Stored {
    /// Says that the file ended earlier than announced.
    pub fn was_short(&self) -> bool {
        self.missing > 0
    }
}

/// How a collection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything that was to be collected was tried.
    Complete,
    /// It was stopped.
    Interrupted {
        /// Why: a signal, a full disk, a deadline.
        why: String,
    },
}

/// A finished bundle.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Its file or folder; none for a stream.
    pub path: Option<PathBuf>,
    /// SHA-256 of the file or stream; none for a folder.
    pub sha256: Option<Digest>,
    /// Bytes written.
    pub bytes: u64,
    /// The name of the bag.
    pub name: String,
    /// What is in it.
    pub totals: Totals,
    /// SHA-256 of the last segment of the collection log.
    pub chain_head: Digest,
}

/// A bundle that is being written.
///
/// Dropped or [aborted](BundleWriter::abort), it leaves what there is under its partial name.
pub struct BundleWriter {
    archive: Box<dyn Archive>,
    info: BundleInfo,
    name: String,
    places: HashMap<Key, u64>,
    payload_manifest: Spool,
    payload_files: u64,
    payload_bytes: u64,
    tags: Vec<(String, Digest)>,
    records: BTreeMap<&'static str, segment::Open>,
    collection: segment::Open,
    /// Payloads that no record names yet.
    unrecorded: BTreeMap<String, (Digest, u64)>,
    totals: Totals,
    gaps: Vec<Gap>,
    since_checkpoint: u64,
    is_torn: bool,
    buffer: Vec<u8>,
}

fn writing(source: io::Error) -> BundleError {
    BundleError::Io { doing: "writing", what: "the bundle".to_owned(), source }
}

impl BundleWriter {
    /// Begins a bundle.
    ///
    /// # Errors
    /// When the name is taken, or the file or the first bytes cannot be written.
    pub fn create(sink: BundleSink, info: BundleInfo) -> Result<Self, BundleError> {
        let name = info.name();
        let mut writer = Self {
            archive: format::open(sink, &name, &info)?,
            name,
            places: HashMap::new(),
            payload_manifest: Spool::new().map_err(writing)?,
            payload_files: 0,
            payload_bytes: 0,
            tags: Vec::new(),
            records: BTreeMap::new(),
            collection: segment::Open::new(segment::COLLECTION),
            unrecorded: BTreeMap::new(),
            totals: Totals::default(),
            gaps: Vec::new(),
            since_checkpoint: 0,
            is_torn: false,
            buffer: vec![0; CHUNK],
            info,
        };
        writer.tag("bagit.txt", b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")?;
        let beginning = Beginning {
            time: writer.info.start,
            tool: writer.info.tool.clone(),
            version: writer.info.version.clone(),
            name: writer.name.clone(),
            host: writer.info.host.clone(),
            root: writer.info.root.clone(),
            is_live: writer.info.is_live,
            profile: writer.info.profile.clone(),
            selection: writer.info.selection.clone(),
            clock_note: writer.info.clock_note.clone(),
        };
        writer.event(&Event::Start(Box::new(beginning)))?;
        Ok(writer)
    }

    /// The name of the bag, which in an archive is the folder that everything lies in.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Stores one file's content: exactly `size` bytes, because that is what its header says before the first of them. What is
    /// missing is zeros, what is beyond is left out, and [`Stored`] says so; an error of `body` counts as its end.
    ///
    /// Its record is to follow ([`BundleWriter::record`]) with the payload path and digest that this gives.
    ///
    /// # Errors
    /// [`BundleError::Repeated`], which leaves the bundle as it was, and everything that the output refuses.
    pub fn payload(
        &mut self,
        path: &EvidencePath,
        size: u64,
        mtime: Option<Timestamp>,
        body: &mut dyn Read,
    ) -> Result<Stored, BundleError> {
        self.place(path, size, mtime, |writer| writer.copy(size, body))
    }

    /// Stores content that is all at hand and was hashed where it was read: `sha256` is its digest, and is believed.
    ///
    /// # Errors
    /// As [`BundleWriter::payload`].
    pub fn payload_whole(
        &mut self,
        path: &EvidencePath,
        mtime: Option<Timestamp>,
        bytes: &[u8],
        sha256: Digest,
    ) -> Result<Stored, BundleError> {
        let size = bytes.len() as u64;
        self.place(path, size, mtime, |writer| {
            writer.archive.write(bytes)?;
            writer.archive.end()?;
            Ok(Stored { payload: String::new(), sha256, size, missing: 0, was_cut: false, error: None })
        })
    }

    /// Begins a member for `path`, lets `fill` write exactly `size` bytes and end it, and lists it.
    fn place(
        &mut self,
        path: &EvidencePath,
        size: u64,
        mtime: Option<Timestamp>,
        fill: impl FnOnce(&mut Self) -> io::Result<Stored>,
    ) -> Result<Stored, BundleError> {
        if self.since_checkpoint >= CHECKPOINT_BYTES {
            self.checkpoint()?;
        }
        let seconds = mtime.unwrap_or(self.info.start).seconds();
        let key = index::key_of_evidence(path.as_bytes());
        if self.places.contains_key(&key) {
            return Err(BundleError::Repeated { path: path.to_string() });
        }
        self.check()?;
        let mut payload = payload_path(path);
        let begun = match self.archive.begin(&payload, size, seconds) {
            // In a folder, a name can collide with another's parent (a file that became a directory meanwhile), and the
            // file system may hold less than Linux does.
            Err(error) if is_name_trouble(&error) => {
                payload = long_path(path);
                self.archive.begin(&payload, size, seconds)
            }
            begun => begun,
        };
        let place = self.attempt(begun)?;
        self.places.insert(key, place);
        let written = fill(self);
        let stored = self.attempt(written)?;
        self.listed(&payload, stored.sha256, size)?;
        self.totals.files += 1;
        self.totals.file_bytes += size;
        self.unrecorded.insert(payload.clone(), (stored.sha256, size));
        self.since_checkpoint += size;
        Ok(Stored { payload, ..stored })
    }

    fn copy(&mut self, size: u64, body: &mut dyn Read) -> io::Result<Stored> {
        let mut hasher = Hasher::new();
        let mut left = size;
        let mut missing = 0;
        let mut error = None;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let window = self.buffer.get_mut(..most).unwrap_or_default();
            let read = if missing > 0 {
                window.fill(0);
                window.len()
            } else {
                match body.read(window) {
                    Ok(0) => {
                        missing = left;
                        continue;
                    }
                    Ok(read) => read,
                    Err(fault) if fault.kind() == io::ErrorKind::Interrupted => continue,
                    Err(fault) => {
                        error = Some(fault);
                        missing = left;
                        continue;
                    }
                }
            };
            let bytes = self.buffer.get(..read).unwrap_or_default();
            hasher.update(bytes);
            self.archive.write(bytes)?;
            left -= u64::try_from(read).unwrap_or(0);
        }
        self.archive.end()?;
        let was_cut = missing == 0 && error.is_none() && matches!(body.read(&mut [0]), Ok(1));
        Ok(Stored { payload: String::new(), sha256: hasher.finish(), size, missing, was_cut, error })
    }

    /// Adds a record.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn record(&mut self, record: &Record) -> Result<(), BundleError> {
        self.check()?;
        let folder = record.folder();
        let open = self.records.entry(folder).or_insert_with(|| segment::Open::new(folder));
        open.push(record).map_err(|source| BundleError::Record { what: folder.to_owned(), source })?;
        let is_full = open.len() >= SEGMENT_BYTES || self.since_checkpoint >= CHECKPOINT_BYTES;
        *self.totals.records.entry(folder.to_owned()).or_default() += 1;
        if let Record::File(file) = record
            && let Some(payload) = &file.payload
        {
            self.unrecorded.remove(payload);
        }
        if is_full { self.checkpoint() } else { Ok(()) }
    }

    /// Adds a line to the collection log.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn event(&mut self, event: &Event) -> Result<(), BundleError> {
        self.check()?;
        self.collection
            .push(event)
            .map_err(|source| BundleError::Record { what: segment::COLLECTION.to_owned(), source })?;
        if self.collection.len() >= SEGMENT_BYTES { self.flush_collection() } else { Ok(()) }
    }

    /// Tells of something that was not read: in the collection log, counted, and listed in the manifest.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn gap(&mut self, gap: Gap) -> Result<(), BundleError> {
        self.totals.gaps += 1;
        if self.gaps.len() < MAX_GAPS {
            self.gaps.push(gap.clone());
        }
        self.event(&Event::Gap(gap))
    }

    /// What is in it so far.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Ends the bundle: manifests, summary, index; then it gets its final name.
    ///
    /// # Errors
    /// When the output refuses; then the bundle is left under its partial name.
    pub fn finish(mut self, ending: Ending, end: Timestamp) -> Result<Sealed, BundleError> {
        self.check()?;
        self.flush_records()?;
        for (payload, (sha256, size_bytes)) in std::mem::take(&mut self.unrecorded) {
            self.event(&Event::Payload { payload, sha256, size_bytes })?;
        }
        let interrupted = match ending {
            Ending::Complete => None,
            Ending::Interrupted { why } => {
                self.event(&Event::Interrupted { time: end, why: why.clone() })?;
                Some(why)
            }
        };
        self.event(&Event::End { time: end })?;
        self.flush_collection()?;
        let chain_head = self.collection.head().unwrap_or_else(|| Digest::of(b""));
        self.payload_manifest()?;
        self.bag_info()?;
        let manifest = BundleManifest {
            format_version: FORMAT_VERSION,
            tool: self.info.tool.clone(),
            version: self.info.version.clone(),
            name: self.name.clone(),
            host: self.info.host.clone(),
            root: self.info.root.clone(),
            is_live: self.info.is_live,
            profile: self.info.profile.clone(),
            selection: self.info.selection.clone(),
            start: self.info.start,
            end,
            clock_note: self.info.clock_note.clone(),
            totals: self.totals.clone(),
            gaps: std::mem::take(&mut self.gaps),
            interrupted,
            collection_head: chain_head,
        };
        let mut json = serde_json::to_vec_pretty(&manifest)
            .map_err(|source| BundleError::Record { what: manifest::PATH.to_owned(), source })?;
        json.push(b'\n');
        self.tag(manifest::PATH, &json)?;
        let mut lines = String::new();
        for (path, sha256) in std::mem::take(&mut self.tags) {
            let _ = writeln!(lines, "{sha256}  {path}");
        }
        self.member("tagmanifest-sha256.txt", lines.as_bytes())?;
        let wants_index = self.archive.begin_index();
        if self.attempt(wants_index)? {
            let index = index::encode(&self.places);
            self.member(index::PATH, &index)?;
        }
        let committed = self.archive.finish()?;
        Ok(Sealed {
            path: committed.path,
            sha256: committed.sha256,
            bytes: committed.bytes,
            name: self.name,
            totals: self.totals,
            chain_head,
        })
    }

    /// Stops here. What was written stays under the partial name: it is evidence, and verifies as far as it goes.
    pub fn abort(self) {}

    fn check(&self) -> Result<(), BundleError> {
        if self.is_torn { Err(BundleError::Torn) } else { Ok(()) }
    }

    /// After a failed write nothing can follow: the member that it was in has no end.
    fn attempt<T>(&mut self, result: io::Result<T>) -> Result<T, BundleError> {
        self.is_torn |= result.is_err();
        result.map_err(writing)
    }

    fn checkpoint(&mut self) -> Result<(), BundleError> {
        self.since_checkpoint = 0;
        self.flush_records()?;
        self.flush_collection()
    }

    fn flush_records(&mut self) -> Result<(), BundleError> {
        let mut sealed = Vec::new();
        for (kind, open) in &mut self.records {
            let segment = open.seal().map_err(|source| BundleError::Record { what: (*kind).to_owned(), source })?;
            sealed.extend(segment);
        }
        for segment in sealed {
            let size_bytes = u64::try_from(segment.bytes.len()).unwrap_or(0);
            self.member(&segment.path, &segment.bytes)?;
            self.listed(&segment.path, segment.sha256, size_bytes)?;
            self.event(&Event::Segment { path: segment.path, sha256: segment.sha256, size_bytes })?;
        }
        Ok(())
    }

    fn flush_collection(&mut self) -> Result<(), BundleError> {
        let sealed = self
            .collection
            .seal()
            .map_err(|source| BundleError::Record { what: segment::COLLECTION.to_owned(), source })?;
        sealed.map_or(Ok(()), |segment| self.tag(&segment.path, &segment.bytes))
    }

    /// Notes a payload file for the manifest.
    fn listed(&mut self, path: &str, sha256: Digest, size: u64) -> Result<(), BundleError> {
        self.payload_files += 1;
        self.payload_bytes += size;
        self.payload_manifest.push(&format!("{sha256}  {path}\n")).map_err(writing)
    }

    fn payload_manifest(&mut self) -> Result<(), BundleError> {
        const NAME: &str = "manifest-sha256.txt";
        let spool = std::mem::replace(&mut self.payload_manifest, Spool::new().map_err(writing)?);
        let (packed, length, sha256) = spool.finish().map_err(writing)?;
        let mut reader = zstd::stream::read::Decoder::new(packed.as_slice()).map_err(writing)?;
        let begun = self.archive.begin(NAME, length, self.info.start.seconds());
        let place = self.attempt(begun)?;
        self.places.insert(index::key(NAME), place);
        let written = self.copy(length, &mut reader);
        let stored = self.attempt(written)?;
        debug_assert!(stored.sha256 == sha256 && !stored.was_short());
        self.tags.push((NAME.to_owned(), sha256));
        Ok(())
    }

    fn bag_info(&mut self) -> Result<(), BundleError> {
        let day: String = self.info.start.to_string().chars().take(10).collect();
        let text = format!(
            "Bag-Software-Agent: {} {}\nBagging-Date: {day}\nExternal-Identifier: {}\n\
             Internal-Sender-Identifier: {}\nPayload-Oxum: {}.{}\n",
            escape(self.info.tool.as_bytes()),
            escape(self.info.version.as_bytes()),
            self.name,
            self.info.host.digest,
            self.payload_bytes,
            self.payload_files,
        );
        self.tag("bag-info.txt", text.as_bytes())
    }

    /// Writes a tag file and notes it for the tag manifest.
    fn tag(&mut self, path: &str, bytes: &[u8]) -> Result<(), BundleError> {
        self.member(path, bytes)?;
        self.tags.push((path.to_owned(), Digest::of(bytes)));
        Ok(())
    }

    fn member(&mut self, path: &str, bytes: &[u8]) -> Result<(), BundleError> {
        let size = u64::try_from(bytes.len()).unwrap_or(0);
        let written = self.archive.begin(path, size, self.info.start.seconds()).and_then(|place| {
            self.archive.write(bytes)?;
            self.archive.end()?;
            Ok(place)
        });
        let place = self.attempt(written)?;
        self.places.insert(index::key(path), place);
        Ok(())
    }
}

fn is_name_trouble(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::InvalidFilename
    )
}

/// Lines that are kept compressed until they are written: for a million files some 50 MB instead of 130.
struct Spool {
    encoder: zstd::stream::write::Encoder<'static, Vec<u8>>,
    hasher: Hasher,
    length: u64,
}

impl Spool {
    fn new() -> io::Result<Self> {
        let encoder = zstd::stream::write::Encoder::new(Vec::new(), 1)?;
        Ok(Self { encoder, hasher: Hasher::new(), length: 0 })
    }

    fn push(&mut self, line: &str) -> io::Result<()> {
        self.encoder.write_all(line.as_bytes())?;
        self.hasher.update(line.as_bytes());
        self.length += u64::try_from(line.len()).unwrap_or(0);
        Ok(())
    }

    /// The compressed lines, their uncompressed length, and their digest.
    fn finish(self) -> io::Result<(Vec<u8>, u64, Digest)> {
        Ok((self.encoder.finish()?, self.length, self.hasher.finish()))
    }
}
