//! Writing a bundle as a stream: each file once, in bounded memory, with nothing that has to be mended afterwards.

use super::already::Already;
use super::escape::{long_path, payload_path};
use super::format::{self, Archive, BundleSink};
use super::index::{self, Key};
use super::listing::Listing;
use super::manifest::{BundleInfo, MAX_GAPS, Totals};
use super::seal::{Seal, Signer};
use super::segment::{self, Beginning, Event};
use super::{BundleError, resume, writing};
use crate::model::{Digest, EvidencePath, Gap, Hasher, Record, Timestamp};
use std::collections::{BTreeMap, HashSet};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

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
    /// SHA-256 of the tag manifest, which stands for a folder as the file's own digest stands for a file.
    pub tag_manifest: Digest,
    /// The id of the key that signed it.
    pub signed_by: Option<String>,
}

/// What was written so far, as far as what follows depends on it.
pub(super) struct Ledger {
    pub(super) listing: Listing,
    pub(super) records: BTreeMap<String, segment::Open>,
    pub(super) collection: segment::Open,
    pub(super) totals: Totals,
    pub(super) gaps: Vec<Gap>,
    /// Gaps that were told before the collection was killed, and are not told again.
    pub(super) told_gaps: HashSet<Key>,
    /// When it went on.
    pub(super) resumed: Vec<Timestamp>,
}

impl Ledger {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            listing: Listing::new()?,
            records: BTreeMap::new(),
            collection: segment::Open::new(segment::COLLECTION),
            totals: Totals::default(),
            gaps: Vec::new(),
            told_gaps: HashSet::new(),
            resumed: Vec::new(),
        })
    }

    /// Counts a gap.
    pub(super) fn gap(&mut self, gap: &Gap) {
        self.totals.gaps += 1;
        if self.gaps.len() < MAX_GAPS {
            self.gaps.push(gap.clone());
        }
    }
}

/// A bundle that is being written.
///
/// Dropped or [aborted](BundleWriter::abort), it leaves what there is under its partial name.
pub struct BundleWriter {
    pub(super) archive: Box<dyn Archive>,
    pub(super) info: BundleInfo,
    pub(super) name: String,
    pub(super) ledger: Ledger,
    pub(super) signer: Option<Signer>,
    already: Option<Arc<Already>>,
    /// Payloads that no record names yet.
    pub(super) unrecorded: BTreeMap<String, (Digest, u64)>,
    since_checkpoint: u64,
    /// A checkpoint comes before the next object: what belongs to one, its records and gaps, is never torn apart.
    is_checkpoint_due: bool,
    is_torn: bool,
    buffer: Vec<u8>,
}

impl BundleWriter {
    /// Begins a bundle, or goes on with one where the sink is [`BundleSink::Resume`].
    ///
    /// # Errors
    /// When the name is taken, or the file or the first bytes cannot be written; and all that a resumption needs and does not find.
    pub fn create(sink: BundleSink, info: BundleInfo) -> Result<Self, BundleError> {
        Self::create_sealed(sink, info, Seal::default())
    }

    /// Begins a bundle that is signed or encrypted.
    ///
    /// # Errors
    /// As [`BundleWriter::create`].
    pub fn create_sealed(sink: BundleSink, info: BundleInfo, seal: Seal) -> Result<Self, BundleError> {
        if let BundleSink::Resume { partial } = sink {
            if !seal.recipients.is_empty() {
                let what = "an encrypted bundle cannot be gone on with: begin it anew".to_owned();
                return Err(BundleError::Unsupported { what });
            }
            return Self::go_on(&partial, info, seal.signer);
        }
        let name = info.name();
        let archive = format::open(sink, &name, &info, &seal.recipients)?;
        let mut writer = Self::over(archive, info, name, Ledger::new().map_err(writing)?, seal.signer);
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
            time_zone: writer.info.time_zone.clone(),
            case: writer.info.case.clone(),
        };
        writer.event(&Event::Start(Box::new(beginning)))?;
        // At once: what a kill leaves shall say whose it is.
        writer.flush_collection()?;
        Ok(writer)
    }

    fn go_on(partial: &std::path::Path, mut info: BundleInfo, signer: Option<Signer>) -> Result<Self, BundleError> {
        let now = info.start;
        let found = resume::open(partial, &info)?;
        let (kept_files, kept_bytes) = (found.ledger.totals.files, found.ledger.totals.file_bytes);
        // What the bundle says of its beginning stays as it was.
        let (name, beginning) = (found.beginning.name.clone(), found.beginning);
        info.start = beginning.time;
        info.tool = beginning.tool;
        info.clock_note = beginning.clock_note;
        info.time_zone = beginning.time_zone;
        info.case = beginning.case;
        let version = std::mem::replace(&mut info.version, beginning.version);
        let mut writer = Self::over(found.archive, info, name, found.ledger, signer);
        writer.already = Some(Arc::new(found.already));
        writer.ledger.resumed.push(now);
        writer.event(&Event::Resumed { time: now, version, kept_files, kept_bytes })?;
        writer.flush_collection()?;
        Ok(writer)
    }

    fn over(archive: Box<dyn Archive>, info: BundleInfo, name: String, ledger: Ledger, signer: Option<Signer>) -> Self {
        Self {
            archive,
            info,
            name,
            ledger,
            signer,
            already: None,
            unrecorded: BTreeMap::new(),
            since_checkpoint: 0,
            is_checkpoint_due: false,
            is_torn: false,
            buffer: vec![0; CHUNK],
        }
    }

    /// What it held when it was gone on with; none for a new one.
    pub fn already(&self) -> Option<&Arc<Already>> {
        self.already.as_ref()
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
        self.checkpoint_if_due()?;
        let seconds = mtime.unwrap_or(self.info.start).seconds();
        let key = index::key_of_evidence(path.as_bytes());
        if self.ledger.listing.contains(&key) {
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
        let written = fill(self);
        let stored = self.attempt(written)?;
        self.ledger.listing.push_as(key, &payload, place, stored.sha256, size).map_err(writing)?;
        self.ledger.totals.files += 1;
        self.ledger.totals.file_bytes += size;
        self.unrecorded.insert(payload.clone(), (stored.sha256, size));
        self.since_checkpoint += size;
        self.is_checkpoint_due |= self.since_checkpoint >= CHECKPOINT_BYTES;
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
        self.checkpoint_if_due()?;
        self.check()?;
        let folder = record.folder();
        let ledger = &mut self.ledger;
        let open = match ledger.records.get_mut(folder) {
            Some(open) => open,
            None => ledger.records.entry(folder.to_owned()).or_insert_with(|| segment::Open::new(folder)),
        };
        open.push(record).map_err(|source| BundleError::Record { what: folder.to_owned(), source })?;
        self.is_checkpoint_due |= open.len() >= SEGMENT_BYTES;
        match ledger.totals.records.get_mut(folder) {
            Some(count) => *count += 1,
            None => {
                ledger.totals.records.insert(folder.to_owned(), 1);
            }
        }
        if let Record::File(file) = record
            && let Some(payload) = &file.payload
        {
            self.unrecorded.remove(payload);
        }
        Ok(())
    }

    /// Adds a line to the collection log.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn event(&mut self, event: &Event) -> Result<(), BundleError> {
        self.check()?;
        self.ledger
            .collection
            .push(event)
            .map_err(|source| BundleError::Record { what: segment::COLLECTION.to_owned(), source })?;
        if self.ledger.collection.len() >= SEGMENT_BYTES { self.flush_collection() } else { Ok(()) }
    }

    /// Tells of something that was not read: in the collection log, counted, and listed in the manifest.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn gap(&mut self, gap: Gap) -> Result<(), BundleError> {
        if !self.ledger.told_gaps.is_empty() && self.ledger.told_gaps.contains(&resume::gap_key(&gap)) {
            return Ok(());
        }
        self.ledger.gap(&gap);
        self.event(&Event::Gap(gap))
    }

    /// Adds a tag file of ours, such as `triage/coverage.json`: the tag manifest covers it, nothing in the format reads it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn statement(&mut self, path: &str, bytes: &[u8]) -> Result<(), BundleError> {
        self.check()?;
        self.tag(path, bytes)
    }

    /// What is in it so far.
    pub fn totals(&self) -> &Totals {
        &self.ledger.totals
    }

    /// Stops here. What was written stays under the partial name: it is evidence, and verifies as far as it goes.
    pub fn abort(self) {}

    pub(super) fn check(&self) -> Result<(), BundleError> {
        if self.is_torn { Err(BundleError::Torn) } else { Ok(()) }
    }

    /// After a failed write nothing can follow: the member that it was in has no end.
    pub(super) fn attempt<T>(&mut self, result: io::Result<T>) -> Result<T, BundleError> {
        self.is_torn |= result.is_err();
        result.map_err(writing)
    }

    fn checkpoint_if_due(&mut self) -> Result<(), BundleError> {
        if !self.is_checkpoint_due || !self.unrecorded.is_empty() {
            return Ok(());
        }
        self.is_checkpoint_due = false;
        self.since_checkpoint = 0;
        self.flush_records()?;
        self.flush_collection()
    }

    pub(super) fn flush_records(&mut self) -> Result<(), BundleError> {
        let mut sealed = Vec::new();
        for (kind, open) in &mut self.ledger.records {
            let segment = open.seal().map_err(|source| BundleError::Record { what: kind.clone(), source })?;
            sealed.extend(segment);
        }
        for segment in sealed {
            let size_bytes = u64::try_from(segment.bytes.len()).unwrap_or(0);
            self.member(&segment.path, &segment.bytes, segment.sha256)?;
            self.event(&Event::Segment { path: segment.path, sha256: segment.sha256, size_bytes })?;
        }
        Ok(())
    }

    pub(super) fn flush_collection(&mut self) -> Result<(), BundleError> {
        let sealed = self
            .ledger
            .collection
            .seal()
            .map_err(|source| BundleError::Record { what: segment::COLLECTION.to_owned(), source })?;
        let Some(segment) = sealed else { return Ok(()) };
        self.member(&segment.path, &segment.bytes, segment.sha256)?;
        let checked = self.archive.checkpoint();
        self.attempt(checked)
    }

    /// Writes a tag file.
    pub(super) fn tag(&mut self, path: &str, bytes: &[u8]) -> Result<(), BundleError> {
        self.member(path, bytes, Digest::of(bytes))
    }

    /// Writes a member of the bundle's own, and lists it.
    fn member(&mut self, path: &str, bytes: &[u8], sha256: Digest) -> Result<(), BundleError> {
        let place = self.unlisted(path, bytes)?;
        self.ledger.listing.push(path, place, sha256, u64::try_from(bytes.len()).unwrap_or(0)).map_err(writing)
    }

    /// Writes a member that no manifest can list.
    pub(super) fn unlisted(&mut self, path: &str, bytes: &[u8]) -> Result<u64, BundleError> {
        let size = u64::try_from(bytes.len()).unwrap_or(0);
        let written = self.archive.begin(path, size, self.info.start.seconds()).and_then(|place| {
            self.archive.write(bytes)?;
            self.archive.end()?;
            Ok(place)
        });
        self.attempt(written)
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
