//! Going on with a collection that was killed: what is in whole segments is kept, the rest is cut off and collected anew.
//!
//! The partial bundle is read once from its beginning and held against its own log, because what is kept will be vouched for by
//! the finished bundle. It is changed only when all of that is done, and only behind the last place up to which everything
//! agrees; so it can be killed again, at any time, and gone on with again.

mod archive;
mod folder;

use super::BundleError;
use super::already::Already;
use super::format::Archive;
use super::index::{Key, key};
use super::manifest::BundleInfo;
use super::segment::{self, Beginning, Event, Header};
use super::writer::Ledger;
use crate::model::{Digest, Gap, Record, escape};
use crate::source::{Container, ContainerError, ContainerFormat};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Largest segment that is read; ours have 1 MiB and what one object adds.
const MAX_SEGMENT: u64 = 64 << 20;

/// A bundle that can be gone on with.
pub(super) struct Found {
    pub(super) archive: Box<dyn Archive>,
    pub(super) beginning: Beginning,
    pub(super) ledger: Ledger,
    pub(super) already: Already,
}

fn cannot(what: impl Into<String>) -> BundleError {
    BundleError::Unsupported { what: what.into() }
}

/// Opens a partial bundle, finds out what of it can be kept, and makes it ready to be written to.
pub(super) fn open(partial: &Path, info: &BundleInfo) -> Result<Found, BundleError> {
    let shown = escape(partial.as_os_str().as_bytes());
    let container = match Container::open(partial) {
        Ok(container) => container,
        Err(ContainerError::Sealed { .. }) => {
            return Err(cannot(format!(
                "`{shown}` is encrypted and cannot be gone on with: the key that opens it does not belong on this host"
            )));
        }
        Err(error) => return Err(BundleError::Container(error)),
    };
    match container.format() {
        ContainerFormat::Directory => folder::open(partial, &container, info),
        ContainerFormat::TarZst | ContainerFormat::Zip => archive::open(partial, container, info),
        ContainerFormat::TarGz | ContainerFormat::TarXz | ContainerFormat::Tar => Err(cannot(format!(
            "`{shown}` is a tar in gzip or another tar, which cannot be gone on with; `tar.zst`, `zip` and `dir` can"
        ))),
    }
}

/// What is known of the bundle so far, up to the last place where all of it agreed.
struct Scan {
    ledger: Ledger,
    already: Already,
    beginning: Option<Beginning>,
    /// Number and digest of the last segment of each kind.
    chains: BTreeMap<String, (u64, Digest)>,
}

/// What one record segment says.
struct Records {
    kind: String,
    n: u64,
    sha256: Digest,
    /// Payloads and their digests.
    claims: Vec<(String, Digest)>,
    objects: Vec<(crate::model::EvidencePath, crate::model::FileMeta)>,
    count: u64,
}

/// What one segment of the log says.
struct Log {
    n: u64,
    sha256: Digest,
    /// Record segments that it names.
    segments: Vec<(String, Digest)>,
    /// Payloads that it names.
    claims: Vec<(String, Digest)>,
    gaps: Vec<Gap>,
    beginning: Option<Beginning>,
    resumed: Vec<crate::model::Timestamp>,
}

/// The lines of a segment behind its header, if that is the one it should have.
fn lines<'a>(
    kind: &str,
    n: u64,
    previous: Option<Digest>,
    bytes: &'a [u8],
) -> Option<impl Iterator<Item = &'a [u8]> + use<'a>> {
    let whole = bytes.strip_suffix(b"\n")?;
    let mut lines = whole.split(|&byte| byte == b'\n');
    let header: Header<'_> = serde_json::from_slice(lines.next()?).ok()?;
    (header.records == kind && header.n == n && header.previous == previous).then_some(lines)
}

impl Scan {
    fn new() -> Result<Self, BundleError> {
        Ok(Self {
            ledger: Ledger::new().map_err(super::writing)?,
            already: Already::default(),
            beginning: None,
            chains: BTreeMap::new(),
        })
    }

    /// Reads a record segment. `None` where it is not what should come next, or not understood.
    fn records(kind: &str, n: u64, previous: Option<Digest>, bytes: &[u8]) -> Option<Records> {
        let sha256 = Digest::of(bytes);
        let mut found = Records { kind: kind.to_owned(), n, sha256, claims: Vec::new(), objects: Vec::new(), count: 0 };
        for line in lines(kind, n, previous, bytes)? {
            found.count += 1;
            if kind != "files" {
                continue;
            }
            let Ok(Record::File(file)) = serde_json::from_slice(line) else { return None };
            match (file.payload, file.sha256) {
                (Some(payload), Some(sha256)) => found.claims.push((payload, sha256)),
                (Some(_), None) => return None,
                (None, _) => {}
            }
            found.objects.push((file.path, file.meta));
        }
        Some(found)
    }

    /// Reads the next segment of the log. `None` where it is not that, or not understood.
    fn log(n: u64, previous: Option<Digest>, bytes: &[u8]) -> Option<Log> {
        let mut log = Log {
            n,
            sha256: Digest::of(bytes),
            segments: Vec::new(),
            claims: Vec::new(),
            gaps: Vec::new(),
            beginning: None,
            resumed: Vec::new(),
        };
        for line in lines(segment::COLLECTION, n, previous, bytes)? {
            match serde_json::from_slice(line).ok()? {
                Event::Start(beginning) => log.beginning = Some(*beginning),
                Event::Gap(gap) => log.gaps.push(gap),
                Event::Segment { path, sha256, .. } => log.segments.push((path, sha256)),
                Event::Payload { payload, sha256, .. } => log.claims.push((payload, sha256)),
                Event::Resumed { time, .. } => log.resumed.push(time),
                _ => {}
            }
        }
        Some(log)
    }

    fn previous(&self, kind: &str) -> (u64, Option<Digest>) {
        self.chains.get(kind).map_or((0, None), |&(n, digest)| (n, Some(digest)))
    }

    fn take_records(&mut self, records: Records) {
        for (path, meta) in &records.objects {
            self.already.add(path, meta);
        }
        *self.ledger.totals.records.entry(records.kind.clone()).or_default() += records.count;
        self.chains.insert(records.kind, (records.n, records.sha256));
    }

    fn take_log(&mut self, log: Log) {
        for gap in log.gaps {
            self.ledger.gap(&gap);
            self.ledger.told_gaps.insert(gap_key(&gap));
        }
        self.ledger.resumed.extend(log.resumed);
        if self.beginning.is_none() {
            self.beginning = log.beginning;
        }
        self.chains.insert(segment::COLLECTION.to_owned(), (log.n, log.sha256));
    }

    /// Lists a member that is kept.
    fn list(&mut self, path: &str, place: u64, sha256: Digest, size: u64) -> io::Result<()> {
        if path.starts_with(super::escape::FILES) || path.starts_with(super::escape::LONG) {
            self.ledger.totals.files += 1;
            self.ledger.totals.file_bytes += size;
        }
        self.ledger.listing.push(path, place, sha256, size)
    }

    /// Makes sure that it is the same collection, and gives what goes on.
    fn finish(mut self, partial: &Path, info: &BundleInfo) -> Result<(Beginning, Ledger, Already), BundleError> {
        let shown = escape(partial.as_os_str().as_bytes());
        let Some(beginning) = self.beginning.take() else {
            return Err(cannot(format!(
                "`{shown}` was cut before its first whole segment: there is nothing to go on with; remove it and collect anew"
            )));
        };
        let other = if beginning.host.digest != info.host.digest {
            Some("of another host")
        } else if beginning.root != info.root {
            Some("of another root")
        } else if beginning.profile != info.profile {
            Some("with another profile")
        } else if beginning.selection != info.selection {
            Some("of other paths, although the profile has the same name (homes or web roots came or went)")
        } else {
            None
        };
        if let Some(other) = other {
            return Err(BundleError::OtherCollection { path: shown, other });
        }
        for (kind, &(n, digest)) in &self.chains {
            let open = segment::Open::after(kind, n, digest);
            if kind == segment::COLLECTION {
                self.ledger.collection = open;
            } else {
                self.ledger.records.insert(kind.clone(), open);
            }
        }
        Ok((beginning, self.ledger, self.already))
    }
}

/// What a gap is known by.
pub(super) fn gap_key(gap: &Gap) -> Key {
    key(&format!("{} {} {}", gap.path, gap.reason.as_str(), gap.detail))
}
