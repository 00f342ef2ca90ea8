//! Collection: what to read (profiles) and how much of it (budgets), which host it is, the store of a sweep that writes the bundle, and the
//! statement of what it covers.

mod budget;
mod catalogue;
mod coverage;
pub mod definition;
mod digest;
mod estimate;
mod explain;
mod identity;
mod profile;
mod remaining;
mod sshd;
mod tally;
mod time_zone;
mod window;

pub use budget::{Allowance, Budgets, default_floor};
pub use catalogue::{Added, Catalogue, Problem};
pub use coverage::{
    ArtifactCoverage, COVERAGE_VERSION, Counts, Coverage, CoverageError, LogCoverage, Ours, Rotation, Skipped,
};
pub use estimate::{ArtifactEstimate, Budget, Estimate, LargeFile, LeftOut, Sized, estimate};
pub use explain::{ExplainedArtifact, ExplainedPath, Explanation, Listing};
pub use identity::identify;
pub use profile::{ArtifactScope, Profile, ProfileError, Scope};
pub use remaining::Remaining;
pub use tally::{LogWindows, Tally};
pub use time_zone::time_zone;
pub use window::{Hole, TimeFormat, Window, WindowFinder};

use crate::bundle::{BundleError, BundleWriter};
use crate::model::{Digest, EvidencePath, FileMeta, FileRecord, Gap, GapReason, Hasher, Record};
use crate::parse;
use crate::source::Selection;
use crate::sweep::{Body, ExtraDigests, Store, StoreError, Stored};
use digest::Digests;
use std::io::{self, Read as _};

/// Writes the objects of a sweep into a bundle, with their records, and the records of what is in them.
pub struct Collector {
    writer: BundleWriter,
    sensitive: Selection,
    hashed_only: Selection,
    omits_secrets: bool,
    extra_digests: ExtraDigests,
    limits: parse::Limits,
}

impl Collector {
    /// A collector into `writer`. What `sensitive` selects is marked in its record; with `omits_secrets` its content is left out, as a gap.
    pub fn new(writer: BundleWriter, sensitive: Selection, omits_secrets: bool) -> Self {
        let (extra_digests, limits) = (ExtraDigests::default(), parse::Limits::default());
        Self { writer, sensitive, hashed_only: Selection::default(), omits_secrets, extra_digests, limits }
    }

    /// Of what this selects only the digest is kept.
    #[must_use]
    pub fn hashing_only(mut self, hashed_only: Selection) -> Self {
        self.hashed_only = hashed_only;
        self
    }

    /// The same collector, which puts these digests into the records too.
    #[must_use]
    pub fn with_digests(mut self, extra_digests: ExtraDigests) -> Self {
        self.extra_digests = extra_digests;
        self
    }

    /// The writer, to end the bundle with.
    pub fn into_writer(self) -> BundleWriter {
        self.writer
    }

    /// Adds a record that is of no file: of the host's volatile state.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn record(&mut self, record: &Record) -> Result<(), BundleError> {
        self.writer.record(record)
    }

    fn keep(
        &mut self,
        path: &EvidencePath,
        meta: &FileMeta,
        body: Body<'_>,
    ) -> Result<(FileRecord, Option<Gap>), BundleError> {
        let is_sensitive = meta.is_file() && self.sensitive.selects(path);
        let mut record = FileRecord { is_sensitive, ..FileRecord::new(path.clone(), meta.clone()) };
        let mut digests = Digests::new(self.extra_digests);
        let mut gap = None;
        match body {
            Body::None => {}
            _ if is_sensitive && self.omits_secrets => {
                let detail = "secret content was left out on request";
                gap = Some(Gap::new(path.clone(), GapReason::Omitted, detail));
            }
            Body::Whole { sha256, .. } if self.hashed_only.selects(path) => record.sha256 = Some(sha256),
            Body::Stream { size, reader } if self.hashed_only.selects(path) => {
                let (sha256, read) = digest(&mut reader.take(size))?;
                if read < size || matches!(reader.read(&mut [0]), Ok(1)) {
                    let detail = format!("it had {size} bytes at first and another length when it was hashed");
                    gap = Some(Gap::new(path.clone(), GapReason::ChangedWhileReading, detail));
                } else {
                    record.sha256 = Some(sha256);
                }
            }
            Body::Whole { bytes, sha256 } => {
                let stored = self.writer.payload_whole(path, meta.mtime, bytes, sha256)?;
                record.payload = Some(stored.payload);
                record.sha256 = Some(sha256);
                digests.update(bytes);
                (record.md5, record.sha1) = digests.finish();
                if parse::wants(path) {
                    let parsed = parse::records(path, meta, bytes, &self.limits);
                    for inner in &parsed.value {
                        self.writer.record(inner)?;
                    }
                    for gap in parsed.gaps {
                        self.writer.gap(gap)?;
                    }
                }
            }
            Body::Stream { size, reader } => {
                let mut reader = digests.watch(size, reader);
                let stored = self.writer.payload(path, size, meta.mtime, &mut reader)?;
                // They are of the bytes as stored, like the SHA-256.
                digests.update_zeros(stored.missing);
                (record.md5, record.sha1) = digests.finish();
                if stored.was_short() || stored.was_cut {
                    let how = if stored.was_short() { "shrank: filled up with zeros" } else { "grew: cut" };
                    let detail = format!("{how} to the {size} bytes it had at first");
                    gap = Some(Gap::new(path.clone(), GapReason::ChangedWhileReading, detail));
                }
                record.payload = Some(stored.payload);
                record.sha256 = Some(stored.sha256);
                if parse::wants(path) {
                    let detail = "too large to be held in memory: it is in the bundle, and has no records of its lines";
                    self.writer.gap(Gap::new(path.clone(), GapReason::LimitReached, detail))?;
                }
            }
        }
        Ok((record, gap))
    }
}

/// The digest of all that a reader gives, and how much that was.
fn digest(reader: &mut impl io::Read) -> Result<(Digest, u64), BundleError> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 1 << 17];
    let mut total = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok((hasher.finish(), total)),
            Ok(read) => {
                hasher.update(buffer.get(..read).unwrap_or_default());
                total += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(BundleError::Io { doing: "hashing", what: "a file".to_owned(), source }),
        }
    }
}

impl Store for Collector {
    fn store(&mut self, path: &EvidencePath, meta: &FileMeta, body: Body<'_>) -> Result<Stored, StoreError> {
        let (record, gap) = self.keep(path, meta, body)?;
        let sha256 = record.sha256;
        self.writer.record(&Record::File(record))?;
        Ok(Stored { sha256, gap })
    }

    fn gap(&mut self, gap: &Gap) -> Result<(), StoreError> {
        Ok(self.writer.gap(gap.clone())?)
    }
}

#[cfg(test)]
mod tests;
